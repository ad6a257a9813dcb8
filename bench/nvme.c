/* SPDX-License-Identifier: MIT */
/*
 * What a 4 KiB random read from the NVMe model costs a driver that polls, in the same process: one
 * at a time and 128 at a time, from drive=null (commands, translations and completions alone), from
 * memory, and from a file in the page cache. Beside each row stands the least that could do it,
 * measured in windows that alternate with ours: the two rings alone, a memcpy or a preadv of the
 * same blocks. Then the same model without an IOMMU, two devices driven by two threads beside two
 * threads of arithmetic, and an UNMAP while the device is at work.
 *
 * Prints medians with 10th and 90th percentile, and the median of the ratios; --json for machines.
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

static const struct {
	const char *name, *key, *peer;
	unsigned depth;
	uint32_t nr;
} row[WHAT_NR] = {
	{"null, 1 at a time", "null_qd1", "its rings alone", 1, WINDOW},
	{"null, 128 at a time", "null_qd128", "its rings alone", 128, 8 * WINDOW},
	{"ram, 1 at a time", "ram_qd1", "memcpy", 1, WINDOW},
	{"ram, 128 at a time", "ram_qd128", "memcpy", 128, WINDOW},
	{"file, 1 at a time", "file_qd1", "preadv", 1, WINDOW / 4},
	{"file, 128 at a time", "file_qd128", "preadv", 128, WINDOW / 4},
	{"null, 128 at a time", "price_null", "without an IOMMU", 128, 8 * WINDOW},
	{"ram, 128 at a time", "price_ram", "without an IOMMU", 128, WINDOW},
	{"file, 128 at a time", "price_file", "without an IOMMU", 128, WINDOW / 4},
	{"two threads, two devices", "two_devices", "two of arithmetic", 128, 16 * WINDOW},
	{"UNMAP, device idle", "unmap_idle", "getppid", 0, WINDOW / 8},
	{"UNMAP, device at work", "unmap_busy", "getppid", 0, WINDOW / 8},
};

static struct rig null, ram, file, second, plain[3];
static uint32_t block[RIG_BLOCKS];
static uint8_t *memory; /* as much as the drive has */
static int fd;
static double ours[WHAT_NR][BENCH_PAIRS], theirs[WHAT_NR][BENCH_PAIRS];

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
		       memory + (uint64_t)block[next++ % RIG_BLOCKS] * BLOCK, BLOCK);
	return (double)(bench_now() - begin) / nr;
}

static double preadvs(unsigned depth, uint32_t nr)
{
	static uint32_t next;
	uint64_t begin = bench_now();

	for (uint32_t i = 0; i < nr; i++) {
		struct iovec iov = {file.data + i % depth * BLOCK, BLOCK};

		if (preadv(fd, &iov, 1, (off_t)block[next++ % RIG_BLOCKS] * BLOCK) != BLOCK)
			bench_must(-EIO, "preadv");
	}
	return (double)(bench_now() - begin) / nr;
}

/* Two threads for as long: how many times the work of one they do. */
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
		rig_reads(rig, row[TWO].depth, row[TWO].nr);
		return;
	}
	for (uint32_t i = 0; i < 4 * row[TWO].nr; i++) {
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

static double gain(struct rig *one, struct rig *other)
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
	return (double)alone / (double)worker[0].ns + (double)alone / (double)worker[1].ns;
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
		return gain(&null, &second);
	if (what == UNMAP_IDLE)
		return unmaps(row[what].nr);
	if (what == UNMAP_BUSY)
		return unmaps_beside(row[what].nr);
	return rig_reads(rig_of(what), row[what].depth, row[what].nr);
}

