# Reading and writing a live MongoDB server.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CovetMongo;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => CovetMongo::skip_reason() if CovetMongo::skip_reason();

my $mongo = CovetMongo->start;
my $proxy = CovetMongo::proxy($mongo->{port});

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'covet'");
$node->start;
$node->safe_psql('postgres', qq{
	CREATE EXTENSION covet;
	CREATE SERVER m FOREIGN DATA WRAPPER covet_mongo OPTIONS (@{[ $mongo->options ]});
	CREATE USER MAPPING FOR CURRENT_USER SERVER m;
	CREATE SERVER counted FOREIGN DATA WRAPPER covet_mongo
		OPTIONS (address '127.0.0.1', port '$proxy->{port}', direct_connection 'true');
	CREATE USER MAPPING FOR CURRENT_USER SERVER counted;
});

sub query_is
{
	my ($sql, $expected, $name) = @_;

	is($node->safe_psql('postgres', $sql), $expected, $name);
}

# A statement must fail with this SQLSTATE, and say so.
sub fails_with
{
	my ($sql, $state, $pattern, $name) = @_;
	my ($stdout, $stderr);

	$node->psql('postgres', "\\set VERBOSITY verbose\n$sql",
		stdout => \$stdout, stderr => \$stderr);
	my ($got) = $stderr =~ /ERROR:  (\w{5}):/;
	is($got, $state, $name);
	like($stderr, $pattern, "$name: text") if $pattern;
}

# ----------
# Round trips
# ----------

query_is(q{SELECT covet.mongo_ping('m') BETWEEN '0' AND '1 min'}, 't', 'ping');
query_is(q{SELECT covet.mongo_insert_one('m', 'db', 'one', '{"_id": "x", "a": {"b": [1, 2.5, null, true]}}')},
	'"x"', 'insert_one returns the _id');
query_is(q{SELECT covet.mongo_insert_one('m', 'db', 'oids', '{}') ->> '$oid' ~ '^[0-9a-f]{24}$'},
	't', 'and makes one');
query_is(q{SELECT * FROM covet.mongo_find('m', 'db', 'one')},
	'{"a": {"b": [1, 2.5, null, true]}, "_id": "x"}', 'what went in comes out');
query_is(q{SELECT * FROM covet.mongo_find_json('m', 'db', 'one', '{"_id": "x"}')},
	'{"_id": "x", "a": {"b": [1, 2.5, null, true]}}', 'as json with the order of keys');

query_is(q{SELECT covet.mongo_insert_many('m', 'db', 'many', array_agg(json_build_object('_id', i, 'n', i % 10)))
	FROM generate_series(1, 1000) i}, '1000', 'insert_many counts');
query_is(q{SELECT covet.mongo_insert_many('m', 'db', 'many', '{}')}, '0', 'nothing to insert');
query_is(q{SELECT count(*), sum((d ->> '_id')::int) FROM covet.mongo_find('m', 'db', 'many') d},
	'1000|500500', 'all of many batches');
query_is(q{SELECT count(*) FROM covet.mongo_find('m', 'db', 'many', '{"n": 3}')}, '100', 'filter');
query_is(q{SELECT count(*) FROM covet.mongo_find('m', 'db', 'many', NULL)}, '1000', 'no filter');
query_is(q{SELECT * FROM covet.mongo_find('m', 'db', 'many', '{"n": {"$gt": 8}}', '{"n": 0}', '{"_id": -1}', 2, 1)},
	qq{{"_id": 989}\n{"_id": 979}}, 'projection, sort, limit, skip');
query_is(q{SELECT count(*) FROM covet.mongo_find('m', 'db', 'many', max_docs => 0)}, '0', 'max_docs 0');
query_is(q{SELECT count(*) FROM covet.mongo_find('m', 'db', 'many', max_docs => NULL, cache_ttl => '1 min')},
	'1000', 'max_docs NULL');
