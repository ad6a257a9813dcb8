/* SPDX-License-Identifier: MIT */
/*
 * Tables of known functions. What Linux finds out from registers outside config space is not here:
 * the proxy IDs of Switchtec's non-transparent bridges; and Intel's PCH root ports are taken to be
 * set up to isolate, as Linux sets them up where there is an IOMMU.
 */
#include "pci_quirks.h"

struct id_range {
	uint16_t vendor, first, last; /* devices, inclusive */
};

#define NR(array) (sizeof(array) / sizeof((array)[0]))

/* ---- isolation ---- */

enum isolation {
	ALWAYS,	     /* keeps to itself */
	ROOT_PORTS,  /* ... where it is a root port */
	PORTS,	     /* ... where it is a root or downstream port */
	SOUTHBRIDGE, /* ... one of several functions on a root bus, beside an AMD IOMMU */
	RC_ENDPOINTS,
	PORTS_NOT, /* a root or downstream port whose ACS registers mean nothing */
	NEVER,	   /* whose ACS registers mean nothing */
	WIDE_ACS,  /* a root port with ACS registers of 32 bits each */
};

/* The first that fits decides. */
static const struct {
	struct id_range id;
	uint8_t isolation;
} isolations[] = {
	/* AMD southbridges */
	{{0x1002, 0x4383, 0x4385}, SOUTHBRIDGE},
	{{0x1002, 0x4399, 0x4399}, SOUTHBRIDGE},
	{{0x1002, 0x439c, 0x439d}, SOUTHBRIDGE},
	{{0x1022, 0x7809, 0x7809}, SOUTHBRIDGE},
	{{0x1022, 0x780f, 0x780f}, SOUTHBRIDGE},
	/* Solarflare */
	{{0x1924, 0x0903, 0x0903}, ALWAYS},
	{{0x1924, 0x0923, 0x0923}, ALWAYS},
	{{0x1924, 0x0a03, 0x0a03}, ALWAYS},
	/* Intel network cards: 82598, 82599, X520, X540, 82571, 82575, 82576, 82580, I350, I219 */
	{{0x8086, 0x105e, 0x1060}, ALWAYS},
	{{0x8086, 0x10a7, 0x10a7}, ALWAYS},
	{{0x8086, 0x10a9, 0x10a9}, ALWAYS},
	{{0x8086, 0x10c6, 0x10c6}, ALWAYS},
	{{0x8086, 0x10c9, 0x10c9}, ALWAYS},
	{{0x8086, 0x10d6, 0x10d6}, ALWAYS},
	{{0x8086, 0x10d9, 0x10d9}, ALWAYS},
	{{0x8086, 0x10db, 0x10db}, ALWAYS},
	{{0x8086, 0x10dd, 0x10dd}, ALWAYS},
	{{0x8086, 0x10e1, 0x10e1}, ALWAYS},
	{{0x8086, 0x10e6, 0x10e8}, ALWAYS},
	{{0x8086, 0x10f1, 0x10f1}, ALWAYS},
	{{0x8086, 0x10f7, 0x10fc}, ALWAYS},
	{{0x8086, 0x1507, 0x1507}, ALWAYS},
	{{0x8086, 0x1509, 0x150a}, ALWAYS},
	{{0x8086, 0x150d, 0x1511}, ALWAYS},
	{{0x8086, 0x1514, 0x1514}, ALWAYS},
	{{0x8086, 0x1516, 0x1516}, ALWAYS},
	{{0x8086, 0x1518, 0x1518}, ALWAYS},
	{{0x8086, 0x151c, 0x151c}, ALWAYS},
	{{0x8086, 0x1521, 0x1524}, ALWAYS},
	{{0x8086, 0x1526, 0x1527}, ALWAYS},
	{{0x8086, 0x1529, 0x152a}, ALWAYS},
	{{0x8086, 0x154d, 0x154d}, ALWAYS},
	{{0x8086, 0x154f, 0x154f}, ALWAYS},
	{{0x8086, 0x1551, 0x1551}, ALWAYS},
	{{0x8086, 0x1558, 0x1558}, ALWAYS},
	{{0x8086, 0x15b7, 0x15b8}, ALWAYS},
	/* Intel: whatever is integrated answers peers only at translated addresses */
	{{0x8086, 0x0000, 0xffff}, RC_ENDPOINTS},
	/* Intel PCH root ports: from 5 series to 9 series, C600, C610 */
	{{0x8086, 0x1c10, 0x1c1f}, ROOT_PORTS},
	{{0x8086, 0x1d10, 0x1d10}, ROOT_PORTS},
	{{0x8086, 0x1d12, 0x1d12}, ROOT_PORTS},
	{{0x8086, 0x1d14, 0x1d14}, ROOT_PORTS},
	{{0x8086, 0x1d16, 0x1d16}, ROOT_PORTS},
	{{0x8086, 0x1d18, 0x1d18}, ROOT_PORTS},
	{{0x8086, 0x1d1a, 0x1d1a}, ROOT_PORTS},
	{{0x8086, 0x1d1c, 0x1d1c}, ROOT_PORTS},
	{{0x8086, 0x1d1e, 0x1d1e}, ROOT_PORTS},
	{{0x8086, 0x1e10, 0x1e1f}, ROOT_PORTS},
	{{0x8086, 0x3b42, 0x3b51}, ROOT_PORTS},
	{{0x8086, 0x8c10, 0x8c1f}, ROOT_PORTS},
	{{0x8086, 0x8c90, 0x8c90}, ROOT_PORTS},
	{{0x8086, 0x8c92, 0x8c92}, ROOT_PORTS},
	{{0x8086, 0x8c94, 0x8c94}, ROOT_PORTS},
	{{0x8086, 0x8c96, 0x8c96}, ROOT_PORTS},
	{{0x8086, 0x8c98, 0x8c98}, ROOT_PORTS},
	{{0x8086, 0x8c9a, 0x8c9a}, ROOT_PORTS},
	{{0x8086, 0x8c9c, 0x8c9c}, ROOT_PORTS},
	{{0x8086, 0x8c9e, 0x8c9e}, ROOT_PORTS},
	{{0x8086, 0x8d10, 0x8d1e}, ROOT_PORTS},
	{{0x8086, 0x9c10, 0x9c1b}, ROOT_PORTS},
	{{0x8086, 0x9c90, 0x9c9b}, ROOT_PORTS},
	/* Intel PCH root ports: 100 and 200 series, 7th and 8th generation mobile */
	{{0x8086, 0x9d10, 0x9d1b}, WIDE_ACS},
	{{0x8086, 0xa110, 0xa11f}, WIDE_ACS},
	{{0x8086, 0xa167, 0xa16a}, WIDE_ACS},
	{{0x8086, 0xa290, 0xa29f}, WIDE_ACS},
	{{0x8086, 0xa2e7, 0xa2ee}, WIDE_ACS},
	/* Qualcomm and HXT root ports */
	{{0x17cb, 0x0111, 0x0111}, ALWAYS},
	{{0x17cb, 0x0115, 0x0115}, ALWAYS},
	{{0x17cb, 0x0120, 0x0120}, ALWAYS},
	{{0x17cb, 0x0400, 0x0401}, ALWAYS},
	{{0x1dbf, 0x0401, 0x0401}, ALWAYS},
	/* Emulex BE3-R, Skyhawk-R */
	{{0x19a2, 0x0710, 0x0710}, ALWAYS},
	{{0x10df, 0x0720, 0x0720}, ALWAYS},
	/* Cavium ThunderX root ports and devices of several functions */
	{{0x177d, 0xa000, 0xa7ff}, ROOT_PORTS},
	{{0x177d, 0xaf84, 0xaf84}, ROOT_PORTS},
	{{0x177d, 0xb884, 0xb884}, ROOT_PORTS},
	{{0x177d, 0xa026, 0xa026}, ALWAYS},
	{{0x177d, 0xa059, 0xa059}, ALWAYS},
	{{0x177d, 0xa060, 0xa060}, ALWAYS},
	/* X-Gene, Ampere, Broadcom iProc and Loongson root ports */
	{{0x10e8, 0xe004, 0xe004}, ALWAYS},
	{{0x1def, 0xe005, 0xe00c}, ALWAYS},
	{{0x14e4, 0xd714, 0xd714}, ALWAYS},
	{{0x0014, 0x3c09, 0x3c09}, ALWAYS},
	{{0x0014, 0x3c19, 0x3c19}, ALWAYS},
	{{0x0014, 0x3c29, 0x3c29}, ALWAYS},
	{{0x0014, 0x7a09, 0x7a09}, ALWAYS},
	{{0x0014, 0x7a19, 0x7a19}, ALWAYS},
	{{0x0014, 0x7a29, 0x7a29}, ALWAYS},
	{{0x0014, 0x7a39, 0x7a39}, ALWAYS},
	{{0x0014, 0x7a49, 0x7a49}, ALWAYS},
	{{0x0014, 0x7a59, 0x7a59}, ALWAYS},
	{{0x0014, 0x7a69, 0x7a69}, ALWAYS},
	/* Broadcom network cards */
	{{0x14e4, 0x16d7, 0x16d7}, ALWAYS},
	{{0x14e4, 0x1750, 0x1752}, ALWAYS},
	{{0x14e4, 0x1760, 0x1763}, ALWAYS},
	/* Annapurna Labs root ports */
	{{0x1c36, 0x0031, 0x0031}, ROOT_PORTS},
	/* Zhaoxin: some devices; ports, of which some isolate and the others do not */
	{{0x1d17, 0x3038, 0x3038}, ALWAYS},
	{{0x1d17, 0x3104, 0x3104}, ALWAYS},
	{{0x1d17, 0x9083, 0x9083}, ALWAYS},
	{{0x1d17, 0x0710, 0x071e}, PORTS},
	{{0x1d17, 0x0721, 0x0721}, PORTS},
	{{0x1d17, 0x0723, 0x0752}, PORTS},
	{{0x1d17, 0x0000, 0xffff}, PORTS_NOT},
	/* NXP LX2 root ports */
	{{0x1957, 0x8d80, 0x8d83}, ALWAYS},
	{{0x1957, 0x8d88, 0x8d8b}, ALWAYS},
	{{0x1957, 0x8d90, 0x8d93}, ALWAYS},
	{{0x1957, 0x8d98, 0x8d9b}, ALWAYS},
	{{0x1957, 0x8da0, 0x8da1}, ALWAYS},
	{{0x1957, 0x8da8, 0x8da9}, ALWAYS},
	{{0x1957, 0x8db0, 0x8db1}, ALWAYS},
	{{0x1957, 0x8db8, 0x8db9}, ALWAYS},
	/* Wangxun network cards */
	{{0x8088, 0x0100, 0x010f}, ALWAYS},
	{{0x8088, 0x1001, 0x1001}, ALWAYS},
	{{0x8088, 0x2001, 0x2001}, ALWAYS},
	{{0x8088, 0x5010, 0x5010}, ALWAYS},
	{{0x8088, 0x5025, 0x5025}, ALWAYS},
	{{0x8088, 0x5040, 0x5040}, ALWAYS},
	{{0x8088, 0x5110, 0x5110}, ALWAYS},
	{{0x8088, 0x5125, 0x5125}, ALWAYS},
	{{0x8088, 0x5140, 0x5140}, ALWAYS},
	{{0x8088, 0x0000, 0xffff}, NEVER},
};

