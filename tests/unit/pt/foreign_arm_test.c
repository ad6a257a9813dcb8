/* SPDX-License-Identifier: MIT */
/*
 * Description: what a context descriptor can say besides of Arm's stage 1: accessed bits without
 * dirty ones, or neither; permissions of tables that do not count; writable or unprivileged memory
 * that is kept from others; roots of a few entries.
 */
#include "arena.h"

#define AF	      (1ull << 10)
#define AP_USER	      (1ull << 6)
#define AP_RO	      (1ull << 7)
#define UXN	      (1ull << 54)
#define PXN	      (1ull << 53)
#define DBM	      (1ull << 51)
#define AP_TABLE_USER (1ull << 61)
#define AP_TABLE_RO   (1ull << 62)
#define PAGE	      (3ull | 0x12345000)

struct table {
	struct arena arena;
	struct pt_foreign view;
	struct pt_foreign_walk got;
};

/* A table of levels at 0x10000, 0x20000, ..., each entry 0 of which leads on, `above` beside. */
static void make(struct table *table, unsigned aw, uint64_t leaf, uint64_t above)
{
	*table = (struct table){.arena = {.words = calloc(1, ARENA_LEN)}};
	table->view = (struct pt_foreign){
		.format = PT_ARM_LPAE_S1_4K,
		.aw = aw,
		.root = 0x10000,
		.read = read_arena,
		.exchange = exchange_arena,
	};
	for (unsigned i = 0; 12 + 9 * (i + 1) < aw; i++)
		table->arena.words[0x2000 * (i + 1)] = (0x10000 * (i + 2)) | 3 | above;
	for (unsigned i = 0; i < 5; i++)
		if (!table->arena.words[0x2000 * (i + 1)]) {
			table->arena.words[0x2000 * (i + 1)] = leaf;
			break;
		}
}

static enum pt_fault walk(struct table *table, iova_t iova, uint32_t access)
{
	int rc;

	table->view.ctx = &table->arena;
	rc = pt_foreign_walk(&table->view, iova, access, &table->got);
	assert_int_equal(rc, table->got.fault ? -EFAULT : 0);
	return table->got.fault;
}

static uint64_t leaf_of(const struct table *table)
{
	return table->arena.words[0x2000 * 4];
}

static void accessed_bits_without_dirty_ones(void **state)
{
	struct table t;

	make(&t, 48, PAGE | AP_USER | AP_RO | DBM, 0);
	t.view.update = true;
	t.view.clean = true;
	assert_int_equal(walk(&t, 0, W), PT_FAULT_PERMISSION);
	assert_int_equal(walk(&t, 0, R), PT_FAULT_NONE);
	assert_true(leaf_of(&t) == (PAGE | AP_USER | AP_RO | DBM | AF));
	/* What may be written as it is stays as it is. */
	t.arena.words[0x2000 * 4] = PAGE | AP_USER;
	assert_int_equal(walk(&t, 0, W), PT_FAULT_NONE);
	assert_true(leaf_of(&t) == (PAGE | AP_USER | AF));
	/* With dirty bits the write makes it so. */
	t.arena.words[0x2000 * 4] = PAGE | AP_USER | AP_RO | DBM;
	t.view.clean = false;
	assert_int_equal(walk(&t, 0, W), PT_FAULT_NONE);
	assert_true(leaf_of(&t) == (PAGE | AP_USER | DBM | AF));
	free(t.arena.words);
}

static void accessed_bits_can_be_of_no_account(void **state)
{
	struct table t;

	make(&t, 48, PAGE | AP_USER, 0);
	assert_int_equal(walk(&t, 0, R), PT_FAULT_ACCESSED);
	t.view.accessed_unused = true;
	assert_int_equal(walk(&t, 0, R), PT_FAULT_NONE);
	assert_int_equal(walk(&t, 0, W), PT_FAULT_NONE);
	assert_true(leaf_of(&t) == (PAGE | AP_USER));
	free(t.arena.words);
}

/* An entry without both is not accessed first: IHI 0070 7.3.22. */
static void not_accessed_comes_before_not_permitted(void **state)
{
	struct table t;

	make(&t, 48, PAGE | AP_USER | AP_RO, 0);
	assert_int_equal(walk(&t, 0, W), PT_FAULT_ACCESSED);
	t.view.accessed_unused = true;
	assert_int_equal(walk(&t, 0, W), PT_FAULT_PERMISSION);
	free(t.arena.words);
}

