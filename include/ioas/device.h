/* SPDX-License-Identifier: MIT */
/*
 * A device as the IOMMU knows it, whatever its bus: its requester ID, what it will send, and where
 * that goes. The other half of the problem.
 */
#ifndef IOAS_DEVICE_H
#define IOAS_DEVICE_H

#include <ioas/space.h>
#include <ioas/tlp.h>

IOAS_BEGIN

/* The forms of TLP a driver declares for its device when it binds it. */
enum ioas_forms {
	IOAS_FORM_RID = 1 << 0, /* untagged requests with the device's requester ID */
};

/*
 * Says which TLPs `dev` will send (enum ioas_forms, 0: none at all, a software-mediated device).
 * Only the driver behind the device knows. A TLP of another form is blocked and recorded.
 * Returns 0; -EBUSY bound already.
 */
int ioas_device_bind(struct ioas_device *dev, uint32_t forms, struct ioas_why *why);
/* The reverse; the device must be detached. On return none of its transactions is in flight. */
void ioas_device_unbind(struct ioas_device *dev);

/*
 * Routes the device's untagged requests to `space`, through a page table that all devices attached
 * this way share. A device that is attached moves there in one step (replace).
 * Returns 0; -EINVAL not bound with IOAS_FORM_RID; -EADDRINUSE something is mapped where the IOMMU
 * or the device has a reserved range, or misaligned; -EFAULT a mapping's memory is not there;
 * -ENOMEM. An error leaves the old route.
 */
int ioas_device_attach(struct ioas_device *dev, struct ioas_space *space, struct ioas_why *why);
/* Blocks the device's requests. On return none of them is in flight. Never fails. */
void ioas_device_detach(struct ioas_device *dev);

/* Its name ("0000:01:00.0"), requester ID and counters; valid as long as it is. */
const char *ioas_device_name(const struct ioas_device *dev);
rid_t ioas_device_rid(const struct ioas_device *dev);
const struct ioas_device_counters *ioas_device_counters(const struct ioas_device *dev);

/*
 * Reads fault records after sequence number *seq, oldest first, and moves *seq on. The instance
 * keeps the newest 1024. Returns how many were written to out.
 */
size_t ioas_fault_read(struct ioas_iommu *iommu, uint64_t *seq, struct ioas_fault *out, size_t max);

IOAS_END

#endif
