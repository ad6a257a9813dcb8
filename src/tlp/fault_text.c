/* SPDX-License-Identifier: MIT */
/* Fault records in words. Needs nothing but the record, which may come from another process. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <ioas/ats.h>

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
	[IOAS_FAULT_NO_EXEC] = "mapped without permission to execute",
	[IOAS_FAULT_PRIVILEGE] = "mapped without permission for requests of this privilege",
	[IOAS_FAULT_RESERVED] = "an entry has reserved bits set",
	[IOAS_FAULT_OUTPUT] = "an entry leads beyond the width of addresses",
	[IOAS_FAULT_ACCESSED] = "the accessed flag is clear, and the IOMMU is not to set it",
	[IOAS_FAULT_CHANGING] = "an entry changed each time its accessed bit was to be set",
	[IOAS_FAULT_NO_PASID] = "the table of PASIDs has no such PASID",
	[IOAS_FAULT_BAD_STRUCTURE] = "what leads to the page table is not valid",
	[IOAS_FAULT_DISABLED] = "what leads to the page table lets no such request in",
	[IOAS_FAULT_NOT_HELD] = "translated, but the device holds no such translation",
	[IOAS_FAULT_ATS_BLOCKED] = "ATS is blocked: the device left an invalidation unanswered",
	[IOAS_FAULT_ATS_TIMEOUT] = "the device did not answer an invalidation in time",
	[IOAS_FAULT_PAGE_TIMEOUT] = "the program did not answer this page request in time",
	[IOAS_PASSED_CLAIMED] = "passed, by the route of whose requester ID it claimed",
	[IOAS_PASSED_PEER] = "passed, without the IOMMU: a port turned it to a peer",
	[IOAS_PASSED_UNTOLD] = "passed, and a dirty bitmap did not tell of the page",
	[IOAS_PASSED_STALE] = "may have passed by an entry that was changed and not invalidated",
	[IOAS_PASSED_ATS_STALE] =
		"passed by a translation that was changed and not invalidated in the device",
};

const char *ioas_fault_reason_name(enum ioas_fault_reason reason)
{
	size_t nr = sizeof(reason_names) / sizeof(reason_names[0]);

	return (size_t)reason < nr ? reason_names[reason] : "unknown reason";
}

const char *ioas_fault_entry_name(enum ioas_fault_entry kind)
{
	static const char *const kinds[] = {
		[IOAS_FAULT_ENTRY_EMPTY] = "empty",	    [IOAS_FAULT_ENTRY_TABLE] = "table",
		[IOAS_FAULT_ENTRY_LEAF] = "leaf",	    [IOAS_FAULT_ENTRY_INVALID] = "invalid",
		[IOAS_FAULT_ENTRY_STRUCTURE] = "structure",
	};

	return (size_t)kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[kind] : "unknown";
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

const char *ioas_ats_cause_name(enum ioas_ats_cause cause)
{
	static const char *const names[] = {
		[IOAS_ATS_BY_NOTHING] = "nothing",
		[IOAS_ATS_BY_UNMAP] = "UNMAP",
		[IOAS_ATS_BY_DETACH] = "DETACH",
		[IOAS_ATS_BY_REPLACE] = "a replace",
		[IOAS_ATS_BY_DIRTY] = "clearing dirty bits",
		[IOAS_ATS_BY_REVOKE] = "revoking the dma-buf",
		[IOAS_ATS_BY_GUEST] = "the program's own invalidation",
		[IOAS_ATS_BY_RESET] = "a reset of the device",
	};
	size_t nr = sizeof(names) / sizeof(names[0]);

	return (size_t)cause < nr ? names[cause] : "something unknown";
}

/* Whether the device ever held it, and what became of that. */
static void add_taken(struct text *text, const struct ioas_fault *fault)
{
	const char *cause = ioas_ats_cause_name(fault->taken_by);

	if (fault->reason == IOAS_FAULT_ATS_TIMEOUT)
		add(text, "\n  it was asked to give back 0x%" PRIx64 "..0x%" PRIx64 " for %s",
		    fault->taken.first, fault->taken.last, cause);
	else if (fault->taken_by)
		add(text,
		    "\n  translation of 0x%" PRIx64 "..0x%" PRIx64 " invalidated by %s, and used "
		    "after that",
		    fault->taken.first, fault->taken.last, cause);
	else
		add(text, "\n  nothing that is there was handed out to it");
}

