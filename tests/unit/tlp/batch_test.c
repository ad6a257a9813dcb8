/* SPDX-License-Identifier: MIT */
/* Description: a batch gives addresses out that stay good until its end, and judges each TLP. */
#include "tests/unit/tlp/batch_rig.h"

/* As one by one, whatever is asked, and up to the first that does not pass. */
static void many_are_answered_as_each(void **arg)
{
	enum { MANY = 150 };
	struct ioas_device_counters before, after;
	struct ioas_tlp tlps[MANY];
	uint64_t lens[MANY], len, seed = 1;
	void *hosts[MANY], *host;
	struct ioas_batch batch;

	for (unsigned round = 0; round < 500; round++) {
		unsigned nr = round % MANY + 1, want = 0, got;
		int rc = 0, one = 0;

		for (unsigned i = 0; i < nr; i++) {
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			/* Seldom beyond the mapping, with a PASID that goes nowhere, or none at
			 * all. */
			tlps[i] = (struct ioas_tlp){
				.addr = IOVA + (seed >> 33) % (4 * PAGE + (round % 3 ? 0 : 64)),
				.len = (seed >> 20) % (round % 5 ? 32 : 33) + !!(round % 5),
				.flags = seed >> 50 & 127 ? 0 : IOAS_TLP_PASID,
				.op = seed >> 11 & 1,
			};
		}
		ioas_batch_begin(&batch, rig.issuer);
		before = *ioas_device_counters(rig.dev);
		got = ioas_batch_at_many(&batch, tlps, nr, hosts, lens, &rc);
		ioas_batch_end(&batch);
		after = *ioas_device_counters(rig.dev);
		ioas_batch_begin(&batch, rig.issuer);
		while (want < nr && !(one = ioas_batch_at(&batch, &tlps[want], &host, &len))) {
			assert_ptr_equal(host, hosts[want]);
			assert_int_equal(len, lens[want]);
			want++;
		}
		ioas_batch_end(&batch);
		assert_int_equal(got, want);
		assert_int_equal(rc, one);
		assert_int_equal(after.faults - before.faults, rc == -EFAULT);
	}
}

static void each_tlp_is_counted(void **arg)
{
	struct ioas_device_counters before = *ioas_device_counters(rig.dev), after;
	struct ioas_tlp far = {.addr = IOVA + 4 * PAGE, .len = 8, .op = IOAS_TLP_READ};
	struct ioas_batch batch;
	uint64_t len;
	void *host;
	char buf[8];

	ioas_batch_begin(&batch, rig.issuer);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(at(&batch, IOVA + i * 16, 16, IOAS_TLP_READ, &host, &len), 0);
		assert_ptr_equal(host, memory + i * 16);
		assert_int_equal(len, 16);
	}
	assert_int_equal(at(&batch, IOVA + 8, 4, IOAS_TLP_WRITE, &host, &len), 0);
	assert_int_equal(ioas_batch_copy(&batch, &far, buf), -EFAULT);
	assert_int_equal(at(&batch, IOVA, 0, IOAS_TLP_READ, &host, &len), -EINVAL);
	assert_int_equal(at(&batch, IOVA, 8, 2, &host, &len), -EINVAL);
	assert_int_equal(at(&batch, IOVA, 8, 32, &host, &len), -EINVAL);
	assert_int_equal(at(&batch, IOVA, 8, 33, &host, &len), -EINVAL);
	ioas_batch_end(&batch);
	after = *ioas_device_counters(rig.dev);
	assert_int_equal(after.tlps - before.tlps, 102);
	assert_int_equal(after.read_len - before.read_len, 1600);
	assert_int_equal(after.write_len - before.write_len, 4);
	assert_int_equal(after.faults - before.faults, 1);
}

