/* SPDX-License-Identifier: MIT */
/*
 * Programs that make it hard for a door that lives in their process: each case runs in a process of
 * its own, which must end as it would on a real machine. All cases, or the one that is named.
 */
#ifndef TESTS_FLOW_HOSTILE_H
#define TESTS_FLOW_HOSTILE_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>
#include "nvme.h"

#define DATA (nvme.mem + 2 * NVME_PAGE)

#define CASE(name)          \
	{                   \
#name, name \
	}

#define check(x)                                                                                  \
	do {                                                                                      \
		if (!(x)) {                                                                       \
			fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #x, errno); \
			exit(1);                                                                  \
		}                                                                                 \
	} while (0)

struct hostile {
	const char *name;
	void (*run)(void);
};

static struct nvme nvme;

/* Opens the device and uses it once. */
static inline void start(void)
{
	int rc = nvme_open(&nvme);

	if (rc)
		fprintf(stderr, "open: %s\n", strerror(-rc));
	check(!rc && !nvme_identify(&nvme));
}

/* One case in a process of its own. */
static inline bool passes(const struct hostile *hostile)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		alarm(20);
		hostile->run();
		exit(0);
	}
	if (waitpid(pid, &status, 0) == pid && !status)
		return true;
	fprintf(stderr, "%s: %s %d\n", hostile->name, WIFSIGNALED(status) ? "signal" : "status",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return false;
}

static inline int hostile_main(const struct hostile *cases, size_t nr, const char *only)
{
	int bad = 0;

	for (size_t i = 0; i < nr; i++)
		if (!only || !strcmp(only, cases[i].name))
			bad += !passes(&cases[i]);
	return bad ? 1 : 0;
}

#endif
