/* SPDX-License-Identifier: MIT */
/*
 * JSON into a buffer of fixed size: no allocation, no libc formatting, safe in a signal handler.
 *
 * What does not fit sets `full`, and nothing more is written. A key is NULL inside a list.
 */
#ifndef TRACE_LINE_H
#define TRACE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace_line {
	char *buf;
	size_t cap, len;
	bool full;
	bool more; /* something came before on this level */
};

/* `bracket` is '{' or '['; the matching one closes. */
void line_open(struct trace_line *line, const char *key, char bracket);
void line_close(struct trace_line *line, char bracket);
/*
 * At most `len` bytes of text, which ends at a zero if one comes before. What is no UTF-8 becomes
 * U+FFFD; beyond `max` bytes of JSON it is cut.
 */
void line_text(struct trace_line *line, const char *key, const char *text, size_t len, size_t max);
/* A string of ours, or one that is short for sure. */
void line_string(struct trace_line *line, const char *key, const char *text);
/* Above 2^53, where JSON's readers lose bits: as line_hex. */
void line_number(struct trace_line *line, const char *key, uint64_t value);
void line_signed(struct trace_line *line, const char *key, int64_t value);
/* "0x1000" */
void line_hex(struct trace_line *line, const char *key, uint64_t value);
void line_null(struct trace_line *line, const char *key);
void line_bool(struct trace_line *line, const char *key, bool value);
/* Seconds with nine digits, as a number. */
void line_seconds(struct trace_line *line, const char *key, uint64_t ns);
/* "2026-11-23T10:20:30.123456789Z" from nanoseconds since 1970. */
void line_time(struct trace_line *line, const char *key, uint64_t ns);

#endif
