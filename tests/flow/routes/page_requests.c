/* SPDX-License-Identifier: MIT */
/*
 * Description: memory that is mapped when the device asks for it, with PASIDs and without: what
 * the fault queue says, what each answer makes of the device's transfer, and that nothing hangs
 * when the route, the queue's page table or the device goes while a request waits.
 */
#include <poll.h>
#include "gun.h"

#define PAGES ((struct aim){.ctrl = IOAS_TLPGUN_BY_ATS | IOAS_TLPGUN_PAGES})
#define TAGGED_PAGES(p)                                                                        \
	((struct aim){.ctrl = IOAS_TLPGUN_BY_ATS | IOAS_TLPGUN_PAGES | IOAS_TLPGUN_WITH_PASID, \
		      .pasid = (p)})
#define GROUP_MAX 8

static int fd, queue;
static uint32_t fault_id;

struct group {
	long nr; /* of records */
	struct iommu_hwpt_pgfault record[GROUP_MAX];
};

static uint32_t table_new(const struct gun *gun, uint32_t ioas, uint32_t flags)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dev_id = gun->id,
		.pt_id = ioas,
		.fault_id = flags & IOMMU_HWPT_FAULT_ID_VALID ? fault_id : 0,
	};

	check("IOMMU_HWPT_ALLOC", call(fd, IOMMU_HWPT_ALLOC, &cmd), 0);
	return cmd.out_hwpt_id;
}

static struct group next_group(void)
{
	struct pollfd p = {.fd = queue, .events = POLLIN};
	struct group group = {0};
	ssize_t len;

	if (poll(&p, 1, 20000) != 1)
		give_up("no page request comes");
	len = read(queue, group.record, sizeof(group.record));
	group.nr = len < 0 ? -errno : (long)(len / (ssize_t)sizeof(*group.record));
	return group;
}

static long answer(const struct group *group, uint32_t code)
{
	struct iommu_hwpt_page_response response = {group->record[0].cookie, code};
	ssize_t rc = write(queue, &response, sizeof(response));

	return rc < 0 ? -errno : (long)rc;
}

static void shoot(const struct gun *gun, struct aim aim, uint64_t addr, uint64_t len)
{
	gun_ring(gun, aim, IOAS_TLPGUN_WRITE, addr, len, IOAS_TLPGUN_SHOOT);
}

/* The transfer is over; did it end well? */
static bool ended_well(const struct gun *gun)
{
	gun_await(gun, IOAS_TLPGUN_STATUS, IOAS_TLPGUN_BUSY, 0);
	return gun_get64(gun, IOAS_TLPGUN_PASSED) == 1 &&
	       !(gun_get32(gun, IOAS_TLPGUN_STATUS) & IOAS_TLPGUN_UNTRANSLATABLE);
}

static void a_page_is_mapped_when_it_is_asked_for(const struct gun *gun, uint32_t ioas)
{
	uint8_t *page = memory(PAGE);
	struct group group;

	gun->buf[0] = 0x51;
	shoot(gun, PAGES, IOVA + 0x10, 1);
	group = next_group();
	check("one record", group.nr, 1);
	check("of the device", group.record[0].dev_id, gun->id);
	check("without a PASID, the last one", group.record[0].flags,
	      IOMMU_PGFAULT_FLAGS_LAST_PAGE);
	check("for writing", group.record[0].perm, IOMMU_PGFAULT_PERM_WRITE);
	check("of the page", (long)group.record[0].addr, IOVA);
	check("map", map_fixed(fd, ioas, page, IOVA, PAGE), 0);
	check("answer", answer(&group, IOMMUFD_PAGE_RESP_SUCCESS), 8);
	check("it ends well", ended_well(gun), 1);
	check("the byte is there", page[0x10], 0x51);
	check("a cookie is good for once", answer(&group, IOMMUFD_PAGE_RESP_SUCCESS), -EINVAL);
	check("no request is sent for it again", gun_write(gun, PAGES, IOVA, 0x52), 0);
	check("and lands", page[0], 0x52);
	check("unmap", unmap(fd, ioas, IOVA, PAGE, NULL), 0);
}

