/* SPDX-License-Identifier: MIT */
/*
 * The set of functions and groups of an instance, for topology.c and group.c.
 *
 * Functions hang in a tree of 256-way levels by segment (two levels), bus and devfn, made as they
 * are needed: finding one costs four loads, going through them in order of address costs no sort.
 */
#ifndef PCI_BUS_H
#define PCI_BUS_H

#include "pci/pci.h"

#define BUS_LEVELS 4

struct bus_level {
	void *slots[256]; /* the next level; in the last one functions */
};

/* Isolated from every other group: the functions of a bus, of a device on bus 0, or a port. */
struct pci_group {
	struct pci_bus *bus;
	uint32_t key; /* constant: lowest address that belongs to it */
	bool is_port; /* constant */
	uint32_t number;
	uint32_t function_nr;
	struct pci_group *next; /* in order of key, ports first where equal */
};

struct pci_bus {
	struct ioas_iommu *iommu; /* constant */
	pthread_mutex_t lock;	  /* protects all of this */
	struct bus_level root;
	struct pci_group *groups; /* kept when empty, so that numbers are stable */
	struct pci_group **by_number;
	uint32_t group_nr;	   /* numbers given out */
	uint32_t group_total;	   /* groups, with and without a number */
	uint32_t group_cap;	   /* >= group_total, so that numbering cannot fail */
	struct ioas_pci **by_cdev; /* NULL where one was removed */
	uint32_t cdev_nr;	   /* numbers given out */
	uint32_t cdev_total;	   /* these and functions without one yet */
	uint32_t cdev_cap;	   /* >= cdev_total */
	uint64_t next_memory32;	   /* free addresses for BARs, as firmware would give them out */
	uint64_t next_memory64;
	uint64_t next_io;
};

static inline uint32_t bus_key(struct ioas_pci_addr addr)
{
	return (uint32_t)addr.segment << 16 | (uint32_t)addr.bus << 8 | addr.devfn;
}

static inline struct ioas_pci_addr bus_addr(uint32_t key)
{
	return (struct ioas_pci_addr){
		.segment = (uint16_t)(key >> 16),
		.bus = (uint8_t)(key >> 8),
		.devfn = (uint8_t)key,
	};
}

/* Makes an array of pointers hold `nr` of them at least. False: no memory. */
bool bus_reserve(void *array, uint32_t *cap, uint32_t nr);

/* The first function with a key in first..last, or NULL. (bus lock) */
struct ioas_pci *bus_first(struct pci_bus *bus, uint32_t first, uint32_t last);

#endif
