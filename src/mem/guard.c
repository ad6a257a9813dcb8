/* SPDX-License-Identifier: MIT */
/*
 * Touching memory that may not be there.
 *
 * On x86-64, where a door's signal handler helps, the accesses are the plain instructions of
 * guard_x86.h; a fault in one of them resumes where it is counted. Everywhere else the kernel does
 * the access (process_vm_readv on ourselves) and says how far it got.
 */
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <ioas/guard.h>
#include "mem/guard_x86.h"
#include "mem/mem.h"
#include "util/sys.h"

#define PAGE	  4096ul
#define TOUCH_IOV 32	/* pages a system call: the stack may be small */
#define WIDE	  128u	/* from here on it is worth to ask for AVX */
#define PIECE	  1024u /* of what the kernel fetches and puts back: likewise */

/*
 * The one piece of process-wide state in the engine: a signal's disposition is process-wide too.
 */
static _Atomic bool enabled;

void ioas_guard_enable(bool on)
{
	atomic_store_explicit(&enabled, on, memory_order_release);
}

#if defined(__x86_64__)

static bool within(uintptr_t rip, const char *start, const char *end)
{
	return rip >= (uintptr_t)start && rip < (uintptr_t)end;
}

bool ioas_guard_fixup(void *ucontext)
{
	ucontext_t *uc = ucontext;
	greg_t *rip = &uc->uc_mcontext.gregs[REG_RIP];
	uintptr_t at = (uintptr_t)*rip;

	if (within(at, guard_words, guard_words_end))
		*rip = (greg_t)(uintptr_t)guard_bytes;
	else if (within(at, guard_bytes, guard_bytes_end))
		*rip = (greg_t)(uintptr_t)guard_bytes_end;
	else if (within(at, guard_wide_lines, guard_wide_lines_end))
		*rip = (greg_t)(uintptr_t)guard_wide_lost;
	else if (within(at, guard_ordered_store, guard_ordered_stored))
		*rip = (greg_t)(uintptr_t)guard_ordered_end;
	else if (within(at, guard_or_lines, guard_or_lines_end))
		*rip = (greg_t)(uintptr_t)guard_or_rest;
	else if (within(at, guard_or_byte, guard_or_byte_end))
		*rip = (greg_t)(uintptr_t)guard_or_end;
	else if (within(at, guard_single, guard_single_end))
		*rip = (greg_t)(uintptr_t)guard_single_end;
	else
		return false;
	return true;
}

static bool fast(void)
{
	return atomic_load_explicit(&enabled, memory_order_relaxed);
}

static int fast_load(const void *src, uint64_t *value, size_t size)
{
	switch (size) {
	case 1:
		return guard_load_1(src, value);
	case 2:
		return guard_load_2(src, value);
	case 4:
		return guard_load_4(src, value);
	default:
		return guard_load_8(src, value);
	}
}

/* Stores are ordered after earlier ones, string copies included, as x86 orders them. */
static int fast_store(void *dst, uint64_t value, size_t size)
{
	switch (size) {
	case 1:
		return guard_store_1(dst, value);
	case 2:
		return guard_store_2(dst, value);
	case 4:
		return guard_store_4(dst, value);
	default:
		return guard_store_8(dst, value);
	}
}

/* One load and one store where the size allows; a value cut by a page's end goes bytewise. */
static size_t fast_copy(void *dst, const void *src, size_t len)
{
	uint64_t value;

	if ((len == 8 || len == 4 || len == 2 || len == 1) && !fast_load(src, &value, len) &&
	    !fast_store(dst, value, len))
		return len;
	if (len >= WIDE && __builtin_cpu_supports("avx"))
		return len - guard_wide(dst, src, len);
	return len - guard_copy(dst, src, len);
}

static int fast_exchange(void *dst, uint64_t old, uint64_t value)
{
	return guard_exchange(dst, old, value);
}

static size_t fast_words(void *dst, const uint64_t *words, size_t nr)
{
	return nr - guard_ordered(dst, words, nr);
}

static size_t fast_or(void *dst, const void *src, size_t len)
{
	return len - guard_or(dst, src, len);
}

static int fast_touch(void *addr, bool write)
{
	uint64_t value;

	return write ? guard_touch_write(addr) : guard_load_1(addr, &value);
}

#else

bool ioas_guard_fixup(void *ucontext)
{
	return false;
}

static bool fast(void)
{
	return false;
}

static size_t fast_copy(void *dst, const void *src, size_t len)
{
	return 0;
}

static int fast_store(void *dst, uint64_t value, size_t size)
{
	return -EFAULT;
}

static int fast_exchange(void *dst, uint64_t old, uint64_t value)
{
	return -EFAULT;
}

static size_t fast_words(void *dst, const uint64_t *words, size_t nr)
{
	return 0;
}

static size_t fast_or(void *dst, const void *src, size_t len)
{
	return 0;
}

static int fast_touch(void *addr, bool write)
{
	return -EFAULT;
}

#endif

/*
 * The kernel reads `src` as another process's memory and writes `dst` as ours: it checks both, and
 * tells how much it copied. With len 0 nothing is looked at.
 */
static size_t kernel_copy(void *dst, const void *src, size_t len)
{
	pid_t pid = getpid();
	size_t done = 0;

	while (done < len) {
		struct iovec local = {(char *)dst + done, len - done};
		struct iovec remote = {(char *)(uintptr_t)src + done, len - done};
		long rc = sys_call(SYS_process_vm_readv, pid, &local, 1, &remote, 1, 0);

		if (rc <= 0)
			break;
		done += (size_t)rc;
	}
	return done;
}

