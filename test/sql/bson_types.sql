--
-- BSON to JSON and back: every type, every way of writing it, and what is
-- refused.  The bytes are those of the BSON specification's own test corpus.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS covet;
RESET client_min_messages;
SET timezone = 'UTC';

-- SQLSTATE, message and detail of the error a statement raises
CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ' ' || SQLERRM || coalesce(' | ' || nullif(detail, ''), '');
END $$;

CREATE FUNCTION error_in(doc text) RETURNS text LANGUAGE sql AS
	$$ SELECT error_of(format('SELECT covet._bson_from_json(%L)', doc)) $$;

CREATE FUNCTION error_out(doc bytea) RETURNS text LANGUAGE sql AS
	$$ SELECT error_of(format('SELECT covet._bson_to_jsonb(%L), covet._bson_to_json(%L)', doc, doc)) $$;

-- A document {"d": <8 bytes of a double>}
CREATE FUNCTION double_doc(bits bigint) RETURNS bytea LANGUAGE sql AS $$
	SELECT '\x10000000016400'::bytea || string_agg(substr(int8send(bits), i, 1), '' ORDER BY i DESC) || '\x00'
	FROM generate_series(1, 8) i $$;

-- Every type: what comes out, and that this goes in again as the same bytes
CREATE TABLE bson_type (name text PRIMARY KEY, bson bytea, out_json text);
INSERT INTO bson_type VALUES
	('double', '\x10000000016400000000000000f03f00', '{"d": 1.0}'),
	('string', '\x0e00000002610002000000620000', '{"a": "b"}'),
	('empty string', '\x0d000000026100010000000000', '{"a": ""}'),
	('document', '\x160000000378000e0000000261000200000062000000', '{"x": {"a": "b"}}'),
	('empty document', '\x0d000000037800050000000000', '{"x": {}}'),
	('array', '\x140000000461000c0000001030000a0000000000', '{"a": [10]}'),
	('empty array', '\x0d000000046100050000000000', '{"a": []}'),
	('binary', '\x0f0000000578000200000000ffff00', '{"x": {"$binary": {"base64": "//8=", "subType": "00"}}}'),
	('empty binary', '\x0d000000057800000000000000', '{"x": {"$binary": {"base64": "", "subType": "00"}}}'),
	('binary 02', '\x13000000057800060000000202000000ffff00', '{"x": {"$binary": {"base64": "//8=", "subType": "02"}}}'),
	('binary 03', '\x1d000000057800100000000373ffd26444b34c6990e8e7d1dfc035d400', '{"x": {"$binary": {"base64": "c//SZESzTGmQ6OfR38A11A==", "subType": "03"}}}'),
	('uuid', '\x1d000000057800100000000473ffd26444b34c6990e8e7d1dfc035d400', '{"x": {"$uuid": "73ffd264-44b3-4c69-90e8-e7d1dfc035d4"}}'),
	('binary 04, not a uuid', '\x0f0000000578000200000004ffff00', '{"x": {"$binary": {"base64": "//8=", "subType": "04"}}}'),
	('binary 80', '\x0f0000000578000200000080ffff00', '{"x": {"$binary": {"base64": "//8=", "subType": "80"}}}'),
	('undefined', '\x0800000006610000', '{"a": {"$undefined": true}}'),
	('ObjectId', '\x1400000007610056e1fc72e0c917e9c471416100', '{"a": {"$oid": "56e1fc72e0c917e9c4714161"}}'),
	('true', '\x090000000862000100', '{"b": true}'),
	('false', '\x090000000862000000', '{"b": false}'),
	('date', '\x10000000096100c5d8d6cc3b01000000', '{"a": {"$date": "2012-12-24T12:15:30.501Z"}}'),
	('date 1970', '\x10000000096100000000000000000000', '{"a": {"$date": "1970-01-01T00:00:00.000Z"}}'),
	('date before 1970', '\x10000000096100c33ce7b9bdffffff00', '{"a": {"$date": {"$numberLong": "-284643869501"}}}'),
	('date, last of 9999', '\x10000000096100ffdb1fd277e6000000', '{"a": {"$date": "9999-12-31T23:59:59.999Z"}}'),
	('date, first of 10000', '\x1000000009610000dc1fd277e6000000', '{"a": {"$date": {"$numberLong": "253402300800000"}}}'),
	('null', '\x080000000a610000', '{"a": null}'),
	('regex', '\x0f0000000b610061626300696d0000', '{"a": {"$regularExpression": {"pattern": "abc", "options": "im"}}}'),
	('DBPointer', '\x1a0000000c610002000000620056e1fc72e0c917e9c471416100', '{"a": {"$dbPointer": {"$ref": "b", "$id": {"$oid": "56e1fc72e0c917e9c4714161"}}}}'),
	('code', '\x0e0000000d610002000000620000', '{"a": {"$code": "b"}}'),
	('symbol', '\x0e0000000e610002000000620000', '{"a": {"$symbol": "b"}}'),
	('code with scope', '\x210000000f6100190000000500000061626364000c000000107800010000000000', '{"a": {"$code": "abcd", "$scope": {"x": 1}}}'),
	('int32', '\x0c0000001069000100000000', '{"i": 1}'),
	('int32 min', '\x0c0000001069000000008000', '{"i": -2147483648}'),
	('int32 max', '\x0c000000106900ffffff7f00', '{"i": 2147483647}'),
	('timestamp', '\x100000001161002a00000015cd5b0700', '{"a": {"$timestamp": {"t": 123456789, "i": 42}}}'),
	('timestamp max', '\x10000000116100ffffffffffffffff00', '{"a": {"$timestamp": {"t": 4294967295, "i": 4294967295}}}'),
	('int64', '\x10000000126100010000000000000000', '{"a": {"$numberLong": "1"}}'),
	('int64, below int32', '\x10000000126100ffffff7fffffffff00', '{"a": -2147483649}'),
	('int64, above int32', '\x10000000126100000000800000000000', '{"a": 2147483648}'),
	('int64 min', '\x10000000126100000000000000008000', '{"a": -9223372036854775808}'),
	('int64 max', '\x10000000126100ffffffffffffff7f00', '{"a": 9223372036854775807}'),
	('decimal', '\x1800000013640001000000000000000000000000003e3000', '{"d": {"$numberDecimal": "0.1"}}'),
	('decimal NaN', '\x180000001364000000000000000000000000000000007c00', '{"d": {"$numberDecimal": "NaN"}}'),
	('decimal -Infinity', '\x18000000136400000000000000000000000000000000f800', '{"d": {"$numberDecimal": "-Infinity"}}'),
	('decimal, largest', '\x18000000136400ffffffff638e8d37c087adbe09edff5f00', '{"d": {"$numberDecimal": "9.999999999999999999999999999999999E+6144"}}'),
	('minKey', '\x08000000ff610000', '{"a": {"$minKey": 1}}'),
	('maxKey', '\x080000007f610000', '{"a": {"$maxKey": 1}}'),
	('no field', '\x0500000000', '{}'),
	('empty key', '\x0b00000010000100000000', '{"": 1}');

