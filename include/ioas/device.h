/* SPDX-License-Identifier: MIT */
/*
 * A device as the IOMMU knows it, whatever its bus: its requester ID, what it will send, and where
 * that goes. The other half of the problem.
 */
#ifndef IOAS_DEVICE_H
#define IOAS_DEVICE_H

#include <ioas/space.h>
#include <ioas/tlp.h>
#include <ioas/uapi_ext.h>

IOAS_BEGIN

/* The forms of TLP a driver declares for its device when it binds it. */
enum ioas_forms {
	IOAS_FORM_RID = 1 << 0, /* requests with the device's requester ID, without a PASID */
	IOAS_FORM_PASID =
		1 << 1, /* requests with its requester ID and a PASID, set by its driver */
	/*
	 * The same on the wire, but the PASID comes with each work item, from whoever submits it to
	 * a shared queue (ENQCMD, DMWr). Such PASIDs are machine-wide: all devices with such queues
	 * have to route one alike.
	 */
	IOAS_FORM_SHARED_QUEUE = 1 << 2,
};

/*
 * Says which TLPs `dev` will send (enum ioas_forms, 0: none at all, a software-mediated device).
 * Only the driver behind the device knows. A TLP of another form is blocked and recorded.
 * `pasid_lg2`: how wide its PASIDs are, 1..20; 0 with neither IOAS_FORM_PASID nor _SHARED_QUEUE.
 * Returns 0; -EBUSY bound already; -EINVAL unknown forms, or a width that does not fit them.
 */
int ioas_device_bind(struct ioas_device *dev, uint32_t forms, unsigned pasid_lg2,
		     struct ioas_why *why);
/* The reverse; the device must be detached. On return none of its transactions is in flight. */
void ioas_device_unbind(struct ioas_device *dev);

/*
 * Routes the device's untagged requests to `space`, through a page table that all devices attached
 * this way share. A device that is attached moves there in one step (replace), and with it all of
 * its share set that are attached: those whose requests can carry a common requester ID.
 * Returns 0; 1 a device of its share set is attached there already, so that there was nothing to
 * do; -EINVAL not bound with IOAS_FORM_RID, or a device of its share set is attached elsewhere
 * (`why` names it); -EADDRINUSE something is mapped where the IOMMU or the device has a reserved
 * range, or misaligned; -EFAULT a mapping's memory is not there; -ENOMEM. An error leaves the old
 * route.
 */
int ioas_device_attach(struct ioas_device *dev, struct ioas_space *space, struct ioas_why *why);
/*
 * Blocks the device's requests. On return none of them is in flight. Never fails. While another of
 * its share set is attached the requests of both go on: the IOMMU cannot tell them apart.
 */
void ioas_device_detach(struct ioas_device *dev);

/*
 * The same for requests with PASID `pasid`, each of which has a route of its own. PASID 0 is one,
 * and different from no PASID, unless the instance is set pasid0=same: then it is -EINVAL here, and
 * requests with PASID 0 take the route of those without one, as on VT-d.
 * Also -EINVAL: no form with PASIDs declared; the PASID beyond the declared width; with
 * IOAS_FORM_SHARED_QUEUE, another device with shared queues routes the PASID elsewhere.
 */
int ioas_device_attach_pasid(struct ioas_device *dev, pasid_t pasid, struct ioas_space *space,
			     struct ioas_why *why);
void ioas_device_detach_pasid(struct ioas_device *dev, pasid_t pasid);

/* One of a device's routes. */
struct ioas_route {
	bool has_pasid; /* of requests with `pasid`; else of those without one */
	pasid_t pasid;
	uint32_t flags; /* enum ioas_route_flags */
	/* Where it leads: ids of /dev/iommu's where an ioctl attached it, else 0; */
	uint32_t ioas_id, pt_id;
	/* and the space that ioas_device_attach was given, else NULL. Valid while it is attached.
	 */
	struct ioas_space *space;
};

/*
 * Writes up to `max` of the device's routes, from *cursor on (0: from the first), moves *cursor on
 * and returns how many; 0: that was all. First that of requests without a PASID, then by PASID;
 * those by which nobody of its share set is attached are left out. What is attached or detached
 * between two calls may or may not be seen. Takes the lock of its share set. O(log n + max).
 */
size_t ioas_device_routes(struct ioas_device *dev, uint64_t *cursor, struct ioas_route *out,
			  size_t max);

/*
 * What its driver has declared (enum ioas_forms; 0 for a driver of a device that sends nothing, and
 * without a driver), and into *pasid_lg2 (may be NULL) how wide its PASIDs are.
 */
uint32_t ioas_device_forms(const struct ioas_device *dev, unsigned *pasid_lg2);

/*
 * A device on a bus that has no RIDs but StreamIDs (a platform bus). `name` is copied (at most
 * IOAS_NAME_LEN - 1 bytes). Its requests are let out at once: there is no bus master enable.
 * SubstreamIDs are what PASIDs are on PCI. 0; -EEXIST the StreamID is taken; -ENOMEM.
 */
int ioas_stream_new(struct ioas_iommu *iommu, const char *name, uint32_t stream_id,
		    struct ioas_device **out);
/* The device must be unbound, and without issuers. NULL is fine. */
void ioas_stream_destroy(struct ioas_device *dev);

/*
 * Its name ("0000:01:00.0"), the requester ID its TLPs carry where they meet the IOMMU (RID or
 * StreamID), and counters; valid as long as it is.
 */
const char *ioas_device_name(const struct ioas_device *dev);
rid_t ioas_device_rid(const struct ioas_device *dev);
uint32_t ioas_device_id(const struct ioas_device *dev);
const struct ioas_device_counters *ioas_device_counters(const struct ioas_device *dev);

/*
 * Reads fault records after sequence number *seq, oldest first, and moves *seq on. The instance
 * keeps the newest 1024. Returns how many were written to out.
 */
size_t ioas_fault_read(struct ioas_iommu *iommu, uint64_t *seq, struct ioas_fault *out, size_t max);

IOAS_END

#endif
