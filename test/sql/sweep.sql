-- sweep: sessions, tombstones and revoked tokens by an injected clock, and who may sweep
\set VERBOSITY sqlstate
SET client_min_messages = warning;

-- nothing of other tests is left
SELECT covet.session_revoke_all() >= 0 AS revoked;
SELECT covet.sweep('infinity') >= 0 AS swept;
SELECT covet.sweep('infinity');

-- what has no deadline is not dead at any time, what has one is at infinity
SELECT covet.cache_set('forever', 'x', '100 years', 'sweep_end'), covet.cache_set('long', 'x', '99 years', 'sweep_end');
SELECT covet.sweep('-infinity');
SELECT covet.sweep('infinity');
SELECT key FROM covet.cache_scan(namespace => 'sweep_end');
SELECT covet.cache_clear('sweep_end');
SELECT covet.sweep();
SELECT covet.sweep(NULL);

-- a session: by idle time, by lifetime, by what it was saved with
SELECT covet.session_create(user_id => 'idle', idle_timeout => '1 hour', max_lifetime => '1 day') IS NOT NULL AS idle,
	covet.session_create(user_id => 'life', idle_timeout => '2 days', max_lifetime => '3 hours') IS NOT NULL AS life,
	covet.session_save('sweep-saved', '{}', '5 hours', 'saved');
SELECT covet.sweep(clock_timestamp() + '50 min');
SELECT covet.sweep(clock_timestamp() + '2 hours');
SELECT user_id FROM covet._session ORDER BY user_id;
SELECT covet.sweep(clock_timestamp() + '4 hours');
SELECT user_id FROM covet._session ORDER BY user_id;
SELECT covet.sweep(clock_timestamp() + '6 hours');
SELECT count(*) FROM covet._session;

-- an ended session leaves a tombstone for session_tombstone
SET covet.session_tombstone = '1h';
SELECT covet.session_save('sweep-ended', '{}', '5 min'), covet.session_delete('sweep-ended');
SELECT covet.sweep(clock_timestamp() + '50 min');
SELECT covet.session_save('sweep-ended', '{}', '5 min') AS revived;
SELECT covet.sweep(clock_timestamp() + '70 min');
SELECT covet.session_save('sweep-ended', '{}', '5 min') AS saved;
RESET covet.session_tombstone;
SELECT covet.sweep('infinity') >= 1 AS swept;

-- logged sessions too
SELECT covet.session_durability('logged');
SELECT covet.session_create(idle_timeout => '1 hour') IS NOT NULL AS created;
SELECT covet.sweep(clock_timestamp() + '50 min');
SELECT covet.sweep(clock_timestamp() + '2 hours');
SELECT covet.session_durability('unlogged');

-- revoked tokens
SELECT covet.token_revoke('sweep-1', now() + interval '1 hour');
SELECT covet.token_revoke('sweep-2', now() + interval '3 hours');
SELECT covet.sweep(clock_timestamp() + '2 hours');
SELECT covet.token_is_revoked('sweep-1'), covet.token_is_revoked('sweep-2');
SELECT covet.sweep(clock_timestamp() + '4 hours');
SELECT covet.token_is_revoked('sweep-2');

-- more than one range of blocks, and all of it in one call
SELECT count(covet.cache_set('k' || i, repeat('x', 100), '1 hour', 'sweep_many')) FROM generate_series(1, 20000) i;
SELECT pg_relation_size('covet._cache') > 256 * current_setting('block_size')::int AS large;
SELECT covet.sweep(clock_timestamp() + '2 hours');
SELECT count(*) FROM covet._cache WHERE namespace = 'sweep_many';

-- in the caller's transaction
SELECT covet.cache_set('kept', 'x', '1 hour', 'sweep_rollback');
BEGIN;
SELECT covet.sweep(clock_timestamp() + '2 hours');
SELECT covet.cache_get('kept', 'sweep_rollback') IS NULL AS gone;
ROLLBACK;
SELECT covet.cache_get('kept', 'sweep_rollback');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT covet.sweep(clock_timestamp() + '2 hours');
COMMIT;

-- not in a READ ONLY transaction
BEGIN READ ONLY;
SELECT covet.sweep();
ROLLBACK;

-- the owner only; PREPARE TRANSACTION after a sweep that removed something is refused
CREATE ROLE sweep_user;
SELECT covet.grant_usage('sweep_user', 'all');
SET ROLE sweep_user;
SELECT covet.sweep();
SELECT * FROM covet._stat_workers();
SELECT * FROM covet.stat_workers;
RESET ROLE;
SELECT covet.revoke_usage('sweep_user', 'all');
GRANT pg_monitor TO sweep_user;
SET ROLE sweep_user;
SELECT state, failures, last_error FROM covet.stat_workers WHERE database = current_database();
RESET ROLE;
DROP ROLE sweep_user;
SELECT covet.cache_set('k', 'x', '1 hour', 'sweep_prepare');
BEGIN;
SELECT covet.sweep(clock_timestamp() + '2 hours');
PREPARE TRANSACTION 'sweep';
SELECT covet.cache_clear('sweep_prepare');
SELECT covet.sweep();
