/* SPDX-License-Identifier: MIT */
/*
 * Description: one space behind IOMMUs of different address widths: each device reaches it, and
 * nothing can be mapped where one of them could not.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <ioas/pci.h>
#include <ioas/topology_text.h>
#include "dma_world.h"

static struct kind_unit unit;
static struct ioas_device *narrow;

static int setup_widths(void **arg)
{
	static const uint32_t id = 0x200;
	const struct route_identity who = {
		.name = "0000:02:00.0",
		.bus = ROUTE_PCI,
		.id = id,
		.unit = &unit,
	};
	const struct ioas_topology_iommu spec = {
		.kind = "soft", .aw = 39, .pasid_lg2 = 20, .pasid_0_apart = true};

	setup(arg);
	assert_int_equal(kind_unit_init(&unit, iommu, &spec, 1, NULL), 0);
	assert_int_equal(route_device_create(iommu, &who, &narrow), 0);
	return 0;
}

static int teardown_widths(void **arg)
{
	route_device_destroy(narrow);
	kind_unit_fini(&unit);
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

static void nothing(void *model)
{
}

static const struct ioas_pci_ops ops = {.suspend = nothing, .resume = nothing, .destroy = nothing};

/* Two devices with shared work queues, each behind an IOMMU of its own. */
static void a_machine_wide_pasid_means_one_space_behind_both(void **arg)
{
	static const char *const lines[] = {
		"iommu kind=soft,aw=48,pasid=20,pasid0apart",
		"iommu kind=soft,aw=39,pasid=20,pasid0apart",
		"function addr=0000:00:01.0,type=root complex endpoint,iommu=0,pasid=20",
		"function addr=0001:00:01.0,type=root complex endpoint,iommu=1,pasid=20",
	};
	static const struct ioas_pci_addr addr[] = {{.devfn = 8}, {.segment = 1, .devfn = 8}};
	const struct ioas_pci_desc desc = {.pasid_lg2 = 20, .shared_queue = true};
	struct ioas_topology *topology;
	struct ioas_iommu *machine;
	struct ioas_space *one, *other;
	struct ioas_pci *pci[2];
	struct ioas_why why = {""};

	assert_int_equal(ioas_topology_new(&topology), 0);
	for (unsigned i = 0; i < 4; i++)
		if (ioas_topology_add_line(topology, lines[i], &why))
			fail_msg("%s", why.text);
	assert_int_equal(ioas_topology_resolve(topology, &why), 0);
	assert_int_equal(ioas_iommu_new(NULL, &machine), 0);
	assert_int_equal(ioas_pci_machine(machine, topology, &why), 0);
	ioas_topology_destroy(topology);
	assert_int_equal(ioas_space_new(machine, &one), 0);
	assert_int_equal(ioas_space_new(machine, &other), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(ioas_pci_add(machine, addr[i], &desc, &ops, pci, &pci[i], &why),
				 0);
		assert_int_equal(
			ioas_device_bind(ioas_pci_device(pci[i]), IOAS_FORM_SHARED_QUEUE, 20, &why),
			0);
		assert_int_equal(ioas_pci_attach_pasid(pci[i], 7, one, &why), 0);
	}
	assert_int_equal(ioas_pci_attach_pasid(pci[1], 7, other, &why), -EINVAL);
	assert_non_null(strstr(why.text, "machine-wide"));
	for (unsigned i = 0; i < 2; i++) {
		ioas_device_detach_pasid(ioas_pci_device(pci[i]), 7);
		ioas_device_unbind(ioas_pci_device(pci[i]));
		ioas_pci_remove(pci[i]);
	}
	ioas_space_put(one);
	ioas_space_put(other);
	ioas_iommu_destroy(machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_reaches_it, setup_widths, teardown_widths),
		cmocka_unit_test(a_machine_wide_pasid_means_one_space_behind_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
