# Sourced by run.sh: what is measured by something else than a pgbench script.
# A function cell_TARGET prints one figure, for the row whose options are in
# per, bytes, keys, clients, round and value_file, and fails rather than print
# one that it did not measure.
# shellcheck shell=bash
# shellcheck disable=SC2154 # the variables of run.sh

# --- Redis ------------------------------------------------------------------

redis()
{
	as_tester redis-cli -s "$sockets/redis" "$@"
}

# The keys that redis-benchmark makes up: twelve digits, from 0.
load_redis()
{
	local loaded="$keys $bytes"

	[ "$loaded" != "${redis_loaded:-}" ] || return 0
	redis FLUSHALL >/dev/null
	LC_ALL=C awk -v n="$keys" -v file="$value_file" 'BEGIN {
		getline value <file
		for (i = 0; i < n; i++)
			printf "*3\r\n$3\r\nSET\r\n$12\r\n%012d\r\n$%d\r\n%s\r\n", i, length(value), value
	}' | redis --pipe >/dev/null || die "Redis could not be loaded"
	[ "$(redis DBSIZE)" = "$keys" ] || die "Redis did not take the keys"
	redis_loaded=$loaded
}

# redis_requests N COMMAND...: what redis-benchmark measures in N requests.
redis_requests()
{
	local n=$1 output

	shift
	output=$(as_tester redis-benchmark -s "$sockets/redis" -c "$clients" -n "$n" -r "$keys" --csv "$@" 2>&1) || return 1
	if grep -qi 'error' <<<"$output"; then
		say "$output" >&2
		return 1
	fi
	# Counted from the end: the command in the first field may hold commas.
	tail -n 1 <<<"$output" | awk -F '","' '{ print $(NF - 6) }'
}

# redis_rate hit|miss|write COMMAND...: things a second, for as long as the
# others are measured. Reads must have hit or missed as they should.
redis_rate()
{
	local expected=$1 n=$((20000 / per)) rate stats

	shift
	redis CONFIG RESETSTAT >/dev/null
	rate=$(redis_requests "$n" "$@") || return 1
	if [ -z "$quick" ]; then
		n=$(awk -v r="$rate" -v s="$duration" 'BEGIN { printf "%d", r * s }')
		rate=$(redis_requests "$n" "$@") || return 1
	fi
	stats=$(redis INFO stats)
	case $expected in
		hit) grep -q '^keyspace_misses:0[^0-9]*$' <<<"$stats" || return 1 ;;
		miss) grep -q '^keyspace_hits:0[^0-9]*$' <<<"$stats" || return 1 ;;
	esac
	awk -v r="$rate" -v per="$per" 'BEGIN { printf "%.2f\n", r * per }'
}

cell_cache_get_redis()
{
	redis_rate hit GET __rand_int__
}

cell_cache_miss_redis()
{
	redis_rate miss GET missing:__rand_int__
}

cell_cache_set_redis()
{
	redis_rate write SET __rand_int__ "$(cat "$value_file")" EX 86400
}

cell_cache_get_many_redis()
{
	local command=(MGET)

	for _ in $(seq "$per"); do
		command+=(__rand_int__)
	done
	redis_rate hit "${command[@]}"
}

cell_cache_set_many_redis()
{
	local command=(MSET) value

	value=$(cat "$value_file")
	for _ in $(seq "$per"); do
		command+=(__rand_int__ "$value")
	done
	redis_rate write "${command[@]}"
}

# --- Memcached --------------------------------------------------------------

memcached_client()
{
	as_tester "$scratch/memcached-client" "$sockets/memcached" "$1" "$keys" "$value_file" "$clients" "$per" "$2"
}

load_memcached()
{
	local loaded="$keys $bytes"

	[ "$loaded" != "${memcached_loaded:-}" ] || return 0
	memcached_client load 1 || die "Memcached could not be loaded"
	memcached_loaded=$loaded
}

memcached_rate()
{
	local rate limit=${duration}s

	[ -z "$quick" ] || limit=$((2000 / per))
	rate=$(memcached_client "$1" "$limit") || return 1
	awk -v r="$rate" -v per="$per" 'BEGIN { printf "%.2f\n", r * per }'
}

cell_cache_get_memcached()
{
	memcached_rate get
}

cell_cache_miss_memcached()
{
	memcached_rate miss
}

cell_cache_set_memcached()
{
	memcached_rate set
}

