/* SPDX-License-Identifier: MIT */
/*
 * The set of functions and groups of an instance, for topology.c and group.c.
 *
 * Functions hang in a tree of 256-way levels by segment (two levels), bus and devfn, made as they
 * are needed: finding one costs four loads, going through them in order of address costs no sort.
 */
#ifndef PCI_BUS_H
#define PCI_BUS_H

#include <ioas/topology.h>
#include "pci/pci.h"

#define BUS_LEVELS 4

struct bus_level {
	void *slots[256]; /* the next level; in the last one functions */
};

/*
 * Isolated from every other group: the functions of a bus, of a device on bus 0, or a port; in a
 * described machine what its topology says.
 */
struct pci_group {
	struct pci_bus *bus;
	uint32_t key; /* constant: lowest address that belongs to it; the topology's number */
	bool is_port; /* constant */
	uint32_t number;
	uint32_t function_nr;
	struct route_set *set;	/* with groups=strict, without a described machine; or NULL */
	struct pci_group *next; /* in order of key, ports first where equal */
};

/* machine.c */
struct pci_machine {
	struct ioas_topology *topology;
	struct route_set **sets; /* by share set; with groups=strict by group */
	uint32_t set_nr;
	struct kind_unit *units; /* its IOMMUs */
	size_t unit_nr;
	struct ioas_range *reserved; /* of all of them */
	size_t reserved_nr;
};

struct pci_bars;

struct pci_bus {
	struct ioas_iommu *iommu;      /* constant */
	struct pci_machine *machine;   /* NULL: none described; constant once there are functions */
	struct pci_bars *_Atomic bars; /* peer.c; written under the lock */
	pthread_mutex_t lock;	       /* protects all of this */
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

/* The same at once, for a great many. */
bool bus_reserve_all(void *array, uint32_t *cap, uint32_t nr);

/* machine.c: may a model stand at that address? As ioas_pci_add. */
int machine_check(struct pci_machine *machine, struct ioas_pci_addr addr, struct ioas_why *why);
/* Makes pci->dev as the topology has it. 0; -EEXIST; -ENOMEM. */
int machine_device_new(struct pci_machine *machine, struct ioas_pci *pci);
const struct ioas_topology_function *
machine_next_member(const struct pci_machine *machine, uint32_t group, const struct ioas_pci *prev);
void pci_machine_free(struct pci_machine *machine);
/* place.c. (bus lock) No BAR has a place; */
void place_none(struct pci_bus *bus);
/* each of the function's has one. 0; -ENOSPC: the address map is full. */
int place_bars(struct pci_bus *bus, struct ioas_pci *pci, struct ioas_why *why);
/* peer.c. (bus lock) */
int peers_enter(struct pci_bus *bus, struct ioas_pci *pci); /* 0; -ENOMEM */
void peers_leave(struct pci_bus *bus, struct ioas_pci *pci);

/* The first function with a key in first..last, or NULL. (bus lock) */
struct ioas_pci *bus_first(struct pci_bus *bus, uint32_t first, uint32_t last);
/* The function after, by address; `pci` NULL: the first. NULL: there is none. (bus lock) */
struct ioas_pci *bus_after(struct pci_bus *bus, const struct ioas_pci *pci);

#endif
