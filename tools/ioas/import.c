/* SPDX-License-Identifier: MIT */
/* Config spaces put together to a topology. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "import.h"
#include "pci_quirks.h"
#include "util/why.h"

#define CLASS_IOMMU 0x080600

int import_add(struct import *import, struct ioas_pci_addr addr, const uint8_t *config, size_t len,
	       struct import_function **out, struct ioas_why *why)
{
	struct import_function *function;
	struct config_decoded decoded;
	int rc = config_decode(addr, config, len, &decoded, why);

	if (out)
		*out = NULL;
	if (rc == -ENODATA) {
		import->absent++;
		return 0;
	}
	if (rc)
		return rc;
	if (import->nr == import->cap) {
		size_t cap = import->cap ? 2 * import->cap : 64;

		function = realloc(import->functions, cap * sizeof(*function));
		if (!function)
			return -ENOMEM;
		import->functions = function;
		import->cap = cap;
	}
	function = &import->functions[import->nr];
	*function = (struct import_function){.decoded = decoded, .config = malloc(len), .len = len};
	if (!function->config)
		return -ENOMEM;
	memcpy(function->config, config, len);
	import->nr++;
	if (out)
		*out = function;
	return 0;
}

void import_fini(struct import *import)
{
	for (size_t i = 0; i < import->nr; i++)
		free(import->functions[i].config);
	free(import->functions);
	free(import->iommus);
	*import = (struct import){0};
}

void import_remark(struct ioas_why *warning, const char *fmt, ...)
{
	size_t used = warning ? strlen(warning->text) : 0;
	va_list ap;

	if (!warning)
		return;
	if (used)
		used += (size_t)snprintf(warning->text + used, sizeof(warning->text) - used, "; ");
	if (used >= sizeof(warning->text))
		return;
	va_start(ap, fmt);
	vsnprintf(warning->text + used, sizeof(warning->text) - used, fmt, ap);
	va_end(ap);
}

/* ---- who is above whom, before there is a topology ---- */

static uint32_t key_of(struct ioas_pci_addr addr)
{
	return (uint32_t)addr.segment << 16 | (uint32_t)addr.bus << 8 | addr.devfn;
}

static int compare(const void *a, const void *b)
{
	const struct import_function *x = a, *y = b;
	uint32_t p = key_of(x->decoded.function.addr), q = key_of(y->decoded.function.addr);

	return (p > q) - (p < q);
}

static struct import_function *find(const struct import *import, struct ioas_pci_addr addr)
{
	struct import_function key = {.decoded.function.addr = addr};

	return bsearch(&key, import->functions, import->nr, sizeof(key), compare);
}

/* The bridge that leads to each bus of the segment that function i is in, as index + 1. */
struct bridges {
	size_t first, end; /* functions of the segment */
	size_t to[256];
};

static void next_segment(const struct import *import, struct bridges *bridges)
{
	uint16_t segment;

	*bridges = (struct bridges){.first = bridges->end, .end = bridges->end};
	if (bridges->first == import->nr)
		return;
	segment = import->functions[bridges->first].decoded.function.addr.segment;
	while (bridges->end < import->nr &&
	       import->functions[bridges->end].decoded.function.addr.segment == segment) {
		const struct ioas_topology_function *function =
			&import->functions[bridges->end].decoded.function;

		if (function->secondary && !bridges->to[function->secondary])
			bridges->to[function->secondary] = bridges->end + 1;
		bridges->end++;
	}
}

static struct import_function *above(const struct import *import, const struct bridges *bridges,
				     const struct import_function *function)
{
	size_t at = bridges->to[function->decoded.function.addr.bus];

	return at ? &import->functions[at - 1] : NULL;
}

/* ---- what the whole tells ---- */

/* Is a link below it? */
static bool has_link_below(uint8_t type)
{
	return type == IOAS_TOPOLOGY_ROOT_PORT || type == IOAS_TOPOLOGY_DOWNSTREAM ||
	       type == IOAS_TOPOLOGY_PCI_TO_PCIE;
}

/* What a bridge whose PCIe capability was not read must be, by where it is. */
static void guess_type(struct import_function *function, const struct import_function *up)
{
	struct ioas_topology_function *self = &function->decoded.function;
	bool bridge = ioas_topology_is_bridge(self);

	if (function->decoded.pcie || !function->pcie_known)
		return;
	if (!up)
		self->type = bridge ? IOAS_TOPOLOGY_ROOT_PORT : IOAS_TOPOLOGY_RC_ENDPOINT;
	else if (!bridge)
		self->type = IOAS_TOPOLOGY_ENDPOINT;
	else if (up->decoded.function.type == IOAS_TOPOLOGY_UPSTREAM)
		self->type = IOAS_TOPOLOGY_DOWNSTREAM;
	else
		self->type = IOAS_TOPOLOGY_UPSTREAM;
}

/* Two ports of one kind do not follow one another: the lower one is the other kind. */
static void correct_type(struct import_function *function, const struct import_function *up)
{
	struct ioas_topology_function *self = &function->decoded.function;

	if (!up || !function->decoded.pcie)
		return;
	if (self->type == IOAS_TOPOLOGY_DOWNSTREAM && has_link_below(up->decoded.function.type))
		self->type = IOAS_TOPOLOGY_UPSTREAM;
	else if (self->type == IOAS_TOPOLOGY_UPSTREAM &&
		 up->decoded.function.type == IOAS_TOPOLOGY_UPSTREAM)
		self->type = IOAS_TOPOLOGY_DOWNSTREAM;
}

