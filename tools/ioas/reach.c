/* SPDX-License-Identifier: MIT */
/*
 * Can the preload door get into a program? It needs the dynamic linker to load it: a static
 * program has none, and for a privileged one the linker ignores LD_PRELOAD.
 */
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "reach.h"

/* Opens what execvp would start. -1: nothing. */
static int open_program(const char *name)
{
	const char *path = getenv("PATH");
	char file[PATH_MAX];

	if (strchr(name, '/'))
		return open(name, O_RDONLY | O_CLOEXEC);
	for (const char *part = path; part && *part; part += *part == ':') {
		size_t len = strcspn(part, ":");

		snprintf(file, sizeof(file), "%.*s/%s", (int)len, part, name);
		if (!access(file, X_OK))
			return open(file, O_RDONLY | O_CLOEXEC);
		part += len;
	}
	return -1;
}

/* True also for what is no 64-bit ELF file. */
static int has_interpreter(int fd)
{
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdr;

	if (pread(fd, &ehdr, sizeof(ehdr), 0) != sizeof(ehdr) ||
	    memcmp(ehdr.e_ident, ELFMAG, SELFMAG) || ehdr.e_ident[EI_CLASS] != ELFCLASS64)
		return 1;
	for (unsigned i = 0; i < ehdr.e_phnum; i++) {
		off_t off = (off_t)(ehdr.e_phoff + (uint64_t)i * ehdr.e_phentsize);

		if (pread(fd, &phdr, sizeof(phdr), off) != sizeof(phdr))
			return 1;
		if (phdr.p_type == PT_INTERP)
			return 1;
	}
	return 0;
}

const char *reach_obstacle(const char *name)
{
	const char *obstacle = NULL;
	struct stat st;
	int fd = open_program(name);

	if (fd < 0)
		return NULL;
	if (!has_interpreter(fd))
		obstacle = "it is statically linked";
	else if (!fstat(fd, &st) && ((st.st_mode & S_ISUID && st.st_uid != geteuid()) ||
				     (st.st_mode & S_ISGID && st.st_gid != getegid())))
		obstacle = "it runs with more rights than you have";
	close(fd);
	return obstacle;
}
