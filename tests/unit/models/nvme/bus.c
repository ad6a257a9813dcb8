/* SPDX-License-Identifier: MIT */
/* A bus of one device: what the engine would do for it, in the shortest way. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ioas/ats.h>
#include "models/nvme/bus.h"
#include "nvme/keys.h"

struct bus bus;

void bus_open(void)
{
	memset(&bus, 0, sizeof(bus));
	bus.memory =
		mmap(NULL, BUS_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bus_protect(BUS_BASE, BUS_LEN, IOAS_PROT_READ | IOAS_PROT_WRITE);
	bus.master = bus.msix = true;
}

void bus_close(void)
{
	munmap(bus.memory, BUS_LEN);
}

void bus_protect(iova_t addr, uint64_t len, uint8_t prot)
{
	for (uint64_t i = (addr - BUS_BASE) / 4096; i < (addr - BUS_BASE + len) / 4096; i++)
		__atomic_store_n(&bus.prot[i], prot, __ATOMIC_RELAXED);
}

int bus_create(const struct ioas_param *params, size_t nr, struct ioas_why *why)
{
	struct ioas_pci *pci;

	return nvme_model.create(NULL, (struct ioas_pci_addr){0, 1, 0}, params, nr, &pci, why);
}

void bus_remove(void)
{
	bus.ops->destroy(bus.model);
}

static bool allowed(iova_t addr, uint64_t len, uint8_t prot)
{
	if (!bus.master || addr < BUS_BASE || addr - BUS_BASE + len > BUS_LEN)
		return false;
	for (uint64_t i = (addr - BUS_BASE) / 4096; i <= (addr - BUS_BASE + len - 1) / 4096; i++)
		if (!(__atomic_load_n(&bus.prot[i], __ATOMIC_RELAXED) & prot))
			return false;
	return true;
}

int ioas_tlp_issue(struct ioas_issuer *issuer, const struct ioas_tlp *tlp, void *buf)
{
	bool write = tlp->op == IOAS_TLP_WRITE;

	if (!tlp->len)
		return -EINVAL;
	if (!allowed(tlp->addr, tlp->len, write ? IOAS_PROT_WRITE : IOAS_PROT_READ)) {
		bus.faults++;
		return -EFAULT;
	}
	if (write)
		memcpy(bus_at(tlp->addr), buf, tlp->len);
	else if (tlp->len == 8 && tlp->addr % 8 == 0) /* one load, as of the engine's */
		*(uint64_t *)buf = __atomic_load_n((uint64_t *)bus_at(tlp->addr), __ATOMIC_ACQUIRE);
	else
		memcpy(buf, bus_at(tlp->addr), tlp->len);
	return 0;
}

int ioas_dma_read(struct ioas_issuer *issuer, iova_t addr, void *buf, size_t len)
{
	struct ioas_tlp tlp = {.addr = addr, .len = len, .op = IOAS_TLP_READ};
	void (*tell)(iova_t addr) = bus.has_read;
	int rc = ioas_tlp_issue(issuer, &tlp, buf);

	if (tell)
		tell(addr);
	return rc;
}

int ioas_dma_write(struct ioas_issuer *issuer, iova_t addr, const void *buf, size_t len)
{
	struct ioas_tlp tlp = {.addr = addr, .len = len, .op = IOAS_TLP_WRITE};

	return ioas_tlp_issue(issuer, &tlp, (void *)buf);
}

int ioas_dma_store(struct ioas_issuer *issuer, iova_t addr, uint64_t value, unsigned size)
{
	if ((size != 8 && size != 4) || addr % size)
		return -EINVAL;
	if (!allowed(addr, size, IOAS_PROT_WRITE)) {
		bus.faults++;
		return -EFAULT;
	}
	if (size == 8)
		__atomic_store_n((uint64_t *)bus_at(addr), value, __ATOMIC_RELEASE);
	else
		__atomic_store_n((uint32_t *)bus_at(addr), (uint32_t)value, __ATOMIC_RELEASE);
	return 0;
}

void ioas_batch_begin(struct ioas_batch *batch, struct ioas_issuer *issuer)
{
	static const struct ioas_batch_way none;

	*batch = (struct ioas_batch){.issuer = issuer, .number = UINT64_MAX, .way = &none};
}

void ioas_batch_end(struct ioas_batch *batch)
{
}

void ioas_batch_renew(struct ioas_batch *batch)
{
}

static bool is_far(iova_t addr)
{
	return addr - BUS_BASE < BUS_LEN && bus.prot[(addr - BUS_BASE) / 4096] & BUS_FAR;
}

/* Nothing is remembered, so that ioas_batch_at comes here for each TLP; page by page. */
struct ioas_batch_found ioas_batch_find(struct ioas_batch *batch, iova_t addr, uint64_t len,
					uint64_t form, uint32_t what)
{
	uint64_t rest = 4096 - addr % 4096, some = len < rest ? len : rest;

	if (!len)
		return (struct ioas_batch_found){NULL, (uint64_t)-EINVAL};
	if (is_far(addr))
		return (struct ioas_batch_found){NULL, (uint64_t)-EAGAIN};
	if (!allowed(addr, some,
		     (uint8_t)what == IOAS_TLP_WRITE ? IOAS_PROT_WRITE : IOAS_PROT_READ)) {
		bus.faults++;
		return (struct ioas_batch_found){NULL, (uint64_t)-EFAULT};
	}
	return (struct ioas_batch_found){bus_at(addr), some};
}

int ioas_batch_move(struct ioas_batch *batch, const struct ioas_tlp *tlp, uint64_t off, void *host,
		    void *buf, uint64_t len)
{
	if (tlp->op == IOAS_TLP_WRITE)
		memcpy(host, buf, len);
	else
		memcpy(buf, host, len);
	return 0;
}

