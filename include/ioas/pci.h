/* SPDX-License-Identifier: MIT */
/*
 * PCI functions in software: what a device model says of itself, what it is asked, and what it may
 * do. The engine owns config space, BAR sizing, MSI-X, INTx, bus mastering and the requester ID;
 * the model owns its registers and its DMA.
 */
#ifndef IOAS_PCI_H
#define IOAS_PCI_H

#include <ioas/iommu.h>
#include <ioas/tlp.h>

IOAS_BEGIN

struct ioas_pci;
struct ioas_space;
struct ioas_topology;

/* Segment, bus, device, function. */
struct ioas_pci_addr {
	uint16_t segment;
	uint8_t bus;
	uint8_t devfn;
};

/* Parses "0000:01:00.0" or "01:00.0". Returns 0 or -EINVAL. */
int ioas_pci_addr_parse(const char *text, struct ioas_pci_addr *out);
/* Writes "0000:01:00.0" (13 bytes with its NUL; `buf` at least IOAS_NAME_LEN). Returns buf. */
char *ioas_pci_addr_format(struct ioas_pci_addr addr, char *buf);

enum ioas_pci_bar_flags {
	IOAS_PCI_BAR_64 = 1 << 0, /* takes this BAR and the next */
	IOAS_PCI_BAR_PREFETCH = 1 << 1,
	IOAS_PCI_BAR_IO = 1 << 2,
};

/* What a function is; constant for its life. */
struct ioas_pci_desc {
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint32_t class_code; /* 24 bits: base, sub, programming interface */
	uint8_t revision;
	uint8_t intx_pin; /* 0 none, 1 INTA .. 4 INTD */
	struct {
		uint64_t len; /* power of two, 0: none; memory at least 4096, I/O at least 4 */
		uint32_t flags;
	} bar[6];
	uint16_t msix_nr; /* vectors, 0: no MSI-X; <= 2048 */
	uint8_t msix_bar;
	uint32_t msix_table; /* offset in that BAR, 8-aligned; 16 bytes a vector */
	uint32_t msix_pba;
	uint64_t serial;   /* Device Serial Number extended capability, 0: none */
	uint8_t pasid_lg2; /* width of the PASIDs it sends, 1..20; 0: no PASID capability */
	bool shared_queue; /* it takes PASIDs with work items of a shared queue; with pasid_lg2 */
	bool ats;	   /* it has translations of its own (ats.h) */
	uint16_t page_request_nr; /* it requests pages (pri.h), so many at a time; 0: not; with ats
				   */
};

/*
 * What the engine asks of a model. Calls may come from any thread of the program, from inside a
 * SIGSEGV handler (a trapped BAR access) included: no malloc, no stdio, short locks only, with all
 * signals but SIGSEGV and SIGBUS (guard.h) already blocked. Calls for one function can be
 * concurrent.
 */
struct ioas_pci_ops {
	/* A register access, 1, 2, 4 or 8 bytes, naturally aligned, inside BAR `bar`,
	 * little-endian. */
	uint64_t (*bar_read)(void *model, unsigned bar, uint64_t off, unsigned size);
	void (*bar_write)(void *model, unsigned bar, uint64_t off, uint64_t value, unsigned size);
	/*
	 * The device's bus master enable changed. Off is told before the bus is shut, so that a
	 * model that stops then has no request refused. A reset with it on is told as off before
	 * and on after. Optional.
	 */
	void (*bus_master)(void *model, bool on);
	/*
	 * Function-level reset. On return nothing the device began is in flight, and it is as after
	 * power-on; what it had completed stays completed.
	 */
	void (*reset)(void *model);
	/* Drain and stop all threads (suspend), go on (resume): around fork. */
	void (*suspend)(void *model);
	void (*resume)(void *model);
	/* The function is removed. Frees the model. */
	void (*destroy)(void *model);
};

/*
 * Adds a function at `addr`. `desc` is copied, `ops` must outlive it, `model` is handed to every
 * callback and belongs to the function from here on (ops->destroy).
 * Returns 0; -EEXIST the address is taken; -EINVAL the description contradicts itself; -ENOMEM; in
 * a described machine -ENODEV it has no such function, or no IOMMU above it, -EBUSY a driver of the
 * host has it.
 */
int ioas_pci_add(struct ioas_iommu *iommu, struct ioas_pci_addr addr,
		 const struct ioas_pci_desc *desc, const struct ioas_pci_ops *ops, void *model,
		 struct ioas_pci **out, struct ioas_why *why);
/* Removes a function that no file has open. Calls ops->destroy. */
void ioas_pci_remove(struct ioas_pci *pci);

