/* SPDX-License-Identifier: MIT */
/* A topology from what `lspci -xxxx` printed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "import.h"
#include "import_lspci.h"
#include "lspci_dump.h"
#include "lspci_text.h"
#include "slurp.h"
#include "util/why.h"

struct reader {
	const char *name;
	struct lspci_text text;
	struct import import;
	struct ioas_why *why;
};

/* Puts where it was before what was wrong. */
static int at_line(struct reader *reader, unsigned line, int rc)
{
	struct ioas_why why = *reader->why;

	if (rc && rc != -ENOMEM)
		why_set(reader->why, rc, "%.80s:%u: %s", reader->name, line, why.text);
	return rc;
}

static int take(struct ioas_pci_addr addr, const uint8_t *config, size_t len, void *arg)
{
	struct reader *reader = arg;
	const struct lspci_function *seen = lspci_text_find(&reader->text, addr);
	struct import_function *function;
	int rc = import_add(&reader->import, addr, config, len, &function, reader->why);

	if (rc)
		return at_line(reader, seen ? seen->line : 1, rc);
	if (function && seen)
		memcpy(function->driver, seen->driver, sizeof(seen->driver));
	return 0;
}

/* libpci reads files by name: the lines that were found good are one without a place in any folder.
 */
static int dump_of(const struct lspci_text *text)
{
	int fd = memfd_create("lspci", MFD_CLOEXEC);
	size_t done = 0;

	while (fd >= 0 && done < text->kept_len) {
		ssize_t nr = write(fd, text->kept + done, text->kept_len - done);

		if (nr < 0) {
			close(fd);
			return -1;
		}
		done += (size_t)nr;
	}
	return fd;
}

static int read_dump(struct reader *reader)
{
	struct ioas_why why = {""};
	int fd = dump_of(&reader->text), rc;
	char path[64];

	if (fd < 0)
		return why_set(reader->why, -errno, "%.120s: %s", reader->name, strerror(errno));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	rc = lspci_dump_each(path, take, reader, &why);
	close(fd);
	if (rc && why.text[0])
		why_set(reader->why, rc, "%.80s: %s", reader->name, why.text);
	return rc;
}

/* The line of the function that a refusal names first. */
static int explain(struct reader *reader, int rc)
{
	struct ioas_pci_addr addr;
	char word[13];

	for (const char *at = reader->why->text; strlen(at) >= sizeof(word) - 1; at++) {
		const struct lspci_function *seen;

		snprintf(word, sizeof(word), "%s", at);
		if (word[4] != ':' || ioas_pci_addr_parse(word, &addr))
			continue;
		seen = lspci_text_find(&reader->text, addr);
		if (seen)
			return at_line(reader, seen->line, rc);
	}
	return at_line(reader, 1, rc);
}

int import_lspci_text(const char *name, const char *text, size_t len, struct ioas_topology **out,
		      struct ioas_why *warning, struct ioas_why *why)
{
	struct reader reader = {.name = name, .why = why};
	int rc = lspci_text_parse(name, text, len, &reader.text, why);

	if (rc)
		return rc;
	rc = read_dump(&reader);
	if (!rc) {
		rc = import_finish(&reader.import, out, warning, why);
		if (rc && rc != -ENOMEM)
			rc = explain(&reader, rc);
	}
	import_fini(&reader.import);
	lspci_text_free(&reader.text);
	return rc;
}

int import_lspci(const char *path, struct ioas_topology **out, struct ioas_why *warning,
		 struct ioas_why *why)
{
	char *text;
	size_t len;
	int rc = slurp(path, &text, &len);

	if (rc)
		return why_set(why, rc, "%.120s: %s", path, strerror(-rc));
	rc = import_lspci_text(path, text, len, out, warning, why);
	free(text);
	return rc;
}
