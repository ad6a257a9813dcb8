/* SPDX-License-Identifier: MIT */
/*
 * What if: a copy of a topology in which ACS bits are set otherwise, and what that changes.
 */
#ifndef TOOLS_CHANGE_H
#define TOOLS_CHANGE_H

#include <stdio.h>
#include <ioas/topology.h>

struct json;

struct change {
	struct ioas_pci_addr addr;
	uint16_t acs; /* the bits that are to be on */
	bool usual;   /* "on": those that part neighbours, as far as the function can */
};

struct changes {
	struct change *items;
	size_t nr;
};

#define CHANGE_HELP                                                                           \
	"  --set BDF.acs=on|off|BITS   what if: ACS bits (sv, tb, rr, cr, uf, ec, dt, with\n" \
	"                   commas) of a port or function; one that has no ACS is given it\n"

/* Parses "02:00.0.acs=off". 0, or an exit status after a complaint. */
int change_parse(struct changes *changes, const char *text);
void changes_free(struct changes *changes);

/*
 * A resolved copy with the changes. A function that lacks the capability, or a bit of it, gets it.
 * 0; -ENOENT or -EINVAL with a reason; -ENOMEM.
 */
int changes_apply(const struct changes *changes, const struct ioas_topology *from,
		  struct ioas_topology **out, struct ioas_why *why);

/* What is different: groups before and after, and peer-to-peer requests that turn elsewhere. */
void changes_print(const struct ioas_topology *before, const struct ioas_topology *after, FILE *to);
void changes_json(const struct ioas_topology *before, const struct ioas_topology *after,
		  struct json *json);

#endif
