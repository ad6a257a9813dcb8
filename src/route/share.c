/* SPDX-License-Identifier: MIT */
/*
 * Share sets: functions that may send a common requester ID, and those they share another with.
 *
 * Every function and the requester IDs it sends are put into one list, sorted by requester ID;
 * equal neighbours share. Of the bridges above, only the nearest that renames is entered: what
 * those above it put on the wire is entered once for the bridge, not for each function below.
 */
#include <errno.h>
#include "route/topology.h"
#include "util/alloc.h"

struct sender {
	uint32_t key; /* segment << 16 | requester ID */
	uint32_t index;
	uint8_t cause;
	struct ioas_pci_addr at;
};

struct senders {
	struct sender *all;
	size_t nr, cap;
};

static int push(struct senders *to, const struct route_node *node,
		const struct ioas_topology_requester *requester)
{
	if (to->nr == to->cap) {
		size_t cap = to->cap ? 2 * to->cap : 256;
		struct sender *all = alloc_resize(to->all, cap * sizeof(*all));

		if (!all)
			return -ENOMEM;
		to->all = all;
		to->cap = cap;
	}
	to->all[to->nr++] = (struct sender){
		.key = (uint32_t)requester->segment << 16 | requester->rid,
		.index = node->index,
		.cause = requester->cause,
		.at = requester->at,
	};
	return 0;
}

static int push_own(struct senders *to, const struct route_node *node)
{
	/* Two of quirks, 7 phantoms, and its own; aliases come on top. */
	struct ioas_topology_requester few[16], *own = few;
	size_t nr = route_own_requesters(node, few, 16);
	int rc = 0;

	if (nr > 16) {
		own = alloc_raw(nr * sizeof(*own));
		if (!own)
			return -ENOMEM;
		route_own_requesters(node, own, nr);
	}
	for (size_t i = 0; !rc && i < nr; i++)
		rc = push(to, node, &own[i]);
	if (own != few)
		free(own);
	return rc;
}

/* What bridges put on its TLPs, up to one above which another function has entered it already. */
static int push_renamed(struct senders *to, const struct route_node *node)
{
	int rc = 0;

	for (struct route_node *bridge = node->renamer; !rc && bridge; bridge = bridge->renamer) {
		struct ioas_topology_requester requester = route_renamed(bridge);

		if (!route_sends(node, requester.rid))
			rc = push(to, node, &requester);
		if (bridge->entered)
			break;
		bridge->entered = true;
	}
	return rc;
}

static int compare(const void *a, const void *b)
{
	const struct sender *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	/* Whose own it is comes first: the others are its guests. */
	if (x->cause != y->cause && (x->cause == IOAS_CAUSE_OWN || y->cause == IOAS_CAUSE_OWN))
		return x->cause == IOAS_CAUSE_OWN ? -1 : 1;
	if (x->index != y->index)
		return x->index < y->index ? -1 : 1;
	return (x->cause > y->cause) - (x->cause < y->cause);
}

static int join_equals(struct route_resolved *resolved, const struct senders *from)
{
	size_t first = 0;
	int rc = 0;

	for (size_t i = 1; !rc && i < from->nr; i++) {
		const struct sender *a = &from->all[first], *b = &from->all[i];
		struct ioas_topology_edge edge = {
			.a = resolved->node[a->index]->function.addr,
			.b = resolved->node[b->index]->function.addr,
			.at = b->at,
			.cause = b->cause,
			.rid = (rid_t)b->key,
		};

		if (a->key != b->key)
			first = i;
		else if (b->index != from->all[i - 1].index)
			rc = route_partition_join(&resolved->shares, a->index, b->index, &edge);
	}
	return rc;
}

int route_share(struct route_resolved *resolved)
{
	struct senders senders = {0};
	int rc = 0;

	for (uint32_t i = 0; i < resolved->nr; i++)
		resolved->node[i]->entered = false;
	for (uint32_t i = 0; !rc && i < resolved->nr; i++) {
		const struct route_node *node = resolved->node[i];

		if (!route_counts(node))
			continue;
		rc = push_own(&senders, node);
		if (!rc)
			rc = push_renamed(&senders, node);
	}
	if (!rc && senders.nr) {
		qsort(senders.all, senders.nr, sizeof(*senders.all), compare);
		rc = join_equals(resolved, &senders);
	}
	free(senders.all);
	return rc;
}