static void a_piece_ends_with_what_is_next_to_it(void **arg)
{
	struct mem_window *next =
		rig_map(&rig, IOVA + 4 * PAGE, memory + 6 * PAGE, PAGE, IOAS_PROT_READ);
	struct ioas_tlp tlp = {.addr = IOVA + 4 * PAGE - 8, .len = 16, .op = IOAS_TLP_READ};
	struct ioas_batch batch;
	uint64_t len;
	void *host;
	char buf[16];

	memset(memory + 4 * PAGE - 8, 'a', 8);
	memset(memory + 6 * PAGE, 'b', 8);
	ioas_batch_begin(&batch, rig.issuer);
	assert_int_equal(ioas_batch_at(&batch, &tlp, &host, &len), 0);
	assert_int_equal(len, 8);
	assert_int_equal(ioas_batch_copy(&batch, &tlp, buf), 0);
	assert_memory_equal(buf, "aaaaaaaabbbbbbbb", 16);
	/* The first piece of a write passes, the second is read-only. */
	tlp.op = IOAS_TLP_WRITE;
	assert_int_equal(ioas_batch_copy(&batch, &tlp, buf), -EFAULT);
	/* It does not wrap into what was found for the addresses before. */
	assert_int_equal(at(&batch, IOVA - 1, 1, IOAS_TLP_READ, &host, &len), -EFAULT);
	assert_int_equal(at(&batch, UINT64_MAX, 1, IOAS_TLP_READ, &host, &len), -EFAULT);
	assert_int_equal(at(&batch, IOVA, UINT64_MAX, IOAS_TLP_READ, &host, &len), 0);
	assert_true(len <= 4 * PAGE);
	ioas_batch_end(&batch);
	rig_unmap(&rig, IOVA + 4 * PAGE, next);
}

/* Wherever it lies in a page, which is remembered as a whole: at its ends, across them, around. */
static void interrupts_are_no_memory_of_a_batch(void **arg)
{
	static const struct ioas_range windows[] = {{IOVA - 8, IOVA + 8},
						    {IOVA - 8, IOVA},
						    {IOVA + 16, IOVA + 31},
						    {IOVA - 8, IOVA + 8 * PAGE},
						    {IOVA + 4 * PAGE - 1, IOVA + 4 * PAGE}};
	const struct ioas_range none = rig.dev->msi;

	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		const struct ioas_range msi = windows[i];
		struct ioas_batch batch;
		uint64_t len;
		void *host;

		rig.dev->msi = msi;
		inflight_wait(&rig.iommu->inflight);
		ioas_batch_begin(&batch, rig.issuer);
		for (iova_t off = 4 * PAGE; off--; off -= off > 64 && off < 4 * PAGE - 64 ? 61 : 0)
			assert_int_equal(at(&batch, IOVA + off, 1, IOAS_TLP_READ, &host, &len),
					 IOVA + off < msi.first || IOVA + off > msi.last ? 0
											 : -EFAULT);
		ioas_batch_end(&batch);
	}
	rig.dev->msi = none;
}

/* A mapping of several large leaves is found as one range, its neighbours are not part of it. */
static void a_region_is_one_range(void **arg)
{
	uint64_t large = 2ull << 20, len;
	iova_t first = (1ull << 30) + large; /* 2, 4 and 2 MiB */
	struct mem_window *region, *below, *above;
	struct ioas_batch batch;
	char *host = mmap(NULL, 6 * large, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			  -1, 0);
	void *got;

	assert_ptr_not_equal(host, MAP_FAILED);
	below = rig_map(&rig, first - large, host, large, IOAS_PROT_READ);
	region = rig_map(&rig, first, host + large, 4 * large, IOAS_PROT_READ);
	above = rig_map(&rig, first + 4 * large, host + 5 * large, large, IOAS_PROT_READ);
	for (unsigned i = 0; i < 4; i++) {
		ioas_batch_begin(&batch, rig.issuer);
		assert_int_equal(at(&batch, first + i * large + 7, 1, IOAS_TLP_READ, &got, &len),
				 0);
		assert_int_equal(batch.first, first);
		assert_int_equal(batch.reach, 4 * large - 1);
		assert_int_equal(at(&batch, first, UINT64_MAX / 2, IOAS_TLP_READ, &got, &len), 0);
		assert_ptr_equal(got, host + large);
		assert_int_equal(len, 4 * large);
		/* Contiguous for this process, too, but another mapping. */
		assert_int_equal(at(&batch, first - 1, 9, IOAS_TLP_READ, &got, &len), 0);
		assert_ptr_equal(got, host + large - 1);
		assert_int_equal(len, 1);
		assert_int_equal(at(&batch, first + 4 * large - 1, 9, IOAS_TLP_READ, &got, &len),
				 0);
		assert_int_equal(len, 1);
		ioas_batch_end(&batch);
		/* Nothing remembered. */
		inflight_wait(&rig.iommu->inflight);
	}
	rig_unmap(&rig, first, region);
	ioas_batch_begin(&batch, rig.issuer);
	assert_int_equal(at(&batch, first - 1, 9, IOAS_TLP_READ, &got, &len), 0);
	assert_int_equal(len, 1);
	assert_int_equal(at(&batch, first, 1, IOAS_TLP_READ, &got, &len), -EFAULT);
	ioas_batch_end(&batch);
	rig_unmap(&rig, first - large, below);
	rig_unmap(&rig, first + 4 * large, above);
	munmap(host, 6 * large);
}

