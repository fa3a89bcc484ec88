# The rows of `make bench` are sound: each record is whole, each cell is there,
# each script runs, with a handful of entries instead of many. What they
# measure is the business of bench/run.sh.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = 'bench';
plan skip_all => 'bench/ is not here' unless -f "$dir/rows.txt";

my ($clients, $count, $keys) = (2, 3, 20);
my $value = '{"a": [1, 2], "b": "c"}';

sub lines
{
	my ($file) = @_;

	open(my $handle, '<', $file) or die "$file: $!";
	my @lines = <$handle>;
	close $handle;
	return @lines;
}

# One hash for each record.
sub read_rows
{
	my @rows;

	foreach my $line (lines("$dir/rows.txt"))
	{
		next if $line =~ /^\s*(#|$)/;
		my @fields = map { s/^\s+|\s+$//gr } split(/\|/, $line, -1);
		is(scalar @fields, 6, "six fields: $fields[0] $fields[1]") or next;
		my %row;
		@row{qw(part id what kind options cells)} = @fields;
		push @rows, \%row;
	}
	return @rows;
}

# The target of a cell NAME[=TARGET][@stock][>=AIM].
sub target
{
	my ($id, $cell) = @_;

	my ($name, $target) = $cell =~ /^(\w+)(?:=([\w.]+))?(?:\@(?:stock|small))?(?:[<>]=[\d.]+)?$/
	  or return undef;
	return $target // "$id.$name";
}

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'covet'
autovacuum = off
covet.sweep_min_interval = '1h'
covet.sweep_max_interval = '1h'
});
$node->start;
# The floor is a module of the bench's own: here functions of its names do.
$node->safe_psql('postgres', q{
CREATE EXTENSION covet;
CREATE FUNCTION floor_get(key text) RETURNS text LANGUAGE sql RETURN key;
CREATE FUNCTION floor_get_many(keys text[]) RETURNS text[] LANGUAGE sql RETURN keys;
CREATE FUNCTION floor_set(key text, value text, ttl interval) RETURNS boolean LANGUAGE sql RETURN true;
});

my %variables = (base => 100000000000, keys => $keys, per => 2, clients => $clients,
	count => $count, round => 1, idle => '30min', value => $value, dead => 10, covet => 1);

# Run a file of psql: one of those that stand before and after a measurement.
sub run_psql
{
	my ($file, %more) = @_;
	my %all = (%variables, %more);

	return 1 unless -f "$dir/sql/$file";
	return $node->command_ok(
		[ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', (map { ('-v', "$_=$all{$_}") } sort keys %all),
			'-d', $node->connstr('postgres'), '-f', "$dir/sql/$file" ], $file);
}

sub run_pgbench
{
	my ($row, $target) = @_;
	my %all = (%variables, done => 0, serial => 0, fresh => 1,
		key_list => '{100000000001,100000000007}', value_list => '{v,w}');

	my $n = $row->{kind} eq 'statement' ? 1 : $clients;
	delete $all{$_} foreach qw(clients dead covet idle);
	$node->command_ok(
		[ 'pgbench', '-n', '-M', 'prepared', '-c', $n, '-t', $count,
			(map { ('-D', "$_=$all{$_}") } sort keys %all),
			'-f', "$dir/sql/$target.sql", $node->connstr('postgres') ],
		"$row->{id}: $target.sql");
}

my %function = map { /^cell_(\w+)\(\)/ ? ($1 => 1) : () } lines("$dir/cells.sh");
my %used;
my %seen;
foreach my $row (read_rows())
{
	my @cells = split(' ', $row->{cells});

	ok(!$seen{ $row->{id} }++, "$row->{id}: one record");
	like($row->{kind}, qr/^(rate|consume|statement|special)$/, "$row->{id}: kind");
	like($row->{options}, qr/^((per|bytes|keys|clients|count|idle|unit|less|zero|reads)=\S+\s*)*$/, "$row->{id}: options");
	cmp_ok(scalar @cells, '>=', 2, "$row->{id}: covet has a peer");
	like($cells[0], qr/^covet\b/, "$row->{id}: covet comes first");
	run_psql("setup.$row->{part}.sql");
	run_psql("$row->{id}.prepare.sql");
	foreach my $cell (@cells)
	{
		my $target = target($row->{id}, $cell);

		ok(defined $target, "$row->{id}: $cell") or next;
		if ($row->{kind} ne 'special' && -f "$dir/sql/$target.sql")
		{
			$used{"$target.sql"} = 1;
			run_pgbench($row, $target);
			next;
		}
		my $name = $target =~ s/\./_/gr;
		ok($function{$name}, "$row->{id}: cell_$name in cells.sh");
		$used{"cell $name"} = 1;
	}
	run_psql("$row->{id}.check.sql");
	$used{"setup.$row->{part}.sql"} = $used{"$row->{id}.prepare.sql"} = $used{"$row->{id}.check.sql"} = 1;
}

# What the functions of cells.sh run.
run_psql('setup.cache.sql');
foreach my $who (0, 1)
{
	my $file = 'cache_sweep_' . ('plain', 'covet')[$who] . '.sql';

	run_psql('cache_sweep_victims.sql', covet => $who);
	my $out = $node->safe_psql('postgres', join('', lines("$dir/sql/$file")));
	is((split(/\|/, $out))[2], 10, "$file removes what is dead and nothing else");
}
$used{$_} = 1 foreach qw(cache_sweep_victims.sql cache_sweep_covet.sql cache_sweep_plain.sql);

{
	my $trace = "$PostgreSQL::Test::Utils::tmp_check/trace";

	append_to_file($trace, join('', map { "$_\n" } qw(a b a c a b)));
	run_psql('memory_fill_up.sql');
	$node->safe_psql('postgres', q{SELECT covet.cache_clear('memory')});
	run_psql('memory_overhead.sql');
	is($node->safe_psql('postgres', q{SELECT count(*) FROM covet.cache_scan(namespace => 'memory')}), $keys,
		'memory_overhead.sql makes its entries');
	my $out = $node->safe_psql('postgres', join('', lines("$dir/sql/memory_zipf.sql")),
		extra_params => [ '-v', "trace=$trace", '-v', "value=$value" ]);
	is($out, '50.000', 'memory_zipf.sql counts hits');
	run_pgbench({ id => 'memory_evict', kind => 'rate' }, 'memory_evict.covet');
  SKIP:
	{
		skip 'no python3', 2 if qx(python3 -c 'print(1)' 2>&1) ne "1\n";
		is(qx(python3 $dir/zipf.py lru 1 $trace), "0.000\n", 'exact LRU of one entry');
		is(qx(python3 $dir/zipf.py lru 2 $trace), "33.333\n", 'exact LRU of two entries');
	}
}
$used{$_} = 1 foreach qw(memory_fill_up.sql memory_overhead.sql memory_zipf.sql memory_evict.covet.sql);

# Nothing lies about that no row uses.
is(join(' ', grep { !$used{$_} } map { s/.*\///r } sort glob("$dir/sql/*.sql")), '', 'each script is used');
is(join(' ', grep { !$used{"cell $_"} } sort keys %function), '', 'each function of cells.sh is used');

$node->stop;
done_testing();
