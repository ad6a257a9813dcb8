/* SPDX-License-Identifier: MIT */
/* Admin commands: queues come and go, abort; the larger ones have a file each. */
#include "nvme/nvme.h"

static struct nvme_sq *find_sq(struct nvme *nvme, uint16_t id)
{
	return id && id < NVME_QUEUES && nvme->sq[id].size ? &nvme->sq[id] : NULL;
}

static struct nvme_cq *find_cq(struct nvme *nvme, uint16_t id)
{
	return id && id < NVME_QUEUES && nvme->cq[id].size ? &nvme->cq[id] : NULL;
}

/* What Create I/O Submission and Completion Queue have in common. */
static nvme_status check_queue(struct nvme *nvme, const struct nvme_cmd *cmd, bool size_set)
{
	uint32_t entries = (cmd->cdw10 >> 16) + 1;

	if (!size_set || entries < 2 || entries > NVME_QUEUE_MAX)
		return NVME_QUEUE_SIZE_INVALID | NVME_DNR;
	if (!(cmd->cdw11 & 1)) /* CAP.CQR: contiguous only */
		return NVME_INVALID_FIELD | NVME_DNR;
	if (cmd->prp1 % (1ull << nvme->page_lg2))
		return NVME_PRP_OFFSET_INVALID | NVME_DNR;
	return NVME_SUCCESS;
}

static nvme_status create_cq(struct nvme *nvme, const struct nvme_cmd *cmd)
{
	uint16_t id = (uint16_t)cmd->cdw10, vector = cmd->cdw11 >> 16;
	struct nvme_cq *cq;
	nvme_status status;

	if (!id || id >= NVME_QUEUES || nvme->cq[id].size)
		return NVME_QID_INVALID | NVME_DNR;
	status = check_queue(nvme, cmd, NVME_CC_IOCQES(nvme->cc) == NVME_CQE_LEN_LG2);
	if (status)
		return status;
	if (vector >= NVME_VECTORS)
		return NVME_VECTOR_INVALID | NVME_DNR;
	cq = &nvme->cq[id];
	cq->base = cmd->prp1;
	cq->vector = vector;
	cq->ien = cmd->cdw11 & 2;
	cq->phase = true;
	cq->head = 0;
	cq->tail = 0;
	cq->sq_nr = 0;
	cq->backlog = NULL;
	nvme->io_queues++;
	nvme_shadow_add(nvme, id, true);
	nvme_watch_set(nvme, 2u * id + 1);
	atomic_store(&cq->size, (cmd->cdw10 >> 16) + 1);
	return NVME_SUCCESS;
}

static nvme_status create_sq(struct nvme *nvme, const struct nvme_cmd *cmd)
{
	uint16_t id = (uint16_t)cmd->cdw10;
	struct nvme_cq *cq = find_cq(nvme, cmd->cdw11 >> 16);
	struct nvme_sq *sq;
	nvme_status status;

	if (!cq)
		return NVME_CQ_INVALID | NVME_DNR;
	if (!id || id >= NVME_QUEUES || nvme->sq[id].size || nvme->sq[id].deleting)
		return NVME_QID_INVALID | NVME_DNR;
	status = check_queue(nvme, cmd, NVME_CC_IOSQES(nvme->cc) == NVME_SQE_LEN_LG2);
	if (status)
		return status;
	sq = &nvme->sq[id];
	sq->base = cmd->prp1;
	sq->cq = cq;
	sq->head = 0;
	sq->tail = 0;
	cq->sq_nr++;
	nvme_mask_set(cq->sqs, id);
	nvme->io_queues++;
	nvme_shadow_add(nvme, id, false);
	nvme_watch_set(nvme, 2u * id);
	atomic_store(&sq->size, (cmd->cdw10 >> 16) + 1);
	return NVME_SUCCESS;
}

/*
 * What the queue still holds is never fetched; what was fetched finishes first, and until then the
 * completion queue cannot go. Completions that find no room are dropped: the program may never
 * make any.
 */
static nvme_status delete_sq(struct nvme *nvme, struct nvme_req *req)
{
	struct nvme_sq *sq = find_sq(nvme, (uint16_t)req->cmd.cdw10);

	if (!sq)
		return NVME_QID_INVALID | NVME_DNR;
	atomic_store(&sq->size, 0);
	nvme_shadow_drop(nvme, sq->id);
	nvme_watch_set(nvme, 2u * sq->id);
	nvme_mask_clear(nvme->ready, sq->id);
	nvme_mask_clear(sq->cq->sqs, sq->id);
	if (sq->cq->backlog)
		nvme_cq_drop_backlog(nvme, sq->cq, sq);
	if (sq->in_flight) {
		sq->deleting = req;
		return NVME_LATER;
	}
	nvme_sq_gone(nvme, sq);
	return NVME_SUCCESS;
}

static nvme_status delete_cq(struct nvme *nvme, const struct nvme_cmd *cmd)
{
	struct nvme_cq *cq = find_cq(nvme, (uint16_t)cmd->cdw10);

	if (!cq)
		return NVME_QID_INVALID | NVME_DNR;
	if (cq->sq_nr)
		return NVME_QUEUE_DELETION_INVALID | NVME_DNR;
	atomic_store(&cq->size, 0);
	nvme_shadow_drop(nvme, cq->id);
	nvme_watch_set(nvme, 2u * cq->id + 1);
	nvme_mask_clear(nvme->irq, cq->id);
	nvme->io_queues--;
	nvme_intx_update(nvme, cq);
	return NVME_SUCCESS;
}

/* Commands run as soon as they are fetched; only held event requests can still be aborted. */
static nvme_status abort_command(struct nvme *nvme, struct nvme_req *req)
{
	uint16_t sqid = (uint16_t)req->cmd.cdw10, cid = req->cmd.cdw10 >> 16;

	if (sqid >= NVME_QUEUES || !nvme->sq[sqid].size)
		return NVME_INVALID_FIELD | NVME_DNR;
	req->dw0 = sqid || !nvme_async_event_abort(nvme, cid);
	return NVME_SUCCESS;
}

nvme_status nvme_admin(struct nvme *nvme, struct nvme_req *req)
{
	switch (req->cmd.opcode) {
	case NVME_ADM_DELETE_SQ:
		return delete_sq(nvme, req);
	case NVME_ADM_CREATE_SQ:
		return create_sq(nvme, &req->cmd);
	case NVME_ADM_GET_LOG:
		return nvme_get_log(nvme, req);
	case NVME_ADM_DELETE_CQ:
		return delete_cq(nvme, &req->cmd);
	case NVME_ADM_CREATE_CQ:
		return create_cq(nvme, &req->cmd);
	case NVME_ADM_IDENTIFY:
		return nvme_identify(nvme, req);
	case NVME_ADM_ABORT:
		return abort_command(nvme, req);
	case NVME_ADM_SET_FEATURES:
		return nvme_set_features(nvme, req);
	case NVME_ADM_GET_FEATURES:
		return nvme_get_features(nvme, req);
	case NVME_ADM_ASYNC_EVENT:
		return nvme_async_event(nvme, req);
	case NVME_ADM_DOORBELL_BUFFER:
		return nvme_shadow_config(nvme, &req->cmd);
	}
	return NVME_INVALID_OPCODE | NVME_DNR;
}
