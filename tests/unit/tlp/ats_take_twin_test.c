/* SPDX-License-Identifier: MIT */
/*
 * Description: what is taken back of a device with several PASIDs on several page tables, against
 * arrays: whom it is asked for, in which order and of which range, what it holds afterwards, and
 * what is said of the rest. And how long it has for its answer.
 *
 * The linker puts the clock and the wait into the test's hands (see meson.build).
 */
#include <time.h>
#include "pt/pt.h"
#include "space/space.h"
#include "tests/unit/rnd.h"
#include "tlp/ats.h"

/* After those, whose arguments have the names of its variables. */
#include "tests/unit/tlp/ats_rig.h"

#define FORMS  6u /* the first without a PASID */
#define TABLES 3u
#define PAGES  24u
#define STEPS  20000u

/* Small numbers from a generator that is the same everywhere. */
static unsigned below(unsigned n)
{
	static uint64_t x = 88172645463325252;

	return (unsigned)(rnd_next(&x) >> 20) % n;
}

/* ---- the clock and the wait; real unless a test sets them ---- */

static struct timespec fake_now, deadline;
static unsigned waits;
static bool fake, answers;

int __real_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);
int __real_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *until);

int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
	if (!fake)
		return __real_clock_gettime(clock, out);
	*out = fake_now;
	return 0;
}

/* Woken for nothing, then at the end of the time, when the answer may have come. */
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *until)
{
	if (!fake)
		return __real_pthread_cond_timedwait(cond, lock, until);
	deadline = *until;
	if (++waits % 3)
		return 0;
	if (answers) {
		pthread_mutex_unlock(lock);
		ioas_ats_done(dev, side.last.tag);
		pthread_mutex_lock(lock);
	}
	return ETIMEDOUT;
}

/* ---- the twin ---- */

static const pasid_t pasids[FORMS] = {0, 1, 2, 5, 0x8000, 0xfffff};
static struct pt *tables[TABLES];
static pa_t pa_of[PAGES];

static struct form {
	struct pt *pt;	/* NULL: not attached */
	uint64_t began; /* when it got the first of what it holds */
	unsigned ops[PAGES];
} forms[FORMS];

static struct ioas_ats_invalidation expected[FORMS], asked[FORMS];
static unsigned expected_nr, asked_nr;
static uint64_t clock_of_uses, tag, faults;

/* What went, of each page the newest. */
static struct {
	uint64_t nr; /* 0: it never was */
	uint16_t cause;
} gone[PAGES];
static uint64_t gone_nr;

static bool invalidate(void *arg, const struct ioas_ats_invalidation *what)
{
	assert_true(asked_nr < FORMS);
	asked[asked_nr++] = *what;
	return true;
}

static const struct ioas_ats_ops twin_ops = {.invalidate = invalidate};

static iova_t address(unsigned page)
{
	return BASE + page * PAGE;
}

/* The later ones are asked for seldom, so that they are forgotten. */
static unsigned some_page(void)
{
	return below(40) ? below(PAGES - 8) : PAGES - 8 + below(8);
}

static unsigned holds(const struct form *f)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < PAGES; i++)
		nr += f->ops[i] != 0;
	return nr;
}

static void hand_out(void)
{
	unsigned n = below(FORMS), page = some_page(), op = below(2) ? IOAS_TLP_WRITE : 0;
	struct ioas_tlp tlp = {.addr = address(page) + below(PAGE - 8),
			       .len = 8,
			       .flags = n ? IOAS_TLP_PASID : 0,
			       .pasid = pasids[n],
			       .op = (uint8_t)op};
	struct ioas_ats_translation found;
	struct form *f = &forms[n];

	if (!f->pt)
		return;
	assert_int_equal(ioas_ats_translate(issuer, &tlp, &found, 1), 1);
	assert_int_equal(found.first, address(page));
	assert_int_equal(found.len, PAGE);
	assert_true(!pa_of[page] || pa_of[page] == found.addr);
	pa_of[page] = found.addr;
	if (!holds(f))
		f->began = ++clock_of_uses;
	f->ops[page] |= 1u << IOAS_TLP_READ | 1u << op;
}

