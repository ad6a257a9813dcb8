/* SPDX-License-Identifier: MIT */
/*
 * The reference model: what a machine must answer, written to be read.
 *
 * It has lists that are searched from end to end, nothing that is remembered, and nothing of src/:
 * what a space maps is a list of areas, who is attached where is a list in each device, and where a
 * request goes is worked out anew from those each time. Its only sources are docs/errno.md,
 * docs/flow.md and the machine as it was described. Whatever the engine answers is compared with
 * this: results, errno, where a mapping went, which bytes moved, why a request was refused.
 *
 * Functions that stand for an ioctl have its name and return what it does: 0 or above, or -errno.
 * They expect that struct sizes and pointers are good.
 */
#ifndef TESTS_MODEL_H
#define TESTS_MODEL_H

#include <errno.h>
#include <ioas/pri.h>
#include <ioas/tlp.h>
#include <ioas/uapi/iommufd.h>
#include <ioas/uapi/vfio.h>
#include <ioas/uapi_ext.h>

#define M_PAGE	      4096ull
#define M_DEVS	      16u
#define M_CTXS	      3u
#define M_IDS	      64u /* objects of a context; ids are below this */
#define M_AREAS	      100u
#define M_RANGES      6u
#define M_NEST_MAPS   12u
#define M_NEST_DEEP   8u
#define M_SEEN	      160u
#define M_DEPTH	      8u /* of queues */
#define M_HELD	      48u
#define M_PAGE_GROUPS 4u /* that devices use */
#define M_GROUPS      48u
#define M_GROUP_NR    8u
#define M_ATTACH      12u /* routes of a device at once */
#define M_PAGES	      1024u
#define M_BAR	      4096u
#define M_MEMORY      6u /* the program's, and files */

/* What a described function is; written down by hand in machine.c, not asked of the engine. */
struct m_function {
	const char *addr;
	unsigned iommu;		 /* index */
	unsigned group;		 /* same number: one owner */
	unsigned set;		 /* same number: one requester ID in common */
	uint16_t wire;		 /* requester ID where its requests meet the IOMMU */
	uint8_t pasid_lg2;	 /* of the PASIDs its driver declares, 0: none */
	bool shared;		 /* it takes PASIDs with work items */
	bool rewritten;		 /* a bridge puts its own ID on everything */
	uint8_t first, last;	 /* buses whose requester IDs the ports let out */
	uint32_t peers;		 /* bit n: requests to a BAR of function n turn before the IOMMU */
	uint8_t model_pasid_lg2; /* what the device model has, before the IOMMU and bridges */
	bool ats;		 /* it asks for translations, and its IOMMU gives them */
	uint8_t page_request_nr; /* it requests so many pages at once */
};

/* VT-d and SMMUv3 can nest; tables of `soft` are like VT-d's second stage. */
enum m_kind { M_SOFT, M_VTD, M_SMMU };

struct m_iommu {
	unsigned aw;
	bool pasid_0_apart;
	enum m_kind kind;
};

struct m_machine {
	const char *const *lines; /* topology_text.h, NULL at the end */
	const struct m_iommu *iommu;
	const struct m_function *function;
	unsigned function_nr;
	const uint16_t *alias; /* more requester IDs, of function alias_of[i] */
	const unsigned *alias_of;
	unsigned alias_nr;
};

/*
 * What can be mapped: the program's memory, or a file. `bytes` is what it must hold; of its pages
 * those from the first to page_nr - 1 are there, and to writable_nr - 1 they can be written.
 */
struct m_memory {
	uint64_t va; /* of the first byte; of a file 0 */
	uint8_t *bytes;
	unsigned page_nr, writable_nr;
	bool file;
	bool never; /* a file that no page table can lead to */
};

/* A mapping of first..last to memory at va. */
struct m_area {
	uint64_t first, last, va;
	uint32_t prot;
	unsigned memory; /* which */
	bool writable;	 /* the memory was mapped for writing, whatever `prot` of a copy says */
	uint64_t pages;	 /* the same number: of one MAP, and copies of it */
};

/* Of a nested IOAS: first..last lead to the parent's addresses from parent_first on. */
struct m_nest_map {
	uint64_t first, last, parent_first;
	uint32_t prot;
};

struct m_ioas {
	uint32_t parent; /* it is nested on that IOAS; 0: on none */
	unsigned depth;
	struct m_nest_map map[M_NEST_MAPS];
	unsigned map_nr;
	/* What it maps; if it is nested, what of its maps the parent maps. */
	struct m_area area[M_AREAS];
	unsigned area_nr;
	struct ioas_range allowed[M_RANGES];
	unsigned allowed_nr;
	bool small_pages;
};

