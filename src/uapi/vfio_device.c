/* SPDX-License-Identifier: MIT */
/* Ioctls of a device that are about the device as a whole. */
#include <errno.h>
#include <ioas/uapi/vfio.h>
#include "uapi/device_file.h"
#include "uapi/handlers.h"
#include "util/why.h"

long vfio_device_get_info(struct uapi_call *call)
{
	struct vfio_device_info *info = call->cmd;

	info->flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
	info->num_regions = VFIO_PCI_NUM_REGIONS;
	info->num_irqs = VFIO_PCI_NUM_IRQS;
	return uapi_respond(call);
}

long vfio_device_reset(struct uapi_call *call)
{
	pci_reset(device_file_pci(call->file));
	return 0;
}

/* Each function resets by itself; there is no slot or bus whose reset would take others along. */
static long no_hot_reset(struct uapi_call *call)
{
	return why_set(call->why, -ENODEV, "neither slot nor bus can be reset");
}

long vfio_device_get_pci_hot_reset_info(struct uapi_call *call)
{
	return no_hot_reset(call);
}

long vfio_device_pci_hot_reset(struct uapi_call *call)
{
	return no_hot_reset(call);
}

long vfio_device_ioeventfd(struct uapi_call *call)
{
	return why_set(call->why, -EOPNOTSUPP, "Linux has this ioctl, uiommufd does not yet");
}

/*
 * What every feature has in common: which of GET and SET it knows, and that what follows the struct
 * is there. 1: go on; 0: it was only asked for.
 */
static int check_feature(struct uapi_call *call, uint32_t ops, size_t len)
{
	const struct vfio_device_feature *cmd = call->cmd;
	uint32_t asked = cmd->flags & (VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET);

	if (asked & ~ops)
		return why_set(call->why, -EINVAL, "feature %u is not for %s",
			       cmd->flags & VFIO_DEVICE_FEATURE_MASK,
			       asked & ~ops & VFIO_DEVICE_FEATURE_GET ? "GET" : "SET");
	if (cmd->flags & VFIO_DEVICE_FEATURE_PROBE)
		return 0;
	if (!asked)
		return why_set(call->why, -EINVAL, "neither GET, SET nor PROBE");
	if (call->user_size < sizeof(*cmd) + len)
		return why_set(call->why, -EINVAL, "argsz %u is below the %zu of feature %u",
			       call->user_size, sizeof(*cmd) + len,
			       cmd->flags & VFIO_DEVICE_FEATURE_MASK);
	return 1;
}

static int enter_low_power(struct uapi_call *call, int wakeup)
{
	int rc = pci_low_power_enter(device_file_pci(call->file), wakeup);

	return rc ? why_set(call->why, rc, "the device is in low power already") : 0;
}

static int low_power_entry(struct uapi_call *call)
{
	int rc = check_feature(call, VFIO_DEVICE_FEATURE_SET, 0);

	return rc > 0 ? enter_low_power(call, -1) : rc;
}

static int low_power_entry_with_wakeup(struct uapi_call *call)
{
	struct vfio_device_low_power_entry_with_wakeup in;
	int fd, rc = check_feature(call, VFIO_DEVICE_FEATURE_SET, sizeof(in));

	if (rc <= 0)
		return rc;
	rc = uapi_copy_from(call, &in, call->arg + sizeof(struct vfio_device_feature), sizeof(in));
	if (rc)
		return rc;
	if (in.wakeup_eventfd < 0)
		return why_set(call->why, -EINVAL, "%d cannot be a descriptor", in.wakeup_eventfd);
	fd = call->caller->ops->eventfd_get(call->caller, in.wakeup_eventfd);
	if (fd < 0)
		return why_set(call->why, fd, "%d is not an eventfd", in.wakeup_eventfd);
	return enter_low_power(call, fd);
}

static int low_power_exit(struct uapi_call *call)
{
	int rc = check_feature(call, VFIO_DEVICE_FEATURE_SET, 0);

	if (rc > 0)
		pci_low_power_leave(device_file_pci(call->file));
	return rc < 0 ? rc : 0;
}

/* Migration, DMA logging and VF tokens: a device that has none answers so in Linux. */
long vfio_device_feature(struct uapi_call *call)
{
	const struct vfio_device_feature *cmd = call->cmd;
	uint32_t both = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET;
	uint32_t known = VFIO_DEVICE_FEATURE_MASK | both | VFIO_DEVICE_FEATURE_PROBE;

	if (cmd->flags & ~known)
		return why_set(call->why, -EINVAL, "unknown flags 0x%x", cmd->flags & ~known);
	if (!(cmd->flags & VFIO_DEVICE_FEATURE_PROBE) && (cmd->flags & both) == both)
		return why_set(call->why, -EINVAL, "GET and SET go together only with PROBE");
	switch (cmd->flags & VFIO_DEVICE_FEATURE_MASK) {
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY:
		return low_power_entry(call);
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP:
		return low_power_entry_with_wakeup(call);
	case VFIO_DEVICE_FEATURE_LOW_POWER_EXIT:
		return low_power_exit(call);
	default:
		return why_set(call->why, -ENOTTY, "the device has no feature %u",
			       cmd->flags & VFIO_DEVICE_FEATURE_MASK);
	}
}
