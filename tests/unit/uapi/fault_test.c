/* SPDX-License-Identifier: MIT */
/* Description: page requests: how groups are queued, read, answered, and refused. */
#include <pthread.h>
#include "kinds.h"

#define FAULT IOMMU_HWPT_FAULT_ID_VALID
#define PASID IOMMU_HWPT_ALLOC_PASID
#define NEST  IOMMU_HWPT_ALLOC_NEST_PARENT
#define REC   sizeof(struct iommu_hwpt_pgfault)

struct set {
	struct world *w;
	int fd, queue;
	uint32_t fault, ioas;
	struct test_kind kind;
	struct obj_device *dev;
};

static void begin(struct set *s, void **state)
{
	s->w = *state;
	s->fd = w_open(s->w, "/dev/iommu");
	s->ioas = w_ioas(s->w, s->fd);
	s->fault = kinds_fault(s->w, s->fd, &s->queue);
	kinds_init(&s->kind, s->w);
	s->dev = kinds_bind(s->w, s->fd, &s->kind);
}

static uint32_t hwpt(struct set *s, uint32_t flags)
{
	long id = kinds_hwpt(s->w, s->fd, s->dev->obj.id, s->ioas, flags, NULL, s->fault);

	assert_true(id > 0);
	return (uint32_t)id;
}

static void attach(struct set *s, uint32_t id)
{
	assert_int_equal(obj_device_attach(s->dev, &id, NULL), 0);
}

struct answers {
	_Atomic unsigned nr[2];
};

/* Whoever is answered may call into the context: no lock is held. */
static void answered(void *arg, uint64_t tag, uint32_t grpid, uint32_t code)
{
	atomic_fetch_add(&((struct answers *)arg)->nr[code], 1);
}

static void say_tagged(struct set *s, uint32_t grpid, bool last, uint64_t tag, struct answers *to)
{
	struct obj_page_request request = {
		.grpid = grpid, .perm = 1, .addr = 0x1000 * grpid, .last = last, .tag = tag};

	assert_int_equal(obj_fault_report(s->dev, false, 0, &request, answered, to), 0);
}

static void say(struct set *s, uint32_t grpid, bool last, struct answers *to)
{
	say_tagged(s, grpid, last, 0, to);
}

static ssize_t get(struct set *s, void *buf, size_t nr)
{
	return ioas_file_pread(s->w->file[s->queue - FILE_BASE], &s->w->caller, (uintptr_t)buf,
			       nr * REC, 0);
}

static ssize_t put(struct set *s, const void *buf, size_t nr)
{
	return ioas_file_pwrite(s->w->file[s->queue - FILE_BASE], &s->w->caller, (uintptr_t)buf,
				nr * 8, 0);
}

static void groups_are_read_whole(void **state)
{
	struct set s;
	struct answers a = {0};
	struct iommu_hwpt_pgfault r[4];
	struct ioas_file *file;

	begin(&s, state);
	file = s.w->file[s.queue - FILE_BASE];
	attach(&s, hwpt(&s, FAULT));
	assert_int_equal(get(&s, r, 4), 0);
	say(&s, 7, false, &a);
	say(&s, 8, false, &a);
	assert_int_equal(get(&s, r, 4), 0);
	say(&s, 8, true, &a);
	say(&s, 7, false, &a);
	say(&s, 7, true, &a);
	assert_int_equal(ioas_file_pread(file, &s.w->caller, (uintptr_t)r, 39, 0), -ESPIPE);
	assert_int_equal(ioas_file_pread(file, &s.w->caller, (uintptr_t)r, REC, 1), -ESPIPE);
	assert_int_equal(get(&s, r, 1), -EINVAL);
	assert_int_equal(get(&s, r, 0), -EINVAL);
	assert_int_equal(get(&s, w_wild(s.w), 2), -EFAULT);
	assert_int_equal(get(&s, r, 4), 2 * (ssize_t)REC);
	assert_int_equal(r[0].grpid, 8);
	assert_int_equal(r[0].flags, 0);
	assert_int_equal(r[1].flags, IOMMU_PGFAULT_FLAGS_LAST_PAGE);
	assert_int_equal(r[0].cookie, 1);
	assert_int_equal(r[1].cookie, 1);
	assert_int_equal(r[1].dev_id, s.dev->obj.id);
	assert_int_equal(r[1].addr, 0x8000);
	assert_int_equal(get(&s, r, 3), 3 * (ssize_t)REC);
	assert_int_equal(r[2].grpid, 7);
	assert_int_equal(r[2].cookie, 2);
	obj_device_unbind(s.dev);
	assert_int_equal(a.nr[IOMMUFD_PAGE_RESP_INVALID], 2);
}

