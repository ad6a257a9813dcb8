/* SPDX-License-Identifier: MIT */
/* Arm's stage 1 with a granule of 16 KiB. */
#define PT_FMT	       arm_lpae_s1_16k
#define PT_NAME	       "arm-lpae-s1-16k"
#define PT_GRANULE_LG2 14
#define LPAE_STAGE     1
#include "pt/fmt/lpae.h"
#include "pt/template.h"
