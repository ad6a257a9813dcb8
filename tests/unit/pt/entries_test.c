/* SPDX-License-Identifier: MIT */
/*
 * Description: entries of each format bit by bit, worked out by hand from the specification that
 * its header cites, and how the structures that hold a root say its form. (AMDv1 has more in
 * amdv1_test.)
 */
#include <errno.h>
#include <stdio.h>
#include "formats.h"
#include "pt/foreign.h"

#define R    IOAS_PROT_READ
#define W    IOAS_PROT_WRITE
#define RW   (R | W)
#define NX   PT_PROT_NO_EXEC
#define PNX  PT_PROT_NO_EXEC_PRIV
#define PRIV PT_PROT_PRIV
#define COH  PT_PROT_COHERENT

enum state {
	PLAIN,
	CLEAN,
	DIRTY
}; /* of a table that cannot track; that can; and as hardware leaves it after a write */

/* A leaf of `len` bytes at PA `pa`, at the same IOVA modulo its length: its first entry. */
struct leaf {
	enum pt_format format;
	unsigned aw;
	pa_t pa;
	uint64_t len;
	uint32_t prot;
	enum state state;
	uint64_t entry;
};

#define K4  0x1000ull
#define K16 0x4000ull
#define K64 0x10000ull
#define M2  0x200000ull
#define G1  0x40000000ull

