/* SPDX-License-Identifier: MIT */
/*
 * Description: page requests as the device sees them: groups, how many at a time, every answer, and
 * none that comes after a reset; who serves them may come and go meanwhile.
 */
#include "tests/unit/tlp/pri_rig.h"

static void a_group_is_answered_as_a_whole(void **state)
{
	assert_int_equal(ask(3, false), 0);
	assert_int_equal(ask(4, true), 0);
	assert_int_equal(ask(3, true), 0);
	assert_int_equal(served.nr, 3);
	assert_int_equal(served.last.group, 3);
	assert_int_equal(stats().outstanding, 3);
	assert_int_equal(ask(3, true), -EBUSY);
	pri_answer(dev, served.tag, 3, IOAS_PAGE_SUCCESS);
	assert_int_equal(heard.nr, 1);
	assert_int_equal(heard.group, 3);
	assert_int_equal(heard.code, IOAS_PAGE_SUCCESS);
	assert_int_equal(stats().outstanding, 1);
	assert_int_equal(ask(3, true), 0);
	pri_answer(dev, served.tag, 3, IOAS_PAGE_INVALID);
	assert_int_equal(heard.code, IOAS_PAGE_INVALID);
	assert_int_equal(stats().success, 1);
	assert_int_equal(stats().invalid, 1);
	assert_int_equal(stats().unserved, 0);
	assert_int_equal(stats().refused, 1);
	assert_int_equal(stats().requests, 4);
	assert_int_equal(stats().groups, 3);
	/* Nothing is answered twice, nor what was not asked for. */
	pri_answer(dev, served.tag, 3, IOAS_PAGE_SUCCESS);
	pri_answer(dev, served.tag, 9, IOAS_PAGE_SUCCESS);
	assert_int_equal(heard.nr, 2);
}

static void no_more_are_outstanding_than_allowed(void **state)
{
	for (uint16_t i = 0; i < ioas_page_room(dev); i++)
		assert_int_equal(ask(i, true), 0);
	assert_int_equal(ask(100, true), -EAGAIN);
	assert_int_equal(served.nr, ioas_page_room(dev));
	pri_answer(dev, served.of[0], 0, IOAS_PAGE_SUCCESS);
	assert_int_equal(ask(100, true), 0);
	assert_int_equal(ask(101, true), -EAGAIN);
	assert_int_equal(stats().refused, 2);
}

static void what_nobody_serves_is_answered_invalid(void **state)
{
	served.rc = 1;
	assert_int_equal(ask(1, false), 0);
	assert_int_equal(heard.nr, 0);
	assert_int_equal(ask(1, true), 0);
	assert_int_equal(heard.code, IOAS_PAGE_INVALID);
	pri_serve(dev, NULL, NULL);
	assert_int_equal(ask(2, true), 0);
	assert_int_equal(heard.nr, 2);
	assert_int_equal(stats().unserved, 2);
	assert_int_equal(stats().outstanding, 0);
}

static void a_failure_stops_requests_until_a_reset(void **state)
{
	served.rc = -ENOMEM;
	assert_int_equal(ask(1, false), 0);
	served.rc = 0;
	assert_int_equal(ask(1, true), 0);
	assert_int_equal(served.nr, 1);
	assert_int_equal(heard.code, IOAS_PAGE_FAILURE);
	assert_int_equal(ask(2, true), -EIO);
	pci_reset(pci);
	assert_int_equal(ask(2, true), 0);
	assert_int_equal(stats().failure, 1);
}

/* One failed, whatever becomes of those that were sent before. */
static void a_failure_is_over_with_a_reset_or_anew_with_a_route(void **state)
{
	assert_int_equal(ask(1, true), 0);
	assert_int_equal(ask(2, true), 0);
	assert_int_equal(ask(3, true), 0);
	pri_answer(dev, served.of[1], 1, IOAS_PAGE_SUCCESS);
	pri_answer(dev, served.of[2], 2, IOAS_PAGE_FAILURE);
	assert_int_equal(ask(4, true), -EIO);
	pri_answer(dev, served.of[3], 3, IOAS_PAGE_SUCCESS);
	assert_int_equal(ask(4, true), -EIO);
	assert_int_equal(stats().success, 2);
	assert_int_equal(stats().failure, 1);
	ioas_device_detach(dev);
	assert_int_equal(ask(4, true), -ENODEV);
	assert_int_equal(ioas_device_attach(dev, space, NULL), 0);
	assert_int_equal(ask(4, true), 0);
}

