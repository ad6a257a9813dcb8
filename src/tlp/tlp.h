/* SPDX-License-Identifier: MIT */
/*
 * A transaction's life, one step a file:
 *   issue.c      the model's call: loop over pages, copy or lend spans
 *   translate.c  form -> requester -> route -> page table -> permission -> window; alone calls
 * pt_walk fault.c      what did not pass inflight.c   the promise that UNMAP and DETACH keep
 */
#ifndef TLP_TLP_H
#define TLP_TLP_H

#include <ioas/tlp.h>
#include <ioas/device.h>
#include "tlp/inflight.h"

struct mem_window;

/* A piece of a transaction that passed: host memory, and the window to hold while it is used. */
struct tlp_span {
	void *host;
	uint64_t len;
	struct mem_window *window;
};

/*
 * Translates the front of tlp (from `addr`, at most `len` bytes): one leaf's worth. In flight only.
 * 0 and the span; else the reason (enum ioas_fault_reason), nothing recorded yet.
 */
enum ioas_fault_reason tlp_translate(struct ioas_device *dev, const struct ioas_tlp *tlp,
				     iova_t addr, uint64_t len, struct tlp_span *out);

/* Records a fault at `addr`. In flight (it looks at the tables once more), takes the log's lock. */
void fault_record(struct ioas_device *dev, const struct ioas_tlp *tlp, iova_t addr,
		  enum ioas_fault_reason reason);

#endif
