/* SPDX-License-Identifier: MIT */
/*
 * From a stream table entry of a guest's to the page table of a request (IHI 0070: 3.3.2, 5.2 to
 * 5.4). The entry leads to one context descriptor, or to a table of them by SubstreamID, in one
 * level or two; all of these lie at intermediate addresses. What a guest may get wrong is found in
 * the order of 7.3.22, each with its own reason, from which smmuv3_event.c makes the event.
 *
 * Where the architecture leaves a choice: an S1ContextPtr beyond the intermediate addresses makes
 * the entry ILLEGAL, an L2Ptr there is C_BAD_SUBSTREAMID (3.4.3), low bits of pointers that should
 * be 0 are taken to be.
 */
#include "kind/smmuv3.h"

#define CD_LEN	  64u
#define L1CD_V	  (1ull << 0)
#define L2PTR_4K  0x00fffffffffff000ull
#define L2PTR_64K 0x00ffffffffff0000ull

/* 5.4: word 0 of a context descriptor */
#define CD_EPD0 (1ull << 14)
#define CD_ENDI (1ull << 15)
#define CD_EPD1 (1ull << 30)
#define CD_V	(1ull << 31)
#define CD_AFFD (1ull << 35)
#define CD_WXN	(1ull << 36)
#define CD_TBI0 (1ull << 38)
#define CD_TBI1 (1ull << 39)
#define CD_PAN	(1ull << 40)
#define CD_AA64 (1ull << 41)
#define CD_HD	(1ull << 42)
#define CD_HA	(1ull << 43)
#define CD_S	(1ull << 44)
#define CD_A	(1ull << 46)
/* words 1 and 2, one for each half */
#define CD_HAD	(1ull << 1)
#define CD_E0PD (1ull << 2)
#define CD_TTB	0x000ffffffffffff0ull

#define TXSZ_MAX 39 /* without small tables (IDR3.STT) */

/* One half of the addresses. */
struct half {
	uint64_t ttb;	      /* the word that TTB0 or TTB1 is in */
	unsigned aw;	      /* 64 - TxSZ */
	unsigned granule_lg2; /* 0: reserved */
	bool disabled;	      /* EPD */
	bool tbi;
};

static unsigned bits(uint64_t word, unsigned high, unsigned low)
{
	return (unsigned)(word >> low & (UINT64_MAX >> (63 - (high - low))));
}

/* TG0 and TG1 do not say it alike. */
static struct half half_of(const uint64_t cd[3], unsigned which)
{
	static const uint8_t tg0[] = {12, 16, 14, 0}, tg1[] = {0, 14, 12, 16};

	if (which)
		return (struct half){
			.ttb = cd[2],
			.aw = 64 - bits(cd[0], 21, 16),
			.granule_lg2 = tg1[bits(cd[0], 23, 22)],
			.disabled = cd[0] & CD_EPD1,
			.tbi = cd[0] & CD_TBI1,
		};
	return (struct half){
		.ttb = cd[1],
		.aw = 64 - bits(cd[0], 5, 0),
		.granule_lg2 = tg0[bits(cd[0], 7, 6)],
		.disabled = cd[0] & CD_EPD0,
		.tbi = cd[0] & CD_TBI0,
	};
}

/* Bits of intermediate addresses: IPS, up to OAS. */
static unsigned ips_of(const struct smmuv3_facts *facts, const uint64_t cd[3])
{
	static const uint8_t ips[] = {32, 36, 40, 42, 44, 48, 52, 52};
	unsigned wanted = ips[bits(cd[0], 34, 32)];

	return wanted < facts->oas ? wanted : facts->oas;
}

/* Is what a half says of its table ILLEGAL? A half that is disabled says nothing. */
static bool bad_half(const struct smmuv3_facts *facts, const struct half *half, unsigned ips)
{
	if (half->disabled)
		return false;
	return half->granule_lg2 != pt_format_page_lg2(facts->format) ||
	       half->aw > facts->va_bits || half->aw < 64 - TXSZ_MAX || (half->ttb & CD_TTB) >> ips;
}

