// SPDX-License-Identifier: MIT
/*
 * See threads.h. pthreadpool starts, wakes and joins the threads: they spin for
 * a while before they sleep, which the ~250 short regions of an inference need.
 * What it is not left to do:
 *
 * Dividing the work. It gives each thread an equal share, and whoever is done
 * steals from the others' far ends. A72 and A53 differ by a factor of two or
 * more, so most of the work would be stolen, index by index, from where no
 * prefetcher expects it. Here each thread takes the next index of one counter:
 * as dynamic, and neighbours work on neighbouring tiles. Its *_with_uarch
 * calls tell the core type once per region; a task that wants to know asks
 * vgg_cluster_here(), as the scheduler moves threads also within a region.
 *
 * Affinity. No thread is pinned to a CPU: the kernel places them by capacity
 * and load, and sees other processes, which we don't. It is slow to learn that
 * a thread is busy, though, as ours sleep between images. So where there are
 * fewer threads than CPUs, workers are kept to the biggest clusters that hold
 * them all. That happens once, at their creation, within the mask that the
 * creating thread has: taskset -a and cpusets may change it later, and nothing
 * here sets it again. The calling thread is the application's; its mask is
 * never changed.
 *
 * Failing. pthreadpool waits for ever if one of its threads can't be started.
 * So as many are started before, for trial.
 */
#include <pthread.h>
#include <pthreadpool.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run/threads.h"
#include "util/cpu.h"
#include "util/error.h"

#define THREADS_MAX 256

struct vgg_threads {
	pthreadpool_t pool; /* NULL: the calling thread alone */
	int count;
	uint32_t flags;
};

/* One region: what its threads share. */
struct region {
	atomic_size_t next;
	size_t n;
	void (*fn)(void *, size_t);
	void *ctx;
};

/* A pool being made, by a thread of its own where it needs another mask. */
struct birth {
	int count;
	const cpu_set_t *place; /* NULL: the creating thread's */
	pthreadpool_t pool;
};

/* Within a task of whichever pool. Of any and not only of the same one: two
 * pools whose tasks use each other would wait for each other. */
static _Thread_local bool inside;

/* False: more CPUs than a cpu_set_t holds. */
static int allowed_cpus(cpu_set_t *set)
{
	long online;

	if (!sched_getaffinity(0, sizeof(*set), set))
		return CPU_COUNT(set);
	CPU_ZERO(set);
	online = sysconf(_SC_NPROCESSORS_ONLN);
	return online > 1 ? (int)online : 1;
}

static int default_count(int allowed)
{
	int quota = vgg_cpus_quota();

	if (quota && quota < allowed)
		allowed = quota;
	return allowed < THREADS_MAX ? allowed : THREADS_MAX;
}

/* As the clusters are sorted, whether b is as big as a. */
static bool as_big(const struct vgg_cluster *a, const struct vgg_cluster *b)
{
	return b->capacity == a->capacity && b->uarch == a->uarch;
}

bool vgg_threads_place(const struct vgg_cpus *cpus, const cpu_set_t *allowed,
		       int count, cpu_set_t *place)
{
	cpu_set_t here, known;
	int i, left = count;

	CPU_ZERO(place);
	CPU_ZERO(&known);
	for (i = 0; i < cpus->count; i++) {
		const struct vgg_cluster *k = &cpus->cluster[i];

		CPU_AND(&here, &k->cpus, allowed);
		CPU_OR(&known, &known, &here);
		/* A next one that is no smaller would be left out for nothing. */
		if (left > 0 || (i && as_big(k - 1, k)))
			CPU_OR(place, place, &here);
		else
			break;
		left -= CPU_COUNT(&here);
	}
	for (; i < cpus->count; i++) {
		CPU_AND(&here, &cpus->cluster[i].cpus, allowed);
		CPU_OR(&known, &known, &here);
	}
	/* Allowed only since the CPUs were read, or too few for so many: no
	 * ground to leave any out. */
	if (left <= 0 && CPU_EQUAL(&known, allowed) &&
	    CPU_COUNT(place) < CPU_COUNT(allowed))
		return true;
	*place = *allowed;
	return false;
}

/* Threads that are started only to see that they can be. */
struct trial {
	pthread_mutex_t gate; /* held until all are started */
	struct trial_thread {
		struct trial *trial;
		pthread_t thread;
		pid_t id;
	} each[THREADS_MAX];
};

static void *trial_thread(void *arg)
{
	struct trial_thread *self = arg;

	self->id = (pid_t)syscall(SYS_gettid);
	pthread_mutex_lock(&self->trial->gate);
	pthread_mutex_unlock(&self->trial->gate);
	return NULL;
}

