/* SPDX-License-Identifier: MIT */
/* The model's shares of an SMMUv3: viommus, vdevices, and queues of what a guest is told. */
#include <string.h>
#include "model.h"

static struct m_obj *new_obj(struct model *m, unsigned ctx, enum m_type type, uint32_t on,
			     uint32_t *id)
{
	struct m_obj *obj;

	*id = m_free_id(m, ctx);
	obj = &m->ctx[ctx].obj[*id];
	*obj = (struct m_obj){.type = type, .on = on};
	return obj;
}

int m_viommu_alloc(struct model *m, unsigned ctx, struct iommu_viommu_alloc *cmd)
{
	struct m_obj *dev, *hwpt;

	if (cmd->flags || !cmd->type)
		return -EOPNOTSUPP;
	dev = m_find(m, ctx, cmd->dev_id, M_DEVICE);
	if (!dev)
		return -ENOENT;
	if (m->machine->iommu[m->dev[dev->dev].f->iommu].kind != M_SMMU ||
	    cmd->type != IOMMU_VIOMMU_TYPE_ARM_SMMUV3)
		return -EOPNOTSUPP;
	hwpt = m_find(m, ctx, cmd->hwpt_id, M_HWPT);
	if (!hwpt)
		return -ENOENT;
	if (!hwpt->hwpt.parent || hwpt->hwpt.kind != M_SMMU)
		return -EINVAL;
	new_obj(m, ctx, M_VIOMMU, cmd->hwpt_id, &cmd->out_viommu_id);
	return 0;
}

static struct m_obj *vdevice_of(const struct model *m, unsigned dev)
{
	int ctx = m->dev[dev].ctx;

	for (uint32_t id = 1; ctx >= 0 && id < M_IDS; id++) {
		const struct m_obj *obj = &m->ctx[ctx].obj[id];

		if (obj->type == M_VDEVICE && obj->dev == dev)
			return (struct m_obj *)(uintptr_t)obj;
	}
	return NULL;
}

uint32_t m_viommu_of(const struct model *m, unsigned dev)
{
	const struct m_obj *vdevice = vdevice_of(m, dev);

	return vdevice ? vdevice->on : 0;
}

void m_vdevice_end(struct model *m, unsigned dev)
{
	struct m_obj *vdevice = vdevice_of(m, dev);

	if (vdevice)
		vdevice->type = M_GONE;
}

static bool known(const struct model *m, unsigned ctx, uint32_t viommu, uint64_t virt_id)
{
	for (uint32_t id = 1; id < M_IDS; id++)
		if (m->ctx[ctx].obj[id].type == M_VDEVICE && m->ctx[ctx].obj[id].on == viommu &&
		    m->ctx[ctx].obj[id].virt_id == virt_id)
			return true;
	return false;
}

int m_vdevice_alloc(struct model *m, unsigned ctx, struct iommu_vdevice_alloc *cmd)
{
	struct m_obj *dev = m_find(m, ctx, cmd->dev_id, M_DEVICE), *obj;

	if (!m_find(m, ctx, cmd->viommu_id, M_VIOMMU) || !dev)
		return -ENOENT;
	if (m->machine->iommu[m->dev[dev->dev].f->iommu].kind != M_SMMU)
		return -EINVAL;
	if (vdevice_of(m, dev->dev) || known(m, ctx, cmd->viommu_id, cmd->virt_id))
		return -EEXIST;
	obj = new_obj(m, ctx, M_VDEVICE, cmd->viommu_id, &cmd->out_vdevice_id);
	obj->dev = dev->dev;
	obj->virt_id = cmd->virt_id;
	return 0;
}

static struct m_queue *queue_of(struct model *m, unsigned ctx, uint32_t viommu, uint32_t type)
{
	for (uint32_t id = 1; id < M_IDS; id++) {
		struct m_obj *obj = &m->ctx[ctx].obj[id];

		if (obj->type == M_VEVENTQ && obj->on == viommu && obj->queue.type == type)
			return &obj->queue;
	}
	return NULL;
}

int m_veventq_alloc(struct model *m, unsigned ctx, struct iommu_veventq_alloc *cmd)
{
	struct m_obj *obj;

	if (cmd->flags || cmd->__reserved || !cmd->type)
		return -EOPNOTSUPP;
	if (!cmd->veventq_depth || cmd->veventq_depth > 1u << 19)
		return -EINVAL;
	if (!m_find(m, ctx, cmd->viommu_id, M_VIOMMU))
		return -ENOENT;
	if (queue_of(m, ctx, cmd->viommu_id, cmd->type))
		return -EEXIST;
	obj = new_obj(m, ctx, M_VEVENTQ, cmd->viommu_id, &cmd->out_veventq_id);
	obj->queue.type = cmd->type;
	obj->queue.depth = cmd->veventq_depth;
	obj->queue.open = true;
	return 0;
}

