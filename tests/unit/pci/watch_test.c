/* SPDX-License-Identifier: MIT */
/*
 * Description: watched registers: which pages there can be, whose mappings they are, and that they
 * are shut before the function is silent.
 */
#include <sys/mman.h>
#include <sys/resource.h>
#include "pci/toy.h"

#define PAGE 0x1000

static struct ioas_iommu *iommu;
static struct toy *toy;

/* A program's mapping of the page at PAGE, of two files. */
static struct program {
	uint32_t *page;
	bool open, gone;
	int answer;
} program[2];

static int page_at(void *file, unsigned bar, uint64_t off, void *at)
{
	struct program *of = file;

	if (of->gone || bar || off != PAGE)
		return -ENXIO;
	return mremap(of->page, 0, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at ? 0 : -ENOMEM;
}

static int open_page(void *file, unsigned bar, uint64_t off, bool open)
{
	struct program *of = file;

	assert_true(!bar && off == PAGE && of->open != open);
	if (open && of->answer)
		return of->answer;
	of->open = open;
	return 0;
}

static const struct pci_watcher watcher = {page_at, open_page};

static int setup(void **state)
{
	struct ioas_why why;

	assert_int_equal(ioas_iommu_new(NULL, &iommu), 0);
	assert_int_equal(toy_add(iommu, "0000:01:00.0", &toy, &why), 0);
	assert_int_equal(pci_open(toy->pci, &why), 0);
	for (unsigned i = 0; i < 2; i++) {
		program[i] = (struct program){
			.page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				     -1, 0),
		};
		program[i].page[0] = i + 1;
	}
	return 0;
}

static int teardown(void **state)
{
	pci_close(toy->pci);
	ioas_pci_remove(toy->pci);
	ioas_iommu_destroy(iommu);
	for (unsigned i = 0; i < 2; i++)
		munmap(program[i].page, PAGE);
	return 0;
}

static void offer(unsigned i)
{
	pci_watch_offer(toy->pci, &watcher, &program[i]);
}

static int page(void **out)
{
	return ioas_pci_watch_page(toy->pci, 0, PAGE, out);
}

static void only_whole_pages_of_registers(void **state)
{
	void *at;

	offer(0);
	assert_int_equal(ioas_pci_watch_page(toy->pci, 0, PAGE + 8, &at), -EINVAL);
	assert_int_equal(ioas_pci_watch_page(toy->pci, 0, TOY_TABLE, &at), -EINVAL);
	assert_int_equal(ioas_pci_watch_page(toy->pci, 0, TOY_PBA, &at), -EINVAL);
	assert_int_equal(ioas_pci_watch_page(toy->pci, 0, 0x4000, &at), -EINVAL);
	assert_int_equal(ioas_pci_watch_page(toy->pci, 1, PAGE, &at), -EINVAL);
	assert_int_equal(ioas_pci_watch_page(toy->pci, 9, PAGE, &at), -EINVAL);
	assert_int_equal(ioas_pci_watch_page(toy->pci, 0, 0, &at), -ENXIO);
	assert_int_equal(ioas_pci_watch(toy->pci), -ENXIO);
	assert_int_equal(page(&at), 0);
}

/* Wherever the table begins and ends: its pages are no registers', those beside them are. */
static void no_page_has_some_of_the_table(void **state)
{
	struct ioas_pci_desc *desc = &toy->pci->desc;
	const struct ioas_pci_desc before = *desc;
	void *at;

	offer(0);
	desc->msix_table = 0x2ff8;
	desc->msix_nr = 1;
	desc->msix_pba = 0xff8;
	assert_int_equal(ioas_pci_watch_page(toy->pci, 0, 0x2000, &at), -EINVAL);
	assert_int_equal(ioas_pci_watch_page(toy->pci, 0, 0x3000, &at), -EINVAL);
	assert_int_equal(ioas_pci_watch_page(toy->pci, 0, 0, &at), -EINVAL);
	assert_int_equal(page(&at), 0);
	desc->msix_table = 0x3000 - 16;
	desc->msix_pba = 0x2000;
	assert_int_equal(ioas_pci_watch_page(toy->pci, 0, 0x2000, &at), -EINVAL);
	assert_int_equal(ioas_pci_watch_page(toy->pci, 0, 0x3000, &at), -ENXIO);
	assert_int_equal(page(&at), 0);
	*desc = before;
}

static void nobody_has_mapped_anything(void **state)
{
	void *at;

	assert_false(ioas_pci_can_watch(toy->pci));
	assert_int_equal(page(&at), -ENXIO);
	assert_int_equal(ioas_pci_watch(toy->pci), -ENXIO);
	ioas_pci_unwatch(toy->pci);
	pci_watch_forget(toy->pci, &program[0]);
}

