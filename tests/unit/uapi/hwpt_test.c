/* SPDX-License-Identifier: MIT */
/* Description: page tables, nested ones too, and what may be attached to what. */
#include "kinds.h"
#include "space/space.h"

#define NEST  IOMMU_HWPT_ALLOC_NEST_PARENT
#define PASID IOMMU_HWPT_ALLOC_PASID
#define FAULT IOMMU_HWPT_FAULT_ID_VALID

struct set {
	struct world *w;
	int fd;
	struct test_kind kind, other;
	struct obj_device *dev, *second;
	uint32_t ioas;
};

static struct set begin(void **state)
{
	struct set s = {.w = *state};

	s.fd = w_open(s.w, "/dev/iommu");
	s.ioas = w_ioas(s.w, s.fd);
	return s;
}

static void bind(struct set *s)
{
	kinds_init(&s->kind, s->w);
	kinds_init(&s->other, s->w);
	s->dev = kinds_bind(s->w, s->fd, &s->kind);
	s->second = kinds_bind(s->w, s->fd, &s->other);
}

static void end(struct set *s)
{
	obj_device_unbind(s->dev);
	obj_device_unbind(s->second);
}

static uint32_t hwpt(struct set *s, uint32_t pt, uint32_t flags, const uint64_t *word)
{
	long id = kinds_hwpt(s->w, s->fd, s->dev->obj.id, pt, flags, word, 0);

	assert_true(id > 0);
	return (uint32_t)id;
}

static long refused(struct set *s, uint32_t pt, uint32_t flags, const uint64_t *word)
{
	return kinds_hwpt(s->w, s->fd, s->dev->obj.id, pt, flags, word, 99);
}

static int attach(struct obj_device *dev, uint32_t id)
{
	return obj_device_attach(dev, &id, NULL);
}

static int pasid(struct obj_device *dev, pasid_t nr, enum obj_attach_how how, uint32_t id)
{
	return obj_device_attach_pasid(dev, nr, how, &id, NULL);
}

static void nested_tables_hold_their_parent(void **state)
{
	struct set s = begin(state);
	uint64_t word = 7;
	uint32_t plain, parent, nested;

	bind(&s);
	plain = hwpt(&s, s.ioas, 0, NULL);
	parent = hwpt(&s, s.ioas, NEST, NULL);
	assert_int_equal(refused(&s, parent, 0, NULL), -EOPNOTSUPP);
	assert_int_equal(refused(&s, parent, NEST, &word), -EOPNOTSUPP);
	assert_int_equal(refused(&s, plain, 0, &word), -EINVAL);
	assert_int_equal(refused(&s, s.ioas, NEST | FAULT, NULL), -EOPNOTSUPP);
	assert_int_equal(refused(&s, s.ioas, 1u << 9, NULL), -EOPNOTSUPP);
	assert_int_equal(refused(&s, s.dev->obj.id, 0, NULL), -EINVAL);
	assert_int_equal(refused(&s, parent, FAULT, &word), -ENOENT);
	assert_int_equal(refused(&s, parent, 0, w_wild(s.w)), -EFAULT);
	nested = hwpt(&s, parent, PASID, &word);
	assert_int_equal(refused(&s, nested, 0, &word), -EINVAL);
	assert_int_equal(kinds_destroy(s.w, s.fd, parent), -EBUSY);
	assert_int_equal(kinds_destroy(s.w, s.fd, nested), 0);
	assert_int_equal(kinds_destroy(s.w, s.fd, parent), 0);
	end(&s);
}

static void data_of_a_wrong_length_is_refused(void **state)
{
	struct set s = begin(state);
	uint64_t word[2] = {1, 0};
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd), .data_type = DATA_TYPE, .data_uptr = (uintptr_t)word};

	bind(&s);
	cmd.dev_id = s.dev->obj.id;
	cmd.pt_id = hwpt(&s, s.ioas, NEST, NULL);
	cmd.data_len = 3;
	assert_int_equal(w_ioctl(s.w, s.fd, IOMMU_HWPT_ALLOC, &cmd), -EINVAL);
	cmd.data_len = 12;
	assert_int_equal(w_ioctl(s.w, s.fd, IOMMU_HWPT_ALLOC, &cmd), -EINVAL);
	cmd.data_len = 4;
	assert_int_equal(w_ioctl(s.w, s.fd, IOMMU_HWPT_ALLOC, &cmd), 0);
	end(&s);
}

