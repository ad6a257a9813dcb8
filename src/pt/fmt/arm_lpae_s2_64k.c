/* SPDX-License-Identifier: MIT */
/* Arm's stage 2 with a granule of 64 KiB. */
#define PT_FMT	       arm_lpae_s2_64k
#define PT_NAME	       "arm-lpae-s2-64k"
#define PT_GRANULE_LG2 16
#define LPAE_STAGE     2
#include "pt/fmt/lpae.h"
#include "pt/template.h"
