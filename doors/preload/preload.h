/* SPDX-License-Identifier: MIT */
/*
 * The preload door: an unmodified program's libc calls, led to the engine.
 *
 *   path.c    which paths are ours, and what they are on disk
 *   table.c   which descriptors are ours: object by number
 *   poll.c    stand-ins of queues, which poll(2) understands
 *   machine.c the engine instance, made when a node is first opened
 *   owner.c   which process may use it (fork, exec)
 *   tell.c    lines for the run's trace, if there is one
 *   call.c    in and out of the engine: signals, cancellation, the fork gate
 *   thread.c  what is known of each thread that was inside; threads of the engine
 *   caller.c  the program as the engine sees it
 *   creds.c   its user and capabilities
 *   hidden.c  descriptors of the engine, out of the program's reach
 *   pinned.c  memory mapped for DMA, when the program gives it up
 *   proc.c    files of /proc that are shown otherwise
 *   heap.c    blocks of malloc that are mapped for DMA, when they are freed
 *   map.c     mappings of ours (map.h)
 *   trap.c    a fault in a BAR
 *   insn*.c   the instruction that faulted
 *   watch.c   registers that are memory for a while
 *   signal.c  the program's handlers of signals, chained or put off
 *   wrap_*.c  the interposed functions: thin, they decide "ours or not" and translate errno
 *
 * An *object* is what one open made: a descriptor that the program holds, which is a named memfd
 * or, for a queue, one end of a socket pair; and the engine's file.
 * Numbers, mappings and calls in progress count references; the last one closes it.
 *
 * Lock order: fork lock -> being inside -> machine lock -> door.lock. Signals are blocked under all
 * of them, but for SIGSEGV and SIGBUS, which nothing under door.lock can raise.
 */
#ifndef PRELOAD_PRELOAD_H
#define PRELOAD_PRELOAD_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <ioas/door.h>
#include "util/tree.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define MEMFD_TAG   "ioas:"
#define DEVICE_NAME "vfio-device:" /* of a memfd, before the index */
#define DEVICE_LEN  (8ll << 40)	   /* regions are 1 TiB apart, BARs the first six */
#define DEVICE_TEXT "anon_inode:[vfio-device]"

struct machine {
	struct ioas_iommu *iommu;
	bool inherited;	       /* (both locks to change) made by a parent process, not taken over */
	bool lost;	       /* (lock) copied in mid-use by a bare clone(): never usable */
	bool said;	       /* (lock) the program has been told who owns it */
	struct claim *claims;  /* (lock) devices this machine holds */
	struct machine *older; /* (lock) next in door.machines */
};

struct door_obj {
	_Atomic uint32_t refs;
	struct machine *machine; /* (machine lock) NULL: adopted at exec, not opened yet */
	struct ioas_file *file;	 /* (machine lock) constant once set */
	struct ioas_node node;	 /* constant */
	dev_t dev;		 /* constant: identity of the descriptor */
	ino_t ino;
	int own, peer;		  /* (lock) a queue's: both ends, hidden; else -1 */
	struct tree_node by_file; /* (lock) in poll.c's tree, if `queued` */
	bool queued, ready;
	bool sized;		/* constant: its memfd has pages for a device's registers */
	_Atomic bool usable;	/* stand_ready has nothing to do */
	_Atomic int64_t pos;	/* of read() and write() */
	pid_t tid;		/* constant: a fail-nth file, of that thread; else 0 */
	bool forgotten;		/* (lock) closed in a child that does not own it */
	bool said;		/* (machine lock) why it is not usable */
	struct door_obj *next;	/* (lock) in door.objs */
	struct door_obj *grave; /* (lock) next in the list of those whose last close has begun */
	struct door_obj **prev;
};

/* Why the short way into the engine is shut; door.hold has these bits. */
enum {
	HOLD_FORK = 1,	 /* a thread forks: nobody comes in */
	HOLD_CANCEL = 2, /* the program cancels threads: ever since */
	HOLD_TWINS = 4,	 /* there was a process with this memory besides children of vfork */
	HOLD_FENCE = 8,	 /* no membarrier(2): who comes in must order his own stores */
};

