/* SPDX-License-Identifier: MIT */
/* The run folder of a test, and a few looks at the process. */
#include <dirent.h>
#include <ftw.h>
#include <link.h>
#include "harness.h"

static const char *const folders[] = {
	"sys",
	"sys/bus",
	"sys/bus/pci",
	"sys/bus/pci/devices",
	"sys/devices",
	"sys/devices/pci0000:00",
	"sys/devices/pci0000:00/0000:01:00.0",
	"sys/kernel",
	"sys/kernel/iommu_groups",
	"sys/kernel/iommu_groups/0",
	"sys/kernel/iommu_groups/0/devices",
	"sys/module",
	"sys/module/vfio",
	"sys/module/vfio_pci",
	"sys/class",
	"sys/class/vfio",
	"sys/dev",
	"sys/dev/char",
	"dev",
	"dev/vfio",
	"dev/vfio/devices",
	"counters",
};

static const struct {
	const char *path, *text;
} files[] = {
	{"sys/devices/pci0000:00/0000:01:00.0/vendor", "0x1b36\n"},
	{"sys/devices/pci0000:00/0000:01:00.0/device", "0x0010\n"},
	{"dev/vfio/vfio", ""},
	{"dev/vfio/0", ""},
	{"dev/vfio/devices/vfio0", ""},
	{"dev/iommu", ""},
	{"lock", ""},
};

static const struct {
	const char *path, *target;
} links[] = {
	{"sys/bus/pci/devices/0000:01:00.0", "../../../devices/pci0000:00/0000:01:00.0"},
	{"sys/devices/pci0000:00/0000:01:00.0/iommu_group", "../../../kernel/iommu_groups/0"},
	{"sys/devices/pci0000:00/0000:01:00.0/subsystem", "../../../bus/pci"},
};

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (!file || fputs(text, file) < 0 || fclose(file)) {
		perror(path);
		exit(1);
	}
}

static void make_selftest(void)
{
	write_file("selftest", "");
	if (mkdir("sys/kernel/debug", 0777) || mkdir("sys/kernel/debug/failslab", 0777))
		exit(1);
	write_file("sys/kernel/debug/failslab/ignore-gfp-wait", "");
	write_file("sys/kernel/debug/failslab/verbose", "");
}

/* As `ioas run --trace` does it. */
static void make_trace(const char *dir)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/lines", dir);
	write_file("lines", "");
	if (symlink(path, "trace"))
		exit(1);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

/* AddressSanitizer's runtime wants to be first; then the door's own handlers must be left to it. */
static int find_asan(struct dl_phdr_info *info, size_t size, void *path)
{
	const char *name = strrchr(info->dlpi_name, '/');

	if (!name || strncmp(name, "/libasan.so", 11))
		return 0;
	snprintf(path, 512, "%s:", info->dlpi_name);
	return 1;
}

static void set_environment(const char *dir)
{
	char preload[1024] = "", fds[16];

	dl_iterate_phdr(find_asan, preload);
	if (*preload)
		setenv("ASAN_OPTIONS",
		       "detect_leaks=0:allow_user_segv_handler=1:handle_segv=0:handle_sigbus=0:"
		       "detect_stack_use_after_return=0",
		       1);
	strcat(preload, DOOR_LIB);
	snprintf(fds, sizeof(fds), "%d", harness_count("/proc/self/fd"));
	setenv("HARNESS_FDS", fds, 1);
	setenv("IOAS_RUN_DIR", dir, 1);
	setenv("LD_PRELOAD", preload, 1);
}

int harness_main(char **argv, const char *machine, int (*run)(void))
{
	char dir[] = "/tmp/preload-test-XXXXXX";
	int status;
	pid_t pid;

	if (getenv("IOAS_RUN_DIR"))
		return run();
	if (!mkdtemp(dir) || chdir(dir))
		return 1;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (mkdir(folders[i], 0777))
			return 1;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		write_file(files[i].path, files[i].text);
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlink(links[i].target, links[i].path))
			return 1;
	write_file("machine", machine);
	if (strstr(machine, "set selftest on"))
		make_selftest();
	if (strstr(machine, "trace"))
		make_trace(dir);
	if (chdir("/"))
		return 1;
	pid = fork();
	if (!pid) {
		set_environment(dir);
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid)
		return 1;
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	if (WIFSIGNALED(status))
		fprintf(stderr, "killed by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

struct fake_log *harness_log(void)
{
	static struct fake_log *seen;
	char path[256];
	int fd;

	if (seen)
		return seen;
	snprintf(path, sizeof(path), "%s/counters/fake", getenv("IOAS_RUN_DIR"));
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return seen;
}

int harness_count(const char *folder)
{
	DIR *dir = opendir(folder);
	int nr = 0;

	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr - 2;
}

void harness_child(int (*child)(void))
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (!pid)
		_exit(child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int saved_stderr, capture;
static char captured[2048];

void harness_stderr_begin(void)
{
	saved_stderr = dup(STDERR_FILENO);
	capture = memfd_create("stderr", MFD_CLOEXEC);
	dup2(capture, STDERR_FILENO);
}

const char *harness_stderr_end(void)
{
	ssize_t len;

	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	len = pread(capture, captured, sizeof(captured) - 1, 0);
	captured[len < 0 ? 0 : len] = 0;
	close(capture);
	return captured;
}