/* 5.4.2, for a stage 1 that neither stalls nor completes what it refuses, little-endian. */
static bool bad_cd(const struct smmuv3_facts *facts, const uint64_t cd[3])
{
	struct half halves[] = {half_of(cd, 0), half_of(cd, 1)};
	unsigned ips = ips_of(facts, cd);

	if (!(cd[0] & CD_V) || !(cd[0] & CD_A) || cd[0] & CD_S || !(cd[0] & CD_AA64))
		return true;
	if (cd[0] & CD_ENDI && !(halves[0].disabled && halves[1].disabled))
		return true;
	if (cd[0] & (CD_HA | CD_HD) && !facts->httu)
		return true;
	return bad_half(facts, &halves[0], ips) || bad_half(facts, &halves[1], ips);
}

/* 3.4.1: all bits above those that the table translates are as bit 55, but for an ignored byte. */
static bool in_range(const struct half *half, unsigned which, iova_t iova)
{
	uint64_t sign = which ? UINT64_MAX : 0;
	uint64_t counted = half->tbi ? UINT64_MAX >> 8 : UINT64_MAX;

	return !(((iova ^ sign) & counted) >> half->aw);
}

enum ioas_fault_reason smmuv3_cd_table(const struct smmuv3_facts *facts, const uint64_t cd[3],
				       const struct nested_request *request,
				       struct nested_table *out)
{
	unsigned which = request->iova >> 55 & 1;
	struct half half = half_of(cd, which);
	bool update = cd[0] & CD_HA;

	if (bad_cd(facts, cd))
		return IOAS_FAULT_BAD_STRUCTURE;
	if (half.disabled || (half.ttb & CD_E0PD && !(request->access & PT_ACCESS_PRIV)))
		return IOAS_FAULT_NOT_MAPPED;
	if (!in_range(&half, which, request->iova))
		return IOAS_FAULT_WIDTH;
	out->input = request->iova & (UINT64_MAX >> (64 - half.aw));
	out->named = smmuv3_plain(request->iova);
	/* Descriptors are cached by SubstreamID, translations by the ASID in them. */
	out->space = bits(cd[0], 63, 48);
	out->table = (struct pt_foreign){
		.format = facts->format,
		.aw = half.aw,
		.pa_bits = ips_of(facts, cd),
		.update = update,
		.clean = !(cd[0] & CD_HD),
		.accessed_unused = cd[0] & CD_AFFD,
		.flat = half.ttb & CD_HAD,
		.write_no_exec = cd[0] & CD_WXN,
		.priv_apart = cd[0] & CD_PAN,
		.root = half.ttb & CD_TTB & ~(pt_foreign_root_align(facts->format, half.aw) - 1),
	};
	/* With addresses of 52 bits a root is aligned to 64 bytes at least. */
	if (out->table.pa_bits > 48)
		out->table.root &= ~63ull;
	return IOAS_FAULT_NONE;
}

static unsigned cdmax(const struct smmuv3_stage1 *own)
{
	return (unsigned)(own->ste[0] >> STE_CDMAX_SHIFT);
}

/* ILLEGAL, although HWPT_ALLOC has let it in: 5.2, 5.5, 3.4.3. */
static bool bad_ste(const struct smmuv3_stage1 *own)
{
	return own->ste[1] & STE_S1STALLD || cdmax(own) > own->facts.ssid_lg2 ||
	       (own->ste[0] & STE_CONTEXT) >> own->facts.oas;
}

