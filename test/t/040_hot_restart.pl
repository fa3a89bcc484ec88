# What the hot tier takes over a restart and what it does not: a clean one keeps
# memory namespaces, clears, touches, locks and limits; where its file is lost
# or damaged there are misses and never a value that had been cleared; a crash
# empties memory; a standby begins with nothing.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);

# Without workers nothing is swept, so cleared rows are there to come back.
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'covet'
max_worker_processes = 0
covet.hot_size = '64MB'
autovacuum = off
});
$node->start;
my $file = $node->data_dir . '/covet.hot';

sub sql { return $node->safe_psql('postgres', $_[0]); }

# Starts the server; the result is what it has logged.
sub start
{
	my $offset = -s $node->logfile;
	$node->start;
	return slurp_file($node->logfile, $offset);
}

sql(q{
	CREATE EXTENSION covet;
	SELECT covet.cache_namespace_set('m', storage => 'memory');
	SELECT covet.cache_namespace_set('wiped', storage => 'memory')});

# ---------------------------------------------------------------------------
# A clean restart keeps what there is, and clears.
# ---------------------------------------------------------------------------

# In both kinds of storage: what is to stay, and what three ways to clear end.
my $fill = q{
	SELECT covet.cache_set('plain', 'value', '100 years', ns),
		covet.cache_set('hour', 'value', '1 hour', ns),
		covet.cache_set('tagged', 'value', namespace => ns, tags => '{t,u}'),
		covet.cache_set('idle', 'value', idle => '1 day', namespace => ns),
		covet.cache_set_jsonb('json', '{"a": [1, 2]}', namespace => ns),
		covet.cache_set('large', repeat(md5('x'), 10000), namespace => ns),
		covet.cache_set('empty', '', namespace => ns),
		covet.cache_set('incr', '41', namespace => ns),
		covet.cache_set('deleted', 'value', namespace => ns),
		covet.cache_set('cleared tag', 'value', namespace => ns, tags => '{x,y}'),
		covet.cache_set('k', 'value', namespace => cleared)
	FROM (VALUES ('m', 'wiped'), ('default', 'cleared')) n(ns, cleared);
	SELECT covet.cache_delete('deleted', ns), covet.cache_invalidate_tags('{y}', ns), covet.cache_clear(cleared)
	FROM (VALUES ('m', 'wiped'), ('default', 'cleared')) n(ns, cleared)};

my $keys = q{ARRAY['plain', 'hour', 'tagged', 'idle', 'json', 'large', 'empty', 'incr', 'deleted', 'cleared tag']};
my $contents = qq{
	SELECT ns, key, md5(value), kind, version, expires_at, raw_size, codec, tags
	FROM unnest('{m,default}'::text[]) ns, covet.cache_entries($keys, ns) ORDER BY ns COLLATE "C", key COLLATE "C"};
my $cleared = q{
	SELECT covet.cache_get('cleared tag', 'm'), covet.cache_get('cleared tag'), covet.cache_get('deleted', 'm'),
		covet.cache_get('deleted'), covet.cache_get('k', 'wiped'), covet.cache_get('k', 'cleared')};
my $rows = q{
	SELECT count(*) FROM covet._cache WHERE (namespace, key) IN (('default', 'cleared tag'), ('cleared', 'k'))};

sql($fill);
my $before = sql($contents);
is(() = $before =~ /^/mg, 16, 'eight entries live in each of two namespaces');
is(sql($cleared), '|||||', 'what was cleared is gone');
is(sql($rows), '2', 'though its rows are there');

foreach my $mode ('fast', 'smart')
{
	$node->stop($mode);
	ok(-e $file, "a $mode stop leaves a file");
	unlike(start(), qr/covet\.hot/, 'which the start takes without a word');
	ok(!-e $file, 'and removes');
	is(sql($contents), $before, "a $mode restart keeps values, versions, deadlines and tags");
	is(sql($cleared), '|||||', 'and what was cleared stays so');
	is(sql($rows), '2', 'though its rows are still there');
	is(sql('SELECT covet._hot_check()'), '', 'memory is in order');
}

