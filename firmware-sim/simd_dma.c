// SPDX-License-Identifier: MIT
/*
 * The client's memory as the card sees it: a sorted table of mappings.
 *
 * A mapping that must go while the card may hold pointers into it is replaced,
 * at its place, by memory that belongs to nobody, and freed at the end of the
 * card's turn: the client's memory is never touched after the client was told
 * so, and nothing crashes.
 */
#include "simd_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* The first map that ends behind addr. */
static size_t find(const struct simd_dma *dma, uint64_t addr)
{
	size_t lo = 0, hi = dma->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (dma->maps[mid].addr + (dma->maps[mid].len - 1) < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct simd_map *simd_dma_find(const struct simd_dma *dma, uint64_t addr,
				     uint64_t *len)
{
	size_t i = find(dma, addr);
	const struct simd_map *map;

	if (i == dma->count || dma->maps[i].addr > addr)
		return NULL;
	map = &dma->maps[i];
	if (*len > map->len - (addr - map->addr))
		*len = map->len - (addr - map->addr);
	return map;
}

static int make_room(struct simd_map **maps, size_t count, size_t *room)
{
	size_t more = *room ? 2 * *room : 16;
	struct simd_map *new;

	if (count < *room)
		return 0;
	new = realloc(*maps, more * sizeof(*new));
	if (!new)
		return -ENOMEM;
	*maps = new;
	*room = more;
	return 0;
}

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

static int attach(struct simd_map *map, uint64_t offset, int fd)
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
	i = find(dma, map->addr);
	if (i < dma->count && dma->maps[i].addr <= map->addr + (map->size - 1))
		return -EEXIST;
	return dma->count < SIMD_MAPS_MAX ? 0 : -ENOSPC;
}

int simd_dma_map(struct simd_dma *dma, const struct vfu_dma_map *map, int fd)
{
	struct simd_map new = {
		.addr = map->addr,
		.len = map->size,
		.readable = map->flags & VFU_DMA_READABLE,
		.writable = map->flags & VFU_DMA_WRITABLE,
	};
	int err = check_map(dma, map);
	size_t i;

	if (!err)
		err = make_room(&dma->maps, dma->count, &dma->room);
	if (!err && fd >= 0)
		err = attach(&new, map->offset, fd);
	if (err)
		return err;
	i = find(dma, new.addr);
	memmove(dma->maps + i + 1, dma->maps + i,
		(dma->count - i) * sizeof(*dma->maps));
	dma->maps[i] = new;
	dma->count++;
	return 0;
}

static bool inside(const struct simd_map *map,
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
	for (i = find(dma, unmap->addr); i < dma->count; i++) {
		if (dma->maps[i].addr > unmap->addr + (unmap->size - 1))
			break;
		if (!inside(&dma->maps[i], unmap))
			return -EINVAL;
		err = 0;
	}
	return err;
}

static bool replace(const struct simd_map *map)
{
	return mmap(map->mem, map->len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
		    0) != MAP_FAILED;
}

static void drop(struct simd_dma *dma, const struct simd_map *map, bool working)
{
	if (!map->mem)
		return;
	if (!working) {
		munmap(map->mem, map->len);
		return;
	}
	/* Better no daemon than one that writes to memory it has given back. */
	if (!replace(map) ||
	    make_room(&dma->revoked, dma->revoked_count, &dma->revoked_room)) {
		fprintf(stderr, "vggsimd: no memory left to take a mapping "
				"back from a running job: ending\n");
		abort();
	}
	dma->revoked[dma->revoked_count++] = *map;
}

void simd_dma_unmap(struct simd_dma *dma, const struct vfu_dma_unmap *unmap,
		    bool working)
{
	size_t i, kept = 0;

	for (i = 0; i < dma->count; i++) {
		if (inside(&dma->maps[i], unmap))
			drop(dma, &dma->maps[i], working);
		else
			dma->maps[kept++] = dma->maps[i];
	}
	dma->count = kept;
}

void simd_dma_settle(struct simd_dma *dma)
{
	while (dma->revoked_count) {
		const struct simd_map *map =
			&dma->revoked[--dma->revoked_count];

		munmap(map->mem, map->len);
	}
}

void simd_dma_clear(struct simd_dma *dma)
{
	struct vfu_dma_unmap all = { .flags = VFU_UNMAP_ALL };

	simd_dma_unmap(dma, &all, false);
	simd_dma_settle(dma);
	free(dma->maps);
	free(dma->revoked);
	*dma = (struct simd_dma){ 0 };
}

bool simd_dma_patch(void *page)
{
	return mmap(page, VGG_PAGE_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page;
}
