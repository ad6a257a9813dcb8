/* SPDX-License-Identifier: MIT */
/*
 * Signals, shared with the program.
 *
 * While the door is active the kernel knows our handlers only; what the program asks for is kept
 * here and told back to it.
 *
 * SIGSEGV and SIGBUS: it is obeyed when a fault is not ours: its handler runs with the mask and the
 * flags it chose. The two signals stay out of every mask the program sets: a blocked fault kills.
 * All others: signal_handle.c.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>
#include "insn.h"
#include "preload.h"
#include "real.h"
#include "wrap.h"

static struct sigaction wanted[2]; /* (mutex) of the program: SIGSEGV, SIGBUS */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static struct sigaction *slot(int sig)
{
	return &wanted[sig == SIGBUS];
}

/* Nested faults are normal: a model's DMA inside a trapped access may meet missing memory. */
static int install(int sig)
{
	struct sigaction ours = {.sa_sigaction = trap_handler};

	ours.sa_flags = SA_SIGINFO | SA_NODEFER | (slot(sig)->sa_flags & SA_ONSTACK);
	sigfillset(&ours.sa_mask);
	sigdelset(&ours.sa_mask, SIGSEGV);
	sigdelset(&ours.sa_mask, SIGBUS);
	return real.sigaction(sig, &ours, NULL) ? -errno : 0;
}

int signal_init(void)
{
	int rc;

	insn_init();
	if (real.sigaction(SIGSEGV, NULL, slot(SIGSEGV)) ||
	    real.sigaction(SIGBUS, NULL, slot(SIGBUS)))
		return -errno;
	rc = install(SIGSEGV);
	if (!rc)
		rc = install(SIGBUS);
	for (int sig = 1; sig < NSIG && !rc; sig++)
		signal_adopt(sig);
	return rc;
}

const sigset_t *signal_strip(const sigset_t *set, sigset_t *copy)
{
	if (!set || !atomic_load_explicit(&door.active, memory_order_acquire))
		return set;
	*copy = *set;
	sigdelset(copy, SIGSEGV);
	sigdelset(copy, SIGBUS);
	return copy;
}

/* The signals stay unblocked meanwhile, so only a mutex that a fault cannot meet. */
static int swap_action(int sig, const struct sigaction *next, struct sigaction *old)
{
	struct sigaction before;
	sigset_t mask, all;
	int rc = 0;

	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	real.pthread_sigmask(SIG_SETMASK, &all, &mask);
	pthread_mutex_lock(&mutex);
	before = *slot(sig);
	if (next) {
		*slot(sig) = *next;
		rc = install(sig);
	}
	pthread_mutex_unlock(&mutex);
	real.pthread_sigmask(SIG_SETMASK, &mask, NULL);
	if (old)
		*old = before;
	return (int)door_result(rc);
}

int signal_fault_action(int sig, const struct sigaction *next, struct sigaction *old)
{
	return door_own() ? swap_action(sig, next, old) : real.sigaction(sig, next, old);
}

int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	sigset_t copy;

	real_need();
	return real.sigprocmask(how, how == SIG_UNBLOCK ? set : signal_strip(set, &copy), old);
}

int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	sigset_t copy;

	real_need();
	return real.pthread_sigmask(how, how == SIG_UNBLOCK ? set : signal_strip(set, &copy), old);
}

/*
 * The default action: what the kernel does with a fault that is blocked or ignored. The signal is
 * queued again and taken on return from our handler, so that a core file shows where it was raised.
 */
static void die(int sig, siginfo_t *info, ucontext_t *uc)
{
	struct sigaction plain = {.sa_handler = SIG_DFL};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	real.pthread_sigmask(SIG_BLOCK, &set, NULL);
	sigdelset(&uc->uc_sigmask, sig);
	real.sigaction(sig, &plain, NULL);
	syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), sig, info);
}

void signal_chain(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	struct sigaction action;
	sigset_t mask;

	pthread_mutex_lock(&mutex);
	action = *slot(sig);
	if (action.sa_flags & (int)SA_RESETHAND)
		slot(sig)->sa_handler = SIG_DFL;
	pthread_mutex_unlock(&mutex);
	if (action.sa_handler == SIG_IGN && info->si_code <= 0)
		return; /* sent by a process: may be ignored */
	if (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN) {
		die(sig, info, uc);
		return;
	}
	sigorset(&mask, &action.sa_mask, &uc->uc_sigmask);
	sigdelset(&mask, SIGSEGV);
	sigdelset(&mask, SIGBUS);
	real.pthread_sigmask(SIG_SETMASK, &mask, NULL);
	if (action.sa_flags & SA_SIGINFO)
		action.sa_sigaction(sig, info, context);
	else
		action.sa_handler(sig);
}

void signal_bus(siginfo_t *info, void *context)
{
	siginfo_t bus = {.si_signo = SIGBUS, .si_code = BUS_ADRERR};

	bus.si_addr = info->si_addr;
	signal_chain(SIGBUS, &bus, context);
}
