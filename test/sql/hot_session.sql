--
-- Sessions in the hot tier.  Where the triggers are off memory does not hear of
-- what is done to the tables, so an answer tells where it came from.
--
\set VERBOSITY sqlstate
TRUNCATE covet._session;
ALTER TABLE covet._session DISABLE TRIGGER covet_note_row;

-- The first read makes a copy, which then answers.
SELECT covet.session_create('{"n": 1}', 'hot', ip => '2001:db8::1/64', user_agent => 'Firefox') AS t \gset
SELECT covet.session_get(:'t');
UPDATE covet._session SET user_id = 'cold';
SELECT covet.session_get(:'t'), covet.session_get_bytea(:'t'), covet.session_get_many(ARRAY[:'t', 'nobody', NULL, :'t']);
SELECT user_id, data, ip, user_agent FROM covet.session_info(:'t');
-- a write drops it
SELECT covet.session_touch(:'t', '1 hour') > now() + interval '59 minutes' AS touched;
SELECT user_id FROM covet.session_list('cold');
TRUNCATE covet._session;

-- What is there shows nothing that the table does not.  A statement that writes
-- makes no copies.
CREATE TABLE made (n int, token text);
INSERT INTO made VALUES
	(1, covet.session_create()),
	(2, covet.session_create('{"a": [1, 2, {"b": null}]}', 'ann', ip => '10.0.0.1', user_agent => '')),
	(3, covet.session_create(jsonb_build_object('v', repeat('x', 100000)), repeat('u', 512), ip => '::1', user_agent => repeat('a', 2000))),
	(4, covet.session_create((SELECT jsonb_object_agg(i, md5(i::text)) FROM generate_series(1, 1000) i), user_agent => 'no user')),
	(5, covet.session_create('{}', 'forever', idle_timeout => '200 years', max_lifetime => '300 years')),
	(6, covet.session_create('{}', 'idle only', idle_timeout => '1 hour', max_lifetime => '300 years')),
	(7, 'hot-saved'), (8, 'hot-bytea'), (9, 'hot-large');
SELECT covet.session_save('hot-saved', '{"s": 1}', '1 hour', 'ann'), covet.session_save_bytea('hot-bytea', '\x00ff', ip => '10.1.0.0/16'),
	covet.session_save_bytea('hot-large', (SELECT string_agg(sha256(i::text::bytea), '') FROM generate_series(1, 2000) i));
CREATE TABLE cold AS SELECT n, session_id, user_id, data, version, created_at, expires_at = 'infinity' AS forever, ip, user_agent, covet.session_get_bytea(token) AS bytes
	FROM made, covet.session_info(token);
SELECT count(covet.session_get_bytea(token)) AS copied FROM made;
CREATE TABLE hot AS SELECT n, session_id, user_id, data, version, created_at, expires_at = 'infinity' AS forever, ip, user_agent, covet.session_get_bytea(token) AS bytes
	FROM made, covet.session_info(token);
SELECT count(*), count(*) FILTER (WHERE data IS NULL) AS no_jsonb, count(*) FILTER (WHERE forever) AS forever FROM hot;
SELECT * FROM cold EXCEPT SELECT * FROM hot;
UPDATE covet._session SET hard_end = '-infinity';
SELECT count(covet.session_get_bytea(token)) AS all_from_memory FROM made;
TRUNCATE covet._session;
SELECT count(covet.session_get_bytea(token)) AS none FROM made;
DROP TABLE made, cold, hot;

-- "Not there" is believed, until somebody saves under that id.
SELECT covet.session_get('hot-ghost');
SELECT covet.session_save('hot-other', '{"ghost": 1}', '1 hour');
UPDATE covet._session SET token_hash = sha256('hot-ghost') WHERE token_hash = sha256('hot-other');
SELECT covet.session_get('hot-ghost'), covet.session_touch('hot-ghost'), covet.session_get_many('{hot-ghost}');
SELECT covet.session_save('hot-ghost', '{"ghost": 2}', '1 hour'), covet.session_get('hot-ghost');
-- not of an id with a tombstone, nor of a token in its grace
SELECT covet.session_save('hot-dead', '{}'), covet.session_delete('hot-dead'), covet.session_get('hot-dead');
UPDATE covet._session SET ended_until = NULL, data = (SELECT data FROM covet._session WHERE token_hash = sha256('hot-ghost'))
	WHERE token_hash = sha256('hot-dead');
