/* SPDX-License-Identifier: MIT */
/*
 * Description: a description that contradicts its kind is refused with a reason; what a machine
 * and its kind have reserved is there once; tables of one unit do not get to another that cannot
 * walk them.
 */
#include <stdio.h>
#include <ioas/topology.h>
#include "mem/mem.h"
#include "obj/obj.h"
#include "pci/pci.h"
#include "units.h"

static struct ioas_why why;

static int try_spec(const struct ioas_iommu_config *config, const struct ioas_topology_iommu *spec)
{
	struct ioas_iommu *iommu;
	struct kind_unit unit;
	int rc;

	why.text[0] = 0;
	assert_int_equal(ioas_iommu_new(config, &iommu), 0);
	rc = kind_unit_init(&unit, iommu, spec, 0, &why);
	kind_unit_fini(&unit);
	ioas_iommu_destroy(iommu);
	assert_int_equal(!rc, !why.text[0]);
	return rc;
}

static void contradictions(void **state)
{
	static const struct ioas_topology_iommu bad[] = {
		{.kind = "vtd", .aw = 31},
		{.kind = "vtd", .aw = 49}, /* more than the instance's 48 */
		{.kind = "vtd", .pasid_0_apart = true},
		{.kind = "amd", .pasid_0_apart = true},
		{.kind = "smmuv3", .pasid_0_apart = true},
		{.kind = "riscv", .pasid_0_apart = true},
		{.kind = "smmuv3", .coherency = true},
		{.kind = "riscv", .coherency = true},
		{.kind = "riscv", .nested = true},
		{.kind = "soft", .nested = true},
		{.kind = "riscv", .pasid_lg2 = 16},
		{.kind = "vtd", .page_sizes = M2},
		{.kind = "vtd", .page_sizes = K4 | K64},
		{.kind = "smmuv3", .page_sizes = 1ull << 13},
		{.kind = "smmuv3", .page_sizes = K16 | G1 << 3},
	};
	const struct ioas_iommu_config config = {.aw = 48};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(try_spec(&config, &bad[i]), -EINVAL);
	assert_int_equal(try_spec(&config, &(struct ioas_topology_iommu){.kind = "sparc"}),
			 -EOPNOTSUPP);
	assert_non_null(strstr(why.text, "sparc"));
}

static void settings(void **state)
{
	struct ioas_iommu_config config = {0};
	struct ioas_iommu *iommu;

	assert_int_equal(ioas_iommu_config_set(&config, "iommu", "vtd", &why), 0);
	assert_int_equal(ioas_iommu_check(&config, NULL), 0);
	assert_int_equal(ioas_iommu_config_set(&config, "iommu", "vt-d", &why), -EINVAL);
	assert_string_equal(config.kind, "vtd");
	config.pt = "amdv1";
	assert_int_equal(ioas_iommu_check(&config, &why), -EINVAL);
	assert_int_equal(ioas_iommu_new(&config, &iommu), -EINVAL);
	config = (struct ioas_iommu_config){.kind = "no such"};
	assert_int_equal(ioas_iommu_new(&config, &iommu), -EINVAL);
	config = (struct ioas_iommu_config){.aw = 31};
	assert_int_equal(ioas_iommu_check(&config, &why), -EINVAL);
}

