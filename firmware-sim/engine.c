// SPDX-License-Identifier: MIT
/*
 * The arithmetic of FILL, COPY, CONV and POOL, straight from section 5 of
 * vggaccel_hw.h. Shares nothing with the library's kernels, so that a mistake
 * in one of the two shows.
 *
 * CONV is a product of two matrices that are never built in full: the rows of
 * one are filters, those of the other the windows of output pixels, both in
 * the order [kernel_h][kernel_w][in_c]. A tile is at most FILTERS filters by
 * PIXELS pixels by DEPTH taps, widened to int16 in scratch, so that
 *
 *  - the compiler turns the inner loop into multiply-add of int16 pairs,
 *  - everything the inner loop touches stays in the caches,
 *  - the scratch has one size, whatever a command asks for,
 *  - there is a place to look for an abort every few million products.
 *
 * A sum over DEPTH products of int8 stays below 2^24, so the inner loop needs
 * no wrapping; the sums over tiles wrap modulo 2^32 as the header says.
 */
#include "sim_internal.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define FILTERS 64
#define PIXELS 64
#define DEPTH 1024
#define GRAIN 32 /* the inner loop runs over multiples of this many taps */
/* Filters whose widened taps all fit here are widened once per command. */
#define WEIGHT_BYTES (2u << 20)
#define WEIGHT_TILES (WEIGHT_BYTES / (FILTERS * DEPTH * sizeof(int16_t)))

/* Rows and columns of a convolution's output that a pooling window can see. */
#define CONV_W_MAX (VGG_DIM_MAX + 2 * VGG_CONV_KERNEL_MAX)
#define POOL_ROWS VGG_FUSED_KERNEL_MAX
#define POOL_ENTRIES (VGG_POOL_KERNEL_MAX * VGG_POOL_KERNEL_MAX)
#define POOL_CHANNELS 1024
#define COPY_BYTES 65536

struct qparam {
	uint32_t bias;
	int64_t mult, offset;
	unsigned int shift;
};

struct sim_engine {
	int16_t weights[WEIGHT_TILES][FILTERS][DEPTH];
	int16_t windows[PIXELS][DEPTH];
	uint32_t acc[PIXELS][FILTERS];
	int8_t pooled[POOL_ROWS][CONV_W_MAX][FILTERS];
	uint16_t columns[CONV_W_MAX]; /* those that are computed */
	int8_t bytes[COPY_BYTES];
	uint32_t sums[POOL_CHANNELS];
	struct vgg_hw_qparam wire[POOL_ENTRIES];
	struct qparam params[POOL_ENTRIES];
};

/* One CONV under way; the block is [first, first + count) of its filters. */
struct conv_run {
	struct sim_engine *e;
	struct sim_mmu *mmu;
	const struct sim_conv *conv;
	int64_t first, count;
	int64_t columns; /* entries of e->columns */
	bool resident;	 /* all the block's weights are in e->weights */
	uint64_t saturations;
};

#define TRY(call)                                    \
	do {                                         \
		enum vgg_hw_status status_ = (call); \
		if (status_)                         \
			return status_;              \
	} while (0)

/*
 * Two versions of the hot functions, chosen when the program starts. Not with
 * sanitizers, whose runtime is not up yet when the choice is made.
 */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
	defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) &&     \
	!defined(__SANITIZE_THREAD__)
#define CLONES __attribute__((target_clones("default", "avx2")))
#else
#define CLONES
#endif
#define INLINE inline __attribute__((always_inline))

struct sim_engine *vgg_sim_engine_create(void)
{
	return calloc(1, sizeof(struct sim_engine));
}

void vgg_sim_engine_destroy(struct sim_engine *engine)
{
	free(engine);
}

static int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t round_up(int64_t v, int64_t to)
{
	return (v + to - 1) / to * to;
}

CLONES
static void widen(int16_t *restrict to, const int8_t *restrict from, int64_t n)
{
	int64_t i;

	for (i = 0; i < n; i++)
		to[i] = from[i];
}

