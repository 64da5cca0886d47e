// SPDX-License-Identifier: MIT
/* The compiled model's file, folding, and quantisation's small parts. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <unistd.h>

#include "quant/calibrate.h"
#include "model/multiplier.h"
#include "model/quantize.h"
#include "net.h"
#include "run/f32.h"
#include "vgg_harness.h"
#include "word_net.h"

static const char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", test_tmpdir(), name);
	return path;
}

static int infer(const struct vgg_model *m, enum vgg_precision precision,
		 const float *x, struct vgg_result *r, float *out)
{
	struct vgg_session_options o = VGG_INIT(o);
	struct vgg_session *s = NULL;
	struct vgg_device *d;
	int err;

	o.precision = precision;
	o.threads = 1;
	OK(vgg_device_open("cpu", NULL, &d));
	err = vgg_session_create(d, m, &o, &s);
	if (!err)
		err = vgg_session_run_tensor(
			s, x, (size_t)vgg_shape_count(&m->input), r);
	if (!err && out)
		memcpy(out, r->output, r->count * sizeof(*out));
	vgg_session_free(s);
	vgg_device_close(d);
	return err;
}

/*
 * Files.
 */
static void check_round_trip(struct vgg_model *m, enum vgg_keep keep,
			     const float *x)
{
	struct vgg_result a = VGG_INIT(a), b = VGG_INIT(b);
	struct vgg_model_info i = VGG_INIT(i), k = VGG_INIT(k);
	struct vgg_model *copy;
	const char *path = path_of("model");

	OK(vgg_model_save(m, path, keep));
	OK(vgg_model_load(path, &copy));
	OK(infer(m, VGG_PRECISION_INT8, x, &a, NULL));
	OK(infer(copy, VGG_PRECISION_INT8, x, &b, NULL));
	EXPECT_STREQ(a.sha256, b.sha256);
	if (keep == VGG_KEEP_FP32) {
		OK(infer(m, VGG_PRECISION_FP32, x, &a, NULL));
		OK(infer(copy, VGG_PRECISION_FP32, x, &b, NULL));
		EXPECT_STREQ(a.sha256, b.sha256);
	} else if (keep == VGG_KEEP_NONE) {
		EXPECT_EQ(-ENODATA,
			  infer(copy, VGG_PRECISION_FP32, x, &b, NULL));
		EXPECT_CONTAINS(vgg_error_last()->next_step, "--keep");
	} else {
		OK(infer(copy, VGG_PRECISION_FP32, x, &b, NULL));
	}
	vgg_model_info(m, &i);
	vgg_model_info(copy, &k);
	EXPECT_EQ(i.macs, k.macs);
	EXPECT_EQ(i.layers, k.layers);
	EXPECT_STREQ(i.calibration, k.calibration);
	EXPECT_EQ(keep != VGG_KEEP_NONE, k.has_fp32);
	vgg_model_free(copy);
	/* Saving what was loaded gives the same bytes. */
}

TEST(files_hold_everything)
{
	uint64_t seed = test_seed();
	int i;

	for (i = 0; i < (test_emulated() ? 3 : 20); i++) {
		struct vgg_model *m = net_random(&seed);
		float *x = net_input(m, &seed);

		net_quantize(m);
		check_round_trip(m, VGG_KEEP_FP32, x);
		check_round_trip(m, VGG_KEEP_FP16, x);
		check_round_trip(m, VGG_KEEP_NONE, x);
		free(x);
		vgg_model_free(m);
	}
}

static size_t read_all(const char *path, uint8_t **data)
{
	FILE *f = fopen(path, "rb");
	size_t n;

	ASSERT_TRUE(f != NULL);
	fseek(f, 0, SEEK_END);
	n = (size_t)ftell(f);
	rewind(f);
	*data = malloc(n + 1);
	ASSERT_EQ(n, fread(*data, 1, n, f));
	fclose(f);
	return n;
}

static void write_all(const char *path, const uint8_t *data, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ASSERT_LE(0, fd);
	ASSERT_EQ((ssize_t)n, write(fd, data, n));
	close(fd);
}

/* Opens a damaged file; if it is accepted, runs it. Never a crash, and an error
 * names the file. */
