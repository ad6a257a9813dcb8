/* SPDX-License-Identifier: MIT */
/* Writes JSON, indented by two spaces. */
#include <inttypes.h>
#include "json.h"

static void quote(FILE *to, const char *text)
{
	fputc('"', to);
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(to, "\\%c", *c);
		else if (*c == '\n')
			fputs("\\n", to);
		else if (*c == '\t')
			fputs("\\t", to);
		else if (*c < 0x20)
			fprintf(to, "\\u%04x", *c);
		else
			fputc(*c, to);
	}
	fputc('"', to);
}

static void start(struct json *json, const char *name)
{
	if (json->more)
		fputc(',', json->to);
	if (json->depth)
		fprintf(json->to, "\n%*s", 2 * (int)json->depth, "");
	json->more = true;
	if (name) {
		quote(json->to, name);
		fputs(": ", json->to);
	}
}

void json_open(struct json *json, const char *name, char bracket)
{
	start(json, name);
	fputc(bracket, json->to);
	json->depth++;
	json->more = false;
}

void json_close(struct json *json, char bracket)
{
	json->depth--;
	if (json->more)
		fprintf(json->to, "\n%*s", 2 * (int)json->depth, "");
	fputc(bracket, json->to);
	json->more = true;
	if (!json->depth)
		fputc('\n', json->to);
}

void json_string(struct json *json, const char *name, const char *value)
{
	start(json, name);
	quote(json->to, value);
}

void json_number(struct json *json, const char *name, uint64_t value)
{
	start(json, name);
	fprintf(json->to, "%" PRIu64, value);
}

void json_seconds(struct json *json, const char *name, double value)
{
	start(json, name);
	fprintf(json->to, "%.3f", value);
}

void json_bool(struct json *json, const char *name, bool value)
{
	start(json, name);
	fputs(value ? "true" : "false", json->to);
}

void json_null(struct json *json, const char *name)
{
	start(json, name);
	fputs("null", json->to);
}

void json_address(struct json *json, const char *name, uint64_t value)
{
	start(json, name);
	fprintf(json->to, "\"0x%" PRIx64 "\"", value);
}

/* What is quoted goes as it is; brackets, commas and colons outside of quotes have a form. */
void json_members(struct json *json, const char *text, size_t len)
{
	bool quoted = false, begins = true;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (!quoted && (c == '}' || c == ']')) {
			json_close(json, c);
			continue;
		}
		if (!quoted && c == ',') {
			begins = true;
			continue;
		}
		if (begins)
			start(json, NULL);
		begins = false;
		fputc(c, json->to);
		if (c == '"')
			quoted = !quoted;
		else if (quoted && c == '\\' && i + 1 < len)
			fputc(text[++i], json->to);
		else if (!quoted && c == ':')
			fputc(' ', json->to);
		if (quoted || (c != '{' && c != '['))
			continue;
		json->depth++;
		json->more = false;
		begins = true;
	}
}
