/* SPDX-License-Identifier: MIT */
/* Files whose memory is mapped for DMA, one descriptor a file. */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include "mem/file.h"
#include "mem/mem.h"
#include "util/alloc.h"
#include "util/lock.h"
#include "util/sys.h"
#include "util/tree.h"
#include "util/why.h"

#define PAGE 4096ull

enum kind {
	FILE_OTHER, /* no memory: a regular file, a pipe, a device */
	FILE_SHARED,
	FILE_DMABUF,
};

struct mem_file {
	_Atomic uint32_t refs; /* 0 -> 1 never happens but with the list's lock held */
	struct mem_files *files;
	enum kind kind; /* constant */

	/* FILE_SHARED: in the tree by device, inode and access mode. */
	struct tree_node node;
	uint64_t key[3];
	int fd;
	uint64_t page; /* of hugetlbfs files more than 4096 */

	/* FILE_DMABUF */
	char *memory;
	uint64_t len;
	_Atomic uint64_t state; /* epoch << 1 | revoked */
};

struct mem_files {
	pthread_mutex_t lock;
	struct tree tree;
};

int mem_files_new(struct mem_files **out)
{
	struct mem_files *files = alloc_zero(1, sizeof(*files));

	if (!files)
		return -ENOMEM;
	lock_init(&files->lock, LOCK_FILES);
	lock_guards(&files->lock, &files->tree, files + 1);
	*out = files;
	return 0;
}

void mem_files_destroy(struct mem_files *files)
{
	if (!files)
		return;
	pthread_mutex_destroy(&files->lock);
	free(files);
}

/* close(2), which a door has to see; sys_call would go past it. */
static void close_fd(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
}

static struct mem_file *new_file(struct mem_files *files, enum kind kind)
{
	struct mem_file *file = alloc_zero(1, sizeof(*file));

	if (!file)
		return NULL;
	atomic_init(&file->refs, 1);
	file->files = files;
	file->kind = kind;
	file->fd = -1;
	return file;
}

static struct mem_file *file_of(struct tree_node *node)
{
	return tree_entry(node, struct mem_file, node);
}

static int compare(const uint64_t a[3], const uint64_t b[3])
{
	for (int i = 0; i < 3; i++)
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
	return 0;
}

/* The file that `file` is, which goes in the tree if it is the first. Locked. */
static struct mem_file *enter(struct mem_files *files, struct mem_file *file)
{
	struct tree_node *parent = NULL, *node = files->tree.root;
	int side = 0;

	while (node) {
		int order = compare(file->key, file_of(node)->key);

		if (!order) {
			atomic_fetch_add(&file_of(node)->refs, 1);
			return file_of(node);
		}
		parent = node;
		side = order > 0;
		node = node->child[side];
	}
	tree_insert(&files->tree, &file->node, parent, side);
	return file;
}

/* Sets what the descriptor tells of a file. 0; -EBADF. */
static int look_at(struct mem_file *file, int fd)
{
	long mode = sys_call(SYS_fcntl, fd, F_GETFL);
	struct statfs fs;
	struct stat st;

	if (mode < 0 || sys_call(SYS_fstat, fd, &st) || sys_call(SYS_fstatfs, fd, &fs))
		return -EBADF;
	file->key[0] = st.st_dev;
	file->key[1] = st.st_ino;
	file->key[2] = (uint64_t)(mode & O_ACCMODE);
	file->page = (uint64_t)fs.f_bsize;
	if (S_ISREG(st.st_mode) && (fs.f_type == TMPFS_MAGIC || fs.f_type == HUGETLBFS_MAGIC))
		file->kind = FILE_SHARED;
	return 0;
}

int mem_file_open(struct mem_files *files, int fd, struct mem_file **out)
{
	struct mem_file *file = new_file(files, FILE_OTHER);
	int rc = file ? 0 : -ENOMEM;

	*out = file;
	if (!rc && fd >= 0)
		rc = look_at(file, fd);
	if (!rc && file->kind == FILE_SHARED) {
		pthread_mutex_lock(&files->lock);
		*out = enter(files, file);
		if (*out == file) {
			file->fd = fd;
			fd = -1;
		}
		pthread_mutex_unlock(&files->lock);
	}
	close_fd(fd);
	if (rc || *out != file)
		free(file);
	return rc;
}

struct mem_file *mem_file_get(struct mem_file *file)
{
	atomic_fetch_add_explicit(&file->refs, 1, memory_order_relaxed);
	return file;
}

/* Who finds a file in the tree has the lock, so that the last reference goes under it. */
void mem_file_put(struct mem_file *file)
{
	struct mem_files *files;
	bool last;

	if (!file)
		return;
	files = file->files;
	pthread_mutex_lock(&files->lock);
	last = atomic_fetch_sub(&file->refs, 1) == 1;
	if (last && file->kind == FILE_SHARED)
		tree_remove(&files->tree, &file->node);
	pthread_mutex_unlock(&files->lock);
	if (!last)
		return;
	close_fd(file->fd);
	if (file->memory)
		sys_call(SYS_munmap, file->memory, file->len);
	free(file);
}

