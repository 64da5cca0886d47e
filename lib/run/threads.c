// SPDX-License-Identifier: MIT
/*
 * See threads.h. Threads that wait for the ~30 short regions of an inference,
 * and what a pool for that needs (pthreadpool, of Debian 12, has none of it):
 *
 * No waiting for who isn't needed. A region ends when its indices are done, be
 * it that a worker never came: on a busy machine a CPU may be someone else's for
 * milliseconds, and that worker would be waited for in every region. Entering
 * and leaving is counted in one word, the gate.
 *
 * Own shares. Each worker has a number and begins with its own share of the
 * indices, the same in each region of equal size: what it wrote in the last
 * region is what it reads in the next, and memory of a worker stays in its
 * core's cache. A72 and A53 differ by a factor of two or more, so whoever is
 * done takes from the far end of another's share.
 *
 * Affinity. No thread is pinned to a CPU: the kernel places them by capacity
 * and load, and sees other processes, which we don't. It is slow to learn that
 * a thread is busy, though, as ours sleep between images. So where there are
 * fewer threads than CPUs, workers are kept to the biggest clusters that hold
 * them all. That happens once, at their creation, within the mask that the
 * creating thread has: taskset -a and cpusets may change it later, and nothing
 * here sets it again. The calling thread is the application's; its mask is
 * never changed, unless it claims a cluster's pool: then it works there, too. If
 * that mask is one that someone else has set meanwhile, it stays.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "run/threads.h"
#include "trace/trace.h"
#include "util/cpu.h"
#include "util/error.h"

#define THREADS_MAX 256

/* How long a worker looks for the next region before it sleeps: longer than
 * what lies between two of an inference, shorter than a user notices. */
#define SPIN_NS 300000

/* Indices that nobody has begun: `end` << 32 | `next`. */
struct share {
	_Alignas(64) atomic_uint_fast64_t left;
};

/* One region: what its threads share. */
struct region {
	void (*fn)(void *, int, size_t);
	void *ctx;
	struct vgg_trace_place at; /* of the caller */
};

struct worker {
	struct vgg_threads *all;
	pthread_t thread;
	int number;
};

struct vgg_threads {
	int count;		  /* the caller is one of them, number 0 */
	uint32_t pool;		  /* its number, in traces */
	bool crowded;		  /* more threads than CPUs */
	pid_t owner;		  /* a forked child has none of the workers */
	pthread_mutex_t turn;	  /* of callers */
	bool bound;		  /* to `place`, and whoever claims it */
	cpu_set_t place, allowed; /* allowed: to its creator */
	pthread_mutex_t
		claim; /* of the tickets; signalled when one is served */
	pthread_cond_t served;
	unsigned int tickets, serving;
	struct region region;
	/* `round` << 32 | OPEN | workers inside. A worker enters once per round,
	 * while it is open, and the caller leaves when none is inside. */
	_Alignas(64) atomic_uint_fast64_t gate;
	_Alignas(64) atomic_int sleepers;
	atomic_bool stop;
	pthread_mutex_t lock; /* of `wake` */
	pthread_cond_t wake;
	struct share share[THREADS_MAX];
	struct worker worker[THREADS_MAX];
};

#define OPEN ((uint_fast64_t)1 << 31)
#define ROUND ((uint_fast64_t)1 << 32)

/* Within a task of whichever pool. Of any and not only of the same one: two
 * pools whose tasks use each other would wait for each other. */
static _Thread_local bool inside;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/*
 * The region.
 */

/* The next of one's own share, or the last of another's. */
static bool take(struct share *share, bool own, size_t *i)
{
	uint_fast64_t left =
		atomic_load_explicit(&share->left, memory_order_relaxed);
	uint_fast64_t next, end, rest;

	do {
		next = left & UINT32_MAX;
		end = left >> 32;
		if (next == end)
			return false;
		rest = own ? left + 1 : left - ROUND;
	} while (!atomic_compare_exchange_weak_explicit(
		&share->left, &left, rest, memory_order_relaxed,
		memory_order_relaxed));
	*i = own ? next : end - 1;
	return true;
}

static void drain(struct vgg_threads *t, int number)
{
	const struct region r = t->region;
	uint64_t begin = r.at.trace ? now_ns() : 0;
	unsigned int done = 0;
	int step;
	size_t i;

	inside = true;
	for (step = 0; step < t->count; step++)
		while (take(&t->share[(number + step) % t->count], !step, &i)) {
			r.fn(r.ctx, number, i);
			done++;
		}
	inside = false;
	if (r.at.trace && done)
		vgg_trace_work(&r.at, t->pool, number, done, begin);
}

static void alone(size_t n, void (*fn)(void *, int, size_t), void *ctx)
{
	bool traced = vgg_trace_here.trace && n && !inside;
	uint64_t begin = traced ? now_ns() : 0;
	size_t i;

	for (i = 0; i < n; i++)
		fn(ctx, 0, i);
	if (traced)
		vgg_trace_work(&vgg_trace_here, 0, 0, (unsigned int)n, begin);
}

