// SPDX-License-Identifier: MIT
/*
 * Analysis by layers: what is broken on purpose is found, in the layer where it was
 * broken and for what it is; what is not broken is not.
 */
#include <errno.h>
#include <math.h>

#include "apart.h"
#include "net.h"
#include "quant/samples.h"
#include "vgg_harness.h"
#include "word_net.h"

#define IMAGES 3

/* Plain; odd padding; BatchNorm behind ReLUs, fused pools; clips; LRN, averages. */
static const char *const words[] = {
	"crcrpcrfdrd", "urcrqurqfdrd", "crbcrbpcrbpfdrbd",
	"c6cb6p0crfd", "crlcrafd",
};
#define WORDS (sizeof(words) / sizeof(*words))

/* Those that the networks are calibrated with. */
static struct vgg_image *draw(const struct vgg_model *m, unsigned int i)
{
	uint8_t rgb[WORD_SIDE * WORD_SIDE * 3];
	struct vgg_image *image;

	vgg_synthetic_draw(&m->preprocess, i, rgb);
	OK(vgg_image_from_rgb(rgb, WORD_SIDE, WORD_SIDE, WORD_SIDE * 3,
			      &image));
	return image;
}

/* The analysis of a device, which it ends before. */
struct analysed {
	struct vgg_device *d;
	struct vgg_analysis *a;
};

static void add_images(struct analysed *on, const struct vgg_model *m)
{
	struct vgg_image *image;
	unsigned int i;

	for (i = 0; i < IMAGES; i++) {
		image = draw(m, i);
		OK(vgg_analysis_add_image(on->a, image));
		vgg_image_free(image);
	}
}

static struct analysed analyse_with(const struct vgg_model *m,
				    const struct vgg_analysis_options *o,
				    const char *device, const char *fault)
{
	struct vgg_device_options d = VGG_INIT(d);
	struct analysed on;

	d.inject = fault;
	OK(device ? vgg_device_open(device, &d, &on.d) :
		    apart_open(NULL, &on.d));
	OK(vgg_analysis_create(on.d, m, o, &on.a));
	add_images(&on, m);
	return on;
}

static struct analysed analyse(const struct vgg_model *m)
{
	return analyse_with(m, NULL, "cpu", NULL);
}

static void end(struct analysed *on)
{
	vgg_analysis_free(on->a);
	vgg_device_close(on->d);
}

static struct vgg_analysis_layer layer_of(const struct analysed *on,
					  unsigned int i)
{
	struct vgg_analysis_layer l = VGG_INIT(l);

	OK(vgg_analysis_layer(on->a, i, &l));
	return l;
}

static const struct vgg_error *found(const struct analysed *on, unsigned int i)
{
	return vgg_analysis_finding(on->a, i);
}

static struct vgg_model *make(const char *word)
{
	struct vgg_model *m = word_net(word, 77);

	net_quantize(m);
	return m;
}

/* Card and CPU give the same figures, nothing is named; also where the card
 * doesn't see the CPU's caches. */
static void expect_clean(const char *word, const char *device)
{
	struct vgg_model *m = make(word);
	struct analysed a = analyse_with(m, NULL, device, NULL);
	const struct vgg_error *f = found(&a, 0);
	unsigned int i, on_card = 0;

	if (f)
		test_fail(__FILE__, __LINE__, "%s: %s: %s", word, f->where,
			  f->what);
	for (i = 0; i < m->integer_layers; i++) {
		struct vgg_analysis_layer l = layer_of(&a, i);

		EXPECT_EQ(0u, l.differing + l.differing_alone);
		EXPECT_EQ((uint64_t)IMAGES *
				  (uint64_t)vgg_shape_count(&m->layers[i].out),
			  l.elements);
		EXPECT_EQ(0u, l.wrong);
		EXPECT_TRUE(l.has_fp32);
		EXPECT_LT(25.0, l.alone.snr);
		EXPECT_LT(0.997, l.alone.cosine);
		EXPECT_NEAR(1, l.gain, 0.02);
		EXPECT_TRUE(l.card_alone.snr == l.alone.snr);
		EXPECT_TRUE(l.card_upto.snr == l.upto.snr);
		EXPECT_TRUE(l.card_upto.max_steps == l.upto.max_steps);
		EXPECT_LE(l.alone.max_error,
			  l.alone.max_steps * (l.hi - l.lo) / 255 * 1.0001);
		on_card += l.on_card;
	}
	EXPECT_LT(0u, on_card);
	/* The first has nothing before it. */
	EXPECT_TRUE(layer_of(&a, 0).alone.snr == layer_of(&a, 0).upto.snr);
	end(&a);
	vgg_model_free(m);
}

