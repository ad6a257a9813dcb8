/* SPDX-License-Identifier: MIT */
/*
 * A topology from config spaces, wherever they were read: functions are added one after the other,
 * then the whole is put together, with what only the whole tells: which functions are virtual,
 * ports that call themselves something they cannot be, quirks that depend on the place.
 */
#ifndef TOOLS_IMPORT_H
#define TOOLS_IMPORT_H

#include "config_decode.h"

struct import_function {
	struct config_decoded decoded; /* .function may be amended: iommu, is_virtual, physical */
	bool pcie_known;	       /* is PCIe, though the capability was not read */
	char driver[64];	       /* "" for none */
	uint8_t *config;
	size_t len;
};

struct import {
	struct import_function *functions;
	size_t nr, cap;
	struct ioas_topology_iommu *iommus; /* kind: a constant string; none: one is made up */
	size_t iommu_nr;
	size_t absent; /* functions without a config space that answers, left out */
};

/*
 * Takes one function. *out (may be NULL) is valid until the next. 0, *out NULL: its config space
 * reads as all ones, it is left out and counted; -EINVAL with a line; -ENOMEM.
 */
int import_add(struct import *import, struct ioas_pci_addr addr, const uint8_t *config, size_t len,
	       struct import_function **out, struct ioas_why *why);
/*
 * Makes the topology and resolves it. 0; -EEXIST two functions have one address, -EINVAL, each with
 * a line; -ENOMEM. *warning (may be NULL) gets a line on what was not seen and taken on trust, ""
 * for nothing.
 */
int import_finish(struct import *import, struct ioas_topology **out, struct ioas_why *warning,
		  struct ioas_why *why);
void import_fini(struct import *import);

/* One more remark for a warning; cut to fit. */
void import_remark(struct ioas_why *warning, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
