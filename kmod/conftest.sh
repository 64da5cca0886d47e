#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What the kernel to build against has, as -DHAVE_...: asked of its headers and
# never of its version number, since stable kernels change signatures in
# mid-series. vgg_compat.h is where the answers are used.
#	conftest.sh INCLUDE-FOLDER
dir=$1
[ -f "$dir/drm/gpu_scheduler.h" ] ||
	{ echo "conftest.sh: no kernel headers in $dir" >&2; exit 1; }

has() { # NAME FILE REGEX
	[ -f "$dir/$2" ] && tr '\n' ' ' <"$dir/$2" | grep -qE "$3" &&
		printf -- '-DHAVE_%s ' "$1"
}

has SCHED_INIT_ARGS	drm/gpu_scheduler.h	'struct drm_sched_init_args'
has SCHED_SUBMIT_WQ	drm/gpu_scheduler.h	'struct workqueue_struct \*submit_wq'
has SCHED_NUM_RQS	drm/gpu_scheduler.h	'u32 num_rqs;[[:space:]]+u32 credit_limit'
has SCHED_CREDITS	drm/gpu_scheduler.h	'drm_sched_job_init\([^)]*u32 credits'
has SCHED_CLIENT_ID	drm/gpu_scheduler.h	'drm_sched_job_init\([^)]*drm_client_id'
has DRM_DRIVER_DATE	drm/drm_drv.h		'char \*date;'
has DRM_SHOW_FDINFO	drm/drm_drv.h		'\(\*show_fdinfo\)'
has DRM_ACCEL		drm/drm_accel.h		'DRM_ACCEL_FOPS'
has DRM_WEDGED		drm/drm_drv.h		'int drm_dev_wedged_event\([^)]*struct drm_wedge'
has DRM_WEDGED_PLAIN	drm/drm_drv.h		'int drm_dev_wedged_event\([^)]*unsigned long method\)'
has FOP_UNSIGNED	linux/fs.h		'FOP_UNSIGNED_OFFSET'
has URING_CMD_H		linux/io_uring/cmd.h	'struct io_uring_cmd'
has URING_SQE_TYPED	linux/io_uring/cmd.h	'define io_uring_sqe_cmd\(sqe, type\)'
has URING_TW_REQ	linux/io_uring/cmd.h	'io_req_tw_func_t task_work_cb'
has URING_DONE_32	linux/io_uring/cmd.h	'io_uring_cmd_done32'
has PCI_IRQ_INTX	linux/pci.h		'define PCI_IRQ_INTX'
has HRTIMER_SETUP	linux/hrtimer.h		'hrtimer_setup\('
has IMPORT_NS_STRING	linux/module.h		'define MODULE_IMPORT_NS\(ns\)[[:space:]]+MODULE_INFO\(import_ns, ns\)'
has VM_FLAGS_SET	linux/mm.h		'vm_flags_set\('
has BLK_PLUG_CB		linux/blkdev.h		'blk_check_plugged\('
exit 0
