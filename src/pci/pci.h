/* SPDX-License-Identifier: MIT */
/*
 * Inside PCI: where functions are, what their config space says, and how their registers and
 * interrupts are reached. The driver behind a function (src/vfio) works through these calls.
 *
 * Words. A *function* is one struct ioas_pci. In a described machine (machine.c) groups are those
 * of its topology. Without one a *port* is the root port above a bus: every bus but 0 has one of
 * its own, on bus 0, with ACS, so that a *group* is all functions of one bus (on bus 0, which has
 * no bridge above it: the functions of one device number). The *user* is the program that has the
 * function open; what it sees of config space is the view vfio-pci gives.
 *
 * Lock order: bus -> (nothing); control -> watch -> irq. `control` is held around a model's reset
 * and bus_master and is never taken by a register access or an interrupt; `watch` has the door
 * change its mapping of a BAR; `irq` is short, nothing is called under it but write(2) to an
 * eventfd. Callers have signals blocked (door.h), so that all may be taken in a SIGSEGV handler.
 */
#ifndef PCI_PCI_H
#define PCI_PCI_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <ioas/device.h>
#include <ioas/pci.h>
#include <ioas/topology.h>
#include "pci/config.h"
#include "route/route.h"

/* One MSI-X vector; msix.c says how a sender and a change of its eventfd meet. */
struct pci_vector {
	_Atomic int fd;		  /* where to send: the eventfd while open, else -1 */
	_Atomic uint32_t sending; /* senders that may have read fd */
	int trigger;		  /* (irq) the user's eventfd, ours to close; -1 none */
	uint32_t entry[4];	  /* (irq) the table's: address low, high, data, control */
	bool pending;		  /* (irq) */
};

struct pci_msix {
	struct pci_vector *vectors; /* desc.msix_nr of them */
	_Atomic bool enabled;	    /* written under irq */
};

/* The INTx pin as vfio delivers it: one signal, then masked until the user unmasks. */
struct pci_intx {
	bool enabled;  /* (irq) the index has been set up */
	bool level;    /* (irq) what the model drives */
	bool masked;   /* (irq) */
	bool disabled; /* (irq) PCI_COMMAND's interrupt disable */
	int trigger;   /* (irq) eventfd or -1 */
};

/* What a page of BAR `bar` is in a program's mappings: ioas_caller_ops' region_page, region_open.
 */
struct pci_watcher {
	int (*page)(void *file, unsigned bar, uint64_t off, void *at);
	int (*open)(void *file, unsigned bar, uint64_t off, bool open);
};

/* A page of registers that is memory for a while: watch.c. */
struct pci_watch {
	pthread_mutex_t lock;
	const struct pci_watcher *by; /* (lock) down to `at` */
	void *file;		      /* whose mappings it is about: the last one's; NULL: none */
	bool shown;		      /* `at` is a mapping of that file's page at: */
	bool open;		      /* and so are the program's */
	unsigned bar;
	uint64_t off;
	void *at;	       /* constant once made */
	_Atomic bool possible; /* there is a file; written under lock */
};

struct pci_group;

struct ioas_pci {
	struct ioas_iommu *iommu; /* constant, as is all up to group */
	struct ioas_pci_addr addr;
	char name[IOAS_NAME_LEN];
	struct ioas_pci_desc desc;
	const struct ioas_pci_ops *ops;
	void *model;
	struct ioas_device *dev;
	uint64_t bar_base[6]; /* where the machine's firmware has put the BARs */
	struct pci_place place;
	struct route_source source;	   /* which requester IDs the ports above let out */
	const struct ioas_range *reserved; /* where it cannot do DMA */
	size_t reserved_nr;
	struct pci_group *group;
	uint32_t cdev; /* (bus) number in vfioN; PCI_UNNUMBERED until asked for */
	void *vfio;    /* for src/vfio alone */
	struct pci_watch watch;
	bool open; /* (control) */
	pthread_mutex_t control;
	struct pci_config config;  /* (control) */
	_Atomic bool memory_on;	   /* registers answer: memory decoding on and in D0 */
	_Atomic uint8_t low_power; /* asked for by the user (power.c); written under control */
	int wakeup; /* (control) in low power: the eventfd that is told when it ends; -1 none */
	_Atomic bool in_reset;	/* register accesses wait; written under control */
	_Atomic bool master_on; /* written under control */
	pthread_mutex_t irq;
	struct pci_msix msix;
	struct pci_intx intx;
	int err_trigger; /* (irq) of the ERR and REQ indexes */
	int req_trigger;
};

#define PCI_UNNUMBERED UINT32_MAX