struct m_hwpt {
	uint32_t ioas;	/* of a nested one: its parent's */
	bool automatic; /* an attach made it */
	bool pasid, dirty, tracking;
	unsigned aw;
	enum m_kind kind;
	bool parent;		   /* to nest on */
	uint32_t fault;		   /* its queue of page requests; 0: none */
	uint64_t age;		   /* of two the older one has less */
	uint64_t written[M_PAGES]; /* dirty pages, in no order */
	unsigned written_nr;
};

/* A present entry that a walk has read: for addresses from `first` on, on that level. */
struct m_seen {
	unsigned level;
	uint64_t first, entry;
};

/* Of a nested page table what its first stage is like: VT-d's (9.6), or an SMMUv3's (5.2). */
struct m_first {
	uint32_t parent, viommu; /* 0: through none */
	uint64_t ste[2];	 /* SMMUv3; the rest is VT-d's */
	uint64_t root;
	unsigned levels;
	bool supervisor, extended, protect; /* SRE, EAFE, WPE */
	/* What an IOMMU may remember of it. */
	struct m_seen seen[M_SEEN];
	unsigned seen_nr;
};

/* What a guest is told: the newest `nr` reports that were not lost. */
struct m_queue {
	uint32_t type, depth, sequence;
	unsigned nr;
	struct {
		uint32_t sequence;
		uint64_t record[4];
	} event[M_DEPTH];
	bool lost; /* the last one was, of that number */
	uint32_t lost_sequence;
	bool open;
};

/* M_GONE: a vdevice whose device was unbound; its id is not given out again. */
enum m_type {
	M_NONE,
	M_IOAS,
	M_HWPT,
	M_NESTED,
	M_DEVICE,
	M_VIOMMU,
	M_VDEVICE,
	M_VEVENTQ,
	M_FAULT,
	M_GONE
};

struct m_obj {
	enum m_type type;
	struct m_ioas ioas;
	struct m_hwpt hwpt; /* of nested ones, too */
	struct m_first first;
	unsigned dev; /* of a device, a vdevice */
	/* What a viommu is on; what vdevices and queues are of. */
	uint32_t on;
	uint64_t virt_id;
	struct m_queue queue; /* of M_FAULT only whether it is open */
};

struct m_ctx {
	bool exists, open; /* lives on while devices are bound to it */
	bool rlimit_mode;
	uint32_t compat; /* the IOAS of VFIO's ioctls; 0: none */
	struct m_obj obj[M_IDS];
};

struct m_attach {
	bool tagged;
	pasid_t pasid;
	uint32_t hwpt; /* id in the device's context */
};

/* What a device knows of its page requests. */
struct m_pri {
	struct {
		unsigned nr;
		uint32_t flags;
		pasid_t pasid;
		bool waits; /* for its answer */
	} group[M_PAGE_GROUPS];
	unsigned epoch; /* counts resets */
	struct ioas_pri_stats stats;
};

/* Page requests in a queue, or on the way there: of one group, by one attachment. */
struct m_group {
	enum { M_INCOMPLETE, M_QUEUED, M_READ } state;
	unsigned ctx, dev, epoch;
	uint32_t fault;
	bool tagged; /* the attachment */
	pasid_t pasid;
	uint32_t number, cookie;
	unsigned nr;
	struct iommu_hwpt_pgfault record[M_GROUP_NR];
};

/* A device hears of a group. */
struct m_answer {
	unsigned dev;
	uint32_t number;
	enum ioas_page_code code;
};

struct m_dev {
	const struct m_function *f;
	int ctx;     /* -1: not bound */
	uint32_t id; /* in it */
	struct m_attach attach[M_ATTACH];
	unsigned attach_nr;
	struct m_pri pri;
	bool master, memory;
	unsigned resets;
	uint64_t bar; /* its address on the bus */
	uint8_t regs[M_BAR];
};

/* A translation that a device was given, of requests of that form, by way of a page table. */
struct m_held {
	unsigned dev;
	bool tagged;
	pasid_t pasid;
	int ctx;
	uint32_t hwpt;
	uint64_t first, len, pa;
	unsigned ops; /* bit op */
	unsigned memory;
	uint64_t va; /* of `first` */
};

