/* SPDX-License-Identifier: MIT */
/* A machine in the engine, and the same in the model. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ioas/topology_text.h>
#include "mem/mem.h"
#include "pci/pci.h"
#include "rig.h"

#define FD_CTX	 100
#define FD_CDEV	 200
#define FD_QUEUE 300
#define ARENA	 0x200000000000ul

_Noreturn void rig_differs(const struct rig *rig, const char *what, long long got, long long want)
{
	fprintf(stderr, "step %u%s%s: %s: the engine says %lld, the model %lld\n%s%s", rig->step,
		rig->doing[0] ? ", " : "", rig->doing, what, got, want, rig->why.text,
		rig->why.text[0] ? "\n" : "");
	abort();
}

void rig_say(struct rig *rig, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(rig->doing, sizeof(rig->doing), format, args);
	va_end(args);
	if (rig->aloud)
		fprintf(stderr, "%u: %s\n", rig->step, rig->doing);
}

int rig_ctx_fd(unsigned ctx)
{
	return FD_CTX + (int)ctx;
}

unsigned rig_queue_of(uint32_t fd)
{
	return fd - FD_QUEUE;
}

int rig_cdev_fd(unsigned dev, unsigned which)
{
	return FD_CDEV + (int)(2 * dev + which);
}

static int file_get(struct ioas_caller *caller, int fd, struct ioas_file **out)
{
	struct rig *rig = (struct rig *)caller;
	struct ioas_file *file = NULL;

	if (fd < FD_CTX)
		return -EBADFD;
	if (fd < FD_CTX + (int)M_CTXS)
		file = rig->ctx[fd - FD_CTX];
	else if (fd >= FD_CDEV && fd < FD_CDEV + 2 * (int)M_DEVS)
		file = rig->cdev[(fd - FD_CDEV) / 2][(fd - FD_CDEV) % 2];
	if (!file)
		return -EBADF;
	*out = ioas_file_get(file);
	return 0;
}

static int file_install(struct ioas_caller *caller, struct ioas_file *file)
{
	struct rig *rig = (struct rig *)caller;

	for (unsigned i = 0; i < RIG_QUEUES; i++)
		if (!rig->queue[i].file) {
			rig->queue[i].file = file;
			return FD_QUEUE + (int)i;
		}
	return -EMFILE;
}

static int capable(struct ioas_caller *caller, int cap)
{
	return ((struct rig *)caller)->privileged;
}

/* This process is the program; only its descriptors are not its own. */
static const struct ioas_caller_ops *caller_ops(void)
{
	static struct ioas_caller_ops ops;

	ops = *mem_self_caller()->ops;
	ops.file_get = file_get;
	ops.file_install = file_install;
	ops.capable = capable;
	return &ops;
}

static uint64_t bar_read(void *model, unsigned bar, uint64_t off, unsigned size)
{
	struct rig_device *dev = model;
	uint64_t value = 0;

	memcpy(&value, dev->regs + off, size);
	return value;
}

static void bar_write(void *model, unsigned bar, uint64_t off, uint64_t value, unsigned size)
{
	struct rig_device *dev = model;

	memcpy(dev->regs + off, &value, size);
}

static void reset(void *model)
{
	((struct rig_device *)model)->resets++;
}

static void nothing(void *model)
{
}

static const struct ioas_pci_ops pci_ops = {
	.bar_read = bar_read,
	.bar_write = bar_write,
	.reset = reset,
	.suspend = nothing,
	.resume = nothing,
	.destroy = nothing,
};

static void must(struct rig *rig, const char *what, int rc)
{
	if (rc)
		rig_differs(rig, what, rc, 0);
}

static void plant(struct rig *rig)
{
	struct ioas_topology *topology;

	must(rig, "topology", ioas_topology_new(&topology));
	for (const char *const *line = fuzz_machine.lines; *line; line++)
		must(rig, *line, ioas_topology_add_line(topology, *line, &rig->why));
	must(rig, "resolve", ioas_topology_resolve(topology, &rig->why));
	must(rig, "machine", ioas_pci_machine(rig->iommu, topology, &rig->why));
	ioas_topology_destroy(topology);
}

