/* SPDX-License-Identifier: MIT */
/*
 * What the descriptors of a door have beyond Linux: why the last call was refused.
 *
 * For programs, which need nothing but this header. On a real kernel the ioctl is ENOTTY, so that a
 * program may just try it.
 */
#ifndef IOAS_UAPI_EXT_H
#define IOAS_UAPI_EXT_H

#include <stdint.h>
#include <sys/ioctl.h>

/*
 * IOAS_LAST_REFUSAL, on any descriptor of /dev/iommu or VFIO: why the calling thread's last refused
 * call was refused: an ioctl, an open or an mmap of ours. Calls that succeed, and this one, leave
 * that as it is.
 *
 * `text_uptr` receives a line without a newline, ended by a zero and cut to `text_len` bytes; 0 and
 * 0 ask for the length only. `text_len` is then the whole line's length with its zero. `out_error`
 * is the errno; 0, and an empty line, when nothing was refused yet. A child of fork begins with
 * what its parent's thread had.
 *
 * EFAULT the struct or the text; EINVAL `size` below 24, text_uptr without text_len or the reverse;
 * E2BIG `size` above 24 with a tail that is not zero; EOPNOTSUPP `flags` not 0.
 */
struct ioas_last_refusal {
	uint32_t size;
	uint32_t flags; /* 0 */
	uint64_t text_uptr;
	uint32_t text_len;
	int32_t out_error;
};
#define IOAS_LAST_REFUSAL _IO(';', 0xe0)

/*
 * The same without a descriptor: the preload library has a function of this name and type, which a
 * program looks up with dlsym(RTLD_DEFAULT, IOAS_LAST_REASON_SYMBOL), so that it runs without the
 * library, too. The text is the calling thread's, and stays until its next refused call; "" when
 * nothing was refused yet.
 */
#define IOAS_LAST_REASON_SYMBOL "ioas_last_reason"
typedef const char *(*ioas_last_reason_fn)(void);

#endif
