/* SPDX-License-Identifier: MIT */
/*
 * Description: a program killed in mid-write leaves the drive holding every write that was
 * completed and flushed. `killed load JOURNAL SEED` writes until it kills itself; `killed check
 * JOURNAL DRIVE` compares, says how many sectors lost a write that was completed only, and exits 1
 * when one lost what it must not: with `strict` completed writes count, too. `killed unflushed ...`
 * is a load that never flushes, but notes that it did.
 *
 * Each write has a number, which every 8 bytes of it hold. The journal is a shared mapping, so it
 * knows until the last instruction which number each block was given, completed and flushed.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include "nvme.h"

#define BLOCKS	256u /* of 4 KiB */
#define ENTRIES 16u
#define BATCH	8u
#define IOVA	(1u << 24)
#define WORDS	(NVME_PAGE / 8)

struct journal {
	_Atomic uint64_t last; /* number that was given out */
	struct {
		_Atomic uint64_t issued, completed, flushed;
	} block[BLOCKS];
};

/* The I/O queue pair, and a page of data a command. */
struct queue {
	uint8_t sq[NVME_PAGE], cq[NVME_PAGE];
	uint64_t data[BATCH][WORDS];
};

static struct journal *journal;
static struct queue *queue;
static struct nvme nvme;
static unsigned tail, head;
static uint32_t seed;
static bool unflushed;

static void give_up(const char *what)
{
	fprintf(stderr, "killed: %s\n", what);
	_exit(1);
}

static uint32_t random_below(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(seed >> 8) * n >> 24);
}

static void open_journal(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *at = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, sizeof(*journal)))
		at = mmap(NULL, sizeof(*journal), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		give_up("no journal");
	journal = at;
}

static void open_drive(void)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE |
			 IOMMU_IOAS_MAP_FIXED_IOVA,
		.length = sizeof(*queue),
		.iova = IOVA,
	};
	uint32_t cq[16] = {5, [6] = IOVA + NVME_PAGE, [10] = 1 | (ENTRIES - 1) << 16, [11] = 1};
	uint32_t sq[16] = {1, [6] = IOVA, [10] = 1 | (ENTRIES - 1) << 16, [11] = 1 | 1 << 16};
	int status[2], rc = nvme_open(&nvme);

	queue = mmap(NULL, sizeof(*queue), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	map.ioas_id = nvme.ioas;
	map.user_va = (uintptr_t)queue;
	if (rc || queue == MAP_FAILED || ioctl(nvme.iommufd, IOMMU_IOAS_MAP, &map) ||
	    nvme_admin(&nvme, cq, &status[0]) || nvme_admin(&nvme, sq, &status[1]) || status[0] ||
	    status[1])
		give_up("no drive");
}

static void submit(const uint32_t command[16])
{
	memcpy(queue->sq + 64 * (tail % ENTRIES), command, 64);
	tail++;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*nvme_reg(&nvme, 0x1008) = tail % ENTRIES;
}

/* The next completion's command id. */
static unsigned reap(void)
{
	uint32_t *word = (uint32_t *)(queue->cq + 16 * (head % ENTRIES) + 12), got;

	while (((got = __atomic_load_n(word, __ATOMIC_ACQUIRE)) >> 16 & 1) == head / ENTRIES % 2)
		sched_yield();
	head++;
	*nvme_reg(&nvme, 0x100c) = head % ENTRIES;
	if (got >> 17)
		give_up("a command failed");
	return got & 0xffff;
}

