/* SPDX-License-Identifier: MIT */
/*
 * Runs a target without libFuzzer: the files and folders that are named, then inputs that are made
 * from the seed, for the time or in the number that is asked for: one of the files with some
 * damage, or random bytes. The same each time.
 *
 *   fuzz-TARGET [--inputs N] [--seconds N] [--seed N] [FILE|FOLDER...]
 *
 * An input whose target ends the program is left in fuzz-TARGET.crash, to be named here.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "fuzz.h"
#include "tests/soak.h"

#define LEN_MAX (1u << 16)
#define FILES	64u
#define HANGS	60u /* seconds that no input takes */

static uint8_t input[LEN_MAX];
static volatile size_t input_len;
static char crash[64];

/* What was named, to be damaged. */
static struct {
	uint8_t *bytes;
	size_t len;
} kept[FILES];
static unsigned kept_nr;

/* Only what a signal handler may call. */
static void keep_input(int nr)
{
	int fd = open(crash, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd >= 0 && write(fd, input, input_len) == (ssize_t)input_len)
		close(fd);
	signal(nr, SIG_DFL);
	raise(nr);
}

static void run(size_t len)
{
	input_len = len;
	alarm(HANGS);
	LLVMFuzzerTestOneInput(input, len);
	alarm(0);
}

static int run_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, input, sizeof(input));

	if (fd >= 0)
		close(fd);
	if (len < 0) {
		perror(path);
		return 1;
	}
	if (kept_nr < FILES && len) {
		kept[kept_nr].bytes = malloc((size_t)len);
		if (!kept[kept_nr].bytes)
			return 1;
		memcpy(kept[kept_nr].bytes, input, (size_t)len);
		kept[kept_nr++].len = (size_t)len;
	}
	run((size_t)len);
	return 0;
}

static int run_folder(const char *path)
{
	struct dirent **entry;
	int nr = scandir(path, &entry, NULL, alphasort), rc = 0;

	for (int i = 0; i < nr; i++) {
		char name[4096];

		snprintf(name, sizeof(name), "%s/%s", path, entry[i]->d_name);
		if (!rc && entry[i]->d_name[0] != '.')
			rc = run_file(name);
		free(entry[i]);
	}
	if (nr < 0)
		perror(path);
	else
		free(entry);
	return rc || nr < 0;
}

static int run_path(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode) ? run_folder(path) : run_file(path);
}

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static size_t below(uint64_t *state, size_t nr)
{
	return nr ? (next(state) >> 20) % nr : 0;
}

/* Puts `len` bytes in the place of `gone` bytes at `at`. The new length. */
static size_t replace(size_t total, size_t at, size_t gone, const uint8_t *with, size_t len)
{
	if (gone > total - at)
		gone = total - at;
	if (total - gone + len > sizeof(input))
		return total;
	memmove(input + at + len, input + at + gone, total - at - gone);
	if (len)
		memcpy(input + at, with, len);
	return total - gone + len;
}

/* A piece of any kept file in the place of a piece of this one; one of the two may be nothing. */
static size_t damage(uint64_t *state, size_t total)
{
	unsigned from = (unsigned)below(state, kept_nr);
	size_t start = below(state, kept[from].len), at = below(state, total + 1);
	size_t len = below(state, below(state, 8) ? 24 : kept[from].len), gone = below(state, 24);
	uint8_t byte = (uint8_t)(next(state) >> 24);

	if (len > kept[from].len - start)
		len = kept[from].len - start;
	switch (below(state, 4)) {
	case 0:
		return replace(total, at, 1, &byte, 1);
	case 1:
		return replace(total, at, gone, NULL, 0);
	case 2:
		return replace(total, at, 0, kept[from].bytes + start, len);
	default:
		return replace(total, at, gone, kept[from].bytes + start, len);
	}
}

static void run_random(uint64_t seed)
{
	uint64_t state = seed * 0x9e3779b97f4a7c15ull | 1;
	size_t len;

	for (unsigned i = 0; i < 8; i++)
		next(&state);
	if (kept_nr && (fuzz_text || !below(&state, 4))) {
		unsigned from = (unsigned)below(&state, kept_nr);

		len = kept[from].len;
		memcpy(input, kept[from].bytes, len);
		for (size_t nr = 1 + below(&state, fuzz_text ? 3 : 8); nr; nr--)
			len = damage(&state, len);
	} else {
		len = 1 + below(&state, fuzz_len_max);
		for (size_t i = 0; i < len; i++)
			input[i] = (uint8_t)(next(&state) >> 24);
	}
	run(len);
}

int main(int argc, char **argv)
{
	unsigned long long inputs = 0, seconds = 0, seed = 1 + soak_seed();
	static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGALRM};
	time_t end;

	snprintf(crash, sizeof(crash), "fuzz-%s.crash", fuzz_name);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], keep_input);
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "0";

		if (!strcmp(argv[i], "--inputs"))
			inputs = strtoull(value, NULL, 0) * soak_times(), i++;
		else if (!strcmp(argv[i], "--seconds"))
			seconds = strtoull(value, NULL, 0), i++;
		else if (!strcmp(argv[i], "--seed"))
			seed = strtoull(value, NULL, 0), i++;
		else if (run_path(argv[i]))
			return 1;
	}
	end = time(NULL) + (time_t)seconds;
	for (uint64_t i = 0; i < inputs || (seconds && time(NULL) < end); i++)
		run_random(seed + i);
	for (unsigned i = 0; i < kept_nr; i++)
		free(kept[i].bytes);
	fuzz_print_counts();
	return 0;
}
