/* SPDX-License-Identifier: MIT */
/* Where things stand in a YAML text. */
#include <string.h>
#include "machine_lines.h"

/* A machine file is one document: a second one would be ignored, which nobody wants. */
static unsigned load_both(yaml_parser_t *parser, struct lines *lines, const char **problem)
{
	yaml_document_t more;
	unsigned line = 0;

	if (!yaml_parser_load(parser, &lines->document))
		goto failed;
	lines->root = yaml_document_get_root_node(&lines->document);
	if (!lines->root)
		return 0;
	if (!yaml_parser_load(parser, &more)) {
		yaml_document_delete(&lines->document);
		goto failed;
	}
	if (yaml_document_get_root_node(&more)) {
		*problem = "a second document; one machine, one document";
		line = (unsigned)more.start_mark.line + 1;
		yaml_document_delete(&lines->document);
	}
	yaml_document_delete(&more);
	return line;
failed:
	if (parser->error != YAML_MEMORY_ERROR)
		*problem = parser->problem ? parser->problem : "not YAML";
	line = (unsigned)parser->problem_mark.line + 1;
	return line;
}

/* Where the first alias is, 0: there is none. In a document it would be the node it stands for. */
static unsigned find_alias(const char *text, size_t len)
{
	yaml_parser_t parser;
	yaml_event_t event;
	unsigned line = 0;
	bool end = false;

	if (!yaml_parser_initialize(&parser))
		return 0;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	while (!end && yaml_parser_parse(&parser, &event)) {
		if (event.type == YAML_ALIAS_EVENT)
			line = (unsigned)event.start_mark.line + 1;
		end = line || event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return line;
}

unsigned lines_load(struct lines *lines, const char *text, size_t len, const char **problem)
{
	yaml_parser_t parser;
	unsigned line;

	memset(lines, 0, sizeof(*lines));
	*problem = "no aliases (*name): write it out";
	line = find_alias(text, len);
	if (line)
		return line;
	*problem = NULL;
	if (!yaml_parser_initialize(&parser))
		return 1;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	line = load_both(&parser, lines, problem);
	yaml_parser_delete(&parser);
	if (line)
		lines->root = NULL;
	return line;
}

void lines_free(struct lines *lines)
{
	yaml_document_delete(&lines->document);
	memset(lines, 0, sizeof(*lines));
}

const char *lines_text(yaml_node_t *node)
{
	return node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value
						      : NULL;
}

static yaml_node_pair_t *find(struct lines *lines, yaml_node_t *mapping, const char *key)
{
	if (!mapping || mapping->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
	     pair < mapping->data.mapping.pairs.top; pair++) {
		const char *text = lines_text(yaml_document_get_node(&lines->document, pair->key));

		if (text && !strcmp(text, key))
			return pair;
	}
	return NULL;
}

yaml_node_t *lines_value(struct lines *lines, yaml_node_t *mapping, const char *key)
{
	yaml_node_pair_t *pair = find(lines, mapping, key);

	return pair ? yaml_document_get_node(&lines->document, pair->value) : NULL;
}

size_t lines_item_nr(yaml_node_t *sequence)
{
	if (!sequence || sequence->type != YAML_SEQUENCE_NODE)
		return 0;
	return (size_t)(sequence->data.sequence.items.top - sequence->data.sequence.items.start);
}

yaml_node_t *lines_item(struct lines *lines, yaml_node_t *sequence, size_t index)
{
	if (index >= lines_item_nr(sequence))
		return NULL;
	return yaml_document_get_node(&lines->document, sequence->data.sequence.items.start[index]);
}

unsigned lines_of(const yaml_node_t *node)
{
	return node ? (unsigned)node->start_mark.line + 1 : 1;
}

unsigned lines_of_key(struct lines *lines, yaml_node_t *mapping, const char *key)
{
	yaml_node_pair_t *pair = find(lines, mapping, key);

	return lines_of(pair ? yaml_document_get_node(&lines->document, pair->key) : mapping);
}

static bool behind(const yaml_mark_t *mark, unsigned line, unsigned column)
{
	return mark->line + 1 > line || (mark->line + 1 == line && mark->column + 1 > column);
}

unsigned lines_find_key(struct lines *lines, const char *key, unsigned line, unsigned column)
{
	unsigned best = 0;

	for (yaml_node_t *node = lines->document.nodes.start; node < lines->document.nodes.top;
	     node++) {
		if (node->type != YAML_MAPPING_NODE)
			continue;
		for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
		     pair < node->data.mapping.pairs.top; pair++) {
			yaml_node_t *at = yaml_document_get_node(&lines->document, pair->key);
			const char *text = lines_text(at);

			if (!text || strcmp(text, key) || !behind(&at->start_mark, line, column))
				continue;
			if (!best || lines_of(at) < best)
				best = lines_of(at);
		}
	}
	return best;
}
