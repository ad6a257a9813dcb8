/* SPDX-License-Identifier: MIT */
/* Groups and containers: who may open what, in which order, and what keeps what. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "container.h"

/* It has its IOMMU by its group's container. */
static void what_came_from_a_group_is_not_bound(void **state)
{
	struct world *w = *state;
	int group, iommufd = w_open(w, "/dev/iommu"),
		   container = ready(w, VFIO_TYPE1v2_IOMMU, &group);
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommufd};
	int dev = device_fd(w, group);

	assert_int_equal(w_ioctl(w, dev, VFIO_DEVICE_BIND_IOMMUFD, &bind), -EINVAL);
	assert_non_null(strstr(w->why.text, "came from a group"));
	w_close(w, dev);
	w_close(w, group);
	w_close(w, container);
	w_close(w, iommufd);
}

static void extensions_are_type1_s(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/vfio/vfio"), group;

	assert_int_equal(w_ioctl(w, fd, VFIO_GET_API_VERSION, NULL), 0);
	for (long i = 0; i < 20; i++)
		assert_int_equal(w_ioctl(w, fd, VFIO_CHECK_EXTENSION, (void *)i),
				 i == 1 || i == 3 || i == 9);
	fd = ready(w, VFIO_TYPE1_IOMMU, &group);
	assert_int_equal(w_ioctl(w, fd, VFIO_CHECK_EXTENSION, (void *)VFIO_DMA_CC_IOMMU), 1);
}

static void a_container_comes_to_life_in_order(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/vfio/vfio"), group = w_open_group(w, 0);
	struct vfio_group_status status = {.argsz = 8};

	assert_int_equal(set_iommu(w, fd, VFIO_TYPE1_IOMMU), -EINVAL);
	assert_int_equal(map(w, fd, RW, 0, w->page, PAGE), -EINVAL);
	assert_int_equal(w_ioctl(w, fd, 0x1234, NULL), -EINVAL);
	assert_int_equal(device_fd(w, group), -EINVAL);
	assert_int_equal(w_ioctl(w, group, VFIO_GROUP_UNSET_CONTAINER, NULL), -EINVAL);
	assert_int_equal(w_ioctl(w, group, VFIO_GROUP_GET_STATUS, &status), 0);
	assert_int_equal(status.flags, VFIO_GROUP_FLAGS_VIABLE);
	assert_int_equal(set_container(w, group, -1), -EBADF);
	assert_non_null(strstr(w->why.text, "not an open descriptor"));
	assert_int_equal(set_container(w, group, STDIN_FILENO), -EBADFD);
	assert_non_null(strstr(w->why.text, "not one of VFIO's"));
	assert_int_equal(set_container(w, group, group), -EBADFD);
	assert_int_equal(w_ioctl(w, group, VFIO_GROUP_SET_CONTAINER, w_wild(w)), -EFAULT);
	assert_int_equal(set_container(w, group, fd), 0);
	assert_int_equal(set_container(w, group, fd), -EINVAL);
	assert_int_equal(device_fd(w, group), -EINVAL);
	assert_int_equal(set_iommu(w, fd, 7), -ENODEV);
	assert_int_equal(set_iommu(w, fd, VFIO_UNMAP_ALL), -EINVAL);
	assert_int_equal(set_iommu(w, fd, VFIO_TYPE1v2_IOMMU), 0);
	assert_int_equal(set_iommu(w, fd, VFIO_TYPE1v2_IOMMU), -EINVAL);
	assert_int_equal(w_ioctl(w, fd, 0x1234, NULL), -ENOTTY);
	assert_int_equal(w_ioctl(w, group, VFIO_GROUP_GET_STATUS, &status), 0);
	assert_int_equal(status.flags, VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET);
}

static void a_group_is_open_once_and_not_beside_its_cdev(void **state)
{
	struct world *w = *state;
	int iommufd = w_open(w, "/dev/iommu"), cdev = w_open_cdev(w, 0);
	int group = w_open_group(w, 0);
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommufd};

	assert_int_equal(w_open_group(w, 0), -EBUSY);
	assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_BIND_IOMMUFD, &bind), -EBUSY);
	w_close(w, group);
	assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_BIND_IOMMUFD, &bind), 0);
	assert_int_equal(w_open_group(w, 0), -EBUSY);
	assert_true(w_open_group(w, 1) > 0);
	w_close(w, cdev);
	assert_true(w_open_group(w, 0) > 0);
}