query_is(q{SELECT count(*) FROM covet.mongo_find('m', 'db', 'absent')}, '0', 'no collection, no rows');
query_is(q{SELECT a.d ->> '_id', b.d ->> '_id'
	FROM covet.mongo_find('m', 'db', 'many', sort => '{"_id": 1}', max_docs => 2) a(d),
		covet.mongo_find('m', 'db', 'many', sort => '{"_id": 1}', max_docs => 2) b(d) ORDER BY 1, 2},
	"1|1\n1|2\n2|1\n2|2", 'two cursors at once, and rescans');
query_is(q{SELECT covet.mongo_drop_collection('m', 'db', 'oids')}, 't', 'drop');
query_is(q{SELECT covet.mongo_drop_collection('m', 'db', 'oids')}, 'f', 'drop nothing');

# ----------
# Streaming: a query that stops early stops the transfer, also in FROM
# ----------

like($node->safe_psql('postgres',
		q{EXPLAIN (COSTS OFF) SELECT * FROM covet.mongo_find('counted', 'db', 'many') LIMIT 1}),
	qr/ProjectSet/, 'mongo_find is inlined');
query_is(q{SELECT count(*) FROM (SELECT * FROM covet.mongo_find('counted', 'db', 'many',
		options => '{"batchSize": 10}') LIMIT 15) d}, '15', 'the first of many documents');
is(CovetMongo::count_commands($proxy, 'getMore'), 1, 'only the batches needed are fetched');
is(CovetMongo::count_commands($proxy, 'killCursors'), 1, 'the cursor is closed at once');

$node->safe_psql('postgres', q{ALTER SERVER counted OPTIONS (ADD fetch_size '100')});
query_is(q{SELECT count(*) FROM covet.mongo_find_json('counted', 'db', 'many')}, '1000', 'fetch_size');
cmp_ok(CovetMongo::count_commands($proxy, 'getMore'), '>=', 1 + 9, 'sets the size of batches');

query_is(q{
	BEGIN;
	DECLARE c CURSOR FOR SELECT d ->> '_id' FROM covet.mongo_find('m', 'db', 'many', sort => '{"_id": 1}',
		options => '{"batchSize": 2}') d;
	FETCH 3 FROM c;
	SELECT covet.mongo_insert_one('m', 'db', 'other', '{"_id": 1}');
	ALTER SERVER m OPTIONS (ADD app_name 'changed');
	SELECT covet.mongo_ping('m') < '1 min';
	FETCH 3 FROM c;
	ROLLBACK;
	SELECT covet.mongo_ping('m') < '1 min';},
	"1\n2\n3\n1\nt\n4\n5\n6\nt", 'a cursor outlives a change of options');

# ----------
# Errors keep their meaning
# ----------

fails_with(q{SELECT covet.mongo_insert_one('m', 'db', 'one', '{"_id": "x"}')},
	'23505', qr/DETAIL:  Code 11000 \(DuplicateKey\)/, 'duplicate key');
fails_with(q{SELECT covet.mongo_insert_many('m', 'db', 'many',
		ARRAY['{"_id": 2000}', '{"_id": 5}', '{"_id": 2001}']::json[])},
	'23505', qr/index 1; 1 of 3 were inserted/, 'duplicate key in a batch');
fails_with(q{SELECT covet.mongo_insert_many('m', 'db', 'many',
		ARRAY['{"_id": 2002}', '{"_id": 5}', '{"_id": 2003}']::json[], ordered => false)},
	'23505', qr/index 1; 2 of 3 were inserted/, 'and unordered');
query_is(q{SELECT covet.mongo_insert_many('m', 'db', 'many',
		ARRAY['{"_id": 5}', '{"_id": 2004}', '{"_id": 6}']::json[], options => '{"onDuplicate": "skip"}')},
	'1', 'duplicates can be skipped');
query_is(q{SELECT covet.mongo_insert_many('m', 'db', 'many',
		ARRAY['{"_id": 5}']::json[], options => '{"onDuplicate": "skip"}')}, '0', 'also a single one');