static bool matches(const struct id_range *id, const struct ioas_topology_function *function)
{
	return id->vendor == function->vendor && id->first <= function->device &&
	       function->device <= id->last;
}

static bool applies(enum isolation isolation, const struct ioas_topology_function *function,
		    const struct quirk_place *place)
{
	bool root_port = function->type == IOAS_TOPOLOGY_ROOT_PORT;

	switch (isolation) {
	case ROOT_PORTS:
		return root_port;
	case WIDE_ACS:
		return root_port && function->acs;
	case PORTS:
	case PORTS_NOT:
		return root_port || function->type == IOAS_TOPOLOGY_DOWNSTREAM;
	case SOUTHBRIDGE:
		return place->root_bus && place->amd_iommu &&
		       (function->multifunction || function->addr.devfn & 7);
	case RC_ENDPOINTS:
		return function->type == IOAS_TOPOLOGY_RC_ENDPOINT;
	default:
		return true;
	}
}

/* Capability and control are at 4 and 8, in the low bits of 32. */
static void read_wide_acs(struct config_decoded *decoded, const uint8_t *config, size_t len)
{
	size_t at = decoded->acs_at;

	if (at + 12 > len) {
		decoded->ext_unseen = true;
		return;
	}
	decoded->function.acs_cap = config[at + 4] & 0x7f;
	decoded->function.acs_ctrl = config[at + 8] & decoded->function.acs_cap;
}

