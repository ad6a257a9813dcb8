/* SPDX-License-Identifier: MIT */
/*
 * Description: page requests of two devices, with PASIDs and without, come, are read, answered,
 * given up and refused in any order, while attachments move between queues: what is read, who is
 * answered with what, which cookies there are and what a watcher is told is what a table says.
 */
#include "rig.h"
#include "tests/unit/rnd.h"
#include "util/why.h"

#define DEVICES 2
#define FORMS	3 /* without a PASID; PASIDs 1 and 2 */
#define QUEUES	2 /* page tables with these; the next one has none */
#define NONE	(-1)
#define GROUPS	400
#define RECORDS 6
#define COOKIES 512

enum state { FREE, INCOMPLETE, QUEUED, READ };

struct group {
	enum state state;
	unsigned device, form, queue;
	uint32_t grpid, cookie;
	uint64_t tag, born, place; /* the order of its attachment; of the queue */
	size_t nr;
	uint64_t addr[RECORDS];
};

struct answer {
	uint64_t tag;
	uint32_t grpid, code;
};

static struct twin {
	struct rig *r;
	struct kind_device kind;
	struct obj_device *device[DEVICES];
	struct obj_hwpt *hwpt[QUEUES + 1];
	struct obj_fault *fault[QUEUES];
	int at[DEVICES][FORMS];
	bool ready[QUEUES]; /* what the watcher was told last */
	struct group group[GROUPS];
	bool taken[QUEUES][COOKIES];
	uint32_t late[QUEUES][COOKIES];
	unsigned late_nr[QUEUES];
	uint64_t count;
	int64_t front; /* places before all others */
	struct answer want[GROUPS], got[GROUPS];
	unsigned want_nr, got_nr;
} t;

static uint64_t seed = 77;

static unsigned rnd(unsigned below)
{
	return (unsigned)(rnd_next(&seed) % below);
}

static int pasids_info(struct kind_device *dev, uint32_t type, struct kind_hw_info *out,
		       struct ioas_why *why)
{
	*out = (struct kind_hw_info){.max_pasid_lg2 = 2};
	return 0;
}

static const struct kind_ops pasids_ops = {
	.name = "pasids", .hw_info = pasids_info, .paging = toy_paging};

static void watch(void *arg, bool ready)
{
	*(bool *)arg = ready;
}

static void begin(struct rig *r)
{
	struct obj_hwpt_request request = {.flags = IOMMU_HWPT_ALLOC_PASID};

	memset(&t, 0, sizeof(t));
	memset(t.at, NONE, sizeof(t.at));
	t.r = r;
	t.kind = (struct kind_device){&pasids_ops, r->iommu};
	for (unsigned d = 0; d < DEVICES; d++)
		assert_int_equal(obj_device_bind(r->ctx, NULL, &t.kind, NULL, 0, &t.device[d]), 0);
	request.device = t.device[0];
	for (unsigned q = 0; q <= QUEUES; q++) {
		if (q < QUEUES) {
			assert_int_equal(obj_fault_alloc(r->ctx, &t.fault[q]), 0);
			obj_finalize(obj_of_fault(t.fault[q]));
			obj_fault_watch(t.fault[q], watch, &t.ready[q]);
		}
		pthread_mutex_lock(&r->ctx->lock);
		assert_int_equal(obj_hwpt_alloc_locked(r->ioas, &request, &t.hwpt[q], NULL), 0);
		if (q < QUEUES)
			obj_hwpt_set_fault_locked(t.hwpt[q], t.fault[q]);
		obj_finalize(&t.hwpt[q]->obj);
		pthread_mutex_unlock(&r->ctx->lock);
	}
}

