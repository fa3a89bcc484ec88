-- memory_transaction: what a transaction writes to a memory namespace is its
-- own until it commits, and nobody's if it does not
\set VERBOSITY sqlstate
SELECT covet.cache_namespace_set('mtx', 'memory'), covet.cache_namespace_set('mtx_table');

-- own reads, then commit
BEGIN;
SELECT covet.cache_set('a', '1', namespace => 'mtx', tags => '{mtx-t}'),
	covet.cache_set_many('{b,c}', '{2,3}', namespace => 'mtx'),
	covet.cache_set_jsonb('j', '{"n": 1}', '1 hour', 'mtx');
SELECT covet.cache_get_many('{a,b,c,d}', 'mtx'), covet.cache_get_jsonb('j', 'mtx'), covet.cache_exists('c', 'mtx'),
	covet.cache_expires_at('j', 'mtx') - clock_timestamp() BETWEEN '59 min' AND '1 hour' AS hour;
SELECT key, convert_from(value, 'UTF8'), kind, raw_size, stored_size, codec, tags, version > 0 AS version
FROM covet.cache_entries('{a,b}', 'mtx');
SELECT key FROM covet.cache_scan(namespace => 'mtx');
-- the version of one's own write holds for replace
SELECT version AS v FROM covet.cache_entries('{b}', 'mtx') \gset
SELECT covet.cache_replace('b', '22', namespace => 'mtx', if_version => :v - 1),
	covet.cache_replace('b', '22', namespace => 'mtx', if_version => :v),
	covet.cache_replace('b', '23', namespace => 'mtx', if_version => :v);
SELECT covet.cache_touch('b', '2 hours', 'mtx'), covet.cache_expires_at('b', 'mtx') - clock_timestamp() BETWEEN '119 min' AND '2 hours' AS hours;
SELECT covet.cache_delete('c', 'mtx'), covet.cache_delete('c', 'mtx'), covet.cache_get('c', 'mtx'), covet.cache_take('j', 'mtx'), covet.cache_exists('j', 'mtx');
COMMIT;
SELECT covet.cache_get_many('{a,b,c,j}', 'mtx');
SELECT key, convert_from(value, 'UTF8'), tags FROM covet.cache_scan(namespace => 'mtx', with_values => true);

-- rollback
BEGIN;
SELECT covet.cache_set('a', 'x', namespace => 'mtx'), covet.cache_delete('b', 'mtx'), covet.cache_set('new', 'x', namespace => 'mtx');
SELECT covet.cache_get_many('{a,b,new}', 'mtx');
SELECT key FROM covet.cache_scan(namespace => 'mtx');
ROLLBACK;
SELECT covet.cache_get_many('{a,b,new}', 'mtx');
BEGIN;
SELECT covet.cache_clear('mtx');
SELECT covet.cache_get_many('{a,b}', 'mtx'), covet.cache_delete('a', 'mtx');
SELECT count(*) FROM covet.cache_scan(namespace => 'mtx');
SELECT covet.cache_add('a', 'after', namespace => 'mtx'), covet.cache_incr('b', namespace => 'mtx'), covet.cache_take('c', 'mtx');
SELECT covet.cache_get_many('{a,b}', 'mtx');
ROLLBACK;
SELECT covet.cache_get_many('{a,b}', 'mtx');
BEGIN;
SELECT covet.cache_invalidate_tags('{mtx-t}', 'mtx');
SELECT covet.cache_get_many('{a,b}', 'mtx'), covet.cache_replace('a', 'no', namespace => 'mtx'), covet.cache_add('a', 'after', namespace => 'mtx', tags => '{mtx-t}');
SELECT covet.cache_get('a', 'mtx');
ROLLBACK;
SELECT covet.cache_get_many('{a,b}', 'mtx');

