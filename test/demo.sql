-- What `make demo` does in its database, step by step. Each step is one
-- statement that prints what it did, how many and how long; each check stops
-- the script when it does not hold.
--
-- From the environment: DEMO_URI, DEMO_USER, DEMO_PASSWORD (the MongoDB server),
-- DEMO_DATABASE (the MongoDB database), DEMO_KEEP.

\set ON_ERROR_STOP on
\pset tuples_only on
\pset format unaligned
\getenv uri DEMO_URI
\getenv mongo_user DEMO_USER
\getenv mongo_password DEMO_PASSWORD
\getenv db DEMO_DATABASE
\getenv keep DEMO_KEEP
SET client_min_messages = warning;

CREATE EXTENSION covet;

CREATE SCHEMA demo;
CREATE SEQUENCE demo.checks;

-- One line of the report: the time is that of the statement it stands in.
CREATE FUNCTION demo.line(what text, n numeric) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	RETURN format('   %s %s  %s ms', rpad(what, 66), lpad(to_char(n, 'FM999,999,999'), 8),
				  lpad(to_char(1000 * extract(epoch FROM clock_timestamp() - statement_timestamp()),
							   'FM99,999,990.0'), 9));
END $$;

CREATE FUNCTION demo.check(what text, holds boolean) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	IF holds IS NOT TRUE THEN
		RAISE EXCEPTION 'this check does not hold: %', what;
	END IF;
	PERFORM nextval('demo.checks');
	RETURN '   ok: ' || what;
END $$;

-- ====================================================================
\echo
\echo '1. The data: the JSON lists of the package iso-codes'

CREATE TABLE demo.doc (list text, n int, key text, doc json, PRIMARY KEY (list, key));

WITH list (list) AS (
	VALUES ('3166-1'), ('3166-2'), ('3166-3'), ('639-2'), ('639-3'), ('639-5'), ('4217'), ('15924')
), loaded AS (
	INSERT INTO demo.doc
	SELECT list, n, coalesce(doc->>'code', doc->>'alpha_4', doc->>'alpha_3'), doc
	FROM list,
		json_array_elements(pg_read_file('/usr/share/iso-codes/json/iso_' || list || '.json')::json -> list)
			WITH ORDINALITY AS e (doc, n)
	RETURNING list
)
SELECT demo.line(format('documents read from %s lists', count(DISTINCT list)), count(*)) FROM loaded;
SELECT demo.check('there are more than 10,000', count(*) > 10000) FROM demo.doc;

-- ====================================================================
\echo
\echo '2. Into MongoDB: covet.mongo_insert_many, 1,000 documents a call'

CREATE SERVER mongo FOREIGN DATA WRAPPER covet_mongo OPTIONS (uri :'uri');
SELECT format('CREATE USER MAPPING FOR CURRENT_USER SERVER mongo%s',
			  CASE WHEN :'mongo_user' <> '' THEN
				format(' OPTIONS (username %L, password %L)', :'mongo_user', :'mongo_password') END) \gexec

SELECT demo.line('ping', 1) FROM covet.mongo_ping('mongo');
SELECT count(covet.mongo_drop_collection('mongo', :'db', list)) AS dropped
FROM (SELECT DISTINCT list FROM demo.doc) l \gset

SELECT format($$SELECT demo.line(%L, sum(covet.mongo_insert_many('mongo', %L, %L, docs)))
	FROM (SELECT array_agg(doc ORDER BY n) AS docs FROM demo.doc WHERE list = %L GROUP BY (n - 1) / 1000) b$$,
	'ISO ' || list || ' inserted', :'db', list, list)
FROM demo.doc GROUP BY list ORDER BY list \gexec

-- ====================================================================
\echo
\echo '3. Back from MongoDB: covet.mongo_find, streamed'

CREATE TABLE demo.found (list text, doc jsonb);

SELECT format($$WITH came AS (
		INSERT INTO demo.found SELECT %L, d FROM covet.mongo_find('mongo', %L, %L) d RETURNING 1)
	SELECT demo.line(%L, count(*)) FROM came$$, list, :'db', list, 'ISO ' || list || ' found')
FROM demo.doc GROUP BY list ORDER BY list \gexec

SELECT demo.check(format('%s documents went in and came back', to_char((SELECT count(*) FROM demo.doc), 'FM999,999')),
				  count(*) = (SELECT count(*) FROM demo.doc)) FROM demo.found;
SELECT demo.check('their content is the same, each with an _id of its own',
				  (SELECT count(*) FROM
					(SELECT list, doc::jsonb FROM demo.doc
					 EXCEPT ALL SELECT list, doc - '_id' FROM demo.found) x) = 0
				  AND (SELECT count(DISTINCT doc -> '_id') = count(*) FROM demo.found));
SELECT demo.check('a filter is MongoDB''s: {"alpha_2": "DE"} finds Germany',
				  jsonb_agg(d ->> 'name') = '["Germany"]')
FROM covet.mongo_find('mongo', :'db', '3166-1', '{"alpha_2": "DE"}') d;

