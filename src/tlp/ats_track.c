/* SPDX-License-Identifier: MIT */
/* Translations that a device holds, by physical address and by IOVA. */
#include "tlp/ats_track.h"

static struct ats_entry *of_pa(const struct tree_node *node)
{
	return node ? tree_entry((struct tree_node *)(uintptr_t)node, struct ats_entry, by_pa)
		    : NULL;
}

static struct ats_entry *of_iova(const struct tree_node *node)
{
	return node ? tree_entry((struct tree_node *)(uintptr_t)node, struct ats_entry, by_iova)
		    : NULL;
}

static struct ats_use *of_form(const struct tree_node *node)
{
	return node ? tree_entry((struct tree_node *)(uintptr_t)node, struct ats_use, by_form)
		    : NULL;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static bool update_pa(struct tree_node *node)
{
	struct ats_entry *entry = of_pa(node);
	bool changed = false;

	for (unsigned op = 0; op < 2; op++) {
		pa_t reach = entry->ops >> op & 1 ? entry->pa + entry->len - 1 : 0;

		for (unsigned side = 0; side < 2; side++)
			if (node->child[side])
				reach = most(reach, of_pa(node->child[side])->pa_reach[op]);
		changed = changed || reach != entry->pa_reach[op];
		entry->pa_reach[op] = reach;
	}
	return changed;
}

static bool update_iova(struct tree_node *node)
{
	struct ats_entry *entry = of_iova(node);
	iova_t reach = entry->first + entry->len - 1;
	bool changed;

	for (unsigned side = 0; side < 2; side++)
		if (node->child[side])
			reach = most(reach, of_iova(node->child[side])->iova_reach);
	changed = reach != entry->iova_reach;
	entry->iova_reach = reach;
	return changed;
}

void ats_track_init(struct ats_track *track)
{
	track->by_pa = (struct tree){NULL, update_pa};
	track->uses = (struct tree){NULL, NULL};
}

/* Where does a use of that form and table stand to another one? */
static int compare_use(uint32_t form, const void *table, const struct ats_use *use)
{
	if (form != use->form)
		return form < use->form ? -1 : 1;
	if (table != use->table)
		return (uintptr_t)table < (uintptr_t)use->table ? -1 : 1;
	return 0;
}

struct ats_use *ats_track_use(const struct ats_track *track, uint32_t form, const void *table)
{
	struct tree_node *node = track->uses.root;

	while (node) {
		int order = compare_use(form, table, of_form(node));

		if (!order)
			return of_form(node);
		node = node->child[order > 0];
	}
	return NULL;
}

struct ats_use *ats_track_use_from(const struct ats_track *track, uint32_t form)
{
	struct tree_node *node = track->uses.root;
	struct ats_use *found = NULL;

	while (node) {
		bool after = of_form(node)->form < form;

		if (!after)
			found = of_form(node);
		node = node->child[after];
	}
	return found;
}

void ats_track_use_add(struct ats_track *track, struct ats_use *use)
{
	struct tree_node *parent = NULL, *node = track->uses.root;
	int side = 0;

	while (node) {
		side = compare_use(use->form, use->table, of_form(node)) > 0;
		parent = node;
		node = node->child[side];
	}
	use->entries = (struct tree){NULL, update_iova};
	tree_insert(&track->uses, &use->by_form, parent, side);
}

void ats_track_use_del(struct ats_track *track, struct ats_use *use)
{
	tree_remove(&track->uses, &use->by_form);
}

/* Equal ones stand in the order they came. */
static void insert_pa(struct ats_track *track, struct ats_entry *entry)
{
	struct tree_node *parent = NULL, *node = track->by_pa.root;
	int side = 0;

	while (node) {
		side = entry->pa >= of_pa(node)->pa;
		parent = node;
		node = node->child[side];
	}
	tree_insert(&track->by_pa, &entry->by_pa, parent, side);
}

static void insert_iova(struct ats_use *use, struct ats_entry *entry)
{
	struct tree_node *parent = NULL, *node = use->entries.root;
	int side = 0;

	while (node) {
		side = entry->first >= of_iova(node)->first;
		parent = node;
		node = node->child[side];
	}
	tree_insert(&use->entries, &entry->by_iova, parent, side);
}

void ats_track_add(struct ats_track *track, struct ats_use *use, struct ats_entry *entry)
{
	entry->use = use;
	entry->leaving = false;
	entry->pa_reach[0] = entry->pa_reach[1] = 0;
	entry->iova_reach = 0;
	insert_pa(track, entry);
	insert_iova(use, entry);
}

struct ats_entry *ats_track_same(const struct ats_use *use, iova_t first, uint64_t len, pa_t pa)
{
	struct ats_entry *entry = ats_track_next(use, NULL, first, first);

