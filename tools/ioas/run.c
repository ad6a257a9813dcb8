/* SPDX-License-Identifier: MIT */
/*
 * ioas run: a program on a machine with software devices.
 *
 * The machine is made here once, which checks what was asked for, and written to the run folder;
 * the preload door makes it again inside the program. This process only waits, passes signals on,
 * and tells afterwards what happened.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <ioas/model.h>
#include <ioas/run.h>
#include "child.h"
#include "folder.h"
#include "ioas.h"
#include "machine.h"
#include "report.h"
#include "trace_file.h"

struct options {
	struct machine machine;
	const char *report;
	const char *trace;
	char **program;
};

void print_models(void)
{
	for (size_t i = 0; ioas_models[i]; i++) {
		const struct ioas_model *model = ioas_models[i];

		printf("  %-22s %s\n", model->name, model->help);
		for (const struct ioas_model_key *key = model->keys; key->name; key++)
			printf("    %s=%-*s %s%s\n", key->name, 19 - (int)strlen(key->name),
			       key->arg, key->help, key->required ? " (needed)" : "");
	}
	printf("    %-20s %s\n", "addr=0000:BB:DD.F",
	       "where any of them sits; else the first free of 0000:01:00.0, 0000:02:00.0, ...");
}

void run_usage(void)
{
	fputs("usage: ioas run [--device MODEL,key=value,...]... [--machine FILE]\n"
	      "                [--set KEY=VALUE]... [--selftest-abi] [--check-dirty]\n"
	      "                [--check-invalidation]\n"
	      "                [--report FILE] [--trace FILE] -- PROGRAM [ARGUMENTS]\n\n"
	      "Runs PROGRAM, unmodified, on a machine with these devices, each behind the IOMMU.\n"
	      "The program finds them in /sys, /dev/vfio and /dev/iommu; nothing else of its\n"
	      "world changes, and no privilege is needed. Its exit status is ioas's.\n\n"
	      "  --device TEXT    add a device; a comma in a value is written twice\n"
	      "  --machine FILE   IOMMUs, ports, switches, bridges and functions as FILE "
	      "describes\n"
	      "                   them; groups and requester IDs follow from that tree. Its\n"
	      "                   functions name models, or --device puts some there (addr=)\n"
	      "  --set KEY=VALUE  a property of the machine: aw=BITS (32..57, default 48), the\n"
	      "                   IOMMU's address width; mmap=off, BARs by pread and pwrite only;\n"
	      "                   abi=6.12 or 7.3 (default), where the kernels' answers differ;\n"
	      "                   memlock=on, refuse pinned memory beyond RLIMIT_MEMLOCK;\n"
	      "                   groups=strict, one address space a group, as in Linux;\n"
	      "                   ats-timeout=MS, how long a device may keep translations that\n"
	      "                   are taken back, and pri-timeout=MS, how long the program may\n"
	      "                   take to answer a page request (docs/ats.md);\n"
	      "                   pasid0=same, PASID 0 is no PASID, as on VT-d; iommu=KIND, soft\n"
	      "                   (default), vtd, amd, smmuv3 or riscv (docs/iommus.md);\n"
	      "                   pt=FORMAT, soft's page tables, such as vtd-ss\n"
	      "                   (docs/page-tables.md)\n"
	      "  --selftest-abi   what the kernel's own selftests need of a kernel: mock devices\n"
	      "                   (IOMMU_TEST_CMD), fail-nth files, huge pages where there are\n"
	      "                   none; works without any --device\n"
	      "  --check-dirty    note what devices write where dirty pages are tracked, compare "
	      "at\n"
	      "                   each bitmap that the program reads, and tell at the end what\n"
	      "                   pages were missing\n"
	      "  --check-invalidation  remember what an IOMMU may cache of page tables that the\n"
	      "                   program keeps itself (nested), and put on record each request\n"
	      "                   that might go by an entry which the program has changed without\n"
	      "                   invalidating it; slow\n"
	      "  --report FILE    write JSON when the program has ended: TLPs, bytes, ioctls,\n"
	      "                   faults with everything that was looked up\n"
	      "  --trace FILE     write each event as it comes, a line of JSON each: ioctls with\n"
	      "                   their arguments, changes of routes, refused transactions, and\n"
	      "                   why a call was refused; `ioas trace FILE` makes it readable\n\n"
	      "Models and their keys:\n",
	      stdout);
	print_models();
	fputs("\nExamples:\n"
	      "  truncate -s 64M disk.img\n"
	      "  ioas run --device nvme,drive=disk.img -- qemu-img info nvme://0000:01:00.0/1\n"
	      "  ioas run --report r.json --device nvme,drive=disk.img -- \\\n"
	      "      qemu-img convert -n -O raw FILE nvme://0000:01:00.0/1\n"
	      "  jq '.devices[].faults' r.json\n"
	      "  ioas run --trace t.json --device nvme,drive=disk.img -- \\\n"
	      "      qemu-img info nvme://0000:01:00.0/1\n"
	      "  ioas trace t.json\n",
	      stdout);
}

/* What IOAS_RUN_SET adds to every run: settings with spaces between; --set comes after them. */
static int set_from_environment(struct machine *machine)
{
	const char *text = getenv("IOAS_RUN_SET");
	char *copy = strdup(text ? text : ""), *save = NULL;
	int rc = 0;

	if (!copy)
		return complain("no memory");
	for (char *word = strtok_r(copy, " ", &save); word && !rc;
	     word = strtok_r(NULL, " ", &save))
		rc = machine_set(machine, word);
	free(copy);
	return rc;
}

