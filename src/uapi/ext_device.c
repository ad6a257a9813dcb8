/* SPDX-License-Identifier: MIT */
/* What a device is to the IOMMU, and who is in its group. */
#include <errno.h>
#include <stdio.h>
#include "route/route.h"
#include "uapi/ext.h"
#include "uapi/handlers.h"
#include "util/why.h"

_Static_assert((int)IOAS_SENDS_RID == (int)IOAS_FORM_RID &&
		       (int)IOAS_SENDS_PASID == (int)IOAS_FORM_PASID &&
		       (int)IOAS_SENDS_SHARED_QUEUE == (int)IOAS_FORM_SHARED_QUEUE,
	       "the ABI's forms are the library's");

static void describe_dev(const struct ioas_device *dev, struct ioas_get_device *cmd)
{
	unsigned pasid_lg2;

	if (dev->forms & ROUTE_BOUND)
		cmd->out_flags |= IOAS_DEVICE_BOUND;
	if (dev->unit->pasid_0_apart)
		cmd->out_flags |= IOAS_DEVICE_PASID_0_APART;
	cmd->out_requester = dev->id;
	cmd->out_sends = ioas_device_forms(dev, &pasid_lg2);
	cmd->out_pasid_lg2 = pasid_lg2;
	cmd->out_aw = dev->aw;
}

static void describe_pci(const struct ext_device *device, struct ioas_get_device *cmd)
{
	struct ioas_pci_addr addr = ioas_pci_address(device->pci);

	cmd->out_flags |= IOAS_DEVICE_BUS_PCI;
	cmd->out_function = ext_address(addr);
	cmd->out_group = pci_group_number(pci_group_of(device->pci));
	cmd->out_share_set = ioas_topology_share_set_of(device->topology, addr);
}

long ioas_get_device(struct uapi_call *call)
{
	struct ioas_get_device *cmd = call->cmd;
	struct ext_device device;
	int rc;

	if (cmd->flags || cmd->__reserved)
		return why_set(call->why, -EOPNOTSUPP, "flags or a reserved field are not 0");
	rc = ext_begin(call, cmd->dev_id, &device);
	if (rc)
		return rc;
	*cmd = (struct ioas_get_device){
		.size = cmd->size,
		.dev_id = cmd->dev_id,
		.out_group = IOAS_NO_GROUP,
		.out_share_set = IOAS_NO_GROUP,
	};
	if (device.dev)
		describe_dev(device.dev, cmd);
	else
		cmd->out_flags = IOAS_DEVICE_BOUND;
	if (device.pci)
		rc = ext_find_topology(call, &device);
	if (device.pci && !rc)
		describe_pci(&device, cmd);
	ext_end(call, &device);
	return rc ? rc : uapi_respond(call);
}

/* Who has a function of the group, as far as this process knows. */
static void find_owner(const struct ext_device *device, const struct vfio_pci *vdev,
		       struct ioas_get_member *member)
{
	if (!vdev)
		return;
	if (vdev->bound && vdev->bound->obj.ctx == device->ctx) {
		member->flags |= IOAS_MEMBER_BOUND;
		member->dev_id = vdev->bound->obj.id;
	} else {
		member->flags |= IOAS_MEMBER_ELSEWHERE;
	}
}

static void describe_member(const struct ext_device *device,
			    const struct ioas_topology_function *function,
			    struct ioas_get_member *member)
{
	struct ioas_pci_addr self = ioas_pci_address(device->pci);
	const struct ioas_pci *pci = pci_find(device->pci->iommu, function->addr);

	*member = (struct ioas_get_member){
		.function = ext_address(function->addr),
		.share_set = ioas_topology_share_set_of(device->topology, function->addr),
	};
	if (member->function == ext_address(self))
		member->flags |= IOAS_MEMBER_SELF;
	if (member->share_set == ioas_topology_share_set_of(device->topology, self))
		member->flags |= IOAS_MEMBER_SHARES;
	if (ioas_topology_is_bridge(function))
		member->flags |= IOAS_MEMBER_PORT;
	if (pci_of_host(function))
		member->flags |= IOAS_MEMBER_HOST;
	if (pci)
		find_owner(device, pci->vfio, member);
}

static void write_member(const struct ioas_topology_function *function,
			 const struct ioas_get_member *member, char *line, size_t len)
{
	char name[IOAS_NAME_LEN], state[64] = "";

	if (member->flags & IOAS_MEMBER_HOST)
		snprintf(state, sizeof(state), ", the host's driver %s has it", function->driver);
	else if (member->flags & IOAS_MEMBER_BOUND)
		snprintf(state, sizeof(state), ", bound here as device %u", member->dev_id);
	else if (member->flags & IOAS_MEMBER_ELSEWHERE)
		snprintf(state, sizeof(state), ", in use elsewhere");
	snprintf(line, len, "%s: %s%s%s", ioas_pci_addr_format(function->addr, name),
		 ioas_topology_type_name(function->type), state,
		 member->flags & IOAS_MEMBER_SELF     ? ", this one"
		 : member->flags & IOAS_MEMBER_SHARES ? ", shares requester IDs with it"
						      : "");
}

static int gather_members(const struct ext_device *device, struct ext_list *list)
{
	struct ioas_pci_addr addr = ioas_pci_address(device->pci);
	uint32_t group = ioas_topology_group_of(device->topology, addr);
	const struct ioas_topology_function *function = NULL;
	int rc = 0;

	while (!rc && (function = ioas_topology_group_next(device->topology, group, function))) {
		struct ioas_get_member member;
		char line[192];

		describe_member(device, function, &member);
		write_member(function, &member, line, sizeof(line));
		rc = ext_list_add(list, &member, line);
	}
	return rc;
}

long ioas_get_members(struct uapi_call *call)
{
	return ext_list_call(call, sizeof(struct ioas_get_member), gather_members);
}
