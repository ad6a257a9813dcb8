/* SPDX-License-Identifier: MIT */
/* What ioas why says to people. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "why.h"

static void say_name(const struct question *question, const struct ioas_topology_function *f)
{
	const char *name = names_of(question->names, f);
	char addr[IOAS_NAME_LEN];

	printf("%s  %s%s%s", ioas_pci_addr_format(f->addr, addr), draw_type(f), *name ? ", " : "",
	       name);
	if (f->driver && *f->driver)
		printf(", driver %s", f->driver);
	putchar('\n');
}

/* The way up, as the TLPs go. */
static void say_path(const struct question *question, const struct ioas_topology_function *f)
{
	uint32_t iommu = outline_iommu(question->outline, outline_find(question->outline, f->addr));
	char text[80];

	fputs("  way to the root:", stdout);
	while ((f = ioas_topology_above(question->topology, f->addr)))
		printf(" %s,", function_text(question->topology, f->addr, text, sizeof(text)));
	if (iommu == IOAS_TOPOLOGY_NO_IOMMU)
		puts(" no IOMMU");
	else
		printf(" IOMMU %" PRIu32 " (%s)\n", iommu,
		       ioas_topology_iommu(question->topology, iommu)->kind);
}

static void say_requesters(const struct question *question)
{
	struct ioas_pci_addr addr = question->a->addr;
	size_t nr = ioas_topology_requesters(question->topology, addr, NULL, 0);
	struct ioas_topology_requester *all = calloc(nr + 1, sizeof(*all));
	char text[REASON_LEN];

	if (!all)
		return;
	nr = ioas_topology_requesters(question->topology, addr, all, nr);
	printf("\nRequester ID%s that its requests may carry where they meet the IOMMU\n",
	       nr == 1 ? "" : "s");
	for (size_t i = 0; i < nr; i++)
		printf("  %02x:%02x.%x  %s\n", all[i].rid >> 8, all[i].rid >> 3 & 31,
		       all[i].rid & 7,
		       requester_text(question->topology, &all[i], text, sizeof(text)));
	free(all);
}

static void say_reasons(const struct ioas_topology *topology, const struct reasons *reasons,
			bool remedies)
{
	char text[REASON_LEN];

	for (size_t i = 0; i < reasons->nr; i++) {
		const struct reason *reason = &reasons->items[i];

		printf("  - %s\n", reason_text(topology, reason, text, sizeof(text)));
		if (remedies)
			printf("    %s\n", reason_remedy(topology, reason, text, sizeof(text)));
	}
}

static void say_share_set(const struct question *question)
{
	const struct ioas_topology *topology = question->topology;
	uint32_t index = ioas_topology_share_set_of(topology, question->a->addr);
	const struct ioas_topology_function *f = NULL;
	struct reasons reasons;
	char addr[IOAS_NAME_LEN];

	printf("\nShare set %" PRIu32, index);
	if (share_set_size(topology, index) < 2) {
		puts(": alone. No other function has a requester ID of its, so it can have an\n"
		     "  address space of its own.");
		return;
	}
	printf(": %zu functions share a requester ID. The IOMMU cannot tell them apart, so they\n"
	       "  share one address space, whatever ACS says:",
	       share_set_size(topology, index));
	while ((f = ioas_topology_share_set_next(topology, index, f)))
		printf(" %s", ioas_pci_addr_format(f->addr, addr));
	putchar('\n');
	if (reasons_of_share_set(topology, index, &reasons))
		return;
	say_reasons(topology, &reasons, false);
	reasons_free(&reasons);
}

/* How wide a column has to be for the group's members. */
static int column(const struct question *question, uint32_t group, bool driver)
{
	const struct ioas_topology_function *f = NULL;
	size_t width = driver ? strlen("no driver") : 0;

	while ((f = ioas_topology_group_next(question->topology, group, f))) {
		size_t own = strlen(driver ? f->driver : draw_type(f));

		if (own > width)
			width = own;
	}
	return (int)width;
}

