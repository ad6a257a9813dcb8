/* SPDX-License-Identifier: MIT */
/* Target: NVMe commands on a drive that is a file, between register accesses and resets. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bench.h"

#define LEN (1 << 20)

const char fuzz_name[] = "nvme";
const size_t fuzz_len_max = 2500;
const bool fuzz_text = false;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	int fd = memfd_create("drive", MFD_CLOEXEC);
	struct bench bench;
	struct stat st;
	char model[128];

	if (fd < 0 || ftruncate(fd, LEN))
		abort();
	snprintf(model, sizeof(model), "nvme,drive=/proc/self/fd/%d,volatile=%s", fd,
		 len && data[0] & 1 ? "on" : "off");
	fuzz_counts.inputs++;
	bench_open(&bench, model, data + !!len, len - !!len);
	bench_nvme_enable(&bench);
	while (!input_over(&bench.in)) {
		if (input_rarely(&bench.in, 64))
			bench_nvme_enable(&bench);
		else if (input_rarely(&bench.in, 24))
			bench_step_registers(&bench);
		else
			bench_step_nvme(&bench);
	}
	bench_check_nvme(&bench);
	bench_close(&bench);
	/* A drive does not grow. */
	if (fstat(fd, &st) || st.st_size != LEN)
		bench_wrong("the drive's length", st.st_size);
	close(fd);
	return 0;
}
