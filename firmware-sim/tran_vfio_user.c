// SPDX-License-Identifier: MIT
/*
 * The vfio-user transport: the card as a PCIe device of a virtual machine, one
 * client after the other. Each finds a card that has just been powered on.
 */
#include "simd_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DELAY_MAX_US 500u
#define AFTER_MAX 15u

static const char *const order_names[] = {
	[VGG_SIM_PROGRAM_ORDER] = "program",
	[VGG_SIM_DMA_LATE] = "dma-late",
	[VGG_SIM_MAC_LATE] = "mac-late",
};

const char *vgg_sim_order_name(enum vgg_sim_order order)
{
	return order_names[order];
}

/*
 * What the specification leaves open, by the seed and the client's number, so
 * that a run can be repeated.
 */
static void choose(struct simd *s)
{
	struct vgg_simd_options *o = &s->options;
	struct vgg_sim_injection *i = &o->injection;
	unsigned int delay;

	if (!o->seeded)
		return;
	s->random = o->seed * 1000003 + s->log.client;
	if (!o->order_given)
		o->order = simd_random(&s->random) % 3;
	delay = (unsigned int)(simd_random(&s->random) % DELAY_MAX_US);
	/* Half of the clients see none. */
	s->delay_us = simd_random(&s->random) % 2 ? delay : 0;
	if (i->after_random)
		i->after =
			(uint32_t)(simd_random(&s->random) % (AFTER_MAX + 1));
	printf("vggsimd: choices client=%u seed=%llu order=%s delay_us=%u "
	       "inject=%s after=%u count=%u arg=%u\n",
	       s->log.client, (unsigned long long)o->seed,
	       vgg_sim_order_name(o->order), s->delay_us,
	       vgg_sim_fault_name(i->fault), i->after, i->count, i->arg);
	fflush(stdout);
}

static struct simd *create(const struct vgg_simd_options *options, int fd,
			   unsigned int client)
{
	struct simd *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->in.body = malloc(SIMD_BODY_MAX);
	if (!s->in.body) {
		free(s);
		return NULL;
	}
	s->options = *options;
	s->log.client = client;
	s->log.verbose = options->verbose;
	s->conn.fd = fd;
	s->socket = pthread_self();
	s->transfer_max = VFU_DEFAULT_TRANSFER;
	pthread_mutex_init(&s->conn.lock, NULL);
	simd_irq_init(&s->irq, &s->log);
	pci_config_init(&s->config, &options->card);
	choose(s);
	if (simd_card_start(s)) {
		simd_irq_close(&s->irq);
		pthread_mutex_destroy(&s->conn.lock);
		free(s->in.body);
		free(s);
		return NULL;
	}
	return s;
}

static void destroy(struct simd *s)
{
	simd_irq_close(&s->irq);
	pthread_mutex_destroy(&s->conn.lock);
	free(s->in.body);
	free(s);
}

/* The next message, or 1 for none yet. */
static int next(struct simd *s)
{
	int64_t quiet = simd_irq_wait(&s->irq), ns = quiet;
	int64_t overdue = simd_card_overdue(s);
	int err;

	if (overdue >= 0 && (ns < 0 || overdue < ns))
		ns = overdue;
	err = simd_conn_receive(&s->conn, &s->in, ns);
	if (err != -EAGAIN)
		return err;
	if (ns == quiet)
		simd_irq_quiet(&s->irq);
	return 1;
}

/* Until the client goes; how many requests there were. */
static uint64_t serve(struct simd *s)
{
	uint64_t requests = 0;
	int err;

	for (;;) {
		err = next(s);
		if (err > 0)
			continue;
		if (!err) {
			requests++;
			err = simd_request(s);
			simd_conn_close_fds(&s->in);
		}
		if (err)
			break;
	}
	if (simd_was_cut_off())
		simd_log_note(&s->log, "dropped: it cut off a file that it "
				       "had lent as memory");
	else if (err == -EPROTO)
		simd_log_note(&s->log,
			      "dropped: malformed message (command %u, size "
			      "%u, flags 0x%x)",
			      s->in.head.command, s->in.head.size,
			      s->in.head.flags);
	return requests;
}

static void serve_client(const struct vgg_simd_options *options, int fd,
			 unsigned int client)
{
	struct simd *s = create(options, fd, client);
	uint64_t requests;

	if (!s) {
		fprintf(stderr, "vggsimd: client %u: no memory for a card\n",
			client);
		return;
	}
	simd_set_current(s);
	requests = serve(s);
	/* Until it has stopped, the card may come upon a file that was cut
	 * off. */
	simd_card_stop(s);
	simd_set_current(NULL);
	simd_was_cut_off();
	/* One that only looks whether somebody listens is no client. */
	if (requests)
		simd_log_stats(&s->log, "end");
	destroy(s);
}

int vgg_simd_serve(const struct vgg_simd_options *options)
{
	struct simd_listener listener;
	unsigned int client = 0;
	int err = simd_listen(&listener, options->socket), fd;

	if (err)
		return err;
	printf("vggsimd: ready socket=%s card=%s inject=%s\n", options->socket,
	       options->card.name,
	       vgg_sim_fault_name(options->injection.fault));
	fflush(stdout);
	while ((fd = simd_accept(&listener)) >= 0) {
		serve_client(options, fd, ++client);
		close(fd);
		if (options->once)
			break;
	}
	simd_unlisten(&listener);
	return 0;
}
