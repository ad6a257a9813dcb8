/* SPDX-License-Identifier: MIT */
/*
 * Description: walks of tables made by hand: what each format reserves, what levels take away from
 * one another, accessed and dirty bits, and where addresses end.
 */
#include "arena.h"

/* A way of entries from the root down, all at index 0; tables stand one after the other. */
struct chain {
	struct arena arena;
	struct pt_foreign view;
	unsigned levels;
};

static uint64_t pointer(enum pt_format format, unsigned level, pa_t pa)
{
	if (format == PT_AMDV1)
		return pa | (uint64_t)level << 9 | 3ull << 61 | 1;
	if (format == PT_VTD_SS)
		return pa | 3;
	if (format == PT_X86_64 || format == PT_X86_64_5L)
		return pa | 7;
	return format >= PT_RISCV_SV39 ? pa >> 2 | 1 : pa | 3;
}

/* The entry of `level` is `entry`, those above lead to it. */
static void make_chain(struct chain *chain, enum pt_format format, unsigned aw, unsigned level,
		       uint64_t entry)
{
	const struct pt_config config = {.format = format, .aw = aw};
	struct pt_root root;
	struct pt *pt;

	assert_int_equal(pt_new(&config, &pt), 0);
	pt_root(pt, &root);
	pt_destroy(pt);
	chain->arena = (struct arena){.words = calloc(1, ARENA_LEN)};
	chain->levels = root.levels;
	chain->view = (struct pt_foreign){
		.format = format,
		.aw = aw,
		.read = read_arena,
		.exchange = exchange_arena,
		.ctx = &chain->arena,
	};
	for (unsigned l = root.levels; l > level; l--)
		chain->arena.words[(root.levels - l) * 0x10000 / 8] =
			pointer(format, l - 1, (root.levels - l + 1) * 0x10000ull);
	chain->arena.words[(root.levels - level) * 0x10000 / 8] = entry;
}

static int walk_chain(struct chain *chain, iova_t iova, uint32_t access,
		      struct pt_foreign_walk *out)
{
	chain->view.ctx = &chain->arena;
	return pt_foreign_walk(&chain->view, iova, access, out);
}

struct malformed {
	enum pt_format format;
	unsigned aw, level;
	uint64_t entry;
	enum pt_fault fault;
};

