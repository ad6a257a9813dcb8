/* SPDX-License-Identifier: MIT */
/*
 * SSE and AVX moves: what memcpy and hand-written register copies are made of.
 *
 * The registers lie in the signal frame as XSAVE lays them out (Intel SDM volume 1, 13.4): xmm0-15
 * in the legacy area, what is wider or beyond in components whose place CPUID tells; and so the
 * masks of AVX-512, with which libc's memset stores what is shorter than a register.
 */
#include <cpuid.h>
#include <errno.h>
#include <string.h>
#include "insn.h"

enum component {
	COMP_SSE = 1,
	COMP_YMM = 2,
	COMP_OPMASK = 5,
	COMP_ZMM_HI256 = 6,
	COMP_HI16_ZMM = 7,
	COMP_NR
};

#define XMM_OFFSET    160 /* in the legacy area */
#define SW_OFFSET     464 /* what Linux writes into its unused end */
#define XSTATE_OFFSET 512 /* the XSAVE header: XSTATE_BV */
#define XSTATE_MAGIC  0x46505853u
#define CHUNK	      16
#define ZMM_LEN	      64

static unsigned offsets[COMP_NR]; /* constant after init; 0: this CPU has none */

void insn_vec_init(void)
{
	unsigned a, b, c, d;

	for (unsigned i = COMP_YMM; i < COMP_NR; i++)
		if (__get_cpuid_count(0xd, i, &a, &b, &c, &d))
			offsets[i] = b;
}

/* Where 16 bytes of register `id` are; marks them in use for `write`. NULL: zero, or no such. */
static unsigned char *chunk_at(ucontext_t *uc, int id, unsigned chunk, bool write)
{
	unsigned char *frame = (unsigned char *)uc->uc_mcontext.fpregs;
	unsigned comp, offset, len = 0;
	uint64_t *bv;
	uint32_t magic;

	if (!frame)
		return NULL;
	if (id < 16 && chunk == 0)
		return frame + XMM_OFFSET + id * CHUNK;
	memcpy(&magic, frame + SW_OFFSET, sizeof(magic));
	if (magic != XSTATE_MAGIC)
		return NULL;
	if (id >= 16) {
		comp = COMP_HI16_ZMM;
		offset = (unsigned)(id - 16) * ZMM_LEN + chunk * CHUNK;
		len = 16 * ZMM_LEN;
	} else if (chunk == 1) {
		comp = COMP_YMM;
		offset = (unsigned)id * CHUNK;
		len = 16 * CHUNK;
	} else {
		comp = COMP_ZMM_HI256;
		offset = (unsigned)id * 2 * CHUNK + (chunk - 2) * CHUNK;
		len = 16 * 2 * CHUNK;
	}
	if (!offsets[comp])
		return NULL;
	bv = (uint64_t *)(void *)(frame + XSTATE_OFFSET);
	if (!(*bv >> comp & 1)) {
		if (!write)
			return NULL;
		memset(frame + offsets[comp], 0, len);
		*bv |= 1ull << comp;
	}
	return frame + offsets[comp] + offset;
}

/* An opmask register, k1 to k7. */
static uint64_t mask_get(const ucontext_t *uc, int id)
{
	const unsigned char *frame = (const unsigned char *)uc->uc_mcontext.fpregs;
	uint64_t bv, mask = 0;
	uint32_t magic = 0;

	if (frame)
		memcpy(&magic, frame + SW_OFFSET, sizeof(magic));
	if (magic != XSTATE_MAGIC || !offsets[COMP_OPMASK])
		return 0;
	memcpy(&bv, frame + XSTATE_OFFSET, sizeof(bv));
	if (bv >> COMP_OPMASK & 1)
		memcpy(&mask, frame + offsets[COMP_OPMASK] + id * 8, sizeof(mask));
	return mask;
}

static void vec_get(ucontext_t *uc, int id, unsigned char out[ZMM_LEN])
{
	for (unsigned i = 0; i < ZMM_LEN / CHUNK; i++) {
		const unsigned char *from = chunk_at(uc, id, i, false);

		if (from)
			memcpy(out + i * CHUNK, from, CHUNK);
		else
			memset(out + i * CHUNK, 0, CHUNK);
	}
}

/* Writes the first `len` bytes; what is zero anyway is not brought into use. */
static void vec_set(ucontext_t *uc, int id, const unsigned char *in, unsigned len)
{
	static const unsigned char zero[CHUNK];

	for (unsigned i = 0; i < len / CHUNK; i++) {
		bool write = memcmp(in + i * CHUNK, zero, CHUNK);
		unsigned char *to = chunk_at(uc, id, i, write);

		if (to)
			memcpy(to, in + i * CHUNK, CHUNK);
	}
}

