/* SPDX-License-Identifier: MIT */
/* IOAS_ATTACH and IOAS_DETACH: PASID 0 is one, and a no-op is called one. */
#include "ext.h"

static long ext_attach(int dev, uint32_t flags, uint32_t pasid, uint32_t *pt, uint32_t *out_flags)
{
	struct ioas_attach cmd = {
		.size = sizeof(cmd), .flags = flags, .pasid = pasid, .pt_id = *pt};
	long rc = call(dev, IOAS_ATTACH, &cmd);

	*pt = rc ? *pt : cmd.pt_id;
	*out_flags = cmd.out_flags;
	return rc;
}

static long ext_detach(int dev, uint32_t flags, uint32_t pasid)
{
	struct ioas_detach cmd = {.size = sizeof(cmd), .flags = flags, .pasid = pasid};

	return call(dev, IOAS_DETACH, &cmd);
}

static struct ioas_get_route got[4];

static long routes(int dev)
{
	struct ioas_get_routes cmd = {
		.size = sizeof(cmd), .entry_nr = 4, .entries_uptr = (uintptr_t)got};
	long rc = call(dev, IOAS_GET_ROUTES, &cmd);

	return rc ? rc : cmd.entry_nr;
}

static void refusals(int fd, int dev)
{
	struct ioas_attach in = {.size = sizeof(in)};
	struct ioas_detach out = {.size = sizeof(out)};
	uint32_t flags, pt = 1;

	check("before bind", ext_attach(dev, 0, 0, &pt, &flags), -EINVAL);
	check("before bind", ext_detach(dev, 0, 0), -EINVAL);
	check_struct(dev, IOAS_ATTACH, &in, sizeof(in));
	check_struct(dev, IOAS_DETACH, &out, sizeof(out));
	in.__reserved = out.__reserved = 1;
	EXPECT(dev, IOAS_ATTACH, &in, -EOPNOTSUPP, "reserved field");
	EXPECT(dev, IOAS_DETACH, &out, -EOPNOTSUPP, "reserved field");
	check("a PASID without its flag", ext_attach(dev, 0, 3, &pt, &flags), -EINVAL);
	check("a PASID without its flag", ext_detach(dev, 0, 3), -EINVAL);
	check("on /dev/iommu", ext_attach(fd, 0, 0, &pt, &flags), -ENOTTY);
	check("on /dev/iommu", ext_detach(fd, 0, 0), -ENOTTY);
}

static void pasid_zero(int fd, int dev)
{
	struct vfio_device_attach_iommufd_pt plain = {.argsz = sizeof(plain),
						      .flags = VFIO_DEVICE_ATTACH_PASID};
	uint32_t id, pt, without, flags;

	check("bind", bind_iommufd(dev, fd, &id), 0);
	pt = 4321;
	check("attach to nothing", ext_attach(dev, 0, 0, &pt, &flags), -ENOENT);
	pt = id;
	check("attach to a device", ext_attach(dev, 0, 0, &pt, &flags), -EINVAL);
	pt = without = pasid_hwpt(fd, id, ioas_alloc(fd));
	check("attach", ext_attach(dev, 0, 0, &pt, &flags), 0);
	check("no no-op", flags, 0);
	check("to that", pt, without);
	check("again", ext_attach(dev, 0, 0, &pt, &flags), 0);
	check("is one", flags, IOAS_ATTACH_NO_OP);
	pt = pasid_hwpt(fd, id, ioas_alloc(fd));
	check("PASID 0 elsewhere", ext_attach(dev, IOAS_ATTACH_PASID, 0, &pt, &flags), 0);
	check("no no-op", flags, 0);
	check("two routes", routes(dev), 2);
	check("one without a PASID", got[0].pt_id, without);
	check("one with PASID 0", got[1].flags, IOAS_ROUTE_PASID | IOAS_ROUTE_ATTACHED);
	check("which is 0", got[1].pasid, 0);
	check("and leads elsewhere", got[1].pt_id, pt);
	plain.pt_id = pt;
	EXPECT(dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &plain, 0, "Linux's PASID 0");
	check("two routes", routes(dev), 2);
	check("is none", got[0].pt_id, pt);
	check("detach PASID 0", ext_detach(dev, IOAS_ATTACH_PASID, 0), 0);
	check("one route", routes(dev), 1);
	check("without a PASID", got[0].flags, IOAS_ROUTE_ATTACHED);
	check("detach that", ext_detach(dev, 0, 0), 0);
	check("no route", routes(dev), 0);
}

static void not_apart(int fd, int dev)
{
	uint32_t id, pt, flags;

	check("bind", bind_iommufd(dev, fd, &id), 0);
	pt = pasid_hwpt(fd, id, ioas_alloc(fd));
	check("PASID 0 where that is none", ext_attach(dev, IOAS_ATTACH_PASID, 0, &pt, &flags),
	      -EINVAL);
	check("PASID 1 is one", ext_attach(dev, IOAS_ATTACH_PASID, 1, &pt, &flags), 0);
	check("beyond its width", ext_attach(dev, IOAS_ATTACH_PASID, 1 << 20, &pt, &flags),
	      -EINVAL);
	check("detach one that is not attached", ext_detach(dev, IOAS_ATTACH_PASID, 9), 0);
	check("PASID 1 is still there", routes(dev), 1);
}

static void share_set(int fd, int behind, int also)
{
	uint32_t ioas = ioas_alloc(fd), pt = ioas, flags;

	check("bind", bind_iommufd(behind, fd, NULL), 0);
	check("bind the other", bind_iommufd(also, fd, NULL), 0);
	check("attach", ext_attach(behind, 0, 0, &pt, &flags), 0);
	check("no no-op", flags, 0);
	pt = ioas;
	check("the other", ext_attach(also, 0, 0, &pt, &flags), 0);
	check("is a no-op", flags, IOAS_ATTACH_NO_OP);
	check("detach it", ext_detach(also, 0, 0), 0);
	pt = ioas_alloc(fd);
	check("elsewhere", ext_attach(also, 0, 0, &pt, &flags), -EINVAL);
}

int main(void)
{
	int fd = open_or_skip("/dev/iommu"), first = open_function(FIRST);

	refusals(fd, first);
	pasid_zero(fd, first);
	not_apart(fd, open_function(OTHER));
	share_set(fd, open_function(BEHIND), open_function(ALSO_BEHIND));
	return check_done();
}
