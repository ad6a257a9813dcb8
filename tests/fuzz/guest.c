/* SPDX-License-Identifier: MIT */
/*
 * A guest's first-stage tables: in pages of the program's memory that a space shows at GPAs. The
 * program writes entries, good ones and bad ones, and invalidates.
 */
#include <string.h>
#include "ops.h"

/* The root of five levels is the first. */
#define TABLES	 RIG_TABLES
#define TABLE_NR 6u
/* P, RW, US; PS; XD */
#define ENTRY	 7ull
#define LARGE	 (1ull << 7)
#define NO_FETCH (1ull << 63)

uint64_t rig_gpa(unsigned page)
{
	return GPA_BASE + page * M_PAGE;
}

void rig_put(struct rig *rig, unsigned page, unsigned index, uint64_t entry)
{
	uint64_t off = page * M_PAGE + index * sizeof(entry);

	memcpy(rig->arena + off, &entry, sizeof(entry));
	memcpy(rig->model.memory[0].bytes + off, &entry, sizeof(entry));
	m_changed(&rig->model, 0, off, sizeof(entry));
}

/*
 * Of the first 2 MiB those from 0x1f0000 on lead to memory, and a few of the next, of which some
 * are read-only, not to be fetched, not there; the third are one leaf, which leads to the first.
 */
static void make_tables(struct rig *rig)
{
	for (unsigned i = 0; i < TABLE_NR; i++)
		for (unsigned k = 0; k < 512; k++)
			rig_put(rig, TABLES + i, k, 0);
	for (unsigned i = 0; i < 4; i++)
		rig_put(rig, TABLES + i, 0, rig_gpa(TABLES + i + 1) | ENTRY);
	rig_put(rig, TABLES + 3, 1, rig_gpa(TABLES + 5) | ENTRY);
	rig_put(rig, TABLES + 3, 2, ENTRY | LARGE);
	for (unsigned k = 0; k < 16; k++) {
		rig_put(rig, TABLES + 4, 0x1f0 + k, rig_gpa(k) | ENTRY);
		rig_put(rig, TABLES + 5, k, rig_gpa(k / 2) | (k % 3 ? ENTRY : ENTRY - 2));
	}
	rig_put(rig, TABLES + 5, 4, rig_gpa(RIG_WRITABLE) | ENTRY);
	rig_put(rig, TABLES + 5, 5, rig_gpa(RIG_WRITABLE + 2) | ENTRY);
	rig_put(rig, TABLES + 5, 6, rig_gpa(3) | ENTRY | NO_FETCH);
}

uint64_t rig_pick_guest_iova(struct rig *rig)
{
	struct input *in = &rig->in;

	switch (input_below(in, 8)) {
	case 0:
		return rig_pick_iova(rig, NULL) | (input_rarely(in, 4) ? 0xffffull << 48 : 0);
	case 1:
		return 0x400000 + GPA_BASE + input_below(in, 16) * M_PAGE;
	case 2:
		return 0x200000 + input_below(in, 8) * M_PAGE;
	default:
		return 0x1f0000 + input_below(in, 16) * M_PAGE;
	}
}

uint64_t rig_pick_root(struct rig *rig, uint32_t *width)
{
	unsigned page = TABLES + 1;

	if (input_rarely(&rig->in, 4)) {
		page = TABLES;
		*width = 57;
	}
	return rig_gpa(input_rarely(&rig->in, 16) ? input_below(&rig->in, RIG_ARENA) : page);
}

static uint64_t pick_entry(struct rig *rig, unsigned table)
{
	struct input *in = &rig->in;
	uint64_t entry = rig_gpa(input_below(in, RIG_ARENA)) | ENTRY;

	/* Mostly to a table where one has to be. */
	if (table < 4 && input_below(in, 4))
		entry = rig_gpa(TABLES + table + 1) | ENTRY;
	if (input_below(in, 2))
		entry ^= 1ull << input_below(in, 13);
	if (input_rarely(in, 16))
		entry ^= 1ull << (table < 4 ? 7 : 63);
	if (input_rarely(in, 16))
		entry ^= 1ull << input_below(in, 64);
	return input_rarely(in, 32) ? input_u64(in) : entry;
}

