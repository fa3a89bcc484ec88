# A standby answers from logged sessions and from revocations, writes nothing,
# and takes over when promoted.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('session_primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "shared_preload_libraries = 'covet'");
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION covet');
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('session_standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

sub caught_up { $primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert')); }
sub answer { return $standby->safe_psql('postgres', $_[0]); }

# The SQLSTATE a statement fails with on the standby.
sub sqlstate
{
	my ($result, undef, $err) = $standby->psql('postgres', "\\set VERBOSITY sqlstate\n$_[0]");
	return $err =~ /ERROR:\s+(\w{5})/ ? $1 : "none ($err)";
}

my $token = $primary->safe_psql('postgres', q{SELECT covet.session_create('{"n": 1}', 'ann')});
$primary->safe_psql('postgres', q{SELECT covet.token_revoke('jti', 'infinity'), covet.token_revoke_subject('sub', 'infinity')});
caught_up();

# Unlogged sessions are not there.
foreach my $read ("session_get('$token')", "session_get_bytea('$token')", "session_get_many(ARRAY['$token'])",
	"session_info('$token')", "session_touch('$token')", "session_list('ann')", "session_count()", "session_count('ann')")
{
	is(sqlstate("SELECT covet.$read"), '55000', "$read when unlogged");
}
is(answer("SELECT covet.token_is_revoked('jti'), covet.token_is_revoked('other'), covet.token_is_revoked(NULL, subject => 'sub'), covet.token_is_revoked_many('{jti,other}')"),
	't|f|t|{t,f}', 'revocations answer');

# Logged ones are.
$primary->safe_psql('postgres', q{SELECT covet.session_durability('logged')});
$primary->safe_psql('postgres', q{UPDATE covet._session_logged SET seen_at = seen_at - interval '10 minutes'});
caught_up();
is(answer("SELECT covet.session_get('$token')"), '{"n": 1}', 'a logged session answers');
is(answer("SELECT covet.session_get_many(ARRAY['$token', 'x']), covet.session_count(), covet.session_count('ann'), (SELECT count(*) FROM covet.session_list('ann'))"),
	'{"{\"n\": 1}",NULL}|1|1|1', 'and is listed and counted');
is(answer("SELECT now() - last_seen_at > '9 minutes' FROM covet.session_info('$token', true)"), 't', 'a touch is skipped');
is(answer("SELECT covet.session_touch('$token') = expires_at FROM covet.session_info('$token')"), 't', 'also one that was asked for');

# Writes are refused.
foreach my $write ("session_create()", "session_update('$token', '{}')", "session_merge('$token', '{}')", "session_touch('$token', '1 hour')",
	"session_rotate('$token')", "session_login('$token', 'ann')", "session_save('x', '{}')", "session_delete('$token')",
	"session_revoke_user('ann')", "session_revoke_all()", "session_durability('unlogged')",
	"token_revoke('x', 'infinity')", "token_revoke_subject('x', 'infinity')")
{
	is(sqlstate("SELECT covet.$write"), '25006', $write);
}

# Promoted, it goes on.
$standby->promote;
is(answer("SELECT covet.session_get('$token'), covet.session_count()"), '{"n": 1}|1', 'the session is there after promotion');
is(answer("SELECT now() - last_seen_at < '1 minute' FROM covet.session_info('$token')"), 't', 'and was seen');
my $version = $primary->safe_psql('postgres', "SELECT version FROM covet.session_info('$token')");
cmp_ok(answer(qq{SELECT covet.session_update('$token', '{"n": 2}')}), '>', $version, 'versions rise over promotion');
answer("SELECT covet.session_durability('unlogged')");
is(answer("SELECT covet.session_get('$token')"), '{"n": 2}', 'its unlogged table works');

$standby->stop;
$primary->stop;
done_testing();
