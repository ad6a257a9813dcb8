/* SPDX-License-Identifier: MIT */
/*
 * An IOMMU instance: one machine's physical map, its address spaces, its devices and its fault
 * records. Everything else hangs off one of these; there is no global state.
 */
#ifndef IOAS_IOMMU_H
#define IOAS_IOMMU_H

#include <ioas/types.h>

IOAS_BEGIN

struct ioas_iommu;
struct ioas_fault;
struct ioas_trace_event;

/*
 * How an instance talks to whoever embeds it. Every callback may be NULL.
 * Callbacks must not call back into the instance.
 */
struct ioas_host_ops {
	/*
	 * Memory for a block of counters, zeroed when it is first asked for, `len` bytes, aligned
	 * to
	 * 64. A door places it in a shared file so that it outlives a killed program.
	 * NULL: the heap.
	 */
	void *(*counters)(void *host, const char *name, size_t len);
	/* A fault was recorded. Called from the issuing thread; must not block. */
	void (*fault)(void *host, const struct ioas_fault *fault);
	/*
	 * Claims a device for this process before its first open, and releases it after the last
	 * close. -EBUSY: another process has it.
	 */
	int (*claim)(void *host, const char *device);
	void (*release)(void *host, const char *device);
	/*
	 * Something happened (ioas/trace.h). Called from any thread, with locks held, in signal
	 * handlers too; what it waits for, the instance waits for. NULL: off, and free of cost.
	 */
	void (*trace)(void *host, const struct ioas_trace_event *event);
};

struct ioas_iommu_config {
	/*
	 * Address width in bits, 32..57, as far as `pt` goes; an IOVA at or above 1 << aw is
	 * refused. 0: 48, or the widest that `pt` has.
	 */
	unsigned aw;
	/*
	 * The format of the devices' page tables, such as "vtd-ss" (docs/page-tables.md). Constant
	 * for the instance's life. NULL: "amdv1".
	 */
	const char *pt;
	/*
	 * The kind of IOMMU: "soft", "vtd", "amd", "smmuv3", "riscv" (docs/iommus.md), of devices
	 * that no machine file describes and of IOMMUs which one has as "soft". Constant for the
	 * instance's life. With another than soft the format of page tables is the kind's: no `pt`.
	 * NULL: "soft".
	 */
	const char *kind;
	/* Report the MMAP flag on regions that can be mapped (VFIO_REGION_INFO_FLAG_MMAP). */
	bool no_region_mmap;
	/* Answer IOMMU_TEST_CMD, as a kernel with CONFIG_IOMMUFD_TEST does. */
	bool selftest;
	/*
	 * The IOMMU takes requests with PASID 0 for requests without one, as VT-d does. Off, they
	 * are two: each can go to an address space of its own.
	 */
	bool pasid_0_same;
	/* One address space a group, as Linux has it, instead of one a device: docs/compat.md. */
	bool groups_strict;
	/* Answer as Linux 6.12 where that differs from 7.3 (docs/errno.md). */
	bool abi_6_12;
	/*
	 * Refuse (ENOMEM) what a caller without CAP_IPC_LOCK pins beyond RLIMIT_MEMLOCK, as Linux
	 * does. Off, pinned memory is counted and shown all the same: nothing here is locked for
	 * real, and an ordinary user's limit of a few MiB would keep most programs out.
	 */
	bool memlock;
	/*
	 * Who uses the instance promises to take no memory of this process away but by
	 * ioas_memory_change. Then what is mapped for DMA is there as it was, and a device writes
	 * it past a later mprotect too, as on a real system. Off, other memory may lie at the
	 * address since, and such a write is a fault.
	 */
	bool memory_told;
	/*
	 * Note what devices write where dirty bits are tracked, apart from these, and compare at
	 * each reading: a page that is missing is put on record (IOAS_PASSED_UNTOLD). Costs memory
	 * for each page written and a lock for each write.
	 */
	bool check_dirty;
	/*
	 * Remember what IOMMUs may cache of programs' own page tables, and put on record
	 * (IOAS_PASSED_STALE) requests that might go by what has changed since without an
	 * invalidation; and (IOAS_PASSED_ATS_STALE) those that went by a translation of the
	 * device's which the page table does not have any more. Slow.
	 */
	bool check_invalidation;
	/* How long a device may take to give translations back (ats.h), in ms. 0: 60,000. */
	unsigned ats_timeout_ms;
	/* How long a program may take to answer page requests (pri.h), in ms. 0: for ever. */
	unsigned pri_timeout_ms;
	const struct ioas_host_ops *host_ops;
	void *host;
};

/*
 * Sets one key of a configuration from text ("aw", "48"), as `ioas run --set` does.
 * Returns 0; -ENOENT unknown key; -EINVAL value not understood or out of range.
 */
int ioas_iommu_config_set(struct ioas_iommu_config *config, const char *key, const char *value,
			  struct ioas_why *why);

/*
 * Can there be an instance of that configuration? 0; -EINVAL with a line: no such format or kind,
 * a width that it has not, or they contradict each other; -ENOMEM.
 */
int ioas_iommu_check(const struct ioas_iommu_config *config, struct ioas_why *why);

/*
 * Makes an instance. `config` may be NULL (all defaults) and is copied; `host` must outlive it.
 * Returns 0 and the instance in *out, owned by the caller; -ENOMEM; -EINVAL as
 * ioas_iommu_check.
 */
int ioas_iommu_new(const struct ioas_iommu_config *config, struct ioas_iommu **out);

/* Ends an instance. All files, spaces and devices of it must be gone. NULL is fine. */
void ioas_iommu_destroy(struct ioas_iommu *iommu);

/*
 * Around fork(2). suspend drains all transactions and stops all threads of the instance's models,
 * so that the child's copy is whole; resume lets them go on, in the parent at once, in the child
 * when it has taken the devices over. While suspended no other call may be made.
 */
void ioas_iommu_suspend(struct ioas_iommu *iommu);
void ioas_iommu_resume(struct ioas_iommu *iommu);

IOAS_END

#endif
