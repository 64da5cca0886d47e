// SPDX-License-Identifier: MIT
/*
 * Quantisation: equalisation, bias correction, the report and its warnings. Networks are made so that each of these has something to do, or
 * something to spoil.
 */
#include <errno.h>
#include <math.h>
#include <png.h>
#include <sys/stat.h>

#include "net.h"
#include "quant/correct.h"
#include "quant/equalize.h"
#include "quant/look.h"
#include "run/f32.h"
#include "shapes.h"
#include "vgg_harness.h"
#include "word_net.h"

#define SIDE WORD_SIDE
#define BYTES (SIDE * SIDE * 3)

/*
 * Images in a folder of the test's.
 */
typedef void (*painter)(uint64_t *seed, int i, uint8_t *rgb);

static void paint_shapes(uint64_t *seed, int i, uint8_t *rgb)
{
	(void)seed;
	ASSERT_EQ(0, shapes_draw(77, (uint64_t)i, SIDE, SIDE, rgb, NULL));
}

static void paint_dark(uint64_t *seed, int i, uint8_t *rgb)
{
	int k;

	paint_shapes(seed, i, rgb);
	for (k = 0; k < BYTES; k++)
		rgb[k] /= 4;
}

static void paint_blank(uint64_t *seed, int i, uint8_t *rgb)
{
	int k;

	for (k = 0; k < BYTES; k++)
		rgb[k] = (uint8_t)(60 + 2 * i + test_random_in(seed, 0, 3));
}

static void paint_noise(uint64_t *seed, int i, uint8_t *rgb)
{
	int k;

	(void)i;
	for (k = 0; k < BYTES; k++)
		rgb[k] = (uint8_t)test_random_in(seed, 40, 215);
}

/* One scene, and the camera's noise. */
static void paint_still(uint64_t *seed, int i, uint8_t *rgb)
{
	int k;

	(void)i;
	paint_shapes(seed, 3, rgb);
	for (k = 0; k < BYTES; k++)
		if (rgb[k] > 2 && rgb[k] < 253)
			rgb[k] = (uint8_t)(rgb[k] +
					   (int)test_random_in(seed, 0, 2) - 1);
}

static void paint_copy(uint64_t *seed, int i, uint8_t *rgb)
{
	paint_shapes(seed, i % 20, rgb);
}

