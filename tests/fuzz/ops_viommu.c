/* SPDX-License-Identifier: MIT */
/* A guest's share of an SMMUv3: viommus, vdevices, queues of events, commands. */
#include <string.h>
#include "ops.h"

#define EVENT_LEN 40u

void op_viommu_alloc(struct rig *rig, unsigned ctx)
{
	struct iommu_viommu_alloc cmd = {.size = sizeof(cmd)}, want;
	long rc;

	cmd.type = input_rarely(&rig->in, 16) ? input_below(&rig->in, 4)
					      : IOMMU_VIOMMU_TYPE_ARM_SMMUV3;
	cmd.flags = input_rarely(&rig->in, 32);
	cmd.dev_id = rig_pick(rig, ctx, M_DEVICE);
	cmd.hwpt_id = rig_pick(rig, ctx, M_HWPT);
	rig_say(rig, "context %u: VIOMMU_ALLOC type %u device %u on %u", ctx, cmd.type, cmd.dev_id,
		cmd.hwpt_id);
	if (!m_free_id(&rig->model, ctx) ||
	    rig_spoiled(rig, ctx, IOMMU_VIOMMU_ALLOC, &cmd, sizeof(cmd), 24))
		return;
	want = cmd;
	rc = m_viommu_alloc(&rig->model, ctx, &want);
	rig_expect(rig, "VIOMMU_ALLOC", rig_ioctl(rig, rig->ctx[ctx], IOMMU_VIOMMU_ALLOC, &cmd),
		   rc);
	rig_untouched(rig, "VIOMMU_ALLOC's answer", &cmd, &want, sizeof(cmd));
}

void op_vdevice_alloc(struct rig *rig, unsigned ctx)
{
	struct iommu_vdevice_alloc cmd = {.size = sizeof(cmd)}, want;
	long rc;

	cmd.viommu_id = rig_pick(rig, ctx, M_VIOMMU);
	cmd.dev_id = rig_pick(rig, ctx, M_DEVICE);
	cmd.virt_id = 0x40 + input_below(&rig->in, 4);
	if (input_rarely(&rig->in, 16))
		cmd.virt_id = input_u64(&rig->in);
	rig_say(rig, "context %u: VDEVICE_ALLOC device %u in %u as %#llx", ctx, cmd.dev_id,
		cmd.viommu_id, (unsigned long long)cmd.virt_id);
	/* The largest is no StreamID, but the engine's word for none. */
	if (!m_free_id(&rig->model, ctx) || cmd.virt_id == UINT64_MAX ||
	    rig_spoiled(rig, ctx, IOMMU_VDEVICE_ALLOC, &cmd, sizeof(cmd), 24))
		return;
	want = cmd;
	rc = m_vdevice_alloc(&rig->model, ctx, &want);
	rig_expect(rig, "VDEVICE_ALLOC", rig_ioctl(rig, rig->ctx[ctx], IOMMU_VDEVICE_ALLOC, &cmd),
		   rc);
	rig_untouched(rig, "VDEVICE_ALLOC's answer", &cmd, &want, sizeof(cmd));
}

bool rig_queue_room(const struct rig *rig)
{
	for (unsigned i = 0; i < RIG_QUEUES; i++)
		if (!rig->queue[i].file)
			return true;
	return false;
}

static void veventq_alloc(struct rig *rig, unsigned ctx, struct iommu_veventq_alloc *cmd)
{
	struct iommu_veventq_alloc want = *cmd;
	bool room = rig_queue_room(rig);
	long rc = m_veventq_alloc(&rig->model, ctx, &want);

	/* Without a descriptor there is no queue. */
	if (!rc && !room) {
		rig->model.ctx[ctx].obj[want.out_veventq_id].type = M_NONE;
		rc = -EMFILE;
	}
	rig_expect(rig, "VEVENTQ_ALLOC", rig_ioctl(rig, rig->ctx[ctx], IOMMU_VEVENTQ_ALLOC, cmd),
		   rc);
	if (rc)
		return;
	rig_expect(rig, "VEVENTQ_ALLOC's id", cmd->out_veventq_id, want.out_veventq_id);
	rig->queue[rig_queue_of(cmd->out_veventq_fd)].ctx = ctx;
	rig->queue[rig_queue_of(cmd->out_veventq_fd)].id = cmd->out_veventq_id;
}

