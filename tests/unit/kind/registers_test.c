/* SPDX-License-Identifier: MIT */
/*
 * Description: the registers of each kind, read back field by field, say what the engine does, in
 * every form that a machine can describe.
 */
#include "units.h"
#include "kind/riscv.h"

static void check_vtd(struct rig *rig)
{
	struct pt *pt = rig_table(rig, 0), *pasid = rig_table(rig, PASID);
	struct pt_root root;
	struct iommu_hw_info_vtd data;

	check_common(rig);
	assert_int_equal(rig->info.type, IOMMU_HW_INFO_TYPE_INTEL_VTD);
	assert_int_equal(rig->info.len, sizeof(data));
	memcpy(&data, rig->info.data, sizeof(data));
	assert_int_equal(data.flags, 0);
	pt_root(pt, &root);
	/* Widths and levels: its tables have one of those offered, and no more. */
	assert_int_equal(bits(data.cap_reg, 21, 16) + 1, pt_aw(pt));
	assert_int_equal(bits(data.cap_reg, 12, 8) >> (root.levels - 2), 1);
	assert_int_equal(bits(data.cap_reg, 34, 34), pt_page_sizes(pt) >> 21 & 1);
	assert_int_equal(bits(data.cap_reg, 35, 35), pt_page_sizes(pt) >> 30 & 1);
	assert_int_equal(bits(data.cap_reg, 37, 36), 0);
	/* One invalidation can be as large as the address space; registers do not overlap. */
	assert_int_equal(bits(data.cap_reg, 53, 48) + 12, pt_aw(pt));
	assert_true(bits(data.cap_reg, 33, 24) * 16 + (bits(data.cap_reg, 47, 40) + 1) * 16 <=
		    bits(data.ecap_reg, 17, 8) * 16);
	assert_true(bits(data.ecap_reg, 17, 8) * 16 + 16 <= 0x1000);
	assert_int_equal(bits(data.cap_reg, 7, 7), 0); /* CM: nothing absent is cached */
	/* Requests. */
	assert_int_equal(bits(data.ecap_reg, 40, 40), !!pasid);
	assert_int_equal(bits(data.ecap_reg, 39, 35), pasid ? rig->info.max_pasid_lg2 - 1 : 0);
	assert_int_equal(bits(data.ecap_reg, 30, 30), !!pasid);
	assert_int_equal(bits(data.ecap_reg, 31, 31), pasid || rig_grants(rig, NEST));
	assert_int_equal(bits(data.ecap_reg, 2, 2), rig->unit.spec.ats);
	assert_int_equal(bits(data.ecap_reg, 29, 29), rig->unit.spec.pri);
	assert_int_equal(bits(data.ecap_reg, 7, 7), !!(pt_prot_fit(pt, 0) & PT_PROT_COHERENT));
	assert_int_equal(bits(data.ecap_reg, 45, 45), rig_grants(rig, DIRTY));
	/* What needs scalable mode has it; its PASIDs have second-stage tables. */
	assert_int_equal(bits(data.ecap_reg, 43, 43),
			 pasid || rig_grants(rig, DIRTY) || rig_grants(rig, NEST));
	assert_int_equal(bits(data.ecap_reg, 46, 46), bits(data.ecap_reg, 43, 43));
	/* First-stage tables are there to be nested, with all that the ABI's data can ask for. */
	assert_int_equal(bits(data.ecap_reg, 47, 47), rig_grants(rig, NEST));
	assert_int_equal(bits(data.ecap_reg, 34, 34), rig_grants(rig, NEST));
	assert_int_equal(bits(data.cap_reg, 56, 56), rig_grants(rig, NEST));
	assert_int_equal(bits(data.cap_reg, 60, 60), rig_grants(rig, NEST));
	if (pasid)
		assert_int_equal(pt_format(pasid), PT_VTD_SS);
	/* No RID_PASID but 0, so PASID 0 is taken; nesting is granted where it is told. */
	assert_int_equal(bits(data.ecap_reg, 49, 49), rig->info.pasid_0_apart);
	assert_true(rig->dev->pasid_0_same);
	assert_int_equal(bits(data.ecap_reg, 26, 26), rig_grants(rig, NEST));
	pt_destroy(pt);
	pt_destroy(pasid);
}

static void vtd(void **state)
{
	units_each("vtd", (const uint8_t[]){32, 39, 40, 48, 57, 0}, (const uint8_t[]){1, 16, 20, 0},
		   (const uint64_t[]){K4, K4 | M2, K4 | M2 | G1, 0}, check_vtd);
}

