/* SPDX-License-Identifier: MIT */
/* The view of /sys: groups, modules, classes, and the devices that are not on a bus. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "iommu.h"
#include "pci/sysfs.h"
#include "util/alloc.h"

/* Two addresses, a word, a newline, and a zero at the end. */
#define RESERVED_LINE 64

/* A device without a bus, its class and its number. */
static void write_virtual(struct sysfs_tree *tree, const char *class, const char *name,
			  unsigned major, unsigned minor, const char *node)
{
	char number[32];

	snprintf(number, sizeof(number), "%u:%u", major, minor);
	sysfs_at(tree, "sys/devices/virtual/%s/%s", class, name);
	sysfs_text(tree, "dev", "%s", number);
	sysfs_text(tree, "uevent", "MAJOR=%u\nMINOR=%u\nDEVNAME=%s", major, minor, node);
	sysfs_power(tree);
	sysfs_link(tree, "subsystem", "sys/class/%s", class);
	sysfs_at(tree, "sys/class/%s", class);
	sysfs_link(tree, name, "sys/devices/virtual/%s/%s", class, name);
	sysfs_at(tree, "sys/dev/char");
	sysfs_link(tree, number, "sys/devices/virtual/%s/%s", class, name);
}

static int by_address(const void *a, const void *b)
{
	const struct ioas_range *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

static bool of_interrupts(const struct kind_unit *unit, const struct ioas_range *range)
{
	for (size_t i = 0; i < unit->msi_nr; i++)
		if (!by_address(&unit->reserved[i], range))
			return unit->reserved[i].last == range->last;
	return false;
}

/* In order of address, as Linux lists them. */
static void write_reserved(struct sysfs_tree *tree, const struct kind_unit *unit)
{
	size_t nr = unit->reserved_nr, len = 0;
	struct ioas_range *ranges = alloc_zero(nr + 1, sizeof(*ranges));
	char *text = alloc_zero(nr + 1, RESERVED_LINE);

	if (ranges && text) {
		memcpy(ranges, unit->reserved, nr * sizeof(*ranges));
		qsort(ranges, nr, sizeof(*ranges), by_address);
		for (size_t i = 0; i < nr; i++)
			len += (size_t)snprintf(
				text + len, RESERVED_LINE, "0x%016" PRIx64 " 0x%016" PRIx64 " %s\n",
				ranges[i].first, ranges[i].last,
				of_interrupts(unit, &ranges[i]) ? "msi" : "reserved");
		sysfs_bytes(tree, "reserved_regions", text, len);
	} else if (!tree->error) {
		tree->error = -ENOMEM;
	}
	free(ranges);
	free(text);
}

void sysfs_group_empty(struct sysfs_tree *tree, uint32_t number)
{
	sysfs_at(tree, "sys/kernel/iommu_groups/%u", number);
	sysfs_text(tree, "type", "DMA");
	write_reserved(tree, pci_group_unit(tree->iommu, number));
	sysfs_dir(tree, "devices");
}

void sysfs_group_member(struct sysfs_tree *tree, uint32_t number, const char *name,
			const char *device_path)
{
	sysfs_at(tree, "sys/kernel/iommu_groups/%u/devices", number);
	sysfs_link(tree, name, "%s", device_path);
}

void sysfs_group(struct sysfs_tree *tree, struct pci_group *group)
{
	uint32_t number = pci_group_number(group);
	char name[16], node[32];

	sysfs_group_empty(tree, number);
	snprintf(name, sizeof(name), "%u", number);
	snprintf(node, sizeof(node), "vfio/%u", number);
	write_virtual(tree, "vfio", name, SYSFS_GROUP_MAJOR, number, node);
}

static void write_module(struct sysfs_tree *tree, const char *name)
{
	sysfs_at(tree, "sys/module/%s", name);
	sysfs_text(tree, "initstate", "live");
	sysfs_text(tree, "refcnt", "0");
	sysfs_text(tree, "taint", "%s", "");
	sysfs_dir(tree, "holders");
	sysfs_dir(tree, "parameters");
}

/* No enable_unsafe_noiommu_mode: a kernel without that option has no such file. */
static void write_modules(struct sysfs_tree *tree)
{
	write_module(tree, "vfio");
	sysfs_text(tree, "version", "0.3");
	write_module(tree, "vfio_pci_core");
	sysfs_text(tree, "parameters/disable_idle_d3", "N");
	sysfs_text(tree, "parameters/nointxmask", "N");
	write_module(tree, "vfio_pci");
	sysfs_text(tree, "parameters/disable_denylist", "N");
	sysfs_text(tree, "parameters/disable_idle_d3", "N");
	sysfs_text(tree, "parameters/nointxmask", "N");
	sysfs_dir(tree, "drivers");
	sysfs_link(tree, "drivers/pci:vfio-pci", "sys/bus/pci/drivers/vfio-pci");
	write_module(tree, "vfio_iommu_type1");
	sysfs_text(tree, "parameters/allow_unsafe_interrupts", "N");
	sysfs_text(tree, "parameters/disable_hugepages", "N");
	sysfs_text(tree, "parameters/dma_entry_limit", "65535");
	write_module(tree, "iommufd");
	sysfs_text(tree, "parameters/allow_unsafe_interrupts", "N");
}

/* What a kind shows in folders of its own. */
static void write_unit(struct sysfs_tree *tree, const struct kind_unit *unit)
{
	const struct kind_type *type = unit->type;
	struct kind_attribute attribute;

	sysfs_at(tree, SYSFS_IOMMU, unit->name);
	sysfs_bytes(tree, "uevent", "", 0);
	sysfs_dir(tree, "devices");
	for (unsigned i = 0; type->attribute && type->attribute(unit, i, &attribute); i++) {
		const char *slash = strchr(attribute.name, '/');

		sysfs_at(tree, SYSFS_IOMMU "/%.*s", unit->name, (int)(slash - attribute.name),
			 attribute.name);
		sysfs_text(tree, slash + 1, "%s", attribute.text);
	}
	sysfs_at(tree, SYSFS_IOMMU, unit->name);
	sysfs_power(tree);
	sysfs_link(tree, "subsystem", "sys/class/iommu");
	sysfs_at(tree, "sys/class/iommu");
	sysfs_link(tree, unit->name, SYSFS_IOMMU, unit->name);
}

void sysfs_machine(struct sysfs_tree *tree)
{
	const struct kind_unit *unit;

	write_modules(tree);
	sysfs_at(tree, "sys/kernel/iommu_groups");
	sysfs_at(tree, "sys/class/vfio-dev");
	sysfs_at(tree, "sys/class/vfio");
	sysfs_at(tree, "sys/class/pci_bus");
	write_virtual(tree, "misc", "vfio", 10, 196, "vfio/vfio\nDEVMODE=0666");
	write_virtual(tree, "misc", "iommu", 10, 127, "iommu");

	for (size_t i = 0; (unit = pci_unit_at(tree->iommu, i)); i++)
		write_unit(tree, unit);

	sysfs_at(tree, "sys/bus/pci/devices");
	sysfs_at(tree, "sys/bus/pci/slots");
	sysfs_at(tree, "sys/bus/pci");
	sysfs_text(tree, "drivers_autoprobe", "1");
	sysfs_at(tree, "sys/bus/pci/drivers/pcieport");
	sysfs_at(tree, "sys/bus/pci/drivers/vfio-pci");
	sysfs_link(tree, "module", "sys/module/vfio_pci");
}
