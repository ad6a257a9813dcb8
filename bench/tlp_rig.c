/* SPDX-License-Identifier: MIT */
/* A device, a page table and an issuer for benchmarks of translation. tlp_rig.h says what for. */
#include <signal.h>
#include <sys/mman.h>
#include <ioas/guard.h>
#include "bench/bench.h"
#include "bench/tlp_rig.h"
#include "mem/mem.h"

void tlp_rig_map(struct tlp_rig *rig, iova_t at, uint64_t len, uint64_t step)
{
	char *host = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct mem_window *window;

	bench_must(host == MAP_FAILED ? -errno : 0, "mmap");
	bench_must(mem_window_new(rig->iommu->mem, at, host, len, &window), "window");
	for (uint64_t off = 0; off < len; off += step)
		bench_must(pt_map(rig->pt, at + off, window->pa + off, step,
				  IOAS_PROT_READ | IOAS_PROT_WRITE),
			   "map");
}

static void recover(int sig, siginfo_t *info, void *context)
{
	if (!ioas_guard_fixup(context))
		abort();
}

void tlp_rig_guard(void)
{
	struct sigaction action = {.sa_sigaction = recover, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	ioas_guard_enable(true);
}

void tlp_rig_start(struct tlp_rig *rig)
{
	const struct pt_config config = {.format = PT_AMDV1, .aw = 48};
	pasid_t pasid = RIG_PASID;

	bench_must(ioas_iommu_new(NULL, &rig->iommu), "instance");
	bench_must(route_device_new(rig->iommu, "0000:01:00.0", 0, 0x100, &rig->dev), "device");
	bench_must(ioas_device_bind(rig->dev, IOAS_FORM_RID | IOAS_FORM_PASID, 20, NULL), "bind");
	route_dma_enable(rig->dev, true);
	bench_must(pt_new(&config, &rig->pt), "page table");
	bench_must(route_attach(rig->dev, NULL, rig->pt, NULL), "attach");
	bench_must(route_attach(rig->dev, &pasid, rig->pt, NULL), "attach a PASID");
	bench_must(ioas_issuer_new(rig->dev, &rig->issuer), "issuer");
}
