/* SPDX-License-Identifier: MIT */
/*
 * Description: config space of what no model stands for: the header and the capabilities that each
 * type of port, bridge and function has, and what a machine file says of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <ioas/topology.h>
#include "pci/config.h"

static struct pci_config config;

static uint32_t word(unsigned off, unsigned size)
{
	uint32_t value = 0;

	memcpy(&value, config.bytes + off, size);
	return value;
}

/* Where a capability is; 0: it has none. */
static unsigned cap(uint8_t id)
{
	unsigned off = word(PCI_CFG_CAP_FIRST, 1), steps = 0;

	assert_true(word(PCI_CFG_STATUS, 2) & PCI_STS_CAPS);
	while (off && word(off, 1) != id) {
		assert_true(off >= 0x40 && ++steps < 48);
		off = word(off + 1, 1);
	}
	return off;
}

static unsigned ext(uint16_t id)
{
	unsigned off = word(0x100, 4) ? 0x100 : 0, steps = 0;

	while (off && word(off, 2) != id) {
		assert_true(off >= 0x100 && ++steps < 48);
		off = word(off, 4) >> 20;
	}
	return off;
}

#define PM    0x01
#define EXP   0x10
#define AER   0x0001
#define ACS   0x000d
#define ATS   0x000f
#define PRI   0x0013
#define PASID 0x001b

static void init(const struct ioas_topology_function *function)
{
	/* Whatever was there. */
	memset(&config, 0xa5, sizeof(config));
	config_init_node(&config, function);
}

static void each_type_has_its_header_and_its_capabilities(void **state)
{
	static const struct {
		uint8_t type, exp;
		bool bridge, pcie, link;
	} types[] = {
		{IOAS_TOPOLOGY_ENDPOINT, 0x0, false, true, true},
		{IOAS_TOPOLOGY_LEGACY_ENDPOINT, 0x1, false, true, true},
		{IOAS_TOPOLOGY_ROOT_PORT, 0x4, true, true, true},
		{IOAS_TOPOLOGY_UPSTREAM, 0x5, true, true, true},
		{IOAS_TOPOLOGY_DOWNSTREAM, 0x6, true, true, true},
		{IOAS_TOPOLOGY_PCIE_TO_PCI, 0x7, true, true, true},
		{IOAS_TOPOLOGY_PCI_TO_PCIE, 0x8, true, true, true},
		{IOAS_TOPOLOGY_RC_ENDPOINT, 0x9, false, true, false},
		{IOAS_TOPOLOGY_RC_EVENT_COLLECTOR, 0xa, false, true, false},
		{IOAS_TOPOLOGY_PCI_FUNCTION, 0, false, false, false},
		{IOAS_TOPOLOGY_PCI_BRIDGE, 0, true, false, false},
	};

	assert_int_equal(sizeof(types) / sizeof(types[0]), IOAS_TOPOLOGY_TYPE_NR);
	for (unsigned i = 0; i < IOAS_TOPOLOGY_TYPE_NR; i++) {
		bool bridge = types[i].bridge;
		struct ioas_topology_function function = {
			.addr = {.bus = 3},
			.type = types[i].type,
			.secondary = bridge ? 5 : 0,
			.subordinate = bridge ? 9 : 0,
		};
		unsigned exp;

		init(&function);
		assert_true(word(0, 4) != 0);
		assert_int_equal(word(0x08, 4), (bridge ? 0x060400u : 0xff0000u) << 8);
		assert_int_equal(word(0x0e, 1), bridge);
		/* A bridge forwards; a function nobody drives only decodes. */
		assert_int_equal(word(PCI_CFG_COMMAND, 2), bridge ? 0x0507 : 2);
		assert_int_equal(word(0x18, 4), bridge ? 0x00090503 : 0);
		/* Windows that are closed begin above their end. */
		assert_int_equal(word(0x20, 4), bridge ? 0x0000fff0 : 0);
		assert_int_equal(word(0x24, 4), bridge ? 0x0001fff1 : 0);
		assert_int_equal(word(0x3d, 1), bridge);
		assert_true(cap(PM) != 0);
		exp = cap(EXP);
		assert_int_equal(exp != 0, types[i].pcie);
		assert_int_equal(ext(AER) != 0, types[i].pcie);
		assert_int_equal(config.exp, exp);
		assert_int_equal(ext(ACS) + ext(ATS) + ext(PRI) + ext(PASID), 0);
		if (!exp)
			continue;
		assert_int_equal(word(exp + 2, 2), 2 | types[i].exp << 4);
		/* It can't be reset by itself. */
		assert_false(word(exp + 4, 4) >> 28 & 1);
		assert_int_equal(word(exp + 0x0c, 4) != 0, types[i].link);
		assert_int_equal(word(exp + 0x0f, 1), types[i].link ? function.secondary : 0);
	}
}

static void what_the_machine_says_is_there(void **state)
{
	struct ioas_topology_function function = {
		.type = IOAS_TOPOLOGY_ENDPOINT,
		.vendor = 0x8086,
		.device = 0x1572,
		.class_code = 0x020000,
		.multifunction = true,
		.acs = true,
		.acs_cap = 0x5d,
		.acs_ctrl = 0x1d,
		.ats = true,
		.pri = true,
		.pasid_lg2 = 20,
	};

	init(&function);
	assert_int_equal(word(0, 4), 0x15728086);
	assert_int_equal(word(0x08, 4), 0x02000000);
	assert_int_equal(word(0x0e, 1), 0x80);
	assert_int_equal(word(ext(ACS) + 4, 4), 0x001d005d);
	assert_true(ext(AER) && ext(ATS) && ext(PRI) && ext(PASID));
	assert_int_equal(word(ext(PASID) + 4, 2), 20 << 8);
	function.type = IOAS_TOPOLOGY_DOWNSTREAM;
	init(&function);
	assert_int_equal(word(0x0e, 1), 0x81);
	assert_int_equal(word(0x08, 4), 0x02000000);
	/* A virtual function uses the PRI and PASIDs of its physical one. */
	function.type = IOAS_TOPOLOGY_ENDPOINT;
	function.is_virtual = true;
	init(&function);
	assert_true(ext(ATS) != 0);
	assert_int_equal(ext(PRI) + ext(PASID), 0);
	function = (struct ioas_topology_function){.pri = true};
	init(&function);
	assert_true(ext(PRI) != 0);
	assert_int_equal(ext(ACS) + ext(ATS) + ext(PASID), 0);
	function = (struct ioas_topology_function){.pasid_lg2 = 1};
	init(&function);
	assert_int_equal(ext(ACS) + ext(ATS) + ext(PRI), 0);
	assert_int_equal(word(ext(PASID) + 4, 2), 1 << 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_has_its_header_and_its_capabilities),
		cmocka_unit_test(what_the_machine_says_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
