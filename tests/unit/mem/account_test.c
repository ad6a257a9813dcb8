/* SPDX-License-Identifier: MIT */
/* Description: who pays for pinned memory, by each rule, up to the limit and not beyond. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <ioas/door.h>
#include "iommu.h"
#include "mem/account.h"
#include "util/inject.h"

#define PAGE 4096ull

/* A process that never was: its number is above every pid_max. */
struct person {
	struct ioas_caller caller; /* first */
	uint32_t uid;
	uint64_t memlock;
	bool privileged;
};

static struct account *account;

static int capable(struct ioas_caller *caller, int cap)
{
	return ((struct person *)caller)->privileged;
}

static uint32_t uid(struct ioas_caller *caller)
{
	return ((struct person *)caller)->uid;
}

static uint64_t memlock(struct ioas_caller *caller)
{
	return ((struct person *)caller)->memlock;
}

static const struct ioas_caller_ops ops = {.capable = capable, .uid = uid, .memlock = memlock};

static struct person person(pid_t pid, uint32_t uid, uint64_t pages)
{
	return (struct person){
		.caller = {.ops = &ops, .pid = pid}, .uid = uid, .memlock = pages * PAGE};
}

static struct account_payer payer(struct person *person, enum account_rule rule)
{
	struct account_payer out;

	assert_int_equal(account_payer_init(account, rule, &person->caller, &out), 0);
	return out;
}

static void expect(pid_t pid, uint64_t pinned, uint64_t locked)
{
	uint64_t got[2] = {77, 77};

	account_read(account, pid, &got[0], &got[1]);
	assert_int_equal(got[0], pinned * PAGE);
	assert_int_equal(got[1], locked * PAGE);
}

static struct ioas_iommu iommu = {.config = {.memlock = true}};

static int setup(void **state)
{
	int rc = account_new(&iommu, &iommu.account);

	account = iommu.account;
	return rc;
}

static int teardown(void **state)
{
	account_destroy(account);
	return 0;
}

#define FIRST  0x7000001
#define SECOND 0x7000002

static void processes_of_a_user_share_its_limit(void **state)
{
	struct person a = person(FIRST, 7, 10), b = person(SECOND, 7, 10), other = a;
	struct account_payer pa = payer(&a, ACCOUNT_USER), pb = payer(&b, ACCOUNT_USER), po;
	struct ioas_why why = {""};

	other.uid = 8;
	po = payer(&other, ACCOUNT_USER);
	assert_int_equal(account_charge(&pa, 6 * PAGE, NULL), 0);
	assert_int_equal(account_charge(&pb, 5 * PAGE, &why), -ENOMEM);
	assert_non_null(strstr(why.text, "20 KiB"));
	assert_non_null(strstr(why.text, "24 KiB"));
	assert_non_null(strstr(why.text, "40 KiB"));
	assert_non_null(strstr(why.text, "user 7"));
	assert_int_equal(account_charge(&pb, 4 * PAGE, NULL), 0);
	assert_int_equal(account_charge(&po, 10 * PAGE, NULL), 0);
	expect(FIRST, 16, 0);
	expect(SECOND, 4, 0);
	account_uncharge(&pa, 6 * PAGE);
	assert_int_equal(account_charge(&pb, 6 * PAGE, NULL), 0);
	account_uncharge(&pb, 10 * PAGE);
	account_uncharge(&po, 10 * PAGE);
	expect(FIRST, 0, 0);
	account_payer_fini(&pa);
	account_payer_fini(&pb);
	account_payer_fini(&po);
}

static void a_process_has_a_limit_of_its_own(void **state)
{
	struct person a = person(FIRST, 7, 10), b = person(SECOND, 7, 10);
	struct account_payer pa = payer(&a, ACCOUNT_PROCESS), pb = payer(&b, ACCOUNT_PROCESS);
	struct ioas_why why = {""};

	assert_int_equal(account_charge(&pa, 10 * PAGE, NULL), 0);
	assert_int_equal(account_charge(&pb, 10 * PAGE, NULL), 0);
	assert_int_equal(account_charge(&pb, PAGE, &why), -ENOMEM);
	assert_non_null(strstr(why.text, "process "));
	expect(FIRST, 10, 10);
	account_uncharge(&pa, 10 * PAGE);
	account_uncharge(&pb, 9 * PAGE);
	expect(FIRST, 0, 0);
	expect(SECOND, 1, 1);
	assert_int_equal(account_charge(&pb, 9 * PAGE, NULL), 0);
	account_uncharge(&pb, 10 * PAGE);
	account_payer_fini(&pa);
	account_payer_fini(&pb);
	account_payer_fini(&pb); /* it has ended already */
}

