/* SPDX-License-Identifier: MIT */
/*
 * ioas ls: the devices a program would find, from sysfs.
 *
 * One way for every machine: the run folder's sys/ inside `ioas run`, a folder made for the
 * purpose with --device, and the real /sys otherwise.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <ioas/run.h>
#include "folder.h"
#include "ioas.h"
#include "json.h"
#include "machine.h"

struct entry {
	char name[64];
	char vendor[16], device[16], class_code[16];
	char driver[64], group[32], cdev[64];
};

struct list {
	struct entry *entries;
	size_t nr;
};

void ls_usage(void)
{
	fputs("usage: ioas ls [--json] [--device MODEL,key=value,...]... [--machine FILE]\n"
	      "               [--set KEY=VALUE]...\n\n"
	      "Lists the devices that a program can drive from user space, with their groups and\n"
	      "nodes: those of the machine described here; without any, inside `ioas run`,\n"
	      "those of that machine; elsewhere the real ones that are bound to vfio-pci.\n",
	      stdout);
}

/* The first line of a small file, without its newline; "" when it cannot be read. */
static void read_line(const char *dir, const char *name, char *buf, size_t len)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	*buf = 0;
	file = fopen(path, "re");
	if (!file)
		return;
	if (!fgets(buf, (int)len, file))
		*buf = 0;
	buf[strcspn(buf, "\n")] = 0;
	fclose(file);
}

/* The last part of where a link points; "" without such a link. */
static void read_link(const char *dir, const char *name, char *buf, size_t len)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *slash;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = 0;
	slash = strrchr(target, '/');
	snprintf(buf, len, "%s", slash ? slash + 1 : target);
}

/* The device's cdev: the entry of vfio-dev/ that starts with "vfio". */
static void read_cdev(const char *dir, char *buf, size_t len)
{
	char path[PATH_MAX];
	struct dirent *d;
	DIR *list;

	*buf = 0;
	snprintf(path, sizeof(path), "%s/vfio-dev", dir);
	list = opendir(path);
	if (!list)
		return;
	while ((d = readdir(list)))
		if (!strncmp(d->d_name, "vfio", 4))
			snprintf(buf, len, "%s", d->d_name);
	closedir(list);
}

static void read_entry(const char *dir, const char *name, struct entry *entry)
{
	snprintf(entry->name, sizeof(entry->name), "%s", name);
	read_line(dir, "vendor", entry->vendor, sizeof(entry->vendor));
	read_line(dir, "device", entry->device, sizeof(entry->device));
	read_line(dir, "class", entry->class_code, sizeof(entry->class_code));
	read_link(dir, "driver", entry->driver, sizeof(entry->driver));
	read_link(dir, "iommu_group", entry->group, sizeof(entry->group));
	read_cdev(dir, entry->cdev, sizeof(entry->cdev));
}

static int read_all(const char *root, struct list *list)
{
	char base[PATH_MAX / 2], dir[PATH_MAX];
	struct dirent **names;
	int nr;

	snprintf(base, sizeof(base), "%s/sys/bus/pci/devices", root);
	nr = scandir(base, &names, NULL, alphasort);
	if (nr < 0)
		return errno == ENOENT ? 0 : -errno;
	list->entries = calloc((size_t)nr + 1, sizeof(*list->entries));
	for (int i = 0; i < nr; i++) {
		if (list->entries && names[i]->d_name[0] != '.') {
			struct entry *entry = &list->entries[list->nr];

			snprintf(dir, sizeof(dir), "%s/%s", base, names[i]->d_name);
			read_entry(dir, names[i]->d_name, entry);
			list->nr += !strcmp(entry->driver, "vfio-pci");
		}
		free(names[i]);
	}
	free(names);
	return list->entries ? 0 : -ENOMEM;
}

static const char *no_0x(const char *text)
{
	return strncmp(text, "0x", 2) ? text : text + 2;
}

static void print_text(const struct list *list)
{
	if (list->nr)
		printf("%-13s %-10s %-7s %-6s %s\n", "DEVICE", "ID", "CLASS", "GROUP", "NODES");
	for (size_t i = 0; i < list->nr; i++) {
		const struct entry *e = &list->entries[i];

		printf("%-13s %s:%-5s %-7s %-6s", e->name, no_0x(e->vendor), no_0x(e->device),
		       no_0x(e->class_code), *e->group ? e->group : "-");
		if (*e->group)
			printf(" /dev/vfio/%s", e->group);
		if (*e->cdev)
			printf(" /dev/vfio/devices/%s", e->cdev);
		putchar('\n');
	}
}

static void print_node(struct json *json, const char *dir, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s", dir, name);
	json_string(json, NULL, path);
}

static void print_json(const struct list *list)
{
	struct json json = {.to = stdout};

	json_open(&json, NULL, '{');
	json_open(&json, "devices", '[');
	for (size_t i = 0; i < list->nr; i++) {
		const struct entry *e = &list->entries[i];

		json_open(&json, NULL, '{');
		json_string(&json, "name", e->name);
		json_string(&json, "vendor", e->vendor);
		json_string(&json, "device", e->device);
		json_string(&json, "class", e->class_code);
		json_string(&json, "driver", e->driver);
		json_string(&json, "group", e->group);
		json_open(&json, "nodes", '[');
		if (*e->group)
			print_node(&json, "/dev/vfio/", e->group);
		if (*e->cdev)
			print_node(&json, "/dev/vfio/devices/", e->cdev);
		json_close(&json, ']');
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_close(&json, '}');
}

static int list_root(const char *root, bool as_json)
{
	struct list list = {0};
	int rc = read_all(root, &list);

	if (rc) {
		complain("%s/sys/bus/pci/devices: %s", root, strerror(-rc));
	} else if (as_json) {
		print_json(&list);
	} else {
		print_text(&list);
		if (!list.nr)
			fputs("ioas: no device is bound to vfio-pci here\n", stderr);
	}
	free(list.entries);
	return rc ? EXIT_FAILURE : 0;
}

static int list_machine(struct machine *machine, bool as_json)
{
	struct folder folder;
	int rc;

	if (machine_build(machine))
		return EXIT_USAGE;
	if (folder_new(&folder, machine))
		return EXIT_FAILURE;
	rc = list_root(folder.path, as_json);
	folder_remove(&folder);
	return rc;
}

int ls_main(int argc, char **argv)
{
	static const struct option longs[] = {
		{"device", required_argument, NULL, 'd'},  {"set", required_argument, NULL, 's'},
		{"machine", required_argument, NULL, 'm'}, {"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},	   {NULL, 0, NULL, 0},
	};
	const char *root = getenv(IOAS_RUN_DIR_ENV);
	struct machine machine = {0};
	bool as_json = false;
	int c, rc = 0;

	opterr = 0;
	while (!rc && (c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		if (c == 'd')
			rc = machine_device(&machine, optarg);
		else if (c == 'm')
			rc = machine_file(&machine, optarg);
		else if (c == 's')
			rc = machine_set(&machine, optarg);
		else if (c == 'j')
			as_json = true;
		else if (c == 'h')
			break;
		else
			rc = complain("ls: %s: unknown, or without a value (see: ioas help ls)",
				      argv[optind - 1]);
	}
	if (!rc && c == 'h')
		ls_usage();
	else if (!rc && optind < argc)
		rc = complain("ls takes no \"%s\" (see: ioas help ls)", argv[optind]);
	else if (!rc && (machine.devices_nr || machine.topology))
		rc = list_machine(&machine, as_json);
	else if (!rc)
		rc = list_root(root ? root : "", as_json);
	machine_free(&machine);
	return rc;
}