void op_guest_write(struct rig *rig, unsigned ctx)
{
	struct input *in = &rig->in;
	unsigned table = input_below(in, TABLE_NR), index;
	uint64_t entry;

	fuzz_counts.operations++;
	if (input_rarely(in, 6)) {
		rig_say(rig, "the guest's tables anew");
		make_tables(rig);
		return;
	}
	index = table < 4 ? input_below(in, 8) % 2 : input_below(in, 16);
	if (table == 4)
		index += 0x1f0;
	entry = pick_entry(rig, table);
	rig_say(rig, "the guest's table %u, entry %u: %#llx", table, index,
		(unsigned long long)entry);
	rig_put(rig, TABLES + table, index, entry);
}

static void invalidate_all(struct rig *rig, unsigned ctx, uint32_t id)
{
	struct iommu_hwpt_vtd_s1_invalidate all = {.npages = UINT64_MAX};
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = id,
		.data_uptr = (uintptr_t)&all,
		.data_type = IOMMU_HWPT_INVALIDATE_DATA_VTD_S1,
		.entry_len = sizeof(all),
		.entry_num = 1,
	};

	rig_expect(rig, "HWPT_INVALIDATE",
		   rig_ioctl(rig, rig->ctx[ctx], IOMMU_HWPT_INVALIDATE, &cmd), 0);
	rig_expect(rig, "HWPT_INVALIDATE's number", cmd.entry_num, 1);
	m_forget_seen(&rig->model.ctx[ctx].obj[id].first, 0, UINT64_MAX, false);
}

bool rig_invalidate(struct rig *rig)
{
	for (unsigned c = 0; c < M_CTXS; c++)
		for (uint32_t id = 1; id < M_IDS; id++) {
			const struct m_obj *obj = m_find(&rig->model, c, id, M_NONE);

			if (!obj || (obj->type != M_NESTED && obj->type != M_VIOMMU))
				continue;
			/* Devices are bound to it, but it has no descriptor any more. */
			if (!rig->ctx[c])
				return false;
			if (obj->type == M_VIOMMU)
				rig_invalidate_viommu(rig, c, id);
			else if (obj->hwpt.kind == M_VTD)
				invalidate_all(rig, c, id);
		}
	memset(rig->model.walked, 0, sizeof(rig->model.walked));
	rig->model.changed = false;
	return true;
}

/* Of any kind; what it says of translations is no more than rig_invalidate does by itself. */
void op_invalidate(struct rig *rig, unsigned ctx)
{
	struct iommu_hwpt_vtd_s1_invalidate data[3];
	struct iommu_hwpt_invalidate cmd = {.size = sizeof(cmd)};
	uint32_t done;
	long rc;

	cmd.hwpt_id = rig_pick(rig, ctx, input_rarely(&rig->in, 8) ? M_NONE : M_NESTED);
	cmd.data_type = input_rarely(&rig->in, 16) ? input_below(&rig->in, 4)
						   : IOMMU_HWPT_INVALIDATE_DATA_VTD_S1;
	cmd.entry_num = input_below(&rig->in, 4);
	cmd.entry_len = input_rarely(&rig->in, 16) ? input_byte(&rig->in) % sizeof(data[0])
						   : sizeof(data[0]);
	cmd.__reserved = input_rarely(&rig->in, 32);
	cmd.data_uptr = input_rarely(&rig->in, 32) ? 0 : (uintptr_t)data;
	for (unsigned i = 0; i < 3; i++) {
		data[i] = (struct iommu_hwpt_vtd_s1_invalidate){
			.addr = rig_pick_iova(rig, NULL),
			.npages = input_below(&rig->in, 4),
			.flags = input_below(&rig->in, 2),
		};
		if (input_rarely(&rig->in, 4)) {
			data[i].addr = input_rarely(&rig->in, 4) ? M_PAGE : 0;
			data[i].npages = UINT64_MAX;
		}
		if (input_rarely(&rig->in, 16))
			data[i].flags |= 2;
		data[i].__reserved = input_rarely(&rig->in, 32);
	}
	rig_say(rig, "context %u: HWPT_INVALIDATE %u, %u requests of %u bytes", ctx, cmd.hwpt_id,
		cmd.entry_num, cmd.entry_len);
	if (rig_spoiled(rig, ctx, IOMMU_HWPT_INVALIDATE, &cmd, sizeof(cmd), sizeof(cmd)))
		return;
	rc = m_invalidate(&rig->model, ctx, &cmd, data, &done);
	rig_expect(rig, "HWPT_INVALIDATE",
		   rig_ioctl(rig, rig->ctx[ctx], IOMMU_HWPT_INVALIDATE, &cmd), rc);
	rig_expect(rig, "HWPT_INVALIDATE's number", cmd.entry_num, done);
}

