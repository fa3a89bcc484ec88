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

	[ "$loaded" != "${redis_loaded:-}" ] || [ "$(redis DBSIZE)" != "$keys" ] || return 0
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
	local expected=$1 n=$((10000 / per)) rate stats

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

cell_memory_add_redis()
{
	local keys=1000000000 # hardly ever the same one twice

	redis_rate write SET new:__rand_int__ "$(cat "$value_file")" EX 86400 NX
}

cell_memory_incr_redis()
{
	redis_rate write INCR counter:__rand_int__
}

cell_token_no_redis()
{
	redis_rate miss EXISTS missing:__rand_int__
}

cell_token_yes_redis()
{
	redis_rate hit EXISTS __rand_int__
}

# Hits of a fixed window: it also needs an EXPIRE, once for each window.
cell_rate_limit_redis()
{
	redis_rate write INCR limit:__rand_int__
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

	[ -z "$quick" ] || limit=$(((1000 + per) / per))
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

	[ -z "$quick" ] || dead=20000
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

	[ -z "$quick" ] || dead=20000
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

# --- what a set to memory leaves in the log of transactions ------------------

# set_cost SCRIPT COLUMN: transaction ids (1) or bytes of WAL (2) of one set.
# The server's own processes use some too, now and then: the least of five.
set_cost()
{
	local calls=500 before after

	for _ in 1 2 3 4 5; do
		before=$(transaction_log) || return 1
		as_tester "$bindir/pgbench" -n -M prepared -h "$sockets/covet" -U postgres -D base="$base" -D keys="$keys" \
			-D value="$(cat "$value_file")" -c "$clients" -t "$calls" -f "$scratch/bench/sql/$1.sql" bench >/dev/null 2>&1 || return 1
		after=$(transaction_log) || return 1
		echo "$before $after"
	done | awk -v c="$2" -v sets="$((clients * calls))" '
		{ n = $(c + 2) - $c; if (NR == 1 || n < least) least = n }
		END { if (NR != 5) exit 1; printf "%.3f\n", least / sets }'
}

transaction_log()
{
	sql covet -At -F ' ' -c "SELECT pg_snapshot_xmax(pg_current_snapshot()), pg_current_wal_insert_lsn() - '0/0'"
}

cell_memory_set_xids_covet()
{
	set_cost memory_set.covet 1
}

cell_memory_set_xids_plain()
{
	set_cost cache_set.plain 1
}

cell_memory_set_wal_covet()
{
	set_cost memory_set.covet 2
}

cell_memory_set_wal_plain()
{
	set_cost cache_set.plain 2
}

# --- memory that is full ----------------------------------------------------

# hot_stat SERVER COLUMNS: of covet.stat_hot.
hot_stat()
{
	sql "$1" -At -F ' ' -c "SELECT $2 FROM covet.stat_hot"
}

# Fills the small hot tier until it evicts; prints how many entries it holds.
fill_small()
{
	sql_row small -At -f "$scratch/bench/sql/memory_fill_up.sql"
}

# Sets of new keys a second. Each of them must have made room first.
cell_memory_evict_covet()
{
	local before after rate entries

	entries=$(fill_small) || return 1
	before=$(hot_stat small evictions) || return 1
	rate=$(pgbench_rate memory_evict.covet small) || return 1
	after=$(hot_stat small evictions) || return 1
	# What the first ones found free is at most a few in each partition.
	[ $((after - before)) -gt $((entries / 100)) ] || return 1
	echo "$rate"
}

# The same memory, and Redis' own way to make room in it.
cell_memory_evict_redis()
{
	local keys=1000000000 command rate

	command=(SET "new:__rand_int__" "$(cat "$value_file")" EX 86400)
	redis FLUSHALL >/dev/null
	redis CONFIG SET maxmemory "${small_size,,}" >/dev/null
	redis CONFIG SET maxmemory-policy allkeys-lru >/dev/null
	redis_requests 100000 "${command[@]}" >/dev/null || return 1
	rate=$(redis_rate write "${command[@]}") || return 1
	# redis_rate has reset this counter before it began.
	redis INFO stats | grep '^evicted_keys:[1-9]' >/dev/null || return 1
	redis CONFIG SET maxmemory 0 >/dev/null
	redis FLUSHALL >/dev/null
	echo "$rate"
}

# Bytes of memory for each entry, without its key and value.
cell_memory_overhead_covet()
{
	local empty full

	sql covet -c "SELECT covet.cache_clear('memory')" -c "SELECT covet.sweep()" >/dev/null || return 1
	empty=$(hot_stat covet 'used, entries') || return 1
	sql_row covet -f "$scratch/bench/sql/memory_overhead.sql" >/dev/null || return 1
	full=$(hot_stat covet 'used, entries') || return 1
	overhead "$empty" "$full"
}

cell_memory_overhead_redis()
{
	local empty full

	redis FLUSHALL >/dev/null
	empty=$(redis_memory) || return 1
	load_redis
	full=$(redis_memory) || return 1
	overhead "$empty" "$full"
}

redis_memory()
{
	echo "$(redis INFO memory | tr -d '\r' | sed -n 's/^used_memory:\([0-9]*\)$/\1/p' | grep .) $(redis DBSIZE)"
}

# overhead EMPTY FULL: each the bytes used and the number of entries.
overhead()
{
	awk -v n="$keys" -v bytes="$bytes" '
		{ used = $3 - $1; entries = $4 - $2 }
		END { if (entries != n) exit 1; printf "%.1f\n", used / entries - 12 - bytes }' <<<"$1 $2"
}

# zipf WHO: the ratio of hits, in percent, of a look-aside cache that is asked for
# the keys of a Zipf(0.99) trace. A tenth of the keys fits: the key set is ten
# times what the tier held when it was full, and LRU is given as many entries as
# it held in the end. Both figures are of one replay.
zipf()
{
	local dir=$scratch/zipf.$round length=1000000 held

	if [ ! -f "$dir/lru" ]; then
		[ -z "$quick" ] || length=200000
		held=$(fill_small) || return 1
		as_tester mkdir -p "$dir" || return 1
		as_tester python3 "$scratch/bench/zipf.py" trace "$round" "$((10 * held))" "$length" "$dir/trace" || return 1
		sql small -c "SELECT covet.cache_clear('memory')" -c 'SELECT covet.sweep()' >/dev/null || return 1
		sql_row small -At -F ' ' -v trace="$dir/trace" -f "$scratch/bench/sql/memory_zipf.sql" |
			as_tester tee "$dir/covet" >/dev/null || return 1
		held=$(hot_stat small entries) || return 1
		as_tester python3 "$scratch/bench/zipf.py" lru "$held" "$dir/trace" | as_tester tee "$dir/lru" >/dev/null || return 1
		as_tester rm "$dir/trace"
	fi
	grep -E '^[0-9.]+$' "$dir/$1"
}

cell_memory_zipf_covet()
{
	zipf covet
}

cell_memory_zipf_lru()
{
	zipf lru
}

# --- sessions that are touched while an old snapshot is open ----------------

# bloat WHO (1 covet, 2 plain): how many times its size the table has in the end. The snapshot keeps
# every dead row version: what touches write stays. Both tables are touched in
# the same minute: it is not their speed that is measured here.
bloat()
{
	local dir=$scratch/$id.$round seconds=60 before after holder who jobs=()

	if [ ! -f "$dir/after" ]; then
		[ -z "$quick" ] || seconds=1
		as_tester mkdir -p "$dir" || return 1
		before=$(session_sizes) || return 1
		sql covet -c 'BEGIN ISOLATION LEVEL REPEATABLE READ' -c 'SELECT 1' \
			-c "SET application_name = 'bench snapshot'" -c 'SELECT pg_sleep(600)' >/dev/null 2>&1 &
		holder=$!
		wait_for snapshot_is_held
		# Reading a session counts as seeing it: covet's way to slide is the read.
		for who in covet sliding; do
			as_tester "$bindir/pgbench" -n -M prepared -h "$sockets/covet" -U postgres -D base="$base" -D keys="$keys" \
				-c "$clients" -T "$seconds" -f "$scratch/bench/sql/session_get.$who.sql" bench >/dev/null 2>&1 &
			jobs+=($!)
		done
		for who in "${jobs[@]}"; do
			wait "$who" || return 1
		done
		after=$(session_sizes) || return 1
		snapshot_is_held || return 1
		sql covet -At -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bench snapshot'" >/dev/null
		wait "$holder" || true
		echo "$before $after" | as_tester tee "$dir/after" >/dev/null
	fi
	awk -v c="$1" '{ printf "%.3f\n", $(c + 2) / $c }' "$dir/after"
}

session_sizes()
{
	sql covet -At -F ' ' -c "SELECT pg_total_relation_size('covet._session'), pg_total_relation_size('plain_session')"
}

snapshot_is_held()
{
	[ "$(sql covet -At -c "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bench snapshot' AND backend_xmin IS NOT NULL")" = 1 ]
}

cell_session_bloat_covet()
{
	bloat 1
}

cell_session_bloat_plain()
{
	bloat 2
}