static void check_amd(struct rig *rig)
{
	struct pt *pt = rig_table(rig, 0), *pasid = rig_table(rig, PASID);
	struct iommu_hw_info_amd data;
	struct pt_root root;
	bool guest;

	check_common(rig);
	assert_int_equal(rig->info.type, IOMMU_HW_INFO_TYPE_AMD);
	assert_int_equal(rig->info.len, sizeof(data));
	memcpy(&data, rig->info.data, sizeof(data));
	assert_int_equal(data.efr2, 0);
	pt_root(pt, &root);
	assert_int_equal(pt_format(pt), PT_AMDV1);
	/* As many levels as told, or fewer where fewer do. */
	assert_true(root.levels <= bits(data.efr, 11, 10) + 4);
	assert_true(bits(data.efr, 11, 10) == 0 || root.levels == bits(data.efr, 11, 10) + 4);
	/* Guest translation is what PASIDs have, and what is nested. */
	guest = pasid || rig_grants(rig, NEST);
	assert_int_equal(bits(data.efr, 4, 4), guest);
	assert_int_equal(bits(data.efr, 3, 3), guest);
	assert_int_equal(bits(data.efr, 37, 37), guest);
	assert_int_equal(bits(data.efr, 36, 32), pasid ? rig->info.max_pasid_lg2 - 1 : 0);
	if (pasid) {
		pt_root(pasid, &root);
		assert_int_equal(pt_format(pasid), root.levels == 5 ? PT_X86_64_5L : PT_X86_64);
		assert_int_equal(bits(data.efr, 13, 12) + 4, root.levels);
		/* The GCR3 table's levels of 9 bits hold all PASIDs, and one less would not. */
		assert_true((bits(data.efr, 15, 14) + 1) * 9 >= rig->info.max_pasid_lg2);
		assert_true(bits(data.efr, 15, 14) * 9 < rig->info.max_pasid_lg2);
	}
	/* GIOV is how requests without a PASID find a table beside those with one. */
	assert_int_equal(bits(data.efr, 48, 48), guest);
	assert_false(rig->info.pasid_0_apart);
	assert_true(rig->dev->pasid_0_same);
	assert_int_equal(bits(data.efr, 1, 1), rig->unit.spec.pri);
	assert_int_equal(bits(data.efr, 49, 49), rig_grants(rig, DIRTY));
	assert_int_equal(bits(data.efr, 52, 52), rig_grants(rig, DIRTY));
	assert_false(rig_grants(rig, DIRTY | PASID));
	/* FC is in every host entry, or in none. */
	assert_int_equal(rig->unit.spec.coherency, !!(pt_prot_fit(pt, 0) & PT_PROT_COHERENT));
	pt_destroy(pt);
	pt_destroy(pasid);
}

static void amd(void **state)
{
	units_each("amd", (const uint8_t[]){39, 48, 52, 57, 0},
		   (const uint8_t[]){1, 9, 10, 16, 18, 19, 20, 0},
		   (const uint64_t[]){K4, K4 | M2 | G1, 0}, check_amd);
}

static void check_smmuv3(struct rig *rig)
{
	static const unsigned oas[] = {32, 36, 40, 42, 44, 48, 52};
	struct pt *pt = rig_table(rig, 0);
	struct iommu_hw_info_arm_smmuv3 data;
	bool pasids = rig_grants(rig, PASID);

	check_common(rig);
	assert_int_equal(rig->info.type, IOMMU_HW_INFO_TYPE_ARM_SMMUV3);
	assert_int_equal(rig->info.len, sizeof(data));
	memcpy(&data, rig->info.data, sizeof(data));
	/* Stage 1, and no stage 2 until something nests on it; AArch64's tables, little-endian. */
	assert_int_equal(bits(data.idr[0], 1, 0), 2 | rig_grants(rig, NEST));
	/* With both an SMMUv3.3 has more: EL2, what stage 2 can say; ATS is whole or not at all. */
	assert_int_equal(data.aidr, 3);
	assert_int_equal(bits(data.idr[0], 9, 9), rig_grants(rig, NEST));
	assert_int_equal(bits(data.idr[0], 11, 11), rig->unit.spec.ats && rig_grants(rig, NEST));
	assert_int_equal(bits(data.idr[3], 4, 4), rig_grants(rig, NEST));
	assert_int_equal(bits(data.idr[3], 8, 8), rig_grants(rig, NEST));
	assert_int_equal(bits(data.idr[3], 14, 14), rig_grants(rig, NEST));
	/* HAD, RIL, E0PD; no small tables. */
	assert_int_equal(bits(data.idr[3], 2, 2) + bits(data.idr[3], 10, 10), 2);
	assert_int_equal(bits(data.idr[3], 13, 13), 1);
	assert_int_equal(bits(data.idr[3], 9, 9), 0);
	assert_int_equal(bits(data.idr[0], 3, 2), 2);
	assert_int_equal(bits(data.idr[0], 22, 21), 2);
	assert_int_equal(bits(data.idr[0], 7, 6), rig_grants(rig, DIRTY) ? 2 : 0);
	assert_int_equal(bits(data.idr[0], 10, 10), rig->unit.spec.ats);
	assert_int_equal(bits(data.idr[0], 16, 16), rig->unit.spec.pri);
	assert_int_equal(bits(data.idr[0], 25, 24), 1); /* nothing stalls */
	assert_int_equal(bits(data.idr[0], 26, 26), 1);
	/* Any requester ID of any segment, and any StreamID, is one. */
	assert_int_equal(bits(data.idr[1], 5, 0), 32);
	assert_int_equal(bits(data.idr[1], 10, 6), rig->info.max_pasid_lg2);
	assert_int_equal(bits(data.idr[0], 19, 19), pasids);
	/* The granule, and how far addresses go in and out. */
	assert_int_equal(bits(data.idr[5], 4, 4), pt_page_lg2(pt) == 12);
	assert_int_equal(bits(data.idr[5], 5, 5), pt_page_lg2(pt) == 14);
	assert_int_equal(bits(data.idr[5], 6, 6), pt_page_lg2(pt) == 16);
	assert_int_equal(oas[bits(data.idr[5], 2, 0)], pt_format_pa_bits(pt_format(pt)));
	assert_true(pt_aw(pt) <= (bits(data.idr[5], 11, 10) ? 52 : 48));
	assert_int_equal(bits(data.idr[5], 11, 10), pt_aw(pt) > 48);
	/* What programs nest on is stage 2 of the same granule and width. */
	if (rig_grants(rig, NEST)) {
		struct pt *parent = rig_table(rig, NEST);

		assert_int_equal(pt_format(parent),
				 pt_format(pt) + PT_ARM_LPAE_S2_4K - PT_ARM_LPAE_S1_4K);
		assert_int_equal(pt_aw(parent), pt_aw(pt));
		pt_destroy(parent);
	}
	/* PASID 0 is refused, not taken for none. */
	assert_false(rig->info.pasid_0_apart);
	assert_false(rig->dev->pasid_0_same);
	assert_int_equal(pt_prot_fit(pt, 0) & PT_PROT_COHERENT, 0);
	pt_destroy(pt);
}

