/* SPDX-License-Identifier: MIT */
/*
 * Description: random operations on a space and on a brute-force twin of it, which keeps plain
 * arrays and scans them: every answer, every chosen address and every translation must agree.
 */
#include "rig.h"
#include "tests/unit/rnd.h"

#define MAX_AREAS  400
#define MAX_RANGES 40

struct twin_area {
	iova_t first, last;
	uint64_t va;
	uint32_t prot;
	bool writable;
};

struct twin {
	struct rig *rig;
	uint64_t unit; /* what addresses are multiples of: 4096, or 1 in a space without a table */
	uint64_t span; /* IOVAs in use */
	struct twin_area area[MAX_AREAS];
	unsigned area_nr;
	struct ioas_range reserved[MAX_RANGES];
	int owner[MAX_RANGES];
	unsigned reserved_nr;
	struct ioas_range allowed[MAX_RANGES];
	unsigned allowed_nr;
	struct pt *pt[2];
	unsigned pt_nr;
};

static int owners[4];
static uint64_t seed;

static uint64_t rnd(uint64_t below)
{
	return rnd_next(&seed) % below;
}

/* A random multiple of `unit`, small ones as likely as large ones. */
static uint64_t rnd_len(const struct twin *twin, uint64_t max)
{
	uint64_t units = max / twin->unit;
	unsigned lg2 = 63 - (unsigned)__builtin_clzll(units);
	uint64_t len = 1 + rnd(1ull << rnd(lg2 + 1));

	return (len < units ? len : units) * twin->unit;
}

static uint64_t rnd_at(const struct twin *twin, uint64_t start, uint64_t len)
{
	uint64_t align = twin->unit << rnd(10);

	return start + (rnd(len) & ~(align - 1));
}

static bool meets(const struct ioas_range *r, iova_t first, iova_t last)
{
	return r->first <= last && r->last >= first;
}

static struct twin_area *area_in(struct twin *twin, iova_t first, iova_t last)
{
	struct twin_area *lowest = NULL;

	for (unsigned i = 0; i < twin->area_nr; i++) {
		struct twin_area *a = &twin->area[i];

		if (a->first <= last && a->last >= first && (!lowest || a->first < lowest->first))
			lowest = a;
	}
	return lowest;
}

static bool reserved_in(const struct twin *twin, iova_t first, iova_t last)
{
	for (unsigned i = 0; i < twin->reserved_nr; i++)
		if (meets(&twin->reserved[i], first, last))
			return true;
	return false;
}

/* The end of what covers `at`, or at - 1 when it is free. */
static iova_t covered_to(struct twin *twin, iova_t at)
{
	struct twin_area *a = area_in(twin, at, at);

	if (a)
		return a->last;
	for (unsigned i = 0; i < twin->reserved_nr; i++)
		if (meets(&twin->reserved[i], at, at))
			return twin->reserved[i].last;
	return at - 1;
}

static iova_t free_to(struct twin *twin, iova_t at, iova_t last)
{
	struct twin_area *a = area_in(twin, at, last);

	if (a)
		last = a->first - 1;
	for (unsigned i = 0; i < twin->reserved_nr; i++)
		if (meets(&twin->reserved[i], at, last))
			last = twin->reserved[i].first - 1;
	return last;
}

static bool place(uint64_t align, uint64_t offset, uint64_t len, iova_t first, iova_t last,
		  iova_t *out)
{
	iova_t start = ((first + align - 1) & -align) | offset;

	*out = start;
	return start < last && last - start >= len - 1;
}

/* The kernel's search, hole by hole. */
static bool choose_in(struct twin *twin, uint64_t align, uint64_t offset, uint64_t len, iova_t at,
		      iova_t last, iova_t *out)
{
	if (!place(align, offset, len, at, last, &at))
		return false;
	while (at <= last) {
		iova_t end = covered_to(twin, at);

		if (end != at - 1) {
			if (end >= last)
				return false;
			at = end + 1;
			continue;
		}
		end = free_to(twin, at, last);
		if (place(align, offset, len, at, end, out))
			return true;
		if (end >= last)
			return false;
		at = end + 1;
	}
	return false;
}