SELECT name,
	covet._bson_to_json(bson)::text = out_json AS json,
	covet._bson_to_jsonb(bson) = out_json::jsonb AS jsonb,
	covet._bson_from_json(covet._bson_to_json(bson)) = bson AS json_back,
	covet._bson_from_json(covet._bson_to_jsonb(bson)::json) = bson AS jsonb_back
FROM bson_type ORDER BY name COLLATE "C";

-- jsonb prints what went in
SELECT covet._bson_to_jsonb(bson) FROM bson_type ORDER BY name COLLATE "C";

-- Every other way to write a value
CREATE FUNCTION value_of(json) RETURNS jsonb LANGUAGE sql AS
	$$ SELECT covet._bson_to_jsonb(covet._bson_from_json($1)) $$;
SELECT form, value_of(form::json) FROM unnest(ARRAY[
	-- canonical numbers
	'{"a": {"$numberInt": "-5"}}', '{"a": {"$numberLong": "5"}}', '{"a": {"$numberLong": "5000000000"}}',
	'{"a": {"$numberDouble": "5"}}', '{"a": {"$numberDouble": "1.5e10"}}', '{"a": {"$numberDouble": "-0.0"}}',
	'{"a": {"$numberDouble": "NaN"}}', '{"a": {"$numberDouble": "Infinity"}}', '{"a": {"$numberDouble": "-Infinity"}}',
	'{"a": {"$numberDecimal": "5"}}', '{"a": {"$numberDecimal": "-1.50E+3"}}', '{"a": {"$numberDecimal": "Infinity"}}',
	-- dates
	'{"a": {"$date": {"$numberLong": "1356351330501"}}}', '{"a": {"$date": 1356351330501}}', '{"a": {"$date": 5}}',
	-- binary of version 1
	'{"a": {"$binary": "//8=", "$type": "00"}}', '{"a": {"$type": "80", "$binary": "//8="}}',
	'{"a": {"$binary": "//8=", "$type": 5}}', '{"a": {"$binary": "c//SZESzTGmQ6OfR38A11A==", "$type": "4"}}',
	'{"a": {"$binary": {"subType": "0", "base64": ""}}}', '{"a": {"$binary": {"base64": "c//SZESzTGmQ6OfR38A11A==", "subType": "04"}}}',
	'{"a": {"$uuid": "73FFD264-44B3-4C69-90E8-E7D1DFC035D4"}}', '{"a": {"$oid": "56E1FC72E0C917E9C4714161"}}',
	-- regular expressions of version 1, and options in another order
	'{"a": {"$regex": "^b", "$options": "xi"}}', '{"a": {"$options": "", "$regex": "^b"}}',
	'{"a": {"$regularExpression": {"options": "smi", "pattern": "b/c"}}}',
	'{"a": {"$code": "f", "$scope": {"id": {"$oid": "56e1fc72e0c917e9c4714161"}}}}',
	'{"a": {"$scope": {}, "$code": "f"}}'
	]) WITH ORDINALITY AS t (form, i) ORDER BY i;

