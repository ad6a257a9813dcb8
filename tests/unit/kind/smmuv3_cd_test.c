/* SPDX-License-Identifier: MIT */
/*
 * Description: context descriptors of an SMMUv3 (IHI 0070 5.4): what makes one ILLEGAL, field by
 * field; which half translates an address, and by which table.
 */
#include "smmuv3_guest.h"
#include "tests/unit/rnd.h"

#define LOW  0x0000123456789000ull
#define HIGH 0xffff923456789000ull
#define TTB0 0x0000111111111000ull
#define TTB1 0x0000222222222000ull

static const struct smmuv3_facts facts_64k = {
	.format = PT_ARM_LPAE_S1_64K, .oas = 52, .va_bits = 52, .ssid_lg2 = 20};

static enum ioas_fault_reason decode(const struct smmuv3_facts *facts, uint64_t word0,
				     uint64_t word1, uint64_t word2, iova_t iova, uint32_t access,
				     struct nested_table *out)
{
	const uint64_t cd[3] = {word0, word1, word2};
	struct nested_request request = {.iova = iova, .access = access};

	memset(out, 0, sizeof(*out));
	return smmuv3_cd_table(facts, cd, &request, out);
}

static enum ioas_fault_reason decode_4k(uint64_t word0, iova_t iova)
{
	struct nested_table table;

	return decode(&facts_4k, word0, TTB0, TTB1, iova, PT_ACCESS_READ, &table);
}

/* A field with another value. */
static uint64_t with(uint64_t word, unsigned high, unsigned low, uint64_t value)
{
	uint64_t mask = (UINT64_MAX >> (63 - (high - low))) << low;

	return (word & ~mask) | value << low;
}

static void what_must_be_is_checked(void **state)
{
	assert_int_equal(decode_4k(CD_GOOD, LOW), IOAS_FAULT_NONE);
	assert_int_equal(decode_4k(with(CD_GOOD, 31, 31, 0), LOW), IOAS_FAULT_BAD_STRUCTURE);
	/* Terminated requests are aborted (TERM_MODEL), and none stall (STALL_MODEL 1). */
	assert_int_equal(decode_4k(with(CD_GOOD, 46, 46, 0), LOW), IOAS_FAULT_BAD_STRUCTURE);
	assert_int_equal(decode_4k(with(CD_GOOD, 44, 44, 1), LOW), IOAS_FAULT_BAD_STRUCTURE);
	/* AArch64's tables only, and little-endian ones. */
	assert_int_equal(decode_4k(with(CD_GOOD, 41, 41, 0), LOW), IOAS_FAULT_BAD_STRUCTURE);
	assert_int_equal(decode_4k(with(CD_GOOD, 15, 15, 1), LOW), IOAS_FAULT_BAD_STRUCTURE);
	assert_int_equal(decode_4k(with(CD_GOOD | CD_EPD0, 15, 15, 1), LOW),
			 IOAS_FAULT_BAD_STRUCTURE);
	/* Of no consequence: attributes, ASID, ASET, R, UWXN. */
	assert_int_equal(decode_4k(CD_GOOD | 0xffffull << 48 | 1ull << 47 | 0x3full << 8 |
					   0x3full << 24 | 1ull << 37,
				   LOW),
			 IOAS_FAULT_NONE);
	assert_int_equal(decode_4k(CD_GOOD & ~CD_R, LOW), IOAS_FAULT_NONE);
}

