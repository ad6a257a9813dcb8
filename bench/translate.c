/* SPDX-License-Identifier: MIT */
/*
 * What a TLP costs until its memory is known: route, PASID, generation and permission included.
 *
 * "stream": each TLP by itself; "dependent": each address comes from what the one before found, so
 * that nothing overlaps. Hits are of what an issuer remembers (its IOTLB); misses go through the
 * page table. Beside each row stands a peer, measured in windows that alternate with ours over the
 * same addresses: for hits one ordinary load from an array, the least that anything can cost; for
 * misses a load that depends on the one before, in a table as large as the leaves of ours, which a
 * walk cannot do without; and glib's GTree, used as QEMU's iova-tree uses it.
 *
 * Prints the median of ns a TLP with 10th and 90th percentile, and of the ratio to the peer; --json
 * for machines.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#ifdef HAVE_GLIB
#include <glib.h>
#endif
#include <ioas/guard.h>
#include "bench/bench.h"
#include "iommu.h"
#include "mem/mem.h"
#include "route/route.h"
#include "tlp/tlp.h"

#define PAGE	   4096ull
#define WINDOW	   (1u << 17) /* TLPs; a power of two */
#define BATCH	   256u
#define REGION	   (16ull << 30)
#define REGION_AT  ((1ull << 34) + (6ull << 20))
#define SMALL_AT   (1ull << 40)
#define SPREAD_AT  (1ull << 41)
#define SPREAD_LEN (1ull << 30)
#define TREE_NR	   1024u

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
	TREE,
	WHAT_NR
};

static const struct {
	const char *name, *key, *peer;
} row[WHAT_NR] = {
	{"hit, 2 MiB, stream", "hit_stream", "array load"},
	{"hit, 2 MiB, dependent", "hit_dependent", "array load, dependent"},
	{"hit, random in 16 GiB, stream", "hit_random", "array load"},
	{"hit, with a PASID, stream", "hit_pasid", "array load"},
	{"ioas_tlp_issue, 8 bytes, hit", "issue", "array load"},
	{"miss, 2 MiB of 4 KiB leaves, stream", "miss_hot", "array load"},
	{"miss, the same, dependent", "miss_hot_dependent", "array load, dependent"},
	{"miss, 1 GiB of 4 KiB leaves, stream", "miss_spread", "array load of 2 MiB"},
	{"miss, the same, dependent", "miss_spread_dependent", "array load of 2 MiB, dependent"},
	{"any address of 1,024 regions, stream", "regions", "GTree of 1,024 regions"},
};

static struct ioas_iommu *iommu;
static struct ioas_device *dev;
static struct ioas_issuer *issuer;
static struct pt *pt;
static iova_t *address[WHAT_NR]; /* WINDOW of each */
static uint64_t *plain;		 /* SPREAD_LEN / PAGE words */
static volatile uintptr_t zero;	 /* which the compiler does not know */
static double ours[WHAT_NR][BENCH_PAIRS], theirs[WHAT_NR][BENCH_PAIRS];
#ifdef HAVE_GLIB
static GTree *tree;
#endif

/* Maps memory that is never touched, `step` bytes at a time. */
static void map(iova_t at, uint64_t len, uint64_t step)
{
	char *host = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct mem_window *window;

	bench_must(host == MAP_FAILED ? -errno : 0, "mmap");
	bench_must(mem_window_new(iommu->mem, at, host, len, &window), "window");
	/* Piece by piece: neighbours do not join to larger leaves. */
	for (uint64_t off = 0; off < len; off += step)
		bench_must(pt_map(pt, at + off, window->pa + off, step,
				  IOAS_PROT_READ | IOAS_PROT_WRITE),
			   "map");
}

/* As a door does it: a copy then need not ask the kernel first. */
static void recover(int sig, siginfo_t *info, void *context)
{
	if (!ioas_guard_fixup(context))
		abort();
}