static void try_file(const char *path, const float *x, size_t x_count)
{
	struct vgg_result r = VGG_INIT(r);
	struct vgg_model *m = NULL;

	if (vgg_model_load(path, &m)) {
		EXPECT_CONTAINS(vgg_error_last()->where, path);
		EXPECT_NE('\0', vgg_error_last()->what[0]);
		return;
	}
	/* A digit of the input's shape may have changed: no run then. */
	if ((size_t)vgg_shape_count(&m->input) == x_count)
		infer(m, VGG_PRECISION_INT8, x, &r, NULL);
	vgg_model_free(m);
}

FIXTURE(damaged)
{
	struct vgg_model *m;
	float *x;
	uint8_t *data;
	size_t n, count;
	char path[256];
};

FIXTURE_SETUP(damaged)
{
	uint64_t seed = 11;

	self->m = net_small(&seed);
	self->x = net_input(self->m, &seed);
	self->count = (size_t)vgg_shape_count(&self->m->input);
	net_quantize(self->m);
	snprintf(self->path, sizeof(self->path), "%s", path_of("damaged"));
	OK(vgg_model_save(self->m, self->path, VGG_KEEP_FP16));
	self->n = read_all(self->path, &self->data);
}

FIXTURE_TEARDOWN(damaged)
{
	vgg_model_free(self->m);
	free(self->x);
	free(self->data);
}

TEST_F_TIMEOUT(damaged, cut_at_every_byte, 120)
{
	size_t step = test_emulated() ? 37 : 1, i;
	struct vgg_model *m;

	for (i = 0; i < self->n; i += step) {
		write_all(self->path, self->data, i);
		ASSERT_EQ(-EBADMSG, vgg_model_load(self->path, &m));
		ASSERT_STREQ(self->path, vgg_error_last()->where);
	}
}

TEST_F_TIMEOUT(damaged, flipped_at_every_byte, 240)
{
	size_t step = test_emulated() ? 37 : 1, i;
	uint64_t seed = test_seed();

	for (i = 0; i < self->n; i += step) {
		uint8_t old = self->data[i];

		self->data[i] ^= (uint8_t)(1u << test_random_in(&seed, 0, 7));
		write_all(self->path, self->data, self->n);
		self->data[i] = old;
		try_file(self->path, self->x, self->count);
		if (test_state.failed) {
			TH_LOG("byte %zu", i);
			TEST_END_;
		}
	}
}

/* Digits and letters of the description replaced: JSON that still parses. */
TEST_F_TIMEOUT(damaged, hostile_descriptions, 240)
{
	uint64_t seed = test_seed() + 1;
	int i, rounds = test_emulated() ? 60 : 3000;

	for (i = 0; i < rounds; i++) {
		size_t header = self->data[8 - 8] | (size_t)self->data[1] << 8;
		size_t at = 8 + test_random(&seed) % header;
		uint8_t old = self->data[at];

		if (old >= '0' && old <= '9')
			self->data[at] =
				(uint8_t)('0' + test_random(&seed) % 10);
		else if (old == ',' && self->data[at - 1] >= '0' &&
			 self->data[at - 1] <= '9')
			self->data[at] = '7';
		else
			continue;
		write_all(self->path, self->data, self->n);
		self->data[at] = old;
		try_file(self->path, self->x, self->count);
		if (test_state.failed) {
			TH_LOG("byte %zu", at);
			TEST_END_;
		}
	}
}

TEST(other_files_get_told_what_they_are)
{
	const char *path = path_of("other");
	struct vgg_model *m;

	write_all(path, (const uint8_t *)"", 0);
	EXPECT_EQ(-EBADMSG, vgg_model_load(path, &m));
	write_all(path, (const uint8_t *)"GIF89a not a model", 18);
	EXPECT_EQ(-EBADMSG, vgg_model_load(path, &m));
	EXPECT_CONTAINS(vgg_error_last()->next_step, "vggctl import");
	EXPECT_EQ(-ENOENT, vgg_model_load("/nonexistent/model", &m));
	EXPECT_CONTAINS(vgg_error_last()->where, "/nonexistent/model");
}

