/* SPDX-License-Identifier: MIT */
/*
 * The interposed functions of malloc that give memory back. A program that never opened a node pays
 * one load for each.
 */
#include <malloc.h>
#include <stdlib.h>
#include "preload.h"
#include "real.h"
#include "wrap.h"

/* Nothing is mapped for DMA by this process, or it is the engine's own block. */
static bool idle(void)
{
	return !unlikely(__atomic_load_n(&door.machines, __ATOMIC_RELAXED)) || door_inside;
}

void free(void *ptr)
{
	real_need();
	if (idle() || !ptr || !heap_free(ptr))
		real.free(ptr);
}

void *realloc(void *ptr, size_t size)
{
	void *result;

	real_need();
	if (idle() || !ptr)
		return real.realloc(ptr, size);
	if (!size) {
		free(ptr);
		return NULL;
	}
	return heap_realloc(ptr, size, &result) ? result : real.realloc(ptr, size);
}

int malloc_trim(size_t pad)
{
	real_need();
	return heap_trim(pad);
}
