/* SPDX-License-Identifier: MIT */
/*
 * For psc_test.c: page tables of several formats, the mappings in them, page by page in an array,
 * and which PASID leads to which.
 */
#ifndef TESTS_UNIT_TLP_PSC_RIG_H
#define TESTS_UNIT_TLP_PSC_RIG_H

#include <errno.h>
#include "tests/unit/rnd.h"
#include "tests/unit/tlp/rig.h"

#define SPANS  4u    /* of addresses, where tables of several levels end */
#define PAGES  1536u /* in each; the end is after PAGES / 2 */
#define FRAMES 1024u /* of memory */
#define TABLES 5u
#define FORMS  12u /* no PASID, and PASIDs 0 to 10, more than there are contexts */
#define STEPS  2500u
#define LAST   ((1ull << 28) - 1) /* of a context's numbers */

static const iova_t span_at[SPANS] = {
	(4ull << 20) - PAGES / 2 * PAGE,
	(1ull << 30) - PAGES / 2 * PAGE,
	(129ull << 30) - PAGES / 2 * PAGE,
	(1ull << 39) - PAGES *PAGE,
};

/* One after the other, a machine each. */
static const enum pt_format format[] = {PT_AMDV1, PT_RISCV_SV48, PT_ARM_LPAE_S1_4K, PT_X86_64,
					PT_VTD_SS};

/* Of each format. */
static const struct pt_config config[TABLES] = {
	{.aw = 48},
	{.aw = 48, .max_leaf_lg2 = 12},
	{.aw = 39},
	{.aw = 48, .dirty = true},
	{.aw = 48, .dirty = true, .max_leaf_lg2 = 12},
};

/* One mapping: a window, of which each page is entered by itself, or all at once. */
struct mapping {
	struct mem_window window;
	unsigned span, page, nr;
	unsigned cut, frame[2]; /* the first page of its second piece, and where both begin */
	uint32_t prot;		/* as the format fits it */
};

static struct ioas_iommu *iommu;
static struct ioas_device *dev;
static struct ioas_issuer *issuer;
static struct pt *pt[TABLES];
static struct mapping *model[TABLES][SPANS][PAGES];
static int route[FORMS]; /* table, or -1 */
static char *memory;
static uint64_t rng = 88172645463325252ull;
static enum pt_format of;

static unsigned draw(unsigned below)
{
	return (unsigned)(rnd_next(&rng) >> 33) % below;
}

static iova_t iova_of(unsigned span, unsigned page)
{
	return span_at[span] + (iova_t)page * PAGE;
}

static struct pt *make(unsigned t)
{
	struct pt_config table = config[t];
	struct pt *made;

	table.format = of;
	/* x86's and RISC-V's with four levels begin there. */
	if (!pt_format_has_aw(of, table.aw))
		table.aw = 48;
	assert_int_equal(pt_new(&table, &made), 0);
	return made;
}

static void start(void)
{
	const struct ioas_iommu_config machine = {.pt = pt_format_name(of)};

	assert_int_equal(ioas_iommu_new(&machine, &iommu), 0);
	assert_int_equal(route_device_new(iommu, "0000:01:00.0", 0, 0x100, &dev), 0);
	assert_int_equal(ioas_issuer_new(dev, &issuer), 0);
	assert_int_equal(ioas_device_bind(dev, IOAS_FORM_RID | IOAS_FORM_PASID, 20, NULL), 0);
	route_dma_enable(dev, true);
	for (unsigned t = 0; t < TABLES; t++)
		pt[t] = make(t);
	for (unsigned f = 0; f < FORMS; f++)
		route[f] = -1;
	memset(model, 0, sizeof(model));
	memory = rig_pages(FRAMES);
}

static void forget(unsigned t, struct mapping *mapping)
{
	for (unsigned i = 0; i < mapping->nr; i++)
		model[t][mapping->span][mapping->page + i] = NULL;
	mem_window_end(iommu->mem, &mapping->window);
	free(mapping);
}

