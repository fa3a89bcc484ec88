-- cache_sweep: what the sweep removes, with a clock of its own, and what it leaves
\set VERBOSITY sqlstate

-- a write without idle leaves the entry without, incr and touch keep it: what the sweep finds idle shows which
SELECT covet.cache_set('i1', '1', '3 hours', 'sweep', idle => '1 hour'), covet.cache_set('i1', '2', '3 hours', 'sweep'),
	covet.cache_set('i2', '1', '3 hours', 'sweep', idle => '1 hour'), covet.cache_incr('i2', namespace => 'sweep'),
	covet.cache_set('i3', '1', '3 hours', 'sweep', idle => '1 hour'), covet.cache_touch('i3', '4 hours', 'sweep'),
	covet.cache_set('i4', '1', '3 hours', 'sweep', idle => '1 hour'), covet.cache_replace('i4', '2', '3 hours', 'sweep');
SELECT covet.sweep(clock_timestamp() + '2 hours') >= 2 AS removed;
SELECT key FROM covet.cache_scan('i', namespace => 'sweep');

-- the sweep, with a clock of its own, removes what is dead by then and nothing else
SELECT covet.cache_clear('sweep');
SELECT covet.sweep() >= 0 AS ok;
SELECT covet.cache_set('s1', 'x', '1 hour', 'sweep'), covet.cache_set('s3', 'x', '3 hours', 'sweep'),
	covet.cache_set('never', 'x', '100 years', 'sweep'), covet.cache_set('idle', 'x', '3 hours', 'sweep', idle => '1 hour');
SELECT count(*) FROM covet._cache WHERE namespace = 'sweep';
SELECT covet.sweep(clock_timestamp() + '30 min') >= 0 AS ok;
SELECT key FROM covet._cache WHERE namespace = 'sweep' ORDER BY key;
SELECT covet.sweep(clock_timestamp() + '2 hours') >= 2 AS removed;
SELECT key FROM covet._cache WHERE namespace = 'sweep' ORDER BY key;
SELECT covet.sweep(clock_timestamp() + '200 years') >= 1 AS removed;
SELECT key FROM covet._cache WHERE namespace = 'sweep' ORDER BY key;
-- cleared and invalidated rows go too
SELECT covet.cache_set('tagged', 'x', namespace => 'sweep', tags => '{sweep-t}');
SELECT covet.cache_invalidate_tags('{sweep-t}', 'sweep');
SELECT covet.sweep() >= 0 AS ok;
SELECT key FROM covet._cache WHERE namespace = 'sweep' ORDER BY key;
SELECT covet.cache_clear('sweep');
SELECT covet.sweep() >= 0 AS ok;
SELECT key FROM covet._cache WHERE namespace = 'sweep' ORDER BY key;

-- over its quota a namespace loses its oldest entries in the sweep, others lose nothing
SELECT covet.cache_namespace_set('quota', max_bytes => 10000, codec => 'raw');
SELECT covet.cache_set('bystander', 'x', namespace => 'quota_other');
BEGIN;
SELECT count(covet.cache_set('q' || i, repeat('x', 1000), namespace => 'quota')) FROM generate_series(10, 39) i;
SELECT covet.cache_set('q10', repeat('y', 1000), namespace => 'quota');	-- now the newest
COMMIT;
SELECT covet.sweep() >= 0 AS ok;
SELECT count(*) BETWEEN 7 AND 10 AS within, bool_and(key = 'q10' OR key >= 'q30') AS newest, bool_or(key = 'q10') AS rewritten
FROM covet.cache_scan(namespace => 'quota');
SELECT bytes <= 10000 AS within FROM covet.cache_namespaces WHERE namespace = 'quota';
SELECT covet.cache_get('bystander', 'quota_other');
-- keys count as well as values
SELECT covet.cache_clear('quota');
BEGIN;
SELECT count(covet.cache_set(repeat('k', 1000) || i, '', namespace => 'quota')) FROM generate_series(10, 39) i;
COMMIT;
SELECT covet.sweep() >= 0 AS ok;
SELECT count(*) BETWEEN 7 AND 10 AS within FROM covet.cache_scan(namespace => 'quota');
-- an entry larger than the quota is no reason to fail
SELECT covet.cache_set('huge', repeat('x', 20000), namespace => 'quota');
SELECT covet.sweep() >= 0 AS ok;
SELECT coalesce(sum(bytes), 0) <= 10000 AS within FROM covet.cache_namespaces WHERE namespace = 'quota';
-- the quota of a namespace without one of its own
SELECT covet.cache_namespace_set('quota_default', codec => 'raw');
SET covet.default_max_bytes = '10 kB';
BEGIN;
SELECT count(covet.cache_set_bytea('q' || i, decode(repeat('00', 1000), 'hex') || i::text::bytea, namespace => 'quota_default')) FROM generate_series(10, 39) i;
COMMIT;
SELECT covet.sweep() >= 0 AS ok;
SELECT count(*) BETWEEN 7 AND 10 AS within, min(key) >= 'q30' AS newest FROM covet.cache_scan('q', namespace => 'quota_default');
RESET covet.default_max_bytes;
SELECT ns, covet.cache_namespace_drop(ns) FROM unnest('{quota,quota_default,quota_other}'::text[]) ns;
