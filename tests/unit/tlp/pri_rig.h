/* SPDX-License-Identifier: MIT */
/*
 * A device with page requests on the machine of ats_rig.h, a model that notes the answers, and a
 * server that notes the requests. For one test program each.
 */
#ifndef TESTS_PRI_RIG_H
#define TESTS_PRI_RIG_H

#include <unistd.h>
#include <ioas/pri.h>
#include "tests/unit/tlp/ats_rig.h"
#include "tlp/pri.h"
#include "util/lock.h"

/* What the model heard, and who serves it. */
static struct {
	_Atomic unsigned nr; /* by any thread */
	_Atomic uint16_t group;
	_Atomic uint32_t code; /* enum ioas_page_code */
} heard;

static struct {
	int rc;
	unsigned nr;
	struct ioas_page_request last;
	uint64_t tag;
	bool keeps; /* it has no group to drop any more */
	unsigned dropped;
	struct ioas_page_request drop;
	uint64_t drop_tag;
	_Atomic uint64_t of[IOAS_PAGE_GROUPS]; /* tags of groups that are there whole */
} served;

static void respond(void *arg, uint16_t group, enum ioas_page_code code)
{
	assert_ptr_equal(arg, &heard);
	heard.group = group;
	heard.code = code;
	atomic_fetch_add(&heard.nr, 1);
}

static int take(void *arg, const struct ioas_page_request *request, uint64_t tag)
{
	assert_ptr_equal(arg, &served);
	lock_must_hold(&dev->pri->serving);
	served.nr++;
	served.last = *request;
	served.tag = tag;
	if (request->flags & IOAS_PAGE_LAST)
		served.of[request->group] = tag;
	return served.rc;
}

static const struct ioas_pri_ops ops = {.respond = respond};
static bool drop(void *arg, const struct ioas_page_request *of, uint64_t tag)
{
	lock_must_hold(&dev->pri->serving);
	served.dropped += !served.keeps;
	served.drop = *of;
	served.drop_tag = tag;
	return !served.keeps;
}

static const struct pri_server server = {.take = take, .drop = drop};

static int start_with(unsigned timeout_ms)
{
	const struct ioas_iommu_config config = {.pri_timeout_ms = timeout_ms};

	memset(&heard, 0, sizeof(heard));
	memset(&served, 0, sizeof(served));
	rig_start(&config);
	assert_int_equal(ioas_pri_open(dev, &ops, &heard), 0);
	assert_int_equal(ioas_device_attach(dev, space, NULL), 0);
	pri_serve(dev, &server, &served);
	return 0;
}

static inline int start(void **state)
{
	return start_with(0);
}

static int stop(void **state)
{
	pri_serve(dev, NULL, NULL);
	ioas_pri_close(dev);
	rig_stop();
	return 0;
}

static inline int ask(uint16_t group, bool last)
{
	struct ioas_page_request request = {
		.addr = BASE + group * PAGE,
		.flags = IOAS_PAGE_READ | (last ? IOAS_PAGE_LAST : 0),
		.group = group,
	};

	return ioas_page_request(dev, &request);
}

static struct ioas_pri_stats stats(void)
{
	struct ioas_pri_stats out;

	ioas_pri_stats(dev, &out);
	return out;
}

#endif
