/* SPDX-License-Identifier: MIT */
/*
 * The ioctls of /dev/iommu: numbers and layouts of the Linux ABI (up to Linux 7.3), in our own
 * words. Can't be included together with <linux/iommufd.h>, which says the same.
 *
 * Every argument begins with its size in bytes. A longer struct than known is accepted when the
 * rest is zero (else E2BIG), a shorter one is read as if zeros followed.
 */
#ifndef IOAS_UAPI_IOMMUFD_H
#define IOAS_UAPI_IOMMUFD_H

#include <stdint.h>
#include <linux/ioctl.h>

#define IOMMUFD_TYPE (';')

#define IOMMU_DESTROY		      _IO(IOMMUFD_TYPE, 0x80)
#define IOMMU_IOAS_ALLOC	      _IO(IOMMUFD_TYPE, 0x81)
#define IOMMU_IOAS_ALLOW_IOVAS	      _IO(IOMMUFD_TYPE, 0x82)
#define IOMMU_IOAS_COPY		      _IO(IOMMUFD_TYPE, 0x83)
#define IOMMU_IOAS_IOVA_RANGES	      _IO(IOMMUFD_TYPE, 0x84)
#define IOMMU_IOAS_MAP		      _IO(IOMMUFD_TYPE, 0x85)
#define IOMMU_IOAS_UNMAP	      _IO(IOMMUFD_TYPE, 0x86)
#define IOMMU_OPTION		      _IO(IOMMUFD_TYPE, 0x87)
#define IOMMU_VFIO_IOAS		      _IO(IOMMUFD_TYPE, 0x88)
#define IOMMU_HWPT_ALLOC	      _IO(IOMMUFD_TYPE, 0x89)
#define IOMMU_GET_HW_INFO	      _IO(IOMMUFD_TYPE, 0x8a)
#define IOMMU_HWPT_SET_DIRTY_TRACKING _IO(IOMMUFD_TYPE, 0x8b)
#define IOMMU_HWPT_GET_DIRTY_BITMAP   _IO(IOMMUFD_TYPE, 0x8c)
#define IOMMU_HWPT_INVALIDATE	      _IO(IOMMUFD_TYPE, 0x8d)
#define IOMMU_FAULT_QUEUE_ALLOC	      _IO(IOMMUFD_TYPE, 0x8e)
#define IOMMU_IOAS_MAP_FILE	      _IO(IOMMUFD_TYPE, 0x8f)
#define IOMMU_VIOMMU_ALLOC	      _IO(IOMMUFD_TYPE, 0x90)
#define IOMMU_VDEVICE_ALLOC	      _IO(IOMMUFD_TYPE, 0x91)
#define IOMMU_IOAS_CHANGE_PROCESS     _IO(IOMMUFD_TYPE, 0x92)
#define IOMMU_VEVENTQ_ALLOC	      _IO(IOMMUFD_TYPE, 0x93)
#define IOMMU_HW_QUEUE_ALLOC	      _IO(IOMMUFD_TYPE, 0x94)
#define IOMMU_IOAS_NOIOMMU_GET_PA     _IO(IOMMUFD_TYPE, 0x95)

/* The kernel aligns u64 members to 8 bytes on every architecture. */
#define IOAS_UAPI_U64 uint64_t __attribute__((aligned(8)))

/* Drops an object by id. EBUSY while something uses it. */
struct iommu_destroy {
	uint32_t size;
	uint32_t id;
};

/* Makes an address space. */
struct iommu_ioas_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t out_ioas_id;
};

/* An inclusive range. */
struct iommu_iova_range {
	IOAS_UAPI_U64 start;
	IOAS_UAPI_U64 last;
};

/* What can be mapped: as many ranges as fit are written, num_iovas says how many there are. */
struct iommu_ioas_iova_ranges {
	uint32_t size;
	uint32_t ioas_id;
	uint32_t num_iovas;
	uint32_t __reserved;
	IOAS_UAPI_U64 allowed_iovas; /* struct iommu_iova_range * */
	IOAS_UAPI_U64 out_iova_alignment;
};

/* Restricts where addresses are chosen; num_iovas 0 lifts the restriction. */
struct iommu_ioas_allow_iovas {
	uint32_t size;
	uint32_t ioas_id;
	uint32_t num_iovas;
	uint32_t __reserved;
	IOAS_UAPI_U64 allowed_iovas; /* const struct iommu_iova_range * */
};

enum iommufd_ioas_map_flags {
	IOMMU_IOAS_MAP_FIXED_IOVA = 1,
	IOMMU_IOAS_MAP_WRITEABLE = 2,
	IOMMU_IOAS_MAP_READABLE = 4,
};

