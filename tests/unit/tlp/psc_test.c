/* SPDX-License-Identifier: MIT */
/*
 * Description: that tables are remembered never shows: mappings of all sizes come and go around the
 * ends of tables, page by page or as large leaves, page tables of several formats are replaced by
 * new ones, PASIDs are used again, and after each change TLPs are sent by all ways there are, each
 * judged by an array of pages.
 */
#include "tests/unit/tlp/psc_rig.h"

/* A TLP, and what must come of it. */
struct shot {
	struct ioas_tlp tlp;
	enum ioas_fault_reason want;
	char *host;
	uint64_t len; /* that lie there in one piece, at least */
	bool dirty;   /* its leaf's bit must be set */
	unsigned table;
};

/* Often to the end of a page, and a byte less or more. */
static uint64_t draw_length(iova_t addr)
{
	uint64_t rest = PAGE - addr % PAGE, len = rest + draw(3) - 1;

	return len && !draw(4) ? len : 1 + draw(draw(2) ? 16 : 3 * PAGE);
}

static struct shot aim(unsigned form, unsigned span, unsigned page)
{
	struct mapping *mapping = route[form] < 0 ? NULL : model[route[form]][span][page];
	struct shot shot = {
		.tlp = {.addr = iova_of(span, page) + draw(PAGE),
			.flags = form ? IOAS_TLP_PASID : 0,
			.pasid = form ? form - 1 : 0,
			.op = draw(3) ? IOAS_TLP_READ : IOAS_TLP_WRITE},
		.table = (unsigned)route[form],
	};
	uint32_t needs = shot.tlp.op == IOAS_TLP_READ ? IOAS_PROT_READ : IOAS_PROT_WRITE;

	shot.tlp.len = draw_length(shot.tlp.addr);
	if (route[form] < 0)
		shot.want = IOAS_FAULT_NO_ROUTE;
	else if (shot.tlp.addr >> pt_aw(pt[route[form]]))
		shot.want = IOAS_FAULT_WIDTH;
	else if (!mapping)
		shot.want = IOAS_FAULT_NOT_MAPPED;
	else if (!(mapping->prot & needs))
		shot.want = needs == IOAS_PROT_READ ? IOAS_FAULT_NO_READ : IOAS_FAULT_NO_WRITE;
	if (shot.want)
		return shot;
	shot.host = host_of(mapping, page) + shot.tlp.addr % PAGE;
	/* Of a window in pieces what was asked for before is remembered. */
	shot.len = mapping->cut < mapping->nr ? 1 : PAGE - shot.tlp.addr % PAGE;
	shot.dirty = pt_dirty_tracked(pt[route[form]]) && shot.tlp.op == IOAS_TLP_WRITE;
	return shot;
}

static struct shot aim_somewhere(unsigned span, unsigned page)
{
	return aim(draw(draw(2) ? 2 : FORMS), draw(4) ? span : draw(SPANS),
		   draw(4) ? (page + draw(8)) % PAGES : draw(PAGES));
}

static void check_fault(const struct shot *shot, int rc, uint64_t before)
{
	uint64_t seq;
	enum ioas_fault_reason got = ioas_issuer_fault(issuer, &seq);

	assert_int_equal(rc, shot->want ? -EFAULT : 0);
	assert_int_equal(seq > before ? got : IOAS_FAULT_NONE, shot->want);
}

/* The bit of the leaf, read and cleared: what was tracked before does not count. */
static void check_dirty(const struct shot *shot)
{
	struct ioas_range runs[4];
	struct pt_dirty read = {.first = shot->tlp.addr & ~(PAGE - 1),
				.last = shot->tlp.addr | (PAGE - 1),
				.clear = true,
				.inflight = &iommu->inflight,
				.runs = runs,
				.max = 4};

	if (!shot->dirty)
		return;
	assert_true(pt_dirty_read(pt[shot->table], &read));
	assert_true(read.nr > 0);
}

static void check_span(const struct shot *shot, const void *host, uint64_t len)
{
	uint64_t least = shot->len < shot->tlp.len ? shot->len : shot->tlp.len;

	assert_ptr_equal(host, shot->host);
	assert_in_range(len, least, shot->tlp.len);
}

static uint64_t newest(void)
{
	uint64_t seq;

	ioas_issuer_fault(issuer, &seq);
	return seq;
}

static void by_issue(unsigned span, unsigned page)
{
	struct shot shot = aim_somewhere(span, page);
	uint64_t before = newest();
	char buf[16] = {0};

	shot.tlp.len = 1;
	check_fault(&shot, ioas_tlp_issue(issuer, &shot.tlp, buf), before);
	if (!shot.want)
		assert_memory_equal(buf, shot.host, 1);
	check_dirty(&shot);
}

static void by_span(unsigned span, unsigned page)
{
	struct shot shot = aim_somewhere(span, page);
	uint64_t before = newest();
	struct ioas_dma dma;

	shot.tlp.len = 1;
	ioas_dma_init(&dma, issuer);
	check_fault(&shot, ioas_dma_add(&dma, &shot.tlp), before);
	if (!shot.want)
		check_span(&shot, dma.iov[0].iov_base, dma.iov[0].iov_len);
	ioas_dma_fini(&dma);
	check_dirty(&shot);
}

/* Some of what one finds is still remembered when the next comes; maps come in between. */
static void by_batch(unsigned span, unsigned page)
{
	struct ioas_batch batch;
	struct shot shot[8];

	ioas_batch_begin(&batch, issuer);
	for (unsigned i = 0; i < 8; i++) {
		uint64_t before = newest(), len;
		void *host;
		int rc;

		shot[i] = aim_somewhere(span, page);
		rc = ioas_batch_at(&batch, &shot[i].tlp, &host, &len);
		check_fault(&shot[i], rc, before);
		if (!rc)
			check_span(&shot[i], host, len);
		if (!draw(4))
			map(draw(TABLES), span, (page + draw(8)) % PAGES);
	}
	ioas_batch_end(&batch);
	check_dirty(&shot[draw(8)]);
}