static const struct leaf leaves[] = {
	/* 48882, figure of the PTE: IW 62, IR 61, FC 60, address 51:12, NextLevel 11:9, D 6, A 5,
	 * PR 0.
	 */
	{PT_AMDV1, 48, 0x12345000, K4, RW, PLAIN, 0x6000000012345001},
	{PT_AMDV1, 48, 0x12345000, K4, R, PLAIN, 0x2000000012345001},
	{PT_AMDV1, 48, 0x12345000, K4, RW | COH, PLAIN, 0x7000000012345001},
	{PT_AMDV1, 48, 0x12345000, K4, RW, DIRTY, 0x6000000012345061},
	{PT_AMDV1, 48, 0x12340000, K64, RW, PLAIN, 0x6000000012347e01},
	{PT_AMDV1, 48, 0x40000000, M2, RW, PLAIN, 0x6000000040000001},
	/* D51397, 9.8: SNP 11, D 9, A 8, PS 7, W 1, R 0. */
	{PT_VTD_SS, 48, 0x12345000, K4, RW, PLAIN, 0x12345003},
	{PT_VTD_SS, 48, 0x12345000, K4, R, PLAIN, 0x12345001},
	{PT_VTD_SS, 48, 0x12345000, K4, W, PLAIN, 0x12345002},
	{PT_VTD_SS, 48, 0x12345000, K4, RW | COH, PLAIN, 0x12345803},
	{PT_VTD_SS, 48, 0x12345000, K4, RW, CLEAN, 0x12345003},
	{PT_VTD_SS, 48, 0x12345000, K4, RW, DIRTY, 0x12345303},
	{PT_VTD_SS, 39, 0x40000000, M2, RW, PLAIN, 0x40000083},
	{PT_VTD_SS, 57, 0x140000000, G1, R, PLAIN, 0x140000081},
	/* SDM volume 3, tables of 4.5: XD 63, PS 7, D 6, A 5, US 2, RW 1, P 0. */
	{PT_X86_64, 48, 0x12345000, K4, RW, PLAIN, 0x12345027},
	{PT_X86_64, 48, 0x12345000, K4, R, PLAIN, 0x12345025},
	{PT_X86_64, 48, 0x12345000, K4, W, PLAIN, 0x12345027},
	{PT_X86_64, 48, 0x12345000, K4, RW | PRIV, PLAIN, 0x12345023},
	{PT_X86_64, 48, 0x12345000, K4, RW | NX, PLAIN, 0x8000000012345027},
	{PT_X86_64, 48, 0x12345000, K4, RW, DIRTY, 0x12345067},
	{PT_X86_64_5L, 57, 0x40000000, M2, RW, PLAIN, 0x400000a7},
	{PT_X86_64, 48, 0x140000000, G1, R, PLAIN, 0x1400000a5},
	/*
	 * DDI 0487, D8.3: UXN 54, PXN 53, contiguous 52, DBM 51, nG 11, AF 10, SH 9:8, AP[2:1] 7:6,
	 * AttrIndx 4:2, page 1, valid 0.
	 */
	{PT_ARM_LPAE_S1_4K, 48, 0x12345000, K4, RW, PLAIN, 0x12345f47},
	{PT_ARM_LPAE_S1_4K, 48, 0x12345000, K4, R, PLAIN, 0x12345fc7},
	{PT_ARM_LPAE_S1_4K, 48, 0x12345000, K4, RW | PRIV, PLAIN, 0x12345f07},
	{PT_ARM_LPAE_S1_4K, 48, 0x12345000, K4, RW | NX | PNX, PLAIN, 0x60000012345f47},
	{PT_ARM_LPAE_S1_4K, 48, 0x12345000, K4, RW | PRIV | NX, PLAIN, 0x40000012345f07},
	{PT_ARM_LPAE_S1_4K, 48, 0x12345000, K4, RW, CLEAN, 0x8000012345fc7},
	{PT_ARM_LPAE_S1_4K, 48, 0x12345000, K4, RW, DIRTY, 0x8000012345f47},
	{PT_ARM_LPAE_S1_4K, 48, 0x12345000, K4, R, CLEAN, 0x12345fc7},
	{PT_ARM_LPAE_S1_4K, 48, 0x12340000, K64, RW, PLAIN, 0x10000012340f47},
	{PT_ARM_LPAE_S1_4K, 48, 0x40000000, M2, RW, PLAIN, 0x40000f45},
	{PT_ARM_LPAE_S1_4K, 48, 0x40000000, 16 * M2, RW, PLAIN, 0x10000040000f45},
	{PT_ARM_LPAE_S1_16K, 48, 0x12344000, K16, RW, PLAIN, 0x12344f47},
	{PT_ARM_LPAE_S1_16K, 48, 0x40000000, M2, RW, PLAIN, 0x10000040000f47},
	{PT_ARM_LPAE_S1_64K, 48, 0x12340000, K64, RW, PLAIN, 0x12340f47},
	{PT_ARM_LPAE_S1_64K, 52, 0xf123456780000, K64, RW, PLAIN, 0x12345678ff47},
	/* Stage 2: XN[1:0] 54:53, S2AP 7:6 (write, read), MemAttr 5:2. */
	{PT_ARM_LPAE_S2_4K, 40, 0x12345000, K4, RW, PLAIN, 0x123457ff},
	{PT_ARM_LPAE_S2_4K, 40, 0x12345000, K4, R, PLAIN, 0x1234577f},
	{PT_ARM_LPAE_S2_4K, 40, 0x12345000, K4, W, PLAIN, 0x123457bf},
	{PT_ARM_LPAE_S2_4K, 40, 0x12345000, K4, RW | PNX, PLAIN, 0x200000123457ff},
	{PT_ARM_LPAE_S2_4K, 40, 0x12345000, K4, RW | NX | PNX, PLAIN, 0x400000123457ff},
	{PT_ARM_LPAE_S2_4K, 40, 0x12345000, K4, RW | NX, PLAIN, 0x600000123457ff},
	{PT_ARM_LPAE_S2_4K, 40, 0x12345000, K4, RW, CLEAN, 0x800001234577f},
	{PT_ARM_LPAE_S2_4K, 40, 0x12345000, K4, RW, DIRTY, 0x80000123457ff},
	{PT_ARM_LPAE_S2_4K, 40, 0x40000000, M2, RW, PLAIN, 0x400007fd},
	{PT_ARM_LPAE_S2_16K, 40, 0x12344000, K16, RW, PLAIN, 0x123447ff},
	{PT_ARM_LPAE_S2_64K, 40, 0xf123456780000, K64, RW, PLAIN, 0x12345678f7ff},
	/* Privileged Architecture, Sv39: N 63, PPN 53:10, D 7, A 6, U 4, X 3, W 2, R 1, V 0. */
	{PT_RISCV_SV39, 39, 0x12345000, K4, RW, PLAIN, 0x48d14df},
	{PT_RISCV_SV39, 39, 0x12345000, K4, RW, CLEAN, 0x48d145f},
	{PT_RISCV_SV39, 39, 0x12345000, K4, R | NX, PLAIN, 0x48d1453},
	{PT_RISCV_SV39, 39, 0x12345000, K4, RW | PRIV, PLAIN, 0x48d14cf},
	{PT_RISCV_SV39, 39, 0x12345000, K4, RW | PRIV | PNX, PLAIN, 0x48d14c7},
	{PT_RISCV_SV39, 39, 0x12345000, K4, RW, DIRTY, 0x48d14df},
	{PT_RISCV_SV39, 39, 0x12340000, K64, RW, PLAIN, 0x80000000048d20df},
	{PT_RISCV_SV48, 48, 0x40000000, M2, RW, PLAIN, 0x100000df},
	{PT_RISCV_SV57, 57, 1ull << 48, 1ull << 48, RW, PLAIN, 0x4000000000df},
	{PT_RISCV_SV39X4, 41, 0x12345000, K4, RW | PRIV, PLAIN, 0x48d14df},
	{PT_RISCV_SV48X4, 50, 0x12345000, K4, R | NX, PLAIN, 0x48d1453},
};

