/* SPDX-License-Identifier: MIT */
/*
 * What others do to find the memory behind a device's address, beside what is done here, over the
 * same addresses in windows that alternate: among 1,024 maps of 4 KiB and among a million, random.
 *
 * - glib's GTree, used as QEMU's iova-tree uses it (intel-iommu, vhost-vdpa): a node is a range, a
 *   lookup compares ranges for overlap.
 * - virtio-iommu's shape: a mutex around everything; a tree leads from the endpoint to its domain,
 *   reserved regions are looked through, another tree holds the domain's maps, and what was found
 *   is handed over as a copy.
 * - rte_vhost_va_from_guest_pa of DPDK's vhost library, among 8 regions, where there are no more:
 * it looks through them one by one, at no permission and at no route. Its IOTLB is not exported.
 *
 * Ours is the whole judgement of a TLP (ioas_batch_at): route, generation, page table, permission.
 * A peer is measured where it is installed.
 */
#include <pthread.h>
#ifdef HAVE_GLIB
#include <glib.h>
#endif
#ifdef HAVE_VHOST
#include <rte_vhost.h>
#endif
#include "bench/bench.h"
#include "bench/tlp_rig.h"

#define PAGE	  4096ull
#define WINDOW	  (1u << 18) /* TLPs; a power of two */
#define BATCH	  256u
#define FEW	  1024u
#define MANY	  (1u << 20)
#define FEW_AT	  (1ull << 40)
#define MANY_AT	  (1ull << 41)
#define VHOST_AT  (1ull << 42)
#define VHOST_NR  8u
#define VHOST_LEN (128ull << 20) /* of each */

enum what { TREE_FEW, TREE_MANY, VIRTIO_FEW, VIRTIO_MANY, VHOST, WHAT_NR };

static struct bench_row row[WHAT_NR] = {
	{"peers", "tree_1k", "random in 1,024 maps of 4 KiB", "GTree, as QEMU's iova-tree"},
	{"peers", "tree_1m", "random in 1 M maps of 4 KiB", "GTree, as QEMU's iova-tree"},
	{"peers", "virtio_1k", "random in 1,024 maps, by an endpoint", "virtio-iommu's shape"},
	{"peers", "virtio_1m", "random in 1 M maps, by an endpoint", "virtio-iommu's shape"},
	{"peers", "vhost_8", "random in 8 regions", "rte_vhost_va_from_guest_pa"},
};

static struct tlp_rig rig;
static iova_t *address[WHAT_NR]; /* WINDOW of each */
static volatile uintptr_t zero;	 /* which the compiler does not know */

static bool is_many(enum what what)
{
	return what == TREE_MANY || what == VIRTIO_MANY;
}

#ifdef HAVE_GLIB
/* A map in either tree: the device's addresses, where they lead, what is allowed. */
struct map {
	iova_t first, last;
	uint64_t to;
	uint32_t flags;
};

#define MAP_READ 1u

static struct {
	GTree *maps;
	struct map *map;
} domain[2];		 /* with few maps and with many */
static GTree *endpoints; /* ID to domain */
static pthread_mutex_t mutex;
static const struct map reserved[] = {{0xfee00000, 0xfeefffff}, {0xfffff000, 0xffffffff}};

static gint compare_maps(gconstpointer a, gconstpointer b, gpointer data)
{
	const struct map *x = a, *y = b;

	if (x->first > y->last)
		return 1;
	return x->last < y->first ? -1 : 0;
}

static gint compare_ids(gconstpointer a, gconstpointer b, gpointer data)
{
	return (a > b) - (a < b);
}

static void plant(unsigned which, iova_t at, uint32_t nr)
{
	domain[which].maps = g_tree_new_full(compare_maps, NULL, NULL, NULL);
	domain[which].map = calloc(nr, sizeof(struct map));
	bench_must(domain[which].map ? 0 : -ENOMEM, "maps");
	for (uint32_t i = 0; i < nr; i++) {
		struct map *map = &domain[which].map[i];

		*map = (struct map){at + i * PAGE, at + (i + 1) * PAGE - 1, i * PAGE, MAP_READ};
		g_tree_insert(domain[which].maps, map, map);
	}
}

static void plant_trees(void)
{
	pthread_mutexattr_t attr;

	plant(0, FEW_AT, FEW);
	plant(1, MANY_AT, MANY);
	endpoints = g_tree_new_full(compare_ids, NULL, NULL, NULL);
	for (uintptr_t id = 0; id < 2; id++)
		g_tree_insert(endpoints, (void *)(0x100 + id), &domain[id]);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&mutex, &attr);
}

static uintptr_t by_tree(bool many, iova_t addr)
{
	struct map key = {addr, addr};
	const struct map *map = g_tree_lookup(domain[many].maps, &key);

	return map ? map->to + (addr - map->first) : 0;
}

/* What the lookup hands over. */
struct found {
	uint64_t to, mask;
	uint32_t flags;
};

