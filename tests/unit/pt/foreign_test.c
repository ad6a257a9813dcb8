/* SPDX-License-Identifier: MIT */
/*
 * Description: walks of tables that are not ours. A twin: tables of ours, which foreign walks read
 * entry by entry, must mean the same. Tables of random bits: every walk ends, reads no more than an
 * entry a level, and nothing outside of what the callback allows. Two dimensions.
 */
#include "arena.h"

/* ---- our own tables, read as if they were another's ---- */

static unsigned reads;

static int read_own(void *ctx, pa_t pa, uint64_t *entry)
{
	reads++;
	*entry = *(uint64_t *)(uintptr_t)pa;
	return 0;
}

static int exchange_own(void *ctx, pa_t pa, uint64_t old, uint64_t value)
{
	uint64_t *at = (uint64_t *)(uintptr_t)pa;

	if (*at != old)
		return -EAGAIN;
	*at = value;
	return 0;
}

/* Sign-extended addresses have one width only. */
static unsigned width_of(const struct pt_config *config)
{
	unsigned aw = config->aw;

	while (!pt_foreign_root_len(config->format, aw))
		aw++;
	return aw;
}

static struct pt_foreign view_of(const struct pt *pt, const struct pt_config *config)
{
	struct pt_root root;

	pt_root(pt, &root);
	return (struct pt_foreign){
		.format = config->format,
		.aw = width_of(config),
		.update = config->dirty,
		.root = (uintptr_t)root.table,
		.read = read_own,
		.exchange = exchange_own,
	};
}

/* Allowed, as the walk of ours tells it. */
static bool allowed(uint32_t prot, uint32_t access)
{
	if ((access & R && !(prot & IOAS_PROT_READ)) || (access & W && !(prot & IOAS_PROT_WRITE)))
		return false;
	if (access & P)
		return !(access & X && prot & PT_PROT_NO_EXEC_PRIV);
	return !(access & X && prot & PT_PROT_NO_EXEC) &&
	       !(access & (R | W) && prot & PT_PROT_PRIV);
}

static void compare(const struct pt *pt, const struct pt_foreign *view, iova_t iova)
{
	uint32_t access = 1 + (uint32_t)rnd(7) + (rnd(2) ? P : 0);
	struct pt_foreign_walk got;
	struct pt_walk want;
	int rc = pt_walk(pt, iova, &want), got_rc;

	reads = 0;
	got_rc = pt_foreign_walk(view, iova, access, &got);
	assert_true(reads <= 5);
	if (rc) {
		assert_int_equal(got_rc, -EFAULT);
		assert_int_equal(got.fault, PT_FAULT_NOT_PRESENT);
		return;
	}
	assert_int_equal(got.prot, want.prot);
	if (!allowed(want.prot, access)) {
		assert_int_equal(got_rc, -EFAULT);
		assert_int_equal(got.fault, PT_FAULT_PERMISSION);
		return;
	}
	assert_int_equal(got_rc, 0);
	assert_int_equal(got.fault, PT_FAULT_NONE);
	assert_int_equal(got.pa, want.pa);
	/* A hint is not believed, so the leaf can be smaller, but not elsewhere. */
	assert_true(got.leaf_len <= want.leaf_len && got.leaf_first >= want.leaf_first);
	assert_true(got.leaf_first <= iova && iova - got.leaf_first < got.leaf_len);
}

static void reads_our_tables_as_we_do(void **state)
{
	for (unsigned c = 0; c < config_nr; c++) {
		struct pt_config config = configs[c];
		struct pt_foreign view;
		uint64_t page;
		struct pt *pt;
		iova_t base;

		config.dirty = rnd(2);
		assert_int_equal(pt_new(&config, &pt), 0);
		page = 1ull << pt_page_lg2(pt);
		base = rnd(2) ? 0 : (pt_aperture(pt).last >> 1) + 1 - 4096 * page;
		for (iova_t at = 0; at < 8192 * page;) {
			uint64_t nr = 1 + rnd(1ull << rnd(13));
			uint32_t prot = 1 + (uint32_t)rnd(3) + (uint32_t)rnd(8) * PT_PROT_NO_EXEC;

			assert_int_equal(pt_map(pt, base + at, (1ull << 40) + at, nr * page, prot),
					 0);
			at += (nr + rnd(64)) * page;
		}
		view = view_of(pt, &config);
		for (unsigned i = 0; i < 1000; i++)
			compare(pt, &view, base + rnd(8192 * page));
		pt_destroy(pt);
	}
}

/* ---- tables of random bits ---- */

/* Bits as they come; or entries of any format, which lead on in the arena, some with a bit wrong.
 */
static uint64_t random_entry(enum pt_format format)
{
	static const uint64_t flags[] = {
		0x6000000000000001, 0x3, 0x83, 0x27, 0xa7, 0xf47, 0xf45, 0x7ff, 0x80000000000020df};
	static const uint64_t ppn_flags[] = {1, 1, 0xdf, 0xdb};
	bool ppn = format >= PT_RISCV_SV39 && format <= PT_RISCV_SV57X4;
	uint64_t addr = rnd(ARENA_LEN) & ~((1ull << pt_format_page_lg2(format)) - 1);
	uint64_t entry = addr | flags[rnd(sizeof(flags) / sizeof(flags[0]))];

	if (ppn)
		entry = addr >> 2 | ppn_flags[rnd(4)];
	switch (rnd(8)) {
	case 0:
		return rnd(UINT64_MAX);
	case 1:
		return entry ^ 1ull << rnd(64);
	case 2:
		return ppn ? addr >> 2 | 1 : addr | rnd(5) << 9 | flags[0];
	}
	return entry;
}

