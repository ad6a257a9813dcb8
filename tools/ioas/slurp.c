/* SPDX-License-Identifier: MIT */
/* A whole file at once; it may be a pipe. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "slurp.h"

static int read_all(FILE *file, char **text, size_t *len)
{
	size_t room = 0, nr = 0;
	char *buf = NULL;

	for (;;) {
		if (room - nr < 4096) {
			char *more = realloc(buf, room = room ? 2 * room : 65536);

			if (!more) {
				free(buf);
				return -ENOMEM;
			}
			buf = more;
		}
		nr += fread(buf + nr, 1, room - nr - 1, file);
		if (ferror(file) || nr > SLURP_MAX) {
			int rc = nr > SLURP_MAX ? -EFBIG : -errno;

			free(buf);
			return rc ? rc : -EIO;
		}
		if (feof(file))
			break;
	}
	buf[nr] = 0;
	*text = buf;
	*len = nr;
	return 0;
}

int slurp(const char *path, char **text, size_t *len)
{
	bool own = strcmp(path, "-");
	FILE *file = own ? fopen(path, "re") : stdin;
	int rc;

	if (!file)
		return -errno;
	rc = read_all(file, text, len);
	if (own)
		fclose(file);
	return rc;
}
