/* SPDX-License-Identifier: MIT */
/*
 * Zip archives whose entries are stored, not compressed: each is a range of the
 * mapped file. With the 64-bit forms of sizes and offsets.
 *
 * The directory at the end of the archive counts; of the headers before the
 * entries only their length does. Archives are taken for hostile: each range
 * lies in the file. Checksums are looked at by who reads an entry, see
 * vgg_zip_check().
 */
#ifndef VGG_ZIP_H
#define VGG_ZIP_H

#include "util/file.h"

struct vgg_zip_entry {
	const char *name; /* not terminated */
	size_t name_bytes;
	const uint8_t *data;
	size_t size;
	uint32_t crc;
	bool compressed; /* data and size are of no use */
};

struct vgg_zip {
	struct vgg_zip_entry *entries; /* by name */
	size_t count;
};

/* True if the file begins like an archive (not that it is sound). */
bool vgg_zip_probe(const struct vgg_file *file);
/* MODEL_FORMAT if the archive is damaged. The file must outlive *zip; close
 * also after a failure. */
int vgg_zip_open(struct vgg_zip *zip, const char *path,
		 const struct vgg_file *file);
void vgg_zip_close(struct vgg_zip *zip);
/* MODEL_FORMAT if the bytes aren't those that the directory has the checksum of.
 * PyTorch can be told to leave checksums out: 0 is none. */
int vgg_zip_check(const struct vgg_zip_entry *e, const char *path);
/* NULL if there is none; no error. */
const struct vgg_zip_entry *vgg_zip_find(const struct vgg_zip *zip,
					 const char *name, size_t name_bytes);

#endif