static int twin_choose(struct twin *twin, uint64_t va, uint64_t len, iova_t *out)
{
	uint64_t align = 1, offset = va % PAGE;

	while (align < len)
		align *= 2;
	while (align > 1 && (va % align || align > 2 << 20))
		align /= 2;
	if (twin->pt_nr && align < PAGE)
		return -EINVAL;
	if (!twin->allowed_nr)
		return choose_in(twin, align, offset, len, 4096, UINT64_MAX - 4096, out) ? 0
											 : -ENOSPC;
	for (iova_t from = 4096;;) {
		iova_t first = UINT64_MAX, last = 0;

		/* The next allowed range, joined with those that follow without a hole. */
		for (unsigned i = 0; i < twin->allowed_nr; i++)
			if (twin->allowed[i].last >= from && twin->allowed[i].first < first) {
				first = twin->allowed[i].first;
				last = twin->allowed[i].last;
			}
		if (first == UINT64_MAX)
			return -ENOSPC;
		for (unsigned i = 0; i < twin->allowed_nr; i++)
			if (twin->allowed[i].first == last + 1) {
				last = twin->allowed[i].last;
				i = -1u;
			}
		if (choose_in(twin, align, offset, len, first > from ? first : from, last, out))
			return 0;
		from = last + 1;
	}
}

static int twin_check(struct twin *twin, iova_t iova, uint64_t len)
{
	if (reserved_in(twin, iova, iova + len - 1))
		return -EINVAL;
	return area_in(twin, iova, iova + len - 1) ? -EEXIST : 0;
}

static void twin_add(struct twin *twin, iova_t iova, uint64_t va, uint64_t len, uint32_t prot,
		     bool writable)
{
	assert_true(twin->area_nr < MAX_AREAS);
	twin->area[twin->area_nr++] = (struct twin_area){iova, iova + len - 1, va, prot, writable};
}

static void random_map(struct twin *twin)
{
	uint64_t len = rnd_len(twin, 4 << 20);
	uint64_t va = rnd_at(twin, ARENA, ARENA_LEN);
	uint32_t flags = 1 + (uint32_t)rnd(3);
	iova_t iova = 0, want = 0;
	int rc;

	if (twin->area_nr == MAX_AREAS)
		return;
	if (rnd(2)) {
		want = iova = rnd_at(twin, 0, twin->span);
		flags |= IOAS_MAP_FIXED;
		rc = twin_check(twin, iova, len);
	} else {
		rc = twin_choose(twin, va, len, &want);
	}
	if (!rc && twin->pt_nr &&
	    va + len > (flags & IOAS_MAP_WRITE ? ARENA_RO : ARENA + ARENA_LEN))
		rc = -EFAULT;
	assert_int_equal(
		ioas_space_map(twin->rig->space, &twin->rig->caller, &iova, va, len, flags, NULL),
		rc);
	if (rc)
		return;
	assert_int_equal(iova, want);
	twin_add(twin, iova, va, len, flags & RW, flags & IOAS_MAP_WRITE);
}

/* COPY inside the space, from somewhere in an area on. */
static void random_copy(struct twin *twin)
{
	struct twin_area *from, *a;
	uint64_t len = rnd_len(twin, 1 << 20), done;
	uint32_t flags = 1 + (uint32_t)rnd(3);
	iova_t src, iova = rnd_at(twin, 0, twin->span), at = iova;
	int rc = 0, pieces = 0;

	if (!twin->area_nr)
		return;
	from = &twin->area[rnd(twin->area_nr)];
	src = from->first + rnd((from->last - from->first) / twin->unit + 1) * twin->unit;
	for (done = 0; done < len; done = a->last + 1 - src, pieces++) {
		a = area_in(twin, src + done, src + done);
		if (!a) {
			rc = -ENOENT;
			break;
		}
		if (a->last == UINT64_MAX)
			break;
	}
	if (twin->area_nr + pieces > MAX_AREAS)
		return;
	if (!rc)
		rc = twin_check(twin, iova, len);
	for (done = 0; !rc && done < len; done = a->last + 1 - src) {
		a = area_in(twin, src + done, src + done);
		if ((flags & IOAS_MAP_WRITE) && !a->writable)
			rc = -EPERM;
	}
	assert_int_equal(ioas_space_copy(twin->rig->space, &at, twin->rig->space, src, len,
					 flags | IOAS_MAP_FIXED, NULL),
			 rc);
	for (done = 0; !rc && done < len;) {
		uint64_t part;

		a = area_in(twin, src + done, src + done);
		part = a->last - (src + done) + 1;
		if (part > len - done)
			part = len - done;
		twin_add(twin, iova + done, a->va + (src + done - a->first), part, flags,
			 a->writable);
		done += part;
	}
}

