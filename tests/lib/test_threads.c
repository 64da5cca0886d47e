// SPDX-License-Identifier: MIT
/* The worker threads: each index once, no thread idle while there is work, and
 * nobody's CPU mask touched. */
#include <ctype.h>
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "run/threads.h"
#include "util/cpu.h"
#include "vgg_harness.h"
#include "vggaccel.h"

#define INDICES 4096

struct count {
	struct vgg_threads *t;
	atomic_int seen[INDICES];
	int plain[INDICES]; /* what tasks write is the caller's to read */
	size_t inner;
};

static struct count count;

static struct vgg_threads *threads(int n)
{
	struct vgg_threads *t = NULL;

	ASSERT_EQ(0, vgg_threads_create(n, &t));
	return t;
}

static void see(void *ctx, int worker, size_t i)
{
	struct count *c = ctx;

	(void)worker;
	if (i < INDICES) {
		if (!atomic_fetch_add(&c->seen[i], 1))
			c->plain[i] = (int)i + 1;
	} else {
		atomic_fetch_add(&c->seen[0], 1000000);
	}
}

static void expect_each(struct count *c, size_t n, int times)
{
	int wrong = 0, stale = 0;
	size_t i;

	for (i = 0; i < INDICES; i++) {
		wrong += atomic_load(&c->seen[i]) != (i < n ? times : 0);
		stale += c->plain[i] != (i < n ? (int)i + 1 : 0);
		atomic_store(&c->seen[i], 0);
		c->plain[i] = 0;
	}
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(0, stale);
}

TEST(each_index_once)
{
	static const size_t sizes[] = { 0,  1,	2,   3,	  4,	7,
					8,  9,	15,  16,  17,	63,
					64, 65, 255, 257, 1000, INDICES };
	int n, repeat, repeats = test_emulated() ? 2 : 10;
	size_t s;

	for (n = 1; n <= 9; n++) {
		struct vgg_threads *t = threads(n);

		EXPECT_EQ(n, vgg_threads_count(t));
		for (repeat = 0; repeat < repeats; repeat++)
			for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
				vgg_parallel(t, sizes[s], see, &count);
				expect_each(&count, sizes[s], 1);
			}
		vgg_threads_free(t);
	}
}

/* Regions in close succession: a late worker must not take from the next. */
TEST(short_regions)
{
	struct vgg_threads *t = threads(3);
	int i, rounds = test_emulated() ? 200 : 2000;

	for (i = 0; i < rounds; i++) {
		size_t n = 2 + (size_t)i % 5;

		vgg_parallel(t, n, see, &count);
		expect_each(&count, n, 1);
	}
	vgg_threads_free(t);
}

struct meeting {
	atomic_int here;
	int wanted;
	atomic_int late;
};

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Waits until as many are inside as there are threads. */
static void meet(void *ctx, int worker, size_t i)
{
	struct meeting *m = ctx;
	double end = seconds() + 20;

	(void)worker;
	(void)i;
	atomic_fetch_add(&m->here, 1);
	while (atomic_load(&m->here) < m->wanted) {
		if (seconds() > end) {
			atomic_fetch_add(&m->late, 1);
			return;
		}
		usleep(100);
	}
}

TEST(all_threads_take_part)
{
	int n;

	for (n = 2; n <= 6; n += 2) {
		struct vgg_threads *t = threads(n);
		struct meeting m = { .wanted = n };

		vgg_parallel(t, (size_t)n, meet, &m);
		EXPECT_EQ(0, atomic_load(&m.late));
		vgg_threads_free(t);
	}
}

struct uneven {
	atomic_int others;
	int wanted;
	bool stuck;
};

/* The first index lasts until all others are done: whoever has it must not hold
 * any of them back. */
static void uneven_task(void *ctx, int worker, size_t i)
{
	struct uneven *u = ctx;
	double end = seconds() + 20;

	(void)worker;
	if (i) {
		atomic_fetch_add(&u->others, 1);
		return;
	}
	while (atomic_load(&u->others) < u->wanted) {
		if (seconds() > end) {
			u->stuck = true;
			return;
		}
		usleep(100);
	}
}

TEST(one_long_task_holds_up_no_other)
{
	struct vgg_threads *t = threads(2);
	int n;

	for (n = 2; n < 200; n += 13) {
		struct uneven u = { .wanted = n - 1 };

		vgg_parallel(t, (size_t)n, uneven_task, &u);
		EXPECT_FALSE(u.stuck);
	}
	vgg_threads_free(t);
}

