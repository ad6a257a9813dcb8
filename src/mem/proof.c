/* SPDX-License-Identifier: MIT */
/* Proofs that memory is there, by pieces that show it. */
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <ioas/door.h>
#include "iommu.h"
#include "mem/account.h"
#include "mem/mem.h"
#include "mem/proof.h"
#include "mem/same.h"
#include "util/lock.h"

#define PIECES_MAX 64u /* that are looked at */

enum answer {
	UNKNOWN,
	COVERED, /* pieces show all of it: asked now, they have a proof */
	PROVEN,
};

struct look {
	uintptr_t start, end;
	bool write;
	pid_t self;
	uintptr_t covered, proven; /* up to where */
	unsigned left;
	/* What is seen goes by host address: windows by themselves stand between pieces. */
	const struct hosts *hosts;
	struct hosts_walk walk;
	const struct mem_window *window; /* the next one; NULL: there is none */
};

static struct mem_piece *piece_of(struct tree_node *node)
{
	return tree_entry(node, struct mem_piece, node);
}

static bool has_proof(const struct look *look, uintptr_t shown, bool write)
{
	return (pid_t)(shown >> MEM_PROVEN_SHIFT) == look->self &&
	       (!write || shown & MEM_PROVEN_WRITE);
}

/* false: that is enough. */
static bool see(struct look *look, uintptr_t start, uintptr_t end, uintptr_t shown)
{
	if (!look->left--)
		return false;
	if (start >= look->start && end <= look->end && !(shown & MEM_UNPROVABLE) &&
	    start <= look->covered && end > look->covered)
		look->covered = end;
	if (has_proof(look, shown, look->write) && start <= look->proven && end > look->proven)
		look->proven = end;
	return look->proven < look->end;
}

/* The windows by themselves that begin at or below `upto`. */
static bool see_windows(struct look *look, uintptr_t upto)
{
	while (look->window && look->walk.at <= upto) {
		uintptr_t start = look->walk.at;

		if (!see(look, start, start + look->window->len, look->window->shown))
			return false;
		look->window = hosts_next(look->hosts, &look->walk);
	}
	return true;
}

/* Goes through the pieces that meet the range, in order. */
static bool see_pieces(struct look *look, struct tree_node *node)
{
	struct mem_piece *piece;

	if (!node || piece_of(node)->max <= look->start)
		return true;
	piece = piece_of(node);
	if (!see_pieces(look, node->child[0]))
		return false;
	if (piece_host(piece) >= look->end)
		return true;
	if (piece_end(piece) > look->start && !node->tag &&
	    !(see_windows(look, piece_host(piece)) &&
	      see(look, piece_host(piece), piece_end(piece), piece->shown)))
		return false;
	return see_pieces(look, node->child[1]);
}

/* *changes: to tell later whether anything has come between. */
static enum answer ask_pieces(struct mem_pins *pins, struct look *look, uint64_t *changes)
{
	look->covered = look->proven = look->start;
	look->left = PIECES_MAX;
	look->hosts = &pins->hosts;
	look->walk = (struct hosts_walk){.start = look->start, .end = look->end};
	pthread_mutex_lock(&pins->lock);
	*changes = pins->changes;
	look->window = hosts_next(look->hosts, &look->walk);
	if (see_pieces(look, pins->tree.root))
		see_windows(look, UINTPTR_MAX);
	pthread_mutex_unlock(&pins->lock);
	if (look->proven >= look->end)
		return PROVEN;
	return look->covered >= look->end ? COVERED : UNKNOWN;
}

/* The rest of a line of /proc/self/maps, from the permissions on: is it memory that nobody else can
 * change, and that has no name? */
static bool is_private(char *at)
{
	bool is = at[3] == 'p';

	strtoull(at + 4, &at, 16); /* offset */
	strtoull(at, &at, 16);	   /* device */
	strtoull(at + 1, &at, 16);
	is &= !strtoull(at, &at, 10); /* inode */
	at += strspn(at, " ");
	return is && (!*at || *at == '\n' || !strncmp(at, "[anon:", 6));
}

