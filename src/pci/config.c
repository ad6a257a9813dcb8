/* SPDX-License-Identifier: MIT */
/*
 * Config space: header and capabilities from a description, and writes by mask.
 *
 * Multi-byte registers are little-endian whatever the host; every register is reached through
 * get/set helpers that say so.
 */
#include <string.h>
#include <ioas/topology.h>
#include "pci/config.h"
#include "pci/config_caps.h"

enum {
	CAP_PM = 0x01,
	CAP_EXP = 0x10,
	CAP_MSIX = 0x11,
};

uint16_t config_get16(const struct pci_config *config, size_t off)
{
	return (uint16_t)(config->bytes[off] | config->bytes[off + 1] << 8);
}

void config_set16(struct pci_config *config, size_t off, uint16_t value)
{
	config->bytes[off] = (uint8_t)value;
	config->bytes[off + 1] = (uint8_t)(value >> 8);
}

uint32_t config_get32(const struct pci_config *config, size_t off)
{
	return config_get16(config, off) | (uint32_t)config_get16(config, off + 2) << 16;
}

void config_set32(struct pci_config *config, size_t off, uint32_t value)
{
	config_set16(config, off, (uint16_t)value);
	config_set16(config, off + 2, (uint16_t)(value >> 16));
}

static void set_mask(uint8_t *mask, size_t off, uint32_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		mask[off + i] = (uint8_t)(value >> (8 * i));
}

/* Links a capability of `len` bytes in at `off`, in the order of the calls. */
static uint16_t add_cap(struct pci_config *config, uint8_t id, uint8_t off)
{
	config->bytes[config->cap_last ? config->cap_last + 1u : PCI_CFG_CAP_FIRST] = off;
	config->bytes[off] = id;
	config->cap_last = off;
	config_set16(config, PCI_CFG_STATUS, PCI_STS_CAPS);
	return off;
}

uint16_t config_add_ext(struct pci_config *config, uint16_t id, unsigned version, uint16_t off)
{
	if (config->ext_last)
		config_set16(config, config->ext_last + 2u,
			     (uint16_t)(config_get16(config, config->ext_last + 2u) | off << 4));
	config_set32(config, off, id | version << 16);
	config->ext_last = off;
	return off;
}

static void init_bars(struct pci_config *config, const struct ioas_pci_desc *desc,
		      const uint64_t bar_base[6])
{
	for (unsigned i = 0; i < 6; i++) {
		size_t off = PCI_CFG_BAR0 + 4 * i;
		uint64_t len = desc->bar[i].len;
		uint32_t flags = desc->bar[i].flags;
		uint32_t low;

		if (!len)
			continue;
		low = flags & IOAS_PCI_BAR_IO ? 1 : 0;
		low |= flags & IOAS_PCI_BAR_64 ? 4 : 0;
		low |= flags & IOAS_PCI_BAR_PREFETCH ? 8 : 0;
		config_set32(config, off, (uint32_t)bar_base[i] | low);
		set_mask(config->writable, off, (uint32_t) ~(len - 1), 4);
		if (!(flags & IOAS_PCI_BAR_64))
			continue;
		config_set32(config, off + 4, (uint32_t)(bar_base[i] >> 32));
		set_mask(config->writable, off + 4, (uint32_t)(~(len - 1) >> 32), 4);
	}
}

/* What the driver has enabled for its user: decoding, not bus mastering. */
static uint16_t first_command(const struct ioas_pci_desc *desc)
{
	uint16_t command = PCI_CMD_MEMORY;

	for (unsigned i = 0; i < 6; i++)
		if (desc->bar[i].len && desc->bar[i].flags & IOAS_PCI_BAR_IO)
			command |= PCI_CMD_IO;
	return command;
}

static void init_header(struct pci_config *config, const struct ioas_pci_desc *desc)
{
	config_set16(config, 0x00, desc->vendor);
	config_set16(config, 0x02, desc->device);
	config_set16(config, PCI_CFG_COMMAND, first_command(desc));
	/* I/O, memory, bus master, parity response, SERR, interrupt disable. */
	set_mask(config->writable, PCI_CFG_COMMAND, 0x0547, 2);
	config_set32(config, 0x08, desc->class_code << 8 | desc->revision);
	config->writable[0x0c] = 0xff; /* cache line size */
	config_set16(config, 0x2c, desc->subsystem_vendor);
	config_set16(config, 0x2e, desc->subsystem);
	config->writable[0x3c] = 0xff; /* interrupt line */
	config->bytes[0x3c] = desc->intx_pin ? 0x0b : 0;
	config->bytes[0x3d] = desc->intx_pin;
}

