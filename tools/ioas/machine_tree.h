/* SPDX-License-Identifier: MIT */
/*
 * A machine file as the tree of its functions, on the way to a topology: first each function gets
 * its place in the tree (machine_tree.c), then its address (machine_place.c), then all else
 * (machine_fill.c). The first thing wrong ends it, with its line.
 */
#ifndef TOOLS_MACHINE_TREE_H
#define TOOLS_MACHINE_TREE_H

#include <ioas/topology.h>
#include "machine_schema.h"
#include "machine_text.h"

struct place;

struct places {
	struct place **items;
	size_t nr;
};

struct place_root {
	const struct file_root *file;
	yaml_node_t *yaml;
	struct places devices;
	uint16_t segment;
	uint8_t bus;
	uint8_t last_bus; /* the highest below it */
	uint32_t iommu;
};

struct place {
	struct place *next; /* all of them, in the order of the file */
	const struct file_node *file;
	yaml_node_t *yaml;
	const struct place *above; /* the bridge; NULL: on the root bus */
	const struct place_root *root;
	const struct place *physical; /* of a virtual function */
	uint8_t type;
	bool is_bridge;
	bool same_device; /* as the one before it */
	bool has_buses;	  /* in the file; else they are assigned, unless no_buses */
	bool no_buses;
	bool multifunction;
	struct text_place want;
	struct ioas_pci_addr addr;
	uint8_t secondary, subordinate;
	struct places below, virtual;
};

struct tree {
	const char *name; /* of the file */
	struct lines *lines;
	const struct file_machine *file;
	struct ioas_why *why;
	struct place *first, **end;
	struct place_root *roots;
	size_t roots_nr;
	bool own_iommus; /* the file lists them */
};

/* 0, -EINVAL with a line, -ENOMEM. tree->name, lines, file and why are set by the caller. */
int tree_expand(struct tree *tree);
int tree_number(struct tree *tree);
int tree_fill(struct tree *tree, struct ioas_topology *topology);
void tree_free(struct tree *tree);

/* The ACS bits that a port, or another function, is taken to have unless the file says. */
uint16_t acs_usual(bool is_bridge);

/* "FILE:LINE: reason". -EINVAL. */
int tree_bad(struct tree *tree, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
