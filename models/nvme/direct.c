/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes that need nothing but memory, or what the kernel has at hand: fetched, done and
 * completed many at a time, without a request, a lock or an allocation. Whatever is not of this
 * kind stays in its queue for the long way (queue.c), which repeats all checks.
 *
 * The thread that rings a doorbell does this by itself where it is nobody else's turn: that is
 * cheaper than to tell the worker, be it asleep or on another processor.
 */
#include <errno.h>
#include <sys/uio.h>
#include "nvme/nvme.h"
#include "util/sys.h"

#define SPANS	 (2 * (4096u << NVME_MPS_MAX) / 4096) /* of two pages at worst */
#define CQE_PAGE (4096u >> NVME_CQE_LEN_LG2)
#define POST_NR	 8  /* completions of commands with data: a driver that polls goes on with these */
#define POST_ALL 32 /* and of others: that long an UNMAP waits, some 300 ns */
#define ROUNDS	 4  /* before a doorbell leaves the rest to the worker */

struct span {
	void *host;
	uint64_t len;
	iova_t addr;
};

struct direct {
	struct nvme *nvme;
	struct ioas_batch batch;
	struct span span[SPANS];
	unsigned span_nr;
};

/*
 * Where the first bytes of a TLP are, in a new span: how many, -EFAULT, -EAGAIN the long way. The
 * TLP is made here, and not in memory, so that it never leaves the registers.
 */
static inline __attribute__((always_inline)) int64_t find(struct direct *d, iova_t addr,
							  uint64_t len, unsigned op)
{
	const struct ioas_tlp tlp = {.addr = addr, .len = len, .op = (uint8_t)op};
	struct span *span = &d->span[d->span_nr];
	void *host;
	int rc = ioas_batch_at(&d->batch, &tlp, &host, &len);

	if (rc)
		return rc;
	*span = (struct span){host, len, addr};
	d->span_nr++;
	return (int64_t)len;
}

/* All of it: 0 or as above. */
static int find_rest(struct direct *d, iova_t addr, uint64_t len, unsigned op)
{
	while (len) {
		int64_t rc = d->span_nr < SPANS ? find(d, addr, len, op) : -EAGAIN;

		if (rc < 0)
			return (int)rc;
		addr += (uint64_t)rc;
		len -= (uint64_t)rc;
	}
	return 0;
}

/* Where a command's data is: a page's worth or two. A list, or what is not well-formed: -EAGAIN. */
static __attribute__((noinline)) int find_all(struct direct *d, const struct nvme_cmd *cmd,
					      uint64_t len, unsigned op)
{
	uint64_t page = 1ull << d->nvme->page_lg2, first = page - (cmd->prp1 & (page - 1));
	int rc;

	d->span_nr = 0;
	if (cmd->prp1 % 4)
		return -EAGAIN;
	if (len <= first)
		return find_rest(d, cmd->prp1, len, op);
	if (len - first > page || cmd->prp2 & (page - 1))
		return -EAGAIN;
	rc = find_rest(d, cmd->prp1, first, op);
	return rc ? rc : find_rest(d, cmd->prp2, len - first, op);
}

/* Is its data well-formed, and part of one page? So is nearly all. */
static inline bool is_plain(const struct nvme_cmd *cmd, uint64_t len)
{
	return !(cmd->prp1 & 3) && len <= 4096 - (cmd->prp1 & 4095);
}

/* Where it is, as find_all: mostly in one piece. */
static inline int find_data(struct direct *d, const struct nvme_cmd *cmd, uint64_t len, unsigned op)
{
	int64_t rc;

	d->span_nr = 0;
	if (__builtin_expect(!is_plain(cmd, len), 0))
		return find_all(d, cmd, len, op);
	rc = find(d, cmd->prp1, len, op);
	if (__builtin_expect(rc == (int64_t)len, 1))
		return 0;
	return rc < 0 ? (int)rc : find_rest(d, cmd->prp1 + (uint64_t)rc, len - (uint64_t)rc, op);
}

static nvme_status copy(struct direct *d, uint8_t *at, unsigned op)
{
	for (unsigned i = 0; i < d->span_nr; i++) {
		const struct span *span = &d->span[i];
		struct ioas_tlp tlp = {.addr = span->addr, .len = span->len, .op = (uint8_t)op};

		if (ioas_batch_move(&d->batch, &tlp, 0, span->host, at, span->len))
			return NVME_DATA_TRANSFER_ERROR;
		at += span->len;
	}
	return NVME_SUCCESS;
}

