/* SPDX-License-Identifier: MIT */
/* Memory that goes away while a device may write to it. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include "hostile.h"

/* Pinned pages or a refusal, and everything goes on. */
static void identify_into_what_is_left(void)
{
	int status = -1;

	check(!nvme_identify_to(&nvme, NVME_IOVA + 2 * NVME_PAGE, &status));
	check(status >= 0);
}

static void memory_unmapped(void)
{
	start();
	check(!munmap(DATA, NVME_PAGE));
	identify_into_what_is_left();
	identify_into_what_is_left();
}

/* Behind the door's back: a refusal. */
static void memory_gone(void)
{
	int status = 0;

	start();
	check(!syscall(SYS_munmap, DATA, NVME_PAGE));
	check(!nvme_identify_to(&nvme, NVME_IOVA + 2 * NVME_PAGE, &status));
	check(status > 0);
	check(mmap(DATA, NVME_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		   -1, 0) == (void *)DATA);
	check(!nvme_remap(&nvme));
	check(!nvme_identify(&nvme));
}

static void memory_protected(void)
{
	start();
	check(!mprotect(DATA, NVME_PAGE, PROT_NONE));
	identify_into_what_is_left();
	check(!mprotect(DATA, NVME_PAGE, PROT_READ));
	identify_into_what_is_left();
	check(!mprotect(DATA, NVME_PAGE, PROT_READ | PROT_WRITE));
	check(!nvme_identify(&nvme));
}

static void memory_replaced(void)
{
	start();
	check(mmap(DATA, NVME_PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	      (void *)DATA);
	identify_into_what_is_left();
	check(!madvise(DATA, NVME_PAGE, MADV_DONTNEED));
	identify_into_what_is_left();
}

static void memory_dropped(void)
{
	start();
	check(!madvise(DATA, NVME_PAGE, MADV_DONTNEED));
	identify_into_what_is_left();
}

/* The completion goes to the old page; mapped anew, the queue is the one the program sees. */
static void queue_unmapped(void)
{
	uint8_t *queue;

	start();
	queue = nvme.mem + NVME_PAGE;
	check(!munmap(queue, NVME_PAGE));
	*nvme_reg(&nvme, 0x1000) = 2;
	usleep(1000);
	check(mmap(queue, NVME_PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == (void *)queue);
	check(!nvme_remap(&nvme));
	check(!nvme_enable(&nvme));
	check(!nvme_identify(&nvme));
}

static void *come_and_go(void *stop)
{
	while (!atomic_load((_Atomic int *)stop)) {
		mprotect(DATA, NVME_PAGE, PROT_NONE);
		munmap(DATA, NVME_PAGE);
		mmap(DATA, NVME_PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	}
	return NULL;
}

static void memory_comes_and_goes(void)
{
	static _Atomic int stop;
	pthread_t thread;

	start();
	check(!pthread_create(&thread, NULL, come_and_go, &stop));
	for (int i = 0; i < 500; i++)
		identify_into_what_is_left();
	stop = 1;
	pthread_join(thread, NULL);
	check(!nvme_remap(&nvme));
	check(!nvme_identify(&nvme));
}

static const struct hostile cases[] = {
	CASE(memory_unmapped),	     CASE(memory_gone),	   CASE(memory_protected),
	CASE(memory_replaced),	     CASE(memory_dropped), CASE(queue_unmapped),
	CASE(memory_comes_and_goes),
};

int main(int argc, char **argv)
{
	return hostile_main(cases, sizeof(cases) / sizeof(cases[0]), argc > 1 ? argv[1] : NULL);
}
