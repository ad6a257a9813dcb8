/* SPDX-License-Identifier: MIT */
/* The operations of ../ops.h and ../walk.h for AMD's format. */
#include "pt/fmt/amdv1.h"

#define PT_FMT amdv1
#include "pt/ops.h"
#include "pt/walk.h"
#include "pt/template.h"
