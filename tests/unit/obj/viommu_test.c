/* SPDX-License-Identifier: MIT */
/* Description: viommus, their devices, and the memory that they lend to the program. */
#include "rig.h"

static struct obj_vdevice *find(struct rig *r, uint64_t virt_id)
{
	struct obj_vdevice *found;

	pthread_mutex_lock(&r->ctx->lock);
	found = obj_vdevice_find_locked(r->viommu, virt_id);
	pthread_mutex_unlock(&r->ctx->lock);
	return found;
}

static void a_viommu_needs_a_nest_parent(void **state)
{
	struct rig *r = *state;
	struct obj_hwpt *plain = hwpt_new(r, 0);
	struct obj_viommu *second;

	assert_int_equal(viommu_new(r, plain, &second), -EINVAL);
	assert_int_equal(viommu_new(r, r->parent, &second), 0);
	assert_int_equal(destroy(r, &r->parent->obj), -EBUSY);
	assert_int_equal(destroy(r, &second->obj), 0);
	assert_int_equal(destroy(r, &r->viommu->obj), 0);
	assert_int_equal(destroy(r, &r->parent->obj), 0);
}

static void a_vdevice_is_found_by_the_guests_id(void **state)
{
	struct rig *r = *state;
	struct obj_vdevice *a, *b;

	assert_int_equal(vdevice_new(r, 2, 5, &a), -EINVAL);
	assert_int_equal(vdevice_new(r, 0, UINT64_MAX, &a), 0);
	assert_int_equal(vdevice_new(r, 0, 5, &b), -EEXIST);
	assert_int_equal(vdevice_new(r, 1, UINT64_MAX, &b), -EEXIST);
	assert_int_equal(vdevice_new(r, 1, 0, &b), 0);
	assert_ptr_equal(find(r, UINT64_MAX), a);
	assert_ptr_equal(find(r, 0), b);
	assert_null(find(r, 5));
	assert_int_equal(destroy(r, &r->viommu->obj), -EBUSY);
	assert_int_equal(destroy(r, &a->obj), 0);
	assert_null(find(r, UINT64_MAX));
	assert_int_equal(vdevice_new(r, 0, UINT64_MAX, &a), 0);
}

static void a_device_that_goes_leaves_a_tombstone(void **state)
{
	struct rig *r = *state;
	struct obj_vdevice *a, *b;
	uint32_t id;

	assert_int_equal(vdevice_new(r, 0, 5, &a), 0);
	id = a->obj.id;
	obj_device_unbind(r->device[0]);
	r->device[0] = NULL;
	assert_null(find(r, 5));
	assert_int_equal(obj_destroy(r->ctx, id, &r->why), -ENOENT);
	for (int i = 0; i < 4; i++) { /* ids that are free are given out again, this one is not */
		assert_int_equal(vdevice_new(r, 1, 5, &b), 0);
		assert_int_not_equal(b->obj.id, id);
		assert_int_equal(destroy(r, &b->obj), 0);
	}
	assert_int_equal(destroy(r, &r->viommu->obj), 0);
}

static void a_region_is_mapped_as_a_whole(void **state)
{
	struct rig *r = *state;
	struct toy *toy = r->viommu->kind;
	uint64_t *words;
	int fd;

	assert_int_equal(toy->offset, PAGE);
	assert_int_equal(map_region(r, 0, 2 * PAGE), -ENXIO);
	assert_int_equal(map_region(r, PAGE, PAGE), -ENXIO);
	assert_int_equal(map_region(r, PAGE, 3 * PAGE), -ENXIO);
	assert_int_equal(map_region(r, 2 * PAGE, PAGE), -ENXIO);
	assert_int_equal(obj_region_map(r->ctx, PAGE, 2 * PAGE, &fd, &r->why), 0);
	words = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	toy->words[1] = 0x55;
	assert_int_equal(words[1], 0x55);
	munmap(words, 2 * PAGE);
	assert_int_equal(map_region(r, PAGE, 2 * PAGE), 0);
	assert_int_equal(destroy(r, &r->viommu->obj), -EBUSY);
	obj_region_unmap(r->ctx, PAGE, 2 * PAGE);
	assert_int_equal(destroy(r, &r->viommu->obj), -EBUSY);
	/* What was never mapped takes nothing away. */
	obj_region_unmap(r->ctx, PAGE, 3 * PAGE);
	obj_region_unmap(r->ctx, PAGE, 0);
	obj_region_unmap(r->ctx, 0, 2 * PAGE);
	obj_region_unmap(r->ctx, 2 * PAGE, PAGE); /* in parts */
	assert_int_equal(destroy(r, &r->viommu->obj), -EBUSY);
	obj_region_unmap(r->ctx, PAGE, PAGE);
	obj_region_unmap(r->ctx, PAGE, 0);
	assert_int_equal(destroy(r, &r->viommu->obj), 0);
	assert_int_equal(map_region(r, PAGE, 2 * PAGE), -ENXIO);
}

