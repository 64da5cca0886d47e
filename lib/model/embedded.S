/* SPDX-License-Identifier: MIT */
/* The default network and ImageNet's labels, as they lie in the tree: mapped
 * with the library, never copied. */
	.section .rodata
	.hidden vgg_embedded_model, vgg_embedded_model_end
	.hidden vgg_embedded_imagenet, vgg_embedded_imagenet_end
	.globl vgg_embedded_model, vgg_embedded_model_end
	.globl vgg_embedded_imagenet, vgg_embedded_imagenet_end

	.balign 64	/* as compiled models are aligned in files */
vgg_embedded_model:
	.incbin "lib/model/shapes10.safetensors"
vgg_embedded_model_end:
	.byte 0

	.balign 64
vgg_embedded_imagenet:
	.incbin "lib/model/imagenet_labels.txt"
vgg_embedded_imagenet_end:
	.byte 0

	.section .note.GNU-stack, "", %progbits
