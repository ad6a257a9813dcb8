/* SPDX-License-Identifier: MIT */
/* The operations of ../ops.h, ../walk.h and ../dirty.h for AMD's format. */
#define PT_FMT	       amdv1
#define PT_GRANULE_LG2 12
#include "pt/fmt/amdv1.h"
#include "pt/ops.h"
#include "pt/walk.h"
#include "pt/dirty.h"
#include "pt/template.h"