#define WORKERS 4

struct shares {
	atomic_int busy[WORKERS], twice;
	int first[WORKERS], next[WORKERS]; /* of the own share */
	int taken[WORKERS];
	atomic_int jumps;
	struct meeting all;
};

/* The first of each worker waits for the others', so that none is late. */
static void share_task(void *ctx, int worker, size_t i)
{
	struct shares *s = ctx;

	if (worker < 0 || worker >= WORKERS ||
	    atomic_fetch_add(&s->busy[worker], 1)) {
		atomic_fetch_add(&s->twice, 1);
		return;
	}
	if (!s->taken[worker]++) {
		s->first[worker] = (int)i;
		meet(&s->all, worker, i);
	} else if ((int)i != s->next[worker]) {
		atomic_fetch_add(&s->jumps,
				 (int)i / 250 == s->first[worker] / 250);
	}
	s->next[worker] = (int)i + 1;
	atomic_fetch_sub(&s->busy[worker], 1);
}

/* Memory of a worker is used by one thread at a time and, where none is late,
 * by the same for the same indices. */
TEST(workers_begin_with_their_share)
{
	struct vgg_threads *t = threads(WORKERS);
	int i, repeat;

	for (repeat = 0; repeat < 10; repeat++) {
		struct shares s = { .all.wanted = WORKERS };

		vgg_parallel(t, 1000, share_task, &s);
		EXPECT_EQ(0, atomic_load(&s.all.late));
		EXPECT_EQ(0, atomic_load(&s.twice));
		for (i = 0; i < WORKERS; i++)
			EXPECT_EQ(250 * i, s.first[i]);
		EXPECT_EQ(0, atomic_load(&s.jumps));
	}
	vgg_threads_free(t);
}

static void nest(void *ctx, int worker, size_t i)
{
	struct count *c = ctx;

	(void)worker;
	(void)i;
	vgg_parallel(c->t, c->inner, see, c);
}

static void nest_twice(void *ctx, int worker, size_t i)
{
	struct count *c = ctx;

	(void)worker;
	(void)i;
	vgg_parallel(c->t, 3, nest, c);
}

TEST(nested)
{
	int n;

	for (n = 1; n <= 4; n++) {
		count.t = threads(n);
		count.inner = 100;
		vgg_parallel(count.t, 7, nest, &count);
		expect_each(&count, 100, 7);
		/* A region of one task is no region: it may be parallel. */
		vgg_parallel(count.t, 1, nest, &count);
		expect_each(&count, 100, 1);
		vgg_parallel(count.t, 5, nest_twice, &count);
		expect_each(&count, 100, 15);
		/* And what is outside again is parallel again. */
		struct meeting m = { .wanted = n };

		vgg_parallel(count.t, (size_t)n, meet, &m);
		EXPECT_EQ(0, atomic_load(&m.late));
		vgg_threads_free(count.t);
	}
}

static struct vgg_threads *pools[2];

static void cross_inner(void *ctx, int worker, size_t i)
{
	(void)worker;
	(void)i;
	atomic_fetch_add((atomic_int *)ctx, 1);
}

struct cross {
	struct vgg_threads *from, *to;
	atomic_int done;
};

static void cross_task(void *ctx, int worker, size_t i)
{
	struct cross *c = ctx;

	(void)worker;
	(void)i;
	vgg_parallel(c->to, 4, cross_inner, &c->done);
}

static void *cross_thread(void *ctx)
{
	struct cross *c = ctx;
	int i;

	for (i = 0; i < 100; i++)
		vgg_parallel(c->from, 4, cross_task, c);
	return NULL;
}

/* Two pools whose tasks use each other's. */
TEST(crossed_pools)
{
	struct cross c[2] = { 0 };
	pthread_t other;

	pools[0] = threads(2);
	pools[1] = threads(2);
	c[0].from = c[1].to = pools[0];
	c[1].from = c[0].to = pools[1];
	ASSERT_EQ(0, pthread_create(&other, NULL, cross_thread, &c[1]));
	cross_thread(&c[0]);
	pthread_join(other, NULL);
	EXPECT_EQ(1600, atomic_load(&c[0].done));
	EXPECT_EQ(1600, atomic_load(&c[1].done));
	vgg_threads_free(pools[0]);
	vgg_threads_free(pools[1]);
}

static void *turns_thread(void *ctx)
{
	struct count *c = ctx;
	int i;

	for (i = 0; i < 100; i++)
		vgg_parallel(c->t, 50, see, c);
	return NULL;
}