/* Maps memory of the caller; iova is input with FIXED_IOVA, output always. */
struct iommu_ioas_map {
	uint32_t size;
	uint32_t flags;
	uint32_t ioas_id;
	uint32_t __reserved;
	IOAS_UAPI_U64 user_va;
	IOAS_UAPI_U64 length;
	IOAS_UAPI_U64 iova;
};

/* Maps what another range, perhaps of another IOAS, shows. */
struct iommu_ioas_copy {
	uint32_t size;
	uint32_t flags;
	uint32_t dst_ioas_id;
	uint32_t src_ioas_id;
	IOAS_UAPI_U64 length;
	IOAS_UAPI_U64 dst_iova;
	IOAS_UAPI_U64 src_iova;
};

/* iova 0 and length UINT64_MAX is everything. length receives the bytes unmapped. */
struct iommu_ioas_unmap {
	uint32_t size;
	uint32_t ioas_id;
	IOAS_UAPI_U64 iova;
	IOAS_UAPI_U64 length;
};

enum iommufd_option {
	IOMMU_OPTION_RLIMIT_MODE = 0, /* of the context: account pinned pages to the process */
	IOMMU_OPTION_HUGE_PAGES = 1,  /* of an IOAS: translations larger than a page allowed */
};

enum iommufd_option_ops {
	IOMMU_OPTION_OP_SET = 0,
	IOMMU_OPTION_OP_GET = 1,
};

struct iommu_option {
	uint32_t size;
	uint32_t option_id;
	uint16_t op;
	uint16_t __reserved;
	uint32_t object_id;
	IOAS_UAPI_U64 val64;
};

enum iommufd_vfio_ioas_op {
	IOMMU_VFIO_IOAS_GET = 0,
	IOMMU_VFIO_IOAS_SET = 1,
	IOMMU_VFIO_IOAS_CLEAR = 2,
};

/* The IOAS that VFIO type1 ioctls on this descriptor act on. */
struct iommu_vfio_ioas {
	uint32_t size;
	uint32_t ioas_id;
	uint16_t op;
	uint16_t __reserved;
};

enum iommufd_hwpt_alloc_flags {
	IOMMU_HWPT_ALLOC_NEST_PARENT = 1 << 0,
	IOMMU_HWPT_ALLOC_DIRTY_TRACKING = 1 << 1,
	IOMMU_HWPT_FAULT_ID_VALID = 1 << 2,
	IOMMU_HWPT_ALLOC_PASID = 1 << 3,
};

enum iommu_hwpt_data_type {
	IOMMU_HWPT_DATA_NONE = 0,
	IOMMU_HWPT_DATA_VTD_S1 = 1,
	IOMMU_HWPT_DATA_ARM_SMMUV3 = 2,
	IOMMU_HWPT_DATA_AMD_GUEST = 3,
};

enum iommu_hwpt_vtd_s1_flags {
	IOMMU_VTD_S1_SRE = 1 << 0,  /* privileged requests are let in */
	IOMMU_VTD_S1_EAFE = 1 << 1, /* entries have an extended accessed flag */
	IOMMU_VTD_S1_WPE = 1 << 2,  /* what is read-only is so for privileged requests, too */
};

/* IOMMU_HWPT_DATA_VTD_S1: a first-stage table, as a PASID table entry says it (VT-d 9.6). */
struct iommu_hwpt_vtd_s1 {
	IOAS_UAPI_U64 flags;
	IOAS_UAPI_U64 pgtbl_addr; /* where the table is, in the nest parent */
	uint32_t addr_width;	  /* 48 or 57 */
	uint32_t __reserved;
};

/* IOMMU_HWPT_DATA_AMD_GUEST: a guest's device table entry (48882 2.2.2.1). */
struct iommu_hwpt_amd_guest {
	IOAS_UAPI_U64 dte[4];
};

/* Makes a page table for a device, on an IOAS (or nested on another page table). */
struct iommu_hwpt_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t dev_id;
	uint32_t pt_id;
	uint32_t out_hwpt_id;
	uint32_t __reserved;
	uint32_t data_type;
	uint32_t data_len;
	IOAS_UAPI_U64 data_uptr;
	uint32_t fault_id;
	uint32_t __reserved2;
};

enum iommu_hw_info_type {
	IOMMU_HW_INFO_TYPE_NONE = 0,
	IOMMU_HW_INFO_TYPE_DEFAULT = 0,
	IOMMU_HW_INFO_TYPE_INTEL_VTD = 1,
	IOMMU_HW_INFO_TYPE_ARM_SMMUV3 = 2,
	IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV = 3,
	IOMMU_HW_INFO_TYPE_AMD = 4,
};

