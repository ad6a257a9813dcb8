/* SPDX-License-Identifier: MIT */
/*
 * Description: each call of an access, and each call that meets one, is repeated with the first,
 * second, ... point failing that can fail, until none is left: a failure is -ENOMEM or -EFAULT and
 * changes nothing, and what cannot fail does not.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include <ioas/access.h>
#include <ioas/door.h>
#include "space/access.h"
#include "util/inject.h"

#define PAGE  4096ull
#define PAGES 16 /* of memory */
#define BASE  0x100000ull
#define FILES (BASE + 4 * PAGE) /* where the file is mapped */
#define LAST  (BASE + 12 * PAGE - 1)
#define RW    (IOAS_MAP_READ | IOAS_MAP_WRITE | IOAS_MAP_FIXED)

/* Memory, a file and memory again, one after the other. */
struct rig {
	struct ioas_caller caller; /* first; counts */
	struct ioas_iommu *iommu;
	struct ioas_space *space;
	struct ioas_access *access;
	struct ioas_access_pin *pin, *other; /* until the program unmaps what they pin */
	struct ioas_access *made;
	struct ioas_access_loan loan;
	struct pt *pt; /* attached, or NULL */
	struct mem_file *file;
	char *mem;
	uint64_t held; /* bytes that the caller has pinned */
	unsigned calls;
	bool greedy; /* pins elsewhere when it is to let go */
};

static int count_pin(struct ioas_caller *caller, uint64_t va, uint64_t len, bool write, void **host)
{
	int rc = mem_self_caller()->ops->pin(mem_self_caller(), va, len, write, host);

	if (!rc)
		((struct rig *)caller)->held += len;
	return rc;
}

static void count_unpin(struct ioas_caller *caller, uint64_t va, uint64_t len, void *host)
{
	assert_true(((struct rig *)caller)->held >= len);
	((struct rig *)caller)->held -= len;
}

/* Where it is without asking, for those who are told what becomes of it. */
static void *host_of(struct ioas_caller *caller, uint64_t va)
{
	return (void *)(uintptr_t)va;
}

static void let_go(struct ioas_access_pin **pin)
{
	ioas_access_unpin(*pin);
	*pin = NULL;
}

static void told(void *arg, iova_t first, iova_t last)
{
	struct rig *rig = arg;
	struct ioas_access_pin *more;

	rig->calls++;
	if (rig->greedy && !ioas_access_pin(rig->access, LAST + 1 - PAGE, PAGE, 0, &more, NULL))
		ioas_access_unpin(more);
	let_go(&rig->pin);
	let_go(&rig->other);
}

static const struct ioas_access_ops ops = {.unmap = told};

static void map_all(struct rig *rig)
{
	iova_t iova = BASE;

	assert_int_equal(ioas_space_map(rig->space, &rig->caller, &iova, (uintptr_t)rig->mem,
					4 * PAGE, RW, NULL),
			 0);
	iova = FILES;
	assert_int_equal(space_map_file(rig->space, &rig->caller, rig->file, &iova, PAGE, 4 * PAGE,
					RW, NULL),
			 0);
	iova = FILES + 4 * PAGE;
	assert_int_equal(ioas_space_map(rig->space, &rig->caller, &iova,
					(uintptr_t)rig->mem + 8 * PAGE, 4 * PAGE, RW, NULL),
			 0);
}

static int setup(void **state)
{
	static struct ioas_caller_ops counting;
	struct rig *rig = calloc(1, sizeof(*rig));
	int fd = memfd_create("test", MFD_CLOEXEC);

	counting = *mem_self_caller()->ops;
	counting.pin = count_pin;
	counting.unpin = count_unpin;
	counting.host = host_of;
	rig->caller.ops = &counting;
	assert_int_equal(ioas_iommu_new(NULL, &rig->iommu), 0);
	assert_int_equal(ioas_space_new(rig->iommu, &rig->space), 0);
	assert_int_equal(space_set_huge_pages(rig->space, false, NULL), 0);
	assert_int_equal(ioas_access_new(rig->iommu, &ops, rig, IOAS_ACCESS_PINS, &rig->access), 0);
	assert_int_equal(ioas_access_attach(rig->access, rig->space, NULL), 0);
	assert_int_equal(ftruncate(fd, PAGES * PAGE), 0);
	assert_int_equal(mem_file_open(rig->iommu->files, fd, &rig->file), 0);
	rig->mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);
	map_all(rig);
	*state = rig;
	return 0;
}

