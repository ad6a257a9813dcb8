/* SPDX-License-Identifier: MIT */
/*
 * The file of `ioas run --trace FILE` on the tool's side.
 *
 * The doors find it by a link in the run folder. Where FILE is no plain file (a pipe, a terminal)
 * the link leads to this process's own descriptor, which is there as long as the run.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <ioas/run.h>
#include <ioas/trace.h>
#include "folder.h"
#include "ioas.h"
#include "machine.h"
#include "report.h"
#include "trace_file.h"

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int trace_file_open(struct trace_file *trace, const char *name)
{
	trace->name = name;
	trace->fd =
		open(name, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOCTTY | O_CLOEXEC, 0666);
	return trace->fd < 0 ? complain("--trace %s: %s", name, strerror(errno)) : 0;
}

/* Where the doors are to open it. */
static int target(const struct trace_file *trace, char path[PATH_MAX])
{
	struct stat st;

	if (fstat(trace->fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		snprintf(path, PATH_MAX, "/proc/%d/fd/%d", getpid(), trace->fd);
	else if (!realpath(trace->name, path))
		return -errno;
	return 0;
}

static int link_folder(const struct trace_file *trace, const struct folder *folder)
{
	char link[PATH_MAX], path[PATH_MAX];
	int rc = target(trace, path);

	snprintf(link, sizeof(link), "%s/" IOAS_RUN_TRACE, folder->path);
	if (!rc && symlink(path, link))
		rc = -errno;
	return rc;
}

/* The block that all doors of the run count in. */
static int write_counts(const struct trace_file *trace, const struct folder *folder)
{
	struct ioas_run_trace counts = {.start_ns = trace->start_ns};
	FILE *file = folder_open(folder, IOAS_RUN_COUNTERS "/" IOAS_RUN_TRACE, "we");

	if (!file)
		return -errno;
	if (fwrite(&counts, sizeof(counts), 1, file) != 1) {
		fclose(file);
		return -EIO;
	}
	return fclose(file) ? -errno : 0;
}

/* Who reads a pipe may go away; that is no reason to end here. */
static int write_line(int fd, const char *line, size_t len)
{
	struct timespec none = {0, 0};
	sigset_t pipe, old;
	int rc;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	sigprocmask(SIG_BLOCK, &pipe, &old);
	rc = write(fd, line, len) == (ssize_t)len ? 0 : -errno;
	if (rc == -EPIPE)
		sigtimedwait(&pipe, NULL, &none);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return rc;
}

static int put(const struct trace_file *trace, const struct ioas_trace_event *event, uint64_t seq)
{
	struct ioas_trace_stamp stamp = {
		.seq = seq,
		.time_ns = now(),
		.start_ns = trace->start_ns,
		.pid = getpid(),
		.tid = getpid(),
	};
	char line[IOAS_TRACE_LINE_MAX];
	size_t len;

	if (!seq)
		stamp.time_ns = trace->start_ns;
	len = ioas_trace_format(event, &stamp, line, sizeof(line));
	return write_line(trace->fd, line, len);
}

/* What the machine was made of, as it was asked for. Freed by the caller, the list only. */
static char **texts_of(const struct machine *machine)
{
	char **texts = calloc(machine->sets_nr + machine->devices_nr + 1, sizeof(*texts));
	size_t nr = 0;

	for (size_t i = 0; texts && i < machine->sets_nr; i++)
		texts[nr++] = machine->sets[i];
	for (size_t i = 0; texts && i < machine->devices_nr; i++)
		texts[nr++] = machine->devices[i].text;
	return texts;
}

int trace_file_begin(struct trace_file *trace, const struct folder *folder,
		     const struct machine *machine, char **program)
{
	struct ioas_trace_event event = {
		.kind = IOAS_TRACE_RUN,
		.run = {.version = IOAS_VERSION, .program = program},
	};
	char **texts = texts_of(machine);
	int rc = texts ? 0 : -ENOMEM;

	trace->start_ns = now();
	event.run.machine = texts;
	if (!rc)
		rc = put(trace, &event, 0);
	if (!rc)
		rc = write_counts(trace, folder);
	if (!rc)
		rc = link_folder(trace, folder);
	free(texts);
	if (rc)
		complain("--trace %s: %s", trace->name, strerror(-rc));
	return rc ? EXIT_FAILURE : 0;
}

void trace_file_end(struct trace_file *trace, const struct folder *folder,
		    const struct run_result *result)
{
	struct ioas_trace_event event = {
		.kind = IOAS_TRACE_END,
		.end = {.status = result->status, .signal = result->signal},
	};
	FILE *file = folder_open(folder, IOAS_RUN_COUNTERS "/" IOAS_RUN_TRACE, "re");
	struct ioas_run_trace counts = {0};

	if (!file || fread(&counts, sizeof(counts), 1, file) != 1)
		counts.seq = 0;
	if (file)
		fclose(file);
	if (put(trace, &event, counts.seq + 1))
		counts.dropped++;
	if (counts.dropped)
		complain("--trace %s: %" PRIu64 " lines could not be written", trace->name,
			 counts.dropped);
	close(trace->fd);
}
