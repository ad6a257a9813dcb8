/* SPDX-License-Identifier: MIT */
/* Page requests: sent by devices, read from queues and answered by the program. */
#include <inttypes.h>
#include <string.h>
#include "ops.h"

#define RECORDS 24u

static void respond(void *arg, uint16_t group, enum ioas_page_code code)
{
	struct rig_device *dev = arg;

	if (dev->heard_nr < RIG_ASKED)
		dev->heard[dev->heard_nr] = (struct m_answer){dev->index, group, code};
	dev->heard_nr++;
}

void rig_open_pri(struct rig_device *dev)
{
	static const struct ioas_pri_ops ops = {.respond = respond};

	rig_expect(dev->rig, "PRI", ioas_pri_open(ioas_pci_device(dev->pci), &ops, dev), 0);
}

static bool heard(struct rig_device *dev, const struct m_answer *answer)
{
	for (unsigned i = 0; i < dev->heard_nr; i++)
		if (dev->heard[i].number == answer->number && dev->heard[i].code == answer->code) {
			dev->heard[i] = dev->heard[--dev->heard_nr];
			return true;
		}
	return false;
}

void rig_check_answers(struct rig *rig, bool all)
{
	struct model *m = &rig->model;

	for (unsigned i = 0; i < m->answer_nr; i++)
		rig_expect(rig, "an answer is heard",
			   heard(&rig->device[m->answer[i].dev], &m->answer[i]), true);
	for (unsigned d = 0; d < m->dev_nr; d++) {
		struct ioas_pri_stats got;

		rig_expect(rig, "answers that nobody gave", rig->device[d].heard_nr, 0);
		if (!fuzz_machine.function[d].page_request_nr || !all)
			continue;
		ioas_pri_stats(ioas_pci_device(rig->device[d].pci), &got);
		rig_expect(rig, "what became of page requests",
			   memcmp(&got, &m->dev[d].pri.stats, sizeof(got)), 0);
	}
	m->answer_nr = 0;
}

static void send(struct rig *rig, unsigned dev, const struct ioas_page_request *request)
{
	fuzz_counts.page_requests++;
	rig_expect(rig, "a page request",
		   ioas_page_request(ioas_pci_device(rig->device[dev].pci), request),
		   m_page_request(&rig->model, dev, request));
}

void rig_step_pri(struct rig *rig)
{
	struct input *in = &rig->in;
	unsigned dev = input_below(in, rig->model.dev_nr);
	const struct m_dev *d;
	struct ioas_page_request request = {.flags = input_byte(in) & 15};

	for (unsigned i = 0; i < rig->model.dev_nr; i++)
		if (!fuzz_machine.function[dev].page_request_nr ||
		    (!rig->model.dev[dev].attach_nr && i < 12))
			dev = (dev + 1) % rig->model.dev_nr;
	d = &rig->model.dev[dev];
	/* Its lists are not endless. */
	if (!d->f->page_request_nr || rig->model.group_nr + 3 > M_GROUPS)
		return;
	request.group = (uint16_t)input_below(in, M_PAGE_GROUPS);
	if (input_below(in, 2))
		request.flags |= IOAS_PAGE_LAST;
	if (input_below(in, 2)) {
		request.flags |= IOAS_PAGE_PASID;
		request.pasid = d->attach_nr ? d->attach[input_below(in, d->attach_nr)].pasid
					     : input_below(in, 4);
	}
	/* What a group has begun with it mostly goes on with. */
	if (d->pri.group[request.group].nr && input_below(in, 4)) {
		uint32_t form = IOAS_PAGE_PASID | IOAS_PAGE_PRIV;

		request.flags =
			(request.flags & ~form) | (d->pri.group[request.group].flags & form);
		request.pasid = d->pri.group[request.group].pasid;
	}
	if (input_rarely(in, 32))
		request.pasid = 1u << 20;
	if (input_rarely(in, 32))
		request.group = IOAS_PAGE_GROUPS;
	request.addr = rig_pick_iova(rig, NULL) + input_below(in, 4);
	for (unsigned i = 0; i < rig->model.group_nr; i++)
		if (rig->model.group[i].nr == M_GROUP_NR)
			return;
	rig_say(rig, "%s requests page %#" PRIx64 " flags %#x PASID %u group %u",
		fuzz_machine.function[dev].addr, request.addr, request.flags, request.pasid,
		request.group);
	send(rig, dev, &request);
	/* The same number stands for another group then, while the first one's answer is to come.
	 */
	if (input_rarely(in, 16)) {
		rig_reset(rig, dev);
		send(rig, dev, &request);
	}
}

