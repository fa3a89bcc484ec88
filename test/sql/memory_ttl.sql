-- memory_ttl: times to live and idle times in memory namespaces
\set VERBOSITY sqlstate
SELECT covet.cache_namespace_set('ttl', 'memory');
SELECT covet.cache_namespace_set('ttl_own', 'memory');
CREATE FUNCTION pg_temp.left_of(key text, namespace text = 'ttl') RETURNS interval
LANGUAGE sql AS 'SELECT covet.cache_expires_at(key, namespace) - clock_timestamp()';

-- NULL is the setting, or the namespace's own
SELECT covet.cache_set('a', 'x', namespace => 'ttl');
SELECT pg_temp.left_of('a') BETWEEN '23 hours' AND '24 hours' AS ok;
SET covet.default_ttl = '10 min';
SELECT covet.cache_set('a', 'x', namespace => 'ttl');
SELECT pg_temp.left_of('a') BETWEEN '9 min' AND '10 min' AS ok;
SET covet.default_ttl = -1;
SELECT covet.cache_set('a', 'x', namespace => 'ttl'), covet.cache_expires_at('a', 'ttl');
RESET covet.default_ttl;
SELECT covet.cache_namespace_set('ttl_own', 'memory', default_ttl => '2 hours');
SELECT covet.cache_set('set', 'x', namespace => 'ttl_own'), covet.cache_add('add', 'x', namespace => 'ttl_own'),
	covet.cache_incr('incr', namespace => 'ttl_own'), covet.cache_set_many('{many}', '{x}', namespace => 'ttl_own');
SELECT key, pg_temp.left_of(key, 'ttl_own') BETWEEN '119 min' AND '2 hours' AS ok
FROM unnest('{set,add,incr,many}'::text[]) key;
SELECT covet.cache_touch('set', '5 hours', 'ttl_own'), pg_temp.left_of('set', 'ttl_own') > '4 hours' AS ok;
SELECT covet.cache_touch('set', namespace => 'ttl_own'), pg_temp.left_of('set', 'ttl_own') <= '2 hours' AS ok;
SELECT covet.cache_replace('set', 'y', '5 hours', 'ttl_own'), pg_temp.left_of('set', 'ttl_own') > '4 hours' AS ok;
SELECT covet.cache_replace('set', 'y', namespace => 'ttl_own'), pg_temp.left_of('set', 'ttl_own') <= '2 hours' AS ok;
SELECT covet.cache_namespace_set('ttl_own', 'memory', default_ttl => '200 years');
SELECT covet.cache_set('a', 'x', namespace => 'ttl_own'), covet.cache_expires_at('a', 'ttl_own');
SELECT covet.cache_namespace_drop('ttl_own');

-- zero and less: keeps nothing, removes what was there, and the result is that of a positive one
SELECT covet.cache_set('z', 'x', '0', 'ttl'), covet.cache_exists('z', 'ttl');
SELECT covet.cache_set('z', 'x', namespace => 'ttl'), covet.cache_set('z', 'y', '0', 'ttl'), covet.cache_get('z', 'ttl');
SELECT covet.cache_set('z', 'x', namespace => 'ttl'), covet.cache_set_bytea('z', 'y', '-1 s', 'ttl'), covet.cache_get('z', 'ttl');
SELECT covet.cache_set('z', 'x', namespace => 'ttl'), covet.cache_set_many('{z,zz,z}', '{1,2,3}', '-1 day', 'ttl'),
	covet.cache_get_many('{z,zz}', 'ttl');
SELECT covet.cache_add('z', 'y', '0', 'ttl'), covet.cache_exists('z', 'ttl');
SELECT covet.cache_replace('z', 'y', '0', 'ttl');
SELECT covet.cache_set('z', 'x', namespace => 'ttl'), covet.cache_add('z', 'y', '0', 'ttl');
SELECT covet.cache_set('z', 'x', namespace => 'ttl'), covet.cache_replace('z', 'y', '-1 microsecond', 'ttl'), covet.cache_get('z', 'ttl');
SELECT covet.cache_set('z', 'x', namespace => 'ttl'), covet.cache_touch('z', '0', 'ttl'), covet.cache_get('z', 'ttl'),
	covet.cache_touch('z', '0', 'ttl');
SELECT covet.cache_incr('z', 7, '-1 h', 'ttl'), covet.cache_exists('z', 'ttl');

