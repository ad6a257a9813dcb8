/* SPDX-License-Identifier: MIT */
/*
 * ATS, the IOMMU's side: what it has handed out, and how it takes it back.
 *
 *   ats.c        when it is enabled; translation requests; translated requests
 *   ats_inval.c  invalidations: UNMAP, DETACH, replace and dirty bits take translations back
 *   ats_track.c  which translations a device holds
 *   ats_stale.c  --check-invalidation: are they still what the program's page table says?
 *   atc.c        a device's cache, for models
 *
 * How a translation ends. The page table, or the route, has changed, and inflight_wait has been
 * called: whoever handed out by the old one has entered it here. Now the device is asked, and
 * answers; only then is it taken from the device's set, and inflight_wait called once more: no
 * translated request uses it. Spans lent by then are waited for by the caller, as ever.
 *
 * Locks. ats->turn: one invalidation of a device at a time, held while the device takes its time.
 * ats->lock, and inside it tables->lock, are short, and taken in flight: their holder waits for
 * nothing. A translated request that the issuer remembers (src/tlp/iotlb.h) takes none.
 */
#ifndef TLP_ATS_H
#define TLP_ATS_H

#include <pthread.h>
#include <stdatomic.h>
#include <ioas/ats.h>
#include "tlp/ats_take.h"
#include "tlp/ats_track.h"
#include "tlp/tlp.h"

/* What a device had, for the record of who uses it still. */
struct ats_gone {
	uint32_t form;
	enum ioas_ats_cause cause;
	iova_t first;
	uint64_t len;
	pa_t pa;
};
#define ATS_GONE_NR 256

enum ats_state {
	ATS_OFF,
	ATS_ON,
	ATS_BLOCKED, /* an invalidation was left unanswered */
};

/* Of a device that has ATS. */
struct ats {
	struct ioas_device *dev; /* constant */
	unsigned unit_lg2;	 /* constant: bytes of the smallest translation unit */
	uint32_t attached;	 /* (set->lock) forms that are attached */
	pthread_mutex_t turn;
	pthread_mutex_t lock;	 /* protects all that follows, but for what says otherwise */
	pthread_cond_t answered; /* tag_done has changed, or the state has */
	_Atomic uint32_t refs;
	const struct ioas_ats_ops *_Atomic ops; /* (turn) for writing; NULL: there is no cache */
	void *arg;				/* (turn) */
	_Atomic uint32_t state;			/* enum ats_state; (lock) for writing */
	struct ats_track track;
	uint64_t tag, tag_done;		   /* of the newest invalidation, asked and answered */
	struct ats_gone gone[ATS_GONE_NR]; /* the newest, number n at n % ATS_GONE_NR */
	uint64_t gone_nr;
};

/* Gives a device ATS, with that unit. Before anybody knows the device. 0; -ENOMEM. */
int ats_add(struct ioas_device *dev, unsigned unit_lg2);
/* Nothing is attached any more. NULL is fine. */
void ats_put(struct ats *ats);

/*
 * One more form of the device is attached, or one less. With set->lock; `off` after all of what was
 * handed out by that form is gone.
 */
void ats_attached(struct ioas_device *dev, bool on);
/* The device has been reset: it holds nothing. No TLP of it is in flight. */
void ats_reset(struct ioas_device *dev);

/* May a request with that address type, which is not untranslated, pass at all? In flight. */
enum ioas_fault_reason ats_check(const struct ioas_device *dev, const struct ioas_tlp *tlp,
				 const struct tlp_route *route);
/*
 * Does the device hold a translation to `pa` that allows `op`? All of it, in *out, and for what it
 * was handed out, in *ops. In flight; takes ats->lock.
 */
bool ats_holds(struct ioas_device *dev, pa_t pa, unsigned op, struct ioas_range *out,
	       uint32_t *ops);
/*
 * For --check-dirty: the device has written there by one of its translations, as far as it still
 * holds one. In flight.
 */
void ats_wrote(struct ioas_issuer *issuer, pa_t pa, uint64_t len);
/*
 * For --check-invalidation: a translated request goes to `pa`. What the device holds there, if the
 * program's own page table says otherwise by now, is put on record. In flight, after ats_holds.
 */
void ats_check_stale(struct ioas_issuer *issuer, const struct ioas_tlp *tlp, pa_t pa);
/* What was at `pa` for the device, into the record. In flight. */
void ats_explain(struct ioas_fault *fault, struct ioas_device *dev, pa_t pa);

/*
 * ats_take_back of one device: all that it was handed out for requests of that form (of *pasid;
 * NULL: without one) by way of `target`, which its route for them has led to. Where that has a
 * table of PASIDs, it is for all forms.
 */
void ats_take_route(struct ioas_device *dev, const pasid_t *pasid, const struct pt_target *target,
		    enum ioas_ats_cause cause);

/* What a guest asks a device to give back, of its own stage 1: its addresses, and which forms. */
struct ats_named {
	iova_t first, last;
	bool one_pasid; /* only of `pasid` */
	bool any_pasid; /* of all PASIDs, and not without one; neither: of all forms */
	pasid_t pasid;
};
/* Takes that back (IOAS_ATS_BY_GUEST); after inflight_wait, as ats_take_back. */
void ats_take_named(struct ioas_device *dev, const struct pt_target *target,
		    const struct ats_named *what);

/* Has its model said that it has a cache? */
bool ats_is_open(const struct ioas_device *dev);

/* The form of a request here, or of an attachment. */
uint32_t ats_form(const struct ioas_device *dev, bool has_pasid, pasid_t pasid);

/* One translation request, with no record yet: 0; -EFAULT, *fault is filled; -ENOMEM. */
int ats_ask(struct ioas_issuer *issuer, const struct ioas_tlp *tlp,
	    struct ioas_ats_translation *out, struct ioas_fault *fault);

/* A translation as a completion has it: 10.2.3, in one word. */
uint64_t ats_completion(const struct ioas_ats_translation *found);

/* ats_inval.c for ats.c, with ats->lock. An entry ends; a use begins, perhaps with *spare. */
void ats_entry_end(struct ats *ats, struct ats_entry *entry, enum ioas_ats_cause cause);
void ats_use_enter(struct ats_tables *tables, const struct pt *pt, struct ats_use *use,
		   struct ats_table **spare);

#endif
