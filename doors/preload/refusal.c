/* SPDX-License-Identifier: MIT */
/*
 * Why the engine refused a call, for the run's report: an errno alone tells a program's author
 * little.
 *
 * A refusal is rare, so that the file is opened for each, and no descriptor is held for it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <ioas/run.h>
#include "preload.h"
#include "real.h"

static _Atomic(struct ioas_run_log_count *) count;

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

	if (rc >= 0 || !(block = get_count()))
		return rc;
	/* The engine's reasons of ioctls begin with the ioctl's name. */
	if (why->text[0])
		snprintf(record.text, sizeof(record.text), "%s%s%s", call ? call : "",
			 call ? ": " : "", why->text);
	else
		snprintf(record.text, sizeof(record.text), "%s: %s", call ? call : "ioctl",
			 strerrordesc_np((int)-rc));
	if (__atomic_fetch_add(&block->recorded, 1, __ATOMIC_RELAXED) >= IOAS_RUN_LOG_MAX ||
	    !append(&record))
		__atomic_fetch_add(&block->dropped, 1, __ATOMIC_RELAXED);
	return rc;
}
