/* SPDX-License-Identifier: MIT */
/*
 * Description: routing as the library has it, where Linux's ABI has no words: PASID 0, forms that
 * vfio-pci never declares, and a second bus, whose requests have StreamIDs. Guns send, by calls.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <ioas/model.h>
#include <ioas/tlpgun.h>
#include "pci/pci.h"

#define PAGE	   4096u
#define IOVA	   0x100000ull
#define UNTAGGED   UINT32_MAX
#define STREAM_ID  0x100u /* the number of RID 01:00.0, too */
#define SPACES	   3
#define content(i) ('a' + (i))

static struct ioas_iommu *iommu;
static struct ioas_space *space[SPACES]; /* each has a page of its own at IOVA */
static uint8_t *page[SPACES];
static struct ioas_why why;

static void start(const struct ioas_iommu_config *config)
{
	assert_int_equal(ioas_iommu_new(config, &iommu), 0);
	for (int i = 0; i < SPACES; i++) {
		iova_t iova = IOVA;

		page[i] = aligned_alloc(PAGE, PAGE);
		memset(page[i], content(i), PAGE);
		assert_int_equal(ioas_space_new(iommu, &space[i]), 0);
		assert_int_equal(ioas_space_map(space[i], NULL, &iova, (uintptr_t)page[i], PAGE,
						IOAS_MAP_READ | IOAS_MAP_WRITE | IOAS_MAP_FIXED,
						NULL),
				 0);
	}
}

static int setup(void **state)
{
	start(NULL);
	return 0;
}

static int setup_pasid_0_same(void **state)
{
	const struct ioas_iommu_config config = {.pasid_0_same = true};

	start(&config);
	return 0;
}

static int teardown(void **state)
{
	for (int i = 0; i < SPACES; i++) {
		ioas_space_put(space[i]);
		free(page[i]);
	}
	ioas_iommu_destroy(iommu);
	return 0;
}

/* A gun on PCI, bound with those forms, that may send. */
static struct ioas_tlpgun *gun_start(uint32_t forms, unsigned pasid_lg2)
{
	struct ioas_tlpgun *gun;
	struct ioas_pci *pci;

	assert_int_equal(ioas_model_create(iommu, "tlpgun", &pci, &why), 0);
	gun = ioas_tlpgun_of(pci);
	assert_non_null(gun);
	assert_int_equal(ioas_device_bind(ioas_tlpgun_device(gun), forms, pasid_lg2, &why), 0);
	assert_int_equal(pci_open(pci, NULL), 0);
	assert_int_equal(pci_config_write(pci, PCI_CFG_COMMAND, &(uint16_t){6}, 2), 2);
	return gun;
}

static int close_one(struct ioas_pci *pci, void *arg)
{
	pci_close(pci);
	ioas_device_unbind(ioas_pci_device(pci));
	return 0;
}

static int first(struct ioas_pci *pci, void *arg)
{
	*(struct ioas_pci **)arg = pci;
	return 1;
}

/* All of its devices must be detached. */
static void guns_end(void)
{
	struct ioas_pci *pci;

	ioas_pci_each(iommu, close_one, NULL);
	while (ioas_pci_each(iommu, first, &pci))
		ioas_pci_remove(pci);
}

/* The byte that a read of `pasid` brings, or -(why it was refused). */
static int look(struct ioas_tlpgun *gun, uint32_t pasid)
{
	struct ioas_tlp tlp = {.addr = IOVA, .len = 1, .op = IOAS_TLP_READ};
	enum ioas_fault_reason reason;
	uint8_t byte = 0;

	if (pasid != UNTAGGED) {
		tlp.flags = IOAS_TLP_PASID;
		tlp.pasid = pasid;
	}
	if (ioas_tlpgun_issue(gun, &tlp, &byte, &reason))
		return -(int)reason;
	assert_int_equal(reason, IOAS_FAULT_NONE);
	return byte;
}

static struct ioas_fault newest(void)
{
	struct ioas_fault fault = {0};
	uint64_t seq = 0;