static const struct malformed malformed[] = {
	{PT_AMDV1, 48, 1, 0x6000000012345000, PT_FAULT_NOT_PRESENT},
	{PT_AMDV1, 48, 1, 0x6010000012345001, PT_FAULT_RESERVED}, /* bit 52 */
	{PT_AMDV1, 48, 3, 0x7000000000010401, PT_FAULT_RESERVED}, /* FC of a pointer */
	{PT_AMDV1, 48, 3, 0x6000000000010601, PT_FAULT_RESERVED}, /* to its own level */
	{PT_AMDV1, 48, 3, 0x6000000000010e01, PT_FAULT_RESERVED}, /* 8 KiB in 1 GiB */
	{PT_AMDV1, 48, 1, 0x6000000000010201, PT_FAULT_RESERVED}, /* a pointer at level 1 */
	{PT_VTD_SS, 48, 1, 0x12345ff8, PT_FAULT_NOT_PRESENT},	  /* all but R and W */
	{PT_VTD_SS, 48, 4, 0x83, PT_FAULT_RESERVED},		  /* a leaf of 512 GiB */
	{PT_VTD_SS, 57, 5, 0x83, PT_FAULT_RESERVED},
	{PT_VTD_SS, 48, 2, 0x40001083, PT_FAULT_RESERVED}, /* not at a multiple of 2 MiB */
	{PT_VTD_SS, 48, 3, 0x40200083, PT_FAULT_RESERVED},
	{PT_X86_64, 48, 1, 0x12345026, PT_FAULT_NOT_PRESENT},
	{PT_X86_64, 48, 4, 0x87, PT_FAULT_RESERVED},
	{PT_X86_64_5L, 57, 5, 0x87, PT_FAULT_RESERVED},
	{PT_X86_64, 48, 2, 0x40002087, PT_FAULT_RESERVED}, /* bit 12 is PAT, bit 13 none */
	{PT_ARM_LPAE_S1_4K, 48, 1, 0x12345f46, PT_FAULT_NOT_PRESENT},
	{PT_ARM_LPAE_S1_4K, 48, 1, 0x12345f45, PT_FAULT_RESERVED}, /* a block at level 3 */
	{PT_ARM_LPAE_S1_4K, 48, 4, 0x00000f45, PT_FAULT_RESERVED}, /* a block at level 0 */
	{PT_ARM_LPAE_S1_16K, 48, 3, 0x00000f45, PT_FAULT_RESERVED},
	{PT_ARM_LPAE_S2_16K, 40, 1, 0x000007fd, PT_FAULT_RESERVED},
	{PT_RISCV_SV39, 39, 1, 0x48d145e, PT_FAULT_NOT_PRESENT},
	{PT_RISCV_SV39, 39, 1, 0x48d1455, PT_FAULT_RESERVED},	       /* W without R */
	{PT_RISCV_SV39, 39, 1, 0x40000000048d145f, PT_FAULT_NONE},     /* PBMT 2: fine */
	{PT_RISCV_SV39, 39, 1, 0x60000000048d145f, PT_FAULT_RESERVED}, /* PBMT 3 */
	{PT_RISCV_SV39, 39, 1, 0x40000048d145f, PT_FAULT_NONE},	       /* in the PPN: fine */
	{PT_RISCV_SV39, 39, 1, 0x400000048d145f, PT_FAULT_RESERVED},   /* bit 54 */
	{PT_RISCV_SV39, 39, 1, 0x80000000048d145f, PT_FAULT_RESERVED}, /* N, PPN ends in 5 */
	{PT_RISCV_SV39, 39, 2, 0x800000001000205f, PT_FAULT_RESERVED}, /* N of 2 MiB */
	{PT_RISCV_SV39, 39, 2, 0x1000045f, PT_FAULT_RESERVED},	       /* misaligned */
	{PT_RISCV_SV39, 39, 1, 0x48d1401, PT_FAULT_RESERVED},	/* a pointer at the lowest level */
	{PT_RISCV_SV39, 39, 2, 0x4041, PT_FAULT_RESERVED},	/* A of a pointer */
	{PT_RISCV_SV39X4, 41, 1, 0x48d144f, PT_FAULT_RESERVED}, /* no U */
};

static void every_malformed_entry_is_a_fault(void **state)
{
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		const struct malformed *m = &malformed[i];
		struct pt_foreign_walk got;
		struct chain chain;
		bool fine = !m->fault;
		int rc;

		make_chain(&chain, m->format, m->aw, m->level, m->entry);
		rc = walk_chain(&chain, 0, R, &got);
		if (got.fault != m->fault)
			print_error("%zu: %d, not %d\n", i, got.fault, m->fault);
		assert_int_equal(rc, fine ? 0 : -EFAULT);
		assert_int_equal(got.fault, m->fault);
		assert_int_equal(got.level, m->level);
		assert_true(got.entry == m->entry);
		assert_int_equal(got.entry_pa, (chain.levels - m->level) * 0x10000ull);
		free(chain.arena.words);
	}
}

