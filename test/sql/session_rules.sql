-- The rules for all, as they fall on sessions and revoked tokens.
\set VERBOSITY sqlstate
SELECT covet.session_create('{"n": 1}', 'ann') AS t \gset

-- A visitor can send any cookie: NULL, empty and too long are missing.
SELECT what, covet.session_get(t) AS get, covet.session_get_bytea(t) AS bytes, covet.session_update(t, '{}') AS update,
		covet.session_merge(t, '{}') AS merge, covet.session_touch(t) AS touch, covet.session_touch(t, '1 hour') AS touch_ttl,
		covet.session_rotate(t) AS rotate, covet.session_delete(t) AS delete, covet.session_get_many(ARRAY[t]) AS many,
		(SELECT count(*) FROM covet.session_info(t, NULL)) AS info
	FROM (VALUES (1, 'null', NULL), (2, 'empty', ''), (3, 'too long', repeat('x', 513)), (4, 'bytes', repeat('ä', 257)), (5, 'other', E'\n')) v (n, what, t)
	ORDER BY n;
SELECT covet.session_list(NULL), covet.session_list(''), covet.session_list(repeat('x', 513));
SELECT covet.session_count(''), covet.session_count(repeat('x', 513));
SELECT covet.session_revoke(NULL), covet.session_revoke('00000000-0000-0000-0000-000000000000', ''), covet.session_revoke_user(NULL),
	covet.session_revoke_user(''), covet.session_revoke_user(repeat('x', 513)), covet.session_revoke_user('none', repeat('x', 513));
SELECT covet.session_revoke_user('ann', NULL) AS ended;

-- An id of 512 bytes can be had; a longer or empty one is refused in writing.
SELECT covet.session_save(repeat('i', 512), '{"n": 1}'), covet.session_get(repeat('i', 512)), covet.session_delete(repeat('i', 512));
SELECT covet.session_save(repeat('i', 513), '{}');
SELECT covet.session_save('', '{}');
SELECT covet.session_save(NULL, '{}');
SELECT covet.session_save_bytea(repeat('ä', 257), '');
SELECT covet.session_rotate('x', '0', repeat('i', 513));
SELECT covet.session_rotate('x', '0', '');

-- NULL values.
SELECT covet.session_create(NULL);
SELECT covet.session_update('x', NULL);
SELECT covet.session_merge('x', NULL);
SELECT covet.session_save('x', NULL);
SELECT covet.session_save_bytea('x', NULL);
SELECT covet.session_save('x', '{}', mode => NULL);
SELECT covet.session_login('x', NULL);
SELECT covet.session_durability(NULL);

-- Users of 1 to 512 bytes.
SELECT covet.session_create(user_id => repeat('u', 512)) IS NOT NULL AS made, covet.session_count(repeat('u', 512));
SELECT covet.session_create(user_id => repeat('u', 513));
SELECT covet.session_create(user_id => '');
SELECT covet.session_login(NULL, repeat('u', 513));
SELECT covet.session_login(NULL, '');
SELECT covet.session_save('x', '{}', user_id => repeat('u', 513));
SELECT covet.session_save('x', '{}', user_id => '');

-- Words that do not exist.
SELECT covet.session_save('x', '{}', mode => 'SET');
SELECT covet.session_save_bytea('x', '', mode => 'upsert');
SELECT covet.session_durability('permanent');
\set VERBOSITY default
SELECT covet.session_save('x', '{}', mode => 'upsert');
SELECT covet.session_durability('permanent');
SELECT covet.session_save(repeat('i', 513), '{}');
SELECT covet.session_create(user_id => '');
-- no value in a message
SELECT covet.session_save_bytea('x', 'my secret');
SELECT covet.session_get('x');
SELECT covet.session_save_bytea('x', '\x6d792073656372657400');
SELECT covet.session_get('x');
\set VERBOSITY sqlstate

-- A user_agent is cut at 1024 bytes, between characters.
SELECT covet.session_save('x', '{}', user_agent => repeat('a', 1024)), covet.session_save('y', '{}', user_agent => 'a' || repeat('ä', 600));
SELECT octet_length(user_agent) FROM covet.session_info('x');
SELECT octet_length(user_agent) = CASE getdatabaseencoding() WHEN 'UTF8' THEN 1023 ELSE 1024 END AS whole_characters FROM covet.session_info('y');

-- READ ONLY: reads and touches work, other writes are 25006.
SELECT covet.session_create('{"n": 1}', 'ann') AS t \gset
UPDATE covet._session SET seen_at = seen_at - interval '10 minutes' WHERE token_hash = sha256(:'t'::bytea);
BEGIN READ ONLY;
SELECT covet.session_get(:'t'), covet.session_get_bytea(:'t') IS NOT NULL AS bytes, covet.session_get_many(ARRAY[:'t']), covet.session_count('ann');
SELECT now() - last_seen_at < '1 minute' AS kept FROM covet.session_info(:'t', true);
SELECT covet.session_touch(:'t') >= expires_at AS touched FROM covet.session_info(:'t');
SELECT count(*) FROM covet.session_list('ann');
SELECT covet.token_is_revoked('x'), covet.token_is_revoked_many('{x}');
COMMIT;
\set VERBOSITY terse
DO $$
DECLARE
	statement text;
