/* SPDX-License-Identifier: MIT */
/* Description: an lspci dump that is cut off or damaged anywhere is read, or refused with a line
 * that says where; never anything else. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include "tests/unit/tools/space.h"
#include "import_lspci.h"

#define ALL 0x1d
/* More of them for a longer search: -DROUNDS=... */
#ifndef ROUNDS
#define ROUNDS 400
#endif

struct text {
	char *bytes;
	size_t len;
};

/* The same numbers each time. */
static uint32_t next_random(uint32_t *state, uint32_t below)
{
	*state = *state * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)*state * below >> 32);
}

static void put_function(FILE *to, const char *name, const struct space *space, size_t len)
{
	fprintf(to, "%s Something: of somebody\n\tKernel driver in use: some\n", name);
	for (size_t at = 0; at < len; at += 16) {
		fprintf(to, "%02zx:", at);
		for (size_t i = 0; i < 16; i++)
			fprintf(to, " %02x", space->bytes[at + i]);
		fputc('\n', to);
	}
	fputc('\n', to);
}

static struct space port(unsigned type, uint8_t secondary, uint8_t subordinate)
{
	struct space space = space_new(0x1b36, 0x000c, 1);

	space_buses(&space, secondary, subordinate);
	space_pcie(&space, 0x40, type);
	space_acs(&space, 0x100, ALL, ALL);
	return space;
}

/* A root port with a drive and its virtual functions, one with a switch, and conventional bridges.
 */
static struct text whole_dump(void)
{
	struct space root = port(4, 1, 1), root_2 = port(4, 2, 5), up = port(5, 3, 5);
	struct space down = port(6, 4, 4), bridge = port(7, 5, 5);
	struct space pf = space_new(0x1b36, 0x0010, 0), vf = space_new(0xffff, 0xffff, 0);
	struct space card = space_new(0x1234, 0x11e8, 0x80), old = space_new(0x8086, 0x244e, 1);
	struct text text;
	FILE *to = open_memstream(&text.bytes, &text.len);

	assert_non_null(to);
	space_pcie(&pf, 0x40, 0);
	space_ext(&pf, 0x100, 0x10);
	put16(&pf, 0x108, 1);
	put16(&pf, 0x110, 2);
	put16(&pf, 0x114, 1);
	put16(&pf, 0x116, 1);
	space_ext(&pf, 0x140, 0x1b);
	space_buses(&old, 6, 6);
	put_function(to, "00:01.0", &root, CONFIG_LEN);
	put_function(to, "00:02.0", &root_2, 256);
	put_function(to, "00:1e.0", &old, 64);
	put_function(to, "01:00.0", &pf, CONFIG_LEN);
	put_function(to, "01:00.1", &vf, 64);
	put_function(to, "01:00.2", &vf, 64);
	put_function(to, "02:00.0", &up, 256);
	put_function(to, "03:00.0", &down, 128);
	put_function(to, "03:01.0", &bridge, 64);
	put_function(to, "0000:04:00.0", &card, 64);
	put_function(to, "05:03.1", &card, 256);
	put_function(to, "0001:06:00.0", &card, 64);
	fclose(to);
	return text;
}

/* Looks at all of it, so that a tool that checks accesses sees them. */
static void look_at(const struct ioas_topology *topology)
{
	const struct ioas_topology_function *function = NULL;
	struct ioas_topology_requester requesters[32];

	while ((function = ioas_topology_next(topology, function))) {
		assert_true(ioas_topology_group_of(topology, function->addr) <
			    ioas_topology_group_nr(topology));
		assert_true(ioas_topology_requesters(topology, function->addr, requesters, 32));
	}
}