static void guard(void)
{
	struct sigaction action = {.sa_sigaction = recover, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	ioas_guard_enable(true);
}

static void start(void)
{
	const struct pt_config config = {.format = PT_AMDV1, .aw = 48};
	pasid_t pasid = 77;

	bench_must(ioas_iommu_new(NULL, &iommu), "instance");
	bench_must(route_device_new(iommu, "0000:01:00.0", 0, 0x100, &dev), "device");
	bench_must(ioas_device_bind(dev, IOAS_FORM_RID | IOAS_FORM_PASID, 20, NULL), "bind");
	route_dma_enable(dev, true);
	bench_must(pt_new(&config, &pt), "page table");
	bench_must(route_attach(dev, NULL, pt, NULL), "attach");
	bench_must(route_attach(dev, &pasid, pt, NULL), "attach a PASID");
	bench_must(ioas_issuer_new(dev, &issuer), "issuer");
	map(REGION_AT, REGION, REGION); /* of leaves that get larger and smaller again */
	map(SMALL_AT, 2ull << 20, PAGE);
	map(SPREAD_AT, SPREAD_LEN, PAGE);
}

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
	case TREE:
		return SPREAD_AT + bench_rnd(TREE_NR) * PAGE + (bench_rnd(PAGE) & ~63ull);
	default:
		return REGION_AT + (uint64_t)i * 64 % (2ull << 20);
	}
}

#ifdef HAVE_GLIB
/* As QEMU's iova-tree: a node is a range, and a lookup compares ranges for overlap. */
struct region {
	iova_t first, last;
};

static gint compare_regions(gconstpointer a, gconstpointer b, gpointer data)
{
	const struct region *x = a, *y = b;

	if (x->first > y->last)
		return 1;
	return x->last < y->first ? -1 : 0;
}

static void plant_tree(void)
{
	static struct region regions[TREE_NR];

	tree = g_tree_new_full(compare_regions, NULL, NULL, NULL);
	for (unsigned i = 0; i < TREE_NR; i++) {
		regions[i].first = SPREAD_AT + i * PAGE;
		regions[i].last = regions[i].first + PAGE - 1;
		g_tree_insert(tree, &regions[i], &regions[i]);
	}
}

static uintptr_t by_tree(iova_t addr)
{
	struct region key = {addr, addr};

	return (uintptr_t)g_tree_lookup(tree, &key);
}
#else
static void plant_tree(void)
{
}

static uintptr_t by_tree(iova_t addr)
{
	return addr;
}
#endif

static bool is_dependent(enum what what)
{
	return what == HIT_DEPENDENT || what == MISS_HOT_DEPENDENT || what == MISS_SPREAD_DEPENDENT;
}

