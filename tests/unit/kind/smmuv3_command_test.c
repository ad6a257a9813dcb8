/* SPDX-License-Identifier: MIT */
/*
 * Description: what a command of a guest's queue counts for: of a handful of entries that its
 * SMMUv3 may have cached which are dropped, what its devices are asked to give back, and which
 * command of several is the first that is refused.
 * The linker puts the __wrap_ functions in front of what a viommu is asked (see meson.build).
 */
#include <endian.h>
#include "forget.h"
#include "kind/smmuv3.h"
#include "obj/viommu.h"
#include "tlp/ats.h"
#include "util/inject.h"

void __wrap_obj_viommu_drain_locked(struct obj_viommu *viommu);
struct obj_vdevice *__wrap_obj_vdevice_find_locked(struct obj_viommu *viommu, uint64_t virt_id);
void __wrap_ats_take_named(struct ioas_device *dev, const struct pt_target *target,
			   const struct ats_named *what);

#define ARM   (3ull | 1ull << 6 | 1ull << 10)
#define ARM_N (ARM | 1ull << 11) /* not global */

#define HIGH 0xfffffffffffff000ull

static const struct cached smmu_cached[] = {
	{'a', 1, 1, 0, ARM_N},	  {'b', 1, 1, 0x1000, ARM_N}, {'c', 1, 1, 0x200000, ARM_N},
	{'d', 1, 2, 0, 3},	  {'e', 2, 1, 0, ARM_N},      {'f', 2, 1, 0x1000, ARM},
	{'g', 1, 0, 0x9040, 1},	  {'h', 3, 0, 0x90c0, 1},     {'i', 1, 1, HIGH, ARM_N},
	{'j', 1, 1, 0x5000, ARM},
};
static const struct kind smmu = {{.format = PT_ARM_LPAE_S1_4K, .aw = 48}, smmu_cached, 10};

#define STREAM 0x77u

static struct {
	struct obj_viommu viommu, other;
	struct smmuv3_share share;
	struct smmuv3_stage1 own;
	struct obj_hwpt hwpt;
	struct obj_device device;
	struct obj_vdevice vdevice;
	unsigned drains, asks;
	struct ats_named asked;
} guest;

void __wrap_obj_viommu_drain_locked(struct obj_viommu *viommu)
{
	assert_ptr_equal(viommu, &guest.viommu);
	guest.drains++;
}

struct obj_vdevice *__wrap_obj_vdevice_find_locked(struct obj_viommu *viommu, uint64_t virt_id)
{
	assert_ptr_equal(viommu, &guest.viommu);
	return virt_id == STREAM ? &guest.vdevice : NULL;
}

void __wrap_ats_take_named(struct ioas_device *dev, const struct pt_target *target,
			   const struct ats_named *what)
{
	assert_ptr_equal(dev, guest.device.dev);
	assert_ptr_equal(target, guest.hwpt.to);
	/* Nobody has a translation left in flight. */
	assert_true(guest.drains);
	guest.asked = *what;
	guest.asks++;
}

static void smmu_begin(void)
{
	memset(&guest, 0, sizeof(guest));
	LIST_INIT(&guest.share.tables);
	LIST_INSERT_HEAD(&guest.share.tables, &guest.own, in_share);
	guest.viommu.kind = &guest.share;
	guest.hwpt.viommu = &guest.viommu;
	guest.hwpt.kind = &guest.own;
	guest.hwpt.to = &guest.own.stage1.to;
	guest.device.rid.hwpt = &guest.hwpt;
	guest.device.dev = (struct ioas_device *)&guest;
	guest.vdevice.device = &guest.device;
	remember(&smmu);
	guest.own.stage1.check = check;
}

static int smmu_do(const uint64_t *words, uint32_t nr, uint32_t type, uint32_t *done)
{
	struct iommu_viommu_arm_smmuv3_invalidate commands[4];
	struct kind_array array = array_of(type, commands, sizeof(commands[0]), nr);
	struct ioas_why why = {""};
	int rc;

	for (uint32_t i = 0; i < nr; i++)
		for (unsigned w = 0; w < 2; w++)
			commands[i].cmd[w] = htole64(words[2 * i + w]);
	rc = smmuv3_commands(&guest.viommu, &array, &why);
	assert_int_equal(!rc, !why.text[0]);
	*done = array.done;
	return rc;
}

