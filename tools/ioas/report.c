/* SPDX-License-Identifier: MIT */
/*
 * What happened during a run, from the run folder's counters and fault records.
 *
 * The files are what the program's engine had in memory, shared, so they are whole however the
 * program ended. A block that was never asked for has no file, and counts as zeros.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ioas/device.h>
#include <ioas/door.h>
#include <ioas/pci.h>
#include <ioas/run.h>
#include "folder.h"
#include "json.h"
#include "machine.h"
#include "report.h"
#include "report_fault.h"

#define FAULT_LINES 8

/* Reads a whole block of counters; NULL when there is none. Freed by the caller. */
static void *read_block(const struct folder *folder, const char *prefix, const char *name,
			size_t *len)
{
	char path[128];
	FILE *file;
	char *buf = NULL;
	long size;

	snprintf(path, sizeof(path), IOAS_RUN_COUNTERS "/%s%s", prefix, name);
	file = folder_open(folder, path, "re");
	if (!file)
		return NULL;
	if (!fseek(file, 0, SEEK_END) && (size = ftell(file)) > 0 && !fseek(file, 0, SEEK_SET))
		buf = calloc(1, (size_t)size);
	if (buf)
		*len = fread(buf, 1, (size_t)size, file);
	fclose(file);
	return buf;
}

/* Calls `fn` for each fault record of the run, of `device` or (NULL) of all. Returns how many. */
static uint64_t each_fault(const struct folder *folder, const char *device,
			   void (*fn)(void *arg, const struct ioas_fault *fault), void *arg)
{
	FILE *file = folder_open(folder, IOAS_RUN_FAULTS, "re");
	struct ioas_fault fault;
	uint64_t nr = 0;

	if (!file)
		return 0;
	while (fread(&fault, sizeof(fault), 1, file) == 1) {
		if (device && strncmp(fault.device, device, sizeof(fault.device)))
			continue;
		nr++;
		fn(arg, &fault);
	}
	fclose(file);
	return nr;
}

static void fault_to_json(void *arg, const struct ioas_fault *fault)
{
	report_fault(arg, fault);
}

static void write_device(struct json *json, const struct folder *folder,
			 const struct machine_device *device)
{
	struct ioas_device_counters counters = {0};
	uint64_t recorded;
	size_t len = 0;
	void *block = read_block(folder, IOAS_RUN_DEVICE_PREFIX, device->name, &len);

	if (block)
		memcpy(&counters, block, len < sizeof(counters) ? len : sizeof(counters));
	free(block);
	json_open(json, NULL, '{');
	json_string(json, "name", device->name);
	json_string(json, "model", device->model);
	json_string(json, "device", device->text);
	json_number(json, "tlps", counters.tlps);
	json_number(json, "dma_read_bytes", counters.read_len);
	json_number(json, "dma_written_bytes", counters.write_len);
	json_number(json, "translations", counters.translations);
	json_number(json, "unsnooped_bytes", counters.unsnooped_len);
	json_number(json, "snooped_bytes", counters.snooped_len);
	json_number(json, "interrupts", counters.interrupts);
	json_open(json, "faults", '{');
	json_number(json, "count", counters.faults);
	json_open(json, "records", '[');
	recorded = each_fault(folder, device->name, fault_to_json, json);
	json_close(json, ']');
	json_number(json, "dropped", counters.faults > recorded ? counters.faults - recorded : 0);
	json_close(json, '}');
	json_close(json, '}');
}

static void write_memory(struct json *json, const struct folder *folder)
{
	struct ioas_memory_counters memory = {0};
	size_t len = 0;
	void *block = read_block(folder, "", IOAS_RUN_MEMORY, &len);

	if (block)
		memcpy(&memory, block, len < sizeof(memory) ? len : sizeof(memory));
	free(block);
	json_open(json, "memory", '{');
	json_number(json, "pinned_bytes", memory.pinned_len);
	json_number(json, "pinned_max_bytes", memory.pinned_max_len);
	json_number(json, "limited_bytes", memory.limited_len);
	json_number(json, "limit_refusals", memory.refused);
	json_close(json, '}');
}

/* false: nobody has asked for it, or the program opened nothing. */
static bool read_check_dirty(const struct folder *folder, struct ioas_run_check_dirty *out)
{
	size_t len = 0;
	void *block = read_block(folder, "", IOAS_RUN_CHECK_DIRTY, &len);
	bool there = block && len >= sizeof(*out);

	if (there)
		memcpy(out, block, sizeof(*out));
	free(block);
	return there;
}

static void write_check_dirty(struct json *json, const struct folder *folder)
{
	struct ioas_run_check_dirty check;

	if (!read_check_dirty(folder, &check)) {
		json_null(json, "check_dirty");
		return;
	}
	json_open(json, "check_dirty", '{');
	json_number(json, "bitmaps", check.bitmaps);
	json_number(json, "pages", check.pages);
	json_number(json, "missing", check.missing);
	json_number(json, "unseen", check.unseen);
	json_close(json, '}');
}

/* By name, then errno, as the engine keeps them. */
static void write_ioctls(struct json *json, const struct folder *folder)
{
	size_t len = 0, nr = 0;
	void *block = read_block(folder, "", IOAS_RUN_IOCTLS, &len);
	struct ioas_ioctl_count *counts = NULL;

	if (block)
		nr = ioas_ioctl_counts_decode(block, len, NULL, 0);
	if (nr)
		counts = calloc(nr, sizeof(*counts));
	if (counts)
		ioas_ioctl_counts_decode(block, len, counts, nr);
	json_open(json, "ioctls", '[');
	for (size_t i = 0; counts && i < nr; i++) {
		const char *error = counts[i].error ? strerrorname_np(counts[i].error) : "OK";

		json_open(json, NULL, '{');
		json_string(json, "name", counts[i].name);
		json_number(json, "errno", (uint64_t)counts[i].error);
		json_string(json, "error", error ? error : "unknown");
		json_number(json, "count", counts[i].count);
		json_close(json, '}');
	}
	json_close(json, ']');
	free(counts);
	free(block);
}

