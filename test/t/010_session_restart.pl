# What sessions and revocations survive: a restart, a crash, a dump; and what
# the setting of their durability does.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('session_restart');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'covet'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION covet');

sub sql { return $node->safe_psql('postgres', $_[0]); }

my $token = sql(q{SELECT covet.session_create('{"n": 1}', 'ann')});
sql(q{SELECT covet.session_save('ended', '{}'), covet.session_delete('ended')});
sql(q{SELECT covet.token_revoke('jti', 'infinity'), covet.token_revoke_subject('sub', 'infinity')});
my $version = sql(qq{SELECT version FROM covet.session_info('$token')});

# A clean restart keeps everything, unlogged or not.
$node->restart;
is(sql("SELECT covet.session_get('$token')"), '{"n": 1}', 'a restart keeps an unlogged session');
is(sql("SELECT covet.session_save('ended', '{}')"), 'f', 'a restart keeps tombstones');
is(sql("SELECT covet.token_is_revoked('jti'), covet.token_is_revoked(NULL, subject => 'sub')"),
	't|t', 'a restart keeps revocations');
my $updated = sql(qq{SELECT covet.session_update('$token', '{"n": 2}')});
cmp_ok($updated, '>', $version, 'versions rise over a restart');

# A crash empties what is unlogged, whole, and keeps revocations.
$node->stop('immediate');
$node->start;
is(sql("SELECT covet.session_get('$token')"), '', 'a crash ends unlogged sessions');
is(sql('SELECT covet.session_count(), (SELECT count(*) FROM covet._session)'), '0|0', 'nothing is left of them');
is(sql("SELECT covet.token_is_revoked('jti'), covet.token_is_revoked(NULL, subject => 'sub'), covet.token_is_revoked('other')"),
	't|t|f', 'a crash keeps revocations');
is(sql("SELECT covet.session_save('ended', '{}')"), 't', 'and the store works');

# Logged sessions survive it.
$token = sql(q{SELECT covet.session_create('{"n": 3}', 'ann')});
sql(q{SELECT covet.session_durability('logged')});
my $later = sql(q{SELECT covet.session_create('{"n": 4}', 'ann')});
sql("SELECT covet.session_delete('ended')");
$version = sql("SELECT version FROM covet.session_info('$later')");
$node->stop('immediate');
$node->start;
is(sql("SELECT covet.session_get_many(ARRAY['$token', '$later'])"), '{"{\"n\": 3}","{\"n\": 4}"}',
	'a crash keeps logged sessions, those moved and those made since');
is(sql("SELECT covet.session_save('ended', '{}')"), 'f', 'and their tombstones');
cmp_ok(sql(qq{SELECT covet.session_update('$later', '{"n": 5}')}), '>', $version, 'versions rise over a crash');
is(sql('SELECT count(*) FROM covet._session'), '0', 'none is in the unlogged table');

# A dump carries logged sessions and revocations.
$node->safe_psql('postgres', 'CREATE DATABASE restored');
my $dump = PostgreSQL::Test::Utils::tempdir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('postgres') ], 'dump');
$node->command_ok([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('restored') ], 'restore');
is($node->safe_psql('restored', "SELECT covet.session_get('$later'), covet.session_count(), covet.session_save('ended', '{}')"),
	'{"n": 5}|2|f', 'a dump carries logged sessions and that they are');
is($node->safe_psql('restored', "SELECT covet.token_is_revoked('jti'), covet.token_is_revoked(NULL, subject => 'sub')"),
	't|t', 'a dump carries revocations');

# Back to unlogged: a crash empties again, a dump carries none.
sql(q{SELECT covet.session_durability('unlogged')});
is(sql("SELECT covet.session_get('$later')"), '{"n": 5}', 'moved back');
$node->command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('postgres') ], 'dump');
unlike(slurp_file($dump), qr/"n": 5|\Q$later\E/, 'a dump carries no unlogged session');
$node->stop('immediate');
$node->start;
is(sql('SELECT covet.session_count()'), '0', 'a crash ends sessions that are unlogged again');

$node->stop;
done_testing();