/* TLBI: NH_ALL, NH_ASID, NH_VA, NH_VAA, NSNH_ALL; CFGI_CD, CFGI_CD_ALL, ATC_INV of a StreamID. */
static bool good(const struct model *m, unsigned ctx, uint32_t viommu, uint64_t word)
{
	switch (word & 0xff) {
	case 0x10:
	case 0x11:
	case 0x12:
	case 0x13:
	case 0x30:
		return true;
	case 0x05:
	case 0x06:
	case 0x40:
		return known(m, ctx, viommu, word >> 32);
	}
	return false;
}

int m_command(struct model *m, unsigned ctx, const struct iommu_hwpt_invalidate *cmd,
	      const struct iommu_viommu_arm_smmuv3_invalidate *data, uint32_t *done)
{
	*done = 0;
	if (cmd->__reserved)
		return -EOPNOTSUPP;
	if (cmd->entry_num && (!cmd->data_uptr || !cmd->entry_len || cmd->entry_len > 4096))
		return -EINVAL;
	if (cmd->data_type != IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3 || !cmd->entry_num)
		return -EINVAL;
	while (*done < cmd->entry_num && good(m, ctx, cmd->hwpt_id, data[*done].cmd[0]))
		++*done;
	return *done < cmd->entry_num ? -EIO : 0;
}

static void report(struct m_queue *queue, const uint64_t record[4])
{
	uint32_t sequence = queue->sequence++;

	queue->lost = queue->nr == queue->depth;
	queue->lost_sequence = sequence;
	if (queue->lost)
		return;
	queue->event[queue->nr].sequence = sequence;
	memcpy(queue->event[queue->nr++].record, record, 4 * sizeof(*record));
}

/*
 * An event record: IHI 0070 7.3. F_STREAM_DISABLED (6) has no SubstreamID, C_BAD_SUBSTREAMID (8)
 * has one always, and no SSV.
 */
void m_tell(struct model *m, const struct ioas_tlp *tlp, const struct m_outcome *outcome)
{
	uint64_t stream = m->guest[outcome->set], record[4] = {0};
	bool read = tlp->op == IOAS_TLP_READ;
	struct m_queue *queue;

	if (!outcome->event || stream == UINT64_MAX || tlp->at == IOAS_TLP_TRANSLATION_REQUEST)
		return;
	queue = queue_of(m, (unsigned)outcome->ctx,
			 m->ctx[outcome->ctx].obj[outcome->hwpt_id].first.viommu,
			 IOMMU_VEVENTQ_TYPE_ARM_SMMUV3);
	if (!queue)
		return;
	record[0] = outcome->event | stream << 32;
	if (tlp->flags & IOAS_TLP_PASID && outcome->event != 6)
		record[0] |= (uint64_t)tlp->pasid << 12 | (outcome->event == 8 ? 0 : 1u << 11);
	if (outcome->event >= 0x10) {
		record[1] = 2ull << 40 | (uint64_t)read << 35 |
			    (uint64_t)(read && tlp->flags & IOAS_TLP_EXEC) << 34 |
			    (uint64_t) !!(tlp->flags & IOAS_TLP_PRIV) << 33;
		record[2] = outcome->addr;
	}
	report(queue, record);
}

unsigned m_next_event(const struct m_queue *queue, uint8_t *out)
{
	struct iommufd_vevent_header header = {.flags = queue->nr ? 0 : 1};

	if (!queue->nr && !queue->lost)
		return 0;
	header.sequence = queue->nr ? queue->event[0].sequence : queue->lost_sequence;
	memcpy(out, &header, sizeof(header));
	if (!queue->nr)
		return sizeof(header);
	memcpy(out + sizeof(header), queue->event[0].record, sizeof(queue->event[0].record));
	return sizeof(header) + sizeof(queue->event[0].record);
}

void m_take_event(struct m_queue *queue)
{
	if (!queue->nr) {
		queue->lost = false;
		return;
	}
	queue->nr--;
	memmove(queue->event, queue->event + 1, queue->nr * sizeof(queue->event[0]));
}