enum iommufd_hw_capabilities {
	IOMMU_HW_CAP_DIRTY_TRACKING = 1 << 0,
	IOMMU_HW_CAP_PCI_PASID_EXEC = 1 << 1,
	IOMMU_HW_CAP_PCI_PASID_PRIV = 1 << 2,
	IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED = 1 << 3,
};

enum iommu_hw_info_flags {
	IOMMU_HW_INFO_FLAG_INPUT_TYPE = 1 << 0,
};

/* What the IOMMU behind a device is. data_len receives the true length of its data. */
struct iommu_hw_info {
	uint32_t size;
	uint32_t flags;
	uint32_t dev_id;
	uint32_t data_len;
	IOAS_UAPI_U64 data_uptr;
	union {
		uint32_t in_data_type;
		uint32_t out_data_type;
	};
	uint8_t out_max_pasid_log2;
	uint8_t __reserved[3];
	IOAS_UAPI_U64 out_capabilities;
};

/* Data of IOMMU_HW_INFO_TYPE_INTEL_VTD: the unit's capability registers (VT-d 11.4). */
struct iommu_hw_info_vtd {
	uint32_t flags;
	uint32_t __reserved;
	IOAS_UAPI_U64 cap_reg;
	IOAS_UAPI_U64 ecap_reg;
};

/* Data of IOMMU_HW_INFO_TYPE_ARM_SMMUV3: IDR0 to IDR5, IIDR and AIDR (IHI 0070 6.3). */
struct iommu_hw_info_arm_smmuv3 {
	uint32_t flags;
	uint32_t __reserved;
	uint32_t idr[6];
	uint32_t iidr;
	uint32_t aidr;
};

/*
 * IOMMU_HWPT_DATA_ARM_SMMUV3: the first two words of a stream table entry, little-endian. Only V,
 * Config, S1Fmt, S1ContextPtr, S1CDMax; S1DSS, S1CIR, S1COR, S1CSH, S1STALLD and EATS may be set
 * (IHI 0070 5.2).
 */
struct iommu_hwpt_arm_smmuv3 {
	IOAS_UAPI_U64 ste[2];
};

/* Data of IOMMU_HW_INFO_TYPE_AMD: the extended feature registers (48882 3.4). */
struct iommu_hw_info_amd {
	IOAS_UAPI_U64 efr;
	IOAS_UAPI_U64 efr2;
};

enum iommufd_hwpt_set_dirty_tracking_flags {
	IOMMU_HWPT_DIRTY_TRACKING_ENABLE = 1 << 0,
};

struct iommu_hwpt_set_dirty_tracking {
	uint32_t size;
	uint32_t flags;
	uint32_t hwpt_id;
	uint32_t __reserved;
};

enum iommufd_hwpt_get_dirty_bitmap_flags {
	IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR = 1 << 0,
};

/* A bit of `data` stands for page_size bytes of iova .. iova + length - 1. */
struct iommu_hwpt_get_dirty_bitmap {
	uint32_t size;
	uint32_t hwpt_id;
	uint32_t flags;
	uint32_t __reserved;
	IOAS_UAPI_U64 iova;
	IOAS_UAPI_U64 length;
	IOAS_UAPI_U64 page_size;
	IOAS_UAPI_U64 data;
};

enum iommu_hwpt_invalidate_data_type {
	IOMMU_HWPT_INVALIDATE_DATA_VTD_S1 = 0,
	IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3 = 1,
};

enum iommu_hwpt_vtd_s1_invalidate_flags {
	IOMMU_VTD_INV_FLAGS_LEAF = 1 << 0, /* only leaves have changed */
};

/* IOMMU_HWPT_INVALIDATE_DATA_VTD_S1. addr 0 and npages UINT64_MAX is everything. */
struct iommu_hwpt_vtd_s1_invalidate {
	IOAS_UAPI_U64 addr;   /* of 4 KiB pages */
	IOAS_UAPI_U64 npages; /* of 4 KiB */
	uint32_t flags;
	uint32_t __reserved;
};

/* IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3: a command, little-endian (IHI 0070 4.3, 4.4, 4.5). */
struct iommu_viommu_arm_smmuv3_invalidate {
	IOAS_UAPI_U64 cmd[2];
};

/*
 * Drops what may be cached of a user-managed page table, an entry a request. entry_num receives how
 * many were done, on errors too.
 */
struct iommu_hwpt_invalidate {
	uint32_t size;
	uint32_t hwpt_id; /* a nested page table, or a viommu */
	IOAS_UAPI_U64 data_uptr;
	uint32_t data_type;
	uint32_t entry_len;
	uint32_t entry_num;
	uint32_t __reserved;
};

