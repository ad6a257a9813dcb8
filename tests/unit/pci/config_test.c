/* SPDX-License-Identifier: MIT */
/* Config space as vfio-pci shows it. Expected values were read from Linux 6.12 (QEMU's nvme). */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include "toy.h"

static unsigned find_cap(struct toy *toy, unsigned id)
{
	unsigned off = cfg(toy, 0x34, 1);

	for (unsigned n = 0; off && n < 48; n++, off = cfg(toy, off + 1, 1))
		if (cfg(toy, off, 1) == id)
			return off;
	return 0;
}

static unsigned find_ext(struct toy *toy, unsigned id)
{
	unsigned off = 0x100;

	for (unsigned n = 0; off && n < 48; n++) {
		uint32_t header = cfg(toy, off, 4);

		if ((header & 0xffff) == id)
			return off;
		off = header >> 20;
	}
	return 0;
}

static void header_says_what_the_description_says(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;

	assert_int_equal(cfg(toy, 0x00, 4), 0x12341b36);
	assert_int_equal(cfg(toy, 0x08, 4), 0x01080202);
	assert_int_equal(cfg(toy, 0x0e, 1), 0);
	assert_int_equal(cfg(toy, 0x2c, 4), 0x11001af4);
	assert_int_equal(cfg(toy, 0x3d, 1), 1);
	assert_int_equal(cfg(toy, 0x06, 2), 0x0010);
	assert_int_equal(cfg(toy, 0x04, 2), PCI_CMD_IO | PCI_CMD_MEMORY);
}

static void capabilities_are_linked(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	unsigned msix = find_cap(toy, 0x11), exp = find_cap(toy, 0x10), pm = find_cap(toy, 1);
	unsigned serial = find_ext(toy, 3);

	assert_true(msix && exp && pm && find_ext(toy, 1) && serial);
	assert_int_equal(cfg(toy, msix + 2, 2), TOY_VECTORS - 1);
	assert_int_equal(cfg(toy, msix + 4, 4), TOY_TABLE);
	assert_int_equal(cfg(toy, msix + 8, 4), TOY_PBA);
	assert_int_equal(cfg(toy, exp + 2, 2), 0x0002);
	assert_true(cfg(toy, exp + 4, 4) & 1 << 28);
	assert_int_equal(cfg(toy, exp + 0x12, 2) & 0x3ff, 0x043);
	assert_int_equal(cfg(toy, serial + 4, 4), 0x89abcdef);
	assert_int_equal(cfg(toy, serial + 8, 4), 0x01234567);
}

static void the_pasid_capability_is_not_shown_to_the_user(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;

	assert_int_equal(find_ext(toy, 0x1b), 0);
	/* The space itself is raw in Linux, too; here nothing of it can be changed. */
	assert_int_equal(cfg(toy, PCI_CFG_PASID + 4, 4), 0x00071006);
	set_cfg(toy, PCI_CFG_PASID + 6, 0, 2);
	assert_int_equal(cfg(toy, PCI_CFG_PASID + 6, 2), 7);
}

static void bars_can_be_sized_and_moved(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;

	set_cfg(toy, 0x10, 0xffffffff, 4);
	set_cfg(toy, 0x14, 0xffffffff, 4);
	assert_int_equal(cfg(toy, 0x10, 4), 0xffffc004);
	assert_int_equal(cfg(toy, 0x14, 4), 0xffffffff);
	set_cfg(toy, 0x10, 0x12345678, 4);
	assert_int_equal(cfg(toy, 0x10, 4), 0x12344004);
	set_cfg(toy, 0x10, 0, 4);
	set_cfg(toy, 0x11, 0xab, 1);
	set_cfg(toy, 0x12, 0xcd, 1);
	assert_int_equal(cfg(toy, 0x10, 4), 0x00cd8004);
	set_cfg(toy, 0x18, 0xffffffff, 4);
	assert_int_equal(cfg(toy, 0x18, 4), 0xffffff01);
	set_cfg(toy, 0x1c, 0xffffffff, 4);
	assert_int_equal(cfg(toy, 0x1c, 4), 0xfff00000);
	set_cfg(toy, 0x20, 0xffffffff, 4);
	assert_int_equal(cfg(toy, 0x20, 4), 0);
	set_cfg(toy, 0x30, 0xffffffff, 4);
	assert_int_equal(cfg(toy, 0x30, 4), 0);
}