	while (ioas_fault_read(iommu, &seq, &fault, 1))
		;
	return fault;
}

static void pasid_0_is_not_none(void **state)
{
	struct ioas_tlpgun *gun = gun_start(IOAS_FORM_RID | IOAS_FORM_PASID, 20);
	struct ioas_device *dev = ioas_tlpgun_device(gun);

	assert_int_equal(ioas_device_attach(dev, space[0], &why), 0);
	assert_int_equal(look(gun, 0), -IOAS_FAULT_NO_ROUTE);
	assert_int_equal(ioas_device_attach_pasid(dev, 0, space[1], &why), 0);
	assert_int_equal(look(gun, UNTAGGED), content(0));
	assert_int_equal(look(gun, 0), content(1));
	ioas_device_detach(dev);
	assert_int_equal(look(gun, UNTAGGED), -IOAS_FAULT_NO_ROUTE);
	assert_int_equal(look(gun, 0), content(1));
	ioas_device_detach_pasid(dev, 0);
	assert_int_equal(look(gun, 0), -IOAS_FAULT_NO_ROUTE);
	guns_end();
}

static void pasid_0_is_none_where_the_iommu_has_it_so(void **state)
{
	struct ioas_tlpgun *gun = gun_start(IOAS_FORM_RID | IOAS_FORM_PASID, 20);
	struct ioas_device *dev = ioas_tlpgun_device(gun);

	assert_int_equal(ioas_device_attach_pasid(dev, 0, space[1], &why), -EINVAL);
	assert_non_null(strstr(why.text, "takes PASID 0 for requests without a PASID"));
	assert_int_equal(ioas_device_attach(dev, space[0], &why), 0);
	assert_int_equal(look(gun, 0), content(0));
	assert_int_equal(look(gun, UNTAGGED), content(0));
	assert_int_equal(ioas_device_attach_pasid(dev, 1, space[1], &why), 0);
	assert_int_equal(look(gun, 1), content(1));
	ioas_device_detach_pasid(dev, 1);
	ioas_device_detach(dev);
	guns_end();
}

static void what_the_driver_did_not_declare_is_blocked(void **state)
{
	static const struct {
		uint32_t forms;
		unsigned pasid_lg2;
		int untagged, tagged;
	} rule[] = {
		{0, 0, -IOAS_FAULT_UNDECLARED, -IOAS_FAULT_UNDECLARED},
		{IOAS_FORM_RID, 0, content(0), -IOAS_FAULT_UNDECLARED},
		{IOAS_FORM_PASID, 8, -IOAS_FAULT_UNDECLARED, content(1)},
		{IOAS_FORM_SHARED_QUEUE, 8, -IOAS_FAULT_UNDECLARED, content(1)},
		{IOAS_FORM_RID | IOAS_FORM_PASID, 8, content(0), content(1)},
		{IOAS_FORM_RID | IOAS_FORM_PASID, 2, content(0), -IOAS_FAULT_PASID_WIDTH},
	};

	for (size_t i = 0; i < sizeof(rule) / sizeof(*rule); i++) {
		struct ioas_tlpgun *gun = gun_start(rule[i].forms, rule[i].pasid_lg2);
		struct ioas_device *dev = ioas_tlpgun_device(gun);

		assert_int_equal(ioas_device_attach(dev, space[0], &why),
				 rule[i].untagged > 0 ? 0 : -EINVAL);
		assert_int_equal(ioas_device_attach_pasid(dev, 5, space[1], &why),
				 rule[i].tagged > 0 ? 0 : -EINVAL);
		assert_int_equal(look(gun, UNTAGGED), rule[i].untagged);
		assert_int_equal(look(gun, 5), rule[i].tagged);
		if (rule[i].tagged < 0) {
			assert_int_equal(newest().reason, -rule[i].tagged);
			assert_int_equal(newest().tlp.pasid, 5);
		}
		ioas_device_detach_pasid(dev, 5);
		ioas_device_detach(dev);
		guns_end();
	}
}

