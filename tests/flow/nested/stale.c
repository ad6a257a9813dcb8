/* SPDX-License-Identifier: MIT */
/*
 * Description: --check-invalidation finds what a guest's driver on VT-d changed and did not
 * invalidate, a leaf, a table, permission taken away, and says which entry it was; and finds
 * nothing in a driver that does as it must, in thousands of random changes.
 */
#include "guest.h"

#define VA    0x7f0000000000ul
#define HIGH  0xffff800000000000ul
#define STEPS 3000
#define SPAN  64 /* pages that the random driver maps, by two tables and a large page */

static struct gun gun;
static struct guest guest;
static uint64_t root;
static uint32_t hwpt;

static unsigned touch(uint64_t va)
{
	return gun_write(&gun, UNTAGGED, va, 1);
}

static void invalidate(uint64_t va, uint64_t pages, uint32_t flags)
{
	struct iommu_hwpt_vtd_s1_invalidate entry = {.addr = va, .npages = pages, .flags = flags};
	struct iommu_hwpt_invalidate cmd = {.size = sizeof(cmd),
					    .hwpt_id = hwpt,
					    .data_uptr = (uintptr_t)&entry,
					    .entry_len = sizeof(entry),
					    .entry_num = 1};

	if (call(guest.fd, IOMMU_HWPT_INVALIDATE, &cmd))
		give_up("IOMMU_HWPT_INVALIDATE");
}

/* Was the last one found, with these words on its record? */
static int found(const char *text)
{
	return recorded(&gun, "may have passed by an entry that was changed") &&
	       recorded(&gun, text);
}

static void planted(void)
{
	uint64_t one = guest_page(&guest), two = guest_page(&guest), table, text_at;
	volatile uint64_t *leaf = guest_entry(&guest, root, 4, VA, 1), *upper;
	char text[64];

	upper = guest_entry(&guest, root, 4, VA, 2);
	*leaf = one | PT_ALL;
	check("what becomes present", touch(VA), 0);
	*leaf = two | PT_ALL;
	check("another page", touch(VA), IOAS_PASSED_STALE);
	text_at = RAM + (uint64_t)((char *)leaf - guest.ram);
	snprintf(text, sizeof(text), "\"stale_level\":1,\"stale_gpa\":\"%#lx\"", text_at);
	check("  is found", found(text), 1);
	snprintf(text, sizeof(text), "\"stale_old\":\"%#llx\"", (unsigned long long)(one | PT_ALL));
	check("  as it was", found(text), 1);
	check("  and told once", touch(VA), 0);
	*leaf = one | PT_ALL;
	invalidate(VA, 1, 0);
	check("another page, invalidated", touch(VA), 0);
	*leaf = two | PT_ALL;
	invalidate(VA, 1, IOMMU_VTD_INV_FLAGS_LEAF);
	check("only its leaf", touch(VA), 0);
	*leaf = two | PT_P | PT_U;
	check("no more to be written", touch(VA), IOAS_FAULT_NO_WRITE);
	invalidate(VA, 1, 0);
	*leaf = two | PT_ALL;
	check("to be written once more", touch(VA), 0);
	*leaf = two | PT_P | PT_U | PT_A | PT_D;
	check("less permission, for a read", gun_send(&gun, UNTAGGED, 0, VA), IOAS_PASSED_STALE);
	check("  is found", found("\"stale_level\":1"), 1);
	*leaf = two | PT_ALL;
	invalidate(VA, 1, 0);
	touch(VA);
	*leaf &= ~(PT_A | PT_D);
	check("accessed and dirty bits cleared", touch(VA), 0);
	*leaf = 0;
	check("nothing there any more", touch(VA), IOAS_FAULT_NOT_MAPPED);
	check("  is on record besides",
	      strstr(traced("may have passed", "\"stale_now\":\"0x0\""), "\"stale_level\":1") !=
		      NULL,
	      1);
	*leaf = two | PT_ALL;
	check("and there again", touch(VA), 0);
	/* Another table, in which the same is said. */
	table = guest_page(&guest);
	memcpy(guest_at(&guest, table), guest_at(&guest, *upper & 0xffffffffff000ul), PAGE);
	*upper = table | PT_ALL;
	check("another table", touch(VA), IOAS_PASSED_STALE);
	check("  is found", found("\"stale_level\":2"), 1);
	table = *upper & 0xffffffffff000ul;
	*upper = guest_page(&guest) | PT_ALL;
	*guest_entry(&guest, root, 4, VA + PAGE, 1) = one | PT_ALL;
	invalidate(VA, 1, IOMMU_VTD_INV_FLAGS_LEAF);
	check("of another page below, only leaves invalidated", touch(VA + PAGE),
	      IOAS_PASSED_STALE);
	invalidate(VA, 512, 0);
	check("all invalidated", touch(VA + PAGE), 0);
	*upper = 0;
	invalidate(0, UINT64_MAX, 0);
	/* The upper half, by its own addresses. */
	leaf = guest_entry(&guest, root, 4, HIGH, 1);
	*leaf = one | PT_ALL;
	check("in the upper half", touch(HIGH), 0);
	*leaf = two | PT_ALL;
	invalidate(HIGH + PAGE, 1, 0);
	check("with another page's invalidation", touch(HIGH), IOAS_PASSED_STALE);
	*leaf = one | PT_ALL;
	invalidate(HIGH, 1, 0);
	check("with its own", touch(HIGH), 0);
}

