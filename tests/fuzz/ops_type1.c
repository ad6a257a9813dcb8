/* SPDX-License-Identifier: MIT */
/* VFIO's type1 ioctls on /dev/iommu, and the IOAS that they are for. */
#include <string.h>
#include "ops.h"

#define INFO_MAX 512u

/* Once in a while too short. */
static uint32_t pick_argsz(struct rig *rig, uint32_t len)
{
	if (!input_rarely(&rig->in, 32))
		return len;
	fuzz_counts.bad++;
	return input_below(&rig->in, len);
}

static const struct m_ioas *compat(struct rig *rig, unsigned ctx)
{
	return rig_ioas_of(rig, ctx, rig->model.ctx[ctx].compat);
}

void op_vfio_ioas(struct rig *rig, unsigned ctx)
{
	struct iommu_vfio_ioas cmd = {.size = sizeof(cmd)}, want;
	long rc;

	cmd.op = (uint16_t)(input_below(&rig->in, 8) % 5 % 4);
	if (input_below(&rig->in, 2))
		cmd.op = IOMMU_VFIO_IOAS_SET;
	cmd.ioas_id = rig_pick(rig, ctx, M_IOAS);
	cmd.__reserved = input_rarely(&rig->in, 32);
	rig_say(rig, "context %u: VFIO_IOAS op %u of %u", ctx, cmd.op, cmd.ioas_id);
	if (rig_spoiled(rig, ctx, IOMMU_VFIO_IOAS, &cmd, sizeof(cmd), 12))
		return;
	want = cmd;
	rc = m_vfio_ioas(&rig->model, ctx, &want);
	rig_expect(rig, "VFIO_IOAS", rig_ioctl(rig, rig->ctx[ctx], IOMMU_VFIO_IOAS, &cmd), rc);
	rig_untouched(rig, "VFIO_IOAS's answer", &cmd, &want, sizeof(cmd));
}

void op_map_dma(struct rig *rig, unsigned ctx)
{
	struct vfio_iommu_type1_dma_map cmd = {.argsz = pick_argsz(rig, sizeof(cmd))};

	cmd.flags = input_below(&rig->in, 4) ? 3 : input_below(&rig->in, 4);
	if (input_rarely(&rig->in, 32))
		cmd.flags |= VFIO_DMA_MAP_FLAG_VADDR;
	cmd.vaddr = rig_pick_va(rig);
	cmd.size = rig_pick_len(rig);
	cmd.iova = rig_pick_iova(rig, compat(rig, ctx));
	rig_say(rig, "context %u: MAP_DMA flags %#x va +%#llx size %#llx IOVA %#llx", ctx,
		cmd.flags, (unsigned long long)(cmd.vaddr - rig->model.memory[0].va),
		(unsigned long long)cmd.size, (unsigned long long)cmd.iova);
	if (!rig_room_for(rig, ctx, rig->model.ctx[ctx].compat, 0))
		return;
	rig_expect(rig, "MAP_DMA", rig_ioctl(rig, rig->ctx[ctx], VFIO_IOMMU_MAP_DMA, &cmd),
		   m_map_dma(&rig->model, ctx, &cmd));
}

void op_unmap_dma(struct rig *rig, unsigned ctx)
{
	struct vfio_iommu_type1_dma_unmap cmd = {.argsz = pick_argsz(rig, sizeof(cmd))}, want;
	bool written;
	long rc;

	if (input_rarely(&rig->in, 16))
		cmd.flags = 1 + input_below(&rig->in, 2);
	cmd.iova = rig_pick_iova(rig, compat(rig, ctx));
	cmd.size = rig_pick_len(rig);
	if (cmd.flags & VFIO_DMA_UNMAP_FLAG_ALL && input_below(&rig->in, 4))
		cmd.iova = cmd.size = 0;
	rig_say(rig, "context %u: UNMAP_DMA flags %#x size %#llx IOVA %#llx", ctx, cmd.flags,
		(unsigned long long)cmd.size, (unsigned long long)cmd.iova);
	if (!rig_room_for(rig, ctx, rig->model.ctx[ctx].compat, 0))
		return;
	want = cmd;
	rc = m_unmap_dma(&rig->model, ctx, &want, &written);
	rig_expect(rig, "UNMAP_DMA", rig_ioctl(rig, rig->ctx[ctx], VFIO_IOMMU_UNMAP_DMA, &cmd), rc);
	rig_expect(rig, "UNMAP_DMA's size", (long long)cmd.size, (long long)want.size);
}

/* A capability of the answer: what its header says, and where it is. */
static const void *capability(struct rig *rig, const uint8_t *info, uint16_t id)
{
	const struct vfio_iommu_type1_info *head = (const void *)info;
	const struct vfio_info_cap_header *cap;

	for (uint32_t at = head->cap_offset; at; at = cap->next) {
		cap = (const void *)(info + at);
		if (cap->id == id)
			return cap;
	}
	rig_differs(rig, "a capability", 0, id);
}