/* A half that is disabled says nothing; with both, the byte order does not count either. */
static void disabled_halves_are_not_checked(void **state)
{
	uint64_t bad0 = with(CD_GOOD, 5, 0, 63), bad1 = with(CD_GOOD, 21, 16, 63);

	for (unsigned i = 0; i < 2; i++) {
		iova_t iova = i ? HIGH : LOW;

		assert_int_equal(decode_4k(bad0, iova), IOAS_FAULT_BAD_STRUCTURE);
		assert_int_equal(decode_4k(bad1, iova), IOAS_FAULT_BAD_STRUCTURE);
		assert_int_equal(decode_4k(bad0 | CD_EPD1, iova), IOAS_FAULT_BAD_STRUCTURE);
		assert_int_equal(decode_4k(bad1 | CD_EPD0, iova), IOAS_FAULT_BAD_STRUCTURE);
		assert_int_equal(decode_4k(bad0 | CD_EPD0, iova),
				 i ? IOAS_FAULT_NONE : IOAS_FAULT_NOT_MAPPED);
		assert_int_equal(decode_4k(bad1 | CD_EPD1, iova),
				 i ? IOAS_FAULT_NOT_MAPPED : IOAS_FAULT_NONE);
		assert_int_equal(decode_4k(with(CD_GOOD | CD_EPD0 | CD_EPD1, 15, 15, 1), iova),
				 IOAS_FAULT_NOT_MAPPED);
	}
}

/* TxSZ: 16 to 39; 12 with 64 KiB where VAX says 52 bits. */
static void sizes_have_bounds(void **state)
{
	uint64_t cd_64k = with(with(CD_GOOD, 7, 6, 1), 23, 22, 3);
	struct smmuv3_facts narrow = facts_64k;
	struct nested_table table;

	narrow.va_bits = 48;
	for (unsigned size = 0; size < 64; size++) {
		bool good = size >= 16 && size <= 39;

		assert_int_equal(decode_4k(with(CD_GOOD, 5, 0, size), 0x1000),
				 good ? IOAS_FAULT_NONE : IOAS_FAULT_BAD_STRUCTURE);
		assert_int_equal(decode_4k(with(CD_GOOD, 21, 16, size), -4096ull),
				 good ? IOAS_FAULT_NONE : IOAS_FAULT_BAD_STRUCTURE);
		assert_int_equal(decode(&facts_64k, with(cd_64k, 5, 0, size), TTB0, TTB1, 0x1000,
					PT_ACCESS_READ, &table),
				 size >= 12 && size <= 39 ? IOAS_FAULT_NONE
							  : IOAS_FAULT_BAD_STRUCTURE);
		assert_int_equal(decode(&narrow, with(cd_64k, 5, 0, size), TTB0, TTB1, 0x1000,
					PT_ACCESS_READ, &table),
				 good ? IOAS_FAULT_NONE : IOAS_FAULT_BAD_STRUCTURE);
	}
}

/* The unit's granule and no other; TG0 and TG1 number them differently. */
static void granules_must_be_there(void **state)
{
	static const unsigned tg0[] = {12, 16, 14, 0}, tg1[] = {0, 14, 12, 16};
	static const enum pt_format formats[] = {PT_ARM_LPAE_S1_4K, PT_ARM_LPAE_S1_16K,
						 PT_ARM_LPAE_S1_64K};

	for (unsigned f = 0; f < 3; f++)
		for (unsigned i = 0; i < 16; i++) {
			struct smmuv3_facts facts = facts_4k;
			unsigned granule = 12 + 2 * f;
			struct nested_table table;
			bool good = tg0[i & 3] == granule && tg1[i >> 2] == granule;
			uint64_t word = with(with(CD_GOOD, 7, 6, i & 3), 23, 22, i >> 2);

			facts.format = formats[f];
			assert_int_equal(decode(&facts, word, 0, 0, 0x1000, PT_ACCESS_READ, &table),
					 good ? IOAS_FAULT_NONE : IOAS_FAULT_BAD_STRUCTURE);
			if (good)
				assert_int_equal(table.table.format, formats[f]);
		}
}

