/* SPDX-License-Identifier: MIT */
/* Arm's stage 1 with a granule of 4 KiB. */
#define PT_FMT	       arm_lpae_s1_4k
#define PT_NAME	       "arm-lpae-s1-4k"
#define PT_GRANULE_LG2 12
#define LPAE_STAGE     1
#include "pt/fmt/lpae.h"
#include "pt/template.h"