enum half { HALF_NONE, HALF_LOW, HALF_HIGH };

/* Is it a move, and of which part of the register? */
static bool is_move(ZydisMnemonic mnemonic, enum half *half)
{
	*half = HALF_NONE;
	switch (mnemonic) {
	case ZYDIS_MNEMONIC_MOVHPS:
	case ZYDIS_MNEMONIC_MOVHPD:
	case ZYDIS_MNEMONIC_VMOVHPS:
	case ZYDIS_MNEMONIC_VMOVHPD:
		*half = HALF_HIGH;
		return true;
	case ZYDIS_MNEMONIC_MOVLPS:
	case ZYDIS_MNEMONIC_MOVLPD:
	case ZYDIS_MNEMONIC_VMOVLPS:
	case ZYDIS_MNEMONIC_VMOVLPD:
		*half = HALF_LOW;
		return true;
	case ZYDIS_MNEMONIC_MOVD:
	case ZYDIS_MNEMONIC_MOVQ:
	case ZYDIS_MNEMONIC_MOVSS:
	case ZYDIS_MNEMONIC_MOVSD:
	case ZYDIS_MNEMONIC_MOVAPS:
	case ZYDIS_MNEMONIC_MOVAPD:
	case ZYDIS_MNEMONIC_MOVUPS:
	case ZYDIS_MNEMONIC_MOVUPD:
	case ZYDIS_MNEMONIC_MOVDQA:
	case ZYDIS_MNEMONIC_MOVDQU:
	case ZYDIS_MNEMONIC_LDDQU:
	case ZYDIS_MNEMONIC_MOVNTDQ:
	case ZYDIS_MNEMONIC_MOVNTDQA:
	case ZYDIS_MNEMONIC_MOVNTPS:
	case ZYDIS_MNEMONIC_MOVNTPD:
	case ZYDIS_MNEMONIC_VMOVD:
	case ZYDIS_MNEMONIC_VMOVQ:
	case ZYDIS_MNEMONIC_VMOVSS:
	case ZYDIS_MNEMONIC_VMOVSD:
	case ZYDIS_MNEMONIC_VMOVAPS:
	case ZYDIS_MNEMONIC_VMOVAPD:
	case ZYDIS_MNEMONIC_VMOVUPS:
	case ZYDIS_MNEMONIC_VMOVUPD:
	case ZYDIS_MNEMONIC_VMOVDQA:
	case ZYDIS_MNEMONIC_VMOVDQU:
	case ZYDIS_MNEMONIC_VMOVDQA32:
	case ZYDIS_MNEMONIC_VMOVDQA64:
	case ZYDIS_MNEMONIC_VMOVDQU8:
	case ZYDIS_MNEMONIC_VMOVDQU16:
	case ZYDIS_MNEMONIC_VMOVDQU32:
	case ZYDIS_MNEMONIC_VMOVDQU64:
	case ZYDIS_MNEMONIC_VLDDQU:
	case ZYDIS_MNEMONIC_VMOVNTDQ:
	case ZYDIS_MNEMONIC_VMOVNTDQA:
	case ZYDIS_MNEMONIC_VMOVNTPS:
	case ZYDIS_MNEMONIC_VMOVNTPD:
		return true;
	default:
		return false;
	}
}

static bool is_vector(const ZydisDecodedOperand *op)
{
	ZydisRegisterClass class = op->type == ZYDIS_OPERAND_TYPE_REGISTER
					   ? ZydisRegisterGetClass(op->reg.value)
					   : ZYDIS_REGCLASS_INVALID;

	return class == ZYDIS_REGCLASS_XMM || class == ZYDIS_REGCLASS_YMM ||
	       class == ZYDIS_REGCLASS_ZMM;
}

static bool masked(const struct insn *insn)
{
	return insn->i.avx.mask.mode != ZYDIS_MASK_MODE_INVALID &&
	       insn->i.avx.mask.mode != ZYDIS_MASK_MODE_DISABLED;
}

