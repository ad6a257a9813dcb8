/* SPDX-License-Identifier: MIT */
/* The machine that --set and --device describe: tried out in this process, then written down. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <ioas/model.h>
#include <ioas/topology_text.h>
#include "ioas.h"
#include "machine.h"
#include "machine_file.h"

/* Makes room for one more element of *array; exits only through the caller. NULL: no memory. */
static void *grow(void *array, size_t nr, size_t size)
{
	return reallocarray(array, nr + 1, size);
}

static int no_memory(void)
{
	complain("out of memory");
	return EXIT_FAILURE;
}

int machine_set(struct machine *machine, const char *text)
{
	struct ioas_why why = {""};
	char *copy = strdup(text), *eq;
	char **sets = grow(machine->sets, machine->sets_nr, sizeof(*sets));

	if (sets)
		machine->sets = sets;
	if (!copy || !sets) {
		free(copy);
		return no_memory();
	}
	machine->sets[machine->sets_nr++] = copy;
	eq = strchr(copy, '=');
	if (!eq || strchr(copy, '\n'))
		return complain("--set %s: not KEY=VALUE", text);
	*eq = 0;
	if (ioas_iommu_config_set(&machine->config, copy, eq + 1, &why))
		return complain("--set %s: %s", text, why.text);
	*eq = '=';
	return 0;
}

static const struct ioas_model_key *find_key(const char *model, const char *key, size_t len)
{
	for (size_t i = 0; ioas_models[i]; i++) {
		if (strcmp(ioas_models[i]->name, model))
			continue;
		for (const struct ioas_model_key *k = ioas_models[i]->keys; k->name; k++)
			if (strlen(k->name) == len && !memcmp(k->name, key, len))
				return k;
	}
	return NULL;
}

/* Where the key=value at `text` ends: at a comma that is not doubled. */
static const char *param_end(const char *text)
{
	for (;; text++) {
		if (!*text || (*text == ',' && text[1] != ','))
			return text;
		if (*text == ',')
			text++;
	}
}

/* Copies `len` bytes from `from`, with every comma as twice one. Returns the end of what it wrote.
 */
static char *put_doubled(char *to, const char *from, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		*to++ = from[i];
		if (from[i] == ',')
			*to++ = ',';
	}
	return to;
}

/* The file a value names, if it is a relative name of something that is there: its full path. */
static char *absolute(const char *value, size_t len)
{
	char name[PATH_MAX], *full;
	size_t n = 0;

	for (size_t i = 0; i < len && n < sizeof(name) - 1; i++) {
		name[n++] = value[i];
		if (value[i] == ',')
			i++;
	}
	name[n] = 0;
	if (!*name || *name == '/' || !strcmp(name, "null"))
		return NULL;
	full = realpath(name, NULL);
	return full;
}

/*
 * The program may change its folder before it opens the device, so file names become absolute.
 * A file that is not there stays as it is: the model complains in the user's own words.
 */
static char *absolute_files(const char *text, const char *model)
{
	size_t commas = 1;
	const char *end = param_end(text);
	char *out, *to;

	for (const char *c = text; *c; c++)
		commas += *c == ',';
	out = malloc(strlen(text) + commas * 2 * PATH_MAX + 1);
	if (!out)
		return NULL;
	to = mempcpy(out, text, (size_t)(end - text));
	while (*end) {
		const char *param = end + 1;
		const char *eq = strchr(param, '=');
		const struct ioas_model_key *key = NULL;
		char *full = NULL;

		end = param_end(param);
		*to++ = ',';
		if (eq && eq < end)
			key = find_key(model, param, (size_t)(eq - param));
		if (key && key->arg && !strncmp(key->arg, "FILE", 4))
			full = absolute(eq + 1, (size_t)(end - eq - 1));
		if (full) {
			to = mempcpy(to, param, (size_t)(eq + 1 - param));
			to = put_doubled(to, full, strlen(full));
		} else {
			to = mempcpy(to, param, (size_t)(end - param));
		}
		free(full);
	}
	*to = 0;
	return out;
}

int machine_device(struct machine *machine, const char *text)
{
	struct machine_device *devices =
		grow(machine->devices, machine->devices_nr, sizeof(*devices));
	struct machine_device *device;

	if (!devices)
		return no_memory();
	machine->devices = devices;
	if (strchr(text, '\n'))
		return complain("--device: a line break in \"%s\"", text);
	device = &devices[machine->devices_nr];
	memset(device, 0, sizeof(*device));
	snprintf(device->model, sizeof(device->model), "%.*s", (int)strcspn(text, ","), text);
	device->text = absolute_files(text, device->model);
	if (!device->text)
		return no_memory();
	machine->devices_nr++;
	return 0;
}

