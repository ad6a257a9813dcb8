/* SPDX-License-Identifier: MIT */
/*
 * Register accesses: cut into naturally aligned pieces, and each piece to whom it belongs, the
 * model or the MSI-X table. Takes no lock but the table's.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include "pci/pci.h"
#include "util/sys.h"

static unsigned natural_size(uint64_t off, uint64_t len)
{
	unsigned size = 8;

	while (size > len || off % size)
		size /= 2;
	return size;
}

static uint64_t read_piece(struct ioas_pci *pci, unsigned bar, uint64_t off, unsigned size)
{
	if (msix_covers(pci, bar, off, size, false) || msix_covers(pci, bar, off, size, true))
		return msix_read(pci, off, size);
	return pci->ops->bar_read(pci->model, bar, off, size);
}

static void write_piece(struct ioas_pci *pci, unsigned bar, uint64_t off, uint64_t value,
			unsigned size)
{
	if (msix_covers(pci, bar, off, size, false) || msix_covers(pci, bar, off, size, true))
		msix_write(pci, off, value, size);
	else
		pci->ops->bar_write(pci->model, bar, off, value, size);
}

uint64_t pci_bar_len(const struct ioas_pci *pci, unsigned bar)
{
	return bar < 6 ? pci->desc.bar[bar].len : 0;
}

/*
 * I/O space answers whatever PCI_COMMAND says: vfio-pci checks memory alone. In vfio-pci, too, an
 * access waits while another thread resets the device. A sleep, as locks are not for signal
 * handlers: who resets waits for the model only.
 */
static bool answers(const struct ioas_pci *pci, unsigned bar)
{
	struct timespec nap = {.tv_nsec = 50000};

	while (atomic_load(&pci->in_reset))
		sys_call(SYS_nanosleep, &nap, NULL);
	return pci->desc.bar[bar].flags & IOAS_PCI_BAR_IO || atomic_load(&pci->memory_on);
}

static void put_le(uint8_t *buf, uint64_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		buf[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get_le(const uint8_t *buf, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)buf[i] << (8 * i);
	return value;
}

/* How much of a pread or pwrite is inside, or why nothing is. */
static ssize_t check(const struct ioas_pci *pci, unsigned bar, uint64_t off, size_t len)
{
	uint64_t bar_len = pci_bar_len(pci, bar);

	if (off >= bar_len)
		return -EINVAL;
	if (!answers(pci, bar))
		return -EIO;
	return (ssize_t)(len < bar_len - off ? len : bar_len - off);
}

ssize_t pci_bar_read(struct ioas_pci *pci, unsigned bar, uint64_t off, void *buf, size_t len)
{
	ssize_t total = check(pci, bar, off, len);
	uint8_t *to = buf;

	for (ssize_t done = 0; done < total;) {
		unsigned size = natural_size(off + (uint64_t)done, (uint64_t)(total - done));

		if (msix_covers(pci, bar, off + (uint64_t)done, size, false))
			put_le(to + done, UINT64_MAX, size);
		else
			put_le(to + done, read_piece(pci, bar, off + (uint64_t)done, size), size);
		done += size;
	}
	return total;
}

ssize_t pci_bar_write(struct ioas_pci *pci, unsigned bar, uint64_t off, const void *buf, size_t len)
{
	ssize_t total = check(pci, bar, off, len);
	const uint8_t *from = buf;

	for (ssize_t done = 0; done < total;) {
		unsigned size = natural_size(off + (uint64_t)done, (uint64_t)(total - done));

		if (!msix_covers(pci, bar, off + (uint64_t)done, size, false))
			write_piece(pci, bar, off + (uint64_t)done, get_le(from + done, size),
				    size);
		done += size;
	}
	return total;
}

int pci_bar_access(struct ioas_pci *pci, unsigned bar, uint64_t off, bool write, uint64_t *value,
		   unsigned size)
{
	uint64_t bar_len = pci_bar_len(pci, bar);
	uint64_t got = 0;

	if (!size || size > 8 || off >= bar_len || size > bar_len - off)
		return -EFAULT;
	if (!answers(pci, bar) || atomic_load(&pci->low_power))
		return -EIO;
	for (unsigned done = 0; done < size;) {
		unsigned piece = natural_size(off + done, size - done);

		if (write) {
			uint64_t part = *value >> (8 * done);

			if (piece < 8)
				part &= (1ull << 8 * piece) - 1;
			write_piece(pci, bar, off + done, part, piece);
		} else {
			got |= read_piece(pci, bar, off + done, piece) << (8 * done);
		}
		done += piece;
	}
	if (!write)
		*value = got;
	return 0;
}
