/* SPDX-License-Identifier: MIT */
/*
 * Description: random maps, copies, cuts, pins, page tables and memory given up, against a model
 * that keeps, for each page of each page object, how often it is pinned and which page it was then.
 * Some calls fail at a random point. The caller is told of each page as often as it is pinned anew,
 * and given back.
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
#include "mem/same.h"
#include "space/private.h"
#include "tlp/tlp.h"
#include "util/inject.h"

#define PAGE	4096ull
#define PAGES	16 /* of memory */
#define OBJECTS 64
#define SLOTS	8 /* areas */
#define SPAN	(32 * PAGE)
#define PINS	12
#define STEPS	6000
#define RW	(IOAS_MAP_READ | IOAS_MAP_WRITE | IOAS_MAP_FIXED)

struct object {
	bool used;
	unsigned areas, first, nr; /* in memory */
	unsigned pins[PAGES];	   /* by page of memory */
	uint64_t id[PAGES];	   /* what was pinned */
};

struct slot {
	struct object *object;
	unsigned first, nr; /* pages of memory */
	iova_t iova;
};

struct pinned {
	struct ioas_access_pin *pin;
	struct slot *slot;
	unsigned first, nr;
};

static struct {
	struct ioas_caller caller, *self;
	int told[PAGES]; /* pins of a page that the caller was told of, and not their end */
	struct ioas_iommu *iommu;
	struct ioas_space *space;
	struct ioas_access *access;
	struct pt *pt; /* attached, or NULL */
	char *mem;
	uint64_t now[PAGES]; /* which page the program sees */
	uint64_t next_id;
	iova_t next_iova;
	struct object objects[OBJECTS];
	struct slot slots[SLOTS];
	struct pinned pins[PINS];
	uint64_t seed;
} t;

static unsigned rnd(unsigned below)
{
	t.seed = t.seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(t.seed >> 33) % below;
}

/* Never used before: what was cut keeps its place. */
static iova_t new_iova(void)
{
	return t.next_iova += SPAN;
}

static void tell(uint64_t va, uint64_t len, int by)
{
	for (uint64_t page = (va - (uintptr_t)t.mem) / PAGE; len; page++, len -= PAGE)
		t.told[page] += by;
}

static int pin(struct ioas_caller *caller, uint64_t va, uint64_t len, bool write, void **host)
{
	int rc = t.self->ops->pin(t.self, va, len, write, host);

	if (!rc)
		tell(va, len, 1);
	return rc;
}

static void unpin(struct ioas_caller *caller, uint64_t va, uint64_t len, void *host)
{
	assert_int_equal((uintptr_t)host, va);
	tell(va, len, -1);
}

static void model_pin(struct object *object, unsigned first, unsigned nr)
{
	for (unsigned i = first; i < first + nr; i++)
		if (!object->pins[i]++)
			object->id[i] = t.now[i];
}

static void model_unpin(struct object *object, unsigned first, unsigned nr)
{
	for (unsigned i = first; i < first + nr; i++)
		object->pins[i]--;
}

static void fill(const struct slot *slot)
{
	model_pin(slot->object, slot->first, slot->nr);
}

static void drain(const struct slot *slot)
{
	model_unpin(slot->object, slot->first, slot->nr);
}

static void drop_pin(struct pinned *pinned)
{
	ioas_access_unpin(pinned->pin);
	model_unpin(pinned->slot->object, pinned->first, pinned->nr);
	pinned->pin = NULL;
}

static void told(void *arg, iova_t first, iova_t last)
{
	for (struct pinned *p = t.pins; p < t.pins + PINS; p++)
		if (p->pin && ioas_access_pin_iova(p->pin) <= last &&
		    ioas_access_pin_iova(p->pin) + ioas_access_pin_len(p->pin) > first)
			drop_pin(p);
}

static const struct ioas_access_ops ops = {.unmap = told};

static struct slot *empty_slot(void)
{
	struct slot *slot = &t.slots[rnd(SLOTS)];

	return slot->object ? NULL : slot;
}

static struct slot *full_slot(void)
{
	struct slot *slot = &t.slots[rnd(SLOTS)];

	return slot->object ? slot : NULL;
}

static void step_map(void)
{
	struct slot *slot = empty_slot();
	struct object *object = t.objects;
	iova_t iova;

	if (!slot)
		return;
	while (object->used)
		object++;
	memset(object, 0, sizeof(*object));
	object->used = true;
	object->areas = 1;
	object->first = rnd(PAGES);
	object->nr = 1 + rnd(PAGES - object->first);
	*slot = (struct slot){object, object->first, object->nr, new_iova()};
	iova = slot->iova;
	assert_int_equal(ioas_space_map(t.space, &t.caller, &iova,
					(uintptr_t)t.mem + object->first * PAGE, object->nr * PAGE,
					RW, NULL),
			 0);
	if (t.pt)
		fill(slot);
}

