/* SPDX-License-Identifier: MIT */
/* Counters of pinned memory, by process and by user. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ioas/door.h>
#include <ioas/run.h>
#include "iommu.h"
#include "mem/account.h"
#include "util/alloc.h"
#include "util/lock.h"
#include "util/sys.h"
#include "util/tree.h"
#include "util/why.h"

#define PAGE	 4096ull
#define SPARE_NR (ACCOUNT_SPARE_MAX / 2) /* references that a purse takes at once */

/* An entry of one of the trees. It lives as long as a payer has it. */
struct entry {
	struct tree_node node;
	uint64_t key[2];       /* constant; (account lock) for the order */
	_Atomic uint64_t refs; /* 0 and from 0: (account lock) */
};

struct account_process {
	struct entry entry; /* first; by pid, then start time */
	_Atomic uint64_t pinned, locked;
};

struct account_user {
	struct entry entry; /* first; by uid */
	_Atomic uint64_t locked;
};

/* struct ioas_memory_counters, as its writers see it. */
struct totals {
	_Atomic uint64_t pinned, pinned_max, limited, refused;
};

_Static_assert(sizeof(struct totals) == sizeof(struct ioas_memory_counters), "same layout");

struct account {
	struct ioas_iommu *iommu; /* constant */
	struct totals *totals;	  /* constant */
	pthread_mutex_t lock;
	bool enforce; /* constant */
	struct tree processes, users;
	/* (lock) This process, and when it began, so that each MAP need not read /proc. */
	pid_t self_pid;
	uint64_t self_start;
	/* Constant: self_pid too, or 0, as in a child of fork; written with the lock. NULL: none */
	_Atomic pid_t *page;
};

static struct entry *entry_of(struct tree_node *node)
{
	return tree_entry(node, struct entry, node);
}

static int compare(const uint64_t a[2], const uint64_t b[2])
{
	if (a[0] != b[0])
		return a[0] < b[0] ? -1 : 1;
	return (a[1] > b[1]) - (a[1] < b[1]);
}

/* Finds a key, or (NULL) where it would be. Locked. */
static struct entry *find(struct tree *tree, const uint64_t key[2], struct tree_node **parent,
			  int *side)
{
	struct tree_node *node = tree->root;

	*parent = NULL;
	*side = 0;
	while (node) {
		int order = compare(key, entry_of(node)->key);

		if (!order)
			return entry_of(node);
		*parent = node;
		*side = order > 0;
		node = node->child[*side];
	}
	return NULL;
}

/* The entry of a key with one more reference, made where there is none. Locked. NULL: no memory. */
static void *entry_get(struct tree *tree, uint64_t key0, uint64_t key1, size_t size)
{
	uint64_t key[2] = {key0, key1};
	struct tree_node *parent;
	struct entry *entry;
	int side;

	entry = find(tree, key, &parent, &side);
	if (!entry) {
		entry = alloc_zero(1, size);
		if (!entry)
			return NULL;
		memcpy(entry->key, key, sizeof(key));
		tree_insert(tree, &entry->node, parent, side);
	}
	atomic_fetch_add_explicit(&entry->refs, 1, memory_order_relaxed);
	return entry;
}

/* The last one goes with the lock held, so that nobody finds the entry meanwhile. */
static void entry_put(struct account *account, struct tree *tree, struct entry *entry)
{
	uint64_t refs = atomic_load_explicit(&entry->refs, memory_order_relaxed);

	while (refs > 1)
		if (atomic_compare_exchange_weak_explicit(&entry->refs, &refs, refs - 1,
							  memory_order_release,
							  memory_order_relaxed))
			return;
	pthread_mutex_lock(&account->lock);
	if (atomic_fetch_sub_explicit(&entry->refs, 1, memory_order_acq_rel) == 1) {
		tree_remove(tree, &entry->node);
		free(entry);
	}
	pthread_mutex_unlock(&account->lock);
}

static _Atomic pid_t *page_new(void)
{
	long page = sys_call(SYS_mmap, NULL, PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page < 0)
		return NULL;
	if (!sys_call(SYS_madvise, page, PAGE, MADV_WIPEONFORK))
		return (_Atomic pid_t *)page;
	sys_call(SYS_munmap, page, PAGE);
	return NULL;
}

