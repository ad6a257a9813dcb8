/* SPDX-License-Identifier: MIT */
/*
 * A topology as a tree for the terminal, with columns beside it, and below it the groups and share
 * sets that have more than one member, with the reasons.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "draw.h"
#include "reason.h"
#include "words.h"

#define DEPTH_MAX 64
#define CELL_LEN  48

enum column { GROUP, SHARE, ACS, DRIVER, COLUMN_NR };

struct row {
	char cell[COLUMN_NR][CELL_LEN];
};

struct tree_style {
	const char *branch, *last, *down, *blank;
};

static const struct tree_style lines = {"├─ ", "└─ ", "│  ", "   "};
static const struct tree_style plain = {"+- ", "`- ", "|  ", "   "};

/* Characters, not bytes: what a column of the terminal holds. */
static size_t width_of(const char *text)
{
	size_t nr = 0;

	for (; *text; text++)
		nr += (*text & 0xc0) != 0x80;
	return nr;
}

static void print_iommu(const struct draw *draw, size_t index)
{
	const struct ioas_topology_iommu *iommu =
		ioas_topology_iommu(draw->outline->topology, index);

	fprintf(draw->to, "IOMMU %zu: %s", index, iommu->kind);
	if (iommu->aw)
		fprintf(draw->to, ", %u bits", iommu->aw);
	if (iommu->pasid_lg2)
		fprintf(draw->to, ", PASIDs of %u bits", iommu->pasid_lg2);
	fprintf(draw->to, "%s%s%s%s%s%s\n", iommu->pasid_0_apart ? ", PASID 0 apart" : "",
		iommu->ats ? ", ATS" : "", iommu->pri ? ", PRI" : "",
		iommu->dirty ? ", dirty tracking" : "", iommu->nested ? ", nesting" : "",
		iommu->coherency ? ", coherency" : "");
	for (size_t i = 0; i < iommu->reserved_nr; i++)
		fprintf(draw->to, "  reserved 0x%" PRIx64 "-0x%" PRIx64 "\n",
			iommu->reserved[i].first, iommu->reserved[i].last);
}

/* "5", or "5 of 3" where there are others. */
static void number_cell(char *cell, uint32_t index, size_t size, bool always)
{
	if (index == UINT32_MAX || (size < 2 && !always))
		snprintf(cell, CELL_LEN, "-");
	else if (size < 2)
		snprintf(cell, CELL_LEN, "%" PRIu32, index);
	else
		snprintf(cell, CELL_LEN, "%" PRIu32 " (%zu)", index, size);
}

static void fill_row(const struct draw *draw, const struct ioas_topology_function *function,
		     struct row *row)
{
	const struct ioas_topology *topology = draw->outline->topology;
	uint32_t group = ioas_topology_group_of(topology, function->addr);
	uint32_t share = ioas_topology_share_set_of(topology, function->addr);
	const char *model = function->model ? function->model : "";

	number_cell(row->cell[GROUP], group, group_size(topology, group), true);
	number_cell(row->cell[SHARE], share, share_set_size(topology, share), false);
	acs_text(function, row->cell[ACS], CELL_LEN);
	if (function->driver && *function->driver)
		snprintf(row->cell[DRIVER], CELL_LEN, "%s", function->driver);
	else if (*model)
		snprintf(row->cell[DRIVER], CELL_LEN, "model %.*s", (int)strcspn(model, ","),
			 model);
	else
		strcpy(row->cell[DRIVER], "-");
}

/* The left side of a node's line: lines from above, address, type, buses below. */
static void left_side(const struct draw *draw, const struct outline_node *node, char *buf,
		      size_t len)
{
	const struct tree_style *style = draw->ascii ? &plain : &lines;
	const struct outline_node *nodes = draw->outline->nodes;
	const struct ioas_topology_function *function = node->function;
	const char *part[DEPTH_MAX];
	char addr[IOAS_NAME_LEN];
	unsigned nr = 0;
	size_t at = 0;

	if (!function) {
		snprintf(buf, len, "%04x:%02x root bus", node->segment, node->bus);
		return;
	}
	part[nr++] = node->next == OUTLINE_NONE ? style->last : style->branch;
	for (const struct outline_node *up = &nodes[node->parent];
	     up->parent != OUTLINE_NONE && nr < DEPTH_MAX; up = &nodes[up->parent])
		part[nr++] = up->next == OUTLINE_NONE ? style->blank : style->down;
	while (nr-- && at < len)
		at += (size_t)snprintf(buf + at, len - at, "%s", part[nr]);
	if (at < len)
		at += (size_t)snprintf(buf + at, len - at, "%s %s",
				       draw_addr(draw->outline, function->addr, addr),
				       draw_type(function));
	if (function->secondary && at < len)
		snprintf(buf + at, len - at,
			 function->secondary == function->subordinate ? " to %02x"
								      : " to %02x-%02x",
			 function->secondary, function->subordinate);
}

