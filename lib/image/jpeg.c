// SPDX-License-Identifier: MIT
/*
 * JPEG by libturbojpeg. The flags that make it faster change the pixels; with
 * the two used here they are those that PIL and torchvision give.
 */
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#include "image/image.h"
#include "util/error.h"

/* Neither touches a pixel: the first ends the decoding at the first damage, the
 * second refuses files that repeat scans to keep the decoder busy. */
#define FLAGS (TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS)

struct header {
	int width, height;
	int sampling, colours;
};

static bool starts_with(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

/* In the decoder's own words, which say more than any guess. */
static int fail_decoder(tjhandle tj, const char *name)
{
	const char *text = tjGetErrorStr2(tj);

	if (starts_with(text, "Unsupported") || starts_with(text, "Sorry") ||
	    strstr(text, "colorspace"))
		return vgg_fail(IMAGE_UNSUPPORTED, name,
				"save it as baseline or progressive RGB JPEG "
				"with 8 bits",
				"is an unusual kind of JPEG: %s", text);
	return vgg_fail(IMAGE_FORMAT, name, "copy or download it again",
			"the JPEG data is damaged or cut off: %s", text);
}

static int read_header(tjhandle tj, const char *name, const uint8_t *data,
		       size_t size, struct header *h)
{
	*h = (struct header){ -1, -1, -1, -1 };
	/* A sampling that has no name in this API is no obstacle; all else is
	 * known by then. */
	if (tjDecompressHeader3(tj, data, size, &h->width, &h->height,
				&h->sampling, &h->colours) &&
	    !(strstr(tjGetErrorStr2(tj), "subsampling") && h->width > 0 &&
	      h->height > 0 && h->colours >= 0))
		return fail_decoder(tj, name);
	/* Tables without a picture are a success to the decoder. */
	if (h->width < 1 || h->height < 1)
		return vgg_fail(IMAGE_FORMAT, name, "copy or download it again",
				"the JPEG data is damaged or cut off: there is "
				"no picture in it");
	return 0;
}

/* What the decoder writes: the image, or the plates of a printed one. */
struct target {
	struct vgg_image *image;
	uint8_t *pixels;
	int bytes; /* of a pixel */
};

static int decompress(tjhandle tj, const uint8_t *data, size_t size,
		      const struct target *t, int flags)
{
	return tjDecompress2(tj, data, size, t->pixels, t->image->width,
			     t->image->width * t->bytes, t->image->height,
			     t->bytes == 4 ? TJPF_CMYK : TJPF_RGB, flags);
}

static int read_pixels(tjhandle tj, const char *name, const uint8_t *data,
		       size_t size, const struct target *t)
{
	if (!decompress(tj, data, size, t, FLAGS))
		return 0;
	/* Some cameras pad the data before the end marker. All pixels are there
	 * and every viewer shows them, so read on past this one warning. */
	if (tjGetErrorCode(tj) == TJERR_WARNING &&
	    strstr(tjGetErrorStr2(tj), "extraneous bytes before marker 0xd9") &&
	    (!decompress(tj, data, size, t, TJFLAG_LIMITSCANS) ||
	     tjGetErrorCode(tj) == TJERR_WARNING))
		return 0;
	return fail_decoder(tj, name);
}

/*
 * CMYK. Files hold 255 less the ink, as Adobe's programs write them, most with a
 * marker that says so; PIL takes those without it to be the same, and so do
 * networks' data sets. Then a plate's value v and black's k are light that is left:
 * of black's, the share (255 - v) / 255 is taken away. That is k * v / 255 but for
 * the rounding, which is PIL's. No profile is asked: it would know better what
 * printed ink looks like, but networks were trained on this.
 */
static uint8_t light(unsigned int v, unsigned int k)
{
	return (uint8_t)(k - ((255 - v) * k + 127) / 255);
}

static void mix_plates(const struct target *t)
{
	size_t n = (size_t)t->image->width * (size_t)t->image->height, i;
	const uint8_t *from = t->pixels;
	uint8_t *to = t->image->rgb;

	for (i = 0; i < n; i++, from += 4, to += 3) {
		to[0] = light(from[0], from[3]);
		to[1] = light(from[1], from[3]);
		to[2] = light(from[2], from[3]);
	}
}

static int read_plates(tjhandle tj, const char *name, const uint8_t *data,
		       size_t size, struct vgg_image *image)
{
	struct target t = { image, NULL, 4 };
	int err;

	t.pixels = malloc((size_t)image->width * (size_t)image->height * 4);
	if (!t.pixels)
		return vgg_fail_memory("an image's CMYK pixels");
	err = read_pixels(tj, name, data, size, &t);
	if (!err)
		mix_plates(&t);
	free(t.pixels);
	return err;
}

static int read_image(tjhandle tj, const char *name, const uint8_t *data,
		      size_t size, const struct header *h,
		      struct vgg_image *image)
{
	const struct target t = { image, image->rgb, 3 };

	if (h->colours == TJCS_CMYK || h->colours == TJCS_YCCK)
		return read_plates(tj, name, data, size, image);
	return read_pixels(tj, name, data, size, &t);
}

int vgg_jpeg_decode(const char *name, const uint8_t *data, size_t size,
		    struct vgg_image **image, int *orientation)
{
	tjhandle tj = tjInitDecompress();
	struct header h;
	int err;

	*image = NULL;
	if (!tj)
		return vgg_fail_memory("the JPEG decoder");
	err = read_header(tj, name, data, size, &h);
	if (!err)
		err = vgg_image_new(name, h.width, h.height, image);
	if (!err)
		err = read_image(tj, name, data, size, &h, *image);
	tjDestroy(tj);
	if (err) {
		vgg_image_free(*image);
		*image = NULL;
		return err;
	}
	*orientation = vgg_exif_jpeg_orientation(data, size);
	return 0;
}
