/* SPDX-License-Identifier: MIT */
/*
 * Description: --check-dirty against arrays: writes of two devices to pages of several tables,
 * readings of parts at a time, unmapping, tracking that goes off and on, and no memory now and
 * then. Who reports what with which times, and what is counted, has to be the same.
 *
 * The linker puts the clock and the allocator into the test's hands (see meson.build).
 */
#include <time.h>
#include <ioas/run.h>
#include "pt/pt.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/rnd.h"
#include "tests/unit/tlp/rig.h"
#include "tlp/check_dirty.h"

#define IOVA	 0x40000000ul
#define TABLES	 5u
#define NR	 12u /* pages */
#define READINGS 3u
#define STEPS	 200000u

static unsigned countdown;

static bool should_fail(void)
{
	return countdown && !--countdown;
}

static uint64_t clock_ns = 1700000000999999000;

int __wrap_clock_gettime(clockid_t clock, struct timespec *out);

int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
	clock_ns += 7;
	out->tv_sec = (time_t)(clock_ns / 1000000000);
	out->tv_nsec = (long)(clock_ns % 1000000000);
	return 0;
}

static struct ioas_run_check_dirty counts;

static void *counters(void *host, const char *name, size_t len)
{
	static _Alignas(64) char rest[1 << 16];
	static size_t used;
	void *block = rest + used;

	if (!strcmp(name, IOAS_RUN_CHECK_DIRTY))
		return &counts;
	used += (len + 63) & ~63ul;
	return used <= sizeof(rest) ? block : NULL;
}

/* Small numbers from a generator that is the same everywhere. */
static unsigned below(unsigned n)
{
	static uint64_t x = 88172645463325252;

	return (unsigned)(rnd_next(&x) >> 20) % n;
}

/* ---- the twin ---- */

struct written {
	bool there;
	uint64_t seq, time, last_seq, last_time, generation, told;
	unsigned dev;
};

static struct twin {
	struct pt *pt;
	bool on;
	uint64_t since, len; /* of a page */
	struct written page[NR];
} twins[TABLES];

static struct {
	bool open;
	struct twin *of;
	struct check_reading real;
	uint64_t nr, begun;
} readings[READINGS];

static struct rig rig;
static struct check_dirty *check;
static struct ioas_device *devs[2];
static uint64_t now = 100, seq, nr_of_readings, seen;
static struct ioas_run_check_dirty expected;

static iova_t address(const struct twin *t, unsigned page)
{
	return IOVA + page * t->len;
}

static void track(struct twin *t)
{
	bool fails = !below(4);

	now++;
	memset(t->page, 0, sizeof(t->page));
	t->on = below(4);
	t->since = now;
	pt_dirty_track(t->pt, t->on || below(2));
	countdown = fails;
	check_dirty_track(check, t->pt, t->on, now);
	if (fails && t->on) {
		t->on = false;
		expected.unseen++;
	}
	countdown = 0;
	now += below(2);
}

static void note(struct twin *t, unsigned page, unsigned dev, uint64_t generation, uint64_t time)
{
	struct written *w = &t->page[page];

	if (!w->there)
		*w = (struct written){.there = true, .seq = seq, .time = time, .dev = dev};
	w->last_seq = seq;
	w->last_time = time;
	w->generation = generation > w->generation ? generation : w->generation;
}

static void wrote(struct twin *t)
{
	unsigned dev = below(2), fail_at = below(6);
	iova_t addr = IOVA + below((unsigned)(NR * t->len));
	uint64_t most = address(t, NR) - addr, len = 1 + below(3 * (unsigned)t->len);
	uint64_t generation = now + 2 - below(4);
	unsigned news = 0;

	if (below(3) == 0)
		addr &= ~(t->len - 1);
	if (below(3) == 0)
		len = (len + t->len - 1) & ~(t->len - 1);
	len = len > most ? most : len;
	countdown = fail_at;
	check_dirty_wrote(check, devs[dev], t->pt, addr, len, generation);
	countdown = 0;
	if (!pt_dirty_tracked(t->pt) || !t->on || generation <= t->since)
		return;
	seq++;
	for (unsigned page = 0; page < NR; page++) {
		if (address(t, page) + t->len <= addr || address(t, page) >= addr + len)
			continue;
		if (!t->page[page].there && ++news == fail_at)
			expected.unseen++;
		else
			note(t, page, dev, generation, clock_ns);
	}
}

static void range(const struct twin *t, unsigned *a, unsigned *b, iova_t *first, iova_t *last)
{
	*a = below(NR);
	*b = *a + below(NR - *a);
	*first = address(t, *a);
	*last = address(t, *b) + (below(2) ? t->len - 1 : 0);
	/* From the middle of a page on it is not the page's. */
	if (*a && below(4) == 0)
		*first -= 1 + below((unsigned)t->len - 1);
}

