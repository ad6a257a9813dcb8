/* SPDX-License-Identifier: MIT */
/*
 * Who pays for pinned memory: RLIMIT_MEMLOCK, and what /proc/PID/status calls VmPin and VmLck.
 *
 * A *payer* is settled when memory is mapped, from who maps it and what that process may do at that
 * moment; it is charged when pages are pinned, which may be much later, and then the limit counts
 * that is in force by then. Counters belong to a process (pid and start time, so that a number used
 * again starts at nothing) or to a user. They are the instance's: what else the user or the process
 * has locked is not known here.
 *
 * Locks: the account's own, innermost of all, protects the two trees; counters are atomics.
 */
#ifndef MEM_ACCOUNT_H
#define MEM_ACCOUNT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>
#include <ioas/types.h>

struct account;
struct account_process;
struct account_user;
struct ioas_caller;
struct ioas_iommu;

/* What a space charges. Who has CAP_IPC_LOCK is never limited. */
enum account_rule {
	ACCOUNT_UNLIMITED, /* pinned memory is counted, nothing is limited */
	ACCOUNT_USER,	   /* all of the user's processes share one limit: iommufd's own rule */
	ACCOUNT_PROCESS,   /* each process has its own, and it counts as locked */
	ACCOUNT_VFIO,	   /* as vfio_iommu_type1: locked, limited or not, and never "pinned" */
};

struct account_payer {
	struct account *account;
	enum account_rule rule;
	bool limited;
	struct ioas_caller *caller; /* whose limit counts */
	struct account_process *process;
	struct account_user *user; /* ACCOUNT_USER only */
};

/*
 * With counters for reports (ioas_memory_counters). The instance's setting `memlock` says whether
 * what is above RLIMIT_MEMLOCK is refused; if not, everything is counted all the same.
 */
int account_new(struct ioas_iommu *iommu, struct account **out);
void account_destroy(struct account *account);

/* The caller becomes a payer by that rule. 0; -ENOMEM. Then account_payer_fini. */
int account_payer_init(struct account *account, enum account_rule rule, struct ioas_caller *caller,
		       struct account_payer *out);
void account_payer_fini(struct account_payer *payer);
/* Would they be charged on the same counters? */
bool account_payer_same(const struct account_payer *a, const struct account_payer *b);

/* A payer of many things, each of which has a reference. */
struct account_share {
	_Atomic uint32_t refs;
	struct account_payer payer;
};

/*
 * The share of one who maps again and again, and references to it that nobody has yet: so one comes
 * and goes without a locked instruction. Its owner locks; it begins as zeros.
 */
struct account_purse {
	struct account_share *share;
	unsigned spare; /* up to ACCOUNT_SPARE_MAX */
};
#define ACCOUNT_SPARE_MAX 128u

/*
 * A share with a reference: the purse's, if it would be made alike, else a new one, which the
 * purse's is then. Asks for nothing that has not changed. 0; -ENOMEM. And back, by way of a purse
 * or of account_share_put.
 */
int account_purse_take(struct account *account, enum account_rule rule, struct ioas_caller *caller,
		       struct account_purse *purse, struct account_share **out);
void account_purse_put(struct account_purse *purse, struct account_share *share);
static inline void account_purse_give(struct account_purse *purse, struct account_share *share)
{
	if (__builtin_expect(share == purse->share && purse->spare < ACCOUNT_SPARE_MAX, 1))
		purse->spare++;
	else
		account_purse_put(purse, share);
}
/* It ends. */
void account_purse_fini(struct account_purse *purse);
/* One that pays by exactly that rule and is limited, whatever the caller may do. NULL: no memory.
 */
struct account_share *account_share_new_as(struct account *account, enum account_rule rule,
					   struct ioas_caller *caller);
struct account_share *account_share_get(struct account_share *share);
/* NULL is fine. */
void account_share_put(struct account_share *share);

/* `len` bytes, whole pages, are pinned from now on. 0; -ENOMEM above the limit: nothing changed. */
int account_charge(struct account_payer *payer, uint64_t len, struct ioas_why *why);
/* No longer. Never fails. */
void account_uncharge(struct account_payer *payer, uint64_t len);

/* This process' number, where that is known without a system call; else 0. */
pid_t account_self(const struct account *account);

/* What a process has now, in bytes; zeros where it has nothing. */
void account_read(struct account *account, pid_t pid, uint64_t *pinned, uint64_t *locked);

#endif