TEST_TIMEOUT(sound_networks_have_no_findings, 120)
{
	unsigned int i;

	for (i = 0; i < WORDS; i++) {
		expect_clean(words[i], "sim");
		expect_clean(words[i], NULL);
	}
}

/* One output, by a session of its own. */
static void run(const struct vgg_model *m, enum vgg_precision precision,
		unsigned int i, float *to, unsigned int count)
{
	struct vgg_session_options o = VGG_INIT(o);
	struct vgg_image *image = draw(m, i);
	struct vgg_result r = VGG_INIT(r);
	struct vgg_session *s;
	struct vgg_device *d;

	o.precision = precision;
	OK(vgg_device_open("cpu", NULL, &d));
	OK(vgg_session_create(d, m, &o, &s));
	OK(vgg_session_run_image(s, image, &r));
	ASSERT_EQ(count, r.count);
	memcpy(to, r.output, count * sizeof(*to));
	vgg_image_free(image);
	vgg_session_free(s);
	vgg_device_close(d);
}

/* What sessions put out, compared here. */
TEST(figures_are_what_they_say)
{
	struct vgg_model *m = make("crcrfd");
	unsigned int last = m->integer_layers - 1, i, k;
	struct analysed a = analyse(m);
	struct vgg_analysis_layer l = layer_of(&a, last);
	double cosine = 0, signal = 0, noise = 0, worst = 0;
	float x[8], y[8];

	for (i = 0; i < IMAGES; i++) {
		double xx = 0, yy = 0, xy = 0;

		run(m, VGG_PRECISION_FP32, i, x, 8);
		run(m, VGG_PRECISION_INT8, i, y, 8);
		for (k = 0; k < 8; k++) {
			double e = (double)x[k] - (double)y[k];

			xx += (double)x[k] * (double)x[k];
			yy += (double)y[k] * (double)y[k];
			xy += (double)x[k] * (double)y[k];
			noise += e * e;
			worst = fmax(worst, fabs(e));
		}
		signal += xx;
		cosine += xy / sqrt(xx * yy) / IMAGES;
	}
	EXPECT_NEAR(cosine, l.upto.cosine, 1e-9);
	EXPECT_NEAR(10 * log10(signal / noise), l.upto.snr, 1e-3);
	EXPECT_NEAR(worst, l.upto.max_error, 1e-6);
	EXPECT_NEAR(worst / (double)m->layers[last].out_q.scale,
		    l.upto.max_steps, 1e-3);
	EXPECT_NEAR((double)m->layers[last].out_q.scale * 255, l.hi - l.lo,
		    1e-6);
	EXPECT_LE(l.min, l.max);
	end(&a);
	vgg_model_free(m);
}

/*
 * Damage.
 */
static struct vgg_qparam *params(struct vgg_model *m, unsigned int i)
{
	struct vgg_layer *l = &m->layers[i];

	return l->op == VGG_OP_CONV ? (struct vgg_qparam *)l->qparam.data :
				      NULL;
}

/* A quarter of what it should be. */
static void spoil_scale(struct vgg_model *m, unsigned int i, int by)
{
	unsigned int n = (unsigned int)vgg_channels(&m->layers[i].out), c;

	for (c = 0; c < n; c++)
		params(m, i)[c].shift += by;
}

