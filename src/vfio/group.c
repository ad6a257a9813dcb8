/* SPDX-License-Identifier: MIT */
/* Groups: found by number while somebody uses them. */
#include <errno.h>
#include <stdlib.h>
#include "util/alloc.h"
#include "util/lock.h"
#include "vfio/vfio.h"

int vfio_group_get(struct uapi *uapi, uint32_t number, struct vfio_group **out)
{
	struct vfio_group *group = ids_get(&uapi->groups, number);

	lock_must_hold(&uapi->vfio_lock);
	if (!group) {
		int rc = ids_take_at(&uapi->groups, number);

		if (rc)
			return rc;
		group = alloc_zero(1, sizeof(*group));
		if (!group) {
			ids_drop(&uapi->groups, number);
			return -ENOMEM;
		}
		group->uapi = uapi;
		group->number = number;
		ids_set(&uapi->groups, number, group);
	}
	group->refs++;
	*out = group;
	return 0;
}

void vfio_group_put(struct vfio_group *group)
{
	lock_must_hold(&group->uapi->vfio_lock);
	if (--group->refs)
		return;
	ids_drop(&group->uapi->groups, group->number);
	free(group);
}
