// SPDX-License-Identifier: MIT
/*
 * Many contexts, full queues: who gets in, who waits, and that everybody gets a
 * turn.
 */
#include "share.h"

#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u
#define CONTEXTS_MAX 64

/* Closing ends a context soon, not at once: jobs may have to be retired. */
static int open_patiently_(void)
{
	int64_t until = now_ms() + SOON_MS;
	int fd;

	while ((fd = card_open_()) == -EBUSY && now_ms() < until)
		usleep(1000);
	return fd;
}

/*
 * All contexts of the card at once.
 */
struct crowd {
	uint32_t opened, go, leave, done;
	uint32_t ids[CONTEXTS_MAX];
};

/* Not shared: each child has its copy. */
struct member {
	struct crowd *c;
	unsigned int me;
};

#define ROUNDS 2

static void count(uint32_t *word)
{
	__atomic_add_fetch(word, 1, __ATOMIC_ACQ_REL);
}

/* A pattern of its own for each context and round. */
static void work(int fd, unsigned int me)
{
	struct bo from = bo_create(fd, 2 * PAGE, 0);
	struct bo to = bo_create(fd, 2 * PAGE, 0);
	struct stream s = copier(fd, &from, &to);
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		uint8_t value = (uint8_t)(me * ROUNDS + i + 1);

		bo_fill(&from, value);
		EXPECT_EQ(run(fd, &s).error, 0);
		EXPECT_TRUE(bo_is(&to, value));
	}
}

static void one_of_many(void *arg)
{
	const struct member *m = arg;
	struct crowd *c = m->c;
	unsigned int me = m->me;
	int fd = open_patiently_();

	ASSERT_GE(fd, 0);
	c->ids[me] = card_info(fd).context;
	count(&c->opened);
	shared_wait(&c->go, 1);
	work(fd, me);
	count(&c->done);
	shared_wait(&c->leave, me + 1);
}

TEST_TIMEOUT(all_contexts_at_once, 30)
{
	struct crowd *c = shared_alloc(sizeof(*c));
	unsigned int n, i, j;
	pid_t pids[CONTEXTS_MAX];
	int fd = card_open();

	n = (card_info(fd).id[VGG_REG_CAP_LIMITS / 4] & 0xffff) - 1;
	ASSERT_GT(n, 1u);
	ASSERT_LT(n, CONTEXTS_MAX + 1u);
	close(fd);
	for (i = 0; i < n; i++) {
		struct member m = { c, i };

		pids[i] = child_start(one_of_many, &m);
	}
	shared_wait(&c->opened, n);
	for (i = 0; i < n; i++)
		for (j = 0; j < i; j++)
			ASSERT_NE(c->ids[i], c->ids[j]);
	EXPECT_EQ(card_open_(), -EBUSY);
	shared_set(&c->go, 1);
	shared_wait(&c->done, n);
	EXPECT_EQ(card_open_(), -EBUSY);
	/* One goes, and there is room for one. */
	shared_set(&c->leave, 1);
	child_end(pids[0]);
	fd = open_patiently_();
	ASSERT_GE(fd, 0);
	EXPECT_EQ(card_open_(), -EBUSY);
	run_known_job(fd);
	shared_set(&c->leave, n);
	for (i = 1; i < n; i++)
		child_end(pids[i]);
	close(fd);
}

/*
 * A file's queue.
 */
FIXTURE(queue)
{
	int fd;
	struct bo bo;
	struct stream s;
	uint32_t depth;
};

FIXTURE_SETUP(queue)
{
	self->fd = card_open();
	self->bo = bo_create(self->fd, PAGE, 0);
	self->s = filler(self->fd, &self->bo, 1);
	self->depth = card_info(self->fd).queue_depth;
}

FIXTURE_TEARDOWN(queue)
{
	run_known_job(self->fd);
	close(self->fd);
}

TEST_F(queue, full_says_again)
{
	struct drm_vggaccel_submit a = submit_args(&self->s);
	uint32_t n;
	int err = 0;

	a.flags = DRM_VGGACCEL_SUBMIT_NOWAIT;
	card_slow(1, SLOW_MS);
	for (n = 0; n < self->depth + 10; n++) {
		err = submit_(self->fd, &a);
		if (err)
			break;
	}
	EXPECT_EQ(err, -EAGAIN);
	EXPECT_EQ(n, self->depth);
	card_hurry();
	EXPECT_EQ(result_wait(self->fd, n, SOON_MS).error, 0);
	EXPECT_EQ(submit_(self->fd, &a), 0);
}

