/* SPDX-License-Identifier: MIT */
/*
 * Page requests: a device asks for pages that have no translation, and is told when the program has
 * dealt with it. (PCI Express Base Specification 5.0, 10.4: the page request interface, PRI.)
 *
 * Requests come in groups: one by one, the last one marked so; a group is answered as a whole. The
 * program reads them from the fault queue of the page table that the device's requests of that form
 * go to (IOMMU_FAULT_QUEUE_ALLOC, IOMMU_HWPT_FAULT_ID_VALID), maps what it wants to, and answers.
 * Then the device asks for translations again, and goes on.
 *
 * A function has page requests if its description says so (ioas_pci_desc.page_request_nr) and its
 * IOMMU has them. They are enabled with ATS, as long as the device is attached.
 */
#ifndef IOAS_PRI_H
#define IOAS_PRI_H

#include <ioas/device.h>

IOAS_BEGIN

enum ioas_page_flags {
	IOAS_PAGE_READ = 1 << 0, /* what is wanted of the page */
	IOAS_PAGE_WRITE = 1 << 1,
	IOAS_PAGE_EXEC = 1 << 2,
	IOAS_PAGE_PRIV = 1 << 3,
	IOAS_PAGE_LAST = 1 << 4,  /* the group's last request */
	IOAS_PAGE_PASID = 1 << 5, /* with `pasid`; all of a group alike */
};

#define IOAS_PAGE_GROUPS 512

struct ioas_page_request {
	iova_t addr;
	uint32_t flags; /* enum ioas_page_flags */
	pasid_t pasid;
	uint16_t group; /* its index, below IOAS_PAGE_GROUPS */
};

/* The response code of a group (10.4.2.1). */
enum ioas_page_code {
	IOAS_PAGE_SUCCESS = 0, /* dealt with: ask for the translation again */
	IOAS_PAGE_INVALID = 1, /* there is no such page, or nobody takes requests */
	IOAS_PAGE_FAILURE = 15 /* requests fail: no more of them until the device is reset */
};

struct ioas_pri_ops {
	/*
	 * A group has its answer. From any thread (the program's, as a rule), perhaps before
	 * ioas_page_request has returned, with no locks of the engine held.
	 */
	void (*respond)(void *arg, uint16_t group, enum ioas_page_code code);
};

/*
 * Says that the model requests pages, and hears of answers; ioas_pri_close, that it does no more:
 * on return `respond` is not running and will not be called. 0; -EOPNOTSUPP the device or its IOMMU
 * has no page requests; -EBUSY it is open.
 */
int ioas_pri_open(struct ioas_device *dev, const struct ioas_pri_ops *ops, void *arg);
void ioas_pri_close(struct ioas_device *dev);

/*
 * Sends one request. Who holds no lock that `respond` takes may call it; it waits for nothing but
 * short locks. 0 it is under way, and after the last one of the group `respond` will be called;
 * -EAGAIN as many as the IOMMU allows are outstanding: send it again after an answer; -EBUSY the
 * group waits for its answer, its index cannot be used yet; -EINVAL no such group, or of another
 * form than the group's first; -EOPNOTSUPP as ioas_pri_open, or it was not called; -ENODEV not
 * enabled: the device is not attached, or may not send (bus master enable); -EIO a response said
 * that requests fail. Each of these is counted (refused), and nothing else has happened.
 */
int ioas_page_request(struct ioas_device *dev, const struct ioas_page_request *request);

/*
 * For a model that waits for an answer. Where the instance sets a time for answers
 * (ioas_iommu_config.pri_timeout_ms, `--set pri-timeout=`), groups whose time is over are answered
 * with IOAS_PAGE_INVALID, each on record (IOAS_FAULT_PAGE_TIMEOUT); what the program says of one
 * later changes nothing. The engine has no clock that runs by itself, so the model calls this while
 * it waits: the result says in how many ms it should do so again, 0: nothing waits for a time. As
 * ioas_page_request, with no lock held that `respond` takes.
 */
unsigned ioas_pri_expire(struct ioas_device *dev);

/* How many may be outstanding, 0: no page requests; and what has become of all so far. */
unsigned ioas_page_room(const struct ioas_device *dev);
struct ioas_pri_stats {
	uint64_t requests;		    /* sent */
	uint64_t groups;		    /* of them */
	uint64_t success, invalid, failure; /* groups answered so */
	uint64_t unserved;		    /* of the invalid ones: nobody took them */
	uint64_t forgotten; /* groups that a reset of the device ended before their answer */
	uint64_t refused;   /* not sent */
	unsigned outstanding;
};
void ioas_pri_stats(struct ioas_device *dev, struct ioas_pri_stats *out);

IOAS_END

#endif
