// SPDX-License-Identifier: MIT
/* See simd_client.h. */
#include "simd_client.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What never happens is waited for no longer: far longer than a busy machine
 * may take for what does. */
#define WAIT_MS 60000
#define ENTRIES 16u
#define ARGS_MAX 32

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

static int wait_ms(void)
{
	return test_emulated() ? 6 * WAIT_MS : WAIT_MS;
}

static void pause_ms(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

/*
 * The daemon.
 */
static void launch(struct daemon *d, const char *const *args)
{
	const char *exec = getenv("VGGCTL_EXEC"), *program = getenv("VGGSIMD");
	char copy[600], *words = copy, *word;
	const char *argv[ARGS_MAX];
	int n = 0, fd;

	if (!program)
		SKIP("VGGSIMD is not set; use tests/run");
	snprintf(copy, sizeof(copy), "%s", exec ? exec : "");
	while ((word = strsep(&words, " ")))
		if (*word)
			argv[n++] = word;
	argv[n++] = program;
	while (*args && n < ARGS_MAX - 1)
		argv[n++] = *args++;
	argv[n] = NULL;
	d->pid = fork();
	if (d->pid)
		return;
	/* A test that is killed leaves nobody behind. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = open(d->log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
	dup2(fd, 1);
	dup2(fd, 2);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

/* The tests of a program share a folder, each in a process of its own. */
static void name_files(struct daemon *d)
{
	static unsigned int count;

	if (!d->socket[0])
		snprintf(d->socket, sizeof(d->socket), "%s/s%d-%u",
			 test_tmpdir(), (int)getpid(), count);
	snprintf(d->log, sizeof(d->log), "%s/log%d-%u", test_tmpdir(),
		 (int)getpid(), count++);
}

void daemon_start(struct daemon *d, const char *const *args)
{
	const char *argv[ARGS_MAX] = { "--socket", d->socket };
	int n = 2;

	name_files(d);
	while (*args && n < ARGS_MAX - 1)
		argv[n++] = *args++;
	launch(d, argv);
	ASSERT_GT(d->pid, 0);
	ASSERT_TRUE(daemon_says(d, "ready socket="));
}

int daemon_run(struct daemon *d, const char *const *args)
{
	name_files(d);
	launch(d, args);
	return daemon_wait(d);
}

int daemon_wait(struct daemon *d)
{
	int64_t end = now_ms() + wait_ms();
	int status;

	while (waitpid(d->pid, &status, WNOHANG) != d->pid) {
		if (now_ms() > end) {
			test_fail(__FILE__, __LINE__, "the daemon hangs");
			kill(d->pid, SIGKILL);
			end = INT64_MAX;
		}
		pause_ms(2);
	}
	d->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
				   1000 + WTERMSIG(status);
}

int daemon_stop(struct daemon *d)
{
	kill(d->pid, SIGTERM);
	return daemon_wait(d);
}

bool daemon_alive(struct daemon *d)
{
	return waitpid(d->pid, NULL, WNOHANG) == 0;
}

const char *daemon_log(struct daemon *d)
{
	static char text[65536];
	FILE *f = fopen(d->log, "r");
	size_t n = 0;

	if (f) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	text[n] = 0;
	return text;
}

bool daemon_says(struct daemon *d, const char *text)
{
	int64_t end = now_ms() + wait_ms();

	while (!strstr(daemon_log(d), text)) {
		if (now_ms() > end)
			return false;
		pause_ms(2);
	}
	return true;
}

static const char *last_stats(struct daemon *d, const char *when)
{
	const char *at = daemon_log(d), *found = NULL;
	char head[40];

	snprintf(head, sizeof(head), "when=%s ", when);
	while ((at = strstr(at, head)))
		found = at++;
	/* A line that is being written has no end yet. */
	return found && strchr(found, '\n') ? found : NULL;
}

static int64_t value_of(const char *line, const char *key)
{
	char wanted[40];
	const char *at;

	if (!line) {
		test_fail(__FILE__, __LINE__, "no statistics");
		return -1;
	}
	snprintf(wanted, sizeof(wanted), " %s=", key);
	at = strstr(line, wanted);
	if (!at) {
		test_fail(__FILE__, __LINE__, "no %s in the statistics", key);
		return -1;
	}
	return strtoll(at + strlen(wanted), NULL, 10);
}

int64_t daemon_stat(struct daemon *d, const char *key)
{
	int64_t end = now_ms() + wait_ms();
	const char *line = last_stats(d, "signal");
	ptrdiff_t seen = line ? line - daemon_log(d) : -1;

	kill(d->pid, SIGUSR1);
	do {
		pause_ms(1);
		line = last_stats(d, "signal");
	} while ((!line || line - daemon_log(d) == seen) && now_ms() < end);
	return value_of(line, key);
}

int64_t daemon_last_stat(struct daemon *d, const char *key)
{
	int64_t end = now_ms() + wait_ms();

	while (!last_stats(d, "end") && now_ms() < end)
		pause_ms(2);
	return value_of(last_stats(d, "end"), key);
}

/*
 * Messages.
 */
void client_connect(struct client *c, struct daemon *d)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	unsigned int i;

	memset(c, 0, sizeof(*c));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", d->socket);
	c->memfd = c->intx = -1;
	for (i = 0; i < VGG_MSI_VECTORS; i++)
		c->msi[i] = -1;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ASSERT_EQ(connect(c->fd, (void *)&address, sizeof(address)), 0);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void client_close(struct client *c)
{
	unsigned int i;

	close_fd(c->fd);
	close_fd(c->memfd);
	close_fd(c->intx);
	for (i = 0; i < VGG_MSI_VECTORS; i++)
		close_fd(c->msi[i]);
	if (c->mem)
		munmap(c->mem, CLIENT_PAGES * CLIENT_PAGE);
	free(c->kept);
	memset(c, 0, sizeof(*c));
	c->fd = -1;
}

bool client_send_raw(struct client *c, const void *bytes, size_t len,
		     const int *fds, unsigned int fd_count)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(32 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)bytes, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (fd_count) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(&control.head), fds, fd_count * sizeof(int));
	}
	while (iov.iov_len) {
		n = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
		if (n <= 0) {
			c->lost = true;
			return false;
		}
		iov.iov_base = (uint8_t *)iov.iov_base + n;
		iov.iov_len -= (size_t)n;
		msg.msg_controllen = 0;
		msg.msg_control = NULL;
	}
	return true;
}

