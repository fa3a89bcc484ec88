# Touches live in memory and are written back by sweeps and by ticks.  Those,
# updates and ends are HOT: nothing they change is indexed and pages have room.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('session_hot');
$node->init;
# No snapshot but the test's own holds back pruning.
$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'covet'
autovacuum = off
covet.sweep_min_interval = '1h'
covet.sweep_max_interval = '1h'
});
$node->start;
$node->safe_psql('postgres', q{
CREATE EXTENSION covet;
CREATE TABLE tok AS SELECT covet.session_create('{"cart": [1, 2, 3]}', 'ann', user_agent => 'Firefox') AS token FROM generate_series(1, 10);
});

# Run a statement once for each token and round, each time in a transaction of
# its own.  Returns updates and HOT updates as the statistics count them.
sub each_token
{
	my ($statement, $rounds) = @_;
	$node->safe_psql('postgres', "SELECT pg_stat_reset_single_table_counters('covet._session'::regclass)");
	$node->safe_psql('postgres', qq{
SELECT format(\$\$$statement\$\$, token) FROM tok, generate_series(1, $rounds) \\gexec
SELECT pg_stat_force_next_flush();
});
	return $node->safe_psql('postgres',
		"SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relid = 'covet._session'::regclass");
}

# Let the last read be four minutes ago, by the rows; that drops all copies.
sub four_minutes_later
{
	$node->safe_psql('postgres', q{
UPDATE covet._session SET seen_at = seen_at - interval '4 minutes';
SELECT pg_stat_force_next_flush();
});
}

my $unsaved = q{SELECT count(*) FROM covet._session WHERE clock_timestamp() - seen_at > interval '3 minutes'};

is(each_token('SELECT covet.session_touch(%L)', 20), '0|0', 'session_touch: in memory');
is(each_token(q{SELECT covet.session_touch(%L, '30 minutes')}, 20), '200|200', 'session_touch with a ttl: all HOT');
is(each_token(q{SELECT covet.session_update(%L, '{"cart": [4, 5, 6]}')}, 20), '200|200', 'session_update: all HOT');

# A transaction that writes makes no copies: its read writes nothing until a
# tenth of the idle time has passed, then once.
four_minutes_later();
is(each_token('SELECT pg_current_xact_id(), covet.session_get(%L)', 5), '10|10', 'session_get beside a write: one coarse touch each, all HOT');

# Any other read leaves its touch in memory, until it is written back.
four_minutes_later();
is(each_token('SELECT covet.session_get(%L)', 5), '0|0', 'session_get: in memory');
is($node->safe_psql('postgres', $unsaved), '10', 'the rows do not know yet');
is($node->safe_psql('postgres', "SELECT count(*) FROM covet.session_list('ann') WHERE clock_timestamp() - last_seen_at < interval '3 minutes'"), '10',
	'what looks at the rows does');
$node->safe_psql('postgres', "SELECT pg_stat_reset_single_table_counters('covet._session'::regclass)");
$node->safe_psql('postgres', 'SELECT covet.sweep(); SELECT pg_stat_force_next_flush()');
is($node->safe_psql('postgres',
		"SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relid = 'covet._session'::regclass"), '10|10',
	'a sweep writes each back once, all HOT');
is($node->safe_psql('postgres', $unsaved), '0', 'now they do');

four_minutes_later();
each_token('SELECT covet.session_get(%L)', 1);
is($node->safe_psql('postgres', $unsaved), '10', 'left in memory again');
$node->safe_psql('postgres', q{ALTER SYSTEM SET covet.sweep_min_interval = '1s'});
$node->safe_psql('postgres', q{ALTER SYSTEM SET covet.sweep_max_interval = '1s'});
$node->reload;
ok($node->poll_query_until('postgres', "SELECT ($unsaved) = 0"), 'a tick writes them back');
$node->safe_psql('postgres', q{ALTER SYSTEM SET covet.sweep_max_interval = '1h'});
$node->safe_psql('postgres', q{ALTER SYSTEM SET covet.sweep_min_interval = '1h'});
$node->reload;

is(each_token('SELECT covet.session_delete(%L)', 2), '10|10', 'session_delete: all HOT');
is($node->safe_psql('postgres', "SELECT pg_relation_size('covet._session') / 8192 <= 2"), 't', 'the table has not grown');

$node->stop;
done_testing();
