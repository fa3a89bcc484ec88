-- hot_cache: what reads of table namespaces take from memory and what they put there
\set VERBOSITY sqlstate
-- Rows that are written with the triggers disabled show where a read looks.
ALTER TABLE covet._cache DISABLE TRIGGER covet_note_row;

-- a copy comes with the first read, and then the table is not asked
SELECT covet.cache_set('k', 'text', '1 hour', 'hot', ARRAY['red', 'blue']), covet.cache_set_jsonb('j', '{"a": [1, 2]}', '2 hours', 'hot'),
	covet.cache_set_bytea('b', '\x0001', '3 hours', 'hot'), covet.cache_set('long', repeat('long ', 10000), '4 hours', 'hot'),
	covet.cache_set('packed', repeat('packed ', 100), '5 hours', 'hot'), covet.cache_set('idle', 'idle', '6 hours', 'hot', idle => '1 hour');
CREATE TEMP VIEW shown AS
	SELECT key, value, kind, version, raw_size, stored_size, codec, tags, CASE WHEN key <> 'idle' THEN expires_at END AS expires_at
	FROM covet.cache_entries('{k,j,b,long,packed,idle,none}', 'hot');
CREATE TEMP TABLE from_table AS SELECT * FROM shown;	-- writes, so it promotes nothing
SELECT count(*) FROM shown;
CREATE TEMP TABLE ends AS SELECT key, covet.cache_expires_at(key, 'hot') AS ends_at FROM from_table;
DELETE FROM covet._cache WHERE namespace = 'hot';
SELECT count(*) FROM covet._cache WHERE namespace = 'hot';
SELECT key, kind, raw_size, codec, tags FROM shown ORDER BY key;
SELECT count(*) FROM (TABLE shown EXCEPT TABLE from_table) s;
SELECT covet.cache_get('k', 'hot'), covet.cache_get_jsonb('j', 'hot'), covet.cache_get_bytea('b', 'hot'), covet.cache_get('j', 'hot') AS j_text,
	covet.cache_get_many('{k,none,idle}', 'hot'), covet.cache_exists('k', 'hot'), covet.cache_exists('none', 'hot');
SELECT covet.cache_get('long', 'hot') = repeat('long ', 10000) AS long, covet.cache_get('packed', 'hot') = repeat('packed ', 100) AS packed;
SELECT count(*) FROM ends WHERE covet.cache_expires_at(key, 'hot') <> ends_at AND key <> 'idle';
-- a scan reads the table
SELECT count(*) FROM covet.cache_scan(namespace => 'hot');

-- "not there" is remembered too
SELECT covet.cache_set('template', 'x', '1 hour', 'hot');
SELECT covet.cache_get('absent', 'hot');
INSERT INTO covet._cache (version, expires_at, seen_at, idle, stale, stamp, namespace, key, value)
	SELECT version, expires_at, seen_at, idle, stale, stamp, namespace, 'absent', value FROM covet._cache WHERE namespace = 'hot' AND key = 'template';
SELECT covet.cache_get('absent', 'hot'), covet.cache_exists('absent', 'hot');
SELECT covet.cache_set('absent', 'new', '1 hour', 'hot'), covet.cache_get('absent', 'hot');

-- a write drops the copy, whichever it is
\set VERBOSITY terse
CREATE PROCEDURE after(operation text) LANGUAGE plpgsql AS $$
DECLARE
	before text;
BEGIN
	PERFORM covet.cache_set('w', '1', '1 hour', 'hot');
	COMMIT;
	before := covet.cache_get('w', 'hot');
	COMMIT;
	EXECUTE 'SELECT covet.' || operation;
	RAISE NOTICE '%: %, then %', operation, before, covet.cache_get('w', 'hot');
	COMMIT;
	RAISE NOTICE 'committed: %, then %', covet.cache_get('w', 'hot'), covet.cache_get('w', 'hot');
	COMMIT;