static void forget(struct twin *t)
{
	iova_t first, last;
	unsigned a, b;

	range(t, &a, &b, &first, &last);
	check_dirty_forget(check, t->pt, first, last);
	for (; a <= b; a++)
		t->page[a].there = false;
}

static void begin_or_tell(struct twin *t, unsigned r)
{
	iova_t first, last;
	unsigned a, b;

	if (!readings[r].open) {
		readings[r].open = true;
		readings[r].of = t;
		readings[r].nr = ++nr_of_readings;
		readings[r].begun = seq;
		check_dirty_begin(check, &readings[r].real);
		return;
	}
	t = readings[r].of;
	range(t, &a, &b, &first, &last);
	check_dirty_told(check, &readings[r].real, t->pt, first, last);
	for (; a <= b; a++)
		t->page[a].told = readings[r].nr;
}

static void same_record(const struct twin *t, unsigned page, const struct written *w)
{
	struct ioas_fault fault;

	assert_int_equal(ioas_fault_read(rig.iommu, &seen, &fault, 1), 1);
	assert_int_equal(fault.reason, IOAS_PASSED_UNTOLD);
	assert_int_equal(fault.addr, address(t, page));
	assert_int_equal(fault.tlp.addr, address(t, page));
	assert_int_equal(fault.tlp.len, t->len);
	assert_int_equal(fault.tlp.op, IOAS_TLP_WRITE);
	assert_int_equal(fault.time_ns, w->time);
	assert_string_equal(fault.device, w->dev ? "smmu-client" : "0000:01:00.0");
	assert_int_equal(fault.id, w->dev ? 0x12345 : 0x100);
	assert_int_equal(fault.stream, w->dev);
	assert_int_equal(fault.ioas_id, 20 + t - twins);
	assert_int_equal(fault.hwpt_id, 40 + t - twins);
}

static void end(unsigned r)
{
	struct twin *t = readings[r].of;
	uint64_t turned = below(2) ? now : 0;
	iova_t first, last;
	unsigned a, b;
	bool spoilt;

	if (!readings[r].open)
		return;
	readings[r].open = false;
	range(t, &a, &b, &first, &last);
	readings[r].real.spoilt = !below(6);
	check_dirty_end(check, &readings[r].real, t->pt, first, last, turned);
	if (turned)
		now += below(2);
	/* A spoilt one misses nothing; what it told of is told. */
	spoilt = readings[r].real.spoilt;
	expected.bitmaps += !spoilt;
	for (; a <= b; a++) {
		struct written *w = &t->page[a];
		bool told = w->told == readings[r].nr, had_to = w->seq <= readings[r].begun;

		if (!w->there)
			continue;
		had_to &= !spoilt;
		expected.pages += !spoilt && (told || had_to);
		if (!told && had_to) {
			same_record(t, a, w);
			expected.missing++;
			w->there = false;
		} else if (told && turned && w->generation <= turned) {
			w->there = false;
		} else if (told && turned) {
			w->seq = w->last_seq;
			w->time = w->last_time;
		}
	}
	assert_int_equal(ioas_fault_read(rig.iommu, &seen, &(struct ioas_fault){0}, 1), 0);
}

static void what_is_missing_is_what_arrays_miss(void **state)
{
	static const enum pt_format formats[TABLES] = {PT_AMDV1, PT_ARM_LPAE_S1_64K, PT_AMDV1,
						       PT_VTD_SS, PT_AMDV1};
	static const struct ioas_host_ops ops = {.counters = counters};

	rig_start(&rig, &(struct ioas_iommu_config){.check_dirty = true, .host_ops = &ops});
	check = rig.iommu->check_dirty;
	devs[0] = rig.dev;
	assert_int_equal(ioas_stream_new(rig.iommu, "smmu-client", 0x12345, &devs[1]), 0);
	for (unsigned i = 0; i < TABLES; i++) {
		const struct pt_config config = {.format = formats[i], .aw = 48, .dirty = true};

		assert_int_equal(pt_new(&config, &twins[i].pt), 0);
		pt_label(twins[i].pt, 20 + i, 40 + i);
		twins[i].len = 1ul << pt_page_lg2(twins[i].pt);
	}
	for (unsigned i = 0; i < STEPS; i++) {
		struct twin *t = &twins[below(TABLES)];
		unsigned what = below(96);

		if (what == 0)
			track(t);
		else if (what < 4)
			forget(t);
		else if (what < 42)
			wrote(t);
		else if (what < 78)
			begin_or_tell(t, below(READINGS));
		else
			end(below(READINGS));
		now += !below(16);
		assert_memory_equal(&counts, &expected, sizeof(counts));
	}
	assert_true(counts.missing > 200 && counts.unseen > 200);
	/* What is still on record goes with the instance. */
	for (unsigned i = 0; i < TABLES; i++)
		pt_destroy(twins[i].pt);
	ioas_stream_destroy(devs[1]);
	rig_stop(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_missing_is_what_arrays_miss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
