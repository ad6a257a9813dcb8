/* SPDX-License-Identifier: MIT */
/*
 * Description: on random trees, the groups are those that Linux's search would find, function by
 * function in the order of discovery, and the share sets are the naive closure over requester IDs.
 *
 * The twin uses nothing of the library but the description: who is above whom, and the fields.
 */
#include "tests/unit/route/random_tree.h"

#define NOBODY UINT32_MAX

/* ---- the twin: facts of one function ---- */

typedef const struct ioas_topology_function *fn;

static const struct ioas_topology *T;
static fn all[MAX], found[MAX];
static unsigned all_nr, found_nr;
static uint32_t group_of[MAX], share_of[MAX];

static unsigned index_of(fn f)
{
	for (unsigned i = 0; i < all_nr; i++)
		if (all[i] == f)
			return i;
	fail();
	return 0;
}

static rid_t rid_of(struct ioas_pci_addr addr)
{
	return (rid_t)(addr.bus << 8 | addr.devfn);
}

static fn above(fn f)
{
	return ioas_topology_above(T, f->addr);
}

static bool pcie(fn f)
{
	return f->type != IOAS_TOPOLOGY_PCI_FUNCTION && f->type != IOAS_TOPOLOGY_PCI_BRIDGE;
}

static bool several(fn f)
{
	fn up = above(f);

	if (f->is_virtual)
		return false;
	if (up && (up->type == IOAS_TOPOLOGY_ROOT_PORT || up->type == IOAS_TOPOLOGY_DOWNSTREAM) &&
	    f->addr.devfn)
		return true;
	return f->multifunction || f->addr.devfn % 8;
}

static bool registers_isolate(fn f)
{
	return f->acs && (f->acs_ctrl & (ACS_ALL & f->acs_cap)) == (ACS_ALL & f->acs_cap);
}

static bool isolates(fn f)
{
	if (f->quirks & IOAS_QUIRK_ISOLATED)
		return true;
	if (!pcie(f) || f->type == IOAS_TOPOLOGY_PCIE_TO_PCI ||
	    f->type == IOAS_TOPOLOGY_PCI_TO_PCIE || f->type == IOAS_TOPOLOGY_RC_EVENT_COLLECTOR)
		return false;
	if (f->type == IOAS_TOPOLOGY_ROOT_PORT || f->type == IOAS_TOPOLOGY_DOWNSTREAM)
		return registers_isolate(f);
	return several(f) ? registers_isolate(f) : true;
}

static bool path_isolates(fn f)
{
	for (; f; f = above(f))
		if (!isolates(f))
			return false;
	return true;
}

static bool same_bus(fn a, fn b)
{
	return a->addr.bus == b->addr.bus && a->addr.segment == b->addr.segment;
}

/* Does f have t's requester ID as an alias on its bus? */
static bool has_alias(fn f, fn t)
{
	if (f->quirks & IOAS_QUIRK_USES_FUNCTION_0 && t->addr.devfn == (f->addr.devfn & 0xf8))
		return true;
	for (size_t i = 0; i < f->alias_nr; i++)
		if (f->alias[i] == rid_of(t->addr))
			return true;
	return false;
}

/* ---- the twin: Linux's search ---- */

static uint32_t via_alias(fn f, bool *seen);

static uint32_t via_device(fn f, bool *seen)
{
	if (!several(f) || isolates(f))
		return NOBODY;
	for (unsigned i = 0; i < found_nr; i++) {
		fn t = found[i];
		uint32_t group;

		if (t == f || !same_bus(t, f) || t->addr.devfn / 8 != f->addr.devfn / 8 ||
		    isolates(t))
			continue;
		group = via_alias(t, seen);
		if (group != NOBODY)
			return group;
	}
	return NOBODY;
}

static uint32_t via_alias(fn f, bool *seen)
{
	if (seen[f->addr.devfn])
		return NOBODY;
	seen[f->addr.devfn] = true;
	if (group_of[index_of(f)] != NOBODY)
		return group_of[index_of(f)];
	for (unsigned i = 0; i < found_nr; i++) {
		fn t = found[i];
		uint32_t group;

		if (t == f || !same_bus(t, f) || !(has_alias(f, t) || has_alias(t, f)))
			continue;
		group = via_alias(t, seen);
		if (group == NOBODY)
			group = via_device(t, seen);
		if (group != NOBODY)
			return group;
	}
	return NOBODY;
}

/* The bridge that puts another requester ID on what comes from below, nearest first. */
static fn next_renamer(fn f)
{
	for (f = above(f); f; f = above(f)) {
		if (f->quirks & IOAS_QUIRK_IOMMU_BELOW)
			return NULL;
		if (f->type == IOAS_TOPOLOGY_PCIE_TO_PCI || f->type == IOAS_TOPOLOGY_PCI_TO_PCIE ||
		    f->type == IOAS_TOPOLOGY_PCI_BRIDGE)
			return f;
	}
	return NULL;
}

