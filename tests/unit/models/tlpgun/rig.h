/* SPDX-License-Identifier: MIT */
/*
 * A gun on the engine, and spaces for its requests: each maps one page of memory of its own at
 * IOVA, so that where bytes land says which space they met. For one test program each.
 */
#ifndef TESTS_TLPGUN_RIG_H
#define TESTS_TLPGUN_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include <ioas/tlpgun.h>
#include "pci/pci.h"
#include "route/route.h"
#include "tlpgun/keys.h"

#define PAGE   4096u
#define IOVA   0x10000ull
#define SPACES 4

struct rig {
	struct ioas_iommu *iommu;
	struct ioas_pci *pci;
	struct ioas_device *dev;
	struct ioas_tlpgun *gun;
	struct ioas_space *space[SPACES];
	uint8_t *memory[SPACES];
};

static struct rig rig;

static inline void rig_start(const char *device)
{
	struct ioas_why why = {""};
	uint32_t forms = IOAS_FORM_RID;

	memset(&rig, 0, sizeof(rig));
	assert_int_equal(ioas_iommu_new(NULL, &rig.iommu), 0);
	if (ioas_model_create(rig.iommu, device, &rig.pci, &why))
		fail_msg("%s: %s", device, why.text);
	rig.dev = ioas_pci_device(rig.pci);
	rig.gun = ioas_tlpgun_of(rig.pci);
	assert_non_null(rig.gun);
	for (int i = 0; i < SPACES; i++) {
		iova_t iova = IOVA;

		rig.memory[i] = aligned_alloc(PAGE, PAGE);
		memset(rig.memory[i], 0, PAGE);
		assert_int_equal(ioas_space_new(rig.iommu, &rig.space[i]), 0);
		assert_int_equal(
			ioas_space_map(rig.space[i], NULL, &iova, (uintptr_t)rig.memory[i], PAGE,
				       IOAS_MAP_READ | IOAS_MAP_WRITE | IOAS_MAP_FIXED, NULL),
			0);
	}
	if (rig.pci->desc.pasid_lg2)
		forms |= IOAS_FORM_PASID;
	if (rig.pci->desc.shared_queue)
		forms |= IOAS_FORM_SHARED_QUEUE;
	assert_int_equal(ioas_device_bind(rig.dev, forms, rig.pci->desc.pasid_lg2, NULL), 0);
	assert_int_equal(ioas_device_attach(rig.dev, rig.space[0], NULL), 0);
	assert_int_equal(pci_open(rig.pci, NULL), 0);
	assert_int_equal(pci_config_write(rig.pci, PCI_CFG_COMMAND, &(uint16_t){6}, 2), 2);
}

static inline void rig_stop(void)
{
	pasid_t pasid = 0;

	pci_close(rig.pci);
	ioas_device_detach(rig.dev);
	for (; route_entry_next(rig.dev->set, &pasid); pasid++)
		ioas_device_detach_pasid(rig.dev, pasid);
	ioas_device_unbind(rig.dev);
	ioas_pci_remove(rig.pci);
	for (int i = 0; i < SPACES; i++) {
		ioas_space_put(rig.space[i]);
		free(rig.memory[i]);
	}
	ioas_iommu_destroy(rig.iommu);
}

static inline void attach_pasid(pasid_t pasid, unsigned space)
{
	assert_int_equal(ioas_device_attach_pasid(rig.dev, pasid, rig.space[space], NULL), 0);
}

static inline uint64_t load(unsigned bar, uint64_t off, unsigned size)
{
	uint64_t value = 0;

	assert_int_equal(pci_bar_access(rig.pci, bar, off, false, &value, size), 0);
	return value;
}

static inline void store(unsigned bar, uint64_t off, uint64_t value, unsigned size)
{
	assert_int_equal(pci_bar_access(rig.pci, bar, off, true, &value, size), 0);
}

static inline void reg(uint64_t off, uint64_t value)
{
	store(0, off, value, off >= IOAS_TLPGUN_CTRL && off < IOAS_TLPGUN_COUNT ? 4 : 8);
}

static inline uint32_t status(void)
{
	return (uint32_t)load(0, IOAS_TLPGUN_STATUS, 4);
}

static inline void doorbell(uint32_t bell)
{
	store(0, IOAS_TLPGUN_DOORBELL, bell, 4);
}

/* Waits until (the register & mask) == value; a test that waits in vain fails after a minute. */
static inline uint64_t await(uint64_t off, unsigned size, uint64_t mask, uint64_t value)
{
	for (unsigned i = 0;; i++) {
		uint64_t is = load(0, off, size);

		if ((is & mask) == value)
			return is;
		if (i == 600000)
			fail_msg("register %#lx stays %#lx", (long)off, (long)is);
		nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
	}
}

/* One burst of what the registers say. Returns the reason in its status. */
static inline unsigned shoot(void)
{
	doorbell(IOAS_TLPGUN_SHOOT);
	return await(IOAS_TLPGUN_STATUS, 4, IOAS_TLPGUN_BUSY, 0) >> IOAS_TLPGUN_REASON_SHIFT & 0xff;
}

/* The newest fault record. */
static inline struct ioas_fault newest(void)
{
	struct ioas_fault fault = {0};
	uint64_t seq = 0;

	while (ioas_fault_read(rig.iommu, &seq, &fault, 1))
		;
	return fault;
}

#endif
