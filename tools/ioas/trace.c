/* SPDX-License-Identifier: MIT */
/* ioas trace: the lines of `ioas run --trace FILE` for people, all of them or some. */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cjson/cJSON.h>
#include <ioas/pci.h>
#include "ioas.h"
#include "trace_print.h"

#define LINE_MAX_LEN (1u << 20) /* longer is no line */

struct filter {
	char device[32];   /* empty: any */
	const char *ioctl; /* NULL: any */
	bool refused, faults;
	double pid; /* 0: any */
};

struct trace {
	const char *name;
	int fd;
	struct filter filter;
	bool follow;
	bool ended; /* the last line was seen */
	bool bad;   /* some line was none */
	unsigned long line;
	char *buf; /* what came and was not printed */
	size_t len, cap;
	bool skip; /* until the next newline */
	off_t pos;
};

void trace_usage(void)
{
	fputs("usage: ioas trace [--follow] [--device BDF] [--ioctl NAME] [--refused] [--faults]\n"
	      "                  [--pid N] FILE\n\n"
	      "Prints what `ioas run --trace FILE` wrote, a line an event: seconds since the run\n"
	      "began, process (and thread), what happened; below it why it was refused, or what\n"
	      "was looked up for a transaction. FILE - is standard input.\n\n"
	      "  --device BDF   only what concerns this device (0000:01:00.0 or 01:00.0)\n"
	      "  --ioctl NAME   only these ioctls; NAME may be a pattern, as 'IOMMU_IOAS_*'\n"
	      "  --refused      only calls that were refused\n"
	      "  --faults       only transactions that were refused; with --refused, both\n"
	      "  --pid N        only this process\n"
	      "  --follow       wait for more, until the run has ended\n\n"
	      "A line that is damaged or cut off is named on standard error and left out; the "
	      "exit\n"
	      "status is then 1. For programs the file is JSON, see docs/trace.md.\n\n"
	      "Examples:\n"
	      "  ioas run --trace t.json --device nvme,drive=disk.img -- \\\n"
	      "      qemu-img info nvme://0000:01:00.0/1\n"
	      "  ioas trace t.json\n"
	      "  ioas trace --refused --faults t.json\n"
	      "  ioas trace --ioctl 'IOMMU_IOAS_*' --device 01:00.0 t.json\n",
	      stdout);
}

static bool is_event(const cJSON *line, const char *event)
{
	return !strcmp(trace_string(line, "event"), event);
}

/* GET_DEVICE_FD is on a group, and says the device in its argument, perhaps with options. */
static bool concerns(const cJSON *line, const char *device)
{
	const char *text = trace_string(line, "device");
	const char *name = trace_string(cJSON_GetObjectItemCaseSensitive(line, "in"), "name");
	const char *other = trace_string(line, "other");
	size_t len = strlen(device);

	return (text && !strcmp(text, device)) || (other && !strcmp(other, device)) ||
	       (name && !strncmp(name, device, len) && (!name[len] || name[len] == ' '));
}

static bool wanted(const struct filter *filter, const cJSON *line)
{
	const char *name = trace_string(line, "name");
	const cJSON *pid = cJSON_GetObjectItemCaseSensitive(line, "pid");
	bool refused = cJSON_HasObjectItem(line, "error"), fault = is_event(line, "fault");

	if (*filter->device && !concerns(line, filter->device))
		return false;
	if (filter->ioctl &&
	    (!is_event(line, "ioctl") || !name || fnmatch(filter->ioctl, name, FNM_CASEFOLD)))
		return false;
	if ((filter->refused || filter->faults) && !(filter->refused && refused) &&
	    !(filter->faults && fault))
		return false;
	return !filter->pid || (cJSON_IsNumber(pid) && pid->valuedouble == filter->pid);
}

static void damaged(struct trace *trace, const char *what)
{
	trace->bad = true;
	fflush(stdout);
	complain("%s:%lu: %s", trace->name, trace->line, what);
}

static void print_line(struct trace *trace, const char *text, size_t len)
{
	const char *end = NULL;
	cJSON *line = cJSON_ParseWithLengthOpts(text, len, &end, false);

	while (line && end < text + len && strchr(" \t\r", *end) && *end)
		end++;
	if (!line || end != text + len || !cJSON_IsObject(line) || !trace_string(line, "event")) {
		damaged(trace, "not a line of a trace, left out");
	} else {
		if (is_event(line, "end"))
			trace->ended = true;
		if (wanted(&trace->filter, line))
			trace_print(stdout, line);
	}
	cJSON_Delete(line);
}

