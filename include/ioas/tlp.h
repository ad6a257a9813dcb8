/* SPDX-License-Identifier: MIT */
/*
 * Transactions: the only way a device reaches memory.
 *
 * A model sends TLPs through an issuer, one per thread that issues. Small things are copied
 * (ioas_dma_read, ioas_dma_write, ioas_dma_store); bulk data is lent as host spans between
 * begin and end, so that a drive's file and the program's memory meet without a bounce buffer.
 *
 * No lock is taken and nothing is allocated on the way. An issuer is used by one thread at a time.
 */
#ifndef IOAS_TLP_H
#define IOAS_TLP_H

#include <sys/uio.h>
#include <ioas/types.h>

IOAS_BEGIN

struct ioas_device;
struct ioas_issuer;
struct ioas_dma_written;

enum ioas_tlp_op {
	IOAS_TLP_READ,
	IOAS_TLP_WRITE,
};

enum ioas_tlp_flags {
	IOAS_TLP_PASID = 1 << 0, /* carries a PASID prefix */
	IOAS_TLP_PRIV = 1 << 1,	 /* privileged mode requested */
	IOAS_TLP_EXEC = 1 << 2,	 /* execute requested */
	IOAS_TLP_NO_SNOOP = 1 << 3,
	IOAS_TLP_RID = 1 << 4, /* `rid` claims a requester ID; else the issuing device's own */
};

/* The address type (AT) of a memory request, PCIe 10.2.2. */
enum ioas_tlp_at {
	IOAS_TLP_UNTRANSLATED,
	IOAS_TLP_TRANSLATION_REQUEST,
	IOAS_TLP_TRANSLATED,
};

/*
 * PCIe Base Specification 5.0, 2.2.4.1, 6.20 (PASID prefix) and 10.2.2 (AT). On a bus with
 * StreamIDs the PASID is the SubstreamID.
 */
struct ioas_tlp {
	iova_t addr;
	uint64_t len; /* bytes, > 0; longer than a real TLP's payload is a burst of them */
	uint32_t flags;
	pasid_t pasid; /* with IOAS_TLP_PASID */
	rid_t rid;     /* with IOAS_TLP_RID */
	uint8_t op;    /* enum ioas_tlp_op */
	uint8_t at;    /* enum ioas_tlp_at */
};

