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

#define INT_CASES(X)                                                                                                    \
	X("mov %%al, (%%r8)")                                                                                           \
	X("mov %%r8, %%rdi\n mov %%ah, (%%rdi)")                                                                        \
	X("mov %%ax, (%%r8)")                                                                                           \
	X("mov %%eax, (%%r8)")                                                                                          \
	X("mov %%rax, (%%r8)") X("mov (%%r8), %%dl") X(                                                                 \
		"mov %%r8, %%rdi\n mov (%%rdi), "                                                                       \
		"%%dh") X("mov (%%r8), %%dx") X("mov"                                                                   \
						" (%"                                                                   \
						"%r8"                                                                   \
						"), "                                                                   \
						"%%"                                                                    \
						"ed"                                                                    \
						"x") X("mov (%%r8), %%rdx") X("movb $0x5a, "                            \
									      "(%%r8)")                                 \
		X("movw $0x1234, (%%r8)") X("movl $0xdeadbeef, (%%r8)") X("movq $-5, (%%r8)") X(                        \
			"mov 8(%%r8), "                                                                                 \
			"%%r10\n mov %%r10, "                                                                           \
			"%%rax") X("movnti "                                                                            \
				   "%%eax, "                                                                            \
				   "(%%r8)") X("movnti %%rax, (%%r8)") X("movzbl (%%r8), %%eax") X("movzwl (%%r8), "    \
												   "%%eax") X("movzbw " \
													      "(%%r8)," \
													      " %%ax")  \
			X("movsbl (%%r8), %%eax") X(                                                                    \
				"movsbq (%%r8), "                                                                       \
				"%%rax") X("movswq "                                                                    \
					   "(%%r8), "                                                                   \
					   "%%rax") X("m"                                                               \
						      "o"                                                               \
						      "v"                                                               \
						      "s"                                                               \
						      "l"                                                               \
						      "q"                                                               \
						      " "                                                               \
						      "("                                                               \
						      "%"                                                               \
						      "%"                                                               \
						      "r"                                                               \
						      "8"                                                               \
						      ")"                                                               \
						      ","                                                               \
						      " "                                                               \
						      "%"                                                               \
						      "%"                                                               \
						      "r"                                                               \
						      "a"                                                               \
						      "x") X("movs"                                                     \
							     "bw "                                                      \
							     "(%%"                                                      \
							     "r8),"                                                     \
							     " %%"                                                      \
							     "ax") X("movbe %%eax, "                                    \
								     "(%%r8)") X("movbe "                               \
										 "(%%r8),"                              \
										 " "                                    \
										 "%%rax") X("movb"                      \
											    "e "                        \
											    "(%%"                       \
											    "r8),"                      \
											    " %%"                       \
											    "ax")                       \
				X("add %%al, "                                                                          \
				  "(%%r8)") X("add"                                                                     \
					      " %%"                                                                     \
					      "ax,"                                                                     \
					      " "                                                                       \
					      "(%%"                                                                     \
					      "r8"                                                                      \
					      ")") X("add %%eax, (%%r8)") X("add %%rax, "                               \
									    "(%%r8)") X("a"                             \
											"d"                             \
											"d"                             \
											" "                             \
											"("                             \
											"%"                             \
											"%"                             \
											"r"                             \
											"8"                             \
											")"                             \
											","                             \
											" "                             \
											"%"                             \
											"%"                             \
											"e"                             \
											"a"                             \
											"x") X("a"                      \
											       "d"                      \
											       "d"                      \
											       "l"                      \
											       " "                      \
											       "$"                      \
											       "7"                      \
											       ","                      \
											       " "                      \
											       "("                      \
											       "%"                      \
											       "%"                      \
											       "r"                      \
											       "8"                      \
											       ")")                     \
					X("adc %%eax, "                                                                 \
					  "(%%r8)") X("ad"                                                              \
						      "c "                                                              \
						      "(%"                                                              \
						      "%"                                                               \
						      "r8"                                                              \
						      "),"                                                              \
						      " %"                                                              \
						      "%"                                                               \
						      "ra"                                                              \
						      "x") X("sub %%eax, (%%r8)") X("sub "                              \
										    "(%%r8), "                          \
										    "%%ax") X("s"                       \
											      "u"                       \
											      "b"                       \
											      "q"                       \
											      " "                       \
											      "$"                       \
											      "-"                       \
											      "3"                       \
											      ","                       \
											      " "                       \
											      "("                       \
											      "%"                       \
											      "%"                       \
											      "r"                       \
											      "8"                       \
											      ")")                      \
						X("sbb %%rax, (%%r8)") X(                                               \
							"sbb (%%r8), "                                                  \
							"%%al") X("cmp "                                                \
								  "%%"                                                  \
								  "eax, "                                               \
								  "(%%"                                                 \
								  "r8)") X("cmp (%%r8), "                               \
									   "%%rax") X("cmpb"                            \
										      " $3,"                            \
										      " (%%"                            \
										      "r8)") X("i"                      \
											       "n"                      \
											       "c"                      \
											       "l"                      \
											       " "                      \
											       "("                      \
											       "%"                      \
											       "%"                      \
											       "r"                      \
											       "8"                      \
											       ")")                     \
							X("decw (%%r8)") X("incb (%%r8)") X(                            \
								"decq (%%r8)") X("negl (%%r8)")                         \
								X("notl "                                               \
								  "(%%r8)") X("notq (%%r8)")                            \
									X("xchg "                                       \
									  "%%"                                          \
									  "eax, "                                       \
									  "(%%"                                         \
									  "r8)") X("xchg %%bl, "                        \
										   "(%%r8)") X("l"                      \
											       "o"                      \
											       "c"                      \
											       "k"                      \
											       " "                      \
											       "x"                      \
											       "a"                      \
											       "d"                      \
											       "d"                      \
											       " "                      \
											       "%"                      \
											       "%"                      \
											       "e"                      \
											       "a"                      \
											       "x"                      \
											       ","                      \
											       " "                      \
											       "("                      \
											       "%"                      \
											       "%"                      \
											       "r"                      \
											       "8"                      \
											       ")")                     \
										X("lock addl $1, "                      \
										  "(%%r8)") X("lo"                      \
											      "ck"                      \
											      " "                       \
											      "cm"                      \
											      "px"                      \
											      "ch"                      \
											      "g "                      \
											      "%%"                      \
											      "eb"                      \
											      "x,"                      \
											      " "                       \
											      "(%"                      \
											      "%r"                      \
											      "8"                       \
											      ")")                      \
											X("mov "                        \
											  "(%%r8)"                      \
											  ", "                          \
											  "%%"                          \
											  "eax\n "                      \
											  "lock "                       \
											  "cmpxch"                      \
											  "g "                          \
											  "%%rbx,"                      \
											  " (%%"                        \
											  "r8)")
