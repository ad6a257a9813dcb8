/* SPDX-License-Identifier: MIT */
/* All that a machine file says of IOMMUs and functions, into a topology. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "machine_tree.h"
#include "words.h"

/* What `acs: on` turns on: what parts neighbours. */
#define ACS_ON (IOAS_ACS_SV | IOAS_ACS_RR | IOAS_ACS_CR | IOAS_ACS_UF)

#define KIND_DEFAULT "soft"

static unsigned line_of(struct tree *tree, const struct place *place, const char *key)
{
	return lines_of_key(tree->lines, place->yaml, key);
}

/* ---- IOMMUs ---- */

static int set_width(struct tree *tree, yaml_node_t *yaml, const char *key, const char *text,
		     uint8_t max, uint8_t *out)
{
	uint64_t value;

	if (!text)
		return 0;
	if (!text_number(text, max, &value))
		return tree_bad(tree, lines_of_key(tree->lines, yaml, key),
				"%s \"%s\" is not 0 to %u", key, text, max);
	*out = (uint8_t)value;
	return 0;
}

static int set_page_sizes(struct tree *tree, const struct file_iommu *file, yaml_node_t *yaml,
			  struct ioas_topology_iommu *iommu)
{
	yaml_node_t *list = lines_value(tree->lines, yaml, "page-sizes");

	for (unsigned i = 0; i < file->page_sizes.nr; i++) {
		unsigned lg2;

		if (!text_size_lg2(file->page_sizes.text[i], &lg2))
			return tree_bad(tree, lines_of(lines_item(tree->lines, list, i)),
					"page size \"%s\" is no power of two such as 4K or 2M",
					file->page_sizes.text[i]);
		iommu->page_sizes |= 1ull << lg2;
	}
	return 0;
}

static int set_capabilities(struct tree *tree, const struct file_iommu *file, yaml_node_t *yaml,
			    struct ioas_topology_iommu *iommu)
{
	static const struct word words[] = {{"ats", 0},	   {"pri", 1},		 {"dirty", 2},
					    {"nested", 3}, {"pasid-0-apart", 4}, {"coherency", 5},
					    {NULL, 0}};
	bool *const flags[] = {&iommu->ats,    &iommu->pri,	      &iommu->dirty,
			       &iommu->nested, &iommu->pasid_0_apart, &iommu->coherency};
	yaml_node_t *list = lines_value(tree->lines, yaml, "capabilities");
	char names[WORDS_LEN];

	for (unsigned i = 0; i < file->capabilities.nr; i++) {
		uint32_t value;

		if (!word_value(words, file->capabilities.text[i], &value))
			return tree_bad(tree, lines_of(lines_item(tree->lines, list, i)),
					"capability \"%s\" is none of %s",
					file->capabilities.text[i],
					words_list(words, names, sizeof(names)));
		*flags[value] = true;
	}
	return 0;
}

static int set_reserved(struct tree *tree, const struct file_iommu *file, yaml_node_t *yaml,
			struct ioas_range *ranges)
{
	yaml_node_t *list = lines_value(tree->lines, yaml, "reserved");

	for (unsigned i = 0; i < file->reserved.nr; i++)
		if (!text_range(file->reserved.text[i], &ranges[i]))
			return tree_bad(tree, lines_of(lines_item(tree->lines, list, i)),
					"\"%s\" is no range such as 0xfee00000-0xfeefffff",
					file->reserved.text[i]);
	return 0;
}

static int add_iommu(struct tree *tree, const struct file_iommu *file, yaml_node_t *yaml,
		     struct ioas_topology *topology)
{
	struct ioas_topology_iommu iommu = {.kind = file->kind ? file->kind : KIND_DEFAULT};
	struct ioas_range *ranges = calloc(file->reserved.nr + 1, sizeof(*ranges));
	struct ioas_why why = {""};
	int rc;

