-- rights: who may execute what
\set VERBOSITY sqlstate
CREATE ROLE regress_covet_nobody;
CREATE ROLE regress_covet_cache;
CREATE ROLE regress_covet_session;
CREATE ROLE regress_covet_token;
CREATE ROLE regress_covet_admin;
CREATE ROLE "regress_covet All ""quoted""";
CREATE ROLE regress_covet_monitor IN ROLE pg_monitor;

-- to everybody: nothing that reads or writes data
SELECT proname FROM pg_proc
WHERE pronamespace = 'covet'::regnamespace AND proname ~ '^(cache|lock|rate|session|token|mongo|_|sweep|grant|revoke)'
	AND proname NOT IN ('mongo_oid', 'mongo_plain')
	AND has_function_privilege('regress_covet_nobody', oid, 'EXECUTE') AND prorettype <> 'fdw_handler'::regtype AND proname !~ 'validator$'
ORDER BY 1;
SELECT has_function_privilege('regress_covet_nobody', 'covet.version()', 'EXECUTE') AS version;
-- and no table, view or sequence
SELECT relname FROM pg_class WHERE relnamespace = 'covet'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
	AND (has_table_privilege('regress_covet_nobody', oid, 'SELECT') OR has_table_privilege('regress_covet_nobody', oid, 'INSERT')
		OR has_table_privilege('regress_covet_nobody', oid, 'UPDATE') OR has_table_privilege('regress_covet_nobody', oid, 'DELETE')
		OR has_table_privilege('regress_covet_nobody', oid, 'TRUNCATE') OR has_table_privilege('regress_covet_nobody', oid, 'TRIGGER'))
ORDER BY 1;
SELECT has_schema_privilege('regress_covet_nobody', 'covet', 'USAGE') AS usage, has_schema_privilege('regress_covet_nobody', 'covet', 'CREATE') AS create;

-- grant_usage by part: exactly the functions of the part
CREATE FUNCTION pg_temp.parts_of(who regrole) RETURNS TABLE (part text, "all" boolean)
LANGUAGE sql AS $$
	SELECT CASE WHEN proname IN ('cache_namespace_set', 'cache_namespace_drop', 'session_durability') THEN 'admin'
			WHEN proname LIKE '\_%' THEN 'private' WHEN proname LIKE 'mongo\_%' THEN 'mongo'
			WHEN proname ~ '^(cache|session|token)_' THEN split_part(proname, '_', 1)
			WHEN proname ~ '^(lock|rate)_' THEN 'cache'
			ELSE 'owner' END,
		bool_and(has_function_privilege(who, oid, 'EXECUTE'))
	FROM pg_proc
	WHERE pronamespace = 'covet'::regnamespace
		AND (proname ~ '^(cache|lock|rate|session|token)_' OR proname IN ('sweep', 'grant_usage', 'revoke_usage', '_cache_usage', '_change_usage'))
	GROUP BY 1 HAVING bool_or(has_function_privilege(who, oid, 'EXECUTE')) ORDER BY 1
$$;
SELECT part, "all" FROM pg_temp.parts_of('regress_covet_nobody');
SELECT covet.grant_usage('regress_covet_cache', 'cache'), covet.grant_usage('regress_covet_session', 'session'),
	covet.grant_usage('regress_covet_token', 'token'), covet.grant_usage('regress_covet_admin', 'admin'),
	covet.grant_usage('"regress_covet All ""quoted"""', 'all');
