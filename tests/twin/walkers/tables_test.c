/* SPDX-License-Identifier: MIT */
/*
 * Description: QEMU's IOMMU models, and its x86 and RISC-V processors, walk page tables of ours, in
 * the memory where we made them, and find what we say is there: the same bytes at each address that
 * is mapped, and a fault everywhere else. Maps and unmaps go on meanwhile.
 * walkers vtd|amd|smmu|x86|x86-5l|riscv [PROBES]; 77: there is no QEMU.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include "pt/pt.h"
#include "qemu.h"
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_UNPOISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#endif

#define RW	 (IOAS_PROT_READ | IOAS_PROT_WRITE)
#define AREA_MAX 48
#define POISON	 0x5a5a5a5a5a5a5a5aull

/* The guest's memory: structures of the IOMMU, tables, a page for results, data. */
#define TABLES_LEN (64ull << 20)
#define RESULT_LEN (1ull << 16)
#define DATA_LEN   (128ull << 20)

static struct qemu q;
static uint64_t tables_at, tables_end, result_page, data;

/* ---- tables of ours are made in the guest's memory ---- */

int __real_posix_memalign(void **out, size_t align, size_t len);
void __real_free(void *at);
long __real_syscall(long nr, ...);
int __wrap_posix_memalign(void **out, size_t align, size_t len);
void __wrap_free(void *at);
long __wrap_syscall(long nr, ...);

static bool in_guest(uint64_t at)
{
	return at >= q.mem_first && at < q.mem_end;
}

int __wrap_posix_memalign(void **out, size_t align, size_t len)
{
	if (!tables_end)
		return __real_posix_memalign(out, align, len);
	tables_at = (tables_at + align - 1) & ~(align - 1);
	if (tables_end - tables_at < len)
		return ENOMEM;
	*out = (void *)tables_at;
	tables_at += len;
	/* What is freed here stays as the slabs' owner left it. */
	ASAN_UNPOISON_MEMORY_REGION(*out, len);
	return 0;
}

void __wrap_free(void *at)
{
	if (!in_guest((uint64_t)at))
		__real_free(at);
}

