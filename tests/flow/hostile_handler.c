/* SPDX-License-Identifier: MIT */
/*
 * Signals in the midst of ioctls, at a high rate: handlers that make calls themselves, that jump
 * out, that want their values in order. What the program set it reads back.
 */
/* siginterrupt and sigset, which programs still call. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include "hostile.h"

#define RATE_NS 40000

static volatile sig_atomic_t handled;

static timer_t start_timer(int sig, long ns)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = sig};
	struct itimerspec spec = {.it_interval = {.tv_nsec = ns}, .it_value = {.tv_nsec = ns}};
	timer_t timer;

	check(!timer_create(CLOCK_MONOTONIC, &event, &timer));
	check(!timer_settime(timer, 0, &spec, NULL));
	return timer;
}

static void map_and_unmap_of(void *mem, size_t len, uint32_t ioas, uint64_t iova)
{
	struct iommu_ioas_map map = {.size = sizeof(map), .ioas_id = ioas, .length = len};
	struct iommu_ioas_unmap unmap = {.size = sizeof(unmap), .ioas_id = ioas, .length = len};

	map.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_FIXED_IOVA;
	map.user_va = (uintptr_t)mem;
	map.iova = unmap.iova = iova;
	check(!ioctl(nvme.iommufd, IOMMU_IOAS_MAP, &map));
	check(!ioctl(nvme.iommufd, IOMMU_IOAS_UNMAP, &unmap) && unmap.length == len);
}

static void map_and_unmap(uint32_t ioas, uint64_t iova)
{
	map_and_unmap_of(nvme.mem, 4096, ioas, iova);
}

/* Not one byte of it may be in use by who was interrupted. */
static void make_calls(int sig)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct iommu_destroy destroy = {.size = sizeof(destroy)};
	int err = errno;

	check(!ioctl(nvme.iommufd, IOMMU_IOAS_ALLOC, &alloc));
	map_and_unmap(alloc.out_ioas_id, 1ull << 32);
	map_and_unmap(nvme.ioas, (uint64_t)sig << 33); /* its own: handlers nest */
	destroy.id = alloc.out_ioas_id;
	check(!ioctl(nvme.iommufd, IOMMU_DESTROY, &destroy));
	check(ioctl(nvme.iommufd, IOMMU_DESTROY, &destroy) && errno == ENOENT);
	errno = err;
	handled++;
}

static void handlers_make_calls(void)
{
	struct sigaction action = {.sa_handler = make_calls};
	struct iommu_destroy none = {.size = sizeof(none), .id = 0xdead};
	timer_t often, seldom;

	start();
	check(!sigaction(SIGUSR1, &action, NULL));
	action.sa_flags = SA_RESTART;
	check(!sigaction(SIGRTMIN + 3, &action, NULL));
	often = start_timer(SIGUSR1, RATE_NS);
	seldom = start_timer(SIGRTMIN + 3, RATE_NS * 3);
	while (handled < 3000) {
		map_and_unmap(nvme.ioas, 1ull << 32);
		check(ioctl(nvme.iommufd, IOMMU_DESTROY, &none) && errno == ENOENT);
	}
	check(!nvme_identify(&nvme));
	/* What runs at exit, such as gcov's, calls malloc, where a handler's ioctl may not come. */
	check(!timer_delete(often) && !timer_delete(seldom));
}

static sigjmp_buf back;

static void jump(int sig)
{
	handled++;
	siglongjmp(back, 1);
}

/* Wherever it was, nothing of the engine is left behind: it works, and a fork finds nobody in it.
 */
static void handlers_jump(void)
{
	struct iommu_ioas_unmap all = {.size = sizeof(all), .length = UINT64_MAX};
	struct sigaction action = {.sa_handler = jump};
	struct iommu_ioas_map map = {.size = sizeof(map), .length = 4096};
	timer_t timer;
	int status;
	pid_t pid;

	start();
	map.flags = IOMMU_IOAS_MAP_READABLE;
	map.user_va = (uintptr_t)nvme.mem;
	map.ioas_id = nvme.ioas;
	check(!sigaction(SIGUSR1, &action, NULL));
	if (!sigsetjmp(back, 1))
		timer = start_timer(SIGUSR1, RATE_NS);
	while (handled < 2000) {
		check(!ioctl(nvme.iommufd, IOMMU_IOAS_MAP, &map));
		map.iova += 4096;
	}
	signal(SIGUSR1, SIG_IGN);
	check(!timer_delete(timer));
	check(!nvme_identify(&nvme));
	pid = fork();
	if (!pid)
		_exit(0);
	check(waitpid(pid, &status, 0) == pid && !status);
	all.ioas_id = nvme.ioas;
	check(!ioctl(nvme.iommufd, IOMMU_IOAS_UNMAP, &all));
}

#define VALUES 20000
static char alternate[65536] __attribute__((aligned(16)));
static volatile sig_atomic_t bad;

static void count_up(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;
	sigset_t now;
	char here;

	bad |= info->si_signo != sig || info->si_code != SI_QUEUE || info->si_pid != getpid();
	bad |= info->si_value.sival_int != handled;
	bad |= &here < alternate || &here >= alternate + sizeof(alternate);
	pthread_sigmask(SIG_BLOCK, NULL, &now);
	bad |= !sigismember(&now, sig) || !sigismember(&now, SIGUSR2) || !sigismember(&now, SIGHUP);
	bad |= sigismember(&now, SIGTERM) || sigismember(&uc->uc_sigmask, SIGUSR2);
	bad |= !sigismember(&uc->uc_sigmask, SIGHUP);
	handled++;
}

