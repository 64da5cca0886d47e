// SPDX-License-Identifier: MIT
/* See fake_drm.h. One open file at a time. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xf86drm.h>

#include "device/backend.h"
#include "fake_drm.h"
#include "vgg_harness.h"

#define ENTRIES 256u
#define JOBS 4096u
#define HANDLES 4096u

struct fake_drm fake_drm;

struct fake_bo {
	struct vgg_buffer *card; /* the card's copy; NULL: unused */
	char *cpu;		 /* the file's pages */
	uint64_t bytes, offset;
};

static struct {
	struct vgg_backend *sim;
	struct drm_vggaccel_result *results;
	struct fake_bo bos[HANDLES]; /* handle h has entry h - 1 */
	uint64_t end;		     /* of the file */
	uint64_t tickets[JOBS];	     /* of the simulator, by number */
	uint64_t points[JOBS];
	uint64_t seq, ended, last_point;
	bool timeline;
} k;

static void mistake(const char *format, ...)
{
	va_list args;

	if (*fake_drm.mistake)
		return;
	va_start(args, format);
	vsnprintf(fake_drm.mistake, sizeof(fake_drm.mistake), format, args);
	va_end(args);
}

static int fail(int number)
{
	errno = number;
	return -1;
}

static int grow(int fd, uint64_t bytes, void **map)
{
	uint64_t at = k.end;

	k.end = (k.end + bytes + 4095) & ~4095ull;
	if (ftruncate(fd, (off_t)k.end))
		return fail(ENOMEM);
	*map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    (off_t)at);
	return *map == MAP_FAILED ? fail(ENOMEM) : 0;
}

static uint32_t entries(void)
{
	return fake_drm.entries ? fake_drm.entries : ENTRIES;
}

/* The first call on a new file makes its context. */
static int begin(int fd)
{
	struct vgg_device_options o = VGG_INIT(o);
	void *map;

	if (k.sim)
		return 0;
	o.timeout_ms = 60000;
	if (vgg_sim_backend_open(&o, &k.sim))
		return fail(ENODEV);
	k.end = 0;
	if (grow(fd, ENTRIES * sizeof(*k.results), &map))
		return -1;
	k.results = map;
	memset(map, 0, ENTRIES * sizeof(*k.results));
	return 0;
}

static void end_context(void)
{
	if (k.sim)
		k.sim->ops->close(k.sim);
	memset(&k, 0, sizeof(k));
}

static struct fake_bo *find_bo(uint32_t handle)
{
	if (!handle || handle > HANDLES || !k.bos[handle - 1].card)
		return NULL;
	return &k.bos[handle - 1];
}

/* A machine that says it is coherent is: at each job's begin and end. */
static void share_all(bool to_card)
{
	struct fake_bo *bo;

	if (!(fake_drm.features & DRM_VGGACCEL_FEATURE_COHERENT))
		return;
	for (bo = k.bos; bo < k.bos + HANDLES; bo++)
		if (bo->cpu && to_card)
			memcpy(bo->card->map, bo->cpu, bo->bytes);
		else if (bo->cpu)
			memcpy(bo->cpu, bo->card->map, bo->bytes);
}

/*
 * Jobs.
 */
static void end_job(uint64_t seq)
{
	struct vgg_completion c = VGG_INIT(c);
	struct drm_vggaccel_result *r = &k.results[seq % entries()];
	int err = k.sim->ops->wait(k.sim, k.tickets[seq % JOBS], 60000, &c);

	share_all(false);
	__atomic_store_n(&r->seq, 0, __ATOMIC_RELEASE);
	r->status = err ? (uint32_t)VGG_STATUS_ABORTED : c.status;
	r->error = err ? -ETIMEDOUT : c.status ? -EINVAL : 0;
	r->index = c.index;
	r->tag = c.tag;
	r->cycles = c.cycles;
	r->saturations = c.saturations;
	if (fake_drm.job_error) {
		r->error = -fake_drm.job_error;
		r->status = fake_drm.job_status;
	}
	__atomic_store_n(&r->seq, seq, __ATOMIC_RELEASE);
	k.ended = seq;
}

