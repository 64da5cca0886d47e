// SPDX-License-Identifier: MIT
/* See bench_stream.h. */
#include <stdlib.h>

#include "bench_stream.h"

#define IN_FLIGHT_MAX 1024 /* of any pipeline */

/* When those in flight were pushed: a ring. */
struct pushes {
	double at[IN_FLIGHT_MAX];
	unsigned int first, count;
};

static int push(struct bench_stream *s, struct pushes *p)
{
	p->at[(p->first + p->count++) % IN_FLIGHT_MAX] = 1e3 * cli_now();
	return vgg_pipeline_push_tensor(s->cli->pipeline, s->data, s->count);
}

static int fill(struct bench_stream *s, struct pushes *p)
{
	int err = 0;

	while (!err && vgg_pipeline_room(s->cli->pipeline))
		err = push(s, p);
	return err;
}

/* Returns when it was pushed in *pushed. */
static int pull(struct bench_stream *s, struct pushes *p, double *pushed)
{
	*pushed = p->at[p->first];
	p->first = (p->first + 1) % IN_FLIGHT_MAX;
	p->count--;
	s->last.size = sizeof(s->last);
	return vgg_pipeline_pull(s->cli->pipeline, &s->last);
}

static int drain(struct bench_stream *s, struct pushes *p)
{
	double pushed;
	int err = 0;

	while (!err && p->count)
		err = pull(s, p, &pushed);
	return err;
}

int bench_stream(struct bench_stream *s)
{
	unsigned int all = s->warmup + s->images, i;
	struct pushes p = { .count = 0 };
	double begin = 1e3 * cli_now(), now = begin, pushed = 0;
	int err = 0;

	for (i = 0; !err && i < all; i++) {
		cli_progress(NULL, i < s->warmup ? "warm-up" : "images", i,
			     all);
		err = fill(s, &p);
		if (!err)
			err = pull(s, &p, &pushed);
		now = 1e3 * cli_now();
		if (i + 1 == s->warmup)
			begin = now;
		if (i < s->warmup)
			continue;
		s->ms[i - s->warmup] = now - pushed;
		s->card_cycles += (double)s->last.card_cycles / s->images;
	}
	cli_progress_clear();
	s->rate = s->images * 1e3 / (now - begin);
	return err ? err : drain(s, &p);
}
