# What a transaction writes is published when it commits, all of it, and at no
# other end of it: savepoints, EXCEPTION blocks, held cursors, procedures, failures
# inside COMMIT, PREPARE TRANSACTION, parallel plans, backends that are ended or
# killed at each step.  After each nothing prepared is left in memory.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'covet'
max_prepared_transactions = 5
restart_after_crash = on
fsync = off
covet.hot_size = '16MB'
covet.sweep_min_interval = '1h'
covet.sweep_max_interval = '1h'
});
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION covet;
	SELECT covet.cache_namespace_set('m', storage => 'memory');
	CREATE TABLE plain (x integer)});

sub sql
{
	my ($statements) = @_;
	return $node->safe_psql('postgres', $statements);
}

# The output of statements that may fail, and the last SQLSTATE if one did.
sub try
{
	my ($statements) = @_;
	my ($ret, $out, $err) = $node->psql('postgres', "\\set VERBOSITY sqlstate\n$statements", on_error_stop => 0);
	return ($out, $err =~ /ERROR:\s+(\w{5})/ ? $1 : '');
}

# Values of keys, '-' for none, as others see them.
sub values_are
{
	my ($namespace, $keys, $expected, $name) = @_;
	is(sql("SELECT string_agg(coalesce(covet.cache_get(k, '$namespace'), '-'), ' ' ORDER BY n)
			FROM unnest(string_to_array('$keys', ' ')) WITH ORDINALITY AS a(k, n)"), $expected, $name);
}

sub nothing_left
{
	my ($after) = @_;
	# A backend that was ended may still be at it.
	$node->poll_query_until('postgres', q{
		SELECT prepared = 0 AND unlinked = 0 FROM covet.stat_hot});
	is(sql(q{SELECT prepared, unlinked, covet._hot_check() IS NULL FROM covet.stat_hot}), '0|0|t',
		"no block is left, and memory is whole: $after");
}

# ----------
# Savepoints
# ----------

my $other = $node->background_psql('postgres');

foreach my $n ('m', 't')
{
	sql("SELECT covet.cache_set('old', '0', namespace => '$n'), covet.cache_set('tagged', '0', namespace => '$n', tags => '{t}')");
	$other->query_safe(qq{
		BEGIN;
		SELECT covet.cache_set('a', '1', namespace => '$n');
		SAVEPOINT one;
		SELECT covet.cache_set('a', '2', namespace => '$n'), covet.cache_set('b', '2', namespace => '$n');
		SAVEPOINT two;
		SELECT covet.cache_delete('a', '$n'), covet.cache_clear('$n'), covet.cache_invalidate_tags('{t}', '$n');
		SELECT covet.cache_set('b', '3', namespace => '$n')});
	my $get = qq{SELECT string_agg(coalesce(covet.cache_get(k, '$n'), '-'), ' ' ORDER BY k)
		FROM unnest('{a,b,c,old,tagged}'::text[]) k};
	is($other->query_safe($get), '- 3 - - -', "$n: a transaction sees what it has done");
	values_are($n, 'a b c old tagged', '- - - 0 0', "$n: others do not");
	$other->query_safe('ROLLBACK TO two');
	is($other->query_safe($get), '2 2 - 0 0', "$n: after ROLLBACK TO what was before");
	$other->query_safe(qq{RELEASE two; SAVEPOINT three; SELECT covet.cache_set('c', '4', namespace => '$n'); RELEASE three});
	is($other->query_safe($get), '2 2 4 0 0', "$n: RELEASE keeps");
	$other->query_safe('ROLLBACK TO one');
	is($other->query_safe($get), '1 - - 0 0', "$n: ROLLBACK TO an outer one undoes what was released");
	$other->query_safe(qq{SELECT covet.cache_set('c', '5', namespace => '$n')});
	values_are($n, 'a b c old tagged', '- - - 0 0', "$n: others see nothing yet");
	$other->query_safe('COMMIT');
	values_are($n, 'a b c old tagged', '1 - 5 0 0', "$n: COMMIT publishes what is left");
	$other->query_safe(qq{BEGIN; SELECT covet.cache_set('a', '9', namespace => '$n'), covet.cache_clear('$n'); ROLLBACK});
	values_are($n, 'a b c old tagged', '1 - 5 0 0', "$n: ROLLBACK nothing");
}
nothing_left('savepoints');

# ----------
# Clears of others, operations that act at once
# ----------

foreach my $n ('m', 't')
{
	sql("SELECT covet.cache_set('k', 'old', namespace => '$n')");
	$other->query_safe("BEGIN; SELECT covet.cache_set('k', 'new', namespace => '$n')");
	sql("SELECT covet.cache_clear('$n')");
	$other->query_safe('COMMIT');
	values_are($n, 'k', '-', "$n: a value from before somebody's clear does not come after it, nor what it replaced");

	$other->query_safe("BEGIN; SELECT covet.cache_set('k', 'v', namespace => '$n', tags => '{x,y}')");
	sql("SELECT covet.cache_invalidate_tags('{y}', '$n')");
	$other->query_safe('COMMIT');
	values_are($n, 'k', '-', "$n: nor one from before its tag was invalidated");

	$other->query_safe("BEGIN; SELECT covet.cache_clear('$n'); SELECT covet.cache_set('k', 'mine', namespace => '$n'); COMMIT");
	values_are($n, 'k', 'mine', "$n: a transaction's own earlier clear does not end what it sets");
	$other->query_safe("BEGIN; SELECT covet.cache_set('k', 'gone', namespace => '$n'); SELECT covet.cache_clear('$n'); COMMIT");
	values_are($n, 'k', '-', "$n: its own later clear does");
}

# Of two that set the key the one that commits last wins; none waits.
$other->query_safe(q{BEGIN; SELECT covet.cache_set('k', 'first', namespace => 'm')});
sql(q{SET statement_timeout = '60 s'; SELECT covet.cache_set('k', 'second', namespace => 'm')});
values_are('m', 'k', 'second', 'nobody waits for an idle transaction');
$other->query_safe('COMMIT');
values_are('m', 'k', 'first', 'the last to commit wins');

sql(q{BEGIN; SELECT covet.cache_incr('n', namespace => 'm'), covet.cache_add('once', 'x', namespace => 'm'); ROLLBACK});
values_are('m', 'n once', '1 x', 'in memory incr and add act at once and are not undone');
is(sql(q{BEGIN; SELECT covet.cache_set('n', '10', namespace => 'm'); SELECT covet.cache_incr('n', namespace => 'm'); ROLLBACK}),
	"t\n11", 'on a key with a pending write incr works on that');
values_are('m', 'n', '1', 'and goes with it');
is(sql(q{BEGIN; SELECT covet.cache_set('n', '10', namespace => 'm'); SELECT covet.cache_take('n', 'm'); COMMIT}),
	"t\n10", 'take takes the pending one');
values_are('m', 'n', '-', 'and at COMMIT there is none');
nothing_left('operations at once');

# ----------
# EXCEPTION blocks
# ----------

# Memory of this backend after the first tenth of the loop and after all of it.
sub growth
{
	my ($blocks, $body) = @_;
	return sql(qq{
		DO \$\$
		DECLARE
			early bigint;
			late bigint;
		BEGIN
			FOR i IN 1..$blocks LOOP
				BEGIN
					$body
					IF i % 4 > 0 THEN
						RAISE EXCEPTION 'undone';
					END IF;
				EXCEPTION WHEN raise_exception THEN
				END;
				IF i = $blocks / 10 THEN
					SELECT sum(total_bytes) INTO early FROM pg_backend_memory_contexts;
				END IF;
			END LOOP;
			SELECT sum(total_bytes) INTO late FROM pg_backend_memory_contexts;
			PERFORM set_config('test.growth', (late - early)::text, false);
		END\$\$;
		SELECT current_setting('test.growth')});
}

my $bytes = growth(100000, q{
	PERFORM covet.cache_set('e' || i % 10, i::text, namespace => 'm', tags => '{t}');
	IF i % 4 > 0 THEN
		PERFORM covet.cache_delete('f' || i, 'm');
	END IF;});
cmp_ok($bytes, '<', 1000000, "100,000 EXCEPTION blocks leave nothing behind ($bytes bytes)");
values_are('m', 'e0 e1 e4', '100000 - 99984', 'those that did not fail are published');
$bytes = growth(10000, q{
	PERFORM covet.cache_set('e' || i % 1000, i::text, namespace => 't');
	PERFORM covet.cache_clear('other');});
cmp_ok($bytes, '<', 1000000, "neither do those that write to tables ($bytes bytes)");
values_are('t', 'e0 e1 e4', '10000 - 9004', 'those that did not fail are published');
nothing_left('EXCEPTION blocks');

# ----------
# Cursors WITH HOLD, procedures
# ----------

foreach my $n ('m', 't')
{
	sql(qq{
		BEGIN;
		DECLARE c CURSOR WITH HOLD FOR SELECT covet.cache_set('h' || i, i::text, namespace => '$n') FROM generate_series(1, 3) i;
		FETCH 1 FROM c;
		COMMIT;
		FETCH ALL FROM c});
	values_are($n, 'h1 h2 h3', '1 2 3', "$n: what a held cursor writes inside COMMIT is published with it");
	sql(qq{
		BEGIN;
		DECLARE c CURSOR WITH HOLD FOR SELECT covet.cache_set('h' || i, 'x', namespace => '$n') FROM generate_series(1, 3) i;
		FETCH 2 FROM c;
		ROLLBACK});
	values_are($n, 'h1 h2 h3', '1 2 3', "$n: what it wrote before a ROLLBACK is not");
	sql(qq{
		DO \$\$BEGIN
			FOR i IN 1..4 LOOP
				PERFORM covet.cache_set('p' || i, i::text, namespace => '$n');
				IF i % 2 = 0 THEN
					COMMIT;
				ELSE
					ROLLBACK;
				END IF;
			END LOOP;
			PERFORM covet.cache_set('p5', '5', namespace => '$n');
		END\$\$});
	values_are($n, 'p1 p2 p3 p4 p5', '- 2 - 4 5', "$n: each COMMIT in a procedure publishes, each ROLLBACK does not");
}
nothing_left('cursors and procedures');

# ----------
# Failures inside COMMIT
# ----------

# A bit of all that is published.
my $writes = q{
	SELECT covet.cache_set('k' || i, 'failed', namespace => 'm'), covet.cache_set('k' || i, 'failed', namespace => 't')
		FROM generate_series(1, 20) i;
	SELECT covet.cache_delete('keep', 'm'), covet.cache_delete('keep', 't');
	SELECT covet.cache_clear('cleared'), covet.cache_invalidate_tags('{t}', 'm'), covet.cache_invalidate_tags('{t}', 't');
	SELECT covet.token_revoke('failed', 'infinity'), covet.session_save('failed', '{}');
	SELECT covet.session_delete('alive'), covet.cache_namespace_set('made', default_ttl => '1 h');
};

sub before_failure
{
	sql(q{
		SELECT covet.cache_set(k, 'kept', namespace => n, tags => '{t}')
			FROM unnest('{keep,k1}'::text[]) k, unnest('{m,t,cleared}'::text[]) n;
		SELECT covet.session_save('alive', '{}');
		SELECT covet.cache_get('keep', 't'), covet.session_get('alive'), covet.token_is_revoked('failed')});
}

sub nothing_published
{
	my ($after) = @_;
	is(sql(q{
		SELECT string_agg(covet.cache_get(k, n), ' ')
			FROM unnest('{keep,k1,k20}'::text[]) k, unnest('{m,t,cleared}'::text[]) n;
		SELECT covet.token_is_revoked('failed'), covet.session_get('failed') IS NULL, covet.session_get('alive'),
			(SELECT count(*) FROM covet.cache_namespaces WHERE namespace = 'made')}),
		"kept kept kept kept kept kept\nf|t|{}|0", "nothing of it is published: $after");
	nothing_left($after);
}

sql(q{CREATE TABLE parent (id integer PRIMARY KEY);
	CREATE TABLE child (id integer REFERENCES parent DEFERRABLE INITIALLY DEFERRED)});
before_failure();
my (undef, $state) = try("BEGIN; INSERT INTO child VALUES (1); $writes COMMIT;");
is($state, '23503', 'a deferred constraint fails inside COMMIT');
nothing_published('a deferred constraint failed');

sql(q{CREATE TABLE skew (x integer); INSERT INTO skew VALUES (0)});
before_failure();
$other->query_safe(q{BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM skew; INSERT INTO skew VALUES (1)});
my $third = $node->background_psql('postgres', on_error_stop => 0);
$third->query_safe("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM skew; INSERT INTO skew VALUES (2); $writes");
$other->query_safe('COMMIT');
$third->query("\\set VERBOSITY sqlstate\nCOMMIT");
like($third->{stderr}, qr/40001/, 'the serializable check fails inside COMMIT, after what is to be published was prepared');
$third->{stderr} = '';
$third->quit;
nothing_published('the serializable check failed');

# ----------
# PREPARE TRANSACTION
# ----------

sql(q{SELECT covet.session_save('s' || i, '{}', user_id => 'u') FROM generate_series(1, 20) i;
	SELECT covet.cache_set('k', 'v', namespace => n) FROM unnest('{m,t}'::text[]) n});
foreach my $n ('m', 't')
{
	foreach my $call (
		"cache_set('k', 'x', namespace => '$n')", "cache_set_many('{k,l}', '{x,y}', namespace => '$n')",
		"cache_add('added', 'x', namespace => '$n')", "cache_replace('k', 'x', namespace => '$n')",
		"cache_incr('count', namespace => '$n')", "cache_delete('k', '$n')", "cache_delete_many('{k}', '$n')",
		"cache_clear('$n')", "cache_invalidate_tags('{t}', '$n')", "cache_take('k', '$n')",
		"cache_fill('cold$n', (SELECT lease_id FROM covet.cache_lease('cold$n', namespace => '$n')), 'x', namespace => '$n')")
	{
		(undef, $state) = try("BEGIN; SELECT covet.$call; PREPARE TRANSACTION 'p';");
		is($state, '0A000', "PREPARE TRANSACTION is refused after $call");
		sql("SELECT covet.cache_set('k', 'v', namespace => '$n')");
	}
}
foreach my $call (
	q{cache_namespace_set('made')}, q{cache_namespace_set('m', storage => 'memory', default_ttl => '1 h')}, q{session_create()},
	q{session_update('s1', '{}')}, q{session_merge('s1', '{}')}, q{session_rotate('s1')}, q{session_login('s2', 'u')},
	q{session_save('new', '{}')}, q{session_save('s3', '{}')}, q{session_delete('s4')}, q{session_revoke_user('u')},
	q{session_revoke_all()}, q{token_revoke('jti', 'infinity')}, q{token_revoke_many('{a,b}', '{infinity,infinity}')},
	q{token_revoke_subject('subject', 'infinity')})
{
	(undef, $state) = try("BEGIN; SELECT covet.$call; PREPARE TRANSACTION 'p';");
	is($state, '0A000', "PREPARE TRANSACTION is refused after $call");
}
(undef, $state) = try(q{BEGIN; SAVEPOINT s; SELECT covet.cache_set('k', 'x', namespace => 'm'); ROLLBACK TO s; PREPARE TRANSACTION 'p';});
is($state, '0A000', 'also after what a savepoint has undone');
(undef, $state) = try(q{
	BEGIN; SELECT covet.cache_get('k', 'm'), covet.cache_get('k', 't'), covet.session_get('s1'), covet.token_is_revoked('x');
	INSERT INTO plain VALUES (1); PREPARE TRANSACTION 'p';});
is($state, '', 'not after reads');
sql(q{ROLLBACK PREPARED 'p'});
is(sql(q{SELECT covet.session_get('s4'), covet.token_is_revoked('jti'), covet.cache_get('k', 't')}), '{}|f|v',
	'what was refused did not take place');
nothing_left('PREPARE TRANSACTION');

# ----------
# Parallel plans
# ----------

# Every function that keeps state is marked; and behind a function that is marked
# wrongly it says so instead of running in a worker.
my $force = sql(q{SELECT name FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query')});
sql(q{
	CREATE FUNCTION wrong(statement text) RETURNS text LANGUAGE plpgsql PARALLEL SAFE AS $$
	DECLARE
		result text;
	BEGIN
		EXECUTE statement INTO result;
		RETURN result;
	END$$;
	CREATE TABLE many AS SELECT i::text AS k FROM generate_series(1, 5000) i;
	ANALYZE many});
my @functions = split /\n/, sql(q{
	SELECT p.proname || '(' || coalesce(a.list, '') || ')'
	FROM pg_proc p, LATERAL (SELECT string_agg(CASE t WHEN 'int8'::regtype THEN '1' ELSE 'NULL::' || format_type(t, NULL) END, ', ' ORDER BY n) AS list
		FROM unnest(p.proargtypes) WITH ORDINALITY AS u(t, n) WHERE n <= p.pronargs - p.pronargdefaults) a
	WHERE p.pronamespace = 'covet'::regnamespace AND p.prolang = (SELECT oid FROM pg_language WHERE lanname = 'c')
		AND p.proname ~ '^(cache|session|token|lock|rate)_'
	ORDER BY 1});
cmp_ok(scalar(@functions), '>', 50, 'there are functions to try');
my ($ret, $out, $err) = $node->psql('postgres',
	"\\set VERBOSITY sqlstate\nSET $force = on;\n" . join("\n", map { "SELECT wrong(\$q\$SELECT covet.$_\$q\$);" } @functions),
	on_error_stop => 0);
my %raised = map { /:(\d+): ERROR:\s+25000/ ? ($1 - 3 => 1) : () } split /\n/, $err;
is(join("\n", map { $functions[$_] } grep { !$raised{$_} } 0 .. $#functions), '', 'each raises 25000 in a parallel worker');
is(sql(q{SELECT string_agg(proname, ' ') FROM pg_proc
		WHERE pronamespace = 'covet'::regnamespace AND proname ~ '^(cache|session|token|lock|rate)_' AND proparallel <> 'u'}),
	'', 'and each is marked PARALLEL UNSAFE');
is(sql(qq{
	SET $force = on; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
	BEGIN;
	SELECT count(*) FROM many WHERE covet.cache_set(k, k, namespace => 'm');
	SELECT count(*) FROM many WHERE covet.cache_get(k, 'm') = k;
	SELECT count(covet.cache_get(k, 'm')) FROM (SELECT k FROM many ORDER BY k) s;
	COMMIT;
	SELECT count(*) FROM many WHERE covet.cache_get(k, 'm') = k}), "5000\n5000\n5000\n5000",
	'above a plan that might be parallel all of them work');
nothing_left('parallel plans');

# ----------
# Backends that are ended
# ----------

# A session in the middle of COMMIT: its row of plain is visible, its values are
# not yet published. It sleeps there for as long as it says.
my $number = 100;

sub in_commit
{
	my ($milliseconds) = @_;
	my $victim = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $victim->query_safe('SELECT pg_backend_pid()');
	$number++;
	$victim->query_safe(qq{
		SET covet.debug_commit_delay = $milliseconds;
		BEGIN;
		INSERT INTO plain VALUES ($number);
		SELECT covet.cache_set('v', '$number', namespace => 'm'), covet.cache_set('v', '$number', namespace => 't'),
			covet.cache_clear('cleared'), covet.token_revoke('j$number', 'infinity')});
	$victim->query_until(qr/^go/m, "\\echo go\nCOMMIT;\n");
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM plain WHERE x = $number")
	  or die 'COMMIT did not begin';
	return ($victim, $pid);
}

# Ends a client whose server is gone already.
sub bury
{
	my ($victim) = @_;
	$victim->{stdin} .= "\\q\n";
	eval { $victim->{run}->finish; };
}

sub gone
{
	my ($pid) = @_;
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid");
}

sub idle_in_transaction
{
	my $victim = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $victim->query_safe('SELECT pg_backend_pid()');
	$victim->query_safe("BEGIN; $writes SAVEPOINT s; $writes");
	return ($victim, $pid);
}

before_failure();
my ($victim, $pid) = idle_in_transaction();
sql("SELECT pg_terminate_backend($pid)");
bury($victim);
gone($pid);
nothing_published('a transaction that was idle was terminated');

# While it waits for a row: what it wrote before is pending.
$other->query_safe(q{BEGIN; SELECT covet.cache_set('k1', 'held', namespace => 't')});
$victim = $node->background_psql('postgres', on_error_stop => 0);
$pid = $victim->query_safe('SELECT pg_backend_pid()');
$victim->query_until(qr/^go/m, "BEGIN;\nSELECT covet.cache_set('k1', 'failed', namespace => 'm');\n\\echo go\n"
	. "SELECT covet.cache_set('k1', 'failed', namespace => 't');\nCOMMIT;\n");
ok($node->poll_query_until('postgres', "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $pid"),
	'a write waits for a row');
sql("SELECT pg_terminate_backend($pid)");
bury($victim);
gone($pid);
$other->query_safe('ROLLBACK');
nothing_published('a write that waited for a row was terminated');

# Inside COMMIT: it is committed, so all of it is published.
sql(q{SELECT covet.cache_set('x', 'x', namespace => 'cleared')});
($victim, $pid) = in_commit(1000);
sql("SELECT pg_terminate_backend($pid)");
bury($victim);
gone($pid);
values_are('m', 'v', $number, 'terminated inside COMMIT, what it set is published in memory');
values_are('t', 'v', $number, 'and in tables');
values_are('cleared', 'x', '-', 'what it cleared is clear');
is(sql("SELECT covet.token_is_revoked('j$number')"), 't', 'and what it revoked revoked');
nothing_left('terminated inside COMMIT');

# Between the read of a row and its promotion.
sql(q{SELECT covet.cache_set('promoted', 'v', namespace => 't')});
$victim = $node->background_psql('postgres', on_error_stop => 0);
$pid = $victim->query_safe('SELECT pg_backend_pid()');
$victim->query_safe('SET covet.debug_promote_delay = 60000');
$victim->query_until(qr/^go/m, "\\echo go\nSELECT covet.cache_get('promoted', 't');\n");
ok($node->poll_query_until('postgres',
		"SELECT state = 'active' AND query ~ 'promoted' FROM pg_stat_activity WHERE pid = $pid"), 'a read is under way');
sql(q{SELECT covet.cache_set('promoted', 'w', namespace => 't')});
sql("SELECT pg_terminate_backend($pid)");
bury($victim);
gone($pid);
values_are('t', 'promoted', 'w', 'a read that was terminated leaves nothing older');
nothing_left('a read was terminated');

# ----------
# Backends that are killed: all are restarted, and memory is empty
# ----------

sub kill_backend
{
	my ($victim, $pid) = @_;
	my $started = sql('SELECT pg_postmaster_start_time() || $$ $$ || (SELECT min(backend_start) FROM pg_stat_activity WHERE backend_type = $$checkpointer$$)');
	$other->quit;
	kill 'KILL', $pid;
	bury($victim);
	# Connections are refused for a while.
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my ($ret, $out) = $node->psql('postgres',
			'SELECT pg_postmaster_start_time() || $$ $$ || (SELECT min(backend_start) FROM pg_stat_activity WHERE backend_type = $$checkpointer$$)');
		last if defined $ret && $ret == 0 && $out ne $started;
		usleep(100_000);
	}
	$other = $node->background_psql('postgres');
}

sub after_kill
{
	my ($name) = @_;
	values_are('m', 'keep k1 k20 v', '- - - -', "$name: memory is empty");
	values_are('t', 'keep k1 k20 v', '- - - -', "$name: so are unlogged tables");
	nothing_left($name);
	is(sql(q{SELECT covet.cache_set('after', 'v', namespace => n), covet.cache_get('after', n) FROM unnest('{m,t}'::text[]) n}),
		"t|v\nt|v", "$name: both work");
}

before_failure();
kill_backend(idle_in_transaction());
after_kill('killed while idle in a transaction');
is(sql(q{SELECT covet.token_is_revoked('failed')}), 'f', 'what was not committed is not revoked');

before_failure();
kill_backend(in_commit(60000));
after_kill('killed inside COMMIT');
is(sql("SELECT covet.token_is_revoked('j$number')"), 't', 'what was committed is revoked');

$other->quit;
$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP/, 'no PANIC is in the log');

done_testing();
