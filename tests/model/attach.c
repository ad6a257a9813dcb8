/* SPDX-License-Identifier: MIT */
/*
 * The model's devices: bound, attached, and who has to be attached alike.
 *
 * A route is not a thing of its own here. Where a share set's requests go is where any of its
 * devices says that it is attached; the rules keep them in agreement.
 */
#include <string.h>
#include "model.h"

void m_init(struct model *m, const struct m_machine *machine)
{
	m->machine = machine;
	m->dev_nr = machine->function_nr;
	for (unsigned d = 0; d < m->dev_nr; d++) {
		m->dev[d].f = &machine->function[d];
		m->dev[d].ctx = -1;
	}
}

struct m_attach *m_attached(struct m_dev *dev, bool tagged, pasid_t pasid)
{
	for (unsigned i = 0; i < dev->attach_nr; i++)
		if (dev->attach[i].tagged == tagged && (!tagged || dev->attach[i].pasid == pasid))
			return &dev->attach[i];
	return NULL;
}

int m_bind(struct model *m, unsigned dev, unsigned ctx, uint32_t *id)
{
	for (unsigned d = 0; d < m->dev_nr; d++)
		if (d != dev && m->dev[d].f->group == m->dev[dev].f->group && m->dev[d].ctx >= 0 &&
		    m->dev[d].ctx != (int)ctx)
			return -EPERM;
	*id = m_free_id(m, ctx);
	memset(&m->ctx[ctx].obj[*id], 0, sizeof(m->ctx[ctx].obj[*id]));
	m->ctx[ctx].obj[*id].type = M_DEVICE;
	m->ctx[ctx].obj[*id].dev = dev;
	m->dev[dev].ctx = (int)ctx;
	m->dev[dev].id = *id;
	m->dev[dev].attach_nr = 0;
	/* As after power-on, and its registers answer. */
	m->dev[dev].master = false;
	m->dev[dev].memory = true;
	m->dev[dev].resets++;
	m_pri_reset(m, dev);
	return 0;
}

/* A page table that an attach made ends with its last user. */
static void unuse(struct model *m, unsigned ctx, uint32_t id)
{
	struct m_obj *obj = &m->ctx[ctx].obj[id];

	if (obj->hwpt.automatic && !m_users(m, ctx, id))
		obj->type = M_NONE;
}

static bool any_pasid(const struct m_dev *dev)
{
	for (unsigned i = 0; i < dev->attach_nr; i++)
		if (dev->attach[i].tagged)
			return true;
	return false;
}

/* May the device's requests of that form go to a page table that was (`made_for`) or was not made
 * for PASIDs? */
static int check_pasid(struct model *m, struct m_dev *dev, bool tagged, pasid_t pasid,
		       bool made_for)
{
	struct m_attach *rid = m_attached(dev, false, 0);

	if (!tagged)
		return made_for || !any_pasid(dev) ? 0 : -EINVAL;
	if (!made_for)
		return -EINVAL;
	if (rid && !m->ctx[dev->ctx].obj[rid->hwpt].hwpt.pasid)
		return -EINVAL;
	if (!dev->f->pasid_lg2 || pasid >> dev->f->pasid_lg2)
		return -EINVAL;
	return !pasid && !m->machine->iommu[dev->f->iommu].pasid_0_apart ? -EINVAL : 0;
}

/* Would one requester ID, or one machine-wide PASID, lead to two page tables? */
static int check_others(struct model *m, unsigned self, bool tagged, pasid_t pasid, uint32_t hwpt)
{
	struct m_dev *dev = &m->dev[self];
	bool attached = m_attached(dev, tagged, pasid);

	for (unsigned d = 0; d < m->dev_nr; d++) {
		struct m_dev *other = &m->dev[d];
		struct m_attach *attach = m_attached(other, tagged, pasid);

		if (d == self || !attach || (other->ctx == dev->ctx && attach->hwpt == hwpt))
			continue;
		if (other->f->set == dev->f->set && !attached)
			return -EINVAL;
		if (tagged && other->f->shared && dev->f->shared)
			return -EINVAL;
	}
	return 0;
}

/* Whoever programs an IOMMU anew drops what it remembers. */
static void forget_seen(struct model *m, int ctx, uint32_t hwpt)
{
	if (ctx >= 0)
		m->ctx[ctx].obj[hwpt].first.seen_nr = 0;
}

/* By which id the guest knows requests of the device that go there. */
static uint64_t guest_id(const struct model *m, const struct m_dev *dev, uint32_t hwpt)
{
	const struct m_obj *obj = m->ctx[dev->ctx].obj;

	for (uint32_t id = 1; id < M_IDS; id++)
		if (obj[id].type == M_VDEVICE && &m->dev[obj[id].dev] == dev &&
		    obj[hwpt].first.viommu == obj[id].on && obj[hwpt].first.viommu)
			return obj[id].virt_id;
	return UINT64_MAX;
}

