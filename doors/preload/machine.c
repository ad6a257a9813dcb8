/* SPDX-License-Identifier: MIT */
/*
 * The engine instance of this process, made from the run folder when a node is first opened.
 *
 * A program that never opens one gets no thread, no handler and no descriptor from us.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <ioas/model.h>
#include <ioas/run.h>
#include <ioas/topology_text.h>
#include "preload.h"
#include "real.h"
#include "util/inject.h"

static struct ioas_run_log_count *fault_count;

static int run_open(const char *name, int flags)
{
	char path[PATH_LEN];
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", door.run, name) >= sizeof(path))
		return -ENAMETOOLONG;
	fd = real.openat(AT_FDCWD, path, flags | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

/* Shared with every process of the run, and with whoever reads it after a kill. */
void *machine_counters(void *host, const char *name, size_t len)
{
	char path[128] = IOAS_RUN_COUNTERS "/";
	size_t used = strlen(path);
	void *block = MAP_FAILED;
	struct stat st;
	int fd;

	for (; *name && used + 1 < sizeof(path); name++)
		path[used++] = *name == '/' ? '_' : *name;
	path[used] = 0;
	fd = run_open(path, O_RDWR | O_CREAT);
	if (fd < 0)
		return NULL;
	if (!real.fstat(fd, &st) && ((size_t)st.st_size >= len || !ftruncate(fd, (off_t)len)))
		block = real.mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	real.close(fd);
	return block == MAP_FAILED ? NULL : block;
}

static void fault(void *host, const struct ioas_fault *record)
{
	uint64_t seen;
	int fd = atomic_load(&door.fault_fd);

	if (!fault_count)
		return;
	seen = __atomic_fetch_add(&fault_count->recorded, 1, __ATOMIC_RELAXED);
	if (seen < IOAS_RUN_LOG_MAX && fd >= 0 &&
	    real.write(fd, record, sizeof(*record)) == (ssize_t)sizeof(*record))
		return;
	__atomic_fetch_add(&fault_count->dropped, 1, __ATOMIC_RELAXED);
}

static int claim(void *host, const char *device)
{
	return owner_claim(host, device);
}

static void release(void *host, const char *device)
{
	owner_release(host, device);
}

static const struct ioas_host_ops host_ops = {
	.counters = machine_counters,
	.fault = fault,
	.claim = claim,
	.release = release,
};
static const struct ioas_host_ops host_ops_traced = {
	.counters = machine_counters,
	.fault = fault,
	.claim = claim,
	.release = release,
	.trace = tell_event,
};

/* The words of "set KEY VALUE"; the rest of the line is the value. */
static int config_line(char *text, struct ioas_iommu_config *config, struct ioas_why *why)
{
	char *value = strchr(text, ' ');

	if (!value)
		return -EINVAL;
	*value++ = 0;
	return ioas_iommu_config_set(config, text, value, why);
}

static bool takes(char **line, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*line, word, len) || (*line)[len] != ' ')
		return false;
	*line += len + 1;
	return true;
}

static char *slurp(int fd)
{
	struct stat st;
	char *text;
	ssize_t len;

	if (real.fstat(fd, &st))
		return NULL;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return NULL;
	len = real.pread(fd, text, (size_t)st.st_size, 0);
	text[len < 0 ? 0 : len] = 0;
	return text;
}

/* Applies the lines of one kind: settings come before the instance, its tree and devices after. */
static int each_line(const char *text, struct ioas_iommu_config *config,
		     struct ioas_topology *topology, struct ioas_iommu *iommu, struct ioas_why *why)
{
	char *copy = strdup(text), *save = NULL;
	struct ioas_pci *pci;
	int rc = copy ? 0 : -ENOMEM;

	for (char *line = rc ? NULL : strtok_r(copy, "\n", &save); line && !rc;
	     line = strtok_r(NULL, "\n", &save)) {
		if (!strncmp(line, "function ", 9) || !strncmp(line, "iommu ", 6))
			rc = topology ? ioas_topology_add_line(topology, line, why) : 0;
		else if (takes(&line, "set"))
			rc = config ? config_line(line, config, why) : 0;
		else if (takes(&line, "device"))
			rc = iommu ? ioas_model_create(iommu, line, &pci, why) : 0;
	}
	free(copy);
	return rc;
}

/* The machine's tree, if one is described. */
static int plant(struct ioas_iommu *iommu, const char *text, struct ioas_why *why)
{
	struct ioas_topology *topology;
	int rc = ioas_topology_new(&topology);

	if (rc)
		return rc;
	rc = each_line(text, NULL, topology, NULL, why);
	if (!rc && ioas_topology_next(topology, NULL))
		rc = ioas_topology_resolve(topology, why) ?: ioas_pci_machine(iommu, topology, why);
	ioas_topology_destroy(topology);
	return rc;
}

static int build(struct machine *machine, const char *text, struct ioas_why *why)
{
	struct ioas_iommu_config config = {
		.host_ops = atomic_load(&door.tracing) ? &host_ops_traced : &host_ops,
		.host = machine,
		.memory_told = true,
	};
	int rc = each_line(text, &config, NULL, NULL, why);

	if (!rc)
		rc = ioas_iommu_new(&config, &machine->iommu);
	if (!rc)
		rc = plant(machine->iommu, text, why);
	if (!rc)
		rc = each_line(text, NULL, NULL, machine->iommu, why);
	if (rc)
		ioas_iommu_destroy(machine->iommu);
	return rc;
}

static int create(struct machine **out)
{
	struct machine *machine = calloc(1, sizeof(*machine));
	struct ioas_why why = {""};
	char *text = NULL;
	int fd, rc;

	fd = run_open(IOAS_RUN_MACHINE, O_RDONLY);
	rc = fd < 0 ? fd : 0;
	if (!rc) {
		text = slurp(fd);
		real.close(fd);
	}
	if (!rc && (!text || !machine))
		rc = -ENOMEM;
	if (!rc && !fault_count)
		fault_count = machine_counters(NULL, IOAS_RUN_FAULT_COUNT, sizeof(*fault_count));
	if (!rc) {
		unsigned left = inject_remaining(); /* no kernel is built within a call */

		inject_arm(0);
		rc = build(machine, text, &why);
		inject_arm(left);
	}
	free(text);
	if (rc) {
		door_say("cannot make the machine: %s", why.text[0] ? why.text : strerror(-rc));
		free(machine);
		return rc == -EBUSY ? rc : -ENODEV;
	}
	pthread_mutex_lock(&door.lock);
	machine->older = door.machines;
	__atomic_store_n(&door.machines, machine, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&door.lock);
	*out = machine;
	return 0;
}

/*
 * A child of fork that opens a node first tries to go on where its parent stopped; while the parent
 * is still there, the child gets a machine of its own, whose devices it can open as they come free.
 */
int machine_get(struct machine **out)
{
	int rc = 0;

	if (!door.machine && door.machines && door.machines->inherited &&
	    !owner_takeover(door.machines, true))
		door.machine = door.machines;
	if (!door.machine)
		rc = create(&door.machine);
	*out = door.machine;
	return rc;
}

int machine_node(struct machine *machine, const char *path, struct ioas_node *out)
{
	int rc = 0;

	for (size_t i = 0; !rc; i++) {
		rc = ioas_node_at(machine->iommu, i, out);
		if (!rc && !strcmp(out->path, path))
			return 0;
	}
	return rc;
}
