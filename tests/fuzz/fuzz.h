/* SPDX-License-Identifier: MIT */
/*
 * A target: a function that takes any bytes, and ends the program when what it tests does wrong.
 * libFuzzer calls it (LLVMFuzzerTestOneInput), or replay.c, which needs no clang.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What was tried; each target counts what it has. */
struct fuzz_counts {
	uint64_t inputs;
	uint64_t operations; /* ioctls, opens, closes, register accesses */
	uint64_t refused;    /* of them */
	uint64_t bad; /* of them, with structs, pointers or texts that no program should give */
	uint64_t tlps;
	uint64_t faults; /* TLPs that did not pass */
	uint64_t around; /* passed, and are on record */
	uint64_t nested; /* went through a guest's page table, or were refused there */
	uint64_t stale;	 /* by an entry that was changed and not invalidated */
	uint64_t asked, translated, invalidations; /* ATS: requests of both kinds that passed */
	uint64_t page_requests;
	uint64_t events;       /* that guests were told of */
	uint64_t compared_len; /* bytes of memory held against the model's */
};
extern struct fuzz_counts fuzz_counts;
/* One line on standard output. */
void fuzz_print_counts(void);

/*
 * Its name; how long an input made of random bytes is at most; and does it take a text, so that
 * random bytes lead nowhere?
 */
extern const char fuzz_name[];
extern const size_t fuzz_len_max;
extern const bool fuzz_text;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
