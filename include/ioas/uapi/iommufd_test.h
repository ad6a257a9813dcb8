/* SPDX-License-Identifier: MIT */
/*
 * IOMMU_TEST_CMD: an ioctl of /dev/iommu for tests, behind which there are devices that exist on
 * paper only. A kernel built with CONFIG_IOMMUFD_TEST has it; here it is a setting, selftest=on.
 *
 * The layouts and numbers are Linux's (6.12, and up to 7.3 from TESTCMD_DEVICE_CACHE on), the names
 * are ours. It is no stable interface there and none here: nothing but tests should use it.
 */
#ifndef IOAS_UAPI_IOMMUFD_TEST_H
#define IOAS_UAPI_IOMMUFD_TEST_H

#include <ioas/uapi/iommufd.h>

#define IOMMU_TEST_CMD _IO(IOMMUFD_TYPE, 0xa0)

/* What `op` may be. `id` is named in each line; the union's member is named alike. */
enum testcmd_op {
	TESTCMD_RESERVE = 1,	     /* id: IOAS. Reserves a range for good */
	TESTCMD_DEVICE = 2,	     /* id: IOAS or hwpt. A new device, attached to it */
	TESTCMD_CHECK_MAP = 3,	     /* id: hwpt. Does it lead to that memory? */
	TESTCMD_CHECK_PINS = 4,	     /* Is that memory pinned so often? */
	TESTCMD_ACCESS = 5,	     /* id: IOAS. A new access, a descriptor */
	TESTCMD_ACCESS_UNPIN = 6,    /* id: descriptor of an access */
	TESTCMD_ACCESS_PIN = 7,	     /* likewise */
	TESTCMD_ACCESS_RW = 8,	     /* likewise */
	TESTCMD_BATCH_LIMIT = 9,     /* How much memory a call may use for its work */
	TESTCMD_REPLACE = 10,	     /* id: test device. Attaches it elsewhere */
	TESTCMD_ACCESS_REPLACE = 11, /* id: descriptor of an access */
	TESTCMD_DEVICE_FLAGS = 12,   /* As TESTCMD_DEVICE, with `flags` */
	TESTCMD_DIRTY = 13,	     /* id: hwpt. Marks pages as written to */
	TESTCMD_CHECK_IOTLB = 14,    /* id: nested hwpt */
	TESTCMD_PAGE_REQUEST = 15,   /* A device asks for a page */
	TESTCMD_CHECK_CACHE = 16,    /* id: device (not the test device) */
	TESTCMD_VEVENT = 17,	     /* A device's viommu has an event */
	TESTCMD_PASID_ATTACH = 18,   /* id: test device; so for the next three */
	TESTCMD_PASID_REPLACE = 19,
	TESTCMD_PASID_DETACH = 20,
	TESTCMD_PASID_CHECK = 21,  /* Is the PASID attached to that hwpt (0: to none)? */
	TESTCMD_DMABUF = 22,	   /* A dma-buf; its descriptor is the ioctl's result */
	TESTCMD_DMABUF_REVOKE = 23 /* Takes its memory away, or gives it back */
};

/* What the mock IOMMU is like. */
enum {
	TESTCMD_PAGE_LEN = 2048,
	TESTCMD_HUGE_LEN = 512 * TESTCMD_PAGE_LEN,
	TESTCMD_APERTURE_FIRST = 0x1000000,
	TESTCMD_APERTURE_LAST = 0x7fffffff,
	TESTCMD_IOTLB_NR = 4, /* words that stand for a nested hwpt's IOTLB */
	TESTCMD_CACHE_NR = 4, /* words that stand for a device's cache */
	TESTCMD_PASID_LG2 = 20,
	TESTCMD_PASID_FAULTY = 1024, /* the second attachment of this PASID fails once */
	TESTCMD_HW_QUEUE_NR = 2,     /* hardware queues of a viommu */
};
#define TESTCMD_CACHE_INITIAL 0xbaddadu /* a device's cache when it is new */

/* Types of data and objects that the mock IOMMU knows. */
#define TESTCMD_TYPE_HWPT	     0xdeadu
#define TESTCMD_TYPE_INVALIDATE	     0xdeadbeefu /* of nested hwpts and of viommus */
#define TESTCMD_TYPE_INVALIDATE_NONE 0xdadbeefu	 /* one that it does not know */
#define TESTCMD_TYPE_HW_INFO	     0xfeedbeefu
#define TESTCMD_TYPE_VIOMMU	     0xdeadbeefu
#define TESTCMD_TYPE_VEVENTQ	     0xbeefbeefu
#define TESTCMD_TYPE_HW_QUEUE	     0xdeadbeefu

enum testcmd_device_flags {
	TESTCMD_DEVICE_NO_DIRTY = 1 << 0, /* its IOMMU tracks no dirty pages */
	TESTCMD_DEVICE_HUGE = 1 << 1,	  /* pages of TESTCMD_HUGE_LEN (6.12) */
	TESTCMD_DEVICE_PASID = 1 << 2,	  /* it sends PASIDs (7.3) */
};

