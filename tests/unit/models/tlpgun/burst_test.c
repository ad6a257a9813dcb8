/* SPDX-License-Identifier: MIT */
/* Description: bursts by registers and by the library: what is sent, when they end, what stops
 * them. */
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "rig.h"

static int setup(void **arg)
{
	rig_start("tlpgun,pasid=16");
	return 0;
}

static int teardown(void **arg)
{
	rig_stop();
	return 0;
}

static void fill_buffer(void)
{
	for (unsigned i = 0; i < PAGE; i += 8)
		store(2, i, 0x0807060504030201ull + i, 8);
}

static void registers_say_what_it_is(void **arg)
{
	assert_int_equal(load(0, IOAS_TLPGUN_ID, 4), IOAS_TLPGUN_MAGIC);
	assert_int_equal(load(0, IOAS_TLPGUN_CAPS, 4), 16);
	assert_int_equal(load(0, IOAS_TLPGUN_BUF_LEN, 8), 65536);
	assert_int_equal(load(0, IOAS_TLPGUN_STATUS, 4), 0);
	/* Either width on either kind of register; a narrow write changes nothing. */
	store(0, IOAS_TLPGUN_ADDR, 0x1122334455667788, 8);
	store(0, IOAS_TLPGUN_ADDR + 4, 0xaabbccdd, 4);
	assert_int_equal(load(0, IOAS_TLPGUN_ADDR, 8), 0xaabbccdd55667788);
	store(0, IOAS_TLPGUN_CTRL, 0x1234500000021, 8);
	assert_int_equal(load(0, IOAS_TLPGUN_CTRL, 4), 0x21);
	assert_int_equal(load(0, IOAS_TLPGUN_PASID, 4), 0x12345);
	store(0, IOAS_TLPGUN_PASID, 0xff, 1);
	assert_int_equal(load(0, IOAS_TLPGUN_PASID, 4), 0x12345);
	assert_int_equal(load(0, IOAS_TLPGUN_PASID + 1, 1), 0x23);
	store(0, IOAS_TLPGUN_ID, 5, 4);
	store(0, IOAS_TLPGUN_PASSED, 5, 8);
	assert_int_equal(load(0, IOAS_TLPGUN_ID, 4), IOAS_TLPGUN_MAGIC);
	assert_int_equal(load(0, IOAS_TLPGUN_PASSED, 8), 0);
}

static void a_write_takes_the_buffer_and_a_read_fills_it(void **arg)
{
	fill_buffer();
	reg(IOAS_TLPGUN_ADDR, IOVA + 16);
	reg(IOAS_TLPGUN_LEN, 8);
	reg(IOAS_TLPGUN_BUF, 64);
	reg(IOAS_TLPGUN_CTRL, IOAS_TLPGUN_WRITE);
	assert_int_equal(shoot(), IOAS_FAULT_NONE);
	assert_int_equal(status(), IOAS_TLPGUN_ENDED);
	assert_int_equal(*(uint64_t *)(rig.memory[0] + 16), 0x0807060504030201ull + 64);
	assert_int_equal(*(uint64_t *)(rig.memory[0] + 24), 0);
	reg(IOAS_TLPGUN_BUF, 1024);
	reg(IOAS_TLPGUN_CTRL, 0);
	assert_int_equal(shoot(), IOAS_FAULT_NONE);
	assert_int_equal(load(2, 1024, 8), 0x0807060504030201ull + 64);
	assert_int_equal(load(0, IOAS_TLPGUN_PASSED, 8), 1);
	assert_int_equal(load(0, IOAS_TLPGUN_FAULTED, 8), 0);
}

