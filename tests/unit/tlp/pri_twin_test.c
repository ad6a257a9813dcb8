/* SPDX-License-Identifier: MIT */
/*
 * Description: page requests against a table of groups: requests of all forms, good and bad,
 * answers in time, twice and too late, by who takes them as well, with a clock that the test moves;
 * while the model, the server, the route and bus mastering come and go. Every result, every call
 * and every count has to be the same.
 */
#include <time.h>
#include "tests/unit/rnd.h"
#include "tests/unit/tlp/pri_rig.h"

#define TIMEOUT 20u /* ms */
#define STEPS	8000u
#define TAGS	8u /* that answers are made up of */

static uint64_t clock_ns = 5000999999;

int __wrap_clock_gettime(clockid_t clock, struct timespec *out);

int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
	out->tv_sec = (time_t)(clock_ns / 1000000000);
	out->tv_nsec = (long)(clock_ns % 1000000000);
	return 0;
}

/* Small numbers from a generator that is the same everywhere. */
static unsigned below(unsigned n)
{
	static uint64_t x = 88172645463325252;

	return (unsigned)(rnd_next(&x) >> 20) % n;
}

static const uint16_t numbers[] = {0, 1, 7, 64, IOAS_PAGE_GROUPS - 2, IOAS_PAGE_GROUPS - 1};

#define GROUPS (sizeof(numbers) / sizeof(numbers[0]))

/* ---- the twin ---- */

static struct group {
	unsigned nr;
	struct ioas_page_request first;
	uint64_t tag;
	uint64_t late_ms; /* 0: its time does not run */
	bool waits, lost;
} groups[GROUPS];

static struct ioas_pri_stats counts;
static unsigned responses, takes, drops;
static bool opened, is_served, attached, master, failed;
static uint64_t newest_tag, records;
static struct {
	unsigned group; /* its place in `numbers` */
	uint64_t tag;
} known[TAGS];

/* Who serves answers at once what it takes. */
static bool at_once;

static int twin_take(void *arg, const struct ioas_page_request *request, uint64_t tag)
{
	int rc = take(arg, request, tag);

	if (!rc && at_once && request->flags & IOAS_PAGE_LAST)
		pri_answer(dev, tag, request->group, IOAS_PAGE_SUCCESS);
	return rc;
}

static const struct pri_server twin_server = {.take = twin_take, .drop = drop};

static void answered(struct group *g, enum ioas_page_code code, bool by_server)
{
	counts.success += code == IOAS_PAGE_SUCCESS;
	counts.invalid += code == IOAS_PAGE_INVALID;
	counts.failure += code == IOAS_PAGE_FAILURE;
	counts.unserved += code == IOAS_PAGE_INVALID && !by_server;
	counts.outstanding -= g->nr;
	failed |= code == IOAS_PAGE_FAILURE;
	responses += opened;
	assert_int_equal(heard.nr, responses);
	if (opened) {
		assert_int_equal(heard.group, numbers[g - groups]);
		assert_int_equal(heard.code, code);
	}
	*g = (struct group){0};
}

static int refusal(const struct ioas_page_request *request, const struct group *g)
{
	bool pasid = request->flags & IOAS_PAGE_PASID;

	if (!opened)
		return -EOPNOTSUPP;
	if (request->group >= IOAS_PAGE_GROUPS || (pasid && request->pasid > 0xfffff))
		return -EINVAL;
	if (!attached || !master)
		return -ENODEV;
	if (failed)
		return -EIO;
	if (g->waits)
		return -EBUSY;
	if (g->nr && (((g->first.flags ^ request->flags) & (IOAS_PAGE_PASID | IOAS_PAGE_PRIV)) ||
		      (pasid && g->first.pasid != request->pasid)))
		return -EINVAL;
	return counts.outstanding < ioas_page_room(dev) ? 0 : -EAGAIN;
}

static void expire(void);

