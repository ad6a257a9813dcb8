/* SPDX-License-Identifier: MIT */
/* The ioctls of /dev/iommu. */
#include <stdlib.h>
#include <string.h>
#include "rig.h"

/* A struct of every ioctl fits, with more behind it. */
union any {
	uint32_t size;
	uint8_t bytes[128];
};

/*
 * Once in a while the same call with a size or a pointer that is wrong: it is refused, and nothing
 * has happened. `len` is what the ioctl knows, `min` what it needs.
 */
static bool spoiled(struct rig *rig, unsigned ctx, unsigned long cmd, const void *arg, uint32_t len,
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
static void check_untouched(struct rig *rig, const char *what, const void *got, const void *was,
			    size_t len)
{
	rig_expect(rig, what, memcmp(got, was, len) != 0, false);
}

static uint32_t pick_id(struct rig *rig)
{
	return input_below(&rig->in, 14);
}

/* Mostly one there is. */
static uint32_t pick(struct rig *rig, unsigned ctx, enum m_type type)
{
	unsigned from = input_below(&rig->in, M_IDS);

	for (unsigned i = 0; from % 8 && i < M_IDS; i++)
		if (m_find(&rig->model, ctx, (from + i) % M_IDS, type))
			return (from + i) % M_IDS;
	return pick_id(rig);
}

static const struct m_ioas *ioas_of(struct rig *rig, unsigned ctx, uint32_t id)
{
	struct m_obj *obj = m_find(&rig->model, ctx, id, M_IOAS);

	return obj ? &obj->ioas : NULL;
}

static void ioas_alloc(struct rig *rig, unsigned ctx)
{
	struct iommu_ioas_alloc cmd = {.size = sizeof(cmd)}, want;
	long rc;

	cmd.flags = input_rarely(&rig->in, 16);
	want = cmd;
	rig_say(rig, "context %u: IOAS_ALLOC flags %#x", ctx, cmd.flags);
	if (!m_free_id(&rig->model, ctx) ||
	    spoiled(rig, ctx, IOMMU_IOAS_ALLOC, &cmd, sizeof(cmd), 12))
		return;
	rc = m_ioas_alloc(&rig->model, ctx, &want);
	rig_expect(rig, "IOAS_ALLOC", rig_ioctl(rig, rig->ctx[ctx], IOMMU_IOAS_ALLOC, &cmd), rc);
	rig_expect(rig, "IOAS_ALLOC's id", cmd.out_ioas_id, want.out_ioas_id);
}

static uint64_t pick_va(struct rig *rig)
{
	struct input *in = &rig->in;
	uint64_t va = rig->model.va + input_below(in, RIG_ARENA) * M_PAGE;

	if (input_rarely(in, 24))
		return input_below(in, 2) ? input_u64(in) : va + input_byte(in);
	/* Most of it can be written. */
	return va % (64 * M_PAGE) && input_below(in, 2)
		       ? rig->model.va + input_below(in, 14) * M_PAGE
		       : va;
}

static uint32_t pick_map_flags(struct rig *rig)
{
	uint32_t flags = input_below(&rig->in, 8);

	return input_rarely(&rig->in, 32) ? flags | 8 : flags ? flags : 7;
}

/* The model's lists are not endless. */
static bool room_for(struct rig *rig, unsigned ctx, uint32_t to, uint32_t from)
{
	const struct m_ioas *dst = ioas_of(rig, ctx, to), *src = ioas_of(rig, ctx, from);

	return (!dst || dst->area_nr <= M_AREAS / 3) && (!src || src->area_nr <= M_AREAS / 2);
}

/* The engine has chosen an IOVA where the model only knows what is possible. */
static void check_choice(struct rig *rig, unsigned ctx, uint32_t ioas, long rc, uint64_t iova,
			 uint64_t va, uint64_t len)
{
	bool possible = rc ? rc == -ENOSPC && m_no_room(&rig->model, ctx, ioas, len)
			   : m_accept(&rig->model, ctx, ioas, iova, va, len);

	rig_expect(rig, "a chosen IOVA is possible", possible, true);
}

static void map(struct rig *rig, unsigned ctx)
{
	struct iommu_ioas_map cmd = {.size = sizeof(cmd)}, want;
	bool exact;
	long rc;

	cmd.ioas_id = pick(rig, ctx, M_IOAS);
	cmd.flags = pick_map_flags(rig);
	cmd.__reserved = input_rarely(&rig->in, 64);
	cmd.user_va = pick_va(rig);
	cmd.length = rig_pick_len(rig);
	cmd.iova = rig_pick_iova(rig, ioas_of(rig, ctx, cmd.ioas_id));
	rig_say(rig, "context %u: MAP %u flags %#x va +%#llx length %#llx IOVA %#llx", ctx,
		cmd.ioas_id, cmd.flags, (unsigned long long)(cmd.user_va - rig->model.va),
		(unsigned long long)cmd.length, (unsigned long long)cmd.iova);
	if (!room_for(rig, ctx, cmd.ioas_id, 0) ||
	    spoiled(rig, ctx, IOMMU_IOAS_MAP, &cmd, sizeof(cmd), 40))
		return;
	want = cmd;
	rc = m_map(&rig->model, ctx, &want, &exact);
	if (rc || exact) {
		rig_expect(rig, "IOAS_MAP", rig_ioctl(rig, rig->ctx[ctx], IOMMU_IOAS_MAP, &cmd),
			   rc);
		check_untouched(rig, "IOAS_MAP's answer", &cmd, &want, sizeof(cmd));
		return;
	}
	rc = rig_ioctl(rig, rig->ctx[ctx], IOMMU_IOAS_MAP, &cmd);
	check_choice(rig, ctx, cmd.ioas_id, rc, cmd.iova, cmd.user_va, cmd.length);
}

static void copy(struct rig *rig, unsigned ctx)
{
	struct iommu_ioas_copy cmd = {.size = sizeof(cmd)}, want;
	const struct m_area *area;
	bool exact;
	long rc;

	cmd.src_ioas_id = pick(rig, ctx, M_IOAS);
	cmd.dst_ioas_id = pick(rig, ctx, M_IOAS);
	cmd.flags = pick_map_flags(rig);
	cmd.length = rig_pick_len(rig);
	cmd.src_iova = rig_pick_iova(rig, ioas_of(rig, ctx, cmd.src_ioas_id));
	cmd.dst_iova = rig_pick_iova(rig, ioas_of(rig, ctx, cmd.dst_ioas_id));
	rig_say(rig, "context %u: COPY %u to %u flags %#x length %#llx IOVA %#llx to %#llx", ctx,
		cmd.src_ioas_id, cmd.dst_ioas_id, cmd.flags, (unsigned long long)cmd.length,
		(unsigned long long)cmd.src_iova, (unsigned long long)cmd.dst_iova);
	if (!room_for(rig, ctx, cmd.dst_ioas_id, cmd.src_ioas_id) ||
	    spoiled(rig, ctx, IOMMU_IOAS_COPY, &cmd, sizeof(cmd), 40))
		return;
	area = ioas_of(rig, ctx, cmd.src_ioas_id)
		       ? m_area_at(ioas_of(rig, ctx, cmd.src_ioas_id), cmd.src_iova)
		       : NULL;
	want = cmd;
	rc = m_copy(&rig->model, ctx, &want, &exact);
	if (rc || exact) {
		rig_expect(rig, "IOAS_COPY", rig_ioctl(rig, rig->ctx[ctx], IOMMU_IOAS_COPY, &cmd),
			   rc);
		check_untouched(rig, "IOAS_COPY's answer", &cmd, &want, sizeof(cmd));
		return;
	}
	rc = rig_ioctl(rig, rig->ctx[ctx], IOMMU_IOAS_COPY, &cmd);
	check_choice(rig, ctx, cmd.dst_ioas_id, rc, cmd.dst_iova,
		     area->va + (cmd.src_iova - area->first), cmd.length);
}

static void unmap(struct rig *rig, unsigned ctx)
{
	struct iommu_ioas_unmap cmd = {.size = sizeof(cmd)}, want;
	const struct m_ioas *ioas;
	long rc;

	cmd.ioas_id = pick(rig, ctx, M_IOAS);
	ioas = ioas_of(rig, ctx, cmd.ioas_id);
	cmd.iova = rig_pick_iova(rig, ioas);
	cmd.length = rig_pick_len(rig);
	if (ioas && input_below(&rig->in, 3)) {
		const struct m_area *area = m_area_at(ioas, cmd.iova);

		if (area)
			cmd.length = area->last - cmd.iova + 1;
	} else if (input_rarely(&rig->in, 16)) {
		cmd.iova = 0;
		cmd.length = UINT64_MAX - input_below(&rig->in, 2);
	}
	rig_say(rig, "context %u: UNMAP %u length %#llx IOVA %#llx", ctx, cmd.ioas_id,
		(unsigned long long)cmd.length, (unsigned long long)cmd.iova);
	if (spoiled(rig, ctx, IOMMU_IOAS_UNMAP, &cmd, sizeof(cmd), 24))
		return;
	want = cmd;
	rc = m_unmap(&rig->model, ctx, &want);
	rig_expect(rig, "IOAS_UNMAP", rig_ioctl(rig, rig->ctx[ctx], IOMMU_IOAS_UNMAP, &cmd), rc);
	check_untouched(rig, "IOAS_UNMAP's answer", &cmd, &want, sizeof(cmd));
}

static void allow(struct rig *rig, unsigned ctx)
{
	struct iommu_iova_range ranges[M_RANGES];
	struct iommu_ioas_allow_iovas cmd = {
		.size = sizeof(cmd),
		.allowed_iovas = (uintptr_t)ranges,
	};
	long rc;

	cmd.ioas_id = pick(rig, ctx, M_IOAS);
	if (!input_below(&rig->in, 4))
		cmd.num_iovas = input_below(&rig->in, M_RANGES);
	for (unsigned i = 0; i < cmd.num_iovas; i++) {
		ranges[i].start = rig_pick_iova(rig, NULL);
		ranges[i].last = ranges[i].start + rig_pick_len(rig) - 1;
	}
	rig_say(rig, "context %u: ALLOW_IOVAS %u, %u ranges", ctx, cmd.ioas_id, cmd.num_iovas);
	if (spoiled(rig, ctx, IOMMU_IOAS_ALLOW_IOVAS, &cmd, sizeof(cmd), 24))
		return;
	rc = m_allow(&rig->model, ctx, cmd.ioas_id, ranges, cmd.num_iovas);
	rig_expect(rig, "IOAS_ALLOW_IOVAS",
		   rig_ioctl(rig, rig->ctx[ctx], IOMMU_IOAS_ALLOW_IOVAS, &cmd), rc);
}

static void ranges(struct rig *rig, unsigned ctx)
{
	struct iommu_iova_range got[M_RANGES], want[M_RANGES];
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.allowed_iovas = (uintptr_t)got,
	};
	uint64_t alignment = 0;
	uint32_t room;
	int nr;

	cmd.ioas_id = pick(rig, ctx, M_IOAS);
	cmd.num_iovas = room = input_below(&rig->in, 4);
	rig_say(rig, "context %u: IOVA_RANGES %u", ctx, cmd.ioas_id);
	if (spoiled(rig, ctx, IOMMU_IOAS_IOVA_RANGES, &cmd, sizeof(cmd), 32))
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

static void option(struct rig *rig, unsigned ctx)
{
	struct iommu_option cmd = {.size = sizeof(cmd)}, want;
	long rc;

	cmd.option_id = input_below(&rig->in, 8) % 3;
	cmd.op = (uint16_t)(input_below(&rig->in, 9) % 3);
	cmd.__reserved = input_rarely(&rig->in, 32);
	cmd.object_id = cmd.option_id == IOMMU_OPTION_RLIMIT_MODE ? input_rarely(&rig->in, 8)
								  : pick(rig, ctx, M_IOAS);
	cmd.val64 = input_below(&rig->in, 9) % 3;
	rig->privileged = input_below(&rig->in, 4);
	rig_say(rig, "context %u: OPTION %u op %u of %u value %llu", ctx, cmd.option_id, cmd.op,
		cmd.object_id, (unsigned long long)cmd.val64);
	if (spoiled(rig, ctx, IOMMU_OPTION, &cmd, sizeof(cmd), 24))
		return;
	want = cmd;
	rc = m_option(&rig->model, ctx, &want, rig->privileged);
	rig_expect(rig, "OPTION", rig_ioctl(rig, rig->ctx[ctx], IOMMU_OPTION, &cmd), rc);
	check_untouched(rig, "OPTION's answer", &cmd, &want, sizeof(cmd));
}

static void hwpt_alloc(struct rig *rig, unsigned ctx)
{
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd)}, want;
	uint32_t data = 0;
	long rc;

	cmd.dev_id = pick(rig, ctx, M_DEVICE);
	cmd.pt_id = input_rarely(&rig->in, 8) ? pick_id(rig) : pick(rig, ctx, M_IOAS);
	cmd.flags = input_rarely(&rig->in, 8)
			    ? input_byte(&rig->in)
			    : input_byte(&rig->in) &
				      (IOMMU_HWPT_ALLOC_DIRTY_TRACKING | IOMMU_HWPT_ALLOC_PASID);
	cmd.__reserved = input_rarely(&rig->in, 64);
	if (input_rarely(&rig->in, 32)) {
		cmd.data_type = input_below(&rig->in, 3);
		cmd.data_len = input_below(&rig->in, 2) * sizeof(data);
		cmd.data_uptr = (uintptr_t)&data;
	}
	rig_say(rig, "context %u: HWPT_ALLOC device %u on %u flags %#x", ctx, cmd.dev_id, cmd.pt_id,
		cmd.flags);
	if (!m_free_id(&rig->model, ctx) ||
	    spoiled(rig, ctx, IOMMU_HWPT_ALLOC, &cmd, sizeof(cmd), 24))
		return;
	want = cmd;
	rc = m_hwpt_alloc(&rig->model, ctx, &want);
	rig_expect(rig, "HWPT_ALLOC", rig_ioctl(rig, rig->ctx[ctx], IOMMU_HWPT_ALLOC, &cmd), rc);
	check_untouched(rig, "HWPT_ALLOC's answer", &cmd, &want, sizeof(cmd));
}

