/* SPDX-License-Identifier: MIT */
/*
 * Description: every ioctl of every table with pointers that lead nowhere, structs that end in a
 * page that is not there, structs that cannot be written, sizes that no struct has, and fields of
 * any content. Nothing but the result comes of it: an errno with a reason, or success, and the
 * files still answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "tests/soak.h"
#include "tests/unit/rnd.h"
#include "uapi/uapi.h"
#include "world.h"

#define ROUNDS 40 /* of random content, an ioctl */

/* Each table, with a node that it answers on. */
static const struct {
	const struct uapi_table *table;
	const char *path; /* NULL: of a device, or a group */
	bool sized;	  /* the size is looked at first */
} doors[] = {
	{&uapi_iommufd_table, "/dev/iommu", true},
	{&uapi_ext_table, "/dev/iommu", true},
	{&uapi_container_table, "/dev/vfio/vfio", false},
	{&uapi_container_table, "/dev/iommu", false},
	{&uapi_group_table, "group", false},
	{&uapi_device_table, "device", false},
	{&uapi_ext_table, "device", true},
};
#define DOORS (sizeof(doors) / sizeof(doors[0]))

static uint64_t state;
static unsigned long operations;

static uint64_t next(void)
{
	return rnd_next(&state) >> 11;
}

static long try(struct world *w, int fd, const struct uapi_op *op, const void *arg)
{
	long rc = w_ioctl(w, fd, op->cmd, arg);

	operations++;
	assert_true(rc > -4096);
	/* No descriptor of a queue is kept. */
	for (int i = 0; i < WORLD_FDS; i++)
		if (w->file[i] && w->file[i]->node.kind != IOAS_NODE_IOMMU && i > 3) {
			ioas_file_put(w->file[i]);
			w->file[i] = NULL;
		}
	return rc;
}

/* A context with a device on an IOAS with memory, or the same by a group. */
static int open_door(struct world *w, size_t door)
{
	int fd = w_open(w, "/dev/iommu"), other;
	uint64_t iova = 0x100000;
	uint32_t ioas = w_ioas(w, fd);
	struct iommu_vfio_ioas compat = {.size = sizeof(compat), .op = IOMMU_VFIO_IOAS_SET};
	int32_t container;

	assert_int_equal(w_map(w, fd, ioas, 7, w->page, 8 * PAGE, &iova), 0);
	if (!strcmp(doors[door].path, "/dev/iommu") || !strcmp(doors[door].path, "device")) {
		compat.ioas_id = ioas;
		assert_int_equal(w_ioctl(w, fd, IOMMU_VFIO_IOAS, &compat), 0);
		other = w_open_cdev(w, 0);
		w_bind(w, other, fd);
		assert_int_equal(w_attach(w, other, &ioas), 0);
		return doors[door].path[0] == '/' ? fd : other;
	}
	container = w_open(w, "/dev/vfio/vfio");
	other = w_open_group(w, 0);
	assert_int_equal(w_ioctl(w, other, VFIO_GROUP_SET_CONTAINER, &container), 0);
	assert_int_equal(w_ioctl(w, container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU), 0);
	return doors[door].path[0] == '/' ? container : other;
}

/* The struct reaches `len` bytes before the page that is not there. */
static void ends_in_nothing(struct world *w, int fd, const struct uapi_op *op, bool sized)
{
	uint32_t size = (uint32_t)op->size;

	for (size_t len = 0; len < op->min; len++) {
		char *at = (char *)w_wild(w) - len;

		memset(w->page + 15 * PAGE, 0, PAGE);
		memcpy(at, &size, len < sizeof(size) ? len : sizeof(size));
		if (try(w, fd, op, at) != -EFAULT)
			fail_msg("%s with %zu bytes: %s", op->name, len, w->why.text);
	}
	if (!op->min)
		return;
	assert_int_equal(try(w, fd, op, NULL), -EFAULT);
	assert_int_equal(try(w, fd, op, (void *)16), -EFAULT);
	assert_int_equal(try(w, fd, op, (void *)(UINTPTR_MAX - 3)), -EFAULT);
	assert_int_equal(try(w, fd, op, (void *)(1ul << 63)), -EFAULT);
	size = (uint32_t)op->min - 1;
	memset(w->page, 0, PAGE);
	memcpy(w->page, &size, sizeof(size));
	assert_int_equal(try(w, fd, op, w->page), -EINVAL);
	if (!sized)
		return;
	size = (uint32_t)op->size + 8;
	memset(w->page, 0xff, PAGE);
	memcpy(w->page, &size, sizeof(size));
	assert_int_equal(try(w, fd, op, w->page), -E2BIG);
}

static uint64_t any_field(struct world *w)
{
	static const uint64_t some[] = {1ull << 63, UINT64_MAX, 1ull << 32, UINT32_MAX, 0x1000};

	switch (next() % 8) {
	case 0:
		return 0;
	case 1:
	case 2:
		return next() % 8;
	case 3:
		return (uintptr_t)w_wild(w) - next() % 64;
	case 4:
		return (uintptr_t)w->page + next() % (16 * PAGE);
	case 5:
		return some[next() % (sizeof(some) / sizeof(some[0]))];
	case 6:
		return (next() % 8) | (next() % 8) << 32;
	default:
		return next() << 30 ^ next();
	}
}

/* Mostly of the right size; a quarter of them cannot be written. */
static void any_content(struct world *w, int fd, const struct uapi_op *op)
{
	bool readonly = next() % 4 == 0;
	uint32_t size = (uint32_t)(next() % 8 ? op->size : next() % 300);

	for (size_t i = 0; i < 40; i++)
		((uint64_t *)w->page)[i] = any_field(w);
	memcpy(w->page, &size, sizeof(size));
	if (op->size + 8 < 320 && next() % 2)
		memset(w->page + op->size, 0, 320 - op->size);
	if (readonly)
		mprotect(w->page, PAGE, PROT_READ);
	try(w, fd, op, w->page);
	if (readonly)
		mprotect(w->page, PAGE, PROT_READ | PROT_WRITE);
}

static void for_each_op(void (*run)(struct world *w, size_t door, const struct uapi_op *op))
{
	for (size_t d = 0; d < DOORS; d++)
		for (uint32_t i = 0; i < doors[d].table->nr; i++) {
			const struct uapi_op *op = &doors[d].table->ops[i];
			void *world;

			if (!op->name)
				continue;
			assert_int_equal(world_setup_selftest(&world), 0);
			run(world, d, op);
			world_teardown(&world);
		}
}

static void structs_end_in_nothing(struct world *w, size_t door, const struct uapi_op *op)
{
	int fd = open_door(w, door);

	ends_in_nothing(w, fd, op, doors[door].sized);
}

static void structs_have_any_content(struct world *w, size_t door, const struct uapi_op *op)
{
	int fd = open_door(w, door);

	for (unsigned i = 0; i < ROUNDS * soak_times(); i++)
		any_content(w, fd, op);
}

static void every_struct_that_cannot_be_read(void **unused)
{
	for_each_op(structs_end_in_nothing);
	assert_true(operations > 1000);
}

static void every_struct_with_any_content(void **unused)
{
	state = (soak_seed() + 1) * 0x9e3779b97f4a7c15ull | 1;
	for (unsigned i = 0; i < 8; i++)
		next();
	for_each_op(structs_have_any_content);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_struct_that_cannot_be_read),
		cmocka_unit_test(every_struct_with_any_content),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	printf("tried: %lu operations, %lu bad inputs\n", operations, operations);
	return rc;
}
