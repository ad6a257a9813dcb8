/* SPDX-License-Identifier: MIT */
/*
 * Peers: which requests never come to the IOMMU, because a port on their way finds the address in a
 * BAR below itself. Only machines with ports that do not redirect have them.
 *
 * Who has which address is in one sorted array, which is replaced when functions come and go;
 * readers are in flight.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "iommu.h"
#include "pci/bus.h"
#include "route/route.h"
#include "tlp/inflight.h"
#include "util/alloc.h"

struct bar_range {
	uint64_t first, last;
	struct ioas_pci *pci;
	unsigned bar;
};

struct pci_bars {
	size_t nr;
	struct bar_range range[];
};

static const struct bar_range *find(const struct pci_bars *bars, uint64_t addr)
{
	size_t low = 0, high = bars ? bars->nr : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (addr > bars->range[middle].last)
			low = middle + 1;
		else if (addr < bars->range[middle].first)
			high = middle;
		else
			return &bars->range[middle];
	}
	return NULL;
}

/* A request crosses no 4 KiB boundary on a bus, nor here the end of a BAR: its rest is refused. */
static int peer(struct ioas_device *dev, const struct ioas_tlp *tlp, struct route_turn *out)
{
	struct ioas_pci *pci = dev->bus_arg;
	struct pci_bus *bus = pci->iommu->pci;
	const struct bar_range *range =
		find(atomic_load_explicit(&bus->bars, memory_order_acquire), tlp->addr);
	struct ioas_pci_addr at;

	if (!range || range->pci == pci ||
	    ioas_topology_bypass(bus->machine->topology, pci->addr, range->pci->addr, &at) != 1)
		return 0;
	*out = (struct route_turn){
		.target = range->pci,
		.off = tlp->addr - range->first,
		.part = range->bar,
	};
	return 1;
}

static int access_peer(struct ioas_device *dev, const struct ioas_tlp *tlp, void *buf,
		       const struct route_turn *turn)
{
	struct ioas_pci *pci = turn->target;

	if (tlp->len > pci_bar_len(pci, turn->part) - turn->off)
		return -EFAULT;
	for (uint64_t done = 0; done < tlp->len;) {
		uint64_t left = tlp->len - done, value = 0;
		unsigned size = left < 8 ? (unsigned)left : 8;

		if (tlp->op == IOAS_TLP_WRITE)
			memcpy(&value, (char *)buf + done, size);
		if (pci_bar_access(pci, turn->part, turn->off + done, tlp->op == IOAS_TLP_WRITE,
				   &value, size))
			return -EFAULT;
		if (tlp->op == IOAS_TLP_READ)
			memcpy((char *)buf + done, &value, size);
		done += size;
	}
	return 0;
}

static void name_peer(const struct route_turn *turn, char name[IOAS_NAME_LEN])
{
	snprintf(name, IOAS_NAME_LEN, "%s", ((struct ioas_pci *)turn->target)->name);
}

static const struct route_bus_ops peer_ops = {peer, access_peer, name_peer};

static int compare(const void *a, const void *b)
{
	const struct bar_range *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

static struct pci_bars *collect(struct pci_bus *bus, const struct ioas_pci *without)
{
	struct ioas_pci *pci = NULL;
	struct pci_bars *bars;
	size_t cap = 0;

	while ((pci = bus_after(bus, pci)))
		cap += 6;
	bars = alloc_zero(1, sizeof(*bars) + cap * sizeof(*bars->range));
	if (!bars)
		return NULL;
	while ((pci = bus_after(bus, pci)))
		for (unsigned i = 0; pci != without && i < 6; i++) {
			uint64_t len = pci->desc.bar[i].len;

			if (!len || pci->desc.bar[i].flags & IOAS_PCI_BAR_IO)
				continue;
			bars->range[bars->nr++] = (struct bar_range){
				pci->bar_base[i], pci->bar_base[i] + len - 1, pci, i};
		}
	qsort(bars->range, bars->nr, sizeof(*bars->range), compare);
	return bars;
}

/* Only functions that share a group can have peers before the IOMMU. */
static bool may_have_peers(struct pci_bus *bus, const struct ioas_pci *pci)
{
	const struct ioas_topology *topology = bus->machine->topology;
	uint32_t group = ioas_topology_group_of(topology, pci->addr);
	const struct ioas_topology_function *first =
		ioas_topology_group_next(topology, group, NULL);

	return first && ioas_topology_group_next(topology, group, first);
}

int peers_enter(struct pci_bus *bus, struct ioas_pci *pci)
{
	struct pci_bars *bars, *old = bus->bars;
	bool asks = bus->machine && may_have_peers(bus, pci);

	/* It may be the peer of one that came before it, too. */
	if (!asks && !old)
		return 0;
	bars = collect(bus, NULL);
	if (!bars)
		return -ENOMEM;
	atomic_store_explicit(&bus->bars, bars, memory_order_seq_cst);
	inflight_wait(&bus->iommu->inflight);
	free(old);
	if (asks)
		atomic_store_explicit(&pci->dev->bus_ops, &peer_ops, memory_order_release);
	return 0;
}

/* This cannot fail: without memory for a new array nobody has peers any more. */
void peers_leave(struct pci_bus *bus, struct ioas_pci *pci)
{
	struct pci_bars *bars, *old = bus->bars;

	if (!old)
		return;
	bars = collect(bus, pci);
	atomic_store_explicit(&bus->bars, bars, memory_order_seq_cst);
	inflight_wait(&bus->iommu->inflight);
	free(old);
}
