/* SPDX-License-Identifier: MIT */
/* RISC-V's Sv39x4. */
#define PT_FMT	     riscv_sv39x4
#define PT_NAME	     "riscv-sv39x4"
#define RISCV_LEVELS 3
#define RISCV_X4     1
#include "pt/fmt/riscv.h"
#include "pt/template.h"
