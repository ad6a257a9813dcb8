/* SPDX-License-Identifier: MIT */
/* Regions of a device: region `index` begins at index << 40 in its file. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <ioas/uapi/vfio.h>
#include "uapi/device_file.h"
#include "uapi/handlers.h"
#include "util/why.h"

#define REGION_LG2 40
#define PAGE	   4096ull
/* Moved at once between caller and device; a multiple of 8. Calls may arrive on small stacks. */
#define CHUNK 256u

static uint32_t index_of(uint64_t off)
{
	uint64_t index = off >> REGION_LG2;

	return index < VFIO_PCI_NUM_REGIONS ? (uint32_t)index : VFIO_PCI_NUM_REGIONS;
}

static uint64_t offset_in(uint64_t off)
{
	return off & ((1ull << REGION_LG2) - 1);
}

static bool mappable(const struct ioas_pci *pci, uint32_t index)
{
	return index <= VFIO_PCI_BAR5_REGION_INDEX && pci_bar_len(pci, index) >= PAGE &&
	       !(pci->desc.bar[index].flags & IOAS_PCI_BAR_IO);
}

static bool has_msix_table(const struct ioas_pci *pci, uint32_t index)
{
	return pci->desc.msix_nr && pci->desc.msix_bar == index;
}

/* Says that the page with the MSI-X table may be mapped too. */
static int add_msix_mappable(struct uapi_call *call, struct vfio_region_info *info)
{
	struct vfio_info_cap_header cap = {.id = VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, .version = 1};
	uint32_t total = sizeof(*info) + sizeof(cap);
	int rc;

	info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
	info->cap_offset = 0;
	if (call->user_size < total) {
		info->argsz = total;
		return 0;
	}
	rc = uapi_copy_to(call, call->arg + sizeof(*info), &cap, sizeof(cap));
	if (!rc)
		info->cap_offset = sizeof(*info);
	return rc;
}

static int bar_info(struct uapi_call *call, struct ioas_pci *pci, struct vfio_region_info *info)
{
	info->size = pci_bar_len(pci, info->index);
	if (!info->size)
		return 0;
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (!mappable(pci, info->index) || pci->iommu->config.no_region_mmap)
		return 0;
	info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	return has_msix_table(pci, info->index) ? add_msix_mappable(call, info) : 0;
}

long vfio_device_get_region_info(struct uapi_call *call)
{
	struct ioas_pci *pci = device_file_pci(call->file);
	struct vfio_region_info *info = call->cmd;
	int rc = 0;

	if (info->index >= VFIO_PCI_VGA_REGION_INDEX)
		return why_set(call->why, -EINVAL, "there is no region %u", info->index);
	info->flags = 0;
	info->size = 0;
	info->offset = (uint64_t)info->index << REGION_LG2;
	if (info->index <= VFIO_PCI_BAR5_REGION_INDEX)
		rc = bar_info(call, pci, info);
	if (info->index == VFIO_PCI_CONFIG_REGION_INDEX) {
		info->size = PCI_CONFIG_LEN;
		info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	}
	return rc ? rc : uapi_respond_len(call, call->op->min);
}

/* Checks a transfer and cuts it at the end of a BAR; config space takes all or nothing. */
static ssize_t check_transfer(struct ioas_pci *pci, uint32_t index, uint64_t off, size_t len)
{
	uint64_t size;

	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		return off >= PCI_CONFIG_LEN || len > PCI_CONFIG_LEN - off ? -EFAULT : (ssize_t)len;
	size = index <= VFIO_PCI_BAR5_REGION_INDEX ? pci_bar_len(pci, index) : 0;
	if (off >= size)
		return -EINVAL;
	return (ssize_t)(len < size - off ? len : size - off);
}

static ssize_t device_read(struct ioas_pci *pci, uint32_t index, uint64_t off, void *buf,
			   size_t len)
{
	return index == VFIO_PCI_CONFIG_REGION_INDEX ? pci_config_read(pci, off, buf, len)
						     : pci_bar_read(pci, index, off, buf, len);
}

