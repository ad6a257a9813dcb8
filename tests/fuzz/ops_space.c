/* SPDX-License-Identifier: MIT */
/* Spaces: what is mapped in them, and what may be. */
#include <stdlib.h>
#include <string.h>
#include "ops.h"

void op_ioas_alloc(struct rig *rig, unsigned ctx)
{
	struct iommu_ioas_alloc cmd = {.size = sizeof(cmd)}, want;
	long rc;

	cmd.flags = input_rarely(&rig->in, 16);
	want = cmd;
	rig_say(rig, "context %u: IOAS_ALLOC flags %#x", ctx, cmd.flags);
	if (!m_free_id(&rig->model, ctx) ||
	    rig_spoiled(rig, ctx, IOMMU_IOAS_ALLOC, &cmd, sizeof(cmd), 12))
		return;
	rc = m_ioas_alloc(&rig->model, ctx, &want);
	rig_expect(rig, "IOAS_ALLOC", rig_ioctl(rig, rig->ctx[ctx], IOMMU_IOAS_ALLOC, &cmd), rc);
	rig_expect(rig, "IOAS_ALLOC's id", cmd.out_ioas_id, want.out_ioas_id);
}

uint64_t rig_pick_va(struct rig *rig)
{
	struct input *in = &rig->in;
	uint64_t va = rig->model.memory[0].va + input_below(in, RIG_ARENA) * M_PAGE;

	if (input_rarely(in, 24))
		return input_below(in, 2) ? input_u64(in) : va + input_byte(in);
	/* Most of it can be written. */
	return va % (64 * M_PAGE) && input_below(in, 2)
		       ? rig->model.memory[0].va + input_below(in, 14) * M_PAGE
		       : va;
}

void op_map(struct rig *rig, unsigned ctx)
{
	struct iommu_ioas_map cmd = {.size = sizeof(cmd)}, want;
	bool exact;
	long rc;

	cmd.ioas_id = rig_pick(rig, ctx, M_IOAS);
	cmd.flags = rig_pick_map_flags(rig);
	cmd.__reserved = input_rarely(&rig->in, 64);
	cmd.user_va = rig_pick_va(rig);
	cmd.length = rig_pick_len(rig);
	cmd.iova = rig_pick_iova(rig, rig_ioas_of(rig, ctx, cmd.ioas_id));
	rig_say(rig, "context %u: MAP %u flags %#x va +%#llx length %#llx IOVA %#llx", ctx,
		cmd.ioas_id, cmd.flags, (unsigned long long)(cmd.user_va - rig->model.memory[0].va),
		(unsigned long long)cmd.length, (unsigned long long)cmd.iova);
	if (!rig_room_for(rig, ctx, cmd.ioas_id, 0) ||
	    rig_spoiled(rig, ctx, IOMMU_IOAS_MAP, &cmd, sizeof(cmd), 40))
		return;
	/* The model has to know where it is, to say what becomes of what is nested there. */
	if (m_is_parent(&rig->model, ctx, cmd.ioas_id) &&
	    (cmd.user_va % M_PAGE || cmd.length <= M_PAGE / 2))
		cmd.flags |= IOMMU_IOAS_MAP_FIXED_IOVA;
	want = cmd;
	rc = m_map(&rig->model, ctx, &want, &exact);
	if (rc || exact) {
		rig_expect(rig, "IOAS_MAP", rig_ioctl(rig, rig->ctx[ctx], IOMMU_IOAS_MAP, &cmd),
			   rc);
		rig_untouched(rig, "IOAS_MAP's answer", &cmd, &want, sizeof(cmd));
		return;
	}
	rc = rig_ioctl(rig, rig->ctx[ctx], IOMMU_IOAS_MAP, &cmd);
	rig_check_choice(rig, ctx, cmd.ioas_id, rc, cmd.iova, cmd.user_va, cmd.length);
}

