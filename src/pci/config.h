/* SPDX-License-Identifier: MIT */
/*
 * A function's config space: bytes, and for each what a write may do to it.
 *
 * PCI Express Base Specification 5.0, chapter 7. The layout is what capabilities the description
 * calls for; the write masks are those of the view vfio-pci gives its user (MSI-X control, link
 * control and PME can't be written; BARs keep what is written).
 */
#ifndef PCI_CONFIG_H
#define PCI_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCI_CONFIG_LEN 4096

struct ioas_pci_desc;
struct ioas_topology_function;

/* What the machine, not the model, says of a function. */
struct pci_place {
	uint8_t type; /* enum ioas_topology_type; a conventional one has no PCIe capabilities */
	bool multifunction;
};

/* Registers of the header and bits in them. */
enum {
	PCI_CFG_COMMAND = 0x04,
	PCI_CFG_STATUS = 0x06,
	PCI_CFG_BAR0 = 0x10,
	PCI_CFG_CAP_FIRST = 0x34,
	PCI_CFG_PASID = 0x160,

	PCI_CMD_IO = 1 << 0,
	PCI_CMD_MEMORY = 1 << 1,
	PCI_CMD_MASTER = 1 << 2,
	PCI_CMD_INTX_DISABLE = 1 << 10,

	PCI_STS_INTX = 1 << 3,
	PCI_STS_CAPS = 1 << 4,

	PCI_PM_STATE = 3, /* of PMCSR: power state */
	PCI_PM_D3HOT = 3,

	PCI_EXP_FLR = 1 << 15, /* of device control: initiate function-level reset */

	PCI_MSIX_ENABLE = 1 << 15, /* of message control */

	PCI_ATS_ENABLE = 1 << 15,	  /* of ATS control */
	PCI_PRI_STOPPED = 1 << 8,	  /* of page request status: nothing is outstanding */
	PCI_PRI_PASID_REQUIRED = 1 << 15, /* likewise: responses have the PASID */
};

struct pci_config {
	uint8_t bytes[PCI_CONFIG_LEN];
	uint8_t writable[PCI_CONFIG_LEN]; /* bits that take what is written */
	uint8_t clear[PCI_CONFIG_LEN];	  /* bits that a written 1 clears */
	/* Where capabilities are; 0: absent. */
	uint16_t pm, msix, exp, aer, serial, ats, pri;
	uint16_t pasid, before_pasid; /* linked in the machine's view only */
	uint8_t cap_last;	      /* for adding capabilities */
	uint16_t ext_last;
};

/*
 * Fills in the whole space for a function with this description, as it is when the driver has
 * enabled it for a user: memory decoding on, bus master off, D0. `bar_base`: the initial addresses
 * of the BARs.
 */
void config_init(struct pci_config *config, const struct ioas_pci_desc *desc,
		 const uint64_t bar_base[6], const struct pci_place *place);
/* What the IOMMU's side has enabled of ATS and page requests, into the space. */
struct pci_translation {
	bool ats, pri;
	bool failed;	    /* a response said that requests fail */
	bool outstanding;   /* requests wait for their response, or may come */
	unsigned unit_lg2;  /* smallest translation */
	uint32_t allocated; /* page requests that may be outstanding */
};
void config_translation(struct pci_config *config, const struct pci_translation *now);

/* The space as the machine has it, with what is kept from the user (the PASID capability). */
void config_whole(const struct pci_config *config, uint8_t bytes[PCI_CONFIG_LEN]);
/* config_node.c: the same for a port, a bridge, or a function without a model, for the sysfs view.
 */
void config_init_node(struct pci_config *config, const struct ioas_topology_function *function);

/*
 * Takes a write of bytes inside the space, by the masks. A power state that is not D0 or D3hot
 * leaves the state. Returns whether function-level reset was asked for; its bit reads as 0.
 */
bool config_write(struct pci_config *config, size_t off, const uint8_t *buf, size_t len);

uint16_t config_get16(const struct pci_config *config, size_t off);
void config_set16(struct pci_config *config, size_t off, uint16_t value);
uint32_t config_get32(const struct pci_config *config, size_t off);
void config_set32(struct pci_config *config, size_t off, uint32_t value);

#endif
