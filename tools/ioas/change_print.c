/* SPDX-License-Identifier: MIT */
/* What two topologies of the same functions differ in. */
#include <errno.h>
#include <stdlib.h>
#include "change.h"
#include "json.h"
#include "outline.h"
#include "reason.h"
#include "words.h"

#define LINES_MAX 40

static bool same_addr(struct ioas_pci_addr a, struct ioas_pci_addr b)
{
	return addr_key(a) == addr_key(b);
}

/* Has the function the same group in both, whatever its number? */
static bool same_group(const struct ioas_topology *before, const struct ioas_topology *after,
		       struct ioas_pci_addr addr)
{
	uint32_t a = ioas_topology_group_of(before, addr), b = ioas_topology_group_of(after, addr);
	const struct ioas_topology_function *x = NULL, *y = NULL;

	if (a == UINT32_MAX || b == UINT32_MAX)
		return a == b;
	do {
		x = ioas_topology_group_next(before, a, x);
		y = ioas_topology_group_next(after, b, y);
	} while (x && y && same_addr(x->addr, y->addr));
	return !x && !y;
}

/* Groups of one that are not the same in the other, each once: at its first member. */
static const struct ioas_topology_function *next_changed(const struct ioas_topology *one,
							 const struct ioas_topology *other,
							 const struct ioas_topology_function *prev,
							 uint32_t *group)
{
	const struct ioas_topology_function *f = prev;

	while ((f = ioas_topology_next(one, f))) {
		*group = ioas_topology_group_of(one, f->addr);
		if (*group == UINT32_MAX || ioas_topology_group_next(one, *group, NULL) != f)
			continue;
		if (!same_group(one, other, f->addr))
			return f;
	}
	return NULL;
}

static void print_members(const struct ioas_topology *topology, uint32_t group, FILE *to)
{
	const struct ioas_topology_function *f = NULL;
	char name[IOAS_NAME_LEN];

	while ((f = ioas_topology_group_next(topology, group, f)))
		fprintf(to, " %s", ioas_pci_addr_format(f->addr, name));
	fputc('\n', to);
}

static bool print_side(const struct ioas_topology *one, const struct ioas_topology *other,
		       const char *side, bool with_reasons, FILE *to)
{
	const struct ioas_topology_function *f = NULL;
	char text[REASON_LEN];
	bool any = false;
	uint32_t group;

	while ((f = next_changed(one, other, f, &group))) {
		struct reasons reasons;

		fprintf(to, "  %-8s group %u:", any ? "" : side, group);
		any = true;
		print_members(one, group, to);
		if (!with_reasons || reasons_of_group(one, group, &reasons))
			continue;
		for (size_t i = 0; i < reasons.nr; i++)
			fprintf(to, "             %s\n",
				reason_text(one, &reasons.items[i], text, sizeof(text)));
		reasons_free(&reasons);
	}
	return any;
}

static bool print_groups(const struct ioas_topology *before, const struct ioas_topology *after,
			 FILE *to)
{
	return print_side(before, after, "before", false, to) |
	       print_side(after, before, "after", true, to);
}

/* A pair whose requests turn somewhere else than before. */
struct turn {
	const struct ioas_topology_function *from, *to;
	struct ioas_pci_addr at;
	bool bypass; /* now; else no longer */
};

typedef void turn_fn(const struct turn *turn, void *arg);

static void each_turn(const struct ioas_topology *before, const struct ioas_topology *after,
		      turn_fn *fn, void *arg)
{
	const struct ioas_topology_function *a = NULL, *b;

	while ((a = ioas_topology_next(after, a))) {
		if (ioas_topology_is_bridge(a))
			continue;
		b = NULL;
		while ((b = ioas_topology_next(after, b))) {
			struct turn turn = {.from = a, .to = b};
			struct ioas_pci_addr was;
			bool bypassed;

			if (a == b || ioas_topology_is_bridge(b))
				continue;
			bypassed = ioas_topology_bypass(before, a->addr, b->addr, &was) == 1;
			turn.bypass = ioas_topology_bypass(after, a->addr, b->addr, &turn.at) == 1;
			if (!turn.bypass)
				turn.at = was;
			if (bypassed != turn.bypass)
				fn(&turn, arg);
		}
	}
}

struct turn_print {
	FILE *to;
	bool bypass;
	size_t nr;
};

