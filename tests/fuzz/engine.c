/* SPDX-License-Identifier: MIT */
/*
 * Target: ioctls of /dev/iommu and VFIO and requests of devices, in one machine, in any order, each
 * compared with the model.
 *
 * The first byte says whether all devices are bound to begin with, and whether the engine checks
 * what was not invalidated. Then each step is a byte that says of which kind it is, and the choices
 * that it makes.
 */
#include "rig.h"

const char fuzz_name[] = "engine";
const size_t fuzz_len_max = 6000;
const bool fuzz_text = false;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	unsigned how = len ? data[0] : 0;
	struct rig *rig = rig_new(data + !!len, len - !!len, how / 32 % 4 == 3);

	fuzz_counts.inputs++;
	if (how % 32 != 31)
		rig_prologue(rig);
	while (!input_over(&rig->in)) {
		unsigned kind = input_below(&rig->in, 10);

		rig->step++;
		if (kind < 3)
			rig_step_ioctl(rig);
		else if (kind < 5)
			rig_step_device(rig);
		else if (kind == 8)
			rig_step_ats(rig);
		else if (kind == 9)
			rig_step_pri(rig);
		else if (!input_rarely(&rig->in, 24))
			rig_step_tlp(rig);
		else
			rig_step_loan(rig);
		rig_check_asked(rig);
		rig_check_answers(rig, rig->step % 16 == 0);
		if (kind < 5 && input_below(&rig->in, 2))
			rig_step_again(rig, kind >= 3);
	}
	rig_compare(rig);
	rig_compare_regs(rig);
	rig_compare_nested(rig);
	rig_compare_queues(rig);
	rig_check_answers(rig, true);
	rig_destroy(rig);
	return 0;
}
