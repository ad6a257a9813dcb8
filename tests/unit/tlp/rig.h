/* SPDX-License-Identifier: MIT */
/*
 * A machine of one device and one page table for unit tests, without spaces, PCI, uapi and objects
 * with ids: those are doubles here. For one test program each (it defines what it doubles).
 */
#ifndef TESTS_RIG_H
#define TESTS_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "iommu.h"
#include "mem/mem.h"
#include "obj/viommu.h"
#include "route/route.h"
#include "space/space.h"
#include "tlp/tlp.h"

#define PAGE 4096ul

int pci_bus_new(struct ioas_iommu *iommu, struct pci_bus **out)
{
	return 0;
}

void pci_bus_destroy(struct pci_bus *bus)
{
}

void pci_bus_suspend(struct pci_bus *bus)
{
}

void pci_bus_resume(struct pci_bus *bus)
{
}

int uapi_new(struct ioas_iommu *iommu, struct uapi **out)
{
	return 0;
}

void uapi_destroy(struct uapi *uapi)
{
}

/* No guest has a share of this machine's IOMMU; who holds where its events would go is counted. */
static int rig_events_held;

struct obj_events *obj_events_get(struct obj_events *events)
{
	rig_events_held++;
	return events;
}

void obj_events_put(struct obj_events *events)
{
	rig_events_held--;
}

int obj_events_report(struct obj_events *events, uint32_t type, const void *data, size_t len)
{
	return -EOPNOTSUPP;
}

struct obj_vdevice *obj_vdevice_find_locked(struct obj_viommu *viommu, uint64_t virt_id)
{
	return NULL;
}

void obj_viommu_drain_locked(struct obj_viommu *viommu)
{
}

/* A space that counts who uses it and shows one page at 0 to whoever attaches. */
struct ioas_space {
	int refs;
	int domains;
	int attach_error;
	struct pt *last_pt;
};

bool space_huge_pages(struct ioas_space *space)
{
	return true;
}

int space_domain_attach(struct ioas_space *space, struct pt *pt, struct ioas_why *why)
{
	if (space->attach_error)
		return space->attach_error;
	space->domains++;
	space->last_pt = pt;
	return 0;
}

void space_domain_detach(struct ioas_space *space, struct pt *pt)
{
	space->domains--;
}

struct ioas_space *ioas_space_get(struct ioas_space *space)
{
	space->refs++;
	return space;
}

void ioas_space_put(struct ioas_space *space)
{
	space->refs--;
}

struct rig {
	struct ioas_iommu *iommu;
	struct ioas_device *dev;
	struct ioas_issuer *issuer;
	struct pt *pt;
};

/* A bound device, with the bus open, attached to an empty table. */
static inline void rig_start(struct rig *rig, const struct ioas_iommu_config *config)
{
	struct pt_config pt_config = {.format = PT_AMDV1, .aw = 48};

	assert_int_equal(ioas_iommu_new(config, &rig->iommu), 0);
	assert_int_equal(route_device_new(rig->iommu, "0000:01:00.0", 0, 0x100, &rig->dev), 0);
	assert_int_equal(ioas_issuer_new(rig->dev, &rig->issuer), 0);
	assert_int_equal(pt_new(&pt_config, &rig->pt), 0);
	pt_label(rig->pt, 7, 9);
	assert_int_equal(ioas_device_bind(rig->dev, IOAS_FORM_RID, 0, NULL), 0);
	route_dma_enable(rig->dev, true);
	assert_int_equal(route_attach(rig->dev, NULL, rig->pt, NULL), 0);
}

static inline void rig_stop(struct rig *rig)
{
	route_detach(rig->dev, NULL);
	ioas_device_unbind(rig->dev);
	ioas_issuer_destroy(rig->issuer);
	route_device_destroy(rig->dev);
	pt_destroy(rig->pt);
	ioas_iommu_destroy(rig->iommu);
}

/* What a space does for one mapping. */
static inline struct mem_window *rig_map(struct rig *rig, iova_t iova, void *host, uint64_t len,
					 uint32_t prot)
{
	struct mem_window *window;

	assert_int_equal(mem_window_new(rig->iommu->mem, iova, host, len, &window), 0);
	assert_int_equal(pt_map(rig->pt, iova, window->pa, len, prot), 0);
	return window;
}

static inline void rig_unmap(struct rig *rig, iova_t iova, struct mem_window *window)
{
	struct pt_gather gather = {NULL};

	assert_int_equal(pt_unmap(rig->pt, iova, iova + window->len - 1, &gather), window->len);
	inflight_wait(&rig->iommu->inflight);
	pt_gather_free(&gather);
	mem_window_idle(window);
	mem_window_destroy(rig->iommu->mem, window);
}

static inline char *rig_pages(unsigned pages)
{
	char *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);

	assert_ptr_not_equal(at, MAP_FAILED);
	return at;
}

/* The newest fault record; there must be exactly `nr` so far. */
static inline struct ioas_fault rig_fault(struct rig *rig, uint64_t nr)
{
	struct ioas_fault fault;
	uint64_t seq = nr - 1;

	assert_int_equal(ioas_fault_read(rig->iommu, &seq, &fault, 1), 1);
	assert_int_equal(fault.seq, nr);
	assert_int_equal(ioas_fault_read(rig->iommu, &seq, &(struct ioas_fault){0}, 1), 0);
	assert_int_equal(ioas_device_counters(rig->dev)->faults, nr);
	return fault;
}

#endif
