/* SPDX-License-Identifier: MIT */
/* A topology as JSON: all that was described and all that follows. docs/topology.md has the schema.
 */
#include <stdlib.h>
#include <string.h>
#include "draw.h"
#include "draw_json.h"
#include "words.h"

/* One object a struct of the library; the name of `address` members says whose. */
void json_addr(struct json *json, const char *name, struct ioas_pci_addr addr)
{
	char text[IOAS_NAME_LEN];

	json_string(json, name, ioas_pci_addr_format(addr, text));
}

void json_rid(struct json *json, const char *name, rid_t rid)
{
	char text[IOAS_NAME_LEN];

	snprintf(text, sizeof(text), "%02x:%02x.%x", rid >> 8, rid >> 3 & 31, rid & 7);
	json_string(json, name, text);
}

void json_bits(struct json *json, const char *name, const struct word *words, uint32_t bits)
{
	json_open(json, name, '[');
	for (; words->name; words++)
		if (bits & words->value)
			json_string(json, NULL, words->name);
	json_close(json, ']');
}

void json_index(struct json *json, const char *name, uint32_t index)
{
	if (index == UINT32_MAX)
		json_null(json, name);
	else
		json_number(json, name, index);
}

static void json_text(struct json *json, const char *name, const char *text)
{
	if (text && *text)
		json_string(json, name, text);
	else
		json_null(json, name);
}

static void print_iommu(struct json *json, const struct ioas_topology_iommu *iommu)
{
	json_open(json, NULL, '{');
	json_string(json, "kind", iommu->kind);
	json_number(json, "address_width", iommu->aw);
	json_open(json, "page_sizes", '[');
	for (unsigned lg2 = 0; lg2 < 64; lg2++)
		if (iommu->page_sizes >> lg2 & 1)
			json_number(json, NULL, 1ull << lg2);
	json_close(json, ']');
	json_number(json, "pasid_width", iommu->pasid_lg2);
	json_bool(json, "pasid_0_apart", iommu->pasid_0_apart);
	json_bool(json, "ats", iommu->ats);
	json_bool(json, "pri", iommu->pri);
	json_bool(json, "dirty", iommu->dirty);
	json_bool(json, "nested", iommu->nested);
	json_bool(json, "coherency", iommu->coherency);
	json_open(json, "reserved", '[');
	for (size_t i = 0; i < iommu->reserved_nr; i++) {
		json_open(json, NULL, '{');
		json_address(json, "first", iommu->reserved[i].first);
		json_address(json, "last", iommu->reserved[i].last);
		json_close(json, '}');
	}
	json_close(json, ']');
	json_close(json, '}');
}

void json_requesters(const struct ioas_topology *topology, struct ioas_pci_addr addr,
		     struct json *json)
{
	size_t nr = ioas_topology_requesters(topology, addr, NULL, 0);
	struct ioas_topology_requester *all = calloc(nr + 1, sizeof(*all));
	char text[256];

	json_open(json, "requesters", '[');
	if (all)
		nr = ioas_topology_requesters(topology, addr, all, nr);
	for (size_t i = 0; all && i < nr; i++) {
		json_open(json, NULL, '{');
		json_rid(json, "rid", all[i].rid);
		json_string(json, "cause", word_name(cause_words, all[i].cause));
		json_addr(json, "at", all[i].at);
		ioas_topology_requester_format(&all[i], text, sizeof(text));
		json_string(json, "text", text);
		json_close(json, '}');
	}
	json_close(json, ']');
	free(all);
}

