#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Wall: who may call what (STYLE: the guest's laws), read off the objects. The hot path reaches libc only through real.*,
# the vdso clock and memcpy; the flusher has no libc thread, so it may not allocate, print or lock; nothing in the library
# may end the program.
set -u
cd "$(dirname "$0")/../.." || exit 2
pic=${DPROF_BUILD:-build}/pic
bad=0

# Symbols that an object takes from elsewhere, ours left out.
ours=$(mktemp) || exit 2
trap 'rm -f "$ours"' EXIT
nm --defined-only "$pic"/preload/*.o "$pic"/common/*.o | awk 'NF == 3 { print $3 }' | sort -u >"$ours"

# allow OBJECTS WORDS: their outside symbols are among the words.
allow() {
	for name in $1; do
		object=$pic/$name.o
		[ -e "$object" ] || { echo "$object is missing: has the room moved?"; bad=1; continue; }
		for symbol in $(nm -u "$object" | awk '{ sub(/@.*/, "", $2); print $2 }' | sort -u | comm -23 - "$ours"); do
			case " $2 _GLOBAL_OFFSET_TABLE_ __stack_chk_fail __tls_get_addr _Unwind_Resume __gcc_personality_v0 __ehdr_start _end " in
			*" $symbol "*) ;;
			*) echo "$name uses $symbol"; bad=1 ;;
			esac
		done
	done
}

hot='memcpy memset memmove clock_gettime'
allow 'preload/stream preload/moved preload/packet preload/wait preload/call preload/conn preload/conn_tell preload/slab preload/kept preload/emit preload/gate preload/ring preload/stamp' "$hot"
# Plaintext: errno only where there is no library to call.
allow 'preload/tls preload/openssl preload/gnutls' "$hot __errno_location"
allow 'preload/tls_find' "$hot dl_iterate_phdr"
flusher="$hot memcmp strlen memchr strcmp strncmp ZSTD_createCCtx_advanced ZSTD_freeCCtx ZSTD_CCtx_setParameter ZSTD_compress2 ZSTD_compressBound ZSTD_isError"
allow 'preload/flush preload/drain preload/encoder preload/file preload/region preload/identity preload/peer preload/salvage preload/say preload/text preload/control preload/segment common/encode common/window' "$flusher"
# Masking is pure: bytes in, bytes out.
allow 'preload/secret preload/secret_scan preload/secret_value preload/secret_word preload/secret_sniff preload/secret_sql preload/secret_resp preload/secret_http2 preload/secret_wire preload/secret_cgi' 'memcpy memset memmove memcmp memchr strlen'
# What starts it does so on the program's thread.
allow 'preload/spawn' "$flusher __errno_location"

for object in "$pic"/preload/*.o; do
	case $object in *_main.o) continue ;; esac
	for symbol in $(nm -u "$object" | awk '{ sub(/@.*/, "", $2); print $2 }'); do
		case $symbol in
		exit | abort | __assert_fail | raise | printf | puts | setenv | unsetenv | putenv | chdir | signal | sigaction | err | perror)
			echo "$object uses $symbol: a guest does not"
			bad=1
			;;
		esac
	done
done
exit $bad