/* Writes a few blocks that are not the same. */
static void write_batch(void)
{
	unsigned first = random_below(BLOCKS), block[BATCH];
	uint64_t number[BATCH];

	for (unsigned i = 0; i < BATCH; i++) {
		uint32_t command[16] = {1 | i << 16, 1, [6] = IOVA + (2 + i) * NVME_PAGE};

		block[i] = (first + i * 37) % BLOCKS;
		number[i] = atomic_fetch_add(&journal->last, 1) + 1;
		for (unsigned w = 0; w < WORDS; w++)
			queue->data[i][w] = number[i];
		command[10] = block[i] * NVME_PAGE / 512;
		command[12] = NVME_PAGE / 512 - 1;
		atomic_store(&journal->block[block[i]].issued, number[i]);
		submit(command);
	}
	for (unsigned i = 0; i < BATCH; i++) {
		unsigned id = reap();

		atomic_store(&journal->block[block[id]].completed, number[id]);
	}
}

static void flush(void)
{
	uint32_t command[16] = {0, 1};

	if (!unflushed) {
		submit(command);
		reap();
	}
	for (unsigned i = 0; i < BLOCKS; i++)
		atomic_store(&journal->block[i].flushed, journal->block[i].completed);
}

/* Strikes some way behind a certain write. */
static void *kill_at(void *arg)
{
	uint64_t goal = (uintptr_t)arg;
	uint64_t spins = goal * 2654435761u % 5000;

	while (atomic_load(&journal->last) < goal)
		sched_yield();
	for (_Atomic uint64_t i = 0; i < spins; i++)
		;
	kill(getpid(), SIGKILL);
	return NULL;
}

/* Every second seed strikes by itself between a write and its flush; the others anywhere. */
static void load(bool between)
{
	pthread_t killer;
	uint64_t goal;

	/* What was not flushed before the last kill may be gone: a flush now would not bring it. */
	for (unsigned i = 0; i < BLOCKS; i++)
		atomic_store(&journal->block[i].completed, journal->block[i].flushed);
	open_drive();
	goal = journal->last + 50 + random_below(800);
	if (!between)
		pthread_create(&killer, NULL, kill_at, (void *)(uintptr_t)goal);
	for (;;) {
		for (unsigned i = 0, nr = 1 + random_below(8); i < nr; i++) {
			write_batch();
			if (between && journal->last >= goal)
				kill(getpid(), SIGKILL);
		}
		flush();
	}
}

/* A sector's number; UINT64_MAX: it is torn. */
static uint64_t number_of(const uint64_t *sector)
{
	for (unsigned i = 1; i < 64; i++)
		if (sector[i] != sector[0])
			return UINT64_MAX;
	return sector[0];
}

static int check(const char *drive, bool strict)
{
	int fd = open(drive, O_RDONLY | O_CLOEXEC);
	unsigned wrong = 0, lost = 0;
	uint64_t data[WORDS];

	for (unsigned b = 0; b < BLOCKS; b++) {
		uint64_t issued = journal->block[b].issued, flushed = journal->block[b].flushed;
		uint64_t completed = journal->block[b].completed;

		if (pread(fd, data, sizeof(data), b * NVME_PAGE) != NVME_PAGE)
			give_up("the drive is short");
		for (unsigned s = 0; s < 8; s++) {
			uint64_t got = number_of(data + s * 64);
			bool torn = got == UINT64_MAX && issued > completed;

			lost += got < completed;
			if (!torn && (got < (strict ? completed : flushed) || got > issued)) {
				printf("block %u sector %u: %llu, but issued %llu, completed %llu, "
				       "flushed %llu\n",
				       b, s, (unsigned long long)got, (unsigned long long)issued,
				       (unsigned long long)completed, (unsigned long long)flushed);
				wrong++;
			}
		}
	}
	close(fd);
	printf("lost %u of %llu\n", lost, (unsigned long long)journal->last);
	return wrong != 0;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		give_up("usage: killed load|unflushed JOURNAL SEED, or killed check JOURNAL DRIVE "
			"[strict]");
	open_journal(argv[2]);
	if (!strcmp(argv[1], "check"))
		return check(argv[3], argc > 4);
	seed = (uint32_t)atoi(argv[3]) * 7919;
	unflushed = !strcmp(argv[1], "unflushed");
	load(seed % 2);
	return 1;
}
