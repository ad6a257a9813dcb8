/* SPDX-License-Identifier: MIT */
/*
 * What a door needs: open files of /dev/iommu and /dev/vfio, and what a program does with them.
 *
 * A door (doors/preload, later others) is how a program gets in. It owns descriptors and knows how
 * to reach the caller's memory; the engine behind these calls knows neither. Every call takes the
 * caller as an argument.
 *
 * Calls may come from any thread. A door blocks signals around them, but SIGSEGV and SIGBUS, which
 * guarded copies need (guard.h).
 */
#ifndef IOAS_DOOR_H
#define IOAS_DOOR_H

#include <sys/types.h>
#include <ioas/iommu.h>

IOAS_BEGIN

struct ioas_file;
struct ioas_caller;

enum ioas_node_kind {
	IOAS_NODE_IOMMU,       /* /dev/iommu */
	IOAS_NODE_VFIO,	       /* /dev/vfio/vfio */
	IOAS_NODE_VFIO_GROUP,  /* /dev/vfio/N */
	IOAS_NODE_VFIO_CDEV,   /* /dev/vfio/devices/vfioN */
	IOAS_NODE_VFIO_DEVICE, /* what VFIO_GROUP_GET_DEVICE_FD returns; has no path */
	/* These have no path either, and come from ioctls of /dev/iommu. */
	IOAS_NODE_FAULT,   /* IOMMU_FAULT_QUEUE_ALLOC: can be polled, always writable */
	IOAS_NODE_VEVENTQ, /* IOMMU_VEVENTQ_ALLOC: can be polled, never writable */
	IOAS_NODE_ACCESS,  /* IOMMU_TEST_CMD's */
	IOAS_NODE_DMABUF,  /* likewise */
};

/* A character device node of the instance. */
struct ioas_node {
	enum ioas_node_kind kind;
	uint32_t index; /* N of groups and cdevs */
	uint32_t major, minor;
	char path[48];
};

/*
 * The instance's nodes, `index` from 0 until -ENOENT. Numbers: /dev/iommu 10:127, /dev/vfio/vfio
 * 10:196, groups 511:N, cdevs 510:N.
 */
int ioas_node_at(struct ioas_iommu *iommu, size_t index, struct ioas_node *out);