/* All whole lines of what has come. */
static void print_lines(struct trace *trace)
{
	char *at = trace->buf, *end = trace->buf + trace->len, *newline;

	while (at < end && (newline = memchr(at, '\n', (size_t)(end - at)))) {
		trace->line++;
		if (!trace->skip)
			print_line(trace, at, (size_t)(newline - at));
		trace->skip = false;
		at = newline + 1;
	}
	trace->len = (size_t)(end - at);
	memmove(trace->buf, at, trace->len);
	if (trace->len > LINE_MAX_LEN) {
		trace->line++;
		if (!trace->skip)
			damaged(trace, "longer than any line, left out");
		trace->line--;
		trace->skip = true;
		trace->len = 0;
	}
}

/* Room for more. */
static int grow(struct trace *trace)
{
	size_t cap = trace->cap ? 2 * trace->cap : 1u << 16;
	char *buf;

	if (trace->cap - trace->len >= 4096)
		return 0;
	buf = realloc(trace->buf, cap);
	if (!buf) {
		complain("out of memory");
		return -ENOMEM;
	}
	trace->buf = buf;
	trace->cap = cap;
	return 0;
}

/* Nothing more for now: false when that was all. */
static bool wait_for_more(struct trace *trace)
{
	struct stat st;

	if (!trace->follow || trace->ended || fstat(trace->fd, &st) || !S_ISREG(st.st_mode))
		return false;
	fflush(stdout);
	if (st.st_size < trace->pos) {
		complain("%s: begins anew", trace->name);
		lseek(trace->fd, 0, SEEK_SET);
		trace->pos = 0;
		trace->len = 0;
		trace->line = 0;
		trace->skip = false;
	} else {
		nanosleep(&(struct timespec){0, 50 * 1000000}, NULL);
	}
	return true;
}

static int read_all(struct trace *trace)
{
	ssize_t got;

	do {
		if (grow(trace))
			return EXIT_FAILURE;
		got = read(trace->fd, trace->buf + trace->len, trace->cap - trace->len);
		if (got < 0 && errno != EINTR) {
			complain("%s: %s", trace->name, strerror(errno));
			return EXIT_FAILURE;
		}
		if (got > 0) {
			trace->len += (size_t)got;
			trace->pos += got;
			print_lines(trace);
		}
		if (trace->follow)
			fflush(stdout);
	} while (got || wait_for_more(trace));
	if (trace->len) {
		trace->line++;
		damaged(trace, "cut off, left out");
	}
	return trace->bad ? EXIT_FAILURE : 0;
}

static int set_device(struct filter *filter, const char *text)
{
	struct ioas_pci_addr addr;
	char full[64];

	snprintf(full, sizeof(full), "%s%s", strchr(text, ':') == strrchr(text, ':') ? "0000:" : "",
		 text);
	if (!strchr(text, ':') || ioas_pci_addr_parse(full, &addr)) /* a platform device's name */
		snprintf(filter->device, sizeof(filter->device), "%s", text);
	else
		ioas_pci_addr_format(addr, filter->device);
	return *text ? 0 : complain("--device: no name");
}

static int set_pid(struct filter *filter, const char *text)
{
	char *end;
	unsigned long pid = strtoul(text, &end, 10);

	if (!pid || *end || pid > INT_MAX)
		return complain("--pid %s: not a process ID", text);
	filter->pid = (double)pid;
	return 0;
}

static int parse(int argc, char **argv, struct trace *trace)
{
	static const struct option longs[] = {
		{"device", required_argument, NULL, 'd'}, {"ioctl", required_argument, NULL, 'i'},
		{"refused", no_argument, NULL, 'r'},	  {"faults", no_argument, NULL, 'f'},
		{"pid", required_argument, NULL, 'p'},	  {"follow", no_argument, NULL, 'F'},
		{"help", no_argument, NULL, 'h'},	  {NULL, 0, NULL, 0},
	};
	int c, rc = 0;

	opterr = 0;
	while (!rc && (c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		if (c == 'd')
			rc = set_device(&trace->filter, optarg);
		else if (c == 'i')
			trace->filter.ioctl = optarg;
		else if (c == 'r')
			trace->filter.refused = true;
		else if (c == 'f')
			trace->filter.faults = true;
		else if (c == 'p')
			rc = set_pid(&trace->filter, optarg);
		else if (c == 'F')
			trace->follow = true;
		else if (c == 'h')
			return -1;
		else
			rc = complain("trace: %s: unknown, or without a value (see: ioas help "
				      "trace)",
				      argv[optind - 1]);
	}
	if (!rc && argc - optind != 1)
		rc = complain("trace wants one file (see: ioas help trace)");
	trace->name = argv[optind];
	return rc;
}

int trace_main(int argc, char **argv)
{
	struct trace trace = {.fd = STDIN_FILENO};
	int rc = parse(argc, argv, &trace);

	if (rc < 0) {
		trace_usage();
		return 0;
	}
	if (!rc && strcmp(trace.name, "-")) {
		trace.fd = open(trace.name, O_RDONLY | O_CLOEXEC);
		if (trace.fd < 0)
			rc = complain("%s: %s", trace.name, strerror(errno));
	}
	if (!rc)
		rc = read_all(&trace);
	free(trace.buf);
	return rc;
}