-- What looks alike and stays a document
SELECT form, value_of(form::json) = form::jsonb AS same FROM unnest(ARRAY[
	'{"a": {"$type": "string"}}', '{"a": {"$type": 2}}', '{"a": {"$options": "i"}}', '{"a": {"$scope": {}}}',
	'{"a": {"$regex": "^b"}}', '{"a": {"$regex": "^b", "$options": "i", "$ne": "c"}}',
	'{"a": {"$elemMatch": {"$regex": "^b", "$options": "i"}}}',
	'{"a": {"$regex": {"$regularExpression": {"pattern": "b", "options": ""}}, "$options": "i"}}',
	'{"a": {"$ref": "c", "$id": {"$oid": "56e1fc72e0c917e9c4714161"}}}', '{"a": {"$ref": "c", "$id": 1, "$db": "d", "x": 1}}',
	'{"$and": [{"a": {"$gt": 1}}, {"$or": [{"b": {"$in": [1, null]}}]}]}', '{"a": {"$key": 1}}', '{"$oid": "at the top"}',
	'{"a": {"$": 1, "": 2}}'
	]) WITH ORDINALITY AS t (form, i) ORDER BY i;

-- Numbers: the text decides the type
SELECT number, covet._bson_from_json(format('{"a": %s}', number)::json) AS bson,
	value_of(format('{"a": %s}', number)::json) AS back
FROM unnest(ARRAY['0', '-0', '1', '1.0', '-0.0', '0e0', '1e0', '1E2', '2147483647', '2147483648', '-2147483648', '-2147483649',
	'9223372036854775807', '-9223372036854775808', '9223372036854775808.0', '0.1', '1e15', '1e-5', '123456789012345678e3',
	'1.7976931348623157e308', '5e-324', '2.2250738585072014e-308']) WITH ORDINALITY AS t (number, i) ORDER BY i;
SELECT covet._bson_to_json(covet._bson_from_json('{"a": 1e22, "b": -1.5e20, "c": 1e-7, "d": -1.25e-7, "e": 123456.789e11, "f": 999999999999999.5}'));
SELECT error_in(format('{"a": %s}', number)) FROM unnest(ARRAY['9223372036854775808', '-9223372036854775809', '1e400', '-1e309', '1e-400']) AS number;

-- Dates: any zone of ISO 8601, rounded to milliseconds
SELECT date, value_of(json_build_object('a', json_build_object('$date', date))) -> 'a' -> '$date' AS back
FROM unnest(ARRAY['2020-02-29T01:02:03Z', '2020-02-29T01:02:03.4z', '2020-02-29t01:02:03,45+00:00', '2020-02-29T01:02+05:30', '2020-02-29T01:02:03-0800',
	'2020-02-29T01:02:03+14', '2020-02-29 01:02:03.123456+05:45', '2020-02-29T01:02:03.1234Z', '2020-02-29T01:02:03.1235Z', '2020-12-31T23:59:59.9995Z',
	'2020-02-29T01:02:03', '2020-02-29', '2020-02-29T24:00:00Z', '2016-12-31T23:59:60Z', '1969-12-31T23:59:59.9995Z', '1969-12-31T23:59:59.999Z', '0001-01-01T00:00:00Z',
	'0000-12-31T00:00:00Z', '0001-12-31T00:00:00Z BC', '0005-02-29 BC', '-0004-02-29T00:00:00Z', '+010000-01-01T00:00:00Z', '10000-01-01T00:00:00Z', '1883-11-18T12:00:00-04:56:02'])
	WITH ORDINALITY AS t (date, i) ORDER BY i;
