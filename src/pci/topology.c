/* SPDX-License-Identifier: MIT */
/* Where functions are: adding, removing, finding and numbering them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "iommu.h"
#include "pci/bus.h"
#include "pci/desc.h"
#include "route/route.h"
#include "util/alloc.h"
#include "util/lock.h"
#include "util/why.h"

int pci_bus_new(struct ioas_iommu *iommu, struct pci_bus **out)
{
	struct pci_bus *bus = alloc_zero(1, sizeof(*bus));

	if (!bus)
		return -ENOMEM;
	bus->iommu = iommu;
	lock_init(&bus->lock, LOCK_PCI_BUS);
	lock_guards(&bus->lock, &bus->root, bus + 1);
	place_none(bus);
	*out = bus;
	return 0;
}

static void level_free(struct bus_level *level, unsigned depth)
{
	for (unsigned i = 0; depth < BUS_LEVELS && i < 256; i++) {
		if (!level->slots[i])
			continue;
		level_free(level->slots[i], depth + 1);
		free(level->slots[i]);
	}
}

static struct ioas_pci *first_of_all(struct pci_bus *bus)
{
	struct ioas_pci *pci;

	pthread_mutex_lock(&bus->lock);
	pci = bus_first(bus, 0, UINT32_MAX);
	pthread_mutex_unlock(&bus->lock);
	return pci;
}

void pci_bus_destroy(struct pci_bus *bus)
{
	struct ioas_pci *pci;

	if (!bus)
		return;
	while ((pci = first_of_all(bus)))
		ioas_pci_remove(pci);
	level_free(&bus->root, 1);
	group_destroy_all(bus);
	pci_machine_free(bus->machine);
	free(bus->bars);
	free(bus->by_cdev);
	pthread_mutex_destroy(&bus->lock);
	free(bus);
}

bool bus_reserve(void *array, uint32_t *cap, uint32_t nr)
{
	void **grown;
	uint32_t to = *cap ? 2 * *cap : 8;

	if (nr <= *cap)
		return true;
	grown = alloc_resize(*(void **)array, to * sizeof(*grown));
	if (!grown)
		return false;
	*(void **)array = grown;
	*cap = to;
	return true;
}

bool bus_reserve_all(void *array, uint32_t *cap, uint32_t nr)
{
	void **made = nr ? alloc_zero(nr, sizeof(*made)) : NULL;

	if (!made)
		return !nr;
	free(*(void **)array);
	*(void **)array = made;
	*cap = nr;
	return true;
}

static unsigned level_index(uint32_t key, unsigned depth)
{
	return key >> (8 * (BUS_LEVELS - depth)) & 0xff;
}

/* The slot of a key, or NULL where no level leads to it (or, to `make`: no memory). */
static void **slot_of(struct pci_bus *bus, uint32_t key, bool make)
{
	struct bus_level *level = &bus->root;

	for (unsigned depth = 1; depth < BUS_LEVELS; depth++) {
		void **slot = &level->slots[level_index(key, depth)];

		if (!*slot && make)
			*slot = alloc_zero(1, sizeof(*level));
		if (!*slot)
			return NULL;
		level = *slot;
	}
	return &level->slots[level_index(key, BUS_LEVELS)];
}

static struct ioas_pci *level_first(struct bus_level *level, unsigned depth, uint32_t first,
				    uint32_t last)
{
	unsigned from = level_index(first, depth);
	unsigned to = level_index(last, depth);

	for (unsigned i = from; i <= to; i++) {
		struct ioas_pci *pci;

		if (!level->slots[i])
			continue;
		if (depth == BUS_LEVELS)
			return level->slots[i];
		pci = level_first(level->slots[i], depth + 1, i == from ? first : 0,
				  i == to ? last : UINT32_MAX);
		if (pci)
			return pci;
	}
	return NULL;
}

struct ioas_pci *bus_first(struct pci_bus *bus, uint32_t first, uint32_t last)
{
	lock_must_hold(&bus->lock);
	return first > last ? NULL : level_first(&bus->root, 1, first, last);
}

struct ioas_pci *bus_after(struct pci_bus *bus, const struct ioas_pci *pci)
{
	uint32_t key = pci ? bus_key(pci->addr) : 0;

	if (pci && key == UINT32_MAX)
		return NULL;
	return bus_first(bus, pci ? key + 1 : 0, UINT32_MAX);
}

struct ioas_pci *pci_find(struct ioas_iommu *iommu, struct ioas_pci_addr addr)
{
	struct pci_bus *bus = iommu->pci;
	struct ioas_pci *pci;

	pthread_mutex_lock(&bus->lock);
	pci = bus_first(bus, bus_key(addr), bus_key(addr));
	pthread_mutex_unlock(&bus->lock);
	return pci;
}

/*
 * A bus's port on bus 0: device bus % 32, function bus / 32. No two buses share one, and the first
 * 31 get function 0 of the device of their number.
 */
struct ioas_pci_addr pci_port_of(uint16_t segment, uint8_t bus)
{
	return (struct ioas_pci_addr){
		.segment = segment,
		.devfn = (uint8_t)((bus & 31) << 3 | bus >> 5),
	};
}

