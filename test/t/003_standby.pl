# On a standby cache reads are misses and writes are 25006; logged sessions and
# revocations answer from the replicated tables, unlogged sessions are 55000.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', q{shared_preload_libraries = 'covet'});
$primary->start;
$primary->safe_psql('postgres', q{
	CREATE EXTENSION covet;
	SELECT covet.cache_set('k', 'v', idle => '1 hour');
	SELECT covet.cache_namespace_set('owned', owner => 'pg_monitor');
	SELECT covet.cache_set('k', 'v', namespace => 'owned');
	SELECT covet.cache_namespace_set('memory', 'memory');
	SELECT covet.cache_set('k', 'v', namespace => 'memory');
	SELECT covet.lock_acquire('lock', '1 hour');
	SELECT covet.token_revoke('jti', 'infinity');
	SELECT covet.token_revoke_subject('subject', 'infinity');
	CREATE ROLE app;
	SELECT covet.grant_usage('app', 'all')});
my $token = $primary->safe_psql('postgres', q{SELECT covet.session_create('{"a": 1}', 'user')});

$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);

# The SQLSTATE of a call on the standby, or its result.
sub answer
{
	my ($call, $role) = @_;
	my ($ret, $out, $err) = $standby->psql('postgres',
		($role ? "SET ROLE $role;" : '') . "\\set VERBOSITY sqlstate\nSELECT $call");
	return $ret == 0 ? $out : $err =~ /ERROR:\s+(\w{5})/ ? $1 : $err;
}

# Reads of the cache.
foreach my $call (
	q{covet.cache_get('k') IS NULL}, q{covet.cache_get_bytea('k') IS NULL},
	q{covet.cache_get_jsonb('k') IS NULL}, q{NOT covet.cache_exists('k')},
	q{covet.cache_expires_at('k') IS NULL}, q{covet.cache_get_many('{k,l}') = '{NULL,NULL}'},
	q{(SELECT count(*) FROM covet.cache_entries('{k}')) = 0},
	q{(SELECT count(*) FROM covet.cache_scan()) = 0},
	q{covet.cache_get('k', 'memory') IS NULL}, q{covet.cache_get_many('{k,l}', 'memory') = '{NULL,NULL}'},
	q{(SELECT count(*) FROM covet.cache_scan(namespace => 'memory')) = 0},
	q{(SELECT status || lease_id FROM covet.cache_lease('k')) = 'won0'},
	q{(SELECT status || lease_id FROM covet.cache_lease('k', namespace => 'memory')) = 'won0'},
	q{NOT covet.cache_fill('k', 1, NULL)}, q{covet.warm() = 0})
{
	is(answer($call), 't', "a miss: $call");
}
# The settings are logged, and with them who may use a namespace.
is(answer(q{covet.cache_get('k', 'owned') IS NULL}), 't', 'a miss for a superuser');
is(answer(q{covet.cache_get('k', 'owned')}, 'app'), '42501', 'and refused to who is no member of the owner');
is(answer(q{covet.cache_get('k') IS NULL}, 'app'), 't', 'an ordinary role reads');
is(answer(q{count(*) FROM covet.cache_namespaces WHERE namespace = 'owned'}), '1', 'the view of namespaces answers');

# Writes.
foreach my $call (
	q{covet.cache_set('k', 'v')}, q{covet.cache_set('k', 'v', '0')},
	q{covet.cache_set_many('{k}', '{v}')}, q{covet.cache_add('k', 'v')},
	q{covet.cache_replace('k', 'v')}, q{covet.cache_incr('n')}, q{covet.cache_take('k')},
	q{covet.cache_delete('k')}, q{covet.cache_delete_many('{k}')}, q{covet.cache_clear()},
	q{covet.cache_invalidate_tags('{t}')}, q{covet.cache_namespace_set('x')},
	q{covet.cache_set('k', 'v', namespace => 'memory')}, q{covet.cache_set_many('{k}', '{v}', namespace => 'memory')},
	q{covet.cache_add('k', 'v', namespace => 'memory')}, q{covet.cache_replace('k', 'v', namespace => 'memory')},
	q{covet.cache_incr('n', namespace => 'memory')}, q{covet.cache_take('k', 'memory')}, q{covet.cache_touch('k', '1 hour', 'memory')},
	q{covet.cache_delete('k', 'memory')}, q{covet.cache_clear('memory')}, q{covet.cache_invalidate_tags('{t}', 'memory')},
	q{covet.cache_fill('k', 0, 'v')}, q{covet.cache_fill('k', 0, 'v', namespace => 'memory')},
	q{covet.cache_namespace_drop('owned')}, q{covet.sweep()},
	q{covet.lock_acquire('lock')}, q{covet.lock_extend('lock', 1)}, q{covet.lock_release('lock', 1)},
	q{covet.rate_limit('k', 1, '1 s')}, q{covet.rate_limit('k', 1, '1 s', 0)},
	q{covet.session_durability('logged')}, q{covet.token_revoke('x', 'infinity')},
	q{covet.token_revoke_many('{x}', '{infinity}')}, q{covet.token_revoke_subject('x', 'infinity')})
{
	is(answer($call), '25006', "25006: $call");
}

