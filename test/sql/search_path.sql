-- search_path: what a role puts in front of pg_catalog is never called by covet
\set VERBOSITY terse
CREATE ROLE regress_covet_mallory;
CREATE SCHEMA evil AUTHORIZATION regress_covet_mallory;
SELECT covet.grant_usage('regress_covet_mallory', 'all');

SET ROLE regress_covet_mallory;
-- functions and operators with the names and arguments that covet could use
CREATE FUNCTION evil.called() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
	RAISE EXCEPTION 'evil was called as %', current_user;
END $$;
DO $$
DECLARE
	t text;
	u text;
	op text;
BEGIN
	FOREACH t IN ARRAY '{text,name,bytea,jsonb,bigint,integer,smallint,boolean,oid,interval,timestamptz,uuid,inet,text[],bigint[],name[]}'::text[] LOOP
		EXECUTE format('CREATE FUNCTION evil.two(a %1$s, b %1$s) RETURNS boolean LANGUAGE plpgsql AS
			''BEGIN PERFORM evil.called(); RETURN false; END''', t);
		FOREACH op IN ARRAY '{=,<>,<,<=,>,>=,~,@>,<@,&&,~~}'::text[] LOOP
			EXECUTE format('CREATE OPERATOR evil.%1$s (FUNCTION = evil.two, LEFTARG = %2$s, RIGHTARG = %2$s)', op, t);
		END LOOP;
		EXECUTE format('CREATE FUNCTION evil.same(a %1$s, b %1$s) RETURNS %1$s LANGUAGE plpgsql AS
			''BEGIN PERFORM evil.called(); RETURN a; END''', t);
		FOREACH op IN ARRAY '{+,-,*,/,||,&,|,#}'::text[] LOOP
			EXECUTE format('CREATE OPERATOR evil.%1$s (FUNCTION = evil.same, LEFTARG = %2$s, RIGHTARG = %2$s)', op, t);
		END LOOP;
		FOREACH u IN ARRAY '{upper,lower,length,octet_length,count,min,max,sum,hashtext,hash_any,sha256,md5,unnest,array_agg,cardinality,int8,int4,text,pg_column_size,date_part}'::text[] LOOP
			EXECUTE format('CREATE FUNCTION evil.%1$s(a %2$s) RETURNS %2$s LANGUAGE plpgsql AS
				''BEGIN PERFORM evil.called(); RETURN a; END''', u, t);
		END LOOP;
	END LOOP;
	FOREACH t IN ARRAY '{now,clock_timestamp,statement_timestamp,transaction_timestamp,pg_backend_pid,version}'::text[] LOOP
		EXECUTE format('CREATE FUNCTION evil.%1$s() RETURNS timestamptz LANGUAGE plpgsql AS
			''BEGIN PERFORM evil.called(); RETURN NULL; END''', t);
	END LOOP;