static void by_many(unsigned span, unsigned page)
{
	struct ioas_tlp tlps[70];
	struct shot shot[70];
	uint64_t lens[70], before = newest();
	struct ioas_batch batch;
	void *hosts[70];
	unsigned done;
	int rc;

	for (unsigned i = 0; i < 70; i++) {
		shot[i] = aim_somewhere(span, page);
		tlps[i] = shot[i].tlp;
	}
	ioas_batch_begin(&batch, issuer);
	done = ioas_batch_at_many(&batch, tlps, 70, hosts, lens, &rc);
	ioas_batch_end(&batch);
	for (unsigned i = 0; i < done; i++) {
		assert_int_equal(shot[i].want, IOAS_FAULT_NONE);
		check_span(&shot[i], hosts[i], lens[i]);
	}
	if (done < 70)
		check_fault(&shot[done], rc, before);
}

static void change(unsigned span, unsigned page)
{
	unsigned t = draw(TABLES);

	for (unsigned i = 0; i < 3; i++)
		map(t, span, (page + draw(8)) % PAGES);
	if (!draw(4))
		unmap(t, span, page);
	if (!draw(20))
		turn(draw(FORMS));
	if (!draw(150))
		replace(t);
	if (!draw(100))
		track(t);
	/* The numbers of contexts are about to begin anew. */
	if (!draw(50))
		issuer->tlb.psc.number = (LAST - draw(4)) << PSC_NUMBER_LG2;
}

static void what_is_remembered_never_shows(void **arg)
{
	static void (*const ways[])(unsigned, unsigned) = {by_issue, by_span, by_batch, by_many};

	for (unsigned i = 0; i < sizeof(format) / sizeof(format[0]); i++) {
		of = format[i];
		start();
		for (unsigned f = 0; f < FORMS; f++)
			turn(f);
		for (unsigned step = 0; step < STEPS; step++) {
			/* Mostly near the end of the tables. */
			unsigned span = draw(SPANS);
			unsigned page = draw(3) ? PAGES / 2 - 8 + draw(16) : draw(PAGES);

			if (draw(3))
				change(span, page);
			for (unsigned k = 0; k < 6; k++)
				ways[draw(4)](span, page);
		}
		stop();
	}
}

static enum psc_answer look(iova_t iova, struct psc_found *found)
{
	const struct ioas_tlp tlp = {.addr = iova};
	struct psc *psc = &issuer->tlb.psc;
	const struct psc_context *context =
		psc_context(psc, iotlb_form(&tlp), inflight_generation(&iommu->inflight));

	return context ? psc_find(psc, context, iova, found) : PSC_NOTHING;
}

/* Two windows with a page between them, side by side in one table. */
static void what_is_near_is_found_without_a_walk(void **arg)
{
	iova_t at = span_at[0];
	struct mem_window *window[2];
	struct pt_gather gather = {NULL};
	struct psc_found found;
	char c;

	of = PT_AMDV1;
	start();
	assert_int_equal(route_attach(dev, NULL, pt[0], NULL), 0);
	for (unsigned w = 0; w < 2; w++) {
		iova_t first = at + w * 9 * PAGE;

		assert_int_equal(mem_window_new(iommu->mem, first, memory + w * 9 * PAGE, 8 * PAGE,
						&window[w]),
				 0);
		for (unsigned i = 0; i < 8; i++)
			assert_int_equal(pt_map(pt[0], first + i * PAGE, window[w]->pa + i * PAGE,
						PAGE, IOAS_PROT_READ),
					 0);
	}
	assert_int_equal(look(at, &found), PSC_NOTHING);
	assert_int_equal(ioas_dma_read(issuer, at + 5 * PAGE + 7, &c, 1), 0);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(look(at + i * PAGE + 9, &found), PSC_FOUND);
		assert_int_equal(found.first, at + i * PAGE);
		assert_int_equal(found.reach, PAGE - 1);
		assert_ptr_equal(at + i * PAGE + found.to_host, memory + i * PAGE);
		assert_int_equal(found.entry->way.ops, 1u << IOAS_TLP_READ);
	}
	assert_int_equal(look(at + 8 * PAGE, &found), PSC_OTHER);
	assert_false(psc_turn(iommu->mem, pt_shape(pt[0]), at + 8 * PAGE, found.entry, found.leaf,
			      &found));
	assert_int_equal(look(at + 9 * PAGE, &found), PSC_OTHER);
	assert_int_equal(ioas_dma_read(issuer, at + 16 * PAGE, &c, 1), 0);
	assert_int_equal(look(at + 9 * PAGE, &found), PSC_FOUND);
	assert_ptr_equal(at + 9 * PAGE + found.to_host, memory + 9 * PAGE);
	assert_ptr_equal(found.entry->window, window[1]);
	/* A generation ends all of it. */
	inflight_wait(&iommu->inflight);
	assert_int_equal(look(at, &found), PSC_NOTHING);
	pt_unmap(pt[0], at, at + 17 * PAGE - 1, &gather);
	inflight_wait(&iommu->inflight);
	pt_gather_free(&gather);
	for (unsigned w = 0; w < 2; w++)
		mem_window_destroy(iommu->mem, window[w]);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_remembered_never_shows),
		cmocka_unit_test(what_is_near_is_found_without_a_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