TEST(saving_fails_without_a_trace)
{
	uint64_t seed = 3;
	struct vgg_model *m = net_small(&seed);

	EXPECT_EQ(-EINVAL, vgg_model_save(m, path_of("x"), VGG_KEEP_NONE));
	EXPECT_NE(0, access(path_of("x"), F_OK));
	EXPECT_GT(0, vgg_model_save(m, "/nonexistent/dir/x", VGG_KEEP_FP32));
	EXPECT_CONTAINS(vgg_error_last()->where, "/nonexistent/dir/x");
	vgg_model_free(m);
}

TEST(the_built_in_model_is_whole)
{
	struct vgg_model_info i = VGG_INIT(i);
	struct vgg_model *m;

	OK(vgg_model_load_default(&m));
	vgg_model_info(m, &i);
	EXPECT_EQ(10u, i.classes);
	EXPECT_TRUE(i.has_int8);
	EXPECT_TRUE(i.has_fp32);
	EXPECT_EQ(32, i.input_height);
	EXPECT_STRNE("class 0", vgg_model_label(m, 0));
	EXPECT_STREQ("class 10", vgg_model_label(m, 10));
	vgg_model_free(m);
}

/*
 * Folding keeps the function: net_random() folds, so compare against a copy
 * whose BatchNorms and rectifiers still stand alone.
 */
static struct vgg_layer *push(struct vgg_model *m, enum vgg_op op)
{
	struct vgg_layer *l = vgg_model_add(m, op, vgg_op_name(op));

	ASSERT_TRUE(l != NULL);
	return l;
}

/* A word of letters makes a chain: c conv, r relu, b BatchNorm, k clip to
 * -1..2, p max-pool, 0 zero pad, f flatten, d dense. */
static struct vgg_model *chain(const char *word, uint64_t seed)
{
	struct vgg_model *m = vgg_model_new();
	struct vgg_layer *l;

	ASSERT_TRUE(m != NULL);
	m->input = (struct vgg_shape){ 4, { 1, 3, 12, 12 } };
	for (; *word; word++) {
		switch (*word) {
		case 'c':
			l = push(m, VGG_OP_CONV);
			l->win.kernel_h = l->win.kernel_w = 3;
			net_fill(&l->weight, (size_t)(4 * 9 * l->in.dim[1]), -1,
				 1, &seed);
			net_fill(&l->bias, 4, -1, 1, &seed);
			break;
		case 'd':
			l = push(m, VGG_OP_CONV);
			net_fill(&l->weight, (size_t)(5 * l->in.dim[1]), -1, 1,
				 &seed);
			break;
		case 'r':
			push(m, VGG_OP_AFFINE)->lo = 0;
			break;
		case 'k':
			l = push(m, VGG_OP_AFFINE);
			l->lo = -1;
			l->hi = 2;
			break;
		case 'b':
			l = push(m, VGG_OP_AFFINE);
			net_fill(&l->scale, (size_t)l->in.dim[1], -2, 2, &seed);
			/* At least one scale reverses the order. */
			((float *)l->scale.data)[0] = -1;
			net_fill(&l->shift, (size_t)l->in.dim[1], -1, 1, &seed);
			break;
		case 'p':
			l = push(m, VGG_OP_MAXPOOL);
			l->win.kernel_h = l->win.kernel_w = 2;
			l->win.stride_h = l->win.stride_w = 2;
			break;
		case '0':
			l = push(m, VGG_OP_PAD);
			l->win.pad_top = l->win.pad_left = 1;
			break;
		default:
			l = push(m, VGG_OP_RESHAPE);
			l->out = (struct vgg_shape){
				2, { 1, vgg_shape_count(&l->in) }
			};
		}
		OK(vgg_layer_infer(&m->layers[m->count - 1]));
	}
	return m;
}

