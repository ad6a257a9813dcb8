/* SPDX-License-Identifier: MIT */
/* ioasbench: what a device is needed for: attaching, page tables, maps that are entered, dirty
 * bits. */
#include "ioasbench.h"
#include <fcntl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <ioas/uapi/iommufd.h>
#include <ioas/uapi/vfio.h>

static void op_hwpt(struct ctx *c)
{
	uint32_t id;
	uint64_t a = now(), b;

	if (hwpt_alloc(c->dev, c->ioas, 0, &id))
		die("HWPT_ALLOC");
	b = now();
	c->ph[1] += b - a;
	if (destroy(id))
		die("DESTROY hwpt");
	c->ph[2] += now() - b;
}

static void op_attach_detach(struct ctx *c)
{
	uint64_t a = now(), b;

	if (attach(c->ioas, NULL))
		die("ATTACH");
	b = now();
	c->ph[1] += b - a;
	if (detach())
		die("DETACH");
	c->ph[2] += now() - b;
}

static void op_hwinfo(struct ctx *c)
{
	char buf[256];
	struct iommu_hw_info h = {
		.size = sizeof(h),
		.dev_id = c->dev,
		.data_len = sizeof(buf),
		.data_uptr = (uintptr_t)buf,
	};

	if (ioctl(fd, IOMMU_GET_HW_INFO, &h))
		die("GET_HW_INFO");
}

/* What tracking answers where the page table was not made for it. */
static void print_untracked(uint32_t dev, uint32_t ioas, struct iommu_hwpt_set_dirty_tracking *s,
			    struct iommu_hwpt_get_dirty_bitmap *g)
{
	uint32_t hwpt;
	int rc;

	printf("# dirty tracking: HWPT_ALLOC(DIRTY_TRACKING) fails: %s\n", strerrorname_np(errno));
	if (hwpt_alloc(dev, ioas, 0, &hwpt))
		return;
	s->hwpt_id = g->hwpt_id = hwpt;
	s->flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE;
	rc = ioctl(fd, IOMMU_HWPT_SET_DIRTY_TRACKING, s);
	printf("# dirty tracking: SET on a plain hwpt: rc=%d %s\n", rc,
	       rc ? strerrorname_np(errno) : "-");
	rc = ioctl(fd, IOMMU_HWPT_GET_DIRTY_BITMAP, g);
	printf("# dirty tracking: GET on a plain hwpt: rc=%d %s\n", rc,
	       rc ? strerrorname_np(errno) : "-");
	destroy(hwpt);
}

/* On, read and off again, with tracking of 64 MiB where nothing is dirty. */
static void time_tracking(struct iommu_hwpt_set_dirty_tracking *s,
			  struct iommu_hwpt_get_dirty_bitmap *g)
{
	double on[MAXREP], off[MAXREP], get[MAXREP];

	for (int r = 0; r < repeats; r++) {
		uint64_t a = now();

		s->flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE;
		if (ioctl(fd, IOMMU_HWPT_SET_DIRTY_TRACKING, s))
			die("SET_DIRTY_TRACKING on");
		on[r] = (double)(now() - a);
		a = now();
		if (ioctl(fd, IOMMU_HWPT_GET_DIRTY_BITMAP, g))
			die("GET_DIRTY_BITMAP");
		get[r] = (double)(now() - a);
		a = now();
		s->flags = 0;
		if (ioctl(fd, IOMMU_HWPT_SET_DIRTY_TRACKING, s))
			die("SET_DIRTY_TRACKING off");
		off[r] = (double)(now() - a);
	}
	report("dev.dirty.enable.64M", on, repeats, (uint64_t)repeats);
	report("dev.dirty.get_bitmap.64M", get, repeats, (uint64_t)repeats);
	report("dev.dirty.disable.64M", off, repeats, (uint64_t)repeats);
}

static void dirty(uint32_t dev, char *va)
{
	static uint64_t bitmap[64 * MiB / 4096 / 64];
	struct iommu_hwpt_set_dirty_tracking s = {.size = sizeof(s)};
	struct iommu_hwpt_get_dirty_bitmap g = {
		.size = sizeof(g),
		.iova = IOVA0,
		.length = 64 * MiB,
		.page_size = 4096,
		.data = (uintptr_t)bitmap,
	};
	uint32_t ioas = ioas_alloc(), hwpt;
	uint64_t iova = IOVA0;

	if (map(ioas, FIXED, va, 64 * MiB, &iova))
		die("MAP dirty");
	if (hwpt_alloc(dev, ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &hwpt)) {
		print_untracked(dev, ioas, &s, &g);
		destroy(ioas);
		return;
	}
	s.hwpt_id = g.hwpt_id = hwpt;
	if (attach(hwpt, NULL))
		die("ATTACH dirty hwpt");
	time_tracking(&s, &g);
	detach();
	destroy(hwpt);
	destroy(ioas);
}

