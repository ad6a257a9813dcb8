/* SPDX-License-Identifier: MIT */
/*
 * What a TLP costs until its memory is known: route, PASID, generation and permission included.
 *
 * "stream": each TLP by itself; "dependent": each address comes from what the one before found, so
 * that nothing overlaps. Hits are of what an issuer remembers (its IOTLB); misses go through the
 * page table. Beside each row stands a peer, measured in windows that alternate with ours over the
 * same addresses: for hits one ordinary load from an array, the least that anything can cost; for
 * misses a load that depends on the one before, in a table as large as the leaves of ours, which a
 * walk cannot do without. What others do is in peers.c.
 *
 * Prints the median of ns a TLP with 10th and 90th percentile, and of the ratio to the peer; --json
 * for machines. Windows are of processor time: who else uses the machine does not count.
 */
#include <errno.h>
#include <sys/mman.h>
#include "bench/bench.h"
#include "bench/tlp_rig.h"
#include "mem/mem.h"

#define PAGE	   4096ull
#define WINDOW	   (1u << 18) /* TLPs; a power of two */
#define BATCH	   256u
#define REGION	   (16ull << 30)
#define REGION_AT  ((1ull << 34) + (6ull << 20))
#define SMALL_AT   (1ull << 40)
#define SPREAD_AT  (1ull << 41)
#define SPREAD_LEN (1ull << 30)
#define FAR_AT	   (1ull << 42)
#define FAR_LEN	   (16ull << 30)

enum what {
	HIT_STREAM,
	HIT_DEPENDENT,
	HIT_RANDOM,
	HIT_PASID,
	ISSUE,
	MISS_HOT,
	MISS_HOT_DEPENDENT,
	MISS_SPREAD,
	MISS_SPREAD_DEPENDENT,
	FAR_DEPENDENT,
	FAR_STREAM,
	FAR_MANY,
	WHAT_NR
};

static struct bench_row row[WHAT_NR] = {
	{"translate", "hit_stream", "hit, 2 MiB, stream", "array load", .goal = 1.5},
	{"translate", "hit_dependent", "hit, 2 MiB, dependent", "array load, dependent",
	 .goal = 4.2},
	{"translate", "hit_random", "hit, random in 16 GiB, stream", "array load", .goal = 1.5},
	{"translate", "hit_pasid", "hit, with a PASID, stream", "array load", .goal = 1.5},
	{"translate", "issue", "ioas_tlp_issue, 8 bytes, hit", "array load"},
	{"translate", "miss_hot", "miss, 2 MiB of 4 KiB leaves, stream", "array load", .goal = 3},
	{"translate", "miss_hot_dependent", "miss, 2 MiB of 4 KiB leaves, dependent",
	 "array load, dependent", .goal = 10},
	{"translate", "miss_spread", "miss, 1 GiB of 4 KiB leaves, stream", "array load of 2 MiB",
	 .goal = 5},
	{"translate", "miss_spread_dependent", "miss, 1 GiB of 4 KiB leaves, dependent",
	 "array load of 2 MiB, dependent", .goal = 21},
	{"translate", "miss_far_dependent", "miss, 16 GiB of 4 KiB leaves, dependent",
	 "array load of 32 MiB, dependent", .goal_ratio = 1.1},
	{"translate", "miss_far", "miss, 16 GiB of 4 KiB leaves, one by one",
	 "array load of 32 MiB"},
	{"translate", "miss_far_many", "miss, 16 GiB, ioas_batch_at_many", "one by one",
	 .goal_ratio = 0.4},
};

