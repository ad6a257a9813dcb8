/* SPDX-License-Identifier: MIT */
/*
 * IOMMU_TEST_CMD's accesses: a descriptor that pins, reads and writes an IOAS by itself.
 *
 * What it has pinned are items, by numbers that are not used again. An UNMAP that meets an item
 * takes the whole of it away.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <ioas/access.h>
#include "mem/same.h"
#include "space/space.h"
#include "uapi/testcmd.h"
#include "util/alloc.h"
#include "util/lock.h"
#include "util/why.h"

#define PAGE	4096u
#define LEN_MAX (16ull << 20)

/* Behind the descriptor. */
struct test_access {
	struct obj_access *access; /* constant */
	bool pins;		   /* constant: made with TESTCMD_ACCESS_NEEDS_PIN */
	/* Held while pinning, so that an UNMAP that comes meanwhile finds the item. */
	pthread_mutex_t lock;
	struct ids items; /* (lock) struct ioas_access_pin by number */
	uint32_t next;	  /* (lock) the next item's */
};

static bool meets(const struct ioas_access_pin *pin, iova_t first, iova_t last)
{
	iova_t iova = ioas_access_pin_iova(pin);

	return iova <= last && iova + (ioas_access_pin_len(pin) - 1) >= first;
}

static void unmap(void *arg, iova_t first, iova_t last)
{
	struct test_access *access = arg;
	struct ioas_access_pin *pin;

	pthread_mutex_lock(&access->lock);
	for (uint32_t id = 0; (pin = ids_next(&access->items, &id)); id++) {
		if (!meets(pin, first, last))
			continue;
		ids_drop(&access->items, id);
		ioas_access_unpin(pin);
	}
	pthread_mutex_unlock(&access->lock);
}

static const struct ioas_access_ops access_ops = {.unmap = unmap};

static void access_free(struct test_access *access)
{
	unmap(access, 0, UINT64_MAX);
	if (access->access)
		obj_access_close(access->access);
	ids_fini(&access->items);
	pthread_mutex_destroy(&access->lock);
	free(access);
}

static void access_release(struct ioas_file *file)
{
	access_free(file->priv);
}

static const struct uapi_file_ops access_file_ops = {.release = access_release};

static int access_new(struct uapi_call *call, struct test_access **out)
{
	const struct iommu_test_cmd *cmd = call->cmd;
	struct test_access *access = alloc_zero(1, sizeof(*access));
	int rc;

	if (!access)
		return why_set(call->why, -ENOMEM, "no memory for an access");
	lock_init(&access->lock, LOCK_TEST_ACCESS);
	lock_guards(&access->lock, &access->items, access + 1);
	access->pins = cmd->access.flags & TESTCMD_ACCESS_NEEDS_PIN;
	rc = obj_access_new(call->file->priv, cmd->id, &access_ops, access,
			    access->pins ? IOAS_ACCESS_PINS : 0, &access->access, call->why);
	if (rc)
		access_free(access);
	else
		*out = access;
	return rc;
}

long testcmd_access(struct uapi_call *call)
{
	struct iommu_test_cmd *cmd = call->cmd;
	struct ioas_node node = {.kind = IOAS_NODE_ACCESS};
	struct test_access *access = NULL;
	struct ioas_file *file;
	int rc;

	if (cmd->access.flags & ~(uint32_t)TESTCMD_ACCESS_NEEDS_PIN)
		return why_set(call->why, -EOPNOTSUPP, "unknown flags 0x%x", cmd->access.flags);
	rc = access_new(call, &access);
	if (rc)
		return rc;
	snprintf(node.path, sizeof(node.path), "anon_inode:[iommufd_test_staccess]");
	file = uapi_file_new(call->file->iommu, call->caller, &node, &access_file_ops);
	if (!file) {
		access_free(access);
		return why_set(call->why, -ENOMEM, "no memory for an access' file");
	}
	file->priv = access;
	return uapi_file_answer(call, file, (uint32_t *)&cmd->access.out_fd);
}