static void check_info(struct rig *rig, const uint8_t *info, uint32_t room,
		       const struct iommu_iova_range *want, unsigned nr, uint64_t alignment)
{
	const struct vfio_iommu_type1_info *head = (const void *)info;
	const struct vfio_iommu_type1_info_cap_iova_range *ranges;
	uint32_t total = sizeof(*head) + 16 + 16 + nr * 16;

	rig_expect(rig, "IOMMU_GET_INFO's argsz", head->argsz, total);
	rig_expect(rig, "IOMMU_GET_INFO's page sizes", (long long)head->iova_pgsizes,
		   (long long)-alignment);
	rig_expect(rig, "IOMMU_GET_INFO's capabilities", head->cap_offset != 0, room >= total);
	if (room < total)
		return;
	ranges = capability(rig, info, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	capability(rig, info, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
	rig_expect(rig, "ranges", ranges->nr_iovas, nr);
	rig_expect(rig, "ranges", memcmp(ranges->iova_ranges, want, nr * sizeof(*want)), 0);
}

static void get_info(struct rig *rig, unsigned ctx)
{
	union {
		struct vfio_iommu_type1_info head;
		uint8_t bytes[INFO_MAX];
	} info = {{.argsz = INFO_MAX}};
	struct iommu_iova_range want[M_RANGES];
	uint32_t ioas = rig->model.ctx[ctx].compat, room;
	uint64_t alignment = 0;
	int nr;

	if (input_rarely(&rig->in, 4))
		info.head.argsz = input_below(&rig->in, 96);
	room = info.head.argsz;
	/* Up to the page sizes it has to be. */
	nr = room < 16 ? -EINVAL
	     : !ioas   ? -ENODEV
		       : m_ranges(&rig->model, ctx, ioas, want, &alignment);
	rig_expect(rig, "IOMMU_GET_INFO", rig_ioctl(rig, rig->ctx[ctx], VFIO_IOMMU_GET_INFO, &info),
		   nr < 0 ? nr : 0);
	for (unsigned i = nr < 0 ? 4 : room; i < INFO_MAX; i++)
		rig_expect(rig, "a byte behind it", info.bytes[i], 0);
	if (nr >= 0)
		check_info(rig, info.bytes, room, want, (unsigned)nr, alignment);
}

void op_type1(struct rig *rig, unsigned ctx)
{
	static const uint8_t some[] = {VFIO_TYPE1_IOMMU,
				       VFIO_TYPE1v2_IOMMU,
				       VFIO_DMA_CC_IOMMU,
				       VFIO_UNMAP_ALL,
				       0,
				       2,
				       7,
				       42};
	uint64_t number = some[input_below(&rig->in, 8)];

	switch (input_below(&rig->in, 8)) {
	case 0:
		rig_say(rig, "context %u: GET_API_VERSION", ctx);
		rig_expect(rig, "GET_API_VERSION",
			   rig_ioctl(rig, rig->ctx[ctx], VFIO_GET_API_VERSION, NULL), 0);
		break;
	case 1:
	case 2:
		rig_say(rig, "context %u: CHECK_EXTENSION %u", ctx, (unsigned)number);
		rig_expect(rig, "CHECK_EXTENSION",
			   rig_ioctl(rig, rig->ctx[ctx], VFIO_CHECK_EXTENSION,
				     (const void *)(uintptr_t)number),
			   m_check_extension(&rig->model, ctx, number));
		break;
	case 3:
	case 4:
		rig_say(rig, "context %u: SET_IOMMU %u", ctx, (unsigned)number);
		rig_expect(rig, "SET_IOMMU",
			   rig_ioctl(rig, rig->ctx[ctx], VFIO_SET_IOMMU,
				     (const void *)(uintptr_t)number),
			   m_set_iommu(&rig->model, ctx, number));
		break;
	default:
		rig_say(rig, "context %u: IOMMU_GET_INFO", ctx);
		get_info(rig, ctx);
	}
}

void rig_make_compat(struct rig *rig, unsigned ctx, uint32_t ioas, bool type1)
{
	struct iommu_vfio_ioas cmd = {
		.size = sizeof(cmd), .ioas_id = ioas, .op = IOMMU_VFIO_IOAS_SET};
	uint64_t type = type1 ? VFIO_TYPE1_IOMMU : VFIO_TYPE1v2_IOMMU;

	rig_expect(rig, "VFIO_IOAS", rig_ioctl(rig, rig->ctx[ctx], IOMMU_VFIO_IOAS, &cmd),
		   m_vfio_ioas(&rig->model, ctx, &cmd));
	rig_expect(rig, "SET_IOMMU",
		   rig_ioctl(rig, rig->ctx[ctx], VFIO_SET_IOMMU, (const void *)(uintptr_t)type),
		   m_set_iommu(&rig->model, ctx, type));
}
