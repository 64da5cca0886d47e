# SPDX-License-Identifier: MIT
#
# make            libvggaccel, vggctl and the simulator        -> build/
# make demo       install what is missing, build, classify a shipped image
# make check      install what is missing, build and run all tests
# make bench      figures, each beside its peer
# make bench-cpu  the CPU's kernels beside other libraries [ROUNDS=7] [ARGS=--arm]
# make bench-split  plans: their quality, their predictions, what they gain
# make bench-eval  evaluation of a data set, beside PyTorch [IMAGES=10000]
# make bench-quantize  ways to quantise, and what they cost [IMAGES=10000]
# make bench-train  train every shape of network, and what int8 costs it [RECIPES=minivgg]
# make arm64      the same programs for arm64                  -> build/arm64/
# make module     the kernel module for this kernel            -> build/kmod/
#                 or for others: KERNELS="6.12-arm64 backports-amd64"
# make check-vm   only the tests of the kernel module, in guests [MODE=msi]
# make check-tsan  only what several threads share, by ThreadSanitizer
# make vm         a shell in a guest that has the card [MODE=msi]
# make style      formatting and static analysis
# make networks   README.md's table of networks, measured again: an hour
# make boards     README.md's table of boards that don't exist yet, again
# make dtbo       device tree overlays; dts/Makefile has the settings -> build/dtbo/
# make dkms       the module's sources for DKMS, below $(DESTDIR)/usr/src
# make install    below $(DESTDIR)$(PREFIX)
# make deps       only install what demo and check need
# make model      train and compile the built-in network again (needs PyTorch)
#
# One set of rules builds every variant; B says where, and these say how:
#   SAN=address,undefined   sanitizers      CROSS=aarch64-linux-gnu-
#   SYSROOT=dir             headers and libraries of the other architecture

VERSION	:= 0.1.0
PREFIX	?= /usr/local
B	?= build
V	?= 0
Q	:= $(if $(filter 1,$(V)),,@)
GEN	:= build/gen

CROSS	?=
CC	:= $(CROSS)gcc
AR	:= $(CROSS)ar
SAN	?=

# No contraction of a * b + c, no excess precision: what is computed from
# images and scales is the same on every architecture.
CFLAGS	?= -O2 -g
WARN	:= -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
BASE	:= -std=gnu11 -D_GNU_SOURCE -ffp-contract=off -fPIC \
	   -fvisibility=default $(WARN) -DVGG_VERSION='"$(VERSION)"'
ifneq ($(SAN),)
BASE	+= -fsanitize=$(SAN) -fno-sanitize-recover=undefined \
	   -fno-omit-frame-pointer
LDSAN	:= -fsanitize=$(SAN)
endif
ifneq ($(SYSROOT),)
BASE	+= --sysroot=$(SYSROOT)
LDSYS	:= --sysroot=$(SYSROOT)
endif

# libdrm's headers lie in a folder of their own.
DRM_INC	:= $(if $(SYSROOT),-isystem $(SYSROOT)/usr/include/libdrm,$(or \
	   $(shell pkg-config --cflags libdrm 2>/dev/null),\
	   -I/usr/include/libdrm))
LIB_INC	:= -Ilib -Ilib/include -Ikmod/include -Ifirmware-sim -I$(GEN) $(DRM_INC)
SIM_INC	:= -Ifirmware-sim -Ikmod/include
CLI_INC	:= -Ilib/include
TEST_INC := $(LIB_INC) -Itests/harness -Itests -Itools/shapes

LIB_LIBS := -ljansson -lprotobuf-c -lturbojpeg -lpng -lmd -lz \
	    -ldrm -lpci -luring -lm -lpthread

# Debian's headers of libhdf5 lie in a folder of their own, too.
HDF5_H	:= $(wildcard $(SYSROOT)/usr/include/hdf5/serial/hdf5.h)
HDF5_INC := $(addprefix -isystem ,$(patsubst %/,%,$(dir $(HDF5_H))))
HDF5_LIBS := $(strip $(if $(HDF5_H),-lhdf5_serial,$(if $(SYSROOT),,\
	   $(shell pkg-config --libs hdf5 2>/dev/null))))
PLUGINS	:= $(if $(HDF5_LIBS),$(B)/vggaccel/libvggaccel-hdf5.so)

# What only the daemon needs is in an archive of its own.
SIMD_SRC := firmware-sim/tran_vfio_user.c firmware-sim/pci_config.c \
	   $(wildcard firmware-sim/simd_*.c)
