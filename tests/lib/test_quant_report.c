// SPDX-License-Identifier: MIT
/*
 * Reports of quantisation and their warnings: of networks and images that each of them
 * is about, and of others that none is.
 */
#include <errno.h>
#include <math.h>

#include "net.h"
#include "quant_support.h"
#include "vgg_harness.h"

/*
 * Images in a folder of the test's.
 */
static void paint_dark(uint64_t *seed, int i, uint8_t *rgb)
{
	int k;

	quant_paint_shapes(seed, i, rgb);
	for (k = 0; k < QUANT_BYTES; k++)
		rgb[k] /= 4;
}

static void paint_blank(uint64_t *seed, int i, uint8_t *rgb)
{
	int k;

	for (k = 0; k < QUANT_BYTES; k++)
		rgb[k] = (uint8_t)(60 + 2 * i + test_random_in(seed, 0, 3));
}

static void paint_noise(uint64_t *seed, int i, uint8_t *rgb)
{
	int k;

	(void)i;
	for (k = 0; k < QUANT_BYTES; k++)
		rgb[k] = (uint8_t)test_random_in(seed, 40, 215);
}

/* One scene, and the camera's noise. */
static void paint_still(uint64_t *seed, int i, uint8_t *rgb)
{
	int k;

	(void)i;
	quant_paint_shapes(seed, 3, rgb);
	for (k = 0; k < QUANT_BYTES; k++)
		if (rgb[k] > 2 && rgb[k] < 253)
			rgb[k] = (uint8_t)(rgb[k] +
					   (int)test_random_in(seed, 0, 2) - 1);
}

static void paint_copy(uint64_t *seed, int i, uint8_t *rgb)
{
	quant_paint_shapes(seed, i % 20, rgb);
}

/*
 * The report.
 */
TEST(report_tells_of_layers)
{
	struct vgg_quantize_options o = { .images = quant_good_images(),
					  .method = VGG_QUANTIZE_PERCENTILE,
					  .percentile = 90 };
	struct vgg_model *m = word_net("crpcrfdrd", 21);
	struct vgg_quantize_layer l = VGG_INIT(l);
	double clipped = 0;
	struct quant_done d;
	unsigned int i;
	size_t image;

	d = quant_done(m, o);
	EXPECT_EQ(40u, d.info.images);
	EXPECT_EQ(40u, d.info.distinct);
	EXPECT_EQ(4u, d.info.layers); /* no flattening */
	for (i = 0; i < d.info.layers; i++) {
		const struct vgg_quant *q;

		OK(vgg_quantize_report_layer(d.report, i, &l));
		q = &m->layers[l.layer].out_q;
		EXPECT_TRUE(l.name == m->layers[l.layer].name);
		EXPECT_TRUE(l.scale == q->scale && l.zero == q->zero);
		EXPECT_NEAR((127 - l.zero) * (double)l.scale, l.hi, 1e-6);
		EXPECT_NEAR((-128 - l.zero) * (double)l.scale, l.lo, 1e-6);
		EXPECT_EQ(8u, l.channels);
		if (!i) {
			EXPECT_NEAR(l.cosine_alone, l.cosine, 1e-12);
			EXPECT_NEAR(l.snr_alone, l.snr, 1e-9);
		}
		EXPECT_TRUE(l.max > l.hi);
		clipped = fmax(clipped, l.clipped);
	}
	EXPECT_NEAR(d.info.snr, l.snr, 1e-12);
	EXPECT_LT(0.05, clipped);
	EXPECT_LE(clipped, 0.25);
	EXPECT_TRUE(quant_warned(&d, "SATURATION"));
	EXPECT_EQ(-EINVAL, vgg_quantize_report_layer(d.report, 4, &l));
	OK(vgg_quantize_report_image(d.report, 39, &image));
	EXPECT_EQ(39u, image);
	EXPECT_EQ(-EINVAL, vgg_quantize_report_image(d.report, 40, &image));
	vgg_quantize_report_free(d.report);
	vgg_model_free(m);
}

TEST(report_finds_dead_channels)
{
	struct vgg_quantize_options o = { .images = quant_good_images() };
	struct vgg_model *m = word_net("crpcrfd", 22);
	struct vgg_quantize_layer l = VGG_INIT(l);
	struct quant_done d;

	vgg_blob_own_f32(&m->layers[0].bias)[5] = -1000;
	d = quant_done(m, o);
	OK(vgg_quantize_report_layer(d.report, 0, &l));
	EXPECT_EQ(1u, l.dead);
	EXPECT_TRUE(quant_warned(&d, "DEAD_CHANNELS"));
	vgg_quantize_report_free(d.report);
	vgg_model_free(m);
}