static void a_burst_goes_by_its_strides(void **arg)
{
	fill_buffer();
	reg(IOAS_TLPGUN_ADDR, IOVA + 64);
	reg(IOAS_TLPGUN_LEN, 4);
	reg(IOAS_TLPGUN_COUNT, 3);
	reg(IOAS_TLPGUN_STRIDE, (uint64_t)-32);
	reg(IOAS_TLPGUN_BUF_STRIDE, 8);
	reg(IOAS_TLPGUN_CTRL, IOAS_TLPGUN_WRITE);
	assert_int_equal(shoot(), IOAS_FAULT_NONE);
	assert_int_equal(load(0, IOAS_TLPGUN_PASSED, 8), 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(*(uint64_t *)(rig.memory[0] + 64 - 32 * i), 0x04030201 + 8 * i);
}

static void what_leaves_the_buffer_is_not_sent(void **arg)
{
	static const struct {
		uint64_t len, buf, stride, count;
	} bad[] = {
		{0, 0, 0, 1},	       {65537, 0, 0, 1},      {8, 65529, 0, 1},
		{8, UINT64_MAX, 0, 1}, {8, 0, 1, UINT64_MAX}, {8, 0, UINT64_MAX, 3},
		{8, 65520, 8, 3},
	};

	reg(IOAS_TLPGUN_ADDR, IOVA);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		reg(IOAS_TLPGUN_LEN, bad[i].len);
		reg(IOAS_TLPGUN_BUF, bad[i].buf);
		reg(IOAS_TLPGUN_BUF_STRIDE, bad[i].stride);
		reg(IOAS_TLPGUN_COUNT, bad[i].count);
		doorbell(IOAS_TLPGUN_SHOOT);
		assert_int_equal(status() & IOAS_TLPGUN_INVALID, IOAS_TLPGUN_INVALID);
		assert_int_equal(status() & IOAS_TLPGUN_BUSY, 0);
	}
	assert_int_equal(ioas_device_counters(rig.dev)->tlps, 0);
	reg(IOAS_TLPGUN_COUNT, 2);
	reg(IOAS_TLPGUN_BUF_STRIDE, 8);
	shoot();
	assert_int_equal(status(), IOAS_TLPGUN_ENDED);
}

static void each_bit_is_in_the_tlp(void **arg)
{
	uint32_t all = IOAS_TLPGUN_WRITE | IOAS_TLPGUN_WITH_PASID | IOAS_TLPGUN_PRIV |
		       IOAS_TLPGUN_EXEC | IOAS_TLPGUN_NO_SNOOP | IOAS_TLPGUN_WITH_RID |
		       IOAS_TLP_TRANSLATED << IOAS_TLPGUN_AT_SHIFT;
	struct ioas_fault fault;

	reg(IOAS_TLPGUN_ADDR, IOVA);
	reg(IOAS_TLPGUN_LEN, 4);
	reg(IOAS_TLPGUN_PASID, 0xfff12345);
	reg(IOAS_TLPGUN_RID, 0x0121);
	reg(IOAS_TLPGUN_CTRL, all);
	assert_int_equal(shoot(), IOAS_FAULT_UNKNOWN_RID);
	fault = newest();
	assert_int_equal(fault.tlp.addr, IOVA);
	assert_int_equal(fault.tlp.len, 4);
	assert_int_equal(fault.tlp.flags, 0x1f);
	assert_int_equal(fault.tlp.pasid, 0x12345);
	assert_int_equal(fault.tlp.rid, 0x0121);
	assert_int_equal(fault.tlp.op, IOAS_TLP_WRITE);
	assert_int_equal(fault.tlp.at, IOAS_TLP_TRANSLATED);
	assert_int_equal(load(0, IOAS_TLPGUN_RECORD, 8), fault.seq);
	for (unsigned bit = 0; bit < 6; bit++) {
		reg(IOAS_TLPGUN_CTRL,
		    1u << bit | IOAS_TLP_TRANSLATION_REQUEST << IOAS_TLPGUN_AT_SHIFT);
		shoot();
		fault = newest();
		assert_int_equal(fault.tlp.flags, bit ? 1u << (bit - 1) : 0);
		assert_int_equal(fault.tlp.op, bit ? IOAS_TLP_READ : IOAS_TLP_WRITE);
		assert_int_equal(fault.tlp.at, IOAS_TLP_TRANSLATION_REQUEST);
	}
}

