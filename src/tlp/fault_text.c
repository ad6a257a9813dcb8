/* SPDX-License-Identifier: MIT */
/* Fault records in words. Needs nothing but the record, which may come from another process. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <ioas/tlp.h>

/* Text that is cut where the buffer ends, and its length as if it were not. */
struct text {
	char *buf;
	size_t cap, len;
};

static void add(struct text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *text, const char *fmt, ...)
{
	size_t left = text->len < text->cap ? text->cap - text->len : 0;
	va_list ap;
	int nr;

	va_start(ap, fmt);
	nr = vsnprintf(left ? text->buf + text->len : NULL, left, fmt, ap);
	va_end(ap);
	if (nr > 0)
		text->len += (size_t)nr;
}

static const char *const reason_names[] = {
	[IOAS_FAULT_NONE] = "no fault",
	[IOAS_FAULT_BUS_MASTER] = "bus master enable is off",
	[IOAS_FAULT_NOT_BOUND] = "no driver is bound to the device",
	[IOAS_FAULT_UNDECLARED] = "the driver did not declare this form of TLP",
	[IOAS_FAULT_PASID_WIDTH] = "the PASID is beyond the declared width",
	[IOAS_FAULT_TRANSLATED] = "its address type needs ATS, which is not enabled",
	[IOAS_FAULT_INTERRUPT] = "no interrupt remapping entry is for it",
	[IOAS_FAULT_SOURCE] = "the port above refused the requester ID (source validation)",
	[IOAS_FAULT_UNKNOWN_RID] = "the requester ID is no device's",
	[IOAS_FAULT_NO_ROUTE] = "attached to no address space",
	[IOAS_FAULT_PEER] = "a port turned it to a peer, which did not answer",
	[IOAS_FAULT_WIDTH] = "beyond the IOMMU's address width",
	[IOAS_FAULT_NOT_MAPPED] = "not mapped",
	[IOAS_FAULT_NO_READ] = "mapped without read permission",
	[IOAS_FAULT_NO_WRITE] = "mapped without write permission",
	[IOAS_FAULT_MEMORY] = "mapped, but the memory is gone",
	[IOAS_PASSED_CLAIMED] = "passed, by the route of whose requester ID it claimed",
	[IOAS_PASSED_PEER] = "passed, without the IOMMU: a port turned it to a peer",
};

const char *ioas_fault_reason_name(enum ioas_fault_reason reason)
{
	size_t nr = sizeof(reason_names) / sizeof(reason_names[0]);

	return (size_t)reason < nr ? reason_names[reason] : "unknown reason";
}

bool ioas_fault_passed(enum ioas_fault_reason reason)
{
	return reason >= IOAS_PASSED_CLAIMED;
}

static void add_requester(struct text *text, const struct ioas_fault *fault)
{
	const struct ioas_tlp *tlp = &fault->tlp;

	if (fault->stream)
		add(text, "StreamID %#x, ", fault->id);
	else
		add(text, "RID %02x:%02x.%x, ", fault->id >> 8, fault->id >> 3 & 0x1f,
		    fault->id & 7);
	if (tlp->flags & IOAS_TLP_PASID)
		add(text, "%s %#x", fault->stream ? "SubstreamID" : "PASID", tlp->pasid);
	else
		add(text, "no %s", fault->stream ? "SubstreamID" : "PASID");
	if (tlp->at == IOAS_TLP_TRANSLATED)
		add(text, ", translated");
	else if (tlp->at == IOAS_TLP_TRANSLATION_REQUEST)
		add(text, ", translation request");
}

static void add_summary(struct text *text, const struct ioas_fault *fault)
{
	const struct ioas_tlp *tlp = &fault->tlp;

	add(text, "%s %" PRIu64 ": %s (", ioas_fault_passed(fault->reason) ? "passed by" : "fault",
	    fault->seq, fault->device);
	add_requester(text, fault);
	add(text, ") %s%s%s of %" PRIu64 " byte%s at IOVA %#" PRIx64,
	    tlp->flags & IOAS_TLP_PRIV ? "privileged " : "",
	    tlp->flags & IOAS_TLP_EXEC ? "instruction " : "",
	    tlp->op == IOAS_TLP_WRITE ? "write" : "read", tlp->len, tlp->len == 1 ? "" : "s",
	    tlp->addr);
	if (fault->addr != tlp->addr)
		add(text, ", failed at %#" PRIx64, fault->addr);
	add(text, ": %s", ioas_fault_reason_name(fault->reason));
	if (*fault->other)
		add(text, " (%s)", fault->other);
}

static void add_route(struct text *text, const struct ioas_fault *fault)
{
	if (fault->ioas_id)
		add(text, "\n  address space %u", fault->ioas_id);
	else
		add(text, "\n  address space without an id");
	if (fault->hwpt_id)
		add(text, ", page table (HWPT) %u", fault->hwpt_id);
}

static void add_levels(struct text *text, const struct ioas_fault *fault)
{
	static const char *const kinds[] = {
		[IOAS_FAULT_ENTRY_EMPTY] = "not present",
		[IOAS_FAULT_ENTRY_TABLE] = "leads to a table",
		[IOAS_FAULT_ENTRY_LEAF] = "leaf",
	};

	for (uint32_t i = 0; i < fault->level_nr && i < IOAS_FAULT_LEVELS; i++)
		add(text, "\n  level %u, entry %3u: 0x%016" PRIx64 " %s", fault->level[i].level,
		    fault->level[i].index, fault->level[i].entry,
		    fault->level[i].kind <= IOAS_FAULT_ENTRY_LEAF ? kinds[fault->level[i].kind]
								  : "unknown");
}

static void add_nearest(struct text *text, const struct ioas_fault *fault)
{
	static const char *const access[] = {"no access", "read only", "write only", "read, write"};
	const struct ioas_range *range = &fault->nearest;

	if (!fault->has_nearest) {
		add(text, "\n  nothing is mapped");
		return;
	}
	add(text, "\n  nearest mapping: 0x%" PRIx64 "..0x%" PRIx64 " (%s), ", range->first,
	    range->last, access[fault->nearest_prot & 3]);
	if (fault->addr > range->last)
		add(text, "which ends %#" PRIx64 " bytes before", fault->addr - range->last - 1);
	else if (fault->addr < range->first)
		add(text, "which starts %#" PRIx64 " bytes after", range->first - fault->addr);
	else
		add(text, "which holds the address");
}

/* Only a TLP that met a page table (level_nr > 0) has something to say of it. */
int ioas_fault_format(const struct ioas_fault *fault, char *buf, size_t len)
{
	struct text text = {buf, len, 0};

	if (len)
		buf[0] = '\0';
	add_summary(&text, fault);
	if (fault->level_nr || fault->has_nearest || fault->reason >= IOAS_FAULT_WIDTH) {
		add_route(&text, fault);
		add_levels(&text, fault);
		add_nearest(&text, fault);
	}
	return (int)text.len;
}
