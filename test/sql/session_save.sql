-- Sessions under ids that a framework makes.
\set VERBOSITY sqlstate
SELECT covet.session_save('save-1', '{"n": 1}', '1 hour', 'ann', ip => '192.0.2.1', user_agent => 'one');
SELECT user_id, data, expires_at - created_at AS life, ip, user_agent FROM covet.session_info('save-1');
SELECT session_id AS id, created_at AS created, version AS v FROM covet.session_info('save-1') \gset

-- What is NULL keeps the former; session_id and created_at stay, the version rises.
SELECT covet.session_save('save-1', '{"n": 2}', '2 hours');
SELECT user_id, data, ip, user_agent, session_id = :'id' AND created_at = :'created' AND version > :v AS same,
	expires_at - last_seen_at AS life FROM covet.session_info('save-1');
SELECT covet.session_save('save-1', '{"n": 3}', NULL, 'bob', 'set', '192.0.2.2', 'two');
SELECT user_id, data, ip, user_agent, session_id = :'id' AS same, expires_at - last_seen_at AS idle_timeout FROM covet.session_info('save-1');
SELECT covet.session_count('ann'), covet.session_count('bob');

-- Modes.
SELECT covet.session_save('save-1', '{"n": 4}', mode => 'add') AS add, covet.session_save('save-2', '{}', mode => 'replace') AS replace;
SELECT covet.session_get('save-1'), covet.session_get('save-2');
SELECT covet.session_save('save-2', '{"n": 1}', mode => 'add') AS add, covet.session_save('save-1', '{"n": 4}', mode => 'replace') AS replace;
SELECT covet.session_get('save-1'), covet.session_get('save-2');

-- The deadline is what was saved: reads do not move it, the lifetime does not cap it.
SELECT covet.session_save('save-3', '{}', '30 days'), covet.session_save('save-4', '{}', '200 years');
SELECT expires_at - created_at AS life FROM covet.session_info('save-3');
SELECT expires_at FROM covet.session_info('save-4');
UPDATE covet._session SET seen_at = seen_at - interval '20 days', hard_end = hard_end - interval '20 days', created_at = created_at - interval '20 days'
	WHERE token_hash = sha256('save-3');
SELECT expires_at - created_at AS life, now() - last_seen_at > '19 days' AS unseen FROM covet.session_info('save-3');
SELECT covet.session_get('save-3');
SELECT expires_at - created_at AS life, now() - last_seen_at < '1 minute' AS seen FROM covet.session_info('save-3');
SELECT covet.session_update('save-3', '{"n": 2}') > 0 AS updated;
SELECT expires_at - created_at AS life FROM covet.session_info('save-3');
-- touch moves it by what was saved, or by another time
SELECT covet.session_touch('save-3') - now() BETWEEN '29 days 23 hours' AND '30 days 1 hour' AS saved_ttl;
SELECT covet.session_touch('save-3', '2 days') - now() BETWEEN '47 hours' AND '49 hours' AS other_ttl;
SELECT covet.session_touch('save-3') - now() BETWEEN '47 hours' AND '49 hours' AS kept;
SELECT covet.session_touch('save-3', '0') <= clock_timestamp() AS ended, covet.session_get('save-3');

-- A session of ours becomes a saved one.
SELECT covet.session_create('{"n": 1}', 'cat', max_lifetime => '1 hour') AS t \gset
SELECT covet.session_save(:'t', '{"n": 2}', '3 days');
SELECT user_id, data, expires_at - last_seen_at AS life FROM covet.session_info(:'t');

-- Expired: a new session, nothing is kept.
SELECT covet.session_save('save-5', '{"n": 1}', '1 hour', 'dan', ip => '192.0.2.5', user_agent => 'five');
SELECT session_id AS id FROM covet.session_info('save-5') \gset
UPDATE covet._session SET hard_end = now() - interval '1 second' WHERE token_hash = sha256('save-5');
SELECT covet.session_get('save-5'), covet.session_save('save-5', '{}', mode => 'replace') AS replace;
SELECT covet.session_save('save-5', '{"n": 2}', mode => 'add');
SELECT user_id, data, ip, user_agent, session_id <> :'id' AS another FROM covet.session_info('save-5');