static bool receive(struct client *c, void *to, size_t len)
{
	uint8_t *at = to;
	struct pollfd p = { c->fd, POLLIN, 0 };
	ssize_t n;

	while (len) {
		n = poll(&p, 1, wait_ms()) > 0 ? recv(c->fd, at, len, 0) : -1;
		if (n <= 0) {
			c->lost = true;
			return false;
		}
		at += n;
		len -= (size_t)n;
	}
	return true;
}

/* A DMA message, as QEMU answers it: from the memory, or with an error. */
static void answer(struct client *c, const uint8_t *message)
{
	static uint8_t out[(1 << 20) + 4096];
	struct vfu_header head;
	struct vfu_dma_access a;
	size_t size = CLIENT_PAGES * CLIENT_PAGE;
	bool read, ok;

	memcpy(&head, message, sizeof(head));
	memcpy(&a, message + sizeof(head), sizeof(a));
	read = head.command == VFU_DMA_READ;
	ok = a.addr >= CLIENT_BUS && a.addr - CLIENT_BUS <= size &&
	     a.count <= size - (a.addr - CLIENT_BUS);
	head.flags = ok ? VFU_F_REPLY : VFU_F_REPLY | VFU_F_ERROR;
	head.error = ok ? 0 : EFAULT;
	head.size = (uint32_t)(sizeof(head) + (ok ? sizeof(a) : 0) +
			       (ok && read ? a.count : 0));
	if (ok && read)
		memcpy(out + sizeof(head) + sizeof(a),
		       c->mem + (a.addr - CLIENT_BUS), a.count);
	else if (ok)
		memcpy(c->mem + (a.addr - CLIENT_BUS),
		       message + sizeof(head) + sizeof(a), a.count);
	memcpy(out, &head, sizeof(head));
	memcpy(out + sizeof(head), &a, sizeof(a));
	(*(read ? &c->dma_reads : &c->dma_writes))++;
	client_send_raw(c, out, head.size, NULL, 0);
}

