#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Wall: the library exports exactly the rows of calls.def: no wrapper without a row, no row without a wrapper, and none of
# the libraries inside it shows.
set -u
cd "$(dirname "$0")/../.." || exit 2
build=${DPROF_BUILD:-build}
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT

printf '#define CALL(name, ...) @@name@@\n#include "preload/calls.def"\n' |
	cc -E -P -I. -D_GNU_SOURCE -x c - | grep -o '@@[A-Za-z0-9_]*@@' | tr -d @ | sort >"$scratch/rows"
nm -D --defined-only "$build/libdprof.so" | awk '$2 ~ /[TWBDVi]/ { sub(/@.*/, "", $3); print $3 }' | sort >"$scratch/exports"
[ "$(wc -l <"$scratch/rows")" -gt 40 ] || { echo "calls.def has hardly any rows: is it read right?"; exit 1; }
diff -u "$scratch/rows" "$scratch/exports" && exit 0
echo "'-' is a row of calls.def without a wrapper, '+' a symbol that has no row"
exit 1
