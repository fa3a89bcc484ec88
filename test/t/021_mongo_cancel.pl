# Every wait for MongoDB can be cancelled, and the backend is as good as new
# right after: statement_timeout of 200 ms against servers that stall at
# different moments.  The aim is 300 ms; the assertion leaves room for a slow
# machine.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CovetMongo;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

plan skip_all => CovetMongo::skip_reason() if CovetMongo::skip_reason();

use constant LIMIT => 5 * 0.3;

my $mongo = CovetMongo->start;
my $secured = CovetMongo->start;

$secured->command('admin',
	createUser => 'app', pwd => 'secret', roles => \[ [ role => 'root', db => 'admin' ] ]);
$secured->restart('--auth');

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'covet'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION covet');

sub make_server
{
	my ($name, $options, $mapping) = @_;

	$mapping = $mapping ? "OPTIONS ($mapping)" : '';
	$node->safe_psql('postgres', qq{
		CREATE SERVER $name FOREIGN DATA WRAPPER covet_mongo OPTIONS ($options);
		CREATE USER MAPPING FOR CURRENT_USER SERVER $name $mapping;});
}

make_server('live', $mongo->options);
make_server('silent', "address '127.0.0.1', port '" . CovetMongo::silent() . "'");
make_server('full_backlog', "address '127.0.0.1', port '" . CovetMongo::full_backlog() . "'");
make_server('refused',
	"address '127.0.0.1', port '" . PostgreSQL::Test::Cluster::get_free_port() . "'");
make_server('silent_tls', "ssl 'true', address '127.0.0.1', port '" . CovetMongo::silent() . "'");

# Without this the driver would leave the proxy for the address that the
# replica set of one announces.
my $direct = "direct_connection 'true', address '127.0.0.1', port";
foreach my $stall (qw(saslStart saslContinue))
{
	my $proxy = CovetMongo::proxy($secured->{port}, $stall);

	make_server(lc "stall_$stall", "$direct '$proxy->{port}'", "username 'app', password 'secret'");
}
my %proxy;
foreach my $stall (qw(getMore insert find drop))
{
	$proxy{$stall} = CovetMongo::proxy($mongo->{port}, $stall);
	make_server(lc "stall_$stall", "$direct '$proxy{$stall}->{port}'");
}

$node->safe_psql('postgres', q{
	SELECT covet.mongo_insert_many('live', 'db', 'many', array_agg(json_build_object('_id', i)))
	FROM generate_series(1, 1000) i});

# Run a statement that must be cancelled, and then one on a live server, in
# the same backend.
sub check_cancel
{
	my ($what, $sql, $context) = @_;
	my $session = run_cancelled($sql);

	like($session->{error}, qr/^57014 canceling statement due to statement timeout/m,
		"$what: cancelled");
	like($session->{error}, $context, "$what: context") if $context;
	cmp_ok($session->{elapsed}, '<', LIMIT, "$what: in time");
	cmp_ok($session->{elapsed}, '>=', 0.19, "$what: it did wait");
	note("$what: $session->{elapsed} s, then $session->{next_elapsed} s");
	is($session->{next}, 'live t', "$what: the next command works");
	cmp_ok($session->{next_elapsed}, '<', LIMIT, "$what: and at once");
}

