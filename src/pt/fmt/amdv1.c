/* SPDX-License-Identifier: MIT */
/* AMD's format. */
#define PT_FMT	       amdv1
#define PT_NAME	       "amdv1"
#define PT_GRANULE_LG2 12
#include "pt/fmt/amdv1.h"
#include "pt/template.h"