/* Each setting takes its values, and says its name of what is none. */
static void settings_from_text(void **state)
{
	static const struct {
		const char *key, *good[2], *bad[3];
	} cases[] = {
		{"aw", {"39", "48"}, {"", "31", "48x"}},
		{"mmap", {"off", "on"}, {"", "no", "ON"}},
		{"selftest", {"on", "off"}, {"", "yes", "onn"}},
		{"abi", {"6.12", "7.3"}, {"", "6", "7.30"}},
		{"memlock", {"on", "off"}, {"", "1", "of"}},
		{"pasid0", {"same", "apart"}, {"", "0", "sam"}},
		{"groups", {"strict", "device"}, {"", "none", "stric"}},
		{"ats-timeout", {"1", "3600000"}, {"", "0", "3600001"}},
		{"pri-timeout", {"1", "3600000"}, {"-1", "1 ", "3600001"}},
		{"check-dirty", {"on", "off"}, {"", "yes", "onn"}},
		{"check-invalidation", {"on", "off"}, {"", "yes", "offf"}},
		{"pt", {"riscv-sv48", "amdv1"}, {"", "amdv2", "amdv1 "}},
		{"iommu", {"riscv", "soft"}, {"", "smmu", "soft2"}},
	};
	struct ioas_iommu_config none = {0}, config = {0};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *key = cases[i].key;
		struct ioas_iommu_config before;

		assert_int_equal(ioas_iommu_config_set(&config, key, cases[i].good[0], &why), 0);
		before = config;
		assert_memory_not_equal(&before, &none, sizeof(none));
		for (unsigned b = 0; b < 3; b++) {
			why.text[0] = '\0';
			assert_int_equal(ioas_iommu_config_set(&config, key, cases[i].bad[b], &why),
					 -EINVAL);
			assert_ptr_equal(strstr(why.text, key), why.text);
			assert_memory_equal(&before, &config, sizeof(config));
		}
		assert_int_equal(ioas_iommu_config_set(&config, key, cases[i].good[1], &why), 0);
		assert_memory_not_equal(&before, &config, sizeof(config));
		config = none;
	}
	assert_int_equal(ioas_iommu_config_set(&config, "no such", "on", &why), -ENOENT);
	config.pt = "no such";
	assert_int_equal(ioas_iommu_check(&config, &why), -EINVAL);
	assert_non_null(strstr(why.text, "no such"));
}

/* "soft" in a description is what the configuration says; another kind stays what it is. */
static void soft_is_replaced(void **state)
{
	const struct ioas_iommu_config config = {.kind = "smmuv3"};
	const struct ioas_topology_iommu soft = {
		.kind = "soft", .pasid_lg2 = 9, .pasid_0_apart = true};
	const struct ioas_topology_iommu amd = {.kind = "amd"};
	struct ioas_iommu *iommu;
	struct kind_unit unit;

	assert_int_equal(ioas_iommu_new(&config, &iommu), 0);
	assert_ptr_equal(iommu->own.type, &kind_smmuv3);
	assert_int_equal(iommu->own.spec.pasid_lg2, IOAS_PASID_BITS);
	assert_int_equal(kind_unit_init(&unit, iommu, &soft, 3, NULL), 0);
	assert_ptr_equal(unit.type, &kind_smmuv3);
	assert_int_equal(unit.spec.pasid_lg2, 9);
	assert_true(unit.spec.dirty && !unit.spec.coherency && !unit.pasid_0_apart);
	assert_string_equal(unit.name, "smmu3.0x00000000090b0000");
	kind_unit_fini(&unit);
	assert_int_equal(kind_unit_init(&unit, iommu, &amd, 0, NULL), 0);
	assert_ptr_equal(unit.type, &kind_amd);
	assert_false(unit.spec.dirty);
	kind_unit_fini(&unit);
	ioas_iommu_destroy(iommu);
}

static void reserved(void **state)
{
	const struct ioas_range ranges[] = {
		{0xfee00000, 0xfeefffff}, {0x1000, 0x1fff}, {0x1000, 0x1fff}};
	const struct ioas_topology_iommu spec = {
		.kind = "amd", .reserved = ranges, .reserved_nr = 3};
	struct rig rig;

	rig_begin(&rig, &spec);
	assert_int_equal(rig.unit.reserved_nr, 3);
	assert_int_equal(rig.unit.msi_nr, 1);
	assert_int_equal(rig.unit.reserved[0].first, 0xfee00000);
	assert_int_equal(rig.unit.reserved[1].first, 0xfd00000000);
	assert_int_equal(rig.unit.reserved[1].last, 0xffffffffff);
	assert_int_equal(rig.unit.reserved[2].last, 0x1fff);
	assert_int_equal(rig.dev->msi.first, 0xfee00000);
	rig_end(&rig);
}

/* Of one kind, but one tracks writes and enforces coherency and the other does not. */
static void attach_what_suits(void **state)
{
	const struct ioas_topology_iommu able = {
		.kind = "vtd", .dirty = true, .coherency = true, .pasid_lg2 = 8};
	const struct ioas_topology_iommu plain = {.kind = "vtd", .coherency = true};
	const struct ioas_topology_iommu loose = {.kind = "vtd", .dirty = true};
	struct obj_hwpt tracks = {.dirty = true, .coherent = true};
	struct obj_hwpt usual = {.coherent = true}, faults = {.coherent = true};
	struct rig a, p, l;

	faults.fault = (struct obj_fault *)&faults;
	rig_begin(&a, &able);
	rig_begin(&p, &plain);
	rig_begin(&l, &loose);
	assert_int_equal(kind_unit_attach(&a.own.base, NULL, &tracks, NULL, &why), 0);
	assert_int_equal(kind_unit_attach(&p.own.base, NULL, &tracks, NULL, &why), -EINVAL);
	assert_int_equal(kind_unit_attach(&p.own.base, NULL, &usual, NULL, &why), 0);
	assert_int_equal(kind_unit_attach(&l.own.base, NULL, &usual, NULL, &why), -EINVAL);
	assert_int_equal(kind_unit_attach(&a.own.base, NULL, &faults, NULL, &why), -ENODEV);
	rig_end(&a);
	rig_end(&p);
	rig_end(&l);
}

