/* SPDX-License-Identifier: MIT */
/* Writing a topology as a machine file. */
#include <inttypes.h>
#include <string.h>
#include "machine_file.h"
#include "machine_tree.h"
#include "outline.h"
#include "words.h"

struct writer {
	FILE *to;
	struct outline outline;
	const char *(*describe)(const struct ioas_topology_function *function, void *arg);
	void *arg;
	int indent;
};

/* ---- texts ---- */

static void quoted(FILE *to, const char *text)
{
	fputc('"', to);
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(to, "\\%c", *c);
		else if (*c < 0x20 || *c == 0x7f)
			fprintf(to, "\\x%02x", *c);
		else
			fputc(*c, to);
	}
	fputc('"', to);
}

static void key(struct writer *writer, const char *name)
{
	fprintf(writer->to, "%*s%s: ", writer->indent, "", name);
}

static void put_text(struct writer *writer, const char *name, const char *text)
{
	if (!text || !*text)
		return;
	key(writer, name);
	quoted(writer->to, text);
	fputc('\n', writer->to);
}

static void put_bits(struct writer *writer, const char *name, const struct word *words,
		     uint32_t bits)
{
	char buf[WORDS_LEN];

	key(writer, name);
	fprintf(writer->to, "[%s]\n", words_join(words, bits, ", ", buf, sizeof(buf)));
}

/* ---- IOMMUs ---- */

static void put_capabilities(struct writer *writer, const struct ioas_topology_iommu *iommu)
{
	const struct {
		const char *name;
		bool has;
	} all[] = {{"ats", iommu->ats},
		   {"pri", iommu->pri},
		   {"dirty", iommu->dirty},
		   {"nested", iommu->nested},
		   {"pasid-0-apart", iommu->pasid_0_apart},
		   {"coherency", iommu->coherency}};
	const char *between = "[";

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (!all[i].has)
			continue;
		if (*between == '[')
			key(writer, "capabilities");
		fprintf(writer->to, "%s%s", between, all[i].name);
		between = ", ";
	}
	if (*between != '[')
		fputs("]\n", writer->to);
}

static void put_page_sizes(struct writer *writer, uint64_t sizes)
{
	static const char units[] = " KMGTP";
	const char *between = "[";

	if (!sizes)
		return;
	key(writer, "page-sizes");
	for (unsigned lg2 = 0; lg2 < 64; lg2++) {
		unsigned unit = lg2 / 10 < 5 ? lg2 / 10 : 5;

		if (!(sizes >> lg2 & 1))
			continue;
		fprintf(writer->to, "%s%u", between, 1u << (lg2 - 10 * unit));
		if (unit)
			fputc(units[unit], writer->to);
		between = ", ";
	}
	fputs("]\n", writer->to);
}

static void put_iommu(struct writer *writer, const struct ioas_topology_iommu *iommu)
{
	fprintf(writer->to, "  - kind: ");
	quoted(writer->to, iommu->kind);
	fputc('\n', writer->to);
	writer->indent = 4;
	if (iommu->aw) {
		key(writer, "address-width");
		fprintf(writer->to, "%u\n", iommu->aw);
	}
	put_page_sizes(writer, iommu->page_sizes);
	if (iommu->pasid_lg2) {
		key(writer, "pasid-width");
		fprintf(writer->to, "%u\n", iommu->pasid_lg2);
	}
	put_capabilities(writer, iommu);
	if (iommu->reserved_nr)
		fprintf(writer->to, "%*sreserved:\n", writer->indent, "");
	for (size_t i = 0; i < iommu->reserved_nr; i++)
		fprintf(writer->to, "%*s- 0x%" PRIx64 "-0x%" PRIx64 "\n", writer->indent + 2, "",
			iommu->reserved[i].first, iommu->reserved[i].last);
}

static void put_iommus(struct writer *writer)
{
	size_t nr = ioas_topology_iommu_nr(writer->outline.topology);

	fputs(nr ? "iommus:\n" : "iommus: []\n", writer->to);
	for (size_t i = 0; i < nr; i++)
		put_iommu(writer, ioas_topology_iommu(writer->outline.topology, i));
}

static void put_iommu_index(struct writer *writer, uint32_t iommu, uint32_t usual)
{
	if (iommu == usual)
		return;
	key(writer, "iommu");
	if (iommu == IOAS_TOPOLOGY_NO_IOMMU)
		fputs("none\n", writer->to);
	else
		fprintf(writer->to, "%" PRIu32 "\n", iommu);
}

/* ---- functions ---- */

/* What a reader takes the multifunction bit to be unless told. */
static bool usual_multifunction(const struct writer *writer,
				const struct ioas_topology_function *function)
{
	struct ioas_pci_addr addr = function->addr;
	unsigned nr = 0;

	if (function->is_virtual)
		return false;
	for (unsigned i = 0; i < 8; i++) {
		const struct ioas_topology_function *other;

		addr.devfn = (uint8_t)((function->addr.devfn & ~7u) | i);
		other = ioas_topology_find(writer->outline.topology, addr);
		nr += other && !other->is_virtual;
	}
	return nr > 1;
}

static void put_acs(struct writer *writer, const struct ioas_topology_function *function)
{
	uint16_t usual = acs_usual(ioas_topology_is_bridge(function));
	uint16_t on = usual & acs_usual(true);

	if (!function->acs)
		return;
	if (!function->acs_ctrl) {
		key(writer, "acs");
		fputs("off\n", writer->to);
	} else if (function->acs_cap == usual && function->acs_ctrl == on) {
		key(writer, "acs");
		fputs("on\n", writer->to);
	} else {
		put_bits(writer, "acs", acs_words, function->acs_ctrl);
		usual |= function->acs_ctrl;
	}
	if (function->acs_cap != usual)
		put_bits(writer, "acs-capable", acs_words, function->acs_cap);
}

