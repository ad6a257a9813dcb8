/* SPDX-License-Identifier: MIT */
/*
 * MSI-X: the vector table, pending bits, and sending.
 *
 * As in vfio-pci the user enables MSI-X and a vector by giving an eventfd, not by writing
 *registers: a vector with an eventfd is unmasked, one without is masked, and what a masked vector
 *was sent waits in the pending bits. So an interrupt that arrives between taking one eventfd away
 *and giving the next is not lost. Through a mapping of the BAR the user reaches the table itself
 *and can mask a vector. The function mask can't be set (message control is read-only).
 *
 * A sender takes no lock while the vector is *open* (enabled, unmasked, with an eventfd). It must
 * not write to a descriptor that has been closed, for the number may already be another file's:
 *
 *	sender					change (under irq)
 *	sending += 1				fd = -1
 *	read fd: if there is one, write		wait until sending is 0
 *	sending -= 1				close the old one, fd = the new one
 *	if there was none: take irq, look again
 *
 * All of it is sequentially consistent: either the sender reads -1, or the change sees it counted
 * and waits for its write. The wait ends: a sender that comes later reads -1, uncounts itself and
 * blocks on irq, so each thread can be met at most once.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include "pci/pci.h"
#include "util/alloc.h"
#include "util/lock.h"

#define ENTRY_LEN     16
#define CONTROL_MASK  1u
#define MESSAGE_FIRST 0xfee00000u

int msix_init(struct ioas_pci *pci)
{
	unsigned nr = pci->desc.msix_nr;

	if (!nr)
		return 0;
	pci->msix.vectors = alloc_zero(nr, sizeof(*pci->msix.vectors));
	if (!pci->msix.vectors)
		return -ENOMEM;
	for (unsigned i = 0; i < nr; i++) {
		atomic_init(&pci->msix.vectors[i].fd, -1);
		pci->msix.vectors[i].trigger = -1;
		pci->msix.vectors[i].entry[3] = CONTROL_MASK;
	}
	return 0;
}

void msix_fini(struct ioas_pci *pci)
{
	for (unsigned i = 0; pci->msix.vectors && i < pci->desc.msix_nr; i++)
		irq_close(pci->msix.vectors[i].trigger);
	free(pci->msix.vectors);
}

/* No sender uses a descriptor of the vector, on return and until open_vector. */
static void close_vector(struct pci_vector *vector)
{
	atomic_store(&vector->fd, -1);
	while (atomic_load(&vector->sending))
		sched_yield();
}

/* Lets senders through, if nothing is against it, and delivers what is pending. */
static void open_vector(struct ioas_pci *pci, struct pci_vector *vector)
{
	lock_must_hold(&pci->irq);
	if (!atomic_load(&pci->msix.enabled) || vector->entry[3] & CONTROL_MASK)
		return;
	if (vector->pending)
		irq_signal(pci, vector->trigger);
	vector->pending = false;
	atomic_store(&vector->fd, vector->trigger);
}

/* What the driver writes into an entry: anything that tells vectors apart. */
static void set_entry(struct ioas_pci *pci, struct pci_vector *vector)
{
	bool used = vector->trigger >= 0;

	vector->entry[0] = used ? MESSAGE_FIRST : 0;
	vector->entry[1] = 0;
	vector->entry[2] = used ? (uint32_t)(vector - pci->msix.vectors) : 0;
	vector->entry[3] = used ? 0 : CONTROL_MASK;
}

static void set_trigger(struct ioas_pci *pci, struct pci_vector *vector, int fd)
{
	close_vector(vector);
	irq_close(vector->trigger);
	vector->trigger = fd;
	set_entry(pci, vector);
	open_vector(pci, vector);
}

static void set_enabled(struct ioas_pci *pci, bool enabled)
{
	uint16_t control = config_get16(&pci->config, pci->config.msix + 2u);

	control = enabled ? control | PCI_MSIX_ENABLE : control & (uint16_t)~PCI_MSIX_ENABLE;
	config_set16(&pci->config, pci->config.msix + 2u, control);
	atomic_store(&pci->msix.enabled, enabled);
}

int msix_set(struct ioas_pci *pci, unsigned start, unsigned count, const int *fds)
{
	lock_must_hold(&pci->irq);
	if (pci->intx.enabled)
		return -EINVAL;
	if (!atomic_load(&pci->msix.enabled))
		set_enabled(pci, true);
	for (unsigned i = 0; i < count; i++)
		set_trigger(pci, &pci->msix.vectors[start + i], fds[i]);
	return 0;
}

