/* SPDX-License-Identifier: MIT */
/*
 * Stand-ins of queues, which poll, select, epoll and io_uring understand without us.
 *
 * Such a stand-in is one end of a socket pair; the door holds the other. A byte on its way makes it
 * readable, and is taken back when the queue is empty: for that the door holds a duplicate of the
 * program's end as well. Writable it is by nature; a queue that nobody can write to has its way out
 * filled up at birth. Nothing but that byte ever passes: reads and writes are the engine's.
 *
 * The program's end is bound to a name, by which it is recognised where it came through exec or a
 * socket.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "preload.h"
#include "real.h"
#include "util/tree.h"

static struct tree queues; /* (lock) objects by file */

#define QUEUE(node) tree_entry(node, struct door_obj, by_file)

bool poll_kind(enum ioas_node_kind kind)
{
	return kind == IOAS_NODE_FAULT || kind == IOAS_NODE_VEVENTQ;
}

/* The name is only for recognition: without one the queue works all the same. */
static void bind_name(int fd, const struct door_obj *obj)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int len = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, MEMFD_TAG "%s:%llu",
			   obj->node.path, (unsigned long long)obj->ino);

	if (len < (int)sizeof(name.sun_path) - 1)
		bind(fd, (struct sockaddr *)&name,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len));
}

bool poll_name(int fd, char *text, size_t len, const char **out)
{
	struct sockaddr_un name = {0};
	socklen_t size = sizeof(name) - 1;
	char *end;

	if (getsockname(fd, (struct sockaddr *)&name, &size) || name.sun_family != AF_UNIX ||
	    name.sun_path[0] || strncmp(name.sun_path + 1, MEMFD_TAG, sizeof(MEMFD_TAG) - 1))
		return false;
	end = strrchr(name.sun_path + 1, ':');
	*end = 0;
	snprintf(text, len, "%s", name.sun_path + sizeof(MEMFD_TAG));
	*out = text;
	return true;
}

/* Nobody takes out at the other end what goes in here. */
static void fill_up(int fd)
{
	int smallest = 1;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &smallest, sizeof(smallest));
	while (send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
		;
}

int poll_make(struct door_obj *obj, bool cloexec)
{
	int pair[2], own, rc = 0;
	struct stat st;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	own = real.fcntl(pair[0], F_DUPFD_CLOEXEC, 0);
	own = own < 0 ? -errno : hidden_add(own);
	pair[1] = hidden_add(pair[1]);
	if (own < 0 || pair[1] < 0)
		rc = own < 0 ? own : pair[1];
	if (!rc && (real.fstat(pair[0], &st) || (!cloexec && real.fcntl(pair[0], F_SETFD, 0) < 0)))
		rc = -errno;
	obj->own = own < 0 ? -1 : own;
	obj->peer = pair[1] < 0 ? -1 : pair[1];
	if (rc) {
		real.close(pair[0]);
		poll_close(obj);
		return rc;
	}
	obj->dev = st.st_dev;
	obj->ino = st.st_ino;
	bind_name(pair[0], obj);
	if (obj->node.kind == IOAS_NODE_VEVENTQ)
		fill_up(pair[0]);
	return pair[0];
}

void poll_close(struct door_obj *obj)
{
	int *fds[] = {&obj->own, &obj->peer};

	for (int i = 0; i < 2; i++) {
		if (*fds[i] >= 0) {
			hidden_del(*fds[i]);
			real.close(*fds[i]);
		}
		*fds[i] = -1;
	}
}

void poll_enter(struct door_obj *obj)
{
	struct tree_node *parent = NULL, *at = queues.root;
	int side = 0;

	if (obj->own < 0)
		return;
	while (at) {
		parent = at;
		side = (uintptr_t)obj->file > (uintptr_t)QUEUE(at)->file;
		at = at->child[side];
	}
	tree_insert(&queues, &obj->by_file, parent, side);
	obj->queued = true;
}

void poll_leave(struct door_obj *obj)
{
	if (obj->queued)
		tree_remove(&queues, &obj->by_file);
	obj->queued = false;
}

/* (lock) */
static struct door_obj *find(const struct ioas_file *file)
{
	struct tree_node *at = queues.root;

	while (at && QUEUE(at)->file != file)
		at = at->child[(uintptr_t)file > (uintptr_t)QUEUE(at)->file];
	return at ? QUEUE(at) : NULL;
}

/* The lock is held for a few instructions only, and by nobody who can be interrupted. */
void poll_ready(struct ioas_caller *caller, struct ioas_file *file, bool ready)
{
	struct door_obj *obj;
	char byte = 0;

	pthread_mutex_lock(&door.lock);
	obj = find(file);
	if (obj && obj->ready != ready) {
		obj->ready = ready;
		if (ready)
			send(obj->peer, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		else
			recv(obj->own, &byte, 1, MSG_DONTWAIT);
	}
	pthread_mutex_unlock(&door.lock);
}

size_t poll_link_text(const char *text, size_t len, char *out, size_t out_len)
{
	static const char head[] = "socket:[";
	struct door_call call;
	unsigned long long ino;
	size_t shown = 0;

	if (len < sizeof(head) || memcmp(text, head, sizeof(head) - 1) || !table_maybe_any() ||
	    !door_enter(&call))
		return 0;
	ino = strtoull(text + sizeof(head) - 1, NULL, 10);
	pthread_mutex_lock(&door.lock);
	for (struct tree_node *at = tree_end(&queues, 0); at && !shown; at = tree_step(at, 1)) {
		const char *path = QUEUE(at)->node.path;

		if (QUEUE(at)->ino != ino)
			continue;
		shown = strlen(path) < out_len ? strlen(path) : out_len;
		memcpy(out, path, shown);
	}
	pthread_mutex_unlock(&door.lock);
	door_leave(&call);
	return shown;
}