-- what PostgreSQL itself writes
SET timezone = 'Asia/Kathmandu';
SELECT at, value_of(json_build_object('a', json_build_object('$date', at))) -> 'a' -> '$date' AS back
FROM unnest(ARRAY['2020-01-01 00:00:00.123456+00', '1900-01-01 00:00:00+00', '0044-03-15 12:00:00+00 BC', '12020-01-01 00:00:00+00']::timestamptz[]) AS at;
SELECT bool_and((value_of(json_build_object('a', json_build_object('$date', at))) -> 'a' -> '$date' ->> '$numberLong')::numeric
	= extract(epoch FROM at) * 1000) AS exact
FROM generate_series('4700-01-01 BC'::timestamptz, '1969-12-31', '97 days 05:17:11.013') AS at;
SELECT bool_and((value_of(json_build_object('a', json_build_object('$date', at))) -> 'a' ->> '$date')::timestamptz = at) AS exact
FROM generate_series('1970-01-01+00'::timestamptz, '9999-12-31', '397 days 05:17:11.013') AS at;
SET timezone = 'UTC';
SELECT error_in(json_build_object('a', json_build_object('$date', date))::text)
FROM unnest(ARRAY['', 'today', 'infinity', '2019-02-29', '2020-13-01', '2020-00-01', '2020-01-00', '2020-04-31', '2020-01-01T25:00Z', '2020-01-01T24:00:01Z', '2020-01-01T01:60Z',
	'2020-01-01T01:02:61Z', '2020-01-01T01', '2020-01-01T01:02:03.Z', '2020-01-01T01:02:03+24', '2020-01-01T01:02:03Zjunk', '2020-1-1', '999999999-01-01T00:00:00Z', '0000-01-01 BC',
	'2020-01-01T', '2020-01-01 BC BC', ' 2020-01-01']) AS date;

-- Misshapen Extended JSON
SELECT form, error_in(format('{"a": %s}', form)) FROM unnest(ARRAY[
	'{"$oid": "xyz"}', '{"$oid": "56e1fc72e0c917e9c471416"}', '{"$oid": "56e1fc72e0c917e9c47141611"}', '{"$oid": 1}', '{"$oid": "56e1fc72e0c917e9c4714161", "x": 1}', '{"x": 1, "$oid": "56e1fc72e0c917e9c4714161"}',
	'{"$oid": "56e1fc72e0c917e9c4714161", "$oid": "56e1fc72e0c917e9c4714161"}',
	'{"$numberInt": 5}', '{"$numberInt": "5.0"}', '{"$numberInt": ""}', '{"$numberInt": "-"}', '{"$numberInt": "2147483648"}', '{"$numberInt": " 5"}',
	'{"$numberLong": 5}', '{"$numberLong": "x"}', '{"$numberLong": "9223372036854775808"}',
	'{"$numberDouble": 5.0}', '{"$numberDouble": "x"}', '{"$numberDouble": ""}', '{"$numberDouble": "0x10"}', '{"$numberDouble": "nan"}', '{"$numberDouble": "1e400"}',
	'{"$numberDecimal": 1}', '{"$numberDecimal": "x"}', '{"$numberDecimal": "1E+6145"}', '{"$numberDecimal": "12345678901234567890123456789012345"}',
	'{"$binary": "//8="}', '{"$binary": {"base64": "//8="}}', '{"$binary": {"base64": "/", "subType": "00"}}', '{"$binary": {"base64": "//8", "subType": "00"}}', '{"$binary": {"base64": "/*8=", "subType": "00"}}', '{"$binary": {"base64": "//8=", "subType": "100"}}', '{"$binary": {"base64": "//8=", "subType": "xy"}}', '{"$binary": {"base64": "//8=", "subType": "00", "x": 1}}', '{"$binary": "//8=", "$type": 256}', '{"$binary": {"base64": "//8=", "subType": "00"}, "$type": "00"}',
	'{"$uuid": "73ffd26444b34c6990e8e7d1dfc035d4"}', '{"$uuid": "73ffd264-44b3-4c69-90e8-e7d1dfc035dx"}', '{"$uuid": 1}',
	'{"$code": 1}', '{"$code": "f", "$scope": 1}', '{"$code": "f", "x": 1}', '{"$symbol": 1}',
	'{"$timestamp": 1}', '{"$timestamp": {"t": 1}}', '{"$timestamp": {"t": 1, "i": -1}}', '{"$timestamp": {"t": 4294967296, "i": 1}}', '{"$timestamp": {"t": 1, "i": 1, "x": 1}}', '{"$timestamp": {"t": 1.0, "i": 1}}',
	'{"$regularExpression": "x"}', '{"$regularExpression": {"pattern": "x"}}', '{"$regularExpression": {"pattern": 1, "options": ""}}',
	'{"$dbPointer": 1}', '{"$dbPointer": {"$ref": "b", "$id": 1}}', '{"$dbPointer": {"$ref": 1, "$id": {"$oid": "56e1fc72e0c917e9c4714161"}}}',
	'{"$date": 1.5}', '{"$date": true}', '{"$date": {"$numberDouble": "1"}}', '{"$date": {}}',
	'{"$minKey": 2}', '{"$minKey": true}', '{"$maxKey": "1"}', '{"$undefined": false}', '{"$undefined": 1}'
	]) WITH ORDINALITY AS t (form, i) ORDER BY i;

