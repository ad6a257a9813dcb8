/* SPDX-License-Identifier: MIT */
/*
 * Description: what a batch finds near by without a call, and what it leaves to the engine, whose
 * calls are counted: another part of the addresses, other memory, what a page does not allow, what
 * goes beyond its end, and parts with interrupts in them.
 */
#include "tests/unit/tlp/rig.h"

#define WAY   (1ull << 30) /* addresses that share a table of level 2 */
#define FIRST (6ull << 40)
#define NR    40u /* pages of a mapping */

static struct rig rig;
static struct pt *plain;
static struct mem_window *windows[3];
static char *memory;
static unsigned asked;

struct ioas_batch_found __real_ioas_batch_find(struct ioas_batch *batch, iova_t addr, uint64_t len,
					       uint64_t form, uint32_t what);
struct ioas_batch_found __wrap_ioas_batch_find(struct ioas_batch *batch, iova_t addr, uint64_t len,
					       uint64_t form, uint32_t what);

struct ioas_batch_found __wrap_ioas_batch_find(struct ioas_batch *batch, iova_t addr, uint64_t len,
					       uint64_t form, uint32_t what)
{
	asked++;
	return __real_ioas_batch_find(batch, addr, len, form, what);
}

/* Where the mappings are: two in one way, the second for reading only, and one in the next way. */
static iova_t place(unsigned window)
{
	static const iova_t at[] = {FIRST + WAY / 2, FIRST + WAY / 2 + (4ull << 20), FIRST + WAY};

	return at[window];
}

static int setup(void **state)
{
	const struct pt_config config = {.format = PT_AMDV1, .aw = 48, .max_leaf_lg2 = 12};

	rig_start(&rig, NULL);
	plain = rig.pt;
	assert_int_equal(pt_new(&config, &rig.pt), 0);
	assert_int_equal(route_attach(rig.dev, NULL, rig.pt, NULL), 0);
	memory = rig_pages(3 * NR);
	for (unsigned i = 0; i < 3; i++)
		windows[i] = rig_map(&rig, place(i), memory + i * NR * PAGE, NR * PAGE,
				     i == 1 ? IOAS_PROT_READ : IOAS_PROT_READ | IOAS_PROT_WRITE);
	return 0;
}

static int teardown(void **state)
{
	struct pt *pages = rig.pt;

	for (unsigned i = 0; i < 3; i++)
		rig_unmap(&rig, place(i), windows[i]);
	rig.pt = plain;
	assert_int_equal(route_attach(rig.dev, NULL, plain, NULL), 0);
	pt_destroy(pages);
	rig_stop(&rig);
	munmap(memory, 3 * NR * PAGE);
	return 0;
}

/* One TLP: what is answered, where, and by how many calls. */
static void expect(struct ioas_batch *batch, unsigned window, uint64_t off, uint64_t len,
		   unsigned op, unsigned calls)
{
	struct ioas_tlp tlp = {.addr = place(window) + off, .len = len, .op = (uint8_t)op};
	uint64_t got, rest = PAGE - off % PAGE;
	unsigned before = asked;
	void *host;

	assert_int_equal(ioas_batch_at(batch, &tlp, &host, &got), 0);
	assert_ptr_equal(host, memory + window * NR * PAGE + off);
	assert_int_equal(got, len < rest ? len : rest);
	assert_int_equal(asked - before, calls);
}

static void refuse(struct ioas_batch *batch, unsigned window, uint64_t off, uint64_t len,
		   unsigned op, int error)
{
	struct ioas_tlp tlp = {.addr = place(window) + off, .len = len, .op = (uint8_t)op};
	unsigned before = asked;
	uint64_t got;
	void *host;

	assert_int_equal(ioas_batch_at(batch, &tlp, &host, &got), error);
	assert_null(host);
	assert_int_equal(got, 0);
	assert_int_equal(asked - before, 1);
}

static void pages_near_by_take_no_call(void **state)
{
	struct ioas_device_counters before = *ioas_device_counters(rig.dev);
	const struct ioas_device_counters *now = ioas_device_counters(rig.dev);
	uint64_t bytes = 0;
	struct ioas_batch batch;

	ioas_batch_begin(&batch, rig.issuer);
	expect(&batch, 0, 5 * PAGE, 4, IOAS_TLP_READ, 1);
	/* The first call is who finds where the tables are; what comes next may be the second. */
	expect(&batch, 0, 6 * PAGE, 4, IOAS_TLP_READ, 1);
	for (unsigned i = 0; i < NR; i++) {
		expect(&batch, 0, i * PAGE, PAGE, IOAS_TLP_READ, 0);
		expect(&batch, 0, i * PAGE + PAGE - 1, 1, IOAS_TLP_WRITE, 0);
		expect(&batch, 0, (NR - 1 - i) * PAGE + 7, 100, IOAS_TLP_WRITE, 0);
		bytes += PAGE + 101;
	}
	ioas_batch_end(&batch);
	assert_int_equal(now->tlps - before.tlps, 3 * NR + 2);
	assert_int_equal(now->read_len - before.read_len, NR * PAGE + 8);
	assert_int_equal(now->write_len - before.write_len, bytes - NR * PAGE);
	assert_int_equal(now->faults - before.faults, 0);
}

