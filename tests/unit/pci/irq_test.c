/* SPDX-License-Identifier: MIT */
/* Interrupts as vfio-pci delivers them, and registers behind BARs. */
#include <pthread.h>
#include "toy.h"

static uint64_t bar(struct toy *toy, uint64_t off, unsigned size)
{
	uint64_t value;

	assert_int_equal(pci_bar_access(toy->pci, 0, off, false, &value, size), 0);
	return value;
}

static void set_bar(struct toy *toy, uint64_t off, uint64_t value, unsigned size)
{
	assert_int_equal(pci_bar_access(toy->pci, 0, off, true, &value, size), 0);
}

static void vectors_signal_their_eventfds(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	int a = event_new(), b = event_new();

	assert_false(ioas_pci_msix_enabled(toy->pci));
	ioas_pci_msix_send(toy->pci, 0);
	assert_int_equal(set_irq(toy, PCI_IRQ_MSIX, 0, a), 0);
	assert_true(ioas_pci_msix_enabled(toy->pci));
	assert_int_equal(cfg(toy, 0x52, 2), 0x8000 | (TOY_VECTORS - 1));
	assert_int_equal(fired(a), 0);
	assert_int_equal(set_irq(toy, PCI_IRQ_MSIX, 69, b), 0);
	ioas_pci_msix_send(toy->pci, 0);
	ioas_pci_msix_send(toy->pci, 69);
	ioas_pci_msix_send(toy->pci, 69);
	ioas_pci_msix_send(toy->pci, TOY_VECTORS);
	assert_int_equal(fired(a), 1);
	assert_int_equal(fired(b), 2);
	assert_int_equal(toy->pci->dev->counters->interrupts, 3);
	assert_int_equal(pci_irq_disable(toy->pci, PCI_IRQ_MSIX), 0);
	assert_int_equal(pci_irq_disable(toy->pci, PCI_IRQ_MSIX), -EINVAL);
	assert_false(ioas_pci_msix_enabled(toy->pci));
	ioas_pci_msix_send(toy->pci, 0);
	assert_int_equal(fired(a), 0);
	close(a);
	close(b);
}

static void a_vector_without_eventfd_waits_for_one(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	int a = event_new(), b = event_new();

	assert_int_equal(set_irq(toy, PCI_IRQ_MSIX, 0, a), 0);
	assert_int_equal(bar(toy, TOY_TABLE + 12, 4), 0);
	assert_int_equal(bar(toy, TOY_TABLE + 16 * 66 + 12, 4), 1);
	ioas_pci_msix_send(toy->pci, 66);
	assert_int_equal(bar(toy, TOY_PBA, 8), 0);
	assert_int_equal(bar(toy, TOY_PBA + 8, 8), 1 << 2);
	assert_int_equal(set_irq(toy, PCI_IRQ_MSIX, 66, b), 0);
	assert_int_equal(fired(b), 1);
	assert_int_equal(bar(toy, TOY_PBA + 8, 8), 0);
	assert_int_equal(set_irq(toy, PCI_IRQ_MSIX, 0, -1), 0);
	ioas_pci_msix_send(toy->pci, 0);
	assert_int_equal(fired(a), 0);
	assert_int_equal(set_irq(toy, PCI_IRQ_MSIX, 0, b), 0);
	assert_int_equal(fired(b), 1);
	close(a);
	close(b);
}

static void masked_in_the_table_becomes_pending(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	int a = event_new();

	assert_int_equal(set_irq(toy, PCI_IRQ_MSIX, 3, a), 0);
	set_bar(toy, TOY_TABLE + 16 * 3 + 12, 0xffffffff, 4);
	assert_int_equal(bar(toy, TOY_TABLE + 16 * 3 + 12, 4), 1);
	ioas_pci_msix_send(toy->pci, 3);
	ioas_pci_msix_send(toy->pci, 3);
	assert_int_equal(fired(a), 0);
	assert_int_equal(bar(toy, TOY_PBA, 1), 1 << 3);
	set_bar(toy, TOY_PBA, 0, 8);
	assert_int_equal(bar(toy, TOY_PBA, 4), 1 << 3);
	set_bar(toy, TOY_TABLE + 16 * 3 + 8, 0x1234, 8);
	assert_int_equal(fired(a), 1);
	assert_int_equal(bar(toy, TOY_PBA, 8), 0);
	assert_int_equal(bar(toy, TOY_TABLE + 16 * 3 + 8, 4), 0x1234);
	ioas_pci_msix_send(toy->pci, 3);
	assert_int_equal(fired(a), 1);
	assert_int_equal(toy->accesses, 0);
	close(a);
}