/* The members, and who of them keeps the group from being given away. Returns how many do. */
static size_t say_members(const struct question *question, uint32_t group)
{
	const struct ioas_topology_function *f = NULL;
	int types = column(question, group, false), drivers = column(question, group, true);
	size_t blocked = 0;

	while ((f = ioas_topology_group_next(question->topology, group, f))) {
		const char *name = names_of(question->names, f);
		bool blocks = why_blocks(f);
		char addr[IOAS_NAME_LEN];

		blocked += blocks;
		printf("  %s  %-*s  %-*s  %-10s  %s\n", ioas_pci_addr_format(f->addr, addr), types,
		       draw_type(f), drivers, *f->driver ? f->driver : "no driver",
		       blocks ? "in the way" : "", name);
	}
	return blocked;
}

static void say_viable(const struct question *question, uint32_t group, size_t blocked)
{
	const struct ioas_topology_function *f = NULL;
	char addr[IOAS_NAME_LEN];

	if (!blocked) {
		puts("  No member has a host driver that would keep a program from using the "
		     "group.");
		return;
	}
	printf("  To give one of them to a program (vfio-pci), Linux wants all of them free: "
	       "\"group\n"
	       "  is not viable\" means that %s still %s a driver of the host. Ports and bridges\n"
	       "  do not count. To free %s, if the host can do without:\n",
	       blocked == 1 ? "one" : "some", blocked == 1 ? "has" : "have",
	       blocked == 1 ? "it" : "them");
	while ((f = ioas_topology_group_next(question->topology, group, f)))
		if (why_blocks(f))
			printf("    echo %s >/sys/bus/pci/devices/%s/driver/unbind\n",
			       ioas_pci_addr_format(f->addr, addr), addr);
}

/* ACS overrides are what people find when they search for "not viable". */
static void say_override(const struct ioas_topology *topology, const struct reasons *reasons)
{
	for (size_t i = 0; i < reasons->nr; i++) {
		if (reasons->items[i].edge.cause != IOAS_CAUSE_NO_ACS_ABOVE ||
		    reason_has_switch(topology, &reasons->items[i]))
			continue;
		puts("  Kernels patched to override ACS only stop looking: requests between these\n"
		     "  functions would still go past the IOMMU.");
		return;
	}
}

/* What the group would be with all switches on: tried, not guessed. */
static void say_switched(const struct question *question, uint32_t group)
{
	struct ioas_topology *after = why_switched(question->topology, group);
	const struct ioas_topology_function *f = NULL;
	char addr[IOAS_NAME_LEN];
	uint32_t now;

	if (!after)
		return;
	now = ioas_topology_group_of(after, question->a->addr);
	if (group_size(after, now) == group_size(question->topology, group)) {
		puts("  With every ACS bit on that can be, the group would stay as it is.");
	} else if (group_size(after, now) == 1) {
		puts("  With every ACS bit on that can be, it would be alone in its group.");
	} else {
		fputs("  With every ACS bit on that can be, its group would be:", stdout);
		while ((f = ioas_topology_group_next(after, now, f)))
			printf(" %s", ioas_pci_addr_format(f->addr, addr));
		putchar('\n');
	}
	ioas_topology_destroy(after);
}

static void say_group(const struct question *question)
{
	const struct ioas_topology *topology = question->topology;
	uint32_t group = ioas_topology_group_of(topology, question->a->addr);
	long linux_group = source_linux_group(question->source, question->a->addr);
	size_t nr = group_size(topology, group);
	struct reasons reasons;

	printf("\nGroup %" PRIu32, group);
	if (linux_group >= 0)
		printf(" (Linux calls it %ld here)", linux_group);
	if (nr == 1) {
		puts(": alone. Everything on its way isolates it from all others.");
		say_viable(question, group, say_members(question, group));
		return;
	}
	printf(": %zu functions that cannot be isolated from one another\n", nr);
	say_viable(question, group, say_members(question, group));
	if (reasons_of_group(topology, group, &reasons))
		return;
	puts("\nWhat holds the group together, and what would part it");
	say_reasons(topology, &reasons, true);
	say_switched(question, group);
	say_override(topology, &reasons);
	reasons_free(&reasons);
}

#define PEERS_MAX 8