static int check_free(struct pci_bus *bus, struct ioas_pci_addr addr, struct ioas_why *why)
{
	uint32_t segment = (uint32_t)addr.segment << 16;
	char name[IOAS_NAME_LEN];
	void **slot = slot_of(bus, bus_key(addr), false);
	uint8_t below;

	ioas_pci_addr_format(addr, name);
	if (slot && *slot)
		return why_set(why, -EEXIST, "%s: there is a device at this address", name);
	if (bus->machine)
		return machine_check(bus->machine, addr, why);
	if (addr.bus) {
		struct ioas_pci_addr port = pci_port_of(addr.segment, addr.bus);

		slot = slot_of(bus, bus_key(port), false);
		ioas_pci_addr_format(port, name);
		return slot && *slot ? why_set(why, -EEXIST,
					       "bus %02x: the device at %s is where its root port "
					       "would be",
					       addr.bus, name)
				     : 0;
	}
	below = (uint8_t)(addr.devfn >> 3 | (addr.devfn & 7) << 5);
	if (below &&
	    bus_first(bus, segment | (uint32_t)below << 8, segment | (uint32_t)below << 8 | 0xff))
		return why_set(why, -EEXIST, "%s: the root port of bus %02x is here", name, below);
	return below ? 0 : why_set(why, -EEXIST, "%s: the host bridge is at this address", name);
}

static void function_free(struct ioas_pci *pci)
{
	msix_fini(pci);
	watch_fini(pci);
	pthread_mutex_destroy(&pci->irq);
	pthread_mutex_destroy(&pci->control);
	free(pci);
}

static int function_new(struct ioas_iommu *iommu, struct ioas_pci_addr addr,
			const struct ioas_pci_desc *desc, const struct ioas_pci_ops *ops,
			void *model, struct ioas_pci **out)
{
	struct ioas_pci *pci = alloc_zero(1, sizeof(*pci));

	if (!pci)
		return -ENOMEM;
	pci->iommu = iommu;
	pci->addr = addr;
	ioas_pci_addr_format(addr, pci->name);
	pci->desc = *desc;
	pci->ops = ops;
	pci->model = model;
	pci->cdev = PCI_UNNUMBERED;
	pci->intx.trigger = -1;
	pci->wakeup = -1;
	pci->err_trigger = -1;
	pci->req_trigger = -1;
	lock_init(&pci->control, LOCK_PCI_CONTROL);
	lock_guards(&pci->control, &pci->config, &pci->irq);
	lock_init(&pci->irq, LOCK_PCI_IRQ);
	lock_guards(&pci->irq, &pci->msix, pci + 1);
	watch_init(pci);
	*out = pci;
	return msix_init(pci);
}

/* The port above lets out its own bus number, and nothing else. */
static int device_new(struct pci_bus *bus, struct ioas_pci *pci)
{
	struct route_identity who = {
		.name = pci->name,
		.bus = ROUTE_PCI,
		.segment = pci->addr.segment,
		.id = route_pci_id(pci->addr.segment, pci->addr.bus << 8 | pci->addr.devfn),
		.set = pci->group->set,
		.ats = pci->desc.ats,
		.page_request_nr = pci->desc.page_request_nr,
	};
	int rc;

	pci->place.type = pci->addr.bus ? IOAS_TOPOLOGY_ENDPOINT : IOAS_TOPOLOGY_RC_ENDPOINT;
	pci->reserved = pci->iommu->own.reserved;
	pci->reserved_nr = pci->iommu->own.reserved_nr;
	pci->source = (struct route_source){pci->addr.bus, pci->addr.bus ?: 255, false};
	rc = bus->machine ? machine_device_new(bus->machine, pci)
			  : route_device_create(pci->iommu, &who, &pci->dev);
	if (rc)
		return rc;
	pci->dev->bus_arg = pci;
	atomic_store(&pci->dev->source, &pci->source);
	return 0;
}

/* Publishes a finished function. (bus lock) */
static int enter(struct pci_bus *bus, struct ioas_pci *pci, struct ioas_why *why)
{
	void **slot;
	int rc = check_free(bus, pci->addr, why);

	if (!rc)
		rc = place_bars(bus, pci, why);
	if (rc)
		return rc;
	slot = slot_of(bus, bus_key(pci->addr), true);
	if (!slot || !bus_reserve(&bus->by_cdev, &bus->cdev_cap, bus->cdev_total + 1))
		return -ENOMEM;
	rc = group_join(bus, pci);
	if (rc)
		return rc;
	rc = device_new(bus, pci);
	if (rc) {
		group_leave(pci);
		return rc;
	}
	*slot = pci;
	rc = peers_enter(bus, pci);
	if (rc) {
		*slot = NULL;
		route_device_destroy(pci->dev);
		group_leave(pci);
		return rc;
	}
	config_init(&pci->config, &pci->desc, pci->bar_base, &pci->place);
	bus->cdev_total++;
	return 0;
}

