// SPDX-License-Identifier: MIT
/* Opening what a verb works on, in the order device, model, session. */
#include <stdio.h>

#include "cli.h"

/* A switch that switches nothing would mislead whoever hunts a fault by it. */
static void note_unknown_names(void)
{
	struct vgg_cpu_info c = VGG_INIT(c);
	char text[320];

	if (vgg_cpu_info(&c) || !*c.unknown)
		return;
	snprintf(text, sizeof(text),
		 "VGG_DISABLE has '%s', which is the name of nothing; there "
		 "are %s",
		 c.unknown, c.names);
	cli_note(text);
}

int cli_open_device(struct cli *cli)
{
	struct vgg_device_options o = VGG_INIT(o);
	int err;

	note_unknown_names();
	o.card = cli->card;
	o.inject = cli->inject;
	o.pace = cli->pace;
	o.timeout_ms = (uint32_t)cli->timeout_s * 1000;
	err = cli_took_options(cli,
			       vgg_device_open(cli->device, &o, &cli->dev));
	if (err)
		return err;
	cli->device_info.size = sizeof(cli->device_info);
	err = vgg_device_info(cli->dev, &cli->device_info);
	if (!err && *cli->device_info.note)
		cli_note(cli->device_info.note);
	return err;
}

int cli_describe_model(struct cli *cli)
{
	cli->model_info.size = sizeof(cli->model_info);
	return vgg_model_info(cli->model, &cli->model_info);
}

int cli_open_model(struct cli *cli, const char *path)
{
	int err = path ? vgg_model_load(path, &cli->model) :
			 vgg_model_load_default(&cli->model);

	return err ? err : cli_describe_model(cli);
}

int cli_open_session(struct cli *cli, const struct vgg_session_options *o)
{
	int err = vgg_session_create(cli->dev, cli->model, o, &cli->session);

	cli_progress_clear();
	/* What it holds of the card is worth knowing. */
	return err ? err : vgg_device_info(cli->dev, &cli->device_info);
}

int cli_open_pipeline(struct cli *cli, const struct vgg_session_options *o,
		      unsigned int in_flight)
{
	int err = vgg_pipeline_create(cli->dev, cli->model, o, in_flight,
				      &cli->pipeline);

	cli_progress_clear();
	return err ? err : vgg_device_info(cli->dev, &cli->device_info);
}

const struct vgg_session *cli_session(const struct cli *cli)
{
	return cli->pipeline ? vgg_pipeline_session(cli->pipeline) :
			       cli->session;
}

const char *cli_placement(const struct cli *cli)
{
	return cli->pipeline ? vgg_pipeline_placement(cli->pipeline) :
			       vgg_session_placement(cli->session);
}

void cli_close(struct cli *cli)
{
	vgg_pipeline_free(cli->pipeline);
	vgg_session_free(cli->session);
	vgg_model_free(cli->model);
	vgg_device_close(cli->dev);
	cli->pipeline = NULL;
	cli->session = NULL;
	cli->model = NULL;
	cli->dev = NULL;
}
