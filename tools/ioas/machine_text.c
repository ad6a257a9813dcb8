/* SPDX-License-Identifier: MIT */
/* Values of a machine file, from text. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "machine_text.h"
#include "words.h"

/* All of `len` bytes as a number; no sign, no blank. */
static bool number(const char *text, size_t len, int base, uint64_t max, uint64_t *out)
{
	char buf[32], *end;
	unsigned long long value;

	if (!len || len >= sizeof(buf) || !isxdigit((unsigned char)*text))
		return false;
	memcpy(buf, text, len);
	buf[len] = 0;
	if (base == 10 && !strncasecmp(buf, "0x", 2)) {
		base = 16;
		if (!isxdigit((unsigned char)buf[2]))
			return false;
	}
	errno = 0;
	value = strtoull(buf, &end, base);
	if (errno || *end || end == buf || value > max)
		return false;
	*out = value;
	return true;
}

bool text_number(const char *text, uint64_t max, uint64_t *out)
{
	return number(text, strlen(text), 10, max, out);
}

bool text_hex(const char *text, uint64_t max, uint64_t *out)
{
	return number(text, strlen(text), 16, max, out);
}

bool text_switch(const char *text, bool *out)
{
	uint32_t value;

	if (!word_value(switch_words, text, &value))
		return false;
	*out = value;
	return true;
}

bool text_size_lg2(const char *text, unsigned *out)
{
	static const char units[] = "KMGTP";
	size_t len = strlen(text);
	const char *unit = len ? strchr(units, toupper((unsigned char)text[len - 1])) : NULL;
	unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
	uint64_t value;

	if (!number(text, len - (unit != NULL), 10, UINT64_MAX >> shift, &value))
		return false;
	if (!value || (value & (value - 1)))
		return false;
	*out = (unsigned)__builtin_ctzll(value) + shift;
	return true;
}

bool text_range(const char *text, struct ioas_range *out)
{
	const char *dash = strchr(text, '-');

	return dash && number(text, (size_t)(dash - text), 10, UINT64_MAX, &out->first) &&
	       text_number(dash + 1, UINT64_MAX, &out->last) && out->first <= out->last;
}

bool text_id(const char *text, uint16_t *vendor, uint16_t *device)
{
	const char *colon = strchr(text, ':');
	uint64_t v, d;

	if (!colon || !number(text, (size_t)(colon - text), 16, UINT16_MAX, &v) ||
	    !text_hex(colon + 1, UINT16_MAX, &d))
		return false;
	*vendor = (uint16_t)v;
	*device = (uint16_t)d;
	return true;
}

/* The number before the last colon of [text, *end), which then ends before it. */
static bool cut_colon(const char *text, const char **end, uint64_t max, uint64_t *out)
{
	const char *colon = memrchr(text, ':', (size_t)(*end - text));
	const char *from = colon ? colon + 1 : text;

	if (!number(from, (size_t)(*end - from), 16, max, out))
		return false;
	*end = colon;
	return true;
}

bool text_place(const char *text, struct text_place *out)
{
	const char *end = text + strlen(text), *dot = strrchr(text, '.');
	uint64_t value;

	*out = (struct text_place){0};
	if (dot) {
		if (!number(dot + 1, (size_t)(end - dot - 1), 16, 7, &value))
			return false;
		out->has_function = true;
		out->function = (uint8_t)value;
		end = dot;
		if (dot == text)
			return true;
	}
	if (!cut_colon(text, &end, 31, &value))
		return false;
	out->has_device = true;
	out->device = (uint8_t)value;
	if (!end)
		return true;
	if (!cut_colon(text, &end, UINT8_MAX, &value))
		return false;
	out->has_bus = true;
	out->bus = (uint8_t)value;
	if (!end)
		return true;
	if (!cut_colon(text, &end, UINT16_MAX, &value))
		return false;
	out->has_segment = true;
	out->segment = (uint16_t)value;
	return !end;
}

bool text_buses(const char *text, uint8_t *secondary, uint8_t *subordinate)
{
	const char *dash = strchr(text, '-');
	size_t len = dash ? (size_t)(dash - text) : strlen(text);
	uint64_t first, last;

	if (!number(text, len, 16, UINT8_MAX, &first))
		return false;
	last = first;
	if (dash && (!text_hex(dash + 1, UINT8_MAX, &last) || last < first))
		return false;
	*secondary = (uint8_t)first;
	*subordinate = (uint8_t)last;
	return true;
}