void msix_disable(struct ioas_pci *pci)
{
	lock_must_hold(&pci->irq);
	set_enabled(pci, false);
	for (unsigned i = 0; i < pci->desc.msix_nr; i++) {
		set_trigger(pci, &pci->msix.vectors[i], -1);
		pci->msix.vectors[i].pending = false;
	}
}

/* The driver restores enable and entries after a reset; what was pending is gone. */
void msix_reset(struct ioas_pci *pci)
{
	pthread_mutex_lock(&pci->irq);
	for (unsigned i = 0; i < pci->desc.msix_nr; i++) {
		struct pci_vector *vector = &pci->msix.vectors[i];

		close_vector(vector);
		vector->pending = false;
		set_entry(pci, vector);
		open_vector(pci, vector);
	}
	pthread_mutex_unlock(&pci->irq);
}

bool ioas_pci_msix_enabled(const struct ioas_pci *pci)
{
	return atomic_load_explicit(&pci->msix.enabled, memory_order_acquire);
}

static void send_slow(struct ioas_pci *pci, struct pci_vector *vector)
{
	int fd;

	pthread_mutex_lock(&pci->irq);
	fd = atomic_load(&vector->fd);
	if (fd >= 0)
		irq_signal(pci, fd);
	else if (atomic_load(&pci->msix.enabled) && vector->entry[3] & CONTROL_MASK)
		vector->pending = true;
	pthread_mutex_unlock(&pci->irq);
}

void ioas_pci_msix_send(struct ioas_pci *pci, unsigned number)
{
	struct pci_vector *vector;
	int fd;

	if (number >= pci->desc.msix_nr || !ioas_pci_msix_enabled(pci))
		return;
	vector = &pci->msix.vectors[number];
	atomic_fetch_add(&vector->sending, 1);
	fd = atomic_load(&vector->fd);
	irq_signal(pci, fd);
	atomic_fetch_sub(&vector->sending, 1);
	if (fd < 0)
		send_slow(pci, vector);
}

static uint64_t table_len(const struct ioas_pci *pci)
{
	return (uint64_t)pci->desc.msix_nr * ENTRY_LEN;
}

static uint64_t pba_len(const struct ioas_pci *pci)
{
	return (pci->desc.msix_nr + 63u) / 64 * 8;
}

/* Both begin and end on multiples of 8: an aligned access is inside or outside. A page may be both.
 */
bool msix_covers(const struct ioas_pci *pci, unsigned bar, uint64_t off, unsigned size, bool pba)
{
	uint64_t start = pba ? pci->desc.msix_pba : pci->desc.msix_table;
	uint64_t len = pba ? pba_len(pci) : table_len(pci);

	return pci->desc.msix_nr && bar == pci->desc.msix_bar && off < start + len &&
	       start < off + size;
}

static uint64_t read_pending(struct ioas_pci *pci, unsigned word)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < 64 && 64 * word + i < pci->desc.msix_nr; i++)
		bits |= (uint64_t)pci->msix.vectors[64 * word + i].pending << i;
	return bits;
}

uint64_t msix_read(struct ioas_pci *pci, uint64_t off, unsigned size)
{
	uint64_t at = off - pci->desc.msix_table;
	uint64_t value;

	pthread_mutex_lock(&pci->irq);
	if (at < table_len(pci)) {
		const uint32_t *entry = pci->msix.vectors[at / ENTRY_LEN].entry;
		unsigned pair = at % ENTRY_LEN / 8 * 2;

		value = entry[pair] | (uint64_t)entry[pair + 1] << 32;
	} else {
		at = off - pci->desc.msix_pba;
		value = read_pending(pci, (unsigned)(at / 8));
	}
	pthread_mutex_unlock(&pci->irq);
	value >>= 8 * (at % 8);
	return size == 8 ? value : value & ((1ull << 8 * size) - 1);
}

void msix_write(struct ioas_pci *pci, uint64_t off, uint64_t value, unsigned size)
{
	uint64_t at = off - pci->desc.msix_table;
	struct pci_vector *vector;

	/* Pending bits are read-only; a table takes whole double words. */
	if (at >= table_len(pci) || size < 4)
		return;
	vector = &pci->msix.vectors[at / ENTRY_LEN];
	pthread_mutex_lock(&pci->irq);
	close_vector(vector);
	for (unsigned i = 0; i < size / 4; i++) {
		unsigned word = at % ENTRY_LEN / 4 + i;

		vector->entry[word] = (uint32_t)(value >> (32 * i));
	}
	vector->entry[0] &= ~3u;
	vector->entry[3] &= CONTROL_MASK;
	open_vector(pci, vector);
	pthread_mutex_unlock(&pci->irq);
}
