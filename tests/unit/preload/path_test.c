/* SPDX-License-Identifier: MIT */
/* Description: which paths lead into the run folder, under which names, and what the program sees.
 */
#include <dirent.h>
#include <glob.h>
#include <limits.h>
#include <sys/sysmacros.h>
#include "harness.h"

#define DEV "/sys/bus/pci/devices/0000:01:00.0"

int __open64_2(const char *path, int flags);
char *__realpath_chk(const char *path, char *out, size_t room);
ssize_t __readlink_chk(const char *path, char *out, size_t len, size_t room);
int __xstat(int version, const char *path, struct stat *st);

static void spellings_lead_to_the_tree(void **state)
{
	static const struct {
		const char *path;
		bool there;
	} cases[] = {
		{DEV "/vendor", true},
		{"//sys/./bus//pci/devices/0000:01:00.0/./vendor", true},
		{"/./sys/bus/pci/devices/0000:01:00.0/vendor", true},
		{"/sys/bus/pci", true},
		{"/sys/bus/pci/", true},
		{"/sys/devices/pci0000:00/0000:01:00.0/device", true},
		{DEV "/iommu_group/devices", true},
		{DEV "/../../../../kernel/iommu_groups/0", false},
		{"/sys/kernel/iommu_groups/0", true},
		{"/sys/kernel/iommu_groups/1", false},
		{"/sys/module/vfio", true},
		{"/sys/module/vfio_pci", true},
		{"/sys/class/vfio", true},
		{"/sys/bus/pcix", false},
		{"/dev/vfio", true},
		{"/dev/vfio/vfio", true},
		{"/dev/vfio/9", false},
		{"/dev/vfioX", false},
		{"/dev/iommu", true},
		{"/dev/iommu2", false},
		{"/dev/char/10:196", true},
		{"/dev/char/511:0", true},
		{"/dev/char/510:0", true},
		{"/dev/char/511:7", false},
		{"/dev/null", true},
		{"/", true},
		{"", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stat st;

		if (!access(cases[i].path, F_OK) != cases[i].there ||
		    !stat(cases[i].path, &st) != cases[i].there ||
		    !faccessat(AT_FDCWD, cases[i].path, F_OK, 0) != cases[i].there)
			fail_msg("%s", cases[i].path);
	}
}

static void files_open_under_every_name(void **state)
{
	char text[16] = "";
	DIR *dir;
	FILE *file = fopen(DEV "/vendor", "r");
	int fd;

	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	assert_string_equal(text, "0x1b36\n");
	fclose(file);
	fd = open(DEV "/vendor", O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, sizeof(text)), 7);
	close(fd);
	fd = __open64_2(DEV "/vendor", O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
	dir = opendir("/sys/bus/pci/devices");
	assert_non_null(dir);
	fd = openat(dirfd(dir), "0000:01:00.0/vendor", O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
	closedir(dir);
}

static void links_and_real_paths_do_not_show_the_run_folder(void **state)
{
	char path[PATH_MAX], link[256];
	ssize_t len = readlink(DEV "/iommu_group", link, sizeof(link));
	glob_t found;

	assert_true(len > 0);
	link[len] = 0;
	assert_string_equal(strrchr(link, '/'), "/0");
	assert_int_equal(__readlink_chk(DEV "/iommu_group", link, 5, sizeof(link)), 5);
	assert_string_equal(__realpath_chk(DEV "/subsystem", path, sizeof(path)), "/sys/bus/pci");
	assert_string_equal(realpath(DEV, path), "/sys/devices/pci0000:00/0000:01:00.0");
	assert_string_equal(realpath("/dev/vfio/vfio", path), "/dev/vfio/vfio");
	assert_string_equal(realpath("/dev", path), "/dev");
	assert_int_equal(glob("/sys/bus/pci/devices/*/vendor", 0, NULL, &found), 0);
	assert_int_equal(found.gl_pathc, 1);
	assert_string_equal(found.gl_pathv[0], DEV "/vendor");
	globfree(&found);
	assert_int_equal(chdir("/sys/bus/pci/devices"), 0);
	assert_string_equal(getcwd(path, sizeof(path)), "/sys/bus/pci/devices");
	assert_non_null(getcwd(path, strlen("/sys/bus/pci/devices") + 1));
	assert_null(getcwd(path, strlen("/sys/bus/pci/devices")));
	assert_int_equal(errno, ERANGE);
	assert_int_equal(access("0000:01:00.0/vendor", R_OK), 0);
	assert_int_equal(chdir("/"), 0);
}

static void nodes_look_like_character_devices(void **state)
{
	static const struct {
		const char *path;
		unsigned major, minor;
	} cases[] = {
		{"/dev/vfio/vfio", 10, 196}, {"/dev/iommu", 10, 127},
		{"/dev/vfio/0", 511, 0},     {"/dev/vfio/devices/vfio0", 510, 0},
		{"/dev/char/510:0", 510, 0},
	};
	struct statx stx;
	struct stat st;
	int dir;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(stat(cases[i].path, &st), 0);
		assert_int_equal(st.st_mode, S_IFCHR | 0666);
		assert_int_equal(st.st_rdev, makedev(cases[i].major, cases[i].minor));
		assert_int_equal(lstat(cases[i].path, &st), 0);
		assert_true(S_ISCHR(st.st_mode));
		assert_int_equal(__xstat(1, cases[i].path, &st), 0);
		assert_true(S_ISCHR(st.st_mode));
		assert_int_equal(statx(AT_FDCWD, cases[i].path, 0, STATX_ALL, &stx), 0);
		assert_int_equal(stx.stx_rdev_major, cases[i].major);
		assert_int_equal(stx.stx_rdev_minor, cases[i].minor);
	}
	dir = open("/dev/vfio", O_RDONLY | O_DIRECTORY);
	assert_true(dir >= 0);
	assert_int_equal(fstatat(dir, "vfio", &st, 0), 0);
	assert_true(S_ISCHR(st.st_mode));
	close(dir);
	assert_int_equal(chdir("/dev/vfio"), 0);
	assert_int_equal(stat("devices/vfio0", &st), 0);
	assert_true(S_ISCHR(st.st_mode));
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(open("/dev/vfio/vfio", O_RDWR | O_DIRECTORY), -1);
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(open("/dev/vfio/3", O_RDWR | O_CREAT, 0600), -1);
	assert_int_equal(errno, ENOENT);
}

/* No path so far was a node that was opened: the engine must not exist. */
static void looking_makes_no_machine(void **state)
{
	assert_null(harness_log());
	assert_int_equal(harness_count("/proc/self/task"), 1);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spellings_lead_to_the_tree),
		cmocka_unit_test(files_open_under_every_name),
		cmocka_unit_test(links_and_real_paths_do_not_show_the_run_folder),
		cmocka_unit_test(nodes_look_like_character_devices),
		cmocka_unit_test(looking_makes_no_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return harness_main(argv, "device fake\n", run);
}
