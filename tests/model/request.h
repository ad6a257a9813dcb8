/* SPDX-License-Identifier: MIT */
/* The model's requests, and what devices and guests have besides; a part of model.h. */
#ifndef TESTS_MODEL_REQUEST_H
#define TESTS_MODEL_REQUEST_H

/* ---- two dimensions (walk.c) ---- */

struct m_walk {
	enum ioas_fault_reason reason;
	unsigned stage; /* that refused */
	uint64_t gpa;	/* the last that stage 2 was asked for */
	bool stale;	/* an entry is another than the one that was read there before */
	unsigned event; /* of an SMMUv3's that the guest is told of; 0 */
};

/*
 * Where a request to that address goes through a nested page table. `act`: accessed and dirty bits
 * are set on the way, as far as it comes.
 */
struct m_walk m_walk(struct model *m, unsigned ctx, struct m_obj *nested,
		     const struct ioas_tlp *tlp, uint64_t iova, bool act);
/* The 8 bytes at a GPA, or NULL: why not is in *out. */
uint8_t *m_reach(struct model *m, unsigned ctx, struct m_obj *parent, unsigned op, uint64_t gpa,
		 bool act, struct m_walk *out);
/* Puts `value` where `entry` is, if it is another. */
bool m_exchange(struct model *m, unsigned ctx, struct m_obj *parent, uint64_t gpa, uint64_t entry,
		uint64_t value, bool act, struct m_walk *out);
/* The same for an SMMUv3 (walk_arm.c). */
struct m_walk m_walk_arm(struct model *m, unsigned ctx, struct m_obj *nested,
			 const struct ioas_tlp *tlp, uint64_t iova, bool act);
/* Nothing of what was read is remembered for these addresses. */
void m_forget_seen(struct m_first *first, uint64_t from, uint64_t to, bool leaves);
/* Bytes of memory have been written, by a device or the program. */
void m_changed(struct model *m, unsigned memory, uint64_t off, uint64_t len);

/* ---- requests (request.c) ---- */

/* What the page of a space says of an access. */
enum ioas_fault_reason m_check_page(const struct model *m, const struct m_ioas *ioas, uint64_t addr,
				    unsigned op);
void m_note_written(struct m_hwpt *hwpt, uint64_t page);

struct m_outcome {
	enum ioas_fault_reason reason; /* NONE: passed, and nothing on record */
	uint64_t addr;		       /* the first that failed */
	uint64_t moved;		       /* bytes before it that may have moved */
	uint16_t id;		       /* on the record */
	uint32_t ioas_id, hwpt_id;     /* likewise; 0 */
	int peer;		       /* who answered or had to, -1: nobody */
	bool tracked;		       /* by a page table that tracks what is written */
	bool nested;		       /* through two stages: the one that refused, and where */
	unsigned stage;
	uint64_t gpa;
	bool stale; /* of the first page */
	unsigned event;
	unsigned set; /* by whose route */
	int ctx;
	bool arm;    /* nested behind an SMMUv3 */
	bool tagged; /* by which form, as the IOMMU sees it */
	pasid_t pasid;
	bool claimed; /* went another's way */
};

/* What becomes of a request; moves nothing. */
/* Of a translation request, whether it is refused; if not, where its first address leads to. */
struct m_outcome m_ask(struct model *m, unsigned dev, const struct ioas_tlp *tlp);
struct m_outcome m_judge(struct model *m, unsigned dev, const struct ioas_tlp *tlp);
/*
 * Moves `len` bytes of it: a write from `buf`, a read to `buf`; and leaves the traces of what then
 * failed.
 */
void m_move(struct model *m, unsigned dev, const struct ioas_tlp *tlp,
	    const struct m_outcome *outcome, uint64_t len, void *buf);

/* ---- a guest's share of an SMMUv3 (viommu.c) ---- */

int m_viommu_alloc(struct model *m, unsigned ctx, struct iommu_viommu_alloc *cmd);
int m_vdevice_alloc(struct model *m, unsigned ctx, struct iommu_vdevice_alloc *cmd);
int m_veventq_alloc(struct model *m, unsigned ctx, struct iommu_veventq_alloc *cmd);
/* The viommu in which the device has a vdevice; 0: none. */
uint32_t m_viommu_of(const struct model *m, unsigned dev);
/* The device's vdevice ends with it. */
void m_vdevice_end(struct model *m, unsigned dev);
int m_command(struct model *m, unsigned ctx, const struct iommu_hwpt_invalidate *cmd,
	      const struct iommu_viommu_arm_smmuv3_invalidate *data, uint32_t *done);
/* Of a request that was refused: its guest is told. */
void m_tell(struct model *m, const struct ioas_tlp *tlp, const struct m_outcome *outcome);
/* Of the next thing to read: its length, which is written to `out` (40 bytes); 0: nothing. */
unsigned m_next_event(const struct m_queue *queue, uint8_t *out);
void m_take_event(struct m_queue *queue);

/* ---- translations of devices (ats.c) ---- */

bool m_ats_on(const struct model *m, unsigned dev);
/*
 * The device was told that `first`, `len` leads to `pa`, with those permissions (enum
 * ioas_ats_flags). Is that so? It holds it then.
 */
bool m_hold(struct model *m, unsigned dev, const struct m_outcome *asked, uint64_t first,
	    uint64_t len, uint64_t pa, uint32_t flags);
/* What the device is to be told of an address; 0: there is no translation. */
uint32_t m_ats_flags(const struct model *m, const struct ioas_tlp *tlp,
		     const struct m_outcome *asked);
/* The one that holds a physical address for `op`, or NULL. */
const struct m_held *m_held_at(const struct model *m, unsigned dev, uint64_t pa, unsigned op);
void m_judge_translated(struct model *m, unsigned dev, const struct ioas_tlp *tlp,
			struct m_outcome *out);
/* Taken back: what of that range was by a page table; `writes`: only what may be written by. */
void m_take(struct model *m, unsigned ctx, uint32_t hwpt, uint64_t first, uint64_t last,
	    bool writes);
void m_take_space(struct model *m, unsigned ctx, uint32_t ioas, uint64_t first, uint64_t last);
/* What a device holds of a form, and what it holds at all, which it forgets by itself. */
void m_take_form(struct model *m, unsigned dev, bool tagged, pasid_t pasid);
void m_forget_held(struct model *m, unsigned dev);

/* ---- page requests (pri.c) ---- */

int m_fault_alloc(struct model *m, unsigned ctx, struct iommu_fault_alloc *cmd);
int m_page_request(struct model *m, unsigned dev, const struct ioas_page_request *request);
/* The whole groups that fit in `room` records; their number or -EINVAL. */
int m_fault_read(struct model *m, unsigned ctx, uint32_t fault, struct iommu_hwpt_pgfault *out,
		 unsigned room);
int m_fault_respond(struct model *m, unsigned ctx, uint32_t fault,
		    const struct iommu_hwpt_page_response *response);
/* What came by an attachment is refused; the device is reset. */
void m_refuse(struct model *m, unsigned dev, bool tagged, pasid_t pasid);
void m_pri_reset(struct model *m, unsigned dev);

#endif
