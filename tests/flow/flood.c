/* SPDX-License-Identifier: MIT */
/*
 * Description: devices that do what no device should, as fast as they can, from two threads each:
 * addresses that nobody mapped, forms that nobody declared, others' requester IDs, interrupts that
 * are none, requests while bus mastering is off. Each is refused and counted, exactly; the log
 * keeps the newest and says by its numbers how many it lost; no byte of the program's memory
 * changes; and a device that behaves goes on meanwhile.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <ioas/device.h>
#include <ioas/tlp.h>
#include "pci/pci.h"
#include "tests/soak.h"
#include "tests/unit/uapi/world.h"

#define KEPT  1024 /* records (device.h) */
#define FLOOD 4000 /* TLPs of a thread */
#define IOVA  0x100000ull
#define GOOD  (PAGE - 8) /* of the page, what the good device writes */

struct flood {
	struct world *w;
	unsigned dev, seed;
	uint64_t refused, sent;
	pthread_t thread;
};

static _Atomic bool over;

static struct ioas_device *device(struct world *w, unsigned i)
{
	return ioas_pci_device(w->dev[i].pci);
}

static void master(struct world *w, unsigned i, bool on)
{
	uint16_t command = on ? PCI_CMD_MASTER | PCI_CMD_MEMORY : PCI_CMD_MEMORY;

	assert_int_equal(pci_config_write(w->dev[i].pci, PCI_CFG_COMMAND, &command, 2), 2);
}

/* One that must not pass. */
static struct ioas_tlp bad_tlp(struct flood *flood)
{
	struct ioas_tlp tlp = {.addr = IOVA, .len = 64, .op = IOAS_TLP_WRITE};
	unsigned kind = (flood->seed = flood->seed * 1103515245 + 12345) >> 16;

	switch (kind % 6) {
	case 0: /* beside what is mapped, or begins in it and ends outside */
		tlp.addr = kind & 64 ? IOVA + PAGE - 32 : IOVA - 4096 + (kind & 7) * 8;
		if (kind & 64)
			tlp.addr += PAGE;
		break;
	case 1:
		tlp.flags = IOAS_TLP_PASID;
		tlp.pasid = kind >> 4;
		break;
	case 2: /* translated, which nobody handed out */
		tlp.at = IOAS_TLP_TRANSLATED;
		break;
	case 3: /* the page is read-only for that one: mapped without WRITE */
		tlp.addr = IOVA + 8 * PAGE;
		break;
	case 4: /* an interrupt message is 4 bytes */
		tlp.addr = 0xfee00000;
		break;
	default:
		tlp.addr = UINT64_MAX - 63;
		break;
	}
	return tlp;
}

static void *send_bad(void *arg)
{
	struct flood *flood = arg;
	struct ioas_issuer *issuer;
	uint8_t shot[64];

	memset(shot, 0xbd, sizeof(shot));
	if (ioas_issuer_new(device(flood->w, flood->dev), &issuer))
		return NULL;
	for (unsigned i = 0; i < FLOOD * soak_times(); i++) {
		struct ioas_tlp tlp = bad_tlp(flood);

		flood->refused += ioas_tlp_issue(issuer, &tlp, shot) != 0;
		flood->sent++;
	}
	ioas_issuer_destroy(issuer);
	return NULL;
}

/* Its bytes arrive, whatever the others do. */
static void *send_good(void *arg)
{
	struct flood *flood = arg;
	struct ioas_issuer *issuer;

	if (ioas_issuer_new(device(flood->w, flood->dev), &issuer))
		return NULL;
	while (!atomic_load(&over)) {
		uint64_t number = ++flood->sent, seen;

		flood->refused += ioas_dma_write(issuer, IOVA + GOOD, &number, 8) != 0;
		memcpy(&seen, flood->w->page + GOOD, 8);
		flood->refused += seen != number;
	}
	ioas_issuer_destroy(issuer);
	return NULL;
}

/* Reads the log all the while: numbers rise, and what is missing was overwritten. */
static void *read_log(void *arg)
{
	struct flood *flood = arg;
	struct ioas_fault record[16];
	uint64_t seq = 0, last = 0;

	while (!atomic_load(&over)) {
		size_t nr = ioas_fault_read(flood->w->iommu, &seq, record, 16);

		for (size_t i = 0; i < nr; i++) {
			flood->refused += record[i].seq <= last;
			last = record[i].seq;
		}
		flood->sent += nr;
	}
	return NULL;
}

static void map_pages(struct world *w, int fd, uint32_t ioas)
{
	uint64_t iova = IOVA, readonly = IOVA + 8 * PAGE;
	uint32_t rw = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE;

	assert_int_equal(w_map(w, fd, ioas, rw | IOMMU_IOAS_MAP_WRITEABLE, w->page, PAGE, &iova),
			 0);
	assert_int_equal(w_map(w, fd, ioas, rw, w->page + 8 * PAGE, PAGE, &readonly), 0);
}

static void nothing_of_a_flood_arrives(void **state)
{
	struct world *w = *state;
	struct flood bad[4], good = {.w = w, .dev = 1}, reader = {.w = w};
	struct ioas_fault record[16];
	uint64_t sent = 0, counted = 0, seq = 0, last = 0, kept = 0;
	int fd = w_open(w, "/dev/iommu");
	uint32_t ioas = w_ioas(w, fd);
	size_t nr;

	memset(w->page, 0x11, 16 * PAGE);
	map_pages(w, fd, ioas);
	for (unsigned i = 0; i < 3; i++) {
		int cdev = w_open_cdev(w, i);

		w_bind(w, cdev, fd);
		assert_int_equal(w_attach(w, cdev, &ioas), 0);
		master(w, i, i != 2); /* one has no bus mastering, and sends all the same */
	}
	for (unsigned i = 0; i < 4; i++) {
		bad[i] = (struct flood){.w = w, .dev = i % 2 * 2, .seed = i * 77 + soak_seed()};
		assert_int_equal(pthread_create(&bad[i].thread, NULL, send_bad, &bad[i]), 0);
	}
	assert_int_equal(pthread_create(&good.thread, NULL, send_good, &good), 0);
	assert_int_equal(pthread_create(&reader.thread, NULL, read_log, &reader), 0);
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(bad[i].thread, NULL);
		assert_int_equal(bad[i].sent, FLOOD * soak_times());
		assert_int_equal(bad[i].refused, bad[i].sent);
		sent += bad[i].sent;
	}
	atomic_store(&over, true);
	pthread_join(good.thread, NULL);
	pthread_join(reader.thread, NULL);
	assert_int_equal(good.refused, 0);
	assert_int_equal(reader.refused, 0);

	/* Each has been counted once, by its device and by the log. */
	for (unsigned i = 0; i < 3; i++)
		counted += ioas_device_counters(device(w, i))->faults;
	assert_int_equal(counted, sent);
	assert_int_equal(ioas_device_counters(device(w, 1))->faults, 0);
	while ((nr = ioas_fault_read(w->iommu, &seq, record, 16))) {
		assert_int_equal(record[0].seq, last ? last + 1 : sent - KEPT + 1);
		last = record[nr - 1].seq;
		kept += nr;
	}
	assert_int_equal(last, sent);
	assert_int_equal(kept, KEPT);

	for (size_t i = 0; i < 16 * PAGE; i++)
		assert_true(w->page[i] == 0x11 || (i >= GOOD && i < PAGE));
	printf("tried: %llu TLPs, %llu faults\n", (unsigned long long)(sent + good.sent),
	       (unsigned long long)sent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_of_a_flood_arrives, world_setup,
						world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
