/* SPDX-License-Identifier: MIT */
/* A machine file's nodes, flattened: one place a function, each below its bridge. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "machine_tree.h"
#include "util/why.h"
#include "words.h"

#define NAME_MAX_SHOWN 80

int tree_bad(struct tree *tree, unsigned line, const char *fmt, ...)
{
	size_t len = strlen(tree->name);
	const char *name = len > NAME_MAX_SHOWN ? tree->name + len - NAME_MAX_SHOWN : tree->name;
	char reason[sizeof(tree->why->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	return why_set(tree->why, -EINVAL, "%s%s:%u: %s", name == tree->name ? "" : "...", name,
		       line, reason);
}

static int append(struct places *places, struct place *place)
{
	struct place **items = reallocarray(places->items, places->nr + 1, sizeof(*places->items));

	if (!items)
		return -ENOMEM;
	places->items = items;
	items[places->nr++] = place;
	return 0;
}

static struct place *new_place(struct tree *tree, const struct file_node *file, yaml_node_t *yaml)
{
	struct place *place = calloc(1, sizeof(*place));

	if (!place)
		return NULL;
	place->file = file;
	place->yaml = yaml;
	*tree->end = place;
	tree->end = &place->next;
	return place;
}

/* What a node is that does not say so: what one finds below such a port or bridge. */
static int default_type(const struct place *above)
{
	if (!above)
		return -1;
	switch (above->type) {
	case IOAS_TOPOLOGY_UPSTREAM:
		return IOAS_TOPOLOGY_DOWNSTREAM;
	case IOAS_TOPOLOGY_PCIE_TO_PCI:
	case IOAS_TOPOLOGY_PCI_BRIDGE:
		return IOAS_TOPOLOGY_PCI_FUNCTION;
	default:
		return IOAS_TOPOLOGY_ENDPOINT;
	}
}

static bool type_is_bridge(uint8_t type)
{
	switch (type) {
	case IOAS_TOPOLOGY_ROOT_PORT:
	case IOAS_TOPOLOGY_UPSTREAM:
	case IOAS_TOPOLOGY_DOWNSTREAM:
	case IOAS_TOPOLOGY_PCIE_TO_PCI:
	case IOAS_TOPOLOGY_PCI_TO_PCIE:
	case IOAS_TOPOLOGY_PCI_BRIDGE:
		return true;
	}
	return false;
}

static int set_type(struct tree *tree, struct place *place, const char *text, yaml_node_t *yaml)
{
	char list[WORDS_LEN];
	uint32_t value;

	if (!text) {
		int type = default_type(place->above);

		if (type < 0)
			return tree_bad(tree, lines_of(place->yaml),
					"on a root bus a device needs its type");
		value = (uint32_t)type;
	} else if (!word_value(type_words, text, &value)) {
		return tree_bad(tree, lines_of_key(tree->lines, yaml, "type"),
				"type \"%s\" is none of %s", text,
				words_list(type_words, list, sizeof(list)));
	}
	place->type = (uint8_t)value;
	place->is_bridge = type_is_bridge(place->type);
	return 0;
}

static int set_place(struct tree *tree, struct place *place, const char *text, yaml_node_t *yaml)
{
	if (!text || text_place(text, &place->want))
		return 0;
	return tree_bad(tree, lines_of_key(tree->lines, yaml, "at"),
			"\"%s\" is no address such as 1c.0 or 0000:02:1c.0", text);
}

static int set_buses(struct tree *tree, struct place *place)
{
	const char *text = place->file->buses;
	unsigned line = lines_of_key(tree->lines, place->yaml, "buses");

	if (!text)
		return 0;
	if (!place->is_bridge)
		return tree_bad(tree, line, "only ports and bridges have buses");
	place->no_buses = !strcmp(text, "none");
	if (place->no_buses && place->file->below_nr)
		return tree_bad(tree, line, "without buses nothing can be below");
	if (place->no_buses)
		return 0;
	if (!text_buses(text, &place->secondary, &place->subordinate))
		return tree_bad(tree, line, "\"%s\" is neither a bus number, nor two such as 02-05",
				text);
	place->has_buses = true;
	return 0;
}

