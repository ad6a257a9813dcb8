/* SPDX-License-Identifier: MIT */
/*
 * Description: which context descriptor a guest's stream table entry leads a request to (IHI 0070
 * 5.2, 5.3), against a walk by the book; and the event that it gets where it is led nowhere (7.3).
 */
#include "smmuv3_guest.h"
#include "tests/unit/rnd.h"

#define DATA 0x3f0000ul /* where the tables lead */
#define ROOTS                                                                               \
	0x300000ul /* table n of descriptor n: 64 of them, each a root and what it leads to \
		    */

static struct guest guest;

static uint64_t seed = 88172645463325252ull;

static uint64_t rnd(uint64_t below)
{
	return rnd_next(&seed) % below;
}

/* A descriptor at `at` whose one page, IOVA 0, is page `n` of 16 of the data: T0SZ 39, a root
 * of 16. */
static void put_cd(pa_t at, unsigned n)
{
	pa_t root = ROOTS + (n % 16) * 2 * PAGE;

	guest_at(&guest, at)[0] = (CD_GOOD & ~63ull) | 39 | CD_EPD1;
	guest_at(&guest, at)[1] = root;
	*guest_at(&guest, root) = (root + PAGE) | PTE_TABLE;
	*guest_at(&guest, root + PAGE) = (DATA + (n % 16) * PAGE) | PTE_PAGE;
}

static void begin(uint64_t word0, uint64_t word1)
{
	memset(guest.memory, 0, GUEST_LEN);
	guest.s1.ste[0] = word0;
	guest.s1.ste[1] = word1;
}

/* The event of the newest look, as a guest of StreamID 0x1234 would get it; 0: none. */
static unsigned event_of(const struct ioas_fault *note, uint64_t record[4])
{
	memset(record, 0, 4 * sizeof(*record));
	if (!smmuv3_event_record(&guest.s1, note, 0x1234, record))
		return 0;
	assert_int_equal(record[0] >> 32, 0x1234);
	return record[0] & 0xff;
}

static enum ioas_fault_reason look(const pasid_t *pasid, iova_t iova, pa_t *gpa, unsigned *event)
{
	struct nested_found found;
	struct ioas_fault note;
	uint64_t record[4];
	enum ioas_fault_reason reason =
		guest_look(&guest, pasid, iova, PT_ACCESS_READ, &found, &note);

	*gpa = reason ? 0 : found.gpa;
	*event = reason ? event_of(&note, record) : 0;
	if (*event) {
		assert_int_equal(note.stage, 1);
		assert_int_equal(record[0] >> 12 & 0xfffff, pasid ? *pasid : 0);
		/*
		 * C_BAD_SUBSTREAMID has a SubstreamID always, and no bit that says so;
		 * F_STREAM_DISABLED has none.
		 */
		assert_int_equal(record[0] >> 11 & 1, pasid && *event != 0x08 && *event != 0x06);
	}
	return reason;
}

static void no_traffic_bypass_and_stage_1(void **state)
{
	const pasid_t one = 1;
	unsigned event;
	pa_t gpa;

	begin(0, 0);
	assert_int_equal(look(NULL, 0x5000, &gpa, &event), IOAS_FAULT_DISABLED);
	assert_int_equal(event, 0);
	begin(1, 0);
	assert_int_equal(look(NULL, 0x5000, &gpa, &event), IOAS_FAULT_DISABLED);
	assert_int_equal(event, 0);
	assert_int_equal(look(&one, 0x5000, &gpa, &event), IOAS_FAULT_DISABLED);
	assert_int_equal(event, 0);
	begin(1 | 4ull << 1, 0);
	assert_int_equal(look(NULL, 0x5008, &gpa, &event), IOAS_FAULT_NONE);
	assert_int_equal(gpa, 0x5008);
	assert_int_equal(look(&one, 0x5008, &gpa, &event), IOAS_FAULT_NO_PASID);
	assert_int_equal(event, 0x08);
	/* Beyond the intermediate addresses that is stage 1's, within them stage 2's. */
	assert_int_equal(look(NULL, 1ull << 48, &gpa, &event), IOAS_FAULT_OUTPUT);
	assert_int_equal(event, 0x11);
	assert_int_equal(look(NULL, (1ull << 48) - 8, &gpa, &event), IOAS_FAULT_NOT_MAPPED);
	assert_int_equal(event, 0);
	begin(ste0(0x10000, 0, 0), 0);
	put_cd(0x10000, 3);
	assert_int_equal(look(NULL, 8, &gpa, &event), IOAS_FAULT_NONE);
	assert_int_equal(gpa, DATA + 3 * PAGE + 8);
}

