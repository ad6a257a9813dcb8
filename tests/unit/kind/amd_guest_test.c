/* SPDX-License-Identifier: MIT */
/*
 * Description: which table a guest's device table entry of AMD's leads a request to (48882: 2.2.6),
 * by GCR3 tables of one to three levels; and which entries are taken.
 */
#include <ioas/uapi/iommufd.h>
#include "kind/amd.h"
#include "kind/unit.h"
#include "obj/obj.h"
#include "tests/unit/tlp/rig.h"
#include "tlp/nested.h"

#define GUEST_LEN (4ul << 20)
#define X86	  7ull
#define V	  1ull
#define GIOV	  (1ull << 54)
#define GV	  (1ull << 55)
#define GCR3	  0x123000ull /* where the GCR3 table is */

static struct rig rig;
static char *memory;
static struct mem_window *window;
static uint64_t next; /* free pages */
static struct kind_unit unit = {.name = "amd", .spec.pasid_lg2 = 20, .table.aw = 57};
static struct ioas_device fake = {.unit = &unit};
static const struct kind_ops named = {.name = "AMD IOMMU"};
static struct kind_own own = {.base.ops = &named, .dev = &fake};
static struct obj_hwpt parent, hwpt;
static uint64_t dte[4];
static struct ioas_why why;

static uint64_t *at(pa_t gpa)
{
	assert_true(gpa < GUEST_LEN);
	return (uint64_t *)(memory + gpa);
}

static int read_dte(const struct kind_data *data, void *dst, size_t min, size_t known)
{
	assert_int_equal(known, sizeof(dte));
	if (data->len < min)
		return -EINVAL;
	memcpy(dst, dte, sizeof(dte));
	return 0;
}

static int make(uint32_t flags, uint32_t type, uint32_t len)
{
	const struct kind_data data = {.type = type, .len = len, .read = read_dte};
	int rc;

	why.text[0] = '\0';
	hwpt = (struct obj_hwpt){.parent = &parent};
	rc = amd_nested(&own.base, &hwpt, flags, &data, &why);
	assert_int_equal(!rc, !why.text[0]);
	return rc;
}

static int made(void)
{
	int rc = make(0, IOMMU_HWPT_DATA_AMD_GUEST, sizeof(dte));

	if (!rc) {
		assert_ptr_equal(hwpt.kind, hwpt.to->stage1);
		amd_nested_free(&hwpt);
	}
	return rc;
}

/* An entry for a GCR3 table of so many levels. */
static void entry(pa_t gcr3, unsigned levels, uint64_t more)
{
	dte[0] = V | GV | more | (uint64_t)(levels - 1) << 56 | (gcr3 >> 12 & 7) << 58;
	dte[1] = (gcr3 >> 15 & 0xffff) << 16 | (gcr3 >> 31 & 0x1fffff) << 43;
	dte[2] = dte[3] = 0;
}

static pa_t page(void)
{
	next += PAGE;
	return next;
}

/* A table of four levels whose page 1 is at `gpa`. */
static pa_t table(pa_t gpa)
{
	pa_t root = page(), below = root;

	for (unsigned level = 4; level > 1; level--) {
		pa_t to = page();

		*at(below) = to | X86;
		below = to;
	}
	at(below)[1] = gpa | X86;
	return root;
}

/* Enters a table for a PASID, level by level by hand; where its last entry is. */
static uint64_t *enter(unsigned levels, pasid_t pasid, pa_t root)
{
	pa_t here = GCR3;

	for (unsigned level = levels - 1; level; level--) {
		uint64_t *word = at(here) + (pasid >> 9 * level) % 512;

		if (!*word)
			*word = page() | 1;
		here = *word & ~1ull;
	}
	at(here)[pasid % 512] = root | 1;
	return at(here) + pasid % 512;
}

static enum ioas_fault_reason look(bool has_pasid, pasid_t pasid, pa_t *gpa)
{
	struct nested_request request = {
		.iova = 0x1008, .access = PT_ACCESS_READ, .has_pasid = has_pasid, .pasid = pasid};
	struct nested_found found = {.gpa = 0};
	struct ioas_fault note = {.tlp.len = 8};
	enum ioas_fault_reason reason =
		nested_walk(rig.iommu, hwpt.to->stage1, &request, &found, &note);

	*gpa = found.gpa;
	return reason;
}

static int setup(void **state)
{
	rig_start(&rig, &(struct ioas_iommu_config){.memory_told = true});
	memory = rig_pages(GUEST_LEN / PAGE);
	window = rig_map(&rig, 0, memory, GUEST_LEN, IOAS_PROT_READ | IOAS_PROT_WRITE);
	parent.pt = rig.pt;
	next = 0x200000;
	return 0;
}

static int teardown(void **state)
{
	rig_unmap(&rig, 0, window);
	rig_stop(&rig);
	munmap(memory, GUEST_LEN);
	return 0;
}