# What came back is as good as new.
my $version = sql(q{SELECT version FROM covet.cache_entries('{plain}', 'm')});
is(sql("SELECT covet.cache_replace('plain', 'v2', namespace => 'm', if_version => $version - 1)"), 'f',
	'another version than that of before is refused');
is(sql("SELECT covet.cache_replace('plain', 'v2', namespace => 'm', if_version => $version)"), 't',
	'the version of before can be named');
cmp_ok(sql(q{SELECT version FROM covet.cache_entries('{plain}', 'm')}), '>', $version, 'and the new one is higher');
is(sql(q{SELECT covet.cache_incr('incr', namespace => 'm'), covet.cache_incr('incr')}), '42|42', 'numbers go on');
is(sql(q{SELECT covet.cache_invalidate_tags('{u}', 'm'), covet.cache_invalidate_tags('{u}');
	SELECT covet.cache_exists('tagged', 'm'), covet.cache_exists('tagged'), covet.cache_exists('hour', 'm'), covet.cache_exists('hour')}),
	"|\nf|f|t|t", 'a tag of before ends what it was about');
is(sql(q{SELECT covet.cache_clear('m');
	SELECT count(*) FROM covet.cache_scan(namespace => 'm')}), "\n0", 'a namespace of before can be cleared');

# A copy of the database has rows that were cleared, but not what cleared them.
$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE postgres');
is($node->safe_psql('copy', $rows), '2', 'a copy of the database has rows that were cleared');
is($node->safe_psql('copy', $cleared), '|||||', 'and they stay so');
is($node->safe_psql('copy', q{SELECT covet.cache_set('cleared tag', 'new', tags => '{x,y}'), covet.cache_get('cleared tag')}), 't|new',
	'until somebody writes them again');
is(sql($cleared), '|||||', 'which changes nothing in the first database');
$node->safe_psql('template1', 'DROP DATABASE copy');

# Boots that do the same things take numbers that differ in their boot alone.
foreach my $boot (1 .. 3)
{
	$node->restart;
	is(sql(q{SELECT covet.cache_exists('again', ns), covet.cache_exists('again', cleared)
		FROM (VALUES ('m', 'wiped'), ('default', 'cleared')) n(ns, cleared)}), "f|f\nf|f", 'what was cleared in the boot before is gone')
		if $boot > 1;
	sql(q{SELECT covet.cache_set('again', 'value', namespace => ns, tags => '{t}'), covet.cache_set('again', 'value', namespace => cleared)
		FROM (VALUES ('m', 'wiped'), ('default', 'cleared')) n(ns, cleared)});
	$node->restart;
	is(sql(q{SELECT covet.cache_exists('again', ns), covet.cache_exists('again', cleared)
		FROM (VALUES ('m', 'wiped'), ('default', 'cleared')) n(ns, cleared)}), "t|t\nt|t", 'what was not cleared is there');
	sql(q{SELECT covet.cache_invalidate_tags('{t}', ns), covet.cache_clear(cleared)
		FROM (VALUES ('m', 'wiped'), ('default', 'cleared')) n(ns, cleared)});
	is(sql(q{SELECT covet.cache_exists('again', ns), covet.cache_exists('again', cleared)
		FROM (VALUES ('m', 'wiped'), ('default', 'cleared')) n(ns, cleared)}), "f|f\nf|f", 'and then is');
}

# ---------------------------------------------------------------------------
# Touches, locks, limits.
# ---------------------------------------------------------------------------

my $token = sql(q{SELECT covet.session_create('{"n": 1}', 'user', idle_timeout => '1 day')});
my $last_seen = "SELECT last_seen_at FROM covet.session_info('$token')";
sql(q{SELECT covet.cache_set('watched', 'value', '100 years', idle => '1 day')});

