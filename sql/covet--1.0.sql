/* covet: session store, cache and MongoDB bridge */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION covet" to load this file. \quit

-- Created here, so that nobody can have prepared what stands in it.
CREATE SCHEMA covet;
GRANT USAGE ON SCHEMA covet TO PUBLIC;

-- Names that begin with an underscore are private.

-- ==========================================================================
-- Settings that belong to the database
-- ==========================================================================

CREATE TABLE covet._setting (
	name text COLLATE "C" PRIMARY KEY,
	value text NOT NULL
);
COMMENT ON TABLE covet._setting IS 'Private: which of the two session tables is in use.';
SELECT pg_catalog.pg_extension_config_dump('covet._setting', '');

CREATE FUNCTION covet.version() RETURNS text
AS 'MODULE_PATHNAME', 'covet_version'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION covet.version() IS 'The version of the loaded library.';

-- ==========================================================================
-- Cache
-- ==========================================================================

CREATE TABLE covet._cache_namespace (
	namespace text COLLATE "C" PRIMARY KEY,
	storage text NOT NULL,
	default_ttl interval,
	max_bytes bigint,
	codec text NOT NULL,
	owner_oid oid,
	owner_name name
);
COMMENT ON TABLE covet._cache_namespace IS 'Private: settings of cache namespaces.';
SELECT pg_catalog.pg_extension_config_dump('covet._cache_namespace', '');

-- No column that a rewrite or a touch changes is indexed and fillfactor leaves
-- room, so both are HOT updates.  Truncation by autovacuum would take ACCESS
-- EXCLUSIVE and stop readers.
CREATE UNLOGGED TABLE covet._cache (
	version bigint NOT NULL,
	expires_at timestamptz NOT NULL,	-- infinity: no deadline
	seen_at timestamptz NOT NULL,		-- counts when idle is not 0
	idle bigint NOT NULL,				-- microseconds; 0: ends at expires_at only
	stale bigint NOT NULL DEFAULT 0,	-- microseconds from expires_at on in which
										-- cache_lease still shows it
	stamp bigint NOT NULL,				-- of the namespace, when written
	namespace text COLLATE "C" NOT NULL,
	key text COLLATE "C" NOT NULL,
	value bytea NOT NULL,				-- a frame
	tags text[] COLLATE "C",
	tag_stamps bigint[],				-- of the tags, when written
	PRIMARY KEY (namespace, key)
) WITH (fillfactor = 80, vacuum_truncate = off,
		autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
		autovacuum_vacuum_insert_scale_factor = 0.2,
		autovacuum_analyze_scale_factor = 0.2, autovacuum_vacuum_cost_delay = 0,
		toast.autovacuum_vacuum_scale_factor = 0.02,
		toast.autovacuum_vacuum_cost_delay = 0, toast.vacuum_truncate = off);
ALTER TABLE covet._cache ALTER COLUMN value SET STORAGE EXTERNAL;
COMMENT ON TABLE covet._cache IS 'Private: cache entries of namespaces with storage "table".';

CREATE TYPE covet.cache_entry AS (
	key text,
	value bytea,
	kind text,
	version bigint,
	expires_at timestamptz,
	raw_size integer,
	stored_size integer,
	codec text,
	tags text[]
);
COMMENT ON TYPE covet.cache_entry IS
	'A live cache entry: value as bytes, kind (text, bytea, jsonb), version, end, sizes in bytes and codec.';

CREATE FUNCTION covet.cache_get(key text, namespace text DEFAULT 'default')
RETURNS text
AS 'MODULE_PATHNAME', 'covet_cache_get'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_get(text, text) IS
	'The value of a live entry as text, or NULL.';
REVOKE EXECUTE ON FUNCTION covet.cache_get(text, text) FROM PUBLIC;

CREATE FUNCTION covet.cache_get_bytea(key text, namespace text DEFAULT 'default')
RETURNS bytea
AS 'MODULE_PATHNAME', 'covet_cache_get_bytea'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_get_bytea(text, text) IS
	'The value of a live entry as bytea, or NULL.';
REVOKE EXECUTE ON FUNCTION covet.cache_get_bytea(text, text) FROM PUBLIC;

CREATE FUNCTION covet.cache_get_jsonb(key text, namespace text DEFAULT 'default')
RETURNS jsonb
AS 'MODULE_PATHNAME', 'covet_cache_get_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_get_jsonb(text, text) IS
	'The value of a live entry as jsonb, or NULL.';
REVOKE EXECUTE ON FUNCTION covet.cache_get_jsonb(text, text) FROM PUBLIC;

CREATE FUNCTION covet.cache_get_many(keys text[], namespace text DEFAULT 'default')
RETURNS text[]
AS 'MODULE_PATHNAME', 'covet_cache_get_many'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_get_many(text[], text) IS
	'The values of many keys as text, aligned with the keys, NULL where there is none.';
REVOKE EXECUTE ON FUNCTION covet.cache_get_many(text[], text) FROM PUBLIC;

CREATE FUNCTION covet.cache_get_many_bytea(keys text[], namespace text DEFAULT 'default')
RETURNS bytea[]
AS 'MODULE_PATHNAME', 'covet_cache_get_many_bytea'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_get_many_bytea(text[], text) IS
	'The values of many keys as bytea, aligned with the keys, NULL where there is none.';
REVOKE EXECUTE ON FUNCTION covet.cache_get_many_bytea(text[], text) FROM PUBLIC;

CREATE FUNCTION covet.cache_get_many_jsonb(keys text[], namespace text DEFAULT 'default')
RETURNS jsonb[]
AS 'MODULE_PATHNAME', 'covet_cache_get_many_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_get_many_jsonb(text[], text) IS
	'The values of many keys as jsonb, aligned with the keys, NULL where there is none.';
REVOKE EXECUTE ON FUNCTION covet.cache_get_many_jsonb(text[], text) FROM PUBLIC;

