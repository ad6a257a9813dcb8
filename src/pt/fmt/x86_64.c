/* SPDX-License-Identifier: MIT */
/* The processor's format with four levels. */
#define PT_FMT	   x86_64
#define PT_NAME	   "x86-64"
#define X86_LEVELS 4
#include "pt/fmt/x86_64.h"
#include "pt/template.h"
