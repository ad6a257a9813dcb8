/* SPDX-License-Identifier: MIT */
/*
 * The view of /sys: sys/devices/pciSSSS:00 and sys/bus/pci, laid out as Linux 6.12 does with these
 * functions bound to vfio-pci and in use (D0, enabled).
 *
 * Left out are the files that do something when written or mapped (reset, remove, bind, resourceN):
 * a file on disk would take the write and do nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "kind/unit.h"
#include "pci/bus.h"
#include "pci/sysfs.h"

#define RESOURCES	13 /* BARs, ROM, BARs of virtual functions */
#define WINDOWS		4  /* of a bridge */
#define RESOURCE_IO	0x00000100u
#define RESOURCE_MEMORY 0x00000200u
#define RESOURCE_PREF	0x00002000u
#define RESOURCE_ALIGN	0x00040000u
#define RESOURCE_64	0x00100000u
#define DEVICE_PATH_LEN 1024 /* a bridge has 13 bytes, and 60 of them lie in a row at most */

/* What a device folder says of itself, function or port. */
struct node {
	struct ioas_pci_addr addr;
	char name[IOAS_NAME_LEN];
	char path[DEVICE_PATH_LEN];
	const struct pci_config *config;
	const char *driver; /* "": none */
	uint32_t group;	    /* UINT32_MAX: none */
	unsigned irq;
};

/* From the root bus down: each bridge's folder has what is below it. */
static void format_path(const struct ioas_topology *topology, char *path, struct ioas_pci_addr addr)
{
	const struct ioas_topology_function *above = ioas_topology_above(topology, addr);
	char name[IOAS_NAME_LEN];
	size_t used;

	if (above)
		format_path(topology, path, above->addr);
	else
		snprintf(path, DEVICE_PATH_LEN, "sys/devices/pci%04x:%02x", addr.segment, addr.bus);
	used = strlen(path);
	snprintf(path + used, DEVICE_PATH_LEN - used, "/%s", ioas_pci_addr_format(addr, name));
}

static void write_uevent(struct sysfs_tree *tree, const struct node *node, const char *alias)
{
	const struct pci_config *config = node->config;

	sysfs_text(tree, "uevent",
		   "%s%s%sPCI_CLASS=%X\nPCI_ID=%04X:%04X\nPCI_SUBSYS_ID=%04X:%04X\n"
		   "PCI_SLOT_NAME=%s\nMODALIAS=%s",
		   *node->driver ? "DRIVER=" : "", node->driver, *node->driver ? "\n" : "",
		   config_get32(config, 0x08) >> 8, config_get16(config, 0x00),
		   config_get16(config, 0x02), config_get16(config, 0x2c),
		   config_get16(config, 0x2e), node->name, alias);
}

static void write_ids(struct sysfs_tree *tree, const struct node *node)
{
	const struct pci_config *config = node->config;
	uint32_t class = config_get32(config, 0x08) >> 8;
	uint8_t bytes[PCI_CONFIG_LEN];
	char alias[80];

	snprintf(alias, sizeof(alias), "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X",
		 config_get16(config, 0x00), config_get16(config, 0x02), config_get16(config, 0x2c),
		 config_get16(config, 0x2e), class >> 16, class >> 8 & 0xff, class & 0xff);
	sysfs_text(tree, "vendor", "0x%04x", config_get16(config, 0x00));
	sysfs_text(tree, "device", "0x%04x", config_get16(config, 0x02));
	sysfs_text(tree, "subsystem_vendor", "0x%04x", config_get16(config, 0x2c));
	sysfs_text(tree, "subsystem_device", "0x%04x", config_get16(config, 0x2e));
	sysfs_text(tree, "class", "0x%06x", class);
	sysfs_text(tree, "revision", "0x%02x", config->bytes[0x08]);
	sysfs_text(tree, "modalias", "%s", alias);
	write_uevent(tree, node, alias);
	config_whole(config, bytes);
	sysfs_bytes(tree, "config", bytes, sizeof(bytes));
}

