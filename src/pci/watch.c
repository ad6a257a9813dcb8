/* SPDX-License-Identifier: MIT */
/*
 * Watched registers: a page of them that is memory for a while, because the program writes there
 * so often that a fault for each write is too dear.
 *
 * The function sees the page at one address for good, whatever file's it is: whoever may still be
 * about to write to it, because it was watched a moment ago, writes to memory. Only whether the
 * program's mappings are accessible comes and goes. While nothing answers, they are not.
 */
#include <errno.h>
#include <sys/mman.h>
#include "pci/pci.h"
#include "util/lock.h"
#include "util/sys.h"

#define PAGE 4096ul

void watch_init(struct ioas_pci *pci)
{
	lock_init(&pci->watch.lock, LOCK_PCI_WATCH);
	lock_guards(&pci->watch.lock, &pci->watch.by, &pci->watch.possible);
}

void watch_fini(struct ioas_pci *pci)
{
	if (pci->watch.at)
		sys_call(SYS_munmap, pci->watch.at, PAGE);
	pthread_mutex_destroy(&pci->watch.lock);
}

/* (watch lock) */
static void shut(struct pci_watch *watch)
{
	lock_must_hold(&watch->lock);
	if (watch->open)
		watch->by->open(watch->file, watch->bar, watch->off, false);
	watch->open = false;
}

void pci_watch_shut(struct ioas_pci *pci)
{
	pthread_mutex_lock(&pci->watch.lock);
	shut(&pci->watch);
	pthread_mutex_unlock(&pci->watch.lock);
}

static void set_file(struct pci_watch *watch, const struct pci_watcher *by, void *file)
{
	lock_must_hold(&watch->lock);
	shut(watch);
	watch->by = by;
	watch->file = file;
	watch->shown = false;
	atomic_store_explicit(&watch->possible, file, memory_order_relaxed);
}

void pci_watch_offer(struct ioas_pci *pci, const struct pci_watcher *by, void *file)
{
	pthread_mutex_lock(&pci->watch.lock);
	if (pci->watch.file != file)
		set_file(&pci->watch, by, file);
	pthread_mutex_unlock(&pci->watch.lock);
}

void pci_watch_forget(struct ioas_pci *pci, const void *file)
{
	pthread_mutex_lock(&pci->watch.lock);
	if (pci->watch.file == file)
		set_file(&pci->watch, NULL, NULL);
	pthread_mutex_unlock(&pci->watch.lock);
}

/* (watch lock) */
static bool have_room(struct pci_watch *watch)
{
	long rc;

	lock_must_hold(&watch->lock);
	if (watch->at)
		return true;
	rc = sys_call(SYS_mmap, NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	if (sys_failed(rc))
		return false;
	watch->at = (void *)rc;
	return true;
}

bool ioas_pci_can_watch(const struct ioas_pci *pci)
{
	return atomic_load_explicit(&pci->watch.possible, memory_order_relaxed);
}

static bool is_page(const struct ioas_pci *pci, unsigned bar, uint64_t off)
{
	return off % PAGE == 0 && off < pci_bar_len(pci, bar) &&
	       !msix_covers(pci, bar, off, PAGE, false) && !msix_covers(pci, bar, off, PAGE, true);
}

/* (watch lock) */
static int show(struct pci_watch *watch, unsigned bar, uint64_t off)
{
	int rc;

	lock_must_hold(&watch->lock);
	if (!watch->file)
		return -ENXIO;
	if (watch->shown && watch->bar == bar && watch->off == off)
		return 0;
	if (!have_room(watch))
		return -ENOMEM;
	shut(watch);
	rc = watch->by->page(watch->file, bar, off, watch->at);
	watch->shown = !rc;
	watch->bar = bar;
	watch->off = off;
	return rc;
}

int ioas_pci_watch_page(struct ioas_pci *pci, unsigned bar, uint64_t off, void **page)
{
	int rc;

	if (!is_page(pci, bar, off))
		return -EINVAL;
	pthread_mutex_lock(&pci->watch.lock);
	rc = show(&pci->watch, bar, off);
	*page = pci->watch.at;
	pthread_mutex_unlock(&pci->watch.lock);
	return rc;
}

/* Who makes it silent says so first, and takes the watch lock then. */
static bool answers(const struct ioas_pci *pci)
{
	return !atomic_load(&pci->in_reset) && atomic_load(&pci->memory_on) &&
	       !atomic_load(&pci->low_power);
}

int ioas_pci_watch(struct ioas_pci *pci)
{
	struct pci_watch *watch = &pci->watch;
	int rc = 0;

	pthread_mutex_lock(&watch->lock);
	if (!watch->shown)
		rc = -ENXIO;
	else if (!answers(pci))
		rc = -EAGAIN;
	else if (!watch->open)
		rc = watch->by->open(watch->file, watch->bar, watch->off, true);
	watch->open |= !rc;
	pthread_mutex_unlock(&watch->lock);
	return rc;
}

void ioas_pci_unwatch(struct ioas_pci *pci)
{
	pci_watch_shut(pci);
}