static void print_turn(const struct turn *turn, void *arg)
{
	struct turn_print *print = arg;
	char from[IOAS_NAME_LEN], to[IOAS_NAME_LEN], at[IOAS_NAME_LEN];

	if (turn->bypass != print->bypass || print->nr++ >= LINES_MAX)
		return;
	if (print->nr == 1)
		fprintf(print->to, "Peer-to-peer requests that %s the IOMMU:\n",
			print->bypass ? "would bypass" : "would no longer bypass");
	fprintf(print->to, "  %s -> %s, turned at %s\n",
		ioas_pci_addr_format(turn->from->addr, from),
		ioas_pci_addr_format(turn->to->addr, to), ioas_pci_addr_format(turn->at, at));
}

static size_t print_turns(const struct ioas_topology *before, const struct ioas_topology *after,
			  bool bypass, FILE *to)
{
	struct turn_print print = {.to = to, .bypass = bypass};

	each_turn(before, after, print_turn, &print);
	if (print.nr > LINES_MAX)
		fprintf(to, "  ... and %zu more (--to json lists all)\n", print.nr - LINES_MAX);
	return print.nr;
}

static void print_acs(const struct ioas_topology *before, const struct ioas_topology *after,
		      FILE *to)
{
	const struct ioas_topology_function *b = NULL;
	char name[IOAS_NAME_LEN], old[WORDS_LEN], new[WORDS_LEN];

	while ((b = ioas_topology_next(after, b))) {
		const struct ioas_topology_function *a = ioas_topology_find(before, b->addr);

		if (!a || (a->acs == b->acs && a->acs_ctrl == b->acs_ctrl))
			continue;
		fprintf(to, "ACS of %s: %s -> %s%s\n", ioas_pci_addr_format(b->addr, name),
			acs_text(a, old, sizeof(old)), acs_text(b, new, sizeof(new)),
			a->acs_cap == b->acs_cap ? "" : " (more than the device can do)");
	}
}

void changes_print(const struct ioas_topology *before, const struct ioas_topology *after, FILE *to)
{
	size_t nr;

	print_acs(before, after, to);
	fputs("Groups that would be others:\n", to);
	if (!print_groups(before, after, to))
		fputs("  none\n", to);
	nr = print_turns(before, after, true, to) + print_turns(before, after, false, to);
	if (!nr)
		fputs("Peer-to-peer requests would go the same ways.\n", to);
}

/* ---- the same as JSON ---- */

static void json_side(const struct ioas_topology *one, const struct ioas_topology *other,
		      const char *name, struct json *json)
{
	const struct ioas_topology_function *f = NULL;
	uint32_t group;

	json_open(json, name, '[');
	while ((f = next_changed(one, other, f, &group))) {
		const struct ioas_topology_function *member = NULL;
		char text[IOAS_NAME_LEN];

		json_open(json, NULL, '{');
		json_number(json, "group", group);
		json_open(json, "members", '[');
		while ((member = ioas_topology_group_next(one, group, member)))
			json_string(json, NULL, ioas_pci_addr_format(member->addr, text));
		json_close(json, ']');
		json_close(json, '}');
	}
	json_close(json, ']');
}

struct turn_json {
	struct json *json;
	bool bypass;
};

static void json_turn(const struct turn *turn, void *arg)
{
	const struct turn_json *wanted = arg;
	char text[IOAS_NAME_LEN];

	if (turn->bypass != wanted->bypass)
		return;
	json_open(wanted->json, NULL, '{');
	json_string(wanted->json, "from", ioas_pci_addr_format(turn->from->addr, text));
	json_string(wanted->json, "to", ioas_pci_addr_format(turn->to->addr, text));
	json_string(wanted->json, "at", ioas_pci_addr_format(turn->at, text));
	json_close(wanted->json, '}');
}

void changes_json(const struct ioas_topology *before, const struct ioas_topology *after,
		  struct json *json)
{
	struct turn_json wanted = {.json = json, .bypass = true};

	json_open(json, "changes", '{');
	json_side(before, after, "groups_before", json);
	json_side(after, before, "groups_after", json);
	json_open(json, "would_bypass", '[');
	each_turn(before, after, json_turn, &wanted);
	json_close(json, ']');
	wanted.bypass = false;
	json_open(json, "would_no_longer_bypass", '[');
	each_turn(before, after, json_turn, &wanted);
	json_close(json, ']');
	json_close(json, '}');
}