SIM_SRC	:= $(filter-out firmware-sim/vggsimd.c $(SIMD_SRC),\
	   $(wildcard firmware-sim/*.c))
# An importer of its own, which alone needs libhdf5: built where that is.
HDF5_SRC := $(wildcard lib/hdf5/*.c)
LIB_SRC	:= $(filter-out $(HDF5_SRC),$(wildcard lib/*/*.c))
CLI_SRC	:= $(wildcard cli/*.c)
SHAPES_SRC := $(filter-out tools/shapes/draw.c,$(wildcard tools/shapes/*.c))

obj	= $(patsubst %,$(B)/obj/%.o,$(basename $(1)))
SIM_OBJ	:= $(call obj,$(SIM_SRC))
SIMD_OBJ := $(call obj,$(SIMD_SRC))
HDF5_OBJ := $(call obj,$(HDF5_SRC))
LIB_OBJ	:= $(call obj,$(LIB_SRC)) $(B)/obj/lib/model/embedded.o \
	   $(B)/obj/onnx.pb-c.o
CLI_OBJ	:= $(call obj,$(CLI_SRC))
SHAPES_OBJ := $(call obj,$(SHAPES_SRC))
HARNESS	:= $(B)/obj/tests/harness/vgg_harness.o

# Every tests/*/test_*.c is a program; the other files of its folder that carry
# its prefix's support are listed here.
TEST_SRC := $(wildcard tests/*/test_*.c)
TESTS	:= $(patsubst tests/%.c,$(B)/tests/%,$(TEST_SRC))
SUPPORT_sim  := $(B)/obj/tests/sim/rig.o $(B)/obj/tests/sim/simd_client.o \
		$(B)/libvggsimd.a
SUPPORT_hw   := $(B)/obj/tests/sim/rig.o
SUPPORT_lib  := $(call obj,$(filter-out tests/lib/test_%,$(wildcard tests/lib/*.c)))
SUPPORT_kernels := $(call obj,$(filter-out tests/kernels/test_%,$(wildcard tests/kernels/*.c)))
SUPPORT_kmod := $(call obj,$(filter-out tests/kmod/test_%,$(wildcard tests/kmod/*.c)))
SUPPORT_cli  := $(B)/obj/tests/lib/onnx_build.o $(B)/obj/onnx.pb-c.o

# The kernel also serves 32-bit processes: some of the module's tests as such.
# Static, so the sysroot needs no second set of libraries.
ARMHF	:= arm-linux-gnueabihf-gcc
TESTS_32 := $(if $(filter aarch64-%,$(CROSS)),$(patsubst %,\
	   $(B)/tests/kmod/test_%_32,abi job info))
TESTS	+= $(TESTS_32)

SONAME	:= libvggaccel.so.0

.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
.PHONY: all demo check bench arm64 style install deps clean man model tests dtbo \
	module check-vm check-tsan vm dkms guest-bench bench-cpu bench-cpu-programs \
	bench-cpu-counted bench-split bench-split-programs bench-quantize \
	bench-eval bench-train boards networks

all: $(B)/vggctl $(B)/vggsimd $(B)/shapes-draw $(B)/vggaccel.pc $(PLUGINS)

# Generated: the ONNX schema's reader.
$(GEN)/onnx.pb-c.c: /usr/include/onnx/onnx.proto
	@mkdir -p $(GEN)
	$(Q)protoc-c --c_out=$(GEN) -I$(<D) onnx.proto
$(GEN)/onnx.pb-c.h: $(GEN)/onnx.pb-c.c

$(B)/obj/onnx.pb-c.o: $(GEN)/onnx.pb-c.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) $(CFLAGS) -w -I$(GEN) -c $< -o $@

$(filter $(B)/obj/lib/model/onnx%,$(LIB_OBJ)): | $(GEN)/onnx.pb-c.h
$(call obj,$(wildcard tests/lib/*.c)): | $(GEN)/onnx.pb-c.h

define compile
	@mkdir -p $(@D)
	@$(if $(filter 1,$(V)),,echo "  CC  $@")
	$(Q)$(CC) $(BASE) $(CFLAGS) $(1) -MMD -MP -c $< -o $@
endef

# The kernels and the simulated engine are what time goes to. The kernels'
# integer sums wrap, as the specification says. Files for one instruction set
# are compiled for it; the library enters them only where the CPU has it.
KERNEL_FLAGS := -O3 -fwrapv
ARCH	:= $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
ISA	:=
ifeq ($(ARCH),x86_64)
$(addprefix $(B)/obj/lib/kernels/,avx2.o avx2_%.o): ISA := -mavx2 -mfma -mf16c
$(addprefix $(B)/obj/lib/kernels/,avx512.o avx512_%.o): ISA := -mavx512f -mavx512bw -mavx512vl \
	-mavx512dq -mavx512vnni -mfma -mf16c -mprefer-vector-width=512
endif
ifeq ($(ARCH),aarch64)
$(addprefix $(B)/obj/lib/kernels/,neon.o neon_%.o): ISA := -mtune=cortex-a72
# Its transforms fill the registers; scheduled for latency they spill.
$(B)/obj/lib/kernels/neon.o: ISA += -fno-schedule-insns
$(B)/obj/lib/kernels/neon_dot.o: ISA := -march=armv8.2-a+dotprod
endif
$(B)/obj/lib/kernels/%f32.o: lib/kernels/%f32.c
	$(call compile,$(LIB_INC) $(KERNEL_FLAGS) -ffp-contract=fast $(ISA))
$(B)/obj/lib/kernels/%.o: lib/kernels/%.c
	$(call compile,$(LIB_INC) $(KERNEL_FLAGS) $(ISA))
$(B)/obj/firmware-sim/engine.o: firmware-sim/engine.c
	$(call compile,$(SIM_INC) -O3)
$(B)/obj/firmware-sim/%.o: firmware-sim/%.c
	$(call compile,$(SIM_INC))
$(B)/obj/lib/hdf5/%.o: lib/hdf5/%.c
	$(call compile,-Ilib $(HDF5_INC))
$(B)/obj/lib/%.o: lib/%.c
	$(call compile,$(LIB_INC))
$(B)/obj/lib/%.o: lib/%.S lib/model/shapes10.safetensors lib/model/imagenet_labels.txt \
		lib/trace/page.js lib/trace/style.css
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDSYS) -c $< -o $@
$(B)/obj/cli/%.o: cli/%.c
	$(call compile,$(CLI_INC))
$(B)/obj/tools/%.o: tools/%.c
	$(call compile,-Itools/shapes)
$(B)/obj/tests/%.o: tests/%.c
	$(call compile,$(TEST_INC))

$(B)/libvggsim.a: $(SIM_OBJ)
	$(Q)rm -f $@ && $(AR) rcs $@ $^
$(B)/libvggsimd.a: $(SIMD_OBJ)
	$(Q)rm -f $@ && $(AR) rcs $@ $^
$(B)/libvggaccel.a: $(LIB_OBJ)
	$(Q)rm -f $@ && $(AR) rcs $@ $^
$(B)/libshapes.a: $(SHAPES_OBJ)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# The public library: only what libvggaccel.map names can be seen.
$(B)/$(SONAME): $(LIB_OBJ) $(B)/libvggsim.a lib/libvggaccel.map
	$(Q)$(CC) $(LDSYS) $(LDSAN) -shared -Wl,-soname,$(SONAME) \
		-Wl,--version-script=lib/libvggaccel.map -Wl,-z,defs \
		$(LIB_OBJ) $(B)/libvggsim.a $(LDFLAGS) $(LIB_LIBS) -o $@
	$(Q)ln -sf $(SONAME) $(B)/libvggaccel.so

$(B)/vggaccel/libvggaccel-hdf5.so: $(HDF5_OBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDSYS) $(LDSAN) -shared $^ $(LDFLAGS) $(HDF5_LIBS) -o $@

CLI_LIBS := -lvggaccel -ljansson -lm
$(B)/vggctl: $(CLI_OBJ) $(B)/$(SONAME)
	$(Q)$(CC) $(LDSYS) $(LDSAN) $(CLI_OBJ) -Wl,-rpath,'$$ORIGIN' -L$(B) \
		-Wl,-rpath-link,$(B) $(LDFLAGS) $(CLI_LIBS) -o $@

$(B)/vggsimd: $(B)/obj/firmware-sim/vggsimd.o $(B)/libvggsimd.a \
		$(B)/libvggsim.a
	$(Q)$(CC) $(LDSYS) $(LDSAN) $^ $(LDFLAGS) -lpthread -o $@

$(B)/shapes-draw: $(B)/obj/tools/shapes/draw.o $(B)/libshapes.a
	$(Q)$(CC) $(LDSYS) $(LDSAN) $^ $(LDFLAGS) -lpng -lturbojpeg -o $@

# PREFIX may be another one than last time; so with the man pages below.
.PHONY: FORCE
$(B)/vggaccel.pc: lib/vggaccel.pc.in Makefile FORCE
	@mkdir -p $(@D)
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' $< > $@

# Tests see the library from inside: they link its objects.
# Objects of tests are worth keeping.
.PRECIOUS: $(B)/obj/tests/%.o
.SECONDEXPANSION:
$(B)/tests/%: $(B)/obj/tests/%.o $(HARNESS) \
		$$(SUPPORT_$$(firstword $$(subst /, ,$$*))) \
		$(B)/libvggaccel.a $(B)/libvggsim.a $(B)/libshapes.a
	@mkdir -p $(@D)
	@$(if $(filter 1,$(V)),,echo "  LD  $@")
	$(Q)$(CC) $(LDSYS) $(LDSAN) $^ $(LDFLAGS) $(LIB_LIBS) -o $@

$(TESTS_32): $(B)/tests/kmod/%_32: tests/kmod/%.c $(wildcard tests/kmod/*.h) \
		$(filter-out tests/kmod/test_%,$(wildcard tests/kmod/*.c)) \
		tests/harness/vgg_harness.c tests/harness/vgg_harness.h \
		kmod/include/uapi/vggaccel_drm.h
	@mkdir -p $(@D)
	@$(if $(filter 1,$(V)),,echo "  LD  $@")
	$(Q)$(ARMHF) -static -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
		$(WARN) $(CFLAGS) -Ikmod/include -Itests/harness $(DRM_INC) \
		$(filter %.c,$^) -lpthread -o $@

tests: $(TESTS)

# What tests/bench/cpu measures: the library as programs see it; the same inside
# one program at fixed addresses, for the counting plugins; and these.
bench-cpu-programs: $(B)/bench/cpu_engine $(B)/bench/a64_mix.so $(B)/bench/a64_cache.so
bench-cpu-counted: $(B)/bench/cpu_counted
$(B)/bench/cpu_engine $(B)/bench/split_engine: $(B)/bench/%: \
		$(B)/obj/tests/bench/%.o $(B)/$(SONAME)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDSYS) $< -Wl,-rpath,'$$ORIGIN/..' -L$(B) \
		-Wl,-rpath-link,$(B) $(LDFLAGS) -lvggaccel -o $@
$(B)/bench/cpu_counted: $(B)/obj/tests/bench/cpu_engine.o $(B)/libvggaccel.a \
		$(B)/libvggsim.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDSYS) -no-pie $^ $(LDFLAGS) $(LIB_LIBS) -o $@
# What tests/bench/split measures: inferences, and the planner from inside.
bench-split-programs: $(B)/bench/split_engine $(B)/bench/split_plans
$(B)/bench/split_plans: $(B)/obj/tests/bench/split_plans.o $(HARNESS) \
		$(addprefix $(B)/obj/tests/lib/,plan_brute.o plan_support.o) \
		$(B)/libvggaccel.a $(B)/libvggsim.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDSYS) $^ $(LDFLAGS) $(LIB_LIBS) -o $@
$(B)/bench/%.so: tests/bench/arm/%.c tests/bench/arm/marked.c \
		$(wildcard tests/bench/arm/*.h)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) $(CFLAGS) -shared $(filter %.c,$^) -o $@

# What runs in a guest to be measured.
BENCH	:= $(B)/bench/guest $(B)/bench/doorbell
$(B)/bench/%: $(B)/obj/tests/bench/%.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDSYS) $^ $(LDFLAGS) -luring -o $@
guest-bench: $(BENCH)

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

deps:
	@tools/deps build check

demo:
	@tools/deps build
	@$(MAKE) -s --no-print-directory -j$$(nproc) all
	@echo
	build/vggctl run samples/star.jpg

check:
	@tools/deps build check
	@tests/check

# The kernel module. It is built in a copy: no object ever lies in kmod/.
KERNELS ?= running
module:
	@for kernel in $(KERNELS); do tools/module $$kernel || exit 1; done

# The sources in the layout that DKMS wants; "dkms install" does the rest.
DKMS	= $(DESTDIR)/usr/src/vggaccel-$(VERSION)
dkms:
	install -d $(DKMS)
	cp -r Kbuild kmod $(DKMS)/
	sed 's/@VERSION@/$(VERSION)/' kmod/dkms.conf > $(DKMS)/dkms.conf
	rm $(DKMS)/kmod/dkms.conf
	chmod -R u=rwX,go=rX $(DKMS)

check-tsan:
	@tools/deps build check
	@$(MAKE) --no-print-directory B=build/tsan SAN=thread CFLAGS="-O1 -g" all tests
	@tests/run tsan

check-vm:
	@tools/deps build check
	@tests/vm/prepare
	@tests/run vm $(MODE)

vm:
	@tools/deps build check
	@tests/vm/prepare
	@tests/vm/run --shell --name shell --mode $(or $(MODE),msi)

# The other architecture, against a sysroot that nothing of this machine is in.
arm64: | .cache/sysroot-arm64/.done
	@$(MAKE) --no-print-directory B=build/arm64 CROSS=aarch64-linux-gnu- \
		SYSROOT=$(CURDIR)/.cache/sysroot-arm64 $(ARM64_GOALS)
ARM64_GOALS ?= all
.cache/sysroot-arm64/.done: tools/sysroot
	@tools/sysroot $(@D)

bench: all
	@tools/deps build check bench
	@tests/bench/run
	@$(MAKE) -s --no-print-directory bench-split-programs
	@tests/bench/split
	@tests/bench/eval
	@tests/vm/prepare
	@tests/bench/vm

# Only plans and splits, and how well both keep their promises.
bench-split: all bench-split-programs
	@tests/bench/split $(ARGS)

# Only quantisation, on the built-in network.
bench-quantize: all
	@tests/bench/quantize $(IMAGES)

# Only the evaluation of a data set, beside PyTorch.
bench-eval: all
	@tools/deps check
	@tests/bench/eval $(IMAGES)

# Networks of every shape, trained on drawn pictures; takes long.
bench-train: all
	@tools/deps train
	@tests/bench/train $(RECIPES)

# Only the CPU's kernels, beside other libraries; tests/bench/cpu --help.
bench-cpu:
	@tools/deps build check bench
	@$(MAKE) -s --no-print-directory -j$$(nproc) all bench-cpu-programs
	@tests/bench/cpu $(ARGS)

style: all
	@tools/deps build style
	@tools/style

model: all
	@tools/deps train
	tools/train/build-model

boards: all
	@tools/boards --write

networks: all
	@tools/deps build check
	@nice tools/networks $(ARGS)

dtbo:
	@$(MAKE) -s --no-print-directory -C dts O=$(abspath $(B))/dtbo

install: all man
	$(MAKE) --no-print-directory -C dts O=$(abspath $(B))/dtbo PREFIX=$(PREFIX) \
		DESTDIR=$(if $(DESTDIR),$(abspath $(DESTDIR))) install
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/include \
		$(DESTDIR)$(PREFIX)/lib/pkgconfig \
		$(DESTDIR)$(PREFIX)/share/vggaccel \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions
	for page in $(MAN); do \
		install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man$${page##*.} \
			$$page; \
	done
	$(B)/vggctl completion bash > \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/vggctl
	$(CC) $(CLI_OBJ) -L$(B) -Wl,-rpath,'$$ORIGIN/../lib' $(LDFLAGS) \
		$(CLI_LIBS) -o $(DESTDIR)$(PREFIX)/bin/vggctl
	install -m 755 $(B)/vggsimd $(DESTDIR)$(PREFIX)/bin/
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/udev/rules.d \
		kmod/60-vggaccel.rules
	install -m 644 $(B)/$(SONAME) $(DESTDIR)$(PREFIX)/lib/
	ln -sf $(SONAME) $(DESTDIR)$(PREFIX)/lib/libvggaccel.so
	for plugin in $(PLUGINS); do \
		install -D -m 755 -t $(DESTDIR)$(PREFIX)/lib/vggaccel $$plugin; \
	done
	install -m 644 lib/include/*.h $(DESTDIR)$(PREFIX)/include/
	install -m 644 kmod/include/vggaccel_hw.h \
		kmod/include/uapi/vggaccel_drm.h $(DESTDIR)$(PREFIX)/include/
	install -m 644 $(B)/vggaccel.pc $(DESTDIR)$(PREFIX)/lib/pkgconfig/
	install -m 644 lib/model/shapes10.safetensors \
		lib/model/imagenet_labels.txt lib/plan/plan.schema.json \
		firmware-sim/cards/*.card \
		$(DESTDIR)$(PREFIX)/share/vggaccel/

# Man pages, if scdoc is here (make deps installs it).
MAN	:= $(patsubst lib/man/%.scd,$(B)/man/%,$(wildcard lib/man/*.scd))
$(B)/man/%: lib/man/%.scd FORCE
	@mkdir -p $(@D)
	$(Q)sed 's|/usr/share/vggaccel|$(PREFIX)/share/vggaccel|g' $< | scdoc > $@
man: $(MAN)

clean:
	rm -rf build