/* Sets what one device says; returns what it said before, 0: nothing. */
static uint32_t point(struct model *m, struct m_dev *dev, bool tagged, pasid_t pasid, uint32_t hwpt)
{
	struct m_attach *attach = m_attached(dev, tagged, pasid);
	uint32_t was = attach ? attach->hwpt : 0;

	if (!attach)
		attach = &dev->attach[dev->attach_nr++];
	*attach = (struct m_attach){tagged, pasid, hwpt};
	forget_seen(m, dev->ctx, was);
	forget_seen(m, dev->ctx, hwpt);
	for (unsigned d = 0; was && d < m->dev_nr; d++)
		if (m->dev[d].f->set == dev->f->set)
			m_take_form(m, d, tagged, pasid);
	if (was)
		m_refuse(m, (unsigned)(dev - m->dev), tagged, pasid);
	if (!tagged)
		m->guest[dev->f->set] = guest_id(m, dev, hwpt);
	return was;
}

/* A replace moves all of the share set that are attached. */
static void move(struct model *m, unsigned self, bool tagged, pasid_t pasid, uint32_t hwpt)
{
	struct m_dev *dev = &m->dev[self];
	bool attached = m_attached(dev, tagged, pasid);
	uint32_t was = 0;

	for (unsigned d = 0; attached && d < m->dev_nr; d++)
		if (m->dev[d].f->set == dev->f->set && m_attached(&m->dev[d], tagged, pasid))
			was = point(m, &m->dev[d], tagged, pasid, hwpt);
	if (!attached)
		point(m, dev, tagged, pasid, hwpt);
	if (was)
		unuse(m, (unsigned)dev->ctx, was);
}

static bool joins(struct model *m, unsigned self, bool tagged, pasid_t pasid)
{
	struct m_dev *dev = &m->dev[self];

	for (unsigned d = 0; d < m->dev_nr; d++)
		if (d != self && m->dev[d].f->set == dev->f->set &&
		    m_attached(&m->dev[d], tagged, pasid))
			return !m_attached(dev, tagged, pasid);
	return false;
}

/* What stands in the way of requests without a PASID: interrupts are theirs. */
static int check_interrupts(struct model *m, const struct m_dev *dev, uint32_t ioas, bool tagged)
{
	struct ioas_range range = m_kind_reserved(m->machine->iommu[dev->f->iommu].kind);
	unsigned ctx = (unsigned)dev->ctx;

	return !tagged && m_in_use(m, ctx, ioas, range.first, range.last) ? -EADDRINUSE : 0;
}

static int to_hwpt(struct model *m, unsigned self, bool tagged, pasid_t pasid, uint32_t id)
{
	struct m_dev *dev = &m->dev[self];
	unsigned ctx = (unsigned)dev->ctx;
	const struct m_hwpt *hwpt = &m->ctx[ctx].obj[id].hwpt;
	const struct m_first *first = &m->ctx[ctx].obj[id].first;
	struct m_attach *attach = m_attached(dev, tagged, pasid);
	int rc, no_op;

	if (attach && attach->hwpt == id)
		return 1;
	rc = check_interrupts(m, dev, hwpt->ioas, tagged);
	if (!rc)
		rc = check_pasid(m, dev, tagged, pasid, hwpt->pasid);
	if (!rc && hwpt->kind != m->machine->iommu[dev->f->iommu].kind)
		rc = -EINVAL;
	if (!rc && hwpt->fault && !dev->f->page_request_nr)
		rc = -ENODEV;
	/* Of a guest's stage 1 the device has to have an id there. */
	if (!rc && first->viommu && !tagged && (first->ste[0] >> 1 & 7) == 5 &&
	    m_viommu_of(m, self) != first->viommu)
		rc = -ENOENT;
	if (!rc && hwpt->aw > m->machine->iommu[dev->f->iommu].aw)
		rc = -EINVAL;
	if (!rc)
		rc = check_others(m, self, tagged, pasid, id);
	if (rc)
		return rc;
	no_op = joins(m, self, tagged, pasid);
	move(m, self, tagged, pasid, id);
	return no_op;
}

