# The memory of the hot tier: it follows any mix of sizes, spends little on an
# entry, keeps quotas, and neither a hostile size nor many clients at once break
# it.  Memory namespaces write no WAL, and their operations are exact.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
# Nothing but the tests writes WAL.
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'covet'
wal_level = minimal
max_wal_senders = 0
autovacuum = off
fsync = off
covet.hot_size = '8MB'
covet.sweep_min_interval = '1h'
covet.sweep_max_interval = '1h'
});
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION covet;
	SELECT covet.cache_namespace_set('m', storage => 'memory', codec => 'raw');
	-- sets keys 1 to n, in transactions of some
	CREATE PROCEDURE fill(n integer, size integer, namespace text DEFAULT 'm') LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1..n LOOP
			PERFORM covet.cache_set(to_char(i, 'FM00000000'), repeat('x', size), namespace => namespace);
			IF i % 200 = 0 THEN
				COMMIT;
			END IF;
		END LOOP;
	END$$;
	-- of keys 1 to n those with a value of that size
	CREATE FUNCTION present(n integer, size integer) RETURNS bigint LANGUAGE sql AS $$
		SELECT count(*) FROM generate_series(1, n) i
		WHERE length(covet.cache_get(to_char(i, 'FM00000000'), 'm')) = size$$});

sub sql
{
	my ($statements) = @_;
	return $node->safe_psql('postgres', $statements);
}

# A crash leaves nothing in memory.
sub empty
{
	$node->stop('immediate');
	$node->start;
}

sub sound
{
	my ($after) = @_;
	is(sql(q{SELECT prepared, unlinked, covet._hot_check() IS NULL FROM covet.stat_hot}), '0|0|t', "memory is sound $after");
}

# ----------
# Sizes shift
# ----------

# Each more than memory holds; and less, which has to be all there.
my %keys = (100 => 100_000, 20_000 => 800);
my %fitting = (100 => 25_000, 20_000 => 200);
my %fresh;

foreach my $size (sort keys %keys)
{
	is(sql("CALL fill($fitting{$size}, $size); SELECT present($fitting{$size}, $size)"), $fitting{$size},
		"a fresh tier keeps $fitting{$size} of $size bytes");
	$fresh{$size} = sql("CALL fill($keys{$size}, $size); SELECT present($keys{$size}, $size)");
	cmp_ok($fresh{$size}, '<', $keys{$size}, "and $fresh{$size} of $keys{$size}, which are too many");
	empty();
}
# The first time the smaller set comes over what was there, the second time the
# larger one does; all that is there has been read.
foreach my $step ([100, 1], [20_000, 1], [100, 1], [20_000, 2], [100, 2], [20_000, 2])
{
	my ($size, $order) = @$step;
	my %sets = (
		fitting => sub {
			my $present = sql("CALL fill($fitting{$size}, $size); SELECT present($fitting{$size}, $size)");
			cmp_ok($present, '>=', 0.96 * $fitting{$size},
				"one pass of $size bytes over memory full of others keeps $present of $fitting{$size}, as a fresh tier does");
		},
		many => sub {
			my $present = sql("CALL fill($keys{$size}, $size); SELECT present($keys{$size}, $size)");
			cmp_ok($present, '>=', 0.96 * $fresh{$size}, "of more than there is room for $present, with a fresh tier $fresh{$size}");
		});
	$sets{$_}->() foreach $order == 1 ? qw(fitting many) : qw(many fitting);
	sound("full of $size bytes");
}

# ----------
# Overhead
# ----------

foreach my $size (0, 1, 50, 100, 1000, 5000, 8000, 20_000)
{
	empty();
	my $n = $size > 1000 ? 100 : 1000;
	# The first one may need what later ones do not.
	my $overhead = sql(qq{
		CALL fill(1, $size);
		SELECT used AS used FROM covet.stat_hot \\gset
		CALL fill($n, $size);
		SELECT (used - :used)::numeric / ($n - 1) - 8 - $size FROM covet.stat_hot});
	# Larger ones are chains of pieces of 8 kB.
	cmp_ok($overhead, '<=', 64 + 32 * int($size / 8000), sprintf('%d bytes have an overhead of %.1f', $size, $overhead));
}

# ----------
# No transaction id, no WAL
# ----------

