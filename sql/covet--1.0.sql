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