/* The user's interrupt indexes, as VFIO numbers them. */
enum pci_irq_index {
	PCI_IRQ_INTX,
	PCI_IRQ_MSI,
	PCI_IRQ_MSIX,
	PCI_IRQ_ERR,
	PCI_IRQ_REQ,
	PCI_IRQ_NR,
};

/* ---- topology.c ---- */

/* The function at `addr`, or NULL. */
struct ioas_pci *pci_find(struct ioas_iommu *iommu, struct ioas_pci_addr addr);

/*
 * N of /dev/vfio/devices/vfioN, and the reverse (NULL: none). Numbers are given out in order of
 * address when one is first asked for, and kept.
 */
uint32_t pci_cdev_index(struct ioas_pci *pci);
struct ioas_pci *pci_cdev_find(struct ioas_iommu *iommu, uint32_t index);

/* ---- group.c ---- */

struct pci_group *pci_group_of(const struct ioas_pci *pci);
/* N of /dev/vfio/N; numbered as cdevs are, over groups of functions and of ports alike. */
uint32_t pci_group_number(struct pci_group *group);
/* The group with that number that has functions, or NULL. */
struct pci_group *pci_group_find(struct ioas_iommu *iommu, uint32_t number);
/* The next function of a group in order of address after `prev` (NULL: the first), or NULL. */
struct ioas_pci *pci_group_next(struct pci_group *group, const struct ioas_pci *prev);
/* Calls fn for each group that has functions, in order of number, until it returns non-zero. */
int pci_group_each(struct ioas_iommu *iommu, int (*fn)(struct pci_group *group, void *arg),
		   void *arg);

/* Does a driver of the host have it, so that its group cannot be taken? No port's ever does. */
bool pci_of_host(const struct ioas_topology_function *function);
/*
 * May the group be taken, as far as the host goes? 0; -EPERM a driver of the host has a member,
 * with a line that names both.
 */
int pci_group_check(struct pci_group *group, struct ioas_why *why);
/*
 * How wide the PASIDs are that its driver may use, 0: none. With groups=strict a function whose
 * neighbours could answer a request has none, as in Linux.
 */
unsigned pci_pasid_lg2(const struct ioas_pci *pci);

/* The IOMMU above the group with that number. */
const struct kind_unit *pci_group_unit(struct ioas_iommu *iommu, uint32_t number);
/* The index-th IOMMU, or NULL: there are no more. */
const struct kind_unit *pci_unit_at(struct ioas_iommu *iommu, size_t index);
/* Where no function of the machine, whatever its IOMMU, can do DMA. */
const struct ioas_range *pci_reserved(struct ioas_iommu *iommu, size_t *nr);

/* ---- device.c ---- */

/*
 * Opens the function for a user: claims it (host_ops->claim), resets it, and sets up config space
 * as vfio-pci does: memory decoding on, bus master off, interrupts off, D0. -EBUSY: open already,
 * or another process has it. Takes control.
 */
int pci_open(struct ioas_pci *pci, struct ioas_why *why);
/* Ends that: bus master and interrupts off, reset, released. On return no DMA is in flight. */
void pci_close(struct ioas_pci *pci);
/*
 * Resets the function as VFIO_DEVICE_RESET and a config write of FLR do: the user's config space
 * and eventfds survive, power returns to D0, pending interrupts go. On return nothing the device
 * began before is in flight.
 */
void pci_reset(struct ioas_pci *pci);

/*
 * The user's pread and pwrite of config space, any length and alignment. Returns len; -EFAULT when
 * the range leaves the space. A write may reset the function or change bus mastering.
 */
ssize_t pci_config_read(struct ioas_pci *pci, uint64_t off, void *buf, size_t len);
ssize_t pci_config_write(struct ioas_pci *pci, uint64_t off, const void *buf, size_t len);

/* ---- power.c: VFIO_DEVICE_FEATURE_LOW_POWER_* ---- */

/* Low power until it is left; `wakeup` (-1: none), an eventfd that is the function's from here on,
 * is told, and it ends, with the next use of the file. 0; -EINVAL it is so already. */
int pci_low_power_enter(struct ioas_pci *pci, int wakeup);
void pci_low_power_leave(struct ioas_pci *pci);
/* The user uses the device's file. */
void pci_low_power_wake(struct ioas_pci *pci);

/* ---- bar.c ---- */

/* Bytes of BAR `bar`, 0: absent (or the upper half of a 64-bit one). */
uint64_t pci_bar_len(const struct ioas_pci *pci, unsigned bar);
/*
 * The user's pread and pwrite of a BAR: split into naturally aligned accesses of up to 8 bytes and
 * cut at the BAR's end. The MSI-X table is out of reach this way, as in vfio-pci: it reads as ones
 * and ignores writes. Returns bytes done; -EINVAL absent, or off beyond the end; -EIO memory
 * decoding is off or the function sleeps.
 */