-- Only an object is a document
SELECT doc, error_in(doc) FROM unnest(ARRAY['[]', '1', '"x"', 'null', 'true', '[{"a": 1}]']) AS doc;
SELECT covet._bson_from_json(NULL), covet._bson_to_jsonb(NULL), covet._bson_to_json(NULL), covet.mongo_plain(NULL);

-- Duplicate keys and the order of keys
SELECT covet._bson_from_json('{"b": 1, "a": 2, "b": 3}') AS bson,
	covet._bson_to_json(covet._bson_from_json('{"b": 1, "a": {"z": 1, "y": 1}, "b": 3}')) AS json,
	covet._bson_to_jsonb(covet._bson_from_json('{"b": 1, "a": {"z": 1, "y": 1}, "b": 3}')) AS jsonb;
-- arrays are read by position, whatever their keys
SELECT covet._bson_to_jsonb('\x1b0000000461001300000010780001000000107800020000000000');
-- more elements than fit one digit
SELECT covet._bson_to_jsonb(covet._bson_from_json(json_build_object('a', (SELECT json_agg(i) FROM generate_series(0, 1234) i))))
	= jsonb_build_object('a', (SELECT jsonb_agg(i) FROM generate_series(0, 1234) i)) AS same;
-- a long string
SELECT covet._bson_to_jsonb(covet._bson_from_json(json_build_object('a', repeat('x', 3000000)))) ->> 'a' = repeat('x', 3000000) AS same;

-- Text: escapes, other planes, U+0000
SELECT covet._bson_from_json(E'{"\\u00e9\\"\\n": "\\ud83d\\ude00\\t\\\\"}') AS bson,
	value_of(E'{"\\u00e9\\"\\n": "\\ud83d\\ude00\\t\\\\"}') = E'{"\\u00e9\\"\\n": "\\ud83d\\ude00\\t\\\\"}'::jsonb AS same,
	covet._bson_to_json(covet._bson_from_json(E'{"a\\"\\u0001": "\\b\\f\\r\\u001f/"}')) AS json;
SELECT error_in(doc) FROM unnest(ARRAY['{"a": "x\u0000y"}', '{"a\u0000": 1}', '{"a": {"$symbol": "\u0000"}}']) AS doc;
SELECT what, error_out(bson::bytea) FROM (VALUES
	('U+0000 in a string', '\x0f0000000261000300000061000000'),
	('U+0000 in code', '\x0f0000000d61000300000061000000'),
	('not UTF-8', '\x0e00000002610002000000ff0000'),
	('half a surrogate pair', '\x1000000002610004000000eda0800000'),
	('overlong NUL', '\x0f00000002610003000000c0800000'),
	('key not UTF-8', '\x080000000aff0000'),
	('pattern not UTF-8', '\x0b0000000b6100ff000000')) AS t (what, bson);

-- Nesting: 250 levels, the document itself being one
SELECT n, covet._bson_to_json(covet._bson_from_json((repeat('{"a":', n) || '{}' || repeat('}', n))::json))::text
	= repeat('{"a": ', n) || '{}' || repeat('}', n) AS same FROM unnest(ARRAY[1, 100, 249]) n;
SELECT n, error_in(repeat('{"a":', n) || '{}' || repeat('}', n)) FROM unnest(ARRAY[249, 250, 1000]) n;
SELECT n, error_in('{"a":' || repeat('[', n) || repeat(']', n) || '}') FROM unnest(ARRAY[249, 250]) n;
-- deeper than any stack: a corrupt peer's document
CREATE FUNCTION nested(levels integer) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
	size integer := 5 + 8 * levels;
	bytes bytea := '';
BEGIN
	FOR i IN 1 .. levels LOOP
		bytes := bytes || substr(int4send(size), 4, 1) || substr(int4send(size), 3, 1) || substr(int4send(size), 2, 1) || substr(int4send(size), 1, 1) || '\x036100'::bytea;
		size := size - 8;
	END LOOP;
	RETURN bytes || '\x0500000000'::bytea || decode(repeat('00', levels), 'hex');
