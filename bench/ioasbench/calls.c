/* SPDX-License-Identifier: MIT */
/* ioasbench: the least calls, which are the floor of all others, and ranges. */
#include "ioasbench.h"
#include <sys/syscall.h>
#include <unistd.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <ioas/uapi/iommufd.h>

static void op_getppid(struct ctx *c)
{
	(void)c;
	syscall(SYS_getppid);
}

static void op_clock(struct ctx *c)
{
	(void)c;
	now();
}

static void op_badcmd(struct ctx *c)
{
	(void)c;
	if (ioctl(fd, _IO(IOMMUFD_TYPE, 0x7f), c) != -1 || errno != ENOTTY)
		die("bad command did not give ENOTTY");
}

static void op_destroy_enoent(struct ctx *c)
{
	(void)c;
	if (destroy(0) != -1 || errno != ENOENT)
		die("DESTROY(0) did not give ENOENT");
}

static void op_alloc_destroy(struct ctx *c)
{
	(void)c;
	if (destroy(ioas_alloc()))
		die("DESTROY");
}

static void op_ranges(struct ctx *c)
{
	struct iommu_iova_range r[16];
	uint32_t n = 16;

	if (ranges(c->ioas, r, &n, NULL))
		die("IOVA_RANGES");
}

static void print_ranges(const char *tag, uint32_t ioas)
{
	struct iommu_iova_range r[32];
	uint32_t n = 32, zero = 0;
	uint64_t al = 0;
	int rc;

	rc = ranges(ioas, r, &n, &al);
	printf("# %s: IOVA_RANGES rc=%d n=%u alignment=%" PRIu64 ":", tag, rc, n, al);
	for (uint32_t i = 0; i < n && i < 32; i++)
		printf(" [%#llx,%#llx]", (unsigned long long)r[i].start,
		       (unsigned long long)r[i].last);
	rc = ranges(ioas, r, &zero, &al);
	printf("; with num_iovas=0: rc=%d errno=%s num_iovas=%u\n", rc,
	       rc ? strerrorname_np(errno) : "-", zero);
}

void time_calls(void)
{
	struct ctx c = {0};

	bench("floor.clock_gettime", NULL, NULL, op_clock, &c, 1 << 24);
	bench("floor.getppid", NULL, NULL, op_getppid, &c, 1 << 24);
	bench("floor.ioctl_badcmd", NULL, NULL, op_badcmd, &c, 1 << 24);
	bench("floor.destroy_enoent", NULL, NULL, op_destroy_enoent, &c, 1 << 24);
	bench("ioas.alloc+destroy", NULL, NULL, op_alloc_destroy, &c, 1 << 20);
}

void time_ranges(const char *tag, const char *name, uint32_t ioas)
{
	struct ctx c = {.ioas = ioas};

	print_ranges(tag, ioas);
	bench(name, NULL, NULL, op_ranges, &c, 1 << 20);
}
