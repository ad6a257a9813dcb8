/* SPDX-License-Identifier: MIT */
/*
 * Description: check-dirty finds a bit that was lost, names it once, and finds nothing where
 * nothing was: with readings of parts, of both kinds, while devices write and the program remaps.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <ioas/ats.h>
#include <ioas/batch.h>
#include <ioas/run.h>
#include "iommu.h"
#include "obj/obj.h"
#include "pci/pci.h"
#include "pt/pt.h"
#include "uapi/uapi.h"
#include "world.h"

#define NR   16u /* pages */
#define IOVA 0x10000000ull

struct set {
	struct world *w;
	int fd;
	uint32_t ioas;
	struct obj_hwpt *hwpt;
	struct ioas_issuer *issuer;
};

/* What the host sees: the counters. */
static struct ioas_run_check_dirty counts;
static _Alignas(64) char rest[1 << 17];
static size_t used;

static void *counters(void *host, const char *name, size_t len)
{
	void *block = rest + used;

	if (!strcmp(name, IOAS_RUN_CHECK_DIRTY))
		return &counts;
	used += (len + 63) & ~63ul;
	return used <= sizeof(rest) ? block : NULL;
}

static int setup(void **state)
{
	static const struct ioas_host_ops ops = {.counters = counters};
	struct ioas_iommu_config config = {.host_ops = &ops};

	memset(&counts, 0, sizeof(counts));
	memset(rest, 0, sizeof(rest));
	used = 0;
	assert_int_equal(ioas_iommu_config_set(&config, "check-dirty", "on", NULL), 0);
	return world_setup_config(state, &config);
}

static long track(struct set *s, uint32_t flags)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {
		.size = sizeof(cmd), .flags = flags, .hwpt_id = s->hwpt->obj.id};

	return w_ioctl(s->w, s->fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd);
}

static void map(struct set *s, unsigned page, unsigned nr)
{
	uint64_t iova = IOVA + page * PAGE;

	assert_int_equal(w_map(s->w, s->fd, s->ioas,
			       IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
				       IOMMU_IOAS_MAP_WRITEABLE,
			       s->w->page + page * PAGE, nr * PAGE, &iova),
			 0);
}

static void unmap(struct set *s, unsigned page, unsigned nr)
{
	struct iommu_ioas_unmap cmd = {.size = sizeof(cmd),
				       .ioas_id = s->ioas,
				       .iova = IOVA + page * PAGE,
				       .length = nr * PAGE};

	assert_int_equal(w_ioctl(s->w, s->fd, IOMMU_IOAS_UNMAP, &cmd), 0);
}

static struct set begin(void **state)
{
	struct iommu_hwpt_alloc alloc = {.size = sizeof(alloc),
					 .flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING};
	struct set s = {.w = *state};
	uint16_t command = 6;
	int cdev;

	s.fd = w_open(s.w, "/dev/iommu");
	s.ioas = alloc.pt_id = w_ioas(s.w, s.fd);
	cdev = w_open_cdev(s.w, 0);
	alloc.dev_id = w_bind(s.w, cdev, s.fd);
	assert_int_equal(w_ioctl(s.w, s.fd, IOMMU_HWPT_ALLOC, &alloc), 0);
	assert_int_equal(w_attach(s.w, cdev, &alloc.out_hwpt_id), 0);
	assert_int_equal(pci_config_write(s.w->dev[0].pci, 4, &command, 2), 2);
	assert_int_equal(ioas_issuer_new(ioas_pci_device(s.w->dev[0].pci), &s.issuer), 0);
	s.hwpt = (struct obj_hwpt *)obj_get(s.w->file[s.fd - 1000]->priv, alloc.out_hwpt_id,
					    OBJ_HWPT);
	assert_non_null(s.hwpt);
	return s;
}

static void end(struct set *s)
{
	obj_put(&s->hwpt->obj);
	ioas_issuer_destroy(s->issuer);
}

static void write_page(struct set *s, unsigned page)
{
	char byte = 1;

	assert_int_equal(ioas_dma_write(s->issuer, IOVA + page * PAGE + 7, &byte, 1), 0);
}

