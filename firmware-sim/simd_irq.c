// SPDX-License-Identifier: MIT
/*
 * Interrupts by eventfds.
 *
 * A message is one write. INTx is a level, of which an eventfd knows nothing:
 * it is signalled when the line rises and then masked; the client unmasks it
 * when its guest has handled the interrupt, and if the line is still high it
 * is signalled again. QEMU takes any access to the BAR as the end of the
 * handling, and a guest's write that lowers the line is still on its way then;
 * so the second signal waits until the socket has been quiet for a moment. A
 * signal that the client has not seen yet when the line falls is taken back.
 * Both keep a guest from seeing interrupts without a cause.
 */
#include "simd_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define QUIET_NS 50000

void simd_irq_init(struct simd_irq *irq, struct simd_log *log)
{
	unsigned int i;

	memset(irq, 0, sizeof(*irq));
	pthread_mutex_init(&irq->lock, NULL);
	irq->log = log;
	irq->intx_fd = -1;
	for (i = 0; i < VGG_MSI_VECTORS; i++)
		irq->msi_fd[i] = -1;
}

static void replace_fd(int *slot, int fd)
{
	if (*slot >= 0)
		close(*slot);
	*slot = fd;
}

void simd_irq_close(struct simd_irq *irq)
{
	unsigned int i;

	replace_fd(&irq->intx_fd, -1);
	for (i = 0; i < VGG_MSI_VECTORS; i++)
		replace_fd(&irq->msi_fd[i], -1);
	pthread_mutex_destroy(&irq->lock);
}

/* They don't block (see take_fd()); one that is full has its event already. */
static void signal_fd(int fd)
{
	uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one));
}

static bool take_back(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count);
}

/* (lock) */
static void send_message(struct simd_irq *irq, int vector)
{
	atomic_uint_least64_t *counters[VGG_MSI_VECTORS] = {
		&irq->log->stats.msi0,
		&irq->log->stats.msi1,
		&irq->log->stats.msi2,
		&irq->log->stats.msi3,
	};

	/* Masked, or the client has not followed the guest yet. */
	if ((irq->msi_mask >> vector & 1) || irq->msi_fd[vector] < 0) {
		irq->msi_pending |= 1u << vector;
		return;
	}
	irq->msi_pending &= ~(1u << vector);
	simd_count(*counters[vector], 1);
	signal_fd(irq->msi_fd[vector]);
}

/* (lock) */
static void send_pending(struct simd_irq *irq)
{
	int vector;

	for (vector = 0; vector < VGG_MSI_VECTORS; vector++)
		if (irq->msi_pending >> vector & 1)
			send_message(irq, vector);
}

/* (lock) */
static bool asserted(const struct simd_irq *irq)
{
	return irq->level && !irq->intx_off;
}

/* (lock) */
static void fire(struct simd_irq *irq)
{
	irq->refire = false;
	if (irq->masked || irq->intx_fd < 0 || !asserted(irq))
		return;
	irq->masked = irq->fired = true;
	simd_count(irq->log->stats.intx_fires, 1);
	signal_fd(irq->intx_fd);
}

/* (lock) After the line, or what gates it, has changed. */
static void follow_line(struct simd_irq *irq, bool recall)
{
	if (asserted(irq)) {
		if (!irq->refire)
			fire(irq);
		return;
	}
	irq->refire = false;
	if (!recall || !irq->fired || irq->intx_fd < 0 ||
	    !take_back(irq->intx_fd))
		return;
	simd_count(irq->log->stats.intx_drains, 1);
	irq->masked = irq->fired = false;
}

/*
 * A signal is only taken back where the driver lowered the line. A pulse is
 * the card's own, an injected fault, and must be seen.
 */
void simd_irq_event(struct simd_irq *irq, int vector, bool by_driver)
{
	pthread_mutex_lock(&irq->lock);
	if (vector >= 0) {
		send_message(irq, vector);
	} else {
		irq->level = vector == VGG_SIM_INTX_HIGH;
		follow_line(irq, by_driver);
	}
	pthread_mutex_unlock(&irq->lock);
}

void simd_irq_configure(struct simd_irq *irq, bool intx_off, int msi_vectors,
			uint32_t msi_mask)
{
	pthread_mutex_lock(&irq->lock);
	irq->intx_off = intx_off;
	irq->msi_mask = msi_mask;
	if (!msi_vectors)
		irq->msi_pending = 0;
	send_pending(irq);
	follow_line(irq, true);
	pthread_mutex_unlock(&irq->lock);
}

void simd_irq_look(struct simd_irq *irq, bool *line, uint32_t *pending)
{
	pthread_mutex_lock(&irq->lock);
	*line = irq->level;
	*pending = irq->msi_pending & irq->msi_mask;
	pthread_mutex_unlock(&irq->lock);
}

int64_t simd_irq_wait(struct simd_irq *irq)
{
	int64_t ns;

	pthread_mutex_lock(&irq->lock);
	ns = irq->refire ? QUIET_NS : -1;
	pthread_mutex_unlock(&irq->lock);
	return ns;
}

void simd_irq_quiet(struct simd_irq *irq)
{
	pthread_mutex_lock(&irq->lock);
	if (irq->refire)
		fire(irq);
	pthread_mutex_unlock(&irq->lock);
}