FIXTURE(fold)
{
	int unused;
};
FIXTURE_VARIANT(fold)
{
	const char *word;
	unsigned int layers; /* that are left */
};
FIXTURE_VARIANT_ADD(fold, conv_bn_relu_pool){ "cbrp", 1 };
FIXTURE_VARIANT_ADD(fold, conv_relu_bn_pool){ "crbp", 1 };
FIXTURE_VARIANT_ADD(fold, relu_bn_twice){ "crbcrb", 2 };
FIXTURE_VARIANT_ADD(fold, bn_bn_relu){ "cbbr", 1 };
FIXTURE_VARIANT_ADD(fold, relu_bn_bn){ "crbb", 1 };
FIXTURE_VARIANT_ADD(fold, relu_bn_relu){ "crbr", 1 };
FIXTURE_VARIANT_ADD(fold, pool_then_relu){ "cpr", 1 };
FIXTURE_VARIANT_ADD(fold, negative_scale_stays_behind_pool){ "crpb", 2 };
FIXTURE_VARIANT_ADD(fold, clip_then_bn_stays){ "ckb", 2 };
FIXTURE_VARIANT_ADD(fold, pad_conv){ "0crp", 1 };
FIXTURE_VARIANT_ADD(fold, flatten_dense){ "cpfd", 3 };
FIXTURE_VARIANT_ADD(fold, flatten_norm_dense){ "cpfbd", 4 };
FIXTURE_VARIANT_ADD(fold, two_pools){ "crpp", 2 };
FIXTURE_VARIANT_ADD(fold, everything){ "0cbrcrbpcrpfdrd", 6 };
FIXTURE_SETUP(fold)
{
	self->unused = 0;
}
FIXTURE_TEARDOWN(fold)
{
	self->unused = 0;
}

TEST_F(fold, keeps_the_function)
{
	uint64_t seed = test_seed();
	struct vgg_model *plain = chain(variant->word, seed);
	struct vgg_model *folded = chain(variant->word, seed);
	float *x = net_input(plain, &seed), want[1024], got[1024];
	struct vgg_result r = VGG_INIT(r);
	unsigned int i;

	OK(vgg_model_fold(folded));
	EXPECT_EQ(variant->layers, folded->count);
	OK(infer(plain, VGG_PRECISION_FP32, x, &r, want));
	OK(infer(folded, VGG_PRECISION_FP32, x, &r, got));
	for (i = 0; i < r.count; i++)
		EXPECT_NEAR((double)want[i], (double)got[i],
			    1e-4 * fmax(1, fabs((double)want[i])));
	free(x);
	vgg_model_free(plain);
	vgg_model_free(folded);
}

/*
 * Quantisation.
 */
TEST(multipliers_are_as_near_as_31_bits_allow)
{
	uint64_t seed = test_seed();
	struct vgg_qparam p;
	int i;

	for (i = 0; i < 20000; i++) {
		double m = (double)test_random_in(&seed, 1, 1 << 30) /
			   ldexp(1, (int)test_random_in(&seed, 0, 60));

		if (test_random(&seed) & 1)
			m = -m;
		vgg_multiplier(m, &p);
		ASSERT_LE(1, p.shift);
		ASSERT_LE(p.shift, 62);
		if (fabs(m) < 0x1p29 && fabs(m) > 0x1p-30)
			EXPECT_NEAR(1, ldexp(p.mult, -p.shift) / m, 0x1p-30);
	}
	vgg_multiplier(0, &p);
	EXPECT_EQ(0, p.mult);
	vgg_multiplier(1, &p);
	EXPECT_NEAR(1, ldexp(p.mult, -p.shift), 0);
	vgg_multiplier(1e300, &p);
	EXPECT_EQ(INT32_MAX, p.mult);
	EXPECT_EQ(1, p.shift);
	vgg_multiplier(-1e-300, &p);
	EXPECT_LE(abs(p.mult), 1);
}

static int in_integers(const struct vgg_qparam *p, int zero, int64_t acc)
{
	int64_t half = (int64_t)1 << (p->shift - 1);
	int64_t v = ((acc * p->mult + half) >> p->shift) + zero;

	return (int)(v < -128 ? -128 : v > 127 ? 127 : v);
}

static int in_single(float factor, float divisor, int zero, int64_t acc)
{
	float v = rintf((float)acc * factor / divisor) + (float)zero;

	return (int)(v < -128 ? -128 : v > 127 ? 127 : v);
}

/* Accumulators around each step between two values that give another one. */
static int differing(const struct vgg_qparam *p, float factor, float divisor,
		     int zero)
{
	int found = 0, v, i;
	int64_t acc;

	for (v = -130; v < 130; v++) {
		acc = (int64_t)floor((v - zero + 0.5) * (double)divisor /
				     (double)factor);
		for (i = -2; i < 4; i++)
			found += in_integers(p, zero, acc + i) !=
				 in_single(factor, divisor, zero, acc + i);
	}
	return found;
}