static void pages_come_as_a_group(const struct gun *gun, uint32_t ioas)
{
	struct iommu_hwpt_pgfault one;
	uint8_t *pages = memory(3 * PAGE);
	struct group group;

	for (unsigned i = 0; i < 3 * PAGE; i += PAGE)
		gun->buf[i] = (uint8_t)(0x60 + i / PAGE);
	shoot(gun, PAGES, IOVA, 3 * PAGE);
	while (!poll(&(struct pollfd){.fd = queue, .events = POLLIN}, 1, 100))
		;
	check("a group is read whole", read(queue, &one, sizeof(one)) < 0 ? -errno : 0, -EINVAL);
	group = next_group();
	check("of three", group.nr, 3);
	for (long i = 0; i < group.nr; i++) {
		check("page by page", (long)group.record[i].addr, (long)(IOVA + i * PAGE));
		check("with one number", group.record[i].grpid, group.record[0].grpid);
		check("of which one is last", group.record[i].flags,
		      i == 2 ? IOMMU_PGFAULT_FLAGS_LAST_PAGE : 0);
	}
	check("map", map_fixed(fd, ioas, pages, IOVA, 3 * PAGE), 0);
	check("answer", answer(&group, IOMMUFD_PAGE_RESP_SUCCESS), 8);
	check("it ends well", ended_well(gun), 1);
	check("in all pages", pages[0] == 0x60 && pages[PAGE] == 0x61 && pages[2 * PAGE] == 0x62,
	      1);
	check("unmap", unmap(fd, ioas, IOVA, 3 * PAGE, NULL), 0);
}

static void refused_and_asked_for_again(const struct gun *gun, uint32_t ioas)
{
	uint64_t refused = gun_get64(gun, IOAS_TLPGUN_REFUSED);
	uint8_t *page = memory(PAGE);
	struct group group;

	shoot(gun, PAGES, IOVA, 1);
	group = next_group();
	check("answered, and nothing mapped", answer(&group, IOMMUFD_PAGE_RESP_SUCCESS), 8);
	group = next_group();
	check("it asks once more", group.nr, 1);
	check("no", answer(&group, IOMMUFD_PAGE_RESP_INVALID), 8);
	check("it gives up", ended_well(gun), 0);
	check("and knows why", (long)(gun_get64(gun, IOAS_TLPGUN_REFUSED) - refused), 1);
	check("without a fault", (long)gun_get64(gun, IOAS_TLPGUN_RECORD), 0);
	/* To read is not enough to write. */
	check("map", map_fixed(fd, ioas, page, IOVA, PAGE), 0);
	check("it is there", gun_write(gun, PAGES, IOVA, 0x71), 0);
	check("unmap", unmap(fd, ioas, IOVA, PAGE, NULL), 0);
}

static void by_pasid(const struct gun *gun, uint32_t ioas)
{
	uint32_t table = table_new(gun, ioas, IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID);
	uint8_t *page = memory(PAGE);
	struct group group;

	check("attach PASID 7", gun_attach_pasid(gun, 7, table), 0);
	gun->buf[0] = 0x81;
	shoot(gun, TAGGED_PAGES(7), IOVA, 1);
	group = next_group();
	check("it has a PASID", group.record[0].flags,
	      IOMMU_PGFAULT_FLAGS_LAST_PAGE | IOMMU_PGFAULT_FLAGS_PASID_VALID);
	check("this one", group.record[0].pasid, 7);
	check("map", map_fixed(fd, ioas, page, IOVA, PAGE), 0);
	check("answer", answer(&group, IOMMUFD_PAGE_RESP_SUCCESS), 8);
	check("it ends well", ended_well(gun), 1);
	check("the byte is there", page[0], 0x81);
	check("unmap", unmap(fd, ioas, IOVA, PAGE, NULL), 0);
	shoot(gun, TAGGED_PAGES(7), IOVA, 1);
	group = next_group();
	check("detach while it waits", gun_detach_pasid(gun, 7), 0);
	check("it gives up", ended_well(gun), 0);
	check("nobody waits for the answer", answer(&group, IOMMUFD_PAGE_RESP_SUCCESS), -EINVAL);
	check("destroy", destroy(fd, table), 0);
}

static void the_route_goes_while_it_waits(const struct gun *gun, uint32_t table, uint32_t plain)
{
	struct group group;

	shoot(gun, PAGES, IOVA, 1);
	group = next_group();
	check("replace, by a table without a queue", gun_attach(gun, plain), 0);
	check("it gives up", ended_well(gun), 0);
	check("nobody waits for the answer", answer(&group, IOMMUFD_PAGE_RESP_SUCCESS), -EINVAL);
	shoot(gun, PAGES, IOVA, 1);
	check("where nobody takes requests they are refused", ended_well(gun), 0);
	check("back", gun_attach(gun, table), 0);
	shoot(gun, PAGES, IOVA, 1);
	while (!poll(&(struct pollfd){.fd = queue, .events = POLLIN}, 1, 100))
		;
	check("detach before it is read", gun_detach(gun), 0);
	check("it gives up", ended_well(gun), 0);
	check("the queue is empty", (long)read(queue, &group.record, sizeof(group.record)), 0);
}

