/* SPDX-License-Identifier: MIT */
/*
 *   ioasbench [-i IOMMUFD_NODE] [-d VFIO_CDEV|none] [-t MS] [-r REPEATS]
 *
 * Without -d the first node in /dev/vfio/devices is used; with "-d none", or if there is no such
 * node, the device part is skipped.
 *
 * stdout: lines that start with '#' are facts about the implementation, every other line is
 *   name <TAB> median_ns_per_op <TAB> min_ns_per_op <TAB> ops
 * where the median and the minimum are over REPEATS batches.
 */
#include "ioasbench.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static void *aligned_buf(uint64_t len, int huge)
{
	char *p = mmap(NULL, len + GiB, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uintptr_t q;

	if (p == MAP_FAILED)
		die("mmap");
	q = ((uintptr_t)p + GiB - 1) & ~(uintptr_t)(GiB - 1);
	if (madvise((void *)q, len, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		fprintf(stderr, "ioasbench: madvise: %s\n", strerror(errno));
	for (uint64_t i = 0; i < len; i += 4096)
		((volatile char *)q)[i] = (char)(i >> 12);
	return (void *)q;
}

static uint64_t anon_huge_kb(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	char line[256];
	uint64_t kb = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "AnonHugePages: %" SCNu64, &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

static char *first_cdev(void)
{
	DIR *d = opendir("/dev/vfio/devices");
	struct dirent *e;
	char *best = NULL;

	while (d && (e = readdir(d))) {
		char *p;

		if (e->d_name[0] == '.')
			continue;
		if (asprintf(&p, "/dev/vfio/devices/%s", e->d_name) < 0)
			die("asprintf");
		if (!best || strcmp(p, best) < 0)
			best = p;
		else
			free(p);
	}
	if (d)
		closedir(d);
	return best;
}

int main(int argc, char **argv)
{
	const char *node = "/dev/iommu";
	char *cdev = NULL, *huge, *small;
	struct rlimit inf = {RLIM_INFINITY, RLIM_INFINITY};
	int o;

	while ((o = getopt(argc, argv, "i:d:t:r:")) != -1) {
		switch (o) {
		case 'i':
			node = optarg;
			break;
		case 'd':
			cdev = optarg;
			break;
		case 't':
			target_ns = strtoull(optarg, NULL, 0) * 1000000ull;
			break;
		case 'r':
			repeats = atoi(optarg);
			break;
		default:
			return 2;
		}
	}
	if (repeats < 1 || repeats > MAXREP)
		repeats = 5;
	if (!cdev)
		cdev = first_cdev();
	setrlimit(RLIMIT_MEMLOCK, &inf);
	fd = open(node, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die("open %s", node);
	huge = aligned_buf(GiB, 1);
	printf("# buffer: 1 GiB, AnonHugePages %" PRIu64 " MiB\n", anon_huge_kb() / 1024);
	small = aligned_buf(64 * MiB, 0);
	printf("# name\tmedian_ns\tmin_ns\tops\n");
	time_calls();
	time_without_device(huge, small);
	if (cdev && strcmp(cdev, "none") != 0)
		time_device(cdev, huge, small);
	else
		printf("# no VFIO cdev: device part skipped\n");
	return 0;
}
