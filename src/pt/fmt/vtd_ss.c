/* SPDX-License-Identifier: MIT */
/* Intel VT-d's second stage. */
#define PT_FMT	vtd_ss
#define PT_NAME "vtd-ss"
#include "pt/fmt/vtd_ss.h"
#include "pt/template.h"
