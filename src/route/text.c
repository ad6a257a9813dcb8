/* SPDX-License-Identifier: MIT */
/*
 * Topologies as lines. One table a struct says where each key's value lies and how it is written,
 * for reading and writing alike.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ioas/topology_text.h>
#include "util/alloc.h"
#include "util/why.h"
#include "util/words.h"

enum kind {
	FLAG,	 /* bool; the key alone */
	DEC,	 /* number of `size` bytes, decimal */
	HEX,	 /* the same, in hex */
	STRING,	 /* const char * */
	ADDRESS, /* struct ioas_pci_addr */
	TYPE,	 /* enum ioas_topology_type in a byte */
	IOMMU,	 /* an index, or "none" */
	RIDS,	 /* const rid_t * and, after it, size_t: 0101+0102 */
	RANGES,	 /* const struct ioas_range * and size_t: 0x1000-0x1fff+... */
};

struct field {
	const char *key;
	enum kind kind;
	unsigned offset;
	unsigned size;
};

#define FIELD(type, key, kind, member)                                                       \
	{                                                                                    \
		key, kind, offsetof(struct type, member), sizeof(((struct type *)0)->member) \
	}
#define F(key, kind, member) FIELD(ioas_topology_function, key, kind, member)
#define I(key, kind, member) FIELD(ioas_topology_iommu, key, kind, member)

static const struct field function_fields[] = {
	F("addr", ADDRESS, addr),
	F("type", TYPE, type),
	F("multifunction", FLAG, multifunction),
	F("secondary", HEX, secondary),
	F("subordinate", HEX, subordinate),
	F("vendor", HEX, vendor),
	F("device", HEX, device),
	F("class", HEX, class_code),
	F("acs", FLAG, acs),
	F("acs_cap", HEX, acs_cap),
	F("acs_ctrl", HEX, acs_ctrl),
	F("quirks", HEX, quirks),
	F("phantom", DEC, phantom_lg2),
	F("pasid", DEC, pasid_lg2),
	F("pri", FLAG, pri),
	F("ats", FLAG, ats),
	F("virtual", FLAG, is_virtual),
	F("physical", ADDRESS, physical),
	F("alias", RIDS, alias),
	F("iommu", IOMMU, iommu),
	F("model", STRING, model),
	F("driver", STRING, driver),
	F("name", STRING, name),
	{0},
};

static const struct field iommu_fields[] = {
	I("kind", STRING, kind),
	I("aw", DEC, aw),
	I("pasid", DEC, pasid_lg2),
	I("pasid0apart", FLAG, pasid_0_apart),
	I("ats", FLAG, ats),
	I("pri", FLAG, pri),
	I("dirty", FLAG, dirty),
	I("nested", FLAG, nested),
	I("coherency", FLAG, coherency),
	I("page_sizes", HEX, page_sizes),
	I("reserved", RANGES, reserved),
	{0},
};

/* The count of an array follows its pointer, by the layout of both structs. */
_Static_assert(offsetof(struct ioas_topology_function, alias_nr) ==
		       offsetof(struct ioas_topology_function, alias) + sizeof(void *),
	       "alias_nr follows alias");
_Static_assert(offsetof(struct ioas_topology_iommu, reserved_nr) ==
		       offsetof(struct ioas_topology_iommu, reserved) + sizeof(void *),
	       "reserved_nr follows reserved");

static void *member(const void *of, const struct field *field)
{
	return (char *)of + field->offset;
}

static uint64_t get_number(const void *of, const struct field *field)
{
	uint64_t value = 0;

	memcpy(&value, member(of, field), field->size); /* little-endian hosts, as all of pci/ */
	return value;
}

/* ---- writing ---- */

struct text {
	char *buf;
	size_t cap, len;
};

static void add(struct text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *text, const char *fmt, ...)
{
	size_t left = text->len < text->cap ? text->cap - text->len : 0;
	va_list ap;
	int nr;

	va_start(ap, fmt);
	nr = vsnprintf(left ? text->buf + text->len : NULL, left, fmt, ap);
	va_end(ap);
	if (nr > 0)
		text->len += (size_t)nr;
}

/* A line break would end the line; it becomes a blank. */
static void add_string(struct text *text, const char *value)
{
	for (; *value; value++)
		add(text, *value == ',' ? ",," : "%c", *value == '\n' ? ' ' : *value);
}

