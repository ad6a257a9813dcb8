/* SPDX-License-Identifier: MIT */
/* Description: stand-in descriptors behave as descriptors of a driver do. */
#include <poll.h>
#include <dirent.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include "harness.h"

#define NODE "/dev/vfio/vfio"
#define CDEV "/dev/vfio/devices/vfio0"

ssize_t __pread64_chk(int fd, void *buf, size_t len, off_t off, size_t room);

static void *volatile wild = (void *)16;

static uint64_t closes(void)
{
	return harness_log()->closes;
}

static void numbers_are_the_ones_without_a_door(void **state)
{
	int expected = dup(0), fd;

	close(expected);
	fd = open(NODE, O_RDWR);
	assert_int_equal(fd, expected);
	assert_int_equal(ioctl(fd, FAKE_ANSWER), 42);
	assert_int_equal(close(fd), 0);
	assert_int_equal(close(fd), -1);
	assert_int_equal(errno, EBADF);
}

static void flags_pass(void **state)
{
	int fd = open(NODE, O_RDWR | O_CLOEXEC);

	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(ioctl(fd, FIONCLEX), 0);
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	assert_int_equal(ioctl(fd, FIOCLEX), 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_SETFD, 0), 0);
	assert_int_equal(ioctl(fd, FIONBIO, &(int){1}), 0);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(ioctl(fd, TIOCGWINSZ, &fd + 1), -1);
	assert_int_equal(errno, ENOTTY);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), -1);
	assert_int_equal(errno, ESPIPE);
	close(fd);
	fd = open(NODE, O_RDWR);
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	close(fd);
}

static void the_last_duplicate_closes(void **state)
{
	uint64_t before = closes();
	int fd = open(NODE, O_RDWR), a = dup(fd), b = fcntl(fd, F_DUPFD_CLOEXEC, 100),
	    c = dup2(fd, 77);
	int d = dup3(fd, 78, O_CLOEXEC);

	assert_true(b >= 100 && c == 77 && d == 78);
	assert_int_equal(ioctl(a, FAKE_ANSWER), 42);
	assert_int_equal(ioctl(b, FAKE_ANSWER), 42);
	close(fd);
	close(a);
	close(b);
	close(c);
	assert_int_equal(closes(), before);
	assert_int_equal(ioctl(d, FAKE_ANSWER), 42);
	assert_int_equal(dup2(0, d), d); /* over it */
	assert_int_equal(closes(), before + 1);
	assert_int_equal(ioctl(d, FAKE_ANSWER), -1);
	close(d);
}

static void close_range_closes_ours_and_spares_the_engine(void **state)
{
	uint64_t before;
	int fd = open(NODE, O_RDWR), group = open("/dev/vfio/0", O_RDWR);

	before = closes();
	assert_int_equal(close_range(3, ~0u, CLOSE_RANGE_CLOEXEC), 0);
	assert_int_equal(closes(), before);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(close_range(3, ~0u, 0), 0);
	assert_int_equal(closes(), before + 2);
	assert_int_equal(ioctl(group, FAKE_ANSWER), -1);
	assert_int_equal(errno, EBADF);
	fd = open(NODE, O_RDWR);
	for (int i = 3; i < 4096; i++)
		close(i);
	assert_int_equal(closes(), before + 3);
	fd = open(CDEV, O_RDWR); /* locks still work */
	assert_true(fd >= 0);
	close(fd);
	closefrom(3);
}

/* Numbers of the engine's own descriptors, found as a stranger would. */
static void dup2_over_the_door_moves_it(void **state)
{
	int fd = open(CDEV, O_RDWR), hit = 0;

	for (int i = 900; i < 1024; i++)
		if (syscall(SYS_fcntl, i, F_GETFD) >= 0) {
			assert_int_equal(fcntl(i, F_GETFD), -1); /* hidden */
			assert_int_equal(close(i), -1);
			assert_int_equal(dup2(0, i), i);
			assert_int_equal(close(i), 0);
			if (++hit == 2)
				break;
		}
	assert_int_equal(hit, 2);
	assert_int_equal(ioctl(fd, FAKE_FAULT), 0);
	close(fd);
}