/* As in single precision, but where its own rounding contradicts itself; which it
 * does the more, the smaller the factor is. */
TEST(multipliers_like_single_precision)
{
	int plain = 0, like = 0, worst = 0, i, zero, n;
	struct vgg_qparam p = { 0 };
	float factor, divisor;

	for (i = 0; i < 2000; i++) {
		factor = (float)exp2(-(double)(i % 9) + i * 0.61803398875 -
				     floor(i * 0.61803398875));
		divisor = i & 1 ? 1 : 0.7f + (float)i / 1000;
		zero = i * 37 % 256 - 128;
		vgg_multiplier((double)factor / (double)divisor, &p);
		plain += differing(&p, factor, divisor, zero);
		vgg_multiplier_like(factor, divisor, zero, &p);
		n = differing(&p, factor, divisor, zero);
		like += n;
		worst = n > worst ? n : worst;
	}
	TH_LOG("differing accumulators: %d of the nearest multipliers, %d of "
	       "these, at most %d with one of them",
	       plain, like, worst);
	EXPECT_TRUE(like * 2 < plain);
	EXPECT_TRUE(worst <= 8);
}

TEST(ranges_include_zero_exactly)
{
	const struct vgg_range ranges[] = { { 0, 6 },	  { -1, 1 },  { -3, 0 },
					    { 2, 5 },	  { -4, -1 }, { 0, 0 },
					    { -1e-9f, 5 } };
	size_t i;

	for (i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
		struct vgg_quant q = vgg_quant_of(ranges[i]);

		EXPECT_TRUE(q.known && q.scale > 0);
		EXPECT_LE(-128, q.zero);
		EXPECT_LE(q.zero, 127);
	}
	EXPECT_EQ(-128, vgg_quant_of(ranges[0]).zero);
	EXPECT_EQ(127, vgg_quant_of(ranges[2]).zero);
	EXPECT_EQ(-128, vgg_quant_of(ranges[3]).zero);
	EXPECT_NEAR(6.0 / 255, (double)vgg_quant_of(ranges[0]).scale, 1e-7);
}

/* Weights so large or biases so far off that the accumulator would overflow. */
TEST(accumulators_never_overflow)
{
	struct vgg_quantize_options o = VGG_INIT(o);
	uint64_t seed = 12;
	struct vgg_model *m = net_small(&seed);
	float *bias = (float *)m->layers[0].bias.data;
	const struct vgg_qparam *p;
	int i;

	bias[0] = 1e12f;
	bias[1] = -1e12f;
	for (i = 0; i < 27; i++)
		((float *)m->layers[0].weight.data)[i] = 1e-20f;
	o.threads = 1;
	OK(vgg_model_quantize(m, &o));
	p = m->layers[0].qparam.data;
	for (i = 0; i < 4; i++)
		EXPECT_LT(llabs(p[i].bias) + 27ll * 127 * 128, 1ll << 31);
	vgg_model_free(m);
}

TEST(networks_that_cannot_be_quantised_say_why)
{
	struct vgg_model *m = vgg_model_new();
	struct vgg_layer *l;

	m->input = (struct vgg_shape){ 4, { 1, 3, 8, 8 } };
	l = vgg_model_add(m, VGG_OP_AFFINE, "relu");
	l->lo = 0;
	OK(vgg_model_infer(m));
	EXPECT_EQ(-EOPNOTSUPP, vgg_model_quantize(m, NULL));
	EXPECT_CONTAINS(vgg_error_last()->what, "no convolution");
	vgg_model_free(m);
}

TEST(calibration_folders_are_checked)
{
	struct vgg_quantize_options o = VGG_INIT(o);
	uint64_t seed = 13;
	struct vgg_model *m = net_small(&seed);

	o.images = "/nonexistent";
	EXPECT_EQ(-ENOENT, vgg_model_quantize(m, &o));
	o.images = test_tmpdir();
	EXPECT_EQ(-EBADMSG, vgg_model_quantize(m, &o));
	EXPECT_CONTAINS(vgg_error_last()->what, "no images");
	write_all(path_of("bad.png"), (const uint8_t *)"not a PNG", 9);
	EXPECT_EQ(-EBADMSG, vgg_model_quantize(m, &o));
	EXPECT_CONTAINS(vgg_error_last()->where, "bad.png");
	EXPECT_EQ(0u, m->integer_layers);
	vgg_model_free(m);
}

