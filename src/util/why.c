/* SPDX-License-Identifier: MIT */
/* Filling in why something was refused. */
#include <stdarg.h>
#include <stdio.h>
#include "util/why.h"

int why_set(struct ioas_why *why, int err, const char *fmt, ...)
{
	va_list ap;

	if (!why)
		return err;
	va_start(ap, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, ap);
	va_end(ap);
	/* What is quoted is the caller's, with line breaks and terminal codes in it. */
	for (char *at = why->text; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	return err;
}
