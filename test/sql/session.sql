-- Sessions: create, read, change, touch, end, list.
\set VERBOSITY sqlstate
SELECT covet.session_durability('unlogged');
SELECT covet.session_revoke_all() >= 0 AS ended;
SELECT covet.session_count();

-- A token has 256 random bits in base64url and is stored only as its SHA-256.
SELECT covet.session_create('{"cart": [1, 2]}', 'alice', ip => '192.0.2.7', user_agent => 'Firefox') AS t \gset
SELECT covet.session_create() AS t2 \gset
SELECT :'t' ~ '^[A-Za-z0-9_-]{43}$' AS base64url, :'t' <> :'t2' AS random;
SELECT count(*) FROM covet._session
	WHERE token_hash = sha256(:'t'::bytea) AND user_id = 'alice' AND ended_until IS NULL;
SELECT count(*) FROM covet._session s WHERE s::text LIKE '%' || :'t' || '%';
-- all 43 characters are random, the last one in its four high bits
WITH t AS MATERIALIZED (SELECT covet.session_create() AS token FROM generate_series(1, 400))
	SELECT place, count(DISTINCT substr(token, place, 1)) >= least_different AS varies,
			bool_and(place < 43 OR substr(token, 43, 1) ~ '[AEIMQUYcgkosw048]') AS ends_well
		FROM t, (VALUES (1, 32), (22, 32), (42, 32), (43, 12)) p (place, least_different)
		GROUP BY place, least_different ORDER BY place;
SELECT covet.session_revoke_all() AS all_ended;

SELECT covet.session_create('{"cart": [1, 2]}', 'alice', ip => '192.0.2.7', user_agent => 'Firefox') AS t \gset
SELECT covet.session_get(:'t'), covet.session_get_bytea(:'t') = '\x7b2263617274223a205b312c20325d7d' AS bytes;
SELECT user_id, data, ip, user_agent, last_seen_at >= created_at AS seen,
		expires_at - last_seen_at AS idle
	FROM covet.session_info(:'t');
SELECT pg_typeof(session_id), version > 0 AS has_version FROM covet.session_info(:'t', true);
SELECT count(*) FROM covet.session_info('no such token');
SELECT covet.session_get('no such token'), covet.session_get_bytea('no such token');

-- Defaults, and a session of nobody.
SELECT covet.session_create() AS nobody \gset
SELECT covet.session_get(:'nobody');
SELECT user_id, ip, user_agent FROM covet.session_info(:'nobody');

-- Update: a new version each time, only on the version named, never reviving.
SELECT version AS v1 FROM covet.session_info(:'t') \gset
SELECT covet.session_update(:'t', '{"n": 1}') AS v2 \gset
SELECT :v2 > :v1 AS rises;
SELECT covet.session_update(:'t', '{"n": 2}', :v1) AS old_version;
SELECT covet.session_get(:'t');
SELECT covet.session_update(:'t', '{"n": 2}', :v2) > :v2 AS right_version;
SELECT covet.session_get(:'t');
SELECT covet.session_update('no such token', '{}');

-- Writes are seen by the rest of their statement and transaction, and undone with it.
SELECT covet.session_update(:'t', '{"n": 3}') < covet.session_update(:'t', '{"n": 4}') AS rises, covet.session_get(:'t');
BEGIN;
SELECT covet.session_update(:'t', '{"n": 5}') > 0 AS updated;
SAVEPOINT s;
SELECT covet.session_delete(:'t'), covet.session_get(:'t');
ROLLBACK TO s;
SELECT covet.session_get(:'t');
ROLLBACK;
SELECT covet.session_get(:'t');

-- A value too large for a page, and back.
SELECT covet.session_update(:'t', jsonb_build_object('big', repeat('x', 100000), 'random',
	(SELECT jsonb_agg(md5(i::text)) FROM generate_series(1, 1000) i))) > 0 AS updated;
