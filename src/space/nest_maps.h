/* SPDX-License-Identifier: MIT */
/*
 * What is mapped in a space that is nested in software (nest.c): which addresses of the parent's
 * each of its own leads to. Own addresses do not overlap; several may lead to one of the parent's.
 */
#ifndef SPACE_NEST_MAPS_H
#define SPACE_NEST_MAPS_H

#include <ioas/types.h>
#include "util/tree.h"

struct ioas_space;

/* A map of a nested space. (nest lock) */
struct nest_map {
	struct tree_node by_iova;   /* in nest->maps; its tag is the map's enum ioas_prot */
	struct tree_node by_parent; /* in nest->targets, by parent_first */
	iova_t first, last;
	iova_t parent_first;
	iova_t max; /* the last address of the parent's that anybody in this subtree leads to */
};

struct space_nest {
	struct ioas_space *parent; /* constant, a reference */
	struct ioas_space *next;   /* (parent's lock) among its children */
	struct ioas_space **prev;  /* (parent's lock) */
	struct tree maps, targets; /* (nest lock) */
	unsigned depth;		   /* constant: 1 on a space that is not nested */
	uint64_t nr, len;	   /* (nest lock) of the maps */
};

static inline struct nest_map *nest_by_iova(struct tree_node *node)
{
	return tree_entry(node, struct nest_map, by_iova);
}

static inline iova_t nest_parent_last(const struct nest_map *map)
{
	return map->parent_first + (map->last - map->first);
}

/* `nest` is all zero. The nest lock is held in all of these but this one. */
void nest_maps_init(struct space_nest *nest);
/* The first map that ends at or after iova, or NULL. */
struct nest_map *nest_find(const struct space_nest *nest, iova_t iova);
/* The first that leads to something in first..last, by parent_first and address; and the next. */
struct nest_map *nest_target(const struct space_nest *nest, iova_t first, iova_t last);
struct nest_map *nest_target_next(struct nest_map *map, iova_t first, iova_t last);
/* Enters a map, whose addresses are free; and frees one that is entered. */
void nest_insert(struct space_nest *nest, struct nest_map *map);
void nest_remove(struct space_nest *nest, struct nest_map *map);

#endif