static int do_submit(struct drm_vggaccel_submit *s)
{
	struct drm_vggaccel_sync *out = (void *)(uintptr_t)s->out_syncs;
	struct vgg_job job = VGG_INIT(job);

	fake_drm.submits++;
	if (s->size != sizeof(*s) || s->flags || s->in_count || s->bo_count)
		mistake("SUBMIT: fields that should be 0");
	if (s->out_count != 1 || out->reserved || out->handle != 1 ||
	    out->point <= k.last_point)
		mistake("SUBMIT: out-fence with point %llu",
			(unsigned long long)out->point);
	if (fake_drm.refuse_submit || fake_drm.gone)
		return fail(fake_drm.gone ? ENODEV : fake_drm.refuse_submit);
	job.stream = s->stream;
	job.stream_bytes = s->stream_bytes;
	job.timeout_us = s->timeout_us;
	job.tag = s->tag;
	share_all(true);
	k.seq++;
	if (k.sim->ops->submit(k.sim, &job, 60000, &k.tickets[k.seq % JOBS]))
		return fail(EIO);
	k.last_point = k.points[k.seq % JOBS] = out->point;
	s->seq = k.seq;
	return 0;
}

int drmSyncobjCreate(int fd, uint32_t flags, uint32_t *handle)
{
	(void)fd;
	if (flags || k.timeline)
		mistake("a second syncobj, or flags");
	k.timeline = true;
	*handle = 1;
	return 0;
}

int drmSyncobjDestroy(int fd, uint32_t handle)
{
	(void)fd;
	if (handle != 1 || !k.timeline)
		mistake("no such syncobj");
	k.timeline = false;
	return 0;
}

int drmSyncobjTimelineWait(int fd, uint32_t *handles, uint64_t *points,
			   unsigned int n, int64_t until, unsigned int flags,
			   uint32_t *first)
{
	struct timespec now;

	(void)fd;
	(void)first;
	fake_drm.waits++;
	if (n != 1 || handles[0] != 1 || flags || points[0] > k.last_point)
		mistake("waiting for no point of the timeline");
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (until < now.tv_sec * 1000000000ll)
		return -ETIME;
	if (fake_drm.mute) {
		usleep(10000);
		return -ETIME;
	}
	while (k.ended < k.seq && k.points[(k.ended + 1) % JOBS] <= points[0])
		end_job(k.ended + 1);
	return 0;
}

/*
 * Buffers.
 */
static int do_create(int fd, struct drm_vggaccel_bo_create *c)
{
	bool local = c->flags & DRM_VGGACCEL_BO_LOCAL;
	struct fake_bo *bo = k.bos;
	void *map = NULL;
	int err;

	if (c->size != sizeof(*c) || c->reserved ||
	    c->flags & ~DRM_VGGACCEL_BO_LOCAL)
		mistake("BO_CREATE: fields that should be 0");
	while (bo->card)
		bo++;
	err = k.sim->ops->buffer_create(
		k.sim, c->bytes, local ? VGG_BUFFER_LOCAL : VGG_BUFFER_HOST,
		&bo->card);
	if (err)
		return fail(-err);
	bo->card->place = local ? VGG_BUFFER_LOCAL : VGG_BUFFER_HOST;
	bo->bytes = c->bytes = (c->bytes + 4095) & ~4095ull;
	bo->offset = k.end;
	if (!local && grow(fd, bo->bytes, &map))
		return -1;
	bo->cpu = map;
	c->handle = (uint32_t)(bo - k.bos) + 1;
	c->address = bo->card->address;
	c->mmap_offset = local ? 0 : bo->offset;
	fake_drm.buffers++;
	return 0;
}

