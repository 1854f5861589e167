#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Wall: small files, small functions. .c and scripts <= 600 lines, headers <= 200, functions <= 60 lines, HOWTOs <= 40, room
# pages <= 90, the Makefile <= 120; no .c includes a .c; every source opens with its licence; no left-over marks.
set -u
cd "$(dirname "$0")/../.." || exit 2
bad=0
fail() { echo "$*"; bad=1; }

sources=$(find common preload analyzer scripts tests -type f \( -name '*.[chS]' -o -name '*.py' -o -name '*.sh' -o -name '*.def' \) | sort)
commands=$(find scripts tests .ci -type f -perm -u+x ! -name '*.py' ! -name '*.sh' | sort)
[ "$(echo "$sources" | wc -l)" -gt 20 ] || fail "found no sources: this test looks at nothing"

# over FILE LIMIT
over() {
	lines=$(wc -l <"$1")
	[ "$lines" -le "$2" ] || fail "$1: $lines lines, at most $2"
}

for file in $sources $commands; do
	case $file in
	*.h) over "$file" 200 ;;
	*) over "$file" 600 ;;
	esac
	head -n 3 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || fail "$file: no SPDX line at the top"
done
over Makefile 120
for page in $(find . -name 'HOWTO*.md' -not -path './build/*'); do over "$page" 40; done
for page in $(find common preload analyzer scripts tests -name README.md); do over "$page" 90; done

# A function body starts at a brace in the first column and ends at one.
for file in $(echo "$sources" | grep '\.[ch]$'); do
	awk -v file="$file" '
		/^\{/ { start = NR }
		/^\}/ { if (start && NR - start > 60) { printf "%s:%d: function of %d lines, at most 60\n", file, start, NR - start; bad = 1 } start = 0 }
		/^#[ \t]*include[ \t]*["<][^">]*\.c[">]/ { printf "%s:%d: includes a .c file\n", file, NR; bad = 1 }
		END { exit bad }' "$file" || bad=1
done

# The words are put together here, so that this file does not find itself.
# shellcheck disable=SC2086
grep -nE "\\b(TO""DO|FIX""ME|XX""X|HA""CK)\\b" $sources $commands && bad=1

exit $bad
