/* SPDX-License-Identifier: MIT */
/*
 * Two dimensions: page tables that a program keeps in its own memory (stage 1), whose outputs, and
 * the addresses of the tables themselves, are inputs of a page table of a space's (stage 2, the
 * nest parent's). The words are Arm's; VT-d says first and second stage, AMD guest and host. A GPA
 * is what stage 2 translates: an address of the guest, to whom the program shows the space.
 *
 * What the architectures have in common is here. A kind of IOMMU (src/kind/) says which table a
 * request is looked up in, which may take reading structures at GPAs.
 */
#ifndef TLP_NESTED_H
#define TLP_NESTED_H

#include <ioas/tlp.h>
#include "pt/foreign.h"
#include "pt/pt.h"
#include "tlp/check_stale.h"

struct ioas_issuer;
struct nested;
struct stage1;

/* Of a request, what stage 1 wants to know. */
struct nested_request {
	iova_t iova;
	uint32_t access; /* enum pt_access */
	bool has_pasid;
	pasid_t pasid;
	/* Whose request it is, for --check-dirty; NULL: nobody's. */
	const struct ioas_issuer *issuer;
};

/* Which table it is looked up in. */
struct nested_table {
	bool bypass; /* none: its address is the GPA */
	/* Which of the guest's address spaces, as invalidations name those of the table and of what
	 * leads to it: at first the PASID, where there is a table of those, else 0. */
	uint32_t space, structures;
	struct pt_foreign table; /* but for read, exchange and ctx */
	/*
	 * By which address, and by which one invalidations name it: the request's unless find sets
	 * others, alike in their low bits.
	 */
	iova_t input, named;
};

/* What a stage 1 has to tell its guest. */
struct stage1_event {
	void (*deliver)(struct stage1_event *event); /* does it, in flight or not; NULL: nothing */
	void *to;				     /* the kind's */
	uint64_t data[4];
};

struct stage1_ops {
	/*
	 * Finds the table for a request. In flight, and maybe by several threads at once.
	 * IOAS_FAULT_NONE; else the reason: what nested_read has returned, or the kind's own, which
	 * is stage 1's.
	 */
	enum ioas_fault_reason (*find)(const struct stage1 *stage1, struct nested *nested,
				       const struct nested_request *request,
				       struct nested_table *out);
	/*
	 * By which number hardware would report a fault of this stage 1, whose record is filled; 0:
	 * it would not. NULL: kind_unit_code knows. In flight.
	 */
	uint16_t (*code)(const struct stage1 *stage1, const struct ioas_fault *fault);
	/*
	 * What the guest, who knows the requests by `guest_id`, is to be told of a fault of theirs:
	 * `out` is all 0 and may stay so. In flight; must not wait. NULL: never anything.
	 */
	void (*event)(const struct stage1 *stage1, const struct ioas_fault *fault,
		      uint64_t guest_id, struct stage1_event *out);
};

/* Embedded first in a kind's own. Lives until no route leads to it. */
struct stage1 {
	struct pt_target to; /* constant: the nest parent's page table, and this */
	const struct stage1_ops *ops;
	/*
	 * It has a table of PASIDs: requests with one come here, too, where that PASID has no
	 * attachment, by that of requests without one.
	 */
	bool pasids;
	bool no_ats; /* constant: it answers no translation requests */
	/* Constant: --check-invalidation; NULL: off. */
	struct check_stale *check;
};

static inline void stage1_init(struct stage1 *stage1, const struct stage1_ops *ops,
			       struct pt *parent, uint32_t hwpt_id)
{
	*stage1 = (struct stage1){
		.to = {.pt = parent, .stage1 = stage1, .hwpt_id = hwpt_id},
		.ops = ops,
	};
}

/* For find: the 8 bytes at a GPA, in host order. IOAS_FAULT_NONE, or the reason to end with. */
enum ioas_fault_reason nested_read(struct nested *nested, pa_t gpa, uint64_t *out);
/*
 * For find: what was read there is an entry that may be cached (`valid`), or is none. Only
 * --check-invalidation wants to know.
 */
void nested_seen(struct nested *nested, pa_t gpa, uint64_t entry, bool valid);

static inline struct nested_request nested_request_of(const struct ioas_tlp *tlp, iova_t iova)
{
	uint32_t access = tlp->op == IOAS_TLP_WRITE    ? PT_ACCESS_WRITE
			  : tlp->flags & IOAS_TLP_EXEC ? PT_ACCESS_EXEC
						       : PT_ACCESS_READ;

	return (struct nested_request){
		.iova = iova,
		.access = access | (tlp->flags & IOAS_TLP_PRIV ? PT_ACCESS_PRIV : 0),
		.has_pasid = tlp->flags & IOAS_TLP_PASID,
		.pasid = tlp->pasid,
	};
}

/*
 * What both stages say of an address. As pt_walk tells it, by the address asked for: the leaf is
 * the smaller of both, `prot` what both allow; pt_dirty_mark wants the parent's table.
 */
struct nested_found {
	struct pt_walk walk;
	pa_t gpa;
	/* Stage 1 sets a dirty bit by a write, and this was none: the next write has to walk. */
	bool clean;
	/* --check-invalidation: also where the walk ended with a fault. */
	struct stale_found stale;
};

/*
 * The walk. In flight only. IOAS_FAULT_NONE; TLP_MOVING; or the reason. `note` (NULL: none wanted,
 * it is a request) receives what was looked up, and no bit is set in the tables.
 */
enum ioas_fault_reason nested_walk(struct ioas_iommu *iommu, const struct stage1 *stage1,
				   const struct nested_request *request, struct nested_found *out,
				   struct ioas_fault *note);

/* Tells the guest, if a fault that is on record was of a stage 1 of its. In flight or not. */
void nested_tell(struct ioas_issuer *issuer, const struct ioas_fault *fault);

#endif