static void request(void)
{
	static const pasid_t pasids[] = {0, 1, 0xfffff, 0x100000};
	struct group *g = &groups[below(GROUPS)];
	struct ioas_page_request r = {.addr = BASE + below(64) * PAGE,
				      .group = numbers[g - groups],
				      .flags = below(64),
				      .pasid = pasids[below(32) ? below(3) : 3]};
	bool taken;
	int rc;

	/* Most go on as the group began. */
	if (g->nr && below(8)) {
		r.flags = (g->first.flags & (IOAS_PAGE_PASID | IOAS_PAGE_PRIV)) | below(8);
		r.pasid = g->first.pasid;
		r.flags |= below(4) ? 0 : IOAS_PAGE_LAST;
	}
	if (!below(32))
		r.group = (uint16_t)(IOAS_PAGE_GROUPS + below(2) * 100);
	served.rc = below(8) ? 0 : below(3) ? 1 : -ENOMEM;
	at_once = !below(4);
	rc = refusal(&r, g);
	taken = !rc && !g->lost && is_served;
	assert_int_equal(ioas_page_request(dev, &r), rc);
	takes += taken;
	assert_int_equal(served.nr, takes);
	if (rc) {
		counts.refused++;
		return;
	}
	if (!g->nr++) {
		g->tag = ++newest_tag;
		g->first = r;
		known[newest_tag % TAGS].group = (unsigned)(g - groups);
		known[newest_tag % TAGS].tag = g->tag;
	}
	if (taken) {
		assert_memory_equal(&served.last, &r, sizeof(r));
		assert_int_equal(served.tag, g->tag);
	}
	counts.requests++;
	counts.outstanding++;
	if (!(r.flags & IOAS_PAGE_LAST)) {
		g->lost |= taken && served.rc < 0;
		return;
	}
	counts.groups++;
	g->waits = true;
	if (g->lost || (taken && served.rc < 0))
		answered(g, IOAS_PAGE_FAILURE, true);
	else if (!taken || served.rc)
		answered(g, IOAS_PAGE_INVALID, false);
	else if (at_once)
		answered(g, IOAS_PAGE_SUCCESS, true);
	else
		g->late_ms = clock_ns / 1000000 + TIMEOUT;
	/* No two are late at one time, so that each is seen. */
	clock_ns += 1000000;
	expire();
}

/* Of a group that was there lately; half of them by the number of another one. */
static void answer_some(void)
{
	enum ioas_page_code code = below(16) ? (enum ioas_page_code)below(2) : IOAS_PAGE_FAILURE;
	unsigned i = below(TAGS);
	struct group *g = &groups[below(4) ? known[i].group : below(GROUPS)];
	bool waits = g->waits && g->tag == known[i].tag;

	pri_answer(dev, known[i].tag, numbers[g - groups], code);
	if (waits)
		answered(g, code, true);
	assert_int_equal(heard.nr, responses);
}

static void same_record(const struct group *g)
{
	struct ioas_fault fault = rig_fault(++records);
	uint32_t flags = g->first.flags;

	assert_int_equal(fault.reason, IOAS_FAULT_PAGE_TIMEOUT);
	assert_int_equal(fault.addr, g->first.addr);
	assert_int_equal(fault.tlp.addr, g->first.addr);
	assert_int_equal(fault.tlp.len, PAGE);
	assert_int_equal(fault.tlp.op, flags & IOAS_PAGE_WRITE ? IOAS_TLP_WRITE : IOAS_TLP_READ);
	assert_int_equal(!!(fault.tlp.flags & IOAS_TLP_PASID), !!(flags & IOAS_PAGE_PASID));
	assert_int_equal(!!(fault.tlp.flags & IOAS_TLP_PRIV), !!(flags & IOAS_PAGE_PRIV));
	assert_int_equal(!!(fault.tlp.flags & IOAS_TLP_EXEC), !!(flags & IOAS_PAGE_EXEC));
	assert_int_equal(fault.tlp.pasid, g->first.pasid);
}

