/* SPDX-License-Identifier: MIT */
/*
 * Target: machine files, as people write them (YAML). One that is read is written, read again and
 * written again, and the two are the same.
 */
#include <stdlib.h>
#include <string.h>
#include "fuzz.h"
#include "machine_file.h"
#include "tree.h"

const char fuzz_name[] = "machine";
const size_t fuzz_len_max = 2000;
const bool fuzz_text = true;

static char *write_again(const struct ioas_topology *topology, size_t *len)
{
	char *text = NULL;
	FILE *to = open_memstream(&text, len);

	if (!to || machine_file_write(topology, to, NULL, NULL) || fclose(to))
		abort();
	return text;
}

static void check_written(const struct ioas_topology *topology)
{
	struct ioas_topology *again;
	struct ioas_why why = {""};
	size_t len, len2;
	char *text = write_again(topology, &len), *text2;

	if (machine_file_parse("again", text, len, &again, &why))
		tree_wrong(why.text, text);
	text2 = write_again(again, &len2);
	if (len != len2 || memcmp(text, text2, len))
		tree_wrong(text, text2);
	ioas_topology_destroy(again);
	free(text);
	free(text2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	/* Of its own length, so that a read beyond the end is seen. */
	char *text = malloc(len + !len);
	struct ioas_topology *topology;
	struct ioas_why why = {""};
	int rc;

	if (!text)
		abort();
	if (len)
		memcpy(text, data, len);
	fuzz_counts.inputs++;
	fuzz_counts.operations++;
	rc = machine_file_parse("file", text, len, &topology, &why);
	free(text);
	if (rc) {
		fuzz_counts.refused++;
		fuzz_counts.bad++;
		tree_check_refusal(rc, &why);
		return 0;
	}
	tree_check(topology);
	check_written(topology);
	ioas_topology_destroy(topology);
	return 0;
}
