/* SPDX-License-Identifier: MIT */
/* The machine that --set and --device describe: tried out in this process, then written down. */
#ifndef TOOLS_MACHINE_H
#define TOOLS_MACHINE_H

#include <stdio.h>
#include <ioas/iommu.h>
#include <ioas/topology.h>

struct machine_device {
	char *text;	/* as for ioas_model_create, file names absolute */
	char model[32]; /* its first word */
	char name[32];	/* where it sits: "0000:01:00.0"; set by machine_build */
};

struct machine {
	char **sets; /* "KEY=VALUE" */
	size_t sets_nr;
	struct machine_device *devices;
	size_t devices_nr;
	struct ioas_topology *topology; /* of --machine; NULL: none described */
	struct ioas_iommu_config config;
	struct ioas_iommu *iommu; /* set by machine_build */
};

/* Take one option's argument. 0, or what complain() returns after a line on stderr. */
int machine_set(struct machine *machine, const char *text);
int machine_device(struct machine *machine, const char *text);

/* Reads a file that describes the machine, and the devices in it. */
int machine_file(struct machine *machine, const char *path);

/* Makes the instance with its devices, which checks them. 0, or after a line on stderr. */
int machine_build(struct machine *machine);
/* Writes the lines of the run folder's "machine" file (ioas/run.h). */
void machine_write(const struct machine *machine, FILE *to);
/* Ends the instance; what was asked for stays known. */
void machine_stop(struct machine *machine);
void machine_free(struct machine *machine);

#endif
