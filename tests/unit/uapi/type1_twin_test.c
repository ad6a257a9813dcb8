/* SPDX-License-Identifier: MIT */
/*
 * Description: MAP_DMA and UNMAP_DMA of a container and of an iommufd, in both versions of type1,
 * against an array of pages that says which mapping each belongs to.
 */
#include <string.h>
#include "world.h"
#include "tests/unit/rnd.h"

#define PAGES  24u
#define ROUNDS 300u

/* The rules: versions of type1, and what differs on an iommufd. */
struct rules {
	bool v2, ioas;
};

struct twin {
	struct world *w;
	int fd;
	struct rules rules;
	uint64_t base;		  /* IOVA of page 0 */
	unsigned of[PAGES], last; /* mappings, from 1 */
};

static uint64_t seed = 88172645463325252ull;

static unsigned below(unsigned nr)
{
	return (unsigned)(rnd_next(&seed) >> 11) % nr;
}

static int ready(struct world *w, const struct rules *rules)
{
	int fd = w_open(w, rules->ioas ? "/dev/iommu" : "/dev/vfio/vfio");
	int group = w_open_group(w, 0);
	int32_t container = fd;
	long type = rules->v2 ? VFIO_TYPE1v2_IOMMU : VFIO_TYPE1_IOMMU;

	assert_int_equal(w_ioctl(w, group, VFIO_GROUP_SET_CONTAINER, &container), 0);
	assert_int_equal(w_ioctl(w, fd, VFIO_SET_IOMMU, (void *)type), 0);
	return fd;
}

static bool any(const struct twin *t, unsigned first, unsigned nr)
{
	for (unsigned p = first; p < first + nr; p++)
		if (t->of[p])
			return true;
	return false;
}

static void map_some(struct twin *t)
{
	unsigned first = below(PAGES), nr = 1 + below(below(2) ? 4 : PAGES - first);
	struct vfio_iommu_type1_dma_map cmd = {
		.argsz = sizeof(cmd),
		.flags = 1 + below(3),
		.vaddr = (uintptr_t)t->w->page,
		.iova = t->base + first * PAGE,
	};
	bool taken;

	if (nr > PAGES - first)
		nr = PAGES - first;
	if (nr > 16)
		nr = 16;
	cmd.size = nr * PAGE;
	taken = any(t, first, nr);
	assert_int_equal(w_ioctl(t->w, t->fd, VFIO_IOMMU_MAP_DMA, &cmd), taken ? -EEXIST : 0);
	if (taken)
		return;
	t->last++;
	for (unsigned p = first; p < first + nr; p++)
		t->of[p] = t->last;
}

/* Is the mapping of page p's that of the one before? */
static bool goes_on(const struct twin *t, unsigned p)
{
	return p && p < PAGES && t->of[p] && t->of[p] == t->of[p - 1];
}

/* Of an iommufd: mappings go one after another, until one would be cut. */
static long unmap_of_ioas(struct twin *t, unsigned first, unsigned end, uint64_t *len)
{
	if (!any(t, first, end - first))
		return 0;
	for (unsigned p = first, next; p < end; p = next) {
		for (next = p + 1; goes_on(t, next);)
			next++;
		if (!t->rules.v2 && next > end)
			next = end;
		if (t->rules.v2 && t->of[p] && (goes_on(t, p) || next > end))
			return -ENOENT;
		*len += t->of[p] ? (next - p) * PAGE : 0;
		memset(t->of + p, 0, (next - p) * sizeof(t->of[0]));
	}
	return 0;
}

static long unmap_of_container(struct twin *t, unsigned first, unsigned end, uint64_t *len)
{
	if (goes_on(t, first))
		return t->rules.v2 ? -EINVAL : 0;
	if (t->rules.v2 && goes_on(t, end))
		return -EINVAL;
	while (goes_on(t, end))
		end++;
	for (unsigned p = first; p < end; p++) {
		*len += t->of[p] ? PAGE : 0;
		t->of[p] = 0;
	}
	return 0;
}

/* What goes on behind a range that an iommufd cut is a mapping of its own from then on. */
static void cut(struct twin *t, unsigned at)
{
	unsigned old = t->of[at < PAGES ? at : 0];

	if (!goes_on(t, at))
		return;
	t->last++;
	for (unsigned p = at; p < PAGES && t->of[p] == old; p++)
		t->of[p] = t->last;
}

static void unmap_some(struct twin *t)
{
	bool all = !below(40);
	unsigned first = all ? 0 : below(PAGES), nr = all ? PAGES : 1 + below(PAGES - first);
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = sizeof(cmd),
		.flags = all ? VFIO_DMA_UNMAP_FLAG_ALL : 0,
		.iova = all ? 0 : t->base + first * PAGE,
		.size = all ? 0 : nr * PAGE,
	};
	uint64_t len = 0, asked = cmd.size;
	long rc;

	if (t->rules.ioas && !t->rules.v2) {
		cut(t, first);
		cut(t, first + nr);
	}
	rc = t->rules.ioas ? unmap_of_ioas(t, first, first + nr, &len)
			   : unmap_of_container(t, first, first + nr, &len);
	assert_int_equal(w_ioctl(t->w, t->fd, VFIO_IOMMU_UNMAP_DMA, &cmd), rc);
	/* Of a container what is refused is not written to. */
	assert_int_equal(cmd.size, rc && !t->rules.ioas ? asked : len);
}

static void mappings_are_those_of_an_array_of_pages(void **unused)
{
	static const struct rules rules[] = {
		{false, false}, {true, false}, {false, true}, {true, true}};
	static const uint64_t bases[] = {0, 0x40000000, (1ull << 48) - PAGES * PAGE};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]) * 3; i++) {
		struct twin t = {.rules = rules[i / 3], .base = bases[i % 3]};
		void *world;

		assert_int_equal(world_setup(&world), 0);
		t.w = world;
		t.fd = ready(t.w, &t.rules);
		for (unsigned round = 0; round < ROUNDS; round++)
			if (below(2))
				map_some(&t);
			else
				unmap_some(&t);
		world_teardown(&world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mappings_are_those_of_an_array_of_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
