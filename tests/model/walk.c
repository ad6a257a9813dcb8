/* SPDX-License-Identifier: MIT */
/*
 * The model's walk in two dimensions: VT-d's first-stage tables (D51397: 3.6, 9.7), as a program
 * has them in its memory, on a second stage that is a space.
 */
#include <stdlib.h>
#include <string.h>
#include "model.h"

#define PRESENT	  (1ull << 0)
#define WRITABLE  (1ull << 1)
#define USER	  (1ull << 2)
#define ACCESSED  (1ull << 5)
#define DIRTY	  (1ull << 6)
#define LARGE	  (1ull << 7)
#define EXTENDED  (1ull << 10)
#define NO_FETCH  (1ull << 63)
#define ADDRESS	  0x000ffffffffff000ull
#define PAT_LARGE (1ull << 12)

void m_changed(struct model *m, unsigned memory, uint64_t off, uint64_t len)
{
	for (uint64_t page = off / M_PAGE; len && page <= (off + len - 1) / M_PAGE; page++)
		m->changed |= m->walked[memory] >> page & 1;
}

uint8_t *m_reach(struct model *m, unsigned ctx, struct m_obj *parent, unsigned op, uint64_t gpa,
		 bool act, struct m_walk *out)
{
	const struct m_ioas *ioas = &m->ctx[ctx].obj[parent->hwpt.ioas].ioas;
	const struct m_area *area;
	uint64_t off;

	out->reason = gpa >> parent->hwpt.aw ? IOAS_FAULT_WIDTH : m_check_page(m, ioas, gpa, op);
	out->gpa = gpa;
	out->stage = 2;
	if (out->reason)
		return NULL;
	area = m_area_at(ioas, gpa);
	off = m_va(area, gpa) - m->memory[area->memory].va;
	if (act)
		m->walked[area->memory] |= 1u << off / M_PAGE;
	return m->memory[area->memory].bytes + off;
}

bool m_exchange(struct model *m, unsigned ctx, struct m_obj *parent, uint64_t gpa, uint64_t entry,
		uint64_t value, bool act, struct m_walk *out)
{
	uint8_t *bytes;

	if (value == entry)
		return true;
	bytes = m_reach(m, ctx, parent, IOAS_TLP_WRITE, gpa, act, out);
	if (!bytes)
		return false;
	if (act)
		memcpy(bytes, &value, sizeof(value));
	if (act && parent->hwpt.tracking)
		m_note_written(&parent->hwpt, gpa / M_PAGE * M_PAGE);
	return true;
}

static bool reserved(uint64_t entry, unsigned level)
{
	uint64_t below = (1ull << (12 + 9 * (level - 1))) - 1;

	if (level > 3)
		return entry & LARGE;
	return level > 1 && entry & LARGE && entry & ADDRESS & ~PAT_LARGE & below;
}

/* `all`: bits that all entries have; `any`: that one has. */
static enum ioas_fault_reason permission(const struct m_first *first, const struct ioas_tlp *tlp,
					 uint64_t all, uint64_t any)
{
	bool privileged = tlp->flags & IOAS_TLP_PRIV, write = tlp->op == IOAS_TLP_WRITE;

	if (!privileged && !(all & USER))
		return IOAS_FAULT_PRIVILEGE;
	if (write && !(all & WRITABLE) && !(privileged && !first->protect))
		return IOAS_FAULT_NO_WRITE;
	return !write && tlp->flags & IOAS_TLP_EXEC && any & NO_FETCH ? IOAS_FAULT_NO_EXEC
								      : IOAS_FAULT_NONE;
}

/* ---- what may be remembered of earlier walks ---- */

static bool is_leaf(uint64_t entry, unsigned level)
{
	return level == 1 || (level <= 3 && entry & LARGE);
}

/* Does `now` in the place of `old` take anything away? */
static bool takes_away(uint64_t old, uint64_t now, unsigned level)
{
	uint64_t address = ADDRESS;

	if (is_leaf(old, level) && level > 1)
		address &= ~((1ull << (12 + 9 * (level - 1))) - 1);
	return !(now & PRESENT) || reserved(now, level) ||
	       is_leaf(old, level) != is_leaf(now, level) || (old ^ now) & address ||
	       old & ~now & (WRITABLE | USER) || ~old & now & NO_FETCH;
}

static struct m_seen *seen_at(struct m_first *first, unsigned level, uint64_t from)
{
	for (unsigned i = 0; i < first->seen_nr; i++)
		if (first->seen[i].level == level && first->seen[i].first == from)
			return &first->seen[i];
	return NULL;
}