/*
 * Only an eventfd can be written to without knowing more of it, and only one
 * that doesn't block can be written to by a card that others wait for.
 */
static bool usable(int fd)
{
	char path[32], name[32];
	ssize_t n;
	int flags;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, name, sizeof(name) - 1);
	if (n < 0)
		return false;
	name[n] = 0;
	if (strcmp(name, "anon_inode:[eventfd]"))
		return false;
	flags = fcntl(fd, F_GETFL);
	return flags >= 0 && ((flags & O_NONBLOCK) ||
			      !fcntl(fd, F_SETFL, flags | O_NONBLOCK));
}

/* (lock) */
static int *slot(struct simd_irq *irq, const struct vfu_irq_set *set,
		 uint32_t i)
{
	return set->index == VFU_INTX ? &irq->intx_fd :
					&irq->msi_fd[set->start + i];
}

/* (lock) A new eventfd knows nothing of the past. */
static void forget_line(struct simd_irq *irq)
{
	irq->masked = irq->fired = irq->refire = false;
}

/* (lock) */
static int set_fds(struct simd_irq *irq, const struct vfu_irq_set *set,
		   int *fds, unsigned int fd_count)
{
	uint32_t i;

	/* None at all takes away those that are there. */
	if (fd_count && fd_count != set->count)
		return -EINVAL;
	for (i = 0; i < fd_count; i++)
		if (!usable(fds[i]))
			return -EINVAL;
	for (i = 0; i < set->count; i++) {
		replace_fd(slot(irq, set, i), fd_count ? fds[i] : -1);
		if (fd_count)
			fds[i] = -1;
	}
	if (set->index == VFU_INTX)
		forget_line(irq);
	return 0;
}

/* (lock) Loopback: the client's own signals. */
static void trigger(struct simd_irq *irq, const struct vfu_irq_set *set,
		    const uint8_t *data)
{
	uint32_t i;

	for (i = 0; i < set->count; i++)
		if (*slot(irq, set, i) >= 0 && (!data || data[i]))
			signal_fd(*slot(irq, set, i));
}

/* (lock) */
static void disable(struct simd_irq *irq, const struct vfu_irq_set *set)
{
	unsigned int i;

	if (set->index == VFU_INTX) {
		replace_fd(&irq->intx_fd, -1);
		forget_line(irq);
		return;
	}
	for (i = 0; i < VGG_MSI_VECTORS; i++)
		replace_fd(&irq->msi_fd[i], -1);
}

/* (lock) */
static int mask(struct simd_irq *irq, const struct vfu_irq_set *set,
		const uint8_t *data)
{
	if (set->index != VFU_INTX ||
	    (set->flags & VFU_SET_DATA) == VFU_SET_EVENTFD)
		return -EINVAL;
	if (!set->count || (data && !data[0]))
		return 0;
	if (set->flags & VFU_SET_MASK) {
		irq->masked = true;
		irq->fired = false;
		return 0;
	}
	simd_count(irq->log->stats.intx_unmasks, 1);
	irq->masked = irq->fired = false;
	irq->refire = asserted(irq);
	return 0;
}

static bool single(uint32_t bits)
{
	return bits && !(bits & (bits - 1));
}

static int check_set(const struct vfu_irq_set *set, size_t len)
{
	uint32_t data = set->flags & VFU_SET_DATA;
	uint32_t action = set->flags & VFU_SET_ACTION;
	uint32_t count = set->index == VFU_INTX ? 1 : VGG_MSI_VECTORS;

	if (set->index != VFU_INTX && set->index != VFU_MSI)
		return -EINVAL;
	if ((set->flags & ~(VFU_SET_DATA | VFU_SET_ACTION)) || !single(data) ||
	    !single(action))
		return -EINVAL;
	if (set->start >= count || set->count > count - set->start)
		return -EINVAL;
	if (!set->count &&
	    (set->start || data != VFU_SET_NONE || action != VFU_SET_TRIGGER))
		return -EINVAL;
	return data == VFU_SET_BOOL && len < set->count ? -EINVAL : 0;
}

/* (lock) */
static int do_set(struct simd_irq *irq, const struct vfu_irq_set *set,
		  const uint8_t *bools, int *fds, unsigned int fd_count)
{
	int err = 0;

	if (!(set->flags & VFU_SET_TRIGGER))
		return mask(irq, set, bools);
	if (set->flags & VFU_SET_EVENTFD)
		err = set_fds(irq, set, fds, fd_count);
	else if (set->count)
		trigger(irq, set, bools);
	else
		disable(irq, set);
	if (!err) {
		send_pending(irq);
		follow_line(irq, true);
	}
	return err;
}

int simd_irq_set(struct simd_irq *irq, const struct vfu_irq_set *set,
		 const uint8_t *data, size_t len, int *fds,
		 unsigned int fd_count)
{
	int err = check_set(set, len);

	if (err)
		return err;
	pthread_mutex_lock(&irq->lock);
	err = do_set(irq, set, set->flags & VFU_SET_BOOL ? data : NULL, fds,
		     fd_count);
	pthread_mutex_unlock(&irq->lock);
	return err;
}
