/* SPDX-License-Identifier: MIT */
/* The driver that polls. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <ioas/guard.h>
#include "bench/bench.h"
#include "bench/nvme_rig.h"
#include "nvme/keys.h"
#include "nvme/nvme.h"
#include "pci/pci.h"
#include "route/route.h"

#define QUEUES_LEN (64u << 10)
#define DATA_LEN   (DEPTH_MAX * BLOCK)
#define SPIN_NR	   2000 /* looks at a completion queue before others may run */

/* Where the queues are. */
enum { ADMIN_SQ = 0x0000, ADMIN_CQ = 0x4000, IO_SQ = 0x8000, IO_CQ = 0xc000 };

static void recover(int sig, siginfo_t *info, void *context)
{
	if (!ioas_guard_fixup(context))
		abort();
}

void rig_guard(void)
{
	struct sigaction action = {.sa_sigaction = recover, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	ioas_guard_enable(true);
}

static void write_reg(struct rig *rig, uint64_t off, uint64_t value, unsigned size)
{
	rig->pci->ops->bar_write(rig->pci->model, 0, off, value, size);
}

static void put(struct rig_queue *q, const struct nvme_cmd *cmd)
{
	q->sq[q->tail] = *cmd;
	q->tail = (q->tail + 1) % QUEUE_NR;
}

/* Takes the completions there are, at least one; returns how many. */
static unsigned take(struct rig *rig, struct rig_queue *q)
{
	unsigned nr = 0;

	for (unsigned spin = 1;; spin++) {
		uint64_t high = __atomic_load_n(&q->cq[q->head * 2 + 1], __ATOMIC_ACQUIRE);

		if ((high >> 48 & 1) == q->phase) {
			bench_must(high >> 49 ? -EIO : 0, "a command");
			nr++;
			q->head = (q->head + 1) % QUEUE_NR;
			q->phase ^= !q->head;
			continue;
		}
		if (nr)
			break;
		if (spin % SPIN_NR == 0)
			sched_yield();
		__builtin_ia32_pause();
	}
	write_reg(rig, q->doorbell + 4, q->head, 4);
	return nr;
}

static void admin(struct rig *rig, struct nvme_cmd cmd)
{
	put(&rig->admin, &cmd);
	write_reg(rig, rig->admin.doorbell, rig->admin.tail, 4);
	take(rig, &rig->admin);
}

static struct rig_queue queue(struct rig *rig, unsigned id, uint64_t sq, uint64_t cq)
{
	return (struct rig_queue){
		.sq = (void *)(rig->queues + sq),
		.cq = (void *)(rig->queues + cq),
		.doorbell = NVME_REG_DOORBELLS + id * 8,
		.phase = 1,
	};
}

/* Memory of its own, or `same`: the same pages as there. */
static uint8_t *mapped(struct rig *rig, iova_t iova, uint64_t len, uint8_t *same)
{
	void *at = (void *)(iova + rig->to_host);
	uint8_t *memory = same ? mremap(same, 0, len, MREMAP_MAYMOVE | MREMAP_FIXED, at)
			       : mmap(at, len, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE | MAP_FIXED, -1, 0);

	bench_must(memory == MAP_FAILED ? -errno : 0, "mmap");
	bench_must(ioas_space_map(rig->space, NULL, &iova, (uintptr_t)memory, len,
				  IOAS_MAP_FIXED | IOAS_MAP_READ | IOAS_MAP_WRITE, NULL),
		   "map");
	return memory;
}

uint8_t *rig_blocks(const struct rig *rig)
{
	const struct nvme *nvme = rig->pci->model;

	return nvme->drive.memory;
}

/* The blocks of a drive in memory lie in the same pages as those of another. */
static void share_blocks(struct rig *rig, const struct rig *other)
{
	const struct nvme *nvme = other->pci->model;
	uint64_t len = nvme->drive.memory_len;

	if (len && mremap(rig_blocks(other), 0, len, MREMAP_MAYMOVE | MREMAP_FIXED,
			  rig_blocks(rig)) == MAP_FAILED)
		bench_must(-errno, "mremap");
}

static void make(struct rig *rig, const struct ioas_model *model, const char *device)
{
	struct ioas_param param[4];
	struct ioas_why why = {""};
	char *text = strdup(device), *save = NULL;
	size_t nr = 0;

	for (char *key = strtok_r(text, ",", &save); key; key = strtok_r(NULL, ",", &save)) {
		char *value = strchr(key, '=');

		*value++ = 0;
		param[nr++] = (struct ioas_param){key, value};
	}
	bench_must(model->create(rig->iommu, (struct ioas_pci_addr){0, rig->own ? 1 : 2, 0}, param,
				 nr, &rig->pci, &why),
		   why.text);
	free(text);
}

void rig_start(struct rig *rig, const char *device, const uint32_t *block, const struct bare *bare,
	       const struct rig *beside)
{
	void *host = mmap(NULL, IOVA_END - IOVA_QUEUES, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct ioas_device *dev;

	bench_must(host == MAP_FAILED ? -errno : 0, "mmap");
	*rig = (struct rig){.block = block, .own = bare || !beside};
	rig->to_host = (uintptr_t)host - IOVA_QUEUES;
	if (rig->own)
		bench_must(ioas_iommu_new(NULL, &rig->iommu), "instance");
	else
		rig->iommu = beside->iommu;
	bench_must(ioas_space_new(rig->iommu, &rig->space), "space");
	make(rig, bare ? bare->model : &nvme_model, device);
	rig->bare_to_host = bare ? bare->to_host : NULL;
	if (bare) {
		*bare->to_host = rig->to_host;
		share_blocks(rig, beside);
	}
	rig->queues = mapped(rig, IOVA_QUEUES, QUEUES_LEN, NULL);
	rig->data = mapped(rig, IOVA_DATA, DATA_LEN, bare ? beside->data : NULL);
	dev = ioas_pci_device(rig->pci);
	bench_must(ioas_device_bind(dev, IOAS_FORM_RID, 0, NULL), "bind");
	bench_must(ioas_device_attach(dev, rig->space, NULL), "attach");
	route_dma_enable(dev, true);
	rig->admin = queue(rig, 0, ADMIN_SQ, ADMIN_CQ);
	rig->io = queue(rig, 1, IO_SQ, IO_CQ);
	write_reg(rig, NVME_REG_AQA, (QUEUE_NR - 1) << 16 | (QUEUE_NR - 1), 4);
	write_reg(rig, NVME_REG_ASQ, IOVA_QUEUES + ADMIN_SQ, 8);
	write_reg(rig, NVME_REG_ACQ, IOVA_QUEUES + ADMIN_CQ, 8);
	write_reg(rig, NVME_REG_CC, NVME_CC_EN | 6 << 16 | 4 << 20, 4);
	while (!(rig->pci->ops->bar_read(rig->pci->model, 0, NVME_REG_CSTS, 4) & NVME_CSTS_RDY))
		sched_yield();
	admin(rig, (struct nvme_cmd){.opcode = NVME_ADM_CREATE_CQ,
				     .prp1 = IOVA_QUEUES + IO_CQ,
				     .cdw10 = 1 | (QUEUE_NR - 1) << 16,
				     .cdw11 = 1});
	admin(rig, (struct nvme_cmd){.opcode = NVME_ADM_CREATE_SQ,
				     .prp1 = IOVA_QUEUES + IO_SQ,
				     .cdw10 = 1 | (QUEUE_NR - 1) << 16,
				     .cdw11 = 1 | 1 << 16});
}

void rig_stop(struct rig *rig)
{
	struct ioas_device *dev = ioas_pci_device(rig->pci);

	rig->pci->ops->reset(rig->pci->model);
	ioas_device_detach(dev);
	ioas_device_unbind(dev);
	ioas_pci_remove(rig->pci);
	ioas_space_put(rig->space);
	if (rig->own)
		ioas_iommu_destroy(rig->iommu);
	munmap(rig->queues, IOVA_END - IOVA_QUEUES);
}

double rig_reads(struct rig *rig, unsigned depth, uint32_t nr)
{
	struct nvme_cmd cmd = {.opcode = NVME_IO_READ, .nsid = 1, .cdw12 = BLOCK / 512 - 1};
	uint64_t begin = bench_now();
	uint32_t sent = 0, out = 0;

	if (rig->bare_to_host)
		*rig->bare_to_host = rig->to_host;
	for (uint32_t done = 0; done < nr;) {
		for (; out < depth && sent < nr; out++, sent++) {
			cmd.cid = (uint16_t)sent;
			cmd.prp1 = IOVA_DATA + sent % depth * BLOCK;
			cmd.cdw10 = rig->block[rig->next++ % RIG_BLOCKS] * (BLOCK / 512);
			put(&rig->io, &cmd);
		}
		write_reg(rig, rig->io.doorbell, rig->io.tail, 4);
		uint32_t got = take(rig, &rig->io);

		done += got;
		out -= got;
	}
	return (double)(bench_now() - begin) / nr;
}
