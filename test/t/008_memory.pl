# What a call holds in memory at a time, and how soon a large batch can be
# cancelled.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
# Shared memory counts as memory of the backend that touches it, so no copies
# of rows are kept there.
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'covet'
shared_buffers = '4MB'
covet.hot_max_value = '8kB'
fsync = off
});
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION covet');

# ----------
# 50 MB of values that cannot be compressed, read one by one
# ----------

$node->safe_psql('postgres', q{
	SELECT count(covet.cache_set_bytea('k' || k, (
		SELECT string_agg(sha256((k || ' ' || i)::text::bytea), '')
		FROM generate_series(1, 8000) i)))
	FROM generate_series(1, 200) k});

# By how many MB the peak of a fresh backend rises with a query.
my $peak = q{regexp_replace(pg_read_file('/proc/self/status'), '.*VmHWM:\s*(\d+).*', '\1')::int / 1024};

sub growth
{
	my ($query) = @_;
	my ($before, $rows, $after) = split /\n/,
	  $node->safe_psql('postgres', "SELECT $peak; $query; SELECT $peak");

	is($rows, 200, 'all entries are read');
	return $after - $before;
}

SKIP:
{
	skip 'needs /proc', 6 unless -r '/proc/self/status';

	cmp_ok(growth('SELECT count(*) FROM covet.cache_scan(with_values => true)'),
		'<', 25, 'cache_scan with values holds one of them at a time');
	cmp_ok(growth('SELECT count(*) FROM covet.cache_scan()'),
		'<', 25, 'and so it does without');
	cmp_ok(growth(q{SELECT count(*) FROM covet.cache_entries(
			ARRAY(SELECT 'k' || k FROM generate_series(1, 200) k))}),
		'<', 25, 'and cache_entries');
}

# ----------
# A batch of millions can be cancelled before it reaches the tables
# ----------

my $tokens = q{array_fill('x'::text, ARRAY[5000000])};
my $begin = time;

# Just enough time to make the argument.
$node->safe_psql('postgres', "SELECT cardinality($tokens)");
my $timeout = int(1000 * (time - $begin)) + 50;

my ($out, $err);
$begin = time;
$node->psql('postgres',
	"SET statement_timeout = $timeout; SELECT cardinality(covet.session_get_many($tokens))",
	stdout => \$out, stderr => \$err);
my $late = time - $begin - $timeout / 1000;
like($err, qr/statement timeout/, 'session_get_many is cancelled');
cmp_ok($late, '<', 0.6, "and soon ($late s after $timeout ms)");

$node->stop;
done_testing();