-- A time of zero or less ends what was there and keeps nothing; the answer is the usual one.
SELECT covet.session_save('save-5', '{"n": 3}', '0'), covet.session_get('save-5');
SELECT covet.session_save('save-5', '{"n": 3}', '0', mode => 'replace') AS replace, covet.session_save('save-5', '{"n": 3}', '-1 s', mode => 'add') AS add;
SELECT covet.session_get('save-5'), covet.session_save('save-5', '{"n": 4}'), covet.session_get('save-5');
SELECT covet.session_save('save-5', '{"n": 5}', '-100000 years', mode => 'replace'), covet.session_get('save-5');

-- Ended ids do not come back: by delete, revoke, rotate, login, limit.
SELECT covet.session_save('save-a', '{}'), covet.session_save('save-b', '{}', user_id => 'eve'), covet.session_save('save-c', '{}'),
	covet.session_save('save-d', '{}'), covet.session_save('save-e', '{}', user_id => 'fay'), covet.session_save('save-f', '{}', user_id => 'gil');
SELECT covet.session_delete('save-a'), covet.session_revoke_user('eve'), covet.session_rotate('save-c', '0') IS NOT NULL AS rotated,
	covet.session_login('save-d', 'hal') IS NOT NULL AS login, (SELECT covet.session_revoke(session_id) FROM covet.session_info('save-f')) AS revoked;
SET covet.session_max_per_user = 1;
SELECT covet.session_create(user_id => 'fay') IS NOT NULL AS made;
RESET covet.session_max_per_user;
SELECT id, mode, covet.session_save(id, '{}', mode => mode) AS saved, covet.session_save_bytea(id, '', mode => mode) AS saved_bytea
	FROM unnest('{save-a,save-b,save-c,save-d,save-e,save-f}'::text[]) id, unnest('{set,add,replace}'::text[]) WITH ORDINALITY m (mode, n)
	ORDER BY id, n;
-- until their time is over
UPDATE covet._session SET ended_until = now() - interval '1 second' WHERE token_hash = sha256('save-a');
SELECT covet.session_save('save-a', '{"back": 1}'), covet.session_get('save-a');
-- without tombstones they come back at once
SET covet.session_tombstone = 0;
SELECT covet.session_delete('save-a'), covet.session_save('save-a', '{"back": 2}'), covet.session_get('save-a');
SELECT covet.session_rotate('save-a', '0', 'save-g'), covet.session_save('save-a', '{"back": 3}'), covet.session_get('save-g'), covet.session_get('save-a');
RESET covet.session_tombstone;

-- An expired one that was rotated: its former id stays away though the row is replaced.
SELECT covet.session_save('save-h', '{}', '1 hour'), covet.session_rotate('save-h', '0', 'save-i');
UPDATE covet._session SET hard_end = now() - interval '1 second' WHERE token_hash = sha256('save-i');
SELECT covet.session_save('save-i', '{"n": 1}'), covet.session_save('save-h', '{}');

-- Bytes and jsonb.
SELECT covet.session_save_bytea('save-j', '\x00ff01', '1 hour', 'ida');
SELECT covet.session_get_bytea('save-j'), covet.session_get_many('{save-j}');
SELECT data FROM covet.session_info('save-j');
SELECT covet.session_get('save-j');
SELECT covet.session_save_bytea('save-j', '{"n": 1'), covet.session_get_bytea('save-j');
SELECT covet.session_get('save-j');
SELECT covet.session_merge('save-j', '{"m": 1}');
SELECT covet.session_save_bytea('save-j', convert_to('{"n": "\u0000"}', 'UTF8'));
SELECT covet.session_get('save-j');
SELECT covet.session_save_bytea('save-j', '{"n": 1}'), covet.session_get('save-j'), covet.session_merge('save-j', '{"m": 2}') > 0 AS merged, covet.session_get('save-j');
SELECT data FROM covet.session_info('save-j');
SELECT covet.session_save_bytea('save-j', ''), covet.session_get_bytea('save-j'), covet.session_update('save-j', '[1]') > 0 AS updated, covet.session_get('save-j');
SELECT covet.session_save_bytea('save-j', convert_to(repeat('zeile ', 10000), 'UTF8')), length(covet.session_get_bytea('save-j'));
-- an id of ours works as a token everywhere
SELECT covet.session_rotate('save-j', '0', 'save-k'), covet.session_delete('save-k');
SELECT covet.session_revoke_all() > 0 AS ended;