static int read_own(void *ctx, pa_t pa, uint64_t *entry)
{
	*entry = *(uint64_t *)(uintptr_t)pa;
	return 0;
}

static int exchange_own(void *ctx, pa_t pa, uint64_t old, uint64_t value)
{
	uint64_t *entry = (uint64_t *)(uintptr_t)pa;

	if (*entry != old)
		return -EAGAIN;
	*entry = value;
	return 0;
}

/* Our table, written through by hardware that manages dirty state. */
static void write_through(const struct pt *pt, const struct leaf *leaf, iova_t iova)
{
	struct pt_foreign_walk walk;
	struct pt_root root;
	struct pt_foreign view = {.format = leaf->format,
				  .aw = leaf->aw,
				  .update = true,
				  .read = read_own,
				  .exchange = exchange_own};

	pt_root(pt, &root);
	view.root = (uintptr_t)root.table;
	assert_int_equal(pt_foreign_walk(&view, iova, PT_ACCESS_WRITE, &walk), 0);
}

/* Our own marks stand beside the tables. */
static void mark_beside(struct pt *pt, iova_t iova)
{
	struct pt_walk before, after;

	assert_int_equal(pt_walk(pt, iova, &before), 0);
	assert_int_equal(pt_dirty_set(pt, iova), 0);
	assert_int_equal(pt_walk(pt, iova, &after), 0);
	assert_true(before.entry == after.entry);
}

static void check_leaf(const struct leaf *leaf)
{
	struct pt_config config = {.format = leaf->format, .aw = leaf->aw};
	iova_t iova = leaf->pa & ((1ull << (leaf->aw - 1)) - 1);
	struct pt_step steps[8];
	struct pt *pt;
	unsigned nr;

	config.dirty = leaf->state != PLAIN;
	assert_int_equal(pt_new(&config, &pt), 0);
	assert_int_equal(pt_map(pt, iova, leaf->pa, leaf->len, leaf->prot), 0);
	mark_beside(pt, iova);
	if (leaf->state == DIRTY)
		write_through(pt, leaf, iova);
	nr = pt_trace(pt, iova, steps, 8);
	assert_int_equal(steps[nr - 1].kind, IOAS_FAULT_ENTRY_LEAF);
	if (steps[nr - 1].entry != leaf->entry)
		print_error("%s pa %#llx prot %u: %#llx, not %#llx\n", pt_format_name(leaf->format),
			    (unsigned long long)leaf->pa, leaf->prot,
			    (unsigned long long)steps[nr - 1].entry,
			    (unsigned long long)leaf->entry);
	assert_true(steps[nr - 1].entry == leaf->entry);
	pt_destroy(pt);
}