static ssize_t device_write(struct ioas_pci *pci, uint32_t index, uint64_t off, const void *buf,
			    size_t len)
{
	return index == VFIO_PCI_CONFIG_REGION_INDEX ? pci_config_write(pci, off, buf, len)
						     : pci_bar_write(pci, index, off, buf, len);
}

/* Pieces end at multiples of 8, so that no naturally aligned access is split in two. */
static size_t piece(uint64_t off, size_t left)
{
	size_t max = CHUNK - off % 8;

	return left < max ? left : max;
}

/* One piece between the device and the caller. Returns its bytes or -errno. */
static ssize_t transfer_piece(struct ioas_pci *pci, uint32_t index, uint64_t off,
			      struct ioas_caller *caller, uint64_t va, size_t len, bool write)
{
	char buf[CHUNK];
	ssize_t rc;

	if (write) {
		if (uapi_caller_read(caller, buf, va, len))
			return -EFAULT;
		return device_write(pci, index, off, buf, len);
	}
	rc = device_read(pci, index, off, buf, len);
	if (rc > 0 && uapi_caller_write(caller, va, buf, (size_t)rc))
		return -EFAULT;
	return rc;
}

static ssize_t transfer(struct ioas_file *file, struct ioas_caller *caller, uint64_t va, size_t len,
			uint64_t off, bool write)
{
	struct ioas_pci *pci = device_file_pci(file);
	uint32_t index = index_of(off);
	ssize_t total;

	if (!pci)
		return -EINVAL;
	if (!len)
		return 0;
	pci_low_power_wake(pci);
	off = offset_in(off);
	total = check_transfer(pci, index, off, len);
	for (ssize_t done = 0; done < total;) {
		uint64_t at = off + (uint64_t)done;
		ssize_t rc = transfer_piece(pci, index, at, caller, va + (uint64_t)done,
					    piece(at, (size_t)(total - done)), write);

		if (rc < 0)
			return rc;
		done += rc;
	}
	return total;
}

ssize_t region_read(struct ioas_file *file, struct ioas_caller *caller, uint64_t va, size_t len,
		    uint64_t off)
{
	return transfer(file, caller, va, len, off, false);
}

ssize_t region_write(struct ioas_file *file, struct ioas_caller *caller, uint64_t va, size_t len,
		     uint64_t off)
{
	return transfer(file, caller, va, len, off, true);
}

static int page_at(void *of, unsigned bar, uint64_t off, void *at)
{
	struct ioas_file *file = of;

	return file->caller->ops->region_page(file->caller, file, (uint64_t)bar << REGION_LG2 | off,
					      at);
}

static int open_page(void *of, unsigned bar, uint64_t off, bool open)
{
	struct ioas_file *file = of;

	return file->caller->ops->region_open(file->caller, file, (uint64_t)bar << REGION_LG2 | off,
					      open);
}

static const struct pci_watcher watcher = {page_at, open_page};

int region_mmap(struct ioas_file *file, uint64_t off, uint64_t len, int prot, int flags,
		struct ioas_mapping *out, struct ioas_why *why)
{
	struct ioas_pci *pci = device_file_pci(file);
	uint32_t index = index_of(off);
	uint64_t size;

	if (!pci)
		return why_set(why, -EINVAL, "%s is not bound yet", file->node.path);
	if ((flags & MAP_TYPE) == MAP_PRIVATE)
		return why_set(why, -EINVAL, "a region is mapped MAP_SHARED");
	if (!mappable(pci, index))
		return why_set(why, -EINVAL, "region %u cannot be mapped", index);
	size = pci_bar_len(pci, index);
	off = offset_in(off);
	if (off > size || len > size - off)
		return why_set(why, -EINVAL, "region %u ends at 0x%llx", index,
			       (unsigned long long)size);
	if (prot & PROT_WRITE && file->caller->ops->region_open)
		pci_watch_offer(pci, &watcher, file);
	return 0;
}

int region_access(struct ioas_file *file, uint64_t off, bool write, uint64_t *value, unsigned size)
{
	struct ioas_pci *pci = device_file_pci(file);
	uint32_t index = index_of(off);

	if (!pci || index > VFIO_PCI_BAR5_REGION_INDEX)
		return -EFAULT;
	return pci_bar_access(pci, index, offset_in(off), write, value, size);
}