static void deal_out(struct vgg_threads *t, size_t n)
{
	size_t workers = (size_t)t->count, i;

	for (i = 0; i < workers; i++)
		atomic_store_explicit(&t->share[i].left,
				      (uint_fast64_t)(n * (i + 1) / workers)
						      << 32 |
					      n * i / workers,
				      memory_order_relaxed);
}

static void wake_sleepers(struct vgg_threads *t)
{
	if (!atomic_load(&t->sleepers))
		return;
	pthread_mutex_lock(&t->lock);
	pthread_cond_broadcast(&t->wake);
	pthread_mutex_unlock(&t->lock);
}

/* A worker inside may have lost its CPU: to this thread, perhaps. */
static void wait_until_empty(struct vgg_threads *t)
{
	uint64_t end = 0;

	while (atomic_load(&t->gate) & (OPEN - 1)) {
		if (!end)
			end = now_ns() + SPIN_NS;
		if (t->crowded || now_ns() > end)
			sched_yield();
	}
}

void vgg_parallel(struct vgg_threads *t, size_t n,
		  void (*fn)(void *, int, size_t), void *ctx)
{
	/* In a forked child the turn may be a thread's that doesn't exist. */
	if (t->count == 1 || n < 2 || inside || t->owner != getpid()) {
		alone(n, fn, ctx);
		return;
	}
	pthread_mutex_lock(&t->turn);
	t->region = (struct region){ fn, ctx, vgg_trace_here };
	deal_out(t, n);
	atomic_fetch_add(&t->gate, ROUND + OPEN);
	wake_sleepers(t);
	drain(t, 0);
	atomic_fetch_sub(&t->gate, OPEN);
	wait_until_empty(t);
	pthread_mutex_unlock(&t->turn);
}

/* What this thread's mask became when a pool was claimed. */
static _Thread_local cpu_set_t bound_to;

/* To the pool's CPUs, from those of the pool before or of the pool's creator. Any
 * other mask is the user's, by taskset -a or a cpuset, who knows better. */
static void bind(const struct vgg_threads *t)
{
	cpu_set_t now;

	if (sched_getaffinity(0, sizeof(now), &now) ||
	    CPU_EQUAL(&now, &t->place) ||
	    (!CPU_EQUAL(&now, &bound_to) && !CPU_EQUAL(&now, &t->allowed)))
		return;
	if (!sched_setaffinity(0, sizeof(t->place), &t->place))
		/* A cpuset may leave less of it. */
		sched_getaffinity(0, sizeof(bound_to), &bound_to);
}

void vgg_threads_claim(struct vgg_threads *t)
{
	unsigned int ticket;

	/* In a forked child it may be a thread's that doesn't exist. */
	if (t->owner != getpid())
		return;
	pthread_mutex_lock(&t->claim);
	ticket = t->tickets++;
	if (ticket != t->serving) {
		VGG_TRACE_NAMED(WAIT, "waiting for the CPU");
		while (ticket != t->serving)
			pthread_cond_wait(&t->served, &t->claim);
	}
	pthread_mutex_unlock(&t->claim);
	if (t->bound)
		bind(t);
}

void vgg_threads_unclaim(struct vgg_threads *t)
{
	if (t->owner != getpid())
		return;
	pthread_mutex_lock(&t->claim);
	t->serving++;
	pthread_cond_broadcast(&t->served);
	pthread_mutex_unlock(&t->claim);
}

/*
 * Workers.
 */

/* Enters the region that is open, unless it is `round`, whose work is done. */
static bool enter(struct vgg_threads *t, uint_fast64_t *round)
{
	uint_fast64_t gate = atomic_load(&t->gate);

	do {
		if (!(gate & OPEN) || gate / ROUND == *round)
			return false;
	} while (!atomic_compare_exchange_weak(&t->gate, &gate, gate + 1));
	*round = gate / ROUND;
	return true;
}

/* Looks at the gate for a while. Mostly without telling the CPU that it waits:
 * where that leaves a virtual machine, it costs 40 us. */
static bool spin(struct vgg_threads *t, uint_fast64_t *round)
{
	uint64_t end = now_ns() + SPIN_NS;

	do {
		if (enter(t, round))
			return true;
	} while (!atomic_load_explicit(&t->stop, memory_order_relaxed) &&
		 now_ns() < end);
	return false;
}

