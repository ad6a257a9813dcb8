/* SPDX-License-Identifier: MIT */
/* libc's own functions, looked up behind ours in the order of loaded objects. */
#include <dlfcn.h>
#include "real.h"

struct real real;

/*
 * Two threads may do this at once: both store the same. `real_need` looks at the member that is
 * stored last.
 */
void real_init(void)
{
#define X(result, name, args) \
	__atomic_store_n(&real.name, (result(*) args)dlsym(RTLD_NEXT, #name), __ATOMIC_RELEASE);
	REAL_FUNCTIONS(X)
#undef X
}
