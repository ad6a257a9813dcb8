/* SPDX-License-Identifier: MIT */
/* Decoding the instruction that faulted, its operands, and plain moves. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <asm/prctl.h>
#include <sys/syscall.h>
#include "insn.h"

#define INSN_MAX 15

static ZydisDecoder decoder; /* constant after insn_init */

/* In the order of the hardware's register numbers. */
static const int gregs[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
			      REG_RSI, REG_RDI, REG_R8,	 REG_R9,  REG_R10, REG_R11,
			      REG_R12, REG_R13, REG_R14, REG_R15};

/* Which general register, how many bytes of it, and from which bit. -1: none of these. */
static int reg_place(ZydisRegister reg, unsigned *size, unsigned *shift)
{
	int id = ZydisRegisterGetId(reg);

	*shift = 0;
	switch (ZydisRegisterGetClass(reg)) {
	case ZYDIS_REGCLASS_GPR8:
		*size = 1;
		if (id < 4)
			return id;
		*shift = id < 8 ? 8 : 0; /* AH CH DH BH, then SPL on */
		return id - 4;
	case ZYDIS_REGCLASS_GPR16:
		*size = 2;
		return id;
	case ZYDIS_REGCLASS_GPR32:
		*size = 4;
		return id;
	case ZYDIS_REGCLASS_GPR64:
		*size = 8;
		return id;
	default:
		return -1;
	}
}

static uint64_t mask_of(unsigned size)
{
	return size == 8 ? UINT64_MAX : (1ull << size * 8) - 1;
}

uint64_t insn_reg_get(const ucontext_t *uc, ZydisRegister reg)
{
	unsigned size, shift;
	int id = reg_place(reg, &size, &shift);

	if (id < 0)
		return 0;
	return (uint64_t)uc->uc_mcontext.gregs[gregs[id]] >> shift & mask_of(size);
}

void insn_reg_set(ucontext_t *uc, ZydisRegister reg, uint64_t value)
{
	unsigned size, shift;
	int id = reg_place(reg, &size, &shift);
	uint64_t old, mask;

	if (id < 0)
		return;
	old = (uint64_t)uc->uc_mcontext.gregs[gregs[id]];
	mask = mask_of(size) << shift;
	if (size == 4)
		old = 0;
	uc->uc_mcontext.gregs[gregs[id]] = (greg_t)((old & ~mask) | (value << shift & mask));
}

static uint64_t segment_base(ZydisRegister segment)
{
	unsigned long base = 0;

	if (segment == ZYDIS_REGISTER_FS)
		syscall(SYS_arch_prctl, ARCH_GET_FS, &base);
	else if (segment == ZYDIS_REGISTER_GS)
		syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
	return base;
}

uintptr_t insn_address(const struct insn *insn, const ZydisDecodedOperand *op)
{
	const ucontext_t *uc = insn->uc;
	uint64_t addr = op->mem.disp.has_displacement ? (uint64_t)op->mem.disp.value : 0;

	if (op->mem.base == ZYDIS_REGISTER_RIP)
		addr += (uint64_t)uc->uc_mcontext.gregs[REG_RIP] + insn->i.length;
	else if (op->mem.base != ZYDIS_REGISTER_NONE)
		addr += insn_reg_get(uc, op->mem.base);
	if (op->mem.index != ZYDIS_REGISTER_NONE)
		addr += insn_reg_get(uc, op->mem.index) * op->mem.scale;
	if (insn->i.address_width == 32)
		addr = (uint32_t)addr;
	return addr + segment_base(op->mem.segment);
}

static uint64_t swap(uint64_t value, unsigned size)
{
	return size == 8   ? __builtin_bswap64(value)
	       : size == 4 ? __builtin_bswap32((uint32_t)value)
			   : __builtin_bswap16((uint16_t)value);
}

static uint64_t extend(uint64_t value, unsigned size)
{
	unsigned spare = 64 - size * 8;

	return (uint64_t)((int64_t)(value << spare) >> spare);
}

/* mov, movnti, movbe, movzx, movsx, movsxd: one memory operand, the other a register or number. */
static int move(struct insn *insn)
{
	const ZydisDecodedOperand *dst = &insn->op[0], *src = &insn->op[1];
	bool signs = insn->i.mnemonic == ZYDIS_MNEMONIC_MOVSX ||
		     insn->i.mnemonic == ZYDIS_MNEMONIC_MOVSXD;
	bool swaps = insn->i.mnemonic == ZYDIS_MNEMONIC_MOVBE;
	uint64_t value = 0;
	int rc;

	if (dst->type == ZYDIS_OPERAND_TYPE_MEMORY) {
		unsigned size = dst->size / 8;

		if (src->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
			value = src->imm.value.u;
		else if (src->type == ZYDIS_OPERAND_TYPE_REGISTER)
			value = insn_reg_get(insn->uc, src->reg.value);
		if (swaps)
			value = swap(value, size);
		return insn->mem->store(insn->mem, insn_address(insn, dst), &value, size);
	}
	rc = insn->mem->load(insn->mem, insn_address(insn, src), &value, src->size / 8);
	if (rc)
		return rc;
	if (signs)
		value = extend(value, src->size / 8);
	if (swaps)
		value = swap(value, src->size / 8);
	insn_reg_set(insn->uc, dst->reg.value, value);
	return 0;
}

/* Only general registers: moves of segment and control registers are not for devices. */
static bool plain_registers(const struct insn *insn)
{
	unsigned size, shift;

	for (unsigned i = 0; i < insn->i.operand_count_visible; i++)
		if (insn->op[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    reg_place(insn->op[i].reg.value, &size, &shift) < 0)
			return false;
	return true;
}

static int execute(struct insn *insn)
{
	int rc;

	if (insn->i.meta.category == ZYDIS_CATEGORY_STRINGOP)
		return insn_string(insn);
	rc = insn_vec(insn);
	if (rc != -ENOSYS || !plain_registers(insn))
		return rc;
	switch (insn->i.mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
	case ZYDIS_MNEMONIC_MOVNTI:
	case ZYDIS_MNEMONIC_MOVBE:
	case ZYDIS_MNEMONIC_MOVZX:
	case ZYDIS_MNEMONIC_MOVSX:
	case ZYDIS_MNEMONIC_MOVSXD:
		return move(insn);
	default:
		return insn_alu(insn);
	}
}

/* The next page of code need not exist when the instruction ends before it. */
static bool decode(struct insn *insn, uintptr_t rip)
{
	size_t room = 4096 - (rip & 4095);

	if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, (const void *)rip,
						room < INSN_MAX ? room : INSN_MAX, &insn->i,
						insn->op)))
		return true;
	return room < INSN_MAX &&
	       ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, (const void *)rip, INSN_MAX, &insn->i,
						   insn->op));
}

int insn_run(ucontext_t *uc, struct insn_mem *mem)
{
	struct insn insn = {.uc = uc, .mem = mem};
	greg_t *rip = &uc->uc_mcontext.gregs[REG_RIP];
	int rc;

	if (!decode(&insn, (uintptr_t)*rip))
		return -ENOSYS;
	rc = execute(&insn);
	if (!rc)
		*rip += insn.i.length;
	return rc;
}

void insn_init(void)
{
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	insn_vec_init();
}
