/* SPDX-License-Identifier: MIT */
/*
 * Description: what is lent, against an array of pages: spans that are joined, what is held and
 * counted, pages that are dirty as they are lent and once more at the end, and transfers as they
 * were where a TLP meets a hole or there is no memory (see meson.build).
 */
#include "pt/pt.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/rnd.h"
#include "tests/unit/tlp/rig.h"
#include "tlp/check_dirty.h"

#define BASE  0x40000000ul
#define NR    40u /* pages of IOVAs */
#define WINS  24u
#define STEPS 12000u
#define SPANS 4096u

static unsigned countdown;

static bool should_fail(void)
{
	return countdown && !--countdown;
}

/* Small numbers from a generator that is the same everywhere. */
static unsigned below(unsigned n)
{
	static uint64_t x = 88172645463325252;

	return (unsigned)(rnd_next(&x) >> 20) % n;
}

static struct rig rig;
static struct pt *plain;
static struct ioas_dma dma;

static int start(void **state)
{
	const struct pt_config config = {
		.format = PT_AMDV1, .aw = 48, .max_leaf_lg2 = 12, .dirty = true};

	rig_start(&rig, &(struct ioas_iommu_config){.check_dirty = true});
	plain = rig.pt;
	assert_int_equal(pt_new(&config, &rig.pt), 0);
	assert_int_equal(route_attach(rig.dev, NULL, rig.pt, NULL), 0);
	/* Whatever was there. */
	memset(&dma, 0xa5, sizeof(dma));
	ioas_dma_init(&dma, rig.issuer);
	return 0;
}

static int stop(void **state)
{
	ioas_dma_fini(&dma);
	route_detach(rig.dev, NULL);
	pt_destroy(plain);
	rig_stop(&rig);
	return 0;
}

/* ---- the twin ---- */

static struct {
	int win; /* -1: nothing is mapped */
	char *host;
} pages[NR];

static struct {
	struct mem_window *window;
	uint32_t prot;
	unsigned held;
} wins[WINS];

static struct state {
	struct iovec iov[SPANS];
	unsigned iov_nr;
	uint64_t len;
	int last_win; /* whose the newest hold is; -1: nobody's */
	unsigned held[WINS];
	bool written[NR];
} now, tried;

static bool dirty[NR];
static uint64_t tlps, read_len, write_len, faults;
static unsigned no_memory;

/* Windows of up to three pages, some beside the one before in memory, some that may not be written
 * and some holes. */
static void map_all(char *memory)
{
	unsigned page = 0, nr = 0, at = 0;

	for (; page < NR; page++)
		pages[page].win = -1;
	for (page = 0; page < NR && nr < WINS; nr++) {
		unsigned len = 1 + below(3);

		len = len < NR - page ? len : NR - page;
		at += below(2);
		wins[nr].prot = IOAS_PROT_READ | (below(4) ? IOAS_PROT_WRITE : 0);
		wins[nr].window = rig_map(&rig, BASE + page * PAGE, memory + at * PAGE, len * PAGE,
					  wins[nr].prot);
		for (; len; len--, page++, at++) {
			pages[page].win = (int)nr;
			pages[page].host = memory + at * PAGE;
		}
		page += !below(5);
	}
}

static void add_page(struct state *s, unsigned page, unsigned off, uint64_t len)
{
	struct iovec *last = s->iov_nr ? &s->iov[s->iov_nr - 1] : NULL;
	char *host = pages[page].host + off;

	if (last && (char *)last->iov_base + last->iov_len == host) {
		last->iov_len += len;
	} else {
		assert_true(s->iov_nr < SPANS);
		s->iov[s->iov_nr++] = (struct iovec){host, len};
	}
	s->held[pages[page].win] += s->last_win != pages[page].win;
	s->last_win = pages[page].win;
	s->len += len;
}

/* Into `tried`: does all of it pass? What was written until it does not is dirty all the same. */
static bool try_add(const struct ioas_tlp *tlp, bool tracked)
{
	uint64_t done = 0;

	tried = now;
	while (done < tlp->len) {
		uint64_t at = tlp->addr + done - BASE, off = at % PAGE, len = PAGE - off;
		unsigned page = (unsigned)(at / PAGE);

		len = len < tlp->len - done ? len : tlp->len - done;
		if (page >= NR || pages[page].win < 0 ||
		    (tlp->op == IOAS_TLP_WRITE && !(wins[pages[page].win].prot & IOAS_PROT_WRITE)))
			return false;
		add_page(&tried, page, (unsigned)off, len);
		if (tlp->op == IOAS_TLP_WRITE) {
			tried.written[page] = true;
			dirty[page] |= tracked;
		}
		done += len;
	}
	return true;
}

static void add(bool tracked)
{
	struct ioas_tlp tlp = {.addr = BASE + below(NR * PAGE),
			       .len = 1 + below(below(3) ? 3 * PAGE : 64),
			       .op = below(2) ? IOAS_TLP_WRITE : IOAS_TLP_READ};
	/* What is written before there is no memory is dirty: how much, the array does not know. */
	bool fails = below(2) && tlp.op == IOAS_TLP_READ, good;
	int rc;

	if (!below(3)) {
		tlp.addr &= ~(PAGE - 1);
		tlp.len += below(2) ? -tlp.len & (PAGE - 1) : 0;
	}
	countdown = fails;
	rc = ioas_dma_add(&dma, &tlp);
	fails = fails && !countdown;
	countdown = 0;
	tlps++;
	if (fails) {
		assert_int_equal(rc, -ENOMEM);
		no_memory++;
		return;
	}
	good = try_add(&tlp, tracked);
	assert_int_equal(rc, good ? 0 : -EFAULT);
	faults += !good;
	if (!good)
		return;
	now = tried;
	*(tlp.op == IOAS_TLP_WRITE ? &write_len : &read_len) += tlp.len;
}

