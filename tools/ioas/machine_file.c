/* SPDX-License-Identifier: MIT */
/* Reading a machine file: lines, values, tree, addresses, topology. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "machine_file.h"
#include "machine_tree.h"
#include "slurp.h"
#include "util/why.h"

static int build(struct tree *tree, struct ioas_topology **out)
{
	struct ioas_topology *topology;
	int rc = tree_expand(tree);

	if (!rc)
		rc = tree_number(tree);
	if (!rc)
		rc = ioas_topology_new(&topology);
	if (rc)
		return rc;
	rc = tree_fill(tree, topology);
	if (rc)
		ioas_topology_destroy(topology);
	else
		*out = topology;
	return rc;
}

static int load(struct tree *tree, const char *text, size_t len, struct ioas_topology **out)
{
	struct file_machine *file;
	struct ioas_why why = {""};
	unsigned line;
	int rc = schema_load(text, len, tree->lines, &file, &line, &why);

	if (rc == -EINVAL)
		return tree_bad(tree, line, "%s", why.text);
	if (rc)
		return rc;
	if (!file)
		return tree_bad(tree, 1, "nothing in it");
	tree->file = file;
	rc = build(tree, out);
	tree_free(tree);
	schema_free(file);
	return rc;
}

int machine_file_parse(const char *name, const char *text, size_t len, struct ioas_topology **out,
		       struct ioas_why *why)
{
	struct ioas_why unread = {""};
	struct lines lines;
	struct tree tree = {.name = name, .lines = &lines, .why = why ? why : &unread};
	const char *problem;
	unsigned line = lines_load(&lines, text, len, &problem);
	int rc;

	if (line)
		return problem ? tree_bad(&tree, line, "%s", problem) : -ENOMEM;
	rc = load(&tree, text, len, out);
	lines_free(&lines);
	return rc;
}

int machine_file_read(const char *path, struct ioas_topology **out, struct ioas_why *why)
{
	char *text;
	size_t len;
	int rc = slurp(path, &text, &len);

	if (rc)
		return why_set(why, rc, "%.120s: %s", path, strerror(-rc));
	rc = machine_file_parse(path, text, len, out, why);
	free(text);
	return rc;
}