/* S1CDMax, S1DSS and the SubstreamID: who uses which descriptor, and who is told what. */
static void default_substreams(void **state)
{
	for (unsigned bits = 0; bits < 4 * 3 * 4; bits++) {
		unsigned dss = bits & 3, which = (bits >> 2) % 3, form = bits / 12;
		unsigned cdmax = which == 0 ? 0 : which == 1 ? 1 : 4;
		const pasid_t ids[] = {0, 0, 1, 16};
		const pasid_t *pasid = form ? &ids[form] : NULL;
		enum ioas_fault_reason reason = IOAS_FAULT_NONE, got;
		unsigned want_event = 0, event;
		pa_t gpa, want = 0;

		begin(ste0(0x10000, 0, cdmax), dss);
		for (unsigned i = 0; i < 16; i++)
			put_cd(0x10000 + i * 64, i);
		if (pasid && (!cdmax || *pasid >= 1u << cdmax)) {
			reason = IOAS_FAULT_NO_PASID;
			want_event = 0x08;
		} else if ((pasid && !*pasid && dss == 2) ||
			   (!pasid && cdmax && (dss == 0 || dss == 3))) {
			reason = IOAS_FAULT_DISABLED;
			want_event = 0x06;
		} else if (!pasid && cdmax && dss == 1) {
			want = 0x20;
		} else {
			want = DATA + (pasid ? *pasid : 0) * PAGE + 0x20;
		}
		got = look(pasid, 0x20, &gpa, &event);
		assert_int_equal(got, reason);
		assert_int_equal(event, want_event);
		assert_int_equal(gpa, want);
	}
}

/*
 * By the book: the tables' entries counted through one after the other until that of the
 * SubstreamID comes. 0: nowhere.
 */
static pa_t book(uint64_t context, unsigned fmt, unsigned cdmax, uint32_t wanted)
{
	unsigned leaf = fmt == 1 ? 64 : 1024, nr = 1u << cdmax;
	uint64_t step = nr;

	if (fmt == 0 || fmt == 3) {
		for (uint32_t i = 0; i < nr; i++)
			if (i == wanted)
				return (context & -(64 * step)) + i * 64;
		return 0;
	}
	step = nr > leaf ? 8 * nr / leaf : 8;
	context &= -step;
	for (uint32_t i = 0; i < nr; i++) {
		uint64_t l1 = *guest_at(&guest, context + i / leaf * 8);

		if (i == wanted)
			return l1 & 1 ? (l1 & 0x00fffffffffff000 & -(64ull * leaf)) + i % leaf * 64
				      : 0;
	}
	return 0;
}

/* First entries for all SubstreamIDs, some of which lead nowhere. */
static void put_l1(uint64_t context, unsigned leaf, unsigned nr)
{
	uint64_t len = nr > leaf ? 8ull * (nr / leaf) : 8;

	for (uint64_t at = 0; at < len; at += 8)
		*guest_at(&guest, (context & -len) + at) =
			(0x100000 + rnd(16) * 0x10000) | rnd(8) * 2 | (rnd(4) ? 1 : 0);
}

/* One try: tables of a random form, one descriptor in them. Was it there? */
static bool try_table(void)
{
	unsigned fmt = (unsigned)rnd(4), two_levels = fmt == 1 || fmt == 2;
	unsigned cdmax = 1 + (unsigned)rnd(two_levels ? 16 : 14), event;
	/* With low bits that are not 0: they are taken to be. */
	uint64_t context = (two_levels ? 0x40000 : 0x100000) * (1 + rnd(2)) + rnd(2) * 0x40;
	pasid_t wanted = (pasid_t)rnd(1u << cdmax);
	enum ioas_fault_reason got;
	pa_t at, gpa;

	begin(ste0(context, fmt, cdmax), 0);
	if (two_levels)
		put_l1(context, fmt == 1 ? 64 : 1024, 1u << cdmax);
	at = book(context, fmt, cdmax, wanted);
	if (at)
		put_cd(at, wanted);
	got = look(&wanted, 0x10, &gpa, &event);
	if (!at) {
		assert_int_equal(got, IOAS_FAULT_NO_PASID);
		assert_int_equal(event, 0x08);
		return false;
	}
	assert_int_equal(got, IOAS_FAULT_NONE);
	assert_int_equal(gpa, DATA + wanted % 16 * PAGE + 0x10);
	return true;
}

