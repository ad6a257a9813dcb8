/* SPDX-License-Identifier: MIT */
/*
 * What an instance tells of itself while it runs: each ioctl with its arguments, each change of a
 * route, each transaction that did not pass, each refusal with its reason.
 *
 * An *event* is a struct that lives for one call of ioas_host_ops.trace; a *line* is its JSON
 * (docs/trace.md), one object that ends with a newline. Nothing here allocates, and all of it may
 * be called in a signal handler. Without the hook nothing is gathered at all.
 */
#ifndef IOAS_TRACE_H
#define IOAS_TRACE_H

#include <ioas/door.h>
#include <ioas/tlp.h>

IOAS_BEGIN

enum ioas_trace_kind {
	/* The engine's, for ioas_host_ops.trace. */
	IOAS_TRACE_IOCTL, /* has been answered */
	IOAS_TRACE_OPEN,  /* of a node */
	IOAS_TRACE_CLOSE, /* the last one; what it sets off follows */
	IOAS_TRACE_MMAP,
	IOAS_TRACE_READ, /* of a queue; of a device's registers only if it was refused */
	IOAS_TRACE_WRITE,
	IOAS_TRACE_ROUTE,
	IOAS_TRACE_RESET, /* of a device */
	IOAS_TRACE_FAULT,
	/* A door's own, which it formats itself. */
	IOAS_TRACE_START,    /* a program has begun */
	IOAS_TRACE_EXIT,     /* by exit(3) */
	IOAS_TRACE_FORK,     /* of a process with an instance; the child tells */
	IOAS_TRACE_TAKEOVER, /* a child has taken its parent's devices over */
	IOAS_TRACE_REFUSAL,  /* of a call that never came to the engine */
	/* Of whoever started the programs; the first line and the last. */
	IOAS_TRACE_RUN,
	IOAS_TRACE_END,
};

/* What changed a route. */
enum ioas_trace_cause {
	IOAS_TRACE_ATTACH,
	IOAS_TRACE_REPLACE,
	IOAS_TRACE_DETACH,
	IOAS_TRACE_NO_OP, /* attached to where its requests go already */
	IOAS_TRACE_LEAVE, /* detached, but others of its share set keep its requests going */
	IOAS_TRACE_BIND,
	IOAS_TRACE_UNBIND,
	IOAS_TRACE_BUS_MASTER_ON,
	IOAS_TRACE_BUS_MASTER_OFF,
};

/* Where a route leads. */
struct ioas_trace_target {
	bool there;	  /* false: nowhere */
	uint32_t ioas_id; /* 0: an address space without an id */
	uint32_t hwpt_id; /* likewise */
};

/* The copied parts of an ioctl's argument, for the formatter alone. */
struct ioas_trace_args;

/* Pointers are never NULL where not said, and valid during the call only. */
struct ioas_trace_event {
	enum ioas_trace_kind kind;
	const struct ioas_node *node; /* of the file; NULL: none */
	const char *device;	      /* "0000:01:00.0"; NULL: none, or several */
	long result;		      /* of a call: >= 0 or -errno */
	const char *reason;	      /* of a refusal; NULL or empty: none but the errno */
	uint64_t took_ns;	      /* an ioctl's time in the engine */
	union {
		struct {
			const char *name; /* NULL: not in any table */
			uint32_t cmd;
			uint64_t arg;
			const struct ioas_trace_args *args;
		} ioctl;
		struct {
			int flags; /* of open(2) */
		} open;
		struct {
			uint64_t off, len;
			int prot, flags; /* of mmap(2) */
		} mmap;
		struct {
			uint64_t off, len;
		} transfer;
		struct {
			enum ioas_trace_cause cause;
			uint32_t id;	      /* RID, or StreamID */
			bool stream;	      /* a StreamID */
			const pasid_t *pasid; /* NULL: requests without a PASID */
			struct ioas_trace_target from, to;
			uint32_t forms;	   /* BIND: enum ioas_forms */
			uint8_t pasid_lg2; /* BIND: the width declared */
		} route;
		const struct ioas_fault *fault;
		struct {
			const char *program; /* START: its file; NULL: not known */
			const char *call;    /* REFUSAL: "open", "ioctl", ... */
			const char *path;    /* REFUSAL: what it was for; NULL: see node */
			pid_t parent;	     /* START, FORK */
			int status;	     /* EXIT */
		} process;
		struct {
			const char *version;
			char *const *program; /* with its arguments; ends with NULL */
			char *const *machine; /* what it was made of, a text each; likewise */
		} run;
		struct {
			int status;
			int signal; /* 0: none */
		} end;
	};
};

/* Who, when, and the how-manieth line. */
struct ioas_trace_stamp {
	uint64_t seq;
	uint64_t time_ns;  /* CLOCK_REALTIME */
	uint64_t start_ns; /* when the run began; 0: not known */
	pid_t pid, tid;
};

/* No line is longer, newline included: a pipe takes that much in one piece. */
#define IOAS_TRACE_LINE_MAX 4096

/*
 * Writes the event's line to `buf` (`len` bytes, IOAS_TRACE_LINE_MAX are always enough), without a
 * terminating zero. Returns its length with the newline; 0: `len` is too small. A line that does
 * not fit is replaced by one that holds no more than the stamp and the kind, and "cut": true.
 */
size_t ioas_trace_format(const struct ioas_trace_event *event, const struct ioas_trace_stamp *stamp,
			 char *buf, size_t len);

IOAS_END

#endif