# The first read brings a copy into memory, the second touches that alone.
sub touch
{
	sql(qq{SELECT covet.session_get('$token'), covet.cache_get('watched')}) for 1 .. 2;
	return (sql($last_seen), sql(q{SELECT covet.cache_expires_at('watched')}));
}
my $row = q{SELECT (SELECT seen_at FROM covet._session), (SELECT seen_at FROM covet._cache WHERE key = 'watched')};
my $in_rows = sql($row);
my ($session_seen, $entry_end) = touch();
is(sql($row), $in_rows, 'touches are not written to the rows');
cmp_ok($session_seen, 'gt', $in_rows =~ s/\|.*//r, 'but memory knows of them');
$node->restart;
is(sql($last_seen), $session_seen, 'a session was seen as late as before the restart');
is(sql(q{SELECT covet.cache_expires_at('watched')}), $entry_end, 'and an entry');
is(sql($row), $in_rows, 'though the rows do not know');
my ($session_later, $entry_later) = touch();
cmp_ok($session_later, 'gt', $session_seen, 'seen again, a session is seen later');
cmp_ok($entry_later, 'gt', $entry_end, 'and an entry');

my $fence = sql(q{SELECT covet.lock_acquire('job', '1 day')});
sql(q{SELECT covet.rate_limit('visitor', 2, '1 day') FROM generate_series(1, 2)});
$node->restart;
is(sql(q{SELECT fence FROM covet.lock_info('job')}), $fence, 'a lock is held as before the restart');
is(sql(q{SELECT covet.lock_acquire('job') IS NULL}), 't', 'so nobody else gets it');
is(sql(q{SELECT allowed FROM covet.rate_limit('visitor', 2, '1 day')}), 'f', 'and hits are remembered');
is(sql("SELECT covet.lock_release('job', $fence)"), 't', 'its fence releases it');
cmp_ok(sql(q{SELECT covet.lock_acquire('job', '1 day')}), '>', $fence, 'and fences rise');

# ---------------------------------------------------------------------------
# A file that is lost or no good: misses, also in all boots after.
# ---------------------------------------------------------------------------

sub slurp
{
	my ($path) = @_;
	open(my $fh, '<:raw', $path) or die "$path: $!";
	local $/;
	my $bytes = <$fh>;
	close($fh);
	return $bytes;
}

sub spill
{
	my ($path, $bytes) = @_;
	open(my $fh, '>:raw', $path) or die "$path: $!";
	print $fh $bytes;
	close($fh) or die "$path: $!";
}

# The bytes and, behind them, their CRC-32C.
my @crc_table = map { my $c = $_; $c = $c & 1 ? ($c >> 1) ^ 0x82F63B78 : $c >> 1 for 1 .. 8; $c } 0 .. 255;
sub sealed
{
	my ($bytes) = @_;
	my $crc = 0xFFFFFFFF;
	$crc = $crc_table[($crc ^ $_) & 0xFF] ^ ($crc >> 8) foreach unpack('C*', $bytes);
	return $bytes . pack('L', $crc ^ 0xFFFFFFFF);
}

# What of both storages can be read, besides what is cleared.
my $readable = qq{
	SELECT (SELECT count(*) FROM covet.cache_entries($keys, 'm')), (SELECT count(*) FROM covet.cache_entries($keys)),
		(SELECT count(*) FROM covet.cache_scan(namespace => 'm')), (SELECT count(*) FROM covet.cache_scan())};

# Checks that nothing cached has come over the start that has just been.
sub nothing_cached
{
	my ($what) = @_;
	is(sql($readable), '0|0|0|0', "$what: nothing cached is to be seen");
	is(sql($cleared), '|||||', 'least of all what was cleared');
	cmp_ok(sql('SELECT count(*) FROM covet._cache'), '>=', 10, 'though the rows are there');
}

sql($fill);
my $old_file;
{
	$node->stop;
	$old_file = slurp($file);
	unlink $file or die "unlink: $!";
	like(start(), qr/LOG:  could not open file "covet\.hot"/, 'a lost file is logged');
	nothing_cached('without the file');
	is(sql("SELECT covet.session_get('$token')"), '{"n": 1}', 'sessions stay');
	is(sql(q{SELECT covet.lock_info('job') IS NULL FROM generate_series(1, 1)}), '', 'locks are free');
	is(sql(q{SELECT allowed FROM covet.rate_limit('visitor', 2, '1 day')}), 't', 'and limits');

	# Old rows are neither read, nor counted on, nor in the way.
	is(sql(q{SELECT covet.cache_exists('plain'), covet.cache_replace('plain', 'x'), covet.cache_take('plain') IS NULL,
		covet.cache_touch('plain', '1 day'), covet.cache_delete('plain'), covet.cache_get_many('{plain,hour}')}),
		'f|f|t|f|f|{NULL,NULL}', 'an old row is as good as none');
	is(sql(q{SELECT covet.cache_add('plain', 'new'), covet.cache_incr('incr'), covet.cache_set('hour', 'new'),
		covet.cache_get_many('{plain,incr,hour,json}')}), 't|1|t|{new,1,new,NULL}', 'and new ones take their place');
}

# A third boot, whose file is good, does not bring back what the second lost.
$node->restart;
is(sql(q{SELECT covet.cache_get_many('{plain,incr,hour,json,idle,large}')}), '{new,1,new,NULL,NULL,NULL}',
	'in the boot after, only what is new is there');
is(sql($cleared), '|||||', 'and nothing that was cleared');
$node->restart;
is(sql(q{SELECT covet.cache_get_many('{plain,incr,hour,json,idle,large}')}), '{new,1,new,NULL,NULL,NULL}',
	'nor in the next');

sub flipped
{
	my ($bytes, $at) = @_;
	substr($bytes, $at, 1) = chr(ord(substr($bytes, $at, 1)) ^ 0x10);
	return $bytes;
}
my %damage = (
	'a flip in the header' => sub { flipped($_[0], 20) },
	'a flip in a stamp' => sub { flipped($_[0], 5000) },
	'a flip in a record' => sub { flipped($_[0], length($_[0]) - 200) },
	'a flip in the checksum' => sub { flipped($_[0], length($_[0]) - 1) },
	'one byte too few' => sub { substr($_[0], 0, -1) },
	'one byte too many' => sub { $_[0] . "\0" },
	'half a file' => sub { substr($_[0], 0, length($_[0]) / 2) },
	'an empty file' => sub { '' });
foreach my $what (sort keys %damage)
{
	sql($fill);
	$node->stop;
	spill($file, $damage{$what}->(slurp($file)));
	like(start(), qr/LOG:  file "covet\.hot" .* is not used.*It is damaged/s, "$what is logged");
	ok(!-e $file, 'and the file removed');
	nothing_cached($what);
}

# Sound files that are not ours.
my %foreign = (
	'another version of the format' => [ sub { sealed(pack('L', 0xC0BE4000) . substr($_[0], 4, -4)) }, qr/another version/ ],
	'the file of another shutdown' => [ sub { $old_file }, qr/does not belong to the last shutdown/ ]);
foreach my $what (sort keys %foreign)
{
	my ($change, $reason) = @{ $foreign{$what} };
	sql($fill);
	$node->stop;
	spill($file, $change->(slurp($file)));
	like(start(), $reason, "$what is logged");
	nothing_cached($what);
}

# ---------------------------------------------------------------------------
# A crash.
# ---------------------------------------------------------------------------

sql($fill);
sql(q{SELECT covet.lock_acquire('crash', '1 day')});
$node->stop('immediate');
ok(!-e $file, 'an immediate stop leaves no file');
unlike(start(), qr/covet\.hot/, 'and nobody misses one');
is(sql($readable), '0|0|0|0', 'a crash empties memory');
is(sql(q{SELECT count(*) FROM covet.lock_info('crash')}), '0', 'and frees locks');
is(sql(q{SELECT storage FROM covet.cache_namespaces WHERE namespace = 'm'}), 'memory', 'settings stay');
sql($fill);
is(sql($contents =~ s/version, expires_at, //r), $before =~ s/\|\d+\|[^|]*(?=\|\d+\|)//gmr, 'and all works as before');

# A file from before it, put back by hand, is of no use either.
$node->stop;
my $saved = slurp($file);
start();
$node->stop('immediate');
spill($file, $saved);
start();
is(sql($readable), '0|0|0|0', 'after a crash a file is not read');
ok(!-e $file, 'but removed');

# A backend that dies makes the postmaster start again by itself.
$node->append_conf('postgresql.conf', 'restart_after_crash = on');
$node->reload;
sql($fill);
my $pid = sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'background writer'});
kill 'KILL', $pid;
$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)")
	or die 'the server did not come back';