#define SMMU	   IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3
#define ASID(n)	   ((uint64_t)(n) << 48)
#define OF(stream) ((uint64_t)(stream) << 32)
#define SSID(n)	   ((uint64_t)(n) << 12)
#define NUM(n)	   ((uint64_t)(n) << 12)
#define SCALE(n)   ((uint64_t)(n) << 20)
#define TG(n)	   ((uint64_t)(n) << 10)
#define NH_VA	   0x12ull
#define NH_VAA	   0x13ull
#define ATC_INV	   0x40ull
#define TTL_3	   (3ull << 8)

static void drops_what_a_command_names(void **state)
{
	static const struct {
		uint64_t word[2];
		const char *rest;
	} cases[] = {
		{{0x10, 0}, "gh"},
		{{0x30, 0}, "gh"},
		{{0x11 | ASID(1), 0}, "efghj"},
		{{0x11 | ASID(2), 0}, "abcdfghij"},
		{{NH_VA | ASID(1), 0}, "bcefghij"},
		{{NH_VA | ASID(1), 0x1000}, "aceghij"},
		{{NH_VA | ASID(1), 0x1001}, "acdeghij"},
		{{NH_VA | ASID(1), 0x1001 | TTL_3}, "acdeghij"},
		{{NH_VA | ASID(2), 0x5000}, "abcdefghi"},
		{{NH_VA | ASID(1), 0xab00000000001000}, "aceghij"},
		{{NH_VA | ASID(1), HIGH}, "abcdefghj"},
		{{NH_VA | ASID(1), HIGH & UINT64_MAX >> 8}, "abcdefghj"},
		{{NH_VAA, 0}, "bcfghij"},
		{{NH_VAA | ASID(9), 0x1000}, "aceghij"},
		/* Ranges: (NUM + 1) << SCALE granules, of 4, 16 or 64 KiB. */
		{{NH_VA | ASID(1), TG(1)}, "bcefghij"},
		{{NH_VA | ASID(1) | NUM(1), TG(1)}, "ceghij"},
		{{NH_VA | ASID(1) | NUM(3), TG(1) | 1}, "cdeghij"},
		{{NH_VA | ASID(1) | NUM(4), TG(1)}, "ceghij"},
		{{NH_VA | ASID(1) | NUM(5), TG(1)}, "ceghi"},
		{{NH_VA | ASID(1) | SCALE(1), TG(1)}, "ceghij"},
		{{NH_VA | ASID(1) | NUM(2) | SCALE(1), TG(1)}, "ceghi"},
		{{NH_VA | ASID(1), TG(2)}, "ceghij"},
		{{NH_VA | ASID(1) | NUM(1), TG(2)}, "ceghi"},
		{{NH_VA | ASID(1), TG(3)}, "ceghi"},
		{{NH_VA | ASID(1) | NUM(31), TG(3)}, "ceghi"},
		{{NH_VA | ASID(1) | NUM(31) | SCALE(1), TG(3)}, "eghi"},
		/* Without a granule there is no range. */
		{{NH_VA | ASID(1) | NUM(31) | SCALE(9), 0}, "bcefghij"},
		{{NH_VA | ASID(1) | NUM(1), HIGH | TG(1)}, "abcdefghj"},
		{{NH_VA | ASID(1) | NUM(31), (HIGH << 4) | TG(1)}, "abcdefghj"},
		{{0x05 | OF(STREAM) | SSID(1), 0}, "abcdefhij"},
		{{0x05 | OF(STREAM) | SSID(2), 0}, "abcdefghij"},
		{{0x06 | OF(STREAM), 0}, "abcdefij"},
		{{ATC_INV | OF(STREAM), HIGH}, "abcdefghij"},
	};
	uint32_t done;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		smmu_begin();
		assert_int_equal(smmu_do(cases[i].word, 1, SMMU, &done), 0);
		assert_int_equal(done, 1);
		assert_int_equal(guest.drains, 1);
		assert_string_equal(rest(&smmu), cases[i].rest);
	}
}

/* Whose device goes elsewhere has no descriptors here, and no translations. */
static void leaves_others_alone(void **state)
{
	const uint64_t words[] = {0x06 | OF(STREAM), 0, ATC_INV | OF(STREAM), 0};
	uint32_t done;

	for (unsigned i = 0; i < 3; i++) {
		smmu_begin();
		if (i == 0)
			guest.device.rid.hwpt = NULL;
		else if (i == 1)
			guest.hwpt.viommu = &guest.other;
		else
			guest.device.dev = NULL;
		assert_int_equal(smmu_do(words, 2, SMMU, &done), 0);
		assert_int_equal(done, 2);
		assert_int_equal(guest.asks, 0);
		assert_string_equal(rest(&smmu), i == 2 ? "abcdefij" : "abcdefghij");
	}
}

