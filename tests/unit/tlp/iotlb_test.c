/* SPDX-License-Identifier: MIT */
/*
 * Description: what an issuer remembers never shows: random changes of mappings, routes, PASIDs and
 * dirty bits between TLPs, each judged by an array of pages, and each sent by an issuer that
 * remembers and by one that was just made.
 */
#include <errno.h>
#include "tests/unit/rnd.h"
#include "tests/unit/tlp/rig.h"

#define PAGES  64u /* of IOVA, in each table */
#define FRAMES 32u /* of memory */
#define TABLES 3u
#define FORMS  4u /* no PASID, and PASIDs 0 to 2 */
#define STEPS  20000u
#define BASE   0x1ff0000ull /* so that 2 MiB begin in the middle */

/* What there must be. */
struct model_page {
	struct mem_window *window; /* NULL: not mapped */
	unsigned frame;		   /* its first */
	unsigned at;		   /* which page of the window */
	uint32_t prot;
	bool dirty;
};

static struct ioas_iommu *iommu;
static struct ioas_device *dev;
static struct ioas_issuer *issuer;
static struct pt *pt[TABLES];
static struct model_page model[TABLES][PAGES];
static int route[FORMS]; /* table, or -1 */
static char *memory;
static uint64_t rng = 88172645463325252ull;

static unsigned draw(unsigned below)
{
	return (unsigned)(rnd_next(&rng) >> 33) % below;
}

static int setup(void **arg)
{
	assert_int_equal(ioas_iommu_new(NULL, &iommu), 0);
	assert_int_equal(route_device_new(iommu, "0000:01:00.0", 0, 0x100, &dev), 0);
	assert_int_equal(ioas_issuer_new(dev, &issuer), 0);
	assert_int_equal(ioas_device_bind(dev, IOAS_FORM_RID | IOAS_FORM_PASID, 20, NULL), 0);
	route_dma_enable(dev, true);
	for (unsigned t = 0; t < TABLES; t++) {
		/* Dirty bits are kept for pages, in one table. */
		const struct pt_config config = {
			.format = PT_AMDV1,
			.aw = 48,
			.dirty = t == 1,
			.max_leaf_lg2 = t == 1 ? 12 : 0,
		};

		assert_int_equal(pt_new(&config, &pt[t]), 0);
	}
	pt_dirty_track(pt[1], true);
	for (unsigned f = 0; f < FORMS; f++)
		route[f] = -1;
	memset(model, 0, sizeof(model));
	memory = rig_pages(FRAMES);
	return 0;
}

static int teardown(void **arg)
{
	for (unsigned f = 0; f < FORMS; f++) {
		pasid_t pasid = f - 1;

		route_detach(dev, f ? &pasid : NULL);
	}
	for (unsigned t = 0; t < TABLES; t++) {
		pt_destroy(pt[t]);
		for (unsigned i = 0; i < PAGES; i++)
			if (model[t][i].window && !model[t][i].at)
				mem_window_destroy(iommu->mem, model[t][i].window);
	}
	ioas_device_unbind(dev);
	ioas_issuer_destroy(issuer);
	route_device_destroy(dev);
	ioas_iommu_destroy(iommu);
	munmap(memory, FRAMES * PAGE);
	return 0;
}

static iova_t iova_of(unsigned page)
{
	return BASE + (iova_t)page * PAGE;
}

static void map(unsigned t, unsigned page)
{
	unsigned nr = 1 + draw(8), frame;
	uint32_t prot = 1 + draw(3);
	struct mem_window *window;

	if (nr > PAGES - page)
		nr = PAGES - page;
	for (unsigned i = 0; i < nr; i++)
		if (model[t][page + i].window)
			return;
	frame = draw(FRAMES - nr + 1);
	assert_int_equal(mem_window_new(iommu->mem, iova_of(page), memory + frame * PAGE, nr * PAGE,
					&window),
			 0);
	assert_int_equal(pt_map(pt[t], iova_of(page), window->pa, nr * PAGE, prot), 0);
	for (unsigned i = 0; i < nr; i++)
		model[t][page + i] = (struct model_page){window, frame, i, prot, false};
}

