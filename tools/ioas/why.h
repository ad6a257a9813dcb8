/* SPDX-License-Identifier: MIT */
/* ioas why, for people (why_text.c) and as JSON (why_json.c): what both are about. */
#ifndef TOOLS_WHY_H
#define TOOLS_WHY_H

#include "draw.h"
#include "reason.h"
#include "source.h"

/* The question, with what was worked out for it. */
struct question {
	const struct source *source;
	const struct ioas_topology *topology;
	const struct outline *outline;
	struct names *names;
	const struct ioas_topology_function *a, *b; /* b NULL: about one */
};

void why_one(const struct question *question);
void why_pair(const struct question *question);
void why_one_json(const struct question *question);
void why_pair_json(const struct question *question);

/*
 * May the two have different address spaces? A share set has one; Linux, and `groups=strict`, want
 * one for a group.
 */
enum apart {
	APART_FREELY,	 /* in different groups */
	APART_NOT_LINUX, /* in one group, but with requester IDs of their own */
	APART_NOT_AT_ALL,
	APART_NO_IOMMU, /* one of them has none */
};
enum apart why_apart(const struct question *question);

/*
 * What a host driver on a member means for a group that is to be given to a program: nothing, or
 * that the group "is not viable".
 */
bool why_blocks(const struct ioas_topology_function *function);

/*
 * A copy in which all that the reasons of a group name and that can be switched is switched on;
 * NULL when there is nothing to switch, or no memory.
 */
struct ioas_topology *why_switched(const struct ioas_topology *topology, uint32_t group);

#endif
