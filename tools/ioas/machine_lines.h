/* SPDX-License-Identifier: MIT */
/*
 * Where things stand in a YAML text. libcyaml loads values and forgets their lines; the document
 * that libyaml makes of the same text keeps them, and is walked in step with the values.
 */
#ifndef TOOLS_MACHINE_LINES_H
#define TOOLS_MACHINE_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

struct lines {
	yaml_document_t document;
	yaml_node_t *root; /* NULL: an empty text */
};

/*
 * Reads one document. 0; else the line, and *problem in libyaml's words (constant text) or NULL
 * for lack of memory.
 */
unsigned lines_load(struct lines *lines, const char *text, size_t len, const char **problem);
void lines_free(struct lines *lines);

/* Each takes NULL for a node, too, and then finds nothing. */
yaml_node_t *lines_value(struct lines *lines, yaml_node_t *mapping, const char *key);
yaml_node_t *lines_item(struct lines *lines, yaml_node_t *sequence, size_t index);
size_t lines_item_nr(yaml_node_t *sequence);
/* The text of a scalar, else NULL. */
const char *lines_text(yaml_node_t *node);

/* Lines count from 1. */
unsigned lines_of(const yaml_node_t *node);
/* Where the key stands; the mapping's own line when it has no such key. */
unsigned lines_of_key(struct lines *lines, yaml_node_t *mapping, const char *key);
/* The first key of this name that stands behind a place. 0: there is none. */
unsigned lines_find_key(struct lines *lines, const char *key, unsigned line, unsigned column);

#endif
