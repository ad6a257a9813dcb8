/* SPDX-License-Identifier: MIT */
/*
 * Why the engine refused a call, for the run's report: an errno alone tells a program's author
 * little.
 *
 * A refusal is rare, so that the file is opened for each, and no descriptor is held for it. The
 * last one of each thread is kept for the program itself.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <ioas/run.h>
#include <ioas/uapi_ext.h>
#include "preload.h"
#include "real.h"

static _Atomic(struct ioas_run_log_count *) count;
static __thread struct ioas_run_refusal last; /* this thread's */

static struct ioas_run_log_count *get_count(void)
{
	struct ioas_run_log_count *block = atomic_load(&count);

	/* Two threads may both map it: the same file, so that either serves. */
	if (!block) {
		block = machine_counters(NULL, IOAS_RUN_REFUSAL_COUNT, sizeof(*block));
		atomic_store(&count, block);
	}
	return block;
}

static bool append(const struct ioas_run_refusal *record)
{
	char path[PATH_LEN];
	bool whole;
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/" IOAS_RUN_REFUSALS, door.run) >= sizeof(path))
		return false;
	fd = real.openat(AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	whole = real.write(fd, record, sizeof(*record)) == (ssize_t)sizeof(*record);
	real.close(fd);
	return whole;
}

long refusal_note(long rc, const char *call, const struct ioas_why *why)
{
	struct ioas_run_refusal record = {.error = (int32_t)-rc};
	struct ioas_run_log_count *block;

	if (rc >= 0)
		return rc;
	/* The engine's reasons of ioctls begin with the ioctl's name. */
	if (why->text[0])
		snprintf(record.text, sizeof(record.text), "%s%s%s", call ? call : "",
			 call ? ": " : "", why->text);
	else
		snprintf(record.text, sizeof(record.text), "%s: %s", call ? call : "ioctl",
			 strerrordesc_np((int)-rc));
	last = record;
	block = get_count();
	if (!block)
		return rc;
	if (__atomic_fetch_add(&block->recorded, 1, __ATOMIC_RELAXED) >= IOAS_RUN_LOG_MAX ||
	    !append(&record))
		__atomic_fetch_add(&block->dropped, 1, __ATOMIC_RELAXED);
	return rc;
}

/* Found by dlsym, hence in no header: IOAS_LAST_REASON_SYMBOL. */
const char *ioas_last_reason(void);
const char *ioas_last_reason(void)
{
	return last.text;
}

/* The struct by the rules of an extensible one; what is behind it must be zero. */
static long read_struct(uintptr_t arg, struct ioas_last_refusal *cmd)
{
	struct ioas_caller *caller = &door.caller;
	uint64_t zeros = 0;
	uint32_t size;

	if (caller->ops->copy_from(caller, &size, arg, sizeof(size)))
		return -EFAULT;
	if (size < sizeof(*cmd))
		return -EINVAL;
	for (uint64_t at = sizeof(*cmd); at < size; at += sizeof(zeros)) {
		uint64_t len = size - at < sizeof(zeros) ? size - at : sizeof(zeros);

		if (caller->ops->copy_from(caller, &zeros, arg + at, len))
			return -EFAULT;
		if (zeros)
			return -E2BIG;
	}
	return caller->ops->copy_from(caller, cmd, arg, sizeof(*cmd));
}

long refusal_last(void *arg)
{
	struct ioas_caller *caller = &door.caller;
	uint32_t len = (uint32_t)strlen(last.text) + 1, room;
	struct ioas_last_refusal cmd;
	long rc = read_struct((uintptr_t)arg, &cmd);

	if (rc)
		return rc;
	if (cmd.flags)
		return -EOPNOTSUPP;
	if (!cmd.text_uptr != !cmd.text_len)
		return -EINVAL;
	room = cmd.text_len < len ? cmd.text_len : len;
	if (room && (caller->ops->copy_to(caller, cmd.text_uptr, last.text, room - 1) ||
		     caller->ops->copy_to(caller, cmd.text_uptr + room - 1, "", 1)))
		return -EFAULT;
	cmd.text_len = len;
	cmd.out_error = last.error;
	return caller->ops->copy_to(caller, (uintptr_t)arg, &cmd, sizeof(cmd));
}