/* AMD: a table for PASIDs serves requests without one, but not the reverse. */
static void formats_meet_routes(void **state)
{
	const struct ioas_topology_iommu amd = {.kind = "amd", .pasid_lg2 = 8};
	const struct ioas_topology_iommu vtd = {.kind = "vtd"};
	const pasid_t five = 5, zero = 0;
	struct rig a, v;
	struct pt *v1, *v2;

	rig_begin(&a, &amd);
	rig_begin(&v, &vtd);
	v1 = rig_table(&a, 0);
	v2 = rig_table(&a, PASID);
	assert_int_equal(route_attach(a.dev, &five, v1, &why), -EINVAL);
	assert_string_equal(
		why.text,
		"the page table has format amdv1, its AMD IOMMU needs x86-64-5l for a PASID");
	assert_int_equal(route_attach(a.dev, &zero, v2, &why), -EINVAL);
	assert_int_equal(route_attach(a.dev, &five, v2, &why), 0);
	assert_int_equal(route_attach(a.dev, NULL, v1, &why), 0);
	assert_int_equal(route_attach(a.dev, NULL, v2, &why), 0);
	assert_int_equal(route_attach(v.dev, NULL, v1, &why), -EINVAL);
	assert_non_null(strstr(why.text, "vtd-ss"));
	route_detach(a.dev, NULL);
	route_detach(a.dev, &five);
	rig_end(&v);
	rig_end(&a);
	pt_destroy(v1);
	pt_destroy(v2);
}

/* What programs nest on is stage 2, in the granule of what they map themselves. */
static void parents_have_the_granule(void **state)
{
	static const uint64_t pages[] = {0, K4, K16, K64};
	static const enum pt_format stage2[] = {PT_ARM_LPAE_S2_4K, PT_ARM_LPAE_S2_4K,
						PT_ARM_LPAE_S2_16K, PT_ARM_LPAE_S2_64K};

	for (unsigned i = 0; i < 4; i++) {
		const struct ioas_topology_iommu spec = {
			.kind = "smmuv3", .page_sizes = pages[i], .nested = true};
		struct rig rig;
		struct pt *parent;

		rig_begin(&rig, &spec);
		parent = rig_table(&rig, NEST);
		assert_non_null(parent);
		assert_int_equal(pt_format(parent), stage2[i]);
		pt_destroy(parent);
		rig_end(&rig);
	}
}

/* Each flag by itself and with the others: dirty bits are for who asks, and are of single pages. */
static void tables_are_as_asked_for(void **state)
{
	const struct ioas_topology_iommu spec = {
		.kind = "vtd", .dirty = true, .nested = true, .pasid_lg2 = 8};
	struct kind_paging paging;
	struct rig rig;

	rig_begin(&rig, &spec);
	for (unsigned i = 0; i < 16; i++) {
		uint32_t flags = (i & 1 ? DIRTY : 0) | (i & 2 ? PASID : 0) | (i & 4 ? NEST : 0);
		bool small = i & 8;
		const struct pt_config *of = flags & NEST    ? &rig.unit.nest_table
					     : flags & PASID ? &rig.unit.pasid_table
							     : &rig.unit.table;

		assert_int_equal(kind_unit_paging(&rig.own.base, flags, NULL, small, &paging, &why),
				 0);
		assert_int_equal(paging.dirty, !!(flags & DIRTY));
		assert_int_equal(paging.coherent, spec.coherency);
		assert_int_equal(paging.pt.format, of->format);
		assert_int_equal(paging.pt.max_leaf_lg2,
				 small || flags & DIRTY ? 12 : of->max_leaf_lg2);
		assert_true(of->max_leaf_lg2 > 12);
	}
	rig_end(&rig);
}

