/* SPDX-License-Identifier: MIT */
/* One device model in a program's hands. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ioas/model.h>
#include <ioas/tlpgun_regs.h>
#include <ioas/uapi/iommufd.h>
#include <ioas/uapi/vfio.h>
#include "mem/mem.h"
#include "bench.h"

#define CTX_FD	3000
#define REGION	40
#define CONFIG	7u
#define COMMAND 4u
#define MASTER	6u /* and memory decoding */

_Noreturn void bench_wrong(const char *what, long long value)
{
	fprintf(stderr, "%s: %lld\n", what, value);
	abort();
}

static void must(const char *what, long rc)
{
	if (rc)
		bench_wrong(what, rc);
}

static int file_get(struct ioas_caller *caller, int fd, struct ioas_file **out)
{
	struct bench *bench = (struct bench *)caller;

	if (fd != CTX_FD)
		return -EBADF;
	*out = ioas_file_get(bench->ctx);
	return 0;
}

static const struct ioas_caller_ops *caller_ops(void)
{
	static struct ioas_caller_ops ops;

	ops = *mem_self_caller()->ops;
	ops.file_get = file_get;
	return &ops;
}

static struct ioas_file *open_kind(struct bench *bench, enum ioas_node_kind kind)
{
	struct ioas_node node;
	struct ioas_file *file;

	for (size_t i = 0; !ioas_node_at(bench->iommu, i, &node); i++)
		if (node.kind == kind) {
			must(node.path, ioas_file_open(bench->iommu, &bench->caller, &node, O_RDWR,
						       &file, &bench->why));
			return file;
		}
	bench_wrong("no node of kind", kind);
}

long bench_ioctl(struct bench *bench, unsigned long cmd, void *arg)
{
	struct ioas_file *file = (cmd & 0xff) >= 0x80 ? bench->ctx : bench->dev;
	long rc = ioas_file_ioctl(file, &bench->caller, cmd, (uintptr_t)arg, &bench->why);

	fuzz_counts.operations++;
	fuzz_counts.refused += rc < 0;
	return rc;
}

static void attach(struct bench *bench)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = CTX_FD};
	struct iommu_ioas_alloc ioas = {.size = sizeof(ioas)};
	struct vfio_device_attach_iommufd_pt pt = {.argsz = 12};
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.user_va = (uintptr_t)bench->memory,
		.length = BENCH_PAGES * BENCH_PAGE,
		.iova = BENCH_IOVA,
	};

	must("bind", bench_ioctl(bench, VFIO_DEVICE_BIND_IOMMUFD, &bind));
	must("IOAS", bench_ioctl(bench, IOMMU_IOAS_ALLOC, &ioas));
	map.ioas_id = pt.pt_id = ioas.out_ioas_id;
	must("map", bench_ioctl(bench, IOMMU_IOAS_MAP, &map));
	must("attach", bench_ioctl(bench, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &pt));
}

void bench_open(struct bench *bench, const char *model, const uint8_t *data, size_t len)
{
	memset(bench, 0, sizeof(*bench));
	bench->in = (struct input){data, data + len};
	bench->caller.ops = caller_ops();
	bench->memory = mmap(NULL, 2 * BENCH_PAGES * BENCH_PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bench->memory == MAP_FAILED)
		abort();
	memset(bench->memory, 0x5a, 2 * BENCH_PAGES * BENCH_PAGE);
	must("instance", ioas_iommu_new(NULL, &bench->iommu));
	if (ioas_model_create(bench->iommu, model, NULL, &bench->why))
		bench_wrong(bench->why.text, 0);
	bench->ctx = open_kind(bench, IOAS_NODE_IOMMU);
	bench->dev = open_kind(bench, IOAS_NODE_VFIO_CDEV);
	attach(bench);
	bench_reset(bench);
}

void bench_close(struct bench *bench)
{
	const uint8_t *beyond = bench->memory + BENCH_PAGES * BENCH_PAGE;

	ioas_file_put(bench->dev);
	ioas_file_put(bench->ctx);
	ioas_iommu_destroy(bench->iommu);
	for (size_t i = 0; i < BENCH_PAGES * BENCH_PAGE; i++)
		if (beyond[i] != 0x5a)
			bench_wrong("memory that is not mapped has changed at byte", (long long)i);
	fuzz_counts.compared_len += BENCH_PAGES * BENCH_PAGE;
	munmap(bench->memory, 2 * BENCH_PAGES * BENCH_PAGE);
}

uint64_t bench_read(struct bench *bench, unsigned region, uint64_t off, unsigned size)
{
	uint64_t value = 0;

	fuzz_counts.operations++;
	ioas_file_pread(bench->dev, &bench->caller, (uintptr_t)&value, size,
			(uint64_t)region << REGION | off);
	return value;
}

void bench_write(struct bench *bench, unsigned region, uint64_t off, uint64_t value, unsigned size)
{
	fuzz_counts.operations++;
	ioas_file_pwrite(bench->dev, &bench->caller, (uintptr_t)&value, size,
			 (uint64_t)region << REGION | off);
}

void bench_wait(struct bench *bench, uint64_t off, uint32_t mask, uint32_t want)
{
	const struct timespec nap = {.tv_nsec = 100000};

	for (unsigned i = 0; i < 100000; i++) {
		if (((uint32_t)bench_read(bench, 0, off, 4) & mask) == want)
			return;
		if (i > 100)
			nanosleep(&nap, NULL);
	}
	bench_wrong("a register that does not come to what it must", (long long)off);
}

