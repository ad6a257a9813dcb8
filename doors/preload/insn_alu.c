/* SPDX-License-Identifier: MIT */
/*
 * Integer instructions on memory, and string instructions.
 *
 * Flags as in Intel's Software Developer's Manual, volume 2; what it leaves undefined is cleared.
 */
#include <errno.h>
#include "insn.h"

enum {
	CF = 1 << 0,
	PF = 1 << 2,
	AF = 1 << 4,
	ZF = 1 << 6,
	SF = 1 << 7,
	DF = 1 << 10,
	OF = 1 << 11,
	ARITH = CF | PF | AF | ZF | SF | OF,
};

struct result {
	uint64_t value;
	unsigned flags;	  /* of `changes` */
	unsigned changes; /* which flags the instruction writes */
};

static uint64_t cut(uint64_t value, unsigned size)
{
	return size == 8 ? value : value & ((1ull << size * 8) - 1);
}

static unsigned top_bit(uint64_t value, unsigned size)
{
	return value >> (size * 8 - 1) & 1;
}

/* Sign, zero and parity of a result. */
static unsigned szp(uint64_t value, unsigned size)
{
	return (cut(value, size) ? 0 : ZF) | (top_bit(value, size) ? SF : 0) |
	       (__builtin_parity(value & 0xff) ? 0 : PF);
}

static struct result add(uint64_t a, uint64_t b, unsigned carry, unsigned size)
{
	uint64_t r = cut(a + b + carry, size);

	return (struct result){r,
			       szp(r, size) | (top_bit((a & b) | ((a | b) & ~r), size) ? CF : 0) |
				       (top_bit((a ^ r) & (b ^ r), size) ? OF : 0) |
				       ((a ^ b ^ r) & 16 ? AF : 0),
			       ARITH};
}

static struct result sub(uint64_t a, uint64_t b, unsigned borrow, unsigned size)
{
	uint64_t r = cut(a - b - borrow, size);

	return (struct result){r,
			       szp(r, size) | (top_bit((~a & b) | ((~a | b) & r), size) ? CF : 0) |
				       (top_bit((a ^ b) & (a ^ r), size) ? OF : 0) |
				       ((a ^ b ^ r) & 16 ? AF : 0),
			       ARITH};
}

static struct result logic(uint64_t r, unsigned size)
{
	r = cut(r, size);
	return (struct result){r, szp(r, size), ARITH};
}

/* inc and dec leave the carry alone. */
static struct result keep_carry(struct result r)
{
	r.changes &= ~(unsigned)CF;
	return r;
}

static struct result bit(ZydisMnemonic mnemonic, uint64_t a, uint64_t b, unsigned size)
{
	uint64_t at = 1ull << (b & (size * 8 - 1));
	uint64_t r = mnemonic == ZYDIS_MNEMONIC_BTS   ? a | at
		     : mnemonic == ZYDIS_MNEMONIC_BTR ? a & ~at
		     : mnemonic == ZYDIS_MNEMONIC_BTC ? a ^ at
						      : a;

	return (struct result){r, a & at ? CF : 0, CF};
}

/* The result of `mnemonic`; false: not one of these. */
static bool compute(ZydisMnemonic mnemonic, uint64_t a, uint64_t b, unsigned flags, unsigned size,
		    struct result *out)
{
	switch (mnemonic) {
	case ZYDIS_MNEMONIC_ADD:
	case ZYDIS_MNEMONIC_XADD:
		*out = add(a, b, 0, size);
		return true;
	case ZYDIS_MNEMONIC_ADC:
		*out = add(a, b, flags & CF, size);
		return true;
	case ZYDIS_MNEMONIC_SUB:
	case ZYDIS_MNEMONIC_CMP:
		*out = sub(a, b, 0, size);
		return true;
	case ZYDIS_MNEMONIC_SBB:
		*out = sub(a, b, flags & CF, size);
		return true;
	case ZYDIS_MNEMONIC_AND:
	case ZYDIS_MNEMONIC_TEST:
		*out = logic(a & b, size);
		return true;
	case ZYDIS_MNEMONIC_OR:
		*out = logic(a | b, size);
		return true;
	case ZYDIS_MNEMONIC_XOR:
		*out = logic(a ^ b, size);
		return true;
	case ZYDIS_MNEMONIC_INC:
		*out = keep_carry(add(a, 1, 0, size));
		return true;
	case ZYDIS_MNEMONIC_DEC:
		*out = keep_carry(sub(a, 1, 0, size));
		return true;
	case ZYDIS_MNEMONIC_NEG:
		*out = sub(0, a, 0, size);
		return true;
	case ZYDIS_MNEMONIC_NOT:
		*out = (struct result){cut(~a, size), 0, 0};
		return true;
	case ZYDIS_MNEMONIC_XCHG:
		*out = (struct result){cut(b, size), 0, 0};
		return true;
	case ZYDIS_MNEMONIC_BT:
	case ZYDIS_MNEMONIC_BTS:
	case ZYDIS_MNEMONIC_BTR:
	case ZYDIS_MNEMONIC_BTC:
		*out = bit(mnemonic, a, b, size);
		return true;
	default:
		return false;
	}
}