SELECT length(covet.session_get(:'t') ->> 'big'), jsonb_array_length(covet.session_get(:'t') -> 'random');
SELECT covet.session_update(:'t', '{"n": 4}') > 0 AS updated;
SELECT covet.session_get(:'t');

-- Merge: the examples of RFC 7396, appendix A.
SELECT original, patch, (SELECT covet.session_get(token) FROM (SELECT covet.session_merge(token, patch::jsonb) AS v OFFSET 0) m WHERE v > 0) AS result
	FROM (SELECT original, patch, covet.session_create(original::jsonb) AS token
		FROM (VALUES
			(1, '{"a":"b"}', '{"a":"c"}'),
			(2, '{"a":"b"}', '{"b":"c"}'),
			(3, '{"a":"b"}', '{"a":null}'),
			(4, '{"a":"b","b":"c"}', '{"a":null}'),
			(5, '{"a":["b"]}', '{"a":"c"}'),
			(6, '{"a":"c"}', '{"a":["b"]}'),
			(7, '{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}'),
			(8, '{"a":[{"b":"c"}]}', '{"a":[1]}'),
			(9, '["a","b"]', '["c","d"]'),
			(10, '{"a":"b"}', '["c"]'),
			(11, '{"a":"foo"}', 'null'),
			(12, '{"a":"foo"}', '"bar"'),
			(13, '{"e":null}', '{"a":1}'),
			(14, '[1,2]', '{"a":"b","c":null}'),
			(15, '{}', '{"a":{"bb":{"ccc":null}}}'),
			(16, '{"a":{"x":{"y":1,"z":2}},"k":1}', '{"a":{"x":{"y":null,"w":{"v":null,"u":[null]}}}}')
		) v (n, original, patch) ORDER BY n OFFSET 0) s;
SELECT covet.session_merge(:'t', '{"m": 1}', 0) AS old_version, covet.session_merge('no such token', '{}') AS gone;

-- Many at once, aligned; does not count as seen.
UPDATE covet._session SET seen_at = seen_at - interval '20 minutes' WHERE token_hash = sha256(:'t'::bytea);
SELECT covet.session_get_many(ARRAY[:'t', NULL, 'no such token', :'nobody', '', :'t', repeat('x', 513)]);
SELECT covet.session_get_many('{}'), covet.session_get_many(NULL) IS NULL AS is_null;
SELECT now() - last_seen_at > '19 minutes' AS not_seen FROM covet.session_info(:'t');

-- Seen: kept in memory at once.
SELECT covet.session_get(:'t') -> 'n' AS n;
SELECT now() - last_seen_at < '1 minute' AS seen FROM covet.session_info(:'t');
UPDATE covet._session SET seen_at = seen_at - interval '2 minutes 50 seconds' WHERE token_hash = sha256(:'t'::bytea);
SELECT covet.session_get(:'t') -> 'n' AS n;
SELECT now() - last_seen_at < '1 minute' AS seen FROM covet.session_info(:'t', true);
UPDATE covet._session SET seen_at = seen_at - interval '20 seconds' WHERE token_hash = sha256(:'t'::bytea);
SELECT clock_timestamp() - last_seen_at < '1 minute' AS seen, expires_at - last_seen_at AS idle
	FROM covet.session_info(:'t', true);
SELECT version AS v3 FROM covet.session_info(:'t') \gset
SELECT :v3 = (SELECT version FROM covet.session_info(:'t', true)) AS touch_keeps_version;

-- Touch: a ttl replaces the idle timeout, within the maximum lifetime.
SELECT covet.session_touch(:'t') - now() BETWEEN '29 minutes' AND '31 minutes' AS half_hour;
SELECT covet.session_touch(:'t', '2 hours') - now() BETWEEN '119 minutes' AND '121 minutes' AS two_hours;
SELECT covet.session_touch(:'t') - now() BETWEEN '119 minutes' AND '121 minutes' AS kept;
SELECT covet.session_touch(:'t', '3 days') = created_at + '1 day' AS capped FROM covet.session_info(:'t');
SELECT covet.session_touch(:'t', '100000 years') = created_at + '1 day' AS capped FROM covet.session_info(:'t');
SELECT covet.session_touch('no such token');
SELECT covet.session_touch(:'t', '0') <= clock_timestamp() AS ends_now;
SELECT covet.session_get(:'t'), covet.session_touch(:'t'), covet.session_update(:'t', '{}'), covet.session_delete(:'t');

