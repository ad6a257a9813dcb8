/* SPDX-License-Identifier: MIT */
/* Config spaces for tests, a capability a call. */
#ifndef TESTS_TOOLS_SPACE_H
#define TESTS_TOOLS_SPACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "config_decode.h"

struct space {
	uint8_t bytes[CONFIG_LEN];
	uint8_t cap_last;  /* 0: none yet */
	uint16_t ext_last; /* 0: none yet */
};

static inline void put16(struct space *space, size_t off, uint16_t value)
{
	space->bytes[off] = (uint8_t)value;
	space->bytes[off + 1] = (uint8_t)(value >> 8);
}

static inline struct space space_new(uint16_t vendor, uint16_t device, uint8_t header)
{
	struct space space = {.bytes = {0}};

	put16(&space, 0, vendor);
	put16(&space, 2, device);
	space.bytes[0x0e] = header;
	return space;
}

static inline void space_cap(struct space *space, uint8_t at, uint8_t id)
{
	space->bytes[6] |= 0x10;
	space->bytes[space->cap_last ? space->cap_last + 1 : 0x34] = at;
	space->bytes[at] = id;
	space->cap_last = at;
}

/* The PCIe capability, of a device/port type as the registers number them. */
static inline void space_pcie(struct space *space, uint8_t at, unsigned type)
{
	space_cap(space, at, 0x10);
	put16(space, at + 2u, (uint16_t)(type << 4 | 2));
}

static inline void space_ext(struct space *space, uint16_t at, uint16_t id)
{
	if (space->ext_last)
		put16(space, space->ext_last + 2u, (uint16_t)(at << 4 | 1));
	put16(space, at, id);
	put16(space, at + 2u, 1);
	space->ext_last = at;
}

static inline void space_acs(struct space *space, uint16_t at, uint16_t cap, uint16_t ctrl)
{
	space_ext(space, at, 0x0d);
	put16(space, at + 4u, cap);
	put16(space, at + 6u, ctrl);
}

static inline void space_buses(struct space *space, uint8_t secondary, uint8_t subordinate)
{
	space->bytes[0x19] = secondary;
	space->bytes[0x1a] = subordinate;
}

#endif
