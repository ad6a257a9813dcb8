/* SPDX-License-Identifier: MIT */
/*
 * What the descriptors of a door have beyond Linux: why the last call was refused; and of a device
 * what Linux cannot say: where its requests go, which requester IDs they carry, with whom it shares
 * them, and why.
 *
 * For programs, which need nothing but this header. On a real kernel these ioctls are ENOTTY, so
 * that a program may just try them. Sizes follow the rules of iommufd: a longer struct may end in
 * zeros (else E2BIG), a shorter one is EINVAL, what cannot be read or written is EFAULT.
 */
#ifndef IOAS_UAPI_EXT_H
#define IOAS_UAPI_EXT_H

#include <stdint.h>
#include <sys/ioctl.h>

/*
 * IOAS_LAST_REFUSAL, on any descriptor of /dev/iommu or VFIO: why the calling thread's last refused
 * call was refused: an ioctl, an open or an mmap of ours. Calls that succeed, and this one, leave
 * that as it is.
 *
 * `text_uptr` receives a line without a newline, ended by a zero and cut to `text_len` bytes; 0 and
 * 0 ask for the length only. `text_len` is then the whole line's length with its zero. `out_error`
 * is the errno; 0, and an empty line, when nothing was refused yet. A child of fork begins with
 * what its parent's thread had.
 *
 * EFAULT the struct or the text; EINVAL `size` below 24, text_uptr without text_len or the reverse;
 * E2BIG `size` above 24 with a tail that is not zero; EOPNOTSUPP `flags` not 0.
 */
struct ioas_last_refusal {
	uint32_t size;
	uint32_t flags; /* 0 */
	uint64_t text_uptr;
	uint32_t text_len;
	int32_t out_error;
};
#define IOAS_LAST_REFUSAL _IO(';', 0xe0)

/*
 * The same without a descriptor: the preload library has a function of this name and type, which a
 * program looks up with dlsym(RTLD_DEFAULT, IOAS_LAST_REASON_SYMBOL), so that it runs without the
 * library, too. The text is the calling thread's, and stays until its next refused call; "" when
 * nothing was refused yet.
 */
#define IOAS_LAST_REASON_SYMBOL "ioas_last_reason"
typedef const char *(*ioas_last_reason_fn)(void);

/*
 * The ioctls of a device. On /dev/iommu `dev_id` is what VFIO_DEVICE_BIND_IOMMUFD gave. On a
 * descriptor of a VFIO device it is 0 and means that device; what it asks may be asked before the
 * device is bound, too, since a machine's shape does not change.
 *
 * In general: EOPNOTSUPP `flags` or a reserved field not 0; ENOENT no device with that id; EINVAL
 * an id on a descriptor of a device; ENOMEM. An error writes nothing back but where it says so.
 *
 * A function's address is 32 bits: segment << 16 | bus << 8 | device << 3 | function.
 */

enum ioas_device_flags {
	IOAS_DEVICE_BOUND = 1 << 0,	    /* a driver has it, and has declared its forms */
	IOAS_DEVICE_PASID_0_APART = 1 << 1, /* PASID 0 is one, and not the same as no PASID */
	IOAS_DEVICE_BUS_PCI = 1 << 2,	    /* it has an address, a share set and a group */
};

/* What its driver has declared that it sends; as enum ioas_forms of device.h. */
enum ioas_device_sends {
	IOAS_SENDS_RID = 1 << 0,	  /* requests without a PASID */
	IOAS_SENDS_PASID = 1 << 1,	  /* requests with a PASID that its driver sets */
	IOAS_SENDS_SHARED_QUEUE = 1 << 2, /* requests with a PASID that comes with a work item */
};

/* Which TLPs a device sends, as what the IOMMU sees them, and to whom it belongs. */
struct ioas_get_device {
	uint32_t size;
	uint32_t flags; /* 0 */
	uint32_t dev_id;
	uint32_t out_flags;	/* enum ioas_device_flags */
	uint32_t out_function;	/* its address */
	uint32_t out_requester; /* segment << 16 | the requester ID its own requests arrive with */
	uint32_t out_sends;	/* enum ioas_device_sends; 0 too for one that sends none */
	uint32_t out_pasid_lg2; /* its PASIDs are below 1 << that; 0: none */
	uint32_t out_aw;	/* address bits of its IOMMU */
	uint32_t out_group;	/* N of /dev/vfio/N; IOAS_NO_GROUP for a device of no bus */
	uint32_t out_share_set; /* number among the machine's; IOAS_NO_GROUP likewise */
	uint32_t __reserved;	/* 0 */
};
#define IOAS_GET_DEVICE _IO(';', 0xe1)
#define IOAS_NO_GROUP	UINT32_MAX

enum ioas_route_flags {
	IOAS_ROUTE_PASID = 1 << 0,    /* of requests with `pasid`; else of those without one */
	IOAS_ROUTE_ATTACHED = 1 << 1, /* the device is attached by it. Else only others of its
				       * share set are, and its requests go the same way */
	IOAS_ROUTE_NO_OP = 1 << 2,   /* attached, but for another device's attach the IOMMU had been
				      * programmed already: nothing was done */
	IOAS_ROUTE_OTHERS = 1 << 3,  /* others of its share set are attached by it */
	IOAS_ROUTE_BLOCKED = 1 << 4, /* leads to no page table that requests can walk */
};

