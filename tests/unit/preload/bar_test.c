/* SPDX-License-Identifier: MIT */
/* Description: a mapped BAR is the device, access by access; other faults are the program's. */
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include "harness.h"

#define CDEV "/dev/vfio/devices/vfio0"
#define PAGE 4096
#define RW   (PROT_READ | PROT_WRITE)

static int open_bar(volatile uint32_t **bar, size_t len)
{
	int fd = open(CDEV, O_RDWR);

	assert_true(fd >= 0);
	*bar = mmap(NULL, len, RW, MAP_SHARED, fd, 0);
	assert_true(*bar != MAP_FAILED);
	return fd;
}

static void each_access_reaches_the_device(void **state)
{
	volatile uint32_t *bar;
	int fd = open_bar(&bar, 2 * PAGE);
	struct fake_log *log = harness_log();
	uint64_t reads = log->reads, writes = log->writes;
	unsigned char copy[64];

	bar[5] = 0x12345678;
	assert_int_equal(log->writes, writes + 1);
	assert_int_equal(log->off, 20);
	assert_int_equal(log->size, 4);
	assert_int_equal(bar[5], 0x12345678);
	assert_int_equal(log->reads, reads + 1);
	*(volatile uint64_t *)(bar + 8) = 0x1122334455667788;
	assert_int_equal(log->size, 8);
	*(volatile uint8_t *)(bar + 1024) = 7;
	assert_int_equal(log->off, PAGE);
	bar[5] |= 1; /* read, then write */
	assert_int_equal(bar[5], 0x12345679);
	memcpy(copy, (void *)(uintptr_t)bar, sizeof(copy));
	assert_memory_equal(copy, log->bar, sizeof(copy));
	memset(copy, 0x3c, sizeof(copy));
	memcpy((void *)(uintptr_t)(bar + 64), copy, sizeof(copy));
	assert_memory_equal(copy, log->bar + 256, sizeof(copy));
	/* Each length as libc does it, which is by masked stores where the processor has them. */
	for (volatile size_t len = 1; len <= 40; len++) {
		memset((void *)(uintptr_t)(bar + 128), (int)len, len);
		assert_int_equal(log->bar[512], len);
		assert_int_equal(log->bar[512 + len - 1], len);
		assert_int_equal(log->bar[512 + len], 0);
	}
	memset((void *)(uintptr_t)bar, 0, 2 * PAGE);
	assert_int_equal(log->bar[20], 0);
	errno = 77;
	bar[0] = 1;
	assert_int_equal(errno, 77);
	/* pread sees what the mapping wrote: one device. */
	assert_int_equal(munmap((void *)(uintptr_t)bar, 2 * PAGE), 0);
	close(fd);
}

static void a_mapping_keeps_the_device_open(void **state)
{
	volatile uint32_t *bar;
	int fd = open_bar(&bar, PAGE);
	uint64_t before = harness_log()->closes;

	close(fd);
	bar[1] = 9;
	assert_int_equal(bar[1], 9);
	assert_int_equal(harness_log()->closes, before);
	munmap((void *)(uintptr_t)bar, PAGE);
	assert_int_equal(harness_log()->closes, before + 1);
}

static void mappings_can_be_cut_and_moved(void **state)
{
	unsigned char *room = mmap(NULL, 8 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open(CDEV, O_RDWR);
	uint64_t before = harness_log()->closes;
	unsigned char *bar, *moved;

	bar = mmap(room + PAGE, 4 * PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0);
	assert_ptr_equal(bar, room + PAGE);
	bar[3 * PAGE + 1] = 5;
	assert_int_equal(harness_log()->off, 3 * PAGE + 1);
	assert_int_equal(munmap(bar + PAGE, PAGE), 0);
	bar[2 * PAGE] = 6;
	assert_int_equal(harness_log()->off, 2 * PAGE);
	/* plain memory over one page of it */
	assert_ptr_equal(
		mmap(bar + 2 * PAGE, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
		bar + 2 * PAGE);
	bar[2 * PAGE] = 1;
	assert_int_equal(harness_log()->bar[2 * PAGE], 6);
	moved = mremap(bar + 3 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room + 7 * PAGE);
	assert_ptr_equal(moved, room + 7 * PAGE);
	assert_int_equal(moved[1], 5);
	assert_ptr_equal(mremap(moved, PAGE, 2 * PAGE, MREMAP_MAYMOVE), MAP_FAILED);
	assert_int_equal(errno, EFAULT);
	close(fd);
	assert_int_equal(munmap(room, 8 * PAGE), 0);
	assert_int_equal(harness_log()->closes, before + 1);
	fd = open(CDEV, O_RDWR);
	assert_ptr_equal(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0), MAP_FAILED);
	assert_int_equal(errno, EINVAL);
	assert_ptr_equal(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 12), MAP_FAILED);
	assert_int_equal(errno, EINVAL);
	assert_ptr_equal(mmap(NULL, 64 * PAGE, RW, MAP_SHARED, fd, 0), MAP_FAILED);
	close(fd);
}