static uint32_t bind_device(const char *cdev)
{
	struct vfio_device_bind_iommufd b = {.argsz = sizeof(b)};
	union {
		struct iommu_hw_info_vtd vtd;
		char raw[256];
	} hi = {0};
	struct iommu_hw_info h = {
		.size = sizeof(h),
		.data_len = sizeof(hi),
		.data_uptr = (uintptr_t)&hi,
	};

	devfd = open(cdev, O_RDWR | O_CLOEXEC);
	if (devfd < 0)
		die("open %s", cdev);
	b.iommufd = fd;
	if (ioctl(devfd, VFIO_DEVICE_BIND_IOMMUFD, &b))
		die("VFIO_DEVICE_BIND_IOMMUFD");
	h.dev_id = b.out_devid;
	if (ioctl(fd, IOMMU_GET_HW_INFO, &h)) {
		printf("# GET_HW_INFO: %s\n", strerrorname_np(errno));
		return b.out_devid;
	}
	if (h.out_data_type != IOMMU_HW_INFO_TYPE_INTEL_VTD)
		hi.vtd.cap_reg = hi.vtd.ecap_reg = 0;
	printf("# device %s devid=%u hw_info type=%u len=%u caps=%#llx cap_reg=%#llx "
	       "ecap_reg=%#llx\n",
	       cdev, b.out_devid, h.out_data_type, h.data_len,
	       (unsigned long long)h.out_capabilities, (unsigned long long)hi.vtd.cap_reg,
	       (unsigned long long)hi.vtd.ecap_reg);
	return b.out_devid;
}

/* Page tables and attaching, of an empty space and of one with 64 MiB. */
static void time_attach(struct ctx *c, char *huge)
{
	uint64_t iova = IOVA0;

	bench("dev.hwpt_alloc+destroy.empty", "alloc", "destroy", op_hwpt, c, 1 << 18);
	bench("dev.attach+detach.empty", "attach", "detach", op_attach_detach, c, 1 << 16);
	if (map(c->ioas, FIXED, huge, 64 * MiB, &iova))
		die("MAP");
	bench("dev.attach+detach.64M_thp_mapped", "attach", "detach", op_attach_detach, c, 1 << 16);
	unmap(c->ioas, 0, UINT64_MAX, NULL);
}

/* Into a space that has the device, from one that has not, and inside it. */
static void time_copies(uint32_t ioas, char *huge)
{
	uint64_t src_iova = IOVA0, iova = IOVA0;
	uint32_t src = ioas_alloc();

	if (map(src, FIXED, huge, 2 * MiB, &src_iova))
		die("MAP");
	time_copy("dev.copy+unmap.2M.src_unpinned", src, src_iova, ioas, 2 * IOVA0);
	if (map(ioas, FIXED, huge, 2 * MiB, &iova))
		die("MAP");
	time_copy("dev.copy+unmap.2M.src_pinned", ioas, iova, ioas, 2 * IOVA0);
	unmap(ioas, 0, UINT64_MAX, NULL);
	destroy(src);
}

/* What DESTROY answers of what is in use. */
static void print_destroys(uint32_t ioas, uint32_t hwpt)
{
	int rc;

	if (destroy(ioas) != -1)
		printf("# DESTROY of an IOAS in use succeeded?!\n");
	else
		printf("# DESTROY of an attached IOAS: %s\n", strerrorname_np(errno));
	rc = destroy(hwpt);
	printf("# DESTROY of the auto hwpt while attached: rc=%d %s\n", rc,
	       rc ? strerrorname_np(errno) : "-");
	if (detach())
		die("DETACH");
	rc = destroy(hwpt);
	printf("# DESTROY of the auto hwpt after detach: rc=%d %s\n", rc,
	       rc ? strerrorname_np(errno) : "-");
	destroy(ioas);
}

/* Every mapping cut to pages of 4 KiB. */
static void time_small_pages(char *huge)
{
	uint32_t ioas = ioas_alloc();

	if (set_huge(ioas, 0)) {
		printf("# OPTION_HUGE_PAGES=0: %s\n", strerrorname_np(errno));
	} else {
		if (attach(ioas, NULL))
			die("ATTACH");
		time_maps("dev.nohuge", ioas, huge, IOVA0, FIXED, 64 * MiB);
		detach();
	}
	destroy(ioas);
}

void time_device(const char *cdev, char *huge, char *small)
{
	struct ctx c = {.dev = bind_device(cdev)};
	uint32_t hwpt = 0, parent;

	bench("dev.get_hw_info", NULL, NULL, op_hwinfo, &c, 1 << 20);
	c.ioas = ioas_alloc();
	time_attach(&c, huge);
	if (attach(c.ioas, &hwpt))
		die("ATTACH");
	printf("# attach(ioas %u) -> hwpt %u\n", c.ioas, hwpt);
	time_ranges("dev", "dev.iova_ranges", c.ioas);
	time_maps("dev.thp", c.ioas, huge, IOVA0, FIXED, GiB);
	time_maps("dev.4kpages", c.ioas, small, IOVA0, FIXED, 64 * MiB);
	time_maps("dev.thp.autoiova", c.ioas, huge, 0, RW, 2 * MiB);
	time_many("dev", c.ioas, small, FIXED);
	time_copies(c.ioas, huge);
	print_destroys(c.ioas, hwpt);
	time_small_pages(huge);
	dirty(c.dev, small);
	printf("# HWPT_ALLOC(NEST_PARENT): %s\n",
	       hwpt_alloc(c.dev, ioas_alloc(), IOMMU_HWPT_ALLOC_NEST_PARENT, &parent)
		       ? strerrorname_np(errno)
		       : "ok");
}
