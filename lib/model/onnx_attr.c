// SPDX-License-Identifier: MIT
/* Attributes of the current node, with their types checked. */
#include <math.h>
#include <string.h>

#include "model/onnx_internal.h"

#define KIND(name) ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__##name

const Onnx__AttributeProto *vgg_onnx_attr(const struct vgg_onnx *x,
					  const char *name)
{
	const Onnx__NodeProto *node = x->at.node;
	size_t i;

	for (i = 0; i < node->n_attribute; i++)
		if (node->attribute[i]->name &&
		    !strcmp(node->attribute[i]->name, name))
			return node->attribute[i];
	return NULL;
}

/* Files of the first IR version don't say the kind; the content does. */
static int check_kind(const struct vgg_onnx *x, const Onnx__AttributeProto *a,
		      Onnx__AttributeProto__AttributeType kind, bool there)
{
	if ((!a->has_type || a->type == KIND(UNDEFINED) || a->type == kind) &&
	    there)
		return 0;
	return onnx_fail(x, MODEL_FORMAT, "check the file with onnx.checker",
			 "attribute '%s' has the wrong type", a->name);
}

int vgg_onnx_attr_int(const struct vgg_onnx *x, const char *name,
		      int64_t missing, int64_t *value)
{
	const Onnx__AttributeProto *a = vgg_onnx_attr(x, name);

	*value = a ? a->i : missing;
	/* Writers may leave out a 0. */
	return a ? check_kind(x, a, KIND(INT), a->has_i || a->has_type) : 0;
}

int vgg_onnx_attr_bool(const struct vgg_onnx *x, const char *name, bool missing,
		       bool *value)
{
	int64_t i;
	int err = vgg_onnx_attr_int(x, name, missing, &i);

	*value = i;
	if (!err && i != 0 && i != 1)
		err = onnx_refuse(x, NULL,
				  "%s %lld; only 0 and 1 have a meaning", name,
				  (long long)i);
	return err;
}

int vgg_onnx_attr_float(const struct vgg_onnx *x, const char *name,
			float missing, float *value)
{
	const Onnx__AttributeProto *a = vgg_onnx_attr(x, name);
	int err;

	*value = a ? a->f : missing;
	if (!a)
		return 0;
	err = check_kind(x, a, KIND(FLOAT), a->has_f || a->has_type);
	if (!err && isnan(*value))
		err = onnx_fail(x, MODEL_FORMAT, "export the network again",
				"%s is not a number", name);
	return err;
}

int vgg_onnx_attr_ints(const struct vgg_onnx *x, const char *name,
		       unsigned int room, int64_t *values, unsigned int *count)
{
	const Onnx__AttributeProto *a = vgg_onnx_attr(x, name);
	int err;

	*count = 0;
	if (!a)
		return 0;
	err = check_kind(x, a, KIND(INTS), true);
	if (err)
		return err;
	if (a->n_ints > room)
		return onnx_refuse(x, NULL,
				   "%s has %zu numbers; at most %u fit", name,
				   a->n_ints, room);
	if (a->n_ints)
		memcpy(values, a->ints, a->n_ints * sizeof(*values));
	*count = (unsigned int)a->n_ints;
	return 0;
}

int vgg_onnx_attr_text(const struct vgg_onnx *x, const char *name,
		       char text[ONNX_NAME])
{
	const Onnx__AttributeProto *a = vgg_onnx_attr(x, name);
	size_t n;

	*text = 0;
	if (!a)
		return 0;
	n = a->s.len < ONNX_NAME - 1 ? a->s.len : ONNX_NAME - 1;
	if (n)
		memcpy(text, a->s.data, n);
	text[n] = 0;
	return check_kind(x, a, KIND(STRING), a->has_s);
}

int vgg_onnx_attrs_check(const struct vgg_onnx *x, const char *const *known)
{
	const Onnx__NodeProto *node = x->at.node;
	char name[ONNX_NAME];
	unsigned int k;
	size_t i;

	for (i = 0; i < node->n_attribute; i++) {
		const Onnx__AttributeProto *a = node->attribute[i];

		/* How memory was reused, once; it never changed a result. */
		if (x->opset < 6 && a->name &&
		    !strcmp(a->name, "consumed_inputs"))
			continue;
		for (k = 0; known[k] && a->name; k++)
			if (!strcmp(known[k], a->name))
				break;
		if (!a->name || !known[k])
			return onnx_refuse(x, "export the network without it",
					   "attribute '%s' is unknown",
					   vgg_onnx_clean(name, a->name));
		if (a->ref_attr_name && *a->ref_attr_name)
			return onnx_refuse(
				x, "inline the model's functions",
				"attribute '%s' refers to a function's",
				vgg_onnx_clean(name, a->name));
	}
	return 0;
}