int drmCloseBufferHandle(int fd, uint32_t handle)
{
	struct fake_bo *bo = find_bo(handle);

	(void)fd;
	if (!bo) {
		mistake("GEM_CLOSE of no buffer");
		return fail(EINVAL);
	}
	if (bo->cpu)
		munmap(bo->cpu, bo->bytes);
	k.sim->ops->buffer_destroy(k.sim, bo->card);
	*bo = (struct fake_bo){ NULL };
	fake_drm.buffers--;
	return 0;
}

static int do_sync(uint32_t handle, uint32_t access, uint64_t offset,
		   uint64_t bytes, uint32_t direction)
{
	struct fake_bo *bo = find_bo(handle);

	if (!bo || !bo->cpu || !access || access > 3 || offset > bo->bytes ||
	    bytes > bo->bytes - offset) {
		mistake("PREP or FINI of what is not there");
		return fail(EINVAL);
	}
	if (!bytes)
		bytes = bo->bytes - offset;
	if (!(access & direction))
		return 0;
	if (direction == DRM_VGGACCEL_ACCESS_READ)
		memcpy(bo->cpu + offset, (char *)bo->card->map + offset, bytes);
	else
		memcpy((char *)bo->card->map + offset, bo->cpu + offset, bytes);
	return 0;
}

/*
 * The card.
 */
static int do_info(struct drm_vggaccel_info *i)
{
	struct drm_vggaccel_info all = { .size = i->size };
	struct vgg_device_info sim = { .size = sizeof(sim) };
	size_t bytes = fake_drm.info_bytes ? fake_drm.info_bytes : sizeof(all);

	if (i->size != sizeof(*i))
		mistake("INFO: a size of %u", i->size);
	if (fake_drm.info_error)
		return fail(fake_drm.info_error);
	k.sim->ops->info(k.sim, &sim);
	all.features = DRM_VGGACCEL_FEATURE_LOCAL |
		       DRM_VGGACCEL_FEATURE_SIMULATED | fake_drm.features;
	all.local_bytes = (uint64_t)sim.local_mib << 20;
	all.local_free = sim.local_free;
	all.jobs = fake_drm.mute ? 0 : sim.jobs;
	all.cycles = sim.cycles;
	all.temperature = sim.temperature;
	all.irq_mode = DRM_VGGACCEL_IRQ_INTX;
	all.queue_depth = 32;
	all.result_entries = entries();
	all.id[0] = VGG_REG_MAGIC_VALUE;
	all.id[1] = sim.hw_version;
	all.id[2] = sim.fw_abi;
	all.id[4] = sim.mac_cols << 16 | sim.mac_rows;
	all.id[5] = sim.clock_khz;
	all.id[6] = sim.local_mib;
	all.id[8] = sim.onchip_kib;
	all.id[11] = sim.contexts;
	memcpy(i, &all, bytes < i->size ? bytes : i->size);
	return 0;
}

static int do_set(const struct drm_vggaccel_set *s)
{
	fake_drm.sets++;
	if (s->size != sizeof(*s) || s->param != DRM_VGGACCEL_SET_TIMEOUT_MS)
		mistake("SET: parameter %u", s->param);
	if (!s->value ||
	    s->value > (fake_drm.most_ms ? fake_drm.most_ms : 600000))
		return fail(EINVAL);
	fake_drm.timeout_ms = s->value;
	return 0;
}

int drmIoctl(int fd, unsigned long request, void *arg)
{
	struct drm_vggaccel_bo_prep *p = arg;
	struct drm_vggaccel_bo_fini *f = arg;

	if (begin(fd))
		return -1;
	switch (request) {
	case DRM_IOCTL_VGGACCEL_INFO:
		return do_info(arg);
	case DRM_IOCTL_VGGACCEL_SET:
		return do_set(arg);
	case DRM_IOCTL_VGGACCEL_BO_CREATE:
		return do_create(fd, arg);
	case DRM_IOCTL_VGGACCEL_SUBMIT:
		return do_submit(arg);
	case DRM_IOCTL_VGGACCEL_BO_PREP:
		fake_drm.preps++;
		if (p->size != sizeof(*p) || p->reserved)
			mistake("PREP: size %u", p->size);
		return do_sync(p->handle, p->access, p->offset, p->bytes,
			       DRM_VGGACCEL_ACCESS_READ);
	case DRM_IOCTL_VGGACCEL_BO_FINI:
		fake_drm.finis++;
		if (f->size != sizeof(*f) || f->reserved)
			mistake("FINI: size %u", f->size);
		return do_sync(f->handle, f->access, f->offset, f->bytes,
			       DRM_VGGACCEL_ACCESS_WRITE);
	default:
		mistake("ioctl %lx", request);
		return fail(ENOTTY);
	}
}

