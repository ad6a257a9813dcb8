/* SPDX-License-Identifier: MIT */
/*
 * A fault in a mapped BAR: the access is done by the model, in the program's own thread.
 *
 * The same handler serves the engine's guarded copies, and hands every other fault to the program.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ioas/guard.h>
#include "insn.h"
#include "mem/mem.h"
#include "map.h"
#include "preload.h"

/* What an access came to, besides 0 and -ENOSYS. */
enum {
	TRAP_SEGV = -1000, /* as without us: no such memory, or not allowed */
	TRAP_BUS,	   /* the device does not answer */
	TRAP_ELSE,	   /* no BAR, or not for this process */
};

struct trap {
	struct insn_mem mem;
	struct door_map map; /* the one used last, with a reference, if map.obj */
};

static bool find(struct trap *trap, uintptr_t addr)
{
	if (trap->map.obj && addr >= trap->map.start && addr < trap->map.end)
		return true;
	if (trap->map.obj)
		stand_put(trap->map.obj);
	trap->map.obj = NULL;
	return map_maybe(addr, addr + 1) && map_get(addr, &trap->map);
}

/* One access of 1, 2, 4 or 8 bytes inside trap->map. */
static int device(struct trap *trap, uintptr_t addr, void *data, unsigned size, bool write)
{
	uint64_t value = 0;

	if (!(trap->map.prot & (write ? PROT_WRITE : PROT_READ | PROT_WRITE | PROT_EXEC)))
		return TRAP_SEGV;
	if (stand_ready(trap->map.obj))
		return TRAP_BUS;
	if (write)
		memcpy(&value, data, size);
	if (ioas_file_access(trap->map.obj->file, trap->map.off + (addr - trap->map.start), write,
			     &value, size))
		return TRAP_BUS;
	if (!write)
		memcpy(data, &value, size);
	return 0;
}

/* Any memory: pieces as large as the device and the map's end allow. */
static int memory(struct trap *trap, uintptr_t addr, void *data, unsigned size, bool write)
{
	unsigned char *at = data;
	int rc = 0;

	while (size && !rc) {
		unsigned piece = size >= 8 ? 8 : size >= 4 ? 4 : size >= 2 ? 2 : 1;

		if (find(trap, addr)) {
			while (piece > trap->map.end - addr)
				piece /= 2;
			rc = device(trap, addr, at, piece, write);
		} else {
			if (map_maybe(addr, addr + piece))
				piece = 1;
			if ((write ? mem_guard_copy((void *)addr, at, piece)
				   : mem_guard_copy(at, (void *)addr, piece)) != piece)
				rc = TRAP_SEGV;
		}
		addr += piece;
		at += piece;
		size -= piece;
	}
	return rc;
}

static int load(struct insn_mem *mem, uintptr_t addr, void *dst, unsigned size)
{
	return memory((struct trap *)mem, addr, dst, size, false);
}

static int store(struct insn_mem *mem, uintptr_t addr, const void *src, unsigned size)
{
	return memory((struct trap *)mem, addr, (void *)(uintptr_t)src, size, true);
}

static void refuse(const ucontext_t *uc, const void *addr)
{
	const unsigned char *code = (void *)(uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
	unsigned char copy[15];
	char hex[sizeof(copy) * 3 + 1] = "";
	size_t got = mem_guard_copy(copy, code, sizeof(copy));

	for (size_t i = 0; i < got; i++)
		snprintf(hex + i * 3, 4, " %02x", copy[i]);
	door_say("an instruction that accesses a BAR at %p is not one this door can do:%s", addr,
		 hex);
}

/* Does the access if it concerns a BAR. 0, -ENOSYS or one of the above. */
static int trap_bar(siginfo_t *info, ucontext_t *uc)
{
	struct trap trap = {.mem = {load, store, (uintptr_t)info->si_addr}};
	struct door_call call;
	int rc = TRAP_ELSE;

	if (!door_enter_masked(&call))
		return rc;
	if (find(&trap, (uintptr_t)info->si_addr))
		rc = insn_run(uc, &trap.mem);
	if (trap.map.obj)
		stand_put(trap.map.obj);
	door_leave_masked(&call);
	return rc;
}

struct bar_fault {
	siginfo_t *info;
	ucontext_t *uc;
	int rc;
};

static void trap_here(void *arg)
{
	struct bar_fault *fault = arg;

	fault->rc = trap_bar(fault->info, fault->uc);
}

#define RED_ZONE 128 /* below its stack pointer, a function's own */

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31) /* <linux/signal.h>; glibc lacks it */
#endif

/*
 * void trap_call_below(sp, fn, arg): calls fn(arg) with that stack pointer, a multiple of 16.
 */
__asm__(".pushsection .text\n"
	".balign 16\n"
	".globl trap_call_below\n"
	"trap_call_below:\n"
	"	.cfi_startproc\n"
	"	push %rbp\n"
	"	.cfi_def_cfa_offset 16\n"
	"	.cfi_offset %rbp, -16\n"
	"	mov %rsp, %rbp\n"
	"	.cfi_def_cfa_register %rbp\n"
	"	mov %rdi, %rsp\n"
	"	mov %rdx, %rdi\n"
	"	call *%rsi\n"
	"	mov %rbp, %rsp\n"
	"	pop %rbp\n"
	"	.cfi_def_cfa %rsp, 8\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".popsection\n");

static bool lies_on(const stack_t *stack, uintptr_t sp)
{
	return sp - (uintptr_t)stack->ss_sp < stack->ss_size;
}

/*
 * On the program's own stack, where the alternate one cannot be in use: a fault inside the engine
 * would else start at its top again, over this handler's frame.
 */
static void trap_there(void *arg)
{
	struct bar_fault *fault = arg;
	const stack_t *alternate = &fault->uc->uc_stack;
	stack_t none = {.ss_flags = SS_DISABLE};

	sigaltstack(&none, NULL);
	trap_here(arg);
	if (!(alternate->ss_flags & (int)SS_AUTODISARM))
		sigaltstack(alternate, NULL);
}

/*
 * An alternate stack of the program is made for its own handler and may be small: the engine runs
 * on the stack that was interrupted. True: the fault is dealt with.
 */
static bool trap(siginfo_t *info, ucontext_t *uc)
{
	struct bar_fault fault = {info, uc, 0};
	uintptr_t sp = (uintptr_t)uc->uc_mcontext.gregs[REG_RSP];

	if (lies_on(&uc->uc_stack, (uintptr_t)&fault) && !lies_on(&uc->uc_stack, sp))
		trap_call_below((sp - RED_ZONE) & ~63ul, trap_there, &fault);
	else
		trap_here(&fault);
	if (fault.rc == TRAP_SEGV || fault.rc == TRAP_ELSE)
		return false;
	if (fault.rc == -ENOSYS)
		refuse(uc, info->si_addr);
	if (fault.rc)
		signal_bus(info, uc);
	return true;
}

void trap_handler(int sig, siginfo_t *info, void *context)
{
	uintptr_t addr = (uintptr_t)info->si_addr;

	if (ioas_guard_fixup(context))
		return;
	if (sig == SIGSEGV && info->si_code > 0 && info->si_code != SI_KERNEL &&
	    map_maybe(addr, addr + 1) && !door_inside && trap(info, context))
		return;
	signal_chain(sig, info, context);
}
