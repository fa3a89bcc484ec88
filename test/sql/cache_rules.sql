-- cache_rules: what every function of the cache does with NULL, with names that
-- are too long or empty, in READ ONLY transactions, before PREPARE TRANSACTION
-- and in parallel mode
\set VERBOSITY sqlstate
SELECT covet.cache_set('k', 'v', '100 years', 'rules');

-- a NULL key reads and deletes as missing
SELECT covet.cache_get(NULL, 'rules'), covet.cache_get_bytea(NULL, 'rules'), covet.cache_get_jsonb(NULL, 'rules'),
	covet.cache_take(NULL, 'rules'), covet.cache_take_bytea(NULL, 'rules'), covet.cache_take_jsonb(NULL, 'rules'),
	covet.cache_exists(NULL, 'rules'), covet.cache_expires_at(NULL, 'rules'), covet.cache_delete(NULL, 'rules');
SELECT covet.cache_get_many('{NULL}', 'rules'), covet.cache_get_many_bytea('{NULL}', 'rules'),
	covet.cache_get_many_jsonb('{NULL}', 'rules'), covet.cache_delete_many('{NULL,NULL}', 'rules');
SELECT count(*) FROM covet.cache_entries('{NULL}', 'rules');

-- written it is 22004, and so is a NULL value
SELECT covet.cache_set(NULL, 'v', namespace => 'rules');
SELECT covet.cache_set('k', NULL, namespace => 'rules');
SELECT covet.cache_set_bytea(NULL, 'v', namespace => 'rules');
SELECT covet.cache_set_bytea('k', NULL, namespace => 'rules');
SELECT covet.cache_set_jsonb(NULL, '1', namespace => 'rules');
SELECT covet.cache_set_jsonb('k', NULL, namespace => 'rules');
SELECT covet.cache_add(NULL, 'v', namespace => 'rules');
SELECT covet.cache_add('n', NULL, namespace => 'rules');
SELECT covet.cache_add_bytea('n', NULL, namespace => 'rules');
SELECT covet.cache_add_jsonb('n', NULL, namespace => 'rules');
SELECT covet.cache_replace(NULL, 'v', namespace => 'rules');
SELECT covet.cache_replace('k', NULL, namespace => 'rules');
SELECT covet.cache_replace_bytea('k', NULL, namespace => 'rules');
SELECT covet.cache_replace_jsonb('k', NULL, namespace => 'rules');
SELECT covet.cache_incr(NULL, namespace => 'rules');
SELECT covet.cache_set_many('{NULL}', '{v}', namespace => 'rules');
SELECT covet.cache_set_many('{k}', '{NULL}', namespace => 'rules');
-- whatever the ttl
SELECT covet.cache_set(NULL, 'v', '0', 'rules');
SELECT covet.cache_set('k', NULL, '0', 'rules');
SELECT covet.cache_get('k', 'rules');

-- a NULL namespace is always 22004
SELECT covet.cache_get('k', NULL);
SELECT covet.cache_get_bytea('k', NULL);
SELECT covet.cache_get_jsonb('k', NULL);
SELECT covet.cache_get_many('{k}', NULL);
SELECT covet.cache_get_many_bytea('{k}', NULL);
SELECT covet.cache_get_many_jsonb('{k}', NULL);
SELECT covet.cache_set('k', 'v', namespace => NULL);
SELECT covet.cache_set_bytea('k', 'v', namespace => NULL);
SELECT covet.cache_set_jsonb('k', '1', namespace => NULL);
SELECT covet.cache_set_many('{k}', '{v}', namespace => NULL);
SELECT covet.cache_set_many('{}', '{}', namespace => NULL);
SELECT covet.cache_add('k', 'v', namespace => NULL);
SELECT covet.cache_replace('k', 'v', namespace => NULL);
SELECT covet.cache_incr('k', namespace => NULL);
SELECT covet.cache_take('k', NULL);
SELECT covet.cache_touch('k', namespace => NULL);
SELECT covet.cache_delete('k', NULL);
SELECT covet.cache_delete_many('{k}', NULL);
SELECT covet.cache_exists('k', NULL);
SELECT covet.cache_expires_at('k', NULL);
SELECT * FROM covet.cache_entries('{k}', NULL);
SELECT * FROM covet.cache_scan(namespace => NULL);
SELECT covet.cache_clear(NULL);
SELECT covet.cache_invalidate_tags('{t}', NULL);
SELECT covet.cache_namespace_set(NULL);
SELECT covet.cache_namespace_drop(NULL);

