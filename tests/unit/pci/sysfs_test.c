/* SPDX-License-Identifier: MIT */
/* The view of /sys: what programs read is there, links are relative and lead somewhere. */
#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>
#include "toy.h"

static char root[] = "/tmp/ioas-sysfs-XXXXXX";
static struct ioas_iommu *machine;
static unsigned links;

static const char *path(const char *name)
{
	static char full[PATH_MAX];

	snprintf(full, sizeof(full), "%s/%s", root, name);
	return full;
}

static const char *text(const char *name)
{
	static char buf[4097];
	FILE *file = fopen(path(name), "r");
	size_t len;

	if (!file)
		fail_msg("%s is missing", name);
	len = fread(buf, 1, sizeof(buf) - 1, file);
	buf[len] = 0;
	fclose(file);
	return buf;
}

static const char *target(const char *name)
{
	static char buf[PATH_MAX];
	ssize_t len = readlink(path(name), buf, sizeof(buf) - 1);

	if (len < 0)
		fail_msg("%s is no link", name);
	buf[len] = 0;
	return buf;
}

static int setup(void **state)
{
	unsigned fds;

	assert_non_null(mkdtemp(root));
	machine = toy_iommu();
	assert_int_equal(toy_add(machine, "0000:01:00.0", NULL, NULL), 0);
	assert_int_equal(toy_add(machine, "0000:01:00.1", NULL, NULL), 0);
	assert_int_equal(toy_add(machine, "0000:00:1d.0", NULL, NULL), 0);
	fds = fds_open();
	assert_int_equal(ioas_pci_sysfs_write(machine, root), 0);
	assert_int_equal(fds_open(), fds);
	assert_int_equal(ioas_pci_sysfs_write(machine, "/no/such"), -ENOENT);
	return 0;
}

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(name);
}

static int teardown(void **state)
{
	ioas_iommu_destroy(machine);
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#define DEV "sys/bus/pci/devices/0000:01:00.0/"

static void identity_files_read_as_on_linux(void **state)
{
	static const char *const files[] = {"ari_enabled",
					    "broken_parity_status",
					    "consistent_dma_mask_bits",
					    "current_link_width",
					    "d3cold_allowed",
					    "dma_mask_bits",
					    "enable",
					    "irq",
					    "local_cpulist",
					    "local_cpus",
					    "msi_bus",
					    "power_state",
					    "reset_method",
					    "power/runtime_status"};
	char name[128];

	assert_string_equal(text(DEV "vendor"), "0x1b36\n");
	assert_string_equal(text(DEV "device"), "0x1234\n");
	assert_string_equal(text(DEV "subsystem_vendor"), "0x1af4\n");
	assert_string_equal(text(DEV "subsystem_device"), "0x1100\n");
	assert_string_equal(text(DEV "class"), "0x010802\n");
	assert_string_equal(text(DEV "revision"), "0x02\n");
	assert_string_equal(text(DEV "numa_node"), "-1\n");
	assert_string_equal(text(DEV "driver_override"), "vfio-pci\n");
	assert_string_equal(text(DEV "max_link_speed"), "8.0 GT/s PCIe\n");
	assert_string_equal(text(DEV "max_link_width"), "4\n");
	assert_string_equal(text(DEV "modalias"),
			    "pci:v00001B36d00001234sv00001AF4sd00001100bc01sc08i02\n");
	assert_string_equal(text(DEV "uevent"),
			    "DRIVER=vfio-pci\nPCI_CLASS=10802\nPCI_ID=1B36:1234\n"
			    "PCI_SUBSYS_ID=1AF4:1100\nPCI_SLOT_NAME=0000:01:00.0\n"
			    "MODALIAS=pci:v00001B36d00001234sv00001AF4sd00001100bc01sc08i02\n");
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(name, sizeof(name), DEV "%s", files[i]);
		assert_true(*text(name));
	}
}

static void config_is_the_whole_space(void **state)
{
	struct stat st;
	FILE *file = fopen(path(DEV "config"), "r");
	uint8_t bytes[4] = {0};

	assert_int_equal(fread(bytes, 1, sizeof(bytes), file), sizeof(bytes));
	fclose(file);
	assert_memory_equal(bytes, "\x36\x1b\x34\x12", 4);
	assert_int_equal(stat(path(DEV "config"), &st), 0);
	assert_int_equal(st.st_size, PCI_CONFIG_LEN);
}

