/* SPDX-License-Identifier: MIT */
/*
 * Description: while a gun's own thread keeps writing, its route is detached, attached and
 * replaced. Once the ioctl has returned no byte moves by the old one, TLPs that were under way
 * included.
 *
 * After the ioctl the memory behind the old route is filled with canaries, from its end, towards
 * what may still be copied into it; then the gun has to send some more. Nothing depends on time: a
 * correct engine passes however the threads run. One that does not wait for those in flight is
 * found out within a few rounds, since a TLP is long.
 */
#include "gun.h"

#define ROUNDS 25
#define LEN    (256u << 10) /* of a TLP, and of the gun's buffer */
#define MORE   3	    /* TLPs after an ioctl: the one under way, one that had begun to look */
#define CANARY 0xc0ffee0ddba11ull
#define SHOT   0x5407ull

struct range {
	uint32_t ioas, table; /* the page table is for PASIDs, too */
	volatile uint64_t *mem;
};

static struct range range_new(int fd, const struct gun *gun)
{
	struct range range = {.ioas = ioas_alloc(fd), .mem = (void *)memory(LEN)};

	check("map", map_fixed(fd, range.ioas, (void *)range.mem, IOVA, LEN), 0);
	range.table = gun_table(gun, fd, range.ioas);
	return range;
}

static void plant(struct range *range)
{
	for (size_t i = LEN / 8; i--;)
		range->mem[i] = CANARY;
}

static size_t lost(const struct range *range)
{
	size_t nr = 0;

	for (size_t i = 0; i < LEN / 8; i++)
		nr += range->mem[i] != CANARY;
	return nr;
}

static uint64_t sent(const struct gun *gun)
{
	return gun_get64(gun, IOAS_TLPGUN_PASSED) + gun_get64(gun, IOAS_TLPGUN_FAULTED);
}

/* Until it has sent `nr` more. */
static void go_on(const struct gun *gun, uint64_t nr)
{
	uint64_t goal = sent(gun) + nr;

	/* Asleep, not spinning: on a busy machine the gun shall have the processor. */
	for (unsigned i = 0; sent(gun) < goal; i++, usleep(20))
		if (i == 1000000)
			give_up("the gun does not fire");
}

/* Until what it sends has begun to arrive: it is in the midst of a TLP. */
static void arrived(const struct gun *gun, const struct range *range)
{
	while (range->mem[0] != SHOT)
		go_on(gun, 1);
}

static long to(const struct gun *gun, bool tagged, const struct range *range)
{
	return tagged ? gun_attach_pasid(gun, 7, range->table) : gun_attach(gun, range->table);
}

static long off(const struct gun *gun, bool tagged)
{
	return tagged ? gun_detach_pasid(gun, 7) : gun_detach(gun);
}

struct score {
	size_t lost;
	uint64_t refused;
	unsigned errors;
};

static struct score detach_rounds(const struct gun *gun, bool tagged, struct range *range)
{
	struct score score = {0};

	for (unsigned i = 0; i < ROUNDS; i++) {
		range->mem[0] = CANARY;
		score.errors += to(gun, tagged, range) != 0;
		arrived(gun, range);
		score.errors += off(gun, tagged) != 0;
		plant(range);
		go_on(gun, MORE);
		score.lost += lost(range);
	}
	score.refused = gun_get64(gun, IOAS_TLPGUN_FAULTED);
	return score;
}

static struct score replace_rounds(const struct gun *gun, bool tagged, struct range range[2])
{
	uint64_t before;
	struct score score = {0};

	score.errors += to(gun, tagged, &range[1]) != 0;
	/* From here on every TLP has a route. */
	go_on(gun, MORE);
	before = gun_get64(gun, IOAS_TLPGUN_FAULTED);
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct range *next = &range[i % 2], *old = &range[!(i % 2)];

		next->mem[0] = CANARY;
		score.errors += to(gun, tagged, next) != 0;
		plant(old);
		arrived(gun, next);
		go_on(gun, MORE);
		score.lost += lost(old);
	}
	score.refused = gun_get64(gun, IOAS_TLPGUN_FAULTED) - before;
	return score;
}

static void fire(const struct gun *gun, bool tagged)
{
	for (size_t i = 0; i < LEN / 8; i++)
		((volatile uint64_t *)gun->buf)[i] = SHOT;
	gun_ring(gun, tagged ? TAGGED(7) : UNTAGGED, IOAS_TLPGUN_WRITE, IOVA, LEN,
		 IOAS_TLPGUN_FIRE);
}

static void cease(const struct gun *gun)
{
	gun_set32(gun, IOAS_TLPGUN_DOORBELL, IOAS_TLPGUN_STOP);
	gun_await(gun, IOAS_TLPGUN_STATUS, IOAS_TLPGUN_BUSY, 0);
}

int main(void)
{
	int fd = open_or_skip("/dev/iommu");
	struct gun gun = gun_ready("0000:01:00.0", fd);
	struct range range[2] = {range_new(fd, &gun), range_new(fd, &gun)};

	for (int tagged = 0; tagged < 2; tagged++) {
		const char *form = tagged ? "with a PASID" : "without a PASID";
		struct score score;

		printf("--- %s\n", form);
		fire(&gun, tagged);
		score = detach_rounds(&gun, tagged, &range[0]);
		check("detach: ioctls that failed", score.errors, 0);
		check("words that arrived after it", (long)score.lost, 0);
		check("TLPs were refused meanwhile", score.refused >= ROUNDS, 1);
		score = replace_rounds(&gun, tagged, range);
		check("replace: ioctls that failed", score.errors, 0);
		check("words that arrived by the old route", (long)score.lost, 0);
		check("no TLP was without a route", (long)score.refused, 0);
		check("detach", off(&gun, tagged), 0);
		cease(&gun);
	}
	return check_done();
}
