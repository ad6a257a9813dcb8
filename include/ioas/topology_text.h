/* SPDX-License-Identifier: MIT */
/*
 * A topology as lines of text, one a function or an IOMMU: how it goes from one process to another,
 * and a short way to write one down. Machine files for people are YAML and the tool's.
 *
 *   iommu kind=soft,aw=48,pasid=20,pasid0apart,ats,pri,dirty,nested,coherency,
 *         page_sizes=0x1000,reserved=0xfee00000-0xfeefffff+...
 *   function
 * addr=0000:00:01.0,type=root-port,secondary=01,subordinate=02,acs,acs_cap=5f,acs_ctrl=1d,iommu=0,...
 *
 * Keys are those of struct ioas_topology_function and ioas_topology_iommu; what is absent is 0, or
 * empty. Numbers with 0x, bus numbers, IDs and bits in hex; commas in values are doubled.
 */
#ifndef IOAS_TOPOLOGY_TEXT_H
#define IOAS_TOPOLOGY_TEXT_H

#include <ioas/topology.h>

IOAS_BEGIN

/*
 * Adds what a line says, "function ..." or "iommu ...", without its newline. 0; -ENOENT another
 * kind of line, or an unknown key; -EINVAL a value that is not understood; what ioas_topology_add
 * returns; each with a line in `why`. An error adds nothing.
 */
int ioas_topology_add_line(struct ioas_topology *topology, const char *line, struct ioas_why *why);

/*
 * Writes function or IOMMU as such a line, cut to `len` bytes with its NUL. Returns the length it
 * has or would have, as snprintf does.
 */
int ioas_topology_function_line(const struct ioas_topology_function *function, char *buf,
				size_t len);
int ioas_topology_iommu_line(const struct ioas_topology_iommu *iommu, char *buf, size_t len);

IOAS_END

#endif
