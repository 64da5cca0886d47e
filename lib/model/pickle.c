// SPDX-License-Identifier: MIT
/* See pickle.h. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/pickle.h"
#include "util/error.h"

#define AGAIN "get the file again; it may be cut short or damaged"
#define RESAVE \
	"save only tensors: torch.save(network.state_dict(), \"FILE.pth\")"
#define BLOCK 256
#define NAME_MAX_BYTES 100

/* The opcodes, by pickletools' names. */
enum opcode {
	MARK = '(',
	STOP = '.',
	BINFLOAT = 'G',
	BININT = 'J',
	BININT1 = 'K',
	BININT2 = 'M',
	NONE = 'N',
	BINPERSID = 'Q',
	REDUCE = 'R',
	BINSTRING = 'T', /* Python 2's texts */
	SHORT_BINSTRING = 'U',
	BINUNICODE = 'X',
	EMPTY_LIST = ']',
	APPEND = 'a',
	BUILD = 'b',
	GLOBAL = 'c',
	APPENDS = 'e',
	BINGET = 'h',
	LONG_BINGET = 'j',
	BINPUT = 'q',
	LONG_BINPUT = 'r',
	SETITEM = 's',
	TUPLE = 't',
	EMPTY_TUPLE = ')',
	SETITEMS = 'u',
	EMPTY_DICT = '}',
	PROTO = 0x80,
	NEWOBJ = 0x81,
	TUPLE1 = 0x85,
	TUPLE2 = 0x86,
	TUPLE3 = 0x87,
	NEWTRUE = 0x88,
	NEWFALSE = 0x89,
	LONG1 = 0x8a,
};

struct vgg_pickle_block {
	struct vgg_pickle_block *next;
	size_t used;
	struct vgg_pickle_value values[BLOCK];
};

static int fail_at(const struct vgg_pickle *p, const char *what)
{
	return vgg_fail(MODEL_FORMAT, p->path, AGAIN,
			"the pickle is damaged at its byte %zu: %s", p->at,
			what);
}

struct vgg_pickle_value *vgg_pickle_new(struct vgg_pickle *p,
					enum vgg_pickle_kind kind)
{
	struct vgg_pickle_block *b = p->blocks;
	struct vgg_pickle_value *v;

	if (p->values == VGG_PICKLE_VALUES_MAX) {
		p->err = vgg_fail(MODEL_UNSUPPORTED, p->path, RESAVE,
				  "the pickle has more than %zu values",
				  VGG_PICKLE_VALUES_MAX);
		return NULL;
	}
	if (!b || b->used == BLOCK) {
		b = calloc(1, sizeof(*b));
		if (!b) {
			p->err = vgg_fail_memory("a pickle");
			return NULL;
		}
		b->next = p->blocks;
		p->blocks = b;
	}
	p->values++;
	v = &b->values[b->used++];
	v->kind = kind;
	return v;
}

int vgg_pickle_append(struct vgg_pickle_value *list,
		      struct vgg_pickle_value *item)
{
	size_t room = list->room ? 2 * list->room : 4;
	struct vgg_pickle_value **more;

	if (list->count == list->room) {
		more = reallocarray(list->items, room, sizeof(*more));
		if (!more)
			return vgg_fail_memory("a pickle");
		list->items = more;
		list->room = room;
	}
	list->items[list->count++] = item;
	return 0;
}

bool vgg_pickle_is(const struct vgg_pickle_value *v, const char *text)
{
	return v->kind == VGG_PICKLE_TEXT && v->length == strlen(text) &&
	       !memcmp(v->text, text, v->length);
}

struct vgg_pickle_value *vgg_pickle_get(const struct vgg_pickle_value *dict,
					const char *key)
{
	for (size_t i = 0; i + 1 < dict->count; i += 2)
		if (vgg_pickle_is(dict->items[i], key))
			return dict->items[i + 1];
	return NULL;
}

