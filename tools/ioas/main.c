/* SPDX-License-Identifier: MIT */
/* The tool's table of commands, and what is said when none of them was meant. */
#include <stdio.h>
#include <string.h>
#include "ioas.h"

static int help_main(int argc, char **argv);
static void help_usage(void);

const struct command commands[] = {
	{"run", "run a program on a machine with software devices", run_main, run_usage},
	{"ls", "list a machine's devices, groups and nodes", ls_main, ls_usage},
	{"trace", "print what `ioas run --trace FILE` wrote", trace_main, trace_usage},
	{"topology", "show a machine's PCI tree, groups and share sets", topology_main,
	 topology_usage},
	{"why", "say why functions are in one group, and what would help", why_main, why_usage},
	{"help", "explain a command", help_main, help_usage},
	{NULL, NULL, NULL, NULL},
};

static const struct command *find(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

static void usage(FILE *to)
{
	fputs("usage: ioas COMMAND [ARGUMENTS]\n\n"
	      "Runs programs that drive PCI devices through /dev/vfio or /dev/iommu on a machine\n"
	      "that has neither: devices and IOMMU are software.\n\n",
	      to);
	for (const struct command *c = commands; c->name; c++)
		fprintf(to, "  %-9s %s\n", c->name, c->help);
	fputs("\nTry:\n"
	      "  truncate -s 64M disk.img\n"
	      "  ioas run --device nvme,drive=disk.img -- qemu-img info nvme://0000:01:00.0/1\n"
	      "  ioas topology\n\n"
	      "`ioas help COMMAND` says more.\n",
	      to);
}

static void help_usage(void)
{
	fputs("usage: ioas help [COMMAND]\n", stdout);
}

static int help_main(int argc, char **argv)
{
	const struct command *c;

	if (argc < 2) {
		usage(stdout);
		return 0;
	}
	c = find(argv[1]);
	if (!c)
		return complain("no command \"%s\" (see: ioas help)", argv[1]);
	c->usage();
	return 0;
}

int main(int argc, char **argv)
{
	const struct command *c;

	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("ioas " IOAS_VERSION);
		return 0;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return help_main(argc - 1, argv + 1);
	c = find(argv[1]);
	if (!c)
		return complain("no command \"%s\" (see: ioas help)", argv[1]);
	return c->main(argc - 1, argv + 1);
}
