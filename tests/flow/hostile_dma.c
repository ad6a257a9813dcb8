/* SPDX-License-Identifier: MIT */
/*
 * What a program does to its memory and itself while a device writes there all the time: a tlpgun
 * keeps firing into pages that are unmapped, moved, overlaid, dropped, truncated; through fork and
 * exec; past thousands of contexts and tight limits. The device writes to what was pinned, or on
 * record to nothing, and never to what came to lie there later.
 */
#include <dirent.h>
#include <limits.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <ioas/tlpgun_regs.h>
#include "hostile.h"

#define LEN   (32 * NVME_PAGE)
#define IOVA  0x1000000ull
#define SHOT  0x5407ull
#define PAINT 0xc0ffee0ddba11ull

extern char **environ;

static struct {
	int iommufd, cdev;
	uint32_t ioas;
	volatile uint8_t *regs, *buf;
} gun;

static uint64_t reg64(unsigned reg)
{
	return *(volatile uint64_t *)(gun.regs + reg);
}

static uint64_t sent(void)
{
	return reg64(IOAS_TLPGUN_PASSED) + reg64(IOAS_TLPGUN_FAULTED);
}

/* Until the one under way and some more are over. */
static void go_on(void)
{
	uint64_t goal = sent() + 3;

	for (unsigned i = 0; sent() < goal; i++, usleep(100))
		check(i < 100000);
}

static off_t region(uint32_t index, size_t *len)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = index};

	check(!ioctl(gun.cdev, VFIO_DEVICE_GET_REGION_INFO, &info));
	if (len)
		*len = info.size;
	return (off_t)info.offset;
}

static volatile uint8_t *bar(uint32_t index)
{
	size_t len;
	off_t off = region(index, &len);
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, gun.cdev, off);

	check(at != MAP_FAILED);
	return at;
}

static int map_at(void *memory)
{
	struct iommu_ioas_map map = {.size = sizeof(map),
				     .flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE |
					      IOMMU_IOAS_MAP_FIXED_IOVA,
				     .ioas_id = gun.ioas,
				     .user_va = (uintptr_t)memory,
				     .length = LEN,
				     .iova = IOVA};

	return ioctl(gun.iommufd, IOMMU_IOAS_MAP, &map);
}

static void unmap_it(void)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = gun.ioas, .iova = IOVA, .length = LEN};

	check(!ioctl(gun.iommufd, IOMMU_IOAS_UNMAP, &unmap) && unmap.length == LEN);
}

static void ready(void)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind)};
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach)};
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	uint16_t command = 6;

	gun.iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	gun.cdev = open("/dev/vfio/devices/vfio0", O_RDWR | O_CLOEXEC);
	bind.iommufd = gun.iommufd;
	check(gun.cdev >= 0 && !ioctl(gun.cdev, VFIO_DEVICE_BIND_IOMMUFD, &bind));
	check(!ioctl(gun.iommufd, IOMMU_IOAS_ALLOC, &alloc));
	attach.pt_id = gun.ioas = alloc.out_ioas_id;
	check(!ioctl(gun.cdev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));
	check(pwrite(gun.cdev, &command, 2, region(VFIO_PCI_CONFIG_REGION_INDEX, NULL) + 4) == 2);
	gun.regs = bar(IOAS_TLPGUN_BAR_REGS);
	gun.buf = bar(IOAS_TLPGUN_BAR_BUFFER);
	for (unsigned i = 0; i < NVME_PAGE / 8; i++)
		((volatile uint64_t *)gun.buf)[i] = SHOT;
}

/* Fires a page at each page of IOVA in turn, again and again. */
static void fire(void)
{
	*(volatile uint64_t *)(gun.regs + IOAS_TLPGUN_ADDR) = IOVA;
	*(volatile uint64_t *)(gun.regs + IOAS_TLPGUN_LEN) = NVME_PAGE;
	*(volatile uint64_t *)(gun.regs + IOAS_TLPGUN_COUNT) = LEN / NVME_PAGE;
	*(volatile uint64_t *)(gun.regs + IOAS_TLPGUN_STRIDE) = NVME_PAGE;
	*(volatile uint32_t *)(gun.regs + IOAS_TLPGUN_CTRL) = IOAS_TLPGUN_WRITE;
	*(volatile uint32_t *)(gun.regs + IOAS_TLPGUN_DOORBELL) = IOAS_TLPGUN_FIRE;
	go_on();
}

