/* SPDX-License-Identifier: MIT */
/*
 * Description: a twin. Tables of random entries in a guest's memory, with loops, self references
 * and entries that lead out of it, behind a random stage 2: a walk by the book of 4-level and
 * 5-level paging (Intel SDM volume 3, 4.5) must say the same of every request, and leave the same
 * memory.
 */
#include "tests/unit/rnd.h"
#include "tests/unit/tlp/guest.h"

#define STEPS  20000
#define TABLES 12 /* pages 0 .. that are full of entries; the others are data */
#define ADDR   0x000ffffffffff000ull
#define FEW    6

static struct guest guest;
static uint32_t stage2[GUEST_PAGES]; /* prot; 0: not there */
static char *model;		     /* guest memory, as it must be */
static uint64_t state = 88172645463325252ull;

static uint64_t rnd(uint64_t below)
{
	return (rnd_next(&state) >> 11) % below;
}

/* The entries that are in use: so few that walks meet them. */
static const unsigned few[FEW] = {0, 1, 2, 255, 256, 511};

static uint64_t random_entry(void)
{
	uint64_t entry = rnd(8) ? P : 0;

	if (rnd(5))
		entry |= W;
	if (rnd(5))
		entry |= U;
	if (!rnd(5))
		entry |= XD;
	entry |= (rnd(2) ? A : 0) | (rnd(2) ? D : 0) | (rnd(7) ? 0 : PS);
	if (!rnd(40))
		return entry | rnd(1ull << 40) << 12;
	/* A large page with few bits that are reserved, mostly none. */
	if (entry & PS && rnd(4))
		return entry | (rnd(3) ? 0 : 1ull << 12);
	return entry | rnd(rnd(3) ? TABLES : GUEST_PAGES + 2) * PAGE;
}

static uint64_t *in_model(pa_t gpa)
{
	return (uint64_t *)(model + gpa);
}

/* What must come of a request. */
struct want {
	enum ioas_fault_reason reason;
	unsigned stage;
	unsigned level; /* of the entry at fault, where stage 1 refused */
	pa_t gpa;	/* of the data, or what stage 2 refused */
};

static struct want refuse(enum ioas_fault_reason reason, unsigned stage, unsigned level, pa_t gpa)
{
	return (struct want){reason, stage, level, gpa};
}

/* What stage 2 says of 8 bytes there. */
static enum ioas_fault_reason ask_stage2(pa_t gpa, bool write)
{
	uint64_t page = gpa / PAGE;

	if (gpa >> 48)
		return IOAS_FAULT_WIDTH;
	if (page >= GUEST_PAGES || !stage2[page])
		return IOAS_FAULT_NOT_MAPPED;
	if (write)
		return stage2[page] & IOAS_PROT_WRITE ? IOAS_FAULT_NONE : IOAS_FAULT_NO_WRITE;
	return stage2[page] & IOAS_PROT_READ ? IOAS_FAULT_NONE : IOAS_FAULT_NO_READ;
}

/* Sets bits in an entry, if it has them not. */
static enum ioas_fault_reason set_bits(pa_t at, uint64_t bits)
{
	enum ioas_fault_reason reason;

	if ((*in_model(at) & bits) == bits)
		return IOAS_FAULT_NONE;
	reason = ask_stage2(at, true);
	if (!reason)
		*in_model(at) |= bits;
	return reason;
}

static struct want leaf(pa_t at, uint64_t entry, unsigned level, iova_t iova, bool w, bool u,
			bool xd, bool write, uint32_t flags)
{
	uint64_t size = PAGE << 9 * (level - 1);
	pa_t gpa = (entry & ADDR & ~(size - 1)) | (iova & (size - 1));
	bool priv = flags & IOAS_TLP_PRIV, exec = !write && flags & IOAS_TLP_EXEC;
	enum ioas_fault_reason reason = IOAS_FAULT_NONE;

	if (!priv && !u)
		reason = IOAS_FAULT_PRIVILEGE;
	else if (write && !w)
		reason = IOAS_FAULT_NO_WRITE;
	else if (exec && xd)
		reason = IOAS_FAULT_NO_EXEC;
	else if (priv && u && !exec && guest.s1.table.priv_apart)
		reason = IOAS_FAULT_PRIVILEGE;
	if (reason)
		return refuse(reason, 1, level, 0);
	reason = set_bits(at, write ? A | D : A);
	if (reason)
		return refuse(reason, 2, level, at);
	reason = ask_stage2(gpa, write);
	return refuse(reason, reason ? 2 : 0, level, gpa);
}

static struct want by_the_book(unsigned levels, iova_t iova, bool write, uint32_t flags)
{
	unsigned width = 12 + 9 * levels;
	bool w = true, u = true, xd = false;
	pa_t table = guest.s1.table.root;

