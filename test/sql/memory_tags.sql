-- memory_tags: tags and clear in memory namespaces
\set VERBOSITY sqlstate
SELECT covet.cache_namespace_set('tags', 'memory');
SELECT covet.cache_namespace_set('tags_b', 'memory');

-- clear ends all entries of one namespace
SELECT covet.cache_set_many('{a,b,c}', '{1,2,3}', namespace => 'tags');
SELECT covet.cache_set('a', 'other', namespace => ns) FROM unnest('{tags1,tags2,tags3}'::text[]) ns;
SELECT covet.cache_clear('tags');
SELECT covet.cache_get_many('{a,b,c}', 'tags'), covet.cache_exists('a', 'tags'), covet.cache_take('a', 'tags'),
	covet.cache_delete('b', 'tags'), covet.cache_touch('c', '1 hour', 'tags');
SELECT count(*) FROM covet.cache_scan(namespace => 'tags');
-- (a namespace can share its slot with another: one of three might, not two)
SELECT count(covet.cache_get('a', ns)) >= 2 AS others_live FROM unnest('{tags1,tags2,tags3}'::text[]) ns;
SELECT covet.cache_set('a', 'anew', namespace => 'tags'), covet.cache_get_many('{a,b}', 'tags');
-- of a namespace nobody used, or nobody can
SELECT covet.cache_clear('tags_never_used'), covet.cache_clear(repeat('n', 64)), covet.cache_clear('');

-- a clear takes effect at commit: what was set before it is gone, what was set after it lives
BEGIN;
SELECT covet.cache_set('before', 'x', namespace => 'tags'), covet.cache_set('both', 'x', namespace => 'tags');
SELECT covet.cache_clear('tags');
SELECT covet.cache_get_many('{a,before,both}', 'tags');
SELECT covet.cache_set('after', 'x', namespace => 'tags'), covet.cache_set('both', 'y', namespace => 'tags');
SELECT covet.cache_get_many('{a,before,both,after}', 'tags');
COMMIT;
SELECT covet.cache_get_many('{a,before,both,after}', 'tags');

-- and not after a rollback
BEGIN;
SELECT covet.cache_clear('tags');
SELECT covet.cache_set('after', 'z', namespace => 'tags');
SELECT covet.cache_get_many('{both,after}', 'tags');
ROLLBACK;
SELECT covet.cache_get_many('{both,after}', 'tags');

-- savepoints
BEGIN;
SAVEPOINT s;
SELECT covet.cache_clear('tags');
SELECT covet.cache_set('sp', 'inner', namespace => 'tags');
ROLLBACK TO s;
SELECT covet.cache_get_many('{both,after,sp}', 'tags');
SELECT covet.cache_set('sp', 'outer', namespace => 'tags');
COMMIT;
SELECT covet.cache_get_many('{both,after,sp}', 'tags');
BEGIN;
SELECT covet.cache_clear('tags');
SAVEPOINT s;
SELECT covet.cache_set('sp', 'inner', namespace => 'tags');
ROLLBACK TO s;
SELECT covet.cache_set('sp2', 'outer', namespace => 'tags');
SELECT covet.cache_get_many('{both,after,sp,sp2}', 'tags');
COMMIT;
SELECT covet.cache_get_many('{both,after,sp,sp2}', 'tags');
BEGIN;
SELECT covet.cache_set('one', 'x', namespace => 'tags');
SELECT covet.cache_clear('tags');
SELECT covet.cache_set('two', 'x', namespace => 'tags');
SELECT covet.cache_clear('tags');
SELECT covet.cache_set('three', 'x', namespace => 'tags');
SAVEPOINT s;
SELECT covet.cache_clear('tags');
RELEASE s;
SELECT covet.cache_set('four', 'x', namespace => 'tags');
SELECT covet.cache_get_many('{one,two,three,four}', 'tags');
COMMIT;
SELECT covet.cache_get_many('{one,two,three,four}', 'tags');

-- tags: an entry ends with any one of its tags
SELECT covet.cache_set('p1', 'x', namespace => 'tags', tags => '{red}'),
	covet.cache_set('p2', 'x', namespace => 'tags', tags => '{red,green}'),
	covet.cache_set('p3', 'x', namespace => 'tags', tags => '{green,blue}'),
	covet.cache_set('p4', 'x', namespace => 'tags'),
	covet.cache_set('p5', 'x', namespace => 'tags', tags => '{}');
SELECT key, tags FROM covet.cache_entries('{p1,p2,p3,p4,p5}', 'tags') ORDER BY key;
SELECT covet.cache_invalidate_tags('{red}', 'tags');
SELECT covet.cache_get_many('{p1,p2,p3,p4,p5}', 'tags');
SELECT covet.cache_invalidate_tags('{blue,none}', 'tags');
SELECT covet.cache_get_many('{p1,p2,p3,p4,p5}', 'tags');
-- the same tag in another namespace is another tag
SELECT covet.cache_set('p1', 'x', namespace => 'tags', tags => '{red}'),
	covet.cache_set('p1', 'x', namespace => 'tags_b', tags => '{red}');