/* A device that was reset in the middle of a group knows nothing of it, and uses its number. */
static void a_part_from_before_is_no_part(void **state)
{
	struct set s;
	struct answers a = {0};
	struct iommu_hwpt_pgfault r[4];

	begin(&s, state);
	attach(&s, hwpt(&s, FAULT));
	say_tagged(&s, 5, false, 1, &a);
	say_tagged(&s, 5, false, 1, &a);
	say_tagged(&s, 5, false, 2, &a);
	say_tagged(&s, 5, true, 2, &a);
	assert_int_equal(get(&s, r, 4), 2 * (ssize_t)REC);
	assert_int_equal(r[1].flags, IOMMU_PGFAULT_FLAGS_LAST_PAGE);
	obj_device_unbind(s.dev);
	assert_int_equal(a.nr[IOMMUFD_PAGE_RESP_INVALID], 1);
}

static void answers_go_by_cookie(void **state)
{
	struct set s;
	struct answers a = {0};
	struct iommu_hwpt_pgfault r[2];
	struct iommu_hwpt_page_response w[3] = {{1, 0}, {2, 1}, {1, 0}};
	struct ioas_file *file;

	begin(&s, state);
	file = s.w->file[s.queue - FILE_BASE];
	attach(&s, hwpt(&s, FAULT));
	say(&s, 1, true, &a);
	say(&s, 2, true, &a);
	assert_int_equal(put(&s, w, 1), -EINVAL);
	assert_int_equal(get(&s, r, 2), 2 * (ssize_t)REC);
	assert_int_equal(ioas_file_pwrite(file, &s.w->caller, (uintptr_t)w, 7, 0), -ESPIPE);
	assert_int_equal(ioas_file_pwrite(file, &s.w->caller, (uintptr_t)w, 8, 8), -ESPIPE);
	assert_int_equal(put(&s, w_wild(s.w), 1), -EFAULT);
	assert_int_equal(put(&s, &(struct iommu_hwpt_page_response){1, 2}, 1), -EINVAL);
	assert_int_equal(put(&s, &(struct iommu_hwpt_page_response){0, 0}, 1), -EINVAL);
	assert_int_equal(put(&s, w, 3), 16);
	assert_int_equal(a.nr[0], 1);
	assert_int_equal(a.nr[1], 1);
	assert_int_equal(put(&s, w, 1), -EINVAL);
	assert_int_equal(put(&s, w, 0), 0);
	obj_device_unbind(s.dev);
	assert_int_equal(a.nr[0] + a.nr[1], 2);
}

static ssize_t respond(struct set *s, uint32_t cookie)
{
	const struct iommu_hwpt_page_response one = {cookie, IOMMUFD_PAGE_RESP_SUCCESS};

	return put(s, &one, 1);
}

/* A group of that number is read, and then its time is over. Its cookie. */
static uint32_t let_expire(struct set *s, uint32_t grpid, struct answers *to)
{
	struct iommu_hwpt_pgfault r;

	say(s, grpid, true, to);
	assert_int_equal(get(s, &r, 1), REC);
	assert_true(obj_fault_drop(s->dev, false, 0, grpid, 0));
	assert_false(obj_fault_drop(s->dev, false, 0, grpid, 0));
	return r.cookie;
}

/* An answer that comes too late meets nobody: not the group that is read next, either. */
static void a_late_answer_is_nobodys(void **state)
{
	struct set s;
	struct answers a = {0};
	struct iommu_hwpt_pgfault r;
	uint32_t late[OBJ_FAULT_LATE + 1];

	begin(&s, state);
	attach(&s, hwpt(&s, FAULT));
	late[0] = let_expire(&s, 1, &a);
	say(&s, 2, true, &a);
	assert_int_equal(get(&s, &r, 1), REC);
	assert_int_not_equal(r.cookie, late[0]);
	assert_int_equal(respond(&s, late[0]), -EINVAL);
	assert_int_equal(a.nr[IOMMUFD_PAGE_RESP_SUCCESS], 0);
	assert_int_equal(respond(&s, r.cookie), 8);
	assert_int_equal(a.nr[IOMMUFD_PAGE_RESP_SUCCESS], 1);
	/* Once it has come, the number is as good as any. */
	say(&s, 2, true, &a);
	assert_int_equal(get(&s, &r, 1), REC);
	assert_int_equal(r.cookie, late[0]);
	assert_int_equal(respond(&s, r.cookie), 8);
	/* Of answers that never come only the newest are waited for. */
	for (unsigned i = 0; i < OBJ_FAULT_LATE; i++) {
		late[i] = let_expire(&s, 3, &a);
		assert_int_equal(late[i], i + 1);
	}
	late[OBJ_FAULT_LATE] = let_expire(&s, 3, &a);
	assert_int_equal(late[OBJ_FAULT_LATE], OBJ_FAULT_LATE + 1);
	assert_int_equal(let_expire(&s, 3, &a), late[0]);
	assert_int_equal(respond(&s, late[OBJ_FAULT_LATE]), -EINVAL);
	/* What was not read has no cookie. */
	say(&s, 4, true, &a);
	assert_true(obj_fault_drop(s.dev, false, 0, 4, 0));
	assert_int_equal(get(&s, &r, 1), 0);
	assert_int_equal(a.nr[IOMMUFD_PAGE_RESP_SUCCESS], 2);
	obj_device_unbind(s.dev);
	assert_int_equal(a.nr[IOMMUFD_PAGE_RESP_INVALID], 0);
}

