/* SPDX-License-Identifier: MIT */
/* Files that the program maps for its devices, and what becomes of them. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "ops.h"

#define SEALED	2u
#define CUT	3u
#define NOTHING 4u
#define CUT_LEN 100u

static void must(bool good)
{
	if (!good)
		abort();
}

/* For reading only: what is mapped may be written all the same, as with a memfd in Linux. */
static int reopen(int fd)
{
	char path[40];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	must(again >= 0);
	close(fd);
	return again;
}

static void make(struct rig *rig, unsigned file, unsigned page_nr)
{
	struct m_memory *memory = &rig->model.memory[file + 1];
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t len = page_nr * M_PAGE + (file == CUT ? CUT_LEN : 0);

	memory->bytes = malloc(RIG_FILE_NR * M_PAGE);
	must(fd >= 0 && memory->bytes);
	memset(memory->bytes, 0, RIG_FILE_NR * M_PAGE);
	for (size_t i = 0; i < len; i++)
		memory->bytes[i] = (uint8_t)(i * 13 + i / M_PAGE * 5 + file);
	must(write(fd, memory->bytes, len) == (ssize_t)len);
	if (file == SEALED)
		must(!fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	rig->seen[file] = mmap(NULL, RIG_FILE_NR * M_PAGE, PROT_READ, MAP_SHARED, fd, 0);
	must(rig->seen[file] != MAP_FAILED);
	rig->file[file] = file == 1 ? reopen(fd) : fd;
	memory->page_nr = page_nr;
	memory->writable_nr = file == SEALED ? 0 : page_nr;
	memory->file = true;
}

void rig_files_new(struct rig *rig)
{
	make(rig, 0, RIG_FILE_NR);
	make(rig, 1, 4);
	make(rig, SEALED, 4);
	make(rig, CUT, 2);
	rig->file[NOTHING] = open("/dev/null", O_RDWR | O_CLOEXEC);
	must(rig->file[NOTHING] >= 0);
	rig->model.memory[NOTHING + 1] = (struct m_memory){.file = true, .never = true};
}

void rig_files_destroy(struct rig *rig)
{
	for (unsigned i = 0; i < RIG_FILES; i++) {
		close(rig->file[i]);
		free(rig->model.memory[i + 1].bytes);
		if (rig->seen[i])
			munmap(rig->seen[i], RIG_FILE_NR * M_PAGE);
	}
}

void rig_truncate(struct rig *rig, unsigned file, unsigned page_nr)
{
	struct m_memory *memory = &rig->model.memory[file + 1];
	char path[40];

	rig_say(rig, "file %u: %u pages", file, page_nr);
	fuzz_counts.operations++;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", rig->file[file]);
	must(!truncate(path, (off_t)(page_nr * M_PAGE)));
	if (page_nr < memory->page_nr)
		memset(memory->bytes + page_nr * M_PAGE, 0, (memory->page_nr - page_nr) * M_PAGE);
	memory->page_nr = memory->writable_nr = page_nr;
}

/* A descriptor, and which memory that is; -1: none. */
static int pick_fd(struct rig *rig, int *memory)
{
	unsigned file = input_below(&rig->in, 16);

	*memory = NOTHING + 1;
	if (file == 15)
		return rig_ctx_fd(0);
	if (file == 14) {
		*memory = -1;
		return input_below(&rig->in, 2) ? -1 : rig_ctx_fd(M_CTXS);
	}
	file = file < 9 ? file % RIG_SHARED : file % RIG_FILES;
	*memory = (int)file + 1;
	return rig->file[file];
}

void op_map_file(struct rig *rig, unsigned ctx)
{
	struct iommu_ioas_map_file cmd = {.size = sizeof(cmd)}, want;
	int memory;
	bool exact;
	long rc;

	cmd.ioas_id = rig_pick(rig, ctx, M_IOAS);
	cmd.flags = rig_pick_map_flags(rig);
	cmd.fd = pick_fd(rig, &memory);
	cmd.start = input_below(&rig->in, RIG_FILE_NR) * M_PAGE;
	if (input_rarely(&rig->in, 24))
		cmd.start = input_below(&rig->in, 2) ? input_u64(&rig->in) : cmd.start + 16;
	cmd.length = rig_pick_len(rig);
	cmd.iova = rig_pick_iova(rig, rig_ioas_of(rig, ctx, cmd.ioas_id));
	rig_say(rig, "context %u: MAP_FILE %u flags %#x memory %d +%#llx length %#llx IOVA %#llx",
		ctx, cmd.ioas_id, cmd.flags, memory, (unsigned long long)cmd.start,
		(unsigned long long)cmd.length, (unsigned long long)cmd.iova);
	if (cmd.fd == rig_ctx_fd(0) && !rig->ctx[0])
		memory = -1;
	if (!rig_room_for(rig, ctx, cmd.ioas_id, 0) ||
	    rig_spoiled(rig, ctx, IOMMU_IOAS_MAP_FILE, &cmd, sizeof(cmd), 40))
		return;
	if (m_is_parent(&rig->model, ctx, cmd.ioas_id))
		cmd.flags |= IOMMU_IOAS_MAP_FIXED_IOVA;
	want = cmd;
	rc = m_map_file(&rig->model, ctx, &want, memory, &exact);
	if (rc || exact) {
		rig_expect(rig, "IOAS_MAP_FILE",
			   rig_ioctl(rig, rig->ctx[ctx], IOMMU_IOAS_MAP_FILE, &cmd), rc);
		rig_untouched(rig, "IOAS_MAP_FILE's answer", &cmd, &want, sizeof(cmd));
		return;
	}
	rc = rig_ioctl(rig, rig->ctx[ctx], IOMMU_IOAS_MAP_FILE, &cmd);
	rig_check_choice(rig, ctx, cmd.ioas_id, rc, cmd.iova, cmd.start, cmd.length);
}

/* Mostly to what it was at first. */
void op_truncate(struct rig *rig, unsigned ctx)
{
	rig_truncate(rig, input_below(&rig->in, RIG_SHARED),
		     input_below(&rig->in, 2) ? RIG_FILE_NR : input_below(&rig->in, RIG_FILE_NR));
}

void op_change_process(struct rig *rig, unsigned ctx)
{
	struct iommu_ioas_change_process cmd = {
		.size = sizeof(cmd),
		.__reserved = input_rarely(&rig->in, 16),
	};

	rig_say(rig, "context %u: CHANGE_PROCESS", ctx);
	if (rig_spoiled(rig, ctx, IOMMU_IOAS_CHANGE_PROCESS, &cmd, sizeof(cmd), 8))
		return;
	rig_expect(rig, "IOAS_CHANGE_PROCESS",
		   rig_ioctl(rig, rig->ctx[ctx], IOMMU_IOAS_CHANGE_PROCESS, &cmd),
		   m_change_process(&rig->model, ctx, cmd.__reserved));
}

void rig_make_file_mapping(struct rig *rig, unsigned ctx, uint32_t ioas, unsigned file,
			   unsigned page, unsigned nr, uint64_t iova)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas,
		.fd = rig->file[file],
		.start = page * M_PAGE,
		.length = nr * M_PAGE,
		.iova = iova,
	};
	bool exact;

	rig_expect(rig, "a mapping of a file",
		   m_map_file(&rig->model, ctx, &cmd, (int)file + 1, &exact), 0);
	rig_expect(rig, "a mapping of a file",
		   rig_ioctl(rig, rig->ctx[ctx], IOMMU_IOAS_MAP_FILE, &cmd), 0);
}
