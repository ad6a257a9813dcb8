// SPDX-License-Identifier: MIT
/*
 * ioasbench - latency of the public /dev/iommu (iommufd) uapi.
 *
 *   ioasbench [-i IOMMUFD_NODE] [-d VFIO_CDEV|none] [-t MS] [-r REPEATS]
 *
 * Only the public uapi is used: <linux/iommufd.h> and the cdev ioctls of
 * <linux/vfio.h>.  Without -d the first node in /dev/vfio/devices is used;
 * with "-d none", or if there is no such node, the device part is skipped.
 *
 * stdout: lines that start with '#' are facts about the implementation, every
 * other line is   name <TAB> median_ns_per_op <TAB> min_ns_per_op <TAB> ops
 * where the median and the minimum are over REPEATS batches.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <ioas/uapi/iommufd.h>
#include <ioas/uapi/vfio.h>

#define KiB    1024ull
#define MiB    (1024ull * KiB)
#define GiB    (1024ull * MiB)
#define RW     (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)
#define FIXED  (RW | IOMMU_IOAS_MAP_FIXED_IOVA)
#define IOVA0  (4ull * GiB) /* above the MSI window, inside 39 bits */
#define NMAPS  10000
#define MAXREP 64

static int fd = -1, devfd = -1;
static uint64_t target_ns = 100 * 1000000ull;
static int repeats = 5;

