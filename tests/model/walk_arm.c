/* SPDX-License-Identifier: MIT */
/*
 * The model's walk of an SMMUv3's stage 1: from the guest's stream table entry to a context
 * descriptor (IHI 0070: 3.3.2, 5.2, 5.4) and through tables of 4 KiB (DDI 0487: D8.3 to D8.5).
 */
#include <string.h>
#include "model.h"

#define OAS	 48
#define SSID_LG2 20
#define POINTER	 0x00ffffffffffffc0ull
#define ADDRESS	 0x0000fffffffff000ull

/* Events */
enum {
	BAD_STE = 4,
	DISABLED = 6,
	BAD_SSID = 8,
	BAD_CD = 0xa,
	TRANSLATION = 0x10,
	SIZE,
	ACCESS,
	PERMISSION
};

/* A walk on its way: what all steps want. */
struct arm {
	struct model *m;
	unsigned ctx;
	struct m_obj *parent;
	const struct ioas_tlp *tlp;
	bool act;
	uint64_t cd[3];
	bool has_cd;
	struct m_walk out;
};

static uint64_t bits(uint64_t word, unsigned high, unsigned low)
{
	return word >> low & (UINT64_MAX >> (63 - (high - low)));
}

/* Stage 1 says no. Of translations the guest is told if the descriptor's R says so. */
static bool refuse(struct arm *arm, enum ioas_fault_reason reason, unsigned event)
{
	if (event >= TRANSLATION && arm->has_cd && !bits(arm->cd[0], 45, 45))
		event = 0;
	arm->out.reason = reason;
	arm->out.stage = 1;
	arm->out.event = event;
	return false;
}

static bool read8(struct arm *arm, uint64_t gpa, uint64_t *out)
{
	uint8_t *bytes =
		m_reach(arm->m, arm->ctx, arm->parent, IOAS_TLP_READ, gpa, arm->act, &arm->out);

	if (bytes)
		memcpy(out, bytes, sizeof(*out));
	return bytes;
}

/* Where the descriptor of a SubstreamID is. */
static bool find_cd(struct arm *arm, const uint64_t ste[2], uint64_t ssid, uint64_t *out)
{
	unsigned max = (unsigned)bits(ste[0], 63, 59), fmt = max ? (unsigned)bits(ste[0], 5, 4) : 0;
	unsigned split = fmt == 1 ? 6 : 10;
	bool two = fmt == 1 || fmt == 2;
	unsigned entries_lg2 = !two ? max : max > split ? max - split : 0;
	uint64_t base = ste[0] & POINTER, level1;

	base = base >> (entries_lg2 + (two ? 3 : 6)) << (entries_lg2 + (two ? 3 : 6));
	if (!two) {
		*out = base + ssid * 64;
		return true;
	}
	if (!read8(arm, base + (ssid >> split) * 8, &level1))
		return false;
	base = level1 & (fmt == 1 ? 0x00fffffffffff000ull : 0x00ffffffffff0000ull);
	if (!(level1 & 1) || base >> OAS)
		return refuse(arm, IOAS_FAULT_NO_PASID, BAD_SSID);
	*out = base + (ssid & ((1u << split) - 1)) * 64;
	return true;
}

static unsigned ips(const uint64_t cd[3])
{
	static const unsigned sizes[] = {32, 36, 40, 42, 44, 48, 48, 48};

	return sizes[bits(cd[0], 34, 32)];
}

static bool off(const uint64_t cd[3], unsigned half)
{
	return bits(cd[0], half ? 30 : 14, half ? 30 : 14);
}

static unsigned txsz(const uint64_t cd[3], unsigned half)
{
	return (unsigned)(half ? bits(cd[0], 21, 16) : bits(cd[0], 5, 0));
}

/* 4 KiB is 0 in TG0, 2 in TG1. */
static bool bad_half(const uint64_t cd[3], unsigned half)
{
	uint64_t granule = half ? bits(cd[0], 23, 22) : bits(cd[0], 7, 6);

	if (off(cd, half))
		return false;
	return granule != (half ? 2 : 0) || txsz(cd, half) < 16 || txsz(cd, half) > 39 ||
	       (cd[1 + half] & 0x000ffffffffffff0ull) >> ips(cd);
}

