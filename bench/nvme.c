/* SPDX-License-Identifier: MIT */
/*
 * What a 4 KiB random read from the NVMe model costs a driver that polls, in the same process: one
 * at a time and 32 at a time, from drive=null (commands, translations and completions alone) and
 * from a file in the page cache. The measure is a plain pread(2) of the same blocks in the same
 * run, which is what the drive's I/O costs in any case.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <ioas/device.h>
#include <ioas/iommu.h>
#include <ioas/model.h>
#include "bench/bench.h"
#include "nvme/spec.h"
#include "pci/pci.h"
#include "route/route.h"

#define BLOCK	   4096u
#define FILE_LEN   (64u << 20)
#define QUEUE_NR   64u /* entries of each queue */
#define DEPTH_MAX  32u
#define OP_NR	   20000u
#define ROUND_NR   5
#define MEMORY_LEN (1u << 20)
#define IOVA	   0x100000000ull
#define SPIN_NR	   2000 /* looks at a completion queue before others may run */

/* Offsets in the memory of both sides. */
enum { ADMIN_SQ = 0x0000, ADMIN_CQ = 0x1000, IO_SQ = 0x2000, IO_CQ = 0x4000, DATA = 0x10000 };

struct queue {
	struct nvme_cmd *sq;
	volatile uint64_t *cq;
	uint32_t tail, head, doorbell;
	unsigned phase;
};

struct bench {
	struct ioas_iommu *iommu;
	struct ioas_space *space;
	struct ioas_pci *pci;
	uint8_t *memory;
	struct queue admin, io;
};

struct result {
	const char *name;
	double ns, spread; /* best round; and how far the worst was from it */
};

static _Noreturn void give_up(int rc, const char *what)
{
	fprintf(stderr, "nvme: %s: %s\n", what, strerror(-rc));
	exit(1);
}

static void write_reg(struct bench *b, uint64_t off, uint64_t value, unsigned size)
{
	b->pci->ops->bar_write(b->pci->model, 0, off, value, size);
}

static void put(struct queue *q, struct nvme_cmd cmd)
{
	q->sq[q->tail] = cmd;
	q->tail = (q->tail + 1) % QUEUE_NR;
}

static void ring(struct bench *b, struct queue *q)
{
	write_reg(b, q->doorbell, q->tail, 4);
}

/* Takes the completions there are, at least one; returns how many. */
static unsigned take(struct bench *b, struct queue *q)
{
	unsigned nr = 0;

	for (unsigned spin = 0;; spin++) {
		uint64_t high = __atomic_load_n(&q->cq[q->head * 2 + 1], __ATOMIC_ACQUIRE);

		if ((high >> 48 & 1) == q->phase) {
			if (high >> 49)
				give_up(-EIO, "a command");
			nr++;
			q->head = (q->head + 1) % QUEUE_NR;
			q->phase ^= !q->head;
			continue;
		}
		if (nr)
			break;
		if (spin % SPIN_NR == SPIN_NR - 1)
			sched_yield();
		__builtin_ia32_pause();
	}
	write_reg(b, q->doorbell + 4, q->head, 4);
	return nr;
}

static void admin(struct bench *b, struct nvme_cmd cmd)
{
	put(&b->admin, cmd);
	ring(b, &b->admin);
	take(b, &b->admin);
}

static struct queue queue(struct bench *b, unsigned id, uint64_t sq, uint64_t cq)
{
	return (struct queue){
		.sq = (void *)(b->memory + sq),
		.cq = (void *)(b->memory + cq),
		.doorbell = NVME_REG_DOORBELLS + id * 8,
		.phase = 1,
	};
}