/* What the kernel need not wait for. All of it, or the long way. */
static nvme_status read_cached(struct direct *d, uint64_t off, uint64_t len)
{
	struct nvme_drive *drive = &d->nvme->drive;
	struct iovec iov[SPANS];
	long rc;

	for (unsigned i = 0; i < d->span_nr; i++)
		iov[i] = (struct iovec){d->span[i].host, d->span[i].len};
	rc = sys_call(SYS_preadv2, drive->fd, iov, d->span_nr, off, 0, RWF_NOWAIT);
	if (rc == -EOPNOTSUPP)
		drive->at_hand = false;
	return rc == (long)len ? NVME_SUCCESS : NVME_LATER;
}

static bool suits(struct nvme *nvme, const struct nvme_cmd *cmd)
{
	const struct nvme_drive *drive = &nvme->drive;
	bool write = cmd->opcode == NVME_IO_WRITE;

	if ((!write && cmd->opcode != NVME_IO_READ) || cmd->flags || cmd->nsid != 1)
		return false;
	if (drive_in_file(drive) && (write || cmd->cdw12 & NVME_RW_FUA))
		return false;
	return !nvme_check_range(nvme, cmd, true, write);
}

static uint64_t len_of(const struct nvme *nvme, const struct nvme_cmd *cmd)
{
	return (uint64_t)((cmd->cdw12 & 0xffff) + 1) << nvme->drive.lba_lg2;
}

/* What its data's TLPs do. */
static enum ioas_tlp_op op_of(uint8_t opcode)
{
	return opcode == NVME_IO_WRITE ? IOAS_TLP_READ : IOAS_TLP_WRITE;
}

static nvme_status run(struct direct *d, const struct nvme_cmd *cmd)
{
	struct nvme *nvme = d->nvme;
	struct nvme_drive *drive = &nvme->drive;
	uint64_t off = nvme_slba(cmd) << drive->lba_lg2;
	uint64_t len = len_of(nvme, cmd);
	enum ioas_tlp_op op = op_of(cmd->opcode);
	nvme_status status = NVME_SUCCESS;
	int rc;

	if (!suits(nvme, cmd))
		return NVME_LATER;
	rc = find_data(d, cmd, len, op);
	if (rc)
		return rc == -EFAULT ? NVME_DATA_TRANSFER_ERROR : NVME_LATER;
	if (drive->memory)
		status = copy(d, drive->memory + off, op);
	else if (drive_in_file(drive))
		status = read_cached(d, off, len);
	if (!drive_is_null(drive))
		ioas_batch_renew(&d->batch); /* an UNMAP waits for one command */
	if (!status)
		nvme_count_io(nvme, cmd->opcode, 1, len);
	return status;
}

