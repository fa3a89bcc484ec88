#!/usr/bin/env bash
# Checks the rules of src/ that a compiler does not know:
#
#   - includes point down only. The layers, lowest first, are base, codec,
#     stats, hot, store, worker, the nouns (src/*.c and their headers) and
#     covet.c. Beside them stand bson and mongo, the second library: they
#     include nothing but base, bson and mongo (bson not mongo), and no other
#     room includes them. src/covet.h, the words all rooms share, includes no
#     other header of ours.
#   - PG_VERSION_NUM stands in src/base/compat.h only.
#   - every symbol our objects export begins with covet_ (or is one that
#     PostgreSQL asks for). Only objects that are built are looked at.
#   - base names of source files are unique, as their .deps files must be.
#
#   check_layers.sh [DIR]        check the tree DIR, this one if left out
#   check_layers.sh --self-test  plant one violation of each kind in a copy
#                                and show that each is caught
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname "$here")

# rank FILE (relative to src/): its layer, or "bson"/"mongo" for the side rooms.
rank()
{
	case $1 in
		covet.h) echo 0 ;;
		base/*) echo 1 ;;
		codec/*) echo 2 ;;
		stats/*) echo 3 ;;
		hot/*) echo 4 ;;
		store/*) echo 5 ;;
		worker/*) echo 6 ;;
		bson/*) echo bson ;;
		mongo/*) echo mongo ;;
		covet.c) echo 8 ;;
		*/*) echo unknown ;;
		*) echo 7 ;;
	esac
}

# may_include FROM TO: is a file of rank FROM allowed a header of rank TO?
may_include()
{
	case $1:$2 in
		*:unknown | unknown:*) return 1 ;;
		bson:[01] | bson:bson) return 0 ;;
		mongo:[01] | mongo:bson | mongo:mongo) return 0 ;;
		bson:* | mongo:* | *:bson | *:mongo) return 1 ;;
	esac
	[ "$2" -le "$1" ]
}

check_includes()
{
	local file header from to number line target

	while IFS= read -r file; do
		from=$(rank "$file")
		if [ "$from" = unknown ]; then
			complain "src/$file: no layer is known for this folder"
			continue
		fi
		while IFS=: read -r number line; do
			header=$(sed -E 's/^[^"<]*["<]([^">]+)[">].*/\1/' <<<"$line")
			if [ -f "src/$header" ]; then
				target=$header
			elif [ -f "src/$(dirname "$file")/$header" ]; then
				target=$(realpath --relative-to=src "src/$(dirname "$file")/$header")
			else
				continue # a header of the system or of PostgreSQL
			fi
			to=$(rank "$target")
			if [ "$from" = 0 ]; then
				complain "src/$file:$number: covet.h includes $target, but it stands below all rooms"
			elif ! may_include "$from" "$to"; then
				complain "src/$file:$number: includes $target, which is not below it"
			fi
		done < <(grep -nE '^[[:space:]]*#[[:space:]]*include' "src/$file" || true)
	done < <(cd src && find . -name '*.[ch]' -printf '%P\n' | sort)
}

check_version_ifs()
{
	local hit

	while IFS= read -r hit; do
		complain "$hit: PG_VERSION_NUM belongs in src/base/compat.h only"
	done < <(grep -rnoE 'PG_VERSION_NUM' --include='*.[ch]' src | grep -v '^src/base/compat\.h:' || true)
}

check_symbols()
{
	local object symbol

	command -v nm >/dev/null || return 0
	# AddressSanitizer adds a __odr_asan.NAME for a NAME.
	while IFS= read -r object; do
		while IFS= read -r symbol; do
			complain "$object: exports $symbol, whose name does not begin with covet_"
		done < <(nm -g --defined-only "$object" | awk 'NF == 3 {print $3}' |
			grep -vE '^(__odr_asan\.)?(covet_|pg_finfo_covet_|_PG_init$|_PG_fini$|Pg_magic_func$)' || true)
	done < <(find src -name '*.o' | sort)
}

check_basenames()
{
	local name

	while IFS= read -r name; do
		complain "src/: more than one source file is called $name"
	done < <(find src -name '*.c' -printf '%f\n' | sort | uniq -d)
}

complaints=0
complain()
{
	echo "$1"
	complaints=$((complaints + 1))
}

