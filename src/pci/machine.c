/* SPDX-License-Identifier: MIT */
/*
 * A described machine (ioas_pci_machine) under an instance: what its tree says of a function when
 * that gets a device model. Without one every bus has a root port of its own, which isolates it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "iommu.h"
#include "mem/mem.h"
#include "pci/bus.h"
#include "pci/config_caps.h"
#include "route/route.h"
#include "route/topology.h"
#include "util/alloc.h"
#include "util/why.h"

/* Groups have the topology's numbers; those that nothing has a model in are there, too. */
static int make_groups(struct pci_bus *bus, struct pci_machine *machine)
{
	uint32_t nr = ioas_topology_group_nr(machine->topology);

	if (!bus_reserve_all(&bus->by_number, &bus->group_cap, nr))
		return -ENOMEM;
	for (uint32_t i = 0; i < nr; i++) {
		struct pci_group *group = alloc_zero(1, sizeof(*group));

		if (!group)
			return -ENOMEM;
		*group = (struct pci_group){.bus = bus, .key = i, .number = i, .next = bus->groups};
		bus->groups = group;
		bus->by_number[i] = group;
	}
	bus->group_nr = nr;
	bus->group_total = nr;
	return 0;
}

static int make_sets(struct ioas_iommu *iommu, struct pci_machine *machine)
{
	machine->set_nr = iommu->config.groups_strict
				  ? ioas_topology_group_nr(machine->topology)
				  : ioas_topology_share_set_nr(machine->topology);
	machine->sets = alloc_zero(machine->set_nr + 1, sizeof(*machine->sets));
	for (uint32_t i = 0; machine->sets && i < machine->set_nr; i++)
		if (route_set_new(iommu, &machine->sets[i]))
			return -ENOMEM;
	return machine->sets ? 0 : -ENOMEM;
}

/* Each is the n-th of its kind. */
static unsigned number_of(struct ioas_iommu *iommu, const struct ioas_topology *topology,
			  size_t index)
{
	const struct kind_type *type = kind_of(iommu, ioas_topology_iommu(topology, index));
	unsigned nr = 0;

	for (size_t i = 0; i < index; i++)
		nr += kind_of(iommu, ioas_topology_iommu(topology, i)) == type;
	return nr;
}

static int make_units(struct ioas_iommu *iommu, struct pci_machine *machine, struct ioas_why *why)
{
	const struct ioas_topology *topology = machine->topology;
	int rc = 0;

	machine->units = alloc_zero(ioas_topology_iommu_nr(topology), sizeof(*machine->units));
	if (!machine->units)
		return -ENOMEM;
	for (size_t i = 0; !rc && i < ioas_topology_iommu_nr(topology); i++) {
		machine->unit_nr = i + 1;
		rc = kind_unit_init(&machine->units[i], iommu, ioas_topology_iommu(topology, i),
				    number_of(iommu, topology, i), why);
		if (!rc && mem_map_narrow(iommu->mem, kind_unit_pa_bits(&machine->units[i])))
			rc = why_set(why, -EBUSY, "the instance has memory mapped already");
	}
	return rc;
}

/* Where no function can do DMA: what all of the IOMMUs have reserved. */
static int make_reserved(struct pci_machine *machine)
{
	size_t nr = 0;

	for (size_t i = 0; i < machine->unit_nr; i++)
		nr += machine->units[i].reserved_nr;
	machine->reserved = alloc_zero(nr + 1, sizeof(*machine->reserved));
	if (!machine->reserved)
		return -ENOMEM;
	for (size_t i = 0; i < machine->unit_nr; i++)
		for (size_t k = 0; k < machine->units[i].reserved_nr; k++)
			machine->reserved[machine->reserved_nr++] = machine->units[i].reserved[k];
	return 0;
}

void pci_machine_free(struct pci_machine *machine)
{
	if (!machine)
		return;
	for (uint32_t i = 0; machine->sets && i < machine->set_nr; i++)
		route_set_put(machine->sets[i]);
	free(machine->sets);
	for (size_t i = 0; i < machine->unit_nr; i++)
		kind_unit_fini(&machine->units[i]);
	free(machine->units);
	free(machine->reserved);
	ioas_topology_destroy(machine->topology);
	free(machine);
}

static int check_machine(struct pci_bus *bus, const struct ioas_topology *topology,
			 struct ioas_why *why)
{
	if (bus->machine || bus->groups)
		return why_set(why, -EBUSY, "the instance has a machine, or functions, already");
	if (!ioas_topology_iommu_nr(topology))
		return why_set(why, -EINVAL, "the machine has no IOMMU");
	return 0;
}

int ioas_pci_machine(struct ioas_iommu *iommu, const struct ioas_topology *topology,
		     struct ioas_why *why)
{
	struct pci_bus *bus = iommu->pci;
	struct pci_machine *machine;
	int rc = check_machine(bus, topology, why);

