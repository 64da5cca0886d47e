/* SPDX-License-Identifier: MIT */
/*
 * What the image tests share: drawn images, and the digests that
 * tools/golden/make_images.py has stored.
 */
#ifndef VGG_IMAGE_SUPPORT_H
#define VGG_IMAGE_SUPPORT_H

#include <zlib.h>

#include "vgg_harness.h"

/* Byte i of noise(); the generator's is the same. */
static inline uint8_t draw_noise(uint32_t seed, uint32_t i)
{
	uint32_t h = i * 0x9e3779b1u + seed * 0x7feb352du;

	h ^= h >> 15;
	h *= 0x45d9f3bu;
	h ^= h >> 13;
	h *= 0x119de1f3u;
	return (uint8_t)(h >> 24);
}

/* Noise, black and white, or ramps; free() it. */
static inline uint8_t *draw(uint32_t seed, int kind, size_t n)
{
	uint8_t *p = malloc(n);
	uint32_t i;

	ASSERT_TRUE(p != NULL);
	for (i = 0; i < n; i++) {
		p[i] = draw_noise(seed, i);
		if (kind == 1)
			p[i] = p[i] & 0x80 ? 255 : 0;
		else if (kind == 2)
			p[i] = (uint8_t)(i / (1 + seed % 7) + (p[i] >> 6));
	}
	return p;
}

static inline uint32_t crc(const void *data, size_t n)
{
	return (uint32_t)crc32(0, data, (unsigned int)n);
}

static inline const char *image_file(const char *name)
{
	char relative[256];

	snprintf(relative, sizeof(relative), "golden/image/%s", name);
	return test_data(relative);
}

/* Calls fn with the words behind `kind` of each line of that kind, and returns
 * how many there were. */
static inline int each_digest(const char *kind, void (*fn)(const char *words))
{
	FILE *in = fopen(image_file("digests.txt"), "r");
	size_t length = strlen(kind);
	char line[512];
	int n = 0;

	ASSERT_TRUE(in != NULL);
	while (fgets(line, sizeof(line), in)) {
		if (strncmp(line, kind, length) || line[length] != ' ')
			continue;
		fn(line + length + 1);
		n++;
	}
	fclose(in);
	return n;
}

/* A file in memory of exactly its size, so that a sanitizer sees every access
 * beyond it; free() it. */
static inline uint8_t *read_file(const char *path, size_t *size)
{
	FILE *in = fopen(path, "rb");
	uint8_t *data = malloc(1 << 20), *exact;

	ASSERT_TRUE(in && data);
	*size = fread(data, 1, 1 << 20, in);
	fclose(in);
	exact = malloc(*size ? *size : 1);
	ASSERT_TRUE(exact != NULL);
	memcpy(exact, data, *size);
	free(data);
	return exact;
}

static inline const char *temp_path(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", test_tmpdir(), name);
	return path;
}

/* Writes a file of the test's folder and returns its path. */
static inline const char *write_file(const char *name, const void *data,
				     size_t n)
{
	const char *path = temp_path(name);
	FILE *out = fopen(path, "wb");

	ASSERT_TRUE(out != NULL);
	ASSERT_EQ(n, fwrite(data, 1, n, out));
	ASSERT_EQ(0, fclose(out));
	return path;
}

#endif
