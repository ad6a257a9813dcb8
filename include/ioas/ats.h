/* SPDX-License-Identifier: MIT */
/*
 * Address translation services: a device asks the IOMMU where its addresses lead, remembers the
 * answers, and sends requests that are translated already (AT = 10b), which the IOMMU lets pass
 * without a look at a page table. (PCI Express Base Specification 5.0, chapter 10.)
 *
 * It rests on a promise: when the IOMMU asks for a translation back, the device stops using it, and
 * says so. UNMAP, DETACH and a replace wait for that answer. Here the promise is checked: a
 * translated request passes only if that translation was handed out to this device and not taken
 * back since. What is left of the others is a fault record that says what took it back.
 *
 * A function has ATS if its description says so (ioas_pci_desc.ats) and its IOMMU has; it is
 * enabled, by the IOMMU's side, as long as the device is attached. A translated address is one of
 * the instance's physical map, good for nothing but a translated request.
 *
 * A model has the choice: struct ioas_atc, a cache that keeps the promise by itself; or one of its
 * own making, with the calls at the end.
 */
#ifndef IOAS_ATS_H
#define IOAS_ATS_H

#include <ioas/device.h>
#include <ioas/tlp.h>

IOAS_BEGIN

/* What a translation allows (the fields of a translation completion, 10.2.3). */
enum ioas_ats_flags {
	IOAS_ATS_READ = 1 << 0,
	IOAS_ATS_WRITE = 1 << 1,
	IOAS_ATS_UNTRANSLATED = 1 << 2, /* U: by untranslated requests only (interrupts) */
	IOAS_ATS_EXEC = 1 << 3,		/* asked for, and allowed */
	IOAS_ATS_PRIV = 1 << 4,		/* for requests in privileged mode, as was asked */
	IOAS_ATS_GLOBAL = 1 << 5,	/* the same for all PASIDs; no table here says so yet */
	IOAS_ATS_SNOOP = 1 << 10,	/* N: its requests must not ask for no snoop */
};

/* Neither READ nor WRITE: there is no translation. */
struct ioas_ats_translation {
	iova_t first; /* a multiple of len, which is a power of two */
	uint64_t len;
	pa_t addr;	/* of `first`, for translated requests */
	uint32_t flags; /* enum ioas_ats_flags */
};

/*
 * Sends a translation request for tlp->addr .. tlp->addr + tlp->len - 1, of the form (PASID,
 * privileged, execute) that `tlp` has; op IOAS_TLP_WRITE asks for write permission too
 * (IOAS_TLP_READ: the NW bit). `out` receives up to `max` translations, one after the other, each
 * of a whole leaf or what of it is smaller than `max` answers need; the request ends at the first
 * address that has none, which is told with flags 0. Returns how many were written, at least 1;
 * -EOPNOTSUPP the device has no ATS, or ioas_ats_open was not called; -EFAULT refused with a fault
 * record: not enabled, not attached, a form that was not declared; -EINVAL; -ENOMEM.
 */
int ioas_ats_translate(struct ioas_issuer *issuer, const struct ioas_tlp *tlp,
		       struct ioas_ats_translation *out, unsigned max);

/* What a device is asked to give back: all it has of first..last, of one form. */
struct ioas_ats_invalidation {
	bool has_pasid; /* else of requests without one */
	pasid_t pasid;
	iova_t first, last;
	uint64_t tag; /* for ioas_ats_done */
};

struct ioas_ats_ops {
	/*
	 * Give these translations back. True: none of them is used any more; false: that is still
	 * to come, and ioas_ats_done says when. Called from the thread that unmaps or detaches,
	 * with locks of the engine held: call nothing but ioas_ats_done, and wait for nothing but
	 * TLPs under way. One at a time a device.
	 */
	bool (*invalidate)(void *arg, const struct ioas_ats_invalidation *what);
};

/*
 * Says that the model has a cache, and how to reach it; ioas_ats_close, with the device unbound or
 * nothing handed out, that it has it no more. 0; -EOPNOTSUPP the device or its IOMMU has no ATS;
 * -EBUSY it is open.
 */
int ioas_ats_open(struct ioas_device *dev, const struct ioas_ats_ops *ops, void *arg);
void ioas_ats_close(struct ioas_device *dev);
/* An invalidation has been carried out. From any thread, with any locks of the model's own. */
void ioas_ats_done(struct ioas_device *dev, uint64_t tag);

/*
 * Is ATS enabled: attached, and no invalidation has been left unanswered? Smallest translation
 * unit in bytes (the STU), 0: no ATS.
 */
bool ioas_ats_enabled(const struct ioas_device *dev);
uint64_t ioas_ats_unit(const struct ioas_device *dev);

/* What took a translation back. */
enum ioas_ats_cause {
	IOAS_ATS_BY_NOTHING, /* nothing did: it was never handed out */
	IOAS_ATS_BY_UNMAP,
	IOAS_ATS_BY_DETACH,
	IOAS_ATS_BY_REPLACE,
	IOAS_ATS_BY_DIRTY,  /* dirty bits were cleared: writes have to be told anew */
	IOAS_ATS_BY_REVOKE, /* the exporter of a dma-buf took it back */
	IOAS_ATS_BY_GUEST,  /* the program, of its own page table */
	IOAS_ATS_BY_RESET,  /* the device lost it by a reset */
};

/* "UNMAP", "DETACH", ... Never NULL. */
const char *ioas_ats_cause_name(enum ioas_ats_cause cause);

/*
 * A cache of translations as a device has it (an ATC), for any number of issuers. Calls may come
 * from any thread; while a request of ioas_atc_issue is under way others wait, so that a model with
 * many threads has one for each.
 */
struct ioas_atc;

/* `entry_nr` > 0 translations; the least recently used makes room. 0; -ENOMEM. */
int ioas_atc_new(unsigned entry_nr, struct ioas_atc **out);
void ioas_atc_destroy(struct ioas_atc *atc);

/*
 * Sends `tlp`, an untranslated one, as translated requests, as far as its addresses have
 * translations: those in the cache, and those that are asked for. *done (may be NULL) receives how
 * many bytes moved. 0; -EAGAIN byte *done has no translation that allows it: request its page
 * (ioas/pri.h) and try again from there; else as ioas_ats_translate and ioas_tlp_issue.
 */
int ioas_atc_issue(struct ioas_atc *atc, struct ioas_issuer *issuer, const struct ioas_tlp *tlp,
		   void *buf, uint64_t *done);

/*
 * What ioas_ats_ops.invalidate has to do for a cache: on return nothing of these translations is in
 * it, and no request with one of them under way.
 */
void ioas_atc_invalidate(struct ioas_atc *atc, const struct ioas_ats_invalidation *what);
/* Forgets everything, as a device does by a reset. */
void ioas_atc_clear(struct ioas_atc *atc);

struct ioas_atc_stats {
	uint64_t hits;	      /* translated requests from what was remembered */
	uint64_t asked;	      /* translation requests */
	uint64_t invalidated; /* translations given back */
	unsigned held;	      /* translations now */
};
void ioas_atc_stats(struct ioas_atc *atc, struct ioas_atc_stats *out);

IOAS_END

#endif
