/* SPDX-License-Identifier: MIT */
/* Lists of words in one string: "a,b=1,,2,c". A comma within a word is doubled. */
#ifndef UTIL_WORDS_H
#define UTIL_WORDS_H

/* Ends the first word at its comma, halves doubled ones, and returns what follows it or NULL. */
char *words_cut(char *text);

#endif