struct ioas_get_route {
	uint32_t flags; /* enum ioas_route_flags */
	uint32_t pasid;
	uint32_t ioas_id; /* 0: not one of /dev/iommu's, but a container's */
	uint32_t pt_id;	  /* the page table's id; 0 likewise */
};

/*
 * Where its requests go: an entry for those without a PASID and for each PASID that somebody is
 * attached by; what is not listed is blocked. `cursor` is 0 to begin with, and moves on; `entry_nr`
 * is how many entries there is room for, and then how many were written. 0 of them: that was all.
 * EINVAL room for none.
 */
struct ioas_get_routes {
	uint32_t size;
	uint32_t flags; /* 0 */
	uint32_t dev_id;
	uint32_t entry_nr;
	uint64_t entries_uptr; /* struct ioas_get_route */
	uint64_t cursor;
};
#define IOAS_GET_ROUTES _IO(';', 0xe2)

/* Why a requester ID is what it is, or two functions belong together: enum ioas_topology_cause. */
enum ioas_get_cause {
	IOAS_GET_OWN,		/* the function's own */
	IOAS_GET_PCIE_TO_PCI,	/* the bridge `at` puts its secondary bus:00.0 on the wire */
	IOAS_GET_PCI_BRIDGE,	/* the bridge `at` puts its own requester ID on the wire */
	IOAS_GET_FUNCTION_0,	/* a quirk: it uses function 0's requester ID */
	IOAS_GET_FUNCTION_1,	/* likewise, function 1's */
	IOAS_GET_ALIAS,		/* a quirk: a requester ID of its own choice */
	IOAS_GET_PHANTOM,	/* a phantom function of its own */
	IOAS_GET_NO_ACS_ABOVE,	/* the port `at` lets peers meet below the root */
	IOAS_GET_MULTIFUNCTION, /* functions of one device that does not isolate them */
	IOAS_GET_NOT_PCIE,	/* `at` is a conventional bridge: nothing isolates below */
};

struct ioas_get_requester {
	uint32_t requester; /* segment << 16 | requester ID */
	uint32_t cause;	    /* enum ioas_get_cause */
	uint32_t at;	    /* address of the bridge, or of the function itself */
	uint32_t __reserved;
};

enum ioas_member_flags {
	IOAS_MEMBER_SELF = 1 << 0,	/* the device that was asked for */
	IOAS_MEMBER_SHARES = 1 << 1,	/* in its share set: can carry a requester ID of its */
	IOAS_MEMBER_PORT = 1 << 2,	/* a port or bridge */
	IOAS_MEMBER_HOST = 1 << 3,	/* a driver of the host has it: the group cannot be used */
	IOAS_MEMBER_BOUND = 1 << 4,	/* bound to this /dev/iommu, as dev_id */
	IOAS_MEMBER_ELSEWHERE = 1 << 5, /* in another /dev/iommu or container of this process */
};

struct ioas_get_member {
	uint32_t function; /* its address */
	uint32_t flags;	   /* enum ioas_member_flags */
	uint32_t share_set;
	uint32_t dev_id; /* of IOAS_MEMBER_BOUND; else 0 */
};

/* Two functions that belong together, and what holds them together. */
struct ioas_get_reason {
	uint32_t a, b;	      /* their addresses */
	uint32_t at;	      /* address of the port, bridge or function that causes it */
	uint32_t cause;	      /* enum ioas_get_cause */
	uint32_t flags;	      /* IOAS_REASON_SHARE_SET: of the share set; else of the group */
	uint32_t acs_missing; /* bits of the ACS control register that would part them */
	uint32_t requester;   /* IOAS_REASON_SHARE_SET: the one in common */
	uint32_t __reserved;
};
#define IOAS_REASON_SHARE_SET (1u << 0)

/*
 * Three lists of what a device has:
 *   IOAS_GET_REQUESTERS  the requester IDs its TLPs may carry (struct ioas_get_requester)
 *   IOAS_GET_MEMBERS     all of its group, and who of them is in its share set (ioas_get_member)
 *   IOAS_GET_REASONS     all that holds its share set and its group together (ioas_get_reason)
 *
 * `entry_nr` is how many entries there is room for at `entries_uptr`, and then how many there are:
 * where that is more, what fits is written, too, and the answer is EMSGSIZE. At `text_uptr` each
 * entry is a line for people, in the same order; the text ends in a zero and is cut to `text_len`
 * bytes, which is then its whole length with the zero. 0 and 0 ask for the number, or the length,
 * only. EINVAL room without a place for it, or the reverse.
 */
struct ioas_get_list {
	uint32_t size;
	uint32_t flags; /* 0 */
	uint32_t dev_id;
	uint32_t entry_nr;
	uint64_t entries_uptr;
	uint64_t text_uptr;
	uint32_t text_len;
	uint32_t __reserved; /* 0 */
};
#define IOAS_GET_REQUESTERS _IO(';', 0xe3)
#define IOAS_GET_MEMBERS    _IO(';', 0xe4)
#define IOAS_GET_REASONS    _IO(';', 0xe5)

