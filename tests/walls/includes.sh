#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Wall: data flows one way. preload and analyzer share common and nothing else; inside the analyzer a room includes only
# rooms to its left:  common < store, strings < proto < pass < model < view < main ;  out knows nobody but itself.
set -u
cd "$(dirname "$0")/../.." || exit 2
bad=0
seen=0

# forbid DIR-OR-FILES PATTERN REASON: no quoted include there may match.
forbid() {
	for file in $1; do
		[ -e "$file" ] || continue
		seen=$((seen + 1))
		hits=$(grep -nE "^#[ \t]*include[ \t]*\"($2)" "$file") || continue
		echo "$file: $3"
		echo "$hits"
		bad=1
	done
}

forbid 'common/*.[ch]' 'preload/|analyzer/' 'common is the contract: it knows neither side'
for file in common/*.[ch]; do
	grep -nE '^#[ \t]*include[ \t]*<(stdio|stdlib|pthread|time|unistd)\.h>' "$file" && { echo "$file: common prints, allocates and opens nothing"; bad=1; }
done
forbid 'preload/*.[chS]' 'analyzer/' 'the library knows nothing of the analyzer'
forbid 'analyzer/*.[ch] analyzer/*/*.[ch]' 'preload/' 'the analyzer knows nothing of the library'
# Outside of the traced program: settings, formats and names, nothing that records; and the library knows nothing of it.
forbid 'preload/outside/*.[ch]' 'analyzer/|preload/(call|conn|emit|flush|real|ring|thread|process|sys|arch)\.h' 'what stands outside does not record'
forbid 'preload/*.[ch]' 'preload/outside/' 'the library knows nothing of what starts it'
forbid 'analyzer/proto/*.[ch]' 'analyzer/(pass|view|out|model|store|load|main|opt)|common/' 'a grammar sees bytes, nothing else'
forbid 'analyzer/pass/*.[ch]' 'analyzer/(view|out|main|opt|load)' 'a pass prints nothing and takes no options'
forbid 'analyzer/view/*.[ch]' 'analyzer/(load|main)' 'a view asks the model'
forbid 'analyzer/out/*.[ch]' 'analyzer/(pass|view|model|store|load|proto|strings|main)|common/' 'a format does not know what an RPC is'

# Passes run in one order: none includes a later one.
order='place conn pair dgram align message span parent'
later=$order
for pass in $order; do
	later=${later#"$pass"}
	later=${later# }
	[ -n "$later" ] || continue
	forbid "analyzer/pass/$pass.h analyzer/pass/$pass*.c" "analyzer/pass/($(echo "$later" | tr ' ' '|'))\\.h" "pass $pass looks at a later pass"
done
[ "$seen" -gt 40 ] || { echo "looked at $seen files only: the rooms have moved?"; bad=1; }
exit $bad