static void random_unmap(struct twin *twin)
{
	struct twin_area *a;
	uint64_t bytes = 0, got;
	iova_t first, last;
	bool cut = false;
	int rc;

	if (!twin->area_nr)
		return;
	a = &twin->area[rnd(twin->area_nr)];
	first = rnd(3) ? a->first : rnd_at(twin, 0, twin->span);
	last = rnd(3) ? a->last : first + rnd_len(twin, 8 << 20) - 1;
	if (last < first)
		return;
	while ((a = area_in(twin, first, last))) {
		cut = a->first < first || a->last > last;
		if (cut)
			break;
		bytes += a->last - a->first + 1;
		*a = twin->area[--twin->area_nr];
	}
	rc = ioas_space_unmap(twin->rig->space, first, last, &got, NULL);
	assert_int_equal(got, bytes);
	assert_int_equal(rc, cut || !bytes ? -ENOENT : 0);
}

static void random_reserve(struct twin *twin)
{
	iova_t first = rnd_at(twin, 0, twin->span), last = first + rnd_len(twin, 1 << 20) - 1;
	unsigned owner = (unsigned)rnd(4), n = 0;
	int rc = area_in(twin, first, last) ? -EADDRINUSE : 0;

	if (rnd(3) == 0 || twin->reserved_nr == MAX_RANGES - 1) {
		space_unreserve(twin->rig->space, &owners[owner]);
		for (unsigned i = 0; i < twin->reserved_nr; i++)
			if (twin->owner[i] != (int)owner) {
				twin->reserved[n] = twin->reserved[i];
				twin->owner[n++] = twin->owner[i];
			}
		twin->reserved_nr = n;
		return;
	}
	for (unsigned i = 0; i < twin->allowed_nr; i++)
		if (meets(&twin->allowed[i], first, last))
			rc = -EADDRINUSE;
	assert_int_equal(space_reserve(twin->rig->space, first, last, &owners[owner], NULL), rc);
	if (rc)
		return;
	twin->owner[twin->reserved_nr] = (int)owner;
	twin->reserved[twin->reserved_nr++] = (struct ioas_range){first, last};
}

static void random_allow(struct twin *twin)
{
	struct ioas_range r[MAX_RANGES] = {0};
	unsigned nr = rnd(3) ? (unsigned)rnd(MAX_RANGES) : 0;
	int rc = 0;

	for (unsigned i = 0; i < nr; i++) {
		r[i].first = rnd_at(twin, 0, twin->span);
		r[i].last = r[i].first + rnd_len(twin, 256 << 10) - 1;
		/* Often right behind another, where that is free. */
		if (i && rnd(2)) {
			r[i].last += r[i - 1].last + 1 - r[i].first;
			r[i].first = r[i - 1].last + 1;
		}
		if (r[i].first >= r[i].last)
			return;
		for (unsigned k = 0; k < i; k++)
			if (meets(&r[k], r[i].first, r[i].last)) {
				nr = i; /* mostly good lists */
				break;
			}
	}
	for (unsigned i = 0; i < nr; i++)
		if (reserved_in(twin, r[i].first, r[i].last))
			rc = -EADDRINUSE;
	assert_int_equal(ioas_space_allow(twin->rig->space, r, nr, NULL), rc);
	if (rc)
		return;
	memcpy(twin->allowed, r, nr * sizeof(r[0]));
	twin->allowed_nr = nr;
}

