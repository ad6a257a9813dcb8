/* SPDX-License-Identifier: MIT */
/* Writes JSON, indented by two spaces. A name is NULL inside a list. */
#ifndef TOOLS_JSON_H
#define TOOLS_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *to;
	unsigned depth;
	bool more; /* something came before on this level */
};

/* `bracket` is '{' or '['; json_close gets the matching '}' or ']'. */
void json_open(struct json *json, const char *name, char bracket);
void json_close(struct json *json, char bracket);
void json_string(struct json *json, const char *name, const char *value);
void json_number(struct json *json, const char *name, uint64_t value);
void json_seconds(struct json *json, const char *name, double value);
void json_bool(struct json *json, const char *name, bool value);
void json_null(struct json *json, const char *name);
/* An address, as a string of hex digits: JSON's numbers lose bits above 2^53. */
void json_address(struct json *json, const char *name, uint64_t value);
/* Members, or items, that are JSON already, without a bracket around them: `len` bytes on a line.
 */
void json_members(struct json *json, const char *text, size_t len);

#endif
