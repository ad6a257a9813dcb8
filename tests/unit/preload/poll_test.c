/* SPDX-License-Identifier: MIT */
/* Description: descriptors of queues can be polled in every way there is. */
#include <ioas/door.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include "harness.h"

static int iommu;

static int queue(enum ioas_node_kind kind)
{
	int fd = ioctl(iommu, FAKE_QUEUE, kind);

	assert_true(fd >= 0);
	return fd;
}

static int ready(int fd)
{
	struct pollfd p = {fd, POLLIN | POLLOUT, 0};

	assert_true(poll(&p, 1, 0) >= 0);
	return p.revents;
}

static void a_fault_queue_is_writable_and_sometimes_readable(void **state)
{
	int fd = queue(IOAS_NODE_FAULT);

	assert_int_equal(ready(fd), POLLOUT);
	assert_int_equal(ioctl(fd, FAKE_READY, 1), 0);
	assert_int_equal(ioctl(fd, FAKE_READY, 1), 0); /* said twice is said once */
	assert_int_equal(ready(fd), POLLIN | POLLOUT);
	assert_int_equal(ioctl(fd, FAKE_READY, 0), 0);
	assert_int_equal(ready(fd), POLLOUT);
	assert_int_equal(ioctl(fd, FAKE_READY, 0), 0);
	assert_int_equal(ioctl(fd, FAKE_READY, 1), 0);
	assert_int_equal(ready(fd), POLLIN | POLLOUT);
	close(fd);
}

static void an_event_queue_is_never_writable(void **state)
{
	int fd = queue(IOAS_NODE_VEVENTQ);

	for (int i = 0; i < 1000; i++) {
		assert_int_equal(ready(fd), 0);
		assert_int_equal(ioctl(fd, FAKE_READY, 1), 0);
		assert_int_equal(ready(fd), POLLIN);
		assert_int_equal(ioctl(fd, FAKE_READY, 0), 0);
	}
	close(fd);
}

static void *make_ready_soon(void *arg)
{
	usleep(20000);
	ioctl(*(int *)arg, FAKE_READY, 1);
	return NULL;
}

static void a_waiter_wakes_up(void **state)
{
	int fd = queue(IOAS_NODE_VEVENTQ), copy = dup(fd), ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN}, seen;
	pthread_t thread;
	fd_set set;

	assert_int_equal(epoll_ctl(ep, EPOLL_CTL_ADD, copy, &event), 0);
	pthread_create(&thread, NULL, make_ready_soon, &fd);
	assert_int_equal(epoll_wait(ep, &seen, 1, 5000), 1);
	assert_int_equal(seen.events, EPOLLIN);
	pthread_join(thread, NULL);
	FD_ZERO(&set);
	FD_SET(copy, &set);
	assert_int_equal(select(copy + 1, &set, NULL, NULL, NULL), 1);
	ioctl(copy, FAKE_READY, 0);
	assert_int_equal(epoll_wait(ep, &seen, 1, 0), 0);
	close(ep);
	close(copy);
	close(fd);
}

static void reads_and_writes_are_the_engines_and_have_no_position(void **state)
{
	int fd = queue(IOAS_NODE_FAULT), events = queue(IOAS_NODE_VEVENTQ);
	char buf[8];

	for (int i = 0; i < 3; i++) {
		assert_int_equal(read(fd, buf, 8), 8);
		assert_memory_equal(buf, FAKE_EVENT, 8);
		assert_int_equal(write(fd, buf, 8), 8);
	}
	assert_int_equal(pread(fd, buf, 8, 8), -1);
	assert_int_equal(errno, ESPIPE);
	assert_int_equal(lseek(fd, 0, SEEK_SET), -1);
	assert_int_equal(errno, ESPIPE);
	assert_int_equal(write(events, buf, 8), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(ready(fd), POLLOUT);
	close(events);
	close(fd);
}

static void they_look_like_the_kernels(void **state)
{
	static const struct {
		enum ioas_node_kind kind;
		const char *text;
	} want[] = {
		{IOAS_NODE_FAULT, "anon_inode:[iommufd-pgfault]"},
		{IOAS_NODE_VEVENTQ, "anon_inode:[iommufd-viommu-event]"},
		{IOAS_NODE_ACCESS, "anon_inode:[iommufd_test_staccess]"},
		{IOAS_NODE_DMABUF, "/dmabuf:"},
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		int fd = queue(want[i].kind);
		char path[40], text[64] = "";
		struct stat st;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		assert_true(readlink(path, text, sizeof(text)) > 0);
		assert_string_equal(text, want[i].text);
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_mode, 0600);
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		assert_int_equal(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR);
		close(fd);
	}
}

/* Its own descriptors come and go with it, out of sight. */
static void nothing_is_left_behind(void **state)
{
	uint64_t closes = harness_log()->closes;
	int before = harness_count("/proc/self/fd"), fds[50];

	for (int i = 0; i < 50; i++)
		fds[i] = queue(i % 2 ? IOAS_NODE_FAULT : IOAS_NODE_VEVENTQ);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(ioctl(fds[i * 7 % 50], FAKE_READY, 1), 0);
		assert_true(ready(fds[i * 7 % 50]) & POLLIN);
		close(fds[i * 7 % 50]);
	}
	assert_int_equal(harness_count("/proc/self/fd"), before);
	assert_int_equal(harness_log()->closes, closes + 50);
}

static int exec_fd;

/* After exec the queue is another process's: said once, and the stolen descriptor is no queue. */
static int exec_with_a_queue(void)
{
	char number[16];
	const char *said;
	int status;
	pid_t pid;

	harness_stderr_begin();
	snprintf(number, sizeof(number), "%d", exec_fd);
	setenv("POLL_TEST_FD", number, 1);
	pid = fork();
	if (!pid) {
		execl("/proc/self/exe", "poll_test", NULL);
		_exit(127);
	}
	check(waitpid(pid, &status, 0) == pid);
	said = harness_stderr_end();
	check(WIFEXITED(status) && !WEXITSTATUS(status));
	check(strstr(said, "[iommufd-pgfault] came from another process"));
	check(!strstr(strstr(said, "came") + 1, "came"));
	return 0;
}

static int after_exec(int fd)
{
	char buf[8];

	check(read(fd, buf, 8) == -1 && errno == EBUSY);
	check(write(fd, buf, 8) == -1 && errno == EBUSY);
	check(close(fd) == 0);
	return 0;
}

static void exec_refuses_clearly(void **state)
{
	exec_fd = queue(IOAS_NODE_FAULT);
	fcntl(exec_fd, F_SETFD, 0);
	ioctl(exec_fd, FAKE_READY, 1);
	harness_child(exec_with_a_queue);
	assert_int_equal(ready(exec_fd), POLLIN | POLLOUT);
	close(exec_fd);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fault_queue_is_writable_and_sometimes_readable),
		cmocka_unit_test(an_event_queue_is_never_writable),
		cmocka_unit_test(a_waiter_wakes_up),
		cmocka_unit_test(reads_and_writes_are_the_engines_and_have_no_position),
		cmocka_unit_test(they_look_like_the_kernels),
		cmocka_unit_test(nothing_is_left_behind),
		cmocka_unit_test(exec_refuses_clearly),
	};

	if (getenv("POLL_TEST_FD"))
		return after_exec(atoi(getenv("POLL_TEST_FD")));
	iommu = open("/dev/iommu", O_RDWR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return harness_main(argv, "device fake\n", run);
}
