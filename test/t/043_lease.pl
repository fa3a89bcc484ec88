# Leases under load: of many who miss a key at once exactly one computes it.  And
# what only a server can show: a write that is committed but has not yet reached
# memory, and the end of all leases with a restart.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'covet'
max_connections = 120
fsync = off
});
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION covet;
	CREATE TABLE asked (ns text, k int, status text);
	CREATE TABLE computed (ns text, k int, filled boolean)});

my $dir = PostgreSQL::Test::Utils::tempdir();

sub pgbench
{
	my ($name, $script, $clients, $transactions, $ns) = @_;
	my $file = "$dir/" . ("$ns $name" =~ s/\W+/_/gr) . '.sql';
	append_to_file($file, $script =~ s/:'ns'/'$ns'/gr);
	$node->command_checks_all(
		[ 'pgbench', '-n', '-c', $clients, '-j', 2, '-t', $transactions,
			'--random-seed=42', '-f', $file, $node->connstr('postgres') ],
		0,
		[qr{actually processed: (\d+)/\g1}],
		[qr{^(?!.*(ERROR|aborted))}s],
		"$name, storage '$ns'");
}

for my $ns ('table', 'memory')
{
	$node->safe_psql('postgres', "SELECT covet.cache_namespace_set('$ns', '$ns')");

	# 100 callers who come at once, to one key after the other.
	pgbench('a hundred callers', q{
INSERT INTO asked SELECT :'ns', 1, status FROM covet.cache_lease('cold1', '1 h', :'ns');
INSERT INTO asked SELECT :'ns', 2, status FROM covet.cache_lease('cold2', '1 h', :'ns');
INSERT INTO asked SELECT :'ns', 3, status FROM covet.cache_lease('cold3', '1 h', :'ns');
}, 100, 1, $ns);
	is($node->safe_psql('postgres', qq{
			SELECT k, status, count(*) FROM asked WHERE ns = '$ns' GROUP BY k, status ORDER BY k, status}),
		"1|wait|99\n1|won|1\n2|wait|99\n2|won|1\n3|wait|99\n3|won|1",
		'one is told to compute, the others wait');

	# Callers who compute and fill what they win; nothing ends meanwhile.
	pgbench('callers who fill', q{
\set k random(1, 200)
SELECT (status = 'won')::int AS won, coalesce(lease_id, 0) AS id
	FROM covet.cache_lease('k' || :k, '1 h', :'ns') \gset
\if :won
SELECT covet.cache_fill('k' || :k, :id, 'value ' || :k, '1 h', namespace => :'ns')::int AS filled \gset
INSERT INTO computed VALUES (:'ns', :k, :filled::boolean);
\endif
}, 20, 200, $ns);
	is($node->safe_psql('postgres', qq{
			SELECT count(*) = count(DISTINCT k) AND bool_and(filled) AND count(*) > 100
			FROM computed WHERE ns = '$ns'}),
		't', 'no key is computed twice, each fill is accepted');
	is($node->safe_psql('postgres', qq{
			SELECT count(*) FROM computed
			WHERE ns = '$ns' AND covet.cache_get('k' || k, '$ns') IS DISTINCT FROM 'value ' || k}),
		'0', 'and what was filled is there');

	# The same with entries that are stale at once and get written and deleted by
	# others: whatever is read belongs to its key.
	pgbench('a mix', q{
\set k random(1, 5)
\set what random(1, 10)
\if :what = 1
SELECT covet.cache_set('m' || :k, 'm' || :k, namespace => :'ns');
\elif :what = 2
SELECT covet.cache_delete('m' || :k, :'ns');
\elif :what = 3
SELECT covet.cache_invalidate_tags(ARRAY['t' || :k], :'ns');
\elif :what = 4
SELECT covet.cache_clear(:'ns');
\else
SELECT (status = 'won')::int AS won, coalesce(lease_id, 0) AS id,
	1 / (coalesce(value, 'm' || :k) = 'm' || :k)::int AS good
	FROM covet.cache_lease('m' || :k, '10 ms', :'ns') \gset
\if :won
SELECT covet.cache_fill('m' || :k, :id, 'm' || :k, '1 ms', '1 s', :'ns', ARRAY['t' || :k]);
\endif
\endif
}, 8, 200, $ns);
}

# A write that others can see in the table, but whose commit has not come as far
# as memory: the lease must be void already.
my $id = $node->safe_psql('postgres', q{SELECT lease_id FROM covet.cache_lease('late', '1 h', 'table')});
my $writer = IPC::Run::start(
	[ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', q{SET covet.debug_commit_delay = '3 s'},
		'-c', q{SELECT covet.cache_set('late', 'newer', namespace => 'table')} ],
	'>', \my $out, '2>', \my $err);
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM covet._cache WHERE key = 'late'})
	or die 'the row never came';
is($node->safe_psql('postgres', qq{SELECT covet.cache_fill('late', $id, 'older', namespace => 'table')}),
	'f', 'a lease is void once a write can be seen');
$writer->finish;
is($node->safe_psql('postgres', q{SELECT covet.cache_get('late', 'table')}), 'newer', 'and the write stays');

# No lease outlives the server.
for my $mode ('fast', 'immediate')
{
	my $ids = $node->safe_psql('postgres', q{
		SELECT covet.cache_fill('kept', lease_id, 'kept', '1 microsecond', '1 h', 'memory')
			FROM covet.cache_lease('kept', '1 h', 'memory');
		SELECT string_agg(lease_id::text, ' ' ORDER BY k) FROM unnest(ARRAY['kept', 'none']) AS k,
			covet.cache_lease(k, '1 h', 'memory')});
	my ($kept, $none) = (split /\n/, $ids)[1] =~ /(\d+) (\d+)/;

	$node->stop($mode);
	$node->start;
	is($node->safe_psql('postgres', qq{
			SELECT covet.cache_fill('kept', $kept, 'late', namespace => 'memory'),
				covet.cache_fill('none', $none, 'late', namespace => 'memory')}),
		'f|f', "leases end with a stop in mode $mode");
	is($node->safe_psql('postgres', q{
			SELECT count(*) FROM unnest(ARRAY['kept', 'none']) AS k, covet.cache_lease(k, '0', 'memory')
			WHERE status = 'won'}),
		'2', 'and are given out again');
}

$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal/, 'nothing worse is in the log');

done_testing();
