// SPDX-License-Identifier: MIT
/*
 * JPEG by libturbojpeg. The flags that make it faster change the pixels; with
 * the two used here they are those that PIL and torchvision give.
 */
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
	if (h->colours == TJCS_CMYK || h->colours == TJCS_YCCK)
		return vgg_fail(IMAGE_UNSUPPORTED, name,
				"convert it to RGB, for example with "
				"`convert IN -colorspace sRGB OUT`",
				"has CMYK colours, which have a meaning for "
				"printers only");
	return 0;
}

static int decompress(tjhandle tj, const uint8_t *data, size_t size,
		      const struct vgg_image *image, int flags)
{
	return tjDecompress2(tj, data, size, image->rgb, image->width,
			     image->width * 3, image->height, TJPF_RGB, flags);
}

static int read_pixels(tjhandle tj, const char *name, const uint8_t *data,
		       size_t size, struct vgg_image *image)
{
	if (!decompress(tj, data, size, image, FLAGS))
		return 0;
	/* Some cameras pad the data before the end marker. All pixels are there
	 * and every viewer shows them, so read on past this one warning. */
	if (tjGetErrorCode(tj) == TJERR_WARNING &&
	    strstr(tjGetErrorStr2(tj), "extraneous bytes before marker 0xd9") &&
	    (!decompress(tj, data, size, image, TJFLAG_LIMITSCANS) ||
	     tjGetErrorCode(tj) == TJERR_WARNING))
		return 0;
	return fail_decoder(tj, name);
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
		err = read_pixels(tj, name, data, size, *image);
	tjDestroy(tj);
	if (err) {
		vgg_image_free(*image);
		*image = NULL;
		return err;
	}
	*orientation = vgg_exif_jpeg_orientation(data, size);
	return 0;
}
