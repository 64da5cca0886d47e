// SPDX-License-Identifier: MIT
/*
 * See hdf5_child.h. The child answers once with a struct head and the list, then
 * for a byte from here with the data, tensor by tensor. It is the same program,
 * but its memory may be damaged: what it says is checked.
 *
 * A fork of a process with threads has only the one that called it; memory and
 * the loader of shared objects work in it all the same, as the C library sees to
 * it. It touches nothing else of its parent's, and ends by _exit().
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model/hdf5_child.h"
#include "util/error.h"

#define PLUGIN_PATH "vggaccel/" VGG_HDF5_PLUGIN
/* Damage may also let libhdf5 run in circles. */
#define LIST_SECONDS 20
#define DATA_SECONDS 600
#define AGAIN "get the file again, or save the weights again"

/* A child's answers. */

struct head {
	int32_t err; /* -ENOENT: there is no reader */
	uint32_t config_bytes;
	uint64_t count;
	char error[sizeof(((struct vgg_hdf5_weights *)0)->error)];
};

/* Its names follow. */
struct item {
	int32_t layer, rank;
	int64_t shape[VGG_HDF5_RANK_MAX];
	uint32_t layer_name_bytes, name_bytes;
};

static bool give(int socket, const void *data, size_t bytes)
{
	const char *at = data;
	ssize_t n;

	for (; bytes; bytes -= (size_t)n, at += n) {
		n = send(socket, at, bytes, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR)
			return false;
		n = n < 0 ? 0 : n;
	}
	return true;
}

static bool take(int socket, void *data, size_t bytes)
{
	char *at = data;
	ssize_t n;

	for (; bytes; bytes -= (size_t)n, at += n) {
		n = recv(socket, at, bytes, MSG_WAITALL);
		if (!n || (n < 0 && errno != EINTR))
			return false;
		n = n < 0 ? 0 : n;
	}
	return true;
}

/* The child. */

struct plugin {
	int (*list)(const char *path, struct vgg_hdf5_weights *w);
	int (*read)(struct vgg_hdf5_weights *w, size_t i, float *data);
};

/* The folder that holds importers: VGG_PLUGINS, or "vggaccel" beside this
 * library. */
static int find_plugin(char *path, size_t size)
{
	const char *folder = secure_getenv("VGG_PLUGINS"), *slash;
	Dl_info self;
	int n;

	if (folder) {
		n = snprintf(path, size, "%s/" VGG_HDF5_PLUGIN, folder);
		return n > 0 && (size_t)n < size ? 0 : -ENOENT;
	}
	if (!dladdr((void *)(uintptr_t)vgg_hdf5_open, &self) || !self.dli_fname)
		return -ENOENT;
	slash = strrchr(self.dli_fname, '/');
	if (!slash) /* a search path would find another one */
		return -ENOENT;
	n = snprintf(path, size, "%.*s/" PLUGIN_PATH,
		     (int)(slash - self.dli_fname), self.dli_fname);
	return n > 0 && (size_t)n < size ? 0 : -ENOENT;
}

static int load_plugin(struct plugin *plugin, char *why, size_t size)
{
	char path[4096];
	const int *abi;
	void *object;

	snprintf(why, size, "%s", VGG_HDF5_PLUGIN);
	if (find_plugin(path, sizeof(path)))
		return -ENOENT;
	object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!object) {
		snprintf(why, size, "%s", dlerror());
		return -ENOENT;
	}
	abi = dlsym(object, VGG_HDF5_ABI_NAME);
	*(void **)&plugin->list = dlsym(object, VGG_HDF5_LIST_NAME);
	*(void **)&plugin->read = dlsym(object, VGG_HDF5_READ_NAME);
	if (abi && *abi == VGG_HDF5_ABI && plugin->list && plugin->read)
		return 0;
	snprintf(why, size, "it is of another version");
	return -ENOENT;
}

static size_t count_of(const struct vgg_hdf5_tensor *t)
{
	size_t n = 1;

	for (int i = 0; i < t->rank; i++)
		n *= (size_t)t->shape[i];
	return n;
}

