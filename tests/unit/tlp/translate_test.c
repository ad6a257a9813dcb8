/* SPDX-License-Identifier: MIT */
/* Description: a TLP passes only when every step of its way lets it, and the first that does not is
 * named. */
#include "tests/unit/tlp/rig.h"

static struct rig rig;
static char *memory;

static int setup(void **arg)
{
	rig_start(&rig, NULL);
	memory = rig_pages(4);
	return 0;
}

static int teardown(void **arg)
{
	rig_stop(&rig);
	munmap(memory, 4 * PAGE);
	return 0;
}

static enum ioas_fault_reason pass(const struct ioas_tlp *tlp, struct tlp_span *span)
{
	enum ioas_fault_reason reason;
	struct tlp_route route;

	tlp_enter(rig.issuer);
	reason = tlp_route(rig.issuer, tlp, &route);
	if (!reason)
		reason = tlp_translate(rig.issuer, &route, tlp->op, tlp->addr, tlp->len, span);
	tlp_leave(rig.issuer);
	return reason;
}

static void permissions_of_a_mapping_are_those_of_its_tlps(void **arg)
{
	static const uint32_t prots[] = {IOAS_PROT_READ, IOAS_PROT_WRITE,
					 IOAS_PROT_READ | IOAS_PROT_WRITE};
	struct mem_window *window;
	struct tlp_span span;

	for (int i = 0; i < 3; i++) {
		struct ioas_tlp read = {.addr = 0x5010, .len = 16, .op = IOAS_TLP_READ};
		struct ioas_tlp write = {.addr = 0x5010, .len = 16, .op = IOAS_TLP_WRITE};

		window = rig_map(&rig, 0x5000, memory, PAGE, prots[i]);
		assert_int_equal(pass(&read, &span),
				 prots[i] & IOAS_PROT_READ ? IOAS_FAULT_NONE : IOAS_FAULT_NO_READ);
		assert_int_equal(pass(&write, &span), prots[i] & IOAS_PROT_WRITE
							      ? IOAS_FAULT_NONE
							      : IOAS_FAULT_NO_WRITE);
		rig_unmap(&rig, 0x5000, window);
		assert_int_equal(pass(&read, &span), IOAS_FAULT_NOT_MAPPED);
	}
}

/* Every combination of what can be wrong: the first wrong step of the path is the reason. */
static void the_first_step_that_refuses_is_the_reason(void **arg)
{
	struct mem_window *window = rig_map(&rig, 0x5000, memory, PAGE, IOAS_PROT_READ);

	route_detach(rig.dev, NULL);
	ioas_device_unbind(rig.dev);
	for (unsigned bad = 0; bad < 256; bad++) {
		struct ioas_tlp tlp = {.addr = 0x5000, .len = 8, .op = IOAS_TLP_READ};
		enum ioas_fault_reason want = IOAS_FAULT_NONE, got;
		bool bound = !(bad & 2), declared = !(bad & 4);
		struct tlp_span span;

		if (bad & 128)
			tlp.op = IOAS_TLP_WRITE, want = IOAS_FAULT_NO_WRITE;
		if (bad & 64)
			tlp.addr = 0x9000, want = IOAS_FAULT_NOT_MAPPED;
		if (bad & 32)
			want = IOAS_FAULT_NO_ROUTE;
		if (bad & 8)
			tlp.flags |= IOAS_TLP_PASID, tlp.pasid = 0, want = IOAS_FAULT_UNDECLARED;
		if (!declared)
			want = IOAS_FAULT_UNDECLARED;
		if (!bound)
			want = IOAS_FAULT_NOT_BOUND;
		if (bad & 16)
			tlp.flags |= IOAS_TLP_RID, tlp.rid = 0x101, want = IOAS_FAULT_UNKNOWN_RID;
		if (bad & 1)
			want = IOAS_FAULT_BUS_MASTER;

		route_dma_enable(rig.dev, !(bad & 1));
		/* Attach while it is allowed, then bind again as the case wants it. */
		assert_int_equal(ioas_device_bind(rig.dev, IOAS_FORM_RID, 0, NULL), 0);
		if (!(bad & 32))
			assert_int_equal(route_attach(rig.dev, NULL, rig.pt, NULL), 0);
		ioas_device_unbind(rig.dev);
		if (bound)
			assert_int_equal(
				ioas_device_bind(rig.dev, declared ? IOAS_FORM_RID : 0, 0, NULL),
				0);
		got = pass(&tlp, &span);
		if (got != want)
			fail_msg("case %#x: %s, expected %s", bad, ioas_fault_reason_name(got),
				 ioas_fault_reason_name(want));
		route_detach(rig.dev, NULL);
		if (bound)
			ioas_device_unbind(rig.dev);
	}
	rig_unmap(&rig, 0x5000, window);
	assert_int_equal(ioas_device_bind(rig.dev, IOAS_FORM_RID, 0, NULL), 0);
}