static void take_of(struct form *f, iova_t first, iova_t last, bool writes, uint16_t cause)
{
	unsigned n = (unsigned)(f - forms);
	struct ioas_ats_invalidation what = {
		.has_pasid = n != 0, .pasid = pasids[n], .first = UINT64_MAX};

	for (unsigned i = 0; i < PAGES; i++) {
		if (!f->ops[i] || address(i) > last || address(i) + PAGE - 1 < first ||
		    (writes && !(f->ops[i] >> IOAS_TLP_WRITE & 1)))
			continue;
		what.first = what.first < address(i) ? what.first : address(i);
		what.last = address(i) + PAGE - 1;
		f->ops[i] = 0;
		gone[i].nr = ++gone_nr;
		gone[i].cause = cause;
	}
	if (what.last) {
		what.tag = ++tag;
		expected[expected_nr++] = what;
	}
}

static void take_back(void)
{
	const struct pt *pt = tables[below(TABLES)];
	iova_t first = BASE - PAGE + below((PAGES + 2) * PAGE), last = first + below(12 * PAGE);
	bool writes = !below(3);
	uint16_t cause = below(2) ? IOAS_ATS_BY_UNMAP : IOAS_ATS_BY_DIRTY;
	uint64_t done = 0;

	for (;;) {
		struct form *next = NULL;

		for (unsigned n = 0; n < FORMS; n++)
			if (forms[n].pt == pt && holds(&forms[n]) && forms[n].began > done &&
			    (!next || forms[n].began < next->began))
				next = &forms[n];
		if (!next)
			break;
		done = next->began;
		take_of(next, first, last, writes, cause);
	}
	ats_take_back(iommu, pt, first, last, writes, cause);
}

static void attach_or_detach(void)
{
	unsigned n = 1 + below(FORMS - 1);
	struct form *f = &forms[n];
	struct pt *pt = tables[below(TABLES)];

	if (!f->pt) {
		assert_int_equal(route_attach(dev, &pasids[n], pt, NULL), 0);
		f->pt = pt;
	} else if (below(2)) {
		take_of(f, 0, UINT64_MAX, false, IOAS_ATS_BY_DETACH);
		route_detach(dev, &pasids[n]);
		f->pt = NULL;
	} else if (f->pt != pt) {
		take_of(f, 0, UINT64_MAX, false, IOAS_ATS_BY_REPLACE);
		assert_int_equal(route_attach(dev, &pasids[n], pt, NULL), 0);
		f->pt = pt;
	}
}

/* By any form that holds it; else the record says when it went, if that is not long ago. */
static void touch(void)
{
	unsigned page = some_page(), op = below(2) ? IOAS_TLP_WRITE : IOAS_TLP_READ, ops = 0;
	struct ioas_fault fault;
	char byte = 'x';
	bool known = gone[page].nr && gone_nr - gone[page].nr < ATS_GONE_NR;

	if (!pa_of[page])
		return;
	for (unsigned n = 0; n < FORMS; n++)
		ops |= forms[n].ops[page];
	if (ops >> op & 1) {
		assert_int_equal(rig_touch(pa_of[page] + below(PAGE), op, &byte), 0);
		return;
	}
	assert_int_equal(rig_touch(pa_of[page] + below(PAGE), op, &byte), -EFAULT);
	fault = rig_fault(++faults);
	assert_int_equal(fault.reason, IOAS_FAULT_NOT_HELD);
	assert_int_equal(fault.taken_by, known ? gone[page].cause : IOAS_ATS_BY_NOTHING);
	assert_int_equal(fault.taken.first, known ? address(page) : 0);
	assert_int_equal(fault.taken.last, known ? address(page) + PAGE - 1 : 0);
}

static void same_tables(void)
{
	unsigned nr = 0;

	for (unsigned t = 0; t < TABLES; t++) {
		bool any = false;

		for (unsigned n = 0; n < FORMS; n++)
			any |= forms[n].pt == tables[t] && holds(&forms[n]);
		nr += any;
	}
	assert_int_equal(atomic_load(&iommu->ats.nr), nr);
}

static void begin_twin(char *memory)
{
	const struct pt_config config = {.format = PT_AMDV1, .aw = 48, .max_leaf_lg2 = 12};

	ioas_ats_close(dev);
	assert_int_equal(ioas_ats_open(dev, &twin_ops, NULL), 0);
	for (unsigned t = 0; t < TABLES; t++) {
		assert_int_equal(pt_new(&config, &tables[t]), 0);
		assert_int_equal(space_domain_attach(space, tables[t], NULL), 0);
	}
	for (unsigned i = 0; i < PAGES; i++) {
		iova_t iova = address(i);

		assert_int_equal(ioas_space_map(space, NULL, &iova,
						(uintptr_t)memory + 2 * i * PAGE, PAGE,
						RW | IOAS_MAP_FIXED, NULL),
				 0);
	}
	assert_int_equal(route_attach(dev, NULL, tables[0], NULL), 0);
	forms[0].pt = tables[0];
}