/* Unmasked by the program, it is sent to nobody, and so waits for nobody. */
static void without_mask_and_eventfd_nothing_waits(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	int event = event_new();

	assert_int_equal(set_irq(toy, PCI_IRQ_MSIX, 0, event), 0);
	set_bar(toy, TOY_TABLE + 16 + 12, 0, 4);
	ioas_pci_msix_send(toy->pci, 1);
	assert_int_equal(bar(toy, TOY_PBA, 8), 0);
	set_bar(toy, TOY_TABLE + 16 + 12, 1, 4);
	ioas_pci_msix_send(toy->pci, 1);
	assert_int_equal(bar(toy, TOY_PBA, 8), 2);
	close(event);
}

static void a_reset_keeps_eventfds_and_drops_what_is_pending(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	int a = event_new(), b = event_new();

	assert_int_equal(set_irq(toy, PCI_IRQ_MSIX, 0, a), 0);
	ioas_pci_msix_send(toy->pci, 1);
	pci_reset(toy->pci);
	assert_int_equal(bar(toy, TOY_PBA, 8), 0);
	assert_int_equal(set_irq(toy, PCI_IRQ_MSIX, 1, b), 0);
	assert_int_equal(fired(b), 0);
	ioas_pci_msix_send(toy->pci, 0);
	assert_int_equal(fired(a), 1);
	close(a);
	close(b);
}

/* Whatever a driver wrote there; what has no eventfd is masked. */
static void a_reset_makes_the_table_anew(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	int a = event_new();

	assert_int_equal(set_irq(toy, PCI_IRQ_MSIX, 2, a), 0);
	for (unsigned i = 2; i < 4; i++) {
		set_bar(toy, TOY_TABLE + 16 * i, 0xffffffffffffffff, 8);
		set_bar(toy, TOY_TABLE + 16 * i + 8, 0xffffffff, 4);
		set_bar(toy, TOY_TABLE + 16 * i + 12, i == 2, 4);
		assert_int_equal(bar(toy, TOY_TABLE + 16 * i, 8), 0xfffffffffffffffc);
		assert_int_equal(bar(toy, TOY_TABLE + 16 * i + 8, 8),
				 0xffffffff | (uint64_t)(i == 2) << 32);
	}
	pci_reset(toy->pci);
	assert_int_equal(bar(toy, TOY_TABLE + 16 * 2, 8), 0xfee00000);
	assert_int_equal(bar(toy, TOY_TABLE + 16 * 2 + 8, 8), 2);
	assert_int_equal(bar(toy, TOY_TABLE + 16 * 3, 8), 0);
	assert_int_equal(bar(toy, TOY_TABLE + 16 * 3 + 8, 8), 1ull << 32);
	ioas_pci_msix_send(toy->pci, 2);
	assert_int_equal(fired(a), 1);
	close(a);
}

/* Each has one bit, of the last one, too; and behind the table registers begin. */
static void pending_bits_are_each_vectors_own(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	int a = event_new();

	assert_int_equal(set_irq(toy, PCI_IRQ_MSIX, 0, a), 0);
	for (unsigned i = 1; i < TOY_VECTORS; i++) {
		ioas_pci_msix_send(toy->pci, i);
		assert_int_equal(bar(toy, TOY_PBA, 8), i < 64 ? 1ull << i : 0);
		assert_int_equal(bar(toy, TOY_PBA + 8, 8), i < 64 ? 0 : 1ull << (i - 64));
		assert_int_equal(bar(toy, TOY_PBA + i / 8, 1), 1 << i % 8);
		pci_reset(toy->pci);
	}
	assert_int_equal(toy->accesses, 0);
	assert_int_equal(bar(toy, TOY_TABLE + 16 * TOY_VECTORS - 8, 8), 1ull << 32);
	assert_int_equal(toy->accesses, 0);
	bar(toy, TOY_TABLE + 16 * TOY_VECTORS, 8);
	assert_int_equal(toy->accesses, 1);
	bar(toy, TOY_TABLE - 8, 8);
	assert_int_equal(toy->accesses, 2);
	bar(toy, TOY_PBA + 8, 8);
	assert_int_equal(toy->accesses, 2);
	bar(toy, TOY_PBA + 16, 8);
	assert_int_equal(toy->accesses, 3);
	close(a);
}

