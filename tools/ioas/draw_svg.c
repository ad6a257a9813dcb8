/* SPDX-License-Identifier: MIT */
/*
 * A topology as a picture: a row a function, indented below what it hangs on. A box is filled in
 * its group's colour where the group has others, and has a bar in its share set's colour where that
 * has; the reasons stand below.
 */
#include <inttypes.h>
#include <string.h>
#include "draw.h"
#include "reason.h"
#include "words.h"

#define ROW	  46u
#define BOX	  38u
#define INDENT	  34u
#define MARGIN	  16u
#define CHAR	  7 /* an upper bound for the width of a letter, at size 12 */
#define CHAR_MEAN 6.2

struct sheet {
	const struct draw *draw;
	unsigned box; /* width of a box */
	unsigned width, height;
	unsigned y; /* of the legend's next line */
};

static size_t letters(const char *text)
{
	size_t nr = 0;

	for (; *text; text++)
		nr += (*text & 0xc0) != 0x80;
	return nr;
}

/* First line: where and what. Second: who. */
static void label(const struct draw *draw, const struct ioas_topology_function *f, char *first,
		  size_t len)
{
	char addr[IOAS_NAME_LEN];

	snprintf(first, len, "%s %s", draw_addr(draw->outline, f->addr, addr), draw_type(f));
}

static void marks(const struct draw *draw, const struct ioas_topology_function *f, char *buf,
		  size_t len)
{
	const struct ioas_topology *topology = draw->outline->topology;
	uint32_t group = ioas_topology_group_of(topology, f->addr);
	uint32_t share = ioas_topology_share_set_of(topology, f->addr);
	char acs[64];
	int at;

	if (group == UINT32_MAX)
		at = snprintf(buf, len, "no IOMMU");
	else
		at = snprintf(buf, len, "group %" PRIu32, group);
	if (share_set_size(topology, share) > 1)
		at += snprintf(buf + at, len - (size_t)at, " \xc2\xb7 share set %" PRIu32, share);
	if (f->acs)
		at += snprintf(buf + at, len - (size_t)at, " \xc2\xb7 ACS %s",
			       acs_text(f, acs, sizeof(acs)));
	if (f->pasid_lg2)
		at += snprintf(buf + at, len - (size_t)at, " \xc2\xb7 PASID %u", f->pasid_lg2);
	if (f->ats)
		snprintf(buf + at, len - (size_t)at, " \xc2\xb7 ATS");
}

static unsigned x_of(const struct outline_node *node)
{
	return MARGIN + node->depth * INDENT;
}

static void measure(struct sheet *sheet)
{
	const struct outline *outline = sheet->draw->outline;
	size_t longest = 28;
	unsigned depth = 0;
	char text[160];

	for (size_t i = 0; i < outline->nr; i++) {
		const struct outline_node *node = &outline->nodes[i];

		if (node->depth > depth)
			depth = node->depth;
		if (!node->function)
			continue;
		label(sheet->draw, node->function, text, sizeof(text));
		if (letters(text) + letters(names_of(sheet->draw->names, node->function)) + 2 >
		    longest)
			longest = letters(text) +
				  letters(names_of(sheet->draw->names, node->function)) + 2;
		marks(sheet->draw, node->function, text, sizeof(text));
		if (letters(text) > longest)
			longest = letters(text);
	}
	sheet->box = (unsigned)(longest * CHAR) + 24;
	sheet->width = 2 * MARGIN + depth * INDENT + sheet->box;
	sheet->y = MARGIN + (unsigned)outline->nr * ROW + MARGIN;
}

/* From the parent's left side down, and across to this box. */
static void draw_line(const struct sheet *sheet, const struct outline_node *node, unsigned y,
		      unsigned parent_y)
{
	unsigned x = x_of(node) - INDENT + 14;

	fprintf(sheet->draw->to, "<path d=\"M%u %uV%uH%u\" fill=\"none\" stroke=\"#888\"/>\n", x,
		parent_y + BOX, y + BOX / 2, x_of(node));
}

