-- hot_trigger: what the owner writes to the private tables himself is seen by the next read
\set VERBOSITY sqlstate
CREATE TEMP VIEW got AS SELECT covet.cache_get_many('{a,b,c}', 'trigger') AS got;

SELECT count(covet.cache_set(k, k, '1 hour', 'trigger')) FROM unnest('{a,b,c}'::text[]) k;
TABLE got;
-- UPDATE: of what is shown, of the key, of the namespace
UPDATE covet._cache SET expires_at = now() WHERE namespace = 'trigger' AND key = 'a';
TABLE got;
UPDATE covet._cache SET expires_at = 'infinity' WHERE namespace = 'trigger' AND key = 'a';
TABLE got;
DELETE FROM covet._cache WHERE namespace = 'trigger' AND key = 'b';
TABLE got;
UPDATE covet._cache SET key = 'b' WHERE namespace = 'trigger' AND key = 'c';
TABLE got;
UPDATE covet._cache SET namespace = 'trigger_other' WHERE namespace = 'trigger' AND key = 'b';
TABLE got;
SELECT covet.cache_get('b', 'trigger_other');	-- it has the stamp of another namespace
UPDATE covet._cache SET namespace = 'trigger', key = 'c' WHERE namespace = 'trigger_other';
TABLE got;
DELETE FROM covet._cache WHERE namespace = 'trigger' AND key = 'c';
-- INSERT, where "not there" is remembered
TABLE got;
INSERT INTO covet._cache (version, expires_at, seen_at, idle, stale, stamp, namespace, key, value)
	SELECT version, expires_at, seen_at, idle, stale, stamp, namespace, 'b', value FROM covet._cache WHERE namespace = 'trigger' AND key = 'a';
TABLE got;
-- MERGE
MERGE INTO covet._cache c USING (VALUES ('a'), ('b')) v(key) ON c.namespace = 'trigger' AND c.key = v.key
	WHEN MATCHED AND v.key = 'a' THEN DELETE WHEN MATCHED THEN UPDATE SET expires_at = '-infinity';
TABLE got;

-- not before COMMIT, and not after ROLLBACK
SELECT count(covet.cache_set(k, k, '1 hour', 'trigger')) FROM unnest('{a,b,c}'::text[]) k;
TABLE got;
BEGIN;
DELETE FROM covet._cache WHERE namespace = 'trigger' AND key = 'a';
TABLE got;
SAVEPOINT s;
DELETE FROM covet._cache WHERE namespace = 'trigger' AND key = 'b';
TABLE got;
ROLLBACK TO s;
TABLE got;
ROLLBACK;
TABLE got;
-- with triggers of users switched off
SET session_replication_role = replica;
DELETE FROM covet._cache WHERE namespace = 'trigger' AND key = 'a';
RESET session_replication_role;
TABLE got;
-- TRUNCATE
BEGIN;
TRUNCATE covet._cache;
TABLE got;
ROLLBACK;
TABLE got;
TRUNCATE covet._cache;
TABLE got;
SELECT covet.cache_set('a', 'after', '1 hour', 'trigger');
TABLE got;

-- more rows than are listed
BEGIN;
INSERT INTO covet._cache (version, expires_at, seen_at, idle, stale, stamp, namespace, key, value)
	SELECT version, expires_at, seen_at, idle, stale, stamp, namespace, 'many ' || i, value
	FROM covet._cache, generate_series(1, 65600) i WHERE namespace = 'trigger' AND key = 'a';
COMMIT;
SELECT covet.cache_get_many('{many 1,many 65600}', 'trigger');
DELETE FROM covet._cache WHERE namespace = 'trigger';
SELECT covet.cache_get_many('{many 1,many 65600}', 'trigger');
TABLE got;

-- revoked tokens
SELECT covet.token_is_revoked('jti', 'trigger'), covet.token_is_revoked('jti 2', 'trigger'),
	covet.token_is_revoked('other', 'trigger', 'subject', now());
COPY covet._token FROM stdin;
1	infinity	trigger	jti
2	infinity	trigger	jti 2
\.
COPY covet._token_subject FROM stdin;
infinity	infinity	trigger	subject
\.
SELECT covet.token_is_revoked('jti', 'trigger'), covet.token_is_revoked('jti 2', 'trigger'),
	covet.token_is_revoked('other', 'trigger', 'subject', now());
