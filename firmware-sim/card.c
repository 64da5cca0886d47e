// SPDX-License-Identifier: MIT
/*
 * Card profiles: text files of "name value" lines. See cards/ for examples
 * and timing.c for what the numbers do.
 */
#include "vggsim.h"
#include "sim_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum kind { NUMBER, LANES, YES_NO };

struct field {
	const char *name;
	enum kind kind;
	size_t offset;
	uint32_t min, max;
};

#define FIELD(name, kind, min, max)                                    \
	{                                                              \
#name, kind, offsetof(struct vgg_card, name), min, max \
	}

/* What a capability register has room for, and what makes sense. */
static const struct field fields[] = {
	FIELD(mac_rows, NUMBER, 1, 65535),
	FIELD(mac_cols, NUMBER, 1, 65535),
	FIELD(clock_khz, NUMBER, 1000, 10000000),
	FIELD(local_mib, NUMBER, 0, 65536),
	FIELD(local_mbps, NUMBER, 1, 10000000),
	FIELD(onchip_kib, NUMBER, 1, 1048576),
	FIELD(pcie_gen, NUMBER, 1, 5),
	FIELD(pcie_lanes, LANES, 1, 16),
	FIELD(contexts, NUMBER, 1, 65535),
	FIELD(ring_log2, NUMBER, 1, 16),
	FIELD(job_cycles, NUMBER, 0, 65535),
	FIELD(command_cycles, NUMBER, 0, 65535),
	FIELD(inject, YES_NO, 0, 1),
};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))

void vgg_card_default(struct vgg_card *card)
{
	*card = (struct vgg_card){
		.name = "default",
		.mac_rows = 64,
		.mac_cols = 32,
		.clock_khz = 200000,
		.local_mib = 512,
		.local_mbps = 12800,
		.onchip_kib = 2048,
		.pcie_gen = 1,
		.pcie_lanes = 4,
		.contexts = 64,
		.ring_log2 = 12,
		.job_cycles = 512,
		.command_cycles = 256,
		.inject = true,
	};
}

static uint32_t get(const struct vgg_card *card, const struct field *field)
{
	const char *at = (const char *)card + field->offset;
	uint32_t value;

	if (field->kind == YES_NO)
		return *(const bool *)at;
	memcpy(&value, at, sizeof(value));
	return value;
}

static void put(struct vgg_card *card, const struct field *field,
		uint32_t value)
{
	char *at = (char *)card + field->offset;

	if (field->kind == YES_NO)
		*(bool *)at = value;
	else
		memcpy(at, &value, sizeof(value));
}

static bool is_legal(const struct field *field, unsigned long long value)
{
	if (value < field->min || value > field->max)
		return false;
	return field->kind != LANES || (value & (value - 1)) == 0;
}

int vgg_sim_card_check(const struct vgg_card *card)
{
	size_t i;

	for (i = 0; i < FIELDS; i++)
		if (!is_legal(&fields[i], get(card, &fields[i])))
			return -EINVAL;
	return 0;
}

/* Where an error message is being made. */
struct place {
	const char *path;
	unsigned int line;
	char *err;
	size_t size;
};

static void describe_range(const struct field *field, char *text, size_t size)
{
	if (field->kind == LANES)
		snprintf(text, size, "1, 2, 4, 8 or 16");
	else if (field->kind == YES_NO)
		snprintf(text, size, "0 or 1");
	else
		snprintf(text, size, "a whole number from %u to %u", field->min,
			 field->max);
}

static int bad_value(const struct place *at, const struct field *field,
		     const char *value)
{
	char range[64];

	describe_range(field, range, sizeof(range));
	snprintf(at->err, at->size, "%s:%u: %s is \"%.32s\", but must be %s",
		 at->path, at->line, field->name, value, range);
	return -EINVAL;
}

static int set_number(struct vgg_card *card, const struct place *at,
		      const struct field *field, const char *text)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *end || !isdigit((unsigned char)*text) ||
	    !is_legal(field, value))
		return bad_value(at, field, text);
	put(card, field, (uint32_t)value);
	return 0;
}

static int set_name(struct vgg_card *card, const struct place *at,
		    const char *text)
{
	size_t len = strlen(text);

	if (!len || len >= sizeof(card->name)) {
		snprintf(at->err, at->size,
			 "%s:%u: name must have 1 to %zu characters", at->path,
			 at->line, sizeof(card->name) - 1);
		return -EINVAL;
	}
	memcpy(card->name, text, len + 1);
	return 0;
}

static int set(struct vgg_card *card, const struct place *at, const char *name,
	       const char *value)
{
	size_t i;

	if (!strcmp(name, "name"))
		return set_name(card, at, value);
	for (i = 0; i < FIELDS; i++)
		if (!strcmp(name, fields[i].name))
			return set_number(card, at, &fields[i], value);
	snprintf(at->err, at->size,
		 "%s:%u: \"%.32s\" is no property of a card; known are name, "
		 "mac_rows, mac_cols, clock_khz, local_mib, local_mbps, "
		 "onchip_kib, pcie_gen, pcie_lanes, contexts, ring_log2, "
		 "job_cycles, command_cycles, inject",
		 at->path, at->line, name);
	return -EINVAL;
}

/* Cuts off a comment and white space at both ends. */
static char *trim(char *text)
{
	size_t len;

	text[strcspn(text, "#")] = 0;
	while (isspace((unsigned char)*text))
		text++;
	len = strlen(text);
	while (len && isspace((unsigned char)text[len - 1]))
		text[--len] = 0;
	return text;
}

static int parse_line(struct vgg_card *card, const struct place *at, char *line)
{
	char *name = trim(line), *value;

	if (!*name)
		return 0;
	value = name + strcspn(name, " \t");
	if (*value)
		*value++ = 0;
	value += strspn(value, " \t");
	return set(card, at, name, value);
}

static int parse(struct vgg_card *card, struct place *at, FILE *in)
{
	char *line = NULL;
	size_t size = 0;
	int error = 0;
	ssize_t len;

	while (!error && (len = getline(&line, &size, in)) >= 0) {
		at->line++;
		/* A zero byte would hide the rest of its line. */
		if (memchr(line, 0, (size_t)len)) {
			snprintf(at->err, at->size,
				 "%s:%u: this is no text file", at->path,
				 at->line);
			error = -EINVAL;
		} else {
			error = parse_line(card, at, line);
		}
	}
	if (!error && ferror(in)) {
		error = errno ? -errno : -EIO;
		snprintf(at->err, at->size, "%s: %s", at->path,
			 strerror(-error));
	}
	free(line);
	return error;
}

int vgg_card_load(struct vgg_card *card, const char *path, char *err,
		  size_t err_size)
{
	struct place at = { path, 0, err, err_size };
	struct vgg_card loaded;
	FILE *in = fopen(path, "re");
	int error;

	if (!in) {
		error = -errno;
		snprintf(err, err_size, "%s: %s", path, strerror(-error));
		return error;
	}
	vgg_card_default(&loaded);
	errno = 0;
	error = parse(&loaded, &at, in);
	fclose(in);
	if (!error)
		*card = loaded;
	return error;
}
