/* SPDX-License-Identifier: MIT */
/*
 * For doors that own the process's SIGSEGV and SIGBUS: lets guarded copies of the engine recover
 * without asking the kernel first.
 */
#ifndef IOAS_GUARD_H
#define IOAS_GUARD_H

#include <ioas/types.h>

IOAS_BEGIN

/*
 * To be called from a SIGSEGV or SIGBUS handler with its third argument. True: the fault was in a
 * guarded access, the context now continues after it, return from the handler. Async-signal-safe.
 */
bool ioas_guard_fixup(void *ucontext);
/*
 * Says that such a handler is installed (true) or gone. Off by default. While it is on, no thread
 * may be in the engine with SIGSEGV or SIGBUS blocked, for the kernel kills a process that faults
 * so: not the program's threads in a door, not in a signal handler (SA_NODEFER), not a model's own.
 */
void ioas_guard_enable(bool on);

IOAS_END

#endif
