/* SPDX-License-Identifier: MIT */
/*
 * Which process may use the engine.
 *
 * After fork two processes hold a copy of the same engine; two engines on one doorbell would be
 * wrong. Ownership is a set of POSIX record locks on RUN/lock, which the kernel drops when their
 * process dies: one byte for each open object (at its descriptor's inode number) and one for each
 * device that is in use. A child may take the copy over when it can lock every byte that the copy
 * counts on, hence when the parent has closed all of it or is gone. Until then the copy is left
 * alone.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>
#include <ioas/pci.h>
#include <ioas/run.h>
#include "map.h"
#include "preload.h"
#include "real.h"

struct claim {
	struct claim *next;
	char device[IOAS_NAME_LEN];
};

static struct flock lock_of(off_t byte, short type)
{
	return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
}

int owner_lock(off_t byte, pid_t *pid)
{
	struct flock lock = lock_of(byte, F_WRLCK);
	int fd = atomic_load(&door.lock_fd);

	if (!real.fcntl(fd, F_SETLK, &lock))
		return 0;
	if (errno != EAGAIN && errno != EACCES)
		return -errno;
	/* A kernel without file locks refuses all of them, and does not know this question. */
	lock.l_type = F_WRLCK;
	if (real.fcntl(fd, F_GETLK, &lock))
		return errno == EINVAL ? 0 : -EBUSY;
	if (pid && lock.l_type != F_UNLCK)
		*pid = lock.l_pid;
	return -EBUSY;
}

void owner_unlock(off_t byte)
{
	struct flock lock = lock_of(byte, F_UNLCK);

	real.fcntl(atomic_load(&door.lock_fd), F_SETLK, &lock);
}

/* By address where the name is one, so that two devices never meet; else by FNV-1a of the name. */
off_t owner_device_byte(const char *device)
{
	uint64_t hash = 0xcbf29ce484222325ull;
	struct ioas_pci_addr addr;

	if (!ioas_pci_addr_parse(device, &addr))
		return 1LL << 62 | addr.segment << 16 | addr.bus << 8 | addr.devfn;
	for (; *device; device++)
		hash = (hash ^ (unsigned char)*device) * 0x100000001b3ull;
	return 1LL << 62 | 1LL << 61 | (off_t)(hash >> 4);
}

int owner_claim(struct machine *machine, const char *device)
{
	struct claim *claim = calloc(1, sizeof(*claim));
	pid_t pid = 0;
	int rc;

	if (!claim)
		return -ENOMEM;
	rc = owner_lock(owner_device_byte(device), &pid);
	if (rc) {
		if (rc == -EBUSY)
			door_say("device %s is in use by process %d", device, pid);
		free(claim);
		return rc;
	}
	snprintf(claim->device, sizeof(claim->device), "%s", device);
	pthread_mutex_lock(&door.lock);
	claim->next = machine->claims;
	machine->claims = claim;
	pthread_mutex_unlock(&door.lock);
	return 0;
}

void owner_release(struct machine *machine, const char *device)
{
	struct claim *found = NULL;

	pthread_mutex_lock(&door.lock);
	for (struct claim **at = &machine->claims; *at; at = &(*at)->next)
		if (!strcmp((*at)->device, device)) {
			found = *at;
			*at = found->next;
			break;
		}
	pthread_mutex_unlock(&door.lock);
	free(found);
	owner_unlock(owner_device_byte(device));
}

/* Locks everything the copy counts on; at the first refusal gives back what it took. */
static int lock_all(struct machine *machine, pid_t *pid)
{
	struct door_obj *obj, *bad = NULL;
	struct claim *claim, *bad_claim = NULL;
	int rc = 0;

	for (obj = door.objs; obj && !rc; obj = obj->next)
		if (obj->machine == machine && (rc = owner_lock(owner_obj_byte(obj), pid)))
			bad = obj;
	for (claim = machine->claims; claim && !rc; claim = claim->next)
		if ((rc = owner_lock(owner_device_byte(claim->device), pid)))
			bad_claim = claim;
	if (!rc)
		return 0;
	for (obj = door.objs; obj && obj != bad; obj = obj->next)
		if (obj->machine == machine)
			owner_unlock(owner_obj_byte(obj));
	for (claim = bad ? NULL : machine->claims; claim && claim != bad_claim; claim = claim->next)
		owner_unlock(owner_device_byte(claim->device));
	return rc;
}

void owner_relock(void)
{
	for (struct door_obj *obj = door.objs; obj; obj = obj->next)
		if (obj->machine && !obj->machine->inherited)
			owner_lock(owner_obj_byte(obj), NULL);
	for (struct machine *machine = door.machines; machine; machine = machine->older)
		for (struct claim *claim = machine->claims; claim && !machine->inherited;
		     claim = claim->next)
			owner_lock(owner_device_byte(claim->device), NULL);
}

