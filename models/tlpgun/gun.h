/* SPDX-License-Identifier: MIT */
/*
 * Inside the gun. Whatever its bus, it is a *buffer*, a *burst* of TLPs whose data is in there, and
 * a shared *queue* of work items, each of which has a PASID of its own. One thread, the *worker*,
 * sends for both; it starts with the first need, sleeps when there is nothing, and is gone between
 * suspend and the next need. The library's single TLPs are sent by their callers.
 *
 *   core.c    life: made, started, reset, suspended, ended; bursts as the library starts them
 *   worker.c  the worker, and bursts
 *   item.c    work items
 *   ats.c     translated requests, and requests for pages
 *   regs.c    registers, buffer and portals as BARs
 *   pci.c     the function, and its keys
 *   stream.c  the twin on a platform bus
 *
 * Locks. `lock` is short: no TLP and no interrupt is sent under it. Reset and stop take it and
 * wait, on `idle`, until the worker is back from what it sends without it.
 */
#ifndef TLPGUN_GUN_H
#define TLPGUN_GUN_H

#include <pthread.h>
#include <stdatomic.h>
#include <ioas/ats.h>
#include <ioas/model.h>
#include <ioas/pri.h>
#include <ioas/tlpgun.h>

#define GUN_BUF_LEN	65536u
#define GUN_DEPTH	16u
#define GUN_DEPTH_MAX	65535u
#define GUN_PORTALS	4u
#define GUN_PORTALS_MAX 64u
#define GUN_MSIX_TABLE	0x2000
#define GUN_MSIX_PBA	0x3000
#define GUN_REGS_LEN	0x4000
#define GUN_CHUNK	4096u /* bytes a TLP of a work item */

struct gun_portal {
	uint8_t stage[64]; /* what was written so far */
	uint32_t result;   /* enum ioas_tlpgun_result */
	uint64_t accepted, retried;
};

/* An issuer for a caller of the library, kept for the next one. */
struct gun_caller {
	struct ioas_issuer *issuer;
	struct gun_caller *next;
};

/* The registers that are written. */
struct gun_regs {
	uint64_t addr, len, count, stride, buf, buf_stride;
	uint32_t ctrl, pasid, rid, vector;
};

struct gun_shape {
	uint64_t buf_len;
	unsigned depth; /* 0: no shared queue */
	unsigned portal_nr;
	unsigned pasid_lg2;
	bool ats;
	unsigned page_request_nr; /* 0: none */
};

struct ioas_tlpgun {
	struct ioas_device *dev; /* constant, as is all up to lock */
	struct ioas_pci *pci;	 /* NULL: on a platform bus */
	struct gun_shape shape;
	uint8_t *buf;
	uint8_t *chunk;		    /* the worker's, GUN_CHUNK bytes */
	struct ioas_issuer *issuer; /* the worker's */
	struct ioas_atc *atc;	    /* NULL: it has no ATS */
	bool pages;		    /* it can request pages */

	pthread_mutex_t lock;
	pthread_cond_t work;	    /* there is some, or the worker shall end */
	pthread_cond_t idle;	    /* the worker came back, a caller did, a reset ended */
	pthread_cond_t answered;    /* a group of page requests was, or the worker shall leave */
	pthread_t thread;	    /* (lock) */
	bool running;		    /* (lock) there is a worker */
	bool ending;		    /* (lock) it shall end */
	bool resetting;		    /* (lock) nothing is begun */
	struct gun_regs regs;	    /* (lock) */
	struct gun_portal *portals; /* (lock) */
	struct gun_caller *callers; /* (lock) those that nobody uses */
	unsigned calling;	    /* (lock) calls of the library under way */
	_Atomic bool halt;	    /* (lock) for writing: the worker shall leave the burst */
	_Atomic bool drop;	    /* (lock) for writing: and give up its work item */

