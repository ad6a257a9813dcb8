/* SPDX-License-Identifier: MIT */
/* IOAS_GET_DEVICE: what a device sends and to whom it belongs, before it is bound and after. */
#include "ext.h"

static struct ioas_get_device get(const char *what, int file, uint32_t dev_id, long want)
{
	struct ioas_get_device cmd = {.size = sizeof(cmd), .dev_id = dev_id};

	check(what, call(file, IOAS_GET_DEVICE, &cmd), want);
	return cmd;
}

static uint32_t share_set(int file)
{
	return get("which share set", file, 0, 0).out_share_set;
}

static uint32_t group(int file)
{
	return get("which group", file, 0, 0).out_group;
}

static void unbound(int first, int second, int behind, int also)
{
	struct ioas_get_device cmd = get("of a cdev that is not bound", first, 0, 0);

	check("it is not", cmd.out_flags, IOAS_DEVICE_BUS_PCI | IOAS_DEVICE_PASID_0_APART);
	check("its address", cmd.out_function, FIRST);
	check("its requester ID", cmd.out_requester, FIRST);
	check("no driver says what it sends", cmd.out_sends, 0);
	check("address bits", cmd.out_aw, 48);
	check("one group", group(first) == group(second), 1);
	check("two share sets", share_set(first) != share_set(second), 1);
	check("behind the bridge one group", group(behind) == group(also), 1);
	check("and one share set", share_set(behind) == share_set(also), 1);
	cmd = get("what is behind a bridge", behind, 0, 0);
	check("sends with the secondary bus:00.0", cmd.out_requester, FN(0, 3, 0, 0));
	cmd = get("the other one, too", also, 0, 0);
	check("not with its own", cmd.out_requester, FN(0, 3, 0, 0));
	check("though its address is another", cmd.out_function, ALSO_BEHIND);
}

static void bound(int fd, int first, int second)
{
	uint32_t id, other;
	struct ioas_get_device cmd;

	check("bind", bind_iommufd(first, fd, &id), 0);
	check("bind the other", bind_iommufd(second, fd, &other), 0);
	cmd = get("by id", fd, id, 0);
	check("it is bound", cmd.out_flags & IOAS_DEVICE_BOUND, IOAS_DEVICE_BOUND);
	check("what it sends", cmd.out_sends, IOAS_SENDS_RID | IOAS_SENDS_PASID);
	check("PASIDs of 20 bits", cmd.out_pasid_lg2, 20);
	cmd = get("the other by id", fd, other, 0);
	check("PASIDs of 8 bits", cmd.out_pasid_lg2, 8);
	check("its address", cmd.out_function, SECOND);
	get("an id on a device", first, id, -EINVAL);
	get("no such id", fd, 4321, -ENOENT);
	get("an IOAS is no device", fd, ioas_alloc(fd), -ENOENT);
	get("id 0", fd, 0, -ENOENT);
}

int main(void)
{
	struct ioas_get_device cmd = {.size = sizeof(cmd)};
	int fd = open_or_skip("/dev/iommu");
	int first = open_function(FIRST), second = open_function(SECOND);
	int other = open_function(OTHER);

	check_struct(first, IOAS_GET_DEVICE, &cmd, sizeof(cmd));
	cmd.__reserved = 1;
	check("reserved field", call(first, IOAS_GET_DEVICE, &cmd), -EOPNOTSUPP);
	unbound(first, second, open_function(BEHIND), open_function(ALSO_BEHIND));
	bound(fd, first, second);
	cmd = get("behind another IOMMU", other, 0, 0);
	check("which takes PASID 0 for none", cmd.out_flags & IOAS_DEVICE_PASID_0_APART, 0);
	check("segments count", cmd.out_requester, OTHER);
	check("/dev/vfio/vfio has none of it",
	      call(open_or_skip("/dev/vfio/vfio"), IOAS_GET_DEVICE, &cmd), -EINVAL);
	return check_done();
}
