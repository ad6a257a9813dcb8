/* SPDX-License-Identifier: MIT */
/*
 * Memory of a guest: pages that stage 2 shows at GPAs, and a stage 1 of x86's format whose tables
 * lie there. For tests of walks in two dimensions.
 */
#ifndef TESTS_UNIT_TLP_GUEST_H
#define TESTS_UNIT_TLP_GUEST_H

#include "tests/unit/tlp/rig.h"
#include "tlp/nested.h"

#define P   (1ull << 0)
#define W   (1ull << 1)
#define U   (1ull << 2)
#define A   (1ull << 5)
#define D   (1ull << 6)
#define PS  (1ull << 7)
#define EA  (1ull << 10)
#define XD  (1ull << 63)
#define ALL (P | W | U)

#define GUEST_PAGES 64

/* A table by itself, as VT-d's first stage is: what find answers. */
struct guest_stage1 {
	struct stage1 stage1;
	struct pt_foreign table;
	enum ioas_fault_reason refuse;
	pa_t structure; /* read before, unless 0 */
};

static enum ioas_fault_reason guest_find(const struct stage1 *stage1, struct nested *nested,
					 const struct nested_request *request,
					 struct nested_table *out)
{
	const struct guest_stage1 *own = (const struct guest_stage1 *)stage1;
	enum ioas_fault_reason reason = IOAS_FAULT_NONE;
	uint64_t word;

	if (own->structure)
		reason = nested_read(nested, own->structure, &word);
	if (!reason)
		reason = own->refuse;
	out->table = own->table;
	return reason;
}

/* As an SMMUv3's would. */
static uint16_t guest_code(const struct stage1 *stage1, const struct ioas_fault *fault)
{
	return fault->stage1_nr && fault->reason == IOAS_FAULT_NOT_MAPPED ? 0x10 : 0;
}

static const struct stage1_ops guest_ops = {.find = guest_find, .code = guest_code};

struct guest {
	struct rig rig;
	char *memory; /* page n is what GPA n * PAGE shows, as far as stage 2 has it */
	struct mem_window *window[GUEST_PAGES];
	struct guest_stage1 s1;
};

static inline uint64_t *guest_at(struct guest *guest, pa_t gpa)
{
	return (uint64_t *)(guest->memory + gpa);
}

static inline void guest_show(struct guest *guest, unsigned page, uint32_t prot)
{
	guest->window[page] =
		rig_map(&guest->rig, page * PAGE, guest->memory + page * PAGE, PAGE, prot);
}

static inline void guest_hide(struct guest *guest, unsigned page)
{
	rig_unmap(&guest->rig, page * PAGE, guest->window[page]);
	guest->window[page] = NULL;
}

/* A device attached to stage 1 on a parent that has nothing yet. `dirty`: that one tracks. */
static inline void guest_start(struct guest *guest, unsigned aw, bool dirty)
{
	const struct pt_config config = {
		.format = PT_AMDV1, .aw = 48, .max_leaf_lg2 = dirty ? 12 : 0, .dirty = dirty};

	struct pt *plain;

	memset(guest, 0, sizeof(*guest));
	rig_start(&guest->rig,
		  &(struct ioas_iommu_config){.memory_told = true, .check_dirty = dirty});
	plain = guest->rig.pt;
	assert_int_equal(pt_new(&config, &guest->rig.pt), 0);
	pt_label(guest->rig.pt, 7, 9);
	guest->memory = rig_pages(GUEST_PAGES);
	stage1_init(&guest->s1.stage1, &guest_ops, guest->rig.pt, 12);
	guest->s1.table = (struct pt_foreign){
		.format = aw == 57 ? PT_X86_64_5L : PT_X86_64, .aw = aw, .update = true};
	assert_int_equal(route_attach_to(guest->rig.dev, NULL, &guest->s1.stage1.to, NULL), 0);
	pt_destroy(plain);
}

static inline void guest_stop(struct guest *guest)
{
	for (unsigned i = 0; i < GUEST_PAGES; i++)
		if (guest->window[i])
			guest_hide(guest, i);
	rig_stop(&guest->rig);
	munmap(guest->memory, GUEST_PAGES * PAGE);
}

/* What the program does that has changed its tables. */
static inline void guest_invalidate(struct guest *guest)
{
	inflight_wait(&guest->rig.iommu->inflight);
}

/*
 * Tables at pages `root`, `root` + 1, ... that lead `iova` to a leaf of `level`, each entry with
 * `bits`. Returns where the leaf's entry is.
 */
static inline uint64_t *guest_lead(struct guest *guest, unsigned levels, unsigned root, iova_t iova,
				   unsigned level, uint64_t leaf, uint64_t bits)
{
	uint64_t *entry = NULL;

	guest->s1.table.root = root * PAGE;
	for (unsigned at = levels; at >= level; at--, root++) {
		entry = guest_at(guest, root * PAGE) + (iova >> (12 + 9 * (at - 1)) & 511);
		*entry = at > level ? (root + 1) * PAGE | bits : leaf | (level > 1 ? PS : 0);
	}
	return entry;
}

#endif
