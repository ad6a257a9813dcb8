/* SPDX-License-Identifier: MIT */
/* What devices send, by every way there is to send it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <ioas/batch.h>
#include <ioas/device.h>
#include "ops.h"

#define LEN_MAX (3 * M_PAGE)

enum way { ISSUE, BATCH, LEND, STORE, WAYS };

static pasid_t pick_pasid(struct rig *rig, unsigned dev)
{
	static const pasid_t some[] = {0, 1, 2, 3, 7, 16, 255, 256, 0xfffff, 0x100000, 0xffffffff};
	const struct m_dev *d = &rig->model.dev[dev];

	if (d->attach_nr && input_below(&rig->in, 4))
		return d->attach[input_below(&rig->in, d->attach_nr)].pasid;
	return some[input_below(&rig->in, 11)];
}

/* Mostly where the device's requests go, something is mapped: there. */
static uint64_t pick_iova(struct rig *rig, unsigned dev, const struct ioas_tlp *tlp)
{
	struct m_attach *attach =
		m_attached(&rig->model.dev[dev], tlp->flags & IOAS_TLP_PASID, tlp->pasid);
	struct m_obj *obj;

	if (!attach)
		return rig_pick_iova(rig, NULL);
	obj = rig->model.ctx[rig->model.dev[dev].ctx].obj;
	return obj[attach->hwpt].type == M_NESTED
		       ? rig_pick_guest_iova(rig)
		       : rig_pick_iova(rig, &obj[obj[attach->hwpt].hwpt.ioas].ioas);
}

static uint16_t pick_rid(struct rig *rig)
{
	const struct m_function *f =
		&fuzz_machine.function[input_below(&rig->in, fuzz_machine.function_nr)];

	return input_rarely(&rig->in, 16) ? (uint16_t)(input_byte(&rig->in) << 8) : f->wire;
}

struct ioas_tlp rig_pick_tlp(struct rig *rig, unsigned dev)
{
	struct input *in = &rig->in;
	struct ioas_tlp tlp = {.op = input_below(in, 2)};
	static const uint64_t lens[] = {1, 2, 4, 8, 8, 64, 4096, 5000};

	if (rig->model.dev[dev].f->pasid_lg2 ? input_below(in, 2) : input_rarely(in, 16)) {
		tlp.flags |= IOAS_TLP_PASID;
		tlp.pasid = pick_pasid(rig, dev);
	}
	if (input_rarely(in, 10)) {
		tlp.flags |= IOAS_TLP_RID;
		tlp.rid = pick_rid(rig);
	}
	if (input_rarely(in, 8))
		tlp.flags |= IOAS_TLP_NO_SNOOP;
	if (input_rarely(in, 8))
		tlp.flags |= input_below(in, 4) * IOAS_TLP_PRIV & (IOAS_TLP_PRIV | IOAS_TLP_EXEC);
	if (input_rarely(in, 32))
		tlp.at = (uint8_t)(1 + input_below(in, 2));
	tlp.addr = pick_iova(rig, dev, &tlp);
	tlp.len = lens[input_below(in, 8)];
	if (input_below(in, 2))
		tlp.addr += input_below(in, M_PAGE);
	if (input_rarely(in, 8))
		tlp.addr = (tlp.addr | (M_PAGE - 1)) - input_below(in, 8);
	if (input_rarely(in, 64))
		tlp.len = 1 + input_below(in, LEN_MAX);
	return tlp;
}

/* Into the batch that is open, or into one of its own. */
static int send_batch(struct rig *rig, struct ioas_issuer *issuer, const struct ioas_tlp *tlp,
		      void *buf)
{
	struct ioas_batch batch;
	int rc;

	if (rig->batch)
		return ioas_batch_copy(rig->batch, tlp, buf);
	ioas_batch_begin(&batch, issuer);
	rc = ioas_batch_copy(&batch, tlp, buf);
	ioas_batch_end(&batch);
	return rc;
}

static int send_lent(struct ioas_issuer *issuer, const struct ioas_tlp *tlp, uint8_t *buf)
{
	struct ioas_dma dma;
	int rc;

	ioas_dma_init(&dma, issuer);
	rc = ioas_dma_add(&dma, tlp);
	for (unsigned i = 0; !rc && i < dma.iov_nr; i++) {
		if (tlp->op == IOAS_TLP_WRITE)
			memcpy(dma.iov[i].iov_base, buf, dma.iov[i].iov_len);
		else
			memcpy(buf, dma.iov[i].iov_base, dma.iov[i].iov_len);
		buf += dma.iov[i].iov_len;
	}
	ioas_dma_end(&dma);
	ioas_dma_fini(&dma);
	return rc;
}

