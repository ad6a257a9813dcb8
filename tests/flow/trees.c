/* SPDX-License-Identifier: MIT */
/*
 * Description: who may go where on machines with groups, bridges and ports without ACS: VFIO's
 * ioctls on one side, TLPs on the other.
 */
#include <string.h>
#include <ioas/device.h>
#include "pci/pci.h"
#include "tests/unit/uapi/world.h"

#define SOFT "iommu kind=soft,aw=48,pasid=20,pasid0apart,dirty"
#define ACS  ",acs,acs_cap=1f,acs_ctrl=1d"

#define AT(b, d, f)                                 \
	{                                           \
		.bus = (b), .devfn = (d) << 3 | (f) \
	}

/* One device with two functions, which isolates nothing, below a root port that does. */
static const char *const functions[] = {
	SOFT,
	"function addr=00:01.0,type=root port,secondary=1,subordinate=1" ACS,
	"function addr=00:02.0,type=root port,secondary=2,subordinate=2" ACS,
	"function addr=01:00.0,type=endpoint,multifunction",
	"function addr=01:00.1,type=endpoint,multifunction",
	"function addr=02:00.0,type=endpoint",
	NULL,
};
static const struct ioas_pci_addr functions_at[3] = {AT(1, 0, 0), AT(1, 0, 1), AT(2, 0, 0)};

/* The same, with a third function in the group that the host's driver has. */
static const char *const hosted[] = {
	SOFT,
	"function addr=00:01.0,type=root port,secondary=1,subordinate=1" ACS,
	"function addr=00:02.0,type=root port,secondary=2,subordinate=2" ACS,
	"function addr=01:00.0,type=endpoint,multifunction",
	"function addr=01:00.1,type=endpoint,multifunction",
	"function addr=01:00.2,type=endpoint,multifunction,driver=snd_hda_intel",
	"function addr=02:00.0,type=endpoint",
	NULL,
};

/* Two conventional cards behind a PCIe-to-PCI bridge. */
static const char *const conventional[] = {
	SOFT,
	"function addr=00:01.0,type=root port,secondary=1,subordinate=2" ACS,
	"function addr=00:02.0,type=root port,secondary=3,subordinate=3" ACS,
	"function addr=01:00.0,type=PCIe-to-PCI bridge,secondary=2,subordinate=2",
	"function addr=02:00.0,type=PCI function",
	"function addr=02:01.0,type=PCI function",
	"function addr=03:00.0,type=endpoint",
	NULL,
};
static const struct ioas_pci_addr conventional_at[3] = {AT(2, 0, 0), AT(2, 1, 0), AT(3, 0, 0)};

/* A switch with two devices, whose downstream ports send peers to one another. */
#define SWITCH(acs)                                                                           \
	SOFT, "function addr=00:01.0,type=root port,secondary=1,subordinate=4" ACS,           \
		"function addr=00:02.0,type=root port,secondary=5,subordinate=5" ACS,         \
		"function addr=01:00.0,type=upstream port,secondary=2,subordinate=4",         \
		"function addr=02:00.0,type=downstream port,secondary=3,subordinate=3" acs,   \
		"function addr=02:01.0,type=downstream port,secondary=4,subordinate=4" acs,   \
		"function addr=03:00.0,type=endpoint", "function addr=04:00.0,type=endpoint", \
		"function addr=05:00.0,type=endpoint", NULL
static const char *const turning[] = {SWITCH("")};
static const char *const redirecting[] = {SWITCH(ACS)};
static const struct ioas_pci_addr switch_at[3] = {AT(3, 0, 0), AT(4, 0, 0), AT(5, 0, 0)};

static int on_functions(void **state)
{
	return world_setup_machine(state, NULL, functions, functions_at);
}

static int on_functions_strict(void **state)
{
	const struct ioas_iommu_config config = {.groups_strict = true};

	return world_setup_machine(state, &config, functions, functions_at);
}

static int on_hosted(void **state)
{
	return world_setup_machine(state, NULL, hosted, functions_at);
}

static int on_conventional(void **state)
{
	return world_setup_machine(state, NULL, conventional, conventional_at);
}

static int on_turning(void **state)
{
	return world_setup_machine(state, NULL, turning, switch_at);
}

static int on_redirecting(void **state)
{
	return world_setup_machine(state, NULL, redirecting, switch_at);
}

/* The first two functions of a world, bound to one iommufd, and two spaces with a page each. */
struct pair {
	struct world *w;
	int fd, cdev[2];
	uint32_t ioas[2];
	struct ioas_issuer *issuer[2];
};

#define IOVA 0x10000u

static void master_on(struct world *w, unsigned i)
{
	uint16_t command = PCI_CMD_MASTER | PCI_CMD_MEMORY;

	assert_int_equal(pci_config_write(w->dev[i].pci, PCI_CFG_COMMAND, &command, 2), 2);
}

