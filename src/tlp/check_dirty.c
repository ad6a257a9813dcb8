/* SPDX-License-Identifier: MIT */
/* What devices wrote, in a tree of pages for each page table, against what is told. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ioas/run.h>
#include "iommu.h"
#include "pt/pt.h"
#include "route/route.h"
#include "tlp/check_dirty.h"
#include "tlp/tlp.h"
#include "util/alloc.h"
#include "util/lock.h"
#include "util/tree.h"

/* A page that was written and, as far as is known, not told. */
struct page {
	struct tree_node node;
	iova_t first;
	uint64_t seq;	    /* of the oldest write, or a later one that it is known by */
	uint64_t time_ns;   /* of that, CLOCK_REALTIME */
	uint64_t last_seq;  /* of the newest */
	uint64_t last_time; /* of that */
	uint64_t last_generation;
	uint64_t told; /* the newest reading that told of it */
	char device[IOAS_NAME_LEN];
	uint32_t id; /* of its requester, and whether it is a StreamID */
	bool stream;
};

/* A page table that tracks. */
struct table {
	struct tree_node node;
	const struct pt *pt;
	uint64_t since; /* writes of generations up to this one may be unmarked */
	struct tree pages;
};

struct check_dirty {
	struct ioas_iommu *iommu;
	pthread_mutex_t lock; /* all that follows */
	uint64_t seq;	      /* of the newest write */
	uint64_t readings;
	struct tree tables;
	struct ioas_run_check_dirty *counts;
};

int check_dirty_new(struct ioas_iommu *iommu, struct check_dirty **out)
{
	struct check_dirty *check;

	*out = NULL;
	if (!iommu->config.check_dirty)
		return 0;
	check = alloc_zero(1, sizeof(*check));
	if (!check)
		return -ENOMEM;
	check->iommu = iommu;
	check->counts = iommu_counters_alloc(iommu, IOAS_RUN_CHECK_DIRTY, sizeof(*check->counts));
	if (!check->counts) {
		free(check);
		return -ENOMEM;
	}
	lock_init(&check->lock, LOCK_CHECK);
	lock_guards(&check->lock, &check->seq, check + 1);
	*out = check;
	return 0;
}

static void drop_page(struct table *table, struct page *page)
{
	tree_remove(&table->pages, &page->node);
	free(page);
}

static void drop_table(struct check_dirty *check, struct table *table)
{
	struct tree_node *node;

	while ((node = tree_end(&table->pages, 0)))
		drop_page(table, tree_entry(node, struct page, node));
	tree_remove(&check->tables, &table->node);
	free(table);
}

void check_dirty_destroy(struct check_dirty *check)
{
	struct tree_node *node;

	if (!check)
		return;
	while ((node = tree_end(&check->tables, 0)))
		drop_table(check, tree_entry(node, struct table, node));
	iommu_counters_free(check->iommu, check->counts);
	pthread_mutex_destroy(&check->lock);
	free(check);
}

/* The table's record, or where it belongs. */
static struct table *find_table(const struct check_dirty *check, const struct pt *pt,
				struct tree_node **parent, int *side)
{
	struct tree_node *node = check->tables.root;

	*parent = NULL;
	while (node) {
		struct table *table = tree_entry(node, struct table, node);

		if (table->pt == pt)
			return table;
		*parent = node;
		*side = (uintptr_t)pt > (uintptr_t)table->pt;
		node = node->child[*side];
	}
	return NULL;
}

static struct table *table_of(const struct check_dirty *check, const struct pt *pt)
{
	struct tree_node *parent;
	int side;

	return find_table(check, pt, &parent, &side);
}

/* The page that begins there, or where it belongs. */
static struct page *find_page(const struct table *table, iova_t first, struct tree_node **parent,
			      int *side)
{
	struct tree_node *node = table->pages.root;

	*parent = NULL;
	while (node) {
		struct page *page = tree_entry(node, struct page, node);

		if (page->first == first)
			return page;
		*parent = node;
		*side = first > page->first;
		node = node->child[*side];
	}
	return NULL;
}

/* The first page at or after an address; and the one after a page. NULL: there is none. */
static struct page *page_from(const struct table *table, iova_t first)
{
	struct tree_node *parent, *next;
	int side = 0;
	struct page *page = find_page(table, first, &parent, &side);

	if (page || !parent)
		return page;
	next = side ? tree_step(parent, 1) : parent;
	return next ? tree_entry(next, struct page, node) : NULL;
}

static struct page *page_after(const struct page *page)
{
	struct tree_node *next = tree_step(&page->node, 1);

	return next ? tree_entry(next, struct page, node) : NULL;
}

void check_dirty_track(struct check_dirty *check, const struct pt *pt, bool on, uint64_t generation)
{
	struct tree_node *parent;
	struct table *table;
	int side = 0;

	if (!check)
		return;
	pthread_mutex_lock(&check->lock);
	table = table_of(check, pt);
	if (table)
		drop_table(check, table);
	table = on ? alloc_zero(1, sizeof(*table)) : NULL;
	if (table) {
		table->pt = pt;
		table->since = generation;
		find_table(check, pt, &parent, &side);
		tree_insert(&check->tables, &table->node, parent, side);
	}
	check->counts->unseen += on && !table;
	pthread_mutex_unlock(&check->lock);
}

