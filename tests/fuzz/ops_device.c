/* SPDX-License-Identifier: MIT */
/* Descriptors of /dev/iommu and of devices: opened, bound, attached, reset, closed. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "pci/pci.h"
#include "rig.h"

#define CONFIG(off)   ((uint64_t)7 << 40 | (off))
#define COMMAND	      4u
#define CMD_MEMORY    2u
#define CMD_MASTER    4u
#define OFFSET_REGION 40

static struct ioas_file *open_node(struct rig *rig, const char *path)
{
	struct ioas_file *file = NULL;
	unsigned i = 0;

	/* All are there from the beginning. */
	while (!rig->nodes_known && rig->node_nr < RIG_NODES &&
	       !ioas_node_at(rig->iommu, rig->node_nr, &rig->node[rig->node_nr]))
		rig->node_nr++;
	rig->nodes_known = true;
	while (i < rig->node_nr && strcmp(rig->node[i].path, path))
		i++;
	rig_expect(rig, path, i < rig->node_nr, true);
	fuzz_counts.operations++;
	rig_expect(
		rig, path,
		ioas_file_open(rig->iommu, &rig->caller, &rig->node[i], O_RDWR, &file, &rig->why),
		0);
	return file;
}

static void open_ctx(struct rig *rig, unsigned ctx)
{
	if (rig->model.ctx[ctx].exists)
		return;
	rig->ctx[ctx] = open_node(rig, "/dev/iommu");
	rig->model.ctx[ctx].exists = rig->model.ctx[ctx].open = true;
}

static void close_ctx(struct rig *rig, unsigned ctx)
{
	if (!rig->ctx[ctx])
		return;
	fuzz_counts.operations++;
	ioas_file_put(rig->ctx[ctx]);
	rig->ctx[ctx] = NULL;
	m_ctx_close(&rig->model, ctx);
}

static void open_cdev(struct rig *rig, unsigned dev, unsigned which)
{
	char path[48];

	if (rig->cdev[dev][which])
		return;
	snprintf(path, sizeof(path), "/dev/vfio/devices/vfio%u",
		 pci_cdev_index(rig->device[dev].pci));
	rig->cdev[dev][which] = open_node(rig, path);
}

static void close_cdev(struct rig *rig, unsigned dev, unsigned which)
{
	if (!rig->cdev[dev][which])
		return;
	fuzz_counts.operations++;
	ioas_file_put(rig->cdev[dev][which]);
	rig->cdev[dev][which] = NULL;
	if (rig->granted[dev] != (int)which)
		return;
	rig->granted[dev] = -1;
	m_unbind(&rig->model, dev);
	rig_compare_regs(rig);
}

/* In the order of docs/errno.md; `fd` stands for context `ctx` if that is open. */
static long expect_bind(struct rig *rig, unsigned dev, unsigned which, uint32_t flags, int fd,
			unsigned ctx, uint32_t *id)
{
	if (flags || fd < 0)
		return -EINVAL;
	if (rig->granted[dev] == (int)which)
		return -EINVAL;
	if (fd < rig_ctx_fd(0))
		return -EBADFD;
	if (ctx >= M_CTXS)
		return rig->cdev[dev][which] ? -EBADFD : -EBADF;
	if (!rig->ctx[ctx])
		return -EBADF;
	if (rig->granted[dev] >= 0)
		return -EINVAL;
	return m_bind(&rig->model, dev, ctx, id);
}

static void bind(struct rig *rig, unsigned dev, unsigned which, unsigned ctx)
{
	struct vfio_device_bind_iommufd cmd = {.argsz = sizeof(cmd), .iommufd = rig_ctx_fd(ctx)};
	uint32_t id = 0;
	long want;

	if (!rig->cdev[dev][which] || (ctx < M_CTXS && !m_free_id(&rig->model, ctx)))
		return;
	if (ctx == M_CTXS)
		cmd.iommufd = rig_cdev_fd(dev, which);
	if (input_rarely(&rig->in, 32))
		cmd.flags = 1;
	if (input_rarely(&rig->in, 32))
		cmd.iommufd = (int)input_byte(&rig->in) % 8 - 4;
	rig_say(rig, "%s, file %u, to descriptor %d", fuzz_machine.function[dev].addr, which,
		cmd.iommufd);
	want = expect_bind(rig, dev, which, cmd.flags, cmd.iommufd, ctx, &id);
	rig_expect(rig, "BIND_IOMMUFD",
		   rig_ioctl(rig, rig->cdev[dev][which], VFIO_DEVICE_BIND_IOMMUFD, &cmd), want);
	if (want)
		return;
	rig->granted[dev] = (int)which;
	rig_expect(rig, "BIND_IOMMUFD's id", cmd.out_devid, id);
}

