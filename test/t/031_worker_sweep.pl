
# The workers sweep by themselves: what they remove, what they leave alone and
# what they show.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('sweep');
$node->init;
$node->append_conf(
	'postgresql.conf', qq{
shared_preload_libraries = 'covet'
autovacuum = off
covet.sweep_min_interval = 50
covet.sweep_max_interval = 100
});
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION covet');

# Expired rows of each table go, living ones stay.
$node->safe_psql(
	'postgres', q{
SELECT covet.cache_set('dying-' || i, 'x', '1 millisecond') FROM generate_series(1, 200) i;
SELECT covet.cache_set('living-' || i, 'x', '1 hour') FROM generate_series(1, 20) i;
INSERT INTO covet._token VALUES
	(1, now() - interval '1 s', '', 'old'), (2, now() + interval '1 h', '', 'new');
INSERT INTO covet._token_subject VALUES
	(now(), now() - interval '1 s', '', 'old'), (now(), now() + interval '1 h', '', 'new');
});
ok( $node->poll_query_until(
		'postgres',
		q{SELECT (SELECT count(*) FROM covet._cache) = 20
			AND (SELECT count(*) FROM covet._token) = 1
			AND (SELECT count(*) FROM covet._token_subject) = 1}),
	'expired rows are removed by themselves');
is($node->safe_psql('postgres', q{SELECT count(*) FROM covet._cache WHERE key LIKE 'living-%'}),
	'20', 'living entries stay');
ok( $node->poll_query_until(
		'postgres',
		q{SELECT removed >= 202 AND ticks > 0 AND failures = 0 AND last_tick IS NOT NULL
			AND last_error IS NULL FROM covet.stat_workers WHERE database = 'postgres'}),
	'stat_workers counts them');

# A cleared namespace is emptied.
$node->safe_psql('postgres', q{SELECT covet.cache_clear()});
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM covet._cache'),
	'entries of a cleared namespace are removed');

# The quota: a tick evicts the oldest.
$node->safe_psql(
	'postgres', q{
SELECT covet.cache_namespace_set('small', max_bytes => 20000, codec => 'raw');
SELECT covet.cache_set('k' || to_char(i, 'FM000'), repeat('x', 980), '1 hour', 'small')
	FROM generate_series(1, 100) i;
});
ok( $node->poll_query_until(
		'postgres',
		q{SELECT sum(octet_length(key) + octet_length(value)) BETWEEN 15000 AND 20000
			FROM covet._cache WHERE namespace = 'small'}),
	'a namespace over quota is brought within it');
is( $node->safe_psql('postgres', q{SELECT max(key), min(key) > 'k080' FROM covet._cache}),
	'k100|t', 'the newest entries are the ones that stay');

# Names in pg_stat_activity.
is( $node->safe_psql(
		'postgres',
		q{SELECT application_name, datname IS NULL FROM pg_stat_activity
			WHERE backend_type = 'covet launcher'}),
	'covet launcher|t',
	'the launcher shows in pg_stat_activity');
ok( $node->poll_query_until(
		'postgres',
		q{SELECT wait_event IN ('CovetLauncherMain', 'Extension') FROM pg_stat_activity
			WHERE backend_type = 'covet launcher'}),
	'with its wait event');
ok( $node->poll_query_until(
		'postgres',
		q{SELECT count(*) > 0 FROM pg_stat_activity
			WHERE backend_type = 'covet tick' AND application_name = 'covet tick'
				AND datname = 'postgres' AND query LIKE 'sweeping %'}),
	'and so does a tick, with what it sweeps');

# A table that somebody holds is skipped; the others are swept meanwhile.
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; LOCK TABLE covet._cache IN ACCESS EXCLUSIVE MODE');
my $ticks = $node->safe_psql('postgres', 'SELECT ticks FROM covet.stat_workers');
$node->safe_psql('postgres',
	q{INSERT INTO covet._token VALUES (3, now() - interval '1 s', '', 'older')});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM covet._token}),
	'a table held in ACCESS EXCLUSIVE does not keep the others from being swept');
ok( $node->poll_query_until(
		'postgres',
		qq{SELECT ticks > $ticks + 2 AND failures = 0 FROM covet.stat_workers}),
	'ticks go on and none fails');
$holder->query_safe('ROLLBACK');
$holder->query_safe('BEGIN; LOCK TABLE covet._cache_namespace IN ACCESS EXCLUSIVE MODE');
$ticks = $node->safe_psql('postgres', 'SELECT ticks FROM covet.stat_workers');
ok( $node->poll_query_until(
		'postgres',
		qq{SELECT ticks > $ticks + 2 AND failures = 0 FROM covet.stat_workers}),
	'the same for the table that is only read');
