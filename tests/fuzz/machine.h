/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_MACHINE_H
#define TESTS_FUZZ_MACHINE_H

#include "tests/model/model.h"

extern const struct m_machine fuzz_machine;

#endif