static long invalidate(struct set *s, uint32_t id, const void *data, uint32_t len, uint32_t *nr)
{
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = id,
		.data_uptr = (uintptr_t)data,
		.entry_len = len,
		.entry_num = *nr,
	};
	long rc = w_ioctl(s->w, s->fd, IOMMU_HWPT_INVALIDATE, &cmd);

	*nr = cmd.entry_num;
	return rc;
}

static void invalidate_says_how_far_it_came(void **state)
{
	struct set s = begin(state);
	uint64_t word = 1, entry[4] = {1, 2, 100, 3};
	uint32_t parent, nested, tail[3] = {5, 0, 1}, nr = 4;

	bind(&s);
	parent = hwpt(&s, s.ioas, NEST, NULL);
	nested = hwpt(&s, parent, 0, &word);
	assert_int_equal(invalidate(&s, nested, entry, 8, &nr), -EINVAL);
	assert_int_equal(nr, 2);
	assert_int_equal(invalidate(&s, nested, entry, 8, &nr), 0);
	assert_int_equal(nr, 2);
	nr = 1;
	assert_int_equal(invalidate(&s, nested, tail, 12, &nr), -E2BIG);
	assert_int_equal(nr, 0);
	nr = 0;
	assert_int_equal(invalidate(&s, nested, NULL, 0, &nr), 0);
	nr = 1;
	assert_int_equal(invalidate(&s, nested, NULL, 8, &nr), -EINVAL);
	nr = 1;
	assert_int_equal(invalidate(&s, nested, entry, 4097, &nr), -EINVAL);
	nr = 1;
	assert_int_equal(invalidate(&s, nested, entry, 3, &nr), -EINVAL);
	nr = (1u << 19) + 1;
	assert_int_equal(invalidate(&s, nested, entry, 8, &nr), -EINVAL);
	assert_int_equal(nr, 0);
	nr = 1;
	assert_int_equal(invalidate(&s, parent, entry, 8, &nr), -EINVAL);
	nr = 1;
	assert_int_equal(invalidate(&s, 99, entry, 8, &nr), -ENOENT);
	assert_int_equal(nr, 0);
	end(&s);
}

static void hw_info_tells_the_true_length(void **state)
{
	struct set s = begin(state);
	uint8_t buf[16];
	struct iommu_hw_info info = {
		.size = sizeof(info), .data_len = 16, .data_uptr = (uintptr_t)buf};

	bind(&s);
	memset(buf, 0x55, sizeof(buf));
	info.dev_id = s.dev->obj.id;
	assert_int_equal(w_ioctl(s.w, s.fd, IOMMU_GET_HW_INFO, &info), 0);
	assert_int_equal(info.data_len, 8);
	assert_int_equal(info.out_data_type, 9);
	assert_int_equal(info.out_max_pasid_log2, PASID_LG2);
	assert_int_equal(info.out_capabilities, IOMMU_HW_CAP_PCI_PASID_EXEC);
	assert_int_equal(buf[7], 0xab);
	assert_int_equal(buf[8] | buf[15], 0);
	info.flags = IOMMU_HW_INFO_FLAG_INPUT_TYPE;
	info.in_data_type = 3;
	assert_int_equal(w_ioctl(s.w, s.fd, IOMMU_GET_HW_INFO, &info), -EOPNOTSUPP);
	info.in_data_type = 0;
	info.data_len = 4;
	memset(buf, 0x55, sizeof(buf));
	assert_int_equal(w_ioctl(s.w, s.fd, IOMMU_GET_HW_INFO, &info), 0);
	assert_int_equal(info.data_len, 8);
	assert_int_equal(buf[3], 0xab);
	assert_int_equal(buf[4], 0x55);
	end(&s);
}

