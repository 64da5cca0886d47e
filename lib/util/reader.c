// SPDX-License-Identifier: MIT
/* See reader.h. */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>

#include "util/disabled.h"
#include "util/reader.h"

#define PIECES 8u			/* under way at a time */
#define PIECE_BYTES ((uint64_t)1 << 20) /* several devices can share a MiB */

struct piece {
	uint8_t *to;
	uint64_t at, n;
	bool busy;
};

struct vgg_reader {
	const struct vgg_file *file;
	struct io_uring ring;
	struct piece pieces[PIECES];
	unsigned int busy;
	bool broken; /* everything is copied from now on */
};

struct vgg_reader *vgg_reader_create(const struct vgg_file *file)
{
	struct vgg_reader *r;

	if (!file->mapped || vgg_disabled("uring"))
		return NULL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->file = file;
	if (io_uring_queue_init(PIECES, &r->ring, 0)) {
		free(r);
		return NULL;
	}
	return r;
}

static void copy(const struct vgg_reader *r, const struct piece *p,
		 uint64_t done)
{
	memcpy(p->to + done, r->file->data + p->at + done, p->n - done);
}

static void end_piece(struct vgg_reader *r, const struct io_uring_cqe *e)
{
	struct piece *p = &r->pieces[e->user_data];
	uint64_t done = e->res > 0 ? (uint64_t)e->res : 0;

	if (done < p->n)
		copy(r, p, done);
	p->busy = false;
	r->busy--;
}

/* io_uring itself fails. What is under way comes to the same bytes. */
static void give_up(struct vgg_reader *r)
{
	unsigned int i;

	for (i = 0; i < PIECES; i++) {
		if (r->pieces[i].busy)
			copy(r, &r->pieces[i], 0);
		r->pieces[i].busy = false;
	}
	r->busy = 0;
	r->broken = true;
}

/* Takes one piece off the ring. */
static void wait_one(struct vgg_reader *r)
{
	struct io_uring_cqe *e;
	int err;

	do
		err = io_uring_submit_and_wait(&r->ring, 1);
	while (err == -EINTR);
	if (err < 0 || io_uring_peek_cqe(&r->ring, &e)) {
		give_up(r);
		return;
	}
	end_piece(r, e);
	io_uring_cqe_seen(&r->ring, e);
}

static struct piece *idle_piece(struct vgg_reader *r)
{
	unsigned int i;

	if (r->busy == PIECES)
		wait_one(r);
	for (i = 0; r->pieces[i].busy; i++)
		;
	return &r->pieces[i];
}

static void start_piece(struct vgg_reader *r, const struct piece *want)
{
	struct piece *p = r->broken ? NULL : idle_piece(r);
	struct io_uring_sqe *e = r->broken ? NULL : io_uring_get_sqe(&r->ring);

	if (!e) {
		copy(r, want, 0);
		return;
	}
	*p = *want;
	p->busy = true;
	r->busy++;
	io_uring_prep_read(e, r->file->fd, p->to, (unsigned int)p->n, p->at);
	e->user_data = (uint64_t)(p - r->pieces);
	/* What isn't taken now stays in the ring and is with the next call. */
	io_uring_submit(&r->ring);
}

void vgg_reader_start(struct vgg_reader *r, void *to, uint64_t at, uint64_t n)
{
	struct piece p = { .to = to, .at = at };

	for (; n; n -= p.n, p.at += p.n, p.to += p.n) {
		p.n = n < PIECE_BYTES ? n : PIECE_BYTES;
		start_piece(r, &p);
	}
}

void vgg_reader_finish(struct vgg_reader *r)
{
	while (r->busy)
		wait_one(r);
}

void vgg_reader_destroy(struct vgg_reader *r)
{
	if (!r)
		return;
	io_uring_queue_exit(&r->ring);
	free(r);
}