static void count_crossed(const struct ioas_tlp *tlp)
{
	if (tlp->addr / 4096 != (tlp->addr + tlp->len - 1) / 4096)
		bus.crossed++;
}

int ioas_batch_copy(struct ioas_batch *batch, const struct ioas_tlp *tlp, void *buf)
{
	count_crossed(tlp);
	if (is_far(tlp->addr))
		return -EAGAIN;
	return ioas_tlp_issue(batch->issuer, tlp, buf);
}

int ioas_batch_words(struct ioas_batch *batch, const struct ioas_tlp *tlp, const uint64_t *words)
{
	int rc = 0;

	bus.posts++;
	count_crossed(tlp);
	if (is_far(tlp->addr))
		return -EAGAIN;
	for (uint64_t i = 0; i < tlp->len && !rc; i += 8)
		rc = ioas_dma_store(batch->issuer, tlp->addr + i, words[i / 8], 8);
	return rc;
}

void ioas_dma_init(struct ioas_dma *dma, struct ioas_issuer *issuer)
{
	memset(dma, 0, sizeof(*dma));
	dma->issuer = issuer;
}

void ioas_dma_fini(struct ioas_dma *dma)
{
	free(dma->iov);
}

int ioas_dma_add(struct ioas_dma *dma, const struct ioas_tlp *tlp)
{
	if (!tlp->len)
		return -EINVAL;
	if (!allowed(tlp->addr, tlp->len,
		     tlp->op == IOAS_TLP_WRITE ? IOAS_PROT_WRITE : IOAS_PROT_READ)) {
		bus.faults++;
		return -EFAULT;
	}
	if (dma->iov_nr == dma->iov_cap) {
		dma->iov_cap += 16;
		dma->iov = realloc(dma->iov, dma->iov_cap * sizeof(*dma->iov));
	}
	dma->iov[dma->iov_nr++] = (struct iovec){bus_at(tlp->addr), tlp->len};
	dma->len += tlp->len;
	bus.lent++;
	return 0;
}

void ioas_dma_end(struct ioas_dma *dma)
{
	bus.lent -= dma->iov_nr;
	dma->iov_nr = 0;
	dma->len = 0;
}

void ioas_dma_failed(struct ioas_dma *dma, const struct ioas_tlp *tlp)
{
	bus.faults++;
}

int ioas_issuer_new(struct ioas_device *dev, struct ioas_issuer **out)
{
	*out = (struct ioas_issuer *)&bus;
	return 0;
}

void ioas_issuer_destroy(struct ioas_issuer *issuer)
{
}

int ioas_pci_add(struct ioas_iommu *iommu, struct ioas_pci_addr addr,
		 const struct ioas_pci_desc *desc, const struct ioas_pci_ops *ops, void *model,
		 struct ioas_pci **out, struct ioas_why *why)
{
	bus.desc = *desc;
	bus.ops = ops;
	bus.model = model;
	*out = (struct ioas_pci *)&bus;
	return 0;
}

void ioas_pci_remove(struct ioas_pci *pci)
{
	bus.ops->destroy(bus.model);
}

struct ioas_device *ioas_pci_device(struct ioas_pci *pci)
{
	return (struct ioas_device *)pci;
}

bool ioas_pci_msix_enabled(const struct ioas_pci *pci)
{
	return bus.msix;
}

void ioas_pci_msix_send(struct ioas_pci *pci, unsigned vector)
{
	bus.sent[vector]++;
}

void ioas_pci_intx_set(struct ioas_pci *pci, bool level)
{
	bus.pin = level;
}

bool ioas_pci_can_watch(const struct ioas_pci *pci)
{
	return bus.can_watch;
}

int ioas_pci_watch_page(struct ioas_pci *pci, unsigned bar, uint64_t off, void **page)
{
	*page = bus.words;
	if (bar || off != 0x1000)
		return -EINVAL;
	return bus.can_watch == -ENOMEM ? -ENOMEM : 0;
}

int ioas_pci_watch(struct ioas_pci *pci)
{
	bus.watches++;
	if (bus.can_watch <= 0)
		return bus.can_watch ? bus.can_watch : -ENXIO;
	pthread_mutex_lock(&bus.watch_lock);
	bus.watched = true;
	pthread_mutex_unlock(&bus.watch_lock);
	return 0;
}

void ioas_pci_unwatch(struct ioas_pci *pci)
{
	pthread_mutex_lock(&bus.watch_lock);
	bus.watched = false;
	pthread_mutex_unlock(&bus.watch_lock);
}

/* This bus has no ATS. */
int ioas_atc_new(unsigned entry_nr, struct ioas_atc **out)
{
	*out = malloc(1);
	return *out ? 0 : -ENOMEM;
}

void ioas_atc_destroy(struct ioas_atc *atc)
{
	free(atc);
}

void ioas_atc_clear(struct ioas_atc *atc)
{
}

void ioas_atc_invalidate(struct ioas_atc *atc, const struct ioas_ats_invalidation *what)
{
}

int ioas_atc_issue(struct ioas_atc *atc, struct ioas_issuer *issuer, const struct ioas_tlp *tlp,
		   void *buf, uint64_t *done)
{
	return -EOPNOTSUPP;
}

int ioas_ats_open(struct ioas_device *dev, const struct ioas_ats_ops *ops, void *arg)
{
	return -EOPNOTSUPP;
}

void ioas_ats_close(struct ioas_device *dev)
{
}

bool ioas_ats_enabled(const struct ioas_device *dev)
{
	return false;
}
