/* SPDX-License-Identifier: MIT */
/*
 * What a 4 KiB random read from the NVMe model costs a driver that polls, in the same process: one
 * at a time and 128 at a time, from drive=null (commands, translations and completions alone), from
 * memory, and from a file in the page cache. Beside each row stands the least that could do it,
 * measured in windows that alternate with ours: the two rings alone, a memcpy or a preadv of the
 * same blocks. Then the same model without an IOMMU, two devices driven by two threads beside two
 * threads of arithmetic, and an UNMAP while the device is at work.
 *
 * A window comes after one of the same work that does not count, so that it finds in the caches
 * what it leaves there and not what another's has; which of the two goes first changes from pair to
 * pair; they read the blocks in orders of their own, which one would find in the caches after the
 * other; and all drives are read once before.
 *
 * Goals that were given as reads a second stand here as ns a read.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "bench/bench.h"
#include "bench/nvme_rig.h"
#include "nvme/keys.h"
#include "nvme/spec.h"

#define DRIVE_LEN  (256u << 20)
#define IOVA_UNMAP 0x5000000000ull
#define WINDOW	   8192u /* reads of a null drive; of others fewer */

enum what {
	NULL_1,
	NULL_128,
	RAM_1,
	RAM_128,
	FILE_1,
	FILE_128,
	PRICE_NULL,
	PRICE_RAM,
	PRICE_FILE,
	TWO,
	UNMAP_IDLE,
	UNMAP_BUSY,
	WHAT_NR
};

#define ROW(key_, name_, peer_) .bench = "nvme", .key = (key_), .name = (name_), .peer = (peer_)

static struct bench_row row[WHAT_NR] = {
	[NULL_1] = {ROW("null_qd1", "null, 1 read at a time", "its rings alone"), .goal = 350},
	[NULL_128] = {ROW("null_qd128", "null, 128 at a time", "its rings alone"),
		      .goal = 1000 / 15.0},
	[RAM_1] = {ROW("ram_qd1", "ram, 1 read at a time", "memcpy"), .goal = 1000 / 1.1},
	[RAM_128] = {ROW("ram_qd128", "ram, 128 at a time", "memcpy"), .goal = 1000 / 1.6},
	[FILE_1] = {ROW("file_qd1", "file, 1 read at a time", "preadv"), .goal_ratio = 1 / 0.85},
	[FILE_128] = {ROW("file_qd128", "file, 128 at a time", "preadv"), .goal_ratio = 1 / 0.85},
	[PRICE_NULL] = {ROW("price_null", "price of the IOMMU, null, 128 at a time",
			    "the same without an IOMMU"),
			.goal_ratio = 1.03},
	[PRICE_RAM] = {ROW("price_ram", "price of the IOMMU, ram, 128 at a time",
			   "the same without an IOMMU"),
		       .goal_ratio = 1.03},
	[PRICE_FILE] = {ROW("price_file", "price of the IOMMU, file, 128 at a time",
			    "the same without an IOMMU"),
			.goal_ratio = 1.03},
	[TWO] = {ROW("two_devices", "two devices, a thread each: part of one's time",
		     "two threads of arithmetic"),
		 .unit = "x", .goal_ratio = 1 / 0.9},
	[UNMAP_IDLE] = {ROW("unmap_idle", "UNMAP 4 KiB in the engine", "getppid")},
	[UNMAP_BUSY] = {ROW("unmap_busy", "UNMAP 4 KiB in the engine, a device at work", "getppid"),
			.goal = 1000},
};

/* How many reads (or UNMAPs) a window has, and how many are under way at once. */
static const struct {
	unsigned depth;
	uint32_t nr;
} load[WHAT_NR] = {
	[NULL_1] = {1, WINDOW},
	[NULL_128] = {128, 8 * WINDOW},
	[RAM_1] = {1, WINDOW},
	[RAM_128] = {128, WINDOW},
	[FILE_1] = {1, WINDOW / 4},
	[FILE_128] = {128, WINDOW / 4},
	[PRICE_NULL] = {128, 8 * WINDOW},
	[PRICE_RAM] = {128, WINDOW},
	[PRICE_FILE] = {128, WINDOW / 4},
	[TWO] = {128, 16 * WINDOW},
	[UNMAP_IDLE] = {0, WINDOW / 8},
	[UNMAP_BUSY] = {0, WINDOW / 8},
};

static struct rig null, ram, file, second, plain[3];
static uint32_t block[RIG_BLOCKS], their_block[RIG_BLOCKS];
static uint8_t *memory; /* as much as a drive has */
static int fd;

static struct rig *rig_of(enum what what)
{
	static struct rig *const rigs[] = {&null, &null, &ram, &ram, &file,
					   &file, &null, &ram, &file};

	return rigs[what];
}

