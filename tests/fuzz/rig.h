/* SPDX-License-Identifier: MIT */
/*
 * The engine and the model side by side: one machine, one program's memory and descriptors. Each
 * step is done by both, and whatever they answer differently ends the program with both answers.
 */
#ifndef TESTS_FUZZ_RIG_H
#define TESTS_FUZZ_RIG_H

#include <ioas/ats.h>
#include <ioas/door.h>
#include <ioas/pci.h>
#include <ioas/uapi/vfio.h>
#include "fuzz.h"
#include "input.h"
#include "machine.h"

/* Pages of the program: writable, then read-only, then none. */
#define RIG_WRITABLE 26u
#define RIG_PAGES    30u
#define RIG_ARENA    34u
#define RIG_BITMAP   4096u
/* Files: two that grow and shrink, one sealed, one that ends inside a page, one without memory. */
#define RIG_FILES   5u
#define RIG_SHARED  2u
#define RIG_FILE_NR 6u /* pages at most */
#define RIG_QUEUES  6u
#define RIG_ASKED   64u
#define RIG_OLD	    8u
#define RIG_NODES   64u

struct rig_device {
	struct rig *rig;
	struct ioas_pci *pci;
	struct ioas_issuer *issuer; /* for all of its life, so that it remembers */
	unsigned index;
	struct ioas_tlp last; /* the newest that passed; len 0: none yet */
	/* What it was asked to give back since somebody has looked. */
	struct ioas_ats_invalidation asked[RIG_ASKED];
	unsigned asked_nr;
	struct m_answer heard[RIG_ASKED]; /* likewise */
	unsigned heard_nr;
	struct m_held old[RIG_OLD]; /* what it had once */
	unsigned old_nr;
	uint8_t regs[M_BAR];
	unsigned resets;
};

struct rig {
	struct ioas_caller caller; /* first */
	struct input in;
	struct model model;
	struct ioas_iommu *iommu;
	struct ioas_file *ctx[M_CTXS];
	struct ioas_file *cdev[M_DEVS][2];
	int granted[M_DEVS]; /* which of the two is bound, -1: none */
	struct rig_device device[M_DEVS];
	struct ioas_node node[RIG_NODES]; /* those of the machine, once that they were asked for */
	unsigned node_nr;
	bool nodes_known;
	bool privileged;
	bool checked; /* with the engine's own checks of invalidation and dirty bits */
	uint64_t fault_seq;
	struct ioas_why why;
	unsigned step;
	unsigned touched; /* the device of the newest step that changed one */
	char doing[256];  /* what is being tried, in words */
	bool aloud;	  /* tell each step (FUZZ_ALOUD) */
	uint8_t *arena, *bitmap;
	int file[RIG_FILES];	  /* descriptors; memory i + 1 of the model */
	uint8_t *seen[RIG_FILES]; /* what they have, or NULL */
	/* Descriptors of queues that the engine has made; ids in a context. */
	struct rig_queue {
		struct ioas_file *file;
		unsigned ctx;
		uint32_t id;
	} queue[RIG_QUEUES];
	struct ioas_batch *batch; /* that TLPs are to go into, or NULL */
	uint64_t noise;		  /* of what devices write */
};

/* It has translations of its own (ops_ats.c). */
void rig_open_ats(struct rig_device *dev);
void rig_step_ats(struct rig *rig);
/* By whoever has it. */
void rig_reset(struct rig *rig, unsigned dev);
/* It requests pages (ops_pri.c). */
void rig_open_pri(struct rig_device *dev);
void rig_step_pri(struct rig *rig);
/* `all`: also what became of those that nobody was told of, which takes long in debug builds. */
void rig_check_answers(struct rig *rig, bool all);
/* What was taken back was asked for, and nothing else. */
void rig_check_asked(struct rig *rig);

struct rig *rig_new(const uint8_t *data, size_t len, bool checked);
void rig_destroy(struct rig *rig);