/* The models that the file names, each where it stands. */
static int file_devices(struct machine *machine)
{
	const struct ioas_topology_function *function = NULL;
	char addr[IOAS_NAME_LEN], *text;
	int rc = 0;

	while (!rc && (function = ioas_topology_next(machine->topology, function))) {
		if (!*function->model)
			continue;
		ioas_pci_addr_format(function->addr, addr);
		if (asprintf(&text, "%s,addr=%s", function->model, addr) < 0)
			return no_memory();
		rc = machine_device(machine, text);
		free(text);
	}
	return rc;
}

int machine_file(struct machine *machine, const char *path)
{
	struct ioas_why why = {""};
	int rc;

	if (machine->topology)
		return complain("--machine is given twice");
	rc = machine_file_read(path, &machine->topology, &why);
	if (rc) {
		machine->topology = NULL;
		complain("%s", why.text[0] ? why.text : strerror(-rc));
		return EXIT_FAILURE;
	}
	return file_devices(machine);
}

int machine_build(struct machine *machine)
{
	int rc = ioas_iommu_new(&machine->config, &machine->iommu);
	struct ioas_why bad = {""};

	if (rc == -EINVAL)
		ioas_iommu_check(&machine->config, &bad);
	if (!rc && machine->topology)
		rc = ioas_pci_machine(machine->iommu, machine->topology, &bad);
	if (rc) {
		complain("cannot make the machine: %s", bad.text[0] ? bad.text : strerror(-rc));
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < machine->devices_nr; i++) {
		struct machine_device *device = &machine->devices[i];
		struct ioas_why why = {""};
		struct ioas_pci *pci;

		rc = ioas_model_create(machine->iommu, device->text, &pci, &why);
		if (rc)
			return complain("--device %s: %s", device->text,
					why.text[0] ? why.text : strerror(-rc));
		ioas_pci_addr_format(ioas_pci_address(pci), device->name);
	}
	return 0;
}

static void write_line(char *line, FILE *to)
{
	if (line)
		fprintf(to, "%s\n", line);
	free(line);
}

static char *function_line(const struct ioas_topology_function *function)
{
	size_t len = (size_t)ioas_topology_function_line(function, NULL, 0) + 1;
	char *line = malloc(len);

	if (line)
		ioas_topology_function_line(function, line, len);
	return line;
}

static char *iommu_line(const struct ioas_topology_iommu *iommu)
{
	size_t len = (size_t)ioas_topology_iommu_line(iommu, NULL, 0) + 1;
	char *line = malloc(len);

	if (line)
		ioas_topology_iommu_line(iommu, line, len);
	return line;
}

static void write_topology(const struct ioas_topology *topology, FILE *to)
{
	const struct ioas_topology_function *function = NULL;

	if (!topology)
		return;
	for (size_t i = 0; i < ioas_topology_iommu_nr(topology); i++)
		write_line(iommu_line(ioas_topology_iommu(topology, i)), to);
	while ((function = ioas_topology_next(topology, function)))
		write_line(function_line(function), to);
}

void machine_write(const struct machine *machine, FILE *to)
{
	for (size_t i = 0; i < machine->sets_nr; i++) {
		const char *eq = strchr(machine->sets[i], '=');

		fprintf(to, "set %.*s %s\n", (int)(eq - machine->sets[i]), machine->sets[i],
			eq + 1);
	}
	write_topology(machine->topology, to);
	for (size_t i = 0; i < machine->devices_nr; i++)
		fprintf(to, "device %s\n", machine->devices[i].text);
}

void machine_stop(struct machine *machine)
{
	ioas_iommu_destroy(machine->iommu);
	machine->iommu = NULL;
}

void machine_free(struct machine *machine)
{
	machine_stop(machine);
	for (size_t i = 0; i < machine->sets_nr; i++)
		free(machine->sets[i]);
	for (size_t i = 0; i < machine->devices_nr; i++)
		free(machine->devices[i].text);
	free(machine->sets);
	free(machine->devices);
	ioas_topology_destroy(machine->topology);
	*machine = (struct machine){0};
}