static void print_function(const struct draw *draw, struct json *json, size_t index)
{
	const struct ioas_topology *topology = draw->outline->topology;
	const struct ioas_topology_function *f = draw->outline->nodes[index].function;
	const struct ioas_topology_function *above = ioas_topology_above(topology, f->addr);
	char text[16];

	json_open(json, NULL, '{');
	json_addr(json, "address", f->addr);
	json_string(json, "type", word_name(type_words, f->type));
	json_text(json, "name", f->name);
	json_text(json, "description", names_of(draw->names, f));
	snprintf(text, sizeof(text), "%04x:%04x", f->vendor, f->device);
	json_string(json, "id", text);
	snprintf(text, sizeof(text), "%06x", f->class_code);
	json_string(json, "class", text);
	json_bool(json, "multifunction", f->multifunction);
	if (above)
		json_addr(json, "above", above->addr);
	else
		json_null(json, "above");
	if (f->is_virtual)
		json_addr(json, "physical", f->physical);
	else
		json_null(json, "physical");
	json_number(json, "secondary", f->secondary);
	json_number(json, "subordinate", f->subordinate);
	json_bool(json, "acs", f->acs);
	json_bits(json, "acs_capable", acs_words, f->acs_cap);
	json_bits(json, "acs_on", acs_words, f->acs_ctrl);
	json_number(json, "pasid_width", f->pasid_lg2);
	json_bool(json, "ats", f->ats);
	json_bool(json, "pri", f->pri);
	json_number(json, "phantom_functions_lg2", f->phantom_lg2);
	json_bits(json, "quirks", quirk_words, f->quirks);
	json_open(json, "aliases", '[');
	for (size_t i = 0; i < f->alias_nr; i++)
		json_rid(json, NULL, f->alias[i]);
	json_close(json, ']');
	json_index(json, "iommu", f->iommu);
	json_text(json, "model", f->model);
	json_text(json, "driver", f->driver);
	json_index(json, "group", ioas_topology_group_of(topology, f->addr));
	json_index(json, "share_set", ioas_topology_share_set_of(topology, f->addr));
	json_requesters(topology, f->addr, json);
	json_close(json, '}');
}

static void print_edges(const struct ioas_topology *topology, struct json *json, uint32_t index,
			bool share)
{
	size_t (*edges_of)(const struct ioas_topology *, uint32_t, struct ioas_topology_edge *,
			   size_t) =
		share ? ioas_topology_share_set_edges : ioas_topology_group_edges;
	size_t nr = edges_of(topology, index, NULL, 0);
	struct ioas_topology_edge *edges = calloc(nr + 1, sizeof(*edges));
	char text[320];

	json_open(json, "edges", '[');
	if (edges)
		nr = edges_of(topology, index, edges, nr);
	for (size_t i = 0; edges && i < nr; i++) {
		json_open(json, NULL, '{');
		json_addr(json, "a", edges[i].a);
		json_addr(json, "b", edges[i].b);
		json_addr(json, "at", edges[i].at);
		json_string(json, "cause", word_name(cause_words, edges[i].cause));
		json_bits(json, "acs_missing", acs_words, edges[i].acs_missing);
		if (share)
			json_rid(json, "rid", edges[i].rid);
		ioas_topology_edge_format(topology, &edges[i], text, sizeof(text));
		json_string(json, "text", text);
		json_close(json, '}');
	}
	json_close(json, ']');
	free(edges);
}

void json_set(const struct ioas_topology *topology, struct json *json, const char *name,
	      uint32_t index, bool share)
{
	const struct ioas_topology_function *f = NULL;

	json_open(json, name, '{');
	json_number(json, "number", index);
	json_open(json, "members", '[');
	while ((f = share ? ioas_topology_share_set_next(topology, index, f)
			  : ioas_topology_group_next(topology, index, f)))
		json_addr(json, NULL, f->addr);
	json_close(json, ']');
	print_edges(topology, json, index, share);
	json_close(json, '}');
}

void draw_json(const struct draw *draw, struct json *json)
{
	const struct ioas_topology *topology = draw->outline->topology;

	json_open(json, "iommus", '[');
	for (size_t i = 0; i < ioas_topology_iommu_nr(topology); i++)
		print_iommu(json, ioas_topology_iommu(topology, i));
	json_close(json, ']');
	json_open(json, "functions", '[');
	for (size_t i = 0; i < draw->outline->functions_nr; i++)
		print_function(draw, json, i);
	json_close(json, ']');
	json_open(json, "groups", '[');
	for (uint32_t i = 0; i < ioas_topology_group_nr(topology); i++)
		json_set(topology, json, NULL, i, false);
	json_close(json, ']');
	json_open(json, "share_sets", '[');
	for (uint32_t i = 0; i < ioas_topology_share_set_nr(topology); i++)
		json_set(topology, json, NULL, i, true);
	json_close(json, ']');
}
