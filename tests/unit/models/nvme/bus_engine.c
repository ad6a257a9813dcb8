/* SPDX-License-Identifier: MIT */
/* The same bus with the engine in it: a real space, a real route, real fault records. */
#include <string.h>
#include <sys/mman.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ioas/device.h>
#include "models/nvme/bus.h"
#include "nvme/keys.h"
#include "pci/pci.h"
#include "route/route.h"

struct bus bus;

static struct ioas_iommu *iommu;
static struct ioas_space *space;
static struct ioas_pci *pci;

static void map(unsigned first, unsigned nr, uint8_t prot)
{
	iova_t iova = BUS_BASE + first * 4096ull;

	assert_int_equal(ioas_space_map(space, NULL, &iova, (uintptr_t)bus.memory + first * 4096ull,
					nr * 4096ull, prot | IOAS_MAP_FIXED, NULL),
			 0);
}

static void map_all(void)
{
	unsigned first = 0;

	for (unsigned i = 1; i <= BUS_PAGES; i++) {
		if (i < BUS_PAGES && bus.prot[i] == bus.prot[first])
			continue;
		if (bus.prot[first])
			map(first, i - first, bus.prot[first]);
		first = i;
	}
}

void bus_open(void)
{
	memset(&bus, 0, sizeof(bus));
	bus.memory =
		mmap(NULL, BUS_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(bus.prot, IOAS_PROT_READ | IOAS_PROT_WRITE, sizeof(bus.prot));
	assert_int_equal(ioas_iommu_new(NULL, &iommu), 0);
	assert_int_equal(ioas_space_new(iommu, &space), 0);
	map_all();
}

void bus_close(void)
{
	ioas_space_put(space);
	ioas_iommu_destroy(iommu);
	munmap(bus.memory, BUS_LEN);
}

void bus_protect(iova_t addr, uint64_t len, uint8_t prot)
{
	uint64_t unmapped;

	memset(bus.prot + (addr - BUS_BASE) / 4096, prot, len / 4096);
	assert_int_equal(ioas_space_unmap(space, 0, UINT64_MAX, &unmapped, NULL), 0);
	map_all();
}

int bus_create(const struct ioas_param *params, size_t nr, struct ioas_why *why)
{
	struct ioas_device *dev;
	int rc = nvme_model.create(iommu, (struct ioas_pci_addr){0, 1, 0}, params, nr, &pci, why);

	if (rc)
		return rc;
	bus.ops = pci->ops;
	bus.model = pci->model;
	dev = ioas_pci_device(pci);
	assert_int_equal(ioas_device_bind(dev, IOAS_FORM_RID, 0, NULL), 0);
	assert_int_equal(ioas_device_attach(dev, space, NULL), 0);
	route_dma_enable(dev, true);
	return 0;
}

void bus_remove(void)
{
	struct ioas_device *dev = ioas_pci_device(pci);

	bus.ops->reset(bus.model);
	ioas_device_detach(dev);
	ioas_device_unbind(dev);
	ioas_pci_remove(pci);
}
