/* SPDX-License-Identifier: MIT */
/*
 * What the files of accesses share: access.c is their life, pin.c's pages are pinned for them in
 * access_pin.c, access_rw.c copies, access_loan.c lends.
 *
 * Locks. access->lock, outside the space's: shared by who uses the access, exclusive for who moves
 * it. pins_lock, innermost: the list of pins, and whether one has ended.
 */
#ifndef SPACE_ACCESS_H
#define SPACE_ACCESS_H

#include <ioas/access.h>
#include "space/private.h"

/* An access in a space's list. Two of them: while it moves an access is in two lists. */
struct access_link {
	struct ioas_access *access;
	struct access_link *next, **prev; /* (lock of that space) */
	uint32_t calls;			  /* (likewise) of `unmap`, at work */
};

struct ioas_access {
	struct ioas_iommu *iommu;	   /* constant */
	const struct ioas_access_ops *ops; /* constant; or NULL */
	void *arg;			   /* constant */
	bool pinning;			   /* constant: IOAS_ACCESS_PINS */
	pthread_rwlock_t lock;
	struct ioas_space *space; /* (lock) or NULL */
	bool leaving;		  /* (lock) it acts on nothing just now */
	struct access_link link[2];
	unsigned at; /* (lock) the link in `space` */
	pthread_mutex_t pins_lock;
	struct ioas_access_pin *pins; /* (pins_lock) linked by next */
};

/* Some of an area, pinned. The area counts it, and stays as it is. */
struct access_part {
	struct space_area *area;
	struct pages_pin *pin;
	uint64_t skip; /* bytes of the pin's window before what was asked for */
	uint64_t len;
};

struct ioas_access_pin {
	struct ioas_access *access;	      /* constant */
	struct ioas_space *space;	      /* constant; valid until it has ended */
	struct ioas_access_pin *next, **prev; /* (pins_lock) */
	iova_t iova;			      /* constant */
	uint64_t len;			      /* constant */
	bool ended;			      /* (pins_lock) */
	size_t nr, cap;			      /* constant once pinned */
	struct access_part *parts;	      /* likewise */
};

/*
 * What the next bytes of a range lie in, and whether they may be accessed so; a pin looks at where
 * pages begin between the two, as the kernel does. Space locked. 0; -ENOENT, -EINVAL; -EPERM,
 * -EINVAL.
 */
int access_area(struct ioas_space *space, iova_t iova, struct space_area **out,
		struct ioas_why *why);
int access_allowed(const struct space_area *area, bool write, struct ioas_why *why);
/* 0; -EINVAL; -EOVERFLOW. */
int access_check(iova_t iova, uint64_t len, uint32_t flags, struct ioas_why *why);
/* Takes access->lock, shared, and finds the space. 0; -ENOENT, not locked. */
int access_enter(struct ioas_access *access, struct ioas_why *why);
void access_leave(struct ioas_access *access);
/* Ends what a pin keeps. Not twice; nobody else uses its parts. */
void access_pin_end(struct ioas_access_pin *pin);
void access_pin_free(struct ioas_access_pin *pin);
/* Where a held window's byte is just now; *len shrinks to what follows in one piece. */
void *access_host(struct ioas_iommu *iommu, struct mem_window *window, uint64_t off, uint64_t *len);

/* With a space's lock held: calls every access' unmap for the area, without the lock. */
void access_tell(struct ioas_space *space, iova_t first, iova_t last);

#endif