static void encodes_leaves(void **state)
{
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		check_leaf(&leaves[i]);
}

/* Of a leaf of several entries, each is its own piece (Arm), or all are alike. */
static void encodes_the_entries_of_a_leaf(void **state)
{
	static const struct {
		enum pt_format format;
		uint64_t step;
	} want[] = {{PT_AMDV1, 0},
		    {PT_ARM_LPAE_S1_4K, 0x1000},
		    {PT_ARM_LPAE_S2_4K, 0x1000},
		    {PT_RISCV_SV39, 0}};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct pt_config config = {.format = want[i].format, .aw = 39};
		uint64_t first = 0;
		struct pt *pt;

		assert_int_equal(pt_new(&config, &pt), 0);
		assert_int_equal(pt_map(pt, 0, 0x40000, 0x10000, RW), 0);
		for (unsigned k = 0; k < 16; k++) {
			struct pt_step steps[8];
			unsigned nr = pt_trace(pt, k * 0x1000, steps, 8);

			first = k ? first : steps[nr - 1].entry;
			assert_int_equal(steps[nr - 1].entry, first + k * want[i].step);
		}
		pt_destroy(pt);
	}
}

/* What stands beside the address in an entry that points to a table. */
static void encodes_pointers_to_tables(void **state)
{
	static const struct {
		enum pt_format format;
		uint64_t flags;
	} want[] = {
		{PT_AMDV1, 0x6000000000000201},
		{PT_VTD_SS, 0x3},
		{PT_X86_64, 0x27},
		{PT_ARM_LPAE_S1_4K, 0x3},
		{PT_ARM_LPAE_S1_64K, 0x3},
		{PT_ARM_LPAE_S2_16K, 0x3},
		{PT_RISCV_SV48, 0x1},
		{PT_RISCV_SV39X4, 0x1},
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		uint64_t page = 1ull << pt_format_page_lg2(want[i].format);
		struct pt_config config = {.format = want[i].format, .aw = 39};
		struct pt_step steps[8];
		uint64_t flags;
		struct pt *pt;
		unsigned nr;

		assert_int_equal(pt_new(&config, &pt), 0);
		assert_int_equal(pt_map(pt, 0, 0, page, RW), 0);
		nr = pt_trace(pt, 0, steps, 8);
		assert_int_equal(steps[nr - 2].kind, IOAS_FAULT_ENTRY_TABLE);
		/* The address: 51:12 where the table is, or 53:10 a PPN. */
		flags = steps[nr - 2].entry;
		flags &= want[i].flags == 1 ? ~(((1ull << 44) - 1) << 10) : ~(0xfffffffff000ull);
		assert_true(flags == want[i].flags);
		pt_destroy(pt);
	}
}

