/* SPDX-License-Identifier: MIT */
/* VFIO's interrupt indexes: which calls are allowed when, and the two plain ones, ERR and REQ. */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "pci/pci.h"
#include "route/route.h"
#include "util/lock.h"

/*
 * A raw system call: a door may have put itself before write(2) of the C library, to tell the
 * program's calls from the engine's, and this may be any thread. close(2) it must see.
 */
void irq_add_one(int fd)
{
	static const uint64_t one = 1;
	int saved = errno;

	if (fd < 0)
		return;
	/* EAGAIN: the counter is full, so the program has its event already. */
	syscall(SYS_write, fd, &one, sizeof(one));
	errno = saved;
}

void irq_signal(struct ioas_pci *pci, int fd)
{
	if (fd < 0)
		return;
	irq_add_one(fd);
	__atomic_fetch_add(&pci->dev->counters->interrupts, 1, __ATOMIC_RELAXED);
}

void irq_close(int fd)
{
	int saved = errno;

	if (fd < 0)
		return;
	close(fd);
	errno = saved;
}

int pci_irq_count(const struct ioas_pci *pci, unsigned index)
{
	switch (index) {
	case PCI_IRQ_INTX:
		return pci->desc.intx_pin ? 1 : 0;
	case PCI_IRQ_MSI:
		return 0;
	case PCI_IRQ_MSIX:
		return pci->desc.msix_nr;
	case PCI_IRQ_ERR:
	case PCI_IRQ_REQ:
		return 1;
	default:
		return -EINVAL;
	}
}

static int check_range(const struct ioas_pci *pci, unsigned index, unsigned start, unsigned count)
{
	int nr = pci_irq_count(pci, index);

	if (nr < 0)
		return nr;
	if (!count || start >= (unsigned)nr || count > (unsigned)nr - start)
		return -EINVAL;
	return 0;
}

static int *plain_trigger(struct ioas_pci *pci, unsigned index)
{
	return index == PCI_IRQ_ERR ? &pci->err_trigger : &pci->req_trigger;
}

static void replace(int *trigger, int fd)
{
	irq_close(*trigger);
	*trigger = fd;
}

static int intx_set(struct ioas_pci *pci, int fd)
{
	struct pci_intx *intx = &pci->intx;

	if (atomic_load(&pci->msix.enabled))
		return -EINVAL;
	replace(&intx->trigger, fd);
	if (!intx->enabled) {
		intx->enabled = true;
		intx_update(pci);
	}
	return 0;
}

static int set_locked(struct ioas_pci *pci, unsigned index, unsigned start, unsigned count,
		      const int *fds)
{
	int rc = check_range(pci, index, start, count);

	lock_must_hold(&pci->irq);
	if (rc)
		return rc;
	switch (index) {
	case PCI_IRQ_INTX:
		return intx_set(pci, fds[0]);
	case PCI_IRQ_MSIX:
		return msix_set(pci, start, count, fds);
	default:
		replace(plain_trigger(pci, index), fds[0]);
		return 0;
	}
}

int pci_irq_set(struct ioas_pci *pci, unsigned index, unsigned start, unsigned count,
		const int *fds)
{
	int rc;

	pthread_mutex_lock(&pci->control);
	pthread_mutex_lock(&pci->irq);
	rc = set_locked(pci, index, start, count, fds);
	pthread_mutex_unlock(&pci->irq);
	pthread_mutex_unlock(&pci->control);
	for (unsigned i = 0; rc && i < count; i++)
		irq_close(fds[i]);
	return rc;
}

static int trigger_locked(struct ioas_pci *pci, unsigned index, unsigned start, unsigned count,
			  const uint8_t *bools)
{
	int rc = check_range(pci, index, start, count);

	lock_must_hold(&pci->irq);
	if (rc)
		return rc;
	if (index == PCI_IRQ_INTX) {
		if (!pci->intx.enabled)
			return -EINVAL;
		if ((!bools || bools[0]) && !pci->intx.disabled)
			irq_add_one(pci->intx.trigger);
		return 0;
	}
	if (index == PCI_IRQ_MSIX) {
		if (!atomic_load(&pci->msix.enabled))
			return -EINVAL;
		for (unsigned i = 0; i < count; i++)
			if (!bools || bools[i])
				irq_add_one(pci->msix.vectors[start + i].trigger);
		return 0;
	}
	if (!bools && *plain_trigger(pci, index) < 0)
		return -EINVAL;
	if (!bools || bools[0])
		irq_add_one(*plain_trigger(pci, index));
	return 0;
}

int pci_irq_trigger(struct ioas_pci *pci, unsigned index, unsigned start, unsigned count,
		    const uint8_t *bools)
{
	int rc;

	pthread_mutex_lock(&pci->irq);
	rc = trigger_locked(pci, index, start, count, bools);
	pthread_mutex_unlock(&pci->irq);
	return rc;
}

int pci_irq_mask(struct ioas_pci *pci, unsigned index, unsigned start, unsigned count,
		 const uint8_t *bools, bool mask)
{
	int rc = check_range(pci, index, start, count);

	if (rc)
		return rc;
	if (index != PCI_IRQ_INTX)
		return -ENOTTY;
	pthread_mutex_lock(&pci->irq);
	if (!pci->intx.enabled) {
		rc = -EINVAL;
	} else if (!bools || bools[0]) {
		pci->intx.masked = mask;
		intx_update(pci);
	}
	pthread_mutex_unlock(&pci->irq);
	return rc;
}

static int disable_locked(struct ioas_pci *pci, unsigned index)
{
	int *trigger;

	lock_must_hold(&pci->irq);
	switch (index) {
	case PCI_IRQ_INTX:
		if (!pci->intx.enabled)
			return -EINVAL;
		replace(&pci->intx.trigger, -1);
		pci->intx.enabled = false;
		pci->intx.masked = false;
		return 0;
	case PCI_IRQ_MSIX:
		if (!atomic_load(&pci->msix.enabled))
			return -EINVAL;
		msix_disable(pci);
		return 0;
	case PCI_IRQ_ERR:
	case PCI_IRQ_REQ:
		trigger = plain_trigger(pci, index);
		if (*trigger < 0)
			return -EINVAL;
		replace(trigger, -1);
		return 0;
	default:
		return -EINVAL;
	}
}

int pci_irq_disable(struct ioas_pci *pci, unsigned index)
{
	int rc;

	pthread_mutex_lock(&pci->control);
	pthread_mutex_lock(&pci->irq);
	rc = disable_locked(pci, index);
	pthread_mutex_unlock(&pci->irq);
	pthread_mutex_unlock(&pci->control);
	return rc;
}
