/* SPDX-License-Identifier: MIT */
/* IOMMU_FAULT_QUEUE_ALLOC: page requests are read, answered, refused. */
#include <poll.h>
#include <sys/resource.h>
#include "testcmd.h"

#define REC sizeof(struct iommu_hwpt_pgfault)

static int fd;
static struct test_ids dev;

static long request(uint32_t group)
{
	struct iommu_test_cmd cmd = {.page_request = {.device_id = dev.device,
						      .group = group,
						      .perm = IOMMU_PGFAULT_PERM_READ,
						      .addr = 0xdeadbeaf}};

	return testcmd(fd, TESTCMD_PAGE_REQUEST, 0, &cmd);
}

static long result(ssize_t rc)
{
	return rc < 0 ? -errno : rc;
}

static long events(int queue)
{
	struct pollfd p = {.fd = queue, .events = POLLIN | POLLOUT};

	return poll(&p, 1, 0) < 0 ? -errno : p.revents;
}

static uint32_t nested(uint32_t ioas, uint32_t fault)
{
	struct iommu_hwpt_alloc parent = {.size = sizeof(parent),
					  .flags = IOMMU_HWPT_ALLOC_NEST_PARENT,
					  .dev_id = dev.device,
					  .pt_id = ioas};
	uint32_t word = 0;
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd),
				       .flags = IOMMU_HWPT_FAULT_ID_VALID,
				       .dev_id = dev.device,
				       .data_type = TESTCMD_TYPE_HWPT,
				       .data_len = sizeof(word),
				       .data_uptr = (uintptr_t)&word,
				       .fault_id = fault};

	check("parent", call(fd, IOMMU_HWPT_ALLOC, &parent), 0);
	cmd.pt_id = parent.out_hwpt_id;
	check("nested, with a fault queue", call(fd, IOMMU_HWPT_ALLOC, &cmd), 0);
	return cmd.out_hwpt_id;
}

static void reading(int queue)
{
	struct iommu_hwpt_pgfault r[3];

	check("read nothing", result(read(queue, r, sizeof(r))), 0);
	check("read at an offset", result(pread(queue, r, REC, 0)), -ESPIPE);
	check("seek", result(lseek(queue, 0, SEEK_CUR)), -ESPIPE);
	check("poll", events(queue), POLLOUT);
	check("a request", request(1), 0);
	check("another", request(2), 0);
	check("poll", events(queue), POLLIN | POLLOUT);
	check("read part of a record", result(read(queue, r, REC - 1)), -ESPIPE);
	check("read to nowhere", result(read(queue, WILD, REC)), -EFAULT);
	check("read one", result(read(queue, r, REC)), REC);
	check("its group", r[0].grpid, 1);
	check("its device", r[0].dev_id, dev.device);
	check("its flags", r[0].flags, IOMMU_PGFAULT_FLAGS_LAST_PAGE);
	check("its permission", r[0].perm, IOMMU_PGFAULT_PERM_READ);
	check("its address", r[0].addr == 0xdeadbeaf, 1);
	check("its cookie", r[0].cookie, 1);
	check("read the other", result(read(queue, r, sizeof(r))), REC);
	check("its cookie", r[0].cookie, 2);
	check("poll", events(queue), POLLOUT);
}

/* Cookies 1 and 2 wait for their answers. */
/* No number is free for its descriptor. */
static void without_room(struct iommu_fault_alloc *cmd)
{
	struct rlimit was, none;

	getrlimit(RLIMIT_NOFILE, &was);
	none = was;
	none.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &none);
	EXPECT(fd, IOMMU_FAULT_QUEUE_ALLOC, cmd, -EMFILE, "no descriptor is free");
	setrlimit(RLIMIT_NOFILE, &was);
}

static void answering(int queue)
{
	struct iommu_hwpt_page_response w[2] = {{1, 2}, {2, IOMMUFD_PAGE_RESP_INVALID}};
	struct iommu_hwpt_pgfault r;

	check("answer with half a record", result(write(queue, w, 4)), -ESPIPE);
	check("answer at an offset", result(pwrite(queue, w, 8, 0)), -ESPIPE);
	check("answer from nowhere", result(write(queue, WILD, 8)) < 0, 1);
	check("no such code", result(write(queue, w, 8)), -EINVAL);
	w[0] = (struct iommu_hwpt_page_response){3, 0};
	check("no such cookie", result(write(queue, w, 8)), -EINVAL);
	w[0].cookie = 1;
	check("answer both", result(write(queue, w, 16)), 16);
	check("answer again", result(write(queue, w, 8)), -EINVAL);
	check("a request", request(3), 0);
	check("read it", result(read(queue, &r, REC)), REC);
	check("the cookie is free again", r.cookie, 1);
	w[1].cookie = 9;
	check("one of two answers", result(write(queue, w, 16)), 8);
}

int main(void)
{
	struct iommu_fault_alloc cmd = {.size = sizeof(cmd), .flags = 1};
	struct iommu_hwpt_page_response w = {1, 0};
	struct iommu_hwpt_pgfault r;
	uint32_t ioas, hwpt;
	int queue;

	fd = open_testcmd_or_skip();
	ioas = ioas_alloc(fd);
	check("device", test_device(fd, ioas, 0, &dev), 0);
	EXPECT(fd, IOMMU_FAULT_QUEUE_ALLOC, &cmd, -EOPNOTSUPP, "unknown flag");
	cmd.flags = 0;
	without_room(&cmd);
	EXPECT(fd, IOMMU_FAULT_QUEUE_ALLOC, &cmd, 0, "a queue");
	queue = (int)cmd.out_fault_fd;
	check("it closes on exec", fcntl(queue, F_GETFD), FD_CLOEXEC);
	check("it has no ioctls", call(queue, IOMMU_IOAS_ALLOC, &cmd), -ENOTTY);
	hwpt = nested(ioas, cmd.out_fault_id);
	check("attach", replace(fd, dev.test, hwpt, NULL), 0);
	reading(queue);
	answering(queue);
	check("a request", request(4), 0);
	check("read it", result(read(queue, &r, REC)), REC);
	check("a request", request(5), 0);
	check("its attachment ends", replace(fd, dev.test, ioas, NULL), 0);
	w.cookie = r.cookie;
	check("what was read has been refused", result(write(queue, &w, 8)), -EINVAL);
	check("what was not is gone", result(read(queue, &r, REC)), 0);
	check("poll", events(queue), POLLOUT);
	check("one that nobody takes", request(6), 0);
	check("is nowhere", result(read(queue, &r, REC)), 0);
	check("the queue is in use", destroy(fd, cmd.out_fault_id), -EBUSY);
	close(queue);
	check("still, by a page table", destroy(fd, cmd.out_fault_id), -EBUSY);
	check("the page table", destroy(fd, hwpt), 0);
	check("the queue", destroy(fd, cmd.out_fault_id), 0);
	return check_done();
}
