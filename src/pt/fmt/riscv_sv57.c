/* SPDX-License-Identifier: MIT */
/* RISC-V's Sv57. */
#define PT_FMT	     riscv_sv57
#define PT_NAME	     "riscv-sv57"
#define RISCV_LEVELS 5
#define RISCV_X4     0
#include "pt/fmt/riscv.h"
#include "pt/template.h"
