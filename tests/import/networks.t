#!/bin/sh
# SPDX-License-Identifier: MIT
# README.md's table of networks: the small ones are measured again, with all 200
# inputs, and one of full size with two; the table shows what was measured.
cd "$(dirname "$0")/../.." || exit 1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

echo 1..4
number=0
result() {
	number=$((number + 1))
	if [ "$1" = 0 ]; then echo "ok $number - $2"; else echo "not ok $number - $2"; fi
}

measured() {
	/usr/bin/python3 -B tools/networks --check "$@" >"$tmp/log" 2>&1
	status=$?
	sed 's/^/# /' "$tmp/log"
	return $status
}

measured --only minivgg,minivgg_wide
result $? "mini-VGGs: 200 inputs"
measured --only vgg16_stl10 --inputs 20
result $? "VGG16 for STL-10: 20 inputs"
measured --only vgg16 --inputs 2
result $? "VGG16: 2 inputs"

sed -n '/^<!-- tools\/networks/,/^<!-- its end/p' README.md | grep -v '^<!--' >"$tmp/shown"
/usr/bin/python3 -B tools/networks --table >"$tmp/table"
diff "$tmp/shown" "$tmp/table" | sed 's/^/# /'
[ -s "$tmp/table" ] && cmp -s "$tmp/shown" "$tmp/table"
result $? "README.md shows what tools/networks.json has: make networks"
