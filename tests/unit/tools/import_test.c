/* SPDX-License-Identifier: MIT */
/* Description: config spaces, and a sysfs tree of them, become the topology they came from; what
 * could not be seen is said. */
#include <stdio.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/unit/tools/space.h"
#include "import.h"
#include "import_sysfs.h"

#define ALL 0x1d

static struct ioas_pci_addr at(const char *text)
{
	struct ioas_pci_addr addr;

	assert_int_equal(ioas_pci_addr_parse(text, &addr), 0);
	return addr;
}

static struct import_function *add(struct import *import, const char *addr,
				   const struct space *space, size_t len)
{
	struct import_function *function;
	struct ioas_why why = {""};

	if (import_add(import, at(addr), space->bytes, len, &function, &why))
		fail_msg("%s", why.text);
	return function;
}

static struct ioas_topology *finish(struct import *import, const char *expected_warning)
{
	struct ioas_topology *topology = NULL;
	struct ioas_why warning, why = {""};

	if (import_finish(import, &topology, &warning, &why))
		fail_msg("%s", why.text);
	assert_string_equal(warning.text, expected_warning);
	import_fini(import);
	return topology;
}

static struct space port(unsigned type, uint8_t secondary, uint8_t subordinate, bool acs)
{
	struct space space = space_new(0x1b36, 0x000c, 1);

	space_buses(&space, secondary, subordinate);
	space_pcie(&space, 0x40, type);
	if (acs)
		space_acs(&space, 0x100, ALL, ALL);
	return space;
}

static struct space endpoint(uint16_t vendor, uint16_t device, bool multifunction)
{
	struct space space = space_new(vendor, device, multifunction ? 0x80 : 0);

	space_pcie(&space, 0x40, 0);
	return space;
}

static uint8_t type_of(const struct ioas_topology *topology, const char *addr)
{
	return ioas_topology_find(topology, at(addr))->type;
}

static uint32_t quirks_of(const struct ioas_topology *topology, const char *addr)
{
	return ioas_topology_find(topology, at(addr))->quirks;
}

static void functions_come_in_any_order(void **arg)
{
	struct import import = {0};
	struct space root = port(4, 1, 1, true), disk = endpoint(0x1234, 1, false);
	struct ioas_topology *topology;

	add(&import, "01:00.0", &disk, CONFIG_LEN);
	add(&import, "00:01.0", &root, CONFIG_LEN);
	topology = finish(&import, "");
	assert_int_equal(ioas_topology_group_nr(topology), 2);
	assert_int_equal(ioas_topology_iommu_nr(topology), 1);
	ioas_topology_destroy(topology);
}

static void switch_ports_are_what_their_place_makes_them(void **arg)
{
	struct import import = {0};
	struct space root = port(4, 1, 3, true), up = port(6, 2, 3, false),
		     down = port(5, 3, 3, true);
	struct ioas_topology *topology;

	add(&import, "00:01.0", &root, CONFIG_LEN);
	add(&import, "01:00.0", &up, CONFIG_LEN);
	add(&import, "02:00.0", &down, CONFIG_LEN);
	topology = finish(&import, "");
	assert_int_equal(type_of(topology, "01:00.0"), IOAS_TOPOLOGY_UPSTREAM);
	assert_int_equal(type_of(topology, "02:00.0"), IOAS_TOPOLOGY_DOWNSTREAM);
	ioas_topology_destroy(topology);
}