/* Reads one message; a DMA message is answered or kept, and false. */
static bool take_reply(struct client *c, uint8_t *message)
{
	struct vfu_header head;

	if (!receive(c, &head, sizeof(head)))
		return true;
	ASSERT_TRUE(head.size >= sizeof(head) && head.size <= 1 << 20);
	memcpy(message, &head, sizeof(head));
	if (!receive(c, message + sizeof(head), head.size - sizeof(head)))
		return true;
	if ((head.flags & VFU_F_TYPE) == VFU_F_REPLY)
		return true;
	if (!c->deaf) {
		answer(c, message);
		return false;
	}
	/* The card sends one at a time. */
	ASSERT_FALSE(c->kept);
	c->kept = malloc(head.size);
	memcpy(c->kept, message, head.size);
	return false;
}

void client_answer(struct client *c)
{
	if (c->kept)
		answer(c, c->kept);
	free(c->kept);
	c->kept = NULL;
}

int client_call(struct client *c, unsigned int command, const void *body,
		size_t len, const int *fds, unsigned int fd_count, void *reply,
		size_t *reply_len)
{
	static uint8_t buffer[(1 << 20) + 4096];
	struct vfu_header head = {
		.id = ++c->id,
		.command = (uint16_t)command,
		.size = (uint32_t)(sizeof(head) + len),
	};

	if (!c->deaf)
		client_answer(c);
	memcpy(buffer, &head, sizeof(head));
	if (len)
		memcpy(buffer + sizeof(head), body, len);
	if (!client_send_raw(c, buffer, head.size, fds, fd_count))
		return -1;
	while (!take_reply(c, buffer))
		;
	if (c->lost)
		return -1;
	memcpy(&head, buffer, sizeof(head));
	EXPECT_EQ(head.id, c->id);
	EXPECT_EQ(head.command, command);
	if (head.flags & VFU_F_ERROR)
		return (int)head.error;
	len = head.size - sizeof(head);
	if (reply) {
		ASSERT_LE(len, *reply_len);
		memcpy(reply, buffer + sizeof(head), len);
		*reply_len = len;
	}
	return 0;
}

bool client_serve(struct client *c, int fd, int ms)
{
	static uint8_t buffer[1 << 20];
	int64_t end = now_ms() + ms;
	struct pollfd p[2] = { { c->fd, POLLIN, 0 }, { fd, POLLIN, 0 } };

	do {
		int64_t left = end - now_ms();

		if (!c->deaf)
			client_answer(c);
		if (poll(p, 2, left > 0 ? (int)left : 0) <= 0)
			break;
		if (p[1].revents & POLLIN)
			return true;
		if (p[0].revents && take_reply(c, buffer)) {
			if (!c->lost)
				test_fail(__FILE__, __LINE__,
					  "a reply to nothing");
			return false;
		}
	} while (now_ms() < end);
	return false;
}

int client_version(struct client *c)
{
	static const char json[] =
		"{\"capabilities\":{\"max_msg_fds\":1,"
		"\"max_data_xfer_size\":1048576,\"migration\":{\"pgsize\":4096}"
		",\"write_multiple\":true}}";
	uint8_t body[sizeof(struct vfu_version) + sizeof(json)] = { 0 };
	char reply[sizeof(body)];
	size_t len = sizeof(reply);
	int err;

	memcpy(body + sizeof(struct vfu_version), json, sizeof(json));
	err = client_call(c, VFU_VERSION, body, sizeof(body), NULL, 0, reply,
			  &len);
	if (err)
		return err;
	EXPECT_EQ(reply[len - 1], 0);
	EXPECT_CONTAINS(reply + sizeof(struct vfu_version), "write_multiple");
	return 0;
}

int client_map(struct client *c, uint64_t addr, uint64_t size, uint64_t offset,
	       int fd)
{
	struct vfu_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFU_DMA_READABLE | VFU_DMA_WRITABLE,
		.offset = offset,
		.addr = addr,
		.size = size,
	};

	return client_call(c, VFU_DMA_MAP, &map, sizeof(map), &fd, fd >= 0,
			   NULL, NULL);
}

int client_unmap(struct client *c, uint64_t addr, uint64_t size)
{
	struct vfu_dma_unmap unmap = { sizeof(unmap), 0, addr, size };

	return client_call(c, VFU_DMA_UNMAP, &unmap, sizeof(unmap), NULL, 0,
			   NULL, NULL);
}