static bool is_of_table(const struct ioas_fault *fault)
{
	if (fault->tlp.at == IOAS_TLP_TRANSLATED)
		return false;
	return fault->level_nr || fault->has_nearest ||
	       (fault->reason >= IOAS_FAULT_WIDTH && fault->reason != IOAS_FAULT_ATS_BLOCKED &&
		fault->reason != IOAS_FAULT_PAGE_TIMEOUT);
}

static void add_summary(struct text *text, const struct ioas_fault *fault)
{
	static const char *const stages[] = {"", "stage 1: ", "stage 2: "};
	const struct ioas_tlp *tlp = &fault->tlp;

	add(text, "%s %" PRIu64 ": %s (", ioas_fault_passed(fault->reason) ? "passed by" : "fault",
	    fault->seq, fault->device);
	add_requester(text, fault);
	add(text, ") %s%s%s of %" PRIu64 " byte%s at %s %#" PRIx64,
	    tlp->flags & IOAS_TLP_PRIV ? "privileged " : "",
	    tlp->flags & IOAS_TLP_EXEC ? "instruction " : "",
	    tlp->op == IOAS_TLP_WRITE ? "write" : "read", tlp->len, tlp->len == 1 ? "" : "s",
	    tlp->at == IOAS_TLP_TRANSLATED && fault->reason != IOAS_FAULT_ATS_TIMEOUT ? "PA"
										      : "IOVA",
	    tlp->addr);
	if (fault->addr != tlp->addr)
		add(text, ", failed at %#" PRIx64, fault->addr);
	add(text, ": %s%s",
	    stages[fault->stage <= 2 && !ioas_fault_passed(fault->reason) ? fault->stage : 0],
	    ioas_fault_reason_name(fault->reason));
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

static const char *kind_name(unsigned kind)
{
	static const char *const kinds[] = {
		[IOAS_FAULT_ENTRY_EMPTY] = "not present",
		[IOAS_FAULT_ENTRY_TABLE] = "leads to a table",
		[IOAS_FAULT_ENTRY_LEAF] = "leaf",
		[IOAS_FAULT_ENTRY_INVALID] = "not valid",
		[IOAS_FAULT_ENTRY_STRUCTURE] = "leads to the page table",
	};

	return kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[kind] : "unknown";
}

static void add_stale(struct text *text, const struct ioas_fault *fault)
{
	if (fault->stale_level)
		add(text, "\n  stage 1, level %u", fault->stale_level);
	else
		add(text, "\n  before stage 1");
	add(text,
	    ", at GPA %#" PRIx64 ": was 0x%016" PRIx64 ", is 0x%016" PRIx64
	    ", without IOMMU_HWPT_INVALIDATE of it between",
	    fault->stale_gpa, fault->stale_old, fault->stale_now);
}

/* The program's own table; and from which address stage 2 goes on. */
static void add_stage1(struct text *text, const struct ioas_fault *fault)
{
	static const char *const during[] = {
		[IOAS_FAULT_DURING_DATA] = "of the request",
		[IOAS_FAULT_DURING_TABLE] = "of an entry of stage 1",
		[IOAS_FAULT_DURING_STRUCTURE] = "of what leads to stage 1",
	};

	for (uint32_t i = 0; i < fault->stage1_nr && i < IOAS_FAULT_STAGE1; i++) {
		if (fault->stage1[i].level)
			add(text, "\n  stage 1, level %u", fault->stage1[i].level);
		else
			add(text, "\n  before stage 1");
		add(text, ", at GPA %#" PRIx64 ": 0x%016" PRIx64 " %s", fault->stage1[i].gpa,
		    fault->stage1[i].entry, kind_name(fault->stage1[i].kind));
	}
	if (fault->stage == 2)
		add(text, "\n  stage 2, of GPA %#" PRIx64 ", %s", fault->gpa,
		    fault->during <= IOAS_FAULT_DURING_STRUCTURE ? during[fault->during]
								 : "unknown");
	else if (fault->stage1_nr && fault->stage != 1)
		add(text, "\n  stage 2, of GPA %#" PRIx64, fault->gpa);
}

static void add_levels(struct text *text, const struct ioas_fault *fault)
{
	for (uint32_t i = 0; i < fault->level_nr && i < IOAS_FAULT_LEVELS; i++)
		add(text, "\n  level %u, entry %3u: 0x%016" PRIx64 " %s", fault->level[i].level,
		    fault->level[i].index, fault->level[i].entry, kind_name(fault->level[i].kind));
}

static void add_nearest(struct text *text, const struct ioas_fault *fault)
{
	static const char *const access[] = {"no access", "read only", "write only", "read, write"};
	const struct ioas_range *range = &fault->nearest;
	iova_t addr = fault->stage1_nr || fault->stage ? fault->gpa : fault->addr;

	if (!fault->has_nearest) {
		add(text, "\n  nothing is mapped");
		return;
	}
	add(text, "\n  nearest mapping: 0x%" PRIx64 "..0x%" PRIx64 " (%s), ", range->first,
	    range->last, access[fault->nearest_prot & 3]);
	if (addr > range->last)
		add(text, "which ends %#" PRIx64 " bytes before", addr - range->last - 1);
	else if (addr < range->first)
		add(text, "which starts %#" PRIx64 " bytes after", range->first - addr);
	else
		add(text, "which holds the address");
}

/* What an IOMMU of that vendor's would say. */
static void add_code(struct text *text, const struct ioas_fault *fault)
{
	static const char *const what[] = {
		[IOAS_FAULT_OF_VTD] = "VT-d fault reason",
		[IOAS_FAULT_OF_AMD] = "AMD event code",
		[IOAS_FAULT_OF_SMMUV3] = "SMMUv3 event",
		[IOAS_FAULT_OF_RISCV] = "RISC-V cause",
	};
	const char *name = ioas_fault_code_name(fault->vendor, fault->code);

	if (!name)
		return;
	add(text, fault->vendor == IOAS_FAULT_OF_RISCV ? "\n  %s %u (%s)" : "\n  %s %#x (%s)",
	    what[fault->vendor], fault->code, name);
}

/* By which translation it went, and what the program's own table says instead. */
static void add_ats_stale(struct text *text, const struct ioas_fault *fault)
{
	add_route(text, fault);
	add(text,
	    "\n  translation of 0x%" PRIx64 "..0x%" PRIx64 " handed out to the device before, and "
	    "not taken back since; what is there now:",
	    fault->taken.first, fault->taken.last);
	add_stage1(text, fault);
}

/* Only a TLP that met a page table (level_nr > 0) has something to say of it. */
int ioas_fault_format(const struct ioas_fault *fault, char *buf, size_t len)
{
	struct text text = {buf, len, 0};

	if (len)
		buf[0] = '\0';
	add_summary(&text, fault);
	add_code(&text, fault);
	if (fault->reason == IOAS_FAULT_NOT_HELD || fault->reason == IOAS_FAULT_ATS_TIMEOUT)
		add_taken(&text, fault);
	else if (fault->reason == IOAS_PASSED_ATS_STALE)
		add_ats_stale(&text, fault);
	else if (is_of_table(fault)) {
		add_route(&text, fault);
		if (fault->reason == IOAS_PASSED_STALE)
			add_stale(&text, fault);
		add_stage1(&text, fault);
		if (fault->stage == 1)
			return (int)text.len;
		add_levels(&text, fault);
		add_nearest(&text, fault);
	}
	return (int)text.len;
}