void check_dirty_forget(struct check_dirty *check, const struct pt *pt, iova_t first, iova_t last)
{
	struct table *table;
	struct page *page;

	if (!check)
		return;
	pthread_mutex_lock(&check->lock);
	table = table_of(check, pt);
	page = table ? page_from(table, first) : NULL;
	while (page && page->first <= last) {
		struct page *next = page_after(page);

		drop_page(table, page);
		page = next;
	}
	pthread_mutex_unlock(&check->lock);
}

static struct page *new_page(struct table *table, iova_t first, struct tree_node *parent, int side)
{
	struct page *page = alloc_zero(1, sizeof(*page));

	if (!page)
		return NULL;
	page->first = first;
	tree_insert(&table->pages, &page->node, parent, side);
	return page;
}

/* false: no memory. */
static bool note(struct check_dirty *check, struct table *table, const struct ioas_device *dev,
		 iova_t first, uint64_t generation, uint64_t now)
{
	struct tree_node *parent;
	int side = 0;
	struct page *page = find_page(table, first, &parent, &side);

	if (!page) {
		page = new_page(table, first, parent, side);
		if (!page)
			return false;
		page->seq = check->seq;
		page->time_ns = now;
		memcpy(page->device, dev->name, sizeof(page->device));
		page->id = ioas_device_id(dev);
		page->stream = dev->bus == ROUTE_STREAM;
	}
	page->last_seq = check->seq;
	page->last_time = now;
	if (generation > page->last_generation)
		page->last_generation = generation;
	return true;
}

void check_dirty_wrote(struct check_dirty *check, const struct ioas_device *dev,
		       const struct pt *pt, iova_t addr, uint64_t len, uint64_t generation)
{
	uint64_t page_len = 1ull << pt_page_lg2(pt);
	struct timespec now;
	struct table *table;

	if (!check || !pt_dirty_tracked(pt))
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	pthread_mutex_lock(&check->lock);
	table = table_of(check, pt);
	if (table && generation > table->since) {
		check->seq++;
		for (iova_t at = addr & ~(page_len - 1); at <= addr + (len - 1); at += page_len)
			check->counts->unseen +=
				!note(check, table, dev, at, generation,
				      (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
	}
	pthread_mutex_unlock(&check->lock);
}

void check_dirty_begin(struct check_dirty *check, struct check_reading *reading)
{
	*reading = (struct check_reading){0};
	if (!check)
		return;
	pthread_mutex_lock(&check->lock);
	reading->nr = ++check->readings;
	reading->begun = check->seq;
	pthread_mutex_unlock(&check->lock);
}

void check_dirty_told(struct check_dirty *check, const struct check_reading *reading,
		      const struct pt *pt, iova_t first, iova_t last)
{
	struct table *table;
	struct page *page;

	if (!check)
		return;
	pthread_mutex_lock(&check->lock);
	table = table_of(check, pt);
	page = table ? page_from(table, first) : NULL;
	for (; page && page->first <= last; page = page_after(page))
		page->told = reading->nr;
	pthread_mutex_unlock(&check->lock);
}

static struct ioas_fault record_of(const struct page *page, const struct pt *pt)
{
	struct ioas_fault fault = {
		.time_ns = page->time_ns,
		.tlp = {.addr = page->first, .len = 1ull << pt_page_lg2(pt), .op = IOAS_TLP_WRITE},
		.addr = page->first,
		.id = page->id,
		.stream = page->stream,
		.reason = IOAS_PASSED_UNTOLD,
		.ioas_id = pt_ioas_id(pt),
		.hwpt_id = pt_hwpt_id(pt),
	};

	memcpy(fault.device, page->device, sizeof(fault.device));
	return fault;
}

/* One page at the end of a reading. Is it missing? */
static bool judge(struct table *table, struct page *page, const struct check_reading *reading,
		  uint64_t turned)
{
	bool told = page->told == reading->nr;
	bool missing = !told && !reading->spoilt && page->seq <= reading->begun;

	if (missing || (told && turned && page->last_generation <= turned)) {
		drop_page(table, page);
	} else if (told && turned) {
		/* Of its writes the newest at least is the next reading's. */
		page->seq = page->last_seq;
		page->time_ns = page->last_time;
	}
	return missing;
}

/*
 * The next one that is missing, from *first on. The lock is given up between two, for the log's
 * hook may take its time.
 */
static bool next_missing(struct check_dirty *check, const struct check_reading *reading,
			 const struct pt *pt, iova_t *first, iova_t last, uint64_t turned,
			 struct ioas_fault *out)
{
	struct table *table;
	struct page *page;
	bool found = false;

	pthread_mutex_lock(&check->lock);
	table = table_of(check, pt);
	page = table ? page_from(table, *first) : NULL;
	while (!found && page && page->first <= last) {
		struct page *next = page_after(page);

		*first = page->first + 1;
		*out = record_of(page, pt);
		check->counts->pages += !reading->spoilt &&
					(page->told == reading->nr || page->seq <= reading->begun);
		found = judge(table, page, reading, turned);
		page = next;
	}
	check->counts->missing += found;
	pthread_mutex_unlock(&check->lock);
	return found;
}

void check_dirty_end(struct check_dirty *check, const struct check_reading *reading,
		     const struct pt *pt, iova_t first, iova_t last, uint64_t turned)
{
	struct ioas_fault fault;

	if (!check)
		return;
	/* Of a spoilt one nothing is missing; but what it told of will not be told again. */
	while (next_missing(check, reading, pt, &first, last, turned, &fault))
		fault_add(check->iommu, &fault);
	if (!reading->spoilt)
		__atomic_fetch_add(&check->counts->bitmaps, 1, __ATOMIC_RELAXED);
}
