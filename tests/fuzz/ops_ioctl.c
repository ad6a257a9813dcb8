/* SPDX-License-Identifier: MIT */
/* The ioctls of /dev/iommu: which there are, and what trying them has in common. */
#include <stdlib.h>
#include <string.h>
#include "ops.h"

/* A struct of every ioctl fits, with more behind it. */
union any {
	uint32_t size;
	uint8_t bytes[128];
};

/*
 * Once in a while the same call with a size or a pointer that is wrong: it is refused, and nothing
 * has happened. `len` is what the ioctl knows, `min` what it needs.
 */
bool rig_spoiled(struct rig *rig, unsigned ctx, unsigned long cmd, const void *arg, uint32_t len,
		 uint32_t min)
{
	union any any = {0};
	long want;

	if (!input_rarely(&rig->in, 32))
		return false;
	fuzz_counts.bad++;
	memcpy(any.bytes, arg, len);
	switch (input_below(&rig->in, 4)) {
	case 0:
		any.size = input_below(&rig->in, min);
		want = -EINVAL;
		break;
	case 1:
		any.size = len + 1 + input_below(&rig->in, 16);
		any.bytes[any.size - 1] = 1;
		want = -E2BIG;
		break;
	case 2:
		rig_expect(rig, "a struct that cannot be read",
			   rig_ioctl(rig, rig->ctx[ctx], cmd, rig->arena + RIG_PAGES * M_PAGE),
			   -EFAULT);
		return true;
	default:
		cmd = _IO(';', 0x96 + input_below(&rig->in, 8));
		want = -ENOTTY;
		break;
	}
	rig_expect(rig, "a spoiled ioctl", rig_ioctl(rig, rig->ctx[ctx], cmd, &any), want);
	return true;
}

/* What a refused call has written: nothing. */
void rig_untouched(struct rig *rig, const char *what, const void *got, const void *was, size_t len)
{
	rig_expect(rig, what, memcmp(got, was, len) != 0, false);
}

uint32_t rig_pick_id(struct rig *rig)
{
	return input_below(&rig->in, 14);
}

/* Mostly one there is. */
uint32_t rig_pick(struct rig *rig, unsigned ctx, enum m_type type)
{
	unsigned from = input_below(&rig->in, M_IDS);

	for (unsigned i = 0; from % 8 && i < M_IDS; i++)
		if (m_find(&rig->model, ctx, (from + i) % M_IDS, type))
			return (from + i) % M_IDS;
	return rig_pick_id(rig);
}

const struct m_ioas *rig_ioas_of(struct rig *rig, unsigned ctx, uint32_t id)
{
	struct m_obj *obj = m_find(&rig->model, ctx, id, M_IOAS);

	return obj ? &obj->ioas : NULL;
}

uint32_t rig_pick_map_flags(struct rig *rig)
{
	uint32_t flags = input_below(&rig->in, 8);

	return input_rarely(&rig->in, 32) ? flags | 8 : flags ? flags : 7;
}

/* The model's lists are not endless. */
bool rig_room_for(struct rig *rig, unsigned ctx, uint32_t to, uint32_t from)
{
	const struct m_ioas *dst = rig_ioas_of(rig, ctx, to), *src = rig_ioas_of(rig, ctx, from);

	return (!dst || dst->area_nr <= M_AREAS / 3) && (!src || src->area_nr <= M_AREAS / 2);
}

/* The engine has chosen an IOVA where the model only knows what is possible. */
void rig_check_choice(struct rig *rig, unsigned ctx, uint32_t ioas, long rc, uint64_t iova,
		      uint64_t va, uint64_t len)
{
	bool possible = rc ? rc == -ENOSPC && m_no_room(&rig->model, ctx, ioas, len)
			   : m_accept(&rig->model, ctx, ioas, iova, va, len);

	rig_expect(rig, "a chosen IOVA is possible", possible, true);
}

static void (*const ops[])(struct rig *rig, unsigned ctx) = {
	op_map,		op_map,		 op_map,	   op_map,
	op_map,		op_copy,	 op_copy,	   op_unmap,
	op_unmap,	op_unmap,	 op_allow,	   op_ranges,
	op_option,	op_ioas_alloc,	 op_hwpt_alloc,	   op_hwpt_alloc,
	op_destroy,	op_set_dirty,	 op_get_dirty,	   op_get_dirty,
	op_map_file,	op_map_file,	 op_truncate,	   op_change_process,
	op_vfio_ioas,	op_map_dma,	 op_map_dma,	   op_unmap_dma,
	op_unmap_dma,	op_type1,	 op_nest_alloc,	   op_nest_map,
	op_nest_map,	op_nest_map,	 op_nest_info,	   op_guest_write,
	op_guest_write, op_guest_write,	 op_invalidate,	   op_arm_write,
	op_arm_write,	op_viommu_alloc, op_vdevice_alloc, op_veventq_alloc,
	op_queue,	op_queue,	 op_hwpt_arm,	   op_hwpt_arm,
	op_command,	op_fault_alloc,	 op_queue,
};

void rig_step_ioctl(struct rig *rig)
{
	int ctx = rig_pick_ctx(rig);

	if (ctx < 0)
		return;
	ops[input_below(&rig->in, sizeof(ops) / sizeof(ops[0]))](rig, (unsigned)ctx);
	rig_compare_nested(rig);
}
