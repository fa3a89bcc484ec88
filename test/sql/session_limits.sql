-- The limit of sessions per user, and session_login.
\set VERBOSITY sqlstate
SELECT covet.session_revoke_all() >= 0 AS ended;
CREATE TEMP TABLE tok (name text PRIMARY KEY, token text);
CREATE FUNCTION pg_temp.token(text) RETURNS text LANGUAGE sql AS 'SELECT token FROM tok WHERE name = $1';
CREATE FUNCTION pg_temp.make(name text, user_id text) RETURNS boolean LANGUAGE sql AS
	'INSERT INTO tok VALUES (name, covet.session_create(jsonb_build_object(''name'', name), user_id)) RETURNING token IS NOT NULL';
CREATE FUNCTION pg_temp.names(user_id text) RETURNS text LANGUAGE sql AS
	'SELECT string_agg(data ->> ''name'', '' '' ORDER BY created_at) FROM covet.session_list(user_id)';

-- oldest: the one created first ends
SET covet.session_max_per_user = 2;
SELECT pg_temp.make('a', 'ann'), pg_temp.make('b', 'ann'), pg_temp.make('x', 'xan');
SELECT pg_temp.names('ann');
-- being seen does not make it younger
SELECT covet.session_touch(pg_temp.token('a')) IS NOT NULL AS touched;
SELECT pg_temp.make('c', 'ann');
SELECT pg_temp.names('ann'), pg_temp.names('xan');
SELECT covet.session_get(pg_temp.token('a'));
SELECT count(*) FROM covet._session WHERE user_id = 'ann' AND ended_until > now();
-- a lowered limit takes effect with the next one
SET covet.session_max_per_user = 1;
SELECT pg_temp.names('ann');
SELECT pg_temp.make('d', 'ann');
SELECT pg_temp.names('ann');
-- one that does not live ends nobody
SELECT covet.session_create(user_id => 'ann', idle_timeout => '0') IS NOT NULL AS token, pg_temp.names('ann');
-- sessions of nobody have no limit
SELECT covet.session_create() IS NOT NULL AND covet.session_create() IS NOT NULL AS made;

-- reject: nothing changes
SET covet.session_limit_policy = 'reject';
SELECT pg_temp.make('e', 'ann'), pg_temp.names('ann');
SELECT covet.session_create(user_id => 'ann', idle_timeout => '0') IS NULL AS refused;
-- the expired and the ended do not count
UPDATE covet._session SET hard_end = now() - interval '1 second' WHERE token_hash = sha256(pg_temp.token('d')::bytea);
SELECT pg_temp.make('f', 'ann'), pg_temp.names('ann');
SELECT covet.session_delete(pg_temp.token('f'));
SELECT pg_temp.make('g', 'ann'), pg_temp.names('ann');
-- rotation does not make one more
SELECT covet.session_rotate(pg_temp.token('g')) IS NOT NULL AS rotated, pg_temp.names('ann');

-- save counts too, but not the user's own session
SELECT covet.session_save('saved-1', '{"name": "s1"}', user_id => 'ann') AS over;
SELECT covet.session_save('saved-2', '{"name": "s2"}', user_id => 'sue'), covet.session_save('saved-3', '{"name": "s3"}', user_id => 'sue') AS over;
SELECT covet.session_save('saved-2', '{"name": "s2b"}', user_id => 'sue'), covet.session_save('saved-2', '{"name": "s2c"}');
SELECT covet.session_save('saved-4', '{"name": "s4"}'), covet.session_save('saved-4', '{"name": "s4b"}', user_id => 'sue') AS over;
SELECT covet.session_get('saved-4'), covet.session_get('saved-3');
SET covet.session_limit_policy = 'oldest';
SELECT covet.session_save('saved-4', '{"name": "s4c"}', user_id => 'sue'), pg_temp.names('sue');

