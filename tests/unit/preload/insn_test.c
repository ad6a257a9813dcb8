/* SPDX-License-Identifier: MIT */
/*
 * Description: every instruction that the door does by hand gives what the processor gives.
 *
 * The twin is the processor: each instruction runs on plain memory and on memory that traps, from
 * the same registers, flags and bytes, and must leave the same.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <stdbool.h>
#include <unistd.h>
#include <sys/mman.h>
#include "doors/preload/insn.h"
#include "insn_cases.h"
#include "tests/unit/rnd.h"

#define PAGE   4096
#define MEM_AT 512 /* where instructions work: room on both sides */
#define ROUNDS 40

struct state {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, flags;
	unsigned char *mem;
	unsigned char vec0[64], vec1[64];
	unsigned char buffer[256]; /* the other side of string moves, rbx points here */
};

/* What a processor needs for a case. */
enum needs { SSE, AVX, AVX512 };

struct test_case {
	const char *text;
	void (*run)(struct state *s);
	enum needs needs;
	unsigned rep; /* rcx is small */
	uint64_t flags_mask;
};

#define ARITH 0x8d5 /* CF PF AF ZF SF OF */
#define NO_AF 0x8c5

/* Assembly in macros never comes to rest under the formatter. */
/* clang-format off */

/* Registers from and to *s around one instruction; memory is at (%r8). */
#define BODY(load0, load1, text, save0, save1)                                                   \
	__asm__ volatile("lea -256(%%rsp), %%rsp\n"                                              \
			 "mov %0, %%r9\n"                                                        \
			 "mov 56(%%r9), %%r8\n"                                                  \
			 "mov 0(%%r9), %%rax\n mov 8(%%r9), %%rbx\n mov 16(%%r9), %%rcx\n"       \
			 "mov 24(%%r9), %%rdx\n mov 32(%%r9), %%rsi\n mov 40(%%r9), %%rdi\n"     \
			 "pushq 48(%%r9)\n popfq\n" load0 load1 text "\n" save0 save1            \
			 "pushfq\n popq 48(%%r9)\n"                                              \
			 "cld\n"                                                                 \
			 "mov %%rax, 0(%%r9)\n mov %%rbx, 8(%%r9)\n mov %%rcx, 16(%%r9)\n"       \
			 "mov %%rdx, 24(%%r9)\n mov %%rsi, 32(%%r9)\n mov %%rdi, 40(%%r9)\n"     \
			 "lea 256(%%rsp), %%rsp\n"                                               \
			 :                                                                       \
			 : "r"(s)                                                                \
			 : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "cc", "memory", \
			   "xmm0", "xmm1")

#define VEC_IN	"movdqu 64(%%r9), %%xmm0\n", "movdqu 128(%%r9), %%xmm1\n"
#define VEC_OUT "movdqu %%xmm0, 64(%%r9)\n", "movdqu %%xmm1, 128(%%r9)\n"
#define YMM_IN	"vmovdqu 64(%%r9), %%ymm0\n", "vmovdqu 128(%%r9), %%ymm1\n"
#define YMM_OUT "vmovdqu %%ymm0, 64(%%r9)\n vmovdqu %%ymm1, 128(%%r9)\n", "vzeroupper\n"
/* zmm0 and zmm17: the two places wide registers live in. */
#define ZMM_IN	"vmovdqu64 64(%%r9), %%zmm0\n", "vmovdqu64 128(%%r9), %%zmm17\n"
#define ZMM_OUT "vmovdqu64 %%zmm0, 64(%%r9)\n vmovdqu64 %%zmm17, 128(%%r9)\n", "vzeroupper\n"

/* A function and a table entry for each line of the lists. */
#define GLUE_(a, b)		     a##b
#define GLUE(a, b)		     GLUE_(a, b)
#define CASE_(n, text, in, out, ...) CASE__(n, text, in, out, __VA_ARGS__)
#define CASE__(n, text, in0, in1, out0, out1, ...)                                               \
	static void GLUE(run_, n)(struct state * s)                                              \
	{                                                                                        \
		BODY(in0, in1, text, out0, out1);                                                \
	}                                                                                        \
	static const struct test_case GLUE(case_, n)                                             \
		__attribute__((section("insn_cases"), used, aligned(8))) = {text, GLUE(run_, n), \
									    __VA_ARGS__};
#define INT(text)    CASE__(__COUNTER__, text, "", "", "", "", SSE, 0, ARITH)
#define LOGIC(text)  CASE__(__COUNTER__, text, "", "", "", "", SSE, 0, NO_AF)
#define STRING(text) CASE__(__COUNTER__, text, "", "", "", "", SSE, 1, ARITH)
#define VEC(text)    CASE_(__COUNTER__, text, VEC_IN, VEC_OUT, SSE, 0, ARITH)
#define YMM(text)    CASE_(__COUNTER__, text, YMM_IN, YMM_OUT, AVX, 0, ARITH)
#define ZMM(text)    CASE_(__COUNTER__, text, ZMM_IN, ZMM_OUT, AVX512, 0, ARITH)

