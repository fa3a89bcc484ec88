#!/usr/bin/env bash
# `make bench`: measures covet beside its peers, in servers of its own that it
# takes away again: PostgreSQL with covet (one without, for the rows that
# compare the two, and one with a small hot tier, for those that fill it), Redis
# and Memcached, all reached through Unix sockets.
#
# The rows are records in rows.txt, their SQL is in sql/, what is no pgbench
# script is in cells.sh, and report.py makes medians, tables and pictures.
#
# BENCH="PART..."     only these parts (cache, session, ...): all when not set
# QUICK=1             one short round to see that it works, headed SMOKE: prints
#                     its tables and writes nothing to bench/results
# ROUNDS, DURATION    rounds (3, and no fewer) and seconds of one measurement (2)
# BUSY=1              measures on a machine that is not quiet; not written to
#                     bench/results either
# PREBUILT=1          measures the covet that is installed instead of building
# COVET_TEST_USER     the user that runs the servers when this is root
# PG_CONFIG           another PostgreSQL than the distribution's
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=test/setup.sh
. "$here/../test/setup.sh"
# shellcheck source=bench/cells.sh
. "$here/cells.sh"

began=$SECONDS
quick=${QUICK:-}
[ "$quick" != 0 ] || quick=''
rounds=${ROUNDS:-3} duration=${DURATION:-2}
running=$top/tmp/bench-running # the folder of a run that has servers
base=100000000000              # the first key: all have twelve digits
small_size=8MB                 # the hot tier of the server that has it full
clients_default=8
keys_default=100000
publish=yes
if [ -n "$quick" ]; then
	rounds=1 duration=1 keys_default=5000 publish=no
elif [ "$rounds" -lt 3 ]; then
	die "a full run has at least three rounds (QUICK=1 has one)"
fi

# --- rows -------------------------------------------------------------------

# rows PART: its records, fields separated by tabs and without their padding.
rows()
{
	awk -F '|' -v part="$1" '
		/^[[:space:]]*(#|$)/ { next }
		{
			for (i = 1; i <= NF; i++) gsub(/^[[:space:]]+|[[:space:]]+$/, "", $i)
			if ($1 == part) print $1 "|" $2 "|" $3 "|" $4 "|" $5 "|" $6
		}' "$here/rows.txt"
}

known_parts()
{
	awk -F '|' '!/^[[:space:]]*(#|$)/ { gsub(/[[:space:]]/, "", $1); if (!seen[$1]++) print $1 }' "$here/rows.txt"
}

# The servers that the chosen parts need, by the names in their cells.
needs()
{
	local chosen

	for chosen in $parts; do
		rows "$chosen"
	done | cut -d '|' -f 6 | grep -E "$1" >/dev/null
}

# --- servers ----------------------------------------------------------------

# start_postgres NAME: a cluster with a database "bench", and covet in it
# unless NAME is "stock".
start_postgres()
{
	local name=$1 output

	as_tester mkdir -m 0700 "$sockets/$name"
	output=$(as_tester "$bindir/initdb" -N -D "$scratch/$name" -U postgres -A trust -E UTF8 --locale=C.UTF-8 2>&1) ||
		{ say "$output"; die "initdb failed"; }
	settings "$name" | as_tester tee -a "$scratch/$name/postgresql.conf" >/dev/null
	printf "listen_addresses = ''\nunix_socket_directories = '%s'\n" "$sockets/$name" |
		as_tester tee -a "$scratch/$name/postgresql.conf" >/dev/null
	as_tester "$bindir/pg_ctl" -s -D "$scratch/$name" -l "$scratch/$name.log" -w start </dev/null ||
		{ tail -n 20 "$scratch/$name.log" || true; die "the private PostgreSQL did not start"; }
	as_tester "$bindir/psql" -X -q -h "$sockets/$name" -U postgres -d postgres -c 'CREATE DATABASE bench' ||
		die "the database could not be created"
	[ "$name" = stock ] || sql "$name" -c 'CREATE EXTENSION covet' || die "the extension could not be created"
}

# settings NAME: what is set beside the defaults. A checkpoint in the middle of
# one measurement and not of the other would be noise: they are made between.
settings()
{
	cat <<-END
		shared_buffers = '$([ -n "$quick" ] && echo 128MB || echo 1GB)'
		max_wal_size = '8GB'
		checkpoint_timeout = '1h'
	END
	[ "$1" = stock ] || echo "shared_preload_libraries = 'covet'"
	case $1 in
		covet) [ -n "$quick" ] || echo "covet.hot_size = '512MB'" ;;
		small) echo "covet.hot_size = '$small_size'" ;;
	esac
}

