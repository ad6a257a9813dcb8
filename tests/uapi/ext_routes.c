/* SPDX-License-Identifier: MIT */
/* IOAS_GET_ROUTES: where a device's requests go, without a PASID and with each. */
#include "ext.h"

#define MANY 200u

static struct ioas_get_route got[MANY + 2];

static long routes(int file, uint32_t dev_id, uint32_t max, uint64_t *cursor)
{
	struct ioas_get_routes cmd = {
		.size = sizeof(cmd),
		.dev_id = dev_id,
		.entry_nr = max,
		.entries_uptr = (uintptr_t)got,
		.cursor = *cursor,
	};
	long rc = call(file, IOAS_GET_ROUTES, &cmd);

	*cursor = cmd.cursor;
	return rc ? rc : cmd.entry_nr;
}

static long all(int file, uint32_t dev_id)
{
	uint64_t cursor = 0;
	long nr = routes(file, dev_id, MANY + 2, &cursor);

	check("that was all", routes(file, dev_id, 1, &cursor), 0);
	return nr;
}

static long attach_pasid(int dev, uint32_t pasid, uint32_t pt)
{
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DEVICE_ATTACH_PASID,
		.pt_id = pt,
		.pasid = pasid,
	};

	return call(dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);
}

static void one_device(int fd, int dev)
{
	uint32_t id, ioas = ioas_alloc(fd), second = ioas_alloc(fd), pt, with;
	uint64_t cursor = 0;

	check("before it is bound", all(dev, 0), 0);
	check("bind", bind_iommufd(dev, fd, &id), 0);
	check("before it is attached", all(fd, id), 0);
	pt = with = pasid_hwpt(fd, id, ioas);
	check("attach", attach(dev, &pt), 0);
	check("one route", all(fd, id), 1);
	check("of requests without a PASID", got[0].flags, IOAS_ROUTE_ATTACHED);
	check("to that space", got[0].ioas_id, ioas);
	check("by that page table", got[0].pt_id, pt);
	pt = pasid_hwpt(fd, id, second);
	for (uint32_t i = 0; i < MANY; i++)
		if (attach_pasid(dev, 7 + i * 5003, pt))
			check("attach a PASID", -errno, 0);
	check("all of them", all(dev, 0), MANY + 1);
	check("without a PASID first", got[0].flags, IOAS_ROUTE_ATTACHED);
	for (uint32_t i = 0; i < MANY; i++)
		if (got[1 + i].pasid != 7 + i * 5003 || got[1 + i].ioas_id != second ||
		    got[1 + i].flags != (IOAS_ROUTE_ATTACHED | IOAS_ROUTE_PASID))
			check("in order of PASID", got[1 + i].pasid, 7 + i * 5003);
	check("a piece", routes(fd, id, 3, &cursor), 3);
	check("the next one", routes(fd, id, 3, &cursor), 3);
	check("goes on behind it", got[0].pasid, 7 + 2 * 5003);
	check("beyond the last", (cursor = UINT64_MAX, routes(fd, id, 3, &cursor)), 0);
}

static void share_set(int fd, int behind, int also)
{
	uint32_t id, other, ioas = ioas_alloc(fd), pt = ioas;

	check("bind", bind_iommufd(behind, fd, &id), 0);
	check("bind the other", bind_iommufd(also, fd, &other), 0);
	check("attach", attach(behind, &pt), 0);
	check("the other has a route", all(fd, other), 1);
	check("that is not of its making", got[0].flags, IOAS_ROUTE_OTHERS);
	pt = ioas;
	check("attach it, too", attach(also, &pt), 0);
	check("which was", all(fd, other), 1);
	check("a no-op", got[0].flags, IOAS_ROUTE_ATTACHED | IOAS_ROUTE_NO_OP | IOAS_ROUTE_OTHERS);
	check("the first", all(fd, id), 1);
	check("is not alone", got[0].flags, IOAS_ROUTE_ATTACHED | IOAS_ROUTE_OTHERS);
	check("detach it", detach(behind), 0);
	check("the other's", all(fd, other), 1);
	check("stays", got[0].flags, IOAS_ROUTE_ATTACHED);
}

int main(void)
{
	struct ioas_get_routes cmd = {.size = sizeof(cmd), .entry_nr = 1};
	int fd = open_or_skip("/dev/iommu"), first = open_function(FIRST);
	uint64_t cursor = 0;

	check_struct(first, IOAS_GET_ROUTES, &cmd, sizeof(cmd));
	check("room for none", routes(first, 0, 0, &cursor), -EINVAL);
	check("no such id", routes(fd, 4321, 1, &cursor), -ENOENT);
	check("an id on a device", routes(first, 1, 1, &cursor), -EINVAL);
	one_device(fd, first);
	cmd.entries_uptr = (uintptr_t)WILD;
	EXPECT(first, IOAS_GET_ROUTES, &cmd, -EFAULT, "wild entries");
	share_set(fd, open_function(BEHIND), open_function(ALSO_BEHIND));
	return check_done();
}
