/* SPDX-License-Identifier: MIT */
/* Target: a machine as lines (topology_text.h), as one process tells it to another. */
#include <stdlib.h>
#include <string.h>
#include <ioas/topology_text.h>
#include "fuzz.h"
#include "tree.h"

const char fuzz_name[] = "lines";
const size_t fuzz_len_max = 1000;
const bool fuzz_text = true;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1), *rest = text, *line;
	struct ioas_topology *topology;
	int rc;

	if (!text || ioas_topology_new(&topology))
		abort();
	if (len)
		memcpy(text, data, len);
	text[len] = '\0';
	fuzz_counts.inputs++;
	while ((line = strsep(&rest, "\n"))) {
		struct ioas_why why = {""};

		rc = ioas_topology_add_line(topology, line, &why);
		fuzz_counts.operations++;
		if (!rc)
			continue;
		fuzz_counts.refused++;
		fuzz_counts.bad++;
		tree_check_refusal(rc, &why);
	}
	free(text);
	{
		struct ioas_why why = {""};

		rc = ioas_topology_resolve(topology, &why);
		if (rc)
			tree_check_refusal(rc, &why);
	}
	if (!rc)
		tree_check(topology);
	ioas_topology_destroy(topology);
	return 0;
}
