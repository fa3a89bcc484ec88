-- cache_namespace: settings, owners and codecs of namespaces
\set VERBOSITY sqlstate
CREATE ROLE regress_covet_alice;
CREATE ROLE regress_covet_bob;
CREATE ROLE regress_covet_child IN ROLE regress_covet_alice;
SELECT covet.grant_usage(r::regrole, 'cache')
FROM unnest('{regress_covet_alice,regress_covet_bob,regress_covet_child}'::text[]) r;
SELECT covet.grant_usage('regress_covet_bob', 'admin');

-- a call sets the whole row
SELECT covet.cache_namespace_set('ns', 'table', '2 hours', 1000000, 'raw', 'regress_covet_alice');
SELECT namespace, storage, default_ttl, max_bytes, codec, owner, entries, bytes, hot_bytes
FROM covet.cache_namespaces WHERE namespace = 'ns';
SELECT covet.cache_namespace_set('ns', max_bytes => 5000);
SELECT namespace, storage, default_ttl, max_bytes, codec, owner, entries, bytes, hot_bytes
FROM covet.cache_namespaces WHERE namespace = 'ns';
SELECT covet.cache_namespace_set('ns');
SELECT namespace, storage, default_ttl, max_bytes, codec, owner, entries, bytes, hot_bytes
FROM covet.cache_namespaces WHERE namespace = 'ns';
-- the view counts live entries, those of namespaces without settings too
SELECT covet.cache_set_many('{a,b,c}', '{1,2,3}', namespace => 'ns'),
	covet.cache_set('dead', 'x', '1 microsecond', 'ns'), covet.cache_set('a', 'x', namespace => 'ns_plain');
SELECT pg_sleep(0.01);
SELECT namespace, storage, default_ttl, max_bytes, codec, owner, entries, bytes > 0 AS bytes, hot_bytes
FROM covet.cache_namespaces WHERE namespace IN ('ns', 'ns_plain') ORDER BY namespace;
SELECT covet.cache_clear('ns_plain');
SELECT coalesce(sum(entries), 0) AS entries FROM covet.cache_namespaces WHERE namespace = 'ns_plain';

-- drop: clears and forgets
SELECT covet.cache_namespace_drop('ns');
SELECT covet.cache_get_many('{a,b,c}', 'ns');
SELECT count(*) FROM covet.cache_namespaces WHERE namespace = 'ns' AND entries > 0;
SELECT covet.cache_namespace_drop('ns'), covet.cache_namespace_drop('ns_never'), covet.cache_namespace_drop(repeat('n', 64)), covet.cache_namespace_drop('');
SELECT covet.cache_set('a', 'x', namespace => 'ns_plain');
SELECT covet.cache_namespace_drop('ns_plain');		-- no settings: false
-- transactional
BEGIN;
SELECT covet.cache_namespace_set('ns_tx', default_ttl => '1 hour');
SELECT covet.cache_set('a', 'x', namespace => 'ns_tx');
SELECT covet.cache_expires_at('a', 'ns_tx') <= clock_timestamp() + '1 hour'::interval AS hour;
SAVEPOINT s;
SELECT covet.cache_namespace_drop('ns_tx');
SELECT covet.cache_get('a', 'ns_tx');
SELECT covet.cache_set('b', 'x', namespace => 'ns_tx');
SELECT covet.cache_expires_at('b', 'ns_tx') > clock_timestamp() + '2 hours'::interval AS day;
ROLLBACK TO s;
SELECT covet.cache_get_many('{a,b}', 'ns_tx');
SELECT covet.cache_set('b', 'x', namespace => 'ns_tx');
SELECT covet.cache_expires_at('b', 'ns_tx') <= clock_timestamp() + '1 hour'::interval AS hour;
ROLLBACK;
SELECT covet.cache_get('a', 'ns_tx'), covet.cache_namespace_drop('ns_tx');
SELECT covet.cache_set('b', 'x', namespace => 'ns_tx');
SELECT covet.cache_expires_at('b', 'ns_tx') > clock_timestamp() + '2 hours'::interval AS day;

