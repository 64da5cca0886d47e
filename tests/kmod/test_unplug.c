// SPDX-License-Identifier: MIT
/*
 * The card goes away: unbound by an administrator, unplugged, or gone without a
 * word; with files, mappings, dma-bufs, fences and jobs of it held. Everything
 * ends with ENODEV, nothing hangs, and a card that comes back works.
 */
#include "host.h"
#include "share.h"

#include <limits.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <unistd.h>

#define DRIVER "/sys/bus/pci/drivers/vggaccel/"

static char slot[64]; /* the card's PCI address */

static void remember_slot(void)
{
	const char *path = card_sysfs("");
	char copy[PATH_MAX + 64];

	snprintf(copy, sizeof(copy), "%s", path);
	copy[strlen(copy) - 1] = 0;
	snprintf(slot, sizeof(slot), "%s", strrchr(copy, '/') + 1);
}

static bool kernel_said(const char *text)
{
	char *log = calloc(1, 1 << 20);
	bool yes;

	ASSERT_TRUE(log);
	klogctl(3, log, (1 << 20) - 1);
	yes = strstr(log, text);
	free(log);
	return yes;
}

static void host_ok(const char *request)
{
	char answer[512] = "";
	int err = host_ask(answer, sizeof(answer), "%s", request);

	if (err)
		TH_LOG("%s: %s", request, answer);
	ASSERT_EQ(err, 0);
}

/* A syncobj with the fence of a sync file, which is closed. */
static uint32_t syncobj_import(int fd, int file)
{
	struct drm_syncobj_handle a = {
		.handle = syncobj_create(fd),
		.flags = DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE,
		.fd = file,
	};

	ASSERT_EQ(card_ioctl_(fd, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, &a), 0);
	close(file);
	return a.handle;
}

static void wait_for_node(void)
{
	int64_t until = now_ms() + SOON_MS;
	int fd = -1;

	while (fd < 0 && now_ms() < until) {
		usleep(20000);
		fd = card_present() ? card_open_() : -1;
	}
	ASSERT_GE(fd, 0);
	close(fd);
}

struct held {
	int fd, dmabuf, file;
	struct bo bo, local;
	struct stream s;
	uint32_t syncobj;
	const struct drm_vggaccel_result *results;
	unsigned int entries;
	uint64_t seq;
};

/* One of everything. */
static struct held hold(void)
{
	struct held h = { .fd = card_open() };

	h.entries = card_info(h.fd).result_entries;
	h.results = results_map(h.fd);
	h.bo = bo_create(h.fd, 16 * VGG_PAGE_SIZE, 0);
	h.local = bo_create(h.fd, 16 * VGG_PAGE_SIZE, DRM_VGGACCEL_BO_LOCAL);
	bo_fill(&h.bo, 0x61);
	h.dmabuf = prime_export(&h.bo);
	h.s = stream_begin(h.fd);
	stream_copy(&h.s, h.bo.address, h.local.address, (uint32_t)h.bo.bytes);
	stream_end(&h.s);
	h.syncobj = syncobj_create(h.fd);
	h.seq = submit_out(h.fd, &h.s, h.syncobj);
	h.file = sync_file_of(h.fd, h.syncobj);
	return h;
}

static void expect_gone(struct held *h)
{
	struct drm_vggaccel_info info = { .size = sizeof(info) };
	struct drm_vggaccel_submit job = submit_args(&h->s);
	struct bo bo;
	int i;

	EXPECT_EQ(card_ioctl_(h->fd, DRM_IOCTL_VGGACCEL_INFO, &info), -ENODEV);
	EXPECT_EQ(submit_(h->fd, &job), -ENODEV);
	EXPECT_EQ(bo_create_(h->fd, 4096, 0, &bo), -ENODEV);
	EXPECT_EQ(bo_create_(h->fd, 4096, DRM_VGGACCEL_BO_LOCAL, &bo), -ENODEV);
	EXPECT_EQ(bo_prep_(&h->bo, DRM_VGGACCEL_ACCESS_READ, 100), -ENODEV);
	/* The fence has signalled, and the mapping is still ours. */
	for (i = 0; i < SOON_MS / 10 && !sync_file_status(h->file); i++)
		usleep(10000);
	EXPECT_NE(sync_file_status(h->file), 0);
	for (i = 0; i < (int)h->bo.bytes; i += VGG_PAGE_SIZE)
		EXPECT_EQ(h->bo.map[i], 0x61);
	h->bo.map[0] = 0x62;
	EXPECT_EQ(h->bo.map[0], 0x62);
	EXPECT_EQ(h->results[h->seq % h->entries].seq, h->seq);
}

/* The error of a job; INFO can't be asked any more. */
static int fence_soon(const struct held *h, uint64_t seq)
{
	const struct drm_vggaccel_result *r = &h->results[seq % h->entries];
	int i;

	for (i = 0; i < SOON_MS / 10 && r->seq != seq; i++)
		usleep(10000);
	return r->seq == seq ? r->error : -ETIME;
}

static void let_go(struct held *h, int order)
{
	int i;

	for (i = 0; i < 4; i++) {
		switch ((i + order) % 4) {
		case 0:
			close(h->fd);
			break;
		case 1:
			close(h->dmabuf);
			break;
		case 2:
			close(h->file);
			break;
		case 3:
			munmap(h->bo.map, h->bo.bytes);
			munmap(h->s.bo.map, h->s.bo.bytes);
			break;
		}
	}
}

static void run_once(void)
{
	int fd = card_open();

	run_known_job(fd);
	close(fd);
}