static int send(struct rig *rig, struct ioas_issuer *issuer, enum way way,
		const struct ioas_tlp *tlp, uint8_t *buf)
{
	uint64_t value = 0;

	switch (way) {
	case BATCH:
		return send_batch(rig, issuer, tlp, buf);
	case LEND:
		return send_lent(issuer, tlp, buf);
	case STORE:
		memcpy(&value, buf, tlp->len);
		return ioas_tlp_store(issuer, tlp, value);
	default:
		return ioas_tlp_issue(issuer, tlp, buf);
	}
}

/* A way that can take it. */
static enum way pick_way(struct rig *rig, const struct ioas_tlp *tlp, const struct m_outcome *want)
{
	enum way way = rig->batch ? BATCH : input_below(&rig->in, 8) % WAYS;
	bool word = tlp->op == IOAS_TLP_WRITE && tlp->len <= 8 && !(tlp->len & (tlp->len - 1)) &&
		    !(tlp->addr & (tlp->len - 1));

	if (way == STORE && !word)
		return ISSUE;
	/* Translations are not lent. */
	if (way == LEND && tlp->at == IOAS_TLP_TRANSLATED)
		return ISSUE;
	/*
	 * Refused halfway it may have marked pages as written, of which no byte was; and that
	 * memory has gone is seen by who uses it.
	 */
	if (way == LEND && (want->reason == IOAS_FAULT_MEMORY || want->tracked || want->nested) &&
	    want->moved < tlp->len)
		return ISSUE;
	/* In a batch each piece is a request that a port may turn, and that is on record. */
	if (way == BATCH &&
	    (want->peer >= 0 || want->claimed || tlp->addr % M_PAGE + tlp->len > M_PAGE))
		return ISSUE;
	return way;
}

static bool same_tlp(const struct ioas_tlp *a, const struct ioas_tlp *b)
{
	return a->addr == b->addr && a->len == b->len && a->flags == b->flags &&
	       a->pasid == b->pasid && a->rid == b->rid && a->op == b->op && a->at == b->at;
}

static void tell_records(struct rig *rig, const struct ioas_fault *fault, size_t nr)
{
	char text[2048];

	for (size_t i = 0; rig->aloud && i < nr; i++) {
		ioas_fault_format(&fault[i], text, sizeof(text));
		fprintf(stderr, "%s\n", text);
	}
}

/* What is on record, beside what the issuer was told. */
static void check_record(struct rig *rig, unsigned dev, const struct ioas_tlp *tlp,
			 const struct m_outcome *want, struct ioas_fault *fault, size_t nr)
{
	char name[IOAS_NAME_LEN] = "0000:";

	/* Of an SMMUv3's guest the model does not say what may be remembered. */
	if (rig->checked && want->arm && nr && fault[0].reason == IOAS_PASSED_STALE)
		memmove(fault, fault + 1, --nr * sizeof(fault[0]));
	if (rig->checked && want->stale) {
		rig_expect(rig, "a record", nr > 0, true);
		rig_expect(rig, "a stale entry", fault[0].reason, IOAS_PASSED_STALE);
		fuzz_counts.stale++;
		memmove(fault, fault + 1, --nr * sizeof(fault[0]));
	}
	rig_expect(rig, "records", (long long)nr, want->reason != IOAS_FAULT_NONE);
	if (!nr)
		return;
	strcat(name, fuzz_machine.function[dev].addr);
	rig_expect(rig, "why it did not pass", fault[0].reason, want->reason);
	rig_expect(rig, "the record's device", strcmp(fault[0].device, name), 0);
	rig_expect(rig, "the record's requester ID", fault[0].id, want->id);
	rig_expect(rig, "the record's TLP", same_tlp(&fault[0].tlp, tlp), true);
	rig_expect(rig, "the record's IOAS", fault[0].ioas_id, want->ioas_id);
	rig_expect(rig, "the record's page table", fault[0].hwpt_id, want->hwpt_id);
	/* Of one that passed it says what is there now, which it may have written itself. */
	if (ioas_fault_passed(want->reason))
		return;
	rig_expect(rig, "the record's address", (long long)fault[0].addr, (long long)want->addr);
	rig_expect(rig, "the record's stage", fault[0].stage, want->stage);
	if (want->stage == 2)
		rig_expect(rig, "the record's GPA", (long long)fault[0].gpa, (long long)want->gpa);
}