/* The stack. */

static int push(struct vgg_pickle *p, struct vgg_pickle_value *v)
{
	size_t room = p->stack_room ? 2 * p->stack_room : 64;
	struct vgg_pickle_value **more;

	if (!v)
		return p->err;
	if (p->depth == p->stack_room) {
		if (room > VGG_PICKLE_VALUES_MAX)
			return fail_at(p, "the stack is too high");
		more = reallocarray(p->stack, room, sizeof(*more));
		if (!more)
			return vgg_fail_memory("a pickle");
		p->stack = more;
		p->stack_room = room;
	}
	p->stack[p->depth++] = v;
	return 0;
}

static int push_number(struct vgg_pickle *p, enum vgg_pickle_kind kind,
		       int64_t number)
{
	struct vgg_pickle_value *v = vgg_pickle_new(p, kind);

	if (v)
		v->integer = number;
	return push(p, v);
}

/* A finished value, not a mark; NULL and an error if there is none. */
static struct vgg_pickle_value *pop(struct vgg_pickle *p)
{
	if (p->depth && p->stack[p->depth - 1]->kind != VGG_PICKLE_MARK)
		return p->stack[--p->depth];
	fail_at(p, "the stack is empty");
	return NULL;
}

/* The value below the uppermost mark; its place in *from is of what lies above
 * the mark. */
static int find_mark(struct vgg_pickle *p, size_t *from)
{
	for (*from = p->depth; *from; --*from)
		if (p->stack[*from - 1]->kind == VGG_PICKLE_MARK)
			return 0;
	return fail_at(p, "there is no mark");
}

/* What opcodes carry. */

/* The next n bytes; NULL and an error if there are fewer. */
static const uint8_t *take(struct vgg_pickle *p, size_t n)
{
	const uint8_t *at = p->data + p->at;

	if (n > p->size - p->at) {
		fail_at(p, "it ends here");
		return NULL;
	}
	p->at += n;
	return at;
}

/* A number of n <= 8 bytes, little-endian. */
static int take_number(struct vgg_pickle *p, size_t n, uint64_t *number)
{
	const uint8_t *at = take(p, n);

	*number = 0;
	if (!at)
		return -EBADMSG;
	memcpy(number, at, n);
	return 0;
}

static int push_int(struct vgg_pickle *p, size_t bytes, bool has_sign)
{
	uint64_t number;
	int err = take_number(p, bytes, &number);
	unsigned int unused = 64 - 8 * (unsigned int)bytes;

	if (err)
		return err;
	if (has_sign && bytes)
		number = (uint64_t)((int64_t)(number << unused) >> unused);
	return push_number(p, VGG_PICKLE_INT, (int64_t)number);
}

static int push_float(struct vgg_pickle *p)
{
	struct vgg_pickle_value *v;
	uint64_t bits;
	int err = take_number(p, 8, &bits);

	if (err)
		return err;
	v = vgg_pickle_new(p, VGG_PICKLE_FLOAT);
	bits = __builtin_bswap64(bits); /* of all numbers, the only one so */
	if (v)
		memcpy(&v->real, &bits, sizeof(bits));
	return push(p, v);
}

static int push_long(struct vgg_pickle *p)
{
	uint64_t bytes;
	int err = take_number(p, 1, &bytes);

	if (!err && bytes > 8)
		err = fail_at(p, "a number has more than 64 bits");
	return err ? err : push_int(p, (size_t)bytes, true);
}

static int push_text(struct vgg_pickle *p, size_t length_bytes)
{
	struct vgg_pickle_value *v;
	const uint8_t *at;
	uint64_t length;
	int err = take_number(p, length_bytes, &length);

	if (err)
		return err;
	at = take(p, (size_t)length);
	if (!at)
		return -EBADMSG;
	v = vgg_pickle_new(p, VGG_PICKLE_TEXT);
	if (v) {
		v->text = (const char *)at;
		v->length = (size_t)length;
	}
	return push(p, v);
}