enum testcmd_access_flags {
	TESTCMD_ACCESS_NEEDS_PIN = 1 << 0, /* of TESTCMD_ACCESS */
	TESTCMD_ACCESS_WRITE = 1 << 0,	   /* of the others */
	TESTCMD_ACCESS_SLOW = 1 << 2,	   /* of TESTCMD_ACCESS_RW: another way to copy */
	TESTCMD_ACCESS_FUZZED = 1 << 16,   /* iova counts in the mappings, as fuzzers like it */
};

struct iommu_test_cmd {
	uint32_t size;
	uint32_t op; /* enum testcmd_op */
	uint32_t id;
	uint32_t __reserved;
	union {
		struct {
			IOAS_UAPI_U64 start;
			IOAS_UAPI_U64 length;
		} reserve;
		struct {
			uint32_t out_test_id; /* what IOMMU_DESTROY ends */
			uint32_t out_hwpt_id;
			uint32_t out_device_id; /* the device for all other ioctls */
			uint32_t flags;		/* TESTCMD_DEVICE_FLAGS only */
		} device;
		struct {
			IOAS_UAPI_U64 iova;
			IOAS_UAPI_U64 length;
			IOAS_UAPI_U64 uptr;
		} check_map;
		struct {
			IOAS_UAPI_U64 length;
			IOAS_UAPI_U64 uptr;
			uint32_t pins;
		} check_pins;
		struct {
			int32_t out_fd;
			uint32_t flags;
		} access;
		struct {
			uint32_t item;
		} access_unpin;
		struct {
			uint32_t flags;
			uint32_t out_item;
			IOAS_UAPI_U64 iova;
			IOAS_UAPI_U64 length;
			IOAS_UAPI_U64 uptr;
		} access_pin;
		struct {
			IOAS_UAPI_U64 iova;
			IOAS_UAPI_U64 length;
			IOAS_UAPI_U64 uptr;
			uint32_t flags;
		} access_rw;
		struct {
			uint32_t limit;
		} batch_limit;
		struct {
			uint32_t pt_id; /* in and out */
		} replace;
		struct {
			uint32_t ioas_id;
		} access_replace;
		struct {
			uint32_t flags; /* none known */
			IOAS_UAPI_U64 iova;
			IOAS_UAPI_U64 length;
			IOAS_UAPI_U64 page_size;
			IOAS_UAPI_U64 uptr; /* a bit a page */
			IOAS_UAPI_U64 out_nr;
		} dirty;
		struct {
			uint32_t index;
			uint32_t value;
		} check_word; /* CHECK_IOTLB and CHECK_CACHE */
		struct {
			uint32_t device_id;
			uint32_t pasid;
			uint32_t group;
			uint32_t perm;
			IOAS_UAPI_U64 addr;
		} page_request;
		struct {
			uint32_t device_id;
		} vevent;
		struct {
			uint32_t pasid;
			uint32_t pt_id; /* in; ATTACH and REPLACE: out. CHECK: an hwpt */
		} pasid;
		struct {
			uint32_t length;
			uint32_t open_flags;
		} dmabuf;
		struct {
			int32_t fd;
			uint32_t revoked;
		} dmabuf_revoke;
		uint8_t room[48];
	};
	uint32_t last; /* not used */
};

/* IOMMU_GET_HW_INFO's answer. */
struct testcmd_hw_info {
	uint32_t flags;
	uint32_t test_reg;
};
#define TESTCMD_HW_INFO_REG 0xdeadbeefu

/* IOMMU_HWPT_ALLOC's data. */
struct testcmd_hwpt {
	uint32_t iotlb;	  /* nested: what its IOTLB words are at first */
	uint32_t pt_type; /* on an IOAS: enum testcmd_pt_type (7.3) */
};
#define TESTCMD_IOTLB_INITIAL 0xbadbeefu /* what the kernel's tests give */

enum testcmd_pt_type {
	TESTCMD_PT_DEFAULT = 0,
	TESTCMD_PT_HUGE = 1,
};

/* An entry of IOMMU_HWPT_INVALIDATE, for a nested hwpt and for a viommu. */
struct testcmd_hwpt_invalidate {
	uint32_t flags;
	uint32_t index;
};
struct testcmd_viommu_invalidate {
	uint32_t flags;
	uint32_t virt_id;
	uint32_t index;
};
#define TESTCMD_INVALIDATE_ALL 1u

/* IOMMU_VIOMMU_ALLOC's data: `out_data` follows `in_data` as a loop, also in the memory. */
struct testcmd_viommu {
	uint32_t in_data;
	uint32_t out_data;
	IOAS_UAPI_U64 out_mmap_offset;
	IOAS_UAPI_U64 out_mmap_length;
};

/* A virtual event. */
struct testcmd_vevent {
	uint32_t virt_id;
};

#endif