static void add_device(struct rig *rig, unsigned i)
{
	const struct m_function *f = &fuzz_machine.function[i];
	const struct ioas_pci_desc desc = {
		.vendor = 0x1b36,
		.device = 0x11e8,
		.class_code = 0xff0000,
		.bar = {{.len = M_BAR, .flags = IOAS_PCI_BAR_64}},
		.pasid_lg2 = f->model_pasid_lg2,
		.shared_queue = f->shared,
		.ats = f->ats,
		.page_request_nr = f->page_request_nr,
	};
	struct rig_device *dev = &rig->device[i];
	struct ioas_pci_addr addr;

	dev->rig = rig;
	dev->index = i;
	rig->granted[i] = -1;
	must(rig, f->addr, ioas_pci_addr_parse(f->addr, &addr));
	must(rig, f->addr,
	     ioas_pci_add(rig->iommu, addr, &desc, &pci_ops, dev, &dev->pci, &rig->why));
	must(rig, f->addr, ioas_issuer_new(ioas_pci_device(dev->pci), &dev->issuer));
	if (f->ats)
		rig_open_ats(dev);
	if (f->page_request_nr)
		rig_open_pri(dev);
	rig->model.dev[i].bar = dev->pci->bar_base[0];
	rig->model.dev[i].resets = dev->resets;
}