static void what_the_user_cannot_change_stays(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	unsigned msix = find_cap(toy, 0x11), exp = find_cap(toy, 0x10), pm = find_cap(toy, 1);
	uint32_t link = cfg(toy, exp + 0x10, 2);

	set_cfg(toy, 0x00, 0, 4);
	set_cfg(toy, 0x06, 0xffff, 2);
	set_cfg(toy, msix + 2, 0xffff, 2);
	set_cfg(toy, pm + 4, 0xff00, 2);
	set_cfg(toy, exp + 0x10, 0xffff, 2);
	assert_int_equal(cfg(toy, 0x00, 4), 0x12341b36);
	assert_int_equal(cfg(toy, 0x06, 2), 0x0010);
	assert_int_equal(cfg(toy, msix + 2, 2), TOY_VECTORS - 1);
	assert_int_equal(cfg(toy, pm + 4, 2), 8);
	assert_int_equal(cfg(toy, exp + 0x10, 2), link);
	set_cfg(toy, 0x3c, 0x55, 1);
	assert_int_equal(cfg(toy, 0x3c, 2), 0x0155);
}

static void errors_are_cleared_by_writing_ones(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	unsigned aer = find_ext(toy, 1);

	/* Nothing raises an error yet, so raise one by hand. */
	pthread_mutex_lock(&toy->pci->control);
	config_set32(&toy->pci->config, aer + 4, 0x00004010);
	pthread_mutex_unlock(&toy->pci->control);
	set_cfg(toy, aer + 4, 0x00000010, 4);
	assert_int_equal(cfg(toy, aer + 4, 4), 0x00004000);
	set_cfg(toy, aer + 4, 0, 4);
	assert_int_equal(cfg(toy, aer + 4, 4), 0x00004000);
	set_cfg(toy, aer + 5, 0xff, 1);
	assert_int_equal(cfg(toy, aer + 4, 4), 0);
	set_cfg(toy, aer + 8, 0xffffffff, 4);
	assert_int_equal(cfg(toy, aer + 8, 4), 0x07fff030);
}

static void accesses_may_have_any_size_but_not_leave(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	uint8_t all[PCI_CONFIG_LEN], part[9];

	assert_int_equal(pci_config_read(toy->pci, 0, all, sizeof(all)), sizeof(all));
	for (size_t len = 0; len <= sizeof(part); len++) {
		assert_int_equal(pci_config_read(toy->pci, 1, part, len), len);
		assert_memory_equal(part, all + 1, len);
	}
	assert_int_equal(pci_config_read(toy->pci, 4094, part, 2), 2);
	assert_int_equal(pci_config_read(toy->pci, 4094, part, 4), -EFAULT);
	assert_int_equal(pci_config_read(toy->pci, 4096, part, 1), -EFAULT);
	/* Nothing at its end is all that there is. */
	assert_int_equal(pci_config_read(toy->pci, 4096, part, 0), 0);
	assert_int_equal(pci_config_write(toy->pci, 4096, part, 0), 0);
	assert_int_equal(pci_config_read(toy->pci, 4097, part, 0), -EFAULT);
	assert_int_equal(pci_config_write(toy->pci, 4096, part, 1), -EFAULT);
	assert_int_equal(pci_config_write(toy->pci, UINT64_MAX, part, 2), -EFAULT);
}

/*
 * The twin: one byte at a time, each by its own masks, with the two rules that look further spelled
 * out again. Random writes of all sizes must give the same space.
 */