/* On a page of its own, which is all zero in a child of fork or clone. */
struct door_page {
	_Atomic uint32_t alive; /* this is the process that door's state belongs to */
	_Atomic uint32_t quick; /* active, and door.hold is 0 */
};

struct door {
	char *run; /* constant: the run folder, absolute, no slash at its end; NULL: door is shut */
	size_t run_len;
	pid_t pid;		     /* who this process is, to tell a vfork child */
	struct door_page *page;	     /* constant once active */
	_Atomic uint32_t hold;	     /* HOLD_* */
	_Atomic bool dying;	     /* an object's last close waits for who uses it */
	_Atomic bool active;	     /* handlers, page and hidden descriptors are in place */
	_Atomic bool dev_dir;	     /* a folder of device nodes may be open or current */
	pthread_mutex_t lock;	     /* table changes, maps, lists */
	pthread_mutex_t machine_mtx; /* the machine lock */
	pthread_mutex_t fork_mtx;    /* the fork lock: held from before fork to after */
	struct machine *machine;     /* (machine lock) where new opens go */
	struct machine *machines;    /* (lock to change) all, newest first; none ever goes */
	struct door_obj *objs;	     /* (lock) all */
	_Atomic int lock_fd, fault_fd, trace_fd;
	_Atomic bool tracing; /* the run has a trace */
	struct ioas_caller caller;
};

extern struct door door;
/* Above zero: this may be a child of vfork, which has its parent's thread-local memory. */
extern __thread int door_vforks __attribute__((tls_model("initial-exec")));
/* Above zero: this thread is inside the engine, whose libc calls are left alone. */
extern __thread int door_inside __attribute__((tls_model("initial-exec")));
/* The machine this thread is inside of: where a descriptor made meanwhile belongs. */
extern __thread struct machine *door_machine __attribute__((tls_model("initial-exec")));

/* call.c */

struct door_thread;

struct door_call {
	struct door_thread *self;
	sigset_t mask;
	int cancel, cancel_type;
	int err;
	bool quick; /* objects may be used without a reference, and cancellation is not held off */
};

/* Is this the process that the door's state belongs to, and not a child of vfork? */
bool door_own(void);
/* Before and after everything that takes a lock. False: this process must not (vfork child). */
bool door_enter(struct door_call *call);
void door_leave(struct door_call *call);
/* The same inside a signal handler that has blocked everything. */
bool door_enter_masked(struct door_call *call);
void door_leave_masked(struct door_call *call);
/* Shuts the short way for a reason, for all who are not inside yet; and opens it again. */
void door_hold(uint32_t reason);
void door_unhold(uint32_t reason);
/* What any thread stored before it looked at what we have stored is now seen here. */
void door_barrier(void);
/* Around fork: nobody else is inside. In the child, `door` is put right by owner.c. */
void door_fork_begin(void);
void door_fork_end(void);
/* In a child that has the engine's memory for itself: nobody but this thread is there. */
void door_child(void);
/* -errno to errno and -1. */
long door_result(long rc);
/* Handlers, gate, hidden descriptors: once, before the first machine. 0 or -errno, said. */
int door_activate(void);
/* Is the machine set selftest=on (the file of that name in the run folder)? */
bool door_selftest(void);
/* One line on standard error, in one write; `fmt` knows %s and %d only. */
void door_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* table.c: objects by descriptor number */

/* Slots by number, in chunks that are never freed. */
#define TABLE_CHUNK_LG2 12
#define TABLE_TOP_NR	(1 << 16)

typedef struct door_obj *_Atomic table_slot_t;

extern table_slot_t *_Atomic table_top[TABLE_TOP_NR];

static inline table_slot_t *table_slot(int fd)
{
	unsigned chunk_nr = (unsigned)fd >> TABLE_CHUNK_LG2;
	table_slot_t *chunk;

	if (chunk_nr >= TABLE_TOP_NR)
		return NULL;
	chunk = atomic_load_explicit(&table_top[chunk_nr], memory_order_acquire);
	return chunk ? &chunk[fd & ((1 << TABLE_CHUNK_LG2) - 1)] : NULL;
}