-- keys of 1 to 1024 bytes, namespaces of 1 to 63
SELECT covet.cache_set(repeat('k', 1024), 'v', namespace => repeat('n', 63));
SELECT covet.cache_get(repeat('k', 1024), repeat('n', 63)), covet.cache_delete(repeat('k', 1024), repeat('n', 63));
SELECT covet.cache_set(repeat(U&'\00e9', 512), 'v', namespace => repeat(U&'\00e9', 31));
SELECT covet.cache_get(repeat(U&'\00e9', 512), repeat(U&'\00e9', 31)), covet.cache_delete(repeat(U&'\00e9', 512), repeat(U&'\00e9', 31));
-- one that cannot exist reads and deletes as missing
SELECT n, covet.cache_get(k, 'rules'), covet.cache_get_bytea(k, 'rules'), covet.cache_get_jsonb(k, 'rules'),
	covet.cache_get_many(ARRAY[k], 'rules'), covet.cache_take(k, 'rules'), covet.cache_exists(k, 'rules'),
	covet.cache_expires_at(k, 'rules'), covet.cache_delete(k, 'rules'), covet.cache_delete_many(ARRAY[k], 'rules'),
	covet.cache_touch(k, '1 hour', 'rules')
FROM (VALUES (1, ''), (2, repeat('k', 1025)), (3, repeat(U&'\00e9', 513)), (4, repeat('k', 1000000))) s (n, k);
SELECT n, covet.cache_get('k', ns), covet.cache_get_bytea('k', ns), covet.cache_get_jsonb('k', ns),
	covet.cache_get_many('{k,l}', ns), covet.cache_take('k', ns), covet.cache_exists('k', ns),
	covet.cache_expires_at('k', ns), covet.cache_delete('k', ns), covet.cache_delete_many('{k}', ns),
	covet.cache_touch('k', '1 hour', ns), covet.cache_namespace_drop(ns)
FROM (VALUES (1, ''), (2, repeat('n', 64)), (3, repeat(U&'\00e9', 32))) s (n, ns);
SELECT count(*) FROM covet.cache_entries('{k}', ''), covet.cache_scan(namespace => repeat('n', 64));
SELECT covet.cache_clear(''), covet.cache_clear(repeat('n', 64)), covet.cache_invalidate_tags('{t}', repeat('n', 64));
-- and cannot be written
SELECT covet.cache_set('', 'v', namespace => 'rules');
SELECT covet.cache_set(repeat('k', 1025), 'v', namespace => 'rules');
SELECT covet.cache_set(repeat(U&'\00e9', 513), 'v', namespace => 'rules');
SELECT covet.cache_set_bytea(repeat('k', 1025), 'v', namespace => 'rules');
SELECT covet.cache_set_jsonb(repeat('k', 1025), '1', namespace => 'rules');
SELECT covet.cache_set_many('{k,""}', '{1,2}', namespace => 'rules');
SELECT covet.cache_add('', 'v', namespace => 'rules');
SELECT covet.cache_add(repeat('k', 1025), 'v', namespace => 'rules');
SELECT covet.cache_replace('', 'v', namespace => 'rules');
SELECT covet.cache_replace(repeat('k', 1025), 'v', namespace => 'rules');
SELECT covet.cache_incr('', namespace => 'rules');
SELECT covet.cache_incr(repeat('k', 1025), namespace => 'rules');
SELECT covet.cache_set('k', 'v', namespace => '');
SELECT covet.cache_set('k', 'v', namespace => repeat('n', 64));
SELECT covet.cache_set('k', 'v', namespace => repeat(U&'\00e9', 32));
SELECT covet.cache_set_many('{k}', '{v}', namespace => repeat('n', 64));
SELECT covet.cache_add('k', 'v', namespace => '');
SELECT covet.cache_replace('k', 'v', namespace => '');
SELECT covet.cache_incr('k', namespace => repeat('n', 64));
SELECT covet.cache_namespace_set('');
SELECT covet.cache_namespace_set(repeat('n', 64));
-- the message names the limit
\set VERBOSITY default
SELECT covet.cache_set(repeat('k', 1025), 'v', namespace => 'rules');
SELECT covet.cache_set('k', 'v', namespace => repeat('n', 64));
SELECT covet.cache_set('k', 'v', namespace => 'rules', tags => ARRAY[repeat('t', 256)]);
SELECT covet.cache_set('k', 'v', namespace => 'rules', tags => '{1,2,3,4,5,6,7,8,9}');
SELECT * FROM covet.cache_scan(max_entries => 10001, namespace => 'rules');
\set VERBOSITY sqlstate