static void devices_share_a_table_that_an_attach_made(void **state)
{
	struct set s = begin(state);
	uint32_t first = s.ioas, again = s.ioas;

	bind(&s);
	assert_int_equal(obj_device_attach(s.dev, &first, NULL), 0);
	assert_int_equal(obj_device_attach(s.second, &again, NULL), 0);
	assert_int_equal(first, again);
	assert_int_equal(kinds_destroy(s.w, s.fd, first), -EBUSY);
	/* One that it refuses with EINVAL is not the last word; another error is. */
	s.other.refused = first;
	s.other.refusal = -EINVAL;
	obj_device_detach(s.second);
	again = s.ioas;
	assert_int_equal(obj_device_attach(s.second, &again, NULL), 0);
	assert_int_not_equal(first, again);
	obj_device_detach(s.second);
	assert_int_equal(kinds_destroy(s.w, s.fd, again), -ENOENT);
	s.other.refusal = -EADDRINUSE;
	assert_int_equal(attach(s.second, s.ioas), -EADDRINUSE);
	obj_device_detach(s.dev);
	assert_int_equal(kinds_destroy(s.w, s.fd, first), -ENOENT);
	end(&s);
}

static void a_replace_that_is_refused_changes_nothing(void **state)
{
	struct set s = begin(state);
	uint32_t old, next, other = w_ioas(s.w, s.fd);
	uint64_t at = 0x100000;

	bind(&s);
	old = hwpt(&s, s.ioas, 0, NULL);
	next = hwpt(&s, other, 0, NULL);
	assert_int_equal(attach(s.dev, old), 0);
	assert_int_equal(attach(s.dev, old), 1);
	assert_int_equal(s.kind.attached, 1);
	s.kind.refused = next;
	s.kind.refusal = -ENOMEM;
	assert_int_equal(attach(s.dev, next), -ENOMEM);
	assert_int_equal(attach(s.dev, 99), -ENOENT);
	assert_int_equal(attach(s.dev, s.dev->obj.id), -EINVAL);
	assert_ptr_equal(s.dev->rid.hwpt->ioas->obj.id, s.ioas);
	/* Its reserved range is kept out of the space it is attached to, only there. */
	assert_int_equal(w_map(s.w, s.fd, s.ioas, 7, s.w->page, PAGE, &at), -EINVAL);
	assert_int_equal(w_map(s.w, s.fd, other, 7, s.w->page, PAGE, &at), 0);
	s.kind.refused = NO_REFUSAL;
	assert_int_equal(attach(s.dev, next), -EADDRINUSE);
	assert_int_equal(kinds_destroy(s.w, s.fd, old), -EBUSY);
	assert_int_equal(kinds_destroy(s.w, s.fd, next), 0);
	end(&s);
}

static struct obj_hwpt *hwpt_of(struct obj_device *device, pasid_t pasid)
{
	struct obj_hwpt *hwpt;

	pthread_mutex_lock(&device->obj.ctx->lock);
	hwpt = obj_device_hwpt_locked(device, true, pasid);
	pthread_mutex_unlock(&device->obj.ctx->lock);
	return hwpt;
}

