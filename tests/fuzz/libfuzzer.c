/* SPDX-License-Identifier: MIT */
/* With libFuzzer: how much was tried is told at its end, too. */
#include <stdlib.h>
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	return atexit(fuzz_print_counts);
}
