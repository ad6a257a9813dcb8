/* SPDX-License-Identifier: MIT */
/* The thread's count of points until the one that fails. */
#include "util/inject.h"

__thread unsigned inject_left;