static void what_has_no_answer_is_refused_when_its_attachment_ends(void **state)
{
	struct set s;
	struct answers a = {0};
	struct iommu_hwpt_pgfault r[2];
	struct iommu_hwpt_page_response w = {1, 0};
	uint32_t first, next;

	begin(&s, state);
	first = hwpt(&s, FAULT);
	next = hwpt(&s, FAULT);
	attach(&s, first);
	say(&s, 1, true, &a);
	say(&s, 2, true, &a);
	say(&s, 3, false, &a);
	assert_int_equal(get(&s, r, 1), (ssize_t)REC);
	attach(&s, next);
	assert_int_equal(a.nr[IOMMUFD_PAGE_RESP_INVALID], 2);
	assert_int_equal(put(&s, &w, 1), -EINVAL);
	assert_int_equal(get(&s, r, 2), 0);
	/* The first part of group 3 went with the old attachment. */
	say(&s, 3, true, &a);
	assert_int_equal(get(&s, r, 2), (ssize_t)REC);
	obj_device_detach(s.dev);
	assert_int_equal(a.nr[IOMMUFD_PAGE_RESP_INVALID], 3);
	say(&s, 4, true, &a);
	assert_int_equal(a.nr[IOMMUFD_PAGE_RESP_INVALID], 4);
	obj_device_unbind(s.dev);
}

static void requests_with_a_pasid_go_where_it_is_attached(void **state)
{
	struct set s;
	struct answers a = {0};
	struct iommu_hwpt_pgfault r[2];
	struct obj_page_request request = {.grpid = 1, .last = true};
	uint64_t word = 1;
	uint32_t with, parent;
	long nested;

	begin(&s, state);
	with = hwpt(&s, FAULT | PASID);
	assert_int_equal(obj_device_attach_pasid(s.dev, 3, OBJ_ATTACH, &with, NULL), 0);
	assert_int_equal(obj_fault_report(s.dev, true, 3, &request, answered, &a), 0);
	assert_int_equal(get(&s, r, 2), (ssize_t)REC);
	assert_int_equal(r[0].pasid, 3);
	assert_int_equal(r[0].flags,
			 IOMMU_PGFAULT_FLAGS_PASID_VALID | IOMMU_PGFAULT_FLAGS_LAST_PAGE);
	assert_int_equal(obj_fault_report(s.dev, true, 4, &request, answered, &a), 0);
	assert_int_equal(a.nr[IOMMUFD_PAGE_RESP_INVALID], 1);
	obj_device_detach_pasid(s.dev, 3);
	assert_int_equal(a.nr[IOMMUFD_PAGE_RESP_INVALID], 2);
	/* Below a nested page table the PASIDs are the program's own. */
	parent = hwpt(&s, NEST);
	nested = kinds_hwpt(s.w, s.fd, s.dev->obj.id, parent, FAULT, &word, s.fault);
	assert_true(nested > 0);
	attach(&s, (uint32_t)nested);
	assert_int_equal(obj_fault_report(s.dev, true, 4, &request, answered, &a), 0);
	assert_int_equal(get(&s, r, 2), (ssize_t)REC);
	assert_int_equal(r[0].pasid, 4);
	obj_device_unbind(s.dev);
}

