/* SPDX-License-Identifier: MIT */
/* Description: config space is read as far as it is there; no length, loop or nonsense in it leads
 * outside. */
#include "tests/unit/tools/space.h"

static const struct ioas_pci_addr addr = {.bus = 1};

static struct config_decoded decode(const struct space *space, size_t len)
{
	struct config_decoded decoded;
	struct ioas_why why = {""};

	if (config_decode(addr, space->bytes, len, &decoded, &why))
		fail_msg("%s", why.text);
	return decoded;
}

static void each_type_has_its_name(void **arg)
{
	static const struct {
		unsigned type;
		uint8_t header, expected;
	} cases[] = {
		{0, 0, IOAS_TOPOLOGY_ENDPOINT},
		{1, 0, IOAS_TOPOLOGY_LEGACY_ENDPOINT},
		{4, 1, IOAS_TOPOLOGY_ROOT_PORT},
		{5, 1, IOAS_TOPOLOGY_UPSTREAM},
		{6, 1, IOAS_TOPOLOGY_DOWNSTREAM},
		{7, 1, IOAS_TOPOLOGY_PCIE_TO_PCI},
		{8, 1, IOAS_TOPOLOGY_PCI_TO_PCIE},
		{9, 0, IOAS_TOPOLOGY_RC_ENDPOINT},
		{10, 0, IOAS_TOPOLOGY_RC_EVENT_COLLECTOR},
		/* None there is: what it behaves most like. */
		{15, 0, IOAS_TOPOLOGY_ENDPOINT},
		{0, 1, IOAS_TOPOLOGY_UPSTREAM},
	};
	struct space space;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		space = space_new(0x1234, 0x5678, cases[i].header);
		space_cap(&space, 0x40, 0x01);
		space_pcie(&space, 0x60, cases[i].type);
		assert_int_equal(decode(&space, CONFIG_LEN).function.type, cases[i].expected);
	}
	space = space_new(0x1234, 0x5678, 0);
	assert_int_equal(decode(&space, 64).function.type, IOAS_TOPOLOGY_PCI_FUNCTION);
	for (uint8_t header = 1; header <= 2; header++) {
		space = space_new(0x1234, 0x5678, header);
		space_buses(&space, 3, 7);
		assert_int_equal(decode(&space, 64).function.type, IOAS_TOPOLOGY_PCI_BRIDGE);
		assert_int_equal(decode(&space, 64).function.secondary, 3);
		assert_int_equal(decode(&space, 64).function.subordinate, 7);
	}
}

static struct space full(void)
{
	struct space space = space_new(0x8086, 0x10fb, 0);

	space.bytes[0x09] = 0x02;
	space.bytes[0x0b] = 0x01;
	put16(&space, 0x2c, 0xaaaa);
	put16(&space, 0x2e, 0xbbbb);
	space_cap(&space, 0x50, 0x05);
	space_pcie(&space, 0x70, 0);
	space.bytes[0x74] = 2 << 3;
	put16(&space, 0x78, 1 << 9);
	space_ext(&space, 0x100, 0x01);
	space_acs(&space, 0x150, 0xff1d, 0xffff);
	space_acs(&space, 0x160, 0x7f, 0);
	space_ext(&space, 0x170, 0x0f);
	space_ext(&space, 0x180, 0x13);
	space_ext(&space, 0x1a0, 0x1b);
	put16(&space, 0x1a4, 20 << 8);
	space_ext(&space, 0x1c0, 0x10);
	put16(&space, 0x1c8, 1);
	put16(&space, 0x1d0, 7);
	put16(&space, 0x1d4, 0x80);
	put16(&space, 0x1d6, 2);
	put16(&space, 0x1da, 0x10ed);
	return space;
}

static void everything_is_found(void **arg)
{
	struct space space = full();
	struct config_decoded decoded = decode(&space, CONFIG_LEN);
	const struct ioas_topology_function *function = &decoded.function;

	assert_int_equal(function->vendor, 0x8086);
	assert_int_equal(function->device, 0x10fb);
	assert_int_equal(function->class_code, 0x010002);
	assert_int_equal(decoded.subsystem_vendor, 0xaaaa);
	assert_int_equal(decoded.subsystem, 0xbbbb);
	assert_int_equal(function->phantom_lg2, 2);
	/* Only bits there are, and the first of two capabilities. */
	assert_true(function->acs);
	assert_int_equal(function->acs_cap, 0x1d);
	assert_int_equal(function->acs_ctrl, 0x1d);
	assert_true(function->ats && function->pri);
	assert_int_equal(function->pasid_lg2, 20);
	assert_int_equal(decoded.vf_nr, 7);
	assert_int_equal(decoded.vf_offset, 0x80);
	assert_int_equal(decoded.vf_stride, 2);
	assert_int_equal(decoded.vf_device, 0x10ed);
	assert_false(decoded.caps_unseen || decoded.ext_unseen);

	/* Virtual functions that are not switched on are none. */
	put16(&space, 0x1c8, 0);
	assert_int_equal(decode(&space, CONFIG_LEN).vf_nr, 0);
	/* One of several functions has no number to spare. */
	space.bytes[0x0e] = 0x80;
	assert_int_equal(decode(&space, CONFIG_LEN).function.phantom_lg2, 0);
	assert_true(decode(&space, CONFIG_LEN).function.multifunction);
}

