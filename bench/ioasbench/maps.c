/* SPDX-License-Identifier: MIT */
/* ioasbench: MAP, UNMAP and COPY. */
#include "ioasbench.h"
#include <inttypes.h>
#include <stdio.h>

#define NMAPS 10000

/* whole op without inner clock reads */
static void op_mapunmap(struct ctx *c)
{
	uint64_t iova = c->iova;

	if (map(c->ioas, c->flags, c->va, c->len, &iova))
		die("MAP %" PRIu64, c->len);
	if (unmap(c->ioas, iova, c->len, NULL))
		die("UNMAP");
}

/* the same, split */
static void op_mapunmap_split(struct ctx *c)
{
	uint64_t iova = c->iova, a = now(), b;

	if (map(c->ioas, c->flags, c->va, c->len, &iova))
		die("MAP %" PRIu64, c->len);
	b = now();
	c->ph[1] += b - a;
	if (unmap(c->ioas, iova, c->len, NULL))
		die("UNMAP");
	c->ph[2] += now() - b;
}

static void op_copy(struct ctx *c)
{
	uint64_t dst = c->iova, a = now(), b;

	if (copy(c->ioas2, &dst, c->ioas, c->src_iova, c->len, c->flags))
		die("COPY");
	b = now();
	c->ph[1] += b - a;
	if (unmap(c->ioas2, dst, c->len, NULL))
		die("UNMAP copy");
	c->ph[2] += now() - b;
}

void time_many(const char *tag, uint32_t ioas, char *va, uint32_t flags)
{
	double m[MAXREP], u[MAXREP];
	char name[96];
	uint64_t done = 0;

	for (int r = 0; r < repeats; r++) {
		uint64_t a = now(), b;

		for (int i = 0; i < NMAPS; i++) {
			uint64_t iova = IOVA0 + i * 4096ull;

			if (map(ioas, flags, va + (i % 16384) * 4096ull, 4096, &iova))
				die("MAP #%d", i);
		}
		b = now();
		if (unmap(ioas, 0, UINT64_MAX, &done))
			die("UNMAP all");
		m[r] = (double)(b - a) / NMAPS;
		u[r] = (double)(now() - b);
	}
	snprintf(name, sizeof(name), "%s.maps10000x4K.map", tag);
	report(name, m, repeats, (uint64_t)NMAPS * repeats);
	snprintf(name, sizeof(name), "%s.maps10000x4K.unmap_all_total", tag);
	report(name, u, repeats, repeats);
	printf("# %s: unmap-all returned length %" PRIu64 " (%s)\n", tag, done,
	       done == NMAPS * 4096ull ? "sum of areas" : "unexpected");
}

void time_maps(const char *tag, uint32_t ioas, char *va, uint64_t iova, uint32_t flags,
	       uint64_t maxlen)
{
	static const struct {
		const char *n;
		uint64_t l;
	} sz[] = {
		{"4K", 4 * KiB},
		{"2M", 2 * MiB},
		{"64M", 64 * MiB},
		{"1G", GiB},
	};
	struct ctx c = {.ioas = ioas, .va = va, .iova = iova, .flags = flags};
	char name[96];

	for (unsigned i = 0; i < sizeof(sz) / sizeof(sz[0]); i++) {
		if (sz[i].l > maxlen)
			continue;
		c.len = sz[i].l;
		snprintf(name, sizeof(name), "%s.map+unmap.%s", tag, sz[i].n);
		bench(name, NULL, NULL, op_mapunmap, &c, 1 << 20);
		snprintf(name, sizeof(name), "%s.split.%s", tag, sz[i].n);
		bench(name, "map", "unmap", op_mapunmap_split, &c, 1 << 20);
	}
}

void time_copy(const char *name, uint32_t src, uint64_t src_iova, uint32_t dst, uint64_t iova)
{
	struct ctx c = {
		.ioas = src,
		.src_iova = src_iova,
		.ioas2 = dst,
		.iova = iova,
		.len = 2 * MiB,
		.flags = FIXED,
	};

	bench(name, "copy", "unmap", op_copy, &c, 1 << 20);
}

void time_without_device(char *huge, char *small)
{
	uint32_t src = ioas_alloc(), dst;
	uint64_t iova = IOVA0;

	time_ranges("nodev", "nodev.iova_ranges", src);
	time_maps("nodev", src, huge, IOVA0, FIXED, GiB);
	time_maps("nodev.autoiova", src, huge, 0, RW, 2 * MiB);
	time_many("nodev", src, small, FIXED);
	time_many("nodev.autoiova", src, small, RW);
	dst = ioas_alloc();
	if (map(src, FIXED, huge, 2 * MiB, &iova))
		die("MAP copy source");
	time_copy("nodev.copy+unmap.2M", src, IOVA0, dst, IOVA0);
	destroy(dst);
	destroy(src);
}
