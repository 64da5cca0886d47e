// SPDX-License-Identifier: MIT
/*
 * The orientation that a camera notes instead of turning the pixels.
 *
 * Exif is a TIFF file inside a JPEG's APP1 segment ("Exif\0\0" and then TIFF)
 * or a PNG's eXIf chunk (TIFF only): a byte order ("II" or "MM"), 42, the
 * offset of a directory; the directory has a count and entries of 12 bytes:
 * tag, type, count, value. Nothing in it can be trusted; what can't be read
 * means upright, because a picture is better than none.
 */
#include <stdlib.h>
#include <string.h>

#include "image/image.h"
#include "util/error.h"

#define TAG_ORIENTATION 0x112
#define TYPE_SHORT 3
#define TYPE_LONG 4
#define ENTRY_BYTES 12

struct tiff {
	const uint8_t *data;
	size_t size;
	bool big; /* byte order */
};

static bool inside(const struct tiff *t, size_t at, size_t n)
{
	return at <= t->size && n <= t->size - at;
}

static uint32_t get16(const struct tiff *t, size_t at)
{
	const uint8_t *d = t->data + at;

	return t->big ? (uint32_t)d[0] << 8 | d[1] : (uint32_t)d[1] << 8 | d[0];
}

static uint32_t get32(const struct tiff *t, size_t at)
{
	uint32_t first = get16(t, at), second = get16(t, at + 2);

	return t->big ? first << 16 | second : second << 16 | first;
}

/* The value of an entry if it is an orientation, else 0. */
static int entry_orientation(const struct tiff *t, size_t at)
{
	uint32_t type, value;

	if (get16(t, at) != TAG_ORIENTATION || get32(t, at + 4) != 1)
		return 0;
	type = get16(t, at + 2);
	if (type != TYPE_SHORT && type != TYPE_LONG)
		return 0;
	value = type == TYPE_SHORT ? get16(t, at + 8) : get32(t, at + 8);
	return value >= 1 && value <= 8 ? (int)value : 0;
}

int vgg_exif_orientation(const uint8_t *tiff, size_t size)
{
	struct tiff t = { .data = tiff, .size = size };
	uint32_t entries, i;
	int found = 1, value;
	size_t at;

	if (size < 8)
		return 1;
	t.big = tiff[0] == 'M';
	if (memcmp(tiff, t.big ? "MM\0*" : "II*\0", 4))
		return 1;
	at = get32(&t, 4);
	if (!inside(&t, at, 2))
		return 1;
	entries = get16(&t, at);
	at += 2;
	/* A tag that comes twice: the last one counts, as for PIL. */
	for (i = 0; i < entries && inside(&t, at, ENTRY_BYTES); i++) {
		value = entry_orientation(&t, at);
		if (value)
			found = value;
		at += ENTRY_BYTES;
	}
	return found;
}

/* Segments up to the first scan: 0xff (any number of times), marker, 16-bit
 * length that counts itself. */
int vgg_exif_jpeg_orientation(const uint8_t *jpeg, size_t size)
{
	static const char exif[] = "Exif\0"; /* and one more NUL */
	struct tiff t = { .data = jpeg, .size = size, .big = true };
	size_t at = 2, length;
	uint8_t marker;

	while (inside(&t, at, 4) && jpeg[at] == 0xff) {
		marker = jpeg[at + 1];
		if (marker == 0xff) {
			at++;
			continue;
		}
		length = get16(&t, at + 2);
		if (marker == 0xda || length < 2 || !inside(&t, at + 2, length))
			return 1;
		if (marker == 0xe1 && length >= 2 + sizeof(exif) &&
		    !memcmp(jpeg + at + 4, exif, sizeof(exif)))
			return vgg_exif_orientation(jpeg + at + 4 +
							    sizeof(exif),
						    length - 2 - sizeof(exif));
		at += 2 + length;
	}
	return 1;
}

/* Where a pixel of the upright image comes from: rows and columns exchanged,
 * then counted from the right or the bottom of the stored one. */
static const struct {
	bool swap, from_right, from_bottom;
} turns[9] = {
	[2] = { false, true, false }, [3] = { false, true, true },
	[4] = { false, false, true }, [5] = { true, false, false },
	[6] = { true, false, true },  [7] = { true, true, true },
	[8] = { true, true, false },
};

static void turn(const struct vgg_image *from, struct vgg_image *to,
		 int orientation)
{
	ptrdiff_t step_x = 3, step_y = (ptrdiff_t)from->width * 3, swap;
	const uint8_t *start = from->rgb;
	uint8_t *out = to->rgb;
	int x, y;

	if (turns[orientation].from_right) {
		start += (from->width - 1) * step_x;
		step_x = -step_x;
	}
	if (turns[orientation].from_bottom) {
		start += (from->height - 1) * step_y;
		step_y = -step_y;
	}
	if (turns[orientation].swap) {
		swap = step_x;
		step_x = step_y;
		step_y = swap;
	}
	for (y = 0; y < to->height; y++)
		for (x = 0; x < to->width; x++, out += 3)
			memcpy(out, start + y * step_y + x * step_x, 3);
}

int vgg_image_orient(struct vgg_image *image, int orientation)
{
	struct vgg_image *upright;
	uint8_t *old = image->rgb;
	bool swap;
	int err;

	if (orientation < 2 || orientation > 8)
		return 0;
	swap = turns[orientation].swap;
	err = vgg_image_new(NULL, swap ? image->height : image->width,
			    swap ? image->width : image->height, &upright);
	if (err)
		return err;
	turn(image, upright, orientation);
	*image = *upright;
	upright->rgb = old;
	vgg_image_free(upright);
	return 0;
}