	if (iova >> (width - 1) && iova >> (width - 1) != UINT64_MAX >> (width - 1))
		return refuse(IOAS_FAULT_WIDTH, 1, 0, 0);
	for (unsigned level = levels;; level--) {
		pa_t at = table + (iova >> (12 + 9 * (level - 1)) & 511) * 8;
		enum ioas_fault_reason reason = ask_stage2(at, false);
		uint64_t entry;

		if (reason)
			return refuse(reason, 2, level, at);
		entry = *in_model(at);
		if (!(entry & P))
			return refuse(IOAS_FAULT_NOT_MAPPED, 1, level, 0);
		if (entry & PS && level > 3)
			return refuse(IOAS_FAULT_RESERVED, 1, level, 0);
		/* Of a large page, but bit 12, which is PAT. */
		if (entry & PS && level > 1 &&
		    entry & ADDR & ((PAGE << 9 * (level - 1)) - 1) & ~(1ull << 12))
			return refuse(IOAS_FAULT_RESERVED, 1, level, 0);
		w = w && entry & W;
		u = u && entry & U;
		xd = xd || entry & XD;
		if (level == 1 || entry & PS)
			return leaf(at, entry, level, iova, w, u, xd, write, flags);
		reason = set_bits(at, A);
		if (reason)
			return refuse(reason, 2, level, at);
		table = entry & ADDR;
	}
}

static iova_t random_iova(unsigned levels)
{
	iova_t iova = rnd(PAGE / 8) * 8;

	for (unsigned level = 1; level <= levels; level++)
		iova |= (iova_t)few[rnd(FEW)] << (12 + 9 * (level - 1));
	/* As the highest bit wants it, mostly. */
	if (iova >> (11 + 9 * levels) & 1 && rnd(20))
		iova |= UINT64_MAX << (12 + 9 * levels);
	return iova;
}

/* The program changes something, in its memory and the model's, and says so. */
static void change(void)
{
	uint64_t entry = random_entry();
	pa_t at = rnd(TABLES) * PAGE + few[rnd(FEW)] * 8;

	*guest_at(&guest, at) = entry;
	*in_model(at) = entry;
}

static void change_stage2(void)
{
	unsigned page = (unsigned)rnd(GUEST_PAGES);

	if (stage2[page]) {
		guest_hide(&guest, page);
		stage2[page] = 0;
	}
	/* Mostly all. */
	stage2[page] = rnd(3) ? IOAS_PROT_READ | IOAS_PROT_WRITE : (uint32_t)rnd(4);
	if (stage2[page])
		guest_show(&guest, page, stage2[page]);
}

static void step(unsigned levels, uint64_t counts[3])
{
	struct ioas_tlp tlp = {
		.addr = random_iova(levels),
		.len = 8,
		.op = (uint8_t)rnd(2),
		.flags = (rnd(3) ? 0u : IOAS_TLP_PRIV) | (rnd(4) ? 0u : IOAS_TLP_EXEC),
	};
	uint64_t word = rnd(UINT64_MAX) & ~P, before = word;
	bool write = tlp.op == IOAS_TLP_WRITE;
	struct want want = by_the_book(levels, tlp.addr, write, tlp.flags);
	uint64_t seen = ioas_device_counters(guest.rig.dev)->faults;
	struct ioas_fault fault;
	int rc;

	rc = ioas_tlp_issue(guest.rig.issuer, &tlp, &word);
	assert_int_equal(rc, want.reason ? -EFAULT : 0);
	counts[want.stage]++;
	if (rc) {
		seen = ioas_device_counters(guest.rig.dev)->faults - 1;
		assert_int_equal(ioas_fault_read(guest.rig.iommu, &seen, &fault, 1), 1);
		assert_int_equal(fault.reason, want.reason);
		assert_int_equal(fault.stage, want.stage);
		if (want.stage == 2)
			assert_int_equal(fault.gpa, want.gpa);
		else if (want.level)
			assert_int_equal(fault.stage1[fault.stage1_nr - 1].level, want.level);
	} else if (write) {
		*in_model(want.gpa) = before;
	} else {
		assert_int_equal(word, *in_model(want.gpa));
	}
	assert_memory_equal(guest.memory, model, TABLES * PAGE);
}

static void compare(unsigned levels)
{
	uint64_t counts[3] = {0};

	guest_start(&guest, levels == 5 ? 57 : 48, false);
	model = rig_pages(GUEST_PAGES);
	memset(stage2, 0, sizeof(stage2));
	for (unsigned i = 0; i < GUEST_PAGES; i++) {
		stage2[i] = IOAS_PROT_READ | IOAS_PROT_WRITE;
		guest_show(&guest, i, stage2[i]);
	}
	for (unsigned i = 0; i < TABLES * FEW * 4; i++)
		change();
	for (unsigned i = 0; i < STEPS; i++) {
		if (!rnd(3))
			change();
		if (!rnd(16))
			change_stage2();
		if (!rnd(50))
			guest.s1.table.root = rnd(TABLES + 1) * PAGE;
		/* As an SMMUv3's PAN: what users may touch is kept from the privileged. */
		if (!rnd(50))
			guest.s1.table.priv_apart = rnd(2);
		/* Its own writes may have changed tables, too. */
		guest_invalidate(&guest);
		step(levels, counts);
	}
	assert_memory_equal(guest.memory, model, GUEST_PAGES * PAGE);
	/* All of that did happen. */
	for (unsigned i = 0; i < 3; i++)
		assert_true(counts[i] > STEPS / 200);
	munmap(model, GUEST_PAGES * PAGE);
	guest_stop(&guest);
}

static void four_levels(void **arg)
{
	compare(4);
}

static void five_levels(void **arg)
{
	compare(5);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(four_levels),
		cmocka_unit_test(five_levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
