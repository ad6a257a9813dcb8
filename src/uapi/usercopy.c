/* SPDX-License-Identifier: MIT */
/* All that touches the caller's memory on behalf of a handler. */
#include <errno.h>
#include <string.h>
#include "trace/trace.h"
#include "uapi/uapi.h"
#include "util/why.h"

/* Piece by which long ranges are walked; small, since calls may arrive on small stacks. */
#define CHUNK 256u

int uapi_caller_read(struct ioas_caller *caller, void *dst, uint64_t va, size_t len)
{
	return len ? caller->ops->copy_from(caller, dst, va, len) : 0;
}

int uapi_caller_write(struct ioas_caller *caller, uint64_t va, const void *src, size_t len)
{
	return len ? caller->ops->copy_to(caller, va, src, len) : 0;
}

int uapi_caller_or(struct ioas_caller *caller, uint64_t va, const void *bits, size_t len)
{
	const unsigned char *bit = bits;
	unsigned char bytes[CHUNK];
	int rc = 0;

	if (len && caller->ops->or_to)
		return caller->ops->or_to(caller, va, bits, len);
	while (!rc && len) {
		size_t now = len < CHUNK ? len : CHUNK;

		rc = uapi_caller_read(caller, bytes, va, now);
		for (size_t i = 0; !rc && i < now; i++)
			bytes[i] |= bit[i];
		if (!rc)
			rc = uapi_caller_write(caller, va, bytes, now);
		va += now;
		bit += now;
		len -= now;
	}
	return rc;
}

int uapi_copy_from(struct uapi_call *call, void *dst, uint64_t va, size_t len)
{
	int rc = uapi_caller_read(call->caller, dst, va, len);

	if (call->trace && !rc)
		trace_copied(call->trace, call->arg, va, dst, len, false);
	return rc ? why_set(call->why, -EFAULT, "cannot read %zu bytes of the caller's at 0x%llx",
			    len, (unsigned long long)va)
		  : 0;
}

int uapi_copy_to(struct uapi_call *call, uint64_t va, const void *src, size_t len)
{
	int rc = uapi_caller_write(call->caller, va, src, len);

	if (call->trace && !rc)
		trace_copied(call->trace, call->arg, va, src, len, true);
	return rc ? why_set(call->why, -EFAULT, "cannot write %zu bytes of the caller's at 0x%llx",
			    len, (unsigned long long)va)
		  : 0;
}

int uapi_zero(struct uapi_call *call, uint64_t va, uint64_t len)
{
	static const char zeros[CHUNK];
	int rc = 0;

	while (!rc && len) {
		size_t now = len < CHUNK ? (size_t)len : CHUNK;

		rc = uapi_copy_to(call, va, zeros, now);
		va += now;
		len -= now;
	}
	return rc;
}

int uapi_check_zero(struct uapi_call *call, uint64_t va, uint64_t len)
{
	char bytes[CHUNK];

	while (len) {
		size_t now = len < CHUNK ? (size_t)len : CHUNK;
		int rc = uapi_copy_from(call, bytes, va, now);

		if (rc)
			return rc;
		for (size_t i = 0; i < now; i++)
			if (bytes[i])
				return why_set(call->why, -E2BIG,
					       "the struct is longer than known here, and its tail "
					       "is not zero");
		va += now;
		len -= now;
	}
	return 0;
}

int uapi_respond_len(struct uapi_call *call, size_t len)
{
	return uapi_copy_to(call, call->arg, call->cmd, len);
}

int uapi_respond(struct uapi_call *call)
{
	return uapi_respond_len(call, call->user_size < call->op->size ? call->user_size
								       : call->op->size);
}

/* Reads no further than the aligned piece that holds the NUL: what follows may not exist. */
int uapi_copy_string(struct uapi_call *call, char *dst, uint64_t va, size_t len)
{
	size_t done = 0;

	while (done < len) {
		size_t now = 64 - (va + done) % 64;
		int rc;

		if (now > len - done)
			now = len - done;
		rc = uapi_copy_from(call, dst + done, va + done, now);
		if (rc)
			return rc;
		if (memchr(dst + done, '\0', now))
			return 0;
		done += now;
	}
	return why_set(call->why, -EINVAL, "the string does not end within %zu bytes", len);
}

/* The first `len` bytes of a struct of which `known` are; the rest reads as zero. */
static int copy_part(struct uapi_call *call, void *dst, uint64_t va, size_t len, size_t known)
{
	if (len >= known)
		return uapi_copy_from(call, dst, va, known);
	memset((char *)dst + len, 0, known - len);
	return uapi_copy_from(call, dst, va, len);
}

static int data_read(const struct kind_data *data, void *dst, size_t min, size_t known)
{
	const struct uapi_data *d = (const struct uapi_data *)data;

	if (data->len < min || data->len > known)
		return why_set(d->call->why, -EINVAL,
			       "data of type 0x%x has %zu to %zu bytes, not %u", data->type, min,
			       known, data->len);
	return copy_part(d->call, dst, d->va, data->len, known);
}

static int data_write(const struct kind_data *data, const void *src, size_t known)
{
	const struct uapi_data *d = (const struct uapi_data *)data;

	return uapi_copy_to(d->call, d->va, src, data->len < known ? data->len : known);
}

void uapi_data_init(struct uapi_data *data, struct uapi_call *call, uint32_t type, uint64_t va,
		    uint32_t len)
{
	*data = (struct uapi_data){
		.data = {.type = type, .len = len, .read = data_read, .write = data_write},
		.call = call,
		.va = va,
	};
}

static int array_read(const struct kind_array *array, uint32_t index, void *dst, size_t min,
		      size_t known)
{
	const struct uapi_array *a = (const struct uapi_array *)array;
	uint64_t va = a->va + (uint64_t)index * array->entry_len;

	if (index >= array->entry_nr)
		return why_set(a->call->why, -EINVAL, "there is no entry %u", index);
	if (array->entry_len < min)
		return why_set(a->call->why, -EINVAL,
			       "entries of type 0x%x have at least %zu bytes, not %u", array->type,
			       min, array->entry_len);
	if (array->entry_len > known) {
		int rc = uapi_check_zero(a->call, va + known, array->entry_len - known);

		if (rc)
			return rc;
	}
	return copy_part(a->call, dst, va, array->entry_len, known);
}

void uapi_array_init(struct uapi_array *array, struct uapi_call *call, uint32_t type, uint64_t va,
		     uint32_t entry_len, uint32_t entry_nr)
{
	*array = (struct uapi_array){
		.array = {.type = type,
			  .entry_len = entry_len,
			  .entry_nr = entry_nr,
			  .read = array_read},
		.call = call,
		.va = va,
	};
}