static uint32_t read_region(struct client *c, uint32_t region, uint32_t offset,
			    uint32_t len)
{
	struct vfu_region_access a = { offset, region, len };
	uint8_t reply[sizeof(a) + 4];
	size_t reply_len = sizeof(reply);
	uint32_t value = 0;
	int err = client_call(c, VFU_REGION_READ, &a, sizeof(a), NULL, 0, reply,
			      &reply_len);

	EXPECT_EQ(err, 0);
	memcpy(&value, reply + sizeof(a), len);
	return value;
}

static void write_region(struct client *c, uint32_t region, uint32_t offset,
			 uint32_t len, uint32_t value)
{
	struct vfu_region_access a = { offset, region, len };
	uint8_t body[sizeof(a) + 4];

	memcpy(body, &a, sizeof(a));
	memcpy(body + sizeof(a), &value, len);
	EXPECT_EQ(client_call(c, VFU_REGION_WRITE, body, sizeof(a) + len, NULL,
			      0, NULL, NULL),
		  0);
}

int64_t client_config(struct client *c, uint32_t offset, uint32_t len)
{
	return read_region(c, VFU_CONFIG, offset, len);
}

void client_set_config(struct client *c, uint32_t offset, uint32_t len,
		       uint32_t value)
{
	write_region(c, VFU_CONFIG, offset, len, value);
}

int64_t client_reg(struct client *c, uint32_t offset)
{
	return read_region(c, VFU_BAR0, offset, 4);
}

void client_set_reg(struct client *c, uint32_t offset, uint32_t value)
{
	write_region(c, VFU_BAR0, offset, 4, value);
}

bool client_reg_becomes(struct client *c, uint32_t offset, uint32_t mask,
			uint32_t value)
{
	int64_t end = now_ms() + wait_ms(), got;

	do {
		got = client_reg(c, offset);
		if (got >= 0 && ((uint32_t)got & mask) == value)
			return true;
		client_serve(c, -1, 1);
	} while (now_ms() < end && !c->lost);
	return false;
}

uint32_t client_capability(struct client *c, unsigned int id, bool extended)
{
	uint32_t at = extended ? 0x100 : (uint32_t)client_config(c, 0x34, 1);
	uint32_t head;
	int steps;

	for (steps = 0; at && steps < 64; steps++) {
		head = (uint32_t)client_config(c, at, 4);
		if ((extended ? head & 0xffff : head & 0xff) == id)
			return at;
		at = extended ? head >> 20 : head >> 8 & 0xff;
	}
	EXPECT_LT(steps, 64);
	return 0;
}

/*
 * Interrupts.
 */
int client_set_irqs(struct client *c, uint32_t flags, uint32_t index,
		    uint32_t start, uint32_t count, const int *fds)
{
	struct vfu_irq_set set = { sizeof(set), flags, index, start, count };

	return client_call(c, VFU_SET_IRQS, &set, sizeof(set), fds,
			   fds ? count : 0, NULL, NULL);
}

void client_use_intx(struct client *c)
{
	ASSERT_EQ(client_set_irqs(c, VFU_SET_EVENTFD | VFU_SET_TRIGGER,
				  VFU_INTX, 0, 1, &c->intx),
		  0);
}

/* In the order of QEMU: the register first, then the eventfds. */
void client_use_msi(struct client *c, int log2_vectors)
{
	uint32_t cap = client_capability(c, 0x05, false);
	uint32_t control = (uint32_t)client_config(c, cap + 2, 2);

	control = (control & 0xff8e) | (uint32_t)log2_vectors << 4 | 1;
	client_set_config(c, cap + 2, 2, control);
	ASSERT_EQ(client_set_irqs(c, VFU_SET_NONE | VFU_SET_TRIGGER, VFU_INTX,
				  0, 0, NULL),
		  0);
	ASSERT_EQ(client_set_irqs(c, VFU_SET_EVENTFD | VFU_SET_TRIGGER, VFU_MSI,
				  0, 1u << log2_vectors, c->msi),
		  0);
}