static void a_burst_counts_and_may_stop_at_a_fault(void **arg)
{
	reg(IOAS_TLPGUN_ADDR, IOVA - 8); /* the first two are not mapped */
	reg(IOAS_TLPGUN_LEN, 4);
	reg(IOAS_TLPGUN_COUNT, 5);
	reg(IOAS_TLPGUN_STRIDE, 4);
	assert_int_equal(shoot(), IOAS_FAULT_NOT_MAPPED);
	assert_int_equal(load(0, IOAS_TLPGUN_PASSED, 8), 3);
	assert_int_equal(load(0, IOAS_TLPGUN_FAULTED, 8), 2);
	assert_int_equal(load(0, IOAS_TLPGUN_RECORD, 8), newest().seq - 1);
	reg(IOAS_TLPGUN_CTRL, IOAS_TLPGUN_STOP_AT_FAULT);
	assert_int_equal(shoot(), IOAS_FAULT_NOT_MAPPED);
	assert_int_equal(load(0, IOAS_TLPGUN_PASSED, 8), 0);
	assert_int_equal(load(0, IOAS_TLPGUN_FAULTED, 8), 1);
}

static void it_fires_until_it_is_stopped(void **arg)
{
	uint64_t passed;

	fill_buffer();
	reg(IOAS_TLPGUN_ADDR, IOVA);
	reg(IOAS_TLPGUN_LEN, 64);
	reg(IOAS_TLPGUN_CTRL, IOAS_TLPGUN_WRITE);
	doorbell(IOAS_TLPGUN_FIRE);
	while (load(0, IOAS_TLPGUN_PASSED, 8) < 1000)
		sched_yield();
	assert_int_equal(status(), IOAS_TLPGUN_BUSY);
	/* What the registers say by now concerns the next burst. */
	reg(IOAS_TLPGUN_ADDR, 0);
	doorbell(IOAS_TLPGUN_SHOOT);
	assert_int_equal(status(), IOAS_TLPGUN_BUSY);
	doorbell(IOAS_TLPGUN_STOP);
	await(IOAS_TLPGUN_STATUS, 4, IOAS_TLPGUN_BUSY, 0);
	assert_int_equal(status(), IOAS_TLPGUN_ENDED);
	passed = load(0, IOAS_TLPGUN_PASSED, 8);
	assert_int_equal(load(0, IOAS_TLPGUN_FAULTED, 8), 0);
	assert_memory_equal(rig.memory[0], ioas_tlpgun_buffer(rig.gun, NULL), 64);
	memset(rig.memory[0], 0, 64);
	sched_yield();
	assert_int_equal(rig.memory[0][0], 0);
	assert_int_equal(load(0, IOAS_TLPGUN_PASSED, 8), passed);
	doorbell(IOAS_TLPGUN_STOP); /* nothing to stop */
	assert_int_equal(status(), IOAS_TLPGUN_ENDED);
}

static void the_end_sends_its_vector(void **arg)
{
	int fd = eventfd(0, EFD_NONBLOCK), copy = dup(fd);
	uint64_t count = 0;

	assert_int_equal(pci_irq_set(rig.pci, PCI_IRQ_MSIX, 5, 1, &copy), 0);
	reg(IOAS_TLPGUN_ADDR, IOVA);
	reg(IOAS_TLPGUN_LEN, 4);
	reg(IOAS_TLPGUN_COUNT, 200);
	reg(IOAS_TLPGUN_VECTOR, 5);
	shoot();
	assert_int_equal(read(fd, &count, 8), -1);
	reg(IOAS_TLPGUN_CTRL, IOAS_TLPGUN_IRQ);
	shoot();
	assert_int_equal(read(fd, &count, 8), 8);
	assert_int_equal(count, 1);
	doorbell(IOAS_TLPGUN_FIRE);
	doorbell(IOAS_TLPGUN_STOP);
	await(IOAS_TLPGUN_STATUS, 4, IOAS_TLPGUN_BUSY, 0);
	assert_int_equal(read(fd, &count, 8), 8);
	assert_int_equal(count, 1);
	close(fd);
}