static double their_window(enum what what)
{
	switch (what) {
	case NULL_1:
	case NULL_128:
		return rings(row[what].depth, row[what].nr);
	case RAM_1:
	case RAM_128:
		return memcpys(row[what].depth, row[what].nr);
	case FILE_1:
	case FILE_128:
		return preadvs(row[what].depth, row[what].nr);
	case TWO:
		return gain(NULL, NULL);
	case UNMAP_IDLE:
	case UNMAP_BUSY:
		return calls(row[what].nr);
	default:
		return rig_reads(&plain[what % 3], row[what].depth, row[what].nr);
	}
}

static void show(unsigned w, bool json)
{
	double ratio[BENCH_PAIRS];

	for (unsigned i = 0; i < BENCH_PAIRS; i++)
		ratio[i] = ours[w][i] / theirs[w][i];
	printf(json ? "{\"row\":\"%s\",\"ours\":%.2f,\"p10\":%.2f,\"p90\":%.2f,\"peer\":\"%s\","
		      "\"theirs\":%.2f,\"ratio\":%.3f,\"ratio_p10\":%.3f,\"ratio_p90\":%.3f,"
		      "\"ratio_of_best\":%.3f}\n"
		    : "%-24s %8.1f (%.1f..%.1f)  %-16s %8.1f  x %.2f (%.2f..%.2f)  best x %.2f\n",
	       json ? row[w].key : row[w].name, bench_percentile(ours[w], BENCH_PAIRS, 50),
	       bench_percentile(ours[w], BENCH_PAIRS, 10),
	       bench_percentile(ours[w], BENCH_PAIRS, 90), row[w].peer,
	       bench_percentile(theirs[w], BENCH_PAIRS, 50),
	       bench_percentile(ratio, BENCH_PAIRS, 50), bench_percentile(ratio, BENCH_PAIRS, 10),
	       bench_percentile(ratio, BENCH_PAIRS, 90),
	       bench_percentile(ours[w], BENCH_PAIRS, 0) /
		       bench_percentile(theirs[w], BENCH_PAIRS, 0));
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
}

static void start_all(void)
{
	char path[] = "bench-nvme-XXXXXX", device[64];
	void *module = dlopen(BARE, RTLD_NOW | RTLD_LOCAL);
	const struct bare *bare;

	fill(path);
	snprintf(device, sizeof(device), "drive=%s", path);
	rig_start(&null, "drive=null,size=256M", block, NULL, NULL);
	rig_start(&second, "drive=null,size=256M", block, NULL, &null);
	rig_start(&ram, "drive=ram,size=256M", block, NULL, NULL);
	rig_start(&file, device, block, NULL, NULL);
	bench_must(module ? 0 : -ENOENT, BARE);
	bare = ((const struct bare *(*)(void))dlsym(module, "bench_bare"))();
	rig_start(&plain[PRICE_NULL % 3], "drive=null,size=256M", block, bare, NULL);
	rig_start(&plain[PRICE_RAM % 3], "drive=ram,size=256M", block, bare, NULL);
	rig_start(&plain[PRICE_FILE % 3], device, block, bare, NULL);
	unlink(path);
}

int main(int argc, char **argv)
{
	bool json = argc > 1 && !strcmp(argv[1], "--json");

	if (argc > 2 || (argc == 2 && !json)) {
		fputs("usage: bench-nvme [--json]\n", stderr);
		return 2;
	}
	rig_guard();
	start_all();
	for (unsigned pair = 0; pair < BENCH_PAIRS; pair++)
		for (unsigned w = 0; w < WHAT_NR; w++) {
			ours[w][pair] = our_window(w);
			theirs[w][pair] = their_window(w);
		}
	if (!json)
		printf("%-24s %8s %-16s %-16s %8s\n", "4 KiB reads", "ns", "(p10..p90)", "peer",
		       "ns");
	for (unsigned w = 0; w < WHAT_NR; w++)
		show(w, json);
	rig_stop(&second);
	rig_stop(&null);
	rig_stop(&ram);
	rig_stop(&file);
	for (unsigned i = 0; i < 3; i++)
		rig_stop(&plain[i]);
	return 0;
}
