/* SPDX-License-Identifier: MIT */
/* RISC-V's Sv48. */
#define PT_FMT	     riscv_sv48
#define PT_NAME	     "riscv-sv48"
#define RISCV_LEVELS 4
#define RISCV_X4     0
#include "pt/fmt/riscv.h"
#include "pt/template.h"