SELECT covet.cache_invalidate_tags('{red}', 'tags_b');
SELECT covet.cache_get('p1', 'tags'), covet.cache_get('p1', 'tags_b');
-- a write without tags leaves the entry without, one with tags has only those
SELECT covet.cache_set('p1', 'untagged', namespace => 'tags');
SELECT covet.cache_set('p2', 'x', namespace => 'tags', tags => '{red}'),
	covet.cache_set('p2', 'retagged', namespace => 'tags', tags => '{white}');
SELECT covet.cache_invalidate_tags('{red}', 'tags');
SELECT covet.cache_get_many('{p1,p2}', 'tags');
-- incr and touch keep them
SELECT covet.cache_set('p3', '1', namespace => 'tags', tags => '{white}'), covet.cache_incr('p3', namespace => 'tags'),
	covet.cache_touch('p2', '1 hour', 'tags');
SELECT key, tags FROM covet.cache_entries('{p2,p3}', 'tags') ORDER BY key;
SELECT covet.cache_invalidate_tags('{white}', 'tags');
SELECT covet.cache_get_many('{p2,p3}', 'tags');
-- set_many, add and replace take them too
SELECT covet.cache_set_many('{m1,m2}', '{1,2}', namespace => 'tags', tags => '{t}'),
	covet.cache_add('m3', '3', namespace => 'tags', tags => '{t}'), covet.cache_set('m4', '0', namespace => 'tags'),
	covet.cache_replace('m4', '4', namespace => 'tags', tags => '{t}');
SELECT covet.cache_get_many('{m1,m2,m3,m4}', 'tags');
SELECT covet.cache_invalidate_tags('{t}', 'tags');
SELECT covet.cache_get_many('{m1,m2,m3,m4}', 'tags');
SELECT covet.cache_invalidate_tags('{}', 'tags');

-- transactional in the same way
BEGIN;
SELECT covet.cache_set('x1', 'x', namespace => 'tags', tags => '{t}');
SELECT covet.cache_invalidate_tags('{t}', 'tags');
SELECT covet.cache_set('x2', 'x', namespace => 'tags', tags => '{t}');
SELECT covet.cache_get_many('{x1,x2}', 'tags');
COMMIT;
SELECT covet.cache_get_many('{x1,x2}', 'tags');
BEGIN;
SELECT covet.cache_invalidate_tags('{t}', 'tags');
SELECT covet.cache_get('x2', 'tags');
ROLLBACK;
SELECT covet.cache_get('x2', 'tags');
BEGIN;
SAVEPOINT s;
SELECT covet.cache_invalidate_tags('{t}', 'tags');
SELECT covet.cache_set('x3', 'inner', namespace => 'tags', tags => '{t}');
ROLLBACK TO s;
SELECT covet.cache_get_many('{x2,x3}', 'tags');
SELECT covet.cache_set('x3', 'outer', namespace => 'tags', tags => '{t}');
COMMIT;
SELECT covet.cache_get_many('{x2,x3}', 'tags');
SELECT covet.cache_invalidate_tags('{t}', 'tags');
SELECT covet.cache_get_many('{x2,x3}', 'tags');

-- limits: 8 tags of 1 to 255 bytes
SELECT covet.cache_set('l', 'x', namespace => 'tags', tags => '{1,2,3,4,5,6,7,8}');
SELECT tags FROM covet.cache_entries('{l}', 'tags');
SELECT covet.cache_set('l9', 'x', namespace => 'tags', tags => '{1,2,3,4,5,6,7,8,9}');
SELECT covet.cache_set_many('{l9}', '{x}', namespace => 'tags', tags => '{1,2,3,4,5,6,7,8,9}');
SELECT covet.cache_add('l9', 'x', namespace => 'tags', tags => '{1,2,3,4,5,6,7,8,9}');
SELECT covet.cache_replace('l', 'x', namespace => 'tags', tags => '{1,2,3,4,5,6,7,8,9}');
SELECT covet.cache_set('l', 'x', namespace => 'tags', tags => ARRAY[repeat('t', 255)]);
SELECT covet.cache_set('l9', 'x', namespace => 'tags', tags => ARRAY[repeat('t', 256)]);
SELECT covet.cache_set('l9', 'x', namespace => 'tags', tags => ARRAY['']);
SELECT covet.cache_set('l9', 'x', namespace => 'tags', tags => ARRAY['a', NULL]);
SELECT covet.cache_exists('l9', 'tags');
SELECT covet.cache_invalidate_tags(ARRAY[repeat('t', 255)], 'tags');
SELECT covet.cache_exists('l', 'tags');
SELECT covet.cache_invalidate_tags('{t}', NULL);
SELECT covet.cache_clear(NULL);
-- nothing of that was in the table
SELECT count(*) AS rows FROM covet._cache WHERE namespace IN ('tags', 'tags_b');
SELECT covet.cache_namespace_drop('tags');
SELECT covet.cache_namespace_drop('tags_b');