/* How many of a queue's commands may be done now: what is there in one piece, and has room. */
static uint32_t may_run(const struct nvme_sq *sq)
{
	const struct nvme_cq *cq = sq->cq;
	uint32_t size = atomic_load_explicit(&sq->size, memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(&sq->tail, memory_order_acquire), n, room;

	if (!size || tail >= size || cq->backlog)
		return 0;
	n = (tail >= sq->head ? tail : size) - sq->head;
	size = atomic_load_explicit(&cq->size, memory_order_relaxed);
	room = (atomic_load_explicit(&cq->head, memory_order_acquire) + size - 1 -
		atomic_load_explicit(&cq->tail, memory_order_relaxed)) %
	       size;
	if (n > room)
		n = room;
	return nvme_sq_burst(sq, n);
}

static int write_words(struct direct *d, iova_t addr, const uint64_t *words, uint32_t nr)
{
	struct ioas_tlp tlp = {.addr = addr, .len = nr * 8ul, .op = IOAS_TLP_WRITE};
	int rc;

	ioas_batch_swap(&d->batch);
	rc = ioas_batch_words(&d->batch, &tlp, words);
	ioas_batch_swap(&d->batch);
	if (__builtin_expect(rc != -EAGAIN, 1))
		return rc;
	ioas_batch_end(&d->batch);
	rc = 0;
	for (uint32_t i = 0; i < nr && !rc; i++)
		rc = ioas_dma_store(d->nvme->issuer, addr + i * 8ul, words[i], 8);
	ioas_batch_begin(&d->batch, d->nvme->issuer);
	return rc;
}

/* How many completions go out in one piece: to the end of the ring, and of a page. */
static uint32_t run_of(const struct nvme_cq *cq, uint32_t nr)
{
	uint32_t tail = atomic_load_explicit(&cq->tail, memory_order_relaxed);
	uint32_t rest = atomic_load_explicit(&cq->size, memory_order_relaxed) - tail;
	uint32_t page = CQE_PAGE - tail % CQE_PAGE;

	rest = rest < page ? rest : page;
	return rest < nr ? rest : nr;
}

/* Completes commands `from`..`to` of those fetched. 0 or -EFAULT. */
static int post(struct direct *d, struct nvme_sq *sq, const nvme_status *status, uint32_t from,
		uint32_t to)
{
	const struct nvme_cmd *cmd = d->nvme->fetch;
	uint64_t words[2 * NVME_FETCH];
	int rc = 0;

	nvme_sq_advance(sq, to - from);
	while (from < to && !rc) {
		uint32_t n = run_of(sq->cq, to - from);

		for (uint32_t i = 0; i < n; i++, from++) {
			if (status[from])
				nvme_log_error(d->nvme, sq, &cmd[from], status[from]);
			words[2 * i] = 0;
			words[2 * i + 1] = nvme_cqe_high(sq, cmd[from].cid, status[from]);
		}
		rc = write_words(d, nvme_cq_advance(sq->cq, n), words, 2 * n);
	}
	return rc;
}

static int fetch(struct direct *d, const struct nvme_sq *sq, uint32_t nr)
{
	struct ioas_tlp tlp = {
		.addr = sq->base + ((uint64_t)sq->head << NVME_SQE_LEN_LG2),
		.len = (uint64_t)nr << NVME_SQE_LEN_LG2,
		.op = IOAS_TLP_READ,
	};
	int rc;

	ioas_batch_swap(&d->batch);
	rc = ioas_batch_copy(&d->batch, &tlp, d->nvme->fetch);
	ioas_batch_swap(&d->batch);
	return rc;
}

/* Queue memory that is not there is the end of a controller. */
static void die(struct nvme *nvme)
{
	nvme_event(nvme, NVME_EVENT_ERROR, NVME_EVENT_ERROR_INTERNAL);
	nvme_fail(nvme);
}

/*
 * Of a null drive's commands nothing is left but that their TLPs pass. So those in a row that are
 * alike, and whose data lies where the newest translation is, are looked at with that in registers,
 * and counted together: up to the first that is another, which.
 */
static uint32_t pass(struct direct *d, nvme_status *status, uint32_t from, uint32_t to)
{
	struct nvme *nvme = d->nvme;
	uint8_t opcode = nvme->fetch[from].opcode;
	struct ioas_window window = ioas_batch_window(&d->batch, op_of(opcode));
	uint64_t all = 0, len;
	uint32_t at = from;

	for (; at < to; at++, all += len) {
		const struct nvme_cmd *cmd = &nvme->fetch[at];

		len = len_of(nvme, cmd);
		if (cmd->opcode != opcode || !is_plain(cmd, len) ||
		    !ioas_window_holds(&window, cmd->prp1) || !suits(nvme, cmd))
			break;
		status[at] = NVME_SUCCESS;
	}
	ioas_batch_passed(&d->batch, op_of(opcode), at - from, all);
	nvme_count_io(nvme, opcode, at - from, all);
	return at;
}

/* Does commands `from`..`to` of those fetched, up to the first that is not of this kind: which. */
static uint32_t run_some(struct direct *d, nvme_status *status, uint32_t from, uint32_t to)
{
	bool null = drive_is_null(&d->nvme->drive);

	for (; from < to; from++) {
		if (null)
			from = pass(d, status, from, to);
		if (from == to)
			break;
		status[from] = run(d, &d->nvme->fetch[from]);
		if (status[from] == NVME_LATER)
			break;
	}
	return from;
}

/* Up to `n` commands: how many were done. *rc: 0 or -EFAULT. */
static uint32_t burst(struct direct *d, struct nvme_sq *sq, uint32_t n, int *rc)
{
	uint32_t at_once = drive_is_null(&d->nvme->drive) ? POST_ALL : POST_NR;
	nvme_status status[NVME_FETCH];
	uint32_t done = 0, end = 0;

	*rc = fetch(d, sq, n);
	while (!*rc && done == end && done < n) {
		uint32_t from = done;

		end = n - from < at_once ? n : from + at_once;
		done = run_some(d, status, from, end);
		*rc = post(d, sq, status, from, done);
		ioas_batch_renew(&d->batch);
	}
	return done;
}

/* One batch for all rounds, renewed where somebody waits: what it remembers serves the next one. */
unsigned nvme_direct(struct nvme *nvme, struct nvme_sq *sq, unsigned rounds)
{
	unsigned round = 0;
	struct direct d;
	uint32_t n;
	int rc = 0;

	if (nvme->failed || !may_run(sq))
		return 0;
	d.nvme = nvme;
	ioas_batch_begin(&d.batch, nvme->issuer);
	while (!rc && round < rounds && (n = may_run(sq)) && burst(&d, sq, n, &rc)) {
		if (!rc)
			nvme_mask_set(nvme->irq, sq->cq->id);
		round++;
	}
	ioas_batch_end(&d.batch);
	if (rc == -EFAULT)
		die(nvme);
	return round;
}

/* Has the queue commands that were not fetched? */
static bool holds(const struct nvme_sq *sq)
{
	return atomic_load_explicit(&sq->size, memory_order_relaxed) &&
	       atomic_load_explicit(&sq->tail, memory_order_acquire) != sq->head;
}

/* True: there is more than can be done here, and the worker finds it. */
static bool leave(struct nvme *nvme, struct nvme_sq *sq)
{
	atomic_fetch_or(&nvme->db_sq[sq->id / 64], 1ull << sq->id % 64);
	return true;
}

static bool run_one(struct nvme *nvme, struct nvme_sq *sq)
{
	unsigned round = 0;

	do
		if (sq->id)
			round += nvme_direct(nvme, sq, ROUNDS - round);
	while (sq->id && !holds(sq) && nvme_shadow_ask_one(nvme, sq) && round < ROUNDS);
	return holds(sq) && leave(nvme, sq);
}

static bool run_rung(struct nvme *nvme)
{
	bool left = false;

	for (unsigned w = 0; w < NVME_MASK_WORDS; w++) {
		uint64_t rung = 0;

		if (atomic_load(&nvme->db_sq[w]))
			rung = atomic_exchange(&nvme->db_sq[w], 0);
		for (; rung; rung &= rung - 1)
			left |= run_one(nvme, &nvme->sq[w * 64 + (unsigned)__builtin_ctzll(rung)]);
	}
	return left;
}

/* sq NULL: whatever has been rung. */
static bool run_here(struct nvme *nvme, struct nvme_sq *sq)
{
	bool left;

	if (!nvme->enabled || nvme->failed || nvme->csts & NVME_CSTS_SHST_MASK)
		return sq ? leave(nvme, sq) : true;
	left = sq ? run_one(nvme, sq) : run_rung(nvme);
	nvme_interrupt(nvme);
	return left || nvme_is_quick(nvme);
}

static bool is_rung(struct nvme *nvme)
{
	for (unsigned w = 0; w < NVME_MASK_WORDS; w++)
		if (atomic_load(&nvme->db_sq[w]))
			return true;
	return false;
}

/*
 * Whose turn it is looks for doorbells again after giving it away: either he sees ours, or it is
 * our turn now.
 */
void nvme_rung(struct nvme *nvme, struct nvme_sq *sq)
{
	bool mine = nvme->drive.at_hand && nvme_turn_try(&nvme->turn);

	if (!mine) {
		leave(nvme, sq);
		mine = nvme->drive.at_hand && nvme_turn_try(&nvme->turn);
		sq = NULL;
	}
	for (unsigned round = 0; mine; round++) {
		bool left = run_here(nvme, sq);

		nvme_turn_give(&nvme->turn);
		if (left || round == ROUNDS)
			break;
		if (!is_rung(nvme))
			return;
		sq = NULL;
		mine = nvme_turn_try(&nvme->turn);
	}
	if (mine || !nvme->drive.at_hand || !nvme_runs(nvme))
		nvme_kick(nvme);
}