static void step_copy(void)
{
	struct slot *from = full_slot(), *to = empty_slot();
	unsigned skip;
	iova_t iova;

	if (!from || !to)
		return;
	skip = rnd(from->nr);
	*to = (struct slot){from->object, from->first + skip, 1 + rnd(from->nr - skip), new_iova()};
	iova = to->iova;
	assert_int_equal(ioas_space_copy(t.space, &iova, t.space, from->iova + skip * PAGE,
					 to->nr * PAGE, RW, NULL),
			 0);
	to->object->areas++;
	if (t.pt)
		fill(to);
}

static void step_unmap(void)
{
	struct slot *slot = full_slot();
	uint64_t len;

	if (!slot)
		return;
	assert_int_equal(
		ioas_space_unmap(t.space, slot->iova, slot->iova + slot->nr * PAGE - 1, &len, NULL),
		0);
	assert_int_equal(len, slot->nr * PAGE);
	if (t.pt)
		drain(slot);
	if (!--slot->object->areas)
		slot->object->used = false;
	slot->object = NULL;
}

static bool pinned_by_access(const struct slot *slot)
{
	for (struct pinned *p = t.pins; p < t.pins + PINS; p++)
		if (p->pin && p->slot == slot)
			return true;
	return false;
}

static void step_cut(void)
{
	struct slot *slot = full_slot(), *rest = empty_slot();
	unsigned nr;
	int rc;

	if (!slot || !rest || slot->nr == 1)
		return;
	nr = 1 + rnd(slot->nr - 1);
	if (!rnd(3))
		inject_arm(1 + rnd(5));
	rc = space_cut(t.space, slot->iova + nr * PAGE - 1, NULL);
	inject_arm(0);
	if (pinned_by_access(slot)) {
		assert_int_equal(rc, -EINVAL);
		return;
	}
	assert_true(!rc || rc == -ENOMEM);
	if (rc)
		return;
	*rest = (struct slot){slot->object, slot->first + nr, slot->nr - nr,
			      slot->iova + nr * PAGE};
	slot->nr = nr;
	slot->object->areas++;
}

static void step_pin(void)
{
	struct pinned *pinned = &t.pins[rnd(PINS)];
	struct slot *slot = full_slot();
	unsigned skip;
	int rc;

	if (pinned->pin) {
		drop_pin(pinned);
		return;
	}
	if (!slot)
		return;
	skip = rnd(slot->nr);
	*pinned = (struct pinned){NULL, slot, slot->first + skip, 1 + rnd(slot->nr - skip)};
	if (!rnd(3))
		inject_arm(1 + rnd(8));
	rc = ioas_access_pin(t.access, slot->iova + skip * PAGE, pinned->nr * PAGE,
			     IOAS_ACCESS_WRITE, &pinned->pin, NULL);
	inject_arm(0);
	if (rc)
		assert_true(rc == -ENOMEM || rc == -EFAULT);
	else
		model_pin(slot->object, pinned->first, pinned->nr);
}

static void step_domain(void)
{
	struct pt_config config = {.format = PT_AMDV1, .aw = 40};

	if (t.pt) {
		space_domain_detach(t.space, t.pt);
		pt_destroy(t.pt);
		t.pt = NULL;
	} else {
		struct pt *pt;

		assert_int_equal(pt_new(&config, &pt), 0);
		if (!rnd(3))
			inject_arm(1 + rnd(40));
		if (!space_domain_attach(t.space, pt, NULL))
			t.pt = pt;
		else
			pt_destroy(pt);
		inject_arm(0);
		if (!t.pt)
			return;
	}
	for (struct slot *slot = t.slots; slot < t.slots + SLOTS; slot++) {
		if (slot->object && t.pt)
			fill(slot);
		else if (slot->object)
			drain(slot);
	}
}

static void new_page(unsigned page)
{
	t.now[page] = ++t.next_id;
	*(uint64_t *)(t.mem + page * PAGE) = t.now[page];
}

static long replace(void *arg, uint64_t *to)
{
	struct ioas_memory_range *range = arg;

	assert_ptr_not_equal(mmap((void *)range->start, range->end - range->start,
				  PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				  -1, 0),
			     MAP_FAILED);
	return 0;
}

static void step_give_up(void)
{
	struct ioas_memory_change change = {.call = replace, .arg = &change.gone[0]};
	unsigned first = rnd(PAGES), nr = 1 + rnd(PAGES - first);

	change.gone[0].start = (uintptr_t)t.mem + first * PAGE;
	change.gone[0].end = change.gone[0].start + nr * PAGE;
	assert_int_equal(ioas_memory_change(t.iommu, &change), 0);
	for (unsigned i = first; i < first + nr; i++)
		new_page(i);
}

