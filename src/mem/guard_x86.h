/* SPDX-License-Identifier: MIT */
/* The instructions of guard.c, which alone includes this, that may fault; and where they are. */
#ifndef MEM_GUARD_X86_H
#define MEM_GUARD_X86_H

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)

/*
 * size_t guard_copy(dst, src, len): bytes not copied. Short copies go by 16 bytes (rep movsb is
 * slow to start); a fault there falls into the byte copy, which faults again exactly where it must
 * end. guard_wide is the same for processors with AVX, by 128 bytes as far as they go: unlike rep
 * movsb it is as fast at any alignment, and waits for fewer of the caches' misses one by one. int
 * guard_load_N(src, uint64_t *value), guard_store_N(dst, value), guard_touch_write(dst): 0 or
 * -EFAULT. guard_exchange(dst, old, value): -EAGAIN, too. size_t guard_ordered(dst, words, nr):
 * words not stored; the others are seen in order, as x86 orders stores. size_t guard_or(dst, src,
 * len): bytes not or-ed; as guard_copy, a fault falls into the bytes, where what was done is done
 * again.
 */
__asm__(".pushsection .text\n"
	".balign 16\n"
	"guard_copy:\n"
	"	mov %rdx, %rcx\n"
	"	cmp $256, %rcx\n"
	"	ja guard_bytes\n"
	"0:	cmp $16, %rcx\n"
	"	jb 4f\n"
	"guard_words:\n"
	"	movdqu (%rsi), %xmm0\n"
	"	movdqu %xmm0, (%rdi)\n"
	"	add $16, %rsi\n"
	"	add $16, %rdi\n"
	"	sub $16, %rcx\n"
	"	jmp 0b\n"
	"4:	cmp $8, %rcx\n"
	"	jb 5f\n"
	"	mov (%rsi), %rax\n"
	"	mov %rax, (%rdi)\n"
	"guard_words_end:\n"
	"	add $8, %rsi\n"
	"	add $8, %rdi\n"
	"	sub $8, %rcx\n"
	"5:	test %rcx, %rcx\n"
	"	jz guard_bytes_end\n"
	"guard_bytes:\n"
	"	rep movsb\n"
	"guard_bytes_end:\n"
	"	mov %rcx, %rax\n"
	"	ret\n"
	".balign 16\n"
	"guard_wide:\n"
	"	mov %rdx, %rcx\n"
	"	sub $128, %rcx\n"
	"	jb 7f\n"
	".balign 16\n"
	"guard_wide_lines:\n"
	"	vmovdqu (%rsi), %ymm0\n"
	"	vmovdqu 32(%rsi), %ymm1\n"
	"	vmovdqu 64(%rsi), %ymm2\n"
	"	vmovdqu 96(%rsi), %ymm3\n"
	"	vmovdqu %ymm0, (%rdi)\n"
	"	vmovdqu %ymm1, 32(%rdi)\n"
	"	vmovdqu %ymm2, 64(%rdi)\n"
	"	vmovdqu %ymm3, 96(%rdi)\n"
	"guard_wide_lines_end:\n"
	"	sub $-128, %rdi\n"
	"	sub $-128, %rsi\n"
	"	sub $128, %rcx\n"
	"	jae guard_wide_lines\n"
	"	vzeroupper\n"
	"7:	add $128, %rcx\n"
	"	jmp 0b\n"
	"guard_wide_lost:\n"
	"	vzeroupper\n"
	"	add $128, %rcx\n"
	"	jmp guard_bytes\n"
	".balign 16\n"
	"guard_or:\n"
	"	mov %rdx, %rcx\n"
	"4:	sub $64, %rcx\n"
	"	jb guard_or_rest\n"
	"guard_or_lines:\n"
	"	movdqu (%rdi), %xmm0\n"
	"	movdqu 16(%rdi), %xmm1\n"
	"	movdqu 32(%rdi), %xmm2\n"
	"	movdqu 48(%rdi), %xmm3\n"
	"	movdqu (%rsi), %xmm4\n"
	"	movdqu 16(%rsi), %xmm5\n"
	"	movdqu 32(%rsi), %xmm6\n"
	"	movdqu 48(%rsi), %xmm7\n"
	"	por %xmm4, %xmm0\n"
	"	por %xmm5, %xmm1\n"
	"	por %xmm6, %xmm2\n"
	"	por %xmm7, %xmm3\n"
	"	movdqu %xmm0, (%rdi)\n"
	"	movdqu %xmm1, 16(%rdi)\n"
	"	movdqu %xmm2, 32(%rdi)\n"
	"	movdqu %xmm3, 48(%rdi)\n"
	"guard_or_lines_end:\n"
	"	add $64, %rdi\n"
	"	add $64, %rsi\n"
	"	jmp 4b\n"
	"guard_or_rest:\n"
	"	add $64, %rcx\n"
	"	jz guard_or_end\n"
	"5:	mov (%rsi), %al\n"
	"guard_or_byte:\n"
	"	or %al, (%rdi)\n"
	"guard_or_byte_end:\n"
	"	inc %rdi\n"
	"	inc %rsi\n"
	"	dec %rcx\n"
	"	jnz 5b\n"
	"guard_or_end:\n"
	"	mov %rcx, %rax\n"
	"	ret\n"
	".balign 16\n"
	"guard_ordered:\n"
	"	lea (%rdi,%rdx,8), %rdi\n"
	"	lea (%rsi,%rdx,8), %rsi\n"
	"	neg %rdx\n"
	"	jz guard_ordered_end\n"
	"3:	mov (%rsi,%rdx,8), %rcx\n"
	"guard_ordered_store:\n"
	"	mov %rcx, (%rdi,%rdx,8)\n"
	"guard_ordered_stored:\n"
	"	inc %rdx\n"
	"	jnz 3b\n"
	"guard_ordered_end:\n"
	"	mov %rdx, %rax\n"
	"	neg %rax\n"
	"	ret\n"
	".balign 16\n"
	"guard_single:\n"
	"guard_load_1:	movzbl (%rdi), %eax\n	jmp 1f\n"
	"guard_load_2:	movzwl (%rdi), %eax\n	jmp 1f\n"
	"guard_load_4:	movl (%rdi), %eax\n	jmp 1f\n"
	"guard_load_8:	movq (%rdi), %rax\n"
	"1:	movq %rax, (%rsi)\n	xor %eax, %eax\n	ret\n"
	"guard_store_1:	movb %sil, (%rdi)\n	xor %eax, %eax\n	ret\n"
	"guard_store_2:	movw %si, (%rdi)\n	xor %eax, %eax\n	ret\n"
	"guard_store_4:	movl %esi, (%rdi)\n	xor %eax, %eax\n	ret\n"
	"guard_store_8:	movq %rsi, (%rdi)\n	xor %eax, %eax\n	ret\n"
	"guard_touch_write:	lock orb $0, (%rdi)\n	xor %eax, %eax\n	ret\n"
	"guard_exchange:	mov %rsi, %rax\n"
	"	lock cmpxchgq %rdx, (%rdi)\n"
	"	mov $0, %eax\n"
	"	je 2f\n"
	"	mov $-11, %eax\n" /* -EAGAIN */
	"2:	ret\n"
	"guard_single_end:\n"
	"	mov $-14, %eax\n" /* -EFAULT */
	"	ret\n"
	".popsection\n");