END $$;
SELECT n, error_out(nested(n)) FROM unnest(ARRAY[249, 250, 5000]) n;

-- Corrupt documents
SELECT what, error_out(bson::bytea) FROM (VALUES
	('nothing', '\x'),
	('short', '\x04000000'),
	('size too large', '\x0600000000'),
	('size too small', '\x040000000000'),
	('no NUL at the end', '\x0500000001'),
	('more behind the end', '\x080000000000000000'),
	('ends inside a key', '\x0700000061626300'),
	('type that does not exist', '\x080000002a610000'),
	('ends inside an int32', '\x0b00000010690001000000'),
	('ends inside a double', '\x0a000000016400000000'),
	('string too long', '\x0e00000002610003000000620000'),
	('string of no bytes', '\x0d000000026100000000000000'),
	('string of 4 GB', '\x0e000000026100ffffffff620000'),
	('string without NUL', '\x0e00000002610001000000620000'),
	('document too long', '\x160000000378000f0000000261000200000062000000'),
	('document of no bytes', '\x0d000000037800000000000000'),
	('document of 4 bytes', '\x0d000000037800040000000000'),
	('document of 4 GB', '\x0d000000037800ffffffff0000'),
	('document without NUL', '\x0d000000037800050000000100'),
	('array too long', '\x0d000000046100060000000000'),
	('binary too long', '\x0f0000000578000300000000ffff00'),
	('binary of 4 GB', '\x0f000000057800ffffffff00ffff00'),
	('binary 02 without its size', '\x0f0000000578000200000002ffff00'),
	('binary 02 with another size', '\x13000000057800060000000203000000ffff00'),
	('bool of 2', '\x090000000862000200'),
	('regex without end', '\x0b0000000b610061626300'),
	('DBPointer of 4 GB', '\x1a0000000c6100ffffffff620056e1fc72e0c917e9c471416100'),
	('DBPointer without ObjectId', '\x0e0000000c610002000000620000'),
	('code with scope, too long', '\x210000000f61001a0000000500000061626364000c000000107800010000000000'),
	('code with scope, code too long', '\x210000000f6100190000000600000061626364000c000000107800010000000000'),
	('code with scope, code of no bytes', '\x210000000f6100190000000000000061626364000c000000107800010000000000'),
	('code with scope, code without NUL', '\x210000000f6100190000000500000061626364650c000000107800010000000000'),
	('code with scope, scope corrupt', '\x210000000f6100190000000500000061626364000c0000002a7800010000000000')
	) AS t (what, bson);

-- Random documents: JSON, jsonb and bytes agree.  Keys rise, so that jsonb
-- keeps their order.
CREATE FUNCTION random_of(VARIADIC choices text[]) RETURNS text LANGUAGE sql AS
	$$ SELECT choices[1 + floor(random() * cardinality(choices))::integer] $$;
CREATE FUNCTION random_bytes(most integer) RETURNS bytea LANGUAGE sql AS
	$$ SELECT coalesce(decode(string_agg(lpad(to_hex(floor(random() * 256)::integer), 2, '0'), ''), 'hex'), '')
	   FROM generate_series(1, floor(random() * (most + 1))::integer) $$;