static void sleep_until_woken(struct vgg_threads *t, uint_fast64_t round)
{
	uint_fast64_t gate;

	pthread_mutex_lock(&t->lock);
	atomic_fetch_add(&t->sleepers, 1);
	for (;;) {
		gate = atomic_load(&t->gate);
		if (((gate & OPEN) && gate / ROUND != round) ||
		    atomic_load(&t->stop))
			break;
		pthread_cond_wait(&t->wake, &t->lock);
	}
	atomic_fetch_sub(&t->sleepers, 1);
	pthread_mutex_unlock(&t->lock);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct vgg_threads *t = w->all;
	uint_fast64_t round = 0;

	while (!atomic_load(&t->stop)) {
		if (t->crowded ? enter(t, &round) : spin(t, &round)) {
			drain(t, w->number);
			atomic_fetch_sub(&t->gate, 1);
		} else {
			sleep_until_woken(t, round);
		}
	}
	return NULL;
}

/*
 * Creation.
 */

/* How many; set is empty if there are more than it can hold. */
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

/* Starts workers 1 to `last`; returns the last that could be. */
static int start(struct vgg_threads *t, int last, const pthread_attr_t *attr)
{
	int i;

	for (i = 1; i <= last; i++) {
		struct worker *w = &t->worker[i];

		w->all = t;
		w->number = i;
		if (pthread_create(&w->thread, attr, work, w))
			break;
	}
	return i - 1;
}

static void stop(struct vgg_threads *t, int last)
{
	atomic_store(&t->stop, true);
	wake_sleepers(t);
	for (; last > 0; last--)
		pthread_join(t->worker[last].thread, NULL);
	atomic_store(&t->stop, false);
}

static bool start_all(struct vgg_threads *t, const cpu_set_t *allowed)
{
	int last = t->count - 1, started = 0;
	sigset_t all, before;
	pthread_attr_t attr;
	cpu_set_t place;

	if (pthread_attr_init(&attr))
		return false;
	/* The application's signals are for its own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (t->bound)
		place = t->place;
	if (t->bound ||
	    vgg_threads_place(vgg_cpus(), allowed, t->count, &place))
		pthread_attr_setaffinity_np(&attr, sizeof(place), &place);
	started = start(t, last, &attr);
	pthread_attr_destroy(&attr);
	/* Refused where the mask has changed meanwhile: then that counts. */
	if (!started && last)
		started = start(t, last, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (started < last)
		stop(t, started);
	return started == last;
}

static struct vgg_threads *new_threads(void)
{
	static atomic_uint pools;
	struct vgg_threads *t = aligned_alloc(64, sizeof(*t));

	if (!t)
		return NULL;
	memset(t, 0, sizeof(*t));
	t->owner = getpid();
	t->pool = atomic_fetch_add(&pools, 1);
	pthread_mutex_init(&t->turn, NULL);
	pthread_mutex_init(&t->claim, NULL);
	pthread_cond_init(&t->served, NULL);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->wake, NULL);
	return t;
}

static void free_threads(struct vgg_threads *t)
{
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->served);
	pthread_mutex_destroy(&t->claim);
	pthread_mutex_destroy(&t->turn);
	free(t);
}

static int start_or_free(struct vgg_threads *t, const cpu_set_t *allowed,
			 struct vgg_threads **threads)
{
	int count = t->count;

	if (start_all(t, allowed)) {
		*threads = t;
		return 0;
	}
	free_threads(t);
	return vgg_fail(THREADS, NULL, "use fewer threads",
			"%d threads cannot be started", count);
}

int vgg_threads_create(int count, struct vgg_threads **threads)
{
	struct vgg_threads *t;
	cpu_set_t allowed;
	int cpus;

	if (count < 0 || count > THREADS_MAX)
		return vgg_fail(BAD_ARGUMENT, "threads", "use 1 to 256, or 0",
				"%d threads", count);
	t = new_threads();
	if (!t)
		return vgg_fail_memory("threads");
	cpus = allowed_cpus(&allowed);
	t->count = count ? count : default_count(cpus);
	t->crowded = t->count > cpus;
	return start_or_free(t, &allowed, threads);
}

int vgg_threads_create_on(const cpu_set_t *cpus, int count,
			  struct vgg_threads **threads)
{
	cpu_set_t allowed, place;
	struct vgg_threads *t;
	int most;

	allowed_cpus(&allowed);
	CPU_AND(&place, cpus, &allowed);
	most = CPU_COUNT(&place);
	count = count && count < most ? count : most;
	if (!count || count > THREADS_MAX)
		return vgg_fail(THREADS, NULL, "allow this process more CPUs",
				"%d of a cluster's CPUs may be used", most);
	t = new_threads();
	if (!t)
		return vgg_fail_memory("threads");
	t->place = place;
	t->allowed = allowed;
	t->bound = true;
	t->count = count;
	return start_or_free(t, &allowed, threads);
}

void vgg_threads_free(struct vgg_threads *t)
{
	if (!t)
		return;
	if (t->owner != getpid()) {
		free(t);
		return;
	}
	stop(t, t->count - 1);
	free_threads(t);
}

int vgg_threads_count(const struct vgg_threads *t)
{
	return t->count;
}
