// SPDX-License-Identifier: MIT
/* What the library tells about a model's layers, in one table. */
#include <stdlib.h>
#include <string.h>

#include "layers.h"
#include "text.h"

static int describe(const struct cli *cli, unsigned int i, struct out_layer *l)
{
	l->info.size = sizeof(l->info);
	if (cli->session)
		l->reason =
			vgg_session_layer_reason(cli->session, i, &l->on_card);
	return vgg_model_layer(cli->model, i, &l->info);
}

int layers_describe(const struct cli *cli, struct out_layer **layers)
{
	unsigned int n = cli->model_info.layers, i;
	size_t bytes = n * sizeof(**layers);
	int err = 0;

	*layers = memset(cli_alloc(NULL, bytes), 0, bytes);
	for (i = 0; !err && i < n; i++)
		err = describe(cli, i, &(*layers)[i]);
	if (err)
		free(*layers);
	return err;
}
