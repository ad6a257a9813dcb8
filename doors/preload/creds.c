/* SPDX-License-Identifier: MIT */
/*
 * Who a thread is and what it may do: each MAP wants to know, and it hardly ever changes.
 *
 * What the kernel said is kept in the thread's record, until some thread calls what may change it,
 * for itself or (libc's setuid) for all. A fork changes nothing of it.
 */
#include <linux/capability.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "preload.h"
#include "real.h"
#include "wrap.h"

static _Atomic uint32_t changes = 1;

void creds_changed(void)
{
	/* 0 is "never asked" */
	if (!(atomic_fetch_add(&changes, 1) + 1))
		atomic_fetch_add(&changes, 1);
}

static void ask(struct door_creds *creds)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	creds->uid = getuid();
	creds->caps = 0;
	if (!syscall(SYS_capget, &header, data))
		creds->caps = (uint64_t)data[1].effective << 32 | data[0].effective;
}

/* A thread of the engine has no record: it asks each time. */
static struct door_creds look(void)
{
	uint32_t now = atomic_load_explicit(&changes, memory_order_acquire);
	struct door_creds *creds = door_self ? &door_self->creds : NULL, own;

	if (!creds) {
		ask(&own);
		return own;
	}
	if (unlikely(creds->seen != now)) {
		ask(creds);
		creds->seen = now;
	}
	return *creds;
}

int creds_capable(int cap)
{
	return cap >= 0 && cap < 64 && look().caps >> cap & 1;
}

uint32_t creds_uid(void)
{
	return look().uid;
}

/* A call, and everybody asks again. */
#define CHANGES(name, args, names)    \
	int name args                 \
	{                             \
		int rc;               \
                                      \
		real_need();          \
		rc = real.name names; \
		creds_changed();      \
		return rc;            \
	}

CHANGES(setuid, (uid_t uid), (uid))
CHANGES(seteuid, (uid_t uid), (uid))
CHANGES(setreuid, (uid_t real_uid, uid_t uid), (real_uid, uid))
CHANGES(setresuid, (uid_t real_uid, uid_t uid, uid_t saved), (real_uid, uid, saved))
CHANGES(unshare, (int flags), (flags))
CHANGES(setns, (int fd, int kind), (fd, kind))
CHANGES(capset, (struct __user_cap_header_struct * header, struct __user_cap_data_struct *data),
	(header, data))