static void domain(struct rig *rig)
{
	struct pt_config config = {.format = PT_AMDV1, .aw = 40};

	assert_int_equal(pt_new(&config, &rig->pt), 0);
	assert_int_equal(space_domain_attach(rig->space, rig->pt, NULL), 0);
}

static uint64_t pinned(struct rig *rig)
{
	uint64_t pinned, locked;

	ioas_account_read(rig->iommu, getpid(), &pinned, &locked);
	return pinned;
}

/* Nothing is left of anything. */
static int teardown(void **state)
{
	struct rig *rig = *state;

	let_go(&rig->pin);
	let_go(&rig->other);
	ioas_access_loan_fini(&rig->loan);
	ioas_access_destroy(rig->access);
	if (rig->pt) {
		space_domain_detach(rig->space, rig->pt);
		pt_destroy(rig->pt);
	}
	assert_int_equal(rig->held, 0);
	assert_int_equal(pinned(rig), 0);
	ioas_space_put(rig->space);
	mem_file_put(rig->file);
	munmap(rig->mem, PAGES * PAGE);
	ioas_iommu_destroy(rig->iommu);
	free(rig);
	return 0;
}

/* What must not change when a call fails. */
struct picture {
	uint64_t held, pinned, areas, parts, pins, accesses, leaves, tables;
	uint64_t at, leaving, spans;
};

static struct picture take(struct rig *rig)
{
	struct picture picture = {.held = rig->held,
				  .pinned = pinned(rig),
				  .areas = space_area_nr(rig->space),
				  .at = (uintptr_t)rig->access->space,
				  .leaving = rig->access->leaving,
				  .spans = rig->loan.hold_nr + rig->loan.iov_nr};
	struct space_area *area = areas_find(&rig->space->areas, 0);
	struct pt_stats stats = {0};

	for (; area; area = areas_next(&rig->space->areas, area)) {
		picture.parts += area->accesses + area->busy + area->closing;
		picture.pinned += pages_pinned(area_pages(area));
	}
	for (struct ioas_access_pin *pin = rig->access->pins; pin; pin = pin->next)
		picture.pins++;
	for (struct access_link *link = rig->space->accesses; link; link = link->next)
		picture.accesses++;
	if (rig->pt)
		pt_stats(rig->pt, &stats);
	picture.leaves = stats.leaves;
	picture.tables = stats.tables;
	return picture;
}

typedef int call_fn(struct rig *rig);

/* Returns how many points the call has; it has succeeded then, once. */
static unsigned sweep(struct rig *rig, call_fn *call)
{
	for (unsigned nth = 1;; nth++) {
		struct picture before = take(rig), after;
		unsigned left;
		int rc;

		inject_arm(nth);
		rc = call(rig);
		left = inject_remaining();
		inject_arm(0);
		if (left) {
			assert_int_equal(rc, 0);
			return nth - 1;
		}
		assert_true(rc == -ENOMEM || rc == -EFAULT);
		after = take(rig);
		assert_memory_equal(&before, &after, sizeof(before));
	}
}

static int make(struct rig *rig)
{
	return ioas_access_new(rig->iommu, &ops, rig, IOAS_ACCESS_PINS, &rig->made);
}

static int attach_made(struct rig *rig)
{
	return ioas_access_attach(rig->made, rig->space, NULL);
}

static int pin_all(struct rig *rig)
{
	return ioas_access_pin(rig->access, BASE, 12 * PAGE, IOAS_ACCESS_WRITE, &rig->pin, NULL);
}

/* Begins and ends inside mappings, and inside pages. */
static int pin_some(struct rig *rig)
{
	return ioas_access_pin(rig->access, BASE + 2 * PAGE, 7 * PAGE + 100, 0, &rig->other, NULL);
}

