/* SPDX-License-Identifier: MIT */
/*
 * A QEMU machine without software: its processor sleeps, and what happens on the bus is said
 * through qtest. Its memory is mapped here, at the addresses it has there, so that page tables made
 * here are page tables there. The `edu` device does DMA behind the machine's IOMMU.
 */
#ifndef TESTS_TWIN_WALKERS_QEMU_H
#define TESTS_TWIN_WALKERS_QEMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum machine { MACHINE_X86, MACHINE_ARM, MACHINE_RISCV, MACHINE_NR };

/* Guest memory, as far as it is mapped here too; MEM_FIRST is also the same address here. */
struct qemu {
	FILE *to, *from;
	int pid;
	enum machine machine;
	uint64_t mem_first, mem_end;
	uint64_t edu;	  /* its registers */
	uint64_t mailbox; /* a page of the machine's memory, mapped at MAILBOX */
};

/* Where tables that a processor walks have to map its firmware's 64 KiB, and its mailbox. */
#define FIRMWARE 0xf0000u
#define MAILBOX	 0xe0000u

enum walker_access { WALKER_READ = 1, WALKER_WRITE = 2, WALKER_FETCH = 3 };

/* A sort of IOMMU, in registers of its own; or a processor, which walks for its own accesses. */
struct iommu_model {
	const char *name;
	enum machine machine;
	const char *args[6]; /* to QEMU, up to NULL */
	/* Fills 64 KiB of zeroes with a firmware. NULL: one that sleeps. */
	void (*rom)(uint8_t *rom);
	/*
	 * Puts a root in force for edu (0x20), with the number that pt_root gives as mode. `at`:
	 * 64 KiB of guest memory for the structures around it.
	 */
	void (*start)(struct qemu *q, uint64_t at, uint64_t root, uint64_t mode,
		      unsigned format_arg);
	/* Makes it forget what it knows. */
	void (*invalidate)(struct qemu *q);
	/*
	 * Takes the one fault that there is: 0 none, else its kind (enum model_fault), and its
	 * address. MODEL_FAULT_UNKNOWN: the model does not always say.
	 */
	unsigned (*fault)(struct qemu *q, uint64_t *addr);
	bool no_fetch;	   /* of a processor: it cannot try */
	uint64_t accessed; /* of a processor: the bit of an entry that it sets; the next is dirty */
	/* Of a processor, instead of fault: one access. NULL: edu makes them. */
	unsigned (*access)(struct qemu *q, uint64_t iova, enum walker_access access,
			   uint64_t *value);
};

enum model_fault { MODEL_FAULT_NONE, MODEL_FAULT_ANY, MODEL_FAULT_UNKNOWN };

extern const struct iommu_model model_vtd, model_amd, model_smmu, model_x86, model_riscv;

/*
 * Of model_smmu, for who gives it structures of his own: where start has put edu's stream table
 * entry and its context descriptor; and the next event, if there is one.
 */
uint64_t *smmu_entry(const struct qemu *q);
uint64_t *smmu_descriptor(const struct qemu *q);
bool smmu_event(struct qemu *q, uint64_t record[4]);

/* false: there is no such QEMU. Whatever goes wrong later ends the program with a line. */
bool qemu_start(struct qemu *q, const struct iommu_model *model);
void qemu_stop(struct qemu *q);

void qemu_write32(struct qemu *q, uint64_t addr, uint32_t value);
void qemu_write64(struct qemu *q, uint64_t addr, uint64_t value);
uint32_t qemu_read32(struct qemu *q, uint64_t addr);
uint64_t qemu_read64(struct qemu *q, uint64_t addr);

/* DMA of 8 bytes between `iova` and edu's buffer, whose word it is. */
void edu_read(struct qemu *q, uint64_t iova);
void edu_write(struct qemu *q, uint64_t iova);

#endif
