/* SPDX-License-Identifier: MIT */
/*
 * Peer-to-peer: a request that a port turns to a neighbour before it comes to the IOMMU. Where it
 * turns, and who answers, the bus knows (src/pci/peer.c); here it is done, and put on record.
 */
#include <errno.h>
#include "iommu.h"
#include "mem/mem.h"
#include "route/route.h"
#include "tlp/tlp.h"

bool tlp_turns_here(struct ioas_issuer *issuer, const struct ioas_tlp *tlp, struct route_turn *out)
{
	struct ioas_device *dev = issuer->dev;
	const struct route_bus_ops *ops = atomic_load_explicit(&dev->bus_ops, memory_order_acquire);

	/*
	 * Ports go by the address of memory requests, whatever PASID or address type they have; but
	 * what the IOMMU has handed out is the address of memory, even where its map meets BARs.
	 */
	return __builtin_expect(ops != NULL, 0) && tlp->at != IOAS_TLP_TRANSLATION_REQUEST &&
	       atomic_load_explicit(&dev->dma_on, memory_order_acquire) &&
	       !(tlp->at == IOAS_TLP_TRANSLATED && mem_window_find(dev->iommu->mem, tlp->addr)) &&
	       ops->peer(dev, tlp, out) == 1;
}

bool tlp_turns(struct ioas_issuer *issuer, const struct ioas_tlp *tlp, struct route_turn *out)
{
	bool turns;

	if (__builtin_expect(!atomic_load_explicit(&issuer->dev->bus_ops, memory_order_acquire), 1))
		return false;
	inflight_enter(&issuer->mark);
	turns = tlp_turns_here(issuer, tlp, out);
	inflight_leave(&issuer->mark);
	return turns;
}

int tlp_to_peer(struct ioas_issuer *issuer, const struct ioas_tlp *tlp, void *buf,
		const struct route_turn *turn)
{
	struct ioas_device *dev = issuer->dev;
	const struct route_bus_ops *ops = atomic_load_explicit(&dev->bus_ops, memory_order_acquire);
	struct ioas_fault fault;
	int rc = buf ? ops->access(dev, tlp, buf, turn) : -EFAULT;

	fault_note(&fault, dev, tlp, rc ? IOAS_FAULT_PEER : IOAS_PASSED_PEER);
	ops->name(turn, fault.other);
	fault_record(issuer, &fault);
	if (!rc)
		tlp_count(dev, tlp->op, tlp->len, 0);
	return rc ? -EFAULT : 0;
}
