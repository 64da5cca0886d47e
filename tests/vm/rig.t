#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The rig that boots guests does not take failure for success: programs that
# fail, crash, hang, say too little, or upset the kernel, and a guest that dies.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;

chdir $ENV{VGG_TOP} if $ENV{VGG_TOP};
system('tools/trixie .cache/trixie >/dev/null && ' .
	'tools/kernels image-6.12-arm64 >/dev/null 2>&1') == 0
	or BAIL_OUT('no QEMU or no kernel');
my $native = `uname -m` eq "aarch64\n";
my $sysroot = '.cache/sysroot-arm64';
if (!$native && !-f "$sysroot/.done") {
	system("tools/sysroot $sysroot >/dev/null") == 0 or BAIL_OUT('no sysroot');
}
my $dir = tempdir(CLEANUP => 1);
my $cc = $native ? 'gcc' : "aarch64-linux-gnu-gcc --sysroot=$sysroot";
is(system("$cc -static -O2 -Wall tests/vm/rig_guest.c -o $dir/guest"), 0,
	'the programs build');

# The TAP of a guest in which they run, and its exit status.
sub guest {
	my ($name, @what) = @_;
	my $commands = join ' ', map { "--command '$dir/guest $_'" } @what;
	my $tap = `tests/vm/run --no-card --no-module --limit 8 --name rig-$name $commands 2>&1`;
	return ($tap, $? >> 8);
}

my ($tap, $status) = guest('good', 'good', 'orphan');
is($status, 0, 'good programs pass') or diag($tap);
like($tap, qr/^ok \d+ - msi: guest: one$/m, 'a test is told by mode and program');
like($tap, qr/^ok \d+ - msi: guest: # SKIP for a reason$/m, 'a skip stays one');
like($tap, qr/^ok \d+ - msi: the guest came to its planned end$/m, 'and so does the end');
unlike($tap, qr/^not ok/m, 'a process left behind is ended with its program');
my ($last) = $tap =~ /^ok (\d+).*\n1\.\.\d+\n\z/m;
like($tap, qr/^1\.\.\Q$last\E$/m, 'the plan is that of all tests');

($tap, $status) = guest('bad', qw(bad short crash status hang log forge good));
is($status, 1, 'bad programs fail') or diag($tap);
my @bad = $tap =~ /^not ok \d+ - msi: (.*)$/mg;
is_deeply(\@bad, [
	'guest: two',
	'guest ran all tests of its plan',
	'guest ended with signal 11 and no failed test',
	'guest status: exit status 0',
	'guest ended within 8 s',
	"guest: the kernel's log stays clean",
], 'each in its way') or diag($tap);
like($tap, qr/^# BUG: something that the kernel may say$/m, 'the kernel is quoted');
like($tap, qr/^ok \d+ - msi: guest: forged$/m, 'a forged end ends nothing');
like($tap, qr/^ok \d+ - msi: the guest came to its planned end$/m,
	'later programs still run');

($tap, $status) = guest('panic', qw(panic good));
is($status, 1, 'a panic fails');
like($tap, qr/^not ok \d+ - msi: guest ended before the guest did$/m,
	'the program that was running is named');
like($tap, qr/^not ok \d+ - msi: the guest came to its planned end$/m,
	'the end is missed');
like($tap, qr/^# .*Kernel panic/m, "the guest's last words are shown");
unlike($tap, qr/guest: forged|guest: one/, 'nothing runs after it');
done_testing();