size_t guard_copy(void *dst, const void *src, size_t len);
size_t guard_wide(void *dst, const void *src, size_t len);
size_t guard_ordered(void *dst, const uint64_t *words, size_t nr);
size_t guard_or(void *dst, const void *src, size_t len);
int guard_load_1(const void *src, uint64_t *value);
int guard_load_2(const void *src, uint64_t *value);
int guard_load_4(const void *src, uint64_t *value);
int guard_load_8(const void *src, uint64_t *value);
int guard_store_1(void *dst, uint64_t value);
int guard_store_2(void *dst, uint64_t value);
int guard_store_4(void *dst, uint64_t value);
int guard_store_8(void *dst, uint64_t value);
int guard_touch_write(void *dst);
int guard_exchange(void *dst, uint64_t old, uint64_t value);

extern const char guard_words[], guard_words_end[], guard_bytes[], guard_bytes_end[];
extern const char guard_wide_lines[], guard_wide_lines_end[], guard_wide_lost[];
extern const char guard_single[], guard_single_end[];
extern const char guard_ordered_store[], guard_ordered_stored[], guard_ordered_end[];
extern const char guard_or_lines[], guard_or_lines_end[], guard_or_rest[];
extern const char guard_or_byte[], guard_or_byte_end[], guard_or_end[];

#endif
#endif
