/* SPDX-License-Identifier: MIT */
/*
 * The pieces of all windows by host address, and those of one window by offset.
 *
 * The program may be inside malloc when it unmaps: nothing here allocates but pages.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include "mem/mem.h"
#include "util/lock.h"
#include "util/sys.h"

static struct mem_piece *piece_of(const struct tree_node *node)
{
	return tree_entry((struct tree_node *)(uintptr_t)node, struct mem_piece, node);
}

static bool update(struct tree_node *node)
{
	struct mem_piece *piece = piece_of(node);
	uintptr_t max = piece_end(piece), old = piece->max;

	for (int side = 0; side < 2; side++)
		if (node->child[side] && piece_of(node->child[side])->max > max)
			max = piece_of(node->child[side])->max;
	piece->max = max;
	return max != old;
}

/*
 * What is shown has come or gone, from `start` on. Who must see the bounds has seen the call that
 * pinned return, or is too early in any case. When the lowest goes, the bound stays, which is too
 * low then, until somebody is led astray by it: what is unmapped in order would look for the next
 * each time.
 */
static void bounds(struct mem_pins *pins, uintptr_t start)
{
	struct tree_node *root = pins->tree.root;
	uintptr_t low = atomic_load_explicit(&pins->low, memory_order_relaxed);
	uintptr_t high = pins->hosts.high;

	if (root && piece_of(root)->max > high)
		high = piece_of(root)->max;
	if (!high)
		low = UINTPTR_MAX;
	else if (start < low)
		low = start;
	atomic_store_explicit(&pins->low, low, memory_order_relaxed);
	atomic_store_explicit(&pins->high, high, memory_order_relaxed);
}

void pins_bound(struct mem_pins *pins)
{
	struct tree_node *first = tree_end(&pins->tree, 0);
	uintptr_t low = hosts_low(&pins->hosts);

	lock_must_hold(&pins->lock);
	if (first && piece_host(piece_of(first)) < low)
		low = piece_host(piece_of(first));
	atomic_store_explicit(&pins->low, low, memory_order_relaxed);
}

void pins_enter(struct mem_pins *pins, struct mem_piece *piece)
{
	struct tree_node *parent = NULL, *node = pins->tree.root;
	int side = 0;

	while (node) {
		parent = node;
		side = piece_host(piece) >= piece_host(piece_of(node));
		node = node->child[side];
	}
	piece->max = 0;
	tree_insert(&pins->tree, &piece->node, parent, side);
	bounds(pins, piece_host(piece));
}

void pins_take_out(struct mem_pins *pins, struct mem_piece *piece)
{
	tree_remove(&pins->tree, &piece->node);
	bounds(pins, piece_host(piece));
}

/* Adds the pieces that meet start..end-1 to the list that ends at `tail`, in order; the new end. */
struct mem_piece **pins_collect(struct tree_node *node, uintptr_t start, uintptr_t end, bool hidden,
				struct mem_piece **tail)
{
	struct mem_piece *piece;

	if (!node || piece_of(node)->max <= start)
		return tail;
	piece = piece_of(node);
	tail = pins_collect(node->child[0], start, end, hidden, tail);
	if (piece_host(piece) >= end)
		return tail;
	if (piece_end(piece) > start && (hidden || !node->tag)) {
		piece->next = NULL;
		*tail = piece;
		tail = &piece->next;
	}
	return pins_collect(node->child[1], start, end, hidden, tail);
}

bool pins_meet(struct mem_pins *pins, uintptr_t start, uintptr_t end)
{
	struct hosts_walk walk = {.start = start, .end = end};
	struct mem_piece *list = NULL;

	if (hosts_next(&pins->hosts, &walk))
		return true;
	pins_collect(pins->tree.root, start, end, false, &list);
	return list;
}

void *pins_map_pages(size_t len)
{
	long rc = sys_call(SYS_mmap, NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);

	return sys_failed(rc) ? NULL : (void *)rc;
}

void pins_init(struct mem_pins *pins)
{
	memset(pins, 0, sizeof(*pins));
	lock_init(&pins->lock, LOCK_PINS);
	pool_init(&pins->nodes, hosts_node_size());
	pool_init(&pins->pieces, sizeof(struct mem_piece));
	hosts_init(&pins->hosts, &pins->nodes);
	pins->tree.update = update;
	atomic_init(&pins->low, UINTPTR_MAX);
	lock_guards(&pins->lock, &pins->hosts, &pins->low);
}

void pins_free_splits(struct mem_split *split)
{
	while (split) {
		struct mem_split *next = split->next;

		sys_call(SYS_munmap, split, split->bytes);
		split = next;
	}
}

