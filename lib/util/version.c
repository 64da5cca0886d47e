// SPDX-License-Identifier: MIT
#include "vggaccel.h"

const char *vgg_version(void)
{
	return VGG_VERSION;
}