static void a_group_is_of_one_form(void **state)
{
	struct ioas_page_request request = {
		.flags = IOAS_PAGE_READ | IOAS_PAGE_PASID, .pasid = 7, .group = 5};

	assert_int_equal(ioas_page_request(dev, &request), 0);
	request.pasid = 8;
	assert_int_equal(ioas_page_request(dev, &request), -EINVAL);
	request.pasid = 7;
	request.flags |= IOAS_PAGE_PRIV;
	assert_int_equal(ioas_page_request(dev, &request), -EINVAL);
	request.flags = IOAS_PAGE_READ;
	assert_int_equal(ioas_page_request(dev, &request), -EINVAL);
	request.flags = IOAS_PAGE_WRITE | IOAS_PAGE_PASID | IOAS_PAGE_LAST;
	assert_int_equal(ioas_page_request(dev, &request), 0);
	pri_answer(dev, served.tag, 5, IOAS_PAGE_SUCCESS);
	/* The next group of that number is another one; without a PASID its number is not looked
	 * at. */
	request.flags = IOAS_PAGE_READ;
	assert_int_equal(ioas_page_request(dev, &request), 0);
	request.pasid = UINT32_MAX;
	request.flags = IOAS_PAGE_READ | IOAS_PAGE_LAST;
	assert_int_equal(ioas_page_request(dev, &request), 0);
	assert_int_equal(stats().outstanding, 2);
}

/* A group that lost a request is for nobody to answer but the engine. */
static void what_was_lost_is_forgotten_by_a_reset(void **state)
{
	served.rc = -ENOMEM;
	assert_int_equal(ask(1, false), 0);
	assert_int_equal(heard.nr, 0);
	pci_reset(pci);
	assert_int_equal(stats().forgotten, 0);
	served.rc = 0;
	assert_int_equal(ask(1, true), 0);
	assert_int_equal(served.nr, 2);
	assert_int_equal(heard.nr, 0);
}

static void a_device_without_page_requests_has_none(void **state)
{
	static const struct ioas_pci_ops none = {0};
	static const struct ioas_pci_desc desc = {.vendor = 0x1b36, .device = 0x1234, .ats = true};
	struct ioas_page_request request = {.flags = IOAS_PAGE_READ | IOAS_PAGE_LAST};
	struct ioas_pri_stats got;
	struct ioas_pci *other;

	assert_int_equal(ioas_pri_open(dev, &ops, NULL), -EBUSY);
	assert_int_equal(ask(1, true), 0);
	pri_answer(dev, served.tag, 1, IOAS_PAGE_SUCCESS); /* still told to the first */
	assert_int_equal(ioas_pci_add(iommu, (struct ioas_pci_addr){.bus = 2}, &desc, &none, NULL,
				      &other, NULL),
			 0);
	assert_int_equal(ioas_pri_open(ioas_pci_device(other), &ops, NULL), -EOPNOTSUPP);
	assert_int_equal(ioas_page_request(ioas_pci_device(other), &request), -EOPNOTSUPP);
	assert_int_equal(ioas_page_room(ioas_pci_device(other)), 0);
	memset(&got, 0xff, sizeof(got));
	ioas_pri_stats(ioas_pci_device(other), &got);
	assert_int_equal(got.requests | got.refused | got.outstanding, 0);
	pri_serve(ioas_pci_device(other), &server, NULL);
	ioas_pri_close(ioas_pci_device(other));
	ioas_pci_remove(other);
}

static _Atomic bool left;

static void respond_slowly(void *arg, uint16_t group, enum ioas_page_code code)
{
	atomic_store(&heard.nr, 1);
	usleep(20000);
	atomic_store(&left, true);
}

static void *answer_first(void *arg)
{
	pri_answer(dev, served.tag, 1, IOAS_PAGE_SUCCESS);
	return NULL;
}

static void nobody_is_told_when_it_is_closed(void **state)
{
	static const struct ioas_pri_ops slow = {.respond = respond_slowly};
	pthread_t thread;

	atomic_store(&left, false);
	ioas_pri_close(dev);
	assert_int_equal(ioas_pri_open(dev, &slow, NULL), 0);
	assert_int_equal(ask(1, true), 0);
	assert_int_equal(pthread_create(&thread, NULL, answer_first, NULL), 0);
	while (!atomic_load(&heard.nr))
		sched_yield();
	ioas_pri_close(dev);
	assert_true(atomic_load(&left));
	pthread_join(thread, NULL);
}

static void nothing_comes_from_before_a_reset(void **state)
{
	uint64_t before;

	assert_int_equal(ask(1, true), 0);
	before = served.tag;
	pci_reset(pci);
	assert_int_equal(stats().forgotten, 1);
	assert_int_equal(stats().outstanding, 0);
	assert_int_equal(ask(1, true), 0);
	pri_answer(dev, before, 1, IOAS_PAGE_SUCCESS);
	assert_int_equal(heard.nr, 0);
	pri_answer(dev, served.tag, 1, IOAS_PAGE_SUCCESS);
	assert_int_equal(heard.nr, 1);
}

