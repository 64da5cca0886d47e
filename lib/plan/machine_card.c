// SPDX-License-Identifier: MIT
/* The card of a machine: by its registers, by a profile, and as it was measured. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/machine.h"
#include "timing.h"
#include "util/error.h"
#include "vggsim.h"

void vgg_machine_set_link(struct vgg_machine *m, uint32_t from_host,
			  uint32_t to_host, enum vgg_link_source source)
{
	m->card.link_mbps = from_host ? from_host : 1;
	m->card.back_mbps = to_host ? to_host : 1;
	m->card.link_source = source;
}

static uint32_t lesser(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

void vgg_machine_train_link(struct vgg_machine *m, uint32_t mbps,
			    enum vgg_link_source source)
{
	struct vgg_machine_card *c = &m->card;
	uint32_t most;

	vgg_machine_set_link(m, mbps, mbps, source);
	if (!m->root_gen)
		return;
	c->train_gen = lesser(c->link_gen ? c->link_gen : 1, m->root_gen);
	c->train_lanes =
		lesser(c->link_lanes ? c->link_lanes : 1, m->root_lanes);
	most = vgg_timing_link_mbps(c->train_gen, c->train_lanes);
	if (most < mbps)
		vgg_machine_set_link(m, most, most, VGG_LINK_MACHINE);
}

/*
 * Measured cards.
 */
const char *vgg_card_key(const struct vgg_device_info *d,
			 char text[VGG_KEY_SIZE])
{
	snprintf(text, VGG_KEY_SIZE,
		 "%.8s %.40s %.16s gen%ux%u %ux%u %u kHz %u MB/s",
		 d->kind_name ? d->kind_name : "", d->name, d->bus,
		 d->bus_gen ? d->bus_gen : d->link_gen,
		 d->bus_lanes ? d->bus_lanes : d->link_lanes, d->mac_rows,
		 d->mac_cols, d->clock_khz, d->local_mbps);
	return text;
}

static struct vgg_measured_card *find(const struct vgg_machine *m,
				      const char *key)
{
	size_t i;

	for (i = 0; i < m->n_cards; i++)
		if (!strcmp(m->cards[i].key, key))
			return &m->cards[i];
	return NULL;
}

int vgg_machine_add_card(struct vgg_machine *m,
			 const struct vgg_measured_card *card)
{
	struct vgg_measured_card *at = find(m, card->key);

	/* Written so that NaN is refused. */
	if (!(card->job_ms >= 0 && card->job_ms < 1e6) ||
	    !(card->submit_ms >= 0 && card->submit_ms < 1e6) ||
	    !card->link_mbps != !card->back_mbps)
		return vgg_fail(BAD_ARGUMENT, card->key,
				"measure again with `vggctl calibrate`",
				"the times measured for this card make no "
				"sense");
	if (!at) {
		at = realloc(m->cards, (m->n_cards + 1) * sizeof(*m->cards));
		if (!at)
			return vgg_fail_memory("measured cards");
		m->cards = at;
		at += m->n_cards++;
		*at = *card;
		return 0;
	}
	if (card->job_ms > 0) {
		at->job_ms = card->job_ms;
		at->submit_ms = card->submit_ms;
	}
	if (card->link_mbps) {
		at->link_mbps = card->link_mbps;
		at->back_mbps = card->back_mbps;
	}
	return 0;
}

static void use_measured(struct vgg_machine *m, const struct vgg_device_info *d)
{
	char key[VGG_KEY_SIZE];
	const struct vgg_measured_card *at = find(m, vgg_card_key(d, key));

	if (at && at->job_ms > 0) {
		m->job_ms = at->job_ms;
		m->submit_ms = at->submit_ms;
	}
	if (at && at->link_mbps)
		vgg_machine_set_link(m, at->link_mbps, at->back_mbps,
				     VGG_LINK_MEASURED);
}

/*
 * Cards.
 */
void vgg_machine_set_device(struct vgg_machine *m,
			    const struct vgg_device_info *d)
{
	m->has_card = d->kind != VGG_DEVICE_CPU && d->clock_khz &&
		      d->mac_rows && d->mac_cols;
	m->card = (struct vgg_machine_card){
		.mac_rows = d->mac_rows,
		.mac_cols = d->mac_cols,
		.clock_khz = d->clock_khz,
		.onchip_kib = d->onchip_kib,
		.local_mbps = d->local_mbps ? d->local_mbps : 1,
		.link_gen = d->link_gen,
		.link_lanes = d->link_lanes,
		.job_cycles = d->job_cycles,
		.command_cycles = d->command_cycles,
		.local_free = d->local_free,
	};
	vgg_machine_train_link(m, d->link_mbps, VGG_LINK_REGISTERS);
	if (m->has_card)
		use_measured(m, d);
}

static void set_card(struct vgg_machine *m, const struct vgg_card *card)
{
	m->has_card = true;
	m->card = (struct vgg_machine_card){
		.mac_rows = card->mac_rows,
		.mac_cols = card->mac_cols,
		.clock_khz = card->clock_khz,
		.onchip_kib = card->onchip_kib,
		.local_mbps = card->local_mbps,
		.link_gen = card->pcie_gen,
		.link_lanes = card->pcie_lanes,
		.job_cycles = card->job_cycles,
		.command_cycles = card->command_cycles,
		.local_free = (uint64_t)card->local_mib << 20,
	};
	vgg_machine_train_link(
		m, vgg_timing_link_mbps(card->pcie_gen, card->pcie_lanes),
		VGG_LINK_REGISTERS);
}

int vgg_machine_set_profile(struct vgg_machine *m, const char *path)
{
	struct vgg_card card;
	char text[400];

	vgg_card_default(&card);
	if (path && vgg_card_load(&card, path, text, sizeof(text)))
		return vgg_fail(BAD_ARGUMENT, path,
				"see firmware-sim/cards for examples", "%s",
				text);
	set_card(m, &card);
	return 0;
}
