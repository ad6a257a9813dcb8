/* SPDX-License-Identifier: MIT */
/*
 * An NVM Express 1.4 controller with one namespace behind a software IOMMU.
 *
 * Register accesses come from the program's threads, perhaps from inside a signal handler; they
 * note what was written and wake the *worker*, the controller's one thread. Queues, requests and
 * features belong to whoever has the *turn*: the worker while it is at work, or a thread that rings
 * a doorbell, for what can be done at once (direct.c). The worker starts with the first need,
 * sleeps in an eventfd when there is nothing to do, and is gone between suspend and the next need.
 *
 * A *request* is a command from its fetch to its completion. Its data is a list of *segments*
 * (IOVA ranges, from the PRPs). Drive I/O runs on the host spans of those segments, through
 * io_uring where the kernel lets us.
 *
 * Lock order: the turn -> nvme.lock -> (nothing of the engine but interrupts).
 */
#ifndef NVME_NVME_H
#define NVME_NVME_H

#include <pthread.h>
#include <stdatomic.h>
#include <ioas/model.h>
#include <ioas/pci.h>
#include <ioas/batch.h>
#include <liburing.h>
#include "nvme/drive.h"
#include "nvme/spec.h"
#include "nvme/turn.h"

#define NVME_IO_QUEUES	 64
#define NVME_QUEUES	 (NVME_IO_QUEUES + 1)
#define NVME_DOORBELLS	 (2 * NVME_QUEUES)
#define NVME_VECTORS	 NVME_QUEUES
#define NVME_QUEUE_MAX	 4096 /* entries */
#define NVME_MPS_MAX	 4    /* 64 KiB pages */
#define NVME_MDTS	 9    /* 2^9 pages of 4 KiB */
#define NVME_DATA_MAX	 (4096u << NVME_MDTS)
#define NVME_AER_MAX	 8
#define NVME_ERROR_LOG	 64
#define NVME_IN_FLIGHT	 256 /* requests, and ring entries */
#define NVME_FETCH	 64  /* commands read at a time: the largest read request has 4 KiB */
#define NVME_MSIX_TABLE	 0x2000
#define NVME_MSIX_PBA	 0x3000
#define NVME_PCI_VENDOR	 0x1234
#define NVME_PCI_DEVICE	 0x4e56
#define NVME_TEMPERATURE 310 /* kelvin, always */
#define NVME_FEATURES_NR 12
#define NVME_MASK_WORDS	 2 /* 64-bit words of a mask of queues */

typedef uint16_t nvme_status;

/* What can be under way for a request. ZERO and PUNCH: a range reads as zeroes afterwards. */
enum nvme_ring_op {
	NVME_RING_READ,
	NVME_RING_WRITE,
	NVME_RING_SYNC,
	NVME_RING_ZERO,
	NVME_RING_PUNCH,
};

struct nvme_seg {
	iova_t addr;
	uint64_t len;
};

struct nvme_req {
	struct nvme_req *next; /* free list, or a completion queue's backlog */
	struct nvme_sq *sq;
	struct nvme_cmd cmd;
	uint32_t dw0; /* result */
	nvme_status status;
	struct nvme_seg *seg;
	unsigned seg_nr, seg_cap;
	uint64_t len; /* bytes in all segments */
	struct ioas_dma dma;
	/* Drive I/O in progress. */
	enum nvme_ring_op op;
	unsigned pending; /* ranges that are being zeroed */
	int error;	  /* the first one of a range */
	uint64_t off;	  /* in the file */
	uint64_t done;
	bool sync; /* on stable storage before it completes */
	struct iovec *rest;
	unsigned rest_cap;
};

/* Of the turn but for what is atomic, which bar_write uses. size 0: no such queue. */
struct nvme_sq {
	uint16_t id;
	struct nvme_cq *cq;
	iova_t base;
	_Atomic uint32_t size;
	_Atomic uint32_t tail;
	uint32_t head;
	uint32_t in_flight;
	struct nvme_req *deleting; /* the Delete command that waits for in_flight 0 */
};

struct nvme_cq {
	uint16_t id;
	uint16_t vector;
	_Atomic bool ien;
	bool phase;
	bool asserting; /* (lock) counted in nvme.intx */
	iova_t base;
	_Atomic uint32_t size;
	_Atomic uint32_t head;
	_Atomic uint32_t tail;
	unsigned sq_nr;				 /* submission queues that post here */
	uint64_t sqs[NVME_MASK_WORDS];		 /* without those that are being deleted */
	struct nvme_req *backlog, **backlog_end; /* completions that wait for room */
};

