/* SPDX-License-Identifier: MIT */
/*
 * Which descriptors are ours.
 *
 * Slots by number, in chunks that are never freed, so that "not ours" (nearly every call of every
 * program) is answered by two loads without a lock. A number can come to mean something else where
 * no interposed call sees it: inside libc (0 to 2 only), by a system call that does not go through
 * libc, by io_uring. So what is found is checked against the kernel's idea of the number, except
 * for an ioctl of ours (table_use): that none but our descriptors understand, and it is the call
 * that programs make millions of times.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include "preload.h"
#include "real.h"

#define CHUNK_LG2 TABLE_CHUNK_LG2
#define CHUNK_NR  (1 << CHUNK_LG2)
#define TOP_NR	  TABLE_TOP_NR

table_slot_t *_Atomic table_top[TOP_NR]; /* (lock) to change */
static _Atomic int top_used;		 /* chunks at or above were never made */

bool table_maybe_any(void)
{
	return atomic_load_explicit(&top_used, memory_order_relaxed);
}

struct door_obj *table_get(int fd)
{
	struct door_obj *obj, *stale = NULL;
	table_slot_t *slot = table_slot(fd);
	struct stat st;

	if (!slot)
		return NULL;
	pthread_mutex_lock(&door.lock);
	obj = atomic_load_explicit(slot, memory_order_relaxed);
	if (obj && (real.fstat(fd, &st) || st.st_ino != obj->ino || st.st_dev != obj->dev)) {
		atomic_store_explicit(slot, NULL, memory_order_relaxed);
		stale = obj;
		obj = NULL;
	}
	if (obj)
		stand_get(obj);
	pthread_mutex_unlock(&door.lock);
	if (stale)
		stand_put(stale);
	return obj;
}

int table_fresh(int fd)
{
	struct door_call call;
	struct door_obj *obj;

	if (likely(fd < 0 || !table_maybe(fd)) || !door_enter(&call))
		return fd;
	obj = table_get(fd); /* which forgets what is there no more */
	if (obj)
		stand_put(obj);
	door_leave(&call);
	return fd;
}

