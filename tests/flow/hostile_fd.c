/* SPDX-License-Identifier: MIT */
/* Descriptors and processes: closed, overwritten, few, many, inherited, passed on. */
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include "hostile.h"

extern char **environ;

/* The devices are the parent's: a child ends, and hurts nobody. */
static void a_child_touches_registers(void)
{
	int status;
	pid_t pid;

	start();
	pid = fork();
	if (!pid)
		_exit(*nvme_reg(&nvme, 0x1c) & 1 ? 1 : 2);
	check(waitpid(pid, &status, 0) == pid);
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	pid = vfork();
	if (!pid)
		_exit(*nvme_reg(&nvme, 0x1c) & 1 ? 0 : 2);
	check(waitpid(pid, &status, 0) == pid);
	check(WIFSIGNALED(status) || !WEXITSTATUS(status));
	check(!nvme_identify(&nvme));
}

/* The mapped registers keep the device alive, as a file's mapping does. */
static void everything_closed(void)
{
	start();
	closefrom(3);
	check(*nvme_reg(&nvme, 0x1c) & 1);
	check(!nvme_identify(&nvme));
	check(!munmap((void *)nvme.regs, 2 * NVME_PAGE));
	start();
	check(!close_range(3, ~0u, CLOSE_RANGE_CLOEXEC));
	check(!nvme_identify(&nvme));
	check(!close_range(3, ~0u, 0));
	check(!munmap((void *)nvme.regs, 2 * NVME_PAGE));
	start();
}

static void other_files_over_ours(void)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	int null = open("/dev/null", O_RDWR);

	start();
	check(dup2(null, nvme.dev) == nvme.dev && dup3(null, nvme.iommufd, 0) == nvme.iommufd);
	check(ioctl(nvme.dev, VFIO_DEVICE_GET_INFO, &info) && errno == ENOTTY);
	check(write(nvme.dev, "x", 1) == 1);
	check(*nvme_reg(&nvme, 0x1c) & 1);
	check(!munmap((void *)nvme.regs, 2 * NVME_PAGE));
	start();
}

static void few_descriptors(void)
{
	struct rlimit limit = {64, 64};
	int fds[64], nr = 0;

	check(!setrlimit(RLIMIT_NOFILE, &limit));
	while ((fds[nr] = dup(0)) >= 0)
		nr++;
	check(open("/dev/iommu", O_RDWR) < 0 && (errno == EMFILE || errno == ENODEV));
	for (int i = 0; i < 12; i++)
		close(fds[--nr]);
	start();
}

static void many_descriptors(void)
{
	struct rlimit limit;
	int fd;

	check(!getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = limit.rlim_max < 20000 ? limit.rlim_max : 20000;
	check(!setrlimit(RLIMIT_NOFILE, &limit));
	while ((fd = dup(0)) >= 0 && fd < (int)limit.rlim_cur - 20)
		;
	start();
	check(nvme.dev > (int)limit.rlim_cur - 20);
	closefrom(3);
	check(*nvme_reg(&nvme, 0x1c) & 1);
}

static void little_address_space(void)
{
	struct rlimit limit = {1 << 20, RLIM_INFINITY};
	int fd;

	check(!setrlimit(RLIMIT_AS, &limit));
	fd = open("/dev/iommu", O_RDWR);
	check(fd < 0 && (errno == ENOMEM || errno == ENODEV || errno == EAGAIN));
	limit.rlim_cur = RLIM_INFINITY;
	check(!setrlimit(RLIMIT_AS, &limit));
	start();
}

static void spawned_programs(void)
{
	char name[] = "true", *argv[] = {name, NULL}, path[32];
	int status;
	pid_t pid;

	start();
	for (int i = 0; i < 5; i++) {
		check(!posix_spawnp(&pid, "true", NULL, NULL, argv, environ));
		check(waitpid(pid, &status, 0) == pid && !status);
		check(!system("exit 0"));
		check(!nvme_identify(&nvme));
	}
	/* O_CLOEXEC: not there after exec; without it, it is. */
	snprintf(path, sizeof(path), "[ ! -e /dev/fd/%d ]", nvme.dev);
	check(!system(path));
	check(!fcntl(nvme.dev, F_SETFD, 0));
	snprintf(path, sizeof(path), "[ -c /dev/fd/%d ]", nvme.dev);
	check(!system(path));
	check(!nvme_identify(&nvme));
}

static void streams(void)
{
	FILE *file = fopen("/dev/iommu", "r+");
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	int fd = open("/dev/vfio/devices/vfio0", O_RDWR);

	check(file && !ioctl(fileno(file), IOMMU_IOAS_ALLOC, &alloc) && !fclose(file));
	file = fdopen(fd, "r+");
	check(file && !fclose(file));
	start();
}

/* Group and device across exec: a fresh open file, since the engine was the old program's. */
static void through_exec(void)
{
	int fd = open("/dev/vfio/1", O_RDWR);
	char text[16], name[] = "hostile", mode[] = "after_exec";
	char *argv[] = {name, mode, text, NULL};

	check(fd >= 0);
	snprintf(text, sizeof(text), "%d", fd);
	execv("/proc/self/exe", argv);
	check(0);
}

static int after_exec(int fd)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};

	check(!ioctl(fd, VFIO_GROUP_GET_STATUS, &status));
	check(status.flags & VFIO_GROUP_FLAGS_VIABLE);
	check(open("/dev/vfio/1", O_RDWR) < 0 && errno == EBUSY);
	close(fd);
	start();
	return 0;
}

