// SPDX-License-Identifier: MIT
/*
 * Replay: computing a CONV takes the simulator far longer than the card it
 * models, so a paced card must not compute twice what it has computed before.
 * This keeps results of CONV and POOL, and gives them again for a command that
 * is the same in all its fields and whose operands hold the same bytes.
 *
 * Exact by construction, not by likelihood: hashes only find candidates.
 *
 *  - Input, and weights and parameters in host memory, are kept with the result
 *    and compared byte by byte.
 *  - Weights and parameters in on-board memory, too large to be kept, are
 *    known by where they lie and when that was written last: nothing but
 *    commands writes there, and all of them by vgg_sim_mmu_write(), which notes
 *    the current epoch for the page. Keeping a result starts a new epoch, so
 *    pages whose epoch is at most that of the result still hold what it was
 *    made of. They are not compared: writing the same bytes again also ends
 *    the result's life.
 *
 * What could go wrong in a way that the plain engine would report goes to the
 * plain engine: a command that is replayed has all of its memory mapped, and
 * its destination writable and apart from its operands. Failures are never
 * kept. A host that changes operands while the command runs gets what it
 * deserves, as with the plain engine.
 *
 * The least recently used results make room for new ones. Results of commands
 * with the same fields share weights and parameters.
 */
#include "sim_internal.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024u
#define KEY_FIELDS 40u
/* Beyond this, looking at where an operand lies would take too long. */
#define LOCAL_MAX (UINT64_C(1) << 30)

enum { INPUT, WEIGHTS, PARAMS, OPERANDS, OUTPUT = OPERANDS, REGIONS };

/* Rows of pixels of bytes. */
struct region {
	uint64_t base, pitch, pixel;
	uint64_t rows, pixels, bytes;
};

struct blob {
	unsigned int refs;
	uint64_t size;
	uint8_t bytes[];
};

/* By its bytes or, on board, by where it lies. */
struct operand {
	struct blob *blob;
	struct sim_span *spans;
	size_t span_count;
};

struct result {
	struct result *next;	      /* in its bucket */
	struct result *newer, *older; /* of all */
	int64_t key[KEY_FIELDS];
	struct operand operands[OPERANDS];
	struct blob *output;
	uint64_t saturations;
	uint64_t epoch;
};

/* A command that asks for a result. */
struct request {
	int64_t key[KEY_FIELDS];
	unsigned int key_fields;
	struct region regions[REGIONS];
	size_t first_span[REGIONS + 1]; /* in the list of spans */
	bool local[REGIONS];		/* all of its spans */
};

struct sim_replay {
	uint64_t limit, used;
	struct result *buckets[BUCKETS];
	struct result *newest, *oldest;
	struct sim_span *spans; /* of the request */
	size_t span_count, span_room;
	uint8_t page[VGG_PAGE_SIZE];
};

struct sim_replay *vgg_sim_replay_create(uint64_t limit)
{
	struct sim_replay *r = calloc(1, sizeof(*r));

	if (r)
		r->limit = limit;
	return r;
}

uint64_t vgg_sim_replay_bytes(const struct sim_replay *r)
{
	return r->used;
}

/*
 * What is kept.
 */
static struct blob *new_blob(struct sim_replay *r, uint64_t size)
{
	struct blob *blob = malloc(sizeof(*blob) + size);

	if (!blob)
		return NULL;
	blob->refs = 1;
	blob->size = size;
	r->used += size;
	return blob;
}

static void drop_blob(struct sim_replay *r, struct blob *blob)
{
	if (!blob || --blob->refs)
		return;
	r->used -= blob->size;
	free(blob);
}

static uint64_t span_bytes(const struct operand *o)
{
	return o->span_count * sizeof(*o->spans);
}

static void free_result(struct sim_replay *r, struct result *result)
{
	unsigned int i;

	for (i = 0; i < OPERANDS; i++) {
		drop_blob(r, result->operands[i].blob);
		r->used -= span_bytes(&result->operands[i]);
		free(result->operands[i].spans);
	}
	drop_blob(r, result->output);
	r->used -= sizeof(*result);
	free(result);
}