/* Has the mapping keys that do not belong there? `allowed` or not as `only` says. */
static int check_keys(struct tree *tree, yaml_node_t *yaml, const char *const *names, bool only,
		      const char *reason)
{
	for (yaml_node_pair_t *pair = yaml->data.mapping.pairs.start;
	     pair < yaml->data.mapping.pairs.top; pair++) {
		yaml_node_t *key = yaml_document_get_node(&tree->lines->document, pair->key);
		const char *text = lines_text(key);
		bool named = false;

		for (size_t i = 0; names[i]; i++)
			named |= text && !strcmp(text, names[i]);
		if (named != only)
			return tree_bad(tree, lines_of(key), "\"%s\" %s", text, reason);
	}
	return 0;
}

static int expand_all(struct tree *tree, const struct file_node *files, unsigned nr,
		      yaml_node_t *list, const struct place *above, const struct place_root *root,
		      struct places *into);

/* One entry of virtual-functions, `count` times. */
static int add_virtual(struct tree *tree, struct place *physical, const struct file_node *file,
		       yaml_node_t *yaml)
{
	static const char *const wrong[] = {
		"type",	 "functions", "virtual-functions", "below", "buses",
		"iommu", "vf-offset", "vf-stride",	   NULL,
	};
	uint64_t count = 1;
	int rc = check_keys(tree, yaml, wrong, false, "does not belong to a virtual function");

	if (!rc && file->count && (!text_number(file->count, 65535, &count) || !count))
		rc = tree_bad(tree, lines_of_key(tree->lines, yaml, "count"),
			      "count \"%s\" is not 1 to 65535", file->count);
	if (!rc && count > 1 && file->at)
		rc = tree_bad(tree, lines_of_key(tree->lines, yaml, "at"),
			      "several virtual functions cannot be at one address");
	for (uint64_t i = 0; !rc && i < count; i++) {
		struct place *place = new_place(tree, file, yaml);

		if (!place)
			return -ENOMEM;
		place->above = physical->above;
		place->root = physical->root;
		place->physical = physical;
		place->type = physical->type;
		rc = set_place(tree, place, file->at, yaml);
		if (!rc && file->at && !(place->want.has_bus && place->want.has_function))
			rc = tree_bad(tree, lines_of_key(tree->lines, yaml, "at"),
				      "a virtual function's address needs its bus: 02:10.1");
		if (!rc)
			rc = append(&physical->virtual, place);
	}
	return rc;
}

static int add_virtuals(struct tree *tree, struct place *place)
{
	yaml_node_t *list = lines_value(tree->lines, place->yaml, "virtual-functions");
	int rc = 0;

	if (!list)
		return 0;
	if (place->type != IOAS_TOPOLOGY_ENDPOINT && place->type != IOAS_TOPOLOGY_RC_ENDPOINT)
		return tree_bad(tree, lines_of_key(tree->lines, place->yaml, "virtual-functions"),
				"only PCI Express endpoints have virtual functions");
	for (unsigned i = 0; !rc && i < place->file->virtual_functions_nr; i++)
		rc = add_virtual(tree, place, &place->file->virtual_functions[i],
				 lines_item(tree->lines, list, i));
	return rc;
}

static int add_below(struct tree *tree, struct place *place)
{
	yaml_node_t *list = lines_value(tree->lines, place->yaml, "below");

	if (list && !place->is_bridge)
		return tree_bad(tree, lines_of_key(tree->lines, place->yaml, "below"),
				"nothing can be below what is neither a port nor a bridge");
	return expand_all(tree, place->file->below, place->file->below_nr, list, place, place->root,
			  &place->below);
}

/* Of a function among the functions of a device: the device says where, it only says which. */
static int set_place_among(struct tree *tree, struct place *place, const struct file_node *device,
			   yaml_node_t *device_yaml)
{
	struct text_place own;
	int rc = set_place(tree, place, place->file->at, place->yaml);

	if (!rc && place->want.has_device)
		rc = tree_bad(tree, lines_of_key(tree->lines, place->yaml, "at"),
			      "of a function among functions only its number, such as .1");
	own = place->want;
	place->want = (struct text_place){0};
	if (!rc)
		rc = set_place(tree, place, device->at, device_yaml);
	if (own.has_function || place->same_device) {
		place->want.has_function = own.has_function;
		place->want.function = own.function;
	}
	return rc;
}

