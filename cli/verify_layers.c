// SPDX-License-Identifier: MIT
/* vggctl verify --layers: in which layer int8 goes wrong, over several inputs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "out.h"
#include "text.h"
#include "verify.h"

#define IMAGES_DEFAULT 16
#define FINDINGS_MAX 8

struct work {
	struct verify *v;
	struct vgg_analysis *analysis;
	struct out_analysis out;
	char input[256]; /* what out.input says */
};

static int add_array(struct work *w)
{
	unsigned int images, i;
	float *data;
	size_t count;
	int err = input_from_array(w->v->cli, w->v->input, &data, &count,
				   &images);

	if (err)
		return err;
	w->out.inputs = images;
	for (i = 0; !err && i < images; i++)
		err = vgg_analysis_add_tensor(w->analysis, data + i * count,
					      count);
	free(data);
	return err;
}

static int add_image(struct work *w, int err, struct vgg_image *image,
		     unsigned int done, unsigned int of)
{
	if (err)
		return err;
	err = vgg_analysis_add_image(w->analysis, image);
	vgg_image_free(image);
	if (!err)
		cli_progress(NULL, "analysing", done, of);
	return err;
}

static int add_files(struct work *w)
{
	struct file_list files = { 0 };
	struct vgg_image *image;
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < w->v->images.count; i++)
		err = files_expand(&files, w->v->images.name[i]);
	for (i = 0; !err && i < files.count; i++) {
		err = vgg_image_load(files.name[i], &image);
		err = add_image(w, err, image, i + 1, files.count);
	}
	w->out.inputs = files.count;
	snprintf(w->input, sizeof(w->input), "%.200s%s", w->v->images.name[0],
		 w->v->images.count > 1 ? " ..." : "");
	files_free(&files);
	return err;
}

/* Spread evenly, as its order often goes by class. */
static int add_set(struct work *w)
{
	unsigned int most = w->v->max_images, i;
	struct vgg_dataset *set;
	struct vgg_image *image;
	size_t n;
	int err = vgg_dataset_open(w->v->data, VGG_DATASET_TEST, &set);

	if (err)
		return err;
	n = vgg_dataset_count(set);
	most = most ? most : IMAGES_DEFAULT;
	w->out.inputs = n < most ? (unsigned int)n : most;
	for (i = 0; !err && i < w->out.inputs; i++) {
		err = vgg_dataset_read(set, (size_t)i * n / w->out.inputs,
				       &image, NULL);
		err = add_image(w, err, image, i + 1, w->out.inputs);
	}
	vgg_dataset_free(set);
	return err;
}

static int add_fixed(struct work *w)
{
	struct vgg_image *image;
	float *data;
	size_t count;
	int err;

	if (w->v->cli->model_info.crop) {
		err = input_fixed_image(&image);
		return add_image(w, err, image, 1, 1);
	}
	err = input_fixed(w->v->cli, &data, &count);
	if (err)
		return err;
	err = vgg_analysis_add_tensor(w->analysis, data, count);
	free(data);
	return err;
}

static int add_inputs(struct work *w)
{
	const struct verify *v = w->v;

	w->out.inputs = 1;
	if (v->input)
		w->out.input = v->input;
	else if (v->data)
		w->out.input = v->data;
	else if (v->images.count)
		w->out.input = w->input;
	return v->input	       ? add_array(w) :
	       v->data	       ? add_set(w) :
	       v->images.count ? add_files(w) :
				 add_fixed(w);
}

static int begin(struct work *w)
{
	struct vgg_analysis_options o = VGG_INIT(o);
	struct verify *v = w->v;
	struct cli *cli = v->cli;
	int err = cli_open_device(cli);

	o.threads = v->args.session.threads;
	o.min_snr = v->min_snr;
	o.min_snr_alone = v->min_snr_alone;
	w->out.min_snr = o.min_snr != 0 ? o.min_snr : VGG_ANALYSIS_SNR;
	w->out.min_snr_alone =
		o.min_snr_alone != 0 ? o.min_snr_alone : VGG_ANALYSIS_SNR_ALONE;
	if (!err)
		err = cli_open_model(cli, v->args.model);
	return err ? err :
		     vgg_analysis_create(cli->dev, cli->model, &o,
					 &w->analysis);
}

static struct vgg_analysis_layer *get_layers(struct work *w)
{
	struct vgg_analysis_layer l = VGG_INIT(l), *all = NULL;
	unsigned int i;

	for (i = 0; i < w->v->cli->model_info.layers; i++) {
		if (vgg_analysis_layer(w->analysis, i, &l))
			break; /* no integer form from here on */
		all = cli_alloc(all, (i + 1) * sizeof(*all));
		all[i] = l;
	}
	w->out.layers = all;
	w->out.count = i;
	return all;
}

static int tell(struct work *w)
{
	struct vgg_error finding[FINDINGS_MAX];
	struct vgg_analysis_layer *layers = get_layers(w);
	const struct vgg_error *f;
	unsigned int i;
	int status = EXIT_OK;

	for (i = 0; i < FINDINGS_MAX; i++) {
		f = vgg_analysis_finding(w->analysis, i);
		if (!f)
			break;
		finding[i] = *f;
	}
	w->out.finding = finding;
	w->out.findings = i;
	w->v->cli->out->analysis(w->v->cli, &w->out);
	for (i = 0; i < w->out.findings; i++)
		status = cli_say(&finding[i]);
	free(layers);
	return status;
}

int verify_layers(struct verify *v)
{
	struct work w = { .v = v };
	int err = begin(&w), status;

	if (!err)
		err = add_inputs(&w);
	cli_progress_clear();
	status = err ? cli_report_last(v->cli, err) : tell(&w);
	vgg_analysis_free(w.analysis);
	return status;
}
