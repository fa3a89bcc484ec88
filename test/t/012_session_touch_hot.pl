# Touches, updates and ends are HOT: nothing they change is indexed and pages
# have room.
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

is(each_token('SELECT covet.session_touch(%L)', 20), '200|200', 'session_touch: all HOT');
is(each_token(q{SELECT covet.session_update(%L, '{"cart": [4, 5, 6]}')}, 20), '200|200', 'session_update: all HOT');

# A read writes nothing until a tenth of the idle time has passed, then once.
$node->safe_psql('postgres', q{
UPDATE covet._session SET seen_at = seen_at - interval '4 minutes';
SELECT pg_stat_force_next_flush();
});
is(each_token('SELECT covet.session_get(%L)', 5), '10|10', 'session_get: one coarse touch each, all HOT');
is(each_token('SELECT covet.session_delete(%L)', 2), '10|10', 'session_delete: all HOT');
is($node->safe_psql('postgres', "SELECT pg_relation_size('covet._session') / 8192 <= 2"), 't', 'the table has not grown');

$node->stop;
done_testing();