/* One window, of which a part is read-only, and a part is not mapped. */
static void what_differs_ends_a_range(void **arg)
{
	uint64_t large = 2ull << 20, len;
	iova_t first = 1ull << 31;
	char *host = mmap(NULL, 5 * large, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			  -1, 0);
	static const uint32_t prot[] = {1, 1, 3, 0, 3};
	struct pt_gather gather = {NULL};
	struct ioas_batch batch;
	struct mem_window *one;
	void *got;

	assert_ptr_not_equal(host, MAP_FAILED);
	assert_int_equal(mem_window_new(rig.iommu->mem, first, host, 5 * large, &one), 0);
	for (unsigned i = 0; i < 5; i++)
		if (prot[i])
			assert_int_equal(pt_map(rig.pt, first + i * large, one->pa + i * large,
						large, prot[i]),
					 0);
	ioas_batch_begin(&batch, rig.issuer);
	assert_int_equal(at(&batch, first + large, 8, IOAS_TLP_READ, &got, &len), 0);
	assert_int_equal(batch.first, first);
	assert_int_equal(batch.reach, 2 * large - 1);
	assert_int_equal(at(&batch, first + 2 * large, 8, IOAS_TLP_READ, &got, &len), 0);
	assert_int_equal(batch.first, first + 2 * large);
	assert_int_equal(batch.reach, large - 1);
	assert_int_equal(at(&batch, first + 2 * large, 8, IOAS_TLP_WRITE, &got, &len), 0);
	assert_int_equal(at(&batch, first + 2 * large - 1, 1, IOAS_TLP_WRITE, &got, &len), -EFAULT);
	assert_int_equal(at(&batch, first + 3 * large, 1, IOAS_TLP_READ, &got, &len), -EFAULT);
	ioas_batch_end(&batch);
	assert_int_equal(pt_unmap(rig.pt, first, first + 5 * large - 1, &gather), 4 * large);
	inflight_wait(&rig.iommu->inflight);
	pt_gather_free(&gather);
	mem_window_destroy(rig.iommu->mem, one);
	munmap(host, 5 * large);
}

/* Another form than the one before is another question. */
static void forms_do_not_mix(void **arg)
{
	struct ioas_tlp tlp = {.addr = IOVA, .len = 8, .op = IOAS_TLP_READ};
	struct ioas_batch batch;
	uint64_t len, seq;
	void *host;

	ioas_batch_begin(&batch, rig.issuer);
	assert_int_equal(ioas_batch_at(&batch, &tlp, &host, &len), 0);
	tlp.flags = IOAS_TLP_PASID;
	assert_int_equal(ioas_batch_at(&batch, &tlp, &host, &len), -EFAULT);
	assert_int_equal(ioas_issuer_fault(rig.issuer, &seq), IOAS_FAULT_UNDECLARED);
	tlp.flags = IOAS_TLP_RID;
	tlp.rid = 0x999;
	assert_int_equal(ioas_batch_at(&batch, &tlp, &host, &len), -EFAULT);
	assert_int_equal(ioas_issuer_fault(rig.issuer, &seq), IOAS_FAULT_UNKNOWN_RID);
	tlp.flags = 0;
	tlp.at = IOAS_TLP_TRANSLATED;
	assert_int_equal(ioas_batch_at(&batch, &tlp, &host, &len), -EFAULT);
	assert_int_equal(ioas_issuer_fault(rig.issuer, &seq), IOAS_FAULT_TRANSLATED);
	tlp.at = IOAS_TLP_UNTRANSLATED;
	assert_int_equal(ioas_batch_at(&batch, &tlp, &host, &len), 0);
	ioas_batch_end(&batch);
}

