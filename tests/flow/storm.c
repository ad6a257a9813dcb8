/* SPDX-License-Identifier: MIT */
/*
 * Description: five senders at full speed, two of them devices of one share set, the others one
 * device without a PASID and with two, while threads map and unmap, attach, replace and detach,
 * reset the device, open and close contexts, and fork. After each call that takes something from a
 * sender the memory is filled with canaries, and no byte of it changes; a write that was answered
 * with success, by the route that stays, is in memory; nobody waits for ever.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <ioas/device.h>
#include <ioas/tlp.h>
#include "pci/pci.h"
#include "tests/soak.h"
#include "tests/unit/uapi/world.h"

#define LEN	(16 * PAGE) /* of a sender's home, of a mapper's piece, and of a TLP */
#define SENDERS 5
#define MAPPERS 2
#define CHANGES 300
#define PASID	7	     /* which moves; the next one stays */
#define HOME	0x1000000ull /* of sender n: n MiB further; what mappers map is below */
#define CANARY	0xc0ffee0ddba11ull
#define RW	(IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_FIXED_IOVA)
#define ACS	",acs,acs_cap=1f,acs_ctrl=1d"

/* Two cards behind a bridge, which share their requester ID, and a device with PASIDs. */
static const char *const lines[] = {
	"iommu kind=soft,aw=48,pasid=20,pasid0apart,dirty",
	"function addr=00:01.0,type=root port,secondary=1,subordinate=2" ACS,
	"function addr=00:02.0,type=root port,secondary=3,subordinate=3" ACS,
	"function addr=01:00.0,type=PCIe-to-PCI bridge,secondary=2,subordinate=2",
	"function addr=02:00.0,type=PCI function",
	"function addr=02:01.0,type=PCI function",
	"function addr=03:00.0,type=endpoint,pasid=20",
	NULL,
};
static const struct ioas_pci_addr at[3] = {{.bus = 2}, {.bus = 2, .devfn = 1 << 3}, {.bus = 3}};

struct sender {
	unsigned nr, dev;
	bool tagged;
	pasid_t pasid;
	uint64_t *home[2]; /* what is at its home in each IOAS */
	_Atomic uint64_t sent, refused;
	pthread_t thread;
};

static struct world *w;
static struct ioas_file *iommufd, *cdev[3];
static uint32_t ioas[2], table[2];
static struct sender senders[SENDERS] = {
	{0, 0, false}, {1, 1, false}, {2, 2, false}, {3, 2, true, PASID}, {4, 2, true, PASID + 1}};
static uint64_t *piece[MAPPERS];
static _Atomic bool over;
static _Atomic uint64_t operations;

static long call(struct ioas_file *file, unsigned long cmd, void *arg)
{
	atomic_fetch_add(&operations, 1);
	return ioas_file_ioctl(file, &w->caller, cmd, (uintptr_t)arg, NULL);
}

#define must(x)                                                                 \
	do {                                                                    \
		if (!(x)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
			abort();                                                \
		}                                                               \
	} while (0)

static uint64_t *pages(size_t len)
{
	void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(mem != MAP_FAILED);
	return mem;
}

static long map(unsigned space, uint64_t iova, void *memory)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = RW,
		.ioas_id = ioas[space],
		.user_va = (uintptr_t)memory,
		.length = LEN,
		.iova = iova,
	};

	return call(iommufd, IOMMU_IOAS_MAP, &cmd);
}

static void unmap(unsigned space, uint64_t iova)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd), .ioas_id = ioas[space], .iova = iova, .length = LEN};

	must(!call(iommufd, IOMMU_IOAS_UNMAP, &cmd) && cmd.length == LEN);
}

/* ---- who sends ---- */

/* Fills its home. By the route that stays, what came back as done is there. */
static void write_home(struct sender *s, struct ioas_issuer *issuer, struct ioas_tlp *tlp,
		       uint64_t *shot)
{
	uint64_t number = atomic_load(&s->sent) << 8 | 0x5a;

	for (unsigned i = 0; i < LEN / 8; i++)
		shot[i] = number;
	tlp->addr = HOME + ((uint64_t)s->nr << 20);
	if (ioas_tlp_issue(issuer, tlp, shot))
		atomic_fetch_add(&s->refused, 1);
	else if (s->pasid == PASID + 1)
		must(s->home[0][0] == number && s->home[0][LEN / 8 - 1] == number);
}

