/* SPDX-License-Identifier: MIT */
/* A whole instance with PCI functions that do nothing, and a caller with descriptors of its own. */
#ifndef WORLD_H
#define WORLD_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ioas/door.h>
#include <ioas/pci.h>
#include <ioas/uapi/iommufd.h>
#include <ioas/uapi/vfio.h>

#define PAGE	  4096ul
#define WORLD_FDS 64
#define BAR_LEN	  0x4000u
#define PORTS_LEN 0x80u

struct world_dev {
	struct ioas_pci *pci;
	uint64_t regs[BAR_LEN / 8];
	unsigned resets;
};

struct world {
	struct ioas_caller caller; /* first */
	struct ioas_iommu *iommu;
	struct ioas_file *file[WORLD_FDS];
	struct world_dev dev[3]; /* 0000:01:00.0, 0000:02:00.0 and 0000:01:00.1, in 0's group */
	bool privileged;
	struct ioas_why why; /* of the last refusal */
	unsigned fds;	     /* open before it */
	char *page;	     /* 16 readable and writable pages, then one that is not there */
};

/* cmocka's setup and teardown; *state is the struct world. */
int world_setup(void **state);
int world_setup_selftest(void **state); /* with IOMMU_TEST_CMD */
int world_setup_config(void **state, const struct ioas_iommu_config *config);
/* On a machine of lines (topology_text.h; NULL at the end), with functions at these addresses. */
int world_setup_machine(void **state, const struct ioas_iommu_config *config,
			const char *const *lines, const struct ioas_pci_addr addr[3]);
int world_teardown(void **state);

/* Descriptors of the world, or -errno. */
int w_open(struct world *w, const char *path);
/* The group's or device's node of dev[i]. */
int w_open_group(struct world *w, unsigned i);
int w_open_cdev(struct world *w, unsigned i);
void w_close(struct world *w, int fd);
struct ioas_file *w_file(struct world *w, int fd);
long w_ioctl(struct world *w, int fd, unsigned long cmd, const void *arg);
/* An address that no memory has. */
void *w_wild(struct world *w);

/* Short forms; they fail the test when the call does. */
uint32_t w_ioas(struct world *w, int iommufd);
uint32_t w_bind(struct world *w, int cdev, int iommufd);
long w_attach(struct world *w, int cdev, uint32_t *pt_id);
long w_map(struct world *w, int iommufd, uint32_t ioas, uint32_t flags, void *va, uint64_t len,
	   uint64_t *iova);

#endif