int account_new(struct ioas_iommu *iommu, struct account **out)
{
	struct account *account = alloc_zero(1, sizeof(*account));

	if (!account)
		return -ENOMEM;
	account->iommu = iommu;
	account->enforce = iommu->config.memlock;
	account->totals = iommu_counters_alloc(iommu, IOAS_RUN_MEMORY, sizeof(*account->totals));
	if (!account->totals) {
		free(account);
		return -ENOMEM;
	}
	lock_init(&account->lock, LOCK_ACCOUNT);
	lock_guards(&account->lock, &account->processes, account + 1);
	account->page = page_new();
	*out = account;
	return 0;
}

void account_destroy(struct account *account)
{
	if (!account)
		return;
	iommu_counters_free(account->iommu, account->totals);
	pthread_mutex_destroy(&account->lock);
	if (account->page)
		sys_call(SYS_munmap, (void *)account->page, PAGE);
	free(account);
}

/*
 * When a process began, in the kernel's ticks; 0: not known, it may be gone. The second word of the
 * file is the program's name, in which anything may stand: fields are counted from its end.
 */
static uint64_t start_of(pid_t pid)
{
	char text[1024], *at;
	uint64_t start = 0;
	long fd, len;

	snprintf(text, sizeof(text), "/proc/%d/stat", (int)pid);
	fd = sys_call(SYS_openat, AT_FDCWD, text, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	len = sys_call(SYS_read, fd, text, sizeof(text) - 1);
	sys_call(SYS_close, fd);
	text[len > 0 ? len : 0] = '\0';
	at = strrchr(text, ')');
	/* After the name come fields 3, 4, ...; the one wanted is field 22. */
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (at)
		start = strtoull(at, NULL, 10);
	return start;
}

pid_t account_self(const struct account *account)
{
	return account->page ? atomic_load_explicit(account->page, memory_order_relaxed) : 0;
}

/* (lock) The number of this process: a child has another one, and finds the page wiped. */
static pid_t self_pid(struct account *account)
{
	pid_t pid = account_self(account);

	if (pid)
		return pid;
	return (pid_t)sys_call(SYS_getpid);
}

/*
 * This process (pid 0) is asked for its start once. Of others it is not known here whether the
 * number still means the same.
 */
static struct account_process *process_get(struct account *account,
					   const struct ioas_caller *caller)
{
	pid_t pid = caller->pid;
	uint64_t start = caller->pid ? start_of(pid) : 0;
	struct account_process *process;

	pthread_mutex_lock(&account->lock);
	if (!pid) {
		pid = self_pid(account);
		if (pid != account->self_pid)
			account->self_start = start_of(pid);
		account->self_pid = pid;
		if (account->page)
			atomic_store_explicit(account->page, pid, memory_order_relaxed);
		start = account->self_start;
	}
	process = entry_get(&account->processes, (uint64_t)pid, start, sizeof(*process));
	pthread_mutex_unlock(&account->lock);
	return process;
}

static struct account_user *user_get(struct account *account, uint32_t uid)
{
	struct account_user *user;

	pthread_mutex_lock(&account->lock);
	user = entry_get(&account->users, uid, 0, sizeof(*user));
	pthread_mutex_unlock(&account->lock);
	return user;
}

static int payer_init(struct account *account, enum account_rule rule, bool limited,
		      struct ioas_caller *caller, struct account_payer *out)
{
	*out = (struct account_payer){.account = account,
				      .rule = rule,
				      .limited = limited && account->enforce,
				      .caller = caller};
	out->process = process_get(account, caller);
	if (out->process && rule == ACCOUNT_USER)
		out->user = user_get(account, caller->ops->uid(caller));
	if (out->process && (out->user || rule != ACCOUNT_USER))
		return 0;
	account_payer_fini(out);
	return -ENOMEM;
}

/* Is the caller limited, and by which rule does he pay? */
static bool limits(struct ioas_caller *caller, enum account_rule *rule)
{
	bool limited = *rule != ACCOUNT_UNLIMITED && !caller->ops->capable(caller, CAP_IPC_LOCK);

	if (!limited && *rule != ACCOUNT_VFIO)
		*rule = ACCOUNT_UNLIMITED;
	return limited;
}

int account_payer_init(struct account *account, enum account_rule rule, struct ioas_caller *caller,
		       struct account_payer *out)
{
	bool limited = limits(caller, &rule);

	return payer_init(account, rule, limited, caller, out);
}

void account_payer_fini(struct account_payer *payer)
{
	struct account *account = payer->account;

	if (!account)
		return;
	if (payer->process)
		entry_put(account, &account->processes, &payer->process->entry);
	if (payer->user)
		entry_put(account, &account->users, &payer->user->entry);
	payer->account = NULL;
}

bool account_payer_same(const struct account_payer *a, const struct account_payer *b)
{
	return a->rule == b->rule && a->process == b->process && a->user == b->user;
}

struct account_share *account_share_get(struct account_share *share)
{
	atomic_fetch_add_explicit(&share->refs, 1, memory_order_relaxed);
	return share;
}

static void put_some(struct account_share *share, uint32_t nr)
{
	if (atomic_fetch_sub_explicit(&share->refs, nr, memory_order_acq_rel) != nr)
		return;
	account_payer_fini(&share->payer);
	free(share);
}

void account_share_put(struct account_share *share)
{
	if (share)
		put_some(share, 1);
}

static struct account_share *share_new(struct account *account, enum account_rule rule,
				       bool limited, struct ioas_caller *caller)
{
	struct account_share *share = alloc_raw(sizeof(*share));

	if (!share)
		return NULL;
	if (payer_init(account, rule, limited, caller, &share->payer)) {
		free(share);
		return NULL;
	}
	atomic_init(&share->refs, 1);
	return share;
}

struct account_share *account_share_new_as(struct account *account, enum account_rule rule,
					   struct ioas_caller *caller)
{
	return share_new(account, rule, rule != ACCOUNT_UNLIMITED, caller);
}

/* Would payer_init make the same? Of other processes it would have to ask. */
static bool same_again(struct account *account, enum account_rule rule, bool limited,
		       struct ioas_caller *caller, const struct account_payer *last)
{
	pid_t pid = account_self(account);

	return last->caller == caller && !caller->pid && pid &&
	       last->process->entry.key[0] == (uint64_t)pid && last->rule == rule &&
	       last->limited == (limited && account->enforce) &&
	       (rule != ACCOUNT_USER || last->user->entry.key[0] == caller->ops->uid(caller));
}

void account_purse_fini(struct account_purse *purse)
{
	if (purse->share)
		put_some(purse->share, purse->spare + 1);
	*purse = (struct account_purse){NULL};
}

int account_purse_take(struct account *account, enum account_rule rule, struct ioas_caller *caller,
		       struct account_purse *purse, struct account_share **out)
{
	bool limited = limits(caller, &rule);

	if (!purse->share || !same_again(account, rule, limited, caller, &purse->share->payer)) {
		struct account_share *share = share_new(account, rule, limited, caller);

		if (!share)
			return -ENOMEM;
		account_purse_fini(purse);
		purse->share = share;
	}
	if (!purse->spare) {
		atomic_fetch_add_explicit(&purse->share->refs, SPARE_NR, memory_order_relaxed);
		purse->spare = SPARE_NR;
	}
	purse->spare--;
	*out = purse->share;
	return 0;
}

/* With that one, half of what there are at most go back at once. */
void account_purse_put(struct account_purse *purse, struct account_share *share)
{
	if (share != purse->share) {
		account_share_put(share);
		return;
	}
	put_some(share, SPARE_NR + 1);
	purse->spare -= SPARE_NR;
}

/* Adds to a counter that has a limit. The limit's odd bytes are worth no page. */
static int add_limited(_Atomic uint64_t *counter, struct account_payer *payer, uint64_t len,
		       const char *whose, uint64_t who, struct ioas_why *why)
{
	uint64_t have = atomic_load_explicit(counter, memory_order_relaxed);
	uint64_t limit = payer->limited ? payer->caller->ops->memlock(payer->caller) : UINT64_MAX;

	do {
		if (have + len < len || have + len > (limit & ~(PAGE - 1)))
			return why_set(why, -ENOMEM,
				       "%" PRIu64 " KiB are to be pinned, %s %" PRIu64
				       " has pinned %" PRIu64 " KiB, and RLIMIT_MEMLOCK is %" PRIu64
				       " KiB (ulimit -l)",
				       len / 1024, whose, who, have / 1024, limit / 1024);
	} while (!atomic_compare_exchange_weak_explicit(
		counter, &have, have + len, memory_order_relaxed, memory_order_relaxed));
	return 0;
}

static void count_pinned(struct totals *totals, const struct account_payer *payer, uint64_t len)
{
	uint64_t now = atomic_fetch_add_explicit(&totals->pinned, len, memory_order_relaxed) + len;
	uint64_t max = atomic_load_explicit(&totals->pinned_max, memory_order_relaxed);

	while (now > max &&
	       !atomic_compare_exchange_weak_explicit(&totals->pinned_max, &max, now,
						      memory_order_relaxed, memory_order_relaxed))
		;
	if (payer->limited)
		atomic_fetch_add_explicit(&totals->limited, len, memory_order_relaxed);
}

int account_charge(struct account_payer *payer, uint64_t len, struct ioas_why *why)
{
	struct account_process *process = payer->process;
	int rc = 0;

	if (inject())
		return why_set(why, -ENOMEM, "a charge that failed on purpose");
	if (payer->rule == ACCOUNT_USER)
		rc = add_limited(&payer->user->locked, payer, len, "user",
				 payer->user->entry.key[0], why);
	else if (payer->rule != ACCOUNT_UNLIMITED)
		rc = add_limited(&process->locked, payer, len, "process", process->entry.key[0],
				 why);
	if (rc) {
		atomic_fetch_add_explicit(&payer->account->totals->refused, 1,
					  memory_order_relaxed);
		return rc;
	}
	if (payer->rule != ACCOUNT_VFIO)
		atomic_fetch_add_explicit(&process->pinned, len, memory_order_relaxed);
	count_pinned(payer->account->totals, payer, len);
	return 0;
}

void account_uncharge(struct account_payer *payer, uint64_t len)
{
	struct account_process *process = payer->process;
	struct totals *totals = payer->account->totals;

	atomic_fetch_sub_explicit(&totals->pinned, len, memory_order_relaxed);
	if (payer->limited)
		atomic_fetch_sub_explicit(&totals->limited, len, memory_order_relaxed);
	if (payer->rule == ACCOUNT_USER)
		atomic_fetch_sub_explicit(&payer->user->locked, len, memory_order_relaxed);
	else if (payer->rule != ACCOUNT_UNLIMITED)
		atomic_fetch_sub_explicit(&process->locked, len, memory_order_relaxed);
	if (payer->rule != ACCOUNT_VFIO)
		atomic_fetch_sub_explicit(&process->pinned, len, memory_order_relaxed);
}

void account_read(struct account *account, pid_t pid, uint64_t *pinned, uint64_t *locked)
{
	uint64_t key[2] = {(uint64_t)pid, start_of(pid)};
	struct account_process *process;
	struct tree_node *parent;
	int side;

	*pinned = *locked = 0;
	pthread_mutex_lock(&account->lock);
	process = (struct account_process *)find(&account->processes, key, &parent, &side);
	if (process) {
		*pinned = atomic_load_explicit(&process->pinned, memory_order_relaxed);
		*locked = atomic_load_explicit(&process->locked, memory_order_relaxed);
	}
	pthread_mutex_unlock(&account->lock);
}

void ioas_account_read(struct ioas_iommu *iommu, pid_t pid, uint64_t *pinned, uint64_t *locked)
{
	account_read(iommu->account, pid, pinned, locked);
}

const struct ioas_memory_counters *ioas_memory_counters(struct ioas_iommu *iommu)
{
	return (const struct ioas_memory_counters *)iommu->account->totals;
}