-- Both ends hold: idle and lifetime.
SELECT covet.session_create(user_id => 'bob', idle_timeout => '10 minutes', max_lifetime => '1 hour') AS idle \gset
SELECT covet.session_create(user_id => 'bob', idle_timeout => '10 hours', max_lifetime => '1 hour') AS life \gset
SELECT expires_at - created_at AS ends_after FROM covet.session_list('bob') ORDER BY 1;
UPDATE covet._session SET seen_at = seen_at - interval '10 minutes' WHERE token_hash = sha256(:'idle'::bytea);
UPDATE covet._session SET created_at = created_at - interval '1 hour', hard_end = hard_end - interval '1 hour' WHERE token_hash = sha256(:'life'::bytea);
SELECT covet.session_get(:'idle'), covet.session_get(:'life'), covet.session_count('bob');
SELECT count(*) FROM covet.session_list('bob');
-- expired is final
SELECT covet.session_touch(:'idle'), covet.session_touch(:'life', '1 day'), covet.session_update(:'idle', '{}'),
	covet.session_merge(:'life', '{}'), covet.session_rotate(:'idle'), covet.session_delete(:'life'),
	covet.session_get_many(ARRAY[:'idle', :'life']);
-- no deadline at all
SELECT covet.session_create(user_id => 'eve', idle_timeout => '100 years', max_lifetime => '200 years') AS forever \gset
SELECT expires_at FROM covet.session_list('eve');
SELECT covet.session_get(:'forever'), covet.session_touch(:'forever');
SELECT covet.session_create(user_id => 'eve', idle_timeout => '1 hour', max_lifetime => '178000000 years') IS NOT NULL AS huge;
-- one that ends at once has a token that does not live
SELECT covet.session_create('{"gone": 1}', idle_timeout => '0') AS zero \gset
SELECT covet.session_create('{"gone": 1}', max_lifetime => '-1 day') AS minus \gset
SELECT length(:'zero'), length(:'minus'), covet.session_get(:'zero'), covet.session_get(:'minus');
SET covet.session_idle_timeout = '5 min';
SET covet.session_max_lifetime = '7 min';
SELECT covet.session_create(user_id => 'set') AS t \gset
SELECT expires_at - created_at AS ends_after FROM covet.session_list('set');
SELECT covet.session_touch(:'t', '1 hour') - created_at AS ends_after FROM covet.session_list('set');
RESET covet.session_idle_timeout;
RESET covet.session_max_lifetime;

-- Delete ends it, once; what was ended keeps no data.
SELECT covet.session_create('{"secret": 1}', 'carol', ip => '::1', user_agent => 'x') AS t \gset
SELECT covet.session_delete(:'t'), covet.session_delete(:'t'), covet.session_get(:'t');
SELECT data, ip, user_agent, ended_until - now() BETWEEN '9 minutes' AND '11 minutes' AS tombstone
	FROM covet._session WHERE token_hash = sha256(:'t'::bytea);
SET covet.session_tombstone = 0;
SELECT covet.session_create() AS t \gset
SELECT covet.session_delete(:'t'), covet.session_delete(:'t');
SELECT count(*) FROM covet._session WHERE token_hash = sha256(:'t'::bytea);
RESET covet.session_tombstone;