drmVersionPtr drmGetVersion(int fd)
{
	static const char name[] = DRM_VGGACCEL_NAME;
	drmVersionPtr v;
	struct stat st;

	/* Nodes here are files that their maker has left empty or filled. */
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return NULL;
	/* The library asks this first of a file it has opened. */
	end_context();
	v = calloc(1, sizeof(*v));
	v->version_major = 1;
	v->version_minor = 2;
	v->name = strdup(fake_drm.driver ? fake_drm.driver : name);
	v->name_len = (int)strlen(v->name);
	return v;
}

void drmFreeVersion(drmVersionPtr v)
{
	free(v->name);
	free(v);
}

/*
 * The machine: tests share their folder, so each has one in it.
 */
static char machine[400];

static const char *below(const char *format, ...)
{
	static char paths[4][512];
	static unsigned int turn;
	char *path = paths[turn++ % 4], *at = path;
	va_list args;

	at += snprintf(path, sizeof(paths[0]), "%s/", machine);
	va_start(args, format);
	vsnprintf(at, sizeof(paths[0]) - (size_t)(at - path), format, args);
	va_end(args);
	/* All folders on the way. */
	for (at = path + strlen(machine) + 1; (at = strchr(at, '/')); at++) {
		*at = 0;
		mkdir(path, 0777);
		*at = '/';
	}
	return path;
}

static void put_text(const char *path, const char *text)
{
	FILE *to = fopen(path, "w");

	if (!to || fputs(text, to) < 0 || fclose(to))
		abort();
}

const char *fake_machine(void)
{
	static unsigned int turn;

	end_context();
	memset(&fake_drm, 0, sizeof(fake_drm));
	snprintf(machine, sizeof(machine), "%s/machine-%d-%u", test_tmpdir(),
		 (int)getpid(), turn++);
	mkdir(machine, 0777);
	return machine;
}

void fake_pci(const char *bus, unsigned int vendor, unsigned int device,
	      const char *driver)
{
	char text[64];

	snprintf(text, sizeof(text), "0x%04x\n", vendor);
	put_text(below("sys/bus/pci/devices/%s/vendor", bus), text);
	snprintf(text, sizeof(text), "0x%04x\n", device);
	put_text(below("sys/bus/pci/devices/%s/device", bus), text);
	if (!driver)
		return;
	snprintf(text, sizeof(text), "../../drivers/%s", driver);
	if (symlink(text, below("sys/bus/pci/devices/%s/driver", bus)))
		abort();
}

void fake_node(const char *class_, const char *name, const char *bus,
	       const char *driver)
{
	const char *folder = strcmp(class_, "drm") ? class_ : "dri";
	char text[128];

	fake_pci(bus, VGG_PCI_VENDOR_ID, VGG_PCI_DEVICE_ID, driver);
	snprintf(text, sizeof(text), "MAJOR=261\nMINOR=0\nDEVNAME=%s/%s\n",
		 folder, name);
	put_text(below("sys/class/%s/%s/uevent", class_, name), text);
	snprintf(text, sizeof(text), "../../../bus/pci/devices/%s", bus);
	if (symlink(text, below("sys/class/%s/%s/device", class_, name)))
		abort();
	put_text(below("dev/%s/%s", folder, name), "");
}