static void check_moved(struct rig *rig, unsigned dev, const struct ioas_tlp *tlp,
			const struct m_outcome *want, enum way way, uint8_t *got,
			const uint8_t *was)
{
	bool passed = !want->reason || ioas_fault_passed(want->reason);
	/* A loan is of the whole, or of nothing; so is what a peer is sent. */
	uint64_t len = way == LEND && !passed ? 0 : want->moved;
	uint8_t expected[LEN_MAX];

	memcpy(expected, was, tlp->len);
	m_move(&rig->model, dev, tlp, want, len, expected);
	rig_expect(rig, "bytes that a device has read", memcmp(got, expected, tlp->len) != 0,
		   false);
}

static void say(struct rig *rig, unsigned dev, const struct ioas_tlp *tlp, enum way way,
		const struct m_outcome *want)
{
	static const char *const names[] = {"issued", "in a batch", "lent", "stored"};

	rig_say(rig,
		"%s %s %#" PRIx64 "+%#" PRIx64
		" flags %#x PASID %u RID %04x AT %u, %s (to be: %s%s)",
		fuzz_machine.function[dev].addr, tlp->op ? "writes" : "reads", tlp->addr, tlp->len,
		tlp->flags, tlp->pasid, tlp->rid, tlp->at, names[way],
		ioas_fault_reason_name(want->reason), want->nested ? ", nested" : "");
}

static void fire(struct rig *rig, unsigned dev, struct ioas_issuer *issuer,
		 const struct ioas_tlp *tlp)
{
	struct m_outcome want = m_judge(&rig->model, dev, tlp);
	uint8_t buf[LEN_MAX], was[LEN_MAX];
	struct ioas_fault fault[3];
	enum way way;
	bool passes;
	size_t nr;
	int rc;

	/* What a bus has for those: in ops_ats.c. */
	if (tlp->at == IOAS_TLP_TRANSLATION_REQUEST && m_ats_on(&rig->model, dev))
		return;
	/* What an SMMUv3's guest invalidates ends what is checked of the others. */
	if (rig->checked && want.arm && rig->model.changed && input_below(&rig->in, 8))
		return;
	/* An invalidation waits for a batch. With the check, a request goes by what is there. */
	if (want.nested && rig->model.changed && (!rig->checked || want.arm) &&
	    (rig->batch || !rig_invalidate(rig)))
		return;
	/* Its first pages might be the tables of the others; and each is checked by itself. */
	if (want.nested && (tlp->op == IOAS_TLP_WRITE || rig->checked) &&
	    tlp->addr % M_PAGE + tlp->len > M_PAGE)
		return;
	way = pick_way(rig, tlp, &want);

	/* A peer's registers cannot be lent. */
	if (way == LEND && want.reason == IOAS_PASSED_PEER) {
		want.reason = IOAS_FAULT_PEER;
		want.moved = 0;
	}
	passes = !want.reason || ioas_fault_passed(want.reason);
	for (uint64_t i = 0; i < tlp->len; i++) {
		rig->noise = rig->noise * 6364136223846793005ull + 1;
		was[i] = buf[i] = (uint8_t)(rig->noise >> 33);
	}
	say(rig, dev, tlp, way, &want);
	fuzz_counts.tlps++;
	fuzz_counts.faults += !passes;
	fuzz_counts.around += passes && want.reason;
	fuzz_counts.nested += want.nested;
	fuzz_counts.translated += tlp->at == IOAS_TLP_TRANSLATED && passes;
	if (passes && !want.reason && !tlp->at)
		rig->device[dev].last = *tlp;
	rig->why.text[0] = '\0';
	rc = send(rig, issuer, way, tlp, buf);
	nr = ioas_fault_read(rig->iommu, &rig->fault_seq, fault, 3);
	tell_records(rig, fault, nr);
	rig_expect(rig, "a TLP", rc, passes ? 0 : -EFAULT);
	check_record(rig, dev, tlp, &want, fault, nr);
	if (!passes)
		m_tell(&rig->model, tlp, &want);
	if (passes || want.reason == IOAS_FAULT_MEMORY || want.nested ||
	    (want.moved && way != STORE))
		check_moved(rig, dev, tlp, &want, way, buf, was);
	else
		rig_expect(rig, "a buffer", memcmp(buf, was, tlp->len) != 0, false);
	/* What a read changes will still be there at the next look. */
	if (tlp->op == IOAS_TLP_WRITE || want.nested || fuzz_counts.tlps % 4 == 0)
		rig_compare(rig);
	if (want.peer >= 0)
		rig_compare_regs(rig);
}

void rig_fire(struct rig *rig, unsigned dev, const struct ioas_tlp *tlp)
{
	fire(rig, dev, rig->device[dev].issuer, tlp);
}

