#!/bin/sh
# SPDX-License-Identifier: MIT
# Debian's Python, whatever else is first in the PATH: it is the one that
# python3-numpy belongs to.
exec /usr/bin/python3 -B "$(dirname "$0")/given.py" "$@"