void op_copy(struct rig *rig, unsigned ctx)
{
	struct iommu_ioas_copy cmd = {.size = sizeof(cmd)}, want;
	const struct m_area *area;
	bool exact;
	long rc;

	cmd.src_ioas_id = rig_pick(rig, ctx, M_IOAS);
	cmd.dst_ioas_id = rig_pick(rig, ctx, M_IOAS);
	cmd.flags = rig_pick_map_flags(rig);
	cmd.length = rig_pick_len(rig);
	cmd.src_iova = rig_pick_iova(rig, rig_ioas_of(rig, ctx, cmd.src_ioas_id));
	cmd.dst_iova = rig_pick_iova(rig, rig_ioas_of(rig, ctx, cmd.dst_ioas_id));
	rig_say(rig, "context %u: COPY %u to %u flags %#x length %#llx IOVA %#llx to %#llx", ctx,
		cmd.src_ioas_id, cmd.dst_ioas_id, cmd.flags, (unsigned long long)cmd.length,
		(unsigned long long)cmd.src_iova, (unsigned long long)cmd.dst_iova);
	if (!rig_room_for(rig, ctx, cmd.dst_ioas_id, cmd.src_ioas_id) ||
	    rig_spoiled(rig, ctx, IOMMU_IOAS_COPY, &cmd, sizeof(cmd), 40))
		return;
	if (m_is_parent(&rig->model, ctx, cmd.dst_ioas_id))
		cmd.flags |= IOMMU_IOAS_MAP_FIXED_IOVA;
	area = rig_ioas_of(rig, ctx, cmd.src_ioas_id)
		       ? m_area_at(rig_ioas_of(rig, ctx, cmd.src_ioas_id), cmd.src_iova)
		       : NULL;
	want = cmd;
	rc = m_copy(&rig->model, ctx, &want, &exact);
	if (rc || exact) {
		rig_expect(rig, "IOAS_COPY", rig_ioctl(rig, rig->ctx[ctx], IOMMU_IOAS_COPY, &cmd),
			   rc);
		rig_untouched(rig, "IOAS_COPY's answer", &cmd, &want, sizeof(cmd));
		return;
	}
	rc = rig_ioctl(rig, rig->ctx[ctx], IOMMU_IOAS_COPY, &cmd);
	rig_check_choice(rig, ctx, cmd.dst_ioas_id, rc, cmd.dst_iova, m_va(area, cmd.src_iova),
			 cmd.length);
}

void op_unmap(struct rig *rig, unsigned ctx)
{
	struct iommu_ioas_unmap cmd = {.size = sizeof(cmd)}, want;
	const struct m_ioas *ioas;
	long rc;

	cmd.ioas_id = rig_pick(rig, ctx, M_IOAS);
	ioas = rig_ioas_of(rig, ctx, cmd.ioas_id);
	cmd.iova = rig_pick_iova(rig, ioas);
	cmd.length = rig_pick_len(rig);
	if (ioas && input_below(&rig->in, 3)) {
		const struct m_area *area = m_area_at(ioas, cmd.iova);

		if (area)
			cmd.length = area->last - cmd.iova + 1;
		if (ioas->map_nr && input_below(&rig->in, 4)) {
			const struct m_nest_map *map =
				&ioas->map[input_below(&rig->in, ioas->map_nr)];

			cmd.iova = map->first;
			cmd.length = map->last - map->first + 1;
		}
	} else if (input_rarely(&rig->in, 16)) {
		cmd.iova = 0;
		cmd.length = UINT64_MAX - input_below(&rig->in, 2);
	}
	rig_say(rig, "context %u: UNMAP %u length %#llx IOVA %#llx", ctx, cmd.ioas_id,
		(unsigned long long)cmd.length, (unsigned long long)cmd.iova);
	if (rig_spoiled(rig, ctx, IOMMU_IOAS_UNMAP, &cmd, sizeof(cmd), 24))
		return;
	want = cmd;
	rc = m_unmap(&rig->model, ctx, &want);
	rig_expect(rig, "IOAS_UNMAP", rig_ioctl(rig, rig->ctx[ctx], IOMMU_IOAS_UNMAP, &cmd), rc);
	rig_untouched(rig, "IOAS_UNMAP's answer", &cmd, &want, sizeof(cmd));
}

void op_allow(struct rig *rig, unsigned ctx)
{
	struct iommu_iova_range ranges[M_RANGES];
	struct iommu_ioas_allow_iovas cmd = {
		.size = sizeof(cmd),
		.allowed_iovas = (uintptr_t)ranges,
	};
	long rc;

	cmd.ioas_id = rig_pick(rig, ctx, M_IOAS);
	if (!input_below(&rig->in, 4))
		cmd.num_iovas = input_below(&rig->in, M_RANGES);
	for (unsigned i = 0; i < cmd.num_iovas; i++) {
		ranges[i].start = rig_pick_iova(rig, NULL);
		ranges[i].last = ranges[i].start + rig_pick_len(rig) - 1;
	}
	rig_say(rig, "context %u: ALLOW_IOVAS %u, %u ranges", ctx, cmd.ioas_id, cmd.num_iovas);
	if (rig_spoiled(rig, ctx, IOMMU_IOAS_ALLOW_IOVAS, &cmd, sizeof(cmd), 24))
		return;
	rc = m_allow(&rig->model, ctx, cmd.ioas_id, ranges, cmd.num_iovas);
	rig_expect(rig, "IOAS_ALLOW_IOVAS",
		   rig_ioctl(rig, rig->ctx[ctx], IOMMU_IOAS_ALLOW_IOVAS, &cmd), rc);
}

