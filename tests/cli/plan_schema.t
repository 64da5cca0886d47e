#!/bin/sh
# SPDX-License-Identifier: MIT
# Debian's own Python, which has Debian's python3-jsonschema.
set -eu
exec /usr/bin/python3 -B "$(dirname "$0")/plan_schema.py"