-- misuse
SELECT covet.cache_namespace_set('ns', 'disk');
SELECT covet.cache_namespace_set('ns', default_ttl => '0');
SELECT covet.cache_namespace_set('ns', default_ttl => '-1 day');
SELECT covet.cache_namespace_set('ns', max_bytes => 0);
SELECT covet.cache_namespace_set('ns', max_bytes => -5);
SELECT covet.cache_namespace_set('ns', codec => 'lzma');
SELECT covet.cache_namespace_set('ns', codec => '');
SELECT covet.cache_namespace_set(NULL);
SELECT covet.cache_namespace_set('');
SELECT covet.cache_namespace_set(repeat('n', 64));
SELECT covet.cache_namespace_set('ns', owner => 'regress_covet_nobody');
SELECT covet.cache_namespace_drop(NULL);
SELECT count(*) FROM covet.cache_namespaces WHERE namespace = 'ns';
SELECT covet.cache_namespace_set(repeat('n', 63));
SELECT covet.cache_namespace_drop(repeat('n', 63));

-- codecs, as the entries show them
CREATE FUNCTION pg_temp.codec(ns text, value text) RETURNS TABLE (codec text, smaller boolean, same boolean)
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM covet.cache_set('codec', value, namespace => ns);
	RETURN QUERY SELECT e.codec, e.stored_size < e.raw_size, convert_from(e.value, 'UTF8') = codec.value
		AND covet.cache_get('codec', ns) = codec.value
	FROM covet.cache_entries('{codec}', ns) e;
END $$;
SELECT covet.cache_namespace_set('ns_raw', codec => 'raw'), covet.cache_namespace_set('ns_zstd', codec => 'zstd'),
	covet.cache_namespace_set('ns_auto', codec => 'auto');
SELECT ns, n, c.* FROM unnest('{ns_raw,ns_zstd,ns_auto}'::text[]) ns, unnest('{100,10000}'::int[]) n,
	LATERAL pg_temp.codec(ns, repeat('a', n)) c;
-- auto leaves alone what would shrink by less than a tenth
SELECT covet.cache_set_bytea('noise', string_agg(sha256(i::text::bytea), '' ORDER BY i), namespace => 'ns_auto')
FROM generate_series(1, 100) i;
SELECT codec, raw_size, stored_size >= raw_size AS not_smaller FROM covet.cache_entries('{noise}', 'ns_auto');
-- another codec from now on; what is stored stays readable
SELECT covet.cache_set('old', repeat('z', 1000), namespace => 'ns_zstd');
SELECT covet.cache_namespace_set('ns_zstd', codec => 'raw');
SELECT covet.cache_set('new', repeat('z', 1000), namespace => 'ns_zstd');
SELECT key, codec, value = repeat('z', 1000)::bytea AS same FROM covet.cache_entries('{old,new}', 'ns_zstd') ORDER BY key;

