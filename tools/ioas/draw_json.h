/* SPDX-License-Identifier: MIT */
/* Parts of a topology as JSON, for all commands that print one. */
#ifndef TOOLS_DRAW_JSON_H
#define TOOLS_DRAW_JSON_H

#include <ioas/topology.h>
#include "json.h"
#include "words.h"

void json_addr(struct json *json, const char *name, struct ioas_pci_addr addr);
void json_rid(struct json *json, const char *name, rid_t rid);
void json_bits(struct json *json, const char *name, const struct word *words, uint32_t bits);
/* null for UINT32_MAX. */
void json_index(struct json *json, const char *name, uint32_t index);
/* Member "requesters": an array. */
void json_requesters(const struct ioas_topology *topology, struct ioas_pci_addr addr,
		     struct json *json);
/* A group, or a share set: number, members, edges. */
void json_set(const struct ioas_topology *topology, struct json *json, const char *name,
	      uint32_t index, bool share);

#endif