static struct result **bucket_of(struct sim_replay *r, const int64_t *key)
{
	uint64_t hash = 0;
	unsigned int i;

	for (i = 0; i < KEY_FIELDS; i++) {
		hash = (hash ^ (uint64_t)key[i]) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 29;
	}
	return &r->buckets[hash % BUCKETS];
}

static void unlink_age(struct sim_replay *r, struct result *result)
{
	*(result->newer ? &result->newer->older : &r->newest) = result->older;
	*(result->older ? &result->older->newer : &r->oldest) = result->newer;
}

static void make_newest(struct sim_replay *r, struct result *result)
{
	result->newer = NULL;
	result->older = r->newest;
	*(r->newest ? &r->newest->newer : &r->oldest) = result;
	r->newest = result;
}

static void forget(struct sim_replay *r, struct result *result)
{
	struct result **at = bucket_of(r, result->key);

	while (*at != result)
		at = &(*at)->next;
	*at = result->next;
	unlink_age(r, result);
	free_result(r, result);
}

void vgg_sim_replay_destroy(struct sim_replay *r)
{
	if (!r)
		return;
	while (r->oldest)
		forget(r, r->oldest);
	free(r->spans);
	free(r);
}

/*
 * The request: the command's fields, and where its memory lies.
 */
static void add_key(struct request *q, int64_t value)
{
	q->key[q->key_fields++] = value;
}

static void add_key_image(struct request *q, const struct sim_image *image)
{
	add_key(q, (int64_t)image->base);
	add_key(q, (int64_t)image->pitch);
	add_key(q, (int64_t)image->pixel);
	add_key(q, image->h);
	add_key(q, image->w);
	add_key(q, image->c);
}

static void add_key_window(struct request *q, const struct sim_window *win)
{
	add_key(q, win->kernel_h << 32 | win->kernel_w);
	add_key(q, win->stride_h << 32 | win->stride_w);
	add_key(q, win->pad_top << 32 | win->pad_left);
	add_key(q, win->pad_bottom << 32 | win->pad_right);
}

static struct region image_region(const struct sim_image *image, uint64_t item)
{
	return (struct region){
		.base = image->base,
		.pitch = image->pitch,
		.pixel = image->pixel,
		.rows = (uint64_t)image->h,
		.pixels = (uint64_t)image->w,
		.bytes = (uint64_t)image->c * item,
	};
}

static struct region plain_region(uint64_t base, uint64_t bytes)
{
	return (struct region){
		.base = base, .rows = 1, .pixels = 1, .bytes = bytes
	};
}

static void describe_conv(struct request *q, const struct sim_conv *conv)
{
	uint64_t filters = (uint64_t)conv->out.c;

	add_key_image(q, &conv->in);
	add_key_image(q, &conv->out);
	add_key(q, (int64_t)conv->weights);
	add_key(q, (int64_t)conv->weight_pitch);
	add_key(q, (int64_t)conv->params);
	add_key_window(q, &conv->win);
	add_key_window(q, &conv->pool);
	add_key(q, conv->pad_value);
	add_key(q, conv->lo);
	add_key(q, conv->hi);
	add_key(q, conv->relu);
	add_key(q, conv->out32);
	add_key(q, conv->fused);
	q->regions[INPUT] = image_region(&conv->in, 1);
	q->regions[OUTPUT] = image_region(&conv->out, conv->out32 ? 4 : 1);
	q->regions[WEIGHTS] = (struct region){
		.base = conv->weights,
		.pitch = conv->weight_pitch,
		.rows = filters,
		.pixels = 1,
		.bytes = (uint64_t)conv->taps,
	};
	q->regions[PARAMS] = plain_region(
		conv->params,
		filters * (conv->out32 ? 4 : sizeof(struct vgg_hw_qparam)));
}

