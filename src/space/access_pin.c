/* SPDX-License-Identifier: MIT */
/* Pins of an access: the pages that were asked for, area by area. */
#include <errno.h>
#include <inttypes.h>
#include "space/access.h"
#include "util/alloc.h"
#include "util/why.h"

static uint64_t page_offset(uint64_t at)
{
	return at & (SPACE_PAGE - 1);
}

static struct access_part *part_new(struct ioas_access_pin *pin)
{
	if (pin->nr == pin->cap) {
		size_t cap = pin->cap ? 2 * pin->cap : 1;
		void *parts = alloc_resize(pin->parts, cap * sizeof(*pin->parts));

		if (!parts)
			return NULL;
		pin->parts = parts;
		pin->cap = cap;
	}
	return &pin->parts[pin->nr];
}

/* Whole pages are handed on. In a space where anybody pins, areas and their memory are such. */
static int check_pages(iova_t iova, struct ioas_why *why)
{
	if (!page_offset(iova))
		return 0;
	return why_set(why, -EINVAL, "IOVA %#" PRIx64 " is inside a page", iova);
}

/* Pins what of iova..last lies in the area. Space locked. */
static int pin_area(struct ioas_access_pin *pin, struct space_area *area, iova_t iova, iova_t last,
		    struct ioas_why *why)
{
	struct ioas_iommu *iommu = pin->space->iommu;
	uint64_t start = area_offset(area) + (iova - area->first), end;
	struct access_part *part = part_new(pin);
	struct ioas_why inner = {""};
	bool locked;
	int rc;

	if (!part)
		return why_set(why, -ENOMEM, "out of memory");
	if (last > area->last)
		last = area->last;
	part->area = area;
	part->len = last - iova + 1;
	end = (start + part->len + SPACE_PAGE - 1) & ~(SPACE_PAGE - 1);
	locked = pages_lock(iommu, area_pages(area));
	rc = pages_pin(pin->space, area_pages(area), start, end - start, iova, &part->pin, &inner);
	pages_unlock(iommu, locked);
	if (!rc)
		part->skip = pin_skip(part->pin);
	if (rc)
		return why_set(why, rc, "%s",
			       inner.text[0]   ? inner.text
			       : rc == -ENOMEM ? "out of memory"
					       : "memory of the mapping is not all there");
	area->accesses++;
	pin->nr++;
	return 0;
}

static int pin_all(struct ioas_access_pin *pin, bool write, struct ioas_why *why)
{
	iova_t at = pin->iova, last = pin->iova + (pin->len - 1);
	struct space_area *area;

	for (;; at = area->last + 1) {
		int rc = access_area(pin->space, at, &area, why);

		if (!rc)
			rc = check_pages(at, why);
		if (!rc)
			rc = access_allowed(area, write, why);
		if (!rc)
			rc = pin_area(pin, area, at, last, why);
		if (rc)
			return rc;
		if (area->last >= last)
			return 0;
	}
}

static void unpin_all(struct ioas_access_pin *pin)
{
	while (pin->nr) {
		struct access_part *part = &pin->parts[--pin->nr];

		pages_unpin(pin->space, area_pages(part->area), part->pin);
		part->area->accesses--;
	}
}

/* Who unmaps may be waiting for it. */
void access_pin_end(struct ioas_access_pin *pin)
{
	pthread_mutex_lock(&pin->space->lock);
	unpin_all(pin);
	pthread_cond_broadcast(&pin->space->idle);
	pthread_mutex_unlock(&pin->space->lock);
}

void access_pin_free(struct ioas_access_pin *pin)
{
	free(pin->parts);
	free(pin);
}

static void list_add(struct ioas_access *access, struct ioas_access_pin *pin)
{
	pthread_mutex_lock(&access->pins_lock);
	pin->next = access->pins;
	pin->prev = &access->pins;
	if (pin->next)
		pin->next->prev = &pin->next;
	access->pins = pin;
	pthread_mutex_unlock(&access->pins_lock);
}

int ioas_access_pin(struct ioas_access *access, iova_t iova, uint64_t len, uint32_t flags,
		    struct ioas_access_pin **out, struct ioas_why *why)
{
	struct ioas_access_pin *pin;
	int rc;

	if (!access->pinning)
		return why_set(why, -EOPNOTSUPP, "the access was not made to pin");
	rc = access_check(iova, len, flags, why);
	if (rc)
		return rc;
	pin = alloc_zero(1, sizeof(*pin));
	if (!pin)
		return why_set(why, -ENOMEM, "out of memory");
	pin->access = access;
	pin->iova = iova;
	pin->len = len;
	rc = access_enter(access, why);
	if (!rc) {
		pin->space = access->space;
		pthread_mutex_lock(&pin->space->lock);
		rc = pin_all(pin, flags & IOAS_ACCESS_WRITE, why);
		if (rc)
			unpin_all(pin);
		pthread_mutex_unlock(&pin->space->lock);
		if (!rc)
			list_add(access, pin);
		access_leave(access);
	}
	if (rc)
		access_pin_free(pin);
	else
		*out = pin;
	return rc;
}

void ioas_access_unpin(struct ioas_access_pin *pin)
{
	struct ioas_access *access;
	bool ended;

	if (!pin)
		return;
	access = pin->access;
	pthread_rwlock_rdlock(&access->lock);
	pthread_mutex_lock(&access->pins_lock);
	*pin->prev = pin->next;
	if (pin->next)
		pin->next->prev = pin->prev;
	ended = pin->ended;
	pin->ended = true;
	pthread_mutex_unlock(&access->pins_lock);
	if (!ended)
		access_pin_end(pin);
	pthread_rwlock_unlock(&access->lock);
	access_pin_free(pin);
}

iova_t ioas_access_pin_iova(const struct ioas_access_pin *pin)
{
	return pin->iova;
}

uint64_t ioas_access_pin_len(const struct ioas_access_pin *pin)
{
	return pin->len;
}