/* Which pages, as bits. */
static uint64_t get(struct set *s, unsigned page, unsigned nr, uint32_t flags)
{
	uint64_t bits[2] = {0};
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = s->hwpt->obj.id,
		.flags = flags,
		.iova = IOVA + page * PAGE,
		.length = nr * PAGE,
		.page_size = PAGE,
		.data = (uintptr_t)bits,
	};

	assert_int_equal(w_ioctl(s->w, s->fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd), 0);
	return bits[0] << page;
}

/* As if a bit had been lost: all of them. */
static void lose(struct set *s)
{
	pt_dirty_clear(s->hwpt->pt, &s->w->iommu->inflight);
}

static void a_lost_bit_is_named_once(void **state)
{
	struct set s = begin(state);
	struct ioas_fault fault[4];
	uint64_t seq = 0;

	map(&s, 0, NR);
	assert_int_equal(track(&s, IOMMU_HWPT_DIRTY_TRACKING_ENABLE), 0);
	write_page(&s, 3);
	assert_int_equal(get(&s, 0, NR, 0), 1 << 3);
	assert_int_equal(counts.missing, 0);
	write_page(&s, 5);
	lose(&s);
	write_page(&s, 6);
	assert_int_equal(get(&s, 0, NR, 0), 1 << 6);
	assert_int_equal(counts.missing, 1);
	assert_int_equal(ioas_fault_read(s.w->iommu, &seq, fault, 4), 1);
	assert_int_equal(fault[0].reason, IOAS_PASSED_UNTOLD);
	assert_int_equal(fault[0].addr, IOVA + 5 * PAGE);
	assert_string_equal(fault[0].device, "0000:01:00.0");
	assert_int_equal(fault[0].hwpt_id, s.hwpt->obj.id);
	assert_int_equal(fault[0].ioas_id, s.ioas);
	assert_int_equal(fault[0].id, ioas_device_id(ioas_pci_device(s.w->dev[0].pci)));
	assert_false(fault[0].stream);
	assert_int_equal(fault[0].tlp.addr, IOVA + 5 * PAGE);
	assert_int_equal(fault[0].tlp.len, PAGE);
	assert_int_equal(fault[0].tlp.op, IOAS_TLP_WRITE);
	assert_true(fault[0].time_ns > 0);
	assert_int_equal(get(&s, 0, NR, 0), 0);
	assert_int_equal(counts.missing, 1);
	assert_int_equal(counts.bitmaps, 3);
	assert_int_equal(counts.pages, 3);
	end(&s);
}

/* Though the one before it was told, and stands beside it in the bitmap. */
static void the_next_page_is_missed(void **state)
{
	struct set s = begin(state);

	map(&s, 0, NR);
	assert_int_equal(track(&s, IOMMU_HWPT_DIRTY_TRACKING_ENABLE), 0);
	write_page(&s, 5);
	write_page(&s, 6);
	lose(&s);
	write_page(&s, 5);
	assert_int_equal(get(&s, 0, NR, 0), 1 << 5);
	assert_int_equal(counts.missing, 1);
	end(&s);
}

/* Each page that a write meets, and of what is unmapped no other. */
static void every_page_of_a_write_is_missed(void **state)
{
	struct set s = begin(state);
	struct ioas_fault fault[8];
	char bytes[2 * PAGE + 2] = {0};
	uint64_t seq = 0;

	for (unsigned page = 0; page < NR; page++)
		map(&s, page, 1);
	assert_int_equal(track(&s, IOMMU_HWPT_DIRTY_TRACKING_ENABLE), 0);
	assert_int_equal(ioas_dma_write(s.issuer, IOVA + 3 * PAGE - 1, bytes, sizeof(bytes)), 0);
	assert_int_equal(ioas_dma_write(s.issuer, IOVA + 8 * PAGE, bytes, PAGE), 0);
	assert_int_equal(get(&s, 0, NR, IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR), 0x13c);
	assert_int_equal(counts.pages, 5);
	unmap(&s, 3, 1);
	lose(&s);
	assert_int_equal(get(&s, 0, NR, 0), 0);
	assert_int_equal(counts.missing, 4);
	assert_int_equal(counts.pages, 9);
	assert_int_equal(ioas_fault_read(s.w->iommu, &seq, fault, 8), 4);
	assert_int_equal(fault[0].addr, IOVA + 2 * PAGE);
	assert_int_equal(fault[1].addr, IOVA + 4 * PAGE);
	assert_int_equal(fault[2].addr, IOVA + 5 * PAGE);
	assert_int_equal(fault[3].addr, IOVA + 8 * PAGE);
	end(&s);
}

