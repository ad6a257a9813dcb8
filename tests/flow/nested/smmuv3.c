/* SPDX-License-Identifier: MIT */
/*
 * Description: a guest with an SMMUv3: descriptors by PASID in two levels, tables with both halves,
 * changes that hold once they are invalidated, events for what its stage 1 refuses, and none for
 * what the host's stage 2 does. Pointers out of the guest and loops are faults.
 */
#include "smmu.h"

#define VA     0x7f0000000000ul
#define ROUNDS 200

static struct gun gun;
static struct smmu smmu;

static const uint32_t five = 5, seven = 7, zero = 0;

/* Each PASID has a descriptor, each descriptor tables; one attach has led all of them there. */
static void pasids_by_descriptor(void)
{
	static const uint32_t ids[] = {1, 5, 63, 64, 4096, 32767};
	volatile uint64_t *page[6];
	uint64_t root[6], va = VA + 8;

	check("attached", smmu_tables(&smmu, &gun, 2), 0);
	check("no descriptors yet", gun_write(&gun, TAGGED(5), va, 1), IOAS_FAULT_NO_PASID);
	check("  the guest is told", smmu_told(&smmu, C_BAD_SUBSTREAMID, &five, NULL, true), 1);
	for (unsigned i = 0; i < 6; i++) {
		root[i] = guest_page(&smmu.guest);
		page[i] = smmu_map(&smmu, root[i], VA);
		smmu_put_cd(&smmu, ids[i], CD_BASE | (uint64_t)ids[i] << 48, root[i], 0);
		check("a descriptor", gun_write(&gun, TAGGED(ids[i]), va, 100 + i), 0);
		check("  leads there", (long)page[i][1], 100 + i);
		check("  and back", (long)gun_read(&gun, TAGGED(ids[i]), va), 100 + i);
	}
	check("beside them", gun_write(&gun, TAGGED(7), va, 1), IOAS_FAULT_BAD_STRUCTURE);
	check("  the guest is told", smmu_told(&smmu, C_BAD_CD, &seven, NULL, true), 1);
	/* What a guest takes out of its tables has gone when its command has been done. */
	*smmu_pte(&smmu, root[1], VA) = 0;
	check("TLBI_NH_VA", smmu_tlbi(&smmu, 5, VA), 0);
	check("unmapped", gun_write(&gun, TAGGED(5), va, 1), IOAS_FAULT_NOT_MAPPED);
	check("  the guest is told", smmu_told(&smmu, F_TRANSLATION, &five, &va, true), 1);
	check("the others are not", (long)gun_read(&gun, TAGGED(1), va), 100);
	/* A descriptor that leads elsewhere. */
	smmu_put_cd(&smmu, 5, CD_BASE | 5ull << 48, root[0], 0);
	check("CFGI_CD", smmu_cfgi_cd(&smmu, 5), 0);
	check("another's tables", (long)gun_read(&gun, TAGGED(5), va), 100);
	smmu_cd(&smmu, 5)[0] = 0;
	check("CFGI_CD", smmu_cfgi_cd(&smmu, 5), 0);
	check("none any more", gun_write(&gun, TAGGED(5), va, 1), IOAS_FAULT_BAD_STRUCTURE);
	check("  the guest is told", smmu_told(&smmu, C_BAD_CD, &five, NULL, true), 1);
	check("  and of nothing else", smmu_untold(&smmu), 0);
}

