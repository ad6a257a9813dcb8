// SPDX-License-Identifier: MIT
/*
 * What the preload door adds to a program's ioctls, and what MAP and UNMAP cost through it: a
 * program in plain Linux uAPI, which runs under `ioas run` with a device.
 *
 * The peers are system calls of the same process: the least that an ioctl of the kernel costs, one
 * that it refuses with ENOTTY; libc's own ioctl past the door; the kernel's populating of the same
 * memory. Windows alternate, as in the other benchmarks.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/lib-names.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <ioas/uapi/iommufd.h>
#include <ioas/uapi/vfio.h>
#include "bench/bench.h"

#define PAGE	4096ull
#define GIB	(1ull << 30)
#define CALLS	1000
#define SLICES	8 /* a window is the best of these, on both sides: others use the machine, too */
#define MAPS	10000
#define BATCH	500
#define LARGE	4
#define IOVA	(4 * GIB)
#define FOREIGN 0x5401 /* TCGETS */

#define FIXED IOMMU_IOAS_MAP_FIXED_IOVA

typedef int ioctl_fn(int, unsigned long, ...);

static int iommufd, device, container, foreign;
static uint32_t ioas;
static char *page, *large; /* memory: MAPS pages, 1 GiB */
static ioctl_fn *libc_ioctl;

static void must(bool good, const char *what)
{
	bench_must(good ? 0 : -errno, what);
}

static uint64_t map_at(const void *mem, uint64_t len, uint64_t iova, uint32_t flags)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE | flags,
		.ioas_id = ioas,
		.user_va = (uintptr_t)mem,
		.length = len,
		.iova = iova,
	};

	must(!ioctl(iommufd, IOMMU_IOAS_MAP, &map), "MAP");
	return map.iova;
}

static void unmap(uint64_t iova, uint64_t len)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = ioas, .iova = iova, .length = len};

	must(!ioctl(iommufd, IOMMU_IOAS_UNMAP, &unmap), "UNMAP");
}

static double each(uint64_t begin, unsigned nr)
{
	return (double)(bench_now() - begin) / nr;
}

static double refused(ioctl_fn *fn, int fd, unsigned long cmd)
{
	uint64_t begin = bench_now();

	for (unsigned i = 0; i < CALLS; i++)
		must(fn(fd, cmd, NULL) == -1 && errno == ENOTTY, "an ioctl that should fail");
	return each(begin, CALLS);
}

static double bare(void)
{
	return refused(libc_ioctl, foreign, FOREIGN);
}

static double foreign_by_door(void)
{
	return refused(ioctl, foreign, FOREIGN);
}

static double dispatch(void)
{
	uint64_t begin = bench_now();

	for (unsigned i = 0; i < CALLS; i++)
		must(ioctl(iommufd, VFIO_GET_API_VERSION) == VFIO_API_VERSION, "dispatch");
	return each(begin, CALLS);
}

/* Something else is mapped near by, as is usual: the page's table is there. */
static double map_unmap(void)
{
	uint64_t begin;
	double ns;

	map_at(page + PAGE, PAGE, IOVA + 2 * PAGE, FIXED);
	begin = bench_now();
	for (unsigned i = 0; i < CALLS; i++) {
		map_at(page, PAGE, IOVA, FIXED);
		unmap(IOVA, PAGE);
	}
	ns = each(begin, CALLS);
	unmap(IOVA + 2 * PAGE, PAGE);
	return ns;
}

/* Alone in its space: its tables come and go with it. */
static double map_unmap_alone(void)
{
	uint64_t begin = bench_now();

	for (unsigned i = 0; i < CALLS; i++) {
		map_at(page, PAGE, IOVA, FIXED);
		unmap(IOVA, PAGE);
	}
	return each(begin, CALLS);
}

static double unmap_alone(void)
{
	uint64_t spent = 0;

	for (unsigned round = 0; round < CALLS / BATCH; round++) {
		uint64_t begin;

		for (unsigned i = 0; i < BATCH; i++)
			map_at(page + i * PAGE, PAGE, IOVA + 2 * i * PAGE, FIXED);
		begin = bench_now();
		for (unsigned i = 0; i < BATCH; i++)
			unmap(IOVA + 2 * i * PAGE, PAGE);
		spent += bench_now() - begin;
	}
	return (double)spent / CALLS;
}

static double map_unmap_large(void)
{
	uint64_t begin = bench_now();

	for (unsigned i = 0; i < LARGE; i++) {
		map_at(large, GIB, IOVA, FIXED);
		unmap(IOVA, GIB);
	}
	return each(begin, LARGE);
}

/* Shown to the device already: at another address. */
static double map_unmap_proven(void)
{
	uint64_t begin;
	double ns;

	map_at(large, GIB, 2 * IOVA, FIXED);
	/* The kernel is asked once more when it is shown a second time. */
	map_at(large, GIB, IOVA, FIXED);
	unmap(IOVA, GIB);
	begin = bench_now();
	for (unsigned i = 0; i < LARGE; i++) {
		map_at(large, GIB, IOVA, FIXED);
		unmap(IOVA, GIB);
	}
	ns = each(begin, LARGE);
	unmap(2 * IOVA, GIB);
	return ns;
}

