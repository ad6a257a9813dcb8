/* SPDX-License-Identifier: MIT */
/* What if: a copy of a topology in which ACS bits are set otherwise. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "change.h"
#include "ioas.h"
#include "machine_tree.h"
#include "outline.h"
#include "util/why.h"
#include "words.h"

static bool parse_bits(const char *text, struct change *change)
{
	char copy[64], *save = NULL;
	uint32_t value;
	bool on;

	if (strcmp(text, "none") == 0)
		return true;
	if (text_switch(text, &on)) {
		change->usual = on;
		return true;
	}
	if (!*text || strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	for (char *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		if (!word_value(acs_words, word, &value))
			return false;
		change->acs |= (uint16_t)value;
	}
	return true;
}

int change_parse(struct changes *changes, const char *text)
{
	struct change *items =
		reallocarray(changes->items, changes->nr + 1, sizeof(*changes->items));
	const char *eq = strstr(text, ".acs=");
	char names[WORDS_LEN], addr[IOAS_NAME_LEN];
	struct change change = {0};

	if (!items) {
		complain("out of memory");
		return EXIT_FAILURE;
	}
	changes->items = items;
	if (!eq || eq - text >= (ptrdiff_t)sizeof(addr))
		return complain("--set %s: not BDF.acs=VALUE, such as 0000:00:1c.0.acs=off", text);
	snprintf(addr, sizeof(addr), "%.*s", (int)(eq - text), text);
	if (ioas_pci_addr_parse(addr, &change.addr))
		return complain("--set %s: \"%s\" is no address such as 0000:00:1c.0", text, addr);
	if (!parse_bits(eq + 5, &change))
		return complain("--set %s: neither on, off, nor some of %s", text,
				words_list(acs_words, names, sizeof(names)));
	items[changes->nr++] = change;
	return 0;
}

void changes_free(struct changes *changes)
{
	free(changes->items);
	*changes = (struct changes){0};
}

static void apply_one(const struct change *change, struct ioas_topology_function *function)
{
	uint16_t usual = acs_usual(ioas_topology_is_bridge(function));
	uint16_t ctrl = change->acs;

	if (change->usual)
		ctrl = function->acs ? function->acs_cap & acs_usual(true) : usual;
	if (!function->acs && !ctrl)
		return;
	if (!function->acs)
		function->acs_cap = usual;
	function->acs = true;
	function->acs_cap |= ctrl;
	function->acs_ctrl = ctrl;
}

static int check(const struct changes *changes, const struct ioas_topology *from,
		 struct ioas_why *why)
{
	char name[IOAS_NAME_LEN];

	for (size_t i = 0; i < changes->nr; i++) {
		if (ioas_topology_find(from, changes->items[i].addr))
			continue;
		return why_set(why, -ENOENT, "there is no function %s",
			       ioas_pci_addr_format(changes->items[i].addr, name));
	}
	return 0;
}

/* Not ioas_topology_copy: that keeps the capability, and here it may be given. */
int changes_apply(const struct changes *changes, const struct ioas_topology *from,
		  struct ioas_topology **out, struct ioas_why *why)
{
	const struct ioas_topology_function *function = NULL;
	struct ioas_topology *copy;
	int rc = check(changes, from, why);

	if (!rc)
		rc = ioas_topology_new(&copy);
	if (rc)
		return rc;
	for (size_t i = 0; !rc && i < ioas_topology_iommu_nr(from); i++)
		rc = ioas_topology_add_iommu(copy, ioas_topology_iommu(from, i), why);
	while (!rc && (function = ioas_topology_next(from, function))) {
		struct ioas_topology_function changed = *function;

		for (size_t i = 0; i < changes->nr; i++)
			if (addr_key(changes->items[i].addr) == addr_key(function->addr))
				apply_one(&changes->items[i], &changed);
		rc = ioas_topology_add(copy, &changed, why);
	}
	if (!rc)
		rc = ioas_topology_resolve(copy, why);
	if (rc)
		ioas_topology_destroy(copy);
	else
		*out = copy;
	return rc;
}
