# Versions rise and never repeat, whatever ends the server and whatever its
# clock says; a crash empties what is unlogged and keeps what is logged; a
# damaged file of the last boot number stops the start.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'covet'
restart_after_crash = on
});
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION covet');

my $last = 0;

# A write of a key of its own, and one of a key that was there before: the
# versions of both are higher than every one seen so far.
sub versions_rise
{
	my ($what) = @_;
	my $versions = $node->safe_psql('postgres', q{
		SELECT covet.cache_set(k, 'x') FROM unnest('{new,same}'::text[]) k;
		SELECT min(version), max(version) FROM covet.cache_entries('{new,same}');
		SELECT covet.cache_delete('new')});
	$versions =~ /(\d+)\|(\d+)/ or die "no versions in \"$versions\"";
	my ($min, $max) = ($1, $2);
	cmp_ok($min, '>', $last, "versions rise $what");
	$last = $max;
}

sub boot_of { return $_[0] >> 32 }

versions_rise('at first');
versions_rise('without a restart');

# A clean restart keeps the cache.
$node->safe_psql('postgres', q{SELECT covet.cache_set('kept', 'value', '100 years', tags => '{t}', idle => '1 day')});
my $before = $node->safe_psql('postgres', q{SELECT version FROM covet.cache_entries('{kept}')});
my $token = $node->safe_psql('postgres', q{SELECT covet.session_create('{"a": 1}', 'user')});
$node->safe_psql('postgres', q{SELECT covet.token_revoke('jti', 'infinity')});
my $boot = boot_of($last);
$node->restart;
is($node->safe_psql('postgres', q{SELECT covet.cache_get('kept')}), 'value', 'a clean restart keeps an entry');
is($node->safe_psql('postgres', q{SELECT version FROM covet.cache_entries('{kept}')}), $before, 'with its version');
is($node->safe_psql('postgres', q{SELECT covet.cache_replace('kept', 'again', if_version => } . $before . ')'), 't',
	'which a replace can name');
is($node->safe_psql('postgres', "SELECT covet.session_get('$token')"), '{"a": 1}', 'and a session');
is($node->safe_psql('postgres', q{SELECT covet.token_is_revoked('jti')}), 't', 'and a revocation');
versions_rise('across a clean restart');
cmp_ok(boot_of($last), '>', $boot, 'each start has a boot number of its own');
# the tag's and the namespace's stamps go on as well
is($node->safe_psql('postgres', q{SELECT covet.cache_invalidate_tags('{t}'); SELECT covet.cache_exists('kept')}), "\nt",
	'a replace without tags had left the entry without');
is($node->safe_psql('postgres', q{SELECT covet.cache_set('kept', 'x', tags => '{t}'); SELECT covet.cache_invalidate_tags('{t}'); SELECT covet.cache_exists('kept')}),
	"t\n\nf", 'tags can be invalidated after a restart');
is($node->safe_psql('postgres', q{SELECT covet.cache_set('kept', 'x'); SELECT covet.cache_clear(); SELECT covet.cache_exists('kept'); SELECT covet.cache_set('kept', 'y'); SELECT covet.cache_get('kept')}),
	"t\n\nf\nt\ny", 'and a namespace cleared');

# A crash of the whole server empties what is unlogged.
$node->safe_psql('postgres', q{SELECT covet.cache_set('lost', 'value'); SELECT covet.cache_namespace_set('ns', default_ttl => '1 hour'); CHECKPOINT});
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', q{SELECT covet.cache_get('lost') IS NULL, count(*) FROM covet.cache_scan()}), 't|0', 'a crash empties the cache');
is($node->safe_psql('postgres', "SELECT covet.session_get('$token') IS NULL, covet.session_count()"), 't|0', 'and unlogged sessions');
is($node->safe_psql('postgres', q{SELECT covet.token_is_revoked('jti')}), 't', 'revocations stay');
is($node->safe_psql('postgres', q{SELECT default_ttl FROM covet.cache_namespaces WHERE namespace = 'ns'}), '01:00:00', 'and settings of namespaces');
versions_rise('across a crash');

# Logged sessions survive it.
$node->safe_psql('postgres', q{SELECT covet.session_durability('logged')});
$token = $node->safe_psql('postgres', q{SELECT covet.session_create('{"a": 2}')});
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', "SELECT covet.session_get('$token')"), '{"a": 2}', 'logged sessions survive a crash');
versions_rise('across another crash');

# Starts that follow each other faster than the clock's seconds.
for my $n (1 .. 3)
{
	$boot = boot_of($last);
	$node->stop('immediate');
	$node->start;
	versions_rise("across crash $n in a row");
	cmp_ok(boot_of($last), '>', $boot, 'with a new boot number');
}

# A backend that dies makes the postmaster start again by itself.
$boot = boot_of($last);
my $pid = $node->safe_psql('postgres', q{SELECT covet.cache_set('lost', 'x'); SELECT pid FROM pg_stat_activity WHERE backend_type = 'background writer'});
$pid =~ s/^t\n//;
kill 'KILL', $pid;
$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)")
	or die 'the server did not come back';
is($node->safe_psql('postgres', q{SELECT covet.cache_get('lost') IS NULL}), 't', 'a crash restart empties the cache');
versions_rise('across a crash restart');
cmp_ok(boot_of($last), '>', $boot, 'with a new boot number');

# A clock that was set back is a boot number from the future in the file.
my $file = $node->data_dir . '/covet.boot';
my $future = boot_of($last) + 10 * 86400;
$node->stop;
my $content = slurp($file);
spill($file, sealed(substr($content, 0, 4) . pack('L', $future)));
$node->start;
versions_rise('though the clock was set back');
is(boot_of($last), $future + 1, 'from the saved boot number on');
$node->restart;
versions_rise('and once more');
is(boot_of($last), $future + 2, 'from there');

# A damaged file stops the start, with a word on what to do.
$node->stop;
$content = slurp($file);
my %damage = (
	'an empty file' => '',
	'a short file' => substr($content, 0, 7),
	'a wrong checksum' => substr($content, 0, 8) . ~substr($content, 8, 1) . substr($content, 9),
	'a wrong boot number' => substr($content, 0, 4) . pack('L', 1) . substr($content, 8),
	'another magic number' => sealed(pack('L', 42) . substr($content, 4, 4)));
foreach my $what (sort keys %damage)
{
	spill($file, $damage{$what});
	my $offset = -s $node->logfile;
	is($node->start(fail_ok => 1), 0, "$what stops the start");
	like(slurp_file($node->logfile, $offset), qr/FATAL:.*covet\.boot.* is damaged.*HINT:/s, 'with a message and a hint');
}

# As the hint says, without the file the clock decides.
unlink $file or die "unlink: $!";
$node->start;
is($node->safe_psql('postgres', q{SELECT covet.cache_set('k', 'v'), covet.cache_get('k')}), 't|v', 'without the file the server starts');
ok(-s $file == length($content), 'and has written a new one');
$node->stop;

done_testing();

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
sub sealed
{
	my ($bytes) = @_;
	my $crc = 0xFFFFFFFF;
	foreach my $byte (unpack('C*', $bytes))
	{
		$crc ^= $byte;
		$crc = $crc & 1 ? ($crc >> 1) ^ 0x82F63B78 : $crc >> 1 for 1 .. 8;
	}
	return $bytes . pack('L', $crc ^ 0xFFFFFFFF);
}
