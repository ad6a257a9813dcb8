/* SPDX-License-Identifier: MIT */
/*
 * Description: memory of a viommu that the system refuses at any step is no region, and leaves
 * nothing open or mapped. The linker puts __wrap_syscall in front of the system (see meson.build).
 */
#include <fcntl.h>
#include <sys/syscall.h>
#include "rig.h"

/* The how manieth call of that number is refused; 0: none is. */
static struct {
	long nr;
	unsigned left;
} refused;

static void *shared[16]; /* mappings of files that there are */

static void note(void *from, void *to)
{
	for (unsigned i = 0; i < 16; i++)
		if (shared[i] == from) {
			shared[i] = to;
			return;
		}
}

static unsigned shared_nr(void)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < 16; i++)
		nr += shared[i] != NULL;
	return nr;
}

long __real_syscall(long nr, ...);
long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f);

long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	long rc;

	/* Nothing is mapped of what is closed already: by then the number may be another file's. */
	assert_true(nr != SYS_mmap || e < 0 || fcntl((int)e, F_GETFD) >= 0);
	/* Of mappings those of a file. */
	if (refused.left && nr == refused.nr && (nr != SYS_mmap || e >= 0) && !--refused.left) {
		errno = ENOMEM;
		return -1;
	}
	rc = __real_syscall(nr, a, b, c, d, e, f);
	if (nr == SYS_mmap && e >= 0 && rc > 0)
		note(NULL, (void *)rc);
	else if (nr == SYS_munmap)
		note((void *)a, NULL);
	return rc;
}

/* A toy has two: at the second one the first goes, too. */
static void a_region_is_whole_or_none(void **state)
{
	static const long calls[] = {SYS_memfd_create, SYS_ftruncate, SYS_mmap};
	struct rig *r = *state;
	struct obj_viommu *second;
	unsigned fds = fds_open(), before = shared_nr();

	assert_int_equal(before, 2);
	for (unsigned i = 0; i < 3; i++)
		for (unsigned nth = 1; nth <= 3; nth++) {
			refused.nr = calls[i];
			refused.left = nth;
			if (nth <= 2) {
				assert_int_equal(viommu_new(r, r->parent, &second), -ENOMEM);
				assert_int_equal(refused.left, 0);
			} else {
				assert_int_equal(viommu_new(r, r->parent, &second), 0);
				assert_int_equal(refused.left, 1);
				assert_int_equal(shared_nr(), before + 2);
				assert_int_equal(destroy(r, &second->obj), 0);
			}
			refused.left = 0;
			assert_int_equal(fds_open(), fds);
			assert_int_equal(shared_nr(), before);
		}
}

#define HIDDEN 300 /* no descriptor of the test's is that high */

static int hide(struct ioas_caller *caller, int fd)
{
	int hidden = fcntl(fd, F_DUPFD_CLOEXEC, HIDDEN);

	close(fd);
	return hidden;
}

static int hide_nothing(struct ioas_caller *caller, int fd)
{
	close(fd);
	return -EMFILE;
}

/* Where there is a program, its memory's descriptor is one that the program does not see. */
static void the_program_does_not_see_its_descriptor(void **state)
{
	static const struct ioas_caller_ops can = {.fd_hide = hide},
					    cannot = {.fd_hide = hide_nothing};
	struct ioas_caller caller = {.ops = &cannot}, *before;
	struct rig *r = *state;
	struct obj_viommu *second;
	unsigned fds = fds_open();
	int fd;

	before = r->ctx->caller;
	r->ctx->caller = &caller;
	assert_int_equal(viommu_new(r, r->parent, &second), -ENOMEM);
	assert_int_equal(fds_open(), fds);
	caller.ops = &can;
	assert_int_equal(viommu_new(r, r->parent, &second), 0);
	assert_int_equal(obj_region_map(r->ctx, 4 * PAGE, 2 * PAGE, &fd, &r->why), 0);
	assert_true(fd >= HIDDEN);
	obj_region_unmap(r->ctx, 4 * PAGE, 2 * PAGE);
	assert_int_equal(destroy(r, &second->obj), 0);
	assert_int_equal(fds_open(), fds);
	r->ctx->caller = before;
}

/* Whichever of many it is: what was mapped is none's any more, and the others' is theirs. */
static void each_region_is_mapped_by_itself(void **state)
{
	enum { NR = 12 };
	struct rig *r = *state;
	struct obj_viommu *v[NR];
	uint64_t offset[NR];

	for (unsigned i = 0; i < NR; i++) {
		assert_int_equal(viommu_new(r, r->parent, &v[i]), 0);
		offset[i] = ((struct toy *)v[i]->kind)->offset;
		assert_int_equal(map_region(r, offset[i], 2 * PAGE), 0);
	}
	for (unsigned i = 0; i < NR; i++) {
		unsigned at = i * 5 % NR;

		obj_region_unmap(r->ctx, offset[at] + PAGE, PAGE);
		assert_int_equal(destroy(r, &v[at]->obj), -EBUSY);
		obj_region_unmap(r->ctx, offset[at], PAGE);
		assert_int_equal(destroy(r, &v[at]->obj), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_region_is_whole_or_none),
		T(the_program_does_not_see_its_descriptor),
		T(each_region_is_mapped_by_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