static void put_aliases(struct writer *writer, const struct ioas_topology_function *function)
{
	if (!function->alias_nr)
		return;
	key(writer, "aliases");
	for (size_t i = 0; i < function->alias_nr; i++)
		fprintf(writer->to, "%s\"%02x:%02x.%x\"", i ? ", " : "[", function->alias[i] >> 8,
			function->alias[i] >> 3 & 31, function->alias[i] & 7);
	fputs("]\n", writer->to);
}

static void put_number(struct writer *writer, const char *name, unsigned value)
{
	if (!value)
		return;
	key(writer, name);
	fprintf(writer->to, "%u\n", value);
}

static void put_flag(struct writer *writer, const char *name, bool value, bool usual)
{
	if (value == usual)
		return;
	key(writer, name);
	fputs(value ? "yes\n" : "no\n", writer->to);
}

static void put_buses(struct writer *writer, const struct ioas_topology_function *function)
{
	if (!ioas_topology_is_bridge(function))
		return;
	key(writer, "buses");
	if (!function->secondary)
		fputs("none\n", writer->to);
	else if (function->secondary == function->subordinate)
		fprintf(writer->to, "%02x\n", function->secondary);
	else
		fprintf(writer->to, "%02x-%02x\n", function->secondary, function->subordinate);
}

/* The line that a list entry begins with: its place, and in a comment who it is. */
static void put_start(struct writer *writer, const struct ioas_topology_function *function)
{
	const char *comment = writer->describe ? writer->describe(function, writer->arg) : "";

	fprintf(writer->to, "%*s- at: ", writer->indent - 2, "");
	if (function->is_virtual)
		fprintf(writer->to, "\"%02x:", function->addr.bus);
	fprintf(writer->to, "%s%02x.%x\"", function->is_virtual ? "" : "\"",
		function->addr.devfn >> 3, function->addr.devfn & 7);
	if (*comment)
		fprintf(writer->to, " # %s", comment);
	fputc('\n', writer->to);
	if (!function->is_virtual) {
		key(writer, "type");
		fprintf(writer->to, "%s\n", word_name(type_words, function->type));
	}
}

static void put_function(struct writer *writer, const struct ioas_topology_function *function,
			 uint32_t usual_iommu)
{
	put_start(writer, function);
	put_text(writer, "name", function->name);
	if (function->vendor || function->device) {
		key(writer, "id");
		fprintf(writer->to, "\"%04x:%04x\"\n", function->vendor, function->device);
	}
	if (function->class_code) {
		key(writer, "class");
		fprintf(writer->to, "\"%06x\"\n", function->class_code);
	}
	put_flag(writer, "multifunction", function->multifunction,
		 usual_multifunction(writer, function));
	if (!function->is_virtual)
		put_iommu_index(writer, function->iommu, usual_iommu);
	put_acs(writer, function);
	put_number(writer, "pasid", function->pasid_lg2);
	put_flag(writer, "ats", function->ats, false);
	put_flag(writer, "pri", function->pri, false);
	put_number(writer, "phantom-functions", function->phantom_lg2);
	if (function->quirks)
		put_bits(writer, "quirks", quirk_words, function->quirks);
	put_aliases(writer, function);
	put_text(writer, "model", function->model);
	put_text(writer, "driver", function->driver);
	put_buses(writer, function);
}

/* What hangs below a node, twice: the virtual functions of an endpoint, and what is on a bus. */
static void put_below(struct writer *writer, const char *name, size_t index, uint32_t usual_iommu)
{
	const struct outline_node *nodes = writer->outline.nodes;
	int indent = writer->indent;
	bool any = false;

	for (size_t i = nodes[index].child; i != OUTLINE_NONE; i = nodes[i].next) {
		const struct ioas_topology_function *function = nodes[i].function;

		if (function->is_virtual != !strcmp(name, "virtual-functions"))
			continue;
		if (!any)
			fprintf(writer->to, "%*s%s:\n", indent, "", name);
		any = true;
		writer->indent = indent + 4;
		put_function(writer, function,
			     nodes[index].function ? function->iommu : usual_iommu);
		put_below(writer, "virtual-functions", i, 0);
		put_below(writer, "below", i, 0);
	}
	writer->indent = indent;
}

static void put_root(struct writer *writer, size_t index)
{
	const struct outline_node *nodes = writer->outline.nodes;
	uint32_t usual =
		ioas_topology_iommu_nr(writer->outline.topology) ? 0 : IOAS_TOPOLOGY_NO_IOMMU;
	uint32_t own = nodes[nodes[index].child].function->iommu;

	fprintf(writer->to, "  - segment: \"%04x\"\n", nodes[index].segment);
	writer->indent = 4;
	key(writer, "bus");
	fprintf(writer->to, "\"%02x\"\n", nodes[index].bus);
	put_iommu_index(writer, own, usual);
	put_below(writer, "devices", index, own);
}

int machine_file_write(const struct ioas_topology *topology, FILE *to,
		       const char *(*describe)(const struct ioas_topology_function *function,
					       void *arg),
		       void *arg)
{
	struct writer writer = {.to = to, .describe = describe, .arg = arg};
	int rc = outline_new(&writer.outline, topology);

	if (rc)
		return rc;
	put_iommus(&writer);
	fputs(writer.outline.first == OUTLINE_NONE ? "root-buses: []\n" : "root-buses:\n", to);
	for (size_t i = writer.outline.first; i != OUTLINE_NONE; i = writer.outline.nodes[i].next)
		put_root(&writer, i);
	outline_free(&writer.outline);
	return 0;
}
