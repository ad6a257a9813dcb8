/* SPDX-License-Identifier: MIT */
/*
 * How often a page is pinned: by how many owners, since one that shows it in several windows (a
 * page table and an access, say) holds it once. A page of a shared file is looked for wherever
 * this process has it mapped.
 */
#include <errno.h>
#include "mem/mem.h"
#include "mem/same.h"
#include "util/alloc.h"

#define PAGE 4096ul

struct owners {
	const void **owner; /* NULL: only count */
	size_t nr, cap;
};

static const void *owner_of(const struct mem_window *window)
{
	return mem_lend_marked(&window->lend) ? ((const struct mem_window_owned *)window)->owner
					      : window;
}

static void add(struct owners *owners, const struct mem_window *window)
{
	if (owners->nr < owners->cap)
		owners->owner[owners->nr] = owner_of(window);
	owners->nr++;
}

static void add_at(struct mem_pins *pins, uintptr_t host, struct owners *owners)
{
	struct hosts_walk walk = {.start = host, .end = host + PAGE};
	const struct mem_window *window;
	struct mem_piece *list = NULL;

	while ((window = hosts_next(&pins->hosts, &walk)))
		add(owners, window);
	pins_collect(pins->tree.root, host, host + PAGE, false, &list);
	for (; list; list = list->next)
		add(owners, list->window);
}

static void add_all(struct mem_pins *pins, const struct mem_shared *shared, uintptr_t host,
		    struct owners *owners)
{
	const struct mem_shared_at *is = mem_shared_find(shared, host);

	owners->nr = 0;
	pthread_mutex_lock(&pins->lock);
	for (size_t i = 0; is && i < shared->nr; i++) {
		uintptr_t at = mem_shared_alias(is, host, &shared->at[i]);

		if (at)
			add_at(pins, at, owners);
	}
	if (!is)
		add_at(pins, host, owners);
	pthread_mutex_unlock(&pins->lock);
}

static int compare(const void *a, const void *b)
{
	uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;

	return (x > y) - (x < y);
}

/* Nothing is allocated with the lock held: who waits for it may be inside malloc. */
int pins_count(struct mem_pins *pins, const struct mem_shared *shared, uintptr_t host,
	       unsigned *out)
{
	struct owners owners = {NULL};

	*out = 0;
	for (;;) {
		add_all(pins, shared, host, &owners);
		if (owners.nr <= owners.cap)
			break;
		free(owners.owner);
		owners.cap = owners.nr;
		owners.owner = alloc_zero(owners.cap, sizeof(*owners.owner));
		if (!owners.owner)
			return -ENOMEM;
	}
	if (owners.nr)
		qsort(owners.owner, owners.nr, sizeof(*owners.owner), compare);
	for (size_t i = 0; i < owners.nr; i++)
		*out += !i || owners.owner[i] != owners.owner[i - 1];
	free(owners.owner);
	return 0;
}
