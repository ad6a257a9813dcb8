/* SPDX-License-Identifier: MIT */
/*
 * Description: devices attach and detach, with PASIDs and without, to IOASes and page tables in any
 * order: what each call answers, who uses what, what the kind was told and what is reserved is what
 * a table says.
 */
#include "rig.h"
#include "obj/attach.h"
#include "route/route.h"
#include "tests/unit/rnd.h"
#include "util/why.h"

#define DEVICES 3 /* the last is of another kind */
#define FORMS	4 /* without a PASID; PASIDs 1 to 3 */
#define IOASES	3
#define FIXED	5
#define NONE	(-1)
#define AUTO	FIXED /* + IOAS * 2 + kind: what an attach to the IOAS makes */
#define TARGETS (AUTO + 2 * IOASES)
#define RANGE	(1ull << 32) /* where the first device cannot do DMA; the next ones behind */

static const struct {
	unsigned ioas, kind;
	bool pasids; /* made for them */
} fixed[FIXED] = {{0, 0, true}, {0, 0, false}, {1, 0, true}, {2, 0, true}, {1, 1, true}};

static struct twin {
	struct rig *r;
	struct kind_device kind[DEVICES];
	struct obj_device *device[DEVICES];
	struct ioas_range reserved[DEVICES][2];
	struct obj_ioas *ioas[IOASES]; /* of the last all of the first device's range is mapped */
	struct obj_hwpt *hwpt[FIXED];
	int at[DEVICES][FORMS];		       /* where its requests go */
	struct obj_hwpt *told[DEVICES][FORMS]; /* what the kind believes */
	int refuse;			       /* what the kind answers */
} t;

static uint64_t seed = 31;

static unsigned rnd(unsigned below)
{
	return (unsigned)(rnd_next(&seed) % below);
}

static unsigned kind_nr(unsigned d)
{
	return d == DEVICES - 1;
}

static int twin_info(struct kind_device *dev, uint32_t type, struct kind_hw_info *out,
		     struct ioas_why *why)
{
	*out = (struct kind_hw_info){.max_pasid_lg2 = dev == &t.kind[1] ? 1 : 2};
	return 0;
}

static int twin_attach(struct kind_device *dev, const pasid_t *pasid, struct obj_hwpt *hwpt,
		       struct obj_hwpt *old, struct ioas_why *why)
{
	struct obj_hwpt **told = &t.told[dev - t.kind][pasid ? *pasid : 0];

	if (t.refuse)
		return why_set(why, t.refuse, "not now");
	assert_ptr_equal(*told, old);
	*told = hwpt;
	return 0;
}

static void twin_detach(struct kind_device *dev, const pasid_t *pasid)
{
	struct obj_hwpt **told = &t.told[dev - t.kind][pasid ? *pasid : 0];

	assert_non_null(*told);
	*told = NULL;
}

static const struct kind_ops twin_ops[2] = {
	{.name = "a",
	 .hw_info = twin_info,
	 .paging = toy_paging,
	 .attach = twin_attach,
	 .detach = twin_detach},
	{.name = "b",
	 .hw_info = twin_info,
	 .paging = toy_paging,
	 .attach = twin_attach,
	 .detach = twin_detach},
};

static struct obj_hwpt *fixed_new(unsigned i)
{
	struct obj_hwpt_request request = {.device = t.device[fixed[i].kind ? DEVICES - 1 : 0],
					   .flags = fixed[i].pasids ? IOMMU_HWPT_ALLOC_PASID : 0};
	struct obj_hwpt *hwpt;

	pthread_mutex_lock(&t.r->ctx->lock);
	assert_int_equal(obj_hwpt_alloc_locked(t.ioas[fixed[i].ioas], &request, &hwpt, NULL), 0);
	obj_finalize(&hwpt->obj);
	pthread_mutex_unlock(&t.r->ctx->lock);
	return hwpt;
}