/* Every table gives for this address what the twin says. */
static void check_translation(struct twin *twin, iova_t iova)
{
	struct twin_area *a = area_in(twin, iova, iova);

	for (unsigned i = 0; i < twin->pt_nr; i++) {
		struct pt_walk walk;
		uint32_t prot = 0;
		pa_t pa;
		uint64_t va = rig_lookup(twin->rig, twin->pt[i], iova, &prot);

		assert_int_equal(va, a ? a->va + (iova - a->first) : 0);
		assert_int_equal(ioas_space_iova_to_phys(twin->rig->space, iova, &pa),
				 a ? 0 : -ENOENT);
		if (a) {
			assert_int_equal(pt_walk(twin->pt[i], iova, &walk), 0);
			assert_int_equal(walk.pa, pa);
		}
		assert_int_equal(prot, a ? a->prot : 0);
	}
}

static void check(struct twin *twin)
{
	struct space_area_info info;
	iova_t iova = rnd(twin->span);
	struct twin_area *a = area_in(twin, iova, UINT64_MAX);

	assert_int_equal(space_area_nr(twin->rig->space), twin->area_nr);
	assert_int_equal(space_area_at_or_after(twin->rig->space, iova, &info), a ? 0 : -ENOENT);
	if (a)
		assert_true(info.range.first == a->first && info.range.last == a->last &&
			    info.prot == a->prot);
	for (unsigned i = 0; i < 4; i++)
		check_translation(twin, rnd(twin->span));
	if (twin->area_nr) {
		a = &twin->area[rnd(twin->area_nr)];
		check_translation(twin, a->first);
		check_translation(twin, a->last);
	}
}

static void add_table(struct twin *twin)
{
	struct pt *pt = rig_pt(48);

	assert_int_equal(space_domain_attach(twin->rig->space, pt, NULL), 0);
	twin->pt[twin->pt_nr++] = pt;
	if (twin->pt_nr > 1)
		return;
	twin->owner[twin->reserved_nr] = -1;
	twin->reserved[twin->reserved_nr++] = (struct ioas_range){1ull << 48, UINT64_MAX};
}

static void run(struct rig *rig, uint64_t unit, unsigned tables, uint64_t span, unsigned rounds)
{
	struct twin *twin = calloc(1, sizeof(*twin));

	*twin = (struct twin){.rig = rig, .unit = unit, .span = span};
	for (unsigned i = 0; i < tables; i++)
		add_table(twin);
	for (unsigned n = 0; n < rounds; n++) {
		unsigned what = (unsigned)rnd(100);

		if (what < 45)
			random_map(twin);
		else if (what < 85 || twin->area_nr > MAX_AREAS - 10)
			random_unmap(twin);
		else if (what < 92)
			random_copy(twin);
		else if (what < 96)
			random_reserve(twin);
		else
			random_allow(twin);
		check(twin);
	}
	while (twin->pt_nr) {
		struct pt *pt = twin->pt[--twin->pt_nr];
		struct pt_stats stats;

		space_domain_detach(rig->space, pt);
		pt_stats(pt, &stats);
		assert_int_equal(stats.leaves, 0);
		pt_destroy(pt);
	}
	assert_int_equal(rig->pins, 0);
	free(twin);
}

static void agrees_with_two_tables(void **state)
{
	seed = 88172645463325252ull;
	run(*state, PAGE, 2, 64 << 20, 20000);
}

static void agrees_when_crowded(void **state)
{
	seed = 1234567;
	run(*state, PAGE, 1, 4 << 20, 20000);
}

static void agrees_byte_by_byte_without_a_table(void **state)
{
	seed = 987654321;
	run(*state, 1, 0, 1 << 20, 20000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(agrees_with_two_tables),
		TEST(agrees_when_crowded),
		TEST(agrees_byte_by_byte_without_a_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
