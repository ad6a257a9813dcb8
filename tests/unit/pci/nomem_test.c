/* SPDX-License-Identifier: MIT */
/*
 * Description: a function is added with the first, second, ... allocation failing until none fails:
 * every failure is -ENOMEM with a reason, and leaves the address free. Numbering never allocates.
 * The linker puts the __wrap_ functions in front of the allocator (see meson.build).
 */
#include "toy.h"

void *__real_malloc(size_t len);
void *__real_calloc(size_t nr, size_t len);
void *__real_realloc(void *ptr, size_t len);
int __real_posix_memalign(void **out, size_t align, size_t len);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t nr, size_t len);
void *__wrap_realloc(void *ptr, size_t len);
int __wrap_posix_memalign(void **out, size_t align, size_t len);

static int fuse;  /* allocations until one fails, and all after it; 0: none does */
static bool once; /* only that one */

static bool blown(void)
{
	if (fuse != 1) {
		fuse -= fuse > 1;
		return false;
	}
	if (once)
		fuse = 0;
	return true;
}

void *__wrap_malloc(size_t len)
{
	return blown() ? NULL : __real_malloc(len);
}

void *__wrap_calloc(size_t nr, size_t len)
{
	return blown() ? NULL : __real_calloc(nr, len);
}

void *__wrap_realloc(void *ptr, size_t len)
{
	return blown() ? NULL : __real_realloc(ptr, len);
}

int __wrap_posix_memalign(void **out, size_t align, size_t len)
{
	return blown() ? ENOMEM : __real_posix_memalign(out, align, len);
}

static void a_failed_add_leaves_nothing(void **state)
{
	struct ioas_iommu *iommu = toy_iommu();
	struct toy *toy = calloc(1, sizeof(*toy));
	struct ioas_pci_addr addr = {.segment = 7, .bus = 9};
	int tries = 0, rc;

	do {
		struct ioas_why why = {""};

		fuse = ++tries;
		rc = ioas_pci_add(iommu, addr, &toy_desc, &toy_ops, toy, &toy->pci, &why);
		if (rc) {
			assert_int_equal(rc, -ENOMEM);
			assert_true(*why.text);
			assert_null(pci_find(iommu, addr));
		}
	} while (rc);
	/* Levels and groups that were made stay for the next try. */
	assert_true(tries > 4);
	fuse = 1;
	assert_int_equal(pci_cdev_index(toy->pci), 0);
	assert_int_equal(pci_group_number(pci_group_of(toy->pci)), 1);
	fuse = 0;
	ioas_iommu_destroy(iommu);
}

/* When there is memory again right after it, too. */
static void whatever_fails_is_said(void **state)
{
	struct ioas_pci_addr addr = {.segment = 7, .bus = 9};
	int tries = 0, rc;

	once = true;
	do {
		struct ioas_iommu *iommu = toy_iommu();
		struct toy *toy = calloc(1, sizeof(*toy));
		struct ioas_why why = {""};

		fuse = ++tries;
		rc = ioas_pci_add(iommu, addr, &toy_desc, &toy_ops, toy, &toy->pci, &why);
		assert_int_equal(rc, fuse ? 0 : -ENOMEM);
		fuse = 0;
		if (rc)
			free(toy);
		ioas_iommu_destroy(iommu);
	} while (rc);
	once = false;
	assert_true(tries > 8);
}

static void numbers_survive_hunger(void **state)
{
	struct ioas_iommu *iommu = toy_iommu();
	struct toy *toys[100];
	char addr[IOAS_NAME_LEN];

	for (unsigned i = 0; i < 100; i++) {
		snprintf(addr, sizeof(addr), "%02x:00.0", i + 1);
		assert_int_equal(toy_add(iommu, addr, &toys[i], NULL), 0);
	}
	ioas_pci_remove(toys[50]->pci);
	fuse = 1;
	for (unsigned i = 0; i < 100; i++) {
		if (i == 50)
			continue;
		assert_int_equal(pci_cdev_index(toys[i]->pci), i < 50 ? i : i - 1);
		assert_int_equal(pci_group_number(pci_group_of(toys[i]->pci)), 100 + i);
	}
	fuse = 0;
	ioas_iommu_destroy(iommu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failed_add_leaves_nothing),
		cmocka_unit_test(whatever_fails_is_said),
		cmocka_unit_test(numbers_survive_hunger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