start_redis()
{
	as_tester redis-server --port 0 --unixsocket "$sockets/redis" --save '' --appendonly no \
		--dir "$scratch" --daemonize yes --pidfile "$scratch/redis.pid" --logfile "$scratch/redis.log" >/dev/null ||
		die "Redis did not start"
	wait_for test -S "$sockets/redis"
}

start_memcached()
{
	as_tester memcached -d -s "$sockets/memcached" -m 1024 -P "$scratch/memcached.pid" ||
		die "Memcached did not start"
	wait_for test -S "$sockets/memcached"
	cc -O2 -Wall -Wextra -o "$scratch/memcached-client" "$here/memcached.c" \
		-lmemcached -lpthread || die "the client of Memcached was not built"
}

wait_for()
{
	for _ in $(seq 100); do
		! "$@" 2>/dev/null || return 0
		sleep 0.1
	done
	die "a server did not come up: $*"
}

# stop_servers DIR: all that run from there, by their pid files.
stop_servers()
{
	local dir=$1 name pid

	for name in covet stock small; do
		if [ -f "$dir/$name/postmaster.pid" ]; then
			as_tester "$bindir/pg_ctl" -s -D "$dir/$name" -m immediate -w stop || true
		fi
	done
	for name in redis memcached; do
		pid=$(cat "$dir/$name.pid" 2>/dev/null || true)
		# The number may be another process's by now.
		if [ -n "$pid" ] && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "$name"; then
			kill "$pid" 2>/dev/null || true
			# It removes files of its own: the folder goes after it has gone.
			for _ in {1..50}; do
				[ -e "/proc/$pid" ] || break
				sleep 0.1
			done
		fi
	done
	if [ -s "$dir/sockets" ]; then
		as_tester rm -rf "$(cat "$dir/sockets")"
	fi
}

finish()
{
	local status=$?

	trap - EXIT INT TERM
	if [ "$status" != 0 ] && [ -f "$scratch/covet.log" ]; then
		say "" "The end of PostgreSQL's log:"
		tail -n 10 "$scratch/covet.log"
	fi
	stop_servers "$scratch"
	rm -rf "$scratch" "$running"
	[ "$status" = 0 ] || say "The bench failed."
	exit "$status"
}

build_floor()
{
	as_tester cp -R "$scratch/bench/floor" "$scratch/floor"
	as_tester make -s -C "$scratch/floor" PG_CONFIG="$PG_CONFIG" >/dev/null || die "bench/floor was not built"
	sql covet -v floor="$scratch/floor/floor" -f "$scratch/bench/floor/floor.sql" || die "bench/floor was not loaded"
}

# --- the machine ------------------------------------------------------------

# Jiffies of all processors: busy (guests' and waits for the disk not), stolen, all.
cpu_times()
{
	awk '/^cpu / { all = 0; for (i = 2; i <= 9; i++) all += $i; print $2 + $3 + $4 + $7 + $8, $9, all }' /proc/stat
}

# cpu_share FROM COLUMN: percent of that column since "cpu_times" said FROM.
cpu_share()
{
	{ echo "$1"; cpu_times; } | awk -v c="$2" 'NR == 1 { a = $c; t = $3 } END { printf "%.0f", ($3 > t) ? 100 * ($c - a) / ($3 - t) : 0 }'
}

