/* SPDX-License-Identifier: MIT */
/* IOMMU_VEVENTQ_ALLOC: events are read, in order; what is lost is told. */
#include <poll.h>
#include <sys/resource.h>
#include "viommu.h"

#define VIRT_ID 0x42
#define DEPTH	2

static int fd, queue;
static struct guest g;

struct event {
	struct iommufd_vevent_header header;
	struct testcmd_vevent data;
};

static long result(ssize_t rc)
{
	return rc < 0 ? -errno : rc;
}

static long event(uint32_t device)
{
	struct iommu_test_cmd cmd = {.vevent = {.device_id = device}};

	return testcmd(fd, TESTCMD_VEVENT, 0, &cmd);
}

static long readable(void)
{
	struct pollfd p = {.fd = queue, .events = POLLIN};

	return poll(&p, 1, 0) < 0 ? -errno : p.revents;
}

/* No number is free for its descriptor: nothing is left of it. */
static void without_room(struct iommu_veventq_alloc *cmd)
{
	struct rlimit was, none;

	getrlimit(RLIMIT_NOFILE, &was);
	none = was;
	none.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &none);
	EXPECT(fd, IOMMU_VEVENTQ_ALLOC, cmd, -EMFILE, "no descriptor is free");
	setrlimit(RLIMIT_NOFILE, &was);
}

static uint32_t alloc(uint32_t viommu)
{
	struct iommu_veventq_alloc good = {.size = sizeof(good),
					   .viommu_id = viommu,
					   .type = TESTCMD_TYPE_VEVENTQ,
					   .veventq_depth = DEPTH},
				   cmd = good;

	cmd.flags = 1;
	EXPECT(fd, IOMMU_VEVENTQ_ALLOC, &cmd, -EOPNOTSUPP, "unknown flag");
	cmd = good;
	cmd.__reserved = 1;
	EXPECT(fd, IOMMU_VEVENTQ_ALLOC, &cmd, -EOPNOTSUPP, "reserved field");
	cmd = good;
	cmd.type = 0;
	EXPECT(fd, IOMMU_VEVENTQ_ALLOC, &cmd, -EOPNOTSUPP, "type 0");
	cmd = good;
	cmd.veventq_depth = 0;
	cmd.viommu_id = 99;
	EXPECT(fd, IOMMU_VEVENTQ_ALLOC, &cmd, -EINVAL, "depth 0");
	cmd.veventq_depth = (1u << 19) + 1;
	EXPECT(fd, IOMMU_VEVENTQ_ALLOC, &cmd, -EINVAL, "too deep");
	cmd.veventq_depth = DEPTH;
	EXPECT(fd, IOMMU_VEVENTQ_ALLOC, &cmd, -ENOENT, "no viommu");
	cmd = good;
	without_room(&cmd);
	EXPECT(fd, IOMMU_VEVENTQ_ALLOC, &cmd, 0, "a queue");
	queue = (int)cmd.out_veventq_fd;
	check("it closes on exec", fcntl(queue, F_GETFD), FD_CLOEXEC);
	EXPECT(fd, IOMMU_VEVENTQ_ALLOC, &good, -EEXIST, "another of its type");
	return cmd.out_veventq_id;
}

static void expect(struct event *e, uint32_t flags, uint32_t sequence)
{
	check("its flags", e->header.flags, flags);
	check("its number", e->header.sequence, sequence);
	if (!flags)
		check("the device", e->data.virt_id, VIRT_ID);
}

static void reading(void)
{
	struct event e[4];

	check("poll", readable(), 0);
	check("read nothing", result(read(queue, e, sizeof(e))), 0);
	check("read less than a header", result(read(queue, e, 7)), -EINVAL);
	check("write", result(write(queue, e, 8)), -EINVAL);
	check("an event", event(g.dev.device), 0);
	check("poll", readable(), POLLIN);
	check("read its header", result(read(queue, e, 8)), -EINVAL);
	check("read to nowhere", result(read(queue, WILD, sizeof(e))), -EFAULT);
	check("read it", result(read(queue, e, sizeof(e))), sizeof(e[0]));
	expect(e, 0, 0);
	check("poll", readable(), 0);
}

/* Numbers 1 to 4 are reported, two have room. */
static void losing(void)
{
	struct event e[4];

	for (int i = 0; i < 4; i++)
		check("an event", event(g.dev.device), 0);
	check("read one", result(read(queue, e, sizeof(e[0]) + 8)), sizeof(e[0]));
	expect(e, 0, 1);
	check("read all", result(read(queue, e, sizeof(e))), sizeof(e[0]) + 8);
	expect(e, 0, 2);
	expect(e + 1, IOMMU_VEVENTQ_FLAG_LOST_EVENTS, 4);
	for (int i = 0; i < 3; i++)
		check("an event", event(g.dev.device), 0);
	check("read one", result(read(queue, e, sizeof(e[0]))), sizeof(e[0]));
	expect(e, 0, 5);
	check("an event", event(g.dev.device), 0);
	check("read all", result(read(queue, e, sizeof(e))), 2 * sizeof(e[0]));
	expect(e, 0, 6);
	expect(e + 1, 0, 8);
}

int main(void)
{
	uint32_t viommu, vdevice, nested, id;

	fd = open_guest_or_skip(&g);
	check("viommu", viommu_alloc(fd, g.dev.device, g.parent, &viommu), 0);
	id = alloc(viommu);
	check("event of no device", event(99), -ENOENT);
	check("event of a device without a guest", event(g.dev.device), -ENOENT);
	check("vdevice", vdevice_alloc(fd, viommu, g.dev.device, VIRT_ID, &vdevice), 0);
	check("nested", nested_alloc(fd, viommu, g.dev.device, &nested), 0);
	check("attach", replace(fd, g.dev.test, nested, NULL), 0);
	reading();
	losing();
	check("the viommu stays", destroy(fd, viommu), -EBUSY);
	check("the queue stays", destroy(fd, id), -EBUSY);
	check("close", close(queue), 0);
	check("an event that nobody reads", event(g.dev.device), 0);
	check("the queue goes", destroy(fd, id), 0);
	check("an event without a queue", event(g.dev.device), -EOPNOTSUPP);
	check("back", replace(fd, g.dev.test, g.ioas, NULL), 0);
	check("nested goes", destroy(fd, nested), 0);
	check("vdevice goes", destroy(fd, vdevice), 0);
	check("the viommu goes", destroy(fd, viommu), 0);
	return check_done();
}