static void start(struct bench *b, const char *device)
{
	struct ioas_why why = {""};
	iova_t iova = IOVA;
	struct ioas_device *dev;

	bench_must(ioas_iommu_new(NULL, &b->iommu), "instance");
	bench_must(ioas_space_new(b->iommu, &b->space), "space");
	bench_must(ioas_model_create(b->iommu, device, &b->pci, &why), why.text);
	b->memory = mmap(NULL, MEMORY_LEN, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (b->memory == MAP_FAILED)
		give_up(-ENOMEM, "mmap");
	bench_must(ioas_space_map(b->space, NULL, &iova, (uintptr_t)b->memory, MEMORY_LEN,
				  IOAS_MAP_FIXED | IOAS_MAP_READ | IOAS_MAP_WRITE, NULL),
		   "map");
	dev = ioas_pci_device(b->pci);
	bench_must(ioas_device_bind(dev, IOAS_FORM_RID, 0, NULL), "bind");
	bench_must(ioas_device_attach(dev, b->space, NULL), "attach");
	route_dma_enable(dev, true);
	b->admin = queue(b, 0, ADMIN_SQ, ADMIN_CQ);
	b->io = queue(b, 1, IO_SQ, IO_CQ);
	write_reg(b, NVME_REG_AQA, (QUEUE_NR - 1) << 16 | (QUEUE_NR - 1), 4);
	write_reg(b, NVME_REG_ASQ, IOVA + ADMIN_SQ, 8);
	write_reg(b, NVME_REG_ACQ, IOVA + ADMIN_CQ, 8);
	write_reg(b, NVME_REG_CC, NVME_CC_EN | 6 << 16 | 4 << 20, 4);
	while (!(b->pci->ops->bar_read(b->pci->model, 0, NVME_REG_CSTS, 4) & NVME_CSTS_RDY))
		sched_yield();
	admin(b, (struct nvme_cmd){.opcode = NVME_ADM_CREATE_CQ,
				   .prp1 = IOVA + IO_CQ,
				   .cdw10 = 1 | (QUEUE_NR - 1) << 16,
				   .cdw11 = 1});
	admin(b, (struct nvme_cmd){.opcode = NVME_ADM_CREATE_SQ,
				   .prp1 = IOVA + IO_SQ,
				   .cdw10 = 1 | (QUEUE_NR - 1) << 16,
				   .cdw11 = 1 | 1 << 16});
}

static void stop(struct bench *b)
{
	struct ioas_device *dev = ioas_pci_device(b->pci);

	b->pci->ops->reset(b->pci->model);
	ioas_device_detach(dev);
	ioas_device_unbind(dev);
	ioas_pci_remove(b->pci);
	ioas_space_put(b->space);
	ioas_iommu_destroy(b->iommu);
	munmap(b->memory, MEMORY_LEN);
}

static uint64_t reads(struct bench *b, unsigned depth)
{
	uint64_t begin = bench_now();
	unsigned out = 0;

	for (unsigned done = 0, sent = 0; done < OP_NR;) {
		while (out < depth && sent < OP_NR) {
			put(&b->io,
			    (struct nvme_cmd){.opcode = NVME_IO_READ,
					      .nsid = 1,
					      .cid = (uint16_t)sent,
					      .prp1 = IOVA + DATA + sent % depth * BLOCK,
					      .cdw10 = (uint32_t)bench_rnd(FILE_LEN / BLOCK) * 8,
					      .cdw12 = BLOCK / 512 - 1});
			sent++;
			out++;
		}
		ring(b, &b->io);
		unsigned nr = take(b, &b->io);

		done += nr;
		out -= nr;
	}
	return bench_now() - begin;
}

static uint64_t preads(int fd, void *buf)
{
	uint64_t begin = bench_now();

	for (unsigned i = 0; i < OP_NR; i++)
		if (pread(fd, buf, BLOCK, (off_t)(bench_rnd(FILE_LEN / BLOCK) * BLOCK)) != BLOCK)
			give_up(-EIO, "pread");
	return bench_now() - begin;
}

static void note(struct result *result, uint64_t total)
{
	double ns = (double)total / OP_NR;

	if (!result->ns || ns < result->ns)
		result->ns = ns;
	if (ns > result->spread)
		result->spread = ns;
}

static int make_file(char *path)
{
	int fd = mkstemp(path);
	void *buf = malloc(1 << 20);

	if (fd < 0)
		give_up(-errno, path);
	if (!buf)
		give_up(-ENOMEM, path);
	memset(buf, 0x5a, 1 << 20);
	for (unsigned i = 0; i < FILE_LEN >> 20; i++)
		if (write(fd, buf, 1 << 20) != 1 << 20)
			give_up(-EIO, "write");
	free(buf);
	return fd;
}

static void print(const struct result *result, unsigned nr, bool json)
{
	printf(json ? "{\"bench\":\"nvme\"" : "%-16s %10s %10s %10s\n", "4 KiB reads", "ns/op",
	       "worst", "x pread");
	for (unsigned i = 0; i < nr; i++)
		printf(json ? ",\"%s\":{\"ns\":%.1f,\"worst\":%.1f,\"ratio\":%.3f}"
			    : "%-16s %10.0f %10.0f %9.2fx\n",
		       result[i].name, result[i].ns, result[i].spread, result[i].ns / result[0].ns);
	if (json)
		printf("}\n");
}

int main(int argc, char **argv)
{
	struct result result[] = {{.name = "pread"},
				  {.name = "null QD1"},
				  {.name = "null QD32"},
				  {.name = "file QD1"},
				  {.name = "file QD32"}};
	char path[] = "bench-nvme-XXXXXX", device[64];
	struct bench null = {0}, file = {0};
	int fd = make_file(path);

	start(&null, "nvme,drive=null,size=64M");
	snprintf(device, sizeof(device), "nvme,drive=%s", path);
	start(&file, device);
	unlink(path);
	for (unsigned round = 0; round < ROUND_NR; round++) {
		note(&result[0], preads(fd, file.memory + DATA));
		note(&result[1], reads(&null, 1));
		note(&result[2], reads(&null, DEPTH_MAX));
		note(&result[3], reads(&file, 1));
		note(&result[4], reads(&file, DEPTH_MAX));
	}
	stop(&null);
	stop(&file);
	close(fd);
	print(result, sizeof(result) / sizeof(result[0]), argc > 1 && !strcmp(argv[1], "--json"));
	return 0;
}
