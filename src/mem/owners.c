/* SPDX-License-Identifier: MIT */
/*
 * How often a page is pinned: by how many owners, since one that shows it in several windows (a
 * page table and an access, say) holds it once.
 */
#include "mem/mem.h"

#define PAGE 4096ul

static bool before(const struct mem_piece *a, const struct mem_piece *b)
{
	return (uintptr_t)a->window->owner < (uintptr_t)b->window->owner;
}

static struct mem_piece *merge(struct mem_piece *a, struct mem_piece *b)
{
	struct mem_piece *list = NULL, **tail = &list;

	while (a && b) {
		struct mem_piece **least = before(b, a) ? &b : &a;

		*tail = *least;
		tail = &(*least)->next;
		*least = (*least)->next;
	}
	*tail = a ? a : b;
	return list;
}

/* Runs of 1, 2, 4 ... pieces, as a binary counter: no memory is needed. */
static struct mem_piece *sort(struct mem_piece *list)
{
	struct mem_piece *runs[64] = {NULL}, *all = NULL;

	while (list) {
		struct mem_piece *run = list;
		unsigned i;

		list = list->next;
		run->next = NULL;
		for (i = 0; runs[i]; i++) {
			run = merge(runs[i], run);
			runs[i] = NULL;
		}
		runs[i] = run;
	}
	for (unsigned i = 0; i < 64; i++)
		all = merge(runs[i], all);
	return all;
}

unsigned pins_count(struct mem_pins *pins, uintptr_t host)
{
	struct mem_piece *list = NULL;
	const void *owner = NULL;
	unsigned nr = 0;

	pthread_mutex_lock(&pins->lock);
	pins_collect(pins->tree.root, host, host + PAGE, false, &list);
	for (list = sort(list); list; list = list->next) {
		nr += list->window->owner != owner;
		owner = list->window->owner;
	}
	pthread_mutex_unlock(&pins->lock);
	return nr;
}
