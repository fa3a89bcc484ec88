-- memory_atomic: add, replace, incr and take in memory namespaces act at once and are not undone
\set VERBOSITY sqlstate
SELECT covet.cache_namespace_set('atomic', 'memory');

-- add stores only what is absent
SELECT covet.cache_add('a', 'first', namespace => 'atomic');
SELECT covet.cache_add('a', 'second', namespace => 'atomic');
SELECT covet.cache_get('a', 'atomic');
SELECT covet.cache_delete('a', 'atomic'), covet.cache_add('a', 'third', namespace => 'atomic');
SELECT covet.cache_add_bytea('a', 'x', namespace => 'atomic'),
	covet.cache_add_bytea('ab', '\x01', namespace => 'atomic'),
	covet.cache_add_jsonb('a', '1', namespace => 'atomic'),
	covet.cache_add_jsonb('aj', '[1]', namespace => 'atomic');
SELECT covet.cache_get('a', 'atomic'), covet.cache_get_bytea('ab', 'atomic'),
	covet.cache_get_jsonb('aj', 'atomic');
-- what has expired, was cleared or invalidated is absent
SELECT covet.cache_set('gone', 'old', '1 microsecond', 'atomic'), pg_sleep(0.01);
SELECT covet.cache_add('gone', 'new', namespace => 'atomic'), covet.cache_get('gone', 'atomic');
SELECT covet.cache_set('tagged', 'old', namespace => 'atomic', tags => '{atomic-t}');
SELECT covet.cache_invalidate_tags('{atomic-t}', 'atomic');
SELECT covet.cache_add('tagged', 'new', '1 hour', 'atomic', '{atomic-u}');
SELECT value IS NOT NULL AS value, tags FROM covet.cache_entries('{tagged}', 'atomic');
SELECT covet.cache_clear('atomic');
SELECT covet.cache_add('a', 'fourth', namespace => 'atomic'), covet.cache_get('a', 'atomic');
-- at once, whatever becomes of the transaction; but on a key that it has
-- written, with that
BEGIN;
SELECT covet.cache_add('a', 'fifth', namespace => 'atomic'),
	covet.cache_add('b', 'first', namespace => 'atomic'),
	covet.cache_add('b', 'second', namespace => 'atomic'),
	covet.cache_get('b', 'atomic');
SELECT covet.cache_delete('a', 'atomic'), covet.cache_add('a', 'sixth', namespace => 'atomic');
ROLLBACK;
SELECT covet.cache_get('a', 'atomic'), covet.cache_get('b', 'atomic');

-- replace stores only what is present
SELECT covet.cache_replace('r', 'no', namespace => 'atomic');
SELECT covet.cache_get('r', 'atomic');
SELECT covet.cache_set('r', 'one', namespace => 'atomic'),
	covet.cache_replace('r', 'two', namespace => 'atomic'), covet.cache_get('r', 'atomic');
SELECT covet.cache_replace_bytea('r', '\x03', namespace => 'atomic'), covet.cache_get_bytea('r', 'atomic');
SELECT covet.cache_replace_jsonb('r', '{"n": 4}', namespace => 'atomic'), covet.cache_get_jsonb('r', 'atomic');
SELECT covet.cache_set('gone', 'old', '1 microsecond', 'atomic'), pg_sleep(0.01);
SELECT covet.cache_replace('gone', 'new', namespace => 'atomic'), covet.cache_get('gone', 'atomic');
-- ... and of that version
SELECT version AS v FROM covet.cache_entries('{r}', 'atomic') \gset
SELECT covet.cache_replace('r', 'five', namespace => 'atomic', if_version => :v - 1), covet.cache_get('r', 'atomic');
SELECT covet.cache_replace('r', 'five', namespace => 'atomic', if_version => :v), covet.cache_get('r', 'atomic');
SELECT covet.cache_replace('r', 'six', namespace => 'atomic', if_version => :v), covet.cache_get('r', 'atomic');
SELECT covet.cache_replace('r', 'six', namespace => 'atomic', if_version => 0),
	covet.cache_replace('none', 'six', namespace => 'atomic', if_version => :v);
-- the version of before a delete is no version of after it
SELECT version AS v FROM covet.cache_entries('{r}', 'atomic') \gset
SELECT covet.cache_delete('r', 'atomic'), covet.cache_set('r', 'five', namespace => 'atomic');
SELECT covet.cache_replace('r', 'six', namespace => 'atomic', if_version => :v), covet.cache_get('r', 'atomic');
-- replace takes the place of ttl, tags and idle too
SELECT covet.cache_set('r', 'x', '1 hour', 'atomic', '{atomic-r}', '30 min');
SELECT covet.cache_replace('r', 'y', '100 years', 'atomic');
SELECT expires_at, tags FROM covet.cache_entries('{r}', 'atomic');

-- incr: an absent key starts at initial
SELECT covet.cache_incr('n', namespace => 'atomic'), covet.cache_incr('n', namespace => 'atomic'),
	covet.cache_incr('n', 40, namespace => 'atomic'), covet.cache_incr('n', -2, namespace => 'atomic'),
	covet.cache_incr('n', 0, namespace => 'atomic');
SELECT covet.cache_get('n', 'atomic'), covet.cache_get_jsonb('n', 'atomic');
SELECT covet.cache_incr('m', 5, namespace => 'atomic', initial => 100),
	covet.cache_incr('m', 5, namespace => 'atomic', initial => 100);
