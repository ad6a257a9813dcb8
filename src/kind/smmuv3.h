/* SPDX-License-Identifier: MIT */
/*
 * Stage 1 of programs behind an SMMUv3 (Arm IHI 0070): their stream table entries, context
 * descriptors and commands, and the events that their guests get.
 *
 *   smmuv3.c         registers, and what the kind offers
 *   smmuv3_stage1.c  from a stream table entry by a context descriptor to the page table
 *   smmuv3_event.c   event records
 *   smmuv3_viommu.c  a guest's share: page tables, and what may be attached
 *   smmuv3_command.c its commands
 *
 * A stage 1 is made of the two words that a guest's stream table entry has for it. Everything else
 * is read from the guest's memory for each walk: what an issuer remembers are whole translations.
 */
#ifndef KIND_SMMUV3_H
#define KIND_SMMUV3_H

#include <sys/queue.h>
#include "kind/unit.h"
#include "tlp/nested.h"

struct obj_events;

/* 5.2: word 0 of a stream table entry */
#define STE_V		(1ull << 0)
#define STE_CONFIG	(7ull << 1)
#define STE_S1FMT	(3ull << 4)
#define STE_CONTEXT	0x00ffffffffffffc0ull /* S1ContextPtr: bits 55:6 */
#define STE_CDMAX_SHIFT 59
#define STE_CDMAX	(31ull << STE_CDMAX_SHIFT)
/* and word 1 */
#define STE_S1DSS    (3ull << 0)
#define STE_S1CIR    (3ull << 2)
#define STE_S1COR    (3ull << 4)
#define STE_S1CSH    (3ull << 6)
#define STE_S1STALLD (1ull << 27)
#define STE_EATS     (3ull << 28)

/* Config, as a guest says it, who has no stage 2: 0b000 no traffic, 0b100 bypass, 0b101 stage 1. */
enum smmuv3_config {
	SMMUV3_ABORT = 0,
	SMMUV3_BYPASS = 4,
	SMMUV3_STAGE1 = 5,
};

/* What the unit's registers say of stage 1. */
struct smmuv3_facts {
	enum pt_format format; /* of the one granule there is */
	unsigned oas;	       /* bits of an intermediate and of an output address */
	unsigned va_bits;      /* most of an input address, in each half */
	unsigned ssid_lg2;     /* SSIDSIZE */
	bool httu;	       /* accessed and dirty bits can be set */
};
struct smmuv3_facts smmuv3_facts(const struct kind_unit *unit);

/* A stream table entry of a program's. */
struct smmuv3_stage1 {
	struct stage1 stage1;	      /* first */
	struct smmuv3_facts facts;    /* constant */
	uint64_t ste[2];	      /* constant: in host order; V clear: all 0 */
	struct obj_events *events;    /* constant: where its guest's events go; NULL: nowhere */
	const struct kind_unit *unit; /* constant: behind which its devices are */
	LIST_ENTRY(smmuv3_stage1) in_share;
};

/* What is behind a viommu. */
struct smmuv3_share {
	const struct kind_unit *unit;	   /* constant */
	LIST_HEAD(, smmuv3_stage1) tables; /* (ctx->lock) made on it */
};

extern const struct stage1_ops smmuv3_stage1_ops;

/* An address as commands name it: what the top byte may be used for does not count. */
static inline iova_t smmuv3_plain(iova_t iova)
{
	return (iova_t)((int64_t)(iova << 8) >> 8);
}

static inline enum smmuv3_config smmuv3_config(const struct smmuv3_stage1 *own)
{
	return (enum smmuv3_config)((own->ste[0] & STE_CONFIG) >> 1);
}

/*
 * The table of a context descriptor's three first words for a request: IOAS_FAULT_NONE;
 * BAD_STRUCTURE the descriptor is not valid or ILLEGAL (5.4.2); WIDTH, NOT_MAPPED its tables are
 * not for that address or that request.
 */
enum ioas_fault_reason smmuv3_cd_table(const struct smmuv3_facts *facts, const uint64_t cd[3],
				       const struct nested_request *request,
				       struct nested_table *out);

/* smmuv3_event.c: stage1_ops.code and .event; and the record alone: false, there is none. */
uint16_t smmuv3_code(const struct stage1 *stage1, const struct ioas_fault *fault);
void smmuv3_event(const struct stage1 *stage1, const struct ioas_fault *fault, uint64_t guest_id,
		  struct stage1_event *out);
bool smmuv3_event_record(const struct smmuv3_stage1 *own, const struct ioas_fault *fault,
			 uint32_t stream, uint64_t record[4]);

/* smmuv3_command.c: kind_viommu_ops.invalidate */
int smmuv3_commands(struct obj_viommu *viommu, struct kind_array *array, struct ioas_why *why);

/* For kind_ops. */
const struct kind_viommu_ops *smmuv3_viommu(struct kind_device *dev, uint32_t type);
void smmuv3_nested_free(struct obj_hwpt *hwpt);
int smmuv3_attach(struct kind_device *dev, const pasid_t *pasid, struct obj_hwpt *hwpt,
		  struct obj_hwpt *old, struct ioas_why *why);

#endif
