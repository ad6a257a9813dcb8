/* SPDX-License-Identifier: MIT */
/*
 * The same model without an IOMMU: an IOVA is an address of this process but for what is added, and
 * a copy is a memcpy. Put before all else of each of its files.
 */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <string.h>
#include <ioas/batch.h>

extern uintptr_t bare_to_host;

static inline int bare_at(struct ioas_batch *batch, const struct ioas_tlp *tlp, void **host,
			  uint64_t *len)
{
	*host = (void *)(tlp->addr + bare_to_host);
	*len = tlp->len;
	return 0;
}

static inline int bare_move(struct ioas_batch *batch, const struct ioas_tlp *tlp, uint64_t off,
			    void *host, void *buf, uint64_t len)
{
	if (tlp->op == IOAS_TLP_WRITE)
		memcpy(host, buf, len);
	else
		memcpy(buf, host, len);
	return 0;
}

static inline int bare_issue(struct ioas_issuer *issuer, const struct ioas_tlp *tlp, void *buf)
{
	return bare_move(NULL, tlp, 0, (void *)(tlp->addr + bare_to_host), buf, tlp->len);
}

static inline int bare_copy(struct ioas_batch *batch, const struct ioas_tlp *tlp, void *buf)
{
	return bare_issue(NULL, tlp, buf);
}

static inline int bare_dma_store(struct ioas_issuer *issuer, iova_t addr, uint64_t value,
				 unsigned size)
{
	__atomic_store_n((uint64_t *)(addr + bare_to_host), value, __ATOMIC_RELEASE);
	return 0;
}

static inline int bare_words(struct ioas_batch *batch, const struct ioas_tlp *tlp,
			     const uint64_t *words)
{
	uint64_t *at = (uint64_t *)(tlp->addr + bare_to_host);

	for (uint64_t i = 0; i < tlp->len / 8; i++)
		__atomic_store_n(&at[i], words[i], __ATOMIC_RELEASE);
	return 0;
}

static inline int bare_read(struct ioas_issuer *issuer, iova_t addr, void *buf, size_t len)
{
	memcpy(buf, (void *)(addr + bare_to_host), len);
	return 0;
}

static inline int bare_write(struct ioas_issuer *issuer, iova_t addr, const void *buf, size_t len)
{
	memcpy((void *)(addr + bare_to_host), buf, len);
	return 0;
}

static inline void bare_begin(struct ioas_batch *batch, struct ioas_issuer *issuer)
{
}

static inline void bare_end(struct ioas_batch *batch)
{
}

static inline void bare_swap(struct ioas_batch *batch)
{
}

static inline struct ioas_window bare_window(struct ioas_batch *batch, unsigned op)
{
	return (struct ioas_window){0};
}

static inline bool bare_holds(const struct ioas_window *window, iova_t addr)
{
	return true;
}

static inline void bare_passed(struct ioas_batch *batch, unsigned op, uint32_t nr, uint64_t len)
{
}

#define ioas_batch_swap	  bare_swap
#define ioas_batch_window bare_window
#define ioas_window_holds bare_holds
#define ioas_batch_passed bare_passed
#define ioas_batch_begin  bare_begin
#define ioas_batch_end	  bare_end
#define ioas_batch_renew  bare_end
#define ioas_batch_at	  bare_at
#define ioas_batch_move	  bare_move
#define ioas_batch_copy	  bare_copy
#define ioas_batch_words  bare_words
#define ioas_tlp_issue	  bare_issue
#define ioas_dma_read	  bare_read
#define ioas_dma_write	  bare_write
#define ioas_dma_store	  bare_dma_store

#endif