CREATE FUNCTION random_string() RETURNS json LANGUAGE sql AS
	$$ SELECT to_json(coalesce(string_agg(random_of('a', 'Z', '"', '\', E'\n', E'\u00e9', E'\u20ac', E'\U0001F600', ' ', '$', '.'), ''), ''))
	   FROM generate_series(1, floor(random() * 6)::integer) $$;
CREATE FUNCTION random_long() RETURNS bigint LANGUAGE sql AS
	$$ SELECT (random() * power(2, floor(random() * 63)) * sign(random() - 0.5))::bigint $$;
CREATE FUNCTION random_value(depth integer) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
	n integer := floor(random() * 5);
BEGIN
	CASE floor(random() * CASE WHEN depth > 0 THEN 20 ELSE 17 END)::integer
		WHEN 0 THEN RETURN random_string();
		WHEN 1 THEN RETURN random_long();
		WHEN 2 THEN RETURN json_build_object('$numberLong', random_long()::text);
		WHEN 3 THEN RETURN json_build_object('$numberDouble', to_json((random() - 0.5) * power(10, floor(random() * 600) - 300))::text);
		WHEN 4 THEN RETURN json_build_object('$numberDecimal', random_long()::text || random_of('', '.5', 'E+100', '.000', 'E-6000'));
		WHEN 5 THEN RETURN random_of('true', 'false', 'null');
		WHEN 6 THEN RETURN json_build_object('$oid', lpad(to_hex(random_long()), 24, '0'));
		WHEN 7 THEN RETURN json_build_object('$date', json_build_object('$numberLong', random_long()::text));
		WHEN 8 THEN RETURN json_build_object('$date', to_json(to_timestamp(random() * 1e11)));
		WHEN 9 THEN RETURN json_build_object('$binary', json_build_object('base64', replace(encode(random_bytes(20), 'base64'), E'\n', ''),
			'subType', random_of('00', '2', '03', '04', '80', 'ff')));
		WHEN 10 THEN RETURN json_build_object('$uuid', gen_random_uuid());
		WHEN 11 THEN RETURN json_build_object('$regularExpression', json_build_object('pattern', random_string(), 'options', random_of('', 'i', 'msx')));
		WHEN 12 THEN RETURN json_build_object('$timestamp', json_build_object('t', abs(random_long()) % 4294967296, 'i', abs(random_long()) % 4294967296));
		WHEN 13 THEN RETURN json_build_object('$code', random_string());
		WHEN 14 THEN RETURN json_build_object('$symbol', random_string());
		WHEN 15 THEN RETURN random_of('{"$minKey": 1}', '{"$maxKey": 1}', '{"$undefined": true}', '{"$numberDouble": "-0.0"}', '{"$numberDouble": "NaN"}', '1.0', '1e300', '1e-300');
		WHEN 16 THEN RETURN json_build_object('$dbPointer', json_build_object('$ref', random_string(), '$id', json_build_object('$oid', lpad(to_hex(random_long()), 24, '0'))));
		WHEN 17 THEN RETURN (SELECT coalesce(json_object_agg(chr(96 + i), random_value(depth - 1) ORDER BY i), '{}') FROM generate_series(1, n) i);
		WHEN 18 THEN RETURN (SELECT coalesce(json_agg(random_value(depth - 1)), '[]') FROM generate_series(1, n) i);
		ELSE RETURN json_build_object('$code', random_string(), '$scope', json_build_object('a', random_value(depth - 1)));
	END CASE;
END $$;

SELECT setseed(0.25);
CREATE TABLE random_doc AS SELECT i, covet._bson_from_json(json_build_object('a', random_value(4), 'b', random_value(4), 'c', random_value(4))) AS bson
	FROM generate_series(1, 1500) i;
SELECT count(*) AS documents,
	count(*) FILTER (WHERE covet._bson_from_json(covet._bson_to_json(bson)) <> bson) AS json_differs,
	count(*) FILTER (WHERE covet._bson_from_json(covet._bson_to_jsonb(bson)::json) <> bson) AS jsonb_differs,
	count(*) FILTER (WHERE covet._bson_to_json(bson)::jsonb <> covet._bson_to_jsonb(bson)) AS forms_differ,
	count(*) FILTER (WHERE covet.mongo_plain(covet._bson_to_jsonb(bson))::text ~ '"\$(oid|date|number|binary|uuid|regular|timestamp|symbol|min|max|undefined)') AS not_plain
FROM random_doc;

-- Doubles of random bits keep every bit; NaN has one form only
SELECT count(*) AS doubles,
	count(*) FILTER (WHERE covet._bson_from_json(covet._bson_to_json(bson)) <> bson) AS json_differs,
	count(*) FILTER (WHERE covet._bson_from_json(covet._bson_to_jsonb(bson)::json) <> bson) AS jsonb_differs
FROM (SELECT double_doc((floor(random() * 4294967296)::bigint << 32) | floor(random() * 4294967296)::bigint) FROM generate_series(1, 3000)
	UNION ALL
	SELECT double_doc((1023 + i) * (1::bigint << 52) + j) FROM generate_series(-1022, 1023) i, generate_series(0, 1) j) AS d (bson)
WHERE covet._bson_to_json(bson)::text !~ 'NaN';

-- Damaged documents are an error or another document, never a crash
CREATE FUNCTION damage(OUT refused integer, OUT readable integer) LANGUAGE plpgsql AS $$
DECLARE
	bytes bytea;
BEGIN
	refused := 0;
	readable := 0;
	FOR bytes IN SELECT bson FROM random_doc UNION ALL SELECT bson FROM bson_type, generate_series(1, 60) LOOP
		FOR i IN 0 .. floor(random() * 3)::integer LOOP
			bytes := set_byte(bytes, floor(random() * length(bytes))::integer,
				random_of('0', '1', '2', '3', '4', '5', '12', '14', '15', '127', '128', '255')::integer);
		END LOOP;
		BEGIN
			PERFORM covet._bson_to_jsonb(bytes), covet._bson_to_json(bytes);
			readable := readable + 1;
		EXCEPTION
			WHEN data_corrupted OR character_not_in_repertoire OR untranslatable_character THEN
				refused := refused + 1;
		END;
	END LOOP;
END $$;
SELECT refused > 500 AS refused, readable > 500 AS readable FROM damage();

-- Plain values
SELECT name, covet.mongo_plain(covet._bson_to_jsonb(bson)) FROM bson_type WHERE name <> 'decimal, largest' ORDER BY name COLLATE "C";
SELECT (covet.mongo_plain(covet._bson_to_jsonb(bson)) ->> 'd')::numeric = 9.999999999999999999999999999999999E+6144 AS same
FROM bson_type WHERE name = 'decimal, largest';
SELECT doc, covet.mongo_plain(doc) FROM unnest(ARRAY[
	'1', '"x"', 'null', '[]', '{}', '[1, "x", [true], {"a": {"b": {"$numberInt": "1"}}}]', '{"$oid": "56e1fc72e0c917e9c4714161"}', '{"$numberLong": "5"}', '[{"$numberLong": "5"}]',
	'{"a": {"$numberDouble": "Infinity"}, "b": {"$numberDouble": "-0.0"}, "c": {"$numberDecimal": "1E+3"}, "d": {"$numberDecimal": "x"}}',
	'{"a": {"$date": 0}, "b": {"$date": {"$numberLong": "-62167219200000"}}, "c": {"$date": {"$numberLong": "9223372036854775807"}}, "d": {"$date": {"$numberLong": "-9223372036854775808"}}}',
	'{"a": {"$binary": "//8=", "$type": "00"}, "b": {"$code": "f", "$scope": {"x": {"$numberInt": "1"}}}}',
	'{"a": {"$date": {"$numberLong": "99999999999999999999"}}}'
	]::jsonb[]) AS doc;
-- somebody's own data that only looks alike stays
SELECT doc, covet.mongo_plain(doc) = doc AS same FROM unnest(ARRAY[
	'{"a": 123456789012345678901234567890.5, "b": 1e30}', '{"$oid": 1}', '{"$oid": "x", "a": 1}', '{"$date": true}', '{"$date": {"$numberLong": "x"}}', '{"$date": 1.5}', '{"$numberLong": 5}', '{"$binary": "//8="}',
	'{"$binary": {"base64": "*", "subType": "00"}}', '{"$binary": {"x": "//8=", "subType": "00"}}', '{"$regularExpression": 1}', '{"$timestamp": 1}', '{"$minKey": "x"}', '{"$undefined": 1}', '{"$gt": 1}', '{"": 1}', '{"$ref": "a", "$id": 1}',
	'{"$symbol": "a", "$type": 1}', '{"$numberDecimal": "1", "$numberInt": "1"}',
	'{"$numberDecimal": "x"}', '{"$numberDecimal": "1E+999999"}', '{"$numberDecimal": "1E+99999999999999999999"}'
	]::jsonb[]) AS doc;

-- ObjectIds
SELECT covet.mongo_oid('56E1FC72E0C917E9C4714161'), covet.mongo_oid(hex => '000000000000000000000000');
SELECT error_of(format('SELECT covet.mongo_oid(%L)', hex)) FROM unnest(ARRAY['', 'xyz', '56e1fc72e0c917e9c471416', '56e1fc72e0c917e9c47141611', '56e1fc72e0c917e9c471416g']) AS hex;
SELECT count(DISTINCT covet.mongo_oid() ->> '$oid') AS different, bool_and(covet.mongo_oid() ->> '$oid' ~ '^[0-9a-f]{24}$') AS well_formed,
	bool_and(abs(('x' || left(covet.mongo_oid() ->> '$oid', 8))::bit(32)::bigint - extract(epoch FROM clock_timestamp())) < 60) AS begins_with_the_time
FROM generate_series(1, 1000);

-- Rights: the bytes are private, the rest is open
CREATE ROLE regress_bson_reader;
SET ROLE regress_bson_reader;
SELECT covet.mongo_plain(covet.mongo_oid('56e1fc72e0c917e9c4714161')::jsonb);
SELECT error_of('SELECT covet._bson_from_json(''{}'')'), error_of('SELECT covet._bson_to_json(''\x0500000000'')'), error_of('SELECT covet._bson_to_jsonb(''\x0500000000'')');
RESET ROLE;
DROP ROLE regress_bson_reader;

DROP TABLE bson_type, random_doc;
DROP FUNCTION error_in, error_out, error_of, double_doc, value_of, nested, random_value, random_of, random_bytes, random_string, random_long, damage;
