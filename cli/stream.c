// SPDX-License-Identifier: MIT
/* See stream.h. */
#include "stream.h"

/* The first `each` ones are pushed wherever there is a place, though a faster lane
 * would be done with them earlier: as none is pulled before, each gets its own. */
static int flow(struct cli *cli, const char *what, unsigned int n,
		unsigned int each, stream_push push, void *ctx)
{
	struct vgg_pipeline *p = cli->pipeline;
	struct vgg_result r = VGG_INIT(r);
	unsigned int pushed = 0;
	int err = 0;

	while (!err && (pushed < n || vgg_pipeline_in_flight(p))) {
		if (pushed < n && (pushed < each || vgg_pipeline_room(p))) {
			cli_progress(NULL, what, pushed++, n);
			err = push(ctx);
		} else {
			err = vgg_pipeline_pull(p, &r);
		}
	}
	cli_progress_clear();
	return err;
}

int stream_flow(struct cli *cli, const char *what, unsigned int n,
		stream_push push, void *ctx)
{
	return flow(cli, what, n, 0, push, ctx);
}

int stream_warm_up(struct cli *cli, unsigned int warmup, stream_push push,
		   void *ctx, unsigned int *n)
{
	unsigned int each = vgg_pipeline_capacity(cli->pipeline);

	*n = warmup && warmup < each ? each : warmup;
	return flow(cli, "warm-up", *n, each, push, ctx);
}