static void the_own_requester_id_may_be_claimed(void **arg)
{
	struct ioas_tlp tlp = {.addr = 0x5000, .len = 8, .flags = IOAS_TLP_RID, .rid = 0x100};
	struct tlp_span span;

	assert_int_equal(pass(&tlp, &span), IOAS_FAULT_NOT_MAPPED);
}

static void addresses_beyond_the_width_are_not_looked_up(void **arg)
{
	static const iova_t addrs[] = {1ull << 48, 1ull << 57, 1ull << 63, UINT64_MAX};
	struct tlp_span span;

	for (int i = 0; i < 4; i++) {
		struct ioas_tlp tlp = {.addr = addrs[i], .len = 1};

		assert_int_equal(pass(&tlp, &span), IOAS_FAULT_WIDTH);
	}
}

static void a_span_is_what_is_left_of_a_leaf_and_no_more_than_asked(void **arg)
{
	struct mem_window *window = rig_map(&rig, 0x8000, memory, 4 * PAGE, IOAS_PROT_READ);
	struct ioas_tlp tlp = {.addr = 0x8123, .len = 1 << 20};
	struct tlp_span span;

	assert_int_equal(pass(&tlp, &span), IOAS_FAULT_NONE);
	assert_ptr_equal(span.host, memory + 0x123);
	assert_int_equal(span.len, 4 * PAGE - 0x123);
	assert_ptr_equal(span.window, window);
	tlp.len = 5;
	assert_int_equal(pass(&tlp, &span), IOAS_FAULT_NONE);
	assert_int_equal(span.len, 5);
	rig_unmap(&rig, 0x8000, window);
}

/* By what the page table enforces, and only of what asks for it. */
static void bytes_that_ask_for_no_snoop_are_counted(void **arg)
{
	const struct pt_config config = {.format = PT_AMDV1, .aw = 48, .coherent = true};
	const struct ioas_device_counters *counters = ioas_device_counters(rig.dev);
	struct ioas_tlp tlp = {.addr = 0x5010, .len = 16, .flags = IOAS_TLP_NO_SNOOP};
	struct pt *plain = rig.pt, *coherent;
	struct mem_window *window;
	struct tlp_span span;

	assert_int_equal(pt_new(&config, &coherent), 0);
	for (unsigned i = 0; i < 2; i++) {
		rig.pt = i ? coherent : plain;
		assert_int_equal(route_attach(rig.dev, NULL, rig.pt, NULL), 0);
		window = rig_map(&rig, 0x5000, memory, PAGE, IOAS_PROT_READ);
		for (unsigned flags = 0; flags < 2; flags++) {
			tlp.flags = flags ? IOAS_TLP_NO_SNOOP : IOAS_TLP_PRIV;
			assert_int_equal(pass(&tlp, &span), IOAS_FAULT_NONE);
			assert_int_equal(counters->unsnooped_len, i || flags ? 16 : 0);
			assert_int_equal(counters->snooped_len, i && flags ? 16 : 0);
		}
		rig_unmap(&rig, 0x5000, window);
	}
	rig.pt = plain;
	assert_int_equal(route_attach(rig.dev, NULL, plain, NULL), 0);
	pt_destroy(coherent);
}

/* Whoever asks for one byte is in nobody's way afterwards. */
static void where_a_byte_is_can_be_asked_without_an_issuer(void **arg)
{
	struct mem_window *window = rig_map(&rig, 0x5000, memory, PAGE, IOAS_PROT_READ);
	const struct inflight_mark *before = rig.iommu->inflight.list;
	void *host;

	assert_int_equal(tlp_host_at(rig.iommu, rig.pt, 0x5123, &host), 0);
	assert_ptr_equal(host, memory + 0x123);
	assert_int_equal(tlp_host_at(rig.iommu, rig.pt, 0x6000, &host), -ENOENT);
	assert_int_equal(tlp_host_at(rig.iommu, rig.pt, 0x4fff, &host), -ENOENT);
	assert_ptr_equal(rig.iommu->inflight.list, before);
	rig_unmap(&rig, 0x5000, window);
}

