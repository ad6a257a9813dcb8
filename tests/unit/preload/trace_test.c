/* SPDX-License-Identifier: MIT */
/*
 * Description: the door writes a line for each event into the run's trace, from handlers, children
 * and programs whose descriptors are all closed, and the program does not notice.
 */
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include "harness.h"

#define CDEV "/dev/vfio/devices/vfio0"
#define PAGE 4096

static char lines[1 << 20];

static const char *trace_path(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", getenv("IOAS_RUN_DIR"), name);
	return path;
}

/* How many lines with that text there are; all of them must be whole. */
static unsigned lines_with(const char *text)
{
	int fd = open(trace_path("lines"), O_RDONLY);
	ssize_t len = read(fd, lines, sizeof(lines) - 1);
	unsigned nr = 0;

	close(fd);
	if (len <= 0)
		return 0;
	lines[len] = 0;
	assert_int_equal(lines[len - 1], '\n');
	for (char *at = lines, *end; *at; at = end + 1) {
		end = strchr(at, '\n');
		*end = 0;
		assert_memory_equal(at, "{\"seq\":", 7);
		assert_int_equal(end[-1], '}');
		nr += strstr(at, text) != NULL;
	}
	return nr;
}

static unsigned resets(void)
{
	return lines_with("\"event\":\"reset\",\"device\":\"" FAKE_DEVICE "\"");
}

static void a_program_is_named_when_it_begins(void **state)
{
	char text[64];

	snprintf(text, sizeof(text), "\"pid\":%d,\"tid\":%d,\"event\":\"start\"", getpid(),
		 getpid());
	assert_int_equal(lines_with(text), 1);
	assert_int_equal(lines_with("preload_trace_test"), 1);
}

static void events_become_lines_and_errno_stays(void **state)
{
	unsigned before = resets();
	int fd = open(CDEV, O_RDWR);

	errno = 77;
	assert_int_equal(ioctl(fd, FAKE_TRACE), 0);
	assert_int_equal(errno, 77);
	assert_int_equal(resets(), before + 1);
	close(fd);
}

static void an_access_in_a_handler_is_told_of(void **state)
{
	unsigned before = resets();
	int fd = open(CDEV, O_RDWR);
	volatile uint32_t *bar = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	assert_true(bar != MAP_FAILED);
	bar[0] = 1;
	assert_int_equal(bar[0], 1);
	assert_int_equal(resets(), before + 2);
	munmap((void *)(uintptr_t)bar, PAGE);
	close(fd);
}

/* The file is out of the program's reach, and moves out of its way. */
static void the_programs_descriptors_are_its_own(void **state)
{
	unsigned before = resets(), hit = 0;
	int fd = open(CDEV, O_RDWR);

	for (int i = 900; i < 1024 && hit < 3; i++)
		if (syscall(SYS_fcntl, i, F_GETFD) >= 0) {
			assert_int_equal(close(i), -1);
			assert_int_equal(dup2(0, i), i);
			assert_int_equal(close(i), 0);
			hit++;
		}
	assert_int_equal(hit, 3);
	assert_int_equal(ioctl(fd, FAKE_TRACE), 0);
	closefrom(3);
	fd = open(CDEV, O_RDWR);
	assert_int_equal(ioctl(fd, FAKE_TRACE), 0);
	assert_int_equal(resets(), before + 2);
	close(fd);
}

static int fd;

static int child(void)
{
	check(ioctl(fd, FAKE_ANSWER) == -1 && errno == EBUSY);
	return 0;
}

static void a_child_says_that_it_began_and_was_refused(void **state)
{
	unsigned forks = lines_with("\"event\":\"fork\"");
	char text[64];

	fd = open(CDEV, O_RDWR);
	harness_child(child);
	assert_int_equal(lines_with("\"event\":\"fork\""), forks + 1);
	snprintf(text, sizeof(text), "\"event\":\"fork\",\"parent\":%d}", getpid());
	assert_int_equal(lines_with(text), 1);
	assert_int_equal(lines_with("\"event\":\"refusal\""), 1);
	assert_int_equal(lines_with("\"error\":\"EBUSY\",\"errno\":16,\"reason\":\"another"), 1);
	close(fd);
}

/* By exit(3), which is told of, after the parent has closed the device. */
static void a_child_that_takes_over_says_so(void **state)
{
	int go[2], status;
	char byte;
	pid_t pid;

	fd = open(CDEV, O_RDWR);
	assert_int_equal(pipe(go), 0);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		close(go[1]);
		if (read(go[0], &byte, 1) || ioctl(fd, FAKE_ANSWER) != 42)
			exit(1);
		exit(7);
	}
	close(fd);
	close(go[0]);
	close(go[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_int_equal(lines_with("\"event\":\"takeover\"}"), 1);
	assert_int_equal(lines_with("\"event\":\"exit\",\"status\":7}"), 1);
}

/* What cannot be written is counted; the signal of a limit is not the program's. */
static void a_full_file_disturbs_nothing(void **state)
{
	struct rlimit old, limit;
	unsigned before = resets();
	uint64_t counts[3];
	int file;

	fd = open(CDEV, O_RDWR);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = old;
	limit.rlim_cur = 1;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(ioctl(fd, FAKE_TRACE), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(resets(), before);
	assert_int_equal(ioctl(fd, FAKE_TRACE), 0);
	assert_int_equal(resets(), before + 1);
	file = open(trace_path("counters/trace"), O_RDONLY);
	assert_int_equal(read(file, counts, sizeof(counts)), sizeof(counts));
	close(file);
	assert_int_equal(counts[2], 1);
	close(fd);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_is_named_when_it_begins),
		cmocka_unit_test(events_become_lines_and_errno_stays),
		cmocka_unit_test(an_access_in_a_handler_is_told_of),
		cmocka_unit_test(the_programs_descriptors_are_its_own),
		cmocka_unit_test(a_child_says_that_it_began_and_was_refused),
		cmocka_unit_test(a_child_that_takes_over_says_so),
		cmocka_unit_test(a_full_file_disturbs_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return harness_main(argv, "trace\ndevice fake\n", run);
}