-- clear ends what was written before it, not what is written after it
BEGIN;
SELECT covet.cache_set('before', 'x', namespace => 'mtx'), covet.cache_set('both', 'old', namespace => 'mtx');
SELECT covet.cache_clear('mtx');
SELECT covet.cache_get_many('{a,b,before,both}', 'mtx');
SELECT covet.cache_set('both', 'new', namespace => 'mtx'), covet.cache_add('after', 'x', namespace => 'mtx');
SELECT covet.cache_get_many('{before,both,after}', 'mtx');
COMMIT;
SELECT covet.cache_get_many('{a,b,before,both,after}', 'mtx');
SELECT key FROM covet.cache_scan(namespace => 'mtx');
BEGIN;
SELECT covet.cache_set('t1', 'old', namespace => 'mtx', tags => '{mtx-t,mtx-u}'), covet.cache_set('t2', 'old', namespace => 'mtx', tags => '{mtx-u}');
SELECT covet.cache_invalidate_tags('{mtx-t}', 'mtx');
SELECT covet.cache_get_many('{t1,t2}', 'mtx'), covet.cache_set('t3', 'new', namespace => 'mtx', tags => '{mtx-t}');
COMMIT;
SELECT covet.cache_get_many('{t1,t2,t3}', 'mtx');

-- savepoints
BEGIN;
SELECT covet.cache_set('s', 'outer', namespace => 'mtx');
SAVEPOINT one;
SELECT covet.cache_set('s', 'inner', namespace => 'mtx'), covet.cache_set('s1', 'x', namespace => 'mtx');
SAVEPOINT two;
SELECT covet.cache_delete('s', 'mtx'), covet.cache_set('s2', 'x', namespace => 'mtx');
SELECT covet.cache_get_many('{s,s1,s2}', 'mtx');
ROLLBACK TO two;
SELECT covet.cache_get_many('{s,s1,s2}', 'mtx');
ROLLBACK TO one;
SELECT covet.cache_get_many('{s,s1,s2}', 'mtx');
SAVEPOINT three;
SELECT covet.cache_set('s3', 'x', namespace => 'mtx'), covet.cache_delete('both', 'mtx');
RELEASE three;
SAVEPOINT four;
SELECT covet.cache_clear('mtx');
SELECT covet.cache_set('s4', 'x', namespace => 'mtx'), covet.cache_get_many('{s,s3,s4,after}', 'mtx');
ROLLBACK TO four;
SELECT covet.cache_get_many('{s,s3,s4,both,after}', 'mtx');
COMMIT;
SELECT covet.cache_get_many('{s,s1,s2,s3,s4,both,after}', 'mtx');
-- a subtransaction that commits inside one that does not
BEGIN;
SAVEPOINT one;
SAVEPOINT two;
SELECT covet.cache_set('s', 'lost', namespace => 'mtx');
RELEASE two;
SELECT covet.cache_get('s', 'mtx');
ROLLBACK TO one;
SELECT covet.cache_get('s', 'mtx');
COMMIT;
SELECT covet.cache_get('s', 'mtx');

-- an exception caught in plpgsql takes back its block only
DO $$
BEGIN
	PERFORM covet.cache_set('p1', 'x', namespace => 'mtx');
	FOR i IN 1..1000 LOOP
		BEGIN
			PERFORM covet.cache_set('p' || i, 'lost', namespace => 'mtx');
			RAISE division_by_zero;
		EXCEPTION WHEN division_by_zero THEN
			PERFORM covet.cache_set('q' || i, 'x', namespace => 'mtx');
		END;
	END LOOP;
END $$;
SELECT count(*) FILTER (WHERE key LIKE 'p%') AS p, count(*) FILTER (WHERE key LIKE 'q%') AS q,
	covet.cache_get('p1', 'mtx') FROM covet.cache_scan(max_entries => 10000, namespace => 'mtx');
SELECT covet.cache_clear('mtx');

-- a procedure that commits and rolls back
CREATE PROCEDURE pg_temp.commits() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM covet.cache_set('c1', 'x', namespace => 'mtx');
	COMMIT;
	PERFORM covet.cache_set('c2', 'x', namespace => 'mtx');
	ROLLBACK;
	PERFORM covet.cache_set('c3', coalesce(covet.cache_get('c1', 'mtx'), 'none') || coalesce(covet.cache_get('c2', 'mtx'), 'none'), namespace => 'mtx');
END $$;
CALL pg_temp.commits();
SELECT covet.cache_get_many('{c1,c2,c3}', 'mtx');