static void tables_of_all_forms_by_the_book(void **state)
{
	unsigned found = 0;

	for (unsigned i = 0; i < 1500; i++)
		found += try_table();
	assert_true(found > 700 && found < 1450);
}

/* What HWPT_ALLOC lets in, and an SMMU does not. */
static void illegal_entries(void **state)
{
	unsigned event;
	pa_t gpa;

	guest.s1.facts.ssid_lg2 = 8;
	begin(ste0(0x10000, 0, 9), 2);
	put_cd(0x10000, 0);
	assert_int_equal(look(NULL, 0, &gpa, &event), IOAS_FAULT_BAD_STRUCTURE);
	assert_int_equal(event, 0x04);
	guest.s1.ste[0] = ste0(0x10000, 0, 8);
	assert_int_equal(look(NULL, 0, &gpa, &event), IOAS_FAULT_NONE);
	guest.s1.ste[1] |= STE_S1STALLD;
	assert_int_equal(look(NULL, 0, &gpa, &event), IOAS_FAULT_BAD_STRUCTURE);
	assert_int_equal(event, 0x04);
	begin(ste0(1ull << 48, 0, 0), 0);
	assert_int_equal(look(NULL, 0, &gpa, &event), IOAS_FAULT_BAD_STRUCTURE);
	assert_int_equal(event, 0x04);
	/* Of stage 1 alone. */
	guest.s1.ste[0] = 1 | 4ull << 1 | 1ull << 48 | 31ull << 59;
	guest.s1.ste[1] = STE_S1STALLD;
	assert_int_equal(look(NULL, 0, &gpa, &event), IOAS_FAULT_NONE);
	guest.s1.facts = facts_4k;
}

/* Pointers to where stage 2 has nothing are stage 2's faults, which the guest is not told of. */
static void pointers_out_of_the_guest(void **state)
{
	const pasid_t seven = 7;
	struct nested_found found;
	struct ioas_fault note;
	unsigned event;
	pa_t gpa;

	begin(ste0(GUEST_LEN, 0, 4), 0);
	assert_int_equal(look(&seven, 0, &gpa, &event), IOAS_FAULT_NOT_MAPPED);
	assert_int_equal(event, 0);
	guest_look(&guest, &seven, 0, PT_ACCESS_READ, &found, &note);
	assert_int_equal(note.stage, 2);
	assert_int_equal(note.during, IOAS_FAULT_DURING_STRUCTURE);
	assert_int_equal(note.gpa, GUEST_LEN + 7 * 64);
	begin(ste0(GUEST_LEN, 1, 4), 0);
	guest_look(&guest, &seven, 0, PT_ACCESS_READ, &found, &note);
	assert_int_equal(note.gpa, GUEST_LEN);
	/* The second pointer; beyond all intermediate addresses it is the guest's fault. */
	begin(ste0(0x10000, 1, 4), 0);
	*guest_at(&guest, 0x10000) = GUEST_LEN | 1;
	guest_look(&guest, &seven, 0, PT_ACCESS_READ, &found, &note);
	assert_int_equal(note.stage, 2);
	assert_int_equal(note.gpa, GUEST_LEN + 7 * 64);
	*guest_at(&guest, 0x10000) = 1ull << 48 | 1;
	assert_int_equal(look(&seven, 0, &gpa, &event), IOAS_FAULT_NO_PASID);
	assert_int_equal(event, 0x08);
	/* A descriptor that is no more there than its first word, or leads out of the guest. */
	begin(ste0(0x10000, 0, 4), 0);
	put_cd(0x10000 + 7 * 64, 7);
	guest_at(&guest, 0x10000 + 7 * 64)[1] = GUEST_LEN;
	assert_int_equal(look(&seven, 0, &gpa, &event), IOAS_FAULT_NOT_MAPPED);
	assert_int_equal(event, 0);
	guest_look(&guest, &seven, 0, PT_ACCESS_READ, &found, &note);
	assert_int_equal(note.stage, 2);
	assert_int_equal(note.during, IOAS_FAULT_DURING_TABLE);
}