/* `device` is the entry that has this one among its functions, or NULL. */
static int add_one(struct tree *tree, const struct file_node *file, yaml_node_t *yaml,
		   const struct file_node *device, yaml_node_t *device_yaml,
		   const struct place *above, const struct place_root *root, bool same_device,
		   struct places *into)
{
	struct place *place = new_place(tree, file, yaml);
	int rc;

	if (!place)
		return -ENOMEM;
	place->above = above;
	place->root = root;
	place->same_device = same_device;
	if (file->type || !device)
		rc = set_type(tree, place, file->type, yaml);
	else
		rc = set_type(tree, place, device->type, device_yaml);
	if (!rc && device)
		rc = set_place_among(tree, place, device, device_yaml);
	else if (!rc)
		rc = set_place(tree, place, file->at, yaml);
	if (!rc && file->count)
		rc = tree_bad(tree, lines_of_key(tree->lines, yaml, "count"),
			      "count belongs to virtual functions");
	if (!rc)
		rc = set_buses(tree, place);
	if (!rc)
		rc = append(into, place);
	if (!rc)
		rc = add_virtuals(tree, place);
	return rc ? rc : add_below(tree, place);
}

static int add_functions(struct tree *tree, const struct file_node *file, yaml_node_t *yaml,
			 yaml_node_t *list, const struct place *above,
			 const struct place_root *root, struct places *into)
{
	static const char *const own[] = {"type", "at", "functions", NULL};
	int rc = check_keys(tree, yaml, own, true, "belongs to one of the functions");

	if (!rc && !file->functions_nr)
		rc = tree_bad(tree, lines_of_key(tree->lines, yaml, "functions"),
			      "a device has at least one function");
	for (unsigned i = 0; !rc && i < file->functions_nr; i++) {
		yaml_node_t *item = lines_item(tree->lines, list, i);

		if (lines_value(tree->lines, item, "functions"))
			return tree_bad(tree, lines_of_key(tree->lines, item, "functions"),
					"a function has no functions");
		rc = add_one(tree, &file->functions[i], item, file, yaml, above, root, i > 0, into);
	}
	return rc;
}

static int expand_all(struct tree *tree, const struct file_node *files, unsigned nr,
		      yaml_node_t *list, const struct place *above, const struct place_root *root,
		      struct places *into)
{
	int rc = 0;

	for (unsigned i = 0; !rc && i < nr; i++) {
		yaml_node_t *yaml = lines_item(tree->lines, list, i);
		yaml_node_t *functions = lines_value(tree->lines, yaml, "functions");

		if (functions)
			rc = add_functions(tree, &files[i], yaml, functions, above, root, into);
		else
			rc = add_one(tree, &files[i], yaml, NULL, NULL, above, root, false, into);
	}
	return rc;
}

int tree_expand(struct tree *tree)
{
	yaml_node_t *list = lines_value(tree->lines, tree->lines->root, "root-buses");
	int rc = 0;

	tree->end = &tree->first;
	tree->own_iommus = lines_value(tree->lines, tree->lines->root, "iommus");
	tree->roots_nr = tree->file->roots_nr;
	tree->roots = calloc(tree->roots_nr + 1, sizeof(*tree->roots));
	if (!tree->roots)
		return -ENOMEM;
	for (size_t i = 0; !rc && i < tree->roots_nr; i++) {
		struct place_root *root = &tree->roots[i];

		root->file = &tree->file->roots[i];
		root->yaml = lines_item(tree->lines, list, i);
		rc = expand_all(tree, root->file->devices, root->file->devices_nr,
				lines_value(tree->lines, root->yaml, "devices"), NULL, root,
				&root->devices);
	}
	return rc;
}

void tree_free(struct tree *tree)
{
	struct place *next;

	for (struct place *place = tree->first; place; place = next) {
		next = place->next;
		free(place->below.items);
		free(place->virtual.items);
		free(place);
	}
	for (size_t i = 0; i < tree->roots_nr && tree->roots; i++)
		free(tree->roots[i].devices.items);
	free(tree->roots);
}
