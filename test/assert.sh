#!/usr/bin/env bash
# The whole of test/run_all.sh against a PostgreSQL with assertions, built from
# the distribution's source package:
#
#   test/assert.sh          assertions in the server and in covet
#   test/assert.sh asan     and covet under AddressSanitizer and UBSan
#
# The server has the major version of pg_config (PG_CONFIG: another one). It is
# built once and kept in tmp/assert; remove that folder to have a newer one.
# Too long for every run of CI: minutes of compiling come first.
#
# COVET_ASSERT_DIR    where it is built and kept instead, if the user that runs
#                     the servers cannot reach this project's folder
# COVET_TEST_USER     the user that runs the servers when this is root
# PROVE_FLAGS         passed on to prove
#
# Ends with "N passed, N failed".
set -euo pipefail

# shellcheck source=test/setup.sh
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

mode=${1:-}
case $mode in
	'' | asan) ;;
	*) die "usage: test/assert.sh [asan]" ;;
esac

# apt-get or apt-cache with package lists of its own, which hold the sources only:
# those of the machine are neither read nor changed.
source_apt()
{
	local program=$1

	shift
	"$program" -qq -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$dir/apt/sources" \
		-o "Dir::State::Lists=$dir/apt/lists" -o "Dir::Cache=$dir/apt/cache" \
		-o APT::Sandbox::User=root "$@"
}

# The machine's repositories as repositories of sources. Files of one line a
# repository end in .list, files of one paragraph in .sources.
write_sources()
{
	local file

	rm -rf "$dir/apt"
	mkdir -p "$dir/apt/sources" "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial"
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -f "$file" ] || continue
		sed -n 's/^deb[[:space:]]/deb-src /p' "$file" >"$dir/apt/sources/$(basename "$file" .list).list"
	done
	for file in /etc/apt/sources.list.d/*.sources; do
		[ -f "$file" ] || continue
		sed 's/^Types:.*/Types: deb-src/' "$file" >"$dir/apt/sources/$(basename "$file")"
	done
}

# Downloads the newest version of the source package that can be had: the lists
# of a mirror may name one that it has not, or not any more.
download_source()
{
	local version

	for version in $(source_apt apt-cache showsrc "postgresql-$major" |
		sed -n 's/^Version: //p' | sort -rVu); do
		if source_apt apt-get source --download-only "postgresql-$major=$version" >"$dir/build.log" 2>&1; then
			say "  $version"
			return
		fi
	done
	cat "$dir/build.log" >&2
	die "no repository of this machine has the source package postgresql-$major"
}

# The source, unpacked, in $dir/package/source.
fetch_source()
{
	say "Fetching the source package postgresql-$major"
	write_sources
	source_apt apt-get update || die "apt-get update of the lists of sources failed"
	rm -rf "$dir/package"
	mkdir "$dir/package"
	cd "$dir/package"
	download_source
	dpkg-source -x ./*.dsc source >"$dir/build.log" 2>&1 ||
		die "the source package cannot be unpacked, see $dir/build.log"
	rm -rf "$dir/apt"
}

# A line for every 100 files that make has compiled.
compile_progress()
{
	awk '/ -c / && ++n % 100 == 0 { print "  " n " files compiled"; fflush() }'
}

# build STEP COMMAND...: runs it, its output into build.log.
build()
{
	local step=$1

	shift
	say "$step"
	"$@" </dev/null 2>&1 | tee -a "$dir/build.log" | compile_progress || {
		tail -n 20 "$dir/build.log" >&2
		die "that failed, see $dir/build.log"
	}
}

# Into $server. It is configured without what covet's tests have no use for.
build_server()
{
	local started=$SECONDS

	fetch_source
	cd "$dir/package/source"
	build "Configuring PostgreSQL $(sed -n "s/^PACKAGE_VERSION='\(.*\)'/\1/p" configure)" \
		env CFLAGS='-O1 -g' ./configure --prefix="$server" \
		--enable-cassert --enable-debug --enable-tap-tests --without-icu --without-readline
	build "Compiling it" make -j"$(nproc)"
	rm -rf "$server"
	build "Installing it into $server" make install
	cd "$top"
	rm -rf "$dir/package"
	touch "$server/complete"
	say "Built in $((SECONDS - started)) s"
}

setup_packages make gcc libc6-dev bison flex perl dpkg-dev zlib1g-dev libipc-run-perl
setup_user
major=$("$PG_CONFIG" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
dir=${COVET_ASSERT_DIR:-$top/tmp/assert}
server=$dir/postgresql-$major
mkdir -p "$dir"
as_tester test -x "$dir" ||
	die "the user \"$tester\" cannot reach $dir: name another folder with COVET_ASSERT_DIR"
if [ -f "$server/complete" ]; then
	say "Using the server in $server"
else
	build_server
fi

export PG_CONFIG=$server/bin/pg_config
COVET_CFLAGS='-Wall -Wextra -Werror'
if [ "$mode" = asan ]; then
	# The server is not built with it, so the runtime has to be there first. What
	# the server leaves to the end of the process is no leak; a report ends the
	# process as a failed assertion does, and is in the server's log.  What is freed
	# is not kept for long, for the tests that measure memory.
	COVET_CFLAGS="$COVET_CFLAGS -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"
	COVET_TEST_ENV="LD_PRELOAD=$(gcc -print-file-name=libasan.so):$(gcc -print-file-name=libubsan.so)"
	COVET_TEST_ENV="$COVET_TEST_ENV ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:quarantine_size_mb=8 UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1"
	export COVET_TEST_ENV
fi
export COVET_CFLAGS
exec bash "$top/test/run_all.sh"