END $$;
CREATE FUNCTION evil.pg_has_role(name, oid, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.called(); RETURN true; END $$;
CREATE FUNCTION evil.jsonb_has(jsonb, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.called(); RETURN true; END $$;
CREATE OPERATOR evil.? (FUNCTION = evil.jsonb_has, LEFTARG = jsonb, RIGHTARG = text);
CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.called(); RETURN ''; END $$;
CREATE FUNCTION evil.current_setting(text, boolean) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.called(); RETURN ''; END $$;
CREATE FUNCTION evil.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.called(); RETURN ''; END $$;
CREATE FUNCTION evil.format(text, VARIADIC text[]) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.called(); RETURN ''; END $$;
CREATE FUNCTION evil._cache_usage() RETURNS TABLE (namespace text, entries bigint, bytes bigint) LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.called(); END $$;
CREATE FUNCTION evil._own_write() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.called(); RETURN false; END $$;
CREATE FUNCTION evil._change_usage(regrole, text, boolean) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.called(); END $$;
-- tables and types
CREATE TABLE evil._cache (version text, expires_at text, namespace text, key text, value text);
CREATE TABLE evil._cache_namespace (namespace text, storage text);
CREATE TABLE evil._session (token_hash text, data text);
CREATE TABLE evil._token (jti text, issuer text);
CREATE TABLE evil._setting (name text, value text);
CREATE TABLE evil.pg_class (oid oid, relname name);
CREATE TABLE evil.pg_proc (oid oid, proname name);
CREATE TYPE evil.timestamptz AS (x int);
CREATE TYPE evil.bytea AS (x int);
CREATE TYPE evil.cache_entry AS (x int);
RESET ROLE;

-- in a fresh session, so that covet's plans are made under this path
\c -
\set VERBOSITY terse
SET ROLE regress_covet_mallory;
CREATE TEMP TABLE _cache (version text, expires_at text, namespace text, key text, value text);
CREATE TEMP TABLE _cache_namespace (namespace text, storage text);
CREATE TEMP TABLE _session (token_hash text);
CREATE TEMP TABLE _token (jti text);
CREATE TEMP TABLE pg_class (oid oid);
CREATE FUNCTION pg_temp.now() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'pg_temp was called'; END $$;
SET search_path = pg_temp, evil, covet, pg_catalog;
-- it is armed
SELECT 1 = 1;
SELECT now();
-- and covet does not notice
SELECT covet.cache_get('k', 'path');
SELECT covet.cache_set('k', 'v', '100 years', 'path', '{t,u}', '1 hour');
SELECT covet.cache_get('k', 'path');
SELECT covet.cache_get_bytea('k', 'path');
SELECT covet.cache_exists('k', 'path');
SELECT covet.cache_get_many('{k,none}', 'path');
SELECT covet.cache_set_many('{a,b,a}', '{1,2,3}', '100 years', 'path', '{t}');
SELECT covet.cache_get_many('{a,b}', 'path');
SELECT covet.cache_add('k', 'v', namespace => 'path');
SELECT covet.cache_add('add', 'v', namespace => 'path');
SELECT covet.cache_replace('add', 'w', namespace => 'path');
SELECT covet.cache_replace('add', 'w', namespace => 'path', if_version => 1);
SELECT covet.cache_incr('n', 5, namespace => 'path');
SELECT covet.cache_incr('n', namespace => 'path');
SELECT covet.cache_touch('k', '100 years', 'path');
SELECT covet.cache_take('add', 'path');
SELECT covet.cache_delete('n', 'path');
SELECT covet.cache_delete_many('{b,none}', 'path');
SELECT covet.cache_set_jsonb('j', '{"a": 1}', namespace => 'path');
SELECT covet.cache_get_jsonb('j', 'path');
SELECT key, kind, raw_size, codec, tags FROM covet.cache_entries('{k}', 'path');
SELECT key FROM covet.cache_scan(namespace => 'path');
SELECT key FROM covet.cache_scan('k', 'a', 5, 'path');
SELECT covet.cache_invalidate_tags('{u,t}', 'path');
SELECT covet.cache_get_many('{k,a,j}', 'path');
SELECT covet.cache_namespace_set('path', 'table', '1 hour', 100000, 'raw', 'regress_covet_mallory');
SELECT covet.cache_set('k', 'v', namespace => 'path');
SELECT covet.cache_get('k', 'path');
SELECT covet.cache_clear('path');
SELECT covet.cache_get('k', 'path');
SELECT covet.cache_namespace_drop('path');
SELECT covet.lock_acquire('path', NULL) AS fence \gset
SELECT covet.lock_extend('path', :fence), covet.lock_release('path', :fence);
SELECT * FROM covet.lock_info('path');
SELECT allowed, remaining FROM covet.rate_limit('path', 2, '1 microsecond');
SELECT covet.session_create('{"a": 1}', 'regress-path-user') AS token \gset
SELECT covet.session_get(:'token');
SELECT user_id, data FROM covet.session_info(:'token', true);
SELECT covet.session_rotate(:'token') AS token \gset
SELECT covet.session_count('regress-path-user');
SELECT data FROM covet.session_list('regress-path-user');
SELECT covet.session_revoke_user('regress-path-user');
SELECT covet.session_get(:'token');
SELECT covet.token_revoke('regress-path', 'infinity');
SELECT covet.token_is_revoked('regress-path');
SELECT covet.token_is_revoked_many('{regress-path,regress-none}');
-- nothing went astray
SELECT count(*) FROM evil._cache;
SELECT count(*) FROM pg_temp._cache;
RESET ROLE;
-- the owner, caught with that path
SET search_path = pg_temp, evil, covet, pg_catalog;
SELECT covet.grant_usage('regress_covet_mallory', 'cache');
SELECT namespace, storage FROM covet.cache_namespaces WHERE namespace OPERATOR(pg_catalog.=) 'path';
SELECT covet.sweep() IS NOT NULL;
SELECT covet.cache_set('k', 'v', namespace => 'path');
SELECT covet.cache_get('k', 'path');
SELECT covet.cache_clear('path');
SELECT covet.session_durability('logged');
SELECT covet.session_durability('unlogged');
SELECT covet.revoke_usage('regress_covet_mallory', 'all');
\c -
\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA evil CASCADE;
DROP ROLE regress_covet_mallory;