/* All processors are near. Masks are written in 32-bit groups, highest first. */
static void write_cpus(struct sysfs_tree *tree, const char *mask, const char *list)
{
	long nr = sysconf(_SC_NPROCESSORS_CONF);
	char text[1024] = "";
	int used = 0;

	for (long group = (nr - 1) / 32; group >= 0; group--) {
		uint32_t bits =
			group == (nr - 1) / 32 && nr % 32 ? (1u << nr % 32) - 1 : UINT32_MAX;

		if (used >= 0 && used < (int)sizeof(text) - 10)
			used += sprintf(text + used, used ? ",%08x" : "%x", bits);
	}
	sysfs_text(tree, mask, "%s", text);
	if (nr > 1)
		sysfs_text(tree, list, "0-%ld", nr - 1);
	else
		sysfs_text(tree, list, "0");
}

static void write_link(struct sysfs_tree *tree, const struct pci_config *config)
{
	static const char *const speeds[] = {"Unknown", "2.5 GT/s PCIe", "5.0 GT/s PCIe",
					     "8.0 GT/s PCIe"};
	uint32_t cap = config_get32(config, config->exp + 0x0cu);
	uint16_t status = config_get16(config, config->exp + 0x12u);

	sysfs_text(tree, "max_link_speed", "%s", speeds[cap & 3]);
	sysfs_text(tree, "max_link_width", "%u", cap >> 4 & 0x3f);
	sysfs_text(tree, "current_link_speed", "%s", speeds[status & 3]);
	sysfs_text(tree, "current_link_width", "%u", status >> 4 & 0x3fu);
}

/* What every PCI device has, and the links that lead to it. */
static void write_node(struct sysfs_tree *tree, const struct node *node)
{
	const struct kind_unit *unit;

	sysfs_at(tree, "%s", node->path);
	write_ids(tree, node);
	write_cpus(tree, "local_cpus", "local_cpulist");
	if (node->config->exp)
		write_link(tree, node->config);
	sysfs_text(tree, "ari_enabled", "0");
	sysfs_text(tree, "broken_parity_status", "0");
	sysfs_text(tree, "d3cold_allowed", "1");
	sysfs_text(tree, "driver_override", "%s",
		   strcmp(node->driver, "vfio-pci") ? "(null)" : node->driver);
	sysfs_text(tree, "enable", "1");
	sysfs_text(tree, "irq", "%u", node->irq);
	sysfs_text(tree, "msi_bus", "1");
	sysfs_text(tree, "numa_node", "-1");
	sysfs_text(tree, "power_state", "D0");
	sysfs_dir(tree, "link");
	sysfs_power(tree);
	sysfs_link(tree, "subsystem", "sys/bus/pci");
	sysfs_at(tree, "sys/bus/pci/devices");
	sysfs_link(tree, node->name, "%s", node->path);
	if (*node->driver) {
		sysfs_at(tree, "%s", node->path);
		sysfs_link(tree, "driver", "sys/bus/pci/drivers/%s", node->driver);
		sysfs_at(tree, "sys/bus/pci/drivers/%s", node->driver);
		sysfs_link(tree, node->name, "%s", node->path);
	}
	if (node->group == UINT32_MAX)
		return;
	unit = pci_group_unit(tree->iommu, node->group);
	sysfs_at(tree, "%s", node->path);
	sysfs_link(tree, "iommu", SYSFS_IOMMU, unit->name);
	sysfs_link(tree, "iommu_group", "sys/kernel/iommu_groups/%u", node->group);
	sysfs_at(tree, SYSFS_IOMMU "/devices", unit->name);
	sysfs_link(tree, node->name, "%s", node->path);
	sysfs_group_empty(tree, node->group);
	sysfs_group_member(tree, node->group, node->name, node->path);
}

static int add_line(char *text, int used, uint64_t base, uint64_t len, uint64_t flags)
{
	return used +
	       sprintf(text + used, "0x%016llx 0x%016llx 0x%016llx\n", (unsigned long long)base,
		       (unsigned long long)(len ? base + len - 1 : 0), (unsigned long long)flags);
}

