/* SPDX-License-Identifier: MIT */
/* Description: after fork, vfork, clone and exec one process owns the devices. */
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include "harness.h"

#define NODE "/dev/vfio/vfio"
#define CDEV "/dev/vfio/devices/vfio0"
#define PAGE 4096

static int cdev, node;
static int go[2], gone[2];

static int busy_while_the_parent_has_it(void)
{
	const char *said;
	char own[32];

	snprintf(own, sizeof(own), "process %d still owns", getppid());
	harness_stderr_begin();
	check(ioctl(cdev, FAKE_ANSWER) == -1 && errno == EBUSY);
	check(ioctl(cdev, FAKE_ANSWER) == -1 && errno == EBUSY);
	said = harness_stderr_end();
	check(strstr(said, own));
	check(!strstr(strstr(said, own) + 1, own)); /* once */
	check(open(CDEV, O_RDWR) == -1 && errno == EBUSY);
	check(close(cdev) == 0);
	return 0;
}

static void the_parent_goes_on(void **state)
{
	uint64_t closes;

	cdev = open(CDEV, O_RDWR);
	closes = harness_log()->closes;
	harness_child(busy_while_the_parent_has_it);
	assert_int_equal(harness_log()->suspends, harness_log()->resumes);
	assert_int_equal(ioctl(cdev, FAKE_ANSWER), 42);
	assert_int_equal(harness_log()->closes, closes);
	assert_int_equal(fcntl(cdev, F_GETFD), 0);
	close(cdev);
}

/* The child waits until the parent has closed everything, then goes on where it stopped. */
static int take_over(void)
{
	volatile uint32_t *bar;
	uint64_t resumes;
	char byte;

	close(go[1]);
	check(ioctl(node, FAKE_ANSWER) == -1 && errno == EBUSY);
	check(close(node) == 0); /* only forgets it */
	check(write(gone[1], "", 1) == 1);
	check(read(go[0], &byte, 1) == 0);
	resumes = harness_log()->resumes;
	check(ioctl(cdev, FAKE_ANSWER) == 42);
	check(harness_log()->resumes == resumes + 1);
	bar = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, cdev, 0);
	check(bar != MAP_FAILED);
	bar[1] = 4;
	check(bar[1] == 4);
	check(open(NODE, O_RDWR) >= 0);
	return 0;
}

static void a_child_takes_over_when_the_parent_closes(void **state)
{
	uint64_t machines, closes;
	int status;
	char byte;
	pid_t pid;

	cdev = open(CDEV, O_RDWR);
	node = open(NODE, O_RDWR);
	machines = harness_log()->machines;
	assert_int_equal(pipe(go) | pipe(gone), 0);
	fflush(NULL);
	pid = fork();
	if (!pid)
		_exit(take_over());
	assert_int_equal(read(gone[0], &byte, 1), 1);
	closes = harness_log()->closes;
	close(cdev);
	close(node);
	assert_int_equal(harness_log()->closes, closes + 2);
	close(go[0]);
	close(go[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(harness_log()->machines, machines); /* one all along */
	close(gone[0]);
	close(gone[1]);
}

/* Opens something while the parent uses its own machine: another one, with what is free. */
static int own_machine(void)
{
	int fd = open(NODE, O_RDWR);

	check(fd >= 0);
	check(ioctl(fd, FAKE_ANSWER) == 42);
	check(open(CDEV, O_RDWR) == -1 && errno == EBUSY);
	return 0;
}

static void a_child_can_have_its_own(void **state)
{
	uint64_t machines;

	cdev = open(CDEV, O_RDWR);
	machines = harness_log()->machines;
	harness_child(own_machine);
	assert_int_equal(harness_log()->machines, machines + 1);
	close(cdev);
}

static void a_vfork_child_disturbs_nothing(void **state)
{
	uint64_t closes;
	int status;
	pid_t pid;

	cdev = open(CDEV, O_RDWR);
	node = open(NODE, O_RDWR);
	closes = harness_log()->closes;
	pid = vfork();
	if (!pid) {
		close(cdev);
		dup2(0, node);
		close_range(3, ~0u, 0);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(harness_log()->closes, closes);
	assert_int_equal(ioctl(cdev, FAKE_ANSWER), 42);
	assert_int_equal(ioctl(node, FAKE_ANSWER), 42);
	close(cdev);
	close(node);
}

static void a_clone_without_fork_handlers_keeps_out(void **state)
{
	int status;
	pid_t pid;

	cdev = open(CDEV, O_RDWR);
	fflush(NULL);
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (!pid)
		_exit(ioctl(cdev, FAKE_ANSWER) == -1 && errno == EBUSY ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(ioctl(cdev, FAKE_ANSWER), 42);
	close(cdev);
}

/* Started by exec with two descriptors: the node in 60 and its duplicate in 61. */
static int after_exec(void)
{
	char link[64];
	volatile uint32_t *bar;

	check(readlink("/proc/self/fd/60", link, sizeof(link)) == (ssize_t)strlen(CDEV));
	check(harness_count("/proc/self/task") == 1);
	check(ioctl(60, FAKE_ANSWER) == 42);
	check(ioctl(61, FAKE_ANSWER) == 42);
	bar = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 61, 0);
	check(bar != MAP_FAILED);
	bar[2] = 8;
	check(bar[2] == 8);
	check(close(60) == 0);
	check(ioctl(61, FAKE_ANSWER) == 42);
	return 0;
}

static int exec_self(void)
{
	int fd = open(CDEV, O_RDWR);

	check(fd >= 0 && dup2(fd, 60) == 60 && dup2(fd, 61) == 61);
	setenv("AFTER_EXEC", "1", 1);
	execl("/proc/self/exe", "fork_test", NULL);
	return 1;
}

static void descriptors_survive_exec(void **state)
{
	harness_child(exec_self);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_parent_goes_on),
		cmocka_unit_test(a_child_takes_over_when_the_parent_closes),
		cmocka_unit_test(a_child_can_have_its_own),
		cmocka_unit_test(a_vfork_child_disturbs_nothing),
		cmocka_unit_test(a_clone_without_fork_handlers_keeps_out),
		cmocka_unit_test(descriptors_survive_exec),
	};

	if (getenv("AFTER_EXEC"))
		return after_exec();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return harness_main(argv, "device fake\n", run);
}
