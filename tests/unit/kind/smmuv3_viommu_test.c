/* SPDX-License-Identifier: MIT */
/*
 * Description: a guest's share of an SMMUv3: which stream table entries it may give, bit by bit,
 * what they make of a page table, and which devices those are for.
 */
#include <endian.h>
#include "kind/smmuv3.h"
#include "obj/obj.h"
#include "obj/viommu.h"
#include "units.h"

static struct rig rig, second;
static struct pt *pt;
static struct obj_hwpt parent;
static struct obj_viommu viommu;
static const struct kind_viommu_ops *ops;
static uint64_t ste[2];
static struct ioas_why why;

static int read_ste(const struct kind_data *data, void *dst, size_t min, size_t known)
{
	assert_int_equal(known, sizeof(ste));
	assert_int_equal(min, sizeof(ste));
	if (data->len < min)
		return -EINVAL;
	((uint64_t *)dst)[0] = htole64(ste[0]);
	((uint64_t *)dst)[1] = htole64(ste[1]);
	return 0;
}

static int setup(void **state)
{
	const struct ioas_topology_iommu spec = {
		.kind = "smmuv3", .nested = true, .pasid_lg2 = 8, .ats = true};

	rig_begin(&rig, &spec);
	rig_begin(&second, &spec);
	pt = rig_table(&rig, NEST);
	parent = (struct obj_hwpt){.pt = pt};
	viommu = (struct obj_viommu){.parent = &parent, .events = obj_events_new()};
	ops = smmuv3_viommu(&rig.own.base, IOMMU_VIOMMU_TYPE_ARM_SMMUV3);
	assert_non_null(ops);
	assert_int_equal(ops->init(&viommu, &rig.own.base, NULL, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	assert_true(LIST_EMPTY(&((struct smmuv3_share *)viommu.kind)->tables));
	ops->fini(&viommu);
	obj_events_put(viommu.events);
	pt_destroy(pt);
	rig_end(&second);
	rig_end(&rig);
	return 0;
}

static int make(struct obj_hwpt *hwpt, uint32_t flags, uint32_t type, uint32_t len)
{
	const struct kind_data data = {.type = type, .len = len, .read = read_ste};
	int rc;

	why.text[0] = '\0';
	*hwpt = (struct obj_hwpt){.parent = &parent, .viommu = &viommu, .obj.id = 7};
	rc = ops->nested(&viommu, hwpt, flags, &data, &why);
	assert_int_equal(!rc, !why.text[0]);
	assert_int_equal(!rc, hwpt->kind != NULL);
	return rc;
}

static int made(uint64_t word0, uint64_t word1)
{
	struct obj_hwpt hwpt;
	int rc;

	ste[0] = word0;
	ste[1] = word1;
	rc = make(&hwpt, 0, IOMMU_HWPT_DATA_ARM_SMMUV3, sizeof(ste));
	if (!rc)
		smmuv3_nested_free(&hwpt);
	return rc;
}

#define S1 (STE_V | (uint64_t)SMMUV3_STAGE1 << 1)

/* Those of stage 1 are the guest's, all others the host's. Of an entry without V none counts. */
static void each_bit_is_the_guests_or_the_hosts(void **state)
{
	for (unsigned bit = 0; bit < 64; bit++) {
		uint64_t one = 1ull << bit;
		bool stage1 = bit <= 5 || (bit >= 6 && bit <= 55) || bit >= 59;
		bool more = bit <= 7 || (bit >= 27 && bit <= 28);

		if (bit >= 4)
			assert_int_equal(made(S1 | one, 0), stage1 ? 0 : -EIO);
		assert_int_equal(made(S1, one), more ? 0 : -EIO);
		assert_int_equal(made(one & ~STE_V, one), 0);
	}
	assert_int_equal(made(S1 | 1ull << 56, 1ull << 40), -EIO);
	assert_string_equal(why.text, "a guest's stream table entry has bits that are the host's: "
				      "0x0100000000000000 0x0000010000000000");
}

static void configs_are_those_without_a_stage_2(void **state)
{
	for (uint64_t config = 0; config < 8; config++)
		assert_int_equal(made(STE_V | config << 1, 0),
				 config == 0 || config == 4 || config == 5 ? 0 : -EIO);
	for (uint64_t eats = 0; eats < 4; eats++)
		assert_int_equal(made(S1, eats << 28), eats < 2 ? 0 : -EIO);
}

static void other_data_is_refused(void **state)
{
	struct obj_hwpt hwpt;

	ste[0] = S1;
	ste[1] = 0;
	assert_int_equal(make(&hwpt, PASID, IOMMU_HWPT_DATA_ARM_SMMUV3, 16), -EOPNOTSUPP);
	assert_int_equal(make(&hwpt, 0, IOMMU_HWPT_DATA_VTD_S1, 16), -EINVAL);
	assert_int_equal(make(&hwpt, 0, IOMMU_HWPT_DATA_ARM_SMMUV3, 15), -EINVAL);
}

static void a_table_is_what_its_entry_says(void **state)
{
	static const struct {
		uint64_t word[2];
		bool no_ats, any_device;
		enum smmuv3_config config;
	} cases[] = {
		{{S1, STE_S1STALLD | 1ull << 28}, false, false, SMMUV3_STAGE1},
		{{S1 | 0x12340, 0}, true, false, SMMUV3_STAGE1},
		{{STE_V | 4 << 1, 1ull << 28}, true, true, SMMUV3_BYPASS},
		{{STE_V, 1ull << 28}, true, true, SMMUV3_ABORT},
		{{UINT64_MAX & ~STE_V, UINT64_MAX}, true, true, SMMUV3_ABORT},
	};
	struct smmuv3_facts facts = smmuv3_facts(&rig.unit);
	struct obj_hwpt hwpt[5];

	for (unsigned i = 0; i < 5; i++) {
		const struct smmuv3_stage1 *own;

		memcpy(ste, cases[i].word, sizeof(ste));
		assert_int_equal(make(&hwpt[i], 0, IOMMU_HWPT_DATA_ARM_SMMUV3, 16), 0);
		own = hwpt[i].kind;
		assert_ptr_equal(hwpt[i].to, &own->stage1.to);
		assert_ptr_equal(own->stage1.to.pt, pt);
		assert_int_equal(own->stage1.to.hwpt_id, 7);
		assert_true(own->stage1.pasids);
		assert_int_equal(own->stage1.no_ats, cases[i].no_ats);
		assert_int_equal(hwpt[i].any_device, cases[i].any_device);
		assert_int_equal(smmuv3_config(own), cases[i].config);
		assert_int_equal(own->ste[0], i < 4 ? cases[i].word[0] : 0);
		assert_int_equal(own->ste[1], i < 4 ? cases[i].word[1] : 0);
		assert_int_equal(own->facts.format, facts.format);
		assert_int_equal(own->facts.ssid_lg2, 8);
		assert_int_equal(own->facts.oas, facts.oas);
		assert_ptr_equal(LIST_FIRST(&((struct smmuv3_share *)viommu.kind)->tables), own);
	}
	/* In any order. */
	for (unsigned i = 0; i < 5; i++)
		smmuv3_nested_free(&hwpt[i * 2 % 5]);
}

static const struct {
	uint16_t reason;
	unsigned event;
	bool access; /* it says what kind of access it was, and of which address */
} told[] = {
	{IOAS_FAULT_BAD_STRUCTURE, 0x04, false}, {IOAS_FAULT_DISABLED, 0x06, false},
	{IOAS_FAULT_NO_PASID, 0x08, false},	 {IOAS_FAULT_WIDTH, 0x10, true},
	{IOAS_FAULT_NOT_MAPPED, 0x10, true},	 {IOAS_FAULT_RESERVED, 0x10, true},
	{IOAS_FAULT_OUTPUT, 0x11, true},	 {IOAS_FAULT_ACCESSED, 0x12, true},
	{IOAS_FAULT_NO_READ, 0x13, true},	 {IOAS_FAULT_NO_WRITE, 0x13, true},
	{IOAS_FAULT_NO_EXEC, 0x13, true},	 {IOAS_FAULT_PRIVILEGE, 0x13, true},
};

/* Each reason with each flag of a request: what is its own, and no other's. */
static void records_say_what_was_asked_for(void **state)
{
	const struct smmuv3_stage1 own = {.ste = {S1, 0}};

	for (unsigned i = 0; i < sizeof(told) / sizeof(told[0]) * 16; i++) {
		uint32_t pasid = i & 1, exec = i & 2, priv = i & 4, write = i & 8;
		unsigned event = told[i / 16].event;
		const struct ioas_fault fault = {
			.reason = told[i / 16].reason,
			.stage = 1,
			.addr = 0x123000,
			.tlp = {.op = write ? IOAS_TLP_WRITE : IOAS_TLP_READ,
				.pasid = pasid ? 5 : 0,
				.flags = (pasid ? IOAS_TLP_PASID : 0u) |
					 (exec ? IOAS_TLP_EXEC : 0u) |
					 (priv ? IOAS_TLP_PRIV : 0u)}};
		uint64_t record[4];
		bool ssv = pasid && event != 0x08 && event != 0x06;
		bool ssid = pasid && event != 0x06;

		assert_true(smmuv3_event_record(&own, &fault, 0x77, record));
		assert_int_equal(record[0], event | (ssv ? 1u << 11 : 0) | (ssid ? 5u << 12 : 0) |
						    0x77ull << 32);
		assert_int_equal(record[1], !told[i / 16].access
						    ? 0
						    : 2ull << 40 | (write ? 0 : 1ull << 35) |
							      (exec && !write ? 1ull << 34 : 0) |
							      (priv ? 1ull << 33 : 0));
		assert_int_equal(record[2], told[i / 16].access ? 0x123000 : 0);
		assert_int_equal(record[3], 0);
	}
}

/* One unit's; what is not nested goes anywhere. */
static void a_share_is_of_one_unit(void **state)
{
	const pasid_t five = 5;
	struct obj_hwpt hwpt, plain = {.pt = pt};

	assert_int_equal(ops->vdevice(&viommu, &rig.own.base, NULL), 0);
	assert_int_equal(ops->vdevice(&viommu, &second.own.base, NULL), -EINVAL);
	ste[0] = S1;
	ste[1] = 0;
	assert_int_equal(make(&hwpt, 0, IOMMU_HWPT_DATA_ARM_SMMUV3, 16), 0);
	for (unsigned i = 0; i < 2; i++) {
		const pasid_t *pasid = i ? &five : NULL;

		assert_int_equal(smmuv3_attach(&rig.own.base, pasid, &hwpt, NULL, NULL), 0);
		assert_int_equal(smmuv3_attach(&second.own.base, pasid, &hwpt, NULL, &why),
				 -EINVAL);
		assert_non_null(strstr(why.text, "page table 7 is nested for"));
		assert_int_equal(smmuv3_attach(&rig.own.base, pasid, &plain, NULL, NULL), 0);
		assert_int_equal(smmuv3_attach(&second.own.base, pasid, &plain, NULL, NULL), 0);
	}
	smmuv3_nested_free(&hwpt);
}

static void who_cannot_nest_has_no_share(void **state)
{
	const struct ioas_topology_iommu plain = {.kind = "smmuv3"};
	const struct ioas_topology_iommu large = {
		.kind = "smmuv3", .nested = true, .page_sizes = K64};
	struct obj_viommu other = {.parent = &parent};
	struct rig r;

	assert_null(smmuv3_viommu(&rig.own.base, IOMMU_VIOMMU_TYPE_ARM_SMMUV3 + 1));
	assert_null(smmuv3_viommu(&rig.own.base, 0));
	rig_begin(&r, &plain);
	assert_null(smmuv3_viommu(&r.own.base, IOMMU_VIOMMU_TYPE_ARM_SMMUV3));
	rig_end(&r);
	/* Nor one on page tables of another granule. */
	rig_begin(&r, &large);
	assert_int_equal(ops->init(&other, &r.own.base, NULL, &why), -EINVAL);
	assert_null(other.kind);
	rig_end(&r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(each_bit_is_the_guests_or_the_hosts),
		TEST(configs_are_those_without_a_stage_2),
		TEST(other_data_is_refused),
		TEST(a_table_is_what_its_entry_says),
		TEST(records_say_what_was_asked_for),
		TEST(a_share_is_of_one_unit),
		TEST(who_cannot_nest_has_no_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
