/* SPDX-License-Identifier: MIT */
/* Programs with faults, handlers, masks and small stacks of their own. */
#include <pthread.h>
#include <setjmp.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/user.h>
#include "hostile.h"

#define WRONG ((volatile char *)0x1238)

/* In assembly, where no sanitizer looks first. */
static __attribute__((noinline)) void crash(void)
{
	__asm__ volatile("crash_here: movb $1, 0x1238" ::: "memory");
}
extern const char crash_here[];

static sigjmp_buf back;
static void *volatile seen_addr;
static volatile sig_atomic_t seen, on_alternate;
#ifdef __SANITIZE_ADDRESS__
#define ALTERNATE 65536 /* its siglongjmp needs room */
#else
#define ALTERNATE 8192
#endif
static char alternate[ALTERNATE] __attribute__((aligned(16)));

static void jump(int sig, siginfo_t *info, void *context)
{
	char here;

	seen++;
	seen_addr = info->si_addr;
	on_alternate = &here >= alternate && &here < alternate + sizeof(alternate);
	siglongjmp(back, 1);
}

static void crash_and_come_back(void)
{
	if (!sigsetjmp(back, 1))
		crash();
	check(seen_addr == (void *)WRONG);
	check(on_alternate);
	check(*nvme_reg(&nvme, 0x1c) & 1);
}

static void own_handler_jumps(void)
{
	struct sigaction action = {.sa_sigaction = jump, .sa_flags = SA_SIGINFO | SA_ONSTACK}, old;
	stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};

	check(!sigaltstack(&stack, NULL));
	check(!sigaction(SIGSEGV, &action, NULL)); /* before the door is open, and after */
	start();
	check(!sigaction(SIGSEGV, NULL, &old) && old.sa_sigaction == jump);
	crash_and_come_back();
	check(!sigaction(SIGSEGV, &action, &old) && old.sa_sigaction == jump);
	for (int i = 0; i < 100; i++)
		crash_and_come_back();
	check(seen == 101);
	check(!nvme_identify(&nvme));
}

static void really_crash(void)
{
	struct rlimit no_core = {0, 0};

	setrlimit(RLIMIT_CORE, &no_core);
	start();
	signal(SIGSEGV, SIG_DFL);
	check(!ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	crash();
}

/* What a core file would say: the signal, where the program stood and what it wanted there. */
static void a_crash_is_a_crash(void)
{
	struct user_regs_struct regs;
	siginfo_t info = {0};
	int status;
	pid_t pid = fork();

	if (!pid)
		really_crash();
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		check(!ptrace(PTRACE_GETSIGINFO, pid, NULL, &info));
		check(!ptrace(PTRACE_GETREGS, pid, NULL, &regs));
		check(!ptrace(PTRACE_CONT, pid, NULL, (void *)(long)WSTOPSIG(status)));
	}
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	check(info.si_signo == SIGSEGV && info.si_addr == (void *)WRONG);
	check(info.si_code == SEGV_MAPERR);
	check(regs.rip == (uintptr_t)crash_here);
}

static void sent_signals_are_as_ever(void)
{
	int status;
	pid_t pid;

	start();
	signal(SIGSEGV, SIG_IGN);
	check(!kill(getpid(), SIGSEGV));
	pid = fork();
	if (!pid) {
		signal(SIGBUS, SIG_DFL);
		raise(SIGBUS);
		_exit(0);
	}
	check(waitpid(pid, &status, 0) == pid);
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

static void all_signals_blocked(void)
{
	sigset_t all;

	sigfillset(&all);
	check(!sigprocmask(SIG_BLOCK, &all, NULL));
	start();
	check(!pthread_sigmask(SIG_SETMASK, &all, NULL));
	check(!nvme_identify(&nvme));
}

static void identify_here(int sig)
{
	seen = !nvme_identify(&nvme);
}

static void inside_a_handler(void)
{
	struct sigaction action = {.sa_handler = identify_here};

	sigfillset(&action.sa_mask);
	start();
	check(!sigaction(SIGUSR1, &action, NULL) && !sigaction(SIGSEGV, &action, NULL));
	raise(SIGUSR1);
	check(seen == 1);
	seen = 0;
	raise(SIGSEGV);
	check(seen == 1);
}

static void *identify_there(void *arg)
{
	return (void *)(long)nvme_identify(&nvme);
}

static void on_a_small_stack(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	void *rc;

	start();
	check(!pthread_attr_init(&attr) && !pthread_attr_setstacksize(&attr, 16384));
	for (int i = 0; i < 40; i++) {
		check(!pthread_create(&thread, &attr, identify_there, NULL));
		check(!pthread_join(thread, &rc) && !rc);
	}
}

static const struct hostile cases[] = {
	CASE(own_handler_jumps),   CASE(a_crash_is_a_crash), CASE(sent_signals_are_as_ever),
	CASE(all_signals_blocked), CASE(inside_a_handler),   CASE(on_a_small_stack),
};

int main(int argc, char **argv)
{
	return hostile_main(cases, sizeof(cases) / sizeof(cases[0]), argc > 1 ? argv[1] : NULL);
}
