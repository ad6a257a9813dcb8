/* SPDX-License-Identifier: MIT */
/* IOAS_NEST_ALLOC, IOAS_NEST_MAP and IOAS_NEST_INFO: IOASes nested in software. */
#include "ext.h"

#define BASE 0x100000ul

static int fd;

static long nest_alloc(uint32_t parent, uint32_t *out)
{
	struct ioas_nest_alloc cmd = {.size = sizeof(cmd), .ioas_id = parent};
	long rc = call(fd, IOAS_NEST_ALLOC, &cmd);

	*out = cmd.out_ioas_id;
	return rc;
}

static long nest_map(uint32_t ioas, uint64_t iova, uint64_t parent, uint64_t len, uint32_t flags)
{
	struct ioas_nest_map cmd = {.size = sizeof(cmd),
				    .flags = flags,
				    .ioas_id = ioas,
				    .parent_iova = parent,
				    .length = len,
				    .iova = iova};

	return call(fd, IOAS_NEST_MAP, &cmd);
}

/* Its maps, their pages, and those that are not blocked. */
static void info_is(uint32_t ioas, long maps, long pages, long shown)
{
	struct ioas_nest_info_cmd cmd = {.size = sizeof(cmd), .ioas_id = ioas};

	check("IOAS_NEST_INFO", call(fd, IOAS_NEST_INFO, &cmd), 0);
	check("  maps", (long)cmd.out_maps, maps);
	check("  pages", (long)(cmd.out_length / PAGE), pages);
	check("  shown", (long)(cmd.out_shown_length / PAGE), shown);
}

static void structs(int dev)
{
	struct ioas_nest_alloc alloc = {.size = sizeof(alloc)};
	struct ioas_nest_map map = {.size = sizeof(map)};
	struct ioas_nest_info_cmd info = {.size = sizeof(info)};

	check_struct(fd, IOAS_NEST_ALLOC, &alloc, sizeof(alloc));
	check_struct(fd, IOAS_NEST_INFO, &info, sizeof(info));
	check_struct(fd, IOAS_NEST_MAP, &map, sizeof(map));
	info = (struct ioas_nest_info_cmd){.size = sizeof(info)};
	map = (struct ioas_nest_map){.size = sizeof(map)};
	EXPECT(dev, IOAS_NEST_INFO, &info, -ENOTTY, "on a device");
	EXPECT(dev, IOAS_NEST_MAP, &map, -ENOTTY, "on a device");
	map.flags = 1;
	EXPECT(fd, IOAS_NEST_MAP, &map, -EOPNOTSUPP, "an address is always given");
	map = (struct ioas_nest_map){.size = sizeof(map), .__reserved = 1};
	EXPECT(fd, IOAS_NEST_MAP, &map, -EOPNOTSUPP, "reserved field");
	alloc = (struct ioas_nest_alloc){.size = sizeof(alloc)};
	EXPECT(dev, IOAS_NEST_ALLOC, &alloc, -ENOTTY, "on a device");
	EXPECT(fd, IOAS_NEST_ALLOC, &alloc, -ENOENT, "no parent");
}

static void maps(uint32_t parent, uint32_t child)
{
	uint32_t rw = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE;
	struct iommu_ioas_copy copy = {.size = sizeof(copy),
				       .flags = rw,
				       .dst_ioas_id = child,
				       .src_ioas_id = parent,
				       .length = PAGE,
				       .src_iova = BASE};
	uint64_t done;

	check("into what is not nested", nest_map(parent, BASE, BASE, PAGE, rw), -EINVAL);
	check("into nothing", nest_map(999, BASE, BASE, PAGE, rw), -ENOENT);
	check("allowing nothing", nest_map(child, BASE, BASE, PAGE, 0), -EINVAL);
	check("nothing", nest_map(child, BASE, BASE, 0, rw), -EINVAL);
	check("beyond the end", nest_map(child, BASE, 0 - PAGE, 2 * PAGE, rw), -EOVERFLOW);
	check("before the parent maps", nest_map(child, BASE, 4 * BASE, 4 * PAGE, rw), 0);
	check("once more", nest_map(child, BASE + PAGE, BASE, PAGE, rw), -EEXIST);
	info_is(child, 1, 4, 0);
	check("the parent maps", map_fixed(fd, parent, memory(2 * PAGE), 4 * BASE, 2 * PAGE), 0);
	info_is(child, 1, 4, 2);
	check("memory", map_fixed(fd, child, memory(PAGE), 2 * BASE, PAGE), -EINVAL);
	EXPECT(fd, IOMMU_IOAS_COPY, &copy, -ENOENT, "what the parent has not");
	copy.src_iova = 4 * BASE;
	EXPECT(fd, IOMMU_IOAS_COPY, &copy, -EINVAL, "what it has");
	check("the parent unmaps", unmap(fd, parent, 4 * BASE, 2 * PAGE, NULL), 0);
	info_is(child, 1, 4, 0);
	check("a part of a map", unmap(fd, child, BASE, PAGE, NULL), -ENOENT);
	check("a map", unmap(fd, child, BASE, 4 * PAGE, &done), 0);
	check("  of four pages", (long)(done / PAGE), 4);
	check("nothing", unmap(fd, child, BASE, 4 * PAGE, NULL), -ENOENT);
	info_is(child, 0, 0, 0);
}