static void destroy(struct rig *rig, unsigned ctx)
{
	struct iommu_destroy cmd = {
		.size = sizeof(cmd),
		.id = pick(rig, ctx, input_below(&rig->in, 2) ? M_HWPT : M_NONE),
	};

	rig_say(rig, "context %u: DESTROY %u", ctx, cmd.id);
	if (spoiled(rig, ctx, IOMMU_DESTROY, &cmd, sizeof(cmd), 8))
		return;
	rig_expect(rig, "DESTROY", rig_ioctl(rig, rig->ctx[ctx], IOMMU_DESTROY, &cmd),
		   m_destroy(&rig->model, ctx, cmd.id));
}

static void set_dirty(struct rig *rig, unsigned ctx)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {.size = sizeof(cmd)};

	cmd.hwpt_id = pick(rig, ctx, M_HWPT);
	cmd.flags = input_below(&rig->in, 3) != 2;
	if (input_rarely(&rig->in, 32))
		cmd.flags |= 2;
	rig_say(rig, "context %u: SET_DIRTY_TRACKING %u flags %#x", ctx, cmd.hwpt_id, cmd.flags);
	if (spoiled(rig, ctx, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd, sizeof(cmd), 16))
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

static void get_dirty(struct rig *rig, unsigned ctx)
{
	static const uint64_t sizes[] = {4096, 4096, 4096, 1024, 8192, 0, 2u << 20, 4096};
	struct iommu_hwpt_get_dirty_bitmap cmd = {.size = sizeof(cmd)};
	struct m_obj *obj;

	cmd.hwpt_id = pick(rig, ctx, M_HWPT);
	cmd.flags = input_below(&rig->in, 4) == 3 ? IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR : 0;
	cmd.flags |= input_rarely(&rig->in, 64) ? 2 : 0;
	obj = m_find(&rig->model, ctx, cmd.hwpt_id, M_HWPT);
	cmd.iova = rig_pick_iova(rig, obj ? ioas_of(rig, ctx, obj->hwpt.ioas) : NULL);
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
	    spoiled(rig, ctx, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd, sizeof(cmd), sizeof(cmd)))
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
		.user_va = rig->model.va + page * M_PAGE,
		.length = nr * M_PAGE,
		.iova = iova,
	};
	bool exact;

	rig_expect(rig, "a mapping", m_map(&rig->model, ctx, &cmd, &exact), 0);
	rig_expect(rig, "a mapping", rig_ioctl(rig, rig->ctx[ctx], IOMMU_IOAS_MAP, &cmd), 0);
}

uint32_t rig_make_hwpt(struct rig *rig, unsigned ctx, uint32_t dev, uint32_t ioas, uint32_t flags)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd), .flags = flags, .dev_id = dev, .pt_id = ioas};
	struct iommu_hwpt_alloc want = cmd;

	rig_expect(rig, "a page table", rig_ioctl(rig, rig->ctx[ctx], IOMMU_HWPT_ALLOC, &cmd),
		   m_hwpt_alloc(&rig->model, ctx, &want));
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

static void (*const ops[])(struct rig *rig, unsigned ctx) = {
	map,	    map,	map,	 map,	    map,       copy,	  copy,
	unmap,	    unmap,	unmap,	 allow,	    ranges,    option,	  ioas_alloc,
	hwpt_alloc, hwpt_alloc, destroy, set_dirty, get_dirty, get_dirty,
};

void rig_step_ioctl(struct rig *rig)
{
	int ctx = rig_pick_ctx(rig);

	if (ctx >= 0)
		ops[input_below(&rig->in, sizeof(ops) / sizeof(ops[0]))](rig, (unsigned)ctx);
}