/* What is pending does not outlive its enable. */
static void disabled_vectors_have_nothing_pending(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	int a = event_new();

	assert_int_equal(set_irq(toy, PCI_IRQ_MSIX, 0, a), 0);
	ioas_pci_msix_send(toy->pci, 5);
	assert_int_equal(pci_irq_disable(toy->pci, PCI_IRQ_MSIX), 0);
	assert_int_equal(bar(toy, TOY_PBA, 8), 0);
	assert_int_equal(bar(toy, TOY_TABLE + 12, 4), 1);
	ioas_pci_msix_send(toy->pci, 5);
	assert_int_equal(set_irq(toy, PCI_IRQ_MSIX, 5, a), 0);
	assert_int_equal(fired(a), 0);
	close(a);
}

/* A program may have closed its standard input: 0 is a descriptor like any other. */
static void descriptor_0_is_as_good_as_any(void **state)
{
	static const unsigned indexes[] = {PCI_IRQ_MSIX, PCI_IRQ_INTX, PCI_IRQ_REQ, PCI_IRQ_ERR};
	struct toy *toy = ((struct toy_world *)*state)->toy;
	int a = event_new(), in, rc[4], again[4];
	uint64_t times[4];

	/* Here, too: then it is ours. */
	if (!a) {
		a = dup(0);
		close(0);
	}
	in = dup(0);
	for (unsigned i = 0; i < 4; i++) {
		int zero = dup2(a, 0);

		rc[i] = pci_irq_set(toy->pci, indexes[i], 0, 1, &zero);
		pci_irq_trigger(toy->pci, indexes[i], 0, 1, NULL);
		if (indexes[i] == PCI_IRQ_MSIX)
			ioas_pci_msix_send(toy->pci, 0);
		times[i] = fired(a);
		pci_irq_disable(toy->pci, indexes[i]);
		/* It was the function's to close. */
		again[i] = close(0);
	}
	if (in >= 0)
		dup2(in, 0);
	close(in);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(rc[i], 0);
		assert_int_equal(times[i], indexes[i] == PCI_IRQ_MSIX ? 2 : 1);
		assert_int_equal(again[i], -1);
	}
	assert_int_equal(toy->pci->dev->counters->interrupts, 1);
	close(a);
}

