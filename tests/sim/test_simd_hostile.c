// SPDX-License-Identifier: MIT
/*
 * vggsimd: clients that break off, lie about lengths or send noise. The daemon
 * drops them, says so, and serves the next one.
 */
#include "simd_client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

static void works(struct daemon *d)
{
	struct client c;

	ASSERT_TRUE(daemon_alive(d));
	client_open(&c, d, true);
	client_enable(&c);
	EXPECT_EQ(client_copy_job(&c, 3), VGG_STATUS_OK);
	client_close(&c);
}

/* The other end closes; what it sends until then is of no interest. */
static bool dropped(struct client *c)
{
	struct pollfd p = { c->fd, POLLIN, 0 };
	char buffer[4096];
	ssize_t n;

	do {
		if (poll(&p, 1, 60000) <= 0)
			return false;
		n = recv(c->fd, buffer, sizeof(buffer), 0);
	} while (n > 0);
	return true;
}

static void start(struct client *c, struct daemon *d, bool negotiated)
{
	client_connect(c, d);
	if (negotiated)
		ASSERT_EQ(client_version(c), 0);
}

struct mischief {
	struct vfu_header head;
	uint8_t body[64];
};

/* Sends `len` bytes of it on a new connection; whether that was the end. */
static bool ends(struct daemon *d, bool negotiated, const struct mischief *m,
		 size_t len)
{
	struct client c;
	bool yes;

	start(&c, d, negotiated);
	client_send_raw(&c, m, len, NULL, 0);
	yes = dropped(&c);
	client_close(&c);
	return yes;
}

TEST_TIMEOUT(malformed_headers, 120)
{
	struct mischief m = { { 1, VFU_GET_INFO, 16, 0, 0 }, { 0 } };
	struct daemon d = { 0 };

	DAEMON_START(&d, "--verbose");
	m.head.size = 15;
	EXPECT_TRUE(ends(&d, true, &m, 16));
	m.head.size = 0;
	EXPECT_TRUE(ends(&d, true, &m, 16));
	m.head.size = 0xffffffff;
	EXPECT_TRUE(ends(&d, true, &m, 16));
	m.head.size = 0x7fffffff;
	EXPECT_TRUE(ends(&d, true, &m, sizeof(m)));
	/* neither request nor reply; a reply to nothing */
	m.head.size = 32;
	m.head.flags = 2;
	EXPECT_TRUE(ends(&d, true, &m, 32));
	m.head.flags = VFU_F_REPLY;
	EXPECT_TRUE(ends(&d, true, &m, 32));
	/* before VERSION, and VERSION twice */
	m.head.flags = 0;
	EXPECT_TRUE(ends(&d, false, &m, 32));
	m.head.command = VFU_VERSION;
	EXPECT_TRUE(ends(&d, true, &m, 32));
	/* another version; JSON without an end; no transfer size at all */
	m.body[0] = 1;
	EXPECT_TRUE(ends(&d, false, &m, 32));
	m.body[0] = 0;
	memset(m.body + 4, 'x', sizeof(m.body) - 4);
	EXPECT_TRUE(ends(&d, false, &m, 32));
	snprintf((char *)m.body + 4, 40, "{\"max_data_xfer_size\":0}");
	m.head.size = 16 + 4 + 25;
	EXPECT_TRUE(ends(&d, false, &m, m.head.size));
	EXPECT_TRUE(daemon_says(&d, "dropped: malformed message"));
	works(&d);
	EXPECT_EQ(daemon_stop(&d), 0);
}

/* Of every command, every length up to more than it needs. Short ones end the
 * connection, none ends the daemon. */
