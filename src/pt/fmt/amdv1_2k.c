/* SPDX-License-Identifier: MIT */
/* AMD's format with pages of 2 KiB. */
#define PT_FMT	       amdv1_2k
#define PT_NAME	       "amdv1-2k"
#define PT_GRANULE_LG2 11
#include "pt/fmt/amdv1.h"
#include "pt/template.h"