static void write_resources(struct sysfs_tree *tree, const struct ioas_pci *pci)
{
	char text[(RESOURCES + WINDOWS) * 64];
	int used = 0;

	for (unsigned i = 0; i < RESOURCES; i++) {
		uint64_t len = i < 6 ? pci->desc.bar[i].len : 0;
		uint32_t desc = i < 6 ? pci->desc.bar[i].flags : 0;
		uint64_t flags = RESOURCE_ALIGN;

		if (desc & IOAS_PCI_BAR_IO)
			flags |= RESOURCE_IO | 1;
		else
			flags |= RESOURCE_MEMORY;
		if (desc & IOAS_PCI_BAR_64)
			flags |= RESOURCE_64 | 4;
		if (desc & IOAS_PCI_BAR_PREFETCH)
			flags |= RESOURCE_PREF | 8;
		used = add_line(text, used, len ? pci->bar_base[i] : 0, len, len ? flags : 0);
	}
	sysfs_text(tree, "resource", "%s", text);
}

/* The character device: vfio-dev/vfioN, and where it is linked from. */
static void write_cdev(struct sysfs_tree *tree, struct ioas_pci *pci, const char *path)
{
	uint32_t index = pci_cdev_index(pci);
	char cdev[DEVICE_PATH_LEN + 32], name[32];

	snprintf(name, sizeof(name), "vfio%u", index);
	snprintf(cdev, sizeof(cdev), "%s/vfio-dev/%s", path, name);
	sysfs_at(tree, "%s", cdev);
	sysfs_text(tree, "dev", "%d:%u", SYSFS_CDEV_MAJOR, index);
	sysfs_text(tree, "uevent", "MAJOR=%d\nMINOR=%u\nDEVNAME=vfio/devices/%s", SYSFS_CDEV_MAJOR,
		   index, name);
	sysfs_power(tree);
	sysfs_link(tree, "device", "%s", path);
	sysfs_link(tree, "subsystem", "sys/class/vfio-dev");
	sysfs_at(tree, "sys/class/vfio-dev");
	sysfs_link(tree, name, "%s", cdev);
	sysfs_at(tree, "sys/dev/char");
	snprintf(name, sizeof(name), "%d:%u", SYSFS_CDEV_MAJOR, index);
	sysfs_link(tree, name, "%s", cdev);
}

/* pci_bus/SSSS:BB below the bridge (or the root) at `above`. */
static void write_pci_bus(struct sysfs_tree *tree, const char *above, uint16_t segment, uint8_t bus)
{
	char name[32];

	snprintf(name, sizeof(name), "%04x:%02x", segment, bus);
	sysfs_at(tree, "%s/pci_bus/%s", above, name);
	write_cpus(tree, "cpuaffinity", "cpulistaffinity");
	sysfs_bytes(tree, "uevent", "", 0);
	sysfs_power(tree);
	sysfs_link(tree, "device", "%s", above);
	sysfs_link(tree, "subsystem", "sys/class/pci_bus");
	sysfs_at(tree, "sys/class/pci_bus");
	sysfs_link(tree, name, "%s/pci_bus/%s", above, name);
}

static void write_root(struct sysfs_tree *tree, uint16_t segment, uint8_t bus)
{
	char path[DEVICE_PATH_LEN];

	snprintf(path, sizeof(path), "sys/devices/pci%04x:%02x", segment, bus);
	sysfs_at(tree, "%s", path);
	sysfs_bytes(tree, "uevent", "", 0);
	sysfs_power(tree);
	write_pci_bus(tree, path, segment, bus);
}