SELECT covet.cache_incr('absent', namespace => 'atomic', initial => NULL), covet.cache_exists('absent', 'atomic');
SELECT covet.cache_incr('m', namespace => 'atomic', initial => NULL);
-- integers that somebody set, negative ones and the ends of the range
SELECT covet.cache_set('n', '-7', namespace => 'atomic'), covet.cache_incr('n', 8, namespace => 'atomic');
SELECT covet.cache_set_jsonb('n', '41', namespace => 'atomic'), covet.cache_incr('n', namespace => 'atomic'),
	covet.cache_get('n', 'atomic');
SELECT covet.cache_set('n', '9223372036854775806', namespace => 'atomic'), covet.cache_incr('n', namespace => 'atomic');
SELECT covet.cache_incr('n', namespace => 'atomic');
SELECT covet.cache_get('n', 'atomic');
SELECT covet.cache_incr('n', '-9223372036854775808', namespace => 'atomic');
SELECT covet.cache_set('n', '-9223372036854775808', namespace => 'atomic');
SELECT covet.cache_incr('n', -1, namespace => 'atomic');
SELECT covet.cache_incr('fresh', 1, namespace => 'atomic', initial => 9223372036854775807);
SELECT covet.cache_exists('fresh', 'atomic');
-- no integer
SELECT covet.cache_set_many('{i1,i2,i3,i4}', '{abc,"",1.5,"1 2"}', namespace => 'atomic');
SELECT covet.cache_incr('i1', namespace => 'atomic');
SELECT covet.cache_incr('i2', namespace => 'atomic');
SELECT covet.cache_incr('i3', namespace => 'atomic');
SELECT covet.cache_incr('i4', namespace => 'atomic');
SELECT covet.cache_set_bytea('i5', '\x00', namespace => 'atomic'), covet.cache_set_jsonb('i6', '{"n": 1}', namespace => 'atomic');
SELECT covet.cache_incr('i5', namespace => 'atomic');
SELECT covet.cache_incr('i6', namespace => 'atomic');
SELECT covet.cache_get_many('{i1,i2,i3,i4,i6}', 'atomic');
-- the ttl counts at creation only; incr keeps deadline and tags
SELECT covet.cache_incr('t', 1, '1 hour', 'atomic');
SELECT covet.cache_expires_at('t', 'atomic') AS e \gset
SELECT covet.cache_incr('t', 1, '10 hours', 'atomic'), covet.cache_incr('t', 1, '0', 'atomic');
SELECT covet.cache_expires_at('t', 'atomic') = :'e' AS unmoved,
	:'e'::timestamptz - clock_timestamp() BETWEEN '50 min' AND '1 hour' AS hour;
SELECT covet.cache_set('t', '1', '1 hour', 'atomic', '{atomic-n}'), covet.cache_incr('t', namespace => 'atomic');
SELECT convert_from(value, 'UTF8'), tags FROM covet.cache_entries('{t}', 'atomic');
SELECT covet.cache_invalidate_tags('{atomic-n}', 'atomic');
SELECT covet.cache_incr('t', namespace => 'atomic');
SELECT tags FROM covet.cache_entries('{t}', 'atomic');
SELECT covet.cache_incr('zero', 5, '0', 'atomic'), covet.cache_exists('zero', 'atomic');
-- what has expired starts anew
SELECT covet.cache_set('t', '99', '1 microsecond', 'atomic'), pg_sleep(0.01);
SELECT covet.cache_incr('t', namespace => 'atomic');
-- within a transaction: at once, and in no subtransaction
BEGIN;
SELECT covet.cache_incr('t', 10, namespace => 'atomic'), covet.cache_incr('new', namespace => 'atomic');
SAVEPOINT s;
SELECT covet.cache_incr('t', 100, namespace => 'atomic'), covet.cache_incr('new', namespace => 'atomic');
ROLLBACK TO s;
SELECT covet.cache_get('t', 'atomic'), covet.cache_get('new', 'atomic');
SELECT covet.cache_delete('t', 'atomic'), covet.cache_incr('t', namespace => 'atomic');
ROLLBACK;
SELECT covet.cache_get('t', 'atomic'), covet.cache_get('new', 'atomic');
-- a call for each row
SELECT sum(covet.cache_incr('rows', i, namespace => 'atomic')) FROM generate_series(1, 10) i;
SELECT covet.cache_get('rows', 'atomic');

-- take returns and removes
SELECT covet.cache_set('k', 'v', namespace => 'atomic');
SELECT covet.cache_take('k', 'atomic'), covet.cache_take('k', 'atomic'), covet.cache_exists('k', 'atomic');
SELECT covet.cache_set_bytea('kb', '\x00', namespace => 'atomic'), covet.cache_set_jsonb('kj', '{}', namespace => 'atomic');
SELECT covet.cache_take_bytea('kb', 'atomic'), covet.cache_take_jsonb('kj', 'atomic');
SELECT covet.cache_take_bytea('kb', 'atomic'), covet.cache_take_jsonb('kj', 'atomic'), covet.cache_take('none', 'atomic');
SELECT covet.cache_set('gone', 'old', '1 microsecond', 'atomic'), pg_sleep(0.01);
SELECT covet.cache_take('gone', 'atomic');
-- what cannot be read so is not taken
SELECT covet.cache_set('k', 'no json', namespace => 'atomic');
SELECT covet.cache_take_jsonb('k', 'atomic');
SELECT covet.cache_get('k', 'atomic');
BEGIN;
SELECT covet.cache_take('k', 'atomic'), covet.cache_get('k', 'atomic');
ROLLBACK;
SELECT covet.cache_take('k', 'atomic');
-- nothing of that was in the table
SELECT count(*) AS rows FROM covet._cache WHERE namespace IN ('atomic');
SELECT covet.cache_namespace_drop('atomic');
