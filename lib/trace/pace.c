// SPDX-License-Identifier: MIT
/*
 * How well a simulated card kept pace while a trace recorded, and what of that a
 * reader should know. The device counts its jobs, and those that ended late; what
 * is told is the difference between the trace's beginning, or its clearing, and
 * now. When a session goes, and its device perhaps with it, its part is kept.
 */
#include "trace/parts.h"

static struct vgg_trace_pace count(struct vgg_device *device)
{
	struct vgg_device_info d = VGG_INIT(d);

	if (!device || vgg_device_info(device, &d))
		return (struct vgg_trace_pace){ 0 };
	return (struct vgg_trace_pace){ d.jobs, d.late_jobs, d.late_us };
}

/* A count that is smaller than before has begun anew: the card was reset. */
static uint64_t since(uint64_t before, uint64_t now)
{
	return now >= before ? now - before : now;
}

static void add(struct vgg_trace_pace *sum, const struct vgg_trace *t)
{
	struct vgg_trace_pace now = count(t->device);

	if (!t->device)
		return;
	sum->jobs += since(t->pace_before.jobs, now.jobs);
	sum->late += since(t->pace_before.late, now.late);
	sum->late_us += since(t->pace_before.late_us, now.late_us);
}

void vgg_trace_pace_begin(struct vgg_trace *t, struct vgg_device *device)
{
	t->device = device;
	t->pace_before = count(device);
}

void vgg_trace_pace_end(struct vgg_trace *t)
{
	add(&t->pace_gone, t);
	t->device = NULL;
}

void vgg_trace_pace_clear(struct vgg_trace *t)
{
	t->pace_gone = (struct vgg_trace_pace){ 0 };
	vgg_trace_pace_begin(t, t->device);
}

/*
 * The note.
 */
static void note_paced(const struct vgg_trace_pace *p, char *text, size_t size)
{
	if (!p->late)
		snprintf(text, size,
			 "The card is simulated, and paced: a job takes as "
			 "long as the modelled card's.");
	else
		snprintf(text, size,
			 "The card is simulated, and paced, but %llu of %llu "
			 "job%s ended late, by %.1f ms in all: this machine "
			 "was too slow, or too busy.",
			 (unsigned long long)p->late,
			 (unsigned long long)p->jobs, p->jobs == 1 ? "" : "s",
			 (double)p->late_us / 1e3);
}

static void note(struct vgg_trace *t)
{
	const struct vgg_trace_source *s = t->sources;
	char text[256] = "";

	*t->note = 0;
	if (!s || !s->has_card)
		return;
	if (t->unpaced)
		snprintf(text, sizeof(text),
			 "The card is simulated without pace: its boxes are "
			 "as long as this machine took to simulate it, what "
			 "the card itself would take is told beside.");
	else if (s->simulated)
		note_paced(&t->pace, text, sizeof(text));
	else
		snprintf(text, sizeof(text),
			 "A job of the card is as long as the card says.");
	snprintf(t->note, sizeof(t->note),
		 "%s Layers within jobs and DMA are shares by the card's "
		 "cycle model.",
		 text);
}

void vgg_trace_pace_look(struct vgg_trace *t)
{
	t->pace = t->pace_gone;
	add(&t->pace, t);
	note(t);
}