/* To whom its requests go past the IOMMU. */
static void say_peers(const struct question *question)
{
	const struct ioas_topology_function *f = NULL;
	char addr[IOAS_NAME_LEN];
	struct ioas_pci_addr at;
	size_t nr = 0;

	fputs("\nPeer to peer\n", stdout);
	while ((f = ioas_topology_next(question->topology, f))) {
		if (f == question->a || ioas_topology_is_bridge(f) ||
		    ioas_topology_bypass(question->topology, question->a->addr, f->addr, &at) != 1)
			continue;
		if (!nr)
			fputs("  Requests to addresses of these never meet the IOMMU:", stdout);
		if (nr++ < PEERS_MAX)
			printf(" %s", ioas_pci_addr_format(f->addr, addr));
	}
	if (nr > PEERS_MAX)
		printf(" and %zu more", nr - PEERS_MAX);
	puts(nr ? "" : "  All its requests meet the IOMMU.");
}

void why_one(const struct question *question)
{
	say_name(question, question->a);
	say_path(question, question->a);
	say_requesters(question);
	if (ioas_topology_group_of(question->topology, question->a->addr) == UINT32_MAX) {
		puts("\nNo IOMMU sees its requests: they reach memory as they are. It is in no "
		     "group,\n"
		     "and cannot be given to a program safely.");
		return;
	}
	say_share_set(question);
	say_group(question);
	say_peers(question);
}

/* ---- two ---- */

static void say_way(const struct question *question, const struct ioas_topology_function *from,
		    const struct ioas_topology_function *to)
{
	char a[IOAS_NAME_LEN], b[IOAS_NAME_LEN], at[80];
	struct ioas_pci_addr turn;

	printf("  %s -> %s: ", ioas_pci_addr_format(from->addr, a),
	       ioas_pci_addr_format(to->addr, b));
	if (ioas_topology_bypass(question->topology, from->addr, to->addr, &turn) == 1)
		printf("turned at %s, past the IOMMU\n",
		       function_text(question->topology, turn, at, sizeof(at)));
	else if (from->iommu == IOAS_TOPOLOGY_NO_IOMMU)
		puts("up to the root, where there is no IOMMU");
	else
		puts("up to the root and through the IOMMU");
}

/* The reasons of a set that both are in. With three and more members others may be between them. */
static void say_why_together(const struct question *question, bool share)
{
	const struct ioas_topology *topology = question->topology;
	struct ioas_pci_addr addr = question->a->addr;
	struct reasons reasons;

	if (share ? reasons_of_share_set(topology, ioas_topology_share_set_of(topology, addr),
					 &reasons)
		  : reasons_of_group(topology, ioas_topology_group_of(topology, addr), &reasons))
		return;
	say_reasons(topology, &reasons, true);
	reasons_free(&reasons);
}

void why_pair(const struct question *question)
{
	uint32_t group = ioas_topology_group_of(question->topology, question->a->addr);

	say_name(question, question->a);
	say_path(question, question->a);
	say_name(question, question->b);
	say_path(question, question->b);
	fputs("\nDifferent address spaces: ", stdout);
	switch (why_apart(question)) {
	case APART_FREELY:
		printf("yes. They are in different groups, %" PRIu32 " and %" PRIu32 ".\n", group,
		       ioas_topology_group_of(question->topology, question->b->addr));
		break;
	case APART_NO_IOMMU:
		puts("no. No IOMMU sees the requests of one of them, so it has no address space.");
		break;
	case APART_NOT_LINUX:
		printf("yes, since no requester ID is common to both; but they cannot be isolated\n"
		       "from one another: both are in group %" PRIu32
		       ", so they have one owner, and Linux (here:\n"
		       "groups=strict) gives the group one address space.\n",
		       group);
		say_why_together(question, false);
		say_switched(question, group);
		break;
	case APART_NOT_AT_ALL:
		if (question->a == question->b)
			puts("no, it is one function. (Its PASIDs can have their own.)");
		else
			puts("no. Their requests can carry the same requester ID, and the IOMMU "
			     "has\n"
			     "nothing else to tell them apart by.");
		say_why_together(question, true);
		break;
	}
	puts("\nPeer-to-peer requests (to an address in a BAR of the other)");
	say_way(question, question->a, question->b);
	if (question->a != question->b)
		say_way(question, question->b, question->a);
}