TEST(callers_take_turns)
{
	struct count *c = calloc(3, sizeof(*c));
	pthread_t caller[3];
	int i;

	ASSERT_TRUE(c != NULL);
	c[0].t = c[1].t = c[2].t = threads(2);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, pthread_create(&caller[i], NULL, turns_thread,
					    &c[i]));
	for (i = 0; i < 3; i++)
		pthread_join(caller[i], NULL);
	for (i = 0; i < 3; i++)
		expect_each(&c[i], 50, 100);
	vgg_threads_free(c[0].t);
	free(c);
}

/* Workers that don't come are not waited for. A forked child has none. */
TEST(needs_no_worker)
{
	struct vgg_threads *t = threads(4);
	int status = -1, i, wrong = 0;
	pid_t child;

	vgg_parallel(t, 100, see, &count);
	expect_each(&count, 100, 1);
	child = fork();
	ASSERT_TRUE(child >= 0);
	if (!child) {
		alarm(20);
		vgg_parallel(t, 1000, see, &count);
		for (i = 0; i < 1000; i++)
			wrong += atomic_load(&count.seen[i]) != 1;
		vgg_threads_free(t);
		_exit(wrong ? 1 : 0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	vgg_threads_free(t);
}

static atomic_int handled_by;

static void on_signal(int signal)
{
	(void)signal;
	atomic_store(&handled_by, (int)syscall(SYS_gettid));
}

/* What the application blocks stays blocked: no worker takes it instead. */
TEST(signals_are_the_applications)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct vgg_threads *t = threads(4);
	sigset_t usr1;

	ASSERT_EQ(0, sigaction(SIGUSR1, &act, NULL));
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	ASSERT_EQ(0, pthread_sigmask(SIG_BLOCK, &usr1, NULL));
	ASSERT_EQ(0, kill(getpid(), SIGUSR1));
	usleep(100000);
	EXPECT_EQ(0, atomic_load(&handled_by));
	ASSERT_EQ(0, pthread_sigmask(SIG_UNBLOCK, &usr1, NULL));
	EXPECT_EQ((int)syscall(SYS_gettid), atomic_load(&handled_by));
	vgg_threads_free(t);
}

struct roll {
	struct meeting m;
	pid_t id[8];
};

static void call_roll(void *ctx, int worker, size_t i)
{
	struct roll *r = ctx;

	r->id[i] = (pid_t)syscall(SYS_gettid);
	meet(&r->m, worker, i);
}

/* The ids of all threads; the caller's is one of them. */
static struct roll roll_of(struct vgg_threads *t)
{
	struct roll r = { .m.wanted = vgg_threads_count(t) };

	vgg_parallel(t, (size_t)r.m.wanted, call_roll, &r);
	EXPECT_EQ(0, atomic_load(&r.m.late));
	return r;
}

/* Threads of this process; an emulator has some of its own. */
static int alive(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *e;
	int n = 0;

	ASSERT_TRUE(dir != NULL);
	while ((e = readdir(dir)))
		n += isdigit((unsigned char)*e->d_name) != 0;
	closedir(dir);
	return n;
}

/* The mask as the kernel prints it, "ff" or "3,ffffffff"; cut to 64 CPUs. */
static uint64_t allowed_of(pid_t id)
{
	char path[64], line[4096], *digits;
	uint64_t mask = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", (int)id);
	f = fopen(path, "r");
	ASSERT_TRUE(f != NULL);
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, "Cpus_allowed:", 13))
			continue;
		for (digits = line + 13; *digits; digits++)
			if (isxdigit((unsigned char)*digits))
				mask = mask << 4 |
				       strtoul((char[]){ *digits, 0 }, NULL,
					       16);
	}
	fclose(f);
	ASSERT_NE(0u, mask);
	return mask;
}

static uint64_t low(const cpu_set_t *set)
{
	uint64_t mask = 0;
	int i;

	for (i = 0; i < 64; i++)
		mask |= (uint64_t) !!CPU_ISSET(i, set) << i;
	return mask;
}

/* No thread may use a CPU that isn't in set. */
static void expect_within(struct vgg_threads *t, const cpu_set_t *set)
{
	struct roll r = roll_of(t);
	int i, j;

	for (i = 0; i < vgg_threads_count(t); i++) {
		EXPECT_EQ(0u, allowed_of(r.id[i]) & ~low(set));
		for (j = 0; j < i; j++)
			EXPECT_NE(r.id[i], r.id[j]);
	}
}