static void a_queue_lives_as_long_as_its_descriptor(void **state)
{
	struct set s;
	struct answers a = {0};
	struct iommu_fault_alloc bad = {.size = sizeof(bad), .flags = 1};
	const struct iommu_fault_alloc *rodata;
	uint32_t id;

	begin(&s, state);
	assert_int_equal(w_ioctl(s.w, s.fd, IOMMU_FAULT_QUEUE_ALLOC, &bad), -EOPNOTSUPP);
	rodata = w_wild(s.w);
	assert_int_equal(w_ioctl(s.w, s.fd, IOMMU_FAULT_QUEUE_ALLOC, rodata), -EFAULT);
	assert_int_equal(w_ioctl(s.w, s.queue, IOMMU_DESTROY, &bad), -ENOTTY);
	assert_int_equal(kinds_destroy(s.w, s.fd, s.fault), -EBUSY);
	id = hwpt(&s, FAULT);
	attach(&s, id);
	say(&s, 1, true, &a);
	w_close(s.w, s.queue);
	assert_int_equal(kinds_destroy(s.w, s.fd, s.fault), -EBUSY);
	obj_device_detach(s.dev);
	assert_int_equal(kinds_destroy(s.w, s.fd, id), 0);
	assert_int_equal(kinds_destroy(s.w, s.fd, s.fault), 0);
	s.fault = kinds_fault(s.w, s.fd, &s.queue);
	obj_device_unbind(s.dev);
	/* The descriptor keeps the context. */
	w_close(s.w, s.fd);
	assert_int_equal(get(&s, &bad, 0), 0);
}

static void a_queue_that_cannot_be_made_leaves_nothing(void **state)
{
	struct set s;
	struct iommu_fault_alloc cmd = {.size = sizeof(cmd)};
	uint32_t before;
	unsigned nth = 1;
	long rc;

	begin(&s, state);
	before = s.dev->obj.ctx->ids_nr;
	do {
		inject_arm(nth++);
		rc = w_ioctl(s.w, s.fd, IOMMU_FAULT_QUEUE_ALLOC, &cmd);
		inject_arm(0);
		assert_int_equal(s.dev->obj.ctx->ids_nr, before + !rc);
	} while (rc);
	assert_true(nth > 3);
	obj_device_unbind(s.dev);
}

static void a_group_without_memory_is_dropped_whole(void **state)
{
	struct set s;
	struct answers a = {0};
	struct iommu_hwpt_pgfault r[4];
	struct obj_page_request request = {.grpid = 5};
	int rc = -1;

	begin(&s, state);
	attach(&s, hwpt(&s, FAULT));
	for (unsigned nth = 1; rc; nth++) {
		request.last = false;
		inject_arm(nth);
		rc = obj_fault_report(s.dev, false, 0, &request, answered, &a);
		request.last = true;
		if (!rc)
			rc = obj_fault_report(s.dev, false, 0, &request, answered, &a);
		inject_arm(0);
		assert_true(rc == 0 || rc == -ENOMEM);
		assert_int_equal(get(&s, r, 4), rc ? 0 : 2 * (ssize_t)REC);
	}
	obj_device_unbind(s.dev);
	assert_int_equal(a.nr[IOMMUFD_PAGE_RESP_INVALID], 1);
}

#define ROUNDS 3000u

struct crowd {
	struct set s;
	struct answers answers;
	_Atomic bool done;
};

static void *reports(void *arg)
{
	struct crowd *c = arg;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		say(&c->s, i, false, &c->answers);
		say(&c->s, i, true, &c->answers);
	}
	atomic_store(&c->done, true);
	return NULL;
}

static void *reads(void *arg)
{
	struct crowd *c = arg;
	struct iommu_hwpt_pgfault r[6];

	while (!atomic_load(&c->done)) {
		ssize_t len = get(&c->s, r, 6);

		assert_true(len >= 0);
		for (size_t i = 0; i < (size_t)len / REC; i++) {
			struct iommu_hwpt_page_response w = {r[i].cookie, 0};

			if (r[i].flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE)
				put(&c->s, &w, 1);
		}
	}
	return NULL;
}

static void every_group_is_answered_once_among_threads(void **state)
{
	struct crowd c = {0};
	pthread_t thread[3];
	uint32_t id;

	begin(&c.s, state);
	id = hwpt(&c.s, FAULT);
	attach(&c.s, id);
	pthread_create(&thread[0], NULL, reports, &c);
	pthread_create(&thread[1], NULL, reads, &c);
	pthread_create(&thread[2], NULL, reads, &c);
	while (!atomic_load(&c.done)) {
		obj_device_detach(c.s.dev);
		attach(&c.s, id);
	}
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	obj_device_unbind(c.s.dev);
	assert_int_equal(c.answers.nr[0] + c.answers.nr[1], ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
		T(groups_are_read_whole),
		T(a_part_from_before_is_no_part),
		T(answers_go_by_cookie),
		T(a_late_answer_is_nobodys),
		T(what_has_no_answer_is_refused_when_its_attachment_ends),
		T(requests_with_a_pasid_go_where_it_is_attached),
		T(a_queue_lives_as_long_as_its_descriptor),
		T(a_queue_that_cannot_be_made_leaves_nothing),
		T(a_group_without_memory_is_dropped_whole),
		T(every_group_is_answered_once_among_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
