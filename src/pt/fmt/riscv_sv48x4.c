/* SPDX-License-Identifier: MIT */
/* RISC-V's Sv48x4. */
#define PT_FMT	     riscv_sv48x4
#define PT_NAME	     "riscv-sv48x4"
#define RISCV_LEVELS 4
#define RISCV_X4     1
#include "pt/fmt/riscv.h"
#include "pt/template.h"