void op_veventq_alloc(struct rig *rig, unsigned ctx)
{
	struct iommu_veventq_alloc cmd = {.size = sizeof(cmd)};

	cmd.viommu_id = rig_pick(rig, ctx, M_VIOMMU);
	cmd.type =
		input_below(&rig->in, 4) ? IOMMU_VEVENTQ_TYPE_ARM_SMMUV3 : input_below(&rig->in, 4);
	cmd.flags = input_rarely(&rig->in, 32);
	cmd.__reserved = input_rarely(&rig->in, 32);
	cmd.veventq_depth = 1 + input_below(&rig->in, M_DEPTH);
	if (input_rarely(&rig->in, 16))
		cmd.veventq_depth = input_below(&rig->in, 2) ? 0 : (1u << 19) + 1;
	rig_say(rig, "context %u: VEVENTQ_ALLOC type %u depth %u of %u", ctx, cmd.type,
		cmd.veventq_depth, cmd.viommu_id);
	if (!m_free_id(&rig->model, ctx) ||
	    rig_spoiled(rig, ctx, IOMMU_VEVENTQ_ALLOC, &cmd, sizeof(cmd), 28))
		return;
	veventq_alloc(rig, ctx, &cmd);
}

static struct m_queue *queue_of(struct rig *rig, unsigned slot)
{
	return &rig->model.ctx[rig->queue[slot].ctx].obj[rig->queue[slot].id].queue;
}

static bool is_fault(struct rig *rig, unsigned slot)
{
	return rig->model.ctx[rig->queue[slot].ctx].obj[rig->queue[slot].id].type == M_FAULT;
}

/* What the first `room` bytes of the queue's are; taken out. -EINVAL: not even the first event. */
static long expect_events(struct m_queue *queue, uint8_t *out, size_t room)
{
	uint8_t event[EVENT_LEN];
	size_t done = 0;
	unsigned len;

	while ((len = m_next_event(queue, event))) {
		if (len > room - done)
			return done ? (long)done : -EINVAL;
		memcpy(out + done, event, len);
		done += len;
		m_take_event(queue);
	}
	return (long)done;
}

static void read_queue(struct rig *rig, unsigned slot, size_t len, uint64_t off)
{
	uint8_t got[M_DEPTH * EVENT_LEN + 8] = {0}, want[sizeof(got)] = {0};
	long rc = off ? -ESPIPE : len < 8 ? -EINVAL : expect_events(queue_of(rig, slot), want, len);

	fuzz_counts.operations++;
	if (rc > 0)
		fuzz_counts.events += (unsigned)(rc + EVENT_LEN - 1) / EVENT_LEN;
	rig_expect(rig, "reading events",
		   ioas_file_pread(rig->queue[slot].file, &rig->caller, (uintptr_t)got, len, off),
		   rc);
	for (unsigned i = 0; i < sizeof(got); i++)
		rig_expect(rig, "a byte of an event", got[i], want[i]);
}

static void close_queue(struct rig *rig, unsigned slot)
{
	unsigned ctx = rig->queue[slot].ctx;

	queue_of(rig, slot)->open = false;
	ioas_file_put(rig->queue[slot].file);
	rig->queue[slot].file = NULL;
	m_ctx_end(&rig->model, ctx);
}