# Sets idle_busy; a full run on a machine that does other work is refused.
check_quiet()
{
	local before

	before=$(cpu_times)
	sleep "$([ -n "$quick" ] && echo 0.5 || echo 3)"
	idle_busy=$(cpu_share "$before" 1)
	if [ "$idle_busy" -gt 10 ] && [ -z "$quick" ]; then
		[ "${BUSY:-}" = 1 ] ||
			die "other processes use $idle_busy % of this machine: its figures would be worth nothing. Stop them, or set BUSY=1 to measure without writing to bench/results"
		publish=no
	fi
}

versions()
{
	printf 'PostgreSQL %s' "$(sql covet -At -c 'SHOW server_version')"
	! needs redis || redis-server --version | sed -E 's/.* v=([0-9.]+).*/; Redis \1/' | tr -d '\n'
	! needs memcached || printf '; Memcached %s, libmemcached %s' "$(memcached --version | sed 's/.* //')" \
		"$(dpkg-query -W -f '${Version}' libmemcached-dev 2>/dev/null)"
}

# write_head: what was measured, on what, into the file "head".
write_head()
{
	local commit

	commit=$(git -C "$top" describe --always --dirty 2>/dev/null || echo 'not from a clone')
	{
		if [ -n "$quick" ]; then
			echo "- SMOKE: one short round to see that the bench works; no figure here means anything"
		elif [ "$publish" = no ]; then
			echo "- Not to be published: other processes used $idle_busy % of the machine"
		fi
		echo "- Date: $(date -u '+%Y-%m-%d %H:%M') UTC; covet $(sql covet -At -c 'SELECT covet.version()') ($commit)"
		echo "- Machine: $(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1), $(nproc) processors, $(awk '/^MemTotal/ { printf "%.0f GB", $2 / 1048576 }' /proc/meminfo); $(. /etc/os-release && echo "$PRETTY_NAME"), Linux $(uname -r)"
		echo "- Before the run other processes used $idle_busy % of it; during the run the host took $(cpu_share "$run_start" 2) %"
		echo "- $(versions)"
		echo "- Settings beside the defaults: $(settings covet | paste -sd , | sed 's/,/, /g')$(! needs '@small' || echo "; where memory is full covet.hot_size = '$small_size'")$(! needs redis || echo '; Redis without persistence')$(! needs memcached || echo '; Memcached -m 1024')"
		echo "- $clients_default clients ($threads threads of pgbench), Unix sockets, prepared statements, $keys_default keys, values of 200 bytes, unless the row says otherwise"
		if [ -z "$quick" ]; then
			echo "- $rounds rounds, $duration s a measurement, medians; in brackets the least and the greatest of the rounds"
		fi
	} >"$scratch/head"
}

# --- measuring --------------------------------------------------------------

sql()
{
	local server=$1

	shift
	as_tester "$bindir/psql" -X -q -v ON_ERROR_STOP=1 -h "$sockets/$server" -U postgres -d bench "$@"
}

# option NAME DEFAULT: of the row at hand.
option()
{
	local pair

	for pair in $options; do
		if [ "${pair%%=*}" = "$1" ]; then
			echo "${pair#*=}"
			return
		fi
	done
	echo "$2"
}

# setup_row FILE...: run these of bench/sql, where they exist, on each server
# that the row has cells on.
setup_row()
{
	local server file

	for server in covet stock; do
		[ "$server" = covet ] || [[ $cells == *@stock* ]] || continue
		for file in "$@"; do
			[ -f "$here/sql/$file" ] || continue
			sql_row "$server" -f "$scratch/bench/sql/$file" >/dev/null || die "bench/sql/$file failed"
		done
	done
}

# sql_row SERVER ARG...: psql with what the row says as variables. The value
# comes from its file: it can be too long for a command line.
sql_row()
{
	local server=$1

	shift
	sql "$server" -v base="$base" -v keys="$keys" -v per="$per" -v clients="$clients" -v count="$count" \
		-v round="$round" -v idle="$idle" -c "\\set value \`cat $value_file\`" "$@"
}

