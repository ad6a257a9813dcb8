/* SPDX-License-Identifier: MIT */
/*
 * Pinned memory, lent by an access.
 *
 * Windows are held first, while the pin cannot end; who ends it then waits for the holds. Where
 * the bytes are is asked in flight, so that whoever moves memory sees either the mark or the hold.
 */
#include <errno.h>
#include "space/access.h"
#include "util/alloc.h"

void *access_host(struct ioas_iommu *iommu, struct mem_window *window, uint64_t off, uint64_t *len)
{
	struct inflight_mark mark = {.seq = 0};
	uint64_t want = *len;
	void *host;

	inflight_add(&iommu->inflight, &mark);
	for (;;) {
		*len = want;
		inflight_enter(&mark);
		host = mem_window_at(window, off, len);
		inflight_leave(&mark);
		if (host)
			break;
		mem_map_wait(iommu->mem);
	}
	inflight_del(&iommu->inflight, &mark);
	return host;
}

/* Holds every window of the pin: there are few. */
static int hold(struct ioas_access_pin *pin, struct ioas_access_loan *loan)
{
	int rc = 0;

	if (loan->hold_cap < pin->nr) {
		void *more = alloc_resize(loan->hold, pin->nr * sizeof(*loan->hold));

		if (!more)
			return -ENOMEM;
		loan->hold = more;
		loan->hold_cap = (unsigned)pin->nr;
	}
	pthread_mutex_lock(&pin->access->pins_lock);
	if (pin->ended)
		rc = -ENOENT;
	for (size_t i = 0; !rc && i < pin->nr; i++)
		loan->hold[loan->hold_nr++] = mem_window_hold(pin_window(pin->parts[i].pin));
	pthread_mutex_unlock(&pin->access->pins_lock);
	return rc;
}

static int add_span(struct ioas_access_loan *loan, void *host, uint64_t len)
{
	struct iovec *last = loan->iov_nr ? &loan->iov[loan->iov_nr - 1] : NULL;

	loan->len += len;
	if (last && (char *)last->iov_base + last->iov_len == host) {
		last->iov_len += len;
		return 0;
	}
	if (loan->iov_nr == loan->iov_cap) {
		unsigned cap = loan->iov_cap ? 2 * loan->iov_cap : 4;
		void *more = alloc_resize(loan->iov, cap * sizeof(*loan->iov));

		if (!more)
			return -ENOMEM;
		loan->iov = more;
		loan->iov_cap = cap;
	}
	loan->iov[loan->iov_nr++] = (struct iovec){host, len};
	return 0;
}

static int lend_part(struct ioas_access_pin *pin, const struct access_part *part, uint64_t off,
		     uint64_t len, struct ioas_access_loan *loan)
{
	int rc = 0;

	while (!rc && len) {
		uint64_t now = len;
		void *host = access_host(pin->access->iommu, pin_window(part->pin),
					 part->skip + off, &now);

		rc = add_span(loan, host, now);
		off += now;
		len -= now;
	}
	return rc;
}

int ioas_access_begin(struct ioas_access_pin *pin, uint64_t off, uint64_t len,
		      struct ioas_access_loan *loan)
{
	int rc;

	if (!len || off >= pin->len || len > pin->len - off)
		return -EINVAL;
	rc = hold(pin, loan);
	for (size_t i = 0; !rc && len && i < pin->nr; i++) {
		const struct access_part *part = &pin->parts[i];
		uint64_t now = off < part->len ? part->len - off : 0;

		now = now < len ? now : len;
		rc = lend_part(pin, part, off, now, loan);
		off = now ? 0 : off - part->len;
		len -= now;
	}
	if (rc)
		ioas_access_end(loan);
	return rc;
}

void ioas_access_end(struct ioas_access_loan *loan)
{
	while (loan->hold_nr)
		mem_lend_release(loan->hold[--loan->hold_nr]);
	loan->iov_nr = 0;
	loan->len = 0;
}

void ioas_access_loan_fini(struct ioas_access_loan *loan)
{
	ioas_access_end(loan);
	free(loan->iov);
	free(loan->hold);
	*loan = (struct ioas_access_loan){NULL};
}
