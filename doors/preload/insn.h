/* SPDX-License-Identifier: MIT */
/*
 * Doing one x86-64 instruction by hand, with its memory operand led elsewhere.
 *
 * Known are the accesses that compilers and libc make of device registers: moves of every width,
 * string instructions, integer read-modify-write, SSE and AVX loads and stores. What is not known
 * is refused, with nothing done.
 */
#ifndef PRELOAD_INSN_H
#define PRELOAD_INSN_H

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>
#include <Zydis/Zydis.h>

/* How memory is reached: 0, or an error that ends the instruction. `size` 1 to 64. */
struct insn_mem {
	int (*load)(struct insn_mem *mem, uintptr_t addr, void *dst, unsigned size);
	int (*store)(struct insn_mem *mem, uintptr_t addr, const void *src, unsigned size);
	uintptr_t fault_addr; /* what the kernel says was touched */
};

/*
 * Does the instruction at uc's RIP and moves on. 0; -ENOSYS not one of those; or what `mem`
 * answered: then nothing is done but the finished rounds of a repeated string instruction.
 * Async-signal-safe, no allocation.
 */
int insn_run(ucontext_t *uc, struct insn_mem *mem);
/* Once, before the first insn_run: where this CPU's signal frames keep wide registers. */
void insn_init(void);

/* One instruction at work; for the insn_*.c files. */
struct insn {
	ucontext_t *uc;
	struct insn_mem *mem;
	ZydisDecodedInstruction i;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
};

/* General registers by Zydis' names; a write of 32 bits clears the upper half. */
uint64_t insn_reg_get(const ucontext_t *uc, ZydisRegister reg);
void insn_reg_set(ucontext_t *uc, ZydisRegister reg, uint64_t value);
/* The address of a memory operand. */
uintptr_t insn_address(const struct insn *insn, const ZydisDecodedOperand *op);

/* insn_alu.c: integer operations with flags, and string instructions. -ENOSYS: not of these. */
int insn_alu(struct insn *insn);
int insn_string(struct insn *insn);
/* insn_vec.c: SSE and AVX moves. */
int insn_vec(struct insn *insn);
void insn_vec_init(void);

#endif
