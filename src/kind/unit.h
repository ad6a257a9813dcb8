/* SPDX-License-Identifier: MIT */
/*
 * An IOMMU of a machine: of which kind it is, and what it offers.
 *
 * What a machine's description says (struct ioas_topology_iommu) is all that is given. Everything
 * else follows from it: the format, width and page sizes of page tables, what a program may ask of
 * them, where interrupts are written to, and the registers in which the vendor's hardware would say
 * all that. tests/unit/kind reads the registers back and holds them against what the engine does.
 *
 *   soft.c    nothing of a vendor's, any format
 *   vtd.c     Intel VT-d; vtd_nested.c: first-stage tables of programs
 *   amd.c     AMD I/O virtualization; amd_nested.c: guest translation of programs
 *   smmuv3.c  Arm SMMUv3
 *   riscv.c   RISC-V
 *
 * docs/iommus.md shows the kinds side by side.
 */
#ifndef KIND_UNIT_H
#define KIND_UNIT_H

#include <ioas/topology.h>
#include "kind/kind.h"

#define KIND_NAME_LEN	  48
#define KIND_RESERVED_MAX 2 /* ranges that a kind has reserved by itself */

struct kind_type;

struct kind_unit {
	const struct kind_type *type;	 /* constant */
	struct ioas_iommu *iommu;	 /* constant */
	struct ioas_topology_iommu spec; /* constant: what it offers; no strings, no arrays */
	unsigned number;		 /* constant: of its kind, from 0 */
	char name[KIND_NAME_LEN];	 /* constant: in /sys/class/iommu */
	/* Constant: of requests without a PASID, and of those with one. */
	struct pt_config table, pasid_table;
	struct pt_config nest_table; /* constant: of what page tables of programs are nested on */
	uint64_t page_sizes;	     /* constant: bit n, 2^n bytes; of `table` */
	struct ioas_range msi; /* constant: PCI memory writes there are interrupts; KIND_NOWHERE */
	bool pasid_0_same;     /* constant: a request with PASID 0 is as one without */
	bool pasid_0_apart;    /* constant: PASID 0 can be attached beside requests without one */
	struct ioas_range *reserved; /* constant: not for mapping; msi_nr of interrupts first */
	size_t reserved_nr, msi_nr;  /* constant */
};

/* A range that nothing is in. */
#define KIND_NOWHERE ((struct ioas_range){UINT64_MAX, 0})

/* A file below the unit's folder in sysfs: "intel-iommu/cap" and a line of text. */
struct kind_attribute {
	char name[32];
	char text[48];
};

struct kind_type {
	const char *name; /* in settings and machine files */
	const struct kind_ops *ops;
	uint32_t info_type; /* IOMMU_HW_INFO_TYPE_* */
	bool coherency;	    /* page tables can say that all requests snoop caches */
	bool pasid_0_apart; /* it can tell PASID 0 from none, if told so */
	bool pasid_0_same;  /* else: does it take PASID 0 for none, or refuse it? */
	bool msi_window;    /* the first reserved range is where interrupts are written to */
	bool pasid_dirty;   /* page tables for PASIDs can have dirty tracking */
	bool nests;	    /* programs can have page tables of their own on its */
	unsigned msi_nr, reserved_nr; /* of the ranges below; those of interrupts come first */
	struct ioas_range reserved[KIND_RESERVED_MAX];
	/*
	 * Sets the formats of both tables, and of nest_table where it is not that of `table`, and
	 * checks what is the kind's own; width and page sizes are settled afterwards. 0; -EINVAL.
	 */
	int (*formats)(struct kind_unit *unit, struct ioas_why *why);
	/* The data of GET_HW_INFO; NULL: none. */
	void (*info)(const struct kind_unit *unit, struct kind_hw_info *out);
	void (*sysfs_name)(const struct kind_unit *unit, char name[KIND_NAME_LEN]);
	/* The index-th file of sysfs; false: there are no more. NULL: none. */
	bool (*attribute)(const struct kind_unit *unit, unsigned index, struct kind_attribute *out);
};

extern const struct kind_type kind_soft, kind_vtd, kind_amd, kind_smmuv3, kind_riscv;

/* The kind of that name, or NULL; and all names, for reasons. */
const struct kind_type *kind_find(const char *name);
#define KIND_NAMES "soft, vtd, amd, smmuv3, riscv"

/*
 * Makes a unit of an instance, of which config and pt_format are set. `spec` NULL: the one that an
 * instance has by itself. Of a spec "soft" is what the configuration says instead; config->aw is
 * the width where it has none, and the most. 0; -EINVAL, -EOPNOTSUPP with a line; -ENOMEM.
 */
int kind_unit_init(struct kind_unit *unit, struct ioas_iommu *iommu,
		   const struct ioas_topology_iommu *spec, unsigned number, struct ioas_why *why);
void kind_unit_fini(struct kind_unit *unit);

/* The kind that a unit of that spec will have; NULL: there is none. */
const struct kind_type *kind_of(const struct ioas_iommu *iommu,
				const struct ioas_topology_iommu *spec);

/* The table that requests with (or without) PASIDs are attached to when nobody made one. */
static inline const struct pt_config *kind_unit_table(const struct kind_unit *unit, bool pasid)
{
	return pasid ? &unit->pasid_table : &unit->table;
}

/* code.c: what it would report, into the record: fault->vendor and fault->code. */
void kind_unit_code(const struct kind_unit *unit, struct ioas_fault *fault);

/* Bits of the addresses that all its tables can put out. */
unsigned kind_unit_pa_bits(const struct kind_unit *unit);

/* Can it walk that table for requests with a PASID, or without? 0; -EINVAL with a line. */
int kind_unit_check_table(const struct kind_unit *unit, bool pasid, const struct pt_target *to,
			  struct ioas_why *why);

/* The operations that all kinds have in common; kind_device is a struct kind_own. */
int kind_unit_hw_info(struct kind_device *dev, uint32_t type, struct kind_hw_info *out,
		      struct ioas_why *why);
int kind_unit_paging(struct kind_device *dev, uint32_t flags, const struct kind_data *data,
		     bool small_pages, struct kind_paging *out, struct ioas_why *why);
int kind_unit_attach(struct kind_device *dev, const pasid_t *pasid, struct obj_hwpt *hwpt,
		     struct obj_hwpt *old, struct ioas_why *why);
/* The same for kinds that look at more: it is all the same for which PASID. */
int kind_unit_suits(const struct kind_device *dev, struct obj_hwpt *hwpt, struct ioas_why *why);

/* A register's field `high:low` with that value. */
static inline uint64_t kind_field(unsigned high, unsigned low, uint64_t value)
{
	return (value & (UINT64_MAX >> (63 - (high - low)))) << low;
}

static inline uint64_t kind_bit(unsigned bit, bool set)
{
	return (uint64_t)set << bit;
}

#endif