static void unmap(unsigned t, unsigned page)
{
	struct mem_window *window = model[t][page].window;
	struct pt_gather gather = {NULL};
	unsigned first;

	if (!window)
		return;
	first = page - model[t][page].at;
	pt_unmap(pt[t], iova_of(first), iova_of(first) + window->len - 1, &gather);
	inflight_wait(&iommu->inflight);
	pt_gather_free(&gather);
	for (unsigned i = 0; i < window->len / PAGE; i++)
		model[t][first + i] = (struct model_page){0};
	mem_window_destroy(iommu->mem, window);
}

static void turn(unsigned form)
{
	int to = (int)draw(TABLES + 1) - 1;
	pasid_t pasid = form - 1;

	if (to < 0)
		route_detach(dev, form ? &pasid : NULL);
	else
		assert_int_equal(route_attach(dev, form ? &pasid : NULL, pt[to], NULL), 0);
	route[form] = to;
}

/* All that the program is told is dirty, as src/space/dirty.c does it. */
static void read_dirty(void)
{
	struct ioas_range runs[PAGES];
	struct pt_dirty read = {.first = iova_of(0),
				.last = iova_of(PAGES) - 1,
				.clear = true,
				.inflight = &iommu->inflight,
				.runs = runs,
				.max = PAGES};
	bool told[PAGES] = {false};

	assert_true(pt_dirty_read(pt[1], &read));
	for (size_t r = 0; r < read.nr; r++)
		for (iova_t at = runs[r].first; at < runs[r].last; at += PAGE)
			told[(at - BASE) / PAGE] = true;
	for (unsigned i = 0; i < PAGES; i++) {
		assert_int_equal(told[i], model[1][i].dirty);
		model[1][i].dirty = false;
	}
}

static enum ioas_fault_reason expected(unsigned form, unsigned page, unsigned op)
{
	const struct model_page *entry = route[form] < 0 ? NULL : &model[route[form]][page];

	if (!entry)
		return IOAS_FAULT_NO_ROUTE;
	if (!entry->window)
		return IOAS_FAULT_NOT_MAPPED;
	if (op == IOAS_TLP_READ)
		return entry->prot & IOAS_PROT_READ ? IOAS_FAULT_NONE : IOAS_FAULT_NO_READ;
	return entry->prot & IOAS_PROT_WRITE ? IOAS_FAULT_NONE : IOAS_FAULT_NO_WRITE;
}

static uint64_t nr_of(struct ioas_issuer *by)
{
	uint64_t seq;

	ioas_issuer_fault(by, &seq);
	return seq;
}

/* One TLP by one of the ways there are. */
static int send(struct ioas_issuer *by, const struct ioas_tlp *tlp, void *buf)
{
	struct ioas_window window = {0};
	struct ioas_batch batch;
	int rc = 0;

	if (draw(2))
		return ioas_tlp_issue(by, tlp, buf);
	ioas_batch_begin(&batch, by);
	/* In a batch the second of them meets what the first one found, or an earlier batch. */
	for (unsigned i = 0; !rc && i < 2; i++) {
		if (draw(2))
			ioas_batch_swap(&batch);
		if (!tlp->flags)
			window = ioas_batch_window(&batch, tlp->op);
		rc = ioas_batch_copy(&batch, tlp, buf);
		assert_true(!rc || !ioas_window_holds(&window, tlp->addr));
	}
	ioas_batch_end(&batch);
	return rc;
}