uint64_t client_event(struct client *c, int fd, int ms)
{
	uint64_t count = 0;

	if (!client_serve(c, fd, ms))
		return 0;
	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

/*
 * The driver.
 */
static uint64_t *slot(struct client *c, enum client_page page, uint64_t i)
{
	return (uint64_t *)(void *)(c->mem + page * CLIENT_PAGE) + i;
}

static void make_memory(struct client *c)
{
	uint64_t flags = VGG_PTE_VALID | VGG_PTE_LEAF | VGG_PTE_WRITE, i;
	size_t size = CLIENT_PAGES * CLIENT_PAGE;

	c->memfd = memfd_create("guest", MFD_CLOEXEC);
	ASSERT_EQ(ftruncate(c->memfd, (off_t)size), 0);
	c->mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, c->memfd,
		      0);
	ASSERT_TRUE(c->mem != MAP_FAILED);
	*slot(c, PAGE_ROOT, 0) =
		(CLIENT_BUS + PAGE_DIRECTORY * CLIENT_PAGE) | VGG_PTE_VALID;
	*slot(c, PAGE_DIRECTORY, 0) =
		(CLIENT_BUS + PAGE_TABLE * CLIENT_PAGE) | VGG_PTE_VALID;
	for (i = PAGE_STREAM; i < CLIENT_PAGES; i++)
		*slot(c, PAGE_TABLE, i) =
			(CLIENT_BUS + i * CLIENT_PAGE) | flags;
}

void client_open(struct client *c, struct daemon *d, bool by_file)
{
	int flags = EFD_NONBLOCK | EFD_CLOEXEC;
	unsigned int i;

	client_connect(c, d);
	ASSERT_EQ(client_version(c), 0);
	make_memory(c);
	c->intx = eventfd(0, flags);
	for (i = 0; i < VGG_MSI_VECTORS; i++)
		c->msi[i] = eventfd(0, flags);
	ASSERT_EQ(client_map(c, CLIENT_BUS, CLIENT_PAGES * CLIENT_PAGE, 0,
			     by_file ? c->memfd : -1),
		  0);
	client_set_config(c, 0x04, 2, 0x0006);
}

void client_enable(struct client *c)
{
	/* Behind a reset the firmware takes its time, and has no rings until
	 * then. */
	EXPECT_TRUE(client_reg_becomes(c, VGG_REG_STATUS, VGG_DEV_READY,
				       VGG_DEV_READY));
	memset(c->mem + PAGE_CQ * CLIENT_PAGE, 0, CLIENT_PAGE);
	client_set_reg(c, VGG_REG_SQ_BASE_LO,
		       (uint32_t)(CLIENT_BUS + PAGE_SQ * CLIENT_PAGE));
	client_set_reg(c, VGG_REG_SQ_BASE_HI, (uint32_t)(CLIENT_BUS >> 32));
	client_set_reg(c, VGG_REG_SQ_SIZE, 4);
	client_set_reg(c, VGG_REG_CQ_BASE_LO,
		       (uint32_t)(CLIENT_BUS + PAGE_CQ * CLIENT_PAGE));
	client_set_reg(c, VGG_REG_CQ_BASE_HI, (uint32_t)(CLIENT_BUS >> 32));
	client_set_reg(c, VGG_REG_CQ_SIZE, 4);
	client_set_reg(c, VGG_REG_IRQ_MASK, 0);
	client_set_reg(c, VGG_REG_CTRL, VGG_CTRL_ENABLE);
	c->tail = c->head = 0;
	c->phase = 1;
}

void client_stream(struct client *c, const void *command)
{
	struct vgg_hw_cmd_plain end = { .head.opcode = VGG_CMD_END };
	uint8_t *at = c->mem + PAGE_STREAM * CLIENT_PAGE;

	memcpy(at, command, VGG_CMD_SIZE);
	memcpy(at + VGG_CMD_SIZE, &end, VGG_CMD_SIZE);
}

void client_submit(struct client *c, uint32_t commands)
{
	struct vgg_hw_sqe *ring = (void *)(c->mem + PAGE_SQ * CLIENT_PAGE);

	ring[c->tail] = (struct vgg_hw_sqe){
		.seq = ++c->seq,
		.root = CLIENT_BUS + PAGE_ROOT * CLIENT_PAGE,
		.stream = PAGE_STREAM * CLIENT_PAGE,
		.stream_bytes = commands * VGG_CMD_SIZE,
	};
	c->tail = (c->tail + 1) % ENTRIES;
	client_set_reg(c, VGG_REG_DB_SQ_TAIL, c->tail);
}