/* True: it was read. */
static bool is_read(const char *bytes, size_t len)
{
	struct ioas_topology *topology = NULL;
	struct ioas_why warning = {""}, why = {""};
	/* Of its own, so that reading beyond its end is noticed. */
	char *copy = malloc(len + !len);
	unsigned line;
	int rc;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	rc = import_lspci_text("dump", copy, len, &topology, &warning, &why);
	free(copy);
	if (!rc) {
		look_at(topology);
		ioas_topology_destroy(topology);
		return true;
	}
	if (rc != -EINVAL && rc != -EEXIST)
		fail_msg("%d: %s", rc, why.text);
	if (sscanf(why.text, "dump:%u: ", &line) != 1 || strchr(why.text, '\n'))
		fail_msg("not a line and a reason: %s", why.text);
	return false;
}

static void what_is_whole_is_read(void **arg)
{
	struct text text = whole_dump();

	assert_true(is_read(text.bytes, text.len));
	free(text.bytes);
}

static void cut_off_anywhere(void **arg)
{
	struct text text = whole_dump();
	size_t step = text.len / ROUNDS + 1;

	assert_false(is_read(text.bytes, 0));
	for (size_t len = 1; len < text.len; len += step) {
		/* In the middle of a line of bytes it cannot be whole. */
		if (is_read(text.bytes, len))
			assert_true(text.bytes[len] == '\n' || text.bytes[len - 1] == '\n');
	}
	free(text.bytes);
}

/* Which byte, then what stands there. */
static void one_byte_changed(void **arg)
{
	static const char odd[] = " \n\t\r:.-0f9zG\xff\x80\x7f";
	struct text text = whole_dump();
	uint32_t state = 1;

	for (unsigned i = 0; i < ROUNDS; i++) {
		size_t at = next_random(&state, (uint32_t)text.len);
		char before = text.bytes[at];

		text.bytes[at] = odd[next_random(&state, sizeof(odd))];
		is_read(text.bytes, text.len);
		text.bytes[at] = before;
	}
	free(text.bytes);
}

/* Config spaces that say something else: in the headers and lists, where it matters, too. */
static void other_config_spaces(void **arg)
{
	struct text text = whole_dump();
	uint32_t state = 2;

	for (unsigned i = 0; i < ROUNDS; i++) {
		char *copy = malloc(text.len);

		assert_non_null(copy);
		memcpy(copy, text.bytes, text.len);
		for (unsigned j = 0; j < 40; j++) {
			size_t at = next_random(&state, (uint32_t)text.len);

			/* Each second one is where bytes are that are not zero. */
			while (j & 1 && at + 1 < text.len &&
			       (copy[at] == '0' || copy[at] == ' ' || copy[at] == '\n'))
				at++;
			if (strchr("0123456789abcdef", copy[at]) && copy[at])
				copy[at] = "0123456789abcdef"[next_random(&state, 16)];
		}
		is_read(copy, text.len);
		free(copy);
	}
	free(text.bytes);
}

static size_t line_from(const struct text *text, size_t at)
{
	while (at && text->bytes[at - 1] != '\n')
		at--;
	return at;
}

/* A piece that is lost, or there twice. */
static void pieces_lost_and_doubled(void **arg)
{
	struct text text = whole_dump();
	uint32_t state = 3;

	for (unsigned i = 0; i < ROUNDS; i++) {
		size_t from = next_random(&state, (uint32_t)text.len);
		size_t len = next_random(&state, i & 1 ? 64 : 4096), end;
		char *other = malloc(2 * text.len);

		assert_non_null(other);
		end = from + len < text.len ? from + len : text.len;
		if (i & 2) {
			from = line_from(&text, from);
			end = line_from(&text, end);
		}
		if (i & 4) {
			memcpy(other, text.bytes, end);
			memcpy(other + end, text.bytes + from, text.len - from);
			is_read(other, text.len + end - from);
		} else {
			memcpy(other, text.bytes, from);
			memcpy(other + from, text.bytes + end, text.len - end);
			is_read(other, text.len + from - end);
		}
		free(other);
	}
	free(text.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_whole_is_read),   cmocka_unit_test(cut_off_anywhere),
		cmocka_unit_test(one_byte_changed),	   cmocka_unit_test(other_config_spaces),
		cmocka_unit_test(pieces_lost_and_doubled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
