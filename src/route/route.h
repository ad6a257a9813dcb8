/* SPDX-License-Identifier: MIT */
/*
 * Routes: whose TLP is this, and which page table does it meet.
 *
 * What the IOMMU is programmed with hangs off a *set*: one page table for requests without a PASID,
 * one for each PASID. A set has all devices whose requests can carry a common requester ID, which
 * the IOMMU cannot tell apart (a share set; most have one device). A device holds its set directly,
 * so that its own TLPs need no table lookup; table.c finds the set of a claimed requester ID.
 *
 *   device.c   a device's life: known, bound (its TLPs declared)
 *   set.c      sets, their members, and their routes by PASID
 *   attach.c   attach, replace, detach, and the rules of a share set
 *   list.c     what is attached, for who asks
 *   shared.c   the page tables of ioas_device_attach
 *   table.c    sets by requester ID
 *   stream.c   devices of buses that have StreamIDs
 *
 * Locks. set->lock serialises whatever changes where its requests go. Machine-wide PASIDs have
 * their own, inside. TLPs take none: they follow pointers while they are in flight.
 */
#ifndef ROUTE_ROUTE_H
#define ROUTE_ROUTE_H

#include <stdatomic.h>
#include <pthread.h>
#include <sys/queue.h>
#include <ioas/device.h>
#include "mem/lend.h"
#include "pt/pt.h"

struct kind_unit;
struct route_shared;
struct route_set;

/* Which bus a requester ID is of. */
enum route_bus {
	ROUTE_PCI,    /* segment << 16 | RID */
	ROUTE_STREAM, /* a StreamID */
	ROUTE_BUS_NR,
};

/*
 * How a bus turns requests to peers before they come to the IOMMU. `peer`, in flight and without a
 * lock: 1, *out is where the request goes instead; 0 it goes to the IOMMU. `access`, not in flight,
 * since a peer may well send TLPs itself, does the access: 0; -EFAULT the peer did not answer.
 * `name`: the peer's.
 */
struct route_turn {
	void *target;
	uint64_t off;
	unsigned part;
};
struct route_bus_ops {
	int (*peer)(struct ioas_device *dev, const struct ioas_tlp *tlp, struct route_turn *out);
	int (*access)(struct ioas_device *dev, const struct ioas_tlp *tlp, void *buf,
		      const struct route_turn *turn);
	void (*name)(const struct route_turn *turn, char name[IOAS_NAME_LEN]);
};

/* Bus numbers that the port above lets out as requester IDs (ACS source validation). */
struct route_source {
	uint8_t first, last;
	bool rewritten; /* a bridge above puts its own in their place, whatever is claimed */
};

struct ioas_device {
	struct ioas_iommu *iommu; /* constant */
	char name[IOAS_NAME_LEN]; /* constant: "0000:01:00.0" */
	enum route_bus bus;	  /* constant */
	uint16_t segment;	  /* constant */
	uint32_t id;		  /* constant: what its requests carry where they meet the IOMMU */
	const struct kind_unit *unit; /* constant: its IOMMU */
	unsigned aw;		      /* constant: address bits of that */
	bool pasid_0_same;	      /* constant: that takes PASID 0 for none */
	struct ioas_range msi;	      /* constant: writes there are interrupts; or nowhere */
	struct route_set *set;	      /* constant; referenced */
	_Atomic uint32_t forms;	      /* declared at bind; ROUTE_BOUND while bound */
	_Atomic uint32_t pasid_lg2;   /* declared at bind */
	_Atomic bool dma_on;	      /* the bus lets its memory requests out */
	_Atomic(const struct route_bus_ops *) bus_ops; /* NULL: no port turns its requests */
	void *bus_arg; /* constant: the bus's own; PCI: the function, or NULL without one */
	_Atomic(const struct route_source *) source; /* NULL: nobody checks */
	struct ats *ats;			     /* constant; NULL: it has no ATS */
	struct pri *pri;			     /* constant; NULL: it requests no pages */
	struct ioas_device_counters *counters;	     /* relaxed atomic adds */
	struct mem_lend lent;			     /* transfers that have spans of memory */
	uint32_t *requester;			     /* constant: ids it is entered under */
	size_t requester_nr;			     /* constant */
	LIST_ENTRY(ioas_device) in_set;		     /* (set->lock) */
};