static void what_is_taken_back_is_what_arrays_say(void **state)
{
	char *memory = mmap(NULL, 2 * PAGES * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	rig_start(NULL);
	begin_twin(memory);
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned what = below(32);

		expected_nr = asked_nr = 0;
		if (what < 14)
			hand_out();
		else if (what < 18)
			take_back();
		else if (what < 20)
			attach_or_detach();
		else
			touch();
		assert_int_equal(asked_nr, expected_nr);
		for (unsigned i = 0; i < asked_nr; i++) {
			assert_int_equal(asked[i].has_pasid, expected[i].has_pasid);
			assert_int_equal(asked[i].pasid, expected[i].pasid);
			assert_int_equal(asked[i].first, expected[i].first);
			assert_int_equal(asked[i].last, expected[i].last);
			assert_int_equal(asked[i].tag, expected[i].tag);
		}
		same_tables();
	}
	for (unsigned n = 1; n < FORMS; n++)
		if (forms[n].pt)
			route_detach(dev, &pasids[n]);
	route_detach(dev, NULL);
	assert_int_equal(atomic_load(&iommu->ats.nr), 0);
	for (unsigned t = 0; t < TABLES; t++) {
		space_domain_detach(space, tables[t]);
		pt_destroy(tables[t]);
	}
	rig_stop();
	munmap(memory, 2 * PAGES * PAGE);
}

static void a_device_has_as_long_as_is_set(void **state)
{
	static const struct {
		unsigned ms;
		struct timespec now, until;
	} all[] = {
		{1, {5, 0}, {5, 1000000}},
		{999, {5, 999999}, {5, 999999999}},
		{999, {5, 1000000}, {6, 0}},
		{1000, {5, 999999999}, {6, 999999999}},
		{2500, {7, 600000000}, {10, 100000000}},
		{0, {5, 3}, {65, 3}},
	};

	for (size_t i = 0; i < 2 * sizeof(all) / sizeof(all[0]); i++) {
		const struct ioas_iommu_config config = {.ats_timeout_ms = all[i / 2].ms};
		struct ioas_tlp tlp = {.addr = BASE, .len = 1};
		struct ioas_ats_translation found;
		char *memory;

		rig_start(&config);
		memory = rig_map(space, BASE, PAGE, RW);
		tlp.flags = i / 2 % 2 ? IOAS_TLP_PASID : 0;
		tlp.pasid = i / 2 % 2 ? 5 : 0;
		assert_int_equal(ioas_device_attach(dev, space, NULL), 0);
		assert_int_equal(ioas_device_attach_pasid(dev, 5, space, NULL), 0);
		assert_int_equal(ioas_ats_translate(issuer, &tlp, &found, 1), 1);
		side.answer = NEVER;
		fake_now = all[i / 2].now;
		answers = i % 2;
		waits = 0;
		fake = true;
		assert_int_equal(ioas_space_unmap(space, BASE, BASE + PAGE - 1, NULL, NULL), 0);
		fake = false;
		assert_int_equal(waits, 3);
		assert_int_equal(deadline.tv_sec, all[i / 2].until.tv_sec);
		assert_int_equal(deadline.tv_nsec, all[i / 2].until.tv_nsec);
		/* An answer that comes with the end of the time counts. */
		assert_int_equal(ioas_ats_enabled(dev), answers);
		assert_int_equal(ioas_device_counters(dev)->faults, !answers);
		if (!answers) {
			struct ioas_fault fault = rig_fault(1);

			assert_int_equal(fault.reason, IOAS_FAULT_ATS_TIMEOUT);
			assert_int_equal(fault.tlp.addr, BASE);
			assert_int_equal(fault.tlp.len, PAGE);
			assert_int_equal(fault.tlp.flags, tlp.flags);
			assert_int_equal(fault.tlp.pasid, tlp.pasid);
			assert_int_equal(fault.tlp.at, IOAS_TLP_TRANSLATED);
			assert_int_equal(fault.taken.first, BASE);
			assert_int_equal(fault.taken.last, BASE + PAGE - 1);
			assert_int_equal(fault.taken_by, IOAS_ATS_BY_UNMAP);
		}
		ioas_device_detach_pasid(dev, 5);
		rig_stop();
		munmap(memory, PAGE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_taken_back_is_what_arrays_say),
		cmocka_unit_test(a_device_has_as_long_as_is_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