static void pasids_need_page_tables_made_for_them(void **state)
{
	struct set s = begin(state);
	uint32_t plain, a, b;

	bind(&s);
	plain = hwpt(&s, s.ioas, 0, NULL);
	a = hwpt(&s, s.ioas, PASID, NULL);
	b = hwpt(&s, s.ioas, PASID, NULL);
	assert_int_equal(pasid(s.dev, 3, OBJ_ATTACH, plain), -EINVAL);
	assert_int_equal(pasid(s.dev, 3, OBJ_ATTACH, s.ioas), -EINVAL);
	assert_int_equal(pasid(s.dev, 3, OBJ_ATTACH, 99), -ENOENT);
	assert_int_equal(pasid(s.dev, 0, OBJ_ATTACH, a), -EINVAL);
	assert_int_equal(pasid(s.dev, 16, OBJ_ATTACH, a), -EINVAL);
	assert_int_equal(pasid(s.dev, UINT32_MAX, OBJ_ATTACH, a), -EINVAL);
	assert_int_equal(attach(s.dev, plain), 0);
	assert_int_equal(pasid(s.dev, 3, OBJ_ATTACH, a), -EINVAL);
	assert_int_equal(attach(s.dev, a), 0);
	assert_int_equal(pasid(s.dev, 3, OBJ_REPLACE, a), -EINVAL);
	assert_int_equal(pasid(s.dev, 3, OBJ_ATTACH, a), 0);
	assert_int_equal(pasid(s.dev, 3, OBJ_ATTACH, a), -EBUSY);
	assert_int_equal(pasid(s.dev, 3, OBJ_ATTACH, plain), -EBUSY);
	assert_int_equal(pasid(s.dev, 3, OBJ_REPLACE, a), 1);
	assert_int_equal(pasid(s.dev, 3, OBJ_REPLACE, plain), -EINVAL);
	s.kind.refused = b;
	s.kind.refusal = -ENOMEM;
	assert_int_equal(pasid(s.dev, 3, OBJ_REPLACE, b), -ENOMEM);
	assert_int_equal(hwpt_of(s.dev, 3)->obj.id, a);
	s.kind.refused = NO_REFUSAL;
	assert_int_equal(pasid(s.dev, 3, OBJ_ATTACH_OR_REPLACE, b), 0);
	assert_int_equal(hwpt_of(s.dev, 3)->obj.id, b);
	assert_int_equal(attach(s.dev, plain), -EINVAL);
	assert_int_equal(attach(s.dev, s.ioas), -EINVAL);
	assert_int_equal(kinds_destroy(s.w, s.fd, b), -EBUSY);
	obj_device_detach_pasid(s.dev, 3);
	obj_device_detach_pasid(s.dev, 3);
	assert_null(hwpt_of(s.dev, 3));
	assert_int_equal(kinds_destroy(s.w, s.fd, b), 0);
	assert_int_equal(attach(s.dev, plain), 0);
	end(&s);
}

/* The last is left attached: unbind ends it. */
static int whole_life(struct set *s)
{
	uint64_t word = 1;
	long parent, nested;
	uint32_t made = s->ioas;
	int rc;

	parent = kinds_hwpt(s->w, s->fd, s->dev->obj.id, s->ioas, NEST | PASID, NULL, 0);
	if (parent < 0)
		return (int)parent;
	nested = kinds_hwpt(s->w, s->fd, s->dev->obj.id, (uint32_t)parent, PASID, &word, 0);
	rc = nested < 0 ? (int)nested : attach(s->dev, (uint32_t)nested);
	if (!rc)
		rc = pasid(s->dev, 5, OBJ_ATTACH, (uint32_t)parent);
	if (!rc)
		rc = pasid(s->dev, 5, OBJ_REPLACE, (uint32_t)nested);
	obj_device_detach_pasid(s->dev, 5);
	if (!rc)
		rc = obj_device_attach(s->dev, &made, NULL);
	obj_device_detach(s->dev);
	inject_arm(0);
	if (nested > 0)
		assert_int_equal(kinds_destroy(s->w, s->fd, (uint32_t)nested), 0);
	assert_int_equal(kinds_destroy(s->w, s->fd, (uint32_t)parent), 0);
	return rc;
}

static void whatever_fails_is_undone(void **state)
{
	struct set s = begin(state);
	uint64_t iova = 0x400000;
	unsigned nth = 1;
	int rc;

	bind(&s);
	assert_int_equal(w_map(s.w, s.fd, s.ioas, 7, s.w->page, PAGE, &iova), 0);
	do {
		inject_arm(nth++);
		rc = whole_life(&s);
		assert_true(inject_remaining() == 0);
		inject_arm(0);
		assert_true(rc == 0 || rc == -ENOMEM || rc == -ENOENT || rc == -EINVAL ||
			    rc == -EFAULT);
		assert_int_equal(s.dev->obj.ctx->ids_nr, 3);
	} while (rc);
	assert_true(nth > 15);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
		T(nested_tables_hold_their_parent),
		T(data_of_a_wrong_length_is_refused),
		T(invalidate_says_how_far_it_came),
		T(hw_info_tells_the_true_length),
		T(devices_share_a_table_that_an_attach_made),
		T(a_replace_that_is_refused_changes_nothing),
		T(pasids_need_page_tables_made_for_them),
		T(whatever_fails_is_undone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
