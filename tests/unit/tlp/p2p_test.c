/* SPDX-License-Identifier: MIT */
/*
 * Description: what a port turns to a peer: which requests, by all ways to send one, what the peer
 * is asked, and what is on record and counted then.
 */
#include "tests/unit/tlp/rig.h"

#define HERE 0x40000ul /* where the peer's registers lie on the bus */
#define RW   (IOAS_PROT_READ | IOAS_PROT_WRITE)

static struct rig rig;
static char registers[64];
static unsigned asked, turned, named;
static bool answers;

static int peer(struct ioas_device *dev, const struct ioas_tlp *tlp, struct route_turn *out)
{
	assert_ptr_equal(dev, rig.dev);
	assert_true(inflight_entered(&rig.issuer->mark));
	asked++;
	if (tlp->addr < HERE || tlp->addr >= HERE + sizeof(registers))
		return 0;
	*out = (struct route_turn){registers, tlp->addr - HERE, 3};
	turned++;
	return 1;
}

/* Not in flight: a peer may send TLPs itself, and wait for those who are. */
static int access_peer(struct ioas_device *dev, const struct ioas_tlp *tlp, void *buf,
		       const struct route_turn *turn)
{
	char *at = (char *)turn->target + turn->off;

	assert_ptr_equal(dev, rig.dev);
	assert_false(inflight_entered(&rig.issuer->mark));
	assert_int_equal(turn->part, 3);
	assert_int_equal(HERE + turn->off, tlp->addr);
	if (!answers)
		return -EFAULT;
	if (tlp->op == IOAS_TLP_WRITE)
		memcpy(at, buf, tlp->len);
	else
		memcpy(buf, at, tlp->len);
	return 0;
}

static void name(const struct route_turn *turn, char name[IOAS_NAME_LEN])
{
	assert_ptr_equal(turn->target, registers);
	snprintf(name, IOAS_NAME_LEN, "0000:02:00.0");
	named++;
}

static const struct route_bus_ops bus = {peer, access_peer, name};

static int setup(void **state)
{
	rig_start(&rig, NULL);
	atomic_store(&rig.dev->bus_ops, &bus);
	memset(registers, 0, sizeof(registers));
	asked = turned = named = 0;
	answers = true;
	return 0;
}

static int teardown(void **state)
{
	rig_stop(&rig);
	return 0;
}

/* The newest record, number `nr`, is of the peer. */
static void recorded(uint64_t nr, enum ioas_fault_reason reason, uint8_t op, uint64_t len)
{
	struct ioas_fault fault;
	uint64_t seq = nr - 1;

	assert_int_equal(ioas_fault_read(rig.iommu, &seq, &fault, 1), 1);
	assert_int_equal(seq, nr);
	assert_int_equal(fault.reason, reason);
	assert_int_equal(fault.tlp.op, op);
	assert_int_equal(fault.tlp.len, len);
	assert_int_equal(fault.addr, fault.tlp.addr);
	assert_string_equal(fault.device, "0000:01:00.0");
	assert_string_equal(fault.other, "0000:02:00.0");
	assert_int_equal(ioas_issuer_fault(rig.issuer, &seq), reason);
	assert_int_equal(seq, nr);
}

static void counted(uint64_t tlps, uint64_t read, uint64_t written)
{
	const struct ioas_device_counters *counters = ioas_device_counters(rig.dev);

	assert_int_equal(counters->tlps, tlps);
	assert_int_equal(counters->read_len, read);
	assert_int_equal(counters->write_len, written);
	assert_int_equal(counters->translations, 0);
}

static void a_peer_is_read_and_written(void **state)
{
	const struct ioas_device_counters *counters = ioas_device_counters(rig.dev);
	uint64_t word = 0;

	assert_int_equal(ioas_dma_write(rig.issuer, HERE + 4, "peer", 5), 0);
	assert_string_equal(registers + 4, "peer");
	recorded(1, IOAS_PASSED_PEER, IOAS_TLP_WRITE, 5);
	counted(1, 0, 5);
	assert_int_equal(ioas_dma_read(rig.issuer, HERE + 4, &word, 3), 0);
	assert_memory_equal(&word, "pee", 4);
	recorded(2, IOAS_PASSED_PEER, IOAS_TLP_READ, 3);
	counted(2, 3, 5);
	assert_int_equal(ioas_dma_store(rig.issuer, HERE + 16, 0x1122334455667788, 8), 0);
	memcpy(&word, registers + 16, sizeof(word));
	assert_int_equal(word, 0x1122334455667788);
	recorded(3, IOAS_PASSED_PEER, IOAS_TLP_WRITE, 8);
	counted(3, 3, 13);
	assert_int_equal(counters->around, 3);
	assert_int_equal(counters->faults, 0);
	assert_int_equal(named, 3);
}

static void a_peer_that_does_not_answer_is_a_fault(void **state)
{
	const struct ioas_device_counters *counters = ioas_device_counters(rig.dev);
	char buf[4] = "abc";

	answers = false;
	assert_int_equal(ioas_dma_write(rig.issuer, HERE, buf, 4), -EFAULT);
	recorded(1, IOAS_FAULT_PEER, IOAS_TLP_WRITE, 4);
	assert_int_equal(ioas_dma_read(rig.issuer, HERE, buf, 4), -EFAULT);
	recorded(2, IOAS_FAULT_PEER, IOAS_TLP_READ, 4);
	assert_int_equal(ioas_dma_store(rig.issuer, HERE, 1, 4), -EFAULT);
	recorded(3, IOAS_FAULT_PEER, IOAS_TLP_WRITE, 4);
	counted(0, 0, 0);
	assert_int_equal(counters->around, 0);
	assert_int_equal(counters->faults, 3);
}