struct ioas_caller_ops {
	/* Copy between the caller's memory at `va` and ours. 0 or -EFAULT. */
	int (*copy_from)(struct ioas_caller *caller, void *dst, uint64_t va, size_t len);
	int (*copy_to)(struct ioas_caller *caller, uint64_t va, const void *src, size_t len);
	/*
	 * Makes caller memory va .. va + len - 1 present, for writing if `write`, and checks that
	 * it may be used so. *host receives where this process sees it. 0, -EFAULT, -ENOMEM.
	 */
	int (*pin)(struct ioas_caller *caller, uint64_t va, uint64_t len, bool write, void **host);
	/*
	 * The end of a pin, or, in whole pages, of a part of one: every byte that was pinned is
	 * unpinned once, with the `host` that belongs to it.
	 */
	void (*unpin)(struct ioas_caller *caller, uint64_t va, uint64_t len, void *host);
	/*
	 * The open file behind one of the caller's descriptors, with a reference. -EBADF not open,
	 * -EBADFD open, but not ours.
	 */
	int (*file_get)(struct ioas_caller *caller, int fd, struct ioas_file **out);
	/*
	 * A new descriptor (O_RDWR | O_CLOEXEC) for `file`, whose reference it takes over. -EMFILE,
	 * -ENOMEM: the reference stays with who called.
	 */
	int (*file_install)(struct ioas_caller *caller, struct ioas_file *file);
	/* A descriptor of ours for one of the caller's eventfds; -EBADF, -EINVAL no eventfd. */
	int (*eventfd_get)(struct ioas_caller *caller, int fd);
	/* A descriptor of ours for one of the caller's files that is not ours; -EBADF. */
	int (*fd_get)(struct ioas_caller *caller, int fd);
	/*
	 * Puts a descriptor that the engine made for itself out of the caller's reach, where the
	 * two share a table. Takes it over, and returns what it is now; -EMFILE, -ENOMEM: it is
	 * closed. May be NULL.
	 */
	int (*fd_hide)(struct ioas_caller *caller, int fd);
	/*
	 * A file that file_install gave a descriptor has something to read, or nothing any more:
	 * poll(2) on the descriptor is to say so. Called from any thread; must not block. May be
	 * NULL.
	 */
	void (*file_ready)(struct ioas_caller *caller, struct ioas_file *file, bool ready);
	/* Capability checks (CAP_*): 1 or 0. */
	int (*capable)(struct ioas_caller *caller, int cap);
	/* Whom to charge for pinned memory: the real user ID. */
	uint32_t (*uid)(struct ioas_caller *caller);
	/* How much there may be: RLIMIT_MEMLOCK in bytes; UINT64_MAX: any. */
	uint64_t (*memlock)(struct ioas_caller *caller);
	/*
	 * Sets the bits of `len` bytes of ours in the caller's memory at `va`, which need not be
	 * atomic. 0 or -EFAULT: some may be set then. May be NULL: copy_from and copy_to do it.
	 */
	int (*or_to)(struct ioas_caller *caller, uint64_t va, const void *bits, size_t len);
	/*
	 * Where this process sees the caller's memory at `va`, by address alone, if whatever the
	 * caller does with what is pinned is told by ioas_memory_change and ioas_memory_protected:
	 * then what is pinned there already may be pinned once more without a call of `pin`, but
	 * with one of `unpin`. Only with the instance's memory_told. May be NULL.
	 */
	void *(*host)(struct ioas_caller *caller, uint64_t va);
	/*
	 * Watching registers (ioas_pci_watch): the 4096 bytes at file offset `off` of a device's
	 * region (region << 40 | offset).
	 * region_page: a mapping of them, readable and writable, takes the place of the page at
	 * `at` in this process. It stays for good. 0; -ENXIO they are not mapped, or no memory is
	 * behind them.
	 * region_open: with `open` all mappings that the caller has of them and may write become
	 * accessible as far as it has asked for, so that its stores go to that memory; without,
	 * each access goes to ioas_file_access again, and on return no store is under way. What is
	 * mapped, moved or protected in between may go either way. 0; -ENXIO.
	 * Called from threads of the engine and in calls of the program; must not enter the engine.
	 * Both may be NULL: nothing is watched.
	 */
	int (*region_page)(struct ioas_caller *caller, struct ioas_file *file, uint64_t off,
			   void *at);
	int (*region_open)(struct ioas_caller *caller, struct ioas_file *file, uint64_t off,
			   bool open);
};

/* Embedded first in a door's own struct. Must outlive the files opened with it. */
struct ioas_caller {
	const struct ioas_caller_ops *ops;
	pid_t pid;
};

/*
 * Opens a node. `oflags` as open(2). Returns 0 and one reference in *out; -EBUSY the group or
 * device is open already, here or in another process; -ENODEV; -ENOMEM.
 */
int ioas_file_open(struct ioas_iommu *iommu, struct ioas_caller *caller,
		   const struct ioas_node *node, int oflags, struct ioas_file **out,
		   struct ioas_why *why);
struct ioas_file *ioas_file_get(struct ioas_file *file);
/* The last put is the last close: mappings go, the device is reset, routes end. */
void ioas_file_put(struct ioas_file *file);

/* The node of a file; node->path is what /proc/self/fd/N reads as. */
const struct ioas_node *ioas_file_node(const struct ioas_file *file);

/* ioctl(2): a result >= 0 or -errno. -ENOTTY not ours. */
long ioas_file_ioctl(struct ioas_file *file, struct ioas_caller *caller, unsigned long cmd,
		     uint64_t arg, struct ioas_why *why);
/* pread(2), pwrite(2) of caller memory at `va`. */
ssize_t ioas_file_pread(struct ioas_file *file, struct ioas_caller *caller, uint64_t va, size_t len,
			uint64_t off);
ssize_t ioas_file_pwrite(struct ioas_file *file, struct ioas_caller *caller, uint64_t va,
			 size_t len, uint64_t off);

/* How a range of a file is to be mapped. */
struct ioas_mapping {
	int fd;	      /* memory that the file owns, to be mapped MAP_SHARED; -1: there is none */
	uint64_t off; /* in it */
};
/*
 * May this be mapped? `prot` and `flags` as mmap(2). 0: yes, and out->fd is -1: the door makes a
 * mapping whose every access it passes to ioas_file_access; or out->fd is memory: the door maps
 * that, and calls ioas_file_munmap when the mapping, or a part of it, has gone. -EINVAL, -ENODEV as
 * VFIO answers; -ENXIO, -EPERM as /dev/iommu does.
 */
