-- memory_scan: scan and entries in memory namespaces
\set VERBOSITY sqlstate
SELECT covet.cache_namespace_set('scan', 'memory');
SELECT covet.cache_namespace_set('scan_mb', 'memory');
SELECT covet.cache_namespace_set('scan_empty', 'memory');

-- in key order of "C", whatever the database's
SELECT covet.cache_set_many('{b,B,a,A,_,%,\\,1,10,9,"a b",ab}', '{b,B,a,A,_,%,\\,1,10,9,"a b",ab}', namespace => 'scan');
SELECT key FROM covet.cache_scan(namespace => 'scan');
SELECT key FROM covet.cache_scan('a', namespace => 'scan');
-- pattern characters are characters
SELECT key FROM covet.cache_scan('%', namespace => 'scan');
SELECT key FROM covet.cache_scan('_', namespace => 'scan');
SELECT key FROM covet.cache_scan('\', namespace => 'scan');
SELECT key FROM covet.cache_scan('none', namespace => 'scan');
SELECT key FROM covet.cache_scan(repeat('a', 1025), namespace => 'scan');
SELECT count(*) FROM covet.cache_scan(namespace => 'scan_empty');

-- keyset paging
SELECT key FROM covet.cache_scan(max_entries => 4, namespace => 'scan');
SELECT key FROM covet.cache_scan(after => 'A', max_entries => 4, namespace => 'scan');
SELECT key FROM covet.cache_scan(after => '_', max_entries => 10, namespace => 'scan');
SELECT key FROM covet.cache_scan('a', 'a', 1, 'scan');
SELECT key FROM covet.cache_scan('a', 'ab', 1, 'scan');
-- "after" need not exist nor have the prefix
SELECT key FROM covet.cache_scan('a', 'A', 2, 'scan');
SELECT key FROM covet.cache_scan('a', 'aa', 2, 'scan');
SELECT key FROM covet.cache_scan('a', 'b', 2, 'scan');
WITH RECURSIVE page AS (
	SELECT ARRAY(SELECT key FROM covet.cache_scan(max_entries => 5, namespace => 'scan')) keys
	UNION ALL
	SELECT ARRAY(SELECT key FROM covet.cache_scan(after => keys[cardinality(keys)], max_entries => 5, namespace => 'scan'))
	FROM page WHERE cardinality(keys) = 5)
SELECT keys FROM page;

-- keys of more than one byte a character, at the ends of the range
SELECT covet.cache_set_many(ARRAY[U&'\00e9', U&'\00e9t\00e9', U&'\00ea', U&'\+01f600', U&'\+01f600x', U&'\+10ffff', U&'\+10ffffz', 'e', E'\x7f', E'\x7f\x7f'],
	'{1,2,3,4,5,6,7,8,9,10}', namespace => 'scan_mb');
SELECT value, length(key) FROM (SELECT key, convert_from(value, 'UTF8') AS value
	FROM covet.cache_scan(namespace => 'scan_mb', with_values => true)) s;
SELECT convert_from(value, 'UTF8') AS value FROM covet.cache_scan(U&'\00e9', namespace => 'scan_mb', with_values => true);
SELECT convert_from(value, 'UTF8') AS value FROM covet.cache_scan(U&'\+01f600', namespace => 'scan_mb', with_values => true);
SELECT convert_from(value, 'UTF8') AS value FROM covet.cache_scan(U&'\+10ffff', namespace => 'scan_mb', with_values => true);
SELECT convert_from(value, 'UTF8') AS value FROM covet.cache_scan(E'\x7f', namespace => 'scan_mb', with_values => true);
SELECT convert_from(value, 'UTF8') AS value FROM covet.cache_scan('', U&'\00e9', 2, 'scan_mb', true);

-- what an entry tells of itself
SELECT covet.cache_set('x text', 'abc', '100 years', 'scan', '{t1,t2}'),
	covet.cache_set_bytea('x bytea', '\x00', '100 years', 'scan'),
	covet.cache_set_jsonb('x jsonb', '{"a": [1]}', '100 years', 'scan'),
	covet.cache_set('x large', repeat('abc', 5000), '100 years', 'scan');
SELECT key, value, kind, expires_at, raw_size, codec, tags
FROM covet.cache_scan('x ', namespace => 'scan') WHERE key <> 'x jsonb';
SELECT key, kind, expires_at, codec, tags, version > 0 AS version, raw_size > 0 AS raw_size,
	stored_size < raw_size AS smaller
FROM covet.cache_scan('x ', namespace => 'scan');
SELECT key, CASE WHEN length(value) < 20 THEN value END AS value, length(value) FROM covet.cache_scan('x ', namespace => 'scan', with_values => true);
-- the value is bytes, those of jsonb's text
SELECT key, convert_from(value, 'UTF8') AS value FROM covet.cache_entries('{"x text","x jsonb"}', 'scan') ORDER BY key;
SELECT key, length(value), value FROM covet.cache_entries('{"x bytea"}', 'scan');
SELECT e.key, e.version = s.version AS version, e.raw_size = s.raw_size AS raw_size, e.stored_size = s.stored_size AS stored_size
FROM covet.cache_entries('{"x text","x bytea","x jsonb","x large"}', 'scan') e
	JOIN covet.cache_scan('x ', namespace => 'scan') s USING (key) ORDER BY key;
-- entries: only the live ones; NULL and what cannot exist are missing
SELECT key FROM covet.cache_entries(ARRAY['a', NULL, 'none', '', repeat('k', 1025), 'b'], 'scan') ORDER BY key;
SELECT count(*) FROM covet.cache_entries('{}', 'scan');
SELECT count(*) FROM covet.cache_entries('{a}');

-- the writes of this transaction are in it, and nobody's dead entries
BEGIN;
SELECT covet.cache_set('new', 'x', namespace => 'scan'), covet.cache_delete('b', 'scan'), covet.cache_set('b2', 'x', namespace => 'scan');
SELECT key FROM covet.cache_scan('b', namespace => 'scan');
SELECT key FROM covet.cache_scan('n', namespace => 'scan');
SELECT covet.cache_clear('scan');
SELECT covet.cache_set('last', 'x', namespace => 'scan');
SELECT key FROM covet.cache_scan(namespace => 'scan');
SELECT key FROM covet.cache_entries('{a,new,last}', 'scan');
ROLLBACK;
SELECT key FROM covet.cache_scan('b', namespace => 'scan');
SELECT covet.cache_set('b3', 'x', '1 microsecond', 'scan'), covet.cache_set('b4', 'x', namespace => 'scan', tags => '{scan-t}'), pg_sleep(0.01);
SELECT covet.cache_invalidate_tags('{scan-t}', 'scan');
SELECT key FROM covet.cache_scan('b', namespace => 'scan');
SELECT key FROM covet.cache_entries('{b,b3,b4}', 'scan') ORDER BY key;
-- dead entries do not use up the page
SELECT count(covet.cache_set('d' || i, 'x', CASE WHEN i % 10 = 0 THEN interval '1 hour' ELSE '1 microsecond' END, 'scan'))
FROM generate_series(100, 199) i;
SELECT pg_sleep(0.01);
SELECT key FROM covet.cache_scan('d', max_entries => 10, namespace => 'scan');

-- limits
SELECT covet.cache_set_many(array_agg('m' || i), array_agg('x'::text), namespace => 'scan') FROM generate_series(10000, 11004) i;
SELECT count(*), min(key), max(key) FROM covet.cache_scan('m', namespace => 'scan');
SELECT count(*) FROM covet.cache_scan('m', max_entries => 10000, namespace => 'scan');
SELECT count(*) FROM covet.cache_scan('m', max_entries => 1, namespace => 'scan');
SELECT * FROM covet.cache_scan(max_entries => 0, namespace => 'scan');
SELECT * FROM covet.cache_scan(max_entries => -1, namespace => 'scan');
SELECT * FROM covet.cache_scan(max_entries => 10001, namespace => 'scan');
SELECT * FROM covet.cache_scan(namespace => NULL);
SELECT * FROM covet.cache_entries('{a}', NULL);
-- a caller that stops reading early
SELECT key FROM covet.cache_scan('m', namespace => 'scan') LIMIT 2;
SELECT (covet.cache_scan('m1000', max_entries => 2, namespace => 'scan')).key;
DECLARE c CURSOR WITH HOLD FOR SELECT key FROM covet.cache_scan('m1000', max_entries => 3, namespace => 'scan');
FETCH 2 FROM c;
SELECT covet.cache_clear('scan');
FETCH 2 FROM c;
CLOSE c;
-- nothing of that was in the table
SELECT count(*) AS rows FROM covet._cache WHERE namespace IN ('scan', 'scan_mb', 'scan_empty');
SELECT covet.cache_namespace_drop('scan');
SELECT covet.cache_namespace_drop('scan_mb');
SELECT covet.cache_namespace_drop('scan_empty');