/* S1DSS, with descriptor 0 there. */
static void without_a_pasid(void)
{
	uint64_t root = guest_page(&smmu.guest), va = VA;
	volatile uint64_t *page = smmu_map(&smmu, root, VA);
	uint64_t gpa = *smmu_pte(&smmu, root, VA) & ~0xfffull & ((1ull << 48) - 1);

	smmu_put_cd(&smmu, 0, CD_BASE, root, 0);
	check("terminated", smmu_tables(&smmu, &gun, 0), 0);
	check("  without a PASID", gun_write(&gun, UNTAGGED, va, 1), IOAS_FAULT_DISABLED);
	check("  the guest is told", smmu_told(&smmu, F_STREAM_DISABLED, NULL, NULL, true), 1);
	check("  PASID 0 is one", gun_write(&gun, TAGGED(0), va, 2), 0);
	check("  it landed", (long)*page, 2);
	check("past stage 1", smmu_tables(&smmu, &gun, 1), 0);
	check("  without a PASID", gun_write(&gun, UNTAGGED, gpa, 3), 0);
	check("  it landed", (long)*page, 3);
	check("by descriptor 0", smmu_tables(&smmu, &gun, 2), 0);
	check("  without a PASID", gun_write(&gun, UNTAGGED, va, 4), 0);
	check("  it landed", (long)*page, 4);
	check("  PASID 0 is none", gun_write(&gun, TAGGED(0), va, 2), IOAS_FAULT_DISABLED);
	check("  the guest is told", smmu_told(&smmu, F_STREAM_DISABLED, &zero, NULL, true), 1);
	/* No stage 1, and nothing at all. */
	check("bypass", smmu_ste(&smmu, &gun, 1 | 4 << 1, 0), 0);
	check("  addresses are the guest's", gun_write(&gun, UNTAGGED, gpa, 5), 0);
	check("  it landed", (long)*page, 5);
	check("  no PASIDs", gun_write(&gun, TAGGED(5), gpa, 1), IOAS_FAULT_NO_PASID);
	check("  the guest is told", smmu_told(&smmu, C_BAD_SUBSTREAMID, &five, NULL, true), 1);
	va = 1ull << 48;
	check("  far beyond", gun_write(&gun, UNTAGGED, va, 1), IOAS_FAULT_OUTPUT);
	check("  the guest is told", smmu_told(&smmu, F_ADDR_SIZE, NULL, &va, true), 1);
	check("no traffic", smmu_ste(&smmu, &gun, 0, 0), 0);
	check("  is refused", gun_write(&gun, UNTAGGED, gpa, 1), IOAS_FAULT_DISABLED);
	check("  the guest is not told", smmu_untold(&smmu), 0);
}

/* TTB1 from the top down; an ignored top byte. */
static void both_halves(void)
{
	uint64_t low = guest_page(&smmu.guest), high = guest_page(&smmu.guest);
	uint64_t top = 0xffff800000001000, tagged = 0x5a007f0000000000, va;
	volatile uint64_t *below = smmu_map(&smmu, low, VA);
	volatile uint64_t *above = smmu_map(&smmu, high, top);

	check("attached", smmu_tables(&smmu, &gun, 2), 0);
	smmu_put_cd(&smmu, 5, CD_BASE | CD_TBI0, low, high);
	check("CFGI_CD", smmu_cfgi_cd(&smmu, 5), 0);
	check("the lower half", gun_write(&gun, TAGGED(5), VA, 1), 0);
	check("the upper half", gun_write(&gun, TAGGED(5), top, 2), 0);
	check("  landed in both", (long)(*below << 4 | *above), 0x12);
	check("with a tag", gun_write(&gun, TAGGED(5), tagged, 3), 0);
	check("  landed", (long)*below, 3);
	va = 0x0fff800000001000;
	check("no tags above", gun_write(&gun, TAGGED(5), va, 1), IOAS_FAULT_WIDTH);
	check("  the guest is told", smmu_told(&smmu, F_TRANSLATION, &five, &va, true), 1);
	smmu_put_cd(&smmu, 5, CD_BASE | CD_EPD1, low, high);
	check("CFGI_CD", smmu_cfgi_cd(&smmu, 5), 0);
	check("the upper half is disabled", gun_write(&gun, TAGGED(5), top, 2),
	      IOAS_FAULT_NOT_MAPPED);
	check("  the guest is told", smmu_told(&smmu, F_TRANSLATION, &five, &top, true), 1);
	check("no tags any more", gun_write(&gun, TAGGED(5), tagged, 3), IOAS_FAULT_WIDTH);
	check("  the guest is told", smmu_told(&smmu, F_TRANSLATION, &five, &tagged, true), 1);
}