static void write_function(struct sysfs_tree *tree, struct ioas_pci *pci, struct node *node)
{
	node->config = &pci->config;
	node->driver = "vfio-pci";
	node->irq = pci->desc.intx_pin ? 15u + pci->desc.intx_pin : 0;
	pthread_mutex_lock(&pci->control);
	write_node(tree, node);
	pthread_mutex_unlock(&pci->control);
	sysfs_at(tree, "%s", node->path);
	sysfs_text(tree, "dma_mask_bits", "64");
	sysfs_text(tree, "consistent_dma_mask_bits", "64");
	sysfs_text(tree, "reset_method", pci->config.exp ? "flr" : "");
	write_resources(tree, pci);
	write_cdev(tree, pci, node->path);
}

/* A port, a bridge, or a function without a model. Only PCIe ports have a driver by themselves. */
static void write_other(struct sysfs_tree *tree, const struct ioas_topology_function *function,
			struct node node)
{
	bool bridge = ioas_topology_is_bridge(function);
	char text[(RESOURCES + WINDOWS) * 64];
	struct pci_config config;
	int used = 0;

	config_init_node(&config, function);
	node.config = &config;
	if (function->driver && *function->driver)
		node.driver = function->driver;
	else if (function->type == IOAS_TOPOLOGY_ROOT_PORT ||
		 function->type == IOAS_TOPOLOGY_UPSTREAM ||
		 function->type == IOAS_TOPOLOGY_DOWNSTREAM)
		node.driver = "pcieport";
	else
		node.driver = "";
	node.irq = bridge ? 24u + function->secondary : 0;
	write_node(tree, &node);
	sysfs_at(tree, "%s", node.path);
	sysfs_text(tree, "dma_mask_bits", "32");
	sysfs_text(tree, "consistent_dma_mask_bits", "32");
	for (unsigned i = 0; i < RESOURCES + (bridge ? WINDOWS : 0); i++)
		used = add_line(text, used, 0, 0, 0);
	sysfs_text(tree, "resource", "%s", text);
	if (!bridge)
		return;
	sysfs_text(tree, "secondary_bus_number", "%u", function->secondary);
	sysfs_text(tree, "subordinate_bus_number", "%u", function->subordinate);
	if (function->secondary)
		write_pci_bus(tree, node.path, function->addr.segment, function->secondary);
}

static void write_any(struct sysfs_tree *tree, struct ioas_iommu *iommu,
		      const struct ioas_topology *topology,
		      const struct ioas_topology_function *function)
{
	struct ioas_pci *pci = pci_find(iommu, function->addr);
	struct node node = {.addr = function->addr};

	if (pci)
		node.group = pci_group_number(pci_group_of(pci));
	else if (ioas_pci_topology(iommu))
		node.group = ioas_topology_group_of(topology, function->addr);
	else
		node.group = pci_port_group(iommu, function->addr);
	ioas_pci_addr_format(function->addr, node.name);
	format_path(topology, node.path, function->addr);
	if (!ioas_topology_above(topology, function->addr))
		write_root(tree, function->addr.segment, function->addr.bus);
	if (pci)
		write_function(tree, pci, &node);
	else
		write_other(tree, function, node);
}

static int write_machine(struct sysfs_tree *tree, struct ioas_iommu *iommu)
{
	const struct ioas_topology_function *function = NULL;
	struct ioas_topology *topology;
	int rc = ioas_pci_describe(iommu, &topology, NULL);

	if (rc)
		return rc;
	while (!tree->error && (function = ioas_topology_next(topology, function)))
		write_any(tree, iommu, topology, function);
	ioas_topology_destroy(topology);
	return tree->error;
}

static int write_group(struct pci_group *group, void *arg)
{
	struct sysfs_tree *tree = arg;

	sysfs_group(tree, group);
	return tree->error;
}

int ioas_pci_sysfs_write(struct ioas_iommu *iommu, const char *root)
{
	struct sysfs_tree tree = {
		.iommu = iommu,
		.root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC),
	};
	int saved = errno;

	if (tree.root < 0) {
		tree.error = -errno;
	} else {
		sysfs_machine(&tree);
		if (!tree.error)
			pci_group_each(iommu, write_group, &tree);
		if (!tree.error)
			tree.error = write_machine(&tree, iommu);
		close(tree.root);
	}
	errno = saved;
	return tree.error;
}
