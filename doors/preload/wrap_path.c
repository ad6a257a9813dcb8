/* SPDX-License-Identifier: MIT */
/*
 * The interposed functions that take a path, but for stat (wrap_stat.c).
 *
 * What glibc calls inside itself cannot be interposed, so the outer functions are wrapped, each
 * under all its names.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/xattr.h>
#include "preload.h"
#include "real.h"
#include "wrap.h"

/* (in the engine) */
static long open_node(const char *virt, int flags)
{
	struct ioas_why why = {""};
	struct machine *machine;
	struct ioas_node node;
	struct ioas_file *file;
	struct door_obj *obj;
	long rc;

	pthread_mutex_lock(&door.machine_mtx);
	rc = machine_get(&machine);
	pthread_mutex_unlock(&door.machine_mtx);
	if (!rc)
		rc = machine_node(machine, virt, &node);
	if (rc)
		return refusal_note(tell_refusal(rc, "open", virt, NULL), virt, &why);
	rc = ioas_file_open(machine->iommu, &door.caller, &node, flags, &file, &why);
	if (rc)
		return refusal_note(rc, virt, &why);
	obj = stand_new(machine, file, &node);
	if (!obj) {
		ioas_file_put(file);
		return tell_refusal(-ENOMEM, "open", virt, NULL);
	}
	rc = stand_install(obj, flags & O_CLOEXEC);
	if (rc < 0) {
		ioas_file_put(file);
		free(obj);
		tell_refusal(rc, "open", virt, "no descriptor is free");
	}
	return rc;
}

static int open_ours(int dirfd, struct door_path *path, int flags, mode_t mode)
{
	struct door_call call;
	long rc;

	if (path->proc)
		return proc_open(path, flags);
	if (path->fd < 0 && (!path->node || flags & O_PATH || real.access(path->buf, F_OK))) {
		if (!path->node)
			path_entered(path);
		else if (!(flags & O_PATH))
			flags &= ~(O_CREAT | O_TRUNC); /* nodes are never made here: ENOENT */
		return real.openat(AT_FDCWD, path->buf, flags, mode);
	}
	if (flags & O_DIRECTORY)
		return (int)door_result(-ENOTDIR);
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return (int)door_result(-EEXIST);
	rc = door_activate();
	if (rc)
		return (int)door_result(rc);
	if (!door_enter(&call)) /* a child of vfork; what lies on disk is no device */
		return (int)door_result(-EBUSY);
	if (path->fd >= 0) {
		struct door_obj *obj = table_get(path->fd);

		rc = obj ? open_node(obj->node.path, flags) : -ENOENT;
		if (obj)
			stand_put(obj);
	} else {
		rc = open_node(path->virt, flags);
	}
	door_leave(&call);
	return (int)door_result(rc);
}

static int open_any(int dirfd, const char *path, int flags, mode_t mode)
{
	struct door_path ours;

	real_need();
	if (unlikely(door_inside)) {
		int fd = real.openat(dirfd, path, flags, mode);

		/* The engine's own files: out of the program's way. */
		return fd < 0 ? fd : (int)door_result(hidden_add(fd));
	}
	if (path_ours(dirfd, path, &ours))
		return open_ours(dirfd, &ours, flags, mode);
	return table_fresh(real.openat(dirfd, path, flags, mode));
}

#define OPEN_MODE(flags, mode)                                     \
	mode_t mode = 0;                                           \
	if ((flags)&O_CREAT || ((flags)&O_TMPFILE) == O_TMPFILE) { \
		va_list ap;                                        \
		va_start(ap, flags);                               \
		mode = va_arg(ap, mode_t);                         \
		va_end(ap);                                        \
	}

int open(const char *path, int flags, ...)
{
	OPEN_MODE(flags, mode)
	return open_any(AT_FDCWD, path, flags, mode);
}
ALIAS(open64, open)

int openat(int dirfd, const char *path, int flags, ...)
{
	OPEN_MODE(flags, mode)
	return open_any(dirfd, path, flags, mode);
}
ALIAS(openat64, openat)

