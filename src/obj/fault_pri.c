/* SPDX-License-Identifier: MIT */
/*
 * Page requests of the instance's own devices: what src/tlp/pri.c has from a device goes to the
 * queue of where the device's requests go, and the answer back.
 */
#include <ioas/uapi/iommufd.h>
#include "obj/obj.h"
#include "tlp/pri.h"

#define PAGE 4096 /* what a request names */

/* It may be unbound meanwhile: its object is not looked at. */
static void answer_device(void *dev, uint64_t tag, uint32_t grpid, uint32_t code)
{
	pri_answer(dev, tag, grpid,
		   code == IOMMUFD_PAGE_RESP_SUCCESS ? IOAS_PAGE_SUCCESS : IOAS_PAGE_INVALID);
}

static int take_request(void *arg, const struct ioas_page_request *sent, uint64_t tag)
{
	struct obj_device *device = arg;
	static const struct {
		uint32_t flag, perm;
	} perms[] = {
		{IOAS_PAGE_READ, IOMMU_PGFAULT_PERM_READ},
		{IOAS_PAGE_WRITE, IOMMU_PGFAULT_PERM_WRITE},
		{IOAS_PAGE_EXEC, IOMMU_PGFAULT_PERM_EXEC},
		{IOAS_PAGE_PRIV, IOMMU_PGFAULT_PERM_PRIV},
	};
	struct obj_page_request request = {
		.grpid = sent->group,
		.addr = sent->addr & ~(uint64_t)(PAGE - 1),
		.last = sent->flags & IOAS_PAGE_LAST,
		.tag = tag,
	};

	for (size_t i = 0; i < sizeof(perms) / sizeof(perms[0]); i++)
		if (sent->flags & perms[i].flag)
			request.perm |= perms[i].perm;
	return obj_fault_take(device, sent->flags & IOAS_PAGE_PASID, sent->pasid, &request,
			      answer_device, device->dev);
}

/* Its time is over. */
static bool drop_request(void *arg, const struct ioas_page_request *of, uint64_t tag)
{
	return obj_fault_drop(arg, of->flags & IOAS_PAGE_PASID, of->pasid, of->group, tag);
}

void obj_fault_serve(struct obj_device *device, bool on)
{
	static const struct pri_server server = {.take = take_request, .drop = drop_request};

	if (device->dev)
		pri_serve(device->dev, on ? &server : NULL, device);
}