is(sql($readable), '0|0|0|0', 'a crash restart empties memory');

# After it a clean restart is one again.
sql($fill);
$before = sql($contents);
$node->restart;
is(sql($contents), $before, 'and a clean restart after it keeps all');

# ---------------------------------------------------------------------------
# Less room than before.
# ---------------------------------------------------------------------------

sql(q{SELECT covet.cache_namespace_set('raw', storage => 'memory', codec => 'raw')});
sql(q{SELECT bool_and(covet.cache_set(i::text, repeat('x', 20000), namespace => 'raw')) FROM generate_series(1, 1000) i});
sql(q{SELECT covet.cache_set('newest', 'value', namespace => 'raw')});
is(sql(q{SELECT count(*) FROM covet.cache_scan(max_entries => 10000, namespace => 'raw')}), '1001', 'entries of 20 MB');
$node->stop;
$node->append_conf('postgresql.conf', q{covet.hot_size = '8MB'});
start();
my $left = sql(q{SELECT count(*) FROM covet.cache_scan(max_entries => 10000, namespace => 'raw')});
cmp_ok($left, '<', 1000, 'less fits into less memory');
cmp_ok($left, '>', 100, 'but as much as does');
is(sql(q{SELECT covet.cache_get('newest', 'raw')}), 'value', 'the newest among it');
is(sql(q{SELECT covet.cache_get('1', 'raw') IS NULL}), 't', 'and not the oldest');
is(sql('SELECT covet._hot_check()'), '', 'memory is in order');