static void each_pasid_has_its_table(void **state)
{
	static const pasid_t pasids[] = {0,   1,	5,	 511,	  512,
					 513, 1024 + 5, 0x3ffff, 0x40000, 0xfffff};
	const unsigned nr = sizeof(pasids) / sizeof(pasids[0]);

	for (unsigned levels = 1; levels <= 3; levels++) {
		uint64_t last = 1ull << 9 * levels;
		pa_t gpa;

		memset(memory, 0, GUEST_LEN);
		next = 0x200000;
		for (unsigned i = 0; i < nr; i++)
			if (pasids[i] < last)
				enter(levels, pasids[i], table(0x100000 + i * PAGE));
		entry(GCR3, levels, GIOV);
		assert_int_equal(make(0, IOMMU_HWPT_DATA_AMD_GUEST, sizeof(dte)), 0);
		assert_true(hwpt.to->stage1->pasids);
		for (unsigned i = 0; i < nr; i++) {
			bool there = pasids[i] < last;

			assert_int_equal(look(true, pasids[i], &gpa),
					 there ? IOAS_FAULT_NONE : IOAS_FAULT_NO_PASID);
			if (there)
				assert_int_equal(gpa, 0x100008 + i * PAGE);
		}
		/* Without a PASID it is as with PASID 0. */
		assert_int_equal(look(false, 0, &gpa), IOAS_FAULT_NONE);
		assert_int_equal(gpa, 0x100008);
		assert_int_equal(look(true, 7, &gpa), IOAS_FAULT_NO_PASID);
		amd_nested_free(&hwpt);
	}
}

static void entries_of_the_gcr3_table_count(void **state)
{
	uint64_t *word;
	pa_t gpa;

	word = enter(2, 600, table(0x100000));
	entry(GCR3, 2, 0);
	assert_int_equal(make(0, IOMMU_HWPT_DATA_AMD_GUEST, sizeof(dte)), 0);
	assert_int_equal(look(true, 600, &gpa), IOAS_FAULT_NONE);
	/* Without GIOV its address is the guest's own. */
	assert_int_equal(look(false, 0, &gpa), IOAS_FAULT_NONE);
	assert_int_equal(gpa, 0x1008);
	*word ^= 1;
	assert_int_equal(look(true, 600, &gpa), IOAS_FAULT_NO_PASID);
	*word ^= 1 | 1ull << 52;
	assert_int_equal(look(true, 600, &gpa), IOAS_FAULT_BAD_STRUCTURE);
	*word ^= 1ull << 52;
	at(GCR3)[1] ^= 1ull << 63;
	assert_int_equal(look(true, 600, &gpa), IOAS_FAULT_BAD_STRUCTURE);
	at(GCR3)[1] = GUEST_LEN | 1;
	assert_int_equal(look(true, 600, &gpa), IOAS_FAULT_NOT_MAPPED);
	amd_nested_free(&hwpt);
	/* No guest translation: all is the guest's own. */
	for (unsigned i = 0; i < 2; i++) {
		entry(GCR3, 1, GIOV);
		dte[0] &= i ? ~V : ~GV;
		assert_int_equal(make(0, IOMMU_HWPT_DATA_AMD_GUEST, sizeof(dte)), 0);
		assert_int_equal(look(true, 600, &gpa), IOAS_FAULT_NONE);
		assert_int_equal(gpa, 0x1008);
		amd_nested_free(&hwpt);
	}
}

static void what_is_not_the_guests_is_refused(void **state)
{
	const pasid_t pasid = 3;

	entry(GCR3, 1, 0);
	assert_int_equal(made(), 0);
	assert_int_equal(make(1, IOMMU_HWPT_DATA_AMD_GUEST, sizeof(dte)), -EOPNOTSUPP);
	assert_int_equal(make(0, IOMMU_HWPT_DATA_VTD_S1, sizeof(dte)), -EOPNOTSUPP);
	assert_int_equal(make(0, IOMMU_HWPT_DATA_AMD_GUEST, 31), -EINVAL);
	for (unsigned bit = 0; bit < 64; bit++) {
		bool hosts = (bit >= 9 && bit <= 11) || (bit >= 12 && bit <= 51);

		if (bit >= 54 && bit <= 60)
			continue;
		entry(GCR3, 1, 0);
		dte[0] |= 1ull << bit;
		assert_int_equal(made(), hosts ? -EINVAL : 0);
	}
	entry(0, 1, 0);
	assert_int_equal(made(), -EINVAL);
	dte[0] &= ~GV;
	assert_int_equal(made(), 0);
	entry(GCR3, 4, 0);
	assert_int_equal(made(), -EINVAL);
	for (uint64_t mode = 0; mode < 4; mode++) {
		entry(GCR3, 3, 0);
		dte[2] = mode << 54;
		assert_int_equal(made(), mode > 1 ? -EINVAL : 0);
	}
	/* What the registers do not promise. */
	unit.table.aw = 48;
	dte[2] = 1ull << 54;
	assert_int_equal(made(), -EOPNOTSUPP);
	dte[2] = 0;
	assert_int_equal(made(), 0);
	unit.spec.pasid_lg2 = 18;
	assert_int_equal(made(), -EOPNOTSUPP);
	assert_string_equal(why.text, "amd has GCR3 tables of 2 levels at most (GLXSup)");
	entry(GCR3, 2, 0);
	assert_int_equal(made(), 0);
	unit.spec.pasid_lg2 = 9;
	assert_int_equal(made(), -EOPNOTSUPP);
	assert_string_equal(why.text, "amd has GCR3 tables of 1 levels at most (GLXSup)");
	entry(GCR3, 1, 0);
	assert_int_equal(made(), 0);
	unit.spec.pasid_lg2 = 20;
	unit.table.aw = 57;
	/* One attach is of all PASIDs. */
	assert_int_equal(amd_attach(&own.base, &pasid, &hwpt, NULL, NULL), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(each_pasid_has_its_table),
		TEST(entries_of_the_gcr3_table_count),
		TEST(what_is_not_the_guests_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