/* Why a transaction did not pass; at the end, why one that did is on record all the same. */
enum ioas_fault_reason {
	IOAS_FAULT_NONE,
	IOAS_FAULT_BUS_MASTER,	/* the function's bus master enable is off */
	IOAS_FAULT_NOT_BOUND,	/* no driver has declared what the device sends */
	IOAS_FAULT_UNDECLARED,	/* a form of TLP the driver did not declare */
	IOAS_FAULT_PASID_WIDTH, /* a PASID beyond the declared width */
	IOAS_FAULT_TRANSLATED,	/* an address type that needs ATS, which is not enabled */
	IOAS_FAULT_INTERRUPT,	/* meets the interrupt window, where no remapping entry is for it */
	IOAS_FAULT_SOURCE, /* a port refused the claimed requester ID (ACS source validation) */
	IOAS_FAULT_UNKNOWN_RID, /* claims a requester ID that is nobody's */
	IOAS_FAULT_NO_ROUTE,	/* declared, but attached to no address space */
	IOAS_FAULT_PEER,	/* turned to a peer, which did not answer */
	IOAS_FAULT_WIDTH,	/* beyond the IOMMU's address width, or wraps */
	IOAS_FAULT_NOT_MAPPED,
	IOAS_FAULT_NO_READ,  /* mapped, without read permission */
	IOAS_FAULT_NO_WRITE, /* mapped, without write permission */
	IOAS_FAULT_MEMORY,   /* mapped, but the program took the memory away */
	/* Of page tables that a program keeps itself: */
	IOAS_FAULT_NO_EXEC,	  /* mapped, without permission to execute */
	IOAS_FAULT_PRIVILEGE,	  /* for privileged requests only, or for none of these */
	IOAS_FAULT_RESERVED,	  /* an entry has what its format reserves */
	IOAS_FAULT_OUTPUT,	  /* an entry leads beyond the output's width */
	IOAS_FAULT_ACCESSED,	  /* the accessed flag is clear and nobody sets it */
	IOAS_FAULT_CHANGING,	  /* an entry changed each time it was to be updated */
	IOAS_FAULT_NO_PASID,	  /* the program's table of PASIDs has none of that number */
	IOAS_FAULT_BAD_STRUCTURE, /* what leads to the page table is not valid */
	IOAS_FAULT_DISABLED,	  /* it lets no such request in */
	IOAS_FAULT_NOT_HELD, /* translated, by what the device was not given, or gave back (ATS) */
	IOAS_FAULT_ATS_BLOCKED,	 /* of ATS, from a device that left an invalidation unanswered */
	IOAS_FAULT_ATS_TIMEOUT,	 /* no request: an invalidation was not answered in time */
	IOAS_FAULT_PAGE_TIMEOUT, /* no request of memory: one for a page was not answered in time */
	IOAS_PASSED_CLAIMED,	 /* passed by the route of whose requester ID it claimed */
	IOAS_PASSED_PEER,	 /* a port turned it to a peer: the IOMMU never saw it */
	IOAS_PASSED_UNTOLD, /* a page that it wrote is missing in a dirty bitmap (check-dirty) */
	/*
	 * --check-invalidation: might have passed, or did, by an entry that the program has changed
	 * without invalidating it. What came of it otherwise is on record besides.
	 */
	IOAS_PASSED_STALE,
	/*
	 * Likewise: a translated request passed by a translation that the device was handed out
	 * (ATS), and by now the program's own page table says otherwise.
	 */
	IOAS_PASSED_ATS_STALE,
};

/* Did the bytes of a record move? Then it is not of a fault, but of a way around the IOMMU. */
bool ioas_fault_passed(enum ioas_fault_reason reason);

/* What an entry of a page table was when it was looked up. */
enum ioas_fault_entry {
	IOAS_FAULT_ENTRY_EMPTY,	    /* not present */
	IOAS_FAULT_ENTRY_TABLE,	    /* leads to the next level */
	IOAS_FAULT_ENTRY_LEAF,	    /* gives the memory's address */
	IOAS_FAULT_ENTRY_INVALID,   /* present, and not valid */
	IOAS_FAULT_ENTRY_STRUCTURE, /* of no page table, but of what leads to it */
};

/* A word for it ("empty", "table", ...), as report and trace have it; "unknown". */
const char *ioas_fault_entry_name(enum ioas_fault_entry kind);

/* What stage 2 was asked for. */
enum ioas_fault_during {
	IOAS_FAULT_DURING_DATA,	     /* the address of the request */
	IOAS_FAULT_DURING_TABLE,     /* an entry of the page table of stage 1 */
	IOAS_FAULT_DURING_STRUCTURE, /* what leads to that: a table of PASIDs */
};

#define IOAS_FAULT_LEVELS 6
#define IOAS_FAULT_STAGE1 16
#define IOAS_NAME_LEN	  32

/*
 * A transaction that did not pass, with everything needed to see why. No byte of it moved. Or one
 * that did (ioas_fault_passed).
 */
