# Sourced by demo.sh and run_all.sh: from a bare Debian or Ubuntu machine to an
# installed covet.
#
#   setup_packages PACKAGE...   installs what is missing, picks PostgreSQL:
#                               sets PG_CONFIG, bindir
#   setup_user                  who runs servers and tests: sets tester
#   setup_scratch DIR           a folder of that user, DIR where it can be
#                               reached, else one in TMPDIR: sets scratch
#   setup_build                 builds and installs covet
#   setup_mongo                 a MongoDB server binary that tester can run:
#                               sets COVET_MONGO_SERVER; false without one
#   as_root CMD..., as_tester CMD...
#
# initdb and postgres refuse to run as root, so root steps down: to the user
# behind sudo, else to nobody (or COVET_TEST_USER). Packages and make install
# use sudo where this is not root.
# shellcheck shell=bash

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top" || exit 1

# A locale that every machine has; messages must not be translated.
export LC_ALL=C.UTF-8 LANG=C.UTF-8
unset LANGUAGE PGDATABASE PGHOST PGPORT PGUSER PGPASSWORD PGSERVICE PGOPTIONS PGDATA

say()
{
	printf '%s\n' "$@"
}

die()
{
	printf 'covet: %s\n' "$*" >&2
	exit 1
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo -- "$@"
	else
		die "this needs root: $* (run it as root, or install sudo)"
	fi
}

# --- packages ---------------------------------------------------------------