-- what runs while the transaction commits is part of it
BEGIN;
DECLARE held CURSOR WITH HOLD FOR SELECT covet.cache_set('held', 'x', namespace => 'mtx') FROM generate_series(1, 3);
COMMIT;
SELECT covet.cache_get('held', 'mtx');
FETCH ALL FROM held;
CLOSE held;
CREATE TEMP TABLE deferred (id integer PRIMARY KEY DEFERRABLE INITIALLY DEFERRED);
CREATE FUNCTION pg_temp.late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM covet.cache_set('late', coalesce(covet.cache_get('early', 'mtx'), 'none'), namespace => 'mtx');
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON deferred DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pg_temp.late();
BEGIN;
INSERT INTO deferred VALUES (1);
SELECT covet.cache_set('early', 'x', namespace => 'mtx');
COMMIT;
SELECT covet.cache_get_many('{early,late}', 'mtx');
-- a commit that fails publishes nothing
BEGIN;
SELECT covet.cache_set('early', 'lost', namespace => 'mtx'), covet.cache_delete('c1', 'mtx');
SELECT covet.cache_clear('mtx');
INSERT INTO deferred VALUES (1);
COMMIT;
SELECT covet.cache_get_many('{early,late,c1}', 'mtx');
BEGIN;
SELECT covet.cache_set('early', 'lost', namespace => 'mtx');
PREPARE TRANSACTION 'mtx';
SELECT covet.cache_get('early', 'mtx');
-- nor can one be prepared after anything else that writes
SELECT format('BEGIN; SELECT %s IS NULL AS called; PREPARE TRANSACTION ''regress_covet'';', call)
FROM unnest(ARRAY['covet.cache_incr(''p'', namespace => ''mtx'')', 'covet.cache_touch(''p'', ''1 hour'', ''mtx'')',
	'covet.cache_replace(''p'', ''x'', namespace => ''mtx'')', 'covet.cache_take(''p'', ''mtx'')', 'covet.cache_add(''p'', ''y'', namespace => ''mtx'')',
	'covet.cache_delete(''p'', ''mtx'')', 'covet.cache_set_many(''{p}'', ''{z}'', namespace => ''mtx'')',
	'covet.cache_invalidate_tags(''{none}'', ''mtx'')', 'covet.cache_clear(''mtx_none'')']) call \gexec
SELECT covet.cache_get('p', 'mtx'), covet.cache_delete('p', 'mtx');
-- one that only read can be
BEGIN;
SELECT covet.cache_get('early', 'mtx'), covet.cache_add('early', 'x', namespace => 'mtx'), covet.cache_take('none', 'mtx');
PREPARE TRANSACTION 'regress_covet';
COMMIT PREPARED 'regress_covet';

-- READ ONLY transactions write memory namespaces, not others
BEGIN READ ONLY;
SELECT covet.cache_set('ro', '1', namespace => 'mtx'), covet.cache_add('ro2', '1', namespace => 'mtx'), covet.cache_incr('ro', namespace => 'mtx'),
	covet.cache_replace('ro', '5', namespace => 'mtx'), covet.cache_touch('ro', '1 hour', 'mtx'), covet.cache_set_many('{ro3}', '{x}', namespace => 'mtx'),
	covet.cache_take('ro2', 'mtx'), covet.cache_delete('c1', 'mtx'), covet.cache_delete_many('{c3}', 'mtx');
SELECT covet.cache_invalidate_tags('{mtx-t}', 'mtx');
SAVEPOINT s;
SELECT covet.cache_set('ro', '1', namespace => 'mtx_table');
ROLLBACK TO s;
SELECT covet.cache_clear('mtx_table');
ROLLBACK TO s;
SELECT covet.cache_namespace_set('mtx', 'memory');
ROLLBACK TO s;
SELECT covet.cache_namespace_drop('mtx');
ROLLBACK TO s;
COMMIT;
SELECT covet.cache_get_many('{ro,ro2,ro3,c1,c3}', 'mtx');
BEGIN READ ONLY;
SELECT covet.cache_clear('mtx');
COMMIT;
SELECT covet.cache_get('ro', 'mtx');

-- no transaction id
BEGIN;
SELECT covet.cache_set('x', '1', namespace => 'mtx', tags => '{mtx-t}', idle => '1 hour'), covet.cache_set_many('{x1,x2}', '{1,2}', namespace => 'mtx'),
	covet.cache_add('x3', '1', namespace => 'mtx'), covet.cache_incr('x4', namespace => 'mtx'), covet.cache_replace('x', '2', namespace => 'mtx'),
	covet.cache_get('x', 'mtx'), covet.cache_touch('x', '1 hour', 'mtx'), covet.cache_take('x3', 'mtx'), covet.cache_delete('x1', 'mtx');