static void asks_devices_for_what_they_have(void **state)
{
	static const struct {
		uint64_t word[2];
		struct ats_named want;
	} cases[] = {
		{{0, 0x5000}, {.first = 0x5000, .last = 0x5fff}},
		{{SSID(3), 0x5000 | 1}, {.first = 0x4000, .last = 0x5fff, .pasid = 3}},
		{{1ull << 11 | SSID(0xfffff), HIGH},
		 {.first = HIGH, .last = UINT64_MAX, .one_pasid = true, .pasid = 0xfffff}},
		{{1ull << 11 | 1ull << 9, 0x123456000 | 9},
		 {.first = 0x123400000, .last = 0x1235fffff, .any_pasid = true}},
		{{1ull << 9, 51}, {.first = 0, .last = INT64_MAX}},
		{{0, 52}, {.first = 0, .last = UINT64_MAX}},
		{{0, 0x5000 | 63}, {.first = 0, .last = UINT64_MAX}},
	};
	uint32_t done;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint64_t words[] = {ATC_INV | OF(STREAM) | cases[i].word[0],
					  cases[i].word[1]};
		const struct ats_named *want = &cases[i].want;

		smmu_begin();
		assert_int_equal(smmu_do(words, 1, SMMU, &done), 0);
		assert_int_equal(guest.asks, 1);
		assert_int_equal(guest.asked.first, want->first);
		assert_int_equal(guest.asked.last, want->last);
		assert_int_equal(guest.asked.one_pasid, want->one_pasid);
		assert_int_equal(guest.asked.any_pasid, want->any_pasid);
		assert_int_equal(guest.asked.pasid, want->pasid);
		assert_string_equal(rest(&smmu), "abcdefghij");
	}
}

static void stops_at_what_it_refuses(void **state)
{
	static const uint64_t cases[] = {
		0x00,
		0x01,
		0x03,
		0x04,
		0x07,
		0x0f,
		0x20,
		0x28,
		0x31,
		0x41,
		0x46,
		0xff,
		0x05 | OF(STREAM + 1),
		0x06 | OF(STREAM + 1),
		ATC_INV | OF(STREAM + 1),
		ATC_INV,
	};
	uint64_t words[] = {NH_VA | ASID(1), 0, 0, 0, 0x10, 0};
	uint32_t done;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		words[2] = cases[i];
		smmu_begin();
		assert_int_equal(smmu_do(words, 3, SMMU, &done), -EIO);
		assert_int_equal(done, 1);
		assert_int_equal(guest.drains, 1);
		assert_string_equal(rest(&smmu), "bcefghij");
		/* As the first one it has no effect at all. */
		smmu_begin();
		assert_int_equal(smmu_do(words + 2, 2, SMMU, &done), -EIO);
		assert_int_equal(done, 0);
		assert_int_equal(guest.drains, 0);
		assert_string_equal(rest(&smmu), "abcdefghij");
	}
}

/* All are read before one is done. */
static void reads_before_it_begins(void **state)
{
	const uint64_t words[] = {0x10, 0, 0x10, 0};
	uint32_t done;

	smmu_begin();
	bad = 1;
	assert_int_equal(smmu_do(words, 2, SMMU, &done), -EFAULT);
	bad = UINT32_MAX;
	assert_int_equal(done, 0);
	assert_int_equal(smmu_do(words, 0, SMMU, &done), -EINVAL);
	assert_int_equal(done, 0);
	assert_int_equal(smmu_do(words, 2, SMMU + 1, &done), -EINVAL);
	assert_int_equal(done, 0);
	inject_arm(1);
	assert_int_equal(smmu_do(words, 2, SMMU, &done), -ENOMEM);
	assert_int_equal(inject_remaining(), 0);
	assert_int_equal(done, 0);
	assert_int_equal(guest.drains, 0);
	assert_string_equal(rest(&smmu), "abcdefghij");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(drops_what_a_command_names),
		cmocka_unit_test(leaves_others_alone),
		cmocka_unit_test(asks_devices_for_what_they_have),
		cmocka_unit_test(stops_at_what_it_refuses),
		cmocka_unit_test(reads_before_it_begins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
