-- Leases of keys of a namespace with storage 'memory'.
\set ns lease_memory
\set storage memory

\set VERBOSITY sqlstate
SELECT covet.cache_namespace_set(:'ns', storage => :'storage');

-- A lease, shown without its number; :id is the number.
PREPARE lease(text) AS
	SELECT status, value, coalesce(lease_id > 0, false) AS has_id, coalesce(lease_id, 0) AS id
	FROM covet.cache_lease($1, namespace => :'ns');
CREATE FUNCTION pg_temp.look(k text, OUT status text, OUT value text, OUT lease text)
LANGUAGE sql AS $$
	SELECT l.status, l.value, CASE WHEN l.lease_id > 0 THEN 'a lease' WHEN l.lease_id = 0 THEN 'none' END
	FROM covet.cache_lease(k, namespace => current_setting('lease.ns')) AS l $$;
SELECT set_config('lease.ns', :'ns', false) IS NOT NULL AS set;

-- One wins, the others wait; who fills ends the lease.
EXECUTE lease('a') \gset
SELECT :'status' AS status, :'has_id' AS has_id;
SELECT * FROM pg_temp.look('a');
SELECT covet.cache_get('a', :'ns'), covet.cache_exists('a', :'ns');
SELECT covet.cache_fill('a', :id + 1, 'of somebody else', namespace => :'ns');
SELECT covet.cache_fill('a', :id, 'one', namespace => :'ns', tags => '{red}');
SELECT covet.cache_fill('a', :id, 'again', namespace => :'ns');
SELECT * FROM pg_temp.look('a');
SELECT covet.cache_get('a', :'ns');
SELECT tags, raw_size FROM covet.cache_entries('{a}', :'ns');

-- Fresh for ttl, then stale: for leases only, while somebody refreshes.
EXECUTE lease('b') \gset
SELECT covet.cache_fill('b', :id, 'old', '1 microsecond', '1 day', :'ns', '{blue}');
SELECT covet.cache_get('b', :'ns'), covet.cache_exists('b', :'ns'), covet.cache_expires_at('b', :'ns');
SELECT count(*) FROM covet.cache_scan('b', namespace => :'ns');
SELECT covet.cache_touch('b', '1 h', :'ns'), covet.cache_replace('b', 'x', namespace => :'ns'),
	covet.cache_take('b', :'ns'), covet.cache_incr('b', initial => NULL, namespace => :'ns');
EXECUTE lease('b') \gset
SELECT :'status' AS status, :'value' AS value, :'has_id' AS has_id;
SELECT * FROM pg_temp.look('b');
SELECT covet.cache_fill('b', :id, NULL, namespace => :'ns');
SELECT covet.cache_fill('b', :id, NULL, namespace => :'ns');
EXECUTE lease('b') \gset
SELECT :'status' AS status, :'value' AS value, :'has_id' AS has_id;
SELECT covet.cache_fill('b', :id, 'new', '1 h', '1 day', :'ns');
SELECT * FROM pg_temp.look('b');
-- Without ttl or stale: the defaults, and never stale.
EXECUTE lease('c') \gset
SELECT covet.cache_fill('c', :id, 'old', '1 microsecond', NULL, :'ns');
SELECT * FROM pg_temp.look('c');
-- A ttl of zero keeps nothing and removes what was there.
EXECUTE lease('d') \gset
SELECT covet.cache_fill('d', :id, 'old', '1 microsecond', '1 day', :'ns');
EXECUTE lease('d') \gset
SELECT :'value' AS value, covet.cache_fill('d', :id, 'none', '0', '1 day', :'ns');
SELECT * FROM pg_temp.look('d');