/* All of start..end-1. The heap's end and stacks move unseen: they have names. */
static bool all_private(uintptr_t start, uintptr_t end)
{
	char *text = mem_read_file("/proc/self/maps"), *line = text;

	while (line && *line && start < end) {
		char *at;
		uintptr_t first = strtoull(line, &at, 16), last = strtoull(at + 1, &at, 16);

		if (last > start && (first > start || !is_private(at + 1)))
			break;
		if (last > start)
			start = last;
		line = strchr(line, '\n');
		line += !!line;
	}
	free(text);
	return start >= end;
}

static void disprove(uintptr_t *shown)
{
	*shown &= MEM_SHOWN | MEM_UNPROVABLE;
}

/* The kernel has said yes: what has been there all the while has a proof, or never will. */
static void note(const struct look *look, uintptr_t start, uintptr_t end, bool private,
		 uintptr_t *shown)
{
	if (!private) {
		*shown |= MEM_UNPROVABLE;
	} else if (start >= look->start && end <= look->end) {
		bool write = look->write || has_proof(look, *shown, true);

		disprove(shown);
		*shown |= (uintptr_t)look->self << MEM_PROVEN_SHIFT;
		*shown |= write ? MEM_PROVEN_WRITE : 0;
	}
}

static void note_all(struct mem_pins *pins, const struct look *look, uint64_t changes)
{
	struct hosts_walk walk = {.start = look->start, .end = look->end};
	bool private = all_private(look->start, look->end);
	struct mem_piece *list = NULL;
	struct mem_window *window;

	pthread_mutex_lock(&pins->lock);
	if (pins->changes == changes) {
		while ((window = hosts_next(&pins->hosts, &walk)))
			note(look, walk.at, walk.at + window->len, private, &window->shown);
		pins_collect(pins->tree.root, look->start, look->end, false, &list);
	}
	for (; list; list = list->next)
		note(look, piece_host(list), piece_end(list), private, &list->shown);
	pthread_mutex_unlock(&pins->lock);
}

int mem_proof_pin(struct ioas_iommu *iommu, struct ioas_caller *caller, uint64_t va, uint64_t len,
		  bool write, void **host)
{
	struct mem_pins *pins = mem_map_pins(iommu->mem);
	uintptr_t at = (uintptr_t)caller->ops->host(caller, va);
	struct look look = {.start = at, .end = at + len, .write = write};
	enum answer answer = UNKNOWN;
	uint64_t changes;
	int rc;

	look.self = account_self(iommu->account);
	if (look.self && look.start < look.end)
		answer = ask_pieces(pins, &look, &changes);
	if (answer == PROVEN) {
		*host = (void *)at;
		return 0;
	}
	rc = caller->ops->pin(caller, va, len, write, host);
	if (!rc && answer == COVERED && (uintptr_t)*host == at)
		note_all(pins, &look, changes);
	return rc;
}

void pins_doubt(struct mem_pins *pins, uintptr_t start, uintptr_t end)
{
	struct hosts_walk walk = {.start = start, .end = end};
	struct mem_piece *list = NULL;
	struct mem_window *window;

	lock_must_hold(&pins->lock);
	pins->changes++;
	while ((window = hosts_next(&pins->hosts, &walk)))
		disprove(&window->shown);
	pins_collect(pins->tree.root, start, end, true, &list);
	if (!list && !walk.window)
		pins_bound(pins);
	for (; list; list = list->next)
		disprove(&list->shown);
}

void ioas_memory_protected(struct ioas_iommu *iommu, uint64_t start, uint64_t end)
{
	struct mem_pins *pins = mem_map_pins(iommu->mem);

	pthread_mutex_lock(&pins->lock);
	pins_doubt(pins, start, end);
	pthread_mutex_unlock(&pins->lock);
}