/* Bytes for which one bit of a mask stands; 0: not one of those that have masks here. */
static unsigned element_len(ZydisMnemonic mnemonic)
{
	switch (mnemonic) {
	case ZYDIS_MNEMONIC_VMOVDQU8:
		return 1;
	case ZYDIS_MNEMONIC_VMOVDQU16:
		return 2;
	case ZYDIS_MNEMONIC_VMOVDQU32:
	case ZYDIS_MNEMONIC_VMOVDQA32:
	case ZYDIS_MNEMONIC_VMOVUPS:
	case ZYDIS_MNEMONIC_VMOVAPS:
	case ZYDIS_MNEMONIC_VMOVSS:
		return 4;
	case ZYDIS_MNEMONIC_VMOVDQU64:
	case ZYDIS_MNEMONIC_VMOVDQA64:
	case ZYDIS_MNEMONIC_VMOVUPD:
	case ZYDIS_MNEMONIC_VMOVAPD:
	case ZYDIS_MNEMONIC_VMOVSD:
		return 8;
	default:
		return 0;
	}
}

/*
 * Elements whose bit is set, neighbours in one access, between memory and `value`; the others are
 * not touched, so that they may lie where there is nothing.
 */
static int masked_move(struct insn *insn, const ZydisDecodedOperand *op, unsigned char *value,
		       bool write)
{
	unsigned len = element_len(insn->i.mnemonic), nr = op->size / 8 / len, end;
	uint64_t mask = mask_get(insn->uc, ZydisRegisterGetId(insn->i.avx.mask.reg));
	uintptr_t addr = insn_address(insn, op);
	int rc = 0;

	for (unsigned i = 0; i < nr && !rc; i = end + 1) {
		for (end = i; end < nr && mask >> end & 1; end++)
			;
		if (end == i)
			continue;
		rc = write ? insn->mem->store(insn->mem, addr + i * len, value + i * len,
					      (end - i) * len)
			   : insn->mem->load(insn->mem, addr + i * len, value + i * len,
					     (end - i) * len);
	}
	return rc;
}

/* What is not loaded stays as it was, or is zero, as the instruction says. */
static int masked_load(struct insn *insn, const ZydisDecodedOperand *src)
{
	int id = ZydisRegisterGetId(insn->op[0].reg.value), rc;
	unsigned char value[ZMM_LEN] = {0};

	if (insn->i.avx.mask.mode == ZYDIS_MASK_MODE_MERGING)
		vec_get(insn->uc, id, value);
	memset(value + src->size / 8, 0, ZMM_LEN - src->size / 8);
	rc = masked_move(insn, src, value, false);
	if (!rc)
		vec_set(insn->uc, id, value, ZMM_LEN);
	return rc;
}

static int vec_load(struct insn *insn, const ZydisDecodedOperand *src, enum half half)
{
	bool legacy = insn->i.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY;
	int id = ZydisRegisterGetId(insn->op[0].reg.value);
	unsigned char value[ZMM_LEN] = {0};
	int rc;

	/* A half joins the other half, of the same register or of a second source. */
	if (half != HALF_NONE)
		vec_get(insn->uc, legacy ? id : ZydisRegisterGetId(insn->op[1].reg.value), value);
	rc = insn->mem->load(insn->mem, insn_address(insn, src),
			     value + (half == HALF_HIGH ? 8 : 0), src->size / 8);
	if (rc)
		return rc;
	if (half != HALF_NONE)
		memset(value + CHUNK, 0, ZMM_LEN - CHUNK);
	/* SSE leaves what lies above 128 bits, AVX clears it. */
	vec_set(insn->uc, id, value, legacy ? CHUNK : ZMM_LEN);
	return 0;
}

int insn_vec(struct insn *insn)
{
	unsigned last = insn->i.operand_count_visible - 1u;
	unsigned char value[ZMM_LEN];
	enum half half;

	if (!insn->i.operand_count_visible || last < 1 || last > 2 ||
	    !is_move(insn->i.mnemonic, &half) || (masked(insn) && !element_len(insn->i.mnemonic)))
		return -ENOSYS;
	if (is_vector(&insn->op[0]) && insn->op[last].type == ZYDIS_OPERAND_TYPE_MEMORY)
		return masked(insn) ? masked_load(insn, &insn->op[last])
				    : vec_load(insn, &insn->op[last], half);
	if (insn->op[0].type != ZYDIS_OPERAND_TYPE_MEMORY || !is_vector(&insn->op[last]))
		return -ENOSYS;
	vec_get(insn->uc, ZydisRegisterGetId(insn->op[last].reg.value), value);
	if (masked(insn))
		return masked_move(insn, &insn->op[0], value, true);
	return insn->mem->store(insn->mem, insn_address(insn, &insn->op[0]),
				value + (half == HALF_HIGH ? 8 : 0), insn->op[0].size / 8);
}
