/* SPDX-License-Identifier: MIT */
/* Description: devices of a described machine, by their descriptors. What the fuzzer found first.
 */
#include <ioas/device.h>
#include <ioas/uapi_ext.h>
#include "pci/pci.h"
#include "world.h"

#define PORT ",type=root port,acs,acs_cap=1d,acs_ctrl=1d"

/* Three functions at ports of their own; the second is behind a narrower IOMMU. */
static const char *const two_iommus[] = {
	"iommu kind=soft,aw=48",
	"iommu kind=soft,aw=39",
	"function addr=0000:00:01.0" PORT ",secondary=1,subordinate=1,iommu=0",
	"function addr=0000:01:00.0,type=endpoint",
	"function addr=0000:00:02.0" PORT ",secondary=2,subordinate=2,iommu=1",
	"function addr=0000:02:00.0,type=endpoint",
	"function addr=0000:00:03.0" PORT ",secondary=3,subordinate=3,iommu=0",
	"function addr=0000:03:00.0,type=endpoint",
	NULL,
};

/* The port above the first one turns its requests to peers; the others' do not. */
static const char *const open_port[] = {
	"iommu kind=soft",
	"function addr=0000:00:01.0,type=root port,secondary=1,subordinate=1,iommu=0",
	"function addr=0000:01:00.0,type=endpoint",
	"function addr=0000:00:02.0" PORT ",secondary=2,subordinate=2,iommu=0",
	"function addr=0000:02:00.0,type=endpoint",
	"function addr=0000:00:03.0" PORT ",secondary=3,subordinate=3,iommu=0",
	"function addr=0000:03:00.0,type=endpoint",
	NULL,
};

/* Two functions whose bridge puts one requester ID on the wire, and one apart. */
static const char *const shared[] = {
	"iommu kind=vtd",
	"function addr=0000:00:01.0,type=PCIe-to-PCI bridge,secondary=1,subordinate=1,iommu=0",
	"function addr=0000:01:00.0,type=PCI function",
	"function addr=0000:01:01.0,type=PCI function",
	"function addr=0000:00:03.0" PORT ",secondary=3,subordinate=3,iommu=0",
	"function addr=0000:03:00.0,type=endpoint",
	NULL,
};

static const struct ioas_pci_addr shared_addr[3] = {{.bus = 1}, {.bus = 1, .devfn = 8}, {.bus = 3}};
static const struct ioas_pci_addr addr[3] = {{.bus = 1}, {.bus = 2}, {.bus = 3}};

static int setup_two_iommus(void **state)
{
	return world_setup_machine(state, NULL, two_iommus, addr);
}

static int setup_open_port(void **state)
{
	return world_setup_machine(state, NULL, open_port, addr);
}

static int setup_shared(void **state)
{
	return world_setup_machine(state, NULL, shared, shared_addr);
}

/* May the page of interrupts be mapped? */
static bool has_room_for_interrupts(struct world *w, int fd, uint32_t ioas)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = ioas, .iova = 0xfee00000, .length = PAGE};
	uint64_t iova = unmap.iova;
	long rc = w_map(w, fd, ioas, IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE, w->page,
			PAGE, &iova);

	if (!rc)
		assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_UNMAP, &unmap), 0);
	return !rc;
}

/* What moves with another keeps interrupts free where it is moved to, and for as long as it is
 * there.
 */
static void each_of_a_share_set_reserves_its_own(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), cdev[2];
	uint32_t a = w_ioas(w, fd), b = w_ioas(w, fd), to;
	struct vfio_device_detach_iommufd_pt detach = {.argsz = 8};

	for (unsigned i = 0; i < 2; i++) {
		cdev[i] = w_open_cdev(w, i);
		w_bind(w, cdev[i], fd);
	}
	for (unsigned last = 0; last < 2; last++) {
		for (unsigned i = 0; i < 2; i++) {
			to = a;
			assert_int_equal(w_attach(w, cdev[i], &to), 0);
		}
		assert_false(has_room_for_interrupts(w, fd, a));
		assert_true(has_room_for_interrupts(w, fd, b));
		/* A replace of one takes both. */
		to = b;
		assert_int_equal(w_attach(w, cdev[0], &to), 0);
		assert_true(has_room_for_interrupts(w, fd, a));
		assert_false(has_room_for_interrupts(w, fd, b));
		assert_int_equal(w_ioctl(w, cdev[!last], VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach),
				 0);
		assert_false(has_room_for_interrupts(w, fd, b));
		assert_int_equal(w_ioctl(w, cdev[last], VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach), 0);
		assert_true(has_room_for_interrupts(w, fd, b));
	}
}

/* Both page tables serve the third device; Linux asks the one that was there first. */
static void an_attach_takes_the_oldest_table_that_serves(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	uint32_t ioas = w_ioas(w, fd), pt[3] = {ioas, ioas, ioas};

	for (unsigned i = 0; i < 3; i++) {
		int cdev = w_open_cdev(w, i);

		w_bind(w, cdev, fd);
		assert_int_equal(w_attach(w, cdev, &pt[i]), 0);
	}
	assert_int_not_equal(pt[1], pt[0]);
	assert_int_equal(pt[2], pt[0]);
}

