/* SPDX-License-Identifier: MIT */
/*
 * A function that does nothing but remember: 16 KiB of registers in BAR 0 with MSI-X behind them,
 * 256 bytes of I/O in BAR 2, 1 MiB of 32-bit memory in BAR 3. For one test program each.
 */
#ifndef TESTS_PCI_TOY_H
#define TESTS_PCI_TOY_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>
#include "iommu.h"
#include "pci/pci.h"
#include "route/route.h"
#include "tests/unit/fds.h"

#define TOY_TABLE   0x2000
#define TOY_PBA	    0x3000
#define TOY_VECTORS 70

struct toy {
	uint8_t regs[0x4000];
	unsigned resets, masters_on, masters_off, suspends, resumes;
	unsigned accesses; /* that reached the model */
	unsigned last_size;
	bool *destroyed;
	void (*on_reset)(struct toy *toy);
	struct ioas_pci *pci;
};

static uint64_t toy_read(void *model, unsigned bar, uint64_t off, unsigned size)
{
	struct toy *toy = model;
	uint64_t value = 0;

	assert_true(off % size == 0);
	toy->accesses++;
	toy->last_size = size;
	memcpy(&value, toy->regs + off % sizeof(toy->regs), size);
	return value;
}

static void toy_write(void *model, unsigned bar, uint64_t off, uint64_t value, unsigned size)
{
	struct toy *toy = model;

	assert_true(off % size == 0);
	toy->accesses++;
	toy->last_size = size;
	memcpy(toy->regs + off % sizeof(toy->regs), &value, size);
}

static void toy_master(void *model, bool on)
{
	struct toy *toy = model;

	assert_true(ioas_pci_bus_master(toy->pci) == on);
	if (on)
		toy->masters_on++;
	else
		toy->masters_off++;
}

static void toy_reset(void *model)
{
	struct toy *toy = model;

	if (toy->on_reset)
		toy->on_reset(toy);
	memset(toy->regs, 0, sizeof(toy->regs));
	toy->resets++;
}

static void toy_suspend(void *model)
{
	((struct toy *)model)->suspends++;
}

static void toy_resume(void *model)
{
	((struct toy *)model)->resumes++;
}

static void toy_destroy(void *model)
{
	struct toy *toy = model;

	if (toy->destroyed)
		*toy->destroyed = true;
	free(toy);
}

static const struct ioas_pci_ops toy_ops = {
	.bar_read = toy_read,
	.bar_write = toy_write,
	.bus_master = toy_master,
	.reset = toy_reset,
	.suspend = toy_suspend,
	.resume = toy_resume,
	.destroy = toy_destroy,
};

static const struct ioas_pci_desc toy_desc = {
	.vendor = 0x1b36,
	.device = 0x1234,
	.subsystem_vendor = 0x1af4,
	.subsystem = 0x1100,
	.class_code = 0x010802,
	.revision = 2,
	.intx_pin = 1,
	.bar[0] = {.len = 0x4000, .flags = IOAS_PCI_BAR_64},
	.bar[2] = {.len = 256, .flags = IOAS_PCI_BAR_IO},
	.bar[3] = {.len = 1 << 20},
	.msix_nr = TOY_VECTORS,
	.msix_table = TOY_TABLE,
	.msix_pba = TOY_PBA,
	.serial = 0x0123456789abcdef,
	.pasid_lg2 = 16,
};

static inline int toy_add(struct ioas_iommu *iommu, const char *addr, struct toy **out,
			  struct ioas_why *why)
{
	struct toy *toy = calloc(1, sizeof(*toy));
	struct ioas_pci_addr at;
	int rc;

	assert_non_null(toy);
	assert_int_equal(ioas_pci_addr_parse(addr, &at), 0);
	rc = ioas_pci_add(iommu, at, &toy_desc, &toy_ops, toy, &toy->pci, why);
	if (rc) {
		free(toy);
		toy = NULL;
	}
	if (out)
		*out = toy;
	return rc;
}

static inline struct ioas_iommu *toy_iommu(void)
{
	struct ioas_iommu *iommu;

	assert_int_equal(ioas_iommu_new(NULL, &iommu), 0);
	return iommu;
}

static inline uint32_t cfg(struct toy *toy, unsigned off, unsigned size)
{
	uint32_t value = 0;

	assert_int_equal(pci_config_read(toy->pci, off, &value, size), size);
	return value;
}

static inline void set_cfg(struct toy *toy, unsigned off, uint32_t value, unsigned size)
{
	assert_int_equal(pci_config_write(toy->pci, off, &value, size), size);
}

/* How often an eventfd was signalled since it was last asked. */
static inline uint64_t fired(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static inline int event_new(void)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}

/* Sets one interrupt's eventfd to a duplicate of fd (-1: none). */
static inline int set_irq(struct toy *toy, unsigned index, unsigned start, int fd)
{
	int copy = fd < 0 ? -1 : dup(fd);

	return pci_irq_set(toy->pci, index, start, 1, &copy);
}

struct toy_world {
	struct ioas_iommu *iommu;
	struct toy *toy;
	unsigned fds; /* open before it */
};

static inline int toy_setup(void **state)
{
	struct toy_world *world = calloc(1, sizeof(*world));

	world->fds = fds_open();
	world->iommu = toy_iommu();
	assert_int_equal(toy_add(world->iommu, "0000:01:00.0", &world->toy, NULL), 0);
	assert_int_equal(pci_open(world->toy->pci, NULL), 0);
	*state = world;
	return 0;
}

static inline int toy_teardown(void **state)
{
	struct toy_world *world = *state;

	pci_close(world->toy->pci);
	ioas_iommu_destroy(world->iommu);
	assert_int_equal(fds_open(), world->fds);
	free(world);
	return 0;
}

#define WITH_TOY(test) cmocka_unit_test_setup_teardown(test, toy_setup, toy_teardown)

#endif
