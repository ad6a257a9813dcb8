/* SPDX-License-Identifier: MIT */
/* The machine: its process, qtest's lines, and edu. */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "qemu.h"

#define MEM_LEN	    (256ul << 20)
#define ARM_ECAM    0x3f000000ul
#define EDU_DEVFN   0x20
#define EDU_BUFFER  0x40000
#define EDU_SOURCE  0x80
#define EDU_TARGET  0x88
#define EDU_COUNT   0x90
#define EDU_COMMAND 0x98

static const struct {
	const char *program;
	uint64_t first; /* of memory that is mapped here; of x86 what is below is the firmware's */
	uint64_t skipped;
	uint64_t edu;
} machines[MACHINE_NR] = {
	[MACHINE_X86] = {"qemu-system-x86_64", 0x1000000, 0x1000000, 0xfe000000},
	[MACHINE_ARM] = {"qemu-system-aarch64", 0x40000000, 0, 0x10000000},
	[MACHINE_RISCV] = {"qemu-system-riscv64", 0x80000000, 0, 0},
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* The answer's number, or 0. */
static uint64_t ask(struct qemu *q, const char *line)
{
	char answer[256];

	if (fputs(line, q->to) == EOF || fflush(q->to))
		die("qtest");
	do {
		if (!fgets(answer, sizeof(answer), q->from)) {
			fprintf(stderr, "QEMU ended at: %s", line);
			exit(1);
		}
	} while (!strncmp(answer, "IRQ", 3));
	if (strncmp(answer, "OK", 2)) {
		fprintf(stderr, "qtest: %s -> %s", line, answer);
		exit(1);
	}
	return answer[2] == ' ' ? strtoull(answer + 3, NULL, 0) : 0;
}

static uint64_t access_line(struct qemu *q, const char *how, uint64_t addr, uint64_t value)
{
	char line[96];

	if (how[0] == 'r' || how[0] == 'i')
		snprintf(line, sizeof(line), "%s 0x%" PRIx64 "\n", how, addr);
	else
		snprintf(line, sizeof(line), "%s 0x%" PRIx64 " 0x%" PRIx64 "\n", how, addr, value);
	return ask(q, line);
}

void qemu_write32(struct qemu *q, uint64_t addr, uint32_t value)
{
	access_line(q, "writel", addr, value);
}

void qemu_write64(struct qemu *q, uint64_t addr, uint64_t value)
{
	access_line(q, "writeq", addr, value);
}

uint32_t qemu_read32(struct qemu *q, uint64_t addr)
{
	return (uint32_t)access_line(q, "readl", addr, 0);
}

uint64_t qemu_read64(struct qemu *q, uint64_t addr)
{
	return access_line(q, "readq", addr, 0);
}

static void config_write(struct qemu *q, unsigned off, uint32_t value)
{
	if (q->machine == MACHINE_ARM) {
		qemu_write32(q, ARM_ECAM + (EDU_DEVFN << 12) + off, value);
		return;
	}
	access_line(q, "outl", 0xcf8, 1u << 31 | EDU_DEVFN << 8 | off);
	access_line(q, "outl", 0xcfc, value);
}

/* A transfer takes 0.1 s of the machine's time, which passes at once while its processor sleeps. */
static void transfer(struct qemu *q, uint64_t source, uint64_t target, unsigned command)
{
	qemu_write64(q, q->edu + EDU_SOURCE, source);
	qemu_write64(q, q->edu + EDU_TARGET, target);
	qemu_write64(q, q->edu + EDU_COMMAND, command);
	for (unsigned i = 0; qemu_read64(q, q->edu + EDU_COMMAND) & 1; i++)
		if (i == 1000000) {
			fprintf(stderr, "edu's transfer does not end\n");
			exit(1);
		}
}

void edu_read(struct qemu *q, uint64_t iova)
{
	transfer(q, iova, EDU_BUFFER, 1);
}

void edu_write(struct qemu *q, uint64_t iova)
{
	transfer(q, EDU_BUFFER, iova, 3);
}

/* One that sleeps: of x86 its last 16 bytes are where it begins, of Arm its first. */
static void sleeping_rom(uint8_t *rom, bool arm)
{
	static const uint8_t x86[] = {0xfa, 0xf4, 0xeb, 0xfd};	/* cli; hlt; jmp back */
	static const uint32_t a64[] = {0xd503207f, 0x17ffffff}; /* wfi; b back */

	if (arm)
		memcpy(rom, a64, sizeof(a64));
	else
		memcpy(rom + 0xfff0, x86, sizeof(x86));
}

static void write_rom(const char *path, const struct iommu_model *model)
{
	static uint8_t rom[0x10000];
	FILE *to = fopen(path, "w");

	if (model->rom)
		model->rom(rom);
	else
		sleeping_rom(rom, model->machine == MACHINE_ARM);
	if (!to || fwrite(rom, sizeof(rom), 1, to) != 1 || fclose(to))
		die(path);
}

static bool exists(const char *program)
{
	char command[128];

	snprintf(command, sizeof(command), "command -v %s >/dev/null", program);
	return !system(command);
}

static void run(const struct iommu_model *model, const char *rom, const char *mem, int in, int out)
{
	const char *argv[40] = {
		machines[model->machine].program,
		"-nodefaults",
		"-no-user-config",
		"-display",
		"none",
		"-monitor",
		"none",
		"-serial",
		"none",
		"-icount",
		"shift=0,sleep=off",
		"-qtest",
		"stdio",
		"-qtest-log",
		"none",
		"-object",
		mem,
		"-bios",
		rom,
		"-m",
		"256M",
	};
	size_t nr = 0;

	while (argv[nr])
		nr++;
	for (size_t i = 0; model->args[i]; i++)
		argv[nr++] = model->args[i];
	if (!model->access) {
		argv[nr++] = "-device";
		argv[nr++] = "edu,addr=04.0,dma_mask=0xffffffffffffffff";
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0)
		_exit(127);
	execvp(argv[0], (char **)argv);
	_exit(127);
}

/* The guest's memory from mem_first on, here at the same addresses. */
static void map_memory(struct qemu *q, int fd)
{
	uint64_t first = machines[q->machine].first, off = machines[q->machine].skipped;
	void *at = mmap((void *)first, MEM_LEN - off, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_FIXED_NOREPLACE, fd, (off_t)off);

	if (at != (void *)first)
		die("mapping the guest's memory");
	q->mem_first = first;
	q->mem_end = first + MEM_LEN - off;
}

static void start_edu(struct qemu *q)
{
	/* Its registers' address, memory accesses and bus mastering. */
	config_write(q, 0x10, (uint32_t)q->edu);
	config_write(q, 0x04, 0x6);
	qemu_write64(q, q->edu + EDU_COUNT, 8);
	if (qemu_read32(q, q->edu) != 0x010000ed) {
		fprintf(stderr, "edu is not there\n");
		exit(1);
	}
}

bool qemu_start(struct qemu *q, const struct iommu_model *model)
{
	char rom[64], mem[160];
	int to[2], from[2];
	int fd = memfd_create("guest", 0);

	*q = (struct qemu){.machine = model->machine, .edu = machines[model->machine].edu};
	if (!exists(machines[model->machine].program))
		return false;
	snprintf(rom, sizeof(rom), "/tmp/ioas-walkers-%d.rom", getpid());
	write_rom(rom, model);
	snprintf(mem, sizeof(mem),
		 "memory-backend-file,id=ram,size=256M,share=on,mem-path=/proc/%d/fd/%d", getpid(),
		 fd);
	if (fd < 0 || ftruncate(fd, MEM_LEN) || pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		die("guest");
	q->pid = fork();
	if (!q->pid)
		run(model, rom, mem, to[0], from[1]);
	close(to[0]);
	close(from[1]);
	q->to = fdopen(to[1], "w");
	q->from = fdopen(from[0], "r");
	map_memory(q, fd);
	if (model->access)
		qemu_read32(q, q->mem_first);
	else
		start_edu(q);
	unlink(rom);
	close(fd);
	return true;
}

void qemu_stop(struct qemu *q)
{
	munmap((void *)q->mem_first, q->mem_end - q->mem_first);
	fclose(q->to);
	fclose(q->from);
	kill(q->pid, SIGKILL);
	waitpid(q->pid, NULL, 0);
}