static void apply_isolation(struct config_decoded *decoded, const struct quirk_place *place,
			    const uint8_t *config, size_t len)
{
	struct ioas_topology_function *function = &decoded->function;
	size_t i = 0;

	while (i < NR(isolations) && !(matches(&isolations[i].id, function) &&
				       applies(isolations[i].isolation, function, place)))
		i++;
	if (i == NR(isolations))
		return;
	switch (isolations[i].isolation) {
	case WIDE_ACS:
		read_wide_acs(decoded, config, len);
		break;
	case PORTS_NOT:
	case NEVER:
		function->acs = false;
		function->acs_cap = function->acs_ctrl = 0;
		break;
	default:
		function->quirks |= IOAS_QUIRK_ISOLATED;
	}
}

/* ---- requester IDs ---- */

static const struct {
	struct id_range id;
	uint32_t quirk;
} quirks[] = {
	/* Ricoh and Glenfly: that of function 0 */
	{{0x1180, 0xe476, 0xe476}, IOAS_QUIRK_USES_FUNCTION_0},
	{{0x1180, 0xe832, 0xe832}, IOAS_QUIRK_USES_FUNCTION_0},
	{{0x6766, 0x3d40, 0x3d41}, IOAS_QUIRK_USES_FUNCTION_0},
	/* Marvell's SATA controllers, and those of others with it inside: that of function 1 */
	{{0x1b4b, 0x9120, 0x9120}, IOAS_QUIRK_USES_FUNCTION_1},
	{{0x1b4b, 0x9123, 0x9123}, IOAS_QUIRK_USES_FUNCTION_1},
	{{0x1b4b, 0x9125, 0x9125}, IOAS_QUIRK_USES_FUNCTION_1},
	{{0x1b4b, 0x9128, 0x9128}, IOAS_QUIRK_USES_FUNCTION_1},
	{{0x1b4b, 0x9130, 0x9130}, IOAS_QUIRK_USES_FUNCTION_1},
	{{0x1b4b, 0x9170, 0x9170}, IOAS_QUIRK_USES_FUNCTION_1},
	{{0x1b4b, 0x9172, 0x9172}, IOAS_QUIRK_USES_FUNCTION_1},
	{{0x1b4b, 0x917a, 0x917a}, IOAS_QUIRK_USES_FUNCTION_1},
	{{0x1b4b, 0x9182, 0x9183}, IOAS_QUIRK_USES_FUNCTION_1},
	{{0x1b4b, 0x91a0, 0x91a0}, IOAS_QUIRK_USES_FUNCTION_1},
	{{0x1b4b, 0x9215, 0x9215}, IOAS_QUIRK_USES_FUNCTION_1},
	{{0x1b4b, 0x9220, 0x9220}, IOAS_QUIRK_USES_FUNCTION_1},
	{{0x1b4b, 0x9230, 0x9230}, IOAS_QUIRK_USES_FUNCTION_1},
	{{0x1b4b, 0x9235, 0x9235}, IOAS_QUIRK_USES_FUNCTION_1},
	{{0x1103, 0x0642, 0x0642}, IOAS_QUIRK_USES_FUNCTION_1},
	{{0x1103, 0x0645, 0x0645}, IOAS_QUIRK_USES_FUNCTION_1},
	{{0x197b, 0x2392, 0x2392}, IOAS_QUIRK_USES_FUNCTION_1},
	{{0x1c28, 0x0122, 0x0122}, IOAS_QUIRK_USES_FUNCTION_1},
	/* Bridges without a PCIe capability: ASMedia, Tundra, ITE, Intel 82801 */
	{{0x1b21, 0x1080, 0x1080}, IOAS_QUIRK_PCIE_BRIDGE},
	{{0x10e3, 0x8113, 0x8113}, IOAS_QUIRK_PCIE_BRIDGE},
	{{0x1283, 0x8892, 0x8893}, IOAS_QUIRK_PCIE_BRIDGE},
	{{0x8086, 0x244e, 0x244e}, IOAS_QUIRK_PCIE_BRIDGE},
	/* Broadcom Vulcan, Cavium ThunderX2 */
	{{0x14e4, 0x9000, 0x9000}, IOAS_QUIRK_IOMMU_BELOW},
	{{0x14e4, 0x9084, 0x9084}, IOAS_QUIRK_IOMMU_BELOW},
};

