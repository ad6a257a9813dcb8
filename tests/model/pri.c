/* SPDX-License-Identifier: MIT */
/* The model's page requests (docs/ats.md): groups on their way, in queues, read, and answered. */
#include <string.h>
#include "model.h"

int m_fault_alloc(struct model *m, unsigned ctx, struct iommu_fault_alloc *cmd)
{
	if (cmd->flags)
		return -EOPNOTSUPP;
	cmd->out_fault_id = m_free_id(m, ctx);
	m->ctx[ctx].obj[cmd->out_fault_id] = (struct m_obj){.type = M_FAULT};
	m->ctx[ctx].obj[cmd->out_fault_id].queue.open = true;
	return 0;
}

/* The device is told, if it has not been reset since. */
static void answer(struct model *m, unsigned dev, unsigned epoch, uint32_t number,
		   enum ioas_page_code code, bool served)
{
	struct m_pri *pri = &m->dev[dev].pri;

	if (epoch != pri->epoch || !pri->group[number].waits)
		return;
	pri->stats.outstanding -= pri->group[number].nr;
	memset(&pri->group[number], 0, sizeof(pri->group[number]));
	pri->stats.success += code == IOAS_PAGE_SUCCESS;
	pri->stats.invalid += code == IOAS_PAGE_INVALID;
	pri->stats.unserved += !served;
	m->answer[m->answer_nr++ % M_GROUPS] = (struct m_answer){dev, number, code};
}

static int check(const struct model *m, unsigned dev, const struct ioas_page_request *request)
{
	const struct m_dev *d = &m->dev[dev];
	uint32_t form = IOAS_PAGE_PASID | IOAS_PAGE_PRIV;

	if (request->group >= IOAS_PAGE_GROUPS ||
	    (request->flags & IOAS_PAGE_PASID && request->pasid >> IOAS_PASID_BITS))
		return -EINVAL;
	if (!m_ats_on(m, dev) || !d->master)
		return -ENODEV;
	if (d->pri.group[request->group].waits)
		return -EBUSY;
	if (d->pri.group[request->group].nr) {
		uint32_t flags = d->pri.group[request->group].flags;

		if ((flags ^ request->flags) & form ||
		    (flags & IOAS_PAGE_PASID &&
		     d->pri.group[request->group].pasid != request->pasid))
			return -EINVAL;
	}
	return d->pri.stats.outstanding < d->f->page_request_nr ? 0 : -EAGAIN;
}

/*
 * The group that is on its way by that attachment: an old one or a new one. What was sent of it
 * before a reset is no part of it.
 */
static struct m_group *on_its_way(struct model *m, unsigned dev, const struct m_attach *attach,
				  uint32_t fault, uint32_t number)
{
	unsigned epoch = m->dev[dev].pri.epoch;
	struct m_group *group;

	for (unsigned i = 0; i < m->group_nr; i++) {
		group = &m->group[i];
		if (group->state != M_INCOMPLETE || group->dev != dev || group->number != number ||
		    group->tagged != attach->tagged || group->pasid != attach->pasid)
			continue;
		if (group->epoch != epoch)
			group->nr = 0;
		group->epoch = epoch;
		return group;
	}
	group = &m->group[m->group_nr++];
	*group = (struct m_group){.ctx = (unsigned)m->dev[dev].ctx,
				  .dev = dev,
				  .fault = fault,
				  .tagged = attach->tagged,
				  .pasid = attach->pasid,
				  .number = number,
				  .epoch = epoch};
	return group;
}

static void queue(struct model *m, unsigned dev, const struct m_attach *attach, uint32_t fault,
		  const struct ioas_page_request *request)
{
	struct m_group *group = on_its_way(m, dev, attach, fault, request->group);
	bool last = request->flags & IOAS_PAGE_LAST, tagged = request->flags & IOAS_PAGE_PASID;
	struct m_group whole;

	group->record[group->nr++] = (struct iommu_hwpt_pgfault){
		.flags = (tagged ? IOMMU_PGFAULT_FLAGS_PASID_VALID : 0) |
			 (last ? IOMMU_PGFAULT_FLAGS_LAST_PAGE : 0),
		.dev_id = m->dev[dev].id,
		.pasid = tagged ? request->pasid : 0,
		.grpid = request->group,
		/* The same bits in the same order. */
		.perm = request->flags & 15,
		.addr = request->addr / M_PAGE * M_PAGE,
	};
	if (!last)
		return;
	group->state = M_QUEUED;
	/* Queues are in the order of last requests. */
	whole = *group;
	memmove(group, group + 1, (size_t)(&m->group[--m->group_nr] - group) * sizeof(*group));
	m->group[m->group_nr++] = whole;
}