/* The group of the lowest `born` (or, of a queue, `place`) that is like this, or NULL. */
static struct group *lowest(bool (*is)(const struct group *, const struct group *),
			    const struct group *like, bool by_place)
{
	struct group *found = NULL;

	for (struct group *g = t.group; g < t.group + GROUPS; g++)
		if (g->state != FREE && is(g, like) &&
		    (!found ||
		     (by_place ? (int64_t)(g->place - found->place) < 0 : g->born < found->born)))
			found = g;
	return found;
}

static bool of_form(const struct group *g, const struct group *like)
{
	return g->device == like->device && g->form == like->form;
}

static bool is_begun(const struct group *g, const struct group *like)
{
	return g->state == INCOMPLETE && of_form(g, like) && g->grpid == like->grpid;
}

static bool is_complete(const struct group *g, const struct group *like)
{
	return g->state != INCOMPLETE && of_form(g, like) && g->grpid == like->grpid &&
	       g->tag == like->tag;
}

static bool is_queued(const struct group *g, const struct group *like)
{
	return g->state == QUEUED && g->queue == like->queue;
}

static bool has_cookie(const struct group *g, const struct group *like)
{
	return g->state == READ && g->queue == like->queue && g->cookie == like->cookie;
}

static struct group *first_of(unsigned q)
{
	return lowest(is_queued, &(struct group){.queue = q}, true);
}

static void answered(const struct group *g, uint32_t code)
{
	assert_true(t.want_nr < GROUPS);
	t.want[t.want_nr++] = (struct answer){g->tag, g->grpid, code};
}

static void respond(void *arg, uint64_t tag, uint32_t grpid, uint32_t code)
{
	assert_ptr_equal(arg, &t);
	assert_true(t.got_nr < GROUPS);
	t.got[t.got_nr++] = (struct answer){tag, grpid, code};
}

static void leave(struct group *g)
{
	if (g->state == READ)
		t.taken[g->queue][g->cookie] = false;
	g->state = FREE;
}

static struct group *group_for(const struct group *like)
{
	struct group *g = lowest(is_begun, like, false);

	if (g)
		return g;
	for (g = t.group; g->state != FREE;)
		assert_true(++g < t.group + GROUPS);
	*g = *like;
	g->state = INCOMPLETE;
	g->born = ++t.count;
	return g;
}

static void send(unsigned d, unsigned form)
{
	struct obj_page_request request = {.grpid = rnd(3),
					   .perm = rnd(4),
					   .addr = rnd(1000) * PAGE,
					   .last = !rnd(2),
					   .tag = rnd(3)};
	struct group like = {.device = d, .form = form, .grpid = request.grpid, .tag = request.tag};
	struct group *g;
	int q = t.at[d][form];
	bool take = rnd(2);
	int rc;

	if (q == NONE || q == QUEUES) {
		if (!take && request.last)
			answered(&like, IOMMUFD_PAGE_RESP_INVALID);
	} else {
		like.queue = (unsigned)q;
		g = group_for(&like);
		request.tag += g->nr == RECORDS && g->tag == request.tag;
		if (g->tag != request.tag)
			g->nr = 0;
		g->tag = request.tag;
		g->addr[g->nr++] = request.addr;
		if (request.last) {
			g->state = QUEUED;
			g->place = ++t.count;
		}
	}
	rc = (take ? obj_fault_take : obj_fault_report)(t.device[d], form, form, &request, respond,
							&t);
	assert_int_equal(rc, take && (q == NONE || q == QUEUES));
}

static uint32_t lowest_cookie(unsigned q)
{
	for (uint32_t c = 1; c < COOKIES; c++)
		if (!t.taken[q][c])
			return c;
	fail();
	return 0;
}

static void same_records(const struct group *g, const struct obj_fault_group *group)
{
	const struct iommu_hwpt_pgfault *record;
	size_t nr;

	record = obj_fault_records(group, &nr);
	assert_int_equal(nr, g->nr);
	for (size_t i = 0; i < nr; i++) {
		assert_int_equal(record[i].addr, g->addr[i]);
		assert_int_equal(record[i].grpid, g->grpid);
		assert_int_equal(record[i].cookie, g->cookie);
		assert_int_equal(record[i].pasid, g->form);
		assert_int_equal(record[i].dev_id, t.device[g->device]->obj.id);
		assert_int_equal(record[i].flags,
				 (g->form ? IOMMU_PGFAULT_FLAGS_PASID_VALID : 0) |
					 (i == nr - 1 ? IOMMU_PGFAULT_FLAGS_LAST_PAGE : 0));
	}
}

