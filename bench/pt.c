/* SPDX-License-Identifier: MIT */
/*
 * What page tables cost, format by format, without a space around them: map and unmap of one page,
 * of 32 pages and of 1 GiB, and walks of random addresses in a set that stays in the caches,
 * independent or each address made of what the walk before it found.
 *
 * The peer of a format is the first one, AMD's, in windows that alternate; that one's walks stand
 * beside a load from an array.
 */
#include <ctype.h>
#include "bench/bench.h"
#include "pt/pt.h"

#define OP_NR	 20000u
#define FEW_NR	 1000u
#define LOAD_NR	 512u /* words of the array: 4 KiB */
#define WALK_LEN (4ull << 20)
#define AT	 (1ull << 30)
#define PA_BASE	 (1ull << 40)
#define RW	 (IOAS_PROT_READ | IOAS_PROT_WRITE)

enum what { PAGE, PAGES, GIB, WALK, WALK_DEPENDENT, WHAT_NR };

static const struct {
	const char *key, *name;
	uint32_t nr; /* operations a window */
	double goal; /* of the first format */
} whats[WHAT_NR] = {
	[PAGE] = {"map_unmap", "map + unmap a page", OP_NR, 6},
	[PAGES] = {"map_unmap_32", "map + unmap 32 pages", FEW_NR, 0},
	[GIB] = {"map_unmap_1g", "map + unmap 1 GiB", FEW_NR, 0},
	[WALK] = {"walk", "walk", OP_NR, 0},
	[WALK_DEPENDENT] = {"walk_dependent", "walk, dependent", OP_NR, 0},
};

struct format {
	const char *name;
	struct pt *sparse; /* one page at AT, so that its neighbours' tables are there */
	struct pt *full;   /* WALK_LEN of pages at 0 */
	struct bench_row row[WHAT_NR];
};

static struct format *formats;
static unsigned format_nr;
static uint64_t plain[LOAD_NR];
static volatile uint64_t zero; /* which the compiler does not know */

/* At rising addresses. */
static void map_unmap(struct pt *pt, uint64_t len, uint32_t nr)
{
	struct pt_gather gather = {NULL};

	for (uint32_t i = 0; i < nr; i++) {
		iova_t iova = AT + (len < AT ? (1 + i % 200) * len : len);

		bench_must(pt_map(pt, iova, PA_BASE + iova, len, RW), "map");
		pt_unmap(pt, iova, iova + len - 1, &gather);
		pt_gather_free(&gather);
	}
}

static void walks(const struct pt *pt, uint64_t chain, uint32_t nr)
{
	uint64_t sum = 0;
	struct pt_walk walk;

	for (uint32_t i = 0; i < nr; i++) {
		bench_must(pt_walk(pt, (bench_rnd(WALK_LEN) ^ (sum & chain)) % WALK_LEN, &walk),
			   "walk");
		sum += walk.pa;
	}
	zero = sum & zero;
}

static void loads(uint64_t chain, uint32_t nr)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < nr; i++)
		sum += plain[(bench_rnd(LOAD_NR) ^ (sum & chain)) % LOAD_NR];
	zero = sum & zero;
}

/* ns of one; `format` NULL: of a load. */
static double window(const struct format *format, enum what what)
{
	uint64_t chain = what == WALK_DEPENDENT ? UINT64_MAX : zero, begin = bench_cpu();

	if (!format)
		loads(chain, whats[what].nr);
	else if (what >= WALK)
		walks(format->full, chain, whats[what].nr);
	else
		map_unmap(format->sparse,
			  what == GIB
				  ? AT
				  : (what == PAGE ? 1ull : 32ull) << pt_page_lg2(format->sparse),
			  whats[what].nr);
	return (double)(bench_cpu() - begin) / whats[what].nr;
}

static void start(struct format *format, const struct pt_config *config)
{
	uint64_t page;

	format->name = pt_format_name(config->format);
	bench_must(pt_new(config, &format->sparse), format->name);
	bench_must(pt_new(config, &format->full), format->name);
	page = 1ull << pt_page_lg2(format->sparse);
	bench_must(pt_map(format->sparse, AT, PA_BASE, page, RW), "map");
	/* No neighbours that join. */
	for (iova_t at = 0; at < WALK_LEN; at += page)
		bench_must(pt_map(format->full, at, PA_BASE + (at ^ page), page, RW), "map");
}

static void stop(struct format *format)
{
	struct pt_gather gather = {NULL};

	pt_unmap(format->sparse, 0, UINT64_MAX, &gather);
	pt_unmap(format->full, 0, UINT64_MAX, &gather);
	pt_gather_free(&gather);
	pt_destroy(format->sparse);
	pt_destroy(format->full);
}

static bool has_peer(unsigned f, enum what what)
{
	return f || what >= WALK;
}

static void show(unsigned f, enum what what, bool json)
{
	struct bench_row *row = &formats[f].row[what];
	char key[64], name[64];

	snprintf(key, sizeof(key), "%s_%s", whats[what].key, formats[f].name);
	for (char *c = key; *c; c++)
		*c = isalnum((unsigned char)*c) ? *c : '_';
	snprintf(name, sizeof(name), "%s, %s", whats[what].name, formats[f].name);
	row->bench = "pt";
	row->key = key;
	row->name = name;
	row->goal = f ? 0 : whats[what].goal;
	if (has_peer(f, what))
		row->peer = f			     ? formats[0].name
			    : what == WALK_DEPENDENT ? "array load, dependent"
						     : "array load";
	bench_show(row, json);
}

int main(int argc, char **argv)
{
	bool json = bench_wants_json(argc, argv);

	while (pt_format_name(format_nr))
		format_nr++;
	formats = calloc(format_nr, sizeof(*formats));
	bench_must(formats ? 0 : -ENOMEM, "memory");
	for (unsigned f = 0; f < format_nr; f++) {
		struct pt_config config = {.format = f, .aw = 39};

		start(&formats[f], &config);
	}
	for (unsigned pair = 0; pair < bench_windows(); pair++)
		for (unsigned f = 0; f < format_nr; f++)
			for (unsigned w = 0; w < WHAT_NR; w++) {
				struct bench_row *row = &formats[f].row[w];

				row->ours[pair] = window(&formats[f], w);
				if (has_peer(f, w))
					row->theirs[pair] = window(f ? formats : NULL, w);
			}
	for (unsigned w = 0; w < WHAT_NR; w++)
		for (unsigned f = 0; f < format_nr; f++)
			show(f, w, json);
	for (unsigned f = 0; f < format_nr; f++)
		stop(&formats[f]);
	free(formats);
	return 0;
}