-- READ ONLY: reads work, writes are 25006, the touch of a read is skipped
SELECT covet.cache_set('idle', 'v', '100 years', 'rules', idle => '1 hour');
CREATE TEMP TABLE calls (n serial, call text);
INSERT INTO calls (call) VALUES
	('covet.cache_set(''k'', ''v'', namespace => ''rules'')'),
	('covet.cache_set(''k'', ''v'', ''0'', ''rules'')'),
	('covet.cache_set_bytea(''k'', ''v'', namespace => ''rules'')'),
	('covet.cache_set_jsonb(''k'', ''1'', namespace => ''rules'')'),
	('covet.cache_set_many(''{k}'', ''{v}'', namespace => ''rules'')'),
	('covet.cache_set_many_bytea(''{k}'', ''{v}'', namespace => ''rules'')'),
	('covet.cache_set_many_jsonb(''{k}'', ''{1}'', namespace => ''rules'')'),
	('covet.cache_add(''new'', ''v'', namespace => ''rules'')'),
	('covet.cache_add_bytea(''new'', ''v'', namespace => ''rules'')'),
	('covet.cache_add_jsonb(''new'', ''1'', namespace => ''rules'')'),
	('covet.cache_replace(''k'', ''v'', namespace => ''rules'')'),
	('covet.cache_replace_bytea(''k'', ''v'', namespace => ''rules'')'),
	('covet.cache_replace_jsonb(''k'', ''1'', namespace => ''rules'')'),
	('covet.cache_incr(''i'', namespace => ''rules'')'),
	('covet.cache_take(''k'', ''rules'')'),
	('covet.cache_take_bytea(''k'', ''rules'')'),
	('covet.cache_take_jsonb(''j'', ''rules'')'),
	('covet.cache_delete(''k'', ''rules'')'),
	('covet.cache_delete_many(''{k}'', ''rules'')'),
	('covet.cache_clear(''rules'')'),
	('covet.cache_invalidate_tags(''{t}'', ''rules'')'),
	('covet.cache_namespace_set(''rules'', codec => ''raw'')'),
	('covet.cache_namespace_drop(''rules'')');
