/* SPDX-License-Identifier: MIT */
/* Description: a program that touches none of our nodes is as without the door. */
#include <signal.h>
#include <pthread.h>
#include "harness.h"

static void on_fault(int sig)
{
	_exit(3);
}

static void nothing_is_there(void **state)
{
	struct sigaction action = {.sa_handler = on_fault}, seen;
	sigset_t set, old;
	char before[16];

	assert_int_equal(harness_count("/proc/self/task"), 1);
	/* what it was before the door was preloaded; whoever runs the test may have left some */
	snprintf(before, sizeof(before), "%d", harness_count("/proc/self/fd"));
	assert_string_equal(before, getenv("HARNESS_FDS"));
	assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
	assert_int_equal(sigaction(SIGSEGV, NULL, &seen), 0);
	assert_ptr_equal(seen.sa_handler, on_fault);
	sigfillset(&set);
	pthread_sigmask(SIG_SETMASK, &set, &old);
	pthread_sigmask(SIG_SETMASK, &old, &set);
	assert_true(sigismember(&set, SIGSEGV));
	assert_null(harness_log());
}

static void a_bad_machine_is_one_line_and_enodev(void **state)
{
	const char *said;

	harness_stderr_begin();
	assert_int_equal(open("/dev/vfio/vfio", O_RDWR), -1);
	assert_int_equal(errno, ENODEV);
	said = harness_stderr_end();
	assert_string_equal(said, "ioas: cannot make the machine: no model \"wrong\"\n");
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_there),
		cmocka_unit_test(a_bad_machine_is_one_line_and_enodev),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return harness_main(argv, "device wrong\n", run);
}