static uint32_t last_word(struct client *c)
{
	struct vgg_hw_cqe *cqe = (void *)(c->mem + PAGE_CQ * CLIENT_PAGE);
	uint32_t *last = (void *)&cqe[c->head].status;

	return __atomic_load_n(last, __ATOMIC_ACQUIRE);
}

bool client_done(struct client *c)
{
	return last_word(c) >> 16 == c->phase;
}

int client_complete(struct client *c)
{
	int64_t end = now_ms() + wait_ms();
	struct vgg_hw_cqe *cqe = (void *)(c->mem + PAGE_CQ * CLIENT_PAGE);
	uint32_t word;

	while (!client_done(c)) {
		if (now_ms() > end || c->lost)
			return -1;
		client_serve(c, -1, 1);
	}
	word = last_word(c);
	EXPECT_EQ(cqe[c->head].seq, c->seq);
	c->head = (c->head + 1) % ENTRIES;
	c->phase ^= !c->head;
	client_set_reg(c, VGG_REG_DB_CQ_HEAD, c->head);
	return word & 0xffff;
}

int client_copy_job(struct client *c, uint8_t value)
{
	struct vgg_hw_cmd_copy copy =
		rig_copy(PAGE_DATA * CLIENT_PAGE, (PAGE_DATA + 1) * CLIENT_PAGE,
			 CLIENT_PAGE);
	uint8_t *data = c->mem + PAGE_DATA * CLIENT_PAGE;
	uint32_t i;
	int status;

	for (i = 0; i < CLIENT_PAGE; i++)
		data[i] = (uint8_t)(value + i * 7);
	memset(data + CLIENT_PAGE, 0, CLIENT_PAGE);
	client_stream(c, &copy);
	client_submit(c, 2);
	status = client_complete(c);
	if (!status)
		EXPECT_EQ(memcmp(data, data + CLIENT_PAGE, CLIENT_PAGE), 0);
	return status;
}

/* Makes 1 GiB of device addresses, at `gib`, out of one page. */
static void repeat_page(struct client *c, uint64_t gib, enum client_page page,
			enum client_page tables)
{
	uint64_t flags = VGG_PTE_VALID | VGG_PTE_LEAF | VGG_PTE_WRITE, i;

	for (i = 0; i < VGG_PT_ENTRIES; i++) {
		*slot(c, tables, i) = (CLIENT_BUS + page * CLIENT_PAGE) | flags;
		*slot(c, tables + 1, i) =
			(CLIENT_BUS + tables * CLIENT_PAGE) | VGG_PTE_VALID;
	}
	*slot(c, PAGE_ROOT, gib) =
		(CLIENT_BUS + (tables + 1) * CLIENT_PAGE) | VGG_PTE_VALID;
}

/* A page of commands that each write the same MiB, so that the card has its
 * pages at hand and looks nothing up; and a stream of 1024 such pages. */
void client_start_endless(struct client *c)
{
	struct vgg_hw_cmd_fill fill =
		rig_fill(UINT64_C(1) << 30, 1u << 20, 0xc3);
	struct vgg_hw_sqe *ring = (void *)(c->mem + PAGE_SQ * CLIENT_PAGE);
	int64_t end = now_ms() + wait_ms();
	uint32_t i;

	repeat_page(c, 1, PAGE_DATA, PAGE_DATA + 2);
	repeat_page(c, 2, PAGE_STREAM, PAGE_DATA + 4);
	for (i = 0; i < CLIENT_PAGE; i += VGG_CMD_SIZE)
		memcpy(c->mem + PAGE_STREAM * CLIENT_PAGE + i, &fill,
		       sizeof(fill));
	ring[c->tail] = (struct vgg_hw_sqe){
		.seq = ++c->seq,
		.root = CLIENT_BUS + PAGE_ROOT * CLIENT_PAGE,
		.stream = UINT64_C(2) << 30,
		.stream_bytes = VGG_STREAM_MAX,
	};
	c->tail = (c->tail + 1) % ENTRIES;
	client_set_reg(c, VGG_REG_DB_SQ_TAIL, c->tail);
	while (!(client_reg(c, VGG_REG_STATUS) & VGG_DEV_BUSY) &&
	       now_ms() < end)
		client_serve(c, -1, 1);
	/* into its first command */
	client_serve(c, -1, 20);
}
