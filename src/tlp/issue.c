/* SPDX-License-Identifier: MIT */
/*
 * A model's call: a TLP is cut into leaves, and each is copied. (lend.c lends them instead.)
 *
 * Marks are short, a batch of at most BATCH_LEN bytes, so that an UNMAP elsewhere waits for no more
 * than that. Between two batches of one TLP its route and its tables may change, as they may
 * between two TLPs of a burst.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "iommu.h"
#include "mem/mem.h"
#include "route/route.h"
#include "tlp/ats.h"
#include "tlp/tlp.h"

#define BATCH_LEN  (256ul << 10)
#define CACHE_LINE 64

_Static_assert(sizeof(struct ioas_issuer) % CACHE_LINE == 0, "what it remembers is aligned");

int ioas_issuer_new(struct ioas_device *dev, struct ioas_issuer **out)
{
	/* Lines of its own: its thread writes them twice a batch. */
	struct ioas_issuer *issuer = aligned_alloc(CACHE_LINE, sizeof(*issuer));

	if (!issuer)
		return -ENOMEM;
	memset(issuer, 0, sizeof(*issuer));
	issuer->dev = dev;
	issuer->in = &dev->iommu->inflight;
	issuer->check = dev->iommu->check_dirty;
	iotlb_init(&issuer->tlb);
	inflight_add(&dev->iommu->inflight, &issuer->mark);
	*out = issuer;
	return 0;
}

void ioas_issuer_destroy(struct ioas_issuer *issuer)
{
	if (!issuer)
		return;
	inflight_del(&issuer->dev->iommu->inflight, &issuer->mark);
	free(issuer);
}

static void count(uint64_t *counter, uint64_t nr)
{
	__atomic_fetch_add(counter, nr, __ATOMIC_RELAXED);
}

void tlp_count(struct ioas_device *dev, unsigned op, uint64_t len, uint64_t leaves)
{
	count(&dev->counters->tlps, 1);
	count(&dev->counters->translations, leaves);
	count(op == IOAS_TLP_READ ? &dev->counters->read_len : &dev->counters->write_len, len);
}

void tlp_count_no_snoop(struct ioas_device *dev, uint64_t len, bool snooped)
{
	count(snooped ? &dev->counters->snooped_len : &dev->counters->unsnooped_len, len);
}

void tlp_count_batch(struct ioas_device *dev, uint64_t tlps, uint64_t leaves, const uint64_t len[2])
{
	if (!leaves)
		return;
	count(&dev->counters->tlps, tlps);
	count(&dev->counters->translations, leaves);
	if (len[IOAS_TLP_READ])
		count(&dev->counters->read_len, len[IOAS_TLP_READ]);
	if (len[IOAS_TLP_WRITE])
		count(&dev->counters->write_len, len[IOAS_TLP_WRITE]);
}

enum ioas_fault_reason tlp_moved(struct ioas_device *dev, enum ioas_fault_reason reason)
{
	if (__builtin_expect(reason != TLP_MOVING, 1))
		return reason;
	mem_map_wait(dev->iommu->mem);
	return IOAS_FAULT_NONE;
}

/* Copies tlp's bytes *done .. goal - 1 and moves *done on. In flight. */
static enum ioas_fault_reason copy_batch(struct ioas_issuer *issuer, const struct ioas_tlp *tlp,
					 struct tlp_route *route, char *buf, uint64_t goal,
					 uint64_t *done, uint64_t *leaves)
{
	enum ioas_fault_reason reason = tlp_route(issuer, tlp, route);

	while (!reason && *done < goal) {
		struct tlp_span span;
		size_t copied;

		reason = tlp_translate(issuer, route, tlp->op, tlp->addr + *done, goal - *done,
				       &span);
		if (reason)
			break;
		++*leaves;
		copied = mem_pinned_copy(span.host, buf + *done, span.len, tlp->op != IOAS_TLP_READ,
					 issuer->dev->iommu->config.memory_told);
		*done += copied;
		if (copied < span.len)
			reason = IOAS_FAULT_MEMORY;
	}
	return reason;
}

/* A translation request as the bus has it, and counted: its completion has 8 bytes a unit. */
static int issue_request(struct ioas_issuer *issuer, const struct ioas_tlp *tlp, void *buf)
{
	uint64_t unit = ioas_ats_unit(issuer->dev), nr = tlp->len / sizeof(uint64_t);
	struct ioas_tlp ask = *tlp;
	char *entry = buf;

	if (tlp->len % sizeof(uint64_t) || tlp->op != IOAS_TLP_READ)
		return -EINVAL;
	ask.len = unit;
	for (ask.addr &= ~(unit - 1); nr--; ask.addr += unit, entry += sizeof(uint64_t)) {
		struct ioas_ats_translation found;
		struct ioas_fault fault;
		uint64_t value;
		int rc = ats_ask(issuer, &ask, &found, &fault);

		if (rc)
			return rc == -EFAULT ? fault_record(issuer, &fault) : rc;
		value = ats_completion(&found);
		memcpy(entry, &value, sizeof(value));
	}
	return 0;
}

int tlp_issue_quiet(struct ioas_issuer *issuer, const struct ioas_tlp *tlp, void *buf,
		    struct ioas_fault *fault, uint64_t *moved)
{
	enum ioas_fault_reason reason = IOAS_FAULT_NONE;
	struct ioas_device *dev = issuer->dev;
	uint64_t done = 0, leaves = 0;
	struct tlp_route route = {0};

	while (!reason && done < tlp->len) {
		uint64_t goal = tlp->len - done > BATCH_LEN ? done + BATCH_LEN : tlp->len;

		tlp_enter(issuer);
		reason = copy_batch(issuer, tlp, &route, buf, goal, &done, &leaves);
		fault_look_if(fault, dev, tlp, done, reason, route.claimed);
		tlp_leave(issuer);
		reason = tlp_moved(dev, reason);
	}
	tlp_count(dev, tlp->op, done, leaves);
	*moved = done;
	return reason || route.claimed;
}

int ioas_tlp_issue(struct ioas_issuer *issuer, const struct ioas_tlp *tlp, void *buf)
{
	struct ioas_fault fault;
	struct route_turn turn;
	uint64_t done;

	if (!tlp_valid(tlp))
		return -EINVAL;
	if (__builtin_expect(tlp_turns(issuer, tlp, &turn), 0))
		return tlp_to_peer(issuer, tlp, buf, &turn);
	if (__builtin_expect(!tlp_issue_quiet(issuer, tlp, buf, &fault, &done), 1))
		return 0;
	if (tlp->at == IOAS_TLP_TRANSLATION_REQUEST && ioas_ats_enabled(issuer->dev))
		return issue_request(issuer, tlp, buf);
	return fault_record(issuer, &fault);
}

int ioas_dma_read(struct ioas_issuer *issuer, iova_t addr, void *buf, size_t len)
{
	struct ioas_tlp tlp = {.addr = addr, .len = len, .op = IOAS_TLP_READ};

	return ioas_tlp_issue(issuer, &tlp, buf);
}

int ioas_dma_write(struct ioas_issuer *issuer, iova_t addr, const void *buf, size_t len)
{
	struct ioas_tlp tlp = {.addr = addr, .len = len, .op = IOAS_TLP_WRITE};

	return ioas_tlp_issue(issuer, &tlp, (void *)buf);
}