#define LOGIC_CASES(X)                                                                          \
	X("and %%eax, (%%r8)")                                                                  \
	X("andl $0xf0, (%%r8)")                                                                 \
	X("and (%%r8), %%al")                                                                   \
	X("or %%ax, (%%r8)")                                                                    \
	X("or (%%r8), %%rax") X("orb $1, (%%r8)") X("xor %%rax, (%%r8)") X("xor (%%r8), %%eax") \
		X("test %%eax, (%%r8)") X("testb $0x80, (%%r8)") X("lock orl $0, (%%r8)")       \
			X("btl $5, (%%r8)") X("btsl $5, (%%r8)") X("btrq $45, (%%r8)")          \
				X("btcl $0, (%%r8)")
#define STRING_CASES(X)                                                                            \
	X("mov %%r8, %%rdi\n stosb")                                                               \
	X("mov %%r8, %%rdi\n stosl")                                                               \
	X("mov %%r8, %%rdi\n rep stosb")                                                           \
	X("mov %%r8, %%rdi\n rep "                                                                 \
	  "stosw")                                                                                 \
	X("mov %%r8, %%rdi\n rep stosl") X("mov %%r8, %%rdi\n rep stosq")                          \
		X("mov %%r8, %%rsi\n lodsb") X("mov %%r8, %%rsi\n lodsl") X(                       \
			"mov %%r8, %%rsi\n lodsq") X("mov %%r8, %%rdi\n mov %%rbx, %%rsi\n movsl") \
			X("mov %%r8, %%rdi\n mov %%rbx, %%rsi\n rep movsb") X(                     \
				"mov %%r8, %%rdi\n mov %%rbx, %%rsi\n rep movsq")                  \
				X("mov %%r8, %%rsi\n mov %%rbx, %%rdi\n rep movsb") X(             \
					"mov %%r8, %%rsi\n mov %%rbx, %%rdi\n rep movsl")          \
					X("mov %%r8, %%rsi\n lea 64(%%r8), %%rdi\n rep movsw")     \
						X("mov %%r8, %%rsi\n mov %%rbx, %%rdi\n lea "      \
						  "64(%%rdi), %%rdi\n std\n rep movsb\n cld")