static void requests_need_a_route_and_the_bus(void **state)
{
	struct ioas_page_request bad = {.flags = IOAS_PAGE_READ | IOAS_PAGE_LAST};
	uint16_t command = PCI_CMD_MEMORY;

	bad.group = IOAS_PAGE_GROUPS;
	assert_int_equal(ioas_page_request(dev, &bad), -EINVAL);
	bad = (struct ioas_page_request){.flags = IOAS_PAGE_PASID, .pasid = 1 << 20};
	assert_int_equal(ioas_page_request(dev, &bad), -EINVAL);
	assert_int_equal(ask(1, false), 0);
	bad = (struct ioas_page_request){.flags = IOAS_PAGE_PASID, .pasid = 1, .group = 1};
	assert_int_equal(ioas_page_request(dev, &bad), -EINVAL);
	assert_int_equal(pci_config_write(pci, PCI_CFG_COMMAND, &command, 2), 2);
	assert_int_equal(ask(2, true), -ENODEV);
	command |= PCI_CMD_MASTER;
	assert_int_equal(pci_config_write(pci, PCI_CFG_COMMAND, &command, 2), 2);
	ioas_device_detach(dev);
	assert_int_equal(ask(2, true), -ENODEV);
	ioas_pri_close(dev);
	assert_int_equal(ask(2, true), -EOPNOTSUPP);
	assert_int_equal(stats().refused, 6);
}

static unsigned find_ext(uint16_t id)
{
	uint32_t header = 0, off = 0x100;

	for (; off; off = header >> 20) {
		assert_int_equal(pci_config_read(pci, off, &header, 4), 4);
		if ((header & 0xffff) == id)
			return off;
	}
	return 0;
}

static void config_space_tells_how_it_stands(void **state)
{
	unsigned off = find_ext(0x0013);
	uint32_t words[3];

	assert_int_not_equal(off, 0);
	assert_int_equal(pci_config_read(pci, off + 4, words, 12), 12);
	assert_int_equal(words[0], 0x81000001); /* enabled; stopped, responses have the PASID */
	assert_int_equal(words[1], 32);
	assert_int_equal(words[2], 32);
	assert_int_equal(ask(1, true), 0);
	assert_int_equal(pci_config_read(pci, off + 4, words, 4), 4);
	assert_int_equal(words[0], 0x80000001);
	served.rc = -ENOMEM;
	assert_int_equal(ask(2, true), 0);
	assert_int_equal(pci_config_read(pci, off + 4, words, 4), 4);
	assert_int_equal(words[0], 0x80010001); /* response failure */
	ioas_device_detach(dev);
	assert_int_equal(pci_config_read(pci, off + 4, words, 12), 12);
	assert_int_equal(words[0] & 0x10001, 0x10000); /* still */
	assert_int_equal(words[2], 0);
	assert_int_equal(ioas_device_attach(dev, space, NULL), 0);
	assert_int_equal(pci_config_read(pci, off + 4, words, 4), 4);
	assert_int_equal(words[0] & 0x10001, 1);
}

#define ROUNDS 2000

static void *answer_all(void *arg)
{
	_Atomic bool *over = arg;

	/* What a lock gives up nobody gets who is not let run. */
	for (; !atomic_load(over); sched_yield())
		for (uint16_t i = 0; i < IOAS_PAGE_GROUPS; i++)
			pri_answer(dev, served.of[i], i, IOAS_PAGE_SUCCESS);
	return NULL;
}

static void *come_and_go(void *arg)
{
	_Atomic bool *over = arg;

	while (!atomic_load(over)) {
		pri_serve(dev, NULL, NULL);
		sched_yield();
		pri_serve(dev, &server, &served);
		usleep(100);
	}
	return NULL;
}

/* Each group that was sent has one answer, whoever gives it. */
static void every_group_has_one_answer_under_fire(void **state)
{
	_Atomic bool over = false;
	pthread_t thread[2];
	unsigned sent = 1;

	assert_int_equal(ask(0, true), 0);
	assert_int_equal(pthread_create(&thread[0], NULL, answer_all, &over), 0);
	assert_int_equal(pthread_create(&thread[1], NULL, come_and_go, &over), 0);
	for (uint16_t i = 1; i < ROUNDS; i++)
		sent += !ask(i % IOAS_PAGE_GROUPS, true);
	while (stats().outstanding)
		sched_yield();
	atomic_store(&over, true);
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
	assert_int_equal(heard.nr, sent);
	assert_int_equal(stats().success + stats().invalid, sent);
	assert_int_equal(stats().refused, ROUNDS - sent);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_group_is_answered_as_a_whole),
		TEST(no_more_are_outstanding_than_allowed),
		TEST(what_nobody_serves_is_answered_invalid),
		TEST(a_failure_stops_requests_until_a_reset),
		TEST(a_failure_is_over_with_a_reset_or_anew_with_a_route),
		TEST(a_group_is_of_one_form),
		TEST(what_was_lost_is_forgotten_by_a_reset),
		TEST(a_device_without_page_requests_has_none),
		TEST(nobody_is_told_when_it_is_closed),
		TEST(nothing_comes_from_before_a_reset),
		TEST(requests_need_a_route_and_the_bus),
		TEST(config_space_tells_how_it_stands),
		TEST(every_group_has_one_answer_under_fire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
