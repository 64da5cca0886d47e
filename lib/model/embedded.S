/* SPDX-License-Identifier: MIT */
/* The default network, ImageNet's labels and what pictures of traces need, as they
 * lie in the tree: mapped with the library, never copied. */
	.macro embed name, file
	.hidden \name, \name\()_bytes
	.globl \name, \name\()_bytes
	.balign 64	/* as compiled models are aligned in files */
\name:
	.incbin "\file"
1:
	.balign 8
\name\()_bytes:
	.quad 1b - \name
	.endm

	.section .rodata
	embed vgg_embedded_model, "lib/model/shapes10.safetensors"
	embed vgg_embedded_imagenet, "lib/model/imagenet_labels.txt"
	embed vgg_embedded_trace_page, "lib/trace/page.js"
	embed vgg_embedded_trace_style, "lib/trace/style.css"

	.section .note.GNU-stack, "", %progbits