/* IPS, up to OAS, is where output addresses end, and tables may lie no further. */
static void intermediate_addresses_have_a_size(void **state)
{
	static const unsigned ips[] = {32, 36, 40, 42, 44, 48, 52, 52};
	uint64_t cd_64k = with(with(CD_GOOD, 7, 6, 1), 23, 22, 3);

	for (unsigned i = 0; i < 8; i++)
		for (unsigned wide = 0; wide < 2; wide++) {
			const struct smmuv3_facts *facts = wide ? &facts_64k : &facts_4k;
			uint64_t word = with(wide ? cd_64k : CD_GOOD, 34, 32, i);
			unsigned size = ips[i] < facts->oas ? ips[i] : facts->oas;
			uint64_t inside = 1ull << (size - 1);
			struct nested_table table;

			assert_int_equal(decode(facts, word, inside, 0, 0, PT_ACCESS_READ, &table),
					 IOAS_FAULT_NONE);
			assert_int_equal(table.table.pa_bits, size);
			assert_int_equal(table.table.root, inside);
			assert_int_equal(decode(facts, word, 0, inside, 0, PT_ACCESS_READ, &table),
					 IOAS_FAULT_NONE);
			if (size == 52)
				continue;
			assert_int_equal(
				decode(facts, word, inside << 1, 0, 0, PT_ACCESS_READ, &table),
				IOAS_FAULT_BAD_STRUCTURE);
			assert_int_equal(
				decode(facts, word, 0, inside << 1, 0, PT_ACCESS_READ, &table),
				IOAS_FAULT_BAD_STRUCTURE);
			assert_int_equal(decode(facts, word | CD_EPD1, 0, inside << 1, 0,
						PT_ACCESS_READ, &table),
					 IOAS_FAULT_NONE);
		}
}

/* Low bits of a root that its width does not need are 0; with 52 bits at least six of them. */
static void roots_are_aligned(void **state)
{
	uint64_t cd_64k = with(with(with(CD_GOOD, 7, 6, 1), 23, 22, 3), 34, 32, 6);
	struct nested_table table;

	assert_int_equal(decode(&facts_4k, with(CD_GOOD, 5, 0, 28), 0x123456789ff0, 0, 0,
				PT_ACCESS_READ, &table),
			 IOAS_FAULT_NONE);
	assert_int_equal(table.table.root, 0x123456789e00);
	assert_int_equal(table.table.aw, 36);
	assert_int_equal(
		decode(&facts_4k, CD_GOOD | 1, 0x123456789ff0, 0, 0, PT_ACCESS_READ, &table),
		IOAS_FAULT_NONE);
	assert_int_equal(table.table.aw, 47);
	assert_int_equal(table.table.root, 0x123456789800);
	/* 43 bits: a root of two entries. */
	assert_int_equal(decode(&facts_64k, with(cd_64k, 5, 0, 21), 0xf23456789fff0, 0, 0,
				PT_ACCESS_READ, &table),
			 IOAS_FAULT_NONE);
	assert_int_equal(table.table.root, 0xf23456789ffc0);
	assert_int_equal(decode(&facts_64k, with(with(cd_64k, 5, 0, 21), 34, 32, 5), 0x23456789fff0,
				0, 0, PT_ACCESS_READ, &table),
			 IOAS_FAULT_NONE);
	assert_int_equal(table.table.root, 0x23456789fff0);
}

/* Which half, and is the address in it? A twin that asks bit by bit. */
static bool reaches(iova_t iova, unsigned aw, bool upper, bool tbi)
{
	for (unsigned bit = aw; bit < (tbi ? 56u : 64u); bit++)
		if ((iova >> bit & 1) != upper)
			return false;
	return true;
}

static void halves_by_bit_55(void **state)
{
	uint64_t seed = 88172645463325252ull;
	unsigned inside[2] = {0};

	for (unsigned i = 0; i < 200000; i++) {
		uint64_t word = CD_GOOD, iova;
		bool upper, tbi[2], good;
		unsigned size[2];
		struct nested_table table;
		enum ioas_fault_reason got;

		rnd_next(&seed);
		for (unsigned k = 0; k < 2; k++) {
			size[k] = 16 + (unsigned)(seed >> (8 * k)) % 24;
			tbi[k] = seed >> (20 + k) & 1;
			word = with(word, 5 + 16 * k, 16 * k, size[k]);
			word = with(word, 38 + k, 38 + k, tbi[k]);
		}
		/* Around the ends of both halves, with the top byte right or wrong. */
		iova = (seed >> 30) & ((1ull << (65 - size[seed >> 63])) - 1);
		if (seed >> 24 & 1)
			iova = ~iova;
		if (seed >> 25 & 1)
			iova ^= (seed & 0xff) << 56;
		upper = iova >> 55 & 1;
		good = reaches(iova, 64 - size[upper], upper, tbi[upper]);
		got = decode(&facts_4k, word, TTB0, TTB1, iova, PT_ACCESS_READ, &table);
		assert_int_equal(got, good ? IOAS_FAULT_NONE : IOAS_FAULT_WIDTH);
		if (!good)
			continue;
		inside[upper]++;
		assert_int_equal(table.table.aw, 64 - size[upper]);
		assert_int_equal(table.input, iova & ((1ull << table.table.aw) - 1));
		assert_int_equal(table.table.root & ~0xfffull, upper ? TTB1 : TTB0);
	}
	assert_true(inside[0] > 10000 && inside[1] > 10000);
}