-- ====================================================================
\echo
\echo '4. Into the cache: covet.cache_set_many_jsonb, 1,000 entries a call'

SELECT covet.cache_namespace_set('iso', default_ttl => '1 hour') AS done \gset

SELECT format($$SELECT demo.line(%L, sum(covet.cache_set_many_jsonb(keys, vals, namespace => 'iso', tags => ARRAY[%L])))
	FROM (SELECT array_agg(list || ':' || key ORDER BY n) AS keys, array_agg(doc::jsonb ORDER BY n) AS vals
		  FROM demo.doc WHERE list = %L GROUP BY (n - 1) / 1000) b$$, 'ISO ' || list || ' cached', list, list)
FROM demo.doc GROUP BY list ORDER BY list \gexec

CREATE TABLE demo.cached (key text, doc jsonb);

WITH batch AS (
	SELECT array_agg(list || ':' || key ORDER BY list, n) AS keys
	FROM (SELECT *, row_number() OVER (ORDER BY list, n) AS r FROM demo.doc) d GROUP BY r / 1000
), answer AS (
	SELECT keys, covet.cache_get_many_jsonb(keys, 'iso') AS vals FROM batch
), stored AS (
	INSERT INTO demo.cached SELECT k, v FROM answer, unnest(keys, vals) u (k, v) RETURNING doc
)
SELECT demo.line('read back (covet.cache_get_many_jsonb)', count(doc)) FROM stored;

SELECT demo.check('every entry is there and identical to its document',
				  count(*) = (SELECT count(*) FROM demo.doc) AND bool_and(c.doc = d.doc::jsonb))
FROM demo.cached c JOIN demo.doc d ON c.key = d.list || ':' || d.key;

SELECT demo.line('read one by one (covet.cache_get_jsonb)',
				 count(covet.cache_get_jsonb(list || ':' || key, 'iso')))
FROM demo.doc WHERE list = '3166-1';

BEGIN;
SELECT covet.cache_delete('3166-1:FRA', 'iso') AS deleted,
	   covet.cache_get('3166-1:FRA', 'iso') IS NULL AS gone \gset
ROLLBACK;
SELECT demo.check('a delete is seen at once by its writer and undone by ROLLBACK',
				  :'deleted' AND :'gone' AND covet.cache_get_jsonb('3166-1:FRA', 'iso') ->> 'name' = 'France');

SELECT demo.line('tag invalidated (covet.cache_invalidate_tags)', 1)
FROM covet.cache_invalidate_tags(ARRAY['4217'], 'iso');
SELECT demo.check('the currencies are gone, the countries are not',
				  bool_and(covet.cache_exists(list || ':' || key, 'iso') = (list <> '4217')))
FROM demo.doc WHERE list IN ('4217', '3166-1');

-- ====================================================================
\echo
\echo '5. Expiry: entries with a time to live of one minute'

SELECT demo.line('dead entries swept before (covet.sweep)', covet.sweep());

SELECT demo.line('entries set with a ttl of 1 minute', covet.cache_set_many(array_agg('n' || i), array_agg(md5(i::text)),
																	ttl => '1 minute', namespace => 'brief'))
FROM generate_series(1, 2000) i;
SELECT demo.line('swept by a clock two minutes ahead', covet.sweep(now() + interval '2 minutes'));
SELECT demo.check('none of the 2,000 is left, and the countries are untouched',
				  (SELECT num_nulls(VARIADIC covet.cache_get_many(array_agg('n' || i), 'brief')) = 2000
				   FROM generate_series(1, 2000) i)
				  AND (SELECT count(covet.cache_get(list || ':' || key, 'iso')) = count(*)
					   FROM demo.doc WHERE list = '3166-1'));

-- ====================================================================
\echo
\echo '6. Sessions: 200 users with 5 devices each'

CREATE TABLE demo.visit (who text, device int, data jsonb, token text);

WITH made AS (
	INSERT INTO demo.visit
	SELECT who, device, data, covet.session_create(data, who, ip => '192.0.2.1', user_agent => 'device ' || device)
	FROM (SELECT 'user' || u AS who, device, jsonb_build_object('cart', jsonb_build_array(u, device)) AS data
		  FROM generate_series(1, 200) u, generate_series(1, 5) device ORDER BY u, device) v
	RETURNING token
)
SELECT demo.line('sessions created (covet.session_create)', count(token)) FROM made;

SELECT demo.line('sessions used (covet.session_get)', count(covet.session_get(token))) FROM demo.visit;
SELECT demo.check('covet.session_get_many gives each its data',
				  covet.session_get_many(array_agg(token ORDER BY who, device)) = array_agg(data ORDER BY who, device))
FROM demo.visit;

SELECT demo.line('sessions updated (covet.session_merge)',
				 count(covet.session_merge(token, jsonb_build_object('country', covet.cache_get_jsonb('3166-1:DEU', 'iso')))))