void pins_fini(struct mem_pins *pins)
{
	pool_fini(&pins->nodes);
	pool_fini(&pins->pieces);
	pthread_mutex_destroy(&pins->lock);
}

struct mem_piece *pins_piece_new(struct mem_pins *pins, struct mem_window *window)
{
	struct mem_piece *piece = pool_take(&pins->pieces);

	if (piece) {
		memset(piece, 0, sizeof(*piece));
		piece->window = window;
		piece->shown = MEM_SHOWN;
	}
	return piece;
}

/* Unmaps what of a hidden piece no other piece shows. It is not in the tree. */
static void release(struct mem_pins *pins, struct mem_piece *piece)
{
	struct mem_piece *others = NULL;
	uintptr_t at = piece_host(piece), end = piece_end(piece);

	pins_collect(pins->tree.root, at, end, true, &others);
	for (; others && at < end; others = others->next) {
		if (piece_host(others) > at)
			sys_call(SYS_munmap, at, piece_host(others) - at);
		if (piece_end(others) > at)
			at = piece_end(others);
	}
	if (at < end)
		sys_call(SYS_munmap, at, end - at);
}

struct mem_split *pins_split_of(struct mem_window *window)
{
	uintptr_t host = atomic_load_explicit(&window->host, memory_order_acquire);

	return host & MEM_SPLIT ? (struct mem_split *)(host - MEM_SPLIT) : NULL;
}

void pins_link(struct mem_window *window, struct mem_piece *before, struct mem_piece *piece)
{
	piece->link = before ? &before->after : &window->pieces;
	piece->after = *piece->link;
	*piece->link = piece;
	if (piece->after)
		piece->after->link = &piece->after;
}

static void unlink_piece(struct mem_piece *piece)
{
	*piece->link = piece->after;
	if (piece->after)
		piece->after->link = piece->link;
}

/* A piece that stands for nothing any more; what it hid goes, unless others show it. */
static void drop(struct mem_pins *pins, struct mem_piece *piece)
{
	unlink_piece(piece);
	pins_take_out(pins, piece);
	pins->changes++;
	if (piece->node.tag)
		release(pins, piece);
	pool_give(&pins->pieces, piece);
}

/* Where a window begins that is in one place. */
static uintptr_t window_host(const struct mem_window *window)
{
	return atomic_load_explicit(&window->host, memory_order_relaxed);
}

int pins_enter_window(struct mem_pins *pins, struct mem_window *window)
{
	uintptr_t host = window_host(window);
	int rc = hosts_insert(&pins->hosts, host, host + window->len, window);

	if (!rc)
		bounds(pins, host);
	return rc;
}

static __attribute__((noinline)) void drop_all(struct mem_pins *pins, struct mem_window *window)
{
	while (window->pieces)
		drop(pins, window->pieces);
}

void pins_remove(struct mem_pins *pins, struct mem_window *window)
{
	if (!mem_window_is_one(window)) {
		drop_all(pins, window);
		return;
	}
	hosts_remove(&pins->hosts, window_host(window), window);
	bounds(pins, UINTPTR_MAX);
	pins->changes++;
}

/* A window by itself becomes a piece, which can be cut, moved and hidden. 0; -ENOMEM. */
static int to_piece(struct mem_pins *pins, struct mem_window *window)
{
	struct mem_piece *piece = pins_piece_new(pins, window);

	if (!piece)
		return -ENOMEM;
	piece->len = window->len;
	piece->shown = window->shown;
	atomic_init(&piece->host, window_host(window));
	hosts_remove(&pins->hosts, piece_host(piece), window);
	window->pieces = NULL;
	pins_link(window, NULL, piece);
	pins_enter(pins, piece);
	return 0;
}

/* The last piece that starts at or below `off`. */
size_t pins_piece_index(const struct mem_split *split, uint64_t off)
{
	size_t first = 0, end = split->nr;

	while (end - first > 1) {
		size_t mid = first + (end - first) / 2;

		if (split->at[mid].start <= off)
			first = mid;
		else
			end = mid;
	}
	return first;
}

/* A piece's own length may shrink while this runs: the block's copy of the borders counts. */
void *mem_window_piece(struct mem_window *window, uint64_t off, uint64_t *len)
{
	struct mem_split *split = pins_split_of(window);
	size_t i = pins_piece_index(split, off);
	struct mem_piece *piece = split->at[i].piece;
	uint64_t end = split->at[i].end;

	if (atomic_load_explicit(&piece->moving, memory_order_acquire))
		return NULL;
	if (*len > end - off)
		*len = end - off;
	return (void *)(piece_host(piece) + (off - split->at[i].start));
}