/* A joined thread counts against the limits until the kernel has buried it. */
static void wait_for_burial(pid_t id)
{
	int tries;

	for (tries = 0; tries < 10000; tries++) {
		if (syscall(SYS_tgkill, getpid(), id, 0))
			return;
		usleep(tries < 100 ? 0 : 100);
	}
}

/*
 * Whether n threads can be started and live at a time. Others may take the last
 * ones right after; that window is some 100 us wide and needs a machine at its
 * limit.
 */
static bool trial(int n)
{
	struct trial t;
	int started, i;

	pthread_mutex_init(&t.gate, NULL);
	pthread_mutex_lock(&t.gate);
	for (started = 0; started < n; started++) {
		struct trial_thread *next = &t.each[started];

		next->trial = &t;
		if (pthread_create(&next->thread, NULL, trial_thread, next))
			break;
	}
	pthread_mutex_unlock(&t.gate);
	for (i = 0; i < started; i++)
		pthread_join(t.each[i].thread, NULL);
	for (i = 0; i < started; i++)
		wait_for_burial(t.each[i].id);
	pthread_mutex_destroy(&t.gate);
	return started == n;
}

static void *give_birth(void *arg)
{
	struct birth *b = arg;

	/* Refused where the mask has changed meanwhile: then theirs counts. */
	if (b->place)
		sched_setaffinity(0, sizeof(*b->place), b->place);
	if (trial(b->count - 1))
		b->pool = pthreadpool_create((size_t)b->count);
	return NULL;
}

/* NULL if the threads can't be started. */
static pthreadpool_t create_pool(int count, const cpu_set_t *allowed)
{
	struct birth b = { .count = count };
	pthread_t midwife;
	cpu_set_t place;

	if (!vgg_threads_place(vgg_cpus(), allowed, count, &place)) {
		give_birth(&b);
		return b.pool;
	}
	/* Threads inherit their creator's mask, and ours stays as it is. */
	b.place = &place;
	if (pthread_create(&midwife, NULL, give_birth, &b))
		return NULL;
	pthread_join(midwife, NULL);
	return b.pool;
}

int vgg_threads_create(int count, struct vgg_threads **threads)
{
	struct vgg_threads *t;
	cpu_set_t allowed;
	int cpus;

	if (count < 0 || count > THREADS_MAX)
		return vgg_fail(BAD_ARGUMENT, "threads", "use 1 to 256, or 0",
				"%d threads", count);
	t = calloc(1, sizeof(*t));
	if (!t)
		return vgg_fail_memory("threads");
	cpus = allowed_cpus(&allowed);
	t->count = count ? count : default_count(cpus);
	/* Where threads share CPUs, one that spins keeps another from work. */
	t->flags = t->count > cpus ? PTHREADPOOL_FLAG_YIELD_WORKERS : 0;
	if (t->count > 1) {
		t->pool = create_pool(t->count, &allowed);
		if (!t->pool) {
			count = t->count;
			free(t);
			return vgg_fail(THREADS, NULL, "use fewer threads",
					"%d threads cannot be started", count);
		}
	}
	*threads = t;
	return 0;
}

void vgg_threads_free(struct vgg_threads *t)
{
	if (!t)
		return;
	if (t->pool)
		pthreadpool_destroy(t->pool);
	free(t);
}

int vgg_threads_count(const struct vgg_threads *t)
{
	return t->count;
}

/*
 * Runs once per thread, and again where one steals the start of another that is
 * late; by then little is left. Acquire and release on the counter order all
 * that caller and tasks write; pthreadpool does so too, but where thread
 * sanitizers can't see it. For the same reason nothing of *r is read behind the
 * last step of the counter, which releases it.
 */
static void drain(void *arg, size_t start)
{
	struct region *r = arg;
	void (*fn)(void *, size_t);
	void *ctx;
	size_t i, n;

	(void)start;
	(void)atomic_load_explicit(&r->next, memory_order_acquire);
	n = r->n;
	fn = r->fn;
	ctx = r->ctx;
	inside = true;
	while ((i = atomic_fetch_add_explicit(&r->next, 1,
					      memory_order_acq_rel)) < n)
		fn(ctx, i);
	inside = false;
}

void vgg_parallel(struct vgg_threads *t, size_t n, void (*fn)(void *, size_t),
		  void *ctx)
{
	struct region r;
	size_t i;

	if (!t->pool || n < 2 || inside) {
		for (i = 0; i < n; i++)
			fn(ctx, i);
		return;
	}
	r.n = n;
	r.fn = fn;
	r.ctx = ctx;
	atomic_store_explicit(&r.next, 0, memory_order_release);
	pthreadpool_parallelize_1d(t->pool, drain, &r, (size_t)t->count,
				   t->flags);
	(void)atomic_load_explicit(&r.next, memory_order_acquire);
}
