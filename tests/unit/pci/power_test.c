/* SPDX-License-Identifier: MIT */
/* Description: low power that the user asked for: who is refused meanwhile, and who ends it. */
#include <fcntl.h>
#include "toy.h"

static int store(struct toy *toy)
{
	uint64_t value = 7;

	return pci_bar_access(toy->pci, 0, 0x100, true, &value, 4);
}

/* An eventfd and the function's copy of it. */
static int event_with_copy(int *copy)
{
	int fd = event_new();

	*copy = dup(fd);
	return fd;
}

static void mappings_do_not_answer_until_it_is_left(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	uint32_t word;

	assert_int_equal(store(toy), 0);
	assert_int_equal(pci_low_power_enter(toy->pci, -1), 0);
	assert_int_equal(store(toy), -EIO);
	/* Who asked not to be told is not woken by his own calls: the driver does that each time.
	 */
	pci_low_power_wake(toy->pci);
	assert_int_equal(store(toy), -EIO);
	assert_int_equal(pci_bar_read(toy->pci, 0, 0x100, &word, 4), 4);
	assert_int_equal(word, 7);
	assert_int_equal(pci_low_power_enter(toy->pci, -1), -EINVAL);
	assert_int_equal(store(toy), -EIO);
	pci_low_power_leave(toy->pci);
	assert_int_equal(store(toy), 0);
	pci_low_power_leave(toy->pci);
	assert_int_equal(pci_low_power_enter(toy->pci, -1), 0);
	pci_low_power_leave(toy->pci);
}

static void the_first_use_of_the_file_wakes_it(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	int copy, event = event_with_copy(&copy);

	assert_int_equal(pci_low_power_enter(toy->pci, copy), 0);
	assert_int_equal(store(toy), -EIO);
	assert_int_equal(fired(event), 0);
	pci_low_power_wake(toy->pci);
	assert_int_equal(fired(event), 1);
	assert_int_equal(store(toy), 0);
	pci_low_power_wake(toy->pci);
	pci_low_power_leave(toy->pci);
	assert_int_equal(fired(event), 0);
	assert_int_equal(fcntl(copy, F_GETFD), -1);
	close(event);
}

static void who_leaves_it_is_not_told(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	int copy, event = event_with_copy(&copy);

	assert_int_equal(pci_low_power_enter(toy->pci, copy), 0);
	pci_low_power_leave(toy->pci);
	assert_int_equal(fired(event), 0);
	assert_int_equal(fcntl(copy, F_GETFD), -1);
	assert_int_equal(store(toy), 0);
	close(event);
}

/* Its descriptor is the function's all the same. */
static void who_comes_second_is_refused(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	int first, second, event = event_with_copy(&first), other = event_with_copy(&second);

	assert_int_equal(pci_low_power_enter(toy->pci, first), 0);
	assert_int_equal(pci_low_power_enter(toy->pci, second), -EINVAL);
	assert_int_equal(fcntl(second, F_GETFD), -1);
	assert_int_equal(fcntl(first, F_GETFD), 0);
	pci_low_power_wake(toy->pci);
	assert_int_equal(fired(event), 1);
	assert_int_equal(fired(other), 0);
	close(event);
	close(other);
}

static void it_ends_with_the_file(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	int copy, event = event_with_copy(&copy);

	assert_int_equal(pci_low_power_enter(toy->pci, copy), 0);
	pci_close(toy->pci);
	assert_int_equal(fcntl(copy, F_GETFD), -1);
	assert_int_equal(pci_open(toy->pci, NULL), 0);
	assert_int_equal(store(toy), 0);
	assert_int_equal(fired(event), 0);
	close(event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TOY(mappings_do_not_answer_until_it_is_left),
		WITH_TOY(the_first_use_of_the_file_wakes_it),
		WITH_TOY(who_leaves_it_is_not_told),
		WITH_TOY(who_comes_second_is_refused),
		WITH_TOY(it_ends_with_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
