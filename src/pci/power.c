/* SPDX-License-Identifier: MIT */
/*
 * Low power at the user's request (VFIO_DEVICE_FEATURE_LOW_POWER_*): until it ends, mappings of
 * BARs do not answer. A call on the device's file does, since the driver wakes the device for it;
 * where the user asked to be told, that ends low power.
 *
 * The device itself never sleeps: a kernel is free to leave it awake, too.
 */
#include <errno.h>
#include "pci/pci.h"
#include "util/lock.h"

enum { AWAKE, LOW, LOW_TELL };

/* (control) */
static void leave(struct ioas_pci *pci, bool tell)
{
	lock_must_hold(&pci->control);
	if (tell)
		irq_add_one(pci->wakeup);
	irq_close(pci->wakeup);
	atomic_store(&pci->low_power, AWAKE);
}

int pci_low_power_enter(struct ioas_pci *pci, int wakeup)
{
	int rc = -EINVAL;

	pthread_mutex_lock(&pci->control);
	if (pci->low_power == AWAKE) {
		pci->wakeup = wakeup;
		atomic_store(&pci->low_power, wakeup >= 0 ? LOW_TELL : LOW);
		rc = 0;
	}
	if (!rc)
		pci_watch_shut(pci);
	pthread_mutex_unlock(&pci->control);
	if (rc)
		irq_close(wakeup);
	return rc;
}

void pci_low_power_leave(struct ioas_pci *pci)
{
	pthread_mutex_lock(&pci->control);
	if (pci->low_power != AWAKE)
		leave(pci, false);
	pthread_mutex_unlock(&pci->control);
}

void pci_low_power_wake(struct ioas_pci *pci)
{
	if (atomic_load_explicit(&pci->low_power, memory_order_relaxed) != LOW_TELL)
		return;
	pthread_mutex_lock(&pci->control);
	if (pci->low_power == LOW_TELL)
		leave(pci, true);
	pthread_mutex_unlock(&pci->control);
}