TEST_TIMEOUT(every_command_short_and_long, 240)
{
	static const uint32_t need[] = {
		[VFU_DMA_MAP] = 32,	 [VFU_DMA_UNMAP] = 24,
		[VFU_GET_INFO] = 16,	 [VFU_GET_REGION_INFO] = 32,
		[VFU_GET_IRQ_INFO] = 16, [VFU_SET_IRQS] = 20,
		[VFU_REGION_READ] = 16,	 [VFU_REGION_WRITE] = 16,
		[VFU_WRITE_MULTI] = 8,
	};
	uint32_t step = test_emulated() ? 7 : 1, command, len;
	struct daemon d = { 0 };

	DAEMON_START(&d, "--verbose");
	for (command = 2; command < sizeof(need) / sizeof(need[0]); command++) {
		for (len = 0; len <= 40 && !test_state.failed; len += step) {
			struct mischief m = {
				{ 1, (uint16_t)command, 16 + len, 0, 0 }, { 0 }
			};
			uint8_t reply[16 + 64];
			struct client c;

			start(&c, &d, true);
			client_send_raw(&c, &m, 16 + len, NULL, 0);
			if (len < need[command]) {
				EXPECT_TRUE(dropped(&c));
			} else {
				EXPECT_GE(recv(c.fd, reply, sizeof(reply), 0),
					  16);
			}
			client_close(&c);
		}
	}
	works(&d);
	EXPECT_EQ(daemon_stop(&d), 0);
}

/* A message that stops in its middle: its sender has five seconds. */
TEST(torn_messages)
{
	struct mischief m = { { 1, VFU_GET_INFO, 32, 0, 0 }, { 0 } };
	struct daemon d = { 0 };
	struct client c;

	DAEMON_START(&d, "--verbose");
	start(&c, &d, true);
	client_send_raw(&c, &m, 20, NULL, 0);
	EXPECT_TRUE(dropped(&c));
	client_close(&c);
	/* and one whose sender leaves */
	start(&c, &d, true);
	client_send_raw(&c, &m, 9, NULL, 0);
	client_close(&c);
	works(&d);
	/* in pieces is no tear */
	start(&c, &d, true);
	client_send_raw(&c, &m, 7, NULL, 0);
	client_serve(&c, -1, 5);
	client_send_raw(&c, (uint8_t *)&m + 7, 25, NULL, 0);
	EXPECT_EQ(recv(c.fd, &m, sizeof(m), 0), 32);
	client_close(&c);
	EXPECT_EQ(daemon_stop(&d), 0);
}

/* Counts that don't fit the message, or lie beyond the device. */
TEST(lying_counts)
{
	struct daemon d = { 0 };
	struct vfu_region_access a = { 0, VFU_BAR0, 0x1000000 };
	struct mischief m = { { 1, VFU_REGION_WRITE, 16 + 20, 0, 0 }, { 0 } };
	struct vfu_multi multi = { UINT64_MAX / 24 + 2 };
	struct client c;

	DAEMON_START(&d, "--verbose");
	memcpy(m.body, &a, sizeof(a));
	EXPECT_TRUE(ends(&d, true, &m, 36));
	m.head.command = VFU_WRITE_MULTI;
	memcpy(m.body, &multi, sizeof(multi));
	EXPECT_TRUE(ends(&d, true, &m, 36));
	start(&c, &d, true);
	EXPECT_EQ(client_call(&c, VFU_REGION_READ, &a, sizeof(a), NULL, 0, NULL,
			      NULL),
		  EINVAL);
	a = (struct vfu_region_access){ 0, 6, 4 };
	EXPECT_EQ(client_call(&c, VFU_REGION_READ, &a, sizeof(a), NULL, 0, NULL,
			      NULL),
		  EINVAL);
	a = (struct vfu_region_access){ 4094, VFU_CONFIG, 4 };
	EXPECT_EQ(client_call(&c, VFU_REGION_READ, &a, sizeof(a), NULL, 0, NULL,
			      NULL),
		  EINVAL);
	EXPECT_EQ(client_call(&c, VFU_GET_REGION_IO_FDS, &a, sizeof(a), NULL, 0,
			      NULL, NULL),
		  ENOSYS);
	EXPECT_EQ(client_call(&c, 999, &a, sizeof(a), NULL, 0, NULL, NULL),
		  ENOSYS);
	client_close(&c);
	works(&d);
	EXPECT_EQ(daemon_stop(&d), 0);
}