static void devices_open_by_name(void **state)
{
	struct world *w = *state;
	int group, fd = ready(w, VFIO_TYPE1_IOMMU, &group), dev, again;
	char token[] = "0000:01:00.0 vf_token=14e63f56-abcd-4000-8000-0123456789ab", name[128];
	static const char *const wrong[] = {
		"vf_token",
		"vf_token=",
		"vf_tokem=14e63f56-abcd-4000-8000-0123456789ab",
		"vf_token=14e63f56-abcd-4000-8000-0123456789a",
		"vf_token=14e63f56-abcd-4000-8000-0123456789ag",
		"vf_token=14e63f56-abcd-4000-80000-123456789ab",
		"vf_token=14e63f56-abcd-4000-8000-0123456789abc",
		"vf_token=14e63f56-abcd-4000-8000-0123456789ab x",
		" vf_token=14e63f56-abcd-4000-8000-0123456789ab "
		"vf_token=14e63f56-abcd-4000-8000-0123456789ab",
	};

	assert_int_equal(w_ioctl(w, group, VFIO_GROUP_GET_DEVICE_FD, "0000:02:00.0"), -ENODEV);
	assert_int_equal(w_ioctl(w, group, VFIO_GROUP_GET_DEVICE_FD, "0000:01:00.00"), -ENODEV);
	assert_int_equal(w_ioctl(w, group, VFIO_GROUP_GET_DEVICE_FD, token), -EINVAL);
	assert_non_null(strstr(w->why.text, "takes no VF token"));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(name, sizeof(name), "0000:01:00.0 %s", wrong[i]);
		assert_int_equal(w_ioctl(w, group, VFIO_GROUP_GET_DEVICE_FD, name), -EINVAL);
		assert_non_null(strstr(w->why.text, "is not vf_token=UUID"));
	}
	assert_int_equal(w_ioctl(w, group, VFIO_GROUP_GET_DEVICE_FD, w_wild(w)), -EFAULT);
	memset(w->page, 'x', PAGE);
	assert_int_equal(w_ioctl(w, group, VFIO_GROUP_GET_DEVICE_FD, w->page), -EINVAL);
	/* The name's last byte is the last there is. */
	strcpy(w->page + 16 * PAGE - 13, "0000:01:00.0");
	dev = (int)w_ioctl(w, group, VFIO_GROUP_GET_DEVICE_FD, w->page + 16 * PAGE - 13);
	assert_true(dev > 0);
	again = device_fd(w, group);
	assert_true(again > 0);
	assert_int_equal(w_ioctl(w, group, VFIO_GROUP_UNSET_CONTAINER, NULL), -EBUSY);
	w_close(w, dev);
	assert_int_equal(w_ioctl(w, group, VFIO_GROUP_UNSET_CONTAINER, NULL), -EBUSY);
	w_close(w, again);
	assert_int_equal(w_ioctl(w, group, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	assert_int_equal(map(w, fd, RW, 0, w->page, PAGE), -EINVAL);
}

static void a_device_without_a_descriptor_is_closed_again(void **state)
{
	struct world *w = *state;
	int group, last = 0, fd = ready(w, VFIO_TYPE1_IOMMU, &group);

	for (int next = fd; next > 0; next = w_open(w, "/dev/iommu"))
		last = next;
	assert_int_equal(device_fd(w, group), -EMFILE);
	assert_int_equal(w_ioctl(w, group, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	assert_int_equal(set_container(w, group, fd), 0);
	assert_int_equal(set_iommu(w, fd, VFIO_TYPE1_IOMMU), 0);
	w_close(w, last);
	assert_true(device_fd(w, group) > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_came_from_a_group_is_not_bound),
		TEST(extensions_are_type1_s),
		TEST(a_container_comes_to_life_in_order),
		TEST(a_group_is_open_once_and_not_beside_its_cdev),
		TEST(devices_open_by_name),
		TEST(a_device_without_a_descriptor_is_closed_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
