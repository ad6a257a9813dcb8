/* SPDX-License-Identifier: MIT */
/* Description: devices of a described machine, by their descriptors. What the fuzzer found first.
 */
#include <ioas/device.h>
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

static const struct ioas_pci_addr addr[3] = {{.bus = 1}, {.bus = 2}, {.bus = 3}};

static int setup_two_iommus(void **state)
{
	return world_setup_machine(state, NULL, two_iommus, addr);
}

static int setup_open_port(void **state)
{
	return world_setup_machine(state, NULL, open_port, addr);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_attach_takes_the_oldest_table_that_serves,
						setup_two_iommus, world_teardown),
		cmocka_unit_test_setup_teardown(a_function_that_came_later_is_a_peer_too,
						setup_open_port, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