static void any_write_is_like_its_bytes(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	struct pci_config *config = &toy->pci->config;
	unsigned pm = config->pm + 4u, exp = config->exp + 9u;
	uint8_t twin[PCI_CONFIG_LEN], seen[PCI_CONFIG_LEN];
	uint32_t seed = 1;

	memcpy(twin, config->bytes, sizeof(twin));
	for (unsigned n = 0; n < 20000; n++) {
		uint8_t buf[8], old_pm = twin[pm];
		unsigned off, len;

		seed = seed * 1664525 + 1013904223;
		len = 1 + (seed >> 28) % 8;
		off = (seed >> 8) % (n % 2 ? 0x100 : 0x160);
		for (unsigned i = 0; i < len; i++) {
			uint8_t w = config->writable[off + i], c = config->clear[off + i];

			seed = seed * 1664525 + 1013904223;
			buf[i] = (uint8_t)(seed >> 24);
			twin[off + i] = (uint8_t)((twin[off + i] & ~w) | (buf[i] & w));
			twin[off + i] &= (uint8_t) ~(buf[i] & c);
		}
		if ((twin[pm] & 3) == 1 || (twin[pm] & 3) == 2)
			twin[pm] = (uint8_t)((twin[pm] & ~3) | (old_pm & 3));
		if (twin[exp] & 0x80) {
			twin[exp] &= 0x7f;
			twin[pm] &= (uint8_t)~3;
		}
		assert_int_equal(pci_config_write(toy->pci, off, buf, len), len);
		assert_int_equal(pci_config_read(toy->pci, 0, seen, sizeof(seen)), sizeof(seen));
		assert_memory_equal(seen, twin, sizeof(twin));
	}
}

static void bus_master_opens_the_bus(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;

	assert_false(ioas_pci_bus_master(toy->pci));
	assert_false(atomic_load(&toy->pci->dev->dma_on));
	set_cfg(toy, 4, 6, 2);
	assert_true(ioas_pci_bus_master(toy->pci));
	assert_true(atomic_load(&toy->pci->dev->dma_on));
	set_cfg(toy, 4, 6, 1);
	assert_int_equal(toy->masters_on, 1);
	set_cfg(toy, 4, 2, 2);
	assert_false(atomic_load(&toy->pci->dev->dma_on));
	assert_int_equal(toy->masters_off, 1);
}

static void a_sleeping_function_masters_nothing(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	unsigned pm = find_cap(toy, 1);
	uint64_t value;

	set_cfg(toy, 4, 6, 2);
	set_cfg(toy, pm + 4, 3, 2);
	assert_int_equal(cfg(toy, pm + 4, 2), 0x000b);
	assert_false(atomic_load(&toy->pci->dev->dma_on));
	assert_int_equal(pci_bar_access(toy->pci, 0, 0, false, &value, 4), -EIO);
	set_cfg(toy, pm + 4, 1, 2);
	assert_int_equal(cfg(toy, pm + 4, 2), 0x000b);
	set_cfg(toy, pm + 4, 0, 2);
	assert_true(atomic_load(&toy->pci->dev->dma_on));
	assert_int_equal(pci_bar_access(toy->pci, 0, 0, false, &value, 4), 0);
	set_cfg(toy, pm + 4, 2, 2);
	assert_int_equal(cfg(toy, pm + 4, 2), 0x0008);
}

static void check_reset(struct toy *toy, void (*reset)(struct toy *toy))
{
	unsigned exp = find_cap(toy, 0x10), pm = find_cap(toy, 1);
	unsigned resets = toy->resets;

	set_cfg(toy, 4, 0x406, 2);
	set_cfg(toy, 0x10, 0xdead0000, 4);
	set_cfg(toy, 0x3c, 0x55, 1);
	set_cfg(toy, exp + 8, 0x281f, 2);
	set_cfg(toy, pm + 4, 3, 2);
	toy->regs[0] = 1;
	reset(toy);
	assert_int_equal(toy->resets, resets + 1);
	assert_int_equal(toy->regs[0], 0);
	assert_int_equal(cfg(toy, 4, 2), 0x406);
	assert_int_equal(cfg(toy, 0x10, 4), 0xdead0004);
	assert_int_equal(cfg(toy, 0x3c, 1), 0x55);
	assert_int_equal(cfg(toy, exp + 8, 2), 0x281f);
	assert_int_equal(cfg(toy, pm + 4, 2), 8);
	assert_true(atomic_load(&toy->pci->dev->dma_on));
}

static void reset_by_call(struct toy *toy)
{
	pci_reset(toy->pci);
}

static void reset_by_word(struct toy *toy)
{
	set_cfg(toy, find_cap(toy, 0x10) + 8, 0xa81f, 2);
}

static void reset_by_byte(struct toy *toy)
{
	set_cfg(toy, find_cap(toy, 0x10) + 9, 0xa8, 1);
}

static void resets_keep_what_the_user_wrote(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;

	check_reset(toy, reset_by_call);
	check_reset(toy, reset_by_word);
	check_reset(toy, reset_by_byte);
}