static void *fire(void *arg)
{
	struct sender *s = arg;
	struct ioas_tlp tlp = {.op = IOAS_TLP_WRITE, .len = LEN, .pasid = s->pasid};
	uint64_t *shot = pages(LEN);
	struct ioas_issuer *issuer;

	tlp.flags = s->tagged ? IOAS_TLP_PASID : 0;
	must(!ioas_issuer_new(ioas_pci_device(w->dev[s->dev].pci), &issuer));
	while (!atomic_load(&over)) {
		write_home(s, issuer, &tlp, shot);
		tlp.addr = 0x100000 + (s->sent % MAPPERS << 20);
		if (ioas_tlp_issue(issuer, &tlp, shot))
			atomic_fetch_add(&s->refused, 1);
		atomic_fetch_add(&s->sent, 2);
		sched_yield();
	}
	ioas_issuer_destroy(issuer);
	munmap(shot, LEN);
	return NULL;
}

/* Nobody writes there any more: filled from its end, towards what may still be under way. */
static void left_alone(uint64_t *memory, const struct sender *s)
{
	uint64_t goal = s ? atomic_load(&s->sent) + 4 : 0;

	for (size_t i = LEN / 8; i--;)
		((volatile uint64_t *)memory)[i] = CANARY;
	for (unsigned i = 0; i < 200 && (i < 3 || (s && atomic_load(&s->sent) < goal)); i++)
		usleep(50);
	for (size_t i = 0; i < LEN / 8; i++)
		must(((volatile uint64_t *)memory)[i] == CANARY);
}

/* ---- who changes something ---- */

static void *map_and_unmap(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	uint64_t iova = 0x100000 + ((uint64_t)me << 20);

	while (!atomic_load(&over)) {
		must(!map(0, iova, piece[me]) && !map(1, iova, piece[me]));
		usleep(100);
		unmap(me % 2, iova);
		unmap(!(me % 2), iova);
		left_alone(piece[me], NULL);
	}
	return NULL;
}

static long move_pasid(unsigned dev, bool tagged, pasid_t pasid, uint32_t pt)
{
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = sizeof(cmd),
		.flags = tagged ? VFIO_DEVICE_ATTACH_PASID : 0,
		.pt_id = pt,
		.pasid = pasid,
	};

	return call(cdev[dev], VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);
}

static long move(unsigned dev, bool tagged, uint32_t pt)
{
	return move_pasid(dev, tagged, PASID, pt);
}

static void detach(unsigned dev, bool tagged)
{
	struct vfio_device_detach_iommufd_pt cmd = {
		.argsz = sizeof(cmd),
		.flags = tagged ? VFIO_DEVICE_DETACH_PASID : 0,
		.pasid = PASID,
	};

	must(!call(cdev[dev], VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd));
}

/* One route, from space to space, with nothing between at times. */
static void *move_one(void *arg)
{
	struct sender *s = arg;

	for (unsigned i = 0; i < CHANGES * soak_times(); i++) {
		must(!move(s->dev, s->tagged, table[!(i % 2)]));
		left_alone(s->home[i % 2], s);
		if (i % 3 == 0) {
			detach(s->dev, s->tagged);
			left_alone(s->home[0], s);
			left_alone(s->home[1], s);
			must(!move(s->dev, s->tagged, table[!(i % 2)]));
		}
	}
	return NULL;
}

/* A replace by one of a share set moves both; a detach takes what is the last one's. */
static void *move_share_set(void *arg)
{
	for (unsigned i = 0; i < CHANGES * soak_times(); i++) {
		must(!move(i / 2 % 2, false, ioas[!(i % 2)]));
		left_alone(senders[0].home[i % 2], &senders[0]);
		left_alone(senders[1].home[i % 2], &senders[1]);
		if (i % 4 == 1) {
			detach(0, false);
			detach(1, false);
			left_alone(senders[0].home[!(i % 2)], &senders[0]);
			left_alone(senders[1].home[!(i % 2)], &senders[1]);
			must(!move(1, false, ioas[!(i % 2)]) && !move(0, false, ioas[!(i % 2)]));
			/* The other one's space is not to be had. */
			detach(1, false);
			must(move(1, false, ioas[i % 2]) == -EINVAL);
			must(!move(1, false, ioas[!(i % 2)]));
		}
	}
	return NULL;
}

static void master(unsigned dev, bool on)
{
	uint16_t command = on ? PCI_CMD_MASTER | PCI_CMD_MEMORY : PCI_CMD_MEMORY;

	must(pci_config_write(w->dev[dev].pci, PCI_CFG_COMMAND, &command, 2) == 2);
}

