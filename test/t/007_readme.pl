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
like($stdout, qr/^130\|130$/m, 'so does the reader with a lease');

# What is said of every function: that it has a comment.
my $silent = $node->safe_psql('postgres', q{
	SELECT string_agg(p.oid::regprocedure::text, ' ' ORDER BY 1)
	FROM pg_proc p
	WHERE pronamespace = 'covet'::regnamespace AND proname !~ '^_'
		AND obj_description(p.oid, 'pg_proc') IS NULL});
is($silent, '', 'every public function has a comment');

# The reference says what the catalog says.
my $reference = slurp_file("$FindBin::RealBin/../../docs/reference.md");

sub rows
{
	my ($query) = @_;
	return map { [ split /\|/, $_, -1 ] } split /\n/, $node->safe_psql('postgres', $query);
}

# The part of the reference below a heading.
sub section
{
	my ($heading) = @_;
	my ($text) = $reference =~ /^#+ \Q$heading\E\n(.*?)(?=^#|\z)/ms;
	return $text // '';
}

# Functions: names, types, and which arguments have a default.
my %documented;
while ($reference =~ /^\| `(\w+)\((.*?)\)`(.*)$/mg)
{
	my ($name, $args, $rest) = ($1, $2, $3);
	my @args = map { s/ = .*/ =/r } split /, /, $args;
	$documented{$name} = join ', ', @args;
	next unless $rest =~ /Also `_bytea`, `_jsonb`/;
	for my $type ('bytea', 'jsonb')
	{
		my $typed = $documented{$name};
		$typed =~ s/\b(value|vals) text/$1 $type/;
		$documented{"${name}_$type"} = $typed;
	}
}
$documented{mongo_find_json} = $documented{mongo_find};
my %there = map { $_->[0] => $_->[1] =~ s/timestamp with time zone/timestamptz/gr } rows(q{
	SELECT p.proname, (SELECT string_agg(concat_ws(' ', p.proargnames[a.n], format_type(a.type, NULL),
			CASE WHEN a.n > p.pronargs - p.pronargdefaults THEN '=' END), ', ' ORDER BY a.n)
		FROM unnest(p.proargtypes) WITH ORDINALITY AS a(type, n))
	FROM pg_proc p WHERE pronamespace = 'covet'::regnamespace AND proname !~ '^_'});
is_deeply(\%documented, \%there, 'the reference has every function with its arguments');

# Columns of views and types.
for my $relation (map { $_->[0] } rows(q{
	SELECT relname FROM pg_class WHERE relnamespace = 'covet'::regnamespace AND relkind IN ('v', 'c')
		AND relname !~ '^_' ORDER BY 1}))
{
	my @columns = section($relation) =~ /^\| `(\w+)` \| `([^`]+)` \|/mg;
	is("@columns", $node->safe_psql('postgres', qq{
			SELECT string_agg(attname || ' ' || replace(format_type(atttypid, NULL), 'timestamp with time zone', 'timestamptz'),
				' ' ORDER BY attnum)
			FROM pg_attribute WHERE attrelid = 'covet.$relation'::regclass AND attnum > 0}),
		"the columns of $relation");
}

# Settings, each with its default.
my %settings = section('Settings') =~ /^\| `(covet\.\w+)` \| ([^|]+?) \|/mg;
my @settings = rows(q{SELECT name, boot_val FROM pg_settings WHERE name LIKE 'covet.%' ORDER BY 1});
is(join(' ', sort keys %settings), join(' ', map { $_->[0] } @settings), 'every setting is in the reference');
is(join(' ', grep { my $name = $_->[0]; $settings{$name} !~ /(^|[(`])\Q$_->[1]\E($|[)`])/ } @settings), '',
	'with its default');

# What each part of grant_usage gives.
my %parts;
for my $row (section('Rights') =~ /^\| (`\w+` \| .*) \|$/mg)
{
	my ($part, @names) = $row =~ /`(\w+)`/g;
	$parts{$part} = [ map { exists $parts{$_} ? @{ $parts{$_} } : $_ } grep { !/^_/ } @names ];
}
delete $parts{all};
for my $part (sort keys %parts)
{
	my ($given) = rows(qq{
		CREATE ROLE tester;
		SELECT FROM covet.grant_usage('tester', '$part');
		SELECT string_agg(DISTINCT regexp_replace(p.proname, '^(cache_.*)_(bytea|jsonb)\$', '\\1'), ' ')
		FROM pg_proc p, aclexplode(p.proacl) a
		WHERE p.pronamespace = 'covet'::regnamespace AND a.grantee = 'tester'::regrole AND p.proname !~ '^_';
		SELECT FROM covet.revoke_usage('tester', '$part');
		DROP OWNED BY tester;
		DROP ROLE tester});
	is(join(' ', sort @{ $parts{$part} }), join(' ', sort split / /, $given->[0]),
		"what the part $part gives");
}
ok(keys %parts >= 7, 'all parts are in the reference');

$node->stop;
done_testing();