int m_page_request(struct model *m, unsigned dev, const struct ioas_page_request *request)
{
	struct m_dev *d = &m->dev[dev];
	bool tagged = request->flags & IOAS_PAGE_PASID, last = request->flags & IOAS_PAGE_LAST;
	int rc = check(m, dev, request);
	struct m_attach *attach;
	uint32_t fault;

	if (rc) {
		d->pri.stats.refused++;
		return rc;
	}
	if (!d->pri.group[request->group].nr++) {
		d->pri.group[request->group].flags = request->flags;
		d->pri.group[request->group].pasid = request->pasid;
	}
	d->pri.group[request->group].waits = last;
	d->pri.stats.requests++;
	d->pri.stats.groups += last;
	d->pri.stats.outstanding++;
	if (tagged && !request->pasid && !m->machine->iommu[d->f->iommu].pasid_0_apart)
		tagged = false;
	attach = m_attached(d, tagged, request->pasid);
	fault = attach ? m->ctx[d->ctx].obj[attach->hwpt].hwpt.fault : 0;
	if (fault)
		queue(m, dev, attach, fault, request);
	else if (last)
		answer(m, dev, d->pri.epoch, request->group, IOAS_PAGE_INVALID, false);
	return 0;
}

static void remove_group(struct model *m, struct m_group *group)
{
	memmove(group, group + 1, (size_t)(&m->group[--m->group_nr] - group) * sizeof(*group));
}

/* The lowest that no group has which was read. */
static uint32_t free_cookie(const struct model *m, unsigned ctx, uint32_t fault)
{
	uint32_t cookie = 1;

	for (unsigned i = 0; i < m->group_nr; i++)
		if (m->group[i].state == M_READ && m->group[i].ctx == ctx &&
		    m->group[i].fault == fault && m->group[i].cookie == cookie) {
			cookie++;
			i = -1u;
		}
	return cookie;
}

int m_fault_read(struct model *m, unsigned ctx, uint32_t fault, struct iommu_hwpt_pgfault *out,
		 unsigned room)
{
	unsigned done = 0;

	for (unsigned i = 0; i < m->group_nr; i++) {
		struct m_group *group = &m->group[i];

		if (group->state != M_QUEUED || group->ctx != ctx || group->fault != fault)
			continue;
		if (group->nr > room - done)
			return done ? (int)done : -EINVAL;
		group->cookie = free_cookie(m, ctx, fault);
		group->state = M_READ;
		for (unsigned k = 0; k < group->nr; k++) {
			out[done] = group->record[k];
			out[done++].cookie = group->cookie;
		}
	}
	return (int)done;
}

int m_fault_respond(struct model *m, unsigned ctx, uint32_t fault,
		    const struct iommu_hwpt_page_response *response)
{
	for (unsigned i = 0; response->code <= 1 && i < m->group_nr; i++) {
		struct m_group group = m->group[i];

		if (group.state != M_READ || group.ctx != ctx || group.fault != fault ||
		    group.cookie != response->cookie)
			continue;
		remove_group(m, &m->group[i]);
		answer(m, group.dev, group.epoch, group.number,
		       response->code ? IOAS_PAGE_INVALID : IOAS_PAGE_SUCCESS, true);
		return 0;
	}
	return -EINVAL;
}

void m_refuse(struct model *m, unsigned dev, bool tagged, pasid_t pasid)
{
	for (unsigned i = 0; i < m->group_nr; i++) {
		struct m_group group = m->group[i];

		if (group.dev != dev || group.tagged != tagged || (tagged && group.pasid != pasid))
			continue;
		remove_group(m, &m->group[i--]);
		if (group.state != M_INCOMPLETE)
			answer(m, dev, group.epoch, group.number, IOAS_PAGE_INVALID, true);
	}
}

void m_pri_reset(struct model *m, unsigned dev)
{
	struct m_pri *pri = &m->dev[dev].pri;

	for (unsigned i = 0; i < M_PAGE_GROUPS; i++)
		pri->stats.forgotten += pri->group[i].waits;
	memset(pri->group, 0, sizeof(pri->group));
	pri->stats.outstanding = 0;
	pri->epoch++;
}