/* Layer i is the one that is wrong, and the only one that is so alone. */
static void expect_named(const struct vgg_model *m, const struct analysed *a,
			 unsigned int i)
{
	const struct vgg_error *f = found(a, 0);
	unsigned int k;

	ASSERT_TRUE(f != NULL);
	EXPECT_STREQ("LAYER_ERROR", f->name);
	EXPECT_STREQ(m->layers[i].name, f->where);
	EXPECT_CONTAINS(f->what, "(layers with that: 1)");
	EXPECT_NE(0, *f->next_step);
	/* What comes of it is no finding of its own. */
	EXPECT_TRUE(found(a, 1) == NULL);
	for (k = 0; k < m->integer_layers; k++) {
		unsigned int wrong = layer_of(a, k).wrong;

		if (k < i)
			EXPECT_EQ(0u, wrong);
		else if (k == i)
			EXPECT_EQ((unsigned int)VGG_ERROR_LAYER_ERROR, wrong);
		else
			EXPECT_NE((unsigned int)VGG_ERROR_LAYER_ERROR, wrong);
	}
}

TEST_TIMEOUT(a_wrong_scale_is_named_in_every_layer, 120)
{
	unsigned int w, i, spoilt = 0;

	for (w = 0; w < WORDS; w++) {
		struct vgg_model *m = make(words[w]);

		for (i = 0; i < m->integer_layers; i++) {
			struct analysed a;

			if (!params(m, i))
				continue;
			spoil_scale(m, i, 2);
			a = analyse(m);
			expect_named(m, &a, i);
			/* BatchNorm's shift is not scaled. */
			if (!m->layers[i].shift.data && !m->in_q.pinned &&
			    layer_of(&a, i).alone.cosine > 0.9)
				EXPECT_CONTAINS(found(&a, 0)->what,
						"times as large as fp32");
			end(&a);
			spoil_scale(m, i, -2);
			spoilt++;
		}
		vgg_model_free(m);
	}
	EXPECT_LT(15u, spoilt);
}

TEST_TIMEOUT(a_damaged_channel_is_named, 120)
{
	struct vgg_model *m = make("crcrpcrfd");
	struct analysed a;
	unsigned int i, k, damaged = 0;

	for (i = 0; i < m->integer_layers; i++) {
		size_t taps = m->layers[i].qweight.count / 8;
		int8_t *w = (int8_t *)m->layers[i].qweight.data + 3 * taps;

		if (!params(m, i))
			continue;
		for (k = 0; k < taps; k++)
			w[k] = (int8_t)(k % 2 ? 100 : -w[k]);
		a = analyse(m);
		expect_named(m, &a, i);
		EXPECT_EQ(3u, layer_of(&a, i).worst_channel);
		EXPECT_LT(0.9, layer_of(&a, i).worst_share);
		EXPECT_CONTAINS(found(&a, 0)->what, "channel 3 has ");
		damaged++;
		end(&a);
		vgg_model_free(m);
		m = make("crcrpcrfd");
	}
	EXPECT_EQ(4u, damaged);
	vgg_model_free(m);
}

TEST_TIMEOUT(a_range_that_cuts_off_is_told, 60)
{
	struct vgg_quantize_options o = VGG_INIT(o);
	struct vgg_model *m = word_net("crcrpcrfd", 77);
	struct analysed a;

	o.method = VGG_QUANTIZE_PERCENTILE;
	o.percentile = 60;
	OK(vgg_model_quantize(m, &o));
	a = analyse(m);
	ASSERT_TRUE(found(&a, 0) != NULL);
	EXPECT_CONTAINS(found(&a, 0)->what, "beyond the range of int8");
	EXPECT_CONTAINS(found(&a, 0)->next_step, "--method minmax");
	EXPECT_LT(0.01, layer_of(&a, 0).clipped);
	end(&a);
	vgg_model_free(m);
}