static void without_bus_mastering_nothing_passes(void **arg)
{
	struct ioas_tlp tlp = {.addr = IOVA, .len = 4};
	enum ioas_fault_reason reason;
	uint32_t word;

	assert_int_equal(pci_config_write(rig.pci, PCI_CFG_COMMAND, &(uint16_t){2}, 2), 2);
	reg(IOAS_TLPGUN_ADDR, IOVA);
	reg(IOAS_TLPGUN_LEN, 4);
	assert_int_equal(shoot(), IOAS_FAULT_BUS_MASTER);
	assert_int_equal(ioas_tlpgun_issue(rig.gun, &tlp, &word, &reason), -EFAULT);
	assert_int_equal(reason, IOAS_FAULT_BUS_MASTER);
}

static void a_reset_ends_everything(void **arg)
{
	uint64_t tlps;

	fill_buffer();
	reg(IOAS_TLPGUN_ADDR, IOVA);
	reg(IOAS_TLPGUN_LEN, 8);
	reg(IOAS_TLPGUN_CTRL, IOAS_TLPGUN_WRITE | IOAS_TLPGUN_IRQ);
	doorbell(IOAS_TLPGUN_FIRE);
	while (load(0, IOAS_TLPGUN_PASSED, 8) < 10)
		sched_yield();
	pci_reset(rig.pci);
	tlps = ioas_device_counters(rig.dev)->tlps;
	for (unsigned off = IOAS_TLPGUN_ADDR; off < IOAS_TLPGUN_REGS_LEN; off += 8)
		assert_int_equal(load(0, off, 8), 0);
	assert_int_equal(load(2, 0, 8), 0);
	assert_int_equal(ioas_device_counters(rig.dev)->tlps, tlps);
	/* No request of it was refused on the way. */
	assert_int_equal(ioas_device_counters(rig.dev)->faults, 0);
	reg(IOAS_TLPGUN_ADDR, IOVA);
	reg(IOAS_TLPGUN_LEN, 8);
	assert_int_equal(shoot(), IOAS_FAULT_NONE);
}

static void a_burst_goes_on_after_a_suspend(void **arg)
{
	uint64_t passed;

	reg(IOAS_TLPGUN_ADDR, IOVA);
	reg(IOAS_TLPGUN_LEN, 8);
	doorbell(IOAS_TLPGUN_FIRE);
	while (load(0, IOAS_TLPGUN_PASSED, 8) < 10)
		sched_yield();
	ioas_iommu_suspend(rig.iommu);
	passed = load(0, IOAS_TLPGUN_PASSED, 8);
	sched_yield();
	assert_int_equal(load(0, IOAS_TLPGUN_PASSED, 8), passed);
	assert_int_equal(status(), IOAS_TLPGUN_BUSY);
	ioas_iommu_resume(rig.iommu);
	while (load(0, IOAS_TLPGUN_PASSED, 8) <= passed)
		sched_yield();
	ioas_iommu_suspend(rig.iommu);
	doorbell(IOAS_TLPGUN_STOP);
	assert_int_equal(status(), IOAS_TLPGUN_ENDED);
	ioas_iommu_resume(rig.iommu);
	assert_int_equal(status(), IOAS_TLPGUN_ENDED);
}

static void the_library_does_what_registers_do(void **arg)
{
	struct ioas_tlpgun_burst burst = {
		.tlp = {.addr = IOVA, .len = 4, .op = IOAS_TLP_WRITE}, .count = 2, .stride = PAGE};
	struct ioas_tlp tlp = {.addr = IOVA + 8, .len = 4, .op = IOAS_TLP_WRITE};
	struct ioas_tlpgun_status is;
	enum ioas_fault_reason reason = IOAS_FAULT_MEMORY;
	char once[] = "once";

	memset(ioas_tlpgun_buffer(rig.gun, NULL), 'b', 4);
	assert_int_equal(ioas_tlpgun_start(rig.gun, &burst, false), 0);
	ioas_tlpgun_wait(rig.gun);
	ioas_tlpgun_status(rig.gun, &is);
	assert_false(is.busy);
	assert_int_equal(is.passed, 1);
	assert_int_equal(is.faulted, 1);
	assert_int_equal(is.reason, IOAS_FAULT_NOT_MAPPED);
	assert_int_equal(is.record, newest().seq);
	assert_memory_equal(rig.memory[0], "bbbb", 5);
	assert_int_equal(ioas_tlpgun_start(rig.gun, &burst, true), 0);
	assert_int_equal(ioas_tlpgun_start(rig.gun, &burst, false), -EBUSY);
	ioas_tlpgun_stop(rig.gun);
	burst.tlp.len = 0;
	assert_int_equal(ioas_tlpgun_start(rig.gun, &burst, false), -EINVAL);
	assert_int_equal(ioas_tlpgun_issue(rig.gun, &tlp, once, &reason), 0);
	assert_int_equal(reason, IOAS_FAULT_NONE);
	assert_memory_equal(rig.memory[0] + 8, "once", 4);
	tlp.addr = 0;
	assert_int_equal(ioas_tlpgun_issue(rig.gun, &tlp, once, &reason), -EFAULT);
	assert_int_equal(reason, IOAS_FAULT_NOT_MAPPED);
	tlp.len = 0;
	assert_int_equal(ioas_tlpgun_issue(rig.gun, &tlp, once, &reason), -EINVAL);
	assert_int_equal(reason, IOAS_FAULT_NONE);
	assert_int_equal(ioas_tlpgun_enqueue(rig.gun, &(struct ioas_tlpgun_item){0}), -EOPNOTSUPP);
}

