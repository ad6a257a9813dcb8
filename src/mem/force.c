/* SPDX-License-Identifier: MIT */
/*
 * Memory that the program has forbidden itself since it was pinned: a device reaches it all the
 * same, as what the device may do was settled then.
 *
 * The kernel passes by a protection for /proc/self/mem, as debuggers need it. Shared memory that is
 * mapped read-only it does not write so: of that a second mapping is made while it is written.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include "mem/mem.h"
#include "util/sys.h"

#define PAGE 4096ul

/* mremap of no bytes makes another mapping of the same pages; of private ones it refuses to. */
static size_t write_shared(char *at, const char *from, size_t len)
{
	char *page = (char *)((uintptr_t)at & ~(PAGE - 1));
	size_t off = (size_t)(at - page), n = len < PAGE - off ? len : PAGE - off, done = 0;
	long to = sys_call(SYS_mremap, page, 0, PAGE, MREMAP_MAYMOVE);

	if (sys_failed(to))
		return 0;
	if (!sys_call(SYS_mprotect, to, PAGE, PROT_READ | PROT_WRITE))
		done = mem_guard_copy((char *)to + off, from, n);
	sys_call(SYS_munmap, to, PAGE);
	return done;
}

size_t mem_force_copy(void *at, void *buf, size_t len, bool write)
{
	int fd = (int)sys_call(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDWR | O_CLOEXEC);
	size_t done = 0;

	while (done < len) {
		char *here = (char *)at + done, *there = (char *)buf + done;
		long rc = fd < 0 ? fd
				 : sys_call(write ? SYS_pwrite64 : SYS_pread64, fd, there,
					    len - done, here);

		if (rc <= 0 && write)
			rc = (long)write_shared(here, there, len - done);
		if (rc <= 0)
			break;
		done += (size_t)rc;
	}
	if (fd >= 0)
		sys_call(SYS_close, fd);
	return done;
}

int mem_force_store(void *at, uint64_t value, unsigned size)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value <<= 64 - 8 * size;
#endif
	return mem_force_copy(at, &value, size, true) == size ? 0 : -EFAULT;
}