static struct tlp_rig rig;
static iova_t *address[WHAT_NR]; /* WINDOW of each */
static uint64_t *plain;		 /* FAR_LEN / PAGE words */
static volatile uintptr_t zero;	 /* which the compiler does not know */
static iova_t pick(enum what what, uint32_t i)
{
	switch (what) {
	case HIT_RANDOM:
		return REGION_AT + (bench_rnd(REGION) & ~63ull);
	case MISS_HOT:
	case MISS_HOT_DEPENDENT:
		return SMALL_AT + (bench_rnd(2ull << 20) & ~63ull);
	case MISS_SPREAD:
	case MISS_SPREAD_DEPENDENT:
		return SPREAD_AT + (bench_rnd(SPREAD_LEN) & ~63ull);
	case FAR_DEPENDENT:
	case FAR_STREAM:
	case FAR_MANY:
		return FAR_AT + (bench_rnd(FAR_LEN) & ~63ull);
	default:
		return REGION_AT + (uint64_t)i * 64 % (2ull << 20);
	}
}

static bool is_dependent(enum what what)
{
	return what == HIT_DEPENDENT || what == MISS_HOT_DEPENDENT ||
	       what == MISS_SPREAD_DEPENDENT || what == FAR_DEPENDENT;
}

/* Ours: one window in batches. `chain` makes an address depend on the one before, or not. */
static inline __attribute__((always_inline)) double window(enum what what, uintptr_t chain,
							   uint32_t flags)
{
	const iova_t *addr = address[what];
	uintptr_t sum = 0, last = 0;
	uint64_t begin = bench_cpu();

	for (uint32_t i = 0; i < WINDOW;) {
		struct ioas_batch batch;

		ioas_batch_begin(&batch, rig.issuer);
		for (uint32_t end = i + BATCH; i < end; i++) {
			struct ioas_tlp tlp = {
				.addr = addr[i] + (last & chain),
				.len = 64,
				.flags = flags,
				.pasid = flags ? RIG_PASID : 0,
				.op = IOAS_TLP_READ,
			};
			uint64_t len;
			void *host;

			if (ioas_batch_at(&batch, &tlp, &host, &len))
				bench_must(-EFAULT, row[what].name);
			last = (uintptr_t)host;
			sum += last;
		}
		ioas_batch_end(&batch);
	}
	zero = sum & zero;
	return (double)(bench_cpu() - begin) / WINDOW;
}

/* The same, with the TLPs of a batch handed over at once. */
static double many_window(void)
{
	static struct ioas_tlp tlps[BATCH];
	static uint64_t lens[BATCH];
	static void *hosts[BATCH];
	uint64_t begin = bench_cpu();
	uintptr_t sum = 0;

	for (uint32_t i = 0; i < WINDOW; i += BATCH) {
		struct ioas_batch batch;
		int rc;

		for (uint32_t k = 0; k < BATCH; k++)
			tlps[k] = (struct ioas_tlp){
				.addr = address[FAR_MANY][i + k], .len = 64, .op = IOAS_TLP_READ};
		ioas_batch_begin(&batch, rig.issuer);
		ioas_batch_at_many(&batch, tlps, BATCH, hosts, lens, &rc);
		bench_must(rc, row[FAR_MANY].name);
		for (uint32_t k = 0; k < BATCH; k++)
			sum += (uintptr_t)hosts[k];
		ioas_batch_end(&batch);
	}
	zero = sum & zero;
	return (double)(bench_cpu() - begin) / WINDOW;
}

static double issue_window(void)
{
	char buf[8], *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0);
	iova_t at = 1ull << 43;
	struct pt_gather gather = {NULL};
	struct mem_window *mapped;
	uint64_t begin;
	double each;

	bench_must(mem_window_new(rig.iommu->mem, at, page, PAGE, &mapped), "window");
	bench_must(pt_map(rig.pt, at, mapped->pa, PAGE, IOAS_PROT_READ), "map");
	begin = bench_cpu();
	for (uint32_t i = 0; i < WINDOW; i++)
		bench_must(ioas_dma_read(rig.issuer, at + (i * 64 & (PAGE - 1)), buf, sizeof(buf)),
			   "issue");
	each = (double)(bench_cpu() - begin) / WINDOW;
	pt_unmap(rig.pt, at, at + PAGE - 1, &gather);
	inflight_wait(&rig.iommu->inflight);
	pt_gather_free(&gather);
	mem_window_destroy(rig.iommu->mem, mapped);
	munmap(page, PAGE);
	return each;
}