UPDATE covet._token SET jti = 'jti 3' WHERE issuer = 'trigger' AND jti = 'jti';
DELETE FROM covet._token_subject WHERE issuer = 'trigger';
SELECT jti, covet.token_is_revoked(jti, 'trigger') FROM unnest('{jti,jti 2,jti 3}'::text[]) jti;
SELECT covet.token_is_revoked('other', 'trigger', 'subject', now());
TRUNCATE covet._token, covet._token_subject;
SELECT jti, covet.token_is_revoked(jti, 'trigger') FROM unnest('{jti,jti 2,jti 3}'::text[]) jti;

-- sessions, whichever table they are in
SELECT covet.session_create('{"n": 1}', 'trigger') AS token \gset
SELECT covet.session_get(:'token'), covet.session_get(:'token');
UPDATE covet._session SET hard_end = now() WHERE user_id = 'trigger';
SELECT covet.session_get(:'token');
UPDATE covet._session SET hard_end = now() + interval '1 hour' WHERE user_id = 'trigger';
SELECT covet.session_get(:'token');
DELETE FROM covet._session WHERE user_id = 'trigger';
SELECT covet.session_get(:'token');
SELECT covet.session_create('{"n": 2}', 'trigger') AS token \gset
SELECT covet.session_get(:'token'), covet.session_get(:'token');
TRUNCATE covet._session;
SELECT covet.session_get(:'token');
SELECT covet.session_durability('logged');
SELECT covet.session_create('{"n": 3}', 'trigger') AS token \gset
SELECT covet.session_get(:'token'), covet.session_get(:'token');
DELETE FROM covet._session_logged WHERE user_id = 'trigger';
SELECT covet.session_get(:'token');
SELECT covet.session_durability('unlogged');

-- settings of namespaces
SELECT covet.cache_set('a', 'x', namespace => 'trigger'), covet.cache_expires_at('a', 'trigger') > now() + interval '1 year' AS long;
INSERT INTO covet._cache_namespace (namespace, storage, default_ttl, codec) VALUES ('trigger', 'table', '10 years', 'auto');
SELECT covet.cache_set('a', 'x', namespace => 'trigger'), covet.cache_expires_at('a', 'trigger') > now() + interval '1 year' AS long;
UPDATE covet._cache_namespace SET default_ttl = '1 hour' WHERE namespace = 'trigger';
SELECT covet.cache_set('a', 'x', namespace => 'trigger'), covet.cache_expires_at('a', 'trigger') > now() + interval '1 year' AS long;
UPDATE covet._cache_namespace SET default_ttl = '10 years' WHERE namespace = 'trigger';
SELECT covet.cache_set('a', 'x', namespace => 'trigger'), covet.cache_expires_at('a', 'trigger') > now() + interval '1 year' AS long;
DELETE FROM covet._cache_namespace WHERE namespace = 'trigger';
SELECT covet.cache_set('a', 'x', namespace => 'trigger'), covet.cache_expires_at('a', 'trigger') > now() + interval '1 year' AS long;

-- such a transaction cannot be prepared
BEGIN;
UPDATE covet._cache SET expires_at = 'infinity' WHERE namespace = 'trigger';
PREPARE TRANSACTION 'trigger';
BEGIN;
TRUNCATE covet._token;
PREPARE TRANSACTION 'trigger';

-- what covet writes itself is not noted twice, and the functions are for triggers only
SELECT covet._own_write();
CREATE TABLE elsewhere (namespace text, key text);
CREATE TRIGGER note AFTER INSERT ON elsewhere FOR EACH ROW EXECUTE FUNCTION covet._note_row();
INSERT INTO elsewhere VALUES ('trigger', 'a');
DROP TABLE elsewhere;
SELECT tgrelid::regclass::text COLLATE "C" AS tgrelid, tgname, tgenabled FROM pg_trigger WHERE tgrelid::regclass::text LIKE 'covet.%' ORDER BY 1, 2;
SELECT covet.cache_clear('trigger'), covet.sweep() >= 0 AS swept;
SELECT covet._hot_check();
