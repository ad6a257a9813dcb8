/* SPDX-License-Identifier: MIT */
/*
 * What it costs to find whose page table a TLP meets: by the device's own handle, and by a table
 * lookup of the requester ID, with 1, 1,000 and 60,000 of them; with a PASID, of which a device has
 * 1, 1,000 and 100,000; and the whole step (tlp_route: bus master, source, form, route) around it.
 *
 * "same": one device or PASID again and again, as a device's own TLPs are; "any": another one each
 * time, in random order, so that it shows what falls out of the processor's caches, too. Each
 * lookup waits for the one before. The peer is the same lookup where there is one: it costs the
 * same however many there are, but for the caches. Then the memory that the tables take.
 */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include "bench/bench.h"
#include "iommu.h"
#include "route/route.h"
#include "tlp/tlp.h"

#define PICK_NR 8192u /* lookups a window; a power of two */
#define FLAT	1.1   /* at most, of what it takes where there is one */

#define SIZE_NR 3
static const uint32_t rid_nr[SIZE_NR] = {1, 1000, 60000};
static const uint32_t pasid_nr[SIZE_NR] = {1, 1000, 100000};

enum what {
	HANDLE_SAME,
	HANDLE_ANY,
	TABLE_SAME,
	TABLE_ANY,
	STEP_HANDLE,
	STEP_TABLE,
	PASID_SAME,
	PASID_ANY,
	TABLE_PASID_ANY,
	STEP_PASID,
	WHAT_NR
};

static const struct {
	const char *name, *key;
	bool by_pasid; /* its columns are numbers of PASIDs */
	double flat;
} row[WHAT_NR] = {
	{"handle, same device", "handle", false, FLAT},
	{"handle, any device", "handle_any", false, 0},
	{"table, same RID", "table", false, FLAT},
	{"table, any RID", "table_any", false, 0},
	{"step, own RID", "step_own", false, FLAT},
	{"step, any claimed RID", "step_claimed_any", false, 0},
	{"handle, same PASID", "handle_pasid", true, FLAT},
	{"handle, any PASID", "handle_pasid_any", true, 0},
	{"table, any PASID", "table_pasid_any", true, 0},
	{"step, any PASID", "step_pasid_any", true, 0},
};

/* An instance with so many devices, or a device with so many PASIDs. */
struct bench {
	struct ioas_iommu *iommu;
	struct ioas_device **dev;
	struct ioas_issuer *issuer;
	uint32_t dev_nr;
	uint32_t *pick;	 /* PICK_NR of 0 .. nr - 1 */
	uint32_t *ident; /* the RIDs, or PASIDs, that were picked */
	double heap;	 /* bytes, of the whole */
	double table;	 /* bytes, of the table by RID or PASID alone */
	double dense;	 /* bytes, of that with PASIDs in a row */
};

static struct bench by_rid[SIZE_NR], by_pasid[SIZE_NR];
static struct pt *pt;
static double ns[WHAT_NR][SIZE_NR][BENCH_PAIRS];
static volatile uintptr_t nothing; /* 0, which the compiler does not know */

static double heap(void)
{
	struct mallinfo2 info = mallinfo2();

	return (double)info.uordblks + (double)info.hblkhd;
}

/* Spread over all PASIDs, each once; the first is not 0. */
static pasid_t pasid_of(uint32_t i)
{
	return (i * 0x9e375u + 5u) & ((1u << IOAS_PASID_BITS) - 1);
}

static void add_devices(struct bench *bench, uint32_t nr)
{
	char name[IOAS_NAME_LEN];

	bench->dev = calloc(nr, sizeof(*bench->dev));
	bench->dev_nr = nr;
	for (uint32_t i = 0; bench->dev && i < nr; i++) {
		snprintf(name, sizeof(name), "0000:%02x:%02x.%u", i >> 8, i >> 3 & 0x1f, i & 7);
		bench_must(route_device_new(bench->iommu, name, 0, (rid_t)i, &bench->dev[i]),
			   "device");
		bench_must(ioas_device_bind(bench->dev[i], IOAS_FORM_RID | IOAS_FORM_PASID,
					    IOAS_PASID_BITS, NULL),
			   "bind");
		route_dma_enable(bench->dev[i], true);
		bench_must(route_attach(bench->dev[i], NULL, pt, NULL), "attach");
	}
	bench_must(bench->dev ? 0 : -ENOMEM, "devices");
	bench_must(ioas_issuer_new(bench->dev[0], &bench->issuer), "issuer");
}