void op_ranges(struct rig *rig, unsigned ctx)
{
	struct iommu_iova_range got[M_RANGES], want[M_RANGES];
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.allowed_iovas = (uintptr_t)got,
	};
	uint64_t alignment = 0;
	uint32_t room;
	int nr;

	cmd.ioas_id = rig_pick(rig, ctx, M_IOAS);
	cmd.num_iovas = room = input_below(&rig->in, 4);
	rig_say(rig, "context %u: IOVA_RANGES %u", ctx, cmd.ioas_id);
	if (rig_spoiled(rig, ctx, IOMMU_IOAS_IOVA_RANGES, &cmd, sizeof(cmd), 32))
		return;
	nr = m_ranges(&rig->model, ctx, cmd.ioas_id, want, &alignment);
	rig_expect(rig, "IOAS_IOVA_RANGES",
		   rig_ioctl(rig, rig->ctx[ctx], IOMMU_IOAS_IOVA_RANGES, &cmd),
		   nr < 0		 ? nr
		   : (uint32_t)nr > room ? -EMSGSIZE
					 : 0);
	if (nr < 0)
		return;
	rig_expect(rig, "number of ranges", cmd.num_iovas, nr);
	rig_expect(rig, "alignment", (long long)cmd.out_iova_alignment, (long long)alignment);
	for (unsigned i = 0; i < room && i < (unsigned)nr; i++) {
		rig_expect(rig, "start of a range", (long long)got[i].start,
			   (long long)want[i].start);
		rig_expect(rig, "end of a range", (long long)got[i].last, (long long)want[i].last);
	}
}

void op_option(struct rig *rig, unsigned ctx)
{
	struct iommu_option cmd = {.size = sizeof(cmd)}, want;
	long rc;

	cmd.option_id = input_below(&rig->in, 8) % 3;
	cmd.op = (uint16_t)(input_below(&rig->in, 9) % 3);
	cmd.__reserved = input_rarely(&rig->in, 32);
	cmd.object_id = cmd.option_id == IOMMU_OPTION_RLIMIT_MODE ? input_rarely(&rig->in, 8)
								  : rig_pick(rig, ctx, M_IOAS);
	cmd.val64 = input_below(&rig->in, 9) % 3;
	rig->privileged = input_below(&rig->in, 4);
	rig_say(rig, "context %u: OPTION %u op %u of %u value %llu", ctx, cmd.option_id, cmd.op,
		cmd.object_id, (unsigned long long)cmd.val64);
	if (rig_spoiled(rig, ctx, IOMMU_OPTION, &cmd, sizeof(cmd), 24))
		return;
	want = cmd;
	rc = m_option(&rig->model, ctx, &want, rig->privileged);
	rig_expect(rig, "OPTION", rig_ioctl(rig, rig->ctx[ctx], IOMMU_OPTION, &cmd), rc);
	rig_untouched(rig, "OPTION's answer", &cmd, &want, sizeof(cmd));
}

uint32_t rig_make_ioas(struct rig *rig, unsigned ctx)
{
	struct iommu_ioas_alloc cmd = {.size = sizeof(cmd)}, want = cmd;

	rig_expect(rig, "an IOAS", m_ioas_alloc(&rig->model, ctx, &want), 0);
	rig_expect(rig, "an IOAS", rig_ioctl(rig, rig->ctx[ctx], IOMMU_IOAS_ALLOC, &cmd), 0);
	return cmd.out_ioas_id;
}

void rig_make_mapping(struct rig *rig, unsigned ctx, uint32_t ioas, uint32_t flags, unsigned page,
		      unsigned nr, uint64_t iova)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = flags | IOMMU_IOAS_MAP_FIXED_IOVA,
		.ioas_id = ioas,
		.user_va = rig->model.memory[0].va + page * M_PAGE,
		.length = nr * M_PAGE,
		.iova = iova,
	};
	bool exact;

	rig_expect(rig, "a mapping", m_map(&rig->model, ctx, &cmd, &exact), 0);
	rig_expect(rig, "a mapping", rig_ioctl(rig, rig->ctx[ctx], IOMMU_IOAS_MAP, &cmd), 0);
}
