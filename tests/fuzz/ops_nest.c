/* SPDX-License-Identifier: MIT */
/* IOASes that are nested in software. */
#include <string.h>
#include "ops.h"

void op_nest_alloc(struct rig *rig, unsigned ctx)
{
	struct ioas_nest_alloc cmd = {.size = sizeof(cmd)}, want;
	long rc;

	cmd.flags = input_rarely(&rig->in, 16);
	cmd.ioas_id = rig_pick(rig, ctx, M_IOAS);
	rig_say(rig, "context %u: NEST_ALLOC on %u flags %#x", ctx, cmd.ioas_id, cmd.flags);
	if (!m_free_id(&rig->model, ctx) ||
	    rig_spoiled(rig, ctx, IOAS_NEST_ALLOC, &cmd, sizeof(cmd), sizeof(cmd)))
		return;
	want = cmd;
	rc = m_nest_alloc(&rig->model, ctx, &want);
	rig_expect(rig, "NEST_ALLOC", rig_ioctl(rig, rig->ctx[ctx], IOAS_NEST_ALLOC, &cmd), rc);
	rig_untouched(rig, "NEST_ALLOC's answer", &cmd, &want, sizeof(cmd));
}

/* Mostly one that is nested. */
static uint32_t pick_nested(struct rig *rig, unsigned ctx)
{
	unsigned from = input_below(&rig->in, M_IDS);

	for (unsigned i = 0; from % 8 && i < M_IDS; i++) {
		const struct m_ioas *ioas = rig_ioas_of(rig, ctx, (from + i) % M_IDS);

		if (ioas && ioas->parent)
			return (from + i) % M_IDS;
	}
	return rig_pick(rig, ctx, M_IOAS);
}

void op_nest_map(struct rig *rig, unsigned ctx)
{
	struct ioas_nest_map cmd = {.size = sizeof(cmd)};
	const struct m_ioas *ioas;

	cmd.ioas_id = pick_nested(rig, ctx);
	ioas = rig_ioas_of(rig, ctx, cmd.ioas_id);
	cmd.flags = input_below(&rig->in, 4) ? IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE
					     : rig_pick_map_flags(rig);
	cmd.__reserved = input_rarely(&rig->in, 64);
	cmd.parent_iova = rig_pick_iova(rig, ioas ? rig_ioas_of(rig, ctx, ioas->parent) : NULL);
	cmd.length = rig_pick_len(rig);
	cmd.iova = input_below(&rig->in, 4) ? 0x1f0000 + input_below(&rig->in, 28) * M_PAGE
					    : rig_pick_iova(rig, ioas);
	rig_say(rig, "context %u: NEST_MAP %u flags %#x parent %#llx length %#llx IOVA %#llx", ctx,
		cmd.ioas_id, cmd.flags, (unsigned long long)cmd.parent_iova,
		(unsigned long long)cmd.length, (unsigned long long)cmd.iova);
	if ((ioas && (ioas->map_nr == M_NEST_MAPS || ioas->area_nr > M_AREAS / 3)) ||
	    rig_spoiled(rig, ctx, IOAS_NEST_MAP, &cmd, sizeof(cmd), sizeof(cmd)))
		return;
	rig_expect(rig, "NEST_MAP", rig_ioctl(rig, rig->ctx[ctx], IOAS_NEST_MAP, &cmd),
		   m_nest_map(&rig->model, ctx, &cmd));
}

static void check_info(struct rig *rig, unsigned ctx, uint32_t ioas, uint32_t flags)
{
	struct ioas_nest_info_cmd cmd = {.size = sizeof(cmd), .flags = flags, .ioas_id = ioas};
	struct ioas_nest_info_cmd want = cmd;
	long rc = m_nest_info(&rig->model, ctx, &want);

	rig_expect(rig, "NEST_INFO", rig_ioctl(rig, rig->ctx[ctx], IOAS_NEST_INFO, &cmd), rc);
	rig_expect(rig, "NEST_INFO's maps", (long long)cmd.out_maps, (long long)want.out_maps);
	rig_expect(rig, "NEST_INFO's length", (long long)cmd.out_length,
		   (long long)want.out_length);
	rig_expect(rig, "NEST_INFO's length that is shown", (long long)cmd.out_shown_length,
		   (long long)want.out_shown_length);
}

void op_nest_info(struct rig *rig, unsigned ctx)
{
	uint32_t ioas = pick_nested(rig, ctx);

	rig_say(rig, "context %u: NEST_INFO %u", ctx, ioas);
	check_info(rig, ctx, ioas, input_rarely(&rig->in, 16));
}

void rig_compare_nested(struct rig *rig)
{
	for (unsigned c = 0; c < M_CTXS; c++)
		for (uint32_t id = 1; rig->ctx[c] && id < M_IDS; id++) {
			const struct m_ioas *ioas = rig_ioas_of(rig, c, id);

			if (ioas && ioas->parent)
				check_info(rig, c, id, 0);
		}
}

uint32_t rig_make_nested(struct rig *rig, unsigned ctx, uint32_t parent)
{
	struct ioas_nest_alloc cmd = {.size = sizeof(cmd), .ioas_id = parent}, want = cmd;
	static const struct {
		uint64_t iova, parent, pages;
	} maps[] = {{0x1f4000, 0x1f8000, 3}, {0x1f8000, 0x1f8000, 4}, {0x1ff000, 0x1f5000, 3}};

	rig_expect(rig, "a nested IOAS", m_nest_alloc(&rig->model, ctx, &want), 0);
	rig_expect(rig, "a nested IOAS", rig_ioctl(rig, rig->ctx[ctx], IOAS_NEST_ALLOC, &cmd), 0);
	for (unsigned i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		struct ioas_nest_map map = {
			.size = sizeof(map),
			.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
			.ioas_id = cmd.out_ioas_id,
			.parent_iova = maps[i].parent,
			.length = maps[i].pages * M_PAGE,
			.iova = maps[i].iova,
		};

		rig_expect(rig, "a nested map", rig_ioctl(rig, rig->ctx[ctx], IOAS_NEST_MAP, &map),
			   m_nest_map(&rig->model, ctx, &map));
	}
	return cmd.out_ioas_id;
}