static void fstat_shows_the_device(void **state)
{
	int fd = open(CDEV, O_RDWR), group = open("/dev/vfio/0", O_RDWR);
	int device = ioctl(group, FAKE_DEVICE_FD);
	struct statx stx;
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_true(S_ISCHR(st.st_mode));
	assert_int_equal(st.st_rdev, makedev(510, 0));
	assert_int_equal(fstatat(fd, "", &st, AT_EMPTY_PATH), 0);
	assert_true(S_ISCHR(st.st_mode));
	assert_int_equal(statx(fd, "", AT_EMPTY_PATH, STATX_ALL, &stx), 0);
	assert_int_equal(stx.stx_rdev_major, 510);
	assert_true(device >= 0);
	assert_int_equal(fstat(device, &st), 0);
	assert_false(S_ISCHR(st.st_mode));
	close(device);
	close(group);
	close(fd);
}

static void proc_shows_the_node(void **state)
{
	int fd = open(NODE, O_RDWR), group = open("/dev/vfio/0", O_RDWR);
	int device = ioctl(group, FAKE_DEVICE_FD), again;
	char path[64], link[128];
	struct stat st;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(readlink(path, link, sizeof(link)), 14);
	assert_memory_equal(link, NODE, 14);
	assert_int_equal(readlink(path, link, 5), 5);
	assert_memory_equal(link, "/dev/", 5);
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISCHR(st.st_mode));
	again = open(path, O_RDWR); /* a new open of the node */
	assert_int_equal(ioctl(again, FAKE_ANSWER), 42);
	close(again);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), device);
	memset(link, 0, sizeof(link));
	assert_true(readlink(path, link, sizeof(link)) > 0);
	assert_string_equal(link, "anon_inode:[vfio-device]");
	dir = opendir("/proc/self/fd");
	snprintf(path, sizeof(path), "%d", fd);
	assert_int_equal(readlinkat(dirfd(dir), path, link, sizeof(link)), 14);
	closedir(dir);
	close(device);
	close(group);
	close(fd);
}