/* Each refusal once, in order of its first time, with how often it came. */
struct refusal {
	struct ioas_run_refusal what;
	uint64_t first;
	uint64_t count;
};

static int by_text(const void *a, const void *b)
{
	const struct refusal *x = a, *y = b;
	int order = strcmp(x->what.text, y->what.text);

	if (!order)
		order = (x->what.error > y->what.error) - (x->what.error < y->what.error);
	return order ? order : (x->first > y->first) - (x->first < y->first);
}

static int by_first(const void *a, const void *b)
{
	const struct refusal *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* Joins equal neighbours; returns how many are left. */
static size_t join(struct refusal *all, size_t nr)
{
	size_t kept = 0;

	for (size_t i = 0; i < nr; i++) {
		if (kept && all[kept - 1].what.error == all[i].what.error &&
		    !strcmp(all[kept - 1].what.text, all[i].what.text))
			all[kept - 1].count++;
		else
			all[kept++] = all[i];
	}
	return kept;
}

static struct refusal *read_refusals(const struct folder *folder, size_t *nr)
{
	FILE *file = folder_open(folder, IOAS_RUN_REFUSALS, "re");
	struct refusal *all = NULL, one = {.count = 1};
	size_t cap = 0;

	*nr = 0;
	if (!file)
		return NULL;
	while (fread(&one.what, sizeof(one.what), 1, file) == 1) {
		if (*nr == cap) {
			size_t more = cap ? 2 * cap : 64;
			struct refusal *grown = reallocarray(all, more, sizeof(*all));

			if (!grown)
				break;
			all = grown;
			cap = more;
		}
		one.what.text[sizeof(one.what.text) - 1] = 0;
		one.first = *nr;
		all[(*nr)++] = one;
	}
	fclose(file);
	return all;
}

static void write_refusals(struct json *json, const struct folder *folder)
{
	struct ioas_run_log_count count = {0};
	size_t nr, len = 0;
	struct refusal *all = read_refusals(folder, &nr);
	void *block = read_block(folder, "", IOAS_RUN_REFUSAL_COUNT, &len);

	if (block && len >= sizeof(count))
		memcpy(&count, block, sizeof(count));
	free(block);
	if (nr) {
		qsort(all, nr, sizeof(*all), by_text);
		nr = join(all, nr);
		qsort(all, nr, sizeof(*all), by_first);
	}
	json_open(json, "refusals", '{');
	json_number(json, "count", count.recorded);
	json_open(json, "reasons", '[');
	for (size_t i = 0; i < nr; i++) {
		const char *error = strerrorname_np(all[i].what.error);

		json_open(json, NULL, '{');
		json_string(json, "error", error ? error : "unknown");
		json_string(json, "reason", all[i].what.text);
		json_number(json, "count", all[i].count);
		json_close(json, '}');
	}
	json_close(json, ']');
	json_number(json, "dropped", count.dropped);
	json_close(json, '}');
	free(all);
}

void report_write(FILE *to, const struct folder *folder, const struct machine *machine,
		  const struct run_result *result)
{
	struct json json = {.to = to};

	json_open(&json, NULL, '{');
	json_string(&json, "ioas", IOAS_VERSION);
	json_open(&json, "program", '[');
	for (char **arg = result->program; *arg; arg++)
		json_string(&json, NULL, *arg);
	json_close(&json, ']');
	json_number(&json, "exit_status", (uint64_t)result->status);
	if (result->signal)
		json_number(&json, "signal", (uint64_t)result->signal);
	else
		json_null(&json, "signal");
	json_seconds(&json, "seconds", result->seconds);
	json_open(&json, "devices", '[');
	for (size_t i = 0; i < machine->devices_nr; i++)
		write_device(&json, folder, &machine->devices[i]);
	json_close(&json, ']');
	write_memory(&json, folder);
	write_check_dirty(&json, folder);
	write_ioctls(&json, folder);
	write_refusals(&json, folder);
	json_close(&json, '}');
}

static void fault_to_line(void *arg, const struct ioas_fault *fault)
{
	unsigned *lines = arg;
	char text[2048];

	if ((*lines)++ >= FAULT_LINES)
		return;
	ioas_fault_format(fault, text, sizeof(text));
	text[strcspn(text, "\n")] = 0;
	fprintf(stderr, "ioas: %s\n", text);
}

void report_faults(const struct folder *folder)
{
	unsigned lines = 0;

	each_fault(folder, NULL, fault_to_line, &lines);
	if (lines > FAULT_LINES)
		fprintf(stderr, "ioas: and %u more transactions refused (--report FILE has all)\n",
			lines - FAULT_LINES);
}

uint64_t report_checks(const struct folder *folder)
{
	struct ioas_run_check_dirty check;
	char missing[64] = "none", unseen[64] = "";

	if (!read_check_dirty(folder, &check))
		return 0;
	if (check.missing)
		snprintf(missing, sizeof(missing), "%" PRIu64, check.missing);
	if (check.unseen)
		snprintf(unseen, sizeof(unseen), "; %" PRIu64 " writes not noted: out of memory",
			 check.unseen);
	fprintf(stderr,
		"ioas: check-dirty: %" PRIu64 " dirty bitmaps, %" PRIu64
		" pages that had been written, %s missing%s\n",
		check.bitmaps, check.pages, missing, unseen);
	return check.missing;
}