static void fault_alloc(struct rig *rig, unsigned ctx, struct iommu_fault_alloc *cmd)
{
	struct iommu_fault_alloc want = *cmd;
	bool room = rig_queue_room(rig);
	long rc = m_fault_alloc(&rig->model, ctx, &want);

	if (!rc && !room) {
		rig->model.ctx[ctx].obj[want.out_fault_id].type = M_NONE;
		rc = -EMFILE;
	}
	rig_expect(rig, "FAULT_QUEUE_ALLOC",
		   rig_ioctl(rig, rig->ctx[ctx], IOMMU_FAULT_QUEUE_ALLOC, cmd), rc);
	if (rc)
		return;
	rig_expect(rig, "FAULT_QUEUE_ALLOC's id", cmd->out_fault_id, want.out_fault_id);
	rig->queue[rig_queue_of(cmd->out_fault_fd)].ctx = ctx;
	rig->queue[rig_queue_of(cmd->out_fault_fd)].id = cmd->out_fault_id;
}

void op_fault_alloc(struct rig *rig, unsigned ctx)
{
	struct iommu_fault_alloc cmd = {.size = sizeof(cmd), .flags = input_rarely(&rig->in, 16)};

	rig_say(rig, "context %u: FAULT_QUEUE_ALLOC", ctx);
	if (m_free_id(&rig->model, ctx) &&
	    !rig_spoiled(rig, ctx, IOMMU_FAULT_QUEUE_ALLOC, &cmd, sizeof(cmd), 16))
		fault_alloc(rig, ctx, &cmd);
}

static void read_faults(struct rig *rig, unsigned slot, size_t len, uint64_t off)
{
	struct iommu_hwpt_pgfault got[RECORDS] = {0}, want[RECORDS] = {0};
	long rc = -ESPIPE;

	if (!off && !(len % sizeof(got[0]))) {
		rc = m_fault_read(&rig->model, rig->queue[slot].ctx, rig->queue[slot].id, want,
				  (unsigned)(len / sizeof(got[0])));
		rc = rc > 0 ? rc * (long)sizeof(got[0]) : rc;
	}
	fuzz_counts.operations++;
	rig_expect(rig, "reading page requests",
		   ioas_file_pread(rig->queue[slot].file, &rig->caller, (uintptr_t)got, len, off),
		   rc);
	rig_expect(rig, "page requests", memcmp(got, want, sizeof(got)), 0);
}

static void answer(struct rig *rig, unsigned slot)
{
	struct iommu_hwpt_page_response responses[2];
	unsigned nr = 1 + input_rarely(&rig->in, 4), done = 0;
	size_t len = nr * sizeof(responses[0]);
	long rc = 0;

	for (unsigned i = 0; i < nr; i++)
		responses[i] = (struct iommu_hwpt_page_response){
			.cookie = input_below(&rig->in, 5),
			.code = input_below(&rig->in, 9) % 4 % 3,
		};
	if (input_rarely(&rig->in, 32)) {
		len--;
		rc = -ESPIPE;
	}
	while (!rc && done < nr) {
		rc = m_fault_respond(&rig->model, rig->queue[slot].ctx, rig->queue[slot].id,
				     &responses[done]);
		done += !rc;
	}
	fuzz_counts.operations++;
	rig_expect(
		rig, "answering page requests",
		ioas_file_pwrite(rig->queue[slot].file, &rig->caller, (uintptr_t)responses, len, 0),
		done ? (long)(done * sizeof(responses[0])) : rc);
}

void rig_step_faults(struct rig *rig, unsigned slot)
{
	switch (input_below(&rig->in, 8)) {
	case 0:
		read_faults(rig, slot, sizeof(struct iommu_hwpt_pgfault),
			    input_rarely(&rig->in, 4));
		break;
	case 1:
		read_faults(rig, slot, input_below(&rig->in, 200), 0);
		break;
	case 2:
	case 3:
		read_faults(rig, slot, RECORDS * sizeof(struct iommu_hwpt_pgfault), 0);
		break;
	default:
		answer(rig, slot);
	}
}

uint32_t rig_make_fault(struct rig *rig, unsigned ctx)
{
	struct iommu_fault_alloc cmd = {.size = sizeof(cmd)};

	fault_alloc(rig, ctx, &cmd);
	return cmd.out_fault_id;
}