SELECT part, "all" FROM pg_temp.parts_of('regress_covet_cache');
SELECT part, "all" FROM pg_temp.parts_of('regress_covet_session');
SELECT part, "all" FROM pg_temp.parts_of('regress_covet_token');
SELECT part, "all" FROM pg_temp.parts_of('regress_covet_admin');
SELECT part, "all" FROM pg_temp.parts_of('"regress_covet All ""quoted"""');
-- those of MongoDB include each other
CREATE FUNCTION pg_temp.mongo_of(who regrole) RETURNS TABLE (find boolean, insert boolean, drop boolean)
LANGUAGE sql AS $$
	SELECT bool_and(has_function_privilege(who, oid, 'EXECUTE')) FILTER (WHERE proname IN ('mongo_find', 'mongo_find_json', 'mongo_ping')),
		bool_and(has_function_privilege(who, oid, 'EXECUTE')) FILTER (WHERE proname IN ('mongo_insert_one', 'mongo_insert_many')),
		bool_and(has_function_privilege(who, oid, 'EXECUTE')) FILTER (WHERE proname = 'mongo_drop_collection')
	FROM pg_proc WHERE pronamespace = 'covet'::regnamespace
$$;
SELECT covet.grant_usage('regress_covet_nobody', 'mongo_read');
SELECT * FROM pg_temp.mongo_of('regress_covet_nobody');
SELECT covet.grant_usage('regress_covet_nobody', 'mongo');
SELECT * FROM pg_temp.mongo_of('regress_covet_nobody');
SELECT covet.grant_usage('regress_covet_nobody', 'mongo_admin');
SELECT * FROM pg_temp.mongo_of('regress_covet_nobody');
SELECT covet.revoke_usage('regress_covet_nobody', 'mongo_admin');
SELECT * FROM pg_temp.mongo_of('regress_covet_nobody');
SELECT * FROM pg_temp.mongo_of('"regress_covet All ""quoted"""');

-- the parts work for ordinary roles
SET ROLE regress_covet_cache;
SELECT covet.cache_set('r', '1', namespace => 'rights'), covet.cache_get('r', 'rights'), covet.cache_incr('r', namespace => 'rights'),
	covet.cache_set_many('{a,b}', '{1,2}', namespace => 'rights', tags => '{t}'), covet.cache_get_many('{a,b}', 'rights'),
	covet.cache_add('c', '3', namespace => 'rights'), covet.cache_replace('c', '4', namespace => 'rights'),
	covet.cache_take('c', 'rights'), covet.cache_touch('a', '1 hour', 'rights'), covet.cache_delete('a', 'rights'),
	covet.cache_invalidate_tags('{t}', 'rights');
