/* SPDX-License-Identifier: MIT */
/*
 * Which memory of this process the windows stand for, and what happens to it when the program gives
 * it up.
 *
 * A window is one by itself (hosts.h) until some of its memory is moved, or it is cut so that a
 * part can be released: then it is *pieces*, and stays so. Both are kept in the order of their host
 * addresses, so that munmap and its like find out at once what they would take away. Pages that the
 * program gives up while a window stands for them are *hidden*: moved to a place that the program
 * does not know, where they stay until the last such window ends.
 */
#ifndef MEM_PINS_H
#define MEM_PINS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mem/hosts.h"
#include "util/tree.h"

struct inflight;
struct ioas_memory_change;
struct mem_part;
struct mem_shared;
struct mem_window;

/* What is known of memory that a window or a piece shows (proof.h), in one word. */
#define MEM_SHOWN	 ((uintptr_t)1) /* always: so it is no pointer */
#define MEM_UNPROVABLE	 ((uintptr_t)2)
#define MEM_PROVEN_WRITE ((uintptr_t)4) /* for writing, too */
#define MEM_PROVEN_SHIFT 32		/* in which process; 0: not */

struct mem_piece {
	struct tree_node node; /* by host; node.tag: hidden */
	uintptr_t max;	       /* end of the highest piece of the subtree */
	struct mem_window *window;
	struct mem_piece *after, **link; /* among the window's, by start */
	struct mem_piece *next;		 /* on a list at work, or free */
	uint64_t start, len;		 /* in the window */
	_Atomic uintptr_t host;		 /* of its first byte */
	uintptr_t to;			 /* where it is going, 0: it stays */
	_Atomic bool moving;		 /* readers: try again later */
	uintptr_t shown;		 /* MEM_SHOWN and more */
};

/*
 * The pieces of a window that are not all in one place, published whole and never changed. It has
 * the borders of all pieces; some of them may have been released since.
 */
struct mem_split {
	size_t nr, bytes;	/* pieces; bytes of this block */
	struct mem_split *next; /* to be freed */
	struct {
		uint64_t start, end;
		struct mem_piece *piece;
	} at[];
};

struct mem_pins {
	pthread_mutex_t lock;	     /* protects all but low, high, busy, wanted; and the map */
	struct hosts hosts;	     /* windows that are no pieces */
	struct tree tree;	     /* pieces by host */
	uint64_t changes;	     /* how often something went, or was told of any */
	_Atomic uintptr_t low, high; /* all that is shown lies in low..high-1; high is exact */
	_Atomic uint32_t busy;	     /* 1: pieces are moving (futex) */
	_Atomic uint32_t wanted;     /* somebody waits for that to end */
	struct pool nodes, pieces;   /* memory for both */
};

void pins_init(struct mem_pins *pins);
void pins_fini(struct mem_pins *pins);
/* As mem_window_cut; blocks out of use go to the list *old, to be freed after inflight_wait. */
int pins_cut(struct mem_pins *pins, struct mem_window *window, uint64_t off,
	     struct mem_split **old);
/* As mem_window_release. */
void pins_release(struct mem_pins *pins, struct mem_window *window, uint64_t start, uint64_t end);
/* Does a window perhaps show some of start..end-1? Lock-free; false is exact. */
static inline bool pins_maybe(const struct mem_pins *pins, uintptr_t start, uintptr_t end)
{
	return start < atomic_load_explicit(&pins->high, memory_order_relaxed) &&
	       end > atomic_load_explicit(&pins->low, memory_order_relaxed);
}

/* With the lock held. */

/*
 * A new window: sets its host and enters its pieces. 0; -ENOMEM. And its end, which never fails;
 * what the window published is freed by pins_free_splits, not locked.
 */
int pins_add(struct mem_pins *pins, struct mem_window *window, const struct mem_part *parts,
	     size_t nr);
void pins_remove(struct mem_pins *pins, struct mem_window *window);
static inline uintptr_t piece_host(const struct mem_piece *piece)
{
	return atomic_load_explicit(&piece->host, memory_order_relaxed);
}

static inline uintptr_t piece_end(const struct mem_piece *piece)
{
	return piece_host(piece) + piece->len;
}

/* The pieces of a window in several places, or NULL: it is in one, one piece after the other. */
struct mem_split *pins_split_of(struct mem_window *window);
/* The last piece that starts at or below `off`. */
size_t pins_piece_index(const struct mem_split *split, uint64_t off);
/* Puts a piece behind another of its window's, or (NULL) first. */
void pins_link(struct mem_window *window, struct mem_piece *before, struct mem_piece *piece);
/* A piece of a window, zeroed but for that, in no tree and no list. NULL: no memory. */
struct mem_piece *pins_piece_new(struct mem_pins *pins, struct mem_window *window);
/* Memory in whole pages, zeroed, not through malloc. */
void *pins_map_pages(size_t len);
void pins_enter(struct mem_pins *pins, struct mem_piece *piece);
void pins_take_out(struct mem_pins *pins, struct mem_piece *piece);
/* Adds a window by itself, which is in one place. 0; -ENOMEM. */
int pins_enter_window(struct mem_pins *pins, struct mem_window *window);
/* Does a window show some of start..end-1, where the program knows it? */
bool pins_meet(struct mem_pins *pins, uintptr_t start, uintptr_t end);
/*
 * Adds the pieces of a subtree that meet start..end-1 to the list that ends at `tail`, in order of
 * host; the list's new end. Hidden ones only if asked for.
 */
struct mem_piece **pins_collect(struct tree_node *node, uintptr_t start, uintptr_t end, bool hidden,
				struct mem_piece **tail);
/*
 * Makes pieces of windows that show some of a range, cuts those that are not hidden at both its
 * ends, and makes sure that all in it can be marked. Blocks out of use go to the list *old, to be
 * freed after inflight_wait. 0; -ENOMEM, and perhaps more pieces than before.
 */
int pins_prepare(struct mem_pins *pins, uintptr_t start, uintptr_t end, struct mem_split **old);
/* Makes the bounds of pins_maybe exact, where they have led to nothing. */
void pins_bound(struct mem_pins *pins);
void pins_free_splits(struct mem_split *split);

/*
 * How many owners have pinned the page at `host`, wherever `shared` shows it. 0; -ENOMEM. O(log n)
 * an address, and O(k log k) in the k windows that show it. Takes the lock.
 */
int pins_count(struct mem_pins *pins, const struct mem_shared *shared, uintptr_t host,
	       unsigned *out);

/* change.c */

/* As ioas_memory_change. */
long pins_change(struct mem_pins *pins, struct inflight *inflight,
		 const struct ioas_memory_change *change);
/* Waits while pieces are moving. Not in flight. */
void pins_wait(struct mem_pins *pins);

#endif