/* Tables that lead to themselves, or to descriptors, end with the levels. */
static void loops_end(void **state)
{
	const pasid_t zero = 0;
	unsigned event;
	pa_t gpa;

	/* The first table of descriptors is its own second: its words are no descriptor. */
	begin(ste0(0x10000, 1, 4), 0);
	*guest_at(&guest, 0x10000) = 0x10000 | 1;
	assert_int_equal(look(&zero, 0, &gpa, &event), IOAS_FAULT_BAD_STRUCTURE);
	assert_int_equal(event, 0x0a);
	/* A root that leads to itself at every level: the last one is a page, the root's. */
	begin(ste0(0x10000, 0, 0), 0);
	guest_at(&guest, 0x10000)[0] = CD_GOOD;
	guest_at(&guest, 0x10000)[1] = 0x20000;
	*guest_at(&guest, 0x20000) = 0x20000 | PTE_PAGE;
	assert_int_equal(look(NULL, 0x18, &gpa, &event), IOAS_FAULT_NONE);
	assert_int_equal(gpa, 0x20018);
}

/* The records of faults of tables: 7.3.13 to 7.3.16. */
static void records_of_faults(void **state)
{
	static const struct {
		uint64_t entry;
		uint32_t access;
		unsigned event;
	} want[] = {
		{0, PT_ACCESS_READ, 0x10},
		{DATA | 1 | 1 << 10, PT_ACCESS_READ, 0x10}, /* a block at the lowest level */
		{1ull << 40 | PTE_PAGE, PT_ACCESS_READ, 0x11},
		{(DATA | PTE_PAGE) & ~(1ull << 10), PT_ACCESS_WRITE, 0x12},
		{DATA | PTE_PAGE | 1 << 7, PT_ACCESS_WRITE, 0x13},
		{(DATA | PTE_PAGE) & ~(1ull << 6), PT_ACCESS_READ, 0x13},
		{DATA | PTE_PAGE | 1ull << 54, PT_ACCESS_EXEC, 0x13},
		{DATA | PTE_PAGE, PT_ACCESS_EXEC | PT_ACCESS_PRIV, 0x13},
	};
	const iova_t iova = 0x123;

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		for (unsigned r = 0; r < 2; r++) {
			const pasid_t five = 5;
			struct nested_found found;
			struct ioas_fault note;
			uint64_t record[4];

			begin(ste0(0x10000, 0, 4), 0);
			put_cd(0x10000 + 5 * 64, 5);
			/* IPS 40 bits; R. */
			guest_at(&guest, 0x10000 + 5 * 64)[0] &= ~(7ull << 32) & ~(r ? 0 : CD_R);
			guest_at(&guest, 0x10000 + 5 * 64)[0] |= 2ull << 32;
			*guest_at(&guest, ROOTS + 5 * 2 * PAGE + PAGE) = want[i].entry;
			assert_int_not_equal(
				guest_look(&guest, &five, iova, want[i].access, &found, &note),
				IOAS_FAULT_NONE);
			assert_int_equal(event_of(&note, record), r ? want[i].event : 0);
			/* The descriptor's words are the first that were read. */
			for (unsigned w = 0; w < 3; w++) {
				assert_int_equal(note.stage1[w].gpa, 0x10000 + 5 * 64 + 8 * w);
				assert_int_equal(note.stage1[w].entry,
						 *guest_at(&guest, note.stage1[w].gpa));
				assert_int_equal(note.stage1[w].kind, IOAS_FAULT_ENTRY_STRUCTURE);
			}
			if (!r)
				continue;
			assert_int_equal(record[0], 0x123400005800 | want[i].event);
			assert_int_equal(
				record[1],
				2ull << 40 | (want[i].access & PT_ACCESS_WRITE ? 0 : 1ull << 35) |
					(want[i].access & PT_ACCESS_EXEC ? 1ull << 34 : 0) |
					(want[i].access & PT_ACCESS_PRIV ? 1ull << 33 : 0));
			assert_int_equal(record[2], iova);
			assert_int_equal(record[3], 0);
		}
}

