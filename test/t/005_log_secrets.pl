# Neither tokens nor cached values reach the server's log or an error message,
# at any level.  (The text of statements is PostgreSQL's own to log, and is
# switched off here.)

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'covet'
log_min_messages = debug5
log_min_error_statement = panic
log_statement = none
log_min_duration_statement = -1
log_error_verbosity = verbose
log_parameter_max_length_on_error = 0
covet.sweep_min_interval = '10ms'
covet.sweep_max_interval = '10ms'
});
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION covet');

my @secrets;
my $errors = '';

# A value that is nowhere else.
sub secret
{
	my ($name) = @_;
	my $secret = "secret-$name-" . join('', map { chr(97 + int(rand(26))) } 1 .. 12);
	push @secrets, $secret;
	return $secret;
}

# Runs SQL that may fail; what the client is told must be clean as well.
sub run
{
	my ($sql) = @_;
	my ($ret, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql", on_error_stop => 0);
	# psql repeats the statement's line itself; what the server says is on its own
	$errors .= join("\n", grep { !/^LINE \d+:/ } split(/\n/, $err)) . "\n";
	return $out;
}

my ($value, $other, $tagged, $json) = map { secret($_) } qw(value other tagged json);
run(qq{
SELECT covet.cache_set('k', '$value', tags => '{t}', idle => '1 hour');
SELECT covet.cache_get('k'), covet.cache_get_many('{k,none}'), covet.cache_get_bytea('k');
SELECT covet.cache_set_many('{a,b,a}', '{$value,$other,$tagged}');
SELECT covet.cache_set_jsonb('j', '{"$json": "$json"}');
SELECT covet.cache_get_jsonb('j');
SELECT * FROM covet.cache_scan(with_values => true);
SELECT covet.cache_add('k', '$other'), covet.cache_replace('k', '$other'), covet.cache_take('k');
-- errors with a value at hand
SELECT covet.cache_set('k', '$value');
SELECT covet.cache_get_jsonb('k');
SELECT covet.cache_get_many_jsonb('{k}');
SELECT covet.cache_take_jsonb('k');
SELECT covet.cache_incr('k');
SELECT covet.cache_set('half', '["$json", ');
SELECT covet.cache_get_jsonb('half');
SELECT covet.cache_set_bytea('bin', '$value'::bytea || '\\xff00'::bytea || '$value'::bytea);
SELECT covet.cache_get('bin');
SELECT covet.cache_get_jsonb('bin');
SELECT covet.cache_set(NULL, '$value');
SELECT covet.cache_set('', '$value');
SELECT covet.cache_set(repeat('k', 2000), '$value');
SELECT covet.cache_set('k', '$value', namespace => repeat('n', 100));
SELECT covet.cache_set('k', '$value', tags => '{1,2,3,4,5,6,7,8,9}');
SELECT covet.cache_set_many('{a,NULL}', '{$value,$other}');
SELECT covet.cache_set_many('{a}', '{$value,$other}');
SELECT covet.cache_set_many('{a,b}', '{$value,NULL}');
SET covet.max_decompressed_size = '1kB';
SELECT covet.cache_set('k', repeat('$value', 1000));
RESET covet.max_decompressed_size;
BEGIN READ ONLY; SELECT covet.cache_set('k', '$value'); ROLLBACK;
BEGIN; SELECT covet.cache_set('k', '$value'); PREPARE TRANSACTION 'x';
SET statement_timeout = '1ms'; SELECT covet.cache_set('k', '$value'), pg_sleep(10); RESET statement_timeout;
UPDATE covet._cache SET value = set_byte(value, length(value) - 1, 0);
SELECT covet.cache_get('k'), covet.cache_get_many('{k,b}');
SELECT * FROM covet.cache_scan(with_values => true);
SELECT covet.cache_clear();
SELECT covet.sweep();
});
# a worker at work on rows like these
$node->safe_psql('postgres', "SELECT covet.cache_set('old' || i, '$value', '1 microsecond') FROM generate_series(1, 50) i");
$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM covet._cache WHERE key ~ '^old'})
	or die 'the worker swept nothing';

# Sessions: the token, the data, an id of a framework's making.
my ($data, $id, $id2, $unknown) = map { secret($_) } qw(data id id2 unknown);
my $token = $node->safe_psql('postgres', qq{SELECT covet.session_create('{"x": "$data"}', 'user')});
push @secrets, $token;
my $rotated = run(qq{
SELECT covet.session_get('$token'), covet.session_get_many(ARRAY['$token', '$unknown']), covet.session_info('$token', true);
SELECT covet.session_update('$token', '{"y": "$data"}'), covet.session_merge('$token', '{"z": "$data"}'), covet.session_touch('$token');
SELECT 'token ' || covet.session_rotate('$token');
});
$rotated =~ /token (\S+)/ or die 'no token was given';
push @secrets, $1;
my $login = run(qq{SELECT 'token ' || covet.session_login('$1', 'user')});
$login =~ /token (\S+)/ or die 'no token was given';
my $current = $1;
push @secrets, $current;
run(qq{
SELECT covet.session_save('$id', '{"x": "$data"}', user_id => 'user'), covet.session_save('$id', '{}', mode => 'add');
SELECT covet.session_save('$id', '{}', mode => 'no such mode');
SELECT covet.session_save('$id', NULL);
SELECT covet.session_save_bytea('$id2', '$data'::bytea);
SELECT covet.session_get('$id2');
SELECT covet.session_rotate('$id', new_id => '$id2'), covet.session_rotate('$id', new_id => '$current');
SELECT covet.session_login('$id', NULL);
SELECT covet.session_update('$id', NULL);
SELECT covet.session_save('$id' || repeat('x', 600), '{}');
BEGIN READ ONLY; SELECT covet.session_update('$current', '{"x": "$data"}'); ROLLBACK;
BEGIN; SELECT covet.session_update('$current', '{"x": "$data"}'); PREPARE TRANSACTION 'x';
UPDATE covet._session SET data = set_byte(data, length(data) - 1, 0);
SELECT covet.session_get('$current'), covet.session_get('$id');
SELECT covet.session_merge('$current', '{"x": "$data"}');
SELECT covet.session_list('user');
SELECT covet.session_delete('$current'), covet.session_delete('$unknown'), covet.session_revoke_all();
SELECT covet.token_revoke(NULL, 'infinity');
});

# The log at its most talkative did say something of all this.
$node->stop;
my $log = slurp_file($node->logfile);
like($log, qr/DEBUG:/, 'the log is at debug level');
like($log, qr/stored value is corrupt/, 'the errors are in the log');
like($errors, qr/ERROR:/, 'and were told to the client');

foreach my $secret (@secrets)
{
	my $name = $secret =~ /^secret-(\w+)-/ ? $1 : 'token';
	my $hex = unpack('H*', $secret);
	ok(index($log, $secret) < 0 && index($log, $hex) < 0, "not in the log: $name");
	ok(index($errors, $secret) < 0 && index($errors, $hex) < 0, "not in an error message: $name");
}

done_testing();