CREATE FUNCTION pg_temp.state_of(call text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'SELECT ' || call;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END $$;
SELECT covet.cache_set_jsonb('j', '1', namespace => 'rules');
BEGIN READ ONLY;
SELECT call, pg_temp.state_of(call) FROM calls ORDER BY n;
SELECT covet.cache_get('k', 'rules'), covet.cache_get('idle', 'rules'), covet.cache_get_many('{k,idle}', 'rules'),
	covet.cache_exists('k', 'rules'), covet.cache_expires_at('k', 'rules'),
	(SELECT count(*) FROM covet.cache_entries('{k,idle}', 'rules')),
	(SELECT count(*) FROM covet.cache_scan(namespace => 'rules'));
COMMIT;
-- and so it is in every later transaction of this session that may write
SELECT call, pg_temp.state_of(call) FROM calls ORDER BY n;

-- PREPARE TRANSACTION after any write is refused, and the write is gone
SELECT covet.cache_clear('rules');
SELECT covet.cache_set_many('{k,i}', '{1,2}', namespace => 'rules'), covet.cache_set_jsonb('j', '1', namespace => 'rules');
SELECT covet.cache_namespace_set('rules');
SELECT format('BEGIN; SELECT %s AS called; PREPARE TRANSACTION ''regress_covet_%s'';', call, n) FROM calls ORDER BY n \gexec
SELECT covet.cache_get_many('{k,i,j,new}', 'rules');
SELECT count(*) FROM pg_prepared_xacts;
-- in a subtransaction too, also one rolled back
BEGIN;
SAVEPOINT s;
SELECT covet.cache_set('k', 'sub', namespace => 'rules');
RELEASE s;
PREPARE TRANSACTION 'regress_covet_sub';
SELECT covet.cache_get('k', 'rules');
-- reads are no reason to refuse, and the next transaction is free again
BEGIN;
SELECT covet.cache_get('k', 'rules'), covet.cache_get_many('{k}', 'rules');
PREPARE TRANSACTION 'regress_covet_read';
COMMIT PREPARED 'regress_covet_read';
SELECT covet.cache_set('k', 'after', namespace => 'rules'), covet.cache_get('k', 'rules');

-- a plan that could be parallel runs none of the functions in a worker
SELECT count(set_config(name, 'on', false)) AS forced FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
CREATE TABLE rules_rows AS SELECT i, 'p' || i AS key FROM generate_series(1, 1000) i;
ANALYZE rules_rows;
SELECT covet.cache_get('k', 'rules');
SELECT count(covet.cache_set(key, i::text, namespace => 'rules')) FROM rules_rows;
SELECT sum(covet.cache_get(key, 'rules')::int) FROM rules_rows WHERE covet.cache_exists(key, 'rules');
SELECT sum(covet.cache_incr(key, namespace => 'rules')) FROM rules_rows;
SELECT count(*) FROM covet.cache_scan('p', namespace => 'rules');
-- not even when somebody says it is safe
CREATE FUNCTION rules_lie(key text) RETURNS text LANGUAGE plpgsql PARALLEL SAFE
AS $$ BEGIN RETURN covet.cache_get(key, 'rules'); END $$;
CREATE FUNCTION rules_lie_set(key text) RETURNS boolean LANGUAGE plpgsql PARALLEL SAFE
AS $$ BEGIN RETURN covet.cache_set(key, 'lie', namespace => 'rules'); END $$;
SELECT rules_lie('k');
SELECT rules_lie_set('k');
-- nor when no worker is free and the leader runs the parallel part
SET max_parallel_workers = 0;
SELECT rules_lie('k');
SELECT rules_lie_set('k');
RESET max_parallel_workers;
SELECT count(set_config(name, 'off', false)) AS forced FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SELECT rules_lie('k');
DROP FUNCTION rules_lie, rules_lie_set;
DROP TABLE rules_rows;

-- everything that keeps state is volatile and parallel unsafe, and says what it does
SELECT p.proname FROM pg_proc p
WHERE pronamespace = 'covet'::regnamespace AND proname ~ '^(cache|session|token)_|^sweep$'
	AND (provolatile <> 'v' OR proparallel <> 'u' OR prosecdef OR obj_description(p.oid, 'pg_proc') IS NULL)
ORDER BY 1;
SELECT covet.cache_clear('rules'), covet.cache_namespace_drop('rules');
