/* SPDX-License-Identifier: MIT */
/* Also run with: process */
/*
 * What stays pinned, and is paid for, of mappings that are cut or copied in part: exactly what is
 * shown. VmPin counts it, and in the mode of processes VmLck does as well.
 */
#include <sys/resource.h>
#include <sys/syscall.h>
#include <linux/capability.h>
#include <ioas/uapi/vfio.h>
#include "testcmd.h"

#define NR 16ul /* pages of memory, and the limit */

static uint8_t *mem;
static int fd;
static int by_process;
static uint64_t pinned_before, locked_before;

/* Pages, from a line of /proc/self/status in KiB. */
static uint64_t status(const char *line)
{
	FILE *file = fopen("/proc/self/status", "r");
	char text[256];
	unsigned long kib = 0;

	while (file && fgets(text, sizeof(text), file))
		if (!strncmp(text, line, strlen(line)))
			kib = strtoul(text + strlen(line), NULL, 10);
	if (file)
		fclose(file);
	return kib / 4;
}

static void pinned(const char *what, uint64_t want)
{
	uint64_t locked = by_process ? want : 0;

	printf("# %s\n", what);
	check("VmPin", (long)(status("VmPin:") - pinned_before), (long)want);
	check("VmLck", (long)(status("VmLck:") - locked_before), (long)locked);
}

static uint64_t at(unsigned long page)
{
	return TEST_IOVA + page * PAGE;
}

static long map_pages(uint32_t ioas, unsigned long page, unsigned long from, unsigned long nr)
{
	return map_fixed(fd, ioas, mem + from * PAGE, at(page), nr * PAGE);
}

static long unmap_pages(uint32_t ioas, unsigned long page, unsigned long nr)
{
	return unmap(fd, ioas, at(page), nr * PAGE, NULL);
}

static long copy_pages(uint32_t to_ioas, unsigned long to, uint32_t ioas, unsigned long from,
		       unsigned long nr)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.dst_ioas_id = to_ioas,
		.src_ioas_id = ioas,
		.length = nr * PAGE,
		.dst_iova = at(to),
		.src_iova = at(from),
	};

	return call(fd, IOMMU_IOAS_COPY, &cmd);
}

/* Returns pages unmapped, which may be parts of mappings, or -errno. */
static long cut_pages(unsigned long page, unsigned long nr)
{
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = sizeof(cmd), .iova = at(page), .size = nr * PAGE};
	long rc = call(fd, VFIO_IOMMU_UNMAP_DMA, &cmd);

	return rc ? rc : (long)(cmd.size / PAGE);
}

static long pins(unsigned long page, unsigned long nr, uint32_t want)
{
	return check_pins(fd, mem + page * PAGE, nr * PAGE, want);
}

/* An IOAS whose mappings can be cut. */
static uint32_t space(void)
{
	uint32_t ioas = ioas_alloc(fd);
	struct iommu_option huge = {.size = sizeof(huge),
				    .option_id = IOMMU_OPTION_HUGE_PAGES,
				    .op = IOMMU_OPTION_OP_SET,
				    .object_id = ioas};
	struct iommu_vfio_ioas vfio = {
		.size = sizeof(vfio), .ioas_id = ioas, .op = IOMMU_VFIO_IOAS_SET};

	check("small pages", call(fd, IOMMU_OPTION, &huge), 0);
	check("for VFIO's ioctls", call(fd, IOMMU_VFIO_IOAS, &vfio), 0);
	return ioas;
}

static void cuts(void)
{
	uint32_t ioas = space(), test;

	check("map", map_pages(ioas, 0, 0, NR), 0);
	pinned("without a page table", 0);
	check("attach", attach_new(fd, ioas, &test), 0);
	pinned("all", NR);
	check("cut the middle out", cut_pages(4, 4), 4);
	pinned("two parts", 12);
	check("the first", pins(0, 4, 1), 0);
	check("nothing between", pins(4, 4, 0), 0);
	check("the second", pins(8, 8, 1), 0);
	check("from the front", cut_pages(0, 1), 1);
	check("from the end", cut_pages(15, 1), 1);
	pinned("less", 10);
	check("map in the hole", map_pages(ioas, 4, 4, 4), 0);
	pinned("more", 14);
	check("detach", destroy(fd, test), 0);
	pinned("without a page table again", 0);
	check("nothing is pinned", pins(0, NR, 0), 0);
	check("cut without one", cut_pages(10, 2), 2);
	check("attach again", attach_new(fd, ioas, &test), 0);
	pinned("what is mapped", 12);
	check("parts over several", cut_pages(2, 12), 10);
	pinned("two pages", 2);
	check("all", unmap(fd, ioas, 0, UINT64_MAX, NULL), 0);
	pinned("none", 0);
	check("detach", destroy(fd, test), 0);
	check("the space", destroy(fd, ioas), 0);
}