-- What voids a lease.
EXECUTE lease('v') \gset
SELECT covet.cache_set('v', 'set', namespace => :'ns');
SELECT covet.cache_fill('v', :id, 'late', namespace => :'ns'), covet.cache_get('v', :'ns');
SELECT covet.cache_delete('v', :'ns');
EXECUTE lease('v') \gset
SELECT covet.cache_add('v', 'added', namespace => :'ns');
SELECT covet.cache_fill('v', :id, 'late', namespace => :'ns'), covet.cache_get('v', :'ns');
SELECT covet.cache_delete('v', :'ns');
EXECUTE lease('v') \gset
SELECT covet.cache_incr('v', 5, namespace => :'ns');
SELECT covet.cache_fill('v', :id, 'late', namespace => :'ns'), covet.cache_get('v', :'ns');
SELECT covet.cache_delete('v', :'ns');
EXECUTE lease('v') \gset
SELECT covet.cache_fill('v', :id, 'old', '1 microsecond', '1 day', :'ns', '{green}');
EXECUTE lease('v') \gset
SELECT covet.cache_delete('v', :'ns');
SELECT covet.cache_fill('v', :id, 'late', namespace => :'ns'), covet.cache_get('v', :'ns');
SELECT * FROM pg_temp.look('v');
EXECUTE lease('w') \gset
SELECT covet.cache_clear(:'ns');
SELECT covet.cache_fill('w', :id, 'late', namespace => :'ns'), covet.cache_get('w', :'ns');
-- A tag that the value is to have, or that the stale one has.
EXECUTE lease('x') \gset
SELECT covet.cache_invalidate_tags('{yellow}', :'ns');
SELECT covet.cache_fill('x', :id, 'late', namespace => :'ns', tags => '{white,yellow}');
SELECT covet.cache_fill('x', :id, 'good', '1 microsecond', '1 day', :'ns', '{white}');
EXECUTE lease('x') \gset
SELECT :'value' AS value, covet.cache_invalidate_tags('{white}', :'ns');
SELECT covet.cache_fill('x', :id, 'late', namespace => :'ns');
SELECT * FROM pg_temp.look('x');

-- Zero or less is over at once, and won again at once.
SELECT status, lease_id > 0 AS has_id FROM covet.cache_lease('z', '0', :'ns');
SELECT status, lease_id > 0 AS has_id, lease_id AS id FROM covet.cache_lease('z', '-1 h', :'ns') \gset
SELECT :'status' AS status, covet.cache_fill('z', :id, 'late', namespace => :'ns');
SELECT status, lease_id > 0 AS has_id FROM covet.cache_lease('z', '1 microsecond', :'ns');
SELECT status, lease_id > 0 AS has_id FROM covet.cache_lease('z', NULL, :'ns');
SELECT status, lease_id > 0 AS has_id FROM covet.cache_lease('z', '1 h', :'ns');
SELECT covet.cache_delete('z', :'ns');
SELECT status, lease_id > 0 AS has_id FROM covet.cache_lease('z', '1000 years', :'ns');
SELECT status, lease_id > 0 AS has_id FROM covet.cache_lease('z', '1 h', :'ns');

-- No lease where others could not see what the value is computed from.
CREATE TEMP TABLE source(a int);
BEGIN;
INSERT INTO source VALUES (1);
SELECT * FROM pg_temp.look('t');
SELECT covet.cache_fill('t', 0, 'with the transaction', namespace => :'ns');
SELECT * FROM pg_temp.look('t');
ROLLBACK;
BEGIN;
SELECT covet.cache_set('t1', 'mine', namespace => :'ns');
SELECT * FROM pg_temp.look('t1');
SELECT * FROM pg_temp.look('t');
SELECT covet.cache_delete('t1', :'ns');
SELECT * FROM pg_temp.look('t1');
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM pg_temp.look('t');
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT * FROM pg_temp.look('t');
COMMIT;
BEGIN;
SELECT * FROM pg_temp.look('t');
ROLLBACK;
-- A rollback gives no lease back, and who has one is waited for.
SELECT * FROM pg_temp.look('t');
BEGIN;
INSERT INTO source VALUES (1);
SELECT * FROM pg_temp.look('t');
ROLLBACK;