	if (rc)
		return rc;
	machine = alloc_zero(1, sizeof(*machine));
	if (!machine)
		return -ENOMEM;
	rc = ioas_topology_copy(topology, &machine->topology);
	if (!rc)
		rc = ioas_topology_resolve(machine->topology, why);
	if (!rc)
		rc = make_sets(iommu, machine);
	if (!rc)
		rc = make_units(iommu, machine, why);
	if (!rc)
		rc = make_reserved(machine);
	if (!rc)
		rc = make_groups(bus, machine);
	if (rc) {
		group_destroy_all(bus);
		pci_machine_free(machine);
		return rc;
	}
	for (size_t i = 0; i < machine->unit_nr; i++)
		if (machine->units[i].table.aw < iommu->aw)
			iommu->aw = machine->units[i].table.aw;
	iommu->unit = &machine->units[0];
	bus->machine = machine;
	return 0;
}

const struct ioas_topology *ioas_pci_topology(struct ioas_iommu *iommu)
{
	return iommu->pci->machine ? iommu->pci->machine->topology : NULL;
}

int machine_check(struct pci_machine *machine, struct ioas_pci_addr addr, struct ioas_why *why)
{
	const struct ioas_topology_function *function = ioas_topology_find(machine->topology, addr);
	char name[IOAS_NAME_LEN];

	ioas_pci_addr_format(addr, name);
	if (!function)
		return why_set(why, -ENODEV, "%s: the machine has no function there", name);
	if (ioas_topology_is_bridge(function))
		return why_set(why, -EINVAL, "%s: that is a %s, which no model stands for", name,
			       ioas_topology_type_name(function->type));
	if (ioas_topology_group_of(machine->topology, addr) == UINT32_MAX)
		return why_set(why, -ENODEV,
			       "%s: no IOMMU is above it, so that no program can drive it", name);
	if (function->driver && *function->driver && strcmp(function->driver, "vfio-pci"))
		return why_set(why, -EBUSY, "%s: the host's driver %s has it", name,
			       function->driver);
	return 0;
}

/* The nearest port above that validates sources. */
static void find_source(const struct pci_machine *machine, struct ioas_pci *pci)
{
	struct ioas_pci_addr at = pci->addr;
	const struct ioas_topology_function *above;

	pci->source = (struct route_source){.last = 255};
	while ((above = ioas_topology_above(machine->topology, at))) {
		if (above->acs && above->acs_ctrl & IOAS_ACS_SV) {
			pci->source.first = above->secondary;
			pci->source.last = above->subordinate;
			return;
		}
		at = above->addr;
	}
}

/* What carries its TLPs where they meet the IOMMU: a bridge's, a quirk's, or its own. */
static uint32_t wire_id(const struct pci_machine *machine, struct ioas_pci *pci,
			const struct ioas_topology_requester *requester, size_t nr)
{
	rid_t rid = requester[0].rid;

	pci->source.rewritten = route_wire_rid(machine->topology, pci->addr, &rid);
	for (size_t i = 1; !pci->source.rewritten && i < nr; i++)
		if (requester[i].cause == IOAS_CAUSE_FUNCTION_0)
			rid = requester[i].rid;
	return route_pci_id(pci->addr.segment, rid);
}

/* Completions and invalidations go to the requester ID on the wire: it has to be the function's. */
static bool own_id(const struct ioas_pci *pci, uint32_t id)
{
	const struct ioas_pci_addr *addr = &pci->addr;

	return !pci->source.rewritten &&
	       id == route_pci_id(addr->segment, (uint32_t)addr->bus << 8 | addr->devfn);
}

static void apply_iommu(const struct pci_machine *machine, uint32_t index, struct ioas_pci *pci)
{
	const struct ioas_topology *topology = machine->topology;
	unsigned pasids = machine->units[index].spec.pasid_lg2;

	if (!route_carries_pasids(topology, pci->addr) ||
	    (pci->iommu->config.groups_strict && !route_redirects(topology, pci->addr)))
		pasids = 0;
	pci->reserved = machine->units[index].reserved;
	pci->reserved_nr = machine->units[index].reserved_nr;
	if (pci->desc.pasid_lg2 > pasids)
		pci->desc.pasid_lg2 = (uint8_t)pasids;
	if (!pasids)
		pci->desc.shared_queue = false;
}

int machine_device_new(struct pci_machine *machine, struct ioas_pci *pci)
{
	const struct ioas_topology *topology = machine->topology;
	const struct ioas_topology_function *function = ioas_topology_find(topology, pci->addr);
	size_t nr = ioas_topology_requesters(topology, pci->addr, NULL, 0);
	struct ioas_topology_requester *found = alloc_zero(nr, sizeof(*found));
	uint32_t *ids = alloc_zero(nr, sizeof(*ids));
	struct route_identity who = {
		.name = pci->name,
		.bus = ROUTE_PCI,
		.segment = pci->addr.segment,
		.requester = ids,
		.requester_nr = nr,
		.unit = &machine->units[function->iommu],
		.page_request_nr = pci->desc.page_request_nr,
	};
	int rc = -ENOMEM;

	if (found && ids) {
		ioas_topology_requesters(topology, pci->addr, found, nr);
		for (size_t i = 0; i < nr; i++)
			ids[i] = route_pci_id(found[i].segment, found[i].rid);
		find_source(machine, pci);
		who.id = wire_id(machine, pci, found, nr);
		who.set = machine->sets[pci->iommu->config.groups_strict
						? ioas_topology_group_of(topology, pci->addr)
						: ioas_topology_share_set_of(topology, pci->addr)];
		apply_iommu(machine, function->iommu, pci);
		who.ats =
			pci->desc.ats && own_id(pci, who.id) && config_type_is_pcie(function->type);
		pci->place = (struct pci_place){function->type, function->multifunction};
		rc = route_device_create(pci->iommu, &who, &pci->dev);
	}
	free(found);
	free(ids);
	return rc;
}

