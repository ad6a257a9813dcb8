/* SPDX-License-Identifier: MIT */
/*
 * Target: config space, BARs and ioctls of each device model. Memory that is not mapped stays as it
 * is, and after a reset the device works.
 */
#include "bench.h"

const char fuzz_name[] = "registers";
const size_t fuzz_len_max = 1500;
const bool fuzz_text = false;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const models[] = {"tlpgun", "nvme,drive=null,size=1M",
					     "tlpgun,shared=on,pasid=20"};
	unsigned model = len ? data[0] % 3 : 0;
	struct bench bench;

	fuzz_counts.inputs++;
	bench_open(&bench, models[model], data + !!len, len - !!len);
	while (!input_over(&bench.in)) {
		if (model != 1 && input_rarely(&bench.in, 8))
			bench_step_tlpgun(&bench);
		else
			bench_step_registers(&bench);
	}
	if (model == 1)
		bench_check_nvme(&bench);
	else
		bench_check_tlpgun(&bench);
	bench_close(&bench);
	return 0;
}
