/* SPDX-License-Identifier: MIT */
/*
 * What makes no system call, counted: a tracer stops this process at each. Ioctls that only look,
 * UNMAP, MAP of memory that is there or was shown before, and the calls of a program that are none
 * of the door's.
 */
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include "hostile.h"

#define ROUNDS 1000
#ifdef __SANITIZE_ADDRESS__
#define SLACK (ROUNDS / 20) /* its own malloc gets memory from the system now and then */
#else
#define SLACK 0
#endif
#define IOVA  (1ull << 32)
#define LARGE (4ul << 20)

static int container;

static void look(void)
{
	check(ioctl(container, VFIO_GET_API_VERSION) == VFIO_API_VERSION);
	check(ioctl(container, VFIO_CHECK_EXTENSION, VFIO_TYPE1_IOMMU) == 1);
}

static uint64_t map(void *mem, size_t len, uint64_t iova, uint32_t flags)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE | flags,
		.ioas_id = nvme.ioas,
		.user_va = (uintptr_t)mem,
		.length = len,
		.iova = iova,
	};

	check(!ioctl(nvme.iommufd, IOMMU_IOAS_MAP, &map));
	return map.iova;
}

static void unmap(uint64_t iova, size_t len)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = nvme.ioas, .iova = iova, .length = len};

	check(!ioctl(nvme.iommufd, IOMMU_IOAS_UNMAP, &unmap) && unmap.length == len);
}

static void map_and_unmap(void)
{
	map(nvme.mem, NVME_PAGE, IOVA, IOMMU_IOAS_MAP_FIXED_IOVA);
	unmap(IOVA, NVME_PAGE);
}

static void map_anywhere(void)
{
	unmap(map(nvme.mem, NVME_PAGE, 0, 0), NVME_PAGE);
}

static void describe(void)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	struct vfio_region_info region = {.argsz = sizeof(region)};

	check(!ioctl(nvme.dev, VFIO_DEVICE_GET_INFO, &info));
	check(!ioctl(nvme.dev, VFIO_DEVICE_GET_REGION_INFO, &region));
}

/* A mapping below the smallest that the kernel is asked about: 64 KiB. */
static void map_sixteen_pages(void)
{
	static char mem[16 * NVME_PAGE] __attribute__((aligned(NVME_PAGE)));

	map(mem, sizeof(mem), IOVA, IOMMU_IOAS_MAP_FIXED_IOVA);
	unmap(IOVA, sizeof(mem));
}

/*
 * Much memory, which the device can reach already: what the kernel has said when that was new
 * stands.
 */
static void map_shown(void)
{
	static char *mem;

	if (!mem) {
		mem = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		check(mem != MAP_FAILED);
		map(mem, LARGE, 2 * IOVA, IOMMU_IOAS_MAP_FIXED_IOVA);
	}
	map(mem, LARGE, IOVA, IOMMU_IOAS_MAP_FIXED_IOVA);
	unmap(IOVA, LARGE);
}

/* One call of the program's own: it comes through untouched, and nothing with it. */
static void foreign(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = eventfd(0, 0);
	check(ioctl(fd, TCGETS, NULL) == -1 && errno == ENOTTY);
}

static const struct {
	const char *name;
	void (*run)(void);
	unsigned calls; /* that it may make */
} cases[] = {
	{"look", look, 0},
	{"describe a device", describe, 0},
	{"MAP and UNMAP of a page", map_and_unmap, 0},
	{"MAP where there is room, and UNMAP", map_anywhere, 0},
	{"MAP and UNMAP of 64 KiB", map_sixteen_pages, 0},
	{"MAP and UNMAP of 4 MiB, shown already", map_shown, 0},
	{"another's descriptor", foreign, 1},
};
#define CASES (sizeof(cases) / sizeof(cases[0]))

static void run_all(void)
{
	for (size_t i = 0; i < CASES; i++) {
		/* What is done once, is done; the heap has its size. */
		for (int round = 0; round < ROUNDS / 10; round++)
			cases[i].run();
		syscall(SYS_getppid); /* the marks around what is counted */
		for (int round = 0; round < ROUNDS; round++)
			cases[i].run();
		syscall(SYS_getppid);
	}
}

static void traced(void)
{
	start();
	container = open("/dev/vfio/vfio", O_RDWR);
	check(container >= 0);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(77);
	raise(SIGSTOP);
	run_all();
	_exit(0);
}

/* The next system call that the process begins; -1: it has ended. */
static long next_call(pid_t pid, int *status)
{
	struct __ptrace_syscall_info info;

	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) || waitpid(pid, status, 0) != pid ||
		    !WIFSTOPPED(*status))
			return -1;
		if (WSTOPSIG(*status) != (SIGTRAP | 0x80))
			continue;
		check(ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info) > 0);
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
			return (long)info.entry.nr;
	}
}

int main(void)
{
	int status, bad = 0;
	size_t at = 0;
	long calls = -1, nr;
	pid_t pid = fork();

	if (!pid) {
		alarm(60);
		traced();
	}
	check(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		puts("SKIP: ptrace is not permitted");
		return 77;
	}
	check(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	check(!ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)PTRACE_O_TRACESYSGOOD));
	while ((nr = next_call(pid, &status)) >= 0) {
		if (nr != SYS_getppid) {
			calls += calls >= 0;
			continue;
		}
		if (calls >= 0) {
			printf("%s: %ld calls in %d rounds\n", cases[at].name, calls, ROUNDS);
			calls -= (long)cases[at].calls * ROUNDS;
			bad += calls < 0 || calls > SLACK;
			at++;
		}
		calls = calls >= 0 ? -1 : 0;
	}
	check(WIFEXITED(status) && !WEXITSTATUS(status) && at == CASES);
	puts(bad ? "FAIL" : "PASS");
	return bad != 0;
}
