/* SPDX-License-Identifier: MIT */
/* RISC-V's Sv39. */
#define PT_FMT	     riscv_sv39
#define PT_NAME	     "riscv-sv39"
#define RISCV_LEVELS 3
#define RISCV_X4     0
#include "pt/fmt/riscv.h"
#include "pt/template.h"