foreach my $case (
	[ 112, '40001' ], [ 24, '55P03' ], [ 13, '42501' ], [ 50, '57014' ], [ 262, '57014' ],
	[ 26, '42P01' ], [ 9, '22023' ], [ 20, '25001' ], [ 43, '24000' ], [ 286, '55000' ],
	[ 59, '42883' ], [ 146, '53200' ], [ 166, '42809' ], [ 8000, 'HV000' ])
{
	my ($code, $state) = @$case;

	$mongo->command('admin', configureFailPoint => 'failCommand', mode => [ times => 1 ],
		data => [ failCommands => \[ 'find' ], errorCode => $code ]);
	fails_with(q{SELECT * FROM covet.mongo_find('m', 'db', 'one')},
		$state, qr/DETAIL:  Code $code/, "code $code");
}

# A server that is no primary any more is asked again.
$mongo->command('admin', configureFailPoint => 'failCommand', mode => [ times => 2 ],
	data => [ failCommands => \[ 'find' ], errorCode => 10107 ]);
query_is(q{SELECT count(*) FROM covet.mongo_find('m', 'db', 'one')}, '1', 'reads survive an election');

# A lost connection: reads are repeated; a sent write once, by the driver, with
# the same transaction number, so that it happens once.
$mongo->command('admin', configureFailPoint => 'failCommand', mode => [ times => 1 ],
	data => [ failCommands => \[ 'insert' ], closeConnection => 'true' ]);
query_is(q{SELECT covet.mongo_insert_one('m', 'db', 'retried', '{"_id": 1}')}, '1',
	'a write survives one lost connection');
$mongo->command('admin', configureFailPoint => 'failCommand', mode => [ times => 2 ],
	data => [ failCommands => \[ 'find' ], closeConnection => 'true' ]);
query_is(q{SELECT count(*) FROM covet.mongo_find('m', 'db', 'one')}, '1', 'reads survive a lost connection');
$mongo->command('admin', configureFailPoint => 'failCommand', mode => [ times => 2 ],
	data => [ failCommands => \[ 'insert' ], closeConnection => 'true' ]);
fails_with(q{SELECT covet.mongo_insert_one('m', 'db', 'lost', '{}')},
	'08007', qr/may or may not have happened/, 'a write whose connection broke');
query_is(q{SELECT covet.mongo_insert_one('m', 'db', 'lost', '{"_id": 1}')}, '1', 'the next one works');
$mongo->command('admin', configureFailPoint => 'failCommand', mode => [ times => 1 ],
	data => [ failCommands => \[ 'getMore' ], closeConnection => 'true' ]);
fails_with(q{SELECT count(*) FROM covet.mongo_find('m', 'db', 'many')},
	'08006', undef, 'a connection lost between batches');

# An unmet write concern is a warning: the write was done.
$mongo->command('admin', configureFailPoint => 'failCommand', mode => [ times => 1 ],
	data => [ failCommands => \[ 'insert' ],
		writeConcernError => [ code => 64, errmsg => 'waiting for replication timed out' ] ]);
my ($stdout, $stderr);
$node->psql('postgres', q{SELECT covet.mongo_insert_one('m', 'db', 'wc', '{"_id": 1}')},
	stdout => \$stdout, stderr => \$stderr);
is($stdout, '1', 'an unmet write concern keeps the result');
like($stderr, qr/WARNING:.*write concern.*waiting for replication timed out/s, 'and warns');

# ----------
# Bad input
# ----------

