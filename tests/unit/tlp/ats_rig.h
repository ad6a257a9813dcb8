/* SPDX-License-Identifier: MIT */
/*
 * A PCI function with ATS and page requests, one space, and a device side whose answers a test
 * decides on. For one test program each.
 */
#ifndef TESTS_ATS_RIG_H
#define TESTS_ATS_RIG_H

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>
#include <ioas/ats.h>
#include <ioas/space.h>
#include "iommu.h"
#include "pci/pci.h"
#include "route/route.h"

#define PAGE 4096ul
#define RW   (IOAS_MAP_READ | IOAS_MAP_WRITE)
#define BASE 0x40000000ul

enum answer { AT_ONCE, LATER, NEVER };

struct side {
	_Atomic unsigned asked;
	struct ioas_ats_invalidation last; /* the newest */
	enum answer answer;
	struct ioas_atc *atc; /* that is invalidated first, or NULL */
};

static struct ioas_iommu *iommu;
static struct ioas_pci *pci;
static struct ioas_device *dev;
static struct ioas_issuer *issuer;
static struct ioas_space *space;
static struct side side;

static bool side_invalidate(void *arg, const struct ioas_ats_invalidation *what)
{
	struct side *to = arg;

	to->last = *what;
	atomic_fetch_add(&to->asked, 1);
	if (to->atc)
		ioas_atc_invalidate(to->atc, what);
	return to->answer == AT_ONCE;
}

static const struct ioas_ats_ops side_ops = {.invalidate = side_invalidate};

static void rig_start(const struct ioas_iommu_config *config)
{
	static const struct ioas_pci_ops ops = {0};
	static const struct ioas_pci_desc desc = {
		.vendor = 0x1b36,
		.device = 0x1234,
		.pasid_lg2 = 20,
		.ats = true,
		.page_request_nr = 32,
	};
	struct ioas_pci_addr addr = {.bus = 1};
	uint16_t command = PCI_CMD_MEMORY | PCI_CMD_MASTER;

	memset(&side, 0, sizeof(side));
	assert_int_equal(ioas_iommu_new(config, &iommu), 0);
	assert_int_equal(ioas_space_new(iommu, &space), 0);
	assert_int_equal(ioas_pci_add(iommu, addr, &desc, &ops, NULL, &pci, NULL), 0);
	dev = ioas_pci_device(pci);
	assert_int_equal(ioas_ats_open(dev, &side_ops, &side), 0);
	assert_int_equal(pci_open(pci, NULL), 0);
	assert_int_equal(pci_config_write(pci, PCI_CFG_COMMAND, &command, 2), 2);
	assert_int_equal(ioas_device_bind(dev, IOAS_FORM_RID | IOAS_FORM_PASID, 20, NULL), 0);
	assert_int_equal(ioas_issuer_new(dev, &issuer), 0);
}

static void rig_stop(void)
{
	ioas_device_detach(dev);
	ioas_device_unbind(dev);
	ioas_issuer_destroy(issuer);
	pci_close(pci);
	ioas_ats_close(dev);
	ioas_space_put(space);
	ioas_iommu_destroy(iommu);
}

static inline char *rig_map(struct ioas_space *to, iova_t iova, uint64_t len, uint32_t flags)
{
	char *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	assert_int_equal(ioas_space_map(to, NULL, &iova, (uintptr_t)memory, len,
					flags | IOAS_MAP_FIXED, NULL),
			 0);
	return memory;
}

/* Starts with four pages of memory at BASE, to which the device is attached; returns where they
 * are. */
static inline char *rig_start_mapped(const struct ioas_iommu_config *config)
{
	char *memory;

	rig_start(config);
	memory = rig_map(space, BASE, 4 * PAGE, RW);
	assert_int_equal(ioas_device_attach(dev, space, NULL), 0);
	return memory;
}

static inline void rig_stop_mapped(char *memory)
{
	rig_stop();
	munmap(memory, 4 * PAGE);
}

static inline struct ioas_ats_translation rig_ask(iova_t addr, uint64_t len, unsigned op)
{
	struct ioas_tlp tlp = {.addr = addr, .len = len, .op = (uint8_t)op};
	struct ioas_ats_translation found;

	assert_int_equal(ioas_ats_translate(issuer, &tlp, &found, 1), 1);
	return found;
}

/* A translated request of one byte. */
static inline int rig_touch(pa_t pa, unsigned op, char *byte)
{
	struct ioas_tlp tlp = {.addr = pa, .len = 1, .op = (uint8_t)op, .at = IOAS_TLP_TRANSLATED};

	return ioas_tlp_issue(issuer, &tlp, byte);
}

/* The newest record; there are `nr`. */
static inline struct ioas_fault rig_fault(uint64_t nr)
{
	struct ioas_fault fault;
	uint64_t seq = nr - 1;

	assert_int_equal(ioas_fault_read(iommu, &seq, &fault, 1), 1);
	assert_int_equal(ioas_fault_read(iommu, &seq, &(struct ioas_fault){0}, 1), 0);
	return fault;
}

static inline void rig_says(const struct ioas_fault *fault, const char *text)
{
	char buf[2048];

	ioas_fault_format(fault, buf, sizeof(buf));
	if (!strstr(buf, text))
		fail_msg("not \"%s\" in:\n%s", text, buf);
}

#endif