static void who_is_not_bound_is_blocked(void **state)
{
	struct ioas_tlpgun *gun = gun_start(IOAS_FORM_RID, 0);
	struct ioas_device *dev = ioas_tlpgun_device(gun);

	ioas_device_unbind(dev);
	assert_int_equal(look(gun, UNTAGGED), -IOAS_FAULT_NOT_BOUND);
	assert_int_equal(ioas_device_attach(dev, space[0], &why), -EINVAL);
	assert_int_equal(ioas_device_bind(dev, IOAS_FORM_RID, 0, &why), 0);
	assert_int_equal(look(gun, UNTAGGED), -IOAS_FAULT_NO_ROUTE);
	guns_end();
}

/* A bus without RIDs: the core routes its requests by StreamID and SubstreamID. */
static void a_platform_device_goes_by_its_stream_id(void **state)
{
	struct ioas_tlpgun *pci = gun_start(IOAS_FORM_RID, 0), *gun, *other;
	struct ioas_device *dev;

	assert_int_equal(ioas_tlpgun_stream_new(iommu, "gun@9000", STREAM_ID, NULL, &gun), 0);
	assert_int_equal(ioas_tlpgun_stream_new(iommu, "other", STREAM_ID, NULL, &other), -EEXIST);
	assert_int_equal(ioas_tlpgun_stream_new(iommu, "other", STREAM_ID + 1, NULL, &other), 0);
	dev = ioas_tlpgun_device(gun);
	assert_int_equal(ioas_device_id(dev), STREAM_ID);
	assert_int_equal(ioas_device_id(ioas_tlpgun_device(pci)), STREAM_ID);
	assert_int_equal(look(gun, UNTAGGED), -IOAS_FAULT_NOT_BOUND);
	assert_int_equal(ioas_device_bind(dev, IOAS_FORM_RID | IOAS_FORM_PASID, 16, &why), 0);
	assert_int_equal(ioas_device_bind(ioas_tlpgun_device(other), IOAS_FORM_RID, 0, &why), 0);
	assert_int_equal(ioas_device_attach(dev, space[0], &why), 0);
	assert_int_equal(ioas_device_attach_pasid(dev, 5, space[1], &why), 0);
	assert_int_equal(ioas_device_attach_pasid(dev, 0, space[2], &why), 0);
	assert_int_equal(look(gun, UNTAGGED), content(0));
	assert_int_equal(look(gun, 5), content(1));
	assert_int_equal(look(gun, 0), content(2));
	assert_int_equal(look(gun, 6), -IOAS_FAULT_NO_ROUTE);
	assert_true(newest().stream);
	assert_int_equal(newest().id, STREAM_ID);
	assert_string_equal(newest().device, "gun@9000");
	/* Neither the next StreamID nor the same number on PCI is it. */
	assert_int_equal(look(other, UNTAGGED), -IOAS_FAULT_NO_ROUTE);
	assert_int_equal(newest().id, STREAM_ID + 1);
	assert_int_equal(look(pci, UNTAGGED), -IOAS_FAULT_NO_ROUTE);
	assert_false(newest().stream);
	ioas_device_detach(dev);
	assert_int_equal(look(gun, UNTAGGED), -IOAS_FAULT_NO_ROUTE);
	assert_int_equal(look(gun, 5), content(1));
	ioas_device_detach_pasid(dev, 5);
	ioas_device_detach_pasid(dev, 0);
	ioas_device_unbind(dev);
	ioas_device_unbind(ioas_tlpgun_device(other));
	ioas_tlpgun_stream_destroy(gun);
	ioas_tlpgun_stream_destroy(other);
	guns_end();
}

int main(void)
{
#define TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(pasid_0_is_not_none, setup),
		TEST(pasid_0_is_none_where_the_iommu_has_it_so, setup_pasid_0_same),
		TEST(what_the_driver_did_not_declare_is_blocked, setup),
		TEST(who_is_not_bound_is_blocked, setup),
		TEST(a_platform_device_goes_by_its_stream_id, setup),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