/* The least a driver and a device have to do between them, in the same memory. */
static double rings(unsigned depth, uint32_t nr)
{
	struct nvme_cmd *sq = (void *)null.queues, cmd = {.opcode = NVME_IO_READ}, got;
	volatile uint64_t *cq = (void *)(null.queues + QUEUE_NR * sizeof(*sq));
	uint64_t begin = bench_now(), sum = 0;

	for (uint32_t done = 0; done < nr; done += depth) {
		for (uint32_t i = 0; i < depth; i++) {
			cmd.cid = (uint16_t)i;
			cmd.cdw10 = block[(done + i) % RIG_BLOCKS];
			sq[i] = cmd;
		}
		__asm__ volatile("" ::: "memory");
		for (uint32_t i = 0; i < depth; i++) {
			got = sq[i];
			cq[i * 2] = got.cdw10;
			__atomic_store_n(&cq[i * 2 + 1], got.cid, __ATOMIC_RELEASE);
		}
		for (uint32_t i = 0; i < depth; i++)
			sum += __atomic_load_n(&cq[i * 2 + 1], __ATOMIC_ACQUIRE);
	}
	__asm__ volatile("" ::"r"(sum));
	return (double)(bench_now() - begin) / nr;
}

static double memcpys(unsigned depth, uint32_t nr)
{
	static uint32_t next;
	uint64_t begin = bench_now();

	for (uint32_t i = 0; i < nr; i++)
		memcpy(ram.data + i % depth * BLOCK,
		       rig_blocks(&ram) + (uint64_t)their_block[next++ % RIG_BLOCKS] * BLOCK,
		       BLOCK);
	return (double)(bench_now() - begin) / nr;
}

static double preadvs(unsigned depth, uint32_t nr)
{
	static uint32_t next;
	uint64_t begin = bench_now();

	for (uint32_t i = 0; i < nr; i++) {
		struct iovec iov = {file.data + i % depth * BLOCK, BLOCK};

		if (preadv(fd, &iov, 1, (off_t)their_block[next++ % RIG_BLOCKS] * BLOCK) != BLOCK)
			bench_must(-EIO, "preadv");
	}
	return (double)(bench_now() - begin) / nr;
}

/* Two threads at once: what part of the time of one alone a piece of work takes them. */
struct worker {
	pthread_t thread;
	struct rig *rig; /* NULL: arithmetic */
	pthread_barrier_t *barrier;
	uint64_t ns;
};