static _Atomic bool over;

static void *call(void *arg)
{
	struct ioas_tlp tlp = {.addr = IOVA, .len = 64};
	char bytes[64];

	while (!over)
		ioas_tlpgun_issue(rig.gun, &tlp, bytes, NULL);
	return NULL;
}

static void callers_resets_and_bursts_meet(void **arg)
{
	pthread_t thread[2];

	over = false;
	for (int i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, call, NULL);
	for (int i = 0; i < 50; i++) {
		struct ioas_tlpgun_burst burst = {.tlp = {.addr = IOVA, .len = 8}};

		assert_int_equal(ioas_tlpgun_start(rig.gun, &burst, true), 0);
		sched_yield();
		pci_reset(rig.pci);
		assert_int_equal(status(), 0);
	}
	over = true;
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
}

static void another_models_function_is_no_gun(void **arg)
{
	struct ioas_pci *nvme;

	assert_int_equal(ioas_model_create(rig.iommu, "nvme,drive=null,size=1M", &nvme, NULL), 0);
	assert_null(ioas_tlpgun_of(nvme));
	ioas_pci_remove(nvme);
}

static const struct {
	const char *text, *word;
} mistakes[] = {
	{"tlpgun,pasid=21", "pasid=21"},
	{"tlpgun,pasid=", "pasid="},
	{"tlpgun,bar=5K", "power of two"},
	{"tlpgun,bar=2K", "bar=2K"},
	{"tlpgun,bar=2G", "bar=2G"},
	{"tlpgun,bar=64KB", "64KB"},
	{"tlpgun,shared=maybe", "on or off"},
	{"tlpgun,shared=on,pasid=0", "pasid=0"},
	{"tlpgun,depth=4", "shared=on"},
	{"tlpgun,shared=on,depth=0", "depth=0"},
	{"tlpgun,shared=on,portals=65", "portals=65"},
};

static void mistaken_keys_are_explained(void **arg)
{
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		struct ioas_why why = {""};

		assert_int_equal(ioas_model_create(rig.iommu, mistakes[i].text, NULL, &why),
				 -EINVAL);
		if (!strstr(why.text, mistakes[i].word))
			fail_msg("%s: %s", mistakes[i].text, why.text);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(registers_say_what_it_is),
		TEST(a_write_takes_the_buffer_and_a_read_fills_it),
		TEST(a_burst_goes_by_its_strides),
		TEST(what_leaves_the_buffer_is_not_sent),
		TEST(each_bit_is_in_the_tlp),
		TEST(a_burst_counts_and_may_stop_at_a_fault),
		TEST(it_fires_until_it_is_stopped),
		TEST(the_end_sends_its_vector),
		TEST(without_bus_mastering_nothing_passes),
		TEST(a_reset_ends_everything),
		TEST(a_burst_goes_on_after_a_suspend),
		TEST(the_library_does_what_registers_do),
		TEST(callers_resets_and_bursts_meet),
		TEST(another_models_function_is_no_gun),
		TEST(mistaken_keys_are_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
