/* SPDX-License-Identifier: MIT */
/* A TLP that is one store: what completion records end with. */
#include <errno.h>
#include "iommu.h"
#include "mem/mem.h"
#include "route/route.h"
#include "tlp/tlp.h"

static bool is_word(const struct ioas_tlp *tlp)
{
	return tlp->op == IOAS_TLP_WRITE && tlp->len && tlp->len <= 8 &&
	       !(tlp->len & (tlp->len - 1)) && !(tlp->addr & (tlp->len - 1));
}

/* In flight. A leaf starts and ends on pages, so that the aligned span is whole. */
static enum ioas_fault_reason store(struct ioas_issuer *issuer, const struct ioas_tlp *tlp,
				    struct tlp_route *route, uint64_t value)
{
	enum ioas_fault_reason reason = tlp_route(issuer, tlp, route);
	struct tlp_span span;

	if (!reason)
		reason = tlp_translate(issuer, route, tlp->op, tlp->addr, tlp->len, &span);
	if (!reason && mem_pinned_store(span.host, value, (unsigned)tlp->len,
					issuer->dev->iommu->config.memory_told))
		reason = IOAS_FAULT_MEMORY;
	return reason;
}

int ioas_tlp_store(struct ioas_issuer *issuer, const struct ioas_tlp *tlp, uint64_t value)
{
	struct ioas_device *dev = issuer->dev;
	enum ioas_fault_reason reason;
	struct tlp_route route = {0};
	struct ioas_fault fault;
	struct route_turn turn;
	bool again;

	if (!is_word(tlp))
		return -EINVAL;
	if (__builtin_expect(tlp_turns(issuer, tlp, &turn), 0))
		return tlp_to_peer(issuer, tlp, &value, &turn);
	do {
		tlp_enter(issuer);
		reason = store(issuer, tlp, &route, value);
		fault_look_if(&fault, dev, tlp, 0, reason, route.claimed);
		tlp_leave(issuer);
		again = reason == TLP_MOVING;
		reason = tlp_moved(dev, reason);
	} while (again);
	tlp_count(dev, tlp->op, reason ? 0 : tlp->len, !reason);
	return reason || route.claimed ? fault_record(issuer, &fault) : 0;
}

int ioas_dma_store(struct ioas_issuer *issuer, iova_t addr, uint64_t value, unsigned size)
{
	struct ioas_tlp tlp = {.addr = addr, .len = size, .op = IOAS_TLP_WRITE};

	return ioas_tlp_store(issuer, &tlp, value);
}
