/* SPDX-License-Identifier: MIT */
/* The bytes of config space in an `lspci -x` dump, read by libpci. */
#ifndef TOOLS_LSPCI_DUMP_H
#define TOOLS_LSPCI_DUMP_H

#include <ioas/pci.h>

/*
 * Calls `fn` for each function of the dump at `path`, with its first `len` bytes of config space,
 * until it returns non-zero, and returns that. -EINVAL with libpci's reason when it cannot read the
 * dump.
 */
int lspci_dump_each(const char *path,
		    int (*fn)(struct ioas_pci_addr addr, const uint8_t *config, size_t len,
			      void *arg),
		    void *arg, struct ioas_why *why);

#endif
