/* SPDX-License-Identifier: MIT */
/*
 * Names of what a topology holds as numbers: for machine files, for JSON and for the command line.
 * Each table ends with a NULL name.
 */
#ifndef TOOLS_WORDS_H
#define TOOLS_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct word {
	const char *name;
	uint32_t value;
};

extern const struct word type_words[];	 /* enum ioas_topology_type */
extern const struct word acs_words[];	 /* bits of enum ioas_topology_acs */
extern const struct word quirk_words[];	 /* bits of enum ioas_topology_quirk */
extern const struct word cause_words[];	 /* enum ioas_topology_cause */
extern const struct word switch_words[]; /* yes, no and their like */

#define WORDS_LEN 160

/* Is `text` in the table? Case does not matter, '-' and '_' are the same. */
bool word_value(const struct word *words, const char *text, uint32_t *out);
/* The name of a value, "?" for one that has none. */
const char *word_name(const struct word *words, uint32_t value);
/* The names of all bits set, with `between` in between. Returns buf, "" for 0. */
char *words_join(const struct word *words, uint32_t bits, const char *between, char *buf,
		 size_t len);
/* All names of a table, for "one of a, b, c". */
char *words_list(const struct word *words, char *buf, size_t len);

#endif