TEST(irqs_and_descriptors)
{
	uint32_t set = VFU_SET_EVENTFD | VFU_SET_TRIGGER;
	uint32_t off = VFU_SET_NONE | VFU_SET_TRIGGER;
	int null = open("/dev/null", O_RDWR), pipes[2], fds[16], i, err;
	struct daemon d = { 0 };
	struct client c;

	ASSERT_EQ(pipe(pipes), 0);
	DAEMON_START(&d, "--verbose");
	client_open(&c, &d, true);
	/* only eventfds are written to */
	EXPECT_EQ(client_set_irqs(&c, set, VFU_INTX, 0, 1, &null), EINVAL);
	EXPECT_EQ(client_set_irqs(&c, set, VFU_INTX, 0, 1, &pipes[1]), EINVAL);
	EXPECT_EQ(client_set_irqs(&c, set, VFU_MSI, 3, 2, c.msi), EINVAL);
	EXPECT_EQ(client_set_irqs(&c, set, VFU_MSI, 0xffffffff, 2, c.msi),
		  EINVAL);
	EXPECT_EQ(client_set_irqs(&c, off, VFU_MSI, 1, 0xffffffff, NULL),
		  EINVAL);
	EXPECT_EQ(client_set_irqs(&c, off, 2, 0, 0, NULL), EINVAL);
	EXPECT_EQ(client_set_irqs(&c, off, 3, 0, 0, NULL), EINVAL);
	EXPECT_EQ(client_set_irqs(&c, 0, VFU_INTX, 0, 1, NULL), EINVAL);
	EXPECT_EQ(client_set_irqs(&c, 0x3f, VFU_INTX, 0, 1, NULL), EINVAL);
	EXPECT_EQ(client_set_irqs(&c, VFU_SET_BOOL | VFU_SET_TRIGGER, VFU_INTX,
				  0, 1, NULL),
		  EINVAL);
	/* loopback */
	EXPECT_EQ(client_set_irqs(&c, set, VFU_MSI, 0, 4, c.msi), 0);
	EXPECT_EQ(client_set_irqs(&c, off, VFU_MSI, 2, 1, NULL), 0);
	EXPECT_EQ(client_event(&c, c.msi[2], 30000), 1u);
	EXPECT_EQ(client_event(&c, c.msi[1], 0), 0u);
	/* more descriptors than any message needs; none of them stays */
	for (i = 0; i < 16; i++)
		fds[i] = c.msi[0];
	for (i = 0; i < 100; i++) {
		struct vfu_device_info info = { 0 };

		err = client_call(&c, VFU_GET_INFO, &info, sizeof(info), fds,
				  16, NULL, NULL);
		EXPECT_EQ(err, 0);
	}
	client_close(&c);
	works(&d);
	close(null);
	close(pipes[0]);
	close(pipes[1]);
	EXPECT_EQ(daemon_stop(&d), 0);
}