/*
 * IOAS_ATTACH and IOAS_DETACH, on a cdev of VFIO: as VFIO_DEVICE_ATTACH_IOMMUFD_PT and _DETACH_,
 * with their errors, and exact where those are not: with IOAS_ATTACH_PASID a `pasid` of 0 is PASID
 * 0, which differs from no PASID (and is EINVAL where the IOMMU cannot tell them apart); and an
 * attach says whether there was anything to do. ENOTTY on a device that a group gave, EINVAL before
 * it is bound, or a `pasid` without the flag.
 */
struct ioas_attach {
	uint32_t size;
	uint32_t flags;	     /* IOAS_ATTACH_PASID */
	uint32_t pt_id;	     /* an IOAS or a page table; then the page table */
	uint32_t pasid;	     /* with IOAS_ATTACH_PASID */
	uint32_t out_flags;  /* IOAS_ATTACH_NO_OP */
	uint32_t __reserved; /* 0 */
};
#define IOAS_ATTACH	  _IO(';', 0xe6)
#define IOAS_ATTACH_PASID (1u << 0)
/* A device of its share set is attached there already, or it is itself: nothing was done. */
#define IOAS_ATTACH_NO_OP (1u << 0)

struct ioas_detach {
	uint32_t size;
	uint32_t flags;	     /* IOAS_ATTACH_PASID */
	uint32_t pasid;	     /* with IOAS_ATTACH_PASID */
	uint32_t __reserved; /* 0 */
};
#define IOAS_DETACH _IO(';', 0xe7)

/*
 * IOASes nested in software, on /dev/iommu: one that maps addresses of another, its parent, and
 * shows what that maps there at the time, with the permissions of both. Devices behind any IOMMU
 * can be attached to it, and page tables made of it, as of any IOAS.
 *
 * IOAS_NEST_ALLOC makes one. ENOENT the parent; EINVAL it is nested 8 deep already; ENOMEM. While
 * it is there DESTROY of its parent is EBUSY.
 *
 * IOAS_NEST_MAP maps `length` bytes at `iova` to the parent's from `parent_iova` on. The parent
 * need not map anything there: what it does not map, or unmaps, is blocked until it maps it, and is
 * shown from the moment that call returns. `flags`: IOMMU_IOAS_MAP_READABLE, _WRITEABLE.
 * IOMMU_IOAS_UNMAP takes it away again, in whole maps. ENOENT the IOAS; EINVAL it is not nested,
 * neither of the flags, length 0, misaligned, or a reserved range; EOVERFLOW; EEXIST; EFAULT;
 * ENOMEM, as IOMMU_IOAS_MAP, which is EINVAL in a nested IOAS, as are MAP_FILE and COPY into it;
 * EINVAL, EPERM, as MAP_FILE, where with a page table attached it leads to a file that cannot be
 * had. So are MAP and the like in a parent whose part a nested IOAS then cannot show.
 *
 * IOAS_NEST_INFO tells how many maps it has, their bytes, and how many of these are not blocked.
 * ENOENT; EINVAL it is not nested.
 *
 * All: EOPNOTSUPP unknown flags, or a reserved field not 0; ENOTTY on other descriptors.
 */
struct ioas_nest_alloc {
	uint32_t size;
	uint32_t flags;	      /* 0 */
	uint32_t ioas_id;     /* the parent */
	uint32_t out_ioas_id; /* the new one */
};
#define IOAS_NEST_ALLOC _IO(';', 0xe8)

struct ioas_nest_map {
	uint32_t size;
	uint32_t flags;
	uint32_t ioas_id;
	uint32_t __reserved; /* 0 */
	uint64_t parent_iova;
	uint64_t length;
	uint64_t iova;
};
#define IOAS_NEST_MAP _IO(';', 0xe9)

struct ioas_nest_info_cmd {
	uint32_t size;
	uint32_t flags; /* 0 */
	uint32_t ioas_id;
	uint32_t __reserved; /* 0 */
	uint64_t out_maps;
	uint64_t out_length;
	uint64_t out_shown_length;
};
#define IOAS_NEST_INFO _IO(';', 0xea)

/*
 * For IOMMU_HWPT_INVALIDATE of a page table made with IOMMU_HWPT_DATA_AMD_GUEST, for which Linux
 * has no data: commands as a guest writes them to its command buffer (AMD 48882 2.4), with the
 * guest's own domain, device and PASID, of 16 bytes each. The opcode is in bits 63:60 of the first
 * word. EOPNOTSUPP another opcode than those below; EINVAL reserved bits.
 */
#define IOAS_HWPT_INVALIDATE_DATA_AMD 0x494f4101u
struct ioas_amd_command {
	uint64_t word[2];
};
enum ioas_amd_opcode {
	IOAS_AMD_INVALIDATE_DEVTAB_ENTRY = 2,
	IOAS_AMD_INVALIDATE_IOMMU_PAGES = 3,
	IOAS_AMD_INVALIDATE_IOMMU_ALL = 8,
};

#endif
