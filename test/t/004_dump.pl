# pg_dump carries settings of namespaces, revocations, and sessions when they
# are logged; cache entries and unlogged sessions never.  Where the dumped owner
# of a namespace is another role now, only superusers may use the namespace.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $preload = q{shared_preload_libraries = 'covet'};
my $from = PostgreSQL::Test::Cluster->new('from');
$from->init;
$from->append_conf('postgresql.conf', $preload);
$from->start;
$from->safe_psql('postgres', q{
	CREATE ROLE app;
	CREATE EXTENSION covet;
	SELECT covet.grant_usage('app', 'all');
	SELECT covet.cache_namespace_set('owned', default_ttl => '1 hour', max_bytes => 12345, codec => 'raw', owner => 'app');
	SELECT covet.cache_namespace_set('plain', default_ttl => '2 hours');
	SELECT covet.cache_set('k', 'entry that stays behind', namespace => ns) FROM unnest('{default,owned,plain}'::text[]) ns;
	SELECT covet.token_revoke('jti', 'infinity', 'issuer');
	SELECT covet.token_revoke_subject('subject', 'infinity', issuer => 'issuer')});
my $token = $from->safe_psql('postgres', q{SELECT covet.session_create('{"a": 1}', 'user')});

my $dir = PostgreSQL::Test::Utils::tempdir();
my $unlogged = "$dir/unlogged.dump";
my $logged = "$dir/logged.sql";

$from->command_ok([ 'pg_dump', '-Fc', '-f', $unlogged, $from->connstr('postgres') ], 'dumps with unlogged sessions');
$from->safe_psql('postgres', q{SELECT covet.session_durability('logged')});
$from->command_ok([ 'pg_dump', '-f', $logged, $from->connstr('postgres') ], 'dumps with logged sessions');
unlike(slurp_file($logged), qr/entry that stays behind|656e747279207468617420/, 'no cache entry is in the dump');
unlike(slurp_file($logged), qr/\Q$token\E/, 'nor is a token');

# A cluster in which "app" has another oid.
my $to = PostgreSQL::Test::Cluster->new('to');
$to->init;
$to->append_conf('postgresql.conf', $preload);
$to->start;
$to->safe_psql('postgres', q{
	CREATE ROLE one; CREATE ROLE two; CREATE ROLE app; DROP ROLE one;
	CREATE DATABASE from_unlogged; CREATE DATABASE from_logged});
isnt($to->safe_psql('postgres', q{SELECT 'app'::regrole::oid}),
	$from->safe_psql('postgres', q{SELECT 'app'::regrole::oid}), 'the role has another oid there');

$to->command_ok([ 'pg_restore', '--exit-on-error', '-d', $to->connstr('from_unlogged'), $unlogged ], 'restores the first');
$to->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $logged, $to->connstr('from_logged') ], 'restores the second');

foreach my $db ('from_unlogged', 'from_logged')
{
	is($to->safe_psql($db, q{SELECT namespace, storage, default_ttl, max_bytes, codec FROM covet.cache_namespaces ORDER BY namespace}),
		"owned|table|01:00:00|12345|raw\nplain|table|02:00:00||auto", "$db: settings of namespaces are there");
	is($to->safe_psql($db, q{SELECT count(covet.cache_get('k', ns)) FROM unnest('{default,owned,plain}'::text[]) ns}),
		'0', "$db: cache entries are not");
	is($to->safe_psql($db, q{SELECT covet.token_is_revoked('jti', 'issuer'), covet.token_is_revoked('jti'), covet.token_is_revoked(NULL, 'issuer', 'subject', now() - interval '1 day')}),
		't|f|t', "$db: revocations are there");

	is($to->safe_psql($db, q{SELECT covet.cache_set('k', 'v', namespace => 'owned'), covet.cache_get('k', 'owned')}),
		't|v', "$db: a superuser may use the namespace of an owner who is another role now");
	my ($ret, $out, $err) = $to->psql($db, qq{SET ROLE app;\n\\set VERBOSITY sqlstate\nSELECT covet.cache_get('k', 'owned')});
	like($err, qr/ERROR:\s+42501/, "$db: the role of that name may not");
	is($to->safe_psql($db, q{SET ROLE app; SELECT covet.cache_set('k', 'v', namespace => 'plain')}),
		't', "$db: its rights to the functions were restored");
	$to->safe_psql($db, q{SELECT covet.cache_namespace_set('owned', owner => 'app')});
	is($to->safe_psql($db, q{SET ROLE app; SELECT covet.cache_get('k', 'owned')}),
		'v', "$db: once it is the owner again, it may");
}

is($to->safe_psql('from_unlogged', "SELECT covet.session_get('$token') IS NULL, covet.session_count()"),
	't|0', 'unlogged sessions are not carried');
is($to->safe_psql('from_logged', "SELECT covet.session_get('$token'), covet.session_count('user')"),
	'{"a": 1}|1', 'logged sessions are');
my $next = $to->safe_psql('from_logged', "SELECT covet.session_rotate('$token')");
is($to->safe_psql('from_logged', "SELECT covet.session_get('$next')"), '{"a": 1}', 'and go on working');
# and the setting came with them: new ones are logged too
$next = $to->safe_psql('from_logged', q{SELECT covet.session_create('{"b": 2}')});
my $lost = $to->safe_psql('from_unlogged', q{SELECT covet.session_create('{"b": 2}')});
$to->stop('immediate');
$to->start;
is($to->safe_psql('from_logged', "SELECT covet.session_get('$next')"), '{"b": 2}', 'restored as logged, sessions survive a crash');
is($to->safe_psql('from_unlogged', "SELECT covet.session_get('$lost') IS NULL"), 't', 'restored as unlogged, they do not');

# A dump of what was restored is the same again.
my $again = "$dir/again.sql";
$to->command_ok([ 'pg_dump', '-f', $again, $to->connstr('from_logged') ], 'dumps what was restored');
like(slurp_file($again), qr/^COPY covet\._cache_namespace /m, 'with settings of namespaces');
like(slurp_file($again), qr/^COPY covet\._token /m, 'with revocations');
unlike(slurp_file($again), qr/^COPY covet\.(_cache|_session) /m, 'and nothing of what is unlogged');

$from->stop;
$to->stop;
done_testing();