static void virtual_functions_are_found_by_offset_and_stride(void **arg)
{
	struct import import = {0};
	struct space root = port(4, 1, 2, true), pf = endpoint(0x8086, 0x10fb, false);
	struct space vf = endpoint(0xffff, 0xffff, false), other = endpoint(0x1234, 1, false);
	struct ioas_topology *topology;
	const struct ioas_topology_function *function;

	space_ext(&pf, 0x100, 0x10);
	put16(&pf, 0x108, 1);
	put16(&pf, 0x110, 3);
	put16(&pf, 0x114, 0x80);
	put16(&pf, 0x116, 0x80);
	put16(&pf, 0x11a, 0x10ed);
	add(&import, "00:01.0", &root, CONFIG_LEN);
	add(&import, "01:00.0", &pf, CONFIG_LEN);
	add(&import, "01:10.0", &vf, CONFIG_LEN);
	add(&import, "02:00.0", &vf, CONFIG_LEN);
	/* A function with a name of its own is none. */
	add(&import, "01:01.0", &other, CONFIG_LEN);
	topology = finish(&import, "");
	function = ioas_topology_find(topology, at("02:00.0"));
	assert_true(function->is_virtual);
	assert_int_equal(function->physical.bus, 1);
	assert_int_equal(function->vendor, 0x8086);
	assert_int_equal(function->device, 0x10ed);
	assert_true(ioas_topology_find(topology, at("01:10.0"))->is_virtual);
	assert_false(ioas_topology_find(topology, at("01:01.0"))->is_virtual);
	ioas_topology_destroy(topology);
}

static void known_functions_have_their_quirks(void **arg)
{
	struct import import = {0};
	struct space pch = port(4, 1, 1, false), wide = port(4, 2, 2, false);
	struct space marvell = endpoint(0x1b4b, 0x9230, false),
		     nic = endpoint(0x8086, 0x1521, true);
	struct space plx = endpoint(0x10b5, 0x87b0, false), bridge = space_new(0x8086, 0x244e, 1);
	struct space zhaoxin = port(4, 4, 4, true);
	struct ioas_topology_requester requester[300];
	struct ioas_topology *topology;

	put16(&pch, 0, 0x8086);
	put16(&pch, 2, 0x1c10);
	put16(&wide, 0, 0x8086);
	put16(&wide, 2, 0xa110);
	space_acs(&wide, 0x100, ALL, 0);
	put16(&wide, 0x108, ALL);
	put16(&zhaoxin, 0, 0x1d17);
	space_buses(&bridge, 3, 3);
	add(&import, "00:1c.0", &pch, CONFIG_LEN);
	add(&import, "00:1d.0", &wide, CONFIG_LEN);
	add(&import, "00:1e.0", &bridge, CONFIG_LEN);
	add(&import, "00:1f.0", &zhaoxin, CONFIG_LEN);
	add(&import, "01:00.0", &marvell, CONFIG_LEN);
	add(&import, "02:00.0", &nic, CONFIG_LEN);
	add(&import, "02:00.1", &nic, CONFIG_LEN);
	add(&import, "04:00.0", &plx, CONFIG_LEN);
	topology = finish(&import, "");
	assert_int_equal(quirks_of(topology, "00:1c.0"), IOAS_QUIRK_ISOLATED);
	assert_int_equal(quirks_of(topology, "00:1e.0"), IOAS_QUIRK_PCIE_BRIDGE);
	assert_int_equal(quirks_of(topology, "01:00.0"), IOAS_QUIRK_USES_FUNCTION_1);
	assert_int_equal(ioas_topology_find(topology, at("00:1d.0"))->acs_ctrl, ALL);
	assert_false(ioas_topology_find(topology, at("00:1f.0"))->acs);
	assert_int_not_equal(ioas_topology_group_of(topology, at("02:00.0")),
			     ioas_topology_group_of(topology, at("02:00.1")));
	assert_int_equal(ioas_topology_requesters(topology, at("04:00.0"), requester, 300), 256);
	ioas_topology_destroy(topology);
}

static void a_southbridge_isolates_beside_its_iommu_only(void **arg)
{
	for (int amd = 0; amd <= 1; amd++) {
		struct import import = {0};
		struct space usb = space_new(0x1022, 0x7809, 0x80), iommu = space_new(0x1022, 1, 0);
		struct ioas_topology *topology;

		iommu.bytes[0x0b] = 8;
		iommu.bytes[0x0a] = 6;
		add(&import, "00:14.0", &usb, 256);
		add(&import, "00:14.5", &usb, 256);
		if (amd)
			add(&import, "00:00.2", &iommu, 256);
		topology = finish(&import, "");
		assert_int_equal(ioas_topology_group_of(topology, at("00:14.0")) ==
					 ioas_topology_group_of(topology, at("00:14.5")),
				 !amd);
		ioas_topology_destroy(topology);
	}
}