/* V, AA64, A, little-endian, no stalls. */
static bool bad_cd(const uint64_t cd[3])
{
	if (!bits(cd[0], 31, 31) || !bits(cd[0], 41, 41) || !bits(cd[0], 46, 46) ||
	    bits(cd[0], 44, 44))
		return true;
	if (bits(cd[0], 15, 15) && !(off(cd, 0) && off(cd, 1)))
		return true;
	return bad_half(cd, 0) || bad_half(cd, 1);
}

/* What a leaf and what leads to it allow. `tables`: all bits of these. */
static enum ioas_fault_reason permission(const struct arm *arm, uint64_t leaf, uint64_t tables)
{
	const uint64_t *cd = arm->cd;
	bool privileged = arm->tlp->flags & IOAS_TLP_PRIV, write = arm->tlp->op == IOAS_TLP_WRITE;
	bool fetch = !write && arm->tlp->flags & IOAS_TLP_EXEC;
	bool dirty_managed = bits(cd[0], 43, 43) && bits(cd[0], 42, 42);
	bool user = bits(leaf, 6, 6) && !bits(tables, 61, 61);
	bool writable = (!bits(leaf, 7, 7) || (dirty_managed && bits(leaf, 51, 51))) &&
			!bits(tables, 62, 62);
	bool wxn = writable && bits(cd[0], 36, 36);
	bool xn = privileged
			  ? bits(leaf, 53, 53) || bits(tables, 59, 59) || wxn || (user && writable)
			  : bits(leaf, 54, 54) || bits(tables, 60, 60) || (wxn && user);

	if (fetch && !xn)
		return IOAS_FAULT_NONE;
	if (!privileged && !user && (fetch || !write || write))
		return IOAS_FAULT_PRIVILEGE;
	if (write && !writable)
		return IOAS_FAULT_NO_WRITE;
	if (fetch)
		return IOAS_FAULT_NO_EXEC;
	return privileged && user && bits(cd[0], 40, 40) ? IOAS_FAULT_PRIVILEGE : IOAS_FAULT_NONE;
}

/* The leaf's flags: accessed, and by a write that may dirty it, writable. */
static bool use(struct arm *arm, uint64_t gpa, uint64_t leaf)
{
	bool accessed = bits(arm->cd[0], 43, 43), dirty = bits(arm->cd[0], 42, 42);
	uint64_t value = leaf;

	if (!accessed)
		return true;
	value |= 1ull << 10;
	if (arm->tlp->op == IOAS_TLP_WRITE && dirty && bits(leaf, 51, 51))
		value &= ~(1ull << 7);
	return m_exchange(arm->m, arm->ctx, arm->parent, gpa, leaf, value, arm->act, &arm->out);
}

static bool through_tables(struct arm *arm, uint64_t input, uint64_t root, unsigned aw,
			   uint64_t tables_count, uint64_t *out)
{
	uint64_t table = root, tables = 0, entry, gpa;
	enum ioas_fault_reason reason;
	unsigned level = (aw - 12 + 8) / 9, shift;

	for (;; level--) {
		shift = 12 + 9 * (level - 1);
		gpa = table + 8 * (input >> shift & 511);
		if (!read8(arm, gpa, &entry))
			return false;
		if (!(entry & 1))
			return refuse(arm, IOAS_FAULT_NOT_MAPPED, TRANSLATION);
		/* No page at the end, or a block where there are none. */
		if (!(entry & 2) && (level == 1 || level > 3))
			return refuse(arm, IOAS_FAULT_RESERVED, TRANSLATION);
		if (level == 1 || !(entry & 2))
			break;
		tables |= entry;
		table = entry & ADDRESS;
		if (table >> ips(arm->cd))
			return refuse(arm, IOAS_FAULT_OUTPUT, SIZE);
	}
	*out = (entry & ADDRESS) >> shift << shift | (input & ((1ull << shift) - 1));
	if (*out >> ips(arm->cd))
		return refuse(arm, IOAS_FAULT_OUTPUT, SIZE);
	if (!bits(entry, 10, 10) && !bits(arm->cd[0], 43, 43) && !bits(arm->cd[0], 35, 35))
		return refuse(arm, IOAS_FAULT_ACCESSED, ACCESS);
	reason = permission(arm, entry, tables_count ? tables : 0);
	if (reason)
		return refuse(arm, reason, PERMISSION);
	return use(arm, gpa, entry);
}

