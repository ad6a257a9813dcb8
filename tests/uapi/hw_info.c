/* SPDX-License-Identifier: MIT */
/*
 * Description: what a program learns of the IOMMU behind a device, and what it may do, go together:
 * IOMMU_GET_HW_INFO, IOMMU_IOAS_IOVA_RANGES, IOMMU_HWPT_ALLOC, VFIO_DMA_CC_IOMMU and sysfs. One
 * source for all kinds; the argument says which it must be, without one any will do.
 */
/* Compared on: machines/vtd.yaml */
#include <stdbool.h>
#include "iommufd.h"
#include "vfio.h"

#define MAX_RANGES 32

static uint64_t bits(uint64_t value, unsigned high, unsigned low)
{
	return value >> low & UINT64_MAX >> (63 - (high - low));
}

/* What a kind says of itself; the rest is asked of the program's own side. */
struct answer {
	uint32_t type, len;
	uint64_t caps;
	unsigned pasid_lg2;
	union {
		uint8_t bytes[64];
		struct iommu_hw_info_vtd vtd;
		struct iommu_hw_info_amd amd;
		struct iommu_hw_info_arm_smmuv3 smmuv3;
	};
};

static struct answer ask(int fd, uint32_t dev)
{
	struct answer answer;
	struct iommu_hw_info cmd = {
		.size = sizeof(cmd),
		.dev_id = dev,
		.data_len = sizeof(answer.bytes),
		.data_uptr = (uintptr_t)answer.bytes,
	};

	memset(&answer, 0xff, sizeof(answer));
	check("IOMMU_GET_HW_INFO", call(fd, IOMMU_GET_HW_INFO, &cmd), 0);
	answer.type = cmd.out_data_type;
	answer.len = cmd.data_len;
	answer.caps = cmd.out_capabilities;
	answer.pasid_lg2 = cmd.out_max_pasid_log2;
	return answer;
}

/* The buffer may be longer, which is zeroed, shorter, or absent; data_len is what there is. */
static void check_copy(int fd, uint32_t dev, const struct answer *answer)
{
	uint8_t part[4] = {0xff, 0xff, 0xff, 0xff};
	struct iommu_hw_info cmd = {.size = sizeof(cmd), .dev_id = dev};
	bool zero = true;

	for (size_t i = answer->len; i < sizeof(answer->bytes); i++)
		zero &= !answer->bytes[i];
	check("the rest of the buffer is zero", zero, true);
	check("without a buffer", call(fd, IOMMU_GET_HW_INFO, &cmd), 0);
	check("  its length is told", cmd.data_len, answer->len);
	cmd.data_len = sizeof(part);
	cmd.data_uptr = (uintptr_t)part;
	check("a short one", call(fd, IOMMU_GET_HW_INFO, &cmd), 0);
	check("  its length is told", cmd.data_len, answer->len);
	check("  it is filled", memcmp(part, answer->bytes, sizeof(part)), 0);
	cmd.data_len = sizeof(part);
	cmd.data_uptr = (uintptr_t)WILD;
	check("a bad one", call(fd, IOMMU_GET_HW_INFO, &cmd), -EFAULT);
}

/* Data of another type than the IOMMU's, where the kernel knows that one can ask for a type. */
static void check_type(int fd, uint32_t dev, const struct answer *answer)
{
	struct iommu_hw_info cmd = {
		.size = sizeof(cmd), .flags = IOMMU_HW_INFO_FLAG_INPUT_TYPE, .dev_id = dev};

	if (call(fd, IOMMU_GET_HW_INFO, &cmd) == -EOPNOTSUPP)
		return;
	check("the default's type", cmd.out_data_type, answer->type);
	cmd.in_data_type = answer->type;
	cmd.data_len = 0;
	check("asked for by its type", call(fd, IOMMU_GET_HW_INFO, &cmd), 0);
	cmd.in_data_type = IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV;
	cmd.data_len = 0;
	check("another type", call(fd, IOMMU_GET_HW_INFO, &cmd), -EOPNOTSUPP);
}