/* Names. */

/* A line of a GLOBAL, without its end; NULL and an error if there is none. */
static const char *take_line(struct vgg_pickle *p, size_t *length)
{
	const uint8_t *at = p->data + p->at;
	const uint8_t *end = memchr(at, '\n', p->size - p->at);

	if (!end) {
		fail_at(p, "it ends in a name");
		return NULL;
	}
	*length = (size_t)(end - at);
	p->at += *length + 1;
	return (const char *)at;
}

/* For messages, which go to terminals. */
static void printable(const char *from, size_t n, char *to)
{
	size_t i;

	for (i = 0; i < n && i < NAME_MAX_BYTES; i++)
		to[i] = isprint((unsigned char)from[i]) ? from[i] : '?';
	to[i] = 0;
}

static int refuse_name(const struct vgg_pickle *p, const char *module,
		       size_t module_bytes, const char *name, size_t name_bytes)
{
	char a[NAME_MAX_BYTES + 1], b[NAME_MAX_BYTES + 1];

	printable(module, module_bytes, a);
	printable(name, name_bytes, b);
	return vgg_fail(MODEL_UNSUPPORTED, p->path, RESAVE,
			"the file wants to call %s.%s: refused", a, b);
}

static bool same(const char *known, const char *text, size_t bytes)
{
	return strlen(known) == bytes && !memcmp(known, text, bytes);
}

static int push_name(struct vgg_pickle *p)
{
	const struct vgg_pickle_name *n = p->reader->names;
	size_t module_bytes = 0, name_bytes = 0;
	const char *module = take_line(p, &module_bytes);
	const char *name = module ? take_line(p, &name_bytes) : NULL;
	struct vgg_pickle_value *v;

	if (!name)
		return -EBADMSG;
	while (n->module && !(same(n->module, module, module_bytes) &&
			      same(n->name, name, name_bytes)))
		n++;
	if (!n->module)
		return refuse_name(p, module, module_bytes, name, name_bytes);
	v = vgg_pickle_new(p, VGG_PICKLE_NAME);
	if (v)
		v->type = n->type;
	return push(p, v);
}

static int reduce(struct vgg_pickle *p)
{
	struct vgg_pickle_value *args = pop(p), *name = args ? pop(p) : NULL;
	struct vgg_pickle_value *result;
	int err;

	if (!name)
		return -EBADMSG;
	if (name->kind != VGG_PICKLE_NAME || args->kind != VGG_PICKLE_TUPLE)
		return fail_at(p, "what is called is not a name");
	err = p->reader->call(p, name->type, args, &result);
	return err ? err : push(p, result);
}

static int load_outside(struct vgg_pickle *p)
{
	struct vgg_pickle_value *key = pop(p), *result;
	int err;

	if (!key)
		return -EBADMSG;
	if (!p->reader->load)
		return fail_at(p, "it refers to something outside");
	err = p->reader->load(p, key, &result);
	return err ? err : push(p, result);
}

/* An object's state is of no use here: OrderedDict's are its versions. */
static int build(struct vgg_pickle *p)
{
	if (!pop(p))
		return -EBADMSG;
	if (!p->depth || (p->stack[p->depth - 1]->kind != VGG_PICKLE_DICT &&
			  p->stack[p->depth - 1]->kind != VGG_PICKLE_OBJECT))
		return fail_at(p, "what has no state gets one");
	return 0;
}

/* Containers. */

/* A tuple of all from `from` on, which is at the mark's place then. */
static int push_tuple(struct vgg_pickle *p, size_t from, size_t mark)
{
	struct vgg_pickle_value *v = vgg_pickle_new(p, VGG_PICKLE_TUPLE);
	int err = v ? 0 : p->err;

	for (size_t i = from; !err && i < p->depth; i++)
		err = vgg_pickle_append(v, p->stack[i]);
	if (err)
		return err;
	p->depth = mark;
	return push(p, v);
}