size_t mem_guard_copy(void *dst, const void *src, size_t len)
{
	return fast() ? fast_copy(dst, src, len) : kernel_copy(dst, src, len);
}

int mem_guard_store(void *dst, uint64_t value, unsigned size)
{
	if (fast())
		return fast_store(dst, value, size);
	atomic_thread_fence(memory_order_release);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value <<= 64 - 8 * size;
#endif
	return kernel_copy(dst, &value, size) == size ? 0 : -EFAULT;
}

size_t mem_guard_words(void *dst, const uint64_t *words, size_t nr)
{
	size_t done = 0;

	if (fast())
		return fast_words(dst, words, nr);
	while (done < nr && !mem_guard_store((uint64_t *)dst + done, words[done], 8))
		done++;
	return done;
}

/* Fetched and put back, a piece at a time. */
static size_t kernel_or(char *dst, const char *src, size_t len)
{
	char piece[PIECE];
	size_t done = 0;

	while (done < len) {
		size_t now = len - done < PIECE ? len - done : PIECE;
		size_t there = kernel_copy(piece, dst + done, now);

		for (size_t i = 0; i < there; i++)
			piece[i] |= src[done + i];
		there = kernel_copy(dst + done, piece, there);
		done += there;
		if (there < now)
			break;
	}
	return done;
}

size_t mem_guard_or(void *dst, const void *src, size_t len)
{
	return fast() ? fast_or(dst, src, len) : kernel_or(dst, src, len);
}

/*
 * An atomic "or 0" of a page's first word, by the kernel: FUTEX_WAKE_OP is the system call that
 * does a checked read-modify-write of user memory. Nobody waits there, so nobody is woken.
 */
static int kernel_touch_write(char *page)
{
	long rc = sys_call(SYS_futex, page, FUTEX_WAKE_OP_PRIVATE, 0, NULL, page,
			   FUTEX_OP(FUTEX_OP_OR, 0, FUTEX_OP_CMP_LT, 0));

	return rc < 0 ? -EFAULT : 0;
}

/*
 * No system call exchanges 8 bytes of user memory, but one changes bits of 4: bits are set and
 * cleared one at a time, if it was `old` before, and all that differs from `value` then is somebody
 * else's doing.
 */
static int kernel_exchange(uint64_t *at, uint64_t old, uint64_t value)
{
	uint64_t found;

	if (kernel_copy(&found, at, sizeof(found)) != sizeof(found))
		return -EFAULT;
	if (found != old)
		return -EAGAIN;
	for (unsigned bit = 0; bit < 64; bit++) {
		/* FUTEX_OP() would shift into the sign. */
		uint32_t op = value >> bit & 1 ? FUTEX_OP_OR : FUTEX_OP_ANDN;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		uint32_t *half = (uint32_t *)at + (bit < 32);
#else
		uint32_t *half = (uint32_t *)at + (bit >= 32);
#endif
		if ((old ^ value) >> bit & 1 &&
		    sys_call(SYS_futex, half, FUTEX_WAKE_OP_PRIVATE, 0, NULL, half,
			     (op | FUTEX_OP_OPARG_SHIFT) << 28 | FUTEX_OP_CMP_LT << 24 |
				     (bit & 31) << 12) < 0)
			return -EFAULT;
	}
	if (kernel_copy(&found, at, sizeof(found)) != sizeof(found))
		return -EFAULT;
	return found == value ? 0 : -EAGAIN;
}

int mem_guard_exchange(void *at, uint64_t old, uint64_t value)
{
	return fast() ? fast_exchange(at, old, value) : kernel_exchange(at, old, value);
}

static int kernel_touch_read(char *page, size_t pages)
{
	struct iovec remote[TOUCH_IOV];
	char bytes[TOUCH_IOV];
	struct iovec local = {bytes, 0};

	for (size_t done = 0; done < pages; done += local.iov_len) {
		local.iov_len = pages - done < TOUCH_IOV ? pages - done : TOUCH_IOV;
		for (size_t i = 0; i < local.iov_len; i++)
			remote[i] = (struct iovec){page + (done + i) * PAGE, 1};
		if (sys_call(SYS_process_vm_readv, getpid(), &local, 1, remote, local.iov_len, 0) !=
		    (long)local.iov_len)
			return -EFAULT;
	}
	return 0;
}

int mem_guard_touch(void *addr, size_t len, bool write)
{
	char *page = (char *)((uintptr_t)addr & ~(PAGE - 1));
	size_t pages = ((uintptr_t)addr + len - (uintptr_t)page + PAGE - 1) / PAGE;
	int rc = 0;

	if (!fast() && !write)
		return kernel_touch_read(page, pages);
	for (size_t i = 0; i < pages && !rc; i++)
		rc = fast() ? fast_touch(page + i * PAGE, write)
			    : kernel_touch_write(page + i * PAGE);
	return rc;
}

/*
 * madvise answers EINVAL for missing permission, for memory that is not pages, and where the kernel
 * does not know the advice: only the touch tells them apart.
 */
int mem_guard_populate(void *addr, size_t len, bool write)
{
	uintptr_t first = (uintptr_t)addr & ~(PAGE - 1);
	size_t span = ((uintptr_t)addr + len - first + PAGE - 1) & ~(PAGE - 1);
	long rc = sys_call(SYS_madvise, first, span,
			   write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);

	return rc ? mem_guard_touch(addr, len, write) : 0;
}