#define ROUTE_BOUND (1u << 31)

/* What a device is to the IOMMU. */
struct route_identity {
	const char *name;
	enum route_bus bus;
	uint16_t segment;
	uint32_t id;		   /* what its requests carry, `requester` has it, too */
	const uint32_t *requester; /* all they may carry; NULL: just id */
	size_t requester_nr;
	struct route_set *set;	      /* NULL: one of its own */
	const struct kind_unit *unit; /* its IOMMU; NULL: the instance's own */
	bool ats;		      /* it has ATS, which counts if the IOMMU has */
	uint16_t page_request_nr;     /* with ats: page requests at a time, 0: none */
};

/*
 * Makes a device known to the IOMMU. dma_on starts false. 0; -EEXIST a requester ID is another
 * set's; -ENOMEM.
 */
int route_device_create(struct ioas_iommu *iommu, const struct route_identity *who,
			struct ioas_device **out);
/* The plain case: PCI, one requester ID, a set of its own. */
int route_device_new(struct ioas_iommu *iommu, const char *name, uint16_t segment, rid_t rid,
		     struct ioas_device **out);
/* The device must be unbound and without issuers. */
void route_device_destroy(struct ioas_device *dev);

/*
 * May its requests (of *pasid; NULL: without one) be routed? 0; -EINVAL not bound, the form not
 * declared, or the PASID beyond its width, or 0 where that is no PASID of its own.
 */
int route_check(struct ioas_device *dev, const pasid_t *pasid, struct ioas_why *why);
/*
 * Points the device's requests (of *pasid; NULL: without one) at `to` (NULL: attached, but
 * blocked), which stays until they go elsewhere. A device that is attached moves, and all of its
 * share set that are attached with it. On return no TLP uses the old table, lent spans included:
 * what was lent is waited for. 0; 1 a device of its share set had it there already: nothing to do;
 * -EINVAL as route_check, or a device of its share set is attached elsewhere, or a machine-wide
 * PASID is; -ENOMEM. An error leaves the old route.
 */
int route_attach_to(struct ioas_device *dev, const pasid_t *pasid, struct pt_target *to,
		    struct ioas_why *why);
/* The same at a page table by itself. */
int route_attach(struct ioas_device *dev, const pasid_t *pasid, struct pt *pt,
		 struct ioas_why *why);
/*
 * Detaches it. With the last one of its share set the requests are blocked, and on return none is
 * in flight. Nothing attached: nothing happens.
 */
void route_detach(struct ioas_device *dev, const pasid_t *pasid);

/* Waits until none of the device's TLPs is in flight, and nothing is lent to it. */
void route_drain(struct ioas_device *dev);

/* Opens or closes the bus (PCI bus master). Closing waits until nothing is in flight or lent. */
void route_dma_enable(struct ioas_device *dev, bool on);

/* ---- set.c ---- */

/* One more device attached by way of an entry, beyond the first. */
struct route_user {
	struct ioas_device *dev;
	struct route_user *next;
};

/* Where requests of one PASID, or without one, go. All but to: (set->lock). */
struct route_entry {
	struct pt_target *_Atomic to; /* NULL: blocked */
	struct ioas_device *first;    /* who is attached; NULL: nobody */
	struct route_user *more;
	struct route_shared *shared; /* of ioas_device_attach; NULL for route_attach */
};

struct route_pasids;

