/* SPDX-License-Identifier: MIT */
/* Target: what lspci -xxxx prints, of any machine, whole or damaged. */
#include <stdlib.h>
#include <string.h>
#include "fuzz.h"
#include "import_lspci.h"
#include "tree.h"

const char fuzz_name[] = "lspci";
const size_t fuzz_len_max = 2000;
const bool fuzz_text = true;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	/* Of its own length, so that a read beyond the end is seen. */
	char *text = malloc(len + !len);
	struct ioas_why why = {""}, warning = {""};
	struct ioas_topology *topology;
	int rc;

	if (!text)
		abort();
	if (len)
		memcpy(text, data, len);
	fuzz_counts.inputs++;
	fuzz_counts.operations++;
	rc = import_lspci_text("dump", text, len, &topology, &warning, &why);
	free(text);
	if (rc) {
		fuzz_counts.refused++;
		fuzz_counts.bad++;
		tree_check_refusal(rc, &why);
		return 0;
	}
	tree_check(topology);
	ioas_topology_destroy(topology);
	return 0;
}