static bool give_item(int socket, const struct vgg_hdf5_tensor *t)
{
	struct item item = {
		.layer = t->layer,
		.rank = t->rank,
		.layer_name_bytes = (uint32_t)strlen(t->layer_name),
		.name_bytes = (uint32_t)strlen(t->name),
	};

	memcpy(item.shape, t->shape, sizeof(item.shape));
	return give(socket, &item, sizeof(item)) &&
	       give(socket, t->layer_name, item.layer_name_bytes) &&
	       give(socket, t->name, item.name_bytes);
}

static bool give_list(int socket, const struct vgg_hdf5_weights *w, int err)
{
	struct head head = { .err = err, .count = err ? 0 : w->count };

	memcpy(head.error, w->error, sizeof(head.error));
	if (!err && w->config)
		head.config_bytes = (uint32_t)strlen(w->config);
	if (!give(socket, &head, sizeof(head)) ||
	    !give(socket, w->config, head.config_bytes))
		return false;
	for (size_t i = 0; i < head.count; i++)
		if (!give_item(socket, &w->tensors[i]))
			return false;
	return !err;
}

static bool give_data(int socket, const struct plugin *plugin,
		      struct vgg_hdf5_weights *w, size_t i)
{
	size_t n = count_of(&w->tensors[i]);
	float *data = malloc(n * sizeof(*data));
	struct head head = { .err = data ? plugin->read(w, i, data) : -ENOMEM };
	bool given;

	memcpy(head.error, w->error, sizeof(head.error));
	given = give(socket, &head, sizeof(head)) && !head.err &&
		give(socket, data, n * sizeof(*data));
	free(data);
	return given;
}

static void limit_time(rlim_t seconds)
{
	const struct rlimit cpu = { seconds, DATA_SECONDS };

	setrlimit(RLIMIT_CPU, &cpu);
}

/* Nothing of the parent's: neither its open files nor its handlers of signals. A
 * crash leaves no core and says nothing. */
static void settle(int socket)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGILL,	 SIGFPE,
				       SIGABRT, SIGINT, SIGTERM, SIGXCPU };
	const struct rlimit no_core = { 0, 0 };
	int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		signal(signals[i], SIG_DFL);
	setrlimit(RLIMIT_CORE, &no_core);
	limit_time(LIST_SECONDS);
	if (nothing >= 0)
		dup2(nothing, STDERR_FILENO);
	if (socket > 3)
		close_range(3, (unsigned int)socket - 1, 0);
	close_range((unsigned int)socket + 1, ~0u, 0);
}

static void serve(int socket, const char *path)
{
	struct vgg_hdf5_weights w = { 0 };
	struct plugin plugin;
	int err = load_plugin(&plugin, w.error, sizeof(w.error));
	char go;

	if (!err)
		err = plugin.list(path, &w);
	if (!give_list(socket, &w, err) || !take(socket, &go, 1))
		return;
	limit_time(DATA_SECONDS);
	for (size_t i = 0; i < w.count; i++)
		if (!give_data(socket, &plugin, &w, i))
			return;
}

/* Here. */

static int start(struct vgg_hdf5 *h)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return vgg_fail(FILE_IO, h->path, "close other files",
				"no socket for reading it: %s",
				strerror(errno));
	h->pid = fork();
	if (!h->pid) {
		settle(pair[1]);
		serve(pair[1], h->path);
		_exit(0);
	}
	close(pair[1]);
	h->socket = pair[0];
	if (h->pid > 0)
		return 0;
	h->pid = 0;
	close(pair[0]);
	return vgg_fail(NO_MEMORY, h->path, "end other programs",
			"no process for reading it: %s", strerror(errno));
}

/* Ends the child, which its socket's end tells to end, and waits for it. */
static int stop(struct vgg_hdf5 *h)
{
	int status = 0;

	if (!h->pid)
		return 0;
	close(h->socket);
	while (waitpid(h->pid, &status, 0) < 0 && errno == EINTR)
		;
	h->pid = 0;
	return status;
}

static int fail_crash(struct vgg_hdf5 *h)
{
	int status = stop(h);

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
		return vgg_fail(MODEL_FORMAT, h->path, AGAIN,
				"libhdf5 came to no end with this file: it is "
				"damaged");
	return vgg_fail(MODEL_FORMAT, h->path, AGAIN,
			"libhdf5 crashed on this file: it is damaged");
}

