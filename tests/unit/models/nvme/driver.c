/* SPDX-License-Identifier: MIT */
/* A small NVMe driver for tests. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>
#include "models/nvme/driver.h"

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
}

void driver_plug(struct driver *drv, const char *keys)
{
	struct ioas_param params[8];
	char text[128], size[32], *save = NULL;
	size_t nr = 0;
	struct ioas_why why = {""};
	int rc;

	params[nr++] = (struct ioas_param){"drive", drv->made ? drv->made : drv->path};
	if (drv->made) {
		snprintf(size, sizeof(size), "%llu", (unsigned long long)drv->len);
		params[nr++] = (struct ioas_param){"size", size};
	}
	snprintf(text, sizeof(text), "%s", keys);
	for (char *key = strtok_r(text, ",", &save); key; key = strtok_r(NULL, ",", &save)) {
		char *value = strchr(key, '=');

		*value++ = 0;
		params[nr++] = (struct ioas_param){key, value};
	}
	rc = bus_create(params, nr, &why);
	if (rc)
		fail_msg("create: %d %s", rc, why.text);
}

void driver_open(struct driver *drv, uint64_t len, const char *keys)
{
	memset(drv, 0, sizeof(*drv));
	bus_open();
	drv->next = BUS_BASE;
	drv->len = len;
	drv->fd = -1;
	/* The first of the keys, or the only one. */
	if (!strncmp(keys, "null", 4) || !strncmp(keys, "ram", 3)) {
		drv->made = *keys == 'n' ? "null" : "ram";
		keys += strcspn(keys, ",");
		keys += *keys == ',';
	}
	if (!drv->made) {
		uint8_t *buf = malloc(len);

		drv->fd = memfd_create("drive", MFD_CLOEXEC);
		assert_true(drv->fd >= 0);
		snprintf(drv->path, sizeof(drv->path), "/proc/self/fd/%d", drv->fd);
		for (uint64_t i = 0; i < len; i++)
			buf[i] = (uint8_t)(i * 31 + (i >> 9) * 7 + (i >> 17));
		assert_int_equal(write(drv->fd, buf, len), len);
		free(buf);
	}
	driver_plug(drv, keys);
}

void driver_close(struct driver *drv)
{
	bus_remove();
	assert_int_equal(bus.lent, 0);
	bus_close();
	if (drv->fd >= 0)
		close(drv->fd);
}

uint32_t driver_read32(uint64_t off)
{
	return (uint32_t)bus.ops->bar_read(bus.model, 0, off, 4);
}

void driver_write32(uint64_t off, uint32_t value)
{
	bus.ops->bar_write(bus.model, 0, off, value, 4);
}

void driver_write64(uint64_t off, uint64_t value)
{
	bus.ops->bar_write(bus.model, 0, off, value, 8);
}

void driver_doorbell(unsigned index, uint32_t value)
{
	bool watched;

	pthread_mutex_lock(&bus.watch_lock);
	watched = bus.watched;
	if (watched)
		__atomic_store_n(&bus.words[index], value, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&bus.watch_lock);
	if (!watched)
		driver_write32(NVME_REG_DOORBELLS + index * 4, value);
}

void driver_wait(uint32_t mask, uint32_t value)
{
	for (unsigned i = 0; (driver_read32(NVME_REG_CSTS) & mask) != value; i++) {
		if (i == 400000)
			fail_msg("CSTS stays %x", driver_read32(NVME_REG_CSTS));
		nap();
	}
}

iova_t driver_alloc(struct driver *drv, uint64_t len)
{
	iova_t at = drv->next;

	drv->next += (len + 4095) & ~4095ull;
	assert_true(drv->next <= BUS_BASE + BUS_LEN);
	return at;
}

static void queue_init(struct driver *drv, struct driver_queue *queue, uint32_t size)
{
	if (queue->size < size) {
		drv->next = (drv->next + 65535) & ~65535ull;
		queue->sq = driver_alloc(drv, (size * 64 + 65535) & ~65535u);
		queue->cq = driver_alloc(drv, (size * 16 + 65535) & ~65535u);
	}
	memset(bus_at(queue->cq), 0, size * 16);
	queue->size = size;
	queue->tail = queue->head = queue->cq_head = 0;
	queue->phase = true;
}

void driver_enable(struct driver *drv, uint32_t size, unsigned mps)
{
	queue_init(drv, &drv->queue[0], size);
	driver_write32(NVME_REG_AQA, (size - 1) << 16 | (size - 1));
	driver_write64(NVME_REG_ASQ, drv->queue[0].sq);
	driver_write64(NVME_REG_ACQ, drv->queue[0].cq);
	drv->cc = NVME_CC_EN | mps << 7 | 6 << 16 | 4 << 20;
	driver_write32(NVME_REG_CC, drv->cc);
	driver_wait(NVME_CSTS_RDY, NVME_CSTS_RDY);
}