static void flags_of_pages(void)
{
	uint64_t root = guest_page(&smmu.guest), va = VA;
	volatile uint64_t *pte;

	smmu_map(&smmu, root, VA);
	pte = smmu_pte(&smmu, root, VA);
	*pte = (*pte & ~PTE_AF) | PTE_RO | PTE_DBM;
	smmu_put_cd(&smmu, 5, CD_BASE, root, 0);
	check("CFGI_CD", smmu_cfgi_cd(&smmu, 5), 0);
	check("not accessed", gun_send(&gun, TAGGED(5), 0, va), IOAS_FAULT_ACCESSED);
	check("  the guest is told", smmu_told(&smmu, F_ACCESS, &five, &va, false), 1);
	smmu_put_cd(&smmu, 5, CD_BASE | CD_HA, root, 0);
	check("CFGI_CD", smmu_cfgi_cd(&smmu, 5), 0);
	check("accessed by hardware", gun_send(&gun, TAGGED(5), 0, va), 0);
	check("  is so", *pte & PTE_AF ? 1 : 0, 1);
	check("not dirty", gun_write(&gun, TAGGED(5), va, 1), IOAS_FAULT_NO_WRITE);
	check("  the guest is told", smmu_told(&smmu, F_PERMISSION, &five, &va, true), 1);
	smmu_put_cd(&smmu, 5, CD_BASE | CD_HA | CD_HD, root, 0);
	check("CFGI_CD", smmu_cfgi_cd(&smmu, 5), 0);
	check("dirty by hardware", gun_write(&gun, TAGGED(5), va, 1), 0);
	check("  is so", *pte & PTE_RO ? 1 : 0, 0);
	*pte = (1ull << 47) | PTE_PAGE;
	smmu_put_cd(&smmu, 5, (CD_BASE & ~(7ull << 32)) | 2ull << 32, root, 0);
	check("CFGI_CD", smmu_cfgi_cd(&smmu, 5), 0);
	check("beyond 40 bits", gun_write(&gun, TAGGED(5), va, 1), IOAS_FAULT_OUTPUT);
	check("  the guest is told", smmu_told(&smmu, F_ADDR_SIZE, &five, &va, true), 1);
	/* Without R nobody is, but the host. */
	smmu_put_cd(&smmu, 5, CD_BASE & ~CD_R, root, 0);
	*pte = 0;
	check("CFGI_CD", smmu_cfgi_cd(&smmu, 5), 0);
	check("silently", gun_write(&gun, TAGGED(5), va, 1), IOAS_FAULT_NOT_MAPPED);
	check("  the guest is not told", smmu_untold(&smmu), 0);
	check("  the host is", recorded(&gun, "\"stage\":1"), 1);
}

