/* SPDX-License-Identifier: MIT */
/*
 * Page requests, between a device and who serves it.
 *
 * Locks. pri->serving is held while the server takes a request, so that it can leave; pri->lock is
 * short and inside it. The server (src/obj/fault.c) takes its own locks under `serving`, and none
 * that anybody holds who waits for a device.
 */
#ifndef TLP_PRI_H
#define TLP_PRI_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include <ioas/pri.h>

struct pri_server {
	/*
	 * Takes one request; `tag` is for pri_answer, and counts for the group's last one. 0; 1
	 * nobody serves requests of that form; -ENOMEM the whole group is lost.
	 */
	int (*take)(void *arg, const struct ioas_page_request *request, uint64_t tag);
	/*
	 * Gives up a whole group that it took, which its time has answered: nobody is to read or
	 * answer it any more. `of`: its form and number. false: it has gone, its answer is coming.
	 */
	bool (*drop)(void *arg, const struct ioas_page_request *of, uint64_t tag);
};

struct pri_group {
	uint64_t tag;	/* since the first of its requests; 0: there is none */
	uint32_t nr;	/* requests outstanding */
	uint32_t flags; /* of the first: the form, and what it wants */
	pasid_t pasid;
	iova_t addr; /* of the first */
	/* With a timeout, once it waits: in pri->late, until this time of CLOCK_MONOTONIC. */
	TAILQ_ENTRY(pri_group) in_late;
	uint64_t deadline_ms;
	bool waits; /* the last one is sent */
	bool lost;  /* there was no memory for one of them */
};

struct pri {
	struct ioas_device *dev; /* constant */
	unsigned room;		 /* constant: how many may be outstanding */
	pthread_mutex_t serving;
	const struct pri_server *server; /* (serving) NULL: nobody */
	void *server_arg;		 /* (serving) */
	pthread_mutex_t lock;		 /* protects the rest */
	pthread_cond_t quiet;		 /* `calling` fell */
	const struct ioas_pri_ops *ops;
	void *arg;
	unsigned calling; /* respond is being called */
	bool failed;
	uint64_t tag; /* of the newest group */
	/* What waits, the first to be late first: all have the same time. */
	TAILQ_HEAD(pri_late, pri_group) late;
	struct ioas_pri_stats stats;
	struct pri_group group[IOAS_PAGE_GROUPS];
};

/* Gives a device, which has ATS, page requests. Before anybody knows it. 0; -ENOMEM. */
int pri_add(struct ioas_device *dev, unsigned room);
void pri_free(struct pri *pri); /* NULL is fine */

/* Who serves the device's requests from now on; NULL: nobody, and none is being taken. */
void pri_serve(struct ioas_device *dev, const struct pri_server *server, void *arg);
/*
 * A group that a server took has its answer; one that is not there any more (a reset, a timeout)
 * gets none. No locks held but the caller's own.
 */
void pri_answer(struct ioas_device *dev, uint64_t tag, uint32_t group, enum ioas_page_code code);
/* The device has been reset, or (`failed` false again) attached: what it sent is forgotten. */
void pri_reset(struct ioas_device *dev);
void pri_enabled(struct ioas_device *dev);
/* Have requests failed, and are any outstanding? */
bool pri_failed(struct pri *pri, bool *outstanding);

#endif