/* Lock-free: may `fd` be ours? False is exact. */
static inline bool table_maybe(int fd)
{
	table_slot_t *slot = table_slot(fd);

	return slot && atomic_load_explicit(slot, memory_order_relaxed) && !door_inside;
}
/* Lock-free: may any descriptor be ours? */
bool table_maybe_any(void);
/* The object behind fd, with a reference, if the descriptor still is what it was; else NULL. */
struct door_obj *table_get(int fd);
/* The kernel has just handed out fd for what is not ours. Returns fd. */
int table_fresh(int fd);
/* Under door.lock: sets (taking over a reference) and returns what was there. -ENOMEM in *err. */
struct door_obj *table_set(int fd, struct door_obj *obj, int *err);
/* The next descriptor in `first`..`last` that may be ours; -1 none. Under door.lock. */
int table_next(int first, int last);

struct door_obj *stand_new(struct machine *machine, struct ioas_file *file,
			   const struct ioas_node *node);
/* Under door.lock, or before threads: enters an object whose identity is set into door.objs. */
void stand_link(struct door_obj *obj);
void stand_get(struct door_obj *obj);
/* Not under door.lock. The last one is the last close, which waits for who uses the object. */
void stand_put(struct door_obj *obj);
/* Closes what nobody uses any more. (in the engine) */
void stand_reap(void);
/* An object that is in no list any more: as stand_put's last one. */
void stand_retire(struct door_obj *obj);
/* Frees what stand_new made, with its hidden descriptors. */
void stand_free(struct door_obj *obj);
/* A descriptor for a new object, entered into the table; takes over the object's reference. */
int stand_install(struct door_obj *obj, bool cloexec);
/* Makes the object usable here: opens an adopted one, takes an inherited one over. 0 or -errno. */
int stand_ready(struct door_obj *obj);

/* poll.c: stand-ins of queues */

bool poll_kind(enum ioas_node_kind kind);
/* A descriptor for a queue, whose identity it sets; its hidden ends stay until poll_close. */
int poll_make(struct door_obj *obj, bool cloexec);
void poll_close(struct door_obj *obj);
/* Under door.lock: from now on, and no more, poll_ready finds the object; nothing if no queue. */
void poll_enter(struct door_obj *obj);
void poll_leave(struct door_obj *obj);
/* ioas_caller_ops.file_ready: may be called anywhere but under door.lock. */
void poll_ready(struct ioas_caller *caller, struct ioas_file *file, bool ready);
/* Is it a queue's stand-in, ours or another process's? Then its node's path goes to `text`. */
bool poll_name(int fd, char *text, size_t len, const char **out);
/* As path_link_text, for "socket:[N]". */
size_t poll_link_text(const char *text, size_t len, char *out, size_t out_len);

/* tell.c: the trace. Safe in signal handlers; nothing happens while door.tracing is not set. */

struct ioas_trace_event;
/* ioas_host_ops.trace, and for events of the door's own. */
void tell_event(void *host, const struct ioas_trace_event *event);
/* A call that the engine never saw was refused (rc < 0). Returns rc. */
long tell_refusal(long rc, const char *call, const char *path, const char *reason);
/* This process has taken over what it inherited; it is a new child. */
void tell_takeover(void);
void tell_fork(void);
/* When the door is loaded: is there a trace? Then the program is named in it. */
void tell_start(void);
/* The door has become active: from now on the file is kept open. */
void tell_hold(void);

/* machine.c */

/* (machine lock) The machine for new opens, made if need be. -ENODEV with a line on stderr. */
int machine_get(struct machine **out);
/* A block of counters in the run folder, shared with all processes of the run; NULL: not possible.
 */
void *machine_counters(void *host, const char *name, size_t len);
/*
 * Notes a refusal (rc < 0) with its reason for the report, and returns rc. `call` names what was
 * called; NULL: the reason does.
 */
long refusal_note(long rc, const char *call, const struct ioas_why *why);
/* IOAS_LAST_REFUSAL: `arg` is the program's struct. 0 or -errno. */
long refusal_last(void *arg);
/* Finds the node of that path. 0 or -ENOENT. */
int machine_node(struct machine *machine, const char *path, struct ioas_node *out);

/* owner.c */