static void transfers_go_to_the_device(void **state)
{
	int fd = open(CDEV, O_RDWR), node = open(NODE, O_RDWR);
	unsigned char buf[8], more[4];
	struct iovec iov[2] = {{buf, 3}, {more, 4}};

	assert_int_equal(pread(fd, buf, 4, 0x123), 4);
	assert_int_equal(buf[0], 0x23);
	assert_int_equal(buf[3], 0x26);
	assert_int_equal(__pread64_chk(fd, buf, 4, 0x50, sizeof(buf)), 4);
	assert_int_equal(buf[0], 0x50);
	assert_int_equal(preadv(fd, iov, 2, 0x10), 7);
	assert_int_equal(more[3], 0x16);
	assert_int_equal(read(fd, buf, 2), 2);
	assert_int_equal(read(fd, buf, 2), 2);
	assert_int_equal(buf[0], 2);
	memcpy(buf, "abcd", 4);
	assert_int_equal(pwrite(fd, buf, 4, 0x20), 4);
	assert_memory_equal(harness_log()->bar + 0x20, "abcd", 4);
	assert_int_equal(pwritev(fd, iov, 1, 0x40), 3);
	assert_memory_equal(harness_log()->bar + 0x40, "abc", 3);
	assert_int_equal(pread(fd, buf, 4, -1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(pread(fd, wild, 4, 0), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(readv(fd, wild, 1), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(read(node, buf, 4), -1);
	assert_int_equal(errno, EINVAL);
	close(fd);
	close(node);
}

static void the_engine_reaches_the_program(void **state)
{
	int fd = open(NODE, O_RDWR), other = open("/dev/iommu", O_RDWR);
	int event = eventfd(0, EFD_NONBLOCK), keep = dup(event);
	unsigned char byte = 0x5a;
	uint64_t value;

	assert_int_equal(ioctl(fd, FAKE_KIND, other), 0);
	assert_int_equal(ioctl(fd, FAKE_KIND, 0), -1);
	assert_int_equal(errno, EBADFD); /* open, but not ours */
	assert_int_equal(ioctl(fd, FAKE_KIND, 9999), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(ioctl(fd, FAKE_READ, &byte), 0x5a);
	assert_int_equal(ioctl(fd, FAKE_READ, 24), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(ioctl(fd, FAKE_SIGNAL, event), 0);
	assert_int_equal(read(event, &value, 8), 8);
	assert_int_equal(value, 1);
	close(event); /* before it is used again */
	assert_int_equal(ioctl(fd, FAKE_SIGNAL, -1), 0);
	assert_int_equal(read(keep, &value, 8), 8);
	assert_int_equal(ioctl(fd, FAKE_SIGNAL, fd), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(ioctl(fd, FAKE_SIGNAL, 500), -1);
	assert_int_equal(errno, EBADF);
	close(keep);
	close(other);
	close(fd);
}

static void threads_of_the_engine_keep_apart(void **state)
{
	int fd = open(NODE, O_RDWR);

	assert_int_equal(ioctl(fd, FAKE_THREAD), FAKE_BLOCKED | FAKE_FAULTS | FAKE_HIGH);
	close(fd);
}

static int again_fd;
static volatile sig_atomic_t again_nr, again_bad;

static void call_again(int sig)
{
	char byte = 0;

	if (pread(again_fd, &byte, 1, 0x42) != 1 || byte != 0x42)
		again_bad = 1;
	again_nr++;
}

/* A program may be interrupted inside a call, and make the same call from the handler. */
static void a_signal_handler_may_call_again(void **state)
{
	struct itimerval timer = {{0, 200}, {0, 200}}, off = {{0, 0}, {0, 0}};
	char byte;

	again_fd = open(CDEV, O_RDWR);
	signal(SIGALRM, call_again);
	setitimer(ITIMER_REAL, &timer, NULL);
	while (again_nr < 50)
		assert_int_equal(pread(again_fd, &byte, 1, 7), 1);
	setitimer(ITIMER_REAL, &off, NULL);
	signal(SIGALRM, SIG_DFL);
	assert_false(again_bad);
	close(again_fd);
}

/* A number that libc closes where nobody can look is not ours any more. */
static void a_stale_number_is_found_out(void **state)
{
	uint64_t before = closes();
	int fd = open(NODE, O_RDWR), file;
	char byte;

	syscall(SYS_close, fd);
	file = open("/dev/zero", O_RDONLY);
	assert_int_equal(file, fd);
	assert_int_equal(read(file, &byte, 1), 1);
	assert_int_equal(closes(), before + 1);
	close(file);
	fd = open(NODE, O_RDWR);
	fclose(fdopen(fd, "r+"));
	assert_int_equal(closes(), before + 2);
}

static void faults_are_written_down(void **state)
{
	int fd = open(NODE, O_RDWR);
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/faults", getenv("IOAS_RUN_DIR"));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(ioctl(fd, FAKE_FAULT), 0);
	assert_true(st.st_size > 0); /* one from dup2_over_the_door_moves_it */
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size % 2, 0);
	close(fd);
}

/* The number of a line of a status file, in kB. */
static long status_line(const char *path, const char *name)
{
	FILE *file = fopen(path, "r");
	char line[256];
	long value = -1;
	int lines = 0;

	while (file && fgets(line, sizeof(line), file)) {
		lines++;
		if (!strncmp(line, name, strlen(name)))
			sscanf(line + strlen(name), ":%ld kB", &value);
	}
	fclose(file);
	assert_true(lines > 40);
	return value;
}

static void status_shows_what_is_pinned(void **state)
{
	int fd = open(NODE, O_RDWR), status;
	char own[32], byte;

	snprintf(own, sizeof(own), "/proc/%d/status", getpid());
	assert_int_equal(status_line(own, "VmPin"), 0);
	harness_log()->pinned = 40960;
	harness_log()->locked = 8192;
	assert_int_equal(status_line(own, "VmPin"), 40);
	assert_int_equal(status_line("/proc/self/status", "VmLck"), 8);
	assert_int_equal(status_line("/proc/thread-self/status", "VmPin"), 40);
	assert_int_equal(status_line("/proc/1/status", "VmPin") > 0, 0);
	status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	assert_int_equal(status, fd + 1);
	assert_int_equal(fcntl(status, F_GETFD), FD_CLOEXEC);
	assert_int_equal(read(status, &byte, 1), 1);
	assert_int_equal(byte, 'N');
	close(status);
	harness_log()->pinned = harness_log()->locked = 0;
	assert_int_equal(status_line("/proc/self/status", "VmLck"), 0);
	close(fd);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_the_ones_without_a_door),
		cmocka_unit_test(flags_pass),
		cmocka_unit_test(the_last_duplicate_closes),
		cmocka_unit_test(close_range_closes_ours_and_spares_the_engine),
		cmocka_unit_test(dup2_over_the_door_moves_it),
		cmocka_unit_test(fstat_shows_the_device),
		cmocka_unit_test(proc_shows_the_node),
		cmocka_unit_test(transfers_go_to_the_device),
		cmocka_unit_test(the_engine_reaches_the_program),
		cmocka_unit_test(threads_of_the_engine_keep_apart),
		cmocka_unit_test(a_signal_handler_may_call_again),
		cmocka_unit_test(a_stale_number_is_found_out),
		cmocka_unit_test(faults_are_written_down),
		cmocka_unit_test(status_shows_what_is_pinned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return harness_main(argv, "set aw 48\ndevice fake\n", run);
}
