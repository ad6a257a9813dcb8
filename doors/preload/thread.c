/* SPDX-License-Identifier: MIT */
/*
 * Threads of the engine: inside it for all their life, with every signal blocked from birth but the
 * two that a guarded copy raises.
 */
#include <errno.h>
#include <stdlib.h>
#include "preload.h"
#include "real.h"
#include "wrap.h"

struct start {
	void *(*run)(void *);
	void *arg;
};

static void *inside(void *arg)
{
	struct start start = *(struct start *)arg;

	free(arg);
	door_inside = 1;
	return start.run(start.arg);
}

/* Whoever starts a thread from inside the engine is the engine. A new thread takes over the mask.
 */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	struct start *start;
	sigset_t set, old;
	int rc;

	real_need();
	if (!door_inside)
		return real.pthread_create(thread, attr, run, arg);
	start = malloc(sizeof(*start));
	if (!start)
		return EAGAIN;
	*start = (struct start){run, arg};
	sigfillset(&set);
	sigdelset(&set, SIGSEGV);
	sigdelset(&set, SIGBUS);
	real.pthread_sigmask(SIG_SETMASK, &set, &old);
	rc = real.pthread_create(thread, attr, inside, start);
	real.pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc)
		free(start);
	return rc;
}
