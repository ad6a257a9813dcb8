/* SPDX-License-Identifier: MIT */
/*
 * Why functions belong together, in sentences. A group has an edge for every pair that is held; for
 * people, edges with one cause at one place are one reason.
 */
#ifndef TOOLS_REASON_H
#define TOOLS_REASON_H

#include <ioas/topology.h>

struct reason {
	struct ioas_topology_edge edge; /* one of those it stands for */
	size_t edge_nr;
};

struct reasons {
	struct reason *items;
	size_t nr;
};

#define REASON_LEN 320

/* Those of a group, or of a share set. 0; -ENOMEM. */
int reasons_of_group(const struct ioas_topology *topology, uint32_t group, struct reasons *out);
int reasons_of_share_set(const struct ioas_topology *topology, uint32_t share_set,
			 struct reasons *out);
void reasons_free(struct reasons *reasons);

/* What holds them, and what would part them: sentences without a full stop. Return buf. */
char *reason_text(const struct ioas_topology *topology, const struct reason *reason, char *buf,
		  size_t len);
char *reason_remedy(const struct ioas_topology *topology, const struct reason *reason, char *buf,
		    size_t len);
/* Why a function has a requester ID, for "03:00.0  ...". */
char *requester_text(const struct ioas_topology *topology,
		     const struct ioas_topology_requester *requester, char *buf, size_t len);

/* Can the ACS bits that are missing be turned on where they are missing? */
bool reason_has_switch(const struct ioas_topology *topology, const struct reason *reason);

/* "sv rr cr uf", "off", or "-" for one without the capability. */
char *acs_text(const struct ioas_topology_function *function, char *buf, size_t len);

/* "0000:00:1c.0 (root port)". */
char *function_text(const struct ioas_topology *topology, struct ioas_pci_addr addr, char *buf,
		    size_t len);

#endif