static table_slot_t *slot_make(int fd)
{
	table_slot_t *chunk;
	int index = fd >> CHUNK_LG2;

	if (index >= TOP_NR)
		return NULL;
	if (!atomic_load(&table_top[index])) {
		chunk = real.mmap(NULL, CHUNK_NR * sizeof(*chunk), PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (chunk == MAP_FAILED)
			return NULL;
		atomic_store_explicit(&table_top[index], chunk, memory_order_release);
		if (index >= atomic_load(&top_used))
			atomic_store(&top_used, index + 1);
	}
	return table_slot(fd);
}

struct door_obj *table_set(int fd, struct door_obj *obj, int *err)
{
	table_slot_t *slot = obj ? slot_make(fd) : table_slot(fd);

	*err = obj && !slot ? -ENOMEM : 0;
	return slot ? atomic_exchange(slot, obj) : NULL;
}

int table_next(int first, int last)
{
	int used = atomic_load(&top_used);

	for (int fd = first < 0 ? 0 : first; fd >> CHUNK_LG2 < used && fd <= last; fd++) {
		table_slot_t *slot = table_slot(fd);

		if (!slot)
			fd |= CHUNK_NR - 1;
		else if (atomic_load_explicit(slot, memory_order_relaxed))
			return fd;
	}
	return -1;
}

struct door_obj *stand_new(struct machine *machine, struct ioas_file *file,
			   const struct ioas_node *node)
{
	struct door_obj *obj = calloc(1, sizeof(*obj));

	if (!obj)
		return NULL;
	atomic_init(&obj->refs, 1);
	obj->machine = machine;
	obj->file = file;
	obj->node = *node;
	obj->own = obj->peer = -1;
	atomic_init(&obj->usable, machine != NULL);
	return obj;
}

void stand_get(struct door_obj *obj)
{
	atomic_fetch_add_explicit(&obj->refs, 1, memory_order_relaxed);
}

static void stand_unlink(struct door_obj *obj)
{
	pthread_mutex_lock(&door.lock);
	if (obj->prev) {
		*obj->prev = obj->next;
		if (obj->next)
			obj->next->prev = obj->prev;
	}
	poll_leave(obj);
	pthread_mutex_unlock(&door.lock);
}

static struct door_obj *graves; /* (lock) objects whose last close has begun */

/* Takes one out that no thread uses. */
static struct door_obj *take_grave(void)
{
	struct door_obj *obj = NULL;

	pthread_mutex_lock(&door.lock);
	for (struct door_obj **at = &graves; *at && !obj; at = obj ? at : &(*at)->grave)
		if (!thread_uses(*at)) {
			obj = *at;
			*at = obj->grave;
		}
	atomic_store(&door.dying, graves != NULL);
	pthread_mutex_unlock(&door.lock);
	return obj;
}

void stand_reap(void)
{
	struct door_obj *obj;

	while ((obj = take_grave())) {
		if (obj->file) {
			ioas_file_put(obj->file);
			owner_unlock(owner_obj_byte(obj));
		}
		stand_free(obj);
	}
}

/*
 * After the first barrier, the records tell who has found the object in the table. After the
 * second, who does not see that something is dying is seen to have left.
 */
void stand_retire(struct door_obj *obj)
{
	door_barrier();
	pthread_mutex_lock(&door.lock);
	obj->grave = graves;
	graves = obj;
	atomic_store(&door.dying, true);
	pthread_mutex_unlock(&door.lock);
	door_barrier();
	stand_reap();
}

/*
 * The engine copy of a process that does not own the devices must not be touched: what it closes is
 * remembered, for the case that it takes them over.
 */
void stand_put(struct door_obj *obj)
{
	bool forget;

	if (atomic_fetch_sub(&obj->refs, 1) != 1)
		return;
	pthread_mutex_lock(&door.lock);
	forget = obj->machine && obj->machine->inherited;
	obj->forgotten = forget;
	pthread_mutex_unlock(&door.lock);
	if (forget)
		return;
	stand_unlink(obj);
	stand_retire(obj);
}

void stand_free(struct door_obj *obj)
{
	poll_close(obj);
	free(obj);
}

/*
 * As long as a device's file, so that a page of its registers can be memory for a while (watch.c).
 * Under a limit on the size of files it stays empty: the kernel would end the program for it.
 */
static void stretch(struct door_obj *obj, int fd)
{
	enum ioas_node_kind kind = obj->node.kind;
	struct rlimit limit;

	if (kind == IOAS_NODE_VFIO_DEVICE || kind == IOAS_NODE_VFIO_CDEV)
		obj->sized = !getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur == RLIM_INFINITY &&
			     !ftruncate(fd, DEVICE_LEN);
}

static int make_memfd(struct door_obj *obj, bool cloexec)
{
	char name[80];
	struct stat st;
	int fd;

	if (obj->node.kind == IOAS_NODE_VFIO_DEVICE)
		snprintf(name, sizeof(name), MEMFD_TAG DEVICE_NAME "%u", obj->node.index);
	else
		snprintf(name, sizeof(name), MEMFD_TAG "%s", obj->node.path);
	fd = memfd_create(name, cloexec ? MFD_CLOEXEC : 0);
	if (fd < 0)
		return -errno;
	if (real.fstat(fd, &st)) {
		int rc = -errno;

		real.close(fd);
		return rc;
	}
	obj->dev = st.st_dev;
	obj->ino = st.st_ino;
	stretch(obj, fd);
	return fd;
}

void stand_link(struct door_obj *obj)
{
	obj->next = door.objs;
	obj->prev = &door.objs;
	if (obj->next)
		obj->next->prev = &obj->next;
	door.objs = obj;
}

/* (lock) Returns what was in the slot: it belonged to a number that libc closed behind our back. */
static int install(struct door_obj *obj, bool cloexec, struct door_obj **stale)
{
	int fd, err;

	fd = poll_kind(obj->node.kind) ? poll_make(obj, cloexec) : make_memfd(obj, cloexec);
	if (fd < 0)
		return fd;
	err = obj->file ? owner_lock(owner_obj_byte(obj), NULL) : 0;
	if (!err) {
		*stale = table_set(fd, obj, &err);
		if (!err) {
			stand_link(obj);
			poll_enter(obj);
			return fd;
		}
		if (obj->file)
			owner_unlock(owner_obj_byte(obj));
	}
	real.close(fd);
	poll_close(obj);
	return err;
}

/* One step, as in wrap_fd.c: who finds the number open finds the object. */
int stand_install(struct door_obj *obj, bool cloexec)
{
	struct door_obj *stale = NULL;
	int fd;

	pthread_mutex_lock(&door.lock);
	fd = install(obj, cloexec, &stale);
	pthread_mutex_unlock(&door.lock);
	if (stale)
		stand_put(stale);
	return fd;
}

/* (machine lock) */
static int open_adopted(struct door_obj *obj)
{
	struct ioas_why why = {""};
	struct machine *machine;
	struct ioas_node node;
	struct ioas_file *file;
	pid_t pid = 0;
	int rc;

	if (strncmp(obj->node.path, "/dev/", 5)) {
		if (!obj->said)
			door_say("%s came from another process, where what is behind it stays",
				 obj->node.path);
		obj->said = true;
		return -EBUSY;
	}
	rc = machine_get(&machine);
	if (!rc)
		rc = machine_node(machine, obj->node.path, &node);
	if (!rc) {
		rc = owner_lock(owner_obj_byte(obj), &pid);
		if (rc == -EBUSY)
			door_say("%s came from process %d, which still owns it", obj->node.path,
				 pid);
	}
	if (rc)
		return rc;
	rc = ioas_file_open(machine->iommu, &door.caller, &node, O_RDWR, &file, &why);
	if (rc) {
		owner_unlock(owner_obj_byte(obj));
		return rc;
	}
	obj->node = node;
	obj->file = file;
	obj->machine = machine;
	return 0;
}

int stand_ready(struct door_obj *obj)
{
	int rc = 0;

	if (!atomic_load_explicit(&obj->usable, memory_order_acquire)) {
		pthread_mutex_lock(&door.machine_mtx);
		if (!obj->machine)
			rc = open_adopted(obj);
		else if (obj->machine->inherited)
			rc = owner_takeover(obj->machine, false);
		if (!rc)
			atomic_store_explicit(&obj->usable, true, memory_order_release);
		pthread_mutex_unlock(&door.machine_mtx);
	}
	return rc;
}
