/* SPDX-License-Identifier: MIT */
/*
 * Ctrl-C and kill for verbs whose half is worth something. The first signal asks
 * to stop: cli_progress() tells the library so, and the verb tells what there is.
 * The second one ends the program, as if nobody had caught it; so does the first
 * one in the end, for a shell that must know.
 */
#ifndef VGGCTL_STOP_H
#define VGGCTL_STOP_H

#include <stdbool.h>

/* From now on. A signal that is ignored (nohup) stays so. */
void stop_catch(void);
bool stop_asked(void);
/* Ends the program if it was; call it when all is written. */
void stop_end(void);

#endif
