/* SPDX-License-Identifier: MIT */
/* Where a topology comes from. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <ioas/run.h>
#include "import_lspci.h"
#include "import_sysfs.h"
#include "ioas.h"
#include "machine_file.h"
#include "source.h"

/* The rest of `spec` behind a word and a colon, "" for the word alone, else NULL. */
static const char *after(const char *spec, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(spec, word, len) || (spec[len] && spec[len] != ':'))
		return NULL;
	return spec[len] ? spec + len + 1 : spec + len;
}

static int read_sysfs(const char *root, struct source *source, struct ioas_why *warning,
		      struct ioas_why *why)
{
	const char *own = getenv(IOAS_RUN_DIR_ENV);

	/* In `ioas run` the machine is the one that the program sees. */
	if (!*root)
		root = own ? own : "/";
	source->root = strdup(root);
	if (!source->root)
		return -ENOMEM;
	return import_sysfs(root, &source->topology, warning, why);
}

int source_open(const char *spec, struct source *source)
{
	struct ioas_why why = {""}, warning = {""};
	const char *rest;
	int rc;

	memset(source, 0, sizeof(*source));
	if (!spec)
		spec = "sysfs";
	if ((rest = after(spec, "sysfs")))
		rc = read_sysfs(rest, source, &warning, &why);
	else if (!(rest = after(spec, "lspci")))
		rc = machine_file_read(spec, &source->topology, &why);
	else if (*rest)
		rc = import_lspci(rest, &source->topology, &warning, &why);
	else
		return complain(
			"--from lspci: which file? lspci:FILE, or lspci:- for standard input");
	if (rc) {
		complain("%s", why.text[0] ? why.text : strerror(-rc));
		free(source->root);
		return EXIT_FAILURE;
	}
	if (warning.text[0])
		fprintf(stderr, "ioas: note: %s\n", warning.text);
	return 0;
}

void source_close(struct source *source)
{
	ioas_topology_destroy(source->topology);
	free(source->root);
}

long source_linux_group(const struct source *source, struct ioas_pci_addr addr)
{
	char path[PATH_MAX], target[PATH_MAX], name[IOAS_NAME_LEN], *number, *end;
	ssize_t len;
	long group;

	if (!source->root)
		return -1;
	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/iommu_group", source->root,
		 ioas_pci_addr_format(addr, name));
	len = readlink(path, target, sizeof(target) - 1);
	if (len <= 0)
		return -1;
	target[len] = 0;
	number = strrchr(target, '/');
	if (!number)
		return -1;
	group = strtol(number + 1, &end, 10);
	return *end || end == number + 1 ? -1 : group;
}