struct model {
	const struct m_machine *machine;
	struct m_ctx ctx[M_CTXS];
	struct m_dev dev[M_DEVS];
	unsigned dev_nr;
	uint64_t age;
	uint64_t pages_nr; /* so many numbers were given to mapped memory */
	struct m_memory memory[M_MEMORY];
	/*
	 * Pages that walks have read since nothing of that has been remembered, and whether one was
	 * changed by others than walks: then what was translated before need not be true.
	 */
	uint32_t walked[M_MEMORY];
	bool changed;
	struct m_held held[M_HELD];
	unsigned held_nr;
	/* What was taken back, and the device had to be asked for, since somebody has looked. */
	struct m_held taken[M_HELD];
	unsigned taken_nr;
	struct m_group group[M_GROUPS]; /* oldest first */
	unsigned group_nr;
	struct m_answer answer[M_GROUPS]; /* since somebody has looked */
	unsigned answer_nr;
	/* By which StreamID the guest knows requests of each share set; UINT64_MAX: by none. */
	uint64_t guest[M_DEVS];
};

/* `m` is all zero. */
void m_init(struct model *m, const struct m_machine *machine);

/* ---- spaces (space.c) ---- */

struct m_obj *m_find(struct model *m, unsigned ctx, uint32_t id, enum m_type type);
/* What a device behind such an IOMMU cannot have: interrupts. */
bool m_kind_reserves(enum m_kind kind, uint64_t first, uint64_t last);
struct ioas_range m_kind_reserved(enum m_kind kind);
uint64_t m_alignment(const struct model *m, unsigned ctx, uint32_t ioas);
bool m_reserved(const struct model *m, unsigned ctx, uint32_t ioas, uint64_t first, uint64_t last);
/* Is something mapped there, or allowed? Then it cannot become reserved. */
bool m_in_use(const struct model *m, unsigned ctx, uint32_t ioas, uint64_t first, uint64_t last);
/* Is anything shown there; has anything been mapped, though it be blocked (nesting)? */
bool m_mapped(const struct m_ioas *ioas, uint64_t first, uint64_t last);
bool m_maps_any(const struct m_ioas *ioas, uint64_t first, uint64_t last);
const struct m_area *m_area_at(const struct m_ioas *ioas, uint64_t iova);
bool m_has_table(const struct model *m, unsigned ctx, uint32_t ioas);
/* May something be mapped at exactly that place? 0, -EINVAL, -EOVERFLOW, -EEXIST. */
int m_check_fixed(const struct model *m, unsigned ctx, uint32_t ioas, uint64_t iova, uint64_t len);
/* Can a page table lead to what the area maps? 0, -EFAULT, -EINVAL, -EPERM. */
int m_can_enter(const struct model *m, const struct m_area *area);
/* The memory that an area has at an IOVA. */
uint64_t m_va(const struct m_area *area, uint64_t iova);
/* A table's view of a space has to be whole: 0, -EADDRINUSE, or as m_can_enter. */
int m_can_fill(const struct model *m, unsigned ctx, uint32_t ioas, unsigned aw);

int m_ioas_alloc(struct model *m, unsigned ctx, struct iommu_ioas_alloc *cmd);
int m_unmap(struct model *m, unsigned ctx, struct iommu_ioas_unmap *cmd);
/* Dirty pages go with their mapping. */
void m_forget_written(struct model *m, unsigned ctx, uint32_t ioas, uint64_t first, uint64_t last);
/* What UNMAP does once its range is good: *len of them went, also when it fails. */
int m_unmap_range(struct model *m, unsigned ctx, uint32_t ioas, uint64_t first, uint64_t last,
		  uint64_t *len);
int m_allow(struct model *m, unsigned ctx, uint32_t ioas, const struct iommu_iova_range *ranges,
	    unsigned nr);
/* Writes all ranges there are (at most M_RANGES) and the alignment; the number of ranges or -errno.
 */
int m_ranges(struct model *m, unsigned ctx, uint32_t ioas, struct iommu_iova_range *out,
	     uint64_t *alignment);
int m_forbid_huge_pages(struct model *m, unsigned ctx, uint32_t ioas);
int m_option(struct model *m, unsigned ctx, struct iommu_option *cmd, bool privileged);

/* ---- mappings (map.c) ---- */

/*
 * Of a mapping whose IOVA is chosen: *exact says whether `iova` is the only good answer; if not,
 * the engine's is to be given to m_accept.
 */
