/* SPDX-License-Identifier: MIT */
/* How the tool refuses. */
#include <stdarg.h>
#include <stdio.h>
#include "ioas.h"

int complain(const char *fmt, ...)
{
	va_list ap;

	fputs("ioas: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_USAGE;
}