/* The kind, by what it says; "" is any without data. */
static const char *kind_of(const struct answer *answer)
{
	static const char *const names[] = {"", "vtd", "smmuv3", "", "amd"};
	static const uint32_t lens[] = {0, sizeof(struct iommu_hw_info_vtd),
					sizeof(struct iommu_hw_info_arm_smmuv3), 0,
					sizeof(struct iommu_hw_info_amd)};

	if (answer->type > IOMMU_HW_INFO_TYPE_AMD)
		return "unknown";
	check("the data's length", answer->len, lens[answer->type]);
	return names[answer->type];
}

/* ---- addresses ---- */

/* How many address bits the registers promise, 0: they do not say. */
static unsigned promised(const char *kind, const struct answer *answer)
{
	if (!strcmp(kind, "vtd"))
		return (unsigned)bits(answer->vtd.cap_reg, 21, 16) + 1;
	if (!strcmp(kind, "amd"))
		return 48 + 9 * (unsigned)bits(answer->amd.efr, 11, 10);
	if (!strcmp(kind, "smmuv3"))
		return bits(answer->smmuv3.idr[5], 11, 10) ? 52 : 48;
	return !strcmp(kind, "riscv") ? 47 : 0;
}

/* Each range of the group's reserved_regions is between two of those that can be used. */
static void check_reserved(const char *bdf, const struct iommu_iova_range *ranges, unsigned nr)
{
	char path[PATH_MAX], type[32];
	unsigned long long first, last;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group/reserved_regions", bdf);
	file = fopen(path, "r");
	check("reserved_regions", file != NULL, true);
	while (file && fscanf(file, "%llx %llx %31s", &first, &last, type) == 3) {
		bool apart = true;

		if (!strcmp(type, "direct-relaxable"))
			continue;
		for (unsigned i = 0; i < nr; i++)
			apart &= ranges[i].last < first || ranges[i].start > last;
		printf("     %#llx-%#llx %s\n", first, last, type);
		check("  is not for mapping", apart, true);
	}
	if (file)
		fclose(file);
}

static void check_ranges(int fd, uint32_t ioas, const char *bdf, unsigned width)
{
	static struct iommu_iova_range ranges[MAX_RANGES];
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.num_iovas = MAX_RANGES,
		.allowed_iovas = (uintptr_t)ranges,
	};
	uint64_t last;

	check("IOMMU_IOAS_IOVA_RANGES", call(fd, IOMMU_IOAS_IOVA_RANGES, &cmd), 0);
	last = ranges[cmd.num_iovas - 1].last;
	if (width)
		check("the width is the registers'", last == (1ull << width) - 1, true);
	check("mapped at its end",
	      map_fixed(fd, ioas, memory(PAGE), (last + 1 - PAGE) & -PAGE, PAGE), 0);
	if (last != UINT64_MAX)
		check("and no further", map_fixed(fd, ioas, memory(PAGE), last + 1, PAGE), -EINVAL);
	check_reserved(bdf, ranges, cmd.num_iovas);
}

/* ---- page tables ---- */

static long alloc(int fd, uint32_t dev, uint32_t ioas, uint32_t flags)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd), .flags = flags, .dev_id = dev, .pt_id = ioas};
	long rc = call(fd, IOMMU_HWPT_ALLOC, &cmd);

	if (!rc)
		check("  IOMMU_DESTROY", destroy(fd, cmd.out_hwpt_id), 0);
	return rc;
}

