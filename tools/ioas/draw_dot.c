/* SPDX-License-Identifier: MIT */
/* A topology for Graphviz: filled by group, bordered by share set where there are others. */
#include <inttypes.h>
#include "draw.h"
#include "reason.h"

static void node_id(size_t index, char *buf)
{
	snprintf(buf, IOAS_NAME_LEN, "n%zu", index);
}

static void print_function(const struct draw *draw, size_t index)
{
	const struct ioas_topology *topology = draw->outline->topology;
	const struct ioas_topology_function *f = draw->outline->nodes[index].function;
	uint32_t group = ioas_topology_group_of(topology, f->addr);
	uint32_t share = ioas_topology_share_set_of(topology, f->addr);
	const char *name = names_of(draw->names, f);
	char addr[IOAS_NAME_LEN], id[IOAS_NAME_LEN], colour[8], acs[64];

	node_id(index, id);
	fprintf(draw->to, "\t%s [label=\"%s %s\\n", id, draw_addr(draw->outline, f->addr, addr),
		draw_type(f));
	if (*name) {
		draw_quoted(draw->to, name);
		fputs("\\n", draw->to);
	}
	if (group == UINT32_MAX)
		fputs("no IOMMU", draw->to);
	else
		fprintf(draw->to, "group %" PRIu32, group);
	if (share_set_size(topology, share) > 1)
		fprintf(draw->to, ", share set %" PRIu32, share);
	if (f->acs)
		fprintf(draw->to, ", ACS %s", acs_text(f, acs, sizeof(acs)));
	fputc('"', draw->to);
	if (group_size(topology, group) > 1)
		fprintf(draw->to, ", fillcolor=\"%s\"", draw_colour(group, false, colour));
	if (share_set_size(topology, share) > 1)
		fprintf(draw->to, ", penwidth=3, color=\"%s\"", draw_colour(share, true, colour));
	fputs("];\n", draw->to);
}

void draw_dot(const struct draw *draw)
{
	const struct outline *outline = draw->outline;
	char id[IOAS_NAME_LEN], above[IOAS_NAME_LEN];

	fputs("digraph topology {\n\trankdir=LR;\n"
	      "\tnode [shape=box, style=filled, fillcolor=white, fontname=sans, fontsize=10];\n"
	      "\tedge [dir=none];\n",
	      draw->to);
	for (size_t i = 0; i < outline->nr; i++) {
		node_id(i, id);
		if (outline->nodes[i].function)
			print_function(draw, i);
		else
			fprintf(draw->to, "\t%s [label=\"%04x:%02x root bus\", shape=plain];\n", id,
				outline->nodes[i].segment, outline->nodes[i].bus);
	}
	for (size_t i = 0; i < outline->nr; i++) {
		if (outline->nodes[i].parent == OUTLINE_NONE)
			continue;
		node_id(i, id);
		node_id(outline->nodes[i].parent, above);
		fprintf(draw->to, "\t%s -> %s;\n", above, id);
	}
	fputs("}\n", draw->to);
}