static void add_array(struct text *text, const struct field *field, const void *of)
{
	const void *array = *(void **)member(of, field);
	size_t nr = *(size_t *)((char *)member(of, field) + sizeof(void *));

	for (size_t i = 0; i < nr; i++) {
		const struct ioas_range *range = (const struct ioas_range *)array + i;

		if (i)
			add(text, "+");
		if (field->kind == RIDS)
			add(text, "%04x", ((const rid_t *)array)[i]);
		else
			add(text, "0x%" PRIx64 "-0x%" PRIx64, range->first, range->last);
	}
}

static bool is_absent(const struct field *field, const void *of)
{
	switch (field->kind) {
	case STRING:
		return !*(char **)member(of, field) || !**(char **)member(of, field);
	case RIDS:
	case RANGES:
		return !*(size_t *)((char *)member(of, field) + sizeof(void *));
	case TYPE:
	case IOMMU:
		return false;
	default:
		return !get_number(of, field);
	}
}

static void add_value(struct text *text, const struct field *field, const void *of)
{
	char addr[IOAS_NAME_LEN];

	switch (field->kind) {
	case FLAG:
		break;
	case DEC:
		add(text, "%" PRIu64, get_number(of, field));
		break;
	case HEX:
		add(text, "%" PRIx64, get_number(of, field));
		break;
	case STRING:
		add_string(text, *(char **)member(of, field));
		break;
	case ADDRESS:
		add(text, "%s",
		    ioas_pci_addr_format(*(struct ioas_pci_addr *)member(of, field), addr));
		break;
	case TYPE:
		add(text, "%s", ioas_topology_type_name(*(uint8_t *)member(of, field)));
		break;
	case IOMMU:
		if (*(uint32_t *)member(of, field) == IOAS_TOPOLOGY_NO_IOMMU)
			add(text, "none");
		else
			add(text, "%" PRIu32, *(uint32_t *)member(of, field));
		break;
	case RIDS:
	case RANGES:
		add_array(text, field, of);
	}
}

static int write_line(const char *word, const struct field *fields, const void *of, char *buf,
		      size_t len)
{
	struct text text = {buf, len, 0};
	char sep = ' ';

	if (len)
		*buf = 0;
	add(&text, "%s", word);
	for (const struct field *field = fields; field->key; field++) {
		/* A function at the first address of all has one, too. */
		if (is_absent(field, of) && !(field == fields && field->kind == ADDRESS))
			continue;
		add(&text, field->kind == FLAG ? "%c%s" : "%c%s=", sep, field->key);
		add_value(&text, field, of);
		sep = ',';
	}
	return (int)text.len;
}

int ioas_topology_function_line(const struct ioas_topology_function *function, char *buf,
				size_t len)
{
	return write_line("function", function_fields, function, buf, len);
}

int ioas_topology_iommu_line(const struct ioas_topology_iommu *iommu, char *buf, size_t len)
{
	return write_line("iommu", iommu_fields, iommu, buf, len);
}

/* ---- reading ---- */

static int set_number(void *to, const struct field *field, const char *value)
{
	char *end;
	uint64_t number;

	number = strtoull(value, &end, field->kind == DEC ? 10 : 16);
	if (!*value || *end || *value == '-' || *value == '+' || number == UINT64_MAX ||
	    (field->size < 8 && number >> (8 * field->size)))
		return -EINVAL;
	memcpy(member(to, field), &number, field->size);
	return 0;
}

static int set_type(void *to, const struct field *field, const char *value)
{
	for (unsigned type = 0; type < IOAS_TOPOLOGY_TYPE_NR; type++) {
		if (strcmp(value, ioas_topology_type_name(type)))
			continue;
		*(uint8_t *)member(to, field) = (uint8_t)type;
		return 0;
	}
	return -EINVAL;
}

