-- memory_namespace: settings, owners, codecs and quotas of memory namespaces
\set VERBOSITY sqlstate
CREATE ROLE regress_covet_alice;
CREATE ROLE regress_covet_bob;
SELECT covet.grant_usage(r::regrole, 'cache') FROM unnest('{regress_covet_alice,regress_covet_bob}'::text[]) r;

SELECT covet.cache_namespace_set('mns', 'memory', '2 hours', 1000000, 'raw', 'regress_covet_alice');
SELECT namespace, storage, default_ttl, max_bytes, codec, owner, entries, bytes, hot_bytes
FROM covet.cache_namespaces WHERE namespace = 'mns';
-- the view counts live entries; bytes are those of keys and stored values
SELECT covet.cache_set_many('{a,b,c}', '{1,22,333}', namespace => 'mns');
SELECT covet.cache_set('dead', 'x', '20 ms', 'mns');
SELECT pg_sleep(0.05);
SELECT entries, bytes, hot_bytes >= bytes AS hot_bytes FROM covet.cache_namespaces WHERE namespace = 'mns';
SELECT covet.cache_expires_at('a', 'mns') - clock_timestamp() BETWEEN '119 min' AND '2 hours' AS ttl;
-- a call sets the whole row; the entries stay
SELECT covet.cache_namespace_set('mns', 'memory');
SELECT storage, default_ttl, max_bytes, codec, owner, entries FROM covet.cache_namespaces WHERE namespace = 'mns';
SELECT covet.cache_get_many('{a,b,c}', 'mns');
SELECT covet.cache_set('day', 'x', namespace => 'mns'), covet.cache_expires_at('day', 'mns') > clock_timestamp() + '2 hours'::interval AS day;

-- another storage is an empty one, each time
SELECT covet.cache_namespace_set('mns', 'table');
SELECT covet.cache_get_many('{a,b,c}', 'mns'), covet.cache_set('a', 'table', namespace => 'mns');
SELECT covet.cache_get('a', 'mns'), (SELECT count(*) FROM covet._cache WHERE namespace = 'mns') AS rows;
SELECT covet.cache_namespace_set('mns', 'memory');
SELECT covet.cache_get_many('{a,b,c}', 'mns'), covet.cache_set('a', 'memory', namespace => 'mns');
SELECT covet.cache_namespace_set('mns');			-- left out: table
SELECT covet.cache_get('a', 'mns');
SELECT covet.cache_namespace_set('mns', 'memory');
SELECT covet.cache_get('a', 'mns'), covet.cache_set('a', 'again', namespace => 'mns');
-- the same storage is no other one
SELECT covet.cache_namespace_set('mns', 'memory', max_bytes => 5000);
SELECT covet.cache_get('a', 'mns');

-- drop: clears and forgets
SELECT covet.cache_namespace_drop('mns');
SELECT covet.cache_get('a', 'mns'), covet.cache_namespace_drop('mns');
SELECT covet.cache_set('a', 'table', namespace => 'mns'), covet.cache_get('a', 'mns');
SELECT count(*) FROM covet._cache WHERE namespace = 'mns' AND key = 'a';
SELECT covet.cache_clear('mns');

-- within a transaction, and taken back
SELECT covet.cache_namespace_set('mns', 'memory');
SELECT covet.cache_set('a', 'kept', namespace => 'mns');
BEGIN;
SELECT covet.cache_namespace_set('mns', 'table');
SELECT covet.cache_get('a', 'mns'), covet.cache_set('a', 'row', namespace => 'mns');
SAVEPOINT s;
SELECT covet.cache_namespace_set('mns', 'memory', '1 hour');
SELECT covet.cache_get('a', 'mns'), covet.cache_set('a', 'entry', namespace => 'mns');
SELECT covet.cache_get('a', 'mns'), covet.cache_expires_at('a', 'mns') <= clock_timestamp() + '1 hour'::interval AS hour;
ROLLBACK TO s;
SELECT covet.cache_get('a', 'mns');
SELECT covet.cache_namespace_drop('mns');
SELECT covet.cache_get('a', 'mns');
ROLLBACK;
SELECT covet.cache_get('a', 'mns');
BEGIN;
SELECT covet.cache_namespace_set('mns_new', 'memory');
SELECT covet.cache_set('a', 'x', namespace => 'mns_new'), covet.cache_add('b', 'x', namespace => 'mns_new');
ROLLBACK;
SELECT covet.cache_get_many('{a,b}', 'mns_new'), (SELECT count(*) FROM covet.cache_namespaces WHERE namespace = 'mns_new') AS listed;
-- what the owner writes himself counts too
UPDATE covet._cache_namespace SET default_ttl = '10 min' WHERE namespace = 'mns';
SELECT covet.cache_set('a', 'x', namespace => 'mns'), covet.cache_expires_at('a', 'mns') <= clock_timestamp() + '10 min'::interval AS ten;
BEGIN;
DELETE FROM covet._cache_namespace WHERE namespace = 'mns';
SELECT covet.cache_set('b', 'x', namespace => 'mns'), covet.cache_expires_at('b', 'mns') > clock_timestamp() + '10 min'::interval AS day;
ROLLBACK;
SELECT covet.cache_set('b', 'x', namespace => 'mns'), covet.cache_expires_at('b', 'mns') <= clock_timestamp() + '10 min'::interval AS ten;