/* A child is shown what both allow: what the parent only reads nobody writes by way of the child.
 */
static void permissions(uint32_t parent, uint32_t child)
{
	static const uint32_t one[] = {IOMMU_IOAS_MAP_READABLE, IOMMU_IOAS_MAP_WRITEABLE};

	for (unsigned i = 0; i < 4; i++) {
		struct iommu_ioas_map map = {.size = sizeof(map),
					     .flags = IOMMU_IOAS_MAP_FIXED_IOVA | one[i % 2],
					     .ioas_id = parent,
					     .user_va = (uintptr_t)memory(PAGE),
					     .length = PAGE,
					     .iova = 4 * BASE};

		check("the parent allows one", call(fd, IOMMU_IOAS_MAP, &map), 0);
		check("  and the child one", nest_map(child, BASE, 4 * BASE, PAGE, one[i / 2]), 0);
		info_is(child, 1, 1, i % 2 == i / 2);
		check("the child unmaps", unmap(fd, child, BASE, PAGE, NULL), 0);
		check("the parent unmaps", unmap(fd, parent, 4 * BASE, PAGE, NULL), 0);
	}
}

/* By VFIO's words: a map is unmapped that is blocked, too. */
static void blocked(uint32_t child)
{
	struct iommu_vfio_ioas set = {
		.size = sizeof(set), .ioas_id = child, .op = IOMMU_VFIO_IOAS_SET};
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = sizeof(cmd), .iova = BASE, .size = 2 * PAGE};

	check("VFIO_IOAS", call(fd, IOMMU_VFIO_IOAS, &set), 0);
	check("a blocked map", nest_map(child, BASE, 8 * BASE, 2 * PAGE, IOMMU_IOAS_MAP_READABLE),
	      0);
	check("VFIO_IOMMU_UNMAP_DMA", call(fd, VFIO_IOMMU_UNMAP_DMA, &cmd), 0);
	check("  of two pages", (long)(cmd.size / PAGE), 2);
	info_is(child, 0, 0, 0);
	cmd.size = 2 * PAGE;
	check("and once more", call(fd, VFIO_IOMMU_UNMAP_DMA, &cmd), 0);
	check("  of nothing", (long)cmd.size, 0);
}

static void depth(uint32_t parent)
{
	uint32_t ids[9] = {parent};
	unsigned i = 0;

	while (i < 8 && !nest_alloc(ids[i], &ids[i + 1]))
		i++;
	check("nested that deep", i, 8);
	check("  and no deeper", nest_alloc(ids[8], &ids[0]), -EINVAL);
	check("one that is nested on", destroy(fd, ids[3]), -EBUSY);
	while (i > 3)
		check("the innermost", destroy(fd, ids[i--]), 0);
}

int main(void)
{
	int dev = open_function(FIRST);
	uint32_t parent, child;
	struct ioas_nest_info_cmd info = {.size = sizeof(info)};

	fd = open_or_skip("/dev/iommu");
	structs(dev);
	parent = ioas_alloc(fd);
	info.ioas_id = parent;
	EXPECT(fd, IOAS_NEST_INFO, &info, -EINVAL, "what is not nested");
	info.ioas_id = 999;
	EXPECT(fd, IOAS_NEST_INFO, &info, -ENOENT, "nothing");
	check("IOAS_NEST_ALLOC", nest_alloc(parent, &child), 0);
	maps(parent, child);
	permissions(parent, child);
	blocked(child);
	check("the parent", destroy(fd, parent), -EBUSY);
	check("the child", destroy(fd, child), 0);
	depth(parent);
	return check_done();
}