/* A device without bus mastering sends nothing, whatever its routes are. */
static void *reset(void *arg)
{
	while (!atomic_load(&over)) {
		must(!call(cdev[2], VFIO_DEVICE_RESET, NULL));
		master(2, false);
		for (unsigned i = 2; i < SENDERS; i++) {
			uint64_t sent = atomic_load(&senders[i].sent);
			uint64_t refused = atomic_load(&senders[i].refused);

			/* One of the two may have begun before. */
			while (atomic_load(&senders[i].sent) < sent + 6 && !atomic_load(&over))
				usleep(20);
			must(atomic_load(&over) || atomic_load(&senders[i].refused) >= refused + 4);
		}
		master(2, true);
		atomic_fetch_add(&operations, 2);
		usleep(10000);
	}
	return NULL;
}

/* Contexts that have nothing to do with the devices, and processes that have no threads. */
static void *open_and_fork(void *arg)
{
	struct ioas_node node;

	for (size_t i = 0; !ioas_node_at(w->iommu, i, &node) && strcmp(node.path, "/dev/iommu");)
		i++;
	while (!atomic_load(&over)) {
		struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
		struct ioas_file *file;

		must(!ioas_file_open(w->iommu, &w->caller, &node, 2, &file, NULL));
		must(!call(file, IOMMU_IOAS_ALLOC, &alloc));
		ioas_file_put(file);
#ifndef __SANITIZE_THREAD__ /* which ends a child of a program with threads */
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		must(waitpid(pid, NULL, 0) == pid);
#endif
		usleep(1000);
	}
	return NULL;
}

/* ---- the test ---- */

static struct ioas_file *file_of(int fd)
{
	struct ioas_file *file;

	must(fd > 0 && !w->caller.ops->file_get(&w->caller, fd, &file));
	return file;
}

static uint32_t table_for_pasids(uint32_t dev_id, uint32_t space)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_HWPT_ALLOC_PASID,
		.dev_id = dev_id,
		.pt_id = space,
	};

	must(!call(iommufd, IOMMU_HWPT_ALLOC, &cmd));
	return cmd.out_hwpt_id;
}

static void begin(void)
{
	int fd = w_open(w, "/dev/iommu"), dev[3];
	uint32_t id = 0;

	iommufd = file_of(fd);
	for (unsigned i = 0; i < 2; i++) {
		ioas[i] = w_ioas(w, fd);
		for (unsigned s = 0; s < SENDERS; s++) {
			senders[s].home[i] = pages(LEN);
			must(!map(i, HOME + ((uint64_t)s << 20), senders[s].home[i]));
		}
	}
	for (unsigned i = 0; i < 3; i++) {
		dev[i] = w_open_cdev(w, i);
		id = w_bind(w, dev[i], fd);
		cdev[i] = file_of(dev[i]);
		master(i, true);
	}
	for (unsigned i = 0; i < 2; i++) {
		table[i] = table_for_pasids(id, ioas[i]);
		must(!move(i, false, ioas[0]));
	}
	must(!move(2, false, table[0]) && !move(2, true, table[0]));
	must(!move_pasid(2, true, PASID + 1, table[0]));
	for (unsigned i = 0; i < MAPPERS; i++)
		piece[i] = pages(LEN);
}

static void a_storm_loses_nothing(void **state)
{
	pthread_t changer[3], other[MAPPERS + 2];
	uint64_t tlps = 0, faults = 0;

	w = *state;
	begin();
	for (unsigned i = 0; i < SENDERS; i++)
		must(!pthread_create(&senders[i].thread, NULL, fire, &senders[i]));
	for (unsigned i = 0; i < MAPPERS; i++)
		must(!pthread_create(&other[i], NULL, map_and_unmap, (void *)(uintptr_t)i));
	must(!pthread_create(&other[MAPPERS], NULL, reset, NULL));
	must(!pthread_create(&other[MAPPERS + 1], NULL, open_and_fork, NULL));
	must(!pthread_create(&changer[0], NULL, move_one, &senders[2]));
	must(!pthread_create(&changer[1], NULL, move_one, &senders[3]));
	must(!pthread_create(&changer[2], NULL, move_share_set, NULL));
	for (unsigned i = 0; i < 3; i++)
		pthread_join(changer[i], NULL);
	atomic_store(&over, true);
	for (unsigned i = 0; i < MAPPERS + 2; i++)
		pthread_join(other[i], NULL);
	for (unsigned i = 0; i < SENDERS; i++) {
		pthread_join(senders[i].thread, NULL);
		tlps += senders[i].sent;
		faults += senders[i].refused;
		assert_true(senders[i].refused < senders[i].sent);
	}
	printf("tried: %llu operations, %llu TLPs, %llu faults\n", (unsigned long long)operations,
	       (unsigned long long)tlps, (unsigned long long)faults);
	for (unsigned i = 0; i < 3; i++)
		ioas_file_put(cdev[i]);
	ioas_file_put(iommufd);
}

static int setup(void **state)
{
	return world_setup_machine(state, NULL, lines, at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_storm_loses_nothing, setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