/* Memory that is mapped and under fire. */
static uint64_t *target(void)
{
	void *at;

	ready();
	at = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(at != MAP_FAILED && !map_at(at));
	fire();
	return at;
}

/* What lies there now is not the device's. */
static void paint_stays(uint64_t *memory)
{
	for (unsigned i = LEN / 8; i--;)
		((volatile uint64_t *)memory)[i] = PAINT;
	for (unsigned look = 0; look < 3; look++) {
		go_on();
		for (unsigned i = 0; i < LEN / 8; i++)
			check(((volatile uint64_t *)memory)[i] == PAINT);
	}
}

/* The device goes on writing to what is pinned, and UNMAP ends it. */
static void ends_well(void)
{
	uint64_t faulted = reg64(IOAS_TLPGUN_FAULTED);

	go_on();
	check(reg64(IOAS_TLPGUN_FAULTED) == faulted);
	unmap_it();
	go_on();
	check(reg64(IOAS_TLPGUN_FAULTED) > faulted);
}

static void *fresh(void *at)
{
	return mmap(at, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		    0);
}

static void unmapped_in_the_midst(void)
{
	uint64_t *memory = target();

	check(!munmap(memory, LEN));
	go_on();
	check(fresh(memory) == memory);
	paint_stays(memory);
	ends_well();
}

static void moved_in_the_midst(void)
{
	uint64_t *memory = target(), *moved;

	moved = mremap(memory, LEN, 2 * LEN, MREMAP_MAYMOVE);
	check(moved != MAP_FAILED);
	go_on();
	if (moved != memory) {
		check(fresh(memory) == memory);
		paint_stays(memory);
	}
	ends_well();
}

static void overlaid_in_the_midst(void)
{
	uint64_t *memory = target();

	check(fresh(memory) == memory);
	paint_stays(memory);
	ends_well();
}

static void dropped_in_the_midst(void)
{
	uint64_t *memory = target();

	check(!madvise(memory, LEN, MADV_DONTNEED));
	paint_stays(memory);
	ends_well();
}

/* Behind what is left of the file nothing is there: a fault on record, not the program's end. */
static void truncated_in_the_midst(void)
{
	int memfd = memfd_create("short", MFD_CLOEXEC);
	void *at;

	check(memfd >= 0 && !ftruncate(memfd, LEN));
	ready();
	at = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	check(at != MAP_FAILED && !map_at(at));
	fire();
	check(!ftruncate(memfd, NVME_PAGE));
	go_on();
	check(!ftruncate(memfd, 0));
	go_on();
	check(!ftruncate(memfd, LEN));
	go_on();
	unmap_it();
	check(!munmap(at, LEN));
	go_on();
}

static void truncated_file_in_the_midst(void)
{
	int memfd = memfd_create("short", MFD_CLOEXEC);
	struct iommu_ioas_map_file map = {.size = sizeof(map),
					  .flags = IOMMU_IOAS_MAP_READABLE |
						   IOMMU_IOAS_MAP_WRITEABLE |
						   IOMMU_IOAS_MAP_FIXED_IOVA,
					  .fd = memfd,
					  .length = LEN,
					  .iova = IOVA};

	check(memfd >= 0 && !ftruncate(memfd, LEN));
	ready();
	map.ioas_id = gun.ioas;
	check(!ioctl(gun.iommufd, IOMMU_IOAS_MAP_FILE, &map));
	fire();
	check(!ftruncate(memfd, 0));
	go_on();
	check(!close(memfd));
	go_on();
	unmap_it();
}

