# Many writers and readers of few keys, sessions and tokens at once, in both
# storages, with memory that is too small and with enough of it: test/stress.
#
#	COVET_STRESS_SECONDS	how long a storage is stressed (10)
#	COVET_STRESS_SEED		to repeat what was printed

use strict;
use warnings;

use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{COVET_STRESS_SECONDS} // 10;
my $seed = $ENV{COVET_STRESS_SEED} // time;
my $source = dirname(__FILE__) . '/../stress';
my $program = PostgreSQL::Test::Utils::tempdir() . '/stress';

sub pg_config
{
	my ($option) = @_;
	my ($out, $err) = run_command([ 'pg_config', $option ]);
	return $out;
}

my $libdir = pg_config('--libdir');
command_ok(
	[ 'cc', '-O1', '-Wall', '-Wextra', '-Werror', '-I' . pg_config('--includedir'), '-o', $program,
		glob("$source/*.c"), "-L$libdir", "-Wl,-rpath,$libdir", '-lpq' ],
	'the stress program compiles');

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'covet'
fsync = off
deadlock_timeout = '50ms'
covet.sweep_min_interval = '50ms'
covet.sweep_max_interval = '100ms'
});
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION covet');

sub stress
{
	my ($storage, $room, $duration, @more) = @_;

	$node->append_conf('postgresql.conf', 'covet.hot_size = ' . ($room eq 'evict' ? "'4MB'" : "'64MB'"));
	$node->restart;
	my ($out, $err) = ('', '');
	my $ok = IPC::Run::run(
		[ $program, $node->connstr('postgres'), $storage, $room, $duration, $seed, @more ],
		'>', \$out, '2>', \$err);
	note($out);
	return ($ok, $err);
}

foreach my $run ([ 'table', 'evict', 1 ], [ 'memory', 'evict', 0.6 ], [ 'memory', 'roomy', 0.4 ])
{
	my ($storage, $room, $share) = @$run;
	my ($ok, $err) = stress($storage, $room, int($seconds * $share) || 1);

	ok($ok, "storage $storage, $room: nothing older, dirty, torn, ended or missing is read")
	  or diag($err);
	is($node->safe_psql('postgres', q{SELECT prepared FROM covet.stat_hot}), '0', 'no prepared block is left');
	is($node->safe_psql('postgres', q{SELECT covet._hot_check()}), '', 'and memory is whole');
	is($node->safe_psql('postgres', q{SELECT evictions > 0 FROM covet.stat_hot}), 't', 'entries were evicted')
	  if $room eq 'evict';
	is($node->safe_psql('postgres', q{SELECT hits > 0 AND promotions > 0 FROM covet.stat_hot}), 't',
		'reads were served from memory');
}

# The checks notice: a reader is given a value again that it read long before.
my ($ok, $err) = stress('table', 'roomy', 10, 'plant');
ok(!$ok, 'an older value is noticed');
like($err, qr/VIOLATION .* is older/, 'and named');

$node->stop;
my $log = slurp_file($node->logfile);
unlike($log, qr/PANIC|TRAP|terminated by signal/, 'no crash is in the log');

done_testing();