/* What is wrong before any table is told whatever R says, and without an address. */
static void records_of_configuration(void **state)
{
	struct nested_found found;
	struct ioas_fault note;
	uint64_t record[4];

	begin(ste0(0x10000, 0, 0), 0);
	put_cd(0x10000, 0);
	guest_at(&guest, 0x10000)[0] &= ~(CD_R | 1ull << 31);
	guest_look(&guest, NULL, 0x123, PT_ACCESS_READ, &found, &note);
	assert_int_equal(event_of(&note, record), 0x0a);
	assert_int_equal(record[0], 0x12340000000aull);
	assert_int_equal(record[1] | record[2] | record[3], 0);
	/* Beyond the half, and without R: nothing. */
	put_cd(0x10000, 0);
	guest_look(&guest, NULL, 1ull << 40, PT_ACCESS_READ, &found, &note);
	assert_int_equal(event_of(&note, record), 0x10);
	assert_int_equal(record[2], 1ull << 40);
	guest_at(&guest, 0x10000)[0] &= ~CD_R;
	guest_look(&guest, NULL, 1ull << 40, PT_ACCESS_READ, &found, &note);
	assert_int_equal(event_of(&note, record), 0);
}

/* 7.3.7: SubstreamID 0, where descriptor 0 is for requests without one. No field but the stream. */
static void records_of_disabled_streams(void **state)
{
	const pasid_t zero = 0;
	struct nested_found found;
	struct ioas_fault note;
	uint64_t record[4];

	begin(ste0(0x10000, 0, 4), 2);
	put_cd(0x10000, 0);
	assert_int_equal(guest_look(&guest, &zero, 0x123, PT_ACCESS_READ, &found, &note),
			 IOAS_FAULT_DISABLED);
	assert_int_equal(event_of(&note, record), 0x06);
	assert_int_equal(record[0], 0x123400000006ull);
	assert_int_equal(record[1] | record[2] | record[3], 0);
}

/* 7.3.6: whatever is wrong. */
static void no_records_of_translation_requests(void **state)
{
	const pasid_t far = 16;
	struct nested_found found;
	struct ioas_fault note;
	uint64_t record[4];

	begin(ste0(0x10000, 0, 4), 0);
	guest_look(&guest, &far, 0x123, PT_ACCESS_READ, &found, &note);
	assert_int_equal(event_of(&note, record), 0x08);
	assert_int_equal(smmuv3_code(&guest.s1.stage1, &note), 0x08);
	note.tlp.at = IOAS_TLP_TRANSLATION_REQUEST;
	assert_int_equal(event_of(&note, record), 0);
	assert_int_equal(smmuv3_code(&guest.s1.stage1, &note), 0);
}

static int start(void **state)
{
	guest_start(&guest);
	return 0;
}

static int stop(void **state)
{
	guest_stop(&guest);
	return 0;
}

/* Where they go must be there until one is delivered, which may be after all else is gone. */
static void events_hold_where_they_go(void **state)
{
	struct stage1_event event = {.to = NULL};
	struct nested_found found;
	struct ioas_fault note;

	begin(ste0(0x10000, 0, 0), 0);
	guest_look(&guest, NULL, 0, PT_ACCESS_READ, &found, &note);
	smmuv3_event(&guest.s1.stage1, &note, 1, &event);
	assert_null(event.deliver);
	guest.s1.events = (struct obj_events *)&guest;
	smmuv3_event(&guest.s1.stage1, &note, 1, &event);
	assert_ptr_equal(event.to, &guest);
	assert_int_equal(rig_events_held, 1);
	event.deliver(&event);
	assert_int_equal(rig_events_held, 0);
	/* What is no event of its guest's is held by nobody. */
	event = (struct stage1_event){.to = NULL};
	note.reason = IOAS_FAULT_MEMORY;
	note.stage = 2;
	smmuv3_event(&guest.s1.stage1, &note, 1, &event);
	assert_null(event.deliver);
	assert_int_equal(rig_events_held, 0);
	guest.s1.events = NULL;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_traffic_bypass_and_stage_1),
		cmocka_unit_test(default_substreams),
		cmocka_unit_test(tables_of_all_forms_by_the_book),
		cmocka_unit_test(illegal_entries),
		cmocka_unit_test(pointers_out_of_the_guest),
		cmocka_unit_test(loops_end),
		cmocka_unit_test(records_of_faults),
		cmocka_unit_test(records_of_configuration),
		cmocka_unit_test(records_of_disabled_streams),
		cmocka_unit_test(no_records_of_translation_requests),
		cmocka_unit_test(events_hold_where_they_go),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
