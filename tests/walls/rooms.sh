#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Wall: every room has its page, every thing one can add has its HOWTO, and every file that a page names exists.
set -u
cd "$(dirname "$0")/../.." || exit 2
bad=0
for room in common preload preload/outside analyzer analyzer/pass analyzer/proto analyzer/view analyzer/out scripts scripts/recipes tests tests/hosts; do
	case $room in common) page=common/FORMAT.md ;; *) page=$room/README.md ;; esac
	[ -s "$page" ] || { echo "$room has no page ($page)"; bad=1; }
done
for thing in call pass protocol view format; do
	find preload analyzer -name "HOWTO-add-a-$thing.md" | grep -q . || { echo "no HOWTO-add-a-$thing.md"; bad=1; }
done
for page in README.md $(find common preload analyzer scripts tests -name '*.md'); do
	dir=$(dirname "$page")
	for link in $(grep -oE '\]\([^)#: ]+\)' "$page" | sed 's/^](//; s/)$//'); do
		[ -e "$dir/$link" ] || { echo "$page points to $link, which is not there"; bad=1; }
	done
	case $page in *HOWTO*) continue ;; esac # names what its reader will make
	for path in $(grep -oE '`(common|preload|analyzer|scripts|tests)/[A-Za-z0-9_./-]+`' "$page" | tr -d '`'); do
		[ -e "$path" ] || { echo "$page names $path, which is not there"; bad=1; }
	done
done
exit $bad