-- A fill in a transaction that has written.
EXECUTE lease('u') \gset
BEGIN;
INSERT INTO source VALUES (1);
SELECT covet.cache_fill('u', :id, 'rolled back', namespace => :'ns');
SELECT covet.cache_get('u', :'ns');
SELECT covet.cache_fill('u', :id, 'twice', namespace => :'ns');
ROLLBACK;
SELECT covet.cache_get('u', :'ns');
SELECT * FROM pg_temp.look('u');
BEGIN;
INSERT INTO source VALUES (1);
SAVEPOINT s;
SELECT covet.cache_fill('u', :id, 'rolled back', namespace => :'ns');
ROLLBACK TO s;
SELECT covet.cache_fill('u', :id, 'committed', '1 microsecond', '1 day', :'ns');
COMMIT;
SELECT covet.cache_get('u', :'ns');
EXECUTE lease('u') \gset
SELECT :'status' AS status, :'value' AS value;
-- Its own write, clear or invalidation voids a lease too.
BEGIN;
SELECT covet.cache_delete('u', :'ns');
SELECT covet.cache_fill('u', :id, 'late', namespace => :'ns');
ROLLBACK;
BEGIN;
SELECT covet.cache_clear(:'ns');
SELECT covet.cache_fill('u', :id, 'late', namespace => :'ns');
ROLLBACK;
BEGIN;
SELECT covet.cache_invalidate_tags('{black}', :'ns');
SELECT covet.cache_fill('u', :id, 'late', namespace => :'ns', tags => '{black}');
ROLLBACK;
-- After those rollbacks it is still held.
SELECT covet.cache_fill('u', :id, 'in time', namespace => :'ns', tags => '{black}');
SELECT covet.cache_get('u', :'ns');

-- READ ONLY.
BEGIN READ ONLY;
EXECUTE lease('r') \gset
SELECT :'status' AS status, :'has_id' AS has_id;
SELECT covet.cache_fill('r', :id, NULL, namespace => :'ns');
EXECUTE lease('r') \gset
SELECT :'status' AS status, :'has_id' AS has_id;
SELECT covet.cache_fill('r', :id, 'read only', namespace => :'ns');
COMMIT;

-- To ask counts as seen for an entry with an idle time.
SELECT covet.cache_set('i', 'idle', idle => '1 h', namespace => :'ns'), covet.cache_get('i', :'ns');
SELECT covet.cache_expires_at('i', :'ns') AS before \gset
SELECT pg_sleep(0.01);
SELECT * FROM pg_temp.look('i');
SELECT covet.cache_expires_at('i', :'ns') > :'before' AS later;

-- Another deadline takes the time after it along, of a value not yet committed too.
BEGIN;
SELECT covet.cache_fill('own', 0, 'x', '1 day', '1 microsecond', :'ns');
SELECT covet.cache_touch('own', '1 ms', :'ns');
COMMIT;
SELECT pg_sleep(0.01);
SELECT status, value, lease_id > 0 AS has_id FROM covet.cache_lease('own', namespace => :'ns');

-- The other types.
SELECT lease_id AS id FROM covet.cache_lease_jsonb('j', namespace => :'ns') \gset
SELECT covet.cache_fill_jsonb('j', :id, '{"a": 1}', namespace => :'ns');
SELECT * FROM covet.cache_lease_jsonb('j', namespace => :'ns');
SELECT * FROM covet.cache_lease_bytea('j', namespace => :'ns');
SELECT lease_id AS id FROM covet.cache_lease_bytea('y', namespace => :'ns') \gset
SELECT covet.cache_fill_bytea('y', :id, '\x00ff', '1 microsecond', '1 day', :'ns');
-- What cannot be read so is no reason to give a lease out.
SELECT * FROM covet.cache_lease('y', namespace => :'ns');
SELECT status, value, lease_id > 0 AS has_id FROM covet.cache_lease_bytea('y', namespace => :'ns');

-- Keys that cannot exist, and what is not allowed.
SELECT * FROM covet.cache_lease(repeat('x', 1025), namespace => :'ns');
SELECT * FROM covet.cache_lease('', namespace => :'ns');
SELECT * FROM covet.cache_lease(NULL, namespace => :'ns');
SELECT * FROM covet.cache_lease('a', namespace => NULL);
SELECT covet.cache_fill(NULL, 0, 'x', namespace => :'ns');
SELECT covet.cache_fill(NULL, 0, NULL, namespace => :'ns');
SELECT covet.cache_fill('a', NULL, 'x', namespace => :'ns');
SELECT covet.cache_fill('a', 0, NULL, namespace => :'ns');
SELECT covet.cache_fill(repeat('x', 1025), 0, 'x', namespace => :'ns');
SELECT covet.cache_fill('a', 1, 'x', namespace => :'ns', tags => array_fill('t'::text, '{9}'));

SELECT covet.cache_namespace_drop(:'ns');
