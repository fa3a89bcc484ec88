-- The floor's functions, with the signatures and properties of covet's. psql
-- variable: floor, the module without its suffix.
CREATE FUNCTION floor_get(key text, namespace text DEFAULT 'default')
RETURNS text
AS :'floor', 'floor_get'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION floor_get_many(keys text[], namespace text DEFAULT 'default')
RETURNS text[]
AS :'floor', 'floor_get_many'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION floor_set(
	key text, value text, ttl interval DEFAULT NULL, namespace text DEFAULT 'default',
	tags text[] DEFAULT NULL, idle interval DEFAULT NULL)
RETURNS boolean
AS :'floor', 'floor_set'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
