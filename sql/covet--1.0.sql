-- covet 1.0
\echo Use "CREATE EXTENSION covet" to load this file. \quit

CREATE SCHEMA covet;
GRANT USAGE ON SCHEMA covet TO PUBLIC;

-- ====================================================================
-- MongoDB types
-- ====================================================================

CREATE FUNCTION covet.mongo_plain(doc jsonb) RETURNS jsonb
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS '$libdir/covet_mongo', 'covet_mongo_plain';
COMMENT ON FUNCTION covet.mongo_plain(jsonb) IS
	'a document with plain values (hexadecimal digits, ISO dates, numbers) in place of Extended JSON';

CREATE FUNCTION covet.mongo_oid(hex text DEFAULT NULL) RETURNS json
	LANGUAGE c VOLATILE PARALLEL SAFE
	AS '$libdir/covet_mongo', 'covet_mongo_oid';
COMMENT ON FUNCTION covet.mongo_oid(text) IS
	'a new ObjectId, or the one given as hexadecimal digits';

-- The mapping between JSON and BSON by itself, private: for tests.
CREATE FUNCTION covet._bson_from_json(doc json) RETURNS bytea
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS '$libdir/covet_mongo', 'covet__bson_from_json';
REVOKE ALL ON FUNCTION covet._bson_from_json(json) FROM PUBLIC;

CREATE FUNCTION covet._bson_to_jsonb(doc bytea) RETURNS jsonb
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS '$libdir/covet_mongo', 'covet__bson_to_jsonb';
REVOKE ALL ON FUNCTION covet._bson_to_jsonb(bytea) FROM PUBLIC;

CREATE FUNCTION covet._bson_to_json(doc bytea) RETURNS json
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS '$libdir/covet_mongo', 'covet__bson_to_json';
REVOKE ALL ON FUNCTION covet._bson_to_json(bytea) FROM PUBLIC;

-- ====================================================================
-- MongoDB
-- ====================================================================

CREATE FUNCTION covet._mongo_validator(options text[], catalog oid) RETURNS void
	STRICT LANGUAGE C STABLE PARALLEL SAFE
	AS '$libdir/covet_mongo', 'covet__mongo_validator';

-- USAGE on it is granted to nobody: whoever makes a server decides where this
-- machine connects to.
CREATE FOREIGN DATA WRAPPER covet_mongo NO HANDLER VALIDATOR covet._mongo_validator;
COMMENT ON FOREIGN DATA WRAPPER covet_mongo IS
	'MongoDB servers, for the mongo_ functions of covet';

CREATE FUNCTION covet.mongo_ping(server text) RETURNS interval
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS '$libdir/covet_mongo', 'covet_mongo_ping';
COMMENT ON FUNCTION covet.mongo_ping(text) IS
	'round trip to a MongoDB server';
REVOKE ALL ON FUNCTION covet.mongo_ping(text) FROM PUBLIC;

-- The streaming halves of mongo_find: value-per-call, so that a query that
-- stops early stops the transfer.
CREATE FUNCTION covet._mongo_find(server text, database text, collection text,
		filter json, projection json, sort json, max_docs bigint, skip bigint, options json)
	RETURNS SETOF jsonb
	LANGUAGE C STABLE PARALLEL UNSAFE ROWS 1000
	AS '$libdir/covet_mongo', 'covet__mongo_find';
REVOKE ALL ON FUNCTION covet._mongo_find(text, text, text, json, json, json, bigint, bigint, json)
	FROM PUBLIC;

CREATE FUNCTION covet._mongo_find_json(server text, database text, collection text,
		filter json, projection json, sort json, max_docs bigint, skip bigint, options json)
	RETURNS SETOF json
	LANGUAGE C STABLE PARALLEL UNSAFE ROWS 1000
	AS '$libdir/covet_mongo', 'covet__mongo_find_json';
REVOKE ALL ON FUNCTION covet._mongo_find_json(text, text, text, json, json, json, bigint, bigint, json)
	FROM PUBLIC;

-- No STRICT, no SET, no SECURITY DEFINER: any of them would keep PostgreSQL
-- from inlining these two, and then FROM would collect all rows first.
-- cache_ttl has no effect: results are always read from the server.
CREATE FUNCTION covet.mongo_find(server text, database text, collection text,
		filter json DEFAULT '{}', projection json DEFAULT NULL, sort json DEFAULT NULL,
		max_docs bigint DEFAULT NULL, skip bigint DEFAULT NULL,
		cache_ttl interval DEFAULT NULL, options json DEFAULT NULL)
	RETURNS SETOF jsonb
	LANGUAGE sql STABLE PARALLEL UNSAFE ROWS 1000
BEGIN ATOMIC
	SELECT covet._mongo_find(server, database, collection, filter, projection, sort,
							 max_docs, skip, options);
END;
COMMENT ON FUNCTION covet.mongo_find(text, text, text, json, json, json, bigint, bigint, interval, json) IS
	'documents of a MongoDB collection that match a filter, streamed';
REVOKE ALL ON FUNCTION covet.mongo_find(text, text, text, json, json, json, bigint, bigint, interval, json)
	FROM PUBLIC;

CREATE FUNCTION covet.mongo_find_json(server text, database text, collection text,
		filter json DEFAULT '{}', projection json DEFAULT NULL, sort json DEFAULT NULL,
		max_docs bigint DEFAULT NULL, skip bigint DEFAULT NULL,
		cache_ttl interval DEFAULT NULL, options json DEFAULT NULL)
	RETURNS SETOF json
	LANGUAGE sql STABLE PARALLEL UNSAFE ROWS 1000
BEGIN ATOMIC
	SELECT covet._mongo_find_json(server, database, collection, filter, projection, sort,
								  max_docs, skip, options);
END;
COMMENT ON FUNCTION covet.mongo_find_json(text, text, text, json, json, json, bigint, bigint, interval, json) IS
	'documents of a MongoDB collection that match a filter, streamed, with the order of their keys';
REVOKE ALL ON FUNCTION covet.mongo_find_json(text, text, text, json, json, json, bigint, bigint, interval, json)
	FROM PUBLIC;

CREATE FUNCTION covet.mongo_insert_one(server text, database text, collection text,
		document json, options json DEFAULT NULL)
	RETURNS jsonb
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS '$libdir/covet_mongo', 'covet_mongo_insert_one';
COMMENT ON FUNCTION covet.mongo_insert_one(text, text, text, json, json) IS
	'insert a document into a MongoDB collection and return its _id';
REVOKE ALL ON FUNCTION covet.mongo_insert_one(text, text, text, json, json) FROM PUBLIC;

CREATE FUNCTION covet.mongo_insert_many(server text, database text, collection text,
		documents json[], ordered boolean DEFAULT true, options json DEFAULT NULL)
	RETURNS bigint
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS '$libdir/covet_mongo', 'covet_mongo_insert_many';
COMMENT ON FUNCTION covet.mongo_insert_many(text, text, text, json[], boolean, json) IS
	'insert documents into a MongoDB collection and return how many went in';
REVOKE ALL ON FUNCTION covet.mongo_insert_many(text, text, text, json[], boolean, json) FROM PUBLIC;

CREATE FUNCTION covet.mongo_drop_collection(server text, database text, collection text,
		options json DEFAULT NULL)
	RETURNS boolean
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS '$libdir/covet_mongo', 'covet_mongo_drop_collection';
COMMENT ON FUNCTION covet.mongo_drop_collection(text, text, text, json) IS
	'drop a MongoDB collection; true when there was one';
REVOKE ALL ON FUNCTION covet.mongo_drop_collection(text, text, text, json) FROM PUBLIC;