static __attribute__((noinline)) struct found by_endpoint(uintptr_t id, iova_t addr)
{
	struct found found = {.to = addr, .mask = PAGE - 1};
	struct map key = {addr, addr};
	const struct map *map;
	GTree **to;

	pthread_mutex_lock(&mutex);
	to = g_tree_lookup(endpoints, (void *)id);
	for (unsigned i = 0; to && i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (addr >= reserved[i].first && addr <= reserved[i].last)
			to = NULL;
	map = to ? g_tree_lookup(*to, &key) : NULL;
	if (map && map->flags & MAP_READ) {
		found.to = map->to + (addr - map->first);
		found.flags = map->flags;
	}
	pthread_mutex_unlock(&mutex);
	return found;
}

static double tree_window(enum what what)
{
	const iova_t *addr = address[what];
	uint64_t begin = bench_cpu();
	uintptr_t sum = 0;

	for (uint32_t i = 0; i < WINDOW; i++)
		sum += by_tree(is_many(what), addr[i]);
	zero = sum & zero;
	return (double)(bench_cpu() - begin) / WINDOW;
}

static double virtio_window(enum what what)
{
	const iova_t *addr = address[what];
	uint64_t begin = bench_cpu();
	uintptr_t sum = 0;

	for (uint32_t i = 0; i < WINDOW; i++)
		sum += by_endpoint(0x100 + is_many(what), addr[i]).to;
	zero = sum & zero;
	return (double)(bench_cpu() - begin) / WINDOW;
}
#else
static void plant_trees(void)
{
}

static double tree_window(enum what what)
{
	return 0;
}

static double virtio_window(enum what what)
{
	return 0;
}
#endif

#ifdef HAVE_VHOST
static struct rte_vhost_memory *vhost;

static void plant_vhost(void)
{
	vhost = calloc(1, sizeof(*vhost) + VHOST_NR * sizeof(vhost->regions[0]));
	bench_must(vhost ? 0 : -ENOMEM, "memory");
	vhost->nregions = VHOST_NR;
	for (unsigned i = 0; i < VHOST_NR; i++) {
		vhost->regions[i].guest_phys_addr = VHOST_AT + 2 * i * VHOST_LEN;
		vhost->regions[i].host_user_addr = i * VHOST_LEN;
		vhost->regions[i].size = VHOST_LEN;
	}
}

static double vhost_window(enum what what)
{
	const iova_t *addr = address[what];
	uint64_t begin = bench_cpu();
	uintptr_t sum = 0;

	for (uint32_t i = 0; i < WINDOW; i++) {
		uint64_t len = 64;

		sum += rte_vhost_va_from_guest_pa(vhost, addr[i], &len);
	}
	zero = sum & zero;
	return (double)(bench_cpu() - begin) / WINDOW;
}
#else
static void plant_vhost(void)
{
}

static double vhost_window(enum what what)
{
	return 0;
}
#endif

/* Is the peer here that the row is about? */
static bool has_peer(enum what what)
{
#ifndef HAVE_GLIB
	if (what != VHOST)
		return false;
#endif
#ifndef HAVE_VHOST
	if (what == VHOST)
		return false;
#endif
	return true;
}

static double our_window(enum what what)
{
	const iova_t *addr = address[what];
	uint64_t begin = bench_cpu();
	uintptr_t sum = 0;

	for (uint32_t i = 0; i < WINDOW;) {
		struct ioas_batch batch;

		ioas_batch_begin(&batch, rig.issuer);
		for (uint32_t end = i + BATCH; i < end; i++) {
			struct ioas_tlp tlp = {.addr = addr[i], .len = 64, .op = IOAS_TLP_READ};
			uint64_t len;
			void *host;

			if (ioas_batch_at(&batch, &tlp, &host, &len))
				bench_must(-EFAULT, row[what].name);
			sum += (uintptr_t)host;
		}
		ioas_batch_end(&batch);
	}
	zero = sum & zero;
	return (double)(bench_cpu() - begin) / WINDOW;
}

static double their_window(enum what what)
{
	if (what == VHOST)
		return vhost_window(what);
	return (what < VIRTIO_FEW ? tree_window : virtio_window)(what);
}

static iova_t pick(enum what what)
{
	if (what == VHOST)
		return VHOST_AT + bench_rnd(VHOST_NR) * 2 * VHOST_LEN +
		       (bench_rnd(VHOST_LEN) & ~63ull);
	return is_many(what) ? MANY_AT + (bench_rnd(MANY * PAGE) & ~63ull)
			     : FEW_AT + (bench_rnd(FEW * PAGE) & ~63ull);
}

int main(int argc, char **argv)
{
	bool json = bench_wants_json(argc, argv);

	tlp_rig_guard();
	tlp_rig_start(&rig);
	tlp_rig_map(&rig, FEW_AT, FEW * PAGE, PAGE);
	tlp_rig_map(&rig, MANY_AT, MANY * PAGE, PAGE);
	for (unsigned i = 0; i < VHOST_NR; i++)
		tlp_rig_map(&rig, VHOST_AT + 2 * i * VHOST_LEN, VHOST_LEN, VHOST_LEN);
	plant_trees();
	plant_vhost();
	for (unsigned w = 0; w < WHAT_NR; w++) {
		address[w] = malloc(WINDOW * sizeof(**address));
		bench_must(address[w] ? 0 : -ENOMEM, "memory");
		for (uint32_t i = 0; i < WINDOW; i++)
			address[w][i] = pick(w);
	}
	for (unsigned pair = 0; pair < bench_windows(); pair++)
		for (unsigned w = 0; w < WHAT_NR; w++)
			if (has_peer(w)) {
				row[w].ours[pair] = our_window(w);
				row[w].theirs[pair] = their_window(w);
			}
	for (unsigned w = 0; w < WHAT_NR; w++)
		if (has_peer(w))
			bench_show(&row[w], json);
	return 0;
}