static long map(int fd, uint64_t off, uint64_t len, int prot, int flags)
{
	return sys_call(SYS_mmap, NULL, len, prot, flags, fd, off);
}

int mem_dmabuf_new(struct mem_files *files, uint64_t len, struct mem_file **out)
{
	struct mem_file *file = new_file(files, FILE_DMABUF);
	long rc;

	if (!file)
		return -ENOMEM;
	file->len = (len + PAGE - 1) & ~(PAGE - 1);
	rc = map(-1, 0, file->len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
	if (sys_failed(rc)) {
		free(file);
		return -ENOMEM;
	}
	file->memory = (char *)rc;
	*out = file;
	return 0;
}

uint64_t mem_file_page(const struct mem_file *file)
{
	return file->page;
}

bool mem_file_is_dmabuf(const struct mem_file *file)
{
	return file->kind == FILE_DMABUF;
}

uint64_t mem_dmabuf_len(const struct mem_file *file)
{
	return file->len;
}

void mem_dmabuf_revoke(struct mem_file *file, bool revoked)
{
	uint64_t old = atomic_load(&file->state), new;

	do {
		new = revoked ? ((old >> 1) + 1) << 1 | 1 : old & ~1ull;
	} while (!atomic_compare_exchange_weak(&file->state, &old, new));
}

uint32_t mem_dmabuf_epoch(const struct mem_file *file, bool *revoked)
{
	uint64_t state = atomic_load(&((struct mem_file *)(uintptr_t)file)->state);

	if (revoked)
		*revoked = state & 1;
	return (uint32_t)(state >> 1);
}

/*
 * A descriptor that was opened for reading only does not keep the kernel from writing to a memfd's
 * pages; here it takes another one, which the owner of a memfd can have.
 */
static long map_writable(struct mem_file *file, uint64_t off, uint64_t len)
{
	char path[40];
	long rc = map(file->fd, off, len, PROT_READ | PROT_WRITE, MAP_SHARED), fd;

	if (rc != -EACCES)
		return rc;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file->fd);
	fd = sys_call(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -EACCES;
	rc = map((int)fd, off, len, PROT_READ | PROT_WRITE, MAP_SHARED);
	sys_call(SYS_close, fd);
	return rc;
}

/* Whole pages of the file's own size, which may be larger than what is asked for. */
static void widen(const struct mem_file *file, uint64_t *off, uint64_t *len)
{
	uint64_t end = (*off + *len + file->page - 1) & ~(file->page - 1);

	*off &= ~(file->page - 1);
	*len = end - *off;
}

static int check(const struct mem_file *file, uint64_t off, uint64_t len, struct ioas_why *why)
{
	struct stat st;

	if (file->kind != FILE_SHARED)
		return why_set(why, -EINVAL, "the file is neither of tmpfs nor of hugetlbfs");
	if (sys_call(SYS_fstat, file->fd, &st))
		return why_set(why, -EINVAL, "the file's size cannot be read");
	if (off + len < off || off + len > (uint64_t)st.st_size)
		return why_set(why, -EINVAL,
			       "%#" PRIx64 "-%#" PRIx64
			       " of the file are wanted, which has %#" PRIx64 " bytes",
			       off, off + len - 1, (uint64_t)st.st_size);
	return 0;
}

static int refuse_map(long rc, bool write, struct ioas_why *why)
{
	if (rc == -ENOMEM)
		return why_set(why, -ENOMEM, "no memory to map the file");
	return why_set(why, -EPERM, "the file cannot be mapped%s: %s", write ? " for writing" : "",
		       strerrordesc_np((int)-rc));
}

int mem_file_pin(struct mem_file *file, uint64_t off, uint64_t len, bool write, void **host,
		 struct ioas_why *why)
{
	uint64_t base = off, whole = len;
	long rc;

	if (file->kind == FILE_DMABUF) {
		*host = file->memory + off;
		return 0;
	}
	rc = check(file, off, len, why);
	if (rc)
		return (int)rc;
	widen(file, &base, &whole);
	rc = write ? map_writable(file, base, whole)
		   : map(file->fd, base, whole, PROT_READ, MAP_SHARED);
	if (sys_failed(rc))
		return refuse_map(rc, write, why);
	*host = (char *)rc + (off - base);
	/* What cannot be had of a file that is long enough is memory. */
	if (!mem_guard_populate(*host, len, write))
		return 0;
	mem_file_unpin(file, off, len, *host);
	return why_set(why, -ENOMEM, "no memory for the file's pages");
}

void mem_file_unpin(struct mem_file *file, uint64_t off, uint64_t len, void *host)
{
	uint64_t base = off, whole = len;

	if (file->kind == FILE_DMABUF)
		return;
	widen(file, &base, &whole);
	sys_call(SYS_munmap, (char *)host - (off - base), whole);
}
