// SPDX-License-Identifier: MIT
/*
 * A look at the encoding before it is unpacked.
 *
 * protobuf-c unpacks nested messages by recursion without a limit, and makes
 * 200 bytes of structure from 2 bytes of file: depth and number are checked
 * here, and so that a damaged file can be told where, the encoding of every
 * field. A message is a sequence of fields: a varint (number << 3 | kind), then
 * by kind a varint (0), 8 bytes (1), a varint length and as many bytes (2), or
 * 4 bytes (5).
 */
#include "model/onnx_internal.h"

/* A model needs 8: model, graph, node, attribute, tensor, ...; nodes with
 * bodies (If, Loop) a few more. */
#define DEPTH_MAX 40
#define PIECES_MAX 4000000

struct level {
	const ProtobufCMessageDescriptor *type;
	size_t end;
};

struct scan {
	const uint8_t *data;
	size_t at;
	struct level level[DEPTH_MAX];
	unsigned int depth;
	size_t pieces;
};

static const ProtobufCMessageDescriptor *
submessage(const ProtobufCMessageDescriptor *type, uint64_t number)
{
	unsigned int i;

	for (i = 0; i < type->n_fields; i++)
		if (type->fields[i].id == number)
			return type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE ?
				       type->fields[i].descriptor :
				       NULL;
	return NULL;
}

static bool varint(struct scan *s, size_t end, uint64_t *value)
{
	unsigned int shift;

	*value = 0;
	for (shift = 0; shift < 64 && s->at < end; shift += 7) {
		uint8_t byte = s->data[s->at++];

		*value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

static bool skip(struct scan *s, size_t end, uint64_t bytes)
{
	if (bytes > end - s->at)
		return false;
	s->at += (size_t)bytes;
	return true;
}

/* Past one field, or into it if it is a message. NULL, or what is wrong. */
static const char *field(struct scan *s)
{
	static const char short_[] = "a field ends beyond the end";
	const struct level *l = &s->level[s->depth - 1];
	const ProtobufCMessageDescriptor *inner;
	uint64_t tag, n;

	if (!varint(s, l->end, &tag))
		return "a field's number does not end";
	if ((tag & 7) == 0)
		return varint(s, l->end, &n) ? NULL : short_;
	if ((tag & 7) == 1 || (tag & 7) == 5)
		return skip(s, l->end, (tag & 7) == 1 ? 8 : 4) ? NULL : short_;
	if ((tag & 7) != 2)
		return "a field's kind is unknown";
	if (!varint(s, l->end, &n) || n > l->end - s->at)
		return short_;
	if (++s->pieces > PIECES_MAX)
		return "there are more than 4,000,000 parts";
	inner = submessage(l->type, tag >> 3);
	if (!inner) {
		s->at += (size_t)n;
		return NULL;
	}
	if (s->depth == DEPTH_MAX)
		return "messages are nested too deeply";
	s->level[s->depth++] = (struct level){ inner, s->at + (size_t)n };
	return NULL;
}

int vgg_onnx_wire_check(const char *path, const struct vgg_file *file)
{
	struct scan s = { .data = file->data, .depth = 1 };
	const char *wrong = NULL;
	size_t start = 0;

	s.level[0] =
		(struct level){ &onnx__model_proto__descriptor, file->size };
	while (!wrong && s.depth) {
		if (s.at == s.level[s.depth - 1].end) {
			s.depth--;
			continue;
		}
		start = s.at;
		wrong = field(&s);
	}
	if (!wrong)
		return 0;
	return vgg_fail(MODEL_FORMAT, path, "fetch or export the file again",
			"is no ONNX model, or a damaged one: at byte %zu %s",
			start, wrong);
}