static int push_short_tuple(struct vgg_pickle *p, size_t n)
{
	for (size_t i = 1; i <= n; i++)
		if (p->depth < i ||
		    p->stack[p->depth - i]->kind == VGG_PICKLE_MARK)
			return fail_at(p, "the stack is empty");
	return push_tuple(p, p->depth - n, p->depth - n);
}

static int push_marked_tuple(struct vgg_pickle *p)
{
	size_t from;
	int err = find_mark(p, &from);

	return err ? err : push_tuple(p, from, from - 1);
}

/* Everything from `from` on goes into the list or dictionary below `mark`. */
static int extend(struct vgg_pickle *p, enum vgg_pickle_kind kind, size_t from,
		  size_t mark)
{
	struct vgg_pickle_value *to;
	int err = 0;

	if (!mark || p->stack[mark - 1]->kind != kind)
		return fail_at(p, "there is nothing to add items to");
	if (kind == VGG_PICKLE_DICT && (p->depth - from) % 2)
		return fail_at(p, "a key has no value");
	to = p->stack[mark - 1];
	for (size_t i = from; !err && i < p->depth; i++) {
		if (p->stack[i]->kind == VGG_PICKLE_MARK)
			return fail_at(p, "an item is missing");
		err = vgg_pickle_append(to, p->stack[i]);
	}
	p->depth = mark;
	return err;
}

static int extend_marked(struct vgg_pickle *p, enum vgg_pickle_kind kind)
{
	size_t from;
	int err = find_mark(p, &from);

	return err ? err : extend(p, kind, from, from - 1);
}

static int extend_by(struct vgg_pickle *p, enum vgg_pickle_kind kind, size_t n)
{
	if (p->depth <= n)
		return fail_at(p, "the stack is empty");
	return extend(p, kind, p->depth - n, p->depth - n);
}

/* The memo. */

static int put(struct vgg_pickle *p, size_t index_bytes)
{
	struct vgg_pickle_value **more;
	size_t room = p->memo_room ? p->memo_room : 256;
	uint64_t index;
	int err = take_number(p, index_bytes, &index);

	if (err)
		return err;
	if (!p->depth || p->stack[p->depth - 1]->kind == VGG_PICKLE_MARK)
		return fail_at(p, "there is nothing to remember");
	/* Pickles number what they remember from 0 on. */
	if (index >= VGG_PICKLE_VALUES_MAX)
		return fail_at(p, "a number in the memo is too large");
	while (room <= index)
		room *= 2;
	if (room > p->memo_room) {
		more = reallocarray(p->memo, room, sizeof(*more));
		if (!more)
			return vgg_fail_memory("a pickle");
		memset(more + p->memo_room, 0,
		       (room - p->memo_room) * sizeof(*more));
		p->memo = more;
		p->memo_room = room;
	}
	p->memo[index] = p->stack[p->depth - 1];
	return 0;
}

static int get(struct vgg_pickle *p, size_t index_bytes)
{
	uint64_t index;
	int err = take_number(p, index_bytes, &index);

	if (err)
		return err;
	if (index >= p->memo_room || !p->memo[index])
		return fail_at(p, "nothing is remembered under this number");
	return push(p, p->memo[index]);
}

static int check_protocol(struct vgg_pickle *p)
{
	uint64_t protocol;
	int err = take_number(p, 1, &protocol);

	if (!err && protocol != 2)
		err = vgg_fail(MODEL_UNSUPPORTED, p->path,
			       "leave torch.save()'s pickle_protocol at its "
			       "default",
			       "the pickle is of protocol %d, not 2",
			       (int)protocol);
	return err;
}