/* The access that the caller's descriptor `id` stands for; the file is to be put. 0; -EBADFD. */
static int get(struct uapi_call *call, struct ioas_file **file, struct test_access **out)
{
	const struct iommu_test_cmd *cmd = call->cmd;

	if (call->caller->ops->file_get(call->caller, (int)cmd->id, file))
		return why_set(call->why, -EBADFD, "descriptor %d is not an access", (int)cmd->id);
	if ((*file)->ops != &access_file_ops) {
		ioas_file_put(*file);
		return why_set(call->why, -EBADFD, "descriptor %d is not an access", (int)cmd->id);
	}
	*out = (*file)->priv;
	return 0;
}

long testcmd_access_replace(struct uapi_call *call)
{
	const struct iommu_test_cmd *cmd = call->cmd;
	struct test_access *access;
	struct ioas_file *file;
	int rc = get(call, &file, &access);

	if (rc)
		return rc;
	rc = obj_access_replace(access->access, cmd->access_replace.ioas_id, call->why);
	ioas_file_put(file);
	return rc;
}

/*
 * With TESTCMD_ACCESS_FUZZED an address is half the number of a mapping, half an offset in it: so
 * fuzzers find something. Goes through the mappings one by one.
 */
static iova_t unfuzz(struct test_access *access, uint64_t fuzzed)
{
	struct space_area_info area = {0};
	struct ioas_space *space;
	iova_t at = 0;

	pthread_mutex_lock(&access->access->moving);
	space = ioas_space_get(access->access->ioas->space);
	pthread_mutex_unlock(&access->access->moving);
	for (uint32_t nth = 0; nth <= (uint32_t)fuzzed; nth++) {
		if ((nth && !at) || space_area_at_or_after(space, at, &area)) {
			ioas_space_put(space);
			return 0;
		}
		at = area.range.last + 1;
	}
	ioas_space_put(space);
	return area.range.first + (fuzzed >> 32);
}

/* Is what the pin shows the caller's memory at `va`, page by page? 0; -EFAULT; -EBADE. */
static int compare(struct uapi_call *call, const struct ioas_access_loan *loan, uint64_t va)
{
	for (unsigned i = 0; i < loan->iov_nr; i++)
		for (size_t at = 0; at < loan->iov[i].iov_len; at += PAGE, va += PAGE) {
			uint8_t *want;
			int rc = testcmd_host(call, va, &want);

			if (rc)
				return rc;
			if (!mem_same_page((char *)loan->iov[i].iov_base + at, want))
				return why_set(call->why, -EBADE,
					       "other memory is pinned than at %#" PRIx64, va);
		}
	return 0;
}

static int check_pin(struct uapi_call *call, struct ioas_access_pin *pin, uint64_t va)
{
	struct ioas_access_loan loan = {0};
	int rc = ioas_access_begin(pin, 0, ioas_access_pin_len(pin), &loan);

	if (rc)
		return why_set(call->why, rc, "what is pinned cannot be looked at");
	rc = compare(call, &loan, va);
	ioas_access_loan_fini(&loan);
	return rc;
}

/* Pins as item `access->next`, whose number is taken. */
static int pin_item(struct uapi_call *call, struct test_access *access, iova_t iova)
{
	struct iommu_test_cmd *cmd = call->cmd;
	struct ioas_access_pin *pin;
	int rc = ioas_access_pin(access->access->access, iova, cmd->access_pin.length,
				 cmd->access_pin.flags & TESTCMD_ACCESS_WRITE ? IOAS_ACCESS_WRITE
									      : 0,
				 &pin, call->why);

	if (rc)
		return rc;
	if (cmd->access_pin.uptr)
		rc = check_pin(call, pin, cmd->access_pin.uptr);
	cmd->access_pin.out_item = access->next;
	if (!rc)
		rc = uapi_respond(call);
	if (rc)
		ioas_access_unpin(pin);
	else
		ids_set(&access->items, access->next, pin);
	return rc;
}