struct ioas_fault {
	uint64_t seq;	  /* counts every fault of the instance from 1, dropped ones included */
	uint64_t time_ns; /* CLOCK_REALTIME */
	struct ioas_tlp tlp;
	iova_t addr; /* first address that failed; tlp.addr <= addr */
	char device[IOAS_NAME_LEN];
	char other[IOAS_NAME_LEN]; /* PASSED_*, PEER: whose requester ID, or the peer */
	uint32_t id;		   /* on the wire: RID, or StreamID */
	bool stream;		   /* a StreamID */
	uint16_t reason;
	uint32_t ioas_id; /* 0: attached to nothing, or to a space without an id */
	uint32_t hwpt_id;
	/*
	 * Where the page table is a program's own (stage 1) on a nest parent (stage 2): which one
	 * refused, 0 otherwise; and the entries of stage 1 that were read, in that order. `level`
	 * and `nearest`, below, are then of stage 2 and the address `gpa` in it, the last one that
	 * it was asked for.
	 */
	uint16_t stage;
	uint16_t during; /* enum ioas_fault_during: if stage 2 refused */
	uint32_t stage1_nr;
	uint64_t gpa;
	struct {
		uint16_t level; /* 0: of no page table */
		uint16_t kind;	/* enum ioas_fault_entry */
		uint64_t gpa;	/* where it is */
		uint64_t entry;
	} stage1[IOAS_FAULT_STAGE1];
	/* PASSED_STALE: the entry, as it was and as it is; level 0: of what leads to stage 1. */
	uint32_t stale_level;
	uint64_t stale_gpa, stale_old, stale_now;
	uint32_t level_nr; /* page-table entries looked up, from the top */
	struct {
		uint16_t level; /* 1 is the level of the smallest pages */
		uint16_t kind;	/* enum ioas_fault_entry */
		uint32_t index;
		uint64_t entry;
	} level[IOAS_FAULT_LEVELS];
	uint32_t has_nearest;
	uint32_t nearest_prot;	   /* enum ioas_prot */
	struct ioas_range nearest; /* the closest mapped leaf */
	/* NOT_HELD: the IOVAs it was good for once, if taken_by; ATS_TIMEOUT: those asked for;
	 * PASSED_ATS_STALE: those that it was handed out for. */
	struct ioas_range taken;
	uint16_t taken_by; /* enum ioas_ats_cause (ats.h) */
	/* What an IOMMU of its kind would report; code 0: nothing, or it is not known. */
	uint16_t vendor; /* enum ioas_fault_vendor */
	uint16_t code;
};

/* Whose numbers ioas_fault.code is of, and what they are there. */
enum ioas_fault_vendor {
	IOAS_FAULT_OF_NOBODY,
	IOAS_FAULT_OF_VTD,    /* fault reason of a fault recording register */
	IOAS_FAULT_OF_AMD,    /* event code of an event log entry */
	IOAS_FAULT_OF_SMMUV3, /* event number of an event record */
	IOAS_FAULT_OF_RISCV,  /* cause of a fault record */
};

/* A vendor's code as its specification puts it, such as "no read permission". NULL: unknown. */
const char *ioas_fault_code_name(enum ioas_fault_vendor vendor, unsigned code);

/* A reason in words, such as "not mapped". Never NULL. */
const char *ioas_fault_reason_name(enum ioas_fault_reason reason);

/*
 * Writes a fault as readable text of several lines, the first one a summary, without a final
 * newline. Returns the length it has or would have, as snprintf does.
 */
int ioas_fault_format(const struct ioas_fault *fault, char *buf, size_t len);

/*
 * Makes an issuer for one thread of `dev`. Returns 0, or -ENOMEM. Destroy it with no DMA open.
 * Takes the instance's issuer list lock; not for the hot path.
 */
int ioas_issuer_new(struct ioas_device *dev, struct ioas_issuer **out);
void ioas_issuer_destroy(struct ioas_issuer *issuer);

/*
 * Sends `tlp`, copying tlp->len bytes: a read fills `buf`, a write sends it. Checked page by page:
 * on a fault the pages before it may have been transferred, as on a bus.
 * Returns 0; -EFAULT with a fault recorded; -EINVAL when len is 0 or the op unknown.
 */
int ioas_tlp_issue(struct ioas_issuer *issuer, const struct ioas_tlp *tlp, void *buf);

