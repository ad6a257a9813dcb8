/* SPDX-License-Identifier: MIT */
/*
 * Batches: many TLPs under one in-flight mark, for who goes on to their bytes by itself. Most of
 * what a TLP costs is here, inline: what the newest translation serves, and pages near by.
 */
#ifndef IOAS_BATCH_H
#define IOAS_BATCH_H

#include <ioas/tlp.h>

IOAS_BEGIN

/* A translation, as in a batch: of TLPs of a form, where they go, and which ops. */
struct ioas_batch_place {
	uint64_t form;
	iova_t first;
	uint64_t reach;
	uintptr_t to_host;
	uint32_t ops;
};

/* By which pages near by are found (src/tlp/psc.h). */
struct ioas_batch_way {
	uint64_t tag;	   /* for whom, and for which 2^30 addresses */
	const void *table; /* whose entries lead to tables of leaves, */
	uint64_t pointer;  /* each of which is this and the address of its table; */
	uint64_t leaf;	   /* and that of the first page of a piece of memory, */
	uint64_t last;	   /* so many pages long, less one, */
	uintptr_t to_host; /* which this process sees here */
	uint32_t ops;	   /* 1 << enum ioas_tlp_op: of such leaves; */
	uint32_t alone;	   /* the same, if no interrupts are among the addresses; else 0 */
};

/*
 * Many TLPs at once, for who goes on to their bytes by itself: between begin and end each costs a
 * comparison where the one before was near it. Addresses stay good until ioas_batch_end, whatever
 * the program unmaps meanwhile: UNMAP, DETACH and closing the bus wait for the end. So a batch is
 * short (some hundreds of TLPs, or 256 KiB of copying), takes no lock, and calls nothing of the
 * instance but what is named here. One at a time an issuer, by its thread.
 */
struct ioas_batch {
	struct ioas_issuer *issuer;
	/* For the engine, and ioas_batch_at: the newest translation, */
	uint64_t form; /* of TLPs with these flags, and this PASID */
	iova_t first;
	uint64_t reach; /* its last address is first + reach */
	uintptr_t to_host;
	uint32_t ops; /* for these: 1 << enum ioas_tlp_op; 0: none */
	/* and what passed, not counted yet. */
	uint32_t pieces, tlps;
	uint64_t len[2]; /* by enum ioas_tlp_op */
	/* And pages near by: of the newest form, who it is (to the engine), and in tags; */
	const void *near;
	uint64_t number;		  /* UINT64_MAX: none */
	const struct ioas_batch_way *way; /* and the newest way, or any: never NULL */
	struct ioas_batch_place aside;	  /* ioas_batch_swap */
};

void ioas_batch_begin(struct ioas_batch *batch, struct ioas_issuer *issuer);
void ioas_batch_end(struct ioas_batch *batch);
/*
 * Ends a batch and begins it again, if anybody waits for its end: so cheap that it may come after
 * each piece of copying. No address that was given out before is good any more.
 */
void ioas_batch_renew(struct ioas_batch *batch);
/* What ioas_batch_at does where the newest translation does not serve; all of it in registers. */
struct ioas_batch_found {
	void *host;   /* NULL: refused */
	uint64_t len; /* or what ioas_batch_at answers, as an int */
};
struct ioas_batch_found ioas_batch_find(struct ioas_batch *batch, iova_t addr, uint64_t len,
					uint64_t form, uint32_t what);
/* Of a TLP: the op, the address type, and the requester ID. */
static inline uint32_t ioas_batch_what(const struct ioas_tlp *tlp)
{
	return tlp->op | (uint32_t)tlp->at << 8 | (uint32_t)tlp->rid << 16;
}

/*
 * For ioas_batch_at and the engine, of a way that is for this address: the page there, all of it,
 * is the newest then, and the bytes count as moved. Two loads from its page table, and no call:
 * that is what a miss costs. NULL: it is not found so.
 */
static inline IOAS_INLINED void *ioas_batch_near(struct ioas_batch *batch,
						 const struct ioas_batch_way *way, iova_t addr,
						 uint64_t len, unsigned op)
{
	uint64_t rest = ~addr & 0xfff, entry, nr;

	if (__builtin_expect(!(way->alone >> op & 1) || len - 1 > rest, 0))
		return NULL;
	entry = __atomic_load_n((const uint64_t *)way->table + (addr >> 21 & 0x1ff),
				__ATOMIC_ACQUIRE) -
		way->pointer;
	if (__builtin_expect(entry & 0xffff000000000fff, 0))
		return NULL;
	nr = __atomic_load_n((const uint64_t *)(uintptr_t)entry + (addr >> 12 & 0x1ff),
			     __ATOMIC_ACQUIRE) -
	     way->leaf;
	/* Whatever else differs makes it larger than any number of pages. */
	nr = nr >> 12 | nr << 52;
	if (__builtin_expect(nr > way->last, 0))
		return NULL;
	batch->first = addr + rest - 0xfff;
	batch->reach = 0xfff;
	batch->to_host = way->to_host + (nr << 12) - batch->first;
	batch->ops = way->alone;
	batch->tlps++;
	batch->len[op] += len;
	return (void *)(addr + batch->to_host);
}

/*
 * Where this process sees the first bytes of `tlp`, in *host; *len receives how many of them lie
 * there in one piece, at least 1, at most tlp->len (the rest: the same with a later address). The
 * bytes count as moved, and a write as written. 0; -EFAULT it did not pass, and is on record;
 * -EINVAL as ioas_tlp_issue; -EAGAIN not in a batch: end it, and send this one by ioas_tlp_issue
 * (a port turns it to a peer, whose registers have no address, or its memory is being moved).
 *
 * The program may have taken mapped memory away without unmapping it. Then touching it is a fault
 * of the process, unless something recovers from it (guard.h); ioas_batch_copy does.
 */
