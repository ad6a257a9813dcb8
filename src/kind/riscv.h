/* SPDX-License-Identifier: MIT */
/* The RISC-V IOMMU's register, which no ioctl tells. */
#ifndef KIND_RISCV_H
#define KIND_RISCV_H

#include "kind/unit.h"

/* The capabilities register (RISC-V IOMMU 1.0, 5.3). */
uint64_t kind_riscv_capabilities(const struct kind_unit *unit);

#endif