static void set_flags(struct insn *insn, struct result r)
{
	greg_t *flags = &insn->uc->uc_mcontext.gregs[REG_EFL];

	*flags = (greg_t)(((uint64_t)*flags & ~(uint64_t)r.changes) | r.flags);
}

static int get(struct insn *insn, const ZydisDecodedOperand *op, unsigned size, uint64_t *value)
{
	*value = 0;
	switch (op->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		*value = insn_reg_get(insn->uc, op->reg.value);
		return 0;
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		*value = cut(op->imm.value.u, size);
		return 0;
	case ZYDIS_OPERAND_TYPE_MEMORY:
		return insn->mem->load(insn->mem, insn_address(insn, op), value, size);
	default:
		return -ENOSYS;
	}
}

static int put(struct insn *insn, const ZydisDecodedOperand *op, unsigned size, uint64_t value)
{
	if (op->type == ZYDIS_OPERAND_TYPE_MEMORY)
		return insn->mem->store(insn->mem, insn_address(insn, op), &value, size);
	insn_reg_set(insn->uc, op->reg.value, value);
	return 0;
}

/* A bit number in a register reaches beyond the operand: the address moves with it. */
static bool far_bit(const struct insn *insn)
{
	return insn->op[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
	       insn->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       (insn->i.mnemonic == ZYDIS_MNEMONIC_BT || insn->i.mnemonic == ZYDIS_MNEMONIC_BTS ||
		insn->i.mnemonic == ZYDIS_MNEMONIC_BTR || insn->i.mnemonic == ZYDIS_MNEMONIC_BTC);
}

/* The accumulator of that size. */
static ZydisRegister accumulator(unsigned size)
{
	return size == 8   ? ZYDIS_REGISTER_RAX
	       : size == 4 ? ZYDIS_REGISTER_EAX
	       : size == 2 ? ZYDIS_REGISTER_AX
			   : ZYDIS_REGISTER_AL;
}

static int compare_exchange(struct insn *insn, unsigned size)
{
	ZydisRegister acc = accumulator(size);
	uint64_t value, next;
	struct result r;
	int rc = get(insn, &insn->op[0], size, &value);

	if (rc)
		return rc;
	r = sub(insn_reg_get(insn->uc, acc), value, 0, size);
	next = r.flags & ZF ? insn_reg_get(insn->uc, insn->op[1].reg.value) : value;
	rc = put(insn, &insn->op[0], size, next);
	if (rc)
		return rc;
	if (!(r.flags & ZF))
		insn_reg_set(insn->uc, acc, value);
	set_flags(insn, r);
	return 0;
}

int insn_alu(struct insn *insn)
{
	const ZydisDecodedOperand *dst = &insn->op[0], *src = &insn->op[1];
	unsigned flags = (unsigned)insn->uc->uc_mcontext.gregs[REG_EFL];
	unsigned size = dst->size / 8;
	uint64_t a, b = 0;
	struct result r;
	int rc;

	if (!insn->i.operand_count_visible || insn->i.operand_count_visible > 2 ||
	    (size != 1 && size != 2 && size != 4 && size != 8) || far_bit(insn))
		return -ENOSYS;
	if (insn->i.mnemonic == ZYDIS_MNEMONIC_CMPXCHG)
		return compare_exchange(insn, size);
	if (!compute(insn->i.mnemonic, 0, 0, flags, size, &r))
		return -ENOSYS;
	rc = get(insn, dst, size, &a);
	if (!rc && insn->i.operand_count_visible == 2)
		rc = get(insn, src, size, &b);
	if (rc)
		return rc;
	compute(insn->i.mnemonic, a, b, flags, size, &r);
	if (dst->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
		rc = put(insn, dst, size, r.value);
	if (!rc &&
	    (insn->i.mnemonic == ZYDIS_MNEMONIC_XCHG || insn->i.mnemonic == ZYDIS_MNEMONIC_XADD))
		rc = put(insn, src, size, a);
	if (rc)
		return rc;
	set_flags(insn, r);
	return 0;
}

static unsigned string_size(ZydisMnemonic mnemonic)
{
	switch (mnemonic) {
	case ZYDIS_MNEMONIC_MOVSB:
	case ZYDIS_MNEMONIC_STOSB:
	case ZYDIS_MNEMONIC_LODSB:
		return 1;
	case ZYDIS_MNEMONIC_MOVSW:
	case ZYDIS_MNEMONIC_STOSW:
	case ZYDIS_MNEMONIC_LODSW:
		return 2;
	case ZYDIS_MNEMONIC_MOVSD:
	case ZYDIS_MNEMONIC_STOSD:
	case ZYDIS_MNEMONIC_LODSD:
		return 4;
	case ZYDIS_MNEMONIC_MOVSQ:
	case ZYDIS_MNEMONIC_STOSQ:
	case ZYDIS_MNEMONIC_LODSQ:
		return 8;
	default:
		return 0;
	}
}

/* One round; registers move only when it is done, so that it can be tried again. */
static int string_round(struct insn *insn, unsigned size, greg_t *from, greg_t *to)
{
	greg_t *g = insn->uc->uc_mcontext.gregs;
	greg_t step = g[REG_EFL] & DF ? -(greg_t)size : (greg_t)size;
	uint64_t value = (uint64_t)g[REG_RAX];
	int rc = 0;

	if (from)
		rc = insn->mem->load(insn->mem, (uintptr_t)*from, &value, size);
	if (!rc && to)
		rc = insn->mem->store(insn->mem, (uintptr_t)*to, &value, size);
	if (rc)
		return rc;
	if (!to)
		insn_reg_set(insn->uc, accumulator(size), cut(value, size));
	if (from)
		*from += step;
	if (to)
		*to += step;
	return 0;
}

int insn_string(struct insn *insn)
{
	greg_t *g = insn->uc->uc_mcontext.gregs;
	unsigned size = string_size(insn->i.mnemonic);
	bool stos = false, lods = false;
	int rc;

	/* No 32-bit addresses, no other segments: nobody copies registers that way. */
	if (!size || insn->i.address_width != 64 ||
	    insn->i.attributes & (ZYDIS_ATTRIB_HAS_SEGMENT_FS | ZYDIS_ATTRIB_HAS_SEGMENT_GS))
		return -ENOSYS;
	switch (insn->i.mnemonic) {
	case ZYDIS_MNEMONIC_STOSB:
	case ZYDIS_MNEMONIC_STOSW:
	case ZYDIS_MNEMONIC_STOSD:
	case ZYDIS_MNEMONIC_STOSQ:
		stos = true;
		break;
	case ZYDIS_MNEMONIC_LODSB:
	case ZYDIS_MNEMONIC_LODSW:
	case ZYDIS_MNEMONIC_LODSD:
	case ZYDIS_MNEMONIC_LODSQ:
		lods = true;
		break;
	default:
		break;
	}
	if (!(insn->i.attributes & ZYDIS_ATTRIB_HAS_REP))
		return string_round(insn, size, stos ? NULL : &g[REG_RSI],
				    lods ? NULL : &g[REG_RDI]);
	for (rc = 0; !rc && g[REG_RCX];) {
		rc = string_round(insn, size, stos ? NULL : &g[REG_RSI], lods ? NULL : &g[REG_RDI]);
		if (!rc)
			g[REG_RCX]--;
	}
	return rc;
}