# pgbench_rate TARGET SERVER: things a second.
pgbench_rate()
{
	local script=$scratch/bench/sql/$1.sql server=$2 output i args

	args=(-n -M prepared -h "$sockets/$server" -U postgres -D base="$base" -D keys="$keys" -D per="$per"
		-D count="$count" -D round="$round" -D done=0 -D serial=0 -D fresh=1)
	if grep -q ':value\b' "$script"; then
		args+=(-D value="$(cat "$value_file")")
	fi
	if grep -q ':key_list\b' "$script"; then
		# One script for each list: pgbench chooses among them at random.
		make_lists
		args+=(-D value_list="$(cat "$scratch/lists/values")")
		for i in $(seq "$lists"); do
			sed "s/:key_list\b/:key_list_$i/g" "$script" | as_tester tee "$scratch/lists/$i.sql" >/dev/null
			args+=(-D "key_list_$i=$(cat "$scratch/lists/keys.$i")" -f "$scratch/lists/$i.sql")
		done
	else
		args+=(-f "$script")
	fi
	case $kind in
		statement) args+=(-c 1 -j 1 -r -t "$([ -n "$quick" ] && echo 2 || echo 10)") ;;
		consume) args+=(-c "$clients" -j "$threads" -t "$count") ;;
		*)
			args+=(-c "$clients" -j "$threads")
			if [ -n "$quick" ]; then
				args+=(-t "$calls")
			else
				args+=(-T "$duration")
			fi ;;
	esac
	output=$(as_tester env PGOPTIONS="-c floor.value_file=${value_file// /\\ }" "$bindir/pgbench" "${args[@]}" bench 2>&1) ||
		{ say "$output" >&2; return 1; }
	if ! grep -q '^number of failed transactions: 0 ' <<<"$output"; then
		say "$output" >&2
		return 1
	fi
	if [ "$kind" = statement ]; then
		awk -v per="$per" '/^statement latencies/ { on = 1; next } on && NF { ms = $1 } END { printf "%.2f\n", per * 1000 / ms }' <<<"$output"
	else
		awk -v per="$per" '/^tps = .*without initial connection time/ { printf "%.2f\n", per * $3 }' <<<"$output"
	fi
}

# Random lists of "per" keys, and one of as many values, as array literals.
make_lists()
{
	local made="$keys $per $bytes"

	[ "$(cat "$scratch/lists/made" 2>/dev/null)" != "$made" ] || return 0
	as_tester mkdir -p "$scratch/lists"
	as_tester python3 "$scratch/bench/lists.py" "$scratch/lists" "$lists" "$base" "$keys" "$per" "$value_file"
	echo "$made" | as_tester tee "$scratch/lists/made" >/dev/null
}

# measure CELL: appends "round part id name figure" to the file "raw".
measure()
{
	local name target server=covet figure

	name=${1%%[=<>@]*}
	target=$(sed -E 's/[<>]=.*//; s/@[a-z]+//; s/^[^=]*=?//' <<<"$1")
	target=${target:-$id.$name}
	[[ $1 != *@stock* ]] || server=stock
	if [ -f "$here/sql/$target.sql" ] && [ "$kind" != special ]; then
		figure=$(pgbench_rate "$target" "$server") || die "$id, $name: the measurement failed"
	else
		figure=$("cell_${target//./_}") || die "$id, $name: the measurement failed"
	fi
	[[ $figure =~ ^[0-9]+(\.[0-9]+)?$ && ($zero = 1 || ! $figure =~ ^[0.]+$) ]] || die "$id, $name: \"$figure\" is not a figure"
	printf '%s\t%s\t%s\t%s\t%s\n' "$round" "$part" "$id" "$name" "$figure" >>"$scratch/raw"
}

