/* SPDX-License-Identifier: MIT */
/*
 * The instance: what belongs to one machine. Each member is owned by the folder named beside it,
 * which alone knows what is inside.
 *
 * Lock order of the whole engine, outermost first:
 *
 *   uapi vfio_lock -> iommufd context (obj), or a container's lock -> route device -> shared tables
 *     (route) -> dmabufs -> space -> pages -> mem map
 *   a page table's dirty_lock -> space
 *   nest (spaces nested in software): inside a container's, outside an access' move and all spaces
 *   the issuer list, and who waits for what is lent: below all of them
 *   the context's ids_lock, and that of a queue of faults: below the context; the account's and the
 *     files' are innermost
 *   the queues of events of a viommu -> one of them: below the context, and a model's lock
 *   an access' lock -> space (with ctx->lock not held while it moves); its list of pins: innermost
 *   vfio_lock -> pci control -> the model's lock -> pci irq
 *   pci control -> pci watch -> what the door locks (no lock of the engine)
 *   vfio_lock -> pci bus
 *   pci bus -> route device, and route table
 *   route device, space -> turn of a device with ATS -> the model's lock, and its cache of
 *     translations -> translations of a device -> those by page table (both short, taken in flight)
 *   iommufd context -> server of a device's page requests -> where they go -> a queue of faults
 *   fault log -> (nothing)
 *   the pools of pages, pieces and nodes: innermost
 *
 * Debug builds hold every lock that is taken against this, as the ranks of util/lock.h.
 *
 * So UNMAP waits for what is lent with the space locked, and RESET with pci control: who has memory
 * lent or is in flight takes none of these but fault log, its model's lock, pci irq and the queues
 * of events.
 * A call that keeps an object busy (obj_get) does not take the context's lock.
 * A model may hold a lock of its own while it issues TLPs and sends interrupts; the engine takes
 * no lock on those paths but these innermost ones. No engine lock is held when a model's callback
 * is called, but for pci control and the file lock around reset and bus_master, which therefore
 * must not wait for anything that reads or writes config space; and for those of who unmaps or
 * detaches around an invalidation of translations (ioas/ats.h).
 */
#ifndef SRC_IOMMU_H
#define SRC_IOMMU_H

#include <ioas/iommu.h>
#include "kind/unit.h"
#include "tlp/ats_take.h"
#include "tlp/inflight.h"
#include "util/pool.h"

struct route_table;
struct account;
struct mem_files;
struct mem_map;
struct fault_log;
struct pci_bus;
struct uapi;

struct ioas_iommu {
	struct ioas_iommu_config config;  /* constant */
	unsigned aw;			  /* what all IOMMUs of the machine have; constant then */
	enum pt_format pt_format;	  /* constant: of the page tables of soft IOMMUs */
	struct kind_unit own;		  /* constant: the IOMMU of what no machine describes */
	const struct kind_unit *unit;	  /* constant once it is made: the machine's first IOMMU */
	struct inflight inflight;	  /* src/tlp/inflight.c: who is issuing right now */
	struct ats_tables ats;		  /* src/tlp/ats.h: who holds translations */
	struct route_table *routes;	  /* src/route/table.c: devices by requester ID */
	struct mem_map *mem;		  /* src/mem/map.c: the physical map */
	struct account *account;	  /* src/mem/account.c: who pays for what is pinned */
	struct mem_files *files;	  /* src/mem/file.c: files that are mapped */
	pthread_mutex_t dmabuf_lock;	  /* src/space/file.c: the list below */
	struct ioas_space *dmabuf_spaces; /* spaces that have shown dma-bufs */
	pthread_mutex_t nest_lock;	  /* src/space/nest.c: spaces nested in software */
	pthread_mutex_t pages_lock;	  /* src/space/pages.c: pages that several areas share */
	struct pool pages, firsts;	  /* src/space/: memory for pages; those with a first pin */
	struct fault_log *faults;	  /* src/tlp/fault.c */
	struct check_dirty *check_dirty;  /* src/tlp/check_dirty.c; NULL: not asked for */
	struct pci_bus *pci;		  /* src/pci/topology.c: functions by requester ID */
	struct uapi *uapi;		  /* src/uapi/: nodes, groups, ioctl counters */
};

/* Zeroed memory for counters: from the host's hook, else the heap. NULL: no memory. */
void *iommu_counters_alloc(struct ioas_iommu *iommu, const char *name, size_t len);
/* Gives them back (memory of the host's hook is left to the host). */
void iommu_counters_free(struct ioas_iommu *iommu, void *counters);

/* Made and ended by their folders, in this order and the reverse. */
int route_table_new(struct ioas_iommu *iommu, struct route_table **out);
void route_table_destroy(struct route_table *table);
int mem_map_new(unsigned pa_bits, struct mem_map **out); /* 48 or more */
void mem_map_destroy(struct mem_map *map);
void space_pools_init(struct ioas_iommu *iommu);
void space_pools_fini(struct ioas_iommu *iommu); /* all spaces have gone */
int fault_log_new(struct fault_log **out);
void fault_log_destroy(struct fault_log *log);
int pci_bus_new(struct ioas_iommu *iommu, struct pci_bus **out);
void pci_bus_destroy(struct pci_bus *bus); /* removes what functions are left */
int uapi_new(struct ioas_iommu *iommu, struct uapi **out);
void uapi_destroy(struct uapi *uapi);
/* src/pci/topology.c: calls suspend or resume of every model. */
void pci_bus_suspend(struct pci_bus *bus);
void pci_bus_resume(struct pci_bus *bus);

#endif
