/* SPDX-License-Identifier: MIT */
/* Writing a tree of files, folders and relative links. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "pci/sysfs.h"

#define TEXT_MAX 4096

static void fail(struct sysfs_tree *tree, int error)
{
	if (!tree->error)
		tree->error = error;
}

static int format(char *buf, size_t len, const char *fmt, va_list ap)
{
	int n = vsnprintf(buf, len, fmt, ap);

	if (n >= 0 && (size_t)n < len)
		return n;
	return -ENAMETOOLONG;
}

/* The current folder with a name in it; not where a path in `path` is longer than can be. */
static const char *full(struct sysfs_tree *tree, const char *name)
{
	size_t len = strlen(name);

	if (tree->path_len + len >= sizeof(tree->path)) {
		fail(tree, -ENAMETOOLONG);
		len = 0;
	}
	memcpy(tree->path + tree->path_len, name, len);
	tree->path[tree->path_len + len] = 0;
	return tree->path;
}

void sysfs_at(struct sysfs_tree *tree, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = format(tree->path, sizeof(tree->path) - 1, fmt, ap);
	va_end(ap);
	if (len < 0)
		fail(tree, len);
	if (tree->error)
		return;
	for (char *end = strchr(tree->path, '/');; end = strchr(end + 1, '/')) {
		if (end)
			*end = 0;
		if (mkdirat(tree->root, tree->path, 0755) && errno != EEXIST)
			fail(tree, -errno);
		if (!end)
			break;
		*end = '/';
	}
	tree->path[len] = '/';
	tree->path_len = (size_t)len + 1;
}

void sysfs_bytes(struct sysfs_tree *tree, const char *name, const void *bytes, size_t len)
{
	int fd;

	if (tree->error)
		return;
	fd = openat(tree->root, full(tree, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0) {
		fail(tree, -errno);
		return;
	}
	if (write(fd, bytes, len) != (ssize_t)len)
		fail(tree, -EIO);
	close(fd);
}

void sysfs_text(struct sysfs_tree *tree, const char *name, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = format(text, sizeof(text) - 1, fmt, ap);
	va_end(ap);
	if (len < 0) {
		fail(tree, len);
		return;
	}
	if (!len || text[len - 1] != '\n')
		text[len++] = '\n';
	sysfs_bytes(tree, name, text, (size_t)len);
}

void sysfs_dir(struct sysfs_tree *tree, const char *name)
{
	if (!tree->error && mkdirat(tree->root, full(tree, name), 0755) && errno != EEXIST)
		fail(tree, -errno);
}

/*
 * As sysfs does it: up to the deepest folder that both share, which is never the target itself,
 * and down again.
 */
static int relative(const char *from, const char *to, char *buf, size_t len)
{
	size_t shared = 0, used = 0;

	for (size_t i = 0; from[i] == to[i] && to[i]; i++)
		if (to[i] == '/')
			shared = i + 1;
	for (const char *c = from + shared; (c = strchr(c, '/')); c++) {
		if (used + 3 >= len)
			return -ENAMETOOLONG;
		memcpy(buf + used, "../", 3);
		used += 3;
	}
	if (used + strlen(to + shared) >= len)
		return -ENAMETOOLONG;
	strcpy(buf + used, to + shared);
	return 0;
}

void sysfs_link(struct sysfs_tree *tree, const char *name, const char *fmt, ...)
{
	char to[PATH_MAX], target[PATH_MAX];
	const char *from;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = format(to, sizeof(to), fmt, ap);
	va_end(ap);
	if (rc < 0)
		fail(tree, rc);
	if (tree->error)
		return;
	from = full(tree, name);
	rc = relative(from, to, target, sizeof(target));
	if (rc) {
		tree->error = rc;
		return;
	}
	if (symlinkat(target, tree->root, from) && errno == EEXIST) {
		unlinkat(tree->root, from, 0);
		if (symlinkat(target, tree->root, from))
			fail(tree, -errno);
	} else if (faccessat(tree->root, from, F_OK, AT_SYMLINK_NOFOLLOW)) {
		fail(tree, -errno);
	}
}

void sysfs_power(struct sysfs_tree *tree)
{
	sysfs_dir(tree, "power");
	sysfs_text(tree, "power/control", "auto");
	sysfs_text(tree, "power/runtime_status", "unsupported");
	sysfs_text(tree, "power/runtime_active_time", "0");
	sysfs_text(tree, "power/runtime_suspended_time", "0");
	sysfs_text(tree, "power/autosuspend_delay_ms", "0");
}