static void answer_any(unsigned q);
static void move_any(void);

/* Meanwhile all kinds of things happen to it. */
static void read_one(unsigned q)
{
	struct group *g = first_of(q);
	struct obj_fault_group *group;
	uint64_t born;
	bool taken = rnd(3);

	if (!g) {
		assert_int_equal(obj_fault_read(t.fault[q], RECORDS, &group), 0);
		return;
	}
	if (g->nr > 1 && !rnd(3)) {
		assert_int_equal(obj_fault_read(t.fault[q], g->nr - 1, &group), -EINVAL);
		return;
	}
	g->cookie = lowest_cookie(q);
	g->state = READ;
	t.taken[q][g->cookie] = true;
	born = g->born;
	assert_int_equal(obj_fault_read(t.fault[q], g->nr, &group), 1);
	same_records(g, group);
	if (!rnd(3))
		answer_any(q);
	if (!rnd(5))
		move_any();
	obj_fault_read_end(t.fault[q], group, taken);
	if (!taken && g->state == READ && g->born == born) {
		t.taken[q][g->cookie] = false;
		g->state = QUEUED;
		g->place = (uint64_t)--t.front;
	}
}

static void end_late(unsigned q, unsigned at)
{
	t.taken[q][t.late[q][at]] = false;
	t.late_nr[q]--;
	memmove(&t.late[q][at], &t.late[q][at + 1], (t.late_nr[q] - at) * sizeof(t.late[q][0]));
}

static void answer_any(unsigned q)
{
	struct group like = {.queue = q, .cookie = rnd(rnd(2) ? 8 : 80)}, *g;
	uint32_t code = rnd(8) ? IOMMUFD_PAGE_RESP_SUCCESS : IOMMUFD_PAGE_RESP_INVALID;

	if (!rnd(10)) {
		assert_int_equal(obj_fault_respond(t.fault[q], like.cookie, 2), -EINVAL);
		return;
	}
	g = lowest(has_cookie, &like, false);
	if (g) {
		answered(g, code);
		leave(g);
	}
	for (unsigned i = 0; !g && i < t.late_nr[q]; i++)
		if (t.late[q][i] == like.cookie)
			end_late(q, i--);
	assert_int_equal(obj_fault_respond(t.fault[q], like.cookie, code), g ? 0 : -EINVAL);
}

/* The sender gives one up: what was read keeps its cookie for a while. */
static void drop_one(unsigned d, unsigned form)
{
	struct group like = {.device = d, .form = form, .grpid = rnd(3), .tag = rnd(5)}, *g;

	g = lowest(is_complete, &like, false);
	if (g && g->state == READ) {
		if (t.late_nr[g->queue] == OBJ_FAULT_LATE)
			end_late(g->queue, 0);
		t.late[g->queue][t.late_nr[g->queue]++] = g->cookie;
		g->state = FREE;
	} else if (g) {
		leave(g);
	}
	assert_int_equal(obj_fault_drop(t.device[d], form, form, like.grpid, like.tag), g != NULL);
}

static void refused(unsigned d, unsigned form)
{
	struct group like = {.device = d, .form = form}, *g;

	while ((g = lowest(of_form, &like, false))) {
		if (g->state != INCOMPLETE)
			answered(g, IOMMUFD_PAGE_RESP_INVALID);
		leave(g);
	}
}

