-- memory_basic: set, get, delete, clear, types and keys in memory namespaces
\set VERBOSITY sqlstate
SELECT covet.cache_namespace_set('default', 'memory');
SELECT covet.cache_namespace_set('basic', 'memory');

-- a namespace named nowhere before is simply there, and empty
SELECT covet.cache_get('a', 'basic'), covet.cache_exists('a', 'basic'),
	covet.cache_expires_at('a', 'basic'), covet.cache_delete('a', 'basic');

-- set, get, overwrite, delete
SELECT covet.cache_set('a', 'alpha', namespace => 'basic');
SELECT covet.cache_get('a', 'basic'), covet.cache_exists('a', 'basic');
SELECT covet.cache_set('a', 'beta', namespace => 'basic');
SELECT covet.cache_get('a', 'basic');
SELECT covet.cache_delete('a', 'basic');
SELECT covet.cache_get('a', 'basic'), covet.cache_exists('a', 'basic'),
	covet.cache_delete('a', 'basic');

-- the namespace 'default' is the default, and namespaces do not see each other
SELECT covet.cache_set('basic-key', 'in default');
SELECT covet.cache_set('basic-key', 'in basic', namespace => 'basic');
SELECT covet.cache_get('basic-key'), covet.cache_get('basic-key', 'default'),
	covet.cache_get('basic-key', 'basic');
SELECT covet.cache_delete('basic-key');
SELECT covet.cache_get('basic-key'), covet.cache_get('basic-key', 'basic');

-- keys are bytes: case, blanks and what looks like SQL make a difference
SELECT covet.cache_set('K', 'upper', namespace => 'basic'),
	covet.cache_set('k', 'lower', namespace => 'basic'),
	covet.cache_set('k ', 'blank', namespace => 'basic'),
	covet.cache_set('k''; --', 'quote', namespace => 'basic');
SELECT covet.cache_get('K', 'basic'), covet.cache_get('k', 'basic'),
	covet.cache_get('k ', 'basic'), covet.cache_get('k''; --', 'basic');

-- empty values are values
SELECT covet.cache_set('empty', '', namespace => 'basic'),
	covet.cache_set_bytea('emptyb', '', namespace => 'basic');
SELECT covet.cache_get('empty', 'basic') = '' AS text,
	covet.cache_get_bytea('emptyb', 'basic') = '' AS bytea,
	covet.cache_get_bytea('empty', 'basic') = '' AS text_as_bytea,
	covet.cache_get('emptyb', 'basic') = '' AS bytea_as_text;

-- the expiry: a day unless said otherwise
SELECT covet.cache_expires_at('k', 'basic') - clock_timestamp()
	BETWEEN '23 hours' AND '24 hours' AS a_day;
SELECT covet.cache_set('hour', 'x', '1 hour', 'basic');
SELECT covet.cache_expires_at('hour', 'basic') - clock_timestamp()
	BETWEEN '50 minutes' AND '1 hour' AS an_hour;
SELECT covet.cache_touch('hour', '10 hours', 'basic');
SELECT covet.cache_expires_at('hour', 'basic') - clock_timestamp()
	BETWEEN '9 hours' AND '10 hours' AS ten_hours, covet.cache_get('hour', 'basic');
SELECT covet.cache_touch('hour', namespace => 'basic');
SELECT covet.cache_expires_at('hour', 'basic') - clock_timestamp()
	BETWEEN '23 hours' AND '24 hours' AS a_day;
SELECT covet.cache_touch('no such key', '1 hour', 'basic');

-- text, bytea and jsonb each as they went in
SELECT covet.cache_set('t', 'text', namespace => 'basic'),
	covet.cache_set_bytea('b', '\x00ff10', namespace => 'basic'),
	covet.cache_set_jsonb('j', '{"b": [1, 2.50, null], "a": "x"}', namespace => 'basic');
SELECT covet.cache_get('t', 'basic'), covet.cache_get_bytea('b', 'basic'),
	covet.cache_get_jsonb('j', 'basic');
SELECT covet.cache_get_jsonb('none', 'basic') IS NULL AS j,
	covet.cache_get_bytea('none', 'basic') IS NULL AS b;

-- read as another type: bytea is the bytes of the text, jsonb the text parsed
SELECT covet.cache_get_bytea('t', 'basic');
SELECT covet.cache_get('j', 'basic');
SELECT convert_from(covet.cache_get_bytea('j', 'basic'), 'UTF8');
SELECT covet.cache_set('tj', ' { "n" : 1.0 } ', namespace => 'basic'),
	covet.cache_set_bytea('bt', 'plain', namespace => 'basic'),
	covet.cache_set_bytea('bj', '[true]', namespace => 'basic');
SELECT covet.cache_get_jsonb('tj', 'basic'), covet.cache_get('bt', 'basic'),
	covet.cache_get_jsonb('bj', 'basic');

-- all of JSON's types come back
SELECT v, covet.cache_set_jsonb('any', v::jsonb, namespace => 'basic'),
	covet.cache_get_jsonb('any', 'basic') = v::jsonb AS same
FROM unnest(ARRAY['null', 'true', '0', '-1e100', '""', '"a"', '[]', '{}',
	'[[[{"x":[]}]]]', '{"":{"":null}}']) v;