/* Behind a rectifier many filters are silent on a few images. Weights can prove that they
 * always are. */
TEST(report_spares_sparse_channels)
{
	struct vgg_quantize_options o = { .images = quant_good_images(),
					  .max_images = 3 };
	struct vgg_model *m = word_net("crpfdrd", 24);
	struct vgg_quantize_layer l = VGG_INIT(l);
	unsigned int fc = 2, k;
	float *bias, *w;
	struct quant_done d;

	EXPECT_TRUE(m->layers[fc].op == VGG_OP_CONV);
	bias = vgg_blob_own_f32(&m->layers[fc].bias);
	for (k = 0; k < 3; k++)
		bias[k] = -30;
	d = quant_done(m, o);
	OK(vgg_quantize_report_layer(d.report, 1, &l));
	EXPECT_EQ(fc, l.layer);
	EXPECT_LE(3u, l.dead);
	EXPECT_EQ(0u, l.dead_proved);
	EXPECT_TRUE(!quant_warned(&d, "DEAD_CHANNELS"));
	vgg_quantize_report_free(d.report);
	w = vgg_blob_own_f32(&m->layers[fc].weight);
	memset(w, 0, m->layers[fc].weight.count / 8 * sizeof(*w));
	d = quant_done(m, o);
	OK(vgg_quantize_report_layer(d.report, 1, &l));
	EXPECT_EQ(1u, l.dead_proved);
	EXPECT_TRUE(quant_warned(&d, "DEAD_CHANNELS"));
	vgg_quantize_report_free(d.report);
	vgg_model_free(m);
}

/* ... as is a BatchNorm that multiplies by 0. */
TEST(report_finds_channels_that_a_norm_ends)
{
	struct vgg_quantize_options o = { .images = quant_good_images() };
	struct vgg_model *m = word_net("crbcrfd", 25);
	struct vgg_quantize_layer l = VGG_INIT(l);
	struct quant_done d;

	ASSERT_TRUE(m->layers[0].scale.data != NULL);
	vgg_blob_own_f32(&m->layers[0].scale)[3] = 0;
	d = quant_done(m, o);
	OK(vgg_quantize_report_layer(d.report, 0, &l));
	EXPECT_EQ(1u, l.dead_proved);
	vgg_quantize_report_free(d.report);
	vgg_model_free(m);
}

/* Each method on a network that was trained, with BatchNorm behind its rectifiers. No
 * warning tells to change what is best. */
TEST(methods_on_a_trained_network)
{
	struct vgg_quantize_options o = { .images = quant_good_images() };
	struct vgg_model *m;
	double snr[4];
	struct quant_done d;
	int method;

	OK(vgg_model_load_default(&m));
	for (method = 0; method < 4; method++) {
		o.method = (enum vgg_quantize_method)method;
		d = quant_done(m, o);
		TH_LOG("%s: cosine %.6f, %.2f dB", m->calibration,
		       d.info.cosine, d.info.snr);
		snr[method] = d.info.snr;
		EXPECT_TRUE(d.info.cosine >= 0.9995);
		EXPECT_TRUE(!quant_warned(&d, "FAR_FROM_FP32"));
		if (method == VGG_QUANTIZE_MSE || method == VGG_QUANTIZE_MINMAX)
			EXPECT_TRUE(!quant_warned(&d, "SATURATION"));
		vgg_quantize_report_free(d.report);
	}
	EXPECT_GT(snr[VGG_QUANTIZE_MSE], snr[VGG_QUANTIZE_MINMAX] - 0.3);
	EXPECT_GT(snr[VGG_QUANTIZE_ENTROPY], 28.0);
	vgg_model_free(m);
}

TEST(report_tells_of_a_bad_result)
{
	struct vgg_quantize_options o = { .images = quant_good_images(),
					  .method = VGG_QUANTIZE_PERCENTILE,
					  .percentile = 60 };
	struct vgg_model *m = word_net("crpcrfdrd", 21);
	struct quant_done d;

	d = quant_done(m, o);
	EXPECT_TRUE(d.info.snr < 20);
	EXPECT_TRUE(quant_warned(&d, "FAR_FROM_FP32"));
	vgg_quantize_report_free(d.report);
	d = quant_done(m, (struct vgg_quantize_options){ .images = o.images });
	EXPECT_TRUE(d.info.snr > 20 && d.info.cosine > 0.995);
	EXPECT_TRUE(!quant_warned(&d, "FAR_FROM_FP32"));
	vgg_quantize_report_free(d.report);
	vgg_model_free(m);
}