static void begin(struct rig *r)
{
	iova_t iova = RANGE + 2 * PAGE;

	memset(&t, 0, sizeof(t));
	t.r = r;
	memset(t.at, NONE, sizeof(t.at));
	for (unsigned d = 0; d < DEVICES; d++) {
		t.kind[d] = (struct kind_device){&twin_ops[kind_nr(d)], r->iommu};
		for (unsigned i = 0; i < 2; i++)
			t.reserved[d][i] =
				(struct ioas_range){RANGE * (d + 1) + i * 2 * PAGE,
						    RANGE * (d + 1) + (i * 2 + 1) * PAGE - 1};
		assert_int_equal(
			obj_device_bind(r->ctx, NULL, &t.kind[d], t.reserved[d], 2, &t.device[d]),
			0);
	}
	for (unsigned i = 0; i < IOASES; i++) {
		assert_int_equal(obj_ioas_alloc(r->ctx, &t.ioas[i]), 0);
		obj_finalize(&t.ioas[i]->obj);
	}
	/* In the second of its ranges, so that the first one has to be given back. */
	assert_int_equal(ioas_space_map(t.ioas[2]->space, NULL, &iova, (uintptr_t)r->memory, PAGE,
					IOAS_MAP_READ | IOAS_MAP_FIXED, NULL),
			 0);
	for (unsigned i = 0; i < FIXED; i++)
		t.hwpt[i] = fixed_new(i);
}

static unsigned ioas_of(int target)
{
	return target < FIXED ? fixed[target].ioas : (unsigned)(target - AUTO) / 2;
}

static bool made_for_pasids(int target)
{
	return target < FIXED && fixed[target].pasids;
}

static unsigned kind_of_target(int target)
{
	return target < FIXED ? fixed[target].kind : (unsigned)(target - AUTO) % 2;
}

static bool any_pasid(unsigned d)
{
	for (unsigned form = 1; form < FORMS; form++)
		if (t.at[d][form] != NONE)
			return true;
	return false;
}

/* Will requests without a PASID go to a space where the device cannot? */
static bool in_the_way(unsigned d, int target)
{
	return !d && ioas_of(target) == 2 && (t.at[d][0] == NONE || ioas_of(t.at[d][0]) != 2);
}

/* What an attach or a replace should answer. */
static int want(unsigned d, unsigned form, int target, enum obj_attach_how how)
{
	int at = t.at[d][form];

	if (how == OBJ_ATTACH && at != NONE)
		return -EBUSY;
	if (how == OBJ_REPLACE && at == NONE)
		return -EINVAL;
	if (at == target)
		return 1;
	if (!form && in_the_way(d, target))
		return -EADDRINUSE;
	if (!made_for_pasids(target) && (form || any_pasid(d)))
		return -EINVAL;
	if (form && t.at[d][0] != NONE && !made_for_pasids(t.at[d][0]))
		return -EINVAL;
	if (form && form >> (d == 1 ? 1 : 2))
		return -EINVAL;
	if (kind_of_target(target) != kind_nr(d))
		return -EINVAL;
	return t.refuse;
}

static void attach(unsigned d, unsigned form, int target, enum obj_attach_how how)
{
	uint32_t id = target < FIXED ? t.hwpt[target]->obj.id : t.ioas[ioas_of(target)]->obj.id;
	uint32_t pt_id = id;
	struct ioas_why why = {""};
	int rc, wanted = want(d, form, target, how);

	rc = form ? obj_device_attach_pasid(t.device[d], form, how, &pt_id, &why)
		  : obj_device_attach(t.device[d], &pt_id, &why);
	assert_int_equal(rc, wanted);
	assert_true(rc >= 0 || why.text[0]);
	if (rc < 0)
		assert_int_equal(pt_id, id);
	else
		t.at[d][form] = target;
	pthread_mutex_lock(&t.r->ctx->lock);
	if (rc >= 0)
		assert_int_equal(pt_id, obj_device_hwpt_locked(t.device[d], form, form)->obj.id);
	pthread_mutex_unlock(&t.r->ctx->lock);
}

static void detach(unsigned d, unsigned form)
{
	if (form)
		obj_device_detach_pasid(t.device[d], form);
	else
		obj_device_detach(t.device[d]);
	t.at[d][form] = NONE;
}

/* How many forms of all devices go there; *hwpt is the one that they go to. */
static unsigned users_of(int target, struct obj_hwpt **hwpt)
{
	unsigned nr = 0;

	*hwpt = target < FIXED ? t.hwpt[target] : NULL;
	for (unsigned d = 0; d < DEVICES; d++)
		for (unsigned form = 0; form < FORMS; form++) {
			struct obj_hwpt *now = obj_device_hwpt_locked(t.device[d], form, form);

			assert_ptr_equal(now, t.told[d][form]);
			assert_int_equal(now != NULL, t.at[d][form] != NONE);
			if (t.at[d][form] != target)
				continue;
			if (!*hwpt)
				*hwpt = now;
			assert_ptr_equal(now, *hwpt);
			nr++;
		}
	return nr;
}