static void fire(struct ioas_issuer *by, unsigned form, unsigned page, unsigned op)
{
	enum ioas_fault_reason want = expected(form, page, op), got;
	struct model_page *entry = route[form] < 0 ? NULL : &model[route[form]][page];
	char *host = entry && entry->window ? memory + (entry->frame + entry->at) * PAGE : NULL;
	uint64_t value = rng, before = nr_of(by), seq;
	static const unsigned ends[] = {0, PAGE - 1};
	struct ioas_tlp tlp = {
		.addr = iova_of(page) + (draw(2) ? draw(PAGE) : ends[draw(2)]),
		.len = 1,
		.flags = form ? IOAS_TLP_PASID : 0,
		.pasid = form ? form - 1 : 0,
		.op = (uint8_t)op,
	};
	int rc = send(by, &tlp, &value);

	got = ioas_issuer_fault(by, &seq);
	assert_int_equal(rc, want ? -EFAULT : 0);
	assert_int_equal(seq > before ? got : IOAS_FAULT_NONE, want);
	if (want)
		return;
	assert_memory_equal(host + tlp.addr % PAGE, &value, 1);
	if (op == IOAS_TLP_WRITE && route[form] == 1)
		entry->dirty = true;
}

static void changes_between_tlps_are_seen(void **arg)
{
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned t = draw(TABLES), page = draw(PAGES);
		struct ioas_issuer *fresh;

		if (!draw(3))
			map(t, page);
		if (!draw(12))
			unmap(t, page);
		if (!draw(40))
			turn(draw(FORMS));
		if (!draw(100))
			read_dirty();
		/* Most of them where the last ones were. */
		for (unsigned i = 0; i < 4; i++)
			fire(issuer, draw(FORMS), (page + draw(4)) % PAGES,
			     draw(2) ? IOAS_TLP_READ : IOAS_TLP_WRITE);
		if (draw(8))
			continue;
		assert_int_equal(ioas_issuer_new(dev, &fresh), 0);
		fire(fresh, draw(FORMS), page, draw(2) ? IOAS_TLP_READ : IOAS_TLP_WRITE);
		ioas_issuer_destroy(fresh);
	}
}

/* Each of these was allowed, and remembered, a moment ago. */
static void what_closes_the_way_closes_it_at_once(void **arg)
{
	uint64_t value = 0, seq;

	route_attach(dev, NULL, pt[0], NULL);
	route[0] = 0;
	while (!model[0][5].window || model[0][5].prot != (IOAS_PROT_READ | IOAS_PROT_WRITE)) {
		unmap(0, 5);
		map(0, 5);
	}
	assert_int_equal(ioas_dma_read(issuer, iova_of(5), &value, 8), 0);
	route_dma_enable(dev, false);
	assert_int_equal(ioas_dma_read(issuer, iova_of(5), &value, 8), -EFAULT);
	assert_int_equal(ioas_issuer_fault(issuer, &seq), IOAS_FAULT_BUS_MASTER);
	route_dma_enable(dev, true);
	assert_int_equal(ioas_dma_read(issuer, iova_of(5), &value, 8), 0);
	ioas_device_unbind(dev);
	assert_int_equal(ioas_dma_read(issuer, iova_of(5), &value, 8), -EFAULT);
	assert_int_equal(ioas_issuer_fault(issuer, &seq), IOAS_FAULT_NOT_BOUND);
	assert_int_equal(ioas_device_bind(dev, IOAS_FORM_PASID, 4, NULL), 0);
	assert_int_equal(ioas_dma_read(issuer, iova_of(5), &value, 8), -EFAULT);
	assert_int_equal(ioas_issuer_fault(issuer, &seq), IOAS_FAULT_UNDECLARED);
	ioas_device_unbind(dev);
	assert_int_equal(ioas_device_bind(dev, IOAS_FORM_RID | IOAS_FORM_PASID, 20, NULL), 0);
	assert_int_equal(ioas_dma_read(issuer, iova_of(5), &value, 8), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(changes_between_tlps_are_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(what_closes_the_way_closes_it_at_once, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
