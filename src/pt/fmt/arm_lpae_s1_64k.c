/* SPDX-License-Identifier: MIT */
/* Arm's stage 1 with a granule of 64 KiB. */
#define PT_FMT	       arm_lpae_s1_64k
#define PT_NAME	       "arm-lpae-s1-64k"
#define PT_GRANULE_LG2 16
#define LPAE_STAGE     1
#include "pt/fmt/lpae.h"
#include "pt/template.h"