/* shadow.c: pointers that a driver keeps in memory. Of the turn but for what is atomic. */
struct nvme_shadow {
	bool on;
	bool watched;	      /* the worker looks; no event is asked for */
	_Atomic bool blocked; /* bus mastering is off: nobody looks */
	iova_t pointers, events;
	uint64_t ids[NVME_MASK_WORDS]; /* I/O queues that exist, of either kind */
	uint32_t ignored[NVME_QUEUES]
			[2]; /* a tail and a head that mean nothing until they change */
};

/* watch.c: doorbells that a driver stores into memory. Of the turn but for what is atomic. */
enum { NVME_WATCH_OFF, NVME_WATCH_SETTLING, NVME_WATCH_ON };

struct nvme_watch {
	bool allowed;
	_Atomic uint32_t *word;		/* by doorbell, as in the BAR; constant once known */
	_Atomic uint32_t state;		/* NVME_WATCH_... */
	_Atomic bool wanted;		/* doorbells come quickly */
	uint32_t last[NVME_DOORBELLS];	/* the words, as they were looked at last */
	uint32_t known[NVME_DOORBELLS]; /* the queues' pointers then */
	uint64_t rung;			/* when, for whoever rang last */
	unsigned quick;			/* doorbells in quick succession */
	uint64_t found;			/* since it began: times that something was new */
	uint64_t ask_at;		/* when there are so many: was the worker preempted? */
	long preempted;			/* how often it was, when that was asked last */
	uint64_t rest, rests_until;	/* ns, and when: how long nothing is watched */
};

struct nvme {
	struct ioas_pci *pci;
	struct ioas_issuer *issuer; /* (turn) */
	struct ioas_atc *atc;	    /* constant; NULL: it has no ATS */
	struct nvme_drive drive;
	char serial[21]; /* constant */
	uint8_t uuid[16];

	pthread_mutex_t lock;
	pthread_cond_t flr_done;
	uint32_t aqa, intms;   /* (lock) */
	uint64_t asq, acq;     /* (lock) */
	_Atomic uint32_t cc;   /* (lock) for writing */
	_Atomic uint32_t csts; /* (lock) for writing */
	bool reset_wanted;     /* (lock) CC.EN went 1 -> 0 */
	bool flr_wanted;       /* (lock) */
	bool stop_wanted;      /* (lock) */
	bool running;	       /* (lock) the worker exists; else it is nobody's turn */
	struct nvme_turn turn;
	unsigned intx;		/* (lock) completion queues that want the pin high */
	pthread_t thread;	/* (lock) */
	int eventfd;		/* of the worker while it runs */
	_Atomic bool awake;	/* the worker looks at everything below before it sleeps */
	_Atomic bool attention; /* something under `lock` wants the worker */
	_Atomic uint32_t db_errors;
	_Atomic uint64_t db_sq[NVME_MASK_WORDS];
	_Atomic uint64_t db_cq[NVME_MASK_WORDS];

	/* From here on: of the turn, or of whoever holds the lock while there is no worker. */
	bool enabled;
	bool failed; /* CSTS.CFS: nothing is fetched or posted until a reset */
	bool dropping;
	_Atomic bool spins; /* looks for work a while before it sleeps */
	unsigned page_lg2;
	struct nvme_sq sq[NVME_QUEUES];
	struct nvme_cq cq[NVME_QUEUES];
	unsigned io_queues;		 /* of either kind, that exist */
	uint64_t ready[NVME_MASK_WORDS]; /* submission queues that may have commands */
	struct nvme_shadow shadow;
	uint64_t irq[NVME_MASK_WORDS]; /* completion queues that were posted to */
	struct nvme_cmd fetch[NVME_FETCH];
	struct nvme_req *free;
	unsigned busy;	  /* requests not on the free list, */
	unsigned waiting; /* of them in a completion queue's backlog */
	unsigned io_nr;	  /* drive I/O under way in the ring */

	struct io_uring ring;
	bool has_ring;
	bool ring_dirty; /* entries to submit */