int ioas_pci_add(struct ioas_iommu *iommu, struct ioas_pci_addr addr,
		 const struct ioas_pci_desc *desc, const struct ioas_pci_ops *ops, void *model,
		 struct ioas_pci **out, struct ioas_why *why)
{
	struct pci_bus *bus = iommu->pci;
	struct ioas_pci *pci = NULL;
	int rc = desc_check(desc, why);

	if (rc)
		return rc;
	rc = function_new(iommu, addr, desc, ops, model, &pci);
	if (!rc) {
		pthread_mutex_lock(&bus->lock);
		rc = enter(bus, pci, why);
		pthread_mutex_unlock(&bus->lock);
	}
	if (rc == -ENOMEM)
		why_set(why, rc, "out of memory");
	if (rc && pci)
		function_free(pci);
	if (!rc)
		*out = pci;
	return rc;
}

void ioas_pci_remove(struct ioas_pci *pci)
{
	struct pci_bus *bus = pci->iommu->pci;

	pthread_mutex_lock(&bus->lock);
	peers_leave(bus, pci);
	*slot_of(bus, bus_key(pci->addr), false) = NULL;
	if (pci->cdev != PCI_UNNUMBERED)
		bus->by_cdev[pci->cdev] = NULL;
	else
		bus->cdev_total--;
	group_leave(pci);
	if (!bus_first(bus, 0, UINT32_MAX))
		place_none(bus);
	pthread_mutex_unlock(&bus->lock);
	/* The model may have issuers of the device until it is gone. */
	if (pci->ops->destroy)
		pci->ops->destroy(pci->model);
	route_device_destroy(pci->dev);
	function_free(pci);
}

struct ioas_device *ioas_pci_device(struct ioas_pci *pci)
{
	return pci->dev;
}

int ioas_pci_attach(struct ioas_pci *pci, struct ioas_space *space, struct ioas_why *why)
{
	return ioas_device_attach(pci->dev, space, why);
}

int ioas_pci_attach_pasid(struct ioas_pci *pci, pasid_t pasid, struct ioas_space *space,
			  struct ioas_why *why)
{
	return ioas_device_attach_pasid(pci->dev, pasid, space, why);
}

void *ioas_pci_model(const struct ioas_pci *pci, const struct ioas_pci_ops *ops)
{
	return pci->ops == ops ? pci->model : NULL;
}

struct ioas_pci_addr ioas_pci_address(const struct ioas_pci *pci)
{
	return pci->addr;
}

int ioas_pci_each(struct ioas_iommu *iommu, int (*fn)(struct ioas_pci *pci, void *arg), void *arg)
{
	struct pci_bus *bus = iommu->pci;
	uint64_t key = 0;
	int rc = 0;

	while (!rc && key <= UINT32_MAX) {
		struct ioas_pci *pci;

		pthread_mutex_lock(&bus->lock);
		pci = bus_first(bus, (uint32_t)key, UINT32_MAX);
		pthread_mutex_unlock(&bus->lock);
		if (!pci)
			break;
		key = (uint64_t)bus_key(pci->addr) + 1;
		rc = fn(pci, arg);
	}
	return rc;
}

/* Numbers whatever has none yet, in order of address. (bus lock) */
static void number_cdevs(struct pci_bus *bus)
{
	struct ioas_pci *pci = NULL;

	lock_must_hold(&bus->lock);
	if (bus->cdev_nr == bus->cdev_total)
		return;
	while ((pci = bus_after(bus, pci))) {
		if (pci->cdev != PCI_UNNUMBERED)
			continue;
		pci->cdev = bus->cdev_nr++;
		bus->by_cdev[pci->cdev] = pci;
	}
}

uint32_t pci_cdev_index(struct ioas_pci *pci)
{
	struct pci_bus *bus = pci->iommu->pci;
	uint32_t index;

	pthread_mutex_lock(&bus->lock);
	number_cdevs(bus);
	index = pci->cdev;
	pthread_mutex_unlock(&bus->lock);
	return index;
}

struct ioas_pci *pci_cdev_find(struct ioas_iommu *iommu, uint32_t index)
{
	struct pci_bus *bus = iommu->pci;
	struct ioas_pci *pci;

	pthread_mutex_lock(&bus->lock);
	number_cdevs(bus);
	pci = index < bus->cdev_nr ? bus->by_cdev[index] : NULL;
	pthread_mutex_unlock(&bus->lock);
	return pci;
}

static int suspend_one(struct ioas_pci *pci, void *arg)
{
	if (pci->ops->suspend)
		pci->ops->suspend(pci->model);
	return 0;
}

static int resume_one(struct ioas_pci *pci, void *arg)
{
	if (pci->ops->resume)
		pci->ops->resume(pci->model);
	return 0;
}

void pci_bus_suspend(struct pci_bus *bus)
{
	ioas_pci_each(bus->iommu, suspend_one, NULL);
}

void pci_bus_resume(struct pci_bus *bus)
{
	ioas_pci_each(bus->iommu, resume_one, NULL);
}