/* The byte of an object: inode numbers are counted in each of the kernel's file systems apart. */
static inline off_t owner_obj_byte(const struct door_obj *obj)
{
	return (off_t)(((uint64_t)minor(obj->dev) << 40 ^ obj->ino) & ((1ull << 61) - 1));
}
/* Takes one byte of the lock file for this process: 0; -EBUSY and the owner in *pid. */
int owner_lock(off_t byte, pid_t *pid);
void owner_unlock(off_t byte);
off_t owner_device_byte(const char *device);
int owner_claim(struct machine *machine, const char *device);
void owner_release(struct machine *machine, const char *device);
/* Under the machine lock: makes an inherited machine ours. 0; -EBUSY, told once unless `quiet`. */
int owner_takeover(struct machine *machine, bool quiet);
/*
 * Under door.lock: takes every lock again. POSIX drops all locks of a process on a file when it
 * closes any descriptor of that file.
 */
void owner_relock(void);
int owner_init(void);
/* A child that no fork handler saw. */
void owner_lone_child(void);
/* init.c: at start, finds stand-ins that came through exec. */
void owner_adopt(void);
/*
 * fd is not in the table, yet it looked like a file that is no device: is it a stand-in that came
 * through a socket, or one that another thread is just opening or closing? True: look again.
 */
bool owner_adopt_fd(int fd);

/* creds.c: what this thread may do, asked for once */

int creds_capable(int cap);
uint32_t creds_uid(void);
/* Who this thread is, or what it may do, may have changed: all threads ask again. */
void creds_changed(void);

/* caller.c */
void caller_init(struct ioas_caller *caller);

/* hidden.c: descriptors the program must not see or close */

/* Moves fd out of the program's way and hides it. The new number, or -errno (fd is closed). */
int hidden_add(int fd);
bool hidden_look(int fd);
extern _Atomic int hidden_low; /* none was ever below */
static inline bool hidden_has(int fd)
{
	return unlikely(fd >= atomic_load_explicit(&hidden_low, memory_order_relaxed)) &&
	       hidden_look(fd);
}
void hidden_del(int fd);
/* The smallest hidden descriptor >= fd, or -1. */
int hidden_next(int fd);
/* dup2 is about to overwrite fd: what is hidden there moves. 0 or -EBUSY. Under door.lock. */
int hidden_move(int fd);

/* path.c */

#define PATH_LEN 1024

enum door_proc { PROC_PLAIN, PROC_FAIL_NTH, PROC_STATUS };

struct door_path {
	char buf[PATH_LEN];  /* what to hand to libc instead */
	const char *virt;    /* in buf: the path as the program sees it */
	bool node;	     /* a device node, whether or not it exists */
	int fd;		     /* /proc/self/fd/N of one of ours, else -1 */
	enum door_proc proc; /* if not PROC_PLAIN: proc.c opens it */
	pid_t tid;	     /* whose */
};

/* Is (dirfd, path) ours? Then fills `out` and returns true. Cheap when not. */
bool path_ours(int dirfd, const char *path, struct door_path *out);
/* Device number by path, as <ioas/door.h> gives them. False: no such kind of node. */
bool path_rdev(const char *virt, dev_t *rdev);
/* Takes the run folder off the front of a path in place; returns the new length. */
size_t path_strip(char *path, size_t len);
/* Marks that relative paths may lead to nodes. */
void path_entered(const struct door_path *path);
/* What a link of /proc/self/fd that reads `text` (not terminated) shows; 0: leave it. */
size_t path_link_text(const char *text, size_t len, char *out, size_t out_len);

/* proc.c: files of /proc */

/* What follows the process or thread in a path below /proc, if it is of this process; else NULL. */
const char *proc_own(const char *virt, pid_t *tid);
/* Is that a file to be shown otherwise? */
enum door_proc proc_kind(const char *rest);
/* open(2) of one. */
int proc_open(const struct door_path *path, int flags);
/* read and write of an object with a `tid`. */
ssize_t proc_transfer(const struct door_obj *obj, void *buf, size_t len, int64_t off, bool write);

/* pinned.c: memory that is mapped for DMA */