static int pin_locked(struct uapi_call *call, struct test_access *access, iova_t iova)
{
	int rc = ids_take_at(&access->items, access->next);

	if (rc)
		return why_set(call->why, rc, "no memory, or no number, for an item");
	rc = pin_item(call, access, iova);
	if (rc)
		ids_drop(&access->items, access->next);
	else
		access->next++;
	return rc;
}

long testcmd_access_pin(struct uapi_call *call)
{
	const struct iommu_test_cmd *cmd = call->cmd;
	uint32_t flags = cmd->access_pin.flags;
	iova_t iova = cmd->access_pin.iova;
	struct test_access *access;
	struct ioas_file *file;
	int rc;

	if (cmd->access_pin.length > LEN_MAX)
		return why_set(call->why, -ENOMEM, "more than %llu bytes", LEN_MAX);
	if (flags & ~(uint32_t)(TESTCMD_ACCESS_WRITE | TESTCMD_ACCESS_FUZZED))
		return why_set(call->why, -EOPNOTSUPP, "unknown flags 0x%x", flags);
	rc = get(call, &file, &access);
	if (rc)
		return rc;
	if (!access->pins) {
		ioas_file_put(file);
		return why_set(call->why, -EOPNOTSUPP, "the access was not made to pin");
	}
	if (flags & TESTCMD_ACCESS_FUZZED)
		iova = unfuzz(access, iova);
	pthread_mutex_lock(&access->lock);
	rc = pin_locked(call, access, iova);
	pthread_mutex_unlock(&access->lock);
	ioas_file_put(file);
	return rc;
}

long testcmd_access_unpin(struct uapi_call *call)
{
	const struct iommu_test_cmd *cmd = call->cmd;
	uint32_t item = cmd->access_unpin.item;
	struct ioas_access_pin *pin;
	struct test_access *access;
	struct ioas_file *file;
	int rc = get(call, &file, &access);

	if (rc)
		return rc;
	pthread_mutex_lock(&access->lock);
	pin = ids_get(&access->items, item);
	if (pin) {
		ids_drop(&access->items, item);
		ioas_access_unpin(pin);
	}
	pthread_mutex_unlock(&access->lock);
	ioas_file_put(file);
	return pin ? 0 : why_set(call->why, -ENOENT, "the access has no item %u", item);
}

static int copy(struct uapi_call *call, struct test_access *access, void *buf)
{
	const struct iommu_test_cmd *cmd = call->cmd;
	bool write = cmd->access_rw.flags & TESTCMD_ACCESS_WRITE;
	size_t len = cmd->access_rw.length;
	iova_t iova = cmd->access_rw.iova;
	int rc = write ? uapi_copy_from(call, buf, cmd->access_rw.uptr, len) : 0;

	if (rc)
		return rc;
	if (cmd->access_rw.flags & TESTCMD_ACCESS_FUZZED)
		iova = unfuzz(access, iova);
	rc = ioas_access_rw(access->access->access, iova, buf, len, write ? IOAS_ACCESS_WRITE : 0,
			    call->why);
	return rc || write ? rc : uapi_copy_to(call, cmd->access_rw.uptr, buf, len);
}

long testcmd_access_rw(struct uapi_call *call)
{
	const struct iommu_test_cmd *cmd = call->cmd;
	uint32_t known = TESTCMD_ACCESS_WRITE | TESTCMD_ACCESS_SLOW | TESTCMD_ACCESS_FUZZED;
	struct test_access *access;
	struct ioas_file *file;
	void *buf;
	int rc;

	if (cmd->access_rw.length > LEN_MAX)
		return why_set(call->why, -ENOMEM, "more than %llu bytes", LEN_MAX);
	if (cmd->access_rw.flags & ~known)
		return why_set(call->why, -EOPNOTSUPP, "unknown flags 0x%x", cmd->access_rw.flags);
	rc = get(call, &file, &access);
	if (rc)
		return rc;
	buf = alloc_zero(1, cmd->access_rw.length + 1);
	rc = buf ? copy(call, access, buf)
		 : why_set(call->why, -ENOMEM, "no memory for %llu bytes",
			   (unsigned long long)cmd->access_rw.length);
	free(buf);
	ioas_file_put(file);
	return rc;
}