static bool can_map(struct obj_ioas *ioas, iova_t at)
{
	struct ioas_range hole[16];
	size_t nr = ioas_space_ranges(ioas->space, hole, 16);

	for (size_t i = 0; i < nr && i < 16; i++)
		if (at >= hole[i].first && at <= hole[i].last)
			return true;
	return false;
}

static void check_all(void)
{
	unsigned hwpts[IOASES] = {0};

	pthread_mutex_lock(&t.r->ctx->lock);
	for (int target = 0; target < TARGETS; target++) {
		struct obj_hwpt *hwpt;
		unsigned users = users_of(target, &hwpt);

		if (!hwpt)
			continue;
		hwpts[ioas_of(target)]++;
		assert_int_equal(hwpt->obj.users, users);
		assert_ptr_equal(hwpt->ioas, t.ioas[ioas_of(target)]);
		assert_int_equal(hwpt->auto_domain, target >= AUTO);
		assert_ptr_equal(hwpt->ops, &twin_ops[kind_of_target(target)]);
	}
	for (unsigned i = 0; i < IOASES; i++) {
		struct obj_hwpt *hwpt;
		unsigned nr = 0;

		TAILQ_FOREACH(hwpt, &t.ioas[i]->hwpts, in_ioas)
		nr++;
		assert_int_equal(nr, hwpts[i]);
		assert_int_equal(t.ioas[i]->obj.users, nr);
		for (unsigned d = 0; d < DEVICES; d++)
			for (unsigned k = 0; k < 2; k++) {
				bool goes = t.at[d][0] != NONE && ioas_of(t.at[d][0]) == i;

				assert_int_equal(can_map(t.ioas[i], t.reserved[d][k].first), !goes);
				assert_true(can_map(t.ioas[i], t.reserved[d][k].last + 1));
			}
	}
	pthread_mutex_unlock(&t.r->ctx->lock);
}

static void any_order_is_what_a_table_says(void **state)
{
	begin(*state);
	for (unsigned step = 0; step < 6000; step++) {
		unsigned d = rnd(DEVICES), form = rnd(3) ? rnd(FORMS) : 0;
		int target = (int)rnd(TARGETS);

		t.refuse = rnd(10) ? 0 : -EIO;
		/* One that is made for an IOAS is of the device's kind. */
		if (target >= AUTO)
			target = AUTO + (int)ioas_of(target) * 2 + (int)kind_nr(d);
		if (rnd(4))
			attach(d, form, target, form ? rnd(3) : OBJ_ATTACH_OR_REPLACE);
		else
			detach(d, form);
		check_all();
	}
	/* With the device all of its attachments end. */
	for (unsigned d = 0; d < DEVICES; d++) {
		obj_device_unbind(t.device[d]);
		for (unsigned form = 0; form < FORMS; form++)
			assert_null(t.told[d][form]);
	}
	for (unsigned i = 0; i < FIXED; i++)
		assert_int_equal(destroy(t.r, &t.hwpt[i]->obj), 0);
	for (unsigned i = 0; i < IOASES; i++)
		assert_int_equal(destroy(t.r, &t.ioas[i]->obj), 0);
}

/* And nothing changes. */
static void what_is_no_target_is_refused(void **state)
{
	struct rig *r = *state;
	uint32_t none = 12345, device = r->device[0]->obj.id, viommu = r->viommu->obj.id;
	uint32_t ids[] = {none, 0, device, viommu};

	begin(r);
	for (unsigned i = 0; i < 4; i++) {
		uint32_t id = ids[i];

		assert_int_equal(obj_device_attach(t.device[0], &id, &r->why),
				 i < 2 ? -ENOENT : -EINVAL);
		assert_int_equal(obj_device_attach_pasid(t.device[0], 1, OBJ_ATTACH, &id, &r->why),
				 i < 2 ? -ENOENT : -EINVAL);
		assert_int_equal(id, ids[i]);
		assert_null(t.device[0]->pasids.root);
	}
	check_all();
	for (uint64_t pasid = 1ull << 20; pasid <= UINT32_MAX; pasid *= 2) {
		uint32_t id = t.hwpt[0]->obj.id;

		assert_int_equal(obj_device_attach_pasid(t.device[0], (pasid_t)pasid, OBJ_ATTACH,
							 &id, &r->why),
				 -EINVAL);
	}
	ids[0] = t.hwpt[0]->obj.id;
	assert_int_equal(obj_device_attach_pasid(t.device[0], 4, OBJ_ATTACH, &ids[0], &r->why),
			 -EINVAL);
	assert_non_null(strstr(r->why.text, "0 to 3"));
	/* PASID 0 is no PASID of its own there. */
	ids[0] = t.hwpt[0]->obj.id;
	assert_int_equal(obj_device_attach_pasid(t.device[0], 0, OBJ_ATTACH, &ids[0], &r->why),
			 -EINVAL);
	obj_device_detach_pasid(t.device[0], 1);
	obj_device_detach(t.device[0]);
	check_all();
	for (unsigned d = 0; d < DEVICES; d++)
		obj_device_unbind(t.device[d]);
}