/* true: it found a translation. */
static bool check_random_walk(struct pt_foreign *view, struct arena *arena)
{
	iova_t iova = rnd(UINT64_MAX);
	struct pt_foreign_walk got;
	int rc;

	if (rnd(8))
		iova &= (1ull << (view->aw - 1)) - 1;
	arena->reads = 0;
	rc = pt_foreign_walk(view, iova, 1 + (uint32_t)rnd(15), &got);
	assert_true(arena->reads <= 5 * 16);
	if (!view->update)
		assert_true(arena->reads <= 5);
	if (rc) {
		assert_int_equal(rc, -EFAULT);
		assert_int_not_equal(got.fault, PT_FAULT_NONE);
		assert_true(!got.error == (got.fault != PT_FAULT_READ));
		return false;
	}
	assert_int_equal(got.fault, PT_FAULT_NONE);
	assert_true(got.leaf_len && !(got.leaf_len & (got.leaf_len - 1)));
	assert_int_equal(got.leaf_first, iova & ~(got.leaf_len - 1));
	assert_int_equal((got.pa ^ iova) & (got.leaf_len - 1), 0);
	assert_int_equal(got.pa >> view->pa_bits, 0);
	return true;
}

static void survives_tables_of_random_bits(void **state)
{
	struct arena arena = {.words = malloc(ARENA_LEN)};
	unsigned found[PT_FORMAT_NR] = {0};

	for (unsigned c = 0; c < config_nr; c += 4) {
		unsigned aw = width_of(&configs[c]);
		uint64_t root_len = pt_foreign_root_len(configs[c].format, aw);
		struct pt_foreign view = {
			.format = configs[c].format,
			.aw = aw,
			.read = read_arena,
			.exchange = exchange_arena,
			.ctx = &arena,
		};

		for (unsigned k = 0; k < 4; k++) {
			for (size_t i = 0; i < ARENA_LEN / 8; i++)
				arena.words[i] = random_entry(view.format);
			view.root = root_len * rnd(ARENA_LEN / root_len);
			view.pa_bits = 32 + (unsigned)rnd(20);
			view.update = rnd(2);
			arena.hostile = rnd(2);
			if (view.pa_bits > pt_format_pa_bits(view.format))
				view.pa_bits = pt_format_pa_bits(view.format);
			for (unsigned i = 0; i < 4000; i++)
				found[view.format] += check_random_walk(&view, &arena);
		};
	}
	for (unsigned format = 0; format < PT_FORMAT_NR; format++)
		assert_true(found[format] > 50);
	free(arena.words);
}

/* ---- two dimensions ---- */

struct guest {
	struct pt *below;   /* guest's physical -> where in `words` */
	struct arena arena; /* the guest's memory, in another order */
};

static int read_guest(void *ctx, pa_t pa, uint64_t *entry)
{
	struct guest *guest = ctx;
	struct pt_walk walk;
	int rc = pt_walk(guest->below, pa, &walk);

	return rc ? rc : read_arena(&guest->arena, walk.pa, entry);
}

/* Pages of the guest's memory lie in reverse order in ours. */
static pa_t turn(pa_t gpa)
{
	return (ARENA_LEN - 0x1000 - (gpa & ~0xfffull)) | (gpa & 0xfff);
}

static void walks_in_two_dimensions(void **state)
{
	const struct pt_config below = {.format = PT_VTD_SS, .aw = 48};
	struct guest guest = {.arena = {.words = calloc(1, ARENA_LEN)}};
	struct pt_foreign view = {
		.format = PT_X86_64, .aw = 48, .root = 0x1000, .read = read_guest, .ctx = &guest};
	struct pt_foreign_walk got;

	assert_int_equal(pt_new(&below, &guest.below), 0);
	/* Not all of it: the last page is missing. */
	for (pa_t gpa = 0; gpa < 0x8000; gpa += 0x1000)
		assert_int_equal(pt_map(guest.below, gpa, turn(gpa), 0x1000, RW), 0);
	for (unsigned level = 4; level > 1; level--)
		guest.arena.words[turn((5 - level) * 0x1000) / 8] = (6 - level) * 0x1000 | 7;
	guest.arena.words[turn(0x4000) / 8] = 0x12345027;
	guest.arena.words[turn(0x3000) / 8 + 1] = 0x8000 | 7;
	assert_int_equal(pt_foreign_walk(&view, 0x678, R, &got), 0);
	assert_int_equal(got.pa, 0x12345678);
	assert_int_equal(got.entry_pa, 0x4000);
	/* The table of the second entry is where the guest has no memory. */
	assert_int_equal(pt_foreign_walk(&view, 0x200000, R, &got), -EFAULT);
	assert_int_equal(got.fault, PT_FAULT_READ);
	assert_int_equal(got.error, -ENOENT);
	assert_int_equal(got.entry_pa, 0x8000);
	assert_int_equal(got.level, 1);
	pt_destroy(guest.below);
	free(guest.arena.words);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_our_tables_as_we_do),
		cmocka_unit_test(survives_tables_of_random_bits),
		cmocka_unit_test(walks_in_two_dimensions),
	};

	return cmocka_run_group_tests(tests, make_configs, NULL);
}
