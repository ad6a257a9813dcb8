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

/* Migration, DMA logging, low power and VF tokens: a device that has none answers so in Linux. */
long vfio_device_feature(struct uapi_call *call)
{
	const struct vfio_device_feature *cmd = call->cmd;
	uint32_t both = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET;
	uint32_t known = VFIO_DEVICE_FEATURE_MASK | both | VFIO_DEVICE_FEATURE_PROBE;

	if (cmd->flags & ~known)
		return why_set(call->why, -EINVAL, "unknown flags 0x%x", cmd->flags & ~known);
	if (!(cmd->flags & VFIO_DEVICE_FEATURE_PROBE) && (cmd->flags & both) == both)
		return why_set(call->why, -EINVAL, "GET and SET go together only with PROBE");
	return why_set(call->why, -ENOTTY, "the device has no feature %u",
		       cmd->flags & VFIO_DEVICE_FEATURE_MASK);
}