static const char *folder(const char *name, int count, painter paint)
{
	static char path[4][512];
	static unsigned int turn;
	char *dir = path[turn++ % 4], file[600];
	png_image png = { .version = PNG_IMAGE_VERSION,
			  .width = SIDE,
			  .height = SIDE,
			  .format = PNG_FORMAT_RGB };
	uint64_t seed = 5;
	uint8_t rgb[BYTES];
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

static const char *good_images(void)
{
	return folder("good", 40, paint_shapes);
}

/* The last quarter of layer i's output channels times 2^most, what follows divided by that:
 * the same function, by channels that differ. */
static void unbalance(struct vgg_model *m, unsigned int i, int most)
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

static void run_f32(const struct vgg_model *m, const float *nhwc, float *out,
		    size_t *n)
{
	struct vgg_threads *threads;
	struct vgg_f32 *f;

	*n = (size_t)vgg_shape_count(vgg_model_output(m));
	OK(vgg_threads_create(1, &threads));
	OK(vgg_f32_create(m, threads, &f));
	memcpy(out, vgg_f32_run(f, nhwc, NULL, NULL), *n * sizeof(*out));
	vgg_f32_free(f);
	vgg_threads_free(threads);
}

struct done {
	struct vgg_quantize_report *report;
	struct vgg_quantize_info info;
};

static struct done quantize(struct vgg_model *m, struct vgg_quantize_options o)
{
	struct done d = { .info = VGG_INIT(d.info) };

	o.size = sizeof(o);
	o.threads = 1;
	o.report = &d.report;
	OK(vgg_model_quantize(m, &o));
	ASSERT_TRUE(d.report != NULL);
	OK(vgg_quantize_report_info(d.report, &d.info));
	return d;
}

static bool warned(const struct done *d, const char *name)
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

/*
 * Equalisation.
 */
FIXTURE(pairs)
{
	int unused;
};
FIXTURE_VARIANT(pairs)
{
	const char *word;
	unsigned int first, partner; /* layers; 0: there is none */
};
FIXTURE_VARIANT_ADD(pairs, conv_conv){ "crcrfd", 0, 1 };
FIXTURE_VARIANT_ADD(pairs, linear){ "ccfd", 0, 1 };
FIXTURE_VARIANT_ADD(pairs, over_max_pool){ "crpcrfd", 0, 1 };
FIXTURE_VARIANT_ADD(pairs, over_norm){ "crbpcrfd", 0, 1 };
FIXTURE_VARIANT_ADD(pairs, over_average_pool){ "cracrfd", 0, 2 };
FIXTURE_VARIANT_ADD(pairs, over_zero_pad){ "cr0crfd", 0, 1 };
FIXTURE_VARIANT_ADD(pairs, over_flattening){ "crpfdrd", 0, 2 };
FIXTURE_VARIANT_ADD(pairs, connected){ "crpfdrd", 2, 3 };
FIXTURE_VARIANT_ADD(pairs, not_over_relu6){ "c6crfd", 0, 0 };
FIXTURE_VARIANT_ADD(pairs, not_over_relu6_and_pool){ "c6pcrfd", 0, 0 };
FIXTURE_VARIANT_ADD(pairs, not_over_lrn){ "crlcrfd", 0, 0 };
FIXTURE_VARIANT_ADD(pairs, not_behind_the_last){ "crfd", 2, 0 };
FIXTURE_SETUP(pairs)
{
	self->unused = 0;
}
FIXTURE_TEARDOWN(pairs)
{
	self->unused = 0;
}

/* And the network, whose channels differ where they can, is the same to the bit. */
TEST_F(pairs, found_and_equalised_exactly)
{
	uint64_t seed = test_seed();
	struct vgg_model *m = word_net(variant->word, seed);
	struct vgg_quantize_options o = { .images = good_images(),
					  .equalize = true };
	float *x = net_input(m, &seed);
	static float want[4096], got[4096];
	struct done d;
	size_t n, i;

	EXPECT_EQ(variant->partner, vgg_equalize_partner(m, variant->first));
	if (variant->partner)
		unbalance(m, variant->first, 10);
	ASSERT_LE((size_t)vgg_shape_count(vgg_model_output(m)), 4096u);
	run_f32(m, x, want, &n);
	d = quantize(m, o);
	if (variant->partner) {
		EXPECT_LT(0u, d.info.pairs);
		EXPECT_TRUE(d.info.equalized);
	}
	run_f32(m, x, got, &n);
	for (i = 0; i < n; i++)
		EXPECT_TRUE(want[i] == got[i]);
	vgg_quantize_report_free(d.report);
	vgg_model_free(m);
	free(x);
}

/* Most channels have nothing left of 8 bits. */
TEST(equalisation_brings_back_unequal_channels)
{
	static const char *const words[] = { "crcrpfd", "crpcrcrpfdrd",
					     "crbcrbpfd" };
	struct vgg_quantize_options plain = { .images = good_images() };
	struct vgg_quantize_options o = { .images = good_images(),
					  .equalize = true };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		struct vgg_model *m = word_net(words[i], 11 + i);
		struct done before, after;

		unbalance(m, 0, 10);
		before = quantize(m, plain);
		EXPECT_TRUE(warned(&before, "UNEQUAL_CHANNELS"));
		after = quantize(m, o);
		EXPECT_TRUE(!warned(&after, "UNEQUAL_CHANNELS"));
		EXPECT_TRUE(after.info.equalized);
		EXPECT_GT(after.info.cosine, before.info.cosine);
		EXPECT_GT(after.info.snr, before.info.snr + 6);
		EXPECT_NEAR(before.info.snr, after.info.plain_snr, 1e-6);
		EXPECT_GT(after.info.cosine, 0.995);
		vgg_quantize_report_free(before.report);
		vgg_quantize_report_free(after.report);
		vgg_model_free(m);
	}
}

