/* SPDX-License-Identifier: MIT */
/*
 * The program's handlers of all signals but SIGSEGV and SIGBUS: never in the midst of the engine.
 *
 * The kernel is told our function in place of each handler, with the program's flags and mask, so
 * that it does all that it would do without us. When a thread is inside by the short way, our
 * function notes the signal and returns with everything blocked; the thread takes it up when it is
 * out. So at most one signal is held, and all that come later wait in the kernel, in their order.
 */
#include <errno.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>
#include <sys/syscall.h>
#include "preload.h"
#include "real.h"
#include "wrap.h"

/* What the program asked for, by signal. */
static struct slot {
	_Atomic uintptr_t handler;
	_Atomic bool plain; /* without SA_SIGINFO, which the kernel is told always */
} slots[NSIG];
static _Atomic bool restarts_off[NSIG]; /* by siginterrupt: what signal() does */

typedef void handler_fn(int, siginfo_t *, void *);

static bool active(void)
{
	return atomic_load_explicit(&door.active, memory_order_acquire);
}

static bool ours(int sig)
{
	return sig > 0 && sig < NSIG && sig != SIGSEGV && sig != SIGBUS;
}

static void block(sigset_t *old)
{
	sigset_t all;

	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	real.pthread_sigmask(SIG_SETMASK, &all, old);
}

static void unblock(const sigset_t *old)
{
	real.pthread_sigmask(SIG_SETMASK, old, NULL);
}

/* Raised by the instruction that was at work: it cannot wait. */
static bool synchronous(int sig, const siginfo_t *info)
{
	return info->si_code > 0 &&
	       (sig == SIGILL || sig == SIGFPE || sig == SIGTRAP || sig == SIGSYS);
}

/* Bytes of the kernel's sigset_t; in a frame something else lies behind it. */
#define KERNEL_SET 8

/*
 * Another signal may have come before everything was blocked, and is held already: this one waits
 * in the kernel then. Of two handlers the outer one, which comes last here, knows the mask.
 */
static void hold(struct door_thread *self, const siginfo_t *info, ucontext_t *uc)
{
	sigset_t all;

	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	real.pthread_sigmask(SIG_BLOCK, &all, NULL);
	if (self->held)
		syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), info->si_signo, info);
	else
		self->held_info = *info;
	self->held = true;
	sigemptyset(&self->held_mask);
	memcpy(&self->held_mask, &uc->uc_sigmask, KERNEL_SET);
	memcpy(&uc->uc_sigmask, &all, KERNEL_SET);
}

static void entry(int sig, siginfo_t *info, void *context)
{
	struct door_thread *self = door_self;
	handler_fn *handler;

	if (self && atomic_load_explicit(&self->inside, memory_order_relaxed) &&
	    !synchronous(sig, info)) {
		int err = errno;

		hold(self, info, context);
		errno = err;
		return;
	}
	handler = (handler_fn *)atomic_load_explicit(&slots[sig].handler, memory_order_relaxed);
	handler(sig, info, context);
}

struct call {
	int sig;
	siginfo_t info;
	ucontext_t uc;
};

static void run(void *arg)
{
	struct call *call = arg;
	handler_fn *handler = (handler_fn *)atomic_load(&slots[call->sig].handler);

	handler(call->sig, &call->info, &call->uc);
}

/*
 * Queued again it would come behind others of its number, whose order means something: so the
 * handler is called as the kernel would. Everything is blocked.
 */
static void run_here(const siginfo_t *info, const sigset_t *mask)
{
	struct call call = {.sig = info->si_signo, .info = *info};
	struct sigaction action;
	stack_t *stack = &call.uc.uc_stack;
	sigset_t during;

	if (real.sigaction(call.sig, NULL, &action) || getcontext(&call.uc))
		return;
	sigorset(&during, &action.sa_mask, mask);
	if (!(action.sa_flags & SA_NODEFER))
		sigaddset(&during, call.sig);
	call.uc.uc_sigmask = *mask;
	unblock(&during);
	if (action.sa_flags & SA_ONSTACK && !sigaltstack(NULL, stack) &&
	    !(stack->ss_flags & (SS_DISABLE | SS_ONSTACK)))
		trap_call_below(((uintptr_t)stack->ss_sp + stack->ss_size) & ~63ul, run, &call);
	else
		run(&call);
	unblock(&call.uc.uc_sigmask);
}

/*
 * What the kernel took for delivered has not been: SA_RESETHAND. Everything is blocked. False: a
 * sandbox of the program's forbids it.
 */
static bool raise_again(const siginfo_t *info)
{
	int sig = info->si_signo;
	struct sigaction action;

	if (!real.sigaction(sig, NULL, &action) && action.sa_handler == SIG_DFL &&
	    action.sa_flags & (int)SA_RESETHAND) {
		action.sa_sigaction = entry;
		real.sigaction(sig, &action, NULL);
	}
	return !syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), sig, info);
}

void signal_release(struct door_thread *self)
{
	siginfo_t info = self->held_info;
	sigset_t mask = self->held_mask;
	int err = errno;

	self->held = false;
	if (info.si_signo < SIGRTMIN && raise_again(&info))
		unblock(&mask);
	else
		run_here(&info, &mask);
	errno = err;
}