int __open_2(const char *path, int flags)
{
	return open_any(AT_FDCWD, path, flags, 0);
}
ALIAS_NEW(__open64_2, __open_2)

int __openat_2(int dirfd, const char *path, int flags)
{
	return open_any(dirfd, path, flags, 0);
}
ALIAS_NEW(__openat64_2, __openat_2)

int creat(const char *path, mode_t mode)
{
	return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
ALIAS(creat64, creat)

/* How fopen's mode opens a node: the letters that matter for one. */
static int mode_flags(const char *mode)
{
	int flags = strchr(mode, '+') ? O_RDWR : *mode == 'r' ? O_RDONLY : O_WRONLY;

	return flags | (strchr(mode, 'e') ? O_CLOEXEC : 0);
}

FILE *fopen(const char *path, const char *mode)
{
	struct door_path ours;
	FILE *file;
	int fd;

	real_need();
	if (!path_ours(AT_FDCWD, path, &ours))
		return real.fopen(path, mode);
	if (!ours.node && ours.fd < 0 && !ours.proc)
		return real.fopen(ours.buf, mode);
	fd = open_ours(AT_FDCWD, &ours, mode_flags(mode), 0);
	if (fd < 0)
		return NULL;
	file = fdopen(fd, mode);
	if (!file) {
		int err = errno;

		close(fd);
		errno = err;
	}
	return file;
}
ALIAS(fopen64, fopen)

FILE *freopen(const char *path, const char *mode, FILE *file)
{
	struct door_path ours;

	real_need();
	if (path && path_ours(AT_FDCWD, path, &ours) && !ours.node)
		path = ours.buf;
	return real.freopen(path, mode, file);
}
ALIAS(freopen64, freopen)

DIR *opendir(const char *path)
{
	struct door_path ours;

	real_need();
	if (!path_ours(AT_FDCWD, path, &ours))
		return real.opendir(path);
	path_entered(&ours);
	return real.opendir(ours.buf);
}

int scandir(const char *path, struct dirent ***list, int (*filter)(const struct dirent *),
	    int (*compare)(const struct dirent **, const struct dirent **))
{
	struct door_path ours;

	real_need();
	if (path_ours(AT_FDCWD, path, &ours))
		path = ours.buf;
	return real.scandir(path, list, filter, compare);
}
ALIAS(scandir64, scandir)

int chdir(const char *path)
{
	struct door_path ours;

	real_need();
	if (!path_ours(AT_FDCWD, path, &ours))
		return real.chdir(path);
	path_entered(&ours);
	return real.chdir(ours.buf);
}

char *getcwd(char *buf, size_t size)
{
	char *cwd, full[PATH_LEN];

	real_need();
	cwd = real.getcwd(buf, size);
	if (cwd) {
		path_strip(cwd, strlen(cwd));
		return cwd;
	}
	/* Only the run folder in front may have made it too long. */
	if (errno != ERANGE || !door.run || !buf || !real.getcwd(full, sizeof(full)))
		return NULL;
	if (path_strip(full, strlen(full)) + 1 > size) {
		errno = ERANGE;
		return NULL;
	}
	return strcpy(buf, full);
}

/*
 * Links of /proc may name one of our descriptors, whose text is another; they are read aside, so
 * that nothing is written beyond what is returned.
 */
static ssize_t readlink_any(int dirfd, const char *path, char *buf, size_t size)
{
	struct door_path ours;
	char text[PATH_LEN];
	size_t shown = 0;
	ssize_t len;

	real_need();
	if (!door.run || door_inside || !path)
		return real.readlinkat(dirfd, path, buf, size);
	if (path_ours(dirfd, path, &ours)) {
		dirfd = AT_FDCWD;
		path = ours.buf;
	} else if (*path == '/' && strncmp(path, "/proc/", 6)) {
		return real.readlinkat(dirfd, path, buf, size);
	}
	len = real.readlinkat(dirfd, path, text, sizeof(text));
	if (len > 0 && (size_t)len < sizeof(text)) {
		text[len] = 0;
		shown = *text == '/' ? path_link_text(text, (size_t)len, buf, size)
				     : poll_link_text(text, (size_t)len, buf, size);
	}
	return shown ? (ssize_t)shown : real.readlinkat(dirfd, path, buf, size);
}

ssize_t readlink(const char *path, char *buf, size_t size)
{
	return readlink_any(AT_FDCWD, path, buf, size);
}

ssize_t readlinkat(int dirfd, const char *path, char *buf, size_t size)
{
	return readlink_any(dirfd, path, buf, size);
}

ssize_t __readlink_chk(const char *path, char *buf, size_t size, size_t room)
{
	if (size > room)
		__chk_fail();
	return readlink_any(AT_FDCWD, path, buf, size);
}

ssize_t __readlinkat_chk(int dirfd, const char *path, char *buf, size_t size, size_t room)
{
	if (size > room)
		__chk_fail();
	return readlink_any(dirfd, path, buf, size);
}

int access(const char *path, int mode)
{
	struct door_path ours;

	real_need();
	return real.access(path_ours(AT_FDCWD, path, &ours) ? ours.buf : path, mode);
}

int faccessat(int dirfd, const char *path, int mode, int flags)
{
	struct door_path ours;

	real_need();
	if (path_ours(dirfd, path, &ours))
		return real.faccessat(AT_FDCWD, ours.buf, mode, flags);
	return real.faccessat(dirfd, path, mode, flags);
}

int euidaccess(const char *path, int mode)
{
	struct door_path ours;

	real_need();
	return real.euidaccess(path_ours(AT_FDCWD, path, &ours) ? ours.buf : path, mode);
}
ALIAS(eaccess, euidaccess)

/* ls -l asks for these. */
ssize_t getxattr(const char *path, const char *name, void *value, size_t size)
{
	struct door_path ours;

	real_need();
	return real.getxattr(path_ours(AT_FDCWD, path, &ours) ? ours.buf : path, name, value, size);
}

ssize_t lgetxattr(const char *path, const char *name, void *value, size_t size)
{
	struct door_path ours;

	real_need();
	return real.lgetxattr(path_ours(AT_FDCWD, path, &ours) ? ours.buf : path, name, value,
			      size);
}

ssize_t listxattr(const char *path, char *list, size_t size)
{
	struct door_path ours;

	real_need();
	return real.listxattr(path_ours(AT_FDCWD, path, &ours) ? ours.buf : path, list, size);
}

ssize_t llistxattr(const char *path, char *list, size_t size)
{
	struct door_path ours;

	real_need();
	return real.llistxattr(path_ours(AT_FDCWD, path, &ours) ? ours.buf : path, list, size);
}

static char *realpath_any(const char *path, char *resolved)
{
	struct door_path ours;
	char *result;

	real_need();
	if (path_ours(AT_FDCWD, path, &ours))
		path = ours.buf;
	result = real.realpath(path, resolved);
	if (result)
		path_strip(result, strlen(result));
	return result;
}

char *realpath(const char *path, char *resolved)
{
	return realpath_any(path, resolved);
}

char *__realpath_chk(const char *path, char *resolved, size_t room)
{
	if (room < 4096)
		__chk_fail();
	return realpath_any(path, resolved);
}

char *canonicalize_file_name(const char *path)
{
	return realpath_any(path, NULL);
}

int glob(const char *pattern, int flags, int (*failed)(const char *, int), glob_t *out)
{
	struct door_path ours;
	int rc;

	real_need();
	if (flags & GLOB_ALTDIRFUNC || !path_ours(AT_FDCWD, pattern, &ours))
		return real.glob(pattern, flags, failed, out);
	rc = real.glob(ours.buf, flags, failed, out);
	if (!rc)
		for (size_t i = 0; i < out->gl_pathc; i++) {
			char *path = out->gl_pathv[(flags & GLOB_DOOFFS ? out->gl_offs : 0) + i];

			path_strip(path, strlen(path));
		}
	return rc;
}
ALIAS(glob64, glob)
