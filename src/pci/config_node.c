/* SPDX-License-Identifier: MIT */
/* Config space of what no model stands for: ports, bridges, and functions that are just there. */
#include <string.h>
#include <ioas/topology.h>
#include "pci/config.h"
#include "pci/config_caps.h"

/* QEMU's devices of that type by their IDs, as pci.ids knows them. */
static const struct {
	uint8_t exp; /* device/port type of the PCIe capability */
	bool pcie;
	uint32_t id; /* device << 16 | vendor */
} types[IOAS_TOPOLOGY_TYPE_NR] = {
	[IOAS_TOPOLOGY_ENDPOINT] = {0x0, true, 0x00051b36},
	[IOAS_TOPOLOGY_LEGACY_ENDPOINT] = {0x1, true, 0x00051b36},
	[IOAS_TOPOLOGY_ROOT_PORT] = {0x4, true, 0x000c1b36},
	[IOAS_TOPOLOGY_UPSTREAM] = {0x5, true, 0x8232104c},
	[IOAS_TOPOLOGY_DOWNSTREAM] = {0x6, true, 0x8233104c},
	[IOAS_TOPOLOGY_PCIE_TO_PCI] = {0x7, true, 0x000e1b36},
	[IOAS_TOPOLOGY_PCI_TO_PCIE] = {0x8, true, 0x00011b36},
	[IOAS_TOPOLOGY_RC_ENDPOINT] = {0x9, true, 0x00051b36},
	[IOAS_TOPOLOGY_RC_EVENT_COLLECTOR] = {0xa, true, 0x00051b36},
	[IOAS_TOPOLOGY_PCI_FUNCTION] = {0, false, 0x00051b36},
	[IOAS_TOPOLOGY_PCI_BRIDGE] = {0, false, 0x00011b36},
};

bool config_type_is_pcie(uint8_t type)
{
	return types[type].pcie;
}

uint8_t config_exp_type(uint8_t type)
{
	return types[type].exp;
}

bool config_has_link(uint8_t type)
{
	return types[type].pcie && type != IOAS_TOPOLOGY_RC_ENDPOINT &&
	       type != IOAS_TOPOLOGY_RC_EVENT_COLLECTOR;
}

static void init_header(struct pci_config *config, const struct ioas_topology_function *function)
{
	bool bridge = ioas_topology_is_bridge(function);
	uint32_t id = function->vendor ? (uint32_t)function->device << 16 | function->vendor
				       : types[function->type].id;
	uint32_t class = function->class_code ?: bridge ? 0x060400 : 0xff0000;

	config_set32(config, 0x00, id);
	config_set16(config, PCI_CFG_COMMAND, bridge ? 0x0507 : PCI_CMD_MEMORY);
	config_set32(config, 0x08, class << 8);
	config->bytes[0x0e] = (uint8_t)(bridge | (function->multifunction ? 0x80 : 0));
	if (!bridge)
		return;
	config->bytes[0x18] = function->addr.bus;
	config->bytes[0x19] = function->secondary;
	config->bytes[0x1a] = function->subordinate;
	config_set32(config, 0x20, 0x0000fff0); /* windows closed: base above limit */
	config_set32(config, 0x24, 0x0001fff1);
	config->bytes[0x3d] = 1;
}

static void add_acs(struct pci_config *config, const struct ioas_topology_function *function)
{
	uint16_t acs;

	if (!function->acs)
		return;
	acs = config_add_ext(config, CONFIG_EXT_ACS, 1, 0x148);
	config_set16(config, acs + 4u, function->acs_cap);
	config_set16(config, acs + 6u, function->acs_ctrl);
}

/* What is there to be seen of address translation; nobody has switched it on. */
static void add_translation(struct pci_config *config,
			    const struct ioas_topology_function *function)
{
	if (function->ats)
		config_add_ext(config, CONFIG_EXT_ATS, 1, 0x158);
	if (function->pri && !function->is_virtual)
		config_add_ext(config, CONFIG_EXT_PRI, 1, 0x160);
	if (function->pasid_lg2 && !function->is_virtual) {
		uint16_t pasid = config_add_ext(config, CONFIG_EXT_PASID, 1, 0x170);

		config_set16(config, pasid + 4u, (uint16_t)(function->pasid_lg2 << 8));
	}
}

void config_init_node(struct pci_config *config, const struct ioas_topology_function *function)
{
	memset(config, 0, sizeof(*config));
	init_header(config, function);
	config_add_pm(config);
	if (!types[function->type].pcie)
		return;
	config_add_exp(config, function->type);
	/* No FLR, and on ports the number of the slot. */
	config_set32(config, config->exp + 4u, 0x00008021);
	if (config_has_link(function->type))
		config->bytes[config->exp + 0x0fu] = function->secondary;
	config_add_aer(config);
	add_acs(config, function);
	add_translation(config, function);
}