/* Limits between what layers have alone and what they have together. */
TEST(errors_that_add_up)
{
	struct vgg_analysis_options o = VGG_INIT(o);
	struct vgg_model *m = make("crcrcrcrcrcrfd");
	unsigned int n = m->integer_layers, i, first = n, weakest = 0;
	struct analysed a = analyse(m);
	const struct vgg_error *f;
	double least = INFINITY;

	for (i = 0; i < n; i++)
		if (layer_of(&a, i).alone.snr < least)
			least = layer_of(&a, i).alone.snr;
	o.min_snr_alone = least - 0.1;
	o.min_snr = least - 0.1;
	for (i = n; i--;)
		if (layer_of(&a, i).upto.snr < o.min_snr)
			first = i;
	ASSERT_LT(first, n);
	for (i = 0; i <= first; i++)
		if (layer_of(&a, i).alone.snr < layer_of(&a, weakest).alone.snr)
			weakest = i;
	end(&a);
	a = analyse_with(m, &o, "cpu", NULL);
	f = found(&a, 0);
	ASSERT_TRUE(f != NULL);
	EXPECT_STREQ("UPSTREAM_ERROR", f->name);
	EXPECT_TRUE(f->code == VGG_ERROR_UPSTREAM_ERROR);
	EXPECT_STREQ(m->layers[first].name, f->where);
	EXPECT_CONTAINS(f->next_step, m->layers[weakest].name);
	EXPECT_TRUE(layer_of(&a, first).wrong == f->code);
	EXPECT_TRUE(found(&a, 1) == NULL);
	end(&a);
	/* Whatever happens, it is not below that. */
	o.min_snr = o.min_snr_alone = -INFINITY;
	spoil_scale(m, 0, 3);
	a = analyse_with(m, &o, "cpu", NULL);
	EXPECT_TRUE(found(&a, 0) == NULL);
	end(&a);
	vgg_model_free(m);
}

/*
 * A card that computes something else.
 */
static struct analysed analyse_faulty(const struct vgg_model *m,
				      const char *fault)
{
	return analyse_with(m, NULL, "sim", fault);
}

static uint64_t count_uploads(const struct vgg_model *m)
{
	struct vgg_device_info info = VGG_INIT(info);
	struct analysed a;

	OK(vgg_device_open("sim", NULL, &a.d));
	OK(vgg_analysis_create(a.d, m, NULL, &a.a));
	OK(vgg_device_info(a.d, &info));
	end(&a);
	return info.jobs;
}

/* The jobs of an input: all layers, then each alone. A flip in either is of that
 * layer, and what it does to the layers behind isn't theirs. */
TEST_TIMEOUT(a_fault_of_the_card_is_its_layers, 120)
{
	struct vgg_model *m = make("crcrpcrfdrd");
	uint64_t uploads = count_uploads(m), job;
	unsigned int i, k, layers = m->integer_layers, card[16], n = 0;
	struct analysed a = analyse_faulty(m, NULL);
	char fault[64];

	for (i = 0; i < layers; i++)
		if (layer_of(&a, i).on_card)
			card[n++] = i;
	end(&a);
	ASSERT_LT(3u, n);
	for (job = 0; job < 2 * n; job++) {
		const struct vgg_error *f;
		struct vgg_analysis_layer l;

		i = card[job % n];
		snprintf(fault, sizeof(fault), "BIT_FLIP,after=%u,arg=6",
			 (unsigned int)(uploads + job));
		a = analyse_faulty(m, fault);
		f = found(&a, 0);
		ASSERT_TRUE(f != NULL);
		EXPECT_STREQ("RESULT_MISMATCH", f->name);
		EXPECT_STREQ(m->layers[i].name, f->where);
		EXPECT_TRUE(found(&a, 1) == NULL);
		EXPECT_CONTAINS(f->what, job < n ? "they agree" : "only alone");
		l = layer_of(&a, i);
		EXPECT_EQ(job < n ? 1u : 0u, l.differing);
		EXPECT_EQ(job < n ? 0u : 1u, l.differing_alone);
		EXPECT_EQ(0u, l.first + l.first_alone);
		EXPECT_TRUE(job < n ? l.card_upto.snr != l.upto.snr :
				      l.card_alone.snr != l.alone.snr);
		for (k = 0; k < layers; k++)
			EXPECT_TRUE(layer_of(&a, k).wrong ==
				    (k == i ? VGG_ERROR_RESULT_MISMATCH :
					      VGG_ERROR_NONE));
		end(&a);
	}
	vgg_model_free(m);
}

