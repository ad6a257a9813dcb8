/* SPDX-License-Identifier: MIT */
/* The handlers that dispatch.c's tables name. Each is 0, a result, or -errno with a reason. */
#ifndef UAPI_HANDLERS_H
#define UAPI_HANDLERS_H

struct uapi_call;

/* iommufd.c */
long iommu_destroy(struct uapi_call *call);
long iommu_option(struct uapi_call *call);
long iommu_vfio_ioas(struct uapi_call *call);
long iommu_unsupported(struct uapi_call *call);
/* iommufd_hwpt.c */
long iommu_hwpt_alloc(struct uapi_call *call);
long iommu_hwpt_invalidate(struct uapi_call *call);
long iommu_get_hw_info(struct uapi_call *call);
/* iommufd_dirty.c */
long iommu_hwpt_set_dirty_tracking(struct uapi_call *call);
long iommu_hwpt_get_dirty_bitmap(struct uapi_call *call);
/* iommufd_fault.c */
long iommu_fault_queue_alloc(struct uapi_call *call);
/* iommufd_file.c */
long iommu_ioas_map_file(struct uapi_call *call);
long iommu_ioas_change_process(struct uapi_call *call);
/* iommufd_viommu.c */
long iommu_viommu_alloc(struct uapi_call *call);
long iommu_vdevice_alloc(struct uapi_call *call);
long iommu_veventq_alloc(struct uapi_call *call);
long iommu_hw_queue_alloc(struct uapi_call *call);
/* testcmd.c */
long iommu_test_cmd(struct uapi_call *call);
/* iommufd_ioas.c */
long iommu_ioas_alloc(struct uapi_call *call);
long iommu_ioas_allow_iovas(struct uapi_call *call);
long iommu_ioas_copy(struct uapi_call *call);
long iommu_ioas_iova_ranges(struct uapi_call *call);
long iommu_ioas_map(struct uapi_call *call);
long iommu_ioas_unmap(struct uapi_call *call);

/* vfio_container.c */
long vfio_get_api_version(struct uapi_call *call);
long vfio_check_extension(struct uapi_call *call);
long vfio_set_iommu(struct uapi_call *call);
/* vfio_type1.c */
long vfio_iommu_get_info(struct uapi_call *call);
long vfio_iommu_map_dma(struct uapi_call *call);
long vfio_iommu_unmap_dma(struct uapi_call *call);

/* vfio_group.c */
long vfio_group_get_status(struct uapi_call *call);
long vfio_group_set_container(struct uapi_call *call);
long vfio_group_unset_container(struct uapi_call *call);
long vfio_group_get_device_fd(struct uapi_call *call);

/* vfio_cdev.c */
long vfio_device_bind_iommufd(struct uapi_call *call);
long vfio_device_attach_iommufd_pt(struct uapi_call *call);
long vfio_device_detach_iommufd_pt(struct uapi_call *call);
/* vfio_device.c */
long vfio_device_get_info(struct uapi_call *call);
long vfio_device_reset(struct uapi_call *call);
long vfio_device_get_pci_hot_reset_info(struct uapi_call *call);
long vfio_device_pci_hot_reset(struct uapi_call *call);
long vfio_device_ioeventfd(struct uapi_call *call);
long vfio_device_feature(struct uapi_call *call);
/* vfio_region.c */
long vfio_device_get_region_info(struct uapi_call *call);
/* vfio_irq.c */
long vfio_device_get_irq_info(struct uapi_call *call);
long vfio_device_set_irqs(struct uapi_call *call);

/* ext_device.c */
long ioas_get_device(struct uapi_call *call);
long ioas_get_members(struct uapi_call *call);
/* ext_reasons.c */
long ioas_get_requesters(struct uapi_call *call);
long ioas_get_reasons(struct uapi_call *call);
/* ext_route.c */
long ioas_get_routes(struct uapi_call *call);
long ioas_attach(struct uapi_call *call);
long ioas_detach(struct uapi_call *call);
/* ext_nest.c */
long ioas_nest_alloc(struct uapi_call *call);
long ioas_nest_map(struct uapi_call *call);
long ioas_nest_info(struct uapi_call *call);

#endif