static void what_is_stored_is_seen(void **state)
{
	uint32_t *words;
	void *at;

	offer(0);
	assert_true(ioas_pci_can_watch(toy->pci));
	assert_int_equal(page(&at), 0);
	words = at;
	assert_int_equal(words[0], 1);
	assert_false(program[0].open);
	program[0].answer = -ENXIO;
	assert_int_equal(ioas_pci_watch(toy->pci), -ENXIO);
	program[0].answer = 0;
	assert_int_equal(ioas_pci_watch(toy->pci), 0);
	assert_true(program[0].open);
	program[0].page[5] = 77;
	assert_int_equal(words[5], 77);
	/* Again: nothing to do. */
	assert_int_equal(ioas_pci_watch(toy->pci), 0);
	assert_int_equal(page(&at), 0);
	assert_ptr_equal(at, words);
	ioas_pci_unwatch(toy->pci);
	assert_false(program[0].open);
	ioas_pci_unwatch(toy->pci);
}

static void another_file_takes_its_place(void **state)
{
	uint32_t *words;
	void *at;

	offer(0);
	assert_int_equal(page(&at), 0);
	words = at;
	assert_int_equal(ioas_pci_watch(toy->pci), 0);
	offer(0);
	assert_true(program[0].open);
	offer(1);
	assert_false(program[0].open);
	/* Still there, for who is late. */
	words[9] = 9;
	assert_int_equal(ioas_pci_watch(toy->pci), -ENXIO);
	assert_int_equal(page(&at), 0);
	assert_ptr_equal(at, words);
	assert_int_equal(words[0], 2);
	assert_int_equal(ioas_pci_watch(toy->pci), 0);
	pci_watch_forget(toy->pci, &program[0]);
	assert_true(program[1].open);
	pci_watch_forget(toy->pci, &program[1]);
	assert_false(program[1].open);
	assert_false(ioas_pci_can_watch(toy->pci));
	words[9] = 10;
	assert_int_equal(page(&at), -ENXIO);
	offer(0);
	assert_int_equal(page(&at), 0);
	assert_int_equal(words[9], 9);
}

/* There is no room for the page: that is said, and it is there when there is room again. */
static void without_memory_there_is_no_page(void **state)
{
	struct rlimit old, none;
	void *at;
	int rc;

	offer(0);
	assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
	none = (struct rlimit){PAGE, old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
	rc = page(&at);
	assert_int_equal(setrlimit(RLIMIT_AS, &old), 0);
	assert_int_equal(rc, -ENOMEM);
	assert_int_equal(ioas_pci_watch(toy->pci), -ENXIO);
	assert_false(program[0].open);
	assert_int_equal(page(&at), 0);
	assert_int_equal(*(uint32_t *)at, 1);
}

static void set_command(uint16_t command)
{
	set_cfg(toy, PCI_CFG_COMMAND, command, 2);
}

static void set_power(uint16_t state)
{
	set_cfg(toy, toy->pci->config.pm + 4u, state, 2);
}

static void shut_by_then(struct toy *of)
{
	assert_false(program[0].open);
	assert_int_equal(ioas_pci_watch(of->pci), -EAGAIN);
}

static void silence_shuts_it_first(void **state)
{
	void *at;

	offer(0);
	assert_int_equal(page(&at), 0);
	set_command(2);
	assert_int_equal(ioas_pci_watch(toy->pci), 0);
	set_command(6);
	assert_true(program[0].open);
	set_command(4);
	assert_false(program[0].open);
	assert_int_equal(ioas_pci_watch(toy->pci), -EAGAIN);
	set_command(6);
	assert_int_equal(ioas_pci_watch(toy->pci), 0);
	set_power(3);
	assert_false(program[0].open);
	assert_int_equal(ioas_pci_watch(toy->pci), -EAGAIN);
	set_power(0);
	set_command(6);
	assert_int_equal(ioas_pci_watch(toy->pci), 0);
	assert_int_equal(pci_low_power_enter(toy->pci, -1), 0);
	assert_false(program[0].open);
	assert_int_equal(ioas_pci_watch(toy->pci), -EAGAIN);
	pci_low_power_leave(toy->pci);
	assert_int_equal(ioas_pci_watch(toy->pci), 0);
	toy->on_reset = shut_by_then;
	pci_reset(toy->pci);
	toy->on_reset = NULL;
	assert_int_equal(toy->resets, 2);
	assert_int_equal(ioas_pci_watch(toy->pci), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_whole_pages_of_registers), TEST(nobody_has_mapped_anything),
		TEST(no_page_has_some_of_the_table), TEST(what_is_stored_is_seen),
		TEST(another_file_takes_its_place),  TEST(without_memory_there_is_no_page),
		TEST(silence_shuts_it_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
