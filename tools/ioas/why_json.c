/* SPDX-License-Identifier: MIT */
/* What ioas why says, as JSON. */
#include <stdlib.h>
#include "draw_json.h"
#include "why.h"

static void print_reasons(const struct ioas_topology *topology, struct json *json, uint32_t index,
			  bool share)
{
	char text[REASON_LEN];
	struct reasons reasons;

	json_open(json, "reasons", '[');
	if (!(share ? reasons_of_share_set(topology, index, &reasons)
		    : reasons_of_group(topology, index, &reasons))) {
		for (size_t i = 0; i < reasons.nr; i++) {
			const struct reason *reason = &reasons.items[i];

			json_open(json, NULL, '{');
			json_addr(json, "at", reason->edge.at);
			json_string(json, "cause", word_name(cause_words, reason->edge.cause));
			json_bits(json, "acs_missing", acs_words, reason->edge.acs_missing);
			if (share)
				json_rid(json, "rid", reason->edge.rid);
			json_bool(json, "switchable", reason_has_switch(topology, reason));
			json_string(json, "text",
				    reason_text(topology, reason, text, sizeof(text)));
			json_string(json, "remedy",
				    reason_remedy(topology, reason, text, sizeof(text)));
			json_close(json, '}');
		}
		reasons_free(&reasons);
	}
	json_close(json, ']');
}

static void print_members(const struct question *question, struct json *json, uint32_t index,
			  bool share)
{
	const struct ioas_topology *topology = question->topology;
	const struct ioas_topology_function *f = NULL;

	json_open(json, "members", '[');
	while ((f = share ? ioas_topology_share_set_next(topology, index, f)
			  : ioas_topology_group_next(topology, index, f))) {
		json_open(json, NULL, '{');
		json_addr(json, "address", f->addr);
		json_string(json, "type", word_name(type_words, f->type));
		json_string(json, "description", names_of(question->names, f));
		json_string(json, "driver", f->driver);
		json_bool(json, "in_the_way", why_blocks(f));
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void print_switched(const struct question *question, struct json *json, uint32_t group)
{
	struct ioas_topology *after = why_switched(question->topology, group);
	const struct ioas_topology_function *f = NULL;
	uint32_t now;

	if (!after) {
		json_null(json, "with_all_acs_on");
		return;
	}
	now = ioas_topology_group_of(after, question->a->addr);
	json_open(json, "with_all_acs_on", '[');
	while ((f = ioas_topology_group_next(after, now, f)))
		json_addr(json, NULL, f->addr);
	json_close(json, ']');
	ioas_topology_destroy(after);
}

static void print_set(const struct question *question, struct json *json, const char *name,
		      bool share)
{
	const struct ioas_topology *topology = question->topology;
	uint32_t index = share ? ioas_topology_share_set_of(topology, question->a->addr)
			       : ioas_topology_group_of(topology, question->a->addr);
	long linux_group = source_linux_group(question->source, question->a->addr);

	if (index == UINT32_MAX) {
		json_null(json, name);
		return;
	}
	json_open(json, name, '{');
	json_number(json, "number", index);
	if (!share && linux_group >= 0)
		json_number(json, "linux_number", (uint64_t)linux_group);
	print_members(question, json, index, share);
	print_reasons(topology, json, index, share);
	if (!share)
		print_switched(question, json, index);
	json_close(json, '}');
}

static void print_path(const struct question *question, struct json *json,
		       const struct ioas_topology_function *f)
{
	json_open(json, "above", '[');
	while ((f = ioas_topology_above(question->topology, f->addr)))
		json_addr(json, NULL, f->addr);
	json_close(json, ']');
}

void why_one_json(const struct question *question)
{
	struct json json = {.to = stdout};

	json_open(&json, NULL, '{');
	json_addr(&json, "address", question->a->addr);
	json_string(&json, "type", word_name(type_words, question->a->type));
	json_string(&json, "description", names_of(question->names, question->a));
	json_string(&json, "driver", question->a->driver);
	print_path(question, &json, question->a);
	json_index(&json, "iommu",
		   outline_iommu(question->outline,
				 outline_find(question->outline, question->a->addr)));
	json_requesters(question->topology, question->a->addr, &json);
	print_set(question, &json, "share_set", true);
	print_set(question, &json, "group", false);
	json_close(&json, '}');
}

static void print_way(const struct question *question, struct json *json, const char *name,
		      const struct ioas_topology_function *from,
		      const struct ioas_topology_function *to)
{
	struct ioas_pci_addr at;

	json_open(json, name, '{');
	if (ioas_topology_bypass(question->topology, from->addr, to->addr, &at) == 1) {
		json_bool(json, "bypass", true);
		json_addr(json, "at", at);
	} else {
		json_bool(json, "bypass", false);
	}
	json_close(json, '}');
}

void why_pair_json(const struct question *question)
{
	enum apart apart = why_apart(question);
	const struct ioas_topology *topology = question->topology;
	struct json json = {.to = stdout};

	json_open(&json, NULL, '{');
	json_addr(&json, "a", question->a->addr);
	json_addr(&json, "b", question->b->addr);
	json_bool(&json, "different_spaces", apart == APART_FREELY || apart == APART_NOT_LINUX);
	json_bool(&json, "different_spaces_in_linux", apart == APART_FREELY);
	json_index(&json, "group_a", ioas_topology_group_of(topology, question->a->addr));
	json_index(&json, "group_b", ioas_topology_group_of(topology, question->b->addr));
	json_index(&json, "share_set_a", ioas_topology_share_set_of(topology, question->a->addr));
	json_index(&json, "share_set_b", ioas_topology_share_set_of(topology, question->b->addr));
	if (apart == APART_NOT_LINUX)
		print_set(question, &json, "group", false);
	if (apart == APART_NOT_AT_ALL)
		print_set(question, &json, "share_set", true);
	print_way(question, &json, "a_to_b", question->a, question->b);
	print_way(question, &json, "b_to_a", question->b, question->a);
	json_close(&json, '}');
}