foreach my $call (
	q{cache_set('w', '1', namespace => 'm')}, q{cache_set_many('{w,x}', '{1,2}', namespace => 'm')},
	q{cache_get('w', 'm')}, q{cache_add('x', '1', namespace => 'm')}, q{cache_replace('w', '2', namespace => 'm')},
	q{cache_incr('n', namespace => 'm')}, q{cache_touch('w', namespace => 'm')}, q{cache_take('w', 'm')},
	q{cache_delete('x', 'm')}, q{cache_delete_many('{w,x}', 'm')}, q{cache_invalidate_tags('{t}', 'm')}, q{cache_clear('m')},
	q{cache_fill(pg_backend_pid()::text, (SELECT lease_id FROM covet.cache_lease(pg_backend_pid()::text, namespace => 'm')), 'v', namespace => 'm')})
{
	# To look a function up may prune a page of the catalogs, once.
	my $result;
	foreach (1 .. 5)
	{
		$result = sql(qq{
			SELECT pg_current_wal_insert_lsn() AS lsn \\gset
			BEGIN;
			SELECT FROM covet.$call;
			SELECT pg_current_xact_id_if_assigned() IS NULL;
			COMMIT;
			SELECT pg_current_wal_insert_lsn() = :'lsn'});
		last if $result eq "t\nt";
	}
	is($result, "t\nt", "no transaction id and no WAL: $call");
}

# ----------
# Exact among many
# ----------

my $dir = PostgreSQL::Test::Utils::tempdir();

sub pgbench
{
	my ($name, $script, $transactions) = @_;
	my $file = "$dir/" . ($name =~ s/\W+/_/gr) . '.sql';
	append_to_file($file, $script);
	$node->command_checks_all(
		[ 'pgbench', '-n', '-M', 'prepared', '-c', 8, '-j', 2, '-t', $transactions, '-D', 'n=0', '-f', $file, $node->connstr('postgres') ],
		0,
		[qr{actually processed: (\d+)/\g1}],
		[qr{^(?!.*(ERROR|aborted))}s],
		$name);
}

pgbench('8 clients increment', q{SELECT covet.cache_incr('count', namespace => 'm');}, 10_000);
is(sql(q{SELECT covet.cache_get('count', 'm')}), '80000', 'each counts once');

# All clients go through the same keys.
pgbench('8 clients add', q{
\set n :n + 1
SELECT covet.cache_incr('won', namespace => 'm') WHERE covet.cache_add('add' || :n, 'x', namespace => 'm');
}, 1000);
is(sql(q{SELECT covet.cache_get('won', 'm')}), '1000', 'of 8 adds of a key one is true');

pgbench('8 clients take', q{
\set n :n + 1
SELECT covet.cache_incr('taken', namespace => 'm') WHERE covet.cache_take('add' || :n, 'm') = 'x';
}, 1000);
is(sql(q{SELECT covet.cache_get('taken', 'm')}), '1000', 'and of 8 takes');
sound('after many clients');

# ----------
# Quota
# ----------

sql(q{SELECT covet.cache_namespace_set('q', storage => 'memory', codec => 'raw', max_bytes => 100000);
	CALL fill(1000, 100)});
is(sql(q{
	CALL fill(5000, 100, 'q');
	SELECT bytes <= 100000, entries > 800 FROM covet.cache_namespaces WHERE namespace = 'q'}), 't|t',
	'a namespace over its quota evicts');
is(sql(q{SELECT present(1000, 100)}), '1000', 'its own entries only');
is(sql(q{SELECT count(*) > 800 FROM generate_series(3001, 5000) i WHERE covet.cache_exists(to_char(i, 'FM00000000'), 'q')}), 't',
	'and of them older ones');
is(sql(q{SELECT covet.cache_set('large', repeat('x', 100001), namespace => 'q'), covet.cache_exists('large', 'q')}), 'f|f',
	'a value larger than the quota is not stored');
is(sql(q{SELECT entries > 800 FROM covet.cache_namespaces WHERE namespace = 'q'}), 't', 'and evicts nothing');
sound('after quotas');

# ----------
# Hostile sizes
# ----------