static void *send_values(void *to)
{
	for (int i = 0; i < VALUES; i++)
		while (pthread_sigqueue(*(pthread_t *)to, SIGRTMIN + 1,
					(union sigval){.sival_int = i}))
			check(errno == EAGAIN || !errno);
	return NULL;
}

/* With mask, alternate stack and all that came along, as from the kernel. */
static void queued_values(void)
{
	struct sigaction action = {.sa_sigaction = count_up, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};
	pthread_t self = pthread_self(), sender;
	size_t len = 16 << 20; /* of which a MAP takes long */
	sigset_t set, now;
	void *mem;

	start();
	mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(mem != MAP_FAILED);
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	check(!sigprocmask(SIG_BLOCK, &set, NULL) && !sigaltstack(&stack, NULL));
	sigaddset(&action.sa_mask, SIGUSR2);
	check(!sigaction(SIGRTMIN + 1, &action, NULL));
	check(!pthread_create(&sender, NULL, send_values, &self));
	while (handled < VALUES) {
		map_and_unmap_of(mem, len, nvme.ioas, 1ull << 32);
		check(!sigprocmask(SIG_BLOCK, NULL, &now));
		check(sigismember(&now, SIGHUP) && !sigismember(&now, SIGUSR2) &&
		      !sigismember(&now, SIGRTMIN + 1) && !sigismember(&now, SIGTERM));
	}
	pthread_join(sender, NULL);
	check(!bad);
}

static void count(int sig)
{
	handled++;
}

static void count_info(int sig, siginfo_t *info, void *context)
{
	handled++;
}

struct kernel_action {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};

static void told_back(void)
{
	struct sigaction action = {.sa_sigaction = count_info, .sa_flags = SA_SIGINFO}, old;
	struct kernel_action raw;

	signal(SIGUSR1, count); /* before the door is active, and after */
	start();
	check(!sigaction(SIGUSR1, NULL, &old) && old.sa_handler == count);
	check(!(old.sa_flags & SA_SIGINFO) && old.sa_flags & SA_RESTART);
	check(signal(SIGUSR1, SIG_IGN) == count && signal(SIGUSR1, count) == SIG_IGN);
	check(!sigaction(SIGUSR1, &action, &old) && old.sa_handler == count);
	check(!(old.sa_flags & SA_SIGINFO));
	check(!sigaction(SIGUSR1, NULL, &old) && old.sa_sigaction == count_info);
	check(old.sa_flags & SA_SIGINFO && !(old.sa_flags & SA_RESTART));
	check(!syscall(SYS_rt_sigaction, SIGUSR1, NULL, &raw, 8));
	check((void *)raw.handler == (void *)count_info);
	raw.handler = count;
	check(!syscall(SYS_rt_sigaction, SIGUSR1, &raw, NULL, 8));
	check(!sigaction(SIGUSR1, NULL, &old) && old.sa_handler == count);
	raise(SIGUSR1);
	check(handled == 1);
	check(!siginterrupt(SIGUSR1, 1) && signal(SIGUSR1, count) == count);
	check(!sigaction(SIGUSR1, NULL, &old) && !(old.sa_flags & SA_RESTART));
	check(sigaction(SIGKILL, &action, NULL) && errno == EINVAL);
	check(sigaction(0, &action, NULL) && errno == EINVAL);
	check(sigaction(NSIG, &action, NULL) && errno == EINVAL);
	check(signal(SIGKILL, count) == SIG_ERR && signal(-1, count) == SIG_ERR);
	action.sa_flags |= (int)SA_RESETHAND;
	check(!sigaction(SIGUSR2, &action, NULL));
	raise(SIGUSR2);
	check(handled == 2 && !sigaction(SIGUSR2, NULL, &old) && old.sa_handler == SIG_DFL);
	check(sigset(SIGUSR2, count) == SIG_DFL && sigset(SIGUSR2, count) == count);
	raise(SIGUSR2);
	check(handled == 3);
}

static void *call_on(void *stop)
{
	while (!atomic_load((_Atomic int *)stop))
		map_and_unmap(nvme.ioas, 1ull << 32);
	return NULL;
}

/* Once only, though it was put off; it is the process's default then. */
static void one_shot(void)
{
	struct sigaction once = {.sa_handler = count, .sa_flags = (int)SA_RESETHAND}, old;
	static _Atomic int stop;
	pthread_t thread;

	start();
	check(!pthread_create(&thread, NULL, call_on, (void *)&stop));
	for (int i = 0; i < 2000; i++) {
		handled = 0;
		check(!sigaction(SIGUSR1, &once, NULL));
		check(!pthread_kill(thread, SIGUSR1));
		while (!handled)
			sched_yield();
		check(!sigaction(SIGUSR1, NULL, &old) && old.sa_handler == SIG_DFL);
	}
	atomic_store(&stop, 1);
	pthread_join(thread, NULL);
}

/* Who leaves it at the default is ended wherever it is, and a handler of SIGTERM runs. */
static void ended_in_mid_call(void)
{
	int status;

	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();

		if (!pid) {
			start();
			start_timer(SIGTERM, 1000000 + i * 10007);
			for (;;)
				map_and_unmap(nvme.ioas, 1ull << 32);
		}
		check(waitpid(pid, &status, 0) == pid);
		check(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	}
	start();
}

static const struct hostile cases[] = {
	CASE(handlers_make_calls), CASE(handlers_jump), CASE(queued_values),
	CASE(told_back),	   CASE(one_shot),	CASE(ended_in_mid_call),
};

int main(int argc, char **argv)
{
	return hostile_main(cases, sizeof(cases) / sizeof(cases[0]), argc > 1 ? argv[1] : NULL);
}
