/* SPDX-License-Identifier: MIT */
/*
 * The door inside: open files, and the table that leads each ioctl to its handler.
 *
 * dispatch.c holds the tables and checks sizes; a handler gets a struct uapi_call with a copy of
 * the argument, and answers through usercopy.c, which alone touches the caller's memory. Handlers
 * carry the ioctl's name in lower case.
 *
 * Locks: uapi->vfio_lock serialises who owns which device and group (open, close, SET_CONTAINER,
 * SET_IOMMU, BIND); inside it come a container's lock and the iommufd context's.
 */
#ifndef UAPI_UAPI_H
#define UAPI_UAPI_H

#include <pthread.h>
#include <stdatomic.h>
#include <ioas/door.h>
#include "iommu.h"
#include "obj/ids.h"

struct uapi {
	struct ioas_iommu *iommu;
	_Atomic uint64_t *counts; /* rows of all tables x UAPI_COUNT_ERRNOS, see uapi_count */
	pthread_mutex_t vfio_lock;
	struct ids groups; /* (vfio_lock) struct vfio_group by number */
};

/* One ioctl in progress. */
struct uapi_call {
	struct ioas_file *file;
	struct ioas_caller *caller;
	struct ioas_why *why;
	const struct uapi_op *op;
	uint64_t arg;		       /* as the caller passed it */
	uint32_t row;		       /* of the op among the counters, uapi_count */
	uint32_t user_size;	       /* how long the caller says its struct is */
	void *cmd;		       /* its copy, zero-filled to op->size */
	struct ioas_trace_args *trace; /* gets what is copied of the argument; NULL: no trace */
};

/* A line of a table. */
struct uapi_op {
	const char *name; /* NULL: a hole */
	uint32_t cmd;
	uint16_t size; /* of the struct; 0: the argument is a number or absent */
	uint16_t min;  /* accepted minimum */
	long (*handler)(struct uapi_call *call);
};

/* The lines of one kind of file, by number from `first`. */
struct uapi_table {
	const struct uapi_op *ops;
	uint32_t first, nr;
	uint32_t row; /* of its first line among the counters */
};

/* Longest struct of any table. */
#define UAPI_CMD_MAX 72

extern const struct uapi_table uapi_iommufd_table, uapi_container_table, uapi_group_table,
	uapi_device_table, uapi_ext_table;

/* What the kinds of file differ in. Members may be NULL: the answer is the comment's. */
struct uapi_file_ops {
	/* Sets file->priv. Only for files that a path leads to. */
	int (*open)(struct ioas_file *file, struct ioas_why *why);
	void (*release)(struct ioas_file *file);
	long (*ioctl)(struct uapi_call *call, uint32_t cmd); /* -ENOTTY */
	ssize_t (*read)(struct ioas_file *file, struct ioas_caller *caller, uint64_t va, size_t len,
			uint64_t off); /* -EINVAL */
	ssize_t (*write)(struct ioas_file *file, struct ioas_caller *caller, uint64_t va,
			 size_t len, uint64_t off); /* -EINVAL */
	/* *out is "none" beforehand. */
	int (*mmap)(struct ioas_file *file, uint64_t off, uint64_t len, int prot, int flags,
		    struct ioas_mapping *out, struct ioas_why *why); /* -ENODEV */
	void (*munmap)(struct ioas_file *file, uint64_t off, uint64_t len);
	int (*access)(struct ioas_file *file, uint64_t off, bool write, uint64_t *value,
		      unsigned size); /* -EFAULT */
};

struct ioas_file {
	const struct uapi_file_ops *ops; /* constant */
	struct ioas_iommu *iommu;	 /* constant */
	struct ioas_caller *caller;	 /* constant: who opened it */
	struct ioas_node node;		 /* constant */
	_Atomic uint32_t refs;
	void *priv; /* by kind: struct obj_ctx, container, vfio_group, vfio_file, obj_fault */
};

extern const struct uapi_file_ops iommufd_file_ops, container_file_ops, group_file_ops,
	device_file_ops, fault_file_ops, veventq_file_ops;

/* A file that no path leads to. It has one reference. NULL: no memory. */
struct ioas_file *uapi_file_new(struct ioas_iommu *iommu, struct ioas_caller *caller,
				const struct ioas_node *node, const struct uapi_file_ops *ops);
/*
 * Gives the caller a descriptor for `file`, whose reference it takes over, and the call's answer,
 * of which *fd is a part. 0; -EFAULT, -EMFILE, -ENOMEM: the reference has been put.
 */
int uapi_file_answer(struct uapi_call *call, struct ioas_file *file, uint32_t *fd);

/* Dispatch by the rules of iommufd (size first) and of VFIO (argsz). */
long uapi_dispatch_iommufd(struct uapi_call *call, uint32_t cmd);
long uapi_dispatch_vfio(struct uapi_call *call, const struct uapi_table *table, uint32_t cmd);
/* Is it an ioctl of ours beyond Linux (uapi_ext.h)? Then the sizes follow iommufd's rules. */
bool uapi_is_ext(uint32_t cmd);
long uapi_dispatch_ext(struct uapi_call *call, uint32_t cmd);
/* Counts the call's result; without an op: an unknown number. */
void uapi_count(const struct uapi_call *call, long result);
size_t uapi_counts_len(void);

/* usercopy.c: 0 or -EFAULT. Without a call there is no reason to fill in. */
int uapi_caller_read(struct ioas_caller *caller, void *dst, uint64_t va, size_t len);
int uapi_caller_write(struct ioas_caller *caller, uint64_t va, const void *src, size_t len);
/* Sets the bits of `bits` there, in place; not atomically. After -EFAULT some may be set. */
int uapi_caller_or(struct ioas_caller *caller, uint64_t va, const void *bits, size_t len);
int uapi_copy_from(struct uapi_call *call, void *dst, uint64_t va, size_t len);
int uapi_copy_to(struct uapi_call *call, uint64_t va, const void *src, size_t len);
int uapi_zero(struct uapi_call *call, uint64_t va, uint64_t len);
/* Are the caller's bytes all zero? 0; -E2BIG; -EFAULT. */
int uapi_check_zero(struct uapi_call *call, uint64_t va, uint64_t len);
/* Writes the first min(user_size, op->size) bytes of call->cmd back. */
int uapi_respond(struct uapi_call *call);
/* Writes the first `len` bytes of call->cmd back, for VFIO's argsz rules. */
int uapi_respond_len(struct uapi_call *call, size_t len);
/* A struct of the caller's, or an array of requests, in a format of a kind of IOMMU's. */
struct uapi_data {
	struct kind_data data; /* first */
	struct uapi_call *call;
	uint64_t va;
};
struct uapi_array {
	struct kind_array array; /* first */
	struct uapi_call *call;
	uint64_t va;
};
void uapi_data_init(struct uapi_data *data, struct uapi_call *call, uint32_t type, uint64_t va,
		    uint32_t len);
void uapi_array_init(struct uapi_array *array, struct uapi_call *call, uint32_t type, uint64_t va,
		     uint32_t entry_len, uint32_t entry_nr);
/* A string of the caller's with its NUL. 0; -EFAULT; -EINVAL it does not end within len. */
int uapi_copy_string(struct uapi_call *call, char *dst, uint64_t va, size_t len);

#endif