/* Closes what this process closed while the engine was not its own. */
static void put_forgotten(struct machine *machine)
{
	for (;;) {
		struct door_obj *obj;

		pthread_mutex_lock(&door.lock);
		for (obj = door.objs; obj; obj = obj->next)
			if (obj->machine == machine && obj->forgotten)
				break;
		if (obj) {
			*obj->prev = obj->next;
			if (obj->next)
				obj->next->prev = obj->prev;
			poll_leave(obj);
		}
		pthread_mutex_unlock(&door.lock);
		if (!obj)
			return;
		stand_retire(obj);
	}
}

int owner_takeover(struct machine *machine, bool quiet)
{
	pid_t pid = 0;
	int rc = -EBUSY;

	if (!machine->inherited)
		return 0;
	pthread_mutex_lock(&door.lock);
	if (!machine->lost)
		rc = lock_all(machine, &pid);
	if (!rc)
		machine->inherited = false;
	pthread_mutex_unlock(&door.lock);
	if (!rc) {
		tell_takeover();
		ioas_iommu_resume(machine->iommu);
		put_forgotten(machine);
		map_drain();
		if (!door.machine)
			door.machine = machine;
	} else if (!machine->said && !quiet) {
		machine->said = true;
		if (machine->lost)
			door_say("process %d was cloned in mid-use and cannot use the devices",
				 getpid());
		else
			door_say("process %d still owns the devices and address spaces; this one "
				 "(%d) gets EBUSY until it has closed them or ended",
				 pid, getpid());
	}
	return rc == -EBUSY || !rc ? rc : -EBUSY;
}

static sigset_t fork_mask;	/* of the forking thread; under the fork lock */
static __thread bool fork_skip; /* a child of vfork forks: nothing here is its own */

static void fork_prepare(void)
{
	sigset_t mask, set;

	fork_skip = !door_own();
	if (fork_skip)
		return;

	sigfillset(&set);
	sigdelset(&set, SIGSEGV);
	sigdelset(&set, SIGBUS);
	real.pthread_sigmask(SIG_SETMASK, &set, &mask);
	door_fork_begin();
	fork_mask = mask;
	door_inside++;
	pthread_mutex_lock(&door.machine_mtx);
	for (struct machine *machine = door.machines; machine; machine = machine->older)
		if (!machine->inherited)
			ioas_iommu_suspend(machine->iommu);
	pthread_mutex_lock(&door.lock);
}

static void fork_parent(void)
{
	sigset_t mask = fork_mask;

	if (fork_skip)
		return;
	pthread_mutex_unlock(&door.lock);
	for (struct machine *machine = door.machines; machine; machine = machine->older)
		if (!machine->inherited)
			ioas_iommu_resume(machine->iommu);
	pthread_mutex_unlock(&door.machine_mtx);
	door_inside--;
	door_fork_end();
	real.pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

/* The child's locks are made anew: their owners were threads of the parent. */
static void become_child(bool lost)
{
	pthread_mutex_init(&door.lock, NULL);
	pthread_mutex_init(&door.machine_mtx, NULL);
	for (struct machine *machine = door.machines; machine; machine = machine->older) {
		machine->inherited = true;
		machine->lost |= lost;
		machine->said = false;
	}
	for (struct door_obj *obj = door.objs; obj; obj = obj->next)
		atomic_store(&obj->usable, false);
	door.machine = NULL;
	door_child();
}

static void fork_child(void)
{
	if (fork_skip)
		return;
	become_child(false);
	tell_fork();
	door_inside--;
	real.pthread_sigmask(SIG_SETMASK, &fork_mask, NULL);
}

void owner_lone_child(void)
{
	become_child(true);
}

int owner_init(void)
{
	static const struct {
		const char *name;
		int flags;
		_Atomic int *fd;
	} files[] = {
		{IOAS_RUN_LOCK, O_RDWR | O_CREAT, &door.lock_fd},
		{IOAS_RUN_FAULTS, O_WRONLY | O_CREAT | O_APPEND, &door.fault_fd},
	};

	tell_hold();
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char path[PATH_LEN];
		int fd;

		if (atomic_load(files[i].fd) >= 0)
			continue; /* an earlier start came so far */
		snprintf(path, sizeof(path), "%s/%s", door.run, files[i].name);
		fd = real.openat(AT_FDCWD, path, files[i].flags | O_CLOEXEC, 0600);
		if (fd < 0)
			return -errno;
		fd = hidden_add(fd);
		if (fd < 0)
			return fd;
		atomic_store(files[i].fd, fd);
	}
	return -pthread_atfork(fork_prepare, fork_parent, fork_child);
}