/* Each has two, of 2 pages and of 1. */
static void regions_take_the_lowest_room(void **state)
{
	struct rig *r = *state;
	struct obj_viommu *v[40];

	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(viommu_new(r, r->parent, &v[i]), 0);
		assert_int_equal(((struct toy *)v[i]->kind)->offset, (4 + 3 * i) * PAGE);
	}
	for (unsigned i = 1; i < 40; i += 2)
		assert_int_equal(destroy(r, &v[i]->obj), 0);
	assert_int_equal(destroy(r, &v[20]->obj), 0);
	assert_int_equal(destroy(r, &r->viommu->obj), 0);
	assert_int_equal(viommu_new(r, r->parent, &r->viommu), 0);
	assert_int_equal(((struct toy *)r->viommu->kind)->offset, PAGE);
	assert_int_equal(viommu_new(r, r->parent, &v[1]), 0);
	assert_int_equal(((struct toy *)v[1]->kind)->offset, (4 + 3 * 1) * PAGE);
	assert_int_equal(map_region(r, (4 + 3 * 1) * PAGE, 2 * PAGE), 0);
	obj_region_unmap(r->ctx, (4 + 3 * 1) * PAGE, 2 * PAGE);
}

/* Offsets are a program's off_t. What was to be there is given back: its memory has a descriptor.
 */
static void there_is_no_region_beyond_the_last_offset(void **state)
{
	struct rig *r = *state;
	struct key_node *last = tree_entry(tree_end(&r->ctx->regions, 1), struct key_node, node);
	unsigned fds = fds_open();
	struct obj_viommu *second;
	uint64_t offset = last->key;

	last->key =
		(1ull << 63) - 2 * PAGE; /* one page long, behind which one of two has no room */
	assert_int_equal(viommu_new(r, r->parent, &second), -ENOMEM);
	last->key = offset;
	assert_int_equal(fds_open(), fds);
	assert_int_equal(viommu_new(r, r->parent, &second), 0);
	assert_int_equal(((struct toy *)second->kind)->offset, 4 * PAGE);
}

static void *mapper(void *arg)
{
	struct rig *r = arg;
	int fd;

	for (unsigned i = 0; i < 20000; i++)
		if (!obj_region_map(r->ctx, 4 * PAGE, 2 * PAGE, &fd, NULL))
			obj_region_unmap(r->ctx, 4 * PAGE, 2 * PAGE);
	return NULL;
}

static void mapping_meets_the_end(void **state)
{
	struct rig *r = *state;
	struct obj_viommu *second;
	pthread_t thread;
	unsigned gone = 0;

	assert_int_equal(pthread_create(&thread, NULL, mapper, r), 0);
	for (unsigned i = 0; i < 2000; i++) {
		assert_int_equal(viommu_new(r, r->parent, &second), 0);
		while (obj_destroy(r->ctx, second->obj.id, NULL) == -EBUSY)
			;
		gone++;
	}
	pthread_join(thread, NULL);
	assert_int_equal(gone, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_viommu_needs_a_nest_parent),
		T(a_vdevice_is_found_by_the_guests_id),
		T(a_device_that_goes_leaves_a_tombstone),
		T(a_region_is_mapped_as_a_whole),
		T(regions_take_the_lowest_room),
		T(there_is_no_region_beyond_the_last_offset),
		T(mapping_meets_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