/* Four filters by two windows; n is a multiple of GRAIN, at most DEPTH. */
static INLINE void dot_4x2(const int16_t (*restrict w)[DEPTH],
			   const int16_t (*restrict x)[DEPTH], int64_t n,
			   uint32_t (*restrict acc)[FILTERS])
{
	int32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0;
	int32_t b0 = 0, b1 = 0, b2 = 0, b3 = 0;
	int64_t i;

	for (i = 0; i < n / GRAIN * GRAIN; i++) {
		int32_t p = x[0][i], q = x[1][i];

		a0 += w[0][i] * p;
		a1 += w[1][i] * p;
		a2 += w[2][i] * p;
		a3 += w[3][i] * p;
		b0 += w[0][i] * q;
		b1 += w[1][i] * q;
		b2 += w[2][i] * q;
		b3 += w[3][i] * q;
	}
	acc[0][0] += (uint32_t)a0;
	acc[0][1] += (uint32_t)a1;
	acc[0][2] += (uint32_t)a2;
	acc[0][3] += (uint32_t)a3;
	acc[1][0] += (uint32_t)b0;
	acc[1][1] += (uint32_t)b1;
	acc[1][2] += (uint32_t)b2;
	acc[1][3] += (uint32_t)b3;
}

/* A tile: counts are rounded up here, what is too much is never looked at. */
CLONES
static void multiply(const int16_t (*restrict w)[DEPTH],
		     const int16_t (*restrict x)[DEPTH], int64_t filters,
		     int64_t pixels, int64_t n,
		     uint32_t (*restrict acc)[FILTERS])
{
	int64_t f, p;

	for (f = 0; f < filters; f += 4)
		for (p = 0; p < pixels; p += 2)
			dot_4x2(w + f, x + p, n,
				(uint32_t(*)[FILTERS]) & acc[p][f]);
}

/* Reads int8 values through the walk and widens them. */
static enum vgg_hw_status read_wide(struct sim_engine *e, struct sim_mmu *mmu,
				    uint64_t va, int16_t *to, int64_t n)
{
	TRY(vgg_sim_mmu_read(mmu, va, e->bytes, (uint64_t)n));
	widen(to, e->bytes, n);
	return VGG_STATUS_OK;
}

static void fill_wide(int16_t *to, int value, int64_t n)
{
	while (n-- > 0)
		*to++ = (int16_t)value;
}

/* Taps [from, to) of the block's filters, zeros behind them. */
static enum vgg_hw_status load_weights(struct conv_run *r,
				       int16_t (*tile)[DEPTH], int64_t from,
				       int64_t to)
{
	uint64_t va = r->conv->weights + (uint64_t)from;
	int64_t f, n = to - from;

	for (f = 0; f < r->count; f++) {
		TRY(read_wide(r->e, r->mmu,
			      va + (uint64_t)(r->first + f) *
					      r->conv->weight_pitch,
			      tile[f], n));
		fill_wide(tile[f] + n, 0, round_up(n, GRAIN) - n);
	}
	return VGG_STATUS_OK;
}

/* All of the block's weights if they fit, else nothing. */
static enum vgg_hw_status load_resident(struct conv_run *r)
{
	int64_t taps = r->conv->taps, from;

	r->resident = taps <= (int64_t)WEIGHT_TILES * DEPTH;
	if (!r->resident)
		return VGG_STATUS_OK;
	for (from = 0; from < taps; from += DEPTH)
		TRY(load_weights(r, r->e->weights[from / DEPTH], from,
				 min64(from + DEPTH, taps)));
	return VGG_STATUS_OK;
}

/*
 * Pixels [x0, x1) of input row y, or pad values where they are outside, as far
 * as they lie in [from, to): both count bytes from the start of pixel 0 as if
 * there were no gaps between pixels.
 */
static enum vgg_hw_status read_row(struct conv_run *r, int64_t y, int64_t from,
				   int64_t to, int16_t *out)
{
	const struct sim_image *in = &r->conv->in;
	int64_t end = in->w * in->c;
	uint64_t row = in->base + (uint64_t)y * in->pitch;

	if (y < 0 || y >= in->h || from >= end || to <= 0) {
		fill_wide(out, r->conv->pad_value, to - from);
		return VGG_STATUS_OK;
	}
	if (from < 0) {
		fill_wide(out, r->conv->pad_value, -from);
		out -= from;
		from = 0;
	}
	if (to > end) {
		fill_wide(out + (end - from), r->conv->pad_value, to - end);
		to = end;
	}
	if (in->pixel == (uint64_t)in->c)
		return read_wide(r->e, r->mmu, row + (uint64_t)from, out,
				 to - from);
	while (from < to) {
		int64_t x = from / in->c, c = from % in->c;
		int64_t n = min64(in->c - c, to - from);

		TRY(read_wide(r->e, r->mmu,
			      row + (uint64_t)x * in->pixel + (uint64_t)c, out,
			      n));
		out += n;
		from += n;
	}
	return VGG_STATUS_OK;
}

