-- Rotation of tokens.
\set VERBOSITY sqlstate
SELECT covet.session_create('{"n": 1}', 'ann') AS a \gset
SELECT session_id AS id, created_at AS created, version AS v FROM covet.session_info(:'a') \gset
SELECT covet.session_rotate(:'a', '1 hour') AS b \gset
SELECT :'b' ~ '^[A-Za-z0-9_-]{43}$' AS base64url, :'a' <> :'b' AS new;
SELECT session_id = :'id' AND created_at = :'created' AND version = :v AND expires_at <= created_at + '24 hours' AS same
	FROM covet.session_info(:'b');
SELECT count(*), bool_and(data = '{"n": 1}') FROM covet.session_list('ann');

-- In its grace the old token works, but not for rotation.
SELECT covet.session_get(:'a'), covet.session_get_many(ARRAY[:'a', :'b']);
SELECT data FROM covet.session_info(:'a', true);
SELECT covet.session_touch(:'a') IS NOT NULL AS touch, covet.session_update(:'a', '{"n": 2}') > :v AS update, covet.session_merge(:'a', '{"m": 1}') > :v AS merge;
SELECT covet.session_get(:'b');
SELECT covet.session_rotate(:'a'), covet.session_rotate(:'a', '0', 'chosen');
SELECT covet.session_get(:'b'), covet.session_get('chosen');
SELECT covet.session_save(:'a', '{}') AS saved;
-- after it, not
UPDATE covet._session SET alias_until = now() - interval '1 second' WHERE token_hash = sha256(:'a'::bytea);
SELECT covet.session_get(:'a'), covet.session_touch(:'a'), covet.session_update(:'a', '{}'), covet.session_delete(:'a'),
	covet.session_get_many(ARRAY[:'a', :'b']);
SELECT count(*) FROM covet.session_info(:'a');
-- but the id is still not to be had
SELECT covet.session_save(:'a', '{}') AS saved, covet.session_rotate(:'b', '0', :'a') AS rotated, covet.session_get(:'b');
UPDATE covet._session SET ended_until = now() - interval '1 second' WHERE token_hash = sha256(:'a'::bytea);
SELECT covet.session_save(:'a', '{"other": 1}') AS saved, covet.session_get(:'a'), covet.session_get(:'b');

-- Deleting by the old token ends both.
SELECT covet.session_create('{"n": 1}') AS a \gset
SELECT covet.session_rotate(:'a', '1 hour') AS b \gset
SELECT covet.session_delete(:'a'), covet.session_get(:'a'), covet.session_get(:'b'), covet.session_delete(:'b');
SELECT covet.session_save(:'a', '{}') AS saved_a, covet.session_save(:'b', '{}') AS saved_b;

-- Without grace the old one dies at once; no grace given is five seconds.
SELECT covet.session_create('{"n": 1}') AS a \gset
SELECT covet.session_rotate(:'a', '0') AS b \gset
SELECT covet.session_get(:'a'), covet.session_get(:'b');
SELECT covet.session_rotate(:'b', '-1 day') AS c \gset
SELECT covet.session_get(:'b'), covet.session_get(:'c');
SELECT covet.session_rotate(:'c') AS d \gset
SELECT alias_until - now() BETWEEN '0 seconds' AND '5 seconds' AS five FROM covet._session WHERE token_hash = sha256(:'c'::bytea);
SELECT covet.session_rotate(:'d', NULL) AS e \gset
SELECT alias_until - now() BETWEEN '0 seconds' AND '5 seconds' AS five FROM covet._session WHERE token_hash = sha256(:'d'::bytea);
SELECT covet.session_rotate(:'e', '1000 years') AS f \gset
SELECT alias_until - now() BETWEEN '23 hours' AND '24 hours' AS lifetime FROM covet._session WHERE token_hash = sha256(:'e'::bytea);
SELECT covet.session_get(:'e'), covet.session_save(:'e', '{}');

-- Rotated again, the token before the last dies with its grace and cannot be saved.
UPDATE covet._session SET alias_until = now() - interval '1 second' WHERE token_hash = sha256(:'d'::bytea);
SELECT covet.session_get(:'d'), covet.session_save(:'a', '{}') AS a, covet.session_save(:'b', '{}') AS b,
	covet.session_save(:'c', '{}') AS c, covet.session_save(:'d', '{}') AS d;
SELECT covet.session_delete(:'f'), covet.session_get(:'e'), covet.session_save(:'e', '{}') AS e, covet.session_save(:'f', '{}') AS f;

-- An id of the caller's choice must be free.
SELECT covet.session_create('{"n": 1}') AS a \gset
SELECT covet.session_save('rot-live', '{}'), covet.session_save('rot-dead', '{}'), covet.session_delete('rot-dead');
SELECT covet.session_rotate(:'a', '0', 'rot-live') AS taken, covet.session_rotate(:'a', '0', 'rot-dead') AS tombstone,
	covet.session_rotate(:'a', '0', :'a') AS itself, covet.session_get(:'a');