static int fail_head(const struct vgg_hdf5 *h, struct head *head)
{
	head->error[sizeof(head->error) - 1] = 0;
	if (head->err == -ENOMEM)
		return vgg_fail_memory("the weights of an HDF5 file");
	if (head->err == -ENOENT)
		return vgg_fail(MODEL_UNSUPPORTED, h->path,
				"install libhdf5-dev, then build and install "
				"vggaccel again: it makes " VGG_HDF5_PLUGIN,
				"reading HDF5 files needs an importer that is "
				"not here: %s",
				head->error);
	return vgg_fail(MODEL_FORMAT, h->path, AGAIN, "%s", head->error);
}

/* A text of so many bytes; NULL if the child has crashed, or without memory. */
static char *take_text(int socket, size_t bytes, size_t max)
{
	char *text = bytes <= max ? malloc(bytes + 1) : NULL;

	if (!text || !take(socket, text, bytes)) {
		free(text);
		return NULL;
	}
	text[bytes] = 0;
	return text;
}

static bool take_item(struct vgg_hdf5 *h, struct vgg_hdf5_tensor *t)
{
	int64_t count = 1;
	struct item item;

	if (!take(h->socket, &item, sizeof(item)) || item.rank < 0 ||
	    item.rank > VGG_HDF5_RANK_MAX)
		return false;
	for (int i = 0; i < item.rank; i++) {
		if (item.shape[i] < 1 ||
		    item.shape[i] > VGG_HDF5_ELEMENTS_MAX / count)
			return false;
		count *= item.shape[i];
	}
	t->layer = item.layer;
	t->rank = item.rank;
	memcpy(t->shape, item.shape, sizeof(t->shape));
	t->layer_name =
		take_text(h->socket, item.layer_name_bytes, VGG_HDF5_NAME_MAX);
	t->name = take_text(h->socket, item.name_bytes, VGG_HDF5_NAME_MAX);
	return t->layer_name && t->name;
}

int vgg_hdf5_open(struct vgg_hdf5 *h, const char *path)
{
	struct vgg_hdf5_weights *w = &h->weights;
	struct head head;
	int err;

	*h = (struct vgg_hdf5){ .path = path };
	err = start(h);
	if (err)
		return err;
	if (!take(h->socket, &head, sizeof(head)) ||
	    head.count > VGG_HDF5_LAYERS_MAX * VGG_HDF5_WEIGHTS_MAX)
		return fail_crash(h);
	if (head.err)
		return fail_head(h, &head);
	w->tensors = calloc(head.count + 1, sizeof(*w->tensors));
	if (!w->tensors)
		return vgg_fail_memory("the weights of an HDF5 file");
	if (head.config_bytes) {
		w->config = take_text(h->socket, head.config_bytes,
				      VGG_HDF5_CONFIG_MAX);
		if (!w->config)
			return fail_crash(h);
	}
	for (; w->count < head.count; w->count++)
		if (!take_item(h, &w->tensors[w->count])) {
			w->count++; /* for close */
			return fail_crash(h);
		}
	return 0;
}

static int load_tensor(struct vgg_hdf5 *h, struct vgg_hdf5_tensor *t)
{
	size_t n = count_of(t);
	struct head head;

	if (!take(h->socket, &head, sizeof(head)))
		return fail_crash(h);
	if (head.err)
		return fail_head(h, &head);
	t->data = malloc(n * sizeof(*t->data));
	if (!t->data)
		return vgg_fail_memory("the weights of an HDF5 file");
	return take(h->socket, t->data, n * sizeof(*t->data)) ? 0 :
								fail_crash(h);
}

int vgg_hdf5_load(struct vgg_hdf5 *h)
{
	int err = give(h->socket, "", 1) ? 0 : fail_crash(h);

	for (size_t i = 0; !err && i < h->weights.count; i++)
		err = load_tensor(h, &h->weights.tensors[i]);
	stop(h);
	return err;
}

void vgg_hdf5_close(struct vgg_hdf5 *h)
{
	struct vgg_hdf5_weights *w = &h->weights;

	stop(h);
	for (size_t i = 0; i < w->count; i++) {
		free(w->tensors[i].layer_name);
		free(w->tensors[i].name);
		free(w->tensors[i].data);
	}
	free(w->tensors);
	free(w->config);
	*h = (struct vgg_hdf5){ 0 };
}
