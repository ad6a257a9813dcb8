/* SPDX-License-Identifier: MIT */
/*
 * Description: where BARs are placed: each kind in its hole of the machine's address map, aligned
 * to its length, one after the other and up to the last byte.
 */
#include <ioas/topology.h>
#include "pci/bus.h"
#include "toy.h"

#define M (1ull << 20)

static struct ioas_iommu *iommu;
static struct ioas_pci *added[64];
static unsigned added_nr;

static const struct ioas_pci_ops ops = {.bar_read = toy_read, .bar_write = toy_write};

static int setup(void **state)
{
	added_nr = 0;
	return ioas_iommu_new(NULL, &iommu);
}

static int teardown(void **state)
{
	ioas_iommu_destroy(iommu);
	return 0;
}

/* One more function, on a bus of its own, with one BAR. 0: `base` is where it is. */
static int add(uint64_t len, uint32_t flags, uint64_t *base)
{
	const struct ioas_pci_desc desc = {
		.vendor = 1, .device = 2, .bar[0] = {.len = len, .flags = flags}};
	struct ioas_pci_addr addr = {.bus = (uint8_t)(added_nr + 1)};
	struct ioas_why why = {""};
	int rc = ioas_pci_add(iommu, addr, &desc, &ops, NULL, &added[added_nr], &why);

	assert_int_equal(!rc, !why.text[0]);
	if (rc)
		assert_non_null(strstr(why.text, "no room in the address map for BAR 0"));
	else
		*base = added[added_nr++]->bar_base[0];
	return rc;
}

static void assert_at(uint64_t len, uint32_t flags, uint64_t want)
{
	uint64_t base;

	assert_int_equal(add(len, flags, &base), 0);
	if (base != want)
		fail_msg("%#lx, not %#lx", (long)base, (long)want);
}

static void each_kind_has_its_hole(void **state)
{
	assert_at(16, IOAS_PCI_BAR_IO, 0x2000);
	assert_at(256, IOAS_PCI_BAR_IO, 0x2100);
	assert_at(16, IOAS_PCI_BAR_IO, 0x2200);
	assert_at(4096, 0, 0xc0000000);
	assert_at(M, IOAS_PCI_BAR_PREFETCH, 0xc0100000);
	assert_at(4096, 0, 0xc0200000);
	/* What could go higher does so only if it is prefetchable. */
	assert_at(4096, IOAS_PCI_BAR_64, 0xc0201000);
	assert_at(4096, IOAS_PCI_BAR_64 | IOAS_PCI_BAR_PREFETCH, 0x380000000000);
	assert_at(M << 20, IOAS_PCI_BAR_64 | IOAS_PCI_BAR_PREFETCH, 0x390000000000);
}

static void the_low_hole_is_filled_to_its_last_byte(void **state)
{
	uint64_t base;

	for (unsigned again = 0; again < 2; again++) {
		assert_at(512 * M, 0, 0xc0000000);
		/* The next one would end beyond. */
		assert_int_equal(add(512 * M, 0, &base), -ENOSPC);
		assert_at(256 * M, 0, 0xe0000000);
		assert_at(128 * M, 0, 0xf0000000);
		assert_at(64 * M, IOAS_PCI_BAR_64, 0xf8000000);
		assert_at(32 * M, 0, 0xfc000000);
		assert_int_equal(add(4096, 0, &base), -ENOSPC);
		assert_int_equal(add(4096, IOAS_PCI_BAR_PREFETCH, &base), -ENOSPC);
		/* What can go higher does now. */
		assert_at(4096, IOAS_PCI_BAR_64, 0x380000000000);
		assert_at(8192, IOAS_PCI_BAR_64, 0x380000002000);
		assert_at(16, IOAS_PCI_BAR_IO, 0x2000);
		/* With the last function all of it is free again. */
		while (added_nr)
			ioas_pci_remove(added[--added_nr]);
	}
}

/* As its driver finds it: what has I/O ports answers there, and all answer to memory. */
static void a_command_register_has_what_there_is(void **state)
{
	static const struct {
		uint32_t flags;
		uint16_t command;
	} cases[] = {{0, PCI_CMD_MEMORY},
		     {IOAS_PCI_BAR_64, PCI_CMD_MEMORY},
		     {IOAS_PCI_BAR_IO, PCI_CMD_MEMORY | PCI_CMD_IO}};

	for (unsigned i = 0; i < 3; i++) {
		uint16_t command;
		uint64_t base;

		assert_int_equal(
			add(cases[i].flags & IOAS_PCI_BAR_IO ? 256 : 4096, cases[i].flags, &base),
			0);
		assert_int_equal(pci_config_read(added[added_nr - 1], PCI_CFG_COMMAND, &command, 2),
				 2);
		assert_int_equal(command, cases[i].command);
	}
}

static void ports_go_up_to_the_last(void **state)
{
	struct ioas_pci_desc desc = {.vendor = 1, .device = 2};
	struct ioas_why why;
	unsigned nr = 0;
	int rc = 0;

	for (unsigned i = 0; i < 6; i++) {
		desc.bar[i].len = 256;
		desc.bar[i].flags = IOAS_PCI_BAR_IO;
	}
	for (unsigned bus = 1; !rc; bus++) {
		struct ioas_pci *pci;
		struct ioas_pci_addr addr = {.bus = (uint8_t)bus};

		rc = ioas_pci_add(iommu, addr, &desc, &ops, NULL, &pci, &why);
		for (unsigned i = 0; !rc && i < 6; i++)
			assert_int_equal(pci->bar_base[i], 0x2000 + 256 * nr++);
	}
	assert_int_equal(rc, -ENOSPC);
	/* 224 would fit: two are left of the last function's. */
	assert_int_equal(nr, 222);
	assert_non_null(strstr(why.text, "BAR 2"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(each_kind_has_its_hole),
		TEST(the_low_hole_is_filled_to_its_last_byte),
		TEST(a_command_register_has_what_there_is),
		TEST(ports_go_up_to_the_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