/* Where context descriptor `index` is: 3.3.2. */
static enum ioas_fault_reason find_cd(const struct smmuv3_stage1 *own, struct nested *nested,
				      uint32_t index, pa_t *out)
{
	unsigned fmt = cdmax(own) ? (unsigned)((own->ste[0] & STE_S1FMT) >> 4) : 0;
	unsigned split = fmt == 1 ? 6 : 10, entries_lg2, entry_lg2 = fmt == 1 || fmt == 2 ? 3 : 6;
	pa_t base = own->ste[0] & STE_CONTEXT;
	enum ioas_fault_reason reason;
	uint64_t l1cd;

	entries_lg2 = cdmax(own);
	if (entry_lg2 == 3)
		entries_lg2 = entries_lg2 > split ? entries_lg2 - split : 0;
	/* A table is aligned to its length. */
	base &= ~((1ull << (entries_lg2 + entry_lg2)) - 1);
	if (entry_lg2 == 6) {
		*out = base + (uint64_t)index * CD_LEN;
		return IOAS_FAULT_NONE;
	}
	reason = nested_read(nested, base + (uint64_t)(index >> split) * 8, &l1cd);
	if (reason)
		return reason;
	nested_seen(nested, base + (uint64_t)(index >> split) * 8, l1cd, l1cd & L1CD_V);
	base = l1cd & (fmt == 1 ? L2PTR_4K : L2PTR_64K);
	if (!(l1cd & L1CD_V) || base >> own->facts.oas)
		return IOAS_FAULT_NO_PASID;
	*out = base + (index & ((1u << split) - 1)) * CD_LEN;
	return IOAS_FAULT_NONE;
}

static enum ioas_fault_reason translate(const struct smmuv3_stage1 *own, struct nested *nested,
					uint32_t index, const struct nested_request *request,
					struct nested_table *out)
{
	enum ioas_fault_reason reason;
	uint64_t cd[3];
	pa_t at;

	reason = find_cd(own, nested, index, &at);
	for (unsigned i = 0; !reason && i < 3; i++) {
		reason = nested_read(nested, at + i * 8, &cd[i]);
		if (!reason)
			nested_seen(nested, at + i * 8, cd[i], cd[0] & CD_V);
	}
	return reason ? reason : smmuv3_cd_table(&own->facts, cd, request, out);
}

/* Without stage 1: no SubstreamIDs, and addresses are intermediate ones already. */
static enum ioas_fault_reason bypass(const struct smmuv3_stage1 *own,
				     const struct nested_request *request, struct nested_table *out)
{
	out->bypass = true;
	if (request->has_pasid)
		return IOAS_FAULT_NO_PASID;
	return request->iova >> own->facts.oas ? IOAS_FAULT_OUTPUT : IOAS_FAULT_NONE;
}

static enum ioas_fault_reason find(const struct stage1 *stage1, struct nested *nested,
				   const struct nested_request *request, struct nested_table *out)
{
	const struct smmuv3_stage1 *own = (const struct smmuv3_stage1 *)stage1;
	unsigned dss = (unsigned)(own->ste[1] & STE_S1DSS);

	if (smmuv3_config(own) == SMMUV3_ABORT)
		return IOAS_FAULT_DISABLED;
	if (smmuv3_config(own) == SMMUV3_BYPASS)
		return bypass(own, request, out);
	if (bad_ste(own))
		return IOAS_FAULT_BAD_STRUCTURE;
	if (request->has_pasid) {
		if (!cdmax(own) || request->pasid >> cdmax(own))
			return IOAS_FAULT_NO_PASID;
		if (!request->pasid && dss == 2)
			return IOAS_FAULT_DISABLED;
		return translate(own, nested, request->pasid, request, out);
	}
	if (cdmax(own) && dss == 1)
		return bypass(own, request, out);
	if (cdmax(own) && dss != 2)
		return IOAS_FAULT_DISABLED;
	return translate(own, nested, 0, request, out);
}

const struct stage1_ops smmuv3_stage1_ops = {
	.find = find,
	.code = smmuv3_code,
	.event = smmuv3_event,
};
