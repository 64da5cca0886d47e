// SPDX-License-Identifier: MIT
/*
 * Quantisation: equalisation, bias correction, options. Networks are made so that each
 * of these has something to do, or something to spoil.
 */
#include <errno.h>
#include <math.h>

#include "net.h"
#include "quant/equalize.h"
#include "quant_support.h"
#include "run/f32.h"
#include "vgg_harness.h"

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
	struct vgg_quantize_options o = { .images = quant_good_images(),
					  .equalize = true };
	float *x = net_input(m, &seed);
	static float want[4096], got[4096];
	struct quant_done d;
	size_t n, i;

	EXPECT_EQ(variant->partner, vgg_equalize_partner(m, variant->first));
	if (variant->partner)
		quant_unbalance(m, variant->first, 10);
	ASSERT_LE((size_t)vgg_shape_count(vgg_model_output(m)), 4096u);
	run_f32(m, x, want, &n);
	d = quant_done(m, o);
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
	struct vgg_quantize_options plain = { .images = quant_good_images() };
	struct vgg_quantize_options o = { .images = quant_good_images(),
					  .equalize = true };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		struct vgg_model *m = word_net(words[i], 11 + i);
		struct quant_done before, after;

		quant_unbalance(m, 0, 10);
		before = quant_done(m, plain);
		EXPECT_TRUE(quant_warned(&before, "UNEQUAL_CHANNELS"));
		after = quant_done(m, o);
		EXPECT_TRUE(!quant_warned(&after, "UNEQUAL_CHANNELS"));
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
	struct vgg_quantize_options o = { .images = quant_good_images() };
	struct quant_done plain, before, after;
	struct vgg_model *m;
	unsigned int i;

	OK(vgg_model_load_default(&m));
	plain = quant_done(m, o);
	for (i = 0; i < m->count; i++)
		if (vgg_equalize_partner(m, i))
			quant_unbalance(m, i, 7);
	before = quant_done(m, o);
	EXPECT_TRUE(quant_warned(&before, "UNEQUAL_CHANNELS"));
	o.equalize = true;
	after = quant_done(m, o);
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
	struct vgg_quantize_options o = { .images = quant_good_images(),
					  .equalize = true };
	struct vgg_model *m = word_net("crcrpfd", 9), *loaded;
	char path[512];
	struct quant_done d;

	quant_unbalance(m, 0, 8);
	d = quant_done(m, (struct vgg_quantize_options){ .images = o.images });
	vgg_quantize_report_free(d.report);
	snprintf(path, sizeof(path), "%s/half", test_tmpdir());
	OK(vgg_model_save(m, path, VGG_KEEP_FP16));
	OK(vgg_model_load(path, &loaded));
	d = quant_done(loaded, o);
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
	struct vgg_quantize_options o = { .images = quant_good_images() };
	struct vgg_model *m = rounded_down(4);
	struct quant_done before, after;

	before = quant_done(m, o);
	o.correct_bias = true;
	after = quant_done(m, o);
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
		struct quant_done before, after;

		before = quant_done(m, o);
		o.equalize = o.correct_bias = true;
		after = quant_done(m, o);
		EXPECT_GE(after.info.snr, before.info.snr - 1e-9);
		if (test_state.failed)
			TH_LOG("round %d", i);
		vgg_quantize_report_free(before.report);
		vgg_quantize_report_free(after.report);
		vgg_model_free(m);
	}
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

	quant_unbalance(m, 0, 9);
	run_f32(m, x, want, &n);
	o.images = quant_good_images();
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