/* One set under so many requester IDs, in an instance of its own: what is left is the table. */
static double table_alone(uint32_t nr)
{
	struct ioas_iommu *iommu;
	struct route_set *set;
	double before;

	bench_must(ioas_iommu_new(NULL, &iommu), "instance");
	bench_must(route_set_new(iommu, &set), "set");
	before = heap();
	for (uint32_t i = 0; i < nr; i++)
		bench_must(route_insert(set, ROUTE_PCI, i), "insert");
	before = heap() - before;
	for (uint32_t i = 0; i < nr; i++)
		route_remove(iommu, ROUTE_PCI, i);
	route_set_put(set);
	ioas_iommu_destroy(iommu);
	return before;
}

static void pick(struct bench *bench, uint32_t nr, bool pasids)
{
	bench->pick = malloc(PICK_NR * sizeof(*bench->pick));
	bench->ident = malloc(PICK_NR * sizeof(*bench->ident));
	bench_must(bench->pick && bench->ident ? 0 : -ENOMEM, "picks");
	for (uint32_t i = 0; i < PICK_NR; i++) {
		bench->pick[i] = bench_rnd(nr);
		bench->ident[i] = pasids ? pasid_of(bench->pick[i]) : bench->pick[i];
	}
}

static void start_rids(struct bench *bench, uint32_t nr)
{
	double before;

	bench_must(ioas_iommu_new(NULL, &bench->iommu), "instance");
	before = heap();
	add_devices(bench, nr);
	bench->heap = heap() - before;
	bench->table = table_alone(nr);
	pick(bench, nr, false);
}

/* Attaches so many PASIDs, scattered or in a row. Returns the bytes that takes. */
static double attach_pasids(struct ioas_device *dev, uint32_t nr, bool dense)
{
	double before = heap();

	for (uint32_t i = 0; i < nr; i++) {
		pasid_t pasid = dense ? i : pasid_of(i);

		bench_must(route_attach(dev, &pasid, pt, NULL), "attach");
	}
	return heap() - before;
}

static void detach_all(struct ioas_device *dev)
{
	pasid_t pasid = 0;

	for (; route_entry_next(dev->set, &pasid); pasid++)
		route_detach(dev, &pasid);
}

static void start_pasids(struct bench *bench, uint32_t nr)
{
	bench_must(ioas_iommu_new(NULL, &bench->iommu), "instance");
	add_devices(bench, 1);
	bench->dense = attach_pasids(bench->dev[0], nr, true);
	detach_all(bench->dev[0]);
	bench->table = attach_pasids(bench->dev[0], nr, false);
	pick(bench, nr, true);
}

static void stop(struct bench *bench)
{
	ioas_issuer_destroy(bench->issuer);
	for (uint32_t i = 0; i < bench->dev_nr; i++) {
		struct ioas_device *dev = bench->dev[i];

		detach_all(dev);
		route_detach(dev, NULL);
		ioas_device_unbind(dev);
		route_device_destroy(dev);
	}
	free(bench->dev);
	free(bench->pick);
	free(bench->ident);
	ioas_iommu_destroy(bench->iommu);
}

static struct pt *by_set(struct route_set *set, const pasid_t *pasid)
{
	struct route_entry *entry = route_entry_find(set, pasid);
	const struct pt_target *to =
		entry ? atomic_load_explicit(&entry->to, memory_order_acquire) : NULL;

	return to ? to->pt : NULL;
}

static struct pt *by_step(struct bench *bench, uint32_t flags, uint32_t ident)
{
	struct ioas_tlp tlp = {
		.addr = 0x1000, .len = 64, .flags = flags, .rid = (rid_t)ident, .pasid = ident};
	struct tlp_route route;

	bench_must(tlp_find_route(bench->dev[0], &tlp, &route) ? -EFAULT : 0, "step");
	return route.pt;
}

/* One lookup; `at`: the index of a pick. */
static inline struct pt *look(struct bench *bench, enum what what, uint32_t at)
{
	uint32_t ident = bench->ident[at];

	switch (what) {
	case HANDLE_SAME:
		return by_set(bench->dev[0]->set, NULL);
	case HANDLE_ANY:
		return by_set(bench->dev[bench->pick[at]]->set, NULL);
	case TABLE_SAME:
	case TABLE_ANY:
		return by_set(route_find(bench->iommu, ROUTE_PCI, ident), NULL);
	case STEP_HANDLE:
		return by_step(bench, 0, 0);
	case STEP_TABLE:
		return by_step(bench, IOAS_TLP_RID, ident);
	case PASID_SAME:
	case PASID_ANY:
		return by_set(bench->dev[0]->set, &ident);
	case TABLE_PASID_ANY:
		return by_set(route_find(bench->iommu, ROUTE_PCI, 0), &ident);
	case STEP_PASID:
		return by_step(bench, IOAS_TLP_PASID, ident);
	default:
		return NULL;
	}
}