/* As vfio_iommu_type1 has it: locked is counted in any case, pinned never. */
static void vfio_counts_as_locked_only(void **state)
{
	struct person a = person(FIRST, 7, 2), root = person(SECOND, 0, 2);
	struct account_payer pa = payer(&a, ACCOUNT_VFIO), pr;

	root.privileged = true;
	pr = payer(&root, ACCOUNT_VFIO);
	assert_int_equal(account_charge(&pa, 2 * PAGE, NULL), 0);
	assert_int_equal(account_charge(&pa, PAGE, NULL), -ENOMEM);
	assert_int_equal(account_charge(&pr, 50 * PAGE, NULL), 0);
	expect(FIRST, 0, 2);
	expect(SECOND, 0, 50);
	account_uncharge(&pa, 2 * PAGE);
	account_uncharge(&pr, 50 * PAGE);
	account_payer_fini(&pa);
	account_payer_fini(&pr);
}

/* The privilege counts that there was at the time of mapping, the limit that there is when pinning.
 */
static void privilege_is_of_the_map_and_the_limit_of_the_pin(void **state)
{
	struct person a = person(FIRST, 7, 1);
	struct account_payer free, bound;

	a.privileged = true;
	free = payer(&a, ACCOUNT_USER);
	a.privileged = false;
	bound = payer(&a, ACCOUNT_USER);
	a.privileged = true;
	assert_int_equal(account_charge(&free, 100 * PAGE, NULL), 0);
	assert_int_equal(account_charge(&bound, 2 * PAGE, NULL), -ENOMEM);
	a.memlock = 2 * PAGE + 4095;
	assert_int_equal(account_charge(&bound, 3 * PAGE, NULL), -ENOMEM);
	assert_int_equal(account_charge(&bound, 2 * PAGE, NULL), 0);
	a.memlock = 0;
	account_uncharge(&bound, PAGE);
	assert_int_equal(account_charge(&bound, PAGE, NULL), -ENOMEM);
	a.memlock = UINT64_MAX;
	assert_int_equal(account_charge(&bound, 1ull << 40, NULL), 0);
	expect(FIRST, 101 + (1 << 28), 0);
	account_uncharge(&bound, PAGE + (1ull << 40));
	account_uncharge(&free, 100 * PAGE);
	account_payer_fini(&bound);
	account_payer_fini(&free);
}

static void a_charge_can_be_made_to_fail(void **state)
{
	struct person a = person(FIRST, 7, 10);
	struct account_payer pa = payer(&a, ACCOUNT_USER);

	inject_arm(1);
	assert_int_equal(account_charge(&pa, PAGE, NULL), -ENOMEM);
	assert_int_equal(inject_remaining(), 0);
	expect(FIRST, 0, 0);
	account_payer_fini(&pa);
	for (unsigned nth = 1; nth <= 2; nth++) {
		inject_arm(nth);
		assert_int_equal(account_payer_init(account, ACCOUNT_USER, &a.caller, &pa),
				 -ENOMEM);
	}
	inject_arm(0);
}

static void an_account_is_made_whole_or_not_at_all(void **state)
{
	struct account *const none = (struct account *)&iommu;

	for (unsigned nth = 1; nth <= 2; nth++) {
		struct account *made = none;

		inject_arm(nth);
		assert_int_equal(account_new(&iommu, &made), -ENOMEM);
		assert_int_equal(inject_remaining(), 0);
		assert_ptr_equal(made, none);
	}
}

