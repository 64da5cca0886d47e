// SPDX-License-Identifier: MIT
/* See quant_support.h. */
#include <math.h>
#include <png.h>
#include <sys/stat.h>

#include "net.h"
#include "quant/equalize.h"
#include "quant_support.h"
#include "shapes.h"
#include "vgg_harness.h"

void quant_paint_shapes(uint64_t *seed, int i, uint8_t *rgb)
{
	(void)seed;
	ASSERT_EQ(0, shapes_draw(77, (uint64_t)i, QUANT_SIDE, QUANT_SIDE, rgb,
				 NULL));
}

const char *quant_folder(const char *name, int count, quant_painter paint)
{
	static char path[4][512];
	static unsigned int turn;
	char *dir = path[turn++ % 4], file[600];
	png_image png = { .version = PNG_IMAGE_VERSION,
			  .width = QUANT_SIDE,
			  .height = QUANT_SIDE,
			  .format = PNG_FORMAT_RGB };
	uint64_t seed = 5;
	uint8_t rgb[QUANT_BYTES];
	int i;

	snprintf(dir, sizeof(path[0]), "%s/%s", test_tmpdir(), name);
	if (mkdir(dir, 0777))
		return dir;
	for (i = 0; i < count; i++) {
		paint(&seed, i, rgb);
		snprintf(file, sizeof(file), "%s/%03d.png", dir, i);
		ASSERT_TRUE(
			png_image_write_to_file(&png, file, 0, rgb, 0, NULL));
	}
	return dir;
}

const char *quant_good_images(void)
{
	return quant_folder("good", 40, quant_paint_shapes);
}

void quant_unbalance(struct vgg_model *m, unsigned int i, int most)
{
	unsigned int j = vgg_equalize_partner(m, i);
	struct vgg_layer *l = &m->layers[i], *next = &m->layers[j];
	float *w = vgg_blob_own_f32(&l->weight), *v, factor;
	float *b = vgg_blob_own_f32(&l->bias);
	size_t n = (size_t)vgg_channels(&l->out), k, t;
	size_t taps = l->weight.count / n;
	float *shift = l->shift.data ? vgg_blob_own_f32(&l->shift) : NULL;

	ASSERT_TRUE(j > 0);
	v = vgg_blob_own_f32(&next->weight);
	for (k = 0; k < n; k++) {
		factor = k < n * 3 / 4 ? 1 : ldexpf(1, most);
		b[k] *= factor;
		if (shift)
			shift[k] *= factor;
		for (t = 0; t < taps; t++)
			w[k * taps + t] *= factor;
		for (t = k; t < next->weight.count; t += n)
			v[t] /= factor;
	}
}

struct quant_done quant_done(struct vgg_model *m, struct vgg_quantize_options o)
{
	struct quant_done d = { .info = VGG_INIT(d.info) };

	o.size = sizeof(o);
	o.threads = 1;
	o.report = &d.report;
	OK(vgg_model_quantize(m, &o));
	ASSERT_TRUE(d.report != NULL);
	OK(vgg_quantize_report_info(d.report, &d.info));
	return d;
}

bool quant_warned(const struct quant_done *d, const char *name)
{
	struct vgg_quantize_warning w = VGG_INIT(w);
	unsigned int i;

	for (i = 0; i < d->info.warnings; i++) {
		OK(vgg_quantize_report_warning(d->report, i, &w));
		EXPECT_TRUE(*w.where && *w.what && *w.next_step);
		if (!strcmp(w.name, name))
			return true;
	}
	return false;
}