static int write_all(struct rig *rig)
{
	static char buf[10 * PAGE];

	return ioas_access_rw(rig->access, BASE + PAGE + 1, buf, sizeof(buf), IOAS_ACCESS_WRITE,
			      NULL);
}

static int read_all(struct rig *rig)
{
	static char buf[10 * PAGE];

	return ioas_access_rw(rig->access, BASE + PAGE + 1, buf, sizeof(buf), 0, NULL);
}

static int lend(struct rig *rig)
{
	return ioas_access_begin(rig->pin, 1, 12 * PAGE - 2, &rig->loan);
}

static void an_access_is_made(void **state)
{
	struct rig *rig = *state;

	assert_true(sweep(rig, make) >= 1);
	sweep(rig, attach_made);
	ioas_access_destroy(rig->made);
}

static void memory_is_pinned(void **state)
{
	struct rig *rig = *state;

	/* The pin and its list, and of three areas memory, window, charge ... */
	assert_true(sweep(rig, pin_all) >= 12);
	assert_int_equal(rig->held, 8 * PAGE);
	let_go(&rig->pin);
	assert_int_equal(rig->held, 0);
}

static void memory_is_pinned_beside_other_pins(void **state)
{
	struct rig *rig = *state;

	assert_true(sweep(rig, pin_some) >= 12);
	assert_true(sweep(rig, pin_all) >= 12);
	let_go(&rig->other);
	let_go(&rig->pin);
	assert_int_equal(rig->held, 0);
	domain(rig);
	assert_true(sweep(rig, pin_some) >= 6);
	sweep(rig, pin_all);
	assert_int_equal(rig->held, 8 * PAGE);
}

static void bytes_are_copied(void **state)
{
	struct rig *rig = *state;

	/* A file that nobody has pinned is pinned for the copy. */
	assert_true(sweep(rig, write_all) >= 4);
	assert_true(sweep(rig, read_all) >= 3);
	assert_int_equal(pinned(rig), 0);
	assert_true(sweep(rig, pin_some) >= 12);
	sweep(rig, write_all);
	domain(rig);
	assert_int_equal(sweep(rig, write_all), 0);
	assert_int_equal(sweep(rig, read_all), 0);
}

static void memory_is_lent(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(pin_all(rig), 0);
	assert_true(sweep(rig, lend) >= 2);
	assert_int_equal(rig->loan.len, 12 * PAGE - 2);
	ioas_access_end(&rig->loan);
}

static int attach_table(struct rig *rig)
{
	return space_domain_attach(rig->space, rig->pt, NULL);
}

static void a_table_comes_beside_pins(void **state)
{
	struct pt_config config = {.format = PT_AMDV1, .aw = 40};
	struct rig *rig = *state;

	assert_int_equal(pt_new(&config, &rig->pt), 0);
	assert_int_equal(pin_some(rig), 0);
	assert_true(sweep(rig, attach_table) >= 12);
	let_go(&rig->other);
	assert_int_equal(rig->held, 8 * PAGE);
}

static int cut(struct rig *rig)
{
	return space_cut(rig->space, BASE + PAGE - 1, NULL);
}

static int cut_file(struct rig *rig)
{
	return space_cut(rig->space, FILES + 2 * PAGE - 1, NULL);
}

static void mappings_are_cut(void **state)
{
	struct rig *rig = *state;

	domain(rig);
	assert_true(sweep(rig, cut) >= 3);
	assert_true(sweep(rig, cut_file) >= 3);
	assert_int_equal(space_area_nr(rig->space), 5);
	assert_int_equal(ioas_space_unmap(rig->space, BASE, BASE + PAGE - 1, NULL, NULL), 0);
	assert_int_equal(rig->held, 7 * PAGE);
	assert_int_equal(ioas_space_unmap(rig->space, FILES, FILES + 2 * PAGE - 1, NULL, NULL), 0);
	assert_int_equal(pinned(rig), 9 * PAGE);
}

static int unmap_all(struct rig *rig)
{
	return ioas_space_unmap(rig->space, BASE, LAST, NULL, NULL);
}

static int detach(struct rig *rig)
{
	ioas_access_detach(rig->access);
	return rig->access->space != NULL;
}