static void tables_can_be_flat(void **state)
{
	struct table t;

	/* APTable: no writes, and none without privilege; UXNTable, PXNTable. */
	make(&t, 48, PAGE | AP_USER | AF, 15ull << 59);
	assert_int_equal(walk(&t, 0, R), PT_FAULT_PERMISSION);
	assert_int_equal(walk(&t, 0, W | P), PT_FAULT_PERMISSION);
	assert_int_equal(walk(&t, 0, X), PT_FAULT_PERMISSION);
	t.view.flat = true;
	assert_int_equal(walk(&t, 0, R), PT_FAULT_NONE);
	assert_int_equal(walk(&t, 0, W | P), PT_FAULT_NONE);
	assert_int_equal(walk(&t, 0, X), PT_FAULT_NONE);
	free(t.arena.words);
}

/* Every permission of a page against every access, by the book (DDI 0487 D8.4, IHI 0070 5.4). */
static void permissions_by_the_book(void **state)
{
	static const uint32_t accesses[] = {R, W, X, R | P, W | P, X | P};

	for (unsigned bits = 0; bits < 256; bits++) {
		bool user = bits & 1, ro = bits & 2, uxn = bits & 4, pxn = bits & 8;
		bool wxn = bits & 16, pan = bits & 32, no_user = bits & 64, no_write = bits & 128;
		struct table t;

		make(&t, 48,
		     PAGE | AF | (user ? AP_USER : 0) | (ro ? AP_RO : 0) | (uxn ? UXN : 0) |
			     (pxn ? PXN : 0),
		     (no_user ? AP_TABLE_USER : 0) | (no_write ? AP_TABLE_RO : 0));
		/* What follows is of what the tables have left. */
		user &= !no_user;
		ro |= no_write;
		t.view.write_no_exec = wxn;
		t.view.priv_apart = pan;
		for (unsigned i = 0; i < 6; i++) {
			bool priv = accesses[i] & P, granted;

			if (accesses[i] & X && priv)
				granted = !pxn && !(user && !ro) && !(wxn && !ro);
			else if (accesses[i] & X)
				granted = !uxn && !(wxn && user && !ro);
			else if (priv)
				granted = !(accesses[i] & W && ro) && !(pan && user);
			else
				granted = user && !(accesses[i] & W && ro);
			assert_int_equal(walk(&t, 0, accesses[i]),
					 granted ? PT_FAULT_NONE : PT_FAULT_PERMISSION);
		}
		free(t.arena.words);
	}
}

/* A root of 2^n entries is aligned to those alone. */
static void short_roots(void **state)
{
	static const struct {
		enum pt_format format;
		unsigned aw;
		uint64_t align;
	} want[] = {
		{PT_ARM_LPAE_S1_4K, 48, 4096},	 {PT_ARM_LPAE_S1_4K, 40, 16},
		{PT_ARM_LPAE_S1_4K, 36, 512},	 {PT_ARM_LPAE_S1_4K, 25, 128},
		{PT_ARM_LPAE_S1_16K, 48, 16},	 {PT_ARM_LPAE_S1_64K, 48, 512},
		{PT_ARM_LPAE_S1_64K, 42, 65536}, {PT_ARM_LPAE_S1_64K, 52, 8192},
		{PT_ARM_LPAE_S1_4K, 24, 0},	 {PT_ARM_LPAE_S2_4K, 40, 8192},
		{PT_X86_64, 48, 4096},		 {PT_RISCV_SV39, 39, 4096},
		{PT_RISCV_SV39, 25, 0},
	};
	struct table t;

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_int_equal(pt_foreign_root_align(want[i].format, want[i].aw), want[i].align);
	/* 25 bits: 16 entries at level 2. */
	make(&t, 25, PAGE | AP_USER | AF, 0);
	t.arena.words[0x10080 / 8 + 15] = 0x20000 | 3;
	t.arena.words[0x20000 / 8 + 511] = PAGE | AP_USER | AF;
	t.view.root = 0x10080;
	assert_int_equal(walk(&t, 0x1fff123, R), PT_FAULT_NONE);
	assert_int_equal(t.got.pa, 0x12345123);
	assert_int_equal(walk(&t, 0x2000000, R), PT_FAULT_INPUT);
	t.view.root = 0x10040;
	t.view.ctx = &t.arena;
	assert_int_equal(pt_foreign_walk(&t.view, 0, R, &t.got), -EINVAL);
	free(t.arena.words);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(accessed_bits_without_dirty_ones),
		cmocka_unit_test(accessed_bits_can_be_of_no_account),
		cmocka_unit_test(not_accessed_comes_before_not_permitted),
		cmocka_unit_test(tables_can_be_flat),
		cmocka_unit_test(permissions_by_the_book),
		cmocka_unit_test(short_roots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
