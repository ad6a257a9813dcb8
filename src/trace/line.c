/* SPDX-License-Identifier: MIT */
/* JSON into a buffer of fixed size. */
#include <string.h>
#include "trace/line.h"

static void put(struct trace_line *line, const char *bytes, size_t len)
{
	if (line->full || len > line->cap - line->len) {
		line->full = true;
		return;
	}
	memcpy(line->buf + line->len, bytes, len);
	line->len += len;
}

static void put_char(struct trace_line *line, char c)
{
	put(line, &c, 1);
}

static void put_string(struct trace_line *line, const char *text)
{
	put(line, text, strlen(text));
}

/* At least `digits` of them. */
static void put_decimal(struct trace_line *line, uint64_t value, unsigned digits)
{
	char text[20];
	unsigned at = sizeof(text);

	while (value || digits) {
		text[--at] = (char)('0' + value % 10);
		value /= 10;
		digits -= digits > 0;
	}
	put(line, text + at, sizeof(text) - at);
}

static void put_hex(struct trace_line *line, uint64_t value)
{
	char text[16];
	unsigned at = sizeof(text);

	do {
		text[--at] = "0123456789abcdef"[value & 0xf];
		value >>= 4;
	} while (value);
	put(line, "0x", 2);
	put(line, text + at, sizeof(text) - at);
}

static void start(struct trace_line *line, const char *key)
{
	if (line->more)
		put_char(line, ',');
	line->more = true;
	if (!key)
		return;
	put_char(line, '"');
	put_string(line, key);
	put(line, "\":", 2);
}

void line_open(struct trace_line *line, const char *key, char bracket)
{
	start(line, key);
	put_char(line, bracket);
	line->more = false;
}

void line_close(struct trace_line *line, char bracket)
{
	put_char(line, bracket);
	line->more = true;
}

/* Bytes of the character at `at`, of which `left` are there; 0: none of UTF-8. Unicode 3.9, D92. */
static size_t character(const unsigned char *at, size_t left)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (*at < 0x80)
		return 1;
	if (*at < 0xc2 || *at > 0xf4)
		return 0;
	len = *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
	if (len > left)
		return 0;
	if (*at == 0xe0)
		low = 0xa0;
	else if (*at == 0xf0)
		low = 0x90;
	else if (*at == 0xed)
		high = 0x9f;
	else if (*at == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < len; i++, low = 0x80, high = 0xbf)
		if (at[i] < low || at[i] > high)
			return 0;
	return len;
}

/* One character as JSON has it, into `out` of 6 bytes. Returns the length. */
static size_t escape(const unsigned char *at, size_t len, char *out)
{
	if (!len)
		return (size_t)((char *)mempcpy(out, "\\ufffd", 6) - out);
	if (*at == '"' || *at == '\\') {
		out[0] = '\\';
		out[1] = (char)*at;
		return 2;
	}
	if (*at < 0x20 || *at == 0x7f) {
		memcpy(out, "\\u00", 4);
		out[4] = "0123456789abcdef"[*at >> 4];
		out[5] = "0123456789abcdef"[*at & 0xf];
		return 6;
	}
	memcpy(out, at, len);
	return len;
}

void line_text(struct trace_line *line, const char *key, const char *text, size_t len, size_t max)
{
	const unsigned char *at = (const unsigned char *)text;

	start(line, key);
	put_char(line, '"');
	for (size_t done = 0; done < len && at[done];) {
		size_t whole = character(at + done, len - done);
		char out[6];
		size_t out_len = escape(at + done, whole, out);

		if (out_len > max)
			break;
		put(line, out, out_len);
		max -= out_len;
		done += whole ? whole : 1;
	}
	put_char(line, '"');
}

void line_string(struct trace_line *line, const char *key, const char *text)
{
	line_text(line, key, text, strlen(text), SIZE_MAX);
}

void line_number(struct trace_line *line, const char *key, uint64_t value)
{
	if (value >> 53) {
		line_hex(line, key, value);
		return;
	}
	start(line, key);
	put_decimal(line, value, 1);
}

void line_signed(struct trace_line *line, const char *key, int64_t value)
{
	start(line, key);
	if (value < 0)
		put_char(line, '-');
	put_decimal(line, value < 0 ? -(uint64_t)value : (uint64_t)value, 1);
}

void line_hex(struct trace_line *line, const char *key, uint64_t value)
{
	start(line, key);
	put_char(line, '"');
	put_hex(line, value);
	put_char(line, '"');
}

void line_null(struct trace_line *line, const char *key)
{
	start(line, key);
	put(line, "null", 4);
}

void line_bool(struct trace_line *line, const char *key, bool value)
{
	start(line, key);
	put_string(line, value ? "true" : "false");
}

void line_seconds(struct trace_line *line, const char *key, uint64_t ns)
{
	start(line, key);
	put_decimal(line, ns / 1000000000, 1);
	put_char(line, '.');
	put_decimal(line, ns % 1000000000, 9);
}

static bool leap(uint64_t year)
{
	return year % 4 == 0 && (year % 100 || year % 400 == 0);
}

/* A line's year is this century's: counting is short. */
static void put_date(struct trace_line *line, uint64_t day)
{
	static const uint8_t lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	uint64_t year = 1970;
	unsigned month = 0;

	for (; day >= (leap(year) ? 366 : 365); year++)
		day -= leap(year) ? 366 : 365;
	for (; day >= (month == 1 && leap(year) ? 29u : lengths[month]); month++)
		day -= month == 1 && leap(year) ? 29u : lengths[month];
	put_decimal(line, year, 4);
	put_char(line, '-');
	put_decimal(line, month + 1, 2);
	put_char(line, '-');
	put_decimal(line, day + 1, 2);
}

void line_time(struct trace_line *line, const char *key, uint64_t ns)
{
	uint64_t second = ns / 1000000000;

	start(line, key);
	put_char(line, '"');
	put_date(line, second / 86400);
	put_char(line, 'T');
	put_decimal(line, second / 3600 % 24, 2);
	put_char(line, ':');
	put_decimal(line, second / 60 % 60, 2);
	put_char(line, ':');
	put_decimal(line, second % 60, 2);
	put_char(line, '.');
	put_decimal(line, ns % 1000000000, 9);
	put(line, "Z\"", 2);
}
