# Under load: increments add up exactly, and a mix of everything that writes the
# same few keys raises no error, no deadlock and leaves no value that nobody set.

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
deadlock_timeout = '100ms'
covet.sweep_min_interval = '50ms'
covet.sweep_max_interval = '100ms'
});
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION covet;
	SELECT covet.cache_namespace_set('mix', max_bytes => 3000),
		covet.cache_namespace_set('memory', 'memory'),
		covet.cache_namespace_set('memory_mix', 'memory', max_bytes => 3000)});

my $dir = PostgreSQL::Test::Utils::tempdir();

# Writes the script and runs it.
sub pgbench
{
	my ($name, $script, $clients, $transactions) = @_;
	my $file = "$dir/" . ($name =~ s/\W+/_/gr) . '.sql';
	append_to_file($file, $script);
	$node->command_checks_all(
		[ 'pgbench', '-n', '-M', 'prepared', '-c', $clients, '-j', 2, '-t', $transactions,
			'--random-seed=42', '-f', $file, $node->connstr('postgres') ],
		0,
		[qr{actually processed: (\d+)/\g1}],
		[qr{^(?!.*(ERROR|aborted))}s],
		$name);
}

pgbench('increments of one key', q{
SELECT covet.cache_incr('one', namespace => 'incr');
}, 4, 250);
is($node->safe_psql('postgres', q{SELECT covet.cache_get('one', 'incr')}), '1000', 'none is lost, none counts twice');

# In a memory namespace they count also in what is rolled back.
pgbench('increments of one key in memory', q{
SELECT covet.cache_incr('one', namespace => 'memory');
}, 8, 10000);
is($node->safe_psql('postgres', q{SELECT covet.cache_get('one', 'memory')}), '80000', 'none is lost in memory either');
$node->safe_psql('postgres', q{SELECT covet.cache_set('kept', '0', '10 min', 'memory')});
pgbench('a deadline that is moved beside increments in memory', q{
\if :client_id
SELECT covet.cache_incr('kept', namespace => 'memory');
\else
SELECT 1 / (covet.cache_touch('kept', '10 hours', 'memory') AND
	covet.cache_expires_at('kept', 'memory') > now() + interval '1 hour')::integer;
SELECT covet.cache_touch('kept', '10 min', 'memory');
\endif
}, 3, 5000);
is($node->safe_psql('postgres', q{SELECT covet.cache_get('kept', 'memory')}), '10000', 'and none of them is lost');
pgbench('increments in memory, some rolled back', q{
\set n random(1, 3)
\set keep random(0, 1)
BEGIN;
SELECT covet.cache_incr('few' || :n, namespace => 'memory'), covet.cache_incr('all', namespace => 'memory');
\if :keep
COMMIT;
\else
ROLLBACK;
\endif
}, 4, 500);
is($node->safe_psql('postgres', q{
	SELECT sum(covet.cache_get('few' || n, 'memory')::int), covet.cache_get('all', 'memory') FROM generate_series(1, 3) n}),
	'2000|2000', 'what was rolled back counts');
pgbench('one of many adds and takes', q{
\set n random(1, 20)
SELECT CASE WHEN covet.cache_add('slot' || :n, 'x', namespace => 'memory') THEN covet.cache_incr('added', namespace => 'memory') END;
SELECT CASE WHEN covet.cache_take('slot' || :n, 'memory') IS NOT NULL THEN covet.cache_incr('taken', namespace => 'memory') END;
}, 8, 500);
is($node->safe_psql('postgres', q{
	SELECT covet.cache_get('added', 'memory')::int - covet.cache_get('taken', 'memory')::int
		- (SELECT count(*) FROM covet.cache_scan('slot', namespace => 'memory'))}),
	'0', 'as many were added as were taken and are left');

pgbench('increments, some rolled back', q{
\set n random(1, 3)
\set keep random(0, 1)
BEGIN;
SELECT covet.cache_incr('few' || :n, namespace => 'incr');
SELECT covet.cache_incr('kept', :keep, namespace => 'incr');
\if :keep
COMMIT;
\else
ROLLBACK;
\endif
}, 4, 150);
is($node->safe_psql('postgres', q{
	SELECT sum(covet.cache_get('few' || n, 'incr')::int) = covet.cache_get('kept', 'incr')::int FROM generate_series(1, 3) n}),
	't', 'those that committed add up');

# One value a key, so whatever is read can be checked: the value of a key is the
# key, or a number.
my $mix = q{
\set k random(1, 5)
\set l random(1, 5)
\set what random(1, 14)
\if :what = 1
SELECT covet.cache_set('k' || :k, 'k' || :k, namespace => 'mix', tags => ARRAY['t' || :l], idle => '1 second');
\elif :what = 2
SELECT covet.cache_delete('k' || :k, 'mix');
\elif :what = 3
SELECT covet.cache_clear('mix');
\elif :what = 4
SELECT covet.cache_add('k' || :k, 'k' || :k, namespace => 'mix');
\elif :what = 5
SELECT covet.cache_replace('k' || :k, 'k' || :k, namespace => 'mix');
\elif :what = 6
SELECT covet.cache_take('k' || :k, 'mix');
\elif :what = 7
SELECT covet.cache_touch('k' || :k, '1 hour', 'mix');
\elif :what = 8
SELECT covet.cache_set_many(ARRAY['k' || :l, 'k' || :k, 'k1'], ARRAY['k' || :l, 'k' || :k, 'k1'], namespace => 'mix', tags => ARRAY['t' || :k, 't' || :l]);
\elif :what = 9
SELECT covet.cache_delete_many(ARRAY['k' || :l, 'k' || :k, 'k3'], 'mix');
\elif :what = 10
SELECT covet.cache_invalidate_tags(ARRAY['t' || :k, 't' || :l], 'mix');
\elif :what = 11
SELECT covet.cache_incr('n' || :k, namespace => 'mix');
\elif :what = 12
SELECT covet.cache_set('k' || :k, 'k' || :k, '1 millisecond', 'mix');
\elif :what = 13
SELECT covet.cache_set('pad' || :k, repeat('x', 800), namespace => 'mix');
\else
SELECT 1 / (covet.cache_get('k' || :k, 'mix') = 'k' || :k)::int,
	(SELECT count(*) FROM covet.cache_scan('k', namespace => 'mix', with_values => true) WHERE 1 / (convert_from(value, 'UTF8') = key)::int = 1);
\endif
};
pgbench('a mix of writes', $mix, 4, 400);
$mix =~ s/'mix'/'memory_mix'/g;
pgbench('a mix of writes in memory', $mix, 4, 2000);

pgbench('batches in transactions of one statement each', q{
SELECT covet.cache_set_many((SELECT array_agg('b' || i ORDER BY random()) FROM generate_series(1, 20) i),
	(SELECT array_agg(:client_id::text) FROM generate_series(1, 20) i), namespace => 'batch');
}, 4, 100);
# each batch was one transaction, so the last one to commit wrote all of them
is($node->safe_psql('postgres', q{
	SELECT count(DISTINCT v), count(v)
	FROM unnest(covet.cache_get_many((SELECT array_agg('b' || i) FROM generate_series(1, 20) i), 'batch')) v}),
	'1|20', 'batches are not mixed');

$node->stop;
my $log = slurp_file($node->logfile);
unlike($log, qr/\bERROR:/, 'no error is in the log');
unlike($log, qr/PANIC|deadlock|terminated by signal/, 'nor worse');

done_testing();