TEST_F(queue, full_waits)
{
	int64_t begin = now_ms();
	uint64_t seq = 0;
	uint32_t i;

	card_slow(1, 3000);
	for (i = 0; i < 3 * self->depth; i++) {
		seq = submit(self->fd, &self->s);
		if (i + 1 == self->depth)
			EXPECT_LT(now_ms() - begin, 2900);
	}
	EXPECT_GE(now_ms() - begin, 2900);
	EXPECT_EQ(seq, 3u * self->depth);
	EXPECT_EQ(result_wait(self->fd, seq, SOON_MS).error, 0);
}

/* A queue is a file's: another one isn't full. */
TEST_F(queue, full_is_nobody_elses_affair)
{
	struct drm_vggaccel_submit a = submit_args(&self->s);
	int other = card_open();
	struct bo bo = bo_create(other, PAGE, 0);
	struct stream s = filler(other, &bo, 1);
	struct drm_vggaccel_submit theirs = submit_args(&s);

	a.flags = theirs.flags = DRM_VGGACCEL_SUBMIT_NOWAIT;
	card_slow(1, SLOW_MS);
	while (!submit_(self->fd, &a))
		;
	EXPECT_EQ(submit_(other, &theirs), 0);
	card_hurry();
	EXPECT_EQ(result_wait(other, theirs.seq, SOON_MS).error, 0);
}

/* Closed with a full queue, of which the scheduler is taking jobs right then; the
 * scheduler forgets such a file entirely. */
TEST_F_TIMEOUT(queue, closed_while_full, 30)
{
	struct drm_vggaccel_submit a;
	unsigned int round, i;

	for (round = 0; round < 40; round++) {
		int fd = card_open();
		struct bo bo = bo_create(fd, PAGE, 0);
		struct stream s = filler(fd, &bo, 1);

		a = submit_args(&s);
		a.flags = DRM_VGGACCEL_SUBMIT_NOWAIT;
		for (i = 0; i < 70 + round % 58; i++)
			ASSERT_EQ(submit_(fd, &a), 0);
		usleep(round % 7 * 300);
		munmap(bo.map, bo.bytes);
		munmap(s.bo.map, s.bo.bytes);
		close(fd);
		submit(self->fd, &self->s);
	}
}

/*
 * Fairness: a hog keeps its queue full, others submit now and then. The card's
 * own time tells which jobs came first. Those of the hog that were submitted
 * after another one's job, and ran before it, have overtaken it; how fast the
 * two submit doesn't matter.
 */
#define HOG_JOBS 2048u
#define MODEST_JOBS 10u
#define JOB_BYTES (2u * VGG_CMD_SIZE)
#define PER_STREAM 256u

struct race {
	uint32_t ready, go, hog_done;
	uint32_t sent;	/* of the hog's jobs */
	uint32_t count; /* of the modest one's jobs */
	uint64_t hog[HOG_JOBS], modest[MODEST_JOBS];
	uint32_t before[MODEST_JOBS]; /* `sent` once that job was submitted */
};

/* Streams with a job for each of `n` times. */
static void stamp_streams(int fd, const struct bo *times, unsigned int n,
			  struct stream *s)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct stream *at = &s[i / PER_STREAM];

		if (i % PER_STREAM == 0)
			*at = stream_begin(fd);
		stream_timestamp(at, times->address + 8 * i);
		if (i % PER_STREAM == PER_STREAM - 1 || i == n - 1)
			stream_end(at);
		else
			stream_op(at, VGG_CMD_END);
	}
}

static uint64_t submit_stamp(int fd, const struct stream *s, unsigned int i)
{
	struct drm_vggaccel_submit a = submit_args(&s[i / PER_STREAM]);

	a.stream += i % PER_STREAM * JOB_BYTES;
	a.stream_bytes = JOB_BYTES;
	ASSERT_EQ(submit_(fd, &a), 0);
	return a.seq;
}

static void hog(void *arg)
{
	static struct stream s[HOG_JOBS / PER_STREAM];
	struct race *race = arg;
	int fd = card_open();
	struct bo times = bo_create(fd, 8 * HOG_JOBS, 0);
	uint64_t seq = 0;
	unsigned int i;

	stamp_streams(fd, &times, HOG_JOBS, s);
	count(&race->ready);
	shared_wait(&race->go, 1);
	for (i = 0; i < HOG_JOBS; i++) {
		/* If the other one's process had no time until now. */
		if (i == HOG_JOBS / 2)
			shared_wait(&race->count, 2);
		seq = submit_stamp(fd, s, i);
		count(&race->sent);
	}
	EXPECT_EQ(result_wait(fd, seq, SOON_MS).error, 0);
	shared_set(&race->hog_done, 1);
	bo_prep(&times, DRM_VGGACCEL_ACCESS_READ);
	for (i = 0; i < HOG_JOBS; i++)
		race->hog[i] = timestamp_at(&times, i);
}