/* What a reading of a part does not ask for is missed by the one that does; never twice. */
static void a_part_misses_what_is_in_it(void **state)
{
	struct set s = begin(state);
	struct ioas_fault fault[8];
	uint64_t seq = 0;

	map(&s, 0, NR);
	assert_int_equal(track(&s, IOMMU_HWPT_DIRTY_TRACKING_ENABLE), 0);
	write_page(&s, 4);
	write_page(&s, 7);
	write_page(&s, 8);
	lose(&s);
	assert_int_equal(get(&s, 0, 4, 0), 0);
	assert_int_equal(counts.missing, 0);
	assert_int_equal(get(&s, 5, 3, 0), 0);
	assert_int_equal(counts.missing, 1);
	assert_int_equal(get(&s, 4, 4, IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR), 0);
	assert_int_equal(counts.missing, 2);
	assert_int_equal(get(&s, 8, 8, 0), 0);
	assert_int_equal(get(&s, 0, NR, 0), 0);
	assert_int_equal(counts.missing, 3);
	assert_int_equal(counts.unseen, 0);
	assert_int_equal(ioas_fault_read(s.w->iommu, &seq, fault, 8), 3);
	assert_int_equal(fault[0].addr, IOVA + 7 * PAGE);
	assert_int_equal(fault[1].addr, IOVA + 4 * PAGE);
	assert_int_equal(fault[2].addr, IOVA + 8 * PAGE);
	end(&s);
}

/* Every way to memory is seen: what is remembered, loans, stores and batches. */
static void all_ways_are_seen(void **state)
{
	struct set s = begin(state);
	struct ioas_batch batch;
	struct ioas_dma dma;
	struct ioas_tlp tlp = {.len = 8, .op = IOAS_TLP_WRITE};
	uint64_t len;
	void *host;

	map(&s, 0, NR);
	assert_int_equal(track(&s, IOMMU_HWPT_DIRTY_TRACKING_ENABLE), 0);
	assert_int_equal(ioas_dma_store(s.issuer, IOVA + 1 * PAGE, 1, 8), 0);
	ioas_batch_begin(&batch, s.issuer);
	for (unsigned i = 0; i < 2; i++) {
		tlp.addr = IOVA + 2 * PAGE + i * 64;
		assert_int_equal(ioas_batch_at(&batch, &tlp, &host, &len), 0);
	}
	ioas_batch_end(&batch);
	ioas_dma_init(&dma, s.issuer);
	tlp = (struct ioas_tlp){
		.addr = IOVA + 4 * PAGE + 100, .len = 2 * PAGE, .op = IOAS_TLP_WRITE};
	assert_int_equal(ioas_dma_add(&dma, &tlp), 0);
	lose(&s);
	assert_int_equal(get(&s, 0, NR, 0), 0);
	assert_int_equal(counts.missing, 5);
	/* The end of the loan marks and notes again. */
	ioas_dma_end(&dma);
	lose(&s);
	get(&s, 0, NR, 0);
	assert_int_equal(counts.missing, 8);
	ioas_dma_fini(&dma);
	end(&s);
}

static bool gives_back(void *arg, const struct ioas_ats_invalidation *what)
{
	if (arg)
		ioas_atc_invalidate(arg, what);
	return true;
}

