/* SPDX-License-Identifier: MIT */
/* Names of what a topology holds as numbers. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <ioas/topology.h>
#include "words.h"

const struct word type_words[] = {
	{"endpoint", IOAS_TOPOLOGY_ENDPOINT},
	{"legacy-endpoint", IOAS_TOPOLOGY_LEGACY_ENDPOINT},
	{"root-port", IOAS_TOPOLOGY_ROOT_PORT},
	{"switch", IOAS_TOPOLOGY_UPSTREAM},
	{"downstream", IOAS_TOPOLOGY_DOWNSTREAM},
	{"pcie-to-pci", IOAS_TOPOLOGY_PCIE_TO_PCI},
	{"pci-to-pcie", IOAS_TOPOLOGY_PCI_TO_PCIE},
	{"rc-endpoint", IOAS_TOPOLOGY_RC_ENDPOINT},
	{"rc-event-collector", IOAS_TOPOLOGY_RC_EVENT_COLLECTOR},
	{"pci", IOAS_TOPOLOGY_PCI_FUNCTION},
	{"pci-bridge", IOAS_TOPOLOGY_PCI_BRIDGE},
	{NULL, 0},
};

const struct word acs_words[] = {
	{"sv", IOAS_ACS_SV}, {"tb", IOAS_ACS_TB}, {"rr", IOAS_ACS_RR}, {"cr", IOAS_ACS_CR},
	{"uf", IOAS_ACS_UF}, {"ec", IOAS_ACS_EC}, {"dt", IOAS_ACS_DT}, {NULL, 0},
};

const struct word quirk_words[] = {
	{"uses-function-0", IOAS_QUIRK_USES_FUNCTION_0},
	{"uses-function-1", IOAS_QUIRK_USES_FUNCTION_1},
	{"isolated", IOAS_QUIRK_ISOLATED},
	{"pcie-bridge", IOAS_QUIRK_PCIE_BRIDGE},
	{"iommu-below", IOAS_QUIRK_IOMMU_BELOW},
	{NULL, 0},
};

const struct word cause_words[] = {
	{"own", IOAS_CAUSE_OWN},
	{"pcie-to-pci", IOAS_CAUSE_PCIE_TO_PCI},
	{"pci-bridge", IOAS_CAUSE_PCI_BRIDGE},
	{"function-0", IOAS_CAUSE_FUNCTION_0},
	{"function-1", IOAS_CAUSE_FUNCTION_1},
	{"alias", IOAS_CAUSE_ALIAS},
	{"phantom", IOAS_CAUSE_PHANTOM},
	{"no-acs-above", IOAS_CAUSE_NO_ACS_ABOVE},
	{"multifunction", IOAS_CAUSE_MULTIFUNCTION},
	{"not-pcie", IOAS_CAUSE_NOT_PCIE},
	{NULL, 0},
};

const struct word switch_words[] = {
	{"yes", 1}, {"no", 0}, {"on", 1}, {"off", 0}, {"true", 1}, {"false", 0}, {NULL, 0},
};

static char plain(char c)
{
	return c == '_' ? '-' : (char)tolower((unsigned char)c);
}

static bool same(const char *a, const char *b)
{
	while (*a && plain(*a) == plain(*b)) {
		a++;
		b++;
	}
	return !*a && !*b;
}

bool word_value(const struct word *words, const char *text, uint32_t *out)
{
	for (; words->name; words++) {
		if (!same(words->name, text))
			continue;
		*out = words->value;
		return true;
	}
	return false;
}

const char *word_name(const struct word *words, uint32_t value)
{
	for (; words->name; words++)
		if (words->value == value)
			return words->name;
	return "?";
}

char *words_join(const struct word *words, uint32_t bits, const char *between, char *buf,
		 size_t len)
{
	size_t at = 0;

	*buf = 0;
	for (; words->name; words++) {
		if (!(bits & words->value) || at >= len)
			continue;
		at += (size_t)snprintf(buf + at, len - at, "%s%s", at ? between : "", words->name);
	}
	return buf;
}

char *words_list(const struct word *words, char *buf, size_t len)
{
	size_t at = 0;

	*buf = 0;
	for (const struct word *w = words; w->name && at < len; w++)
		at += (size_t)snprintf(buf + at, len - at, "%s%s", at ? ", " : "", w->name);
	return buf;
}