$holder->query_safe('ROLLBACK');

# A locked row is left alone, the rows beside it are not.
$holder->query_safe(q{INSERT INTO covet._token VALUES
	(4, now() + interval '1 s', '', 'held'), (5, now() + interval '1 s', '', 'free')});
$holder->query_safe(q{BEGIN; SELECT FROM covet._token WHERE jti = 'held' FOR UPDATE});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM covet._token WHERE jti = 'free'}),
	'the row beside a locked one is removed');
is($node->safe_psql('postgres', q{SELECT count(*) FROM covet._token WHERE jti = 'held'}),
	'1', 'the locked one is not');
$holder->query_safe('ROLLBACK');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM covet._token WHERE jti = 'held'}),
	'it is when it is free again');
$holder->quit;

# An error ends the tick, is shown, and does not keep the rest from being swept.
$node->safe_psql(
	'postgres', q{
CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql
	AS $$BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'P0042'; END$$;
CREATE TRIGGER fail BEFORE DELETE ON covet._cache FOR EACH ROW EXECUTE FUNCTION public.fail();
SELECT covet.cache_set('more', repeat('x', 19000), '1 hour', 'small');
});
ok( $node->poll_query_until(
		'postgres', q{SELECT failures > 0 AND last_error = 'P0042' FROM covet.stat_workers}),
	'a failing tick is counted, with its SQLSTATE');
$node->safe_psql('postgres',
	q{INSERT INTO covet._token VALUES (6, now() - interval '1 s', '', 'dead')});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM covet._token WHERE jti = 'dead'}),
	'what can be swept is swept');
$node->safe_psql('postgres', 'DROP TRIGGER fail ON covet._cache');
ok( $node->poll_query_until(
		'postgres', q{SELECT last_error IS NULL AND state IN ('waiting', 'running') FROM covet.stat_workers}),
	'and the failure is over when its cause is');

# Settings of a database that would stop a sweep do not.
$node->safe_psql(
	'postgres', q{
ALTER DATABASE postgres SET default_transaction_read_only = on;
ALTER DATABASE postgres SET default_transaction_isolation = 'serializable';
ALTER DATABASE postgres SET search_path = nowhere;
ALTER DATABASE postgres SET statement_timeout = 1;
});
$ENV{PGOPTIONS} =
  '-c statement_timeout=0 -c search_path=public -c default_transaction_read_only=off';
my $failures = $node->safe_psql('postgres', 'SELECT failures FROM covet.stat_workers');
$node->safe_psql('postgres',
	q{INSERT INTO covet._token VALUES (7, now() - interval '1 s', '', 'dead')});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM covet._token WHERE jti = 'dead'}),
	'settings of the database do not matter');
is($node->safe_psql('postgres', 'SELECT failures FROM covet.stat_workers'),
	$failures, 'and make no tick fail');

# The interval is that of the settings, by reload.
$node->append_conf('postgresql.conf',
	"covet.sweep_min_interval = '20 min'\ncovet.sweep_max_interval = '40 min'");
$node->reload;
ok( $node->poll_query_until(
		'postgres',
		q{SELECT tick_interval BETWEEN '20 min' AND '40 min'
			AND next_tick BETWEEN now() + interval '10 min' AND now() + interval '40 min'
			FROM covet.stat_workers}),
	'a reload makes the interval longer');
$node->append_conf('postgresql.conf',
	"covet.sweep_min_interval = 50\ncovet.sweep_max_interval = 100");
$ticks = $node->safe_psql('postgres', 'SELECT ticks FROM covet.stat_workers');
$node->reload;
ok( $node->poll_query_until(
		'postgres', qq{SELECT ticks > $ticks + 2 AND tick_interval <= '100 ms' FROM covet.stat_workers}),
	'and shorter, at once');

# Only pg_monitor may look.
$node->safe_psql('postgres',
	'CREATE ROLE watcher; CREATE ROLE stranger;
	GRANT pg_monitor TO watcher');
is( $node->safe_psql('postgres', 'SET ROLE watcher; SELECT database FROM covet.stat_workers'),
	'postgres', 'pg_monitor may read stat_workers');
my ($code, $out, $err) = $node->psql('postgres',
	"\\set VERBOSITY sqlstate\nSET ROLE stranger; SELECT database FROM covet.stat_workers");
like($err, qr/42501/, 'others may not');

$node->stop;
done_testing();
