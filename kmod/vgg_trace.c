// SPDX-License-Identifier: GPL-2.0
/* The tracepoints' own code. */
#ifndef __CHECKER__
#define CREATE_TRACE_POINTS
#include "vgg_trace.h"
#endif