static void reset_tells_the_model_that_the_bus_is_shut(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;

	set_cfg(toy, 4, 6, 2);
	pci_reset(toy->pci);
	assert_int_equal(toy->masters_off, 1);
	assert_int_equal(toy->masters_on, 2);
}

static void opening_again_starts_anew(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	uint32_t bar = cfg(toy, 0x10, 4);
	struct ioas_why why;
	unsigned resets;

	assert_int_equal(pci_open(toy->pci, &why), -EBUSY);
	set_cfg(toy, 4, 6, 2);
	set_cfg(toy, 0x10, 0, 4);
	resets = toy->resets;
	pci_close(toy->pci);
	assert_true(toy->resets > resets);
	assert_false(atomic_load(&toy->pci->dev->dma_on));
	assert_int_equal(pci_open(toy->pci, &why), 0);
	assert_int_equal(cfg(toy, 0x10, 4), bar);
	assert_int_equal(cfg(toy, 4, 2), PCI_CMD_IO | PCI_CMD_MEMORY);
	assert_false(ioas_pci_bus_master(toy->pci));
}

struct claims {
	int claimed;
	int answer;
};

static int claim(void *host, const char *device)
{
	struct claims *claims = host;

	assert_string_equal(device, "0000:01:00.0");
	if (!claims->answer)
		claims->claimed++;
	return claims->answer;
}

static void release(void *host, const char *device)
{
	((struct claims *)host)->claimed--;
}

static void opening_asks_the_host(void **state)
{
	struct claims claims = {.answer = -EBUSY};
	const struct ioas_host_ops ops = {.claim = claim, .release = release};
	struct ioas_iommu_config config = {.host_ops = &ops, .host = &claims};
	struct ioas_iommu *iommu;
	struct ioas_why why = {""};
	struct toy *toy;

	assert_int_equal(ioas_iommu_new(&config, &iommu), 0);
	assert_int_equal(toy_add(iommu, "01:00.0", &toy, NULL), 0);
	assert_int_equal(pci_open(toy->pci, &why), -EBUSY);
	assert_non_null(strstr(why.text, "0000:01:00.0"));
	claims.answer = 0;
	assert_int_equal(pci_open(toy->pci, &why), 0);
	assert_int_equal(claims.claimed, 1);
	pci_close(toy->pci);
	assert_int_equal(claims.claimed, 0);
	ioas_iommu_destroy(iommu);
}

static pthread_t reader;
static _Atomic bool asking;

static void *read_a_register(void *arg)
{
	struct toy *toy = arg;
	uint64_t value = 1;

	atomic_store(&asking, true);
	return (void *)(uintptr_t)(pci_bar_access(toy->pci, 0, 64, false, &value, 8) || value);
}

static void read_meanwhile(struct toy *toy)
{
	pthread_create(&reader, NULL, read_a_register, toy);
	while (!atomic_load(&asking))
		sched_yield();
	for (int i = 0; i < 100; i++)
		sched_yield();
}

static void an_access_during_a_reset_waits_for_its_end(void **state)
{
	struct toy *toy = ((struct toy_world *)*state)->toy;
	void *failed;

	toy->regs[64] = 0x55;
	toy->on_reset = read_meanwhile;
	pci_reset(toy->pci);
	toy->on_reset = NULL;
	pthread_join(reader, &failed);
	assert_null(failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TOY(header_says_what_the_description_says),
		WITH_TOY(capabilities_are_linked),
		WITH_TOY(the_pasid_capability_is_not_shown_to_the_user),
		WITH_TOY(bars_can_be_sized_and_moved),
		WITH_TOY(what_the_user_cannot_change_stays),
		WITH_TOY(errors_are_cleared_by_writing_ones),
		WITH_TOY(accesses_may_have_any_size_but_not_leave),
		WITH_TOY(any_write_is_like_its_bytes),
		WITH_TOY(bus_master_opens_the_bus),
		WITH_TOY(a_sleeping_function_masters_nothing),
		WITH_TOY(resets_keep_what_the_user_wrote),
		WITH_TOY(reset_tells_the_model_that_the_bus_is_shut),
		WITH_TOY(an_access_during_a_reset_waits_for_its_end),
		WITH_TOY(opening_again_starts_anew),
		cmocka_unit_test(opening_asks_the_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
