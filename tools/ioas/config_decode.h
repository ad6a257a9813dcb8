/* SPDX-License-Identifier: MIT */
/*
 * What the bytes of a function's config space say of it, as far as they were read: 64 without
 * privileges, 256 without the extended space, and of a dump maybe any number.
 *
 * PCI Express Base Specification 5.0, chapter 7.
 */
#ifndef TOOLS_CONFIG_DECODE_H
#define TOOLS_CONFIG_DECODE_H

#include <ioas/topology.h>

#define CONFIG_HEADER_LEN 64
#define CONFIG_LEN	  4096

struct config_decoded {
	struct ioas_topology_function function; /* no strings, no aliases, iommu 0 */
	uint16_t subsystem_vendor, subsystem;
	bool pcie;	  /* has the PCIe capability */
	uint16_t acs_at;  /* where its ACS capability is, 0: none */
	bool caps_unseen; /* it has capabilities that were not read: its type is a guess */
	bool ext_unseen;  /* extended capabilities were not all read: ACS, PASID and others */
	uint16_t vf_nr;	  /* virtual functions switched on, and where their numbers begin */
	uint16_t vf_offset, vf_stride;
	uint16_t vf_device; /* their device ID */
};

/*
 * 0; -EINVAL with a line: too short for a header, or its kind is none there is; -ENODATA with a
 * line: all bytes are ones, as a function reads that is gone or without power.
 */
int config_decode(struct ioas_pci_addr addr, const uint8_t *config, size_t len,
		  struct config_decoded *out, struct ioas_why *why);

#endif