static inline IOAS_INLINED int ioas_batch_at(struct ioas_batch *batch, const struct ioas_tlp *tlp,
					     void **host, uint64_t *len)
{
	uint64_t form = (uint64_t)tlp->flags << 32 | tlp->pasid;
	uint64_t off = tlp->addr - batch->first;

	/* The op is 0 or 1, the address type 0. */
	bool usual = form == batch->form && (tlp->op | tlp->at << 8) <= IOAS_TLP_WRITE;
	struct ioas_batch_found found;

	if (__builtin_expect(usual && off <= batch->reach && batch->ops >> tlp->op & 1 && tlp->len,
			     1)) {
		*len = tlp->len - 1 < batch->reach - off ? tlp->len : batch->reach - off + 1;
		*host = (void *)(tlp->addr + batch->to_host);
		batch->tlps++;
		batch->len[tlp->op] += *len;
		return 0;
	}
	if (__builtin_expect(usual && (batch->number | tlp->addr >> 30) == batch->way->tag, 1)) {
		*host = ioas_batch_near(batch, batch->way, tlp->addr, tlp->len, tlp->op);
		*len = tlp->len;
		if (__builtin_expect(*host != NULL, 1))
			return 0;
	}
	found = ioas_batch_find(batch, tlp->addr, tlp->len, form, ioas_batch_what(tlp));
	*host = found.host;
	*len = found.host ? found.len : 0;
	return found.host ? 0 : (int)found.len;
}

/*
 * Puts the newest translation aside, and takes the one that was put aside before: for who goes to
 * and fro between two places, as between his queues and the data. What is aside is forgotten when
 * the newest one is.
 */
static inline void ioas_batch_swap(struct ioas_batch *batch)
{
	struct ioas_batch_place aside = batch->aside;

	batch->aside = (struct ioas_batch_place){batch->form, batch->first, batch->reach,
						 batch->to_host, batch->ops};
	if (__builtin_expect(aside.form != batch->form, 0)) {
		batch->near = NULL;
		batch->number = UINT64_MAX;
	}
	batch->form = aside.form;
	batch->first = aside.first;
	batch->reach = aside.reach;
	batch->to_host = aside.to_host;
	batch->ops = aside.ops;
}

/* Pages of 4 KiB in a row. */
struct ioas_window {
	uint64_t shift; /* added to an address in them this gives less than */
	uint64_t len;
};

/*
 * Where TLPs of `op` without flags pass, as they do by ioas_batch_at: the whole pages that the
 * newest translation covers. So who has many that are alike, none of which crosses a boundary of 4
 * KiB, and moves nothing himself, compares their addresses by ioas_window_holds alone, and says
 * then how many passed, ioas_batch_passed. Good until any other call of ioas_batch_.
 */
static inline struct ioas_window ioas_batch_window(const struct ioas_batch *batch,
						   enum ioas_tlp_op op)
{
	iova_t first = (batch->first + 4095) & ~4095ull;
	iova_t end = (batch->first + batch->reach + 1) & ~4095ull;

	if (batch->form || op > IOAS_TLP_WRITE || !(batch->ops >> op & 1) || first >= end)
		return (struct ioas_window){0, 0};
	return (struct ioas_window){-first, end - first};
}

/* Is the page that has `addr` one of them? */
static inline bool ioas_window_holds(const struct ioas_window *window, iova_t addr)
{
	return addr + window->shift < window->len;
}

/* `nr` TLPs of `op` that lay in its window passed, of `len` bytes together. */
static inline void ioas_batch_passed(struct ioas_batch *batch, enum ioas_tlp_op op, uint32_t nr,
				     uint64_t len)
{
	batch->tlps += nr;
	batch->len[op] += len;
}

/*
 * ioas_batch_at for each of `nr` TLPs in turn, up to the first that is not answered 0: *rc receives
 * that answer, or 0. What page tables say of the addresses is fetched together, some ahead, so that
 * misses of the processor's caches overlap: worth it where addresses are scattered over much
 * memory. `hosts` and `lens` have room for nr. Returns how many were answered.
 */
unsigned ioas_batch_at_many(struct ioas_batch *batch, const struct ioas_tlp *tlps, unsigned nr,
			    void **hosts, uint64_t *lens, int *rc);

/* Copies tlp->len bytes. As ioas_tlp_issue; -EAGAIN as above, when a part may have been copied. */
int ioas_batch_copy(struct ioas_batch *batch, const struct ioas_tlp *tlp, void *buf);
/*
 * Copies `len` bytes between `host`, which ioas_batch_at has given in this batch for the bytes of
 * `tlp` from its byte `off` on, and `buf`. 0; -EFAULT the program took the memory away, and that is
 * on record.
 */
int ioas_batch_move(struct ioas_batch *batch, const struct ioas_tlp *tlp, uint64_t off, void *host,
		    void *buf, uint64_t len);
/*
 * Writes tlp->len / 8 words, aligned (host byte order), each as ioas_dma_store would: whoever sees
 * one sees those before it. For records of completion. 0; -EFAULT; -EINVAL no write, or misaligned;
 * -EAGAIN as above, when none has been written if they lie within one page of 4 KiB.
 */
int ioas_batch_words(struct ioas_batch *batch, const struct ioas_tlp *tlp, const uint64_t *words);

IOAS_END

#endif
