/* SPDX-License-Identifier: MIT */
/*
 * What the arguments of ioctls mean: one table of fields an ioctl, by its ABI's names, from which
 * lines are made. Adding an ioctl to uapi/dispatch.c means adding a table here.
 */
#ifndef TRACE_FIELDS_H
#define TRACE_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum trace_format {
	TRACE_NUMBER,
	TRACE_SIGNED,
	TRACE_HEX,	/* addresses, and what else reads better so */
	TRACE_FLAGS,	/* a list of names */
	TRACE_ENUM,	/* a name, or a number that has none */
	TRACE_TEXT,	/* ends at a zero */
	TRACE_FDS,	/* int32_t, as many as there are, where VFIO_DEVICE_SET_IRQS has eventfds */
	TRACE_ARG_ENUM, /* not in memory: the argument itself */
};

enum trace_way {
	TRACE_IN = 1,
	TRACE_OUT = 2,
	TRACE_INOUT = 3,
};

/* A bit (or several) and its name; for TRACE_ENUM a value. Ends with name NULL. */
struct trace_name {
	uint64_t value;
	const char *name;
};

struct trace_field {
	const char *name; /* NULL: the end */
	uint16_t offset, width;
	uint8_t format; /* enum trace_format */
	uint8_t way;	/* enum trace_way */
	uint8_t only;	/* if not 0: where the struct's second word is this, as a union's members */
	const struct trace_name *names;
};

struct trace_ioctl {
	const char *name;
	const struct trace_field *fields;
};

/* The fields of an ioctl by its name; NULL: it is in no table. */
const struct trace_field *trace_fields(const char *name);

/* fields_vfio.c, fields_ext.c, fields_test.c: sorted by name. */
extern const struct trace_ioctl trace_vfio_ioctls[], trace_ext_ioctls[];
extern const size_t trace_vfio_ioctls_nr, trace_ext_ioctls_nr;
extern const struct trace_field trace_test_fields[];

/* To write tables with: FIELD(struct's name, member, format, way), and forms with names. */
/* Does a VFIO_DEVICE_SET_IRQS with these flags carry descriptors? */
bool trace_irq_has_fds(uint32_t flags);

#define TRACE_LEN(type, member) sizeof(((struct type *)0)->member)
#define FIELD(type, member, format, way)                                                     \
	{                                                                                    \
#member, offsetof(struct type, member), TRACE_LEN(type, member), format, way \
	}
#define NAMES(type, member, format, way, names)                                                  \
	{                                                                                        \
#member, offsetof(struct type, member), TRACE_LEN(type, member), format, way, 0, \
			names                                                                    \
	}
#define NUM(type, member)	   FIELD(type, member, TRACE_NUMBER, TRACE_IN)
#define OUT(type, member)	   FIELD(type, member, TRACE_NUMBER, TRACE_OUT)
#define BOTH(type, member)	   FIELD(type, member, TRACE_NUMBER, TRACE_INOUT)
#define HEX(type, member)	   FIELD(type, member, TRACE_HEX, TRACE_IN)
#define BOTH_HEX(type, member)	   FIELD(type, member, TRACE_HEX, TRACE_INOUT)
#define FLAGS(type, member, names) NAMES(type, member, TRACE_FLAGS, TRACE_IN, names)
#define ENUM(type, member, names)  NAMES(type, member, TRACE_ENUM, TRACE_IN, names)

#endif
