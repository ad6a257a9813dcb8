/* SPDX-License-Identifier: MIT */
/*
 * Groups: functions that can't be isolated from one another, and their numbers.
 *
 * Ports have groups of their own, because they forward nothing between their buses (ACS). Groups
 * are few and made once, so an ordered list holds them; finding one by number is an array access.
 */
#include <errno.h>
#include <stdlib.h>
#include "iommu.h"
#include "pci/bus.h"
#include "util/alloc.h"
#include "util/lock.h"

static struct pci_group *find_or_add(struct pci_bus *bus, uint32_t key, bool is_port)
{
	struct pci_group **link = &bus->groups;
	struct pci_group *group;

	while ((group = *link) &&
	       (group->key < key || (group->key == key && group->is_port > is_port)))
		link = &group->next;
	if (group && group->key == key && group->is_port == is_port)
		return group;
	if (!bus_reserve(&bus->by_number, &bus->group_cap, bus->group_total + 1))
		return NULL;
	group = alloc_zero(1, sizeof(*group));
	if (!group)
		return NULL;
	bus->group_total++;
	*group = (struct pci_group){
		.bus = bus,
		.key = key,
		.is_port = is_port,
		.number = PCI_UNNUMBERED,
		.next = *link,
	};
	*link = group;
	return group;
}

/* With groups=strict the members of a group have one set of routes. */
static int join(struct pci_group *group, struct ioas_pci *pci)
{
	struct ioas_iommu *iommu = pci->iommu;

	if (iommu->config.groups_strict && !group->bus->machine && !group->set &&
	    route_set_new(iommu, &group->set))
		return -ENOMEM;
	group->function_nr++;
	pci->group = group;
	return 0;
}

int group_join(struct pci_bus *bus, struct ioas_pci *pci)
{
	struct ioas_pci_addr first = pci->addr;
	struct pci_group *group;

	if (bus->machine)
		return join(
			bus->by_number[ioas_topology_group_of(bus->machine->topology, pci->addr)],
			pci);
	first.devfn = first.bus ? 0 : first.devfn & (uint8_t)~7;
	if (first.bus && !find_or_add(bus, bus_key(pci_port_of(first.segment, first.bus)), true))
		return -ENOMEM;
	group = find_or_add(bus, bus_key(first), false);
	return group ? join(group, pci) : -ENOMEM;
}

void group_leave(struct ioas_pci *pci)
{
	pci->group->function_nr--;
}

void group_destroy_all(struct pci_bus *bus)
{
	while (bus->groups) {
		struct pci_group *group = bus->groups;

		bus->groups = group->next;
		route_set_put(group->set);
		free(group);
	}
	free(bus->by_number);
	bus->by_number = NULL;
	bus->group_cap = 0; /* a machine came to nothing: the next group makes another one */
}

/* Numbers whatever has none yet, in order of address. (bus lock) */
static void number_groups(struct pci_bus *bus)
{
	lock_must_hold(&bus->lock);
	if (bus->group_nr == bus->group_total)
		return;
	for (struct pci_group *group = bus->groups; group; group = group->next) {
		if (group->number != PCI_UNNUMBERED)
			continue;
		group->number = bus->group_nr++;
		bus->by_number[group->number] = group;
	}
}

struct pci_group *pci_group_of(const struct ioas_pci *pci)
{
	return pci->group;
}

/* A described machine has seen to it when the function was made. */
unsigned pci_pasid_lg2(const struct ioas_pci *pci)
{
	struct pci_bus *bus = pci->group->bus;
	bool alone;

	pthread_mutex_lock(&bus->lock);
	alone = pci->group->function_nr == 1;
	pthread_mutex_unlock(&bus->lock);
	return pci->iommu->config.groups_strict && !bus->machine && !alone ? 0
									   : pci->desc.pasid_lg2;
}

uint32_t pci_group_number(struct pci_group *group)
{
	uint32_t number;

	pthread_mutex_lock(&group->bus->lock);
	number_groups(group->bus);
	number = group->number;
	pthread_mutex_unlock(&group->bus->lock);
	return number;
}

struct pci_group *pci_group_find(struct ioas_iommu *iommu, uint32_t number)
{
	struct pci_bus *bus = iommu->pci;
	struct pci_group *group;

	pthread_mutex_lock(&bus->lock);
	number_groups(bus);
	group = number < bus->group_nr ? bus->by_number[number] : NULL;
	if (group && !group->function_nr)
		group = NULL;
	pthread_mutex_unlock(&bus->lock);
	return group;
}

/* The next member that has a model. */
static struct ioas_pci *next_in_machine(struct pci_group *group, const struct ioas_pci *prev)
{
	struct pci_bus *bus = group->bus;
	const struct ioas_topology_function *at =
		machine_next_member(bus->machine, group->number, prev);
	struct ioas_pci *pci = NULL;

	pthread_mutex_lock(&bus->lock);
	for (; at && !pci; at = ioas_topology_group_next(bus->machine->topology, group->number, at))
		pci = bus_first(bus, bus_key(at->addr), bus_key(at->addr));
	pthread_mutex_unlock(&bus->lock);
	return pci;
}

struct ioas_pci *pci_group_next(struct pci_group *group, const struct ioas_pci *prev)
{
	struct pci_bus *bus = group->bus;
	uint32_t last = group->key | (bus_addr(group->key).bus ? 0xff : 7);
	uint32_t first = prev ? bus_key(prev->addr) + 1 : group->key;
	struct ioas_pci *pci;

	if (bus->machine)
		return next_in_machine(group, prev);
	if (group->is_port || (prev && bus_key(prev->addr) == last))
		return NULL;
	pthread_mutex_lock(&bus->lock);
	pci = bus_first(bus, first, last);
	pthread_mutex_unlock(&bus->lock);
	return pci;
}

int pci_group_each(struct ioas_iommu *iommu, int (*fn)(struct pci_group *group, void *arg),
		   void *arg)
{
	struct pci_bus *bus = iommu->pci;
	uint32_t nr;
	int rc = 0;

	pthread_mutex_lock(&bus->lock);
	number_groups(bus);
	nr = bus->group_nr;
	pthread_mutex_unlock(&bus->lock);
	for (uint32_t i = 0; !rc && i < nr; i++) {
		struct pci_group *group = pci_group_find(iommu, i);

		if (group)
			rc = fn(group, arg);
	}
	return rc;
}

uint32_t pci_port_group(struct ioas_iommu *iommu, struct ioas_pci_addr addr)
{
	struct pci_bus *bus = iommu->pci;
	uint32_t key = bus_key(addr), number = UINT32_MAX;

	pthread_mutex_lock(&bus->lock);
	number_groups(bus);
	for (struct pci_group *group = bus->groups; group && group->key <= key; group = group->next)
		if (group->is_port && group->key == key)
			number = group->number;
	pthread_mutex_unlock(&bus->lock);
	return number;
}
