/* SPDX-License-Identifier: MIT */
/* The run folder (ioas/run.h) on the tool's side: made, filled, removed. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <ioas/door.h>
#include <ioas/pci.h>
#include <ioas/run.h>
#include "folder.h"
#include "ioas.h"
#include "machine.h"

FILE *folder_open(const struct folder *folder, const char *name, const char *mode)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder->path, name);
	return fopen(path, mode);
}

static int add_dir(const struct folder *folder, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder->path, name);
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

static int add_file(const struct folder *folder, const char *name)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder->path, name);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* An empty file where the node is, with the folders above it: path[0] is '/'. */
static int add_node(const struct folder *folder, const char *path)
{
	char part[PATH_MAX];

	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		int rc;

		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		rc = add_dir(folder, part + 1);
		if (rc)
			return rc;
	}
	return add_file(folder, path + 1);
}

static int write_machine(const struct folder *folder, const struct machine *machine)
{
	FILE *file = folder_open(folder, IOAS_RUN_MACHINE, "we");
	int bad;

	if (!file)
		return -errno;
	machine_write(machine, file);
	bad = ferror(file);
	return fclose(file) || bad ? -EIO : 0;
}

/* What a program looks for that wants to inject faults: the knobs turn nothing. */
static int add_selftest(const struct folder *folder)
{
	static const char *const knobs[] = {
		"/sys/kernel/debug/failslab/ignore-gfp-wait",
		"/sys/kernel/debug/failslab/verbose",
		"/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem",
		"/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait",
		"/sys/kernel/debug/fail_page_alloc/verbose",
		"/sys/kernel/debug/fail_iommufd/verbose",
	};
	int rc = add_file(folder, IOAS_RUN_SELFTEST);

	for (size_t i = 0; i < sizeof(knobs) / sizeof(knobs[0]) && !rc; i++)
		rc = add_node(folder, knobs[i]);
	return rc;
}

static int fill(const struct folder *folder, const struct machine *machine)
{
	struct ioas_node node;
	int rc = write_machine(folder, machine);

	if (!rc)
		rc = add_file(folder, IOAS_RUN_LOCK);
	if (!rc)
		rc = add_file(folder, IOAS_RUN_FAULTS);
	if (!rc)
		rc = add_dir(folder, IOAS_RUN_COUNTERS);
	if (!rc && machine->config.selftest)
		rc = add_selftest(folder);
	if (!rc)
		rc = ioas_pci_sysfs_write(machine->iommu, folder->path);
	for (size_t i = 0; !rc && !ioas_node_at(machine->iommu, i, &node); i++)
		rc = add_node(folder, node.path);
	return rc;
}

int folder_new(struct folder *folder, const struct machine *machine)
{
	const char *base = getenv("XDG_RUNTIME_DIR");
	int rc;

	if (!base || *base != '/' || access(base, W_OK | X_OK))
		base = "/tmp";
	if ((size_t)snprintf(folder->path, sizeof(folder->path), "%s/ioas-XXXXXX", base) >=
	    sizeof(folder->path)) {
		complain("%s: name too long", base);
		return -ENAMETOOLONG;
	}
	if (!mkdtemp(folder->path)) {
		rc = -errno;
		complain("cannot make a folder in %s: %s", base, strerror(-rc));
		return rc;
	}
	rc = fill(folder, machine);
	if (rc) {
		complain("cannot fill %s: %s", folder->path, strerror(-rc));
		folder_remove(folder);
	}
	return rc;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	remove(path);
	return 0;
}

void folder_remove(struct folder *folder)
{
	nftw(folder->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
