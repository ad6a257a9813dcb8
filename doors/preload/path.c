/* SPDX-License-Identifier: MIT */
/*
 * Which paths are ours, and what they are on disk.
 *
 * Rewriting a path beats faking DIR and FILE: below the run folder lies a real tree, so that
 * whatever libc does with the rewritten path is right by itself. Only device nodes are made up: on
 * disk they are empty placeholder files.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/sysmacros.h>
#include "preload.h"
#include "real.h"

#define MAJOR_MISC  10
#define MAJOR_GROUP 511
#define MAJOR_CDEV  510
#define MINOR_IOMMU 127
#define MINOR_VFIO  196

/* Ours when the path is this, or goes on below it; `open`: whatever the name goes on with. */
static const struct prefix {
	const char *text;
	bool open;
} prefixes[] = {
	{"/sys/bus/pci", false},
	{"/sys/devices/pci", true},
	{"/sys/kernel/iommu_groups", false},
	{"/sys/module/vfio", true},
	{"/sys/class/vfio", false},
	{"/sys/class/vfio-dev", false},
	{"/sys/class/misc/vfio", false},
	{"/sys/class/misc/iommu", false},
	{"/sys/devices/virtual/iommu", false},
	{"/sys/devices/virtual/misc/vfio", false},
	{"/sys/devices/virtual/misc/iommu", false},
	{"/sys/class/iommu", false},
	{"/sys/devices/virtual/vfio", true},
	{"/dev/vfio", false},
	{"/dev/iommu", false},
};

static bool prefix_match(const char *virt)
{
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t len = strlen(prefixes[i].text);

		if (!strncmp(virt, prefixes[i].text, len) &&
		    (prefixes[i].open || !virt[len] || virt[len] == '/'))
			return true;
	}
	return false;
}

/* A plain decimal number up to the end of the text; -1: something else. */
static long number(const char *text)
{
	char *end;
	long value;

	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	value = strtol(text, &end, 10);
	return *end || errno || value > INT32_MAX ? -1 : value;
}

/* Copies a path with "//" and "/./" folded. False: too long. */
static bool normalise(char *dst, size_t dst_len, const char *src)
{
	size_t len = 0;

	while (*src) {
		if (src[0] == '/' && src[1] == '/') {
			src++;
			continue;
		}
		if (src[0] == '/' && src[1] == '.' && (src[2] == '/' || !src[2])) {
			src += 2;
			continue;
		}
		if (len + 1 >= dst_len)
			return false;
		dst[len++] = *src++;
	}
	if (!len)
		dst[len++] = '/';
	dst[len] = 0;
	return true;
}

bool path_rdev(const char *virt, dev_t *rdev)
{
	unsigned major = MAJOR_MISC;
	long minor;

	if (!strcmp(virt, "/dev/iommu")) {
		minor = MINOR_IOMMU;
	} else if (!strcmp(virt, "/dev/vfio/vfio")) {
		minor = MINOR_VFIO;
	} else if (!strncmp(virt, "/dev/vfio/devices/vfio", 22)) {
		major = MAJOR_CDEV;
		minor = number(virt + 22);
	} else if (!strncmp(virt, "/dev/vfio/", 10)) {
		major = MAJOR_GROUP;
		minor = number(virt + 10);
	} else {
		return false;
	}
	if (minor < 0)
		return false;
	*rdev = makedev(major, (unsigned)minor);
	return true;
}

/* "MAJ:MIN" to the path of a node; false: not the number of a node of ours. */
static bool number_node(const char *text, char *out, size_t len)
{
	char *end;
	unsigned long major = strtoul(text, &end, 10);
	long minor = *end == ':' ? number(end + 1) : -1;

	if (minor < 0 || !isdigit((unsigned char)*text))
		return false;
	if (major == MAJOR_MISC && minor == MINOR_IOMMU)
		snprintf(out, len, "/dev/iommu");
	else if (major == MAJOR_MISC && minor == MINOR_VFIO)
		snprintf(out, len, "/dev/vfio/vfio");
	else if (major == MAJOR_GROUP)
		snprintf(out, len, "/dev/vfio/%ld", minor);
	else if (major == MAJOR_CDEV)
		snprintf(out, len, "/dev/vfio/devices/vfio%ld", minor);
	else
		return false;
	return true;
}

static bool on_disk(const char *path)
{
	int err = errno;
	bool there = !real.access(path, F_OK);

	errno = err;
	return there;
}

/*
 * The number in /proc/self/fd/N and its other spellings; -1: not such a path. What else of /proc is
 * ours goes to out->proc.
 */
static int proc_fd(const char *virt, struct door_path *out)
{
	const char *rest;

	out->proc = PROC_PLAIN;
	if (!strncmp(virt, "/dev/fd/", 8))
		return (int)number(virt + 8);
	rest = proc_own(virt, &out->tid);
	if (!rest)
		return -1;
	out->proc = proc_kind(rest);
	return strncmp(rest, "fd/", 3) ? -1 : (int)number(rest + 3);
}