static void move_any(void)
{
	unsigned d = rnd(DEVICES), form = rnd(FORMS), to = rnd(QUEUES + 2);
	uint32_t id;

	if (to <= QUEUES && t.at[d][form] == (int)to)
		return;
	refused(d, form);
	if (to > QUEUES) {
		if (form)
			obj_device_detach_pasid(t.device[d], form);
		else
			obj_device_detach(t.device[d]);
		t.at[d][form] = NONE;
		return;
	}
	id = t.hwpt[to]->obj.id;
	t.at[d][form] = (int)to;
	assert_int_equal(
		form ? obj_device_attach_pasid(t.device[d], form, OBJ_ATTACH_OR_REPLACE, &id, NULL)
		     : obj_device_attach(t.device[d], &id, NULL),
		0);
}

static void check_all(void)
{
	assert_int_equal(t.got_nr, t.want_nr);
	for (unsigned i = 0; i < t.got_nr; i++) {
		assert_int_equal(t.got[i].tag, t.want[i].tag);
		assert_int_equal(t.got[i].grpid, t.want[i].grpid);
		assert_int_equal(t.got[i].code, t.want[i].code);
	}
	t.got_nr = t.want_nr = 0;
	for (unsigned q = 0; q < QUEUES; q++)
		assert_int_equal(t.ready[q], first_of(q) != NULL);
}

static void step(void)
{
	unsigned d = rnd(DEVICES), form = rnd(FORMS);

	switch (rnd(16)) {
	case 0:
		if (!rnd(4))
			move_any();
		break;
	case 1:
	case 2:
		answer_any(rnd(QUEUES));
		break;
	case 3:
	case 4:
	case 5:
		read_one(rnd(QUEUES));
		break;
	case 6:
	case 7:
	case 8:
		drop_one(d, form);
		break;
	default:
		send(d, form);
	}
	check_all();
}

static void any_order_is_what_a_table_says(void **state)
{
	begin(*state);
	for (unsigned i = 0; i < 30000; i++) {
		step();
		/* Now and then nothing waits any more. */
		if (i % 500 == 0)
			for (unsigned d = 0; d < DEVICES; d++)
				for (unsigned form = 0; form < FORMS; form++)
					while (t.at[d][form] != NONE)
						move_any(), check_all();
	}
	for (unsigned d = 0; d < DEVICES; d++) {
		for (unsigned form = 0; form < FORMS; form++)
			refused(d, form);
		obj_device_unbind(t.device[d]);
	}
	/* Attachments end one after the other, PASIDs first. */
	assert_int_equal(t.got_nr, t.want_nr);
	for (unsigned q = 0; q <= QUEUES; q++)
		assert_int_equal(destroy(t.r, &t.hwpt[q]->obj), 0);
	for (unsigned q = 0; q < QUEUES; q++)
		assert_int_equal(destroy(t.r, obj_of_fault(t.fault[q])), 0);
}

/* Who watches no more is told nothing. */
static void a_watcher_is_told_as_long_as_it_watches(void **state)
{
	const struct obj_page_request request = {.last = true};

	uint32_t id;

	begin(*state);
	id = t.hwpt[0]->obj.id;
	assert_int_equal(obj_device_attach(t.device[0], &id, NULL), 0);
	assert_int_equal(obj_fault_report(t.device[0], false, 0, &request, NULL, NULL), 0);
	assert_true(t.ready[0]);
	assert_false(t.ready[1]);
	obj_fault_watch(t.fault[0], watch, &t.ready[1]);
	assert_int_equal(obj_fault_report(t.device[0], false, 0, &request, NULL, NULL), 0);
	assert_true(t.ready[1]);
	obj_fault_watch(t.fault[0], NULL, NULL);
	obj_device_detach(t.device[0]);
	assert_true(t.ready[0]);
	assert_true(t.ready[1]);
	for (unsigned d = 0; d < DEVICES; d++)
		obj_device_unbind(t.device[d]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(any_order_is_what_a_table_says),
		T(a_watcher_is_told_as_long_as_it_watches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
