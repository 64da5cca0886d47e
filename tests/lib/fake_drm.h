/* SPDX-License-Identifier: MIT */
/*
 * The kernel module, played in this process: libdrm's calls that the library
 * makes are answered here, by the rules of vggaccel_drm.h, with the simulated
 * card behind them and memory that is not coherent. A node is a plain file,
 * whose pages are the buffers and the ring of results; sysfs is a folder.
 */
#ifndef TEST_FAKE_DRM_H
#define TEST_FAKE_DRM_H

#include <stdbool.h>
#include <stdint.h>

#include "uapi/vggaccel_drm.h"

struct fake_drm {
	/* What the next calls shall do; all 0 by default. */
	int refuse_submit;   /* errno of SUBMIT */
	int job_error;	     /* errno of every job that ends */
	uint32_t job_status; /* and its status */
	int info_error;
	uint32_t info_bytes; /* an older module's struct; 0: all of it */
	uint64_t features;   /* more than those it has */
	uint64_t most_ms;    /* of SET; 0: 600000 */
	uint32_t entries;    /* of the ring of results; 0: 256 */
	const char *driver;  /* name in VERSION; NULL: the right one */
	bool mute;	     /* jobs never end */
	bool gone;	     /* the card has fallen off the bus */

	/* What was asked. */
	unsigned int submits, preps, finis, waits, sets, buffers;
	uint64_t timeout_ms;
	char mistake[128]; /* against the ABI; "" if none */
};
extern struct fake_drm fake_drm;

/* Makes the folder of a machine and returns its path; add to it below. */
const char *fake_machine(void);
/* A node of class "accel" or "drm", with its PCI device; driver NULL: none. */
void fake_node(const char *class_, const char *name, const char *bus,
	       const char *driver);
/* A PCI device of these ids without a node; driver may be NULL. */
void fake_pci(const char *bus, unsigned int vendor, unsigned int device,
	      const char *driver);

#endif