/*
 * Descriptions that are consistent JSON but no sound network; each was once a
 * read or write out of bounds.
 */
static void expect_refused(struct vgg_model *m, const char *says)
{
	char path[256];
	struct vgg_model *copy;
	int err;

	snprintf(path, sizeof(path), "%s", path_of("unsound"));
	OK(vgg_model_save(m, path, VGG_KEEP_FP32));
	err = vgg_model_load(path, &copy);
	EXPECT_GT(0, err);
	EXPECT_CONTAINS(vgg_error_last()->where, path);
	EXPECT_CONTAINS(vgg_error_last()->what, says);
	vgg_model_free(m);
}

static struct vgg_model *quantized(uint64_t seed)
{
	struct vgg_model *m = net_small(&seed);

	net_quantize(m);
	return m;
}

TEST(unsound_networks_are_refused)
{
	struct vgg_model *m = quantized(1);

	m->preprocess.crop_w = m->preprocess.crop_h = 200;
	expect_refused(m, "crop");
	m = quantized(2);
	m->integer_layers = 1; /* a convolution in the tail */
	expect_refused(m, "behind");
	m = quantized(3);
	m->layers[0].win.pad_left = 1 << 20;
	expect_refused(m, "window");
	m = quantized(4);
	((struct vgg_qparam *)m->layers[0].qparam.data)[1].shift = 63;
	expect_refused(m, "shift");
	m = quantized(5);
	((struct vgg_qparam *)m->layers[0].qparam.data)[1].shift = 0;
	expect_refused(m, "shift");
	m = quantized(6);
	m->input.dim[0] = 2;
	expect_refused(m, "");
}

/* 1x1 with padding wider than a row and a stride that skips all of it. */
TEST(wide_padding_in_fp32)
{
	struct vgg_model *m = vgg_model_new();
	struct vgg_result r = VGG_INIT(r);
	float x[4] = { 1, 2, 3, 4 };
	struct vgg_layer *l;
	uint64_t seed = 1;

	m->input = (struct vgg_shape){ 4, { 1, 1, 4, 1 } };
	l = push(m, VGG_OP_CONV);
	net_fill(&l->weight, 1, 1, 1, &seed);
	l->win.stride_h = l->win.stride_w = 10;
	l->win.pad_left = 39;
	OK(vgg_model_infer(m));
	OK(infer(m, VGG_PRECISION_FP32, x, &r, NULL));
	vgg_model_free(m);
}

/* What can't be written is refused, not left out. */
TEST(names_that_are_no_utf8_are_refused)
{
	struct vgg_model *m = quantized(7);
	const char *path = path_of("name");

	m->layers[0].name[0] = '\xff';
	EXPECT_EQ(-EINVAL, vgg_model_save(m, path, VGG_KEEP_FP32));
	EXPECT_NE(0, access(path, F_OK));
	vgg_model_free(m);
}

/* Padding before a max-pool is minus infinity. */
TEST(infinite_padding_survives_a_file)
{
	uint64_t seed = 18;
	struct vgg_model *m = net_small(&seed), *copy;
	struct vgg_layer *l;

	while (m->count > 1) /* the convolution stays */
		vgg_model_remove(m, 1);
	l = push(m, VGG_OP_PAD);
	l->win.pad_top = 1;
	l->pad_value = -INFINITY;
	OK(vgg_model_infer(m));
	OK(vgg_model_save(m, path_of("pad"), VGG_KEEP_FP32));
	OK(vgg_model_load(path_of("pad"), &copy));
	EXPECT_TRUE(copy->layers[1].pad_value == -INFINITY);
	vgg_model_free(copy);
	vgg_model_free(m);
}