SELECT key FROM covet.cache_scan(namespace => 'rights');
SELECT covet.lock_acquire('rights') AS fence \gset
SELECT count(*), covet.lock_extend('rights', :fence), covet.lock_release('rights', :fence) FROM covet.lock_info('rights');
SELECT allowed FROM covet.rate_limit('rights', 1, '1 microsecond');
SELECT covet._rate_limit_at('rights', 1, '1 s', 1, now());
SELECT covet.cache_clear('rights');
SELECT covet.cache_namespace_set('rights');
SELECT covet.session_create();
SELECT covet.token_revoke('x', 'infinity');
SELECT covet.sweep();
SELECT * FROM covet.cache_namespaces;
SELECT * FROM covet._cache_usage();
SELECT count(*) FROM covet._cache;
SELECT count(*) FROM covet._cache_namespace;
UPDATE covet._cache SET namespace = 'mine';
DELETE FROM covet._cache;
TRUNCATE covet._cache;
INSERT INTO covet._cache_namespace VALUES ('x', 'table', NULL, NULL, 'auto');
CREATE TABLE covet.mine (i int);
BEGIN;
LOCK TABLE covet._cache IN ACCESS SHARE MODE;
ROLLBACK;
SET ROLE regress_covet_session;
SELECT length(t), covet.session_get(t), covet.session_delete(t) FROM covet.session_create('{"a": 1}') t;
SELECT covet.cache_get('r', 'rights');
SELECT covet.session_durability('logged');
SELECT count(*) FROM covet._session;
SELECT count(*) FROM covet._session_logged;
SELECT count(*) FROM covet._setting;
SET ROLE regress_covet_token;
SELECT covet.token_revoke('regress-rights', clock_timestamp() + '1 hour'), covet.token_is_revoked('regress-rights');
SELECT covet.cache_get('r', 'rights');
SELECT covet.lock_acquire('rights');
SELECT covet.lock_info('rights');
SELECT covet.rate_limit('rights', 1, '1 s');
SELECT count(*) FROM covet._token;
SELECT count(*) FROM covet._token_subject;
SET ROLE regress_covet_admin;
SELECT covet.cache_namespace_set('rights', codec => 'raw'), covet.cache_namespace_drop('rights');
SELECT covet.cache_get('r', 'rights');
SELECT covet.sweep();
SET ROLE "regress_covet All ""quoted""";
SELECT covet.cache_set('r', '1', namespace => 'rights'), covet.token_is_revoked('regress-rights');
SELECT count(*) FROM covet._cache;
SELECT count(*) FROM covet._token;
SELECT covet.sweep();
-- not even with all may he pass it on
SELECT covet.grant_usage('regress_covet_nobody', 'cache');
SELECT covet.revoke_usage('regress_covet_cache', 'cache');
SELECT covet._change_usage('regress_covet_nobody', 'cache', true);
GRANT EXECUTE ON FUNCTION covet.cache_get(text, text) TO regress_covet_nobody;
RESET ROLE;
SELECT has_function_privilege('regress_covet_nobody', 'covet.cache_get(text, text)', 'EXECUTE') AS passed_on;
-- nor may one to whom these two were granted by hand
GRANT EXECUTE ON FUNCTION covet.grant_usage(regrole, text), covet._change_usage(regrole, text, boolean) TO regress_covet_admin;
SET ROLE regress_covet_admin;
SELECT covet.grant_usage('regress_covet_admin', 'all');
RESET ROLE;
REVOKE EXECUTE ON FUNCTION covet.grant_usage(regrole, text), covet._change_usage(regrole, text, boolean) FROM regress_covet_admin;

-- the views are open to pg_monitor
SET ROLE regress_covet_monitor;
SELECT count(*) > 0 AS readable FROM covet.cache_namespaces;
SELECT covet.cache_get('r', 'rights');
SELECT covet.sweep();
SELECT count(*) FROM covet._cache;
RESET ROLE;

-- misuse
SELECT covet.grant_usage('regress_covet_cache', 'caches');
SELECT covet.grant_usage('regress_covet_cache', '');
SELECT covet.grant_usage('regress_covet_cache', 'CACHE');
SELECT covet.grant_usage('regress_covet_cache', NULL);
SELECT covet.grant_usage(NULL, 'cache');
SELECT covet.revoke_usage('regress_covet_cache', 'caches');
SELECT covet.revoke_usage(NULL, 'cache');
SELECT covet.grant_usage('regress_covet_no_such_role', 'cache');

-- revoke_usage takes back one part and leaves the others
SELECT covet.revoke_usage('"regress_covet All ""quoted"""', 'cache');
SELECT part, "all" FROM pg_temp.parts_of('"regress_covet All ""quoted"""');
SELECT covet.revoke_usage('"regress_covet All ""quoted"""', 'all');
SELECT part, "all" FROM pg_temp.parts_of('"regress_covet All ""quoted"""');
SELECT covet.revoke_usage('regress_covet_cache', 'cache'), covet.revoke_usage('regress_covet_cache', 'cache');
SET ROLE regress_covet_cache;
SELECT covet.cache_get('r', 'rights');
RESET ROLE;
SELECT covet.revoke_usage(r::regrole, 'all')
FROM unnest('{regress_covet_nobody,regress_covet_session,regress_covet_token,regress_covet_admin}'::text[]) r;
SELECT covet.cache_clear('rights');
-- nothing is left that would keep them
DROP ROLE regress_covet_nobody, regress_covet_cache, regress_covet_session, regress_covet_token, regress_covet_admin,
	"regress_covet All ""quoted""", regress_covet_monitor;
