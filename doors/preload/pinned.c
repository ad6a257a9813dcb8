/* SPDX-License-Identifier: MIT */
/*
 * Memory that is mapped for DMA, when the program gives it up. A copy of the engine that belongs to
 * another process is left alone.
 */
#include <unistd.h>
#include "preload.h"
#include "util/inject.h"

static struct machine *meets(uintptr_t start, uintptr_t end)
{
	struct machine *machine = __atomic_load_n(&door.machines, __ATOMIC_ACQUIRE);

	for (; machine; machine = machine->older)
		if (!machine->inherited && start < end &&
		    ioas_memory_pinned(machine->iommu, start, end))
			return machine;
	return NULL;
}

bool pinned_maybe(uintptr_t start, uintptr_t end)
{
	return meets(start, end);
}

bool pinned_held(uintptr_t start, uintptr_t end)
{
	struct machine *machine = __atomic_load_n(&door.machines, __ATOMIC_ACQUIRE);

	for (; machine; machine = machine->older)
		if (!machine->inherited && ioas_memory_held(machine->iommu, start, end))
			return true;
	return false;
}

void pinned_protected(uintptr_t start, uintptr_t end)
{
	struct machine *machine = __atomic_load_n(&door.machines, __ATOMIC_ACQUIRE);

	for (; machine; machine = machine->older)
		if (!machine->inherited && ioas_memory_pinned(machine->iommu, start, end))
			ioas_memory_protected(machine->iommu, start, end);
}

void pinned_account(uint64_t *pinned, uint64_t *locked)
{
	struct machine *machine = __atomic_load_n(&door.machines, __ATOMIC_ACQUIRE);
	uint64_t more_pinned, more_locked;

	*pinned = *locked = 0;
	for (; machine; machine = machine->older) {
		if (machine->inherited)
			continue;
		ioas_account_read(machine->iommu, getpid(), &more_pinned, &more_locked);
		*pinned += more_pinned;
		*locked += more_locked;
	}
}

long pinned_change(const struct ioas_memory_change *change)
{
	struct machine *machine = meets(change->moved.start, change->moved.end);
	unsigned left = inject_remaining(); /* the kernel has nothing to do here, hence to fail */
	uint64_t to;
	long rc;

	for (int i = 0; i < 2 && !machine; i++)
		machine = meets(change->gone[i].start, change->gone[i].end);
	if (!machine)
		return change->call(change->arg, &to);
	inject_arm(0);
	rc = ioas_memory_change(machine->iommu, change);
	inject_arm(left);
	return rc;
}