CREATE FUNCTION covet.cache_set(
	key text, value text, ttl interval DEFAULT NULL, namespace text DEFAULT 'default',
	tags text[] DEFAULT NULL, idle interval DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME', 'covet_cache_set'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_set(text, text, interval, text, text[], interval) IS
	'Stores a value given as text; the result is whether it was stored.';
REVOKE EXECUTE ON FUNCTION covet.cache_set(text, text, interval, text, text[], interval) FROM PUBLIC;

CREATE FUNCTION covet.cache_set_bytea(
	key text, value bytea, ttl interval DEFAULT NULL, namespace text DEFAULT 'default',
	tags text[] DEFAULT NULL, idle interval DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME', 'covet_cache_set_bytea'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_set_bytea(text, bytea, interval, text, text[], interval) IS
	'Stores a value given as bytea; the result is whether it was stored.';
REVOKE EXECUTE ON FUNCTION covet.cache_set_bytea(text, bytea, interval, text, text[], interval) FROM PUBLIC;

CREATE FUNCTION covet.cache_set_jsonb(
	key text, value jsonb, ttl interval DEFAULT NULL, namespace text DEFAULT 'default',
	tags text[] DEFAULT NULL, idle interval DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME', 'covet_cache_set_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_set_jsonb(text, jsonb, interval, text, text[], interval) IS
	'Stores a value given as jsonb; the result is whether it was stored.';
REVOKE EXECUTE ON FUNCTION covet.cache_set_jsonb(text, jsonb, interval, text, text[], interval) FROM PUBLIC;

CREATE FUNCTION covet.cache_set_many(
	keys text[], vals text[], ttl interval DEFAULT NULL,
	namespace text DEFAULT 'default', tags text[] DEFAULT NULL)
RETURNS integer
AS 'MODULE_PATHNAME', 'covet_cache_set_many'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_set_many(text[], text[], interval, text, text[]) IS
	'Stores many values given as text in one statement; the result is how many.';
REVOKE EXECUTE ON FUNCTION covet.cache_set_many(text[], text[], interval, text, text[]) FROM PUBLIC;

CREATE FUNCTION covet.cache_set_many_bytea(
	keys text[], vals bytea[], ttl interval DEFAULT NULL,
	namespace text DEFAULT 'default', tags text[] DEFAULT NULL)
RETURNS integer
AS 'MODULE_PATHNAME', 'covet_cache_set_many_bytea'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_set_many_bytea(text[], bytea[], interval, text, text[]) IS
	'Stores many values given as bytea in one statement; the result is how many.';
REVOKE EXECUTE ON FUNCTION covet.cache_set_many_bytea(text[], bytea[], interval, text, text[]) FROM PUBLIC;

CREATE FUNCTION covet.cache_set_many_jsonb(
	keys text[], vals jsonb[], ttl interval DEFAULT NULL,
	namespace text DEFAULT 'default', tags text[] DEFAULT NULL)
RETURNS integer
AS 'MODULE_PATHNAME', 'covet_cache_set_many_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_set_many_jsonb(text[], jsonb[], interval, text, text[]) IS
	'Stores many values given as jsonb in one statement; the result is how many.';
REVOKE EXECUTE ON FUNCTION covet.cache_set_many_jsonb(text[], jsonb[], interval, text, text[]) FROM PUBLIC;

CREATE FUNCTION covet.cache_add(
	key text, value text, ttl interval DEFAULT NULL, namespace text DEFAULT 'default',
	tags text[] DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME', 'covet_cache_add'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_add(text, text, interval, text, text[]) IS
	'Stores a value given as text only if the key is absent.';
REVOKE EXECUTE ON FUNCTION covet.cache_add(text, text, interval, text, text[]) FROM PUBLIC;

CREATE FUNCTION covet.cache_add_bytea(
	key text, value bytea, ttl interval DEFAULT NULL, namespace text DEFAULT 'default',
	tags text[] DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME', 'covet_cache_add_bytea'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_add_bytea(text, bytea, interval, text, text[]) IS
	'Stores a value given as bytea only if the key is absent.';
REVOKE EXECUTE ON FUNCTION covet.cache_add_bytea(text, bytea, interval, text, text[]) FROM PUBLIC;

CREATE FUNCTION covet.cache_add_jsonb(
	key text, value jsonb, ttl interval DEFAULT NULL, namespace text DEFAULT 'default',
	tags text[] DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME', 'covet_cache_add_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_add_jsonb(text, jsonb, interval, text, text[]) IS
	'Stores a value given as jsonb only if the key is absent.';
REVOKE EXECUTE ON FUNCTION covet.cache_add_jsonb(text, jsonb, interval, text, text[]) FROM PUBLIC;

CREATE FUNCTION covet.cache_replace(
	key text, value text, ttl interval DEFAULT NULL, namespace text DEFAULT 'default',
	tags text[] DEFAULT NULL, if_version bigint DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME', 'covet_cache_replace'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_replace(text, text, interval, text, text[], bigint) IS
	'Stores a value given as text only if the key is present (and of that version).';
REVOKE EXECUTE ON FUNCTION covet.cache_replace(text, text, interval, text, text[], bigint) FROM PUBLIC;

CREATE FUNCTION covet.cache_replace_bytea(
	key text, value bytea, ttl interval DEFAULT NULL, namespace text DEFAULT 'default',
	tags text[] DEFAULT NULL, if_version bigint DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME', 'covet_cache_replace_bytea'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_replace_bytea(text, bytea, interval, text, text[], bigint) IS
	'Stores a value given as bytea only if the key is present (and of that version).';
REVOKE EXECUTE ON FUNCTION covet.cache_replace_bytea(text, bytea, interval, text, text[], bigint) FROM PUBLIC;

CREATE FUNCTION covet.cache_replace_jsonb(
	key text, value jsonb, ttl interval DEFAULT NULL, namespace text DEFAULT 'default',
	tags text[] DEFAULT NULL, if_version bigint DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME', 'covet_cache_replace_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_replace_jsonb(text, jsonb, interval, text, text[], bigint) IS
	'Stores a value given as jsonb only if the key is present (and of that version).';
REVOKE EXECUTE ON FUNCTION covet.cache_replace_jsonb(text, jsonb, interval, text, text[], bigint) FROM PUBLIC;

CREATE FUNCTION covet.cache_incr(
	key text, by bigint DEFAULT 1, ttl interval DEFAULT NULL,
	namespace text DEFAULT 'default', initial bigint DEFAULT 0)
RETURNS bigint
AS 'MODULE_PATHNAME', 'covet_cache_incr'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_incr(text, bigint, interval, text, bigint) IS
	'Adds to an integer and returns the sum; an absent key starts at initial, or stays absent when that is NULL.';
REVOKE EXECUTE ON FUNCTION covet.cache_incr(text, bigint, interval, text, bigint) FROM PUBLIC;

CREATE FUNCTION covet.cache_take(key text, namespace text DEFAULT 'default')
RETURNS text
AS 'MODULE_PATHNAME', 'covet_cache_take'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_take(text, text) IS
	'Returns a value as text and removes it; exactly one caller wins.';
REVOKE EXECUTE ON FUNCTION covet.cache_take(text, text) FROM PUBLIC;

CREATE FUNCTION covet.cache_take_bytea(key text, namespace text DEFAULT 'default')
RETURNS bytea
AS 'MODULE_PATHNAME', 'covet_cache_take_bytea'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_take_bytea(text, text) IS
	'Returns a value as bytea and removes it; exactly one caller wins.';
REVOKE EXECUTE ON FUNCTION covet.cache_take_bytea(text, text) FROM PUBLIC;

CREATE FUNCTION covet.cache_take_jsonb(key text, namespace text DEFAULT 'default')
RETURNS jsonb
AS 'MODULE_PATHNAME', 'covet_cache_take_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_take_jsonb(text, text) IS
	'Returns a value as jsonb and removes it; exactly one caller wins.';
REVOKE EXECUTE ON FUNCTION covet.cache_take_jsonb(text, text) FROM PUBLIC;

CREATE FUNCTION covet.cache_touch(
	key text, ttl interval DEFAULT NULL, namespace text DEFAULT 'default')
RETURNS boolean
AS 'MODULE_PATHNAME', 'covet_cache_touch'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_touch(text, interval, text) IS
	'Moves the deadline to now + ttl; the result is whether there was an entry.';
REVOKE EXECUTE ON FUNCTION covet.cache_touch(text, interval, text) FROM PUBLIC;

CREATE FUNCTION covet.cache_delete(key text, namespace text DEFAULT 'default')
RETURNS boolean
AS 'MODULE_PATHNAME', 'covet_cache_delete'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_delete(text, text) IS
	'Removes an entry; the result is whether there was a live one.';
REVOKE EXECUTE ON FUNCTION covet.cache_delete(text, text) FROM PUBLIC;

CREATE FUNCTION covet.cache_delete_many(keys text[], namespace text DEFAULT 'default')
RETURNS integer
AS 'MODULE_PATHNAME', 'covet_cache_delete_many'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_delete_many(text[], text) IS
	'Removes many entries; the result is how many live ones there were.';
REVOKE EXECUTE ON FUNCTION covet.cache_delete_many(text[], text) FROM PUBLIC;

CREATE FUNCTION covet.cache_exists(key text, namespace text DEFAULT 'default')
RETURNS boolean
AS 'MODULE_PATHNAME', 'covet_cache_exists'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_exists(text, text) IS
	'Is there a live entry?';
REVOKE EXECUTE ON FUNCTION covet.cache_exists(text, text) FROM PUBLIC;

CREATE FUNCTION covet.cache_expires_at(key text, namespace text DEFAULT 'default')
RETURNS timestamptz
AS 'MODULE_PATHNAME', 'covet_cache_expires_at'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_expires_at(text, text) IS
	'When a live entry ends, infinity when it has no deadline, NULL when absent.';
REVOKE EXECUTE ON FUNCTION covet.cache_expires_at(text, text) FROM PUBLIC;

CREATE FUNCTION covet.cache_entries(keys text[], namespace text DEFAULT 'default')
RETURNS SETOF covet.cache_entry
AS 'MODULE_PATHNAME', 'covet_cache_entries'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_entries(text[], text) IS
	'The live entries among some keys, with all that is known of them.';
REVOKE EXECUTE ON FUNCTION covet.cache_entries(text[], text) FROM PUBLIC;

CREATE FUNCTION covet.cache_scan(
	prefix text DEFAULT '', after text DEFAULT NULL, max_entries integer DEFAULT 1000,
	namespace text DEFAULT 'default', with_values boolean DEFAULT false)
RETURNS SETOF covet.cache_entry
AS 'MODULE_PATHNAME', 'covet_cache_scan'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_scan(text, text, integer, text, boolean) IS
	'Live entries whose keys begin with prefix and come after a key, in key order, at most max_entries.';
REVOKE EXECUTE ON FUNCTION covet.cache_scan(text, text, integer, text, boolean) FROM PUBLIC;

CREATE FUNCTION covet.cache_clear(namespace text DEFAULT 'default')
RETURNS void
AS 'MODULE_PATHNAME', 'covet_cache_clear'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_clear(text) IS
	'Ends all entries of a namespace, whatever their number, at commit.';
REVOKE EXECUTE ON FUNCTION covet.cache_clear(text) FROM PUBLIC;

CREATE FUNCTION covet.cache_invalidate_tags(tags text[], namespace text DEFAULT 'default')
RETURNS void
AS 'MODULE_PATHNAME', 'covet_cache_invalidate_tags'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_invalidate_tags(text[], text) IS
	'Ends all entries that carry one of the tags, whatever their number, at commit.';
REVOKE EXECUTE ON FUNCTION covet.cache_invalidate_tags(text[], text) FROM PUBLIC;

CREATE FUNCTION covet.cache_lease(
	key text, lease interval DEFAULT '10 s', namespace text DEFAULT 'default',
	OUT status text, OUT value text, OUT lease_id bigint)
AS 'MODULE_PATHNAME', 'covet_cache_lease'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_lease(text, interval, text) IS
	'Reads a value as text, or says who computes it: hit, stale (an old value, somebody computes), won (you compute), wait.';
REVOKE EXECUTE ON FUNCTION covet.cache_lease(text, interval, text) FROM PUBLIC;

CREATE FUNCTION covet.cache_fill(
	key text, lease_id bigint, value text, ttl interval DEFAULT NULL,
	stale interval DEFAULT '0', namespace text DEFAULT 'default', tags text[] DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME', 'covet_cache_fill'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_fill(text, bigint, text, interval, interval, text, text[]) IS
	'Stores text computed under a lease, if that is still held; value NULL gives the lease back.';
REVOKE EXECUTE ON FUNCTION covet.cache_fill(text, bigint, text, interval, interval, text, text[]) FROM PUBLIC;

CREATE FUNCTION covet.cache_lease_bytea(
	key text, lease interval DEFAULT '10 s', namespace text DEFAULT 'default',
	OUT status text, OUT value bytea, OUT lease_id bigint)
AS 'MODULE_PATHNAME', 'covet_cache_lease_bytea'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_lease_bytea(text, interval, text) IS
	'Reads a value as bytea, or says who computes it: hit, stale (an old value, somebody computes), won (you compute), wait.';
REVOKE EXECUTE ON FUNCTION covet.cache_lease_bytea(text, interval, text) FROM PUBLIC;

CREATE FUNCTION covet.cache_fill_bytea(
	key text, lease_id bigint, value bytea, ttl interval DEFAULT NULL,
	stale interval DEFAULT '0', namespace text DEFAULT 'default', tags text[] DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME', 'covet_cache_fill_bytea'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_fill_bytea(text, bigint, bytea, interval, interval, text, text[]) IS
	'Stores bytea computed under a lease, if that is still held; value NULL gives the lease back.';
REVOKE EXECUTE ON FUNCTION covet.cache_fill_bytea(text, bigint, bytea, interval, interval, text, text[]) FROM PUBLIC;

CREATE FUNCTION covet.cache_lease_jsonb(
	key text, lease interval DEFAULT '10 s', namespace text DEFAULT 'default',
	OUT status text, OUT value jsonb, OUT lease_id bigint)
AS 'MODULE_PATHNAME', 'covet_cache_lease_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_lease_jsonb(text, interval, text) IS
	'Reads a value as jsonb, or says who computes it: hit, stale (an old value, somebody computes), won (you compute), wait.';
REVOKE EXECUTE ON FUNCTION covet.cache_lease_jsonb(text, interval, text) FROM PUBLIC;

CREATE FUNCTION covet.cache_fill_jsonb(
	key text, lease_id bigint, value jsonb, ttl interval DEFAULT NULL,
	stale interval DEFAULT '0', namespace text DEFAULT 'default', tags text[] DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME', 'covet_cache_fill_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_fill_jsonb(text, bigint, jsonb, interval, interval, text, text[]) IS
	'Stores jsonb computed under a lease, if that is still held; value NULL gives the lease back.';
REVOKE EXECUTE ON FUNCTION covet.cache_fill_jsonb(text, bigint, jsonb, interval, interval, text, text[]) FROM PUBLIC;

CREATE FUNCTION covet.cache_namespace_set(
	namespace text, storage text DEFAULT 'table', default_ttl interval DEFAULT NULL,
	max_bytes bigint DEFAULT NULL, codec text DEFAULT 'auto', owner regrole DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'covet_cache_namespace_set'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_namespace_set(text, text, interval, bigint, text, regrole) IS
	'Sets all settings of a namespace; what is left out returns to its default.';
REVOKE EXECUTE ON FUNCTION covet.cache_namespace_set(text, text, interval, bigint, text, regrole) FROM PUBLIC;

CREATE FUNCTION covet.cache_namespace_drop(namespace text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'covet_cache_namespace_drop'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.cache_namespace_drop(text) IS
	'Forgets the settings of a namespace and clears it; the result is whether there were any.';
REVOKE EXECUTE ON FUNCTION covet.cache_namespace_drop(text) FROM PUBLIC;

CREATE FUNCTION covet._cache_usage(
	OUT namespace text, OUT entries bigint, OUT bytes bigint, OUT hot_bytes bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'covet__cache_usage'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet._cache_usage() IS 'Private: live entries, their stored bytes and bytes in memory; rows to be added up by namespace.';
REVOKE EXECUTE ON FUNCTION covet._cache_usage() FROM PUBLIC;
-- A view's functions are checked as its user.
GRANT EXECUTE ON FUNCTION covet._cache_usage() TO pg_monitor;

CREATE VIEW covet.cache_namespaces AS
	SELECT namespace,
		coalesce(n.storage, pg_catalog.current_setting('covet.default_storage', true), 'table') AS storage,
		n.default_ttl,
		n.max_bytes,
		coalesce(n.codec, 'auto') AS codec,
		n.owner_oid::regrole AS owner,
		coalesce(u.entries, 0) AS entries,
		coalesce(u.bytes, 0) AS bytes,
		coalesce(u.hot_bytes, 0) AS hot_bytes
	FROM covet._cache_namespace n
		FULL JOIN (
			SELECT namespace, pg_catalog.sum(entries)::bigint AS entries,
				pg_catalog.sum(bytes)::bigint AS bytes,
				pg_catalog.sum(hot_bytes)::bigint AS hot_bytes
			FROM covet._cache_usage()
			GROUP BY namespace) u USING (namespace)
	WHERE n.namespace IS NOT NULL OR u.entries OPERATOR(pg_catalog.>) 0;
COMMENT ON VIEW covet.cache_namespaces IS
	'Cache namespaces that have settings or entries; NULL settings stand for the defaults.';
GRANT SELECT ON covet.cache_namespaces TO pg_monitor;

-- ==========================================================================
-- Locks and limits
-- ==========================================================================

CREATE FUNCTION covet.lock_acquire(name text, ttl interval DEFAULT '30 s')
RETURNS bigint
AS 'MODULE_PATHNAME', 'covet_lock_acquire'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.lock_acquire(text, interval) IS
	'Takes a lock for a time; the result is its fencing number, or NULL when somebody holds it. Acts at once and never waits.';
REVOKE EXECUTE ON FUNCTION covet.lock_acquire(text, interval) FROM PUBLIC;

CREATE FUNCTION covet.lock_extend(name text, fence bigint, ttl interval DEFAULT '30 s')
RETURNS boolean
AS 'MODULE_PATHNAME', 'covet_lock_extend'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.lock_extend(text, bigint, interval) IS
	'Lets a lock end ttl from now; false when it is not held under that fencing number any more.';
REVOKE EXECUTE ON FUNCTION covet.lock_extend(text, bigint, interval) FROM PUBLIC;

CREATE FUNCTION covet.lock_release(name text, fence bigint)
RETURNS boolean
AS 'MODULE_PATHNAME', 'covet_lock_release'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.lock_release(text, bigint) IS
	'Ends a lock; false when it is not held under that fencing number any more.';
REVOKE EXECUTE ON FUNCTION covet.lock_release(text, bigint) FROM PUBLIC;

CREATE FUNCTION covet.lock_info(name text, OUT fence bigint, OUT expires_at timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'covet_lock_info'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION covet.lock_info(text) IS
	'Fencing number and deadline of a lock; no row when it is free.';
REVOKE EXECUTE ON FUNCTION covet.lock_info(text) FROM PUBLIC;

CREATE FUNCTION covet.rate_limit(
	key text, max_hits integer, period interval, cost integer DEFAULT 1,
	OUT allowed boolean, OUT remaining integer,
	OUT retry_after interval, OUT reset_after interval)
RETURNS record
AS 'MODULE_PATHNAME', 'covet_rate_limit'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.rate_limit(text, integer, interval, integer) IS
	'Counts a hit if no window of that period then has more than max_hits. Acts at once and never waits.';
REVOKE EXECUTE ON FUNCTION covet.rate_limit(text, integer, interval, integer) FROM PUBLIC;

CREATE FUNCTION covet._rate_limit_at(
	key text, max_hits integer, period interval, cost integer, now timestamptz,
	OUT allowed boolean, OUT remaining integer,
	OUT retry_after interval, OUT reset_after interval)
RETURNS record
AS 'MODULE_PATHNAME', 'covet__rate_limit_at'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet._rate_limit_at(text, integer, interval, integer, timestamptz) IS
	'Private: rate_limit with a given clock, for tests.';
REVOKE EXECUTE ON FUNCTION covet._rate_limit_at(text, integer, interval, integer, timestamptz) FROM PUBLIC;

-- ==========================================================================
-- Sessions
-- ==========================================================================

-- Two tables of one shape: covet._setting says which is in use.  Nothing that a
-- touch or an update changes is indexed.  Columns of a fixed width come first.
CREATE UNLOGGED TABLE covet._session (
	version bigint NOT NULL,
	created_at timestamptz NOT NULL,
	seen_at timestamptz NOT NULL,
	hard_end timestamptz NOT NULL,		-- end of the lifetime, or of what was saved
	idle bigint NOT NULL,				-- microseconds
	alias_until timestamptz,			-- of a tombstone: until then its token still names
	alias_of uuid,						-- the session with this session_id
	ended_until timestamptz,			-- a tombstone until then; NULL: a session
	session_id uuid NOT NULL UNIQUE,
	saved boolean NOT NULL,				-- ends at hard_end whenever it was seen
	token_hash bytea PRIMARY KEY,		-- SHA-256 of the token
	user_id text COLLATE "C",
	ip inet,
	data bytea,							-- a frame; NULL in tombstones
	user_agent text
) WITH (fillfactor = 70, vacuum_truncate = off,
		autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
		autovacuum_vacuum_insert_scale_factor = 0.2,
		autovacuum_analyze_scale_factor = 0.2, autovacuum_vacuum_cost_delay = 0,
		toast.autovacuum_vacuum_scale_factor = 0.02,
		toast.autovacuum_vacuum_cost_delay = 0, toast.vacuum_truncate = off);
ALTER TABLE covet._session ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE INDEX _session_user_id_idx ON covet._session (user_id);
COMMENT ON TABLE covet._session IS 'Private: sessions and their tombstones, when unlogged.';

CREATE TABLE covet._session_logged (
	version bigint NOT NULL,
	created_at timestamptz NOT NULL,
	seen_at timestamptz NOT NULL,
	hard_end timestamptz NOT NULL,		-- end of the lifetime, or of what was saved
	idle bigint NOT NULL,				-- microseconds
	alias_until timestamptz,			-- of a tombstone: until then its token still names
	alias_of uuid,						-- the session with this session_id
	ended_until timestamptz,			-- a tombstone until then; NULL: a session
	session_id uuid NOT NULL UNIQUE,
	saved boolean NOT NULL,				-- ends at hard_end whenever it was seen
	token_hash bytea PRIMARY KEY,		-- SHA-256 of the token
	user_id text COLLATE "C",
	ip inet,
	data bytea,							-- a frame; NULL in tombstones
	user_agent text
) WITH (fillfactor = 70, vacuum_truncate = off,
		autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
		autovacuum_vacuum_insert_scale_factor = 0.2,
		autovacuum_analyze_scale_factor = 0.2, autovacuum_vacuum_cost_delay = 0,
		toast.autovacuum_vacuum_scale_factor = 0.02,
		toast.autovacuum_vacuum_cost_delay = 0, toast.vacuum_truncate = off);
ALTER TABLE covet._session_logged ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE INDEX _session_logged_user_id_idx ON covet._session_logged (user_id);
COMMENT ON TABLE covet._session_logged IS 'Private: sessions and their tombstones, when logged.';
SELECT pg_catalog.pg_extension_config_dump('covet._session_logged', '');

CREATE TYPE covet.session AS (
	session_id uuid,
	user_id text,
	data jsonb,
	version bigint,
	created_at timestamptz,
	last_seen_at timestamptz,
	expires_at timestamptz,
	ip inet,
	user_agent text
);
COMMENT ON TYPE covet.session IS
	'A live session. session_id is a public handle, useless for login; data is NULL when it was saved as bytea.';

CREATE FUNCTION covet.session_create(
	data jsonb DEFAULT '{}', user_id text DEFAULT NULL,
	idle_timeout interval DEFAULT NULL, max_lifetime interval DEFAULT NULL,
	ip inet DEFAULT NULL, user_agent text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'covet_session_create'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.session_create(jsonb, text, interval, interval, inet, text) IS
	'Creates a session and returns its token, which is stored nowhere; NULL when the user''s limit refuses it.';
REVOKE EXECUTE ON FUNCTION covet.session_create(jsonb, text, interval, interval, inet, text) FROM PUBLIC;

CREATE FUNCTION covet.session_get(token text)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'covet_session_get'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.session_get(text) IS
	'The data of a session, or NULL; counts as seen.';
REVOKE EXECUTE ON FUNCTION covet.session_get(text) FROM PUBLIC;

CREATE FUNCTION covet.session_get_bytea(token text)
RETURNS bytea
AS 'MODULE_PATHNAME', 'covet_session_get_bytea'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.session_get_bytea(text) IS
	'The data of a session as bytea, or NULL; counts as seen.';
REVOKE EXECUTE ON FUNCTION covet.session_get_bytea(text) FROM PUBLIC;

CREATE FUNCTION covet.session_get_many(tokens text[])
RETURNS jsonb[]
AS 'MODULE_PATHNAME', 'covet_session_get_many'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.session_get_many(text[]) IS
	'The data of many sessions, aligned with the tokens; does not count as seen.';
REVOKE EXECUTE ON FUNCTION covet.session_get_many(text[]) FROM PUBLIC;

CREATE FUNCTION covet.session_info(token text, seen boolean DEFAULT false)
RETURNS SETOF covet.session
AS 'MODULE_PATHNAME', 'covet_session_info'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.session_info(text, boolean) IS
	'All that is known of a session: one row or none.';
REVOKE EXECUTE ON FUNCTION covet.session_info(text, boolean) FROM PUBLIC;

CREATE FUNCTION covet.session_update(
	token text, data jsonb, if_version bigint DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'covet_session_update'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.session_update(text, jsonb, bigint) IS
	'Replaces the data of a live session and returns its new version; NULL when it is gone or the version differs.';
REVOKE EXECUTE ON FUNCTION covet.session_update(text, jsonb, bigint) FROM PUBLIC;

CREATE FUNCTION covet.session_merge(
	token text, patch jsonb, if_version bigint DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'covet_session_merge'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.session_merge(text, jsonb, bigint) IS
	'Merges a patch (RFC 7396) into the data of a live session and returns its new version; NULL when it is gone or the version differs.';
REVOKE EXECUTE ON FUNCTION covet.session_merge(text, jsonb, bigint) FROM PUBLIC;

CREATE FUNCTION covet.session_touch(token text, ttl interval DEFAULT NULL)
RETURNS timestamptz
AS 'MODULE_PATHNAME', 'covet_session_touch'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.session_touch(text, interval) IS
	'Counts as seen and returns when the session now ends; a ttl replaces its idle timeout.';
REVOKE EXECUTE ON FUNCTION covet.session_touch(text, interval) FROM PUBLIC;

CREATE FUNCTION covet.session_rotate(
	token text, grace interval DEFAULT '5 s', new_id text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'covet_session_rotate'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.session_rotate(text, interval, text) IS
	'Gives a session a new token; the old one works until grace ends. NULL when it is gone or was rotated already.';
REVOKE EXECUTE ON FUNCTION covet.session_rotate(text, interval, text) FROM PUBLIC;

CREATE FUNCTION covet.session_login(
	token text, user_id text, data jsonb DEFAULT NULL,
	idle_timeout interval DEFAULT NULL, max_lifetime interval DEFAULT NULL,
	ip inet DEFAULT NULL, user_agent text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'covet_session_login'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.session_login(text, text, jsonb, interval, interval, inet, text) IS
	'Creates a session for a user who has just authenticated and ends the old one at once; its data goes over when none is given.';
REVOKE EXECUTE ON FUNCTION covet.session_login(text, text, jsonb, interval, interval, inet, text) FROM PUBLIC;

CREATE FUNCTION covet.session_save(
	id text, data jsonb, ttl interval DEFAULT NULL, user_id text DEFAULT NULL,
	mode text DEFAULT 'set', ip inet DEFAULT NULL, user_agent text DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME', 'covet_session_save'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.session_save(text, jsonb, interval, text, text, inet, text) IS
	'Stores a session under an id made by a framework; mode is ''set'', ''add'' or ''replace''. An id that was ended is not revived.';
REVOKE EXECUTE ON FUNCTION covet.session_save(text, jsonb, interval, text, text, inet, text) FROM PUBLIC;

CREATE FUNCTION covet.session_save_bytea(
	id text, data bytea, ttl interval DEFAULT NULL, user_id text DEFAULT NULL,
	mode text DEFAULT 'set', ip inet DEFAULT NULL, user_agent text DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME', 'covet_session_save_bytea'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.session_save_bytea(text, bytea, interval, text, text, inet, text) IS
	'Stores a session under an id made by a framework; mode is ''set'', ''add'' or ''replace''. An id that was ended is not revived.';
REVOKE EXECUTE ON FUNCTION covet.session_save_bytea(text, bytea, interval, text, text, inet, text) FROM PUBLIC;

CREATE FUNCTION covet.session_delete(token text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'covet_session_delete'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.session_delete(text) IS
	'Ends a session; the result is whether there was a live one.';
REVOKE EXECUTE ON FUNCTION covet.session_delete(text) FROM PUBLIC;

CREATE FUNCTION covet.session_list(user_id text)
RETURNS SETOF covet.session
AS 'MODULE_PATHNAME', 'covet_session_list'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.session_list(text) IS
	'A user''s live sessions, newest first.';
REVOKE EXECUTE ON FUNCTION covet.session_list(text) FROM PUBLIC;

CREATE FUNCTION covet.session_list_many(user_ids text[])
RETURNS SETOF covet.session
AS 'MODULE_PATHNAME', 'covet_session_list_many'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.session_list_many(text[]) IS
	'Some users'' live sessions, by user_id, newest first.';
REVOKE EXECUTE ON FUNCTION covet.session_list_many(text[]) FROM PUBLIC;

CREATE FUNCTION covet.session_count(user_id text DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'covet_session_count'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.session_count(text) IS
	'The number of live sessions, of a user or of all.';
REVOKE EXECUTE ON FUNCTION covet.session_count(text) FROM PUBLIC;

CREATE FUNCTION covet.session_revoke(session_id uuid, user_id text DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME', 'covet_session_revoke'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.session_revoke(uuid, text) IS
	'Ends the session with a public handle, when a user_id is given only if it is that user''s.';
REVOKE EXECUTE ON FUNCTION covet.session_revoke(uuid, text) FROM PUBLIC;

CREATE FUNCTION covet.session_revoke_user(user_id text, keep_token text DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'covet_session_revoke_user'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.session_revoke_user(text, text) IS
	'Ends all of a user''s sessions but the one of keep_token; the result is how many.';
REVOKE EXECUTE ON FUNCTION covet.session_revoke_user(text, text) FROM PUBLIC;

CREATE FUNCTION covet.session_revoke_all()
RETURNS bigint
AS 'MODULE_PATHNAME', 'covet_session_revoke_all'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.session_revoke_all() IS
	'Ends all sessions; the result is how many.';
REVOKE EXECUTE ON FUNCTION covet.session_revoke_all() FROM PUBLIC;

CREATE FUNCTION covet.session_durability(mode text)
RETURNS void
AS 'MODULE_PATHNAME', 'covet_session_durability'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.session_durability(text) IS
	'Moves all sessions to storage that is ''unlogged'' (fast, emptied by a crash) or ''logged''.';
REVOKE EXECUTE ON FUNCTION covet.session_durability(text) FROM PUBLIC;

-- ==========================================================================
-- Revoked tokens
-- ==========================================================================

CREATE TABLE covet._token (
	version bigint NOT NULL,
	expires_at timestamptz NOT NULL,
	issuer text COLLATE "C" NOT NULL,
	jti text COLLATE "C" NOT NULL,
	PRIMARY KEY (issuer, jti)
) WITH (fillfactor = 90, vacuum_truncate = off,
		autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE covet._token IS 'Private: revoked tokens, until they expire.';
SELECT pg_catalog.pg_extension_config_dump('covet._token', '');

CREATE TABLE covet._token_subject (
	issued_before timestamptz NOT NULL,	-- tokens issued up to then are revoked
	expires_at timestamptz NOT NULL,
	issuer text COLLATE "C" NOT NULL,
	subject text COLLATE "C" NOT NULL,
	PRIMARY KEY (issuer, subject)
) WITH (fillfactor = 90, vacuum_truncate = off,
		autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE covet._token_subject IS 'Private: subjects whose tokens up to a time are revoked.';
SELECT pg_catalog.pg_extension_config_dump('covet._token_subject', '');

CREATE FUNCTION covet.token_revoke(
	jti text, expires_at timestamptz, issuer text DEFAULT '')
RETURNS boolean
AS 'MODULE_PATHNAME', 'covet_token_revoke'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.token_revoke(text, timestamptz, text) IS
	'Revokes a token until it would have expired; the result is whether it was newly revoked.';
REVOKE EXECUTE ON FUNCTION covet.token_revoke(text, timestamptz, text) FROM PUBLIC;

CREATE FUNCTION covet.token_revoke_many(
	jtis text[], expires_at timestamptz[], issuer text DEFAULT '')
RETURNS integer
AS 'MODULE_PATHNAME', 'covet_token_revoke_many'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.token_revoke_many(text[], timestamptz[], text) IS
	'Revokes many tokens in one statement; the result is how many distinct ones are newly revoked.';
REVOKE EXECUTE ON FUNCTION covet.token_revoke_many(text[], timestamptz[], text) FROM PUBLIC;

CREATE FUNCTION covet.token_revoke_subject(
	subject text, expires_at timestamptz, issued_before timestamptz DEFAULT NULL,
	issuer text DEFAULT '')
RETURNS void
AS 'MODULE_PATHNAME', 'covet_token_revoke_subject'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.token_revoke_subject(text, timestamptz, timestamptz, text) IS
	'Revokes every token of a subject issued up to a time (now when NULL), until expires_at.';
REVOKE EXECUTE ON FUNCTION covet.token_revoke_subject(text, timestamptz, timestamptz, text) FROM PUBLIC;

CREATE FUNCTION covet.token_is_revoked(
	jti text, issuer text DEFAULT '', subject text DEFAULT NULL,
	issued_at timestamptz DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME', 'covet_token_is_revoked'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.token_is_revoked(text, text, text, timestamptz) IS
	'Is the token revoked, by its jti or by a cutoff of its subject?';
REVOKE EXECUTE ON FUNCTION covet.token_is_revoked(text, text, text, timestamptz) FROM PUBLIC;

CREATE FUNCTION covet.token_is_revoked_many(jtis text[], issuer text DEFAULT '')
RETURNS boolean[]
AS 'MODULE_PATHNAME', 'covet_token_is_revoked_many'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.token_is_revoked_many(text[], text) IS
	'Which of many tokens are revoked, aligned with the jtis, never NULL.';
REVOKE EXECUTE ON FUNCTION covet.token_is_revoked_many(text[], text) FROM PUBLIC;

-- ==========================================================================
-- Direct SQL on the private tables
-- ==========================================================================

-- Whoever writes to the private tables himself (their owner, a restore, logical
-- replication) gets what covet's own functions do: the copies in the hot tier
-- go when he commits.
CREATE FUNCTION covet._own_write() RETURNS boolean
AS 'MODULE_PATHNAME', 'covet__own_write'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet._own_write() IS 'Private: is a function of covet writing this row?';
REVOKE EXECUTE ON FUNCTION covet._own_write() FROM PUBLIC;

CREATE FUNCTION covet._note_row() RETURNS trigger
AS 'MODULE_PATHNAME', 'covet__note_row'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet._note_row() IS 'Private: drops the hot copies of a row that was written directly.';
REVOKE EXECUTE ON FUNCTION covet._note_row() FROM PUBLIC;

CREATE FUNCTION covet._note_truncate() RETURNS trigger
AS 'MODULE_PATHNAME', 'covet__note_truncate'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet._note_truncate() IS 'Private: ends the hot copies of a table that was emptied.';
REVOKE EXECUTE ON FUNCTION covet._note_truncate() FROM PUBLIC;

DO $$
DECLARE
	t text;
BEGIN
	FOREACH t IN ARRAY ARRAY['_cache', '_cache_namespace', '_session', '_session_logged', '_token', '_token_subject'] LOOP
		EXECUTE format('CREATE TRIGGER covet_note_row AFTER INSERT OR UPDATE OR DELETE ON covet.%I'
			' FOR EACH ROW WHEN (NOT covet._own_write()) EXECUTE FUNCTION covet._note_row()', t);
		EXECUTE format('CREATE TRIGGER covet_note_truncate AFTER TRUNCATE ON covet.%I'
			' FOR EACH STATEMENT EXECUTE FUNCTION covet._note_truncate()', t);
		EXECUTE format('ALTER TABLE covet.%I ENABLE ALWAYS TRIGGER covet_note_row', t);
		EXECUTE format('ALTER TABLE covet.%I ENABLE ALWAYS TRIGGER covet_note_truncate', t);
	END LOOP;
END
$$;

-- ==========================================================================
-- MongoDB types
-- ==========================================================================

CREATE FUNCTION covet.mongo_plain(doc jsonb) RETURNS jsonb
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS '$libdir/covet_mongo', 'covet_mongo_plain';
COMMENT ON FUNCTION covet.mongo_plain(jsonb) IS
	'a document with plain values (hexadecimal digits, ISO dates, numbers) in place of Extended JSON';

CREATE FUNCTION covet.mongo_oid(hex text DEFAULT NULL) RETURNS json
	LANGUAGE c VOLATILE PARALLEL SAFE
	AS '$libdir/covet_mongo', 'covet_mongo_oid';
COMMENT ON FUNCTION covet.mongo_oid(text) IS
	'a new ObjectId, or the one given as hexadecimal digits';

-- The mapping between JSON and BSON by itself, private: for tests.
CREATE FUNCTION covet._bson_from_json(doc json) RETURNS bytea
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS '$libdir/covet_mongo', 'covet__bson_from_json';
REVOKE ALL ON FUNCTION covet._bson_from_json(json) FROM PUBLIC;

CREATE FUNCTION covet._bson_to_jsonb(doc bytea) RETURNS jsonb
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS '$libdir/covet_mongo', 'covet__bson_to_jsonb';
REVOKE ALL ON FUNCTION covet._bson_to_jsonb(bytea) FROM PUBLIC;

CREATE FUNCTION covet._bson_to_json(doc bytea) RETURNS json
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS '$libdir/covet_mongo', 'covet__bson_to_json';
REVOKE ALL ON FUNCTION covet._bson_to_json(bytea) FROM PUBLIC;

-- ==========================================================================
-- MongoDB
-- ==========================================================================

CREATE FUNCTION covet._mongo_validator(options text[], catalog oid) RETURNS void
	STRICT LANGUAGE C STABLE PARALLEL SAFE
	AS '$libdir/covet_mongo', 'covet__mongo_validator';

-- USAGE on it is granted to nobody: whoever makes a server decides where this
-- machine connects to.
CREATE FOREIGN DATA WRAPPER covet_mongo NO HANDLER VALIDATOR covet._mongo_validator;
COMMENT ON FOREIGN DATA WRAPPER covet_mongo IS
	'MongoDB servers, for the mongo_ functions of covet';

CREATE FUNCTION covet.mongo_ping(server text) RETURNS interval
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS '$libdir/covet_mongo', 'covet_mongo_ping';
COMMENT ON FUNCTION covet.mongo_ping(text) IS
	'round trip to a MongoDB server';
REVOKE ALL ON FUNCTION covet.mongo_ping(text) FROM PUBLIC;

-- The streaming halves of mongo_find: value-per-call, so that a query that
-- stops early stops the transfer.
CREATE FUNCTION covet._mongo_find(server text, database text, collection text,
		filter json, projection json, sort json, max_docs bigint, skip bigint, options json)
	RETURNS SETOF jsonb
	LANGUAGE C STABLE PARALLEL UNSAFE ROWS 1000
	AS '$libdir/covet_mongo', 'covet__mongo_find';
REVOKE ALL ON FUNCTION covet._mongo_find(text, text, text, json, json, json, bigint, bigint, json)
	FROM PUBLIC;

CREATE FUNCTION covet._mongo_find_json(server text, database text, collection text,
		filter json, projection json, sort json, max_docs bigint, skip bigint, options json)
	RETURNS SETOF json
	LANGUAGE C STABLE PARALLEL UNSAFE ROWS 1000
	AS '$libdir/covet_mongo', 'covet__mongo_find_json';
REVOKE ALL ON FUNCTION covet._mongo_find_json(text, text, text, json, json, json, bigint, bigint, json)
	FROM PUBLIC;

-- No STRICT, no SET, no SECURITY DEFINER: any of them would keep PostgreSQL
-- from inlining these two, and then FROM would collect all rows first.
-- cache_ttl has no effect: results are always read from the server.
CREATE FUNCTION covet.mongo_find(server text, database text, collection text,
		filter json DEFAULT '{}', projection json DEFAULT NULL, sort json DEFAULT NULL,
		max_docs bigint DEFAULT NULL, skip bigint DEFAULT NULL,
		cache_ttl interval DEFAULT NULL, options json DEFAULT NULL)
	RETURNS SETOF jsonb
	LANGUAGE sql STABLE PARALLEL UNSAFE ROWS 1000
BEGIN ATOMIC
	SELECT covet._mongo_find(server, database, collection, filter, projection, sort,
							 max_docs, skip, options);
END;
COMMENT ON FUNCTION covet.mongo_find(text, text, text, json, json, json, bigint, bigint, interval, json) IS
	'documents of a MongoDB collection that match a filter, streamed';
REVOKE ALL ON FUNCTION covet.mongo_find(text, text, text, json, json, json, bigint, bigint, interval, json)
	FROM PUBLIC;

CREATE FUNCTION covet.mongo_find_json(server text, database text, collection text,
		filter json DEFAULT '{}', projection json DEFAULT NULL, sort json DEFAULT NULL,
		max_docs bigint DEFAULT NULL, skip bigint DEFAULT NULL,
		cache_ttl interval DEFAULT NULL, options json DEFAULT NULL)
	RETURNS SETOF json
	LANGUAGE sql STABLE PARALLEL UNSAFE ROWS 1000
BEGIN ATOMIC
	SELECT covet._mongo_find_json(server, database, collection, filter, projection, sort,
								  max_docs, skip, options);
END;
COMMENT ON FUNCTION covet.mongo_find_json(text, text, text, json, json, json, bigint, bigint, interval, json) IS
	'documents of a MongoDB collection that match a filter, streamed, with the order of their keys';
REVOKE ALL ON FUNCTION covet.mongo_find_json(text, text, text, json, json, json, bigint, bigint, interval, json)
	FROM PUBLIC;

CREATE FUNCTION covet.mongo_insert_one(server text, database text, collection text,
		document json, options json DEFAULT NULL)
	RETURNS jsonb
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS '$libdir/covet_mongo', 'covet_mongo_insert_one';
COMMENT ON FUNCTION covet.mongo_insert_one(text, text, text, json, json) IS
	'insert a document into a MongoDB collection and return its _id';
REVOKE ALL ON FUNCTION covet.mongo_insert_one(text, text, text, json, json) FROM PUBLIC;

CREATE FUNCTION covet.mongo_insert_many(server text, database text, collection text,
		documents json[], ordered boolean DEFAULT true, options json DEFAULT NULL)
	RETURNS bigint
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS '$libdir/covet_mongo', 'covet_mongo_insert_many';
COMMENT ON FUNCTION covet.mongo_insert_many(text, text, text, json[], boolean, json) IS
	'insert documents into a MongoDB collection and return how many went in';
REVOKE ALL ON FUNCTION covet.mongo_insert_many(text, text, text, json[], boolean, json) FROM PUBLIC;

CREATE FUNCTION covet.mongo_drop_collection(server text, database text, collection text,
		options json DEFAULT NULL)
	RETURNS boolean
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS '$libdir/covet_mongo', 'covet_mongo_drop_collection';
COMMENT ON FUNCTION covet.mongo_drop_collection(text, text, text, json) IS
	'drop a MongoDB collection; true when there was one';
REVOKE ALL ON FUNCTION covet.mongo_drop_collection(text, text, text, json) FROM PUBLIC;

-- ==========================================================================
-- Operating it
-- ==========================================================================

CREATE FUNCTION covet.sweep(now timestamptz DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'covet_sweep'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.sweep(timestamptz) IS
	'Removes everything that is dead at a time (now when NULL) and returns how many rows and entries that was.';
REVOKE EXECUTE ON FUNCTION covet.sweep(timestamptz) FROM PUBLIC;

CREATE FUNCTION covet.warm(max_entries bigint DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'covet_warm'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet.warm(bigint) IS
	'Loads copies of rows into memory, those used last first, until it is full, and returns how many it loaded.';
REVOKE EXECUTE ON FUNCTION covet.warm(bigint) FROM PUBLIC;

CREATE FUNCTION covet._stat_workers(
	OUT database_oid oid, OUT state text, OUT last_tick timestamptz,
	OUT next_tick timestamptz, OUT tick_interval interval, OUT ticks bigint,
	OUT removed bigint, OUT failures bigint, OUT last_error text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'covet__stat_workers'
LANGUAGE C VOLATILE PARALLEL SAFE;
COMMENT ON FUNCTION covet._stat_workers() IS 'Private: what covet.stat_workers shows.';
REVOKE EXECUTE ON FUNCTION covet._stat_workers() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION covet._stat_workers() TO pg_monitor;

CREATE VIEW covet.stat_workers AS
	SELECT d.datname AS database, w.state, w.last_tick, w.next_tick, w.tick_interval,
		w.ticks, w.removed, w.failures, w.last_error
	FROM covet._stat_workers() w
		JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) w.database_oid;
COMMENT ON VIEW covet.stat_workers IS
	'The databases that the workers sweep: state, times and interval of ticks, rows removed, failures and the SQLSTATE of the last tick when it failed.';
GRANT SELECT ON covet.stat_workers TO pg_monitor;

CREATE FUNCTION covet._stat_hot(
	OUT size bigint, OUT used bigint, OUT entries bigint, OUT absent bigint,
	OUT prepared bigint, OUT unlinked bigint, OUT hits bigint, OUT misses bigint,
	OUT promotions bigint, OUT refused bigint, OUT evictions bigint, OUT "full" bigint)
AS 'MODULE_PATHNAME', 'covet__stat_hot'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet._stat_hot() IS 'Private: what covet.stat_hot shows.';
REVOKE EXECUTE ON FUNCTION covet._stat_hot() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION covet._stat_hot() TO pg_monitor;

CREATE VIEW covet.stat_hot AS
	SELECT h.size, h.used, h.entries, h.absent, h.prepared, h.unlinked, h.hits,
		h.misses, h.promotions, h.refused, h.evictions, h."full"
	FROM covet._stat_hot() h;
COMMENT ON VIEW covet.stat_hot IS
	'The hot tier of the server: bytes it has and uses, entries (of them "not there"), blocks prepared or still read, reads that hit or missed, copies promoted or refused, evictions, and requests for which there was no room.';
GRANT SELECT ON covet.stat_hot TO pg_monitor;

CREATE FUNCTION covet._hot_check() RETURNS text
AS 'MODULE_PATHNAME', 'covet__hot_check'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION covet._hot_check() IS
	'Private: looks at every block and list of the hot tier; NULL when all is sound, else what is wrong.';
REVOKE EXECUTE ON FUNCTION covet._hot_check() FROM PUBLIC;

-- Which part of grant_usage each function belongs to.
CREATE VIEW covet._part_function AS
	SELECT p.oid AS function, a.part
	FROM pg_catalog.pg_proc p
		JOIN pg_catalog.pg_namespace s ON s.oid OPERATOR(pg_catalog.=) p.pronamespace,
		LATERAL (SELECT CASE
			WHEN p.proname OPERATOR(pg_catalog.=) ANY (ARRAY['cache_namespace_set', 'cache_namespace_drop', 'session_durability', 'warm']::name[]) THEN 'admin'
			WHEN p.proname OPERATOR(pg_catalog.~) '^(cache|lock)_|^rate_limit$' THEN 'cache'
			WHEN p.proname OPERATOR(pg_catalog.~) '^session_' THEN 'session'
			WHEN p.proname OPERATOR(pg_catalog.~) '^token_' THEN 'token'
			WHEN p.proname OPERATOR(pg_catalog.=) ANY (ARRAY['mongo_find', 'mongo_find_json', '_mongo_find', '_mongo_find_json', 'mongo_ping']::name[]) THEN 'mongo_read'
			WHEN p.proname OPERATOR(pg_catalog.=) ANY (ARRAY['mongo_insert_one', 'mongo_insert_many']::name[]) THEN 'mongo'
			WHEN p.proname OPERATOR(pg_catalog.=) ANY (ARRAY['mongo_drop_collection']::name[]) THEN 'mongo_admin'
			END AS part) a
	WHERE s.nspname OPERATOR(pg_catalog.=) 'covet'
		AND a.part IS NOT NULL;
COMMENT ON VIEW covet._part_function IS 'Private: the functions of each part of grant_usage.';

CREATE FUNCTION covet._change_usage(role regrole, part text, grants boolean) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	-- a part, and the parts it includes
	parts CONSTANT jsonb := '{
		"cache": ["cache"],
		"session": ["session"],
		"token": ["token"],
		"mongo_read": ["mongo_read"],
		"mongo": ["mongo_read", "mongo"],
		"mongo_admin": ["mongo_read", "mongo", "mongo_admin"],
		"admin": ["admin"],
		"all": ["cache", "session", "token", "mongo_read", "mongo", "mongo_admin", "admin"]
	}';
	f oid;
BEGIN
	IF role IS NULL OR part IS NULL THEN
		RAISE EXCEPTION 'role and part must not be null'
			USING ERRCODE = 'null_value_not_allowed';
	END IF;
	IF NOT parts ? part THEN
		RAISE EXCEPTION 'unrecognized part "%"', part
			USING ERRCODE = 'invalid_parameter_value',
				HINT = 'Parts are cache, session, token, mongo_read, mongo, mongo_admin, admin and all.';
	END IF;
	IF NOT pg_has_role(current_user, (SELECT extowner FROM pg_extension WHERE extname = 'covet'), 'USAGE') THEN
		RAISE EXCEPTION 'must be owner of extension covet'
			USING ERRCODE = 'insufficient_privilege';
	END IF;
	FOR f IN SELECT p.function FROM covet._part_function p WHERE parts -> _change_usage.part ? p.part LOOP
		IF grants THEN
			EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', f::regprocedure, role);
		ELSE
			EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM %s', f::regprocedure, role);
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION covet._change_usage(regrole, text, boolean) IS 'Private: grants or revokes EXECUTE on the functions of a part.';
REVOKE EXECUTE ON FUNCTION covet._change_usage(regrole, text, boolean) FROM PUBLIC;

CREATE FUNCTION covet.grant_usage(role regrole, part text) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT covet._change_usage(role, part, true);
END;
COMMENT ON FUNCTION covet.grant_usage(regrole, text) IS
	'Lets a role execute the functions of a part: cache, session, token, mongo_read, mongo, mongo_admin, admin or all.';
REVOKE EXECUTE ON FUNCTION covet.grant_usage(regrole, text) FROM PUBLIC;

CREATE FUNCTION covet.revoke_usage(role regrole, part text) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT covet._change_usage(role, part, false);
END;
COMMENT ON FUNCTION covet.revoke_usage(regrole, text) IS 'Takes back what grant_usage gave.';
REVOKE EXECUTE ON FUNCTION covet.revoke_usage(regrole, text) FROM PUBLIC;

-- Default privileges of the database must not open the private tables.
DO $$
DECLARE
	g record;
BEGIN
	FOR g IN
		SELECT DISTINCT c.oid::regclass AS private_table,
			CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee
		FROM pg_class c, LATERAL aclexplode(c.relacl) a
		WHERE c.relnamespace = 'covet'::regnamespace
			AND c.relkind = 'r'
			AND a.grantee <> c.relowner
	LOOP
		EXECUTE format('REVOKE ALL ON TABLE %s FROM %s', g.private_table, g.grantee);
	END LOOP;
END
$$;
