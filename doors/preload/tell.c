/* SPDX-License-Identifier: MIT */
/*
 * Lines for the run's trace.
 *
 * A line is one write(2) that appends, so that processes and threads never mix theirs, and one that
 * is killed leaves whole ones. Nothing here takes a lock or allocates: an event may come from a
 * SIGSEGV handler. Until the door is active no descriptor is held, and each line opens the file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <ioas/run.h>
#include <ioas/trace.h>
#include "preload.h"
#include "real.h"

static _Atomic(struct ioas_run_trace *) block;

static struct ioas_run_trace *get_block(void)
{
	struct ioas_run_trace *found = atomic_load(&block);

	/* Two threads may both map it: the same file, so that either serves. */
	if (!found) {
		found = machine_counters(NULL, IOAS_RUN_TRACE, sizeof(*found));
		atomic_store(&block, found);
	}
	return found;
}

static void trace_path(char *path)
{
	memcpy(path, door.run, door.run_len);
	memcpy(path + door.run_len, "/" IOAS_RUN_TRACE, sizeof("/" IOAS_RUN_TRACE));
}

/* A pipe whose reader has gone must not stop the program here; what is open waits for room. */
static int open_trace(void)
{
	char path[PATH_LEN];
	int fd;

	trace_path(path);
	fd = real.openat(AT_FDCWD, path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	real.fcntl(fd, F_SETFL, O_APPEND);
	return fd;
}

/* The signal of a write that found no reader, or a file at its limit, is not the program's. */
static void eat_signal(int err)
{
	sigset_t set;

	sigemptyset(&set);
	if (err == EPIPE)
		sigaddset(&set, SIGPIPE);
	else if (err == EFBIG)
		sigaddset(&set, SIGXFSZ);
	else
		return;
	sigtimedwait(&set, NULL, &(struct timespec){0, 0});
	if (err == EPIPE)
		atomic_store(&door.tracing, false);
}

static bool append(const char *line, size_t len)
{
	int held = atomic_load(&door.trace_fd);
	int fd = held >= 0 ? held : open_trace();
	ssize_t done;

	if (fd < 0)
		return false;
	do
		done = real.write(fd, line, len);
	while (done < 0 && errno == EINTR);
	if (done < 0)
		eat_signal(errno);
	if (held < 0)
		real.close(fd);
	return done == (ssize_t)len;
}

/* (signals of the write are blocked) */
static void tell(const struct ioas_trace_event *event)
{
	struct ioas_run_trace *counts = get_block();
	struct ioas_trace_stamp stamp = {.pid = getpid(), .tid = gettid()};
	char line[IOAS_TRACE_LINE_MAX];
	struct timespec now;
	int err = errno;

	clock_gettime(CLOCK_REALTIME, &now);
	stamp.time_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	if (counts) {
		stamp.start_ns = counts->start_ns;
		stamp.seq = __atomic_add_fetch(&counts->seq, 1, __ATOMIC_RELAXED);
	}
	if (!append(line, ioas_trace_format(event, &stamp, line, sizeof(line))) && counts)
		__atomic_fetch_add(&counts->dropped, 1, __ATOMIC_RELAXED);
	errno = err;
}

static void tell_masked(const struct ioas_trace_event *event)
{
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigaddset(&set, SIGXFSZ);
	real.pthread_sigmask(SIG_BLOCK, &set, &old);
	tell(event);
	real.pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void tell_event(void *host, const struct ioas_trace_event *event)
{
	if (atomic_load_explicit(&door.tracing, memory_order_relaxed))
		tell_masked(event);
}

long tell_refusal(long rc, const char *call, const char *path, const char *reason)
{
	struct ioas_trace_event event = {
		.kind = IOAS_TRACE_REFUSAL,
		.result = rc,
		.reason = reason,
		.process = {.call = call, .path = path},
	};

	tell_event(NULL, &event);
	return rc;
}

void tell_takeover(void)
{
	tell_event(NULL, &(struct ioas_trace_event){.kind = IOAS_TRACE_TAKEOVER});
}

void tell_fork(void)
{
	struct ioas_trace_event event = {.kind = IOAS_TRACE_FORK, .process = {.parent = getppid()}};

	tell_event(NULL, &event);
}

/* Without one more descriptor the file is opened for each line. */
void tell_hold(void)
{
	int fd;

	if (!atomic_load(&door.tracing) || atomic_load(&door.trace_fd) >= 0)
		return;
	fd = open_trace();
	if (fd >= 0)
		fd = hidden_add(fd);
	if (fd >= 0)
		atomic_store(&door.trace_fd, fd);
}

static void at_exit(int status, void *arg)
{
	tell_event(NULL, &(struct ioas_trace_event){.kind = IOAS_TRACE_EXIT,
						    .process = {.status = status}});
}

void tell_start(void)
{
	struct ioas_trace_event event = {.kind = IOAS_TRACE_START,
					 .process = {.parent = getppid()}};
	char path[PATH_LEN], program[PATH_LEN];
	ssize_t len;

	trace_path(path);
	if (real.readlinkat(AT_FDCWD, path, program, sizeof(program)) < 0)
		return;
	atomic_store(&door.tracing, true);
	len = real.readlinkat(AT_FDCWD, "/proc/self/exe", program, sizeof(program) - 1);
	if (len > 0) {
		program[len] = 0;
		event.process.program = program;
	}
	tell_event(NULL, &event);
	on_exit(at_exit, NULL);
}