/* Slabs of tables are mapped. What is given back of them is not used again. */
long __wrap_syscall(long nr, ...)
{
	long a[6];
	va_list ap;
	void *at;

	va_start(ap, nr);
	for (unsigned i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if ((nr == SYS_munmap || nr == SYS_madvise) && in_guest((uint64_t)a[0]))
		return 0;
	if (nr != SYS_mmap || !tables_end)
		return __real_syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	errno = __wrap_posix_memalign(&at, 4096, (size_t)a[1]);
	return errno ? -1 : (long)memset(at, 0, (size_t)a[1]);
}

/* ---- what is mapped ---- */

struct area {
	iova_t iova;
	uint64_t len;
	pa_t pa;
	uint32_t prot;
};

static struct area areas[AREA_MAX];
static unsigned area_nr;
static iova_t result_iova;
static uint64_t seed = 88172645463325252ull, probes, allowed_nr, refused_nr;
static uint64_t sizes; /* of leaves that were reached */

static uint64_t rnd(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static void fail(const char *what, iova_t iova, uint64_t got, uint64_t want)
{
	fprintf(stderr, "FAIL: %s at %#llx: %#llx, not %#llx (probe %llu)\n", what,
		(unsigned long long)iova, (unsigned long long)got, (unsigned long long)want,
		(unsigned long long)probes);
	exit(1);
}

/* Sizes of pages and of leaves come up, and what lies between. */
static void add_area(struct pt *pt)
{
	uint64_t page = 1ull << pt_page_lg2(pt), align = page << rnd(15);
	uint64_t len = page * (1 + rnd(1ull << rnd(13)));
	uint64_t last = pt_aperture(pt).last, pa;
	struct area *area = &areas[area_nr];
	struct pt_walk walk;

	if (area_nr == AREA_MAX || len >= DATA_LEN / 2)
		return;
	area->iova = (rnd(2) ? rnd(last) : rnd(1ull << 32)) & ~(align - 1);
	area->len = len;
	if (area->iova + len - 1 > last)
		return;
	for (iova_t at = area->iova; at < area->iova + len; at += page)
		if (!pt_walk(pt, at, &walk))
			return;
	pa = data + rnd(DATA_LEN - len + 1);
	pa = pa & ~(align - 1) ? (pa & ~(align - 1)) + (area->iova & (align - 1)) : data;
	if (pa < data || pa + len > data + DATA_LEN)
		pa = data;
	area->pa = pa & ~(page - 1);
	area->prot = 1 + (uint32_t)rnd(3) + (rnd(2) ? PT_PROT_NO_EXEC | PT_PROT_NO_EXEC_PRIV : 0);
	if (!pt_map(pt, area->iova, area->pa, len, area->prot))
		area_nr++;
}

static void drop_area(struct pt *pt)
{
	struct pt_gather gather = {NULL};
	unsigned i;

	if (!area_nr)
		return;
	i = (unsigned)rnd(area_nr);
	pt_unmap(pt, areas[i].iova, areas[i].iova + areas[i].len - 1, &gather);
	pt_gather_free(&gather);
	areas[i] = areas[--area_nr];
}

/* Mapped or near it, or anywhere in the width. */
static iova_t pick(const struct pt *pt)
{
	const struct area *area = &areas[rnd(area_nr ? area_nr : 1)];
	iova_t iova = rnd(pt_aperture(pt).last);

	if (area_nr && rnd(8))
		iova = area->iova + rnd(area->len + (area->len >> 3));
	if (iova > pt_aperture(pt).last)
		iova = pt_aperture(pt).last;
	return iova & ~7ull;
}

/* What was asked for is what counts, not what a walk of ours says. NULL: not mapped. */
static uint64_t *meant(const struct pt *pt, iova_t iova, uint32_t *prot)
{
	for (unsigned i = 0; i < area_nr; i++) {
		if (iova < areas[i].iova || iova - areas[i].iova >= areas[i].len)
			continue;
		*prot = pt_prot_fit(pt, areas[i].prot);
		return (uint64_t *)(areas[i].pa + (iova - areas[i].iova));
	}
	*prot = 0;
	return NULL;
}

/* Did the model do as was meant? */
static void check_fault(const struct iommu_model *model, const struct pt *pt, iova_t iova,
			bool allowed, unsigned fault)
{
	struct pt_walk walk;
	uint64_t addr = iova;

	if (model->fault)
		fault = model->fault(&q, &addr);

	if (fault != MODEL_FAULT_UNKNOWN && (fault == MODEL_FAULT_ANY) == allowed)
		fail(allowed ? "a fault" : "no fault", iova, fault, !allowed);
	if (addr >> 12 != iova >> 12)
		fail("the fault's address", iova, addr, iova);
	sizes |= !pt_walk(pt, iova, &walk) && allowed ? walk.leaf_len : 0;
	allowed_nr += allowed;
	refused_nr += !allowed;
}

/*
 * Every word of the data says where it is. What was just walked for a read is forgotten first: out
 * of its cache a model refuses without a fault record.
 */
static void probe_read(const struct iommu_model *model, const struct pt *pt, iova_t iova)
{
	volatile uint64_t *result = (uint64_t *)result_page;
	uint32_t prot;
	volatile uint64_t *at = meant(pt, iova, &prot);
	bool allowed = prot & IOAS_PROT_READ;
	uint64_t want, got;

	*result = POISON;
	edu_read(&q, result_iova);
	want = allowed ? *at : 0;
	model->invalidate(&q);
	edu_read(&q, iova);
	check_fault(model, pt, iova, allowed, 0);
	edu_write(&q, result_iova);
	got = *result;
	if (allowed ? got != want : got && got != POISON)
		fail("a read", iova, got, want);
}

static void probe_write(const struct iommu_model *model, const struct pt *pt, iova_t iova)
{
	volatile uint64_t *result = (uint64_t *)result_page;
	uint32_t prot;
	volatile uint64_t *at = meant(pt, iova, &prot);
	bool allowed = prot & IOAS_PROT_WRITE;
	uint64_t token = rnd(UINT64_MAX), before = 0;

	*result = token;
	edu_read(&q, result_iova);
	if (at)
		before = *at;
	model->invalidate(&q);
	edu_write(&q, iova);
	check_fault(model, pt, iova, allowed, 0);
	if (at && *at != (allowed ? token : before))
		fail("a write", iova, *at, allowed ? token : before);
	if (at)
		*at = before;
}

/* Of a leaf that is there: did an access through it make it dirty, and any accessed? */
static void check_bits(const struct iommu_model *model, const struct pt *pt, iova_t iova,
		       bool write)
{
	struct pt_step steps[8];
	unsigned nr = pt_trace(pt, iova, steps, 8);
	uint64_t both = model->accessed * 3, bits = steps[nr - 1].entry & both;

	if (bits != both && (write || bits != model->accessed))
		fail("accessed and dirty bits", iova, bits, write ? both : model->accessed);
}

/* One access of a processor's. A fetch is a call: what it finds there is a return. */
static void probe_cpu(const struct iommu_model *model, const struct pt *pt, iova_t iova)
{
	enum walker_access access = 1 + (enum walker_access)rnd(model->no_fetch ? 2 : 3);
	uint64_t token = rnd(UINT64_MAX), value = token, before = 0;
	uint32_t prot;
	volatile uint64_t *at = meant(pt, iova, &prot);
	bool allowed = access == WALKER_READ	? prot & IOAS_PROT_READ
		       : access == WALKER_WRITE ? prot & IOAS_PROT_WRITE
						: at && !(prot & PT_PROT_NO_EXEC_PRIV);
	unsigned fault;

	if (at) {
		before = *at;
		*at = access == WALKER_FETCH ? 0xc3 : before;
	}
	fault = model->access(&q, iova, access, &value);
	check_fault(model, pt, iova, allowed, fault);
	if (allowed && access == WALKER_READ && value != before)
		fail("a read", iova, value, before);
	if (at && access == WALKER_WRITE && *at != (allowed ? token : before))
		fail("a write", iova, *at, allowed ? token : before);
	if (allowed)
		check_bits(model, pt, iova, access == WALKER_WRITE);
	if (at)
		*at = before;
}

struct shape {
	enum pt_format format;
	unsigned aw;
	unsigned arg; /* of the model's start */
};

static void run_shape(const struct iommu_model *model, const struct shape *shape, uint64_t nr)
{
	struct pt_config config = {
		.format = shape->format, .aw = shape->aw, .dirty = model->access};
	struct pt_root root;
	struct pt *pt;

	tables_at = q.mem_first + 0x10000;
	tables_end = q.mem_first + TABLES_LEN;
	sizes = allowed_nr = refused_nr = area_nr = 0;
	if (pt_new(&config, &pt))
		fail("no table", 0, shape->format, shape->aw);
	/* A page that nothing else is mapped near: the top of the lower half. */
	result_iova = model->access ? MAILBOX : (pt_aperture(pt).last >> 1) & ~0xffffull;
	if (pt_map(pt, result_iova, result_page, 1ull << pt_page_lg2(pt), RW))
		fail("no map", 0, 0, 0);
	if (model->access && pt_map(pt, FIRMWARE, FIRMWARE, 0x10000, IOAS_PROT_READ | PT_PROT_PRIV))
		fail("no map of the firmware", 0, 0, 0);
	pt_root(pt, &root);
	model->start(&q, q.mem_first, (uint64_t)root.table, root.mode, shape->arg);
	for (uint64_t i = 0; i < nr; i++, probes++) {
		iova_t iova;

		if (i % 16 == 0) {
			for (unsigned k = 0; k < 3; k++)
				rnd(3) ? add_area(pt) : drop_area(pt);
			model->invalidate(&q);
			/* Tables are used once: nothing is freed here. */
			if (tables_end - tables_at < 4 << 20)
				break;
		}
		iova = pick(pt);
		if (iova >> 16 == result_iova >> 16 || iova >> 16 == FIRMWARE >> 16)
			continue;
		if (model->access)
			probe_cpu(model, pt, iova);
		else if (rnd(2))
			probe_read(model, pt, iova);
		else
			probe_write(model, pt, iova);
	}
	printf("%s walks %s of %u bits, %llu KiB", model->name, pt_format_name(shape->format),
	       shape->aw, (unsigned long long)(sizes & -sizes) >> 10);
	for (uint64_t left = sizes & (sizes - 1); left; left &= left - 1)
		printf("+%llu", (unsigned long long)(left & -left) >> 10);
	printf(": %llu allowed, %llu refused\n", (unsigned long long)allowed_nr,
	       (unsigned long long)refused_nr);
	if (nr >= 500 && (!allowed_nr || !refused_nr || !(sizes & (sizes - 1))))
		fail("nothing was tried", 0, allowed_nr, refused_nr);
	pt_destroy(pt);
}

static const struct {
	const char *name;
	const struct iommu_model *model;
	struct shape shapes[8];
} walkers[] = {
	{"vtd", &model_vtd, {{PT_VTD_SS, 48}, {PT_VTD_SS, 39}}},
	{"amd", &model_amd, {{PT_AMDV1, 48}, {PT_AMDV1, 39}, {PT_AMDV1, 57}}},
	{"x86", &model_x86, {{PT_X86_64, 48}, {PT_X86_64, 40}}},
	{"x86-5l", &model_x86, {{PT_X86_64_5L, 57}, {PT_X86_64_5L, 48}}},
	{"riscv",
	 &model_riscv,
	 {{PT_RISCV_SV39, 39},
	  {PT_RISCV_SV48, 48},
	  {PT_RISCV_SV57, 57},
	  /* QEMU 7.2 takes second-stage addresses for sign-extended, too: half of them. */
	  {PT_RISCV_SV39X4, 40, 1},
	  {PT_RISCV_SV48X4, 49, 1},
	  {PT_RISCV_SV57X4, 57, 1}}},
	{"smmu",
	 &model_smmu,
	 {{PT_ARM_LPAE_S1_4K, 48, 0},
	  {PT_ARM_LPAE_S1_4K, 39, 0},
	  {PT_ARM_LPAE_S1_64K, 48, 1},
	  {PT_ARM_LPAE_S1_64K, 40, 1},
	  {PT_ARM_LPAE_S1_16K, 48, 2},
	  {PT_ARM_LPAE_S1_16K, 40, 2}}},
};

int main(int argc, char **argv)
{
	uint64_t nr = argc > 2 ? strtoull(argv[2], NULL, 10) : 500;

	for (size_t i = 0; argc > 1 && i < sizeof(walkers) / sizeof(walkers[0]); i++) {
		if (strcmp(argv[1], walkers[i].name))
			continue;
		if (!qemu_start(&q, walkers[i].model)) {
			printf("SKIP: QEMU for %s is not installed\n", walkers[i].model->name);
			return 77;
		}
		result_page = q.mailbox = q.mem_first + TABLES_LEN;
		data = result_page + RESULT_LEN;
		for (uint64_t at = data; at < data + DATA_LEN; at += 8)
			*(uint64_t *)at = at;
		for (size_t k = 0; walkers[i].shapes[k].aw; k++)
			run_shape(walkers[i].model, &walkers[i].shapes[k], nr);
		qemu_stop(&q);
		return 0;
	}
	fprintf(stderr, "usage: walkers vtd|amd|smmu|x86|x86-5l|riscv [PROBES]\n");
	return 2;
}