/* Taps [from, to) of the window of output pixel (y, x), zeros behind them. */
static enum vgg_hw_status load_window(struct conv_run *r, int64_t y, int64_t x,
				      int64_t from, int64_t to, int16_t *out)
{
	const struct sim_window *win = &r->conv->win;
	int64_t c = r->conv->in.c, line = win->kernel_w * c;
	int64_t left = (x * win->stride_w - win->pad_left) * c;
	int64_t tail = round_up(to - from, GRAIN) - (to - from);

	while (from < to) {
		int64_t row = from / line, offset = from % line;
		int64_t n = min64(line - offset, to - from);

		TRY(read_row(r, y * win->stride_h - win->pad_top + row,
			     left + offset, left + offset + n, out));
		out += n;
		from += n;
	}
	fill_wide(out, 0, tail);
	return VGG_STATUS_OK;
}

static void start_acc(struct conv_run *r, int64_t pixels)
{
	struct sim_engine *e = r->e;
	int64_t p, f;

	for (p = 0; p < pixels; p++)
		for (f = 0; f < r->count; f++)
			e->acc[p][f] = e->params[f].bias;
}

/* acc of output pixels (y, columns[i]) .. (y, columns[i + pixels - 1]). */
static enum vgg_hw_status convolve(struct conv_run *r, int64_t y, int64_t i,
				   int64_t pixels)
{
	struct sim_engine *e = r->e;
	int64_t taps = r->conv->taps, from, to, p;

	start_acc(r, pixels);
	for (from = 0; from < taps; from = to) {
		int64_t tile = r->resident ? from / DEPTH : 0;

		to = min64(from + DEPTH, taps);
		TRY(vgg_sim_stopped(r->mmu->sim));
		if (!r->resident)
			TRY(load_weights(r, e->weights[0], from, to));
		for (p = 0; p < pixels; p++)
			TRY(load_window(r, y, e->columns[i + p], from, to,
					e->windows[p]));
		multiply((const int16_t(*)[DEPTH])e->weights[tile],
			 (const int16_t(*)[DEPTH])e->windows, r->count, pixels,
			 round_up(to - from, GRAIN), e->acc);
	}
	return VGG_STATUS_OK;
}

static INLINE int32_t as_signed(uint32_t v)
{
	int32_t s;

	memcpy(&s, &v, sizeof(s));
	return s;
}

/* |acc * mult| is at most 2^62 and the rounding term 2^61: no overflow. */
static INLINE int64_t scale(const struct qparam *q, int32_t acc)
{
	return (((int64_t)acc * q->mult + (INT64_C(1) << (q->shift - 1))) >>
		q->shift) +
	       q->offset;
}

static uint64_t requantise(const struct sim_conv *conv,
			   const struct qparam *params, const uint32_t *acc,
			   int8_t *y, int64_t n)
{
	uint64_t saturations = 0;
	int64_t i, t;

	for (i = 0; i < n; i++) {
		int32_t a = as_signed(acc[i]);

		if (conv->relu && a < 0)
			a = 0;
		t = scale(&params[i], a);
		saturations += t < conv->lo || t > conv->hi;
		y[i] = (int8_t)max64(min64(t, conv->hi), conv->lo);
	}
	return saturations;
}

static void pack_acc(const struct sim_conv *conv, uint32_t *acc, int64_t n)
{
	int64_t i;

	for (i = 0; i < n; i++) {
		if (conv->relu && as_signed(acc[i]) < 0)
			acc[i] = 0;
		acc[i] = htole32(acc[i]);
	}
}

static uint64_t pixel_address(const struct sim_image *image, int64_t y,
			      int64_t x)
{
	return image->base + (uint64_t)y * image->pitch +
	       (uint64_t)x * image->pixel;
}