/* clang-format on */

INT_CASES(INT)
LOGIC_CASES(LOGIC)
STRING_CASES(STRING)
VEC_CASES(VEC)
YMM_CASES(YMM)
ZMM_CASES(ZMM)

extern const struct test_case __start_insn_cases[], __stop_insn_cases[];

static unsigned char *trapped, *plain;
static unsigned char shadow[PAGE]; /* what the trapped page holds */
static unsigned traps;

static int shadow_load(struct insn_mem *mem, uintptr_t addr, void *dst, unsigned size)
{
	uintptr_t at = addr - (uintptr_t)trapped;

	memcpy(dst, at < PAGE ? shadow + at : (unsigned char *)addr, size);
	return 0;
}

static int shadow_store(struct insn_mem *mem, uintptr_t addr, const void *src, unsigned size)
{
	uintptr_t at = addr - (uintptr_t)trapped;

	memcpy(at < PAGE ? shadow + at : (unsigned char *)addr, src, size);
	return 0;
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	struct insn_mem mem = {shadow_load, shadow_store, (uintptr_t)info->si_addr};
	uintptr_t at = (uintptr_t)info->si_addr - (uintptr_t)trapped;

	if (at >= PAGE || insn_run(context, &mem)) {
		static const char text[] = "refused an instruction of the list\n";

		(void)!write(2, text, sizeof(text) - 1);
		_exit(1);
	}
	traps++;
}

static uint64_t seed = 88172645463325252ull;

static uint64_t rnd(void)
{
	return rnd_next(&seed);
}

static void fill(void *dst, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((unsigned char *)dst)[i] = (unsigned char)(rnd() >> 24);
}

static void run_on(const struct test_case *test, struct state *s, const struct state *start,
		   unsigned char *page)
{
	*s = *start;
	s->mem = page + MEM_AT;
	s->rbx = strstr(test->text, "rbx, %%rsi") || strstr(test->text, "rbx, %%rdi")
			 ? (uint64_t)(uintptr_t)s->buffer
			 : start->rbx;
	test->run(s);
	/* Pointers become offsets, so that the two can be compared. */
	s->rsi -= s->rsi == start->rsi ? 0 : (uint64_t)(uintptr_t)s->mem;
	s->rdi -= s->rdi == start->rdi ? 0 : (uint64_t)(uintptr_t)s->mem;
	s->flags &= test->flags_mask;
}

static void compare(const struct test_case *test, const struct state *a, const struct state *b)
{
	if (a->rax != b->rax || a->rcx != b->rcx || a->rdx != b->rdx || a->flags != b->flags ||
	    memcmp(a->vec0, b->vec0, 64) || memcmp(a->vec1, b->vec1, 64) ||
	    memcmp(a->buffer, b->buffer, sizeof(a->buffer)) || memcmp(shadow, plain, PAGE))
		fail_msg("%s: rax %lx/%lx rcx %lx/%lx rdx %lx/%lx flags %lx/%lx vec0 %d vec1 %d "
			 "buffer %d memory %d",
			 test->text, a->rax, b->rax, a->rcx, b->rcx, a->rdx, b->rdx, a->flags,
			 b->flags, memcmp(a->vec0, b->vec0, 64), memcmp(a->vec1, b->vec1, 64),
			 memcmp(a->buffer, b->buffer, sizeof(a->buffer)),
			 memcmp(shadow, plain, PAGE));
}

static bool can(enum needs needs)
{
	return needs == SSE || (needs == AVX && __builtin_cpu_supports("avx2")) ||
	       (needs == AVX512 && __builtin_cpu_supports("avx512vl") &&
		__builtin_cpu_supports("avx512bw"));
}

static void every_instruction_does_what_the_processor_does(void **state)
{
	static struct state start, by_hand, by_cpu;
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO}, old;
	unsigned skipped = 0;

	insn_init();
	trapped = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	plain = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigaction(SIGSEGV, &action, &old);
	for (const struct test_case *test = __start_insn_cases; test < __stop_insn_cases; test++) {
		if (!can(test->needs)) {
			skipped++;
			continue;
		}
		for (unsigned round = 0; round < ROUNDS; round++) {
			unsigned before = traps;

			fill(&start, sizeof(start));
			start.flags = 0x202 | (start.flags & ARITH);
			if (test->rep)
				start.rcx = rnd() % 9;
			fill(shadow, PAGE);
			if (round % 4 == 0) /* lets cmpxchg succeed, sub give zero */
				memcpy(shadow + MEM_AT, &start.rax, 8);
			memcpy(plain, shadow, PAGE);
			run_on(test, &by_hand, &start, trapped);
			run_on(test, &by_cpu, &start, plain);
			compare(test, &by_hand, &by_cpu);
			if (!test->rep || start.rcx)
				assert_true(traps > before);
		}
	}
	sigaction(SIGSEGV, &old, NULL);
	if (skipped)
		print_message("SKIP %u instructions that this processor lacks\n", skipped);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_instruction_does_what_the_processor_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
