/* SPDX-License-Identifier: MIT */
/*
 * Reads config space. Every offset that the bytes name is checked against what is there, and lists
 * may lead in circles: each place is visited once.
 */
#include <errno.h>
#include <string.h>
#include "config_decode.h"
#include "util/why.h"

/* Of the header. */
#define VENDOR	      0x00
#define DEVICE	      0x02
#define STATUS	      0x06
#define CLASS	      0x09
#define HEADER_TYPE   0x0e
#define SECONDARY     0x19
#define SUBORDINATE   0x1a
#define SUBSYSTEM     0x2c /* of type 0 */
#define CAPS	      0x34
#define CAPS_CARDBUS  0x14
#define STATUS_CAPS   0x10
#define MULTIFUNCTION 0x80

/* Capabilities. */
#define CAP_PCIE	  0x10
#define CAP_FIRST	  0x40
#define EXT_FIRST	  0x100
#define EXT_ACS		  0x0d
#define EXT_ATS		  0x0f
#define EXT_SRIOV	  0x10
#define EXT_PRI		  0x13
#define EXT_PASID	  0x1b
#define PCIE_DEVCAP	  0x04
#define PCIE_DEVCTL	  0x08
#define PCIE_PHANTOM_ON	  (1 << 9)
#define SRIOV_CTRL	  0x08
#define SRIOV_CTRL_ENABLE 0x01
#define SRIOV_NR	  0x10
#define SRIOV_OFFSET	  0x14
#define SRIOV_STRIDE	  0x16
#define SRIOV_DEVICE	  0x1a

struct space {
	const uint8_t *bytes;
	size_t len;
};

static bool has(const struct space *space, size_t off, size_t len)
{
	return off <= space->len && len <= space->len - off;
}

/* 0 where nothing was read. */
static uint16_t get16(const struct space *space, size_t off)
{
	if (!has(space, off, 2))
		return 0;
	return (uint16_t)(space->bytes[off] | space->bytes[off + 1] << 8);
}

static uint32_t get32(const struct space *space, size_t off)
{
	return has(space, off, 4) ? get16(space, off) | (uint32_t)get16(space, off + 2) << 16 : 0;
}

/* The device/port type of the PCIe capability; what is none is what it behaves most like. */
static uint8_t pcie_type(unsigned type, bool bridge)
{
	switch (type) {
	case 0:
		return bridge ? IOAS_TOPOLOGY_UPSTREAM : IOAS_TOPOLOGY_ENDPOINT;
	case 1:
		return bridge ? IOAS_TOPOLOGY_UPSTREAM : IOAS_TOPOLOGY_LEGACY_ENDPOINT;
	case 4:
		return IOAS_TOPOLOGY_ROOT_PORT;
	case 5:
		return IOAS_TOPOLOGY_UPSTREAM;
	case 6:
		return IOAS_TOPOLOGY_DOWNSTREAM;
	case 7:
		return IOAS_TOPOLOGY_PCIE_TO_PCI;
	case 8:
		return IOAS_TOPOLOGY_PCI_TO_PCIE;
	case 9:
		return bridge ? IOAS_TOPOLOGY_UPSTREAM : IOAS_TOPOLOGY_RC_ENDPOINT;
	case 10:
		return bridge ? IOAS_TOPOLOGY_UPSTREAM : IOAS_TOPOLOGY_RC_EVENT_COLLECTOR;
	default:
		return bridge ? IOAS_TOPOLOGY_UPSTREAM : IOAS_TOPOLOGY_ENDPOINT;
	}
}

static void read_pcie(const struct space *space, size_t at, bool bridge, struct config_decoded *out)
{
	struct ioas_topology_function *function = &out->function;
	unsigned phantom = get32(space, at + PCIE_DEVCAP) >> 3 & 3;

	out->pcie = true;
	function->type = pcie_type(get16(space, at + 2) >> 4 & 15, bridge);
	/* Only a device of one function has numbers to spare for all widths. */
	if (get16(space, at + PCIE_DEVCTL) & PCIE_PHANTOM_ON && !function->multifunction &&
	    !(function->addr.devfn & 7) && !bridge)
		function->phantom_lg2 = (uint8_t)phantom;
}

static void read_caps(const struct space *space, size_t pointer, bool bridge,
		      struct config_decoded *out)
{
	uint64_t seen = 0; /* places are multiples of 4 below 256 */

	if (!(get16(space, STATUS) & STATUS_CAPS))
		return;
	for (size_t at = space->bytes[pointer]; at >= CAP_FIRST; at = space->bytes[at + 1]) {
		at &= ~(size_t)3;
		if (seen >> (at / 4) & 1)
			return;
		seen |= UINT64_C(1) << (at / 4);
		if (!has(space, at, 4)) {
			out->caps_unseen = true;
			return;
		}
		if (space->bytes[at] == 0xff)
			return;
		if (space->bytes[at] == CAP_PCIE) {
			out->caps_unseen = !has(space, at, PCIE_DEVCTL + 2);
			read_pcie(space, at, bridge, out);
			return;
		}
	}
}