my $find = q{SELECT count(*) FROM covet.mongo_find(};
my $insert = q{SELECT covet.mongo_insert_one(};
foreach my $case (
	[ "$find NULL, 'db', 'c')", '22004', 'NULL server' ],
	[ "$find 'm', NULL, 'c')", '22004', 'NULL database' ],
	[ "$find 'm', 'db', NULL)", '22004', 'NULL collection' ],
	[ "$find 'm', '', 'c')", '22023', 'empty database' ],
	[ "$find 'm', 'd.b', 'c')", '22023', 'database with a dot' ],
	[ "$find 'm', repeat('d', 64), 'c')", '22023', 'long database' ],
	[ "$find 'm', 'db', '')", '22023', 'empty collection' ],
	[ "$find 'm', 'db', repeat('c', 256))", '22023', 'long collection' ],
	[ "$find 'absent', 'db', 'c')", '42704', 'server that does not exist' ],
	[ "$find 'm', 'db', 'c', max_docs => -1)", '22023', 'negative max_docs' ],
	[ "$find 'm', 'db', 'c', skip => -1)", '22023', 'negative skip' ],
	[ "$find 'm', 'db', 'c', '[]')", '22023', 'filter that is no object' ],
	[ "$find 'm', 'db', 'c', options => '{\"batchsize\": 1}')", '22023', 'misspelled option' ],
	[ "$find 'm', 'db', 'c', options => '{\"writeConcern\": {}}')", '22023', 'option of another function' ],
	[ "$find 'm', 'db', 'c', options => '{\"maxTimeMS\": -1}')", '22023', 'option out of range' ],
	[ "$find 'm', 'db', 'c', options => '{\"readPreference\": \"next\"}')", '22023', 'wrong read preference' ],
	[ "$find 'm', 'db', 'c', options => '{\"hint\": 1}')", '22023', 'option of a wrong type' ],
	[ "$insert 'm', 'db', 'c', NULL)", '22004', 'NULL document' ],
	[ "$insert 'm', 'db', 'c', '{}', '{\"writeConcern\": {\"w\": 0}}')", '22023', 'nobody answers' ],
	[ "$insert 'm', 'db', 'c', json_build_object('a', repeat('x', 17 * 1024 * 1024)))", '54000', 'over 16 MB' ],
	[ "SELECT covet.mongo_insert_many('m', 'db', 'c', NULL)", '22004', 'NULL documents' ],
	[ "SELECT covet.mongo_insert_many('m', 'db', 'c', ARRAY['{}', NULL]::json[])", '22004', 'NULL in documents' ],
	[ "SELECT covet.mongo_insert_many('m', 'db', 'c', ARRAY['{}']::json[], options => '{\"onDuplicate\": \"x\"}')",
		'22023', 'unknown onDuplicate' ],
	[ "SELECT covet.mongo_drop_collection('m', 'db', NULL)", '22004', 'NULL collection to drop' ])
{
	fails_with($case->[0], $case->[1], undef, $case->[2]);
}
fails_with("$find 'm', 'db', 'c', options => '{\"batchsize\": 1}')", '22023',
	qr/HINT:  Perhaps you meant the key "batchSize"/, 'the nearest key');

foreach my $write (
	q{covet.mongo_insert_one('m', 'db', 'ro', '{}')},
	q{covet.mongo_insert_many('m', 'db', 'ro', '{}')},
	q{covet.mongo_drop_collection('m', 'db', 'ro')})
{
	fails_with("BEGIN READ ONLY; SELECT $write", '25006', undef, "read only: $write");
}
query_is(q{BEGIN READ ONLY; SELECT count(*) FROM covet.mongo_find('m', 'db', 'one'); COMMIT}, '1',
	'reading is reading');

# ----------
# Who may
# ----------

$node->safe_psql('postgres', q{
	CREATE ROLE app;
	CREATE SERVER other FOREIGN DATA WRAPPER covet_mongo;
	CREATE USER MAPPING FOR app SERVER m;});

sub as_app
{
	return "SET ROLE app; SELECT * FROM covet.mongo_find('m', 'db', 'one')";
}

fails_with(as_app(), '42501', qr/permission denied for function mongo_find/, 'EXECUTE is revoked');
$node->safe_psql('postgres', q{
	GRANT EXECUTE ON FUNCTION
		covet.mongo_find(text, text, text, json, json, json, bigint, bigint, interval, json),
		covet._mongo_find(text, text, text, json, json, json, bigint, bigint, json),
		covet.mongo_ping(text) TO app});
fails_with(as_app(), '42501', qr/permission denied for foreign server m/, 'USAGE is required');
$node->safe_psql('postgres', q{GRANT USAGE ON FOREIGN SERVER m TO app});
fails_with(as_app(), '2F003', qr/a user name and a password are required/, 'and a password');
$node->safe_psql('postgres',
	q{ALTER USER MAPPING FOR app SERVER m OPTIONS (ADD password_required 'false')});
query_is(as_app(), '{"a": {"b": [1, 2.5, null, true]}, "_id": "x"}', 'unless a superuser says otherwise');

# A server that a superuser made with a file is of no use to its new owner.
$node->safe_psql('postgres', q{
	ALTER SERVER m OPTIONS (ADD ca_file '/etc/passwd');
	GRANT USAGE ON FOREIGN DATA WRAPPER covet_mongo TO app;
	ALTER SERVER m OWNER TO app;});
fails_with(as_app(), '42501', qr/only superusers may set option "ca_file"/, 'rights are checked again at use');

# ----------
# A server that comes back
# ----------

$node->safe_psql('postgres', q{
	ALTER SERVER m OWNER TO CURRENT_USER;
	ALTER SERVER m OPTIONS (DROP ca_file)});
$mongo->stop;
my $waiting = IPC::Run::start(
	[
		'psql', '-XAtq', '-d', $node->connstr('postgres') . ' application_name=waiter',
		'-c', q{SELECT covet.mongo_insert_one('m', 'db', 'back', '{"_id": "was here"}')}
	],
	'>', \$stdout, '2>', \$stderr);
$node->poll_query_until('postgres', q{
	SELECT count(*) = 1 FROM pg_stat_activity
	WHERE application_name = 'waiter' AND wait_event_type = 'Extension'})
  or die 'nobody waits for the server';
$mongo->run;
$waiting->finish;
is($stdout, "\"was here\"\n", 'a write not yet sent waits for the server to come back');

# ----------
# A server that was restarted while nobody looked
# ----------

my $standalone = CovetMongo->start('--standalone');
$node->safe_psql('postgres', qq{
	CREATE SERVER standalone FOREIGN DATA WRAPPER covet_mongo OPTIONS (@{[ $standalone->options ]});
	CREATE USER MAPPING FOR CURRENT_USER SERVER standalone});

# One session writes, waits for a lock, and writes again; meanwhile the server
# is restarted.
my ($lock_in, $lock_out) = ('', '');
my $lock = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
	'<', \$lock_in, '>', \$lock_out, '2>&1');
$lock_in .= "SELECT pg_advisory_lock(1);\n\\echo locked\n";
$lock->pump until $lock_out =~ /locked/;
my $across = IPC::Run::start(
	[
		'psql', '-XAtq', '-d', $node->connstr('postgres') . ' application_name=across',
		'-c', q{SELECT covet.mongo_insert_one('standalone', 'db', 'c', '{"_id": 1}')},
		'-c', q{SELECT 'locked' FROM pg_advisory_lock(1)},
		'-c', q{SELECT covet.mongo_insert_one('standalone', 'db', 'c', '{"_id": 2}')}
	],
	'>', \$stdout, '2>', \$stderr);
$node->poll_query_until('postgres', q{
	SELECT count(*) = 1 FROM pg_stat_activity
	WHERE application_name = 'across' AND wait_event = 'advisory'})
  or die 'the session does not wait for the lock';
$standalone->restart('--standalone');
$lock_in .= "SELECT pg_advisory_unlock(1);\n\\q\n";
$lock->finish;
$across->finish;
is($stdout . $stderr, "1\nlocked\n2\n", 'a write finds the new server at once');

done_testing();