/* Granted is what hw_info tells of. Linux grants AMD's PASIDs no dirty tracking. */
static void check_tables(int fd, uint32_t dev, const char *kind, const struct answer *answer)
{
	uint32_t ioas = ioas_alloc(fd), dirty = IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	bool can_track = answer->caps & IOMMU_HW_CAP_DIRTY_TRACKING;
	long tracks = can_track ? 0 : -EOPNOTSUPP, pasids = answer->pasid_lg2 ? 0 : -EOPNOTSUPP;

	check("a page table", alloc(fd, dev, ioas, 0), 0);
	check("one that tracks", alloc(fd, dev, ioas, dirty), tracks);
	check("one for PASIDs", alloc(fd, dev, ioas, IOMMU_HWPT_ALLOC_PASID), pasids);
	check("one for PASIDs that tracks", alloc(fd, dev, ioas, IOMMU_HWPT_ALLOC_PASID | dirty),
	      tracks || pasids || !strcmp(kind, "amd") ? -EOPNOTSUPP : 0);
	check("one that nobody knows", alloc(fd, dev, ioas, 1u << 20), -EOPNOTSUPP);
	if (!strcmp(kind, "vtd")) {
		check("SSADS", (long)bits(answer->vtd.ecap_reg, 45, 45), can_track);
		if (answer->pasid_lg2)
			check("PSS",
			      (long)bits(answer->vtd.ecap_reg, 39, 35) + 1 >= answer->pasid_lg2, 1);
	} else if (!strcmp(kind, "amd")) {
		check("HDSup", (long)bits(answer->amd.efr, 52, 52), can_track);
	} else if (!strcmp(kind, "smmuv3")) {
		check("HTTU", (long)bits(answer->smmuv3.idr[0], 7, 6) == 2, can_track);
		check("SSIDSIZE", (long)bits(answer->smmuv3.idr[1], 10, 6) >= answer->pasid_lg2, 1);
	}
	check("IOMMU_DESTROY", destroy(fd, ioas), 0);
}

/* Nesting comes with a stage that guests can have: where there is none, none is granted. */
static void check_nesting(int fd, uint32_t dev, const char *kind, const struct answer *answer)
{
	uint32_t ioas = ioas_alloc(fd);
	bool has = false;

	if (!strcmp(kind, "vtd"))
		has = bits(answer->vtd.ecap_reg, 26, 26);
	else if (!strcmp(kind, "amd"))
		has = bits(answer->amd.efr, 4, 4);
	else if (!strcmp(kind, "smmuv3"))
		has = bits(answer->smmuv3.idr[0], 0, 0);
	check("one to nest on", alloc(fd, dev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT),
	      has ? 0 : -EOPNOTSUPP);
	check("IOMMU_DESTROY", destroy(fd, ioas), 0);
}

/* VT-d says by ECAP.SC whether it can; SMMUv3 and RISC-V cannot in these tables. */
static void check_coherency(int fd, uint32_t ioas, const char *kind, const struct answer *answer)
{
	struct iommu_vfio_ioas cmd = {
		.size = sizeof(cmd), .ioas_id = ioas, .op = IOMMU_VFIO_IOAS_SET};
	long want = !strcmp(kind, "vtd") ? (long)bits(answer->vtd.ecap_reg, 7, 7)
					 : strcmp(kind, "smmuv3") && strcmp(kind, "riscv");

	check("IOMMU_VFIO_IOAS_SET", call(fd, IOMMU_VFIO_IOAS, &cmd), 0);
	check("VFIO_DMA_CC_IOMMU",
	      call(fd, VFIO_CHECK_EXTENSION, (void *)(uintptr_t)VFIO_DMA_CC_IOMMU), want);
}

/* ---- sysfs ---- */

static uint64_t read_hex(const char *folder, const char *file)
{
	char path[PATH_MAX];
	unsigned long long value = 0;
	FILE *from;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	from = fopen(path, "r");
	/* AMD's has the second features register behind a colon. */
	if (from && fscanf(from, "%llx", &value) != 1)
		value = 0;
	if (from)
		fclose(from);
	return value;
}

static void check_sysfs(const char *bdf, const char *kind, const struct answer *answer)
{
	static const struct {
		const char *kind, *prefix;
	} all[] = {{"vtd", "dmar"},
		   {"amd", "ivhd"},
		   {"smmuv3", "smmu3.0x"},
		   {"riscv", "riscv-iommu@"}};
	char folder[PATH_MAX], target[PATH_MAX] = "", *name = target;

	snprintf(folder, sizeof(folder), "/sys/bus/pci/devices/%s/iommu", bdf);
	if (readlink(folder, target, sizeof(target) - 1) > 0)
		name = strrchr(target, '/') + 1;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(kind, all[i].kind))
			check(name, strncmp(name, all[i].prefix, strlen(all[i].prefix)), 0);
	if (!strcmp(kind, "vtd")) {
		check("cap", read_hex(folder, "intel-iommu/cap") == answer->vtd.cap_reg, true);
		check("ecap", read_hex(folder, "intel-iommu/ecap") == answer->vtd.ecap_reg, true);
	} else if (!strcmp(kind, "amd")) {
		check("features", read_hex(folder, "amd-iommu/features") == answer->amd.efr, true);
	}
}