-- many names, more than a backend keeps settings of
SELECT count(*) FILTER (WHERE covet.cache_get('a', 'mns_many_' || i) IS NOT NULL) FROM generate_series(1, 2500) i;
SELECT covet.cache_get('b', 'mns');

-- codecs
SELECT covet.cache_namespace_set('mns_' || c, 'memory', codec => c) FROM unnest('{raw,zstd,auto}'::text[]) c;
SELECT covet.cache_set('small', 'a', namespace => ns), covet.cache_set('large', repeat('a', 10000), namespace => ns),
	covet.cache_set_jsonb('json', to_jsonb(repeat('b', 1000)), namespace => ns)
FROM unnest('{mns_raw,mns_zstd,mns_auto}'::text[]) ns;
SELECT ns, key, codec, raw_size > 900 AS large, stored_size < raw_size AS smaller, length(value) = raw_size AS whole
FROM unnest('{mns_raw,mns_zstd,mns_auto}'::text[]) ns, LATERAL covet.cache_scan(namespace => ns, with_values => true) ORDER BY ns, key;
SELECT ns, covet.cache_get('large', ns) = repeat('a', 10000) AS large, covet.cache_get_jsonb('json', ns) = to_jsonb(repeat('b', 1000)) AS json,
	length(covet.cache_get('json', ns)), length(covet.cache_take_bytea('large', ns))
FROM unnest('{mns_raw,mns_zstd,mns_auto}'::text[]) ns;

-- owners
SELECT covet.cache_namespace_set('mns_own', 'memory', owner => 'regress_covet_alice');
SET ROLE regress_covet_alice;
SELECT covet.cache_set('a', '1', namespace => 'mns_own'), covet.cache_incr('a', namespace => 'mns_own'), covet.cache_get('a', 'mns_own');
SET ROLE regress_covet_bob;
SELECT covet.cache_get('a', 'mns_own');
SELECT covet.cache_set('a', 'x', namespace => 'mns_own');
SELECT covet.cache_incr('a', namespace => 'mns_own');
SELECT covet.cache_clear('mns_own');
SELECT * FROM covet.cache_scan(namespace => 'mns_own');
SELECT covet.cache_namespace_set('mns_own', 'memory');
RESET ROLE;
SELECT covet.cache_get('a', 'mns_own');
GRANT regress_covet_alice TO regress_covet_bob;
SET ROLE regress_covet_bob;
SELECT covet.cache_get('a', 'mns_own');
RESET ROLE;
REVOKE regress_covet_alice FROM regress_covet_bob;
SET ROLE regress_covet_bob;
SELECT covet.cache_get('a', 'mns_own');
RESET ROLE;
SELECT covet.cache_namespace_set('mns_own', 'memory');
SET ROLE regress_covet_bob;
SELECT covet.cache_get('a', 'mns_own');
RESET ROLE;

-- the storage of namespaces nobody configured is for the server's own files
SET covet.default_storage = 'memory';

SELECT ns, covet.cache_namespace_drop(ns) FROM unnest('{mns,mns_raw,mns_zstd,mns_auto,mns_own}'::text[]) ns;
SELECT covet.revoke_usage(r::regrole, 'all') FROM unnest('{regress_covet_alice,regress_covet_bob}'::text[]) r;
DROP ROLE regress_covet_alice, regress_covet_bob;
