/* SPDX-License-Identifier: MIT */
/*
 * What sysfs shows of a machine. Config spaces are read as far as privileges go; beside them it has
 * links: to the driver, to the group and the IOMMU, from a virtual function to its physical one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "import.h"
#include "import_sysfs.h"
#include "util/why.h"

#define NO_GROUP UINT32_MAX

/* Of each function as it was found, and of the kernel's IOMMUs. */
struct seen {
	struct ioas_pci_addr addr;
	uint32_t group; /* the kernel's; NO_GROUP: none */
};

struct reader {
	int devices; /* ROOT/sys/bus/pci/devices */
	const char *root;
	struct import import;
	struct seen *seen;
	size_t seen_cap;
	char (*iommu_name)[64];
	bool any_group;
	size_t elsewhere; /* functions of segments that have no number of 16 bits */
	struct ioas_why *why;
};

/* The last part of what a link of a device leads to, "" for none. */
static void read_link(int device, const char *name, char *buf, size_t len)
{
	char target[512];
	ssize_t got = readlinkat(device, name, target, sizeof(target) - 1);
	const char *last;

	buf[0] = '\0';
	if (got <= 0)
		return;
	target[got] = '\0';
	last = strrchr(target, '/');
	snprintf(buf, len, "%s", last ? last + 1 : target);
}