/* A child's memory is its own, and what it runs is no concern of the device. */
static void forked_in_the_midst(void)
{
	uint64_t *memory = target();
	char name[] = "true", *argv[] = {name, NULL};

	for (unsigned round = 0; round < 10; round++) {
		int status;
		pid_t pid = fork();

		if (!pid) {
			for (unsigned i = 0; i < LEN / 8; i++)
				memory[i] = PAINT;
			usleep(2000);
			for (unsigned i = 0; i < LEN / 8; i++)
				if (((volatile uint64_t *)memory)[i] != PAINT)
					_exit(1);
			execvp("true", argv);
			_exit(2);
		}
		check(waitpid(pid, &status, 0) == pid && !status);
		check(!posix_spawnp(&pid, "true", NULL, NULL, argv, environ));
		check(waitpid(pid, &status, 0) == pid && !status);
		memory[0] = PAINT;
		for (unsigned i = 0; ((volatile uint64_t *)memory)[0] != SHOT; i++, go_on())
			check(i < 1000);
	}
	ends_well();
}

static void thousands_of_contexts(void)
{
	enum { NR = 3000 };
	static int fd[NR];
	struct rlimit limit;
	uint64_t *memory = target();
	unsigned nr;

	check(!getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	for (nr = 0; nr < NR; nr++) {
		struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
		struct iommu_ioas_map map = {.size = sizeof(map),
					     .flags = IOMMU_IOAS_MAP_READABLE,
					     .user_va = (uintptr_t)memory,
					     .length = LEN};

		fd[nr] = open("/dev/iommu", O_RDWR | O_CLOEXEC);
		if (fd[nr] < 0)
			break;
		check(!ioctl(fd[nr], IOMMU_IOAS_ALLOC, &alloc) && alloc.out_ioas_id == 1);
		map.ioas_id = alloc.out_ioas_id;
		check(!ioctl(fd[nr], IOMMU_IOAS_MAP, &map));
	}
	check(nr == NR || (errno == EMFILE && nr > 200));
	while (nr--)
		check(!close(fd[nr]));
	ends_well();
}

/* AddressSanitizer has an address space of its own, and ends a program that has none left. */
#ifndef __SANITIZE_ADDRESS__
/* At its limits a program is refused, and goes on when they are lifted. */
static void no_more_address_space(void)
{
	struct rlimit limit = {1 << 20, RLIM_INFINITY};
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	unsigned refused = 0;

	target();
	check(!setrlimit(RLIMIT_AS, &limit));
	for (unsigned i = 0; i < 20000; i++)
		if (ioctl(gun.iommufd, IOMMU_IOAS_ALLOC, &alloc)) {
			check(errno == ENOMEM);
			refused++;
			break;
		}
	go_on();
	limit.rlim_cur = RLIM_INFINITY;
	check(!setrlimit(RLIMIT_AS, &limit));
	check(refused && !ioctl(gun.iommufd, IOMMU_IOAS_ALLOC, &alloc));
	ends_well();
}
#endif

static void *close_and_open(void *stop)
{
	while (!atomic_load((_Atomic int *)stop)) {
		close(gun.cdev);
		gun.cdev = open("/dev/vfio/devices/vfio0", O_RDWR | O_CLOEXEC);
	}
	return NULL;
}

/* The mapped registers keep the device as it is: the descriptors that come are second ones. */
static void closed_under_a_running_call(void)
{
	static _Atomic int stop;
	pthread_t thread;

	target();
	check(!pthread_create(&thread, NULL, close_and_open, &stop));
	for (unsigned i = 0; i < 3000; i++) {
		struct vfio_region_info info = {.argsz = sizeof(info)};
		int rc = ioctl(gun.cdev, VFIO_DEVICE_GET_REGION_INFO, &info);

		check(!rc || errno == EBADF || errno == EINVAL || errno == ENOTTY);
	}
	atomic_store(&stop, 1);
	pthread_join(thread, NULL);
	ends_well();
}

static const struct hostile cases[] = {
	CASE(unmapped_in_the_midst),	   CASE(moved_in_the_midst),
	CASE(overlaid_in_the_midst),	   CASE(dropped_in_the_midst),
	CASE(truncated_in_the_midst),	   CASE(truncated_file_in_the_midst),
	CASE(forked_in_the_midst),	   CASE(thousands_of_contexts),
	CASE(closed_under_a_running_call),
#ifndef __SANITIZE_ADDRESS__
	CASE(no_more_address_space),
#endif
};

int main(int argc, char **argv)
{
	return hostile_main(cases, sizeof(cases) / sizeof(cases[0]), argc > 1 ? argv[1] : NULL);
}