# The largest value that can be kept, by halving.
my ($fits, $large) = (1000, 100_000_000);
is(sql("SELECT covet.cache_set('s', repeat('x', $large), namespace => 'm')"), 'f', 'a huge value is not stored');
while ($large - $fits > 1)
{
	my $size = int(($fits + $large) / 2);
	my $stored = sql("SELECT covet.cache_set('s', repeat('x', $size), namespace => 'm'), coalesce(length(covet.cache_get('s', 'm')), 0)");
	if ($stored eq "t|$size") { $fits = $size; }
	elsif ($stored eq 'f|0') { $large = $size; }
	else { fail("a set of $size bytes gives $stored"); last; }
}
cmp_ok($fits, '>=', 60_000, "values up to $fits bytes are kept");
is(sql(qq{
	SELECT covet.cache_set('s', repeat('x', 10), namespace => 'm');
	SELECT covet.cache_set('s', repeat('x', $large), namespace => 'm'), covet.cache_get('s', 'm') IS NULL}), "t\nf|t",
	'a value that is too large does not leave the older one');
sound('after the largest');

is(sql(qq{
	SELECT covet.cache_set(repeat('k', 1024), repeat('x', $fits - 2000), namespace => 'm', tags => ARRAY(SELECT repeat(i::text, 255) FROM generate_series(1, 8) i), idle => '1 h');
	SELECT length(covet.cache_get(repeat('k', 1024), 'm'));
	SELECT covet.cache_invalidate_tags(ARRAY[repeat('8', 255)], 'm');
	SELECT covet.cache_get(repeat('k', 1024), 'm') IS NULL;
	SELECT covet.cache_set('k', '', namespace => 'm'), covet.cache_get('k', 'm') = ''}),
	"t\n" . ($fits - 2000) . "\n\nt\nt|t", 'the longest key with the longest tags, and an empty value');

# Any sizes in any order, each value checked right after, and what is left of
# them at the end.
sql(qq{
	DO \$\$
	DECLARE
		size integer;
		key text;
	BEGIN
		PERFORM setseed(0.5);
		FOR i IN 1..8000 LOOP
			size := CASE i % 4 WHEN 0 THEN random() * $large ELSE exp(random() * ln(20000)) END;
			key := rpad((random() * 300)::int::text || '-', 3 + (random() * 40)::int, 'k');
			IF random() < 0.2 THEN
				PERFORM covet.cache_delete(key, 'm');
			ELSIF covet.cache_set(key, repeat(chr(97 + i % 26), size), namespace => 'm') <> (size < $large - length(key)) AND abs(size + length(key) - $large) > 100 THEN
				RAISE 'size % with a key of %', size, length(key);
			END IF;
			IF i % 3 = 0 THEN
				COMMIT;
				IF replace(covet.cache_get(key, 'm'), chr(97 + i % 26), '') <> '' THEN
					RAISE 'a value is torn';
				END IF;
			END IF;
		END LOOP;
	END\$\$});
is(sql(q{SELECT count(*) FROM covet.cache_scan(namespace => 'm', with_values => true, max_entries => 10000)
		WHERE replace(convert_from(value, 'UTF8'), left(convert_from(value, 'UTF8'), 1), '') <> ''}), '0', 'values of any size are whole');
sound('after any sizes');

# Namespaces beyond what there is room to know.  Those in tables only lose their
# copies, and leave room for others.
empty();
is(sql(q{
	DO $$BEGIN
		FOR i IN 1..8500 LOOP
			PERFORM covet.cache_set('k', 'v', namespace => 't' || i);
		END LOOP;
	END$$;
	SELECT covet.cache_get('k', 't8500'), covet.cache_set('k', 'w', namespace => 't8500'), covet.cache_get('k', 't8500')}),
	'v|t|w', 'a namespace without copies is read from the table');
is(sql(q{SELECT covet.cache_set('k', 'v', namespace => 'm'), covet.cache_get('k', 'm')}), 't|v', 'one in memory can still come');
my $token = sql(q{SELECT covet.session_create('{}')});
is(sql(qq{
	SELECT promotions AS before FROM covet.stat_hot \\gset
	SELECT covet.session_get('$token');
	SELECT promotions - :before FROM covet.stat_hot}), "{}\n1", 'and so can sessions');
my ($ret, $out, $err) = $node->psql('postgres', q{
	\set VERBOSITY sqlstate
	SELECT count(covet.cache_namespace_set('n' || i, storage => 'memory')) FROM generate_series(1, 15000) i;
	SELECT count(covet.cache_set('k', 'v', namespace => 'n' || i)) FROM generate_series(1, 15000) i;}, on_error_stop => 0);
like($err, qr/ERROR:\s+53200/, 'too many memory namespaces raise 53200');
is(sql(q{SELECT covet.cache_set('k', 'v', namespace => 'm'), covet.cache_get('k', 'm')}), 't|v', 'and the others go on');
sound('after too many namespaces');

$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'no crash is in the log');
done_testing();