	struct nvme_req *aer[NVME_AER_MAX]; /* held asynchronous event requests */
	unsigned aer_nr;
	uint32_t event_pending[NVME_EVENT_TYPES]; /* by what they say */
	bool event_masked[NVME_EVENT_TYPES];

	uint32_t feature[NVME_FEATURES_NR];
	uint32_t temp_under;
	uint32_t vector_config[NVME_VECTORS];
	struct nvme_error_entry error[NVME_ERROR_LOG];
	uint64_t error_nr;
	uint64_t read_sectors, written_sectors, host_reads, host_writes;
	uint64_t media_errors, power_cycles, unsafe_shutdowns;
	struct nvme_watch watch; /* last: what each read needs lies closer together without it */
};

/* ctrl.c: life, and the worker. */
/* Is there a worker? */
bool nvme_runs(struct nvme *nvme);
/* Makes the worker look at what changed, and starts it where there is none. */
void nvme_kick(struct nvme *nvme);
/* As nvme_kick for things under `lock`, which the caller holds. */
void nvme_attend_locked(struct nvme *nvme);
/* Everything back to after power-on but the registers. Nothing is in flight. With the lock. */
void nvme_clear_locked(struct nvme *nvme);
/* All registers as after power-on. With the lock. */
void nvme_registers_reset_locked(struct nvme *nvme);
/* Sets CSTS.CFS: the controller is dead until it is reset. */
void nvme_fail(struct nvme *nvme);

/* worker.c */
void *nvme_worker(void *nvme);
/* Is there something for a worker to do? */
bool nvme_work_waits(struct nvme *nvme);

/* shadow.c: with the turn. */
nvme_status nvme_shadow_config(struct nvme *nvme, const struct nvme_cmd *cmd);
/* A queue with that id, of either kind, is being made; and one has gone. */
void nvme_shadow_add(struct nvme *nvme, unsigned id, bool completion);
void nvme_shadow_drop(struct nvme *nvme, unsigned id);
void nvme_shadow_clear(struct nvme *nvme);
/* Takes what is new. True: a submission queue has become ready. */
bool nvme_shadow_look(struct nvme *nvme);
/* Asks for doorbells from now on, and looks. */
bool nvme_shadow_ask(struct nvme *nvme);
/* The same for one queue, unless the worker looks. */
bool nvme_shadow_ask_one(struct nvme *nvme, const struct nvme_sq *sq);

/* watch.c: with the turn, but for the last two, which are for bar_write. */
/* A doorbell has been rung. Do they come so quickly that the worker had better look? */
bool nvme_is_quick(struct nvme *nvme);
void nvme_watch_begin(struct nvme *nvme);
/* Of the worker: does it have no processor of its own, so that it had better end? */
bool nvme_watch_is_dear(struct nvme *nvme);
/* Takes what is new. True: a submission queue has become ready. */
bool nvme_watch_look(struct nvme *nvme);
/* From now on each doorbell is told; and the last look. */
bool nvme_watch_end(struct nvme *nvme);
/* A queue with that doorbell is made, or has gone: 0. */
void nvme_watch_set(struct nvme *nvme, unsigned index);
/* A doorbell by a call: true, if it is left to the worker. Else, when it has been done: follow. */
bool nvme_watch_takes_it(struct nvme *nvme, unsigned index, uint32_t value);
void nvme_watch_follow_it(struct nvme *nvme, unsigned index, uint32_t value);
static inline bool nvme_watch_takes(struct nvme *nvme, unsigned index, uint32_t value)
{
	return atomic_load(&nvme->watch.state) == NVME_WATCH_ON &&
	       nvme_watch_takes_it(nvme, index, value);
}
static inline void nvme_watch_follow(struct nvme *nvme, unsigned index, uint32_t value)
{
	if (atomic_load(&nvme->watch.state))
		nvme_watch_follow_it(nvme, index, value);
}

/* ats.c */
/* Makes the cache, if the IOMMU has ATS. 0; -ENOMEM. */
int nvme_ats_open(struct nvme *nvme);
void nvme_ats_reset(struct nvme *nvme);
void nvme_ats_close(struct nvme *nvme);
/* Sends data, by translated requests where that goes. As ioas_tlp_issue. */
int nvme_send(struct nvme *nvme, const struct ioas_tlp *tlp, uint8_t *buf);

/* regs.c */
/*
 * A queue's pointer, from a register or a shadow: false, and on record, if it cannot be. With
 * `known` only if it still is that; false else.
 */