static void wrong_requests_are_refused(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	int a = event_new();

	assert_int_equal(pci_irq_count(toy->pci, PCI_IRQ_INTX), 1);
	assert_int_equal(pci_irq_count(toy->pci, PCI_IRQ_MSI), 0);
	assert_int_equal(pci_irq_count(toy->pci, PCI_IRQ_MSIX), TOY_VECTORS);
	assert_int_equal(pci_irq_count(toy->pci, PCI_IRQ_NR), -EINVAL);
	assert_int_equal(set_irq(toy, PCI_IRQ_MSI, 0, a), -EINVAL);
	assert_int_equal(set_irq(toy, PCI_IRQ_MSIX, TOY_VECTORS, a), -EINVAL);
	assert_int_equal(pci_irq_trigger(toy->pci, PCI_IRQ_MSIX, 0, 1, NULL), -EINVAL);
	assert_int_equal(pci_irq_trigger(toy->pci, PCI_IRQ_INTX, 0, 1, NULL), -EINVAL);
	assert_int_equal(pci_irq_mask(toy->pci, PCI_IRQ_INTX, 0, 1, NULL, true), -EINVAL);
	assert_int_equal(set_irq(toy, PCI_IRQ_MSIX, 0, a), 0);
	assert_int_equal(pci_irq_mask(toy->pci, PCI_IRQ_MSIX, 0, 1, NULL, true), -ENOTTY);
	assert_int_equal(set_irq(toy, PCI_IRQ_INTX, 0, a), -EINVAL);
	assert_int_equal(pci_irq_disable(toy->pci, PCI_IRQ_MSIX), 0);
	assert_int_equal(set_irq(toy, PCI_IRQ_INTX, 0, a), 0);
	assert_int_equal(set_irq(toy, PCI_IRQ_MSIX, 0, a), -EINVAL);
	assert_int_equal(pci_irq_disable(toy->pci, PCI_IRQ_INTX), 0);
	assert_int_equal(pci_irq_trigger(toy->pci, PCI_IRQ_REQ, 0, 1, NULL), -EINVAL);
	for (unsigned index = 0; index < PCI_IRQ_NR + 1; index++) {
		int two[] = {dup(a), dup(a)};

		assert_int_equal(pci_irq_disable(toy->pci, index), -EINVAL);
		assert_int_equal(pci_irq_set(toy->pci, index, 0, 0, NULL), -EINVAL);
		assert_int_equal(pci_irq_set(toy->pci, index, TOY_VECTORS - 1, 2, two), -EINVAL);
		assert_int_equal(pci_irq_trigger(toy->pci, index, TOY_VECTORS - 1, 2, NULL),
				 -EINVAL);
		assert_int_equal(pci_irq_mask(toy->pci, index, 0, 2, NULL, true),
				 index == PCI_IRQ_MSIX ? -ENOTTY : -EINVAL);
	}
	close(a);
}

static void the_user_can_trigger(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	int a = event_new();
	const uint8_t bools[] = {0, 1, 1};

	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(set_irq(toy, PCI_IRQ_MSIX, i, i == 2 ? -1 : a), 0);
	assert_int_equal(pci_irq_trigger(toy->pci, PCI_IRQ_MSIX, 0, 3, NULL), 0);
	assert_int_equal(fired(a), 2);
	assert_int_equal(pci_irq_trigger(toy->pci, PCI_IRQ_MSIX, 0, 3, bools), 0);
	assert_int_equal(fired(a), 1);
	assert_int_equal(set_irq(toy, PCI_IRQ_REQ, 0, a), 0);
	assert_int_equal(pci_irq_trigger(toy->pci, PCI_IRQ_REQ, 0, 1, NULL), 0);
	assert_int_equal(fired(a), 1);
	assert_int_equal(pci_irq_disable(toy->pci, PCI_IRQ_REQ), 0);
	/* The device has sent none of these. */
	assert_int_equal(toy->pci->dev->counters->interrupts, 0);
	close(a);
}

static void intx_fires_once_until_unmasked(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	int a = event_new();

	assert_int_equal(set_irq(toy, PCI_IRQ_INTX, 0, a), 0);
	ioas_pci_intx_set(toy->pci, true);
	assert_int_equal(fired(a), 1);
	assert_int_equal(cfg(toy, 6, 2), 0x0018);
	ioas_pci_intx_set(toy->pci, false);
	ioas_pci_intx_set(toy->pci, true);
	assert_int_equal(fired(a), 0);
	assert_int_equal(pci_irq_mask(toy->pci, PCI_IRQ_INTX, 0, 1, NULL, false), 0);
	assert_int_equal(fired(a), 1);
	assert_int_equal(pci_irq_mask(toy->pci, PCI_IRQ_INTX, 0, 1, NULL, false), 0);
	assert_int_equal(fired(a), 1);
	ioas_pci_intx_set(toy->pci, false);
	assert_int_equal(pci_irq_mask(toy->pci, PCI_IRQ_INTX, 0, 1, NULL, false), 0);
	assert_int_equal(fired(a), 0);
	assert_int_equal(cfg(toy, 6, 2), 0x0010);
	assert_int_equal(pci_irq_mask(toy->pci, PCI_IRQ_INTX, 0, 1, NULL, true), 0);
	ioas_pci_intx_set(toy->pci, true);
	assert_int_equal(fired(a), 0);
	assert_int_equal(pci_irq_mask(toy->pci, PCI_IRQ_INTX, 0, 1, NULL, false), 0);
	assert_int_equal(fired(a), 1);
	close(a);
}

