/* SPDX-License-Identifier: MIT */
/*
 * Values of a machine file, from text. Numbers come as strings, since YAML readers disagree about
 * 08 and 1:30; each function says whether all of the text was what it should be.
 */
#ifndef TOOLS_MACHINE_TEXT_H
#define TOOLS_MACHINE_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <ioas/types.h>

/* Where a function wants to be. Parts that were left out are false. */
struct text_place {
	bool has_segment, has_bus, has_device, has_function;
	uint16_t segment;
	uint8_t bus, device, function;
};

/* Decimal, or hexadecimal after 0x; `max` is the largest allowed. */
bool text_number(const char *text, uint64_t max, uint64_t *out);
/* Hexadecimal as lspci prints it, with or without 0x. */
bool text_hex(const char *text, uint64_t max, uint64_t *out);
/* yes, no, on, off, true, false. */
bool text_switch(const char *text, bool *out);
/* A power of two: 4096, 4K, 2M, 1G. Its log2. */
bool text_size_lg2(const char *text, unsigned *out);
/* FIRST-LAST, both included. */
bool text_range(const char *text, struct ioas_range *out);
/* "8086:1539". */
bool text_id(const char *text, uint16_t *vendor, uint16_t *device);
/* "1c", "1c.0", ".3", "02:1c.0", "0000:02:1c.0". */
bool text_place(const char *text, struct text_place *out);
/* "02", "02-05"; both bus numbers in hexadecimal. */
bool text_buses(const char *text, uint8_t *secondary, uint8_t *subordinate);

#endif