static void describe_pool(struct request *q, const struct sim_pool *pool)
{
	uint64_t entries = (uint64_t)(pool->win.kernel_h * pool->win.kernel_w);

	add_key_image(q, &pool->in);
	add_key_image(q, &pool->out);
	add_key(q, (int64_t)pool->params);
	add_key_window(q, &pool->win);
	add_key(q, pool->pad_value);
	add_key(q, pool->lo);
	add_key(q, pool->hi);
	add_key(q, pool->average);
	add_key(q, pool->exclude_pad);
	q->regions[INPUT] = image_region(&pool->in, 1);
	q->regions[OUTPUT] = image_region(&pool->out, 1);
	if (pool->average)
		q->regions[PARAMS] = plain_region(
			pool->params, entries * sizeof(struct vgg_hw_qparam));
}

/* Pixels without gaps are longer pixels, rows without gaps a longer row. */
static void close_gaps(struct region *g)
{
	if (g->pixels > 1 && g->pixel == g->bytes) {
		g->bytes *= g->pixels;
		g->pixels = 1;
	}
	if (g->pixels == 1 && g->rows > 1 && g->pitch == g->bytes) {
		g->bytes *= g->rows;
		g->rows = 1;
	}
}

static uint64_t region_bytes(const struct region *g)
{
	return g->rows * g->pixels * g->bytes;
}

static bool add_span(struct sim_replay *r, const struct sim_span *span,
		     bool first)
{
	size_t room = r->span_room ? 2 * r->span_room : 64;
	struct sim_span *last = first ? NULL : r->spans + r->span_count - 1;
	struct sim_span *spans;

	if (last && last->local == span->local &&
	    last->addr + last->len == span->addr) {
		last->len += span->len;
		return true;
	}
	if (r->span_count == r->span_room) {
		spans = realloc(r->spans, room * sizeof(*spans));
		if (!spans)
			return false;
		r->spans = spans;
		r->span_room = room;
	}
	r->spans[r->span_count++] = *span;
	return true;
}

/* Adds what [va, va + len) lies in to the spans from `first` on. */
static bool locate_range(struct sim_replay *r, struct sim_mmu *mmu, uint64_t va,
			 uint64_t len, bool write, size_t first)
{
	struct sim_span span;

	for (; len; va += span.len, len -= span.len)
		if (vgg_sim_mmu_span(mmu, va, len, write, &span) ||
		    !add_span(r, &span, r->span_count == first))
			return false;
	return true;
}

/* Small gaps are taken along, so that a row is not looked for by itself. */
static bool locate(struct sim_replay *r, struct sim_mmu *mmu,
		   const struct region *g, bool write)
{
	uint64_t row = (g->pixels - 1) * g->pixel + g->bytes, y;
	size_t first = r->span_count;

	if (g->pitch < row + VGG_PAGE_SIZE)
		return locate_range(r, mmu, g->base,
				    (g->rows - 1) * g->pitch + row, write,
				    first);
	for (y = 0; y < g->rows; y++)
		if (!locate_range(r, mmu, g->base + y * g->pitch, row, write,
				  first))
			return false;
	return true;
}

static bool all_local(const struct sim_span *spans, size_t n)
{
	while (n--)
		if (!spans[n].local)
			return false;
	return true;
}

