/* SPDX-License-Identifier: MIT */
/* An ioctl's arguments, from the bytes that were copied and the table of their fields. */
#include <string.h>
#include "trace/event.h"
#include "trace/fields.h"
#include "trace/trace.h"

#define TEXT_MAX 512

/* One direction of the copied argument. */
struct side {
	const uint8_t *bytes;
	const uint64_t *known;
	enum trace_way way;
	uint64_t arg;
};

static bool known(const struct side *side, unsigned at)
{
	return at < TRACE_ARGS_LEN && side->known[at / 64] >> at % 64 & 1;
}

static bool all_known(const struct side *side, unsigned at, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		if (!known(side, at + i))
			return false;
	return true;
}

/* Little-endian hosts only, as all of the ABI is used here. */
static uint64_t value_at(const struct side *side, unsigned at, unsigned len)
{
	uint64_t value = 0;

	memcpy(&value, side->bytes + at, len);
	return value;
}

static void add_enum(struct trace_line *line, const char *key, uint64_t value,
		     const struct trace_name *names)
{
	for (; names->name; names++)
		if (names->value == value) {
			line_string(line, key, names->name);
			return;
		}
	line_number(line, key, value);
}

static void add_text(struct trace_line *line, const struct side *side, const char *key, unsigned at)
{
	unsigned len = 0;

	while (known(side, at + len))
		len++;
	if (len)
		line_text(line, key, (const char *)side->bytes + at, len, TEXT_MAX);
}

static void add_fds(struct trace_line *line, const struct side *side, const char *key, unsigned at)
{
	if (!all_known(side, at, 4))
		return;
	line_open(line, key, '[');
	for (; all_known(side, at, 4); at += 4)
		line_signed(line, NULL, (int32_t)value_at(side, at, 4));
	line_close(line, ']');
}

static void add_field(struct trace_line *line, const struct side *side,
		      const struct trace_field *field)
{
	uint64_t value = value_at(side, field->offset, field->width);

	switch ((enum trace_format)field->format) {
	case TRACE_NUMBER:
		line_number(line, field->name, value);
		break;
	case TRACE_SIGNED:
		line_signed(line, field->name, (int32_t)value);
		break;
	case TRACE_HEX:
		line_hex(line, field->name, value);
		break;
	case TRACE_FLAGS:
		trace_flags(line, field->name, value, field->names);
		break;
	case TRACE_ENUM:
		add_enum(line, field->name, value, field->names);
		break;
	case TRACE_TEXT:
		add_text(line, side, field->name, field->offset);
		break;
	case TRACE_FDS:
		if (trace_irq_has_fds((uint32_t)value_at(side, 4, 4)))
			add_fds(line, side, field->name, field->offset);
		break;
	case TRACE_ARG_ENUM:
		add_enum(line, field->name, side->arg, field->names);
		break;
	}
}

/* A union's operation is an argument, whichever side is being told. */
static bool applies(const struct ioas_trace_args *args, const struct side *side,
		    const struct trace_field *field)
{
	uint32_t op;

	memcpy(&op, args->in + 4, sizeof(op));
	return field->way & side->way && (!field->only || field->only == op) &&
	       all_known(side, field->offset, field->width);
}

static void add_side(struct trace_line *line, const char *key, const struct ioas_trace_args *args,
		     const struct side *side, const struct trace_field *fields)
{
	line_open(line, key, '{');
	for (; fields->name; fields++)
		if (applies(args, side, fields))
			add_field(line, side, fields);
	line_close(line, '}');
}

void trace_ioctl_line(struct trace_line *line, const struct ioas_trace_event *event)
{
	const struct ioas_trace_args *args = event->ioctl.args;
	const char *name = event->ioctl.name;
	const struct trace_field *fields = name ? trace_fields(name) : NULL;

	line_string(line, "name", name ? name : "unknown");
	line_hex(line, "cmd", event->ioctl.cmd);
	if (fields && args) {
		struct side in = {args->in, args->read, TRACE_IN, event->ioctl.arg};
		struct side out = {args->out, args->written, TRACE_OUT, event->ioctl.arg};

		add_side(line, "in", args, &in, fields);
		add_side(line, "out", args, &out, fields);
	} else {
		line_hex(line, "arg", event->ioctl.arg);
	}
}
