/* SPDX-License-Identifier: MIT */
/*
 * Description: threads read an NVMe drive while others MAP, COPY and UNMAP, move the device between
 * two IOASes and change its interrupts; each round ends with RESET, FLR, bus master off, DETACH or
 * close in the middle of it. What a call took from the device is not written to any more when it
 * returns: such memory is painted, and must keep its paint.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include "sys.h"
#include "tests/soak.h"

#define PAGE	 4096u
#define READERS	 2
#define MAPPERS	 2
#define ENTRIES	 32u
#define BATCH	 8u	    /* commands a reader has under way */
#define LEN	 (4 * PAGE) /* of a region, and of a read */
#define PAINT	 0x5c
#define ROUNDS	 15
#define CHANGES	 40 /* of each thread, in a round */
#define RW	 (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_FIXED_IOVA)
#define QUEUES	 (1u << 20)
#define DATA	 (1u << 24)
#define CHECK(c) ((c) ? (void)0 : broken(#c, __LINE__))

/* A queue pair and the reader's PRP lists, a page each. Queue 0 is the admin queue. */
struct queue {
	uint8_t sq[PAGE], cq[PAGE], lists[PAGE];
	unsigned id, tail, head; /* since they were made */
	char rest[PAGE - 3 * sizeof(unsigned)];
};

static struct queue *queues; /* 1 + READERS, in both IOASes at QUEUES */
static uint8_t *region[2];   /* what region 0 is in each IOAS */
static uint8_t *lent[MAPPERS];
static int iommufd, dev;
static uint32_t ioas[2];
static struct vfio_region_info bar, config;
static _Atomic bool over; /* the round */
static _Atomic uint64_t reads_good, reads_bad;

static void broken(const char *what, int line)
{
	fprintf(stderr, "crowd.c:%d: %s\n", line, what);
	_exit(1);
}

static uint8_t *pages(size_t len)
{
	uint8_t *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(at != MAP_FAILED);
	return at;
}

/* Nobody writes to memory that was taken away. */
static void paint_stays(uint8_t *memory, size_t len)
{
	memset(memory, PAINT, len);
	for (int look = 0; look < 4; look++) {
		for (size_t i = 0; i < len; i++)
			CHECK(((volatile uint8_t *)memory)[i] == PAINT);
		sched_yield();
	}
}

static void map(unsigned space, uint64_t iova, void *memory, uint64_t len)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = RW,
		.ioas_id = ioas[space],
		.user_va = (uintptr_t)memory,
		.length = len,
		.iova = iova,
	};

	CHECK(!sys_ioctl(iommufd, IOMMU_IOAS_MAP, &cmd));
}

static void copy(unsigned to, unsigned from, uint64_t iova, uint64_t len)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = RW,
		.dst_ioas_id = ioas[to],
		.src_ioas_id = ioas[from],
		.length = len,
		.dst_iova = iova,
		.src_iova = iova,
	};

	CHECK(!sys_ioctl(iommufd, IOMMU_IOAS_COPY, &cmd));
}

static void unmap(unsigned space, uint64_t iova, uint64_t len)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd), .ioas_id = ioas[space], .iova = iova, .length = len};

	CHECK(!sys_ioctl(iommufd, IOMMU_IOAS_UNMAP, &cmd));
	CHECK(cmd.length == len);
}

static uint64_t iova_of(const void *in_queues)
{
	return QUEUES + (uint64_t)((const uint8_t *)in_queues - (uint8_t *)queues);
}

/* Puts a command in and rings; the id is its slot. */
static void submit(struct queue *q, const uint32_t dword[16])
{
	memcpy(q->sq + 64 * (q->tail % ENTRIES), dword, 64);
	atomic_thread_fence(memory_order_seq_cst);
	q->tail++;
	sys_store(0x1000 + 8 * q->id, q->tail % ENTRIES);
}

static bool dead(void)
{
	uint32_t csts = sys_load(0x1c);

	return atomic_load(&over) || csts & 2 || !(csts & 1);
}

/* The status of the next completion; -1: the controller died, or the round is over. */
static int reap(struct queue *q)
{
	uint32_t *word = (uint32_t *)(q->cq + 16 * (q->head % ENTRIES) + 12);
	unsigned phase = !(q->head / ENTRIES % 2);
	uint32_t got;

	for (unsigned i = 1;; i++) {
		got = __atomic_load_n(word, __ATOMIC_ACQUIRE);
		if ((got >> 16 & 1) == phase)
			break;
		if (i % 16 == 0 && dead())
			return -1;
		/* The others want the CPU, too. */
		if (i % 16 == 0)
			usleep(20);
		else
			sched_yield();
	}
	q->head++;
	sys_store(0x1004 + 8 * q->id, q->head % ENTRIES);
	return (int)(got >> 17);
}

