/* SPDX-License-Identifier: MIT */
/*
 * One source, several instruction sets: the compiler makes a copy of a function
 * for each and the dynamic linker picks one. Only where that exists; sanitizers
 * run before the linker has chosen, so they see the plain function.
 */
#ifndef VGG_CLONES_H
#define VGG_CLONES_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
	!defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define VGG_CLONES      \
	__attribute__(( \
		target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define VGG_CLONES
#endif

#endif