static void die(const char *fmt, ...)
{
	int e = errno;
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "ioasbench: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, ": %s\n", strerror(e));
	va_end(ap);
	exit(1);
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* ---- thin wrappers over the uapi ---------------------------------------- */

static int destroy(uint32_t id)
{
	struct iommu_destroy c = {.size = sizeof(c), .id = id};

	return ioctl(fd, IOMMU_DESTROY, &c);
}

static uint32_t ioas_alloc(void)
{
	struct iommu_ioas_alloc c = {.size = sizeof(c)};

	if (ioctl(fd, IOMMU_IOAS_ALLOC, &c))
		die("IOAS_ALLOC");
	return c.out_ioas_id;
}

static int map(uint32_t ioas, uint32_t flags, void *va, uint64_t len, uint64_t *iova)
{
	struct iommu_ioas_map c = {
		.size = sizeof(c),
		.flags = flags,
		.ioas_id = ioas,
		.user_va = (uintptr_t)va,
		.length = len,
		.iova = *iova,
	};

	if (ioctl(fd, IOMMU_IOAS_MAP, &c))
		return -1;
	*iova = c.iova;
	return 0;
}

static int unmap(uint32_t ioas, uint64_t iova, uint64_t len, uint64_t *done)
{
	struct iommu_ioas_unmap c = {
		.size = sizeof(c),
		.ioas_id = ioas,
		.iova = iova,
		.length = len,
	};

	if (ioctl(fd, IOMMU_IOAS_UNMAP, &c))
		return -1;
	if (done)
		*done = c.length;
	return 0;
}

static int copy(uint32_t dst, uint64_t *dst_iova, uint32_t src, uint64_t src_iova, uint64_t len,
		uint32_t flags)
{
	struct iommu_ioas_copy c = {
		.size = sizeof(c),
		.flags = flags,
		.dst_ioas_id = dst,
		.src_ioas_id = src,
		.length = len,
		.dst_iova = *dst_iova,
		.src_iova = src_iova,
	};

	if (ioctl(fd, IOMMU_IOAS_COPY, &c))
		return -1;
	*dst_iova = c.dst_iova;
	return 0;
}

static int set_huge(uint32_t ioas, uint64_t on)
{
	struct iommu_option c = {
		.size = sizeof(c),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = IOMMU_OPTION_OP_SET,
		.object_id = ioas,
		.val64 = on,
	};

	return ioctl(fd, IOMMU_OPTION, &c);
}

static int attach(uint32_t pt, uint32_t *out)
{
	struct vfio_device_attach_iommufd_pt a = {
		.argsz = sizeof(a),
		.pt_id = pt,
	};

	if (ioctl(devfd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &a))
		return -1;
	if (out)
		*out = a.pt_id;
	return 0;
}

static int detach(void)
{
	struct vfio_device_detach_iommufd_pt d = {.argsz = sizeof(d)};

	return ioctl(devfd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &d);
}

static int hwpt_alloc(uint32_t dev, uint32_t pt, uint32_t flags, uint32_t *out)
{
	struct iommu_hwpt_alloc c = {
		.size = sizeof(c),
		.flags = flags,
		.dev_id = dev,
		.pt_id = pt,
	};

	if (ioctl(fd, IOMMU_HWPT_ALLOC, &c))
		return -1;
	*out = c.out_hwpt_id;
	return 0;
}

static int ranges(uint32_t ioas, struct iommu_iova_range *r, uint32_t *n, uint64_t *align)
{
	struct iommu_ioas_iova_ranges c = {
		.size = sizeof(c),
		.ioas_id = ioas,
		.num_iovas = *n,
		.allowed_iovas = (uintptr_t)r,
	};
	int rc = ioctl(fd, IOMMU_IOAS_IOVA_RANGES, &c);

	*n = c.num_iovas;
	if (align)
		*align = c.out_iova_alignment;
	return rc;
}

/* ---- measuring ----------------------------------------------------------- */

static int cmp(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void report(const char *name, double *v, int n, uint64_t ops)
{
	qsort(v, n, sizeof(*v), cmp);
	printf("%-36s\t%.0f\t%.0f\t%" PRIu64 "\n", name, v[n / 2], v[0], ops);
	fflush(stdout);
}

/*
 * An op adds the time of up to three phases to ph[]; phase 0 is always the
 * whole op.  The two clock reads inside an op are only paid by ops that split.
 */
struct ctx {
	uint32_t ioas, ioas2, dev;
	uint64_t iova, len, src_iova;
	char *va;
	uint32_t flags;
	uint64_t ph[3];
};
typedef void (*opfn)(struct ctx *);

static void bench(const char *name, const char *n1, const char *n2, opfn op, struct ctx *c,
		  uint64_t max_iters)
{
	double v[3][MAXREP];
	uint64_t iters = 1, t, total = 0;
	char buf[128];

	/* calibrate, which also warms the caches */
	for (;;) {
		t = now();
		for (uint64_t i = 0; i < iters; i++)
			op(c);
		t = now() - t;
		if (t >= target_ns / 4 || iters >= max_iters)
			break;
		iters *= 2;
	}
	if (t)
		iters = iters * target_ns / t;
	if (iters > max_iters)
		iters = max_iters;
	if (iters < 1)
		iters = 1;
	for (int r = 0; r < repeats; r++) {
		memset(c->ph, 0, sizeof(c->ph));
		t = now();
		for (uint64_t i = 0; i < iters; i++)
			op(c);
		t = now() - t;
		v[0][r] = (double)t / iters;
		v[1][r] = (double)c->ph[1] / iters;
		v[2][r] = (double)c->ph[2] / iters;
		total += iters;
	}
	report(name, v[0], repeats, total);
	if (n1) {
		snprintf(buf, sizeof(buf), "%s.%s", name, n1);
		report(buf, v[1], repeats, total);
	}
	if (n2) {
		snprintf(buf, sizeof(buf), "%s.%s", name, n2);
		report(buf, v[2], repeats, total);
	}
}

static void op_getppid(struct ctx *c)
{
	(void)c;
	syscall(SYS_getppid);
}

static void op_clock(struct ctx *c)
{
	(void)c;
	now();
}

static void op_badcmd(struct ctx *c)
{
	(void)c;
	if (ioctl(fd, _IO(IOMMUFD_TYPE, 0x7f), c) != -1 || errno != ENOTTY)
		die("bad command did not give ENOTTY");
}

static void op_destroy_enoent(struct ctx *c)
{
	(void)c;
	if (destroy(0) != -1 || errno != ENOENT)
		die("DESTROY(0) did not give ENOENT");
}

static void op_alloc_destroy(struct ctx *c)
{
	(void)c;
	if (destroy(ioas_alloc()))
		die("DESTROY");
}

static void op_ranges(struct ctx *c)
{
	struct iommu_iova_range r[16];
	uint32_t n = 16;

	if (ranges(c->ioas, r, &n, NULL))
		die("IOVA_RANGES");
}

/* whole op without inner clock reads */
static void op_mapunmap(struct ctx *c)
{
	uint64_t iova = c->iova;

	if (map(c->ioas, c->flags, c->va, c->len, &iova))
		die("MAP %" PRIu64, c->len);
	if (unmap(c->ioas, iova, c->len, NULL))
		die("UNMAP");
}

/* the same, split */
static void op_mapunmap_split(struct ctx *c)
{
	uint64_t iova = c->iova, a = now(), b;

	if (map(c->ioas, c->flags, c->va, c->len, &iova))
		die("MAP %" PRIu64, c->len);
	b = now();
	c->ph[1] += b - a;
	if (unmap(c->ioas, iova, c->len, NULL))
		die("UNMAP");
	c->ph[2] += now() - b;
}

static void op_copy(struct ctx *c)
{
	uint64_t dst = c->iova, a = now(), b;

	if (copy(c->ioas2, &dst, c->ioas, c->src_iova, c->len, c->flags))
		die("COPY");
	b = now();
	c->ph[1] += b - a;
	if (unmap(c->ioas2, dst, c->len, NULL))
		die("UNMAP copy");
	c->ph[2] += now() - b;
}

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

static void many(const char *tag, uint32_t ioas, char *va, uint32_t flags)
{
	double m[MAXREP], u[MAXREP];
	char name[96];
	uint64_t done = 0;

	for (int r = 0; r < repeats; r++) {
		uint64_t a = now(), b;

		for (int i = 0; i < NMAPS; i++) {
			uint64_t iova = IOVA0 + i * 4096ull;

			if (map(ioas, flags, va + (i % 16384) * 4096ull, 4096, &iova))
				die("MAP #%d", i);
		}
		b = now();
		if (unmap(ioas, 0, UINT64_MAX, &done))
			die("UNMAP all");
		m[r] = (double)(b - a) / NMAPS;
		u[r] = (double)(now() - b);
	}
	snprintf(name, sizeof(name), "%s.maps10000x4K.map", tag);
	report(name, m, repeats, (uint64_t)NMAPS * repeats);
	snprintf(name, sizeof(name), "%s.maps10000x4K.unmap_all_total", tag);
	report(name, u, repeats, repeats);
	printf("# %s: unmap-all returned length %" PRIu64 " (%s)\n", tag, done,
	       done == NMAPS * 4096ull ? "sum of areas" : "unexpected");
}

static void print_ranges(const char *tag, uint32_t ioas)
{
	struct iommu_iova_range r[32];
	uint32_t n = 32, zero = 0;
	uint64_t al = 0;
	int rc;

	rc = ranges(ioas, r, &n, &al);
	printf("# %s: IOVA_RANGES rc=%d n=%u alignment=%" PRIu64 ":", tag, rc, n, al);
	for (uint32_t i = 0; i < n && i < 32; i++)
		printf(" [%#llx,%#llx]", (unsigned long long)r[i].start,
		       (unsigned long long)r[i].last);
	rc = ranges(ioas, r, &zero, &al);
	printf("; with num_iovas=0: rc=%d errno=%s num_iovas=%u\n", rc,
	       rc ? strerrorname_np(errno) : "-", zero);
}

static void sweep(const char *tag, uint32_t ioas, char *va, uint64_t iova, uint32_t flags,
		  uint64_t maxlen)
{
	static const struct {
		const char *n;
		uint64_t l;
	} sz[] = {
		{"4K", 4 * KiB},
		{"2M", 2 * MiB},
		{"64M", 64 * MiB},
		{"1G", GiB},
	};
	struct ctx c = {.ioas = ioas, .va = va, .iova = iova, .flags = flags};
	char name[96];

	for (unsigned i = 0; i < sizeof(sz) / sizeof(sz[0]); i++) {
		if (sz[i].l > maxlen)
			continue;
		c.len = sz[i].l;
		snprintf(name, sizeof(name), "%s.map+unmap.%s", tag, sz[i].n);
		bench(name, NULL, NULL, op_mapunmap, &c, 1 << 20);
		snprintf(name, sizeof(name), "%s.split.%s", tag, sz[i].n);
		bench(name, "map", "unmap", op_mapunmap_split, &c, 1 << 20);
	}
}

static void *aligned_buf(uint64_t len, int huge)
{
	char *p = mmap(NULL, len + GiB, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uintptr_t q;

	if (p == MAP_FAILED)
		die("mmap");
	q = ((uintptr_t)p + GiB - 1) & ~(uintptr_t)(GiB - 1);
	if (madvise((void *)q, len, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		fprintf(stderr, "ioasbench: madvise: %s\n", strerror(errno));
	for (uint64_t i = 0; i < len; i += 4096)
		((volatile char *)q)[i] = (char)(i >> 12);
	return (void *)q;
}

static uint64_t anon_huge_kb(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	char line[256];
	uint64_t kb = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "AnonHugePages: %" SCNu64, &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

static char *first_cdev(void)
{
	DIR *d = opendir("/dev/vfio/devices");
	struct dirent *e;
	char *best = NULL;

	while (d && (e = readdir(d))) {
		char *p;

		if (e->d_name[0] == '.')
			continue;
		if (asprintf(&p, "/dev/vfio/devices/%s", e->d_name) < 0)
			die("asprintf");
		if (!best || strcmp(p, best) < 0)
			best = p;
		else
			free(p);
	}
	if (d)
		closedir(d);
	return best;
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
		printf("# dirty tracking: HWPT_ALLOC(DIRTY_TRACKING) fails: %s\n",
		       strerrorname_np(errno));
		if (!hwpt_alloc(dev, ioas, 0, &hwpt)) {
			s.hwpt_id = g.hwpt_id = hwpt;
			s.flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE;
			int rc = ioctl(fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &s);
			printf("# dirty tracking: SET on a plain hwpt: rc=%d %s\n", rc,
			       rc ? strerrorname_np(errno) : "-");
			rc = ioctl(fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &g);
			printf("# dirty tracking: GET on a plain hwpt: rc=%d %s\n", rc,
			       rc ? strerrorname_np(errno) : "-");
			destroy(hwpt);
		}
		destroy(ioas);
		return;
	}
	s.hwpt_id = g.hwpt_id = hwpt;
	if (attach(hwpt, NULL))
		die("ATTACH dirty hwpt");
	double on[MAXREP], off[MAXREP], get[MAXREP];
	for (int r = 0; r < repeats; r++) {
		uint64_t a = now();

		s.flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE;
		if (ioctl(fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &s))
			die("SET_DIRTY_TRACKING on");
		on[r] = now() - a;
		a = now();
		if (ioctl(fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &g))
			die("GET_DIRTY_BITMAP");
		get[r] = now() - a;
		a = now();
		s.flags = 0;
		if (ioctl(fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &s))
			die("SET_DIRTY_TRACKING off");
		off[r] = now() - a;
	}
	report("dev.dirty.enable.64M", on, repeats, repeats);
	report("dev.dirty.get_bitmap.64M", get, repeats, repeats);
	report("dev.dirty.disable.64M", off, repeats, repeats);
	detach();
	destroy(hwpt);
	destroy(ioas);
}

int main(int argc, char **argv)
{
	const char *node = "/dev/iommu";
	char *cdev = NULL, *huge, *small;
	struct rlimit inf = {RLIM_INFINITY, RLIM_INFINITY};
	struct ctx c = {0};
	int o;

	while ((o = getopt(argc, argv, "i:d:t:r:")) != -1) {
		switch (o) {
		case 'i':
			node = optarg;
			break;
		case 'd':
			cdev = optarg;
			break;
		case 't':
			target_ns = strtoull(optarg, NULL, 0) * 1000000ull;
			break;
		case 'r':
			repeats = atoi(optarg);
			break;
		default:
			return 2;
		}
	}
	if (repeats < 1 || repeats > MAXREP)
		repeats = 5;
	if (!cdev)
		cdev = first_cdev();
	setrlimit(RLIMIT_MEMLOCK, &inf);
	fd = open(node, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die("open %s", node);
	huge = aligned_buf(GiB, 1);
	printf("# buffer: 1 GiB, AnonHugePages %" PRIu64 " MiB\n", anon_huge_kb() / 1024);
	small = aligned_buf(64 * MiB, 0);
	printf("# name\tmedian_ns\tmin_ns\tops\n");

	bench("floor.clock_gettime", NULL, NULL, op_clock, &c, 1 << 24);
	bench("floor.getppid", NULL, NULL, op_getppid, &c, 1 << 24);
	bench("floor.ioctl_badcmd", NULL, NULL, op_badcmd, &c, 1 << 24);
	bench("floor.destroy_enoent", NULL, NULL, op_destroy_enoent, &c, 1 << 24);
	bench("ioas.alloc+destroy", NULL, NULL, op_alloc_destroy, &c, 1 << 20);

	/* ---- no device ---- */
	c.ioas = ioas_alloc();
	print_ranges("nodev", c.ioas);
	bench("nodev.iova_ranges", NULL, NULL, op_ranges, &c, 1 << 20);
	sweep("nodev", c.ioas, huge, IOVA0, FIXED, GiB);
	sweep("nodev.autoiova", c.ioas, huge, 0, RW, 2 * MiB);
	many("nodev", c.ioas, small, FIXED);
	many("nodev.autoiova", c.ioas, small, RW);

	c.ioas2 = ioas_alloc();
	c.src_iova = IOVA0;
	c.iova = IOVA0;
	c.len = 2 * MiB;
	c.flags = FIXED;
	if (map(c.ioas, FIXED, huge, 2 * MiB, &c.src_iova))
		die("MAP copy source");
	bench("nodev.copy+unmap.2M", "copy", "unmap", op_copy, &c, 1 << 20);
	destroy(c.ioas2);
	destroy(c.ioas);

	/* ---- with a vfio device ---- */
	if (!cdev || !strcmp(cdev, "none")) {
		printf("# no VFIO cdev: device part skipped\n");
		return 0;
	}
	devfd = open(cdev, O_RDWR | O_CLOEXEC);
	if (devfd < 0)
		die("open %s", cdev);
	struct vfio_device_bind_iommufd b = {
		.argsz = sizeof(b),
		.iommufd = fd,
	};
	if (ioctl(devfd, VFIO_DEVICE_BIND_IOMMUFD, &b))
		die("VFIO_DEVICE_BIND_IOMMUFD");
	c.dev = b.out_devid;

	union {
		struct iommu_hw_info_vtd vtd;
		char raw[256];
	} hi = {0};
	struct iommu_hw_info h = {
		.size = sizeof(h),
		.dev_id = c.dev,
		.data_len = sizeof(hi),
		.data_uptr = (uintptr_t)&hi,
	};
	if (ioctl(fd, IOMMU_GET_HW_INFO, &h))
		printf("# GET_HW_INFO: %s\n", strerrorname_np(errno));
	else
		printf("# device %s devid=%u hw_info type=%u len=%u caps=%#llx cap_reg=%#llx "
		       "ecap_reg=%#llx\n",
		       cdev, c.dev, h.out_data_type, h.data_len,
		       (unsigned long long)h.out_capabilities,
		       h.out_data_type == IOMMU_HW_INFO_TYPE_INTEL_VTD
			       ? (unsigned long long)hi.vtd.cap_reg
			       : 0,
		       h.out_data_type == IOMMU_HW_INFO_TYPE_INTEL_VTD
			       ? (unsigned long long)hi.vtd.ecap_reg
			       : 0);
	bench("dev.get_hw_info", NULL, NULL, op_hwinfo, &c, 1 << 20);

	c.ioas = ioas_alloc();
	bench("dev.hwpt_alloc+destroy.empty", "alloc", "destroy", op_hwpt, &c, 1 << 18);
	bench("dev.attach+detach.empty", "attach", "detach", op_attach_detach, &c, 1 << 16);
	{
		uint64_t iova = IOVA0;

		if (map(c.ioas, FIXED, huge, 64 * MiB, &iova))
			die("MAP");
		bench("dev.attach+detach.64M_thp_mapped", "attach", "detach", op_attach_detach, &c,
		      1 << 16);
		unmap(c.ioas, 0, UINT64_MAX, NULL);
	}

	uint32_t hwpt = 0;
	if (attach(c.ioas, &hwpt))
		die("ATTACH");
	printf("# attach(ioas %u) -> hwpt %u\n", c.ioas, hwpt);
	print_ranges("dev", c.ioas);
	bench("dev.iova_ranges", NULL, NULL, op_ranges, &c, 1 << 20);
	sweep("dev.thp", c.ioas, huge, IOVA0, FIXED, GiB);
	sweep("dev.4kpages", c.ioas, small, IOVA0, FIXED, 64 * MiB);
	sweep("dev.thp.autoiova", c.ioas, huge, 0, RW, 2 * MiB);
	many("dev", c.ioas, small, FIXED);

	/* COPY into an IOAS that has the device, from one that has not */
	{
		uint32_t src = ioas_alloc();
		struct ctx k = c;

		k.src_iova = IOVA0;
		if (map(src, FIXED, huge, 2 * MiB, &k.src_iova))
			die("MAP");
		k.ioas2 = c.ioas; /* destination */
		k.ioas = src;
		k.iova = 2 * IOVA0;
		k.len = 2 * MiB;
		k.flags = FIXED;
		bench("dev.copy+unmap.2M.src_unpinned", "copy", "unmap", op_copy, &k, 1 << 20);
		/* the same with the source inside the attached IOAS */
		k.src_iova = IOVA0;
		if (map(c.ioas, FIXED, huge, 2 * MiB, &k.src_iova))
			die("MAP");
		k.ioas = c.ioas;
		bench("dev.copy+unmap.2M.src_pinned", "copy", "unmap", op_copy, &k, 1 << 20);
		unmap(c.ioas, 0, UINT64_MAX, NULL);
		destroy(src);
	}
	if (destroy(c.ioas) != -1)
		printf("# DESTROY of an IOAS in use succeeded?!\n");
	else
		printf("# DESTROY of an attached IOAS: %s\n", strerrorname_np(errno));
	int rc = destroy(hwpt);
	printf("# DESTROY of the auto hwpt while attached: rc=%d %s\n", rc,
	       rc ? strerrorname_np(errno) : "-");
	if (detach())
		die("DETACH");
	rc = destroy(hwpt);
	printf("# DESTROY of the auto hwpt after detach: rc=%d %s\n", rc,
	       rc ? strerrorname_np(errno) : "-");
	destroy(c.ioas);

	/* every mapping cut to 4 KiB iommu pages */
	c.ioas = ioas_alloc();
	if (set_huge(c.ioas, 0)) {
		printf("# OPTION_HUGE_PAGES=0: %s\n", strerrorname_np(errno));
	} else {
		if (attach(c.ioas, NULL))
			die("ATTACH");
		sweep("dev.nohuge", c.ioas, huge, IOVA0, FIXED, 64 * MiB);
		detach();
	}
	destroy(c.ioas);

	dirty(c.dev, small);

	uint32_t ioas = ioas_alloc(), p;
	if (hwpt_alloc(c.dev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, &p))
		printf("# HWPT_ALLOC(NEST_PARENT): %s\n", strerrorname_np(errno));
	else
		printf("# HWPT_ALLOC(NEST_PARENT): ok\n");
	return 0;
}