/* A network that was trained, of the same function by channels that differ. */
TEST(equalisation_of_a_trained_network)
{
	struct vgg_quantize_options o = { .images = good_images() };
	struct done plain, before, after;
	struct vgg_model *m;
	unsigned int i;

	OK(vgg_model_load_default(&m));
	plain = quantize(m, o);
	for (i = 0; i < m->count; i++)
		if (vgg_equalize_partner(m, i))
			unbalance(m, i, 7);
	before = quantize(m, o);
	EXPECT_TRUE(warned(&before, "UNEQUAL_CHANNELS"));
	o.equalize = true;
	after = quantize(m, o);
	TH_LOG("cosine of the logits: as trained %.6f, unequal %.6f, equalised "
	       "%.6f",
	       plain.info.cosine, before.info.cosine, after.info.cosine);
	EXPECT_TRUE(plain.info.cosine >= 0.995);
	EXPECT_TRUE(before.info.cosine < plain.info.cosine - 0.005);
	EXPECT_TRUE(after.info.cosine >= 0.9995);
	vgg_quantize_report_free(plain.report);
	vgg_quantize_report_free(before.report);
	vgg_quantize_report_free(after.report);
	vgg_model_free(m);
}

/* Half precision has the same exponents to shift as long as none runs out. */
TEST(equalisation_of_a_loaded_model)
{
	struct vgg_quantize_options o = { .images = good_images(),
					  .equalize = true };
	struct vgg_model *m = word_net("crcrpfd", 9), *loaded;
	char path[512];
	struct done d;

	unbalance(m, 0, 8);
	d = quantize(m, (struct vgg_quantize_options){ .images = o.images });
	vgg_quantize_report_free(d.report);
	snprintf(path, sizeof(path), "%s/half", test_tmpdir());
	OK(vgg_model_save(m, path, VGG_KEEP_FP16));
	OK(vgg_model_load(path, &loaded));
	d = quantize(loaded, o);
	EXPECT_TRUE(d.info.equalized);
	EXPECT_GT(d.info.equalized_snr, d.info.plain_snr + 6);
	EXPECT_CONTAINS(loaded->calibration, "equalised");
	vgg_quantize_report_free(d.report);
	vgg_model_free(loaded);
	vgg_model_free(m);
}

/*
 * Bias correction.
 */

/* Filters with one large weight, and others that are all rounded down to nothing:
 * each channel loses what they would have added. */
static struct vgg_model *rounded_down(uint64_t seed)
{
	struct vgg_model *m = word_net("crcrpfd", seed);
	unsigned int i;
	size_t k;

	for (i = 0; i < m->count; i++) {
		struct vgg_layer *l = &m->layers[i];
		size_t taps = l->weight.count / 8;
		float *w;

		if (l->op != VGG_OP_CONV)
			continue;
		w = vgg_blob_own_f32(&l->weight);
		for (k = 0; k < l->weight.count; k++)
			w[k] = k % taps == k / taps ? 1 : 0.45f / 127;
	}
	return m;
}

TEST(bias_correction_takes_back_a_mean_error)
{
	struct vgg_quantize_options o = { .images = good_images() };
	struct vgg_model *m = rounded_down(4);
	struct done before, after;

	before = quantize(m, o);
	o.correct_bias = true;
	after = quantize(m, o);
	EXPECT_LT(0u, after.info.corrected);
	EXPECT_GT(after.info.cosine, before.info.cosine);
	EXPECT_GT(after.info.snr, before.info.snr + 3);
	EXPECT_NEAR(after.info.snr, after.info.corrected_snr, 1e-6);
	EXPECT_CONTAINS(m->calibration, "biases corrected");
	vgg_quantize_report_free(before.report);
	vgg_quantize_report_free(after.report);
	vgg_model_free(m);
}

