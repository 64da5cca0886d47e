// SPDX-License-Identifier: MIT
/* Cards that one doesn't have: "lanes=1,gen=1,macs=4096". */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/machine.h"
#include "timing.h"
#include "util/error.h"

#define NEXT_STEP                                                              \
	"give name=number with commas between: gen, lanes, link (MB/s), macs " \
	"(N or ROWSxCOLUMNS), clock (MHz), memory (MiB), bandwidth (of the "   \
	"memory, MB/s), onchip (KiB)"
#define ITEM_MAX 64

enum unknown { GEN, LANES, LINK, MACS, CLOCK, MEMORY, BANDWIDTH, ONCHIP };

static const struct {
	const char *name;
	uint32_t min, max;
} names[] = {
	[GEN] = { "gen", 1, 5 },
	[LANES] = { "lanes", 1, 16 },
	[LINK] = { "link", 1, 1000000 },
	[MACS] = { "macs", 1, 65535u * 65535u },
	[CLOCK] = { "clock", 1, 10000 },
	[MEMORY] = { "memory", 0, 65536 },
	[BANDWIDTH] = { "bandwidth", 1, 10000000 },
	[ONCHIP] = { "onchip", 1, 1048576 },
};

#define NAMES (sizeof(names) / sizeof(*names))

static int number(const char *text, const char **end, uint32_t *value)
{
	unsigned long long n;

	errno = 0;
	n = strtoull(text, (char **)end, 10);
	*value = (uint32_t)n;
	return *text < '0' || *text > '9' || errno || n > UINT32_MAX ? -EINVAL :
								       0;
}

static int refuse(const char *item, const char *why)
{
	return vgg_fail(BAD_ARGUMENT, item, NEXT_STEP, "%s", why);
}

/* A number of units is arranged as near to a square as its factors allow, with
 * more rows than columns: taps are many more than channels. */
static int arrange(struct vgg_machine_card *c, const char *item, uint32_t n)
{
	uint32_t cols, best = 1;

	for (cols = 1; (uint64_t)cols * cols <= n && cols <= 65535; cols++)
		if (n % cols == 0)
			best = cols;
	if (n / best > 65535)
		return refuse(item, "no array of at most 65535 rows has so "
				    "many units");
	c->mac_cols = best;
	c->mac_rows = n / best;
	return 0;
}

static int set_macs(struct vgg_machine_card *c, const char *item, uint32_t n,
		    const char *rest)
{
	const char *end;
	uint32_t cols;

	if (!*rest)
		return arrange(c, item, n);
	if (*rest != 'x' || number(rest + 1, &end, &cols) || *end || cols < 1 ||
	    cols > 65535 || n > 65535)
		return refuse(item, "this is neither a number nor "
				    "ROWSxCOLUMNS of 1 to 65535 each");
	c->mac_rows = n;
	c->mac_cols = cols;
	return 0;
}

static int set_lanes(struct vgg_machine_card *c, const char *item, uint32_t n)
{
	if (n & (n - 1))
		return refuse(item, "there are links of 1, 2, 4, 8 and 16 "
				    "lanes");
	c->link_lanes = n;
	return 0;
}

static int set(struct vgg_machine *m, const char *item, unsigned int name,
	       uint32_t n)
{
	struct vgg_machine_card *c = &m->card;

	switch ((enum unknown)name) {
	case GEN:
		c->link_gen = n;
		break;
	case LANES:
		return set_lanes(c, item, n);
	case LINK:
		vgg_machine_set_link(m, n, n, VGG_LINK_SUPPOSED);
		return 0;
	case CLOCK:
		c->clock_khz = n * 1000;
		break;
	case MEMORY:
		c->local_free = (uint64_t)n << 20;
		break;
	case BANDWIDTH:
		c->local_mbps = n;
		break;
	case ONCHIP:
		c->onchip_kib = n;
		break;
	case MACS:
		break;
	}
	return 0;
}

/* The index of "name=..."; NAMES: there is none. */
static unsigned int find(const char *item)
{
	size_t length = strcspn(item, "=");
	unsigned int i;

	for (i = 0; i < NAMES; i++)
		if (strlen(names[i].name) == length &&
		    !strncmp(item, names[i].name, length))
			break;
	return i;
}

static int set_item(struct vgg_machine *m, const char *item)
{
	struct vgg_machine_card *c = &m->card;
	size_t length = strcspn(item, "=");
	unsigned int i = find(item);
	const char *rest;
	uint32_t n, link;
	int err;

	if (i == NAMES)
		return refuse(item, "this is no property of a card");
	if (!item[length] || number(item + length + 1, &rest, &n) ||
	    (i != MACS && *rest) || n < names[i].min || n > names[i].max)
		return vgg_fail(BAD_ARGUMENT, item, NEXT_STEP,
				"%s takes a whole number from %u to %u",
				names[i].name, names[i].min, names[i].max);
	if (i == MACS)
		return set_macs(c, item, n, rest);
	err = set(m, item, i, n);
	if (!err && (i == GEN || i == LANES)) {
		link = vgg_timing_link_mbps(c->link_gen ? c->link_gen : 1,
					    c->link_lanes ? c->link_lanes : 1);
		vgg_machine_train_link(m, link, VGG_LINK_SUPPOSED);
	}
	return err;
}

/* Which one would it be? */
static int check_once(const char *item, unsigned int *given)
{
	static const unsigned int link = 1u << LINK,
				  width = 1u << GEN | 1u << LANES;
	unsigned int i = find(item);

	if (i == NAMES)
		return 0;
	if (*given & 1u << i)
		return vgg_fail(BAD_ARGUMENT, item, "give it once",
				"%s is given twice", names[i].name);
	*given |= 1u << i;
	if (*given & link && *given & width)
		return vgg_fail(BAD_ARGUMENT, item,
				"give the one or the others",
				"link is the speed itself, which gen and lanes "
				"tell, too");
	return 0;
}

int vgg_machine_what_if(struct vgg_machine *m, const char *text)
{
	char item[ITEM_MAX];
	unsigned int given = 0;
	size_t n;
	int err = m->has_card ? 0 : vgg_machine_set_profile(m, NULL);

	while (!err) {
		n = strcspn(text, ",");
		if (n >= sizeof(item))
			return refuse(text, "this is no property of a card");
		memcpy(item, text, n);
		item[n] = 0;
		err = check_once(item, &given);
		if (!err)
			err = set_item(m, item);
		if (!text[n])
			break;
		text += n + 1;
	}
	return err;
}
