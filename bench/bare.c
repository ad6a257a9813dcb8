/* SPDX-License-Identifier: MIT */
/* What the module without an IOMMU shows of itself. */
#include "bench/nvme_rig.h"
#include "nvme/keys.h"

uintptr_t bare_to_host;

const struct bare *bench_bare(void)
{
	static const struct bare bare = {&nvme_model, &bare_to_host};

	return &bare;
}