#define VEC_CASES(X)                                                                               \
	X("movdqu %%xmm0, (%%r8)")                                                                 \
	X("movdqu (%%r8), %%xmm0")                                                                 \
	X("movups %%xmm1, (%%r8)")                                                                 \
	X("movups (%%r8), %%xmm1")                                                                 \
	X("movdqa (%%r8), %%xmm0") X("movdqa %%xmm0, (%%r8)") X("movaps (%%r8), %%xmm1") X(        \
		"movaps %%xmm1, (%%r8)") X("movapd (%%r8), %%xmm0") X("movupd %%xmm0, (%%r8)")     \
		X("movntdq %%xmm0, (%%r8)") X("movntps %%xmm0, (%%r8)") X(                         \
			"movntdqa (%%r8), %%xmm0") X("lddqu (%%r8), %%xmm0")                       \
			X("movq %%xmm0, (%%r8)") X("movq (%%r8), %%xmm0") X("movd %%xmm0, (%%r8)") \
				X("movd (%%r8), %%xmm0") X("movss (%%r8), %%xmm0")                 \
					X("movss %%xmm0, (%%r8)") X("movsd (%%r8), %%xmm1") X(     \
						"movsd %%xmm1, (%%r8)") X("movlps (%%r8), %%xmm0") \
						X("movlps %%xmm0, (%%r8)")                         \
							X("movhps (%%r8), %%xmm0")                 \
								X("movhps %%xmm0, (%%r8)")         \
									X("movhpd (%%r8), %%xmm1")
#define YMM_CASES(X)                                                                           \
	X("vmovdqu (%%r8), %%ymm0")                                                            \
	X("vmovdqu %%ymm0, (%%r8)")                                                            \
	X("vmovdqa (%%r8), %%ymm1")                                                            \
	X("vmovaps %%ymm1, (%%r8)")                                                            \
	X("vmovups (%%r8), %%ymm0") X("vmovdqu (%%r8), %%xmm0") X("vmovdqu %%xmm0, (%%r8)")    \
		X("vmovq (%%r8), %%xmm0") X("vmovd (%%r8), %%xmm1") X("vmovq %%xmm0, (%%r8)")  \
			X("vmovss (%%r8), %%xmm0") X("vmovntdq %%ymm0, (%%r8)")                \
				X("vlddqu (%%r8), %%ymm0") X("vmovhps (%%r8), %%xmm0, %%xmm1") \
					X("vmovlps (%%r8), %%xmm1, %%xmm0")                    \
						X("movdqu (%%r8), %%xmm0")
#define ZMM_CASES(X)                                                  \
	X("vmovdqu64 (%%r8), %%zmm0")                                 \
	X("vmovdqu64 %%zmm0, (%%r8)")                                 \
	X("vmovdqu64 (%%r8), %%zmm17")                                \
	X("vmovdqu64 %%zmm17, (%%r8)")                                \
	X("vmovdqu64 (%%r8), %%ymm17") X("vmovdqu64 %%ymm17, (%%r8)") \
		X("vmovdqu8 (%%r8), %%xmm17") X("vmovups (%%r8), %%zmm0") \
	MASKED(X, "vmovdqu8 %%ymm17, (%%r8)%{%%k1%}")                 \
	MASKED(X, "vmovdqu8 (%%r8), %%ymm17%{%%k1%}")                 \
	MASKED(X, "vmovdqu8 (%%r8), %%zmm17%{%%k1%}%{z%}")            \
	MASKED(X, "vmovdqu16 %%zmm0, (%%r8)%{%%k1%}")                 \
	MASKED(X, "vmovdqu32 (%%r8), %%xmm17%{%%k1%}")                \
	MASKED(X, "vmovups %%zmm17, (%%r8)%{%%k1%}")                  \
	MASKED(X, "vmovdqu64 %%ymm17, (%%r8)%{%%k1%}")                \
	MASKED(X, "vmovupd (%%r8), %%zmm0%{%%k1%}%{z%}")

/* A mask of random bits, and one as memset has for a few bytes; some access there is for sure. */
#define MASKED(X, text)                                               \
	X("or $1, %%rax\n kmovq %%rax, %%k1\n " text)                  \
	X("mov $0xff, %%eax\n kmovq %%rax, %%k1\n " text)

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
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
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