/* Column x of e->acc[p] goes to memory or, with fused pooling, to a row. */
static enum vgg_hw_status finish_pixel(struct conv_run *r, int64_t y, int64_t x,
				       int64_t p)
{
	const struct sim_conv *conv = r->conv;
	uint64_t n = (uint64_t)r->count, first = (uint64_t)r->first;
	uint64_t dst = pixel_address(&conv->out, y, x);
	int8_t *to = conv->fused ? r->e->pooled[y % POOL_ROWS][x] : r->e->bytes;

	if (conv->out32) {
		pack_acc(conv, r->e->acc[p], r->count);
		return vgg_sim_mmu_write(r->mmu, dst + first * 4, r->e->acc[p],
					 n * 4);
	}
	r->saturations +=
		requantise(conv, r->e->params, r->e->acc[p], to, r->count);
	if (conv->fused)
		return VGG_STATUS_OK;
	return vgg_sim_mmu_write(r->mmu, dst + first, to, n);
}

static enum vgg_hw_status run_row(struct conv_run *r, int64_t y)
{
	int64_t i, p, pixels;

	for (i = 0; i < r->columns; i += pixels) {
		pixels = min64(PIXELS, r->columns - i);
		TRY(convolve(r, y, i, pixels));
		for (p = 0; p < pixels; p++)
			TRY(finish_pixel(r, y, r->e->columns[i + p], p));
	}
	return VGG_STATUS_OK;
}

/* The part of a window at output index `at` that lies in [0, size). */
struct span {
	int64_t from, to;
};

static struct span clip_window(int64_t at, int64_t stride, int64_t pad,
			       int64_t kernel, int64_t size)
{
	int64_t start = at * stride - pad;

	return (struct span){ max64(start, 0), min64(start + kernel, size) };
}

static struct span pool_rows(const struct sim_conv *conv, int64_t y)
{
	return clip_window(y, conv->pool.stride_h, conv->pool.pad_top,
			   conv->pool.kernel_h, conv->conv_h);
}

static struct span pool_columns(const struct sim_conv *conv, int64_t x)
{
	return clip_window(x, conv->pool.stride_w, conv->pool.pad_left,
			   conv->pool.kernel_w, conv->conv_w);
}

/* Which columns to compute: all, or those some pooling window reads. */
static void choose_columns(struct conv_run *r)
{
	const struct sim_conv *conv = r->conv;
	int64_t x, next = 0;

	r->columns = 0;
	for (x = 0; x < conv->out.w; x++) {
		struct span s = { x, x + 1 };

		if (conv->fused)
			s = pool_columns(conv, x);
		for (next = max64(next, s.from); next < s.to; next++)
			r->e->columns[r->columns++] = (uint16_t)next;
	}
}

static void take_maximum(int8_t *best, const int8_t *values, int64_t n)
{
	int64_t i;

	for (i = 0; i < n; i++)
		if (values[i] > best[i])
			best[i] = values[i];
}

static enum vgg_hw_status pool_pixel(struct conv_run *r, int64_t y, int64_t x)
{
	struct span rows = pool_rows(r->conv, y);
	struct span columns = pool_columns(r->conv, x);
	int8_t best[FILTERS];
	int64_t i, j;

	memset(best, INT8_MIN, sizeof(best));
	for (i = rows.from; i < rows.to; i++)
		for (j = columns.from; j < columns.to; j++)
			take_maximum(best, r->e->pooled[i % POOL_ROWS][j],
				     r->count);
	return vgg_sim_mmu_write(
		r->mmu, pixel_address(&r->conv->out, y, x) + (uint64_t)r->first,
		best, (uint64_t)r->count);
}

/* Windows reach POOL_ROWS rows at most, so that many are kept, in turn. */
static enum vgg_hw_status run_pooled(struct conv_run *r)
{
	int64_t y, x, next = 0;

	for (y = 0; y < r->conv->out.h; y++) {
		struct span rows = pool_rows(r->conv, y);

		for (next = max64(next, rows.from); next < rows.to; next++)
			TRY(run_row(r, next));
		TRY(vgg_sim_stopped(r->mmu->sim));
		for (x = 0; x < r->conv->out.w; x++)
			TRY(pool_pixel(r, y, x));
	}
	return VGG_STATUS_OK;
}