static void read_region(struct queue *q, unsigned slot, unsigned which)
{
	uint64_t data = DATA + which * 16ull * PAGE, *list = (uint64_t *)(q->lists + slot * 32);
	uint32_t dword[16] = {2 | slot << 16, 1};
	uint64_t prp[2] = {data, iova_of(list)};

	for (unsigned i = 0; i < 3; i++)
		list[i] = data + (i + 1) * PAGE;
	memcpy(dword + 6, prp, sizeof(prp));
	dword[10] = slot * LEN / 512;
	dword[12] = LEN / 512 - 1;
	submit(q, dword);
}

static void *reader(void *arg)
{
	struct queue *q = arg;
	unsigned seed = q->id;

	for (;;) {
		for (unsigned i = 0; i < BATCH; i++)
			read_region(q, i,
				    (seed = seed * 1103515245 + 12345) >> 16 & 3
					    ? 1 + (seed >> 20) % MAPPERS
					    : 0);
		for (unsigned i = 0; i < BATCH; i++) {
			int status = reap(q);

			if (status < 0)
				return NULL;
			atomic_fetch_add(status ? &reads_bad : &reads_good, 1);
		}
	}
}

/* Looks whether the device wrote to memory; gives it a while. */
static void await_use(uint8_t *memory)
{
	for (int i = 0; i < 200 && __atomic_load_n(memory, __ATOMIC_RELAXED) == PAINT; i++)
		sched_yield();
}

static void *mapper(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg, first = me % 2;
	uint64_t iova = DATA + (1 + me) * 16ull * PAGE;

	for (unsigned i = 0; i < CHANGES; i++) {
		map(first, iova, lent[me], LEN);
		if (i % 2)
			copy(!first, first, iova, LEN);
		else
			map(!first, iova, lent[me], LEN);
		await_use(lent[me]);
		unmap(i / 2 % 2, iova, LEN);
		unmap(!(i / 2 % 2), iova, LEN);
		paint_stays(lent[me], LEN);
	}
	return NULL;
}

static void attach(unsigned space)
{
	struct vfio_device_attach_iommufd_pt cmd = {.argsz = sizeof(cmd), .pt_id = ioas[space]};

	CHECK(!sys_ioctl(dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd));
}

/* MSI-X vectors 1 and 2 get this eventfd; -1: none. */
static void set_vectors(int fd)
{
	struct {
		struct vfio_irq_set set;
		int32_t fd[READERS];
	} irqs = {
		.set = {.argsz = sizeof(irqs),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = VFIO_PCI_MSIX_IRQ_INDEX,
			.start = 1,
			.count = READERS},
	};

	for (unsigned i = 0; i < READERS; i++)
		irqs.fd[i] = fd;
	CHECK(!sys_ioctl(dev, VFIO_DEVICE_SET_IRQS, &irqs));
}

/* Begins and ends in IOAS 0. */
static void *mover(void *arg)
{
	for (unsigned i = 0; i < CHANGES; i++) {
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

		await_use(region[i % 2]);
		set_vectors(fd);
		close(fd);
		attach(!(i % 2));
		paint_stays(region[i % 2], LEN);
		set_vectors(-1);
	}
	return NULL;
}

static void admin(const uint32_t dword[16])
{
	submit(&queues[0], dword);
	CHECK(reap(&queues[0]) == 0);
}

static void make_queue(struct queue *q)
{
	uint32_t dword[16] = {5}, size = q->id | (ENTRIES - 1) << 16;
	uint64_t at = iova_of(q->cq);

	memcpy(dword + 6, &at, 8);
	dword[10] = size;
	dword[11] = 3 | q->id << 16;
	admin(dword);
	dword[0] = 1;
	at = iova_of(q->sq);
	memcpy(dword + 6, &at, 8);
	dword[11] = 1 | q->id << 16;
	admin(dword);
}

