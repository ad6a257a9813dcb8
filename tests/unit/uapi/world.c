/* SPDX-License-Identifier: MIT */
/* An instance without a door: this process is the program. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <ioas/topology_text.h>
#include "mem/mem.h"
#include "pci/pci.h"
#include "tests/unit/fds.h"
#include "world.h"

#define FILE_BASE 1000 /* our descriptors never look like the process's own */

static int copy_from(struct ioas_caller *caller, void *dst, uint64_t va, size_t len)
{
	return mem_self_caller()->ops->copy_from(mem_self_caller(), dst, va, len);
}

static int copy_to(struct ioas_caller *caller, uint64_t va, const void *src, size_t len)
{
	return mem_self_caller()->ops->copy_to(mem_self_caller(), va, src, len);
}

static int or_to(struct ioas_caller *caller, uint64_t va, const void *bits, size_t len)
{
	return mem_self_caller()->ops->or_to(mem_self_caller(), va, bits, len);
}

static int pin(struct ioas_caller *caller, uint64_t va, uint64_t len, bool write, void **host)
{
	return mem_self_caller()->ops->pin(mem_self_caller(), va, len, write, host);
}

static void unpin(struct ioas_caller *caller, uint64_t va, uint64_t len, void *host)
{
	mem_self_caller()->ops->unpin(mem_self_caller(), va, len, host);
}

static int file_get(struct ioas_caller *caller, int fd, struct ioas_file **out)
{
	struct world *w = (struct world *)caller;

	if (fd < FILE_BASE)
		return fcntl(fd, F_GETFD) < 0 ? -EBADF : -EBADFD;
	if (fd >= FILE_BASE + WORLD_FDS || !w->file[fd - FILE_BASE])
		return -EBADF;
	*out = ioas_file_get(w->file[fd - FILE_BASE]);
	return 0;
}

static int file_install(struct ioas_caller *caller, struct ioas_file *file)
{
	struct world *w = (struct world *)caller;

	for (int i = 0; i < WORLD_FDS; i++)
		if (!w->file[i]) {
			w->file[i] = file;
			return FILE_BASE + i;
		}
	return -EMFILE;
}

static int eventfd_get(struct ioas_caller *caller, int fd)
{
	return mem_self_caller()->ops->eventfd_get(mem_self_caller(), fd);
}

static int capable(struct ioas_caller *caller, int cap)
{
	return ((struct world *)caller)->privileged;
}

static int fd_get(struct ioas_caller *caller, int fd)
{
	return mem_self_caller()->ops->fd_get(mem_self_caller(), fd);
}

static uint32_t uid(struct ioas_caller *caller)
{
	return mem_self_caller()->ops->uid(mem_self_caller());
}

static uint64_t memlock(struct ioas_caller *caller)
{
	return mem_self_caller()->ops->memlock(mem_self_caller());
}

static const struct ioas_caller_ops caller_ops = {
	.copy_from = copy_from,
	.copy_to = copy_to,
	.or_to = or_to,
	.pin = pin,
	.unpin = unpin,
	.file_get = file_get,
	.file_install = file_install,
	.eventfd_get = eventfd_get,
	.fd_get = fd_get,
	.capable = capable,
	.uid = uid,
	.memlock = memlock,
};

static uint64_t bar_read(void *model, unsigned bar, uint64_t off, unsigned size)
{
	struct world_dev *dev = model;
	uint64_t value = 0;

	memcpy(&value, (char *)dev->regs + off, size);
	return value;
}

static void bar_write(void *model, unsigned bar, uint64_t off, uint64_t value, unsigned size)
{
	struct world_dev *dev = model;

	memcpy((char *)dev->regs + off, &value, size);
}

static void reset(void *model)
{
	struct world_dev *dev = model;

	dev->resets++;
}

static void nothing(void *model)
{
}

static const struct ioas_pci_ops pci_ops = {
	.bar_read = bar_read,
	.bar_write = bar_write,
	.reset = reset,
	.suspend = nothing,
	.resume = nothing,
	.destroy = nothing,
};

static const struct ioas_pci_desc desc = {
	.vendor = 0x1b36,
	.device = 0x11e8,
	.class_code = 0xff0000,
	.intx_pin = 1,
	/* Registers that can be mapped, and ports. */
	.bar = {[0] = {.len = BAR_LEN, .flags = IOAS_PCI_BAR_64},
		[2] = {.len = PORTS_LEN, .flags = IOAS_PCI_BAR_IO}},
	.msix_nr = 4,
	.msix_table = 0x2000,
	.msix_pba = 0x3000,
};

/* 0, or -1 with the line in w->why. */
static int plant(struct world *w, const char *const *lines)
{
	struct ioas_topology *topology;
	int rc = ioas_topology_new(&topology);

	for (; !rc && *lines; lines++)
		rc = ioas_topology_add_line(topology, *lines, &w->why);
	if (!rc)
		rc = ioas_topology_resolve(topology, &w->why);
	if (!rc)
		rc = ioas_pci_machine(w->iommu, topology, &w->why);
	ioas_topology_destroy(topology);
	if (rc)
		print_error("%s\n", w->why.text);
	return rc;
}

/* Does the machine's function there have PASIDs? Then so has the one that is put there. */
static struct ioas_pci_desc desc_at(const char *const *lines, const struct ioas_pci_addr *addr)
{
	struct ioas_pci_desc mine = desc;
	char start[32];

