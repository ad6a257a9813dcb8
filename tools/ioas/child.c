/* SPDX-License-Identifier: MIT */
/*
 * The program of `ioas run`: started with the door preloaded, waited for.
 *
 * Signals meant for the program are passed on. What a terminal sends (Ctrl-C) reaches the whole
 * foreground group, the program included, so passing that on would deliver it twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <ioas/run.h>
#include "child.h"
#include "folder.h"
#include "ioas.h"
#include "reach.h"

#define DOOR "libioas-preload.so"

/* Where the door may be, from the folder of this executable. */
static const char *const door_places[] = {
	DOOR,
	"../lib/" DOOR,
	"../lib/x86_64-linux-gnu/" DOOR,
	"../lib64/" DOOR,
};

static int find_door(char path[PATH_MAX])
{
	char self[PATH_MAX / 2];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return -errno;
	self[n] = 0;
	slash = strrchr(self, '/');
	*slash = 0;
	for (size_t i = 0; i < sizeof(door_places) / sizeof(door_places[0]); i++) {
		snprintf(path, PATH_MAX, "%s/%s", self, door_places[i]);
		if (!access(path, R_OK))
			return 0;
	}
	complain("no " DOOR " in or near %s", self);
	return -ENOENT;
}

/* A door built with AddressSanitizer needs its runtime first; then so was this tool. */
static int find_asan(struct dl_phdr_info *info, size_t size, void *path)
{
	const char *name = strrchr(info->dlpi_name, '/');

	if (!name || strncmp(name, "/libasan.so", 11))
		return 0;
	snprintf(path, PATH_MAX, "%s", info->dlpi_name);
	return 1;
}

/* Sets `name` to `first`, a colon, and what it was. */
static int put_before(const char *name, const char *first)
{
	const char *old = getenv(name);
	char *all;
	int rc;

	if (asprintf(&all, "%s%s%s", first, old && *old ? ":" : "", old ? old : "") < 0)
		return -ENOMEM;
	rc = setenv(name, all, 1) ? -errno : 0;
	free(all);
	return rc;
}

/* Puts our libraries in front of those the user preloads, the sanitizer's runtime first of all. */
static int set_environment(const struct folder *folder, const char *door)
{
	char asan[PATH_MAX] = "";
	int rc = put_before("LD_PRELOAD", door);

	if (!rc && setenv(IOAS_RUN_DIR_ENV, folder->path, 1))
		rc = -errno;
	dl_iterate_phdr(find_asan, asan);
	if (rc || !*asan)
		return rc;
	rc = put_before("LD_PRELOAD", asan);
	/* The program was not built for the sanitizer: its leaks and its handlers are its own. */
	if (!rc)
		rc = put_before("ASAN_OPTIONS", "detect_leaks=0:allow_user_segv_handler=1:"
						"handle_segv=0:handle_sigbus=0");
	return rc;
}

/* In the child: become the program, or tell the parent why not. */
static void become(char **program, const sigset_t *mask, sighandler_t on_child, int tell)
{
	int err;

	signal(SIGCHLD, on_child);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(program[0], program);
	err = errno;
	if (write(tell, &err, sizeof(err)) != sizeof(err))
		_exit(126);
	_exit(127);
}

static const int passed_on[] = {SIGHUP,	 SIGINT,  SIGQUIT, SIGTERM,
				SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH};

/* Takes the status of everything that ended. False when no process is left. */
static bool reap(pid_t program, int *status, bool *ended)
{
	int st;
	pid_t pid;

	while ((pid = waitpid(-1, &st, WNOHANG)) > 0)
		if (pid == program) {
			*status = st;
			*ended = true;
		}
	return pid == 0;
}

/* A blocked signal is received although it is ignored, as SIGHUP is by nohup. */
static bool is_ignored(int sig)
{
	struct sigaction action;

	return !sigaction(sig, NULL, &action) && action.sa_handler == SIG_IGN;
}

/*
 * Waits for the program and, since a child may have taken the devices over, for all its
 * descendants (this process is their reaper). A signal after the program's own end stops that,
 * unless it was ignored from the start: until then it is the program's, which may not ignore it.
 */
static int wait_for(pid_t program, const sigset_t *waited)
{
	bool ended = false;
	int status = 0;
	siginfo_t info;

	while (reap(program, &status, &ended)) {
		int sig = sigwaitinfo(waited, &info);

		if (sig <= 0 || sig == SIGCHLD)
			continue;
		if (ended && sig != SIGWINCH && !is_ignored(sig))
			break;
		if (!ended && info.si_code != SI_KERNEL)
			kill(program, sig);
	}
	return status;
}

int child_run(const struct folder *folder, char **program, int *status, int *sig)
{
	const char *obstacle = reach_obstacle(program[0]);
	char door[PATH_MAX];
	sigset_t waited, old;
	sighandler_t on_child;
	int tell[2], err = 0, raw, rc;
	pid_t pid;

	*status = EXIT_FAILURE;
	*sig = 0;
	if (obstacle)
		complain("%s will not see these devices: %s, so nothing can be preloaded",
			 program[0], obstacle);
	rc = find_door(door);
	if (!rc)
		rc = set_environment(folder, door);
	if (!rc && pipe2(tell, O_CLOEXEC))
		rc = -errno;
	if (rc)
		return rc;
	sigemptyset(&waited);
	sigaddset(&waited, SIGCHLD);
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
		sigaddset(&waited, passed_on[i]);
	sigprocmask(SIG_BLOCK, &waited, &old);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	on_child = signal(SIGCHLD, SIG_DFL); /* ignored, it would leave nothing to wait for */
	pid = fork();
	if (!pid)
		become(program, &old, on_child, tell[1]);
	close(tell[1]);
	if (pid < 0) {
		rc = -errno;
		complain("cannot start a process: %s", strerror(errno));
	} else {
		if (read(tell[0], &err, sizeof(err)) == sizeof(err)) {
			complain("%s: %s", program[0], strerror(err));
			rc = -err;
		}
		raw = wait_for(pid, &waited);
		*sig = WIFSIGNALED(raw) ? WTERMSIG(raw) : 0;
		*status = *sig ? 128 + *sig : WEXITSTATUS(raw);
		if (rc)
			*status = err == ENOENT ? 127 : 126;
	}
	close(tell[0]);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return rc;
}