static double our_window(enum what what)
{
	uintptr_t chain = is_dependent(what) ? zero : 0;

	if (what == ISSUE)
		return issue_window();
	if (what == FAR_MANY)
		return many_window();
	if (is_dependent(what))
		return window(what, chain, 0);
	return what == HIT_PASID ? window(what, 0, IOAS_TLP_PASID) : window(what, 0, 0);
}

static double their_window(enum what what)
{
	bool spread = what == MISS_SPREAD || what == MISS_SPREAD_DEPENDENT;
	bool far = what == FAR_STREAM || what == FAR_DEPENDENT;
	uint64_t mask = far ? FAR_LEN / PAGE - 1 : spread ? SPREAD_LEN / PAGE - 1 : 511;
	uintptr_t chain = is_dependent(what) ? zero : 0, last = 0, sum = 0;
	const iova_t *addr = address[what];
	uint64_t begin = bench_cpu();

	if (what == FAR_MANY)
		return window(FAR_MANY, 0, 0);
	if (is_dependent(what)) {
		for (uint32_t i = 0; i < WINDOW; i++) {
			last = plain[((addr[i] + (last & chain)) / PAGE) & mask];
			sum += last;
		}
	} else {
		for (uint32_t i = 0; i < WINDOW; i++)
			sum += plain[addr[i] / PAGE & mask];
	}
	zero = sum & zero;
	return (double)(bench_cpu() - begin) / WINDOW;
}

/* Is what is read small enough for the processor's caches? */
static bool is_near(enum what what)
{
	return what != FAR_DEPENDENT && what != FAR_STREAM && what != FAR_MANY;
}

/*
 * Where it is, the second of two windows counts, so that neither side pays for what other rows left
 * of the caches; where it is not, whoever comes second finds a little there: so they take turns.
 */
static void measure_pair(enum what what, unsigned pair)
{
	for (unsigned turn = 0; turn < 2; turn++) {
		bool ours = turn == (pair & 1);
		double (*one)(enum what) = ours ? our_window : their_window;

		if (is_near(what))
			one(what);
		(ours ? row[what].ours : row[what].theirs)[pair] = one(what);
	}
}

static void measure(void)
{
	for (unsigned pair = 0; pair < bench_windows(); pair++)
		for (unsigned w = 0; w < WHAT_NR; w++)
			measure_pair(w, pair);
}

int main(int argc, char **argv)
{
	bool json = bench_wants_json(argc, argv);

	tlp_rig_guard();
	tlp_rig_start(&rig);
	tlp_rig_map(&rig, REGION_AT, REGION,
		    REGION); /* of leaves that get larger and smaller again */
	tlp_rig_map(&rig, SMALL_AT, 2ull << 20, PAGE);
	tlp_rig_map(&rig, SPREAD_AT, SPREAD_LEN, PAGE);
	tlp_rig_map(&rig, FAR_AT, FAR_LEN, PAGE);
	plain = calloc(FAR_LEN / PAGE, sizeof(*plain));
	for (unsigned w = 0; w < WHAT_NR; w++) {
		address[w] = malloc(WINDOW * sizeof(**address));
		bench_must(address[w] && plain ? 0 : -ENOMEM, "memory");
		for (uint32_t i = 0; i < WINDOW; i++)
			address[w][i] = pick(w, i);
	}
	for (uint64_t i = 0; i < FAR_LEN / PAGE; i++)
		plain[i] = i;
	measure();
	for (unsigned w = 0; w < WHAT_NR; w++)
		bench_show(&row[w], json);
	return 0;
}