/* A virtual function's own registers say little: 0xffff as its name, and no kind of its own. */
static void settle_virtual(const struct import *import, struct import_function *function)
{
	struct ioas_topology_function *self = &function->decoded.function;
	const struct import_function *physical = find(import, self->physical);

	if (self->type != IOAS_TOPOLOGY_RC_ENDPOINT)
		self->type = IOAS_TOPOLOGY_ENDPOINT;
	self->multifunction = false;
	self->secondary = self->subordinate = self->phantom_lg2 = 0;
	if (!physical)
		return;
	if (self->vendor == 0xffff)
		self->vendor = physical->decoded.function.vendor;
	if (self->device == 0xffff)
		self->device = physical->decoded.vf_device;
}

/* Those that a physical function has switched on are where its offset and stride say. */
static void mark_virtual(const struct import *import, const struct import_function *physical)
{
	const struct config_decoded *decoded = &physical->decoded;
	uint32_t rid = key_of(decoded->function.addr) & 0xffff;

	if (decoded->function.is_virtual)
		return;
	rid += decoded->vf_offset;
	for (unsigned i = 0; i < decoded->vf_nr && rid <= 0xffff; i++) {
		struct ioas_pci_addr addr = {
			.segment = decoded->function.addr.segment,
			.bus = (uint8_t)(rid >> 8),
			.devfn = (uint8_t)rid,
		};
		struct import_function *function = find(import, addr);

		/* One that claims a real function's place is mistaken. */
		if (function && function != physical && !function->decoded.vf_nr &&
		    function->config[0] == 0xff && function->config[1] == 0xff) {
			function->decoded.function.is_virtual = true;
			function->decoded.function.physical = decoded->function.addr;
		}
		rid += decoded->vf_stride;
	}
}

static bool has_amd_iommu(const struct import *import)
{
	for (size_t i = 0; i < import->nr; i++) {
		const struct ioas_topology_function *function =
			&import->functions[i].decoded.function;

		if (function->class_code == CLASS_IOMMU &&
		    (function->vendor == 0x1022 || function->vendor == 0x1002))
			return true;
	}
	return false;
}

static void settle(struct import *import)
{
	struct quirk_place place = {.amd_iommu = has_amd_iommu(import)};
	struct bridges bridges = {0};

	for (size_t i = 0; i < import->nr; i++)
		mark_virtual(import, &import->functions[i]);
	for (next_segment(import, &bridges); bridges.first < import->nr;
	     next_segment(import, &bridges)) {
		/* A bridge comes before what is below it, as bus numbers are given out. */
		for (size_t i = bridges.first; i < bridges.end; i++) {
			struct import_function *function = &import->functions[i];
			const struct import_function *up = above(import, &bridges, function);

			guess_type(function, up);
			correct_type(function, up);
			if (function->decoded.function.is_virtual)
				settle_virtual(import, function);
			place.root_bus = !up && !function->decoded.function.is_virtual;
			quirks_apply(&function->decoded, &place, function->config, function->len);
		}
	}
}

/* ---- the topology ---- */

static int check_twice(const struct import *import, struct ioas_why *why)
{
	char name[IOAS_NAME_LEN];

	for (size_t i = 1; i < import->nr; i++)
		if (!compare(&import->functions[i - 1], &import->functions[i]))
			return why_set(why, -EEXIST, "%s: there are two of it",
				       ioas_pci_addr_format(
					       import->functions[i].decoded.function.addr, name));
	return 0;
}

static int add_iommus(const struct import *import, struct ioas_topology *topology,
		      struct ioas_why *why)
{
	const struct ioas_topology_iommu made_up = {.kind = "soft"};
	int rc = 0;

	if (!import->iommu_nr)
		return ioas_topology_add_iommu(topology, &made_up, why);
	for (size_t i = 0; !rc && i < import->iommu_nr; i++)
		rc = ioas_topology_add_iommu(topology, &import->iommus[i], why);
	return rc;
}

static int add_functions(const struct import *import, struct ioas_topology *topology,
			 struct ioas_why *why)
{
	rid_t alias[QUIRK_ALIASES];
	int rc = 0;

	for (size_t i = 0; !rc && i < import->nr; i++) {
		struct ioas_topology_function function = import->functions[i].decoded.function;

		function.driver = import->functions[i].driver;
		function.alias_nr = quirk_aliases(&import->functions[i].decoded, alias);
		function.alias = alias;
		rc = ioas_topology_add(topology, &function, why);
	}
	return rc;
}

static void warn(const struct import *import, struct ioas_why *warning)
{
	size_t guessed = 0, cut = 0;

	for (size_t i = 0; i < import->nr; i++) {
		guessed += import->functions[i].decoded.caps_unseen;
		cut += import->functions[i].decoded.ext_unseen;
	}
	if (guessed)
		import_remark(warning,
			      "%zu of %zu: only the header was read (root may more), so types are "
			      "guesses and ACS counts as off",
			      guessed, import->nr);
	if (cut)
		import_remark(
			warning,
			"%zu of %zu: extended capabilities not all read, ACS may count as off", cut,
			import->nr);
	if (import->absent)
		import_remark(warning, "%zu that do not answer left out", import->absent);
}

int import_finish(struct import *import, struct ioas_topology **out, struct ioas_why *warning,
		  struct ioas_why *why)
{
	struct ioas_topology *topology;
	int rc;

	if (warning)
		warning->text[0] = '\0';
	if (import->nr)
		qsort(import->functions, import->nr, sizeof(*import->functions), compare);
	rc = check_twice(import, why);
	if (rc)
		return rc;
	settle(import);
	rc = ioas_topology_new(&topology);
	if (rc)
		return rc;
	rc = add_iommus(import, topology, why);
	if (!rc)
		rc = add_functions(import, topology, why);
	if (!rc)
		rc = ioas_topology_resolve(topology, why);
	if (rc) {
		ioas_topology_destroy(topology);
		return rc;
	}
	warn(import, warning);
	*out = topology;
	return 0;
}
