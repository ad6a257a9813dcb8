/* SPDX-License-Identifier: MIT */
/*
 * What VFIO asks of a PCI function: config space, BARs, interrupts and reset. Regions and interrupt
 * kinds have VFIO's numbers (VFIO_PCI_*_INDEX in ioas/uapi/vfio.h).
 *
 * A function is *open* while a program drives it. All calls may come from any thread; those marked
 * "signal" also from inside a SIGSEGV handler.
 */
#ifndef PCI_PCI_H
#define PCI_PCI_H

#include <ioas/pci.h>

/* Constant for a function's life: the N of its /sys/kernel/iommu_groups/N, and of vfioN. */
uint32_t pci_group(const struct ioas_pci *pci);
uint32_t pci_vfio_index(const struct ioas_pci *pci);
/* The function with that N, or NULL. O(log n). */
struct ioas_pci *pci_by_vfio_index(struct ioas_iommu *iommu, uint32_t index);
/* "0000:01:00.0" */
const char *pci_name(const struct ioas_pci *pci);

/*
 * A program takes the function: it is reset, bus mastering is off, all interrupts are unset.
 * 0, or -ENOMEM. And the reverse: on return it does no DMA and sends no interrupt.
 */
int pci_open(struct ioas_pci *pci);
void pci_close(struct ioas_pci *pci);
/* Function-level reset, as VFIO_DEVICE_RESET: eventfds stay set. */
void pci_reset(struct ioas_pci *pci);

/* Bytes of region `index` (BARs 0..5, ROM, config); 0: absent. An absent upper half is 0 too. */
uint64_t pci_region_len(const struct ioas_pci *pci, unsigned index);
/* May BAR `bar` be mapped (memory, at least a page)? */
bool pci_region_mappable(const struct ioas_pci *pci, unsigned bar);
/* The BAR with the MSI-X table; -1: no MSI-X. */
int pci_msix_bar(const struct ioas_pci *pci);
/* Does it have a PCI Express capability (and so error reporting interrupts)? */
bool pci_is_express(const struct ioas_pci *pci);

/* Config space as VFIO shows it, 1, 2 or 4 bytes, aligned, inside. Little-endian. */
uint32_t pci_config_read(struct ioas_pci *pci, uint32_t off, unsigned size);
void pci_config_write(struct ioas_pci *pci, uint32_t off, uint32_t value, unsigned size);

/*
 * One BAR access of 1, 2, 4 or 8 bytes inside the BAR, aligned. 0; -EIO memory (or I/O) decoding
 * is off in the command register. Signal.
 */
int pci_bar_read(struct ioas_pci *pci, unsigned bar, uint64_t off, uint64_t *value, unsigned size);
int pci_bar_write(struct ioas_pci *pci, unsigned bar, uint64_t off, uint64_t value, unsigned size);

/* How many interrupts of a kind (VFIO_PCI_*_IRQ_INDEX) there are; 0: none. */
unsigned pci_irq_nr(struct ioas_pci *pci, unsigned index);

/* One VFIO_DEVICE_SET_IRQS, checked for range: flags as there, one action and one data type. */
struct pci_irq_set {
	uint32_t index, flags, start, count;
	const uint8_t *bools; /* `count` of them with DATA_BOOL */
	const int *fds;	      /* `count` with DATA_EVENTFD; -1: none. Taken over, also on error */
};
/* 0; -EINVAL what VFIO refuses; -ENOTTY an action this kind has not; -ENOMEM. Atomic. */
int pci_irq_set(struct ioas_pci *pci, const struct pci_irq_set *set, struct ioas_why *why);

#endif
