/* SPDX-License-Identifier: MIT */
/*
 * The words every other header uses: numbers that must not mix, and ranges.
 *
 * first/last is an inclusive range, start/end a half-open one; _lg2 is a base-2 logarithm, _len a
 * number of bytes, _nr a count.
 */
#ifndef IOAS_TYPES_H
#define IOAS_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Around the declarations of a public header: C linkage, and visible where all else is hidden. */
#ifdef __cplusplus
#define IOAS_BEGIN                                         \
	_Pragma("GCC visibility push(default)") extern "C" \
	{
#define IOAS_END \
	}        \
	_Pragma("GCC visibility pop")
#else
#define IOAS_BEGIN _Pragma("GCC visibility push(default)")
#define IOAS_END   _Pragma("GCC visibility pop")
#endif

/* Of an inline function: at each place, however long it is. */
#define IOAS_INLINED __attribute__((always_inline))

/* An address as a device puts it on the bus. */
typedef uint64_t iova_t;
/* An address in an IOMMU instance's own physical map (src/mem), never a pointer of the program. */
typedef uint64_t pa_t;
/* A PCI requester ID: bus << 8 | device << 3 | function. */
typedef uint16_t rid_t;
/* A process address space ID, 20 bits. "No PASID" is a flag of the TLP, not a value of this. */
typedef uint32_t pasid_t;

#define IOAS_PASID_BITS 20

/* An inclusive range of addresses; first == 0, last == UINT64_MAX is everything. */
struct ioas_range {
	uint64_t first;
	uint64_t last;
};

/* What a mapping allows, and what a transaction wants. */
enum ioas_prot {
	IOAS_PROT_READ = 1,
	IOAS_PROT_WRITE = 2,
};

/*
 * Why a call was refused, as one readable line without a newline. Calls that take a struct
 * ioas_why fill it when they fail and leave it alone when they do not; NULL: not wanted.
 */
struct ioas_why {
	char text[192];
};

#endif