static void copies(void)
{
	uint32_t ioas = space(), other = ioas_alloc(fd), test, more;

	check("attach", attach_new(fd, ioas, &test), 0);
	check("map", map_pages(ioas, 0, 0, NR), 0);
	check("copy a part", copy_pages(ioas, 100, ioas, 6, 4), 0);
	check("copy it elsewhere", copy_pages(other, 0, ioas, 8, 4), 0);
	pinned("once", NR);
	check("cut through the copied", cut_pages(7, 2), 2);
	pinned("the copy shows them", NR);
	check("the rest of it", cut_pages(0, NR), NR - 2);
	pinned("the copy", 4);
	check("its pages", pins(6, 4, 1), 0);
	check("and no more", pins(10, 6, 0), 0);
	check("attach the other", attach_new(fd, other, &more), 0);
	pinned("both copies", 6);
	check("cut the copy", cut_pages(101, 2), 2);
	pinned("two of them are gone", 5);
	check("cut its rest", cut_pages(100, 4), 2);
	pinned("the other", 4);
	check("detach the other", destroy(fd, more), 0);
	pinned("none", 0);
	check("detach", destroy(fd, test), 0);
	check("the other", destroy(fd, other), 0);
	check("the space", destroy(fd, ioas), 0);
}

/* A copy in a space with a page table pins what it shows of a mapping, not the mapping. */
static void part_of_a_mapping(void)
{
	uint32_t ioas = ioas_alloc(fd), other = ioas_alloc(fd), test;

	check("map", map_pages(ioas, 0, 0, NR), 0);
	check("attach the other", attach_new(fd, other, &test), 0);
	check("copy a page", copy_pages(other, 0, ioas, 5, 1), 0);
	pinned("a page", 1);
	check("this one", pins(5, 1, 1), 0);
	check("copy three", copy_pages(other, 10, ioas, 4, 3), 0);
	pinned("three", 3);
	check("the page", unmap_pages(other, 0, 1), 0);
	pinned("it is one of them", 3);
	check("the three", unmap_pages(other, 10, 3), 0);
	pinned("none", 0);
	check("detach", destroy(fd, test), 0);
	check("the other", destroy(fd, other), 0);
	check("the space", destroy(fd, ioas), 0);
}

static void two_tables(void)
{
	struct iommu_hwpt_alloc hwpt = {.size = sizeof(hwpt)};
	uint32_t ioas = space(), now;
	struct test_ids dev;

	check("attach", test_device(fd, ioas, 0, &dev), 0);
	hwpt.dev_id = dev.device;
	hwpt.pt_id = ioas;
	check("another page table", call(fd, IOMMU_HWPT_ALLOC, &hwpt), 0);
	check("map", map_pages(ioas, 0, 0, NR), 0);
	pinned("once", NR);
	check("cut", cut_pages(8, 4), 4);
	pinned("less", 12);
	check("pages", pins(0, 8, 1), 0);
	check("those cut", pins(8, 4, 0), 0);
	check("to the other", replace(fd, dev.test, hwpt.out_hwpt_id, &now), 0);
	pinned("the same", 12);
	check("it shows them", check_map(fd, hwpt.out_hwpt_id, at(12), mem + 12 * PAGE, 4 * PAGE),
	      0);
	check("cut", cut_pages(0, 4), 4);
	pinned("less", 8);
	check("detach", destroy(fd, dev.test), 0);
	pinned("the table stays", 8);
	check("the table", destroy(fd, hwpt.out_hwpt_id), 0);
	pinned("none", 0);
	check("the space", destroy(fd, ioas), 0);
}

static void accesses(void)
{
	struct iommu_test_cmd make = {.access = {.flags = TESTCMD_ACCESS_NEEDS_PIN}};
	struct iommu_test_cmd pin = {.access_pin = {.iova = at(102), .length = 2 * PAGE}};
	struct iommu_test_cmd unpin = {.size = 0};
	uint32_t ioas = space(), other = ioas_alloc(fd), test;

	check("attach", attach_new(fd, ioas, &test), 0);
	check("map", map_pages(ioas, 0, 0, NR), 0);
	check("a copy without a page table", copy_pages(other, 100, ioas, 4, 4), 0);
	check("an access", testcmd(fd, TESTCMD_ACCESS, other, &make), 0);
	pin.access_pin.uptr = (uintptr_t)(mem + 6 * PAGE);
	check("pins two", testcmd(fd, TESTCMD_ACCESS_PIN, make.access.out_fd, &pin), 0);
	pinned("once", NR);
	check("cut all but the ends", cut_pages(1, 14), 14);
	pinned("the ends and the access'", 4);
	check("its pages", pins(6, 2, 1), 0);
	check("those before", pins(1, 5, 0), 0);
	check("those behind", pins(8, 7, 0), 0);
	unpin.access_unpin.item = pin.access_pin.out_item;
	check("unpin", testcmd(fd, TESTCMD_ACCESS_UNPIN, make.access.out_fd, &unpin), 0);
	pinned("the ends", 2);
	close((int)make.access.out_fd);

	make = (struct iommu_test_cmd){.access = {.flags = TESTCMD_ACCESS_NEEDS_PIN}};
	check("all", unmap(fd, ioas, 0, UINT64_MAX, NULL), 0);
	check("map", map_pages(ioas, 100, 4, 4), 0);
	check("an access of its own", testcmd(fd, TESTCMD_ACCESS, ioas, &make), 0);
	check("pins two", testcmd(fd, TESTCMD_ACCESS_PIN, make.access.out_fd, &pin), 0);
	check("no cut then", cut_pages(100, 1), -EINVAL);
	pinned("all", 4);
	unpin.access_unpin.item = pin.access_pin.out_item;
	check("unpin", testcmd(fd, TESTCMD_ACCESS_UNPIN, make.access.out_fd, &unpin), 0);
	check("a cut now", cut_pages(100, 1), 1);
	pinned("three", 3);
	close((int)make.access.out_fd);
	check("detach", destroy(fd, test), 0);
	check("the other", destroy(fd, other), 0);
	check("the space", destroy(fd, ioas), 0);
	pinned("none", 0);
}