# ---------------------------------------------------------------------------
# A standby from a cold backup, file and all, and its promotion.
# ---------------------------------------------------------------------------

sql($fill);
$node->stop;
ok(-e $file, 'a cold backup has the file');
$node->backup_fs_cold('cold');
start();
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'cold', has_streaming => 1);
$standby->start;
ok(!-e $standby->data_dir . '/covet.hot', 'a standby removes the file');
sql(q{SELECT covet.cache_namespace_set('later', storage => 'memory')});
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $readable), '0|0|0|0', 'and has nothing cached');

# A connection from before the promotion learns of it.
my $session = $standby->background_psql('postgres');
is($session->query(q{SELECT covet.cache_get('plain', 'm') IS NULL, covet.cache_get('plain', 'later') IS NULL}), 't|t',
	'an open connection reads misses');
$node->stop;
$standby->promote;
is($standby->safe_psql('postgres', $readable), '0|0|0|0', 'promoted it still has nothing cached');
$standby->safe_psql('postgres', $fill);
is(() = $standby->safe_psql('postgres', $contents) =~ /^/mg, 16, 'and works');
is($standby->safe_psql('postgres', $cleared), '|||||', 'clears included');
is($session->query(q{SELECT covet.cache_get('plain', 'm'), covet.cache_get('plain'), covet.cache_get('cleared tag')}), 'value|value|',
	'the open connection sees all that');
is($session->query(q{SELECT covet.cache_set('k', 'value', namespace => 'later'); SELECT covet.cache_get('k', 'later')}), "t\nvalue",
	'and writes to a namespace whose settings were replicated');
$session->quit;
my $promoted = $standby->safe_psql('postgres', $contents);
$standby->restart;
is($standby->safe_psql('postgres', $contents), $promoted, 'and a clean restart keeps all');
$standby->stop;

done_testing();
