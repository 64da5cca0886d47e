/* SPDX-License-Identifier: MIT */
/*
 * How a program under the counting plugins says where an inference begins and
 * ends: by system calls that no kernel has (they return ENOSYS), which the
 * plugins see. What lies before the first one is not instrumented at all and
 * runs at the emulator's full speed.
 */
#ifndef BENCH_MARKS_H
#define BENCH_MARKS_H

#define BENCH_MARK_BEGIN 0x76676701 /* count from here on, as a warm-up */
#define BENCH_MARK_FROM 0x76676702  /* the reported part begins */
#define BENCH_MARK_TO 0x76676703    /* and ends */

#endif