check_tree()
{
	cd "$1"
	[ -n "$(find src -name '*.c' -print -quit)" ] || complain "there are no sources in $1/src"
	check_includes
	check_version_ifs
	check_symbols
	check_basenames
	if [ "$complaints" -gt 0 ]; then
		echo "layers: $complaints violations"
		return 1
	fi
	echo "layers: $(find src -name '*.[ch]' | wc -l) files and $(find src -name '*.o' | wc -l) objects keep the rules"
}

# plant WHAT EXPECTED FILE LINE: with LINE appended to FILE of a fresh copy,
# the check must fail and its output must hold EXPECTED.
plant()
{
	local what=$1 expected=$2 file=$3 line=$4 output

	rm -rf "$copy"
	mkdir -p "$copy"
	(cd "$top" && find src -name '*.[ch]' -print0 | xargs -0 cp --parents -t "$copy")
	mkdir -p "$(dirname "$copy/$file")"
	printf '%s\n' "$line" >>"$copy/$file"
	# The headers that the planted lines name, should a room not be there yet.
	mkdir -p "$copy"/src/{base,codec,store,worker,bson,mongo}
	touch "$copy"/src/{base,codec,store,worker,bson,mongo}/planted.h "$copy/src/planted_noun.h"
	if output=$(bash "$here/check_layers.sh" "$copy" 2>&1); then
		echo "not caught: $what"
		failures=$((failures + 1))
	elif ! grep -qF -- "$expected" <<<"$output"; then
		echo "caught, but not for its reason: $what"
		echo "$output"
		failures=$((failures + 1))
	else
		echo "caught: $what"
	fi
}

self_test()
{
	local failures=0 copy

	copy=$(mktemp -d)
	# shellcheck disable=SC2064 # the name is wanted as it is now
	trap "rm -rf '$copy'" EXIT
	plant 'base includes codec' 'src/base/clock.c:' \
		src/base/clock.c '#include "codec/planted.h"'
	plant 'codec includes store by angle brackets' 'src/codec/frame.c:' \
		src/codec/frame.c '#include <store/planted.h>'
	plant 'store includes worker' 'src/store/planted.c:1:' \
		src/store/planted.c '#include "worker/planted.h"'
	plant 'worker includes a noun, relative to itself' 'src/worker/planted.c:1:' \
		src/worker/planted.c '#  include "../planted_noun.h"'
	plant 'a noun includes mongo' 'src/planted.c:1:' \
		src/planted.c '#include "mongo/planted.h"'
	plant 'covet.c includes bson' 'src/covet.c:' \
		src/covet.c '#include "bson/planted.h"'
	plant 'mongo includes store' 'src/mongo/mongo.c:' \
		src/mongo/mongo.c '#include "store/planted.h"'
	plant 'bson includes mongo' 'src/bson/planted.c:1:' \
		src/bson/planted.c '#include "mongo/planted.h"'
	plant 'covet.h includes base' 'src/covet.h:' \
		src/covet.h '#include "base/planted.h"'
	plant 'a room nobody has ranked' 'src/attic/planted.c: no layer' \
		src/attic/planted.c '/* dust */'
	plant 'PG_VERSION_NUM outside compat.h' 'src/covet.c:' \
		src/covet.c '#if PG_VERSION_NUM >= 170000'
	plant 'two files of one name' 'more than one source file is called frame.c' \
		src/store/frame.c '/* a frame */'
	if command -v cc >/dev/null && command -v nm >/dev/null; then
		plant_symbol
	else
		echo "not tried without cc and nm: a symbol without the prefix"
	fi
	[ "$failures" = 0 ]
}

plant_symbol()
{
	local output

	printf 'int stray_symbol;\nint covet_good_symbol;\n' >"$copy/src/planted_symbol.c"
	cc -c -o "$copy/src/planted_symbol.o" "$copy/src/planted_symbol.c"
	rm -f "$copy/src/store/frame.c"
	output=$(bash "$here/check_layers.sh" "$copy" 2>&1) || true
	if grep -qF 'exports stray_symbol' <<<"$output" && ! grep -qF covet_good_symbol <<<"$output"; then
		echo "caught: a symbol without the prefix"
	else
		echo "not caught: a symbol without the prefix"
		failures=$((failures + 1))
	fi
}

if [ "${1:-}" = --self-test ]; then
	self_test
else
	check_tree "${1:-$top}"
fi