/* Whatever fails in the callback's own calls: UNMAP and DETACH do not. */
static void letting_go_cannot_fail(void **state)
{
	struct rig *rig = *state;

	domain(rig);
	rig->greedy = true;
	for (unsigned nth = 1; nth < 24; nth++) {
		call_fn *call = nth & 1 ? unmap_all : detach;

		assert_int_equal(pin_all(rig) || pin_some(rig), 0);
		rig->calls = 0;
		inject_arm(nth / 2 + 1);
		assert_int_equal(call(rig), 0);
		inject_arm(0);
		assert_true(rig->calls >= 1);
		assert_null(rig->access->pins);
		assert_int_equal(rig->held, call == detach ? 8 * PAGE : 0);
		if (call == detach)
			assert_int_equal(ioas_access_attach(rig->access, rig->space, NULL), 0);
		else
			map_all(rig);
	}
}

/* An instance that is not told what becomes of memory asks for it each time, however little. */
static void memory_is_asked_for_as_often_as_it_is_mapped(void **state)
{
	struct rig *rig = *state;
	iova_t iova = LAST + 1;
	uint64_t before;

	domain(rig);
	before = rig->held;
	for (unsigned i = 1; i <= 4; i++, iova += 4 * PAGE) {
		assert_int_equal(ioas_space_map(rig->space, &rig->caller, &iova,
						(uintptr_t)rig->mem, 4 * PAGE, RW, NULL),
				 0);
		assert_int_equal(rig->held, before + i * 4 * PAGE);
	}
	assert_int_equal(ioas_space_unmap(rig->space, LAST + 1, iova - 1, NULL, NULL), 0);
	assert_int_equal(rig->held, before);
}

/* Of memory in more places than a loan has had room for. */
static void a_loan_has_as_many_spans_as_it_takes(void **state)
{
	struct rig *rig = *state;
	iova_t iova = LAST + 1;

	for (unsigned i = 0; i < PAGES; i++, iova += PAGE)
		assert_int_equal(ioas_space_map(rig->space, &rig->caller, &iova,
						(uintptr_t)rig->mem + (PAGES - 1 - i) * PAGE, PAGE,
						RW, NULL),
				 0);
	assert_int_equal(ioas_access_pin(rig->access, LAST + 1, PAGES * PAGE, IOAS_ACCESS_WRITE,
					 &rig->pin, NULL),
			 0);
	for (unsigned nr = 1; nr <= PAGES; nr += 5) {
		assert_int_equal(ioas_access_begin(rig->pin, 8, nr * PAGE - 8, &rig->loan), 0);
		assert_int_equal(rig->loan.iov_nr, nr);
		assert_true(rig->loan.iov_cap >= nr);
		assert_int_equal(rig->loan.len, nr * PAGE - 8);
		for (unsigned i = 0; i < nr; i++)
			assert_ptr_equal(rig->loan.iov[i].iov_base,
					 rig->mem + (PAGES - 1 - i) * PAGE + (i ? 0 : 8));
		ioas_access_end(&rig->loan);
	}
	let_go(&rig->pin);
	assert_int_equal(ioas_space_unmap(rig->space, LAST + 1, iova - 1, NULL, NULL), 0);
}

/* Up to the last address nothing wraps. */
static void the_last_address_is_one(void **state)
{
	struct rig *rig = *state;
	char bytes[2];

	assert_int_equal(ioas_access_rw(rig->access, UINT64_MAX, bytes, 1, 0, NULL), -ENOENT);
	assert_int_equal(ioas_access_rw(rig->access, UINT64_MAX - 1, bytes, 2, 0, NULL), -ENOENT);
	assert_int_equal(ioas_access_rw(rig->access, UINT64_MAX, bytes, 2, 0, NULL), -EOVERFLOW);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_access_is_made),
		TEST(memory_is_pinned),
		TEST(memory_is_pinned_beside_other_pins),
		TEST(bytes_are_copied),
		TEST(memory_is_lent),
		TEST(a_table_comes_beside_pins),
		TEST(mappings_are_cut),
		TEST(letting_go_cannot_fail),
		TEST(memory_is_asked_for_as_often_as_it_is_mapped),
		TEST(the_last_address_is_one),
		TEST(a_loan_has_as_many_spans_as_it_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