static sigjmp_buf back;
static volatile sig_atomic_t caught, caught_code, caught_mask;
static void *volatile caught_addr;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	sigset_t now;

	pthread_sigmask(SIG_SETMASK, NULL, &now);
	caught_mask = sigismember(&now, SIGUSR1);
	caught = sig;
	caught_code = info->si_code;
	caught_addr = info->si_addr;
	siglongjmp(back, 1);
}

static int handle(int sig)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};

	sigaddset(&action.sa_mask, SIGUSR1);
	caught = 0;
	return sigaction(sig, &action, NULL);
}

static void protection_and_errors_are_the_programs(void **state)
{
	volatile uint32_t *bar;
	int fd = open_bar(&bar, PAGE);
	struct sigaction seen;

	handle(SIGSEGV);
	handle(SIGBUS);
	sigaction(SIGSEGV, NULL, &seen);
	assert_ptr_equal(seen.sa_sigaction, on_signal);
	assert_int_equal(mprotect((void *)(uintptr_t)bar, PAGE, PROT_READ), 0);
	(void)bar[0];
	if (!sigsetjmp(back, 1))
		bar[1] = 1;
	assert_int_equal(caught, SIGSEGV);
	assert_ptr_equal(caught_addr, bar + 1);
	assert_true(caught_mask);
	assert_int_equal(mprotect((void *)(uintptr_t)bar, PAGE, PROT_WRITE), 0);
	bar[1] = 1;
	assert_int_equal(bar[1], 1);
	ioctl(fd, FAKE_DECODE_OFF);
	if (!sigsetjmp(back, 1))
		bar[2] = 1;
	assert_int_equal(caught, SIGBUS);
	assert_int_equal(caught_code, BUS_ADRERR);
	assert_ptr_equal(caught_addr, bar + 2);
	ioctl(fd, FAKE_DECODE_ON);
	bar[2] = 1;
	munmap((void *)(uintptr_t)bar, PAGE);
	caught = 0;
	if (!sigsetjmp(back, 1))
		bar[2] = 1; /* gone: an ordinary fault */
	assert_int_equal(caught, SIGSEGV);
	assert_int_equal(caught_code, SEGV_MAPERR);
	close(fd);
}

/* A copy out of the BAR into memory that is not there. */
static void the_other_side_may_be_missing(void **state)
{
	volatile uint32_t *bar;
	int fd = open_bar(&bar, PAGE);
	unsigned char *pages = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *to = pages + PAGE - 8;
	const volatile void *from = bar;
	unsigned long nr = 16;

	munmap(pages + PAGE, PAGE);
	handle(SIGSEGV);
	harness_log()->bar[7] = 0x77;
	if (!sigsetjmp(back, 1))
		__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(nr) : : "memory");
	assert_int_equal(caught, SIGSEGV);
	assert_int_equal(pages[PAGE - 1], 0x77);
	munmap((void *)(uintptr_t)bar, PAGE);
	munmap(pages, PAGE);
	close(fd);
}

static void an_unknown_instruction_is_named(void **state)
{
	volatile uint32_t *bar;
	int fd = open_bar(&bar, PAGE);
	const char *said;

	handle(SIGBUS);
	harness_stderr_begin();
	if (!sigsetjmp(back, 1))
		__asm__ volatile("fldl (%0)" : : "r"(bar) : "st");
	said = harness_stderr_end();
	assert_int_equal(caught, SIGBUS);
	assert_non_null(strstr(said, " dd "));
	munmap((void *)(uintptr_t)bar, PAGE);
	close(fd);
}

static void *use_bar(void *arg)
{
	volatile uint32_t *bar = arg;

	for (unsigned i = 0; i < 200; i++)
		__atomic_store_n(bar + 3, i, __ATOMIC_RELAXED);
	return NULL;
}

/* 16 KiB stacks, several at once, every signal blocked as far as the program can. */
static void threads_with_small_stacks_and_full_masks(void **state)
{
	volatile uint32_t *bar;
	int fd = open_bar(&bar, PAGE);
	pthread_t thread[4];
	pthread_attr_t attr;
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 16384);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], &attr, use_bar, (void *)bar), 0);
	use_bar((void *)bar);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	assert_int_equal(bar[3], 199);
	munmap((void *)(uintptr_t)bar, PAGE);
	close(fd);
}

/* A child whose handler is the default dies of the fault, as without a door. */
static volatile int *volatile wild = (int *)8;

static int die_of_it(void)
{
	signal(SIGSEGV, SIG_DFL);
	*wild = 1;
	return 0;
}

static void the_default_action_kills(void **state)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(die_of_it());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_access_reaches_the_device),
		cmocka_unit_test(a_mapping_keeps_the_device_open),
		cmocka_unit_test(mappings_can_be_cut_and_moved),
		cmocka_unit_test(protection_and_errors_are_the_programs),
		cmocka_unit_test(the_other_side_may_be_missing),
		cmocka_unit_test(an_unknown_instruction_is_named),
		cmocka_unit_test(threads_with_small_stacks_and_full_masks),
		cmocka_unit_test(the_default_action_kills),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return harness_main(argv, "device fake\n", run);
}