static void interrupt_disable_holds_intx_back(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	int a = event_new();

	assert_int_equal(set_irq(toy, PCI_IRQ_INTX, 0, a), 0);
	set_cfg(toy, 4, 0x402, 2);
	assert_int_equal(pci_irq_trigger(toy->pci, PCI_IRQ_INTX, 0, 1, NULL), 0);
	ioas_pci_intx_set(toy->pci, true);
	assert_int_equal(fired(a), 0);
	assert_int_equal(cfg(toy, 6, 2), 0x0018);
	set_cfg(toy, 4, 0x002, 2);
	assert_int_equal(fired(a), 1);
	pci_reset(toy->pci);
	assert_int_equal(cfg(toy, 6, 2), 0x0010);
	close(a);
}

static void replacing_a_masked_intx_eventfd_does_not_fire(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	int a = event_new();

	assert_int_equal(set_irq(toy, PCI_IRQ_INTX, 0, a), 0);
	ioas_pci_intx_set(toy->pci, true);
	assert_int_equal(fired(a), 1);
	assert_int_equal(set_irq(toy, PCI_IRQ_INTX, 0, -1), 0);
	assert_int_equal(pci_irq_mask(toy->pci, PCI_IRQ_INTX, 0, 1, NULL, false), 0);
	assert_int_equal(set_irq(toy, PCI_IRQ_INTX, 0, a), 0);
	assert_int_equal(fired(a), 0);
	close(a);
}

static void bar_accesses_are_cut_into_natural_ones(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	uint8_t bytes[16], back[16];
	uint64_t value;

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i + 1);
	for (unsigned off = 0; off < 9; off++) {
		for (size_t len = 0; len <= sizeof(bytes); len++) {
			memset(toy->regs, 0, 64);
			assert_int_equal(pci_bar_write(toy->pci, 0, off, bytes, len), len);
			assert_memory_equal(toy->regs + off, bytes, len);
			assert_int_equal(toy->regs[off + len], 0);
			assert_int_equal(pci_bar_read(toy->pci, 0, off, back, len), len);
			assert_memory_equal(back, bytes, len);
		}
	}
	toy->accesses = 0;
	assert_int_equal(pci_bar_access(toy->pci, 0, 8, false, &value, 8), 0);
	assert_int_equal(toy->accesses, 1);
	assert_int_equal(toy->last_size, 8);
	assert_int_equal(pci_bar_access(toy->pci, 0, 6, false, &value, 4), 0);
	assert_int_equal(toy->accesses, 3);
	value = 0x8877665544332211;
	assert_int_equal(pci_bar_access(toy->pci, 0, 33, true, &value, 8), 0);
	assert_memory_equal(toy->regs + 33, &value, 8);
}

static void bar_bounds_and_decoding_are_checked(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	uint8_t bytes[16];
	uint64_t value;

	assert_int_equal(pci_bar_read(toy->pci, 0, 0x3ffe, bytes, 4), 2);
	assert_int_equal(pci_bar_read(toy->pci, 0, 0x4000, bytes, 4), -EINVAL);
	assert_int_equal(pci_bar_read(toy->pci, 1, 0, bytes, 4), -EINVAL);
	assert_int_equal(pci_bar_read(toy->pci, 6, 0, bytes, 4), -EINVAL);
	assert_int_equal(pci_bar_access(toy->pci, 0, 0x3ffe, false, &value, 4), -EFAULT);
	assert_int_equal(pci_bar_access(toy->pci, 0, UINT64_MAX, false, &value, 4), -EFAULT);
	set_cfg(toy, 4, 0, 2);
	assert_int_equal(pci_bar_read(toy->pci, 0, 0, bytes, 4), -EIO);
	assert_int_equal(pci_bar_write(toy->pci, 0, 0, bytes, 4), -EIO);
	assert_int_equal(pci_bar_access(toy->pci, 0, 0, true, &value, 4), -EIO);
	assert_int_equal(pci_bar_read(toy->pci, 2, 0, bytes, 4), 4);
}