static void doubtful_machines_are_refused_or_remarked_on(void **arg)
{
	struct import import = {0};
	struct space disk = endpoint(0x1234, 1, false), gone;
	struct ioas_topology *topology;
	struct ioas_why why;

	memset(gone.bytes, 0xff, sizeof(gone.bytes));
	add(&import, "00:01.0", &disk, 64);
	add(&import, "00:02.0", &disk, 256);
	assert_null(add(&import, "00:03.0", &gone, 64));
	topology =
		finish(&import,
		       "1 of 2: only the header was read (root may more), so types are guesses "
		       "and ACS counts as off; 1 of 2: extended capabilities not all read, ACS may "
		       "count as off; 1 that do not answer left out");
	assert_null(ioas_topology_find(topology, at("00:03.0")));
	ioas_topology_destroy(topology);

	add(&import, "00:01.0", &disk, 64);
	add(&import, "00:01.0", &disk, 64);
	assert_int_equal(import_finish(&import, &topology, NULL, &why), -EEXIST);
	assert_string_equal(why.text, "0000:00:01.0: there are two of it");
	import_fini(&import);
	assert_int_equal(import_add(&import, at("00:01.0"), disk.bytes, 10, NULL, &why), -EINVAL);
	import_fini(&import);
}

/* ---- sysfs ---- */

static char root[] = "/tmp/ioas-import-XXXXXX";

static void make_folder(const char *device, const char *name)
{
	char path[256];
	size_t used = (size_t)snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/%s", root,
				       device, name);

	assert_true(used < sizeof(path));
	for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
}

static void write_file(const char *device, const char *name, const void *bytes, size_t len)
{
	char path[256];
	int fd;

	make_folder(device, name);
	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/%s", root, device, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void write_link(const char *device, const char *name, const char *target)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/%s", root, device, name);
	unlink(path);
	assert_int_equal(symlink(target, path), 0);
}

static int remove_one(const char *path, const struct stat *stat, int flag, struct FTW *ftw)
{
	return remove(path);
}