static void draw_function(const struct sheet *sheet, const struct outline_node *node, unsigned y)
{
	const struct ioas_topology *topology = sheet->draw->outline->topology;
	const struct ioas_topology_function *f = node->function;
	const char *name = names_of(sheet->draw->names, f);
	uint32_t group = ioas_topology_group_of(topology, f->addr);
	uint32_t share = ioas_topology_share_set_of(topology, f->addr);
	bool many = group_size(topology, group) > 1, shared = share_set_size(topology, share) > 1;
	FILE *to = sheet->draw->to;
	unsigned x = x_of(node);
	char text[160], colour[8];

	fprintf(to,
		"<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" rx=\"4\" fill=\"%s\" "
		"stroke=\"#666\"%s/>\n",
		x, y, sheet->box, BOX, many ? draw_colour(group, false, colour) : "#fff",
		f->is_virtual ? " stroke-dasharray=\"4 2\"" : "");
	if (shared)
		fprintf(to, "<rect x=\"%u\" y=\"%u\" width=\"7\" height=\"%u\" fill=\"%s\"/>\n", x,
			y, BOX, draw_colour(share, true, colour));
	label(sheet->draw, f, text, sizeof(text));
	fprintf(to, "<text x=\"%u\" y=\"%u\"><tspan font-weight=\"bold\">", x + 14, y + 16);
	draw_xml(to, text);
	fputs("</tspan>", to);
	if (*name) {
		fputs("  <tspan>", to);
		draw_xml(to, name);
		fputs("</tspan>", to);
	}
	marks(sheet->draw, f, text, sizeof(text));
	fprintf(to, "</text>\n<text x=\"%u\" y=\"%u\" fill=\"#444\">", x + 14, y + 31);
	draw_xml(to, text);
	fputs("</text>\n", to);
}

static void draw_nodes(const struct sheet *sheet)
{
	const struct outline *outline = sheet->draw->outline;
	unsigned y = MARGIN, parent_y[256] = {0};

	for (size_t i = outline->first; i != OUTLINE_NONE; i = outline_walk(outline, i)) {
		const struct outline_node *node = &outline->nodes[i];
		unsigned depth = node->depth < 255 ? node->depth : 255;

		parent_y[depth] = y;
		if (node->function) {
			draw_line(sheet, node, y, parent_y[depth ? depth - 1 : 0]);
			draw_function(sheet, node, y);
		} else {
			fprintf(sheet->draw->to,
				"<text x=\"%u\" y=\"%u\" font-weight=\"bold\">root bus "
				"%04x:%02x</text>\n",
				x_of(node), y + BOX - 6, node->segment, node->bus);
		}
		y += ROW;
	}
}

/* ---- the legend ---- */

static void legend_line(struct sheet *sheet, const char *colour, const char *text, bool dry)
{
	unsigned needed = 2 * MARGIN + 24 + (unsigned)((double)letters(text) * CHAR_MEAN) + 8;

	if (needed > sheet->width)
		sheet->width = needed;
	if (!dry && colour)
		fprintf(sheet->draw->to,
			"<rect x=\"%u\" y=\"%u\" width=\"14\" height=\"12\" fill=\"%s\" "
			"stroke=\"#666\"/>\n",
			MARGIN, sheet->y + 2, colour);
	if (!dry) {
		fprintf(sheet->draw->to, "<text x=\"%u\" y=\"%u\">", MARGIN + 24, sheet->y + 12);
		draw_xml(sheet->draw->to, text);
		fputs("</text>\n", sheet->draw->to);
	}
	sheet->y += 18;
}

static void legend_set(struct sheet *sheet, uint32_t index, bool share, bool dry)
{
	const struct ioas_topology *topology = sheet->draw->outline->topology;
	char text[REASON_LEN], colour[8];
	struct reasons reasons;

	snprintf(text, sizeof(text), "%s %" PRIu32 ", %zu functions%s",
		 share ? "share set" : "group", index,
		 share ? share_set_size(topology, index) : group_size(topology, index),
		 share ? ": one address space" : "");
	legend_line(sheet, draw_colour(index, share, colour), text, dry);
	if (share ? reasons_of_share_set(topology, index, &reasons)
		  : reasons_of_group(topology, index, &reasons))
		return;
	for (size_t i = 0; i < reasons.nr; i++)
		legend_line(sheet, NULL,
			    reason_text(topology, &reasons.items[i], text, sizeof(text)), dry);
	reasons_free(&reasons);
}

static void legend(struct sheet *sheet, bool dry)
{
	const struct ioas_topology *topology = sheet->draw->outline->topology;

	for (uint32_t i = 0; i < ioas_topology_group_nr(topology); i++)
		if (group_size(topology, i) > 1)
			legend_set(sheet, i, false, dry);
	for (uint32_t i = 0; i < ioas_topology_share_set_nr(topology); i++)
		if (share_set_size(topology, i) > 1)
			legend_set(sheet, i, true, dry);
}

void draw_svg(const struct draw *draw)
{
	struct sheet sheet = {.draw = draw};
	unsigned y;

	measure(&sheet);
	y = sheet.y;
	legend(&sheet, true);
	sheet.height = sheet.y + MARGIN;
	sheet.y = y;
	fprintf(draw->to,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" "
		"viewBox=\"0 0 %u %u\" font-family=\"sans-serif\" font-size=\"12\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fcfcfc\"/>\n",
		sheet.width, sheet.height, sheet.width, sheet.height);
	draw_nodes(&sheet);
	legend(&sheet, false);
	fputs("</svg>\n", draw->to);
}
