/* SPDX-License-Identifier: MIT */
/*
 * Addresses for what a machine file left open, as firmware gives them: on a bus the lowest free
 * device number (from 1 on root buses, where 0 is the host bridge's), and bus numbers depth first,
 * in the order of device numbers. What the file says comes first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "machine_tree.h"

#define DEVFN_NR 256

/* One bus while its functions get their numbers. */
struct bus {
	struct tree *tree;
	uint16_t segment;
	uint8_t nr;
	const struct place *above; /* NULL: a root bus */
	struct place *at[DEVFN_NR];
};

static unsigned line_of(struct tree *tree, const struct place *place)
{
	return lines_of_key(tree->lines, place->yaml, "at");
}

static int take(struct bus *bus, struct place *place, unsigned device, unsigned function)
{
	unsigned devfn = device << 3 | function;
	char name[IOAS_NAME_LEN];

	place->addr = (struct ioas_pci_addr){
		.segment = bus->segment, .bus = bus->nr, .devfn = (uint8_t)devfn};
	if (bus->at[devfn])
		return tree_bad(bus->tree, line_of(bus->tree, place), "%s is taken by line %u",
				ioas_pci_addr_format(place->addr, name),
				lines_of(bus->at[devfn]->yaml));
	bus->at[devfn] = place;
	return 0;
}

static int check_bus(struct bus *bus, const struct place *place)
{
	const struct text_place *want = &place->want;

	if (want->has_bus && want->bus != bus->nr)
		return tree_bad(bus->tree, line_of(bus->tree, place),
				"it stands on bus %02x, not %02x", bus->nr, want->bus);
	if (want->has_segment && want->segment != bus->segment)
		return tree_bad(bus->tree, line_of(bus->tree, place),
				"it stands in segment %04x, not %04x", bus->segment, want->segment);
	return 0;
}

static bool device_is_free(const struct bus *bus, unsigned device)
{
	for (unsigned function = 0; function < 8; function++)
		if (bus->at[device << 3 | function])
			return false;
	return true;
}

/* A link has room for one device; other buses have 32. */
static bool is_link(const struct place *above)
{
	return above &&
	       (above->type == IOAS_TOPOLOGY_ROOT_PORT || above->type == IOAS_TOPOLOGY_DOWNSTREAM ||
		above->type == IOAS_TOPOLOGY_PCI_TO_PCIE);
}

static int free_device(struct bus *bus, const struct place *place, unsigned *out)
{
	unsigned device = bus->above ? 0 : 1;

	while (device < 32 && !device_is_free(bus, device))
		device++;
	if (device && is_link(bus->above))
		return tree_bad(bus->tree, lines_of(place->yaml),
				"one device fits below a port: more functions of it go under "
				"\"functions\"");
	if (device == 32)
		return tree_bad(bus->tree, lines_of(place->yaml), "bus %02x is full", bus->nr);
	*out = device;
	return 0;
}

/* A device from items[i] on: its functions. Returns 0 with *end behind the last of them. */
static int take_device(struct bus *bus, struct places *places, size_t i, unsigned device,
		       size_t *end)
{
	unsigned function = 0;
	int rc = 0;

	for (; !rc && i < places->nr; i++) {
		struct place *place = places->items[i];

		if (place->want.has_function)
			function = place->want.function;
		if (function > 7)
			rc = tree_bad(bus->tree, lines_of(place->yaml),
				      "a device has at most 8 functions");
		else
			rc = take(bus, place, device, function);
		function++;
		*end = i + 1;
		if (i + 1 >= places->nr || !places->items[i + 1]->same_device)
			break;
	}
	return rc;
}

/* First those with a device number, then the others. */
static int number_devices(struct bus *bus, struct places *places)
{
	for (unsigned open = 0; open < 2; open++) {
		size_t end;

		for (size_t i = 0; i < places->nr; i = end) {
			struct place *place = places->items[i];
			unsigned device = place->want.device;
			int rc = check_bus(bus, place);

			for (end = i + 1; end < places->nr && places->items[end]->same_device;)
				end++;
			if (place->want.has_device == open)
				continue;
			if (!rc && open)
				rc = free_device(bus, place, &device);
			if (!rc)
				rc = take_device(bus, places, i, device, &end);
			if (rc)
				return rc;
		}
	}
	return 0;
}

static void mark_multifunction(struct bus *bus)
{
	for (unsigned devfn = 0; devfn < DEVFN_NR; devfn++) {
		unsigned nr = 0;

		for (unsigned function = 0; function < 8; function++)
			nr += bus->at[(devfn & ~7u) | function] != NULL;
		if (bus->at[devfn])
			bus->at[devfn]->multifunction = nr > 1;
	}
}

static int number_of(struct tree *tree, const struct place *place, const char *key,
		     const char *text, unsigned *out)
{
	uint64_t value;

	if (!text)
		return 0;
	if (!text_number(text, 65535, &value) || !value)
		return tree_bad(tree, lines_of_key(tree->lines, place->yaml, key),
				"%s \"%s\" is not 1 to 65535", key, text);
	*out = (unsigned)value;
	return 0;
}