installed()
{
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# grep -q would leave at the first line, and a writer that then meets a closed
# pipe fails the pipeline.
known()
{
	apt-cache show "$1" 2>/dev/null | grep '^Version:' >/dev/null
}

# The PostgreSQL to build for: PG_CONFIG if it was given; else one that is
# installed whole; else one whose server is installed; else the newest that
# the distribution has.
pick_postgres()
{
	local v

	for v in 18 17 16 15; do
		if [ -x "/usr/lib/postgresql/$v/bin/postgres" ] &&
			[ -f "/usr/lib/postgresql/$v/lib/pgxs/src/makefiles/pgxs.mk" ]; then
			echo "$v"
			return
		fi
	done
	for v in 18 17 16 15; do
		if [ -x "/usr/lib/postgresql/$v/bin/postgres" ] && known "postgresql-server-dev-$v"; then
			echo "$v"
			return
		fi
	done
	for v in 18 17 16 15; do
		if known "postgresql-$v" && known "postgresql-server-dev-$v"; then
			echo "$v"
			return
		fi
	done
}

apt_updated=no
apt_update()
{
	[ "$apt_updated" = no ] || return 0
	say "Reading the package lists (apt-get update)"
	as_root apt-get update -qq || die "apt-get update failed"
	apt_updated=yes
}

# What apt-get prints, as one line for every 20 packages.
apt_progress()
{
	awk '
		/^Get:[0-9]/ { if (++got % 20 == 0) print "  " got " files downloaded" }
		/^Unpacking / { if (++unpacked % 20 == 0) print "  " unpacked " packages unpacked" }
		/^Setting up / { if (++set_up % 20 == 0) print "  " set_up " packages set up" }
		{ fflush() }'
}

# apt-get install. Debian's postgresql package creates a cluster and starts
# it; neither is wanted. Its script finds pg_createcluster through PATH, so a
# pg_createcluster that does nothing stands first there, and RUNLEVEL=1 keeps
# invoke-rc.d from starting services. Both last for this one command only.
apt_install()
{
	local shims log status=0

	shims=$(mktemp -d "${TMPDIR:-/tmp}/covet-apt.XXXXXX")
	log=$shims/log
	printf '#!/bin/sh\nexit 0\n' >"$shims/pg_createcluster"
	chmod 0755 "$shims" "$shims/pg_createcluster"
	as_root env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
		apt-get install -y --no-install-recommends -o Dpkg::Use-Pty=0 \
		-o "DPkg::Path=$shims:/usr/sbin:/usr/bin:/sbin:/bin" "$@" \
		</dev/null 2>&1 | tee "$log" | apt_progress || status=1
	if [ "$status" != 0 ]; then
		tail -n 15 "$log" >&2
	fi
	rm -rf "$shims"
	return "$status"
}

install_missing()
{
	local package missing=()

	for package in "$@"; do
		installed "$package" || missing+=("$package")
	done
	[ "${#missing[@]}" -gt 0 ] || return 0
	for package in "${missing[@]}"; do
		known "$package" || apt_update
	done
	say "Installing ${missing[*]} and what they need"
	if ! apt_install "${missing[@]}"; then
		# The lists may be older than the archive.
		[ "$apt_updated" = no ] || die "apt-get install failed"
		apt_update
		apt_install "${missing[@]}" || die "apt-get install failed"
	fi
}

setup_packages()
{
	local version='' started=$SECONDS

	if ! command -v apt-get >/dev/null; then
		if [ -z "${PG_CONFIG:-}" ] || [ "$PG_CONFIG" = pg_config ]; then
			die "this installs packages with apt-get, which is not here: use Debian or Ubuntu, or set PG_CONFIG and install the rest yourself"
		fi
		say "There is no apt-get: taking for granted that $* are here"
		set --
	fi
	if [ -z "${PG_CONFIG:-}" ] || [ "$PG_CONFIG" = pg_config ]; then
		version=$(pick_postgres)
		if [ -z "$version" ]; then
			apt_update
			version=$(pick_postgres)
		fi
		[ -n "$version" ] ||
			die "this distribution has no PostgreSQL from 15 to 18: add the repository apt.postgresql.org and try again"
		set -- "postgresql-$version" "postgresql-server-dev-$version" "$@"
		PG_CONFIG=/usr/lib/postgresql/$version/bin/pg_config
	fi
	if ! find_pip && [ -z "${COVET_MONGO_SERVER:-}" ]; then
		set -- "$@" python3-pip
	fi
	if command -v apt-get >/dev/null; then
		install_missing "$@"
	fi
	export PG_CONFIG
	bindir=$("$PG_CONFIG" --bindir) || die "$PG_CONFIG does not run"
	say "Using $("$PG_CONFIG" --version) in $bindir ($((SECONDS - started)) s)"
}

find_pip()
{
	python3 -m pip --version >/dev/null 2>&1 || /usr/bin/python3 -m pip --version >/dev/null 2>&1
}

# --- the unprivileged user --------------------------------------------------

setup_user()
{
	if [ "$(id -u)" != 0 ]; then
		tester=$(id -un)
		return
	fi
	tester=${COVET_TEST_USER:-}
	if [ -z "$tester" ]; then
		tester=nobody
		if [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ] && id "$SUDO_USER" >/dev/null 2>&1; then
			tester=$SUDO_USER
		fi
	fi
	id "$tester" >/dev/null || die "there is no user \"$tester\" to run the servers"
	say "Servers and tests run as the user \"$tester\""
}

# Starts in the scratch folder: the tester need not be able to enter this one.
as_tester()
{
	local dir=${scratch:-/tmp}

	if [ "$(id -u)" = 0 ]; then
		[ -d "$dir" ] || dir=/tmp
		setpriv --reuid="$tester" --regid="$(id -g "$tester")" --clear-groups --no-new-privs -- \
			env -C "$dir" HOME="$dir" USER="$tester" LOGNAME="$tester" "$@"
	else
		"$@"
	fi
}

# A folder nobody else has made, owned by the tester; in the project where the
# tester can get there, else (a clone below /root, say) in TMPDIR.
setup_scratch()
{
	local wanted=$1

	rm -rf "$wanted"
	mkdir -p "$wanted"
	scratch=$wanted
	if [ "$(id -u)" = 0 ]; then
		chown "$tester:" "$scratch"
		if ! as_tester test -w "$scratch" -a -x "$scratch" 2>/dev/null; then
			rmdir "$wanted"
			scratch=$(mktemp -d "${TMPDIR:-/tmp}/covet.XXXXXX")
			chown "$tester:" "$scratch"
			as_tester test -w "$scratch" || die "the user \"$tester\" can write neither in $top nor in $scratch"
			say "The user \"$tester\" cannot reach $top: working in $scratch"
		fi
	fi
	chmod 0755 "$scratch"
}

# --- build ------------------------------------------------------------------

# As the tester when sudo brought us here, so that no file of root's is left in
# the user's folder.
as_builder()
{
	if [ "$(id -u)" = 0 ] && [ "$tester" = "${SUDO_USER:-}" ] && as_tester test -w "$top" 2>/dev/null; then
		as_tester "$@"
	else
		"$@"
	fi
}

setup_build()
{
	local stamp="$top/tmp/built" now started=$SECONDS

	# PGXS does not know that the compiler's flags or the server changed.
	now="$("$PG_CONFIG" --version) $bindir ${COVET_CFLAGS:-} ${WITH_MONGO:-yes}"
	as_builder mkdir -p "$top/tmp"
	if [ "$(cat "$stamp" 2>/dev/null)" != "$now" ]; then
		as_builder make -s -C "$top" clean PG_CONFIG="$PG_CONFIG" >/dev/null
	fi
	say "Building covet"
	as_builder make -s -C "$top" -j"$(nproc)" all PG_CONFIG="$PG_CONFIG" COVET_CFLAGS="${COVET_CFLAGS:-}" WITH_MONGO="${WITH_MONGO:-yes}" ||
		die "the build failed"
	printf '%s\n' "$now" | as_builder tee "$stamp" >/dev/null
	if [ -w "$("$PG_CONFIG" --pkglibdir)" ] && [ -w "$("$PG_CONFIG" --sharedir)/extension" ]; then
		make -s install PG_CONFIG="$PG_CONFIG" COVET_CFLAGS="${COVET_CFLAGS:-}" WITH_MONGO="${WITH_MONGO:-yes}"
	else
		as_root make -s install PG_CONFIG="$PG_CONFIG" COVET_CFLAGS="${COVET_CFLAGS:-}" WITH_MONGO="${WITH_MONGO:-yes}"
	fi || die "make install failed"
	say "Built and installed covet $(sed -n "s/^default_version = '\(.*\)'/\1/p" covet.control) in $((SECONDS - started)) s"
}

# --- MongoDB ----------------------------------------------------------------

setup_mongo()
{
	local server

	server=${COVET_MONGO_SERVER:-}
	if [ -z "$server" ]; then
		server=$(as_builder bash "$top/test/install_mongo_server.sh") || return 1
	fi
	if ! as_tester test -x "$server"; then
		# With the libraries that stand in the folder beside its own.
		cp -R "$(dirname "$(dirname "$server")")" "$scratch/mongo-server"
		chmod -R a+rX "$scratch/mongo-server"
		server=$scratch/mongo-server/$(basename "$(dirname "$server")")/$(basename "$server")
	fi
	export COVET_MONGO_SERVER=$server
}