static void what_else_there_is_goes_to_the_engine(void **state)
{
	struct ioas_batch batch;

	ioas_batch_begin(&batch, rig.issuer);
	expect(&batch, 0, 0, 4, IOAS_TLP_READ, 1);
	expect(&batch, 0, PAGE, 4, IOAS_TLP_READ, 1);
	/* Beyond the end of a page, by as little as there is; and with no length, or all. */
	expect(&batch, 0, 2 * PAGE + 1, PAGE, IOAS_TLP_READ, 1);
	expect(&batch, 0, 4 * PAGE - 1, 2, IOAS_TLP_READ, 1);
	refuse(&batch, 0, 5 * PAGE, 0, IOAS_TLP_READ, -EINVAL);
	expect(&batch, 0, 6 * PAGE, UINT64_MAX, IOAS_TLP_READ, 1);
	/* Not mapped, at either end; beyond a table that there is none of; a large leaf is none. */
	refuse(&batch, 0, NR * PAGE, 4, IOAS_TLP_READ, -EFAULT);
	refuse(&batch, 0, (uint64_t)-1, 1, IOAS_TLP_READ, -EFAULT);
	refuse(&batch, 0, 2ull << 20, 4, IOAS_TLP_READ, -EFAULT);
	expect(&batch, 0, 7 * PAGE, 4, IOAS_TLP_READ, 0);
	/* Other memory, to which the way leads from then on; which is for reading only. */
	expect(&batch, 1, 0, 4, IOAS_TLP_READ, 1);
	refuse(&batch, 1, 3 * PAGE, 4, IOAS_TLP_WRITE, -EFAULT);
	ioas_batch_end(&batch);

	ioas_batch_begin(&batch, rig.issuer);
	expect(&batch, 0, 0, 4, IOAS_TLP_READ, 1);
	/* Another way is known after one call, and the one before is still. */
	expect(&batch, 2, 0, 4, IOAS_TLP_READ, 1);
	expect(&batch, 2, PAGE, 4, IOAS_TLP_READ, 1);
	expect(&batch, 2, 2 * PAGE, 4, IOAS_TLP_READ, 0);
	expect(&batch, 0, PAGE, 4, IOAS_TLP_READ, 1);
	expect(&batch, 0, 2 * PAGE, 4, IOAS_TLP_READ, 0);
	/* Somebody waits: nothing holds any more. */
	atomic_fetch_add(&rig.iommu->inflight.turns, INFLIGHT_WAIT);
	ioas_batch_renew(&batch);
	expect(&batch, 0, 3 * PAGE, 4, IOAS_TLP_READ, 1);
	ioas_batch_end(&batch);
}

/* How many calls pages of the first way take, when what is known is known. */
static unsigned calls_with(struct ioas_range msi)
{
	const struct ioas_range none = rig.dev->msi;
	struct ioas_batch batch;
	unsigned before;

	rig.dev->msi = msi;
	inflight_wait(&rig.iommu->inflight);
	ioas_batch_begin(&batch, rig.issuer);
	expect(&batch, 0, 0, 4, IOAS_TLP_READ, 1);
	expect(&batch, 0, PAGE, 4, IOAS_TLP_READ, 1);
	before = asked;
	for (unsigned i = 2; i < 10; i++) {
		struct ioas_tlp tlp = {.addr = place(0) + i * PAGE, .len = 4};
		uint64_t len;
		void *host;

		assert_int_equal(ioas_batch_at(&batch, &tlp, &host, &len), 0);
		assert_ptr_equal(host, memory + i * PAGE);
	}
	ioas_batch_end(&batch);
	rig.dev->msi = none;
	return asked - before;
}

static void parts_with_interrupts_are_looked_at_each_time(void **state)
{
	assert_int_equal(calls_with((struct ioas_range){FIRST - 5, FIRST - 1}), 0);
	assert_int_equal(calls_with((struct ioas_range){FIRST - 5, FIRST}), 8);
	assert_int_equal(calls_with((struct ioas_range){FIRST + 9, FIRST + 9}), 8);
	assert_int_equal(calls_with((struct ioas_range){FIRST + WAY - 1, FIRST + WAY + 3}), 8);
	assert_int_equal(calls_with((struct ioas_range){FIRST + WAY, FIRST + WAY + 3}), 0);
	assert_int_equal(calls_with((struct ioas_range){FIRST, FIRST + WAY / 2 - 1}), 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(pages_near_by_take_no_call, setup, teardown),
		cmocka_unit_test_setup_teardown(what_else_there_is_goes_to_the_engine, setup,
						teardown),
		cmocka_unit_test_setup_teardown(parts_with_interrupts_are_looked_at_each_time,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