static int to_new(struct model *m, unsigned self, bool tagged, pasid_t pasid, uint32_t ioas)
{
	struct m_dev *dev = &m->dev[self];
	unsigned ctx = (unsigned)dev->ctx, aw = m->machine->iommu[dev->f->iommu].aw;
	uint32_t id = m_free_id(m, ctx);
	struct m_obj *obj = &m->ctx[ctx].obj[id];
	int rc = check_interrupts(m, dev, ioas, tagged);

	if (!rc)
		rc = check_pasid(m, dev, tagged, pasid, false);
	if (!rc)
		rc = m_can_fill(m, ctx, ioas, aw);
	if (rc)
		return rc;
	memset(obj, 0, sizeof(*obj));
	obj->type = M_HWPT;
	obj->hwpt = (struct m_hwpt){.ioas = ioas,
				    .automatic = true,
				    .aw = aw,
				    .kind = m->machine->iommu[dev->f->iommu].kind,
				    .age = m->age++};
	rc = to_hwpt(m, self, tagged, pasid, id);
	if (rc < 0)
		obj->type = M_NONE;
	return rc;
}

/* The oldest page table that an attach made on that IOAS, but after `age`; 0: none. */
static uint32_t next_automatic(const struct model *m, unsigned ctx, uint32_t ioas, uint64_t age)
{
	uint32_t found = 0;

	for (uint32_t id = 1; id < M_IDS; id++) {
		const struct m_obj *obj = &m->ctx[ctx].obj[id];

		if (obj->type == M_HWPT && obj->hwpt.automatic && obj->hwpt.ioas == ioas &&
		    obj->hwpt.age >= age &&
		    (!found || obj->hwpt.age < m->ctx[ctx].obj[found].hwpt.age))
			found = id;
	}
	return found;
}

/* One that an attach made serves, unless it is EINVAL. */
static int to_ioas(struct model *m, unsigned self, bool tagged, pasid_t pasid, uint32_t ioas)
{
	unsigned ctx = (unsigned)m->dev[self].ctx;
	uint64_t age = 0;
	uint32_t id;

	while ((id = next_automatic(m, ctx, ioas, age))) {
		int rc;

		age = m->ctx[ctx].obj[id].hwpt.age + 1;
		rc = to_hwpt(m, self, tagged, pasid, id);
		if (rc != -EINVAL)
			return rc;
	}
	return to_new(m, self, tagged, pasid, ioas);
}

int m_attach(struct model *m, unsigned dev, bool tagged, pasid_t pasid, uint32_t *pt_id)
{
	unsigned ctx = (unsigned)m->dev[dev].ctx;
	struct m_obj *obj = m_find(m, ctx, *pt_id, M_NONE);
	int rc;

	if (tagged && pasid > INT32_MAX)
		return -EINVAL;
	if (!obj)
		return -ENOENT;
	if (obj->type != M_IOAS && obj->type != M_HWPT && obj->type != M_NESTED)
		return -EINVAL;
	rc = obj->type == M_IOAS ? to_ioas(m, dev, tagged, pasid, *pt_id)
				 : to_hwpt(m, dev, tagged, pasid, *pt_id);
	if (rc >= 0)
		*pt_id = m_attached(&m->dev[dev], tagged, pasid)->hwpt;
	return rc;
}

/* Is nobody else of the share set attached so? */
static bool alone(struct model *m, unsigned self, bool tagged, pasid_t pasid)
{
	for (unsigned d = 0; d < m->dev_nr; d++)
		if (d != self && m->dev[d].f->set == m->dev[self].f->set &&
		    m_attached(&m->dev[d], tagged, pasid))
			return false;
	return true;
}

void m_detach(struct model *m, unsigned dev, bool tagged, pasid_t pasid)
{
	struct m_dev *d = &m->dev[dev];
	struct m_attach *attach = m_attached(d, tagged, pasid);
	uint32_t was;

	if (!attach)
		return;
	was = attach->hwpt;
	forget_seen(m, d->ctx, was);
	m_refuse(m, dev, tagged, pasid);
	/* While another one of the share set is attached, that one's stays. */
	for (unsigned other = 0; other < m->dev_nr; other++)
		if (other == dev ||
		    (m->dev[other].f->set == d->f->set && alone(m, dev, tagged, pasid)))
			m_take_form(m, other, tagged, pasid);
	*attach = d->attach[--d->attach_nr];
	unuse(m, (unsigned)d->ctx, was);
}

void m_unbind(struct model *m, unsigned dev)
{
	struct m_dev *d = &m->dev[dev];
	unsigned ctx = (unsigned)d->ctx;

	/* It is reset first. */
	m_forget_held(m, dev);
	m_pri_reset(m, dev);
	while (d->attach_nr)
		m_detach(m, dev, d->attach[0].tagged, d->attach[0].pasid);
	m_vdevice_end(m, dev);
	m->ctx[ctx].obj[d->id].type = M_NONE;
	d->ctx = -1;
	d->master = false;
	d->memory = false;
	d->resets++;
	m_ctx_end(m, ctx);
}