-- login: the old session does not count when it is that user's
SET covet.session_limit_policy = 'reject';
INSERT INTO tok VALUES ('l1', covet.session_create('{"name": "l1"}', 'lea'));
INSERT INTO tok VALUES ('l2', covet.session_login(pg_temp.token('l1'), 'lea'));
SELECT covet.session_get(pg_temp.token('l1')), covet.session_get(pg_temp.token('l2')), covet.session_count('lea');
SELECT covet.session_login(NULL, 'lea'), covet.session_login('no such token', 'lea');
INSERT INTO tok VALUES ('anon', covet.session_create('{"name": "anon"}'));
-- refused: nothing changed
SELECT covet.session_login(pg_temp.token('anon'), 'lea'), covet.session_get(pg_temp.token('anon'));
SET covet.session_limit_policy = 'oldest';
INSERT INTO tok VALUES ('l3', covet.session_login(pg_temp.token('anon'), 'lea'));
SELECT covet.session_get(pg_temp.token('l2')), covet.session_get(pg_temp.token('anon')), covet.session_get(pg_temp.token('l3')), covet.session_count('lea');
SET covet.session_max_per_user = 2;
INSERT INTO tok VALUES ('l4', covet.session_create('{"name": "l4"}', 'lea'));
-- the old one, though the oldest, makes the room; the other stays
INSERT INTO tok VALUES ('l5', covet.session_login(pg_temp.token('l3'), 'lea', '{"name": "l5"}'));
SELECT pg_temp.names('lea');
RESET covet.session_max_per_user;
RESET covet.session_limit_policy;

-- login: what goes over
INSERT INTO tok VALUES ('m1', covet.session_create('{"name": "m1", "cart": [1]}', ip => '192.0.2.1', user_agent => 'one'));
INSERT INTO tok VALUES ('m2', covet.session_login(pg_temp.token('m1'), 'max', ip => '192.0.2.2'));
SELECT user_id, data, ip, user_agent, expires_at - created_at AS idle FROM covet.session_info(pg_temp.token('m2'));
SELECT covet.session_get(pg_temp.token('m1')), covet.session_update(pg_temp.token('m1'), '{}'), covet.session_save(pg_temp.token('m1'), '{}');
INSERT INTO tok VALUES ('m3', covet.session_login(pg_temp.token('m2'), 'max', '{"fresh": 1}', '1 hour', '30 minutes', user_agent => 'three'));
SELECT user_id, data, ip, user_agent, expires_at - created_at AS life FROM covet.session_info(pg_temp.token('m3'));
SELECT covet.session_count('max');
-- privilege goes up: another user
INSERT INTO tok VALUES ('m4', covet.session_login(pg_temp.token('m3'), 'root'));
SELECT covet.session_count('max'), covet.session_count('root'), covet.session_get(pg_temp.token('m4'));
-- without an old one
INSERT INTO tok VALUES ('n1', covet.session_login(NULL, 'ned')), ('n2', covet.session_login('', 'ned')), ('n3', covet.session_login(repeat('x', 513), 'ned', '{"n": 3}'));
SELECT data FROM covet.session_list('ned');
-- bytes go over as bytes
SELECT covet.session_save_bytea('by', 'bytes');
INSERT INTO tok VALUES ('by', covet.session_login('by', 'bea'));
SELECT convert_from(covet.session_get_bytea(pg_temp.token('by')), 'UTF8'), covet.session_get_bytea('by');
-- a rotated token in its grace logs nobody in, and nothing changes
INSERT INTO tok VALUES ('g1', covet.session_create('{"name": "g"}', 'gus'));
INSERT INTO tok VALUES ('g2', covet.session_rotate(pg_temp.token('g1'), '1 hour'));
SELECT covet.session_login(pg_temp.token('g1'), 'gus'), covet.session_count('gus'), covet.session_get(pg_temp.token('g1'));
-- both tokens die with the session
INSERT INTO tok VALUES ('g3', covet.session_login(pg_temp.token('g2'), 'gus'));
SELECT covet.session_get(pg_temp.token('g1')), covet.session_get(pg_temp.token('g2')), covet.session_get(pg_temp.token('g3'));
-- once the grace is over it just creates
INSERT INTO tok VALUES ('h1', covet.session_create('{"name": "h"}', 'hal'));
INSERT INTO tok VALUES ('h2', covet.session_rotate(pg_temp.token('h1'), '0'));
SELECT covet.session_login(pg_temp.token('h1'), 'hal') IS NOT NULL AS made, covet.session_count('hal');
-- a new one that ends at once still ends the old
INSERT INTO tok VALUES ('i1', covet.session_create('{"name": "i"}', 'ian'));
SELECT covet.session_login(pg_temp.token('i1'), 'ian', idle_timeout => '0') IS NOT NULL AS token, covet.session_count('ian');
SELECT covet.session_revoke_all() > 0 AS ended;