bool nvme_sq_tail(struct nvme *nvme, struct nvme_sq *sq, uint32_t value, const uint32_t *known);
bool nvme_cq_head(struct nvme *nvme, struct nvme_cq *cq, uint32_t value, const uint32_t *known);
void nvme_bad_doorbell(struct nvme *nvme, enum nvme_event what);
uint64_t nvme_bar_read(void *model, unsigned bar, uint64_t off, unsigned size);
void nvme_bar_write(void *model, unsigned bar, uint64_t off, uint64_t value, unsigned size);

/*
 * direct.c: with the turn. Fetches, does and completes what can be done at once, at most so many
 * times; how many times it did.
 */
unsigned nvme_direct(struct nvme *nvme, struct nvme_sq *sq, unsigned rounds);
/* A doorbell has been rung: does what can be done at once, or has it done. Any thread. */
void nvme_rung(struct nvme *nvme, struct nvme_sq *sq);

/* queue.c: fetch, post, interrupt. */
/*
 * How many commands may be read at a time, of the `nr` that are there in one piece: what one read
 * request can ask for, which ends where a page of 4 KiB does.
 */
static inline uint32_t nvme_sq_burst(const struct nvme_sq *sq, uint32_t nr)
{
	uint32_t page = NVME_FETCH - sq->head % NVME_FETCH;

	return nr < page ? nr : page;
}
/* `nr` commands have been fetched. */
static inline void nvme_sq_advance(struct nvme_sq *sq, uint32_t nr)
{
	uint32_t size = atomic_load_explicit(&sq->size, memory_order_relaxed);

	sq->head += nr;
	if (sq->head >= size)
		sq->head -= size;
}
/*
 * Where the next completions go, `nr` of them, as many as the ring has before it wraps; the program
 * may answer them from now on.
 */
static inline iova_t nvme_cq_advance(struct nvme_cq *cq, uint32_t nr)
{
	uint32_t tail = atomic_load_explicit(&cq->tail, memory_order_relaxed);
	uint32_t next = tail + nr;

	if (next == atomic_load_explicit(&cq->size, memory_order_relaxed)) {
		next = 0;
		cq->phase = !cq->phase;
	}
	/* Before the program can see the entry, so that its answering doorbell is in range. */
	atomic_store_explicit(&cq->tail, next, memory_order_release);
	return cq->base + ((uint64_t)tail << NVME_CQE_LEN_LG2);
}
/* The second half of a completion: the queue's head, whose it is, the status, the phase. */
static inline uint64_t nvme_cqe_high(const struct nvme_sq *sq, uint16_t cid, nvme_status status)
{
	return sq->head | (uint64_t)sq->id << 16 | (uint64_t)cid << 32 |
	       (uint64_t)(uint16_t)(status << 1 | sq->cq->phase) << 48;
}
static inline void nvme_mask_set(uint64_t *mask, unsigned bit)
{
	mask[bit / 64] |= 1ull << bit % 64;
}
static inline void nvme_mask_clear(uint64_t *mask, unsigned bit)
{
	mask[bit / 64] &= ~(1ull << bit % 64);
}
/* Fetches and starts up to NVME_FETCH commands. True: did something. */
bool nvme_sq_run(struct nvme *nvme, struct nvme_sq *sq);
/* A completion queue's head moved: posts what waited. */
void nvme_cq_moved(struct nvme *nvme, struct nvme_cq *cq);
/* Ends a request with `status` and req->dw0: posts it and frees it. */
void nvme_finish(struct nvme *nvme, struct nvme_req *req, nvme_status status);
/* A free request for `sq`, NULL: no memory. */
struct nvme_req *nvme_req_get(struct nvme *nvme, struct nvme_sq *sq);
void nvme_req_put(struct nvme *nvme, struct nvme_req *req);
/* A submission queue is deleted and nothing of it in flight. */
void nvme_sq_gone(struct nvme *nvme, struct nvme_sq *sq);
/* Forgets completions that wait for room: those of `sq`, NULL: all. */
void nvme_cq_drop_backlog(struct nvme *nvme, struct nvme_cq *cq, const struct nvme_sq *sq);
/* Sends the interrupts that are due. */
void nvme_interrupt(struct nvme *nvme);
/* Puts the INTx pin where the queue wants it. Any thread; takes the lock, or has it. */
void nvme_intx_update(struct nvme *nvme, struct nvme_cq *cq);
void nvme_intx_update_locked(struct nvme *nvme, struct nvme_cq *cq);