/* Faults 14, 15, 21: unbound with everything held, let go in every order. */
TEST_TIMEOUT(unbound_and_bound_again, 60)
{
	int order;

	remember_slot();
	for (order = 0; order < 4; order++) {
		struct held h = hold();

		/* one time the job has ended, one time it is under way */
		if (order % 2)
			result_wait(h.fd, h.seq, SOON_MS);
		ASSERT_EQ(file_write_(DRIVER "unbind", slot), 0);
		EXPECT_FALSE(card_present());
		expect_gone(&h);
		if (order > 1) {
			ASSERT_EQ(file_write_(DRIVER "bind", slot), 0);
			wait_for_node();
			run_once();
			let_go(&h, order);
		} else {
			let_go(&h, order);
			ASSERT_EQ(file_write_(DRIVER "bind", slot), 0);
			wait_for_node();
		}
		run_once();
	}
}

/* With a job that hangs, others behind it, and another file's job that waits for
 * its fence. */
TEST_TIMEOUT(unbound_with_a_hung_job, 60)
{
	struct drm_vggaccel_sync in = { 0 };
	struct drm_vggaccel_submit a;
	struct held h, waits;
	uint64_t seq[3];
	int i;

	remember_slot();
	h = hold();
	waits = hold();
	result_wait(h.fd, h.seq, SOON_MS);
	result_wait(waits.fd, waits.seq, SOON_MS);
	card_inject("HANG");
	for (i = 0; i < 3; i++)
		seq[i] = submit_out(h.fd, &h.s, h.syncobj);
	a = submit_args(&waits.s);
	in.handle = syncobj_import(waits.fd, sync_file_of(h.fd, h.syncobj));
	a.in_count = 1;
	a.in_syncs = (uintptr_t)&in;
	ASSERT_EQ(submit_(waits.fd, &a), 0);
	ASSERT_EQ(file_write_(DRIVER "unbind", slot), 0);
	for (i = 0; i < 3; i++) {
		const struct drm_vggaccel_result *r =
			&h.results[seq[i] % h.entries];

		EXPECT_EQ(r->seq, seq[i]);
		EXPECT_EQ(r->error, -ENODEV);
	}
	for (i = 0; i < SOON_MS / 10; i++) {
		if (waits.results[a.seq % waits.entries].seq == a.seq)
			break;
		usleep(10000);
	}
	EXPECT_EQ(waits.results[a.seq % waits.entries].error, -ENODEV);
	let_go(&h, 0);
	let_go(&waits, 1);
	ASSERT_EQ(file_write_(DRIVER "bind", slot), 0);
	wait_for_node();
	run_once();
}

static int module_count(void)
{
	char text[64];

	ASSERT_GT(file_read_("/sys/module/vggaccel/refcnt", text, sizeof(text)),
		  0);
	return atoi(text);
}

/* What was closed lets go soon, not at once. */
static void expect_module_count(int n)
{
	int64_t until = now_ms() + SOON_MS;

	while (module_count() > n && now_ms() < until)
		usleep(10000);
	/* It stays so. */
	usleep(200000);
	EXPECT_EQ(module_count(), n);
}

/* The driver stays with a card that is in use by nobody but an open file: the
 * module's count says so; unbinding is another matter. */
TEST(module_is_held_by_files_and_fences)
{
	int fd = card_open(), file;
	uint32_t syncobj = syncobj_create(fd);
	struct stream s = stream_begin(fd);

	stream_end(&s);
	submit_out(fd, &s, syncobj);
	file = sync_file_of(fd, syncobj);
	munmap(s.bo.map, s.bo.bytes);
	close(fd);
	expect_module_count(1);
	close(file);
	expect_module_count(0);
}

/* Unplugged as a person would: the slot is told, the guest lets go. */
TEST_TIMEOUT(unplugged_and_plugged_in_again, 120)
{
	int round;

	if (!host_present())
		SKIP("no host that could pull the card");
	for (round = 0; round < 2; round++) {
		struct held h = hold();

		result_wait(h.fd, h.seq, SOON_MS);
		host_ok("card remove");
		EXPECT_FALSE(card_present());
		expect_gone(&h);
		let_go(&h, round);
		host_ok("card add");
		wait_for_node();
		run_once();
	}
}

/* Fault 16: it is gone without a word. Reads give all ones from then on. */
TEST_TIMEOUT(gone_without_a_word, 120)
{
	struct drm_vggaccel_submit a;
	struct held h;
	int err;

	if (!host_present())
		SKIP("no host that could kill the card");
	h = hold();
	result_wait(h.fd, h.seq, SOON_MS);
	host_ok("card kill");
	/* It is found when something is asked of it: to wake up, or to work. */
	a = submit_args(&h.s);
	err = submit_(h.fd, &a);
	if (!err)
		err = fence_soon(&h, a.seq);
	EXPECT_EQ(err, -ENODEV);
	EXPECT_EQ(card_stat("gone"), 1);
	host_ok("card remove");
	expect_gone(&h);
	let_go(&h, 3);
	host_ok("card start");
	host_ok("card add");
	wait_for_node();
	run_once();
}

/* Fault 29: a card of another hardware version is refused, with the reason. */
TEST_TIMEOUT(another_hardware_version, 120)
{
	int i;

	if (!host_present())
		SKIP("no host that could change the card");
	card_node();
	host_ok("card remove");
	host_ok("card kill");
	host_ok("card start --inject HW_VERSION,count=1000");
	host_ok("card add");
	for (i = 0; i < SOON_MS / 50 && !kernel_said("hardware version 2.");
	     i++)
		usleep(50000);
	EXPECT_TRUE(kernel_said("hardware version 2."));
	/* Nor does it come up later. */
	usleep(200000);
	EXPECT_FALSE(card_present());
	host_ok("card remove");
	host_ok("card kill");
	host_ok("card start");
	host_ok("card add");
	wait_for_node();
	run_once();
}

TEST_HARNESS_MAIN