/* Of the format that was asked for, for PASIDs too; named by their number. */
static void soft_ones_have_any_format(void **state)
{
	static const enum pt_format formats[] = {PT_RISCV_SV48, PT_AMDV1, PT_X86_64};
	static const char *const names[] = {"riscv-sv48", "amdv1", "x86-64"};
	const struct ioas_topology_iommu spec = {.kind = "soft", .pasid_lg2 = 8};

	for (unsigned i = 0; i < 3; i++) {
		const struct ioas_iommu_config config = {.pt = names[i]};
		struct ioas_iommu *iommu;
		struct kind_unit unit;
		char name[16];

		assert_int_equal(ioas_iommu_new(&config, &iommu), 0);
		assert_int_equal(kind_unit_init(&unit, iommu, &spec, i, NULL), 0);
		assert_int_equal(unit.table.format, formats[i]);
		assert_int_equal(unit.pasid_table.format, formats[i]);
		assert_int_equal(unit.nest_table.format, formats[i]);
		snprintf(name, sizeof(name), "ioas%u", i);
		assert_string_equal(unit.name, name);
		kind_unit_fini(&unit);
		ioas_iommu_destroy(iommu);
	}
}

/* Attribute `index` of the third IOMMU of a kind, "name=value". "": there is none. */
static void is_shown(const char *kind, unsigned index, const char *want)
{
	const struct ioas_iommu_config config = {.aw = 48};
	const struct ioas_topology_iommu spec = {.kind = kind};
	struct kind_attribute attribute;
	struct ioas_iommu *iommu;
	struct kind_unit unit;
	char text[128] = "";

	assert_int_equal(ioas_iommu_new(&config, &iommu), 0);
	assert_int_equal(kind_unit_init(&unit, iommu, &spec, 2, NULL), 0);
	if (unit.type->attribute && unit.type->attribute(&unit, index, &attribute))
		snprintf(text, sizeof(text), "%s %s=%s", unit.name, attribute.name, attribute.text);
	assert_string_equal(text, want);
	kind_unit_fini(&unit);
	ioas_iommu_destroy(iommu);
}

/* As /sys/class/iommu has them: some numbers in decimal, some in hexadecimal. */
static void what_sysfs_shows(void **state)
{
	is_shown("vtd", 0, "dmar2 intel-iommu/address=fed92000");
	is_shown("vtd", 2, "dmar2 intel-iommu/domains_supported=65536");
	is_shown("vtd", 3, "dmar2 intel-iommu/domains_used=0");
	is_shown("vtd", 5, "dmar2 intel-iommu/version=4:0");
	is_shown("vtd", 6, "");
	is_shown("amd", 0, "ivhd2 amd-iommu/cap=80b000f");
	is_shown("amd", 1, "ivhd2 amd-iommu/features=40:0");
	is_shown("amd", 2, "");
}

/* Output addresses fit all the formats of a machine; too late once memory has been mapped. */
static void narrow_output(void **state)
{
	struct mem_window *window;
	struct mem_map *map;

	assert_int_equal(mem_map_new(52, &map), 0);
	assert_int_equal(mem_map_narrow(map, 48), 0);
	assert_int_equal(mem_map_narrow(map, 52), 0);
	assert_int_equal(mem_window_new(map, 0, map, 4096, &window), 0);
	assert_int_equal(window->pa >> 48, 0);
	assert_int_equal(mem_map_narrow(map, 48), 0);
	mem_window_destroy(map, window);
	mem_map_destroy(map);
	assert_int_equal(mem_map_new(52, &map), 0);
	assert_int_equal(mem_window_new(map, 0, map, 4096, &window), 0);
	assert_int_equal(mem_map_narrow(map, 48), -EBUSY);
	mem_window_destroy(map, window);
	mem_map_destroy(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_from_text),
		cmocka_unit_test(contradictions),
		cmocka_unit_test(settings),
		cmocka_unit_test(soft_is_replaced),
		cmocka_unit_test(reserved),
		cmocka_unit_test(attach_what_suits),
		cmocka_unit_test(formats_meet_routes),
		cmocka_unit_test(parents_have_the_granule),
		cmocka_unit_test(soft_ones_have_any_format),
		cmocka_unit_test(tables_are_as_asked_for),
		cmocka_unit_test(what_sysfs_shows),
		cmocka_unit_test(narrow_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
