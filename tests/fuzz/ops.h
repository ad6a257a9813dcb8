/* SPDX-License-Identifier: MIT */
/* What can be done with /dev/iommu, one function each, and what these share. */
#ifndef TESTS_FUZZ_OPS_H
#define TESTS_FUZZ_OPS_H

#include "rig.h"

/*
 * Once in a while the same call with a size or a pointer that is wrong: it is refused, and nothing
 * has happened. `len` is what the ioctl knows, `min` what it needs.
 */
bool rig_spoiled(struct rig *rig, unsigned ctx, unsigned long cmd, const void *arg, uint32_t len,
		 uint32_t min);
/* What a refused call has written: nothing. */
void rig_untouched(struct rig *rig, const char *what, const void *got, const void *was, size_t len);

uint32_t rig_pick_id(struct rig *rig);
/* Mostly one there is. */
uint32_t rig_pick(struct rig *rig, unsigned ctx, enum m_type type);
const struct m_ioas *rig_ioas_of(struct rig *rig, unsigned ctx, uint32_t id);
uint32_t rig_pick_map_flags(struct rig *rig);
uint64_t rig_pick_va(struct rig *rig);
/* The model's lists are not endless. */
bool rig_room_for(struct rig *rig, unsigned ctx, uint32_t to, uint32_t from);
/* The engine has chosen an IOVA where the model only knows what is possible. */
void rig_check_choice(struct rig *rig, unsigned ctx, uint32_t ioas, long rc, uint64_t iova,
		      uint64_t va, uint64_t len);

/* ops_space.c */
void op_ioas_alloc(struct rig *rig, unsigned ctx);
void op_map(struct rig *rig, unsigned ctx);
void op_copy(struct rig *rig, unsigned ctx);
void op_unmap(struct rig *rig, unsigned ctx);
void op_allow(struct rig *rig, unsigned ctx);
void op_ranges(struct rig *rig, unsigned ctx);
void op_option(struct rig *rig, unsigned ctx);
/* ops_table.c */
void op_hwpt_alloc(struct rig *rig, unsigned ctx);
void op_destroy(struct rig *rig, unsigned ctx);
void op_set_dirty(struct rig *rig, unsigned ctx);
void op_get_dirty(struct rig *rig, unsigned ctx);
/* files.c */
void op_map_file(struct rig *rig, unsigned ctx);
void op_truncate(struct rig *rig, unsigned ctx);
void op_change_process(struct rig *rig, unsigned ctx);
/* ops_type1.c */
void op_vfio_ioas(struct rig *rig, unsigned ctx);
void op_map_dma(struct rig *rig, unsigned ctx);
void op_unmap_dma(struct rig *rig, unsigned ctx);
void op_type1(struct rig *rig, unsigned ctx);
/* ops_nest.c */
void op_nest_alloc(struct rig *rig, unsigned ctx);
void op_nest_map(struct rig *rig, unsigned ctx);
void op_nest_info(struct rig *rig, unsigned ctx);
/* guest.c: where guests' spaces show the first page of the arena, and the pages of tables. */
#define GPA_BASE       0x100000ull
#define RIG_TABLES     13u
#define RIG_ARM_TABLES 19u
uint64_t rig_gpa(unsigned page);
/* As the program's own stores do. */
void rig_put(struct rig *rig, unsigned page, unsigned index, uint64_t entry);
uint32_t rig_make_guest_space(struct rig *rig, unsigned ctx);
void op_guest_write(struct rig *rig, unsigned ctx);
void op_invalidate(struct rig *rig, unsigned ctx);
uint64_t rig_pick_guest_iova(struct rig *rig);
uint64_t rig_pick_root(struct rig *rig, uint32_t *width);
/* ops_tlp.c */
struct ioas_tlp rig_pick_tlp(struct rig *rig, unsigned dev);
void rig_fire(struct rig *rig, unsigned dev, const struct ioas_tlp *tlp);
/* ops_pri.c */
void op_fault_alloc(struct rig *rig, unsigned ctx);
void rig_step_faults(struct rig *rig, unsigned slot);
bool rig_queue_room(const struct rig *rig);
/* guest_arm.c */
void op_arm_write(struct rig *rig, unsigned ctx);
struct iommu_hwpt_arm_smmuv3 rig_pick_ste(struct rig *rig);
struct iommu_hwpt_arm_smmuv3 rig_good_ste(bool two);
void rig_make_arm_tables(struct rig *rig);
/* ops_viommu.c */
void op_viommu_alloc(struct rig *rig, unsigned ctx);
void op_vdevice_alloc(struct rig *rig, unsigned ctx);
void op_veventq_alloc(struct rig *rig, unsigned ctx);
void op_queue(struct rig *rig, unsigned ctx);
void op_hwpt_arm(struct rig *rig, unsigned ctx);
void op_command(struct rig *rig, unsigned ctx);
void rig_invalidate_viommu(struct rig *rig, unsigned ctx, uint32_t id);

#endif
