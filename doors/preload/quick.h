/* SPDX-License-Identifier: MIT */
/*
 * The short way in and out of the engine, for the call that programs make millions of times: no
 * system call, no lock, no read-modify-write.
 *
 * It blocks no signals. One that comes while the thread is inside is put off by signal_entry until
 * the thread is out; so no handler of the program's ever runs in the midst of the engine.
 */
#ifndef PRELOAD_QUICK_H
#define PRELOAD_QUICK_H

#include <errno.h>
#include <unistd.h>
#include "preload.h"

static inline void quick_set_inside(struct door_thread *self, uint32_t inside)
{
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&self->inside, inside, memory_order_release);
	atomic_signal_fence(memory_order_seq_cst);
}

/* Outside: what has been put off meanwhile is due. */
static inline void quick_out(struct door_thread *self)
{
	if (unlikely(self->held || atomic_load_explicit(&self->cancel, memory_order_relaxed)))
		thread_out(self);
}

/* False: take the long way, door_enter. */
static inline bool quick_enter(struct door_call *call)
{
	struct door_thread *self = door_self;

	if (unlikely(!self || door_vforks))
		return false;
	call->err = *self->errno_at;
	call->self = self;
	quick_set_inside(self, 1);
	if (likely(atomic_load_explicit(&door.page->quick, memory_order_relaxed))) {
		door_inside++;
		return true;
	}
	quick_set_inside(self, 0);
	quick_out(self);
	return false;
}

static inline void quick_leave(const struct door_call *call)
{
	struct door_thread *self = call->self;

	door_inside--;
	*self->errno_at = call->err;
	quick_set_inside(self, 0);
	quick_out(self);
}

/*
 * What the table says of fd, and it is not checked. The object stays until quick_unuse, one at a
 * time: a last close that begins after the slot has been read twice finds it in our record
 * (stand_retire). Numbers up to 2 are moved about by daemon() and its like inside libc.
 */
static inline struct door_obj *quick_use(struct door_thread *self, int fd)
{
	table_slot_t *slot = fd > STDERR_FILENO ? table_slot(fd) : NULL;
	struct door_obj *obj, *again;

	if (unlikely(!slot))
		return NULL;
	again = atomic_load_explicit(slot, memory_order_acquire);
	do {
		obj = again;
		atomic_store_explicit(&self->obj, obj, memory_order_relaxed);
		atomic_signal_fence(memory_order_seq_cst);
		again = atomic_load_explicit(slot, memory_order_acquire);
	} while (unlikely(again != obj));
	return obj;
}

static inline void quick_unuse(struct door_thread *self)
{
	atomic_store_explicit(&self->obj, NULL, memory_order_release);
	atomic_signal_fence(memory_order_seq_cst);
	if (unlikely(atomic_load_explicit(&door.dying, memory_order_relaxed)))
		stand_reap();
}

#endif