END
$$;
CALL after($$cache_set('w', '2', '1 hour', 'hot')$$);
CALL after($$cache_set('w', '2', '0', 'hot')$$);
CALL after($$cache_set_many('{w,v}', '{3,3}', '1 hour', 'hot')$$);
CALL after($$cache_replace('w', '4', '1 hour', 'hot')$$);
CALL after($$cache_incr('w', 10, '1 hour', 'hot')$$);
CALL after($$cache_take('w', 'hot')$$);
CALL after($$cache_delete('w', 'hot')$$);
CALL after($$cache_delete_many('{w,v}', 'hot')$$);
CALL after($$cache_touch('w', '0', 'hot')$$);
CALL after($$cache_clear('hot')$$);
DROP PROCEDURE after(text);
\set VERBOSITY sqlstate
SELECT covet.cache_get('k', 'hot') IS NULL AS cleared;
SELECT covet.cache_add('a', '1', '1 hour', 'hot'), covet.cache_get('a', 'hot'), covet.cache_add('a', '2', '1 hour', 'hot'), covet.cache_delete('a', 'hot');
SELECT covet.cache_get('a', 'hot');
SELECT covet.cache_add('a', '3', '1 hour', 'hot');
SELECT covet.cache_get('a', 'hot');
SELECT covet.cache_touch('a', '2 hours', 'hot');
SELECT covet.cache_expires_at('a', 'hot') > now() + interval '90 min' AS moved;
-- tags
SELECT covet.cache_set('t', 'tagged', '1 hour', 'hot', ARRAY['red', 'blue']), covet.cache_set('u', 'untagged', '1 hour', 'hot');
SELECT covet.cache_get_many('{t,u}', 'hot');
SELECT covet.cache_invalidate_tags('{blue}', 'hot');
SELECT covet.cache_get_many('{t,u}', 'hot');

-- a clear takes no transaction id
BEGIN;
SELECT covet.cache_clear('hot_other'), covet.cache_invalidate_tags('{a,b}', 'hot_other');
SELECT pg_current_xact_id_if_assigned() IS NULL AS no_xid;
COMMIT;
-- nor does a read
BEGIN;
SELECT covet.cache_get('u', 'hot'), covet.cache_get('idle', 'hot'), covet.cache_get('none', 'hot');
SELECT pg_current_xact_id_if_assigned() IS NULL AS no_xid;
COMMIT;

-- a transaction sees what it wrote, and what it takes back was never there
BEGIN;
SELECT covet.cache_set('u', 'mine', '1 hour', 'hot');
SELECT covet.cache_get('u', 'hot');
SAVEPOINT s;
SELECT covet.cache_delete('u', 'hot');
SELECT covet.cache_get('u', 'hot');
ROLLBACK TO s;
SELECT covet.cache_get('u', 'hot');
SAVEPOINT s;
SELECT covet.cache_clear('hot');
SELECT covet.cache_get('u', 'hot');
SELECT covet.cache_set('u', 'after', '1 hour', 'hot'), covet.cache_get('u', 'hot');
ROLLBACK TO s;
SELECT covet.cache_get('u', 'hot');
ROLLBACK;
SELECT covet.cache_get('u', 'hot');
BEGIN;
SELECT covet.cache_clear('hot');
SELECT covet.cache_get('u', 'hot');
SELECT covet.cache_set('v', 'after', '1 hour', 'hot');
COMMIT;
SELECT covet.cache_get_many('{u,v}', 'hot');
-- and puts nothing into memory
SELECT covet.cache_set('n', 'row', '1 hour', 'hot');
BEGIN;
SELECT pg_current_xact_id() IS NOT NULL AS has_xid;
SELECT covet.cache_get('n', 'hot'), covet.cache_get('never', 'hot');
COMMIT;
DELETE FROM covet._cache WHERE namespace = 'hot' AND key = 'n';
SELECT covet.cache_get('n', 'hot');

-- too large for memory
SELECT covet.cache_namespace_set('hot_raw', codec => 'raw');
SELECT covet.cache_set('large', repeat('x', 600000), '1 hour', 'hot_raw'), covet.cache_set('small', repeat('x', 500000), '1 hour', 'hot_raw');
SELECT length(covet.cache_get('large', 'hot_raw')), length(covet.cache_get('small', 'hot_raw'));
DELETE FROM covet._cache WHERE namespace = 'hot_raw';
SELECT length(covet.cache_get('large', 'hot_raw')), length(covet.cache_get('small', 'hot_raw'));

