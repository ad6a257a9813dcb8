/* SPDX-License-Identifier: MIT */
/* A machine file's keys, for libcyaml, and what libcyaml dislikes in words for people. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cyaml/cyaml.h>
#include "machine_schema.h"
#include "util/why.h"

#define OPTIONAL (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

#define TEXT(key, type, member) \
	CYAML_FIELD_STRING_PTR(key, OPTIONAL, struct type, member, 0, CYAML_UNLIMITED)

/* A sequence whose values and count are two members. */
#define SEQUENCE(key, type, data, count, entry)                                          \
	CYAML_FIELD_SEQUENCE_COUNT(key, OPTIONAL, struct type, data, count, &(entry), 0, \
				   CYAML_UNLIMITED)

#define LIST(key, type, member) SEQUENCE(key, type, member.text, member.nr, text_value)

static const cyaml_schema_value_t text_value = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED),
};

static const cyaml_schema_field_t iommu_fields[] = {
	TEXT("kind", file_iommu, kind),
	TEXT("address-width", file_iommu, address_width),
	TEXT("pasid-width", file_iommu, pasid_width),
	LIST("page-sizes", file_iommu, page_sizes),
	LIST("capabilities", file_iommu, capabilities),
	LIST("reserved", file_iommu, reserved),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t iommu_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_iommu, iommu_fields),
};

static const cyaml_schema_value_t node_value;
static const cyaml_schema_field_t node_fields[] = {
	TEXT("type", file_node, type),
	TEXT("at", file_node, at),
	TEXT("name", file_node, name),
	TEXT("id", file_node, id),
	TEXT("class", file_node, class_code),
	TEXT("multifunction", file_node, multifunction),
	TEXT("buses", file_node, buses),
	TEXT("iommu", file_node, iommu),
	CYAML_FIELD_IGNORE("acs", CYAML_FLAG_OPTIONAL),
	LIST("acs-capable", file_node, acs_capable),
	TEXT("pasid", file_node, pasid),
	TEXT("ats", file_node, ats),
	TEXT("pri", file_node, pri),
	TEXT("phantom-functions", file_node, phantom_functions),
	LIST("quirks", file_node, quirks),
	LIST("aliases", file_node, aliases),
	TEXT("model", file_node, model),
	TEXT("driver", file_node, driver),
	TEXT("count", file_node, count),
	TEXT("vf-offset", file_node, vf_offset),
	TEXT("vf-stride", file_node, vf_stride),
	SEQUENCE("functions", file_node, functions, functions_nr, node_value),
	SEQUENCE("virtual-functions", file_node, virtual_functions, virtual_functions_nr,
		 node_value),
	SEQUENCE("below", file_node, below, below_nr, node_value),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t node_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_node, node_fields),
};

static const cyaml_schema_field_t root_fields[] = {
	TEXT("segment", file_root, segment),
	TEXT("bus", file_root, bus),
	TEXT("iommu", file_root, iommu),
	SEQUENCE("devices", file_root, devices, devices_nr, node_value),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t root_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_root, root_fields),
};

static const cyaml_schema_field_t machine_fields[] = {
	SEQUENCE("iommus", file_machine, iommus, iommus_nr, iommu_value),
	SEQUENCE("root-buses", file_machine, roots, roots_nr, root_value),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t machine_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct file_machine, machine_fields),
};

/* What libcyaml logged: the first complaint, and the innermost place. */
struct complaint {
	char text[160];
	unsigned line, column;
};

static void hear(cyaml_log_t level, void *arg, const char *fmt, va_list ap)
{
	struct complaint *complaint = arg;
	const char *text, *place;
	char buf[256];

	if (level < CYAML_LOG_ERROR)
		return;
	vsnprintf(buf, sizeof(buf), fmt, ap);
	buf[strcspn(buf, "\n")] = 0;
	place = strstr(buf, "(line: ");
	if (place && !complaint->line)
		sscanf(place, "(line: %u, column: %u)", &complaint->line, &complaint->column);
	text = strncmp(buf, "Load: ", 6) ? buf : buf + 6;
	if (!place && !complaint->text[0] && strcmp(text, "Backtrace:"))
		snprintf(complaint->text, sizeof(complaint->text), "%s", text);
}

static const cyaml_config_t *config(cyaml_config_t *config, struct complaint *complaint)
{
	*config = (cyaml_config_t){
		.log_fn = hear,
		.log_ctx = complaint,
		.log_level = CYAML_LOG_ERROR,
		.mem_fn = cyaml_mem,
		.flags = CYAML_CFG_NO_ALIAS, /* lines_load has refused them */
	};
	return config;
}

/* The rest of `text` after `start`, else NULL. */
static const char *after(const char *text, const char *start)
{
	size_t len = strlen(start);

	return strncmp(text, start, len) ? NULL : text + len;
}

/*
 * For keys that are unknown or there twice libcyaml names the place before, so they are searched
 * for from there.
 */
static int explain(cyaml_err_t error, const struct complaint *complaint, struct lines *lines,
		   unsigned *line, struct ioas_why *why)
{
	const char *text = complaint->text, *key;
	unsigned found = 0;

	*line = complaint->line ? complaint->line : 1;
	if ((key = after(text, "Unexpected key: "))) {
		found = lines_find_key(lines, key, complaint->line, complaint->column);
		why_set(why, -EINVAL, "unknown key \"%s\"", key);
	} else if ((key = after(text, "Mapping field already seen: "))) {
		found = lines_find_key(lines, key, complaint->line, complaint->column);
		why_set(why, -EINVAL, "\"%s\" is there twice", key);
	} else if (after(text, "Expecting SEQUENCE")) {
		why_set(why, -EINVAL, "a list belongs here");
	} else if (after(text, "Expecting MAPPING")) {
		why_set(why, -EINVAL, "keys with values belong here");
	} else if (after(text, "Expecting STRING")) {
		why_set(why, -EINVAL, "a single value belongs here");
	} else {
		why_set(why, -EINVAL, "%s", *text ? text : cyaml_strerror(error));
	}
	if (found)
		*line = found;
	return -EINVAL;
}

int schema_load(const char *text, size_t len, struct lines *lines, struct file_machine **out,
		unsigned *line, struct ioas_why *why)
{
	struct complaint complaint = {0};
	cyaml_config_t buf;
	cyaml_data_t *data = NULL;
	cyaml_err_t error;

	*out = NULL;
	error = cyaml_load_data((const uint8_t *)text, len, config(&buf, &complaint),
				&machine_value, &data, NULL);
	if (error == CYAML_ERR_OOM)
		return -ENOMEM;
	if (error)
		return explain(error, &complaint, lines, line, why);
	*out = data;
	return 0;
}

void schema_free(struct file_machine *machine)
{
	struct complaint complaint = {0};
	cyaml_config_t buf;

	cyaml_free(config(&buf, &complaint), &machine_value, machine, 0);
}
