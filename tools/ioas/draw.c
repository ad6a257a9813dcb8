/* SPDX-License-Identifier: MIT */
/* What the ways of showing a topology have in common. */
#include <stdio.h>
#include "draw.h"

size_t group_size(const struct ioas_topology *topology, uint32_t group)
{
	const struct ioas_topology_function *f = NULL;
	size_t nr = 0;

	while (group != UINT32_MAX && (f = ioas_topology_group_next(topology, group, f)))
		nr++;
	return nr;
}

size_t share_set_size(const struct ioas_topology *topology, uint32_t share_set)
{
	const struct ioas_topology_function *f = NULL;
	size_t nr = 0;

	while (share_set != UINT32_MAX &&
	       (f = ioas_topology_share_set_next(topology, share_set, f)))
		nr++;
	return nr;
}

/* One of red, green and blue of a hue in sixths of a circle, 0 to 255, of full saturation. */
static unsigned channel(unsigned hue, unsigned shift)
{
	unsigned at = (hue + shift) % 1536;

	if (at < 256)
		return at;
	if (at < 768)
		return 255;
	return at < 1024 ? 1023 - at : 0;
}

/* Neighbouring numbers are 0.38 of the circle apart, so that they look different. */
const char *draw_colour(uint32_t index, bool strong, char *buf)
{
	unsigned hue = (unsigned)((uint64_t)index * 587 % 1536);
	unsigned rgb[3] = {channel(hue, 512), channel(hue, 0), channel(hue, 1024)};

	for (int i = 0; i < 3; i++)
		rgb[i] = strong ? 40 + rgb[i] * 150 / 255 : 200 + rgb[i] * 50 / 255;
	snprintf(buf, 8, "#%02x%02x%02x", rgb[0] & 255, rgb[1] & 255, rgb[2] & 255);
	return buf;
}

void draw_xml(FILE *to, const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '<')
			fputs("&lt;", to);
		else if (*c == '>')
			fputs("&gt;", to);
		else if (*c == '&')
			fputs("&amp;", to);
		else if (*c == '"')
			fputs("&quot;", to);
		else
			fputc(*c < 0x20 ? ' ' : *c, to);
	}
}

void draw_quoted(FILE *to, const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\')
			fputc('\\', to);
		fputc(*c < 0x20 ? ' ' : *c, to);
	}
}

const char *draw_type(const struct ioas_topology_function *function)
{
	return function->is_virtual ? "virtual function" : ioas_topology_type_name(function->type);
}

char *draw_addr(const struct outline *outline, struct ioas_pci_addr addr, char *buf)
{
	size_t last = outline->functions_nr;
	bool several = last && outline->nodes[last - 1].function->addr.segment;

	ioas_pci_addr_format(addr, buf);
	return several ? buf : buf + 5;
}