/* VFIO's attach, in which PASID 0 is another word for none. */
static void attach_vfio(struct rig *rig, unsigned dev, unsigned which, uint32_t flags,
			pasid_t pasid, uint32_t pt_id)
{
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = sizeof(cmd), .flags = flags, .pt_id = pt_id, .pasid = pasid};
	bool tagged = flags & VFIO_DEVICE_ATTACH_PASID && pasid;
	long want;

	if (input_rarely(&rig->in, 32)) {
		fuzz_counts.bad++;
		cmd.argsz = input_below(&rig->in, sizeof(cmd));
	}
	rig_say(rig, "%s to id %u, flags %#x, PASID %u", fuzz_machine.function[dev].addr, pt_id,
		flags, pasid);
	if (rig->granted[dev] != (int)which || cmd.argsz < 12 ||
	    flags & ~(uint32_t)VFIO_DEVICE_ATTACH_PASID || (flags && cmd.argsz < sizeof(cmd)))
		want = -EINVAL;
	else
		want = m_attach(&rig->model, dev, tagged, pasid, &pt_id);
	rig_expect(rig, "ATTACH_IOMMUFD_PT",
		   rig_ioctl(rig, rig->cdev[dev][which], VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd),
		   want > 0 ? 0 : want);
	rig_expect(rig, "ATTACH_IOMMUFD_PT's answer", cmd.pt_id, pt_id);
}

/* Ours, which says what VFIO cannot. */
static void attach_exactly(struct rig *rig, unsigned dev, unsigned which, uint32_t flags,
			   pasid_t pasid, uint32_t pt_id)
{
	struct ioas_attach cmd = {
		.size = sizeof(cmd), .flags = flags, .pt_id = pt_id, .pasid = pasid};
	long want;

	rig_say(rig, "%s to id %u, flags %#x, PASID %u", fuzz_machine.function[dev].addr, pt_id,
		flags, pasid);
	if (flags & ~IOAS_ATTACH_PASID)
		want = -EOPNOTSUPP;
	else if ((pasid && !flags) || rig->granted[dev] != (int)which)
		want = -EINVAL;
	else
		want = m_attach(&rig->model, dev, flags, pasid, &pt_id);
	rig_expect(rig, "IOAS_ATTACH", rig_ioctl(rig, rig->cdev[dev][which], IOAS_ATTACH, &cmd),
		   want > 0 ? 0 : want);
	rig_expect(rig, "IOAS_ATTACH's answer", cmd.pt_id, pt_id);
	if (want >= 0)
		rig_expect(rig, "IOAS_ATTACH_NO_OP", cmd.out_flags & IOAS_ATTACH_NO_OP, want);
}

static pasid_t pick_pasid(struct rig *rig)
{
	static const pasid_t some[] = {0, 1, 2, 3, 7, 15, 16, 255, 256, 0xfffff, 0x100000, -1u};

	unsigned nr = input_below(&rig->in, 4) ? 4 : 12;

	return some[input_below(&rig->in, 32) % nr];
}

static uint32_t pick_pt(struct rig *rig, int ctx)
{
	unsigned from = input_below(&rig->in, M_IDS);

	for (unsigned i = 0; ctx >= 0 && from % 8 && i < M_IDS; i++) {
		uint32_t id = (from + i) % M_IDS;
		struct m_obj *obj = m_find(&rig->model, (unsigned)ctx, id, M_NONE);

		if (obj && (obj->type == M_IOAS || obj->type == M_HWPT || obj->type == M_NESTED))
			return id;
	}
	return input_below(&rig->in, 16);
}

