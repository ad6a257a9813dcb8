/* SPDX-License-Identifier: MIT */
/*
 * Who may pin memory above RLIMIT_MEMLOCK is settled at each MAP: what a thread may do changes
 * under way, by each of the calls that can change it, for one thread or for all.
 */
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include "hostile.h"

/* Is a page pinned, though nothing may be? */
static bool may_pin(void)
{
	struct iommu_ioas_map map = {.size = sizeof(map), .ioas_id = nvme.ioas, .length = 4096};
	struct iommu_ioas_unmap unmap = {.size = sizeof(unmap), .ioas_id = nvme.ioas};

	map.flags = IOMMU_IOAS_MAP_READABLE;
	map.user_va = (uintptr_t)nvme.mem;
	if (ioctl(nvme.iommufd, IOMMU_IOAS_MAP, &map)) {
		check(errno == ENOMEM);
		return false;
	}
	unmap.iova = map.iova;
	unmap.length = 4096;
	check(!ioctl(nvme.iommufd, IOMMU_IOAS_UNMAP, &unmap));
	return true;
}

int capset(struct __user_cap_header_struct *header, const struct __user_cap_data_struct *data);
int capget(struct __user_cap_header_struct *header, struct __user_cap_data_struct *data);

/* With or without CAP_IPC_LOCK from now on, by libc's function or by the number of the call. */
static void set_cap(bool on, bool by_number)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	const uint32_t bit = 1u << CAP_IPC_LOCK;

	check(!capget(&header, data));
	data[0].effective = on ? data[0].effective | bit : data[0].effective & ~bit;
	if (by_number)
		check(!syscall(SYS_capset, &header, data));
	else
		check(!capset(&header, data));
}

static void *without(void *arg)
{
	check(may_pin());
	set_cap(false, false);
	check(!may_pin());
	return NULL;
}

static void capabilities(void)
{
	pthread_t thread;
	int status;
	pid_t pid;

	for (int i = 0; i < 4; i++) {
		set_cap(false, i & 1);
		check(!may_pin());
		set_cap(true, i & 2);
		check(may_pin());
	}
	/* Another thread's are its own, and so are a child's. */
	check(!pthread_create(&thread, NULL, without, NULL) && !pthread_join(thread, NULL));
	check(may_pin());
	pid = fork();
	if (!pid) {
		set_cap(false, false);
		_exit(0);
	}
	check(waitpid(pid, &status, 0) == pid && !status);
	check(may_pin());
}

/* libc changes the user of all threads. */
static void *become_nobody(void *arg)
{
	check(may_pin() && !setresuid(65534, 65534, 65534) && !may_pin());
	return NULL;
}

int main(void)
{
	struct rlimit none = {0, 0};
	bool root = !getuid();
	pthread_t thread;

	alarm(20);
	if (!root)
		unshare(CLONE_NEWUSER); /* in which everybody has all capabilities */
	start();
	check(!setrlimit(RLIMIT_MEMLOCK, &none));
	if (!may_pin()) {
		printf("SKIP: no CAP_IPC_LOCK to give up, not even in a user namespace\n");
		return 77;
	}
	capabilities();
	if (root) {
		check(!pthread_create(&thread, NULL, become_nobody, NULL));
		check(!pthread_join(thread, NULL) && !may_pin());
	}
	puts("PASS");
	return 0;
}