/* Levels, bytes of the root, and what the structure with the root says. */
static void roots_have_the_form_of_their_width(void **state)
{
	static const struct {
		enum pt_format format;
		unsigned aw, levels;
		uint64_t len, mode;
	} want[] = {
		{PT_AMDV1, 32, 3, 4096, 3},
		{PT_AMDV1, 39, 3, 4096, 3},
		{PT_AMDV1, 57, 5, 4096, 5},
		{PT_VTD_SS, 39, 3, 4096, 1},
		{PT_VTD_SS, 40, 4, 4096, 2},
		{PT_VTD_SS, 57, 5, 4096, 3},
		{PT_X86_64, 48, 4, 4096, 0},
		{PT_X86_64_5L, 57, 5, 4096, 1},
		/* T0SZ is what is missing to 64. */
		{PT_ARM_LPAE_S1_4K, 39, 3, 4096, 25},
		{PT_ARM_LPAE_S1_4K, 40, 4, 4096, 24},
		{PT_ARM_LPAE_S1_4K, 48, 4, 4096, 16},
		{PT_ARM_LPAE_S1_16K, 47, 3, 16384, 17},
		{PT_ARM_LPAE_S1_16K, 48, 4, 16384, 16},
		{PT_ARM_LPAE_S1_64K, 42, 2, 65536, 22},
		{PT_ARM_LPAE_S1_64K, 52, 3, 65536, 12},
		/* Up to sixteen tables side by side; SL0 in bits 7:6. */
		{PT_ARM_LPAE_S2_4K, 34, 2, 65536, 30},
		{PT_ARM_LPAE_S2_4K, 35, 3, 4096, 29 | 1 << 6},
		{PT_ARM_LPAE_S2_4K, 40, 3, 8192, 24 | 1 << 6},
		{PT_ARM_LPAE_S2_4K, 43, 3, 65536, 21 | 1 << 6},
		{PT_ARM_LPAE_S2_4K, 44, 4, 4096, 20 | 2 << 6},
		{PT_ARM_LPAE_S2_16K, 40, 2, 262144, 24 | 1 << 6},
		{PT_ARM_LPAE_S2_16K, 48, 3, 32768, 16 | 2 << 6},
		{PT_ARM_LPAE_S2_64K, 46, 2, 1048576, 18 | 1 << 6},
		{PT_ARM_LPAE_S2_64K, 52, 3, 65536, 12 | 2 << 6},
		{PT_RISCV_SV39, 39, 3, 4096, 8},
		{PT_RISCV_SV48, 48, 4, 4096, 9},
		{PT_RISCV_SV57, 57, 5, 4096, 10},
		{PT_RISCV_SV39X4, 41, 3, 16384, 8},
		{PT_RISCV_SV39X4, 32, 3, 16384, 8},
		{PT_RISCV_SV57X4, 57, 5, 16384, 10},
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct pt_config config = {.format = want[i].format, .aw = want[i].aw};
		struct pt_root root;
		struct pt *pt;

		assert_int_equal(pt_new(&config, &pt), 0);
		pt_root(pt, &root);
		assert_int_equal(root.levels, want[i].levels);
		assert_int_equal(root.len, want[i].len);
		assert_int_equal(root.mode, want[i].mode);
		assert_int_equal((uintptr_t)root.table & (root.len - 1), 0);
		assert_int_equal(pt_foreign_root_len(want[i].format, want[i].aw), root.len);
		pt_destroy(pt);
	}
}

/* Half of the addresses are there, as the other half repeats the sign. */
static void sign_extended_widths_are_halved(void **state)
{
	static const struct {
		enum pt_format format;
		unsigned aw;
		iova_t last;
	} want[] = {
		{PT_X86_64, 48, 0x7fffffffffff},	 {PT_X86_64, 47, 0x7fffffffffff},
		{PT_X86_64, 40, 0xffffffffff},		 {PT_X86_64_5L, 57, 0xffffffffffffff},
		{PT_RISCV_SV39, 39, 0x3fffffffff},	 {PT_RISCV_SV39X4, 41, 0x1ffffffffff},
		{PT_ARM_LPAE_S1_4K, 48, 0xffffffffffff}, {PT_VTD_SS, 48, 0xffffffffffff},
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct pt_config config = {.format = want[i].format, .aw = want[i].aw};
		struct pt *pt;

		assert_int_equal(pt_new(&config, &pt), 0);
		assert_int_equal(pt_aperture(pt).last, want[i].last);
		pt_destroy(pt);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodes_leaves),
		cmocka_unit_test(encodes_the_entries_of_a_leaf),
		cmocka_unit_test(encodes_pointers_to_tables),
		cmocka_unit_test(roots_have_the_form_of_their_width),
		cmocka_unit_test(sign_extended_widths_are_halved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
