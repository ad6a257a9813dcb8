/* SPDX-License-Identifier: MIT */
/* ioas topology: a machine's PCI tree with its groups and share sets, from anywhere to anything. */
#include <errno.h>
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include "change.h"
#include "draw.h"
#include "ioas.h"
#include "machine_file.h"
#include "source.h"

enum form { TREE, YAML, JSON, DOT, SVG };

struct options {
	const char *from;
	struct changes changes;
	enum form form;
	bool ascii;
};

void topology_usage(void)
{
	fputs("usage: ioas topology [--from SOURCE] [--to FORM] [--set BDF.acs=VALUE]... "
	      "[--ascii]\n\n"
	      "Shows a machine's PCI tree: for each function its group (who cannot be isolated "
	      "from\n"
	      "it), its share set (who shares a requester ID with it, and so its address space), "
	      "and\n"
	      "the ACS bits that are on; and which bridge and which bit cause it.\n\n" SOURCE_HELP
	      "  --to FORM        tree (the default), yaml (a machine file), json, dot "
	      "(Graphviz),\n"
	      "                   svg (a picture)\n" CHANGE_HELP
	      "                   Says which groups would change, and which peer-to-peer requests\n"
	      "                   would then bypass the IOMMU.\n"
	      "  --ascii          no line-drawing characters\n\n"
	      "ACS: - the function has no such capability, off it is there with all bits off.\n"
	      "GROUP 5 (3): group 5, which has 3 functions.\n\n"
	      "Examples:\n"
	      "  ioas topology\n"
	      "  sudo lspci -xxxx >here.txt; ioas topology --from lspci:here.txt\n"
	      "  ioas topology --from server.yaml --set 0000:00:1c.0.acs=off\n"
	      "  ioas topology --from lspci:here.txt --to svg >here.svg\n",
	      stdout);
}

static int parse_form(const char *text, enum form *form)
{
	static const char *const names[] = {"tree", "yaml", "json", "dot", "svg"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]))
			continue;
		*form = (enum form)i;
		return 0;
	}
	return complain("--to %s: not tree, yaml, json, dot or svg", text);
}

static int parse(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{"from", required_argument, NULL, 'f'},
		{"machine", required_argument, NULL, 'f'},
		{"to", required_argument, NULL, 't'},
		{"set", required_argument, NULL, 's'},
		{"ascii", no_argument, NULL, 'a'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c, rc = 0;

	opterr = 0;
	while (!rc && (c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		switch (c) {
		case 'f':
			options->from = optarg;
			break;
		case 't':
			rc = parse_form(optarg, &options->form);
			break;
		case 's':
			rc = change_parse(&options->changes, optarg);
			break;
		case 'a':
			options->ascii = true;
			break;
		case 'h':
			topology_usage();
			return -1;
		default:
			return complain("topology: %s: unknown, or without a value (see: ioas help "
					"topology)",
					argv[optind - 1]);
		}
	}
	if (!rc && optind < argc)
		return complain("topology takes no \"%s\"; is it --from %s?", argv[optind],
				argv[optind]);
	return rc;
}

static const char *describe(const struct ioas_topology_function *function, void *arg)
{
	return function->name && *function->name ? "" : names_of(arg, function);
}

static void print_json(const struct draw *draw, const struct ioas_topology *before)
{
	struct json json = {.to = draw->to};

	json_open(&json, NULL, '{');
	draw_json(draw, &json);
	if (before)
		changes_json(before, draw->outline->topology, &json);
	json_close(&json, '}');
}

/* `before`: without the changes, NULL if there are none. */
static int print(const struct options *options, const struct ioas_topology *topology,
		 const struct ioas_topology *before)
{
	struct outline outline;
	struct draw draw = {.outline = &outline, .to = stdout};
	int rc = outline_new(&outline, topology);

	if (rc)
		return rc;
	setlocale(LC_CTYPE, "");
	draw.ascii = options->ascii || strcmp(nl_langinfo(CODESET), "UTF-8");
	draw.names = names_open();
	switch (options->form) {
	case TREE:
		draw_tree(&draw);
		if (before) {
			putchar('\n');
			changes_print(before, topology, stdout);
		}
		break;
	case YAML:
		rc = machine_file_write(topology, stdout, describe, draw.names);
		break;
	case JSON:
		print_json(&draw, before);
		break;
	case DOT:
		draw_dot(&draw);
		break;
	case SVG:
		draw_svg(&draw);
		break;
	}
	names_close(draw.names);
	outline_free(&outline);
	return rc;
}

static int show(const struct options *options, const struct source *source)
{
	struct ioas_topology *changed = NULL;
	struct ioas_why why = {""};
	int rc = 0;

	if (options->changes.nr) {
		rc = changes_apply(&options->changes, source->topology, &changed, &why);
		if (rc == -ENOENT || rc == -EINVAL)
			return complain("--set: %s", why.text);
	}
	if (!rc)
		rc = print(options, changed ? changed : source->topology,
			   changed ? source->topology : NULL);
	ioas_topology_destroy(changed);
	if (rc || fflush(stdout)) {
		complain("%s", strerror(rc ? -rc : errno));
		return EXIT_FAILURE;
	}
	return 0;
}

int topology_main(int argc, char **argv)
{
	struct options options = {0};
	struct source source;
	int rc = parse(argc, argv, &options);

	if (!rc)
		rc = source_open(options.from, &source);
	if (!rc) {
		rc = show(&options, &source);
		source_close(&source);
	}
	changes_free(&options.changes);
	return rc < 0 ? 0 : rc;
}