/* As a graph that was quantised already: it keeps its scales, which is told, and is
 * measured on images that are named. */
TEST(given_scales_stay)
{
	struct vgg_model *m = word_net("crpcrfdrd", 26);
	struct vgg_quantize_options o = { .images = quant_good_images() };
	struct vgg_quantize_layer l = VGG_INIT(l);
	float scale;
	struct quant_done d;
	unsigned int i;

	d = quant_done(m, o);
	vgg_quantize_report_free(d.report);
	m->in_q.pinned = true;
	for (i = 0; i < m->integer_layers; i++)
		m->layers[i].out_q.pinned = true;
	scale = m->layers[0].out_q.scale;
	o.method = VGG_QUANTIZE_PERCENTILE;
	o.percentile = 60;
	d = quant_done(m, o);
	EXPECT_TRUE(d.info.given);
	EXPECT_EQ(40u, d.info.images);
	EXPECT_TRUE(quant_warned(&d, "SCALES_GIVEN"));
	EXPECT_EQ(1u, d.info.warnings);
	EXPECT_TRUE(m->layers[0].out_q.scale == scale);
	EXPECT_TRUE(d.info.cosine > 0.99 && d.info.snr > 20);
	OK(vgg_quantize_report_layer(d.report, 0, &l));
	EXPECT_TRUE(l.max > l.min && l.cosine_alone > 0.99);
	EXPECT_STREQ("given by the file", m->calibration);
	vgg_quantize_report_free(d.report);
	o.images = NULL;
	d = quant_done(m, o);
	EXPECT_TRUE(d.info.given && !d.info.images);
	EXPECT_TRUE(quant_warned(&d, "SCALES_GIVEN"));
	vgg_quantize_report_free(d.report);
	vgg_model_free(m);
}

/* Those of its weights, too: also of a file that was imported before. */
TEST(given_weights_stay)
{
	struct vgg_model *m = word_net("crpcrfd", 27), *loaded;
	struct quant_done d = quant_done(
		m,
		(struct vgg_quantize_options){ .images = quant_good_images() });
	struct vgg_layer *l = m->layers;
	char path[512];
	float *scale;
	unsigned int i;

	vgg_quantize_report_free(d.report);
	m->in_q.pinned = true;
	for (i = 0; i < m->integer_layers; i++)
		l[i].out_q.pinned = true;
	scale = vgg_blob_alloc(&l->weight_scale, VGG_F32, 8);
	ASSERT_TRUE(scale != NULL);
	for (i = 0; i < 8; i++)
		scale[i] = 0.01f + 0.001f * (float)i;
	d = quant_done(m, (struct vgg_quantize_options){ 0 });
	vgg_quantize_report_free(d.report);
	snprintf(path, sizeof(path), "%s/given", test_tmpdir());
	OK(vgg_model_save(m, path, VGG_KEEP_FP32));
	OK(vgg_model_load(path, &loaded));
	d = quant_done(loaded, (struct vgg_quantize_options){ 0 });
	vgg_quantize_report_free(d.report);
	ASSERT_EQ(l->qweight.count, loaded->layers[0].qweight.count);
	EXPECT_EQ(0, memcmp(l->qweight.data, loaded->layers[0].qweight.data,
			    l->qweight.count));
	vgg_model_free(loaded);
	vgg_model_free(m);
}

/* A layer alone has no errors of those before it; and one whose input is bad shows
 * by itself. */
TEST(report_tells_who_is_to_blame)
{
	struct vgg_quantize_options o = { .images = quant_good_images() };
	struct vgg_model *m = word_net("crcrcrpfd", 23);
	struct vgg_quantize_layer l[4];
	struct quant_done d;
	unsigned int i;

	quant_unbalance(m, 1, 10);
	d = quant_done(m, o);
	for (i = 0; i < 4; i++) {
		l[i].size = sizeof(l[i]);
		OK(vgg_quantize_report_layer(d.report, i, &l[i]));
	}
	EXPECT_GT(l[3].snr_alone, l[3].snr + 3);
	/* Its input has lost the small channels. */
	EXPECT_LT(l[2].snr_alone, l[0].snr_alone - 6);
	EXPECT_GT(l[1].spread, 16.0);
	EXPECT_LT(l[0].spread, 16.0);
	vgg_quantize_report_free(d.report);
	vgg_model_free(m);
}