-- what cannot be read so is an error, and the entry stays as it was
SELECT covet.cache_get('b', 'basic');			-- a zero byte
SELECT covet.cache_get_jsonb('b', 'basic');
SELECT covet.cache_set_bytea('ff', '\x66ff66', namespace => 'basic');
SELECT covet.cache_get('ff', 'basic');			-- not UTF-8
SELECT covet.cache_get_jsonb('ff', 'basic');
SELECT covet.cache_get_jsonb('t', 'basic');		-- not JSON
SELECT covet.cache_get_jsonb('empty', 'basic');
SELECT covet.cache_set('half', '{"a":', namespace => 'basic');
SELECT covet.cache_get_jsonb('half', 'basic');
SELECT covet.cache_get_bytea('b', 'basic'), covet.cache_get('t', 'basic');

-- a write of another type changes the type
SELECT covet.cache_set_jsonb('t', '7', namespace => 'basic');
SELECT covet.cache_get('t', 'basic'), (SELECT kind FROM covet.cache_entries('{t}', 'basic'));
SELECT covet.cache_set('t', 'again', namespace => 'basic');
SELECT covet.cache_get('t', 'basic'), (SELECT kind FROM covet.cache_entries('{t}', 'basic'));

-- large values, compressible and not, below and above what is stored inline
SELECT n, covet.cache_set('big', repeat('covet ', n), namespace => 'basic'),
	covet.cache_get('big', 'basic') = repeat('covet ', n) AS same
FROM unnest(ARRAY[1, 42, 43, 400, 4000, 400000]) n;
SELECT n, covet.cache_set_bytea('noise', v, namespace => 'basic'),
	covet.cache_get_bytea('noise', 'basic') = v AS same
FROM (SELECT n, (SELECT string_agg(sha256(i::text::bytea), '' ORDER BY i) FROM generate_series(1, n) i) v
	FROM unnest(ARRAY[1, 8, 80, 300, 3000]) n) s;
SELECT covet.cache_set_jsonb('bigj', v, namespace => 'basic'),
	covet.cache_get_jsonb('bigj', 'basic') = v AS same
FROM (SELECT jsonb_agg(jsonb_build_object('n', i, 's', md5(i::text))) v
	FROM generate_series(1, 2000) i) s;

-- transactional: the writer reads its own writes, and a rollback undoes them
SELECT covet.cache_set('tx', 'before', namespace => 'basic');
BEGIN;
SELECT covet.cache_set('tx', 'inside', namespace => 'basic');
SELECT covet.cache_get('tx', 'basic');
SAVEPOINT s;
SELECT covet.cache_delete('tx', 'basic');
SELECT covet.cache_get('tx', 'basic'), covet.cache_exists('tx', 'basic'), covet.cache_delete('tx', 'basic');
ROLLBACK TO s;
SELECT covet.cache_get('tx', 'basic');
SELECT covet.cache_delete('tx', 'basic');
SELECT covet.cache_set('tx', 'after delete', namespace => 'basic');
SELECT covet.cache_get('tx', 'basic');
ROLLBACK;
SELECT covet.cache_get('tx', 'basic');
BEGIN;
SELECT covet.cache_set('tx', 'kept', namespace => 'basic');
SAVEPOINT s;
SELECT covet.cache_set('tx', 'lost', namespace => 'basic');
ROLLBACK TO s;
COMMIT;
SELECT covet.cache_get('tx', 'basic');

-- each call of one statement sees what the former wrote, plpgsql too
SELECT covet.cache_set('seq', '1', namespace => 'basic'), covet.cache_get('seq', 'basic'),
	covet.cache_set('seq', '2', namespace => 'basic'), covet.cache_get('seq', 'basic'),
	covet.cache_delete('seq', 'basic'), covet.cache_get('seq', 'basic');
DO $$
BEGIN
	FOR i IN 1..50 LOOP
		BEGIN
			PERFORM covet.cache_set('loop', i::text, namespace => 'basic');
			IF covet.cache_get('loop', 'basic') <> i::text THEN
				RAISE 'own write not seen';
			END IF;
			IF i % 2 = 0 THEN
				RAISE division_by_zero;
			END IF;
		EXCEPTION WHEN division_by_zero THEN
			IF covet.cache_get('loop', 'basic') <> (i - 1)::text THEN
				RAISE 'rolled back write seen';
			END IF;
		END;
	END LOOP;
END
$$;
SELECT covet.cache_get('loop', 'basic');

-- versions rise with each write and never come back
CREATE TEMP TABLE seen (n serial, version bigint);
INSERT INTO seen (version) SELECT version FROM covet.cache_entries('{tx}', 'basic');
SELECT covet.cache_set('tx', 'kept', namespace => 'basic');
INSERT INTO seen (version) SELECT version FROM covet.cache_entries('{tx}', 'basic');
SELECT covet.cache_delete('tx', 'basic'), covet.cache_add('tx', 'new', namespace => 'basic');
INSERT INTO seen (version) SELECT version FROM covet.cache_entries('{tx}', 'basic');
SELECT covet.cache_clear('basic');
SELECT covet.cache_set('tx', 'new', namespace => 'basic');
INSERT INTO seen (version) SELECT version FROM covet.cache_entries('{tx}', 'basic');
SELECT n, version > lag(version, 1, 0::bigint) OVER (ORDER BY n) AS risen FROM seen ORDER BY n;
-- nothing of that was in the table
SELECT count(*) AS rows FROM covet._cache WHERE namespace = 'basic';
SELECT covet.cache_namespace_drop('default');
SELECT covet.cache_namespace_drop('basic');