/*
 * Command handlers return the status to complete with, or NVME_LATER when the request completes
 * by itself.
 */
#define NVME_LATER 0xffff
nvme_status nvme_admin(struct nvme *nvme, struct nvme_req *req);
nvme_status nvme_io(struct nvme *nvme, struct nvme_req *req);
nvme_status nvme_identify(struct nvme *nvme, struct nvme_req *req);
nvme_status nvme_get_log(struct nvme *nvme, struct nvme_req *req);
nvme_status nvme_get_features(struct nvme *nvme, struct nvme_req *req);
nvme_status nvme_set_features(struct nvme *nvme, struct nvme_req *req);
void nvme_features_reset(struct nvme *nvme);
static inline uint64_t nvme_slba(const struct nvme_cmd *cmd)
{
	return cmd->cdw10 | (uint64_t)cmd->cdw11 << 32;
}
/* Checks of a command on a range of blocks. */
nvme_status nvme_check_range(struct nvme *nvme, const struct nvme_cmd *cmd, bool data, bool write);
/* `nr` reads or writes, or the like, are done, of so many bytes together. */
void nvme_count_io(struct nvme *nvme, uint8_t opcode, uint32_t nr, uint64_t len);
/* An I/O of the request's spans ended: result bytes or -errno. */
void nvme_io_done(struct nvme *nvme, struct nvme_req *req, int64_t result);

/* event.c: asynchronous events. */
nvme_status nvme_async_event(struct nvme *nvme, struct nvme_req *req);
bool nvme_async_event_abort(struct nvme *nvme, uint16_t cid);
void nvme_event(struct nvme *nvme, enum nvme_event type, unsigned info);
void nvme_event_unmask(struct nvme *nvme, enum nvme_event type);
/* Completes held commands with what is pending. */
void nvme_event_deliver(struct nvme *nvme);

/* log.c */
void nvme_log_error(struct nvme *nvme, const struct nvme_sq *sq, const struct nvme_cmd *cmd,
		    nvme_status status);
void nvme_log_db_error(struct nvme *nvme);
uint8_t nvme_critical(const struct nvme *nvme);

/* feature.c */
bool nvme_write_cache(const struct nvme *nvme);

/* prp.c */
/* Fills req->seg with `len` bytes of data memory. NVME_SUCCESS, or why not. */
nvme_status nvme_prp(struct nvme *nvme, struct nvme_req *req, uint64_t len);
/* Lends all segments to req->dma. NVME_SUCCESS or NVME_DATA_TRANSFER_ERROR ... */
nvme_status nvme_lend(struct nvme *nvme, struct nvme_req *req, enum ioas_tlp_op op);
/* A place in the segments, for copies that move forward. */
struct nvme_cursor {
	unsigned seg;
	uint64_t off;
};
/* Copies `len` bytes between buf and the data memory and moves on. op as the device sees it. */
nvme_status nvme_copy(struct nvme *nvme, struct nvme_req *req, struct nvme_cursor *cursor,
		      void *buf, uint64_t len, enum ioas_tlp_op op);
void nvme_skip(struct nvme_req *req, struct nvme_cursor *cursor, uint64_t len);
/* PRPs and copy in one: sends `len` bytes of an answer. */
nvme_status nvme_answer(struct nvme *nvme, struct nvme_req *req, void *buf, uint64_t len);

/* ring.c: drive I/O under way. */
void nvme_ring_open(struct nvme *nvme);
void nvme_ring_close(struct nvme *nvme);
/* Starts I/O of the request's spans at req->off; nvme_io_done follows, perhaps at once. */
void nvme_ring_start(struct nvme *nvme, struct nvme_req *req, enum nvme_ring_op op);
/* The same for a range that is to read as zeroes; req->op says whether its room is given back. */
void nvme_ring_zero(struct nvme *nvme, struct nvme_req *req, uint64_t off, uint64_t len);
/*
 * Submits what was begun, and handles what ended; `wait`: at least one, if anything is under way.
 * True: did something.
 */
bool nvme_ring_reap(struct nvme *nvme, bool wait);
/* Shall the eventfd tell of ends? */
void nvme_ring_notify(struct nvme *nvme, bool on);
bool nvme_ring_waits(struct nvme *nvme);

#endif
