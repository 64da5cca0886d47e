// SPDX-License-Identifier: MIT
/*
 * The client's memory: what it lets the card see, and what it takes back.
 *
 * A mapping that must go while the card may hold pointers into it is replaced,
 * at its place, by memory that belongs to nobody, and freed at the end of the
 * card's turn: the client's memory is never touched after the client was told
 * so, and nothing crashes.
 */
#include "simd_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* A file that ends too early would kill who reads behind its end. */
static int check_file(int fd, uint64_t offset, uint64_t size)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0; /* a device says itself what it can map */
	if ((uint64_t)st.st_size < offset ||
	    (uint64_t)st.st_size - offset < size)
		return -EINVAL;
	return 0;
}

static int attach(struct bus_piece *map, uint64_t offset, int fd)
{
	int prot = (map->readable ? PROT_READ : 0) |
		   (map->writable ? PROT_WRITE : 0);
	int err = check_file(fd, offset, map->len);
	void *mem;

	if (err)
		return err;
	mem = mmap(NULL, map->len, prot, MAP_SHARED, fd, (off_t)offset);
	if (mem == MAP_FAILED)
		return -errno;
	map->mem = mem;
	return 0;
}

static int check_map(const struct simd_dma *dma, const struct vfu_dma_map *map)
{
	uint64_t page = VGG_PAGE_SIZE - 1;
	size_t i;

	if (!map->size || ((map->addr | map->size | map->offset) & page) ||
	    map->addr + (map->size - 1) < map->addr ||
	    map->offset + map->size < map->offset ||
	    map->offset + map->size > INT64_MAX ||
	    map->flags & ~(VFU_DMA_READABLE | VFU_DMA_WRITABLE))
		return -EINVAL;
	i = bus_map_index(&dma->map, map->addr);
	if (i < dma->map.count &&
	    dma->map.piece[i].addr <= map->addr + (map->size - 1))
		return -EEXIST;
	return dma->map.count < SIMD_MAPS_MAX ? 0 : -ENOSPC;
}

int simd_dma_map(struct simd_dma *dma, const struct vfu_dma_map *map, int fd)
{
	struct bus_piece new = {
		.addr = map->addr,
		.len = map->size,
		.readable = map->flags & VFU_DMA_READABLE,
		.writable = map->flags & VFU_DMA_WRITABLE,
	};
	int err = check_map(dma, map);

	if (!err && fd >= 0)
		err = attach(&new, map->offset, fd);
	if (err)
		return err;
	err = bus_map_insert(&dma->map, &new);
	if (err && new.mem)
		munmap(new.mem, new.len);
	return err;
}

static bool inside(const struct bus_piece *map,
		   const struct vfu_dma_unmap *unmap)
{
	if (unmap->flags & VFU_UNMAP_ALL)
		return true;
	return map->addr >= unmap->addr && map->len <= unmap->size &&
	       map->addr - unmap->addr <= unmap->size - map->len;
}

/* Maps go as a whole, several at once if it must be. */
int simd_dma_check(const struct simd_dma *dma,
		   const struct vfu_dma_unmap *unmap)
{
	size_t i;
	int err = -ENOENT;

	if (unmap->flags & ~VFU_UNMAP_ALL)
		return -EINVAL;
	if (unmap->flags & VFU_UNMAP_ALL)
		return unmap->addr || unmap->size ? -EINVAL : 0;
	if (!unmap->size || unmap->addr + (unmap->size - 1) < unmap->addr)
		return -EINVAL;
	i = bus_map_index(&dma->map, unmap->addr);
	for (; i < dma->map.count; i++) {
		if (dma->map.piece[i].addr > unmap->addr + (unmap->size - 1))
			break;
		if (!inside(&dma->map.piece[i], unmap))
			return -EINVAL;
		err = 0;
	}
	return err;
}

static bool replace(const struct bus_piece *map)
{
	return mmap(map->mem, map->len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
		    0) != MAP_FAILED;
}

static void drop(struct simd_dma *dma, const struct bus_piece *map,
		 bool working)
{
	/* By where it is here: what lay on the bus there may come and go twice
	 * in a turn. */
	struct bus_piece revoked = { .addr = (uintptr_t)map->mem,
				     .len = map->len,
				     .mem = map->mem };

	if (!map->mem)
		return;
	if (!working) {
		munmap(map->mem, map->len);
		return;
	}
	/* Better no daemon than one that writes to memory it has given back. */
	if (!replace(map) || bus_map_insert(&dma->revoked, &revoked)) {
		fprintf(stderr, "vggsimd: no memory left to take a mapping "
				"back from a running job: ending\n");
		abort();
	}
}

void simd_dma_unmap(struct simd_dma *dma, const struct vfu_dma_unmap *unmap,
		    bool working)
{
	struct bus_map *map = &dma->map;
	size_t i, kept = 0;

	for (i = 0; i < map->count; i++) {
		if (inside(&map->piece[i], unmap))
			drop(dma, &map->piece[i], working);
		else
			map->piece[kept++] = map->piece[i];
	}
	map->count = kept;
}

void simd_dma_settle(struct simd_dma *dma)
{
	struct bus_map *revoked = &dma->revoked;
	size_t i;

	for (i = 0; i < revoked->count; i++)
		munmap(revoked->piece[i].mem, revoked->piece[i].len);
	revoked->count = 0;
}

void simd_dma_clear(struct simd_dma *dma)
{
	struct vfu_dma_unmap all = { .flags = VFU_UNMAP_ALL };

	simd_dma_unmap(dma, &all, false);
	simd_dma_settle(dma);
	bus_map_free(&dma->map);
	bus_map_free(&dma->revoked);
}

bool simd_dma_patch(void *page)
{
	return mmap(page, VGG_PAGE_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page;
}