/* Something is mapped there all the same: a library's program may do that. */
static void interrupts_are_not_memory(void **arg)
{
	iova_t first = 0xfedff000;
	struct mem_window *around =
		rig_map(&rig, first, memory + 4 * PAGE, 4 * PAGE, IOAS_PROT_READ | IOAS_PROT_WRITE);
	struct ioas_batch batch;
	uint64_t len, seq;
	void *host;

	ioas_batch_begin(&batch, rig.issuer);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(at(&batch, first, 8, IOAS_TLP_WRITE, &host, &len), 0);
		assert_int_equal(at(&batch, 0xfee00000, 4, IOAS_TLP_WRITE, &host, &len), -EFAULT);
		assert_int_equal(ioas_issuer_fault(rig.issuer, &seq), IOAS_FAULT_INTERRUPT);
	}
	ioas_batch_end(&batch);
	rig_unmap(&rig, first, around);
}

static int turns(struct ioas_device *dev, const struct ioas_tlp *tlp, struct route_turn *out)
{
	return tlp->addr >= IOVA + PAGE;
}

static void what_a_port_turns_is_not_for_a_batch(void **arg)
{
	static const struct route_bus_ops ops = {.peer = turns};
	struct ioas_batch batch;
	uint64_t len;
	void *host;

	ioas_batch_begin(&batch, rig.issuer);
	assert_int_equal(at(&batch, IOVA + PAGE, 8, IOAS_TLP_READ, &host, &len), 0);
	ioas_batch_end(&batch);
	atomic_store(&rig.dev->bus_ops, &ops);
	ioas_batch_begin(&batch, rig.issuer);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(at(&batch, IOVA, 8, IOAS_TLP_READ, &host, &len), 0);
		assert_int_equal(at(&batch, IOVA + PAGE, 8, IOAS_TLP_READ, &host, &len), -EAGAIN);
		ioas_batch_end(&batch);
		ioas_batch_begin(&batch, rig.issuer);
	}
	ioas_batch_end(&batch);
	atomic_store(&rig.dev->bus_ops, NULL);
}

static void memory_that_went_is_a_fault(void **arg)
{
	struct ioas_tlp tlp = {.addr = IOVA + PAGE - 8, .len = 16, .op = IOAS_TLP_READ};
	struct ioas_batch batch;
	uint64_t seq = 0;
	struct ioas_fault fault;
	char buf[16];

	munmap(memory + PAGE, PAGE);
	ioas_batch_begin(&batch, rig.issuer);
	assert_int_equal(ioas_batch_copy(&batch, &tlp, buf), -EFAULT);
	ioas_batch_end(&batch);
	assert_int_equal(ioas_fault_read(rig.iommu, &seq, &fault, 1), 1);
	assert_int_equal(fault.reason, IOAS_FAULT_MEMORY);
	assert_int_equal(fault.addr, IOVA + PAGE);
}