/* What the leaf of level 1 allows, and what an entry of level 2 takes away (bits of `above`). */
static void levels_take_away(void **state)
{
	static const struct {
		enum pt_format format;
		unsigned aw;
		uint64_t leaf, set, clear; /* of the pointer to its table */
		uint32_t granted, refused; /* accesses: each alone */
	} want[] = {
		{PT_AMDV1, 48, 0x6000000012345001, 0, 0, R | W, 0},
		{PT_AMDV1, 48, 0x6000000012345001, 0, 1ull << 62, R, W},
		{PT_AMDV1, 48, 0x6000000012345001, 0, 1ull << 61, W, R},
		{PT_VTD_SS, 48, 0x12345003, 0, 2, R, W},
		{PT_VTD_SS, 48, 0x12345003, 0, 1, W, R},
		{PT_VTD_SS, 48, 0x12345001, 0, 0, R, W},
		{PT_X86_64, 48, 0x12345027, 0, 2, R | X, W},
		{PT_X86_64, 48, 0x12345027, 0, 4, 0, R | W | X},
		{PT_X86_64, 48, 0x12345027, 1ull << 63, 0, R | W, X},
		{PT_X86_64, 48, 0x8000000012345027, 0, 0, R | W, X},
		{PT_ARM_LPAE_S1_4K, 48, 0x12345f47, 0, 0, R | W | X, 0},
		{PT_ARM_LPAE_S1_4K, 48, 0x12345f47, 1ull << 62, 0, R | X, W},
		{PT_ARM_LPAE_S1_4K, 48, 0x12345f47, 1ull << 61, 0, X, R | W},
		{PT_ARM_LPAE_S1_4K, 48, 0x12345f47, 1ull << 60, 0, R | W, X},
		{PT_ARM_LPAE_S1_4K, 48, 0x12345f47, 1ull << 59, 0, R | W | X, 0},
		/* Writable by who manages dirty state only. */
		{PT_ARM_LPAE_S1_4K, 48, 0x8000012345fc7, 0, 0, R | X, W},
		{PT_ARM_LPAE_S2_4K, 40, 0x123457bf, 0, 0, W | X, R},
		{PT_ARM_LPAE_S2_4K, 40, 0x123457ff, 1ull << 62, 0, R | W | X, 0},
		{PT_ARM_LPAE_S2_4K, 40, 0x400000123457ff, 0, 0, R | W, X},
		{PT_RISCV_SV39, 39, 0x48d14df, 0, 0, R | W | X, 0},
		{PT_RISCV_SV39, 39, 0x48d1459, 0, 0, X, R | W},
		{PT_RISCV_SV39, 39, 0x48d14cf, 0, 0, 0, R | W | X},
		{PT_RISCV_SV39X4, 41, 0x48d1453, 0, 0, R, W | X},
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct chain chain;
		uint64_t *above;

		make_chain(&chain, want[i].format, want[i].aw, 1, want[i].leaf);
		above = &chain.arena.words[(chain.levels - 2) * 0x10000 / 8];
		*above = (*above | want[i].set) & ~want[i].clear;
		for (uint32_t access = R; access <= X; access <<= 1) {
			struct pt_foreign_walk got;
			int rc;

			if (!((want[i].granted | want[i].refused) & access))
				continue;
			rc = walk_chain(&chain, 0x678, access, &got);
			assert_int_equal(got.fault, want[i].granted & access ? PT_FAULT_NONE
									     : PT_FAULT_PERMISSION);
			assert_int_equal(rc, want[i].granted & access ? 0 : -EFAULT);
			if (!rc)
				assert_int_equal(got.pa, 0x12345678);
		}
		free(chain.arena.words);
	}
}