/* The like of it, which meets what it left behind: another address, op or PASID. */
static void vary(struct rig *rig, unsigned dev, struct ioas_tlp *tlp)
{
	unsigned what = input_below(&rig->in, 8);

	if (what < 4)
		tlp->op ^= 1;
	else if (what < 6 && tlp->flags & IOAS_TLP_PASID)
		tlp->pasid ^= 1u << input_below(&rig->in, 3);
	else
		tlp->addr = pick_iova(rig, dev, tlp);
}

static void fire_some(struct rig *rig, unsigned dev, struct ioas_issuer *issuer,
		      struct ioas_tlp tlp)
{
	struct ioas_batch batch;

	/* Those that a port may turn, or that are on record each time, are no batch. */
	if (!rig->model.dev[dev].f->peers && !(tlp.flags & IOAS_TLP_RID) &&
	    input_rarely(&rig->in, 4)) {
		ioas_batch_begin(&batch, issuer);
		rig->batch = &batch;
		if (tlp.len > 64)
			tlp.len = 64;
	}
	for (unsigned nr = 1 + input_below(&rig->in, 4); nr; nr--) {
		if (!rig->batch || tlp.addr % M_PAGE + tlp.len <= M_PAGE)
			fire(rig, dev, issuer, &tlp);
		if (rig->batch && tlp.op == IOAS_TLP_WRITE)
			ioas_batch_renew(rig->batch);
		vary(rig, dev, &tlp);
	}
	if (rig->batch)
		ioas_batch_end(&batch);
	rig->batch = NULL;
}

void rig_step_tlp(struct rig *rig)
{
	unsigned dev = input_below(&rig->in, rig->model.dev_nr);
	struct ioas_issuer *issuer;
	struct ioas_tlp tlp;

	/* Mostly one that may send, and whose requests go somewhere. */
	for (unsigned i = 0; input_below(&rig->in, 8) && i < 4; i++)
		if (!rig->model.dev[dev].master || !rig->model.dev[dev].attach_nr)
			dev = (dev + 1) % rig->model.dev_nr;
	issuer = rig->device[dev].issuer;
	tlp = rig_pick_tlp(rig, dev);

	if (!input_rarely(&rig->in, 16)) {
		fire_some(rig, dev, issuer, tlp);
		return;
	}
	rig_expect(rig, "issuer", ioas_issuer_new(ioas_pci_device(rig->device[dev].pci), &issuer),
		   0);
	fire(rig, dev, issuer, &tlp);
	ioas_issuer_destroy(issuer);
}

void rig_step_again(struct rig *rig, bool touched)
{
	unsigned dev = touched ? rig->touched : input_below(&rig->in, rig->model.dev_nr);
	struct ioas_tlp tlp = rig->device[dev].last;

	if (tlp.len)
		fire(rig, dev, rig->device[dev].issuer, &tlp);
}

/* What lands until the end of a loan is told by whoever reads dirty bits after that. */
void rig_step_loan(struct rig *rig)
{
	unsigned dev = input_below(&rig->in, rig->model.dev_nr);
	struct ioas_tlp tlp = rig->device[dev].last;
	struct m_attach *attach =
		m_attached(&rig->model.dev[dev], tlp.flags & IOAS_TLP_PASID, tlp.pasid);
	struct m_outcome want;
	struct ioas_dma dma;
	uint8_t zeros[LEN_MAX] = {0};
	unsigned ctx;

	tlp.op = IOAS_TLP_WRITE;
	want = m_judge(&rig->model, dev, &tlp);
	if (!tlp.len || !attach || want.reason || want.nested || tlp.flags & IOAS_TLP_RID ||
	    !rig->ctx[rig->model.dev[dev].ctx])
		return;
	ctx = (unsigned)rig->model.dev[dev].ctx;
	/* Once that bits were read a write sets them again, whatever is remembered. */
	for (unsigned i = 0; i < 2; i++) {
		fire(rig, dev, rig->device[dev].issuer, &tlp);
		rig_read_dirty(rig, ctx, attach->hwpt);
	}
	say(rig, dev, &tlp, LEND, &want);
	fuzz_counts.tlps++;
	ioas_dma_init(&dma, rig->device[dev].issuer);
	rig_expect(rig, "a loan", ioas_dma_add(&dma, &tlp), 0);
	m_move(&rig->model, dev, &tlp, &want, tlp.len, zeros);
	rig_read_dirty(rig, ctx, attach->hwpt);
	for (unsigned i = 0; i < dma.iov_nr; i++)
		memset(dma.iov[i].iov_base, 0, dma.iov[i].iov_len);
	ioas_dma_end(&dma);
	ioas_dma_fini(&dma);
	m_move(&rig->model, dev, &tlp, &want, tlp.len, zeros);
	rig_compare(rig);
	rig_read_dirty(rig, ctx, attach->hwpt);
}