/* A file's bytes; 0 as well where it cannot be read. */
static size_t read_file(int device, const char *name, void *buf, size_t max)
{
	int fd = openat(device, name, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t got;

	if (fd < 0)
		return 0;
	while (len < max && (got = read(fd, (char *)buf + len, max - len)) > 0)
		len += (size_t)got;
	close(fd);
	return len;
}

/* A number in hexadecimal, with or without 0x. */
static bool read_number(int device, const char *name, uint64_t *out)
{
	char text[32], *end;
	size_t len = read_file(device, name, text, sizeof(text) - 1);

	text[len] = '\0';
	errno = 0;
	*out = strtoull(text, &end, 16);
	return len && end != text && !errno;
}

/* ---- IOMMUs ---- */

/* What the registers of VT-d say, where the kernel shows them. */
static void read_vtd(int device, struct ioas_topology_iommu *iommu)
{
	uint64_t cap, ecap;

	if (!read_number(device, "iommu/intel-iommu/cap", &cap) ||
	    !read_number(device, "iommu/intel-iommu/ecap", &ecap))
		return;
	iommu->kind = "vtd";
	iommu->aw = (uint8_t)((cap >> 16 & 0x3f) + 1);
	iommu->page_sizes = 1ull << 12 | (cap >> 34 & 1) << 21 | (cap >> 35 & 1) << 30;
	iommu->coherency = ecap >> 7 & 1;
	iommu->ats = ecap >> 2 & 1;
	iommu->nested = ecap >> 26 & 1;
	iommu->pri = ecap >> 29 & 1;
	iommu->dirty = ecap >> 45 & 1;
	if (ecap >> 40 & 1) {
		iommu->pasid_lg2 = (uint8_t)((ecap >> 35 & 0x1f) + 1);
		if (iommu->pasid_lg2 > IOAS_PASID_BITS)
			iommu->pasid_lg2 = IOAS_PASID_BITS;
	}
}

/* What the first features register of AMD's says. */
static void read_amd(int device, struct ioas_topology_iommu *iommu)
{
	uint64_t efr;

	if (!read_number(device, "iommu/amd-iommu/features", &efr))
		return;
	iommu->kind = "amd";
	iommu->pri = efr >> 1 & 1;
	iommu->dirty = efr >> 52 & 1;
	iommu->coherency = true;
	if (efr >> 4 & 1) {
		iommu->pasid_lg2 = (uint8_t)((efr >> 32 & 0x1f) + 1);
		if (iommu->pasid_lg2 > IOAS_PASID_BITS)
			iommu->pasid_lg2 = IOAS_PASID_BITS;
	}
}

/* Of others only the name says something. */
static const char *kind_of(const char *name)
{
	if (!strncmp(name, "smmu3.", 6))
		return "smmuv3";
	return strncmp(name, "riscv-iommu@", 12) ? "soft" : "riscv";
}

/* The index of the IOMMU that a device links to by `name`; "": of those that link to none. */
static int find_iommu(struct reader *reader, int device, const char name[64], uint32_t *index)
{
	struct import *import = &reader->import;
	struct ioas_topology_iommu *iommus;
	char(*names)[64];

	/* A machine has few, and each device asks once. */
	for (*index = 0; *index < import->iommu_nr; (*index)++)
		if (strcmp(reader->iommu_name[*index], name) == 0)
			return 0;
	names = realloc(reader->iommu_name, (import->iommu_nr + 1) * sizeof(*names));
	if (!names)
		return -ENOMEM;
	reader->iommu_name = names;
	iommus = realloc(import->iommus, (import->iommu_nr + 1) * sizeof(*iommus));
	if (!iommus)
		return -ENOMEM;
	import->iommus = iommus;
	memcpy(names[import->iommu_nr], name, sizeof(*names));
	iommus[import->iommu_nr] = (struct ioas_topology_iommu){.kind = kind_of(name)};
	read_vtd(device, &iommus[import->iommu_nr]);
	read_amd(device, &iommus[import->iommu_nr]);
	import->iommu_nr++;
	return 0;
}

/* ---- devices ---- */

/*
 * The kernel's group is only held against ours in the end. That there is one, or a link to an
 * IOMMU, says that the device is behind one. (AMD's IOMMUs have a folder of that name: themselves.)
 */
static int note_group(struct reader *reader, int device, struct import_function *function)
{
	struct ioas_topology_function *self = &function->decoded.function;
	size_t nr = reader->import.nr;
	char group[64], iommu[64];

	if (nr > reader->seen_cap) {
		struct seen *seen = realloc(reader->seen, 2 * nr * sizeof(*seen));

		if (!seen)
			return -ENOMEM;
		reader->seen = seen;
		reader->seen_cap = 2 * nr;
	}
	read_link(device, "iommu_group", group, sizeof(group));
	read_link(device, "iommu", iommu, sizeof(iommu));
	reader->seen[nr - 1] = (struct seen){
		.addr = self->addr,
		.group = *group ? (uint32_t)strtoul(group, NULL, 10) : NO_GROUP,
	};
	reader->any_group |= *group != '\0';
	self->iommu = IOAS_TOPOLOGY_NO_IOMMU;
	if (!*group && !*iommu)
		return 0;
	return find_iommu(reader, device, iommu, &self->iommu);
}

static int read_device(struct reader *reader, int device, struct ioas_pci_addr addr)
{
	struct import_function *function;
	uint8_t config[CONFIG_LEN];
	char text[64];
	uint64_t number;
	int rc;

	rc = import_add(&reader->import, addr, config,
			read_file(device, "config", config, sizeof(config)), &function,
			reader->why);
	if (rc || !function)
		return rc;
	read_link(device, "driver", function->driver, sizeof(function->driver));
	read_link(device, "physfn", text, sizeof(text));
	if (!ioas_pci_addr_parse(text, &function->decoded.function.physical))
		function->decoded.function.is_virtual = true;
	/* The kernel shows a link's width only of PCIe functions. */
	function->pcie_known = !faccessat(device, "max_link_width", F_OK, 0);
	if (function->decoded.function.vendor == 0xffff) {
		if (read_number(device, "vendor", &number))
			function->decoded.function.vendor = (uint16_t)number;
		if (read_number(device, "device", &number))
			function->decoded.function.device = (uint16_t)number;
	}
	return note_group(reader, device, function);
}

static int read_entry(struct reader *reader, const char *name)
{
	struct ioas_pci_addr addr;
	int device, rc;

	if (ioas_pci_addr_parse(name, &addr)) {
		reader->elsewhere++;
		return 0;
	}
	device = openat(reader->devices, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (device < 0)
		return why_set(reader->why, -errno, "%s/sys/bus/pci/devices/%s: %s", reader->root,
			       name, strerror(errno));
	rc = read_device(reader, device, addr);
	close(device);
	return rc;
}

static int read_all(struct reader *reader)
{
	int fd = dup(reader->devices);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int rc = 0;

	if (!dir) {
		rc = -errno;
		if (fd >= 0)
			close(fd);
		return rc;
	}
	while (!rc && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			rc = read_entry(reader, entry->d_name);
	closedir(dir);
	if (!rc && !reader->import.nr)
		rc = why_set(reader->why, -ENOENT, "%s/sys/bus/pci/devices: no device in it",
			     reader->root);
	return rc;
}

/* ---- the kernel's groups ---- */

/* Is there no IOMMU, as far as sysfs shows? Then all count as behind one. */
static bool put_all_behind_one(struct reader *reader)
{
	if (reader->import.iommu_nr)
		return false;
	for (size_t i = 0; i < reader->import.nr; i++)
		reader->import.functions[i].decoded.function.iommu = 0;
	return true;
}

static int compare_seen(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	return (x->group > y->group) - (x->group < y->group);
}

/* How many functions are in another group than the kernel has them in. */
static size_t count_differences(struct reader *reader, const struct ioas_topology *topology)
{
	uint32_t nr = ioas_topology_group_nr(topology);
	uint32_t *kernel = malloc(((size_t)nr + 1) * sizeof(*kernel));
	uint32_t ours = NO_GROUP;
	size_t count = 0;

	if (!kernel)
		return 0;
	for (uint32_t i = 0; i < nr; i++)
		kernel[i] = NO_GROUP;
	qsort(reader->seen, reader->import.nr, sizeof(*reader->seen), compare_seen);
	for (size_t i = 0; i < reader->import.nr; i++) {
		const struct seen *seen = &reader->seen[i];
		uint32_t group = ioas_topology_group_of(topology, seen->addr);

		/* The first of each of the kernel's groups says which of ours it is. */
		if (!i || seen->group != reader->seen[i - 1].group)
			ours = group;
		if (group == NO_GROUP || seen->group == NO_GROUP) {
			count += group != seen->group;
			continue;
		}
		if (kernel[group] == NO_GROUP)
			kernel[group] = seen->group;
		count += group != ours || kernel[group] != seen->group;
	}
	free(kernel);
	return count;
}

static int finish(struct reader *reader, struct ioas_topology **out, struct ioas_why *warning)
{
	bool none = put_all_behind_one(reader);
	size_t differ;
	int rc = import_finish(&reader->import, out, warning, reader->why);

	if (rc)
		return rc;
	if (none)
		import_remark(warning, "no IOMMU here, all taken as behind one");
	if (reader->elsewhere)
		import_remark(warning, "%zu in segments above ffff left out", reader->elsewhere);
	differ = reader->any_group ? count_differences(reader, *out) : 0;
	if (differ)
		import_remark(warning, "the kernel has %zu in other groups", differ);
	return 0;
}

int import_sysfs(const char *root, struct ioas_topology **out, struct ioas_why *warning,
		 struct ioas_why *why)
{
	struct reader reader = {.root = root, .why = why};
	char path[4096];
	int rc;

	/* "/" is the root of all, and of no longer name. */
	if (strcmp(root, "/") == 0)
		reader.root = "";
	if (snprintf(path, sizeof(path), "%s/sys/bus/pci/devices", reader.root) >=
	    (int)sizeof(path))
		return why_set(why, -ENAMETOOLONG, "%.100s...: the name is too long", root);
	reader.devices = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (reader.devices < 0)
		return why_set(why, -errno, "%.150s: %s", path, strerror(errno));
	rc = read_all(&reader);
	if (!rc)
		rc = finish(&reader, out, warning);
	close(reader.devices);
	import_fini(&reader.import);
	free(reader.seen);
	free(reader.iommu_name);
	return rc;
}
