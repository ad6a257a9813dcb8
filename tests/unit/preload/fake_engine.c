/* SPDX-License-Identifier: MIT */
/*
 * An engine that is just enough for the door: nodes, files that answer a few ioctls, one device
 * whose BAR is memory in a shared file, where the test can look at it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <ioas/door.h>
#include <ioas/model.h>
#include <ioas/topology_text.h>
#include <ioas/trace.h>
#include "fake_engine.h"
#include "util/inject.h"

struct ioas_iommu {
	struct ioas_iommu_config config;
	struct fake_log *log;
	bool owned; /* the device is claimed */
	bool silent;
	int event;
	int lent; /* a memfd, or -1 */
	unsigned device_files;
};

struct ioas_file {
	struct ioas_iommu *iommu;
	struct ioas_node node;
	_Atomic unsigned refs;
};

static const struct ioas_node nodes[] = {
	{IOAS_NODE_IOMMU, 0, 10, 127, "/dev/iommu"},
	{IOAS_NODE_VFIO, 0, 10, 196, "/dev/vfio/vfio"},
	{IOAS_NODE_VFIO_GROUP, 0, 511, 0, "/dev/vfio/0"},
	{IOAS_NODE_VFIO_CDEV, 0, 510, 0, "/dev/vfio/devices/vfio0"},
};

int ioas_iommu_config_set(struct ioas_iommu_config *config, const char *key, const char *value,
			  struct ioas_why *why)
{
	return 0;
}

int ioas_iommu_new(const struct ioas_iommu_config *config, struct ioas_iommu **out)
{
	struct ioas_iommu *iommu = calloc(1, sizeof(*iommu));

	iommu->config = *config;
	iommu->lent = -1;
	iommu->log = config->host_ops->counters(config->host, "fake", sizeof(*iommu->log));
	if (!iommu->log)
		abort();
	iommu->log->machines++;
	*out = iommu;
	return 0;
}

void ioas_iommu_destroy(struct ioas_iommu *iommu)
{
	free(iommu);
}

void ioas_iommu_suspend(struct ioas_iommu *iommu)
{
	iommu->log->suspends++;
}

void ioas_iommu_resume(struct ioas_iommu *iommu)
{
	iommu->log->resumes++;
}

int ioas_model_create(struct ioas_iommu *iommu, const char *text, struct ioas_pci **out,
		      struct ioas_why *why)
{
	if (!strcmp(text, "fake"))
		return 0;
	snprintf(why->text, sizeof(why->text), "no model \"%s\"", text);
	return -ENOENT;
}

/* No machine is described to this engine. */
int ioas_topology_new(struct ioas_topology **out)
{
	*out = NULL;
	return 0;
}

void ioas_topology_destroy(struct ioas_topology *topology)
{
}

int ioas_topology_add_line(struct ioas_topology *topology, const char *line, struct ioas_why *why)
{
	return -ENOENT;
}

const struct ioas_topology_function *ioas_topology_next(const struct ioas_topology *topology,
							const struct ioas_topology_function *prev)
{
	return NULL;
}

int ioas_topology_resolve(struct ioas_topology *topology, struct ioas_why *why)
{
	return 0;
}

int ioas_pci_machine(struct ioas_iommu *iommu, const struct ioas_topology *topology,
		     struct ioas_why *why)
{
	return 0;
}

int ioas_pci_addr_parse(const char *text, struct ioas_pci_addr *out)
{
	*out = (struct ioas_pci_addr){0, 1, 0};
	return 0;
}

int ioas_node_at(struct ioas_iommu *iommu, size_t index, struct ioas_node *out)
{
	if (index >= sizeof(nodes) / sizeof(nodes[0]))
		return -ENOENT;
	*out = nodes[index];
	return 0;
}

static bool holds_device(const struct ioas_file *file)
{
	return file->node.kind == IOAS_NODE_VFIO_CDEV || file->node.kind == IOAS_NODE_VFIO_DEVICE;
}

static int make(struct ioas_iommu *iommu, const struct ioas_node *node, struct ioas_file **out)
{
	struct ioas_file *file = calloc(1, sizeof(*file));

	file->iommu = iommu;
	file->node = *node;
	file->refs = 1;
	if (holds_device(file) && !iommu->device_files) {
		int rc = iommu->config.host_ops->claim(iommu->config.host, FAKE_DEVICE);

		if (rc) {
			free(file);
			return rc;
		}
	}
	iommu->device_files += holds_device(file);
	iommu->log->opens++;
	*out = file;
	return 0;
}

int ioas_file_open(struct ioas_iommu *iommu, struct ioas_caller *caller,
		   const struct ioas_node *node, int oflags, struct ioas_file **out,
		   struct ioas_why *why)
{
	return make(iommu, node, out);
}

