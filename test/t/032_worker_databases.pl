
# Ticks and the life of databases and of the extension: nothing waits for the
# workers, and the workers notice everything.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('databases');
$node->init;
$node->append_conf(
	'postgresql.conf', qq{
shared_preload_libraries = 'covet'
autovacuum = off
covet.sweep_min_interval = 10
covet.sweep_max_interval = 50
});
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION covet; SELECT covet.sweep()');

# served(database): does stat_workers come to show it as ticking, again?
sub served
{
	my ($database) = @_;
	my $now = $node->safe_psql('postgres', 'SELECT now()');
	return $node->poll_query_until(
		'postgres', qq{
SELECT count(*) = 1 FROM covet.stat_workers
	WHERE database = '$database' AND last_tick > '$now'});
}

# forgotten(database): does it come to be gone from stat_workers?
sub forgotten
{
	my ($database) = @_;
	return $node->poll_query_until('postgres',
		qq{SELECT count(*) = 0 FROM covet.stat_workers WHERE database = '$database'});
}

# with_extension(database): a new database that uses covet and has a tick
# every few milliseconds.
sub with_extension
{
	my ($database, $options) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database " . ($options // ''));
	$node->safe_psql($database, q{CREATE EXTENSION covet; SELECT covet.cache_set('key', 'value')});
	return served($database);
}

# CREATE, DROP and again CREATE EXTENSION.
ok(with_extension('app'), 'a database is served from its first use on');
$node->safe_psql('app', 'DROP EXTENSION covet');
ok(forgotten('app'), 'it is forgotten after DROP EXTENSION');
my $session = $node->background_psql('app');
$session->query_safe(q{BEGIN; CREATE EXTENSION covet; SELECT covet.cache_set('key', 'value')});
ok( $node->poll_query_until(
		'postgres',
		q{SELECT count(*) = 0 FROM covet.stat_workers WHERE database = 'app'}),
	'not served while CREATE EXTENSION is not committed');
$session->query_safe('COMMIT');
ok(served('app'), 'served when it is, without another call');
$session->query_safe('DROP EXTENSION covet');
ok(forgotten('app'), 'forgotten again');
$session->query_safe(q{CREATE EXTENSION covet; SELECT covet.cache_set('key', 'value')});
ok(served('app'), 'and served again for the same backend');
$session->quit;

# RENAME.
for my $round (1 .. 5)
{
	$node->safe_psql('postgres', 'ALTER DATABASE app RENAME TO app2; ALTER DATABASE app2 RENAME TO app');
}
$node->safe_psql('postgres', 'ALTER DATABASE app RENAME TO app2');
ok(served('app2'), 'served under its new name');

# CREATE DATABASE ... TEMPLATE.
$node->safe_psql('postgres', "CREATE DATABASE copy$_ TEMPLATE app2") for (1 .. 5);
is($node->safe_psql('copy5', 'SELECT count(*) FROM covet._cache'),
	'1', 'a database can be copied while ticks run in it');
$node->safe_psql('copy5', q{SELECT covet.cache_get('key')});
ok(served('copy5'), 'a copy is served once it is used');
$node->safe_psql('postgres', "DROP DATABASE copy$_") for (1 .. 5);
ok(forgotten('copy5'), 'DROP DATABASE: forgotten');

# The same for an owner who is no superuser, FORCE included.
$node->safe_psql('postgres', 'CREATE ROLE plain LOGIN CREATEDB');
for my $round (1 .. 3)
{
	for my $force ('', 'WITH (FORCE)')
	{
		ok(with_extension('owned', 'OWNER plain'), "round $round: a database of a plain owner");
		$node->safe_psql('postgres', 'ALTER DATABASE owned RENAME TO owned2',
			extra_params => [ '-U', 'plain' ]);
		$node->safe_psql('postgres', "DROP DATABASE owned2 $force",
			extra_params => [ '-U', 'plain' ]);
		ok(forgotten('owned2'), "round $round: renamed and dropped by its owner $force");
	}
}

# A tick that takes long is ended for a command that waits: a trigger holds it
# up in the middle of an eviction.  The commands are the owner's.
my $slow = q{
CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql
	AS $$BEGIN PERFORM pg_sleep(600); RETURN OLD; END$$;
CREATE TRIGGER slow BEFORE DELETE ON covet._cache FOR EACH ROW EXECUTE FUNCTION public.slow();
SELECT covet.cache_namespace_set('small', max_bytes => 10);
SELECT covet.cache_set('key', repeat('x', 100), namespace => 'small');
};
my $sleeping = q{SELECT count(*) > 0 FROM pg_stat_activity
	WHERE backend_type = 'covet tick' AND wait_event = 'PgSleep'};
for my $command ('DROP DATABASE slow', 'DROP DATABASE slow WITH (FORCE)',
	'CREATE DATABASE slow2 TEMPLATE slow', 'ALTER DATABASE slow RENAME TO slow3')
{
	if ($node->safe_psql('postgres', q{SELECT count(*) FROM pg_database WHERE datname = 'slow'}) == 0)
	{
		with_extension('slow', 'OWNER plain');
		$node->safe_psql('slow', $slow);
	}
	ok($node->poll_query_until('postgres', $sleeping), "a tick is held up: $command");
	my ($code, undef, $err) =
	  $node->psql('postgres', $command, extra_params => [ '-U', 'plain' ]);
	is($code, 0, "$command does not fail") or diag($err);
}
$node->safe_psql('postgres', "DROP DATABASE $_ WITH (FORCE)") for ('slow2', 'slow3');

# A database that refuses connections is left alone and noticed when it no
# longer does; one with a connection limit of zero is served.
$node->safe_psql('postgres', 'ALTER DATABASE app2 ALLOW_CONNECTIONS false');
ok( $node->poll_query_until(
		'postgres',
		q{SELECT state = 'connections refused' FROM covet.stat_workers WHERE database = 'app2'}),
	'a database that refuses connections shows as such');
my $offset = -s $node->logfile;
my $ticks = $node->safe_psql('postgres', q{SELECT ticks FROM covet.stat_workers WHERE database = 'app2'});
ok(served('postgres'), 'the others are served');
is( $node->safe_psql('postgres', q{SELECT ticks FROM covet.stat_workers WHERE database = 'app2'}),
	$ticks, 'it has no ticks meanwhile');
$node->safe_psql('postgres', 'ALTER DATABASE app2 ALLOW_CONNECTIONS true CONNECTION LIMIT 0');
ok(served('app2'), 'it is served when it allows connections, whatever their limit');
unlike(slurp_file($node->logfile, $offset), qr/FATAL/, 'no worker failed over it');

# At its start the launcher finds the databases, used or not.
$node->safe_psql('app2', q{UPDATE covet._cache SET expires_at = '-infinity'});
$node->restart;
ok(served('app2'), 'served after a restart without being used');
ok( $node->poll_query_until('app2', 'SELECT count(*) = 0 FROM covet._cache'),
	'and swept');
is( $node->safe_psql('postgres', q{SELECT string_agg(database, ' ' ORDER BY database) FROM covet.stat_workers}),
	'app2 postgres', 'only those with the extension are kept');

$node->stop;
done_testing();
