/* SPDX-License-Identifier: MIT */
/*
 * The INTx pin: a level that becomes events. vfio-pci signals once and masks the pin, because it
 * can't tell the device to be quiet; the user unmasks it when it has served the device, and if the
 * level is still up it is signalled again.
 *
 * Setting the interrupt disable bit of PCI_COMMAND masks too, and clearing it unmasks whatever
 * masked: that is how vfio-pci virtualises the bit.
 */
#include "pci/pci.h"
#include "util/lock.h"

void intx_update(struct ioas_pci *pci)
{
	struct pci_intx *intx = &pci->intx;

	lock_must_hold(&pci->irq);
	if (!intx->enabled || !intx->level || intx->masked || intx->disabled)
		return;
	intx->masked = true;
	irq_signal(pci, intx->trigger);
}

void ioas_pci_intx_set(struct ioas_pci *pci, bool level)
{
	if (!pci->desc.intx_pin)
		return;
	pthread_mutex_lock(&pci->irq);
	pci->intx.level = level;
	intx_update(pci);
	pthread_mutex_unlock(&pci->irq);
}

void intx_disable_bit(struct ioas_pci *pci, bool disabled)
{
	pthread_mutex_lock(&pci->irq);
	if (pci->intx.disabled != disabled) {
		pci->intx.disabled = disabled;
		pci->intx.masked = disabled;
		intx_update(pci);
	}
	pthread_mutex_unlock(&pci->irq);
}

void intx_reset(struct ioas_pci *pci)
{
	pthread_mutex_lock(&pci->irq);
	pci->intx.level = false;
	pthread_mutex_unlock(&pci->irq);
}
