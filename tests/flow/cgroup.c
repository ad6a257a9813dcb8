/* SPDX-License-Identifier: MIT */
/*
 * Maps as many MiB for DMA as it is told to, none of which it has touched before, and has a device
 * write to each; cgroup.sh decides how many there may be.
 */
#include "tests/flow/routes/gun.h"

#define CHUNK (1ul << 20)

int main(int argc, char **argv)
{
	unsigned long nr = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
	int fd = open_or_skip("/dev/iommu");
	struct gun gun = gun_ready("0000:01:00.0", fd);
	uint32_t ioas = ioas_alloc(fd);

	check("attach", gun_attach(&gun, ioas), 0);
	for (unsigned long i = 0; i < nr && !check_failed; i++) {
		volatile uint64_t *chunk = (volatile uint64_t *)memory(CHUNK);

		check("map", map_fixed(fd, ioas, (void *)chunk, IOVA + i * CHUNK, CHUNK), 0);
		check("a write", gun_write(&gun, UNTAGGED, IOVA + i * CHUNK, i + 1), 0);
		check("  is there", (long)*chunk, (long)(i + 1));
	}
	return check_done();
}