	snprintf(start, sizeof(start), "function addr=%02x:%02x.%x,", addr->bus, addr->devfn >> 3,
		 addr->devfn & 7);
	for (; lines && *lines; lines++)
		if (!strncmp(*lines, start, strlen(start)) && strstr(*lines, ",pasid="))
			mine.pasid_lg2 = 20;
	return mine;
}

int world_setup_machine(void **state, const struct ioas_iommu_config *config,
			const char *const *lines, const struct ioas_pci_addr addr[3])
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	w->fds = fds_open();
	if (ioas_iommu_new(config, &w->iommu))
		return -1;
	w->caller.ops = &caller_ops;
	w->privileged = true;
	if (lines && plant(w, lines))
		return -1;
	for (unsigned i = 0; i < 3; i++) {
		struct ioas_pci_desc mine = desc_at(lines, &addr[i]);

		if (ioas_pci_add(w->iommu, addr[i], &mine, &pci_ops, &w->dev[i], &w->dev[i].pci,
				 &w->why))
			return -1;
	}
	w->page = mmap(NULL, 17 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (w->page == MAP_FAILED)
		return -1;
	munmap(w->page + 16 * PAGE, PAGE);
	*state = w;
	return 0;
}

int world_setup_config(void **state, const struct ioas_iommu_config *config)
{
	static const struct ioas_pci_addr addr[] = {{.bus = 1}, {.bus = 2}, {.bus = 1, .devfn = 1}};

	return world_setup_machine(state, config, NULL, addr);
}

int world_setup(void **state)
{
	const struct ioas_iommu_config config = {.memlock = true};

	return world_setup_config(state, &config);
}

int world_setup_selftest(void **state)
{
	const struct ioas_iommu_config config = {.selftest = true, .memlock = true};

	return world_setup_config(state, &config);
}

int world_teardown(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < WORLD_FDS; i++)
		if (w->file[i])
			ioas_file_put(w->file[i]);
	ioas_iommu_destroy(w->iommu);
	munmap(w->page, 16 * PAGE);
	assert_int_equal(fds_open(), w->fds);
	free(w);
	return 0;
}

int w_open(struct world *w, const char *path)
{
	struct ioas_node node;
	struct ioas_file *file;
	int rc;

	for (size_t i = 0; !ioas_node_at(w->iommu, i, &node); i++)
		if (!strcmp(node.path, path)) {
			rc = ioas_file_open(w->iommu, &w->caller, &node, O_RDWR, &file, &w->why);
			if (rc)
				return rc;
			rc = file_install(&w->caller, file);
			if (rc < 0)
				ioas_file_put(file);
			return rc;
		}
	return -ENOENT;
}

int w_open_group(struct world *w, unsigned i)
{
	char path[48];

	snprintf(path, sizeof(path), "/dev/vfio/%u", pci_group_number(pci_group_of(w->dev[i].pci)));
	return w_open(w, path);
}

int w_open_cdev(struct world *w, unsigned i)
{
	char path[48];

	snprintf(path, sizeof(path), "/dev/vfio/devices/vfio%u", pci_cdev_index(w->dev[i].pci));
	return w_open(w, path);
}

void w_close(struct world *w, int fd)
{
	struct ioas_file *file = w->file[fd - FILE_BASE];

	w->file[fd - FILE_BASE] = NULL;
	ioas_file_put(file);
}

struct ioas_file *w_file(struct world *w, int fd)
{
	return w->file[fd - FILE_BASE];
}

long w_ioctl(struct world *w, int fd, unsigned long cmd, const void *arg)
{
	long rc;

	w->why.text[0] = '\0';
	rc = ioas_file_ioctl(w_file(w, fd), &w->caller, cmd, (uintptr_t)arg, &w->why);
	assert_int_equal(rc < 0, w->why.text[0] != '\0');
	return rc;
}

void *w_wild(struct world *w)
{
	return w->page + 16 * PAGE;
}

uint32_t w_ioas(struct world *w, int iommufd)
{
	struct iommu_ioas_alloc cmd = {.size = sizeof(cmd)};

	assert_int_equal(w_ioctl(w, iommufd, IOMMU_IOAS_ALLOC, &cmd), 0);
	return cmd.out_ioas_id;
}

uint32_t w_bind(struct world *w, int cdev, int iommufd)
{
	struct vfio_device_bind_iommufd cmd = {.argsz = sizeof(cmd), .iommufd = iommufd};

	assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_BIND_IOMMUFD, &cmd), 0);
	return cmd.out_devid;
}

long w_attach(struct world *w, int cdev, uint32_t *pt_id)
{
	struct vfio_device_attach_iommufd_pt cmd = {.argsz = 12, .pt_id = *pt_id};
	long rc = w_ioctl(w, cdev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);

	*pt_id = cmd.pt_id;
	return rc;
}

long w_map(struct world *w, int iommufd, uint32_t ioas, uint32_t flags, void *va, uint64_t len,
	   uint64_t *iova)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.ioas_id = ioas,
		.user_va = (uintptr_t)va,
		.length = len,
		.iova = *iova,
	};
	long rc = w_ioctl(w, iommufd, IOMMU_IOAS_MAP, &cmd);

	*iova = cmd.iova;
	return rc;
}