static int parse(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{"device", required_argument, NULL, 'd'},
		{"machine", required_argument, NULL, 'm'},
		{"set", required_argument, NULL, 's'},
		{"selftest-abi", no_argument, NULL, 'T'},
		{"check-dirty", no_argument, NULL, 'D'},
		{"check-invalidation", no_argument, NULL, 'I'},
		{"report", required_argument, NULL, 'r'},
		{"trace", required_argument, NULL, 't'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c, rc = set_from_environment(&options->machine);

	opterr = 0;
	while (!rc && (c = getopt_long(argc, argv, "+:h", longs, NULL)) != -1) {
		switch (c) {
		case 'd':
			rc = machine_device(&options->machine, optarg);
			break;
		case 'm':
			rc = machine_file(&options->machine, optarg);
			break;
		case 's':
			rc = machine_set(&options->machine, optarg);
			break;
		case 'T':
			rc = machine_set(&options->machine, "selftest=on");
			break;
		case 'D':
			rc = machine_set(&options->machine, "check-dirty=on");
			break;
		case 'I':
			rc = machine_set(&options->machine, "check-invalidation=on");
			break;
		case 'r':
			options->report = optarg;
			break;
		case 't':
			options->trace = optarg;
			break;
		case 'h':
			run_usage();
			return -1;
		case ':':
			return complain("%s wants a value (see: ioas help run)", argv[optind - 1]);
		default:
			return complain("no option \"%s\" (see: ioas help run)", argv[optind - 1]);
		}
	}
	options->program = argv + optind;
	if (!rc && optind >= argc)
		return complain("no program given (see: ioas help run)");
	return rc;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Where it is told what happened. */
struct outputs {
	FILE *report;
	struct trace_file trace; /* if options->trace */
};

/* Opened before the program starts, so that a wrong name is known at once. */
static int open_outputs(const struct options *options, struct outputs *out)
{
	if (options->report) {
		out->report = fopen(options->report, "we");
		if (!out->report)
			return complain("--report %s: %s", options->report, strerror(errno));
	}
	return options->trace ? trace_file_open(&out->trace, options->trace) : 0;
}

static void write_report(struct outputs *out, const struct options *options,
			 const struct folder *folder, struct run_result *result)
{
	report_write(out->report, folder, &options->machine, result);
	if (ferror(out->report) | fclose(out->report)) {
		complain("--report %s: %s", options->report, strerror(EIO));
		result->status = result->status ? result->status : EXIT_FAILURE;
	}
	out->report = NULL;
}

static void run_in(const struct folder *folder, const struct options *options, struct outputs *out,
		   struct run_result *result)
{
	double start = now();
	int rc = child_run(folder, options->program, &result->status, &result->signal);

	result->seconds = now() - start;
	if (!rc)
		report_faults(folder);
	if (!rc && report_checks(folder) && !result->status)
		result->status = EXIT_FAILURE;
	if (options->trace)
		trace_file_end(&out->trace, folder, result);
	if (out->report)
		write_report(out, options, folder, result);
}

static int run(struct options *options)
{
	struct folder folder;
	struct run_result result = {.program = options->program};
	struct outputs out = {.report = NULL};

	if (machine_build(&options->machine))
		return EXIT_USAGE;
	result.status = open_outputs(options, &out);
	if (!result.status && folder_new(&folder, &options->machine))
		result.status = EXIT_FAILURE;
	else if (!result.status) {
		machine_stop(&options->machine);
		if (options->trace)
			result.status = trace_file_begin(&out.trace, &folder, &options->machine,
							 options->program);
		if (!result.status)
			run_in(&folder, options, &out, &result);
		folder_remove(&folder);
	}
	if (out.report)
		fclose(out.report);
	return result.status;
}

int run_main(int argc, char **argv)
{
	struct options options = {0};
	int rc = parse(argc, argv, &options);

	if (!rc)
		rc = run(&options);
	machine_free(&options.machine);
	return rc < 0 ? 0 : rc;
}