int m_map(struct model *m, unsigned ctx, struct iommu_ioas_map *cmd, bool *exact);
int m_copy(struct model *m, unsigned ctx, struct iommu_ioas_copy *cmd, bool *exact);
/* `memory`: which one its descriptor is of, -1: of none. */
int m_map_file(struct model *m, unsigned ctx, struct iommu_ioas_map_file *cmd, int memory,
	       bool *exact);
int m_map_dma(struct model *m, unsigned ctx, const struct vfio_iommu_type1_dma_map *cmd);
/* May a mapping that was just added at no known place be there? It is then. */
bool m_accept(struct model *m, unsigned ctx, uint32_t ioas, uint64_t iova, uint64_t va,
	      uint64_t len);
/* Or may the engine say that there is no room for it? It is taken out again. */
bool m_no_room(struct model *m, unsigned ctx, uint32_t ioas, uint64_t len);
/* In context `ctx` another process is to pay; nothing that the model knows changes. */
int m_change_process(struct model *m, unsigned ctx, uint32_t reserved);

/* ---- nested in software (nest.c) ---- */

int m_nest_alloc(struct model *m, unsigned ctx, struct ioas_nest_alloc *cmd);
int m_nest_map(struct model *m, unsigned ctx, const struct ioas_nest_map *cmd);
int m_nest_info(struct model *m, unsigned ctx, struct ioas_nest_info_cmd *cmd);
/* UNMAP of a nested one: whole maps. */
int m_nest_unmap(struct model *m, unsigned ctx, uint32_t ioas, uint64_t first, uint64_t last,
		 uint64_t *len);
bool m_is_parent(const struct model *m, unsigned ctx, uint32_t ioas);
/*
 * Something has changed in first..last: whatever is nested on it shows that. 0, or as m_can_enter:
 * then one of them cannot, and what it shows is not said.
 */
int m_nest_sync(struct model *m, unsigned ctx, uint32_t ioas, uint64_t first, uint64_t last);

/* ---- VFIO's type1 on /dev/iommu (type1.c) ---- */

int m_vfio_ioas(struct model *m, unsigned ctx, struct iommu_vfio_ioas *cmd);
int m_check_extension(struct model *m, unsigned ctx, uint64_t extension);
int m_set_iommu(struct model *m, unsigned ctx, uint64_t type);
/* *written: the answer is written back, though it may fail. */
int m_unmap_dma(struct model *m, unsigned ctx, struct vfio_iommu_type1_dma_unmap *cmd,
		bool *written);

/* ---- page tables and objects (object.c) ---- */

/* A free id, the lowest; 0: none left in the model. */
uint32_t m_free_id(const struct model *m, unsigned ctx);
/* How many devices are attached to it, by RID or PASID; page tables on an IOAS. */
unsigned m_users(const struct model *m, unsigned ctx, uint32_t id);
/* `data`: what data_uptr points to. */
int m_hwpt_alloc(struct model *m, unsigned ctx, struct iommu_hwpt_alloc *cmd, const void *data);
int m_destroy(struct model *m, unsigned ctx, uint32_t id);
/* *done: how many requests of `nr` were carried out. `data` is an array of VT-d's. */
int m_invalidate(struct model *m, unsigned ctx, const struct iommu_hwpt_invalidate *cmd,
		 const struct iommu_hwpt_vtd_s1_invalidate *data, uint32_t *done);
int m_set_dirty(struct model *m, unsigned ctx, const struct iommu_hwpt_set_dirty_tracking *cmd);
/* Sets bits in `bitmap`. */
int m_get_dirty(struct model *m, unsigned ctx, const struct iommu_hwpt_get_dirty_bitmap *cmd,
		uint8_t *bitmap);
void m_ctx_close(struct model *m, unsigned ctx);
/* It ends with its descriptor and the last device bound to it, whichever is later. */
void m_ctx_end(struct model *m, unsigned ctx);

/* ---- devices (attach.c) ---- */

/* What of the device goes by that form, or NULL. */
struct m_attach *m_attached(struct m_dev *dev, bool tagged, pasid_t pasid);
int m_bind(struct model *m, unsigned dev, unsigned ctx, uint32_t *id);
/* *pt_id as the ioctl's. 1: there was nothing to do. */
int m_attach(struct model *m, unsigned dev, bool tagged, pasid_t pasid, uint32_t *pt_id);
void m_detach(struct model *m, unsigned dev, bool tagged, pasid_t pasid);
void m_unbind(struct model *m, unsigned dev);

#include "request.h"

#endif