struct ioas_memory_change;
/* Lock-free: may start..end-1 be mapped for DMA? False is exact. */
bool pinned_maybe(uintptr_t start, uintptr_t end);
/* Inside the engine, without door.lock: does the change's call, by way of the engine if need be. */
long pinned_change(const struct ioas_memory_change *change);
/* Likewise: what the program may do with memory may have changed. */
void pinned_protected(uintptr_t start, uintptr_t end);
/* wrap_protect.c: the same from outside, after the program's call. */
void protect_tell(const void *addr, size_t len);

/* Inside the engine: what this process has pinned and locked by way of it, in bytes. */
void pinned_account(uint64_t *pinned, uint64_t *locked);
/* Inside the engine, not under its locks of src/mem: is any of it mapped for DMA? Exact. */
bool pinned_held(uintptr_t start, uintptr_t end);

/* heap.c: what malloc would unmap inside itself */

/* Memory is being mapped for DMA, has been unmapped. In the engine. */
void heap_pinned(uintptr_t start, uintptr_t end);
void heap_unpinned(uintptr_t start, uintptr_t end);
/* In the engine, at the end of a call: frees what was kept and can go. */
void heap_drain_now(void);
extern _Atomic bool heap_any_due;
static inline void heap_drain(void)
{
	if (unlikely(atomic_load_explicit(&heap_any_due, memory_order_relaxed)))
		heap_drain_now();
}
/* free and realloc of a block that is not NULL, to a size that is not 0. False: libc's turn. */
bool heap_free(void *ptr);
bool heap_realloc(void *ptr, size_t size, void **result);
int heap_trim(size_t pad);

/* thread.c */

/* Of one thread. Records are used again, and never freed. */
struct door_thread {
	_Atomic uint32_t inside;  /* calls of it that are in the engine */
	_Atomic pthread_t cancel; /* to be cancelled when it is out; 0: no */
	bool held;	     /* its own: a signal waits until it is out, and blocks all others */
	siginfo_t held_info; /* if `held` */
	sigset_t held_mask;  /* what it had blocked before */
	struct door_obj *_Atomic obj; /* which it uses without a reference */
	_Atomic bool taken;	      /* by a thread that runs */
	_Atomic pthread_t thread;     /* which one */
	struct door_thread *next;     /* constant: all there are */
	int *errno_at;		      /* its errno */
	struct door_creds {
		uint32_t seen; /* as of which change; 0: never asked */
		uint32_t uid;
		uint64_t caps; /* effective, a bit each */
	} creds;	       /* its own */
} __attribute__((aligned(64)));

extern __thread struct door_thread *door_self __attribute__((tls_model("initial-exec")));

int thread_init(void);
/* This thread's record; NULL: no memory. Safe in signal handlers. */
struct door_thread *thread_self(void);
/* Does any thread use the object? After door_barrier. */
bool thread_uses(const struct door_obj *obj);
/* Waits until nobody but this thread is inside. After door_barrier, under HOLD_FORK. */
void thread_wait(void);
/* In a child: forgets all other threads. */
void thread_child(void);
/* Does what has been put off while this thread was inside. */
void thread_out(struct door_thread *self);

/* signal.c */

int signal_init(void);
/* Hands a fault to the program's own handler, or to the default action. */
void signal_chain(int sig, siginfo_t *info, void *context);
/* Raises SIGBUS for the program at `addr`, on return from the handler or at once. */
void signal_bus(siginfo_t *info, void *context);
/* sigaction of SIGSEGV or SIGBUS. */
int signal_fault_action(int sig, const struct sigaction *next, struct sigaction *old);

/* signal_handle.c */

/* Delivers the signal that this thread has held, and blocks no more than before it. */
void signal_release(struct door_thread *self);
/* The program has, past us, set what `sig` does: its handler is to wait as any other. */
void signal_adopt(int sig);
/* What the program asked for, where the kernel says that ours is called. */
void signal_show(int sig, uintptr_t *handler);
/* Takes SIGSEGV and SIGBUS out of a mask while the door is active. */
const sigset_t *signal_strip(const sigset_t *set, sigset_t *copy);

/* trap.c */
/* Calls fn(arg) on another stack, below `sp`, a multiple of 16. */
void trap_call_below(uintptr_t sp, void (*fn)(void *), void *arg);
void trap_handler(int sig, siginfo_t *info, void *context);

#endif