/* int8 weights that a graph brings along keep their bytes, -128 included. */
TEST(given_weights_keep_their_bytes)
{
	uint64_t seed = 19;
	struct vgg_model *m = net_small(&seed);
	struct vgg_layer *l = &m->layers[0];
	float *w = (float *)l->weight.data, *ws;
	const int8_t *q;
	size_t i;

	ws = vgg_blob_alloc(&l->weight_scale, VGG_F32, 4);
	for (i = 0; i < 4; i++)
		ws[i] = 0.01f;
	for (i = 0; i < l->weight.count; i++)
		w[i] = (float)((int)(i * 37 % 256) - 128) * 0.01f;
	net_quantize(m);
	q = l->qweight.data;
	for (i = 0; i < l->weight.count; i++)
		EXPECT_EQ((int)(i * 37 % 256) - 128, q[i]);
	vgg_model_free(m);
}

TEST(a_failed_quantisation_loses_nothing)
{
	uint64_t seed = 17;
	struct vgg_model *m = net_small(&seed), *copy;
	struct vgg_result a = VGG_INIT(a), b = VGG_INIT(b);
	float *x = net_input(m, &seed);

	net_quantize(m);
	OK(vgg_model_save(m, path_of("int8"), VGG_KEEP_NONE));
	OK(vgg_model_load(path_of("int8"), &copy));
	EXPECT_EQ(-ENODATA, vgg_model_quantize(copy, NULL));
	OK(infer(m, VGG_PRECISION_INT8, x, &a, NULL));
	OK(infer(copy, VGG_PRECISION_INT8, x, &b, NULL));
	EXPECT_STREQ(a.sha256, b.sha256);
	free(x);
	vgg_model_free(m);
	vgg_model_free(copy);
}

/* Windows, shapes and sizes; a scale of a channel's weights is its largest weight by
 * 127, whatever BatchNorm behind it does. */
TEST(layers_tell_what_they_are)
{
	struct vgg_model *m = word_net("urbqcrfd", 91);
	struct vgg_layer_info l = VGG_INIT(l);
	const float *w = vgg_blob_f32(&m->layers[0].weight);
	double least = INFINITY, most = 0, top;
	struct vgg_model_info info = VGG_INIT(info);
	unsigned int c, k;

	for (c = 0; c < 8; c++) {
		for (top = k = 0; k < 27; k++)
			top = fmax(top, fabs((double)w[c * 27 + k]));
		least = fmin(least, top / 127);
		most = fmax(most, top / 127);
	}
	OK(vgg_model_layer(m, 0, &l));
	EXPECT_EQ(0u, l.int8_bytes);
	EXPECT_TRUE(l.weight_scale_max == 0);
	net_quantize(m);
	OK(vgg_model_layer(m, 0, &l));
	EXPECT_STREQ("conv", l.op);
	EXPECT_NEAR(least, (double)l.weight_scale_min, 1e-4 * least);
	EXPECT_NEAR(most, (double)l.weight_scale_max, 1e-4 * most);
	EXPECT_EQ(3, l.window.kernel_h);
	EXPECT_EQ(0, l.window.pad_top + l.window.pad_right);
	EXPECT_EQ(2, l.pool.kernel_w);
	EXPECT_EQ(2, l.pool.stride_h);
	EXPECT_EQ(4, l.pool.pad_top + l.pool.pad_left + l.pool.pad_bottom +
			     l.pool.pad_right);
	EXPECT_EQ(32, l.in_width);
	EXPECT_EQ(16, l.out_height);
	EXPECT_EQ(8, l.out_channels);
	EXPECT_EQ(3u * 32 * 32, l.in_count);
	EXPECT_EQ(8u * 16 * 16, l.out_count);
	/* Weights, bias, scale and shift; weights and 16 bytes a channel. */
	EXPECT_EQ(4u * (8 * 27 + 8 + 8 + 8), l.fp32_bytes);
	EXPECT_EQ(8u * 27 + 8 * 16, l.int8_bytes);
	OK(vgg_model_layer(m, m->count - 1, &l));
	EXPECT_STREQ("fc", l.op);
	EXPECT_EQ(0, l.window.kernel_h + l.in_height);
	OK(vgg_model_info(m, &info));
	EXPECT_TRUE(info.in_scale == m->in_q.scale);
	EXPECT_EQ(m->in_q.zero, info.in_zero);
	vgg_model_free(m);
}

TEST_HARNESS_MAIN
