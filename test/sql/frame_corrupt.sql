-- frame_corrupt: a stored value that was damaged is XX001, never a crash and
-- never a wrong value.  Only a superuser can damage one from SQL.
\set VERBOSITY sqlstate
CREATE FUNCTION pg_temp.crc32c(data bytea) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	crc bigint := 4294967295;
BEGIN
	FOR i IN 0..length(data) - 1 LOOP
		crc := crc # get_byte(data, i);
		FOR j IN 1..8 LOOP
			crc := CASE WHEN crc & 1 = 1 THEN (crc >> 1) # 2197175160 ELSE crc >> 1 END;
		END LOOP;
	END LOOP;
	crc := crc # 4294967295;
	-- the least significant byte first
	RETURN decode(regexp_replace(lpad(to_hex(crc), 8, '0'), '(..)(..)(..)(..)', '\4\3\2\1'), 'hex');
END $$;
-- the frame with the checksum it should have; it stands in bytes 12 to 15
CREATE FUNCTION pg_temp.sealed(frame bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$
	SELECT overlay(frame PLACING pg_temp.crc32c(substring(frame FOR 12) || substring(frame FROM 17)) FROM 13 FOR 4)
$$;
CREATE FUNCTION pg_temp.state_of(call text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE 'SELECT ' || call INTO result;
	RETURN coalesce(result, 'NULL');
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END $$;

SELECT pg_temp.crc32c('123456789');		-- the published check value, e3069283
SELECT covet.cache_namespace_set('corrupt', codec => 'zstd');
SELECT covet.cache_set('text', 'a value of some length', namespace => 'corrupt'),
	covet.cache_set('zstd', repeat('a value of some length ', 50), namespace => 'corrupt'),
	covet.cache_set_bytea('bytea', '\x0001020304', namespace => 'corrupt'),
	covet.cache_set_jsonb('jsonb', '{"a": [1, 2, {"b": null}], "c": "text"}', namespace => 'corrupt'),
	covet.cache_set('empty', '', namespace => 'corrupt'),
	covet.cache_set('int', '41', namespace => 'corrupt');
CREATE TEMP TABLE good AS SELECT key, value FROM covet._cache WHERE namespace = 'corrupt';
-- what this test knows of the frame is right
SELECT key, value = pg_temp.sealed(value) AS sealed, get_byte(value, 1) AS codec,
	get_byte(value, 8) + 256 * get_byte(value, 9) AS raw_size
FROM good ORDER BY key;

-- every single byte flipped, one after the other, is noticed
CREATE FUNCTION pg_temp.flip_all(which text, OUT bytes integer, OUT states text[])
LANGUAGE plpgsql AS $$
DECLARE
	frame bytea := (SELECT value FROM good WHERE key = which);
	call text := format('covet.cache_get_bytea(%L, ''corrupt'')', which);
BEGIN
	bytes := length(frame);
	states := '{}';
	FOR i IN 0..bytes - 1 LOOP
		UPDATE covet._cache SET value = set_byte(frame, i, get_byte(frame, i) # (1 << (i % 8)))
		WHERE namespace = 'corrupt' AND key = which;
		states := states || pg_temp.state_of(call);
	END LOOP;
	UPDATE covet._cache SET value = frame WHERE namespace = 'corrupt' AND key = which;
	states := ARRAY(SELECT DISTINCT s FROM unnest(states) s ORDER BY s);
END $$;
SELECT key, states FROM good, LATERAL pg_temp.flip_all(key) ORDER BY key;

-- cut off at every length
CREATE FUNCTION pg_temp.cut_all(which text, OUT states text[])
LANGUAGE plpgsql AS $$
DECLARE
	frame bytea := (SELECT value FROM good WHERE key = which);
BEGIN
	states := '{}';
	FOR i IN 0..length(frame) - 1 LOOP
		UPDATE covet._cache SET value = substring(frame FOR i) WHERE namespace = 'corrupt' AND key = which;
		states := states || pg_temp.state_of(format('covet.cache_get_bytea(%L, ''corrupt'')', which));
	END LOOP;
	UPDATE covet._cache SET value = frame || '\x00' WHERE namespace = 'corrupt' AND key = which;
	states := states || pg_temp.state_of(format('covet.cache_get_bytea(%L, ''corrupt'')', which));
	UPDATE covet._cache SET value = frame WHERE namespace = 'corrupt' AND key = which;
	states := ARRAY(SELECT DISTINCT s FROM unnest(states) s ORDER BY s);
END $$;
SELECT key, states FROM good, LATERAL pg_temp.cut_all(key) ORDER BY key;

-- a lie with a checksum that is right
CREATE FUNCTION pg_temp.lie(which text, at integer, bytes bytea) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	frame bytea := (SELECT value FROM good WHERE key = which);
	state text;
BEGIN
	UPDATE covet._cache SET value = pg_temp.sealed(overlay(frame PLACING bytes FROM at + 1 FOR length(bytes)))
	WHERE namespace = 'corrupt' AND key = which;
	state := pg_temp.state_of(format('covet.cache_get_bytea(%L, ''corrupt'')', which));
	UPDATE covet._cache SET value = frame WHERE namespace = 'corrupt' AND key = which;
	RETURN state;
END $$;
SELECT what, pg_temp.lie('text', at, bytes) AS text, pg_temp.lie('zstd', at, bytes) AS zstd, pg_temp.lie('empty', at, bytes) AS empty
FROM (VALUES
	(1, 'no kind', 0, '\x00'::bytea), (2, 'unknown kind', 0, '\x09'), (3, 'unknown codec', 1, '\x63'),
	(4, 'unknown dictionary', 4, '\x07000000'), (5, 'one byte more', 8, '\x7f000000'), (6, 'far too small', 8, '\x01000000'),
	(7, '200 MB', 8, '\x0000800c')) s (n, what, at, bytes) ORDER BY n;
-- one that claims more than may be decompressed takes no memory
SELECT what, pg_temp.lie('text', 8, bytes) IN ('XX001', '54000') AS text, pg_temp.lie('zstd', 8, bytes) IN ('XX001', '54000') AS zstd
FROM (VALUES (1, '1 GB', '\x00000040'::bytea), (2, '2 GB', '\xffffff7f'), (3, '4 GB', '\xffffffff')) s (n, what, bytes) ORDER BY n;
-- a raw body taken for a compressed one
SELECT pg_temp.lie('bytea', 1, '\x01');
-- everything that reads the value says so, and everything else goes on working
UPDATE covet._cache SET value = set_byte(value, length(value) - 1, get_byte(value, length(value) - 1) # 1) WHERE namespace = 'corrupt' AND length(value) > 16;
SELECT call, pg_temp.state_of(call) FROM unnest(ARRAY[
	'covet.cache_get(''text'', ''corrupt'')', 'covet.cache_get_bytea(''bytea'', ''corrupt'')',
	'covet.cache_get_jsonb(''jsonb'', ''corrupt'')', 'covet.cache_get_many(''{none,text}'', ''corrupt'')',
	'covet.cache_get_many_bytea(''{bytea}'', ''corrupt'')', 'covet.cache_get_many_jsonb(''{jsonb}'', ''corrupt'')',
	'covet.cache_take(''text'', ''corrupt'')', 'covet.cache_incr(''int'', namespace => ''corrupt'')',
	'count(*) FROM covet.cache_scan(namespace => ''corrupt'', with_values => true)',
	'covet.cache_exists(''text'', ''corrupt'')', 'covet.cache_add(''text'', ''x'', namespace => ''corrupt'')',
	'covet.cache_touch(''text'', ''1 hour'', ''corrupt'')', 'covet.cache_delete(''bytea'', ''corrupt'')',
	'covet.cache_set(''text'', ''mended'', namespace => ''corrupt'')', 'covet.cache_get(''text'', ''corrupt'')',
	'covet.cache_replace(''int'', ''42'', namespace => ''corrupt'')', 'covet.cache_incr(''int'', namespace => ''corrupt'')',
	'covet.cache_clear(''corrupt'') IS NOT NULL', 'covet.cache_get(''jsonb'', ''corrupt'')']) call;

-- the error names no value and no key
SELECT covet.cache_set('secret key', 'secret value', namespace => 'corrupt');
UPDATE covet._cache SET value = set_byte(value, 17, 0) WHERE namespace = 'corrupt' AND key = 'secret key';
\set VERBOSITY terse
SELECT covet.cache_get('secret key', 'corrupt');
\set VERBOSITY sqlstate
-- what is stored out of line is no different
SELECT covet.cache_set_bytea('toasted', string_agg(sha256(i::text::bytea), '' ORDER BY i), namespace => 'corrupt') FROM generate_series(1, 400) i;
UPDATE covet._cache SET value = set_byte(value, 9999, get_byte(value, 9999) # 128) WHERE namespace = 'corrupt' AND key = 'toasted';
SELECT covet.cache_get_bytea('toasted', 'corrupt');
SELECT covet.cache_namespace_drop('corrupt');
