/* SPDX-License-Identifier: MIT */
/*
 * Memory that belongs to a file: what IOAS_MAP_FILE maps.
 *
 * Such a file is a memfd (or another of tmpfs or hugetlbfs), a dma-buf, or any other, which can be
 * mapped like the first two and is refused when its memory is wanted. One descriptor is kept a
 * file, however many mappings there are; closing the program's own does not matter.
 *
 * A *dma-buf* is the engine's stand-in for one: memory that its exporter may take back. Revoking
 * begins a new *epoch*: what was mapped in an earlier one stays unmapped for good, also when the
 * exporter changes its mind.
 *
 * Locks: the list's own, innermost of all, protects the tree of files.
 */
#ifndef MEM_FILE_H
#define MEM_FILE_H

#include <stdbool.h>
#include <ioas/types.h>

struct mem_file;
struct mem_files;

int mem_files_new(struct mem_files **out);
void mem_files_destroy(struct mem_files *files);

/*
 * The file behind a descriptor, which is taken over, also by a failure; -1: one that is no memory
 * in any case. 0 and a reference; -ENOMEM; -EBADF.
 */
int mem_file_open(struct mem_files *files, int fd, struct mem_file **out);
struct mem_file *mem_file_get(struct mem_file *file);
/* NULL is fine. */
void mem_file_put(struct mem_file *file);

/* A dma-buf of `len` bytes (> 0, rounded up to whole pages), zeroed. 0; -ENOMEM. */
int mem_dmabuf_new(struct mem_files *files, uint64_t len, struct mem_file **out);
/* The size of its pages in memory. */
uint64_t mem_file_page(const struct mem_file *file);
bool mem_file_is_dmabuf(const struct mem_file *file);
uint64_t mem_dmabuf_len(const struct mem_file *file);
/*
 * Revoked: nothing new can be mapped, and what is mapped has to be taken out of page tables by who
 * calls, after this. Not revoked: it can be mapped again.
 */
void mem_dmabuf_revoke(struct mem_file *file, bool revoked);
/* Counts revocations. Sets *revoked to whether it is so now. */
uint32_t mem_dmabuf_epoch(const struct mem_file *file, bool *revoked);

/*
 * Makes `len` bytes at `off` (whole pages) present and shows them at *host, writable if `write`. 0;
 * -EINVAL it is not memory, or they are not all in the file; -EPERM write, and the file cannot be
 * opened for writing or is sealed; -ENOMEM. Of a dma-buf they must lie in it.
 */
int mem_file_pin(struct mem_file *file, uint64_t off, uint64_t len, bool write, void **host,
		 struct ioas_why *why);
void mem_file_unpin(struct mem_file *file, uint64_t off, uint64_t len, void *host);

#endif
