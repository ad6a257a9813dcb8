/* SPDX-License-Identifier: MIT */
/* Description: a first-stage table of a guest's behind VT-d: which descriptions of one are taken,
 * and what they say of a request. */
#include <ioas/uapi/iommufd.h>
#include "kind/unit.h"
#include "kind/vtd.h"
#include "obj/obj.h"
#include "tests/unit/tlp/rig.h"
#include "tlp/nested.h"

#define GUEST_LEN (1ul << 20)
#define ROOT	  0x10000ul
#define ALL	  7ull /* present, writable, of users */
#define U	  4ull
#define A	  (1ull << 5)
#define EA	  (1ull << 10)
#define DATA	  0x80000ul

static struct rig rig;
static char *memory;
static struct mem_window *window;
static const struct kind_ops named = {.name = "VT-d"};
static struct kind_own own = {.base.ops = &named};
static struct obj_hwpt parent, hwpt;
static struct iommu_hwpt_vtd_s1 given;

static int read_given(const struct kind_data *data, void *dst, size_t min, size_t known)
{
	assert_int_equal(min, sizeof(given));
	assert_int_equal(known, sizeof(given));
	if (data->len < min)
		return -EINVAL;
	memcpy(dst, &given, sizeof(given));
	return 0;
}

static int make(uint32_t type, uint32_t len)
{
	const struct kind_data data = {.type = type, .len = len, .read = read_given};
	struct ioas_why why = {""};
	int rc;

	hwpt = (struct obj_hwpt){.parent = &parent};
	rc = vtd_nested(&own.base, &hwpt, 0, &data, &why);
	assert_int_equal(!rc, !why.text[0]);
	return rc;
}

static int made(void)
{
	int rc = make(IOMMU_HWPT_DATA_VTD_S1, sizeof(given));

	if (!rc) {
		assert_ptr_equal(hwpt.kind, hwpt.to->stage1);
		vtd_nested_free(&hwpt);
	}
	return rc;
}

static uint64_t *at(pa_t gpa)
{
	return (uint64_t *)(memory + gpa);
}

/* A table of `levels` levels whose page 1 is DATA; where its last entry is. */
static uint64_t *table(unsigned levels)
{
	pa_t here = ROOT;

	memset(memory, 0, GUEST_LEN);
	for (; levels > 1; levels--, here += PAGE)
		*at(here) = (here + PAGE) | ALL;
	at(here)[1] = DATA | ALL;
	return at(here) + 1;
}

static enum ioas_fault_reason look(uint32_t access, pa_t *gpa)
{
	struct nested_request request = {.iova = 0x1008, .access = access};
	struct nested_found found = {.gpa = 0};
	enum ioas_fault_reason reason =
		nested_walk(rig.iommu, hwpt.to->stage1, &request, &found, NULL);

	*gpa = found.gpa;
	return reason;
}

static int setup(void **state)
{
	rig_start(&rig, &(struct ioas_iommu_config){.memory_told = true});
	memory = rig_pages(GUEST_LEN / PAGE);
	window = rig_map(&rig, 0, memory, GUEST_LEN, IOAS_PROT_READ | IOAS_PROT_WRITE);
	parent.pt = rig.pt;
	given = (struct iommu_hwpt_vtd_s1){.pgtbl_addr = ROOT, .addr_width = 48};
	return 0;
}

static int teardown(void **state)
{
	rig_unmap(&rig, 0, window);
	rig_stop(&rig);
	munmap(memory, GUEST_LEN);
	return 0;
}

static void descriptions_are_checked(void **state)
{
	assert_int_equal(made(), 0);
	assert_int_equal(make(IOMMU_HWPT_DATA_ARM_SMMUV3, sizeof(given)), -EOPNOTSUPP);
	assert_int_equal(make(IOMMU_HWPT_DATA_VTD_S1, sizeof(given) - 1), -EINVAL);
	for (unsigned bit = 0; bit < 64; bit++) {
		bool known =
			(1ull << bit) & (IOMMU_VTD_S1_SRE | IOMMU_VTD_S1_EAFE | IOMMU_VTD_S1_WPE);

		given.flags = 1ull << bit;
		assert_int_equal(made(), known ? 0 : -EOPNOTSUPP);
	}
	given.flags = 0;
	for (unsigned aw = 0; aw < 70; aw++) {
		given.addr_width = aw;
		assert_int_equal(made(), aw == 48 || aw == 57 ? 0 : -EINVAL);
	}
	given.addr_width = 48;
	given.__reserved = 1;
	assert_int_equal(made(), -EOPNOTSUPP);
}

/* Low bits of the root's address do not count. */
static void tables_have_four_or_five_levels(void **state)
{
	pa_t gpa;

	for (unsigned levels = 4; levels <= 5; levels++) {
		table(levels);
		given.addr_width = levels == 4 ? 48 : 57;
		given.pgtbl_addr = ROOT | 0xfff;
		assert_int_equal(make(IOMMU_HWPT_DATA_VTD_S1, sizeof(given)), 0);
		assert_int_equal(look(PT_ACCESS_READ, &gpa), IOAS_FAULT_NONE);
		assert_int_equal(gpa, DATA + 8);
		vtd_nested_free(&hwpt);
	}
}

/* SRE: are there privileged requests? WPE: may they write what is read-only? */
static void privileged_requests_are_as_its_flags_say(void **state)
{
	for (unsigned flags = 0; flags < 4; flags++) {
		uint64_t *entry = table(4);
		bool sre = flags & 1, wpe = flags & 2;
		pa_t gpa;

		given.flags = (sre ? IOMMU_VTD_S1_SRE : 0) | (wpe ? IOMMU_VTD_S1_WPE : 0);
		assert_int_equal(make(IOMMU_HWPT_DATA_VTD_S1, sizeof(given)), 0);
		assert_int_equal(look(PT_ACCESS_READ, &gpa), IOAS_FAULT_NONE);
		assert_int_equal(look(PT_ACCESS_READ | PT_ACCESS_PRIV, &gpa),
				 sre ? IOAS_FAULT_NONE : IOAS_FAULT_PRIVILEGE);
		*entry = DATA | 1 | U;
		assert_int_not_equal(look(PT_ACCESS_WRITE, &gpa), IOAS_FAULT_NONE);
		assert_int_equal(look(PT_ACCESS_WRITE | PT_ACCESS_PRIV, &gpa) == IOAS_FAULT_NONE,
				 sre && !wpe);
		*entry = DATA | 3;
		assert_int_not_equal(look(PT_ACCESS_READ, &gpa), IOAS_FAULT_NONE);
		vtd_nested_free(&hwpt);
	}
}

/* EAFE: the extended accessed flag is set with the other one. */
static void accessed_flags_are_set(void **state)
{
	for (unsigned eafe = 0; eafe < 2; eafe++) {
		uint64_t *entry = table(4);
		pa_t gpa;

		given.flags = eafe ? IOMMU_VTD_S1_EAFE : 0;
		assert_int_equal(make(IOMMU_HWPT_DATA_VTD_S1, sizeof(given)), 0);
		assert_int_equal(look(PT_ACCESS_READ, &gpa), IOAS_FAULT_NONE);
		assert_int_equal(*entry, DATA | ALL | A | (eafe ? EA : 0));
		assert_int_equal(*at(ROOT), (ROOT + PAGE) | ALL | A | (eafe ? EA : 0));
		vtd_nested_free(&hwpt);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(descriptions_are_checked),
		TEST(tables_have_four_or_five_levels),
		TEST(privileged_requests_are_as_its_flags_say),
		TEST(accessed_flags_are_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