/*
 * Makes a resolved topology (topology.h) the machine of an instance that has no functions yet; it
 * is copied. From then on ioas_pci_add takes the addresses of its endpoints, and what their TLPs
 * carry, whom they share it with, their groups and which requests never come to the IOMMU follow
 * from it. 0; -EBUSY it has a machine or functions; -EINVAL, -EOPNOTSUPP an IOMMU that cannot be
 * had, with a line; -ENOMEM.
 */
int ioas_pci_machine(struct ioas_iommu *iommu, const struct ioas_topology *topology,
		     struct ioas_why *why);
/* The instance's, or NULL: then each bus has a root port of its own with all of ACS on. */
const struct ioas_topology *ioas_pci_topology(struct ioas_iommu *iommu);
/* The same as a copy of the caller's, resolved; where none was given, what stands in. 0; -ENOMEM.
 */
int ioas_pci_describe(struct ioas_iommu *iommu, struct ioas_topology **out, struct ioas_why *why);

/*
 * Attach in PCI's words: ioas_device_attach and ioas_device_attach_pasid (device.h) of a function's
 * device, with their errors.
 */
int ioas_pci_attach(struct ioas_pci *pci, struct ioas_space *space, struct ioas_why *why);
int ioas_pci_attach_pasid(struct ioas_pci *pci, pasid_t pasid, struct ioas_space *space,
			  struct ioas_why *why);

/* The device as the bus-neutral core knows it, for issuers. Lives as long as `pci`. */
struct ioas_device *ioas_pci_device(struct ioas_pci *pci);
struct ioas_pci_addr ioas_pci_address(const struct ioas_pci *pci);
/*
 * The `model` it was added with if `ops` are its ops, else NULL: for calls of one model that take
 * any function.
 */
void *ioas_pci_model(const struct ioas_pci *pci, const struct ioas_pci_ops *ops);
/* Are memory requests allowed now (PCI_COMMAND bus master)? */
bool ioas_pci_bus_master(const struct ioas_pci *pci);

/*
 * Is MSI-X enabled (else the model uses INTx)? And: send vector `vector` (masked: it becomes
 * pending). Lock-free unless masked; a vector out of range or not enabled is ignored.
 */
bool ioas_pci_msix_enabled(const struct ioas_pci *pci);
void ioas_pci_msix_send(struct ioas_pci *pci, unsigned vector);
/* Sets the level of the INTx pin. */
void ioas_pci_intx_set(struct ioas_pci *pci, bool level);

/*
 * Watching registers. An access to a mapped BAR is a fault of the program's thread, in which the
 * model does it (bar_write): at once, without a thread of the model's, and dear where there are
 * many. A page of registers that a driver only writes to, such as doorbells, can be watched for a
 * while instead: then what the program stores goes to memory, and the model looks there for what
 * has changed. bar_write comes as before for what does not go by the mapping (pwrite), and may for
 * what does.
 *
 * ioas_pci_can_watch: would it be of use? There is a program, behind a door that can do it, which
 * has mapped a BAR for writing. One atomic load.
 * ioas_pci_watch_page: the memory for the page at `off` (a multiple of 4096) of BAR `bar`. It is
 * at one address, and there for reading and writing (atomically), as long as the function, also
 * when the file has gone; what is in it is what was there before. 0; -EINVAL no such page, or the
 * MSI-X table is in it; -ENXIO there is none, as with ioas_pci_can_watch; -ENOMEM.
 * ioas_pci_watch: that page is watched from now on. 0; -ENXIO it is not mapped for writing, or not
 * any more; -EAGAIN registers do not answer now.
 * ioas_pci_unwatch: the end of it; on return all that was stored is in the page. The engine ends
 * it, too, without a word, when registers stop to answer (a reset, memory decoding, power) and when
 * the file goes. Fine at any time.
 *
 * The last three from threads of the model, with no lock held that bar_write takes; they may take
 * as long as a few system calls.
 */
bool ioas_pci_can_watch(const struct ioas_pci *pci);
int ioas_pci_watch_page(struct ioas_pci *pci, unsigned bar, uint64_t off, void **page);
int ioas_pci_watch(struct ioas_pci *pci);
void ioas_pci_unwatch(struct ioas_pci *pci);

/*
 * Calls `fn` for each function in order of address, until it returns non-zero, and returns that.
 */
int ioas_pci_each(struct ioas_iommu *iommu, int (*fn)(struct ioas_pci *pci, void *arg), void *arg);

/*
 * Writes the view of /sys, as Linux would show it, for all functions of `iommu` below `root` (an
 * existing folder): root/sys/bus/pci, root/sys/devices, root/sys/kernel/iommu_groups,
 * root/sys/module, root/sys/class. Returns 0 or -errno of the file operation that failed.
 */
int ioas_pci_sysfs_write(struct ioas_iommu *iommu, const char *root);

IOAS_END

#endif
