/* SPDX-License-Identifier: MIT */
/*
 * What a trace costs: IOMMU_IOAS_MAP and IOMMU_IOAS_UNMAP of a page through the ioctl door, and a
 * 64-byte TLP, with nobody listening, with a hook that does nothing, with one that makes the line,
 * and with one that appends it to a file. The peer is "off", in turns; a transaction that passes is
 * told of to nobody, so that its ratio has to be 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <ioas/device.h>
#include <ioas/door.h>
#include <ioas/space.h>
#include <ioas/tlp.h>
#include <ioas/trace.h>
#include <ioas/uapi/iommufd.h>
#include "bench/bench.h"
#include "mem/mem.h"
#include "route/route.h"

#define PAGE   4096ull
#define IOVA   0x100000000ull
#define OP_NR  2000u
#define TLP_NR 20000u
#define RW     (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)

enum { MAP, UNMAP, TLP, WHAT_NR };
enum { OFF, NOTHING, LINE, FILE_TOO, HOW_NR };

static const struct {
	const char *key, *name;
} whats[WHAT_NR] = {{"map", "MAP"}, {"unmap", "UNMAP"}, {"tlp", "TLP of 64 bytes"}},
  hows[HOW_NR] = {{"off", ""},
		  {"hook", "a hook that does nothing"},
		  {"line", "one that makes the line"},
		  {"file", "one that appends it to a file"}};

struct bench {
	struct ioas_iommu *iommu;
	struct ioas_file *file;
	struct ioas_device *dev;
	struct ioas_space *space;
	struct ioas_issuer *issuer;
	uint32_t ioas;
	double ns[WHAT_NR][BENCH_PAIRS]; /* of one */
};

static struct bench benches[HOW_NR];
static unsigned pair;
static char *memory;
static int out;
static uint64_t lines;

static void hear_nothing(void *host, const struct ioas_trace_event *event)
{
}

static size_t make_line(const struct ioas_trace_event *event, char *line)
{
	struct ioas_trace_stamp stamp = {.seq = ++lines, .pid = 1, .tid = 1};

	stamp.time_ns = bench_now();
	return ioas_trace_format(event, &stamp, line, IOAS_TRACE_LINE_MAX);
}

static void hear_line(void *host, const struct ioas_trace_event *event)
{
	char line[IOAS_TRACE_LINE_MAX];

	make_line(event, line);
}

static void hear_file(void *host, const struct ioas_trace_event *event)
{
	char line[IOAS_TRACE_LINE_MAX];
	size_t len = make_line(event, line);

	if (write(out, line, len) != (ssize_t)len)
		bench_must(-EIO, "writing a line");
}

static void start(struct bench *bench, const struct ioas_host_ops *ops)
{
	const struct ioas_iommu_config config = {.host_ops = ops};
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct ioas_node node;
	iova_t iova = IOVA;

	bench_must(ioas_iommu_new(&config, &bench->iommu), "instance");
	bench_must(ioas_node_at(bench->iommu, 0, &node), "node");
	bench_must(
		ioas_file_open(bench->iommu, mem_self_caller(), &node, O_RDWR, &bench->file, NULL),
		"open");
	bench_must((int)ioas_file_ioctl(bench->file, mem_self_caller(), IOMMU_IOAS_ALLOC,
					(uintptr_t)&alloc, NULL),
		   "IOAS_ALLOC");
	bench->ioas = alloc.out_ioas_id;
	bench_must(route_device_new(bench->iommu, "0000:01:00.0", 0, 0x100, &bench->dev), "device");
	bench_must(ioas_device_bind(bench->dev, IOAS_FORM_RID, 0, NULL), "bind");
	route_dma_enable(bench->dev, true);
	bench_must(ioas_space_new(bench->iommu, &bench->space), "space");
	bench_must(ioas_device_attach(bench->dev, bench->space, NULL), "attach");
	bench_must(ioas_space_map(bench->space, NULL, &iova, (uintptr_t)memory, PAGE,
				  IOAS_MAP_FIXED | IOAS_MAP_READ | IOAS_MAP_WRITE, NULL),
		   "map");
	bench_must(ioas_issuer_new(bench->dev, &bench->issuer), "issuer");
}