/* What the host's stage 2 refuses, for data, tables and descriptors. */
static void stage_2_is_the_hosts(void)
{
	uint64_t root = guest_page(&smmu.guest), done;
	volatile uint64_t *page = smmu_map(&smmu, root, VA);

	smmu_put_cd(&smmu, 5, CD_BASE, root, 0);
	*smmu_pte(&smmu, root, VA) = (RAM - PAGE) | PTE_PAGE;
	check("CFGI_CD", smmu_cfgi_cd(&smmu, 5), 0);
	check("a page out of the guest", gun_write(&gun, TAGGED(5), VA, 1), IOAS_FAULT_NOT_MAPPED);
	check("  for data", recorded(&gun, "\"stage\":2,\"during\":\"data\""), 1);
	smmu_cd(&smmu, 5)[1] = RAM + RAM_LEN;
	check("CFGI_CD", smmu_cfgi_cd(&smmu, 5), 0);
	check("a root out of the guest", gun_write(&gun, TAGGED(5), VA, 1), IOAS_FAULT_NOT_MAPPED);
	check("  for a table", recorded(&gun, "\"stage\":2,\"during\":\"table\""), 1);
	check("all descriptors out of it",
	      smmu_ste(&smmu, &gun, 1 | 5 << 1 | 1 << 4 | (RAM + RAM_LEN) | 15ull << 59, 0), 0);
	check("  are not there", gun_write(&gun, TAGGED(5), VA, 1), IOAS_FAULT_NOT_MAPPED);
	check("  for a structure", recorded(&gun, "\"stage\":2,\"during\":\"structure\""), 1);
	check("attached", smmu_tables(&smmu, &gun, 2), 0);
	smmu_cd(&smmu, 5)[1] = root;
	*smmu_pte(&smmu, root, VA) = (uint64_t)((char *)page - smmu.guest.ram) + RAM + PTE_PAGE;
	check("there again", gun_write(&gun, TAGGED(5), VA, 9), 0);
	check("unmapped by the host", unmap(smmu.guest.fd, smmu.guest.ioas, RAM, RAM_LEN, &done),
	      0);
	check("  gone at once", gun_write(&gun, TAGGED(5), VA, 1), IOAS_FAULT_NOT_MAPPED);
	check("mapped again",
	      map_fixed(smmu.guest.fd, smmu.guest.ioas, smmu.guest.ram, RAM, RAM_LEN), 0);
	check("  there again", gun_write(&gun, TAGGED(5), VA, 10), 0);
	check("  it landed", (long)*page, 10);
	check("the guest was told of nothing", smmu_untold(&smmu), 0);
}

/* What HWPT_ALLOC lets in and an SMMUv3 does not; loops. */
static void hostile_entries(void)
{
	volatile uint64_t *l1 = guest_at(&smmu.guest, smmu.l1);
	uint64_t was = l1[0], root = guest_page(&smmu.guest);
	volatile uint64_t *top = guest_at(&smmu.guest, root);

	check("more SubstreamIDs than there are",
	      smmu_ste(&smmu, &gun, 1 | 5 << 1 | smmu.l1 | 21ull << 59, 2), 0);
	check("  is refused", gun_write(&gun, UNTAGGED, VA, 1), IOAS_FAULT_BAD_STRUCTURE);
	check("  the guest is told", smmu_told(&smmu, C_BAD_STE, NULL, NULL, true), 1);
	check("descriptors beyond everything", smmu_ste(&smmu, &gun, 1 | 5 << 1 | 1ull << 50, 0),
	      0);
	check("  is refused", gun_write(&gun, UNTAGGED, VA, 1), IOAS_FAULT_BAD_STRUCTURE);
	check("  the guest is told", smmu_told(&smmu, C_BAD_STE, NULL, NULL, true), 1);
	check("attached", smmu_tables(&smmu, &gun, 2), 0);
	l1[0] = smmu.l1 | 1;
	check("descriptors that are their own table", gun_write(&gun, TAGGED(5), VA, 1),
	      IOAS_FAULT_BAD_STRUCTURE);
	check("  the guest is told", smmu_told(&smmu, C_BAD_CD, &five, NULL, true), 1);
	l1[0] = 1ull << 50 | 1;
	check("a leaf beyond everything", gun_write(&gun, TAGGED(5), VA, 1), IOAS_FAULT_NO_PASID);
	check("  the guest is told", smmu_told(&smmu, C_BAD_SUBSTREAMID, &five, NULL, true), 1);
	l1[0] = was;
	top[0] = root | PTE_PAGE;
	smmu_put_cd(&smmu, 5, CD_BASE, root, 0);
	check("CFGI_CD", smmu_cfgi_cd(&smmu, 5), 0);
	check("a root that leads to itself", (long)gun_read(&gun, TAGGED(5), 0),
	      (long)(root | PTE_PAGE));
	check("  may be written", gun_write(&gun, TAGGED(5), 8, 0x1234), 0);
	check("  and is", (long)top[1], 0x1234);
	check("the guest was told of nothing else", smmu_untold(&smmu), 0);
}

