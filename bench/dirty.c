/* SPDX-License-Identifier: MIT */
/*
 * What dirty tracking costs: IOMMU_HWPT_GET_DIRTY_BITMAP of 1 TiB in pages of 4 KiB, read and
 * cleared, whole ioctl, when nothing is dirty, when one page in 1,024 is and when one in 8 is; and
 * the mark on a page that is dirty already, which is what a device that goes on writing pays.
 *
 * The bitmap of 1 TiB has 32 MiB. So beside it stands the least that can be done where bits are
 * kept at all: to take such a bitmap, put it into another and clear it, as one loop over memory.
 */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <ioas/guard.h>
#include "bench/bench.h"
#include "obj/obj.h"
#include "pt/mark.h"
#include "pt/pt.h"
#include "space/space.h"
#include "tests/unit/uapi/world.h"
#include "uapi/uapi.h"

#define SPACE_LEN  (1ull << 40)
#define PIECE_LEN  (1ull << 30) /* of memory, which the space shows again and again */
#define PAGES	   (SPACE_LEN / PAGE)
#define BITMAP_LEN (PAGES / 8)
#define MARK_NR	   4000000u
#define CLEAN_NR   100u
#define FIRST	   (1ull << 41)

enum { CLEAN, SPARSE, DENSE, MARK, ROW_NR };

static struct bench_row row[ROW_NR] = {
	[CLEAN] = {"dirty", "get_clean", "1 TiB get and clear, clean", .unit = "us", .goal = 12},
	[SPARSE] = {"dirty", "get_1024", "1 TiB get and clear, 1/1024 dirty",
		    "32 MiB or-ed and cleared", "us", 3100},
	[DENSE] = {"dirty", "get_8", "1 TiB get and clear, 1/8 dirty", "32 MiB or-ed and cleared",
		   "us", 3200},
	[MARK] = {"dirty", "mark_again", "mark a page that is dirty", "array load", .goal = 1.3},
};

static struct world *world;
static int fd;
static uint32_t hwpt_id;
static struct obj_hwpt *hwpt;
static uint64_t *bitmap, *plain;
static volatile uint64_t sink;

static void *memory(uint64_t len)
{
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	bench_must(at == MAP_FAILED ? -errno : 0, "mmap");
	madvise(at, len, MADV_HUGEPAGE);
	return at;
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
	const struct ioas_iommu_config config = {0};
	struct iommu_hwpt_alloc alloc = {.size = sizeof(alloc),
					 .flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING};
	struct iommu_hwpt_set_dirty_tracking track = {.size = sizeof(track),
						      .flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE};
	void *state, *piece = memory(PIECE_LEN);

	bench_must(world_setup_config(&state, &config), "instance");
	world = state;
	fd = w_open(world, "/dev/iommu");
	alloc.pt_id = w_ioas(world, fd);
	alloc.dev_id = w_bind(world, w_open_cdev(world, 0), fd);
	for (uint64_t iova = FIRST; iova < FIRST + SPACE_LEN; iova += PIECE_LEN)
		bench_must(w_map(world, fd, alloc.pt_id,
				 IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
					 IOMMU_IOAS_MAP_WRITEABLE,
				 piece, PIECE_LEN, &iova),
			   "map");
	bench_must(w_ioctl(world, fd, IOMMU_HWPT_ALLOC, &alloc), "page table");
	track.hwpt_id = hwpt_id = alloc.out_hwpt_id;
	bench_must(w_ioctl(world, fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &track), "tracking");
	hwpt = (struct obj_hwpt *)obj_get(world->file[fd - 1000]->priv, hwpt_id, OBJ_HWPT);
	bench_must(hwpt ? 0 : -ENOENT, "page table");
	bitmap = memory(BITMAP_LEN);
	plain = memory(BITMAP_LEN);
	memset(bitmap, 1, BITMAP_LEN);
	memset(plain, 1, BITMAP_LEN);
}

/* One page in `of`, at random places; in us, as all below. */
static uint64_t dirty(uint64_t of)
{
	uint64_t nr = 0;

	for (uint64_t page = bench_rnd(of); page < PAGES; page += 1 + bench_rnd(2 * of - 1), nr++) {
		pt_dirty_set(hwpt->pt, FIRST + page * PAGE);
		plain[page / 64] |= 1ull << page % 64;
	}
	return nr;
}

static double get(uint64_t want, unsigned times)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt_id,
		.iova = FIRST,
		.length = SPACE_LEN,
		.page_size = PAGE,
		.data = (uintptr_t)bitmap,
	};
	uint64_t begin, time, nr = 0;

	memset(bitmap, 0, BITMAP_LEN);
	begin = bench_cpu();
	for (unsigned i = 0; i < times; i++)
		bench_must(w_ioctl(world, fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd), "bitmap");
	time = bench_cpu() - begin;
	for (uint64_t i = 0; i < BITMAP_LEN / 8; i++)
		nr += (unsigned)__builtin_popcountll(bitmap[i]);
	bench_must(nr == want ? 0 : -EIO, "as many pages as were marked");
	return (double)time / 1000 / times;
}

static double move_plain(void)
{
	uint64_t begin;

	memset(bitmap, 0, BITMAP_LEN);
	begin = bench_cpu();
	for (uint64_t i = 0; i < BITMAP_LEN / 8; i++) {
		bitmap[i] |= plain[i];
		plain[i] = 0;
	}
	return (double)(bench_cpu() - begin) / 1000;
}

static double mark_again(void)
{
	struct pt_walk walk;
	uint64_t begin;

	bench_must(pt_walk(hwpt->pt, FIRST, &walk), "walk");
	pt_dirty_mark(hwpt->pt, &walk);
	begin = bench_cpu();
	for (unsigned i = 0; i < MARK_NR; i++)
		pt_dirty_mark(hwpt->pt, &walk);
	return (double)(bench_cpu() - begin) / MARK_NR;
}

static double load_again(void)
{
	uint64_t sum = 0, begin = bench_cpu();

	for (unsigned i = 0; i < MARK_NR; i++)
		sum += *(volatile uint64_t *)&plain[i % 512];
	sink = sum;
	return (double)(bench_cpu() - begin) / MARK_NR;
}

int main(int argc, char **argv)
{
	bool json = bench_wants_json(argc, argv);

	guard();
	start();
	for (unsigned i = 0; i < bench_windows(); i++) {
		memset(plain, 0, BITMAP_LEN);
		row[CLEAN].ours[i] = get(0, CLEAN_NR);
		row[SPARSE].ours[i] = get(dirty(1024), 1);
		row[SPARSE].theirs[i] = move_plain();
		row[DENSE].ours[i] = get(dirty(8), 1);
		row[DENSE].theirs[i] = move_plain();
		row[MARK].ours[i] = mark_again();
		row[MARK].theirs[i] = load_again();
		get(1, 1);
	}
	for (unsigned i = 0; i < ROW_NR; i++)
		bench_show(&row[i], json);
	obj_put(&hwpt->obj);
	return 0;
}