static void smmuv3(void **state)
{
	const struct ioas_topology_iommu wide = {
		.kind = "smmuv3", .aw = 52, .pasid_lg2 = 20, .page_sizes = K64 | M512};

	units_each("smmuv3", (const uint8_t[]){39, 48, 0}, (const uint8_t[]){1, 8, 20, 0},
		   (const uint64_t[]){K4, K4 | M2 | G1, K16, K16 | M32, K64, K64 | M512, 0},
		   check_smmuv3);
	units_of(&wide, check_smmuv3);
}

static void check_riscv(struct rig *rig)
{
	static const unsigned width[] = {39, 48, 57};
	static const enum pt_format format[] = {PT_RISCV_SV39, PT_RISCV_SV48, PT_RISCV_SV57};
	uint64_t reg = kind_riscv_capabilities(&rig->unit);
	struct pt *pt = rig_table(rig, 0);
	unsigned mode = 0, lg2;

	check_common(rig);
	/* The ABI has no data for it. */
	assert_int_equal(rig->info.type, IOMMU_HW_INFO_TYPE_NONE);
	assert_int_equal(rig->info.len, 0);
	assert_int_equal(bits(reg, 7, 0), 0x10);
	while (width[mode] < pt_aw(pt))
		mode++;
	assert_int_equal(pt_format(pt), format[mode]);
	assert_int_equal(bits(reg, 11, 9), (2u << mode) - 1);
	assert_int_equal(bits(reg, 19, 16), 0); /* no second stage yet */
	assert_int_equal(bits(reg, 37, 32), pt_format_pa_bits(pt_format(pt)));
	assert_int_equal(bits(reg, 24, 24), rig_grants(rig, DIRTY));
	assert_int_equal(bits(reg, 25, 25), rig->unit.spec.ats || rig->unit.spec.pri);
	lg2 = bits(reg, 40, 40) ? 20 : bits(reg, 39, 39) ? 17 : bits(reg, 38, 38) ? 8 : 0;
	assert_int_equal(lg2, rig->info.max_pasid_lg2);
	assert_int_equal(bits(reg, 23, 22), 0); /* interrupts are writes like any other */
	assert_true(rig->dev->msi.first > rig->dev->msi.last);
	assert_false(rig->info.pasid_0_apart);
	assert_true(rig->dev->pasid_0_same);
	pt_destroy(pt);
}

static void riscv(void **state)
{
	units_each("riscv", (const uint8_t[]){32, 39, 40, 48, 57, 0},
		   (const uint8_t[]){8, 17, 20, 0}, (const uint64_t[]){K4, K4 | M2 | G1, 0},
		   check_riscv);
}

static void check_soft(struct rig *rig)
{
	assert_int_equal(rig->info.type, IOMMU_HW_INFO_TYPE_NONE);
	assert_true(rig_grants(rig, DIRTY));
	assert_true(rig->unit.spec.coherency);
}

static void soft(void **state)
{
	units_each("soft", (const uint8_t[]){39, 48, 57, 0}, (const uint8_t[]){1, 20, 0},
		   (const uint64_t[]){0}, check_soft);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vtd),	 cmocka_unit_test(amd),	 cmocka_unit_test(smmuv3),
		cmocka_unit_test(riscv), cmocka_unit_test(soft),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
