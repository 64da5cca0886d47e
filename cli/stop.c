// SPDX-License-Identifier: MIT
/* See stop.h. */
#include <signal.h>
#include <stddef.h>

#include "stop.h"

static const int signals[] = { SIGINT, SIGTERM };
static volatile sig_atomic_t caught;

static void ask(int number)
{
	caught = number;
}

void stop_catch(void)
{
	/* Calls into the driver are restarted: a job that waits isn't lost. */
	struct sigaction now = { .sa_handler = ask,
				 .sa_flags = SA_RESTART | (int)SA_RESETHAND },
			 before;
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (!sigaction(signals[i], NULL, &before) &&
		    before.sa_handler != SIG_IGN)
			sigaction(signals[i], &now, NULL);
}

bool stop_asked(void)
{
	return caught != 0;
}

void stop_end(void)
{
	if (!caught)
		return;
	signal(caught, SIG_DFL);
	raise(caught);
}