static void work(struct rig *rig)
{
	uint64_t x = 1;

	if (rig) {
		rig_reads(rig, load[TWO].depth, load[TWO].nr);
		return;
	}
	for (uint32_t i = 0; i < 4 * load[TWO].nr; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	__asm__ volatile("" ::"r"(x));
}

static void *run(void *arg)
{
	struct worker *worker = arg;
	uint64_t begin;

	pthread_barrier_wait(worker->barrier);
	begin = bench_now();
	work(worker->rig);
	worker->ns = bench_now() - begin;
	return NULL;
}

static double two_of(struct rig *one, struct rig *other)
{
	struct worker worker[2] = {{.rig = one}, {.rig = other}};
	pthread_barrier_t barrier;
	uint64_t begin = bench_now(), alone;

	work(one);
	alone = bench_now() - begin;
	pthread_barrier_init(&barrier, NULL, 2);
	for (unsigned i = 0; i < 2; i++) {
		worker[i].barrier = &barrier;
		bench_must(-pthread_create(&worker[i].thread, NULL, run, &worker[i]), "thread");
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(worker[i].thread, NULL);
	pthread_barrier_destroy(&barrier);
	return 1 / ((double)alone / (double)worker[0].ns + (double)alone / (double)worker[1].ns);
}

/* Of 4 KiB, alone: what clocks take is taken off. */
static double unmaps(uint32_t nr)
{
	uint64_t ns = 0, clocks = 0;

	for (uint32_t i = 0; i < nr; i++) {
		iova_t iova = IOVA_UNMAP;
		uint64_t begin, middle, end;

		bench_must(ioas_space_map(null.space, NULL, &iova, (uintptr_t)memory, BLOCK,
					  IOAS_MAP_FIXED | IOAS_MAP_READ | IOAS_MAP_WRITE, NULL),
			   "map");
		begin = bench_now();
		middle = bench_now();
		bench_must(ioas_space_unmap(null.space, iova, iova + BLOCK - 1, NULL, NULL),
			   "unmap");
		end = bench_now();
		clocks += middle - begin;
		ns += end - middle;
	}
	return ((double)ns - (double)clocks) / nr;
}

static void *keep_busy(void *arg)
{
	atomic_bool *stop = arg;

	while (!atomic_load(stop))
		rig_reads(&second, DEPTH_MAX, WINDOW);
	return NULL;
}

static double unmaps_beside(uint32_t nr)
{
	atomic_bool stop = false;
	pthread_t thread;
	double ns;

	bench_must(-pthread_create(&thread, NULL, keep_busy, &stop), "thread");
	ns = unmaps(nr);
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	return ns;
}

static double calls(uint32_t nr)
{
	uint64_t begin = bench_now();

	for (uint32_t i = 0; i < nr; i++)
		syscall(SYS_getppid);
	return (double)(bench_now() - begin) / nr;
}

static double our_window(enum what what)
{
	if (what == TWO)
		return two_of(&null, &second);
	if (what == UNMAP_IDLE)
		return unmaps(load[what].nr);
	if (what == UNMAP_BUSY)
		return unmaps_beside(load[what].nr);
	return rig_reads(rig_of(what), load[what].depth, load[what].nr);
}

static double their_window(enum what what)
{
	switch (what) {
	case NULL_1:
	case NULL_128:
		return rings(load[what].depth, load[what].nr);
	case RAM_1:
	case RAM_128:
		return memcpys(load[what].depth, load[what].nr);
	case FILE_1:
	case FILE_128:
		return preadvs(load[what].depth, load[what].nr);
	case TWO:
		return two_of(NULL, NULL);
	case UNMAP_IDLE:
	case UNMAP_BUSY:
		return calls(load[what].nr);
	default:
		return rig_reads(&plain[what % 3], load[what].depth, load[what].nr);
	}
}

static void fill(char *path)
{
	fd = mkstemp(path);
	memory = mmap(NULL, DRIVE_LEN, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	bench_must(fd < 0 || memory == MAP_FAILED ? -errno : 0, path);
	memset(memory, 0x5a, DRIVE_LEN);
	for (uint64_t at = 0; at < DRIVE_LEN; at += 1 << 20)
		if (pwrite(fd, memory + at, 1 << 20, (off_t)at) != 1 << 20)
			bench_must(-EIO, "pwrite");
	for (unsigned i = 0; i < RIG_BLOCKS; i++)
		block[i] = (uint32_t)bench_rnd(DRIVE_LEN / BLOCK);
	for (unsigned i = 0; i < RIG_BLOCKS; i++)
		their_block[i] = (uint32_t)bench_rnd(DRIVE_LEN / BLOCK);
}

static void start_all(void)
{
	char path[] = "bench-nvme-XXXXXX", device[64];
	void *module = dlopen(BARE, RTLD_NOW | RTLD_LOCAL);
	const struct bare *bare;

	bench_must(module ? 0 : -ENOENT, BARE);
	fill(path);
	snprintf(device, sizeof(device), "drive=%s", path);
	rig_start(&null, "drive=null,size=256M", block, NULL, NULL);
	rig_start(&second, "drive=null,size=256M", block, NULL, &null);
	rig_start(&ram, "drive=ram,size=256M", block, NULL, NULL);
	rig_start(&file, device, block, NULL, NULL);
	bare = ((const struct bare *(*)(void))dlsym(module, "bench_bare"))();
	rig_start(&plain[PRICE_NULL % 3], "drive=null,size=256M", their_block, bare, &null);
	rig_start(&plain[PRICE_RAM % 3], "drive=ram,size=256M", their_block, bare, &ram);
	rig_start(&plain[PRICE_FILE % 3], device, their_block, bare, &file);
	unlink(path);
}

/* No window is the first to meet a block: a drive in memory has none before. */
static void touch_all(void)
{
	struct rig *rigs[] = {&ram, &file, &plain[PRICE_RAM % 3], &plain[PRICE_FILE % 3]};

	for (unsigned i = 0; i < sizeof(rigs) / sizeof(rigs[0]); i++)
		rig_reads(rigs[i], DEPTH_MAX, RIG_BLOCKS);
}

static double settled(double (*window)(enum what what), enum what what)
{
	window(what);
	return window(what);
}

static void measure(enum what what, unsigned pair)
{
	bool last = pair % 2;

	if (!last)
		row[what].ours[pair] = settled(our_window, what);
	row[what].theirs[pair] = settled(their_window, what);
	if (last)
		row[what].ours[pair] = settled(our_window, what);
}

int main(int argc, char **argv)
{
	bool json = bench_wants_json(argc, argv);

	rig_guard();
	start_all();
	touch_all();
	for (unsigned pair = 0; pair < bench_windows(); pair++)
		for (unsigned w = 0; w < WHAT_NR; w++)
			measure(w, pair);
	for (unsigned w = 0; w < WHAT_NR; w++)
		bench_show(&row[w], json);
	rig_stop(&second);
	rig_stop(&null);
	rig_stop(&ram);
	rig_stop(&file);
	for (unsigned i = 0; i < 3; i++)
		rig_stop(&plain[i]);
	return 0;
}