static void stop(struct bench *bench)
{
	ioas_issuer_destroy(bench->issuer);
	ioas_device_detach(bench->dev);
	ioas_device_unbind(bench->dev);
	route_device_destroy(bench->dev);
	ioas_space_put(bench->space);
	ioas_file_put(bench->file);
	ioas_iommu_destroy(bench->iommu);
}

static void map(struct bench *bench)
{
	uint64_t begin = bench_cpu();

	for (uint64_t i = 0; i < OP_NR; i++) {
		struct iommu_ioas_map cmd = {
			.size = sizeof(cmd),
			.flags = RW | IOMMU_IOAS_MAP_FIXED_IOVA,
			.ioas_id = bench->ioas,
			.user_va = (uintptr_t)memory,
			.length = PAGE,
			.iova = IOVA + i * PAGE,
		};

		bench_must((int)ioas_file_ioctl(bench->file, mem_self_caller(), IOMMU_IOAS_MAP,
						(uintptr_t)&cmd, NULL),
			   "IOAS_MAP");
	}
	bench->ns[MAP][pair] = (double)(bench_cpu() - begin) / OP_NR;
}

static void unmap(struct bench *bench)
{
	uint64_t begin = bench_cpu();

	for (uint64_t i = 0; i < OP_NR; i++) {
		struct iommu_ioas_unmap cmd = {
			.size = sizeof(cmd),
			.ioas_id = bench->ioas,
			.iova = IOVA + i * PAGE,
			.length = PAGE,
		};

		bench_must((int)ioas_file_ioctl(bench->file, mem_self_caller(), IOMMU_IOAS_UNMAP,
						(uintptr_t)&cmd, NULL),
			   "IOAS_UNMAP");
	}
	bench->ns[UNMAP][pair] = (double)(bench_cpu() - begin) / OP_NR;
}

static void send(struct bench *bench)
{
	char bytes[64] = "";
	uint64_t begin = bench_cpu();

	for (unsigned i = 0; i < TLP_NR; i++)
		bench_must(ioas_dma_write(bench->issuer, IOVA + i % 64 * 64, bytes, sizeof(bytes)),
			   "TLP");
	bench->ns[TLP][pair] = (double)(bench_cpu() - begin) / TLP_NR;
}

static void show(unsigned what, unsigned how, bool json)
{
	struct bench_row row = {.bench = "trace", .peer = "nobody listens"};
	char key[64], name[64];

	snprintf(key, sizeof(key), "%s_%s", whats[what].key, hows[how].key);
	snprintf(name, sizeof(name), "%s, %s", whats[what].name, hows[how].name);
	row.key = key;
	row.name = name;
	memcpy(row.ours, benches[how].ns[what], sizeof(row.ours));
	memcpy(row.theirs, benches[OFF].ns[what], sizeof(row.theirs));
	bench_show(&row, json);
}

int main(int argc, char **argv)
{
	static const struct ioas_host_ops ops[HOW_NR] = {
		[NOTHING] = {.trace = hear_nothing},
		[LINE] = {.trace = hear_line},
		[FILE_TOO] = {.trace = hear_file},
	};
	char name[] = "/tmp/ioas-bench-XXXXXX";
	bool json = bench_wants_json(argc, argv);

	memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	out = mkostemp(name, O_APPEND);
	if (memory == MAP_FAILED || out < 0)
		bench_must(-errno, "memory and a file");
	unlink(name);
	for (unsigned h = 0; h < HOW_NR; h++)
		start(&benches[h], &ops[h]);
	for (pair = 0; pair < bench_windows(); pair++) {
		for (unsigned h = 0; h < HOW_NR; h++) {
			map(&benches[h]);
			unmap(&benches[h]);
			send(&benches[h]);
		}
		bench_must(ftruncate(out, 0), "file");
	}
	for (unsigned h = 0; h < HOW_NR; h++)
		stop(&benches[h]);
	for (unsigned w = 0; w < WHAT_NR; w++)
		for (unsigned h = OFF + 1; h < HOW_NR; h++)
			show(w, h, json);
	return 0;
}
