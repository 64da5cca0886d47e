#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The kernel module builds for every kernel we name, for both architectures,
# without a single warning at W=1; sparse, which knows little-endian from
# native, finds nothing; and what comes out is a module that a card is found by.
use strict;
use warnings;
use Test::More;

chdir $ENV{VGG_TOP} if $ENV{VGG_TOP};

my @kernels = qw(6.1-arm64 6.1-amd64 6.12-arm64 6.12-amd64 backports-arm64
	backports-amd64);
# The backports' header packages lack what sparse is started by.
my @checked = qw(6.1-amd64 6.12-arm64);
my $sparse = 'C=2 CF=-D__CHECK_ENDIAN__';

# The path of the module, and all that was said.
sub build {
	my ($arguments) = @_;
	my ($path) = `tools/module $arguments 2>build/kmod-said.$$` =~ /^(.*)$/m;
	my $status = $?;
	my $said = `cat build/kmod-said.$$`;
	unlink "build/kmod-said.$$";
	# Fetching what is missing is told, too.
	$said =~ s/^(making a Debian trixie|fetching kernel) .*\n//mg;
	return ($status, $path, $said);
}

sub info {
	my ($path, $field) = @_;
	my $text = `tools/trixie .cache/trixie modinfo -F $field $path`;
	return split /\n/, $text;
}

mkdir 'build';
my ($vendor, $device) = `cat kmod/include/vggaccel_hw.h` =~
	/VGG_PCI_VENDOR_ID\s+0x(\w+).*VGG_PCI_DEVICE_ID\s+0x(\w+)/s;
my $alias = sprintf 'pci:v%08Xd%08Xsv*sd*bc*sc*i*', hex $vendor, hex $device;

for my $kernel (@kernels) {
	my ($status, $path, $said) = build($kernel);
	is($status, 0, "$kernel: builds") or diag($said);
	is($said, '', "$kernel: make says nothing, so warns of nothing");
	SKIP: {
		skip "$kernel: there is no module", 5 if $status;
		my $release = `cat .cache/kernels/$kernel/release` =~ s/\s//r;
		like((info($path, 'vermagic'))[0], qr/^\Q$release\E /,
			"$kernel: is for that kernel");
		ok((grep { $_ eq $alias } info($path, 'alias')),
			"$kernel: is found by the card's PCI identity");
		is_deeply([info($path, 'license')], ['GPL'], "$kernel: is GPL");
		my @parameters = map { s/:.*//r } info($path, 'parm');
		ok((grep { $_ eq 'irq' } @parameters), "$kernel: irq is a parameter");
		my @bare = grep { !/:.+\(/ } info($path, 'parm');
		is_deeply(\@bare, [], "$kernel: every parameter is described");
	}
}
for my $kernel (@checked) {
	my ($status, $path, $said) = build("$kernel $sparse");
	is($status, 0, "$kernel: builds with sparse") or diag($said);
	is($said, '', "$kernel: sparse finds nothing");
}

# The check of the checks: a warning and a wrong byte order do not go unseen,
# nor does a symbol that no kernel has.
my $bad = "build/kmod-bad.$$";
mkdir $bad;
mkdir "$bad/kmod";
sub put { open my $f, '>', $_[0] or die "$_[0]: $!"; print $f $_[1] }
put("$bad/Kbuild", "obj-m := vggaccel.o\nvggaccel-y := kmod/bad.o\n");
put("$bad/kmod/bad.c", <<'C');
// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>
MODULE_DESCRIPTION("what must not pass");
MODULE_LICENSE("GPL");
__le32 vgg_endian(u32 x);
__le32 vgg_endian(u32 x) { return x; }
void vgg_nobody_has(void);
static int __init bad_init(void) { int unused; vgg_nobody_has(); return 0; }
module_init(bad_init);
C
$ENV{SOURCE} = $bad;
my ($status, undef, $said) = build("6.12-arm64 $sparse KCFLAGS=-DBAD");
isnt($status, 0, 'a symbol that nobody has is an error');
like($said, qr/vgg_nobody_has.*undefined/, '... that names it');
like($said, qr/warning: unused variable/, 'a warning is seen');
like($said, qr/incorrect type in return expression/, 'so is a wrong byte order');
system("rm -rf $bad build/kmod/*_KCFLAGS_-DBAD build/kmod/.*_KCFLAGS_-DBAD.lock");
done_testing();
