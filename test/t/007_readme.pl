# Every SQL block of the README runs, in order, on a fresh database.  Those
# that need a MongoDB server are run up to the point of reaching it.
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'covet'");
$node->start;

my $readme = slurp_file("$FindBin::RealBin/../../README.md");
my @blocks = $readme =~ /^```sql\n(.*?)^```$/msg;

cmp_ok(scalar(@blocks), '>=', 15, 'the README has SQL blocks');

# A call of a mongo_ function would wait for a server that is not there.
my $script = join("\n", grep { !/covet\.mongo_/ } map {
	my $block = $_;
	$block =~ s/^SELECT covet\.mongo_\w+\(.*$//mg;
	$block =~ s/^SELECT .* FROM covet\.mongo_find\(.*$//mg;
	$block;
} @blocks);

my ($stdout, $stderr);
my $status = $node->psql('postgres', $script,
	stdout => \$stdout, stderr => \$stderr, on_error_stop => 1);

is($status, 0, 'all of them run');
is($stderr, '', 'without an error');

# The first ones say what they give.
my $mapping = $node->safe_psql('postgres',
	"SELECT srvname FROM pg_foreign_server WHERE srvname = 'shop'");
is($mapping, 'shop', 'the server of the README was made');
like($stdout, qr/^\{1,2,NULL\}$/m, 'cache_get_many gives what the README says');
like($stdout, qr/^\{"theme": "dark"\}$/m, 'so does session_get');

# What is said of every function: that it has a comment.
my $silent = $node->safe_psql('postgres', q{
	SELECT string_agg(p.oid::regprocedure::text, ' ' ORDER BY 1)
	FROM pg_proc p
	WHERE pronamespace = 'covet'::regnamespace AND proname !~ '^_'
		AND obj_description(p.oid, 'pg_proc') IS NULL});
is($silent, '', 'every public function has a comment');

# Every public function and every setting is in the reference.
my $reference = slurp_file("$FindBin::RealBin/../../docs/reference.md")
	. slurp_file("$FindBin::RealBin/../../docs/mongo.md");
my $names = $node->safe_psql('postgres', q{
	SELECT proname FROM pg_proc WHERE pronamespace = 'covet'::regnamespace AND proname !~ '^_'
	UNION SELECT name FROM pg_settings WHERE name LIKE 'covet.%'
	UNION SELECT relname FROM pg_class WHERE relnamespace = 'covet'::regnamespace AND relkind = 'v' AND relname !~ '^_'
	ORDER BY 1});
my @missing = grep { index($reference, $_) < 0 && index($reference, s/_(bytea|jsonb)$//r) < 0 } split /\n/, $names;
is("@missing", '', 'every public name is in the reference');

$node->stop;
done_testing();
