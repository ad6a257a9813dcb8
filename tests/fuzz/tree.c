/* SPDX-License-Identifier: MIT */
/* What every tree that was read must hold. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ioas/topology_text.h>
#include "tree.h"

#define LINE 4096

_Noreturn void tree_wrong(const char *what, const char *text)
{
	fprintf(stderr, "%s: %s\n", what, text);
	abort();
}

void tree_check_refusal(int rc, const struct ioas_why *why)
{
	if (rc != -EINVAL && rc != -EEXIST && rc != -ENOENT && rc != -EOPNOTSUPP)
		tree_wrong("an error that no text gives", why->text);
	if (!why->text[0] || strchr(why->text, '\n'))
		tree_wrong("not one line", why->text);
}

static void add(struct ioas_topology *topology, const char *line)
{
	struct ioas_why why = {""};

	if (ioas_topology_add_line(topology, line, &why))
		tree_wrong(why.text, line);
}

static void check_function(const struct ioas_topology *topology,
			   const struct ioas_topology_function *function)
{
	uint32_t group = ioas_topology_group_of(topology, function->addr);
	uint32_t set = ioas_topology_share_set_of(topology, function->addr);
	const struct ioas_topology_function *member = NULL;
	struct ioas_topology_requester requesters[16];
	bool found = false;

	if ((group == UINT32_MAX) != (set == UINT32_MAX))
		tree_wrong("in a group without a share set, or the reverse", function->name);
	if (!ioas_topology_requesters(topology, function->addr, requesters, 16))
		tree_wrong("no requester ID", function->name);
	if (group == UINT32_MAX)
		return;
	if (group >= ioas_topology_group_nr(topology) ||
	    set >= ioas_topology_share_set_nr(topology))
		tree_wrong("a number beyond the last", function->name);
	while ((member = ioas_topology_share_set_next(topology, set, member))) {
		found |= member == function;
		if (ioas_topology_group_of(topology, member->addr) != group)
			tree_wrong("a share set spans groups", function->name);
	}
	if (!found)
		tree_wrong("not in its share set", function->name);
}

static void check_edges(const struct ioas_topology *topology)
{
	struct ioas_topology_edge edges[8];
	char text[512];

	for (uint32_t i = 0; i < ioas_topology_group_nr(topology); i++) {
		size_t nr = ioas_topology_group_edges(topology, i, edges, 8);

		for (size_t k = 0; k < nr && k < 8; k++)
			if (ioas_topology_edge_format(topology, &edges[k], text, sizeof(text)) <= 0)
				tree_wrong("an edge without a reason", text);
	}
}

/* Writes it as lines, reads those, and writes that. */
static void check_lines(const struct ioas_topology *topology)
{
	const struct ioas_topology_function *function = NULL, *again;
	static char line[LINE], other[LINE];
	struct ioas_topology *copy;
	struct ioas_why why = {""};

	if (ioas_topology_new(&copy))
		abort();
	for (size_t i = 0; i < ioas_topology_iommu_nr(topology); i++) {
		if (ioas_topology_iommu_line(ioas_topology_iommu(topology, i), line, LINE) >= LINE)
			goto out;
		add(copy, line);
	}
	while ((function = ioas_topology_next(topology, function))) {
		if (ioas_topology_function_line(function, line, LINE) >= LINE)
			goto out;
		add(copy, line);
		again = ioas_topology_find(copy, function->addr);
		if (!again)
			tree_wrong("not found again", line);
		ioas_topology_function_line(again, other, LINE);
		if (strcmp(line, other))
			tree_wrong(line, other);
	}
	if (ioas_topology_resolve(copy, &why))
		tree_wrong("resolved once, but not again", why.text);
	if (ioas_topology_group_nr(copy) != ioas_topology_group_nr(topology) ||
	    ioas_topology_share_set_nr(copy) != ioas_topology_share_set_nr(topology))
		tree_wrong("other groups", "when read again");
out:
	ioas_topology_destroy(copy);
}

void tree_check(const struct ioas_topology *topology)
{
	const struct ioas_topology_function *function = NULL;

	while ((function = ioas_topology_next(topology, function)))
		check_function(topology, function);
	check_edges(topology);
	check_lines(topology);
}