/* There is no memory to lend, nor to tell the address of. */
static void registers_are_not_lent(void **state)
{
	struct ioas_tlp tlp = {.addr = HERE, .len = 8, .op = IOAS_TLP_WRITE};
	struct ioas_dma dma;

	ioas_dma_init(&dma, rig.issuer);
	assert_int_equal(ioas_dma_add(&dma, &tlp), -EFAULT);
	recorded(1, IOAS_FAULT_PEER, IOAS_TLP_WRITE, 8);
	assert_int_equal(dma.iov_nr, 0);
	ioas_dma_end(&dma);
	ioas_dma_fini(&dma);
	counted(0, 0, 0);
}

static void what_is_not_turned_goes_to_the_iommu(void **state)
{
	char *memory = rig_pages(1), buf[4];
	struct mem_window *window = rig_map(&rig, HERE + PAGE, memory, PAGE, RW);

	strcpy(memory, "abc");
	assert_int_equal(ioas_dma_read(rig.issuer, HERE + PAGE, buf, 4), 0);
	assert_string_equal(buf, "abc");
	assert_int_equal(asked, 1);
	assert_int_equal(ioas_dma_read(rig.issuer, HERE + sizeof(registers), buf, 4), -EFAULT);
	assert_int_equal(rig_fault(&rig, 1).reason, IOAS_FAULT_NOT_MAPPED);
	assert_int_equal(turned, 0);
	assert_int_equal(named, 0);
	rig_unmap(&rig, HERE + PAGE, window);
}

/* Neither what asks for a translation, nor what has one, nor anything while DMA is off. */
static void ports_turn_requests_of_memory_only(void **state)
{
	struct ioas_tlp request = {
		.addr = HERE, .len = 8, .op = IOAS_TLP_READ, .at = IOAS_TLP_TRANSLATION_REQUEST};
	struct ioas_tlp translated = {.len = 4, .op = IOAS_TLP_READ, .at = IOAS_TLP_TRANSLATED};
	struct mem_window *window = rig_map(&rig, HERE + PAGE, rig_pages(1), PAGE, RW);
	uint64_t word = 0;

	assert_int_equal(ioas_tlp_issue(rig.issuer, &request, &word), -EFAULT);
	assert_int_equal(rig_fault(&rig, 1).reason, IOAS_FAULT_TRANSLATED);
	translated.addr = window->pa;
	assert_int_equal(ioas_tlp_issue(rig.issuer, &translated, &word), -EFAULT);
	assert_int_equal(rig_fault(&rig, 2).reason, IOAS_FAULT_TRANSLATED);
	route_dma_enable(rig.dev, false);
	assert_int_equal(ioas_dma_read(rig.issuer, HERE, &word, 4), -EFAULT);
	assert_int_equal(rig_fault(&rig, 3).reason, IOAS_FAULT_BUS_MASTER);
	route_dma_enable(rig.dev, true);
	assert_int_equal(asked, 0);
	/* The same address type where the IOMMU has no memory is an address on the bus. */
	translated.addr = HERE;
	assert_int_equal(ioas_tlp_issue(rig.issuer, &translated, &word), 0);
	recorded(4, IOAS_PASSED_PEER, IOAS_TLP_READ, 4);
	assert_int_equal(asked, 1);
	rig_unmap(&rig, HERE + PAGE, window);
}

/* However much of the page tables is remembered: pages, the tables they are in, by both calls. */
static void a_batch_asks_the_bus_each_time(void **state)
{
	struct mem_window *windows[8];
	struct ioas_tlp tlps[8];
	char *memory = rig_pages(8);
	struct ioas_batch batch;
	void *host, *hosts[8];
	uint64_t len, lens[8];
	int rc;

	for (unsigned i = 0; i < 8; i++) {
		tlps[i] = (struct ioas_tlp){.addr = HERE + (7 - i) * PAGE, .len = 8};
		windows[i] = rig_map(&rig, tlps[i].addr, memory + i * PAGE, PAGE, RW);
	}
	for (unsigned round = 0; round < 3; round++) {
		atomic_store(&rig.dev->bus_ops, round ? &bus : NULL);
		asked = turned = 0;
		ioas_batch_begin(&batch, rig.issuer);
		for (unsigned i = 0; i < 8; i++) {
			rc = ioas_batch_at(&batch, &tlps[i], &host, &len);
			assert_int_equal(rc, round && i == 7 ? -EAGAIN : 0);
			assert_ptr_equal(host, rc ? NULL : memory + i * PAGE);
		}
		assert_int_equal(ioas_batch_at_many(&batch, tlps, 8, hosts, lens, &rc),
				 round ? 7 : 8);
		assert_int_equal(rc, round ? -EAGAIN : 0);
		ioas_batch_end(&batch);
		assert_int_equal(asked, round ? 16 : 0);
		assert_int_equal(turned, round ? 2 : 0);
	}
	for (unsigned i = 0; i < 8; i++)
		rig_unmap(&rig, tlps[i].addr, windows[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_peer_is_read_and_written, setup, teardown),
		cmocka_unit_test_setup_teardown(a_peer_that_does_not_answer_is_a_fault, setup,
						teardown),
		cmocka_unit_test_setup_teardown(registers_are_not_lent, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_not_turned_goes_to_the_iommu, setup,
						teardown),
		cmocka_unit_test_setup_teardown(ports_turn_requests_of_memory_only, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_batch_asks_the_bus_each_time, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
