/* SPDX-License-Identifier: MIT */
/* The smallest world in which DMA meets a space: one instance, one device that may issue, one IOAS.
 */
#ifndef TESTS_FLOW_DMA_WORLD_H
#define TESTS_FLOW_DMA_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ioas/space.h>
#include "iommu.h"
#include "route/route.h"

#define PAGE 4096ul
#define RW   (IOAS_MAP_READ | IOAS_MAP_WRITE)

static struct ioas_iommu *iommu;
static struct ioas_space *space;
static struct ioas_device *dev;
static struct ioas_issuer *issuer;

static int setup(void **arg)
{
	assert_int_equal(ioas_iommu_new(NULL, &iommu), 0);
	assert_int_equal(ioas_space_new(iommu, &space), 0);
	assert_int_equal(route_device_new(iommu, "0000:01:00.0", 0, 0x100, &dev), 0);
	assert_int_equal(ioas_device_bind(dev, IOAS_FORM_RID, 0, NULL), 0);
	route_dma_enable(dev, true);
	assert_int_equal(ioas_device_attach(dev, space, NULL), 0);
	assert_int_equal(ioas_issuer_new(dev, &issuer), 0);
	return 0;
}

static int teardown(void **arg)
{
	ioas_issuer_destroy(issuer);
	ioas_device_detach(dev);
	ioas_device_unbind(dev);
	route_device_destroy(dev);
	ioas_space_put(space);
	ioas_iommu_destroy(iommu);
	return 0;
}

#endif