static struct pair start(struct world *w)
{
	struct pair pair = {.w = w, .fd = w_open(w, "/dev/iommu")};

	for (unsigned i = 0; i < 2; i++) {
		uint64_t iova = IOVA;
		uint32_t flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
				 IOMMU_IOAS_MAP_WRITEABLE;

		pair.ioas[i] = w_ioas(w, pair.fd);
		memset(w->page + i * PAGE, 'a' + (int)i, PAGE);
		assert_int_equal(
			w_map(w, pair.fd, pair.ioas[i], flags, w->page + i * PAGE, PAGE, &iova), 0);
		pair.cdev[i] = w_open_cdev(w, i);
		w_bind(w, pair.cdev[i], pair.fd);
		master_on(w, i);
		assert_int_equal(ioas_issuer_new(ioas_pci_device(w->dev[i].pci), &pair.issuer[i]),
				 0);
	}
	return pair;
}

static void stop(struct pair *pair)
{
	for (unsigned i = 0; i < 2; i++)
		ioas_issuer_destroy(pair->issuer[i]);
}

/* Device i to space `to`. */
static long attach(struct pair *pair, unsigned i, unsigned to)
{
	uint32_t id = pair->ioas[to];

	return w_attach(pair->w, pair->cdev[i], &id);
}

static void detach(struct pair *pair, unsigned i)
{
	struct vfio_device_detach_iommufd_pt cmd = {.argsz = sizeof(cmd)};

	assert_int_equal(w_ioctl(pair->w, pair->cdev[i], VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd), 0);
}

/* The byte that device i reads, or -errno. */
static int look(struct pair *pair, unsigned i, iova_t addr)
{
	char byte = 0;
	int rc = ioas_dma_read(pair->issuer[i], addr, &byte, 1);

	return rc ? rc : byte;
}

static struct ioas_fault newest(struct world *w)
{
	struct ioas_fault fault = {0};
	uint64_t seq = 0;

	while (ioas_fault_read(w->iommu, &seq, &fault, 1))
		;
	return fault;
}

static void two_functions_of_one_group_go_to_two_spaces(void **state)
{
	struct pair pair = start(*state);

	assert_ptr_equal(pci_group_of(pair.w->dev[0].pci), pci_group_of(pair.w->dev[1].pci));
	assert_int_equal(attach(&pair, 0, 0), 0);
	assert_int_equal(look(&pair, 1, IOVA), -EFAULT);
	assert_int_equal(newest(pair.w).reason, IOAS_FAULT_NO_ROUTE);
	assert_int_equal(attach(&pair, 1, 1), 0);
	assert_int_equal(look(&pair, 0, IOVA), 'a');
	assert_int_equal(look(&pair, 1, IOVA), 'b');
	detach(&pair, 0);
	assert_int_equal(look(&pair, 0, IOVA), -EFAULT);
	assert_int_equal(look(&pair, 1, IOVA), 'b');
	stop(&pair);
}

static void strict_groups_have_one_space_and_say_who_is_where(void **state)
{
	struct pair pair = start(*state);

	assert_int_equal(attach(&pair, 0, 0), 0);
	assert_int_equal(attach(&pair, 1, 1), -EINVAL);
	assert_non_null(strstr(pair.w->why.text, "0000:01:00.0"));
	assert_int_equal(attach(&pair, 1, 0), 0);
	assert_int_equal(look(&pair, 1, IOVA), 'a');
	stop(&pair);
}

static void cards_behind_a_bridge_share_its_requester_id_and_one_space(void **state)
{
	struct pair pair = start(*state);

	assert_int_equal(attach(&pair, 0, 0), 0);
	/* The IOMMU cannot tell them apart: the other one's requests go there, too. */
	assert_int_equal(look(&pair, 1, IOVA), 'a');
	assert_int_equal(attach(&pair, 1, 1), -EINVAL);
	assert_non_null(strstr(pair.w->why.text, "0000:02:00.0"));
	assert_int_equal(attach(&pair, 1, 0), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(look(&pair, i, IOVA), 'a');
		assert_int_equal(look(&pair, i, 4 * IOVA), -EFAULT);
		assert_int_equal(newest(pair.w).id, 0x200);
		assert_int_equal(newest(pair.w).reason, IOAS_FAULT_NOT_MAPPED);
	}
	/* A replace moves both. */
	assert_int_equal(attach(&pair, 1, 1), 0);
	assert_int_equal(look(&pair, 0, IOVA), 'b');
	assert_int_equal(look(&pair, 1, IOVA), 'b');
	/* The last one that leaves ends it. */
	detach(&pair, 1);
	assert_int_equal(look(&pair, 0, IOVA), 'b');
	detach(&pair, 0);
	assert_int_equal(look(&pair, 0, IOVA), -EFAULT);
	assert_int_equal(look(&pair, 1, IOVA), -EFAULT);
	assert_int_equal(attach(&pair, 1, 1), 0);
	stop(&pair);
}