/* ---- a driver that does as it must ---- */

static uint64_t state = 88172645463325252ull;

static uint64_t rnd(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 11) % below;
}

/* Half of the span is behind one table, half behind the next. */
static uint64_t va_of(unsigned page)
{
	return VA + (1ul << 30) + (page < SPAN / 2 ? 0 : 1ul << 21) + page % (SPAN / 2) * PAGE;
}

static void proper(void)
{
	static uint64_t shown[SPAN]; /* the GPA of each, with its bits; 0 none */
	uint64_t pages[8], spare = 0;
	unsigned wrong = 0, hits = 0;

	for (unsigned i = 0; i < 8; i++)
		pages[i] = guest_page(&guest);
	for (unsigned i = 0; i < STEPS; i++) {
		unsigned page = (unsigned)rnd(SPAN), nr = 1 + (unsigned)rnd(4), want;
		bool whole = !rnd(40);
		uint64_t bits = PT_P | PT_U | (rnd(3) ? PT_W : 0);

		if (whole) {
			/* A table goes, with all that it shows; its page may come back elsewhere.
			 */
			unsigned first = page < SPAN / 2 ? 0 : SPAN / 2;
			volatile uint64_t *upper = guest_entry(&guest, root, 4, va_of(first), 2);
			uint64_t old = *upper & 0xffffffffff000ul;

			*upper = 0;
			invalidate(va_of(first), 512, 0);
			memset(&shown[first], 0, sizeof(shown) / 2);
			if (old) {
				memset(guest_at(&guest, old), 0, PAGE);
				spare = old;
			}
		} else {
			bool had = false;

			for (unsigned p = page;
			     p < page + nr && p < SPAN && p / (SPAN / 2) == page / (SPAN / 2);
			     p++) {
				volatile uint64_t *upper =
					guest_entry(&guest, root, 4, va_of(p), 2);

				if (!*upper && spare) {
					*upper = spare | PT_ALL;
					spare = 0;
				}
				had = had || shown[p];
				shown[p] = rnd(3) ? pages[rnd(8)] | bits : 0;
				*guest_entry(&guest, root, 4, va_of(p), 1) = shown[p];
			}
			/* Only what was present has to be told. */
			if (had)
				invalidate(va_of(page), nr, rnd(2));
		}
		page = (unsigned)rnd(SPAN);
		want = !shown[page]	    ? IOAS_FAULT_NOT_MAPPED
		       : shown[page] & PT_W ? 0
					    : IOAS_FAULT_NO_WRITE;
		hits += !want;
		wrong += touch(va_of(page)) != want;
	}
	check("a proper driver's requests go as its tables say", wrong, 0);
	check("  many pass", hits > STEPS / 8, 1);
}

/* Whoever programs an IOMMU for a device drops what it has cached, as the host's driver does. */
static void attached_anew(void)
{
	volatile uint64_t *leaf = guest_entry(&guest, root, 4, VA, 1);

	*leaf = guest_page(&guest) | PT_ALL;
	invalidate(VA, 1, 0);
	check("a page", touch(VA), 0);
	check("detached", gun_detach(&gun), 0);
	*leaf = guest_page(&guest) | PT_ALL;
	check("attached", gun_attach(&gun, hwpt), 0);
	check("another page by then", touch(VA), 0);
	*leaf = guest_page(&guest) | PT_ALL;
	check("and now that it is attached", touch(VA), IOAS_PASSED_STALE);
	invalidate(VA, 1, 0);
	check("a page", touch(VA), 0);
	check("replaced", gun_attach(&gun, guest.parent), 0);
	*leaf = guest_page(&guest) | PT_ALL;
	check("and back", gun_attach(&gun, hwpt), 0);
	check("another page by then", touch(VA), 0);
}

int main(void)
{
	int fd = open_or_skip("/dev/iommu");

	gun = gun_ready("0000:01:00.0", fd);
	guest = guest_new(fd, gun.id, 0);
	root = guest_page(&guest);
	hwpt = (uint32_t)guest_vtd(&guest, gun.id, 0, root, 0);
	check("attached", gun_attach(&gun, hwpt), 0);
	planted();
	attached_anew();
	proper();
	return check_done();
}
