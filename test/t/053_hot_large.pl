# One large value that 8 clients read while others overwrite it: what is read is
# whole, and neither side keeps the other waiting for ever.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $size = 400_000;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'covet'
fsync = off
covet.hot_size = '64MB'
covet.sweep_min_interval = '1h'
covet.sweep_max_interval = '1h'
});
$node->start;
$node->safe_psql('postgres', qq{
	CREATE EXTENSION covet;
	SELECT covet.cache_namespace_set('m', storage => 'memory', codec => 'raw');
	SELECT covet.cache_namespace_set('t', codec => 'raw');
	CREATE TABLE stop (x integer);
	CREATE TABLE done (n integer);
	-- overwrites the value until told to stop
	CREATE PROCEDURE overwrite(namespace text) LANGUAGE plpgsql AS \$\$
	DECLARE
		n integer := 0;
	BEGIN
		WHILE NOT EXISTS (SELECT FROM stop) LOOP
			PERFORM covet.cache_set('large', repeat(chr(97 + n % 26), $size), namespace => namespace);
			COMMIT;
			n := n + 1;
		END LOOP;
		INSERT INTO done VALUES (n);
	END\$\$});

my $script = PostgreSQL::Test::Utils::tempdir() . '/read.sql';
append_to_file($script, qq{
SELECT 1 / coalesce(v = repeat(left(v, 1), $size), false)::int FROM covet.cache_get('large', :ns) v;
});

foreach my $namespace ('m', 't')
{
	$node->safe_psql('postgres', qq{
		TRUNCATE stop, done;
		SELECT covet.cache_set('large', repeat('a', $size), namespace => '$namespace')});
	my @writers = map { $node->background_psql('postgres') } 1 .. 2;
	$_->query_until(qr/^go/m, "\\echo go\nCALL overwrite('$namespace');\n") foreach @writers;

	$node->command_checks_all(
		[ 'pgbench', '-n', '-M', 'prepared', '-c', 8, '-j', 2, '-t', 200, '-D', "ns=$namespace",
			'-f', $script, $node->connstr('postgres') ],
		0,
		[qr{actually processed: 1600/1600}],
		[qr{^(?!.*(ERROR|aborted))}s],
		"$namespace: 8 readers get whole values");
	$node->safe_psql('postgres', 'INSERT INTO stop VALUES (1)');
	# Both return, so neither waits for ever.
	$_->query_safe('SELECT 1') foreach @writers;
	$_->quit foreach @writers;
	my $done = $node->safe_psql('postgres', 'SELECT min(n) FROM done');
	cmp_ok($done, '>', 10, "$namespace: meanwhile each of two writers wrote it $done times or more");
	is($node->safe_psql('postgres', q{SELECT prepared, unlinked, covet._hot_check() IS NULL FROM covet.stat_hot}), '0|0|t',
		"$namespace: no block is left, and memory is sound");
}
is($node->safe_psql('postgres', q{SELECT hits > 1600 FROM covet.stat_hot}), 't', 'reads were served from memory');

$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'no crash is in the log');
done_testing();
