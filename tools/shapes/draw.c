// SPDX-License-Identifier: MIT
/*
 * shapes-draw: writes procedural pictures as CIFAR-10 batches, STL-10 parts, PNG
 * or JPEG; loaders for those data sets read ours unchanged.
 *
 * A CIFAR-10 record is one byte of class, then 1024 bytes each of red, green
 * and blue, rows from the top. STL-10 has two files: pictures of 96x96, planes of
 * red, green and blue as well, but column by column; and their classes, from 1.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <turbojpeg.h>

#include "shapes.h"

#define CIFAR_SIDE 32
#define CIFAR_PLANE (CIFAR_SIDE * CIFAR_SIDE)
#define STL_SIDE 96
#define STL_PLANE (STL_SIDE * STL_SIDE)
#define PATH_BYTES 4096

enum exit_code { EXIT_DONE, EXIT_FAILED, EXIT_USAGE };

struct options {
	uint64_t seed, first, count;
	int width, height, quality;
	const char *cifar, *stl, *png, *jpeg;
	int list, by_class;
	int sized, graded; /* --size, --quality were given */
};

typedef int (*image_writer)(const struct options *o, const char *path,
			    const uint8_t *rgb);

static void print_help(void)
{
	puts("Usage: shapes-draw [--seed S] [--first I] [--count N] OUTPUT...\n"
	     "Draws pictures of ten classes of shapes and textures.\n"
	     "\n"
	     "Outputs, at least one of:\n"
	     "  --cifar FILE   32x32 pictures, CIFAR-10 binary format\n"
	     "  --stl PREFIX   96x96 pictures, STL-10 binary format, in the "
	     "files\n"
	     "                 PREFIX_X.bin and PREFIX_y.bin\n"
	     "  --png DIR      <index>-<class>.png files\n"
	     "  --jpeg DIR     <index>-<class>.jpg files\n"
	     "  --classes      the class names, in label order, one per line\n"
	     "\n"
	     "Options:\n"
	     "  --seed S       stream of pictures, 0 to 2^64-1 (0)\n"
	     "  --first I      index of the first picture (0)\n"
	     "  --count N      number of pictures (10)\n"
	     "  --size WxH     size of PNG and JPEG files (32x32)\n"
	     "  --by-class     PNG and JPEG files in a subfolder for each "
	     "class\n"
	     "  --quality Q    JPEG quality, 1 to 100 (92)\n"
	     "  --help         this text\n"
	     "\n"
	     "Exit status: 0 done, 1 failed, 2 wrong usage.");
}

static int parse_number(const char *text, uint64_t *value)
{
	char *end;

	/* strtoull would take a sign and blanks. */
	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno || *end ? -EINVAL : 0;
}

static int parse_size(const char *text, int *width, int *height)
{
	int used = 0;

	if (sscanf(text, "%4dx%4d%n", width, height, &used) != 2 || text[used])
		return -EINVAL;
	if (*width < 1 || *width > SHAPES_SIDE_MAX || *height < 1 ||
	    *height > SHAPES_SIDE_MAX)
		return -EINVAL;
	return 0;
}

static int parse_quality(const char *text, int *quality)
{
	uint64_t q;

	if (parse_number(text, &q) || q < 1 || q > 100)
		return -EINVAL;
	*quality = (int)q;
	return 0;
}