static double populate_large(void)
{
	uint64_t begin = bench_now();

	for (unsigned i = 0; i < LARGE; i++)
		must(!madvise(large, GIB, MADV_POPULATE_WRITE), "MADV_POPULATE_WRITE");
	return each(begin, LARGE);
}

static double many(uint32_t flags)
{
	uint64_t begin = bench_now();
	double ns;

	for (uint64_t i = 0; i < MAPS; i++)
		map_at(page + i * PAGE, PAGE, IOVA + i * PAGE, flags);
	ns = each(begin, MAPS);
	unmap(0, UINT64_MAX);
	return ns;
}

static double many_auto(void)
{
	return many(0);
}

static double many_fixed(void)
{
	return many(FIXED);
}

static const struct {
	const char *name, *key, *peer;
	double (*ours)(void), (*theirs)(void);
	double goal, goal_ratio;
} rows[] = {
	{"ioctl dispatch", "dispatch", "a bare ioctl, ENOTTY", dispatch, bare, .goal = 12,
	 .goal_ratio = 1.0 / 15},
	{"foreign descriptor", "foreign", "past the door", foreign_by_door, bare,
	 .goal_ratio = 1.03},
	{"MAP + UNMAP 4 KiB", "map_unmap_4k", "a bare ioctl, ENOTTY", map_unmap, bare,
	 .goal_ratio = 3},
	{"MAP + UNMAP 4 KiB, tables and all", "map_unmap_4k_alone", "a bare ioctl, ENOTTY",
	 map_unmap_alone, bare},
	{"UNMAP 4 KiB", "unmap_4k", "a bare ioctl, ENOTTY", unmap_alone, bare, .goal = 90},
	{"MAP + UNMAP 1 GiB", "map_unmap_1g", "MADV_POPULATE_WRITE of it", map_unmap_large,
	 populate_large, .goal_ratio = 1.2},
	{"MAP + UNMAP 1 GiB, shown already", "map_unmap_1g_shown", "MADV_POPULATE_WRITE of it",
	 map_unmap_proven, populate_large, .goal = 1000},
	{"10,000 MAPs, addresses chosen", "map_auto", "addresses given", many_auto, many_fixed,
	 .goal_ratio = 2},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static struct bench_row row_of[ROWS];

/* The first device there is, attached. */
static void start(void)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind)};
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach)};
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	char path[300] = "";
	struct dirent *entry;
	DIR *dir = opendir("/dev/vfio/devices");

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			snprintf(path, sizeof(path), "/dev/vfio/devices/%s", entry->d_name);
	if (dir)
		closedir(dir);
	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	device = open(path, O_RDWR | O_CLOEXEC);
	if (iommufd < 0 || device < 0 || container < 0) {
		fputs("no device: ioas run --device tlpgun -- bench-door [--json]\n", stderr);
		exit(2);
	}
	bind.iommufd = iommufd;
	must(!ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind), "bind");
	must(!ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc), "IOAS_ALLOC");
	attach.pt_id = ioas = alloc.out_ioas_id;
	must(!ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach), "attach");
}

static char *memory(uint64_t len)
{
	char *mem = mmap(NULL, len + (2 << 20), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	must(mem != MAP_FAILED, "memory");
	mem = (char *)(((uintptr_t)mem + (2 << 20) - 1) & ~((2ull << 20) - 1));
	madvise(mem, len, MADV_HUGEPAGE);
	must(!madvise(mem, len, MADV_POPULATE_WRITE), "memory");
	return mem;
}

static void measure(unsigned row, unsigned pair)
{
	double *ours = &row_of[row].ours[pair], *theirs = &row_of[row].theirs[pair];

	*ours = *theirs = 1e18;
	for (unsigned slice = 0; slice < SLICES; slice++) {
		double our = rows[row].ours(), their = rows[row].theirs();

		*ours = our < *ours ? our : *ours;
		*theirs = their < *theirs ? their : *theirs;
	}
}

static void show(unsigned row, bool json)
{
	row_of[row].bench = "door";
	row_of[row].key = rows[row].key;
	row_of[row].name = rows[row].name;
	row_of[row].peer = rows[row].peer;
	row_of[row].goal = rows[row].goal;
	row_of[row].goal_ratio = rows[row].goal_ratio;
	bench_show(&row_of[row], json);
}

int main(int argc, char **argv)
{
	bool json = bench_wants_json(argc, argv);
	void *libc = dlopen(LIBC_SO, RTLD_LAZY);

	/* libc's own, whatever is put in front of it. */
	libc_ioctl = libc ? (ioctl_fn *)(uintptr_t)dlsym(libc, "ioctl") : NULL;
	foreign = eventfd(0, EFD_CLOEXEC);
	must(libc_ioctl && foreign >= 0, "libc");
	start();
	page = memory(MAPS * PAGE);
	large = memory(GIB);
	for (unsigned pair = 0; pair < bench_windows(); pair++)
		for (unsigned row = 0; row < ROWS; row++)
			measure(row, pair);
	for (unsigned row = 0; row < ROWS; row++)
		show(row, json);
	return 0;
}