struct field {
	const char *name;
	unsigned high, low;
};

static void print_fields(const struct field *field, uint64_t value)
{
	for (; field->name; field++)
		printf("     %s %#llx\n", field->name,
		       (unsigned long long)bits(value, field->high, field->low));
}

/* A line a field, so that two kernels can be compared field by field. */
static void print_vtd(const struct iommu_hw_info_vtd *data)
{
	static const struct field flags[] = {{"flags", 31, 0}, {0}};
	static const struct field cap[] = {
		{"ND", 2, 0},	     {"RWBF", 4, 4},	 {"PLMR", 5, 5},
		{"PHMR", 6, 6},	     {"CM", 7, 7},	 {"SAGAW", 12, 8},
		{"MGAW", 21, 16},    {"ZLR", 22, 22},	 {"FRO", 33, 24},
		{"SSLPS", 37, 34},   {"PSI", 39, 39},	 {"NFR", 47, 40},
		{"MAMV", 53, 48},    {"DWD", 54, 54},	 {"DRD", 55, 55},
		{"FS1GP", 56, 56},   {"PI", 59, 59},	 {"FS5LP", 60, 60},
		{"ESIRTPS", 62, 62}, {"ESRTPS", 63, 63}, {0},
	};
	static const struct field ecap[] = {
		{"C", 0, 0},	    {"QI", 1, 1},      {"DT", 2, 2},
		{"IR", 3, 3},	    {"EIM", 4, 4},     {"PT", 6, 6},
		{"SC", 7, 7},	    {"IRO", 17, 8},    {"MHMV", 23, 20},
		{"NEST", 26, 26},   {"PRS", 29, 29},   {"ERS", 30, 30},
		{"SRS", 31, 31},    {"NWFS", 33, 33},  {"EAFS", 34, 34},
		{"PSS", 39, 35},    {"PASID", 40, 40}, {"DIT", 41, 41},
		{"PDS", 42, 42},    {"SMTS", 43, 43},  {"VCS", 44, 44},
		{"SSADS", 45, 45},  {"SSTS", 46, 46},  {"FSTS", 47, 47},
		{"SMPWCS", 48, 48}, {"RPS", 49, 49},   {0},
	};

	print_fields(flags, data->flags);
	print_fields(cap, data->cap_reg);
	print_fields(ecap, data->ecap_reg);
}

static void print(const char *kind, const struct answer *answer)
{
	const uint32_t *words = (const void *)answer->bytes;

	if (!strcmp(kind, "vtd")) {
		print_vtd(&answer->vtd);
		return;
	}
	printf("     %s: type %u, capabilities %#llx, PASIDs of %u bits:", *kind ? kind : "no data",
	       answer->type, (unsigned long long)answer->caps, answer->pasid_lg2);
	for (unsigned i = 0; i < answer->len / 4; i++)
		printf(" %08x", words[i]);
	printf("\n");
}

int main(int argc, char **argv)
{
	char bdf[16];
	int fd = open_or_skip("/dev/iommu"), cdev, group = open_group(bdf, sizeof(bdf));
	uint32_t dev, ioas, pt;
	struct answer answer;
	const char *kind;

	close(group);
	cdev = open_cdev();
	check("VFIO_DEVICE_BIND_IOMMUFD", bind_iommufd(cdev, fd, &dev), 0);
	answer = ask(fd, dev);
	kind = kind_of(&answer);
	if (argc > 1 && !*kind)
		kind = strcmp(argv[1], "riscv") ? "soft" : "riscv";
	print(kind, &answer);
	if (argc > 1)
		check(argv[1], strcmp(argv[1], kind), 0);
	check_copy(fd, dev, &answer);
	check_type(fd, dev, &answer);
	check_tables(fd, dev, kind, &answer);
	check_nesting(fd, dev, kind, &answer);
	ioas = ioas_alloc(fd);
	pt = ioas;
	check("attached", attach(cdev, &pt), 0);
	check_ranges(fd, ioas, bdf, promised(kind, &answer));
	check_coherency(fd, ioas, kind, &answer);
	check_sysfs(bdf, kind, &answer);
	return check_done();
}