/* The first device of the world is one with ATS, and perhaps a cache. */
static void with_ats(struct world *w, struct ioas_atc *atc)
{
	static const struct ioas_pci_ops ops = {0};
	static const struct ioas_ats_ops ats_ops = {.invalidate = gives_back};
	static const struct ioas_pci_desc desc = {.vendor = 0x1b36, .device = 1, .ats = true};
	struct ioas_pci_addr addr = {.bus = 9};

	assert_int_equal(ioas_pci_add(w->iommu, addr, &desc, &ops, NULL, &w->dev[0].pci, NULL), 0);
	assert_int_equal(ioas_ats_open(ioas_pci_device(w->dev[0].pci), &ats_ops, atc), 0);
}

static struct ioas_ats_translation translate(struct set *s, unsigned page)
{
	struct ioas_tlp tlp = {.addr = IOVA + page * PAGE, .len = PAGE, .op = IOAS_TLP_WRITE};
	struct ioas_ats_translation found;

	assert_int_equal(ioas_ats_translate(s->issuer, &tlp, &found, 1), 1);
	assert_true(found.flags & IOAS_ATS_WRITE);
	return found;
}

static int write_translated(struct set *s, pa_t pa)
{
	struct ioas_tlp tlp = {
		.addr = pa, .len = 1, .op = IOAS_TLP_WRITE, .at = IOAS_TLP_TRANSLATED};
	char byte = 1;

	return ioas_tlp_issue(s->issuer, &tlp, &byte);
}

static void writes_by_translations_are_seen(void **state)
{
	struct ioas_ats_translation found;
	struct ioas_fault fault[4];
	uint64_t seq = 0;
	struct set s;

	with_ats(*state, NULL);
	s = begin(state);
	for (unsigned page = 0; page < NR; page++)
		map(&s, page, 1);
	assert_int_equal(track(&s, IOMMU_HWPT_DIRTY_TRACKING_ENABLE), 0);
	found = translate(&s, 3);
	assert_int_equal(write_translated(&s, found.addr + 5), 0);
	assert_int_equal(get(&s, 0, NR, IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR), 1 << 3);
	/* What is remembered of it is noted, too; and told by the mark of before. */
	assert_int_equal(write_translated(&s, found.addr + 6), 0);
	assert_int_equal(get(&s, 0, NR, 0), 1 << 3);
	assert_int_equal(write_translated(&s, found.addr + 7), -EFAULT);
	assert_int_equal(get(&s, 0, NR, 0), 0);
	assert_int_equal(counts.missing, 0);
	found = translate(&s, 7);
	assert_int_equal(write_translated(&s, found.addr), 0);
	ioas_fault_read(s.w->iommu, &seq, fault, 4);
	lose(&s);
	assert_int_equal(get(&s, 0, NR, 0), 0);
	assert_int_equal(counts.missing, 1);
	assert_int_equal(ioas_fault_read(s.w->iommu, &seq, fault, 4), 1);
	assert_int_equal(fault[0].reason, IOAS_PASSED_UNTOLD);
	assert_int_equal(fault[0].addr, IOVA + 7 * PAGE);
	end(&s);
	ioas_ats_close(ioas_pci_device(s.w->dev[0].pci));
}

static void nothing_is_missing_where_nothing_is_due(void **state)
{
	struct set s = begin(state);
	char byte;

	map(&s, 0, NR);
	write_page(&s, 1);
	assert_int_equal(track(&s, IOMMU_HWPT_DIRTY_TRACKING_ENABLE), 0);
	get(&s, 0, NR, 0);
	assert_int_equal(ioas_dma_read(s.issuer, IOVA, &byte, 1), 0);
	/* Unmapped, and mapped anew. */
	write_page(&s, 2);
	unmap(&s, 0, NR);
	map(&s, 0, NR);
	assert_int_equal(get(&s, 0, NR, 0), 0);
	/* Of another part; then of this, without and with clearing. */
	write_page(&s, 9);
	write_page(&s, 10);
	assert_int_equal(get(&s, 0, 8, 0), 0);
	assert_int_equal(get(&s, 8, 8, IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR), 3 << 9);
	assert_int_equal(get(&s, 8, 2, 0), 1 << 9);
	assert_int_equal(get(&s, 8, 8, 0), 1 << 10);
	/* Switched off and on again. */
	write_page(&s, 4);
	assert_int_equal(track(&s, 0), 0);
	assert_int_equal(track(&s, IOMMU_HWPT_DIRTY_TRACKING_ENABLE), 0);
	assert_int_equal(get(&s, 0, NR, 0), 0);
	assert_int_equal(counts.missing, 0);
	assert_int_equal(counts.bitmaps, 7);
	end(&s);
}