TEST(masks_are_respected)
{
	cpu_set_t all, some, now;
	int cpu;

	ASSERT_EQ(0, sched_getaffinity(0, sizeof(all), &all));
	/* To each single CPU, after the CPUs have been read with more of them:
	 * as taskset would at run time. */
	EXPECT_EQ(CPU_COUNT(&all), vgg_cpus()->total);
	for (cpu = 0; cpu < 64; cpu++) {
		struct vgg_threads *t;

		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&some);
		CPU_SET(cpu, &some);
		ASSERT_EQ(0, sched_setaffinity(0, sizeof(some), &some));
		t = threads(0);
		EXPECT_EQ(1, vgg_threads_count(t));
		vgg_threads_free(t);
		t = threads(4);
		expect_within(t, &some);
		vgg_parallel(t, 100, see, &count);
		expect_each(&count, 100, 1);
		expect_within(t, &some);
		vgg_threads_free(t);
		ASSERT_EQ(0, sched_getaffinity(0, sizeof(now), &now));
		EXPECT_TRUE(CPU_EQUAL(&some, &now));
	}
}

/* A cluster's pool and whoever claims it stay there. */
TEST(clusters)
{
	cpu_set_t all, one, none;
	struct vgg_threads *t;
	int cpu;

	ASSERT_EQ(0, sched_getaffinity(0, sizeof(all), &all));
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		ASSERT_EQ(0, vgg_threads_create_on(&one, 0, &t));
		EXPECT_EQ(1, vgg_threads_count(t));
		vgg_threads_claim(t);
		EXPECT_EQ(low(&one), allowed_of((pid_t)syscall(SYS_gettid)));
		vgg_threads_unclaim(t);
		vgg_threads_free(t);
		ASSERT_EQ(0, sched_setaffinity(0, sizeof(all), &all));
	}
	ASSERT_EQ(0, vgg_threads_create_on(&all, 0, &t));
	EXPECT_EQ(CPU_COUNT(&all), vgg_threads_count(t));
	expect_within(t, &all);
	vgg_threads_free(t);
	CPU_ZERO(&none);
	EXPECT_EQ(-EAGAIN, vgg_threads_create_on(&none, 0, &t));
}

/* Nobody is let in between, and nobody is passed over. */
struct claims {
	struct vgg_threads *t;
	int inside, wrong, taken[4];
};

struct claimant {
	struct claims *all;
	int number;
};

static void *claim_often(void *arg)
{
	struct claimant *c = arg;
	int i;

	for (i = 0; i < 500; i++) {
		vgg_threads_claim(c->all->t);
		c->all->wrong += c->all->inside++ != 0;
		c->all->taken[c->number]++;
		sched_yield();
		c->all->inside--;
		vgg_threads_unclaim(c->all->t);
	}
	return NULL;
}

TEST(claims_exclude)
{
	struct claims all = { .t = threads(2) };
	struct claimant c[4];
	pthread_t thread[4];
	int i;

	for (i = 0; i < 4; i++) {
		c[i] = (struct claimant){ &all, i };
		ASSERT_EQ(0,
			  pthread_create(&thread[i], NULL, claim_often, &c[i]));
	}
	for (i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	EXPECT_EQ(0, all.wrong);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(500, all.taken[i]);
	vgg_threads_free(all.t);
}

/* A mask that the user sets later stays, also on this thread. */
TEST(later_masks_stay)
{
	cpu_set_t all, one, now;
	struct vgg_threads *t;
	struct roll r;
	int cpu, i;

	ASSERT_EQ(0, sched_getaffinity(0, sizeof(all), &all));
	t = threads(3);
	r = roll_of(t);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		for (i = 0; i < 3; i++)
			ASSERT_EQ(0, sched_setaffinity(r.id[i], sizeof(one),
						       &one));
		vgg_parallel(t, 100, see, &count);
		expect_each(&count, 100, 1);
		for (i = 0; i < 3; i++) {
			ASSERT_EQ(0, sched_getaffinity(r.id[i], sizeof(now),
						       &now));
			EXPECT_TRUE(CPU_EQUAL(&one, &now));
		}
	}
	vgg_threads_free(t);
}

static void set_mask(const cpu_set_t *mask)
{
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(*mask), mask));
}

static void expect_claimed(struct vgg_threads *t, const cpu_set_t *mask)
{
	vgg_threads_claim(t);
	EXPECT_EQ(low(mask), allowed_of((pid_t)syscall(SYS_gettid)));
	vgg_threads_unclaim(t);
}