struct table {
	size_t left;
	size_t column[COLUMN_NR];
};

#define LEFT_LEN 512

static const char *const titles[COLUMN_NR] = {"GROUP", "SHARES", "ACS", "DRIVER"};

static struct table measure(const struct draw *draw)
{
	struct table table = {.left = 0};
	char left[LEFT_LEN];
	struct row row;

	for (int c = 0; c < COLUMN_NR; c++)
		table.column[c] = strlen(titles[c]);
	for (size_t i = draw->outline->first; i != OUTLINE_NONE;
	     i = outline_walk(draw->outline, i)) {
		const struct outline_node *node = &draw->outline->nodes[i];

		left_side(draw, node, left, sizeof(left));
		if (width_of(left) > table.left)
			table.left = width_of(left);
		if (!node->function)
			continue;
		fill_row(draw, node->function, &row);
		for (int c = 0; c < COLUMN_NR; c++)
			if (width_of(row.cell[c]) > table.column[c])
				table.column[c] = width_of(row.cell[c]);
	}
	return table;
}

static void pad(FILE *to, const char *text, size_t width)
{
	size_t own = width_of(text);

	fprintf(to, "%s%*s", text, (int)(own < width ? width - own : 0), "");
}

static void print_line(const struct draw *draw, const struct table *table, const char *left,
		       const struct row *row, const char *name)
{
	pad(draw->to, left, table->left + 2);
	for (int c = 0; c < COLUMN_NR; c++) {
		bool end = c == COLUMN_NR - 1 && !*name;

		pad(draw->to, row->cell[c], end ? 0 : table->column[c] + 2);
	}
	fprintf(draw->to, "%s\n", name);
}

static void print_tree(const struct draw *draw)
{
	struct table table = measure(draw);
	char left[LEFT_LEN];
	struct row row = {0};

	for (int c = 0; c < COLUMN_NR; c++)
		strcpy(row.cell[c], titles[c]);
	print_line(draw, &table, "", &row, "NAME");
	for (size_t i = draw->outline->first; i != OUTLINE_NONE;
	     i = outline_walk(draw->outline, i)) {
		const struct outline_node *node = &draw->outline->nodes[i];

		left_side(draw, node, left, sizeof(left));
		if (!node->function) {
			fprintf(draw->to, "%s\n", left);
			continue;
		}
		fill_row(draw, node->function, &row);
		print_line(draw, &table, left, &row, names_of(draw->names, node->function));
	}
}

typedef const struct ioas_topology_function *next_fn(const struct ioas_topology *topology,
						     uint32_t index,
						     const struct ioas_topology_function *prev);
typedef int reasons_fn(const struct ioas_topology *topology, uint32_t index, struct reasons *out);

/* One that has more than one member: who they are, and why. */
static void print_set(const struct draw *draw, const char *word, uint32_t index, next_fn *next,
		      reasons_fn *reasons_of)
{
	const struct ioas_topology *topology = draw->outline->topology;
	const struct ioas_topology_function *f = NULL;
	char text[REASON_LEN], addr[IOAS_NAME_LEN];
	struct reasons reasons;

	fprintf(draw->to, "%s %" PRIu32 ":", word, index);
	while ((f = next(topology, index, f)))
		fprintf(draw->to, " %s", draw_addr(draw->outline, f->addr, addr));
	fputc('\n', draw->to);
	if (reasons_of(topology, index, &reasons))
		return;
	for (size_t i = 0; i < reasons.nr; i++)
		fprintf(draw->to, "  %s\n",
			reason_text(topology, &reasons.items[i], text, sizeof(text)));
	reasons_free(&reasons);
}

void draw_tree(const struct draw *draw)
{
	const struct ioas_topology *topology = draw->outline->topology;
	bool any = false;

	for (size_t i = 0; i < ioas_topology_iommu_nr(topology); i++)
		print_iommu(draw, i);
	if (!ioas_topology_iommu_nr(topology))
		fputs("No IOMMU: nothing is translated, nothing is isolated, there are no "
		      "groups.\n",
		      draw->to);
	if (draw->outline->first == OUTLINE_NONE)
		fputs("No PCI functions.\n", draw->to);
	else
		print_tree(draw);
	for (uint32_t i = 0; i < ioas_topology_group_nr(topology); i++) {
		if (group_size(topology, i) < 2)
			continue;
		fputs(any ? "" : "\nCannot be isolated from one another:\n", draw->to);
		any = true;
		print_set(draw, "group", i, ioas_topology_group_next, reasons_of_group);
	}
	any = false;
	for (uint32_t i = 0; i < ioas_topology_share_set_nr(topology); i++) {
		if (share_set_size(topology, i) < 2)
			continue;
		fputs(any ? "" : "\nShare a requester ID, so one address space:\n", draw->to);
		any = true;
		print_set(draw, "share set", i, ioas_topology_share_set_next, reasons_of_share_set);
	}
}
