/* SPDX-License-Identifier: MIT */
/* An NVMe controller that is told anything, and then has to work. */
#include <string.h>
#include <time.h>
#include "models/nvme/spec.h"
#include "bench.h"

/* Pages of the memory: admin queues, I/O queues, data. */
#define ENTRIES 16u
#define DATA	4u

static uint64_t iova(unsigned page)
{
	return BENCH_IOVA + page * BENCH_PAGE;
}

static void begin(struct bench *bench)
{
	bench_write(bench, 0, NVME_REG_CC, 0, 4);
	memset(bench->memory, 0, 4 * BENCH_PAGE);
	bench_write(bench, 0, NVME_REG_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1), 4);
	bench_write(bench, 0, NVME_REG_ASQ, iova(0), 8);
	bench_write(bench, 0, NVME_REG_ACQ, iova(1), 8);
	bench_write(bench, 0, NVME_REG_CC, 6u << 16 | 4u << 20 | NVME_CC_EN, 4);
}

static void put(struct bench *bench, unsigned queue, unsigned slot, const struct nvme_cmd *cmd)
{
	memcpy(bench->memory + 2 * queue * BENCH_PAGE + slot % ENTRIES * sizeof(*cmd), cmd,
	       sizeof(*cmd));
	bench_write(bench, 0, NVME_REG_DOORBELLS + 8 * queue, (slot + 1) % ENTRIES, 4);
}

/* A pair of I/O queues, number 1. What of it succeeds is no matter. */
void bench_nvme_enable(struct bench *bench)
{
	struct nvme_cmd cq = {.opcode = NVME_ADM_CREATE_CQ,
			      .prp1 = iova(3),
			      .cdw10 = (ENTRIES - 1) << 16 | 1,
			      .cdw11 = 1};
	struct nvme_cmd sq = {.opcode = NVME_ADM_CREATE_SQ,
			      .prp1 = iova(2),
			      .cdw10 = (ENTRIES - 1) << 16 | 1,
			      .cdw11 = 1u << 16 | 1};
	const struct timespec nap = {.tv_nsec = 50000};

	begin(bench);
	for (unsigned i = 0; i < 100 && !(bench_read(bench, 0, NVME_REG_CSTS, 4) & NVME_CSTS_RDY);
	     i++)
		nanosleep(&nap, NULL);
	put(bench, 0, 0, &cq);
	put(bench, 0, 1, &sq);
	nanosleep(&nap, NULL);
}

static uint64_t pick_prp(struct bench *bench)
{
	struct input *in = &bench->in;
	uint64_t at = iova(DATA + input_below(in, 8));

	switch (input_below(in, 8)) {
	case 0:
		return input_u64(in);
	case 1:
		return at + 4 * input_below(in, 1024);
	case 2:
		return iova(BENCH_PAGES + input_below(in, 2));
	default:
		return at;
	}
}

static uint32_t pick_dword(struct bench *bench)
{
	switch (input_below(&bench->in, 4)) {
	case 0:
		return (uint32_t)input_u64(&bench->in);
	case 1:
		return input_below(&bench->in, 3000);
	default:
		return input_below(&bench->in, 10);
	}
}

void bench_step_nvme(struct bench *bench)
{
	static const uint8_t opcodes[] = {0, 1, 2, 2, 4, 5, 6, 8, 9, 10, 12, 1, 2, 5, 8, 9};
	static const uint32_t nsids[] = {1, 1, 1, 0, 2, NVME_NSID_ALL};
	struct input *in = &bench->in;
	unsigned queue = input_below(in, 2), slot = input_below(in, ENTRIES);
	struct nvme_cmd cmd = {.cid = slot};
	const struct timespec nap = {.tv_nsec = 20000};

	cmd.opcode = input_below(in, 16) ? opcodes[input_below(in, 16)] : input_byte(in);
	cmd.flags = input_rarely(in, 16) ? input_byte(in) : 0;
	cmd.nsid = nsids[input_below(in, 6)];
	cmd.prp1 = pick_prp(bench);
	cmd.prp2 = pick_prp(bench);
	cmd.cdw10 = pick_dword(bench);
	cmd.cdw11 = input_below(in, 4) ? 0 : pick_dword(bench);
	cmd.cdw12 = pick_dword(bench);
	cmd.cdw13 = input_below(in, 4) ? 0 : pick_dword(bench);
	/* Lists of pages, or of ranges. */
	for (unsigned i = 0; input_below(in, 2) && i < 8; i++) {
		uint64_t entry = pick_prp(bench);

		memcpy(bench->memory + (DATA + i % 4) * BENCH_PAGE + 8 * i, &entry, 8);
	}
	put(bench, queue, slot, &cmd);
	if (input_rarely(in, 4))
		nanosleep(&nap, NULL);
	if (input_rarely(in, 4))
		bench_write(bench, 0, NVME_REG_DOORBELLS + 8 * queue + 4, slot, 4);
}

void bench_check_nvme(struct bench *bench)
{
	struct nvme_cmd identify = {
		.opcode = NVME_ADM_IDENTIFY, .cid = 7, .prp1 = iova(DATA), .cdw10 = 1};
	const volatile uint16_t *status = (void *)(bench->memory + BENCH_PAGE + 14);
	const struct timespec nap = {.tv_nsec = 100000};

	bench_reset(bench);
	begin(bench);
	bench_wait(bench, NVME_REG_CSTS, NVME_CSTS_RDY | NVME_CSTS_CFS, NVME_CSTS_RDY);
	memset(bench->memory + DATA * BENCH_PAGE, 0, BENCH_PAGE);
	put(bench, 0, 0, &identify);
	for (unsigned i = 0; !(__atomic_load_n(status, __ATOMIC_ACQUIRE) & 1); i++) {
		if (i == 100000)
			bench_wrong("IDENTIFY after a reset does not end", 0);
		nanosleep(&nap, NULL);
	}
	if (*status != 1)
		bench_wrong("IDENTIFY after a reset fails", *status >> 1);
	if (!bench->memory[DATA * BENCH_PAGE] && !bench->memory[DATA * BENCH_PAGE + 1])
		bench_wrong("IDENTIFY after a reset tells nothing", 0);
}