static long readable(void)
{
	struct pollfd p = {.fd = smmu.events, .events = POLLIN};

	return poll(&p, 1, 0) < 0 ? -errno : p.revents;
}

/* The queue holds eight: of what comes then the guest learns that it was lost. */
static void too_many_events(void)
{
	struct smmu_record r;
	uint32_t first;

	smmu_put_cd(&smmu, 5, CD_BASE, guest_page(&smmu.guest), 0);
	check("CFGI_CD", smmu_cfgi_cd(&smmu, 5), 0);
	check("nothing to read", readable(), 0);
	gun_write(&gun, TAGGED(5), VA, 1);
	check("something to read", readable(), POLLIN);
	check("an event", smmu_event(&smmu, &r), F_TRANSLATION);
	first = r.header.sequence;
	for (unsigned i = 0; i < 11; i++)
		gun_write(&gun, TAGGED(5), VA + i * 8, 1);
	for (unsigned i = 0; i < 8; i++) {
		check("one of eight", smmu_event(&smmu, &r), F_TRANSLATION);
		check("  in order", (long)(r.data.evt[2] - VA), i * 8);
		check("  numbered", r.header.sequence - first, i + 1);
	}
	check("some were lost", smmu_event(&smmu, &r), -1);
	check("  up to this one", r.header.sequence - first, 11);
	check("nothing to read", readable(), 0);
}

/* While the device writes all the time: after CFGI_CD nothing lands where the descriptor led. */
static void changes_under_fire(void)
{
	uint64_t root[2] = {guest_page(&smmu.guest), guest_page(&smmu.guest)};
	volatile uint64_t *page[2];
	long late = 0, landed = 0;

	for (unsigned i = 0; i < 2; i++)
		page[i] = smmu_map(&smmu, root[i], VA);
	smmu_put_cd(&smmu, 5, CD_BASE, root[0], 0);
	check("CFGI_CD", smmu_cfgi_cd(&smmu, 5), 0);
	*(volatile uint64_t *)gun.buf = 0x5a5a;
	gun_ring(&gun, TAGGED(5), IOAS_TLPGUN_WRITE, VA, 8, IOAS_TLPGUN_FIRE);
	for (unsigned i = 1; i <= ROUNDS; i++) {
		volatile uint64_t *old = page[!(i & 1)], *now = page[i & 1];

		smmu_cd(&smmu, 5)[1] = root[i & 1];
		if (smmu_cfgi_cd(&smmu, 5))
			late++;
		*old = 0;
		*now = 0;
		for (unsigned wait = 0; wait < 200000 && !*now; wait++)
			usleep(50);
		landed += *now == 0x5a5a;
		late += *old != 0;
	}
	gun_set32(&gun, IOAS_TLPGUN_DOORBELL, IOAS_TLPGUN_STOP);
	gun_await(&gun, IOAS_TLPGUN_STATUS, IOAS_TLPGUN_BUSY, 0);
	check("landed where it was led before", late, 0);
	check("landed where it is led", landed, ROUNDS);
	check("nothing was refused", (long)gun_get64(&gun, IOAS_TLPGUN_FAULTED), 0);
}

int main(void)
{
	int fd = open_or_skip("/dev/iommu");

	gun = gun_ready("0000:01:00.0", fd);
	smmu = smmu_new(fd, gun.id, 8);
	pasids_by_descriptor();
	without_a_pasid();
	both_halves();
	flags_of_pages();
	stage_2_is_the_hosts();
	hostile_entries();
	too_many_events();
	changes_under_fire();
	check("detached", gun_detach(&gun), 0);
	check("a table goes", destroy(fd, smmu.hwpt), 0);
	check("the device's name", destroy(fd, smmu.vdevice), 0);
	check("the queue is open", destroy(fd, smmu.queue), -EBUSY);
	close(smmu.events);
	check("the queue", destroy(fd, smmu.queue), 0);
	check("the share", destroy(fd, smmu.viommu), 0);
	check("the parent", destroy(fd, smmu.guest.parent), 0);
	return check_done();
}