	if (!ranges)
		return -ENOMEM;
	iommu.reserved = ranges;
	iommu.reserved_nr = file->reserved.nr;
	rc = set_width(tree, yaml, "address-width", file->address_width, 64, &iommu.aw);
	if (!rc)
		rc = set_width(tree, yaml, "pasid-width", file->pasid_width, IOAS_PASID_BITS,
			       &iommu.pasid_lg2);
	if (!rc)
		rc = set_page_sizes(tree, file, yaml, &iommu);
	if (!rc)
		rc = set_capabilities(tree, file, yaml, &iommu);
	if (!rc)
		rc = set_reserved(tree, file, yaml, ranges);
	if (!rc) {
		rc = ioas_topology_add_iommu(topology, &iommu, &why);
		if (rc == -EINVAL)
			rc = tree_bad(tree, lines_of(yaml), "%s", why.text);
	}
	free(ranges);
	return rc;
}

static int add_iommus(struct tree *tree, struct ioas_topology *topology)
{
	static const struct ioas_topology_iommu usual = {.kind = KIND_DEFAULT};
	yaml_node_t *list = lines_value(tree->lines, tree->lines->root, "iommus");
	int rc = 0;

	if (!tree->own_iommus)
		return ioas_topology_add_iommu(topology, &usual, tree->why);
	for (unsigned i = 0; !rc && i < tree->file->iommus_nr; i++)
		rc = add_iommu(tree, &tree->file->iommus[i], lines_item(tree->lines, list, i),
			       topology);
	return rc;
}

/* "none" or the number of one that is there. */
static int find_iommu(struct tree *tree, yaml_node_t *yaml, const char *text, uint32_t usual,
		      uint32_t *out)
{
	unsigned nr = tree->own_iommus ? tree->file->iommus_nr : 1;
	uint64_t value;

	*out = usual;
	if (!text)
		return 0;
	*out = IOAS_TOPOLOGY_NO_IOMMU;
	if (!strcmp(text, "none"))
		return 0;
	if (!text_number(text, UINT32_MAX, &value) || value >= nr)
		return tree_bad(tree, lines_of_key(tree->lines, yaml, "iommu"),
				"iommu \"%s\" is neither none nor the number of one of the %u",
				text, nr);
	*out = (uint32_t)value;
	return 0;
}

/* ---- functions ---- */

static int set_bits(struct tree *tree, yaml_node_t *list, const struct file_list *texts,
		    const struct word *words, const char *what, uint32_t *out)
{
	char names[WORDS_LEN];

	for (unsigned i = 0; i < texts->nr; i++) {
		uint32_t value;

		if (!word_value(words, texts->text[i], &value))
			return tree_bad(tree, lines_of(lines_item(tree->lines, list, i)),
					"%s \"%s\" is none of %s", what, texts->text[i],
					words_list(words, names, sizeof(names)));
		*out |= value;
	}
	return 0;
}

/* The bits of a list in the document itself. */
static int acs_list(struct tree *tree, yaml_node_t *list, uint32_t *out)
{
	char names[WORDS_LEN];

	for (size_t i = 0; i < lines_item_nr(list); i++) {
		yaml_node_t *item = lines_item(tree->lines, list, i);
		const char *text = lines_text(item);
		uint32_t value;

		if (!text || !word_value(acs_words, text, &value))
			return tree_bad(tree, lines_of(item), "ACS bit \"%s\" is none of %s",
					text ? text : "",
					words_list(acs_words, names, sizeof(names)));
		*out |= value;
	}
	return 0;
}

/* acs: none, off, on or a list; acs-capable: a list. */
static int set_acs(struct tree *tree, const struct place *place,
		   struct ioas_topology_function *function)
{
	yaml_node_t *acs = lines_value(tree->lines, place->yaml, "acs");
	yaml_node_t *able = lines_value(tree->lines, place->yaml, "acs-capable");
	const char *text = lines_text(acs);
	uint32_t listed = 0, cap = 0, ctrl = 0;
	char names[WORDS_LEN];
	bool on = false;
	int rc;