static void enable(void)
{
	uint16_t command = 6;

	atomic_store(&over, false);
	for (unsigned i = 0; i <= READERS; i++) {
		memset(&queues[i], 0, sizeof(queues[i]));
		queues[i].id = i;
	}
	CHECK(sys_pwrite(dev, &command, 2, config.offset + 4) == 2);
	sys_store(0x14, 0);
	while (sys_load(0x1c) & 1)
		sched_yield();
	sys_store(0x24, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	sys_store64(0x28, iova_of(queues[0].sq));
	sys_store64(0x30, iova_of(queues[0].cq));
	sys_store(0x14, 4 << 20 | 6 << 16 | 1);
	while (!(sys_load(0x1c) & 1))
		sched_yield();
	for (unsigned i = 1; i <= READERS; i++)
		make_queue(&queues[i]);
}

static void open_device(void)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommufd};

	dev = sys_open("/dev/vfio/devices/vfio0");
	CHECK(dev >= 0);
	CHECK(!sys_ioctl(dev, VFIO_DEVICE_BIND_IOMMUFD, &bind));
	bar = (struct vfio_region_info){.argsz = sizeof(bar)};
	config = (struct vfio_region_info){.argsz = sizeof(config),
					   .index = VFIO_PCI_CONFIG_REGION_INDEX};
	CHECK(!sys_ioctl(dev, VFIO_DEVICE_GET_REGION_INFO, &bar));
	CHECK(!sys_ioctl(dev, VFIO_DEVICE_GET_REGION_INFO, &config));
	sys_map(dev, bar.offset, 2 * PAGE);
	attach(0);
}

static void begin(void)
{
	for (unsigned i = 0; i < 2; i++) {
		struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

		CHECK(!sys_ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc));
		ioas[i] = alloc.out_ioas_id;
		region[i] = pages(LEN);
		map(i, QUEUES, queues, (1 + READERS) * sizeof(*queues));
		map(i, DATA, region[i], LEN);
	}
	for (unsigned i = 0; i < MAPPERS; i++)
		lent[i] = pages(LEN);
	open_device();
}

enum { RESET, FLR, MASTER_OFF, DETACH, CLOSE, ENDS };

/* Returns with no DMA possible. Readers are at it, but for CLOSE. */
static void end_dma(int how)
{
	struct vfio_device_detach_iommufd_pt detach = {.argsz = sizeof(detach)};
	uint16_t memory_only = 2, flr = 0xa810;

	switch (how) {
	case RESET:
		CHECK(!sys_ioctl(dev, VFIO_DEVICE_RESET, NULL));
		break;
	case FLR: /* device control of the PCIe capability */
		CHECK(sys_pwrite(dev, &flr, 2, config.offset + 0x78) == 2);
		break;
	case MASTER_OFF:
		CHECK(sys_pwrite(dev, &memory_only, 2, config.offset + 4) == 2);
		break;
	case DETACH:
		CHECK(!sys_ioctl(dev, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach));
		break;
	case CLOSE:
		sys_unmap();
		sys_close(dev);
		break;
	}
}

static void round_of(int how)
{
	pthread_t read[READERS], change[MAPPERS + 1];
	uint64_t before;

	enable();
	before = atomic_load(&reads_good);
	for (unsigned i = 0; i < READERS; i++)
		CHECK(!pthread_create(&read[i], NULL, reader, &queues[1 + i]));
	while (atomic_load(&reads_good) == before && !dead())
		sched_yield();
	for (unsigned i = 0; i < MAPPERS; i++)
		CHECK(!pthread_create(&change[i], NULL, mapper, (void *)(uintptr_t)i));
	CHECK(!pthread_create(&change[MAPPERS], NULL, mover, NULL));
	for (unsigned i = 0; i <= MAPPERS; i++)
		pthread_join(change[i], NULL);
	CHECK(!dead());
	atomic_store(&over, how == CLOSE);
	for (unsigned i = 0; how == CLOSE && i < READERS; i++)
		pthread_join(read[i], NULL);
	end_dma(how);
	for (unsigned i = 0; i < 2; i++)
		paint_stays(region[i], LEN);
	atomic_store(&over, true);
	for (unsigned i = 0; how != CLOSE && i < READERS; i++)
		pthread_join(read[i], NULL);
	for (unsigned i = 0; i <= READERS; i++)
		paint_stays(queues[i].cq, PAGE);
	if (how == DETACH)
		attach(0);
	if (how == CLOSE)
		open_device();
}

int main(int argc, char **argv)
{
	CHECK(sizeof(struct queue) == 4 * PAGE);
	sys_begin(argc > 1 ? argv[1] : "");
	queues = (struct queue *)pages((1 + READERS) * sizeof(*queues));
	iommufd = sys_open("/dev/iommu");
	CHECK(iommufd >= 0);
	begin();
	for (int i = 0; i < (int)(ROUNDS * soak_times()); i++)
		round_of(i % ENDS);
	CHECK(atomic_load(&reads_good) > ROUNDS);
	printf("%llu reads arrived, %llu were refused\n", (unsigned long long)reads_good,
	       (unsigned long long)reads_bad);
	printf("tried: %llu operations\n", (unsigned long long)(reads_good + reads_bad));
	sys_unmap();
	/* The context outlives its file while the device is bound. */
	sys_close(iommufd);
	sys_close(dev);
	sys_end();
	return 0;
}
