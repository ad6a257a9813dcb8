/* SPDX-License-Identifier: MIT */
/* Description: a tree of files, folders and relative links: what is written, and the first error.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "pci/sysfs.h"
#include "tests/unit/fds.h"

static char root[32];
static struct sysfs_tree tree;
static unsigned fds;

static int setup(void **state)
{
	fds = fds_open();
	strcpy(root, "/tmp/ioas-tree-XXXXXX");
	assert_non_null(mkdtemp(root));
	tree = (struct sysfs_tree){.root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC)};
	return tree.root < 0;
}

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(name);
}

static int teardown(void **state)
{
	close(tree.root);
	assert_int_equal(fds_open(), fds);
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void expect_text(const char *name, const char *want)
{
	int fd = openat(tree.root, name, O_RDONLY | O_CLOEXEC);
	char got[64] = "";

	assert_true(fd >= 0);
	assert_true(read(fd, got, sizeof(got) - 1) >= 0);
	assert_string_equal(got, want);
	close(fd);
}

static void expect_link(const char *name, const char *want)
{
	char got[64] = "";

	assert_true(readlinkat(tree.root, name, got, sizeof(got) - 1) > 0);
	assert_string_equal(got, want);
}

static bool is_there(const char *name)
{
	return !faccessat(tree.root, name, F_OK, AT_SYMLINK_NOFOLLOW);
}

static void text_ends_with_one_newline(void **state)
{
	sysfs_at(&tree, "a/%s", "b");
	sysfs_text(&tree, "without", "%d", 7);
	sysfs_text(&tree, "with", "%d\n", 7);
	sysfs_text(&tree, "none", "%s", "");
	sysfs_bytes(&tree, "bytes", "xyz", 2);
	sysfs_bytes(&tree, "empty", "", 0);
	sysfs_text(&tree, "without", "8"); /* again, and shorter */
	assert_int_equal(tree.error, 0);
	expect_text("a/b/without", "8\n");
	expect_text("a/b/with", "7\n");
	expect_text("a/b/none", "\n");
	expect_text("a/b/bytes", "xy");
	expect_text("a/b/empty", "");
}

static void folders_may_be_there(void **state)
{
	sysfs_at(&tree, "a/b/c");
	sysfs_at(&tree, "a");
	sysfs_dir(&tree, "b");
	sysfs_dir(&tree, "d");
	sysfs_dir(&tree, "d/e");
	sysfs_text(&tree, "file", "x");
	sysfs_power(&tree);
	assert_int_equal(tree.error, 0);
	assert_true(is_there("a/b/c") && is_there("a/d/e") && is_there("a/file"));
	expect_text("a/power/control", "auto\n");
	expect_text("a/power/runtime_status", "unsupported\n");
}

/* Up to the deepest folder that both share: of names that begin alike that is the one above. */
static void links_go_up_as_far_as_they_must(void **state)
{
	sysfs_at(&tree, "a/b");
	sysfs_link(&tree, "beside", "a/b/%s", "c");
	sysfs_link(&tree, "above", "a/x");
	sysfs_link(&tree, "alike", "a/bc/d");
	sysfs_link(&tree, "far", "x/y");
	sysfs_link(&tree, "to_a", "a");
	sysfs_at(&tree, "z");
	sysfs_link(&tree, "far", "a/b/c");
	assert_int_equal(tree.error, 0);
	expect_link("a/b/beside", "c");
	expect_link("a/b/above", "../x");
	expect_link("a/b/alike", "../bc/d");
	expect_link("a/b/far", "../../x/y");
	expect_link("a/b/to_a", "../../a");
	expect_link("z/far", "../a/b/c");
	sysfs_link(&tree, "far", "q");
	expect_link("z/far", "../q");
}

/* What comes after it writes nothing, nor says anything else. */
static void the_first_error_sticks(void **state)
{
	sysfs_at(&tree, "a");
	sysfs_text(&tree, "file", "x");
	sysfs_at(&tree, "a/file/b");
	assert_int_equal(tree.error, -ENOTDIR);
	sysfs_at(&tree, "b");
	sysfs_text(&tree, "text", "x");
	sysfs_bytes(&tree, "bytes", "x", 1);
	sysfs_dir(&tree, "dir");
	sysfs_link(&tree, "link", "a");
	tree.error = 0;
	assert_false(is_there("b") || is_there("a/text") || is_there("a/bytes") ||
		     is_there("a/dir") || is_there("a/link"));
}

static void what_cannot_be_written_is_an_error(void **state)
{
	sysfs_at(&tree, "a");
	sysfs_dir(&tree, "dir");
	sysfs_text(&tree, "dir", "x");
	assert_int_equal(tree.error, -EISDIR);
	tree.error = 0;
	sysfs_dir(&tree, "no/dir");
	assert_int_equal(tree.error, -ENOENT);
	tree.error = 0;
	sysfs_link(&tree, "no/link", "b");
	assert_int_equal(tree.error, -ENOENT);
	tree.error = 0;
	sysfs_link(&tree, "dir", "b"); /* no link, and in the way */
	assert_int_equal(tree.error, -EEXIST);
	assert_true(is_there("a/dir"));
}

/* A file cannot have more text than sysfs lets it, nor a path more bytes than the system. */
static void what_is_too_long_is_an_error(void **state)
{
	static char name[PATH_MAX], text[4097];

	memset(text, 'x', 4096);
	sysfs_at(&tree, "a");
	text[4094] = '\0';
	sysfs_text(&tree, "most", "%s", text);
	assert_int_equal(tree.error, 0);
	text[4094] = 'x';
	text[4095] = '\0';
	sysfs_text(&tree, "more", "%s", text);
	assert_int_equal(tree.error, -ENAMETOOLONG);
	tree.error = 0;
	for (size_t i = 0; i < PATH_MAX - 1; i++)
		name[i] = i % 100 ? 'n' : '/';
	sysfs_at(&tree, "%s%s", "a", name);
	assert_int_equal(tree.error, -ENAMETOOLONG);
	tree.error = 0;
	sysfs_at(&tree, "a");
	sysfs_bytes(&tree, name + 1, "x", 1);
	assert_int_equal(tree.error, -ENAMETOOLONG);
	tree.error = 0;
	sysfs_link(&tree, "link", "a/%s", name);
	assert_int_equal(tree.error, -ENAMETOOLONG);
	tree.error = 0;
	/* The target has room, the way up to where both part has not. */
	name[PATH_MAX - 2] = '\0';
	sysfs_link(&tree, "link", "b%s", name + 1);
	assert_int_equal(tree.error, -ENAMETOOLONG);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(text_ends_with_one_newline),	  TEST(folders_may_be_there),
		TEST(links_go_up_as_far_as_they_must),	  TEST(the_first_error_sticks),
		TEST(what_cannot_be_written_is_an_error), TEST(what_is_too_long_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