/* Publishes a window's pieces; `extra` (or none) is about to be the end of the one before it. */
static int publish(struct mem_window *window, struct mem_piece *extra, struct mem_split **old)
{
	struct mem_split *was = pins_split_of(window), *split;
	struct mem_piece *piece;
	size_t nr = 0, bytes;

	for (piece = window->pieces; piece; piece = piece->after)
		nr++;
	bytes = sizeof(*split) + nr * sizeof(split->at[0]);
	split = pins_map_pages(bytes);
	if (!split)
		return -ENOMEM;
	split->nr = nr;
	split->bytes = bytes;
	nr = 0;
	for (piece = window->pieces; piece; piece = piece->after, nr++) {
		split->at[nr].piece = piece;
		split->at[nr].start = piece->start;
		split->at[nr].end =
			extra && piece->after == extra ? extra->start : piece->start + piece->len;
	}
	atomic_store_explicit(&window->host, (uintptr_t)split + MEM_SPLIT, memory_order_release);
	if (was) {
		was->next = *old;
		*old = was;
	}
	return 0;
}

/*
 * Cuts a piece in two where `host` is inside it. In a window that is in one place nobody looks for
 * pieces by offset, so that nothing need be published for a cut alone.
 */
static int cut(struct mem_pins *pins, struct mem_piece *piece, uintptr_t host, bool always,
	       struct mem_split **old)
{
	uint64_t len = host - piece_host(piece);
	struct mem_piece *rest;

	if (host <= piece_host(piece) || host >= piece_end(piece))
		return 0;
	rest = pins_piece_new(pins, piece->window);
	if (!rest)
		return -ENOMEM;
	rest->start = piece->start + len;
	rest->len = piece->len - len;
	rest->node.tag = piece->node.tag;
	atomic_init(&rest->host, host);
	pins_link(piece->window, piece, rest);
	if ((always || pins_split_of(piece->window)) && publish(piece->window, rest, old)) {
		unlink_piece(rest);
		pool_give(&pins->pieces, rest);
		return -ENOMEM;
	}
	piece->len = len;
	tree_refresh(&pins->tree, &piece->node);
	pins_enter(pins, rest);
	return 0;
}

/* Cuts pieces at both ends of a range, and sees that all in it can be marked. */
int pins_prepare(struct mem_pins *pins, uintptr_t start, uintptr_t end, struct mem_split **old)
{
	struct hosts_walk walk = {.start = start, .end = end};
	struct mem_piece *list = NULL;
	struct mem_window *window;
	int rc = 0;

	while (!rc && (window = hosts_next(&pins->hosts, &walk)))
		rc = to_piece(pins, window);
	pins_collect(pins->tree.root, start, end, false, &list);
	for (; list && !rc; list = list->next) {
		rc = cut(pins, list, end, true, old);
		if (!rc)
			rc = cut(pins, list, start, true, old);
		if (!rc && !pins_split_of(list->window))
			rc = publish(list->window, NULL, old);
	}
	return rc;
}

/* The piece, of a window's, that has byte `off`, which is not released. */
static struct mem_piece *piece_at(struct mem_pins *pins, struct mem_window *window, uint64_t off)
{
	struct mem_split *split = pins_split_of(window);
	struct mem_piece *list = NULL;
	uintptr_t host;

	if (split)
		return split->at[pins_piece_index(split, off)].piece;
	host = window_host(window) + off;
	pins_collect(pins->tree.root, host, host + 1, true, &list);
	while (list->window != window)
		list = list->next;
	return list;
}

int pins_cut(struct mem_pins *pins, struct mem_window *window, uint64_t off, struct mem_split **old)
{
	struct mem_piece *piece;
	int rc = 0;

	if (!off || off == window->len)
		return 0;
	pthread_mutex_lock(&pins->lock);
	if (mem_window_is_one(window))
		rc = to_piece(pins, window);
	if (!rc) {
		piece = piece_at(pins, window, off);
		rc = cut(pins, piece, piece_host(piece) + (off - piece->start), false, old);
	}
	pthread_mutex_unlock(&pins->lock);
	return rc;
}

void pins_release(struct mem_pins *pins, struct mem_window *window, uint64_t start, uint64_t end)
{
	struct mem_piece *piece, *after;

	pthread_mutex_lock(&pins->lock);
	for (piece = piece_at(pins, window, start); piece && piece->start < end; piece = after) {
		after = piece->after;
		drop(pins, piece);
	}
	pthread_mutex_unlock(&pins->lock);
}