int ioas_file_mmap(struct ioas_file *file, uint64_t off, uint64_t len, int prot, int flags,
		   struct ioas_mapping *out, struct ioas_why *why);
/* `len` bytes at file offset `off` are mapped once less. */
void ioas_file_munmap(struct ioas_file *file, uint64_t off, uint64_t len);

/*
 * One access to a mapped region, of 1, 2, 4 or 8 bytes at file offset `off` (region << 40 |
 * offset), naturally aligned or not. 0; -EIO memory decoding is off (SIGBUS on real systems);
 * -EFAULT outside. Safe in a signal handler.
 */
int ioas_file_access(struct ioas_file *file, uint64_t off, bool write, uint64_t *value,
		     unsigned size);

/*
 * Memory of this process that is mapped for DMA outlives the program's munmap: a door that is asked
 * to take memory away, or to put other memory in its place, does so through ioas_memory_change.
 * Ranges are half-open and of whole pages; start >= end: none.
 */
struct ioas_memory_range {
	uint64_t start, end;
};
struct ioas_memory_change {
	struct ioas_memory_range gone[2]; /* what the call takes away */
	struct ioas_memory_range moved;	  /* what it moves elsewhere; apart from `gone` */
	/*
	 * The program's call: a result >= 0 and where moved.start is now in *to, or -errno and
	 * nothing has changed. Must not enter the engine; may be called inside malloc.
	 */
	long (*call)(void *arg, uint64_t *to);
	void *arg;
};
/* May start..end-1 meet what is mapped for DMA? Two atomic loads; false is exact. */
bool ioas_memory_pinned(struct ioas_iommu *iommu, uint64_t start, uint64_t end);
/* The same, exactly. Takes a lock that is held while memory is moved. */
bool ioas_memory_held(struct ioas_iommu *iommu, uint64_t start, uint64_t end);
/*
 * Moves what is mapped for DMA in `gone` to a hidden place, does the call, and lets DMA go on in
 * the new places. No DMA meets the old ones after the call has begun. Waits for spans lent out. The
 * call's result; -ENOMEM without having called.
 */
long ioas_memory_change(struct ioas_iommu *iommu, const struct ioas_memory_change *change);

/*
 * The program may have changed what it may do with start..end-1 where that is, as mprotect does: to
 * be told after the call, whether or not it failed. Takes a lock that is held while memory is
 * moved.
 */
void ioas_memory_protected(struct ioas_iommu *iommu, uint64_t start, uint64_t end);

/*
 * What a process (`pid` as this process knows it; not 0) has pinned by way of the instance right
 * now, in bytes: VmPin of /proc/PID/status, and what is part of VmLck too (IOMMU_OPTION_RLIMIT_MODE
 * 1, and containers of /dev/vfio/vfio). Zeros: nothing, or it is gone. Takes one innermost lock.
 */
void ioas_account_read(struct ioas_iommu *iommu, pid_t pid, uint64_t *pinned, uint64_t *locked);

/* Pinned memory of the instance, whoever pays; bytes, and calls. */
struct ioas_memory_counters {
	uint64_t pinned_len;	 /* now */
	uint64_t pinned_max_len; /* at most, so far */
	uint64_t limited_len;	 /* of pinned_len, what counts against RLIMIT_MEMLOCK */
	uint64_t refused;	 /* charges that were above it */
};
/* Maintained while the instance runs; ioas_host_ops.counters, name "memory". */
const struct ioas_memory_counters *ioas_memory_counters(struct ioas_iommu *iommu);

/* How often each ioctl returned what, for reports. */
struct ioas_ioctl_count {
	char name[40];
	int32_t error; /* 0 or errno */
	uint64_t count;
};
/* Copies up to `max` non-zero counts, returns how many there are. */
size_t ioas_ioctl_counts(struct ioas_iommu *iommu, struct ioas_ioctl_count *out, size_t max);
/*
 * The same from a copy of the counters' memory (ioas_host_ops.counters, name "ioctls"), which
 * outlives the instance: a table of uint64_t, a line an ioctl, a column an errno (0: success).
 */
size_t ioas_ioctl_counts_decode(const void *block, size_t len, struct ioas_ioctl_count *out,
				size_t max);

IOAS_END

#endif