static rid_t renamed(fn bridge)
{
	fn up = above(bridge);

	if (bridge->type == IOAS_TOPOLOGY_PCIE_TO_PCI)
		return (rid_t)(bridge->secondary << 8);
	if (bridge->type == IOAS_TOPOLOGY_PCI_BRIDGE && bridge->quirks & IOAS_QUIRK_PCIE_BRIDGE &&
	    up && pcie(up) && up->type != IOAS_TOPOLOGY_PCIE_TO_PCI)
		return (rid_t)(bridge->secondary << 8);
	return rid_of(bridge->addr);
}

static uint32_t search(fn f)
{
	bool seen[256] = {false};
	uint32_t group;

	if (next_renamer(f))
		return group_of[index_of(next_renamer(f))];
	if (above(f) && !path_isolates(above(f)))
		return group_of[index_of(above(f))];
	group = via_alias(f, seen);
	return group != NOBODY ? group : via_device(f, seen);
}

static void discover(uint8_t bus)
{
	for (unsigned i = 0; i < all_nr; i++)
		if (all[i]->addr.bus == bus && !all[i]->is_virtual)
			found[found_nr++] = all[i];
	for (unsigned i = 0; i < all_nr; i++)
		if (all[i]->addr.bus == bus && all[i]->secondary)
			discover(all[i]->secondary);
}

/* ---- the twin: closures ---- */

static size_t requesters(fn f, rid_t *out)
{
	size_t nr = 0;

	out[nr++] = rid_of(f->addr);
	if (f->quirks & IOAS_QUIRK_USES_FUNCTION_0)
		out[nr++] = rid_of(f->addr) & 0xfff8;
	if (f->quirks & IOAS_QUIRK_USES_FUNCTION_1)
		out[nr++] = (rid_of(f->addr) & 0xfff8) + 1;
	for (size_t i = 0; i < f->alias_nr; i++)
		out[nr++] = f->alias[i];
	for (unsigned i = 0; f->phantom_lg2 && i < 8; i++)
		if (i % (8u >> f->phantom_lg2) == (f->addr.devfn & 7) % (8u >> f->phantom_lg2))
			out[nr++] = (rid_t)((rid_of(f->addr) & 0xfff8) + i);
	for (fn bridge = next_renamer(f); bridge; bridge = next_renamer(bridge))
		out[nr++] = renamed(bridge);
	return nr;
}

static bool have_one_in_common(fn a, fn b)
{
	rid_t x[300], y[300];
	size_t x_nr = requesters(a, x), y_nr = requesters(b, y);

	for (size_t i = 0; i < x_nr; i++)
		for (size_t j = 0; j < y_nr; j++)
			if (x[i] == y[j])
				return true;
	return false;
}

static void merge(uint32_t *of, unsigned a, unsigned b)
{
	uint32_t from = of[b], to = of[a];

	for (unsigned i = 0; from != to && i < all_nr; i++)
		if (of[i] == from)
			of[i] = to;
}

/* Numbers by first member in order of discovery. */
static void renumber(uint32_t *of)
{
	uint32_t number[MAX], next = 0, old[MAX];

	memcpy(old, of, sizeof(old));
	for (unsigned i = 0; i < MAX; i++)
		number[i] = NOBODY;
	for (unsigned i = 0; i < found_nr; i++) {
		uint32_t set = old[index_of(found[i])];

		if (set != NOBODY && number[set] == NOBODY)
			number[set] = next++;
	}
	for (unsigned i = 0; i < all_nr; i++)
		of[i] = old[i] == NOBODY ? NOBODY : number[old[i]];
}

static void take(const struct ioas_topology *topology)
{
	bool led[256] = {false};
	fn f = NULL;

	T = topology;
	all_nr = found_nr = 0;
	while ((f = ioas_topology_next(T, f)))
		all[all_nr++] = f;
	for (unsigned i = 0; i < all_nr; i++)
		led[all[i]->secondary] = led[all[i]->secondary] || all[i]->secondary;
	for (unsigned bus = 0; bus < 256; bus++)
		if (!led[bus])
			discover((uint8_t)bus);
	for (unsigned i = 0; i < all_nr; i++)
		if (all[i]->is_virtual)
			found[found_nr++] = all[i];
	assert_int_equal(found_nr, all_nr);
}

static void twin_shares(void)
{
	for (unsigned i = 0; i < all_nr; i++)
		share_of[i] = all[i]->iommu == IOAS_TOPOLOGY_NO_IOMMU ? NOBODY : i;
	for (unsigned i = 0; i < all_nr; i++)
		for (unsigned j = i + 1; j < all_nr; j++)
			if (share_of[i] != NOBODY && share_of[j] != NOBODY &&
			    have_one_in_common(all[i], all[j]))
				merge(share_of, i, j);
	renumber(share_of);
}

static void twin_groups(void)
{
	uint32_t next = 0;

	for (unsigned i = 0; i < all_nr; i++)
		group_of[i] = NOBODY;
	for (unsigned i = 0; i < found_nr; i++) {
		uint32_t group = search(found[i]);

		group_of[index_of(found[i])] = group == NOBODY ? next++ : group;
	}
}