void op_queue(struct rig *rig, unsigned ctx)
{
	unsigned slot = input_below(&rig->in, RIG_QUEUES);
	uint8_t byte = 0;

	if (!rig->queue[slot].file)
		return;
	rig_say(rig, "queue %u of context %u", rig->queue[slot].id, rig->queue[slot].ctx);
	if (input_rarely(&rig->in, 16)) {
		close_queue(rig, slot);
		return;
	}
	if (is_fault(rig, slot)) {
		rig_step_faults(rig, slot);
		return;
	}
	switch (input_below(&rig->in, 16)) {
	case 1:
		rig_expect(rig, "writing events",
			   ioas_file_pwrite(rig->queue[slot].file, &rig->caller, (uintptr_t)&byte,
					    1, 0),
			   -EINVAL);
		break;
	case 2:
		read_queue(rig, slot, 64, 1);
		break;
	case 3:
	case 4:
		read_queue(rig, slot, input_below(&rig->in, 64), 0);
		break;
	default:
		read_queue(rig, slot, M_DEPTH * EVENT_LEN + 8, 0);
	}
}

void rig_compare_queues(struct rig *rig)
{
	for (unsigned i = 0; i < RIG_QUEUES; i++)
		if (rig->queue[i].file && !is_fault(rig, i))
			read_queue(rig, i, M_DEPTH * EVENT_LEN + 8, 0);
}

static long hwpt_alloc(struct rig *rig, unsigned ctx, struct iommu_hwpt_alloc *cmd)
{
	struct iommu_hwpt_alloc want = *cmd;
	long rc = m_hwpt_alloc(&rig->model, ctx, &want, (const void *)(uintptr_t)cmd->data_uptr);

	rig_expect(rig, "HWPT_ALLOC", rig_ioctl(rig, rig->ctx[ctx], IOMMU_HWPT_ALLOC, cmd), rc);
	rig_untouched(rig, "HWPT_ALLOC's answer", cmd, &want, sizeof(*cmd));
	return rc;
}

void op_hwpt_arm(struct rig *rig, unsigned ctx)
{
	union {
		struct iommu_hwpt_arm_smmuv3 ste;
		struct iommu_hwpt_vtd_s1 other;
	} data = {rig_pick_ste(rig)};
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.data_type = IOMMU_HWPT_DATA_ARM_SMMUV3,
		.data_len = sizeof(data.ste),
		.data_uptr = (uintptr_t)&data,
	};

	cmd.dev_id = rig_pick(rig, ctx, M_DEVICE);
	cmd.pt_id = rig_pick(rig, ctx, input_rarely(&rig->in, 8) ? M_HWPT : M_VIOMMU);
	if (input_rarely(&rig->in, 16))
		cmd.flags = input_below(&rig->in, 16);
	if (input_rarely(&rig->in, 16))
		cmd.data_type = input_below(&rig->in, 4);
	if (input_rarely(&rig->in, 16))
		cmd.data_len = input_below(&rig->in, sizeof(data.ste) + 1);
	rig_say(rig, "context %u: HWPT_ALLOC device %u on %u flags %#x STE %#llx %#llx", ctx,
		cmd.dev_id, cmd.pt_id, cmd.flags, (unsigned long long)data.ste.ste[0],
		(unsigned long long)data.ste.ste[1]);
	if (m_free_id(&rig->model, ctx))
		hwpt_alloc(rig, ctx, &cmd);
}

/* Commands of a guest's, good ones and others. */
void op_command(struct rig *rig, unsigned ctx)
{
	static const uint8_t codes[] = {0x10, 0x11, 0x12, 0x13, 0x30, 0x05, 0x06, 0x40, 0x01, 0x46};
	struct iommu_viommu_arm_smmuv3_invalidate data[3] = {0};
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.data_uptr = (uintptr_t)data,
		.data_type = IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3,
		.entry_len = sizeof(data[0]),
	};
	uint32_t done;
	long rc;

	cmd.hwpt_id = rig_pick(rig, ctx, M_VIOMMU);
	cmd.entry_num = input_below(&rig->in, 4);
	cmd.__reserved = input_rarely(&rig->in, 32);
	if (input_rarely(&rig->in, 16))
		cmd.data_type = input_below(&rig->in, 3);
	for (unsigned i = 0; i < 3; i++)
		data[i].cmd[0] = codes[input_below(&rig->in, 32) % 10] |
				 (uint64_t)(0x40 + input_below(&rig->in, 4)) << 32;
	rig_say(rig, "context %u: %u commands of %u", ctx, cmd.entry_num, cmd.hwpt_id);
	if (!m_find(&rig->model, ctx, cmd.hwpt_id, M_VIOMMU))
		return;
	rc = m_command(&rig->model, ctx, &cmd, data, &done);
	rig_expect(rig, "HWPT_INVALIDATE",
		   rig_ioctl(rig, rig->ctx[ctx], IOMMU_HWPT_INVALIDATE, &cmd), rc);
	rig_expect(rig, "HWPT_INVALIDATE's number", cmd.entry_num, done);
}

