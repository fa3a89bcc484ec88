-- memory_batch: the batch forms in memory namespaces
\set VERBOSITY sqlstate
SELECT covet.cache_namespace_set('batch', 'memory');

-- what is read is aligned with what was asked for
SELECT covet.cache_set_many('{a,b,c}', '{1,2,3}', namespace => 'batch');
SELECT covet.cache_get_many('{c,x,a,b}', 'batch');
SELECT covet.cache_get_many('{a,a,NULL,"",c,a}', 'batch');
SELECT covet.cache_get_many('{}', 'batch'), covet.cache_get_many('{none}', 'batch');
SELECT covet.cache_get_many('{a,b}');			-- of another namespace
SELECT covet.cache_get_many(ARRAY[repeat('k', 1025), 'b'], 'batch');
SELECT array_ndims(r), array_lower(r, 1), array_upper(r, 1)
FROM covet.cache_get_many('[5:7]={a,b,c}', 'batch') r;

-- any number of dimensions counts as its elements in order
SELECT ARRAY(SELECT unnest(covet.cache_get_many('{{a,x},{c,b}}', 'batch')));
SELECT covet.cache_set_many('{{d,e},{f,g}}', '{4,5,6,7}', namespace => 'batch');
SELECT ARRAY(SELECT unnest(covet.cache_get_many('{d,e,f,g}', 'batch')));
SELECT covet.cache_delete_many('{{d,e},{f,no}}', 'batch');
SELECT covet.cache_get_many('{d,e,f,g}', 'batch');

-- of duplicate keys the last wins and counts once
SELECT covet.cache_set_many('{a,d,a,d,a}', '{10,20,11,21,12}', namespace => 'batch');
SELECT covet.cache_get_many('{a,d}', 'batch');
SELECT covet.cache_delete_many('{a,a,d,d,none,none}', 'batch');
SELECT covet.cache_get_many('{a,b,c,d}', 'batch');

-- nothing to do is fine
SELECT covet.cache_set_many('{}', '{}', namespace => 'batch'),
	covet.cache_delete_many('{}', 'batch'),
	covet.cache_set_many_bytea('{}', '{}', namespace => 'batch'),
	covet.cache_set_many_jsonb('{}', '{}', namespace => 'batch');

-- misuse
SELECT covet.cache_set_many('{a,b}', '{1}', namespace => 'batch');
SELECT covet.cache_set_many('{a}', '{1,2}', namespace => 'batch');
SELECT covet.cache_set_many('{}', '{1}', namespace => 'batch');
SELECT covet.cache_set_many('{a,NULL}', '{1,2}', namespace => 'batch');
SELECT covet.cache_set_many('{a,b}', '{1,NULL}', namespace => 'batch');
SELECT covet.cache_set_many('{a,""}', '{1,2}', namespace => 'batch');
SELECT covet.cache_set_many(ARRAY['a', repeat('k', 1025)], '{1,2}', namespace => 'batch');
SELECT covet.cache_set_many_bytea('{a,b}', '{1}', namespace => 'batch');
SELECT covet.cache_set_many_jsonb('{a,b}', '{1,NULL}', namespace => 'batch');
SELECT covet.cache_get_many('{a}', NULL);
SELECT covet.cache_delete_many('{a}', NULL);
SELECT covet.cache_set_many('{a}', '{1}', namespace => NULL);
SELECT covet.cache_exists('a', 'batch');		-- nothing of all that was stored

-- deletes skip NULL and what cannot exist
SELECT covet.cache_delete_many(ARRAY[NULL, '', repeat('k', 1025), 'b'], 'batch');
SELECT covet.cache_get_many('{b,c}', 'batch');

-- the other types
SELECT covet.cache_set_many_bytea('{x,y}', ARRAY['\x00'::bytea, '\xff'], namespace => 'batch');
SELECT covet.cache_get_many_bytea('{y,none,x,c}', 'batch');
SELECT covet.cache_set_many_jsonb('{j,k}', ARRAY['{"a": 1}'::jsonb, 'null'], namespace => 'batch');
SELECT covet.cache_get_many_jsonb('{k,none,j,c}', 'batch');
SELECT covet.cache_get_many('{j,c}', 'batch');
SELECT covet.cache_get_many('{c,x}', 'batch');			-- a zero byte
SELECT covet.cache_set('notjson', 'x', namespace => 'batch');
SELECT covet.cache_get_many_jsonb('{j,notjson}', 'batch');

-- one ttl and one set of tags for all; zero keeps nothing and removes
SELECT covet.cache_set_many('{a,b}', '{1,2}', '1 hour', 'batch', '{t1,t2}');
SELECT key, kind, tags, expires_at - clock_timestamp() BETWEEN '50 min' AND '1 hour' AS hour
FROM covet.cache_entries('{b,none,a}', 'batch') ORDER BY key;
SELECT covet.cache_set_many('{a,c}', '{1,2}', '0', 'batch');
SELECT covet.cache_get_many('{a,b,c}', 'batch');

-- a batch is atomic and rolls back whole
BEGIN;
SELECT covet.cache_set_many('{b,n}', '{changed,new}', namespace => 'batch');
SELECT covet.cache_delete_many('{j,k}', 'batch');
SELECT covet.cache_get_many('{b,n,j,k}', 'batch');
ROLLBACK;
SELECT covet.cache_get_many('{b,n,j,k}', 'batch');

-- thousands
SELECT covet.cache_set_many(array_agg('n' || i), array_agg(i::text), namespace => 'batch')
FROM generate_series(1, 5000) i;
SELECT count(v), sum(v::int)
FROM unnest(covet.cache_get_many((SELECT array_agg('n' || i) FROM generate_series(1, 5001) i), 'batch')) v;
SELECT bool_and(v IS NOT DISTINCT FROM CASE WHEN i <= 5000 THEN i::text END) AS aligned
FROM unnest(covet.cache_get_many((SELECT array_agg('n' || i ORDER BY i DESC) FROM generate_series(0, 5001) i WHERE i > 0), 'batch'))
	WITH ORDINALITY u (v, o), LATERAL (SELECT 5002 - o AS i) s;
SELECT covet.cache_delete_many((SELECT array_agg('n' || i) FROM generate_series(1, 5001) i), 'batch');
SELECT count(*) FROM covet.cache_scan('n', namespace => 'batch') WHERE key ~ '^n\d';
-- an array with more elements than a call takes
SELECT covet.cache_delete_many(array_fill(''::text, ARRAY[16777217]));
-- nothing of that was in the table
SELECT count(*) AS rows FROM covet._cache WHERE namespace IN ('batch');
SELECT covet.cache_namespace_drop('batch');