SELECT covet.session_get('hot-dead');
SELECT covet.session_rotate('hot-dead', '1 hour', 'hot-new'), covet.session_get('hot-dead'), covet.session_get('hot-new');
UPDATE covet._session SET alias_until = '-infinity' WHERE alias_until IS NOT NULL;
SELECT covet.session_get('hot-dead'), covet.session_get('hot-new');
ALTER TABLE covet._session ENABLE ALWAYS TRIGGER covet_note_row;

-- Direct writes of the owner drop the copies; a time set by hand counts, not
-- what memory has seen.
UPDATE covet._session SET hard_end = now() - interval '1 second' WHERE token_hash = sha256('hot-new');
SELECT covet.session_get('hot-new'), covet.session_get('hot-ghost');
SELECT covet.session_create('{"n": 1}', idle_timeout => '1 hour') AS t \gset
SELECT covet.session_get(:'t'), covet.session_get(:'t');
UPDATE covet._session SET seen_at = seen_at - interval '2 hours' WHERE token_hash = sha256(:'t'::bytea);
SELECT covet.session_get(:'t'), covet.session_touch(:'t'), covet.session_update(:'t', '{}');
DELETE FROM covet._session;
SELECT covet.session_get('hot-ghost');

-- Each way a session changes or ends, with a copy there.
SELECT covet.session_create('{"n": 1}', 'ann') AS t \gset
SELECT covet.session_get(:'t'), covet.session_update(:'t', '{"n": 2}') > 0 AS updated, covet.session_get(:'t');
SELECT covet.session_get(:'t');
SELECT covet.session_merge(:'t', '{"m": 1}') > 0 AS merged;
SELECT covet.session_get(:'t');
SELECT covet.session_rotate(:'t', '0') AS u \gset
SELECT covet.session_get(:'t'), covet.session_get(:'u');
SELECT covet.session_login(:'u', 'ann') AS t \gset
SELECT covet.session_get(:'u'), covet.session_get(:'t');
SELECT covet.session_touch(:'t', '0') IS NOT NULL AS ended;
SELECT covet.session_get(:'t');
SELECT covet.session_save('hot-a', '{"n": 1}'), covet.session_save('hot-b', '{"n": 1}', NULL, 'bob'), covet.session_save('hot-c', '{"n": 1}', NULL, 'bob'),
	covet.session_save('hot-d', '{"n": 1}'), covet.session_save('hot-e', '{"n": 1}');
SELECT covet.session_get_many('{hot-a,hot-b,hot-c,hot-d,hot-e}');
SELECT covet.session_save('hot-a', '{"n": 2}'), covet.session_revoke(session_id) FROM covet.session_info('hot-b');
SELECT covet.session_get_many('{hot-a,hot-b,hot-c,hot-d,hot-e}');
SELECT covet.session_revoke_user('bob'), covet.session_delete('hot-d');
SELECT covet.session_get_many('{hot-a,hot-b,hot-c,hot-d,hot-e}');
SELECT covet.session_revoke_all(), covet.session_get_many('{hot-a,hot-b,hot-c,hot-d,hot-e}');
SET covet.session_max_per_user = 1;
SELECT covet.session_create('{"n": 1}', 'ann') AS t \gset
SELECT covet.session_get(:'t');
SELECT covet.session_create('{"n": 2}', 'ann') AS u \gset
SELECT covet.session_get(:'t'), covet.session_get(:'u');
RESET covet.session_max_per_user;
-- more than are listed: all copies go
CREATE TABLE many AS SELECT covet.session_create(to_jsonb(i), 'many') AS token FROM generate_series(1, 4200) AS i;
SELECT count(covet.session_get(token)) FROM many;
SELECT covet.session_revoke_user('many'), covet.session_get(:'u');
SELECT count(covet.session_get(token)) FROM many;
SELECT covet.session_get(:'u');
DROP TABLE many;
-- a change of the table
SELECT covet.session_durability('logged');
SELECT covet.session_get(:'u'), covet.session_delete(:'u'), covet.session_get(:'u');
SELECT covet.session_durability('unlogged');

-- A transaction sees its own writes, others' after it has rolled back.
SELECT covet.session_create('{"n": 1}', 'ann') AS t \gset
SELECT covet.session_get(:'t');
BEGIN;
SELECT covet.session_update(:'t', '{"n": 2}') > 0 AS updated, covet.session_get(:'t');
SAVEPOINT a;
SELECT covet.session_delete(:'t'), covet.session_get(:'t'), covet.session_touch(:'t');
ROLLBACK TO a;
SELECT covet.session_get(:'t'), covet.session_get_many(ARRAY[:'t']), data FROM covet.session_info(:'t');
SELECT covet.session_create('{"n": 3}') AS u \gset
SELECT covet.session_get(:'u');
ROLLBACK;
SELECT covet.session_get(:'t'), covet.session_get(:'u');
SELECT covet.session_get(:'t'), covet.session_get(:'u');
BEGIN;
SELECT covet.session_revoke_all() > 0 AS revoked, covet.session_get(:'t');
ROLLBACK;
SELECT covet.session_get(:'t');