/* Device and function numbers on the bus of the function: each slot's first `nr` numbers. */
static const struct {
	struct id_range id;
	uint8_t slot_first, slot_last;
	uint8_t first, nr;
} aliases[] = {
	/* Intel MIC x200 */
	{{0x8086, 0x2260, 0x2260}, 0x10, 0x11, 0, 1},
	{{0x8086, 0x2260, 0x2260}, 0x12, 0x12, 3, 1},
	{{0x8086, 0x2264, 0x2264}, 0x10, 0x11, 0, 1},
	{{0x8086, 0x2264, 0x2264}, 0x12, 0x12, 3, 1},
	/* Intel VCA */
	{{0x8086, 0x2954, 0x2956}, 0x00, 0x1f, 0, 5},
	{{0x8086, 0x2958, 0x295a}, 0x00, 0x1f, 0, 5},
	/* PLX non-transparent bridges */
	{{0x10b5, 0x87b0, 0x87b1}, 0x00, 0x1f, 0, 8},
};

static bool is_adaptec_3405(const struct config_decoded *decoded)
{
	return decoded->function.vendor == 0x9005 && decoded->function.device == 0x0285 &&
	       decoded->subsystem_vendor == 0x9005 &&
	       (decoded->subsystem == 0x02bb || decoded->subsystem == 0x02bc);
}

size_t quirk_aliases(const struct config_decoded *decoded, rid_t out[QUIRK_ALIASES])
{
	rid_t bus = (rid_t)(decoded->function.addr.bus << 8);
	size_t nr = 0;

	for (size_t i = 0; i < NR(aliases); i++) {
		if (!matches(&aliases[i].id, &decoded->function))
			continue;
		for (unsigned slot = aliases[i].slot_first; slot <= aliases[i].slot_last; slot++)
			for (unsigned j = 0; j < aliases[i].nr && nr < QUIRK_ALIASES; j++)
				out[nr++] = (rid_t)(bus | slot << 3 | (aliases[i].first + j));
	}
	/* A private device at 01.0 does the transfers of these. */
	if (is_adaptec_3405(decoded))
		out[nr++] = bus | 1 << 3;
	return nr;
}

void quirks_apply(struct config_decoded *decoded, const struct quirk_place *place,
		  const uint8_t *config, size_t len)
{
	for (size_t i = 0; i < NR(quirks); i++)
		if (matches(&quirks[i].id, &decoded->function))
			decoded->function.quirks |= quirks[i].quirk;
	apply_isolation(decoded, place, config, len);
}