struct rig *rig_new(const uint8_t *data, size_t len, bool checked)
{
	struct ioas_iommu_config config = {.check_invalidation = checked, .check_dirty = checked};
	/* Zero pages, of which most are never touched. */
	struct rig *rig = mmap(NULL, sizeof(*rig), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t arena_len = (RIG_ARENA + 1) * M_PAGE;
	struct m_memory *own;

	if (rig == MAP_FAILED)
		abort();
	own = &rig->model.memory[0];
	rig->aloud = getenv("FUZZ_ALOUD");
	rig->in = (struct input){data, data + len};
	rig->checked = checked;
	rig->caller.ops = caller_ops();
	rig->noise = 0x2545f4914f6cdd1dull;
	m_init(&rig->model, &fuzz_machine);
	must(rig, "instance", ioas_iommu_new(&config, &rig->iommu));
	plant(rig);
	for (unsigned i = 0; i < fuzz_machine.function_nr; i++)
		add_device(rig, i);
	/* The same each time, since how memory is aligned decides where it is mapped. */
	rig->arena = mmap((void *)ARENA, arena_len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	rig->bitmap = malloc(2 * RIG_BITMAP);
	own->bytes = malloc(RIG_PAGES * M_PAGE);
	if (rig->arena == MAP_FAILED || !rig->bitmap || !own->bytes)
		abort();
	for (size_t i = 0; i < RIG_PAGES * M_PAGE; i++)
		rig->arena[i] = (uint8_t)(i * 31 + i / M_PAGE * 7);
	memcpy(own->bytes, rig->arena, RIG_PAGES * M_PAGE);
	mprotect(rig->arena + RIG_WRITABLE * M_PAGE, (RIG_PAGES - RIG_WRITABLE) * M_PAGE,
		 PROT_READ);
	mprotect(rig->arena + RIG_PAGES * M_PAGE, arena_len - RIG_PAGES * M_PAGE, PROT_NONE);
	own->va = (uintptr_t)rig->arena;
	own->page_nr = RIG_PAGES;
	own->writable_nr = RIG_WRITABLE;
	rig_files_new(rig);
	return rig;
}

void rig_destroy(struct rig *rig)
{
	for (unsigned i = 0; i < M_CTXS; i++)
		if (rig->ctx[i])
			ioas_file_put(rig->ctx[i]);
	for (unsigned d = 0; d < M_DEVS; d++)
		for (unsigned k = 0; k < 2; k++)
			if (rig->cdev[d][k])
				ioas_file_put(rig->cdev[d][k]);
	for (unsigned i = 0; i < RIG_QUEUES; i++)
		if (rig->queue[i].file)
			ioas_file_put(rig->queue[i].file);
	for (unsigned d = 0; d < fuzz_machine.function_nr; d++)
		ioas_issuer_destroy(rig->device[d].issuer);
	ioas_iommu_destroy(rig->iommu);
	munmap(rig->arena, (RIG_ARENA + 1) * M_PAGE);
	free(rig->bitmap);
	free(rig->model.memory[0].bytes);
	rig_files_destroy(rig);
	munmap(rig, sizeof(*rig));
}

long rig_ioctl(struct rig *rig, struct ioas_file *file, unsigned long cmd, const void *arg)
{
	long rc;

	rig->why.text[0] = '\0';
	rc = ioas_file_ioctl(file, &rig->caller, cmd, (uintptr_t)arg, &rig->why);
	if (rig->aloud)
		fprintf(stderr, "\t%ld %s\n", rc, rig->why.text);
	rig_expect(rig, "a reason", rig->why.text[0] != '\0', rc < 0);
	fuzz_counts.operations++;
	fuzz_counts.refused += rc < 0;
	return rc;
}

static void compare(struct rig *rig, unsigned memory, const uint8_t *got)
{
	const struct m_memory *want = &rig->model.memory[memory];
	size_t len = want->page_nr * M_PAGE;

	fuzz_counts.compared_len += len;
	if (!len || !memcmp(got, want->bytes, len))
		return;
	for (size_t i = 0; i < len; i++)
		if (got[i] != want->bytes[i]) {
			fprintf(stderr, "byte %u of page %u of memory %u\n", (unsigned)(i % M_PAGE),
				(unsigned)(i / M_PAGE), memory);
			rig_differs(rig, "memory", got[i], want->bytes[i]);
		}
}

void rig_compare(struct rig *rig)
{
	compare(rig, 0, rig->arena);
	for (unsigned i = 0; i < RIG_FILES; i++)
		if (rig->seen[i])
			compare(rig, i + 1, rig->seen[i]);
}

void rig_compare_regs(struct rig *rig)
{
	for (unsigned d = 0; d < rig->model.dev_nr; d++) {
		fuzz_counts.compared_len += M_BAR;
		rig_expect(rig, "registers differ",
			   memcmp(rig->device[d].regs, rig->model.dev[d].regs, M_BAR) != 0, false);
		rig_expect(rig, "resets", rig->device[d].resets, rig->model.dev[d].resets);
	}
}

int rig_pick_ctx(struct rig *rig)
{
	unsigned first = input_below(&rig->in, 4) % M_CTXS;

	for (unsigned i = 0; i < M_CTXS; i++)
		if (rig->ctx[(first + i) % M_CTXS])
			return (int)((first + i) % M_CTXS);
	return -1;
}

/* Few places, so that things meet: around 2 MiB, at 0, at interrupts, at the ends of widths. */
uint64_t rig_pick_iova(struct rig *rig, const struct m_ioas *ioas)
{
	struct input *in = &rig->in;
	unsigned place = input_below(in, 24);
	uint64_t at;

	if (place >= 9 && ioas && ioas->area_nr) {
		const struct m_area *area = &ioas->area[input_below(in, ioas->area_nr)];
		uint64_t pages = (area->last - area->first) / M_PAGE;

		return place == 23  ? area->last + 1
		       : place < 17 ? area->first
				    : area->first + input_below(in, (uint32_t)pages + 1) * M_PAGE;
	}
	switch (place) {
	case 0:
		at = 0;
		break;
	case 1:
		at = 0xfee00000 - 2 * M_PAGE;
		break;
	case 2:
		at = 0xfeefe000;
		break;
	case 3:
		at = (1ull << 39) - 2 * M_PAGE;
		break;
	case 4:
		at = input_below(in, 2) ? (1ull << 48) - 2 * M_PAGE : -4 * M_PAGE;
		break;
	case 5:
		at = rig->model.dev[input_below(in, rig->model.dev_nr)].bar;
		break;
	default:
		at = 0x1f0000 + input_below(in, 24) * M_PAGE;
		break;
	}
	at += input_below(in, 4) * M_PAGE;
	return input_rarely(in, 16) ? at + input_byte(in) * 16 : at;
}

uint64_t rig_pick_len(struct rig *rig)
{
	struct input *in = &rig->in;

	if (input_rarely(in, 24))
		switch (input_below(in, 8)) {
		case 0:
			return 0;
		case 1:
			return UINT64_MAX;
		case 2:
			return input_u64(in);
		case 3:
			return UINT64_MAX - M_PAGE + 1;
		case 4:
		case 5:
			return M_PAGE << input_below(in, 12);
		default:
			return 1 + input_below(in, 5000);
		}
	return (1 + input_below(in, 6)) * M_PAGE;
}
