/* SPDX-License-Identifier: MIT */
/*
 * Where BARs are, as firmware places them: one after the other, each a multiple of its length, and
 * only what is prefetchable above 4 GiB if it need not.
 */
#include <errno.h>
#include "pci/bus.h"
#include "util/why.h"

/* Holes of the machine's address map that firmware places BARs in. */
#define MEMORY32_FIRST 0xc0000000ull
#define MEMORY32_LAST  0xfdffffffull
#define MEMORY64_FIRST 0x380000000000ull
#define MEMORY64_LAST  0x3fffffffffffull
#define IO_FIRST       0x2000ull
#define IO_LAST	       0xffffull

void place_none(struct pci_bus *bus)
{
	bus->next_memory32 = MEMORY32_FIRST;
	bus->next_memory64 = MEMORY64_FIRST;
	bus->next_io = IO_FIRST;
}

static int place(uint64_t *next, uint64_t last, uint64_t len, uint64_t *out)
{
	uint64_t base = (*next + len - 1) & ~(len - 1);

	if (base < *next || base > last || len - 1 > last - base)
		return -ENOSPC;
	*next = base + len;
	*out = base;
	return 0;
}

int place_bars(struct pci_bus *bus, struct ioas_pci *pci, struct ioas_why *why)
{
	for (unsigned i = 0; i < 6; i++) {
		uint64_t len = pci->desc.bar[i].len;
		uint32_t flags = pci->desc.bar[i].flags;
		int rc;

		if (!len)
			continue;
		if (flags & IOAS_PCI_BAR_IO)
			rc = place(&bus->next_io, IO_LAST, len, &pci->bar_base[i]);
		else if (flags & IOAS_PCI_BAR_PREFETCH && flags & IOAS_PCI_BAR_64)
			rc = place(&bus->next_memory64, MEMORY64_LAST, len, &pci->bar_base[i]);
		else
			rc = place(&bus->next_memory32, MEMORY32_LAST, len, &pci->bar_base[i]);
		if (rc && flags & IOAS_PCI_BAR_64)
			rc = place(&bus->next_memory64, MEMORY64_LAST, len, &pci->bar_base[i]);
		if (rc)
			return why_set(why, rc, "%s: no room in the address map for BAR %u",
				       pci->name, i);
	}
	return 0;
}