/* Version 3, D0 and D3hot only, no soft reset: state survives D3hot. */
void config_add_pm(struct pci_config *config)
{
	config->pm = add_cap(config, CAP_PM, 0x40);
	config_set16(config, config->pm + 2u, 0x0003);
	config_set16(config, config->pm + 4u, 0x0008);
	set_mask(config->writable, config->pm + 4u, PCI_PM_STATE, 2);
}

/* All of it is read-only: the driver enables MSI-X when the user sets eventfds. */
static void add_msix(struct pci_config *config, const struct ioas_pci_desc *desc)
{
	if (!desc->msix_nr)
		return;
	config->msix = add_cap(config, CAP_MSIX, 0x50);
	config_set16(config, config->msix + 2u, (uint16_t)(desc->msix_nr - 1));
	config_set32(config, config->msix + 4u, desc->msix_table | desc->msix_bar);
	config_set32(config, config->msix + 8u, desc->msix_pba | desc->msix_bar);
}

/* The link of every function and port here: 8 GT/s x4, trained. */
static void init_link(struct pci_config *config)
{
	config_set32(config, config->exp + 0x0cu, 0x00400043); /* link capabilities */
	config_set16(config, config->exp + 0x10u, 0x0040);     /* common clock */
	config_set16(config, config->exp + 0x12u, 0x1043);
	config_set32(config, config->exp + 0x2cu, 0x0000000e); /* 2.5, 5 and 8 GT/s */
	config_set16(config, config->exp + 0x30u, 0x0003);
}

void config_add_exp(struct pci_config *config, uint8_t type)
{
	config->exp = add_cap(config, CAP_EXP, 0x70);
	/* Version 2. */
	config_set16(config, config->exp + 2u, (uint16_t)(0x0002 | config_exp_type(type) << 4));
	/* 256-byte payloads, extended tags, role-based errors, FLR. */
	config_set32(config, config->exp + 4u, 0x10008021);
	config_set16(config, config->exp + 8u, 0x2810); /* 512-byte reads */
	set_mask(config->writable, config->exp + 8u, 0x79ff | PCI_EXP_FLR, 2);
	set_mask(config->clear, config->exp + 0x0au, 0x000f, 2);
	config_set32(config, config->exp + 0x24u, 0x0000001f); /* completion timeouts */
	set_mask(config->writable, config->exp + 0x28u, 0x001f, 2);
	if (config_has_link(type))
		init_link(config);
}

/* Nothing raises an error yet; the masks are those of the specification. */
void config_add_aer(struct pci_config *config)
{
	config->aer = config_add_ext(config, CONFIG_EXT_AER, 2, 0x100);
	set_mask(config->clear, config->aer + 0x04u, 0x07fff030, 4);
	set_mask(config->writable, config->aer + 0x08u, 0x07fff030, 4);
	config_set32(config, config->aer + 0x0cu, 0x00462030); /* which are fatal */
	set_mask(config->writable, config->aer + 0x0cu, 0x07fff030, 4);
	set_mask(config->clear, config->aer + 0x10u, 0x0000f1c1, 4);
	config_set32(config, config->aer + 0x14u, 0x0000e000);
	set_mask(config->writable, config->aer + 0x14u, 0x0000f1c1, 4);
	config_set32(config, config->aer + 0x18u, 0x000000a0); /* ECRC capable */
	set_mask(config->writable, config->aer + 0x18u, 0x00000140, 4);
}

static void add_serial(struct pci_config *config, uint64_t serial)
{
	if (!serial)
		return;
	config->serial = config_add_ext(config, CONFIG_EXT_SERIAL, 1, 0x148);
	config_set32(config, config->serial + 4u, (uint32_t)serial);
	config_set32(config, config->serial + 8u, (uint32_t)(serial >> 32));
}

