/* SPDX-License-Identifier: MIT */
/*
 * Description: QEMU's SMMUv3 and ours get the same bytes: stream table entry, context descriptor
 * and tables of random and often wrong content, in one memory. Both must let the same requests
 * pass, to the same words, and make the same events of the others.
 *
 * What QEMU 7.2 has not, and so is not asked: stage 2, SubstreamIDs, addresses beyond 48 bits,
 * accessed and dirty flags, privilege, fetches, one granule only. It leaves CLASS out of its
 * events. walkers_smmu [PROBES]; 77: there is no QEMU.
 */
#include "tests/unit/tlp/rig.h"
#include "kind/smmuv3.h"
#include "qemu.h"

#define EDU	   0x20 /* its StreamID */
#define POISON	   0x5a5a5a5a5a5a5a5aull
#define TABLES	   0x100000ul /* in the guest's memory */
#define TABLES_LEN 0x700000ul
#define RESULT	   0x800000ul
#define DATA	   0x1000000ul
#define DATA_LEN   0x1000000ul
#define CLASS	   (3ull << 40)

static struct qemu q;
static struct rig rig;
static struct smmuv3_stage1 own;
static uint64_t seed = 88172645463325252ull, nr = 600;
static uint64_t passed, silent, events[256];

static uint64_t rnd(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static uint64_t *word_at(uint64_t gpa)
{
	return (uint64_t *)(uintptr_t)gpa;
}

static uint64_t field(uint64_t word, unsigned high, unsigned low, uint64_t value)
{
	uint64_t mask = (UINT64_MAX >> (63 - (high - low))) << low;

	return (word & ~mask) | value << low;
}

/* ---- structures ---- */

struct half {
	unsigned size; /* TxSZ */
	uint64_t root;
};

struct world {
	unsigned granule; /* log2 */
	uint64_t cd[4];
	struct half half[2];
	bool limited;  /* tables take permissions away, and all of them lead somewhere */
	uint64_t used; /* of the tables' memory */
};

static uint64_t table_new(struct world *w)
{
	uint64_t len = 1ull << w->granule, at;

	w->used = (w->used + len - 1) & ~(len - 1);
	at = q.mem_first + TABLES + w->used;
	w->used += len;
	assert_true(w->used <= TABLES_LEN);
	memset(word_at(at), 0, len);
	return at;
}

static unsigned levels_of(const struct world *w, unsigned aw)
{
	unsigned levels = 1;

	while (w->granule + (w->granule - 3) * levels < aw)
		levels++;
	return levels;
}

/* An entry that leads to data, or one of the ways not to. */
static uint64_t leaf_of(const struct world *w, bool good)
{
	uint64_t page = q.mem_first + DATA + (rnd(DATA_LEN) & -(1ull << w->granule));
	uint64_t entry = page | 3 | 1 << 6 | 1 << 10 | 3 << 8;

	switch (rnd(8)) {
	case 0:
		return good ? entry : 0;
	case 1:
		return good ? entry : entry & ~2ull; /* a block, of the lowest level */
	case 2:
		return good ? entry : entry & ~1ull;
	case 3:
	case 4:
		return entry | 1 << 7; /* read-only */
	default:
		return entry;
	}
}

/*
 * Tables of a half for the low bits of an address. APTable[1] takes writes away; only above what is
 * there: QEMU refuses on its way down, before it sees that there is nothing.
 */
static void lead(struct world *w, const struct half *half, uint64_t iova)
{
	unsigned aw = 64 - half->size, bits = w->granule - 3;
	uint64_t table = half->root, low = iova & (UINT64_MAX >> half->size);

	for (unsigned level = levels_of(w, aw); level; level--) {
		uint64_t index = low >> (w->granule + bits * (level - 1));
		uint64_t *entry = word_at(table) + (index & ((1ull << bits) - 1));

		if (level == 1)
			*entry = leaf_of(w, w->limited);
		else if (!(*entry & 1) && (w->limited || rnd(24)))
			*entry = table_new(w) | 3;
		if (!(*entry & 1))
			return;
		table = *entry & 0xffffffffffffull & -(1ull << w->granule);
		if (level > 1 && w->limited && rnd(2))
			*entry |= 1ull << 62;
	}
}

/* One field of a good descriptor gets another value, or none does. */
static void spoil(uint64_t cd[4])
{
	static const struct {
		uint8_t word, high, low;
		uint64_t most; /* of the value */
	} fields[] = {
		{0, 5, 0, 63},	  {0, 21, 16, 63},  {0, 14, 14, 1}, {0, 30, 30, 1}, {0, 15, 15, 1},
		{0, 31, 31, 1},	  {0, 41, 41, 1},   {0, 44, 44, 1}, {0, 45, 45, 1}, {0, 46, 46, 1},
		{0, 42, 42, 1},	  {0, 43, 43, 1},   {0, 34, 32, 5}, {0, 35, 35, 1}, {0, 38, 38, 1},
		{0, 39, 39, 1},	  {0, 63, 48, 99},  {0, 47, 47, 1}, {1, 1, 1, 1},   {2, 1, 1, 1},
		{1, 51, 44, 255}, {2, 51, 44, 255},
	};

	for (unsigned i = (unsigned)rnd(3); i; i--) {
		size_t k = rnd(sizeof(fields) / sizeof(fields[0]));

		cd[fields[k].word] = field(cd[fields[k].word], fields[k].high, fields[k].low,
					   rnd(fields[k].most + 1));
	}
}

static void make_descriptor(struct world *w)
{
	static const uint8_t tg0[] = {0, 2, 1}, tg1[] = {2, 1, 3};
	unsigned g = (w->granule - 12) / 2;
	uint64_t word = 1ull << 31 | 1ull << 46 | 1ull << 45 | 1ull << 41 | 4ull << 32;

	for (unsigned i = 0; i < 2; i++) {
		w->half[i].size = 16 + (unsigned)rnd(24);
		w->half[i].root = table_new(w);
	}
	word |= w->half[0].size | (uint64_t)w->half[1].size << 16 | (uint64_t)tg0[g] << 6 |
		(uint64_t)tg1[g] << 22 | rnd(2) << 38 | rnd(2) << 39;
	w->cd[0] = word;
	w->cd[1] = w->half[0].root | rnd(2) << 1;
	w->cd[2] = w->half[1].root | rnd(2) << 1;
	w->cd[3] = 0xff;
	if (rnd(2))
		spoil(w->cd);
}

/* One that the lower half has, now and then beyond it. */
static uint64_t address(const struct world *w)
{
	uint64_t iova = rnd(UINT64_MAX) & (UINT64_MAX >> w->half[0].size);

	if (!rnd(6))
		iova ^= 1ull << (16 + rnd(32));
	return iova & ~7ull;
}

/* ---- both ---- */

static void set_entry(uint64_t word0, uint64_t word1)
{
	/* The second stage's, and what a host has to say: SHCFG, use incoming. */
	smmu_entry(&q)[0] = word0;
	smmu_entry(&q)[1] = word1 | 1ull << 44;
	model_smmu.invalidate(&q);
	own.ste[0] = word0;
	own.ste[1] = word1;
}

/* Between edu's buffer and a page, past the tables. */
static void move(bool in)
{
	uint64_t word0 = own.ste[0], word1 = own.ste[1];

	set_entry(1 | 4 << 1, 0);
	if (in)
		edu_read(&q, q.mem_first + RESULT);
	else
		edu_write(&q, q.mem_first + RESULT);
	set_entry(word0, word1);
}

static void compare_events(const struct ioas_fault *note)
{
	uint64_t want[4] = {0}, got[4] = {0}, more[4];
	bool told = note->reason && smmuv3_event_record(&own, note, EDU, want);

	if (smmu_event(&q, got) != told || (told && (got[0] != want[0] || got[2] != want[2] ||
						     (got[1] ^ want[1]) & ~CLASS || got[3])))
		fail_msg("address %#lx, reason %u, entry %#lx %#lx: QEMU's event %#lx %#lx %#lx "
			 "%#lx, ours %#lx %#lx %#lx",
			 (unsigned long)note->addr, note->reason, (unsigned long)own.ste[0],
			 (unsigned long)own.ste[1], (unsigned long)got[0], (unsigned long)got[1],
			 (unsigned long)got[2], (unsigned long)got[3], (unsigned long)want[0],
			 (unsigned long)want[1], (unsigned long)want[2]);
	/* What is refused QEMU tries again, piece by piece. */
	while (smmu_event(&q, more))
		assert_true(told && more[0] == got[0] && more[2] - got[2] < 8);
	events[want[0] & 0xff] += told;
	silent += note->reason && !told;
}

static void probe(uint64_t iova, bool write)
{
	volatile uint64_t *result = word_at(q.mem_first + RESULT);
	struct nested_request request = {.iova = iova,
					 .access = write ? PT_ACCESS_WRITE : PT_ACCESS_READ};
	struct ioas_fault note = {.addr = iova};
	struct nested_found found;
	uint64_t token = rnd(UINT64_MAX), before = 0;
	volatile uint64_t *at;

	note.tlp = (struct ioas_tlp){
		.addr = iova, .len = 8, .op = write ? IOAS_TLP_WRITE : IOAS_TLP_READ};
	note.reason = (uint16_t)nested_walk(rig.iommu, &own.stage1, &request, &found, &note);
	at = note.reason ? NULL : word_at(found.gpa);
	before = at ? *at : 0;
	*result = write ? token : POISON;
	move(true);
	if (write)
		edu_write(&q, iova);
	else
		edu_read(&q, iova);
	compare_events(&note);
	if (write) {
		assert_true(!at || *at == token);
		if (at)
			*at = before;
	} else {
		move(false);
		assert_true(at ? *result == before : *result == POISON || !*result);
	}
	passed += at != NULL;
}

static void one_world(void)
{
	static const enum pt_format formats[] = {PT_ARM_LPAE_S1_4K, PT_ARM_LPAE_S1_16K,
						 PT_ARM_LPAE_S1_64K};
	struct world w = {.granule = 12 + 2 * (unsigned)rnd(3), .limited = !rnd(3)};
	uint64_t cd_at = (uint64_t)smmu_descriptor(&q), config = rnd(10);

	own.facts = (struct smmuv3_facts){
		.format = formats[(w.granule - 12) / 2], .oas = 44, .va_bits = 48};
	make_descriptor(&w);
	memcpy(smmu_descriptor(&q), w.cd, sizeof(w.cd));
	set_entry(1 |
			  (config == 0	 ? 0ull
			   : config == 1 ? 4ull
					 : 5ull)
				  << 1 |
			  cd_at | (rnd(12) ? 0 : 1ull << 59),
		  rnd(12) ? 0 : STE_S1STALLD);
	for (unsigned i = 0; i < 6; i++) {
		uint64_t iova = address(&w);

		if (config == 1)
			iova = q.mem_first + DATA + (rnd(DATA_LEN) & ~7ull);
		else
			lead(&w, &w.half[0], iova);
		probe(iova, rnd(2));
	}
}

static void agrees_with_qemu(void **state)
{
	static const uint8_t seen[] = {0x04, 0x0a, 0x10, 0x13};

	for (uint64_t i = 0; i < nr / 6; i++)
		one_world();
	printf("%llu passed, %llu refused in silence", (unsigned long long)passed,
	       (unsigned long long)silent);
	for (unsigned i = 0; i < 256; i++)
		if (events[i])
			printf(", %llu events %#x", (unsigned long long)events[i], i);
	puts("");
	assert_true(passed && silent);
	for (size_t i = 0; i < sizeof(seen); i++)
		assert_true(events[seen[i]]);
}

static int start(void **state)
{
	struct mem_window *window;

	for (uint64_t at = DATA; at < DATA + DATA_LEN; at += 8)
		*word_at(q.mem_first + at) = at;
	model_smmu.start(&q, q.mem_first, 0, 16, 0);
	rig_start(&rig, &(struct ioas_iommu_config){.memory_told = true});
	window = rig_map(&rig, q.mem_first, word_at(q.mem_first), q.mem_end - q.mem_first,
			 IOAS_PROT_READ | IOAS_PROT_WRITE);
	*state = window;
	stage1_init(&own.stage1, &smmuv3_stage1_ops, rig.pt, 12);
	return 0;
}

static int stop(void **state)
{
	rig_unmap(&rig, q.mem_first, *state);
	rig_stop(&rig);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_qemu)};
	int rc;

	nr = argc > 1 ? strtoull(argv[1], NULL, 10) : nr;
	if (!qemu_start(&q, &model_smmu)) {
		puts("SKIP: QEMU for smmuv3 is not installed");
		return 77;
	}
	rc = cmocka_run_group_tests(tests, start, stop);
	qemu_stop(&q);
	return rc;
}
