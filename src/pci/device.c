/* SPDX-License-Identifier: MIT */
/*
 * A function in a user's hands: open, config space and what writing it sets off, reset, close.
 *
 * Bus mastering goes off in the order model, then bus: a model that is told first comes to rest
 * without sending what would be refused; route_dma_enable then waits for what is under way.
 */
#include <errno.h>
#include <string.h>
#include "iommu.h"
#include "pci/pci.h"
#include "route/route.h"
#include "tlp/ats.h"
#include "tlp/pri.h"
#include "trace/trace.h"
#include "util/lock.h"
#include "util/why.h"

static void set_master(struct ioas_pci *pci, bool on)
{
	if (atomic_load(&pci->master_on) == on)
		return;
	if (on)
		route_dma_enable(pci->dev, true);
	atomic_store(&pci->master_on, on);
	if (pci->ops->bus_master)
		pci->ops->bus_master(pci->model, on);
	if (!on)
		route_dma_enable(pci->dev, false);
}

/* Makes true what command and power state now say. (control) */
static void apply_config(struct ioas_pci *pci)
{
	uint16_t command = config_get16(&pci->config, PCI_CFG_COMMAND);
	uint16_t pmcsr = config_get16(&pci->config, pci->config.pm + 4u);
	bool awake = (pmcsr & PCI_PM_STATE) != PCI_PM_D3HOT;

	lock_must_hold(&pci->control);
	atomic_store(&pci->memory_on, awake && command & PCI_CMD_MEMORY);
	if (!atomic_load(&pci->memory_on))
		pci_watch_shut(pci);
	set_master(pci, awake && command & PCI_CMD_MASTER);
	intx_disable_bit(pci, command & PCI_CMD_INTX_DISABLE);
}

static void wake(struct ioas_pci *pci)
{
	size_t off = pci->config.pm + 4u;

	config_set16(&pci->config, off, config_get16(&pci->config, off) & (uint16_t)~PCI_PM_STATE);
}

/*
 * The driver saves config space before a reset and restores it after. A register access on another
 * thread finds the device before or after it, not without memory decoding. (control)
 */
static void reset_locked(struct ioas_pci *pci)
{
	lock_must_hold(&pci->control);
	atomic_store(&pci->in_reset, true);
	pci_watch_shut(pci);
	if (atomic_exchange(&pci->master_on, false) && pci->ops->bus_master)
		pci->ops->bus_master(pci->model, false);
	if (pci->ops->reset)
		pci->ops->reset(pci->model);
	route_dma_enable(pci->dev, false);
	ats_reset(pci->dev);
	pri_reset(pci->dev);
	intx_reset(pci);
	msix_reset(pci);
	wake(pci);
	apply_config(pci);
	atomic_store(&pci->in_reset, false);
	trace_reset(pci->iommu, pci->name);
}

void pci_reset(struct ioas_pci *pci)
{
	pthread_mutex_lock(&pci->control);
	reset_locked(pci);
	pthread_mutex_unlock(&pci->control);
}

static int open_locked(struct ioas_pci *pci, struct ioas_why *why)
{
	const struct ioas_host_ops *ops = pci->iommu->config.host_ops;
	int rc = 0;

	lock_must_hold(&pci->control);
	if (pci->open)
		return why_set(why, -EBUSY, "%s is open already", pci->name);
	if (ops && ops->claim)
		rc = ops->claim(pci->iommu->config.host, pci->name);
	if (rc)
		return why_set(why, rc, "%s is in use by another process", pci->name);
	pci->open = true;
	config_init(&pci->config, &pci->desc, pci->bar_base, &pci->place);
	reset_locked(pci);
	return 0;
}

int pci_open(struct ioas_pci *pci, struct ioas_why *why)
{
	int rc;

	pthread_mutex_lock(&pci->control);
	rc = open_locked(pci, why);
	pthread_mutex_unlock(&pci->control);
	return rc;
}

void pci_close(struct ioas_pci *pci)
{
	const struct ioas_host_ops *ops = pci->iommu->config.host_ops;

	/* Whatever is on goes off; that an index is not on is fine. */
	for (unsigned i = 0; i < PCI_IRQ_NR; i++)
		pci_irq_disable(pci, i);
	pci_low_power_leave(pci);
	pthread_mutex_lock(&pci->control);
	config_set16(&pci->config, PCI_CFG_COMMAND, 0);
	reset_locked(pci);
	pci->open = false;
	if (ops && ops->release)
		ops->release(pci->iommu->config.host, pci->name);
	pthread_mutex_unlock(&pci->control);
}

bool ioas_pci_bus_master(const struct ioas_pci *pci)
{
	return atomic_load_explicit(&pci->master_on, memory_order_acquire);
}

static void show_translation(struct ioas_pci *pci)
{
	struct pci_translation now = {
		.ats = ioas_ats_enabled(pci->dev),
		.unit_lg2 = pci->dev->ats ? pci->dev->ats->unit_lg2 : 12,
		.allocated = ioas_page_room(pci->dev),
	};

	now.pri = now.ats && now.allocated;
	if (pci->dev->pri)
		now.failed = pri_failed(pci->dev->pri, &now.outstanding);

	config_translation(&pci->config, &now);
}

ssize_t pci_config_read(struct ioas_pci *pci, uint64_t off, void *buf, size_t len)
{
	bool level;

	if (off > PCI_CONFIG_LEN || len > PCI_CONFIG_LEN - off)
		return -EFAULT;
	pthread_mutex_lock(&pci->control);
	show_translation(pci);
	memcpy(buf, pci->config.bytes + off, len);
	pthread_mutex_lock(&pci->irq);
	level = pci->intx.level;
	pthread_mutex_unlock(&pci->irq);
	pthread_mutex_unlock(&pci->control);
	if (level && off <= PCI_CFG_STATUS && len > PCI_CFG_STATUS - off)
		((uint8_t *)buf)[PCI_CFG_STATUS - off] |= PCI_STS_INTX;
	return (ssize_t)len;
}

ssize_t pci_config_write(struct ioas_pci *pci, uint64_t off, const void *buf, size_t len)
{
	if (off > PCI_CONFIG_LEN || len > PCI_CONFIG_LEN - off)
		return -EFAULT;
	pthread_mutex_lock(&pci->control);
	if (config_write(&pci->config, off, buf, len))
		reset_locked(pci);
	else
		apply_config(pci);
	pthread_mutex_unlock(&pci->control);
	return (ssize_t)len;
}