/* Descriptors are of a device, translations of all. */
void rig_invalidate_viommu(struct rig *rig, unsigned ctx, uint32_t id)
{
	struct iommu_viommu_arm_smmuv3_invalidate data[1 + M_IDS] = {{{0x30}}};
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = id,
		.data_uptr = (uintptr_t)data,
		.data_type = IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3,
		.entry_len = sizeof(data[0]),
		.entry_num = 1,
	};
	uint32_t done;

	for (uint32_t other = 1; other < M_IDS; other++) {
		const struct m_obj *obj = m_find(&rig->model, ctx, other, M_VDEVICE);

		if (obj && obj->on == id && obj->virt_id <= UINT32_MAX)
			data[cmd.entry_num++].cmd[0] = 0x06 | obj->virt_id << 32;
	}
	rig_expect(rig, "commands", m_command(&rig->model, ctx, &cmd, data, &done), 0);
	rig_expect(rig, "commands", rig_ioctl(rig, rig->ctx[ctx], IOMMU_HWPT_INVALIDATE, &cmd), 0);
	rig_expect(rig, "commands", cmd.entry_num, done);
}

uint32_t rig_make_arm_guest(struct rig *rig, unsigned ctx)
{
	rig_make_arm_tables(rig);
	return rig_make_guest_space(rig, ctx);
}

uint32_t rig_nest_arm(struct rig *rig, unsigned ctx, uint32_t dev, uint32_t ioas, bool two)
{
	struct iommu_viommu_alloc viommu = {
		.size = sizeof(viommu),
		.type = IOMMU_VIOMMU_TYPE_ARM_SMMUV3,
		.dev_id = dev,
		.hwpt_id = rig_make_hwpt(rig, ctx, dev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, 0),
	};
	struct iommu_vdevice_alloc vdevice = {
		.size = sizeof(vdevice), .dev_id = dev, .virt_id = 0x40 + two};
	struct iommu_veventq_alloc queue = {
		.size = sizeof(queue), .type = IOMMU_VEVENTQ_TYPE_ARM_SMMUV3, .veventq_depth = 3};
	struct iommu_hwpt_arm_smmuv3 ste = rig_good_ste(two);
	struct iommu_hwpt_alloc hwpt = {
		.size = sizeof(hwpt),
		.dev_id = dev,
		.data_type = IOMMU_HWPT_DATA_ARM_SMMUV3,
		.data_len = sizeof(ste),
		.data_uptr = (uintptr_t)&ste,
	};

	rig_expect(rig, "a viommu", m_viommu_alloc(&rig->model, ctx, &viommu), 0);
	rig_expect(rig, "a viommu", rig_ioctl(rig, rig->ctx[ctx], IOMMU_VIOMMU_ALLOC, &viommu), 0);
	hwpt.pt_id = queue.viommu_id = vdevice.viommu_id = viommu.out_viommu_id;
	rig_expect(rig, "a vdevice", m_vdevice_alloc(&rig->model, ctx, &vdevice), 0);
	rig_expect(rig, "a vdevice", rig_ioctl(rig, rig->ctx[ctx], IOMMU_VDEVICE_ALLOC, &vdevice),
		   0);
	veventq_alloc(rig, ctx, &queue);
	rig_expect(rig, "a guest's page table", hwpt_alloc(rig, ctx, &hwpt), 0);
	return hwpt.out_hwpt_id;
}