/* HA, HD: illegal where bits are not set (HTTU); HD alone is as nothing. */
static void accessed_and_dirty(void **state)
{
	struct smmuv3_facts without = facts_4k;
	struct nested_table table;

	without.httu = false;
	for (unsigned bits = 0; bits < 8; bits++) {
		uint64_t word = with(with(CD_GOOD, 43, 42, bits & 3), 35, 35, bits >> 2);
		bool hd = bits & 1, ha = bits & 2;

		assert_int_equal(decode(&facts_4k, word, TTB0, TTB1, LOW, PT_ACCESS_READ, &table),
				 IOAS_FAULT_NONE);
		assert_int_equal(table.table.update, ha);
		assert_int_equal(table.table.update && !table.table.clean, ha && hd);
		assert_int_equal(table.table.accessed_unused, bits >> 2);
		assert_int_equal(decode(&without, word, TTB0, TTB1, LOW, PT_ACCESS_READ, &table),
				 ha || hd ? IOAS_FAULT_BAD_STRUCTURE : IOAS_FAULT_NONE);
	}
}

/* WXN and PAN are of both halves; HAD and E0PD each half has its own. */
static void what_tables_may_allow(void **state)
{
	for (unsigned half = 0; half < 2; half++) {
		iova_t iova = half ? HIGH : LOW;
		uint64_t word1 = TTB0 | (half ? 0 : 2), word2 = TTB1 | (half ? 2 : 0);
		struct nested_table table;

		assert_int_equal(
			decode(&facts_4k, CD_GOOD, word1, word2, iova, PT_ACCESS_READ, &table),
			IOAS_FAULT_NONE);
		assert_true(table.table.flat);
		assert_false(table.table.write_no_exec || table.table.priv_apart);
		assert_int_equal(decode(&facts_4k, CD_GOOD | 1ull << 36 | 1ull << 40, word2, word1,
					iova, PT_ACCESS_READ, &table),
				 IOAS_FAULT_NONE);
		assert_false(table.table.flat);
		assert_true(table.table.write_no_exec && table.table.priv_apart);
		word1 = TTB0 | (half ? 0 : 4);
		word2 = TTB1 | (half ? 4 : 0);
		assert_int_equal(
			decode(&facts_4k, CD_GOOD, word1, word2, iova, PT_ACCESS_READ, &table),
			IOAS_FAULT_NOT_MAPPED);
		assert_int_equal(decode(&facts_4k, CD_GOOD, word1, word2, iova,
					PT_ACCESS_READ | PT_ACCESS_PRIV, &table),
				 IOAS_FAULT_NONE);
		assert_int_equal(
			decode(&facts_4k, CD_GOOD, word1, word2, ~iova, PT_ACCESS_READ, &table),
			IOAS_FAULT_NONE);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_must_be_is_checked),
		cmocka_unit_test(disabled_halves_are_not_checked),
		cmocka_unit_test(sizes_have_bounds),
		cmocka_unit_test(granules_must_be_there),
		cmocka_unit_test(intermediate_addresses_have_a_size),
		cmocka_unit_test(roots_are_aligned),
		cmocka_unit_test(halves_by_bit_55),
		cmocka_unit_test(accessed_and_dirty),
		cmocka_unit_test(what_tables_may_allow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