/* ---- comparing ---- */

static void assert_shares(void)
{
	for (unsigned i = 0; i < all_nr; i++)
		assert_int_equal(ioas_topology_share_set_of(T, all[i]->addr), share_of[i]);
}

/* The library's list of requester IDs is the twin's, each once. */
static void assert_requesters(void)
{
	for (unsigned i = 0; i < all_nr; i++) {
		struct ioas_topology_requester have[300];
		size_t nr = ioas_topology_requesters(T, all[i]->addr, have, 300), want_nr;
		rid_t want[300];

		want_nr = requesters(all[i], want);
		for (size_t j = 0; j < nr; j++)
			for (size_t k = 0; k < j; k++)
				assert_int_not_equal(have[j].rid, have[k].rid);
		for (size_t j = 0; j < want_nr; j++) {
			size_t k = 0;

			while (k < nr && have[k].rid != want[j])
				k++;
			assert_true(k < nr);
		}
		for (size_t k = 0; k < nr; k++) {
			size_t j = 0;

			while (j < want_nr && have[k].rid != want[j])
				j++;
			assert_true(j < want_nr);
		}
	}
}

/* Edges of a set connect its members, and nothing else. */
static void assert_edges(bool shares)
{
	uint32_t nr = shares ? ioas_topology_share_set_nr(T) : ioas_topology_group_nr(T);
	struct ioas_topology_edge edge[4096];
	uint32_t of[MAX];

	for (unsigned i = 0; i < all_nr; i++)
		of[i] = i;
	for (uint32_t set = 0; set < nr; set++) {
		size_t edges = shares ? ioas_topology_share_set_edges(T, set, edge, 4096)
				      : ioas_topology_group_edges(T, set, edge, 4096);
		char text[400];

		assert_true(edges <= 4096);
		for (size_t i = 0; i < edges; i++) {
			fn a = ioas_topology_find(T, edge[i].a),
			   b = ioas_topology_find(T, edge[i].b);

			merge(of, index_of(a), index_of(b));
			assert_true(a != b && ioas_topology_find(T, edge[i].at));
			assert_in_range(ioas_topology_edge_format(T, &edge[i], text, sizeof(text)),
					20, sizeof(text) - 1);
		}
	}
	for (unsigned i = 0; i < all_nr; i++)
		for (unsigned j = 0; j < i; j++) {
			uint32_t x = shares ? ioas_topology_share_set_of(T, all[i]->addr)
					    : ioas_topology_group_of(T, all[i]->addr);
			uint32_t y = shares ? ioas_topology_share_set_of(T, all[j]->addr)
					    : ioas_topology_group_of(T, all[j]->addr);

			assert_int_equal(x != NOBODY && x == y, of[i] == of[j]);
		}
}

static void groups_are_what_linux_s_search_finds(void **arg)
{
	unsigned largest = 0, most = 0;

	for (uint32_t seed = 1; seed <= 200; seed++) {
		struct ioas_topology *topology = make(seed * 2654435761u, false);

		resolve(topology);
		take(topology);
		twin_groups();
		twin_shares();
		for (unsigned i = 0; i < all_nr; i++)
			if (ioas_topology_group_of(T, all[i]->addr) != group_of[i])
				fail_msg("seed %u: %02x:%02x.%x is in group %u, Linux says %u",
					 seed, all[i]->addr.bus, all[i]->addr.devfn >> 3,
					 all[i]->addr.devfn & 7,
					 ioas_topology_group_of(T, all[i]->addr), group_of[i]);
		assert_shares();
		assert_requesters();
		assert_edges(true);
		assert_edges(false);
		largest = all_nr > largest ? all_nr : largest;
		most = ioas_topology_group_nr(T) > most ? ioas_topology_group_nr(T) : most;
		ioas_topology_destroy(topology);
	}
	print_message("up to %u functions, %u groups\n", largest, most);
	assert_true(largest > 100 && most > 20);
}

static void share_sets_lie_within_groups_whatever_aliases_say(void **arg)
{
	unsigned resolved = 0;

	for (uint32_t seed = 1; seed <= 300; seed++) {
		struct ioas_topology *topology = make(seed * 2246822519u, true);

		/* A phantom function may meet a real one: refused. */
		if (!ioas_topology_resolve(topology, NULL)) {
			resolved++;
			take(topology);
			twin_shares();
			assert_shares();
			assert_requesters();
			assert_edges(true);
			assert_edges(false);
			for (unsigned i = 0; i < all_nr; i++)
				for (unsigned j = 0; j < i; j++)
					assert_true(
						share_of[i] != share_of[j] ||
						ioas_topology_group_of(T, all[i]->addr) ==
							ioas_topology_group_of(T, all[j]->addr));
		}
		ioas_topology_destroy(topology);
	}
	assert_true(resolved > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_are_what_linux_s_search_finds),
		cmocka_unit_test(share_sets_lie_within_groups_whatever_aliases_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