# One psql session: the statement under a timeout, then a live command, each
# timed inside of PostgreSQL.
sub run_cancelled
{
	my ($sql) = @_;
	my ($stdout, $stderr);

	$node->psql('postgres', qq{
		SELECT covet.mongo_ping('live') < '1 min' AS warm;
		SET statement_timeout = '200ms';
		SELECT clock_timestamp() AS t0 \\gset
		$sql;
		\\echo :LAST_ERROR_SQLSTATE :LAST_ERROR_MESSAGE
		RESET statement_timeout;
		SELECT clock_timestamp() AS t1 \\gset
		SELECT 'live ' || (covet.mongo_ping('live') < '1 min')::text AS next \\gset
		SELECT clock_timestamp() AS t2 \\gset
		\\echo next :next
		SELECT 'elapsed', extract(epoch FROM :'t1'::timestamptz - :'t0'::timestamptz);
		SELECT 'next_elapsed', extract(epoch FROM :'t2'::timestamptz - :'t1'::timestamptz);
	}, stdout => \$stdout, stderr => \$stderr, on_error_stop => 0);

	my ($elapsed) = $stdout =~ /^elapsed\|(.*)/m;
	my ($next_elapsed) = $stdout =~ /^next_elapsed\|(.*)/m;
	my ($next) = $stdout =~ /^next (.*)/m;
	my ($error) = $stdout =~ /^(\w{5} canceling.*)/m;

	$next =~ s/true/t/ if defined $next;
	return {
		elapsed => $elapsed, next => $next, next_elapsed => $next_elapsed,
		error => ($error // '') . "\n$stderr"
	};
}

check_cancel('server that never answers', q{SELECT covet.mongo_ping('silent')});
check_cancel('server that never answers, TLS', q{SELECT covet.mongo_ping('silent_tls')});
check_cancel('full backlog', q{SELECT covet.mongo_ping('full_backlog')});
check_cancel('waiting to try again', q{SELECT covet.mongo_ping('refused')});
check_cancel('start of authentication',
	q{SELECT * FROM covet.mongo_find('stall_saslstart', 'db', 'c')});
check_cancel('middle of authentication',
	q{SELECT * FROM covet.mongo_find('stall_saslcontinue', 'db', 'c')});
check_cancel('first batch', q{SELECT * FROM covet.mongo_find('stall_find', 'db', 'many')});
check_cancel('middle of a getMore',
	q{SELECT count(*) FROM covet.mongo_find('stall_getmore', 'db', 'many')});
check_cancel('insert', q{SELECT covet.mongo_insert_one('stall_insert', 'db', 'c', '{}')});
check_cancel('drop', q{SELECT covet.mongo_drop_collection('stall_drop', 'db', 'c')});

# A cancelled write says that it may have happened, when it was sent.
my ($stdout, $stderr);
$node->psql('postgres', q{
	SET statement_timeout = '200ms';
	SELECT covet.mongo_insert_one('silent', 'db', 'c', '{}')},
	stdout => \$stdout, stderr => \$stderr);
like($stderr, qr/canceling statement/, 'a write that was never sent is cancelled');
unlike($stderr, qr/may or may not have happened/, 'and did not happen');
$node->psql('postgres', q{
	SET statement_timeout = '200ms';
	SELECT covet.mongo_insert_one('stall_insert', 'db', 'c', '{}')},
	stdout => \$stdout, stderr => \$stderr);
like($stderr, qr/may or may not have happened/, 'one that was sent may have happened');

# What a cancelled cursor left at the server is killed by the next command.
my $kills = CovetMongo::count_commands($proxy{getMore}, 'killCursors');
$node->psql('postgres', q{
	SET statement_timeout = '200ms';
	SELECT count(*) FROM covet.mongo_find('stall_getmore', 'db', 'many');
	RESET statement_timeout;
	SELECT covet.mongo_ping('stall_getmore');}, on_error_stop => 0);
is(CovetMongo::count_commands($proxy{getMore}, 'killCursors'), $kills + 1,
	'a cancelled cursor is killed');

# pg_terminate_backend ends a backend that waits, with an open cursor.
my $victim = IPC::Run::start(
	[
		'psql', '-X', '-d', $node->connstr('postgres') . ' application_name=victim',
		'-c', q{
			BEGIN;
			DECLARE c CURSOR FOR SELECT * FROM covet.mongo_find('live', 'db', 'many');
			FETCH 1 FROM c;
			SELECT covet.mongo_ping('silent')}
	],
	'>', \$stdout, '2>', \$stderr);
$node->poll_query_until('postgres', q{
	SELECT count(*) = 1 FROM pg_stat_activity
	WHERE application_name = 'victim' AND wait_event_type = 'Extension'})
  or die 'the victim does not wait';
$node->safe_psql('postgres', q{
	SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'});
$victim->finish;
like($stderr, qr/terminating connection due to administrator command/,
	'a waiting backend can be terminated');
is($node->safe_psql('postgres', q{SELECT covet.mongo_ping('live') < '1 min'}), 't',
	'and nobody else is hurt');

done_testing();
