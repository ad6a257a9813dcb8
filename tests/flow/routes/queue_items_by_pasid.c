/* SPDX-License-Identifier: MIT */
/*
 * Description: work items of three PASIDs through one shared queue land in three IOASes; a full
 * queue answers that they have to be submitted again, as ENQCMD does; and such a PASID means one
 * address space on all devices with shared queues.
 */
#include "gun.h"

#define DEPTH 4

/* As ENQCMD does: 64 bytes at once, of which the answer is read back. */
static unsigned submit(const struct gun *gun, unsigned portal, const struct ioas_tlpgun_item *item)
{
	volatile uint8_t *page = gun->portals + portal * IOAS_TLPGUN_PORTAL_LEN;
	uint64_t word[8];

	memcpy(word, item, sizeof(word));
	for (unsigned i = 0; i < 8; i++)
		((volatile uint64_t *)page)[i] = word[i];
	return *(volatile uint32_t *)(page + IOAS_TLPGUN_PORTAL_RESULT);
}

static struct ioas_tlpgun_item fill(uint32_t pasid, uint64_t pattern)
{
	return (struct ioas_tlpgun_item){
		.pasid = pasid,
		.op = IOAS_TLPGUN_FILL,
		.record = IOVA,
		.addr = IOVA + 64,
		.src = pattern,
		.len = 8,
	};
}

static void drain(const struct gun *gun)
{
	gun_await(gun, IOAS_TLPGUN_QUEUED, UINT32_MAX, 0);
}

static const volatile struct ioas_tlpgun_record *record(const struct place *place)
{
	return (const volatile void *)place->page;
}

/* Items of three PASIDs, from three portals, wait in one queue until it is let go. */
static void three_at_once(const struct gun *gun, const struct place place[3])
{
	struct ioas_tlpgun_item item = {0};

	gun_set32(gun, IOAS_TLPGUN_QUEUE, IOAS_TLPGUN_HOLD);
	for (unsigned i = 0; i < DEPTH; i++) {
		item = fill(1 + i % 3, 0x1110 + i % 3);
		check("a place in the queue", submit(gun, i % 3, &item), IOAS_TLPGUN_ACCEPTED);
	}
	check("the queue is full", submit(gun, 0, &item), IOAS_TLPGUN_RETRY);
	check("and stays so", submit(gun, 1, &item), IOAS_TLPGUN_RETRY);
	check("nothing has moved", (long)place[0].page[8], 0xa0);
	gun_set32(gun, IOAS_TLPGUN_QUEUE, 0);
	drain(gun);
	for (unsigned i = 0; i < 3; i++) {
		check("landed in its own", (long)place[i].page[8], 0x1110 + i);
		check("with its record", record(&place[i])->status, IOAS_TLPGUN_ITEM_DONE);
	}
	check("submitted again it is taken", submit(gun, 0, &item), IOAS_TLPGUN_ACCEPTED);
	drain(gun);
	check("as many as were taken", (long)gun_get64(gun, IOAS_TLPGUN_ITEMS), DEPTH + 1);
}

/* A PASID that nobody attached gets nowhere, its completion record neither. */
static void of_nobody(const struct gun *gun, const struct place place[3])
{
	struct ioas_tlpgun_item item = fill(9, 0xbad);

	check("PASID 9 is taken", submit(gun, 0, &item), IOAS_TLPGUN_ACCEPTED);
	drain(gun);
	for (unsigned i = 0; i < 3; i++)
		check("and lands nowhere", (long)place[i].page[8], 0x1110 + i);
	check("it is on record", *traced("\"event\":\"fault\"", "\"pasid\":9,") != 0, 1);
	check("  with the reason",
	      strstr(traced("\"event\":\"fault\"", "\"pasid\":9,"),
		     "attached to no address space") != NULL,
	      1);
}

/* The second device's PASIDs are the first one's, since whoever submits has one PASID. */
static void machine_wide(const struct gun *first, const struct gun *other, int fd,
			 const struct place place[3], const uint32_t table[3])
{
	struct ioas_tlpgun_item item = fill(2, 0x2222);
	uint32_t elsewhere = gun_table(other, fd, place[0].ioas);

	check("elsewhere", gun_attach_pasid(other, 2, elsewhere), -EINVAL);
	check("  names who routes it", refused_with(fd, first->name), 1);
	check("alike", gun_attach_pasid(other, 2, table[1]), 0);
	check("an item there", submit(other, 0, &item), IOAS_TLPGUN_ACCEPTED);
	drain(other);
	check("lands alike", (long)place[1].page[8], 0x2222);
}

int main(void)
{
	int fd = open_or_skip("/dev/iommu");
	struct gun gun = gun_ready("0000:01:00.0", fd), other = gun_ready("0000:02:00.0", fd);
	struct place place[3];
	uint32_t table[3];

	for (uint32_t i = 0; i < 3; i++) {
		place[i] = place_new(fd, 0xa0 + i);
		table[i] = gun_table(&gun, fd, place[i].ioas);
		check("attach", gun_attach_pasid(&gun, 1 + i, table[i]), 0);
	}
	three_at_once(&gun, place);
	of_nobody(&gun, place);
	machine_wide(&gun, &other, fd, place, table);
	return check_done();
}