struct route_set {
	struct ioas_iommu *iommu; /* constant */
	char name[IOAS_NAME_LEN]; /* constant once it has had a device: its first one's */
	pthread_mutex_t lock;
	_Atomic uint32_t refs;
	_Atomic uint32_t forms; /* what any of its members has declared; ROUTE_BOUND with one */
	struct route_entry untagged;
	struct route_pasids *_Atomic pasids; /* three levels, made as PASIDs are attached */
	LIST_HEAD(, ioas_device) members;    /* (lock) */
	void *peers; /* src/obj/'s: its devices of this set (their context's lock) */
	/* src/obj/'s: the id by which a guest knows its requests without a PASID; or none. */
	_Atomic uint64_t guest_id;
};

#define ROUTE_NO_GUEST UINT64_MAX

int route_set_new(struct ioas_iommu *iommu, struct route_set **out);
struct route_set *route_set_get(struct route_set *set);
void route_set_put(struct route_set *set);
/* Remakes set->forms. set->lock. */
void route_set_declare(struct route_set *set);

/* The entry of a PASID (NULL: of requests without one) if there is one. In flight, or set->lock. */
struct route_entry *route_entry_find(struct route_set *set, const pasid_t *pasid);
/* The same, made if it is missing; NULL: no memory. set->lock. */
struct route_entry *route_entry_get(struct route_set *set, const pasid_t *pasid);
/* Frees it if nobody is attached by it. set->lock; nobody is in flight through it. */
void route_entry_trim(struct route_set *set, const pasid_t *pasid);
/* The next PASID at or after *pasid that somebody is attached to, into *pasid. set->lock. */
struct route_entry *route_entry_next(struct route_set *set, pasid_t *pasid);

bool route_entry_has(const struct route_entry *entry, const struct ioas_device *dev);
/* 0; -ENOMEM, but never for the first one. */
int route_entry_add(struct route_entry *entry, struct ioas_device *dev);
void route_entry_del(struct route_entry *entry, const struct ioas_device *dev);

/* ---- table.c ---- */

/* The set that a requester ID belongs to, or NULL. Constant time, lock-free; in flight only. */
struct route_set *route_find(struct ioas_iommu *iommu, enum route_bus bus, uint32_t id);
#define route_pci_id(segment, rid) ((uint32_t)(segment) << 16 | (rid))

/* Enters a set under a requester ID, once more if it is there. 0; -EEXIST another's; -ENOMEM. */
int route_insert(struct route_set *set, enum route_bus bus, uint32_t id);
/* Takes it out when it was the last. Readers may still see it until inflight_wait. Never fails. */
void route_remove(struct ioas_iommu *iommu, enum route_bus bus, uint32_t id);

/* ---- shared.c ---- */

/*
 * The page table of that form (as kind_unit_table tells) that all devices attached to `space` by
 * ioas_device_attach share, behind IOMMUs that want it so; made and filled when it is first asked
 * for. Errors as ioas_device_attach. Takes its lock, then the space's.
 */
int route_shared_get(struct ioas_iommu *iommu, struct ioas_space *space,
		     const struct pt_config *form, struct route_shared **out, struct ioas_why *why);
/* The last put empties and frees the table; nobody may be in flight through it. */
void route_shared_put(struct ioas_iommu *iommu, struct route_shared *shared);
struct pt *route_shared_pt(const struct route_shared *shared);
struct ioas_space *route_shared_space(const struct route_shared *shared);

/* For the table's life: nothing is shared any more when it ends. */
struct route_shares;
int route_shares_new(struct route_shares **out);
void route_shares_destroy(struct route_shares *shares);
struct route_shares *route_shares(struct ioas_iommu *iommu);

/* ---- attach.c: PASIDs that whoever submits work picks, which mean one space machine-wide ---- */

struct route_wide;
int route_wide_new(struct ioas_iommu *iommu, struct route_wide **out);
void route_wide_destroy(struct route_wide *wide);
struct route_wide *route_wide(struct ioas_iommu *iommu);

#endif
