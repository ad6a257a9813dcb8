/* SPDX-License-Identifier: MIT */
/* Building config spaces: what config.c and config_node.c share. */
#ifndef PCI_CONFIG_CAPS_H
#define PCI_CONFIG_CAPS_H

#include "pci/config.h"

/* Extended capabilities by their IDs (PCI Code and ID Assignment Specification). */
enum {
	CONFIG_EXT_AER = 0x0001,
	CONFIG_EXT_SERIAL = 0x0003,
	CONFIG_EXT_ACS = 0x000d,
	CONFIG_EXT_ATS = 0x000f,
	CONFIG_EXT_PRI = 0x0013,
	CONFIG_EXT_PASID = 0x001b,
};

/* Links an extended capability in at `off`, in the order of the calls. Returns off. */
uint16_t config_add_ext(struct pci_config *config, uint16_t id, unsigned version, uint16_t off);
/* Power management, PCIe for an enum ioas_topology_type, advanced error reporting. */
void config_add_pm(struct pci_config *config);
void config_add_exp(struct pci_config *config, uint8_t type);
void config_add_aer(struct pci_config *config);

/* Of an enum ioas_topology_type. */
bool config_type_is_pcie(uint8_t type);
uint8_t config_exp_type(uint8_t type);
bool config_has_link(uint8_t type);

#endif
