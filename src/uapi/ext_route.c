/* SPDX-License-Identifier: MIT */
/* Where a device's requests go, and sending them elsewhere with nothing left unsaid. */
#include <errno.h>
#include "uapi/device_file.h"
#include "uapi/ext.h"
#include "uapi/handlers.h"
#include "util/why.h"

/* Routes by which they are read: many may be attached, and the lock is not held for long. */
#define PIECE 64u

/* Returns how many it wrote to the caller, or -errno. */
static long copy_piece(struct uapi_call *call, uint64_t va, uint32_t max)
{
	struct ioas_get_routes *cmd = call->cmd;
	struct ioas_route routes[PIECE];
	struct ioas_get_route out[PIECE];
	struct ext_device device;
	size_t nr = 0;
	long rc = ext_begin(call, cmd->dev_id, &device);

	if (rc)
		return rc;
	if (device.dev)
		nr = ioas_device_routes(device.dev, &cmd->cursor, routes,
					max < PIECE ? max : PIECE);
	ext_end(call, &device);
	for (size_t i = 0; i < nr; i++)
		out[i] = (struct ioas_get_route){
			.flags = routes[i].flags,
			.pasid = routes[i].pasid,
			.ioas_id = routes[i].ioas_id,
			.pt_id = routes[i].pt_id,
		};
	rc = uapi_copy_to(call, va, out, nr * sizeof(*out));
	return rc ? rc : (long)nr;
}

long ioas_get_routes(struct uapi_call *call)
{
	struct ioas_get_routes *cmd = call->cmd;
	uint32_t done = 0;

	if (cmd->flags)
		return why_set(call->why, -EOPNOTSUPP, "unknown flags 0x%x", cmd->flags);
	if (!cmd->entry_nr)
		return why_set(call->why, -EINVAL, "room for no entry");
	while (done < cmd->entry_nr) {
		long nr = copy_piece(
			call, cmd->entries_uptr + (uint64_t)done * sizeof(struct ioas_get_route),
			cmd->entry_nr - done);

		if (nr < 0)
			return nr;
		if (!nr)
			break;
		done += (uint32_t)nr;
	}
	cmd->entry_nr = done;
	return uapi_respond(call);
}

/* What both have: flags, and a PASID only with its flag. */
static int check(struct uapi_call *call, uint32_t flags, uint32_t pasid, uint32_t reserved)
{
	int rc = device_file_check_cdev(call);

	if (rc)
		return rc;
	if (flags & ~IOAS_ATTACH_PASID || reserved)
		return why_set(call->why, -EOPNOTSUPP,
			       "unknown flags 0x%x, or a reserved field is not 0", flags);
	if (pasid && !(flags & IOAS_ATTACH_PASID))
		return why_set(call->why, -EINVAL, "PASID %u without IOAS_ATTACH_PASID", pasid);
	if (!device_file_pci(call->file))
		return why_set(call->why, -EINVAL, "%s is not bound yet (VFIO_DEVICE_BIND_IOMMUFD)",
			       call->file->node.path);
	return 0;
}

static int not_a_device(struct uapi_call *call)
{
	return why_set(call->why, -ENOTTY, "only a device's descriptor has this ioctl");
}

long ioas_attach(struct uapi_call *call)
{
	struct ioas_attach *cmd = call->cmd;
	const uint32_t *pasid = cmd->flags & IOAS_ATTACH_PASID ? &cmd->pasid : NULL;
	int rc;

	if (call->file->ops != &device_file_ops)
		return not_a_device(call);
	rc = check(call, cmd->flags, cmd->pasid, cmd->__reserved);
	if (rc)
		return rc;
	rc = device_file_attach(call->file->priv, pasid, &cmd->pt_id, call->why);
	if (rc < 0)
		return rc;
	cmd->out_flags = rc ? IOAS_ATTACH_NO_OP : 0;
	rc = uapi_respond(call);
	if (rc)
		device_file_detach(call->file->priv, pasid);
	return rc;
}

long ioas_detach(struct uapi_call *call)
{
	const struct ioas_detach *cmd = call->cmd;
	int rc;

	if (call->file->ops != &device_file_ops)
		return not_a_device(call);
	rc = check(call, cmd->flags, cmd->pasid, cmd->__reserved);
	if (!rc)
		device_file_detach(call->file->priv,
				   cmd->flags & IOAS_ATTACH_PASID ? &cmd->pasid : NULL);
	return rc;
}
