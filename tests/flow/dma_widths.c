/* SPDX-License-Identifier: MIT */
/*
 * Description: one space behind IOMMUs of different address widths: each device reaches it, and
 * nothing can be mapped where one of them could not.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include "dma_world.h"

static struct ioas_device *narrow;

static int setup_widths(void **arg)
{
	static const uint32_t id = 0x200;
	const struct route_identity who = {
		.name = "0000:02:00.0",
		.bus = ROUTE_PCI,
		.id = id,
		.aw = 39,
	};

	setup(arg);
	assert_int_equal(route_device_create(iommu, &who, &narrow), 0);
	return 0;
}

static int teardown_widths(void **arg)
{
	route_device_destroy(narrow);
	return teardown(arg);
}

static void bind_narrow(uint32_t forms)
{
	assert_int_equal(ioas_device_bind(narrow, forms, forms & IOAS_FORM_RID ? 0 : 20, NULL), 0);
	route_dma_enable(narrow, true);
}

static char *map_page(iova_t at, int want)
{
	char *mem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(mem, MAP_FAILED);
	strcpy(mem, "the same bytes");
	assert_int_equal(
		ioas_space_map(space, NULL, &at, (uintptr_t)mem, PAGE, RW | IOAS_MAP_FIXED, NULL),
		want);
	return mem;
}

static void each_reaches_it(void **arg)
{
	struct ioas_issuer *other;
	char got[15];

	bind_narrow(IOAS_FORM_RID);
	map_page(0x10000, 0);
	assert_int_equal(ioas_device_attach(narrow, space, NULL), 0);
	assert_int_equal(ioas_issuer_new(narrow, &other), 0);
	assert_int_equal(ioas_dma_read(other, 0x10000, got, sizeof(got)), 0);
	assert_string_equal(got, "the same bytes");
	memset(got, 0, sizeof(got));
	assert_int_equal(ioas_dma_read(issuer, 0x10000, got, sizeof(got)), 0);
	assert_string_equal(got, "the same bytes");
	/* Mapped while both are attached: beyond the narrow one's width nothing can be. */
	map_page(0x20000, 0);
	assert_int_equal(ioas_dma_read(other, 0x20000, got, sizeof(got)), 0);
	map_page(1ull << 39, -EINVAL);
	ioas_device_detach(narrow);
	map_page(1ull << 39, 0);
	assert_int_equal(ioas_dma_read(issuer, 1ull << 39, got, sizeof(got)), 0);
	assert_int_equal(ioas_device_attach(narrow, space, NULL), -EADDRINUSE);
	ioas_issuer_destroy(other);
	ioas_device_unbind(narrow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_reaches_it, setup_widths, teardown_widths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