SELECT covet.cache_invalidate_tags('{mtx-t}', 'mtx'), covet.cache_clear('mtx');
SAVEPOINT s;
SELECT covet.cache_set('x', '3', namespace => 'mtx');
SELECT pg_current_xact_id_if_assigned();
COMMIT;
-- and no WAL; others may write some at the same time, so one of many is enough
CREATE PROCEDURE pg_temp.wal(ns text, INOUT silent boolean) LANGUAGE plpgsql AS $$
DECLARE
	before pg_lsn;
BEGIN
	silent := false;
	FOR i IN 1..100 LOOP
		before := pg_current_wal_insert_lsn();
		PERFORM covet.cache_set('w', 'x', namespace => ns), covet.cache_add('w' || i, 'x', namespace => ns), covet.cache_get('w', ns),
			covet.cache_delete('w' || i, ns);
		COMMIT;
		silent := silent OR pg_current_wal_insert_lsn() = before;
	END LOOP;
END $$;
CALL pg_temp.wal('mtx', NULL);
CALL pg_temp.wal('mtx_table', NULL);

-- what is too large is not stored, and nothing is left of what was there
SELECT covet.cache_namespace_set('mtx', 'memory', max_bytes => 2000, codec => 'raw');
SELECT covet.cache_set('big', 'small', namespace => 'mtx'), covet.cache_set('other', 'small', namespace => 'mtx');
SELECT covet.cache_set('big', repeat('x', 2000), namespace => 'mtx'), covet.cache_get('big', 'mtx');
SELECT covet.cache_get_many('{big,other}', 'mtx');
SELECT covet.cache_set('big', repeat('x', 1997), namespace => 'mtx');
SELECT length(covet.cache_get('big', 'mtx'));
SELECT covet.cache_set_many('{a,big,c}', ARRAY['x', repeat('y', 2000), 'z'], namespace => 'mtx'), covet.cache_get_many('{a,big,c}', 'mtx');
SELECT covet.cache_get_many('{a,big,c}', 'mtx');
SELECT covet.cache_add('new', repeat('x', 2000), namespace => 'mtx'), covet.cache_exists('new', 'mtx');
SELECT covet.cache_replace('a', repeat('x', 2000), namespace => 'mtx'), covet.cache_exists('a', 'mtx');
SELECT covet.cache_replace('none', repeat('x', 2000), namespace => 'mtx'), covet.cache_exists('c', 'mtx');
-- a ttl of nothing is told the same
SELECT covet.cache_set('c', repeat('x', 2000), '0', 'mtx'), covet.cache_exists('c', 'mtx');
SELECT covet.cache_set('c', 'x', '0', 'mtx'), covet.cache_exists('c', 'mtx');
-- larger than memory takes, whatever the quota
SELECT covet.cache_namespace_set('mtx', 'memory', codec => 'raw');
SELECT covet.cache_set('big', 'small', namespace => 'mtx');
SELECT covet.cache_set('big', repeat('x', 600000), namespace => 'mtx'), covet.cache_get('big', 'mtx') IS NULL AS none;
SELECT covet.cache_get('big', 'mtx') IS NULL AS none;
SELECT covet.cache_set('big', repeat('x', 500000), namespace => 'mtx');
SELECT length(covet.cache_get('big', 'mtx')), left(covet.cache_get('big', 'mtx'), 3);
-- a quota holds: the namespace loses its own entries
SELECT covet.cache_namespace_set('mtx_quota', 'memory', max_bytes => 100000, codec => 'raw');
SELECT covet.cache_set('mine', 'x', namespace => 'mtx');
SELECT covet.cache_set_many(array_agg('k' || i), array_agg(repeat('v', 1000)), namespace => 'mtx_quota') FROM generate_series(1, 500) i;
SELECT covet.cache_set('last', 'x', namespace => 'mtx_quota'), covet.cache_get('last', 'mtx_quota');
SELECT entries BETWEEN 50 AND 100 AS entries, bytes BETWEEN 50000 AND 100000 AS bytes, hot_bytes BETWEEN bytes AND 100000 AS hot_bytes
FROM covet.cache_namespaces WHERE namespace = 'mtx_quota';
SELECT covet.cache_get('mine', 'mtx');

SELECT ns, covet.cache_namespace_drop(ns) FROM unnest('{mtx,mtx_quota,mtx_table}'::text[]) ns;
