/* SPDX-License-Identifier: MIT */
/* Files of devices: who opens them, and finding the device behind one. */
#ifndef UAPI_DEVICE_FILE_H
#define UAPI_DEVICE_FILE_H

#include "uapi/uapi.h"
#include "vfio/vfio.h"

/*
 * Opens a device of the group whose file the call is on, and routes it to the group's address
 * space. 0; -EINVAL the group has none; -EBUSY another process has the device; attach's errors.
 */
int device_file_open_in_group(struct uapi_call *call, struct ioas_pci *pci, struct ioas_file **out);

/* The function behind a file, or NULL: the file may not use it yet. */
struct ioas_pci *device_file_pci(struct ioas_file *file);

/* Its name, bound or not; for traces. */
const char *device_file_name(const struct ioas_file *file);

/* vfio_cdev.c: 0; -ENOTTY the call's file came from a group. */
int device_file_check_cdev(struct uapi_call *call);
/* Attach and detach of a bound device's requests with *pasid (NULL: without one). As obj.h. */
int device_file_attach(struct vfio_file *vfile, const uint32_t *pasid, uint32_t *pt_id,
		       struct ioas_why *why);
void device_file_detach(struct vfio_file *vfile, const uint32_t *pasid);

/* vfio_region.c */
ssize_t region_read(struct ioas_file *file, struct ioas_caller *caller, uint64_t va, size_t len,
		    uint64_t off);
ssize_t region_write(struct ioas_file *file, struct ioas_caller *caller, uint64_t va, size_t len,
		     uint64_t off);
int region_mmap(struct ioas_file *file, uint64_t off, uint64_t len, int prot, int flags,
		struct ioas_mapping *out, struct ioas_why *why);
int region_access(struct ioas_file *file, uint64_t off, bool write, uint64_t *value, unsigned size);

#endif