/* Whatever the network is like, no output gets farther from fp32 on the samples. */
TEST(neither_does_harm)
{
	static const enum vgg_quantize_method methods[] = {
		VGG_QUANTIZE_MSE, VGG_QUANTIZE_MINMAX, VGG_QUANTIZE_PERCENTILE,
		VGG_QUANTIZE_ENTROPY
	};
	uint64_t seed = test_seed();
	int rounds = test_emulated() ? 3 : 24, i;

	for (i = 0; i < rounds; i++) {
		struct vgg_quantize_options o = {
			.max_images = 8,
			.method = methods[i % 4],
			.percentile = i % 2 ? 99 : 80,
		};
		struct vgg_model *m = net_random(&seed);
		struct done before, after;

		before = quantize(m, o);
		o.equalize = o.correct_bias = true;
		after = quantize(m, o);
		EXPECT_GE(after.info.snr, before.info.snr - 1e-9);
		if (test_state.failed)
			TH_LOG("round %d", i);
		vgg_quantize_report_free(before.report);
		vgg_quantize_report_free(after.report);
		vgg_model_free(m);
	}
}

/*
 * The report.
 */
TEST(report_tells_of_layers)
{
	struct vgg_quantize_options o = { .images = good_images(),
					  .method = VGG_QUANTIZE_PERCENTILE,
					  .percentile = 90 };
	struct vgg_model *m = word_net("crpcrfdrd", 21);
	struct vgg_quantize_layer l = VGG_INIT(l);
	double clipped = 0;
	struct done d;
	unsigned int i;
	size_t image;

	d = quantize(m, o);
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
	EXPECT_TRUE(warned(&d, "SATURATION"));
	EXPECT_EQ(-EINVAL, vgg_quantize_report_layer(d.report, 4, &l));
	OK(vgg_quantize_report_image(d.report, 39, &image));
	EXPECT_EQ(39u, image);
	EXPECT_EQ(-EINVAL, vgg_quantize_report_image(d.report, 40, &image));
	vgg_quantize_report_free(d.report);
	vgg_model_free(m);
}

TEST(report_finds_dead_channels)
{
	struct vgg_quantize_options o = { .images = good_images() };
	struct vgg_model *m = word_net("crpcrfd", 22);
	struct vgg_quantize_layer l = VGG_INIT(l);
	struct done d;

	vgg_blob_own_f32(&m->layers[0].bias)[5] = -1000;
	d = quantize(m, o);
	OK(vgg_quantize_report_layer(d.report, 0, &l));
	EXPECT_EQ(1u, l.dead);
	EXPECT_TRUE(warned(&d, "DEAD_CHANNELS"));
	vgg_quantize_report_free(d.report);
	vgg_model_free(m);
}

/* A layer alone has no errors of those before it; and one whose input is bad shows
 * by itself. */