/* Pid 0 is this process; a child is another one, though it has the same memory of the account. */
static void a_child_pays_for_itself(void **state)
{
	struct person self = person(0, 7, 10);
	struct account_payer mine = payer(&self, ACCOUNT_USER);
	int status;
	pid_t child;

	assert_int_equal(account_charge(&mine, 2 * PAGE, NULL), 0);
	expect(getpid(), 2, 0);
	child = fork();
	if (!child) {
		struct account_payer own = payer(&self, ACCOUNT_USER);

		assert_int_equal(account_charge(&own, 3 * PAGE, NULL), 0);
		expect(getpid(), 3, 0);
		expect(getppid(), 2, 0);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	account_uncharge(&mine, 2 * PAGE);
	account_payer_fini(&mine);
}

static void *charge_and_back(void *arg)
{
	struct account_payer *p = arg;

	for (int i = 0; i < 20000; i++)
		if (!account_charge(p, 3 * PAGE, NULL))
			account_uncharge(p, 3 * PAGE);
	return NULL;
}

static void counts_of_threads_add_up(void **state)
{
	struct person a = person(FIRST, 7, 10);
	struct account_payer p[4];
	pthread_t thread[4];

	for (int i = 0; i < 4; i++) {
		p[i] = payer(&a, ACCOUNT_USER);
		assert_int_equal(pthread_create(&thread[i], NULL, charge_and_back, &p[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	expect(FIRST, 0, 0);
	assert_int_equal(account_charge(&p[0], 10 * PAGE, NULL), 0);
	account_uncharge(&p[0], 10 * PAGE);
	for (int i = 0; i < 4; i++)
		account_payer_fini(&p[i]);
}

static void the_report_has_all_of_it(void **state)
{
	const struct ioas_memory_counters *counters = ioas_memory_counters(&iommu);
	struct person a = person(FIRST, 7, 10), root = person(SECOND, 0, 0);
	struct account_payer pa = payer(&a, ACCOUNT_USER), pr;

	root.privileged = true;
	pr = payer(&root, ACCOUNT_VFIO);
	assert_int_equal(account_charge(&pa, 10 * PAGE, NULL), 0);
	assert_int_equal(account_charge(&pr, 20 * PAGE, NULL), 0);
	assert_int_equal(account_charge(&pa, PAGE, NULL), -ENOMEM);
	account_uncharge(&pr, 20 * PAGE);
	assert_int_equal(counters->pinned_len, 10 * PAGE);
	assert_int_equal(counters->limited_len, 10 * PAGE);
	assert_int_equal(counters->pinned_max_len, 30 * PAGE);
	assert_int_equal(counters->refused, 1);
	account_uncharge(&pa, 10 * PAGE);
	assert_int_equal(counters->pinned_len, 0);
	assert_int_equal(counters->limited_len, 0);
	account_payer_fini(&pa);
	account_payer_fini(&pr);
}

/* Without enforcement what is above the limit is counted like the rest. */
static void a_limit_that_is_not_enforced_refuses_nothing(void **state)
{
	static struct ioas_iommu lax;
	struct account *kept = account;
	struct person a = person(FIRST, 7, 1);
	struct account_payer payer_a;

	assert_int_equal(account_new(&lax, &account), 0);
	payer_a = payer(&a, ACCOUNT_PROCESS);
	assert_int_equal(account_charge(&payer_a, 100 * PAGE, NULL), 0);
	expect(FIRST, 100, 100);
	account_uncharge(&payer_a, 100 * PAGE);
	account_payer_fini(&payer_a);
	account_destroy(account);
	account = kept;
}

/* Who pays by the same rule, process and, where that counts, user has the same counters. */
static void payers_are_the_same_where_their_counters_are(void **state)
{
	struct person a = person(FIRST, 7, 10), again = a, b = person(SECOND, 7, 10), other = a;
	struct account_payer first, payers[4];

	other.uid = 8;
	first = payer(&a, ACCOUNT_USER);
	payers[0] = payer(&again, ACCOUNT_USER);
	payers[1] = payer(&b, ACCOUNT_USER);
	payers[2] = payer(&other, ACCOUNT_USER);
	payers[3] = payer(&a, ACCOUNT_PROCESS);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(account_payer_same(&first, &payers[i]), i == 0);
		account_payer_fini(&payers[i]);
	}
	account_payer_fini(&first);
}

static struct account_purse purse;

/* Is it the one of before? */
static bool again(struct person *caller, enum account_rule rule)
{
	struct account_share *before = purse.share, *share;

	if (before)
		account_share_get(before);
	assert_int_equal(account_purse_take(account, rule, &caller->caller, &purse, &share), 0);
	assert_ptr_equal(share, purse.share);
	assert_ptr_equal(share->payer.caller, &caller->caller);
	assert_int_equal(share->refs - purse.spare, share == before ? 3 : 2);
	account_share_put(share);
	account_share_put(before);
	return share == before;
}

static void a_share_serves_until_something_has_changed(void **state)
{
	struct person self = person(0, 7, 10), twin = self, other = person(FIRST, 7, 10);

	assert_false(again(&self, ACCOUNT_USER));
	/* Where a child's memory cannot be wiped each is another one. */
	assert_int_equal(again(&self, ACCOUNT_USER), account_self(account) != 0);
	if (!account_self(account)) {
		account_purse_fini(&purse);
		skip();
	}
	assert_int_equal(purse.share->payer.rule, ACCOUNT_USER);
	assert_true(purse.share->payer.limited);
	self.uid = 8;
	assert_false(again(&self, ACCOUNT_USER));
	assert_true(again(&self, ACCOUNT_USER));
	assert_false(again(&self, ACCOUNT_PROCESS));
	self.uid = 9; /* which is all the same there */
	assert_true(again(&self, ACCOUNT_PROCESS));
	assert_false(again(&twin, ACCOUNT_PROCESS));
	assert_false(again(&self, ACCOUNT_VFIO));
	self.privileged = true;
	assert_false(again(&self, ACCOUNT_VFIO));
	assert_false(purse.share->payer.limited);
	assert_true(again(&self, ACCOUNT_VFIO));
	assert_false(again(&self, ACCOUNT_USER));
	assert_int_equal(purse.share->payer.rule, ACCOUNT_UNLIMITED);
	assert_true(again(&self, ACCOUNT_PROCESS));
	self.privileged = false;
	assert_false(again(&self, ACCOUNT_PROCESS));
	/* Whether the number of another one still means the same is not known here. */
	assert_false(again(&other, ACCOUNT_PROCESS));
	assert_false(again(&other, ACCOUNT_PROCESS));
	account_purse_fini(&purse);
}

/* However many come and go, by the purse or past it: the last one ends the share. */
static void a_purse_has_as_many_as_it_takes(void **state)
{
	struct person self = person(0, 7, 10);
	struct account_share *shares[300];

	for (unsigned i = 0; i < 300; i++)
		assert_int_equal(
			account_purse_take(account, ACCOUNT_USER, &self.caller, &purse, &shares[i]),
			0);
	assert_int_equal(purse.share->refs - purse.spare, account_self(account) ? 301 : 2);
	for (unsigned i = 0; i < 290; i++)
		account_purse_give(&purse, shares[i]);
	assert_int_equal(purse.share->refs - purse.spare, account_self(account) ? 11 : 2);
	assert_in_range(purse.spare, 0, 200);
	account_purse_fini(&purse);
	for (unsigned i = 290; i < 300; i++) {
		assert_in_range(shares[i]->refs, 1, 300 - i);
		account_purse_give(&purse, shares[i]);
	}
}

static void a_share_of_a_rule_is_limited_by_it(void **state)
{
	static const enum account_rule rules[] = {ACCOUNT_USER, ACCOUNT_PROCESS, ACCOUNT_VFIO,
						  ACCOUNT_UNLIMITED};
	struct person root = person(FIRST, 0, 1);

	root.privileged = true;
	for (unsigned i = 0; i < 4; i++) {
		struct account_share *share = account_share_new_as(account, rules[i], &root.caller);

		assert_non_null(share);
		assert_int_equal(share->payer.rule, rules[i]);
		assert_int_equal(share->payer.limited, i < 3);
		assert_int_equal(account_charge(&share->payer, 2 * PAGE, NULL),
				 i < 3 ? -ENOMEM : 0);
		if (i == 3)
			account_uncharge(&share->payer, 2 * PAGE);
		account_share_put(share);
	}
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(processes_of_a_user_share_its_limit),
		TEST(a_process_has_a_limit_of_its_own),
		TEST(vfio_counts_as_locked_only),
		TEST(privilege_is_of_the_map_and_the_limit_of_the_pin),
		TEST(a_charge_can_be_made_to_fail),
		TEST(an_account_is_made_whole_or_not_at_all),
		TEST(a_limit_that_is_not_enforced_refuses_nothing),
		TEST(a_child_pays_for_itself),
		TEST(counts_of_threads_add_up),
		TEST(the_report_has_all_of_it),
		TEST(payers_are_the_same_where_their_counters_are),
		TEST(a_share_serves_until_something_has_changed),
		TEST(a_purse_has_as_many_as_it_takes),
		TEST(a_share_of_a_rule_is_limited_by_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