static uint32_t dword(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static void config_leads_to_the_pasid_capability(void **state)
{
	FILE *file = fopen(path(DEV "config"), "r");
	uint8_t bytes[PCI_CONFIG_LEN];
	unsigned off = 0x100;

	assert_int_equal(fread(bytes, 1, sizeof(bytes), file), sizeof(bytes));
	fclose(file);
	while (off && (dword(bytes + off) & 0xffff) != 0x1b)
		off = dword(bytes + off) >> 20;
	assert_int_not_equal(off, 0);
	/* Version 1; 16 bits, execute and privileged; all of it enabled. */
	assert_int_equal(dword(bytes + off), 0x0001001b);
	assert_int_equal(dword(bytes + off + 4), 0x00071006);
}

static void resources_are_lines_of_three_numbers(void **state)
{
	const char *at = text(DEV "resource");
	unsigned long long first, last, flags;
	unsigned lines = 0;
	int used;

	while (sscanf(at, "0x%16llx 0x%16llx 0x%16llx\n%n", &first, &last, &flags, &used) == 3) {
		if (lines == 0) {
			assert_int_equal(last - first, 0x3fff);
			assert_int_equal(flags, 0x140204);
		} else if (lines == 2) {
			assert_int_equal(last - first, 0xff);
			assert_int_equal(flags, 0x40101);
		} else if (lines == 3) {
			assert_int_equal(last - first, 0xfffff);
			assert_int_equal(flags, 0x40200);
		} else {
			assert_int_equal(first | last | flags, 0);
		}
		at += used;
		lines++;
	}
	assert_int_equal(*at, 0);
	assert_int_equal(lines, 13);
}

static void links_read_as_on_linux(void **state)
{
	assert_string_equal(target("sys/bus/pci/devices/0000:01:00.0"),
			    "../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0");
	assert_string_equal(target("sys/bus/pci/devices/0000:00:1d.0"),
			    "../../../devices/pci0000:00/0000:00:1d.0");
	assert_string_equal(target(DEV "driver"), "../../../../bus/pci/drivers/vfio-pci");
	assert_string_equal(target(DEV "subsystem"), "../../../../bus/pci");
	assert_string_equal(target(DEV "iommu_group"), "../../../../kernel/iommu_groups/2");
	assert_string_equal(target("sys/bus/pci/devices/0000:01:00.1/iommu_group"),
			    "../../../../kernel/iommu_groups/2");
	assert_string_equal(target("sys/bus/pci/devices/0000:00:01.0/iommu_group"),
			    "../../../kernel/iommu_groups/0");
	assert_string_equal(target("sys/bus/pci/devices/0000:00:01.0/driver"),
			    "../../../bus/pci/drivers/pcieport");
	assert_string_equal(target(DEV "vfio-dev/vfio1/device"), "../../../0000:01:00.0");
	assert_string_equal(target(DEV "vfio-dev/vfio1/subsystem"),
			    "../../../../../../class/vfio-dev");
	assert_string_equal(target("sys/class/vfio-dev/vfio1"),
			    "../../devices/pci0000:00/0000:00:01.0/0000:01:00.0/vfio-dev/vfio1");
	assert_string_equal(target("sys/kernel/iommu_groups/2/devices/0000:01:00.1"),
			    "../../../../devices/pci0000:00/0000:00:01.0/0000:01:00.1");
	assert_string_equal(target("sys/class/vfio/2"), "../../devices/virtual/vfio/2");
	assert_string_equal(target("sys/dev/char/511:2"), "../../devices/virtual/vfio/2");
	assert_string_equal(target("sys/dev/char/10:196"), "../../devices/virtual/misc/vfio");
	assert_string_equal(target("sys/module/vfio_pci/drivers/pci:vfio-pci"),
			    "../../../bus/pci/drivers/vfio-pci");
}

static void numbers_and_groups_are_there(void **state)
{
	assert_string_equal(text(DEV "vfio-dev/vfio1/dev"), "510:1\n");
	assert_string_equal(text("sys/dev/char/510:0/uevent"),
			    "MAJOR=510\nMINOR=0\nDEVNAME=vfio/devices/vfio0\n");
	assert_string_equal(text("sys/class/vfio/2/dev"), "511:2\n");
	assert_string_equal(text("sys/class/misc/iommu/dev"), "10:127\n");
	assert_string_equal(text("sys/kernel/iommu_groups/2/reserved_regions"),
			    "0x00000000fee00000 0x00000000feefffff msi\n");
	assert_true(*text("sys/kernel/iommu_groups/0/type"));
	assert_string_equal(text("sys/bus/pci/devices/0000:00:01.0/class"), "0x060400\n");
	assert_string_equal(text("sys/bus/pci/devices/0000:00:01.0/secondary_bus_number"), "1\n");
	assert_int_equal(access(path("sys/module/vfio"), F_OK), 0);
	assert_int_equal(access(path("sys/module/vfio_pci"), F_OK), 0);
	assert_int_equal(access(path("sys/module/vfio_iommu_type1"), F_OK), 0);
	assert_int_equal(access(path("sys/bus/pci/drivers/vfio-pci/0000:01:00.0"), F_OK), 0);
	/* What must not be there. */
	assert_int_equal(access(path(DEV "iommu/intel-iommu/cap"), F_OK), -1);
	assert_int_equal(
		access(path("sys/module/vfio/parameters/enable_unsafe_noiommu_mode"), F_OK), -1);
	assert_int_equal(access(path(DEV "max_vfs"), F_OK), -1);
}

static int check_link(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	char *full;

	if (type != FTW_SL && type != FTW_SLN)
		return 0;
	links++;
	full = realpath(name, NULL);
	if (!full)
		fail_msg("%s leads nowhere", name);
	if (strncmp(full, root, strlen(root)) != 0)
		fail_msg("%s leads out of the tree", name);
	free(full);
	return 0;
}

static void every_link_leads_somewhere_inside(void **state)
{
	links = 0;
	assert_int_equal(nftw(root, check_link, 16, FTW_PHYS), 0);
	assert_true(links > 40);
}

static void writing_again_changes_nothing(void **state)
{
	assert_int_equal(ioas_pci_sysfs_write(machine, root), 0);
	every_link_leads_somewhere_inside(state);
	identity_files_read_as_on_linux(state);
}

static void a_missing_folder_is_an_error(void **state)
{
	assert_int_equal(ioas_pci_sysfs_write(machine, path("nowhere")), -ENOENT);
	assert_int_equal(ioas_pci_sysfs_write(machine, path(DEV "vendor")), -ENOTDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identity_files_read_as_on_linux),
		cmocka_unit_test(config_is_the_whole_space),
		cmocka_unit_test(config_leads_to_the_pasid_capability),
		cmocka_unit_test(resources_are_lines_of_three_numbers),
		cmocka_unit_test(links_read_as_on_linux),
		cmocka_unit_test(numbers_and_groups_are_there),
		cmocka_unit_test(every_link_leads_somewhere_inside),
		cmocka_unit_test(writing_again_changes_nothing),
		cmocka_unit_test(a_missing_folder_is_an_error),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
