/* SPDX-License-Identifier: MIT */
/*
 * What the made-up engine behind the door under test can be asked to do, and what it tells.
 */
#ifndef FAKE_ENGINE_H
#define FAKE_ENGINE_H

#include <stdint.h>

#define FAKE_DEVICE  "0000:01:00.0"
#define FAKE_BAR_LEN 0x4000
#define FAKE_LENT_AT 0x10000	/* what /dev/iommu lends: at this offset, FAKE_BAR_LEN long */
#define FAKE_EVENT   "occurred" /* what there always is to read in a queue */

enum fake_ioctl {
	FAKE_ANSWER = 1, /* 42 */
	FAKE_KIND,	 /* of the descriptor arg: enum ioas_node_kind */
	FAKE_SIGNAL,	 /* takes the eventfd arg and writes 1 to it; again with arg -1 */
	FAKE_READ,	 /* reads a byte at arg: its value, or EFAULT */
	FAKE_FAULT,	 /* records a fault */
	FAKE_DECODE_OFF, /* the BAR does not answer: EIO */
	FAKE_DECODE_ON,
	FAKE_THREAD,	/* what a thread of the engine finds: enum fake_thread, ored */
	FAKE_DEVICE_FD, /* a group's: a new descriptor for its device */
	FAKE_QUEUE,	/* a new descriptor for a file of kind arg */
	FAKE_POINTS,	/* passes arg points of failure; ENOMEM if one failed */
	FAKE_TRACE,	/* tells an event; EINVAL when nobody wants to know */
	FAKE_READY,	/* a queue's: it has something to read (arg 1), or nothing more (0) */
};

enum fake_thread {
	FAKE_BLOCKED = 1, /* program signals are blocked */
	FAKE_FAULTS = 2,  /* SIGSEGV is not */
	FAKE_HIGH = 4,	  /* a file it opens gets a number out of the way, and can be closed */
};

/* In RUN/counters/fake. */
struct fake_log {
	_Atomic uint64_t machines, opens, closes, suspends, resumes;
	_Atomic uint64_t reads, writes;	 /* accesses to the BAR */
	_Atomic uint64_t off, size;	 /* of the newest one */
	_Atomic uint64_t pinned, locked; /* set by the test: the accounting's answer */
	_Atomic uint64_t mapped;	 /* bytes of lent memory that are mapped */
	unsigned char bar[FAKE_BAR_LEN];
};

#endif