-- a namespace with an owner is for members of that role only
SELECT covet.cache_namespace_set('ns_own', owner => 'regress_covet_alice');
SET ROLE regress_covet_alice;
SELECT covet.cache_set('a', '1', namespace => 'ns_own'), covet.cache_get('a', 'ns_own'), covet.cache_incr('a', namespace => 'ns_own');
SET ROLE regress_covet_child;
SELECT covet.cache_get('a', 'ns_own'), covet.cache_set('b', '1', namespace => 'ns_own'), covet.cache_delete('b', 'ns_own');
SET ROLE regress_covet_bob;
SELECT covet.cache_get('a', 'ns_own');
SELECT covet.cache_get('none', 'ns_own');
SELECT covet.cache_get_bytea('a', 'ns_own');
SELECT covet.cache_get_jsonb('a', 'ns_own');
SELECT covet.cache_get_many('{a}', 'ns_own');
SELECT covet.cache_get_many_bytea('{a}', 'ns_own');
SELECT covet.cache_get_many_jsonb('{a}', 'ns_own');
SELECT covet.cache_set('a', 'x', namespace => 'ns_own');
SELECT covet.cache_set_bytea('a', 'x', namespace => 'ns_own');
SELECT covet.cache_set_jsonb('a', '1', namespace => 'ns_own');
SELECT covet.cache_set_many('{a}', '{x}', namespace => 'ns_own');
SELECT covet.cache_set_many_bytea('{a}', '{x}', namespace => 'ns_own');
SELECT covet.cache_set_many_jsonb('{a}', '{1}', namespace => 'ns_own');
SELECT covet.cache_add('c', 'x', namespace => 'ns_own');
SELECT covet.cache_replace('a', 'x', namespace => 'ns_own');
SELECT covet.cache_incr('a', namespace => 'ns_own');
SELECT covet.cache_take('a', 'ns_own');
SELECT covet.cache_touch('a', '1 hour', 'ns_own');
SELECT covet.cache_delete('a', 'ns_own');
SELECT covet.cache_delete_many('{a}', 'ns_own');
SELECT covet.cache_exists('a', 'ns_own');
SELECT covet.cache_expires_at('a', 'ns_own');
SELECT * FROM covet.cache_entries('{a}', 'ns_own');
SELECT * FROM covet.cache_scan(namespace => 'ns_own');
SELECT covet.cache_clear('ns_own');
SELECT covet.cache_invalidate_tags('{t}', 'ns_own');
SELECT covet.cache_get('a', 'ns_plain');			-- others are open to him
RESET ROLE;
SELECT covet.cache_get('a', 'ns_own');				-- and this one to a superuser
-- a change of the settings counts at once, in this session too
SELECT covet.cache_namespace_set('ns_own', owner => 'regress_covet_bob');
SET ROLE regress_covet_bob;
SELECT covet.cache_get('a', 'ns_own');
SET ROLE regress_covet_alice;
SELECT covet.cache_get('a', 'ns_own');
RESET ROLE;
-- membership given later counts
GRANT regress_covet_bob TO regress_covet_alice;
SET ROLE regress_covet_alice;
SELECT covet.cache_get('a', 'ns_own');
RESET ROLE;
REVOKE regress_covet_bob FROM regress_covet_alice;
-- an owner whose name and oid no longer match one role: only superusers
ALTER ROLE regress_covet_bob RENAME TO regress_covet_robert;
SET ROLE regress_covet_robert;
SELECT covet.cache_get('a', 'ns_own');
RESET ROLE;
CREATE ROLE regress_covet_bob;
SELECT covet.grant_usage('regress_covet_bob', 'cache');
SET ROLE regress_covet_bob;
SELECT covet.cache_get('a', 'ns_own');
RESET ROLE;
SELECT covet.cache_get('a', 'ns_own');
SELECT count(*) FROM covet.cache_namespaces WHERE namespace = 'ns_own';
SELECT covet.cache_namespace_set('ns_own', owner => 'regress_covet_child');
SELECT covet.revoke_usage('regress_covet_child', 'cache');
DROP ROLE regress_covet_child;
SET ROLE regress_covet_alice;
SELECT covet.cache_get('a', 'ns_own');
RESET ROLE;
SELECT covet.cache_get('a', 'ns_own');
SELECT count(*) FROM covet.cache_namespaces WHERE namespace = 'ns_own';
SELECT covet.cache_namespace_set('ns_own');
SET ROLE regress_covet_alice;
SELECT covet.cache_get('a', 'ns_own');
RESET ROLE;

-- settings of the server that an application must not lift
SET ROLE regress_covet_alice;
SET covet.default_ttl = 10;
SET covet.default_max_bytes = '1 GB';
SET covet.max_decompressed_size = '1 GB';
RESET ROLE;
SET covet.default_storage = 'memory';
SET covet.no_such_setting = 1;

SELECT ns, covet.cache_namespace_drop(ns) FROM unnest('{ns_raw,ns_zstd,ns_auto,ns_own,ns_tx}'::text[]) ns;
SELECT covet.revoke_usage(r::regrole, 'all') FROM unnest('{regress_covet_alice,regress_covet_bob,regress_covet_robert}'::text[]) r;
DROP ROLE regress_covet_alice, regress_covet_bob, regress_covet_robert;