struct ioas_file *ioas_file_get(struct ioas_file *file)
{
	file->refs++;
	return file;
}

void ioas_file_put(struct ioas_file *file)
{
	if (--file->refs)
		return;
	file->iommu->log->closes++;
	if (holds_device(file) && !--file->iommu->device_files)
		file->iommu->config.host_ops->release(file->iommu->config.host, FAKE_DEVICE);
	free(file);
}

const struct ioas_node *ioas_file_node(const struct ioas_file *file)
{
	return &file->node;
}

static long device_fd(struct ioas_file *file, struct ioas_caller *caller)
{
	struct ioas_node node = {IOAS_NODE_VFIO_DEVICE, 0, 0, 0, "anon_inode:[vfio-device]"};
	struct ioas_file *device;
	long rc = make(file->iommu, &node, &device);

	if (rc)
		return rc;
	rc = caller->ops->file_install(caller, device);
	if (rc < 0)
		ioas_file_put(device);
	return rc;
}

static bool is_queue(const struct ioas_file *file)
{
	return file->node.kind == IOAS_NODE_FAULT || file->node.kind == IOAS_NODE_VEVENTQ;
}

static long queue_fd(struct ioas_file *file, struct ioas_caller *caller, enum ioas_node_kind kind)
{
	static const char *const paths[] = {
		[IOAS_NODE_FAULT] = "anon_inode:[iommufd-pgfault]",
		[IOAS_NODE_VEVENTQ] = "anon_inode:[iommufd-viommu-event]",
		[IOAS_NODE_ACCESS] = "anon_inode:[iommufd_test_staccess]",
		[IOAS_NODE_DMABUF] = "/dmabuf:",
	};
	struct ioas_node node = {kind, 0, 0, 0, ""};
	struct ioas_file *queue;
	long rc;

	strcpy(node.path, paths[kind]);
	rc = make(file->iommu, &node, &queue);
	if (rc)
		return rc;
	rc = caller->ops->file_install(caller, queue);
	if (rc < 0)
		ioas_file_put(queue);
	return rc;
}

static long tell(struct ioas_iommu *iommu)
{
	struct ioas_trace_event event = {.kind = IOAS_TRACE_RESET, .device = FAKE_DEVICE};

	if (!iommu->config.host_ops->trace)
		return -EINVAL;
	iommu->config.host_ops->trace(iommu->config.host, &event);
	return 0;
}

static void *look_around(void *arg)
{
	long *found = arg;
	sigset_t mask;
	int fd;

	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	if (sigismember(&mask, SIGALRM) && sigismember(&mask, SIGTERM))
		*found |= FAKE_BLOCKED;
	if (!sigismember(&mask, SIGSEGV) && !sigismember(&mask, SIGBUS))
		*found |= FAKE_FAULTS;
	fd = open("/dev/null", O_RDWR);
	if (fd > 100 && !close(fd))
		*found |= FAKE_HIGH;
	return NULL;
}

static long thread(void)
{
	pthread_t id;
	long found = 0;

	if (pthread_create(&id, NULL, look_around, &found))
		return -EAGAIN;
	pthread_join(id, NULL);
	return found;
}

long ioas_file_ioctl(struct ioas_file *file, struct ioas_caller *caller, unsigned long cmd,
		     uint64_t arg, struct ioas_why *why)
{
	struct ioas_host_ops const *host = file->iommu->config.host_ops;
	struct ioas_fault fault = {.seq = 1};
	struct ioas_file *other;
	unsigned char byte;
	long rc;

	switch (cmd) {
	case FAKE_ANSWER:
		return 42;
	case FAKE_KIND:
		rc = caller->ops->file_get(caller, (int)arg, &other);
		if (rc)
			return rc;
		rc = other->node.kind;
		ioas_file_put(other);
		return rc;
	case FAKE_SIGNAL:
		rc = (int)arg < 0 ? file->iommu->event : caller->ops->eventfd_get(caller, (int)arg);
		if (rc < 0)
			return rc;
		file->iommu->event = (int)rc;
		return write((int)rc, &(uint64_t){1}, 8) == 8 ? 0 : -errno;
	case FAKE_READ:
		rc = caller->ops->copy_from(caller, &byte, arg, 1);
		return rc ? rc : byte;
	case FAKE_FAULT:
		host->fault(file->iommu->config.host, &fault);
		return 0;
	case FAKE_TRACE:
		return tell(file->iommu);
	case FAKE_DECODE_OFF:
	case FAKE_DECODE_ON:
		file->iommu->silent = cmd == FAKE_DECODE_OFF;
		return 0;
	case FAKE_THREAD:
		return thread();
	case FAKE_DEVICE_FD:
		return file->node.kind == IOAS_NODE_VFIO_GROUP ? device_fd(file, caller) : -ENOTTY;
	case FAKE_QUEUE:
		return queue_fd(file, caller, (enum ioas_node_kind)arg);
	case FAKE_POINTS:
		for (rc = 0; arg && !rc; arg--)
			rc = inject() ? -ENOMEM : 0;
		return rc;
	case FAKE_READY:
		caller->ops->file_ready(caller, file, arg);
		return 0;
	default:
		return -ENOTTY;
	}
}