/* What it is attached to, which is a page table where an IOAS was named; and who did nothing. */
static void an_attach_answers_with_its_page_table(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), cdev = w_open_cdev(w, 0);
	struct ioas_attach cmd = {.size = sizeof(cmd)};
	struct ioas_detach detach = {.size = sizeof(detach)};
	uint32_t ioas = w_ioas(w, fd), pt;

	w_bind(w, cdev, fd);
	cmd.pt_id = ioas;
	cmd.out_flags = 77;
	assert_int_equal(w_ioctl(w, cdev, IOAS_ATTACH, &cmd), 0);
	assert_int_not_equal(cmd.pt_id, ioas);
	assert_int_equal(cmd.out_flags, 0);
	pt = cmd.pt_id;
	assert_int_equal(w_ioctl(w, cdev, IOAS_ATTACH, &cmd), 0);
	assert_int_equal(cmd.pt_id, pt);
	assert_int_equal(cmd.out_flags, IOAS_ATTACH_NO_OP);
	assert_int_equal(w_ioctl(w, cdev, IOAS_DETACH, &detach), 0);
	assert_int_equal(w_ioctl(w, cdev, IOAS_DETACH, &detach), 0);
	/* Each reserved field and flag by itself. */
	cmd.__reserved = 1;
	assert_int_equal(w_ioctl(w, cdev, IOAS_ATTACH, &cmd), -EOPNOTSUPP);
	cmd.__reserved = 0;
	cmd.flags = IOAS_ATTACH_PASID << 1;
	assert_int_equal(w_ioctl(w, cdev, IOAS_ATTACH, &cmd), -EOPNOTSUPP);
	cmd.flags = 0;
	cmd.pasid = 1;
	assert_int_equal(w_ioctl(w, cdev, IOAS_ATTACH, &cmd), -EINVAL);
	assert_int_equal(w_ioctl(w, fd, IOAS_ATTACH, &cmd), -ENOTTY);
	assert_int_equal(w_ioctl(w, fd, IOAS_DETACH, &detach), -ENOTTY);
}

static void a_function_that_came_later_is_a_peer_too(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	uint16_t command = 6;
	struct ioas_issuer *issuer;

	for (unsigned i = 0; i < 3; i++) {
		int cdev = w_open_cdev(w, i);

		w_bind(w, cdev, fd);
		assert_int_equal(pci_config_write(w->dev[i].pci, 4, &command, 2), 2);
	}
	assert_int_equal(ioas_issuer_new(ioas_pci_device(w->dev[0].pci), &issuer), 0);
	for (unsigned i = 1; i < 3; i++) {
		uint64_t value = 0, seq;

		w->dev[i].regs[1] = 0x1234 + i;
		assert_int_equal(ioas_dma_read(issuer, w->dev[i].pci->bar_base[0] + 8, &value, 8),
				 0);
		assert_int_equal(value, 0x1234 + i);
		assert_int_equal(ioas_issuer_fault(issuer, &seq), IOAS_PASSED_PEER);
	}
	ioas_issuer_destroy(issuer);
}

/* And what begins there but ends beyond is an error, not a part. */
static void a_peer_answers_from_its_first_byte_to_its_last(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	uint16_t command = 6;
	struct ioas_issuer *issuer;
	uint64_t base, two[2], seq;

	for (unsigned i = 0; i < 3; i++) {
		w_bind(w, w_open_cdev(w, i), fd);
		assert_int_equal(pci_config_write(w->dev[i].pci, 4, &command, 2), 2);
	}
	assert_int_equal(ioas_issuer_new(ioas_pci_device(w->dev[0].pci), &issuer), 0);
	for (unsigned i = 1; i < 3; i++) {
		base = w->dev[i].pci->bar_base[0];
		w->dev[i].regs[0] = 0x1111 * i;
		w->dev[i].regs[1] = 0x2222 * i;
		w->dev[i].regs[BAR_LEN / 8 - 1] = 0x3333 * i;
		assert_int_equal(ioas_dma_read(issuer, base, two, 16), 0);
		assert_int_equal(two[0], 0x1111 * i);
		assert_int_equal(two[1], 0x2222 * i);
		assert_int_equal(ioas_dma_read(issuer, base + BAR_LEN - 8, two, 8), 0);
		assert_int_equal(two[0], 0x3333 * i);
		assert_int_equal(ioas_dma_read(issuer, base + BAR_LEN - 8, two, 16), -EFAULT);
		assert_int_equal(ioas_issuer_fault(issuer, &seq), IOAS_FAULT_PEER);
		/* Behind the last of all the IOMMU answers. */
		if (i == 2) {
			assert_int_equal(ioas_dma_read(issuer, base + BAR_LEN, two, 8), -EFAULT);
			assert_int_not_equal(ioas_issuer_fault(issuer, &seq), IOAS_FAULT_PEER);
		}
		two[0] = 0x4444 * i;
		two[1] = 0x5555 * i;
		assert_int_equal(ioas_dma_write(issuer, base + BAR_LEN - 16, two, 16), 0);
		assert_int_equal(w->dev[i].regs[BAR_LEN / 8 - 2], 0x4444 * i);
		assert_int_equal(w->dev[i].regs[BAR_LEN / 8 - 1], 0x5555 * i);
		/* Asleep it does not answer. */
		assert_int_equal(pci_low_power_enter(w->dev[i].pci, -1), 0);
		assert_int_equal(ioas_dma_read(issuer, base, two, 8), -EFAULT);
		assert_int_equal(ioas_issuer_fault(issuer, &seq), IOAS_FAULT_PEER);
		pci_low_power_leave(w->dev[i].pci);
	}
	ioas_issuer_destroy(issuer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_attach_takes_the_oldest_table_that_serves,
						setup_two_iommus, world_teardown),
		cmocka_unit_test_setup_teardown(an_attach_answers_with_its_page_table,
						setup_two_iommus, world_teardown),
		cmocka_unit_test_setup_teardown(a_peer_answers_from_its_first_byte_to_its_last,
						setup_open_port, world_teardown),
		cmocka_unit_test_setup_teardown(a_function_that_came_later_is_a_peer_too,
						setup_open_port, world_teardown),
		cmocka_unit_test_setup_teardown(each_of_a_share_set_reserves_its_own, setup_shared,
						world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