SELECT covet.session_rotate(:'a', '1 hour', 'rot-1'), covet.session_get('rot-1'), covet.session_get(:'a');
SELECT covet.session_rotate('rot-1', '0', 'rot-1') AS itself, covet.session_rotate('rot-1', '0', :'a') AS before;
-- an expired one is replaced
SELECT covet.session_save('rot-2', '{"old": 1}', '1 hour', 'olduser');
UPDATE covet._session SET hard_end = now() - interval '1 second' WHERE token_hash = sha256('rot-2');
SELECT covet.session_rotate('rot-1', '0', 'rot-2'), covet.session_get('rot-2'), covet.session_get('rot-1');
SELECT count(*) FROM covet._session WHERE user_id = 'olduser';
-- so is a tombstone whose time is over
UPDATE covet._session SET ended_until = now() - interval '1 second' WHERE token_hash = sha256('rot-dead');
SELECT covet.session_rotate('rot-2', '0', 'rot-dead'), covet.session_get('rot-dead');
SELECT covet.session_rotate('no such token', '0', 'rot-9'), covet.session_get('rot-9');

-- Ending a rotated session by handle or user ends both tokens.
SELECT covet.session_create('{"n": 1}', 'bob') AS a \gset
SELECT covet.session_rotate(:'a', '1 hour') AS b \gset
SELECT covet.session_revoke_user('bob', :'a') AS kept, covet.session_get(:'b');
SELECT covet.session_revoke_user('bob'), covet.session_get_many(ARRAY[:'a', :'b']);
SELECT covet.session_create('{"n": 1}', 'bob') AS a \gset
SELECT covet.session_rotate(:'a', '1 hour') AS b \gset
SELECT covet.session_revoke(session_id), covet.session_get_many(ARRAY[:'a', :'b']) FROM covet.session_info(:'b');

-- Undone with its transaction.
SELECT covet.session_create('{"n": 1}') AS a \gset
BEGIN;
SELECT covet.session_rotate(:'a', '0') AS b \gset
SELECT covet.session_get(:'a'), covet.session_get(:'b');
ROLLBACK;
SELECT covet.session_get(:'a'), covet.session_get(:'b');
-- Twice in one statement: one wins.
SELECT (covet.session_rotate(:'a') IS NOT NULL)::int + (covet.session_rotate(:'a') IS NOT NULL)::int AS winners;
SELECT covet.session_revoke_all() > 0 AS ended;

-- Two rotations within the grace of the first: all three tokens work until each one's own grace ends.
SELECT covet.session_create('{"n": 1}', 'eve') AS a \gset
SELECT covet.session_rotate(:'a', '1 hour') AS b \gset
SELECT covet.session_rotate(:'b', '2 hours') AS c \gset
SELECT covet.session_get(:'a') AS a, covet.session_get(:'b') AS b, covet.session_get(:'c') AS c, covet.session_get_many(ARRAY[:'c', 'x', :'a', :'b']);
SELECT covet.session_update(:'a', '{"n": 2}') > 0 AS update, covet.session_merge(:'a', '{"m": 1}') > 0 AS merge, covet.session_touch(:'a') > now() AS touch, covet.session_get(:'c');
SELECT covet.session_rotate(:'a') AS rotate, covet.session_login(:'a', 'eve') AS login, covet.session_save(:'a', '{}') AS save, covet.session_count('eve');
SELECT covet.session_create('{}', 'eve') IS NOT NULL AS another, covet.session_revoke_user('eve', :'a') AS revoked, covet.session_get(:'c');
UPDATE covet._session SET alias_until = now() - interval '1 second' WHERE token_hash = sha256(:'a'::bytea);
SELECT covet.session_get(:'a') AS a, covet.session_delete(:'a') AS delete_a, covet.session_get(:'b') AS b, covet.session_save(:'a', '{}') AS save;
-- an end by any of them ends all
SELECT covet.session_rotate(:'c', '1 hour') AS d \gset
SELECT covet.session_get(:'b') AS b, covet.session_delete(:'b') AS delete_b, covet.session_get(:'c') AS c, covet.session_get(:'d') AS d, covet.session_get_many(ARRAY[:'b', :'c', :'d']);
-- and no alias outlives the lifetime of its session
SELECT covet.session_create('{}', max_lifetime => '1 hour') AS a \gset
SELECT covet.session_rotate(covet.session_rotate(:'a', '1000 years')) AS c \gset
SELECT alias_until - now() <= '1 hour', ended_until - now() <= '1 hour 10 minutes' FROM covet._session WHERE token_hash = sha256(:'a'::bytea);
