/* SPDX-License-Identifier: MIT */
/* The ways `ioas topology` shows one: a file each. All print a resolved topology. */
#ifndef TOOLS_DRAW_H
#define TOOLS_DRAW_H

#include <stdio.h>
#include "json.h"
#include "names.h"
#include "outline.h"

struct draw {
	const struct outline *outline;
	struct names *names;
	FILE *to;
	bool ascii; /* the terminal takes no others */
};

void draw_tree(const struct draw *draw);
void draw_dot(const struct draw *draw);
void draw_svg(const struct draw *draw);
/* Members "iommus", "functions", "groups" and "share_sets" of the object that is open. */
void draw_json(const struct draw *draw, struct json *json);

/* How many a group, or a share set, has; 0 for none. */
size_t group_size(const struct ioas_topology *topology, uint32_t group);
size_t share_set_size(const struct ioas_topology *topology, uint32_t share_set);

/* A colour of its own for each group and share set, as "#rrggbb"; they repeat only far apart. */
const char *draw_colour(uint32_t index, bool strong, char *buf);
/* Text for XML and for dot's quoted strings. */
void draw_xml(FILE *to, const char *text);
void draw_quoted(FILE *to, const char *text);
/* "root port", "virtual function", ... */
const char *draw_type(const struct ioas_topology_function *function);
/* Bus, device and function; with the segment where there are several. */
char *draw_addr(const struct outline *outline, struct ioas_pci_addr addr, char *buf);

#endif
