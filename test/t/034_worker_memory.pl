
# What ticks do with memory: they load copies after a start, save touches, and
# leave no transaction id behind where there is nothing to write.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('memory');
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

# Wait until a tick that began after now has ended.
sub ticked
{
	my $ticks = $node->safe_psql('postgres', q{SELECT ticks FROM covet.stat_workers WHERE database = 'postgres'});
	ok( $node->poll_query_until(
			'postgres',
			qq{SELECT ticks >= $ticks + 2 AND failures = 0 FROM covet.stat_workers WHERE database = 'postgres'}),
		'ticks follow each other');
	return;
}

# A copy can be told from its row when the row goes behind its back.
my $behind = 'SET session_replication_role = replica; ALTER TABLE covet._cache DISABLE TRIGGER ALL;';
my $again = 'ALTER TABLE covet._cache ENABLE ALWAYS TRIGGER covet_note_row;
	ALTER TABLE covet._cache ENABLE ALWAYS TRIGGER covet_note_truncate;';

$node->safe_psql(
	'postgres', q{
SELECT covet.cache_set('k' || i, 'value ' || i, '1 hour') FROM generate_series(1, 100) i;
SELECT covet.cache_set('idle', 'x', '10 hours', idle => '1 hour');
});

# After a clean restart the first tick loads copies.
$node->restart;
ticked();
$node->safe_psql('postgres', "$behind DELETE FROM covet._cache WHERE key LIKE 'k%'; $again");
is( $node->safe_psql(
		'postgres', q{SELECT count(*) FROM generate_series(1, 100) i
			WHERE covet.cache_get('k' || i) = 'value ' || i}),
	'100',
	'the first tick after a start loads copies of rows');

# Not if the setting says so.
$node->safe_psql(
	'postgres', q{
SELECT covet.cache_clear();
SELECT covet.cache_set('k' || i, 'value ' || i, '1 hour') FROM generate_series(1, 100) i;
SELECT covet.cache_set('idle', 'x', '10 hours', idle => '1 hour');
});
$node->append_conf('postgresql.conf', 'covet.warm_on_start = off');
$node->restart;
ticked();
$node->safe_psql('postgres', "$behind DELETE FROM covet._cache WHERE key LIKE 'k%'; $again");
is( $node->safe_psql(
		'postgres', q{SELECT count(*) FROM generate_series(1, 100) i WHERE covet.cache_get('k' || i) IS NOT NULL}),
	'0',
	'and none with warm_on_start off');

# A touch that is due is saved, and nothing else changes.
$node->safe_psql('postgres', q{
UPDATE covet._cache SET seen_at = seen_at - interval '30 min' WHERE key = 'idle';
SELECT covet.cache_get('idle');
});
ok( $node->poll_query_until(
		'postgres', q{SELECT clock_timestamp() - seen_at < '20 min' FROM covet._cache WHERE key = 'idle'}),
	'a touch that memory has seen is saved by a tick');
is($node->safe_psql('postgres', q{SELECT covet.cache_get('idle')}), 'x', 'and the entry is still there');

# Ticks with nothing to write assign no transaction id.
ticked();
my $before = $node->safe_psql('postgres', 'SELECT pg_snapshot_xmax(pg_current_snapshot())');
ticked();
is($node->safe_psql('postgres', 'SELECT pg_snapshot_xmax(pg_current_snapshot())'),
	$before, 'ticks with nothing to write take no transaction id');

$node->stop;
done_testing();
