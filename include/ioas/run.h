/* SPDX-License-Identifier: MIT */
/*
 * The run folder: how `ioas run` and the door inside the program meet. `ioas run` makes it, names
 * it in the environment, reads it when the program has ended, however it ended, and removes it.
 *
 *   machine           text, a line each: "set KEY VALUE", "iommu ..." and "function ..." of a
 *                     described machine (ioas_topology_add_line), and "device TEXT"
 *                     (ioas_model_create); the order counts; file names in it are absolute
 *   sys/              the view of /sys (ioas_pci_sysfs_write)
 *   dev/              an empty file for each node (ioas_node_at), e.g. dev/vfio/vfio
 *   selftest          empty; there when the machine is set selftest=on: the door then also stands
 *                     in for what a kernel built for its selftests has
 *   lock              empty; for locks between processes of one run
 *   counters/NAME     one file a block of counters (ioas_host_ops.counters), as it is in memory
 *   faults            struct ioas_fault records, appended by single write(2) calls
 *   refusals          struct ioas_run_refusal records of refused calls, likewise
 *   trace             a symbolic link to the file that gets a line for each event (ioas/trace.h),
 *                     by single write(2) calls that append; not there: nobody wants to know
 */
#ifndef IOAS_RUN_H
#define IOAS_RUN_H

#include <stdint.h>

/* The environment variable with the folder's absolute path. */
#define IOAS_RUN_DIR_ENV "IOAS_RUN_DIR"

#define IOAS_RUN_MACHINE  "machine"
#define IOAS_RUN_SELFTEST "selftest"
#define IOAS_RUN_LOCK	  "lock"
#define IOAS_RUN_COUNTERS "counters"
#define IOAS_RUN_FAULTS	  "faults"
#define IOAS_RUN_REFUSALS "refusals"
#define IOAS_RUN_TRACE	  "trace"

/*
 * Names of counter blocks: struct ioas_device_counters of one device, the ioctl counts, struct
 * ioas_memory_counters, and struct ioas_run_check_dirty, which is there when that is checked.
 */
#define IOAS_RUN_DEVICE_PREFIX "dev-"
#define IOAS_RUN_IOCTLS	       "ioctls"
#define IOAS_RUN_MEMORY	       "memory"
#define IOAS_RUN_CHECK_DIRTY   "check-dirty"

/* A file of records ends at this many; the counter blocks named here say how many there were. */
#define IOAS_RUN_LOG_MAX       65536
#define IOAS_RUN_FAULT_COUNT   "faults"
#define IOAS_RUN_REFUSAL_COUNT "refusals"

struct ioas_run_log_count {
	uint64_t recorded; /* every one */
	uint64_t dropped;  /* of them not in the file */
};

/* What the setting check-dirty has found. */
struct ioas_run_check_dirty {
	uint64_t bitmaps; /* readings of dirty bits that were compared */
	uint64_t pages;	  /* that had been written, in all of these */
	uint64_t missing; /* of them not told; each is a record IOAS_PASSED_UNTOLD */
	uint64_t unseen;  /* writes that could not be noted, for want of memory */
};

/* The counter block "trace", which is there when the link is. */
struct ioas_run_trace {
	uint64_t start_ns; /* CLOCK_REALTIME */
	uint64_t seq;	   /* of the newest line, of any process */
	uint64_t dropped;  /* lines that could not be written */
};

/* A call that was refused: open, mmap or ioctl. */
struct ioas_run_refusal {
	int32_t error;	/* errno */
	char text[220]; /* which call and why, one line */
};

#endif