static void end(bool tracked)
{
	for (unsigned i = 0; i < NR; i++)
		dirty[i] |= now.written[i] && tracked;
	memset(&now, 0, sizeof(now));
	now.last_win = -1;
	if (below(4)) {
		ioas_dma_end(&dma);
		return;
	}
	/* Its arrays begin anew, too. */
	ioas_dma_fini(&dma);
	ioas_dma_init(&dma, rig.issuer);
}

static void read_dirty(void)
{
	struct ioas_range runs[NR];
	struct pt_dirty read = {.first = BASE,
				.last = BASE + NR * PAGE - 1,
				.clear = true,
				.inflight = &rig.iommu->inflight,
				.runs = runs,
				.max = NR};
	bool told[NR] = {false};

	assert_true(pt_dirty_read(rig.pt, &read));
	for (size_t i = 0; i < read.nr; i++)
		for (iova_t at = runs[i].first; at <= runs[i].last; at += PAGE)
			told[(at - BASE) / PAGE] = true;
	assert_memory_equal(told, dirty, sizeof(told));
	memset(dirty, 0, sizeof(dirty));
}

static void compare(void)
{
	const struct ioas_device_counters *counters = ioas_device_counters(rig.dev);

	assert_int_equal(dma.len, now.len);
	assert_int_equal(dma.iov_nr, now.iov_nr);
	for (unsigned i = 0; i < now.iov_nr; i++) {
		assert_ptr_equal(dma.iov[i].iov_base, now.iov[i].iov_base);
		assert_int_equal(dma.iov[i].iov_len, now.iov[i].iov_len);
	}
	for (unsigned i = 0; i < WINS && wins[i].window; i++)
		assert_int_equal(atomic_load(&wins[i].window->lend.count[0]), now.held[i]);
	assert_int_equal(atomic_load(&rig.dev->lent.count[0]), now.len != 0);
	assert_int_equal(counters->tlps, tlps);
	assert_int_equal(counters->read_len, read_len);
	assert_int_equal(counters->write_len, write_len);
	assert_int_equal(counters->faults, faults);
}

static void what_is_lent_is_what_an_array_says(void **state)
{
	char *memory = rig_pages(2 * NR);
	bool tracked = false;

	map_all(memory);
	end(false);
	for (unsigned i = 0; i < STEPS; i++) {
		unsigned what = below(32);

		if (what < 24) {
			add(tracked);
		} else if (what < 27) {
			end(tracked);
		} else if (what < 30) {
			read_dirty();
		} else if (what == 30) {
			tracked = !tracked;
			pt_dirty_track(rig.pt, tracked);
			/* Who remembers a walk without marks forgets it. */
			inflight_wait(&rig.iommu->inflight);
		}
		compare();
	}
	end(tracked);
	assert_true(no_memory > 5 && faults > 100);
	for (unsigned page = 0; page < NR; page++) {
		int win = pages[page].win;

		if (win < 0 || !wins[win].window)
			continue;
		rig_unmap(&rig, BASE + page * PAGE, wins[win].window);
		wins[win].window = NULL;
	}
	munmap(memory, 2 * NR * PAGE);
}

/* Bytes may land until the end: then they are noted for the next reading. */
static void what_is_written_is_noted_at_the_end_too(void **state)
{
	struct ioas_tlp tlp = {.addr = BASE + PAGE + 8, .len = PAGE, .op = IOAS_TLP_WRITE};
	struct mem_window *window =
		rig_map(&rig, BASE, rig_pages(4), 4 * PAGE, IOAS_PROT_READ | IOAS_PROT_WRITE);
	struct check_dirty *check = rig.iommu->check_dirty;
	struct check_reading reading;
	struct ioas_fault fault[4];
	uint64_t seq = 0;

	pt_dirty_track(rig.pt, true);
	check_dirty_track(check, rig.pt, true, inflight_generation(&rig.iommu->inflight));
	inflight_wait(&rig.iommu->inflight);
	assert_int_equal(ioas_dma_add(&dma, &tlp), 0);
	check_dirty_forget(check, rig.pt, 0, UINT64_MAX);
	ioas_dma_end(&dma);
	check_dirty_begin(check, &reading);
	check_dirty_end(check, &reading, rig.pt, 0, UINT64_MAX, 0);
	assert_int_equal(ioas_fault_read(rig.iommu, &seq, fault, 4), 2);
	assert_int_equal(fault[0].addr, BASE + PAGE);
	assert_int_equal(fault[1].addr, BASE + 2 * PAGE);
	check_dirty_track(check, rig.pt, false, 0);
	rig_unmap(&rig, BASE, window);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_lent_is_what_an_array_says, start, stop),
		cmocka_unit_test_setup_teardown(what_is_written_is_noted_at_the_end_too, start,
						stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
