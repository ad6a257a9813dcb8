/* SPDX-License-Identifier: MIT */
/*
 * What a program's doorbells cost through the preload door: reads of a page of a null drive, one at
 * a time, two doorbells each. In quick succession they are stores to memory that the controller's
 * thread looks at; the same by a mapping of the doorbells where each store is a fault; and by
 * pwrite, a call of the door's. It runs under `ioas run` with an NVMe drive.
 *
 * The peer is the trapped one: rung by a driver that takes its time between, as who rings seldom.
 */
#include "bench/bench.h"
#include "tests/flow/nvme_reads.h"

#define MANY   20000u /* reads of a window, in quick succession */
#define FEW    100u   /* trapped, each for itself */
#define SETTLE 2000u  /* before a window in quick succession, of no count */
#define REST   250000 /* ns between two trapped ones: longer than is quick (models/nvme/watch.c) */

static double watched(enum how how)
{
	uint64_t begin;

	for (unsigned i = 0; i < SETTLE; i++)
		bench_must(reads(how, 1) ? -EIO : 0, "a read");
	begin = bench_now();
	for (unsigned i = 0; i < MANY; i++)
		bench_must(reads(how, 1) ? -EIO : 0, "a read");
	return (double)(bench_now() - begin) / MANY;
}

static double trapped(void)
{
	const struct timespec rest = {.tv_nsec = REST};
	uint64_t sum = 0;

	for (unsigned i = 0; i < FEW; i++) {
		uint64_t begin;

		nanosleep(&rest, NULL);
		begin = bench_now();
		bench_must(reads(STORE, 1) ? -EIO : 0, "a read");
		sum += bench_now() - begin;
	}
	return (double)sum / FEW;
}

int main(int argc, char **argv)
{
	static struct bench_row store = {"doorbell", "watched",
					 "read through the door, doorbells in quick succession",
					 "the same, rung now and then"},
				call = {"doorbell", "pwrite",
					"read through the door, doorbells by pwrite",
					"the same, rung now and then"};
	bool json = bench_wants_json(argc, argv);
	int rc = start();

	bench_must(rc > 0 ? -EIO : rc, "a drive");
	for (unsigned i = 0; i < bench_windows(); i++) {
		store.ours[i] = watched(STORE);
		store.theirs[i] = call.theirs[i] = trapped();
		call.ours[i] = watched(CALL);
	}
	bench_show(&store, json);
	bench_show(&call, json);
	return 0;
}