/*
 * 7.8.9 and 10.5: vfio-pci shows both and lets nobody write them. Whether they are enabled the
 * IOMMU's side decides (config_translation). No limit to invalidations but the specification's 32,
 * and requests begin on pages.
 */
static void add_ats(struct pci_config *config, const struct ioas_pci_desc *desc)
{
	if (!desc->ats)
		return;
	config->ats = config_add_ext(config, CONFIG_EXT_ATS, 1, 0x158);
	config_set16(config, config->ats + 4u, 0x0020);
	if (!desc->page_request_nr)
		return;
	config->pri = config_add_ext(config, CONFIG_EXT_PRI, 1, 0x168);
	config_set32(config, config->pri + 8u, desc->page_request_nr);
}

void config_translation(struct pci_config *config, const struct pci_translation *now)
{
	if (config->ats)
		config_set16(config, config->ats + 6u,
			     (uint16_t)(now->unit_lg2 - 12) | (now->ats ? PCI_ATS_ENABLE : 0));
	if (!config->pri)
		return;
	config_set16(config, config->pri + 4u, now->pri ? 1 : 0);
	config_set16(config, config->pri + 6u,
		     (now->failed ? 1 : 0) | (now->outstanding ? 0 : PCI_PRI_STOPPED) |
			     (config->pasid ? PCI_PRI_PASID_REQUIRED : 0));
	config_set32(config, config->pri + 12u, now->pri ? now->allocated : 0);
}

/*
 * 7.8.8, with execute and privileged requests; switched on, as the IOMMU's driver leaves it. In the
 * user's view no capability leads to it: vfio-pci keeps it back (it has no length in its table of
 * extended capabilities), and the user learns of it from IOMMU_GET_HW_INFO.
 */
static void add_pasid(struct pci_config *config, unsigned width)
{
	if (!width)
		return;
	config->pasid = PCI_CFG_PASID;
	config->before_pasid = config->ext_last;
	config_set32(config, config->pasid, CONFIG_EXT_PASID | 1 << 16);
	config_set16(config, config->pasid + 4u, (uint16_t)(0x0006 | width << 8));
	config_set16(config, config->pasid + 6u, 0x0007);
}

void config_whole(const struct pci_config *config, uint8_t bytes[PCI_CONFIG_LEN])
{
	memcpy(bytes, config->bytes, PCI_CONFIG_LEN);
	if (!config->pasid)
		return;
	bytes[config->before_pasid + 2u] |= (uint8_t)(config->pasid << 4);
	bytes[config->before_pasid + 3u] |= (uint8_t)(config->pasid >> 4);
}

void config_init(struct pci_config *config, const struct ioas_pci_desc *desc,
		 const uint64_t bar_base[6], const struct pci_place *place)
{
	memset(config, 0, sizeof(*config));
	init_header(config, desc);
	config->bytes[0x0e] = place->multifunction ? 0x80 : 0;
	init_bars(config, desc, bar_base);
	config_add_pm(config);
	add_msix(config, desc);
	if (!config_type_is_pcie(place->type))
		return;
	config_add_exp(config, place->type);
	config_add_aer(config);
	add_serial(config, desc->serial);
	add_ats(config, desc);
	add_pasid(config, desc->pasid_lg2);
}

bool config_write(struct pci_config *config, size_t off, const uint8_t *buf, size_t len)
{
	uint8_t *pmcsr = &config->bytes[config->pm + 4u];
	uint8_t state = *pmcsr & PCI_PM_STATE;
	uint16_t devctl;

	for (size_t i = 0; i < len; i++) {
		uint8_t writable = config->writable[off + i];
		uint8_t *byte = &config->bytes[off + i];

		*byte = (uint8_t)((*byte & ~writable) | (buf[i] & writable));
		*byte &= (uint8_t) ~(buf[i] & config->clear[off + i]);
	}
	if ((*pmcsr & PCI_PM_STATE) == 1 || (*pmcsr & PCI_PM_STATE) == 2)
		*pmcsr = (uint8_t)((*pmcsr & ~PCI_PM_STATE) | state);
	if (!config->exp)
		return false;
	devctl = config_get16(config, config->exp + 8u);
	config_set16(config, config->exp + 8u, devctl & (uint16_t)~PCI_EXP_FLR);
	return devctl & PCI_EXP_FLR;
}
