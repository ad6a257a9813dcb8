/* SPDX-License-Identifier: MIT */
/*
 * Description: two dimensions: which permission it was that a stage 1 had not, by RISC-V's tables,
 * whose leaves have each by itself; and what a walk leaves behind, by which nothing is remembered
 * that is not so.
 */
#include "tests/unit/tlp/guest.h"
#include "tlp/check_stale.h"

#define IOVA 0x3f0123456000ul
#define DATA 40

/* Of RISC-V's entries. */
#define RV_V (1ull << 0)
#define RV_R (1ull << 1)
#define RV_W (1ull << 2)
#define RV_X (1ull << 3)
#define RV_U (1ull << 4)
#define RV_A (1ull << 6)
#define RV_D (1ull << 7)

static struct guest guest;

static void begin(void)
{
	guest_start(&guest, 48, false);
	for (unsigned i = 0; i < GUEST_PAGES; i++)
		guest_show(&guest, i, IOAS_PROT_READ | IOAS_PROT_WRITE);
}

/* One byte; the reason for which it did not pass. */
static enum ioas_fault_reason touch(unsigned op, iova_t addr, uint32_t flags)
{
	struct ioas_tlp tlp = {.addr = addr, .len = 1, .op = (uint8_t)op, .flags = flags};
	uint64_t seq;
	char byte = 0;

	return ioas_tlp_issue(guest.rig.issuer, &tlp, &byte)
		       ? ioas_issuer_fault(guest.rig.issuer, &seq)
		       : IOAS_FAULT_NONE;
}

/* Tables at pages 1 to 4. Returns where the leaf's entry is. */
static uint64_t *lead_riscv(void)
{
	uint64_t *entry = NULL;

	guest.s1.table = (struct pt_foreign){.format = PT_RISCV_SV48, .aw = 48, .root = PAGE};
	for (unsigned level = 4, page = 1; level; level--, page++) {
		entry = guest_at(&guest, page * PAGE) + (IOVA >> (12 + 9 * (level - 1)) & 511);
		*entry = (uint64_t)(page + 1) << 10 | RV_V;
	}
	return entry;
}

/* By the privileged specification: 4.3.1 of what a page allows, 4.1.1.2 of SUM. */
static enum ioas_fault_reason judge(uint64_t leaf, unsigned op, bool exec, bool priv, bool apart)
{
	bool user = leaf & RV_U;

	if (leaf & RV_W && !(leaf & RV_R))
		return IOAS_FAULT_RESERVED;
	if (!priv && !user)
		return IOAS_FAULT_PRIVILEGE;
	if (op == IOAS_TLP_WRITE && !(leaf & RV_W))
		return IOAS_FAULT_NO_WRITE;
	if (op == IOAS_TLP_READ && exec)
		return leaf & RV_X && user != priv ? IOAS_FAULT_NONE : IOAS_FAULT_NO_EXEC;
	if (op == IOAS_TLP_READ && !(leaf & RV_R))
		return IOAS_FAULT_NO_READ;
	return priv && user && apart ? IOAS_FAULT_PRIVILEGE : IOAS_FAULT_NONE;
}

static void what_is_missing_is_named(void **state)
{
	static const struct {
		unsigned op;
		uint32_t flags;
	} uses[] = {{IOAS_TLP_READ, 0}, {IOAS_TLP_WRITE, 0}, {IOAS_TLP_READ, IOAS_TLP_EXEC}};
	uint64_t *leaf;

	begin();
	leaf = lead_riscv();
	for (uint64_t bits = RV_R; bits < 2 * RV_U; bits += RV_R)
		for (unsigned use = 0; use < 12; use++) {
			unsigned op = uses[use % 3].op;
			uint32_t flags = uses[use % 3].flags;
			bool priv = use / 3 & 1, apart = use >= 6;

			if (!(bits & (RV_R | RV_W | RV_X)))
				continue;
			guest.s1.table.priv_apart = apart;
			*leaf = DATA << 10 | RV_V | RV_A | RV_D | bits;
			guest_invalidate(&guest);
			assert_int_equal(touch(op, IOVA, flags | (priv ? IOAS_TLP_PRIV : 0)),
					 judge(bits, op, flags, priv, apart));
		}
	guest_stop(&guest);
}

/* A read is remembered for writing unless a write has a bit to set. */
static void only_where_a_write_sets_a_bit_each_first_one_is_walked(void **state)
{
	uint64_t *leaf;

	begin();
	leaf = guest_lead(&guest, 4, 1, IOVA, 1, 0, ALL | A);
	for (unsigned round = 0; round < 6; round++) {
		bool update = round & 1;
		uint32_t flags = round & 2 ? IOAS_TLP_PRIV : 0;

		guest.s1.table.update = update;
		*leaf = DATA * PAGE | ALL | A;
		guest_invalidate(&guest);
		assert_int_equal(touch(IOAS_TLP_READ, IOVA, flags), IOAS_FAULT_NONE);
		assert_int_equal(guest.rig.issuer->tlb.hot->ops,
				 1u << IOAS_TLP_READ | (update ? 0 : 1u << IOAS_TLP_WRITE));
		assert_int_equal(touch(IOAS_TLP_WRITE, IOVA, flags), IOAS_FAULT_NONE);
		assert_int_equal(*leaf & D, update ? D : 0);
	}
	guest_stop(&guest);
}

/* --check-invalidation: of a walk that could read no entry, and of one that met a bad leaf. */
static void what_was_not_cached_is_not_stale(void **state)
{
	uint64_t *leaf, seq;

	begin();
	assert_int_equal(check_stale_new(&guest.s1.stage1.check), 0);
	leaf = guest_lead(&guest, 4, 1, IOVA, 1, 0, ALL | A);
	guest.s1.table.root = 99 * PAGE;
	assert_int_equal(touch(IOAS_TLP_READ, IOVA, 0), IOAS_FAULT_NOT_MAPPED);
	guest.s1.table.root = PAGE;
	for (unsigned i = 0; i < 3; i++) {
		/* Bits that no address has; then an address that is as good as any. */
		*leaf = i < 2 ? 1ull << (51 - i) | ALL | A : DATA * PAGE | ALL | A;
		guest.s1.table.pa_bits = 46;
		assert_int_equal(touch(IOAS_TLP_READ, IOVA, 0),
				 i < 2 ? IOAS_FAULT_OUTPUT : IOAS_FAULT_NONE);
	}
	assert_int_equal(ioas_issuer_fault(guest.rig.issuer, &seq), IOAS_FAULT_OUTPUT);
	assert_int_equal(seq, 3);
	check_stale_destroy(guest.s1.stage1.check);
	guest.s1.stage1.check = NULL;
	guest_stop(&guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_missing_is_named),
		cmocka_unit_test(only_where_a_write_sets_a_bit_each_first_one_is_walked),
		cmocka_unit_test(what_was_not_cached_is_not_stale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
