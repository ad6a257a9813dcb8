/* SPDX-License-Identifier: MIT */
/* Page tables: made, destroyed, asked for what was written. */
#include <stdlib.h>
#include <string.h>
#include "ops.h"

/* What a program says of a first-stage table. */
static struct iommu_hwpt_vtd_s1 pick_first(struct rig *rig)
{
	struct iommu_hwpt_vtd_s1 data = {.addr_width = 48};

	data.flags = input_below(&rig->in, 8);
	data.pgtbl_addr = rig_pick_root(rig, &data.addr_width);
	if (input_rarely(&rig->in, 32))
		data.flags |= 8;
	if (input_rarely(&rig->in, 32))
		data.addr_width = input_byte(&rig->in);
	data.__reserved = input_rarely(&rig->in, 64);
	return data;
}

void op_hwpt_alloc(struct rig *rig, unsigned ctx)
{
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd)}, want;
	struct iommu_hwpt_vtd_s1 data = pick_first(rig);
	bool nested = input_below(&rig->in, 4) == 3;
	long rc;

	cmd.dev_id = rig_pick(rig, ctx, M_DEVICE);
	cmd.pt_id = input_rarely(&rig->in, 8) ? rig_pick_id(rig)
					      : rig_pick(rig, ctx, nested ? M_HWPT : M_IOAS);
	cmd.flags = input_rarely(&rig->in, 8)
			    ? input_byte(&rig->in)
			    : input_byte(&rig->in) &
				      (IOMMU_HWPT_ALLOC_DIRTY_TRACKING | IOMMU_HWPT_ALLOC_PASID |
				       IOMMU_HWPT_ALLOC_NEST_PARENT);
	if (nested && input_below(&rig->in, 4))
		cmd.flags &= IOMMU_HWPT_ALLOC_PASID;
	if (input_rarely(&rig->in, 4))
		cmd.flags |= IOMMU_HWPT_FAULT_ID_VALID;
	cmd.fault_id = rig_pick(rig, ctx, M_FAULT);
	cmd.__reserved = input_rarely(&rig->in, 64);
	if (nested || input_rarely(&rig->in, 32)) {
		cmd.data_type = input_rarely(&rig->in, 16) ? input_below(&rig->in, 4)
							   : IOMMU_HWPT_DATA_VTD_S1;
		cmd.data_len = input_rarely(&rig->in, 16) ? input_below(&rig->in, sizeof(data) + 1)
							  : sizeof(data);
		cmd.data_uptr = (uintptr_t)&data;
	}
	rig_say(rig, "context %u: HWPT_ALLOC device %u on %u flags %#x data %u of %u", ctx,
		cmd.dev_id, cmd.pt_id, cmd.flags, cmd.data_type, cmd.data_len);
	if (!m_free_id(&rig->model, ctx) ||
	    rig_spoiled(rig, ctx, IOMMU_HWPT_ALLOC, &cmd, sizeof(cmd), 24))
		return;
	want = cmd;
	rc = m_hwpt_alloc(&rig->model, ctx, &want, &data);
	rig_expect(rig, "HWPT_ALLOC", rig_ioctl(rig, rig->ctx[ctx], IOMMU_HWPT_ALLOC, &cmd), rc);
	rig_untouched(rig, "HWPT_ALLOC's answer", &cmd, &want, sizeof(cmd));
}

void op_destroy(struct rig *rig, unsigned ctx)
{
	struct iommu_destroy cmd = {
		.size = sizeof(cmd),
		.id = rig_pick(rig, ctx, input_below(&rig->in, 2) ? M_HWPT : M_NONE),
	};

	rig_say(rig, "context %u: DESTROY %u", ctx, cmd.id);
	if (rig_spoiled(rig, ctx, IOMMU_DESTROY, &cmd, sizeof(cmd), 8))
		return;
	rig_expect(rig, "DESTROY", rig_ioctl(rig, rig->ctx[ctx], IOMMU_DESTROY, &cmd),
		   m_destroy(&rig->model, ctx, cmd.id));
}

void op_set_dirty(struct rig *rig, unsigned ctx)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {.size = sizeof(cmd)};

	cmd.hwpt_id = rig_pick(rig, ctx, M_HWPT);
	cmd.flags = input_below(&rig->in, 3) != 2;
	if (input_rarely(&rig->in, 32))
		cmd.flags |= 2;
	rig_say(rig, "context %u: SET_DIRTY_TRACKING %u flags %#x", ctx, cmd.hwpt_id, cmd.flags);
	if (rig_spoiled(rig, ctx, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd, sizeof(cmd), 16))
		return;
	rig_expect(rig, "SET_DIRTY_TRACKING",
		   rig_ioctl(rig, rig->ctx[ctx], IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd),
		   m_set_dirty(&rig->model, ctx, &cmd));
}

