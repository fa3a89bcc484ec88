# No token and no value in the log, whatever its level, nor in an error or the
# table.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('session_secrets');
$node->init;
$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'covet'
log_min_messages = debug5
log_error_verbosity = verbose
log_statement = none
});
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION covet');

# Statements name secrets by their place in a table only, since the server logs
# the statements that fail.
$node->safe_psql('postgres', q{
CREATE TABLE secret (name text PRIMARY KEY, value text);
INSERT INTO secret SELECT name, name || md5(random()::text) FROM unnest('{data,bytes,id,id2,jti,sub,agent,user}'::text[]) name;
CREATE FUNCTION s(text) RETURNS text LANGUAGE sql STABLE AS 'SELECT value FROM secret WHERE name = $1';
INSERT INTO secret VALUES ('token', covet.session_create(jsonb_build_object('k', s('data')), s('user'), user_agent => s('agent')));
});
my $errors = '';
foreach my $statement (
	"session_get(s('token'))",
	"session_info(s('token'), true)",
	"session_update(s('token'), jsonb_build_object('k', s('data')))",
	"session_merge(s('token'), jsonb_build_object('k', s('data')))",
	"session_save(s('id'), jsonb_build_object('k', s('data')))",
	"session_save(s('id'), jsonb_build_object('k', s('data')), mode => 'nonsense')",
	"session_save(repeat(s('id'), 100), jsonb_build_object('k', s('data')))",
	"session_save(s('id'), jsonb_build_object('k', s('data')), user_id => repeat(s('user'), 100))",
	"session_save_bytea(s('id2'), s('bytes')::bytea)",
	"session_get(s('id2'))",
	"session_merge(s('id2'), jsonb_build_object('k', s('data')))",
	"session_save_bytea(s('id2'), convert_to('{\"k\": ' || s('bytes'), 'UTF8'))",
	"session_get(s('id2'))",
	"session_save_bytea(s('id2'), s('bytes')::bytea || '\\x00ff')",
	"session_get(s('id2'))",
	"session_rotate(s('id'), '1 hour', repeat(s('token'), 100))",
	"session_rotate(s('id'), '1 hour', s('token'))",
	"session_rotate(s('token'))",
	"session_login(s('id'), repeat(s('user'), 100))",
	"session_login(s('id'), s('user'))",
	"token_revoke(s('jti'), 'infinity')",
	"token_revoke(repeat(s('jti'), 100), 'infinity')",
	"token_revoke_many(ARRAY[s('jti')], '{infinity,infinity}')",
	"token_revoke_subject(repeat(s('sub'), 100), 'infinity')",
	"token_revoke_subject(s('sub'), 'infinity')",
	"token_is_revoked(s('jti'), subject => s('sub'))")
{
	my ($result, undef, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT covet.$statement IS NULL");
	$errors .= $err;
}
$node->safe_psql('postgres', q{UPDATE covet._session SET data = overlay(data PLACING '\x00'::bytea FROM length(data)) WHERE data IS NOT NULL});
foreach my $statement ("session_get(s('id2'))", "session_get_bytea(s('id2'))", "session_merge(s('id2'), '{}')")
{
	my ($result, undef, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT covet.$statement");
	like($err, qr/XX001/, "$statement of a damaged row");
	$errors .= $err;
}
like($errors, qr/22P02.*22021/s, 'statements failed as they should');

my @secrets = split /\n/, $node->safe_psql('postgres', 'SELECT value FROM secret ORDER BY name');
is(scalar @secrets, 9, 'secrets to look for');
my $stored = $node->safe_psql('postgres', 'SELECT s::text FROM covet._session s');
my $log = slurp_file($node->logfile);
like($log, qr/DEBUG/, 'the log is at a debug level');
foreach my $secret (@secrets)
{
	ok(index($log, $secret) < 0, 'not in the log');
	ok(index($errors, $secret) < 0, 'not in an error');
}
my ($token) = split /\n/, $node->safe_psql('postgres', "SELECT s('token')");
ok(index($stored, $token) < 0, 'the token is not in the table');

$node->stop;
done_testing();