-- a century and more: no deadline
SELECT i, covet.cache_set('c', 'x', i, 'ttl'), covet.cache_expires_at('c', 'ttl') AS expires_at
FROM unnest('{100 years, 101 years, 1200 months, 36600 days, 1000000 hours, 178000000 years, 2147483647 days, 2562047788 hours}'::interval[]) i;
SELECT i, covet.cache_set('c', 'x', i, 'ttl'), covet.cache_expires_at('c', 'ttl') < 'infinity' AS has_deadline
FROM unnest('{99 years, 36000 days, 870000 hours}'::interval[]) i;
SELECT i, covet.cache_set('c', 'x', namespace => 'ttl'), covet.cache_set('c', 'x', i, 'ttl'), covet.cache_get('c', 'ttl')
FROM unnest('{-100 years, -178000000 years, -2147483648 days, -2562047788 hours}'::interval[]) i;
SELECT covet.cache_set('c', 'x', '100 years', 'ttl'), covet.cache_touch('c', '1 hour', 'ttl'),
	pg_temp.left_of('c') <= '1 hour' AS ok, covet.cache_touch('c', '100 years', 'ttl'), covet.cache_expires_at('c', 'ttl');
-- signs mixed and all of the fields at their ends
SELECT covet.cache_set('c', 'x', interval '178000000 years -2147483648 days', 'ttl'), covet.cache_exists('c', 'ttl');
SELECT covet.cache_set('c', 'x', interval '178000000 years 2147483647 days 2562047788 hours', 'ttl'), covet.cache_expires_at('c', 'ttl');
SELECT covet.cache_set('c', 'x', interval '-178000000 years -2147483648 days -2562047788 hours', 'ttl'), covet.cache_exists('c', 'ttl');
SELECT covet.cache_set('c', 'x', '1 hour', 'ttl', idle => '178000000 years'), covet.cache_exists('c', 'ttl');

-- an entry past its deadline is not there, for anything
SELECT covet.cache_set_many('{e1,e2,e3,e4,e5,e6}', '{1,2,3,4,5,6}', '1 microsecond', 'ttl'), pg_sleep(0.01);
SELECT covet.cache_get('e1', 'ttl'), covet.cache_get_many('{e1,e2}', 'ttl'), covet.cache_exists('e1', 'ttl'),
	covet.cache_expires_at('e1', 'ttl'), covet.cache_take('e1', 'ttl'), covet.cache_touch('e2', '1 hour', 'ttl'),
	covet.cache_delete('e3', 'ttl'), covet.cache_delete_many('{e4,e5}', 'ttl');
SELECT covet.cache_get_many('{e1,e2,e3,e4,e5,e6}', 'ttl');
SELECT count(*) FROM covet.cache_entries('{e1,e2,e6}', 'ttl');
SELECT count(*) FROM covet.cache_scan('e', namespace => 'ttl');

-- time is the clock at the call, not the transaction's start
BEGIN;
SELECT covet.cache_set('clock', 'x', '5 ms', 'ttl');
SELECT pg_sleep(0.03);
SELECT covet.cache_get('clock', 'ttl');
SELECT covet.cache_set('clock', 'x', '1 h', 'ttl'),
	covet.cache_expires_at('clock', 'ttl') - '1 h'::interval >= now() + '30 ms' AS from_the_call;
COMMIT;

-- idle: ends when not read for so long, or at its deadline
SELECT covet.cache_set('i', 'x', '1 hour', 'ttl', idle => '1 ms');
SELECT pg_sleep(0.03);
SELECT covet.cache_get('i', 'ttl'), covet.cache_exists('i', 'ttl'), covet.cache_add('i', 'new', namespace => 'ttl'),
	covet.cache_get('i', 'ttl');
SELECT covet.cache_set('i', 'x', '1 microsecond', 'ttl', idle => '1 hour'), pg_sleep(0.01);
SELECT covet.cache_get('i', 'ttl');
SELECT covet.cache_set('i', 'x', '100 years', 'ttl', idle => '1 hour');
SELECT covet.cache_get('i', 'ttl'), covet.cache_get_many('{i}', 'ttl');
-- nothing of that was in the table
SELECT count(*) AS rows FROM covet._cache WHERE namespace IN ('ttl', 'ttl_own');
SELECT covet.cache_namespace_drop('ttl');
SELECT covet.cache_namespace_drop('ttl_own');