# Its memory is its own: of the primary's locks it knows nothing.
is(answer(q{count(*) FROM covet.lock_info('lock')}), '0', 'a lock of the primary is not seen');

# Revocations.
is(answer(q{covet.token_is_revoked('jti')}), 't', 'a revocation answers');
is(answer(q{covet.token_is_revoked('other')}), 'f', 'so does its absence');
is(answer(q{covet.token_is_revoked_many('{jti,other}')}), '{t,f}', 'and the batch');
is(answer(q{covet.token_is_revoked(NULL, subject => 'subject')}), 't', 'and a cutoff');

# Sessions: unlogged they are not here.
foreach my $call (
	"covet.session_get('$token')", "covet.session_get_many(ARRAY['$token'])",
	"count(*) FROM covet.session_info('$token')", q{count(*) FROM covet.session_list('user')},
	q{covet.session_count()})
{
	my $shown = $call =~ s/\Q$token\E/TOKEN/gr;
	is(answer($call), '55000', "unlogged, 55000: $shown");
}
# Logged they are.
$primary->safe_psql('postgres', q{SELECT covet.session_durability('logged')});
$primary->wait_for_catchup($standby);
is(answer("covet.session_get('$token')"), '{"a": 1}', 'logged, session_get answers');
is(answer("covet.session_get_many(ARRAY['$token', 'none'])"), '{"{\"a\": 1}",NULL}', 'session_get_many answers');
is(answer("user_id FROM covet.session_info('$token', true)"), 'user', 'session_info answers');
is(answer(q{count(*) FROM covet.session_list('user')}), '1', 'session_list answers');
is(answer(q{covet.session_count('user')}), '1', 'session_count answers');
foreach my $call (
	q{covet.session_create()}, "covet.session_update('$token', '{}')", "covet.session_merge('$token', '{}')",
	"covet.session_rotate('$token')", "covet.session_login('$token', 'user')", "covet.session_save('id', '{}')",
	"covet.session_delete('$token')", q{covet.session_revoke_user('user')}, q{covet.session_revoke_all()})
{
	my $shown = $call =~ s/\Q$token\E/TOKEN/gr;
	is(answer($call), '25006', "25006: $shown");
}
# What the primary ends is gone here.
$primary->safe_psql('postgres', "SELECT covet.session_delete('$token')");
$primary->wait_for_catchup($standby);
is(answer("covet.session_get('$token') IS NULL"), 't', 'a session that was ended there is gone here');

# Promoted, everything works, and versions go on rising.
$token = $primary->safe_psql('postgres', q{SELECT covet.session_create('{"a": 2}', 'user')});
my $version = $primary->safe_psql('postgres', "SELECT version FROM covet.session_info('$token')");
$primary->wait_for_catchup($standby);
$primary->stop('immediate');
$standby->promote;
is(answer(q{covet.cache_get('k') IS NULL}), 't', 'promoted, the cache is empty');
is(answer(q{covet.cache_set('k', 'new') AND covet.cache_get('k') = 'new'}), 't', 'and takes writes');
is(answer(q{covet.cache_get('k', 'memory') IS NULL}), 't', 'memory is empty too');
is(answer(q{covet.cache_set('k', 'new', namespace => 'memory')}), 't', 'and takes writes');
is(answer(q{covet.cache_get('k', 'memory')}), 'new', 'which last');
is(answer("covet.session_get('$token')"), '{"a": 2}', 'sessions go on');
is(answer("covet.session_update('$token', '{}') > $version"), 't', 'with higher versions');
is(answer(q{covet.token_is_revoked('jti')}), 't', 'revocations stay');
is(answer(q{covet.sweep() >= 0}), 't', 'the sweep works');
is(answer(q{covet.lock_acquire('lock') IS NOT NULL}), 't', 'locks are free');
is(answer(q{allowed FROM covet.rate_limit('k', 1, '1 hour')}), 't', 'and limits count');
$standby->stop;

done_testing();