static bool translate(struct arm *arm, const uint64_t ste[2], uint64_t ssid, uint64_t iova,
		      uint64_t *out)
{
	unsigned half = iova >> 55 & 1, aw, align_lg2;
	uint64_t at, word, above, root;

	if (!find_cd(arm, ste, ssid, &at))
		return false;
	for (unsigned i = 0; i < 3; i++)
		if (!read8(arm, at + 8 * i, &arm->cd[i]))
			return false;
	arm->has_cd = true;
	if (bad_cd(arm->cd))
		return refuse(arm, IOAS_FAULT_BAD_STRUCTURE, BAD_CD);
	word = arm->cd[1 + half];
	/* EPD, E0PD */
	if (off(arm->cd, half) || (word & 4 && !(arm->tlp->flags & IOAS_TLP_PRIV)))
		return refuse(arm, IOAS_FAULT_NOT_MAPPED, TRANSLATION);
	aw = 64 - txsz(arm->cd, half);
	above = iova ^ (half ? UINT64_MAX : 0);
	/* TBI */
	if (bits(arm->cd[0], 38 + half, 38 + half))
		above &= UINT64_MAX >> 8;
	if (above >> aw)
		return refuse(arm, IOAS_FAULT_WIDTH, TRANSLATION);
	/* The root has as many entries as it takes. */
	align_lg2 = aw - (12 + 9 * ((aw - 12 + 8) / 9 - 1)) + 3;
	root = word & 0x000ffffffffffff0ull;
	root = root >> align_lg2 << align_lg2;
	return through_tables(arm, iova & (UINT64_MAX >> (64 - aw)), root, aw, !(word & 2), out);
}

static bool bypass(struct arm *arm, uint64_t iova, uint64_t *out)
{
	*out = iova;
	if (arm->tlp->flags & IOAS_TLP_PASID)
		return refuse(arm, IOAS_FAULT_NO_PASID, BAD_SSID);
	return iova >> OAS ? refuse(arm, IOAS_FAULT_OUTPUT, SIZE) : true;
}

static bool stage_1(struct arm *arm, const uint64_t ste[2], uint64_t iova, uint64_t *out)
{
	unsigned config = (unsigned)bits(ste[0], 3, 1), max = (unsigned)bits(ste[0], 63, 59);
	unsigned dss = (unsigned)bits(ste[1], 1, 0);
	bool tagged = arm->tlp->flags & IOAS_TLP_PASID;
	pasid_t pasid = arm->tlp->pasid;

	if (config != 4 && config != 5)
		return refuse(arm, IOAS_FAULT_DISABLED, 0);
	if (config == 4)
		return bypass(arm, iova, out);
	/* S1STALLD, S1CDMax, S1ContextPtr */
	if (bits(ste[1], 27, 27) || max > SSID_LG2 || (ste[0] & POINTER) >> OAS)
		return refuse(arm, IOAS_FAULT_BAD_STRUCTURE, BAD_STE);
	if (tagged && (!max || pasid >> max))
		return refuse(arm, IOAS_FAULT_NO_PASID, BAD_SSID);
	if (tagged && !pasid && dss == 2)
		return refuse(arm, IOAS_FAULT_DISABLED, DISABLED);
	if (!tagged && max && dss == 1)
		return bypass(arm, iova, out);
	if (!tagged && max && dss != 2)
		return refuse(arm, IOAS_FAULT_DISABLED, DISABLED);
	return translate(arm, ste, tagged ? pasid : 0, iova, out);
}

struct m_walk m_walk_arm(struct model *m, unsigned ctx, struct m_obj *nested,
			 const struct ioas_tlp *tlp, uint64_t iova, bool act)
{
	struct m_obj *parent = &m->ctx[ctx].obj[nested->first.parent];
	struct arm arm = {.m = m, .ctx = ctx, .parent = parent, .tlp = tlp, .act = act};
	uint64_t gpa;

	if (!stage_1(&arm, nested->first.ste, iova, &gpa))
		return arm.out;
	arm.out.gpa = gpa;
	arm.out.reason =
		gpa >> parent->hwpt.aw
			? IOAS_FAULT_WIDTH
			: m_check_page(m, &m->ctx[ctx].obj[parent->hwpt.ioas].ioas, gpa, tlp->op);
	arm.out.stage = arm.out.reason && arm.out.reason != IOAS_FAULT_MEMORY ? 2 : 0;
	return arm.out;
}
