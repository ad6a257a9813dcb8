/* SPDX-License-Identifier: MIT */
/* Interrupts of a device: how many, and which eventfd each one signals. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <ioas/uapi/vfio.h>
#include "uapi/device_file.h"
#include "uapi/handlers.h"
#include "util/alloc.h"
#include "util/why.h"

long vfio_device_get_irq_info(struct uapi_call *call)
{
	struct vfio_irq_info *info = call->cmd;
	int nr = info->index < VFIO_PCI_NUM_IRQS
			 ? pci_irq_count(device_file_pci(call->file), info->index)
			 : -EINVAL;
	if (nr < 0)
		return why_set(call->why, -EINVAL, "there are no interrupts of index %u",
			       info->index);
	info->flags = VFIO_IRQ_INFO_EVENTFD;
	if (info->index == VFIO_PCI_INTX_IRQ_INDEX)
		info->flags |= VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	else if (info->index != VFIO_PCI_MSIX_IRQ_INDEX)
		info->flags |= VFIO_IRQ_INFO_NORESIZE;
	info->count = (uint32_t)nr;
	return uapi_respond_len(call, call->op->min);
}

/* Bytes of one interrupt's data; -EINVAL: not exactly one type. */
static int data_size(uint32_t flags)
{
	switch (flags & VFIO_IRQ_SET_DATA_TYPE_MASK) {
	case VFIO_IRQ_SET_DATA_NONE:
		return 0;
	case VFIO_IRQ_SET_DATA_BOOL:
		return sizeof(uint8_t);
	case VFIO_IRQ_SET_DATA_EVENTFD:
		return sizeof(int32_t);
	}
	return -EINVAL;
}

static int check(struct uapi_call *call, const struct vfio_irq_set *set, int nr)
{
	uint32_t known = VFIO_IRQ_SET_DATA_TYPE_MASK | VFIO_IRQ_SET_ACTION_TYPE_MASK;
	int size = data_size(set->flags);

	if (set->index >= VFIO_PCI_NUM_IRQS || set->flags & ~known)
		return why_set(call->why, -EINVAL, "unknown index %u or flags 0x%x", set->index,
			       set->flags);
	if (nr < 0 || set->start >= (uint32_t)nr || set->count > (uint32_t)nr - set->start)
		return why_set(call->why, -EINVAL, "index %u has %d interrupts, not %u from %u",
			       set->index, nr < 0 ? 0 : nr, set->count, set->start);
	if (size < 0)
		return why_set(call->why, -EINVAL, "exactly one type of data is needed");
	if (set->argsz - call->op->min < (uint64_t)set->count * (uint32_t)size)
		return why_set(call->why, -EINVAL, "argsz %u is too short for %u interrupts",
			       set->argsz, set->count);
	return 0;
}

static void close_fds(const int *fds, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* Descriptors of our own for the caller's, in place; -1 stays. */
static int adopt_fds(struct uapi_call *call, int32_t *fds, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		int fd = fds[i];

		if (fd < -1)
			fd = -EINVAL;
		else if (fd >= 0)
			fd = call->caller->ops->eventfd_get(call->caller, fd);
		if (fd < -1) {
			close_fds(fds, i);
			return why_set(call->why, fd, "%d is not an eventfd", fds[i]);
		}
		fds[i] = fd;
	}
	return 0;
}

static int set_eventfds(struct uapi_call *call, const struct vfio_irq_set *set, int32_t *fds)
{
	int rc = adopt_fds(call, fds, set->count);

	if (rc)
		return rc;
	return pci_irq_set(device_file_pci(call->file), set->index, set->start, set->count, fds);
}

static int act(struct uapi_call *call, const struct vfio_irq_set *set, void *data)
{
	struct ioas_pci *pci = device_file_pci(call->file);
	bool eventfd = set->flags & VFIO_IRQ_SET_DATA_EVENTFD;

	switch (set->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) {
	case VFIO_IRQ_SET_ACTION_TRIGGER:
		if (eventfd)
			return set_eventfds(call, set, data);
		if (!set->count && set->flags & VFIO_IRQ_SET_DATA_NONE)
			return pci_irq_disable(pci, set->index);
		return pci_irq_trigger(pci, set->index, set->start, set->count, data);
	case VFIO_IRQ_SET_ACTION_MASK:
	case VFIO_IRQ_SET_ACTION_UNMASK:
		if (eventfd)
			return why_set(call->why, -ENOTTY, "masking by eventfd is not supported");
		return pci_irq_mask(pci, set->index, set->start, set->count, data,
				    set->flags & VFIO_IRQ_SET_ACTION_MASK);
	}
	return why_set(call->why, -ENOTTY, "exactly one action is needed");
}

long vfio_device_set_irqs(struct uapi_call *call)
{
	const struct vfio_irq_set *set = call->cmd;
	int nr = set->index < VFIO_PCI_NUM_IRQS
			 ? pci_irq_count(device_file_pci(call->file), set->index)
			 : -EINVAL;
	int rc = check(call, set, nr);
	size_t len;
	void *data = NULL;

	if (rc)
		return rc;
	len = (size_t)data_size(set->flags) * set->count;
	if (len) {
		data = alloc_raw(len);
		if (!data)
			return -ENOMEM;
		rc = uapi_copy_from(call, data, call->arg + call->op->min, len);
	}
	if (!rc)
		rc = act(call, set, data);
	free(data);
	if (rc && !call->why->text[0])
		why_set(call->why, rc,
			"interrupts of index %u do not allow that now (off, or another kind is on)",
			set->index);
	return rc;
}