static void what_was_not_read_is_said(void **arg)
{
	struct space space = full();
	struct config_decoded decoded = decode(&space, 64);

	assert_true(decoded.caps_unseen);
	assert_false(decoded.pcie);
	decoded = decode(&space, 256);
	assert_false(decoded.caps_unseen);
	assert_true(decoded.pcie && decoded.ext_unseen);
	assert_false(decoded.function.acs);
	decoded = decode(&space, 0x153);
	assert_true(decoded.ext_unseen && !decoded.function.acs);
	decoded = decode(&space, 0x155);
	assert_true(decoded.ext_unseen);
	assert_false(decode(&space, 0x1dc).ext_unseen);
	/* A conventional function has no extended space to miss. */
	space = space_new(0x1234, 1, 0);
	space_cap(&space, 0x40, 0x01);
	decoded = decode(&space, 256);
	assert_false(decoded.caps_unseen || decoded.ext_unseen);
}

static void what_is_no_config_space_is_refused(void **arg)
{
	struct space space = space_new(0x1234, 1, 0x03);
	struct config_decoded decoded;
	struct ioas_why why;

	assert_int_equal(config_decode(addr, space.bytes, 63, &decoded, &why), -EINVAL);
	assert_string_equal(why.text,
			    "0000:01:00.0: 63 bytes of config space, its header alone has 64");
	assert_int_equal(config_decode(addr, space.bytes, 64, &decoded, &why), -EINVAL);
	assert_string_equal(why.text, "0000:01:00.0: config space with a header of type 0x3");
	memset(space.bytes, 0xff, sizeof(space.bytes));
	assert_int_equal(config_decode(addr, space.bytes, 64, &decoded, &why), -ENODATA);
}

/* Each length gets a buffer of its own, so that a sanitizer sees one byte too many. */
static void no_length_leads_outside(void **arg)
{
	struct space space = full();

	for (size_t len = 0; len <= 0x200; len++) {
		struct config_decoded decoded;
		uint8_t *bytes = malloc(len ? len : 1);

		memcpy(bytes, space.bytes, len);
		assert_int_equal(config_decode(addr, bytes, len, &decoded, NULL),
				 len < 64 ? -EINVAL : 0);
		free(bytes);
	}
}

static void lists_that_lead_in_circles_end(void **arg)
{
	struct space space = space_new(0x1234, 1, 0);

	space_cap(&space, 0x40, 0x01);
	space_cap(&space, 0x50, 0x05);
	space.bytes[0x51] = 0x41;
	assert_false(decode(&space, CONFIG_LEN).pcie);
	space.bytes[0x51] = 0;
	space_pcie(&space, 0x60, 0);
	space_ext(&space, 0x100, 0x01);
	space_ext(&space, 0x200, 0x02);
	put16(&space, 0x202, 0x1001);
	assert_true(decode(&space, CONFIG_LEN).pcie);
	put16(&space, 0x202, 0xffc1);
	assert_false(decode(&space, CONFIG_LEN).ext_unseen);
}

static void noise_is_survived(void **arg)
{
	uint32_t state = 1;

	for (int round = 0; round < 20000; round++) {
		struct config_decoded decoded;
		struct space space = full();
		size_t len;
		uint8_t *bytes;

		state = state * 1664525 + 1013904223;
		len = 64 + (state >> 8) % (CONFIG_LEN - 63);
		for (int i = 0; i < 40; i++) {
			state = state * 1664525 + 1013904223;
			space.bytes[(state >> 20) % (i % 2 ? 256 : CONFIG_LEN)] =
				(uint8_t)(state >> 8);
		}
		bytes = malloc(len);
		memcpy(bytes, space.bytes, len);
		if (!config_decode(addr, bytes, len, &decoded, NULL)) {
			assert_true(decoded.function.type < IOAS_TOPOLOGY_TYPE_NR);
			assert_int_equal(decoded.function.acs_ctrl & ~decoded.function.acs_cap, 0);
			assert_true(decoded.function.pasid_lg2 <= 20);
		}
		free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_has_its_name),
		cmocka_unit_test(everything_is_found),
		cmocka_unit_test(what_was_not_read_is_said),
		cmocka_unit_test(what_is_no_config_space_is_refused),
		cmocka_unit_test(no_length_leads_outside),
		cmocka_unit_test(lists_that_lead_in_circles_end),
		cmocka_unit_test(noise_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