ssize_t pci_bar_read(struct ioas_pci *pci, unsigned bar, uint64_t off, void *buf, size_t len);
ssize_t pci_bar_write(struct ioas_pci *pci, unsigned bar, uint64_t off, const void *buf,
		      size_t len);
/*
 * One access through a mapping of the BAR, 1, 2, 4 or 8 bytes, split when not naturally aligned.
 * Here the MSI-X table is real. 0; -EIO as above; -EFAULT outside. Async-signal-safe.
 */
int pci_bar_access(struct ioas_pci *pci, unsigned bar, uint64_t off, bool write, uint64_t *value,
		   unsigned size);

/* ---- watch.c ---- */

/* A file's mappings of the function's BARs can be watched from now on, those of another no more. */
void pci_watch_offer(struct ioas_pci *pci, const struct pci_watcher *by, void *file);
/* The file goes. */
void pci_watch_forget(struct ioas_pci *pci, const void *file);
/* Registers stop to answer, or may: a program's accesses go through the function again. */
void pci_watch_shut(struct ioas_pci *pci);
void watch_init(struct ioas_pci *pci);
void watch_fini(struct ioas_pci *pci);

/* ---- irq.c: VFIO_DEVICE_SET_IRQS, once its argument has been checked for form ---- */

/* How many interrupts an index has (0: none of this kind); -EINVAL no such index. */
int pci_irq_count(const struct ioas_pci *pci, unsigned index);
/*
 * TRIGGER with DATA_EVENTFD: sets the eventfds of interrupts start .. start + count - 1 (-1: none)
 * and enables the index. The descriptors are the function's from here on, also on an error.
 * -EINVAL: out of range, or the other of INTx and MSI-X is enabled.
 */
int pci_irq_set(struct ioas_pci *pci, unsigned index, unsigned start, unsigned count,
		const int *fds);
/* TRIGGER with DATA_NONE (bools NULL) or DATA_BOOL: signals eventfds from the user's side. */
int pci_irq_trigger(struct ioas_pci *pci, unsigned index, unsigned start, unsigned count,
		    const uint8_t *bools);
/* MASK and UNMASK with DATA_NONE or DATA_BOOL. -ENOTTY: not for this index. */
int pci_irq_mask(struct ioas_pci *pci, unsigned index, unsigned start, unsigned count,
		 const uint8_t *bools, bool mask);
/* TRIGGER with DATA_NONE and count 0: the index off. -EINVAL: it is not on. */
int pci_irq_disable(struct ioas_pci *pci, unsigned index);

/* ---- msix.c, intx.c: among the files of this folder ---- */

int msix_init(struct ioas_pci *pci); /* 0 or -ENOMEM */
void msix_fini(struct ioas_pci *pci);
int msix_set(struct ioas_pci *pci, unsigned start, unsigned count, const int *fds); /* (irq) */
void msix_disable(struct ioas_pci *pci);					    /* (irq) */
void msix_reset(struct ioas_pci *pci);						    /* takes irq */
/* Does the access meet the table (or with pba the pending bits)? */
bool msix_covers(const struct ioas_pci *pci, unsigned bar, uint64_t off, unsigned size, bool pba);
/* Naturally aligned access to table or pending bits; off as in the BAR. Take irq. */
uint64_t msix_read(struct ioas_pci *pci, uint64_t off, unsigned size);
void msix_write(struct ioas_pci *pci, uint64_t off, uint64_t value, unsigned size);

void intx_update(struct ioas_pci *pci);			    /* (irq) signals if it should */
void intx_disable_bit(struct ioas_pci *pci, bool disabled); /* takes irq */
void intx_reset(struct ioas_pci *pci);			    /* takes irq */

/* Adds 1 to an eventfd and counts an interrupt. Async-signal-safe, keeps errno. */
void irq_signal(struct ioas_pci *pci, int fd);
void irq_add_one(int fd); /* the same of an eventfd that is no interrupt's */
/* Closes an eventfd of ours; -1 is fine. Keeps errno. */
void irq_close(int fd);

/* ---- group.c and topology.c between themselves; all under the bus's lock ---- */

struct pci_bus;
int group_join(struct pci_bus *bus, struct ioas_pci *pci); /* 0 or -ENOMEM */
void group_leave(struct ioas_pci *pci);
void group_destroy_all(struct pci_bus *bus);

/* The address of the port above a bus (not 0): each has a devfn of its own on bus 0. */
struct ioas_pci_addr pci_port_of(uint16_t segment, uint8_t bus);
/* The group of the port at `addr`, without a described machine. For sysfs. */
uint32_t pci_port_group(struct ioas_iommu *iommu, struct ioas_pci_addr addr);

#endif