-- Touches live in memory: no transaction id, nothing in the row, seen everywhere.
SELECT covet.session_create('{"n": 1}', 'touch', idle_timeout => '1 hour') AS t \gset
UPDATE covet._session SET seen_at = seen_at - interval '30 minutes' WHERE token_hash = sha256(:'t'::bytea);
SELECT count(*) AS copied_but_not_seen FROM covet.session_info(:'t');
SELECT clock_timestamp() - last_seen_at > '29 minutes' AS unseen FROM covet.session_list('touch');
BEGIN READ ONLY;
SELECT covet.session_touch(:'t') > clock_timestamp() + interval '59 minutes' AS touched, covet.session_get(:'t');
SELECT pg_current_xact_id_if_assigned();
ROLLBACK;
SELECT now() - seen_at > '29 minutes' AS not_in_the_row FROM covet._session WHERE token_hash = sha256(:'t'::bytea);
SELECT expires_at - last_seen_at AS idle, clock_timestamp() - last_seen_at < '1 minute' AS seen FROM covet.session_list('touch');
-- an update keeps it, a sweep writes it back
SELECT covet.session_update(:'t', '{"n": 2}') > 0 AS updated;
SELECT now() - seen_at < '1 minute' AS in_the_row FROM covet._session WHERE token_hash = sha256(:'t'::bytea);
UPDATE covet._session SET seen_at = seen_at - interval '30 minutes' WHERE token_hash = sha256(:'t'::bytea);
SELECT covet.session_get(:'t');
SELECT covet.sweep() >= 0 AS swept;
SELECT clock_timestamp() - seen_at < '1 minute' AS in_the_row FROM covet._session WHERE token_hash = sha256(:'t'::bytea);
-- a sweep spares what only memory knows to be alive
ALTER TABLE covet._session DISABLE TRIGGER covet_note_row;
UPDATE covet._session SET seen_at = seen_at - interval '2 hours' WHERE token_hash = sha256(:'t'::bytea);
SELECT covet.sweep() >= 0 AS swept;
SELECT covet.session_get(:'t'), covet.session_count('touch');
ALTER TABLE covet._session ENABLE ALWAYS TRIGGER covet_note_row;
-- nothing is left of one that a clock ahead of time has swept
SELECT covet.sweep(now() + interval '25 hours') > 0 AS swept, covet.session_get(:'t'), covet.session_touch(:'t');
-- what was saved ends when it was said, but it is known when it was read
SELECT covet.session_save('hot-saved', '{}', '1 hour', 'touch'), covet.session_get('hot-saved');
UPDATE covet._session SET seen_at = seen_at - interval '50 minutes', hard_end = hard_end - interval '50 minutes', created_at = created_at - interval '50 minutes'
	WHERE token_hash = sha256('hot-saved');
SELECT covet.session_get('hot-saved'), covet.session_get('hot-saved');
SELECT expires_at - created_at AS life, clock_timestamp() - last_seen_at < '1 minute' AS seen FROM covet.session_list('touch');
SELECT covet.session_touch('hot-saved') > now() + interval '59 minutes' AS renewed;
SELECT hard_end > now() + interval '59 minutes' AS in_the_row FROM covet._session WHERE token_hash = sha256('hot-saved');

-- Unseen for its idle time it is over, for good.
SELECT covet.session_create('{}', 'brief', idle_timeout => '1 millisecond') AS t \gset
SELECT count(*) BETWEEN 0 AND 1 AS maybe FROM covet.session_info(:'t');
SELECT pg_sleep(0.01);
SELECT covet.session_get(:'t'), covet.session_touch(:'t'), covet.session_update(:'t', '{}'), covet.session_count('brief');

-- Loaded before anybody asks, those seen last first.
TRUNCATE covet._session;
SELECT covet.session_save('warm-1', '{"n": 1}'), covet.session_save('warm-2', '{"n": 2}'), covet.session_save('warm-3', '{"n": 3}'), covet.session_delete('warm-3');
SELECT covet.warm(1);
ALTER TABLE covet._session DISABLE TRIGGER covet_note_row;
DELETE FROM covet._session;
SELECT covet.session_get_many('{warm-1,warm-2,warm-3}');
ALTER TABLE covet._session ENABLE ALWAYS TRIGGER covet_note_row;
TRUNCATE covet._session;
SELECT covet._hot_check();
