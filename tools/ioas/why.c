/* SPDX-License-Identifier: MIT */
/* ioas why: why is a function in its group, and may two have different address spaces? */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include "change.h"
#include "ioas.h"
#include "why.h"

struct options {
	const char *from;
	bool as_json;
};

void why_usage(void)
{
	fputs("usage: ioas why BDF [--from SOURCE] [--json]\n"
	      "       ioas why BDF BDF [--from SOURCE] [--json]\n\n"
	      "Of one PCI function: its group with all members, their drivers and whether they "
	      "keep\n"
	      "the group from being used (\"group N is not viable\"), its share set and its "
	      "requester\n"
	      "IDs; each with the port or bridge and the ACS bit that causes it, and what would "
	      "help.\n"
	      "Of two: whether they may have different address spaces, if not why, and which way\n"
	      "peer-to-peer requests between them go.\n\n" SOURCE_HELP "\nExamples:\n"
	      "  ioas why 01:00.0\n"
	      "  ioas why 0000:01:00.0 0000:02:00.0 --from lspci:dump.txt\n",
	      stdout);
}

enum apart why_apart(const struct question *question)
{
	const struct ioas_topology *topology = question->topology;
	uint32_t a = ioas_topology_group_of(topology, question->a->addr);
	uint32_t b = ioas_topology_group_of(topology, question->b->addr);

	if (a == UINT32_MAX || b == UINT32_MAX)
		return APART_NO_IOMMU;
	if (ioas_topology_share_set_of(topology, question->a->addr) ==
	    ioas_topology_share_set_of(topology, question->b->addr))
		return APART_NOT_AT_ALL;
	return a == b ? APART_NOT_LINUX : APART_FREELY;
}

/* As in Linux: drivers that leave DMA alone do no harm, nor does any driver of a port or bridge. */
bool why_blocks(const struct ioas_topology_function *function)
{
	static const char *const harmless[] = {"vfio-pci", "pci-stub", "pcieport"};
	const char *driver = function->driver;

	if (!driver || !*driver || ioas_topology_is_bridge(function))
		return false;
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		if (!strcmp(driver, harmless[i]))
			return false;
	return !strstr(driver, "vfio");
}

static int add_change(struct changes *changes, struct ioas_pci_addr addr)
{
	struct change *items =
		reallocarray(changes->items, changes->nr + 1, sizeof(*changes->items));

	if (!items)
		return -ENOMEM;
	changes->items = items;
	items[changes->nr++] = (struct change){.addr = addr, .usual = true};
	return 0;
}

/* All edges, not reasons: of a device's functions each has its own switch. */
static int find_switches(const struct ioas_topology *topology, uint32_t group,
			 struct changes *changes)
{
	size_t nr = ioas_topology_group_edges(topology, group, NULL, 0);
	struct ioas_topology_edge *edges = calloc(nr + 1, sizeof(*edges));
	int rc = edges ? 0 : -ENOMEM;

	if (edges)
		nr = ioas_topology_group_edges(topology, group, edges, nr);
	for (size_t i = 0; !rc && i < nr; i++) {
		struct reason reason = {.edge = edges[i]};
		struct reason first = reason;

		first.edge.at = edges[i].a;
		if (reason_has_switch(topology, &reason))
			rc = add_change(changes, edges[i].at);
		if (!rc && edges[i].cause == IOAS_CAUSE_MULTIFUNCTION &&
		    reason_has_switch(topology, &first))
			rc = add_change(changes, edges[i].a);
	}
	free(edges);
	return rc;
}

struct ioas_topology *why_switched(const struct ioas_topology *topology, uint32_t group)
{
	struct ioas_topology *out = NULL;
	struct changes changes = {0};
	struct ioas_why why;

	if (find_switches(topology, group, &changes) || !changes.nr ||
	    changes_apply(&changes, topology, &out, &why))
		out = NULL;
	changes_free(&changes);
	return out;
}

static int parse(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{"from", required_argument, NULL, 'f'},
		{"machine", required_argument, NULL, 'f'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		if (c == 'f') {
			options->from = optarg;
		} else if (c == 'j') {
			options->as_json = true;
		} else if (c == 'h') {
			why_usage();
			return -1;
		} else {
			return complain("why: %s: unknown, or without a value (see: ioas help why)",
					argv[optind - 1]);
		}
	}
	if (optind == argc)
		return complain("why what? An address such as 0000:01:00.0 (see: ioas help why)");
	if (argc - optind > 2)
		return complain("why takes one address or two (see: ioas help why)");
	return 0;
}

static int find(const struct ioas_topology *topology, const char *text,
		const struct ioas_topology_function **out)
{
	struct ioas_pci_addr addr = {0};

	ioas_pci_addr_parse(text, &addr);
	*out = ioas_topology_find(topology, addr);
	if (!*out) {
		complain("there is no function %s (see: ioas topology)", text);
		return EXIT_FAILURE;
	}
	return 0;
}

static int answer(const struct options *options, struct question *question)
{
	struct outline outline;

	if (outline_new(&outline, question->topology)) {
		complain("out of memory");
		return EXIT_FAILURE;
	}
	/* cppcheck-suppress autoVariables */
	question->outline = &outline; /* until this returns */
	question->names = names_open();
	if (options->as_json)
		(question->b ? why_pair_json : why_one_json)(question);
	else
		(question->b ? why_pair : why_one)(question);
	names_close(question->names);
	outline_free(&outline);
	if (fflush(stdout)) {
		complain("%s", strerror(errno));
		return EXIT_FAILURE;
	}
	return 0;
}

/* Wrong addresses are complained of before anything is read. */
static int check(char **names, int nr)
{
	struct ioas_pci_addr addr;

	for (int i = 0; i < nr; i++)
		if (ioas_pci_addr_parse(names[i], &addr))
			return complain("\"%s\" is no address such as 0000:01:00.0", names[i]);
	return 0;
}

int why_main(int argc, char **argv)
{
	struct options options = {0};
	struct question question = {0};
	struct source source;
	int rc = parse(argc, argv, &options);

	if (!rc)
		rc = check(argv + optind, argc - optind);
	if (!rc)
		rc = source_open(options.from, &source);
	if (rc)
		return rc < 0 ? 0 : rc;
	question.source = &source;
	question.topology = source.topology;
	rc = find(source.topology, argv[optind], &question.a);
	if (!rc && argc - optind == 2)
		rc = find(source.topology, argv[optind + 1], &question.b);
	if (!rc)
		rc = answer(&options, &question);
	source_close(&source);
	return rc;
}