static void attach(struct rig *rig, unsigned dev, unsigned which)
{
	uint32_t flags = input_below(&rig->in, 2);
	uint32_t pt_id = pick_pt(rig, rig->model.dev[dev].ctx);
	pasid_t pasid = flags ? pick_pasid(rig) : input_rarely(&rig->in, 32);

	if (input_rarely(&rig->in, 64))
		flags |= 4;
	if (!rig->cdev[dev][which] || rig->model.dev[dev].attach_nr == M_ATTACH)
		return;
	if (rig->model.dev[dev].ctx >= 0 &&
	    !m_free_id(&rig->model, (unsigned)rig->model.dev[dev].ctx))
		return;
	if (input_below(&rig->in, 2))
		attach_vfio(rig, dev, which, flags, pasid, pt_id);
	else
		attach_exactly(rig, dev, which, flags, pasid, pt_id);
}

static void detach(struct rig *rig, unsigned dev, unsigned which)
{
	bool exactly = input_below(&rig->in, 2);
	bool good = rig->granted[dev] == (int)which;
	uint32_t flags = input_below(&rig->in, 2);
	struct vfio_device_detach_iommufd_pt vfio = {.argsz = sizeof(vfio), .flags = flags};
	struct ioas_detach ours = {.size = sizeof(ours), .flags = flags};
	struct m_dev *d = &rig->model.dev[dev];

	vfio.pasid = ours.pasid = flags ? pick_pasid(rig) : 0;
	if (flags && d->attach_nr && input_below(&rig->in, 2))
		vfio.pasid = ours.pasid = d->attach[input_below(&rig->in, d->attach_nr)].pasid;
	if (!rig->cdev[dev][which])
		return;
	rig_say(rig, "%s, flags %#x, PASID %u", fuzz_machine.function[dev].addr, flags, ours.pasid);
	rig_expect(rig, "DETACH",
		   exactly ? rig_ioctl(rig, rig->cdev[dev][which], IOAS_DETACH, &ours)
			   : rig_ioctl(rig, rig->cdev[dev][which], VFIO_DEVICE_DETACH_IOMMUFD_PT,
				       &vfio),
		   good ? 0 : -EINVAL);
	if (good)
		m_detach(&rig->model, dev, flags && (exactly || vfio.pasid), vfio.pasid);
}

/* The command register: may it send, does it answer? */
static void command(struct rig *rig, unsigned dev, unsigned which, uint16_t bits)
{
	ssize_t rc;

	if (!rig->cdev[dev][which])
		return;
	fuzz_counts.operations++;
	rc = ioas_file_pwrite(rig->cdev[dev][which], &rig->caller, (uintptr_t)&bits, 2,
			      CONFIG(COMMAND));
	rig_expect(rig, "the command register", rc, rig->granted[dev] == (int)which ? 2 : -EINVAL);
	if (rc < 0)
		return;
	rig->model.dev[dev].master = bits & CMD_MASTER;
	rig->model.dev[dev].memory = bits & CMD_MEMORY;
}

static void reset(struct rig *rig, unsigned dev, unsigned which)
{
	bool good = rig->granted[dev] == (int)which;

	if (!rig->cdev[dev][which])
		return;
	rig_expect(rig, "RESET", rig_ioctl(rig, rig->cdev[dev][which], VFIO_DEVICE_RESET, NULL),
		   good ? 0 : -EINVAL);
	rig->model.dev[dev].resets += good;
	if (good) {
		m_forget_held(&rig->model, dev);
		m_pri_reset(&rig->model, dev);
	}
	rig_compare_regs(rig);
}

void rig_reset(struct rig *rig, unsigned dev)
{
	if (rig->granted[dev] >= 0)
		reset(rig, dev, (unsigned)rig->granted[dev]);
}

/* What is not a device's, and what nobody has. */
static void unknown(struct rig *rig, unsigned dev, unsigned which)
{
	uint8_t bytes[64] = {sizeof(bytes)};

	if (!rig->cdev[dev][which])
		return;
	fuzz_counts.bad++;
	rig_expect(rig, "an unknown ioctl",
		   rig_ioctl(rig, rig->cdev[dev][which],
			     _IO(VFIO_TYPE, VFIO_BASE + 40 + input_below(&rig->in, 8)), bytes),
		   rig->granted[dev] == (int)which ? -ENOTTY : -EINVAL);
}