void bench_reset(struct bench *bench)
{
	must("RESET", bench_ioctl(bench, VFIO_DEVICE_RESET, NULL));
	bench_write(bench, CONFIG, COMMAND, MASTER, 2);
}

/* Where registers are: the low ones mostly. */
static uint64_t pick_off(struct bench *bench)
{
	switch (input_below(&bench->in, 8)) {
	case 0:
		return input_below(&bench->in, 0x5000);
	case 1:
		return 0x1000 + 4 * input_below(&bench->in, 16);
	case 2:
		return input_u64(&bench->in);
	default:
		return 4 * input_below(&bench->in, 64);
	}
}

static uint64_t pick_value(struct bench *bench)
{
	switch (input_below(&bench->in, 4)) {
	case 0:
		return input_u64(&bench->in);
	case 1:
		return BENCH_IOVA + 16 * input_below(&bench->in, BENCH_PAGES * 256);
	default:
		return input_below(&bench->in, 256);
	}
}

/* But for those that take it out of our hands: bind, attach, detach. */
static void any_ioctl(struct bench *bench)
{
	uint8_t arg[128] = {0};
	uint32_t argsz = 8 + input_below(&bench->in, 64);
	unsigned nr = 7 + input_below(&bench->in, 11);

	fuzz_counts.bad++;
	memcpy(arg, &argsz, sizeof(argsz));
	for (unsigned i = 4; i < 32; i++)
		arg[i] = input_below(&bench->in, 2) ? input_byte(&bench->in) % 8 : 0;
	bench_ioctl(bench, _IO(VFIO_TYPE, VFIO_BASE + nr), arg);
}

void bench_step_registers(struct bench *bench)
{
	struct input *in = &bench->in;
	unsigned choice = input_below(in, 16), region = input_below(in, 9) % 8;
	unsigned size = 1u << input_below(in, 4);
	uint64_t off = pick_off(bench), value;

	switch (choice) {
	case 0:
		bench_write(bench, CONFIG, off % 4096, pick_value(bench), size);
		return;
	case 1:
		bench_read(bench, region, off, size);
		return;
	case 2:
		value = pick_value(bench);
		fuzz_counts.operations++;
		ioas_file_access(bench->dev, (uint64_t)region << REGION | off, input_below(in, 2),
				 &value, size);
		return;
	case 3:
		any_ioctl(bench);
		return;
	case 4:
		bench_reset(bench);
		return;
	default:
		bench_write(bench, region % 3 == 1 ? 2 : 0, off % 0x6000, pick_value(bench), size);
		return;
	}
}

/* A burst: every register it goes by, then the doorbell. */
void bench_step_tlpgun(struct bench *bench)
{
	struct input *in = &bench->in;
	uint32_t ctrl = input_below(in, 64) | input_below(in, 2) << 16;

	bench_write(bench, 0, IOAS_TLPGUN_DOORBELL, IOAS_TLPGUN_STOP, 4);
	bench_write(bench, 0, IOAS_TLPGUN_ADDR, pick_value(bench), 8);
	bench_write(bench, 0, IOAS_TLPGUN_LEN, pick_value(bench), 8);
	bench_write(bench, 0, IOAS_TLPGUN_COUNT, input_below(in, 64), 8);
	bench_write(bench, 0, IOAS_TLPGUN_STRIDE, pick_value(bench), 8);
	bench_write(bench, 0, IOAS_TLPGUN_BUF, pick_value(bench), 8);
	bench_write(bench, 0, IOAS_TLPGUN_BUF_STRIDE, input_rarely(in, 4) ? pick_value(bench) : 0,
		    8);
	bench_write(bench, 0, IOAS_TLPGUN_RID, input_below(in, 1000), 4);
	bench_write(bench, 0, IOAS_TLPGUN_PASID, input_below(in, 4), 4);
	bench_write(bench, 0, IOAS_TLPGUN_CTRL, ctrl, 4);
	bench_write(bench, 0, IOAS_TLPGUN_DOORBELL, 1 + input_below(in, 2), 4);
}

void bench_check_tlpgun(struct bench *bench)
{
	uint64_t word = 0x1122334455667788ull;

	bench_reset(bench);
	if (bench_read(bench, 0, IOAS_TLPGUN_ID, 4) != IOAS_TLPGUN_MAGIC)
		bench_wrong("not a tlpgun any more", 0);
	bench_write(bench, IOAS_TLPGUN_BAR_BUFFER, 0, word, 8);
	bench_write(bench, 0, IOAS_TLPGUN_ADDR, BENCH_IOVA + 64, 8);
	bench_write(bench, 0, IOAS_TLPGUN_LEN, 8, 8);
	bench_write(bench, 0, IOAS_TLPGUN_CTRL, IOAS_TLPGUN_WRITE, 4);
	bench_write(bench, 0, IOAS_TLPGUN_DOORBELL, IOAS_TLPGUN_SHOOT, 4);
	bench_wait(bench, IOAS_TLPGUN_STATUS, IOAS_TLPGUN_BUSY | IOAS_TLPGUN_ENDED,
		   IOAS_TLPGUN_ENDED);
	if (memcmp(bench->memory + 64, &word, 8))
		bench_wrong("what was sent did not arrive, of", 8);
}