TEST(a_fault_that_stays_is_told_as_that)
{
	struct vgg_model *m = make("crcrpcrfd");
	struct analysed a = analyse_faulty(m, "BIT_FLIP,count=1000,arg=5");
	const struct vgg_error *f = found(&a, 0);

	ASSERT_TRUE(f != NULL);
	EXPECT_STREQ(m->layers[0].name, f->where);
	EXPECT_CONTAINS(f->what, "as well");
	EXPECT_CONTAINS(f->next_step, "it stays");
	/* In each of the inputs. */
	EXPECT_EQ((uint64_t)IMAGES, layer_of(&a, 0).differing);
	EXPECT_EQ((uint64_t)IMAGES, layer_of(&a, 0).differing_alone);
	end(&a);
	vgg_model_free(m);
}

/* Bytes are compared all the same. */
TEST(without_fp32_there_is_the_card)
{
	struct vgg_model *m = make("crcrpcrfd"), *small;
	char path[512];
	struct analysed a;
	struct vgg_analysis_layer l;

	snprintf(path, sizeof(path), "%s/small", test_tmpdir());
	OK(vgg_model_save(m, path, VGG_KEEP_NONE));
	OK(vgg_model_load(path, &small));
	a = analyse_faulty(small, NULL);
	l = layer_of(&a, 0);
	EXPECT_FALSE(l.has_fp32);
	EXPECT_TRUE(l.on_card);
	EXPECT_TRUE(found(&a, 0) == NULL);
	end(&a);
	a = analyse_faulty(small, "BIT_FLIP,count=1000");
	ASSERT_TRUE(found(&a, 0) != NULL);
	EXPECT_STREQ("RESULT_MISMATCH", found(&a, 0)->name);
	end(&a);
	vgg_model_free(small);
	vgg_model_free(m);
}

TEST(arguments_that_are_none)
{
	struct vgg_analysis_options o = VGG_INIT(o);
	struct vgg_model *m = word_net("crfd", 3);
	struct vgg_analysis_layer l = VGG_INIT(l);
	struct vgg_analysis *a;
	struct vgg_device *d;
	float x[10] = { 0 };

	OK(vgg_device_open("cpu", NULL, &d));
	EXPECT_EQ(-ENODATA, vgg_analysis_create(d, m, NULL, &a));
	net_quantize(m);
	o.min_snr = NAN;
	EXPECT_EQ(-EINVAL, vgg_analysis_create(d, m, &o, &a));
	o.size = 0;
	EXPECT_EQ(-EINVAL, vgg_analysis_create(d, m, &o, &a));
	OK(vgg_analysis_create(d, m, NULL, &a));
	EXPECT_EQ(-ERANGE, vgg_analysis_add_tensor(a, x, 10));
	/* Before the first input there is nothing. */
	EXPECT_TRUE(vgg_analysis_finding(a, 0) == NULL);
	OK(vgg_analysis_layer(a, 0, &l));
	EXPECT_EQ(0u, l.elements);
	EXPECT_FALSE(l.has_fp32);
	EXPECT_EQ(-EINVAL, vgg_analysis_layer(a, m->integer_layers, &l));
	l.size = 0;
	EXPECT_EQ(-EINVAL, vgg_analysis_layer(a, 0, &l));
	vgg_analysis_free(a);
	vgg_analysis_free(NULL);
	m->preprocess.crop_w = 0;
	OK(vgg_analysis_create(d, m, NULL, &a));
	EXPECT_EQ(-EOPNOTSUPP, vgg_analysis_add_image(a, NULL));
	vgg_analysis_free(a);
	vgg_device_close(d);
	vgg_model_free(m);
}

TEST_HARNESS_MAIN