enum iommu_hwpt_pgfault_flags {
	IOMMU_PGFAULT_FLAGS_PASID_VALID = 1 << 0,
	IOMMU_PGFAULT_FLAGS_LAST_PAGE = 1 << 1,
};

enum iommu_hwpt_pgfault_perm {
	IOMMU_PGFAULT_PERM_READ = 1 << 0,
	IOMMU_PGFAULT_PERM_WRITE = 1 << 1,
	IOMMU_PGFAULT_PERM_EXEC = 1 << 2,
	IOMMU_PGFAULT_PERM_PRIV = 1 << 3,
};

/* A page request, as read from a fault queue. A group of them is answered by its cookie. */
struct iommu_hwpt_pgfault {
	uint32_t flags;
	uint32_t dev_id;
	uint32_t pasid;
	uint32_t grpid;
	uint32_t perm;
	uint32_t __reserved;
	IOAS_UAPI_U64 addr;
	uint32_t length;
	uint32_t cookie;
};

enum iommufd_page_response_code {
	IOMMUFD_PAGE_RESP_SUCCESS = 0,
	IOMMUFD_PAGE_RESP_INVALID = 1,
};

/* The answer, as written to a fault queue. */
struct iommu_hwpt_page_response {
	uint32_t cookie;
	uint32_t code;
};

/* Makes a queue of page requests and a descriptor to read it by. */
struct iommu_fault_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t out_fault_id;
	uint32_t out_fault_fd;
};

/* As IOMMU_IOAS_MAP, of a file's pages: a memfd or a dma-buf. */
struct iommu_ioas_map_file {
	uint32_t size;
	uint32_t flags;
	uint32_t ioas_id;
	int32_t fd;
	IOAS_UAPI_U64 start;
	IOAS_UAPI_U64 length;
	IOAS_UAPI_U64 iova;
};

enum iommu_viommu_type {
	IOMMU_VIOMMU_TYPE_DEFAULT = 0,
	IOMMU_VIOMMU_TYPE_ARM_SMMUV3 = 1,
	IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV = 2,
};

/* Makes a guest's share of the IOMMU behind a device, on a nest parent. */
struct iommu_viommu_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t type;
	uint32_t dev_id;
	uint32_t hwpt_id;
	uint32_t out_viommu_id;
	uint32_t data_len;
	uint32_t __reserved;
	IOAS_UAPI_U64 data_uptr;
};

/* Tells a viommu by which id the guest knows a device. */
struct iommu_vdevice_alloc {
	uint32_t size;
	uint32_t viommu_id;
	uint32_t dev_id;
	uint32_t out_vdevice_id;
	IOAS_UAPI_U64 virt_id;
};

/* Moves the accounting of the context's pinned memory to the caller. */
struct iommu_ioas_change_process {
	uint32_t size;
	uint32_t __reserved;
};

enum iommu_veventq_flag {
	IOMMU_VEVENTQ_FLAG_LOST_EVENTS = 1u << 0,
};

/* Before each event read from a virtual event queue; alone when events were lost. */
struct iommufd_vevent_header {
	uint32_t flags;
	uint32_t sequence;
};

enum iommu_veventq_type {
	IOMMU_VEVENTQ_TYPE_DEFAULT = 0,
	IOMMU_VEVENTQ_TYPE_ARM_SMMUV3 = 1,
	IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV = 2,
};

/* Of IOMMU_VEVENTQ_TYPE_ARM_SMMUV3: an event record with the guest's StreamID (IHI 0070 7.3). */
struct iommu_vevent_arm_smmuv3 {
	IOAS_UAPI_U64 evt[4];
};

/* Makes a queue of a viommu's events and a descriptor to read it by. */
struct iommu_veventq_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t viommu_id;
	uint32_t type;
	uint32_t veventq_depth;
	uint32_t out_veventq_id;
	uint32_t out_veventq_fd;
	uint32_t __reserved;
};

enum iommu_hw_queue_type {
	IOMMU_HW_QUEUE_TYPE_DEFAULT = 0,
	IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV = 1,
};

/* Gives a guest's queue, in memory mapped at nesting_parent_iova, to the IOMMU. */
struct iommu_hw_queue_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t viommu_id;
	uint32_t type;
	uint32_t index;
	uint32_t out_hw_queue_id;
	IOAS_UAPI_U64 nesting_parent_iova;
	IOAS_UAPI_U64 length;
};

/* Physical addresses, for devices without an IOMMU. */
struct iommu_ioas_noiommu_get_pa {
	uint32_t size;
	uint32_t flags;
	uint32_t ioas_id;
	uint32_t __reserved;
	IOAS_UAPI_U64 iova;
	IOAS_UAPI_U64 length;
	IOAS_UAPI_U64 out_phys;
};

#endif