static int by_address(const void *a, const void *b)
{
	const struct sim_span *x = a, *y = b;

	if (x->local != y->local)
		return x->local ? 1 : -1;
	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* Whether two sorted lists have nothing in common. */
static bool apart(const struct sim_span *a, size_t n, const struct sim_span *b,
		  size_t m)
{
	while (n && m) {
		if (a->local == b->local && a->addr < b->addr + b->len &&
		    b->addr < a->addr + a->len)
			return false;
		if (by_address(a, b) < 0) {
			a++;
			n--;
		} else {
			b++;
			m--;
		}
	}
	return true;
}

static bool apart_from_itself(const struct sim_span *a, size_t n)
{
	size_t i;

	for (i = 1; i < n; i++)
		if (!apart(a + i - 1, 1, a + i, 1))
			return false;
	return true;
}

/* The destination from each operand; on a sorted copy of the spans. */
static bool output_is_apart(const struct sim_replay *r, const struct request *q)
{
	const size_t *at = q->first_span;
	struct sim_span *sorted = malloc(r->span_count * sizeof(*sorted));
	size_t outputs = at[REGIONS] - at[OUTPUT];
	bool yes = sorted;
	unsigned int i;

	if (!sorted)
		return false;
	memcpy(sorted, r->spans, r->span_count * sizeof(*sorted));
	for (i = 0; i < REGIONS; i++)
		qsort(sorted + at[i], at[i + 1] - at[i], sizeof(*sorted),
		      by_address);
	for (i = 0; i < OPERANDS; i++)
		yes = yes && apart(sorted + at[i], at[i + 1] - at[i],
				   sorted + at[OUTPUT], outputs);
	yes = yes && apart_from_itself(sorted + at[OUTPUT], outputs);
	free(sorted);
	return yes;
}

/* False: the plain engine shall do it. */
static bool make_request(struct sim_replay *r, struct sim_mmu *mmu,
			 const struct sim_command *cmd, struct request *q)
{
	unsigned int i;

	memset(q, 0, sizeof(*q));
	add_key(q, cmd->opcode);
	if (cmd->opcode == VGG_CMD_CONV)
		describe_conv(q, &cmd->conv);
	else
		describe_pool(q, &cmd->pool);
	r->span_count = 0;
	for (i = 0; i < REGIONS; i++) {
		struct region *g = &q->regions[i];

		q->first_span[i] = r->span_count;
		close_gaps(g);
		if (!g->bytes)
			continue;
		if (g->rows > LOCAL_MAX / (g->pitch + 1) ||
		    region_bytes(g) > LOCAL_MAX ||
		    !locate(r, mmu, g, i == OUTPUT))
			return false;
		q->local[i] = all_local(r->spans + q->first_span[i],
					r->span_count - q->first_span[i]);
	}
	q->first_span[REGIONS] = r->span_count;
	return output_is_apart(r, q);
}

/*
 * Bytes of a region and of a blob, run by run.
 */
typedef bool (*run_fn)(struct sim_replay *r, struct sim_mmu *mmu, uint64_t va,
		       uint8_t *kept, uint64_t len);

static bool equal_run(struct sim_replay *r, struct sim_mmu *mmu, uint64_t va,
		      uint8_t *kept, uint64_t len)
{
	const uint8_t *at;
	size_t n;

	for (; len; va += n, kept += n, len -= n)
		if (vgg_sim_mmu_view(mmu, va, len, r->page, &at, &n) ||
		    memcmp(at, kept, n) != 0)
			return false;
	return true;
}

static bool load_run(struct sim_replay *r, struct sim_mmu *mmu, uint64_t va,
		     uint8_t *kept, uint64_t len)
{
	(void)r;
	return !vgg_sim_mmu_read(mmu, va, kept, len);
}

static bool store_run(struct sim_replay *r, struct sim_mmu *mmu, uint64_t va,
		      uint8_t *kept, uint64_t len)
{
	(void)r;
	return !vgg_sim_stopped(mmu->sim) &&
	       !vgg_sim_mmu_write(mmu, va, kept, len);
}

static bool each_run(struct sim_replay *r, struct sim_mmu *mmu,
		     const struct region *g, struct blob *blob, run_fn run)
{
	uint8_t *kept = blob->bytes;
	uint64_t y, x;

	for (y = 0; y < g->rows; y++)
		for (x = 0; x < g->pixels; x++, kept += g->bytes)
			if (!run(r, mmu, g->base + y * g->pitch + x * g->pixel,
				 kept, g->bytes))
				return false;
	return true;
}

static struct blob *load(struct sim_replay *r, struct sim_mmu *mmu,
			 const struct region *g)
{
	struct blob *blob = new_blob(r, region_bytes(g));

	if (blob && !each_run(r, mmu, g, blob, load_run)) {
		drop_blob(r, blob);
		return NULL;
	}
	return blob;
}

/*
 * Looking for a result.
 */
static bool was_written(const struct vgg_sim *sim, const struct operand *o,
			uint64_t epoch)
{
	uint64_t page, end;
	size_t i;

	for (i = 0; i < o->span_count; i++) {
		page = o->spans[i].addr / VGG_PAGE_SIZE;
		end = (o->spans[i].addr + o->spans[i].len - 1) / VGG_PAGE_SIZE;
		for (; page <= end; page++)
			if (sim->written[page] > epoch)
				return true;
	}
	return false;
}

/* What it was made of is no more. */
static bool is_stale(const struct vgg_sim *sim, const struct result *result)
{
	unsigned int i;

	for (i = 0; i < OPERANDS; i++)
		if (was_written(sim, &result->operands[i], result->epoch))
			return true;
	return false;
}

static bool operand_matches(struct sim_replay *r, struct sim_mmu *mmu,
			    const struct request *q, unsigned int i,
			    const struct operand *o)
{
	const struct sim_span *spans = r->spans + q->first_span[i];
	size_t count = q->first_span[i + 1] - q->first_span[i], at;

	if (!q->regions[i].bytes)
		return true;
	if (o->blob)
		return each_run(r, mmu, &q->regions[i], o->blob, equal_run);
	if (count != o->span_count)
		return false;
	for (at = 0; at < count; at++)
		if (spans[at].addr != o->spans[at].addr ||
		    spans[at].len != o->spans[at].len ||
		    spans[at].local != o->spans[at].local)
			return false;
	return true;
}

static struct result *next_candidate(struct result *result,
				     const struct request *q)
{
	while (result && memcmp(result->key, q->key, sizeof(q->key)) != 0)
		result = result->next;
	return result;
}

static struct result *find(struct sim_replay *r, struct sim_mmu *mmu,
			   const struct request *q)
{
	struct result *e = next_candidate(*bucket_of(r, q->key), q), *next;

	for (; e; e = next) {
		next = next_candidate(e->next, q);
		if (!operand_matches(r, mmu, q, INPUT, &e->operands[INPUT]))
			continue;
		if (is_stale(mmu->sim, e))
			forget(r, e);
		else if (operand_matches(r, mmu, q, PARAMS,
					 &e->operands[PARAMS]) &&
			 operand_matches(r, mmu, q, WEIGHTS,
					 &e->operands[WEIGHTS]))
			return e;
	}
	return NULL;
}

/*
 * Keeping one.
 */

/* The same weights or parameters, kept with another input. */
static struct blob *share(struct sim_replay *r, struct sim_mmu *mmu,
			  const struct request *q, unsigned int i)
{
	struct result *e = next_candidate(*bucket_of(r, q->key), q);
	struct blob *blob;

	for (; e; e = next_candidate(e->next, q)) {
		blob = e->operands[i].blob;
		if (!blob || !each_run(r, mmu, &q->regions[i], blob, equal_run))
			continue;
		blob->refs++;
		return blob;
	}
	return NULL;
}

static bool keep_spans(struct sim_replay *r, const struct request *q,
		       unsigned int i, struct operand *o)
{
	size_t count = q->first_span[i + 1] - q->first_span[i];

	o->spans = malloc(count * sizeof(*o->spans));
	if (!o->spans)
		return false;
	memcpy(o->spans, r->spans + q->first_span[i],
	       count * sizeof(*o->spans));
	o->span_count = count;
	r->used += span_bytes(o);
	return true;
}

/* By place; the input isn't, as each inference writes it anew. */
static bool by_place(const struct request *q, unsigned int i)
{
	return i != INPUT && q->regions[i].bytes && q->local[i];
}

static bool keep_operand(struct sim_replay *r, struct sim_mmu *mmu,
			 const struct request *q, unsigned int i,
			 struct operand *o)
{
	if (!q->regions[i].bytes || o->blob)
		return true;
	if (by_place(q, i))
		return keep_spans(r, q, i, o);
	o->blob = load(r, mmu, &q->regions[i]);
	return o->blob;
}

/* Room for all of it but what it shares; false if there is not so much. */
static bool make_room(struct sim_replay *r, const struct request *q,
		      const struct result *new)
{
	uint64_t whole = sizeof(*new) + region_bytes(&q->regions[OUTPUT]);
	uint64_t need = whole;
	unsigned int i;

	for (i = 0; i < OPERANDS; i++) {
		uint64_t bytes = region_bytes(&q->regions[i]);

		if (by_place(q, i))
			bytes = (q->first_span[i + 1] - q->first_span[i]) *
				sizeof(struct sim_span);
		whole += bytes;
		need += new->operands[i].blob ? 0 : bytes;
	}
	if (whole > r->limit)
		return false;
	while (r->oldest && r->used + need > r->limit)
		forget(r, r->oldest);
	return true;
}

/* Before the command runs: what it is about to read. NULL: it won't be kept. */
static struct result *begin_result(struct sim_replay *r, struct sim_mmu *mmu,
				   const struct request *q)
{
	struct result *new = calloc(1, sizeof(*new));
	bool ok = new;
	unsigned int i;

	if (!new)
		return NULL;
	r->used += sizeof(*new);
	memcpy(new->key, q->key, sizeof(new->key));
	for (i = WEIGHTS; i <= PARAMS; i++)
		if (q->regions[i].bytes && !by_place(q, i))
			new->operands[i].blob = share(r, mmu, q, i);
	ok = make_room(r, q, new);
	for (i = 0; ok && i < OPERANDS; i++)
		ok = keep_operand(r, mmu, q, i, &new->operands[i]);
	if (ok)
		return new;
	free_result(r, new);
	return NULL;
}

/* It ran: what it wrote. */
static void end_result(struct sim_replay *r, struct sim_mmu *mmu,
		       const struct request *q, struct result *new)
{
	struct result **bucket = bucket_of(r, q->key);

	new->output = load(r, mmu, &q->regions[OUTPUT]);
	if (!new->output) {
		free_result(r, new);
		return;
	}
	new->epoch = mmu->sim->epoch++;
	new->next = *bucket;
	*bucket = new;
	make_newest(r, new);
}

static enum vgg_hw_status
compute(struct sim_replay *r, struct sim_engine *engine, struct sim_mmu *mmu,
	const struct sim_command *cmd, const struct request *q,
	uint64_t *saturations)
{
	struct result *new = begin_result(r, mmu, q);
	uint64_t before = *saturations;
	enum vgg_hw_status status;

	mmu->fault_addr = 0;
	status = vgg_sim_engine_run(engine, mmu, cmd, saturations);
	if (!new)
		return status;
	new->saturations = *saturations - before;
	if (status)
		free_result(r, new);
	else
		end_result(r, mmu, q, new);
	return status;
}

enum vgg_hw_status vgg_sim_replay_run(struct sim_replay *r,
				      struct sim_engine *engine,
				      struct sim_mmu *mmu,
				      const struct sim_command *cmd,
				      uint64_t *saturations, bool *replayed)
{
	struct result *e;
	struct request q;

	*replayed = false;
	if (vgg_sim_stopped(mmu->sim) || !make_request(r, mmu, cmd, &q)) {
		mmu->fault_addr = 0;
		return vgg_sim_engine_run(engine, mmu, cmd, saturations);
	}
	e = find(r, mmu, &q);
	if (!e || !each_run(r, mmu, &q.regions[OUTPUT], e->output, store_run))
		return compute(r, engine, mmu, cmd, &q, saturations);
	unlink_age(r, e);
	make_newest(r, e);
	*saturations += e->saturations;
	*replayed = true;
	return VGG_STATUS_OK;
}
