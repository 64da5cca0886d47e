/* SPDX-License-Identifier: MIT */
/*
 * Reading pickles without trusting them.
 *
 * A pickle is a program: it builds objects on a stack, and may import any
 * function of Python by name and call it. Here nothing is ever imported or
 * called: a pickle can only build numbers, texts, tuples, lists and
 * dictionaries, and name what the reader's table has. Every other name is
 * refused and told, and so is every opcode that a dictionary of tensors (as
 * torch.save() writes it, protocol 2) doesn't need.
 *
 * Time and memory are linear in what is read: each opcode makes at most one
 * value, there is a limit to them, and values are shared by reference. Nothing
 * recurses. A list may contain itself: walk to a fixed depth only.
 */
#ifndef VGG_PICKLE_H
#define VGG_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VGG_PICKLE_VALUES_MAX ((size_t)1 << 20)

enum vgg_pickle_kind {
	VGG_PICKLE_NONE,
	VGG_PICKLE_BOOL,
	VGG_PICKLE_INT,
	VGG_PICKLE_FLOAT,
	VGG_PICKLE_TEXT,
	VGG_PICKLE_TUPLE,
	VGG_PICKLE_LIST,
	VGG_PICKLE_DICT,   /* items are keys and values in turns */
	VGG_PICKLE_NAME,   /* one of the reader's table */
	VGG_PICKLE_OBJECT, /* what the reader made */
	VGG_PICKLE_MARK,   /* never in a finished value */
};

struct vgg_pickle_value {
	enum vgg_pickle_kind kind;
	int type;	  /* NAME: the table's number; OBJECT: the reader's */
	int64_t integer;  /* BOOL, INT; OBJECT: the reader's */
	double real;	  /* FLOAT */
	const char *text; /* TEXT: in the pickle, not terminated */
	size_t length;
	struct vgg_pickle_value **items;
	size_t count, room;
};

struct vgg_pickle;

struct vgg_pickle_name {
	const char *module, *name;
	int type;
};

struct vgg_pickle_reader {
	const struct vgg_pickle_name *names; /* the last one has no module */
	/* The result of calling a name; args is a TUPLE. */
	int (*call)(struct vgg_pickle *p, int type,
		    const struct vgg_pickle_value *args,
		    struct vgg_pickle_value **result);
	/* What lies outside of the pickle under this key; may be NULL. */
	int (*load)(struct vgg_pickle *p, const struct vgg_pickle_value *key,
		    struct vgg_pickle_value **result);
};

struct vgg_pickle {
	const struct vgg_pickle_reader *reader;
	void *context;	  /* the reader's */
	const char *path; /* for messages */
	const uint8_t *data;
	size_t size, at; /* at: behind the pickle when it has been read */
	struct vgg_pickle_value **stack, **memo;
	size_t depth, stack_room, memo_room;
	struct vgg_pickle_block *blocks; /* of all values */
	size_t values;
	int err; /* of the last vgg_pickle_new() that failed */
};

/* Reads one pickle of the size bytes. The data must outlive *p; close also
 * after a failure, when values aren't needed any more. */
int vgg_pickle_read(struct vgg_pickle *p,
		    const struct vgg_pickle_reader *reader, void *context,
		    const char *path, const uint8_t *data, size_t size,
		    struct vgg_pickle_value **root);
void vgg_pickle_close(struct vgg_pickle *p);

/* For readers: a new value, zeroed otherwise; NULL without memory. */
struct vgg_pickle_value *vgg_pickle_new(struct vgg_pickle *p,
					enum vgg_pickle_kind kind);
int vgg_pickle_append(struct vgg_pickle_value *list,
		      struct vgg_pickle_value *item);
bool vgg_pickle_is(const struct vgg_pickle_value *v, const char *text);
/* The value of a key of a DICT; NULL if there is none. */
struct vgg_pickle_value *vgg_pickle_get(const struct vgg_pickle_value *dict,
					const char *key);

#endif