static void pread_does_not_reach_the_table(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	uint32_t word = 0;
	uint64_t pending = 7;
	int a = event_new();

	assert_int_equal(set_irq(toy, PCI_IRQ_MSIX, 0, a), 0);
	assert_int_equal(pci_bar_read(toy->pci, 0, TOY_TABLE + 12, &word, 4), 4);
	assert_int_equal(word, 0xffffffff);
	assert_int_equal(pci_bar_write(toy->pci, 0, TOY_TABLE + 12, &word, 4), 4);
	assert_int_equal(bar(toy, TOY_TABLE + 12, 4), 0);
	assert_int_equal(pci_bar_read(toy->pci, 0, TOY_PBA, &pending, 8), 8);
	assert_int_equal(pending, 0);
	close(a);
}

/*
 * Senders against changes of the eventfd. Every message ends in one of the eventfds or, merged with
 * others of its vector, pending; and no closed descriptor is ever written to: the numbers are
 * reused at once for pipes, which a stray write of 8 bytes would fill.
 */
struct race {
	struct toy *toy;
	_Atomic bool stop;
	_Atomic uint64_t sent;
};

static void *send_all_the_time(void *arg)
{
	struct race *race = arg;

	while (!atomic_load(&race->stop)) {
		ioas_pci_msix_send(race->toy->pci, 0);
		atomic_fetch_add(&race->sent, 1);
	}
	return NULL;
}

static void senders_never_write_to_a_closed_eventfd(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	struct race race = {.toy = toy};
	pthread_t threads[2];
	int a = event_new();
	uint64_t n = 0;

	assert_int_equal(set_irq(toy, PCI_IRQ_MSIX, 0, a), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, send_all_the_time, &race), 0);
	for (unsigned i = 0; i < 2000; i++) {
		int ends[2];
		char byte;

		assert_int_equal(set_irq(toy, PCI_IRQ_MSIX, 0, i % 3 ? a : -1), 0);
		assert_int_equal(pipe2(ends, 0x800 /* O_NONBLOCK */), 0);
		if (i % 16 == 0)
			while (!atomic_load(&race.sent))
				sched_yield();
		assert_int_equal(read(ends[0], &byte, 1), -1);
		close(ends[0]);
		close(ends[1]);
	}
	atomic_store(&race.stop, true);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(set_irq(toy, PCI_IRQ_MSIX, 0, a), 0);
	n = fired(a);
	assert_true(n && n <= atomic_load(&race.sent));
	assert_int_equal(n, toy->pci->dev->counters->interrupts);
	assert_int_equal(bar(toy, TOY_PBA, 8), 0);
	close(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TOY(vectors_signal_their_eventfds),
		WITH_TOY(a_vector_without_eventfd_waits_for_one),
		WITH_TOY(masked_in_the_table_becomes_pending),
		WITH_TOY(without_mask_and_eventfd_nothing_waits),
		WITH_TOY(a_reset_keeps_eventfds_and_drops_what_is_pending),
		WITH_TOY(a_reset_makes_the_table_anew),
		WITH_TOY(pending_bits_are_each_vectors_own),
		WITH_TOY(disabled_vectors_have_nothing_pending),
		WITH_TOY(descriptor_0_is_as_good_as_any),
		WITH_TOY(wrong_requests_are_refused),
		WITH_TOY(the_user_can_trigger),
		WITH_TOY(intx_fires_once_until_unmasked),
		WITH_TOY(interrupt_disable_holds_intx_back),
		WITH_TOY(replacing_a_masked_intx_eventfd_does_not_fire),
		WITH_TOY(bar_accesses_are_cut_into_natural_ones),
		WITH_TOY(bar_bounds_and_decoding_are_checked),
		WITH_TOY(pread_does_not_reach_the_table),
		WITH_TOY(senders_never_write_to_a_closed_eventfd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
