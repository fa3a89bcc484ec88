#!/usr/bin/env bash
# `make demo`: installs what is missing, builds and installs covet, starts a
# private PostgreSQL and a private MongoDB server in demo/, runs demo.sql, and
# takes all of it away again. Exits with 0 only when every check held.
#
# KEEP=1              leaves both servers running and prints the psql line; the
#                     next run stops them first
# COVET_MONGO_URI     a MongoDB to use instead of one of our own (its database
#                     covet_demo is written to)
# COVET_TEST_USER     the user that runs the servers when this is root
# PG_CONFIG           another PostgreSQL than the distribution's
set -euo pipefail

# shellcheck source=test/setup.sh
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

started=$SECONDS
running=$top/tmp/demo-running # the folder of a demo that has servers

# stop_servers DIR: both servers that run from DIR, and their sockets.
stop_servers()
{
	local dir=$1 pid

	if [ -f "$dir/data/postmaster.pid" ]; then
		as_tester "$bindir/pg_ctl" -s -D "$dir/data" -m fast -w stop || true
	fi
	pid=$(cat "$dir/mongo.pid" 2>/dev/null || true)
	# The number may be another process's by now.
	if [ -n "$pid" ] && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "$dir/mongo"; then
		kill "$pid" || true
		for _ in $(seq 100); do
			[ -e "/proc/$pid" ] || break
			sleep 0.1
		done
	fi
	if [ -s "$dir/socket" ]; then
		socket=$(cat "$dir/socket")
		[ "$socket" = "$dir/s" ] || as_tester rm -rf "$socket"
	fi
}

finish()
{
	local status=$?

	trap - EXIT INT TERM
	if [ "$status" = 0 ] && [ "${KEEP:-}" = 1 ]; then
		exit 0
	fi
	if [ -n "${scratch:-}" ]; then
		if [ "$status" != 0 ] && [ -f "$scratch/postgres.log" ]; then
			say "" "The end of PostgreSQL's log:"
			tail -n 20 "$scratch/postgres.log"
		fi
		stop_servers "$scratch"
		rm -rf "$scratch" "$running"
	fi
	if [ "$status" != 0 ]; then
		say "The demo failed."
	fi
	exit "$status"
}

start_postgres()
{
	local began=$SECONDS output

	# The name of a Unix socket may not be longer than 107 bytes.
	socket=$scratch/s
	if [ "${#socket}" -gt 80 ]; then
		socket=$(as_tester mktemp -d /tmp/covet-demo.XXXXXX)
	else
		as_tester mkdir "$socket"
	fi
	as_tester chmod 0700 "$socket"
	printf '%s' "$socket" | as_tester tee "$scratch/socket" >/dev/null

	# Reached through the socket only, which only the user of the servers (and
	# root) can open: no port and no password is needed.
	output=$(as_tester "$bindir/initdb" -D "$scratch/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 2>&1) ||
		{ say "$output"; die "initdb failed"; }
	as_tester tee -a "$scratch/data/postgresql.conf" >/dev/null <<-EOF
		shared_preload_libraries = 'covet'
		listen_addresses = ''
		unix_socket_directories = '$socket'
	EOF
	as_tester "$bindir/pg_ctl" -s -D "$scratch/data" -l "$scratch/postgres.log" -w start </dev/null ||
		{ tail -n 20 "$scratch/postgres.log" || true; die "the private PostgreSQL did not start"; }
	psql=("$bindir/psql" -X -q -h "$socket" -p 5432 -U postgres)
	as_tester "${psql[@]}" -d postgres -c 'CREATE DATABASE demo'
	say "Started a private PostgreSQL in $scratch ($((SECONDS - began)) s)"
}

# A free port is the server's to choose: it prints the one it took.
start_mongo()
{
	local port=''

	setup_mongo || die "the MongoDB server could not be fetched (give one with COVET_MONGO_URI)"
	# shellcheck disable=SC2016 # $0 and $1 are those of the inner shell
	as_tester sh -c 'cd "$0" && echo $$ >mongo.pid && exec "$1" --host 127.0.0.1 --port 0 \
		--storage-path "$0/mongo" --log-file-max 64MB --cache-size 256M >mongo.log 2>&1' \
		"$scratch" "$COVET_MONGO_SERVER" </dev/null >/dev/null 2>&1 &
	disown
	for _ in $(seq 300); do
		port=$(sed -nE 's/.*listening on 127\.0\.0\.1:([0-9]+).*/\1/p' "$scratch/mongo.log" 2>/dev/null | head -n 1 || true)
		[ -z "$port" ] || break
		sleep 0.1
	done
	[ -n "$port" ] || { tail -n 20 "$scratch/mongo.log"; die "the private MongoDB server did not start"; }
	export DEMO_URI="mongodb://127.0.0.1:$port/?directConnection=true" DEMO_USER='' DEMO_PASSWORD=''
	say "Started a private MongoDB server on 127.0.0.1:$port"
}

# Name and password of COVET_MONGO_URI belong in the user mapping.
percent_decode()
{
	local encoded=${1//\\/\\\\}

	printf '%b' "${encoded//%/\\x}"
}

use_given_mongo()
{
	local scheme=${COVET_MONGO_URI%%://*} rest=${COVET_MONGO_URI#*://} credentials='' hosts

	hosts=${rest%%/*}
	if [ "$hosts" != "${hosts%@*}" ]; then
		credentials=${hosts%@*}
		rest=${rest#"$credentials@"}
	fi
	DEMO_URI=$scheme://$rest
	DEMO_USER=$(percent_decode "${credentials%%:*}")
	DEMO_PASSWORD=''
	[ "$credentials" = "${credentials#*:}" ] || DEMO_PASSWORD=$(percent_decode "${credentials#*:}")
	export DEMO_URI DEMO_USER DEMO_PASSWORD
	say "Using the MongoDB of COVET_MONGO_URI"
}

setup_packages gcc libc6-dev pkg-config libzstd-dev libmongoc-dev iso-codes
setup_user
if [ -s "$running" ]; then
	last=$(cat "$running")
	say "Stopping what the last demo left in $last"
	stop_servers "$last"
	rm -rf "$last" "$running" || die "it cannot be removed: do that as the user that started it"
fi
setup_build
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
setup_scratch "$top/demo"
printf '%s\n' "$scratch" >"$running"
start_postgres
if [ -n "${COVET_MONGO_URI:-}" ]; then
	use_given_mongo
else
	start_mongo
fi

export DEMO_DATABASE=covet_demo DEMO_KEEP=0
if [ "${KEEP:-}" = 1 ]; then
	DEMO_KEEP=1
fi
as_tester "${psql[@]}" -d demo <test/demo.sql

say "The demo took $((SECONDS - started)) s."
if [ "${KEEP:-}" = 1 ]; then
	say "" "Both servers are left running. To look around:" \
		"  $bindir/psql -h $socket -U postgres demo" \
		"MongoDB is at $DEMO_URI. The next make demo stops them."
fi