static void forget_all(unsigned t)
{
	for (unsigned s = 0; s < SPANS; s++)
		for (unsigned i = 0; i < PAGES; i++)
			if (model[t][s][i])
				forget(t, model[t][s][i]);
}

static void stop(void)
{
	for (unsigned f = 0; f < FORMS; f++) {
		pasid_t pasid = f - 1;

		route_detach(dev, f ? &pasid : NULL);
	}
	for (unsigned t = 0; t < TABLES; t++) {
		pt_destroy(pt[t]);
		forget_all(t);
	}
	ioas_device_unbind(dev);
	ioas_issuer_destroy(issuer);
	route_device_destroy(dev);
	ioas_iommu_destroy(iommu);
	munmap(memory, FRAMES * PAGE);
}

/* Mostly in one piece. */
static void show(struct mapping *mapping, iova_t iova)
{
	unsigned nr = mapping->nr, cut = draw(6) ? nr : 1 + draw(nr), parts = cut < nr ? 2 : 1;
	struct mem_part part[2] = {{.len = cut * PAGE}, {.len = (nr - cut) * PAGE}};

	mapping->cut = cut;
	for (unsigned i = 0; i < parts; i++) {
		mapping->frame[i] = draw(FRAMES - nr + 1);
		part[i].host = memory + mapping->frame[i] * PAGE;
	}
	assert_int_equal(mem_window_begin(iommu->mem, iova, part, parts, NULL, &mapping->window),
			 0);
}

static char *host_of(const struct mapping *mapping, unsigned page)
{
	unsigned at = page - mapping->page;

	return memory + (at < mapping->cut ? mapping->frame[0] + at
					   : mapping->frame[1] + at - mapping->cut) *
				PAGE;
}

/* May go on while a batch is open. */
static void map(unsigned t, unsigned span, unsigned page)
{
	static const unsigned most[] = {1, 2, 20, 600};
	unsigned nr = 1 + draw(most[draw(4)]), step = draw(2) ? nr : 1;
	struct mapping *mapping;
	uint32_t prot = draw(4) ? IOAS_PROT_READ | IOAS_PROT_WRITE : 1 + draw(3);

	if (nr > PAGES - page || !draw(100))
		page = 0, nr = PAGES > FRAMES ? FRAMES : PAGES;
	for (unsigned i = 0; i < nr; i++)
		if (model[t][span][page + i])
			return;
	mapping = calloc(1, sizeof(*mapping));
	*mapping = (struct mapping){
		.span = span, .page = page, .nr = nr, .prot = pt_prot_fit(pt[t], prot)};
	show(mapping, iova_of(span, page));
	if (nr % step)
		step = 1;
	for (unsigned i = 0; i < nr; i += step)
		assert_int_equal(pt_map(pt[t], iova_of(span, page + i),
					mapping->window.pa + i * PAGE, step * PAGE, prot),
				 0);
	for (unsigned i = 0; i < nr; i++)
		model[t][span][page + i] = mapping;
}

static void unmap(unsigned t, unsigned span, unsigned page)
{
	struct mapping *mapping = model[t][span][page];
	struct pt_gather gather = {NULL};
	iova_t first;

	if (!mapping)
		return;
	first = iova_of(span, mapping->page);
	pt_unmap(pt[t], first, first + mapping->nr * PAGE - 1, &gather);
	inflight_wait(&iommu->inflight);
	pt_gather_free(&gather);
	forget(t, mapping);
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

/* All who are attached there go to a new one, which is likely to get the old one's memory next. */
static void replace(unsigned t)
{
	struct pt *next = make(t), *old = pt[t];

	for (unsigned f = 0; f < FORMS; f++) {
		pasid_t pasid = f - 1;

		if (route[f] == (int)t)
			assert_int_equal(route_attach(dev, f ? &pasid : NULL, next, NULL), 0);
	}
	pt_destroy(old);
	pt[t] = next;
	forget_all(t);
	pt_destroy(make(t));
}

static void track(unsigned t)
{
	if (!pt_dirty_possible(pt[t]))
		return;
	pt_dirty_track(pt[t], !pt_dirty_tracked(pt[t]));
	inflight_wait(&iommu->inflight);
}

#endif