/* Nor does a claim undo it; from pool to pool a thread goes on its own. */
TEST(later_masks_stay_when_a_pool_is_claimed)
{
	struct vgg_threads *pool[2];
	cpu_set_t all, one[2];
	int cpu, n = 0;

	ASSERT_EQ(0, sched_getaffinity(0, sizeof(all), &all));
	for (cpu = 0; cpu < 64 && n < 2; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one[n]);
		CPU_SET(cpu, &one[n++]);
	}
	if (n < 2 || CPU_COUNT(&all) > 64)
		SKIP("needs two CPUs, of the first 64");
	/* Claimed at once from where a pool was created. */
	for (n = 0; n < 2; n++)
		ASSERT_EQ(0, vgg_threads_create_on(&one[n], 0, &pool[n]));
	expect_claimed(pool[0], &one[0]);
	expect_claimed(pool[1], &one[1]);
	/* The user's. */
	set_mask(&one[0]);
	expect_claimed(pool[1], &one[0]);
	expect_claimed(pool[0], &one[0]);
	expect_claimed(pool[1], &one[0]);
	/* Given free, it goes on as before. */
	set_mask(&all);
	expect_claimed(pool[0], &one[0]);
	expect_claimed(pool[1], &one[1]);
	for (n = 0; n < 2; n++)
		vgg_threads_free(pool[n]);
}

TEST(counts)
{
	struct vgg_threads *t = NULL;
	int quota = vgg_cpus_quota();
	cpu_set_t all;
	int want;

	ASSERT_EQ(0, sched_getaffinity(0, sizeof(all), &all));
	want = CPU_COUNT(&all);
	if (quota && quota < want)
		want = quota;
	t = threads(0);
	EXPECT_EQ(want < 256 ? want : 256, vgg_threads_count(t));
	vgg_threads_free(t);
	vgg_threads_free(NULL);
	t = NULL;
	EXPECT_EQ(-EINVAL, vgg_threads_create(-1, &t));
	EXPECT_EQ(-EINVAL, vgg_threads_create(257, &t));
	EXPECT_STREQ("BAD_ARGUMENT", vgg_error_last()->name);
	EXPECT_TRUE(t == NULL);
}

/* Stacks so large that the address space has no room for as many. */
static void refuse_256(size_t stack)
{
	struct vgg_threads *t = NULL;
	pthread_attr_t attr;
	double end;
	int before;

	/* Sanitizers start threads of their own with our first. */
	vgg_threads_free(threads(2));
	before = alive();
	ASSERT_EQ(0, pthread_attr_init(&attr));
	ASSERT_EQ(0, pthread_attr_setstacksize(&attr, stack));
	ASSERT_EQ(0, pthread_setattr_default_np(&attr));
	EXPECT_EQ(-EAGAIN, vgg_threads_create(256, &t));
	EXPECT_STREQ("THREADS", vgg_error_last()->name);
	EXPECT_CONTAINS(vgg_error_last()->what, "256 threads");
	EXPECT_TRUE(t == NULL);
	/* Those that could be started are gone, a moment after they were joined,
	 * and a few are still fine. */
	for (end = seconds() + 20; alive() > before && seconds() < end;)
		usleep(1000);
	EXPECT_LE(alive(), before);
	ASSERT_EQ(0, pthread_attr_setstacksize(&attr, 1 << 20));
	ASSERT_EQ(0, pthread_setattr_default_np(&attr));
	t = threads(3);
	vgg_parallel(t, 100, see, &count);
	expect_each(&count, 100, 1);
	vgg_threads_free(t);
}

/* More than any address space has; an emulator would try for minutes whatever
 * fits. */
TEST(too_many_threads)
{
	refuse_256((size_t)1 << 48);
}

/* Some start, then one can't: 256 MiB each, within 2 GiB more than now. */
TEST(too_many_threads_half_way)
{
	unsigned long pages = 0;
	struct rlimit limit;
	FILE *f;

	if (test_emulated())
		SKIP("an emulator's memory has no limit of its own");
	f = fopen("/proc/self/statm", "r");
	ASSERT_TRUE(f && fscanf(f, "%lu", &pages) == 1);
	fclose(f);
	limit.rlim_cur = limit.rlim_max =
		pages * (rlim_t)sysconf(_SC_PAGESIZE) + ((rlim_t)2 << 30);
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &limit));
	refuse_256((size_t)256 << 20);
}

TEST_HARNESS_MAIN