	/* The burst. */
	bool on;			  /* (lock) it goes on */
	bool stopping;			  /* (lock) the worker shall end it */
	bool shooting;			  /* (lock) the worker is at it */
	bool ended;			  /* (lock) */
	bool invalid;			  /* (lock) the doorbell asked for what cannot be sent */
	bool again;			  /* (lock) */
	uint64_t at;			  /* (lock) the next TLP of it */
	uint16_t reason;		  /* (lock) */
	uint64_t record;		  /* (lock) */
	struct ioas_tlpgun_burst burst;	  /* constant while `on` or `shooting` */
	_Atomic uint64_t passed, faulted; /* the worker's, to be read by anybody */

	/* Translations and pages. */
	_Atomic uint32_t ats_ctrl;   /* enum ioas_tlpgun_ats_ctrl */
	bool untranslatable;	     /* (lock) */
	uint16_t group;		     /* the worker's: the newest group's index */
	bool waiting;		     /* (lock) for the answer to it */
	enum ioas_page_code code;    /* (lock) that answer */
	uint64_t requested, refused; /* (lock) */

	/* The queue: a ring. An item stays in it until it has ended. */
	struct ioas_tlpgun_item *item;
	uint32_t first, queued; /* (lock) */
	uint64_t items;		/* (lock) */
	bool hold;		/* (lock) */
	bool serving;		/* (lock) the worker is at item[first] */
};

/* core.c */
/* Makes one for a device that is to come (gun_arm). 0; -ENOMEM. */
int gun_new(const struct gun_shape *shape, struct ioas_tlpgun **out);
/* Gives it the device and the worker's issuer. 0; -ENOMEM. */
int gun_arm(struct ioas_tlpgun *gun, struct ioas_device *dev);
/* Ends the worker; nothing else may be under way. */
void gun_free(struct ioas_tlpgun *gun);
/* As after power-on; on return nothing it began is in flight. */
void gun_reset(struct ioas_tlpgun *gun);
void gun_suspend(struct ioas_tlpgun *gun);
void gun_resume(struct ioas_tlpgun *gun);
/* Makes sure that there is a worker: 0; -EAGAIN. (lock) */
int gun_start_locked(struct ioas_tlpgun *gun);
/* As ioas_tlpgun_start. (lock) */
int gun_burst_locked(struct ioas_tlpgun *gun, const struct ioas_tlpgun_burst *burst, bool again);
/* Ends the burst without waiting. (lock) */
void gun_halt_locked(struct ioas_tlpgun *gun);
bool gun_busy_locked(const struct ioas_tlpgun *gun);
void gun_interrupt(struct ioas_tlpgun *gun, bool wanted, unsigned vector);

/* worker.c */
void *gun_worker(void *gun);

/* item.c */
/* As ioas_tlpgun_enqueue. (lock) */
int gun_enqueue_locked(struct ioas_tlpgun *gun, const void *item);
/* Does all of it, its completion record included. The worker's, without the lock. */
void gun_item_run(struct ioas_tlpgun *gun, const struct ioas_tlpgun_item *item);

/* ats.c */
/* Opens what the device has; of a shape without ATS nothing. 0; -ENOMEM. */
int gun_ats_open(struct ioas_tlpgun *gun);
void gun_ats_close(struct ioas_tlpgun *gun);
/*
 * Sends one TLP of the burst, `len` bytes of which go by translations, requesting pages as the
 * burst says. The worker's, without the lock. 0; -EFAULT on record; -ENXIO given up, without a
 * record; -EINTR the worker shall leave: begin again later.
 */
int gun_ats_send(struct ioas_tlpgun *gun, const struct ioas_tlp *tlp, uint8_t *buf);

/* regs.c: ops of the function. */
uint64_t gun_bar_read(void *model, unsigned bar, uint64_t off, unsigned size);
void gun_bar_write(void *model, unsigned bar, uint64_t off, uint64_t value, unsigned size);

#endif