/* Answers to the card's own questions that are none. */
TEST_TIMEOUT(lying_answers, 120)
{
	struct vgg_hw_cmd_fill fill = rig_fill(PAGE_DATA * CLIENT_PAGE, 64, 1);
	struct daemon d = { 0 };
	int kind;

	DAEMON_START(&d, "--verbose");
	for (kind = 0; kind < 5; kind++) {
		struct mischief m = { { 0 }, { 0 } };
		struct vfu_dma_access a;
		struct client c;

		client_open(&c, &d, false);
		client_enable(&c);
		client_stream(&c, &fill);
		c.deaf = true;
		client_submit(&c, 2);
		while (!c.kept && !c.lost)
			client_serve(&c, -1, 5);
		memcpy(&m.head, c.kept, sizeof(m.head));
		memcpy(&a, c.kept + 16, sizeof(a));
		EXPECT_EQ(m.head.command, VFU_DMA_READ);
		EXPECT_EQ(a.count, sizeof(struct vgg_hw_sqe));
		m.head.flags = VFU_F_REPLY;
		m.head.size = 16 + 16 + 32; /* too little data */
		memcpy(m.body, &a, sizeof(a));
		m.head.command = kind == 1 ? VFU_DMA_WRITE : VFU_DMA_READ;
		m.head.id ^= kind == 2;
		if (kind == 3)
			m.head.size = 16;
		if (kind == 4) {
			/* a refusal is no lie: the card's ring is dead */
			m.head.flags |= VFU_F_ERROR;
			m.head.size = 16;
			client_send_raw(&c, &m, m.head.size, NULL, 0);
			c.deaf = false;
			free(c.kept);
			c.kept = NULL;
			EXPECT_TRUE(client_reg_becomes(&c, VGG_REG_ERR_CODE,
						       0xffffffff,
						       VGG_STATUS_RING));
		} else {
			client_send_raw(&c, &m, m.head.size, NULL, 0);
			EXPECT_TRUE(dropped(&c));
		}
		client_close(&c);
	}
	works(&d);
	EXPECT_EQ(daemon_stop(&d), 0);
}

/* Noise that gets past the first checks: plausible headers, numbers near the
 * limits, descriptors where none belong. */
static uint64_t odd_number(uint64_t *state)
{
	static const uint64_t some[] = {
		0,	    1,	      2,	  4,
		7,	    16,	      4095,	  4096,
		65532,	    65536,    0x1000,	  1u << 31,
		UINT32_MAX, 1u << 20, UINT64_MAX, UINT64_MAX - 4095,
	};
	uint64_t r = test_random(state);

	if (r % 4 == 0)
		return test_random(state);
	return some[r / 4 % (sizeof(some) / sizeof(some[0]))];
}

static bool send_noise(struct client *c, uint64_t *state)
{
	struct mischief m = { 0 };
	uint64_t number;
	size_t i, len = sizeof(m.body);
	unsigned int fd_count = 0;
	int fds[2] = { c->memfd, c->intx };

	m.head.id = (uint16_t)test_random(state);
	/* Mostly long enough, else it would end too soon. */
	if (test_random(state) % 30 == 0)
		len = (size_t)test_random_in(state, 0, (int64_t)len);
	m.head.command = (uint16_t)test_random_in(state, 2, 16);
	m.head.size = (uint32_t)(16 + len);
	if (test_random(state) % 100 == 0)
		m.head.size = (uint32_t)odd_number(state);
	m.head.flags = test_random(state) % 30 ? 0 : VFU_F_NO_REPLY;
	for (i = 0; i < sizeof(m.body); i += 4) {
		number = odd_number(state);
		memcpy(m.body + i, &number, 4);
	}
	if (test_random(state) % 4 == 0)
		fd_count = (unsigned int)test_random_in(state, 1, 2);
	return client_send_raw(c, &m, 16 + len, fds, fd_count);
}

static void drain(struct client *c)
{
	char buffer[65536];

	while (recv(c->fd, buffer, sizeof(buffer), MSG_DONTWAIT) > 0)
		;
}

TEST_TIMEOUT(noise, 240)
{
	int round, rounds = test_emulated() ? 30 : 200, i, sent = 0;
	uint64_t state = test_seed();
	struct daemon d = { 0 };
	struct client c;

	DAEMON_START(&d, "--inject", "NONE");
	for (round = 0; round < rounds && !test_state.failed; round++) {
		client_open(&c, &d, round % 2);
		client_enable(&c);
		for (i = 0; i < 300; i++) {
			if (!send_noise(&c, &state))
				break;
			sent++;
			drain(&c);
		}
		client_close(&c);
		ASSERT_TRUE(daemon_alive(&d));
	}
	/* It was not all over at once. */
	EXPECT_GT(sent, 20 * rounds);
	TH_LOG("%d messages", sent);
	works(&d);
	EXPECT_EQ(daemon_stop(&d), 0);
}

TEST_HARNESS_MAIN