static int set_element(const struct field *field, void *array, size_t at, const char *value,
		       char **end)
{
	struct ioas_range *range = (struct ioas_range *)array + at;
	uint64_t first = strtoull(value, end, 16);

	/* Neither a sign nor a blank. */
	if (!isxdigit((unsigned char)*value))
		return -EINVAL;
	if (field->kind == RIDS) {
		((rid_t *)array)[at] = (rid_t)first;
		return first > UINT16_MAX ? -EINVAL : 0;
	}
	if (**end != '-')
		return -EINVAL;
	value = *end + 1;
	*range = (struct ioas_range){first, strtoull(value, end, 16)};
	return !isxdigit((unsigned char)*value) || range->last < first ? -EINVAL : 0;
}

/* The array is freed by free_arrays. */
static int set_array(void *to, const struct field *field, char *value)
{
	size_t size = field->kind == RIDS ? sizeof(rid_t) : sizeof(struct ioas_range), nr = 1;
	void *array;
	int rc = 0;

	if (*(void **)member(to, field))
		return -EINVAL;
	for (const char *c = value; *c; c++)
		nr += *c == '+';
	array = alloc_zero(nr, size);
	if (!array)
		return -ENOMEM;
	*(void **)member(to, field) = array;
	*(size_t *)((char *)member(to, field) + sizeof(void *)) = nr;
	for (size_t i = 0; !rc && i < nr; i++) {
		char *end;

		rc = set_element(field, array, i, value, &end);
		if (!rc && *end != (i + 1 < nr ? '+' : 0))
			rc = -EINVAL;
		value = end + 1;
	}
	return rc;
}

static int set_value(void *to, const struct field *field, char *value)
{
	switch (field->kind) {
	case FLAG:
		*(bool *)member(to, field) = true;
		return *value ? -EINVAL : 0;
	case DEC:
	case HEX:
		return set_number(to, field, value);
	case STRING:
		*(const char **)member(to, field) = value;
		return 0;
	case ADDRESS:
		return ioas_pci_addr_parse(value, member(to, field));
	case TYPE:
		return set_type(to, field, value);
	case IOMMU:
		if (strcmp(value, "none"))
			return set_number(to, &(struct field){NULL, DEC, field->offset, 4}, value);
		*(uint32_t *)member(to, field) = IOAS_TOPOLOGY_NO_IOMMU;
		return 0;
	case RIDS:
	case RANGES:
		return set_array(to, field, value);
	}
	return -EINVAL;
}

static void free_arrays(const struct field *fields, void *of)
{
	for (const struct field *field = fields; field->key; field++)
		if (field->kind == RIDS || field->kind == RANGES)
			free(*(void **)member(of, field));
}

static int set_word(const struct field *fields, void *to, char *word, struct ioas_why *why)
{
	char *value = strchr(word, '=');
	int rc;

	if (value)
		*value++ = 0;
	else
		value = word + strlen(word);
	for (const struct field *field = fields; field->key; field++) {
		if (strcmp(word, field->key))
			continue;
		rc = set_value(to, field, value);
		return rc == -EINVAL ? why_set(why, rc, "%s: \"%s\" is not understood", word, value)
				     : rc;
	}
	return why_set(why, -ENOENT, "there is no \"%s\"", word);
}

static int read_line(const struct field *fields, void *to, char *text, struct ioas_why *why)
{
	int rc = 0;

	for (char *word = text, *rest; !rc && word && *word; word = rest) {
		rest = words_cut(word);
		rc = set_word(fields, to, word, why);
	}
	return rc;
}

int ioas_topology_add_line(struct ioas_topology *topology, const char *line, struct ioas_why *why)
{
	struct ioas_topology_function function = {0};
	struct ioas_topology_iommu iommu = {0};
	size_t len = strlen(line) + 1;
	char *copy = alloc_zero(1, len);
	int rc;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, line, len);
	if (!strncmp(copy, "function ", 9)) {
		rc = read_line(function_fields, &function, copy + 9, why);
		if (!rc)
			rc = ioas_topology_add(topology, &function, why);
		free_arrays(function_fields, &function);
	} else if (!strncmp(copy, "iommu ", 6) || !strcmp(copy, "iommu")) {
		rc = read_line(iommu_fields, &iommu, copy + (copy[5] ? 6 : 5), why);
		if (!rc)
			rc = ioas_topology_add_iommu(topology, &iommu, why);
		free_arrays(iommu_fields, &iommu);
	} else {
		rc = why_set(why, -ENOENT,
			     "the line begins with neither \"function\" nor \"iommu\"");
	}
	free(copy);
	return rc;
}