/* Wherever in it, and however its leaves lie: one lookup, and the rest of it is remembered. */
static void a_large_region_is_one_range(void **arg)
{
	const uint64_t len = 16ull << 30;
	const iova_t first = len + (6ull << 20);
	static const iova_t at[] = {0, 3ull << 20, 12ull << 30, (16ull << 30) - 1};
	void *host = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct mem_window *window;

	assert_ptr_not_equal(host, MAP_FAILED);
	window = rig_map(&rig, first, host, len, IOAS_PROT_READ);
	for (unsigned i = 0; i < 4; i++) {
		struct ioas_tlp tlp = {.addr = first + at[i], .len = 1};
		struct ioas_batch batch;
		struct iotlb_entry entry;
		uint64_t span;
		void *found;
		int rc;

		inflight_wait(&rig.iommu->inflight);
		ioas_batch_begin(&batch, rig.issuer);
		rc = ioas_batch_at(&batch, &tlp, &found, &span);
		entry = *rig.issuer->tlb.hot;
		ioas_batch_end(&batch);
		assert_int_equal(rc, 0);
		assert_ptr_equal(found, (char *)host + at[i]);
		/* No more than was mapped; and from its largest leaf on all of it. */
		assert_true(entry.first >= first && entry.last < first + len);
		if (at[i] == 12ull << 30)
			assert_true(entry.first == first && entry.last == first + len - 1);
	}
	rig_unmap(&rig, first, window);
	munmap(host, len);
}

/* Neighbours in addresses that are none in memory, or are for less, are ranges of their own. */
static void ranges_end_where_memory_does_not_go_on(void **arg)
{
	const uint64_t leaf = 2ull << 20, first = 1ull << 40;
	static const struct {
		unsigned to; /* which leaf of memory */
		uint32_t prot;
	} shown[] = {{1, 3}, {2, 3}, {0, 3}, {3, 3}, {4, 1}, {5, 1}, {6, 3}};
	enum { NR = sizeof(shown) / sizeof(shown[0]) };
	char *host = mmap(NULL, NR * leaf, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			  -1, 0);
	struct pt_gather gather = {NULL};
	struct mem_window *window;

	assert_ptr_not_equal(host, MAP_FAILED);
	assert_int_equal(mem_window_new(rig.iommu->mem, first, host, NR * leaf, &window), 0);
	for (unsigned i = 0; i < NR; i++)
		assert_int_equal(pt_map(rig.pt, first + i * leaf, window->pa + shown[i].to * leaf,
					leaf, shown[i].prot),
				 0);
	for (unsigned i = 0; i < NR; i++)
		for (unsigned k = 0; k < NR; k++) {
			struct ioas_tlp one = {.addr = first + i * leaf, .len = 1};
			struct ioas_tlp two = {.addr = first + k * leaf + 8, .len = 1};
			void *found[2] = {NULL, NULL};
			struct ioas_batch batch;
			uint64_t span;
			int rc, wrote;

			inflight_wait(&rig.iommu->inflight);
			ioas_batch_begin(&batch, rig.issuer);
			rc = ioas_batch_at(&batch, &one, &found[0], &span);
			if (!rc)
				rc = ioas_batch_at(&batch, &two, &found[1], &span);
			two.op = IOAS_TLP_WRITE;
			wrote = ioas_batch_at(&batch, &two, &found[0], &span);
			ioas_batch_end(&batch);
			assert_int_equal(rc, 0);
			assert_ptr_equal(found[1], host + shown[k].to * leaf + 8);
			assert_int_equal(wrote, shown[k].prot & 2 ? 0 : -EFAULT);
		}
	assert_int_equal(pt_unmap(rig.pt, first, first + NR * leaf - 1, &gather), NR * leaf);
	inflight_wait(&rig.iommu->inflight);
	pt_gather_free(&gather);
	mem_window_destroy(rig.iommu->mem, window);
	munmap(host, NR * leaf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(permissions_of_a_mapping_are_those_of_its_tlps),
		cmocka_unit_test(the_own_requester_id_may_be_claimed),
		cmocka_unit_test(addresses_beyond_the_width_are_not_looked_up),
		cmocka_unit_test(a_span_is_what_is_left_of_a_leaf_and_no_more_than_asked),
		cmocka_unit_test(bytes_that_ask_for_no_snoop_are_counted),
		cmocka_unit_test(where_a_byte_is_can_be_asked_without_an_issuer),
		cmocka_unit_test(a_large_region_is_one_range),
		cmocka_unit_test(ranges_end_where_memory_does_not_go_on),
		cmocka_unit_test(the_first_step_that_refuses_is_the_reason),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
