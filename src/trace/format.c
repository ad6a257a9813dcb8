/* SPDX-License-Identifier: MIT */
/* Events as lines. Needs nothing but the event: a door calls it in signal handlers. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <ioas/device.h>
#include "trace/event.h"
#include "trace/fields.h"

#define REGION_LG2 40 /* of a device file's offsets, src/uapi/vfio_region.c */

/* Longest JSON of a text that is not ours, so that all of a line's together fit. */
#define TEXT_MAX   512
#define REASON_MAX 1024

static const char *const kinds[] = {
	[IOAS_TRACE_IOCTL] = "ioctl",	    [IOAS_TRACE_OPEN] = "open",
	[IOAS_TRACE_CLOSE] = "close",	    [IOAS_TRACE_MMAP] = "mmap",
	[IOAS_TRACE_READ] = "read",	    [IOAS_TRACE_WRITE] = "write",
	[IOAS_TRACE_ROUTE] = "route",	    [IOAS_TRACE_RESET] = "reset",
	[IOAS_TRACE_FAULT] = "fault",	    [IOAS_TRACE_START] = "start",
	[IOAS_TRACE_EXIT] = "exit",	    [IOAS_TRACE_FORK] = "fork",
	[IOAS_TRACE_RUN] = "run",	    [IOAS_TRACE_END] = "end",
	[IOAS_TRACE_TAKEOVER] = "takeover", [IOAS_TRACE_REFUSAL] = "refusal",
};

static const char *const node_kinds[] = {
	[IOAS_NODE_IOMMU] = "iommu",	    [IOAS_NODE_VFIO] = "container",
	[IOAS_NODE_VFIO_GROUP] = "group",   [IOAS_NODE_VFIO_CDEV] = "device",
	[IOAS_NODE_VFIO_DEVICE] = "device", [IOAS_NODE_FAULT] = "fault_queue",
	[IOAS_NODE_VEVENTQ] = "veventq",    [IOAS_NODE_ACCESS] = "access",
	[IOAS_NODE_DMABUF] = "dmabuf",
};

static const char *const causes[] = {
	[IOAS_TRACE_ATTACH] = "attach",
	[IOAS_TRACE_REPLACE] = "replace",
	[IOAS_TRACE_DETACH] = "detach",
	[IOAS_TRACE_NO_OP] = "no-op",
	[IOAS_TRACE_LEAVE] = "leave",
	[IOAS_TRACE_BIND] = "bind",
	[IOAS_TRACE_UNBIND] = "unbind",
	[IOAS_TRACE_BUS_MASTER_ON] = "bus-master-on",
	[IOAS_TRACE_BUS_MASTER_OFF] = "bus-master-off",
};

