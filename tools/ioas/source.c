/* SPDX-License-Identifier: MIT */
/* Where a topology comes from. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "ioas.h"
#include "machine_file.h"
#include "source.h"

int source_open(const char *spec, struct source *source)
{
	struct ioas_why why = {""};
	int rc;

	memset(source, 0, sizeof(*source));
	if (!spec)
		return complain("which machine? --from FILE (see docs/machine.md)");
	rc = machine_file_read(spec, &source->topology, &why);
	if (rc)
		complain("%s", why.text[0] ? why.text : strerror(-rc));
	return rc ? EXIT_FAILURE : 0;
}

void source_close(struct source *source)
{
	ioas_topology_destroy(source->topology);
	free(source->root);
}

long source_linux_group(const struct source *source, struct ioas_pci_addr addr)
{
	return -1;
}