static struct ioas_device sender[DEVICES];
static struct route_set set;

/* As if all of them sent requests that nobody can tell apart; and back. */
static void share(bool on)
{
	LIST_INIT((struct obj_peers *)&set.peers);
	for (unsigned d = 0; d < DEVICES; d++) {
		sender[d].set = &set;
		t.device[d]->dev = on ? &sender[d] : NULL;
		if (on)
			LIST_INSERT_HEAD((struct obj_peers *)&set.peers, t.device[d], in_set);
	}
}

static unsigned peers_of(const struct obj_attach *attach)
{
	struct obj_attach *peer = NULL;
	unsigned seen = 0;

	while ((peer = attach_next_peer(attach, peer))) {
		assert_int_equal(peer->has_pasid, attach->has_pasid);
		assert_int_equal(peer->pasid, attach->pasid);
		for (unsigned d = 0; d < DEVICES; d++)
			if (peer->device == t.device[d]) {
				assert_false(seen & 1u << d);
				seen |= 1u << d;
			}
	}
	return seen;
}

static bool kept_out(unsigned i, unsigned d)
{
	return !can_map(t.ioas[i], t.reserved[d][0].first) &&
	       !can_map(t.ioas[i], t.reserved[d][1].first);
}

/* Those that go the same way, with what each of them has reserved, or none. */
static void those_of_a_share_set_move_together(void **state)
{
	struct obj_device **device = t.device;
	struct obj_attach *pasid[2];

	begin(*state);
	attach(0, 2, 0, OBJ_ATTACH);
	attach(2, 2, 4, OBJ_ATTACH);
	attach(2, 3, 4, OBJ_ATTACH);
	attach(0, 0, 0, OBJ_ATTACH_OR_REPLACE);
	attach(1, 0, 0, OBJ_ATTACH_OR_REPLACE);
	pasid[0] = ids_get(&device[0]->pasids, 2);
	pasid[1] = ids_get(&device[2]->pasids, 3);
	pthread_mutex_lock(&t.r->ctx->lock);
	share(true);
	assert_int_equal(peers_of(&device[0]->rid), 1u << 1);
	assert_int_equal(peers_of(&device[1]->rid), 1u << 0);
	assert_int_equal(peers_of(&device[2]->rid), 0); /* it goes nowhere itself */
	assert_int_equal(peers_of(pasid[0]), 1u << 2);
	assert_int_equal(peers_of(pasid[1]), 0);
	assert_int_equal(attach_reserve(&device[1]->rid, t.ioas[1], NULL), 0);
	assert_true(kept_out(1, 0) && kept_out(1, 1) && !kept_out(1, 2));
	attach_give_back(&device[1]->rid, t.ioas[1]);
	assert_false(kept_out(1, 0) || kept_out(1, 1));
	assert_true(kept_out(0, 0) && kept_out(0, 1));
	/* Where they are already nothing is reserved anew, nor given back. */
	assert_int_equal(attach_reserve(&device[1]->rid, t.ioas[0], NULL), 0);
	attach_give_back(&device[1]->rid, t.ioas[0]);
	assert_true(kept_out(0, 0) && kept_out(0, 1));
	/* The first one cannot go there: its peer stays, too. */
	assert_int_equal(attach_reserve(&device[1]->rid, t.ioas[2], NULL), -EADDRINUSE);
	assert_false(kept_out(2, 1) || kept_out(2, 0));
	/* Those with a PASID keep nothing out. */
	assert_int_equal(attach_reserve(pasid[0], t.ioas[2], NULL), 0);
	assert_false(kept_out(2, 0) || kept_out(2, 2));
	share(false);
	pthread_mutex_unlock(&t.r->ctx->lock);
	check_all();
	for (unsigned d = 0; d < DEVICES; d++)
		obj_device_unbind(device[d]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(any_order_is_what_a_table_says),
		T(what_is_no_target_is_refused),
		T(those_of_a_share_set_move_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