static void read_sriov(const struct space *space, size_t at, struct config_decoded *out)
{
	if (!(get16(space, at + SRIOV_CTRL) & SRIOV_CTRL_ENABLE))
		return;
	out->vf_nr = get16(space, at + SRIOV_NR);
	out->vf_offset = get16(space, at + SRIOV_OFFSET);
	out->vf_stride = get16(space, at + SRIOV_STRIDE);
	out->vf_device = get16(space, at + SRIOV_DEVICE);
}

/* Returns how many bytes of it were needed. */
static size_t read_ext_cap(const struct space *space, unsigned id, size_t at,
			   struct config_decoded *out)
{
	struct ioas_topology_function *function = &out->function;
	unsigned width;

	switch (id) {
	case EXT_ACS:
		if (out->acs_at)
			return 4; /* the first one counts */
		function->acs = true;
		function->acs_cap = get16(space, at + 4) & 0x7f;
		function->acs_ctrl = get16(space, at + 6) & function->acs_cap;
		out->acs_at = (uint16_t)at;
		return 8;
	case EXT_ATS:
		function->ats = true;
		return 4;
	case EXT_PRI:
		function->pri = true;
		return 4;
	case EXT_PASID:
		width = get16(space, at + 4) >> 8 & 31;
		function->pasid_lg2 = (uint8_t)(width < IOAS_PASID_BITS ? width : IOAS_PASID_BITS);
		return 8;
	case EXT_SRIOV:
		read_sriov(space, at, out);
		return SRIOV_DEVICE + 2;
	default:
		return 4;
	}
}

static void read_ext_caps(const struct space *space, struct config_decoded *out)
{
	uint64_t seen[CONFIG_LEN / 4 / 64] = {0};
	size_t at = EXT_FIRST;

	while (at >= EXT_FIRST) {
		uint32_t header = get32(space, at);
		size_t place = at / 4;

		if (seen[place / 64] >> place % 64 & 1)
			return;
		seen[place / 64] |= UINT64_C(1) << place % 64;
		if (!has(space, at, 4)) {
			out->ext_unseen = true;
			return;
		}
		if (!header || header == UINT32_MAX)
			return;
		if (!has(space, at, read_ext_cap(space, header & 0xffff, at, out)))
			out->ext_unseen = true;
		at = header >> 20 & 0xffc;
	}
}

static bool all_ones(const struct space *space)
{
	for (size_t i = 0; i < CONFIG_HEADER_LEN; i++)
		if (space->bytes[i] != 0xff)
			return false;
	return true;
}

static int read_header(const struct space *space, struct config_decoded *out, const char *name,
		       struct ioas_why *why)
{
	struct ioas_topology_function *function = &out->function;
	unsigned type = space->bytes[HEADER_TYPE] & ~MULTIFUNCTION;

	function->vendor = get16(space, VENDOR);
	function->device = get16(space, DEVICE);
	function->class_code = get32(space, CLASS) & 0xffffff;
	function->multifunction = space->bytes[HEADER_TYPE] & MULTIFUNCTION;
	if (type > 2)
		return why_set(why, -EINVAL, "%s: config space with a header of type %#x", name,
			       type);
	if (!type) {
		function->type = IOAS_TOPOLOGY_PCI_FUNCTION;
		out->subsystem_vendor = get16(space, SUBSYSTEM);
		out->subsystem = get16(space, SUBSYSTEM + 2);
		return 0;
	}
	/* A CardBus bridge (2) is a PCI bridge with other windows. */
	function->type = IOAS_TOPOLOGY_PCI_BRIDGE;
	function->secondary = space->bytes[SECONDARY];
	function->subordinate = function->secondary ? space->bytes[SUBORDINATE] : 0;
	return 0;
}

int config_decode(struct ioas_pci_addr addr, const uint8_t *config, size_t len,
		  struct config_decoded *out, struct ioas_why *why)
{
	struct space space = {.bytes = config, .len = len < CONFIG_LEN ? len : CONFIG_LEN};
	char name[IOAS_NAME_LEN];
	unsigned type;
	int rc;

	ioas_pci_addr_format(addr, name);
	*out = (struct config_decoded){.function.addr = addr};
	if (len < CONFIG_HEADER_LEN)
		return why_set(why, -EINVAL,
			       "%s: %zu bytes of config space, its header alone has %u", name, len,
			       CONFIG_HEADER_LEN);
	if (all_ones(&space))
		return why_set(why, -ENODATA, "%s: all ones, as where nothing is or has no power",
			       name);
	rc = read_header(&space, out, name, why);
	if (rc)
		return rc;
	type = config[HEADER_TYPE] & ~MULTIFUNCTION;
	read_caps(&space, type == 2 ? CAPS_CARDBUS : CAPS, type, out);
	if (out->pcie)
		read_ext_caps(&space, out);
	return 0;
}