/* What is being tried, for people. */
void rig_say(struct rig *rig, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Ends the program: `what` should have been `want`, and was `got`. */
_Noreturn void rig_differs(const struct rig *rig, const char *what, long long got, long long want);
static inline void rig_expect(const struct rig *rig, const char *what, long long got,
			      long long want)
{
	if (__builtin_expect(got != want, 0))
		rig_differs(rig, what, got, want);
}

/* An ioctl, counted; every refusal has a reason. */
long rig_ioctl(struct rig *rig, struct ioas_file *file, unsigned long cmd, const void *arg);
/* All memory and registers are as the model has them. */
void rig_compare(struct rig *rig);
void rig_compare_regs(struct rig *rig);
/* What nested IOASes say of themselves. */
void rig_compare_nested(struct rig *rig);

/* Files to be mapped (files.c), each time the same. */
void rig_files_new(struct rig *rig);
void rig_files_destroy(struct rig *rig);
/* A shared one gets another length. */
void rig_truncate(struct rig *rig, unsigned file, unsigned page_nr);

/* The number that stands for a file in this program's ioctls. */
int rig_ctx_fd(unsigned ctx);
int rig_cdev_fd(unsigned dev, unsigned which);
unsigned rig_queue_of(uint32_t fd);

/* Choices: an open context or -1; an IOVA, often of something that is mapped. */
int rig_pick_ctx(struct rig *rig);
uint64_t rig_pick_iova(struct rig *rig, const struct m_ioas *ioas);
uint64_t rig_pick_len(struct rig *rig);

void rig_step_ioctl(struct rig *rig);  /* spaces and page tables (ops_ioctl.c) */
void rig_step_device(struct rig *rig); /* descriptors and devices (ops_device.c) */
void rig_step_tlp(struct rig *rig);    /* requests (ops_tlp.c) */
/* What passed a moment ago is sent again: by the device that was just changed, or by any. */
void rig_step_again(struct rig *rig, bool touched);
/* A loan over which dirty bits are read. */
void rig_step_loan(struct rig *rig);
/* The dirty bitmap of a page table, compared. */
void rig_read_dirty(struct rig *rig, unsigned ctx, uint32_t hwpt);
/* These are there at once, and succeed: ids. */
uint32_t rig_make_ioas(struct rig *rig, unsigned ctx);
void rig_make_mapping(struct rig *rig, unsigned ctx, uint32_t ioas, uint32_t flags, unsigned page,
		      unsigned nr, uint64_t iova);
void rig_make_file_mapping(struct rig *rig, unsigned ctx, uint32_t ioas, unsigned file,
			   unsigned page, unsigned nr, uint64_t iova);
/* The one that VFIO's ioctls are for; TYPE1 forbids it large leaves. */
void rig_make_compat(struct rig *rig, unsigned ctx, uint32_t ioas, bool type1);
uint32_t rig_make_nested(struct rig *rig, unsigned ctx, uint32_t parent);
/* A space with a guest's memory and its tables; two nested page tables for a device. */
uint32_t rig_make_guest(struct rig *rig, unsigned ctx);
void rig_nest(struct rig *rig, unsigned ctx, uint32_t dev, uint32_t ioas, bool five,
	      uint32_t out[2]);
/* A space with another guest's memory, a viommu on it with a queue, and what devices attach to. */
uint32_t rig_make_fault(struct rig *rig, unsigned ctx);
uint32_t rig_make_arm_guest(struct rig *rig, unsigned ctx);
uint32_t rig_nest_arm(struct rig *rig, unsigned ctx, uint32_t dev, uint32_t ioas, bool two);
/* What is in the queues. */
void rig_compare_queues(struct rig *rig);
/* Nothing of the guests' tables is remembered any more; false: that cannot be. */
bool rig_invalidate(struct rig *rig);
/* `fault`: its queue of page requests; 0: none. */
uint32_t rig_make_hwpt(struct rig *rig, unsigned ctx, uint32_t dev, uint32_t ioas, uint32_t flags,
		       uint32_t fault);
/* Some descriptors, devices, mappings and routes to begin with. */
void rig_prologue(struct rig *rig);

#endif