/* The same for the plain case: the device's own requester ID, no PASID. */
int ioas_dma_read(struct ioas_issuer *issuer, iova_t addr, void *buf, size_t len);
int ioas_dma_write(struct ioas_issuer *issuer, iova_t addr, const void *buf, size_t len);

/*
 * One naturally aligned store of 1, 2, 4 or 8 bytes (host byte order) that becomes visible to the
 * program after everything this issuer wrote before it: for completion phase bits.
 * Errors as ioas_tlp_issue; -EINVAL other sizes or misaligned.
 */
int ioas_dma_store(struct ioas_issuer *issuer, iova_t addr, uint64_t value, unsigned size);

/*
 * The same for any write TLP, with a PASID or a claimed requester ID: tlp->len is the size.
 * -EINVAL, too, when it is no write.
 */
int ioas_tlp_store(struct ioas_issuer *issuer, const struct ioas_tlp *tlp, uint64_t value);

/*
 * Why the issuer's newest TLP that is on record is there (a fault, or IOAS_PASSED_*), and the
 * record's number (ioas_fault_read); IOAS_FAULT_NONE and 0 as long as there is none. For models
 * that tell their driver, and for tests; a device on a real bus learns no more than that it failed.
 */
enum ioas_fault_reason ioas_issuer_fault(const struct ioas_issuer *issuer, uint64_t *seq);

/*
 * A transfer in progress: host spans that stay valid until ioas_dma_end, whatever the program
 * unmaps meanwhile: UNMAP, DETACH and closing the bus wait for it. So a transfer must come to its
 * end without the program doing anything. Reuse one for many transfers: its vectors grow once and
 * are kept. One thread at a time uses it; which one may change.
 */
struct ioas_dma {
	struct iovec *iov; /* the spans, neighbours joined */
	unsigned iov_nr;
	unsigned iov_cap;
	uint64_t len; /* bytes in all spans */
	struct ioas_issuer *issuer;
	/* For the engine only: what keeps the spans alive, and what was lent for writing. */
	uintptr_t *hold;
	unsigned hold_nr;
	unsigned hold_cap;
	struct ioas_dma_written *written;
	unsigned written_nr;
	unsigned written_cap;
};

void ioas_dma_init(struct ioas_dma *dma, struct ioas_issuer *issuer);
void ioas_dma_fini(struct ioas_dma *dma);
/*
 * Adds the memory of one TLP to the spans. READ lends memory the device may read, WRITE memory it
 * may write. Returns 0; -EFAULT with a fault recorded, the spans as they were before the call;
 * -EINVAL; -ENOMEM the vectors could not grow; -EOPNOTSUPP a translated request of a device with
 * ATS: translated addresses are good for copies and batches.
 */
int ioas_dma_add(struct ioas_dma *dma, const struct ioas_tlp *tlp);
/* Ends the transfer: writes are complete, the spans are dead, the vectors empty. Never fails. */
void ioas_dma_end(struct ioas_dma *dma);
/*
 * Records that using a span failed with EFAULT: the program took mapped memory away. Before
 * ioas_dma_end. The record's address is the first of `tlp` whose memory is not there.
 */
void ioas_dma_failed(struct ioas_dma *dma, const struct ioas_tlp *tlp);

/* What went through a device, kept by the engine. Plain 64-bit counters that only grow. */
struct ioas_device_counters {
	uint64_t tlps;
	uint64_t read_len;  /* bytes the device read from memory */
	uint64_t write_len; /* bytes the device wrote to memory */
	uint64_t translations;
	uint64_t faults;
	uint64_t interrupts;
	uint64_t
		around; /* transactions that passed the IOMMU by, or under another's requester ID */
	/* Bytes of TLPs with IOAS_TLP_NO_SNOOP: moved past the caches, as they asked; and */
	uint64_t unsnooped_len;
	uint64_t snooped_len; /* made to snoop, by a page table that enforces coherency */
};

IOAS_END

#endif