static void a_reset_while_it_waits(const struct gun *gun, uint32_t table, uint32_t ioas)
{
	uint8_t *page = memory(PAGE);
	struct group group, stale;

	check("attach", gun_attach(gun, table), 0);
	shoot(gun, PAGES, IOVA, 1);
	stale = next_group();
	check("reset", call(gun->cdev, VFIO_DEVICE_RESET, NULL), 0);
	check("the device is at rest", gun_get32(gun, IOAS_TLPGUN_STATUS) & IOAS_TLPGUN_BUSY, 0);
	gun->buf[0] = 0x91;
	shoot(gun, PAGES, IOVA, 1);
	group = next_group();
	check("an answer from before is no answer", answer(&stale, IOMMUFD_PAGE_RESP_INVALID), 8);
	check("map", map_fixed(fd, ioas, page, IOVA, PAGE), 0);
	check("answer", answer(&group, IOMMUFD_PAGE_RESP_SUCCESS), 8);
	check("it ends well", ended_well(gun), 1);
	check("the byte is there", page[0], 0x91);
	check("unmap", unmap(fd, ioas, IOVA, PAGE, NULL), 0);
}

static void the_device_goes_while_it_waits(struct gun *gun)
{
	struct group group;

	shoot(gun, PAGES, IOVA, 1);
	group = next_group();
	munmap((void *)gun->regs, 0x4000);
	check("close", close(gun->cdev), 0);
	munmap((void *)gun->buf, 0x10000);
	check("nobody waits", answer(&group, IOMMUFD_PAGE_RESP_SUCCESS), -EINVAL);
	check("close the queue", close(queue), 0);
}

/* The run has a short --set pri-timeout. */
static void the_program_is_late(const struct gun *gun, uint32_t ioas)
{
	uint8_t *page = memory(PAGE);
	struct group group;

	shoot(gun, PAGES, IOVA, 1);
	group = next_group();
	check("it gives up", ended_well(gun), 0);
	check("it is on record",
	      *traced("\"event\":\"fault\"", "did not answer this page request in time") != 0, 1);
	check("map, after all", map_fixed(fd, ioas, page, IOVA, PAGE), 0);
	check("nobody waits for the answer", answer(&group, IOMMUFD_PAGE_RESP_SUCCESS), -EINVAL);
	check("nothing was written", page[0], 0);
	check("what is there is not requested", gun_write(gun, PAGES, IOVA, 0xa1), 0);
	check("unmap", unmap(fd, ioas, IOVA, PAGE, NULL), 0);
	/* Nor does what is not even read wait there for ever. */
	shoot(gun, PAGES, IOVA, 1);
	check("it gives up", ended_well(gun), 0);
	check("the queue is empty", (long)read(queue, &group.record, sizeof(group.record)), 0);
}

int main(int argc, char **argv)
{
	struct iommu_fault_alloc alloc = {.size = sizeof(alloc)};
	struct gun gun, other;
	uint32_t ioas, table, plain;

	fd = open_or_skip("/dev/iommu");
	gun = gun_ready("0000:01:00.0", fd);
	other = gun_ready("0000:02:00.0", fd);
	check("a queue", call(fd, IOMMU_FAULT_QUEUE_ALLOC, &alloc), 0);
	fault_id = alloc.out_fault_id;
	queue = (int)alloc.out_fault_fd;
	ioas = ioas_alloc(fd);
	table = table_new(&gun, ioas, IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID);
	plain = table_new(&gun, ioas, IOMMU_HWPT_ALLOC_PASID);
	check("not for a device that requests no pages", gun_attach(&other, table), -ENODEV);
	check("attach", gun_attach(&gun, table), 0);
	if (argc > 1) {
		the_program_is_late(&gun, ioas);
		return check_done();
	}
	a_page_is_mapped_when_it_is_asked_for(&gun, ioas);
	pages_come_as_a_group(&gun, ioas);
	refused_and_asked_for_again(&gun, ioas);
	by_pasid(&gun, ioas);
	the_route_goes_while_it_waits(&gun, table, plain);
	a_reset_while_it_waits(&gun, table, ioas);
	/* Something has to be on record: the shell looks for it. */
	check("untranslated, it is a fault", gun_write(&gun, UNTAGGED, IOVA, 1),
	      IOAS_FAULT_NOT_MAPPED);
	the_device_goes_while_it_waits(&gun);
	return check_done();
}