TEST(report_tells_who_is_to_blame)
{
	struct vgg_quantize_options o = { .images = good_images() };
	struct vgg_model *m = word_net("crcrcrpfd", 23);
	struct vgg_quantize_layer l[4];
	struct done d;
	unsigned int i;

	unbalance(m, 1, 10);
	d = quantize(m, o);
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
static struct done look(const char *images)
{
	struct vgg_model *m = word_net("crpcrpfd", 31);
	struct done d =
		quantize(m, (struct vgg_quantize_options){ .images = images });

	vgg_model_free(m);
	return d;
}

static bool complains(const char *images, const char *name)
{
	struct done d = look(images);
	bool yes = warned(&d, name);

	vgg_quantize_report_free(d.report);
	return yes;
}

TEST(images_that_are_fit)
{
	EXPECT_TRUE(!complains(good_images(), "FEW_IMAGES"));
	EXPECT_TRUE(!complains(good_images(), "ALIKE_IMAGES"));
	EXPECT_TRUE(!complains(good_images(), "OUT_OF_DOMAIN"));
	EXPECT_TRUE(!complains(good_images(), "SYNTHETIC_IMAGES"));
}

TEST(images_that_are_not)
{
	const char *few = folder("few", 31, paint_shapes);
	const char *copies = folder("copies", 40, paint_copy);

	EXPECT_TRUE(complains(NULL, "SYNTHETIC_IMAGES"));
	EXPECT_TRUE(complains(few, "FEW_IMAGES"));
	EXPECT_TRUE(!complains(few, "OUT_OF_DOMAIN"));
	EXPECT_TRUE(complains(copies, "FEW_IMAGES"));
	EXPECT_TRUE(!complains(copies, "ALIKE_IMAGES"));
	EXPECT_TRUE(complains(folder("dark", 40, paint_dark), "OUT_OF_DOMAIN"));
	EXPECT_TRUE(
		complains(folder("blank", 40, paint_blank), "OUT_OF_DOMAIN"));
	EXPECT_TRUE(
		complains(folder("noise", 40, paint_noise), "OUT_OF_DOMAIN"));
	EXPECT_TRUE(
		complains(folder("still", 40, paint_still), "ALIKE_IMAGES"));
}

/* Mean 0 and deviation 1 say nothing of the images. */
TEST(conventions_are_no_domain)
{
	struct vgg_model *m = word_net("crpcrpfd", 32);
	struct done d;
	int c;

	for (c = 0; c < 3; c++) {
		m->preprocess.mean[c] = 0;
		m->preprocess.std[c] = 1;
	}
	d = quantize(m, (struct vgg_quantize_options){
				.images = folder("dark", 40, paint_dark) });
	EXPECT_TRUE(!warned(&d, "OUT_OF_DOMAIN"));
	vgg_quantize_report_free(d.report);
	vgg_model_free(m);
}

/*
 * Options.
 */
TEST(bad_options)
{
	struct vgg_quantize_options o = VGG_INIT(o);
	struct vgg_model *m = word_net("crfd", 41);

	o.percentile = 20;
	EXPECT_EQ(-EINVAL, vgg_model_quantize(m, &o));
	EXPECT_STREQ("percentile", vgg_error_last()->where);
	o.percentile = NAN;
	EXPECT_EQ(-EINVAL, vgg_model_quantize(m, &o));
	o.percentile = 0;
	o.method = (enum vgg_quantize_method)17;
	EXPECT_EQ(-EINVAL, vgg_model_quantize(m, &o));
	EXPECT_STREQ("method", vgg_error_last()->where);
	o.method = VGG_QUANTIZE_MSE;
	o.images = "/nonexistent";
	EXPECT_EQ(-ENOENT, vgg_model_quantize(m, &o));
	vgg_model_free(m);
}

static int stop(void *ctx, const char *what, unsigned int done,
		unsigned int total)
{
	int *left = ctx;

	(void)what;
	(void)done;
	(void)total;
	return !(*left)--;
}

/* Wherever it is stopped, the fp32 network is as it was, and nothing leaks. */
TEST(stopped_at_any_time)
{
	struct vgg_quantize_options o = VGG_INIT(o);
	struct vgg_quantize_report *report;
	struct vgg_model *m = word_net("crpcrfdrd", 42);
	uint64_t seed = 1;
	float *x = net_input(m, &seed), want[8], got[8];
	int at, left, err = -ECANCELED;
	size_t n;

	unbalance(m, 0, 9);
	run_f32(m, x, want, &n);
	o.images = good_images();
	o.max_images = 3;
	o.threads = 1;
	o.equalize = o.correct_bias = true;
	o.report = &report;
	o.progress = stop;
	o.progress_ctx = &left;
	for (at = 0; err; at++) {
		left = at;
		err = vgg_model_quantize(m, &o);
		if (err)
			EXPECT_EQ(-ECANCELED, err);
		EXPECT_EQ(!err, report != NULL);
		run_f32(m, x, got, &n);
		EXPECT_EQ(0, memcmp(want, got, sizeof(want)));
		ASSERT_LT(at, 1000);
	}
	EXPECT_LT(20, at);
	vgg_quantize_report_free(report);
	vgg_model_free(m);
	free(x);
}

TEST_HARNESS_MAIN
