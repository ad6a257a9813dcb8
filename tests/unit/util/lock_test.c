/* SPDX-License-Identifier: MIT */
/*
 * Description: debug builds end a thread that takes the engine's locks out of order, with the names
 * of both, although nobody deadlocks with it; what is in order goes on. So they do where somebody
 * changes what a lock protects without it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tlp/inflight.h"
#include "util/lock.h"

#ifdef IOAS_LOCK_ORDER

static pthread_mutex_t ctx, space, other_space, map, plain = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t access_lock;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static char said[256];

static struct {
	char before[3]; /* so that what is guarded is of any size and anywhere */
	char outside;
	pthread_mutex_t lock;
	char behind;
	char inside[21];
	char end;
} guarding;

static struct {
	char outside, inside[2];
	pthread_rwlock_t lock;
} guarding_rw;

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
	/* Who takes a lock has it: others do not get it. */
	if ((pthread_rwlock_tryrdlock)(&access_lock))
		_exit(1);
	(pthread_rwlock_unlock)(&access_lock);
	pthread_rwlock_wrlock(&access_lock);
	if ((pthread_rwlock_tryrdlock)(&access_lock) != EBUSY)
		_exit(1);
	pthread_rwlock_unlock(&access_lock);
	if ((pthread_mutex_trylock)(&ctx) != EBUSY)
		_exit(1);
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

static void take_and_give(pthread_mutex_t *lock)
{
	pthread_mutex_lock(lock);
	pthread_mutex_unlock(lock);
}

static void changes_what_it_may(void)
{
	guarding.inside[0] = 1;
	take_and_give(&guarding.lock);
	guarding.behind = 1;
	guarding.end = 1;
	pthread_mutex_lock(&guarding.lock);
	guarding.inside[20] = 1;
	wait_a_little(&guarding.lock);
	guarding.inside[0] = 2;
	lock_must_hold(&guarding.lock);
	pthread_mutex_unlock(&guarding.lock);
	take_and_give(&guarding.lock);
	guarding.inside[0] = 3;
	lock_guards(&guarding.lock, guarding.before, guarding.before + 3);
	take_and_give(&guarding.lock);
	guarding.outside = 1;
	take_and_give(&guarding.lock);

	pthread_rwlock_wrlock(&guarding_rw.lock);
	guarding_rw.inside[1] = 1;
	pthread_rwlock_unlock(&guarding_rw.lock);
	pthread_rwlock_rdlock(&guarding_rw.lock);
	pthread_rwlock_unlock(&guarding_rw.lock);
	guarding_rw.outside = 1;
	pthread_rwlock_wrlock(&guarding_rw.lock);
	pthread_rwlock_unlock(&guarding_rw.lock);
}

static void changes_the_first_byte(void)
{
	take_and_give(&guarding.lock);
	guarding.inside[0] = 1;
	take_and_give(&guarding.lock);
}

static void changes_the_last_byte(void)
{
	take_and_give(&guarding.lock);
	guarding.inside[20] = 1;
	take_and_give(&guarding.lock);
}

static void changes_a_byte_before(void)
{
	lock_guards(&guarding.lock, guarding.before, guarding.before + 3);
	take_and_give(&guarding.lock);
	guarding.before[2] = 1;
	pthread_mutex_lock(&guarding.lock);
}

static void guards_without_a_rank(void)
{
	static pthread_mutex_t lock;

	lock_guards(&lock, guarding.before, guarding.before + 3);
}

static void guards_without_a_rank_to_share(void)
{
	static pthread_rwlock_t lock;

	lock_guards_rw(&lock, &lock + 1, &lock + 1);
}

static void changes_while_it_waits(void)
{
	pthread_mutex_lock(&guarding.lock);
	wait_a_little(&guarding.lock);
	pthread_mutex_unlock(&guarding.lock);
	guarding.inside[7] ^= 1;
	pthread_mutex_lock(&guarding.lock);
}

static void changes_before_it_reads(void)
{
	pthread_rwlock_rdlock(&guarding_rw.lock);
	pthread_rwlock_unlock(&guarding_rw.lock);
	guarding_rw.inside[0] = 1;
	pthread_rwlock_rdlock(&guarding_rw.lock);
}

static void changes_before_it_writes(void)
{
	pthread_rwlock_wrlock(&guarding_rw.lock);
	pthread_rwlock_unlock(&guarding_rw.lock);
	guarding_rw.inside[1] = 1;
	pthread_rwlock_wrlock(&guarding_rw.lock);
}

/* Another one of its rank is enough. */
static void does_not_hold_what_it_must(void)
{
	pthread_mutex_lock(&ctx);
	lock_must_hold(&ctx);
	lock_must_hold(&plain);
	pthread_mutex_lock(&other_space);
	lock_must_hold(&space);
	lock_must_hold(&map);
}

static void waits_when_it_has_landed(void)
{
	struct inflight_mark mark = {0}, other = {0};
	struct inflight inflight;

	inflight_init(&inflight);
	inflight_add(&inflight, &mark);
	inflight_add(&inflight, &other);
	inflight_wait(&inflight);
	inflight_enter(&mark);
	inflight_enter(&other);
	inflight_leave(&mark);
	inflight_leave(&other);
	inflight_wait(&inflight);
}

/* Of two marks it has left one. */
static void waits_for_itself(void)
{
	struct inflight_mark mark = {0}, other = {0};
	struct inflight inflight;

	inflight_init(&inflight);
	inflight_add(&inflight, &mark);
	inflight_enter(&mark);
	inflight_enter(&other);
	inflight_leave(&other);
	inflight_wait(&inflight);
}

/* What others hold while they are in flight may not be held by who waits for them. */
static void waits_with_one_that_they_take(void)
{
	struct inflight inflight;

	inflight_init(&inflight);
	pthread_mutex_lock(&guarding.lock);
	inflight_wait(&inflight);
}

/* After the turn is given back, whatever may be taken again. */
static void waits_before_it_takes(void)
{
	struct inflight inflight;

	inflight_init(&inflight);
	pthread_mutex_lock(&map);
	inflight_wait(&inflight);
	pthread_mutex_unlock(&map);
	pthread_mutex_lock(&space);
	pthread_mutex_unlock(&space);
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
	assert_int_equal(child(changes_what_it_may), 0);
	assert_int_equal(child(waits_when_it_has_landed), 0);
	assert_int_equal(child(waits_before_it_takes), 0);
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
		{does_not_hold_what_it_must, "\"pins\"", "not held"},
		{changes_the_first_byte, "\"file", "without it"},
		{changes_the_last_byte, "\"file", "without it"},
		{changes_a_byte_before, "\"file", "without it"},
		{changes_while_it_waits, "\"file", "without it"},
		{changes_before_it_reads, "\"access\"", "without it"},
		{changes_before_it_writes, "\"access\"", "without it"},
		{waits_with_one_that_they_take, "\"in flight\"", "\"files\" held"},
		{waits_for_itself, "in flight", "one of them"},
		{guards_without_a_rank, "without a rank", "guard"},
		{guards_without_a_rank_to_share, "without a rank", "guard"},
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
	lock_init(&guarding.lock, LOCK_FILES);
	lock_guards(&guarding.lock, guarding.inside, &guarding.end);
	lock_init_rw(&guarding_rw.lock, LOCK_ACCESS);
	lock_guards_rw(&guarding_rw.lock, guarding_rw.inside, guarding_rw.inside + 2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	puts("SKIP: built without -Dlock-order");
	return 77;
}

#endif