FROM demo.visit;
SELECT demo.check('the merge kept the cart and added the country from the cache',
				  bool_and(covet.session_get(token) -> 'cart' = data -> 'cart'
						   AND covet.session_get(token) #>> '{country,name}' = 'Germany'))
FROM demo.visit WHERE device = 1;

SELECT token, (covet.session_info(token)).version AS version FROM demo.visit WHERE who = 'user1' AND device = 1 \gset
SELECT covet.session_update(:'token', '{"step": 2}', :version) AS second,
	   covet.session_update(:'token', '{"step": 3}', :version) IS NULL AS refused \gset
SELECT demo.check('of two updates of one version the second is refused',
				  :second > :version AND :'refused' AND covet.session_get(:'token') = '{"step": 2}');

WITH rotated AS (
	SELECT who, device, token AS old, covet.session_rotate(token, grace => '0') AS new
	FROM demo.visit WHERE device = 2
), kept AS (
	UPDATE demo.visit v SET token = new FROM rotated r WHERE v.token = r.old RETURNING r.old
)
SELECT demo.line('sessions rotated (covet.session_rotate)', count(*)) AS line, array_agg(old) AS old FROM kept \gset
\echo :line
SELECT demo.check('the new tokens hold the sessions, the old ones are dead',
				  (SELECT count(covet.session_get(token)) = 200 FROM demo.visit WHERE device = 2)
				  AND num_nulls(VARIADIC covet.session_get_many(:'old')) = 200);

SELECT covet.session_create('{"basket": ["book"]}') AS anonymous \gset
SELECT covet.session_login(:'anonymous', 'user1') AS token \gset
SELECT demo.check('login (covet.session_login) gives a new token, takes the data along, ends the old token',
				  covet.session_get(:'token') = '{"basket": ["book"]}' AND covet.session_get(:'anonymous') IS NULL
				  AND (SELECT user_id = 'user1' FROM covet.session_info(:'token')));
SELECT covet.session_delete(:'token') AS deleted \gset

SELECT demo.line('sessions of one user listed (covet.session_list)', count(*)) FROM covet.session_list('user7');
SELECT demo.check('five devices, the newest first',
				  array_agg(user_agent ORDER BY o) = ARRAY(SELECT 'device ' || d FROM generate_series(5, 1, -1) d))
FROM covet.session_list('user7') WITH ORDINALITY
	AS s (session_id, user_id, data, version, created_at, last_seen_at, expires_at, ip, user_agent, o);

SELECT demo.line('session revoked by its public id (covet.session_revoke)',
				 count(*) FILTER (WHERE covet.session_revoke(session_id, 'user7')))
FROM covet.session_list('user7') WHERE user_agent = 'device 3';
SELECT token AS mine FROM demo.visit WHERE who = 'user7' AND device = 1 \gset
SELECT demo.line('other sessions of the user revoked (covet.session_revoke_user)',
				 covet.session_revoke_user('user7', keep_token => :'mine'));
SELECT demo.check('one session of that user is left, all of another''s',
				  covet.session_count('user7') = 1 AND covet.session_get(:'mine') IS NOT NULL
				  AND covet.session_count('user8') = 5);
SELECT demo.check('a revoked session does not come back by an update',
				  bool_and(covet.session_update(token, '{}') IS NULL AND covet.session_get(token) IS NULL))
FROM demo.visit WHERE who = 'user7' AND device > 1;

-- ====================================================================
\echo
\echo '7. Revoked tokens'

SELECT demo.line('tokens revoked in one call (covet.token_revoke_many)',
				 covet.token_revoke_many(array_agg('jti' || i), array_agg(now() + interval '1 hour'), 'https://id.example'))
FROM generate_series(1, 5000) i;
SELECT demo.line('token revoked again: not newly (covet.token_revoke)',
				 covet.token_revoke('jti1', now() + interval '1 hour', 'https://id.example')::int);
WITH asked AS (
	SELECT array_agg('jti' || i ORDER BY i) AS jtis, array_agg(i <= 5000 ORDER BY i) AS expected
	FROM generate_series(1, 10000) i
), answer AS (
	SELECT covet.token_is_revoked_many(jtis, 'https://id.example') AS revoked, expected FROM asked
)
SELECT demo.line('tokens asked for (covet.token_is_revoked_many)', cardinality(revoked)) AS line,
	   revoked = expected AS right_answer FROM answer \gset
\echo :line
SELECT demo.check('the 5,000 are revoked, 5,000 others are not', :'right_answer');
SELECT demo.check('not for another issuer', NOT covet.token_is_revoked('jti1', 'https://other.example'));
SELECT covet.token_revoke_subject('alice', now() + interval '1 hour', issuer => 'https://id.example') AS done \gset
SELECT demo.check('all of a subject''s tokens up to now (covet.token_revoke_subject), none issued later',
				  covet.token_is_revoked(NULL, 'https://id.example', 'alice', now() - interval '1 minute')
				  AND NOT covet.token_is_revoked(NULL, 'https://id.example', 'alice', now() + interval '1 minute'));

-- ====================================================================
\if :keep
\else
	SELECT count(covet.mongo_drop_collection('mongo', :'db', list)) AS dropped
	FROM (SELECT DISTINCT list FROM demo.doc) l \gset
\endif
\echo
SELECT format('All %s checks held.', last_value) FROM demo.checks;