# run_row: one round of the row in part, id, kind, options, cells. "made" says
# what the stores hold when a row has left them as it found them.
run_row()
{
	local order cell

	per=$(option per 1) bytes=$(option bytes 200) keys=$(option keys "$keys_default")
	clients=$(option clients "$clients_default") count=$(option count 0) idle=$(option idle 30min)
	zero=$(option zero 0) reads=$(option reads 0)
	lists=100 calls=600
	if [ -n "$quick" ]; then
		[ "$keys" -le "$keys_default" ] || keys=$keys_default
		count=$((count / 20)) lists=16
		[ "$per" = 1 ] || calls=$((per > 100 ? 3 : 50))
		[ "$bytes" -lt 100000 ] || calls=3
	fi
	value_file=$scratch/value.$bytes
	[ -f "$value_file" ] || as_tester sh -c "python3 '$scratch/bench/value.py' $bytes >'$value_file'" || die "no value"

	if [ "$made" != "$part $keys $bytes $idle" ]; then
		setup_row "setup.$part.sql"
	fi
	made=''
	setup_row "$id.prepare.sql"
	[[ $cells != *redis* ]] || load_redis
	[[ $cells != *memcached* ]] || load_memcached
	# Every other round goes backwards, so that none is always the first.
	order=$cells
	if [ $((round % 2)) = 0 ]; then
		order=$(tr ' ' '\n' <<<"$cells" | tac | paste -sd ' ')
	fi
	for cell in $order; do
		measure "$cell"
	done
	setup_row "$id.check.sql"
	[ "$reads" != 1 ] || made="$part $keys $bytes $idle"
}

# run_part: all rounds of a part, then its report.
run_part()
{
	run_start=$(cpu_times) made=''
	for round in $(seq "$rounds"); do
		while IFS='|' read -r -u 9 _ id what kind options cells; do
			say "  $part, round $round of $rounds: $what"
			run_row
		done 9< <(rows "$part")
	done
	write_head
	mkdir -p "$scratch/report"
	python3 "$here/report.py" "$part" "$here/rows.txt" "$scratch/raw" "$scratch/head" "$scratch/report" || die "the report failed"
	say ""
	cat "$scratch/report/$part.md"
	if [ "$publish" = yes ]; then
		as_builder cp "$scratch/report/$part.md" "$scratch/report/$part.svg" "$here/results/"
		say "Written to bench/results/$part.md and $part.svg"
	fi
	say ""
}

parts=${BENCH:-$(known_parts | paste -sd ' ')}
for part in $parts; do
	[ -n "$(rows "$part")" ] || die "there is no part \"$part\" (parts: $(known_parts | paste -sd ' '))"
done

packages=(gcc libc6-dev pkg-config libzstd-dev libmongoc-dev python3 gnuplot-nox)
! needs redis || packages+=(redis-server redis-tools)
! needs memcached || packages+=(memcached libmemcached-dev)
setup_packages "${packages[@]}"
setup_user
[ -x "$bindir/pgbench" ] || die "there is no pgbench in $bindir"
if [ -s "$running" ]; then
	last=$(cat "$running")
	say "Stopping what the last run left in $last"
	stop_servers "$last"
	rm -rf "$last" "$running" || die "it cannot be removed: do that as the user that started it"
fi
if [ "${PREBUILT:-}" = 1 ]; then
	mkdir -p "$top/tmp"
else
	setup_build
fi
check_quiet
threads=$(nproc)
[ "$threads" -le "$clients_default" ] || threads=$clients_default

setup_scratch "$top/tmp/bench"
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
printf '%s\n' "$scratch" >"$running"
# The name of a Unix socket may not be longer than 107 bytes.
sockets=$(as_tester mktemp -d /tmp/covet-bench.XXXXXX)
printf '%s' "$sockets" | as_tester tee "$scratch/sockets" >/dev/null
cp -R "$here" "$scratch/bench"
chmod -R a+rX "$scratch/bench"

start_postgres covet
build_floor
! needs '@stock' || start_postgres stock
! needs '@small' || start_postgres small
! needs redis || start_redis
! needs memcached || start_memcached
: >"$scratch/raw"
say "Measuring: $parts$([ -z "$quick" ] || echo ' (SMOKE)')"
for part in $parts; do
	run_part
done
say "The bench took $((SECONDS - began)) s."
