# Locks under load have one holder at a time and rising fencing numbers; the
# store of locks and limits is bounded, and reuses what is over.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'covet'
fsync = off
covet.hot_size = '4MB'
covet.sweep_min_interval = '50ms'
covet.sweep_max_interval = '100ms'
});
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION covet;
	CREATE TABLE inside (clients int);
	INSERT INTO inside VALUES (0);
	CREATE TABLE taken (n serial, fence bigint)});

my $dir = PostgreSQL::Test::Utils::tempdir();

# Runs a script of pgbench with 8 clients; no statement may fail.
sub pgbench
{
	my ($name, $script, $transactions) = @_;
	my $file = "$dir/" . ($name =~ s/\W+/_/gr) . '.sql';
	append_to_file($file, $script);
	$node->command_checks_all(
		[ 'pgbench', '-n', '-c', 8, '-j', 2, '-t', $transactions, '--random-seed=42',
			'-f', $file, $node->connstr('postgres') ],
		0,
		[qr{actually processed: (\d+)/\g1}],
		[qr{^(?!.*(ERROR|aborted))}s],
		$name);
}

# Who gets the lock counts himself in and out. Two at once would divide by zero.
pgbench('8 clients take one lock', q{
SELECT coalesce(covet.lock_acquire('one', '10 min'), 0) AS fence \gset
\if :fence
INSERT INTO taken (fence) VALUES (:fence);
UPDATE inside SET clients = clients + 1 RETURNING 1 / (clients = 1)::int;
SELECT 1 / covet.lock_extend('one', :fence, '10 min')::int;
UPDATE inside SET clients = clients - 1;
SELECT 1 / covet.lock_release('one', :fence)::int;
\endif
}, 300);
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM taken'), '>', 8, 'it went from hand to hand');
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM (SELECT fence > lag(fence) OVER (ORDER BY n) AS higher FROM taken) t WHERE NOT higher}),
	'0', 'with a higher number each time');
is($node->safe_psql('postgres', q{SELECT count(*) FROM covet.lock_info('one')}), '0', 'and is free in the end');

# Locks that nobody gives back: each number is given to one holder.
$node->safe_psql('postgres', 'TRUNCATE taken');
pgbench('8 clients take locks that end by themselves', q{
\set n random(1, 3)
INSERT INTO taken (fence) SELECT f FROM covet.lock_acquire('short' || :n, '300 microseconds') f WHERE f IS NOT NULL;
}, 200);
is($node->safe_psql('postgres', 'SELECT count(*) - count(DISTINCT fence) FROM taken'), '0', 'no number is given twice');

# Takes locks without a deadline until there is no room; how many there was
# room for.
my $fill = q{
	CREATE FUNCTION fill(prefix text, most integer) RETURNS integer LANGUAGE plpgsql AS $$
	DECLARE
		taken integer := 0;
	BEGIN
		WHILE taken < most LOOP
			PERFORM covet.lock_acquire(prefix || taken + 1, '1000 years');
			taken := taken + 1;
		END LOOP;
		RETURN taken;
	EXCEPTION WHEN out_of_memory THEN
		RETURN taken;
	END $$};
$node->safe_psql('postgres', $fill);
sub fill
{
	my ($database, $prefix) = @_;
	return $node->safe_psql($database, "SELECT fill('$prefix', 10000)");
}

my $room = fill('postgres', 'a');
cmp_ok($room, '>', 1500, "there is room for many locks ($room)");
cmp_ok($room, '<=', 2048, 'and not for more than a sixteenth of covet.hot_size');
my $next = 'a' . ($room + 1);
my ($ret, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT covet.lock_acquire('$next')");
like($err, qr/ERROR:  53200: memory for locks and rate limits is full/, 'a full store is 53200');
like($err, qr/HINT:  Increase "covet.hot_size" and restart the server\./, 'with a hint');
# What is there goes on.
is($node->safe_psql('postgres', q{SELECT covet.lock_acquire('a1') IS NULL}), 't', 'what is held stays held');
is($node->safe_psql('postgres', qq{SELECT count(*) FROM covet.lock_info('$next')}), '0', 'what found no room is free');
is($node->safe_psql('postgres', qq{SELECT covet.lock_acquire('$next', '0') > 0}), 't', 'what keeps nothing needs no room');
is($node->safe_psql('postgres', q{SELECT count(*) FROM generate_series(1, 10) i, covet.lock_info('a' || i) l WHERE covet.lock_release('a' || i, l.fence)}),
	'10', 'what is held can be given back');
# A limit that is full of its own hits needs a record too.
($ret, $out, $err) = $node->psql('postgres',
	"\\set VERBOSITY sqlstate\nSELECT covet.rate_limit('k' || i, 1, '1 hour') FROM generate_series(1, 10000) i");
like($err, qr/ERROR:\s+53200/, 'limits fill the same store');
is($node->safe_psql('postgres', q{SELECT allowed, remaining FROM covet.rate_limit('none', 1, '1 hour', 0)}), 't|1', 'a look needs no room');

# The sweep of a clock that is far ahead removes all that has an end.
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM generate_series(1, 10000) i, covet.lock_info('a' || i) l WHERE covet.lock_release('a' || i, l.fence)}),
	$room - 10, 'all locks are given back');
$node->safe_psql('postgres', q{SELECT covet.sweep('infinity')});
is(fill('postgres', 'a'), $room, 'and there is room for as many as before');
$node->safe_psql('postgres', q{SELECT count(covet.lock_extend('a' || i, l.fence, '1 microsecond')) FROM generate_series(1, 10000) i, covet.lock_info('a' || i) l});

# What is over is reused, without any sweep.
is($node->safe_psql('postgres', q{
	SELECT count(covet.lock_acquire('b' || i, '1 microsecond')) FROM generate_series(1, 10000) i}),
	'10000', 'locks that are over make room');
is($node->safe_psql('postgres', q{
	SELECT count(*) FILTER (WHERE (covet.rate_limit('b' || i, 1, '1 microsecond')).allowed) FROM generate_series(1, 10000) i}),
	'10000', 'so do limits that are forgotten');

# Each database has its own, and takes them with it.
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', qq{CREATE EXTENSION covet; $fill; SELECT covet.lock_acquire('a1', '1000 years'), covet.rate_limit('k1', 1, '1 hour')});
is($node->safe_psql('postgres', q{SELECT covet.lock_acquire('a1', '1 min') > 0, (covet.rate_limit('k1', 1, '1 min')).allowed}), 't|t',
	'names of another database do not meet');
$node->safe_psql('postgres', q{SELECT covet.sweep('infinity')});
is($node->safe_psql('other', q{SELECT count(*) FROM covet.lock_info('a1')}), '1', 'a sweep leaves those of another database');
fill('other', 'a');
$node->safe_psql('postgres', 'DROP DATABASE other');
ok($node->poll_query_until('postgres', q{SELECT fill('c', 1000) = 1000}), 'locks of a dropped database make room');

# A crash frees all, and numbers go on rising.
my $fence = $node->safe_psql('postgres', q{SELECT covet.lock_acquire('crash', '1000 years')});
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', q{SELECT count(*) FROM covet.lock_info('crash')}), '0', 'a crash frees all locks');
is($node->safe_psql('postgres', qq{SELECT covet.lock_release('crash', $fence)}), 'f', 'the holder from before it has none');
is($node->safe_psql('postgres', qq{SELECT covet.lock_acquire('crash') > $fence}), 't', 'and numbers go on rising');

$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal/, 'nothing worse is in the log');
done_testing();