const struct ioas_topology_function *
machine_next_member(const struct pci_machine *machine, uint32_t group, const struct ioas_pci *prev)
{
	const struct ioas_topology_function *at =
		prev ? ioas_topology_find(machine->topology, prev->addr) : NULL;

	return ioas_topology_group_next(machine->topology, group, at);
}

bool pci_of_host(const struct ioas_topology_function *function)
{
	return function->driver && *function->driver && strcmp(function->driver, "vfio-pci") &&
	       !ioas_topology_is_bridge(function);
}

int pci_group_check(struct pci_group *group, struct ioas_why *why)
{
	const struct pci_machine *machine = group->bus->machine;
	const struct ioas_topology_function *member = NULL;

	while (machine &&
	       (member = ioas_topology_group_next(machine->topology, group->number, member))) {
		char name[IOAS_NAME_LEN];

		if (!pci_of_host(member))
			continue;
		ioas_pci_addr_format(member->addr, name);
		return why_set(
			why, -EPERM,
			"group %u is not viable: the host's driver %s has %s, which cannot be "
			"isolated from the others (ioas why %s)",
			group->number, member->driver, name, name);
	}
	return 0;
}

const struct kind_unit *pci_group_unit(struct ioas_iommu *iommu, uint32_t number)
{
	const struct pci_machine *machine = iommu->pci->machine;
	const struct ioas_topology_function *member =
		machine ? ioas_topology_group_next(machine->topology, number, NULL) : NULL;

	return member ? &machine->units[member->iommu] : &iommu->own;
}

const struct kind_unit *pci_unit_at(struct ioas_iommu *iommu, size_t index)
{
	const struct pci_machine *machine = iommu->pci->machine;

	if (!machine)
		return index ? NULL : &iommu->own;
	return index < machine->unit_nr ? &machine->units[index] : NULL;
}

const struct ioas_range *pci_reserved(struct ioas_iommu *iommu, size_t *nr)
{
	const struct pci_machine *machine = iommu->pci->machine;

	*nr = machine ? machine->reserved_nr : iommu->own.reserved_nr;
	return machine ? machine->reserved : iommu->own.reserved;
}

/* The root port above a bus that no machine describes. */
static int describe_port(struct ioas_topology *topology, struct ioas_pci_addr below)
{
	struct ioas_topology_function port = {
		.addr = pci_port_of(below.segment, below.bus),
		.type = IOAS_TOPOLOGY_ROOT_PORT,
		.multifunction = below.bus >= 32,
		.secondary = below.bus,
		.subordinate = below.bus,
		.acs = true,
		.acs_cap = 0x1f,
		.acs_ctrl = IOAS_ACS_SV | IOAS_ACS_RR | IOAS_ACS_CR | IOAS_ACS_UF,
	};

	return ioas_topology_find(topology, port.addr) ? 0
						       : ioas_topology_add(topology, &port, NULL);
}

static int describe_function(struct ioas_pci *pci, void *arg)
{
	struct ioas_topology *topology = arg;
	struct ioas_topology_function function = {
		.addr = pci->addr,
		.type = pci->place.type,
		.vendor = pci->desc.vendor,
		.device = pci->desc.device,
		.class_code = pci->desc.class_code,
		.pasid_lg2 = pci->desc.pasid_lg2,
		.driver = "vfio-pci",
	};
	int rc = pci->addr.bus ? describe_port(topology, pci->addr) : 0;

	return rc ? rc : ioas_topology_add(topology, &function, NULL);
}

int ioas_pci_describe(struct ioas_iommu *iommu, struct ioas_topology **out, struct ioas_why *why)
{
	struct ioas_topology_iommu own = iommu->own.spec;
	struct ioas_topology *topology;
	int rc = iommu->pci->machine ? ioas_topology_copy(iommu->pci->machine->topology, &topology)
				     : ioas_topology_new(&topology);

	if (rc)
		return rc;
	own.kind = iommu->own.type->name;
	own.aw = (uint8_t)iommu->own.table.aw;
	own.pasid_0_apart = iommu->own.pasid_0_apart;
	if (!iommu->pci->machine) {
		rc = ioas_topology_add_iommu(topology, &own, why);
		if (!rc)
			rc = ioas_pci_each(iommu, describe_function, topology);
	}
	if (!rc)
		rc = ioas_topology_resolve(topology, why);
	if (rc)
		ioas_topology_destroy(topology);
	else
		*out = topology;
	return rc;
}