/* Every byte of the file is the low byte of its offset. */
ssize_t ioas_file_pread(struct ioas_file *file, struct ioas_caller *caller, uint64_t va, size_t len,
			uint64_t off)
{
	if (is_queue(file)) {
		if (off)
			return -ESPIPE;
		return caller->ops->copy_to(caller, va, FAKE_EVENT, len) ? -EFAULT : (ssize_t)len;
	}
	if (!holds_device(file))
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)(off + i);

		if (caller->ops->copy_to(caller, va + i, &byte, 1))
			return -EFAULT;
	}
	return (ssize_t)len;
}

ssize_t ioas_file_pwrite(struct ioas_file *file, struct ioas_caller *caller, uint64_t va,
			 size_t len, uint64_t off)
{
	if (file->node.kind == IOAS_NODE_FAULT)
		return off ? -ESPIPE : (ssize_t)len;
	if (!holds_device(file))
		return -EINVAL;
	if (off + len > FAKE_BAR_LEN)
		return -EINVAL;
	return caller->ops->copy_from(caller, file->iommu->log->bar + off, va, len) ? -EFAULT
										    : (ssize_t)len;
}

/* The first page is the file's second, so that an offset is not taken for the other. */
static int lend(struct ioas_iommu *iommu, uint64_t off, uint64_t len, struct ioas_mapping *out)
{
	if (off < FAKE_LENT_AT || off + len > FAKE_LENT_AT + FAKE_BAR_LEN)
		return -ENXIO;
	if (iommu->lent < 0) {
		iommu->lent = memfd_create("lent", MFD_CLOEXEC);
		if (iommu->lent < 0 || ftruncate(iommu->lent, 4096 + FAKE_BAR_LEN))
			abort();
	}
	iommu->log->mapped += len;
	*out = (struct ioas_mapping){.fd = iommu->lent, .off = 4096 + off - FAKE_LENT_AT};
	return 0;
}

int ioas_file_mmap(struct ioas_file *file, uint64_t off, uint64_t len, int prot, int flags,
		   struct ioas_mapping *out, struct ioas_why *why)
{
	*out = (struct ioas_mapping){.fd = -1};
	if (file->node.kind == IOAS_NODE_IOMMU)
		return lend(file->iommu, off, len, out);
	return holds_device(file) && flags & MAP_SHARED && off + len <= FAKE_BAR_LEN ? 0 : -EINVAL;
}

void ioas_file_munmap(struct ioas_file *file, uint64_t off, uint64_t len)
{
	if (off < FAKE_LENT_AT || off + len > FAKE_LENT_AT + FAKE_BAR_LEN)
		abort();
	file->iommu->log->mapped -= len;
}

int ioas_file_access(struct ioas_file *file, uint64_t off, bool write, uint64_t *value,
		     unsigned size)
{
	struct fake_log *log = file->iommu->log;

	if (file->iommu->silent)
		return -EIO;
	tell(file->iommu);
	log->off = off;
	log->size = size;
	if (write) {
		log->writes++;
		memcpy(log->bar + off, value, size);
	} else {
		log->reads++;
		*value = 0;
		memcpy(value, log->bar + off, size);
	}
	return 0;
}

void ioas_account_read(struct ioas_iommu *iommu, pid_t pid, uint64_t *pinned, uint64_t *locked)
{
	*pinned = pid == getpid() ? (uint64_t)iommu->log->pinned : 0;
	*locked = pid == getpid() ? (uint64_t)iommu->log->locked : 0;
}

/* Nothing is ever mapped for DMA here. */
bool ioas_memory_held(struct ioas_iommu *iommu, uint64_t start, uint64_t end)
{
	return false;
}

bool ioas_memory_pinned(struct ioas_iommu *iommu, uint64_t start, uint64_t end)
{
	return false;
}

void ioas_memory_protected(struct ioas_iommu *iommu, uint64_t start, uint64_t end)
{
}

long ioas_memory_change(struct ioas_iommu *iommu, const struct ioas_memory_change *change)
{
	abort();
}
