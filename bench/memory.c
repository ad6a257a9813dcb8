/* SPDX-License-Identifier: MIT */
/* What mappings take of memory: rows of bytes, which are the same on every machine. */
#include "bench/memory.h"

#define NR 100000

int main(int argc, char **argv)
{
	bool json = bench_wants_json(argc, argv);

	for (unsigned i = 0; i < MEMORY_CASES; i++) {
		const struct memory_case *of = &memory_cases[i];
		struct memory_cost cost = memory_measure(of, NR);
		struct bench_row row = {.bench = "memory",
					.key = of->key,
					.name = of->name,
					.unit = "B",
					.goal = 200,
					.nr = 1,
					.ours = {cost.bookkeeping}};
		struct bench_row tables = {.bench = "memory",
					   .unit = "B",
					   .peer = "the least of the format",
					   .goal_ratio = 1.1,
					   .nr = 1,
					   .ours = {(double)cost.tables},
					   .theirs = {(double)cost.least}};
		char key[40], name[80];

		bench_show(&row, json);
		snprintf(key, sizeof(key), "%s_tables", of->key);
		snprintf(name, sizeof(name), "page tables of %s", of->name);
		tables.key = key;
		tables.name = name;
		if (of->table)
			bench_show(&tables, json);
	}
	return 0;
}