	for (; entry; entry = ats_track_next(use, entry, first, first))
		if (entry->first == first && entry->len == len && entry->pa == pa &&
		    !entry->leaving)
			return entry;
	return NULL;
}

void ats_track_allow(struct ats_track *track, struct ats_entry *entry, uint32_t ops)
{
	entry->ops |= ops;
	tree_refresh(&track->by_pa, &entry->by_pa);
}

void ats_track_del(struct ats_track *track, struct ats_entry *entry)
{
	tree_remove(&track->by_pa, &entry->by_pa);
	tree_remove(&entry->use->entries, &entry->by_iova);
	entry->use = NULL;
}

/* Of a subtree, one that ends where its reach does; there is one. */
static struct ats_entry *farthest(struct tree_node *node, unsigned op)
{
	pa_t reach = of_pa(node)->pa_reach[op];

	for (;;) {
		struct ats_entry *entry = of_pa(node);
		struct tree_node *left = node->child[0];

		if (entry->ops >> op & 1 && entry->pa + entry->len - 1 == reach)
			return entry;
		node = left && of_pa(left)->pa_reach[op] == reach ? left : node->child[1];
	}
}

/*
 * Of all that begin at or before pa the one that ends last: if it ends before pa, none holds it.
 * What begins there is, on the way down, what is left of each turn to the right.
 */
struct ats_entry *ats_track_reach(const struct ats_track *track, pa_t pa, unsigned op)
{
	struct tree_node *node = track->by_pa.root;
	struct ats_entry *best = NULL;
	pa_t reach = 0;

	while (node) {
		struct tree_node *left = node->child[0];
		struct ats_entry *entry = of_pa(node);

		if (entry->pa > pa) {
			node = left;
			continue;
		}
		if (entry->ops >> op & 1 && entry->pa + entry->len - 1 > reach) {
			reach = entry->pa + entry->len - 1;
			best = entry;
		}
		if (left && of_pa(left)->pa_reach[op] > reach) {
			reach = of_pa(left)->pa_reach[op];
			best = farthest(left, op);
		}
		node = node->child[1];
	}
	return best && reach >= pa ? best : NULL;
}

static bool holds(const struct ats_entry *entry, pa_t pa, unsigned op)
{
	return entry->ops >> op & 1 && entry->pa + entry->len - 1 >= pa;
}

/* In order, the first of the subtree that holds pa, or is behind it. */
static struct ats_entry *first_at(struct tree_node *node, pa_t pa, unsigned op)
{
	while (node && of_pa(node)->pa_reach[op] >= pa) {
		struct tree_node *left = node->child[0];

		if (left && of_pa(left)->pa_reach[op] >= pa)
			node = left;
		else if (holds(of_pa(node), pa, op))
			return of_pa(node);
		else
			node = node->child[1];
	}
	return NULL;
}

struct ats_entry *ats_track_at(const struct ats_track *track, const struct ats_entry *prev, pa_t pa,
			       unsigned op)
{
	struct ats_entry *entry =
		prev ? of_pa(tree_step(&prev->by_pa, 1)) : first_at(track->by_pa.root, pa, op);

	while (entry && entry->pa <= pa && !holds(entry, pa, op))
		entry = of_pa(tree_step(&entry->by_pa, 1));
	return entry && entry->pa <= pa ? entry : NULL;
}

/* In order, the first of the subtree that ends at `first` or later. */
static struct ats_entry *first_beyond(struct tree_node *node, iova_t first)
{
	while (node && of_iova(node)->iova_reach >= first) {
		struct tree_node *left = node->child[0];
		struct ats_entry *entry = of_iova(node);

		if (left && of_iova(left)->iova_reach >= first)
			node = left;
		else if (entry->first + entry->len - 1 >= first)
			return entry;
		else
			node = node->child[1];
	}
	return NULL;
}

struct ats_entry *ats_track_next(const struct ats_use *use, const struct ats_entry *prev,
				 iova_t first, iova_t last)
{
	struct ats_entry *entry;

	if (!prev) {
		entry = first_beyond(use->entries.root, first);
		return entry && entry->first <= last ? entry : NULL;
	}
	entry = of_iova(tree_step(&prev->by_iova, 1));
	while (entry && entry->first <= last && entry->first + entry->len - 1 < first)
		entry = of_iova(tree_step(&entry->by_iova, 1));
	return entry && entry->first <= last ? entry : NULL;
}