/* An entry was read. Was one there before that said more? */
static bool see(struct m_first *first, unsigned level, uint64_t iova, uint64_t entry, bool act)
{
	unsigned shift = 12 + 9 * (level - 1);
	uint64_t from = iova >> shift << shift;
	struct m_seen *seen = seen_at(first, level, from);
	bool stale = seen && takes_away(seen->entry, entry, level);
	bool good = entry & PRESENT && !reserved(entry, level);

	if (!act)
		return stale;
	if (seen && !good)
		*seen = first->seen[--first->seen_nr];
	if (!good)
		return stale;
	if (!seen && first->seen_nr == M_SEEN)
		abort();
	if (!seen)
		seen = &first->seen[first->seen_nr++];
	*seen = (struct m_seen){level, from, entry};
	return stale;
}

void m_forget_seen(struct m_first *first, uint64_t from, uint64_t to, bool leaves)
{
	for (unsigned i = 0; i < first->seen_nr; i++) {
		const struct m_seen *seen = &first->seen[i];
		uint64_t last = seen->first + ((1ull << (12 + 9 * (seen->level - 1))) - 1);

		if (seen->first <= to && last >= from &&
		    (!leaves || is_leaf(seen->entry, seen->level)))
			first->seen[i--] = first->seen[--first->seen_nr];
	}
}

/* ---- the walk ---- */

/* Stage 1 says no. */
static struct m_walk refuse(struct m_walk walk, enum ioas_fault_reason reason)
{
	walk.reason = reason;
	walk.stage = 1;
	walk.gpa = 0;
	return walk;
}

struct m_walk m_walk(struct model *m, unsigned ctx, struct m_obj *nested,
		     const struct ioas_tlp *tlp, uint64_t iova, bool act)
{
	const struct m_first *first = &nested->first;
	struct m_obj *parent = &m->ctx[ctx].obj[first->parent];
	uint64_t table = first->root, all = UINT64_MAX, any = 0, entry, gpa, below, bits;
	uint64_t above = iova >> (12 + 9 * first->levels - 1);
	const struct m_ioas *ioas = &m->ctx[ctx].obj[parent->hwpt.ioas].ioas;
	struct m_walk out = {0};
	unsigned level;

	if (nested->hwpt.kind == M_SMMU)
		return m_walk_arm(m, ctx, nested, tlp, iova, act);
	if (tlp->flags & IOAS_TLP_PRIV && !first->supervisor)
		return refuse(out, IOAS_FAULT_PRIVILEGE);
	if (above && above != UINT64_MAX >> (12 + 9 * first->levels - 1))
		return refuse(out, IOAS_FAULT_WIDTH);
	for (level = first->levels;; level--) {
		unsigned shift = 12 + 9 * (level - 1);
		uint8_t *bytes;

		below = (1ull << shift) - 1;
		gpa = table + 8 * (iova >> shift & 511);
		bytes = m_reach(m, ctx, parent, IOAS_TLP_READ, gpa, act, &out);
		if (!bytes)
			return out;
		memcpy(&entry, bytes, sizeof(entry));
		out.stale |= see(&nested->first, level, iova, entry, act);
		if (!(entry & PRESENT))
			return refuse(out, IOAS_FAULT_NOT_MAPPED);
		if (reserved(entry, level))
			return refuse(out, IOAS_FAULT_RESERVED);
		all &= entry;
		any |= entry;
		if (is_leaf(entry, level))
			break;
		bits = ACCESSED | (first->extended ? EXTENDED : 0);
		if (!m_exchange(m, ctx, parent, gpa, entry, entry | bits, act, &out))
			return out;
		table = entry & ADDRESS;
	}
	out.reason = permission(first, tlp, all, any);
	if (out.reason)
		return refuse(out, out.reason);
	bits = ACCESSED | (first->extended ? EXTENDED : 0) |
	       (tlp->op == IOAS_TLP_WRITE ? DIRTY : 0);
	if (!m_exchange(m, ctx, parent, gpa, entry, entry | bits, act, &out))
		return out;
	out.gpa = (entry & ADDRESS & ~below) | (iova & below);
	out.reason = out.gpa >> parent->hwpt.aw ? IOAS_FAULT_WIDTH
						: m_check_page(m, ioas, out.gpa, tlp->op);
	out.stage = out.reason && out.reason != IOAS_FAULT_MEMORY ? 2 : 0;
	return out;
}
