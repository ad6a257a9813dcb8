/* SPDX-License-Identifier: MIT */
/*
 * System calls that programs make past libc's functions for them, as far as they go through libc
 * at all: syscall(), clone() and vfork().
 *
 * Of syscall() those are looked at that change which number means which descriptor, who this is and
 * what he may do, or that make a process with our memory. The rest, and what inline assembly does,
 * goes to the kernel unseen.
 */
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>
#include "preload.h"
#include "real.h"
#include "wrap.h"

/*
 * vfork: the child returns first, on the same stack, so the return address waits in a register that
 * the kernel keeps. From before the call until the parent goes on, door_vforks says that this may
 * be the child; it counts, since a child of vfork may call vfork.
 */
__asm__(".pushsection .text\n"
	".balign 16\n"
	".globl vfork\n"
	".type vfork, @function\n"
	"vfork:\n"
	"	.cfi_startproc\n"
	"	pop %rdi\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	.cfi_register %rip, %rdi\n"
	"	mov door_vforks@gottpoff(%rip), %rsi\n"
	"	incl %fs:(%rsi)\n"
	"	mov $58, %eax\n" /* SYS_vfork */
	"	syscall\n"
	"	push %rdi\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	.cfi_rel_offset %rip, 0\n"
	"	test %rax, %rax\n"
	"	jz 1f\n"
	"	decl %fs:(%rsi)\n"
	"	cmp $-4095, %rax\n"
	"	jae raw_failed\n"
	"1:	ret\n"
	"	.cfi_endproc\n"
	".size vfork, .-vfork\n"
	".globl __vfork\n"
	".set __vfork, vfork\n"

	/* Where a system call's -errno is in %rax: sets errno, returns -1. */
	"raw_failed:\n"
	"	.cfi_startproc\n"
	"	neg %eax\n"
	"	push %rax\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	call __errno_location@PLT\n"
	"	pop %rdx\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	mov %edx, (%rax)\n"
	"	or $-1, %rax\n"
	"	ret\n"
	"	.cfi_endproc\n"

	/*
	 * syscall: a call that makes a process may return on another stack, so that there must be
	 * no frame of ours while it runs.
	 */
	".balign 16\n"
	".globl syscall\n"
	".type syscall, @function\n"
	"syscall:\n"
	"	.cfi_startproc\n"
	"	cmp $512, %rdi\n" /* RAW_NR */
	"	jae raw_kernel\n"
	"	lea raw_seen(%rip), %rax\n"
	"	cmpb $0, (%rax, %rdi)\n"
	"	jne 2f\n"
	/* long raw_kernel(long nr, ...): by the kernel, whatever it is */
	"raw_kernel:\n"
	"	mov %rdi, %rax\n"
	"	mov %rsi, %rdi\n"
	"	mov %rdx, %rsi\n"
	"	mov %rcx, %rdx\n"
	"	mov %r8, %r10\n"
	"	mov %r9, %r8\n"
	"	mov 8(%rsp), %r9\n"
	"	syscall\n"
	"	cmp $-4095, %rax\n"
	"	jae raw_failed\n"
	"	ret\n"
	"2:	sub $56, %rsp\n"
	"	.cfi_adjust_cfa_offset 56\n"
	"	mov %rdi, (%rsp)\n"
	"	mov %rsi, 8(%rsp)\n"
	"	mov %rdx, 16(%rsp)\n"
	"	mov %rcx, 24(%rsp)\n"
	"	mov %r8, 32(%rsp)\n"
	"	mov %r9, 40(%rsp)\n"
	"	mov %rsp, %rdi\n"
	"	call raw_call\n"
	"	test %al, %al\n"
	"	mov (%rsp), %rax\n"
	"	mov (%rsp), %rdi\n"
	"	mov 8(%rsp), %rsi\n"
	"	mov 16(%rsp), %rdx\n"
	"	mov 24(%rsp), %rcx\n"
	"	mov 32(%rsp), %r8\n"
	"	mov 40(%rsp), %r9\n"
	"	lea 56(%rsp), %rsp\n"
	"	.cfi_adjust_cfa_offset -56\n"
	"	jz raw_kernel\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size syscall, .-syscall\n"
	".popsection\n");

#define RAW_NR 512 /* as above */
#define HIDDEN __attribute__((visibility("hidden")))

/* Which numbers are looked at. */
extern const unsigned char raw_seen[RAW_NR] HIDDEN;
const unsigned char raw_seen[RAW_NR] = {
	[SYS_close] = 1,   [SYS_close_range] = 1,  [SYS_dup2] = 1,	[SYS_dup3] = 1,
	[SYS_clone] = 1,   [SYS_clone3] = 1,	   [SYS_vfork] = 1,	[SYS_capset] = 1,
	[SYS_setuid] = 1,  [SYS_setreuid] = 1,	   [SYS_setresuid] = 1, [SYS_setns] = 1,
	[SYS_unshare] = 1, [SYS_rt_sigaction] = 1,
};

long raw_kernel(long nr, ...) HIDDEN;

/* The kernel's struct begins with the handler. Of SIGSEGV and SIGBUS nothing must be changed. */
static long raw_action(const long args[6])
{
	int sig = (int)args[1];
	uintptr_t *old = (uintptr_t *)args[3];
	long rc;

	if (!atomic_load_explicit(&door.active, memory_order_acquire) || !door_own())
		return raw_kernel(SYS_rt_sigaction, args[1], args[2], args[3], args[4]);
	rc = raw_kernel(SYS_rt_sigaction, args[1], args[2], args[3], args[4]);
	if (!rc && old)
		signal_show(sig, old);
	if (!rc && args[2])
		signal_adopt(sig);
	return rc;
}

/*
 * The arguments of a syscall() above, its number first. True: it is done, and its result is in
 * args[0].
 */
bool raw_call(long args[6]) HIDDEN;
bool raw_call(long args[6])
{
	if (!door.run || door_inside)
		return false;
	switch (args[0]) {
	case SYS_close:
		args[0] = close((int)args[1]);
		return true;
	case SYS_dup2:
		args[0] = dup2((int)args[1], (int)args[2]);
		return true;
	case SYS_dup3:
		args[0] = dup3((int)args[1], (int)args[2], (int)args[3]);
		return true;
	case SYS_close_range:
		args[0] = close_range((unsigned)args[1], (unsigned)args[2], (int)args[3]);
		return true;
	case SYS_clone:
		if ((args[1] & (CLONE_VM | CLONE_THREAD)) == CLONE_VM)
			door_hold(HOLD_TWINS);
		return false;
	case SYS_vfork:
	case SYS_clone3: /* its flags are in memory */
		door_hold(HOLD_TWINS);
		return false;
	case SYS_rt_sigaction:
		args[0] = raw_action(args);
		return true;
	default: /* who may do what */
		args[0] = raw_kernel(args[0], args[1], args[2], args[3]);
		creds_changed();
		return true;
	}
}

/* A child with our memory and without a thread of its own is told from us by its number only. */
int clone(int (*run)(void *), void *stack, int flags, void *arg, ...)
{
	void *parent_tid, *tls, *child_tid;
	va_list ap;

	real_need();
	va_start(ap, arg);
	parent_tid = va_arg(ap, void *);
	tls = va_arg(ap, void *);
	child_tid = va_arg(ap, void *);
	va_end(ap);
	if (door.run && (flags & (CLONE_VM | CLONE_THREAD)) == CLONE_VM)
		door_hold(HOLD_TWINS);
	return real.clone(run, stack, flags, arg, parent_tid, tls, child_tid);
}
ALIAS_NEW(__clone, clone)
