/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include "util/words.h"

char *words_cut(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (*text == ',') {
			if (text[1] != ',') {
				*to = 0;
				return text + 1;
			}
			text++;
		}
		*to++ = *text;
	}
	*to = 0;
	return NULL;
}