void driver_disable(struct driver *drv)
{
	drv->cc &= ~NVME_CC_EN;
	driver_write32(NVME_REG_CC, drv->cc);
	driver_wait(NVME_CSTS_RDY, 0);
}

uint16_t driver_put(struct driver *drv, uint16_t id, struct nvme_cmd *cmd)
{
	struct driver_queue *queue = &drv->queue[id];

	cmd->cid = drv->cid++;
	memcpy(bus_at(queue->sq + queue->tail * 64), cmd, 64);
	queue->tail = (queue->tail + 1) % queue->size;
	return cmd->cid;
}

void driver_ring(struct driver *drv, uint16_t id)
{
	driver_doorbell(id * 2u, drv->queue[id].tail);
}

bool driver_poll(struct driver *drv, uint16_t id, struct completion *out)
{
	struct driver_queue *queue = &drv->queue[id];
	uint64_t *entry = bus_at(queue->cq + queue->cq_head * 16);
	uint64_t high = __atomic_load_n(&entry[1], __ATOMIC_ACQUIRE);

	if ((high >> 48 & 1) != queue->phase)
		return false;
	*out = (struct completion){
		.dw0 = (uint32_t)entry[0],
		.dw1 = (uint32_t)(entry[0] >> 32),
		.sq_head = (uint16_t)high,
		.sqid = (uint16_t)(high >> 16),
		.cid = (uint16_t)(high >> 32),
		.status = (uint16_t)(high >> 49),
	};
	queue->head = out->sq_head;
	queue->cq_head = (queue->cq_head + 1) % queue->size;
	if (!queue->cq_head)
		queue->phase = !queue->phase;
	driver_doorbell(id * 2u + 1, queue->cq_head);
	return true;
}

struct completion driver_take(struct driver *drv, uint16_t id)
{
	struct completion done;

	for (unsigned i = 0; !driver_poll(drv, id, &done); i++) {
		if (i == 400000)
			fail_msg("no completion in queue %u, CSTS %x", id,
				 driver_read32(NVME_REG_CSTS));
		nap();
	}
	return done;
}

struct completion driver_run_full(struct driver *drv, uint16_t id, struct nvme_cmd cmd)
{
	struct completion done;
	uint16_t cid = driver_put(drv, id, &cmd);

	driver_ring(drv, id);
	done = driver_take(drv, id);
	assert_int_equal(done.cid, cid);
	assert_int_equal(done.sqid, id);
	assert_int_equal(done.sq_head, drv->queue[id].tail);
	return done;
}

uint16_t driver_run(struct driver *drv, uint16_t id, struct nvme_cmd cmd)
{
	return driver_run_full(drv, id, cmd).status;
}

void driver_pair(struct driver *drv, uint16_t id, uint32_t size)
{
	struct driver_queue *queue = &drv->queue[id];
	struct nvme_cmd cq = {.opcode = NVME_ADM_CREATE_CQ}, sq = {.opcode = NVME_ADM_CREATE_SQ};

	queue_init(drv, queue, size);
	cq.prp1 = queue->cq;
	cq.cdw10 = id | (size - 1) << 16;
	cq.cdw11 = 3 | (uint32_t)id << 16;
	assert_int_equal(driver_run(drv, 0, cq), 0);
	sq.prp1 = queue->sq;
	sq.cdw10 = id | (size - 1) << 16;
	sq.cdw11 = 1 | (uint32_t)id << 16;
	assert_int_equal(driver_run(drv, 0, sq), 0);
}

struct nvme_cmd driver_rw(struct driver *drv, uint8_t opcode, uint64_t slba, uint32_t nr,
			  iova_t data)
{
	struct nvme_cmd cmd = {
		.opcode = opcode,
		.nsid = 1,
		.prp1 = data,
		.cdw10 = (uint32_t)slba,
		.cdw11 = (uint32_t)(slba >> 32),
		.cdw12 = nr - 1,
	};
	uint64_t page = 4096ull << (drv->cc >> 7 & 15);
	uint64_t len = (uint64_t)nr * 512, first = page - data % page;

	if (len > first + page) {
		uint64_t *list = bus_at(cmd.prp2 = driver_alloc(drv, 8192));

		/* Room for 513 entries, as if in one page; the last one of the page chains. */
		for (uint64_t at = data + first; at < data + len; at += page) {
			if ((uint8_t *)list - (uint8_t *)bus_at(cmd.prp2) == (long)page - 8 &&
			    at + page < data + len) {
				*list = cmd.prp2 + page;
				list++;
			}
			*list++ = at;
		}
	} else if (len > first) {
		cmd.prp2 = data + first;
	}
	return cmd;
}