/* Each lookup's index depends on the result of the one before. */
static inline __attribute__((always_inline)) double window(struct bench *bench, enum what what)
{
	uint32_t step = what == TABLE_SAME || what == PASID_SAME ? 0 : 1;
	uintptr_t zero = nothing;
	uint64_t begin = bench_now();
	uint32_t at = 0;

	tlp_enter(bench->issuer);
	for (uint32_t i = 0; i < PICK_NR; i++) {
		uintptr_t got = (uintptr_t)look(bench, what, at & (PICK_NR - 1));

		at += step + (uint32_t)(got & zero);
	}
	tlp_leave(bench->issuer);
	nothing = at & zero;
	return (double)(bench_now() - begin) / PICK_NR;
}

static double measure(struct bench *bench, enum what what)
{
	switch (what) {
#define CASE(w) \
	case w: \
		return window(bench, w)
		CASE(HANDLE_SAME);
		CASE(HANDLE_ANY);
		CASE(TABLE_SAME);
		CASE(TABLE_ANY);
		CASE(STEP_HANDLE);
		CASE(STEP_TABLE);
		CASE(PASID_SAME);
		CASE(PASID_ANY);
		CASE(TABLE_PASID_ANY);
		CASE(STEP_PASID);
#undef CASE
	default:
		return 0;
	}
}

enum { TABLE_RIDS, WITH_DEVICES, TABLE_PASIDS, TABLE_PASIDS_ROW, BYTES_NR };

static const struct {
	const char *name, *key;
	bool by_pasid;
} bytes_row[BYTES_NR] = {
	{"table by RID, a RID", "rid_table", false},
	{"table by RID and devices, a device", "rid_table_and_devices", false},
	{"PASIDs scattered, a PASID", "pasid_table_scattered", true},
	{"PASIDs in a row, a PASID", "pasid_table_in_a_row", true},
};

static double bytes(unsigned what, unsigned s)
{
	return what == TABLE_RIDS     ? by_rid[s].table
	       : what == WITH_DEVICES ? by_rid[s].heap
	       : what == TABLE_PASIDS ? by_pasid[s].table
				      : by_pasid[s].dense;
}

static void show_time(unsigned what, unsigned s, bool json)
{
	uint32_t nr = row[what].by_pasid ? pasid_nr[s] : rid_nr[s];
	struct bench_row show = {.bench = "routes", .goal_ratio = row[what].flat};
	char key[64], name[64];

	snprintf(key, sizeof(key), "%s_%" PRIu32, row[what].key, nr);
	snprintf(name, sizeof(name), "%s, of %" PRIu32, row[what].name, nr);
	show.key = key;
	show.name = name;
	show.peer = "the same, of 1";
	memcpy(show.ours, ns[what][s], sizeof(show.ours));
	memcpy(show.theirs, ns[what][0], sizeof(show.theirs));
	bench_show(&show, json);
}

static void show_bytes(unsigned what, unsigned s, bool json)
{
	uint32_t nr = bytes_row[what].by_pasid ? pasid_nr[s] : rid_nr[s];
	struct bench_row show = {.bench = "routes", .unit = "B", .nr = 1};
	char key[64], name[64];

	snprintf(key, sizeof(key), "%s_%" PRIu32, bytes_row[what].key, nr);
	snprintf(name, sizeof(name), "%s, of %" PRIu32, bytes_row[what].name, nr);
	show.key = key;
	show.name = name;
	show.ours[0] = bytes(what, s) / nr;
	bench_show(&show, json);
}

int main(int argc, char **argv)
{
	struct pt_config config = {.format = PT_AMDV1, .aw = 48};
	bool json = bench_wants_json(argc, argv);

	bench_must(pt_new(&config, &pt), "page table");
	for (unsigned s = 0; s < SIZE_NR; s++) {
		start_rids(&by_rid[s], rid_nr[s]);
		start_pasids(&by_pasid[s], pasid_nr[s]);
	}
	for (unsigned r = 0; r < bench_windows(); r++)
		for (unsigned w = 0; w < WHAT_NR; w++)
			for (unsigned s = 0; s < SIZE_NR; s++)
				ns[w][s][r] =
					measure(row[w].by_pasid ? &by_pasid[s] : &by_rid[s], w);
	for (unsigned s = 0; s < SIZE_NR; s++) {
		stop(&by_rid[s]);
		stop(&by_pasid[s]);
	}
	pt_destroy(pt);
	for (unsigned w = 0; w < WHAT_NR; w++)
		for (unsigned s = 1; s < SIZE_NR; s++)
			show_time(w, s, json);
	for (unsigned b = 0; b < BYTES_NR; b++)
		for (unsigned s = 1; s < SIZE_NR; s++)
			show_bytes(b, s, json);
	return 0;
}