static int pass(int to, int fd)
{
	char byte = 0;
	struct iovec iov = {&byte, 1};
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct msghdr msg = {NULL, 0, &iov, 1, &control, sizeof(control), 0};

	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	return sendmsg(to, &msg, 0) == 1 ? 0 : -errno;
}

static int passed(int from)
{
	char byte;
	struct iovec iov = {&byte, 1};
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = {NULL, 0, &iov, 1, &control, sizeof(control), 0};
	int fd = -1;

	if (recvmsg(from, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
	return fd;
}

/* Another process cannot use it, and is told so; the process itself can. */
static void passed_on(void)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	int pair[2], fd, status;
	pid_t pid;

	check(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	pid = fork();
	if (!pid) {
		fd = passed(pair[1]);
		check(fd >= 0);
		check(ioctl(fd, VFIO_DEVICE_GET_INFO, &info) && errno == EBUSY);
		check(pread(fd, &info, 4, 7ll << 40) == -1 && errno == EBUSY);
		_exit(0);
	}
	start();
	check(!pass(pair[0], nvme.dev));
	check(waitpid(pid, &status, 0) == pid && !status);
	check(!nvme_identify(&nvme));
	check(!pass(pair[0], nvme.dev));
	fd = passed(pair[1]);
	check(fd >= 0 && !ioctl(fd, VFIO_DEVICE_GET_INFO, &info));
	close(nvme.dev);
	check(!ioctl(fd, VFIO_DEVICE_GET_INFO, &info));
	check(!nvme_identify(&nvme));
}

static void *close_and_open(void *stop)
{
	while (!atomic_load((_Atomic int *)stop)) {
		close(nvme.iommufd);
		check(open("/dev/iommu", O_RDWR) >= 0);
	}
	return NULL;
}

static void close_races_with_calls(void)
{
	static _Atomic int stop;
	pthread_t thread;
	int good = 0;

	nvme.iommufd = open("/dev/iommu", O_RDWR);
	check(!pthread_create(&thread, NULL, close_and_open, &stop));
	for (int i = 0; i < 3000; i++) {
		struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

		if (!ioctl(nvme.iommufd, IOMMU_IOAS_ALLOC, &alloc))
			good++;
		else
			check(errno == EBADF);
	}
	stop = 1;
	pthread_join(thread, NULL);
	close(nvme.iommufd);
	start();
}

#ifndef __SANITIZE_ADDRESS__
/* What the declarations forbid; ASan's own wrappers in front of the door look at the path. */
static void no_path(void)
{
	char *volatile none = NULL;
	char buf[8];

	check(readlink(none, buf, sizeof(buf)) == -1 && errno == EFAULT);
	check(open(none, O_RDONLY) == -1 && errno == EFAULT);
	check(!realpath(none, NULL) && errno == EINVAL);
}
#endif

static const struct hostile cases[] = {
	CASE(a_child_touches_registers),
	CASE(everything_closed),
	CASE(other_files_over_ours),
	CASE(few_descriptors),
	CASE(many_descriptors),
	CASE(little_address_space),
	CASE(spawned_programs),
	CASE(streams),
	CASE(through_exec),
	CASE(passed_on),
	CASE(close_races_with_calls),
#ifndef __SANITIZE_ADDRESS__
	CASE(no_path),
#endif
};

int main(int argc, char **argv)
{
	if (argc > 2)
		return after_exec(atoi(argv[2]));
	return hostile_main(cases, sizeof(cases) / sizeof(cases[0]), argc > 1 ? argv[1] : NULL);
}