-- a row that is over by its own columns lives while memory has seen it
SELECT covet.cache_set('seen', 'x', '10 hours', 'hot', idle => '1 hour'), covet.cache_set('unseen', 'x', '10 hours', 'hot', idle => '1 hour');
SELECT covet.cache_get('seen', 'hot');
UPDATE covet._cache SET seen_at = seen_at - interval '2 hours' WHERE namespace = 'hot' AND key IN ('seen', 'unseen');
SELECT covet.cache_get('seen', 'hot'), covet.cache_get('unseen', 'hot');
SELECT key FROM covet.cache_scan(namespace => 'hot') WHERE key IN ('seen', 'unseen');
SELECT covet.sweep() >= 1 AS swept;
SELECT key FROM covet._cache WHERE namespace = 'hot' AND key IN ('seen', 'unseen');
-- ahead of the clock a sweep takes the copy as well
SELECT covet.sweep(clock_timestamp() + interval '30 hours') >= 1 AS swept;
SELECT covet.cache_get('seen', 'hot');
SELECT covet.cache_set('s', 'x', '1 hour', 'hot');
SELECT covet.cache_get('s', 'hot');
SELECT covet.sweep(clock_timestamp() + interval '2 hours') >= 1 AS swept;
SELECT covet.cache_get('s', 'hot');

-- over quota what is not in memory goes first
SELECT covet.cache_namespace_set('hot_quota', max_bytes => 10000, codec => 'raw');
SELECT count(covet.cache_set('q' || i, repeat('x', 980), '1 hour', 'hot_quota')) FROM generate_series(10, 29) i;
SELECT count(covet.cache_get('q' || i, 'hot_quota')) FROM generate_series(10, 12) i;
SELECT covet.sweep() >= 10 AS swept;
SELECT array_agg(key ORDER BY key) FROM covet._cache WHERE namespace = 'hot_quota';
-- what was evicted is gone from memory too
SELECT covet.cache_namespace_set('hot_quota', max_bytes => 1, codec => 'raw');
SELECT covet.sweep() >= 10 AS swept;
SELECT covet.cache_get('q10', 'hot_quota');

-- warming: those used last first
SELECT covet.sweep('infinity') >= 0 AS swept;
SELECT covet.cache_namespace_set('hot_quota');
SELECT count(covet.cache_set('q' || i, repeat('x', 980), '1 hour', 'hot_quota')) FROM generate_series(10, 29) i;
UPDATE covet._cache SET seen_at = seen_at + interval '1 min' WHERE namespace = 'hot_quota' AND key IN ('q15', 'q16');
SELECT covet.warm(0), covet.warm(2);
DELETE FROM covet._cache WHERE namespace = 'hot_quota' AND key NOT IN ('q17', 'q18');
SELECT i FROM generate_series(10, 29) i WHERE covet.cache_exists('q' || i, 'hot_quota') ORDER BY i;
SELECT covet.warm() >= 0 AS warmed, covet.warm() AS nothing_left;
DELETE FROM covet._cache WHERE namespace = 'hot_quota';
SELECT i FROM generate_series(10, 29) i WHERE covet.cache_exists('q' || i, 'hot_quota') ORDER BY i;
SELECT covet.warm(-1);
BEGIN;
SELECT pg_current_xact_id() IS NOT NULL AS has_xid, covet.warm();
ROLLBACK;
SELECT covet.cache_set('w', 'x', '1 hour', 'hot_quota');
BEGIN READ ONLY;
SELECT covet.warm(1);
COMMIT;

ALTER TABLE covet._cache ENABLE ALWAYS TRIGGER covet_note_row;
SELECT ns, covet.cache_namespace_drop(ns) FROM unnest('{hot,hot_other,hot_raw,hot_quota}'::text[]) ns;
SELECT covet._hot_check();
