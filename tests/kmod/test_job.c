// SPDX-License-Identifier: MIT
/* Jobs: what they do, how they end, in which order. */
#include "card.h"

#include <poll.h>
#include <unistd.h>

#define PAGE VGG_PAGE_SIZE

FIXTURE(job)
{
	int fd;
	struct bo a, b;
};

FIXTURE_SETUP(job)
{
	self->fd = card_open();
	self->a = bo_create(self->fd, 8 * PAGE, 0);
	self->b = bo_create(self->fd, 8 * PAGE, 0);
}

FIXTURE_TEARDOWN(job)
{
	close(self->fd);
}

TEST_F(job, known)
{
	run_known_job(self->fd);
}

TEST_F(job, result_tells_cycles_and_commands)
{
	struct stream s = stream_begin(self->fd);
	struct drm_vggaccel_result r;

	stream_fill(&s, self->a.address, PAGE, 9);
	stream_op(&s, VGG_CMD_FENCE);
	stream_end(&s);
	r = run(self->fd, &s);
	EXPECT_EQ(r.error, 0);
	EXPECT_EQ(r.index, 3u);
	EXPECT_GT(r.cycles, 0u);
	EXPECT_EQ(r.tag, 77u);
}

TEST_F(job, keep_their_order)
{
	struct stream s[16];
	uint64_t seq = 0;
	unsigned int i;

	for (i = 0; i < 16; i++) {
		s[i] = stream_begin(self->fd);
		stream_fill(&s[i], self->a.address, (uint32_t)self->a.bytes,
			    (uint8_t)(i + 1));
		stream_end(&s[i]);
	}
	for (i = 0; i < 16; i++) {
		uint64_t next = submit(self->fd, &s[i]);

		EXPECT_EQ(next, seq + 1);
		seq = next;
	}
	EXPECT_EQ(result_wait(self->fd, seq, SOON_MS).error, 0);
	EXPECT_TRUE(bo_is(&self->a, 16));
}
TEST_HARNESS_MAIN