/* Entries before, and after a write through them where the hardware writes such bits. */
static void writes_accessed_and_dirty_bits(void **state)
{
	static const struct {
		enum pt_format format;
		unsigned aw;
		uint64_t before, read, write;
		enum pt_fault fault; /* of a write, where it does not */
		uint64_t table;	     /* bits set in the pointer above */
	} want[] = {
		{PT_AMDV1, 48, 0x6000000012345001, 0x20, 0x60, PT_FAULT_NONE, 0},
		{PT_VTD_SS, 48, 0x12345003, 0x100, 0x300, PT_FAULT_NONE, 0x100},
		{PT_X86_64, 48, 0x12345007, 0x20, 0x60, PT_FAULT_NONE, 0x20},
		{PT_ARM_LPAE_S1_4K, 48, 0x12345b47, 0x400, 0x400, PT_FAULT_ACCESSED, 0},
		{PT_ARM_LPAE_S2_4K, 40, 0x123453ff, 0x400, 0x400, PT_FAULT_ACCESSED, 0},
		/* Neither accessed nor to be written: the first of both, IHI 0070 7.3.22. */
		{PT_ARM_LPAE_S2_4K, 40, 0x800001234537f, 0x400, 0x480, PT_FAULT_ACCESSED, 0},
		{PT_ARM_LPAE_S2_4K, 40, 0x800001234577f, 0, 0x80, PT_FAULT_PERMISSION, 0},
		{PT_RISCV_SV39, 39, 0x48d141f, 0x40, 0xc0, PT_FAULT_ACCESSED, 0},
		{PT_RISCV_SV39, 39, 0x48d145f, 0, 0x80, PT_FAULT_ACCESSED, 0},
		{PT_RISCV_SV48X4, 48, 0x48d145f, 0, 0x80, PT_FAULT_ACCESSED, 0},
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct pt_foreign_walk got;
		struct chain chain;
		uint64_t *leaf, *above, pointed;

		make_chain(&chain, want[i].format, want[i].aw, 1, want[i].before);
		leaf = &chain.arena.words[(chain.levels - 1) * 0x10000 / 8];
		above = &chain.arena.words[(chain.levels - 2) * 0x10000 / 8];
		pointed = *above;
		walk_chain(&chain, 0, W, &got);
		assert_int_equal(got.fault, want[i].fault);
		assert_true(*leaf == want[i].before && *above == pointed);
		chain.view.update = true;
		assert_int_equal(walk_chain(&chain, 0, R, &got), 0);
		assert_true(*leaf == (want[i].before | want[i].read));
		assert_int_equal(walk_chain(&chain, 0, W, &got), 0);
		assert_true(*leaf == (want[i].before | want[i].write));
		assert_true(*above == (pointed | want[i].table) && got.entry == *leaf);
		free(chain.arena.words);
	}
}

/* Stage 1 of Arm: the write clears the bit that forbids it. */
static void arm_clears_a_bit_for_dirty(void **state)
{
	struct pt_foreign_walk got;
	struct chain chain;

	make_chain(&chain, PT_ARM_LPAE_S1_4K, 48, 1, 0x8000012345fc7);
	chain.view.update = true;
	assert_int_equal(walk_chain(&chain, 0, R, &got), 0);
	assert_true(chain.arena.words[3 * 0x10000 / 8] == 0x8000012345fc7);
	assert_int_equal(walk_chain(&chain, 0, W, &got), 0);
	assert_true(chain.arena.words[3 * 0x10000 / 8] == 0x8000012345f47);
	/* Who changes it all the time gets a fault, and no endless walk. */
	chain.arena.words[3 * 0x10000 / 8] = 0x8000012345fc7;
	chain.arena.hostile = true;
	assert_int_equal(walk_chain(&chain, 0, W, &got), -EFAULT);
	assert_int_equal(got.fault, PT_FAULT_READ);
	free(chain.arena.words);
}