void signal_show(int sig, uintptr_t *handler)
{
	if (ours(sig) && *handler == (uintptr_t)entry)
		*handler = atomic_load(&slots[sig].handler);
}

static void show(int sig, struct sigaction *action)
{
	uintptr_t handler = (uintptr_t)action->sa_sigaction;

	if (action->sa_sigaction != entry)
		return;
	signal_show(sig, &handler);
	action->sa_sigaction = (handler_fn *)handler;
	if (atomic_load(&slots[sig].plain))
		action->sa_flags &= ~SA_SIGINFO;
}

/* Everything is blocked: a signal between finds the old action with the old handler, or the new. */
static int install(int sig, const struct sigaction *next, struct sigaction *old)
{
	struct sigaction copy = *next, before;
	uintptr_t handler = atomic_load(&slots[sig].handler);
	bool plain = atomic_load(&slots[sig].plain);

	if (next->sa_handler != SIG_DFL && next->sa_handler != SIG_IGN) {
		copy.sa_sigaction = entry;
		copy.sa_flags |= SA_SIGINFO;
		atomic_store(&slots[sig].handler, (uintptr_t)next->sa_sigaction);
		atomic_store(&slots[sig].plain, !(next->sa_flags & SA_SIGINFO));
	}
	if (real.sigaction(sig, &copy, &before)) {
		atomic_store(&slots[sig].handler, handler);
		atomic_store(&slots[sig].plain, plain);
		return -1;
	}
	if (old) {
		*old = before;
		if (before.sa_sigaction == entry) {
			old->sa_sigaction = (handler_fn *)handler;
			old->sa_flags &= plain ? ~SA_SIGINFO : ~0;
		}
	}
	return 0;
}

void signal_adopt(int sig)
{
	struct sigaction action;
	int err = errno;

	if (ours(sig) && !real.sigaction(sig, NULL, &action) && action.sa_sigaction != entry &&
	    action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN)
		install(sig, &action, NULL);
	errno = err;
}

/* A child of vfork has handlers of its own, and our memory: it is told the truth and keeps it. */
static int swap(int sig, const struct sigaction *next, struct sigaction *old)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	sigset_t mask;
	int rc;

	if (!next || !ours(sig) || !door_own()) {
		rc = real.sigaction(sig, next, old);
		if (!rc && old)
			show(sig, old);
		return rc;
	}
	block(&mask);
	pthread_mutex_lock(&mutex);
	rc = install(sig, next, old);
	pthread_mutex_unlock(&mutex);
	unblock(&mask);
	return rc;
}

int sigaction(int sig, const struct sigaction *next, struct sigaction *old)
{
	struct sigaction copy;

	real_need();
	if (!active()) {
		int rc = real.sigaction(sig, next, old);

		if (unlikely(active())) /* another thread has just opened the first node */
			signal_adopt(sig);
		return rc;
	}
	if (sig == SIGSEGV || sig == SIGBUS)
		return signal_fault_action(sig, next, old);
	if (next) {
		copy = *next;
		sigdelset(&copy.sa_mask, SIGSEGV);
		sigdelset(&copy.sa_mask, SIGBUS);
		next = &copy;
	}
	return swap(sig, next, old);
}
ALIAS_NEW(__sigaction, sigaction)

static sighandler_t signal_flags(int sig, sighandler_t handler, int flags)
{
	struct sigaction next = {.sa_handler = handler, .sa_flags = flags}, old;

	if (!(flags & SA_NODEFER))
		sigaddset(&next.sa_mask, sig);
	return sigaction(sig, &next, &old) ? SIG_ERR : old.sa_handler;
}

sighandler_t signal(int sig, sighandler_t handler)
{
	real_need();
	if (!active() || sig < 1 || sig >= NSIG || handler == SIG_ERR)
		return real.signal(sig, handler);
	return signal_flags(sig, handler, atomic_load(&restarts_off[sig]) ? 0 : SA_RESTART);
}
ALIAS(ssignal, signal)
ALIAS_NEW(bsd_signal, signal)

sighandler_t sysv_signal(int sig, sighandler_t handler)
{
	real_need();
	if (!active() || handler == SIG_ERR)
		return real.sysv_signal(sig, handler);
	return signal_flags(sig, handler, (int)(SA_RESETHAND | SA_NODEFER));
}
ALIAS_NEW(__sysv_signal, sysv_signal)

int siginterrupt(int sig, int interrupt)
{
	int rc;

	real_need();
	rc = real.siginterrupt(sig, interrupt);
	if (!rc && ours(sig))
		atomic_store(&restarts_off[sig], interrupt);
	return rc;
}

/* Old System V: libc sets the handler by itself. */
sighandler_t sigset(int sig, sighandler_t handler)
{
	sighandler_t old;
	uintptr_t was;

	real_need();
	old = real.sigset(sig, handler);
	if (!active() || old == SIG_ERR || !door_own())
		return old;
	was = (uintptr_t)old;
	signal_show(sig, &was);
	signal_adopt(sig);
	return (sighandler_t)was;
}