static enum vgg_hw_status load_params(struct sim_engine *e, struct sim_mmu *mmu,
				      uint64_t va, int64_t n)
{
	int64_t i;

	TRY(vgg_sim_mmu_read(mmu, va, e->wire,
			     (uint64_t)n * sizeof(e->wire[0])));
	for (i = 0; i < n; i++) {
		const struct vgg_hw_qparam *wire = &e->wire[i];

		if (wire->shift < VGG_SHIFT_MIN ||
		    wire->shift > VGG_SHIFT_MAX ||
		    wire->reserved[0] | wire->reserved[1] | wire->reserved[2]) {
			mmu->fault_addr = va + (uint64_t)i * sizeof(*wire);
			return VGG_STATUS_PARAM;
		}
		e->params[i].bias = le32toh(wire->bias);
		e->params[i].mult = as_signed(le32toh(wire->mult));
		e->params[i].offset = as_signed(le32toh(wire->offset));
		e->params[i].shift = wire->shift;
	}
	return VGG_STATUS_OK;
}

static enum vgg_hw_status load_biases(struct conv_run *r)
{
	int64_t f;

	TRY(vgg_sim_mmu_read(r->mmu, r->conv->params + (uint64_t)r->first * 4,
			     r->e->acc[0], (uint64_t)r->count * 4));
	for (f = 0; f < r->count; f++)
		r->e->params[f].bias = le32toh(r->e->acc[0][f]);
	return VGG_STATUS_OK;
}

static enum vgg_hw_status load_block(struct conv_run *r)
{
	uint64_t offset = (uint64_t)r->first * sizeof(struct vgg_hw_qparam);

	if (r->conv->out32)
		TRY(load_biases(r));
	else
		TRY(load_params(r->e, r->mmu, r->conv->params + offset,
				r->count));
	return load_resident(r);
}

static enum vgg_hw_status run_block(struct conv_run *r)
{
	int64_t y;

	TRY(load_block(r));
	if (r->conv->fused)
		return run_pooled(r);
	for (y = 0; y < r->conv->conv_h; y++)
		TRY(run_row(r, y));
	return VGG_STATUS_OK;
}

static enum vgg_hw_status run_conv(struct sim_engine *e, struct sim_mmu *mmu,
				   const struct sim_conv *conv,
				   uint64_t *saturations)
{
	struct conv_run r = { .e = e, .mmu = mmu, .conv = conv };
	enum vgg_hw_status status = VGG_STATUS_OK;

	choose_columns(&r);
	while (!status && r.first < conv->out.c) {
		r.count = min64(FILTERS, conv->out.c - r.first);
		status = run_block(&r);
		r.first += r.count;
	}
	*saturations += r.saturations;
	return status;
}

/* Taps inside the input feed sums (or maxima), the others only the count. */
static enum vgg_hw_status sum_window(struct sim_engine *e, struct sim_mmu *mmu,
				     const struct sim_pool *pool,
				     struct span rows, struct span columns,
				     uint64_t channel, int64_t n)
{
	int64_t y, x, i;

	for (i = 0; i < n; i++)
		e->sums[i] = pool->average ? 0 : (uint32_t)INT8_MIN;
	for (y = rows.from; y < rows.to; y++) {
		TRY(vgg_sim_stopped(mmu->sim));
		for (x = columns.from; x < columns.to; x++) {
			TRY(vgg_sim_mmu_read(
				mmu, pixel_address(&pool->in, y, x) + channel,
				e->bytes, (uint64_t)n));
			for (i = 0; i < n; i++) {
				int32_t v = e->bytes[i];

				if (pool->average)
					e->sums[i] += (uint32_t)v;
				else if (v > as_signed(e->sums[i]))
					e->sums[i] = (uint32_t)v;
			}
		}
	}
	return VGG_STATUS_OK;
}

static uint64_t average(struct sim_engine *e, const struct sim_pool *pool,
			int64_t inside, int64_t n)
{
	int64_t all = pool->win.kernel_h * pool->win.kernel_w, i, t;
	int64_t taps = pool->exclude_pad ? inside : all;
	const struct qparam *q = &e->params[taps - 1];
	/* pad_value is 0 with exclude_pad */
	uint32_t start = q->bias + (uint32_t)(pool->pad_value * (all - inside));
	uint64_t saturations = 0;

	for (i = 0; i < n; i++) {
		t = scale(q, as_signed(e->sums[i] + start));
		saturations += t < pool->lo || t > pool->hi;
		e->bytes[i] = (int8_t)max64(min64(t, pool->hi), pool->lo);
	}
	return saturations;
}

