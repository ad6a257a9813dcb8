/* SPDX-License-Identifier: MIT */
/* The text of an lspci dump, checked line by line. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lspci_text.h"
#include "outline.h"
#include "util/why.h"

#define LINE_BYTES 16
#define CONFIG_LEN 4096
#define KEPT_LINE  100

struct scan {
	const char *name;
	struct ioas_why *why;
	struct lspci_text *out;
	unsigned line;
	bool unterminated; /* the line at hand is the last and has no end */
};

static int bad(struct scan *scan, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int bad(struct scan *scan, unsigned line, const char *fmt, ...)
{
	char reason[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	return why_set(scan->why, -EINVAL, "%.80s:%u: %s", scan->name, line, reason);
}

/* The hex digits that `*text` begins with, at most `max`; their number. */
static size_t digits(const char **text, const char *end, size_t max, uint64_t *value)
{
	size_t nr = 0;

	*value = 0;
	while (*text < end && nr < max && isxdigit((unsigned char)**text)) {
		char c = (char)tolower((unsigned char)**text);

		*value = *value << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
		(*text)++;
		nr++;
	}
	return nr;
}

static bool skip(const char **text, const char *end, char c)
{
	if (*text == end || **text != c)
		return false;
	(*text)++;
	return true;
}

/* "02:00.0 " or "0000:02:00.0 ": a function's name. 0: it is none. */
static int parse_name(struct scan *scan, const char *text, const char *end,
		      struct ioas_pci_addr *addr)
{
	uint64_t part[4] = {0};
	const char *at = text;
	size_t nr = digits(&at, end, 8, &part[0]);

	if (nr >= 4 && skip(&at, end, ':'))
		nr = digits(&at, end, 2, &part[1]);
	else
		part[1] = part[0], part[0] = 0;
	if (nr != 2 || !skip(&at, end, ':') || digits(&at, end, 2, &part[2]) != 2 ||
	    !skip(&at, end, '.') || digits(&at, end, 1, &part[3]) != 1)
		return 0;
	if (at == end || (*at != ' ' && *at != '\t'))
		return 0;
	if (part[2] > 31 || part[3] > 7)
		return bad(scan, scan->line, "%.*s: there is no such address", (int)(at - text),
			   text);
	if (part[0] > UINT16_MAX)
		return bad(scan, scan->line, "segment %.*s is beyond ffff: leave out what is in it",
			   (int)(at - text), text);
	*addr = (struct ioas_pci_addr){.segment = (uint16_t)part[0],
				       .bus = (uint8_t)part[1],
				       .devfn = (uint8_t)(part[2] << 3 | part[3])};
	return 1;
}

/* The end without what is blank before it. */
static const char *trimmed(const char *text, const char *end)
{
	while (end > text && isspace((unsigned char)end[-1]))
		end--;
	return end;
}

/* No longer than libpci takes lines; what it wants of one stands in front. */
static void keep(struct lspci_text *out, const char *text, const char *end)
{
	size_t len = (size_t)(end - text) < KEPT_LINE ? (size_t)(end - text) : KEPT_LINE;
	char *to = mempcpy(out->kept + out->kept_len, text, len);

	*to = '\n';
	out->kept_len += len + 1;
}

static int add_function(struct scan *scan, struct ioas_pci_addr addr)
{
	struct lspci_text *out = scan->out;
	struct lspci_function *functions = out->functions;

	/* Room doubles whenever the number is a power of two. */
	if (!(out->nr & (out->nr - 1))) {
		functions = reallocarray(functions, out->nr ? 2 * out->nr : 1, sizeof(*functions));
		if (!functions)
			return -ENOMEM;
		out->functions = functions;
	}
	functions[out->nr++] = (struct lspci_function){.addr = addr, .line = scan->line};
	return 0;
}

/* The function that the lines at hand are about, or NULL. */
static struct lspci_function *last(struct lspci_text *out)
{
	return out->nr ? &out->functions[out->nr - 1] : NULL;
}

/* Is all that lspci can have printed of it there? */
static int check_whole(struct scan *scan)
{
	const struct lspci_function *f = last(scan->out);
	char name[IOAS_NAME_LEN];

	if (!f)
		return 0;
	if (!f->len)
		return bad(scan, f->line,
			   "no config space of %s: `lspci -xxxx`, as root, prints it",
			   ioas_pci_addr_format(f->addr, name));
	if (f->len != 64 && f->len != 128 && f->len != 256 && f->len != CONFIG_LEN)
		return bad(scan, scan->line,
			   "config space of %s ends at byte %zu: the dump is cut off or damaged",
			   ioas_pci_addr_format(f->addr, name), f->len);
	return 0;
}

/* "40: 01 02 ... 10", sixteen bytes. `text` stands behind the colon. */
static int parse_bytes(struct scan *scan, const char *text, const char *end, uint64_t offset)
{
	struct lspci_function *f = last(scan->out);
	size_t nr = 0;
	uint64_t byte;

	if (!f)
		return bad(scan, scan->line, "config space of no device");
	while (text < end && skip(&text, end, ' ') && text < end) {
		if (digits(&text, end, 2, &byte) != 2)
			break;
		nr++;
	}
	if (nr != LINE_BYTES || trimmed(text, end) != text)
		return bad(scan, scan->line,
			   scan->unterminated ? "the dump ends in the middle of a line"
					      : "not sixteen bytes of config space");
	if (offset != f->len || offset >= CONFIG_LEN)
		return bad(scan, scan->line, "bytes from %#x where those from %#zx are due",
			   (unsigned)offset, f->len);
	f->len += nr;
	return 0;
}

static void note_driver(struct lspci_text *out, const char *text, const char *end)
{
	static const char key[] = "Kernel driver in use: ";
	const char *at = memmem(text, (size_t)(end - text), key, sizeof(key) - 1);

	if (!at || !last(out))
		return;
	at += sizeof(key) - 1;
	snprintf(last(out)->driver, sizeof(last(out)->driver), "%.*s", (int)(trimmed(at, end) - at),
		 at);
}

static int parse_line(struct scan *scan, const char *text, const char *end)
{
	struct ioas_pci_addr addr = {0};
	const char *at = text;
	uint64_t offset;
	int rc = parse_name(scan, text, end, &addr);

	if (rc < 0)
		return rc;
	if (rc) {
		rc = check_whole(scan);
		if (!rc)
			rc = add_function(scan, addr);
		/* libpci wants something behind the name. */
		keep(scan->out, text, end);
		return rc;
	}
	rc = 0;
	if (digits(&at, end, 3, &offset) >= 2 && skip(&at, end, ':')) {
		rc = parse_bytes(scan, at, end, offset);
		keep(scan->out, text, trimmed(text, end));
	} else if (scan->unterminated && trimmed(text, end) != text) {
		/* It may have been the name of one more function. */
		rc = bad(scan, scan->line, "the dump ends in the middle of a line");
	} else {
		note_driver(scan->out, text, end);
	}
	return rc;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = addr_key(((const struct lspci_function *)a)->addr);
	uint32_t y = addr_key(((const struct lspci_function *)b)->addr);

	return x < y ? -1 : x > y;
}

static int finish(struct scan *scan)
{
	struct lspci_text *out = scan->out;
	char name[IOAS_NAME_LEN];
	int rc;

	if (!out->nr)
		return bad(scan, 1, "no device in it: is it what `lspci -xxxx` printed?");
	rc = check_whole(scan);
	qsort(out->functions, out->nr, sizeof(*out->functions), compare);
	for (size_t i = 1; !rc && i < out->nr; i++)
		if (!compare(&out->functions[i - 1], &out->functions[i]))
			rc = bad(scan, out->functions[i].line, "%s is there twice",
				 ioas_pci_addr_format(out->functions[i].addr, name));
	return rc;
}

int lspci_text_parse(const char *name, const char *text, size_t len, struct lspci_text *out,
		     struct ioas_why *why)
{
	struct scan scan = {.name = name, .why = why, .out = out};
	const char *all_end = text + len;
	int rc = 0;

	*out = (struct lspci_text){.kept = malloc(len + 2)};
	if (!out->kept)
		return -ENOMEM;
	while (!rc && text < all_end) {
		const char *end = memchr(text, '\n', (size_t)(all_end - text));

		scan.unterminated = !end;
		if (!end)
			end = all_end;
		scan.line++;
		if (memchr(text, '\0', (size_t)(end - text)))
			rc = bad(&scan, scan.line, "a byte of zero: this is no text");
		else
			rc = parse_line(&scan, text, end > text && end[-1] == '\r' ? end - 1 : end);
		text = end + 1;
	}
	if (!rc)
		rc = finish(&scan);
	if (rc)
		lspci_text_free(out);
	return rc;
}

void lspci_text_free(struct lspci_text *text)
{
	free(text->functions);
	free(text->kept);
	*text = (struct lspci_text){0};
}

struct lspci_function *lspci_text_find(const struct lspci_text *text, struct ioas_pci_addr addr)
{
	struct lspci_function key = {.addr = addr};

	return bsearch(&key, text->functions, text->nr, sizeof(key), compare);
}
