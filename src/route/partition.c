/* SPDX-License-Identifier: MIT */
/* Sets joined by edges: a forest whose trees are the sets, paths halved as they are walked. */
#include <errno.h>
#include "route/partition.h"
#include "util/alloc.h"

int route_partition_init(struct route_partition *partition, uint32_t thing_nr)
{
	*partition = (struct route_partition){.thing_nr = thing_nr};
	/* One more: allocating nothing may give NULL. */
	partition->set_of = alloc_zero((size_t)thing_nr + 1, sizeof(*partition->set_of));
	if (!partition->set_of)
		return -ENOMEM;
	for (uint32_t i = 0; i < thing_nr; i++)
		partition->set_of[i] = i;
	return 0;
}

void route_partition_fini(struct route_partition *partition)
{
	free(partition->set_of);
	free(partition->start);
	free(partition->member);
	free(partition->place);
	free(partition->edge_start);
	free(partition->link);
	*partition = (struct route_partition){0};
}

static uint32_t top(struct route_partition *partition, uint32_t thing)
{
	uint32_t *parent = partition->set_of;

	while (parent[thing] != thing) {
		parent[thing] = parent[parent[thing]];
		thing = parent[thing];
	}
	return thing;
}

bool route_partition_same(struct route_partition *partition, uint32_t a, uint32_t b)
{
	return top(partition, a) == top(partition, b);
}

int route_partition_join(struct route_partition *partition, uint32_t a, uint32_t b,
			 const struct ioas_topology_edge *edge)
{
	if (partition->link_nr == partition->link_cap) {
		size_t cap = partition->link_cap ? 2 * partition->link_cap : 64;
		struct route_link *link = alloc_resize(partition->link, cap * sizeof(*link));

		if (!link)
			return -ENOMEM;
		partition->link = link;
		partition->link_cap = cap;
	}
	partition->link[partition->link_nr++] = (struct route_link){
		.thing = a,
		.other = b,
		.edge = *edge,
	};
	a = top(partition, a);
	b = top(partition, b);
	/* The lower number is the root: trees stay shallow enough, with paths halved. */
	if (a < b)
		partition->set_of[b] = a;
	else
		partition->set_of[a] = b;
	return 0;
}

/* Members by set, things in order within each. */
static void lay_out_members(struct route_partition *partition)
{
	for (uint32_t i = 0; i < partition->thing_nr; i++)
		if (partition->set_of[i] != ROUTE_NO_SET)
			partition->start[partition->set_of[i] + 1]++;
	for (uint32_t i = 0; i < partition->set_nr; i++)
		partition->start[i + 1] += partition->start[i];
	/* start[] of a set serves as its fill mark, and is put back after. */
	for (uint32_t i = 0; i < partition->thing_nr; i++) {
		uint32_t set = partition->set_of[i];

		if (set == ROUTE_NO_SET)
			continue;
		partition->place[i] = partition->start[set];
		partition->member[partition->start[set]++] = i;
	}
	for (uint32_t i = partition->set_nr; i > 0; i--)
		partition->start[i] = partition->start[i - 1];
	partition->start[0] = 0;
}

/* Edges by set, each set's in the order they were made. */
static int lay_out_edges(struct route_partition *partition)
{
	struct route_link *by_set = alloc_raw((partition->link_nr + 1) * sizeof(*by_set));
	size_t *start = partition->edge_start;

	if (!by_set)
		return -ENOMEM;
	for (size_t i = 0; i < partition->link_nr; i++)
		start[partition->set_of[partition->link[i].thing] + 1]++;
	for (uint32_t i = 0; i < partition->set_nr; i++)
		start[i + 1] += start[i];
	for (size_t i = 0; i < partition->link_nr; i++)
		by_set[start[partition->set_of[partition->link[i].thing]]++] = partition->link[i];
	for (uint32_t i = partition->set_nr; i > 0; i--)
		start[i] = start[i - 1];
	start[0] = 0;
	free(partition->link);
	partition->link = by_set;
	return 0;
}

int route_partition_finish(struct route_partition *partition, const uint32_t *order, uint32_t nr)
{
	uint32_t *number = alloc_raw(((size_t)partition->thing_nr + 1) * sizeof(*number));
	uint32_t sets = 0;

	if (!number)
		return -ENOMEM;
	for (uint32_t i = 0; i < partition->thing_nr; i++)
		number[i] = ROUTE_NO_SET;
	for (uint32_t i = 0; i < nr; i++) {
		uint32_t root = top(partition, order[i]);

		if (number[root] == ROUTE_NO_SET)
			number[root] = sets++;
	}
	for (uint32_t i = 0; i < partition->thing_nr; i++)
		partition->set_of[i] = top(partition, i);
	/* From here on set_of is the set itself. */
	for (uint32_t i = 0; i < partition->thing_nr; i++)
		partition->set_of[i] = number[partition->set_of[i]];
	free(number);
	partition->set_nr = sets;
	partition->start = alloc_zero((size_t)sets + 2, sizeof(*partition->start));
	partition->edge_start = alloc_zero((size_t)sets + 2, sizeof(*partition->edge_start));
	partition->member = alloc_raw(((size_t)partition->thing_nr + 1) * sizeof(uint32_t));
	partition->place = alloc_raw(((size_t)partition->thing_nr + 1) * sizeof(uint32_t));
	if (!partition->start || !partition->edge_start || !partition->member || !partition->place)
		return -ENOMEM;
	lay_out_members(partition);
	return lay_out_edges(partition);
}

uint32_t route_partition_next(const struct route_partition *partition, uint32_t set, uint32_t prev)
{
	uint32_t place;

	if (set >= partition->set_nr)
		return ROUTE_NO_SET;
	if (prev == ROUTE_NO_SET)
		return partition->member[partition->start[set]];
	if (partition->set_of[prev] != set)
		return ROUTE_NO_SET;
	place = partition->place[prev] + 1;
	return place < partition->start[set + 1] ? partition->member[place] : ROUTE_NO_SET;
}

size_t route_partition_edges(const struct route_partition *partition, uint32_t set,
			     struct ioas_topology_edge *out, size_t max)
{
	size_t first, nr;

	if (set >= partition->set_nr)
		return 0;
	first = partition->edge_start[set];
	nr = partition->edge_start[set + 1] - first;
	for (size_t i = 0; i < nr && i < max; i++)
		out[i] = partition->link[first + i].edge;
	return nr;
}