/* After a replace of the set, nothing is left at the space that it left. */
static void a_space_that_a_share_set_left_can_be_destroyed(void **state)
{
	struct pair pair = start(*state);
	struct iommu_destroy cmd = {.size = sizeof(cmd), .id = pair.ioas[0]};

	assert_int_equal(attach(&pair, 0, 0), 0);
	assert_int_equal(attach(&pair, 1, 0), 0);
	assert_int_equal(w_ioctl(pair.w, pair.fd, IOMMU_DESTROY, &cmd), -EBUSY);
	assert_int_equal(attach(&pair, 0, 1), 0);
	assert_int_equal(w_ioctl(pair.w, pair.fd, IOMMU_DESTROY, &cmd), 0);
	assert_int_equal(look(&pair, 1, IOVA), 'b');
	stop(&pair);
}

static void a_group_with_a_driver_of_the_host_is_refused_with_both_names(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), cdev = w_open_cdev(w, 0), group = w_open_group(w, 0);
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = fd};
	struct vfio_group_status status = {.argsz = sizeof(status)};
	int container = w_open(w, "/dev/vfio/vfio");

	assert_int_equal(w_ioctl(w, group, VFIO_GROUP_GET_STATUS, &status), 0);
	assert_int_equal(status.flags, 0);
	assert_int_equal(w_ioctl(w, group, VFIO_GROUP_SET_CONTAINER, &container), -EPERM);
	assert_non_null(strstr(w->why.text, "snd_hda_intel"));
	assert_non_null(strstr(w->why.text, "0000:01:00.2"));
	w_close(w, group);
	assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_BIND_IOMMUFD, &bind), -EPERM);
	assert_non_null(strstr(w->why.text, "0000:01:00.2"));
	/* Another group is none of its business. */
	w_bind(w, w_open_cdev(w, 2), fd);
}

static void ports_without_acs_turn_requests_to_peers_on_record(void **state)
{
	struct pair pair = start(*state);
	uint64_t bar = pair.w->dev[1].pci->bar_base[0], value = 0x1122334455667788;

	assert_int_equal(attach(&pair, 0, 0), 0);
	assert_int_equal(ioas_dma_write(pair.issuer[0], bar + 16, &value, 8), 0);
	assert_int_equal(pair.w->dev[1].regs[2], value);
	assert_int_equal(newest(pair.w).reason, IOAS_PASSED_PEER);
	assert_string_equal(newest(pair.w).other, "0000:04:00.0");
	value = 0;
	assert_int_equal(ioas_dma_read(pair.issuer[0], bar + 16, &value, 8), 0);
	assert_int_equal(value, 0x1122334455667788);
	assert_int_equal(ioas_device_counters(ioas_pci_device(pair.w->dev[0].pci))->around, 2);
	/* What is no peer's goes to the IOMMU, as the one behind another root port is none. */
	assert_int_equal(look(&pair, 0, IOVA), 'a');
	assert_int_equal(look(&pair, 0, pair.w->dev[2].pci->bar_base[0]), -EFAULT);
	assert_int_equal(newest(pair.w).reason, IOAS_FAULT_NOT_MAPPED);
	/* Past the end of the BAR nobody answers. */
	assert_int_equal(ioas_dma_write(pair.issuer[0], bar + BAR_LEN - 4, &value, 8), -EFAULT);
	assert_int_equal(newest(pair.w).reason, IOAS_FAULT_PEER);
	stop(&pair);
}

static void ports_with_acs_send_them_to_the_iommu(void **state)
{
	struct pair pair = start(*state);
	uint64_t bar = pair.w->dev[1].pci->bar_base[0], value = 1;

	assert_ptr_not_equal(pci_group_of(pair.w->dev[0].pci), pci_group_of(pair.w->dev[1].pci));
	assert_int_equal(attach(&pair, 0, 0), 0);
	assert_int_equal(ioas_dma_write(pair.issuer[0], bar, &value, 8), -EFAULT);
	assert_int_equal(newest(pair.w).reason, IOAS_FAULT_NOT_MAPPED);
	assert_int_equal(pair.w->dev[1].regs[0], 0);
	stop(&pair);
}

int main(void)
{
#define TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(two_functions_of_one_group_go_to_two_spaces, on_functions),
		TEST(strict_groups_have_one_space_and_say_who_is_where, on_functions_strict),
		TEST(cards_behind_a_bridge_share_its_requester_id_and_one_space, on_conventional),
		TEST(a_space_that_a_share_set_left_can_be_destroyed, on_conventional),
		TEST(a_group_with_a_driver_of_the_host_is_refused_with_both_names, on_hosted),
		TEST(ports_without_acs_turn_requests_to_peers_on_record, on_turning),
		TEST(ports_with_acs_send_them_to_the_iommu, on_redirecting),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
