// SPDX-License-Identifier: MIT
/* See bus_map.h. */
#include "bus_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

size_t bus_map_index(const struct bus_map *map, uint64_t addr)
{
	size_t lo = 0, hi = map->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct bus_piece *p = &map->piece[mid];

		if (p->addr + (p->len - 1) < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct bus_piece *bus_map_find(const struct bus_map *map, uint64_t addr,
				     uint64_t *len)
{
	size_t i = bus_map_index(map, addr);
	const struct bus_piece *p = map->piece + i;

	if (i == map->count || p->addr > addr)
		return NULL;
	if (*len > p->len - (addr - p->addr))
		*len = p->len - (addr - p->addr);
	return p;
}

static int make_room(struct bus_map *map)
{
	size_t room = map->room ? 2 * map->room : 16;
	struct bus_piece *piece;

	if (map->count < map->room)
		return 0;
	piece = realloc(map->piece, room * sizeof(*piece));
	if (!piece)
		return -ENOMEM;
	map->piece = piece;
	map->room = room;
	return 0;
}

int bus_map_insert(struct bus_map *map, const struct bus_piece *new)
{
	size_t i = bus_map_index(map, new->addr);

	if (i < map->count && map->piece[i].addr <= new->addr + (new->len - 1))
		return -EEXIST;
	if (make_room(map))
		return -ENOMEM;
	memmove(map->piece + i + 1, map->piece + i,
		(map->count - i) * sizeof(*map->piece));
	map->piece[i] = *new;
	map->count++;
	return 0;
}

void bus_map_remove(struct bus_map *map, size_t index)
{
	map->count--;
	memmove(map->piece + index, map->piece + index + 1,
		(map->count - index) * sizeof(*map->piece));
}

void bus_map_free(struct bus_map *map)
{
	free(map->piece);
	*map = (struct bus_map){ 0 };
}

void bus_publish(uint8_t *mem, const uint8_t *from, size_t len)
{
	uint32_t word;

	if (len == sizeof(word) && (uintptr_t)mem % sizeof(word) == 0) {
		memcpy(&word, from, sizeof(word));
		__atomic_store_n((uint32_t *)(void *)mem, word,
				 __ATOMIC_RELEASE);
	} else {
		memcpy(mem, from, len);
	}
}
