/* SPDX-License-Identifier: MIT */
/*
 * A bus of one device, for tests of a model alone: memory is an arena, an IOVA an offset into it
 * plus BUS_BASE, and every 4 KiB page has a permission that a test can take away.
 *
 * bus.c is a bus made for tests, bus_engine.c the engine itself.
 */
#ifndef TESTS_NVME_BUS_H
#define TESTS_NVME_BUS_H

#include <pthread.h>
#include <stdatomic.h>
#include <ioas/model.h>
#include <ioas/batch.h>

#define BUS_BASE  0x700000000000ull
#define BUS_PAGES 16384u
#define BUS_LEN	  (BUS_PAGES * 4096ull)

/* bus.c only: a page that no batch reaches, only a TLP by itself. */
#define BUS_FAR 0x80

struct bus {
	uint8_t *memory;
	uint8_t prot[BUS_PAGES]; /* enum ioas_prot, and BUS_FAR */
	_Atomic bool master, msix;
	_Atomic unsigned faults;
	_Atomic unsigned sent[128]; /* MSI-X messages by vector */
	_Atomic bool pin;
	const struct ioas_pci_ops *ops;
	void *model;
	struct ioas_pci_desc desc;
	_Atomic unsigned lent; /* open spans */
	/* bus.c only: of batches, writes of words, and what goes over the end of a page. */
	_Atomic unsigned posts, crossed;
	/* bus.c only: told of each read by a TLP, before the model goes on with what it has read.
	 */
	_Atomic(void (*)(iova_t addr)) has_read;
	/*
	 * bus.c only: whether registers can be watched (0: no, or -errno of who wants to), the
	 * page, and where it is. With the lock a doorbell goes where it is watched, and to
	 * bar_write else.
	 */
	_Atomic int can_watch;
	_Atomic unsigned watches;
	pthread_mutex_t watch_lock;
	_Atomic bool watched;
	uint32_t words[1024];
};

extern struct bus bus;

void bus_open(void);
void bus_close(void);
/* The controller: made and put on the bus, as struct ioas_model's create says; and removed. */
int bus_create(const struct ioas_param *params, size_t nr, struct ioas_why *why);
void bus_remove(void);
static inline void *bus_at(iova_t addr)
{
	return bus.memory + (addr - BUS_BASE);
}
void bus_protect(iova_t addr, uint64_t len, uint8_t prot);

#endif