/* The virtual functions of one physical one; *next is the first requester ID that is free. */
static int number_virtuals(struct bus *bus, struct place *physical, unsigned *next)
{
	unsigned own = (unsigned)physical->addr.bus << 8 | physical->addr.devfn;
	unsigned offset = *next - own, stride = 1;
	int rc = number_of(bus->tree, physical, "vf-offset", physical->file->vf_offset, &offset);

	if (!rc)
		rc = number_of(bus->tree, physical, "vf-stride", physical->file->vf_stride,
			       &stride);
	for (size_t i = 0; !rc && i < physical->virtual.nr; i++) {
		struct place *place = physical->virtual.items[i];
		const struct text_place *want = &place->want;
		uint64_t rid = own + offset + i * (uint64_t)stride;

		if (want->has_bus)
			rid = (unsigned)want->bus << 8 | (unsigned)want->device << 3 |
			      want->function;
		if (rid > UINT16_MAX)
			return tree_bad(bus->tree, lines_of(place->yaml),
					"virtual function %zu would be beyond bus ff", i + 1);
		place->addr = (struct ioas_pci_addr){
			.segment = bus->segment, .bus = (uint8_t)(rid >> 8), .devfn = (uint8_t)rid};
		if (rid >= *next)
			*next = (unsigned)rid + 1;
	}
	return rc;
}

static int all_virtuals(struct bus *bus, struct places *places, uint8_t *last_bus)
{
	unsigned next = (unsigned)bus->nr << 8, end = DEVFN_NR;
	int rc = 0;

	while (end && !bus->at[end - 1])
		end--;
	next += end;
	for (size_t i = 0; !rc && i < places->nr; i++)
		rc = number_virtuals(bus, places->items[i], &next);
	if (!rc && (next - 1) >> 8 > *last_bus && next)
		*last_bus = (uint8_t)((next - 1) >> 8);
	return rc;
}

static int number_bus(struct tree *tree, const struct place_root *root, const struct place *above,
		      uint8_t nr, struct places *places, uint8_t *last_bus);

static int number_bridge(struct tree *tree, struct place *bridge, uint8_t *last_bus)
{
	uint8_t last;
	int rc;

	if (bridge->no_buses)
		return 0;
	if (!bridge->has_buses && *last_bus == UINT8_MAX)
		return tree_bad(tree, lines_of(bridge->yaml), "no bus number is left for it");
	if (!bridge->has_buses)
		bridge->secondary = *last_bus + 1;
	last = bridge->secondary;
	rc = number_bus(tree, bridge->root, bridge, bridge->secondary, &bridge->below, &last);
	if (rc)
		return rc;
	if (!bridge->has_buses)
		bridge->subordinate = last;
	if (bridge->subordinate < last)
		return tree_bad(tree, lines_of_key(tree->lines, bridge->yaml, "buses"),
				"what is below it reaches to bus %02x", last);
	if (bridge->subordinate > *last_bus)
		*last_bus = bridge->subordinate;
	return 0;
}

/* *last_bus is the highest number given yet. */
static int number_bus(struct tree *tree, const struct place_root *root, const struct place *above,
		      uint8_t nr, struct places *places, uint8_t *last_bus)
{
	struct bus *bus = calloc(1, sizeof(*bus));
	int rc;

	if (!bus)
		return -ENOMEM;
	*bus = (struct bus){.tree = tree, .segment = root->segment, .nr = nr, .above = above};
	rc = number_devices(bus, places);
	if (!rc) {
		mark_multifunction(bus);
		rc = all_virtuals(bus, places, last_bus);
	}
	for (unsigned devfn = 0; !rc && devfn < DEVFN_NR; devfn++)
		if (bus->at[devfn] && bus->at[devfn]->is_bridge)
			rc = number_bridge(tree, bus->at[devfn], last_bus);
	free(bus);
	return rc;
}

static int number_root(struct tree *tree, size_t index)
{
	struct place_root *root = &tree->roots[index];
	const struct file_root *file = root->file;
	uint64_t segment = 0, bus = 0;

	if (file->segment && !text_hex(file->segment, UINT16_MAX, &segment))
		return tree_bad(tree, lines_of_key(tree->lines, root->yaml, "segment"),
				"segment \"%s\" is not 0 to ffff", file->segment);
	for (size_t i = 0; i < index; i++)
		if (tree->roots[i].segment == segment && tree->roots[i].last_bus >= bus)
			bus = tree->roots[i].last_bus + 1u;
	if (!file->bus && bus > UINT8_MAX)
		return tree_bad(tree, lines_of(root->yaml), "no bus number is left for it");
	if (file->bus && !text_hex(file->bus, UINT8_MAX, &bus))
		return tree_bad(tree, lines_of_key(tree->lines, root->yaml, "bus"),
				"bus \"%s\" is not 0 to ff", file->bus);
	root->segment = (uint16_t)segment;
	root->bus = (uint8_t)bus;
	root->last_bus = root->bus;
	return number_bus(tree, root, NULL, root->bus, &root->devices, &root->last_bus);
}

int tree_number(struct tree *tree)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < tree->roots_nr; i++)
		rc = number_root(tree, i);
	return rc;
}
