/* SPDX-License-Identifier: MIT */
/*
 * Numbers that come to mean something else, and processes that share the memory in which the door
 * keeps what they mean: seen by libc, by syscall(), or by nobody.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include "hostile.h"

extern char **environ;

/* A close that no function of libc sees. */
static long unseen_close(int fd)
{
	long rc = SYS_close;

	__asm__ volatile("syscall" : "+a"(rc) : "D"(fd) : "rcx", "r11", "memory");
	return rc;
}

static int alloc_ioas(int fd)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

	return ioctl(fd, IOMMU_IOAS_ALLOC, &alloc);
}

static int open_used(void)
{
	int fd = open("/dev/iommu", O_RDWR);

	check(fd > 2 && !alloc_ioas(fd));
	return fd;
}

static void closed_by_syscall(void)
{
	int fd = open_used(), other = open("/dev/null", O_RDWR);

	check(!syscall(SYS_close, fd));
	check(alloc_ioas(fd) && errno == EBADF);
	check(syscall(SYS_close, fd) == -1 && errno == EBADF);
	check(open("/dev/iommu", O_RDWR) == fd && !alloc_ioas(fd));
	check(syscall(SYS_dup2, other, fd) == fd);
	check(alloc_ioas(fd) && errno == ENOTTY);
	check(syscall(SYS_dup2, open_used(), fd) == fd && !alloc_ioas(fd));
	check(syscall(SYS_dup3, other, fd, O_CLOEXEC) == fd);
	check(alloc_ioas(fd) && errno == ENOTTY);
	check(syscall(SYS_dup3, other, other, 0) == -1 && errno == EINVAL);
	fd = open_used();
	check(!syscall(SYS_close_range, fd, ~0u, 0));
	check(alloc_ioas(fd) && errno == EBADF);
	check(syscall(SYS_getppid) == getppid());
	/* The device is free again: another context may have it. */
	start();
	check(!syscall(SYS_close, nvme.dev) && !syscall(SYS_close, nvme.iommufd));
	check(!munmap((void *)nvme.regs, 2 * NVME_PAGE));
	start();
}

/* What the number means now is found out by what is asked of it. */
static void reused_unseen(void)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	int fd = open_used(), pair[2], nr = -1;
	uint64_t count = 5;

	check(!unseen_close(fd));
	check(eventfd(0, EFD_NONBLOCK) == fd);
	check(write(fd, &count, sizeof(count)) == sizeof(count));
	check(read(fd, &count, sizeof(count)) == sizeof(count) && count == 5);
	check(ioctl(fd, IOMMU_IOAS_ALLOC, &alloc) && errno == ENOTTY);
	close(fd);

	fd = open_used();
	check(!unseen_close(fd));
	check(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair) && pair[0] == fd);
	check(!ioctl(fd, FIONREAD, &nr) && !nr);
	check(ioctl(fd, IOMMU_IOAS_ALLOC, &alloc) && errno == ENOTTY);
	close(pair[0]);
	close(pair[1]);
}

static void opened_after_unseen_close(void)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	int fd = open_used();

	check(!unseen_close(fd));
	check(open("/dev/null", O_RDWR) == fd);
	check(alloc_ioas(fd) && errno == ENOTTY);
	close(fd);
	fd = open_used();
	check(!unseen_close(fd));
	check(open("/dev/vfio/1", O_RDWR) == fd);
	check(!ioctl(fd, VFIO_GROUP_GET_STATUS, &status));
	check(!unseen_close(fd));
	check(dup(2) == fd && alloc_ioas(fd) && errno == ENOTTY);
	close(fd);
	fd = open_used();
	check(!unseen_close(fd));
	check(fcntl(2, F_DUPFD, 0) == fd && alloc_ioas(fd) && errno == ENOTTY);
}

static void received_after_unseen_close(void)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	int pair[2], group, fd;
	char byte = 0;
	struct iovec iov = {&byte, 1};
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct msghdr msg = {NULL, 0, &iov, 1, &control, sizeof(control), 0};

	check(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	group = open("/dev/vfio/1", O_RDWR);
	fd = open_used();
	check(group >= 0 && group < fd);
	memcpy(CMSG_DATA(&control.head), &group, sizeof(group));
	check(sendmsg(pair[0], &msg, 0) == 1);
	check(!unseen_close(fd));
	check(recvmsg(pair[1], &msg, 0) == 1);
	memcpy(&group, CMSG_DATA(&control.head), sizeof(group));
	check(group == fd);
	check(alloc_ioas(fd) && errno == ENOTTY);
	check(!ioctl(fd, VFIO_GROUP_GET_STATUS, &status));
}

/* In a child that has its parent's memory and descriptors of its own. */
static int close_all(void *arg)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	int bad = !ioctl(nvme.dev, VFIO_DEVICE_GET_INFO, &info);

	bad |= close(nvme.dev) || close(nvme.iommufd);
	bad |= dup2(2, nvme.dev) != nvme.dev;
	bad |= close_range(3, ~0u, 0);
	return bad;
}

static void still_there(pid_t pid)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	int status;

	check(pid > 0 && waitpid(pid, &status, __WALL) == pid && !status);
	check(!ioctl(nvme.dev, VFIO_DEVICE_GET_INFO, &info));
	check(!nvme_identify(&nvme));
}

static __attribute__((noinline)) pid_t vfork_one(void)
{
	pid_t pid = vfork();

	if (!pid)
		_exit(close_all(NULL));
	return pid;
}

/* A child of a child, which goes on when that has ended. */
static __attribute__((noinline)) pid_t vfork_two(void)
{
	pid_t pid = vfork();

	if (!pid) {
		vfork_one();
		_exit(close_all(NULL));
	}
	return pid;
}