static const struct trace_name forms[] = {
	{IOAS_FORM_RID, "RID"},
	{IOAS_FORM_PASID, "PASID"},
	{IOAS_FORM_SHARED_QUEUE, "SHARED_QUEUE"},
	{0, NULL},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *name_at(const char *const *names, size_t nr, unsigned at)
{
	return at < nr && names[at] ? names[at] : "unknown";
}

void trace_flags(struct trace_line *line, const char *key, uint64_t value,
		 const struct trace_name *names)
{
	line_open(line, key, '[');
	for (; names && names->name; names++)
		if (names->value && (value & names->value) == names->value) {
			line_string(line, NULL, names->name);
			value &= ~names->value;
		}
	if (value)
		line_hex(line, NULL, value);
	line_close(line, ']');
}

static void add_stamp(struct trace_line *line, const struct ioas_trace_stamp *stamp,
		      enum ioas_trace_kind kind)
{
	line_number(line, "seq", stamp->seq);
	line_time(line, "time", stamp->time_ns);
	if (stamp->start_ns)
		line_seconds(line, "t",
			     stamp->time_ns > stamp->start_ns ? stamp->time_ns - stamp->start_ns
							      : 0);
	line_signed(line, "pid", stamp->pid);
	line_signed(line, "tid", stamp->tid);
	line_string(line, "event", name_at(kinds, COUNT(kinds), kind));
}

static void add_node(struct trace_line *line, const struct ioas_trace_event *event)
{
	const struct ioas_node *node = event->node;

	if (node) {
		line_text(line, "path", node->path, sizeof(node->path), TEXT_MAX);
		line_string(line, "node", name_at(node_kinds, COUNT(node_kinds), node->kind));
	}
	if (event->device)
		line_text(line, "device", event->device, IOAS_NAME_LEN, TEXT_MAX);
}

/* What a call returned, or why it did not. */
static void add_result(struct trace_line *line, const struct ioas_trace_event *event)
{
	const char *name;

	if (event->result >= 0) {
		line_signed(line, "result", event->result);
		return;
	}
	name = strerrorname_np((int)-event->result);
	line_string(line, "error", name ? name : "unknown");
	line_signed(line, "errno", -event->result);
	name = event->reason && *event->reason ? event->reason
					       : strerrordesc_np((int)-event->result);
	line_text(line, "reason", name ? name : "refused", SIZE_MAX, REASON_MAX);
}

static void add_open(struct trace_line *line, const struct ioas_trace_event *event)
{
	static const char *const access[] = {"RDONLY", "WRONLY", "RDWR", "3"};
	static const struct trace_name names[] = {
		{O_CLOEXEC, "CLOEXEC"}, {O_NONBLOCK, "NONBLOCK"},
		{O_APPEND, "APPEND"},	{O_SYNC, "SYNC"},
		{O_NOCTTY, "NOCTTY"},	{O_TRUNC, "TRUNC"},
		{O_CREAT, "CREAT"},	{0, NULL},
	};
	int flags = event->open.flags;

	line_string(line, "access", access[flags & O_ACCMODE]);
	trace_flags(line, "flags", (unsigned)(flags & ~O_ACCMODE), names);
	add_result(line, event);
}

/* In a device's file an offset is a region and a place in it. */
static void add_place(struct trace_line *line, const struct ioas_node *node, uint64_t off)
{
	if (node && (node->kind == IOAS_NODE_VFIO_CDEV || node->kind == IOAS_NODE_VFIO_DEVICE)) {
		line_number(line, "region", off >> REGION_LG2);
		off &= (1ull << REGION_LG2) - 1;
	}
	line_hex(line, "offset", off);
}

static void add_mmap(struct trace_line *line, const struct ioas_trace_event *event)
{
	static const struct trace_name prots[] = {
		{PROT_READ, "READ"}, {PROT_WRITE, "WRITE"}, {PROT_EXEC, "EXEC"}, {0, NULL}};
	static const struct trace_name flags[] = {
		{MAP_SHARED_VALIDATE, "SHARED_VALIDATE"},
		{MAP_SHARED, "SHARED"},
		{MAP_PRIVATE, "PRIVATE"},
		{MAP_FIXED, "FIXED"},
		{MAP_FIXED_NOREPLACE, "FIXED_NOREPLACE"},
		{MAP_LOCKED, "LOCKED"},
		{MAP_NORESERVE, "NORESERVE"},
		{MAP_POPULATE, "POPULATE"},
		{0, NULL},
	};

	add_place(line, event->node, event->mmap.off);
	line_number(line, "length", event->mmap.len);
	trace_flags(line, "prot", (unsigned)event->mmap.prot, prots);
	trace_flags(line, "flags", (unsigned)event->mmap.flags, flags);
	add_result(line, event);
}

static void add_transfer(struct trace_line *line, const struct ioas_trace_event *event)
{
	add_place(line, event->node, event->transfer.off);
	line_number(line, "length", event->transfer.len);
	add_result(line, event);
}

void trace_requester(struct trace_line *line, bool stream, uint32_t id)
{
	static const char hex[] = "0123456789abcdef";
	char text[] = {hex[id >> 12 & 0xf],
		       hex[id >> 8 & 0xf],
		       ':',
		       hex[id >> 7 & 1],
		       hex[id >> 3 & 0xf],
		       '.',
		       hex[id & 7],
		       '\0'};

	if (stream)
		line_hex(line, "stream_id", id);
	else
		line_string(line, "requester", text);
}

static void add_target(struct trace_line *line, const char *key, const struct ioas_trace_target *to)
{
	if (!to->there) {
		line_null(line, key);
		return;
	}
	line_open(line, key, '{');
	if (to->ioas_id)
		line_number(line, "ioas_id", to->ioas_id);
	else
		line_null(line, "ioas_id");
	if (to->hwpt_id)
		line_number(line, "hwpt_id", to->hwpt_id);
	else
		line_null(line, "hwpt_id");
	line_close(line, '}');
}

static void add_route(struct trace_line *line, const struct ioas_trace_event *event)
{
	enum ioas_trace_cause cause = event->route.cause;

	line_string(line, "cause", name_at(causes, COUNT(causes), cause));
	trace_requester(line, event->route.stream, event->route.id);
	if (cause == IOAS_TRACE_BIND) {
		trace_flags(line, "forms", event->route.forms, forms);
		line_number(line, "pasid_bits", event->route.pasid_lg2);
	}
	if (cause > IOAS_TRACE_LEAVE)
		return;
	if (event->route.pasid)
		line_number(line, "pasid", *event->route.pasid);
	else
		line_null(line, "pasid");
	add_target(line, "from", &event->route.from);
	add_target(line, "to", &event->route.to);
}

static void add_process(struct trace_line *line, const struct ioas_trace_event *event)
{
	if (event->kind == IOAS_TRACE_START && event->process.program)
		line_text(line, "program", event->process.program, SIZE_MAX, TEXT_MAX);
	if (event->kind == IOAS_TRACE_START || event->kind == IOAS_TRACE_FORK)
		line_signed(line, "parent", event->process.parent);
	if (event->kind == IOAS_TRACE_EXIT)
		line_signed(line, "status", event->process.status);
}

static void add_refusal(struct trace_line *line, const struct ioas_trace_event *event)
{
	line_string(line, "call", event->process.call);
	if (event->process.path)
		line_text(line, "path", event->process.path, SIZE_MAX, TEXT_MAX);
	add_result(line, event);
}

/* As much of a list as leaves room for what follows. Was that all of it? */
static bool add_list(struct trace_line *line, const char *key, char *const *texts, size_t room)
{
	line_open(line, key, '[');
	for (; *texts && line->cap - line->len > room + TEXT_MAX + 8; texts++)
		line_text(line, NULL, *texts, SIZE_MAX, TEXT_MAX);
	line_close(line, ']');
	return !*texts;
}

static void add_run(struct trace_line *line, const struct ioas_trace_event *event)
{
	bool all;

	line_string(line, "ioas", event->run.version);
	all = add_list(line, "machine", event->run.machine, 1536);
	all &= add_list(line, "program", event->run.program, 64);
	if (!all)
		line_bool(line, "cut", true);
}

static void add_end(struct trace_line *line, const struct ioas_trace_event *event)
{
	line_signed(line, "status", event->end.status);
	if (event->end.signal)
		line_signed(line, "signal", event->end.signal);
	else
		line_null(line, "signal");
}

static void add_body(struct trace_line *line, const struct ioas_trace_event *event)
{
	switch (event->kind) {
	case IOAS_TRACE_IOCTL:
		trace_ioctl_line(line, event);
		add_result(line, event);
		line_number(line, "took_ns", event->took_ns);
		break;
	case IOAS_TRACE_OPEN:
		add_open(line, event);
		break;
	case IOAS_TRACE_MMAP:
		add_mmap(line, event);
		break;
	case IOAS_TRACE_READ:
	case IOAS_TRACE_WRITE:
		add_transfer(line, event);
		break;
	case IOAS_TRACE_ROUTE:
		add_route(line, event);
		break;
	case IOAS_TRACE_FAULT:
		line_number(line, "fault", event->fault->seq);
		trace_fault_line(line, event->fault);
		break;
	case IOAS_TRACE_START:
	case IOAS_TRACE_EXIT:
	case IOAS_TRACE_FORK:
		add_process(line, event);
		break;
	case IOAS_TRACE_REFUSAL:
		add_refusal(line, event);
		break;
	case IOAS_TRACE_RUN:
		add_run(line, event);
		break;
	case IOAS_TRACE_END:
		add_end(line, event);
		break;
	case IOAS_TRACE_CLOSE:
	case IOAS_TRACE_RESET:
	case IOAS_TRACE_TAKEOVER:
		break;
	}
}

/* The newline has its room from the start. */
static size_t build(struct trace_line *line, const struct ioas_trace_event *event,
		    const struct ioas_trace_stamp *stamp, bool whole)
{
	line_open(line, NULL, '{');
	add_stamp(line, stamp, event->kind);
	if (whole) {
		add_node(line, event);
		add_body(line, event);
	} else {
		line_bool(line, "cut", true);
	}
	line_close(line, '}');
	if (line->full)
		return 0;
	line->buf[line->len++] = '\n';
	return line->len;
}

size_t ioas_trace_format(const struct ioas_trace_event *event, const struct ioas_trace_stamp *stamp,
			 char *buf, size_t len)
{
	struct trace_line line = {.buf = buf, .cap = len ? len - 1 : 0};
	struct trace_line cut = line;
	size_t used = len ? build(&line, event, stamp, true) : 0;

	return used || !len ? used : build(&cut, event, stamp, false);
}
