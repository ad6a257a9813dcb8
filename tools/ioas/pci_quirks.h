/* SPDX-License-Identifier: MIT */
/*
 * Functions that are not what their config space says: requester IDs of their own choice, isolation
 * without ACS registers, bridges that hide what they are. By vendor and device, as Linux 6.12 knows
 * them.
 */
#ifndef TOOLS_PCI_QUIRKS_H
#define TOOLS_PCI_QUIRKS_H

#include "config_decode.h"

struct quirk_place {
	bool root_bus;	/* it is on one */
	bool amd_iommu; /* the machine has AMD's */
};

/* The most aliases that quirk_aliases writes. */
#define QUIRK_ALIASES 256

/*
 * Adds the quirks of a function to what was decoded; `config` is what that was decoded from.
 */
void quirks_apply(struct config_decoded *decoded, const struct quirk_place *place,
		  const uint8_t *config, size_t len);
/* Writes the requester IDs that it is known to use beside its own, and returns how many. */
size_t quirk_aliases(const struct config_decoded *decoded, rid_t out[QUIRK_ALIASES]);

#endif