static void modest(void *arg)
{
	static struct stream s[1];
	struct race *race = arg;
	int fd = card_open();
	struct bo times = bo_create(fd, 8 * MODEST_JOBS, 0);
	unsigned int i;

	stamp_streams(fd, &times, MODEST_JOBS, s);
	count(&race->ready);
	shared_wait(&race->go, 1);
	for (i = 0; i < MODEST_JOBS && !race->hog_done; i++) {
		uint64_t seq = submit_stamp(fd, s, i);

		race->before[i] =
			__atomic_load_n(&race->sent, __ATOMIC_ACQUIRE);
		EXPECT_EQ(result_wait(fd, seq, SOON_MS).error, 0);
		count(&race->count);
	}
	bo_prep(&times, DRM_VGGACCEL_ACCESS_READ);
	for (i = 0; i < race->count; i++)
		race->modest[i] = timestamp_at(&times, i);
}

/* How many of the hog's jobs overtook that one. */
static unsigned int overtaking(const struct race *race, unsigned int modest)
{
	unsigned int i, n = 0;

	for (i = race->before[modest]; i < HOG_JOBS; i++)
		n += race->hog[i] < race->modest[modest];
	return n;
}

TEST_TIMEOUT(hog_does_not_starve, 30)
{
	struct race *race = shared_alloc(sizeof(*race));
	int fd = card_open();
	pid_t a = child_start(hog, race), b = child_start(modest, race);
	unsigned int i, n, most = 0;
	uint32_t depth = card_info(fd).queue_depth;

	shared_wait(&race->ready, 2);
	shared_set(&race->go, 1);
	child_end(a);
	child_end(b);
	ASSERT_GT(race->count, 1u);
	for (i = 0; i < race->count; i++) {
		n = overtaking(race, i);
		most = n > most ? n : most;
	}
	TH_LOG("at most %u jobs of the hog overtook one of %u", most,
	       race->count);
	/* What came while it was on its way to the card. */
	EXPECT_LE(most, depth);
	run_known_job(fd);
}

/* Two that are equally greedy get about the same. */
struct contest {
	uint32_t *phase; /* behind it: jobs of both, how many are ready */
	uint32_t *jobs;	 /* this one's */
};

static void greedy(void *arg)
{
	const struct contest *c = arg;
	int fd = card_open();
	struct bo bo = bo_create(fd, PAGE, 0);
	struct stream s = filler(fd, &bo, 1);
	struct drm_vggaccel_info info = card_info(fd);
	const struct drm_vggaccel_result *results = results_map(fd);
	uint64_t seq = 0;

	count(c->phase + 3);
	shared_wait(c->phase, 1);
	while (__atomic_load_n(c->phase, __ATOMIC_ACQUIRE) == 1)
		seq = submit(fd, &s);
	/* The newest one that has ended. */
	while (seq && results[seq % info.result_entries].seq != seq)
		seq--;
	shared_set(c->jobs, (uint32_t)seq);
}

/* The first one's share of what both get in a second. */
static double contest(void)
{
	uint32_t *words = shared_alloc(4 * sizeof(*words));
	struct contest a = { words, words + 1 }, b = { words, words + 2 };
	pid_t first = child_start(greedy, &a), second = child_start(greedy, &b);

	shared_wait(words + 3, 2);
	shared_set(words, 1);
	usleep(1000000);
	shared_set(words, 2);
	child_end(first);
	child_end(second);
	TH_LOG("%u and %u jobs", words[1], words[2]);
	ASSERT_GT(words[1] + words[2], 20u);
	return (double)words[1] / (words[1] + words[2]);
}

/* One of two processes may have had no processor for a while, on a busy machine;
 * whom the driver prefers would win each time. */
TEST(equals_get_the_same)
{
	int fd = card_open(), i;
	double share = 0;

	for (i = 0; i < 10 && (share < 0.2 || share > 0.8); i++)
		share = contest();
	EXPECT_NEAR(share, 0.5, 0.3);
	run_known_job(fd);
}
TEST_HARNESS_MAIN