/* Ours: one window in batches. `chain` makes an address depend on the one before, or not. */
static inline __attribute__((always_inline)) double window(enum what what, uintptr_t chain,
							   uint32_t flags)
{
	const iova_t *addr = address[what];
	uintptr_t sum = 0, last = 0;
	uint64_t begin = bench_now();

	for (uint32_t i = 0; i < WINDOW;) {
		struct ioas_batch batch;

		ioas_batch_begin(&batch, issuer);
		for (uint32_t end = i + BATCH; i < end; i++) {
			struct ioas_tlp tlp = {
				.addr = addr[i] + (last & chain),
				.len = 64,
				.flags = flags,
				.pasid = flags ? 77 : 0,
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
	return (double)(bench_now() - begin) / WINDOW;
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

	bench_must(mem_window_new(iommu->mem, at, page, PAGE, &mapped), "window");
	bench_must(pt_map(pt, at, mapped->pa, PAGE, IOAS_PROT_READ), "map");
	begin = bench_now();
	for (uint32_t i = 0; i < WINDOW; i++)
		bench_must(ioas_dma_read(issuer, at + (i * 64 & (PAGE - 1)), buf, sizeof(buf)),
			   "issue");
	each = (double)(bench_now() - begin) / WINDOW;
	pt_unmap(pt, at, at + PAGE - 1, &gather);
	inflight_wait(&iommu->inflight);
	pt_gather_free(&gather);
	mem_window_destroy(iommu->mem, mapped);
	munmap(page, PAGE);
	return each;
}

static double our_window(enum what what)
{
	uintptr_t chain = is_dependent(what) ? zero : 0;

	if (what == ISSUE)
		return issue_window();
	if (is_dependent(what))
		return window(what, chain, 0);
	return what == HIT_PASID ? window(what, 0, IOAS_TLP_PASID) : window(what, 0, 0);
}

static double their_window(enum what what)
{
	bool spread = what == MISS_SPREAD || what == MISS_SPREAD_DEPENDENT;
	uint64_t mask = spread ? SPREAD_LEN / PAGE - 1 : 511;
	uintptr_t chain = is_dependent(what) ? zero : 0, last = 0, sum = 0;
	const iova_t *addr = address[what];
	uint64_t begin = bench_now();

	if (what == TREE) {
		for (uint32_t i = 0; i < WINDOW; i++)
			sum += by_tree(addr[i]);
	} else if (is_dependent(what)) {
		for (uint32_t i = 0; i < WINDOW; i++) {
			last = plain[((addr[i] + (last & chain)) / PAGE) & mask];
			sum += last;
		}
	} else {
		for (uint32_t i = 0; i < WINDOW; i++)
			sum += plain[addr[i] / PAGE & mask];
	}
	zero = sum & zero;
	return (double)(bench_now() - begin) / WINDOW;
}

static void measure(void)
{
	for (unsigned pair = 0; pair < BENCH_PAIRS; pair++)
		for (unsigned w = 0; w < WHAT_NR; w++) {
			ours[w][pair] = our_window(w);
			theirs[w][pair] = their_window(w);
		}
}

static void show(unsigned w, bool json)
{
	double ratio[BENCH_PAIRS];

#ifndef HAVE_GLIB
	if (w == TREE)
		return;
#endif
	for (unsigned i = 0; i < BENCH_PAIRS; i++)
		ratio[i] = ours[w][i] / theirs[w][i];
	if (json)
		printf("{\"row\":\"%s\",\"ns\":%.2f,\"p10\":%.2f,\"p90\":%.2f,\"peer\":\"%s\","
		       "\"peer_ns\":%.2f,\"ratio\":%.3f}\n",
		       row[w].key, bench_percentile(ours[w], BENCH_PAIRS, 50),
		       bench_percentile(ours[w], BENCH_PAIRS, 10),
		       bench_percentile(ours[w], BENCH_PAIRS, 90), row[w].peer,
		       bench_percentile(theirs[w], BENCH_PAIRS, 50),
		       bench_percentile(ratio, BENCH_PAIRS, 50));
	else
		printf("%-38s %7.2f (%.2f..%.2f)   %7.2f %-32s x %.2f\n", row[w].name,
		       bench_percentile(ours[w], BENCH_PAIRS, 50),
		       bench_percentile(ours[w], BENCH_PAIRS, 10),
		       bench_percentile(ours[w], BENCH_PAIRS, 90),
		       bench_percentile(theirs[w], BENCH_PAIRS, 50), row[w].peer,
		       bench_percentile(ratio, BENCH_PAIRS, 50));
}

int main(int argc, char **argv)
{
	bool json = argc > 1 && !strcmp(argv[1], "--json");

	if (argc > 2 || (argc == 2 && !json)) {
		fputs("usage: bench-translate [--json]\n", stderr);
		return 2;
	}
	guard();
	start();
	plant_tree();
	plain = calloc(SPREAD_LEN / PAGE, sizeof(*plain));
	for (unsigned w = 0; w < WHAT_NR; w++) {
		address[w] = malloc(WINDOW * sizeof(**address));
		bench_must(address[w] && plain ? 0 : -ENOMEM, "memory");
		for (uint32_t i = 0; i < WINDOW; i++)
			address[w][i] = pick(w, i);
	}
	for (uint64_t i = 0; i < SPREAD_LEN / PAGE; i++)
		plain[i] = i;
	measure();
	if (!json)
		printf("%-38s %7s %-17s %7s\n", "ns a TLP", "median", "(p10..p90)", "peer");
	for (unsigned w = 0; w < WHAT_NR; w++)
		show(w, json);
	return 0;
}