struct fire {
	struct set *set;
	struct ioas_atc *atc; /* NULL: one by one, not translated */
	_Atomic bool stop, begun;
};

static void *fire(void *arg)
{
	struct fire *f = arg;
	struct ioas_issuer *issuer;
	uint64_t value = 0;

	assert_int_equal(ioas_issuer_new(ioas_pci_device(f->set->w->dev[0].pci), &issuer), 0);
	while (!atomic_load(&f->stop)) {
		iova_t at = IOVA + value++ * 0x9e3779b97f4a7c15ull % (NR * PAGE) / 8 * 8;

		if (!f->atc) {
			ioas_dma_store(issuer, at, value, 8);
		} else {
			struct ioas_tlp tlp = {.addr = at, .len = 8, .op = IOAS_TLP_WRITE};

			ioas_atc_issue(f->atc, issuer, &tlp, &value, NULL);
		}
		atomic_store(&f->begun, true);
	}
	ioas_issuer_destroy(issuer);
	return NULL;
}

static void read_under_fire(void **state, struct ioas_atc *atc, unsigned rounds)
{
	struct set s = begin(state);
	struct fire plain = {.set = &s}, other = {.set = &s, .atc = atc};
	pthread_t thread[2];

	for (unsigned page = 0; page < NR; page += 4)
		map(&s, page, 4);
	assert_int_equal(track(&s, IOMMU_HWPT_DIRTY_TRACKING_ENABLE), 0);
	assert_int_equal(pthread_create(&thread[0], NULL, fire, &plain), 0);
	assert_int_equal(pthread_create(&thread[1], NULL, fire, &other), 0);
	while (!atomic_load(&plain.begun) || !atomic_load(&other.begun))
		sched_yield();
	for (unsigned round = 0; round < rounds; round++) {
		unsigned page = round % 4 * 4;

		get(&s, round % 3 ? 0 : page, round % 3 ? NR : 4,
		    round % 5 ? 0 : IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR);
		if (round % 7 == 0) {
			unmap(&s, page, 4);
			map(&s, page, 4);
		}
	}
	atomic_store(&plain.stop, true);
	atomic_store(&other.stop, true);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	get(&s, 0, NR, 0);
	assert_int_equal(counts.missing, 0);
	assert_int_equal(counts.unseen, 0);
	assert_true(counts.pages > 0);
	end(&s);
}

static void nothing_is_missing_under_fire(void **state)
{
	read_under_fire(state, NULL, 500);
}

static void nothing_is_missing_under_translated_fire(void **state)
{
	struct world *w = *state;
	struct ioas_atc *atc;

	assert_int_equal(ioas_atc_new(8, &atc), 0);
	with_ats(w, atc);
	read_under_fire(state, atc, 250);
	ioas_ats_close(ioas_pci_device(w->dev[0].pci));
	ioas_atc_destroy(atc);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_lost_bit_is_named_once, setup, world_teardown),
		cmocka_unit_test_setup_teardown(the_next_page_is_missed, setup, world_teardown),
		cmocka_unit_test_setup_teardown(every_page_of_a_write_is_missed, setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(a_part_misses_what_is_in_it, setup, world_teardown),
		cmocka_unit_test_setup_teardown(all_ways_are_seen, setup, world_teardown),
		cmocka_unit_test_setup_teardown(writes_by_translations_are_seen, setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(nothing_is_missing_where_nothing_is_due, setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(nothing_is_missing_under_fire, setup,
						world_teardown),
		cmocka_unit_test_setup_teardown(nothing_is_missing_under_translated_fire, setup,
						world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