	if ((!acs && !able) || (text && !strcmp(text, "none"))) {
		if (able && acs)
			return tree_bad(tree, line_of(tree, place, "acs-capable"),
					"acs-capable and acs: none contradict each other");
		return 0;
	}
	if (acs && acs->type == YAML_SEQUENCE_NODE) {
		rc = acs_list(tree, acs, &listed);
		if (rc)
			return rc;
	} else if (acs && (!text || !text_switch(text, &on))) {
		return tree_bad(tree, line_of(tree, place, "acs"),
				"acs is none, off, on, or a list of bits such as [sv, rr, cr, uf]");
	}
	rc = set_bits(tree, able, &place->file->acs_capable, acs_words, "ACS bit", &cap);
	if (rc)
		return rc;
	if (!able)
		cap = acs_usual(place->is_bridge) | listed;
	ctrl = on ? cap & ACS_ON : listed;
	if (ctrl & ~cap)
		return tree_bad(tree, line_of(tree, place, "acs"),
				"%s is not among the bits of acs-capable",
				words_join(acs_words, ctrl & ~cap, ", ", names, sizeof(names)));
	function->acs = true;
	function->acs_cap = (uint16_t)cap;
	function->acs_ctrl = (uint16_t)ctrl;
	return 0;
}

uint16_t acs_usual(bool is_bridge)
{
	return is_bridge ? ACS_ON : IOAS_ACS_RR | IOAS_ACS_CR;
}

static int set_switch(struct tree *tree, const struct place *place, const char *key,
		      const char *text, bool *out)
{
	if (!text || text_switch(text, out))
		return 0;
	return tree_bad(tree, line_of(tree, place, key), "%s \"%s\" is neither yes nor no", key,
			text);
}

static int set_identity(struct tree *tree, const struct place *place,
			struct ioas_topology_function *function)
{
	const struct file_node *file = place->file;
	uint64_t class_code = 0;

	if (file->id && !text_id(file->id, &function->vendor, &function->device))
		return tree_bad(tree, line_of(tree, place, "id"),
				"id \"%s\" is not vendor:device such as 8086:1521", file->id);
	if (file->class_code && !text_hex(file->class_code, 0xffffff, &class_code))
		return tree_bad(tree, line_of(tree, place, "class"),
				"class \"%s\" is not a number such as 010802", file->class_code);
	function->class_code = (uint32_t)class_code;
	return 0;
}

/* Does the model's text give an address? Its place in the tree does that here. */
static bool has_addr(const char *text)
{
	for (const char *comma = strchr(text, ','); comma; comma = strchr(comma + 1, ',')) {
		if (comma[1] == ',')
			comma++;
		else if (!strncmp(comma + 1, "addr=", 5))
			return true;
	}
	return false;
}

static int set_texts(struct tree *tree, const struct place *place,
		     struct ioas_topology_function *function)
{
	const struct file_node *file = place->file;

	if (file->model && place->is_bridge)
		return tree_bad(tree, line_of(tree, place, "model"),
				"ports and bridges need no model");
	if (file->model && has_addr(file->model))
		return tree_bad(tree, line_of(tree, place, "model"),
				"the model's place is where it stands here: leave out addr=");
	if (file->model && strchr(file->model, '\n'))
		return tree_bad(tree, line_of(tree, place, "model"), "a line break in the model");
	function->model = file->model;
	function->driver = file->driver;
	function->name = file->name;
	return 0;
}

static int set_aliases(struct tree *tree, const struct place *place, rid_t *rids)
{
	yaml_node_t *list = lines_value(tree->lines, place->yaml, "aliases");

	for (unsigned i = 0; i < place->file->aliases.nr; i++) {
		const char *text = place->file->aliases.text[i];
		struct text_place at;

		if (!text_place(text, &at) || !at.has_bus || !at.has_function || at.has_segment)
			return tree_bad(tree, lines_of(lines_item(tree->lines, list, i)),
					"alias \"%s\" is no requester ID such as 02:00.0", text);
		rids[i] = (rid_t)(at.bus << 8 | at.device << 3 | at.function);
	}
	return 0;
}