/* As much as a bitmap of ours is for; a length beyond that would be told outside of it. */
static bool fits(const struct iommu_hwpt_get_dirty_bitmap *cmd)
{
	return !cmd->page_size || (cmd->length >> __builtin_ctzll(cmd->page_size)) / 8 < RIG_BITMAP;
}

/* Bits that were set stay. */
static void compare_dirty(struct rig *rig, unsigned ctx,
			  const struct iommu_hwpt_get_dirty_bitmap *cmd, uint8_t fill)
{
	uint8_t *got = rig->bitmap, *want = rig->bitmap + RIG_BITMAP;

	memset(rig->bitmap, fill, 2 * RIG_BITMAP);
	rig_expect(rig, "GET_DIRTY_BITMAP",
		   rig_ioctl(rig, rig->ctx[ctx], IOMMU_HWPT_GET_DIRTY_BITMAP, cmd),
		   m_get_dirty(&rig->model, ctx, cmd, want));
	for (unsigned i = 0; memcmp(got, want, RIG_BITMAP) && i < RIG_BITMAP; i++)
		rig_expect(rig, "a dirty bitmap's byte", got[i], want[i]);
}

void op_get_dirty(struct rig *rig, unsigned ctx)
{
	static const uint64_t sizes[] = {4096, 4096, 4096, 1024, 8192, 0, 2u << 20, 4096};
	struct iommu_hwpt_get_dirty_bitmap cmd = {.size = sizeof(cmd)};
	struct m_obj *obj;

	cmd.hwpt_id = rig_pick(rig, ctx, M_HWPT);
	cmd.flags = input_below(&rig->in, 4) == 3 ? IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR : 0;
	cmd.flags |= input_rarely(&rig->in, 64) ? 2 : 0;
	obj = m_find(&rig->model, ctx, cmd.hwpt_id, M_HWPT);
	cmd.iova = rig_pick_iova(rig, obj ? rig_ioas_of(rig, ctx, obj->hwpt.ioas) : NULL);
	cmd.length = rig_pick_len(rig);
	if (input_below(&rig->in, 2)) {
		cmd.iova = 0;
		cmd.length = 0x400000;
	}
	cmd.page_size = sizes[input_below(&rig->in, 8)];
	cmd.data = (uintptr_t)rig->bitmap;
	rig_say(rig,
		"context %u: GET_DIRTY_BITMAP %u flags %#x length %#llx IOVA %#llx pages of %#llx",
		ctx, cmd.hwpt_id, cmd.flags, (unsigned long long)cmd.length,
		(unsigned long long)cmd.iova, (unsigned long long)cmd.page_size);
	if (!fits(&cmd) ||
	    rig_spoiled(rig, ctx, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd, sizeof(cmd), sizeof(cmd)))
		return;
	compare_dirty(rig, ctx, &cmd, input_byte(&rig->in));
}

void rig_read_dirty(struct rig *rig, unsigned ctx, uint32_t hwpt)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.length = 0x400000,
		.page_size = M_PAGE,
		.data = (uintptr_t)rig->bitmap,
	};

	compare_dirty(rig, ctx, &cmd, 0);
}

uint32_t rig_make_hwpt(struct rig *rig, unsigned ctx, uint32_t dev, uint32_t ioas, uint32_t flags,
		       uint32_t fault)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = flags | (fault ? IOMMU_HWPT_FAULT_ID_VALID : 0u),
		.dev_id = dev,
		.pt_id = ioas,
		.fault_id = fault,
	};
	struct iommu_hwpt_alloc want = cmd;

	rig_expect(rig, "a page table", rig_ioctl(rig, rig->ctx[ctx], IOMMU_HWPT_ALLOC, &cmd),
		   m_hwpt_alloc(&rig->model, ctx, &want, NULL));
	rig_expect(rig, "a page table", cmd.out_hwpt_id, want.out_hwpt_id);
	if (flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING) {
		struct iommu_hwpt_set_dirty_tracking track = {
			.size = sizeof(track),
			.flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE,
			.hwpt_id = cmd.out_hwpt_id,
		};

		rig_expect(rig, "tracking",
			   rig_ioctl(rig, rig->ctx[ctx], IOMMU_HWPT_SET_DIRTY_TRACKING, &track),
			   m_set_dirty(&rig->model, ctx, &track));
	}
	return cmd.out_hwpt_id;
}
