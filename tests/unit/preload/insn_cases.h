/* SPDX-License-Identifier: MIT */
/* The instructions that insn_test.c holds against the processor; memory is at (%r8). */
#ifndef TESTS_UNIT_PRELOAD_INSN_CASES_H
#define TESTS_UNIT_PRELOAD_INSN_CASES_H

/* Assembly in macros never comes to rest under the formatter. */
/* clang-format off */
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
/* clang-format on */

#endif