cell_cache_get_many_memcached()
{
	memcached_rate get-many
}

# --- removing what has expired ----------------------------------------------

# sweep_prepare WHO: the expired entries that WHO (covet, plain) will remove.
# They are still alive by the clock, and covet is told a later one: its worker
# must not take them first.
sweep_prepare()
{
	sql_row covet -v dead="$dead" -v covet="$([ "$1" = covet ] && echo 1 || echo 0)" \
		-f "$scratch/bench/sql/cache_sweep_victims.sql" >/dev/null
}

# sweep_run WHO: removes them; prints when that began and ended (seconds of the
# epoch) and how many there were.
sweep_run()
{
	sql covet -At -F ' ' -f "$scratch/bench/sql/cache_sweep_$1.sql"
}

# Entries a second, alone on the server.
sweep_rate()
{
	local dead=1000000 span

	[ -z "$quick" ] || dead=50000
	sweep_prepare "$1" || return 1
	span=$(sweep_run "$1") || return 1
	awk -v dead="$dead" '$3 != dead { exit 1 } { printf "%.0f\n", $3 / ($2 - $1) }' <<<"$span"
}

# gets_logged WHO SECONDS PREFIX: gets with one line of log for each.
gets_logged()
{
	as_tester "$bindir/pgbench" -n -M prepared -h "$sockets/covet" -U postgres -D base="$base" -D keys="$keys" \
		-c "$clients" -j "$threads" -T "$2" -l --log-prefix="$3" -f "$scratch/bench/sql/cache_get.$1.sql" bench >/dev/null 2>&1
}

# p99 of gets while expired entries are removed, over that of an idle server.
sweep_p99()
{
	local dead=1000000 logs=$scratch/latency.$1 span job

	[ -z "$quick" ] || dead=50000
	as_tester mkdir -p "$logs" || return 1
	gets_logged "$1" "$duration" "$logs/idle" || return 1
	sweep_prepare "$1" || return 1
	gets_logged "$1" "$((duration + 1))" "$logs/busy" &
	job=$!
	sleep 0.4
	span=$(sweep_run "$1") || { wait "$job"; return 1; }
	wait "$job" || return 1
	awk -v dead="$dead" '$3 != dead { exit 1 }' <<<"$span" || return 1
	as_tester python3 "$scratch/bench/p99.py" "${span% *}" "$logs" || return 1
	as_tester rm -rf "$logs"
}

cell_cache_sweep_covet()
{
	sweep_rate covet
}

cell_cache_sweep_plain()
{
	sweep_rate plain
}

cell_cache_sweep_p99_covet()
{
	sweep_p99 covet
}

cell_cache_sweep_p99_plain()
{
	sweep_p99 plain
}

# --- sessions that are touched while an old snapshot is open ----------------

# bloat TABLE SCRIPT: how many times its size the table has in the end. The
# snapshot keeps every dead row version: what touches write stays.
bloat()
{
	local seconds=60 before after holder

	[ -z "$quick" ] || seconds=2
	before=$(sql covet -At -c "SELECT pg_total_relation_size('$1')") || return 1
	sql covet -c 'BEGIN ISOLATION LEVEL REPEATABLE READ' -c 'SELECT 1' \
		-c "SET application_name = 'bench snapshot'" -c 'SELECT pg_sleep(600)' >/dev/null 2>&1 &
	holder=$!
	wait_for snapshot_is_held
	as_tester "$bindir/pgbench" -n -M prepared -h "$sockets/covet" -U postgres -D base="$base" -D keys="$keys" \
		-c "$clients" -j "$threads" -T "$seconds" -f "$scratch/bench/sql/$2.sql" bench >/dev/null 2>&1 || return 1
	after=$(sql covet -At -c "SELECT pg_total_relation_size('$1')") || return 1
	snapshot_is_held || return 1
	sql covet -At -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bench snapshot'" >/dev/null
	wait "$holder" || true
	awk -v a="$after" -v b="$before" 'BEGIN { printf "%.3f\n", a / b }'
}

snapshot_is_held()
{
	[ "$(sql covet -At -c "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bench snapshot' AND backend_xmin IS NOT NULL")" = 1 ]
}

# Reading a session counts as seeing it: covet's way to slide is the read.
cell_session_bloat_covet()
{
	bloat covet._session session_get.covet
}

cell_session_bloat_plain()
{
	bloat plain_session session_get.sliding
}