static uint32_t make_first(struct rig *rig, unsigned ctx, uint32_t dev, uint32_t parent,
			   uint32_t width, uint64_t flags)
{
	struct iommu_hwpt_vtd_s1 data = {
		.flags = flags,
		.pgtbl_addr = rig_gpa(width == 57 ? TABLES : TABLES + 1),
		.addr_width = width,
	};
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_HWPT_ALLOC_PASID,
		.dev_id = dev,
		.pt_id = parent,
		.data_type = IOMMU_HWPT_DATA_VTD_S1,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
	};
	struct iommu_hwpt_alloc want = cmd;

	rig_expect(rig, "a nested page table",
		   rig_ioctl(rig, rig->ctx[ctx], IOMMU_HWPT_ALLOC, &cmd),
		   m_hwpt_alloc(&rig->model, ctx, &want, &data));
	rig_expect(rig, "a nested page table", cmd.out_hwpt_id, want.out_hwpt_id);
	return cmd.out_hwpt_id;
}

uint32_t rig_make_guest_space(struct rig *rig, unsigned ctx)
{
	const uint32_t rw = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE;
	uint32_t ioas = rig_make_ioas(rig, ctx);

	rig_make_mapping(rig, ctx, ioas, rw, 0, 4, rig_gpa(0));
	rig_make_mapping(rig, ctx, ioas, rw, 4, 6, rig_gpa(4));
	rig_make_mapping(rig, ctx, ioas, rw, 10, RIG_WRITABLE - 10, rig_gpa(10));
	rig_make_mapping(rig, ctx, ioas, IOMMU_IOAS_MAP_READABLE, RIG_WRITABLE, 2,
			 rig_gpa(RIG_WRITABLE));
	return ioas;
}

uint32_t rig_make_guest(struct rig *rig, unsigned ctx)
{
	make_tables(rig);
	return rig_make_guest_space(rig, ctx);
}

void rig_nest(struct rig *rig, unsigned ctx, uint32_t dev, uint32_t ioas, bool five,
	      uint32_t out[2])
{
	uint32_t parent = rig_make_hwpt(
		rig, ctx, dev, ioas,
		IOMMU_HWPT_ALLOC_NEST_PARENT | (five ? IOMMU_HWPT_ALLOC_DIRTY_TRACKING : 0u), 0);

	out[0] = make_first(rig, ctx, dev, parent, 48, five ? IOMMU_VTD_S1_SRE : 0);
	out[1] = make_first(rig, ctx, dev, parent, five ? 57 : 48,
			    IOMMU_VTD_S1_EAFE | IOMMU_VTD_S1_SRE | IOMMU_VTD_S1_WPE);
}
