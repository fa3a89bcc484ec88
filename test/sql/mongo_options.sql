-- Options of servers, user mappings, tables and columns; who may set them;
-- and the mongo_ functions as far as they go without a server.
SET client_min_messages = warning;

-- The SQLSTATE of a statement; the statements themselves show the rest.
CREATE FUNCTION regress_mongo_state(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END $$;

-- ====================================================================
-- Every option of a server is known
-- ====================================================================

CREATE SERVER mongo_discrete FOREIGN DATA WRAPPER covet_mongo OPTIONS (
	address 'mongo.example.com', port '27018', replica_set 'rs0', direct_connection 'false',
	authentication_database 'admin', read_preference 'secondaryPreferred', app_name 'app',
	compressors 'zstd, snappy', ssl 'true', pem_file '/a', pem_pwd 'b', ca_file '/c', ca_dir '/d',
	crl_file '/e', weak_cert_validation 'true', connect_timeout '5s', socket_timeout '300000',
	server_selection_timeout '1min', acquire_timeout '30 s', idle_timeout '10s', max_connections '10',
	keep_connections 'on', use_remote_estimate 'false', enable_join_pushdown 'true',
	enable_aggregate_pushdown 'true', enable_order_by_pushdown 'true', batch_size '100',
	fetch_size '1000', on_mismatch 'error', transactions 'auto');
CREATE SERVER mongo_uri FOREIGN DATA WRAPPER covet_mongo OPTIONS (
	uri 'mongodb://a.example.com:27017,b.example.com/?replicaSet=rs0&tls=true&readPreference=nearest');
CREATE SERVER mongo_srv FOREIGN DATA WRAPPER covet_mongo OPTIONS (
	uri 'mongodb+srv://cluster.example.com/?tlsCAFile=/ca.pem');
CREATE SERVER mongo FOREIGN DATA WRAPPER covet_mongo;
CREATE USER MAPPING FOR CURRENT_USER SERVER mongo OPTIONS (
	username 'u@b', password 'a@:/%', password_required 'false', tls_key_password 'x',
	auth_mechanism_properties '{"SERVICE_NAME": "mongodb"}');
CREATE FOREIGN TABLE mongo_table (
	a int OPTIONS (field 'x.y', bson_type 'long', not_array 'true'),
	b text OPTIONS (bson_type 'objectId'))
	SERVER mongo OPTIONS (
	database 'db', collection 'c', read_only 'true', updatable 'false', unwind 'items',
	pipeline '[{"$match": {}}]', sample_size '100', null_as 'unset', hint 'i', collation '{"locale": "en"}',
	not_array 'true', batch_size '1', fetch_size '1', on_mismatch 'null', transactions 'off',
	use_remote_estimate 'true', enable_join_pushdown 'false', enable_aggregate_pushdown 'false',
	enable_order_by_pushdown 'false');

-- The foreign table cannot be read: the wrapper has no handler.
SELECT * FROM mongo_table;

-- ====================================================================
-- What is refused, and the nearest name
-- ====================================================================

ALTER SERVER mongo OPTIONS (adress '127.0.0.1');
ALTER SERVER mongo OPTIONS (conect_timeout '1s');
ALTER SERVER mongo OPTIONS (username 'x');
ALTER SERVER mongo OPTIONS (completely_else 'x');
ALTER USER MAPPING FOR CURRENT_USER SERVER mongo OPTIONS (pasword 'x');
ALTER FOREIGN TABLE mongo_table OPTIONS (colection 'x');
ALTER FOREIGN TABLE mongo_table ALTER a OPTIONS (fild 'x');
ALTER FOREIGN DATA WRAPPER covet_mongo OPTIONS (address 'x');

ALTER SERVER mongo OPTIONS (address '');
ALTER SERVER mongo OPTIONS (address 'a,b');
ALTER SERVER mongo OPTIONS (address 'user:secret@host');
ALTER SERVER mongo OPTIONS (port '0');
ALTER SERVER mongo OPTIONS (port '65536');
ALTER SERVER mongo OPTIONS (port 'x');
ALTER SERVER mongo OPTIONS (ssl 'perhaps');
ALTER SERVER mongo OPTIONS (connect_timeout '5 parsecs');
ALTER SERVER mongo OPTIONS (connect_timeout '0');
ALTER SERVER mongo OPTIONS (connect_timeout '-1s');
ALTER SERVER mongo OPTIONS (socket_timeout '100d');
ALTER SERVER mongo OPTIONS (read_preference 'next');
ALTER SERVER mongo OPTIONS (compressors 'zstd,lzo');
ALTER SERVER mongo OPTIONS (compressors '');
ALTER SERVER mongo OPTIONS (on_mismatch 'ignore');
ALTER SERVER mongo OPTIONS (transactions 'on');
ALTER SERVER mongo OPTIONS (max_connections '0');
ALTER SERVER mongo OPTIONS (replica_set '');
ALTER FOREIGN TABLE mongo_table OPTIONS (SET pipeline '{}');
ALTER FOREIGN TABLE mongo_table OPTIONS (SET collation 'en');
ALTER FOREIGN TABLE mongo_table OPTIONS (SET null_as 'missing');
ALTER FOREIGN TABLE mongo_table ALTER b OPTIONS (SET bson_type 'varchar');

SELECT statement, regress_mongo_state(statement) FROM (VALUES
	('SELECT * FROM mongo_table'),
	('ALTER SERVER mongo OPTIONS (adress ''127.0.0.1'')'),
	('ALTER USER MAPPING FOR CURRENT_USER SERVER mongo OPTIONS (pasword ''x'')'),
	('ALTER SERVER mongo OPTIONS (address '''')'),
	('ALTER SERVER mongo OPTIONS (port ''0'')'),
	('ALTER SERVER mongo OPTIONS (ssl ''perhaps'')'),
	('ALTER SERVER mongo OPTIONS (connect_timeout ''5 parsecs'')'),
	('ALTER SERVER mongo OPTIONS (transactions ''on'')'),
	('ALTER SERVER mongo OPTIONS (uri ''mongodb://user:secret@host/'')'),
	('ALTER SERVER mongo OPTIONS (uri ''http://host/'')'),
	('ALTER SERVER mongo OPTIONS (uri ''mongodb://host/'', port ''27017'')'),
	('ALTER FOREIGN TABLE mongo_table OPTIONS (SET pipeline ''{}'')')) v(statement);

-- ====================================================================
-- URIs carry no credentials
-- ====================================================================

ALTER SERVER mongo OPTIONS (uri 'mongodb://user:secret@host/');
ALTER SERVER mongo OPTIONS (uri 'mongodb://user@host/');
ALTER SERVER mongo OPTIONS (uri 'mongodb://user:se@cr/et@host/');
ALTER SERVER mongo OPTIONS (uri 'user:secret@host');
ALTER SERVER mongo OPTIONS (uri 'mongodb://host/?tls=true&tlsCertificateKeyFile=/a&tlsCertificateKeyFilePassword=secret');
ALTER SERVER mongo OPTIONS (uri 'mongodb://host/?authMechanism=GSSAPI&authMechanismProperties=SERVICE_NAME:other');
ALTER SERVER mongo OPTIONS (uri 'mongodb://host/?w=0');
-- the DETAIL is the driver's, and differs by its version
\set VERBOSITY terse
ALTER SERVER mongo OPTIONS (uri 'http://host/');
ALTER SERVER mongo OPTIONS (uri 'mongodb://');
\set VERBOSITY default
ALTER SERVER mongo OPTIONS (uri 'mongodb://host/', port '27017');

-- ====================================================================
-- What only a superuser may do
-- ====================================================================

CREATE ROLE regress_mongo_user;
SET ROLE regress_mongo_user;
CREATE SERVER mongo_mine FOREIGN DATA WRAPPER covet_mongo;
SELECT regress_mongo_state('CREATE SERVER mongo_mine FOREIGN DATA WRAPPER covet_mongo');
RESET ROLE;
GRANT USAGE ON FOREIGN DATA WRAPPER covet_mongo TO regress_mongo_user;
SET ROLE regress_mongo_user;
CREATE SERVER mongo_mine FOREIGN DATA WRAPPER covet_mongo OPTIONS (address '127.0.0.1', ssl 'true');

ALTER SERVER mongo_mine OPTIONS (pem_file '/a');
ALTER SERVER mongo_mine OPTIONS (pem_pwd 'a');
ALTER SERVER mongo_mine OPTIONS (ca_file '/a');
ALTER SERVER mongo_mine OPTIONS (ca_dir '/a');
ALTER SERVER mongo_mine OPTIONS (crl_file '/a');
ALTER SERVER mongo_mine OPTIONS (weak_cert_validation 'true');
ALTER SERVER mongo_mine OPTIONS (weak_cert_validation 'false');
ALTER SERVER mongo_mine OPTIONS (SET address '/tmp/mongodb.sock');
ALTER SERVER mongo_mine OPTIONS (SET address '%2Ftmp%2Fmongodb.sock');
ALTER SERVER mongo_mine OPTIONS (DROP address);
ALTER SERVER mongo_mine OPTIONS (uri 'mongodb://h/?tls=true&tlsCAFile=/a');
ALTER SERVER mongo_mine OPTIONS (uri 'mongodb://h/?tls=true&tlsCertificateKeyFile=/a');
ALTER SERVER mongo_mine OPTIONS (uri 'mongodb://h/?tls=true&tlsCRLFile=/a');
ALTER SERVER mongo_mine OPTIONS (uri 'mongodb://h/?tls=true&tlsInsecure=true');
ALTER SERVER mongo_mine OPTIONS (uri 'mongodb://h/?tls=true&tlsAllowInvalidCertificates=true');
ALTER SERVER mongo_mine OPTIONS (uri 'mongodb://h/?tls=true&tlsAllowInvalidHostnames=true');
ALTER SERVER mongo_mine OPTIONS (uri 'mongodb://%2Ftmp%2Fmongodb.sock/');
ALTER SERVER mongo_mine OPTIONS (uri 'mongodb://h/?authMechanism=MONGODB-AWS');
ALTER SERVER mongo_mine OPTIONS (uri 'mongodb://h/?authMechanism=GSSAPI');
ALTER SERVER mongo_mine OPTIONS (uri 'mongodb://h/?authMechanism=MONGODB-X509');
ALTER SERVER mongo_mine OPTIONS (uri 'mongodb://h/?authMechanism=PLAIN');
ALTER SERVER mongo_mine OPTIONS (uri 'mongodb://h/?authMechanism=PLAIN&tls=true&tlsInsecure=true');
ALTER SERVER mongo_mine OPTIONS (uri 'mongodb://h/?tls=true&authMechanism=PLAIN');
ALTER SERVER mongo_mine OPTIONS (SET uri 'mongodb://h/?tls=true&authMechanism=SCRAM-SHA-256');

CREATE USER MAPPING FOR regress_mongo_user SERVER mongo_mine;
CREATE USER MAPPING FOR regress_mongo_user SERVER mongo_mine OPTIONS (username 'u');
CREATE USER MAPPING FOR regress_mongo_user SERVER mongo_mine
	OPTIONS (username 'u', password 'p', password_required 'false');
CREATE USER MAPPING FOR regress_mongo_user SERVER mongo_mine
	OPTIONS (username 'u', password 'p', auth_mechanism_properties '{"SERVICE_NAME": "x"}');
CREATE USER MAPPING FOR regress_mongo_user SERVER mongo_mine
	OPTIONS (username 'u', password 'p', password_required 'true');
ALTER USER MAPPING FOR regress_mongo_user SERVER mongo_mine OPTIONS (DROP password);

SELECT statement, regress_mongo_state(statement) FROM (VALUES
	('ALTER SERVER mongo_mine OPTIONS (ca_file ''/a'')'),
	('ALTER SERVER mongo_mine OPTIONS (SET weak_cert_validation ''true'')'),
	('ALTER SERVER mongo_mine OPTIONS (DROP uri, ADD address ''/tmp/mongodb.sock'')'),
	('ALTER SERVER mongo_mine OPTIONS (SET uri ''mongodb://h/?tls=true&tlsCAFile=/a'')'),
	('ALTER SERVER mongo_mine OPTIONS (SET uri ''mongodb://h/?tls=true&tlsInsecure=true'')'),
	('ALTER SERVER mongo_mine OPTIONS (SET uri ''mongodb://h/?authMechanism=PLAIN'')'),
	('ALTER SERVER mongo_mine OPTIONS (SET uri ''mongodb://h/?authMechanism=GSSAPI'')'),
	('ALTER USER MAPPING FOR regress_mongo_user SERVER mongo_mine OPTIONS (DROP password)'),
	('ALTER USER MAPPING FOR regress_mongo_user SERVER mongo_mine OPTIONS (SET password_required ''false'')')) v(statement);

-- Other people's passwords are not shown.
RESET ROLE;
CREATE ROLE regress_mongo_other;
SET ROLE regress_mongo_other;
SELECT srvname, umoptions FROM pg_user_mappings WHERE srvname LIKE 'mongo%' ORDER BY srvname;
RESET ROLE;

-- ====================================================================
-- Functions, before they need a server
-- ====================================================================

SELECT proname, provolatile, proparallel
FROM pg_proc
WHERE pronamespace = 'covet'::regnamespace
	AND proname ~ '^_?mongo_(ping|find|find_json|insert_one|insert_many|drop_collection|validator)$'
ORDER BY proname COLLATE "C";

-- Nobody may execute them without a grant.
SELECT proname
FROM pg_proc
WHERE pronamespace = 'covet'::regnamespace
	AND proname ~ '^_?mongo_(ping|find|find_json|insert_one|insert_many|drop_collection)$'
	AND has_function_privilege('regress_mongo_other', oid, 'EXECUTE');

SET ROLE regress_mongo_other;
SELECT covet.mongo_ping('mongo');
RESET ROLE;
GRANT EXECUTE ON FUNCTION covet.mongo_ping(text) TO regress_mongo_other;
SET ROLE regress_mongo_other;
SELECT covet.mongo_ping('mongo');
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER mongo TO regress_mongo_other;
SET ROLE regress_mongo_other;
-- the text of this one is PostgreSQL's, and other since 17
\set VERBOSITY sqlstate
SELECT covet.mongo_ping('mongo');
\set VERBOSITY default
RESET ROLE;
CREATE USER MAPPING FOR regress_mongo_other SERVER mongo;
SET ROLE regress_mongo_other;
SELECT covet.mongo_ping('mongo');
SELECT regress_mongo_state($$SELECT covet.mongo_ping('mongo')$$);
RESET ROLE;

SELECT covet.mongo_ping('absent');
SELECT covet.mongo_ping(NULL);
CREATE FOREIGN DATA WRAPPER regress_mongo_foreign;
CREATE SERVER mongo_foreign FOREIGN DATA WRAPPER regress_mongo_foreign;
SELECT covet.mongo_ping('mongo_foreign');

-- Streams in FROM, because the wrapper is inlined.
EXPLAIN (VERBOSE, COSTS OFF)
SELECT * FROM covet.mongo_find('mongo', 'db', 'c', '{"a": 1}', max_docs => 5, cache_ttl => '1 min') LIMIT 1;
EXPLAIN (COSTS OFF)
SELECT d ->> 'a' FROM covet.mongo_find_json('mongo', 'db', 'c') d;

-- Documents are looked at before anything is sent.
SELECT covet.mongo_insert_one('mongo', 'db', 'c', '{"a": 1e400}');
SELECT covet.mongo_insert_one('mongo', 'db', 'c', '[1]');
BEGIN READ ONLY;
SELECT covet.mongo_insert_one('mongo', 'db', 'c', '{}');
ROLLBACK;

SELECT statement, regress_mongo_state(statement) FROM (VALUES
	('SELECT covet.mongo_ping(NULL)'),
	('SELECT covet.mongo_ping(''absent'')'),
	('SELECT covet.mongo_ping(''mongo_foreign'')'),
	('SELECT covet.mongo_find(''mongo'', NULL, ''c'')'),
	('SELECT covet.mongo_find(''mongo'', ''db'', '''')'),
	('SELECT covet.mongo_find(''mongo'', ''d b'', ''c'')'),
	('SELECT covet.mongo_find(''mongo'', ''db'', ''c'', max_docs => -1)'),
	('SELECT covet.mongo_find(''mongo'', ''db'', ''c'', options => ''{"let": 1}'')'),
	('SELECT covet.mongo_insert_one(''mongo'', ''db'', ''c'', NULL)'),
	('SELECT covet.mongo_insert_many(''mongo'', ''db'', ''c'', ARRAY[NULL]::json[])'),
	('SELECT covet.mongo_drop_collection(''mongo'', ''db'', NULL)')) v(statement);

-- max_docs 0 asks nobody; so there is no error although there is no server.
SELECT count(*) FROM covet.mongo_find('mongo', 'db', 'c', max_docs => 0);

DROP FUNCTION regress_mongo_state(text);
DROP FOREIGN TABLE mongo_table;
DROP SERVER mongo, mongo_discrete, mongo_uri, mongo_srv, mongo_mine, mongo_foreign CASCADE;
DROP FOREIGN DATA WRAPPER regress_mongo_foreign;
REVOKE ALL ON FOREIGN DATA WRAPPER covet_mongo FROM regress_mongo_user;
REVOKE ALL ON FUNCTION covet.mongo_ping(text) FROM regress_mongo_other;
DROP ROLE regress_mongo_user, regress_mongo_other;

-- An authMechanism needs what the user mapping does not have, before any socket is opened.
\set VERBOSITY sqlstate
CREATE SERVER mongo_scram FOREIGN DATA WRAPPER covet_mongo OPTIONS (uri 'mongodb://127.0.0.1:1/?authMechanism=SCRAM-SHA-256');
CREATE USER MAPPING FOR CURRENT_USER SERVER mongo_scram OPTIONS (username 'somebody');
SELECT covet.mongo_ping('mongo_scram');
ALTER USER MAPPING FOR CURRENT_USER SERVER mongo_scram OPTIONS (DROP username);
SELECT covet.mongo_ping('mongo_scram');
DROP SERVER mongo_scram CASCADE;