static void check_pins(void)
{
	struct mem_shared none = {NULL};

	for (unsigned i = 0; i < PAGES; i++) {
		unsigned want = 0, nr;
		int told = 0;

		for (struct object *o = t.objects; o < t.objects + OBJECTS; o++)
			told += o->used && o->pins[i];
		assert_int_equal(t.told[i], told);
		for (struct object *o = t.objects; o < t.objects + OBJECTS; o++)
			want += o->used && o->pins[i] && o->id[i] == t.now[i];
		assert_int_equal(pins_count(mem_map_pins(t.iommu->mem), &none,
					    (uintptr_t)t.mem + i * PAGE, &nr),
				 0);
		assert_int_equal(nr, want);
	}
}

static void check_slot(const struct slot *slot)
{
	unsigned page = slot->first + rnd(slot->nr);
	struct object *object = slot->object;
	uint64_t want = object->pins[page] ? object->id[page] : t.now[page], got;
	iova_t iova = slot->iova + (page - slot->first) * PAGE;
	uint64_t charged = 0;
	void *host;

	assert_int_equal(ioas_access_rw(t.access, iova, &got, sizeof(got), 0, NULL), 0);
	assert_int_equal(got, want);
	if (t.pt) {
		assert_int_equal(tlp_host_at(t.iommu, t.pt, iova, &host), 0);
		assert_int_equal(*(uint64_t *)host, want);
	}
	for (unsigned i = 0; i < PAGES; i++)
		charged += object->pins[i] ? PAGE : 0;
	assert_int_equal(pages_pinned(area_pages(areas_find(&t.space->areas, iova))), charged);
}

static void check_loan(const struct pinned *pinned)
{
	struct ioas_access_loan loan = {NULL};
	unsigned skip = rnd(pinned->nr);

	assert_int_equal(ioas_access_begin(pinned->pin, skip * PAGE, 8, &loan), 0);
	assert_int_equal(loan.iov[0].iov_len, 8);
	assert_int_equal(*(uint64_t *)loan.iov[0].iov_base,
			 pinned->slot->object->id[pinned->first + skip]);
	ioas_access_loan_fini(&loan);
}

/* What all objects have pinned, each page once. */
static void check_charge(void)
{
	uint64_t want = 0, pinned, locked;

	for (struct object *o = t.objects; o < t.objects + OBJECTS; o++)
		for (unsigned i = 0; i < PAGES; i++)
			want += o->used && o->pins[i] ? PAGE : 0;
	ioas_account_read(t.iommu, getpid(), &pinned, &locked);
	assert_int_equal(pinned, want);
}

static void check(void)
{
	check_pins();
	check_charge();
	for (struct slot *slot = t.slots; slot < t.slots + SLOTS; slot++)
		if (slot->object)
			check_slot(slot);
	for (struct pinned *p = t.pins; p < t.pins + PINS; p++)
		if (p->pin)
			check_loan(p);
}

static void pins_are_those_of_the_model(void **state)
{
	static void (*const steps[])(void) = {step_map,	   step_map,	 step_copy, step_unmap,
					      step_pin,	   step_pin,	 step_pin,  step_pin,
					      step_domain, step_give_up, step_cut,  step_cut};
	struct ioas_caller_ops counting;

	t.self = mem_self_caller();
	counting = *t.self->ops;
	counting.pin = pin;
	counting.unpin = unpin;
	t.caller.ops = &counting;
	assert_int_equal(ioas_iommu_new(NULL, &t.iommu), 0);
	assert_int_equal(ioas_space_new(t.iommu, &t.space), 0);
	assert_int_equal(space_set_huge_pages(t.space, false, NULL), 0);
	assert_int_equal(ioas_access_new(t.iommu, &ops, NULL, IOAS_ACCESS_PINS, &t.access), 0);
	assert_int_equal(ioas_access_attach(t.access, t.space, NULL), 0);
	t.mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	for (unsigned i = 0; i < PAGES; i++)
		new_page(i);
	for (unsigned i = 0; i < STEPS; i++) {
		steps[rnd(sizeof(steps) / sizeof(steps[0]))]();
		check();
	}
	if (t.pt)
		step_domain();
	assert_int_equal(ioas_space_unmap(t.space, 0, UINT64_MAX, NULL, NULL), 0);
	ioas_access_destroy(t.access);
	ioas_space_put(t.space);
	ioas_iommu_destroy(t.iommu);
	munmap(t.mem, PAGES * PAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pins_are_those_of_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