void rig_step_device(struct rig *rig)
{
	struct input *in = &rig->in;
	unsigned dev = input_below(in, rig->model.dev_nr);
	unsigned which = input_rarely(in, 8);
	unsigned choice = input_below(in, 32);

	rig->touched = dev;
	if (rig->granted[dev] >= 0 && input_below(in, 8))
		which = (unsigned)rig->granted[dev];
	if (choice < 12)
		attach(rig, dev, which);
	else if (choice < 16)
		detach(rig, dev, which);
	else if (choice < 20)
		bind(rig, dev, which, input_below(in, 16) % (M_CTXS + 1));
	else if (choice < 22)
		open_cdev(rig, dev, which);
	else if (choice < 23)
		close_cdev(rig, dev, which);
	else if (choice < 26)
		command(rig, dev, which,
			input_below(in, 8) ? CMD_MASTER | CMD_MEMORY
					   : (uint16_t)input_below(in, 8));
	else if (choice < 28)
		reset(rig, dev, which);
	else if (choice < 30)
		open_ctx(rig, input_below(in, M_CTXS));
	else if (choice < 31)
		unknown(rig, dev, which);
	else if (input_rarely(in, 4))
		close_ctx(rig, input_below(in, M_CTXS));
}

/* A page table of its own, which requests with PASID 1 take as well. */
static void prepare_device(struct rig *rig, unsigned dev, unsigned ctx, uint32_t ioas,
			   uint32_t fault)
{
	const struct m_dev *d = &rig->model.dev[dev];
	uint32_t flags = (dev % 2 ? IOMMU_HWPT_ALLOC_DIRTY_TRACKING : 0u) |
			 (d->f->pasid_lg2 ? IOMMU_HWPT_ALLOC_PASID : 0u);
	uint32_t hwpt =
		rig_make_hwpt(rig, ctx, d->id, ioas, flags, d->f->page_request_nr ? fault : 0);

	attach_exactly(rig, dev, 0, 0, 0, hwpt);
	if (d->f->pasid_lg2)
		attach_exactly(rig, dev, 0, IOAS_ATTACH_PASID, 1, hwpt);
}

/* Requests without a PASID and with PASID 1 each go through a first stage of their own. */
static void prepare_nested(struct rig *rig, unsigned dev, unsigned ctx, uint32_t ioas)
{
	uint32_t hwpt[2];

	rig_nest(rig, ctx, rig->model.dev[dev].id, ioas, dev % 2, hwpt);
	attach_exactly(rig, dev, 0, 0, 0, hwpt[0]);
	attach_exactly(rig, dev, 0, IOAS_ATTACH_PASID, 1, hwpt[1]);
}

void rig_prologue(struct rig *rig)
{
	const uint32_t rw = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE;
	uint32_t ioas[2][2], nested, guest, arm, fault[2];

	for (unsigned c = 0; c < 2; c++) {
		open_ctx(rig, c);
		fault[c] = rig_make_fault(rig, c);
		for (unsigned i = 0; i < 2; i++) {
			ioas[c][i] = rig_make_ioas(rig, c);
			rig_make_compat(rig, c, ioas[c][i], i);
			rig_make_file_mapping(rig, c, ioas[c][i], i, c, 3, 0x1f5000);
			rig_make_mapping(rig, c, ioas[c][i], rw, 4 * i, 4, 0x1f8000);
			rig_make_mapping(rig, c, ioas[c][i], rw, 8 + 2 * c, 2, 0x1fe000);
			rig_make_mapping(rig, c, ioas[c][i], IOMMU_IOAS_MAP_READABLE, 20, 2,
					 0x1f1000);
		}
	}
	nested = rig_make_nested(rig, 0, ioas[0][0]);
	guest = rig_make_guest(rig, 0);
	arm = rig_make_arm_guest(rig, 0);
	for (unsigned d = 0; d < rig->model.dev_nr; d++) {
		unsigned ctx = rig->model.dev[d].f->group % 4 == 3;

		open_cdev(rig, d, 0);
		bind(rig, d, 0, ctx);
		command(rig, d, 0, CMD_MASTER | CMD_MEMORY);
		if (fuzz_machine.iommu[rig->model.dev[d].f->iommu].kind == M_VTD)
			prepare_nested(rig, d, ctx, guest);
		else if (fuzz_machine.iommu[rig->model.dev[d].f->iommu].kind == M_SMMU &&
			 rig->granted[d] >= 0)
			attach_exactly(rig, d, 0, 0, 0,
				       rig_nest_arm(rig, ctx, rig->model.dev[d].id, arm, d % 2));
		else
			prepare_device(rig, d, ctx, d == 8 ? nested : ioas[ctx][d / 2 % 2],
				       fault[ctx]);
	}
}
