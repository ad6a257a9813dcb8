/* SPDX-License-Identifier: MIT */
/*
 * Description: debug builds end a thread that takes the engine's locks out of order, with the names
 * of both, although nobody deadlocks with it; what is in order goes on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "util/lock.h"

#ifdef IOAS_LOCK_ORDER

static pthread_mutex_t ctx, space, other_space, map, plain = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t access_lock;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static char said[256];

static void wait_a_little(pthread_mutex_t *lock)
{
	struct timespec past = {0};

	pthread_cond_timedwait(&cond, lock, &past);
}

static void in_order(void)
{
	pthread_mutex_lock(&ctx);
	pthread_rwlock_rdlock(&access_lock);
	pthread_mutex_lock(&space);
	pthread_mutex_lock(&other_space);
	wait_a_little(&other_space);
	pthread_mutex_lock(&map);
	pthread_mutex_unlock(&map);
	pthread_mutex_unlock(&space);
	pthread_mutex_unlock(&other_space);
	pthread_rwlock_unlock(&access_lock);
	pthread_rwlock_wrlock(&access_lock);
	pthread_rwlock_unlock(&access_lock);
	pthread_mutex_unlock(&ctx);
	pthread_mutex_lock(&ctx);
	pthread_mutex_unlock(&ctx);
}

static void unranked(void)
{
	pthread_mutex_lock(&map);
	pthread_mutex_lock(&plain);
	pthread_mutex_unlock(&plain);
	pthread_mutex_unlock(&map);
	pthread_mutex_lock(&plain);
	pthread_mutex_lock(&ctx);
	pthread_mutex_unlock(&ctx);
	pthread_mutex_unlock(&plain);
}

static void inner_first(void)
{
	pthread_mutex_lock(&space);
	pthread_mutex_lock(&ctx);
}

static void shared_inside(void)
{
	pthread_mutex_lock(&space);
	pthread_rwlock_rdlock(&access_lock);
}

static void exclusive_inside(void)
{
	pthread_mutex_lock(&space);
	pthread_rwlock_wrlock(&access_lock);
}

static void two_of_a_kind(void)
{
	static pthread_mutex_t second;

	lock_init(&second, LOCK_CTX);
	pthread_mutex_lock(&ctx);
	pthread_mutex_lock(&second);
}

/* The wait's end would take it again, inside the other. */
static void waits_with_an_inner_one_held(void)
{
	pthread_mutex_lock(&space);
	pthread_mutex_lock(&map);
	wait_a_little(&space);
}

static void waits_for_ever_so(void)
{
	pthread_mutex_lock(&space);
	pthread_mutex_lock(&map);
	pthread_cond_wait(&cond, &space);
}

static void gives_what_it_has_not(void)
{
	pthread_mutex_unlock(&space);
}

static void gives_twice(void)
{
	pthread_rwlock_rdlock(&access_lock);
	pthread_rwlock_unlock(&access_lock);
	pthread_rwlock_unlock(&access_lock);
}

static void waits_without(void)
{
	wait_a_little(&space);
}

static void given_another_rank(void)
{
	lock_rank(&space, LOCK_FILES);
	pthread_mutex_lock(&space);
	pthread_mutex_lock(&map);
}

/* The wait status of a process that does it; `said` is what it wrote. */
static int child(void (*run)(void))
{
	int out[2], status;
	ssize_t len;
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (!pid) {
		alarm(10);
		signal(SIGILL, SIG_DFL); /* cmocka has taken it */
		dup2(out[1], STDERR_FILENO);
		run();
		_exit(0);
	}
	close(out[1]);
	len = read(out[0], said, sizeof(said) - 1);
	said[len < 0 ? 0 : len] = '\0';
	close(out[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void in_order_is_fine(void **state)
{
	assert_int_equal(child(in_order), 0);
	assert_int_equal(child(unranked), 0);
	assert_string_equal(said, "");
}

static void out_of_order_ends_with_both_names(void **state)
{
	static const struct {
		void (*run)(void);
		const char *taken, *held;
	} cases[] = {
		{inner_first, "\"context\"", "\"space\" held"},
		{shared_inside, "\"access\"", "\"space\" held"},
		{exclusive_inside, "\"access\"", "\"space\" held"},
		{two_of_a_kind, "\"context\"", "\"context\" held"},
		{waits_with_an_inner_one_held, "\"space\"", "\"pins\" held"},
		{waits_for_ever_so, "\"space\"", "\"pins\" held"},
		{gives_what_it_has_not, "\"space\"", "not held"},
		{gives_twice, "\"access\"", "not held"},
		{waits_without, "\"space\"", "not held"},
		{given_another_rank, "\"pins\"", "\"files\" held"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int status = child(cases[i].run);

		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGILL);
		assert_non_null(strstr(said, cases[i].taken));
		assert_non_null(strstr(said, cases[i].held));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order_is_fine),
		cmocka_unit_test(out_of_order_ends_with_both_names),
	};

	lock_init(&ctx, LOCK_CTX);
	lock_init(&space, LOCK_SPACE);
	lock_init(&other_space, LOCK_SPACE);
	lock_init(&map, LOCK_PINS);
	lock_init_rw(&access_lock, LOCK_ACCESS);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	puts("SKIP: built without -Dlock-order");
	return 77;
}

#endif