static __attribute__((noinline)) pid_t vfork_and_exec(void)
{
	pid_t pid = vfork();

	if (!pid) {
		execl("/nowhere", "nowhere", NULL);
		_exit(errno == ENOENT ? 0 : 1);
	}
	return pid;
}

static void children_of_vfork(void)
{
	start();
	for (int i = 0; i < 10; i++) {
		still_there(vfork_one());
		still_there(vfork_two());
		still_there(vfork_and_exec());
	}
}

static void children_of_clone(void)
{
	static char stack[65536] __attribute__((aligned(16)));

	start();
	for (int i = 0; i < 3; i++) {
		still_there(clone(close_all, stack + sizeof(stack), CLONE_VM | CLONE_VFORK, NULL));
		still_there(clone(close_all, stack + sizeof(stack), SIGCHLD, NULL));
	}
}

static void spawned_with_actions(void)
{
	char name[] = "true", *argv[] = {name, NULL};
	posix_spawn_file_actions_t actions;
	pid_t pid;

	start();
	check(!posix_spawn_file_actions_init(&actions));
	check(!posix_spawn_file_actions_addclose(&actions, nvme.dev));
	check(!posix_spawn_file_actions_adddup2(&actions, 2, nvme.iommufd));
	for (int i = 0; i < 5; i++) {
		check(!posix_spawnp(&pid, "true", &actions, NULL, argv, environ));
		still_there(pid);
	}
}

static _Atomic int stop, forks;

static void *fork_again_and_again(void *arg)
{
	while (!atomic_load(&stop)) {
		int status;
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		check(waitpid(pid, &status, 0) == pid && !status);
		atomic_fetch_add(&forks, 1);
	}
	return NULL;
}

/* Calls in other threads are in no fork's way, nor the other way round. */
static void forks_among_calls(void)
{
	pthread_t threads[2];

	start();
	for (int i = 0; i < 2; i++)
		check(!pthread_create(&threads[i], NULL, fork_again_and_again, NULL));
	while (atomic_load(&forks) < 60)
		check(!alloc_ioas(nvme.iommufd) && !nvme_identify(&nvme));
	atomic_store(&stop, 1);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

#ifndef __SANITIZE_ADDRESS__
/* Its marks stay on the stack of a thread that unwinds. Each destroys what it made but for the last
 * one, wherever it is cancelled. */
static void *call_until_cancelled(void *began)
{
	for (;;) {
		struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
		struct iommu_destroy destroy = {.size = sizeof(destroy)};

		check(!ioctl(nvme.iommufd, IOMMU_IOAS_ALLOC, &alloc));
		destroy.id = alloc.out_ioas_id;
		check(!ioctl(nvme.iommufd, IOMMU_DESTROY, &destroy));
		atomic_store((_Atomic int *)began, 1);
		pthread_testcancel();
	}
	return NULL;
}

static void *asynchronously(void *began)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	return call_until_cancelled(began);
}

static void cancelled_in_mid_call(void)
{
	start();
	for (int i = 0; i < 400; i++) {
		_Atomic int began = 0;
		pthread_t thread;
		void *result;

		check(!pthread_create(&thread, NULL, i & 1 ? asynchronously : call_until_cancelled,
				      (void *)&began));
		while (!atomic_load(&began))
			sched_yield();
		for (int spin = 0; spin < i * 7 % 300; spin++)
			__asm__ volatile("pause");
		check(!pthread_cancel(thread));
		check(!pthread_join(thread, &result) && result == PTHREAD_CANCELED);
		check(!alloc_ioas(nvme.iommufd));
	}
	check(!nvme_identify(&nvme));
}

#endif

/* The number is another's while a call on the old one runs: it ends on what it began with. */
static void *close_and_reuse(void *arg)
{
	while (!atomic_load(&stop)) {
		int fd = open("/dev/iommu", O_RDWR);

		atomic_store((_Atomic int *)arg, fd);
		sched_yield();
		close(fd);
	}
	return NULL;
}

static void closed_in_mid_call(void)
{
	_Atomic int fd = -1;
	pthread_t threads[2];
	int good = 0;

	check(open("/dev/iommu", O_RDWR) >= 0); /* keeps the machine busy */
	for (int i = 0; i < 2; i++)
		check(!pthread_create(&threads[i], NULL, close_and_reuse, (void *)&fd));
	while (good < 20000) {
		if (!alloc_ioas(atomic_load(&fd)))
			good++;
		else
			check(errno == EBADF);
	}
	atomic_store(&stop, 1);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	start();
}

/* A kernel without membarrier(2), or a sandbox that forbids it: the same, with fences. */
static void without_membarrier(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	void (*const cases[])(void) = {
		closed_in_mid_call,    closed_by_syscall, forks_among_calls, children_of_vfork,
#ifndef __SANITIZE_ADDRESS__
		cancelled_in_mid_call,
#endif
	};
	struct sock_fprog filter = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	check(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	check(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter));
	check(syscall(SYS_membarrier, 0, 0, 0) == -1 && errno == ENOSYS);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hostile one = {"without membarrier", cases[i]};

		check(passes(&one));
	}
}

static const struct hostile all[] = {
	CASE(closed_by_syscall),	   CASE(reused_unseen),	    CASE(opened_after_unseen_close),
	CASE(received_after_unseen_close), CASE(children_of_vfork), CASE(children_of_clone),
	CASE(spawned_with_actions),	   CASE(forks_among_calls), CASE(closed_in_mid_call),
	CASE(without_membarrier),
#ifndef __SANITIZE_ADDRESS__
	CASE(cancelled_in_mid_call),
#endif
};

int main(int argc, char **argv)
{
	return hostile_main(all, sizeof(all) / sizeof(all[0]), argc > 1 ? argv[1] : NULL);
}
