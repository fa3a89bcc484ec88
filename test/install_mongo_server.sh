#!/usr/bin/env bash
# Fetches the MongoDB-compatible server that the tests and the demo start, and
# prints the path of its binary as the last line.
#
# Debian has no package of mongod. SecantusDB speaks its wire protocol, comes
# from PyPI as a wheel and needs no Python once unpacked. The wheel is built
# for Python 3.10 to 3.13, so that version is named whatever runs pip here.
# It is a tool of the tests (GPL-2.0), never linked and never shipped.
#
# It goes to tmp/ in the project's folder, which git ignores; a second call
# finds it there. A change of version below fetches the new one.
set -euo pipefail

version=0.6.0b17
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dir=$top/tmp/mongo-server-$version
server=$dir/secantusdb.scripts/secantusd-rs

if [ ! -x "$server" ]; then
	work=$(mktemp -d "${TMPDIR:-/tmp}/covet-mongo.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	echo "Fetching the MongoDB server secantusdb $version from PyPI (22 MB)" >&2
	python=python3
	"$python" -m pip --version >/dev/null 2>&1 || python=/usr/bin/python3
	"$python" -m pip --disable-pip-version-check --no-cache-dir download --quiet \
		--no-deps --only-binary=:all: --python-version 3.13 --dest "$work" \
		"secantusdb==$version" >&2
	"$python" -m zipfile -e "$work"/secantusdb-*.whl "$work/unpacked"
	chmod 0755 "$work/unpacked/secantusdb.scripts/secantusd-rs"
	"$work/unpacked/secantusdb.scripts/secantusd-rs" --help >/dev/null
	mkdir -p "$top/tmp"
	rm -rf "$dir"
	mv "$work/unpacked" "$dir"
	chmod -R a+rX "$dir"
fi
echo "$server"
