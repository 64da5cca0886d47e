/* SPDX-License-Identifier: MIT */
/*
 * The host's memory as the card sees it: which of its pieces lies where on the
 * bus, sorted by address and without overlaps. Each transport has one and
 * guards it with its own lock.
 */
#ifndef VGGSIM_BUS_MAP_H
#define VGGSIM_BUS_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bus_piece {
	uint64_t addr, len; /* len > 0, and the end fits 64 bits */
	uint8_t *mem;	    /* NULL: the transport has another way to it */
	bool readable, writable;
};

struct bus_map {
	struct bus_piece *piece;
	size_t count, room;
};

/* The index of the first piece that ends behind addr. */
size_t bus_map_index(const struct bus_map *map, uint64_t addr);

/* The piece at addr, and in *len how much of the wanted length it has; NULL. */
const struct bus_piece *bus_map_find(const struct bus_map *map, uint64_t addr,
				     uint64_t *len);

/* 0, -EEXIST where something lies there already, -ENOMEM. */
int bus_map_insert(struct bus_map *map, const struct bus_piece *new);
void bus_map_remove(struct bus_map *map, size_t index);

/* Only the table; the memory isn't its own. */
void bus_map_free(struct bus_map *map);

/*
 * Writes what the card wrote. An aligned word is published with release
 * semantics: who sees the new phase bit of a completion sees everything the
 * card wrote before.
 */
void bus_publish(uint8_t *mem, const uint8_t *from, size_t len);

#endif