/* One is late at most. */
static void expire(void)
{
	uint64_t ms = clock_ns / 1000000, wait = 0;
	struct group *late = NULL;

	served.keeps = !below(4);
	for (unsigned i = 0; i < GROUPS; i++) {
		struct group *g = &groups[i];

		if (!g->late_ms)
			continue;
		if (g->late_ms <= ms)
			late = g;
		else if (!wait || g->late_ms - ms < wait)
			wait = g->late_ms - ms;
	}
	assert_int_equal(ioas_pri_expire(dev), wait);
	if (!late)
		return;
	late->late_ms = 0;
	if (!is_served)
		return;
	assert_int_equal(served.drop_tag, late->tag);
	assert_int_equal(served.drop.group, numbers[late - groups]);
	assert_int_equal(served.drop.flags, late->first.flags & (IOAS_PAGE_PASID | IOAS_PAGE_PRIV));
	assert_int_equal(served.drop.pasid, late->first.pasid);
	drops += !served.keeps;
	if (!served.keeps) {
		same_record(late);
		answered(late, IOAS_PAGE_INVALID, true);
	}
}

/* To where the next is late at most, which is dealt with before others are. */
static void pass_time(void)
{
	uint64_t until = clock_ns + below(8000000);

	for (unsigned i = 0; i < GROUPS; i++)
		if (groups[i].late_ms && groups[i].late_ms * 1000000 < until)
			until = groups[i].late_ms * 1000000;
	clock_ns = until;
	expire();
}

static void reset(void)
{
	for (unsigned i = 0; i < GROUPS; i++)
		counts.forgotten += groups[i].waits;
	memset(groups, 0, sizeof(groups));
	counts.outstanding = 0;
	failed = false;
	pri_reset(dev);
}

static void come_or_go(unsigned what)
{
	uint16_t command = PCI_CMD_MEMORY;

	if (what == 0) {
		if (opened)
			ioas_pri_close(dev);
		else
			assert_int_equal(ioas_pri_open(dev, &ops, &heard), 0);
		opened = !opened;
		if (opened)
			assert_int_equal(ioas_pri_open(dev, &ops, NULL), -EBUSY);
	} else if (what == 1) {
		is_served = !is_served;
		pri_serve(dev, is_served ? &twin_server : NULL, is_served ? &served : NULL);
	} else if (what == 2) {
		if (attached)
			ioas_device_detach(dev);
		else
			assert_int_equal(ioas_device_attach(dev, space, NULL), 0);
		attached = !attached;
		failed &= !attached;
	} else {
		master = !master;
		command |= master ? PCI_CMD_MASTER : 0;
		assert_int_equal(pci_config_write(pci, PCI_CFG_COMMAND, &command, 2), 2);
	}
}

static void what_becomes_of_requests_is_what_a_table_says(void **state)
{
	opened = attached = master = is_served = true;
	pri_serve(dev, &twin_server, &served);
	for (unsigned i = 0; i < STEPS; i++) {
		struct ioas_pri_stats got = stats();
		unsigned what = below(256);
		bool outstanding = !counts.outstanding;

		assert_memory_equal(&got, &counts, sizeof(got));
		assert_int_equal(pri_failed(dev->pri, &outstanding), failed);
		assert_int_equal(outstanding, counts.outstanding != 0);
		if (what < 150)
			request();
		else if (what < 200)
			answer_some();
		else if (what < 240)
			pass_time();
		else if (what < 242)
			reset();
		else if (what < 246)
			come_or_go(what - 242);
		else if (!(opened && attached && master && is_served))
			come_or_go(!opened ? 0 : !is_served ? 1 : !attached ? 2 : 3);
		assert_int_equal(served.nr, takes);
		assert_int_equal(served.dropped, drops);
		assert_int_equal(heard.nr, responses);
	}
	assert_true(drops > 20 && counts.forgotten > 20 && counts.failure > 20);
	if (opened)
		ioas_pri_close(dev);
}

static int start_twin(void **state)
{
	return start_with(TIMEOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_becomes_of_requests_is_what_a_table_says,
						start_twin, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