static int make_root(void **arg)
{
	memcpy(root + strlen(root) - 6, "XXXXXX", 6);
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **arg)
{
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct ioas_topology *read_root(const char *expected_warning)
{
	struct ioas_topology *topology = NULL;
	struct ioas_why warning, why = {""};

	if (import_sysfs(root, &topology, &warning, &why))
		fail_msg("%s", why.text);
	assert_string_equal(warning.text, expected_warning);
	return topology;
}

static void sysfs_shows_drivers_groups_and_iommus(void **arg)
{
	struct space port_1 = port(4, 1, 1, true), disk = endpoint(0x1234, 1, false);
	struct ioas_topology *topology;
	const struct ioas_topology_function *function;

	write_file("0000:00:01.0", "config", port_1.bytes, CONFIG_LEN);
	write_file("0000:01:00.0", "config", disk.bytes, CONFIG_LEN);
	write_file("0000:00:02.0", "config", disk.bytes, CONFIG_LEN);
	write_link("0000:01:00.0", "driver", "../../../bus/pci/drivers/nvme");
	topology = read_root("no IOMMU here, all taken as behind one");
	assert_int_equal(ioas_topology_group_nr(topology), 3);
	assert_string_equal(ioas_topology_find(topology, at("01:00.0"))->driver, "nvme");
	ioas_topology_destroy(topology);

	/* With groups: who has none is behind none. */
	write_link("0000:00:01.0", "iommu_group", "../../../kernel/iommu_groups/4");
	write_link("0000:01:00.0", "iommu_group", "../../../kernel/iommu_groups/7");
	write_file("0000:00:01.0", "dmar1/intel-iommu/cap", "d2008c222f0686\n", 15);
	write_file("0000:00:01.0", "dmar1/intel-iommu/ecap", "f050da\n", 7);
	write_link("0000:00:01.0", "iommu", "dmar1");
	topology = read_root("");
	assert_int_equal(ioas_topology_group_of(topology, at("00:02.0")), UINT32_MAX);
	assert_int_equal(ioas_topology_group_nr(topology), 2);
	function = ioas_topology_find(topology, at("01:00.0"));
	assert_int_equal(function->iommu, ioas_topology_find(topology, at("00:01.0"))->iommu);
	assert_string_equal(ioas_topology_iommu(topology, function->iommu)->kind, "vtd");
	assert_int_equal(ioas_topology_iommu(topology, function->iommu)->aw, 48);
	assert_int_equal(ioas_topology_iommu(topology, function->iommu)->page_sizes,
			 1ull << 12 | 1ull << 21 | 1ull << 30);
	assert_true(ioas_topology_iommu(topology, function->iommu)->coherency);
	ioas_topology_destroy(topology);

	/* The kernel that has them in one group knows something that we do not. */
	write_link("0000:01:00.0", "iommu_group", "../../../kernel/iommu_groups/4");
	topology = read_root("the kernel has 1 in other groups");
	ioas_topology_destroy(topology);
}

/* By their registers, where the kernel shows them, or by their names. */
static void iommus_have_their_kind(void **arg)
{
	static const struct {
		const char *name, *kind;
	} all[] = {{"ivhd3", "amd"},
		   {"smmu3.0x0000000009050000", "smmuv3"},
		   {"riscv-iommu@3010000.iommu", "riscv"}};
	struct space disk = endpoint(0x1234, 1, false);
	const struct ioas_topology_iommu *amd;
	struct ioas_topology *topology;
	char name[] = "0000:00:01.0";

	for (unsigned i = 0; i < 3; i++) {
		name[9] = (char)('1' + i);
		write_file(name, "config", disk.bytes, CONFIG_LEN);
		write_link(name, "iommu", all[i].name);
	}
	write_file("0000:00:01.0", "ivhd3/amd-iommu/features", "10000f00000012:0\n", 17);
	topology = read_root("");
	for (unsigned i = 0; i < 3; i++) {
		name[9] = (char)('1' + i);
		assert_string_equal(
			ioas_topology_iommu(topology,
					    ioas_topology_find(topology, at(name + 5))->iommu)
				->kind,
			all[i].kind);
	}
	amd = ioas_topology_iommu(topology, ioas_topology_find(topology, at("00:01.0"))->iommu);
	assert_int_equal(amd->pasid_lg2, 16);
	assert_true(amd->pri && amd->dirty && amd->coherency);
	ioas_topology_destroy(topology);
}

static void a_copy_without_groups_has_those_behind_an_iommu(void **arg)
{
	struct space port_1 = port(4, 1, 1, true), disk = endpoint(0x1234, 1, false);
	struct ioas_topology *topology;

	write_file("0000:00:01.0", "config", port_1.bytes, CONFIG_LEN);
	write_file("0000:01:00.0", "config", disk.bytes, CONFIG_LEN);
	write_file("0000:00:02.0", "config", disk.bytes, CONFIG_LEN);
	/* Where the links lead to need not have been copied. */
	write_link("0000:00:01.0", "iommu", "../../virtual/iommu/dmar0");
	write_link("0000:01:00.0", "iommu", "../../../virtual/iommu/dmar0");
	/* An IOMMU that is a PCI function: not behind itself. */
	make_folder("0000:00:02.0", "iommu/ivhd0");
	topology = read_root("");
	assert_int_equal(ioas_topology_iommu_nr(topology), 1);
	assert_string_equal(ioas_topology_iommu(topology, 0)->kind, "soft");
	assert_int_equal(ioas_topology_group_nr(topology), 2);
	assert_int_equal(ioas_topology_group_of(topology, at("00:02.0")), UINT32_MAX);
	ioas_topology_destroy(topology);
}

static void sysfs_without_privileges_is_guessed_from(void **arg)
{
	struct space root_port = port(4, 1, 3, true), up = port(5, 2, 3, true);
	struct space down = port(6, 3, 3, true), disk = endpoint(0x1234, 1, false);
	struct space vf = endpoint(0xffff, 0xffff, false);
	static const char *const pcie[] = {"0000:00:01.0", "0000:01:00.0", "0000:02:00.0",
					   "0000:03:00.0"};
	const struct ioas_topology_function *function;
	struct ioas_topology *topology;

	write_file("0000:00:01.0", "config", root_port.bytes, 64);
	write_file("0000:01:00.0", "config", up.bytes, 64);
	write_file("0000:02:00.0", "config", down.bytes, 64);
	write_file("0000:03:00.0", "config", disk.bytes, 64);
	write_file("0000:03:00.1", "config", vf.bytes, 64);
	write_file("0000:03:00.1", "vendor", "0x1234\n", 7);
	write_file("0000:03:00.1", "device", "0x0002\n", 7);
	write_link("0000:03:00.1", "physfn", "../0000:03:00.0");
	write_file("10000:00:00.0", "config", disk.bytes, 64);
	for (size_t i = 0; i < 4; i++)
		write_file(pcie[i], "max_link_width", "4\n", 2);
	topology =
		read_root("5 of 5: only the header was read (root may more), so types are guesses "
			  "and ACS counts as off; no IOMMU here, all taken as behind one; 1 in "
			  "segments above ffff left out");
	assert_int_equal(type_of(topology, "00:01.0"), IOAS_TOPOLOGY_ROOT_PORT);
	assert_int_equal(type_of(topology, "01:00.0"), IOAS_TOPOLOGY_UPSTREAM);
	assert_int_equal(type_of(topology, "02:00.0"), IOAS_TOPOLOGY_DOWNSTREAM);
	assert_int_equal(type_of(topology, "03:00.0"), IOAS_TOPOLOGY_ENDPOINT);
	function = ioas_topology_find(topology, at("03:00.1"));
	assert_true(function->is_virtual);
	assert_int_equal(function->device, 2);
	ioas_topology_destroy(topology);
}

static void a_tree_that_is_no_sysfs_is_refused(void **arg)
{
	struct ioas_topology *topology;
	struct ioas_why why;
	char expected[160];

	assert_int_equal(import_sysfs(root, &topology, NULL, &why), -ENOENT);
	snprintf(expected, sizeof(expected), "%s/sys/bus/pci/devices: No such file or directory",
		 root);
	assert_string_equal(why.text, expected);
	make_folder("0000:00:00.0", "x");
	assert_int_equal(import_sysfs(root, &topology, NULL, &why), -EINVAL);
	assert_string_equal(why.text,
			    "0000:00:00.0: 0 bytes of config space, its header alone has 64");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_come_in_any_order),
		cmocka_unit_test(switch_ports_are_what_their_place_makes_them),
		cmocka_unit_test(virtual_functions_are_found_by_offset_and_stride),
		cmocka_unit_test(known_functions_have_their_quirks),
		cmocka_unit_test(a_southbridge_isolates_beside_its_iommu_only),
		cmocka_unit_test(doubtful_machines_are_refused_or_remarked_on),
		cmocka_unit_test_setup_teardown(sysfs_shows_drivers_groups_and_iommus, make_root,
						remove_root),
		cmocka_unit_test_setup_teardown(iommus_have_their_kind, make_root, remove_root),
		cmocka_unit_test_setup_teardown(a_copy_without_groups_has_those_behind_an_iommu,
						make_root, remove_root),
		cmocka_unit_test_setup_teardown(sysfs_without_privileges_is_guessed_from, make_root,
						remove_root),
		cmocka_unit_test_setup_teardown(a_tree_that_is_no_sysfs_is_refused, make_root,
						remove_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
