--
-- BSON is UTF-8 whatever the encoding of the database
--
\set here :DBNAME
SET client_min_messages = warning;
DROP DATABASE IF EXISTS regress_bson_latin1;
CREATE DATABASE regress_bson_latin1 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
\c regress_bson_latin1
SET client_encoding = 'LATIN1';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS covet;
SHOW server_encoding;

CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

-- e with acute, as a character and as an escape; in a key, a string, a
-- regular expression, code, a symbol and a DBPointer
CREATE TABLE doc AS SELECT form, covet._bson_from_json(form::json) AS bson FROM (VALUES
	(format('{"%1$s": "%1$s"}', chr(233))),
	('{"\u00e9": "\u00e9"}'),
	(format('{"a": {"$regularExpression": {"pattern": "%1$s", "options": "i"}}}', chr(233))),
	(format('{"a": {"$code": "%1$s", "$scope": {"%1$s": 1}}}', chr(233))),
	(format('{"a": {"$symbol": "%1$s"}}', chr(233))),
	(format('{"a": {"$dbPointer": {"$ref": "%1$s", "$id": {"$oid": "56e1fc72e0c917e9c4714161"}}}}', chr(233)))) AS v (form);
SELECT bson, covet._bson_from_json(covet._bson_to_json(bson)) = bson AS json_back,
	covet._bson_to_jsonb(bson) = form::jsonb AS jsonb
FROM doc ORDER BY bson;

-- every character of LATIN1
SELECT bool_and(substr(bson, 12, length(bson) - 13) = convert_to(chr(i), 'UTF8')) AS utf8,
	bool_and(covet._bson_to_jsonb(bson) ->> 'a' = chr(i)) AS same
FROM (SELECT i, covet._bson_from_json(json_build_object('a', chr(i))) FROM generate_series(1, 255) i) AS c (i, bson);

-- what LATIN1 lacks (the euro sign) and what is no UTF-8
SELECT left(error_of($$SELECT covet._bson_from_json('{"a": "\u20ac"}')$$), 5) AS sqlstate;
SELECT error_of($$SELECT covet._bson_to_jsonb('\x1000000002610004000000e282ac0000')$$);
SELECT error_of($$SELECT covet._bson_to_json('\x0a0000000ae282ac0000')$$);
SELECT error_of($$SELECT covet._bson_to_jsonb('\x0e00000002610002000000e90000')$$);

\c :here
DROP DATABASE regress_bson_latin1 WITH (FORCE);