-- Lists: newest first, by user when there are many; never the dead.
SELECT covet.session_create('{"n": 1}', 'dora') AS d1 \gset
SELECT covet.session_create('{"n": 2}', 'dora') AS d2 \gset
SELECT covet.session_create('{"n": 3}', 'Dora') AS d3 \gset
SELECT covet.session_create('{"n": 4}', 'dora') AS d4 \gset
SELECT covet.session_save_bytea('dora-bytes', 'bytes', user_id => 'dora');
SELECT covet.session_delete(:'d2');
SELECT covet.session_rotate(:'d1') IS NOT NULL AS rotated;
SELECT user_id, data FROM covet.session_list('dora');
SELECT user_id, data FROM covet.session_list_many(ARRAY['dora', NULL, 'Dora', 'dora', 'none', '', repeat('x', 513)]);
SELECT count(*) FROM covet.session_list_many(NULL);
SELECT count(*) FROM covet.session_list_many('{}');
SELECT covet.session_count('dora'), covet.session_count('Dora'), covet.session_count('none');
SELECT covet.session_count() = (SELECT count(*) FROM covet._session
	WHERE ended_until IS NULL AND hard_end > now()
		AND (saved OR idle = 9223372036854775807 OR seen_at + idle * interval '1 microsecond' > now())) AS counts_all;

-- Revoke by handle, only when it is that user's.
SELECT session_id AS id FROM covet.session_info(:'d4') \gset
SELECT covet.session_revoke(:'id', 'Dora'), covet.session_get(:'d4');
SELECT covet.session_revoke(:'id', 'dora'), covet.session_get(:'d4'), covet.session_revoke(:'id');
SELECT session_id AS id FROM covet.session_info(:'d3') \gset
SELECT covet.session_revoke(:'id'), covet.session_revoke(:'id'), covet.session_revoke('00000000-0000-0000-0000-000000000000');

-- Revoke a user's, all but one.
SELECT covet.session_create('{"n": 1}', 'fred') AS f1 \gset
SELECT covet.session_create('{"n": 2}', 'fred') AS f2 \gset
SELECT covet.session_create('{"n": 3}', 'fred') AS f3 \gset
SELECT covet.session_create('{"n": 4}', 'greg') AS g \gset
SELECT covet.session_revoke_user('fred', :'f2'), covet.session_get_many(ARRAY[:'f1', :'f2', :'f3', :'g']);
SELECT covet.session_revoke_user('fred', :'f2');
SELECT covet.session_revoke_user('fred', :'g'), covet.session_get_many(ARRAY[:'f2', :'g']);
SELECT covet.session_revoke_user('nobody'), covet.session_revoke_user('greg'), covet.session_get(:'g');

-- Moving to the logged table and back loses nothing, tombstones included.
SELECT covet.session_create('{"n": 1}', 'mover') AS m \gset
SELECT covet.session_save('moved-and-ended', '{}'), covet.session_delete('moved-and-ended');
SELECT covet.session_count() AS before \gset
SELECT covet.session_durability('logged');
SELECT covet.session_count() = :before AS same, covet.session_get(:'m'), covet.session_save('moved-and-ended', '{}');
SELECT count(*) FROM covet._session;
SELECT covet.session_create('{"n": 2}', 'mover') IS NOT NULL AS created, covet.session_update(:'m', '{"n": 3}') > 0 AS updated;
SELECT data FROM covet.session_list('mover');
BEGIN;
SELECT covet.session_durability('unlogged');
SELECT covet.session_get(:'m'), covet.session_delete(:'m');
ROLLBACK;
SELECT covet.session_get(:'m'), (SELECT count(*) FROM covet._session) AS unlogged;
BEGIN;
SAVEPOINT s;
SELECT covet.session_durability('unlogged');
SELECT covet.session_get(:'m');
ROLLBACK TO s;
SELECT covet.session_get(:'m');
COMMIT;
SELECT covet.session_durability('logged');
SELECT value FROM covet._setting WHERE name = 'session_durability';
SELECT covet.session_durability('unlogged');
SELECT covet.session_get(:'m'), (SELECT count(*) FROM covet._session_logged) AS logged;

-- All at once.
SELECT covet.session_count() AS before \gset
SELECT covet.session_revoke_all() = :before AS all_ended, covet.session_count(), covet.session_get(:'m');
SELECT covet.session_revoke_all();
