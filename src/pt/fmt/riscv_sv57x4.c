/* SPDX-License-Identifier: MIT */
/* RISC-V's Sv57x4. */
#define PT_FMT	     riscv_sv57x4
#define PT_NAME	     "riscv-sv57x4"
#define RISCV_LEVELS 5
#define RISCV_X4     1
#include "pt/fmt/riscv.h"
#include "pt/template.h"
