/* SPDX-License-Identifier: MIT */
/*
 * What a machine file says, as libcyaml loads it: strings and lists of them, nothing checked but
 * that each key is known and has a value of the right shape. docs/machine.md is the page for
 * people.
 */
#ifndef TOOLS_MACHINE_SCHEMA_H
#define TOOLS_MACHINE_SCHEMA_H

#include <stddef.h>
#include <ioas/types.h>
#include "machine_lines.h"

struct file_list {
	char **text;
	unsigned nr;
};

struct file_iommu {
	char *kind, *address_width, *pasid_width;
	struct file_list page_sizes, capabilities, reserved;
};

/* A device, a function of one, a port or a bridge. `acs` is a word or a list: see the lines. */
struct file_node {
	char *type, *at, *name, *id, *class_code, *multifunction, *buses, *iommu;
	char *pasid, *ats, *pri, *phantom_functions, *model, *driver;
	char *count, *vf_offset, *vf_stride;
	struct file_list acs_capable, quirks, aliases;
	struct file_node *functions, *virtual_functions, *below;
	unsigned functions_nr, virtual_functions_nr, below_nr;
};

struct file_root {
	char *segment, *bus, *iommu;
	struct file_node *devices;
	unsigned devices_nr;
};

struct file_machine {
	struct file_iommu *iommus;
	struct file_root *roots;
	unsigned iommus_nr, roots_nr;
};

/*
 * Loads what `lines` was made from. 0 with *out NULL for an empty text; -EINVAL with *line and a
 * reason; -ENOMEM.
 */
int schema_load(const char *text, size_t len, struct lines *lines, struct file_machine **out,
		unsigned *line, struct ioas_why *why);
void schema_free(struct file_machine *machine);

#endif