static int refuse_opcode(const struct vgg_pickle *p, uint8_t opcode)
{
	return vgg_fail(MODEL_UNSUPPORTED, p->path, RESAVE,
			"the pickle has an opcode (0x%02x, at its byte %zu) "
			"that tensors don't need: refused",
			opcode, p->at - 1);
}

static int step_value(struct vgg_pickle *p, uint8_t opcode)
{
	switch (opcode) {
	case NONE:
		return push(p, vgg_pickle_new(p, VGG_PICKLE_NONE));
	case NEWTRUE:
	case NEWFALSE:
		return push_number(p, VGG_PICKLE_BOOL, opcode == NEWTRUE);
	case BININT:
		return push_int(p, 4, true);
	case BININT1:
		return push_int(p, 1, false);
	case BININT2:
		return push_int(p, 2, false);
	case LONG1:
		return push_long(p);
	case BINFLOAT:
		return push_float(p);
	case BINUNICODE:
	case BINSTRING:
		return push_text(p, 4);
	case SHORT_BINSTRING:
		return push_text(p, 1);
	case MARK:
		return push(p, vgg_pickle_new(p, VGG_PICKLE_MARK));
	default:
		return refuse_opcode(p, opcode);
	}
}

static int step(struct vgg_pickle *p, uint8_t opcode)
{
	switch (opcode) {
	case PROTO:
		return check_protocol(p);
	case GLOBAL:
		return push_name(p);
	case REDUCE:
	case NEWOBJ:
		return reduce(p);
	case BINPERSID:
		return load_outside(p);
	case BUILD:
		return build(p);
	case EMPTY_TUPLE:
		return push(p, vgg_pickle_new(p, VGG_PICKLE_TUPLE));
	case EMPTY_LIST:
		return push(p, vgg_pickle_new(p, VGG_PICKLE_LIST));
	case EMPTY_DICT:
		return push(p, vgg_pickle_new(p, VGG_PICKLE_DICT));
	case TUPLE:
		return push_marked_tuple(p);
	case TUPLE1:
	case TUPLE2:
	case TUPLE3:
		return push_short_tuple(p, opcode - TUPLE1 + 1u);
	case APPEND:
		return extend_by(p, VGG_PICKLE_LIST, 1);
	case APPENDS:
		return extend_marked(p, VGG_PICKLE_LIST);
	case SETITEM:
		return extend_by(p, VGG_PICKLE_DICT, 2);
	case SETITEMS:
		return extend_marked(p, VGG_PICKLE_DICT);
	case BINPUT:
		return put(p, 1);
	case LONG_BINPUT:
		return put(p, 4);
	case BINGET:
		return get(p, 1);
	case LONG_BINGET:
		return get(p, 4);
	default:
		return step_value(p, opcode);
	}
}

int vgg_pickle_read(struct vgg_pickle *p,
		    const struct vgg_pickle_reader *reader, void *context,
		    const char *path, const uint8_t *data, size_t size,
		    struct vgg_pickle_value **root)
{
	const uint8_t *opcode;
	int err = 0;

	*p = (struct vgg_pickle){ .reader = reader,
				  .context = context,
				  .path = path,
				  .data = data,
				  .size = size };
	if (!size || *data != PROTO)
		return fail_at(p, "it doesn't begin as one");
	while (!err) {
		opcode = take(p, 1);
		if (!opcode)
			return -EBADMSG;
		if (*opcode == STOP)
			break;
		err = step(p, *opcode);
	}
	if (err)
		return err;
	*root = pop(p);
	if (!*root)
		return -EBADMSG;
	return p->depth ? fail_at(p, "values are left over") : 0;
}

void vgg_pickle_close(struct vgg_pickle *p)
{
	struct vgg_pickle_block *b;

	while ((b = p->blocks)) {
		for (size_t i = 0; i < b->used; i++)
			free(b->values[i].items);
		p->blocks = b->next;
		free(b);
	}
	free(p->stack);
	free(p->memo);
	*p = (struct vgg_pickle){ 0 };
}