/* Test devices have pages of 2 KiB; what can be cut is of whole pages all the same. */
static void half_a_page(void)
{
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = sizeof(cmd), .iova = at(0), .size = 3 * PAGE / 2};
	uint32_t ioas = space(), test;

	check("attach", attach_new(fd, ioas, &test), 0);
	check("map", map_pages(ioas, 0, 0, 4), 0);
	check("a page and a half", call(fd, VFIO_IOMMU_UNMAP_DMA, &cmd), -EINVAL);
	check("its size stays", (long)cmd.size, 3 * PAGE / 2);
	pinned("all", 4);
	check("detach", destroy(fd, test), 0);
	check("the space", destroy(fd, ioas), 0);
}

/* Memory that the program has given up is pinned, and given back, just so. */
static void given_up(void)
{
	uint8_t *gone = memory(8 * PAGE);
	uint32_t ioas = space(), test;

	check("attach", attach_new(fd, ioas, &test), 0);
	check("map", map_fixed(fd, ioas, gone, at(0), 8 * PAGE), 0);
	munmap(gone, 8 * PAGE);
	pinned("after munmap", 8);
	check("cut", cut_pages(2, 3), 3);
	pinned("less", 5);
	check("cut", cut_pages(0, 6), 3);
	pinned("the end", 2);
	check("cut", cut_pages(6, 2), 2);
	pinned("none", 0);
	check("detach", destroy(fd, test), 0);
	check("the space", destroy(fd, ioas), 0);
}

static void limit_pages(unsigned long pages)
{
	struct rlimit limit;

	getrlimit(RLIMIT_MEMLOCK, &limit);
	limit.rlim_cur = pages * PAGE;
	if (setrlimit(RLIMIT_MEMLOCK, &limit)) {
		perror("SKIP: setrlimit");
		exit(EXIT_SKIP);
	}
}

static void drop_privilege(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data))
		return;
	data[0].effective &= ~(1u << CAP_IPC_LOCK);
	syscall(SYS_capset, &header, data);
}

/* What a cut gives back can be used at once. */
static void limit(void)
{
	uint32_t ioas = space(), test;

	limit_pages(NR);
	check("attach", attach_new(fd, ioas, &test), 0);
	check("up to the limit", map_pages(ioas, 0, 0, NR), 0);
	check("one more", map_pages(ioas, 100, 0, 1), -ENOMEM);
	check("cut", cut_pages(5, 3), 3);
	check("what that left", map_pages(ioas, 100, 0, 3), 0);
	check("one more", map_pages(ioas, 110, 0, 1), -ENOMEM);
	pinned("the limit", NR);
	check("all", unmap(fd, ioas, 0, UINT64_MAX, NULL), 0);
	check("detach", destroy(fd, test), 0);
	check("the space", destroy(fd, ioas), 0);
}

int main(int argc, char **argv)
{
	struct iommu_option mode = {.size = sizeof(mode),
				    .option_id = IOMMU_OPTION_RLIMIT_MODE,
				    .op = IOMMU_OPTION_OP_SET,
				    .val64 = 1};

	by_process = argc > 1;
	mem = memory(NR * PAGE);
	fd = open_testcmd_or_skip();
	if (by_process && call(fd, IOMMU_OPTION, &mode)) {
		puts("SKIP: RLIMIT_MODE needs CAP_SYS_RESOURCE");
		return EXIT_SKIP;
	}
	limit_pages(4 * NR);
	drop_privilege();
	pinned_before = status("VmPin:");
	locked_before = status("VmLck:");
	cuts();
	copies();
	part_of_a_mapping();
	two_tables();
	accesses();
	half_a_page();
	given_up();
	limit();
	return check_done();
}
