/* SPDX-License-Identifier: MIT */
/*
 * A device that sends any TLP it is told to: how routing is tested, and taught. As a PCI function
 * it is the model "tlpgun" (ioas/model.h); its twin on a platform bus is made here. What its driver
 * does through registers (ioas/tlpgun_regs.h) a test or an embedder can do by these calls, and by
 * the same rules: bus master enable and what the driver behind the device declared hold for both.
 *
 * All calls may come from any thread.
 */
#ifndef IOAS_TLPGUN_H
#define IOAS_TLPGUN_H

#include <ioas/ats.h>
#include <ioas/device.h>
#include <ioas/pci.h>
#include <ioas/tlpgun_regs.h>

IOAS_BEGIN

struct ioas_tlpgun;

/* The gun that is this function; NULL: it is another model's. */
struct ioas_tlpgun *ioas_tlpgun_of(const struct ioas_pci *pci);

struct ioas_tlpgun_config {
	uint64_t buf_len; /* bytes of buffer, 0: 64 KiB */
	unsigned depth;	  /* of its shared queue, 0: 16 */
};

/*
 * A gun that sends requests with a StreamID, and with a PASID as their SubstreamID. `config` may be
 * NULL. Bind and attach ioas_tlpgun_device() as any device. Errors as ioas_stream_new.
 * ioas_iommu_suspend does not know it: stop it before, and have no work items in it.
 */
int ioas_tlpgun_stream_new(struct ioas_iommu *iommu, const char *name, uint32_t stream_id,
			   const struct ioas_tlpgun_config *config, struct ioas_tlpgun **out);
/* Stops and ends it; its device must be unbound. NULL is fine. */
void ioas_tlpgun_stream_destroy(struct ioas_tlpgun *gun);

struct ioas_device *ioas_tlpgun_device(struct ioas_tlpgun *gun);
/* The buffer, which a PCI function has as BAR 2. */
void *ioas_tlpgun_buffer(struct ioas_tlpgun *gun, uint64_t *len);

/*
 * Sends one TLP from the calling thread, as ioas_tlp_issue does. `reason` (may be NULL) receives
 * why it is on record: IOAS_FAULT_NONE it is not, IOAS_PASSED_* it passed all the same.
 * 0; -EFAULT; -EINVAL; -ENOMEM.
 */
int ioas_tlpgun_issue(struct ioas_tlpgun *gun, const struct ioas_tlp *tlp, void *buf,
		      enum ioas_fault_reason *reason);

/* TLPs one after the other, their data from and to the buffer. */
struct ioas_tlpgun_burst {
	struct ioas_tlp tlp; /* the first */
	uint64_t count;	     /* 0 as 1 */
	uint64_t stride;     /* from one's address to the next one's; wraps */
	uint64_t buf, buf_stride;
	bool stop_at_fault;
	bool by_ats; /* as translated requests, through the gun's cache (ats.h) */
	bool pages;  /* and requesting the pages that are missing (pri.h); with by_ats */
	bool irq;    /* send `vector` at its end */
	uint16_t vector;
};

/*
 * Has the gun's own thread send a burst; `again`: over and over, until it is stopped.
 * 0; -EBUSY it is at one; -EINVAL no length, data outside the buffer, or by_ats or pages, which it
 * has not; -EAGAIN no thread to be had.
 */
int ioas_tlpgun_start(struct ioas_tlpgun *gun, const struct ioas_tlpgun_burst *burst, bool again);
/* Ends it, if any. On return none of its TLPs is under way. */
void ioas_tlpgun_stop(struct ioas_tlpgun *gun);
/* Waits for the end of a burst that was not started `again`. */
void ioas_tlpgun_wait(struct ioas_tlpgun *gun);

struct ioas_tlpgun_status {
	bool busy;
	enum ioas_fault_reason reason; /* why the burst's first TLP on record is there */
	uint64_t record;	       /* that record's number */
	uint64_t passed, faulted;      /* TLPs of the burst */
	bool untranslatable; /* a TLP was given up: no translation, or the page was refused */
	uint64_t requested, refused; /* pages requested, groups of them not answered by success */
	struct ioas_atc_stats atc;   /* of the cache; zero: none */
	uint64_t items;		     /* work items that have ended */
	uint32_t queued;	     /* work items that have not */
};
void ioas_tlpgun_status(struct ioas_tlpgun *gun, struct ioas_tlpgun_status *out);

/*
 * Submits a work item to the shared queue: 64 bytes, struct ioas_tlpgun_item. 0; -EAGAIN the queue
 * is full, try again (what ENQCMD tells by its zero flag); -EOPNOTSUPP the function has no such
 * queue.
 */
int ioas_tlpgun_enqueue(struct ioas_tlpgun *gun, const void *item);
/* How it deals with invalidations from now on: enum ioas_tlpgun_ats_ctrl, 0 as it ought to. */
void ioas_tlpgun_ats_ctrl(struct ioas_tlpgun *gun, uint32_t ctrl);
/* Holds work items back in the queue (true), or lets them go on. */
void ioas_tlpgun_hold(struct ioas_tlpgun *gun, bool on);

IOAS_END

#endif