static const struct option long_options[] = {
	{ "seed", required_argument, NULL, 's' },
	{ "first", required_argument, NULL, 'f' },
	{ "count", required_argument, NULL, 'n' },
	{ "cifar", required_argument, NULL, 'c' },
	{ "stl", required_argument, NULL, 't' },
	{ "by-class", no_argument, NULL, 'b' },
	{ "png", required_argument, NULL, 'p' },
	{ "jpeg", required_argument, NULL, 'j' },
	{ "size", required_argument, NULL, 'z' },
	{ "quality", required_argument, NULL, 'q' },
	{ "classes", no_argument, NULL, 'l' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

static int parse_option(struct options *o, int letter, const char *text)
{
	switch (letter) {
	case 's':
		return parse_number(text, &o->seed);
	case 'f':
		return parse_number(text, &o->first);
	case 'n':
		return parse_number(text, &o->count);
	case 'z':
		o->sized = 1;
		return parse_size(text, &o->width, &o->height);
	case 'q':
		o->graded = 1;
		return parse_quality(text, &o->quality);
	case 'c':
		o->cifar = text;
		return 0;
	case 't':
		o->stl = text;
		return 0;
	case 'b':
		o->by_class = 1;
		return 0;
	case 'p':
		o->png = text;
		return 0;
	case 'j':
		o->jpeg = text;
		return 0;
	default:
		o->list = 1;
		return 0;
	}
}

static int usage_error(const char *what, const char *detail)
{
	fprintf(stderr, "shapes-draw: %s%s; try --help\n", what, detail);
	return -EINVAL;
}

/* What single options cannot know: whether they make sense together. */
static int check_options(const struct options *o)
{
	if (!o->cifar && !o->stl && !o->png && !o->jpeg && !o->list)
		return usage_error("no output: give --cifar, --stl, --png or "
				   "--jpeg",
				   "");
	if (o->by_class && !o->png && !o->jpeg)
		return usage_error("--by-class needs --png or --jpeg", "");
	if (o->sized && !o->png && !o->jpeg)
		return usage_error("--size needs --png or --jpeg", "");
	if (o->graded && !o->jpeg)
		return usage_error("--quality needs --jpeg", "");
	if (o->count > UINT64_MAX - o->first)
		return usage_error("--first and --count exceed 2^64", "");
	return 0;
}

/* Returns 0, 1 when help was asked for, or -EINVAL after a message. */
static int parse_options(struct options *o, int argc, char **argv)
{
	int letter, which = 0;

	opterr = 0; /* getopt's own messages would not mention --help */
	while ((letter = getopt_long(argc, argv, "", long_options, &which)) !=
	       -1) {
		if (letter == '?')
			return usage_error("unknown option or no value: ",
					   argv[optind - 1]);
		if (letter == 'h')
			return 1;
		if (parse_option(o, letter, optarg)) {
			fprintf(stderr,
				"shapes-draw: bad value '%s' for --%s; "
				"try --help\n",
				optarg, long_options[which].name);
			return -EINVAL;
		}
	}
	if (optind < argc)
		return usage_error("stray argument ", argv[optind]);
	return check_options(o);
}

static int report(int error, const char *what)
{
	fprintf(stderr, "shapes-draw: %s: %s\n", what, strerror(-error));
	return error;
}

static int draw(const struct options *o, uint64_t i, int width, int height,
		uint8_t *rgb, int *label)
{
	int ret = shapes_draw(o->seed, o->first + i, width, height, rgb, label);

	return ret ? report(ret, "cannot draw") : 0;
}

static void make_record(uint8_t *record, const uint8_t *rgb, int label)
{
	int at, channel;

	record[0] = (uint8_t)label;
	for (channel = 0; channel < 3; channel++)
		for (at = 0; at < CIFAR_PLANE; at++)
			record[1 + channel * CIFAR_PLANE + at] =
				rgb[3 * at + channel];
}

static int write_records(const struct options *o, FILE *file)
{
	uint8_t rgb[3 * CIFAR_PLANE], record[1 + 3 * CIFAR_PLANE];
	uint64_t i;
	int label;

	for (i = 0; i < o->count; i++) {
		int ret = draw(o, i, CIFAR_SIDE, CIFAR_SIDE, rgb, &label);

		if (ret)
			return ret;
		make_record(record, rgb, label);
		if (fwrite(record, sizeof(record), 1, file) != 1)
			return report(-errno, o->cifar);
	}
	return 0;
}

static int write_cifar(const struct options *o)
{
	FILE *file = fopen(o->cifar, "wb");
	int ret;

	if (!file)
		return report(-errno, o->cifar);
	ret = write_records(o, file);
	/* A full disk may show only here. */
	if (fclose(file) && !ret)
		ret = report(-errno, o->cifar);
	return ret;
}

/* Planes, columns from the left. */
static void make_planes(uint8_t *planes, const uint8_t *rgb)
{
	int x, y, channel;

	for (channel = 0; channel < 3; channel++)
		for (x = 0; x < STL_SIDE; x++)
			for (y = 0; y < STL_SIDE; y++)
				*planes++ =
					rgb[3 * (y * STL_SIDE + x) + channel];
}

static int write_pairs(const struct options *o, FILE *pictures, FILE *classes)
{
	static uint8_t rgb[3 * STL_PLANE], planes[3 * STL_PLANE];
	uint64_t i;
	int label;

	for (i = 0; i < o->count; i++) {
		int ret = draw(o, i, STL_SIDE, STL_SIDE, rgb, &label);

		if (ret)
			return ret;
		make_planes(planes, rgb);
		if (fwrite(planes, sizeof(planes), 1, pictures) != 1 ||
		    fputc(label + 1, classes) == EOF)
			return report(-errno, o->stl);
	}
	return 0;
}

static FILE *open_part(const struct options *o, const char *suffix)
{
	char path[PATH_BYTES];

	if (snprintf(path, sizeof(path), "%s%s", o->stl, suffix) >= PATH_BYTES)
		errno = ENAMETOOLONG;
	else
		return fopen(path, "wb");
	return NULL;
}

static int write_stl(const struct options *o)
{
	FILE *pictures = open_part(o, "_X.bin");
	FILE *classes = pictures ? open_part(o, "_y.bin") : NULL;
	int ret = classes ? write_pairs(o, pictures, classes) :
			    report(-errno, o->stl);

	if (pictures && fclose(pictures) && !ret)
		ret = report(-errno, o->stl);
	if (classes && fclose(classes) && !ret)
		ret = report(-errno, o->stl);
	return ret;
}

static int write_png(const struct options *o, const char *path,
		     const uint8_t *rgb)
{
	png_image image = {
		.version = PNG_IMAGE_VERSION,
		.width = (png_uint_32)o->width,
		.height = (png_uint_32)o->height,
		.format = PNG_FORMAT_RGB,
	};

	if (png_image_write_to_file(&image, path, 0, rgb, 0, NULL))
		return 0;
	fprintf(stderr, "shapes-draw: %s: %s\n", path, image.message);
	return -EIO;
}

static int save_bytes(const char *path, const unsigned char *bytes,
		      unsigned long size)
{
	FILE *file = fopen(path, "wb");
	int ret = 0;

	if (!file)
		return report(-errno, path);
	if (fwrite(bytes, 1, size, file) != size)
		ret = report(-errno, path);
	if (fclose(file) && !ret)
		ret = report(-errno, path);
	return ret;
}

static int write_jpeg(const struct options *o, const char *path,
		      const uint8_t *rgb)
{
	tjhandle encoder = tjInitCompress();
	unsigned char *bytes = NULL;
	unsigned long size = 0;
	int ret;

	if (!encoder)
		return report(-ENOMEM, "JPEG encoder");
	if (tjCompress2(encoder, rgb, o->width, 0, o->height, TJPF_RGB, &bytes,
			&size, TJSAMP_420, o->quality, TJFLAG_ACCURATEDCT)) {
		fprintf(stderr, "shapes-draw: %s: %s\n", path,
			tjGetErrorStr2(encoder));
		ret = -EIO;
	} else {
		ret = save_bytes(path, bytes, size);
	}
	tjFree(bytes);
	tjDestroy(encoder);
	return ret;
}

static int make_directory(const char *dir)
{
	/* An existing file of that name fails later, with its own message. */
	if (mkdir(dir, 0777) && errno != EEXIST)
		return report(-errno, dir);
	return 0;
}

static int image_path(const struct options *o, char *path, const char *dir,
		      uint64_t index, int label, const char *suffix)
{
	const char *name = shapes_class_name(label);
	int length = snprintf(path, PATH_BYTES, "%s/%s", dir,
			      o->by_class ? name : "");
	int ret = o->by_class && length < PATH_BYTES ? make_directory(path) : 0;

	if (ret)
		return ret;
	if (length < PATH_BYTES)
		length += snprintf(path + length, (size_t)(PATH_BYTES - length),
				   "/%04" PRIu64 "-%s.%s", index, name, suffix);
	return length < PATH_BYTES ? 0 : report(-ENAMETOOLONG, dir);
}

static int write_images(const struct options *o, const char *dir,
			const char *suffix, image_writer write)
{
	uint8_t *rgb = malloc((size_t)o->width * (size_t)o->height * 3);
	char path[PATH_BYTES];
	int label, ret;
	uint64_t i;

	if (!rgb)
		return report(-ENOMEM, "picture");
	ret = make_directory(dir);
	for (i = 0; !ret && i < o->count; i++) {
		ret = draw(o, i, o->width, o->height, rgb, &label);
		if (!ret)
			ret = image_path(o, path, dir, o->first + i, label,
					 suffix);
		if (!ret)
			ret = write(o, path, rgb);
	}
	free(rgb);
	return ret;
}

static int list_classes(void)
{
	int i;

	for (i = 0; i < SHAPES_CLASSES; i++)
		puts(shapes_class_name(i));
	return fflush(stdout) ? report(-errno, "standard output") : 0;
}

static int write_all(const struct options *o)
{
	int ret = 0;

	if (o->list)
		ret = list_classes();
	if (!ret && o->cifar)
		ret = write_cifar(o);
	if (!ret && o->stl)
		ret = write_stl(o);
	if (!ret && o->png)
		ret = write_images(o, o->png, "png", write_png);
	if (!ret && o->jpeg)
		ret = write_images(o, o->jpeg, "jpg", write_jpeg);
	return ret;
}

int main(int argc, char **argv)
{
	struct options o = {
		.count = 10,
		.width = CIFAR_SIDE,
		.height = CIFAR_SIDE,
		.quality = 92,
	};
	int ret = parse_options(&o, argc, argv);

	if (ret < 0)
		return EXIT_USAGE;
	if (ret > 0) {
		print_help();
		return EXIT_DONE;
	}
	return write_all(&o) ? EXIT_FAILED : EXIT_DONE;
}