static enum vgg_hw_status run_pool_pixel(struct sim_engine *e,
					 struct sim_mmu *mmu,
					 const struct sim_pool *pool, int64_t y,
					 int64_t x, uint64_t *saturations)
{
	const struct sim_window *win = &pool->win;
	struct span rows = clip_window(y, win->stride_h, win->pad_top,
				       win->kernel_h, pool->in.h);
	struct span columns = clip_window(x, win->stride_w, win->pad_left,
					  win->kernel_w, pool->in.w);
	int64_t inside = (rows.to - rows.from) * (columns.to - columns.from);
	int64_t c, i, n;

	for (c = 0; c < pool->in.c; c += n) {
		n = min64(POOL_CHANNELS, pool->in.c - c);
		TRY(sum_window(e, mmu, pool, rows, columns, (uint64_t)c, n));
		if (pool->average)
			*saturations += average(e, pool, inside, n);
		else
			for (i = 0; i < n; i++)
				e->bytes[i] = (int8_t)as_signed(e->sums[i]);
		TRY(vgg_sim_mmu_write(
			mmu, pixel_address(&pool->out, y, x) + (uint64_t)c,
			e->bytes, (uint64_t)n));
	}
	return VGG_STATUS_OK;
}

static enum vgg_hw_status run_pool(struct sim_engine *e, struct sim_mmu *mmu,
				   const struct sim_pool *pool,
				   uint64_t *saturations)
{
	int64_t entries = pool->win.kernel_h * pool->win.kernel_w, y, x;

	if (pool->average)
		TRY(load_params(e, mmu, pool->params, entries));
	for (y = 0; y < pool->out.h; y++)
		for (x = 0; x < pool->out.w; x++)
			TRY(run_pool_pixel(e, mmu, pool, y, x, saturations));
	return VGG_STATUS_OK;
}

/* Through scratch, so that overlapping operands are merely pointless. */
static enum vgg_hw_status run_copy(struct sim_engine *e, struct sim_mmu *mmu,
				   const struct sim_copy *copy)
{
	uint64_t y, x, n;

	for (y = 0; y < copy->height; y++) {
		for (x = 0; x < copy->width; x += n) {
			n = copy->width - x;
			n = n < COPY_BYTES ? n : COPY_BYTES;
			TRY(vgg_sim_stopped(mmu->sim));
			TRY(vgg_sim_mmu_read(
				mmu, copy->src + y * copy->src_pitch + x,
				e->bytes, n));
			TRY(vgg_sim_mmu_write(
				mmu, copy->dst + y * copy->dst_pitch + x,
				e->bytes, n));
		}
	}
	return VGG_STATUS_OK;
}

static enum vgg_hw_status run_fill(struct sim_engine *e, struct sim_mmu *mmu,
				   const struct sim_fill *fill)
{
	uint64_t y, x, n;

	memset(e->bytes, fill->value, sizeof(e->bytes));
	for (y = 0; y < fill->height; y++) {
		for (x = 0; x < fill->width; x += n) {
			n = fill->width - x;
			n = n < COPY_BYTES ? n : COPY_BYTES;
			TRY(vgg_sim_stopped(mmu->sim));
			TRY(vgg_sim_mmu_write(mmu,
					      fill->dst + y * fill->pitch + x,
					      e->bytes, n));
		}
	}
	return VGG_STATUS_OK;
}

enum vgg_hw_status vgg_sim_engine_run(struct sim_engine *engine,
				      struct sim_mmu *mmu,
				      const struct sim_command *cmd,
				      uint64_t *saturations)
{
	switch (cmd->opcode) {
	case VGG_CMD_FILL:
		return run_fill(engine, mmu, &cmd->fill);
	case VGG_CMD_COPY:
		return run_copy(engine, mmu, &cmd->copy);
	case VGG_CMD_CONV:
		return run_conv(engine, mmu, &cmd->conv, saturations);
	case VGG_CMD_POOL:
		return run_pool(engine, mmu, &cmd->pool, saturations);
	default:
		return VGG_STATUS_OK;
	}
}