static int set_function(struct tree *tree, const struct place *place,
			struct ioas_topology_function *function)
{
	const struct file_node *file = place->file;
	uint32_t usual = tree->own_iommus && !tree->file->iommus_nr ? IOAS_TOPOLOGY_NO_IOMMU : 0;
	int rc;

	if (file->iommu && place->above)
		return tree_bad(tree, line_of(tree, place, "iommu"),
				"what is below a port or bridge has the root bus's IOMMU");
	rc = find_iommu(tree, place->root->yaml, place->root->file->iommu, usual, &usual);
	if (!rc)
		rc = find_iommu(tree, place->yaml, file->iommu, usual, &function->iommu);
	if (!rc)
		rc = set_identity(tree, place, function);
	if (!rc)
		rc = set_acs(tree, place, function);
	if (!rc)
		rc = set_switch(tree, place, "multifunction", file->multifunction,
				&function->multifunction);
	if (!rc)
		rc = set_switch(tree, place, "ats", file->ats, &function->ats);
	if (!rc)
		rc = set_switch(tree, place, "pri", file->pri, &function->pri);
	if (!rc)
		rc = set_width(tree, place->yaml, "pasid", file->pasid, IOAS_PASID_BITS,
			       &function->pasid_lg2);
	if (!rc)
		rc = set_width(tree, place->yaml, "phantom-functions", file->phantom_functions, 3,
			       &function->phantom_lg2);
	if (!rc)
		rc = set_bits(tree, lines_value(tree->lines, place->yaml, "quirks"), &file->quirks,
			      quirk_words, "quirk", &function->quirks);
	return rc ? rc : set_texts(tree, place, function);
}

static int add_function(struct tree *tree, const struct place *place,
			struct ioas_topology *topology)
{
	struct ioas_topology_function function = {
		.addr = place->addr,
		.type = place->type,
		.multifunction = place->multifunction,
		.secondary = place->secondary,
		.subordinate = place->subordinate,
		.is_virtual = place->physical,
		.physical = place->physical ? place->physical->addr : (struct ioas_pci_addr){0},
		.alias_nr = place->file->aliases.nr,
	};
	rid_t *rids = calloc(function.alias_nr + 1, sizeof(*rids));
	struct ioas_why why = {""};
	int rc;

	if (!rids)
		return -ENOMEM;
	function.alias = rids;
	rc = set_aliases(tree, place, rids);
	if (!rc)
		rc = set_function(tree, place, &function);
	if (!rc) {
		rc = ioas_topology_add(topology, &function, &why);
		if (rc && rc != -ENOMEM)
			rc = tree_bad(tree, line_of(tree, place, "at"), "%s",
				      why.text[0] ? why.text : strerror(-rc));
	}
	free(rids);
	return rc;
}

/* The line of the function that a refusal names first. */
static unsigned line_named(struct tree *tree, const char *text)
{
	struct ioas_pci_addr addr;
	char word[13];

	for (; strlen(text) >= sizeof(word) - 1; text++) {
		snprintf(word, sizeof(word), "%s", text);
		if (word[4] != ':' || ioas_pci_addr_parse(word, &addr))
			continue;
		for (const struct place *place = tree->first; place; place = place->next)
			if (place->addr.segment == addr.segment && place->addr.bus == addr.bus &&
			    place->addr.devfn == addr.devfn)
				return lines_of(place->yaml);
	}
	return 1;
}

int tree_fill(struct tree *tree, struct ioas_topology *topology)
{
	struct ioas_why why = {""};
	int rc = add_iommus(tree, topology);

	for (const struct place *place = tree->first; !rc && place; place = place->next)
		rc = add_function(tree, place, topology);
	if (rc)
		return rc;
	rc = ioas_topology_resolve(topology, &why);
	if (rc == -EINVAL)
		rc = tree_bad(tree, line_named(tree, why.text), "%s", why.text);
	return rc;
}