/* Across pages, each its own leaf; what does not pass is known before the word it is. */
static void words_are_written_where_they_belong(void **arg)
{
	struct mem_window *next[2] = {
		rig_map(&rig, IOVA + 4 * PAGE, memory + 6 * PAGE, PAGE,
			IOAS_PROT_READ | IOAS_PROT_WRITE),
		rig_map(&rig, IOVA + 5 * PAGE, memory + 7 * PAGE, PAGE, IOAS_PROT_READ),
	};
	struct ioas_tlp tlp = {.addr = IOVA + 4 * PAGE - 32, .len = 64, .op = IOAS_TLP_WRITE};
	struct ioas_device_counters before = *ioas_device_counters(rig.dev), after;
	uint64_t words[2 * 512], got;
	struct ioas_batch batch;

	for (unsigned i = 0; i < 2 * 512; i++)
		words[i] = 0x0101010101010101ull * (i % 255 + 1);
	ioas_batch_begin(&batch, rig.issuer);
	assert_int_equal(ioas_batch_words(&batch, &tlp, words), 0);
	assert_memory_equal(memory + 4 * PAGE - 32, words, 32);
	assert_memory_equal(memory + 6 * PAGE, words + 4, 32);
	assert_int_equal(memory[6 * PAGE + 32], 0);
	tlp.addr = IOVA + 5 * PAGE - 8;
	tlp.len = 16;
	assert_int_equal(ioas_batch_words(&batch, &tlp, words), -EFAULT);
	memcpy(&got, memory + 7 * PAGE - 8, 8);
	assert_int_equal(got, words[0]);
	assert_int_equal(memory[7 * PAGE], 0);
	ioas_batch_end(&batch);
	after = *ioas_device_counters(rig.dev);
	/* One TLP each, in however many pieces. */
	assert_int_equal(after.tlps - before.tlps, 2);
	assert_int_equal(after.write_len - before.write_len, 64 + 8);
	assert_int_equal(after.faults - before.faults, 1);
	ioas_batch_begin(&batch, rig.issuer);
	tlp.addr = IOVA + 4;
	assert_int_equal(ioas_batch_words(&batch, &tlp, words), -EINVAL);
	tlp.addr = IOVA;
	tlp.len = 12;
	assert_int_equal(ioas_batch_words(&batch, &tlp, words), -EINVAL);
	tlp.len = 0;
	assert_int_equal(ioas_batch_words(&batch, &tlp, words), -EINVAL);
	tlp.len = 8;
	tlp.op = IOAS_TLP_READ;
	assert_int_equal(ioas_batch_words(&batch, &tlp, words), -EINVAL);
	ioas_batch_end(&batch);
	for (unsigned i = 0; i < 2; i++)
		rig_unmap(&rig, IOVA + (4 + i) * PAGE, next[i]);
}

/* As for a copy, but that the record names the byte of the whole TLP. */
static void what_is_moved_names_the_lost_byte(void **arg)
{
	struct ioas_tlp tlp = {.addr = IOVA + 64, .len = 3 * PAGE, .op = IOAS_TLP_WRITE};
	uint64_t seq = ioas_device_counters(rig.dev)->faults, len;
	struct ioas_batch batch;
	struct ioas_fault fault;
	static char buf[2 * PAGE];
	void *host;

	memset(buf, 'm', sizeof(buf));
	ioas_batch_begin(&batch, rig.issuer);
	assert_int_equal(ioas_batch_at(&batch, &tlp, &host, &len), 0);
	assert_int_equal(len, 3 * PAGE);
	assert_int_equal(ioas_batch_move(&batch, &tlp, 100, (char *)host + 100, buf, PAGE), 0);
	assert_memory_equal(memory + 164, buf, PAGE);
	munmap(memory + 2 * PAGE, PAGE);
	assert_int_equal(ioas_batch_move(&batch, &tlp, PAGE, (char *)host + PAGE, buf, PAGE),
			 -EFAULT);
	ioas_batch_end(&batch);
	assert_int_equal(ioas_fault_read(rig.iommu, &seq, &fault, 1), 1);
	assert_int_equal(fault.reason, IOAS_FAULT_MEMORY);
	assert_int_equal(fault.addr, IOVA + 2 * PAGE);
	tlp.addr = IOVA + 2 * PAGE - 16;
	tlp.len = 48;
	ioas_batch_begin(&batch, rig.issuer);
	assert_int_equal(ioas_batch_words(&batch, &tlp, (uint64_t[6]){1, 2, 3, 4, 5, 6}), -EFAULT);
	ioas_batch_end(&batch);
	assert_memory_equal(memory + 2 * PAGE - 16, ((uint64_t[2]){1, 2}), 16);
	assert_int_equal(ioas_fault_read(rig.iommu, &seq, &fault, 1), 1);
	assert_int_equal(fault.addr, IOVA + 2 * PAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_tlp_is_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(many_are_answered_as_each, setup, teardown),
		cmocka_unit_test_setup_teardown(a_piece_ends_with_what_is_next_to_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(interrupts_are_no_memory_of_a_batch, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_region_is_one_range, setup, teardown),
		cmocka_unit_test_setup_teardown(what_differs_ends_a_range, setup, teardown),
		cmocka_unit_test_setup_teardown(forms_do_not_mix, setup, teardown),
		cmocka_unit_test_setup_teardown(interrupts_are_not_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_port_turns_is_not_for_a_batch, setup,
						teardown),
		cmocka_unit_test_setup_teardown(memory_that_went_is_a_fault, setup, teardown),
		cmocka_unit_test_setup_teardown(words_are_written_where_they_belong, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_moved_names_the_lost_byte, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
