/* SPDX-License-Identifier: MIT */
/*
 * Accesses: software that reads and writes an address space by itself, without a device's TLPs and
 * without a page table. A mediated device is one: the program maps memory for it as for any other.
 *
 * Copying (ioas_access_rw) needs no preparation. Who wants memory to stay, pins it: a pin keeps its
 * pages whatever the program does with its own mapping, and lends them as host spans, which are
 * valid for the length of a transfer only, since the engine may have to move what the program
 * gives up. An access that pins is told when the program unmaps what it has pinned, and lets go.
 *
 * As IOMMU_TEST_CMD's accesses show programs, and as in-kernel users of Linux's iommufd.
 */
#ifndef IOAS_ACCESS_H
#define IOAS_ACCESS_H

#include <sys/uio.h>
#include <ioas/space.h>

IOAS_BEGIN

struct ioas_access;
struct ioas_access_pin;

struct ioas_access_ops {
	/*
	 * first..last is being unmapped, or left: unpin every pin that meets it, at once or soon,
	 * from this thread or another; no new one can be made there meanwhile. Called by whoever
	 * unmaps or attaches, without locks of the engine, perhaps by several threads at once and
	 * more than once. Must not attach, detach or destroy the access.
	 */
	void (*unmap)(void *arg, iova_t first, iova_t last);
};

enum ioas_access_flags {
	IOAS_ACCESS_PINS = 1, /* it will pin: the space's alignment becomes a page. Needs `unmap` */
};

/*
 * Makes an access, attached to nothing. `ops` may be NULL without IOAS_ACCESS_PINS and must outlive
 * it. 0; -EINVAL unknown flags, or PINS without `unmap`; -ENOMEM.
 */
int ioas_access_new(struct ioas_iommu *iommu, const struct ioas_access_ops *ops, void *arg,
		    uint32_t flags, struct ioas_access **out);
/* Detaches it and ends all pins. No other call may be at work, no loan open. NULL is fine. */
void ioas_access_destroy(struct ioas_access *access);

/*
 * From now on it acts on `space`, of which it holds a reference. Attached elsewhere, it first
 * leaves: `unmap` is called for everything, and what pins are left then end. While it moves, and
 * after detach, it acts on nothing. 0, also if it is there already; -EADDRINUSE it pins, and
 * something is mapped that is not of whole pages; -EBUSY it is just moving; -ENOMEM. An error
 * leaves it where it was.
 */
int ioas_access_attach(struct ioas_access *access, struct ioas_space *space, struct ioas_why *why);
/* The same to nowhere. Never fails, but does nothing while it is just moving. */
void ioas_access_detach(struct ioas_access *access);

enum ioas_access_rw_flags {
	IOAS_ACCESS_WRITE = 1, /* to the space; else from it */
};

/*
 * Copies `len` bytes between `buf` and the space from `iova` on, across mappings, to the byte. Up
 * to where an error is met bytes may have been copied. 0; -EINVAL len 0, unknown flags, being
 * unmapped, or a dma-buf; -EOVERFLOW; -ENOENT attached to nothing, or nothing is mapped there;
 * -EPERM the mapping does not allow it; -EFAULT memory is not there.
 */
int ioas_access_rw(struct ioas_access *access, iova_t iova, void *buf, size_t len, uint32_t flags,
		   struct ioas_why *why);

/*
 * Pins the pages of iova .. iova + len - 1, for writing with IOAS_ACCESS_WRITE. 0 and a pin, which
 * is the caller's until ioas_access_unpin; -EOPNOTSUPP made without IOAS_ACCESS_PINS; -EINVAL as
 * ioas_access_rw, also where memory begins inside a page; -EOVERFLOW; -ENOENT; -EPERM; -EFAULT;
 * -ENOMEM, also above what the mapping process may pin. An error leaves nothing pinned.
 */
int ioas_access_pin(struct ioas_access *access, iova_t iova, uint64_t len, uint32_t flags,
		    struct ioas_access_pin **out, struct ioas_why *why);
/* Ends a pin, of which nothing may be lent any more. NULL is fine. Never fails. */
void ioas_access_unpin(struct ioas_access_pin *pin);
/* What it was asked for. */
iova_t ioas_access_pin_iova(const struct ioas_access_pin *pin);
uint64_t ioas_access_pin_len(const struct ioas_access_pin *pin);

/*
 * Memory of pins, lent: host spans that stay valid until ioas_access_end. Zeroed it is an empty
 * one. Reuse one for many transfers. One thread at a time uses it. Between begin and end make no
 * other call of an access, and never wait for the program: it may be waiting for you.
 */
struct ioas_access_loan {
	struct iovec *iov; /* the spans, neighbours joined */
	unsigned iov_nr;
	unsigned iov_cap;
	uint64_t len;	 /* bytes in all spans */
	uintptr_t *hold; /* what keeps the spans alive; for the engine only */
	unsigned hold_nr;
	unsigned hold_cap;
};

/*
 * Lends `len` bytes from byte `off` of a pin on, in an empty loan. Write to them only if pinned for
 * writing. 0; -EINVAL not inside the pin, or len 0; -ENOENT the pin has ended; -ENOMEM.
 */
int ioas_access_begin(struct ioas_access_pin *pin, uint64_t off, uint64_t len,
		      struct ioas_access_loan *loan);
/* The spans are dead, the loan is empty. */
void ioas_access_end(struct ioas_access_loan *loan);
/* The same, and frees its vectors. */
void ioas_access_loan_fini(struct ioas_access_loan *loan);

IOAS_END

#endif