BEGIN
	FOREACH statement IN ARRAY ARRAY['session_create()', 'session_update(''x'', ''{}'')', 'session_merge(''x'', ''{}'')', 'session_touch(''x'', ''1 hour'')',
			'session_rotate(''x'')', 'session_login(NULL, ''ann'')', 'session_save(''x'', ''{}'')', 'session_save_bytea(''x'', '''')', 'session_delete(''x'')',
			'session_revoke(''00000000-0000-0000-0000-000000000000'')', 'session_revoke_user(''ann'')', 'session_revoke_all()', 'session_durability(''logged'')',
			'token_revoke(''x'', ''infinity'')', 'token_revoke_many(''{x}'', ''{infinity}'')', 'token_revoke_subject(''x'', ''infinity'')'] LOOP
		BEGIN
			SET TRANSACTION READ ONLY;
			EXECUTE 'SELECT covet.' || statement;
			RAISE 'no error in %', statement;
		EXCEPTION WHEN read_only_sql_transaction THEN
			RAISE NOTICE '%: 25006', statement;
		END;
	END LOOP;
END
$$;
\set VERBOSITY sqlstate

-- PREPARE TRANSACTION after a write is 0A000.
BEGIN;
SELECT covet.session_create() IS NOT NULL AS made;
PREPARE TRANSACTION 'covet_session';
BEGIN;
SELECT covet.session_delete('x');
PREPARE TRANSACTION 'covet_session';
SELECT covet.session_get('y');
BEGIN;
SELECT covet.token_revoke('prepared', 'infinity');
PREPARE TRANSACTION 'covet_session';
SELECT covet.token_is_revoked('prepared');

-- Isolation levels that keep a snapshot: reads give what was committed last.
CREATE TABLE session_rules_other (a int);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM session_rules_other;
SELECT covet.session_update(:'t', '{"n": 2}') > 0 AS updated, covet.session_get(:'t');
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) FROM session_rules_other;
SELECT covet.session_update(:'t', '{"n": 3}') > 0 AS updated, covet.session_get(:'t'), covet.session_rotate(:'t', '0') AS t2 \gset
SELECT covet.session_get(:'t2'), covet.session_get(:'t');
COMMIT;
DROP TABLE session_rules_other;

-- Nobody but the owner reads the private tables or calls the functions, whatever he puts in his path.
CREATE ROLE regress_session_user;
GRANT CREATE ON DATABASE :DBNAME TO regress_session_user;
SET ROLE regress_session_user;
SELECT count(*) FROM covet._session;
SELECT count(*) FROM covet._session_logged;
SELECT count(*) FROM covet._token;
SELECT count(*) FROM covet._token_subject;
SELECT covet.session_get('x');
SELECT covet.session_create();
SELECT covet.session_durability('logged');
SELECT covet.token_is_revoked('x');
RESET ROLE;
SELECT covet.grant_usage('regress_session_user', 'session');
SELECT covet.grant_usage('regress_session_user', 'token');
SET ROLE regress_session_user;
CREATE SCHEMA regress_session_evil;
CREATE FUNCTION regress_session_evil.evil(bytea, bytea) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil'; END $$;
CREATE OPERATOR regress_session_evil.= (FUNCTION = regress_session_evil.evil, LEFTARG = bytea, RIGHTARG = bytea);
CREATE FUNCTION regress_session_evil.evil(timestamptz, timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil'; END $$;
CREATE OPERATOR regress_session_evil.<= (FUNCTION = regress_session_evil.evil, LEFTARG = timestamptz, RIGHTARG = timestamptz);
CREATE FUNCTION regress_session_evil.unnest(anyarray) RETURNS SETOF anyelement LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil'; END $$;
SET search_path = regress_session_evil, pg_catalog;
SELECT covet.session_create('{"n": 1}', 'mallory') AS m \gset
SELECT covet.session_get(:'m'), covet.session_update(:'m', '{"n": 2}') > 0 AS updated, covet.session_rotate(:'m') IS NOT NULL AS rotated,
	covet.session_save('evil', '{}'), covet.session_revoke_user('mallory');
SELECT covet.token_revoke('evil', 'infinity'), covet.token_revoke('evil', 'infinity'), covet.token_revoke_many('{evil,more}', '{infinity,infinity}');
SELECT covet.token_revoke_subject('evil', 'infinity'), covet.token_revoke_subject('evil', 'infinity'), covet.token_is_revoked(NULL, subject => 'evil');
SELECT count(*) FROM covet._session;
SELECT covet.session_durability('logged');
RESET search_path;
RESET ROLE;
DROP SCHEMA regress_session_evil CASCADE;
SELECT covet.revoke_usage('regress_session_user', 'all');
DROP OWNED BY regress_session_user;
DROP ROLE regress_session_user;

-- A damaged frame is XX001 and nothing worse.
SELECT covet.session_save('damaged', '{"n": 1}');
UPDATE covet._session SET data = substr(data, 1, length(data) - 1) WHERE token_hash = sha256('damaged');
SELECT covet.session_get('damaged');
SELECT covet.session_get_bytea('damaged');
SELECT covet.session_merge('damaged', '{}');
SELECT data FROM covet.session_info('damaged');
SELECT covet.session_update('damaged', '{"n": 2}') > 0 AS updated, covet.session_get('damaged');
SELECT covet.session_revoke_all() > 0 AS ended;

-- Of a token of any length the table has the SHA-256.
SELECT count(covet.session_save(repeat(chr(48 + n % 40), n), '{}')) FROM generate_series(1, 512) AS n;
SELECT count(*) FROM generate_series(1, 512) AS n JOIN covet._session ON token_hash = sha256(repeat(chr(48 + n % 40), n)::bytea);
