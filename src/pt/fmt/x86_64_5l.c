/* SPDX-License-Identifier: MIT */
/* The processor's format with five levels. */
#define PT_FMT	   x86_64_5l
#define PT_NAME	   "x86-64-5l"
#define X86_LEVELS 5
#include "pt/fmt/x86_64.h"
#include "pt/template.h"