/*
 * Images.
 */
static struct quant_done look(const char *images)
{
	struct vgg_model *m = word_net("crpcrpfd", 31);
	struct quant_done d = quant_done(
		m, (struct vgg_quantize_options){ .images = images });

	vgg_model_free(m);
	return d;
}

static bool complains(const char *images, const char *name)
{
	struct quant_done d = look(images);
	bool yes = quant_warned(&d, name);

	vgg_quantize_report_free(d.report);
	return yes;
}

TEST(images_that_are_fit)
{
	EXPECT_TRUE(!complains(quant_good_images(), "FEW_IMAGES"));
	EXPECT_TRUE(!complains(quant_good_images(), "ALIKE_IMAGES"));
	EXPECT_TRUE(!complains(quant_good_images(), "OUT_OF_DOMAIN"));
	EXPECT_TRUE(!complains(quant_good_images(), "SYNTHETIC_IMAGES"));
}

TEST(images_that_are_not)
{
	const char *few = quant_folder("few", 31, quant_paint_shapes);
	const char *copies = quant_folder("copies", 40, paint_copy);

	EXPECT_TRUE(complains(NULL, "SYNTHETIC_IMAGES"));
	EXPECT_TRUE(complains(few, "FEW_IMAGES"));
	EXPECT_TRUE(!complains(few, "OUT_OF_DOMAIN"));
	EXPECT_TRUE(complains(copies, "FEW_IMAGES"));
	EXPECT_TRUE(!complains(copies, "ALIKE_IMAGES"));
	EXPECT_TRUE(complains(quant_folder("dark", 40, paint_dark),
			      "OUT_OF_DOMAIN"));
	EXPECT_TRUE(complains(quant_folder("blank", 40, paint_blank),
			      "OUT_OF_DOMAIN"));
	EXPECT_TRUE(complains(quant_folder("noise", 40, paint_noise),
			      "OUT_OF_DOMAIN"));
	EXPECT_TRUE(complains(quant_folder("still", 40, paint_still),
			      "ALIKE_IMAGES"));
}

/* As Keras' VGG16: the mean is subtracted, steps of 0..255 stay. */
TEST(a_unit_is_no_deviation)
{
	static const float mean[] = { 0.485f, 0.458f, 0.408f };
	struct vgg_model *m = word_net("crpcrpfd", 33);
	struct quant_done d;
	int c;

	for (c = 0; c < 3; c++) {
		m->preprocess.mean[c] = mean[c];
		m->preprocess.std[c] = 1 / 255.0f;
	}
	d = quant_done(m, (struct vgg_quantize_options){
				  .images = quant_good_images() });
	EXPECT_TRUE(!quant_warned(&d, "OUT_OF_DOMAIN"));
	vgg_quantize_report_free(d.report);
	d = quant_done(
		m, (struct vgg_quantize_options){
			   .images = quant_folder("dark", 40, paint_dark) });
	EXPECT_TRUE(quant_warned(&d, "OUT_OF_DOMAIN"));
	vgg_quantize_report_free(d.report);
	/* Halves are a convention. */
	for (c = 0; c < 3; c++)
		m->preprocess.mean[c] = 0.5f;
	d = quant_done(
		m, (struct vgg_quantize_options){
			   .images = quant_folder("dark", 40, paint_dark) });
	EXPECT_TRUE(!quant_warned(&d, "OUT_OF_DOMAIN"));
	vgg_quantize_report_free(d.report);
	vgg_model_free(m);
}

/* Mean 0 and deviation 1 say nothing of the images. */
TEST(conventions_are_no_domain)
{
	struct vgg_model *m = word_net("crpcrpfd", 32);
	struct quant_done d;
	int c;

	for (c = 0; c < 3; c++) {
		m->preprocess.mean[c] = 0;
		m->preprocess.std[c] = 1;
	}
	d = quant_done(
		m, (struct vgg_quantize_options){
			   .images = quant_folder("dark", 40, paint_dark) });
	EXPECT_TRUE(!quant_warned(&d, "OUT_OF_DOMAIN"));
	vgg_quantize_report_free(d.report);
	vgg_model_free(m);
}

TEST_HARNESS_MAIN
