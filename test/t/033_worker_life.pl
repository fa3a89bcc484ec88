
# The life of the workers themselves: SIGTERM, a crash, no free slot, too many
# databases, a standby.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('life');
$node->init(allows_streaming => 1);
$node->append_conf(
	'postgresql.conf', qq{
shared_preload_libraries = 'covet'
autovacuum = off
restart_after_crash = on
covet.sweep_min_interval = 50
covet.sweep_max_interval = 200
});
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION covet; SELECT covet.sweep()');

my $launcher = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'covet launcher'};

# swept: is a dead row removed by itself?
sub swept
{
	my ($node) = @_;
	$node->safe_psql('postgres',
		q{INSERT INTO covet._token VALUES (1, '-infinity', '', 'dead') ON CONFLICT DO NOTHING});
	return $node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM covet._token');
}

ok(swept($node), 'swept');

# SIGTERM of the launcher: the postmaster starts it again.
my $pid = $node->safe_psql('postgres', $launcher);
is($node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)"), 't', 'the launcher is ended');
ok( $node->poll_query_until('postgres',
		"SELECT count(*) = 1 AND min(pid) <> $pid FROM ($launcher) p"),
	'and comes back');
ok(swept($node), 'sweeping goes on');

# Ticks that are held up while a row is in public.hold, by a trigger in the
# middle of an eviction.
$node->safe_psql(
	'postgres', q{
CREATE TABLE public.hold (x integer);
CREATE FUNCTION public.wait() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
	IF EXISTS (SELECT FROM public.hold) THEN PERFORM pg_sleep(600); END IF;
	RETURN OLD;
END$$;
CREATE TRIGGER wait BEFORE DELETE ON covet._cache FOR EACH ROW EXECUTE FUNCTION public.wait();
SELECT covet.cache_namespace_set('small', max_bytes => 10);
});
my $held_up = q{FROM pg_stat_activity
	WHERE backend_type = 'covet tick' AND wait_event = 'PgSleep'};

# hold(): have a tick held up.
sub hold
{
	$node->safe_psql('postgres',
		q{INSERT INTO public.hold VALUES (1);
		SELECT covet.cache_set('key', repeat('x', 100), namespace => 'small')});
	ok($node->poll_query_until('postgres', "SELECT count(*) > 0 $held_up"), 'a tick is under way');
}

# release(): have no tick held up any more.
sub release
{
	$node->safe_psql('postgres', 'DELETE FROM public.hold');
	$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) $held_up");
}

# SIGTERM of a tick.
hold();
is( $node->safe_psql('postgres',
		q{SELECT state FROM covet.stat_workers WHERE database = 'postgres'}),
	'running', 'and shown');
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) $held_up");
ok( $node->poll_query_until('postgres',
		q{SELECT failures > 0 FROM covet.stat_workers WHERE database = 'postgres'}),
	'ended: counted as a failure');

# The launcher ended while a tick is under way: both go.
ok($node->poll_query_until('postgres', "SELECT count(*) > 0 $held_up"), 'another tick is under way');
my $tick = $node->safe_psql('postgres', "SELECT pid $held_up");
$pid = $node->safe_psql('postgres', $launcher);
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
ok( $node->poll_query_until('postgres',
		"SELECT count(*) = 1 AND min(pid) <> $pid FROM ($launcher) p"),
	'the launcher comes back');
ok( $node->poll_query_until('postgres',
		"SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $tick"),
	'its tick is gone');
release();
ok(swept($node), 'sweeping goes on');

# kill -9 of the launcher: all processes start again, and so does it.
$pid = $node->safe_psql('postgres', $launcher);
kill 'KILL', $pid;
ok( $node->poll_query_until('postgres',
		"SELECT count(*) = 1 AND min(pid) <> $pid FROM ($launcher) p"),
	'the launcher comes back after a crash');
ok(swept($node), 'sweeping goes on after a crash');

# kill -9 of a tick.
hold();
kill 'KILL', $node->safe_psql('postgres', "SELECT pid $held_up LIMIT 1");
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM covet._cache'),
	'the crash empties the unlogged table');
release();
ok(swept($node), 'sweeping goes on after a tick was killed');

# A fast stop while a tick is under way.
hold();
$node->stop('fast');
$node->append_conf('postgresql.conf', 'covet.max_databases = 2');
$node->start;
release();
ok(swept($node), 'sweeping goes on after a stop and a start');

# No more than covet.max_databases: logged once, and made good when there is room.
my $offset = -s $node->logfile;
for my $database ('second', 'third')
{
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION covet');
	$node->safe_psql($database, 'SELECT covet.sweep()') for (1 .. 3);
}
is( $node->safe_psql('postgres', q{SELECT string_agg(database, ' ' ORDER BY database) FROM covet.stat_workers}),
	'postgres second', 'there is no room for a third database');
my @lines = slurp_file($node->logfile, $offset) =~ /is not swept/g;
is(scalar(@lines), 1, 'that is logged once');
is($node->safe_psql('third', q{SELECT covet.cache_set('key', 'x'), covet.cache_get('key')}),
	't|x', 'the stores work there');
$node->safe_psql('postgres', 'DROP DATABASE second');
ok( $node->poll_query_until(
		'third', q{SELECT covet.sweep() >= 0 AND EXISTS
			(SELECT FROM covet.stat_workers WHERE database = 'third' AND ticks > 0)}),
	'when another is dropped it takes its place');

# No free slot for a tick.
$node->append_conf('postgresql.conf',
	"max_worker_processes = 1\nmax_logical_replication_workers = 0");
$node->restart;
$offset = -s $node->logfile;
$node->safe_psql('postgres', 'SELECT covet.sweep()');
ok( $node->poll_query_until('postgres',
		q{SELECT state = 'no worker slot' AND ticks = 0
			FROM covet.stat_workers WHERE database = 'postgres'}),
	'a missing slot shows in stat_workers');
my $next = $node->safe_psql('postgres',
	q{SELECT next_tick FROM covet.stat_workers WHERE database = 'postgres'});
ok( $node->poll_query_until('postgres',
		qq{SELECT next_tick > '$next' FROM covet.stat_workers WHERE database = 'postgres'}),
	'it is tried again');
@lines = slurp_file($node->logfile) =~ /could not start a background worker/g;
is(scalar(@lines), 1, 'and logged once');
is( $node->safe_psql('postgres',
		q{INSERT INTO covet._token VALUES (1, '-infinity', '', 'dead'); SELECT covet.sweep()}),
	'1', 'covet.sweep() works');
$node->append_conf('postgresql.conf', "max_worker_processes = 8");
$node->restart;
ok(swept($node), 'with a free slot sweeping goes on');

# A standby has no workers until it is promoted.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
is($standby->safe_psql('postgres', "SELECT count(*) FROM ($launcher) p"), '0', 'no launcher on a standby');
my ($code, undef, $err) = $standby->psql('postgres', "\\set VERBOSITY sqlstate\nSELECT covet.sweep()");
like($err, qr/25006/, 'and no sweep');
$standby->promote;
ok(swept($standby), 'a promoted standby is swept');

$standby->stop;
$node->stop;
done_testing();