static void addresses_end_with_their_widths(void **state)
{
	struct pt_foreign_walk got;
	struct chain chain;

	/* Signed: bits 63:47 are alike. */
	make_chain(&chain, PT_X86_64, 48, 1, 0x12345027);
	assert_int_equal(walk_chain(&chain, 1ull << 47, R, &got), -EFAULT);
	assert_int_equal(got.fault, PT_FAULT_INPUT);
	assert_int_equal(got.level, 0);
	assert_int_equal(walk_chain(&chain, 0xffff000000000000, R, &got), -EFAULT);
	assert_int_equal(got.fault, PT_FAULT_INPUT);
	/* The upper half is the root's upper half. */
	chain.arena.words[256] = chain.arena.words[0];
	assert_int_equal(walk_chain(&chain, 0xffff800000000678, R, &got), 0);
	assert_int_equal(got.pa, 0x12345678);
	assert_true(got.leaf_first == 0xffff800000000000);
	/* An output address of 29 bits, where there are 28; and a table's beyond. */
	chain.view.pa_bits = 28;
	assert_int_equal(walk_chain(&chain, 0, R, &got), -EFAULT);
	assert_int_equal(got.fault, PT_FAULT_OUTPUT);
	assert_int_equal(got.level, 1);
	chain.view.pa_bits = 16;
	assert_int_equal(walk_chain(&chain, 0, R, &got), -EFAULT);
	assert_int_equal(got.fault, PT_FAULT_OUTPUT);
	assert_int_equal(got.level, 4);
	free(chain.arena.words);
	/* Unsigned: a root of two entries has no third. */
	make_chain(&chain, PT_ARM_LPAE_S1_4K, 40, 1, 0x12345f47);
	assert_int_equal(walk_chain(&chain, 1ull << 40, R, &got), -EFAULT);
	assert_int_equal(got.fault, PT_FAULT_INPUT);
	assert_int_equal(walk_chain(&chain, 0, R, &got), 0);
	chain.view.root = 8;
	assert_int_equal(walk_chain(&chain, 0, R, &got), -EINVAL);
	chain.view.root = 0;
	chain.view.aw = 49;
	assert_int_equal(walk_chain(&chain, 0, R, &got), -EINVAL);
	chain.view.format = PT_FORMAT_NR;
	assert_int_equal(walk_chain(&chain, 0, R, &got), -EINVAL);
	free(chain.arena.words);
}

/* The same address and permissions: but it is not present any more, or not well formed. */
static void what_is_no_entry_takes_everything_away(void **state)
{
	static const struct {
		enum pt_format format;
		unsigned level;
		uint64_t good, present, reserved; /* of `good`: what makes it present; of none */
	} all[] = {
		{PT_AMDV1, 1, 0x6000000012345001, 1, 1ull << 52},
		{PT_AMDV1, 2, 0x6000000012345201, 1, 1ull << 52},
		{PT_VTD_SS, 1, 0x12345003, 3, 0},
		{PT_X86_64, 1, 0x12345007, 1, 0},
		{PT_X86_64, 4, 0x12345007, 1, 1ull << 7},
		{PT_ARM_LPAE_S1_4K, 1, 0x12345443, 1, 0},
		{PT_ARM_LPAE_S1_4K, 2, 0x12345003, 1, 0},
		{PT_RISCV_SV48, 1, 0x12345 << 10 | 0xd7, 1, 1ull << 54},
		{PT_RISCV_SV48, 2, 0x12345 << 10 | 1, 1, 1ull << 54},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct pt_foreign table = {.format = all[i].format, .aw = 48};

		for (unsigned update = 0; update < 2; update++) {
			table.update = update;
			assert_true(pt_foreign_present(&table, all[i].good));
			assert_false(
				pt_foreign_changed(&table, all[i].level, all[i].good, all[i].good));
			assert_false(pt_foreign_present(&table, all[i].good & ~all[i].present));
			assert_true(pt_foreign_changed(&table, all[i].level, all[i].good,
						       all[i].good & ~all[i].present));
			if (all[i].reserved)
				assert_true(pt_foreign_changed(&table, all[i].level, all[i].good,
							       all[i].good | all[i].reserved));
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_entry_takes_everything_away),
		cmocka_unit_test(every_malformed_entry_is_a_fault),
		cmocka_unit_test(levels_take_away),
		cmocka_unit_test(writes_accessed_and_dirty_bits),
		cmocka_unit_test(arm_clears_a_bit_for_dirty),
		cmocka_unit_test(addresses_end_with_their_widths),
	};

	return cmocka_run_group_tests(tests, make_configs, NULL);
}