/* Debugfs is the system's, but for the knobs of fault injection. */
static bool is_fault_knob(const char *virt)
{
	static const char debugfs[] = "/sys/kernel/debug";
	size_t len = sizeof(debugfs) - 1;

	return !strncmp(virt, debugfs, len) &&
	       (!virt[len] || !strcmp(virt + len, "/") || !strncmp(virt + len, "/fail", 5)) &&
	       door_selftest();
}

/* Decides about the absolute, normalised path in out->virt. */
static bool decide(struct door_path *out, char *virt)
{
	size_t room = sizeof(out->buf) - door.run_len;
	dev_t rdev;

	out->virt = virt;
	out->node = false;
	out->fd = proc_fd(virt, out);
	if (out->fd >= 0 || out->proc) {
		if (out->fd >= 0 && !table_maybe(out->fd))
			return false;
		memmove(out->buf, virt, strlen(virt) + 1);
		out->virt = out->buf;
		return true;
	}
	if (!strncmp(virt, "/sys/dev/char/", 14)) {
		char node[64];

		memcpy(out->buf, door.run, door.run_len);
		return number_node(virt + 14, node, sizeof(node)) && on_disk(out->buf);
	}
	if (!strncmp(virt, "/dev/char/", 10)) {
		char node[64];

		if (!number_node(virt + 10, node, sizeof(node)))
			return false;
		memcpy(out->buf, door.run, door.run_len);
		snprintf(virt, room, "%s", node);
		out->node = true;
		return on_disk(out->buf);
	}
	if (!prefix_match(virt) && !is_fault_knob(virt))
		return false;
	memcpy(out->buf, door.run, door.run_len);
	out->node = path_rdev(virt, &rdev);
	return true;
}

/* A relative path from a folder that may hold nodes: only nodes need help. */
static bool relative(int dirfd, const char *path, struct door_path *out)
{
	char base[PATH_LEN], joined[PATH_LEN];
	char *virt = out->buf + door.run_len;
	int err = errno;
	ssize_t len;

	if (dirfd == AT_FDCWD) {
		len = real.readlinkat(AT_FDCWD, "/proc/self/cwd", base, sizeof(base) - 1);
	} else {
		char link[40];

		snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
		len = real.readlinkat(AT_FDCWD, link, base, sizeof(base) - 1);
	}
	errno = err;
	if (len <= 0)
		return false;
	base[len] = 0;
	path_strip(base, (size_t)len);
	if ((size_t)snprintf(joined, sizeof(joined), "%s/%s", base, path) >= sizeof(joined) ||
	    !normalise(virt, sizeof(out->buf) - door.run_len, joined))
		return false;
	return decide(out, virt) && out->node;
}

static __attribute__((noinline)) bool absolute(const char *path, struct door_path *out)
{
	char *virt = out->buf + door.run_len;

	if (!normalise(virt, sizeof(out->buf) - door.run_len, path))
		return false;
	if (unlikely(!strcmp(virt, "/dev")))
		atomic_store_explicit(&door.dev_dir, true, memory_order_relaxed);
	return decide(out, virt);
}

bool path_ours(int dirfd, const char *path, struct door_path *out)
{
	const char *p = path;

	if (!door.run || !path || door_inside)
		return false;
	if (*p != '/') {
		if (!*p || !atomic_load_explicit(&door.dev_dir, memory_order_relaxed))
			return false;
		return relative(dirfd, path, out);
	}
	while (p[0] == '/' || (p[0] == '.' && p[1] == '/'))
		p++;
	if (strncmp(p, "sys", 3) && strncmp(p, "dev", 3) && strncmp(p, "proc", 4))
		return false;
	return absolute(path, out);
}

void path_entered(const struct door_path *path)
{
	if (!strncmp(path->virt, "/dev", 4))
		atomic_store_explicit(&door.dev_dir, true, memory_order_relaxed);
}

size_t path_strip(char *path, size_t len)
{
	if (!door.run || len < door.run_len || memcmp(path, door.run, door.run_len) ||
	    (len > door.run_len && path[door.run_len] != '/'))
		return len;
	if (len == door.run_len) {
		strcpy(path, "/");
		return 1;
	}
	memmove(path, path + door.run_len, len - door.run_len);
	path[len - door.run_len] = 0;
	return len - door.run_len;
}

size_t path_link_text(const char *text, size_t len, char *out, size_t out_len)
{
	static const char memfd[] = "/memfd:" MEMFD_TAG, gone[] = " (deleted)";
	size_t tag = sizeof(memfd) - 1, tail = sizeof(gone) - 1;

	if (len > tag + tail && !memcmp(text, memfd, tag)) {
		text += tag;
		len -= tag + tail;
		if (!strncmp(text, DEVICE_NAME, sizeof(DEVICE_NAME) - 1)) {
			text = DEVICE_TEXT;
			len = sizeof(DEVICE_TEXT) - 1;
		}
	} else if (door.run && len > door.run_len && !memcmp(text, door.run, door.run_len) &&
		   text[door.run_len] == '/') {
		text += door.run_len;
		len -= door.run_len;
	} else {
		return 0;
	}
	if (len > out_len)
		len = out_len;
	memcpy(out, text, len);
	return len;
}
